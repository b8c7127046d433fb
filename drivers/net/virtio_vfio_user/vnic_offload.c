/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#include <errno.h>
#include <stddef.h>
#include <string.h>

#include <rte_byteorder.h>
#include <rte_ip.h>
#include <rte_net.h>
#include <rte_tcp.h>
#include <rte_udp.h>
#include <virtio_net_compat.h>

#include "vnic_offload.h"
#include "vnic_rx.h"

/* ------------------------------------------------------------------ send */

static void
set_csum(const struct rte_mbuf *m, struct virtio_net_hdr *hdr, size_t offset)
{
	hdr->flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
	hdr->csum_start = rte_cpu_to_le_16(m->l2_len + m->l3_len);
	hdr->csum_offset = rte_cpu_to_le_16(offset);
}

static void
set_gso(const struct rte_mbuf *m, struct virtio_net_hdr *hdr, uint8_t type)
{
	hdr->gso_type = type;
	hdr->gso_size = rte_cpu_to_le_16(m->tso_segsz);
	hdr->hdr_len = rte_cpu_to_le_16(m->l2_len + m->l3_len + m->l4_len);
}

void
vnic_offload_tx(const struct rte_mbuf *m, struct virtio_net_hdr_mrg_rxbuf *mrg)
{
	const uint64_t flags = m->ol_flags;
	struct virtio_net_hdr *hdr = &mrg->hdr;

	memset(mrg, 0, sizeof(*mrg));
	if ((flags & VNIC_OFFLOAD_TX) == 0)
		return;
	if ((flags & RTE_MBUF_F_TX_TCP_SEG) != 0) {
		set_csum(m, hdr, offsetof(struct rte_tcp_hdr, cksum));
		set_gso(m, hdr, (flags & RTE_MBUF_F_TX_IPV6) != 0 ? VIRTIO_NET_HDR_GSO_TCPV6 :
			VIRTIO_NET_HDR_GSO_TCPV4);
	} else if ((flags & RTE_MBUF_F_TX_UDP_SEG) != 0) {
		set_csum(m, hdr, offsetof(struct rte_udp_hdr, dgram_cksum));
		set_gso(m, hdr, VIRTIO_NET_HDR_GSO_UDP_L4);
	} else if ((flags & RTE_MBUF_F_TX_L4_MASK) == RTE_MBUF_F_TX_TCP_CKSUM) {
		set_csum(m, hdr, offsetof(struct rte_tcp_hdr, cksum));
	} else if ((flags & RTE_MBUF_F_TX_L4_MASK) == RTE_MBUF_F_TX_UDP_CKSUM) {
		set_csum(m, hdr, offsetof(struct rte_udp_hdr, dgram_cksum));
	}
}

/*
 * With segmentation DPDK's pseudo header has no length, for the segments will have
 * others. That of virtio has the length of the whole.
 */
