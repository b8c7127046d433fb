/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#ifndef DEVICE_H
#define DEVICE_H

#include <stdint.h>

#include <rte_vfio_user_pci.h>
#include <rte_vfio_user_server.h>

#define PAGE 4096
#define DMA_CHUNK (256u << 10) /* bytes copied at a time */

/* Registers: little-endian, accessed by any size; what is not readable is 0. */
enum {
	REG_ID = 0x00, /* RO */
	REG_VERSION = 0x04, /* RO */
	REG_SCRATCH = 0x08, /* RW */
	REG_DMA_SRC = 0x10, /* RW, 64 bits */
	REG_DMA_DST = 0x18, /* RW, 64 bits */
	REG_DMA_LEN = 0x20, /* RW, bytes, at most DMA_MAX_LEN */
	REG_DOORBELL = 0x24, /* WO, bit 0 starts a copy unless one is going on */
	REG_STATUS = 0x28, /* RO, STATUS_* */
	REG_IRQ_CAUSE = 0x2c, /* RW1C, CAUSE_* */
	REG_IRQ_RAISE = 0x30, /* WO, bits to set in IRQ_CAUSE */
	REG_DMA_ERRNO = 0x34, /* RO, errno of the last copy that failed */
	REG_DMA_COPIES = 0x38, /* RO, copies that succeeded */
	REG_END = 0x3c,
};

enum { MSIX_DMA, MSIX_SOFTWARE, MSIX_COUNT = 4 };

struct demo {
	struct rte_vfio_user_server *srv;
	struct rte_vfio_user_pci *pci;
	struct rte_vfio_user_dma_reader *reader;
	uint32_t regs[REG_END / 4];
	uint64_t src, dst; /* the copy, as it was when the doorbell rang */
	uint32_t len, done;
	int step;
	uint16_t vectors; /* of MSI-X; 0: the device has INTx only */
	uint8_t bounce[DMA_CHUNK];
};

/* Callbacks of the device; priv is its struct demo. */
ssize_t demo_bar0_access(struct rte_vfio_user_server *srv,
			 const struct rte_vfio_user_region_access *acc, void *priv);
int demo_reset(struct rte_vfio_user_server *srv, enum rte_vfio_user_reset reason,
	       void *priv);
void demo_irq_changed(struct rte_vfio_user_server *srv, uint32_t index, uint32_t start,
		      uint32_t count, void *priv);

/*
 * Start the copy that the doorbell asked for, if any. To be called after each
 * rte_vfio_user_server_poll(): the write to the doorbell is answered by then.
 */
void demo_run(struct demo *dev);

#endif /* DEVICE_H */
