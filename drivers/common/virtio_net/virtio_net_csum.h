/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#ifndef VIRTIO_NET_CSUM_H
#define VIRTIO_NET_CSUM_H

/**
 * @file
 * Checksums that either end computes in place of the other one
 */

#include <stddef.h>
#include <stdint.h>

#include <rte_byteorder.h>
#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_mbuf.h>
#include <rte_udp.h>

/**
 * The sum of all bytes from an offset on. rte_raw_cksum_mbuf() of DPDK 22.11 loses
 * carries where a segment begins at an odd place.
 */
static inline uint16_t
virtio_net_sum_from(const struct rte_mbuf *m, uint32_t start)
{
	uint32_t sum = 0, done = 0;
	uint16_t part;

	for (; m != NULL; m = m->next) {
		if (start >= m->data_len) {
			start -= m->data_len;
			continue;
		}
		part = rte_raw_cksum(rte_pktmbuf_mtod_offset(m, const void *, start),
				     m->data_len - start);
		sum += done & 1 ? rte_bswap16(part) : part;
		done += m->data_len - start;
		start = 0;
	}
	while (sum > UINT16_MAX)
		sum = (sum & UINT16_MAX) + (sum >> 16);
	return (uint16_t)sum;
}

/** The checksum from an offset to the end, over the pseudo header's that is there. */
static inline uint16_t
virtio_net_checksum(const struct rte_mbuf *m, uint32_t start, uint32_t offset)
{
	const uint16_t sum = (uint16_t)~virtio_net_sum_from(m, start);

	/* of UDP, 0 means that there is none */
	return sum == 0 && offset == offsetof(struct rte_udp_hdr, dgram_cksum) ?
		UINT16_MAX : sum;
}

/**
 * What an mbuf has to say of the checksum of its IPv4 header: a flag, or 0 if there is
 * no such header in the first segment. Virtio has no offload for it: a frame has it.
 */
static inline uint64_t
virtio_net_ip_flag(const struct rte_mbuf *m)
{
	uint32_t at = RTE_ETHER_HDR_LEN, tags = 2, len;
	const struct rte_ipv4_hdr *ip;
	const rte_be16_t *type;

	do {
		if (m->data_len < at + sizeof(*ip))
			return 0;
		type = rte_pktmbuf_mtod_offset(m, const rte_be16_t *, at - sizeof(*type));
		ip = rte_pktmbuf_mtod_offset(m, const struct rte_ipv4_hdr *, at);
		at += RTE_VLAN_HLEN;
	} while ((*type == rte_cpu_to_be_16(RTE_ETHER_TYPE_VLAN) ||
		  *type == rte_cpu_to_be_16(RTE_ETHER_TYPE_QINQ)) && tags-- > 0);
	at -= RTE_VLAN_HLEN;
	if (*type != rte_cpu_to_be_16(RTE_ETHER_TYPE_IPV4))
		return 0;
	len = (ip->version_ihl & RTE_IPV4_HDR_IHL_MASK) * RTE_IPV4_IHL_MULTIPLIER;
	if (len < sizeof(*ip) || m->data_len < at + len)
		return 0;
	return rte_raw_cksum(ip, len) == UINT16_MAX ? RTE_MBUF_F_RX_IP_CKSUM_GOOD :
						      RTE_MBUF_F_RX_IP_CKSUM_BAD;
}

/** The same for a burst of received packets. */
static inline void
virtio_net_ip_check(struct rte_mbuf **pkts, uint16_t nb)
{
	uint16_t i;

	for (i = 0; i < nb; i++)
		pkts[i]->ol_flags |= virtio_net_ip_flag(pkts[i]);
}

#endif /* VIRTIO_NET_CSUM_H */
