/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

/*
 * Random frames in both directions with each combination of the ring's features:
 * all arrive, bit by bit, in order, and are counted.
 */

#include <inttypes.h>
#include <string.h>

#include "pmd_guest.h"
#include "pmd_port.h"

#define MAX_BURST 70u
#define POST 66000u /* room for the longest packet */

static struct pmd_port port;
static struct guest guest;
static uint8_t expected[FRAME_MAX], received[FRAME_MAX];
static uint32_t nb_frames;

static int
setup(void)
{
	port.id = RTE_MAX_ETHPORTS;
	nb_frames = pmd_long() ? 4000 : 250;
	TEST_ASSERT_EQUAL(pmd_mbufs_used(), 0u, "mbufs leaked before");
	DO(port_up(&port, ",queue_size=256", 1));
	return guest_connect(&guest, port.path);
}

static void
teardown(void)
{
	guest_disconnect(&guest);
	port_remove(&port);
}

/* ------------------------------------------------------------- guest to port */

/* Send frames from number at on until the ring is full. */
static uint64_t
guest_sends(uint64_t at, uint64_t end)
{
	uint32_t nb = 1 + pmd_rand_below(MAX_BURST), len;
	enum guest_form form;
	bool indirect;

	for (; nb != 0 && at < end; nb--, at++) {
		len = frame_len(at, FRAME_MAX);
		frame_fill(at, expected, len);
		form = guest_form(&guest, &indirect);
		if (guest_send(&guest, 0, NULL, expected, len, form, indirect) != 1)
			break;
	}
	return at;
}

/* Receive frames from number *at on. */
static int
port_receives(uint64_t *at)
{
	struct rte_mbuf *pkts[MAX_BURST];
	uint16_t nb = rte_eth_rx_burst(port.id, 0, pkts, 1 + pmd_rand_below(MAX_BURST)), i;
	uint32_t len;

	for (i = 0; i < nb; i++, ++*at) {
		len = frame_len(*at, FRAME_MAX);
		frame_fill(*at, expected, len);
		TEST_ASSERT(frame_check(pkts[i], expected, len) == TEST_SUCCESS,
			    "frame %" PRIu64, *at);
		TEST_ASSERT_EQUAL(pkts[i]->ol_flags, 0, "flags");
		TEST_ASSERT_EQUAL(pkts[i]->port, port.id, "port");
	}
	rte_pktmbuf_free_bulk(pkts, nb);
	return TEST_SUCCESS;
}

static int
to_port(uint64_t seed)
{
	uint64_t sent = seed, got = seed, end = seed + nb_frames, reaped = 0;
	int ret;

	while (reaped < nb_frames) {
		sent = guest_sends(sent, end);
		if (port_receives(&got) != TEST_SUCCESS)
			return TEST_FAILED;
		ret = guest_reap(&guest, 0);
		TEST_ASSERT(ret >= 0, "%d", ret);
		reaped += (uint64_t)ret;
		TEST_ASSERT(reaped <= got - seed, "given back before it was received");
		TEST_ASSERT(got <= sent, "more than was sent");
	}
	TEST_ASSERT_EQUAL(got, end, "received");
	return TEST_SUCCESS;
}

/* ------------------------------------------------------------- port to guest */

static void
guest_posts(void)
{
	const bool merged = guest_has(&guest, VIRTIO_NET_F_MRG_RXBUF);
	uint32_t nb = pmd_rand_below(MAX_BURST), len;
	enum guest_form form;
	bool indirect;

	for (; nb != 0; nb--) {
		form = guest_form(&guest, &indirect);
		len = !merged ? POST : pmd_rand_below(4) == 0 ? 600 + pmd_rand_below(9000) : 4096;
		if (guest_post(&guest, 0, RTE_MIN(len, GUEST_BUF), form, indirect) != 1)
			break;
	}
}

/* Send frames from number at on, until the guest's ring is full. */
static int
port_sends(uint64_t *at, uint64_t end)
{
	struct rte_mbuf *pkts[MAX_BURST];
	uint32_t want = 1 + pmd_rand_below(MAX_BURST), nb, len;
	uint16_t sent;

	for (nb = 0; nb < want && *at + nb < end; nb++) {
		len = frame_len(*at + nb, FRAME_MAX);
		frame_fill(*at + nb, expected, len);
		pkts[nb] = frame_to_mbuf(expected, len, pmd_rand_below(4) == 0 ? 300 : UINT32_MAX);
		TEST_ASSERT_NOT_NULL(pkts[nb], "no mbuf");
	}
	sent = rte_eth_tx_burst(port.id, 0, pkts, (uint16_t)nb);
	*at += sent;
	/* those that were not sent are as before, and the caller's */
	for (; sent < nb; sent++) {
		len = frame_len(*at, FRAME_MAX);
		frame_fill(*at, expected, len);
		if (*at + nb - sent == end)
			TEST_ASSERT(rte_mbuf_refcnt_read(pkts[sent]) == 1, "freed");
		rte_pktmbuf_free(pkts[sent]);
	}
	return TEST_SUCCESS;
}

