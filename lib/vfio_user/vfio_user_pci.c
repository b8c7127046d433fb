/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include <linux/pci_regs.h>
#include <linux/vfio.h>

#include <rte_common.h>
#include <rte_errno.h>

#include "vfio_user_log.h"
#include "vfio_user_pci.h"

/*
 * The space is three arrays of bytes: what it holds, which bits the client may
 * write, and what a reset restores. No bit is RW1C: those of Status and Device
 * Status report errors that do not happen here, and are zero for ever.
 *
 * Bytes are written by the poller only and read by any thread, hence by atomic
 * loads and stores. The Interrupt Status bit is not stored, it is made from
 * intx_asserted when it is read.
 */

#define NB_BARS PCI_STD_NUM_BARS
#define BAR_REG(bar) (PCI_BASE_ADDRESS_0 + 4 * (bar))
#define BAR_FLAGS (RTE_VFIO_USER_PCI_BAR_MEM64 | \
		   RTE_VFIO_USER_PCI_BAR_PREFETCH | RTE_VFIO_USER_PCI_BAR_IO)
#define IO_BAR_MAX_SIZE 256

#define PM_CAP_VERSION 3
/* The structure of version 2, slot and root registers included. */
#define EXP_CAP_SIZE 0x3c
#define EXP_CAP_VERSION 2
#define EXP_PAYLOAD_256B 1 /* in Device Capabilities */
#define EXP_LNKCAP_WIDTH_X1 (1 << 4)
/* Not in the header: ASPM may be absent only if this is set. */
#define EXP_LNKCAP_ASPM_OPTIONAL 0x00400000

#define MSIX_PBA_BITS 64 /* pending bits come in units of a quadword */

struct pci_bar {
	uint64_t size; /* 0: not declared, or the upper half of another */
	uint32_t flags;
	bool taken;
};

struct rte_vfio_user_pci {
	struct rte_vfio_user_server *srv;
	struct pci_bar bars[NB_BARS];
	uint32_t cap_link; /* offset of the byte that will name the next one */
	uint32_t cap_end; /* offset behind the last capability */
	uint32_t pm; /* offsets of capabilities, 0 without */
	uint32_t msix;
	uint32_t msix_vectors;
	/*
	 * Makes a change of the line, or of the bits that hold it back, and its
	 * delivery one step: without it a late call of irq_set_level() could
	 * leave an interrupt asserted that the driver has disabled.
	 */
	pthread_mutex_t intx_lock;
	bool intx_asserted; /* atomic; written under the lock */
	uint8_t config[PCI_CFG_SPACE_EXP_SIZE]; /* atomic */
	uint8_t writable[PCI_CFG_SPACE_EXP_SIZE];
	uint8_t initial[PCI_CFG_SPACE_EXP_SIZE];
};

static uint8_t
config_get(const struct rte_vfio_user_pci *pci, uint32_t off)
{
	return __atomic_load_n(&pci->config[off], __ATOMIC_ACQUIRE);
}

static void
config_put(struct rte_vfio_user_pci *pci, uint32_t off, uint8_t val)
{
	__atomic_store_n(&pci->config[off], val, __ATOMIC_RELEASE);
}

/* Define a register: its value after reset and the bits a client may write. */
static void
reg_define(struct rte_vfio_user_pci *pci, uint32_t off, uint32_t len,
	   uint32_t val, uint32_t writable)
{
	uint32_t i;

	for (i = 0; i < len; i++) {
		pci->initial[off + i] = val >> (8 * i);
		pci->writable[off + i] = writable >> (8 * i);
		config_put(pci, off + i, pci->initial[off + i]);
	}
}

/* ---------------------------------------------------------------- INTx */

/* Neither Interrupt Disable nor MSI-X Enable holds the line back. */
static bool
intx_allowed(const struct rte_vfio_user_pci *pci)
{
	uint8_t command = config_get(pci, PCI_COMMAND + 1);
	uint8_t msix = pci->msix == 0 ? 0 :
		config_get(pci, pci->msix + PCI_MSIX_FLAGS + 1);

	return (command & (PCI_COMMAND_INTX_DISABLE >> 8)) == 0 &&
		(msix & (PCI_MSIX_FLAGS_ENABLE >> 8)) == 0;
}

/* Under the lock. */
static int
intx_deliver(struct rte_vfio_user_pci *pci)
{
	return rte_vfio_user_server_irq_set_level(pci->srv,
			VFIO_PCI_INTX_IRQ_INDEX, 0,
			pci->intx_asserted && intx_allowed(pci));
}

