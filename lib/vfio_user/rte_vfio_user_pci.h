/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#ifndef RTE_VFIO_USER_PCI_H
#define RTE_VFIO_USER_PCI_H

/**
 * @file
 * PCI device kit: the PCI side of a vfio-user device
 *
 * Emulates a PCI Express endpoint on top of a server: the device model declares
 * identity, BARs and capabilities, the kit serves the configuration space byte
 * by byte with a write mask per bit, and keeps what it says true. The device
 * model writes no configuration space code:
 *
 *     pci = rte_vfio_user_pci_create(srv, &id);
 *     rte_vfio_user_pci_bar_add(pci, 0, RTE_VFIO_USER_PCI_BAR_MEM32, &registers);
 *     rte_vfio_user_pci_cap_pm_add(pci, 0);
 *     rte_vfio_user_pci_cap_express_add(pci, 0, RTE_VFIO_USER_PCI_EXP_FLR);
 *     rte_vfio_user_pci_cap_msix_add(pci, 0, &msix);
 *     rte_vfio_user_pci_ext_cap_dsn_add(pci, 0, serial);
 *
 * It describes the configuration space, the BARs, the expansion ROM and the
 * interrupt indexes to the server. The reset callback of the server must call
 * rte_vfio_user_pci_reset().
 *
 * Capabilities are listed in the order in which they are added, wherever they
 * lie: each has an offset of its choice, or the first free one.
 *
 * Only the bits that concern interrupts act. Memory Space Enable, the power
 * state and the like are kept and read back; what the device does in D3hot, or
 * without Bus Master Enable, is up to the device model.
 *
 * Interrupts. rte_vfio_user_pci_irq_trigger() goes by MSI-X or MSI, whichever
 * the client uses, rte_vfio_user_pci_intx_set() by INTx. The kit serves the
 * MSI-X table and the pending bits in their BAR. The eventfds that the client
 * assigned by SET_IRQS decide about delivery; enable and mask bits restrict it
 * for a client that wrote them. One that did not, because it emulates the table
 * itself as QEMU does, or has none, does not depend on them. What a client wrote
 * is forgotten when it leaves, and by a reset.
 *
 * Threads: set-up functions before the server's start; reset and config_set in
 * the poller thread; irq_trigger, intx_set, msix_enabled, bus_master and
 * config_get from any thread; destroy after the server is destroyed.
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
	/** 0: no INTx; 1 to 4: INTA to INTD */
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
	uint16_t vectors; /**< 1 to 2048 */
	uint8_t table_bar; /**< BAR of the table */
	uint8_t pba_bar; /**< BAR of the pending bits */
	uint32_t table_offset; /**< offset in the BAR, multiple of 8 */
	uint32_t pba_offset; /**< offset in the BAR, multiple of 8 */
};

/** MSI with a mask and a pending bit for each vector. */
#define RTE_VFIO_USER_PCI_MSI_MASKABLE (1u << 0)

/** MSI of a device. */
struct rte_vfio_user_pci_msi {
	uint32_t vectors; /**< 1, 2, 4, 8, 16 or 32 */
	uint32_t flags; /**< RTE_VFIO_USER_PCI_MSI_* */
};

/**
 * Create the configuration space of a server: 4096 bytes (PCI Express), set
 * as its region VFIO_PCI_CONFIG_REGION_INDEX; with a pin, the interrupt index
 * VFIO_PCI_INTX_IRQ_INDEX, too. Set-up only.
 *
 * @param srv
 *   The device.
 * @param id
 *   Its identity; copied.
 * @return
 *   The configuration space, or NULL with rte_errno:
 *   - EINVAL: bad argument or identity, or the server has no region or
 *     interrupt index of that number (num_regions, num_irqs)
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
 * Declare a BAR and its region. Set-up only; ioeventfds are added to the region
 * afterwards.
 *
 * Accesses to the MSI-X table and its pending bits, if they are in this BAR, are
 * the kit's. All others go to the region's cb or base, as with
 * rte_vfio_user_server_region_set(); without either, what is left reads as zero
 * and writes are ignored. An access that covers both is split; its parts must
 * not be deferred by RTE_VFIO_USER_PENDING, that is answered EIO.
 *
 * @param pci
 *   The configuration space.
 * @param bar
 *   BAR number, 0 to 5.
 * @param flags
 *   RTE_VFIO_USER_PCI_BAR_* flags.
 * @param region
 *   The region; copied. Its size is the BAR's: a power of two, at least 16
 *   (memory; at most 2 GiB if it is 32-bit) or 4 (I/O, at most 256). What can be
 *   mapped needs a page at least.
 * @return
 *   - 0 on success
 *   - -EINVAL: bad BAR number, size or flags, or a region that
 *     rte_vfio_user_server_region_set() refuses
 *   - -EEXIST: declared before, or the upper half of a 64-bit BAR
 *   - -EBUSY: server started
 *   - -ENOMEM, -EMFILE; -EBADF: a file descriptor is not open
 */
