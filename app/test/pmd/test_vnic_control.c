/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

/* What net_virtio_vfio_user tells its card, and what the card tells it. */

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <linux/virtio_ring.h>

#include <rte_bus_vdev.h>
#include <rte_byteorder.h>
#include <rte_interrupts.h>

#include "pmd_device.h"
#include "pmd_pair.h"

#define BIT(n) (UINT64_C(1) << (n))

static struct pmd_device device;
static struct pmd_device_conf device_conf;
static struct pmd_port port;
static char path[128];

static const struct pmd_traffic frames = { 21000, 1514, FRAME_MAX };
/* With a segment for each byte. */
static const uint8_t frame[20];
static const struct rte_eth_conf plain;

static int
setup(void)
{
	snprintf(path, sizeof(path), "%s/0", pmd_folder);
	pmd_device_conf_init(&device_conf, path);
	device_conf.pairs = device_conf.max_pairs = 4;
	port.id = RTE_MAX_ETHPORTS;
	return TEST_SUCCESS;
}

static void
teardown(void)
{
	port_remove(&port);
	pmd_device_stop(&device);
}

static int
attach(const char *more, uint16_t queues, const struct rte_eth_conf *conf)
{
	char args[256];
	int ret;

	snprintf(args, sizeof(args), ",queues=4,queue_size=64%s", more);
	DO(pmd_device_start(&device, &device_conf));
	ret = port_probe_driver(&port, 0, args);
	return ret == 0 ? port_start(&port, queues, conf) : ret;
}

/* Whether the last command of a kind has these data. */
static bool
was_told(uint8_t class, uint8_t cmd, const void *data, uint16_t len)
{
	const struct pmd_command *command = pmd_device_command(&device, class, cmd);

	return command != NULL && command->len == len && memcmp(command->data, data, len) == 0;
}

static bool
was_told_mode(uint8_t cmd, uint8_t on)
{
	return was_told(VIRTIO_NET_CTRL_RX, cmd, &on, sizeof(on));
}

static int
test_modes(void)
{
	DO(attach("", 1, &plain));
	TEST_ASSERT(was_told_mode(VIRTIO_NET_CTRL_RX_PROMISC, 0), "");
	TEST_ASSERT(was_told_mode(VIRTIO_NET_CTRL_RX_ALLMULTI, 0), "");
	DO(rte_eth_promiscuous_enable(port.id));
	TEST_ASSERT(was_told_mode(VIRTIO_NET_CTRL_RX_PROMISC, 1), "");
	DO(rte_eth_allmulticast_enable(port.id));
	TEST_ASSERT(was_told_mode(VIRTIO_NET_CTRL_RX_ALLMULTI, 1), "");
	DO(rte_eth_promiscuous_disable(port.id));
	TEST_ASSERT(was_told_mode(VIRTIO_NET_CTRL_RX_PROMISC, 0), "");
	SET(device.refuse, true);
	TEST_ASSERT_EQUAL(rte_eth_promiscuous_enable(port.id), -EIO, "");
	TEST_ASSERT_EQUAL(rte_eth_promiscuous_get(port.id), 0, "");
	return TEST_SUCCESS;
}

static int
test_addresses(void)
{
	struct rte_ether_addr mac = { { 0x02, 1, 2, 3, 4, 5 } };
	struct rte_ether_addr other = { { 0x02, 9, 9, 9, 9, 9 } };
	struct rte_ether_addr multi[2] = {
		{ { 1, 0, 0x5e, 0, 0, 1 } }, { { 1, 0, 0x5e, 0, 0, 2 } },
	};
	uint8_t table[4 + 6 + 4 + 12] = { 1 };
	struct rte_ether_addr now;

	DO(attach("", 1, &plain));
	DO(rte_eth_macaddr_get(port.id, &now));
	TEST_ASSERT_EQUAL(now.addr_bytes[5], 0x77, "the card's own");
	DO(rte_eth_dev_default_mac_addr_set(port.id, &mac));
	TEST_ASSERT(was_told(VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_ADDR_SET, &mac, 6), "");
	DO(rte_eth_dev_mac_addr_add(port.id, &other, 0));
	DO(rte_eth_dev_set_mc_addr_list(port.id, multi, 2));
	memcpy(table + 4, &other, 6);
	table[10] = 2;
	memcpy(table + 14, multi, 12);
	TEST_ASSERT(was_told(VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_TABLE_SET, table,
			     sizeof(table)), "");
	DO(rte_eth_dev_mac_addr_remove(port.id, &other));
	memset(table, 0, sizeof(table));
	table[4] = 2;
	memcpy(table + 8, multi, 12);
	TEST_ASSERT(was_told(VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_TABLE_SET, table, 20), "");
	return TEST_SUCCESS;
}

