/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#ifndef NIC_STATS_H
#define NIC_STATS_H

/**
 * @file
 * Counters of a port, as ethdev's operations want them
 *
 * The data path only adds to its counters. A reset remembers what they were.
 */

#include <ethdev_driver.h>
#include <virtio_net_dpdk.h>

int nic_stats_get(struct rte_eth_dev *eth, struct rte_eth_stats *stats VIRTIO_NET_QUEUE_STATS);
int nic_stats_reset(struct rte_eth_dev *eth);
int nic_xstats_get(struct rte_eth_dev *eth, struct rte_eth_xstat *xstats, unsigned int nb);
int nic_xstats_get_names(struct rte_eth_dev *eth, struct rte_eth_xstat_name *names,
			 unsigned int nb);

#endif /* NIC_STATS_H */
