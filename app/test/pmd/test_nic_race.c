/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

/* The data path, the guest and the application's settings at the same time. */

#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <rte_byteorder.h>

#include "pmd_guest.h"
#include "pmd_port.h"

#define PAIRS 2
#define ISLAND UINT64_C(0x700000000)
#define ISLAND_SIZE 65536u
#define POISON 0xdd

static struct pmd_port port;
static struct guest guest;
static uint8_t frame[FRAME_MAX], received[FRAME_MAX];
static pthread_t thread;
static bool running, stop; /* stop is atomic */
static int bad; /* atomic: what a thread found */
static uint32_t echoed; /* atomic: packets */

static int
setup(void)
{
	port.id = RTE_MAX_ETHPORTS;
	running = stop = false;
	bad = 0;
	TEST_ASSERT_EQUAL(pmd_mbufs_used(), 0u, "mbufs leaked before");
	DO(port_up(&port, ",queues=2,tso=1,mtu=1500", PAIRS));
	return guest_connect(&guest, port.path);
}

static void
threads_stop(void)
{
	if (!running)
		return;
	SET(stop, true);
	pthread_join(thread, NULL);
	running = false;
}

static void
teardown(void)
{
	threads_stop();
	guest_disconnect(&guest);
	port_remove(&port);
}

static int
threads_start(void *(*run)(void *arg))
{
	DO(pthread_create(&thread, NULL, run, NULL));
	running = true;
	return TEST_SUCCESS;
}

/* ------------------------------------------------------------------- data path */

static int
check_mbuf(const struct rte_mbuf *m)
{
	const char *reason;

	TEST_ASSERT_SUCCESS(rte_mbuf_check(m, 1, &reason), "%s", reason);
	TEST_ASSERT(m->pkt_len >= FRAME_MIN && m->pkt_len <= FRAME_MAX, "%u bytes", m->pkt_len);
	return TEST_SUCCESS;
}

/* What is received is sent back, on all queues. */
static void *
echo_all(void *arg)
{
	struct rte_mbuf *pkts[32];
	uint16_t q, nb, sent, i;
	uint32_t idle = 0;

	while (!GET(stop)) {
		for (q = 0; q < PAIRS; q++) {
			nb = rte_eth_rx_burst(port.id, q, pkts, RTE_DIM(pkts));
			for (i = 0; i < nb; i++)
				if (check_mbuf(pkts[i]) != TEST_SUCCESS)
					SET(bad, 1);
			sent = rte_eth_tx_burst(port.id, q, pkts, nb);
			rte_pktmbuf_free_bulk(pkts + sent, nb - sent);
			__atomic_fetch_add(&echoed, nb, __ATOMIC_RELAXED);
			idle = nb != 0 ? 0 : idle + 1;
		}
		if (idle % 64 == 0)
			sched_yield();
	}
	return arg;
}

/* ------------------------------------------------------------- what may happen */

static int
guest_anew(void)
{
	uint64_t features = BIT(VIRTIO_NET_F_CTRL_VQ) | BIT(VIRTIO_NET_F_MQ) |
		BIT(VIRTIO_NET_F_CTRL_RX) | BIT(VIRTIO_NET_F_CTRL_VLAN) |
		BIT(VIRTIO_NET_F_STATUS) | BIT(VIRTIO_NET_F_GUEST_ANNOUNCE) |
		BIT(VIRTIO_NET_F_CTRL_GUEST_OFFLOADS) | BIT(VIRTIO_NET_F_NOTF_COAL) |
		BIT(VIRTIO_NET_F_CTRL_MAC_ADDR);

	if (pmd_rand() & 1)
		features |= BIT(VIRTIO_F_RING_PACKED);
	if (pmd_rand() & 1)
		features |= BIT(VIRTIO_F_IN_ORDER);
	if (pmd_rand() & 1)
		features |= BIT(VIRTIO_NET_F_MRG_RXBUF);
	if (pmd_rand() & 1)
		features |= BIT(VIRTIO_NET_F_CSUM) | BIT(VIRTIO_NET_F_GUEST_CSUM) |
			BIT(VIRTIO_NET_F_GUEST_TSO4);
	return guest_up(&guest, features, PAIRS, 64);
}

