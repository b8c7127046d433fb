/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

/*
 * A guest that breaks the rules: its queue stops alone, counted once, and nothing
 * outside of what it has mapped is read or written.
 */

#include <inttypes.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/virtio_pci.h>

#include <rte_byteorder.h>

#include "pmd_guest.h"
#include "pmd_port.h"

#define PAGE 4096u
/** A page that is mapped for the device, between two that are not. */
#define ISLAND UINT64_C(0x700000000)
#define CANARY 0xca
#define SIZE 64

static struct pmd_port port;
static struct guest guest;
static uint8_t *island; /* three pages */
static int island_fd = -1;
static uint8_t frame[FRAME_MAX];
static bool packed; /* of the queues in a test */

static int
island_map(void)
{
	const struct rte_vfio_user_dma_map map = { .iova = ISLAND, .size = PAGE,
		.prot = PROT_READ | PROT_WRITE, .fd = island_fd, .fd_offset = PAGE };

	return rte_vfio_user_client_dma_map(guest.client, &map, 1);
}

static int
setup(void)
{
	port.id = RTE_MAX_ETHPORTS;
	TEST_ASSERT_EQUAL(pmd_mbufs_used(), 0u, "mbufs leaked before");
	DO(port_up(&port, ",queues=2", 2));
	DO(guest_connect(&guest, port.path));
	island_fd = memfd_create("island", MFD_CLOEXEC);
	TEST_ASSERT_SUCCESS(ftruncate(island_fd, 3 * PAGE), "file");
	island = mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, island_fd, 0);
	TEST_ASSERT(island != MAP_FAILED, "mmap");
	memset(island, CANARY, 3 * PAGE);
	return island_map();
}

static void
teardown(void)
{
	guest_disconnect(&guest);
	port_remove(&port);
	munmap(island, 3 * PAGE);
	close(island_fd);
}

/* Nothing was written where the device has no memory. */
static bool
untouched(void)
{
	uint32_t i;

	for (i = 0; i < PAGE; i++)
		if (island[i] != CANARY || island[2 * PAGE + i] != CANARY)
			return false;
	return true;
}

static int
up(uint64_t features)
{
	return guest_up(&guest, features | (packed ? BIT(VIRTIO_F_RING_PACKED) : 0) |
			BIT(VIRTIO_NET_F_STATUS) | BIT(VIRTIO_NET_F_CTRL_VQ) |
			BIT(VIRTIO_NET_F_MQ), 2, SIZE);
}

/* ------------------------------------------------------------- what still works */

/* Packets through both directions of a pair, or one of them. */
static int
works(uint16_t pair, bool rx, bool tx)
{
	struct virtio_net_hdr_v1 hdr;
	struct rte_mbuf *m;

	frame_fill(pair, frame, 60);
	if (rx) {
		TEST_ASSERT_EQUAL(guest_send(&guest, pair, NULL, frame, 60, GUEST_ONE, false), 1,
				  "send");
		TEST_ASSERT_EQUAL(rte_eth_rx_burst(port.id, pair, &m, 1), 1, "rx of pair %u", pair);
		TEST_ASSERT(frame_check(m, frame, 60) == TEST_SUCCESS, "bytes");
		rte_pktmbuf_free(m);
	}
	if (tx) {
		m = frame_to_mbuf(frame, 60, UINT32_MAX);
		guest_post(&guest, pair, 2048, GUEST_ONE, false);
		TEST_ASSERT_EQUAL(rte_eth_tx_burst(port.id, pair, &m, 1), 1, "tx of pair %u", pair);
		TEST_ASSERT_EQUAL(guest_recv(&guest, pair, &hdr, frame), 60, "received");
	}
	return TEST_SUCCESS;
}

