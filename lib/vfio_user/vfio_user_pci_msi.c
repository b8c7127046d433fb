/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#include <errno.h>
#include <stdlib.h>

#include <linux/vfio.h>

#include <rte_bitops.h>
#include <rte_branch_prediction.h>
#include <rte_common.h>

#include "vfio_user_log.h"
#include "vfio_user_pci.h"

/*
 * A client may emulate the MSI-X table itself (QEMU, cloud-hypervisor), or have
 * no guest that knows of one: the eventfds of SET_IRQS are all that it uses.
 * Hence what the client wrote restricts delivery, but nothing that it did not
 * write does:
 *
 * - A vector is masked from the moment the client writes its mask bit as 1.
 *   The table reads as masked after a reset, as it has to, without effect.
 * - Enable counts once the client has set it: cleared later, it ends delivery.
 * - The function mask is clear after a reset.
 *
 * A reset, and a client that leaves, end all that.
 *
 * Masks are no business of the trigger: the poller turns them into the hold of
 * the server's interrupt, whose state is one atomic word with the pending bit.
 * That is where a trigger in another thread and an unmask meet, see update() in
 * vfio_user_irq.c. Pending bits are read from there, they have no copy here.
 */

#define MSIX VFIO_PCI_MSIX_IRQ_INDEX
#define MSI VFIO_PCI_MSI_IRQ_INDEX

#define PBA_BITS 64u /* pending bits come in units of a quadword */
#define ENTRY_MASK_BYTE PCI_MSIX_ENTRY_VECTOR_CTRL
#define MSI_MAX_VECTORS 32u
#define MSI_MAX_MME 5u
#define MSI_SIZE PCI_MSI_MASK_64 /* without mask and pending bits */
#define MSI_SIZE_MASKABLE (PCI_MSI_PENDING_64 + 4)

/*
 * Where a trigger goes, one word to be loaded at once: the interrupt index, the
 * bits of the vector that count, and the number of vectors, 0 if none is
 * delivered.
 */
#define ROUTE(index, bits, count) \
	((uint64_t)(index) << 32 | (uint64_t)(bits) << 16 | (count))
#define ROUTE_INDEX(route) ((uint32_t)((route) >> 32))
#define ROUTE_BITS(route) ((uint32_t)(route) >> 16)
#define ROUTE_COUNT(route) ((uint32_t)(route) & UINT16_MAX)

/* Whether a change of some bytes touches others. */
static bool
overlap(uint32_t off, uint32_t count, uint32_t reg, uint32_t len)
{
	return off < reg + len && reg < off + count;
}

static enum vfio_user_pci_msi_use
use_get(const struct vfio_user_pci_msi_cap *cap)
{
	return __atomic_load_n(&cap->use, __ATOMIC_ACQUIRE);
}

static void
use_put(struct vfio_user_pci_msi_cap *cap, enum vfio_user_pci_msi_use use)
{
	__atomic_store_n(&cap->use, use, __ATOMIC_RELEASE);
}

/* ------------------------------------------------------------------ masks */

static void
msix_hold(struct rte_vfio_user_pci *pci, uint32_t vector)
{
	rte_vfio_user_server_irq_hold(pci->srv, MSIX, vector,
				      pci->msi.function_masked ||
				      pci->msi.masked[vector]);
}

static void
msi_hold_all(struct rte_vfio_user_pci *pci)
{
	const struct vfio_user_pci_msi_cap *cap = &pci->msi.msi;
	uint32_t v, off = cap->offset + PCI_MSI_MASK_64;

	for (v = 0; pci->msi.msi_maskable && v < cap->vectors; v++)
		rte_vfio_user_server_irq_hold(pci->srv, MSI, v,
			(vfio_user_pci_get(pci, off + v / 8) >> v % 8 & 1) != 0);
}

static bool
is_pending(const struct rte_vfio_user_pci *pci, uint32_t index, uint32_t vector)
{
	int state = rte_vfio_user_server_irq_state(pci->srv, index, vector);

	return state >= 0 && (state & RTE_VFIO_USER_IRQ_PENDING) != 0;
}

/* The pending bits of 8 vectors. */
static uint8_t
pending_byte(const struct rte_vfio_user_pci *pci, uint32_t index, uint32_t first,
	     uint32_t vectors)
{
	uint8_t bits = 0;
	uint32_t i;

	for (i = 0; i < 8 && first + i < vectors; i++)
		bits |= is_pending(pci, index, first + i) << i;
	return bits;
}