static int
guest_returns(void)
{
	guest_disconnect(&guest);
	DO(guest_connect(&guest, port.path));
	return guest_anew();
}

static int
device_reset(void)
{
	DO(rte_vfio_user_client_reset(guest.client));
	return guest_anew();
}

/* All memory goes, and comes back. */
static int
remap(void)
{
	const struct rte_vfio_user_dma_map map = { .iova = VIRTIO_DRIVER_IOVA,
		.size = guest.drv.mem_size, .prot = PROT_READ | PROT_WRITE, .fd = guest.drv.fd };
	const struct rte_vfio_user_dma_range range = { map.iova, map.size };

	DO(rte_vfio_user_client_dma_unmap(guest.client, &range, 1));
	return rte_vfio_user_client_dma_map(guest.client, &map, 1);
}

static int
command(uint8_t class, uint8_t cmd, const void *data, uint32_t len)
{
	TEST_ASSERT(guest_ctrl(&guest, class, cmd, data, len, NULL) >= 0, "class %u", class);
	return TEST_SUCCESS;
}

static int
pairs_set(void)
{
	const uint16_t le = rte_cpu_to_le_16((uint16_t)(1 + pmd_rand_below(PAIRS)));

	return command(VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET, &le, 2);
}

static int
filters_set(void)
{
	const uint8_t tables[] = { 1, 0, 0, 0, 2, 0, 0, 0, 0, 1, 1, 0, 0, 0, 1, 0, 0, 0, 0, 1 };
	const uint8_t on = pmd_rand() & 1;
	const uint16_t vlan = rte_cpu_to_le_16(7);

	DO(command(VIRTIO_NET_CTRL_RX, VIRTIO_NET_CTRL_RX_PROMISC, &on, 1));
	DO(command(VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_TABLE_SET, tables, sizeof(tables)));
	DO(command(VIRTIO_NET_CTRL_VLAN, VIRTIO_NET_CTRL_VLAN_ADD, &vlan, 2));
	return command(VIRTIO_NET_CTRL_RX, VIRTIO_NET_CTRL_RX_PROMISC, (uint8_t[]){ 1 }, 1);
}

static int
settings_set(void)
{
	const uint64_t offloads = 0;
	const uint32_t coal[] = { rte_cpu_to_le_32(3), rte_cpu_to_le_32(pmd_rand_below(300)) };
	const uint8_t mac[] = { 2, 0, 0, 0, 0, (uint8_t)pmd_rand() };

	DO(command(VIRTIO_NET_CTRL_GUEST_OFFLOADS, VIRTIO_NET_CTRL_GUEST_OFFLOADS_SET, &offloads,
		   8));
	DO(command(VIRTIO_NET_CTRL_NOTF_COAL, VIRTIO_NET_CTRL_NOTF_COAL_RX_SET, coal, 8));
	DO(command(VIRTIO_NET_CTRL_NOTF_COAL, VIRTIO_NET_CTRL_NOTF_COAL_TX_SET, coal, 8));
	return command(VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_ADDR_SET, mac, 6);
}

static int
port_read(void)
{
	static struct rte_eth_xstat xstats[256];
	struct rte_eth_stats stats;
	struct rte_eth_link link;

	DO(rte_eth_stats_get(port.id, &stats));
	TEST_ASSERT(rte_eth_xstats_get(port.id, xstats, RTE_DIM(xstats)) > 0, "xstats");
	DO(rte_eth_link_get_nowait(port.id, &link));
	return pmd_rand_below(8) == 0 ? rte_eth_stats_reset(port.id) : 0;
}

static int
port_set(void)
{
	struct rte_ether_addr addr = { { 2, 1, 0, 0, 0, (uint8_t)pmd_rand() } };

	DO(rte_eth_dev_default_mac_addr_set(port.id, &addr));
	DO(rte_eth_dev_set_mtu(port.id, (uint16_t)(1500 + pmd_rand_below(1000))));
	return rte_eth_dev_set_vlan_offload(port.id,
			pmd_rand() & 1 ? RTE_ETH_VLAN_STRIP_OFFLOAD : 0);
}

