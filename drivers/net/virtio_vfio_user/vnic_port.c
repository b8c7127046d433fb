/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include <linux/virtio_config.h>
#include <linux/virtio_pci.h>

#include "vnic.h"
#include "vnic_announce.h"
#include "vnic_features.h"
#include "vnic_intr.h"
#include "vnic_port.h"
#include "vnic_rx.h"

/* ---------------------------------------------------------- configuration */

/* What the features let us read; the rest is zero. */
static int
read_config(struct vnic_port *port, struct virtio_net_config *config)
{
	uint32_t len = offsetof(struct virtio_net_config, rss_max_key_size);

	memset(config, 0, sizeof(*config));
	return vnic_pci_config_read(&port->pci, 0, config, RTE_MIN(len, port->pci.device.len));
}

static void
take_mac(struct vnic_port *port, const struct virtio_net_config *config)
{
	struct rte_ether_addr mac;

	memcpy(&mac, config->mac, sizeof(mac));
	if (!VNIC_HAS(port->features, VIRTIO_NET_F_MAC))
		memset(&mac, 0, sizeof(mac));
	port->device_mac = mac;
}

static int
take_pairs(struct vnic_port *port, const struct virtio_net_config *config)
{
	uint16_t pairs = 1, nb_queues, needed;
	int ret;

	if (VNIC_HAS(port->features, VIRTIO_NET_F_MQ))
		pairs = rte_le_to_cpu_16(config->max_virtqueue_pairs);
	ret = vnic_pci_nb_queues(&port->pci, &nb_queues);
	if (ret < 0)
		return ret;
	needed = VNIC_HAS(port->features, VIRTIO_NET_F_CTRL_VQ) ? 1 : 0;
	if (pairs < VIRTIO_NET_CTRL_MQ_VQ_PAIRS_MIN || pairs > VIRTIO_NET_CTRL_MQ_VQ_PAIRS_MAX ||
	    2 * pairs + needed > nb_queues) {
		VNIC_LOG(ERR, "%s: the device says it has %u queue pairs, and %u queues",
			 port->name, pairs, nb_queues);
		return -EPROTO;
	}
	port->max_pairs = pairs;
	return 0;
}

static int
take_mtu(struct vnic_port *port, const struct virtio_net_config *config)
{
	port->max_mtu = VNIC_MAX_MTU;
	if (!VNIC_HAS(port->features, VIRTIO_NET_F_MTU))
		return 0;
	port->max_mtu = rte_le_to_cpu_16(config->mtu);
	if (port->max_mtu >= RTE_ETHER_MIN_MTU)
		return 0;
	VNIC_LOG(ERR, "%s: the device says its MTU is %u", port->name, port->max_mtu);
	return -EPROTO;
}

/* The size that all queues may have; ours are powers of 2. */
static int
take_size(struct vnic_port *port)
{
	uint16_t size;
	int ret;

	ret = vnic_pci_queue_max(&port->pci, 0, &size);
	if (ret < 0)
		return ret;
	if (port->conf.queue_size != 0)
		size = RTE_MIN(size, port->conf.queue_size);
	port->max_queue_size = rte_align32prevpow2(RTE_MIN(size, VNIC_MAX_QUEUE_SIZE));
	if (port->max_queue_size >= 8)
		return 0;
	VNIC_LOG(ERR, "%s: the device has room for %u entries in a queue", port->name, size);
	return -EPROTO;
}

int
vnic_port_discover(struct vnic_port *port)
{
	struct virtio_net_config config;
	int ret;

	ret = vnic_pci_begin(&port->pci, &port->offered);
	if (ret < 0)
		return ret;
	if (!VNIC_HAS(port->offered, VIRTIO_F_VERSION_1)) {
		VNIC_LOG(ERR, "%s: the device does not offer VIRTIO_F_VERSION_1", port->name);
		return -ENOTSUP;
	}
	port->features = vnic_features_probe(port);
	ret = vnic_pci_negotiate(&port->pci, port->features);
	if (ret == 0)
		ret = read_config(port, &config);
	if (ret == 0)
		ret = take_pairs(port, &config);
	if (ret == 0)
		ret = take_mtu(port, &config);
	if (ret == 0)
		ret = take_size(port);
	if (ret < 0)
		return ret;
	take_mac(port, &config);
	return vnic_pci_reset(&port->pci);
}

