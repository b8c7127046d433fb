/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#ifndef NIC_OFFLOAD_H
#define NIC_OFFLOAD_H

/**
 * @file
 * Checksums and segmentation: between the header of virtio-net and mbufs
 */

#include "nic.h"

/** Flags of an mbuf that need nic_offload_to_guest(). */
#define NIC_TX_OFFLOADS (RTE_MBUF_F_TX_L4_MASK | RTE_MBUF_F_TX_IP_CKSUM | \
	RTE_MBUF_F_TX_TCP_SEG | RTE_MBUF_F_TX_UDP_SEG | RTE_MBUF_F_TX_VLAN | \
	RTE_MBUF_F_TX_OUTER_IP_CKSUM | RTE_MBUF_F_TX_OUTER_UDP_CKSUM | \
	RTE_MBUF_F_TX_TUNNEL_MASK | RTE_MBUF_F_TX_QINQ)

/** Two bytes of a packet that differ from those of its mbuf. */
struct nic_patch {
	uint32_t offset; /**< in the packet */
	uint16_t value; /**< in the byte order of the wire */
};

/** What the guest gets besides the data of an mbuf. */
struct nic_offload {
	struct virtio_net_hdr_v1 hdr;
	struct nic_patch patches[2];
	uint32_t nb_patches;
};

/** Rx offloads that all queues have, or none: they choose the burst function. */
#define NIC_RX_PORT_OFFLOADS RTE_ETH_RX_OFFLOAD_IPV4_CKSUM

/** Offloads of the port, in dev_info. */
uint64_t nic_offload_rx_capa(const struct nic_conf *conf);
uint64_t nic_offload_tx_capa(const struct nic_conf *conf);

/**
 * What the header that the guest gave says about a packet: 0, or -EINVAL if it
 * does not fit the packet or the features. The header is not in shared memory.
 */
int nic_offload_from_guest(struct nic_rx_queue *q, struct rte_mbuf *m,
			   const struct virtio_net_hdr_v1 *hdr);

/**
 * What the guest is told about a packet. The mbuf is not changed. 0, or -EINVAL if
 * the guest does not take it so, or lengths do not fit the packet.
 */
int nic_offload_to_guest(struct nic_tx_queue *q, const struct rte_mbuf *m,
			 struct nic_offload *offload);

/** rx_pkt_burst with RTE_ETH_RX_OFFLOAD_IPV4_CKSUM, which is done by software. */
uint16_t nic_rx_ip_burst(void *queue, struct rte_mbuf **pkts, uint16_t nb);

/** The tx_pkt_prepare operation. */
uint16_t nic_tx_prepare(void *queue, struct rte_mbuf **pkts, uint16_t nb);

#endif /* NIC_OFFLOAD_H */
