/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

/* Cards that go and come again in this process; those of others: test_pair_kill.c. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <linux/virtio_config.h>
#include <linux/virtio_net.h>

#include <rte_byteorder.h>
#include <rte_eal_memconfig.h>
#include <rte_interrupts.h>

#include "pmd_device.h"
#include "pmd_pair.h"
#include "pmd_peer.h"

/* Frames that are on the way when a card goes. */
#define ON_THE_WAY 50u
#define WAIT_MS 10000u

static struct pmd_device device;
static struct pmd_device_conf device_conf;
static struct pmd_port port;
static struct pmd_pair pair;
static pid_t peer;
static char path[128];

static const struct pmd_traffic frames = { 31000, 1514, FRAME_MAX };
static const struct rte_eth_conf plain;

static int
setup(void)
{
	pair_init(&pair);
	port.id = RTE_MAX_ETHPORTS;
	snprintf(path, sizeof(path), "%s/0", pmd_folder);
	pmd_device_conf_init(&device_conf, path);
	device_conf.pairs = device_conf.max_pairs = 2;
	return TEST_SUCCESS;
}

static void
teardown(void)
{
	pmd_peer_kill(peer);
	peer = 0;
	port_remove(&port);
	pmd_device_stop(&device);
	pair_remove(&pair);
}

static int
attach(const char *more, uint16_t queues, const struct rte_eth_conf *conf)
{
	char args[256];

	snprintf(args, sizeof(args), ",queues=2,queue_size=64%s", more);
	DO(port_probe_driver(&port, 0, args));
	return port_start(&port, queues, conf);
}

/* Send frames through a loop until one comes back. */
static int
wait_for_frame(const struct pmd_port *p, uint16_t queue, uint32_t ms)
{
	const uint64_t end = pmd_now_ms() + ms;

	do {
		pmd_send(p, queue, &frames, 1);
		if (pmd_drain(p) != 0)
			return 0;
		usleep(200);
	} while (pmd_now_ms() < end);
	return -ETIMEDOUT;
}

/* Whether the card was told what the application wants, as one never seen. */
static int
check_told(const struct rte_ether_addr *mac)
{
	const rte_le16_t vlan = rte_cpu_to_le_16(7);
	const struct pmd_command *c;

	c = pmd_device_command(&device, VIRTIO_NET_CTRL_RX, VIRTIO_NET_CTRL_RX_PROMISC);
	TEST_ASSERT(c != NULL && c->data[0] == 1, "promiscuous");
	c = pmd_device_command(&device, VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_ADDR_SET);
	TEST_ASSERT(c != NULL && memcmp(c->data, mac, sizeof(*mac)) == 0, "address");
	c = pmd_device_command(&device, VIRTIO_NET_CTRL_VLAN, VIRTIO_NET_CTRL_VLAN_ADD);
	TEST_ASSERT(c != NULL && memcmp(c->data, &vlan, 2) == 0, "VLAN");
	c = pmd_device_command(&device, VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET);
	TEST_ASSERT(c != NULL && c->data[0] == 2, "pairs");
	return TEST_SUCCESS;
}

/* A card stops with frames in its rings, and one starts that knows nothing. */
static int
test_restart(void)
{
	struct rte_ether_addr mac = { { 0x02, 5, 5, 5, 5, 5 } };
	const uint32_t rounds = (pmd_long() ? 500 : 20);
	uint32_t i;
	uint16_t q;

	DO(pmd_device_start(&device, &device_conf));
	DO(attach("", 2, &(struct rte_eth_conf){
			  .rxmode.offloads = RTE_ETH_RX_OFFLOAD_VLAN_FILTER }));
	DO(rte_eth_promiscuous_enable(port.id));
	DO(rte_eth_dev_default_mac_addr_set(port.id, &mac));
	DO(rte_eth_dev_vlan_filter(port.id, 7, 1));
	for (i = 0; i < rounds; i++) {
		for (q = 0; q < 2; q++)
			pmd_send(&port, q, &frames, ON_THE_WAY);
		pmd_device_stop(&device);
		DO(port_wait_link(&port, false));
		pmd_send(&port, 0, &frames, ON_THE_WAY);
		DO(pmd_device_start(&device, &device_conf));
		for (q = 0; q < 2; q++) {
			TEST_ASSERT_SUCCESS(wait_for_frame(&port, q, 5000), "round %u", i);
			DO(pmd_flush(&port, &port, q));
			TEST_ASSERT_SUCCESS(pmd_transfer(&port, &port, q, &frames, 100),
					    "round %u", i);
		}
		DO(port_wait_link(&port, true));
		DO(check_told(&mac));
	}
	TEST_ASSERT_EQUAL(port_xstat(&port, "device_restarts"), rounds, "");
	teardown();
	TEST_ASSERT(pmd_mbufs_used() == 0, "");
	return TEST_SUCCESS;
}