/* An address of the arguments is the card's from the start on. */
static int
test_address_argument(void)
{
	const uint8_t mac[] = { 0x02, 0xaa, 0xbb, 0xcc, 0xdd, 0xee };
	struct rte_ether_addr now;

	DO(attach(",mac=02:aa:bb:cc:dd:ee", 1, &plain));
	DO(rte_eth_macaddr_get(port.id, &now));
	TEST_ASSERT_EQUAL(memcmp(&now, mac, 6), 0, "");
	TEST_ASSERT(was_told(VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_ADDR_SET, mac, 6), "");
	return TEST_SUCCESS;
}

static int
test_vlans(void)
{
	const rte_le16_t vlan = rte_cpu_to_le_16(100);

	DO(attach("", 1, &(struct rte_eth_conf){
			  .rxmode.offloads = RTE_ETH_RX_OFFLOAD_VLAN_FILTER }));
	DO(rte_eth_dev_vlan_filter(port.id, 100, 1));
	TEST_ASSERT(was_told(VIRTIO_NET_CTRL_VLAN, VIRTIO_NET_CTRL_VLAN_ADD, &vlan, 2), "");
	DO(rte_eth_dev_vlan_filter(port.id, 100, 0));
	TEST_ASSERT(was_told(VIRTIO_NET_CTRL_VLAN, VIRTIO_NET_CTRL_VLAN_DEL, &vlan, 2), "");
	TEST_ASSERT_EQUAL(rte_eth_dev_set_vlan_offload(port.id, 0), -ENOTSUP,
			  "the card cannot be told to pass all");
	return TEST_SUCCESS;
}

static int
test_pairs(void)
{
	rte_le16_t pairs;
	uint16_t nb;

	for (nb = 1; nb <= 4; nb++) {
		DO(attach("", nb, &plain));
		pairs = rte_cpu_to_le_16(nb);
		TEST_ASSERT(was_told(VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET, &pairs,
				     2), "%u pairs", nb);
		DO(pmd_transfer(&port, &port, nb - 1, &frames, 100));
		teardown();
	}
	return TEST_SUCCESS;
}

/* What is negotiated follows from arguments and offloads. */
static int
test_negotiation(void)
{
	const struct {
		const char *args;
		uint64_t offloads;
		uint64_t on, off;
	} cases[] = {
		{ "", 0, BIT(VIRTIO_F_RING_PACKED) | BIT(VIRTIO_F_IN_ORDER) |
		  BIT(VIRTIO_RING_F_INDIRECT_DESC) | BIT(VIRTIO_F_ACCESS_PLATFORM),
		  BIT(VIRTIO_NET_F_MRG_RXBUF) | BIT(VIRTIO_NET_F_GUEST_CSUM) |
		  BIT(VIRTIO_RING_F_EVENT_IDX) | BIT(VIRTIO_NET_F_CTRL_VLAN) | BIT(38) },
		{ ",packed_vq=0,in_order=0,indirect=0", 0, BIT(VIRTIO_F_VERSION_1),
		  BIT(VIRTIO_F_RING_PACKED) | BIT(VIRTIO_F_IN_ORDER) |
		  BIT(VIRTIO_RING_F_INDIRECT_DESC) },
		{ ",event_idx=1,notify_data=1", RTE_ETH_RX_OFFLOAD_SCATTER,
		  BIT(VIRTIO_RING_F_EVENT_IDX) | BIT(38) | BIT(VIRTIO_NET_F_MRG_RXBUF), 0 },
		{ "", RTE_ETH_RX_OFFLOAD_TCP_LRO | RTE_ETH_RX_OFFLOAD_SCATTER,
		  BIT(VIRTIO_NET_F_GUEST_TSO4) | BIT(VIRTIO_NET_F_GUEST_CSUM), 0 },
		{ "", RTE_ETH_RX_OFFLOAD_TCP_CKSUM, BIT(VIRTIO_NET_F_GUEST_CSUM),
		  BIT(VIRTIO_NET_F_GUEST_TSO4) },
	};
	uint32_t i;

	for (i = 0; i < RTE_DIM(cases); i++) {
		DO(attach(cases[i].args, 1, &(struct rte_eth_conf){
				  .rxmode.offloads = cases[i].offloads }));
		TEST_ASSERT_EQUAL(device.features & cases[i].on, cases[i].on, "case %u", i);
		TEST_ASSERT_EQUAL(device.features & cases[i].off, 0, "case %u", i);
		teardown();
	}
	return TEST_SUCCESS;
}