static void
forget_pending(struct rte_vfio_user_pci *pci, uint32_t index,
	       const struct vfio_user_pci_msi_cap *cap)
{
	uint32_t v;

	for (v = 0; v < cap->vectors; v++)
		rte_vfio_user_server_irq_clear(pci->srv, index, v);
}

uint8_t
vfio_user_pci_msi_pending(const struct rte_vfio_user_pci *pci, uint32_t off)
{
	const struct vfio_user_pci_msi_cap *cap = &pci->msi.msi;
	const uint32_t reg = cap->offset + PCI_MSI_PENDING_64;

	if (!pci->msi.msi_maskable || off < reg || off >= reg + 4)
		return 0;
	return pending_byte(pci, MSI, 8 * (off - reg), cap->vectors);
}

/* ------------------------------------------------------- delivery */

/* A driver that enabled fewer messages than there are gets the lower bits. */
static uint32_t
msi_bits(const struct rte_vfio_user_pci *pci)
{
	const struct vfio_user_pci_msi_cap *cap = &pci->msi.msi;
	uint32_t mme = vfio_user_pci_get(pci, cap->offset + PCI_MSI_FLAGS);

	mme = (mme & PCI_MSI_FLAGS_QSIZE) >> 4;
	if (cap->use != VFIO_USER_PCI_MSI_ON || mme > MSI_MAX_MME)
		return cap->vectors - 1;
	return RTE_MIN(1u << mme, cap->vectors) - 1;
}

/* What the client enabled, else what there is; both is against the rules. */
static void
route_update(struct rte_vfio_user_pci *pci)
{
	const struct vfio_user_pci_msi_cap *msix = &pci->msi.msix;
	const struct vfio_user_pci_msi_cap *msi = &pci->msi.msi;
	uint64_t route = 0;

	if (msix->use == VFIO_USER_PCI_MSI_ON ||
	    (msix->vectors != 0 && msix->use == VFIO_USER_PCI_MSI_UNTOUCHED &&
	     msi->use != VFIO_USER_PCI_MSI_ON))
		route = ROUTE(MSIX, UINT16_MAX, msix->vectors);
	else if (msi->vectors != 0 && msi->use != VFIO_USER_PCI_MSI_OFF)
		route = ROUTE(MSI, msi_bits(pci), RTE_MAX(msix->vectors, msi->vectors));
	__atomic_store_n(&pci->msi.route, route, __ATOMIC_RELEASE);
}

static bool
in_use(const struct rte_vfio_user_pci *pci, uint32_t index,
       const struct vfio_user_pci_msi_cap *cap)
{
	enum vfio_user_pci_msi_use use = use_get(cap);

	if (cap->vectors == 0 || use == VFIO_USER_PCI_MSI_OFF)
		return false;
	return use == VFIO_USER_PCI_MSI_ON ||
		rte_vfio_user_server_irq_count(pci->srv, index) > 0;
}

/* Nobody listens where the trigger went first, by that route. */
static int
trigger_other(struct rte_vfio_user_pci *pci, uint32_t vector, uint64_t route)
{
	const struct vfio_user_pci_msi_cap *msix = &pci->msi.msix;
	const struct vfio_user_pci_msi_cap *msi = &pci->msi.msi;
	uint32_t vectors = RTE_MAX(msix->vectors, msi->vectors);

	if (vectors != 0 && vector >= vectors)
		return vfio_user_misuse("rte_vfio_user_pci_irq_trigger");
	/* The client enabled nothing: it may have assigned eventfds to MSI. */
	if (msi->vectors != 0 && ROUTE_INDEX(route) != MSI &&
	    use_get(msi) == VFIO_USER_PCI_MSI_UNTOUCHED &&
	    use_get(msix) != VFIO_USER_PCI_MSI_ON &&
	    rte_vfio_user_server_irq_trigger(pci->srv, MSI,
					     vector & (msi->vectors - 1)) == 0)
		return 0;
	return in_use(pci, MSIX, msix) || in_use(pci, MSI, msi) ? -ENXIO : -ENOENT;
}

int
rte_vfio_user_pci_irq_trigger(struct rte_vfio_user_pci *pci, uint32_t vector)
{
	uint64_t route;

	if (unlikely(pci == NULL))
		return vfio_user_misuse(__func__);
	route = __atomic_load_n(&pci->msi.route, __ATOMIC_ACQUIRE);
	if (likely(vector < ROUTE_COUNT(route)) &&
	    likely(rte_vfio_user_server_irq_trigger(pci->srv, ROUTE_INDEX(route),
						    vector & ROUTE_BITS(route)) == 0))
		return 0;
	return trigger_other(pci, vector, route);
}

