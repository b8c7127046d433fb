/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#include <stddef.h>

#include "vfio_user_codec.h"
#include "vfio_user_stats.h"

const char *
rte_vfio_user_stats_command_name(uint32_t command)
{
	const struct vfio_user_command_info *info = command > UINT16_MAX ? NULL :
		vfio_user_command_info((uint16_t)command);

	return info == NULL ? NULL : info->name;
}

static void
add(uint64_t *sum, const uint64_t *counter)
{
	*sum += vfio_user_stats_get(counter);
}

void
vfio_user_stats_sum(struct rte_vfio_user_message_stats *sum,
		    const struct rte_vfio_user_message_stats *st)
{
	struct rte_vfio_user_command_stats *to, one;
	const struct rte_vfio_user_command_stats *cmd;
	uint32_t i;

	for (i = 0; i < RTE_VFIO_USER_STATS_COMMANDS; i++) {
		cmd = &st->commands[i];
		one.requests = vfio_user_stats_get(&cmd->requests);
		one.replies = vfio_user_stats_get(&cmd->replies);
		one.bytes = vfio_user_stats_get(&cmd->bytes);
		to = &sum->commands[i];
		to->requests += one.requests;
		to->replies += one.replies;
		to->bytes += one.bytes;
		add(&to->errors, &cmd->errors);
		sum->messages += one.requests + one.replies;
		sum->bytes += one.bytes;
	}
	for (i = 0; i < RTE_VFIO_USER_STATS_ERRNOS; i++)
		add(&sum->errors[i], &st->errors[i]);
	add(&sum->fds, &st->fds);
}

void
vfio_user_stats_sum_conn(struct rte_vfio_user_stats *sum,
			 const struct vfio_user_conn_stats *st)
{
	vfio_user_stats_sum(&sum->in, &st->in);
	vfio_user_stats_sum(&sum->out, &st->out);
	add(&sum->timeouts, &st->timeouts);
	add(&sum->violations, &st->violations);
}

void
vfio_user_stats_copy_dma(struct rte_vfio_user_stats *stats,
			 const struct vfio_user_dma_stats *st)
{
	stats->dma_maps = vfio_user_stats_get(&st->maps);
	stats->dma_bytes = vfio_user_stats_get(&st->bytes);
	stats->dma_mapped = vfio_user_stats_get(&st->mapped);
	stats->dma_unmapped = vfio_user_stats_get(&st->unmapped);
}