/* Let the port look at queue 0 of a direction. Nothing comes, or goes. */
static int
look(bool rx)
{
	struct rte_mbuf *pkts[32];
	uint16_t nb;

	if (rx) {
		nb = rte_eth_rx_burst(port.id, 0, pkts, RTE_DIM(pkts));
		TEST_ASSERT_EQUAL(nb, 0, "%u packets", nb);
		return TEST_SUCCESS;
	}
	pkts[0] = frame_to_mbuf(frame, 60, UINT32_MAX);
	TEST_ASSERT_NOT_NULL(pkts[0], "no mbuf");
	nb = rte_eth_tx_burst(port.id, 0, pkts, 1);
	if (nb == 0)
		rte_pktmbuf_free(pkts[0]);
	TEST_ASSERT_EQUAL(nb, 0, "sent");
	return TEST_SUCCESS;
}

/* The queue of a direction is broken, once; the other ones are not. */
static int
is_broken(bool rx)
{
	const char *name = rx ? "rx_q0_broken_rings" : "tx_q0_broken_rings";
	const uint64_t before = port_xstat(&port, name);
	const uint16_t le = rte_cpu_to_le_16(2);

	virtio_driver_irq_wait(guest.drv.config_fd, 0);
	DO(look(rx));
	TEST_ASSERT_EQUAL(port_xstat(&port, name), before + 1, "not broken");
	DO(look(rx));
	TEST_ASSERT_EQUAL(port_xstat(&port, name), before + 1, "counted again");
	TEST_ASSERT(virtio_driver_irq_wait(guest.drv.config_fd, 1000) != 0, "no interrupt");
	TEST_ASSERT((virtio_driver_status(&guest.drv) & VIRTIO_CONFIG_S_NEEDS_RESET) != 0,
		    "NEEDS_RESET");
	TEST_ASSERT(untouched(), "other memory was written");
	DO(guest_ctrl(&guest, VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET, &le, 2, NULL));
	DO(works(0, !rx, rx));
	return works(1, true, true);
}

/* ------------------------------------------------------------------ bad buffers */

/* A buffer with these pieces in queue 0 of a direction. */
static int
add(bool rx, const struct virtio_driver_buf *bufs, uint32_t nb_read, uint32_t nb_write)
{
	return virtio_driver_add((rx ? guest_tx(&guest, 0) : guest_rx(&guest, 0))->vq, bufs,
				 nb_read, nb_write, false) >= 0 ? 0 : -1;
}

/* Pieces that break the ring in either direction. */
static const struct {
	struct virtio_driver_buf piece;
	const char *what;
} bad_pieces[] = {
	{ { 0x1000, 100 }, "not mapped" },
	{ { 0, 100 }, "address 0" },
	{ { ISLAND + PAGE - 100, 101 }, "one byte behind" },
	{ { ISLAND - 1, 100 }, "one byte before" },
	{ { ISLAND, UINT32_MAX }, "4 GiB" },
	{ { UINT64_MAX - 50, 100 }, "wraps" },
	{ { UINT64_MAX, 1 }, "the last byte" },
};

static int
test_bad_pieces(void)
{
	const struct virtio_driver_buf good = { ISLAND, 20 };
	struct virtio_driver_buf bufs[2];
	uint32_t i, k;
	bool rx;

	for (i = 0; i < RTE_DIM(bad_pieces); i++) {
		for (k = 0; k < 8; k++) {
			packed = k & 1;
			rx = k & 2;
			DO(up(BIT(VIRTIO_NET_F_MRG_RXBUF)));
			bufs[0] = k & 4 ? good : bad_pieces[i].piece;
			bufs[1] = bad_pieces[i].piece;
			DO(add(rx, bufs, rx ? 1 + (k >> 2) : 0, rx ? 0 : 1 + (k >> 2)));
			TEST_ASSERT(is_broken(rx) == TEST_SUCCESS, "%s, case %u",
				    bad_pieces[i].what, k);
		}
	}
	/* a reset mends it */
	DO(up(0));
	return works(0, true, true);
}

