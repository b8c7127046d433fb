/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#ifndef PMD_PACKET_H
#define PMD_PACKET_H

/**
 * @file
 * TCP and UDP packets whose checksums are right, wrong, or left to somebody else;
 * made and checked by code that shares nothing with DPDK's
 */

#include <stdbool.h>
#include <stdint.h>

/** What a packet consists of. */
struct packet {
	bool v6, udp, vlan;
	uint32_t payload; /**< bytes */
	uint8_t options; /**< bytes of IPv4 options, a multiple of 4 */
	/* set by packet_make() */
	uint32_t l2_len, l3_len, l4_len, len;
	uint32_t csum_offset; /**< in the header of layer 4 */
	uint8_t bytes[66000];
};

/** What the checksum field of layer 4 holds. */
enum packet_csum {
	PACKET_WHOLE, /**< the checksum */
	PACKET_PSEUDO, /**< the sum of the pseudo header, as virtio has it */
	PACKET_PSEUDO_NO_LEN, /**< the same without a length: as ethdev wants it for TSO */
	PACKET_NONE, /**< something else */
};

/** Lay the packet out; its IPv4 header has a checksum, too. */
void packet_make(struct packet *p, enum packet_csum csum);

/** The ones' complement sum of bytes, to be continued; the first has an even place. */
uint32_t packet_sum(const uint8_t *bytes, uint32_t len, uint32_t sum);

/** Whether the checksum of layer 4 of the first len bytes is right. */
bool packet_l4_good(const struct packet *p, const uint8_t *bytes, uint32_t len);

/** Whether that of the IPv4 header is. */
bool packet_ip_good(const struct packet *p, const uint8_t *bytes);

#endif /* PMD_PACKET_H */