__rte_experimental
int
rte_vfio_user_pci_bar_add(struct rte_vfio_user_pci *pci, uint32_t bar,
			  uint32_t flags,
			  const struct rte_vfio_user_region_conf *region);

/**
 * Add an expansion ROM: its BAR and the read-only region
 * VFIO_PCI_ROM_REGION_INDEX. Set-up only.
 *
 * @param pci
 *   The configuration space.
 * @param image
 *   Its contents; copied.
 * @param size
 *   Bytes of the image, up to 16 MiB. The ROM is the next power of two, at least
 *   2048 bytes; what is behind the image reads as 0xff.
 * @return
 *   - 0 on success
 *   - -EINVAL: bad argument, or the server has no region of that index
 *   - -EEXIST: there is one already
 *   - -EBUSY: server started
 *   - -ENOMEM
 */
__rte_experimental
int
rte_vfio_user_pci_rom_add(struct rte_vfio_user_pci *pci, const void *image,
			  uint32_t size);

/**
 * Add a power management capability: version 3, D0 and D3hot, a return to D0
 * resets nothing. Set-up only.
 *
 * @param pci
 *   The configuration space.
 * @param offset
 *   Its offset in the configuration space, a multiple of 4 from 64 on; 0: the
 *   first free one.
 * @return
 *   - its offset
 *   - -EINVAL: bad argument; the offset is not as above, or the capability
 *     overlaps another one or does not end in the first 256 bytes
 *   - -EEXIST: there is one already
 *   - -ENOSPC: no room in the first 256 bytes
 *   - -EBUSY: server started
 *   - -ENOMEM
 */
__rte_experimental
int
rte_vfio_user_pci_cap_pm_add(struct rte_vfio_user_pci *pci, uint32_t offset);

/**
 * With function level reset: a client that asks for it has the device reset
 * with RTE_VFIO_USER_RESET_PCI_FLR, see rte_vfio_user_server_reset_request().
 */
#define RTE_VFIO_USER_PCI_EXP_FLR (1u << 0)

/**
 * Add a PCI Express endpoint capability: version 2, a link of 2.5 GT/s x1.
 * Set-up only.
 *
 * @param pci
 *   The configuration space.
 * @param offset
 *   As with rte_vfio_user_pci_cap_pm_add().
 * @param flags
 *   RTE_VFIO_USER_PCI_EXP_* flags.
 * @return
 *   - its offset
 *   - -EINVAL, -EEXIST, -ENOSPC, -EBUSY, -ENOMEM: as
 *     rte_vfio_user_pci_cap_pm_add(); -EINVAL: unknown flags
 */
__rte_experimental
int
rte_vfio_user_pci_cap_express_add(struct rte_vfio_user_pci *pci, uint32_t offset,
				  uint32_t flags);

/**
 * Add an MSI-X capability and its interrupt index VFIO_PCI_MSIX_IRQ_INDEX.
 * Table and pending bits must lie in memory BARs declared before, without
 * overlap, where the client cannot map them; the kit serves them. Set-up only.
 *
 * @param pci
 *   The configuration space.
 * @param offset
 *   As with rte_vfio_user_pci_cap_pm_add().
 * @param msix
 *   The place of its structures; copied.
 * @return
 *   - its offset
 *   - -EINVAL: bad argument; a number of vectors, BAR or offset that is not as
 *     above; the server has no interrupt index of that number (num_irqs)
 *   - -EINVAL, -EEXIST, -ENOSPC, -EBUSY, -ENOMEM: as
 *     rte_vfio_user_pci_cap_pm_add()
 */
__rte_experimental
int
rte_vfio_user_pci_cap_msix_add(struct rte_vfio_user_pci *pci, uint32_t offset,
			       const struct rte_vfio_user_pci_msix *msix);

/**
 * Add an MSI capability with 64-bit addresses and its interrupt index
 * VFIO_PCI_MSI_IRQ_INDEX. Set-up only.
 *
 * @param pci
 *   The configuration space.
 * @param offset
 *   As with rte_vfio_user_pci_cap_pm_add().
 * @param msi
 *   Its vectors; copied.
 * @return
 *   - its offset
 *   - -EINVAL: bad argument; a number of vectors or flags that are not as above;
 *     the server has no interrupt index of that number (num_irqs)
 *   - -EINVAL, -EEXIST, -ENOSPC, -EBUSY, -ENOMEM: as
 *     rte_vfio_user_pci_cap_pm_add()
 */
