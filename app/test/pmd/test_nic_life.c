/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

/* The life of ports and guests: who comes, goes, and comes again. */

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_bus_vdev.h>
#include <rte_byteorder.h>
#include <rte_errno.h>

#include "pmd_guest.h"
#include "pmd_peer.h"
#include "pmd_port.h"
#include "test_vfio_user_fds.h"

#define FEATURES (BIT(VIRTIO_NET_F_STATUS) | BIT(VIRTIO_NET_F_MTU) | BIT(VIRTIO_NET_F_CTRL_VQ) | \
	BIT(VIRTIO_NET_F_MQ))
#define MANY 16
#define STATUS_OFFSET offsetof(struct virtio_net_config, status)

static struct pmd_port port, ports[MANY];
static struct guest guest, guests[MANY];
static uint8_t frame[FRAME_MAX];
static int fds;

static int
setup(void)
{
	uint32_t i;

	port.id = RTE_MAX_ETHPORTS;
	for (i = 0; i < MANY; i++)
		ports[i].id = RTE_MAX_ETHPORTS;
	TEST_ASSERT_EQUAL(pmd_mbufs_used(), 0u, "mbufs leaked before");
	return check_fds(&fds);
}

static void
teardown(void)
{
	uint32_t i;

	guest_disconnect(&guest);
	port_remove(&port);
	for (i = 0; i < MANY; i++) {
		guest_disconnect(&guests[i]);
		port_remove(&ports[i]);
	}
}

/* nb packets in both directions of a pair. */
static int
exchange(struct pmd_port *p, struct guest *g, uint16_t pair, uint32_t nb)
{
	struct virtio_net_hdr_v1 hdr;
	struct rte_mbuf *m;
	uint32_t len, i;

	for (i = 0; i < nb; i++) {
		len = 60 + pmd_rand_below(1400);
		frame_fill(i, frame, len);
		TEST_ASSERT_EQUAL(guest_send(g, pair, NULL, frame, len, GUEST_APART, false), 1,
				  "send");
		TEST_ASSERT_EQUAL(rte_eth_rx_burst(p->id, pair, &m, 1), 1, "packet %u", i);
		TEST_ASSERT(frame_check(m, frame, len) == TEST_SUCCESS, "packet %u", i);
		TEST_ASSERT_EQUAL(guest_reap(g, pair), 1, "reap");
		TEST_ASSERT_EQUAL(guest_post(g, pair, 2048, GUEST_ONE, false), 1, "post");
		TEST_ASSERT_EQUAL(rte_eth_tx_burst(p->id, pair, &m, 1), 1, "packet %u", i);
		TEST_ASSERT_EQUAL(guest_recv(g, pair, &hdr, frame), (int)len, "packet %u", i);
	}
	return TEST_SUCCESS;
}

/* ------------------------------------------------------------------ start, stop */

static int
test_restart(void)
{
	struct rte_mbuf *m;
	uint32_t i;

	DO(port_up(&port, "", 1));
	DO(guest_connect(&guest, port.path));
	DO(guest_up(&guest, FEATURES, 1, 64));
	for (i = 0; i < 20; i++) {
		DO(exchange(&port, &guest, 0, 20));
		TEST_ASSERT(port_link(&port), "link");
		TEST_ASSERT_EQUAL(guest_config(&guest, STATUS_OFFSET, 2), VIRTIO_NET_S_LINK_UP,
				  "up");
		virtio_driver_irq_wait(guest.drv.config_fd, 0);
		DO(rte_eth_dev_stop(port.id));
		TEST_ASSERT(!port_link(&port), "link");
		TEST_ASSERT(virtio_driver_irq_wait(guest.drv.config_fd, 1000) != 0, "interrupt");
		TEST_ASSERT_EQUAL(guest_config(&guest, STATUS_OFFSET, 2), 0, "down");
		TEST_ASSERT_EQUAL(pmd_mbufs_used(), 0u, "mbufs leaked");
		/* what the guest sends meanwhile waits for the start */
		frame_fill(i, frame, 60);
		TEST_ASSERT_EQUAL(guest_send(&guest, 0, NULL, frame, 60, GUEST_ONE, false), 1,
				  "send");
		if (i % 2) /* configured anew, or not */
			DO(port_start(&port, 1, NULL));
		else
			DO(rte_eth_dev_start(port.id));
		TEST_ASSERT_EQUAL(rte_eth_rx_burst(port.id, 0, &m, 1), 1, "lost");
		TEST_ASSERT(frame_check(m, frame, 60) == TEST_SUCCESS, "packet");
		rte_pktmbuf_free(m);
		TEST_ASSERT_EQUAL(guest_reap(&guest, 0), 1, "reap");
	}
	return TEST_SUCCESS;
}