bool
rte_vfio_user_pci_msix_enabled(const struct rte_vfio_user_pci *pci)
{
	return in_use(pci, MSIX, &pci->msi.msix);
}

bool
vfio_user_pci_msi_holds_intx(const struct rte_vfio_user_pci *pci)
{
	const struct vfio_user_pci_msi *msi = &pci->msi;

	return (msi->msix.offset != 0 &&
		(vfio_user_pci_get(pci, msi->msix.offset + PCI_MSIX_FLAGS + 1) &
		 (PCI_MSIX_FLAGS_ENABLE >> 8)) != 0) ||
		(msi->msi.offset != 0 &&
		 (vfio_user_pci_get(pci, msi->msi.offset + PCI_MSI_FLAGS) &
		  PCI_MSI_FLAGS_ENABLE) != 0);
}

/* ------------------------------------------------------ control registers */

/*
 * The client wrote the enable bit. What waits for a driver that left is gone, also
 * if a late trigger of another thread came only after that driver.
 */
static void
enable_written(struct rte_vfio_user_pci *pci, uint32_t index,
	       struct vfio_user_pci_msi_cap *cap, bool enable)
{
	bool ended = !enable && cap->use == VFIO_USER_PCI_MSI_ON;

	if (enable && cap->use == VFIO_USER_PCI_MSI_OFF)
		forget_pending(pci, index, cap);
	if (enable)
		use_put(cap, VFIO_USER_PCI_MSI_ON);
	else if (ended)
		use_put(cap, VFIO_USER_PCI_MSI_OFF);
	route_update(pci);
	if (ended)
		forget_pending(pci, index, cap);
}

static void
msix_control_written(struct rte_vfio_user_pci *pci)
{
	struct vfio_user_pci_msi *msi = &pci->msi;
	uint8_t flags = vfio_user_pci_get(pci, msi->msix.offset + PCI_MSIX_FLAGS + 1);
	bool masked = (flags & (PCI_MSIX_FLAGS_MASKALL >> 8)) != 0;
	uint32_t v;

	enable_written(pci, MSIX, &msi->msix, (flags & (PCI_MSIX_FLAGS_ENABLE >> 8)) != 0);
	if (masked == msi->function_masked)
		return;
	msi->function_masked = masked;
	for (v = 0; v < msi->msix.vectors; v++)
		msix_hold(pci, v);
}

void
vfio_user_pci_msi_config_written(struct rte_vfio_user_pci *pci, uint32_t off,
				 uint32_t count)
{
	struct vfio_user_pci_msi *msi = &pci->msi;
	uint8_t flags;

	if (msi->msix.offset != 0 &&
	    overlap(off, count, msi->msix.offset + PCI_MSIX_FLAGS + 1, 1))
		msix_control_written(pci);
	if (msi->msi.offset == 0)
		return;
	if (overlap(off, count, msi->msi.offset + PCI_MSI_FLAGS, 1)) {
		flags = vfio_user_pci_get(pci, msi->msi.offset + PCI_MSI_FLAGS);
		enable_written(pci, MSI, &msi->msi, (flags & PCI_MSI_FLAGS_ENABLE) != 0);
	}
	if (overlap(off, count, msi->msi.offset + PCI_MSI_MASK_64, 4))
		msi_hold_all(pci);
}

/* ------------------------------------------------------ table and PBA */

/* Whether a byte of a BAR is inside; run ends at the next change of that. */
static bool
range_owns(const struct vfio_user_pci_msix_range *range, uint32_t bar,
	   uint64_t off, uint64_t *run)
{
	uint64_t left;

	if (range->bar != bar || off >= range->offset + range->size)
		return false;
	left = off < range->offset ? range->offset - off :
		range->offset + range->size - off;
	*run = RTE_MIN(*run, left);
	return off >= range->offset;
}

bool
vfio_user_pci_msix_owns(const struct rte_vfio_user_pci *pci, uint32_t bar,
			uint64_t off, uint64_t *run)
{
	*run = pci->bars[bar].size - off;
	/* both are asked: each may end the run */
	return range_owns(&pci->msi.table, bar, off, run) ||
		range_owns(&pci->msi.pba, bar, off, run);
}

static void
table_write(struct rte_vfio_user_pci *pci, uint32_t off, uint8_t val)
{
	uint32_t vector = off / PCI_MSIX_ENTRY_SIZE, byte = off % PCI_MSIX_ENTRY_SIZE;
	bool masked = (val & PCI_MSIX_ENTRY_CTRL_MASKBIT) != 0;

	if (byte < ENTRY_MASK_BYTE) {
		/* an address is one of dwords */
		pci->msi.entries[off] = byte == 0 ? val & ~3 : val;
	} else if (byte == ENTRY_MASK_BYTE) {
		pci->msi.entries[off] = masked;
		if (masked == pci->msi.masked[vector])
			return;
		pci->msi.masked[vector] = masked;
		msix_hold(pci, vector);
	}
}

