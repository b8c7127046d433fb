/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

/*
 * Rings that are full, and buffers that are not enough: what is not sent stays the
 * caller's, and what was taken for it is offered again.
 */

#include <inttypes.h>
#include <string.h>

#include "pmd_guest.h"
#include "pmd_port.h"

#define BUF 512u /* of the guest; headers included */
#define MAX 64u /* packets of a burst */

static struct pmd_port port;
static struct guest guest;
static uint8_t frame[FRAME_MAX], received[FRAME_MAX];

static int
setup(void)
{
	port.id = RTE_MAX_ETHPORTS;
	TEST_ASSERT_EQUAL(pmd_mbufs_used(), 0u, "mbufs leaked before");
	DO(port_up(&port, "", 1));
	return guest_connect(&guest, port.path);
}

static void
teardown(void)
{
	guest_disconnect(&guest);
	port_remove(&port);
}

/* Length of packet number n: of 1 to 6 buffers if they are merged. */
static uint32_t
len_of(uint64_t n, bool merged)
{
	return 60 + (uint32_t)(n * 7919 % (merged ? 6 * BUF - 100 : BUF - GUEST_HDR - 60));
}

/* Packets from number n on. */
static int
make(struct rte_mbuf **pkts, uint32_t nb, uint64_t n, bool merged)
{
	uint32_t i, len;

	for (i = 0; i < nb; i++, n++) {
		len = len_of(n, merged);
		frame_fill(n, frame, len);
		pkts[i] = frame_to_mbuf(frame, len, n % 3 ? UINT32_MAX : 200);
		TEST_ASSERT_NOT_NULL(pkts[i], "no mbuf");
	}
	return TEST_SUCCESS;
}

/* Those that were refused are as they were, and belong to nobody else. */
static int
check_refused(struct rte_mbuf **pkts, uint32_t nb, uint64_t n, bool merged)
{
	const struct rte_mbuf *m;
	uint32_t i, len;

	for (i = 0; i < nb; i++, n++) {
		len = len_of(n, merged);
		frame_fill(n, frame, len);
		TEST_ASSERT(frame_check(pkts[i], frame, len) == TEST_SUCCESS, "refused %u", i);
		for (m = pkts[i]; m != NULL; m = m->next)
			TEST_ASSERT_EQUAL(rte_mbuf_refcnt_read(m), 1, "refused %u", i);
	}
	return TEST_SUCCESS;
}

static int
take(uint64_t *n, bool merged)
{
	struct virtio_net_hdr_v1 hdr;
	uint32_t len;
	int ret;

	while ((ret = guest_recv(&guest, 0, &hdr, received)) > 0) {
		len = len_of(*n, merged);
		frame_fill(*n, frame, len);
		TEST_ASSERT(ret == (int)len && memcmp(received, frame, len) == 0,
			    "packet %" PRIu64 " of %u bytes: %d", *n, len, ret);
		++*n;
	}
	TEST_ASSERT_EQUAL(ret, 0, "ring");
	return TEST_SUCCESS;
}

/* A few buffers at a time, never enough: the same packet is tried again and again. */
static int
dribble(uint64_t features, uint16_t size)
{
	const bool merged = (features & BIT(VIRTIO_NET_F_MRG_RXBUF)) != 0;
	struct rte_mbuf *pkts[MAX];
	uint64_t sent = 0, got = 0;
	uint32_t i, k, rounds = pmd_long() ? 5000 : 100;
	bool indirect;
	uint16_t nb;

	DO(guest_up(&guest, features, 1, size));
	DO(make(pkts, MAX, 0, merged));
	for (i = 0; i < rounds; i++) {
		for (k = pmd_rand_below(4); k != 0; k--) {
			indirect = guest_has(&guest, VIRTIO_RING_F_INDIRECT_DESC) && k & 1;
			guest_post(&guest, 0, BUF, k & 2 ? GUEST_ONE : GUEST_APART, indirect);
		}
		nb = rte_eth_tx_burst(port.id, 0, pkts, MAX);
		sent += nb;
		memmove(pkts, pkts + nb, (MAX - nb) * sizeof(pkts[0]));
		DO(check_refused(pkts, MAX - nb, sent, merged));
		DO(make(pkts + MAX - nb, nb, sent + MAX - nb, merged));
		DO(take(&got, merged));
		TEST_ASSERT_EQUAL(got, sent, "lost, or doubled");
	}
	rte_pktmbuf_free_bulk(pkts, MAX);
	TEST_ASSERT(sent > rounds / 16, "%" PRIu64 " packets", sent);
	TEST_ASSERT_EQUAL(port_xstat(&port, "tx_q0_too_long_drops"), 0u, "dropped");
	TEST_ASSERT_EQUAL(port_xstat(&port, "tx_q0_broken_rings"), 0u, "broken");
	return TEST_SUCCESS;
}