static int
test_wrong_direction(void)
{
	const struct virtio_driver_buf bufs[] = { { ISLAND, 200 }, { ISLAND + 200, 200 } };
	uint32_t k;

	for (k = 0; k < 2; k++) {
		packed = k;
		DO(up(0));
		DO(add(true, bufs, 0, 1)); /* for writing, at a queue that is read */
		TEST_ASSERT(is_broken(true) == TEST_SUCCESS, "writable, packed %u", k);
		DO(up(0));
		DO(add(true, bufs, 1, 1));
		TEST_ASSERT(is_broken(true) == TEST_SUCCESS, "both, packed %u", k);
		DO(up(0));
		DO(add(false, bufs, 1, 0));
		TEST_ASSERT(is_broken(false) == TEST_SUCCESS, "readable, packed %u", k);
		DO(up(0));
		DO(add(false, bufs, 1, 1));
		TEST_ASSERT(is_broken(false) == TEST_SUCCESS, "both, packed %u", k);
	}
	return TEST_SUCCESS;
}

/* A good packet in front of a bad one is received, those behind it are not. */
static int
test_behind_good_ones(void)
{
	const struct virtio_driver_buf bad = { ISLAND, 200 };
	struct rte_mbuf *pkts[32];
	uint32_t k, i;
	uint16_t nb;

	frame_fill(7, frame, 60);
	for (k = 0; k < 2; k++) {
		packed = k;
		DO(up(0));
		for (i = 0; i < 20; i++) {
			if (i == 5)
				DO(add(true, &bad, 0, 1));
			TEST_ASSERT_EQUAL(guest_send(&guest, 0, NULL, frame, 60, GUEST_ONE, false),
					  1, "send");
		}
		nb = rte_eth_rx_burst(port.id, 0, pkts, 32);
		TEST_ASSERT_EQUAL(nb, 5, "%u", nb);
		rte_pktmbuf_free_bulk(pkts, nb);
		TEST_ASSERT_EQUAL(guest_reap(&guest, 0), 5, "given back");
		TEST_ASSERT_EQUAL(rte_eth_rx_burst(port.id, 0, pkts, 32), 0, "broken");
	}
	return TEST_SUCCESS;
}

/* Buffers without a byte, or with less than a header: allowed, and no packet. */
static int
test_short_buffers(void)
{
	struct rte_mbuf *pkts[2];
	uint32_t len, k;
	uint16_t id;

	for (k = 0; k < 2; k++) {
		packed = k;
		DO(up(0));
		for (len = 0; len < GUEST_HDR + FRAME_MIN; len++) {
			DO(add(true, &(struct virtio_driver_buf){ ISLAND, len }, 1, 0));
			TEST_ASSERT_EQUAL(rte_eth_rx_burst(port.id, 0, pkts, 1), 0, "%u bytes",
					  len);
			TEST_ASSERT_EQUAL(virtio_driver_used(guest_tx(&guest, 0)->vq, &id,
					  &(uint32_t){ 0 }), 1, "%u bytes", len);
			TEST_ASSERT_EQUAL(port_xstat(&port, "rx_q0_too_short_drops"),
					  k * (GUEST_HDR + FRAME_MIN) + len + 1, "%u bytes", len);
			/* no room for a packet: it is dropped, the buffer stays */
			DO(add(false, &(struct virtio_driver_buf){ ISLAND, len }, 0, 1));
			pkts[0] = frame_to_mbuf(frame, 60, UINT32_MAX);
			TEST_ASSERT_EQUAL(rte_eth_tx_burst(port.id, 0, pkts, 1), 1, "%u", len);
		}
		TEST_ASSERT_EQUAL(virtio_driver_used(guest_rx(&guest, 0)->vq, &id,
				  &(uint32_t){ 0 }), 0, "used");
		DO(works(0, true, false));
	}
	return TEST_SUCCESS;
}

