/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>

#include <virtio_net_compat.h>

#include "vnic.h"
#include "vnic_features.h"

#define RX_CKSUM (RTE_ETH_RX_OFFLOAD_UDP_CKSUM | RTE_ETH_RX_OFFLOAD_TCP_CKSUM)
#define TX_CKSUM (RTE_ETH_TX_OFFLOAD_UDP_CKSUM | RTE_ETH_TX_OFFLOAD_TCP_CKSUM)

/* Cost nothing, or are about the transport. */
#define BASIC (VNIC_BIT(VIRTIO_F_VERSION_1) | VNIC_BIT(VIRTIO_F_ACCESS_PLATFORM) | \
	       VNIC_BIT(VIRTIO_F_ORDER_PLATFORM) | VNIC_BIT(VIRTIO_NET_F_MAC) | \
	       VNIC_BIT(VIRTIO_NET_F_STATUS) | VNIC_BIT(VIRTIO_NET_F_MTU) | \
	       VNIC_BIT(VIRTIO_NET_F_SPEED_DUPLEX))
/* What goes over the control queue. */
#define CTRL (VNIC_BIT(VIRTIO_NET_F_CTRL_VQ) | VNIC_BIT(VIRTIO_NET_F_CTRL_RX) | \
	      VNIC_BIT(VIRTIO_NET_F_CTRL_RX_EXTRA) | VNIC_BIT(VIRTIO_NET_F_CTRL_MAC_ADDR) | \
	      VNIC_BIT(VIRTIO_NET_F_MQ) | VNIC_BIT(VIRTIO_NET_F_GUEST_ANNOUNCE))

/* Drop those whose condition the device does not offer (5.1.3.1). */
static uint64_t
consistent(uint64_t features)
{
	if (!VNIC_HAS(features, VIRTIO_NET_F_CTRL_VQ))
		features &= ~(CTRL | VNIC_BIT(VIRTIO_NET_F_CTRL_VLAN));
	if (!VNIC_HAS(features, VIRTIO_NET_F_STATUS))
		features &= ~VNIC_BIT(VIRTIO_NET_F_GUEST_ANNOUNCE);
	if (!VNIC_HAS(features, VIRTIO_NET_F_CTRL_RX))
		features &= ~VNIC_BIT(VIRTIO_NET_F_CTRL_RX_EXTRA);
	if (!VNIC_HAS(features, VIRTIO_NET_F_CSUM))
		features &= ~(VNIC_BIT(VIRTIO_NET_F_HOST_TSO4) | VNIC_BIT(VIRTIO_NET_F_HOST_TSO6) |
			      VNIC_BIT(VIRTIO_NET_F_HOST_USO));
	if (!VNIC_HAS(features, VIRTIO_NET_F_GUEST_CSUM))
		features &= ~(VNIC_BIT(VIRTIO_NET_F_GUEST_TSO4) |
			      VNIC_BIT(VIRTIO_NET_F_GUEST_TSO6) |
			      VNIC_BIT(VIRTIO_NET_F_GUEST_USO4) |
			      VNIC_BIT(VIRTIO_NET_F_GUEST_USO6));
	return features;
}

static uint64_t
of_rings(const struct vnic_conf *conf)
{
	uint64_t features = 0;

	if (conf->packed_vq)
		features |= VNIC_BIT(VIRTIO_F_RING_PACKED);
	if (conf->in_order)
		features |= VNIC_BIT(VIRTIO_F_IN_ORDER);
	if (conf->indirect)
		features |= VNIC_BIT(VIRTIO_RING_F_INDIRECT_DESC);
	if (conf->event_idx)
		features |= VNIC_BIT(VIRTIO_RING_F_EVENT_IDX);
	if (conf->notify_data)
		features |= VNIC_BIT(VIRTIO_F_NOTIFICATION_DATA);
	return features;
}

uint64_t
vnic_features_probe(const struct vnic_port *port)
{
	return consistent(port->offered & (BASIC | CTRL | of_rings(&port->conf)));
}

/*
 * Buffers are merged only if packets may need it: then each header is read, and
 * else none. So with the other offloads.
 */
