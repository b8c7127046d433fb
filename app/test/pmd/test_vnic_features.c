/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

/*
 * Each feature that a card may offer, or not, and that net_virtio_vfio_user may want,
 * or not: what is negotiated is what both say, and frames pass.
 */

#include <inttypes.h>
#include <string.h>

#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <linux/virtio_ring.h>

#include <virtio_net_compat.h>

#include "pmd_device.h"
#include "pmd_pair.h"

#define BIT(n) (UINT64_C(1) << (n))
#define NOTIFICATION_DATA 38
#define PAIRS 2u
/* Features of the card; the others are of rings and transport. */
#define OF_CARD ((BIT(24) - 1) | ~(BIT(50) - 1))

/* What makes the driver want a feature: an argument, one of these offloads, or nothing. */
struct wish {
	const char *name;
	uint64_t bit;
	const char *arg;
	bool by_default; /* of the argument */
	uint64_t rx, tx;
	uint64_t needs; /* of the card, too */
};

#define RX_CKSUM (RTE_ETH_RX_OFFLOAD_UDP_CKSUM | RTE_ETH_RX_OFFLOAD_TCP_CKSUM)
#define TX_CKSUM (RTE_ETH_TX_OFFLOAD_UDP_CKSUM | RTE_ETH_TX_OFFLOAD_TCP_CKSUM)
#define TCP_LRO RTE_ETH_RX_OFFLOAD_TCP_LRO
#define TCP_TSO RTE_ETH_TX_OFFLOAD_TCP_TSO
#define UDP_TSO RTE_ETH_TX_OFFLOAD_UDP_TSO
#define NET(name) #name, BIT(VIRTIO_NET_F_ ## name)
#define ALWAYS NULL, true, 0, 0
#define IF_ARG(arg, by_default) arg, by_default, 0, 0
#define CTRL_VQ BIT(VIRTIO_NET_F_CTRL_VQ)
#define GUEST_CSUM BIT(VIRTIO_NET_F_GUEST_CSUM)
#define CSUM BIT(VIRTIO_NET_F_CSUM)

static const struct wish wishes[] = {
	{ "ACCESS_PLATFORM", BIT(VIRTIO_F_ACCESS_PLATFORM), ALWAYS, 0 },
	{ "ORDER_PLATFORM", BIT(VIRTIO_F_ORDER_PLATFORM), ALWAYS, 0 },
	{ "RING_PACKED", BIT(VIRTIO_F_RING_PACKED), IF_ARG("packed_vq", true), 0 },
	{ "IN_ORDER", BIT(VIRTIO_F_IN_ORDER), IF_ARG("in_order", true), 0 },
	{ "INDIRECT_DESC", BIT(VIRTIO_RING_F_INDIRECT_DESC), IF_ARG("indirect", true), 0 },
	{ "EVENT_IDX", BIT(VIRTIO_RING_F_EVENT_IDX), IF_ARG("event_idx", false), 0 },
	{ "NOTIFICATION_DATA", BIT(NOTIFICATION_DATA), IF_ARG("notify_data", false), 0 },
	{ NET(MAC), ALWAYS, 0 },
	{ NET(STATUS), ALWAYS, 0 },
	{ NET(MTU), ALWAYS, 0 },
	{ NET(SPEED_DUPLEX), ALWAYS, 0 },
	{ NET(CTRL_VQ), ALWAYS, 0 },
	{ NET(CTRL_RX), ALWAYS, CTRL_VQ },
	{ NET(CTRL_RX_EXTRA), ALWAYS, CTRL_VQ | BIT(VIRTIO_NET_F_CTRL_RX) },
	{ NET(CTRL_MAC_ADDR), ALWAYS, CTRL_VQ },
	{ NET(MQ), ALWAYS, CTRL_VQ },
	{ NET(GUEST_ANNOUNCE), ALWAYS, CTRL_VQ | BIT(VIRTIO_NET_F_STATUS) },
	{ NET(CTRL_VLAN), NULL, false, RTE_ETH_RX_OFFLOAD_VLAN_FILTER, 0, CTRL_VQ },
	{ NET(MRG_RXBUF), "mrg_rxbuf", true, RTE_ETH_RX_OFFLOAD_SCATTER, 0, 0 },
	{ NET(GUEST_CSUM), NULL, false, RX_CKSUM | TCP_LRO, 0, 0 },
	{ NET(GUEST_TSO4), NULL, false, TCP_LRO, 0, GUEST_CSUM },
	{ NET(GUEST_TSO6), NULL, false, TCP_LRO, 0, GUEST_CSUM },
	{ NET(GUEST_USO4), NULL, false, TCP_LRO, 0, GUEST_CSUM },
	{ NET(GUEST_USO6), NULL, false, TCP_LRO, 0, GUEST_CSUM },
	{ NET(CSUM), NULL, false, 0, TX_CKSUM | TCP_TSO | UDP_TSO, 0 },
	{ NET(HOST_TSO4), NULL, false, 0, TCP_TSO, CSUM },
	{ NET(HOST_TSO6), NULL, false, 0, TCP_TSO, CSUM },
	{ NET(HOST_USO), NULL, false, 0, UDP_TSO, CSUM },
	/* a driver that has no use for them leaves them */
	{ NET(HOST_ECN), NULL, false, 0, 0, 0 },
	{ NET(GUEST_ECN), NULL, false, 0, 0, 0 },
	{ NET(CTRL_GUEST_OFFLOADS), NULL, false, 0, 0, 0 },
	{ NET(VQ_NOTF_COAL), NULL, false, 0, 0, 0 },
	{ "RING_RESET", BIT(40), NULL, false, 0, 0, 0 },
};