static int
test_dribble(void)
{
	static const uint16_t sizes[] = { 64, 128, 67, 13 };
	static const uint8_t bits[] = { VIRTIO_NET_F_MRG_RXBUF, VIRTIO_F_IN_ORDER,
		VIRTIO_RING_F_INDIRECT_DESC, VIRTIO_RING_F_EVENT_IDX };
	uint64_t features;
	uint32_t i, k, set;

	pmd_rand_seed(21);
	for (i = 0; i < RTE_DIM(sizes); i++) {
		for (set = 0; set < 32; set++) {
			features = set & 16 ? BIT(VIRTIO_F_RING_PACKED) : 0;
			if (features == 0 && !rte_is_power_of_2(sizes[i]))
				continue;
			for (k = 0; k < RTE_DIM(bits); k++)
				features |= set >> k & 1 ? BIT(bits[k]) : 0;
			TEST_ASSERT(dribble(features, sizes[i]) == TEST_SUCCESS,
				    "features 0x%" PRIx64 ", %u entries", features, sizes[i]);
		}
	}
	TEST_ASSERT_EQUAL(pmd_mbufs_used(), 0u, "mbufs leaked");
	return TEST_SUCCESS;
}

/* No guest, no driver, no buffers: nothing is sent, nothing is lost. */
static int
test_nobody(void)
{
	struct rte_mbuf *pkts[MAX], *m;

	DO(make(pkts, MAX, 0, false));
	TEST_ASSERT_EQUAL(rte_eth_tx_burst(port.id, 0, pkts, MAX), 0, "no driver");
	TEST_ASSERT_EQUAL(rte_eth_rx_burst(port.id, 0, &m, 1), 0, "no driver");
	DO(guest_up(&guest, 0, 1, 64));
	TEST_ASSERT_EQUAL(rte_eth_tx_burst(port.id, 0, pkts, MAX), 0, "no buffers");
	TEST_ASSERT_EQUAL(port_xstat(&port, "tx_q0_no_room"), MAX, "counted");
	DO(virtio_driver_reset(&guest.drv));
	TEST_ASSERT_EQUAL(rte_eth_tx_burst(port.id, 0, pkts, MAX), 0, "reset");
	guest_disconnect(&guest);
	WAIT_FOR(!port_link(&port));
	TEST_ASSERT_EQUAL(rte_eth_tx_burst(port.id, 0, pkts, MAX), 0, "no guest");
	DO(check_refused(pkts, MAX, 0, false));
	rte_pktmbuf_free_bulk(pkts, MAX);
	return TEST_SUCCESS;
}

/* False: the guest's ring is full. */
static bool
guest_sends(uint64_t n)
{
	const uint32_t len = len_of(n, true);

	frame_fill(n, frame, len);
	return guest_send(&guest, 0, NULL, frame, len, n % 9 ? GUEST_ONE : GUEST_RANDOM,
			  false) == 1;
}

/* The guest gives a full ring of packets at a time; bursts of all sizes take them. */
static int
test_full_rx(void)
{
	struct rte_mbuf *pkts[300];
	uint64_t sent = 0, got = 0;
	uint32_t i, k, len;
	uint16_t nb, want;

	for (k = 0; k < 4; k++) {
		DO(guest_up(&guest, (k & 1 ? BIT(VIRTIO_F_RING_PACKED) : 0) |
			    (k & 2 ? BIT(VIRTIO_F_IN_ORDER) : 0), 1, 64));
		for (want = 1; want <= RTE_DIM(pkts); want += want < 70 ? 1 : 60) {
			while (guest_sends(sent))
				sent++;
			nb = rte_eth_rx_burst(port.id, 0, pkts, want);
			TEST_ASSERT_EQUAL(nb, RTE_MIN((uint64_t)want, sent - got), "burst of %u",
					  want);
			for (i = 0; i < nb; i++, got++) {
				len = len_of(got, true);
				frame_fill(got, frame, len);
				DO(frame_check(pkts[i], frame, len));
			}
			rte_pktmbuf_free_bulk(pkts, nb);
			TEST_ASSERT_EQUAL(guest_reap(&guest, 0), nb, "given back");
		}
		got = sent; /* the rest goes with the reset */
	}
	return TEST_SUCCESS;
}

static struct unit_test_suite suite = {
	.suite_name = "full rings of net_vfio_user",
	.setup = pmd_setup,
	.unit_test_cases = {
		TEST_CASE_ST(setup, teardown, test_dribble),
		TEST_CASE_ST(setup, teardown, test_nobody),
		TEST_CASE_ST(setup, teardown, test_full_rx),
		TEST_CASES_END()
	}
};

static int
test_nic_full(void)
{
	return unit_test_suite_runner(&suite);
}

REGISTER_TEST_COMMAND(nic_full_autotest, test_nic_full);
