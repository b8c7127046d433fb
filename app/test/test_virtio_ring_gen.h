/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#ifndef TEST_VIRTIO_RING_GEN_H
#define TEST_VIRTIO_RING_GEN_H

/**
 * @file
 * Generator of rings: valid ones, and ones that a hostile driver made of them.
 * All it does follows from a seed.
 */

#include <stdbool.h>
#include <stdint.h>

#include <rte_virtio_ring.h>

#define GEN_MAX_SIZE 1024u

struct gen {
	uint64_t state; /* of the random numbers */
	struct rte_virtio_ring_conf conf;
	bool packed, indirect;
	bool hostile; /* the ring was damaged */
	bool alike; /* most buffers are plain, and like the others */
	bool alike_write; /* the device writes them */
	bool any_cpu; /* no vector instructions that not all have */
	uint32_t next; /* available entries, as counted by the driver */
	uint32_t free; /* packed: descriptors */
	uint64_t table; /* where the next one goes */
};

uint64_t gen_random(struct gen *gen);

/** Below a limit. */
static inline uint32_t
gen_below(struct gen *gen, uint32_t limit)
{
	return (uint32_t)((gen_random(gen) >> 32) * limit >> 32);
}

static inline bool
gen_one_in(struct gen *gen, uint32_t n)
{
	return gen_below(gen, n) == 0;
}

/** Choose size and features, place the areas, forget the last ring's tables. */
void gen_start(struct gen *gen, uint64_t seed);

/** Begin at that many entries instead of 0. */
void gen_begin_at(struct gen *gen, uint32_t count);

/** Make buffers available, as many as may be. */
void gen_fill(struct gen *gen);

/** Make a buffer that was used available once more, or another one in its place. */
void gen_again(struct gen *gen, uint16_t id, uint16_t slots);

/** Damage something. */
void gen_damage(struct gen *gen);

/** Set what the driver wants to be interrupted for. */
void gen_event(struct gen *gen);

#endif /* TEST_VIRTIO_RING_GEN_H */
