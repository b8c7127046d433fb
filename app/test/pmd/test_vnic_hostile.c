/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

/* net_virtio_vfio_user with a card that does what it must not. */

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <linux/virtio_ring.h>

#include "pmd_device.h"
#include "pmd_pair.h"

#define BIT(n) (UINT64_C(1) << (n))
#define PACKED BIT(VIRTIO_F_RING_PACKED)
#define IN_ORDER BIT(VIRTIO_F_IN_ORDER)

#define WAIT_MS 10000u

static struct pmd_device device;
static struct pmd_device_conf device_conf;
static struct pmd_port port;
static char path[128];

static const struct pmd_traffic frames = { 11000, 1514, FRAME_MAX };
static const struct rte_eth_conf plain;
static const struct rte_eth_conf merging = {
	.rxmode.offloads = RTE_ETH_RX_OFFLOAD_SCATTER | RTE_ETH_RX_OFFLOAD_TCP_CKSUM,
};

static int
setup(void)
{
	port.id = RTE_MAX_ETHPORTS;
	snprintf(path, sizeof(path), "%s/0", pmd_folder);
	pmd_device_conf_init(&device_conf, path);
	device_conf.pairs = device_conf.max_pairs = 2;
	return TEST_SUCCESS;
}

static void
teardown(void)
{
	port_remove(&port);
	pmd_device_stop(&device);
}

static int
attach(void)
{
	return port_probe_driver(&port, 0, ",queues=2,queue_size=64");
}

/* Frames and polls until a counter has moved. */
static int
provoke(const char *counter)
{
	const uint64_t end = pmd_now_ms() + WAIT_MS;

	while (port_xstat(&port, counter) == 0) {
		pmd_send(&port, 0, &frames, 1);
		pmd_drain(&port);
		rte_eth_tx_done_cleanup(port.id, 0, 0);
		if (pmd_now_ms() > end)
			return -ETIMEDOUT;
	}
	return 0;
}

/* A queue breaks; the other one works, and both after a start. */
static int
break_it(enum pmd_evil evil, uint64_t off, const struct rte_eth_conf *conf)
{
	const char *counter = "rx_q0_broken";

	if (evil == PMD_EVIL_TX_ID || evil == PMD_EVIL_TX_TWICE || evil == PMD_EVIL_TX_INDEX)
		counter = "tx_q0_broken";
	device_conf.features_off = off;
	DO(pmd_device_start(&device, &device_conf));
	DO(attach());
	DO(port_start(&port, 2, conf));
	DO(pmd_transfer(&port, &port, 0, &frames, 200));
	SET(device.evil, evil);
	TEST_ASSERT_SUCCESS(provoke(counter), "evil %d, without 0x%" PRIx64, evil, off);
	SET(device.evil, PMD_EVIL_NONE);
	TEST_ASSERT_EQUAL(port_xstat(&port, counter), 1, "evil %d", evil);
	DO(pmd_transfer(&port, &port, 1, &frames, 200));
	TEST_ASSERT_EQUAL(port_xstat(&port, "rx_q1_broken"), 0, "");
	DO(rte_eth_dev_stop(port.id));
	TEST_ASSERT(pmd_mbufs_used() == 0, "evil %d, without 0x%" PRIx64, evil, off);
	DO(rte_eth_dev_start(port.id));
	DO(pmd_transfer(&port, &port, 0, &frames, 200));
	teardown();
	TEST_ASSERT(pmd_mbufs_used() == 0, "evil %d, without 0x%" PRIx64, evil, off);
	return TEST_SUCCESS;
}

/* The same for each kind of ring. */
static int
break_all(enum pmd_evil first, enum pmd_evil last, const struct rte_eth_conf *conf, bool ordered)
{
	uint32_t evil;

	for (evil = first; evil <= last; evil++) {
		DO(break_it(evil, IN_ORDER, conf));
		DO(break_it(evil, IN_ORDER | PACKED, conf));
		if (!ordered)
			continue;
		DO(break_it(evil, 0, conf));
		DO(break_it(evil, PACKED, conf));
	}
	return TEST_SUCCESS;
}

static int
test_used_buffers(void)
{
	return break_all(PMD_EVIL_RX_ID, PMD_EVIL_RX_EMPTY, &plain, true);
}

static int
test_merged_buffers(void)
{
	DO(break_all(PMD_EVIL_RX_ID, PMD_EVIL_RX_EMPTY, &merging, true));
	return break_all(PMD_EVIL_RX_NUM_0, PMD_EVIL_RX_NUM_BIG, &merging, true);
}

/* Split rings in order have no use for the ids of what was sent. */
static int
test_sent_buffers(void)
{
	DO(break_all(PMD_EVIL_TX_ID, PMD_EVIL_TX_TWICE, &plain, false));
	DO(break_it(PMD_EVIL_TX_ID, 0, &plain));
	return break_it(PMD_EVIL_TX_TWICE, 0, &plain);
}

