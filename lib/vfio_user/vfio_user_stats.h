/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#ifndef VFIO_USER_STATS_H
#define VFIO_USER_STATS_H

/**
 * @file
 * Counters. Each has one writer at a time, whoever that is, which its owner
 * sees to (by a lock, or by the ownership of a connection); readers are
 * anybody. So a relaxed load and store count, without an atomic operation.
 */

#include <stdint.h>

#include <rte_common.h>

#include "rte_vfio_user_stats.h"
#include "vfio_user_proto.h"

_Static_assert(VFIO_USER_COMMAND_MAX <= RTE_VFIO_USER_STATS_COMMANDS, "a counter each");

static inline uint64_t
vfio_user_stats_get(const uint64_t *counter)
{
	return __atomic_load_n(counter, __ATOMIC_RELAXED);
}

static inline void
vfio_user_stats_set(uint64_t *counter, uint64_t value)
{
	__atomic_store_n(counter, value, __ATOMIC_RELAXED);
}

static inline void
vfio_user_stats_add(uint64_t *counter, uint64_t n)
{
	vfio_user_stats_set(counter, vfio_user_stats_get(counter) + n);
}

static inline void
vfio_user_stats_inc(uint64_t *counter)
{
	vfio_user_stats_add(counter, 1);
}

/** Count a message that passed, complete, with its file descriptors. */
static inline void
vfio_user_stats_message(struct rte_vfio_user_message_stats *st,
			const struct vfio_user_hdr *hdr, uint32_t nb_fds)
{
	struct rte_vfio_user_command_stats *cmd =
		&st->commands[hdr->command < VFIO_USER_COMMAND_MAX ? hdr->command : 0];

	if ((hdr->flags & VFIO_USER_F_TYPE_MASK) == VFIO_USER_F_TYPE_REPLY)
		vfio_user_stats_inc(&cmd->replies);
	else
		vfio_user_stats_inc(&cmd->requests);
	vfio_user_stats_add(&cmd->bytes, hdr->msg_size);
	if (nb_fds != 0)
		vfio_user_stats_add(&st->fds, nb_fds);
}

/** Count a refused request; error is its errno, not negative. */
static inline void
vfio_user_stats_error(struct rte_vfio_user_message_stats *st, uint16_t command,
		      uint32_t error)
{
	vfio_user_stats_inc(&st->commands[command < VFIO_USER_COMMAND_MAX ? command : 0].errors);
	vfio_user_stats_inc(&st->errors[error < RTE_VFIO_USER_STATS_ERRNOS ? error : 0]);
}

/** Add counters, the totals included, to a sum that nobody else uses. */
void vfio_user_stats_sum(struct rte_vfio_user_message_stats *sum,
			 const struct rte_vfio_user_message_stats *st);

/** What happened on a socket besides messages. */
struct vfio_user_conn_stats {
	struct rte_vfio_user_message_stats in, out;
	uint64_t timeouts;
	uint64_t violations;
};

/** Add those of a socket to a device's. */
void vfio_user_stats_sum_conn(struct rte_vfio_user_stats *sum,
			      const struct vfio_user_conn_stats *st);

/** DMA mappings. */
struct vfio_user_dma_stats {
	uint64_t maps, bytes; /* now */
	uint64_t mapped, unmapped;
};

static inline void
vfio_user_stats_map(struct vfio_user_dma_stats *st, uint64_t bytes)
{
	vfio_user_stats_inc(&st->maps);
	vfio_user_stats_inc(&st->mapped);
	vfio_user_stats_add(&st->bytes, bytes);
}

static inline void
vfio_user_stats_unmap(struct vfio_user_dma_stats *st, uint64_t bytes)
{
	vfio_user_stats_add(&st->maps, UINT64_MAX);
	vfio_user_stats_inc(&st->unmapped);
	vfio_user_stats_add(&st->bytes, 0 - bytes);
}

static inline void
vfio_user_stats_unmap_all(struct vfio_user_dma_stats *st)
{
	vfio_user_stats_add(&st->unmapped, st->maps);
	vfio_user_stats_set(&st->maps, 0);
	vfio_user_stats_set(&st->bytes, 0);
}

/** Copy them to a device's. */
void vfio_user_stats_copy_dma(struct rte_vfio_user_stats *stats,
			      const struct vfio_user_dma_stats *st);

#endif /* VFIO_USER_STATS_H */
