/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

/* net_virtio_vfio_user with net_vfio_user at the other end, in one process. */

#include <inttypes.h>

#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>

#include <virtio_net_compat.h>

#include "pmd_pair.h"

#define BIT(n) (UINT64_C(1) << (n))
#define NOTIFICATION_DATA 38
#define MAX_QUEUES 16u
#define SHORT 1514u
/* Longer than a buffer: not cut into segments. */
#define WHOLE FRAME_MAX

static struct pmd_pair pair;

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

/* Frames both ways over all queues of the pair, then stop and count what is left. */
static int
pass(const char *device, const char *driver, const struct pmd_traffic *traffic, uint32_t nb)
{
	uint16_t i;

	for (i = 0; i < pair.driver.queues; i++) {
		TEST_ASSERT_SUCCESS(pmd_transfer(&pair.driver, &pair.device, i, traffic, nb),
				    "%s, %s: sent by queue %u", device, driver, i);
		TEST_ASSERT_SUCCESS(pmd_transfer(&pair.device, &pair.driver, i, traffic, nb),
				    "%s, %s: received by queue %u", device, driver, i);
	}
	pair_remove(&pair);
	TEST_ASSERT_EQUAL(pmd_mbufs_used(), 0, "%s, %s", device, driver);
	return TEST_SUCCESS;
}

static int
exchange(const char *device, const char *driver, uint16_t queues, const struct rte_eth_conf *conf,
	 const struct pmd_traffic *traffic, uint32_t nb)
{
	TEST_ASSERT_SUCCESS(pair_start(&pair, device, driver, queues, conf), "%s, %s", device,
			    driver);
	return pass(device, driver, traffic, nb);
}

/* What is negotiated of some features is these, and frames pass. */
static int
negotiate(const char *device, const char *driver, uint64_t some, uint64_t these)
{
	const struct pmd_traffic traffic = { 1, SHORT, WHOLE };
	uint64_t features;

	DO(pair_start(&pair, device, driver, 1, NULL));
	features = port_features(&pair.device);
	TEST_ASSERT_EQUAL(features & some, these, "%s, %s: 0x%" PRIx64, device, driver, features);
	return pass(device, driver, &traffic, 500);
}

/* All combinations of the features of rings that either side can leave out. */
static int
test_features(void)
{
	const uint64_t some = BIT(VIRTIO_F_RING_PACKED) | BIT(VIRTIO_F_IN_ORDER) |
		BIT(VIRTIO_RING_F_INDIRECT_DESC) | BIT(VIRTIO_RING_F_EVENT_IDX) |
		BIT(NOTIFICATION_DATA);
	char device[128], driver[128];
	uint64_t these;
	uint32_t bits;

	for (bits = 0; bits < 64; bits++) {
		snprintf(device, sizeof(device), ",packed=%u,in_order=%u,event_idx=1", bits & 1,
			 bits >> 1 & 1);
		snprintf(driver, sizeof(driver),
			 ",indirect=%u,event_idx=%u,notify_data=%u,in_order=%u,queue_size=128",
			 bits >> 2 & 1, bits >> 3 & 1, bits >> 4 & 1, bits >> 5 & 1);
		these = (bits & 1 ? BIT(VIRTIO_F_RING_PACKED) : 0) |
			((bits >> 1 & bits >> 5 & 1) ? BIT(VIRTIO_F_IN_ORDER) : 0) |
			(bits >> 2 & 1 ? BIT(VIRTIO_RING_F_INDIRECT_DESC) : 0) |
			(bits >> 3 & 1 ? BIT(VIRTIO_RING_F_EVENT_IDX) : 0) |
			(bits >> 4 & 1 ? BIT(NOTIFICATION_DATA) : 0);
		DO(negotiate(device, driver, some, these));
	}
	return TEST_SUCCESS;
}

/* The driver wants all that it can have. */
static int
start_wanting_all(const char *device)
{
	struct rte_eth_conf conf = { .intr_conf.lsc = 1 };
	struct rte_eth_dev_info info;

	DO(port_probe(&pair.device, 0, device));
	DO(rte_eth_dev_info_get(pair.device.id, &info));
	DO(port_start(&pair.device, info.max_rx_queues, NULL));
	DO(port_probe_driver(&pair.driver, 0, ",queues=2,event_idx=1,notify_data=1"));
	DO(rte_eth_dev_info_get(pair.driver.id, &info));
	conf.rxmode.offloads = info.rx_offload_capa;
	conf.txmode.offloads = info.tx_offload_capa;
	/* packets that the device has merged fit in no buffer */
	if ((conf.rxmode.offloads & RTE_ETH_RX_OFFLOAD_SCATTER) == 0)
		conf.rxmode.offloads &= ~RTE_ETH_RX_OFFLOAD_TCP_LRO;
	DO(rte_eth_promiscuous_enable(pair.driver.id));
	DO(port_start(&pair.driver, info.max_rx_queues, &conf));
	return pair_wait_links(&pair, true);
}

