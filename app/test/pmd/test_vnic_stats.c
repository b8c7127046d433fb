/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

/* What net_virtio_vfio_user tells of itself: counters, what is in its rings, telemetry. */

#include <errno.h>
#include <string.h>

#include <rte_power_intrinsics.h>

#include "pmd_pair.h"
#include "pmd_telemetry.h"

/* Entries of the rings. */
#define SIZE 64u

static struct pmd_pair pair;

static const struct pmd_traffic frames = { 31000, 1514, FRAME_MAX };
/* Longer than an mbuf, in several segments. */
static const struct pmd_traffic long_frames = { 32000, 9000, 1000 };

/* Each layout of rings, with and without what else changes them. */
static const struct {
	const char *device, *driver;
} layouts[] = {
	{ ",mtu=9000,packed=0,in_order=0", ",indirect=0,queue_size=64" },
	{ ",mtu=9000,packed=0,in_order=1", ",indirect=0,queue_size=64" },
	{ ",mtu=9000,packed=1,in_order=0", ",indirect=0,queue_size=64" },
	{ ",mtu=9000,packed=1,in_order=1", ",indirect=0,queue_size=64" },
};

static int
setup(void)
{
	pair_init(&pair);
	return TEST_SUCCESS;
}

static void
teardown(void)
{
	pair_remove(&pair);
}

/* ---------------------------------------------------------------- counters */

static int
test_values(void)
{
	struct rte_eth_stats stats;
	uint32_t k;

	DO(pair_start(&pair, ",queues=2", ",queues=2", 2, NULL));
	for (k = 0; k < 2; k++) {
		DO(pmd_transfer(&pair.driver, &pair.device, 1, &frames, 30));
		DO(pmd_transfer(&pair.device, &pair.driver, 1, &frames, 20));
		DO(rte_eth_stats_get(pair.driver.id, &stats));
		TEST_ASSERT_EQUAL(stats.opackets, 30, "tx");
		TEST_ASSERT_EQUAL(stats.ipackets, 20, "rx");
		TEST_ASSERT_EQUAL(port_xstat(&pair.driver, "tx_q1_packets"), 30, "tx queue");
		TEST_ASSERT_EQUAL(port_xstat(&pair.driver, "rx_q1_packets"), 20, "rx queue");
		TEST_ASSERT_EQUAL(port_xstat(&pair.driver, "rx_q1_bytes"), stats.ibytes, "bytes");
		TEST_ASSERT_EQUAL(port_xstat(&pair.driver, "rx_q0_packets"), 0, "other queue");
		DO(k == 0 ? rte_eth_stats_reset(pair.driver.id) :
			    rte_eth_xstats_reset(pair.driver.id));
		DO(rte_eth_stats_get(pair.driver.id, &stats));
		TEST_ASSERT_EQUAL(stats.ipackets + stats.opackets + stats.ibytes + stats.obytes,
				  0, "reset");
	}
	return TEST_SUCCESS;
}

/* ------------------------------------------------------------------- rings */

