/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#ifndef VFIO_USER_PCI_H
#define VFIO_USER_PCI_H

/**
 * @file
 * The state of the PCI device kit and what its files call of each other:
 *
 * - vfio_user_pci.c: create and destroy, identity, BARs, expansion ROM
 * - vfio_user_pci_config.c: the bytes, the client's accesses, INTx, reset
 * - vfio_user_pci_caps.c: capabilities of the first 256 bytes
 * - vfio_user_pci_ext_caps.c: extended capabilities
 * - vfio_user_pci_msi.c: MSI and MSI-X, with table and pending bits
 *
 * The space is arrays of bytes: what it holds, which bits the client writes,
 * which it clears by writing 1, and what a reset restores. Bytes are written
 * by the poller only and read by any thread, hence by atomic loads and stores.
 */

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <linux/pci_regs.h>

#include "rte_vfio_user_pci.h"
#include "vfio_user_log.h"

#define VFIO_USER_PCI_BAR_REG(bar) (PCI_BASE_ADDRESS_0 + 4 * (bar))

/** A BAR, and the device model's side of its region. */
struct vfio_user_pci_bar {
	struct rte_vfio_user_pci *pci;
	uint64_t size; /* 0: not declared, or the upper half of another */
	uint32_t flags;
	bool taken;
	rte_vfio_user_region_cb_t cb;
	void *priv;
	uint8_t *base;
	bool mappable; /* nb_areas 0: all of it */
	struct rte_vfio_user_mmap_area *areas;
	uint32_t nb_areas;
};

/** A capability of the device's own; it hears of the accesses if cb is set. */
struct vfio_user_pci_watch {
	struct vfio_user_pci_watch *next;
	uint32_t offset; /* of the capability */
	uint32_t skip; /* bytes of its header, not watched */
	uint32_t len; /* with the header */
	rte_vfio_user_pci_cap_cb_t cb;
	void *priv;
};

/** What the client did to the enable bit of MSI or MSI-X. */
enum vfio_user_pci_msi_use {
	VFIO_USER_PCI_MSI_UNTOUCHED, /* nothing: SET_IRQS alone decides */
	VFIO_USER_PCI_MSI_ON,
	VFIO_USER_PCI_MSI_OFF, /* set and cleared */
};

/** A capability of message-signalled interrupts. */
struct vfio_user_pci_msi_cap {
	uint32_t offset; /* 0 without */
	uint32_t vectors; /* 0 without */
	enum vfio_user_pci_msi_use use; /* atomic; written by the poller */
};

/** Place of an MSI-X structure. */
struct vfio_user_pci_msix_range {
	uint32_t bar;
	uint32_t size; /* 0 without */
	uint64_t offset;
};

/** MSI and MSI-X: of the poller, but for what is atomic. */
struct vfio_user_pci_msi {
	uint64_t route; /* atomic: where a trigger goes, 0 nowhere */
	struct vfio_user_pci_msi_cap msix;
	struct vfio_user_pci_msi_cap msi;
	bool msi_maskable;
	bool function_masked; /* MSI-X */
	struct vfio_user_pci_msix_range table;
	struct vfio_user_pci_msix_range pba;
	uint8_t *entries; /* the table as it is read */
	bool *masked; /* by the client, one per vector */
};

struct rte_vfio_user_pci {
	struct rte_vfio_user_server *srv;
	struct vfio_user_ratelimit limit; /* of messages that the client causes */
	struct vfio_user_pci_bar bars[PCI_STD_NUM_BARS];
	uint8_t *rom; /* NULL without */
	uint32_t cap_link; /* offset of the byte that will name the next one */
	uint32_t ext_link; /* offset of the last extended one, 0 without */
	uint32_t pm; /* offsets of capabilities, 0 without */
	uint32_t flr; /* that of PCI Express, if it offers function level reset */
	struct vfio_user_pci_msi msi;
	struct vfio_user_pci_watch *watches;
	/*
	 * Makes a change of the line, or of the bits that hold it back, and its
	 * delivery one step: without it a late call of irq_set_level() could
	 * leave an interrupt asserted that the driver has disabled.
	 */
	pthread_mutex_t intx_lock;
	bool intx_asserted; /* atomic; written under the lock */
	uint8_t config[PCI_CFG_SPACE_EXP_SIZE]; /* atomic */
	uint8_t writable[PCI_CFG_SPACE_EXP_SIZE];
	uint8_t cleared[PCI_CFG_SPACE_EXP_SIZE]; /* by writing 1 */
	uint8_t sticky[PCI_CFG_SPACE_EXP_SIZE]; /* kept while the client is there */
	uint8_t initial[PCI_CFG_SPACE_EXP_SIZE];
	bool used[PCI_CFG_SPACE_EXP_SIZE]; /* by the header or a capability */
};

/* --------------------------------------------- vfio_user_pci_config.c */

/** A byte of the space; any thread. */
static inline uint8_t
vfio_user_pci_get(const struct rte_vfio_user_pci *pci, uint32_t off)
{
	return __atomic_load_n(&pci->config[off], __ATOMIC_ACQUIRE);
}

