/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#ifndef RTE_VFIO_USER_PCI_H
#define RTE_VFIO_USER_PCI_H

/**
 * @file
 * PCI configuration space of a vfio-user device
 *
 * Emulates the configuration space of an endpoint on top of a server: the
 * device model declares identity, BARs and capabilities, the library handles
 * the client's accesses byte by byte with a write mask per bit and keeps the
 * interrupt-related bits true. Capabilities are listed in the order in which
 * they are added.
 *
 *     pci = rte_vfio_user_pci_create(srv, &id);
 *     rte_vfio_user_pci_bar_set(pci, 0, 4096, RTE_VFIO_USER_PCI_BAR_MEM32);
 *     rte_vfio_user_pci_cap_pm_add(pci);
 *     rte_vfio_user_pci_cap_msix_add(pci, &msix);
 *     rte_vfio_user_pci_cap_express_add(pci);
 *
 * It takes the configuration space region of the server. BAR regions stay with
 * the device model: their sizes must be those declared here.
 *
 * Only the bits that concern interrupts act. Memory Space Enable, the power
 * state and the like are kept and read back; what the device does in D3hot, or
 * without Bus Master Enable, is up to the device model. So is MSI-X: Enable is
 * reported by rte_vfio_user_pci_msix_enabled(), the function mask only kept.
 *
 * Threads: set-up functions before the server's start; reset in the poller
 * thread; intx_set, msix_enabled and bus_master from any thread; destroy after
 * the server is destroyed.
 */

#include <stdbool.h>
#include <stdint.h>

#include <rte_compat.h>

#include "rte_vfio_user_server.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Configuration space of a device. */
struct rte_vfio_user_pci;

/** Identity of a device. */
struct rte_vfio_user_pci_id {
	uint16_t vendor_id; /**< vendor */
	uint16_t device_id; /**< device */
	uint16_t subsystem_vendor_id; /**< subsystem vendor */
	uint16_t subsystem_id; /**< subsystem */
	uint32_t class_code; /**< base class, sub-class, interface: 24 bits */
	uint8_t revision_id; /**< revision */
	/** 0: no INTx; 1 to 4: INTA to INTD. Needs the INTx interrupt index. */
	uint8_t intx_pin;
};

/** 32-bit memory BAR. */
#define RTE_VFIO_USER_PCI_BAR_MEM32 0u
/** 64-bit memory BAR; takes the next BAR number, too. */
#define RTE_VFIO_USER_PCI_BAR_MEM64 (1u << 0)
/** Prefetchable, with a memory BAR. */
#define RTE_VFIO_USER_PCI_BAR_PREFETCH (1u << 1)
/** I/O BAR. */
#define RTE_VFIO_USER_PCI_BAR_IO (1u << 2)

/** Place of the MSI-X structures. */
struct rte_vfio_user_pci_msix {
	uint16_t vectors; /**< 1 to 2048; the count of the MSI-X interrupt index */
	uint8_t table_bar; /**< BAR of the table */
	uint8_t pba_bar; /**< BAR of the pending bits */
	uint32_t table_offset; /**< offset in the BAR, multiple of 8 */
	uint32_t pba_offset; /**< offset in the BAR, multiple of 8 */
};

/**
 * Create the configuration space of a server: 4096 bytes (PCI Express), set
 * as its region VFIO_PCI_CONFIG_REGION_INDEX. Set-up only.
 *
 * @param srv
 *   The device.
 * @param id
 *   Its identity; copied.
 * @return
 *   The configuration space, or NULL with rte_errno:
 *   - EINVAL: bad argument or identity, or the server has no region of that
 *     index (num_regions)
 *   - EBUSY: server started
 *   - ENOMEM
 */
__rte_experimental
struct rte_vfio_user_pci *
rte_vfio_user_pci_create(struct rte_vfio_user_server *srv,
			 const struct rte_vfio_user_pci_id *id);

/**
 * Free the configuration space, after its server was destroyed.
 *
 * @param pci
 *   The configuration space, or NULL.
 */
__rte_experimental
void
rte_vfio_user_pci_destroy(struct rte_vfio_user_pci *pci);