/* Packets that wait in the ring are counted, and their descriptors are done. */
static int
check_rx_ring(const char *layout)
{
	const uint16_t id = pair.driver.id;
	struct rte_power_monitor_cond cond;
	uint64_t now = 0;
	uint32_t left, nb = 0;

	TEST_ASSERT_EQUAL(rte_eth_rx_queue_count(id, 0), 0, "%s", layout);
	TEST_ASSERT_EQUAL(rte_eth_rx_descriptor_status(id, 0, 0), RTE_ETH_RX_DESC_AVAIL, "%s",
			  layout);
	DO(rte_eth_get_monitor_addr(id, 0, &cond));
	memcpy(&now, (const void *)(uintptr_t)cond.addr, cond.size);
	TEST_ASSERT_EQUAL(cond.fn(now, cond.opaque), 0, "%s: nothing to wake up for", layout);
	pmd_send(&pair.device, 0, &frames, 10);
	memcpy(&now, (const void *)(uintptr_t)cond.addr, cond.size);
	TEST_ASSERT_EQUAL(cond.fn(now, cond.opaque), -1, "%s: a packet has come", layout);
	TEST_ASSERT_EQUAL(rte_eth_rx_queue_count(id, 0), 10, "%s", layout);
	TEST_ASSERT_EQUAL(rte_eth_rx_descriptor_status(id, 0, 9), RTE_ETH_RX_DESC_DONE, "%s",
			  layout);
	TEST_ASSERT_EQUAL(rte_eth_rx_descriptor_status(id, 0, 10), RTE_ETH_RX_DESC_AVAIL, "%s",
			  layout);
	TEST_ASSERT_EQUAL(rte_eth_rx_descriptor_status(id, 0, SIZE), -EINVAL, "%s", layout);
	for (left = 10; left != 0; left -= nb) {
		TEST_ASSERT_EQUAL(rte_eth_rx_queue_count(id, 0), (int)left, "%s", layout);
		WAIT_FOR((nb = pmd_drain(&pair.driver)) != 0);
	}
	TEST_ASSERT_EQUAL(rte_eth_rx_queue_count(id, 0), 0, "%s", layout);
	return TEST_SUCCESS;
}

/* Descriptors that the device has, from the first one that is not free on. */
static uint32_t
nb_full(void)
{
	uint32_t nb = 0;
	uint16_t i;

	for (i = 0; i < SIZE; i++)
		nb += rte_eth_tx_descriptor_status(pair.driver.id, 0, i) == RTE_ETH_TX_DESC_FULL;
	return nb;
}

/* Nobody receives: what is sent is the device's. Then it is done, but not taken back. */
static int
check_tx_ring(const char *layout, const struct pmd_traffic *traffic)
{
	uint32_t full, left = 3;
	struct rte_mbuf *m;

	TEST_ASSERT_EQUAL(nb_full(), 0, "%s", layout);
	pmd_send(&pair.driver, 0, traffic, 4);
	full = nb_full();
	TEST_ASSERT(full >= 4, "%s: %u", layout, full);
	TEST_ASSERT(traffic->seg_max == FRAME_MAX ? full == 4 : full > 8, "%s: %u", layout, full);
	TEST_ASSERT_EQUAL(rte_eth_tx_descriptor_status(pair.driver.id, 0, SIZE - 1),
			  RTE_ETH_TX_DESC_FULL, "%s", layout);
	TEST_ASSERT_EQUAL(rte_eth_tx_descriptor_status(pair.driver.id, 0, SIZE), -EINVAL, "%s",
			  layout);
	/* the rest is still its own */
	WAIT_FOR(rte_eth_rx_burst(pair.device.id, 0, &m, 1) == 1);
	rte_pktmbuf_free(m);
	TEST_ASSERT(nb_full() >= 3 && nb_full() < full, "%s: %u", layout, nb_full());
	WAIT_FOR((left -= pmd_drain(&pair.device)) == 0);
	TEST_ASSERT_EQUAL(nb_full(), 0, "%s", layout);
	TEST_ASSERT(rte_eth_tx_done_cleanup(pair.driver.id, 0, 0) == 4, "%s", layout);
	TEST_ASSERT_EQUAL(nb_full(), 0, "%s", layout);
	return TEST_SUCCESS;
}

static int
test_rings(void)
{
	const struct rte_eth_conf conf = {
		.rxmode.mtu = 9000,
		.rxmode.offloads = RTE_ETH_RX_OFFLOAD_SCATTER,
		.txmode.offloads = RTE_ETH_TX_OFFLOAD_MULTI_SEGS,
	};
	uint32_t i, round;

	for (i = 0; i < RTE_DIM(layouts); i++) {
		DO(pair_start(&pair, layouts[i].device, layouts[i].driver, 1, &conf));
		/* they wrap */
		for (round = 0; round < 20; round++) {
			DO(check_rx_ring(layouts[i].device));
			DO(check_tx_ring(layouts[i].device, &frames));
			DO(check_tx_ring(layouts[i].device, &long_frames));
		}
		teardown();
		TEST_ASSERT_EQUAL(pmd_mbufs_used(), 0, "%s", layouts[i].device);
	}
	return TEST_SUCCESS;
}