/* Another number of queues is another device: the guest has to come again. */
static int
test_other_queues(void)
{
	static const uint16_t queues[] = { 2, 4, 4, 1, 3 };
	uint32_t i;
	uint16_t q;

	DO(port_up(&port, ",queues=4", queues[0]));
	for (i = 0; i < RTE_DIM(queues); i++) {
		if (i != 0) {
			DO(rte_eth_dev_stop(port.id));
			DO(port_start(&port, queues[i], NULL));
			if (queues[i] == queues[i - 1]) {
				DO(exchange(&port, &guest, 1, 4));
				continue;
			}
			TEST_ASSERT(!port_link(&port), "link");
			TEST_ASSERT_EQUAL(rte_vfio_user_client_reset(guest.client), -ENOTCONN,
					  "connected");
			guest_disconnect(&guest);
		}
		DO(guest_connect(&guest, port.path));
		TEST_ASSERT_EQUAL(guest.drv.nb_queues, 2u * queues[i] + 1, "queues");
		DO(guest_up(&guest, FEATURES, queues[i], 64));
		if (queues[i] > 1)
			DO(guest_ctrl(&guest, VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET,
				      &(uint16_t){ rte_cpu_to_le_16(queues[i]) }, 2, NULL));
		for (q = 0; q < queues[i]; q++)
			DO(exchange(&port, &guest, q, 4));
	}
	return TEST_SUCCESS;
}

/* A port that is started cannot be taken away; it goes on. */
static int
test_uninit_started(void)
{
	DO(port_up(&port, "", 1));
	DO(guest_connect(&guest, port.path));
	DO(guest_up(&guest, FEATURES, 1, 64));
	TEST_ASSERT(rte_vdev_uninit(port.name) < 0, "removed");
	return exchange(&port, &guest, 0, 4);
}

static int
test_same_socket(void)
{
	char args[160];

	DO(port_up(&port, "", 1));
	DO(port_probe(&ports[1], 1, ""));
	snprintf(args, sizeof(args), "iface=%s", port.path);
	DO(port_remove(&ports[1]));
	DO(rte_vdev_init("net_vfio_user1", args));
	DO(rte_eth_dev_get_port_by_name("net_vfio_user1", &ports[1].id));
	TEST_ASSERT_EQUAL(port_start(&ports[1], 1, NULL), -EADDRINUSE, "two at one socket");
	DO(rte_vdev_uninit("net_vfio_user1"));
	ports[1].id = RTE_MAX_ETHPORTS;
	DO(guest_connect(&guest, port.path));
	DO(guest_up(&guest, FEATURES, 1, 64));
	return exchange(&port, &guest, 0, 4);
}

/* Ports come and go while another one has traffic. */
static int
test_hotplug(void)
{
	const uint32_t rounds = pmd_long() ? 1000 : 40;
	uint32_t i, number;
	const char *args;
	int after = 0;

	DO(port_up(&port, "", 1));
	DO(guest_connect(&guest, port.path));
	DO(guest_up(&guest, FEATURES, 1, 64));
	for (i = 0; i < rounds; i++) {
		args = i % 2 ? ",mode=interrupt" : "";
		number = 1 + i % 3;
		DO(port_probe(&ports[1], number, args));
		DO(port_start(&ports[1], 1, NULL));
		if (i % 4 != 0) { /* with a guest, which may stay until the end */
			DO(guest_connect(&guests[1], ports[1].path));
			DO(guest_up(&guests[1], FEATURES, 1, 64));
			DO(exchange(&ports[1], &guests[1], 0, 4));
		}
		DO(exchange(&port, &guest, 0, 4));
		if (i % 4 == 1)
			guest_disconnect(&guests[1]);
		if (i % 2) {
			DO(rte_eth_dev_stop(ports[1].id));
			DO(rte_eth_dev_close(ports[1].id));
			DO(rte_vdev_uninit(ports[1].name));
			ports[1].id = RTE_MAX_ETHPORTS;
		}
		DO(port_remove(&ports[1]));
		guest_disconnect(&guests[1]);
		DO(exchange(&port, &guest, 0, 4));
		DO(check_fds(&after));
	}
	return TEST_SUCCESS;
}

