/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#include <errno.h>
#include <stddef.h>

#include <rte_byteorder.h>
#include <rte_errno.h>
#include <rte_ip.h>
#include <rte_net.h>
#include <rte_tcp.h>
#include <rte_udp.h>
#include <virtio_net_compat.h>
#include <virtio_net_csum.h>

#include "nic_offload.h"
#include "nic_rxtx.h"

uint64_t
nic_offload_rx_capa(const struct nic_conf *conf)
{
	uint64_t capa = RTE_ETH_RX_OFFLOAD_SCATTER | RTE_ETH_RX_OFFLOAD_VLAN_STRIP |
		NIC_RX_PORT_OFFLOADS;

	if (conf->csum)
		capa |= RTE_ETH_RX_OFFLOAD_TCP_CKSUM | RTE_ETH_RX_OFFLOAD_UDP_CKSUM;
	if (conf->tso)
		capa |= RTE_ETH_RX_OFFLOAD_TCP_LRO;
	return capa;
}

uint64_t
nic_offload_tx_capa(const struct nic_conf *conf)
{
	uint64_t capa = RTE_ETH_TX_OFFLOAD_MULTI_SEGS | RTE_ETH_TX_OFFLOAD_MBUF_FAST_FREE |
		RTE_ETH_TX_OFFLOAD_VLAN_INSERT |
		RTE_ETH_TX_OFFLOAD_IPV4_CKSUM | RTE_ETH_TX_OFFLOAD_TCP_CKSUM |
		RTE_ETH_TX_OFFLOAD_UDP_CKSUM;

	if (conf->tso)
		capa |= RTE_ETH_TX_OFFLOAD_TCP_TSO | RTE_ETH_TX_OFFLOAD_UDP_TSO;
	return capa;
}

/* -------------------------------------------------------------- from guest */

/* Whether it is the checksum of TCP or UDP that an application would look for. */
static bool
is_l4_checksum(const struct rte_mbuf *m, uint32_t start, uint32_t offset)
{
	const uint32_t type = m->packet_type & RTE_PTYPE_L4_MASK;

	if (start != (uint32_t)m->l2_len + m->l3_len)
		return false;
	return (type == RTE_PTYPE_L4_TCP && offset == offsetof(struct rte_tcp_hdr, cksum)) ||
		(type == RTE_PTYPE_L4_UDP && offset == offsetof(struct rte_udp_hdr, dgram_cksum));
}

/*
 * The checksum has to be completed: by the application, or here, also if it is one
 * inside of a tunnel.
 */
static void
from_guest_csum(struct nic_rx_queue *q, struct rte_mbuf *m, uint32_t start, uint32_t offset)
{
	const bool l4 = is_l4_checksum(m, start, offset);
	uint16_t sum;

	if (l4 && !q->no_rx_cksum) {
		m->ol_flags |= RTE_MBUF_F_RX_L4_CKSUM_NONE;
		return;
	}
	sum = virtio_net_checksum(m, start, offset);
	/* it may lie in any segment, and in two */
	for (start += offset, offset = 0; offset < sizeof(sum); offset++) {
		struct rte_mbuf *seg = m;
		uint32_t at = start + offset;

		while (at >= seg->data_len) {
			at -= seg->data_len;
			seg = seg->next;
		}
		*rte_pktmbuf_mtod_offset(seg, uint8_t *, at) = ((uint8_t *)&sum)[offset];
	}
	NIC_ADD(q->counters.causes[NIC_RX_CHECKSUMS], 1);
	if (l4)
		m->ol_flags |= RTE_MBUF_F_RX_L4_CKSUM_GOOD;
}

