/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

/*
 * Provider and consumer in two processes, one of which is killed at any moment, while
 * both send and receive: the survivor serves again at once, and has lost nothing.
 */

#include <errno.h>
#include <inttypes.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pmd_device.h"
#include "pmd_guest.h"
#include "pmd_pair.h"
#include "pmd_peer.h"
#include "pmd_usage.h"

#define QUEUES 2u
/* How long a survivor may take to work with what is there again. */
#define BACK_MS 1000u
/* For a process to begin, on a machine that has much else to do. */
#define WAIT_MS 60000u
/* Longest time until a kill. */
#define KILL_US 20000
/* After so many all is there that stays. */
#define WARM_UP 2u
#define BURST 32u
#define MAX_ROUNDS 200u

static struct pmd_device device;
static struct pmd_port port;
static struct guest guest;
static pid_t peer;
static char path[128];
/* How long it took in each round, in milliseconds. */
static uint64_t times[MAX_ROUNDS];
static uint32_t nb_times;

/* The thread of the survivor's traffic. */
static struct {
	pthread_t thread;
	bool running;
	bool stop; /* atomic */
	bool echoes; /* sends back what it receives, and else frames of its own */
	uint32_t received[QUEUES]; /* atomic */
} traffic;

static const struct pmd_traffic frames = { 41000, 1514, FRAME_MAX };

static int
setup(void)
{
	memset(&traffic, 0, sizeof(traffic));
	nb_times = 0;
	port.id = RTE_MAX_ETHPORTS;
	snprintf(path, sizeof(path), "%s/0", pmd_folder);
	return TEST_SUCCESS;
}

static void
traffic_stop(void)
{
	if (!traffic.running)
		return;
	SET(traffic.stop, true);
	pthread_join(traffic.thread, NULL);
	traffic.running = false;
}

static void
peer_kill(void)
{
	if (peer <= 0)
		return;
	pmd_peer_kill(peer);
	pmd_remove_runtime(peer);
	peer = 0;
}

static void
teardown(void)
{
	traffic_stop();
	guest_disconnect(&guest);
	peer_kill();
	port_remove(&port);
}

/* --------------------------------------------------------------- traffic */

/* What comes is sent back: how many frames. */
static uint16_t
echo(uint16_t queue)
{
	struct rte_mbuf *pkts[BURST];
	const uint16_t nb = rte_eth_rx_burst(port.id, queue, pkts, BURST);
	const uint16_t sent = rte_eth_tx_burst(port.id, queue, pkts, nb);

	rte_pktmbuf_free_bulk(pkts + sent, nb - sent);
	return nb;
}

static uint16_t
send_and_receive(uint16_t queue)
{
	struct rte_mbuf *pkts[BURST];
	uint16_t nb;

	pmd_send(&port, queue, &frames, BURST);
	nb = rte_eth_rx_burst(port.id, queue, pkts, BURST);
	rte_pktmbuf_free_bulk(pkts, nb);
	return nb;
}

static void *
run(void *arg)
{
	uint16_t queue, nb, all;

	while (!GET(traffic.stop)) {
		for (queue = 0, all = 0; queue < QUEUES; queue++, all += nb) {
			nb = traffic.echoes ? echo(queue) : send_and_receive(queue);
			__atomic_fetch_add(&traffic.received[queue], nb, __ATOMIC_RELAXED);
		}
		if (all == 0)
			sched_yield();
	}
	return arg;
}

static int
traffic_start(bool echoes)
{
	traffic.echoes = echoes;
	DO(pthread_create(&traffic.thread, NULL, run, NULL));
	traffic.running = true;
	return TEST_SUCCESS;
}

/* Frames have come over each queue since now. */
static int
wait_traffic(void)
{
	const uint64_t end = pmd_now_ms() + WAIT_MS;
	uint32_t before[QUEUES];
	uint16_t queue;

	for (queue = 0; queue < QUEUES; queue++)
		before[queue] = GET(traffic.received[queue]);
	for (queue = 0; queue < QUEUES; queue++) {
		while (GET(traffic.received[queue]) == before[queue]) {
			TEST_ASSERT(pmd_now_ms() < end, "no frame over queue %u", queue);
			usleep(200);
		}
	}
	return TEST_SUCCESS;
}