/* The application changes its mind, stops and starts while there is no card. */
static int
test_without_card(void)
{
	const struct pmd_command *c;

	DO(pmd_device_start(&device, &device_conf));
	DO(attach("", 1, &plain));
	pmd_device_stop(&device);
	DO(port_wait_link(&port, false));
	DO(rte_eth_promiscuous_enable(port.id));
	DO(rte_eth_dev_stop(port.id));
	TEST_ASSERT(pmd_mbufs_used() == 0, "");
	DO(rte_eth_dev_start(port.id));
	TEST_ASSERT_EQUAL(wait_for_frame(&port, 0, 50), -ETIMEDOUT, "");
	DO(pmd_device_start(&device, &device_conf));
	DO(wait_for_frame(&port, 0, 5000));
	c = pmd_device_command(&device, VIRTIO_NET_CTRL_RX, VIRTIO_NET_CTRL_RX_PROMISC);
	TEST_ASSERT(c != NULL && c->data[0] == 1, "");
	pmd_device_stop(&device);
	port_remove(&port); /* while it looks for a card */
	TEST_ASSERT(pmd_mbufs_used() == 0, "");
	return TEST_SUCCESS;
}

/* An application that sleeps is woken, to offer buffers to the new card. */
static int
test_asleep(void)
{
	const struct rte_eth_conf conf = { .intr_conf.rxq = 1 };
	struct rte_epoll_event event;

	DO(pmd_device_start(&device, &device_conf));
	DO(attach("", 1, &conf));
	DO(rte_eth_dev_rx_intr_ctl_q(port.id, 0, RTE_EPOLL_PER_THREAD, RTE_INTR_EVENT_ADD, NULL));
	DO(rte_eth_dev_rx_intr_enable(port.id, 0));
	pmd_device_stop(&device);
	while (rte_epoll_wait(RTE_EPOLL_PER_THREAD, &event, 1, 100) > 0)
		;
	DO(pmd_device_start(&device, &device_conf));
	WAIT_FOR(port_xstat(&port, "device_restarts") == 1);
	TEST_ASSERT_EQUAL(rte_epoll_wait(RTE_EPOLL_PER_THREAD, &event, 1, WAIT_MS), 1, "");
	while (rte_epoll_wait(RTE_EPOLL_PER_THREAD, &event, 1, 100) > 0)
		;
	pmd_drain(&port);
	/* and again for a frame: what it asked for is kept */
	pmd_send(&port, 0, &frames, 1);
	TEST_ASSERT_EQUAL(rte_epoll_wait(RTE_EPOLL_PER_THREAD, &event, 1, WAIT_MS), 1, "");
	DO(rte_eth_dev_rx_intr_ctl_q(port.id, 0, RTE_EPOLL_PER_THREAD, RTE_INTR_EVENT_DEL, NULL));
	teardown();
	TEST_ASSERT(pmd_mbufs_used() == 0, "");
	return TEST_SUCCESS;
}

/* A card that can do less is another one: it is not used. */
static int
test_lesser_card(void)
{
	DO(pmd_device_start(&device, &device_conf));
	DO(attach("", 1, &plain));
	pmd_device_stop(&device);
	device_conf.features_off = UINT64_C(1) << VIRTIO_F_RING_PACKED;
	DO(pmd_device_start(&device, &device_conf));
	WAIT_FOR(port_xstat(&port, "connection_losses") == 1);
	TEST_ASSERT_EQUAL(wait_for_frame(&port, 0, 300), -ETIMEDOUT, "");
	pmd_device_stop(&device);
	device_conf.features_off = 0;
	DO(pmd_device_start(&device, &device_conf));
	DO(wait_for_frame(&port, 0, 5000));
	teardown();
	TEST_ASSERT(pmd_mbufs_used() == 0, "");
	return TEST_SUCCESS;
}

/* After a time the port gives up, and says so. */
static int
test_give_up(void)
{
	clock_t start;

	DO(pmd_device_start(&device, &device_conf));
	DO(attach(",reconnect=100", 1, &(struct rte_eth_conf){ .intr_conf.rmv = 1 }));
	TEST_ASSERT_EQUAL(rte_eth_dev_is_removed(port.id), 0, "");
	pmd_device_stop(&device);
	WAIT_FOR(GET(port.rmv) == 1);
	TEST_ASSERT_EQUAL(rte_eth_dev_is_removed(port.id), 1, "");
	start = clock();
	usleep(300000);
	TEST_ASSERT(clock() - start < CLOCKS_PER_SEC / 10, "the control thread does not sleep");
	teardown();
	TEST_ASSERT(pmd_mbufs_used() == 0, "");
	return TEST_SUCCESS;
}

