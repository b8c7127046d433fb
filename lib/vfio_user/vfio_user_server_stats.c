/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#include <errno.h>
#include <string.h>

#include "vfio_user_server.h"

int
rte_vfio_user_server_stats_get(const struct rte_vfio_user_server *srv,
			       struct rte_vfio_user_stats *stats)
{
	if (srv == NULL || stats == NULL)
		return vfio_user_misuse(__func__);
	memset(stats, 0, sizeof(*stats));
	vfio_user_stats_sum_conn(stats, &srv->main.stats);
	vfio_user_stats_sum_conn(stats, &srv->twin.stats);
	stats->violations += vfio_user_stats_get(&srv->stats.violations);
	stats->connections = vfio_user_stats_get(&srv->stats.connections);
	stats->disconnections = vfio_user_stats_get(&srv->stats.disconnections);
	stats->refused = vfio_user_stats_get(&srv->stats.refused);
	stats->peer_timeouts = vfio_user_stats_get(&srv->stats.peer_timeouts);
	stats->parked = vfio_user_stats_get(&srv->stats.parked);
	stats->queued = vfio_user_stats_get(&srv->stats.queued);
	vfio_user_stats_copy_dma(stats, &srv->dma.stats);
	/* before, the vectors may still be described */
	if (__atomic_load_n(&srv->started, __ATOMIC_ACQUIRE))
		vfio_user_irqs_stats(&srv->irqs, stats);
	return 0;
}
