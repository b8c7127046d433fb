/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#ifndef RTE_VFIO_USER_COMMON_H
#define RTE_VFIO_USER_COMMON_H

/**
 * @file
 * vfio-user: definitions shared by the server and the client
 *
 * vfio-user carries the Linux VFIO device model over a UNIX socket. A *client*
 * (a VMM, or a DPDK process) drives a PCI device that a *server* emulates.
 * Structures of the VFIO device model (struct vfio_region_info, struct
 * vfio_irq_set, ...) are those of <linux/vfio.h>.
 *
 * Errors: functions return 0 (or a count) or a negative errno; functions that
 * return a pointer return NULL and set rte_errno. Over a connection a small
 * set of values has a fixed meaning: -ENOTCONN (no peer, or the peer is gone,
 * or it broke the framing of its byte stream, which closes the connection),
 * -EPROTO (the peer's reply is malformed; the connection stays), -ETIMEDOUT (no
 * reply in time; the connection stays, a late reply is dropped), -ENOMEM and
 * -ENOBUFS (there is no memory here, or the kernel has no room, to send a
 * request: nothing was sent, the connection stays). Any other value a client
 * function returns for a request is the errno that the server put into its
 * reply; -EIO if that is no errno (0, or above 4095).
 */

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/vfio.h>

#include <rte_compat.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Major version of the protocol this library speaks. */
#define RTE_VFIO_USER_PROTO_MAJOR 0
/** Highest minor version of the protocol this library speaks. */
#define RTE_VFIO_USER_PROTO_MINOR 2

/** Data bytes of one message unless negotiated otherwise (specification). */
#define RTE_VFIO_USER_DEFAULT_XFER_SIZE (UINT32_C(1) << 20)
/** Largest value that max_data_xfer_size may be configured to. */
#define RTE_VFIO_USER_MAX_XFER_SIZE (UINT32_C(64) << 20)
/** File descriptors taken with one message unless configured otherwise (ours). */
#define RTE_VFIO_USER_DEFAULT_MSG_FDS 16
/** Largest number of file descriptors in one message (Linux SCM_MAX_FD). */
#define RTE_VFIO_USER_MAX_MSG_FDS 253
/** DMA mappings of one device unless configured otherwise (specification). */
#define RTE_VFIO_USER_DEFAULT_DMA_MAPS 65535
/** Files behind the DMA mappings of one device unless configured otherwise. */
#define RTE_VFIO_USER_DEFAULT_DMA_FILES 1024
/** Bytes of address space for DMA memory of one device unless configured otherwise. */
#define RTE_VFIO_USER_DEFAULT_DMA_BYTES (UINT64_C(8) << 40)
/** Largest number of interrupts of one index (the limit of MSI-X). */
#define RTE_VFIO_USER_MAX_VECTORS 2048

/**
 * Name of an ELF note that the library carries, and so does each program that it
 * is linked into statically: programs that use the library are known by it,
 * stripped or not. Its type is 1, its description the protocol version (major in
 * the upper 16 bits).
 */
#define RTE_VFIO_USER_ELF_NOTE "dpdk-vfio-user"

/**
 * Answer of a callback that finishes its work later.
 * Each callback that may return it names the function which completes it.
 */
#define RTE_VFIO_USER_PENDING (-EINPROGRESS)

/** What the two sides of a connection agreed on. */
struct rte_vfio_user_negotiated {
	uint16_t major; /**< protocol major version */
	uint16_t minor; /**< protocol minor version, the lower of both */
	/** file descriptors the peer takes with one message, at most 253; may be 0 */
	uint32_t max_msg_fds;
	/** data bytes of one message, the lower of both sides */
	uint32_t max_data_xfer_size;
	/**
	 * DMA mappings that may exist at a time, the lower of both sides. The
	 * client keeps to it; a server enforces its own number only.
	 */
	uint32_t max_dma_maps;
	/**
	 * page sizes of DMA mappings or'ed together, as the peer named them;
	 * nothing is refused for it
	 */
	uint64_t pgsizes;
	/** REGION_WRITE_MULTI may be sent to the server */
	bool write_multiple;
	/** requests of the server travel on a socket of their own */
	bool twin_socket;
	/** region areas may have a file descriptor each */
	bool sparse_mmap_fds;
};

/**
 * Capability of a region's information, as VFIO_REGION_INFO_CAP_SPARSE_MMAP: the
 * areas that can be mapped, each with a file of its own. The kernel has no such
 * capability.
 */
#define RTE_VFIO_USER_REGION_INFO_CAP_SPARSE_MMAP_FDS 0x8001

/** An area of RTE_VFIO_USER_REGION_INFO_CAP_SPARSE_MMAP_FDS. */
struct rte_vfio_user_sparse_fds_area {
	uint64_t offset; /**< offset in the region */
	uint64_t fd_offset; /**< offset in the file */
	uint64_t size; /**< bytes */
	uint32_t fd_index; /**< which of the received fds */
	uint32_t reserved; /**< zero */
};

/** RTE_VFIO_USER_REGION_INFO_CAP_SPARSE_MMAP_FDS. */
struct rte_vfio_user_sparse_fds_cap {
	struct vfio_info_cap_header header; /**< of every capability */
	uint32_t nr_areas; /**< number of areas */
	uint32_t reserved; /**< zero */
	struct rte_vfio_user_sparse_fds_area areas[]; /**< the areas */
};

/** One piece of client memory in a vectored DMA access. */
struct rte_vfio_user_dma_sg {
	uint64_t iova; /**< address in the client's DMA address space */
	uint64_t len; /**< bytes, may span several DMA mappings */
	void *buf; /**< local memory to copy from or to */
};

/** A DMA mapping as the data path sees it. Private to the library. */
struct rte_vfio_user_dma_entry {
	uint64_t first; /**< first address in the client's DMA address space */
	uint64_t span; /**< last address - first address */
	uintptr_t delta; /**< local address - DMA address */
	uint32_t denied; /**< access it does not give, PROT_* bits inverted */
	uint32_t reserved; /**< zero */
};

#ifdef __cplusplus
}
#endif

#endif /* RTE_VFIO_USER_COMMON_H */