/* The same with net_vfio_user at the other end. */
static int
test_restart_pair(void)
{
	const uint32_t rounds = pmd_long() ? 200 : 10;
	uint32_t i;

	DO(pair_start(&pair, "", "", 1, NULL));
	for (i = 0; i < rounds; i++) {
		DO(pmd_transfer(&pair.driver, &pair.device, 0, &frames, 100));
		pmd_send(&pair.driver, 0, &frames, ON_THE_WAY);
		pmd_send(&pair.device, 0, &frames, ON_THE_WAY);
		port_remove(&pair.device);
		DO(port_wait_link(&pair.driver, false));
		WAIT_FOR(GET(pair.driver.lsc) == 2 * i + 1);
		DO(port_up(&pair.device, "", 1));
		DO(pair_wait_links(&pair, true));
		WAIT_FOR(GET(pair.driver.lsc) == 2 * i + 2);
		pmd_drain(&pair.driver);
		TEST_ASSERT_SUCCESS(pmd_transfer(&pair.driver, &pair.device, 0, &frames, 100),
				    "round %u", i);
		TEST_ASSERT_SUCCESS(pmd_transfer(&pair.device, &pair.driver, 0, &frames, 100),
				    "round %u", i);
	}
	teardown();
	TEST_ASSERT(pmd_mbufs_used() == 0, "");
	return TEST_SUCCESS;
}

/* ------------------------------------------------------------- processes */

/* A driver with an EAL of its own, until it is killed. */
static int
driver_peer(void)
{
	const char *folder = pmd_peer_arg();

	DO(pmd_setup());
	rmdir(pmd_folder);
	snprintf(pmd_folder, sizeof(pmd_folder), "%s", folder);
	/* the folder is not ours to remove at an exit */
	if (port_probe_driver(&port, 0, "") < 0 || port_start(&port, 1, &plain) < 0)
		_exit(EXIT_FAILURE);
	for (;;)
		wait_for_frame(&port, 0, 0);
}

REGISTER_PEER_TEST(vnic_driver_peer, driver_peer);

/*
 * Who allocates memory of the EAL waits for the device with the lock of that memory
 * held (lib/vfio_user, vfio_user_client_eal.c). Here it is held for all the time that
 * a card needs to come back, and that a driver needs to attach to a port: neither
 * control thread may take it.
 */
static int
test_memory_lock(void)
{
	int ret;

	DO(pmd_device_start(&device, &device_conf));
	DO(attach("", 1, &plain));
	rte_mcfg_mem_write_lock();
	pmd_device_stop(&device);
	ret = port_wait_link(&port, false);
	if (ret == 0)
		ret = pmd_device_start(&device, &device_conf);
	if (ret == 0)
		ret = wait_for_frame(&port, 0, WAIT_MS);
	rte_mcfg_mem_write_unlock();
	DO(ret);
	port_remove(&port);
	pmd_device_stop(&device);

	DO(port_up(&pair.device, "", 1));
	rte_mcfg_mem_write_lock();
	peer = pmd_peer_start("vnic_driver_peer", pmd_folder);
	ret = port_wait_link(&pair.device, true);
	pmd_peer_kill(peer);
	if (ret == 0)
		ret = port_wait_link(&pair.device, false);
	rte_mcfg_mem_write_unlock();
	if (peer > 0)
		pmd_remove_runtime(peer);
	peer = 0;
	DO(ret);
	return TEST_SUCCESS;
}

static struct unit_test_suite suite = {
	.suite_name = "net_virtio_vfio_user and cards that go and come",
	.setup = pmd_setup,
	.unit_test_cases = {
		TEST_CASE_ST(setup, teardown, test_restart),
		TEST_CASE_ST(setup, teardown, test_without_card),
		TEST_CASE_ST(setup, teardown, test_asleep),
		TEST_CASE_ST(setup, teardown, test_lesser_card),
		TEST_CASE_ST(setup, teardown, test_give_up),
		TEST_CASE_ST(setup, teardown, test_restart_pair),
		TEST_CASE_ST(setup, teardown, test_memory_lock),
		TEST_CASES_END()
	},
};

static int
test_vnic_reconnect(void)
{
	return unit_test_suite_runner(&suite);
}

REGISTER_TEST_COMMAND(vnic_reconnect_autotest, test_vnic_reconnect);