static int
test_many_ports(void)
{
	uint32_t i, k;

	for (i = 0; i < MANY; i++) {
		DO(port_probe(&ports[i], i, ",queue_size=64"));
		DO(port_start(&ports[i], 1, NULL));
		DO(guest_connect(&guests[i], ports[i].path));
		DO(guest_up(&guests[i], FEATURES, 1, 64));
	}
	for (k = 0; k < 4; k++)
		for (i = 0; i < MANY; i++)
			TEST_ASSERT(exchange(&ports[i], &guests[i], 0, 4) == TEST_SUCCESS,
				    "port %u", i);
	/* each ends alone */
	for (i = 0; i < MANY; i += 2)
		DO(port_remove(&ports[i]));
	for (i = 1; i < MANY; i += 2)
		DO(exchange(&ports[i], &guests[i], 0, 4));
	return TEST_SUCCESS;
}

/* ------------------------------------------------------------------------ guests */

static int
test_clients(void)
{
	struct rte_vfio_user_client_conf conf;
	uint32_t i;

	DO(port_up(&port, "", 1));
	for (i = 0; i < 12; i++) {
		DO(guest_connect(&guest, port.path));
		DO(guest_up(&guest, FEATURES | (i & 1 ? BIT(VIRTIO_F_RING_PACKED) : 0), 1, 64));
		DO(exchange(&port, &guest, 0, 10));
		/* one at a time */
		rte_vfio_user_client_conf_init(&conf);
		conf.sock_path = port.path;
		TEST_ASSERT_NULL(rte_vfio_user_client_create(&conf), "two clients");
		TEST_ASSERT_EQUAL(rte_errno, EBUSY, "%s", rte_strerror(rte_errno));
		DO(exchange(&port, &guest, 0, 10));
		if (i % 3 == 0)
			DO(virtio_driver_reset(&guest.drv));
		guest_disconnect(&guest);
		WAIT_FOR(!port_link(&port));
	}
	TEST_ASSERT_EQUAL(port_xstat(&port, "rx_q0_broken_rings"), 0u, "broken");
	return TEST_SUCCESS;
}

static int
test_events(void)
{
	uint32_t lsc, queue_state;

	DO(port_up(&port, "", 1));
	DO(guest_connect(&guest, port.path));
	lsc = GET(port.lsc);
	queue_state = GET(port.queue_state);
	TEST_ASSERT(!port_link(&port), "link without a driver");
	DO(guest_up(&guest, FEATURES, 1, 64));
	WAIT_FOR(GET(port.lsc) == lsc + 1 && port_link(&port));
	TEST_ASSERT(GET(port.queue_state) > queue_state, "queues");
	DO(virtio_driver_reset(&guest.drv));
	WAIT_FOR(GET(port.lsc) == lsc + 2 && !port_link(&port));
	DO(guest_up(&guest, FEATURES, 1, 64));
	WAIT_FOR(GET(port.lsc) == lsc + 3);
	queue_state = GET(port.queue_state);
	guest_disconnect(&guest);
	WAIT_FOR(GET(port.lsc) == lsc + 4);
	TEST_ASSERT(GET(port.queue_state) > queue_state, "queues");
	/* a port that is stopped has no link, whatever the guest does */
	DO(rte_eth_dev_stop(port.id));
	DO(guest_connect(&guest, port.path));
	DO(guest_up(&guest, FEATURES, 1, 64));
	TEST_ASSERT(!port_link(&port), "link");
	TEST_ASSERT_EQUAL(GET(port.lsc), lsc + 4, "events");
	DO(rte_eth_dev_start(port.id));
	TEST_ASSERT(port_link(&port), "link");
	TEST_ASSERT_EQUAL(GET(port.lsc), lsc + 5, "events");
	return TEST_SUCCESS;
}

