/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#ifndef VFIO_USER_CODEC_H
#define VFIO_USER_CODEC_H

/**
 * @file
 * What the protocol says about messages, as data: one row per command. All
 * checks of lengths, file descriptors and states that need no knowledge of a
 * device are here, before any payload field is used. Pure.
 *
 * Functions return 0 or the negative errno to answer.
 */

#include <stdbool.h>
#include <stdint.h>

#include "vfio_user_proto.h"

/** States of a connection, as a mask in the command table. */
#define VFIO_USER_STATE_NEW (1u << 0) /* VERSION not yet done */
#define VFIO_USER_STATE_READY (1u << 1)

/** Side that receives a request. */
enum vfio_user_side {
	VFIO_USER_SERVER,
	VFIO_USER_CLIENT,
};

/** A row of the command table. */
struct vfio_user_command_info {
	const char *name; /* NULL: no such command */
	uint32_t min_payload; /* of a request */
	uint32_t max_payload; /* of a request; 0 is bounded by the message only */
	uint16_t max_fds; /* of a request */
	uint8_t states; /* states it is allowed in */
	uint8_t side; /* who receives requests */
	bool quiesce; /* stops the data path */
};

/** The row of a command, or NULL. */
const struct vfio_user_command_info *vfio_user_command_info(uint16_t command);

/** Name of a command for messages. */
const char *vfio_user_command_name(uint16_t command);

/** Whether the frame of a message can be trusted: 0 or -EPROTO. */
int vfio_user_check_frame(const struct vfio_user_hdr *hdr, uint32_t max_msg);

static inline bool
vfio_user_is_reply(const struct vfio_user_hdr *hdr)
{
	return (hdr->flags & VFIO_USER_F_TYPE_MASK) == VFIO_USER_F_TYPE_REPLY;
}

/** Check a request against the command table. */
int vfio_user_check_request(const struct vfio_user_hdr *hdr, uint32_t payload_len,
			    uint32_t nb_fds, uint32_t max_fds, uint32_t state,
			    enum vfio_user_side side);

/**
 * The error of a reply: 0, or a negative errno between -1 and -4095 whatever
 * the peer wrote.
 */
int vfio_user_reply_error(const struct vfio_user_hdr *hdr);

/** Read and check DMA_MAP. */
int vfio_user_decode_dma_map(const void *payload, uint32_t nb_fds,
			     struct vfio_user_dma_map *map);

/** Read and check DMA_UNMAP. */
int vfio_user_decode_dma_unmap(const void *payload,
			       struct vfio_user_dma_unmap *unmap);

/**
 * Read and check SET_IRQS; the range is checked by vfio_user_check_irq_range().
 * The booleans, if any, follow the structure in the payload.
 */
int vfio_user_decode_set_irqs(const void *payload, uint32_t payload_len,
			      uint32_t nb_fds, struct vfio_irq_set *set);

/** Check the range of SET_IRQS against an index of irq_count interrupts. */
int vfio_user_check_irq_range(const struct vfio_irq_set *set, uint32_t irq_count);

/** Whether [offset, offset + count) lies inside size bytes. */
static inline bool
vfio_user_range_inside(uint64_t offset, uint64_t count, uint64_t size)
{
	return offset <= size && count <= size - offset;
}

/** Whether a range is not empty and its last byte has an address. */
static inline bool
vfio_user_range_valid(uint64_t addr, uint64_t size)
{
	return size != 0 && addr <= UINT64_MAX - (size - 1);
}

/**
 * Check a region info reply: structure, capability chain, mmap areas. On
 * success cap_sparse, cap_fds (areas with file descriptors) are the offsets of
 * these capabilities or 0.
 */
int vfio_user_check_region_info(const void *payload, uint32_t payload_len,
				uint32_t nb_fds, uint32_t *cap_sparse,
				uint32_t *cap_fds);

#endif /* VFIO_USER_CODEC_H */