static int
test_indexes(void)
{
	DO(break_it(PMD_EVIL_RX_INDEX, PACKED, &plain));
	DO(break_it(PMD_EVIL_RX_INDEX, PACKED | IN_ORDER, &plain));
	DO(break_it(PMD_EVIL_TX_INDEX, PACKED, &plain));
	return break_it(PMD_EVIL_TX_INDEX, PACKED | IN_ORDER, &plain);
}

/* What is wrong with one packet is a matter of that packet. */
static int
test_packets(void)
{
	DO(pmd_device_start(&device, &device_conf));
	DO(attach());
	DO(port_start(&port, 2, &merging));
	SET(device.evil, PMD_EVIL_RX_RUNT);
	DO(provoke("rx_q0_too_short"));
	SET(device.evil, PMD_EVIL_RX_CSUM);
	DO(provoke("rx_q0_bad_header"));
	DO(rte_eth_xstats_reset(port.id));
	SET(device.evil, PMD_EVIL_RX_GSO);
	DO(provoke("rx_q0_bad_header"));
	TEST_ASSERT_EQUAL(port_xstat(&port, "rx_q0_broken"), 0, "");
	teardown();
	TEST_ASSERT(pmd_mbufs_used() == 0, "");
	return TEST_SUCCESS;
}

/* Devices that say what cannot be are not attached. */
static int
test_configurations(void)
{
	device_conf.max_pairs = 0;
	DO(pmd_device_start(&device, &device_conf));
	TEST_ASSERT_EQUAL(attach(), -EPROTO, "no pair");
	pmd_device_stop(&device);
	device_conf.max_pairs = 3;
	DO(pmd_device_start(&device, &device_conf));
	TEST_ASSERT_EQUAL(attach(), -EPROTO, "more pairs than queues");
	pmd_device_stop(&device);
	device_conf.max_pairs = 2;
	device_conf.mtu = 67;
	DO(pmd_device_start(&device, &device_conf));
	TEST_ASSERT_EQUAL(attach(), -EPROTO, "a small MTU");
	pmd_device_stop(&device);
	device_conf.mtu = 1500;
	device_conf.queue_size = 4;
	DO(pmd_device_start(&device, &device_conf));
	TEST_ASSERT_EQUAL(attach(), -EPROTO, "small queues");
	return TEST_SUCCESS;
}

/* A control queue without answers costs a start, and nothing hangs. */
static int
test_silent_control(void)
{
	uint64_t start;

	device_conf.silent = true;
	DO(pmd_device_start(&device, &device_conf));
	DO(port_probe_driver(&port, 0, ",queues=2,queue_size=64,timeout=1000"));
	start = pmd_now_ms();
	TEST_ASSERT_EQUAL(port_start(&port, 2, &plain), -ETIMEDOUT, "");
	TEST_ASSERT(pmd_now_ms() - start < 5000, "it took too long");
	TEST_ASSERT(pmd_mbufs_used() == 0, "");
	SET(device.silent, false);
	DO(rte_eth_dev_start(port.id));
	DO(pmd_transfer(&port, &port, 0, &frames, 200));
	SET(device.silent, true);
	TEST_ASSERT_EQUAL(rte_eth_promiscuous_enable(port.id), -ETIMEDOUT, "");
	TEST_ASSERT_EQUAL(rte_eth_promiscuous_enable(port.id), -ENOTSUP, "it is left alone");
	DO(pmd_transfer(&port, &port, 0, &frames, 200));
	return TEST_SUCCESS;
}

/* A device that needs a reset gets one, and the port works as before. */
static int
test_needs_reset(void)
{
	DO(pmd_device_start(&device, &device_conf));
	DO(attach());
	DO(port_start(&port, 2, &plain));
	DO(pmd_transfer(&port, &port, 0, &frames, 200));
	rte_virtio_dev_needs_reset(device.dev);
	WAIT_FOR(port_xstat(&port, "device_restarts") == 1);
	DO(port_wait_link(&port, true));
	pmd_drain(&port);
	DO(pmd_transfer(&port, &port, 0, &frames, 200));
	DO(pmd_transfer(&port, &port, 1, &frames, 200));
	teardown();
	TEST_ASSERT(pmd_mbufs_used() == 0, "");
	return TEST_SUCCESS;
}

static struct unit_test_suite suite = {
	.suite_name = "net_virtio_vfio_user with a hostile card",
	.setup = pmd_setup,
	.unit_test_cases = {
		TEST_CASE_ST(setup, teardown, test_used_buffers),
		TEST_CASE_ST(setup, teardown, test_merged_buffers),
		TEST_CASE_ST(setup, teardown, test_sent_buffers),
		TEST_CASE_ST(setup, teardown, test_indexes),
		TEST_CASE_ST(setup, teardown, test_packets),
		TEST_CASE_ST(setup, teardown, test_configurations),
		TEST_CASE_ST(setup, teardown, test_silent_control),
		TEST_CASE_ST(setup, teardown, test_needs_reset),
		TEST_CASES_END()
	},
};

static int
test_vnic_hostile(void)
{
	return unit_test_suite_runner(&suite);
}

REGISTER_TEST_COMMAND(vnic_hostile_autotest, test_vnic_hostile);