static int
test_link(void)
{
	DO(attach("", 1, NULL));
	DO(port_wait_link(&port, true));
	pmd_device_link(&device, false);
	DO(port_wait_link(&port, false));
	WAIT_FOR(GET(port.lsc) == 1);
	pmd_device_link(&device, true);
	DO(port_wait_link(&port, true));
	WAIT_FOR(GET(port.lsc) == 2);
	return TEST_SUCCESS;
}

/* A card asks the port to announce itself: a frame of its own is sent. */
static int
test_announce(void)
{
	static const char *const args[] = { ",packed_vq=0", ",packed_vq=1" };
	const rte_le16_t status = rte_cpu_to_le_16(VIRTIO_NET_S_LINK_UP | VIRTIO_NET_S_ANNOUNCE);
	struct rte_mbuf *pkts[2] = { NULL, NULL };
	const struct rte_ether_hdr *hdr;
	uint16_t nb = 0;
	uint32_t i;

	for (i = 0; i < RTE_DIM(args); i++) {
		DO(attach(args[i], 1, &plain));
		pmd_drain(&port); /* the card sends it back */
		DO(rte_virtio_dev_config_set(device.dev, offsetof(struct virtio_net_config, status),
					     &status, sizeof(status)));
		WAIT_FOR(pmd_device_command(&device, VIRTIO_NET_CTRL_ANNOUNCE,
					    VIRTIO_NET_CTRL_ANNOUNCE_ACK) != NULL);
		TEST_ASSERT_EQUAL(rte_eth_tx_burst(port.id, 0, NULL, 0), 0, "");
		WAIT_FOR((nb = rte_eth_rx_burst(port.id, 0, pkts, 2)) != 0);
		hdr = rte_pktmbuf_mtod(pkts[0], const struct rte_ether_hdr *);
		TEST_ASSERT_EQUAL(hdr->ether_type, rte_cpu_to_be_16(RTE_ETHER_TYPE_RARP), "");
		TEST_ASSERT_EQUAL(hdr->src_addr.addr_bytes[5], 0x77, "");
		rte_pktmbuf_free_bulk(pkts, nb);
		TEST_ASSERT_EQUAL(nb, 1, "once");
		TEST_ASSERT_EQUAL(rte_eth_tx_burst(port.id, 0, NULL, 0), 0, "");
		usleep(10000);
		TEST_ASSERT_EQUAL(pmd_drain(&port), 0, "once");
		teardown();
		TEST_ASSERT_EQUAL(pmd_mbufs_used(), 0, "");
	}
	return TEST_SUCCESS;
}

/* Frames of a pool of their own come back in mbufs of the queue's, which has no others. */
static int
echo_from(struct rte_mempool *pool, uint16_t nb)
{
	struct rte_mbuf *m;

	for (; nb != 0; nb--) {
		m = rte_pktmbuf_alloc(pool);
		TEST_ASSERT_NOT_NULL(m, "mbufs");
		memset(rte_pktmbuf_append(m, 60), 0, 60);
		WAIT_FOR(rte_eth_tx_burst(port.id, 0, &m, 1) == 1);
		WAIT_FOR(rte_eth_rx_burst(port.id, 0, &m, 1) == 1);
		TEST_ASSERT_EQUAL(m->pool, pmd_pool, "%u frames left", nb);
		rte_pktmbuf_free(m);
	}
	return TEST_SUCCESS;
}