/* Each argument of net_vfio_user that is a feature, as far as the driver has a use for it. */
static int
test_switches(void)
{
	static const struct {
		const char *off, *on;
		uint64_t features;
	} cases[] = {
		{ ",packed=0", ",packed=1", BIT(VIRTIO_F_RING_PACKED) },
		{ ",in_order=0", ",in_order=1", BIT(VIRTIO_F_IN_ORDER) },
		{ ",indirect=0", ",indirect=1", BIT(VIRTIO_RING_F_INDIRECT_DESC) },
		{ ",event_idx=0", ",event_idx=1", BIT(VIRTIO_RING_F_EVENT_IDX) },
		{ ",platform=0", ",platform=1", BIT(VIRTIO_F_ACCESS_PLATFORM) },
		{ ",mergeable=0", ",mergeable=1", BIT(VIRTIO_NET_F_MRG_RXBUF) },
		{ ",csum=0", ",csum=1", BIT(VIRTIO_NET_F_CSUM) | BIT(VIRTIO_NET_F_GUEST_CSUM) },
		{ ",tso=0", ",tso=1", BIT(VIRTIO_NET_F_HOST_TSO4) | BIT(VIRTIO_NET_F_HOST_TSO6) |
		  BIT(VIRTIO_NET_F_HOST_USO) | BIT(VIRTIO_NET_F_GUEST_TSO4) |
		  BIT(VIRTIO_NET_F_GUEST_TSO6) | BIT(VIRTIO_NET_F_GUEST_USO4) |
		  BIT(VIRTIO_NET_F_GUEST_USO6) },
		{ "", ",mtu=1500", BIT(VIRTIO_NET_F_MTU) },
		{ "", ",queues=2", BIT(VIRTIO_NET_F_MQ) },
		{ ",mode=poll", ",mode=interrupt", 0 },
	};
	const struct pmd_traffic traffic = { 9000, SHORT, WHOLE };
	uint64_t features;
	const char *args;
	uint32_t i, on;

	for (i = 0; i < RTE_DIM(cases); i++) {
		for (on = 0; on <= 1; on++) {
			args = on ? cases[i].on : cases[i].off;
			TEST_ASSERT_SUCCESS(start_wanting_all(args), "%s", args);
			features = port_features(&pair.device);
			TEST_ASSERT_EQUAL(features & cases[i].features,
					  on ? cases[i].features : 0, "%s: 0x%" PRIx64, args,
					  features);
			DO(pass(args, "", &traffic, 200));
		}
	}
	return TEST_SUCCESS;
}

/* A card without vectors is asked for its link. */
static int
test_without_vectors(void)
{
	const struct pmd_traffic traffic = { 500, SHORT, WHOLE };
	const struct rte_eth_conf conf = { .intr_conf.lsc = 0 };

	DO(exchange(",msix=0", "", 1, &conf, &traffic, 500));
	DO(pair_start(&pair, ",msix=0", "", 1, &conf));
	DO(rte_eth_dev_stop(pair.device.id));
	DO(port_wait_link(&pair.driver, false));
	DO(rte_eth_dev_start(pair.device.id));
	return port_wait_link(&pair.driver, true);
}

/* Long frames in many buffers, and short ones in many segments. */
static int
test_segments(void)
{
	const struct pmd_traffic traffic[] = {
		{ 1000, 9000, WHOLE },
		{ 2000, 9000, 1500 },
		{ 3000, 200, 100 },
	};
	const struct rte_eth_conf conf = {
		.rxmode.mtu = 9000,
		.rxmode.offloads = RTE_ETH_RX_OFFLOAD_SCATTER,
		.txmode.offloads = RTE_ETH_TX_OFFLOAD_MULTI_SEGS,
	};
	char device[64], driver[64];
	uint32_t bits, i;

	for (bits = 0; bits < 8; bits++) {
		snprintf(device, sizeof(device), ",mtu=9000,packed=%u,in_order=%u", bits & 1,
			 bits >> 1 & 1);
		snprintf(driver, sizeof(driver), ",indirect=%u", bits >> 2 & 1);
		for (i = 0; i < RTE_DIM(traffic); i++)
			DO(exchange(device, driver, 1, &conf, &traffic[i], 500));
	}
	return TEST_SUCCESS;
}

/*
 * mbufs that are given back without a look at each, and in between such as have to be
 * looked at.
 */
