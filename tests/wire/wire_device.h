/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#ifndef WIRE_DEVICE_H
#define WIRE_DEVICE_H

/**
 * @file
 * The device under test: one of everything
 *
 * region 0 (BAR0)  callback, RW, 4 KiB, special registers, ioeventfds
 * region 1 (BAR1)  plain memory, RW, 64 KiB
 * region 2 (BAR2)  plain memory, 16 KiB, two mappable areas of its own fd
 * region 3 (BAR3)  plain memory, read-only, 4 KiB
 * region 4 (BAR4)  plain memory, 16 KiB, three areas, two with their own fd
 * region 5 (BAR5)  absent
 * region 6 (ROM)   plain memory, read-only, 8 KiB, mappable as a whole
 * region 7 (CFG)   plain memory, 256 or 4096 bytes
 * region 8 (VGA)   plain memory, write-only, 4 KiB
 * region 9         plain memory, 8 KiB, one mappable area, TYPE capability
 *
 * irq 0 INTX 1, 1 MSI 8, 2 MSIX 64, 3 ERR 1, 4 REQ 0, 5 two without eventfd
 */

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include <rte_vfio_user_server.h>

#define WIRE_NUM_REGIONS 10
#define WIRE_NUM_IRQS 6
#define WIRE_MAX_SG 16

/** Special registers of BAR0. */
enum wire_reg {
	WIRE_REG_PENDING = 0x100, /**< completed by the command "complete" */
	WIRE_REG_SHORT = 0x108, /**< half of the bytes are done */
	WIRE_REG_EIO = 0x110, /**< fails with EIO */
	WIRE_REG_DMA = 0x118, /**< runs the armed DMA job */
	WIRE_REG_EARLY = 0x120, /**< completed inside the callback */
	WIRE_REG_NONE = 0x128, /**< no byte is done */
};

struct wire_dev;

/** Who copies, and how it waits. */
enum wire_dma_mode {
	WIRE_DMA_POLL, /**< blocking, in the polling thread */
	WIRE_DMA_THREAD, /**< blocking, in a thread of its own */
	WIRE_DMA_ASYNC, /**< submitted in the polling thread */
	WIRE_DMA_CALLBACK, /**< blocking, inside a region callback */
	WIRE_DMA_CALLBACK_ASYNC, /**< submitted inside a region callback */
};

/** One copy from or to the client's memory; answers its line at the end. */
struct wire_dma_job {
	struct wire_dev *dev;
	unsigned int tag; /**< of the control line */
	enum wire_dma_mode mode;
	bool is_write;
	struct rte_vfio_user_dma_sg sg[WIRE_MAX_SG];
	uint32_t nb_sg;
	uint8_t *buf; /**< local memory of all pieces */
	size_t len; /**< bytes in buf */
};

/** A data-path reader that sits inside a section. */
struct wire_reader {
	struct wire_dev *dev;
	pthread_t thread;
	struct rte_vfio_user_dma_reader *reader; /**< NULL: none */
	uint64_t iova; /**< translated inside the section */
	int found; /**< 1: translated, -1: not, 0: not yet known */
	bool release; /**< leave the section */
};

struct wire_dev {
	struct rte_vfio_user_server *srv;
	uint8_t *mem[WIRE_NUM_REGIONS]; /**< memory of the regions */
	struct rte_vfio_user_region_access pending; /**< the last one, token 0: none */
	struct wire_dma_job *armed; /**< for WIRE_REG_DMA */
	int quiesce_ret; /**< what quiesce() returns; -EALREADY: early */
	int reset_ret; /**< what reset() returns */
	int map_ret; /**< what map() returns */
	struct wire_reader reader;
	char log[16384]; /**< callbacks since the last "log" */
	size_t log_len;
};

/** Describe the device: regions, interrupts, callbacks; 0 or -errno. */
int wire_dev_setup(struct wire_dev *dev, uint32_t config_size,
		   uint32_t extra_ioeventfds);

/** Run a job as its mode says, or arm it. Owns the job. */
void wire_dma_start(struct wire_dma_job *job);

/** DMA threads that have not answered yet. */
int wire_dma_threads(void);

#endif /* WIRE_DEVICE_H */
