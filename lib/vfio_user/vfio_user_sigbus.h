/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#ifndef VFIO_USER_SIGBUS_H
#define VFIO_USER_SIGBUS_H

/**
 * @file
 * Registry of the memory that peers share with us, for the SIGBUS handler
 *
 * Who maps a peer's file registers the mapping before anybody accesses it and
 * unregisters it when nobody does any more, before it is unmapped. The handler
 * replaces a broken mapping by anonymous memory and tells its owner. It may
 * run in any thread at any time, so it takes no lock: slots are never freed,
 * and each has a sequence number that is odd while it changes. A slot that
 * changes cannot be that of the fault, whose mapping stays while it is being
 * accessed, so the handler passes over it and never waits.
 *
 * Mappings are registered whether or not the handler is installed: it may be
 * installed later.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rte_vfio_user_sigbus.h"

/** A peer that shares memory; outlives the mappings it is registered with. */
struct vfio_user_sigbus_owner {
	uint32_t broken; /* atomic: memory was replaced */
	int wake_fd; /* an eventfd that does not block, written to then; or -1 */
};

struct vfio_user_sigbus_slot;

/**
 * Register a mapping: whole pages of one file with one protection. The same
 * range may be registered again after vfio_user_sigbus_unregister(), also when
 * other memory was mapped over it. Any thread; NULL: out of memory.
 */
struct vfio_user_sigbus_slot *
vfio_user_sigbus_register(struct vfio_user_sigbus_owner *owner, void *base,
			  size_t len, uint32_t prot);

/** Forget a mapping, before it is unmapped. Any thread; NULL is allowed. */
void vfio_user_sigbus_unregister(struct vfio_user_sigbus_slot *slot);

/**
 * Whether memory of a peer was replaced. True for whoever has accessed
 * replaced memory before.
 */
static inline bool
vfio_user_sigbus_broken(const struct vfio_user_sigbus_owner *owner)
{
	return __atomic_load_n(&owner->broken, __ATOMIC_ACQUIRE) != 0;
}

/** Forget that, when none of the replaced mappings is left or matters. */
static inline void
vfio_user_sigbus_mend(struct vfio_user_sigbus_owner *owner)
{
	__atomic_store_n(&owner->broken, 0, __ATOMIC_RELEASE);
}

#endif /* VFIO_USER_SIGBUS_H */