/* Whether the features have a type of segmentation, and it is that of the packet. */
static bool
gso_fits(uint64_t features, uint8_t gso, uint32_t type)
{
	const uint32_t l4 = type & RTE_PTYPE_L4_MASK;
	/* what is not known, as behind three tags, is not judged */
	const bool unknown = (type & RTE_PTYPE_L3_MASK) == 0;

	if ((gso & VIRTIO_NET_HDR_GSO_ECN) != 0 && !NIC_HAS(features, VIRTIO_NET_F_HOST_ECN))
		return false;
	switch (gso & ~VIRTIO_NET_HDR_GSO_ECN) {
	case VIRTIO_NET_HDR_GSO_TCPV4:
		return NIC_HAS(features, VIRTIO_NET_F_HOST_TSO4) &&
			(unknown || (RTE_ETH_IS_IPV4_HDR(type) && l4 == RTE_PTYPE_L4_TCP));
	case VIRTIO_NET_HDR_GSO_TCPV6:
		return NIC_HAS(features, VIRTIO_NET_F_HOST_TSO6) &&
			(unknown || (RTE_ETH_IS_IPV6_HDR(type) && l4 == RTE_PTYPE_L4_TCP));
	case VIRTIO_NET_HDR_GSO_UDP_L4:
		return NIC_HAS(features, VIRTIO_NET_F_HOST_USO) &&
			(unknown || l4 == RTE_PTYPE_L4_UDP);
	default:
		return false;
	}
}

static int
from_guest_gso(const struct nic_rx_queue *q, struct rte_mbuf *m,
	       const struct virtio_net_hdr_v1 *hdr, uint32_t headers)
{
	const uint16_t size = rte_le_to_cpu_16(hdr->gso_size);

	if (size == 0 || !gso_fits(q->features, hdr->gso_type, m->packet_type) ||
	    (hdr->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) == 0 || headers >= m->pkt_len)
		return -EINVAL;
	m->ol_flags |= RTE_MBUF_F_RX_LRO;
	m->tso_segsz = size;
	return 0;
}

int
nic_offload_from_guest(struct nic_rx_queue *q, struct rte_mbuf *m,
		       const struct virtio_net_hdr_v1 *hdr)
{
	const uint32_t start = rte_le_to_cpu_16(hdr->csum_start);
	const uint32_t offset = rte_le_to_cpu_16(hdr->csum_offset);
	struct rte_net_hdr_lens lens;
	int ret = 0;

	if (hdr->flags == 0 && hdr->gso_type == VIRTIO_NET_HDR_GSO_NONE)
		return 0;
	if ((hdr->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) != 0 &&
	    (!NIC_HAS(q->features, VIRTIO_NET_F_CSUM) ||
	     start + offset + sizeof(uint16_t) > m->pkt_len))
		return -EINVAL;
	/* hdr_len is a hint of the driver, the packet itself is not */
	m->packet_type = rte_net_get_ptype(m, &lens, RTE_PTYPE_L2_MASK | RTE_PTYPE_L3_MASK |
					   RTE_PTYPE_L4_MASK);
	m->l2_len = lens.l2_len;
	m->l3_len = lens.l3_len;
	m->l4_len = lens.l4_len;
	if (hdr->gso_type != VIRTIO_NET_HDR_GSO_NONE)
		ret = from_guest_gso(q, m, hdr, (uint32_t)lens.l2_len + lens.l3_len + lens.l4_len);
	if (ret == 0 && (hdr->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) != 0)
		from_guest_csum(q, m, start, offset);
	return ret;
}

/* ---------------------------------------------------------------- to guest */

static void
patch_add(struct nic_offload *offload, uint32_t offset, uint16_t value)
{
	offload->patches[offload->nb_patches++] = (struct nic_patch){ offset, value };
}

/* What a checksum field holds now; the application has laid out the packet. */
static int
field_get(const struct rte_mbuf *m, uint32_t offset, uint16_t *value)
{
	const uint16_t *field;
	uint16_t copy;

	field = rte_pktmbuf_read(m, offset, sizeof(copy), &copy);
	if (field == NULL)
		return -EINVAL;
	memcpy(value, field, sizeof(*value));
	return 0;
}