/* Many pieces of the same memory. */
static int
test_too_long(void)
{
	struct virtio_driver_buf bufs[18];
	struct rte_mbuf *m;
	uint32_t i;

	packed = false;
	DO(up(0));
	for (i = 0; i < RTE_DIM(bufs); i++)
		bufs[i] = (struct virtio_driver_buf){ ISLAND, PAGE };
	bufs[16].len = FRAME_MAX + GUEST_HDR - 16 * PAGE;
	DO(add(true, bufs, 17, 0));
	TEST_ASSERT_EQUAL(rte_eth_rx_burst(port.id, 0, &m, 1), 1, "the longest packet");
	TEST_ASSERT_EQUAL(m->pkt_len, FRAME_MAX, "length");
	rte_pktmbuf_free(m);
	bufs[16].len++;
	DO(add(true, bufs, 17, 0));
	TEST_ASSERT_EQUAL(rte_eth_rx_burst(port.id, 0, &m, 1), 0, "one byte more");
	TEST_ASSERT_EQUAL(port_xstat(&port, "rx_q0_too_long_drops"), 1u, "counted");
	return TEST_SUCCESS;
}

/* At the edges of what is mapped: nothing else is read or written. */
static int
test_edges(void)
{
	struct rte_mbuf *m;
	uint32_t k, len;

	for (k = 0; k < 2; k++) {
		packed = k;
		for (len = 14; len < 200; len++) {
			DO(up(0));
			frame_fill(len, frame, len);
			memset(island + PAGE, 0, PAGE);
			DO(add(false, &(struct virtio_driver_buf){
				ISLAND + PAGE - len - GUEST_HDR, len + GUEST_HDR }, 0, 1));
			m = frame_to_mbuf(frame, len, UINT32_MAX);
			TEST_ASSERT_EQUAL(rte_eth_tx_burst(port.id, 0, &m, 1), 1, "tx %u", len);
			TEST_ASSERT(memcmp(island + 2 * PAGE - len, frame, len) == 0, "tx %u", len);
			TEST_ASSERT(untouched(), "tx %u: other memory was written", len);
			DO(add(true, &(struct virtio_driver_buf){
				ISLAND + PAGE - len - GUEST_HDR, len + GUEST_HDR }, 1, 0));
			TEST_ASSERT_EQUAL(rte_eth_rx_burst(port.id, 0, &m, 1), 1, "rx %u", len);
			TEST_ASSERT(frame_check(m, frame, len) == TEST_SUCCESS, "rx %u", len);
			rte_pktmbuf_free(m);
		}
	}
	return TEST_SUCCESS;
}

/* -------------------------------------------------------------------- bad rings */

/* What a ring may not look like, once the buffer is available. */
static void
split_index(struct virtio_driver_queue *q)
{
	uint16_t *avail = (uint16_t *)(uintptr_t)q->driver;

	avail[1] = rte_cpu_to_le_16((uint16_t)(q->size + 1));
}

static void
split_head(struct virtio_driver_queue *q)
{
	uint16_t *avail = (uint16_t *)(uintptr_t)q->driver;

	avail[2] = rte_cpu_to_le_16(q->size);
}

/* Descriptor 0: flags and next. */
static void
desc_set(struct virtio_driver_queue *q, uint16_t flags, uint16_t next)
{
	uint16_t *desc = (uint16_t *)(uintptr_t)q->desc;

	desc[6] = rte_cpu_to_le_16(q->packed ? next : flags);
	desc[7] = rte_cpu_to_le_16(q->packed ? flags : next);
}

static uint16_t
write_flag(const struct virtio_driver_queue *q)
{
	return q->index % 2 == 0 ? VRING_DESC_F_WRITE : 0;
}

static void
split_loop(struct virtio_driver_queue *q)
{
	desc_set(q, VRING_DESC_F_NEXT | write_flag(q), 0);
}

static void
split_next(struct virtio_driver_queue *q)
{
	desc_set(q, VRING_DESC_F_NEXT | write_flag(q), q->size);
}

static void
packed_id(struct virtio_driver_queue *q)
{
	desc_set(q, 1 << VRING_PACKED_DESC_F_AVAIL | write_flag(q), q->size);
}

/* Not negotiated, or a table that is not mapped. */
static void
indirect(struct virtio_driver_queue *q)
{
	desc_set(q, VRING_DESC_F_INDIRECT | write_flag(q) |
		 (q->packed ? 1 << VRING_PACKED_DESC_F_AVAIL : 0), 0);
}