/* Packets to both queues; those that come back are some of them. */
static int
traffic(void)
{
	struct virtio_net_hdr_v1 hdr;
	uint32_t nb = pmd_rand_below(60), len;
	uint16_t pair;
	bool indirect;
	int ret;

	for (pair = 0; pair < PAIRS; pair++)
		while (guest_post(&guest, pair, 4096, GUEST_ONE, false) == 1)
			;
	for (; nb != 0; nb--) {
		pair = (uint16_t)pmd_rand_below(PAIRS);
		len = FRAME_MIN + pmd_rand_below(3000);
		frame_fill(nb, frame, len);
		memcpy(frame, &len, 4);
		frame[4] = 0;
		if (guest_send(&guest, pair, NULL, frame, len, guest_form(&guest, &indirect),
			       false) != 1)
			break;
	}
	for (pair = 0; pair < PAIRS; pair++) {
		TEST_ASSERT(guest_reap(&guest, pair) >= 0, "reap");
		while ((ret = guest_recv(&guest, pair, &hdr, received)) > 0) {
			memcpy(&len, received, 4);
			TEST_ASSERT_EQUAL((uint32_t)ret, len, "length");
		}
		TEST_ASSERT_EQUAL(ret, 0, "ring");
	}
	return TEST_SUCCESS;
}

static int
test_everything(void)
{
	static const struct {
		int (*run)(void);
		const char *name;
	} events[] = {
		{ traffic, "traffic" }, { traffic, "traffic" }, { traffic, "traffic" },
		{ traffic, "traffic" }, { guest_anew, "reset" }, { guest_returns, "reconnection" },
		{ device_reset, "device reset" }, { remap, "memory" }, { pairs_set, "queues" },
		{ filters_set, "filters" }, { settings_set, "settings" },
		{ port_read, "statistics" }, { port_set, "port" },
	};
	const uint32_t rounds = pmd_long() ? 40000 : 2500;
	uint32_t i, which;

	pmd_rand_seed(11);
	DO(guest_anew());
	DO(threads_start(echo_all));
	for (i = 0; i < rounds; i++) {
		which = pmd_rand_below(RTE_DIM(events));
		TEST_ASSERT(events[which].run() == TEST_SUCCESS, "round %u: %s", i,
			    events[which].name);
		TEST_ASSERT_EQUAL(GET(bad), 0, "round %u", i);
	}
	TEST_ASSERT(GET(echoed) != 0, "no traffic at all");
	TEST_ASSERT_EQUAL(port_xstat(&port, "rx_q0_broken_rings"), 0u, "broken");
	TEST_ASSERT_EQUAL(port_xstat(&port, "tx_q0_broken_rings"), 0u, "broken");
	threads_stop();
	DO(rte_eth_dev_stop(port.id));
	TEST_ASSERT_EQUAL(pmd_mbufs_used(), 0u, "mbufs leaked");
	return TEST_SUCCESS;
}

/* ------------------------------------------------------------------- unmapping */

/* Buffers in memory that goes: once it has gone, nothing is written there. */
static int
test_unmapped(void)
{
	const uint32_t rounds = pmd_long() ? 5000 : 200;
	const struct rte_vfio_user_dma_range range = { ISLAND, ISLAND_SIZE };
	struct rte_vfio_user_dma_map map = { .iova = ISLAND, .size = ISLAND_SIZE,
		.prot = PROT_READ | PROT_WRITE };
	uint32_t i, k;
	uint8_t *mem;

	map.fd = memfd_create("island", MFD_CLOEXEC);
	TEST_ASSERT_SUCCESS(ftruncate(map.fd, ISLAND_SIZE), "file");
	mem = mmap(NULL, ISLAND_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, map.fd, 0);
	TEST_ASSERT(mem != MAP_FAILED, "mmap");
	DO(threads_start(echo_all));
	for (i = 0; i < rounds; i++) {
		DO(guest_up(&guest, i & 1 ? BIT(VIRTIO_F_RING_PACKED) : 0, 1, 64));
		memset(mem, 0, ISLAND_SIZE);
		DO(rte_vfio_user_client_dma_map(guest.client, &map, 1));
		for (k = 0; k < 32; k++)
			virtio_driver_add(guest_rx(&guest, 0)->vq, &(struct virtio_driver_buf){
				ISLAND + k * 2048, 2048 }, 0, 1, false);
		for (k = 0; k < 32; k++)
			TEST_ASSERT_EQUAL(guest_send(&guest, 0, NULL, frame, 1500, GUEST_ONE,
						     false), 1, "send");
		if (i % 8 != 0)
			usleep(i % 8 * 10);
		DO(rte_vfio_user_client_dma_unmap(guest.client, &range, 1));
		memset(mem, POISON, ISLAND_SIZE);
		usleep(50);
		for (k = 0; k < ISLAND_SIZE; k++)
			TEST_ASSERT(mem[k] == POISON, "round %u: written at %u", i, k);
		TEST_ASSERT_EQUAL(GET(bad), 0, "round %u", i);
	}
	threads_stop();
	munmap(mem, ISLAND_SIZE);
	close(map.fd);
	return TEST_SUCCESS;
}

