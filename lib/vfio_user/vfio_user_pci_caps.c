/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#include <errno.h>
#include <stdlib.h>

#include <rte_common.h>

#include "vfio_user_log.h"
#include "vfio_user_pci.h"

#define PM_CAP_VERSION 3
/* The structure of version 2, slot and root registers included. */
#define EXP_CAP_SIZE 0x3c
#define EXP_CAP_VERSION 2
#define EXP_PAYLOAD_256B 1 /* in Device Capabilities */
#define EXP_LNKCAP_WIDTH_X1 (1 << 4)
/* Of Link Control the client writes these; a function level reset leaves them alone. */
#define EXP_LNKCTL_BITS (PCI_EXP_LNKCTL_ASPMC | PCI_EXP_LNKCTL_RCB | \
			 PCI_EXP_LNKCTL_CCC | PCI_EXP_LNKCTL_ES)
/* Not in the header: ASPM may be absent only if this is set. */
#define EXP_LNKCAP_ASPM_OPTIONAL 0x00400000

#define VENDOR_LENGTH 2 /* offset of the length byte */
#define VENDOR_HEADER 3

/* --------------------------------------------------------------- the list */

static bool
is_free(const struct rte_vfio_user_pci *pci, uint32_t off, uint32_t size)
{
	uint32_t i;

	for (i = 0; i < size; i++)
		if (pci->used[off + i])
			return false;
	return true;
}

/* The first free place, or 0. */
static uint32_t
find_place(const struct rte_vfio_user_pci *pci, uint32_t size, uint32_t first,
	   uint32_t end)
{
	uint32_t off;

	for (off = first; off + size <= end; off += 4)
		if (is_free(pci, off, size))
			return off;
	return 0;
}

int
vfio_user_pci_take(struct rte_vfio_user_pci *pci, uint32_t offset,
		   uint32_t size, uint32_t first, uint32_t end)
{
	uint32_t i;

	size = RTE_ALIGN_CEIL(size, 4u);
	if (size > end - first)
		return -ENOSPC;
	if (offset == 0) {
		offset = find_place(pci, size, first, end);
		if (offset == 0)
			return -ENOSPC;
	} else if (offset % 4 != 0 || offset < first || offset > end - size ||
		   !is_free(pci, offset, size)) {
		return -EINVAL;
	}
	for (i = 0; i < size; i++)
		pci->used[offset + i] = true;
	return offset;
}

static bool
cap_exists(const struct rte_vfio_user_pci *pci, uint8_t id)
{
	uint8_t off = pci->config[PCI_CAPABILITY_LIST];

	while (off != 0 && pci->config[off + PCI_CAP_LIST_ID] != id)
		off = pci->config[off + PCI_CAP_LIST_NEXT];
	return off != 0;
}

int
vfio_user_pci_cap_add(struct rte_vfio_user_pci *pci, uint8_t id,
		      uint32_t offset, uint32_t size, bool several)
{
	int ret;

	if (!several && cap_exists(pci, id))
		return -EEXIST;
	ret = vfio_user_pci_region_set(pci);
	if (ret < 0)
		return ret;
	ret = vfio_user_pci_take(pci, offset, size, PCI_STD_HEADER_SIZEOF,
				 PCI_CFG_SPACE_SIZE);
	if (ret < 0)
		return ret;

	offset = ret;
	vfio_user_pci_define(pci, offset + PCI_CAP_LIST_ID, 1, id, 0);
	vfio_user_pci_define(pci, pci->cap_link, 1, offset, 0);
	vfio_user_pci_define(pci, PCI_STATUS, 2, PCI_STATUS_CAP_LIST, 0);
	pci->cap_link = offset + PCI_CAP_LIST_NEXT;
	return offset;
}

/* ------------------------------------------------------- power management */

int
rte_vfio_user_pci_cap_pm_add(struct rte_vfio_user_pci *pci, uint32_t offset)
{
	int off;

	if (pci == NULL)
		return vfio_user_misuse(__func__);
	off = vfio_user_pci_cap_add(pci, PCI_CAP_ID_PM, offset, PCI_PM_SIZEOF, false);
	if (off < 0)
		return off;

	vfio_user_pci_define(pci, off + PCI_PM_PMC, 2, PM_CAP_VERSION, 0);
	vfio_user_pci_define(pci, off + PCI_PM_CTRL, 2, PCI_PM_CTRL_NO_SOFT_RESET,
			     PCI_PM_CTRL_STATE_MASK);
	pci->pm = off;
	return off;
}

/* ------------------------------------------------------------ PCI Express */

static void
express_link_define(struct rte_vfio_user_pci *pci, uint32_t off)
{
	vfio_user_pci_define(pci, off + PCI_EXP_LNKCAP, 4,
		   PCI_EXP_LNKCAP_SLS_2_5GB | EXP_LNKCAP_WIDTH_X1 |
		   EXP_LNKCAP_ASPM_OPTIONAL, 0);
	vfio_user_pci_define(pci, off + PCI_EXP_LNKCTL, 2, 0, EXP_LNKCTL_BITS);
	vfio_user_pci_define_sticky(pci, off + PCI_EXP_LNKCTL, 2, EXP_LNKCTL_BITS);
	vfio_user_pci_define(pci, off + PCI_EXP_LNKSTA, 2,
		   PCI_EXP_LNKSTA_CLS_2_5GB | PCI_EXP_LNKSTA_NLW_X1, 0);
	vfio_user_pci_define(pci, off + PCI_EXP_LNKCAP2, 4,
		   PCI_EXP_LNKCAP2_SLS_2_5GB, 0);
	vfio_user_pci_define(pci, off + PCI_EXP_LNKCTL2, 2,
		   PCI_EXP_LNKCTL2_TLS_2_5GT, 0);
}

