/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

/* Counters, and what telemetry tells. */

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "pmd_guest.h"
#include "pmd_port.h"
#include "pmd_telemetry.h"

#define MAX_XSTATS 4096

static struct pmd_port port, other;
static struct guest guest;
static uint8_t frame[FRAME_MAX];

static int
setup(void)
{
	port.id = other.id = RTE_MAX_ETHPORTS;
	TEST_ASSERT_EQUAL(pmd_mbufs_used(), 0u, "mbufs leaked before");
	return TEST_SUCCESS;
}

static void
teardown(void)
{
	guest_disconnect(&guest);
	port_remove(&port);
	port_remove(&other);
}

static int
up(const char *args, uint16_t pairs)
{
	DO(port_up(&port, args, pairs));
	DO(guest_connect(&guest, port.path));
	return guest_up(&guest, BIT(VIRTIO_NET_F_CTRL_VQ) | BIT(VIRTIO_NET_F_MQ) |
			BIT(VIRTIO_NET_F_MRG_RXBUF), pairs, 64);
}

/* -------------------------------------------------------------------- counters */

static int
test_names(void)
{
	static struct rte_eth_xstat_name names[MAX_XSTATS];
	static struct rte_eth_xstat values[MAX_XSTATS];
	static const uint16_t queues[] = { 1, 2, 128 };
	int nb, i, k;
	uint32_t c;

	for (c = 0; c < RTE_DIM(queues); c++) {
		DO(up(c == 2 ? ",queues=128" : ",queues=2", RTE_MIN(queues[c], 2)));
		guest_disconnect(&guest);
		DO(rte_eth_dev_stop(port.id));
		DO(port_start(&port, queues[c], NULL));
		nb = rte_eth_xstats_get_names(port.id, NULL, 0);
		TEST_ASSERT(nb > 0 && nb <= MAX_XSTATS, "%d", nb);
		TEST_ASSERT_EQUAL(rte_eth_xstats_get(port.id, NULL, 0), nb, "number");
		TEST_ASSERT_EQUAL(rte_eth_xstats_get_names(port.id, names, (unsigned int)nb), nb,
				  "names");
		TEST_ASSERT_EQUAL(rte_eth_xstats_get(port.id, values, (unsigned int)nb), nb,
				  "values");
		/* with less room the number that is needed, and nothing behind the room */
		memset(&values[nb - 1], 0xee, sizeof(values[0]));
		TEST_ASSERT_EQUAL(rte_eth_xstats_get(port.id, values, (unsigned int)nb - 1), nb,
				  "room");
		TEST_ASSERT_EQUAL(values[nb - 1].id, UINT64_C(0xeeeeeeeeeeeeeeee), "room");
		for (i = 0; i < nb; i++) {
			TEST_ASSERT(names[i].name[0] != '\0', "number %d has no name", i);
			for (k = 0; k < i; k++)
				TEST_ASSERT(strcmp(names[i].name, names[k].name) != 0, "%s twice",
					    names[i].name);
		}
		DO(port_remove(&port));
	}
	return TEST_SUCCESS;
}

static int
exchange(uint16_t pair, uint32_t nb)
{
	struct virtio_net_hdr_v1 hdr;
	struct rte_mbuf *m;

	for (; nb != 0; nb--) {
		TEST_ASSERT_EQUAL(guest_send(&guest, pair, NULL, frame, 100, GUEST_ONE, false), 1,
				  "send");
		TEST_ASSERT_EQUAL(rte_eth_rx_burst(port.id, pair, &m, 1), 1, "rx");
		TEST_ASSERT_EQUAL(guest_reap(&guest, pair), 1, "reap");
		DO(guest_post_plain(&guest, pair, 2048, 1));
		TEST_ASSERT_EQUAL(rte_eth_tx_burst(port.id, pair, &m, 1), 1, "tx");
		TEST_ASSERT_EQUAL(guest_recv(&guest, pair, &hdr, frame), 100, "received");
	}
	return TEST_SUCCESS;
}