static uint64_t
of_rx(const struct vnic_port *port)
{
	const uint64_t offloads = port->eth->data->dev_conf.rxmode.offloads;
	uint64_t features = 0;

	if (port->conf.mrg_rxbuf && (offloads & RTE_ETH_RX_OFFLOAD_SCATTER) != 0)
		features |= VNIC_BIT(VIRTIO_NET_F_MRG_RXBUF);
	if ((offloads & (RX_CKSUM | RTE_ETH_RX_OFFLOAD_TCP_LRO)) != 0)
		features |= VNIC_BIT(VIRTIO_NET_F_GUEST_CSUM);
	if ((offloads & RTE_ETH_RX_OFFLOAD_TCP_LRO) != 0)
		features |= VNIC_BIT(VIRTIO_NET_F_GUEST_TSO4) | VNIC_BIT(VIRTIO_NET_F_GUEST_TSO6) |
			    VNIC_BIT(VIRTIO_NET_F_GUEST_USO4) | VNIC_BIT(VIRTIO_NET_F_GUEST_USO6);
	if ((offloads & RTE_ETH_RX_OFFLOAD_VLAN_FILTER) != 0)
		features |= VNIC_BIT(VIRTIO_NET_F_CTRL_VLAN);
	return features;
}

static uint64_t
of_tx(const struct vnic_port *port)
{
	const uint64_t offloads = port->eth->data->dev_conf.txmode.offloads;
	uint64_t features = 0;

	if ((offloads & (TX_CKSUM | RTE_ETH_TX_OFFLOAD_TCP_TSO | RTE_ETH_TX_OFFLOAD_UDP_TSO)) != 0)
		features |= VNIC_BIT(VIRTIO_NET_F_CSUM);
	if ((offloads & RTE_ETH_TX_OFFLOAD_TCP_TSO) != 0)
		features |= VNIC_BIT(VIRTIO_NET_F_HOST_TSO4) | VNIC_BIT(VIRTIO_NET_F_HOST_TSO6);
	if ((offloads & RTE_ETH_TX_OFFLOAD_UDP_TSO) != 0)
		features |= VNIC_BIT(VIRTIO_NET_F_HOST_USO);
	return features;
}

uint64_t
vnic_features_wanted(const struct vnic_port *port)
{
	return consistent(port->offered & (BASIC | CTRL | of_rings(&port->conf) | of_rx(port) |
					   of_tx(port)));
}

uint64_t
vnic_features_rx_offloads(const struct vnic_port *port)
{
	const uint64_t offered = consistent(port->offered);
	/* by software */
	uint64_t offloads = RTE_ETH_RX_OFFLOAD_IPV4_CKSUM | RTE_ETH_RX_OFFLOAD_VLAN_STRIP;

	if (VNIC_HAS(offered, VIRTIO_NET_F_MRG_RXBUF) && port->conf.mrg_rxbuf)
		offloads |= RTE_ETH_RX_OFFLOAD_SCATTER;
	if (VNIC_HAS(offered, VIRTIO_NET_F_GUEST_CSUM))
		offloads |= RX_CKSUM;
	if (VNIC_HAS(offered, VIRTIO_NET_F_GUEST_TSO4) &&
	    VNIC_HAS(offered, VIRTIO_NET_F_GUEST_TSO6))
		offloads |= RTE_ETH_RX_OFFLOAD_TCP_LRO;
	if (VNIC_HAS(offered, VIRTIO_NET_F_CTRL_VLAN))
		offloads |= RTE_ETH_RX_OFFLOAD_VLAN_FILTER;
	return offloads;
}

uint64_t
vnic_features_tx_offloads(const struct vnic_port *port)
{
	const uint64_t offered = consistent(port->offered);
	uint64_t offloads = RTE_ETH_TX_OFFLOAD_MULTI_SEGS | RTE_ETH_TX_OFFLOAD_MBUF_FAST_FREE |
		RTE_ETH_TX_OFFLOAD_VLAN_INSERT;

	if (VNIC_HAS(offered, VIRTIO_NET_F_CSUM))
		offloads |= TX_CKSUM;
	if (VNIC_HAS(offered, VIRTIO_NET_F_HOST_TSO4) &&
	    VNIC_HAS(offered, VIRTIO_NET_F_HOST_TSO6))
		offloads |= RTE_ETH_TX_OFFLOAD_TCP_TSO;
	if (VNIC_HAS(offered, VIRTIO_NET_F_HOST_USO))
		offloads |= RTE_ETH_TX_OFFLOAD_UDP_TSO;
	return offloads;
}
