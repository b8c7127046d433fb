/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#ifndef VFIO_USER_IOVA_NODE_H
#define VFIO_USER_IOVA_NODE_H

/**
 * @file
 * The nodes of an iova map (vfio_user_iova.h), and the lookup in line
 *
 * For the map itself and for the data path, which can afford neither a call
 * nor a copy of what it found.
 */

#include <stdbool.h>
#include <stdint.h>

#include <rte_common.h>
#include <rte_vect.h>

#include "rte_vfio_user_common.h"

/*
 * Leaves are at level 0. An entry of a leaf is a range, its key the range's
 * last address; an entry of an inner node is a child, its key a bound: no
 * lower than the last address below that child, lower than the first address
 * below the next one. So in either kind of node, the index of the entry to
 * look at is the number of keys lower than the address.
 *
 * Unused keys are the highest key, so that this number needs neither a count
 * of entries nor a branch. A leaf never uses its last slot: an address above
 * all its ranges leads there. The last key of an inner node is the node's own
 * bound; on the right edge of the tree it is the highest key.
 * Keys have the sign bit flipped: SSE and AVX2 compare signed numbers only.
 */
#define VFIO_USER_IOVA_FANOUT 16
#define VFIO_USER_IOVA_FEW 8 /* as most clients have */
#define VFIO_USER_IOVA_KEY_MAX INT64_MAX

struct vfio_user_iova_garbage {
	struct vfio_user_iova_garbage *next;
	bool subtree; /* with all below, else that lives on elsewhere */
};

struct __rte_cache_aligned vfio_user_iova_node {
	/* What readers look at; constant once published. */
	union {
		int64_t key[VFIO_USER_IOVA_FANOUT];
		rte_v128s64_t keys[VFIO_USER_IOVA_FANOUT / 2];
	};
	union {
		/* Level 0; two to a cache line. Unused ones contain nothing. */
		struct rte_vfio_user_dma_entry entry[VFIO_USER_IOVA_FANOUT];
		struct vfio_user_iova_node *child[VFIO_USER_IOVA_FANOUT];
	};
	uint32_t level;
	uint32_t count;
	/* The writer's. */
	void *cookie[VFIO_USER_IOVA_FANOUT]; /* of the entries, level 0 */
	uint64_t epoch; /* when it was made; the present one: not published */
	struct vfio_user_iova_garbage garbage;
};

static inline int64_t
vfio_user_iova_key(uint64_t address)
{
	return (int64_t)(address ^ (UINT64_C(1) << 63));
}

/* Number of keys lower than this one. */
static inline unsigned int
vfio_user_iova_rank(const struct vfio_user_iova_node *node, int64_t key)
{
	const rte_v128s64_t *v = node->keys, k = { key, key };
	rte_v128s64_t lower = /* -1 for each */
		(((v[0] < k) + (v[1] < k)) + ((v[2] < k) + (v[3] < k))) +
		(((v[4] < k) + (v[5] < k)) + ((v[6] < k) + (v[7] < k)));

	RTE_BUILD_BUG_ON(RTE_DIM(node->keys) != 8);
	return -(lower[0] + lower[1]);
}

/* The same for a node that uses no more than the first eight keys. */
static inline unsigned int
vfio_user_iova_rank_few(const struct vfio_user_iova_node *node, int64_t key)
{
	const rte_v128s64_t *v = node->keys, k = { key, key };
	rte_v128s64_t lower =
		((v[0] < k) + (v[1] < k)) + ((v[2] < k) + (v[3] < k));

	return -(lower[0] + lower[1]);
}

/*
 * The lookup: where a range with this key is, if any is. Should the slot be
 * unused, then the next range, if any, is just above the bound.
 */
static inline const struct vfio_user_iova_node *
vfio_user_iova_leaf(const struct vfio_user_iova_node *node, int64_t key,
		    unsigned int *pos, int64_t *bound)
{
	unsigned int level;

	*bound = VFIO_USER_IOVA_KEY_MAX;
	for (level = node->level; level != 0; level--) {
		*pos = vfio_user_iova_rank(node, key);
		*bound = node->key[*pos];
		node = node->child[*pos];
	}
	*pos = vfio_user_iova_rank(node, key);
	return node;
}

#endif /* VFIO_USER_IOVA_NODE_H */