int
rte_vfio_user_pci_intx_set(struct rte_vfio_user_pci *pci, bool asserted)
{
	int ret;

	if (pci == NULL || config_get(pci, PCI_INTERRUPT_PIN) == 0)
		return vfio_user_misuse(__func__);
	pthread_mutex_lock(&pci->intx_lock);
	__atomic_store_n(&pci->intx_asserted, asserted, __ATOMIC_RELAXED);
	ret = intx_deliver(pci);
	pthread_mutex_unlock(&pci->intx_lock);
	return ret;
}

/* -------------------------------------------------------------- accesses */

static uint8_t
config_read(const struct rte_vfio_user_pci *pci, uint32_t off)
{
	uint8_t val = config_get(pci, off);

	if (off == PCI_STATUS &&
	    __atomic_load_n(&pci->intx_asserted, __ATOMIC_RELAXED))
		val |= PCI_STATUS_INTERRUPT;
	return val;
}

static void
config_write(struct rte_vfio_user_pci *pci, uint32_t off, uint8_t val)
{
	uint8_t writable = pci->writable[off];
	uint8_t state;

	val = (config_get(pci, off) & ~writable) | (val & writable);
	if (pci->pm != 0 && off == pci->pm + PCI_PM_CTRL) {
		/* D1 and D2 are not offered: such a write changes nothing. */
		state = val & PCI_PM_CTRL_STATE_MASK;
		if (state != 0 && state != PCI_PM_CTRL_STATE_MASK)
			return;
	}
	config_put(pci, off, val);
}

static void
config_write_all(struct rte_vfio_user_pci *pci, uint32_t off,
		 const uint8_t *data, uint32_t count)
{
	bool allowed;
	uint32_t i;

	pthread_mutex_lock(&pci->intx_lock);
	allowed = intx_allowed(pci);
	for (i = 0; i < count; i++)
		config_write(pci, off + i, data[i]);
	if (pci->intx_asserted && intx_allowed(pci) != allowed)
		intx_deliver(pci);
	pthread_mutex_unlock(&pci->intx_lock);
}

