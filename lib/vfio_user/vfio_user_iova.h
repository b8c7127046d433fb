/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#ifndef VFIO_USER_IOVA_H
#define VFIO_USER_IOVA_H

/**
 * @file
 * Persistent interval map: DMA address range -> local address and cookie
 *
 * A B+ tree whose published versions never change: an update copies the
 * O(log n) nodes on its path, so readers walk a root without any
 * synchronisation for as long as the nodes of that version exist. One writer.
 *
 * Nodes made since the last vfio_user_iova_publish() are not yet visible and
 * are updated in place, so a batch of updates copies each node once. Nodes
 * that an update replaced collect as garbage; the writer takes it after
 * publishing and frees it when no reader can hold the old root.
 *
 * Pure: no I/O, no locks.
 */

#include <stdbool.h>
#include <stdint.h>

/** A range and what it maps to. */
struct vfio_user_iova_range {
	uint64_t first; /**< first address */
	uint64_t last; /**< last address, inclusive */
	uintptr_t delta; /**< local address - DMA address, modulo 2^64 */
	uint32_t prot; /**< PROT_* of direct access; 0: not directly accessible */
	void *cookie; /**< the writer's */
};

struct vfio_user_iova;
struct vfio_user_iova_garbage;

/** Create an empty map, or NULL: out of memory. */
struct vfio_user_iova *vfio_user_iova_create(void);

/** Free the map, its published version and all garbage not yet taken. */
void vfio_user_iova_destroy(struct vfio_user_iova *map);

/**
 * Add a range. 0, -EINVAL (first > last), -EEXIST (overlaps), -ENOMEM.
 * Nothing changed on error.
 */
int vfio_user_iova_insert(struct vfio_user_iova *map,
			  const struct vfio_user_iova_range *range);

/**
 * Remove exactly this range, storing what it was into removed (may be NULL).
 * 0, -ENOENT, -ENOMEM. Nothing changed on error. A map of which no version
 * was published needs no memory for it.
 */
int vfio_user_iova_remove(struct vfio_user_iova *map, uint64_t first,
			  uint64_t last, struct vfio_user_iova_range *removed);

/** Remove all ranges; cannot fail. */
void vfio_user_iova_clear(struct vfio_user_iova *map);

/** Number of ranges. */
uint32_t vfio_user_iova_count(const struct vfio_user_iova *map);

/** The writer's present root, including what is not yet published. */
const void *vfio_user_iova_root(const struct vfio_user_iova *map);

/**
 * Seal the present version and return its root (never NULL, also when empty),
 * which the caller stores where its readers look, with release.
 */
const void *vfio_user_iova_publish(struct vfio_user_iova *map);

/**
 * Take the nodes that updates have replaced in published versions before the
 * last vfio_user_iova_publish(). NULL if there are none.
 */
struct vfio_user_iova_garbage *
vfio_user_iova_garbage_take(struct vfio_user_iova *map);

/** Free garbage, when no reader holds a root older than its publication. */
void vfio_user_iova_garbage_free(struct vfio_user_iova_garbage *garbage);

/** The range that contains an address, in the version of a root. Wait-free. */
bool vfio_user_iova_find(const void *root, uint64_t iova,
			 struct vfio_user_iova_range *range);

/**
 * The lowest range that ends at or after an address, in the version of a
 * root: iterate by passing range->last + 1, minding the wrap. Wait-free.
 */
bool vfio_user_iova_next(const void *root, uint64_t iova,
			 struct vfio_user_iova_range *range);

#endif /* VFIO_USER_IOVA_H */