/**
 * Declare a BAR. Set-up only.
 *
 * @param pci
 *   The configuration space.
 * @param bar
 *   BAR number, 0 to 5.
 * @param size
 *   Bytes, a power of two: at least 16 (memory; at most 2 GiB if it is 32-bit)
 *   or 4 (I/O, at most 256). What can be mapped needs a page at least.
 * @param flags
 *   RTE_VFIO_USER_PCI_BAR_* flags.
 * @return
 *   - 0 on success
 *   - -EINVAL: bad BAR number, size or flags
 *   - -EEXIST: declared before, or the upper half of a 64-bit BAR
 *   - -EBUSY: server started
 *   - -ENOMEM
 */
__rte_experimental
int
rte_vfio_user_pci_bar_set(struct rte_vfio_user_pci *pci, uint32_t bar,
			  uint64_t size, uint32_t flags);

/**
 * Add a power management capability: version 3, D0 and D3hot, a return to D0
 * resets nothing. Set-up only.
 *
 * @param pci
 *   The configuration space.
 * @return
 *   - its offset in the configuration space
 *   - -EEXIST: there is one already
 *   - -ENOSPC: no room in the first 256 bytes
 *   - -EBUSY: server started
 *   - -EINVAL: bad argument; -ENOMEM
 */
__rte_experimental
int
rte_vfio_user_pci_cap_pm_add(struct rte_vfio_user_pci *pci);

/**
 * Add a PCI Express endpoint capability: version 2, a link of 2.5 GT/s x1.
 * Set-up only.
 *
 * @param pci
 *   The configuration space.
 * @return
 *   - its offset in the configuration space
 *   - -EEXIST: there is one already
 *   - -ENOSPC: no room in the first 256 bytes
 *   - -EBUSY: server started
 *   - -EINVAL: bad argument; -ENOMEM
 */
__rte_experimental
int
rte_vfio_user_pci_cap_express_add(struct rte_vfio_user_pci *pci);

/**
 * Add an MSI-X capability. Table and pending bits must lie in memory BARs
 * declared before, without overlap. Set-up only.
 *
 * @param pci
 *   The configuration space.
 * @param msix
 *   The place of its structures; copied.
 * @return
 *   - its offset in the configuration space
 *   - -EINVAL: bad argument; a number of vectors, BAR or offset that is not as
 *     above
 *   - -EEXIST, -ENOSPC, -EBUSY, -ENOMEM: as rte_vfio_user_pci_cap_pm_add()
 */
__rte_experimental
int
rte_vfio_user_pci_cap_msix_add(struct rte_vfio_user_pci *pci,
			       const struct rte_vfio_user_pci_msix *msix);

/**
 * Set the level of the device's INTx line. The Interrupt Status bit follows
 * it; the interrupt is delivered unless the guest set Interrupt Disable or
 * MSI-X Enable, and as soon as both are clear. Any thread.
 *
 * @param pci
 *   The configuration space.
 * @param asserted
 *   The level.
 * @return
 *   0, or -EINVAL: the device has no INTx pin, or no INTx interrupt index.
 */
__rte_experimental
int
rte_vfio_user_pci_intx_set(struct rte_vfio_user_pci *pci, bool asserted);

/**
 * Whether the driver works with MSI-X: it enabled it in the capability, or
 * the client assigned an eventfd to an MSI-X vector. Any thread.
 *
 * @param pci
 *   The configuration space.
 * @return
 *   true if so; false without an MSI-X capability.
 */
__rte_experimental
bool
rte_vfio_user_pci_msix_enabled(const struct rte_vfio_user_pci *pci);

/**
 * Whether the driver set Bus Master Enable. Any thread.
 *
 * @param pci
 *   The configuration space.
 * @return
 *   true if so.
 */
__rte_experimental
bool
rte_vfio_user_pci_bus_master(const struct rte_vfio_user_pci *pci);

/**
 * Reset the configuration space, for the reset callback of the device and
 * every reason of it: writable registers return to their defaults, INTx is
 * de-asserted. BAR addresses stay, the client re-programs them. Poller thread.
 *
 * @param pci
 *   The configuration space.
 */
__rte_experimental
void
rte_vfio_user_pci_reset(struct rte_vfio_user_pci *pci);

#ifdef __cplusplus
}
#endif

#endif /* RTE_VFIO_USER_PCI_H */
