/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#include <inttypes.h>
#include <string.h>

#include "pmd_frame.h"
#include "pmd_test.h"

static uint64_t rand_state = 1;

/* splitmix64 */
uint64_t
frame_hash(uint64_t x)
{
	x += UINT64_C(0x9e3779b97f4a7c15);
	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
	return x ^ x >> 31;
}

void
pmd_rand_seed(uint64_t seed)
{
	rand_state = seed;
}

uint32_t
pmd_rand(void)
{
	return (uint32_t)(frame_hash(rand_state++) >> 32);
}

uint32_t
pmd_rand_below(uint32_t below)
{
	return (uint32_t)((uint64_t)pmd_rand() * below >> 32);
}

uint32_t
frame_len(uint64_t number, uint32_t max)
{
	/* most are small, some have the length of a limit */
	static const uint32_t tops[] = { 64, 128, 1514, 1514, 1518, 9000, 9018, FRAME_MAX };
	static const uint32_t exact[] = { FRAME_MIN, 60, 61, 1514, 2048, 2049, 4096, FRAME_MAX };
	const uint64_t x = frame_hash(number * 2 + 1);
	uint32_t len = tops[x % 8];

	if (x >> 3 & 7)
		len = FRAME_MIN + (uint32_t)(x >> 32) % (len - FRAME_MIN + 1);
	else
		len = exact[x >> 6 & 7];
	return len > max ? FRAME_MIN + len % (max - FRAME_MIN + 1) : len;
}

void
frame_fill(uint64_t number, uint8_t *frame, uint32_t len)
{
	uint64_t word = frame_hash(number);
	uint32_t i;

	for (i = 0; i + sizeof(word) <= len; i += sizeof(word), word += number | 1)
		memcpy(frame + i, &word, sizeof(word));
	memcpy(frame + i, &word, len - i);
	frame[0] &= 0xfe; /* to one station */
	memcpy(frame + 12, "\x88\xb5", 2); /* an experimental EtherType */
}

struct rte_mbuf *
frame_to_mbuf(const uint8_t *frame, uint32_t len, uint32_t seg_max)
{
	struct rte_mbuf *first = NULL, *m;
	uint32_t part, done;

	for (done = 0; done < len; done += part) {
		m = rte_pktmbuf_alloc(pmd_pool);
		if (m == NULL)
			goto fail;
		part = RTE_MIN(seg_max, (uint32_t)rte_pktmbuf_tailroom(m));
		if (len > part || seg_max < len)
			part = 1 + pmd_rand_below(part);
		part = RTE_MIN(part, len - done);
		memcpy(rte_pktmbuf_append(m, (uint16_t)part), frame + done, part);
		if (first == NULL)
			first = m;
		else if (rte_pktmbuf_chain(first, m) < 0)
			goto free_one;
	}
	return first;

free_one:
	rte_pktmbuf_free(m);
fail:
	rte_pktmbuf_free(first);
	return NULL;
}

int
frame_check(const struct rte_mbuf *m, const uint8_t *frame, uint32_t len)
{
	const char *reason;
	uint32_t done;

	TEST_ASSERT_SUCCESS(rte_mbuf_check(m, 1, &reason), "%s", reason);
	TEST_ASSERT(m->pkt_len == len, "%u bytes, not %u", m->pkt_len, len);
	for (done = 0; m != NULL; done += m->data_len, m = m->next)
		TEST_ASSERT(memcmp(rte_pktmbuf_mtod(m, const void *), frame + done,
				   m->data_len) == 0,
			    "%u bytes at %u of %u differ", m->data_len, done, len);
	return TEST_SUCCESS;
}
