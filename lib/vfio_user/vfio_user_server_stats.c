/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#include <errno.h>
#include <string.h>

#include <rte_common.h>

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

/* ------------------------------------------------------------------- telemetry */

static void
show_stats(const void *dev, struct rte_vfio_user_stats *stats)
{
	rte_vfio_user_server_stats_get(dev, stats);
}

/* As VFIO_REGION_INFO_FLAG_*; what a client may map depends on it, too. */
static uint32_t
region_flags(const struct rte_vfio_user_region_conf *conf)
{
	uint32_t flags = 0;

	if ((conf->flags & RTE_VFIO_USER_REGION_F_READ) != 0)
		flags |= VFIO_REGION_INFO_FLAG_READ;
	if ((conf->flags & RTE_VFIO_USER_REGION_F_WRITE) != 0)
		flags |= VFIO_REGION_INFO_FLAG_WRITE;
	if (conf->fd >= 0 || conf->nb_areas != 0)
		flags |= VFIO_REGION_INFO_FLAG_MMAP;
	return flags;
}

static void
show_shape(const void *dev, struct vfio_user_telemetry_shape *shape)
{
	const struct rte_vfio_user_server *srv = dev;
	const struct vfio_user_region *region;
	uint32_t i;

	shape->nb_regions = srv->regions.nb;
	shape->nb_irqs = srv->irqs.nb;
	for (i = 0; i < RTE_MIN(shape->nb_regions, (uint32_t)VFIO_USER_TELEMETRY_SHAPE); i++) {
		region = &srv->regions.region[i];
		shape->region_sizes[i] = region->conf.size;
		shape->region_flags[i] = region_flags(&region->conf);
	}
	for (i = 0; i < RTE_MIN(shape->nb_irqs, (uint32_t)VFIO_USER_TELEMETRY_SHAPE); i++) {
		shape->irq_counts[i] = srv->irqs.index[i].count;
		shape->irqs_assigned[i] = (uint32_t)vfio_user_irqs_count(&srv->irqs, i);
	}
}

void
vfio_user_server_show(struct rte_vfio_user_server *srv)
{
	static const struct vfio_user_telemetry_ops ops = {
		.role = "server", .stats = show_stats, .shape = show_shape,
	};

	if (srv->state == VFIO_USER_NO_CLIENT) /* else it was given a connected socket */
		vfio_user_telemetry_state(&srv->telemetry, "no client");
	vfio_user_telemetry_add(&srv->telemetry, srv->sock_path, &ops, srv);
}