static void
took(uint64_t since)
{
	times[nb_times++] = pmd_now_ms() - since;
}

static int
compare(const void *a, const void *b)
{
	const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* At the end of a test: all is as it was, when the traffic has ended. */
static int
finish(const struct pmd_usage *usage, const char *what)
{
	uint64_t median, longest;

	qsort(times, nb_times, sizeof(times[0]), compare);
	median = times[nb_times / 2];
	longest = times[nb_times - 1];
	printf("note: %s: killed %u times, works again after %" PRIu64 " ms, %" PRIu64
	       " ms at most\n", what, nb_times, median, longest);
	/* the longest time is that of a machine that is busy; the short form is, too */
	TEST_ASSERT(!pmd_long() || median <= BACK_MS, "%" PRIu64 " ms", median);
	DO(usage_check(usage));
	teardown();
	TEST_ASSERT_EQUAL(pmd_mbufs_used(), 0u, "leaked");
	return TEST_SUCCESS;
}

/* ------------------------------------------------------ providers, killed */

/* A card without an EAL, until it is killed. */
static int
card_peer(void)
{
	struct pmd_device_conf conf;

	pmd_device_conf_init(&conf, pmd_peer_arg());
	conf.pairs = conf.max_pairs = QUEUES;
	DO(pmd_device_start(&device, &conf));
	for (;;)
		pause();
}

REGISTER_PEER_TEST(pair_card_peer, card_peer);

/* A process with an EAL whose sockets lie in the folder of the test. */
static int
peer_setup(void)
{
	const char *folder = pmd_peer_arg();

	DO(pmd_setup());
	rmdir(pmd_folder);
	snprintf(pmd_folder, sizeof(pmd_folder), "%s", folder);
	return TEST_SUCCESS;
}

/* net_vfio_user that sends back what it receives, until it is killed. */
static int
port_peer(void)
{
	uint16_t queue, nb;

	if (peer_setup() != TEST_SUCCESS || port_up(&port, ",queues=2", QUEUES) != TEST_SUCCESS)
		_exit(EXIT_FAILURE); /* the folder is not ours to remove */
	for (;;) {
		for (queue = 0, nb = 0; queue < QUEUES; queue++)
			nb += echo(queue);
		if (nb == 0)
			sched_yield();
	}
}

REGISTER_PEER_TEST(pair_port_peer, port_peer);

/* Start a provider, and wait for its socket, which replaces a former one. */
static int
provide(const char *name, const char *arg, uint64_t *since)
{
	const uint64_t end = pmd_now_ms() + WAIT_MS;
	struct stat before, now;

	if (stat(path, &before) < 0)
		memset(&before, 0, sizeof(before));
	peer = pmd_peer_start(name, arg);
	TEST_ASSERT(peer > 0, "%s", strerror(-peer));
	while (stat(path, &now) < 0 ||
	       memcmp(&now.st_ctim, &before.st_ctim, sizeof(now.st_ctim)) == 0) {
		TEST_ASSERT(pmd_now_ms() < end, "%s provides nothing", name);
		usleep(200);
	}
	*since = pmd_now_ms();
	return TEST_SUCCESS;
}

static int
kill_providers(const char *name, const char *arg, uint32_t rounds)
{
	const struct rte_eth_conf conf = { .intr_conf.lsc = 1 };
	struct pmd_usage usage;
	uint64_t since;
	uint32_t i;

	DO(provide(name, arg, &since));
	DO(port_probe_driver(&port, 0, ",queues=2,queue_size=64"));
	DO(rte_eth_promiscuous_enable(port.id));
	DO(port_start(&port, QUEUES, &conf));
	DO(traffic_start(false));
	for (i = 0; i < rounds; i++) {
		TEST_ASSERT_SUCCESS(wait_traffic(), "round %u", i);
		usleep(rand() % KILL_US);
		peer_kill();
		DO(provide(name, arg, &since));
		TEST_ASSERT_SUCCESS(wait_traffic(), "round %u", i);
		took(since);
		/* which is counted when frames come already */
		WAIT_UP_TO(WAIT_MS, port_xstat(&port, "device_restarts") > i);
		if (i == WARM_UP)
			usage_get(&usage);
	}
	TEST_ASSERT_EQUAL(port_xstat(&port, "device_restarts"), rounds, "");
	return finish(&usage, name);
}

static int
test_cards(void)
{
	return kill_providers("pair_card_peer", path, pmd_long() ? MAX_ROUNDS : 15);
}

static int
test_ports(void)
{
	return kill_providers("pair_port_peer", pmd_folder, pmd_long() ? MAX_ROUNDS : 5);
}

/* ------------------------------------------------------ consumers, killed */

/* net_virtio_vfio_user that sends and receives, until it is killed. */
static int
driver_peer(void)
{
	const struct rte_eth_conf conf = { .intr_conf.lsc = 0 };
	uint16_t queue;

	if (peer_setup() != TEST_SUCCESS ||
	    port_probe_driver(&port, 0, ",queues=2") != TEST_SUCCESS ||
	    port_start(&port, QUEUES, &conf) != TEST_SUCCESS)
		_exit(EXIT_FAILURE);
	for (;;)
		for (queue = 0; queue < QUEUES; queue++)
			send_and_receive(queue);
}

REGISTER_PEER_TEST(pair_driver_peer, driver_peer);

/* A guest of this process is served: no time is lost with the start of a process. */
static int
served_again(void)
{
	const uint64_t since = pmd_now_ms();
	static uint8_t frame[FRAME_MAX];
	struct virtio_net_hdr_v1 hdr;

	DO(port_wait_link(&port, false));
	DO(guest_connect(&guest, port.path));
	DO(guest_up(&guest, 0, 1, 64));
	DO(guest_post_plain(&guest, 0, 2048, 1));
	frame_fill(1, frame, 100);
	TEST_ASSERT_EQUAL(guest_send(&guest, 0, NULL, frame, 100, GUEST_ONE, false), 1, "");
	WAIT_UP_TO(WAIT_MS, guest_recv(&guest, 0, &hdr, frame) == 100);
	took(since);
	guest_disconnect(&guest);
	return port_wait_link(&port, false);
}

static int
test_drivers(void)
{
	const uint32_t rounds = pmd_long() ? MAX_ROUNDS : 5;
	struct pmd_usage usage;
	uint32_t i;

	DO(port_up(&port, ",queues=2", QUEUES));
	DO(traffic_start(true));
	for (i = 0; i < rounds; i++) {
		peer = pmd_peer_start("pair_driver_peer", pmd_folder);
		TEST_ASSERT(peer > 0, "%s", strerror(-peer));
		TEST_ASSERT_SUCCESS(wait_traffic(), "round %u", i);
		usleep(rand() % KILL_US);
		peer_kill();
		TEST_ASSERT_SUCCESS(served_again(), "round %u", i);
		if (i == WARM_UP)
			usage_get(&usage);
	}
	TEST_ASSERT_EQUAL(port_xstat(&port, "rx_q0_broken_rings"), 0u, "");
	return finish(&usage, "pair_driver_peer");
}

static struct unit_test_suite suite = {
	.suite_name = "provider and consumer in two processes, one of them killed",
	.setup = pmd_setup,
	.unit_test_cases = {
		TEST_CASE_ST(setup, teardown, test_cards),
		TEST_CASE_ST(setup, teardown, test_ports),
		TEST_CASE_ST(setup, teardown, test_drivers),
		TEST_CASES_END()
	},
};

static int
test_pair_kill(void)
{
	return unit_test_suite_runner(&suite);
}

REGISTER_TEST_COMMAND(pair_kill_autotest, test_pair_kill);
