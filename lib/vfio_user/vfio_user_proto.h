/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#ifndef VFIO_USER_PROTO_H
#define VFIO_USER_PROTO_H

/**
 * @file
 * Wire structures of vfio-user (specification: docs/interop/vfio-user.rst of
 * QEMU). Host byte order. Payloads that are a structure of <linux/vfio.h>
 * (device, region and IRQ info, IRQ set) are not repeated here.
 */

#include <stddef.h>
#include <stdint.h>

#include <linux/vfio.h>

#include "rte_vfio_user_common.h"

enum vfio_user_command {
	VFIO_USER_VERSION = 1,
	VFIO_USER_DMA_MAP = 2,
	VFIO_USER_DMA_UNMAP = 3,
	VFIO_USER_DEVICE_GET_INFO = 4,
	VFIO_USER_DEVICE_GET_REGION_INFO = 5,
	VFIO_USER_DEVICE_GET_REGION_IO_FDS = 6,
	VFIO_USER_DEVICE_GET_IRQ_INFO = 7,
	VFIO_USER_DEVICE_SET_IRQS = 8,
	VFIO_USER_REGION_READ = 9,
	VFIO_USER_REGION_WRITE = 10,
	VFIO_USER_DMA_READ = 11,
	VFIO_USER_DMA_WRITE = 12,
	VFIO_USER_DEVICE_RESET = 13,
	VFIO_USER_REGION_WRITE_MULTI = 15,
	VFIO_USER_DEVICE_FEATURE = 16,
	VFIO_USER_MIG_DATA_READ = 17,
	VFIO_USER_MIG_DATA_WRITE = 18,
	VFIO_USER_COMMAND_MAX = 19,
};

#define VFIO_USER_F_TYPE_MASK 0xfu
#define VFIO_USER_F_TYPE_COMMAND 0x0u
#define VFIO_USER_F_TYPE_REPLY 0x1u
#define VFIO_USER_F_NO_REPLY (1u << 4)
#define VFIO_USER_F_ERROR (1u << 5)
#define VFIO_USER_F_ALL \
	(VFIO_USER_F_TYPE_MASK | VFIO_USER_F_NO_REPLY | VFIO_USER_F_ERROR)

/** Header of every message. */
struct vfio_user_hdr {
	uint16_t msg_id;
	uint16_t command;
	uint32_t msg_size; /* header included */
	uint32_t flags;
	uint32_t error_no; /* of a reply with VFIO_USER_F_ERROR */
};
_Static_assert(sizeof(struct vfio_user_hdr) == 16, "wire header");

/** VERSION, request and reply; JSON with its NUL follows. */
struct vfio_user_version {
	uint16_t major;
	uint16_t minor;
};
_Static_assert(sizeof(struct vfio_user_version) == 4, "wire version");

/**
 * DEVICE_GET_INFO, request and reply: struct vfio_device_info up to num_irqs
 * (the kernel's structure has grown since).
 */
#define VFIO_USER_DEVICE_INFO_SIZE 16
_Static_assert(offsetof(struct vfio_device_info, num_irqs) == 12, "wire info");

#define VFIO_USER_DMA_MAP_F_READ (1u << 0)
#define VFIO_USER_DMA_MAP_F_WRITE (1u << 1)
#define VFIO_USER_DMA_MAP_F_MMAP (1u << 2)
#define VFIO_USER_DMA_MAP_F_FILE_IO (1u << 3)
#define VFIO_USER_DMA_MAP_F_ALL 0xfu

struct vfio_user_dma_map {
	uint32_t argsz;
	uint32_t flags;
	uint64_t offset;
	uint64_t addr;
	uint64_t size;
};
_Static_assert(sizeof(struct vfio_user_dma_map) == 32, "wire DMA map");

/* VFIO_DMA_UNMAP_FLAG_ALL of <linux/vfio.h> is the only flag supported. */
struct vfio_user_dma_unmap {
	uint32_t argsz;
	uint32_t flags;
	uint64_t addr;
	uint64_t size;
};
_Static_assert(sizeof(struct vfio_user_dma_unmap) == 24, "wire DMA unmap");

/* The capability with one file per area is public. */
_Static_assert(sizeof(struct rte_vfio_user_sparse_fds_area) == 32, "wire area");
_Static_assert(offsetof(struct rte_vfio_user_sparse_fds_cap, areas) == 16, "wire cap");

/** GET_REGION_IO_FDS, request and start of the reply. */
struct vfio_user_region_io_fds {
	uint32_t argsz;
	uint32_t flags;
	uint32_t index;
	uint32_t count;
};
_Static_assert(sizeof(struct vfio_user_region_io_fds) == 16, "wire io fds");

enum vfio_user_io_fd_type {
	VFIO_USER_IO_FD_TYPE_IOEVENTFD = 0,
	VFIO_USER_IO_FD_TYPE_IOREGIONFD = 1,
};

struct vfio_user_sub_region {
	uint64_t offset;
	uint64_t size;
	uint32_t fd_index;
	uint32_t type;
	uint32_t flags;
	uint32_t padding;
	uint64_t datamatch; /* user data of an ioregionfd */
};
_Static_assert(sizeof(struct vfio_user_sub_region) == 40, "wire sub-region");

/** REGION_READ and REGION_WRITE, request and reply; data follow. */
struct vfio_user_region_access {
	uint64_t offset;
	uint32_t region;
	uint32_t count;
};
_Static_assert(sizeof(struct vfio_user_region_access) == 16, "wire access");

/** DMA_READ and DMA_WRITE, request and reply; data follow. */
struct vfio_user_dma_access {
	uint64_t addr;
	uint64_t count;
};
_Static_assert(sizeof(struct vfio_user_dma_access) == 16, "wire DMA access");

/** One write of REGION_WRITE_MULTI. */
struct vfio_user_single_write {
	uint64_t offset;
	uint32_t region;
	uint32_t count;
	uint8_t data[8];
};
_Static_assert(sizeof(struct vfio_user_single_write) == 24, "wire write");

/** REGION_WRITE_MULTI; a reply has the count only. */
struct vfio_user_write_multi {
	uint64_t wr_cnt;
	struct vfio_user_single_write wrs[];
};
_Static_assert(offsetof(struct vfio_user_write_multi, wrs) == 8, "wire multi");

/** DEVICE_FEATURE, as struct vfio_device_feature. */
struct vfio_user_device_feature {
	uint32_t argsz;
	uint32_t flags;
};

/** Longest VERSION data (JSON and NUL) that is taken. */
#define VFIO_USER_MAX_VERSION_DATA 4096

/** Largest message of a connection with this max_data_xfer_size. */
#define VFIO_USER_MAX_MSG_SIZE(xfer) ((xfer) + 4096u)

#endif /* VFIO_USER_PROTO_H */