/* ------------------------------------------------------------------ link */

bool
vnic_port_link_set(struct vnic_port *port)
{
	struct rte_eth_link link = port->link_state;

	if (!port->up)
		link.link_status = RTE_ETH_LINK_DOWN;
	if (link.link_status == RTE_ETH_LINK_DOWN) {
		link.link_speed = RTE_ETH_SPEED_NUM_NONE;
		link.link_duplex = RTE_ETH_LINK_HALF_DUPLEX;
	}
	return rte_eth_linkstatus_set(port->eth, &link) == 0;
}

static void
take_link(struct vnic_port *port, const struct virtio_net_config *config)
{
	struct rte_eth_link *link = &port->link_state;
	uint32_t speed = UINT32_MAX;
	bool up = true;

	if (VNIC_HAS(port->features, VIRTIO_NET_F_STATUS))
		up = (rte_le_to_cpu_16(config->status) & VIRTIO_NET_S_LINK_UP) != 0;
	memset(link, 0, sizeof(*link));
	link->link_status = up ? RTE_ETH_LINK_UP : RTE_ETH_LINK_DOWN;
	link->link_autoneg = RTE_ETH_LINK_FIXED;
	link->link_duplex = RTE_ETH_LINK_FULL_DUPLEX;
	if (VNIC_HAS(port->features, VIRTIO_NET_F_SPEED_DUPLEX)) {
		speed = rte_le_to_cpu_32(config->speed);
		if (config->duplex == 0)
			link->link_duplex = RTE_ETH_LINK_HALF_DUPLEX;
	}
	link->link_speed = speed > INT32_MAX ? RTE_ETH_SPEED_NUM_UNKNOWN : speed;
}

int
vnic_port_link_read(struct vnic_port *port)
{
	struct virtio_net_config config;
	int ret;

	ret = read_config(port, &config);
	if (ret < 0)
		return ret;
	take_link(port, &config);
	if ((rte_le_to_cpu_16(config.status) & VIRTIO_NET_S_ANNOUNCE) != 0)
		vnic_announce(port);
	return vnic_port_link_set(port);
}

/* -------------------------------------------------------------------- up */

static uint32_t
all_queues(const struct vnic_port *port, struct vnic_queue **queues)
{
	uint32_t i, nb = 0;

	for (i = 0; i < VNIC_MAX_PAIRS; i++) {
		if (vnic_rxq(port->eth, i) != NULL)
			queues[nb++] = vnic_rxq(port->eth, i);
		if (vnic_txq(port->eth, i) != NULL)
			queues[nb++] = vnic_txq(port->eth, i);
	}
	return nb;
}

/* Negotiate what the port needs; a device that came back must have it all. */
static int
negotiate(struct vnic_port *port)
{
	uint64_t offered, missing;
	int ret;

	ret = vnic_pci_begin(&port->pci, &offered);
	if (ret < 0)
		return ret;
	missing = port->features & ~offered;
	if (missing != 0) {
		VNIC_LOG(ERR, "%s: the device does not offer the features 0x%" PRIx64 " any more",
			 port->name, missing);
		return -ESTALE;
	}
	return vnic_pci_negotiate(&port->pci, port->features);
}

static int
set_pairs(struct vnic_port *port)
{
	const rte_le16_t pairs = rte_cpu_to_le_16(port->nb_pairs);

	if (!VNIC_HAS(port->features, VIRTIO_NET_F_MQ))
		return 0;
	return vnic_ctrl_command(port, VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET,
				 &pairs, sizeof(pairs));
}

static bool
strips_vlans(const struct vnic_port *port, const struct vnic_queue *q)
{
	const uint64_t offloads = port->eth->data->dev_conf.rxmode.offloads;

	return q->is_rx && (offloads & RTE_ETH_RX_OFFLOAD_VLAN_STRIP) != 0;
}

