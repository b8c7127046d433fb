/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#ifndef VFIO_USER_LOOKUP_H
#define VFIO_USER_LOOKUP_H

/**
 * @file
 * Translation of an address by a reader, in line: compiled once for any cpu
 * and once for those with AVX2
 */

#include <rte_branch_prediction.h>

#include "rte_vfio_user_server.h"
#include "vfio_user_iova_node.h"

/** The entry that contains an address, if any does. */
static inline const struct rte_vfio_user_dma_entry *
vfio_user_lookup_entry(const struct vfio_user_iova_node *root, uint64_t iova)
{
	const int64_t key = vfio_user_iova_key(iova);
	const struct vfio_user_iova_node *leaf;
	unsigned int pos;
	int64_t bound;

	if (likely(root->shape <= VFIO_USER_IOVA_FEW))
		return vfio_user_iova_find_few(root, key);
	leaf = vfio_user_iova_leaf(root, key, &pos, &bound);
	return &leaf->entry[pos];
}

/** An rte_vfio_user_dma_lookup_t. */
static inline void *
vfio_user_lookup(struct rte_vfio_user_dma_reader *reader, uint64_t iova,
			uint64_t more, uint32_t prot)
{
	const struct rte_vfio_user_dma_entry *entry =
		vfio_user_lookup_entry(reader->root, iova);

	reader->hit = entry;
	/* its last address is no lower than this one: that is how it was found */
	if (iova < entry->first || more > entry->span - (iova - entry->first) ||
	    (prot & entry->denied) != 0)
		return NULL;
	return (void *)(uintptr_t)(iova + entry->delta);
}

/** The lookup for this cpu. */
rte_vfio_user_dma_lookup_t vfio_user_lookup_choose(void);

/** The lookup compiled for AVX2. */
void *vfio_user_lookup_avx2(struct rte_vfio_user_dma_reader *reader,
				   uint64_t iova, uint64_t more, uint32_t prot);

#endif /* VFIO_USER_LOOKUP_H */
