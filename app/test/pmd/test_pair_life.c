/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

/*
 * One of the two ports stops and starts, again and again, while a thread sends and
 * receives at the other one all the time.
 */

#include <inttypes.h>
#include <sched.h>
#include <string.h>

#include "pmd_flow.h"
#include "pmd_usage.h"

#define QUEUES 2u
#define MBUFS 4095u
#define ROOM 2048u
/* Frames that flow each way after a start. */
#define FLOWS 200u
#define WAIT_MS 60000u
/* After so many all is there that stays. */
#define WARM_UP 8u

static struct pmd_pair pair;
static struct flow_end ends[2]; /* of the device, and of the driver */
static struct rte_mempool *pools[2];

static const struct flow_conf flows = {
	.nb = UINT64_MAX, .max_len = FLOW_MAX_LEN, .longer = 8, .cut = 8, .lossy = true,
};
static const struct rte_eth_conf conf = {
	.rxmode.mtu = 9000,
	.rxmode.offloads = RTE_ETH_RX_OFFLOAD_SCATTER,
	.txmode.offloads = RTE_ETH_TX_OFFLOAD_MULTI_SEGS,
	.intr_conf.lsc = 1,
};

static int
suite_setup(void)
{
	const int ret = pmd_setup();

	if (ret != TEST_SUCCESS)
		return ret;
	pools[0] = flow_pool("device", MBUFS, ROOM);
	pools[1] = flow_pool("driver", MBUFS, ROOM);
	TEST_ASSERT(pools[0] != NULL && pools[1] != NULL, "pools");
	return TEST_SUCCESS;
}

static void
suite_teardown(void)
{
	rte_mempool_free(pools[0]);
	rte_mempool_free(pools[1]);
	pools[0] = pools[1] = NULL;
}

static int
setup(void)
{
	memset(ends, 0, sizeof(ends));
	pair_init(&pair);
	pair.device_pool = pools[0];
	pair.driver_pool = pools[1];
	return TEST_SUCCESS;
}

static void
teardown(void)
{
	flow_stop(&ends[0]);
	flow_stop(&ends[1]);
	flow_fini(&ends[0]);
	flow_fini(&ends[1]);
	pair_remove(&pair);
}

/* Frames flow in both directions again; the other end has its thread. */
static int
wait_flow(struct flow_end *own, struct flow_end *other)
{
	const uint64_t end = pmd_now_ms() + WAIT_MS;
	const uint64_t here = flow_received(own), there = flow_received(other);
	int ret;

	while (flow_received(own) < here + FLOWS || flow_received(other) < there + FLOWS) {
		ret = flow_step(own);
		TEST_ASSERT(ret >= 0, "%d", ret);
		if (ret == 0) {
			sched_yield();
			TEST_ASSERT(pmd_now_ms() < end, "%" PRIu64 " came here, %" PRIu64 " there",
				    flow_received(own) - here, flow_received(other) - there);
		}
	}
	return TEST_SUCCESS;
}

static uint32_t
waiting(const struct flow_end *end)
{
	const struct rte_mbuf *m;
	uint32_t nb = 0;
	uint16_t i, k;

	for (i = 0; i < end->queues; i++)
		for (k = 0; k < end->tx[i].nb_waiting; k++)
			for (m = end->tx[i].waiting[k]; m != NULL; m = m->next)
				nb++;
	return nb;
}

/* Once configured anew, and else as it is. */
static int
restart(struct flow_end *own, bool anew)
{
	DO(rte_eth_dev_stop(own->port->id));
	/* the port has none of its mbufs any more */
	TEST_ASSERT_EQUAL(rte_mempool_in_use_count(own->pool), waiting(own), "leaked");
	return anew ? port_start(own->port, QUEUES, &conf) : rte_eth_dev_start(own->port->id);
}

static int
stop_and_start(unsigned int which, const char *driver)
{
	const uint32_t rounds = pmd_long() ? 1000 : FEWER_WITH_TSAN(20, 2);
	struct flow_end *own = &ends[which], *other = &ends[!which];
	struct pmd_usage usage;
	uint32_t i;

	DO(pair_start(&pair, ",mtu=9000,queues=2", driver, QUEUES, &conf));
	flow_init(&ends[0], &pair.device, &flows, 0);
	flow_init(&ends[1], &pair.driver, &flows, 1);
	DO(flow_start(other));
	DO(wait_flow(own, other));
	for (i = 0; i < rounds; i++) {
		TEST_ASSERT(restart(own, i % 8 == 7) == TEST_SUCCESS, "round %u", i);
		TEST_ASSERT(wait_flow(own, other) == TEST_SUCCESS, "round %u", i);
		if (i == WARM_UP)
			usage_get(&usage);
	}
	DO(usage_check(&usage));
	DO(flow_stop(other));
	TEST_ASSERT_EQUAL(port_xstat(&pair.device, "rx_q0_broken_rings"), 0u, "");
	TEST_ASSERT_EQUAL(port_xstat(&pair.driver, "rx_q0_broken"), 0u, "");
	TEST_ASSERT_EQUAL(port_xstat(&pair.driver, "connection_losses"), 0u, "");
	teardown();
	TEST_ASSERT_EQUAL(rte_mempool_in_use_count(pools[0]), 0u, "leaked");
	TEST_ASSERT_EQUAL(rte_mempool_in_use_count(pools[1]), 0u, "leaked");
	return TEST_SUCCESS;
}

static int
test_device(void)
{
	DO(stop_and_start(0, ",queues=2,packed_vq=0,queue_size=128"));
	return stop_and_start(0, ",queues=2,packed_vq=1,queue_size=128");
}

static int
test_driver(void)
{
	DO(stop_and_start(1, ",queues=2,packed_vq=0,queue_size=128"));
	return stop_and_start(1, ",queues=2,packed_vq=1,queue_size=128");
}

static struct unit_test_suite suite = {
	.suite_name = "stops and starts between the two drivers",
	.setup = suite_setup,
	.teardown = suite_teardown,
	.unit_test_cases = {
		TEST_CASE_ST(setup, teardown, test_device),
		TEST_CASE_ST(setup, teardown, test_driver),
		TEST_CASES_END()
	},
};

static int
test_pair_life(void)
{
	return unit_test_suite_runner(&suite);
}

REGISTER_TEST_COMMAND(pair_life_autotest, test_pair_life);
