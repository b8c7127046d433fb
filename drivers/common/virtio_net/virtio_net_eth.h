/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#ifndef VIRTIO_NET_ETH_H
#define VIRTIO_NET_ETH_H

/**
 * @file
 * Ports of either driver: what ethdev and the bus of virtual devices want of both
 *
 * The device, or the connection to it, is the primary process'. A port of a secondary
 * one shows what lies in shared memory, and carries no packets.
 */

#include <errno.h>
#include <string.h>

#include <bus_vdev_driver.h>
#include <ethdev_driver.h>
#include <ethdev_vdev.h>
#include <rte_mbuf.h>

/** Attach a port of the primary process, with operations that change nothing. */
static inline int
virtio_net_attach_secondary(struct rte_vdev_device *vdev, const struct eth_dev_ops *ops)
{
	struct rte_eth_dev *eth = rte_eth_dev_attach_secondary(rte_vdev_device_name(vdev));

	if (eth == NULL)
		return -ENODEV;
	eth->dev_ops = ops;
	eth->device = &vdev->device;
	eth->rx_pkt_burst = rte_eth_pkt_burst_dummy;
	eth->tx_pkt_burst = rte_eth_pkt_burst_dummy;
	rte_eth_dev_probing_finish(eth);
	return 0;
}

/** For the bus: the port of a virtual device goes. */
static inline int
virtio_net_remove(struct rte_vdev_device *vdev)
{
	struct rte_eth_dev *eth = rte_eth_dev_allocated(rte_vdev_device_name(vdev));

	if (eth == NULL)
		return 0;
	if (rte_eal_process_type() != RTE_PROC_PRIMARY)
		return rte_eth_dev_release_port(eth);
	return rte_eth_dev_close(eth->data->port_id);
}

/** For ethdev: the link is kept up to date by somebody else. */
static inline int
virtio_net_link_known(struct rte_eth_dev *eth, int wait_to_complete)
{
	RTE_SET_USED(eth);
	RTE_SET_USED(wait_to_complete);
	return 0;
}

/** What an mbuf begins with that is handed out: its rearm_data. */
static inline uint64_t
virtio_net_rearm_data(uint16_t port_id)
{
	struct rte_mbuf m = {
		.data_off = RTE_PKTMBUF_HEADROOM,
		.nb_segs = 1,
		.port = port_id,
	};
	uint64_t rearm;

	rte_mbuf_refcnt_set(&m, 1);
	memcpy(&rearm, &m.rearm_data, sizeof(rearm));
	return rearm;
}

#endif /* VIRTIO_NET_ETH_H */
