/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

/*
 * Random frames between the two drivers, in both directions at a time, with a thread
 * at each port: each arrives once, in order, bit by bit, at the queue of its number.
 */

#include <inttypes.h>
#include <string.h>

#include <linux/virtio_config.h>
#include <linux/virtio_net.h>

#include "pmd_flow.h"

#define HAS(features, bit) (((features) >> (bit) & 1) != 0)
/* All frames together, in both directions. */
#define LONG_FRAMES UINT64_C(100000000)
#define SHORT_FRAMES FEWER_WITH_TSAN(UINT64_C(400000), 8)
/* Of the pools; a frame that is not merged lies in one buffer. */
#define MBUFS 8191u
#define ROOM 2048u
#define LARGE_ROOM (FLOW_MAX_LEN + 64u)

static struct pmd_pair pair;
static struct flow_end ends[2];
static struct rte_mempool *pools[3]; /* of the device, and two for the driver */

static int
suite_setup(void)
{
	const int ret = pmd_setup();

	if (ret != TEST_SUCCESS)
		return ret;
	pools[0] = flow_pool("device", MBUFS, ROOM);
	pools[1] = flow_pool("driver", MBUFS, ROOM);
	pools[2] = flow_pool("driver_large", MBUFS / 4, LARGE_ROOM);
	TEST_ASSERT(pools[0] != NULL && pools[1] != NULL && pools[2] != NULL, "pools");
	return TEST_SUCCESS;
}

static void
suite_teardown(void)
{
	uint32_t i;

	for (i = 0; i < RTE_DIM(pools); i++) {
		rte_mempool_free(pools[i]);
		pools[i] = NULL;
	}
}

static int
setup(void)
{
	memset(ends, 0, sizeof(ends));
	pair_init(&pair);
	pair.device_pool = pools[0];
	return TEST_SUCCESS;
}

static void
teardown(void)
{
	flow_stop(&ends[0]);
	flow_fini(&ends[0]);
	flow_fini(&ends[1]);
	pair_remove(&pair);
}

/* ------------------------------------------------------------------ runs */

/* One of the combinations: what the rings are like. */
struct rings {
	bool packed, in_order, merged;
	uint16_t queues, size;
};

static int
start(const struct rings *r)
{
	struct rte_eth_conf conf = {
		.rxmode.mtu = 9000,
		.txmode.offloads = RTE_ETH_TX_OFFLOAD_MULTI_SEGS,
	};
	char device[96], driver[96];
	uint64_t features;

	snprintf(device, sizeof(device), ",mtu=9000,queues=%u,in_order=%u", FLOW_MAX_QUEUES,
		 r->in_order);
	snprintf(driver, sizeof(driver), ",queues=%u,packed_vq=%u,mrg_rxbuf=%u,queue_size=%u",
		 FLOW_MAX_QUEUES, r->packed, r->merged, r->size);
	if (r->merged)
		conf.rxmode.offloads = RTE_ETH_RX_OFFLOAD_SCATTER;
	pair.driver_pool = pools[r->merged ? 1 : 2];
	DO(pair_start(&pair, device, driver, r->queues, &conf));
	features = port_features(&pair.device);
	TEST_ASSERT_EQUAL(HAS(features, VIRTIO_F_RING_PACKED), r->packed, "");
	TEST_ASSERT_EQUAL(HAS(features, VIRTIO_F_IN_ORDER), r->in_order, "");
	TEST_ASSERT_EQUAL(HAS(features, VIRTIO_NET_F_MRG_RXBUF), r->merged, "");
	return TEST_SUCCESS;
}

/* Both ports have counted each frame, and no other one. */
static int
check_counters(const struct pmd_port *port, uint64_t nb)
{
	struct rte_eth_stats stats;
	uint16_t i;

	DO(rte_eth_stats_get(port->id, &stats));
	for (i = 0; i < port->queues; i++) {
		TEST_ASSERT_EQUAL(stats.q_ipackets[i], nb, "%s: queue %u: %" PRIu64, port->name,
				  i, stats.q_ipackets[i]);
		TEST_ASSERT_EQUAL(stats.q_opackets[i], nb, "%s: queue %u: %" PRIu64, port->name,
				  i, stats.q_opackets[i]);
	}
	TEST_ASSERT_EQUAL(stats.ipackets, nb * port->queues, "%s", port->name);
	TEST_ASSERT_EQUAL(stats.opackets, nb * port->queues, "%s", port->name);
	TEST_ASSERT_EQUAL(stats.ierrors + stats.oerrors, 0u, "%s: dropped", port->name);
	return TEST_SUCCESS;
}