static void
express_device_define(struct rte_vfio_user_pci *pci, uint32_t off, uint32_t flags)
{
	uint32_t flr = flags & RTE_VFIO_USER_PCI_EXP_FLR ? PCI_EXP_DEVCAP_FLR : 0;

	vfio_user_pci_define(pci, off + PCI_EXP_FLAGS, 2,
		   EXP_CAP_VERSION | PCI_EXP_TYPE_ENDPOINT << 4, 0);
	vfio_user_pci_define(pci, off + PCI_EXP_DEVCAP, 4,
		   EXP_PAYLOAD_256B | PCI_EXP_DEVCAP_EXT_TAG |
		   PCI_EXP_DEVCAP_RBER | flr, 0);
	/* Defaults as the specification has them. */
	vfio_user_pci_define(pci, off + PCI_EXP_DEVCTL, 2,
		   PCI_EXP_DEVCTL_RELAX_EN | PCI_EXP_DEVCTL_NOSNOOP_EN |
		   PCI_EXP_DEVCTL_READRQ_512B,
		   PCI_EXP_DEVCTL_CERE | PCI_EXP_DEVCTL_NFERE |
		   PCI_EXP_DEVCTL_FERE | PCI_EXP_DEVCTL_URRE |
		   PCI_EXP_DEVCTL_RELAX_EN | PCI_EXP_DEVCTL_PAYLOAD |
		   PCI_EXP_DEVCTL_EXT_TAG | PCI_EXP_DEVCTL_NOSNOOP_EN |
		   PCI_EXP_DEVCTL_READRQ);
	/* what packets on the link may be like is no matter of one function's reset */
	vfio_user_pci_define_sticky(pci, off + PCI_EXP_DEVCTL, 2, PCI_EXP_DEVCTL_PAYLOAD);
	vfio_user_pci_define_cleared(pci, off + PCI_EXP_DEVSTA, 2,
		   PCI_EXP_DEVSTA_CED | PCI_EXP_DEVSTA_NFED |
		   PCI_EXP_DEVSTA_FED | PCI_EXP_DEVSTA_URD);
	vfio_user_pci_define(pci, off + PCI_EXP_DEVCAP2, 4,
		   PCI_EXP_DEVCAP2_COMP_TMOUT_DIS, 0);
	vfio_user_pci_define(pci, off + PCI_EXP_DEVCTL2, 2, 0,
		   PCI_EXP_DEVCTL2_COMP_TMOUT_DIS);
}

int
rte_vfio_user_pci_cap_express_add(struct rte_vfio_user_pci *pci, uint32_t offset,
				  uint32_t flags)
{
	int off;

	if (pci == NULL || (flags & ~RTE_VFIO_USER_PCI_EXP_FLR) != 0)
		return vfio_user_misuse(__func__);
	off = vfio_user_pci_cap_add(pci, PCI_CAP_ID_EXP, offset, EXP_CAP_SIZE, false);
	if (off < 0)
		return off;
	express_device_define(pci, off, flags);
	express_link_define(pci, off);
	pci->flr = flags & RTE_VFIO_USER_PCI_EXP_FLR ? off : 0;
	return off;
}

/* -------------------------------------------------------- vendor specific */

struct vfio_user_pci_watch *
vfio_user_pci_watch_create(rte_vfio_user_pci_cap_cb_t cb, void *priv)
{
	struct vfio_user_pci_watch *watch = calloc(1, sizeof(*watch));

	if (watch != NULL) {
		watch->cb = cb;
		watch->priv = priv;
	}
	return watch;
}

void
vfio_user_pci_watch_add(struct rte_vfio_user_pci *pci,
			struct vfio_user_pci_watch *watch,
			const void *data, const void *writable)
{
	const uint8_t *bytes = data, *bits = writable;
	uint32_t i;

	for (i = watch->skip; i < watch->len; i++)
		vfio_user_pci_define(pci, watch->offset + i, 1,
				     bytes == NULL ? 0 : bytes[i],
				     bits == NULL ? 0 : bits[i]);
	watch->next = pci->watches;
	pci->watches = watch;
}

int
rte_vfio_user_pci_cap_vendor_add(struct rte_vfio_user_pci *pci, uint32_t offset,
				 const struct rte_vfio_user_pci_vendor *vendor)
{
	struct vfio_user_pci_watch *watch;
	int off;

	if (pci == NULL || vendor == NULL || vendor->len < VENDOR_HEADER)
		return vfio_user_misuse(__func__);
	watch = vfio_user_pci_watch_create(vendor->cb, vendor->priv);
	if (watch == NULL)
		return -ENOMEM;
	off = vfio_user_pci_cap_add(pci, PCI_CAP_ID_VNDR, offset, vendor->len, true);
	if (off < 0) {
		free(watch);
		return off;
	}
	watch->offset = off;
	watch->skip = VENDOR_HEADER;
	watch->len = vendor->len;
	vfio_user_pci_define(pci, off + VENDOR_LENGTH, 1, vendor->len, 0);
	vfio_user_pci_watch_add(pci, watch, vendor->data, vendor->writable);
	return off;
}