void
vfio_user_pci_msix_bar_access(struct rte_vfio_user_pci *pci,
			      const struct rte_vfio_user_region_access *acc)
{
	const struct vfio_user_pci_msi *msi = &pci->msi;
	uint8_t *data = acc->data;
	uint32_t i, off;
	uint64_t run = UINT64_MAX; /* not asked for */

	if (range_owns(&msi->table, acc->region, acc->offset, &run)) {
		off = acc->offset - msi->table.offset;
		for (i = 0; i < acc->count; i++) {
			if (acc->is_write)
				table_write(pci, off + i, data[i]);
			else
				data[i] = msi->entries[off + i];
		}
	} else if (!acc->is_write) { /* the pending bits are read only */
		off = acc->offset - msi->pba.offset;
		for (i = 0; i < acc->count; i++)
			data[i] = pending_byte(pci, MSIX, 8 * (off + i),
					       msi->msix.vectors);
	}
}

static void
table_reset(struct rte_vfio_user_pci *pci)
{
	struct vfio_user_pci_msi *msi = &pci->msi;
	uint32_t v, i;

	for (i = 0; i < msi->table.size; i++)
		msi->entries[i] = i % PCI_MSIX_ENTRY_SIZE == ENTRY_MASK_BYTE ?
			PCI_MSIX_ENTRY_CTRL_MASKBIT : 0;
	msi->function_masked = false;
	for (v = 0; v < msi->msix.vectors; v++) {
		msi->masked[v] = false;
		msix_hold(pci, v);
	}
}

void
vfio_user_pci_msi_reset(struct rte_vfio_user_pci *pci)
{
	struct vfio_user_pci_msi *msi = &pci->msi;

	use_put(&msi->msix, VFIO_USER_PCI_MSI_UNTOUCHED);
	use_put(&msi->msi, VFIO_USER_PCI_MSI_UNTOUCHED);
	route_update(pci);
	/* before they are let go, which would deliver them */
	forget_pending(pci, MSIX, &msi->msix);
	forget_pending(pci, MSI, &msi->msi);
	table_reset(pci);
	msi_hold_all(pci);
}

/* ----------------------------------------------------------------- set-up */

static bool
msix_is_valid(const struct rte_vfio_user_pci *pci,
	      const struct rte_vfio_user_pci_msix *msix)
{
	uint64_t table_size = (uint64_t)msix->vectors * PCI_MSIX_ENTRY_SIZE;
	uint64_t pba_size = RTE_ALIGN_CEIL(msix->vectors, PBA_BITS) / 8;

	if (msix->vectors == 0 || msix->vectors > RTE_VFIO_USER_MAX_VECTORS ||
	    (msix->table_offset & PCI_MSIX_TABLE_BIR) != 0 ||
	    (msix->pba_offset & PCI_MSIX_PBA_BIR) != 0)
		return false;
	if (!vfio_user_pci_bar_traps(pci, msix->table_bar, msix->table_offset,
				     table_size) ||
	    !vfio_user_pci_bar_traps(pci, msix->pba_bar, msix->pba_offset, pba_size))
		return false;
	return msix->table_bar != msix->pba_bar ||
		msix->table_offset + table_size <= msix->pba_offset ||
		msix->pba_offset + pba_size <= msix->table_offset;
}

/*
 * The interrupt index and the capability, or neither.
 *
 * The index takes eventfds and no masks, as in the kernel's VFIO, where MASK and
 * UNMASK of MSI and MSI-X are answered ENOTTY: no client uses them, masking is
 * the business of the table and of the mask bits. It can be resized, unlike the
 * kernel's MSI, because vectors here do not depend on each other.
 */
static int
cap_add(struct rte_vfio_user_pci *pci, uint32_t index, uint8_t id, uint32_t offset,
	uint32_t size, struct vfio_user_pci_msi_cap *cap, uint32_t vectors)
{
	int off, ret;

	ret = rte_vfio_user_server_irq_set(pci->srv, index, vectors,
					   VFIO_IRQ_INFO_EVENTFD);
	if (ret < 0)
		return ret;
	off = vfio_user_pci_cap_add(pci, id, offset, size, false);
	if (off < 0) {
		rte_vfio_user_server_irq_set(pci->srv, index, 0, 0);
		return off;
	}
	cap->offset = off;
	cap->vectors = vectors;
	return off;
}