/* Of all mbufs that are sent, the announcement alone is not of the application's pool. */
static int
announce_between(struct rte_mempool *pool, const char *args)
{
	static const struct rte_eth_conf conf = {
		.txmode.offloads = RTE_ETH_TX_OFFLOAD_MBUF_FAST_FREE,
	};
	const rte_le16_t status = rte_cpu_to_le_16(VIRTIO_NET_S_LINK_UP | VIRTIO_NET_S_ANNOUNCE);

	DO(attach(args, 1, &conf));
	DO(rte_virtio_dev_config_set(device.dev, offsetof(struct virtio_net_config, status),
				     &status, sizeof(status)));
	WAIT_FOR(pmd_device_command(&device, VIRTIO_NET_CTRL_ANNOUNCE,
				    VIRTIO_NET_CTRL_ANNOUNCE_ACK) != NULL);
	DO(echo_from(pool, 1000));
	WAIT_FOR(rte_eth_tx_done_cleanup(port.id, 0, 0) == 0 &&
		 rte_mempool_in_use_count(pool) == 0);
	teardown();
	TEST_ASSERT_EQUAL(pmd_mbufs_used(), 0, "%s", args);
	return TEST_SUCCESS;
}

static int
test_announce_fast_free(void)
{
	struct rte_mempool *pool = rte_pktmbuf_pool_create("other", 511, 32, 0,
							   RTE_MBUF_DEFAULT_BUF_SIZE,
							   SOCKET_ID_ANY);
	int ret;

	TEST_ASSERT_NOT_NULL(pool, "pool");
	ret = announce_between(pool, ",packed_vq=0");
	if (ret == TEST_SUCCESS)
		ret = announce_between(pool, ",packed_vq=1");
	teardown();
	rte_mempool_free(pool);
	return ret;
}

/* The mbufs of an announcement that was not sent may have gone with the former queue. */
static int
announce_after(struct rte_mempool *pool)
{
	const rte_le16_t status = rte_cpu_to_le_16(VIRTIO_NET_S_LINK_UP | VIRTIO_NET_S_ANNOUNCE);

	DO(attach("", 1, &plain));
	DO(rte_eth_dev_stop(port.id));
	DO(rte_eth_rx_queue_setup(port.id, 0, 64, SOCKET_ID_ANY, NULL, pool));
	DO(rte_eth_dev_start(port.id));
	DO(rte_virtio_dev_config_set(device.dev, offsetof(struct virtio_net_config, status),
				     &status, sizeof(status)));
	WAIT_FOR(pmd_device_command(&device, VIRTIO_NET_CTRL_ANNOUNCE,
				    VIRTIO_NET_CTRL_ANNOUNCE_ACK) != NULL);
	DO(rte_eth_dev_stop(port.id));
	DO(rte_eth_rx_queue_setup(port.id, 0, 64, SOCKET_ID_ANY, NULL, pmd_pool));
	TEST_ASSERT_EQUAL(rte_mempool_in_use_count(pool), 0, "");
	DO(rte_eth_dev_start(port.id));
	TEST_ASSERT_EQUAL(rte_eth_tx_burst(port.id, 0, NULL, 0), 0, "");
	TEST_ASSERT_EQUAL(rte_mempool_in_use_count(pool), 0, "");
	return TEST_SUCCESS;
}

static int
test_announce_restart(void)
{
	struct rte_mempool *pool = rte_pktmbuf_pool_create("other", 511, 0, 0,
							   RTE_MBUF_DEFAULT_BUF_SIZE,
							   SOCKET_ID_ANY);
	int ret;

	TEST_ASSERT_NOT_NULL(pool, "pool");
	ret = announce_after(pool);
	teardown();
	rte_mempool_free(pool);
	return ret;
}

