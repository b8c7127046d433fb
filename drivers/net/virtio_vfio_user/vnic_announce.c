/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#include <string.h>

#include <linux/virtio_net.h>

#include <rte_arp.h>

#include "vnic.h"
#include "vnic_announce.h"

void
vnic_announce(struct vnic_port *port)
{
	struct vnic_queue *tx = vnic_txq(port->eth, 0), *rx = vnic_rxq(port->eth, 0);

	if (!VNIC_HAS(port->features, VIRTIO_NET_F_GUEST_ANNOUNCE))
		return;
	if (tx != NULL && rx != NULL && !__atomic_load_n(&tx->announce, __ATOMIC_ACQUIRE)) {
		tx->announce_mac = port->filter.mac;
		tx->pool = rx->pool;
		__atomic_store_n(&tx->announce, true, __ATOMIC_RELEASE);
	}
	vnic_ctrl_command(port, VIRTIO_NET_CTRL_ANNOUNCE, VIRTIO_NET_CTRL_ANNOUNCE_ACK, NULL, 0);
}

/* Reverse ARP: all that switches learn from, and no host answers. */
static void
fill(uint8_t *frame, const struct rte_ether_addr *mac)
{
	struct rte_ether_hdr *eth = (struct rte_ether_hdr *)frame;
	struct rte_arp_hdr *arp = (struct rte_arp_hdr *)(eth + 1);

	memset(frame, 0, RTE_ETHER_MIN_LEN - RTE_ETHER_CRC_LEN);
	memset(&eth->dst_addr, 0xff, sizeof(eth->dst_addr));
	eth->src_addr = *mac;
	eth->ether_type = rte_cpu_to_be_16(RTE_ETHER_TYPE_RARP);
	arp->arp_hardware = rte_cpu_to_be_16(RTE_ARP_HRD_ETHER);
	arp->arp_protocol = rte_cpu_to_be_16(RTE_ETHER_TYPE_IPV4);
	arp->arp_hlen = RTE_ETHER_ADDR_LEN;
	arp->arp_plen = sizeof(uint32_t);
	arp->arp_opcode = rte_cpu_to_be_16(RTE_ARP_OP_REVREQUEST);
	arp->arp_data.arp_sha = *mac;
	arp->arp_data.arp_tha = *mac;
}

struct rte_mbuf *
vnic_announce_frame(struct vnic_queue *q)
{
	struct rte_mbuf *m;
	uint8_t *frame;

	if (!__atomic_load_n(&q->announce, __ATOMIC_ACQUIRE))
		return NULL;
	m = rte_pktmbuf_alloc(q->pool);
	if (m == NULL)
		return NULL; /* the next burst tries again */
	frame = (uint8_t *)rte_pktmbuf_append(m, RTE_ETHER_MIN_LEN - RTE_ETHER_CRC_LEN);
	if (frame == NULL) {
		rte_pktmbuf_free(m);
		return NULL;
	}
	fill(frame, &q->announce_mac);
	__atomic_store_n(&q->announce, false, __ATOMIC_RELEASE);
	return m;
}
