/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#ifndef TEST_VIRTIO_RING_REF_H
#define TEST_VIRTIO_RING_REF_H

/**
 * @file
 * What a device must make of a ring, by a second and simple way: for rings that
 * nobody changes meanwhile
 *
 * It collects the descriptors of a buffer first, then judges them one by one.
 */

#include <stdbool.h>
#include <stdint.h>

#include <rte_virtio_ring.h>

#define REF_MAX_SEGS 512u

/* Errors of pop, as a set: a bad descriptor may be bad in several ways. */
#define REF_PROTO (1u << 0)
#define REF_2BIG (1u << 1)
#define REF_OVERFLOW (1u << 2)
#define REF_FAULT (1u << 3)
#define REF_NOSPC (1u << 4)

/* What the device knows. */
struct ref_ring {
	struct rte_virtio_ring_conf conf;
	uint32_t avail; /* split: free-running; packed: counted from the first turn on */
	uint32_t in_flight; /* heads, or descriptors */
	uint16_t seen; /* split: an index of the driver that is gone by while it is ahead */
};

struct ref_buffer {
	bool none; /* nothing is available */
	uint32_t errors; /* one of these is to be returned */
	bool plain; /* one descriptor in one mapping */
	uint16_t id, slots;
	uint32_t nb_read, nb_write;
	uint64_t read_len, write_len;
	struct rte_virtio_seg segs[REF_MAX_SEGS];
};

bool ref_has(const struct ref_ring *ring, unsigned int feature);

/** The next buffer. */
void ref_pop(const struct ref_ring *ring, uint32_t max_segs, struct ref_buffer *buffer);

/** It was taken. */
void ref_taken(struct ref_ring *ring, uint32_t slots);

/** The set of one error. */
uint32_t ref_error(int ret);

/** Whether an entry of the ring is marked available, for a ring in its order. */
bool ref_is_available(const struct ref_ring *ring);

#endif /* TEST_VIRTIO_RING_REF_H */
