/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#include <errno.h>
#include <string.h>

#include "vfio_user_client.h"

uint32_t
vfio_user_client_count_loss(struct rte_vfio_user_client *client)
{
	uint32_t posted = __atomic_exchange_n(&client->posted, 0, __ATOMIC_RELAXED);

	vfio_user_stats_inc(&client->stats.disconnections);
	vfio_user_stats_add(&client->stats.lost_writes, posted);
	return posted;
}

int
rte_vfio_user_client_stats_get(const struct rte_vfio_user_client *client,
			       struct rte_vfio_user_stats *stats)
{
	if (client == NULL || stats == NULL)
		return vfio_user_misuse(__func__);
	memset(stats, 0, sizeof(*stats));
	vfio_user_stats_sum_conn(stats, &client->main.stats);
	vfio_user_stats_sum_conn(stats, &client->twin.stats);
	stats->violations += vfio_user_stats_get(&client->stats.violations);
	stats->connections = vfio_user_stats_get(&client->stats.connections);
	stats->disconnections = vfio_user_stats_get(&client->stats.disconnections);
	if (stats->connections != 0)
		stats->reconnects = stats->connections - 1;
	stats->parked = vfio_user_stats_get(&client->stats.parked);
	stats->queued = vfio_user_stats_get(&client->stats.queued);
	stats->lost_writes = vfio_user_stats_get(&client->stats.lost_writes);
	vfio_user_stats_copy_dma(stats, &client->maps.stats);
	return 0;
}

/* ------------------------------------------------------------------- telemetry */

static void
show_stats(const void *dev, struct rte_vfio_user_stats *stats)
{
	rte_vfio_user_client_stats_get(dev, stats);
}

void
vfio_user_client_show_connected(struct rte_vfio_user_client *client)
{
	vfio_user_telemetry_connected(&client->telemetry, "connected", &client->neg);
	vfio_user_telemetry_peer(&client->telemetry, client->main.fd);
}

void
vfio_user_client_show(struct rte_vfio_user_client *client, const char *path)
{
	static const struct vfio_user_telemetry_ops ops = {
		.role = "client", .stats = show_stats,
	};

	vfio_user_client_show_connected(client);
	vfio_user_telemetry_add(&client->telemetry, path, &ops, client);
}