/* A run: what the card offers, and what the driver is told. */
struct run {
	uint64_t offered; /* of the wishes */
	uint32_t args; /* by number of the wish */
	uint64_t rx, tx;
};

static struct pmd_device device;
static struct pmd_port port;

static int
setup(void)
{
	memset(&device, 0, sizeof(device));
	port.id = RTE_MAX_ETHPORTS;
	return TEST_SUCCESS;
}

static void
teardown(void)
{
	port_remove(&port);
	pmd_device_stop(&device);
}

static uint64_t
all_bits(void)
{
	uint64_t all = 0;
	uint32_t i;

	for (i = 0; i < RTE_DIM(wishes); i++)
		all |= wishes[i].bit;
	return all;
}

static uint32_t
default_args(void)
{
	uint32_t i, args = 0;

	for (i = 0; i < RTE_DIM(wishes); i++)
		if (wishes[i].arg != NULL && wishes[i].by_default)
			args |= 1u << i;
	return args;
}

/* -------------------------------------------------------- what is expected */

static bool
is_wanted(const struct wish *w, uint32_t i, const struct run *run)
{
	if (w->arg != NULL && (run->args >> i & 1) == 0)
		return false;
	if (w->rx != 0 || w->tx != 0)
		return (w->rx & run->rx) != 0 || (w->tx & run->tx) != 0;
	return w->arg != NULL || w->by_default;
}

static uint64_t
expected(const struct run *run)
{
	uint64_t features = 0;
	uint32_t i;

	for (i = 0; i < RTE_DIM(wishes); i++)
		if ((run->offered & wishes[i].bit) != 0 &&
		    (run->offered & wishes[i].needs) == wishes[i].needs &&
		    is_wanted(&wishes[i], i, run))
			features |= wishes[i].bit;
	return features | BIT(VIRTIO_F_VERSION_1);
}

static bool
offers(const struct run *run, uint64_t bits)
{
	return (run->offered & bits) == bits;
}

static uint64_t
expected_rx(const struct run *run, bool merges)
{
	/* these two by software */
	uint64_t offloads = RTE_ETH_RX_OFFLOAD_IPV4_CKSUM | RTE_ETH_RX_OFFLOAD_VLAN_STRIP;

	if (merges && offers(run, BIT(VIRTIO_NET_F_MRG_RXBUF)))
		offloads |= RTE_ETH_RX_OFFLOAD_SCATTER;
	if (offers(run, GUEST_CSUM))
		offloads |= RX_CKSUM;
	if (offers(run, GUEST_CSUM | BIT(VIRTIO_NET_F_GUEST_TSO4) | BIT(VIRTIO_NET_F_GUEST_TSO6)))
		offloads |= TCP_LRO;
	if (offers(run, CTRL_VQ | BIT(VIRTIO_NET_F_CTRL_VLAN)))
		offloads |= RTE_ETH_RX_OFFLOAD_VLAN_FILTER;
	return offloads;
}