static int
test_bad_rings(void)
{
	static const struct {
		void (*spoil)(struct virtio_driver_queue *q);
		bool packed;
		uint64_t features;
		uint32_t len;
		const char *what;
	} cases[] = {
		{ split_index, false, 0, 200, "index" },
		{ split_head, false, 0, 200, "head" },
		{ split_loop, false, 0, 200, "loop" },
		{ split_next, false, 0, 200, "next" },
		{ indirect, false, 0, 160, "indirect was not negotiated" },
		{ indirect, true, 0, 160, "indirect was not negotiated" },
		{ indirect, false, BIT(VIRTIO_RING_F_INDIRECT_DESC), 161, "odd table" },
		{ indirect, true, BIT(VIRTIO_RING_F_INDIRECT_DESC), 8, "short table" },
		{ indirect, false, BIT(VIRTIO_RING_F_INDIRECT_DESC), 160, "table of rubbish" },
		{ indirect, true, BIT(VIRTIO_RING_F_INDIRECT_DESC), 160, "table of rubbish" },
		{ indirect, false, BIT(VIRTIO_RING_F_INDIRECT_DESC), 0, "empty table" },
		{ indirect, true, BIT(VIRTIO_RING_F_INDIRECT_DESC), PAGE + 16, "long table" },
		{ packed_id, true, 0, 200, "id" },
	};
	struct virtio_driver_buf buf = { ISLAND, 0 };
	uint32_t i, rx;

	memset(island + PAGE, 0xff, PAGE);
	for (i = 0; i < RTE_DIM(cases); i++) {
		for (rx = 0; rx < 2; rx++) {
			packed = cases[i].packed;
			DO(up(cases[i].features));
			buf.len = cases[i].len;
			DO(add(rx, &buf, rx, !rx));
			cases[i].spoil((rx ? guest_tx(&guest, 0) : guest_rx(&guest, 0))->vq);
			TEST_ASSERT(is_broken(rx) == TEST_SUCCESS, "%s, packed %u, rx %u",
				    cases[i].what, cases[i].packed, rx);
		}
	}
	return TEST_SUCCESS;
}

/* ---------------------------------------------------------------------- rubbish */

/* A number that is often a good one. */
static uint64_t
some_number(uint32_t kind)
{
	switch (kind % 8) {
	case 0:
		return pmd_rand();
	case 1:
		return pmd_rand_below(2 * SIZE);
	case 2:
		return ISLAND + pmd_rand_below(PAGE);
	case 3:
		return VIRTIO_DRIVER_IOVA + pmd_rand_below(1u << 20);
	case 4:
		return ISLAND + PAGE - pmd_rand_below(200);
	default:
		return pmd_rand_below(300);
	}
}

/* Descriptors of random content, and the rest of the ring a bit of it. */
static void
scribble(struct virtio_driver_queue *q)
{
	uint8_t *desc = q->desc + 16 * pmd_rand_below(q->size);
	uint64_t addr = some_number(2 + pmd_rand_below(3));
	uint32_t len = (uint32_t)some_number(5);
	uint16_t words[2] = { (uint16_t)pmd_rand_below(8), (uint16_t)some_number(1) };

	if (pmd_rand_below(16) == 0)
		addr = some_number(pmd_rand());
	if (pmd_rand_below(16) == 0)
		len = (uint32_t)some_number(pmd_rand());
	if (q->packed) {
		words[1] = (uint16_t)(words[0] | (pmd_rand() & 1 ? 0x80 : 0x8000));
		words[0] = (uint16_t)pmd_rand_below(SIZE + 1);
	}
	memcpy(desc, &addr, 8);
	memcpy(desc + 8, &len, 4);
	memcpy(desc + 12, words, 4);
	if (q->packed)
		return;
	desc = q->driver + 4 + 2 * pmd_rand_below(q->size);
	*(uint16_t *)desc = (uint16_t)pmd_rand_below(SIZE + (pmd_rand_below(64) == 0));
	if (pmd_rand_below(4) == 0)
		((uint16_t *)q->driver)[1] += (uint16_t)pmd_rand_below(4);
}

