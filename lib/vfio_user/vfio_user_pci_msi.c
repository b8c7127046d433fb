/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#include <errno.h>

#include <linux/vfio.h>

#include <rte_common.h>

#include "vfio_user_log.h"
#include "vfio_user_pci.h"

#define MSIX_PBA_BITS 64 /* pending bits come in units of a quadword */

bool
vfio_user_pci_msi_holds_intx(const struct rte_vfio_user_pci *pci)
{
	return pci->msix != 0 &&
		(vfio_user_pci_get(pci, pci->msix + PCI_MSIX_FLAGS + 1) &
		 (PCI_MSIX_FLAGS_ENABLE >> 8)) != 0;
}

bool
vfio_user_pci_msix_owns(const struct rte_vfio_user_pci *pci, uint32_t bar,
			uint64_t off, uint64_t *run)
{
	*run = pci->bars[bar].size - off;
	return false;
}

void
vfio_user_pci_msix_bar_access(struct rte_vfio_user_pci *pci,
			      const struct rte_vfio_user_region_access *acc)
{
	RTE_SET_USED(pci);
	RTE_SET_USED(acc);
}

void
vfio_user_pci_msi_config_written(struct rte_vfio_user_pci *pci, uint32_t off,
				 uint32_t count)
{
	RTE_SET_USED(pci);
	RTE_SET_USED(off);
	RTE_SET_USED(count);
}

void
vfio_user_pci_msi_reset(struct rte_vfio_user_pci *pci, bool gone)
{
	RTE_SET_USED(pci);
	RTE_SET_USED(gone);
}

void
vfio_user_pci_msi_fini(struct rte_vfio_user_pci *pci)
{
	RTE_SET_USED(pci);
}

bool
rte_vfio_user_pci_msix_enabled(const struct rte_vfio_user_pci *pci)
{
	uint32_t i;
	int state;

	if (pci->msix == 0)
		return false;
	if (vfio_user_pci_get(pci, pci->msix + PCI_MSIX_FLAGS + 1) &
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

static bool
msix_is_valid(const struct rte_vfio_user_pci *pci,
	      const struct rte_vfio_user_pci_msix *msix)
{
	uint64_t table_size = (uint64_t)msix->vectors * PCI_MSIX_ENTRY_SIZE;
	uint64_t pba_size = RTE_ALIGN_CEIL((uint64_t)msix->vectors,
					   MSIX_PBA_BITS) / 8;

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

int
rte_vfio_user_pci_cap_msix_add(struct rte_vfio_user_pci *pci, uint32_t offset,
			       const struct rte_vfio_user_pci_msix *msix)
{
	int off, ret;

	if (pci == NULL || msix == NULL || !msix_is_valid(pci, msix))
		return vfio_user_misuse(__func__);
	off = vfio_user_pci_cap_add(pci, PCI_CAP_ID_MSIX, offset,
				    PCI_CAP_MSIX_SIZEOF, false);
	if (off < 0)
		return off;
	ret = rte_vfio_user_server_irq_set(pci->srv, VFIO_PCI_MSIX_IRQ_INDEX,
					   msix->vectors, VFIO_IRQ_INFO_EVENTFD);
	if (ret < 0)
		return ret;

	vfio_user_pci_define(pci, off + PCI_MSIX_FLAGS, 2, msix->vectors - 1,
			     PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL);
	vfio_user_pci_define(pci, off + PCI_MSIX_TABLE, 4,
			     msix->table_offset | msix->table_bar, 0);
	vfio_user_pci_define(pci, off + PCI_MSIX_PBA, 4,
			     msix->pba_offset | msix->pba_bar, 0);
	pci->msix = off;
	pci->msix_vectors = msix->vectors;
	return off;
}