static uint64_t
expected_tx(const struct run *run)
{
	uint64_t offloads = RTE_ETH_TX_OFFLOAD_MULTI_SEGS | RTE_ETH_TX_OFFLOAD_MBUF_FAST_FREE |
		RTE_ETH_TX_OFFLOAD_VLAN_INSERT;

	if (offers(run, CSUM))
		offloads |= TX_CKSUM;
	if (offers(run, CSUM | BIT(VIRTIO_NET_F_HOST_TSO4) | BIT(VIRTIO_NET_F_HOST_TSO6)))
		offloads |= TCP_TSO;
	if (offers(run, CSUM | BIT(VIRTIO_NET_F_HOST_USO)))
		offloads |= UDP_TSO;
	return offloads;
}

/* ------------------------------------------------------------------- runs */

static int
probe(const struct run *run)
{
	struct pmd_device_conf conf;
	char args[256], path[128];
	uint32_t i;
	int len;

	snprintf(path, sizeof(path), "%s/0", pmd_folder);
	pmd_device_conf_init(&conf, path);
	conf.pairs = conf.max_pairs = PAIRS;
	conf.features = run->offered & OF_CARD;
	conf.features_off = all_bits() & ~run->offered;
	DO(pmd_device_start(&device, &conf));
	len = snprintf(args, sizeof(args), ",queues=%u,queue_size=64", PAIRS);
	for (i = 0; i < RTE_DIM(wishes); i++)
		if (wishes[i].arg != NULL)
			len += snprintf(args + len, sizeof(args) - len, ",%s=%u", wishes[i].arg,
					run->args >> i & 1);
	return port_probe_driver(&port, 0, args);
}

/* The port can do what the card lets it; of the run's offloads those are used. */
static int
check_info(struct run *run)
{
	struct rte_eth_dev_info info;
	bool merges = false;
	uint32_t i;

	for (i = 0; i < RTE_DIM(wishes); i++)
		if ((wishes[i].bit & BIT(VIRTIO_NET_F_MRG_RXBUF)) != 0)
			merges = (run->args >> i & 1) != 0;
	DO(rte_eth_dev_info_get(port.id, &info));
	TEST_ASSERT_EQUAL(info.rx_offload_capa, expected_rx(run, merges), "0x%" PRIx64,
			  info.rx_offload_capa);
	TEST_ASSERT_EQUAL(info.tx_offload_capa, expected_tx(run), "0x%" PRIx64,
			  info.tx_offload_capa);
	TEST_ASSERT_EQUAL(info.max_rx_queues,
			  offers(run, CTRL_VQ | BIT(VIRTIO_NET_F_MQ)) ? PAIRS : 1u, "queues");
	run->rx &= info.rx_offload_capa;
	run->tx &= info.tx_offload_capa;
	/* merged packets fit in no buffer */
	if ((run->rx & RTE_ETH_RX_OFFLOAD_SCATTER) == 0)
		run->rx &= ~TCP_LRO;
	return TEST_SUCCESS;
}

static int
negotiate(struct run *run)
{
	const struct pmd_traffic traffic = { 61000, 1514, FRAME_MAX };
	struct rte_eth_conf conf = { .intr_conf.lsc = 0 };
	uint64_t features;
	uint16_t i, queues;

	DO(probe(run));
	DO(check_info(run));
	conf.rxmode.offloads = run->rx;
	conf.txmode.offloads = run->tx;
	queues = offers(run, CTRL_VQ | BIT(VIRTIO_NET_F_MQ)) ? PAIRS : 1;
	DO(port_start(&port, queues, &conf));
	features = GET(device.features);
	TEST_ASSERT_EQUAL(features, expected(run), "0x%" PRIx64 ", not 0x%" PRIx64, features,
			  expected(run));
	for (i = 0; i < queues; i++)
		DO(pmd_transfer(&port, &port, i, &traffic, 32));
	teardown();
	TEST_ASSERT_EQUAL(pmd_mbufs_used(), 0u, "leaked");
	return TEST_SUCCESS;
}