static int
guest_receives(uint64_t *at)
{
	struct virtio_net_hdr_v1 hdr;
	uint32_t len;
	int ret;

	while ((ret = guest_recv(&guest, 0, &hdr, received)) > 0) {
		len = frame_len(*at, FRAME_MAX);
		frame_fill(*at, expected, len);
		TEST_ASSERT(ret == (int)len && memcmp(received, expected, len) == 0,
			    "frame %" PRIu64 " of %u bytes: %d bytes came", *at, len, ret);
		TEST_ASSERT(hdr.flags == 0 && hdr.gso_type == 0, "offloads");
		++*at;
	}
	TEST_ASSERT_EQUAL(ret, 0, "ring");
	return TEST_SUCCESS;
}

static int
to_guest(uint64_t seed)
{
	uint64_t sent = seed, got = seed, end = seed + nb_frames;

	while (got < end) {
		guest_posts();
		if (port_sends(&sent, end) != TEST_SUCCESS || guest_receives(&got) != TEST_SUCCESS)
			return TEST_FAILED;
		TEST_ASSERT_EQUAL(got, sent, "sent");
	}
	return TEST_SUCCESS;
}

/* -------------------------------------------------------------- combinations */

static int
check_counters(uint64_t seed)
{
	struct rte_eth_stats stats;
	uint64_t bytes = 0, i;

	for (i = 0; i < nb_frames; i++)
		bytes += frame_len(seed + i, FRAME_MAX);
	DO(rte_eth_stats_get(port.id, &stats));
	TEST_ASSERT_EQUAL(stats.ipackets, nb_frames, "%" PRIu64, stats.ipackets);
	TEST_ASSERT_EQUAL(stats.opackets, nb_frames, "%" PRIu64, stats.opackets);
	TEST_ASSERT_EQUAL(stats.ibytes, bytes, "%" PRIu64, stats.ibytes);
	TEST_ASSERT_EQUAL(stats.obytes, bytes, "%" PRIu64, stats.obytes);
	TEST_ASSERT_EQUAL(stats.ierrors + stats.oerrors + stats.rx_nombuf, 0u, "errors");
	TEST_ASSERT_EQUAL(stats.q_ipackets[0], nb_frames, "of the queue");
	TEST_ASSERT_EQUAL(stats.q_obytes[0], bytes, "of the queue");
	return TEST_SUCCESS;
}

static int
combination(uint64_t features, uint16_t size)
{
	const uint64_t seed = (uint64_t)pmd_rand() << 20;

	DO(guest_up(&guest, features, 1, size));
	TEST_ASSERT_EQUAL(guest.drv.features, features | BIT(VIRTIO_F_VERSION_1), "features");
	DO(rte_eth_stats_reset(port.id));
	if (to_port(seed) != TEST_SUCCESS || to_guest(seed) != TEST_SUCCESS)
		return TEST_FAILED;
	return check_counters(seed);
}

static int
test_combinations(void)
{
	static const uint8_t bits[] = {
		VIRTIO_F_RING_PACKED, VIRTIO_F_IN_ORDER, VIRTIO_RING_F_INDIRECT_DESC,
		VIRTIO_NET_F_MRG_RXBUF, VIRTIO_RING_F_EVENT_IDX, VIRTIO_NET_F_CSUM,
	};
	uint64_t features;
	uint32_t set, i;

	pmd_rand_seed(1);
	for (set = 0; set < 1u << RTE_DIM(bits); set++) {
		for (i = 0, features = 0; i < RTE_DIM(bits); i++)
			if (set >> i & 1)
				features |= BIT(bits[i]);
		TEST_ASSERT(combination(features, 0) == TEST_SUCCESS,
			    "features 0x%" PRIx64, features);
	}
	DO(rte_eth_dev_stop(port.id));
	TEST_ASSERT_EQUAL(pmd_mbufs_used(), 0u, "mbufs leaked");
	return TEST_SUCCESS;
}

/* Small rings wrap often; packed ones need not be a power of two. */
static int
test_small_rings(void)
{
	static const uint16_t sizes[] = { 64, 100, 33, 129, 255 };
	uint32_t i, k;

	pmd_rand_seed(2);
	for (i = 0; i < RTE_DIM(sizes); i++)
		for (k = 0; k < 4; k++)
			TEST_ASSERT(combination((sizes[i] == 64 && k < 2 ? 0 :
						 BIT(VIRTIO_F_RING_PACKED)) |
				(k & 1 ? BIT(VIRTIO_F_IN_ORDER) : 0) |
				BIT(VIRTIO_NET_F_MRG_RXBUF), sizes[i]) == TEST_SUCCESS,
				    "%u entries", sizes[i]);
	return TEST_SUCCESS;
}

static struct unit_test_suite suite = {
	.suite_name = "frames through net_vfio_user",
	.setup = pmd_setup,
	.unit_test_cases = {
		TEST_CASE_ST(setup, teardown, test_combinations),
		TEST_CASE_ST(setup, teardown, test_small_rings),
		TEST_CASES_END()
	}
};

static int
test_nic_matrix(void)
{
	return unit_test_suite_runner(&suite);
}

REGISTER_TEST_COMMAND(nic_matrix_autotest, test_nic_matrix);
