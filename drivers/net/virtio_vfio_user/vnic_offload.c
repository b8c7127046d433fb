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
#include <virtio_net_csum.h>
#include <virtio_net_vlan.h>

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
 * The pseudo header's checksum, in place of the one that is to be computed. That of
 * virtio has the length of the whole also with segmentation, unlike DPDK's own.
 */
static uint16_t
pseudo_csum(const struct rte_mbuf *m)
{
	const void *l3 = rte_pktmbuf_mtod_offset(m, const void *, m->l2_len);

	return (m->ol_flags & RTE_MBUF_F_TX_IPV6) != 0 ? rte_ipv6_phdr_cksum(l3, 0) :
							 rte_ipv4_phdr_cksum(l3, 0);
}

static size_t
csum_offset(const struct rte_mbuf *m)
{
	if ((m->ol_flags & RTE_MBUF_F_TX_TCP_SEG) != 0 ||
	    (m->ol_flags & RTE_MBUF_F_TX_L4_MASK) == RTE_MBUF_F_TX_TCP_CKSUM)
		return offsetof(struct rte_tcp_hdr, cksum);
	return offsetof(struct rte_udp_hdr, dgram_cksum);
}

int
vnic_offload_prepare(struct rte_mbuf *m)
{
	const uint64_t l4 = m->ol_flags & RTE_MBUF_F_TX_L4_MASK;
	const bool gso = (m->ol_flags & (RTE_MBUF_F_TX_TCP_SEG | RTE_MBUF_F_TX_UDP_SEG)) != 0;
	const bool ip6 = (m->ol_flags & RTE_MBUF_F_TX_IPV6) != 0;
	const size_t l3_min = ip6 ? sizeof(struct rte_ipv6_hdr) : sizeof(struct rte_ipv4_hdr);
	size_t at;
	uint16_t sum;

	if ((m->ol_flags & VNIC_OFFLOAD_TX) == 0)
		return 0;
	if (!gso && l4 != RTE_MBUF_F_TX_TCP_CKSUM && l4 != RTE_MBUF_F_TX_UDP_CKSUM)
		return -ENOTSUP;
	at = (size_t)m->l2_len + m->l3_len + csum_offset(m);
	if (m->l3_len < l3_min || m->data_len < at + sizeof(sum) || (gso && m->tso_segsz == 0))
		return -EINVAL;
	sum = pseudo_csum(m);
	memcpy(rte_pktmbuf_mtod_offset(m, void *, at), &sum, sizeof(sum));
	return 0;
}

/* --------------------------------------------------------------- receive */

/* A checksum that no flag of an mbuf tells of, as in a tunnel: make it good. */
static int
compute_csum(struct rte_mbuf *m, uint16_t start, uint16_t offset)
{
	const uint32_t at = (uint32_t)start + offset;
	uint16_t cksum;

	if (at + sizeof(cksum) > m->data_len)
		return -EINVAL;
	cksum = virtio_net_checksum(m, start, offset);
	memcpy(rte_pktmbuf_mtod_offset(m, void *, at), &cksum, sizeof(cksum));
	return 0;
}

/* Whether it is the checksum that an application would look for. */
static bool
is_l4_csum(const struct rte_mbuf *m, const struct rte_net_hdr_lens *lens, uint16_t start,
	   uint16_t offset)
{
	const uint32_t type = m->packet_type & RTE_PTYPE_L4_MASK;

	if (start != lens->l2_len + lens->l3_len)
		return false;
	return (type == RTE_PTYPE_L4_TCP && offset == offsetof(struct rte_tcp_hdr, cksum)) ||
		(type == RTE_PTYPE_L4_UDP && offset == offsetof(struct rte_udp_hdr, dgram_cksum));
}

static int
take_csum(struct rte_mbuf *m, const struct virtio_net_hdr *hdr)
{
	const uint16_t start = rte_le_to_cpu_16(hdr->csum_start);
	const uint16_t offset = rte_le_to_cpu_16(hdr->csum_offset);
	struct rte_net_hdr_lens lens;
	uint32_t l4;

	if ((hdr->flags & (VIRTIO_NET_HDR_F_NEEDS_CSUM | VIRTIO_NET_HDR_F_DATA_VALID)) == 0)
		return 0;
	m->packet_type = rte_net_get_ptype(m, &lens, RTE_PTYPE_ALL_MASK);
	m->l2_len = lens.l2_len;
	m->l3_len = lens.l3_len;
	m->l4_len = lens.l4_len;
	l4 = m->packet_type & RTE_PTYPE_L4_MASK;
	if ((hdr->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) == 0) {
		if (l4 == RTE_PTYPE_L4_TCP || l4 == RTE_PTYPE_L4_UDP)
			m->ol_flags |= RTE_MBUF_F_RX_L4_CKSUM_GOOD;
		return 0;
	}
	if ((uint32_t)start + offset + sizeof(uint16_t) > m->pkt_len)
		return -EINVAL;
	if (!is_l4_csum(m, &lens, start, offset))
		return compute_csum(m, start, offset);
	m->ol_flags |= RTE_MBUF_F_RX_L4_CKSUM_NONE;
	return 0;
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

static void
take_header(struct vnic_queue *q, struct rte_mbuf *m)
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

void
vnic_offload_rx(struct vnic_queue *q, struct rte_mbuf *m)
{
	if (q->csum)
		take_header(q, m);
	/* behind checksums, whose places are those of the tagged packet */
	if (q->vlan_strip)
		virtio_net_vlan_strip(m);
}
