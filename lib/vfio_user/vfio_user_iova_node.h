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

#include <rte_byteorder.h>
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
/* The shape of a root that is a leaf of up to 8 entries, as most clients have. */
#define VFIO_USER_IOVA_FEW UINT64_C(8)
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
		/*
		 * Level 0; two to a cache line. An unused one is the highest
		 * address, without access, so that it needs no check of its own.
		 */
		struct rte_vfio_user_dma_entry entry[VFIO_USER_IOVA_FANOUT];
		struct vfio_user_iova_node *child[VFIO_USER_IOVA_FANOUT];
	};
	union {
		struct {
#if RTE_BYTE_ORDER == RTE_LITTLE_ENDIAN
			uint32_t count, level;
#else
			uint32_t level, count;
#endif
		};
		uint64_t shape; /* level, then count, in one comparison */
	};
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

/*
 * The rank: how many keys of a node are lower than one. With AVX2 (in files
 * compiled for it) a comparison leaves all bits of 8 bytes; they are packed
 * until each key has 2 bits of a word, or 4, and counted: their order is lost
 * but does not matter.
 */
#ifdef __AVX2__

static inline __m256i
vfio_user_iova_lower(const struct vfio_user_iova_node *node, unsigned int i, __m256i key)
{
	return _mm256_cmpgt_epi64(key, *(const __m256i *)&node->key[4 * i]);
}

static inline unsigned int
vfio_user_iova_rank(const struct vfio_user_iova_node *node, int64_t key)
{
	const __m256i k = _mm256_set1_epi64x(key);
	__m256i low, high;

	RTE_BUILD_BUG_ON(RTE_DIM(node->key) != 16);
	low = _mm256_packs_epi32(vfio_user_iova_lower(node, 0, k),
				 vfio_user_iova_lower(node, 1, k));
	high = _mm256_packs_epi32(vfio_user_iova_lower(node, 2, k),
				  vfio_user_iova_lower(node, 3, k));
	return (unsigned int)_mm_popcnt_u32((uint32_t)
			_mm256_movemask_epi8(_mm256_packs_epi16(low, high))) / 2;
}

/* The entry that the rank leads to in a leaf of few entries. */
static inline const struct rte_vfio_user_dma_entry *
vfio_user_iova_find_few(const struct vfio_user_iova_node *leaf, int64_t key)
{
	const __m256i k = _mm256_set1_epi64x(key);
	unsigned int rank_by_4 = (unsigned int)_mm_popcnt_u32((uint32_t)
			_mm256_movemask_epi8(_mm256_packs_epi32(
					vfio_user_iova_lower(leaf, 0, k),
					vfio_user_iova_lower(leaf, 1, k))));

	return (const void *)((const uint8_t *)leaf->entry +
			      rank_by_4 * (sizeof(leaf->entry[0]) / 4));
}

#else

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

/* The entry that the rank leads to in a leaf of few entries. */
static inline const struct rte_vfio_user_dma_entry *
vfio_user_iova_find_few(const struct vfio_user_iova_node *leaf, int64_t key)
{
	const rte_v128s64_t *v = leaf->keys, k = { key, key };
	rte_v128s64_t lower =
		((v[0] < k) + (v[1] < k)) + ((v[2] < k) + (v[3] < k));

	return &leaf->entry[-(lower[0] + lower[1])];
}

#endif /* __AVX2__ */

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
