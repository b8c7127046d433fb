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

#endif /* VIRTIO_NET_CSUM_H */
