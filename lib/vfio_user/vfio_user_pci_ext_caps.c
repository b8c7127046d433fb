/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#include <errno.h>
#include <stdlib.h>

#include <rte_common.h>

#include "vfio_user_log.h"
#include "vfio_user_pci.h"

/*
 * The list begins at 0x100 and goes on in the order in which capabilities were
 * added. As long as none is at 0x100, an empty header there (the Null
 * capability) leads to the first one.
 */
#define EXT_BEGIN PCI_CFG_SPACE_SIZE
#define EXT_HEADER 4
#define EXT_HEAD(id, version, next) \
	((uint32_t)(id) | (uint32_t)(version) << 16 | (uint32_t)(next) << 20)

#define DSN_SIZE 12
#define VSEC_HEADER (PCI_VNDR_HEADER + 4)
#define VSEC_MAX (PCI_CFG_SPACE_EXP_SIZE - EXT_BEGIN)
/* Version 1 ends with the header log: no root port, no TLP prefixes. */
#define AER_SIZE 0x2c
#define AER_VERSION 1
/* The errors that an endpoint without optional features can report. */
#define AER_UNCOR (PCI_ERR_UNC_DLP | PCI_ERR_UNC_POISON_TLP | PCI_ERR_UNC_FCP | \
		   PCI_ERR_UNC_COMP_TIME | PCI_ERR_UNC_COMP_ABORT | \
		   PCI_ERR_UNC_UNX_COMP | PCI_ERR_UNC_RX_OVER | \
		   PCI_ERR_UNC_MALF_TLP | PCI_ERR_UNC_UNSUP)
#define AER_FATAL (PCI_ERR_UNC_DLP | PCI_ERR_UNC_FCP | PCI_ERR_UNC_RX_OVER | \
		   PCI_ERR_UNC_MALF_TLP)
#define AER_COR (PCI_ERR_COR_RCVR | PCI_ERR_COR_BAD_TLP | PCI_ERR_COR_BAD_DLLP | \
		 PCI_ERR_COR_REP_ROLL | PCI_ERR_COR_REP_TIMER | \
		 PCI_ERR_COR_ADV_NFAT)

static uint32_t
head_get(const struct rte_vfio_user_pci *pci, uint32_t off)
{
	return pci->config[off] | pci->config[off + 1] << 8 |
		pci->config[off + 2] << 16 | (uint32_t)pci->config[off + 3] << 24;
}

static bool
ext_exists(const struct rte_vfio_user_pci *pci, uint16_t id)
{
	uint32_t off = EXT_BEGIN, head;

	do {
		head = head_get(pci, off);
		if (PCI_EXT_CAP_ID(head) == id)
			return true;
		off = PCI_EXT_CAP_NEXT(head);
	} while (off != 0);
	return false;
}

/* The capability at 0x100 is the first of the list whenever it is added. */
static void
ext_link(struct rte_vfio_user_pci *pci, uint32_t off, uint16_t id, uint8_t version)
{
	uint32_t next = 0, last = pci->ext_link == 0 ? EXT_BEGIN : pci->ext_link;

	if (off == EXT_BEGIN) {
		next = PCI_EXT_CAP_NEXT(head_get(pci, EXT_BEGIN));
	} else {
		vfio_user_pci_define(pci, last, EXT_HEADER,
				     (head_get(pci, last) & 0xfffff) |
				     EXT_HEAD(0, 0, off), 0);
	}
	vfio_user_pci_define(pci, off, EXT_HEADER, EXT_HEAD(id, version, next), 0);
	if (off != EXT_BEGIN || pci->ext_link == 0)
		pci->ext_link = off;
}

