/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#include <errno.h>
#include <string.h>

#include <linux/vfio.h>

#include <rte_common.h>

#include "vfio_user_log.h"
#include "vfio_user_pci.h"

void
vfio_user_pci_define(struct rte_vfio_user_pci *pci, uint32_t off, uint32_t len,
		     uint32_t val, uint32_t writable)
{
	uint32_t i;

	for (i = 0; i < len; i++) {
		pci->initial[off + i] = val >> (8 * i);
		pci->writable[off + i] = writable >> (8 * i);
		vfio_user_pci_put(pci, off + i, pci->initial[off + i]);
	}
}

void
vfio_user_pci_define_cleared(struct rte_vfio_user_pci *pci, uint32_t off,
			     uint32_t len, uint32_t bits)
{
	uint32_t i;

	for (i = 0; i < len; i++)
		pci->cleared[off + i] = bits >> (8 * i);
}

void
vfio_user_pci_define_sticky(struct rte_vfio_user_pci *pci, uint32_t off,
			    uint32_t len, uint32_t bits)
{
	uint32_t i;

	for (i = 0; i < len; i++)
		pci->sticky[off + i] = bits >> (8 * i);
}

/* ---------------------------------------------------------------- INTx */

/* Neither Interrupt Disable nor the enable bit of MSI or MSI-X holds it back. */
static bool
intx_allowed(const struct rte_vfio_user_pci *pci)
{
	uint8_t command = vfio_user_pci_get(pci, PCI_COMMAND + 1);

	return (command & (PCI_COMMAND_INTX_DISABLE >> 8)) == 0 &&
		!vfio_user_pci_msi_holds_intx(pci);
}

int
vfio_user_pci_intx_deliver(struct rte_vfio_user_pci *pci)
{
	return rte_vfio_user_server_irq_set_level(pci->srv,
			VFIO_PCI_INTX_IRQ_INDEX, 0,
			pci->intx_asserted && intx_allowed(pci));
}

int
rte_vfio_user_pci_intx_set(struct rte_vfio_user_pci *pci, bool asserted)
{
	int ret;

	if (pci == NULL || vfio_user_pci_get(pci, PCI_INTERRUPT_PIN) == 0)
		return vfio_user_misuse(__func__);
	pthread_mutex_lock(&pci->intx_lock);
	__atomic_store_n(&pci->intx_asserted, asserted, __ATOMIC_RELAXED);
	ret = vfio_user_pci_intx_deliver(pci);
	pthread_mutex_unlock(&pci->intx_lock);
	return ret;
}

/* -------------------------------------------------------------- accesses */

/*
 * Interrupt Status and pending bits are not stored: they are made from what they
 * report.
 */
static uint8_t
byte_read(const struct rte_vfio_user_pci *pci, uint32_t off)
{
	uint8_t val = vfio_user_pci_get(pci, off) | vfio_user_pci_msi_pending(pci, off);

	if (off == PCI_STATUS &&
	    __atomic_load_n(&pci->intx_asserted, __ATOMIC_RELAXED))
		val |= PCI_STATUS_INTERRUPT;
	return val;
}

static void
byte_write(struct rte_vfio_user_pci *pci, uint32_t off, uint8_t val)
{
	uint8_t writable = pci->writable[off], state;
	uint8_t old = vfio_user_pci_get(pci, off);

	if (pci->pm != 0 && off == pci->pm + PCI_PM_CTRL) {
		/* D1 and D2 are not offered: the state stays what it is. */
		state = val & PCI_PM_CTRL_STATE_MASK;
		if (state != 0 && state != PCI_PM_CTRL_STATE_MASK)
			writable &= ~PCI_PM_CTRL_STATE_MASK;
	}
	old &= ~(val & pci->cleared[off]);
	vfio_user_pci_put(pci, off, (old & ~writable) | (val & writable));
}

/* Tell the device model of the part of an access that is its capability's. */
static void
watch_call(struct rte_vfio_user_pci *pci, const struct vfio_user_pci_watch *watch,
	   uint32_t off, uint8_t *data, uint32_t count, bool is_write)
{
	uint32_t from = RTE_MAX(off, watch->offset + watch->skip);
	uint32_t to = RTE_MIN(off + count, watch->offset + watch->len);

	if (watch->cb != NULL && from < to)
		watch->cb(pci, from - watch->offset, data + (from - off),
			  to - from, is_write, watch->priv);
}

static void
watches_call(struct rte_vfio_user_pci *pci, uint32_t off, uint8_t *data,
	     uint32_t count, bool is_write)
{
	const struct vfio_user_pci_watch *watch;

	for (watch = pci->watches; watch != NULL; watch = watch->next)
		watch_call(pci, watch, off, data, count, is_write);
}

static void
range_read(const struct rte_vfio_user_pci *pci, uint32_t off, uint8_t *data,
	   uint32_t count)
{
	uint32_t i;

	for (i = 0; i < count; i++)
		data[i] = byte_read(pci, off + i);
}

static void
range_write(struct rte_vfio_user_pci *pci, uint32_t off, const uint8_t *data,
	    uint32_t count)
{
	bool allowed;
	uint32_t i;

	pthread_mutex_lock(&pci->intx_lock);
	allowed = intx_allowed(pci);
	for (i = 0; i < count; i++)
		byte_write(pci, off + i, data[i]);
	if (pci->intx_asserted && intx_allowed(pci) != allowed)
		vfio_user_pci_intx_deliver(pci);
	pthread_mutex_unlock(&pci->intx_lock);
}

