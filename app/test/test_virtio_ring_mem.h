/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#ifndef TEST_VIRTIO_RING_MEM_H
#define TEST_VIRTIO_RING_MEM_H

/**
 * @file
 * Memory of a driver for the ring tests: DMA mappings of all kinds, ring areas
 * in it, and a reader
 *
 * The ring areas have files of their own and end where the file ends, so that
 * an access behind one of them faults. The driver has mappings of its own.
 */

#include <stdbool.h>
#include <stdint.h>

#include <rte_virtio_ring.h>

#define MEM_PAGE 4096u

/* What lies at an address that is mapped to the device. */
struct mem_zone {
	uint64_t iova;
	uint64_t size;
	uint32_t prot; /* of the device */
	bool mmap; /* reachable by it */
	uint8_t *driver; /* as the driver sees it */
	uint8_t *device; /* as the device does */
};

enum {
	MEM_DESC, /* for the areas of a ring */
	MEM_DRIVER,
	MEM_DEVICE,
	MEM_DATA, /* for buffers and tables; the following adjoin each other */
	MEM_APART, /* elsewhere in the device's memory */
	MEM_CLOSE, /* behind the last one in the device's memory, too */
	MEM_READ_ONLY,
	MEM_WRITE_ONLY,
	MEM_NO_MMAP,
	MEM_TOP, /* the end of the address space */
	MEM_NB_ZONES
};

extern struct mem_zone mem_zones[MEM_NB_ZONES];
extern struct rte_vfio_user_dma_reader *mem_reader;

int mem_setup(void);
void mem_teardown(void);

/** Remove the mapping of a zone; no section is open. */
int mem_unmap(unsigned int zone);

/** The zone of an address, or NULL. */
const struct mem_zone *mem_find(uint64_t iova);

/** What the driver sees at an address, which must be in a zone. */
static inline void *
mem_at(uint64_t iova)
{
	const struct mem_zone *zone = mem_find(iova);

	return zone->driver + (iova - zone->iova);
}

/** Place the areas of a ring of that size and those features; they are zeroed. */
void mem_place(struct rte_virtio_ring_conf *conf);

#endif /* TEST_VIRTIO_RING_MEM_H */