ssize_t
vfio_user_pci_config_access(struct rte_vfio_user_pci *pci,
			    const struct rte_vfio_user_region_access *acc)
{
	uint8_t *data = acc->data;
	uint32_t i;

	if (acc->is_write) {
		config_write_all(pci, acc->offset, data, acc->count);
	} else {
		for (i = 0; i < acc->count; i++)
			data[i] = config_read(pci, acc->offset + i);
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

/*
 * Describe the configuration space to the server. A started server refuses,
 * so each set-up function calls it to learn whether it is too late.
 */
static int
config_region_set(struct rte_vfio_user_pci *pci)
{
	const struct rte_vfio_user_region_conf conf = {
		.size = PCI_CFG_SPACE_EXP_SIZE,
		.flags = RTE_VFIO_USER_REGION_F_RW,
		.cb = config_region_cb,
		.priv = pci,
		.fd = -1,
	};

	if (pci == NULL)
		return -EINVAL;
	return rte_vfio_user_server_region_set(pci->srv,
			VFIO_PCI_CONFIG_REGION_INDEX, &conf);
}

bool
rte_vfio_user_pci_bus_master(const struct rte_vfio_user_pci *pci)
{
	return (config_get(pci, PCI_COMMAND) & PCI_COMMAND_MASTER) != 0;
}

bool
rte_vfio_user_pci_msix_enabled(const struct rte_vfio_user_pci *pci)
{
	uint32_t i;
	int state;

	if (pci->msix == 0)
		return false;
	if (config_get(pci, pci->msix + PCI_MSIX_FLAGS + 1) &
	    (PCI_MSIX_FLAGS_ENABLE >> 8))
		return true;
	for (i = 0; i < pci->msix_vectors; i++) {
		state = rte_vfio_user_server_irq_state(pci->srv,
				VFIO_PCI_MSIX_IRQ_INDEX, i);
		if (state < 0)
			break;
		if (state & RTE_VFIO_USER_IRQ_ENABLED)
			return true;
	}
	return false;
}

void
rte_vfio_user_pci_reset(struct rte_vfio_user_pci *pci)
{
	uint32_t off;

	pthread_mutex_lock(&pci->intx_lock);
	__atomic_store_n(&pci->intx_asserted, false, __ATOMIC_RELAXED);
	for (off = 0; off < PCI_CFG_SPACE_EXP_SIZE; off++) {
		if (off < BAR_REG(0) || off >= BAR_REG(NB_BARS))
			config_put(pci, off, pci->initial[off]);
	}
	if (config_get(pci, PCI_INTERRUPT_PIN) != 0)
		intx_deliver(pci);
	pthread_mutex_unlock(&pci->intx_lock);
}

/* ---------------------------------------------------------------- header */

static void
header_define(struct rte_vfio_user_pci *pci,
	      const struct rte_vfio_user_pci_id *id)
{
	reg_define(pci, PCI_VENDOR_ID, 2, id->vendor_id, 0);
	reg_define(pci, PCI_DEVICE_ID, 2, id->device_id, 0);
	/* I/O Space Enable becomes writable with the first I/O BAR. */
	reg_define(pci, PCI_COMMAND, 2, 0,
		   PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER |
		   PCI_COMMAND_PARITY | PCI_COMMAND_SERR |
		   PCI_COMMAND_INTX_DISABLE);
	reg_define(pci, PCI_CLASS_REVISION, 4,
		   id->class_code << 8 | id->revision_id, 0);
	/* Without effect; the Latency Timer is hardwired to 0 in PCI Express. */
	reg_define(pci, PCI_CACHE_LINE_SIZE, 1, 0, UINT8_MAX);
	reg_define(pci, PCI_SUBSYSTEM_VENDOR_ID, 2, id->subsystem_vendor_id, 0);
	reg_define(pci, PCI_SUBSYSTEM_ID, 2, id->subsystem_id, 0);
	reg_define(pci, PCI_INTERRUPT_LINE, 1, 0, UINT8_MAX);
	reg_define(pci, PCI_INTERRUPT_PIN, 1, id->intx_pin, 0);
}

struct rte_vfio_user_pci *
rte_vfio_user_pci_create(struct rte_vfio_user_server *srv,
			 const struct rte_vfio_user_pci_id *id)
{
	struct rte_vfio_user_pci *pci;
	int ret;

	if (srv == NULL || id == NULL || id->intx_pin > 4 ||
	    id->class_code >> 24 != 0) {
		rte_errno = EINVAL;
		return NULL;
	}
	pci = calloc(1, sizeof(*pci));
	if (pci == NULL) {
		rte_errno = ENOMEM;
		return NULL;
	}
	pci->srv = srv;
	pci->cap_link = PCI_CAPABILITY_LIST;
	pci->cap_end = PCI_STD_HEADER_SIZEOF;
	pthread_mutex_init(&pci->intx_lock, NULL);
	header_define(pci, id);

	ret = config_region_set(pci);
	if (ret < 0) {
		rte_vfio_user_pci_destroy(pci);
		rte_errno = -ret;
		return NULL;
	}
	return pci;
}

void
rte_vfio_user_pci_destroy(struct rte_vfio_user_pci *pci)
{
	if (pci == NULL)
		return;
	pthread_mutex_destroy(&pci->intx_lock);
	free(pci);
}

/* ------------------------------------------------------------------ BARs */

static bool
bar_is_valid(uint32_t bar, uint64_t size, uint32_t flags)
{
	if (bar >= NB_BARS || (flags & ~BAR_FLAGS) != 0 ||
	    size == 0 || (size & (size - 1)) != 0)
		return false;
	if (flags & RTE_VFIO_USER_PCI_BAR_IO)
		return flags == RTE_VFIO_USER_PCI_BAR_IO &&
			size > ~PCI_BASE_ADDRESS_IO_MASK &&
			size <= IO_BAR_MAX_SIZE;
	if (size <= ~PCI_BASE_ADDRESS_MEM_MASK)
		return false;
	if (flags & RTE_VFIO_USER_PCI_BAR_MEM64)
		return bar + 1 < NB_BARS;
	return size <= UINT32_MAX;
}

/* The address bits below the size are not writable: that tells the size. */
static void
bar_define(struct rte_vfio_user_pci *pci, uint32_t bar, uint64_t size,
	   uint32_t flags)
{
	uint64_t mask = ~(size - 1);
	uint32_t val = 0;

	if (flags & RTE_VFIO_USER_PCI_BAR_IO) {
		reg_define(pci, BAR_REG(bar), 4, PCI_BASE_ADDRESS_SPACE_IO, mask);
		pci->writable[PCI_COMMAND] |= PCI_COMMAND_IO;
		return;
	}
	if (flags & RTE_VFIO_USER_PCI_BAR_PREFETCH)
		val |= PCI_BASE_ADDRESS_MEM_PREFETCH;
	if (flags & RTE_VFIO_USER_PCI_BAR_MEM64) {
		val |= PCI_BASE_ADDRESS_MEM_TYPE_64;
		reg_define(pci, BAR_REG(bar + 1), 4, 0, mask >> 32);
	}
	reg_define(pci, BAR_REG(bar), 4, val, mask);
}

int
rte_vfio_user_pci_bar_set(struct rte_vfio_user_pci *pci, uint32_t bar,
			  uint64_t size, uint32_t flags)
{
	bool mem64 = flags & RTE_VFIO_USER_PCI_BAR_MEM64;
	int ret;

	if (pci == NULL || !bar_is_valid(bar, size, flags))
		return vfio_user_misuse(__func__);
	if (pci->bars[bar].taken || (mem64 && pci->bars[bar + 1].taken))
		return -EEXIST;
	ret = config_region_set(pci);
	if (ret < 0)
		return ret;

	pci->bars[bar].size = size;
	pci->bars[bar].flags = flags;
	pci->bars[bar].taken = true;
	if (mem64)
		pci->bars[bar + 1].taken = true;
	bar_define(pci, bar, size, flags);
	return 0;
}

/* ---------------------------------------------------------- capabilities */

static bool
cap_exists(const struct rte_vfio_user_pci *pci, uint8_t id)
{
	uint8_t off = pci->config[PCI_CAPABILITY_LIST];

	while (off != 0 && pci->config[off + PCI_CAP_LIST_ID] != id)
		off = pci->config[off + PCI_CAP_LIST_NEXT];
	return off != 0;
}

/* Append a capability to the list; its registers are all zero so far. */
static int
cap_add(struct rte_vfio_user_pci *pci, uint8_t id, uint32_t size)
{
	uint32_t off = pci->cap_end;
	int ret;

	if (cap_exists(pci, id))
		return -EEXIST;
	if (size > PCI_CFG_SPACE_SIZE - off)
		return -ENOSPC;
	ret = config_region_set(pci);
	if (ret < 0)
		return ret;

	reg_define(pci, off + PCI_CAP_LIST_ID, 1, id, 0);
	reg_define(pci, pci->cap_link, 1, off, 0);
	reg_define(pci, PCI_STATUS, 2, PCI_STATUS_CAP_LIST, 0);
	pci->cap_link = off + PCI_CAP_LIST_NEXT;
	pci->cap_end = RTE_ALIGN_CEIL(off + size, 4);
	return off;
}

int
rte_vfio_user_pci_cap_pm_add(struct rte_vfio_user_pci *pci)
{
	int off;

	if (pci == NULL)
		return vfio_user_misuse(__func__);
	off = cap_add(pci, PCI_CAP_ID_PM, PCI_PM_SIZEOF);
	if (off < 0)
		return off;

	reg_define(pci, off + PCI_PM_PMC, 2, PM_CAP_VERSION, 0);
	reg_define(pci, off + PCI_PM_CTRL, 2, PCI_PM_CTRL_NO_SOFT_RESET,
		   PCI_PM_CTRL_STATE_MASK);
	pci->pm = off;
	return off;
}

static void
express_link_define(struct rte_vfio_user_pci *pci, uint32_t off)
{
	reg_define(pci, off + PCI_EXP_LNKCAP, 4,
		   PCI_EXP_LNKCAP_SLS_2_5GB | EXP_LNKCAP_WIDTH_X1 |
		   EXP_LNKCAP_ASPM_OPTIONAL, 0);
	reg_define(pci, off + PCI_EXP_LNKCTL, 2, 0,
		   PCI_EXP_LNKCTL_ASPMC | PCI_EXP_LNKCTL_RCB |
		   PCI_EXP_LNKCTL_CCC | PCI_EXP_LNKCTL_ES);
	reg_define(pci, off + PCI_EXP_LNKSTA, 2,
		   PCI_EXP_LNKSTA_CLS_2_5GB | PCI_EXP_LNKSTA_NLW_X1, 0);
	reg_define(pci, off + PCI_EXP_LNKCAP2, 4, PCI_EXP_LNKCAP2_SLS_2_5GB, 0);
	reg_define(pci, off + PCI_EXP_LNKCTL2, 2, PCI_EXP_LNKCTL2_TLS_2_5GT, 0);
}

int
rte_vfio_user_pci_cap_express_add(struct rte_vfio_user_pci *pci)
{
	int off;

	if (pci == NULL)
		return vfio_user_misuse(__func__);
	off = cap_add(pci, PCI_CAP_ID_EXP, EXP_CAP_SIZE);
	if (off < 0)
		return off;

	reg_define(pci, off + PCI_EXP_FLAGS, 2,
		   EXP_CAP_VERSION | PCI_EXP_TYPE_ENDPOINT << 4, 0);
	reg_define(pci, off + PCI_EXP_DEVCAP, 4,
		   EXP_PAYLOAD_256B | PCI_EXP_DEVCAP_EXT_TAG |
		   PCI_EXP_DEVCAP_RBER, 0);
	/* Defaults as the specification has them. */
	reg_define(pci, off + PCI_EXP_DEVCTL, 2,
		   PCI_EXP_DEVCTL_RELAX_EN | PCI_EXP_DEVCTL_NOSNOOP_EN |
		   PCI_EXP_DEVCTL_READRQ_512B,
		   PCI_EXP_DEVCTL_CERE | PCI_EXP_DEVCTL_NFERE |
		   PCI_EXP_DEVCTL_FERE | PCI_EXP_DEVCTL_URRE |
		   PCI_EXP_DEVCTL_RELAX_EN | PCI_EXP_DEVCTL_PAYLOAD |
		   PCI_EXP_DEVCTL_EXT_TAG | PCI_EXP_DEVCTL_NOSNOOP_EN |
		   PCI_EXP_DEVCTL_READRQ);
	reg_define(pci, off + PCI_EXP_DEVCAP2, 4,
		   PCI_EXP_DEVCAP2_COMP_TMOUT_DIS, 0);
	reg_define(pci, off + PCI_EXP_DEVCTL2, 2, 0,
		   PCI_EXP_DEVCTL2_COMP_TMOUT_DIS);
	express_link_define(pci, off);
	return off;
}

static bool
bar_holds(const struct rte_vfio_user_pci *pci, uint32_t bar, uint64_t off,
	  uint64_t size)
{
	const struct pci_bar *b = &pci->bars[bar];

	return (b->flags & RTE_VFIO_USER_PCI_BAR_IO) == 0 &&
		size <= b->size && off <= b->size - size;
}

static bool
msix_is_valid(const struct rte_vfio_user_pci *pci,
	      const struct rte_vfio_user_pci_msix *msix)
{
	uint64_t table_size = (uint64_t)msix->vectors * PCI_MSIX_ENTRY_SIZE;
	uint64_t pba_size = RTE_ALIGN_CEIL((uint64_t)msix->vectors,
					   MSIX_PBA_BITS) / 8;

	if (msix->vectors == 0 || msix->vectors > RTE_VFIO_USER_MAX_VECTORS ||
	    msix->table_bar >= NB_BARS || msix->pba_bar >= NB_BARS ||
	    (msix->table_offset & PCI_MSIX_TABLE_BIR) != 0 ||
	    (msix->pba_offset & PCI_MSIX_PBA_BIR) != 0)
		return false;
	if (!bar_holds(pci, msix->table_bar, msix->table_offset, table_size) ||
	    !bar_holds(pci, msix->pba_bar, msix->pba_offset, pba_size))
		return false;
	return msix->table_bar != msix->pba_bar ||
		msix->table_offset + table_size <= msix->pba_offset ||
		msix->pba_offset + pba_size <= msix->table_offset;
}

int
rte_vfio_user_pci_cap_msix_add(struct rte_vfio_user_pci *pci,
			       const struct rte_vfio_user_pci_msix *msix)
{
	int off;

	if (pci == NULL || msix == NULL || !msix_is_valid(pci, msix))
		return vfio_user_misuse(__func__);
	off = cap_add(pci, PCI_CAP_ID_MSIX, PCI_CAP_MSIX_SIZEOF);
	if (off < 0)
		return off;

	reg_define(pci, off + PCI_MSIX_FLAGS, 2, msix->vectors - 1,
		   PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL);
	reg_define(pci, off + PCI_MSIX_TABLE, 4,
		   msix->table_offset | msix->table_bar, 0);
	reg_define(pci, off + PCI_MSIX_PBA, 4,
		   msix->pba_offset | msix->pba_bar, 0);
	pci->msix = off;
	pci->msix_vectors = msix->vectors;
	return off;
}