__rte_experimental
int
rte_vfio_user_pci_cap_msi_add(struct rte_vfio_user_pci *pci, uint32_t offset,
			      const struct rte_vfio_user_pci_msi *msi);

/**
 * The client accesses a capability of the device's own. Poller thread.
 *
 * @param pci
 *   The configuration space.
 * @param offset
 *   Offset in the capability of the first byte accessed, behind its header.
 * @param data
 *   Bytes at that offset. Of a write: what they are now, after the write mask
 *   was applied; the callback does not change them. Of a read: what they are,
 *   and what the client gets unless the callback stores something else there.
 * @param count
 *   Bytes, at least 1. An access that covers more than the capability is told
 *   of only as far as it is inside.
 * @param is_write
 *   Direction.
 * @param priv
 *   The priv pointer of the capability.
 */
typedef void (*rte_vfio_user_pci_cap_cb_t)(struct rte_vfio_user_pci *pci,
		uint32_t offset, void *data, uint32_t count, bool is_write,
		void *priv);

/** A vendor-specific capability. */
struct rte_vfio_user_pci_vendor {
	/** Bytes of the whole capability, 3 to 192, its 3 bytes of header included. */
	uint8_t len;
	/**
	 * Its len bytes after a reset, of which the header (identifier, link,
	 * length) is ignored; copied. NULL: zeros.
	 */
	const void *data;
	/** The bits that a client may write, in the form of data. NULL: none. */
	const void *writable;
	/** Called for each access of the client behind the header, or NULL. */
	rte_vfio_user_pci_cap_cb_t cb;
	void *priv; /**< passed to cb */
};

/**
 * Add a vendor-specific capability; there may be several. Set-up only.
 *
 * @param pci
 *   The configuration space.
 * @param offset
 *   As with rte_vfio_user_pci_cap_pm_add().
 * @param vendor
 *   The capability; copied.
 * @return
 *   - its offset
 *   - -EINVAL, -ENOSPC, -EBUSY, -ENOMEM: as rte_vfio_user_pci_cap_pm_add();
 *     -EINVAL: shorter than its header
 */
__rte_experimental
int
rte_vfio_user_pci_cap_vendor_add(struct rte_vfio_user_pci *pci, uint32_t offset,
				 const struct rte_vfio_user_pci_vendor *vendor);

/**
 * Add a device serial number capability. Set-up only.
 *
 * @param pci
 *   The configuration space.
 * @param offset
 *   Its offset in the configuration space, a multiple of 4 from 256 on; 0: the
 *   first free one.
 * @param serial
 *   The serial number, an EUI-64.
 * @return
 *   - its offset
 *   - -EINVAL: bad argument; the offset is not as above, or the capability
 *     overlaps another one or does not end in the 4096 bytes
 *   - -EEXIST: there is one already
 *   - -ENOSPC: no room
 *   - -EBUSY: server started
 *   - -ENOMEM
 */
__rte_experimental
int
rte_vfio_user_pci_ext_cap_dsn_add(struct rte_vfio_user_pci *pci, uint32_t offset,
				  uint64_t serial);

/** A vendor-specific extended capability. */
struct rte_vfio_user_pci_vsec {
	uint16_t id; /**< what the vendor calls it */
	uint8_t revision; /**< its revision, 4 bits */
	/** Bytes of the whole capability, 8 to 3840, 8 bytes of header included. */
	uint16_t len;
	/** Its len bytes after a reset, the header ignored; copied. NULL: zeros. */
	const void *data;
	/** The bits that a client may write, in the form of data. NULL: none. */
	const void *writable;
	/** Called for each access of the client behind the header, or NULL. */
	rte_vfio_user_pci_cap_cb_t cb;
	void *priv; /**< passed to cb */
};

/**
 * Add a vendor-specific extended capability; there may be several. Set-up only.
 *
 * @param pci
 *   The configuration space.
 * @param offset
 *   As with rte_vfio_user_pci_ext_cap_dsn_add().
 * @param vsec
 *   The capability; copied.
 * @return
 *   - its offset
 *   - -EINVAL, -ENOSPC, -EBUSY, -ENOMEM: as
 *     rte_vfio_user_pci_ext_cap_dsn_add(); -EINVAL: bad revision or length
 */
__rte_experimental
int
rte_vfio_user_pci_ext_cap_vsec_add(struct rte_vfio_user_pci *pci, uint32_t offset,
				   const struct rte_vfio_user_pci_vsec *vsec);