static int
test_link(void)
{
	struct rte_eth_link link;

	DO(port_up(&port, ",speed=25000", 1));
	DO(guest_connect(&guest, port.path));
	DO(guest_up(&guest, FEATURES, 1, 64));
	DO(rte_eth_link_get(port.id, &link));
	TEST_ASSERT_EQUAL(link.link_status, RTE_ETH_LINK_UP, "status");
	TEST_ASSERT_EQUAL(link.link_speed, 25000u, "speed");
	TEST_ASSERT_EQUAL(link.link_duplex, RTE_ETH_LINK_FULL_DUPLEX, "duplex");
	return TEST_SUCCESS;
}

/* Promiscuous, and nothing else. */
static int
test_modes(void)
{
	DO(port_up(&port, "", 1));
	TEST_ASSERT_EQUAL(rte_eth_promiscuous_get(port.id), 1, "promiscuous");
	TEST_ASSERT_EQUAL(rte_eth_allmulticast_get(port.id), 1, "multicast");
	DO(rte_eth_promiscuous_enable(port.id));
	TEST_ASSERT_EQUAL(rte_eth_promiscuous_disable(port.id), -ENOTSUP, "off");
	TEST_ASSERT_EQUAL(rte_eth_allmulticast_disable(port.id), -ENOTSUP, "off");
	return TEST_SUCCESS;
}

static int
test_mtu(void)
{
	const uint32_t at = offsetof(struct virtio_net_config, mtu);

	DO(port_up(&port, ",mtu=1500", 1));
	DO(guest_connect(&guest, port.path));
	DO(guest_up(&guest, FEATURES, 1, 64));
	TEST_ASSERT_EQUAL(guest_config(&guest, at, 2), 1500, "mtu");
	virtio_driver_irq_wait(guest.drv.config_fd, 0);
	DO(rte_eth_dev_set_mtu(port.id, 9000));
	TEST_ASSERT_EQUAL(guest_config(&guest, at, 2), 9000, "mtu");
	TEST_ASSERT(virtio_driver_irq_wait(guest.drv.config_fd, 1000) != 0, "interrupt");
	TEST_ASSERT_EQUAL(rte_eth_dev_set_mtu(port.id, 67), -EINVAL, "67");
	/* it stays over a restart, also of the device */
	DO(rte_eth_dev_stop(port.id));
	DO(rte_eth_dev_start(port.id));
	TEST_ASSERT_EQUAL(guest_config(&guest, at, 2), 9000, "mtu");
	return TEST_SUCCESS;
}

static uint16_t
shown_mtu(void)
{
	uint16_t mtu = 0;

	rte_eth_dev_get_mtu(port.id, &mtu);
	return mtu;
}

/* The port's MTU is what a guest is offered, whoever has said it last. */
static int
test_mtu_shown(void)
{
	const uint32_t at = offsetof(struct virtio_net_config, mtu);

	DO(port_probe(&port, 0, ",mtu=9000"));
	TEST_ASSERT_EQUAL(shown_mtu(), 9000, "%u", shown_mtu());
	DO(port_start(&port, 1, NULL));
	TEST_ASSERT_EQUAL(shown_mtu(), 9000, "%u", shown_mtu());
	DO(rte_eth_dev_stop(port.id));
	DO(port_start(&port, 1, &(struct rte_eth_conf){ .rxmode.mtu = 4000 }));
	TEST_ASSERT_EQUAL(shown_mtu(), 4000, "%u", shown_mtu());
	DO(guest_connect(&guest, port.path));
	DO(guest_up(&guest, FEATURES, 1, 64));
	TEST_ASSERT_EQUAL(guest_config(&guest, at, 2), 4000, "mtu");
	return TEST_SUCCESS;
}