static int
add_gso_length(struct rte_mbuf *m)
{
	const bool tcp = (m->ol_flags & RTE_MBUF_F_TX_TCP_SEG) != 0;
	const uint32_t l4 = m->l2_len + m->l3_len;
	const uint32_t at = l4 + (tcp ? offsetof(struct rte_tcp_hdr, cksum) :
				  offsetof(struct rte_udp_hdr, dgram_cksum));
	uint32_t sum, len;
	uint16_t cksum;

	if (m->data_len < at + sizeof(cksum) || m->tso_segsz == 0)
		return -EINVAL;
	len = m->pkt_len - l4;
	memcpy(&cksum, rte_pktmbuf_mtod_offset(m, void *, at), sizeof(cksum));
	sum = cksum + rte_cpu_to_be_16(len & 0xffff) + rte_cpu_to_be_16(len >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	cksum = (uint16_t)((sum & 0xffff) + (sum >> 16));
	memcpy(rte_pktmbuf_mtod_offset(m, void *, at), &cksum, sizeof(cksum));
	return 0;
}

int
vnic_offload_prepare(struct rte_mbuf *m)
{
	int ret;

	if ((m->ol_flags & VNIC_OFFLOAD_TX) == 0)
		return 0;
	ret = rte_net_intel_cksum_prepare(m);
	if (ret == 0 && (m->ol_flags & (RTE_MBUF_F_TX_TCP_SEG | RTE_MBUF_F_TX_UDP_SEG)) != 0)
		ret = add_gso_length(m);
	return ret;
}

/* --------------------------------------------------------------- receive */

/* A checksum of a protocol that no flag of an mbuf tells of: make it good. */
static int
compute_csum(struct rte_mbuf *m, uint16_t start, uint32_t at)
{
	uint16_t cksum;

	if (at + sizeof(cksum) > m->data_len ||
	    rte_raw_cksum_mbuf(m, start, m->pkt_len - start, &cksum) < 0)
		return -EINVAL;
	cksum = ~cksum;
	memcpy(rte_pktmbuf_mtod_offset(m, void *, at), &cksum, sizeof(cksum));
	return 0;
}

static int
take_csum(struct rte_mbuf *m, const struct virtio_net_hdr *hdr)
{
	const uint16_t start = rte_le_to_cpu_16(hdr->csum_start);
	const uint32_t at = (uint32_t)start + rte_le_to_cpu_16(hdr->csum_offset);
	struct rte_net_hdr_lens lens;
	uint32_t l4;

	if ((hdr->flags & (VIRTIO_NET_HDR_F_NEEDS_CSUM | VIRTIO_NET_HDR_F_DATA_VALID)) == 0)
		return 0;
	m->packet_type = rte_net_get_ptype(m, &lens, RTE_PTYPE_ALL_MASK);
	l4 = m->packet_type & RTE_PTYPE_L4_MASK;
	if ((hdr->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) == 0) {
		if (l4 == RTE_PTYPE_L4_TCP || l4 == RTE_PTYPE_L4_UDP)
			m->ol_flags |= RTE_MBUF_F_RX_L4_CKSUM_GOOD;
		return 0;
	}
	if (at + sizeof(uint16_t) > m->pkt_len)
		return -EINVAL;
	if (start == lens.l2_len + lens.l3_len &&
	    (l4 == RTE_PTYPE_L4_TCP || l4 == RTE_PTYPE_L4_UDP)) {
		m->ol_flags |= RTE_MBUF_F_RX_L4_CKSUM_NONE;
		return 0;
	}
	return compute_csum(m, start, at);
}

static int
take_gso(struct rte_mbuf *m, const struct virtio_net_hdr *hdr)
{
	uint16_t size = rte_le_to_cpu_16(hdr->gso_size);

	switch (hdr->gso_type & ~VIRTIO_NET_HDR_GSO_ECN) {
	case VIRTIO_NET_HDR_GSO_NONE:
		return 0;
	case VIRTIO_NET_HDR_GSO_TCPV4:
	case VIRTIO_NET_HDR_GSO_TCPV6:
	case VIRTIO_NET_HDR_GSO_UDP_L4:
		if (size == 0)
			return -EINVAL;
		m->tso_segsz = size;
		m->ol_flags |= RTE_MBUF_F_RX_LRO;
		return 0;
	default:
		return -EINVAL;
	}
}

void
vnic_offload_rx(struct vnic_queue *q, struct rte_mbuf *m)
{
	struct virtio_net_hdr_mrg_rxbuf mrg;

	/* once: the device may write to it at any time */
	memcpy(&mrg, vnic_rx_buf(m), sizeof(mrg));
	if (likely((mrg.hdr.flags | mrg.hdr.gso_type) == 0))
		return;
	if (take_csum(m, &mrg.hdr) == 0 && take_gso(m, &mrg.hdr) == 0)
		return;
	m->ol_flags = 0;
	VNIC_ADD(q->count.causes[VNIC_RX_BAD_HEADER], 1);
}
