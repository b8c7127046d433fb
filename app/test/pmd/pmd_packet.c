/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#include <string.h>

#include "pmd_frame.h"
#include "pmd_packet.h"

#define TCP 6
#define UDP 17

static void
put16(uint8_t *at, uint32_t val)
{
	at[0] = (uint8_t)(val >> 8);
	at[1] = (uint8_t)val;
}

uint32_t
packet_sum(const uint8_t *bytes, uint32_t len, uint32_t sum)
{
	uint32_t i;

	for (i = 0; i < len; i++) {
		sum += i & 1 ? bytes[i] : (uint32_t)bytes[i] << 8;
		sum = (sum & 0xffff) + (sum >> 16);
	}
	return sum;
}

static uint32_t
pseudo_sum(const struct packet *p, const uint8_t *bytes, uint32_t len)
{
	const uint32_t at = p->l2_len + (p->v6 ? 8 : 12);
	uint8_t tail[4];

	put16(tail, p->udp ? UDP : TCP);
	put16(tail + 2, len);
	return packet_sum(bytes + at, p->v6 ? 32 : 8, packet_sum(tail, 4, 0));
}

static uint8_t *
put_l2(struct packet *p)
{
	uint8_t *at = p->bytes;

	memcpy(at, "\2\0\0\0\0\1\2\0\0\0\0\2", 12);
	at += 12;
	if (p->vlan) {
		memcpy(at, "\x81\0\x20\x64", 4);
		at += 4;
	}
	put16(at, p->v6 ? 0x86dd : 0x0800);
	return at + 2;
}

static uint8_t *
put_l3(struct packet *p, uint8_t *at)
{
	const uint32_t l4 = p->l4_len + p->payload;
	uint32_t i;

	if (p->v6) {
		memset(at, 0, 40);
		at[0] = 0x60;
		put16(at + 4, l4);
		at[6] = p->udp ? UDP : TCP;
		at[7] = 64;
		for (i = 8; i < 40; i++)
			at[i] = (uint8_t)(i * 7);
		return at + 40;
	}
	memset(at, 0, 20);
	memset(at + 20, 1, p->options); /* no operation */
	at[0] = (uint8_t)(0x40 | (20 + p->options) / 4);
	put16(at + 2, 20 + p->options + l4);
	put16(at + 4, 0x1234);
	at[8] = 64;
	at[9] = p->udp ? UDP : TCP;
	memcpy(at + 12, "\x0a\1\2\3\x0a\4\5\6", 8);
	put16(at + 10, ~packet_sum(at, 20 + p->options, 0));
	return at + 20 + p->options;
}

static void
put_l4(struct packet *p, uint8_t *at)
{
	memset(at, 0, p->l4_len);
	put16(at, 1111);
	put16(at + 2, 2222);
	if (p->udp) {
		put16(at + 4, 8 + p->payload);
	} else {
		at[7] = 1;
		at[12] = 0x50; /* length of the header */
		at[13] = 0x10; /* an acknowledgement */
		at[14] = 0xff;
	}
}

void
packet_make(struct packet *p, enum packet_csum csum)
{
	uint8_t *at = put_l2(p), *l4;
	uint32_t sum;

	p->l2_len = (uint32_t)(at - p->bytes);
	p->l4_len = p->udp ? 8 : 20;
	p->csum_offset = p->udp ? 6 : 16;
	p->l3_len = p->v6 ? 40 : 20u + p->options;
	p->len = p->l2_len + p->l3_len + p->l4_len + p->payload;
	l4 = put_l3(p, at);
	put_l4(p, l4);
	frame_fill(p->payload, l4 + p->l4_len, p->payload);
	sum = pseudo_sum(p, p->bytes, csum == PACKET_PSEUDO_NO_LEN ? 0 : p->l4_len + p->payload);
	if (csum == PACKET_WHOLE) {
		sum = ~packet_sum(l4, p->l4_len + p->payload, sum) & 0xffff;
		if (sum == 0 && p->udp)
			sum = 0xffff;
	}
	put16(l4 + p->csum_offset, csum == PACKET_NONE ? 0xbad : sum);
}

bool
packet_l4_good(const struct packet *p, const uint8_t *bytes, uint32_t len)
{
	const uint32_t at = p->l2_len + p->l3_len;
	const uint8_t *field = bytes + at + p->csum_offset;

	if (p->udp && field[0] == 0 && field[1] == 0)
		return false; /* none */
	return packet_sum(bytes + at, len - at, pseudo_sum(p, bytes, len - at)) == 0xffff;
}

bool
packet_ip_good(const struct packet *p, const uint8_t *bytes)
{
	return packet_sum(bytes + p->l2_len, p->l3_len, 0) == 0xffff;
}