/**
 * Add an advanced error reporting capability: its mask and severity bits are
 * kept, its status bits are set by rte_vfio_user_pci_config_set() only, and
 * cleared by the client writing 1. As the specification has it, a reset other
 * than the loss of the client leaves them all alone. Set-up only.
 *
 * @param pci
 *   The configuration space.
 * @param offset
 *   As with rte_vfio_user_pci_ext_cap_dsn_add().
 * @return
 *   - its offset
 *   - -EINVAL, -EEXIST, -ENOSPC, -EBUSY, -ENOMEM: as
 *     rte_vfio_user_pci_ext_cap_dsn_add()
 */
__rte_experimental
int
rte_vfio_user_pci_ext_cap_aer_add(struct rte_vfio_user_pci *pci, uint32_t offset);

/**
 * Read the configuration space, without its callbacks. Any thread.
 *
 * @param pci
 *   The configuration space.
 * @param offset
 *   Offset of the first byte.
 * @param data
 *   Where to store.
 * @param len
 *   Bytes.
 * @return
 *   0, or -EINVAL: bad argument, or not inside the 4096 bytes.
 */
__rte_experimental
int
rte_vfio_user_pci_config_get(const struct rte_vfio_user_pci *pci,
			     uint32_t offset, void *data, uint32_t len);

/**
 * Change bytes of capabilities, also of those a client cannot write: contents
 * of a vendor-specific one, error status bits; and the error bits of Status.
 * Registers that the kit itself acts on (of MSI, MSI-X, power management) are
 * not for it. A reset restores what was declared. Poller thread, or set-up.
 *
 * @param pci
 *   The configuration space.
 * @param offset
 *   Offset of the first byte, at least 64, or in Status.
 * @param data
 *   The bytes.
 * @param len
 *   Their number.
 * @return
 *   0, or -EINVAL: bad argument, in the rest of the header, or not inside the
 *   4096 bytes.
 */
__rte_experimental
int
rte_vfio_user_pci_config_set(struct rte_vfio_user_pci *pci, uint32_t offset,
			     const void *data, uint32_t len);

/**
 * Trigger an interrupt by MSI-X, if the client uses it, else by MSI: a write to
 * the client's eventfd, without a lock.
 *
 * Of a vector that the client masked, in the table, by the function mask or in
 * the mask bits of MSI, the pending bit is set; the unmask delivers it, once. A
 * trigger in another thread that began before the mask was written may still
 * deliver after it. A driver that enabled fewer messages of MSI than there are
 * gets vector modulo their number. Any thread.
 *
 * @param pci
 *   The configuration space.
 * @param vector
 *   The vector, below the number given with the capability.
 * @return
 *   - 0: delivered, or held back by a mask
 *   - -ENOENT: neither MSI-X nor MSI is there and in use; what is left is
 *     rte_vfio_user_pci_intx_set()
 *   - -ENXIO: in use, but the client assigned no eventfd to this vector; nothing
 *     is remembered
 *   - -EINVAL: no such vector
 */
__rte_experimental
int
rte_vfio_user_pci_irq_trigger(struct rte_vfio_user_pci *pci, uint32_t vector);

/**
 * Set the level of the device's INTx line. The Interrupt Status bit follows
 * it; the interrupt is delivered unless the guest set Interrupt Disable or
 * enabled MSI or MSI-X, and as soon as all are clear. Any thread.
 *
 * @param pci
 *   The configuration space.
 * @param asserted
 *   The level.
 * @return
 *   0, or -EINVAL: the device has no INTx pin.
 */
__rte_experimental
int
rte_vfio_user_pci_intx_set(struct rte_vfio_user_pci *pci, bool asserted);

/**
 * Whether the driver works with MSI-X: it enabled it in the capability, or
 * the client assigned an eventfd to an MSI-X vector and never touched Enable.
 * Cheap enough to ask before each interrupt. Any thread.
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
 * every reason of it: writable registers and the MSI-X table return to their
 * defaults, pending interrupts are forgotten, INTx is de-asserted. What is not of
 * the function stays as long as the client does: the addresses of BARs and ROM,
 * settings of the PCI Express link (payload size, ASPM), error registers. Poller
 * thread.
 *
 * @param pci
 *   The configuration space.
 * @param reason
 *   The reason: when the client is gone, what it wrote is forgotten that
 *   survives other resets.
 */
__rte_experimental
void
rte_vfio_user_pci_reset(struct rte_vfio_user_pci *pci,
			enum rte_vfio_user_reset reason);

#ifdef __cplusplus
}
#endif

#endif /* RTE_VFIO_USER_PCI_H */