/* All offloads are wanted. */
static struct run
all_wanted(void)
{
	return (struct run){ .offered = all_bits(), .args = default_args(), .rx = UINT64_MAX,
			     .tx = UINT64_MAX };
}

/* A card lacks one feature, or has no other one. */
static int
test_offers(void)
{
	struct run run;
	uint32_t i;

	for (i = 0; i < RTE_DIM(wishes); i++) {
		run = all_wanted();
		run.args = UINT32_MAX;
		run.offered &= ~wishes[i].bit;
		TEST_ASSERT(negotiate(&run) == TEST_SUCCESS, "without %s", wishes[i].name);
		run = all_wanted();
		run.args = UINT32_MAX;
		run.offered = wishes[i].bit;
		TEST_ASSERT(negotiate(&run) == TEST_SUCCESS, "with %s only", wishes[i].name);
	}
	return TEST_SUCCESS;
}

/* A card has them all, and the driver does not want one, or wants one more. */
static int
test_arguments(void)
{
	struct run run;
	uint32_t i;

	for (i = 0; i < RTE_DIM(wishes); i++) {
		if (wishes[i].arg == NULL)
			continue;
		run = all_wanted();
		run.args ^= 1u << i;
		TEST_ASSERT(negotiate(&run) == TEST_SUCCESS, "%s=%u", wishes[i].arg,
			    run.args >> i & 1);
	}
	return TEST_SUCCESS;
}

/* The application wants one offload. */
static int
test_offloads(void)
{
	struct run run;
	uint32_t i;

	for (i = 0; i < 64; i++) {
		run = all_wanted();
		run.rx = (expected_rx(&run, true) & BIT(i)) | RTE_ETH_RX_OFFLOAD_SCATTER;
		run.tx = expected_tx(&run) & BIT(i);
		if (run.tx != 0 || run.rx != RTE_ETH_RX_OFFLOAD_SCATTER || i == 0)
			TEST_ASSERT(negotiate(&run) == TEST_SUCCESS, "rx 0x%" PRIx64 ", tx 0x%"
				    PRIx64, run.rx, run.tx);
	}
	return TEST_SUCCESS;
}

static int
test_random(void)
{
	const uint32_t rounds = pmd_long() ? 2000 : FEWER_WITH_TSAN(24, 4);
	struct run run, now;
	uint64_t bits;
	uint32_t i;

	pmd_rand_seed(62);
	for (i = 0; i < rounds; i++) {
		bits = (uint64_t)pmd_rand() << 32 | pmd_rand();
		if (pmd_rand_below(2) != 0) /* most of them */
			bits |= (uint64_t)pmd_rand() << 32 | pmd_rand();
		run = (struct run){ .offered = all_bits() & bits, .args = pmd_rand() };
		run.rx = (uint64_t)pmd_rand() << 32 | pmd_rand();
		run.tx = (uint64_t)pmd_rand() << 32 | pmd_rand();
		now = run;
		TEST_ASSERT(negotiate(&now) == TEST_SUCCESS, "round %u: offered 0x%" PRIx64
			    ", arguments 0x%x, offloads 0x%" PRIx64 " and 0x%" PRIx64, i,
			    run.offered, run.args, run.rx, run.tx);
	}
	return TEST_SUCCESS;
}

static struct unit_test_suite suite = {
	.suite_name = "features of net_virtio_vfio_user",
	.setup = pmd_setup,
	.unit_test_cases = {
		TEST_CASE_ST(setup, teardown, test_offers),
		TEST_CASE_ST(setup, teardown, test_arguments),
		TEST_CASE_ST(setup, teardown, test_offloads),
		TEST_CASE_ST(setup, teardown, test_random),
		TEST_CASES_END()
	},
};

static int
test_vnic_features(void)
{
	return unit_test_suite_runner(&suite);
}

REGISTER_TEST_COMMAND(vnic_features_autotest, test_vnic_features);
