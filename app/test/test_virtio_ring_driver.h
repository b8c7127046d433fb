/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#ifndef TEST_VIRTIO_RING_DRIVER_H
#define TEST_VIRTIO_RING_DRIVER_H

/**
 * @file
 * A driver's side of a ring, for the ring tests that say what is in it
 */

#include <stdbool.h>
#include <stdint.h>

#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>

#include <rte_virtio_ring.h>

#include "test_short.h"
#include "test_virtio_ring_mem.h"

#define SIZE 8u
#define MAX_SEGS 16u

#define NEXT VRING_DESC_F_NEXT
#define WRITE VRING_DESC_F_WRITE
#define INDIRECT VRING_DESC_F_INDIRECT
#define F(bit) (UINT64_C(1) << (bit))
#define PACKED F(VIRTIO_F_RING_PACKED)
#define IN_ORDER F(VIRTIO_F_IN_ORDER)
#define INDIRECT_DESC F(VIRTIO_RING_F_INDIRECT_DESC)
#define EVENT_IDX F(VIRTIO_RING_F_EVENT_IDX)

#define DATA (mem_zones[MEM_DATA].iova)
#define APART (mem_zones[MEM_APART].iova)
#define TABLE (DATA + 0x1000)

/* The ring of a test, and its driver. */
struct driver {
	struct rte_virtio_ring_conf conf;
	struct rte_virtio_ring ring;
	struct rte_virtio_chain chain;
	struct rte_virtio_seg segs[MAX_SEGS];
	uint32_t added; /* entries, or descriptors */
	uint32_t looked_at; /* of the used ones */
};

extern struct driver drv;

/** Close the section that is open, if any, and undo mem_setup(). */
void driver_teardown(void);

/** Whether the ring is packed. */
bool is_packed(void);

/** Place a ring and begin a section. */
void begin(uint16_t size, uint64_t features);

/** The same, with the device's side initialised and mapped. */
int start(uint16_t size, uint64_t features);

/** A descriptor of a split ring, or of a table of one. */
void put(uint64_t table, uint32_t i, uint64_t addr, uint32_t len, uint16_t flags,
	 uint16_t next);

/** The same, packed. */
void put_packed(uint64_t table, uint32_t i, uint64_t addr, uint32_t len, uint16_t flags,
		uint16_t id);

/** Flags of an available descriptor, by its number from the first turn on. */
uint16_t turn_flags(uint32_t at);

/** Make a chain of a split ring available that begins at a head. */
void show(uint16_t head);

/** Make a buffer of one descriptor available, in either kind of ring. */
void add(uint16_t id, uint64_t addr, uint32_t len, uint16_t flags);

/** A chain of descriptors with these flags from position 0 or head 0 on. */
void add_chain(const uint16_t *flags, uint32_t nb);

/** The next used entry, if any. */
bool get_used(uint16_t *id, uint32_t *len, uint32_t slots);

/** The device takes a buffer. */
int pop(void);

#endif /* TEST_VIRTIO_RING_DRIVER_H */