static void
msix_define(struct rte_vfio_user_pci *pci, uint32_t off,
	    const struct rte_vfio_user_pci_msix *msix)
{
	struct vfio_user_pci_msi *msi = &pci->msi;

	vfio_user_pci_define(pci, off + PCI_MSIX_FLAGS, 2, msix->vectors - 1,
			     PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL);
	vfio_user_pci_define(pci, off + PCI_MSIX_TABLE, 4,
			     msix->table_offset | msix->table_bar, 0);
	vfio_user_pci_define(pci, off + PCI_MSIX_PBA, 4,
			     msix->pba_offset | msix->pba_bar, 0);
	msi->table.bar = msix->table_bar;
	msi->table.offset = msix->table_offset;
	msi->table.size = msix->vectors * PCI_MSIX_ENTRY_SIZE;
	msi->pba.bar = msix->pba_bar;
	msi->pba.offset = msix->pba_offset;
	msi->pba.size = RTE_ALIGN_CEIL(msix->vectors, PBA_BITS) / 8;
}

int
rte_vfio_user_pci_cap_msix_add(struct rte_vfio_user_pci *pci, uint32_t offset,
			       const struct rte_vfio_user_pci_msix *msix)
{
	struct vfio_user_pci_msi *msi;
	int off;

	if (pci == NULL || msix == NULL || !msix_is_valid(pci, msix))
		return vfio_user_misuse(__func__);
	msi = &pci->msi;
	if (msi->msix.offset != 0)
		return -EEXIST;
	/* one piece of memory: the table, then what is masked */
	msi->entries = malloc(msix->vectors * (PCI_MSIX_ENTRY_SIZE + sizeof(bool)));
	if (msi->entries == NULL)
		return -ENOMEM;
	msi->masked = (bool *)&msi->entries[msix->vectors * PCI_MSIX_ENTRY_SIZE];
	off = cap_add(pci, MSIX, PCI_CAP_ID_MSIX, offset, PCI_CAP_MSIX_SIZEOF,
		      &msi->msix, msix->vectors);
	if (off < 0) {
		free(msi->entries);
		msi->entries = NULL;
		return off;
	}
	msix_define(pci, off, msix);
	table_reset(pci);
	route_update(pci);
	return off;
}

int
rte_vfio_user_pci_cap_msi_add(struct rte_vfio_user_pci *pci, uint32_t offset,
			      const struct rte_vfio_user_pci_msi *conf)
{
	uint32_t flags = PCI_MSI_FLAGS_64BIT;
	bool maskable;
	int off;

	if (pci == NULL || conf == NULL || conf->vectors == 0 ||
	    conf->vectors > MSI_MAX_VECTORS || !rte_is_power_of_2(conf->vectors) ||
	    (conf->flags & ~RTE_VFIO_USER_PCI_MSI_MASKABLE) != 0)
		return vfio_user_misuse(__func__);
	if (pci->msi.msi.offset != 0)
		return -EEXIST;
	maskable = (conf->flags & RTE_VFIO_USER_PCI_MSI_MASKABLE) != 0;
	off = cap_add(pci, MSI, PCI_CAP_ID_MSI, offset,
		      maskable ? MSI_SIZE_MASKABLE : MSI_SIZE, &pci->msi.msi,
		      conf->vectors);
	if (off < 0)
		return off;

	if (maskable)
		flags |= PCI_MSI_FLAGS_MASKBIT;
	flags |= rte_bsf32(conf->vectors) << 1;
	vfio_user_pci_define(pci, off + PCI_MSI_FLAGS, 2, flags,
			     PCI_MSI_FLAGS_ENABLE | PCI_MSI_FLAGS_QSIZE);
	vfio_user_pci_define(pci, off + PCI_MSI_ADDRESS_LO, 4, 0, ~3u);
	vfio_user_pci_define(pci, off + PCI_MSI_ADDRESS_HI, 4, 0, UINT32_MAX);
	vfio_user_pci_define(pci, off + PCI_MSI_DATA_64, 2, 0, UINT16_MAX);
	if (maskable)
		vfio_user_pci_define(pci, off + PCI_MSI_MASK_64, 4, 0,
				     UINT32_MAX >> (MSI_MAX_VECTORS - conf->vectors));
	pci->msi.msi_maskable = maskable;
	route_update(pci);
	return off;
}

void
vfio_user_pci_msi_fini(struct rte_vfio_user_pci *pci)
{
	free(pci->msi.entries);
}