/* A packet of more segments than the ring has entries: it is not waited for. */
static int
test_short_ring(void)
{
	static const char *const args[] = {
		",packed_vq=0,indirect=0", ",packed_vq=1,indirect=0",
		",packed_vq=0", ",packed_vq=1",
	};
	struct rte_mbuf *m = NULL;
	uint32_t i;

	device_conf.queue_size = 16;
	for (i = 0; i < RTE_DIM(args); i++) {
		DO(attach(args[i], 1, &plain));
		m = frame_to_mbuf(frame, sizeof(frame), 1);
		TEST_ASSERT_NOT_NULL(m, "mbufs");
		TEST_ASSERT_EQUAL(m->nb_segs, sizeof(frame), "");
		TEST_ASSERT_EQUAL(rte_eth_tx_burst(port.id, 0, &m, 1), 1, "%s", args[i]);
		TEST_ASSERT_EQUAL(port_xstat(&port, "tx_q0_too_many_segs"), 1, "%s", args[i]);
		DO(pmd_transfer(&port, &port, 0, &frames, 100));
		teardown();
		TEST_ASSERT_EQUAL(pmd_mbufs_used(), 0, "%s", args[i]);
	}
	return TEST_SUCCESS;
}

/* A queue sleeps until its card has a frame for it. */
static int
sleep_on(const char *args, uint16_t queue)
{
	struct rte_epoll_event event;
	struct rte_mbuf *pkts[4];
	uint16_t nb = 0;

	DO(rte_eth_dev_rx_intr_enable(port.id, queue));
	TEST_ASSERT_EQUAL(rte_epoll_wait(RTE_EPOLL_PER_THREAD, &event, 1, 20), 0, "%s", args);
	pmd_send(&port, queue, &frames, 1);
	TEST_ASSERT_EQUAL(rte_epoll_wait(RTE_EPOLL_PER_THREAD, &event, 1, 10000), 1,
			  "%s: queue %u", args, queue);
	DO(rte_eth_dev_rx_intr_disable(port.id, queue));
	WAIT_FOR((nb = rte_eth_rx_burst(port.id, queue, pkts, 4)) != 0);
	rte_pktmbuf_free_bulk(pkts, nb);
	return TEST_SUCCESS;
}

static int
test_interrupts(void)
{
	const char *args[] = { ",packed_vq=0", ",packed_vq=1", ",packed_vq=0,event_idx=1",
			       ",packed_vq=1,event_idx=1" };
	const struct rte_eth_conf conf = { .intr_conf.rxq = 1 };
	uint32_t i, round;
	uint16_t queue;

	for (i = 0; i < RTE_DIM(args); i++) {
		DO(attach(args[i], 2, &conf));
		for (queue = 0; queue < 2; queue++)
			DO(rte_eth_dev_rx_intr_ctl_q(port.id, queue, RTE_EPOLL_PER_THREAD,
						     RTE_INTR_EVENT_ADD, NULL));
		for (round = 0; round < 100; round++)
			TEST_ASSERT_SUCCESS(sleep_on(args[i], round % 2), "round %u", round);
		for (queue = 0; queue < 2; queue++)
			DO(rte_eth_dev_rx_intr_ctl_q(port.id, queue, RTE_EPOLL_PER_THREAD,
						     RTE_INTR_EVENT_DEL, NULL));
		teardown();
		TEST_ASSERT(pmd_mbufs_used() == 0, "%s", args[i]);
	}
	return TEST_SUCCESS;
}

/* However the card wants to be told of buffers. */
static int
test_doorbells(void)
{
	const uint32_t flags[] = {
		0, RTE_VIRTIO_DEV_F_NOTIFY_MMAP, RTE_VIRTIO_DEV_F_NOTIFY_IOEVENTFD,
	};
	struct rte_virtio_queue *q;
	uint64_t count;
	uint32_t i;

	for (i = 0; i < RTE_DIM(flags); i++) {
		device_conf.flags = flags[i];
		DO(attach("", 2, &plain));
		DO(pmd_transfer(&port, &port, 1, &frames, 100));
		TEST_ASSERT(port_xstat(&port, "tx_q1_kicks") > 0, "way %u", i);
		q = rte_virtio_dev_queue(device.dev, 3);
		if (flags[i] == RTE_VIRTIO_DEV_F_NOTIFY_MMAP)
			TEST_ASSERT_EQUAL(*rte_virtio_queue_doorbell(q), 3, "");
		if (flags[i] == RTE_VIRTIO_DEV_F_NOTIFY_IOEVENTFD)
			TEST_ASSERT(read(rte_virtio_queue_kick_fd(q), &count, 8) == 8, "");
		teardown();
	}
	return TEST_SUCCESS;
}