/* Initiate FLR always reads as zero: it is looked for in what was written. */
static bool
flr_written(const struct rte_vfio_user_pci *pci, uint32_t off, const uint8_t *data,
	    uint32_t count)
{
	uint32_t at = pci->flr + PCI_EXP_DEVCTL + 1;

	return pci->flr != 0 && off <= at && at - off < count &&
		(data[at - off] & (PCI_EXP_DEVCTL_BCR_FLR >> 8)) != 0;
}

/* What a write does besides changing bytes. */
static void
write_act(struct rte_vfio_user_pci *pci, uint32_t off, const uint8_t *data,
	  uint32_t count)
{
	uint8_t held[PCI_CFG_SPACE_EXP_SIZE];

	vfio_user_pci_msi_config_written(pci, off, count);
	if (pci->watches != NULL) {
		range_read(pci, off, held, count);
		watches_call(pci, off, held, count, true);
	}
	if (flr_written(pci, off, data, count))
		rte_vfio_user_server_reset_request(pci->srv,
						   RTE_VFIO_USER_RESET_PCI_FLR);
}

ssize_t
vfio_user_pci_config_access(struct rte_vfio_user_pci *pci,
			    const struct rte_vfio_user_region_access *acc)
{
	if (acc->is_write) {
		range_write(pci, acc->offset, acc->data, acc->count);
		write_act(pci, acc->offset, acc->data, acc->count);
	} else {
		range_read(pci, acc->offset, acc->data, acc->count);
		watches_call(pci, acc->offset, acc->data, acc->count, false);
	}
	return acc->count;
}

static ssize_t
config_region_cb(struct rte_vfio_user_server *srv,
		 const struct rte_vfio_user_region_access *acc, void *priv)
{
	RTE_SET_USED(srv);
	return vfio_user_pci_config_access(priv, acc);
}

int
vfio_user_pci_region_set(struct rte_vfio_user_pci *pci)
{
	const struct rte_vfio_user_region_conf conf = {
		.size = PCI_CFG_SPACE_EXP_SIZE,
		.flags = RTE_VFIO_USER_REGION_F_RW,
		.cb = config_region_cb,
		.priv = pci,
		.fd = -1,
	};

	return rte_vfio_user_server_region_set(pci->srv,
			VFIO_PCI_CONFIG_REGION_INDEX, &conf);
}

/* ------------------------------------------------- the device's own access */

int
rte_vfio_user_pci_config_get(const struct rte_vfio_user_pci *pci,
			     uint32_t offset, void *data, uint32_t len)
{
	if (pci == NULL || data == NULL || len > PCI_CFG_SPACE_EXP_SIZE ||
	    offset > PCI_CFG_SPACE_EXP_SIZE - len)
		return vfio_user_misuse(__func__);
	range_read(pci, offset, data, len);
	return 0;
}

/* Of Status the errors only, of capabilities everything, else nothing. */
static uint8_t
settable_bits(const struct rte_vfio_user_pci *pci, uint32_t off)
{
	return off >= PCI_STD_HEADER_SIZEOF ? UINT8_MAX : pci->cleared[off];
}

int
rte_vfio_user_pci_config_set(struct rte_vfio_user_pci *pci, uint32_t offset,
			     const void *data, uint32_t len)
{
	const uint8_t *bytes = data;
	uint32_t i;
	uint8_t bits;

	if (pci == NULL || data == NULL || len > PCI_CFG_SPACE_EXP_SIZE ||
	    offset > PCI_CFG_SPACE_EXP_SIZE - len ||
	    (offset < PCI_STD_HEADER_SIZEOF &&
	     (offset < PCI_STATUS || offset + len > PCI_STATUS + 2)))
		return vfio_user_misuse(__func__);
	/* under the lock like every change of what may hold INTx back */
	pthread_mutex_lock(&pci->intx_lock);
	for (i = 0; i < len; i++) {
		bits = settable_bits(pci, offset + i);
		vfio_user_pci_put(pci, offset + i, (bytes[i] & bits) |
				  (vfio_user_pci_get(pci, offset + i) & ~bits));
	}
	pthread_mutex_unlock(&pci->intx_lock);
	return 0;
}

bool
rte_vfio_user_pci_bus_master(const struct rte_vfio_user_pci *pci)
{
	return (vfio_user_pci_get(pci, PCI_COMMAND) & PCI_COMMAND_MASTER) != 0;
}

/* ----------------------------------------------------------------- reset */

void
rte_vfio_user_pci_reset(struct rte_vfio_user_pci *pci,
			enum rte_vfio_user_reset reason)
{
	bool gone = reason == RTE_VFIO_USER_RESET_LOST_CONN;
	uint32_t off;
	uint8_t kept;

	pthread_mutex_lock(&pci->intx_lock);
	__atomic_store_n(&pci->intx_asserted, false, __ATOMIC_RELAXED);
	for (off = 0; off < PCI_CFG_SPACE_EXP_SIZE; off++) {
		kept = gone ? 0 : pci->sticky[off];
		vfio_user_pci_put(pci, off, (pci->initial[off] & ~kept) |
				  (vfio_user_pci_get(pci, off) & kept));
	}
	if (vfio_user_pci_get(pci, PCI_INTERRUPT_PIN) != 0)
		vfio_user_pci_intx_deliver(pci);
	pthread_mutex_unlock(&pci->intx_lock);
	vfio_user_pci_msi_reset(pci);
}
