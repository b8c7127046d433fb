/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#ifndef DMA_WORK_H
#define DMA_WORK_H

/**
 * @file
 * Memory that is given to a device, and what the device did with it
 */

#include "access.h"

/** Changed ranges that are told one by one. */
#define CHANGES_MAX 64

/** How memory is given to the device. */
enum dma_kind {
	DMA_FILE, /**< a file that it can map */
	DMA_FILE_IO, /**< a file that it is asked to read and write */
	DMA_MESSAGES, /**< no file */
};

/** A range of bytes that are not as they were, but for less than 8 in a row. */
struct dma_change {
	uint64_t iova;
	uint64_t len;
};

/** Memory in mappings of one size. */
struct dma_memory {
	enum dma_kind kind;
	bool read_only;
	uint32_t nb; /**< mappings */
	uint64_t size; /**< bytes of each */
	uint64_t iova; /**< of the first one */
	uint64_t stride; /**< from one to the next */
	int fd;
	uint8_t *va; /**< of all, without gaps */
	/* What the device asked for by messages. */
	uint64_t reads, read_bytes, writes, write_bytes;
	/* What it changed. */
	uint64_t changed_bytes;
	uint32_t nb_changes;
	struct dma_change changes[CHANGES_MAX];
};

/** A copy that the device is expected to have done. */
struct dma_copy {
	uint64_t src, dst, len;
};

/** Allocate the memory; ends the program if that fails. */
void dma_memory_create(struct dma_memory *mem);

void dma_memory_destroy(struct dma_memory *mem);

/** The mapping at a place of the table. */
struct rte_vfio_user_dma_map dma_memory_map(const struct dma_memory *mem, uint32_t i);

/** Whether a range is inside one mapping; then place is set to its offset in va. */
bool dma_memory_has(const struct dma_memory *mem, uint64_t iova, uint64_t len,
		    uint64_t *place);

/** Fill all of it with bytes that tell their address. */
void dma_memory_fill(struct dma_memory *mem);

/** Find what is not as dma_memory_fill() left it, but for the range of a copy. */
void dma_memory_compare(struct dma_memory *mem, const struct dma_copy *except);

/** Whether a copy has been done. */
bool dma_copy_done(const struct dma_memory *mem, const struct dma_copy *copy);

/** Serves the server's requests; priv is the struct dma_memory. */
int dma_memory_serve(struct rte_vfio_user_client *client, bool is_write, uint64_t iova,
		     void *buf, uint32_t len, void *priv);

#endif /* DMA_WORK_H */