static int
ext_add(struct rte_vfio_user_pci *pci, uint16_t id, uint8_t version,
	uint32_t offset, uint32_t size, bool several)
{
	int ret;

	if (!several && ext_exists(pci, id))
		return -EEXIST;
	ret = vfio_user_pci_region_set(pci);
	if (ret < 0)
		return ret;
	ret = vfio_user_pci_take(pci, offset, size, EXT_BEGIN,
				 PCI_CFG_SPACE_EXP_SIZE);
	if (ret > 0)
		ext_link(pci, ret, id, version);
	return ret;
}

int
rte_vfio_user_pci_ext_cap_dsn_add(struct rte_vfio_user_pci *pci, uint32_t offset,
				  uint64_t serial)
{
	int off;

	if (pci == NULL)
		return vfio_user_misuse(__func__);
	off = ext_add(pci, PCI_EXT_CAP_ID_DSN, 1, offset, DSN_SIZE, false);
	if (off < 0)
		return off;
	vfio_user_pci_define(pci, off + EXT_HEADER, 4, serial, 0);
	vfio_user_pci_define(pci, off + EXT_HEADER + 4, 4, serial >> 32, 0);
	return off;
}

int
rte_vfio_user_pci_ext_cap_vsec_add(struct rte_vfio_user_pci *pci, uint32_t offset,
				   const struct rte_vfio_user_pci_vsec *vsec)
{
	struct vfio_user_pci_watch *watch;
	int off;

	if (pci == NULL || vsec == NULL || vsec->revision > 0xf ||
	    vsec->len < VSEC_HEADER || vsec->len > VSEC_MAX)
		return vfio_user_misuse(__func__);
	watch = vfio_user_pci_watch_create(vsec->cb, vsec->priv);
	if (watch == NULL)
		return -ENOMEM;
	off = ext_add(pci, PCI_EXT_CAP_ID_VNDR, 1, offset, vsec->len, true);
	if (off < 0) {
		free(watch);
		return off;
	}
	watch->offset = off;
	watch->skip = VSEC_HEADER;
	watch->len = vsec->len;
	vfio_user_pci_define(pci, off + PCI_VNDR_HEADER, 4, vsec->id |
			     (uint32_t)vsec->revision << 16 |
			     (uint32_t)vsec->len << 20, 0);
	vfio_user_pci_watch_add(pci, watch, vsec->data, vsec->writable);
	return off;
}

/* An error register: its bits survive a reset while the client is there. */
static void
aer_define(struct rte_vfio_user_pci *pci, uint32_t off, uint32_t val,
	   uint32_t writable, uint32_t cleared)
{
	vfio_user_pci_define(pci, off, 4, val, writable);
	vfio_user_pci_define_cleared(pci, off, 4, cleared);
	vfio_user_pci_define_sticky(pci, off, 4, UINT32_MAX);
}

int
rte_vfio_user_pci_ext_cap_aer_add(struct rte_vfio_user_pci *pci, uint32_t offset)
{
	uint32_t i;
	int off;

	if (pci == NULL)
		return vfio_user_misuse(__func__);
	off = ext_add(pci, PCI_EXT_CAP_ID_ERR, AER_VERSION, offset, AER_SIZE, false);
	if (off < 0)
		return off;

	aer_define(pci, off + PCI_ERR_UNCOR_STATUS, 0, 0, AER_UNCOR);
	aer_define(pci, off + PCI_ERR_UNCOR_MASK, 0, AER_UNCOR, 0);
	aer_define(pci, off + PCI_ERR_UNCOR_SEVER, AER_FATAL, AER_UNCOR, 0);
	aer_define(pci, off + PCI_ERR_COR_STATUS, 0, 0, AER_COR);
	aer_define(pci, off + PCI_ERR_COR_MASK, PCI_ERR_COR_ADV_NFAT, AER_COR, 0);
	/* First Error Pointer; no ECRC */
	aer_define(pci, off + PCI_ERR_CAP, 0, 0, 0);
	for (i = 0; i < 16; i += 4)
		aer_define(pci, off + PCI_ERR_HEADER_LOG + i, 0, 0, 0);
	return off;
}