/* One burst in a direction: what comes is consistent. */
static int
any_burst(bool rx)
{
	struct rte_mbuf *pkts[40];
	const char *reason;
	uint16_t nb, i;

	if (!rx) {
		for (i = 0; i < 4; i++) {
			pkts[i] = frame_to_mbuf(frame, FRAME_MIN + pmd_rand_below(3000), 1000);
			TEST_ASSERT_NOT_NULL(pkts[i], "no mbuf");
		}
		nb = rte_eth_tx_burst(port.id, 0, pkts, 4);
		rte_pktmbuf_free_bulk(pkts + nb, 4 - nb);
		return TEST_SUCCESS;
	}
	nb = rte_eth_rx_burst(port.id, 0, pkts, RTE_DIM(pkts));
	for (i = 0; i < nb; i++) {
		TEST_ASSERT_SUCCESS(rte_mbuf_check(pkts[i], 1, &reason), "%s", reason);
		TEST_ASSERT(pkts[i]->pkt_len >= FRAME_MIN && pkts[i]->pkt_len <= FRAME_MAX,
			    "%u bytes", pkts[i]->pkt_len);
	}
	rte_pktmbuf_free_bulk(pkts, nb);
	return TEST_SUCCESS;
}

static int
test_rubbish(void)
{
	const uint32_t rounds = pmd_long() ? 20000 : 400;
	uint64_t features;
	uint32_t i, k;

	pmd_rand_seed(5);
	for (i = 0; i < rounds; i++) {
		packed = pmd_rand() & 1;
		features = pmd_rand() & 1 ? BIT(VIRTIO_NET_F_MRG_RXBUF) : 0;
		features |= pmd_rand() & 1 ? BIT(VIRTIO_RING_F_INDIRECT_DESC) : 0;
		features |= pmd_rand() & 1 ? BIT(VIRTIO_F_IN_ORDER) : 0;
		features |= pmd_rand() & 1 ? BIT(VIRTIO_RING_F_EVENT_IDX) : 0;
		features |= pmd_rand() & 1 ? BIT(VIRTIO_NET_F_CSUM) |
			BIT(VIRTIO_NET_F_GUEST_CSUM) : 0;
		DO(up(features));
		for (k = 0; k < 64; k++)
			island[PAGE + pmd_rand_below(PAGE)] = (uint8_t)pmd_rand();
		for (k = 0; k < 200; k++) {
			scribble(guest_tx(&guest, 0)->vq);
			scribble(guest_rx(&guest, 0)->vq);
			if (k % 4 == 0 && any_burst(k & 4) != TEST_SUCCESS)
				return TEST_FAILED;
		}
		TEST_ASSERT(untouched(), "round %u: other memory was written", i);
	}
	DO(up(0));
	DO(works(0, true, true));
	DO(rte_eth_dev_stop(port.id));
	TEST_ASSERT_EQUAL(pmd_mbufs_used(), 0u, "mbufs leaked");
	return TEST_SUCCESS;
}

static struct unit_test_suite suite = {
	.suite_name = "guests that break the rules",
	.setup = pmd_setup,
	.unit_test_cases = {
		TEST_CASE_ST(setup, teardown, test_bad_pieces),
		TEST_CASE_ST(setup, teardown, test_wrong_direction),
		TEST_CASE_ST(setup, teardown, test_behind_good_ones),
		TEST_CASE_ST(setup, teardown, test_short_buffers),
		TEST_CASE_ST(setup, teardown, test_too_long),
		TEST_CASE_ST(setup, teardown, test_edges),
		TEST_CASE_ST(setup, teardown, test_bad_rings),
		TEST_CASE_ST(setup, teardown, test_rubbish),
		TEST_CASES_END()
	}
};

static int
test_nic_hostile(void)
{
	return unit_test_suite_runner(&suite);
}

REGISTER_TEST_COMMAND(nic_hostile_autotest, test_nic_hostile);