static int
test_fast_free(void)
{
	const struct pmd_traffic traffic[] = {
		{ 1000, 200, WHOLE },
		{ 2000, 200, 100 }, /* of one segment, or of two */
		{ 3000, 200, 30 },
		{ 4000, 200, WHOLE },
	};
	const struct rte_eth_conf conf = {
		.txmode.offloads = RTE_ETH_TX_OFFLOAD_MBUF_FAST_FREE |
				   RTE_ETH_TX_OFFLOAD_MULTI_SEGS,
	};
	char device[64];
	uint32_t bits, i;

	for (bits = 0; bits < 4; bits++) {
		snprintf(device, sizeof(device), ",packed=%u,in_order=%u", bits & 1, bits >> 1);
		DO(pair_start(&pair, device, ",queue_size=64", 1, &conf));
		for (i = 0; i < RTE_DIM(traffic); i++)
			TEST_ASSERT_SUCCESS(pmd_transfer(&pair.driver, &pair.device, 0,
							 &traffic[i], 1000),
					    "%s: traffic %u", device, i);
		pair_remove(&pair);
		TEST_ASSERT_EQUAL(pmd_mbufs_used(), 0, "%s", device);
	}
	return TEST_SUCCESS;
}

static int
test_queues(void)
{
	const struct pmd_traffic traffic = { 4000, SHORT, WHOLE };
	char device[64], driver[64];
	uint16_t nb;

	for (nb = 1; nb <= MAX_QUEUES; nb++) {
		snprintf(device, sizeof(device), ",queues=%u,packed=%u", MAX_QUEUES, nb % 2);
		snprintf(driver, sizeof(driver), ",queues=%u,queue_size=64", MAX_QUEUES);
		DO(exchange(device, driver, nb, NULL, &traffic, 200));
	}
	return TEST_SUCCESS;
}

/* The rings wrap many times. */
static int
test_many(void)
{
	const uint32_t nb = pmd_long() ? 50000000 : 200000;
	const struct pmd_traffic traffic = { 5000, 300, WHOLE };

	DO(exchange(",packed=1", ",queue_size=64", 1, NULL, &traffic, nb));
	return exchange(",packed=0", ",queue_size=64", 1, NULL, &traffic, nb);
}

/* Stop and start with frames in the rings. */
static int
test_start_stop(void)
{
	const struct pmd_traffic traffic = { 6000, SHORT, WHOLE };
	const uint32_t nb = pmd_long() ? 1000 : 50;
	uint32_t i;

	DO(pair_start(&pair, "", ",queue_size=128", 1, NULL));
	for (i = 0; i < nb; i++) {
		TEST_ASSERT_SUCCESS(pmd_transfer(&pair.driver, &pair.device, 0, &traffic, 40),
				    "round %u", i);
		TEST_ASSERT_SUCCESS(pmd_transfer(&pair.device, &pair.driver, 0, &traffic, 40),
				    "round %u", i);
		pmd_send(&pair.driver, 0, &traffic, i % 64);
		pmd_send(&pair.device, 0, &traffic, i % 61);
		DO(rte_eth_dev_stop(pair.driver.id));
		while (pmd_drain(&pair.device) != 0)
			;
		DO(rte_eth_dev_start(pair.driver.id));
		DO(pair_wait_links(&pair, true));
	}
	pair_remove(&pair);
	TEST_ASSERT_EQUAL(pmd_mbufs_used(), 0, "");
	return TEST_SUCCESS;
}

/* Two pairs at a time: one control thread for both drivers. */
static int
test_two_pairs(void)
{
	const struct pmd_traffic traffic = { 7000, SHORT, WHOLE };
	struct pmd_pair other;
	int ret;

	pair_init(&other);
	other.number = 1;
	DO(pair_start(&pair, "", "", 1, NULL));
	ret = pair_start(&other, ",packed=0", "", 1, NULL);
	if (ret == 0)
		ret = pmd_transfer(&pair.driver, &pair.device, 0, &traffic, 1000);
	if (ret == 0)
		ret = pmd_transfer(&other.device, &other.driver, 0, &traffic, 1000);
	pair_remove(&pair);
	if (ret == 0)
		ret = pmd_transfer(&other.driver, &other.device, 0, &traffic, 1000);
	pair_remove(&other);
	DO(ret);
	TEST_ASSERT_EQUAL(pmd_mbufs_used(), 0, "");
	return TEST_SUCCESS;
}

static struct unit_test_suite suite = {
	.suite_name = "net_virtio_vfio_user with net_vfio_user",
	.setup = pmd_setup,
	.unit_test_cases = {
		TEST_CASE_ST(setup, teardown, test_features),
		TEST_CASE_ST(setup, teardown, test_switches),
		TEST_CASE_ST(setup, teardown, test_without_vectors),
		TEST_CASE_ST(setup, teardown, test_segments),
		TEST_CASE_ST(setup, teardown, test_fast_free),
		TEST_CASE_ST(setup, teardown, test_queues),
		TEST_CASE_ST(setup, teardown, test_many),
		TEST_CASE_ST(setup, teardown, test_start_stop),
		TEST_CASE_ST(setup, teardown, test_two_pairs),
		TEST_CASES_END()
	},
};

static int
test_vnic_loop(void)
{
	return unit_test_suite_runner(&suite);
}

REGISTER_TEST_COMMAND(vnic_loop_autotest, test_vnic_loop);