/* -------------------------------------------------------------- start and stop */

/* A guest that never stops sending numbered packets and taking what comes. */
static void *
guest_loop(void *arg)
{
	struct virtio_net_hdr_v1 hdr;
	uint64_t number = 0;
	uint32_t len;
	int ret;

	while (!GET(stop)) {
		while (guest_post(&guest, 0, 2048, GUEST_ONE, false) == 1)
			;
		while (guest_tx(&guest, 0)->nb_free != 0) {
			len = 60 + (uint32_t)(number % 1000);
			frame_fill(number, frame, len);
			if (guest_send(&guest, 0, NULL, frame, len,
				       number % 5 ? GUEST_ONE : GUEST_APART, false) != 1)
				break;
			number++;
		}
		if (guest_reap(&guest, 0) < 0)
			SET(bad, 1);
		while ((ret = guest_recv(&guest, 0, &hdr, received)) > 0)
			;
		if (ret < 0)
			SET(bad, 1);
		sched_yield();
	}
	return arg;
}

static int
test_start_stop(void)
{
	const uint32_t rounds = pmd_long() ? 1000 : 60;
	static uint8_t expected[FRAME_MAX];
	struct rte_mbuf *pkts[32];
	uint64_t number = 0, begin;
	uint32_t i, k, len;
	uint16_t nb, sent, n;

	DO(guest_up(&guest, BIT(VIRTIO_NET_F_MRG_RXBUF), 1, 64));
	DO(threads_start(guest_loop));
	for (i = 0; i < rounds; i++) {
		begin = number;
		for (k = 0; k < 1 + i % 20 || (number == begin && k < 1000000); k++) {
			sched_yield();
			nb = rte_eth_rx_burst(port.id, 0, pkts, RTE_DIM(pkts));
			for (n = 0; n < nb; n++, number++) {
				len = 60 + (uint32_t)(number % 1000);
				frame_fill(number, expected, len);
				TEST_ASSERT(frame_check(pkts[n], expected, len) == TEST_SUCCESS,
					    "packet %" PRIu64, number);
			}
			sent = rte_eth_tx_burst(port.id, 0, pkts, nb);
			rte_pktmbuf_free_bulk(pkts + sent, nb - sent);
		}
		TEST_ASSERT(number != begin, "round %u: no traffic", i);
		DO(rte_eth_dev_stop(port.id));
		TEST_ASSERT_EQUAL(pmd_mbufs_used(), 0u, "mbufs leaked");
		if (i % 4 == 0) {
			DO(port_start(&port, PAIRS, NULL));
			if (i % 8 == 0)
				DO(rte_eth_stats_reset(port.id));
		} else {
			DO(rte_eth_dev_start(port.id));
		}
		TEST_ASSERT_EQUAL(GET(bad), 0, "guest");
		TEST_ASSERT(port_link(&port), "link");
	}
	return TEST_SUCCESS;
}

static struct unit_test_suite suite = {
	.suite_name = "threads at a port",
	.setup = pmd_setup,
	.unit_test_cases = {
		TEST_CASE_ST(setup, teardown, test_everything),
		TEST_CASE_ST(setup, teardown, test_unmapped),
		TEST_CASE_ST(setup, teardown, test_start_stop),
		TEST_CASES_END()
	}
};

static int
test_nic_race(void)
{
	return unit_test_suite_runner(&suite);
}

REGISTER_TEST_COMMAND(nic_race_autotest, test_nic_race);