static int
ip_checksum(const struct rte_mbuf *m, struct nic_offload *offload)
{
	struct rte_ipv4_hdr copy;
	const struct rte_ipv4_hdr *ip = rte_pktmbuf_read(m, m->l2_len, sizeof(copy), &copy);
	uint8_t whole[60];

	if (ip == NULL || m->l3_len < sizeof(*ip) || m->l3_len > sizeof(whole) ||
	    m->l2_len + m->l3_len > m->pkt_len)
		return -EINVAL;
	memcpy(whole, rte_pktmbuf_read(m, m->l2_len, m->l3_len, whole), m->l3_len);
	memset(whole + offsetof(struct rte_ipv4_hdr, hdr_checksum), 0, sizeof(uint16_t));
	patch_add(offload, m->l2_len + (uint32_t)offsetof(struct rte_ipv4_hdr, hdr_checksum),
		  (uint16_t)~rte_raw_cksum(whole, m->l3_len));
	return 0;
}

/* Where the checksum is in the header of layer 4, or -1. */
static int
checksum_offset(uint64_t flags)
{
	if ((flags & RTE_MBUF_F_TX_TCP_SEG) != 0)
		return offsetof(struct rte_tcp_hdr, cksum);
	if ((flags & RTE_MBUF_F_TX_UDP_SEG) != 0)
		return offsetof(struct rte_udp_hdr, dgram_cksum);
	switch (flags & RTE_MBUF_F_TX_L4_MASK) {
	case RTE_MBUF_F_TX_TCP_CKSUM:
		return offsetof(struct rte_tcp_hdr, cksum);
	case RTE_MBUF_F_TX_UDP_CKSUM:
		return offsetof(struct rte_udp_hdr, dgram_cksum);
	default:
		return -1;
	}
}

/*
 * ethdev's pseudo header has no length if a packet is to be segmented, that of
 * virtio has the length of the whole.
 */
static int
pseudo_header_fix(const struct rte_mbuf *m, uint32_t start, uint32_t at,
		  struct nic_offload *offload)
{
	uint16_t field;
	uint32_t sum;

	if (field_get(m, at, &field) < 0)
		return -EINVAL;
	sum = (uint32_t)field + rte_cpu_to_be_16((uint16_t)(m->pkt_len - start));
	sum = (sum & 0xffff) + (sum >> 16);
	patch_add(offload, at, (uint16_t)sum);
	return 0;
}

static int
to_guest_gso(uint64_t taken, const struct rte_mbuf *m, uint32_t start, uint32_t at,
	     struct nic_offload *offload)
{
	const bool v6 = (m->ol_flags & RTE_MBUF_F_TX_IPV6) != 0;
	uint8_t type = v6 ? VIRTIO_NET_HDR_GSO_TCPV6 : VIRTIO_NET_HDR_GSO_TCPV4;
	int feature = v6 ? VIRTIO_NET_F_GUEST_TSO6 : VIRTIO_NET_F_GUEST_TSO4;

	if ((m->ol_flags & RTE_MBUF_F_TX_UDP_SEG) != 0) {
		type = VIRTIO_NET_HDR_GSO_UDP_L4;
		feature = v6 ? VIRTIO_NET_F_GUEST_USO6 : VIRTIO_NET_F_GUEST_USO4;
	}
	/* a driver can switch checksums off alone, but that is nothing to take segments with */
	if (!NIC_HAS(taken, feature) || !NIC_HAS(taken, VIRTIO_NET_F_GUEST_CSUM) ||
	    m->tso_segsz == 0 || start + m->l4_len >= m->pkt_len)
		return -EINVAL;
	offload->hdr.gso_type = type;
	offload->hdr.gso_size = rte_cpu_to_le_16(m->tso_segsz);
	offload->hdr.hdr_len = rte_cpu_to_le_16((uint16_t)(start + m->l4_len));
	return pseudo_header_fix(m, start, at, offload);
}

/* Checksum of layer 4, and segmentation. */
static int
to_guest_l4(struct nic_tx_queue *q, const struct rte_mbuf *m, int offset,
	    struct nic_offload *offload)
{
	const uint32_t start = (uint32_t)m->l2_len + m->l3_len, at = start + (uint32_t)offset;
	/* once: the driver may change it meanwhile */
	const uint64_t taken = NIC_GET(q->guest_offloads);
	int ret = 0;