#define XSTAT(name, value) \
	TEST_ASSERT_EQUAL(port_xstat(&port, name), value, name ": %" PRIu64, \
			  port_xstat(&port, name))

static int
test_values(void)
{
	struct virtio_net_hdr_v1 hdr;
	struct rte_eth_stats stats;
	struct rte_mbuf *m;
	uint32_t k;

	DO(up(",queues=2", 2));
	for (k = 0; k < 2; k++) {
		DO(exchange(0, 5));
		XSTAT("rx_good_packets", 5u);
		XSTAT("rx_q0_packets", 5u);
		XSTAT("rx_q1_packets", 0u);
		XSTAT("tx_q0_bytes", 500u);
		/* of several buffers, of several segments, and for which there is no room */
		TEST_ASSERT_EQUAL(guest_send(&guest, 1, NULL, frame, 3000, GUEST_APART, false), 1,
				  "send");
		TEST_ASSERT_EQUAL(rte_eth_rx_burst(port.id, 1, &m, 1), 1, "rx");
		TEST_ASSERT_EQUAL(guest_reap(&guest, 1), 1, "reap");
		XSTAT("rx_q1_segmented_buffers", 1u);
		DO(guest_post_plain(&guest, 0, 2048, 1));
		TEST_ASSERT_EQUAL(rte_eth_tx_burst(port.id, 0, &m, 1), 0, "tx");
		XSTAT("tx_q0_no_room", 1u);
		DO(guest_post_plain(&guest, 0, 2048, 1));
		TEST_ASSERT_EQUAL(rte_eth_tx_burst(port.id, 0, &m, 1), 1, "tx");
		XSTAT("tx_q0_merged_buffers", 1u);
		TEST_ASSERT_EQUAL(guest_recv(&guest, 0, &hdr, frame), 3000, "received");
		DO(rte_eth_stats_get(port.id, &stats));
		TEST_ASSERT_EQUAL(stats.ipackets, 6, "rx");
		TEST_ASSERT_EQUAL(stats.obytes, 3500, "tx");
		TEST_ASSERT_EQUAL(stats.q_ibytes[1], 3000, "queue");
		if (k == 0)
			DO(rte_eth_stats_reset(port.id));
		else
			DO(rte_eth_xstats_reset(port.id));
		DO(rte_eth_stats_get(port.id, &stats));
		TEST_ASSERT_EQUAL(stats.ipackets + stats.opackets + stats.ibytes + stats.obytes, 0,
				  "reset");
		XSTAT("tx_q0_no_room", 0u);
		XSTAT("rx_q1_segmented_buffers", 0u);
	}
	return TEST_SUCCESS;
}