/* Wrong arguments are refused. */
static int
test_arguments(void)
{
	static const char *const wrong[] = {
		"", "path=", "path=x,path=y", "path=x,queues=0", "path=x,queues=129",
		"path=x,queue_size=100", "path=x,queue_size=32", "path=x,packed_vq=2",
		"path=x,mac=ff:ff:ff:ff:ff:ff", "path=x,mac=1", "path=x,timeout=0",
		"path=x,reconnect=never", "path=x,in_order=-1", "path=x,unknown=1",
	};
	uint32_t i;

	for (i = 0; i < RTE_DIM(wrong); i++)
		TEST_ASSERT_EQUAL(rte_vdev_init("net_virtio_vfio_user9", wrong[i]), -EINVAL, "'%s'",
				  wrong[i]);
	TEST_ASSERT_EQUAL(rte_vdev_init("net_virtio_vfio_user9", "path=/nowhere/sock,connect=0"),
			  -ENOENT, "");
	return TEST_SUCCESS;
}

/* Packets that do not fit are refused before, not lost afterwards. */
static int
test_mtu(void)
{
	const struct rte_eth_conf scattering = {
		.rxmode.mtu = 4000,
		.rxmode.offloads = RTE_ETH_RX_OFFLOAD_SCATTER,
	};
	const struct rte_eth_conf merging = {
		.rxmode.offloads = RTE_ETH_RX_OFFLOAD_TCP_LRO,
	};

	device_conf.mtu = 4000;
	TEST_ASSERT_EQUAL(attach("", 1, &(struct rte_eth_conf){ .rxmode.mtu = 3000 }), -EINVAL,
			  "no buffer is so long");
	teardown();
	TEST_ASSERT_EQUAL(attach("", 1, &(struct rte_eth_conf){ .rxmode.mtu = 4001 }), -EINVAL,
			  "the card does not take it");
	teardown();
	TEST_ASSERT_EQUAL(attach("", 1, &merging), -EINVAL, "no buffer is so long");
	teardown();
	DO(attach("", 1, &scattering));
	DO(pmd_transfer(&port, &port, 0, &(struct pmd_traffic){ 1, 4014, FRAME_MAX }, 300));
	DO(rte_eth_dev_set_mtu(port.id, 1500));
	TEST_ASSERT_EQUAL(rte_eth_dev_set_mtu(port.id, 4001), -EINVAL, "");
	return TEST_SUCCESS;
}

static struct unit_test_suite suite = {
	.suite_name = "net_virtio_vfio_user and the control of its card",
	.setup = pmd_setup,
	.unit_test_cases = {
		TEST_CASE_ST(setup, teardown, test_modes),
		TEST_CASE_ST(setup, teardown, test_addresses),
		TEST_CASE_ST(setup, teardown, test_address_argument),
		TEST_CASE_ST(setup, teardown, test_vlans),
		TEST_CASE_ST(setup, teardown, test_pairs),
		TEST_CASE_ST(setup, teardown, test_negotiation),
		TEST_CASE_ST(setup, teardown, test_link),
		TEST_CASE_ST(setup, teardown, test_announce),
		TEST_CASE_ST(setup, teardown, test_announce_fast_free),
		TEST_CASE_ST(setup, teardown, test_announce_restart),
		TEST_CASE_ST(setup, teardown, test_short_ring),
		TEST_CASE_ST(setup, teardown, test_interrupts),
		TEST_CASE_ST(setup, teardown, test_doorbells),
		TEST_CASE_ST(setup, teardown, test_arguments),
		TEST_CASE_ST(setup, teardown, test_mtu),
		TEST_CASES_END()
	},
};

static int
test_vnic_control(void)
{
	return unit_test_suite_runner(&suite);
}

REGISTER_TEST_COMMAND(vnic_control_autotest, test_vnic_control);