static int
enable_queues(struct vnic_port *port, struct vnic_queue **queues, uint32_t nb)
{
	uint32_t i;
	int ret = 0;

	if (port->config_vector != VIRTIO_MSI_NO_VECTOR) {
		ret = vnic_pci_msix_enable(&port->pci, 1 + port->nb_rx_fds);
		if (ret == 0)
			ret = vnic_pci_config_vector(&port->pci, port->config_vector);
	}
	for (i = 0; i < nb && ret == 0; i++) {
		vnic_queue_reset(queues[i], port->features);
		vnic_queue_vlan_strip(queues[i], strips_vlans(port, queues[i]));
		ret = vnic_queue_enable(queues[i], &port->pci);
	}
	return ret == 0 ? vnic_ctrl_enable(port) : ret;
}

static void
go_live(struct vnic_queue **queues, uint32_t nb, bool fill)
{
	uint32_t i;

	for (i = 0; i < nb; i++) {
		if (fill && queues[i]->stale)
			vnic_queue_reclaim(queues[i]);
		if (fill && queues[i]->is_rx && queues[i]->packed)
			vnic_rx_packed_fill(queues[i]);
		else if (fill && queues[i]->is_rx)
			vnic_rx_split_fill(queues[i]);
		__atomic_store_n(&queues[i]->live, true, __ATOMIC_RELEASE);
	}
}

int
vnic_port_up(struct vnic_port *port, bool fill)
{
	struct vnic_queue *queues[2 * VNIC_MAX_PAIRS];
	const uint32_t nb = all_queues(port, queues);
	struct virtio_net_config config;
	int ret;

	port->losses_seen = __atomic_load_n(&port->losses, __ATOMIC_ACQUIRE);
	vnic_queues_stop(queues, nb);
	vnic_pci_renew(&port->pci);
	ret = vnic_pci_enable(&port->pci);
	if (ret == 0)
		ret = negotiate(port);
	if (ret == 0)
		ret = read_config(port, &config);
	if (ret == 0)
		ret = take_pairs(port, &config);
	if (ret == 0 && port->max_pairs < port->nb_pairs)
		ret = -ESTALE;
	if (ret == 0)
		ret = enable_queues(port, queues, nb);
	if (ret == 0)
		ret = vnic_pci_status_add(&port->pci, VIRTIO_CONFIG_S_DRIVER_OK);
	if (ret < 0)
		return ret;
	take_mac(port, &config);
	ret = vnic_filter_replay(port);
	if (ret == 0 || ret == -EIO) /* refused, as it said: the rest works */
		ret = set_pairs(port);
	if (ret < 0)
		return ret;
	take_link(port, &config);
	port->up = true;
	vnic_port_link_set(port);
	go_live(queues, nb, fill);
	return 0;
}

/* The queue is taken away from bursts meanwhile. One that breaks stays so. */
static void
change_vlan_strip(struct vnic_port *port, struct vnic_queue *q)
{
	vnic_queues_stop(&q, 1);
	vnic_queue_vlan_strip(q, strips_vlans(port, q));
	/* looked at here, where no burst can break it any more */
	if (!q->broken)
		__atomic_store_n(&q->live, true, __ATOMIC_RELEASE);
}

void
vnic_port_vlan_strip(struct vnic_port *port)
{
	uint16_t i;

	for (i = 0; port->up && i < port->eth->data->nb_rx_queues; i++)
		if (vnic_rxq(port->eth, i) != NULL)
			change_vlan_strip(port, vnic_rxq(port->eth, i));
}

/* ------------------------------------------------------------------ down */

void
vnic_port_halt(struct vnic_port *port)
{
	struct vnic_queue *queues[2 * VNIC_MAX_PAIRS];

	vnic_queues_stop(queues, all_queues(port, queues));
	port->up = false;
	port->ctrl.ready = false;
}

void
vnic_port_down(struct vnic_port *port)
{
	struct vnic_queue *queues[2 * VNIC_MAX_PAIRS];
	uint32_t i, nb = all_queues(port, queues);

	vnic_port_halt(port);
	/* a device that is not there has nothing to stop */
	vnic_pci_reset(&port->pci);
	for (i = 0; i < nb; i++) {
		vnic_queue_reclaim(queues[i]);
		queues[i]->nb_bufs = 0;
		/* it would be of a pool that the application may free now */
		__atomic_store_n(&queues[i]->announce, false, __ATOMIC_RELEASE);
	}
	vnic_port_link_set(port);
}