/* Without mbufs nothing is lost; few are enough. */
static int
test_no_mbufs(void)
{
	struct rte_mempool *few = rte_pktmbuf_pool_create("few", 7, 0, 0,
			RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
	struct rte_mbuf *pkts[32], *all[7];
	struct rte_eth_stats stats;
	static const struct rte_eth_conf conf;
	uint32_t i, got = 0;
	uint16_t nb;

	TEST_ASSERT_NOT_NULL(few, "pool");
	DO(port_probe(&port, 0, ""));
	DO(rte_eth_dev_configure(port.id, 1, 1, &conf));
	DO(rte_eth_rx_queue_setup(port.id, 0, 0, SOCKET_ID_ANY, NULL, few));
	DO(rte_eth_tx_queue_setup(port.id, 0, 0, SOCKET_ID_ANY, NULL));
	DO(rte_eth_dev_start(port.id));
	DO(guest_connect(&guest, port.path));
	DO(guest_up(&guest, 0, 1, 64));
	for (i = 0; i < 40; i++)
		TEST_ASSERT_EQUAL(guest_send(&guest, 0, NULL, frame, i % 8 == 0 ? 5000 : 100,
				  GUEST_ONE, false), 1, "send");
	DO(rte_mempool_get_bulk(few, (void **)all, 7));
	TEST_ASSERT_EQUAL(rte_eth_rx_burst(port.id, 0, pkts, 32), 0, "without mbufs");
	DO(rte_eth_stats_get(port.id, &stats));
	TEST_ASSERT(stats.rx_nombuf != 0, "not counted");
	/* with too few for the first one it stays where it is */
	rte_mempool_put_bulk(few, (void **)all, 2);
	TEST_ASSERT_EQUAL(rte_eth_rx_burst(port.id, 0, pkts, 32), 0, "with two mbufs");
	rte_mempool_put_bulk(few, (void **)&all[2], 5);
	for (i = 0; i < 1000 && got < 40; i++, got += nb) {
		nb = rte_eth_rx_burst(port.id, 0, pkts, 32);
		if (nb != 0)
			TEST_ASSERT_EQUAL(pkts[0]->pkt_len, got % 8 == 0 ? 5000u : 100u, "order");
		rte_pktmbuf_free_bulk(pkts, nb);
	}
	TEST_ASSERT_EQUAL(got, 40u, "%u received", got);
	DO(port_remove(&port));
	TEST_ASSERT_EQUAL(rte_mempool_in_use_count(few), 0u, "leaked");
	rte_mempool_free(few);
	return TEST_SUCCESS;
}

/* ------------------------------------------------------------------- telemetry */

static int
test_telemetry(void)
{
	static const char *const wrong[] = {
		"/net_vfio_user/info", "/net_vfio_user/info,x", "/net_vfio_user/info,99",
		"/net_vfio_user/info,-1", "/net_vfio_user/info,0x", "/net_vfio_user/info,",
	};
	char text[32];
	uint32_t i;

	ANSWERS("/net_vfio_user/list", "[]");
	DO(port_probe(&other, 1, ""));
	DO(up(",queues=2,mac=02:00:00:00:00:07", 2));
	DO(exchange(0, 3));
	snprintf(text, sizeof(text), "[%u,%u]", other.id, port.id);
	ANSWERS("/net_vfio_user/list", text);
	snprintf(text, sizeof(text), "/net_vfio_user/info,%u", port.id);
	ANSWERS(text, "\"mac\":\"02:00:00:00:00:07\"");
	ANSWER_HAS("\"pairs\":2");
	ANSWER_HAS("\"active_pairs\":1");
	ANSWER_HAS("\"vq4\":{");
	ANSWER_HAS(port.path);
	/* one that was not started yet */
	snprintf(text, sizeof(text), "/net_vfio_user/info,%u", other.id);
	ANSWERS(text, "\"pairs\":0");
	for (i = 0; i < RTE_DIM(wrong); i++)
		ANSWERS(wrong[i], "null");
	return TEST_SUCCESS;
}

/* All queues that there can be: the answer is cut, not broken. */
static int
test_long_answer(void)
{
	char text[32];

	DO(port_up(&port, ",queues=128", 128));
	snprintf(text, sizeof(text), "/net_vfio_user/info,%u", port.id);
	ANSWERS(text, "\"vq63\":{");
	ANSWER_HAS("}}}");
	return TEST_SUCCESS;
}

static struct unit_test_suite suite = {
	.suite_name = "counters and telemetry of net_vfio_user",
	.setup = pmd_setup,
	.unit_test_cases = {
		TEST_CASE_ST(setup, teardown, test_names),
		TEST_CASE_ST(setup, teardown, test_values),
		TEST_CASE_ST(setup, teardown, test_no_mbufs),
		TEST_CASE_ST(setup, teardown, test_telemetry),
		TEST_CASE_ST(setup, teardown, test_long_answer),
		TEST_CASES_END()
	}
};

static int
test_nic_stats(void)
{
	return unit_test_suite_runner(&suite);
}

REGISTER_TEST_COMMAND(nic_stats_autotest, test_nic_stats);
