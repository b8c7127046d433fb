/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#ifndef VIRTIO_RING_H
#define VIRTIO_RING_H

/**
 * @file
 * What the files of the rings share: descriptors read once, and the walk over
 * those of one buffer
 */

#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>
#include <string.h>
#include <sys/mman.h>

#include <rte_branch_prediction.h>
#include <rte_byteorder.h>
#include <rte_prefetch.h>

#include "rte_virtio_ring.h"

/** Bytes of a descriptor, of either kind of ring. */
#define VIRTIO_RING_DESC_SIZE 16u

/** Offsets in an available and in a used ring. */
#define VIRTIO_RING_IDX 2u
#define VIRTIO_RING_ENTRIES 4u

/** A descriptor as it was read. */
struct virtio_ring_desc {
	uint64_t addr;
	uint32_t len;
	uint16_t flags;
	uint16_t next; /**< split */
	uint16_t id; /**< packed */
};

/** The walk over the descriptors of one buffer. */
struct virtio_ring_walk {
	struct rte_virtio_ring *ring;
	struct rte_virtio_chain *chain;
	uint16_t max_segs;
	uint16_t max_descs; /**< of the buffer */
	uint16_t nb_descs; /**< so far, those that refer to a table not counted */
	bool writes; /**< a writable one was seen */
};

/*
 * The driver may change a descriptor at any time: its two halves are loaded
 * once. The second half has the flags; of a packed ring it is loaded first.
 */
static inline uint64_t
virtio_ring_load64(const uint64_t *p)
{
	return rte_le_to_cpu_64(__atomic_load_n(p, __ATOMIC_RELAXED));
}

static inline uint64_t
virtio_ring_half(const uint8_t *desc, unsigned int half)
{
	return virtio_ring_load64((const uint64_t *)(uintptr_t)desc + half);
}

static inline uint16_t
virtio_ring_load16(const uint8_t *p)
{
	return rte_le_to_cpu_16(__atomic_load_n((const uint16_t *)(uintptr_t)p,
						__ATOMIC_RELAXED));
}

static inline void
virtio_ring_store16(uint8_t *p, uint16_t val)
{
	__atomic_store_n((uint16_t *)(uintptr_t)p, rte_cpu_to_le_16(val), __ATOMIC_RELAXED);
}

static inline void
virtio_ring_desc_split(struct virtio_ring_desc *desc, uint64_t addr, uint64_t rest)
{
	desc->addr = addr;
	desc->len = (uint32_t)rest;
	desc->flags = (uint16_t)(rest >> 32);
	desc->next = (uint16_t)(rest >> 48);
}

static inline void
virtio_ring_desc_packed(struct virtio_ring_desc *desc, uint64_t addr, uint64_t rest)
{
	desc->addr = addr;
	desc->len = (uint32_t)rest;
	desc->id = (uint16_t)(rest >> 32);
	desc->flags = (uint16_t)(rest >> 48);
}

/** Describe a buffer: its second half is like that of a packed descriptor. */
static inline void
virtio_ring_buf_set(struct rte_virtio_buf *buf, uint64_t va, uint64_t rest)
{
	RTE_BUILD_BUG_ON(VRING_DESC_F_WRITE != RTE_VIRTIO_BUF_F_WRITE);
	buf->va = (void *)(uintptr_t)va;
#if RTE_BYTE_ORDER == RTE_LITTLE_ENDIAN && defined(RTE_ARCH_64)
	RTE_BUILD_BUG_ON(offsetof(struct rte_virtio_buf, len) != 8 || sizeof(*buf) != 16);
	memcpy((uint8_t *)buf + 8, &rest, sizeof(rest));
#else
	buf->len = (uint32_t)rest;
	buf->id = (uint16_t)(rest >> 32);
	buf->flags = (uint16_t)(rest >> 48);
#endif
}

/**
 * Describe a buffer if it is one descriptor in one mapping, or return false. A
 * run of buffers like it may follow: the ring remembers the flags, the reader the
 * mapping.
 */
static inline bool
virtio_ring_take_first(struct rte_virtio_ring *ring, struct rte_virtio_buf *buf,
		       const struct virtio_ring_desc *desc, uint16_t id)
{
	const uint16_t flags = desc->flags & VRING_DESC_F_WRITE;

	if (unlikely((desc->flags & (VRING_DESC_F_NEXT | VRING_DESC_F_INDIRECT)) != 0 ||
		     id >= ring->size))
		return false;
	buf->va = rte_vfio_user_dma_va(ring->reader, desc->addr, desc->len,
				       flags != 0 ? PROT_WRITE : PROT_READ);
	if (unlikely(buf->va == NULL))
		return false;
	rte_prefetch0(buf->va);
	buf->len = desc->len;
	buf->id = id;
	buf->flags = flags;
	ring->run_flags = flags;
	return true;
}

/** The runs of plain buffers for this cpu, of a kind of ring. */
rte_virtio_ring_run_t virtio_ring_run_choose(bool packed);

/** Add the memory of one descriptor to the chain: 0 or an error of pop. */
int virtio_ring_walk_add(struct virtio_ring_walk *walk, const struct virtio_ring_desc *desc);

/** Add what the table of an indirect descriptor has: 0 or an error of pop. */
int virtio_ring_walk_table(struct virtio_ring_walk *walk,
			   const struct virtio_ring_desc *indirect);

/* Of the two kinds of ring; as the functions of rte_virtio_ring.h. */
int virtio_ring_split_pop(struct rte_virtio_ring *ring, struct virtio_ring_walk *walk);
int virtio_ring_split_pop_burst(struct rte_virtio_ring *ring, struct rte_virtio_buf *bufs,
				uint16_t nb);
void virtio_ring_split_rewind(struct rte_virtio_ring *ring, uint16_t slots);
void virtio_ring_split_push(struct rte_virtio_ring *ring, uint16_t id, uint32_t written);
void virtio_ring_split_push_burst(struct rte_virtio_ring *ring,
				  const struct rte_virtio_buf *bufs,
				  const uint32_t *written, uint16_t nb);
void virtio_ring_split_publish(struct rte_virtio_ring *ring);
bool virtio_ring_split_wants_interrupt(const struct rte_virtio_ring *ring);
void virtio_ring_split_notify(struct rte_virtio_ring *ring, bool enable);
bool virtio_ring_split_is_available(const struct rte_virtio_ring *ring);

int virtio_ring_packed_pop(struct rte_virtio_ring *ring, struct virtio_ring_walk *walk);
int virtio_ring_packed_pop_burst(struct rte_virtio_ring *ring, struct rte_virtio_buf *bufs,
				 uint16_t nb);
void virtio_ring_packed_rewind(struct rte_virtio_ring *ring, uint16_t slots);
void virtio_ring_packed_push(struct rte_virtio_ring *ring, uint16_t id, uint16_t slots,
			     uint32_t written);
void virtio_ring_packed_push_burst(struct rte_virtio_ring *ring,
				   const struct rte_virtio_buf *bufs,
				   const uint32_t *written, uint16_t nb);
void virtio_ring_packed_publish(struct rte_virtio_ring *ring);
bool virtio_ring_packed_wants_interrupt(const struct rte_virtio_ring *ring);
void virtio_ring_packed_notify(struct rte_virtio_ring *ring, bool enable);
bool virtio_ring_packed_is_available(const struct rte_virtio_ring *ring);

#endif /* VIRTIO_RING_H */