	if (at + sizeof(uint16_t) > m->pkt_len)
		return -EINVAL;
	if ((m->ol_flags & (RTE_MBUF_F_TX_TCP_SEG | RTE_MBUF_F_TX_UDP_SEG)) != 0)
		ret = to_guest_gso(taken, m, start, at, offload);
	if (ret < 0)
		return ret;
	if (NIC_HAS(taken, VIRTIO_NET_F_GUEST_CSUM)) {
		offload->hdr.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
		offload->hdr.csum_start = rte_cpu_to_le_16((uint16_t)start);
		offload->hdr.csum_offset = rte_cpu_to_le_16((uint16_t)offset);
		return 0;
	}
	patch_add(offload, at, virtio_net_checksum(m, start, (uint32_t)offset));
	NIC_ADD(q->counters.causes[NIC_TX_CHECKSUMS], 1);
	return 0;
}

int
nic_offload_to_guest(struct nic_tx_queue *q, const struct rte_mbuf *m,
		     struct nic_offload *offload)
{
	const int offset = checksum_offset(m->ol_flags);
	const uint64_t not_here = RTE_MBUF_F_TX_OUTER_IP_CKSUM | RTE_MBUF_F_TX_OUTER_UDP_CKSUM |
		RTE_MBUF_F_TX_TUNNEL_MASK | RTE_MBUF_F_TX_QINQ;

	if ((m->ol_flags & not_here) != 0 ||
	    (offset < 0 && (m->ol_flags & RTE_MBUF_F_TX_L4_MASK) != 0))
		return -EINVAL;
	if ((m->ol_flags & (RTE_MBUF_F_TX_IP_CKSUM | RTE_MBUF_F_TX_TCP_SEG)) != 0 &&
	    (m->ol_flags & RTE_MBUF_F_TX_IPV6) == 0 && ip_checksum(m, offload) < 0)
		return -EINVAL;
	return offset < 0 ? 0 : to_guest_l4(q, m, offset, offload);
}

/*
 * DPDK 22.11 prepares UDP packets that are to be segmented like others, and only if
 * they ask for a checksum, too; later versions as those of TCP, without a length.
 */
static int
prepare_udp_seg(struct rte_mbuf *m)
{
	const bool v6 = (m->ol_flags & RTE_MBUF_F_TX_IPV6) != 0;
	const size_t at = (size_t)m->l2_len + m->l3_len + offsetof(struct rte_udp_hdr, dgram_cksum);
	const size_t min = v6 ? sizeof(struct rte_ipv6_hdr) : sizeof(struct rte_ipv4_hdr);
	const void *ip = rte_pktmbuf_mtod_offset(m, const void *, m->l2_len);
	uint16_t sum;

	if (m->l3_len < min || m->data_len < at + sizeof(sum))
		return -EINVAL;
	sum = v6 ? rte_ipv6_phdr_cksum(ip, RTE_MBUF_F_TX_TCP_SEG) :
		   rte_ipv4_phdr_cksum(ip, RTE_MBUF_F_TX_TCP_SEG);
	memcpy(rte_pktmbuf_mtod_offset(m, void *, at), &sum, sizeof(sum));
	return 0;
}

uint16_t
nic_tx_prepare(void *queue, struct rte_mbuf **pkts, uint16_t nb)
{
	uint16_t i;
	int ret;

	RTE_SET_USED(queue);
	for (i = 0; i < nb; i++) {
		ret = rte_net_intel_cksum_prepare(pkts[i]);
		if (ret == 0 && (pkts[i]->ol_flags & RTE_MBUF_F_TX_UDP_SEG) != 0)
			ret = prepare_udp_seg(pkts[i]);
		if (ret < 0) {
			rte_errno = -ret;
			break;
		}
	}
	return i;
}

uint16_t
nic_rx_ip_burst(void *queue, struct rte_mbuf **pkts, uint16_t nb)
{
	nb = nic_rx_burst(queue, pkts, nb);
	virtio_net_ip_check(pkts, nb);
	return nb;
}