static int
exchange(const struct flow_conf *conf)
{
	int ret, other;

	flow_init(&ends[0], &pair.device, conf, 0);
	flow_init(&ends[1], &pair.driver, conf, 1);
	DO(flow_start(&ends[0]));
	ret = flow_run(&ends[1]);
	/* the other end does not wait for what does not come */
	other = ret < 0 ? flow_stop(&ends[0]) : flow_join(&ends[0]);
	TEST_ASSERT(ret == 0 && other == 0, "%d and %d", ret, other);
	DO(check_counters(&pair.device, conf->nb));
	return check_counters(&pair.driver, conf->nb);
}

/* nb frames in all, as many over each queue. */
static int
run(const struct rings *r, uint64_t nb, uint32_t longer)
{
	const struct flow_conf conf = {
		.nb = nb / (2 * r->queues),
		.max_len = FLOW_MAX_LEN,
		.longer = longer,
		.cut = 8,
	};
	uint32_t i;

	DO(start(r));
	DO(exchange(&conf));
	pair_remove(&pair);
	for (i = 0; i < RTE_DIM(pools); i++)
		TEST_ASSERT_EQUAL(rte_mempool_in_use_count(pools[i]), 0u, "leaked, pool %u", i);
	return TEST_SUCCESS;
}

/* ----------------------------------------------------------------- cases */

/* Each kind of rings, with one queue and with several ones. */
static int
test_frames(void)
{
	const uint64_t nb = (pmd_long() ? LONG_FRAMES : SHORT_FRAMES) / 16;
	const uint64_t begin = pmd_now_ms();
	struct rings r;
	uint32_t bits;

	for (bits = 0; bits < 16; bits++) {
		r = (struct rings){
			.packed = bits & 1,
			.in_order = bits >> 1 & 1,
			.merged = bits >> 2 & 1,
			.queues = bits >> 3 ? 3 : 1,
			.size = bits >> 3 ? 64 : 256,
		};
		TEST_ASSERT(run(&r, nb, pmd_long() ? 64 : 8) == TEST_SUCCESS,
			    "packed=%u,in_order=%u,mrg_rxbuf=%u, %u queues of %u entries",
			    r.packed, r.in_order, r.merged, r.queues, r.size);
	}
	if (pmd_long())
		printf("note: %" PRIu64 " frames compared in %" PRIu64 " s\n", nb * 16,
		       (pmd_now_ms() - begin) / 1000);
	return TEST_SUCCESS;
}

/* Each number of queues: what is sent by one arrives at the one of its number only. */
static int
test_queues(void)
{
	const uint64_t nb = pmd_long() ? 20000 : FEWER_WITH_TSAN(400, 4);
	struct rings r = { .in_order = true, .size = 64 };
	uint32_t packed;

	for (r.queues = 1; r.queues <= FLOW_MAX_QUEUES; r.queues++) {
		for (packed = 0; packed <= 1; packed++) {
			r.packed = packed;
			r.merged = r.queues & 1;
			TEST_ASSERT(run(&r, nb * 2 * r.queues, 16) == TEST_SUCCESS,
				    "packed=%u, %u queues", packed, r.queues);
		}
	}
	return TEST_SUCCESS;
}

static struct unit_test_suite suite = {
	.suite_name = "frames between the two drivers, both ways at a time",
	.setup = suite_setup,
	.teardown = suite_teardown,
	.unit_test_cases = {
		TEST_CASE_ST(setup, teardown, test_frames),
		TEST_CASE_ST(setup, teardown, test_queues),
		TEST_CASES_END()
	},
};

static int
test_pair_frames(void)
{
	return unit_test_suite_runner(&suite);
}

REGISTER_TEST_COMMAND(pair_frames_autotest, test_pair_frames);