/** Store a byte of the space; poller thread, or set-up. */
static inline void
vfio_user_pci_put(struct rte_vfio_user_pci *pci, uint32_t off, uint8_t val)
{
	__atomic_store_n(&pci->config[off], val, __ATOMIC_RELEASE);
}

/**
 * Define a register of len bytes, up to 4: its value after reset and the bits
 * a client may write.
 */
void vfio_user_pci_define(struct rte_vfio_user_pci *pci, uint32_t off,
			  uint32_t len, uint32_t val, uint32_t writable);

/** Define bits that a client clears by writing 1, in a defined register. */
void vfio_user_pci_define_cleared(struct rte_vfio_user_pci *pci, uint32_t off,
				  uint32_t len, uint32_t bits);

/** Define bits that a reset leaves alone while the client is there. */
void vfio_user_pci_define_sticky(struct rte_vfio_user_pci *pci, uint32_t off,
				 uint32_t len, uint32_t bits);

/**
 * Describe the configuration space to the server. A started server refuses,
 * so each set-up function calls it to learn whether it is too late.
 */
int vfio_user_pci_region_set(struct rte_vfio_user_pci *pci);

/**
 * Deliver the INTx level anew after a change of what holds the line back.
 * Called under intx_lock.
 */
int vfio_user_pci_intx_deliver(struct rte_vfio_user_pci *pci);

/**
 * Carry out an access to the configuration space, as the region callback does.
 * Poller thread.
 *
 * @param pci
 *   The configuration space.
 * @param acc
 *   The access; it lies inside the 4096 bytes.
 * @return
 *   acc->count
 */
ssize_t
vfio_user_pci_config_access(struct rte_vfio_user_pci *pci,
			    const struct rte_vfio_user_region_access *acc);

/* ----------------------------------------------------- vfio_user_pci.c */

/**
 * Whether a range lies inside a memory BAR that was declared, and its accesses
 * come here: none of it can be mapped by the client.
 */
bool vfio_user_pci_bar_traps(const struct rte_vfio_user_pci *pci, uint32_t bar,
			     uint64_t off, uint64_t size);

/**
 * Carry out an access to a BAR, as the region callback does. Poller thread.
 */
ssize_t
vfio_user_pci_bar_access(struct vfio_user_pci_bar *bar,
			 const struct rte_vfio_user_region_access *acc);

/* ------------------------------------------------ vfio_user_pci_caps.c */

/**
 * Take the place of a capability: offset 0 is the first one that is free.
 *
 * @param first
 *   Begin of the part of the space it must lie in.
 * @param end
 *   End of that part.
 * @return
 *   - the offset, taken
 *   - -ENOSPC: no room; -EINVAL: offset not a multiple of 4, outside, or taken
 */
int vfio_user_pci_take(struct rte_vfio_user_pci *pci, uint32_t offset,
		       uint32_t size, uint32_t first, uint32_t end);

/**
 * Append a capability to the list; its registers are all zero so far. Returns
 * its offset or -errno (-EEXIST unless several are allowed).
 */
int vfio_user_pci_cap_add(struct rte_vfio_user_pci *pci, uint8_t id,
			  uint32_t offset, uint32_t size, bool several);

/** A watch for a capability to be added; NULL: out of memory. Freed by free(3). */
struct vfio_user_pci_watch *
vfio_user_pci_watch_create(rte_vfio_user_pci_cap_cb_t cb, void *priv);

/** Define the bytes of a capability that was added, and watch it from now on. */
void vfio_user_pci_watch_add(struct rte_vfio_user_pci *pci,
			     struct vfio_user_pci_watch *watch,
			     const void *data, const void *writable);

/* ------------------------------------------------- vfio_user_pci_msi.c */

/** Whether the client enabled MSI or MSI-X in its capability: no INTx then. */
bool vfio_user_pci_msi_holds_intx(const struct rte_vfio_user_pci *pci);

/**
 * Whether a byte of a BAR belongs to the MSI-X table or the pending bits.
 *
 * @param run
 *   Set to the number of bytes from there on for which the answer is the same.
 */
bool vfio_user_pci_msix_owns(const struct rte_vfio_user_pci *pci, uint32_t bar,
			     uint64_t off, uint64_t *run);

/** Access to bytes that vfio_user_pci_msix_owns(). Poller thread. */
void vfio_user_pci_msix_bar_access(struct rte_vfio_user_pci *pci,
				   const struct rte_vfio_user_region_access *acc);

/** The client wrote to the configuration space. Poller thread. */
void vfio_user_pci_msi_config_written(struct rte_vfio_user_pci *pci,
				      uint32_t off, uint32_t count);

/** A byte of the pending register of MSI, 0 for any other byte. Any thread. */
uint8_t vfio_user_pci_msi_pending(const struct rte_vfio_user_pci *pci, uint32_t off);

/**
 * The space was reset: forget what the client wrote, and what is pending. Poller
 * thread.
 */
void vfio_user_pci_msi_reset(struct rte_vfio_user_pci *pci);

/** Free what the kit's interrupts allocated. */
void vfio_user_pci_msi_fini(struct rte_vfio_user_pci *pci);

#endif /* VFIO_USER_PCI_H */
