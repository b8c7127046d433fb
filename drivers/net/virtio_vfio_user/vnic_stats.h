/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#ifndef VNIC_STATS_H
#define VNIC_STATS_H

/**
 * @file
 * Statistics of a port: operations of ethdev
 */

#include <ethdev_driver.h>
#include <virtio_net_dpdk.h>

int vnic_stats_get(struct rte_eth_dev *eth, struct rte_eth_stats *stats VIRTIO_NET_QUEUE_STATS);
int vnic_stats_reset(struct rte_eth_dev *eth);
int vnic_xstats_get(struct rte_eth_dev *eth, struct rte_eth_xstat *xstats, unsigned int nb);
int vnic_xstats_names(struct rte_eth_dev *eth, struct rte_eth_xstat_name *names,
		      unsigned int nb);

#endif /* VNIC_STATS_H */