/* Whether the guest gets a frame; a tag to be inserted is not counted in len. */
static int
passes(uint32_t len, uint32_t seg_max, uint64_t flags, bool expected)
{
	const uint64_t before = port_xstat(&port, "tx_q0_too_long_drops");
	struct virtio_net_hdr_v1 hdr;
	struct rte_mbuf *m;
	int got;

	frame_fill(len, frame, len);
	frame[12] = frame[13] = 0; /* no tag by chance */
	m = frame_to_mbuf(frame, len, seg_max);
	TEST_ASSERT_NOT_NULL(m, "mbuf");
	m->ol_flags |= flags;
	TEST_ASSERT_EQUAL(rte_eth_tx_burst(port.id, 0, &m, 1), 1, "%u", len);
	got = guest_recv(&guest, 0, &hdr, frame);
	if (flags != 0)
		len += RTE_VLAN_HLEN;
	TEST_ASSERT_EQUAL(got, expected ? (int)len : 0, "%u bytes: %d", len, got);
	TEST_ASSERT_EQUAL(port_xstat(&port, "tx_q0_too_long_drops") - before, !expected, "count");
	return TEST_SUCCESS;
}

/* Frames above the MTU that a driver has found are not passed on, tags not counted. */
static int
test_mtu_limit(void)
{
	const uint32_t most = RTE_ETHER_MTU + RTE_ETHER_HDR_LEN;

	DO(port_up(&port, ",mtu=1500", 1));
	DO(guest_connect(&guest, port.path));
	DO(guest_up(&guest, FEATURES, 1, 64));
	DO(guest_post_plain(&guest, 0, 4096, 32));
	DO(passes(most, FRAME_MAX, 0, true));
	DO(passes(most + 1, FRAME_MAX, 0, false));
	DO(passes(most, 500, 0, true));
	DO(passes(most + 1, 500, 0, false));
	DO(passes(most, FRAME_MAX, RTE_MBUF_F_TX_VLAN, true));
	DO(passes(most + 1, FRAME_MAX, RTE_MBUF_F_TX_VLAN, false));
	/* that driver does not learn another one */
	DO(rte_eth_dev_set_mtu(port.id, 3000));
	DO(passes(most + 1, FRAME_MAX, 0, false));
	/* the next one does, and one that does not look at it has no limit */
	guest_disconnect(&guest);
	DO(guest_connect(&guest, port.path));
	DO(guest_up(&guest, FEATURES, 1, 64));
	DO(guest_post_plain(&guest, 0, 4096, 32));
	DO(passes(3000 + RTE_ETHER_HDR_LEN, FRAME_MAX, 0, true));
	DO(passes(3000 + RTE_ETHER_HDR_LEN + 1, FRAME_MAX, 0, false));
	guest_disconnect(&guest);
	DO(guest_connect(&guest, port.path));
	DO(guest_up(&guest, FEATURES & ~BIT(VIRTIO_NET_F_MTU), 1, 64));
	DO(guest_post_plain(&guest, 0, 4096, 32));
	DO(passes(3000 + RTE_ETHER_HDR_LEN + 1, FRAME_MAX, 0, true));
	return TEST_SUCCESS;
}

/* ------------------------------------------------------------- killed processes */

/* The other process: a guest that sends and receives until it is killed. */
static int
test_guest_peer(void)
{
	struct virtio_net_hdr_v1 hdr;
	uint64_t features = FEATURES | BIT(VIRTIO_NET_F_MRG_RXBUF);
	bool indirect;

	pmd_rand_seed((uint64_t)getpid());
	if (getpid() & 1)
		features |= BIT(VIRTIO_F_RING_PACKED) | BIT(VIRTIO_RING_F_INDIRECT_DESC);
	DO(guest_connect(&guest, pmd_peer_arg()));
	DO(guest_up(&guest, features, 1, 64));
	while (true) {
		while (guest_send(&guest, 0, NULL, frame, 60 + pmd_rand_below(3000),
				  guest_form(&guest, &indirect), false) == 1)
			;
		while (guest_post(&guest, 0, 2048, GUEST_ONE, false) == 1)
			;
		TEST_ASSERT(guest_reap(&guest, 0) >= 0, "reap");
		while (guest_recv(&guest, 0, &hdr, frame) > 0)
			;
	}
	return TEST_SUCCESS;
}

/* What is received is sent back; the number of packets. */
static uint32_t
echo(uint16_t id)
{
	struct rte_mbuf *pkts[32];
	uint16_t nb = rte_eth_rx_burst(id, 0, pkts, RTE_DIM(pkts)), sent;

	sent = rte_eth_tx_burst(id, 0, pkts, nb);
	rte_pktmbuf_free_bulk(pkts + sent, nb - sent);
	return nb;
}