/* A ring that no device has yet, or any more. */
static int
test_no_device(void)
{
	struct rte_power_monitor_cond cond;

	DO(pair_start(&pair, "", ",queue_size=64", 1, NULL));
	pmd_send(&pair.device, 0, &frames, 5);
	TEST_ASSERT_EQUAL(rte_eth_rx_queue_count(pair.driver.id, 0), 5, "");
	port_remove(&pair.device);
	DO(port_wait_link(&pair.driver, false));
	TEST_ASSERT_EQUAL(rte_eth_rx_queue_count(pair.driver.id, 0), 0, "");
	TEST_ASSERT(rte_eth_get_monitor_addr(pair.driver.id, 0, &cond) == -ENOTSUP, "");
	return TEST_SUCCESS;
}

/* --------------------------------------------------------------- telemetry */

#define INFO "/net_virtio_vfio_user/info"

static int
test_telemetry(void)
{
	static const char *const wrong[] = {
		INFO, INFO ",x", INFO ",99", INFO ",-1", INFO ",0x", INFO ",", INFO ",4294967296",
	};
	char text[64];
	uint32_t i;

	ANSWERS("/net_virtio_vfio_user/list", "[]");
	DO(pair_start(&pair, ",queues=2", ",queues=2,mac=02:00:00:00:00:09", 2, NULL));
	DO(pmd_transfer(&pair.driver, &pair.device, 1, &frames, 7));
	snprintf(text, sizeof(text), "[%u]", pair.driver.id);
	ANSWERS("/net_virtio_vfio_user/list", text);
	snprintf(text, sizeof(text), INFO ",%u", pair.driver.id);
	ANSWERS(text, "\"mac\":\"02:00:00:00:00:09\"");
	ANSWER_HAS(pair.driver.path);
	ANSWER_HAS("\"device\":\"connected\"");
	ANSWER_HAS("\"pairs\":2");
	ANSWER_HAS("\"promiscuous\":1");
	ANSWER_HAS("\"tx_q1\":{\"size\":");
	ANSWER_HAS("\"packets\":7");
	/* the device's port is not one of ours */
	snprintf(text, sizeof(text), INFO ",%u", pair.device.id);
	ANSWERS(text, "null");
	for (i = 0; i < RTE_DIM(wrong); i++)
		ANSWERS(wrong[i], "null");
	DO(rte_eth_dev_stop(pair.driver.id));
	snprintf(text, sizeof(text), INFO ",%u", pair.driver.id);
	ANSWERS(text, "\"started\":0");
	TEST_ASSERT_NULL(strstr(pmd_answer, "rx_q0"), "of a port that is stopped");
	port_remove(&pair.driver);
	ANSWERS("/net_virtio_vfio_user/list", "[]");
	return TEST_SUCCESS;
}

/* All queues that there can be: the answer is cut, not broken. */
static int
test_long_answer(void)
{
	char text[64];

	DO(pair_start(&pair, ",queues=128", ",queues=128,queue_size=64", 128, NULL));
	snprintf(text, sizeof(text), INFO ",%u", pair.driver.id);
	ANSWERS(text, "\"tx_q31\":{");
	ANSWER_HAS("}}}");
	return TEST_SUCCESS;
}

static struct unit_test_suite suite = {
	.suite_name = "counters, rings and telemetry of net_virtio_vfio_user",
	.setup = pmd_setup,
	.unit_test_cases = {
		TEST_CASE_ST(setup, teardown, test_values),
		TEST_CASE_ST(setup, teardown, test_rings),
		TEST_CASE_ST(setup, teardown, test_no_device),
		TEST_CASE_ST(setup, teardown, test_telemetry),
		TEST_CASE_ST(setup, teardown, test_long_answer),
		TEST_CASES_END()
	}
};

static int
test_vnic_stats(void)
{
	return unit_test_suite_runner(&suite);
}

REGISTER_TEST_COMMAND(vnic_stats_autotest, test_vnic_stats);