static int
test_killed(void)
{
	const uint32_t rounds = pmd_long() ? 100 : 6;
	uint32_t i, nb, part, idle;
	pid_t pid;

	DO(port_up(&port, "", 1));
	for (i = 0; i < rounds; i++) {
		pid = pmd_peer_start("nic_guest_peer", port.path);
		TEST_ASSERT(pid > 0, "spawn");
		for (nb = idle = 0; nb < 2000 + 100 * i && idle < 20000; idle += part == 0) {
			part = echo(port.id);
			nb += part;
			if (part == 0)
				usleep(500);
		}
		pmd_peer_kill(pid);
		TEST_ASSERT(idle < 20000, "no traffic");
		while (port_link(&port))
			echo(port.id);
	}
	TEST_ASSERT_EQUAL(port_xstat(&port, "rx_q0_broken_rings"), 0u, "broken");
	DO(guest_connect(&guest, port.path));
	DO(guest_up(&guest, FEATURES, 1, 64));
	return exchange(&port, &guest, 0, 10);
}

/* -------------------------------------------------------------- control thread */

/* Where the thread of that name may run. */
static int
thread_affinity(const char *name, cpu_set_t *set)
{
	DIR *dir = opendir("/proc/self/task");
	struct dirent *entry;
	char path[300], comm[32];
	int ret = -ENOENT;
	FILE *file;

	while (dir != NULL && (entry = readdir(dir)) != NULL && ret < 0) {
		snprintf(path, sizeof(path), "/proc/self/task/%s/comm", entry->d_name);
		file = fopen(path, "r");
		if (file == NULL)
			continue;
		if (fgets(comm, sizeof(comm), file) != NULL &&
		    strncmp(comm, name, strlen(name)) == 0)
			ret = sched_getaffinity(atoi(entry->d_name), sizeof(*set), set);
		fclose(file);
	}
	closedir(dir);
	return ret;
}

/*
 * It does not run on the cpu of the lcore that starts the port, unless there is no
 * other one: that may poll for ever.
 */
static int
test_control_thread(void)
{
	cpu_set_t before, lcore, control;
	int cpu = 0;

	DO(sched_getaffinity(0, sizeof(before), &before));
	if (CPU_COUNT(&before) < 2) {
		printf("skipped: one cpu\n");
		return TEST_SKIPPED;
	}
	while (!CPU_ISSET(cpu, &before))
		cpu++;
	CPU_ZERO(&lcore);
	CPU_SET(cpu, &lcore);
	DO(sched_setaffinity(0, sizeof(lcore), &lcore));
	DO(port_up(&port, "", 1));
	DO(sched_setaffinity(0, sizeof(before), &before));
	DO(thread_affinity("net-vfio-user", &control));
	TEST_ASSERT(!CPU_EQUAL(&control, &lcore), "it runs where an lcore does");
	return TEST_SUCCESS;
}

static struct unit_test_suite suite = {
	.suite_name = "life of ports and guests",
	.setup = pmd_setup,
	.unit_test_cases = {
		TEST_CASE_ST(setup, teardown, test_restart),
		TEST_CASE_ST(setup, teardown, test_other_queues),
		TEST_CASE_ST(setup, teardown, test_uninit_started),
		TEST_CASE_ST(setup, teardown, test_same_socket),
		TEST_CASE_ST(setup, teardown, test_hotplug),
		TEST_CASE_ST(setup, teardown, test_many_ports),
		TEST_CASE_ST(setup, teardown, test_clients),
		TEST_CASE_ST(setup, teardown, test_events),
		TEST_CASE_ST(setup, teardown, test_link),
		TEST_CASE_ST(setup, teardown, test_modes),
		TEST_CASE_ST(setup, teardown, test_mtu),
		TEST_CASE_ST(setup, teardown, test_mtu_shown),
		TEST_CASE_ST(setup, teardown, test_mtu_limit),
		TEST_CASE_ST(setup, teardown, test_killed),
		TEST_CASE_ST(setup, teardown, test_control_thread),
		TEST_CASES_END()
	}
};

static int
test_nic_life(void)
{
	return unit_test_suite_runner(&suite);
}

REGISTER_TEST_COMMAND(nic_life_autotest, test_nic_life);
REGISTER_PEER_TEST(nic_guest_peer, test_guest_peer);
