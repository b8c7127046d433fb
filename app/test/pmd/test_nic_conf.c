/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

/* The arguments of the virtual device: what each does, and what is refused. */

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <rte_bus_vdev.h>

#include "pmd_guest.h"
#include "pmd_port.h"
#include "test_vfio_user_fds.h"

#define CONFIG(g, field) guest_config(g, offsetof(struct virtio_net_config, field), \
				      sizeof(((struct virtio_net_config *)NULL)->field))
#define OFFERS(g, feature) ((virtio_driver_offered(&(g)->drv) & BIT(feature)) != 0)

static struct pmd_port port;
static struct guest guest;
static int fds;

static int
setup(void)
{
	int ret = pmd_setup();

	port.id = RTE_MAX_ETHPORTS;
	return ret == TEST_SUCCESS ? check_fds(&fds) : ret;
}

static void
teardown(void)
{
	guest_disconnect(&guest);
	port_remove(&port);
}

/* A port with these arguments, and a guest that looks at it. */
static int
show(const char *args, uint16_t queues)
{
	teardown();
	DO(port_up(&port, args, queues));
	return guest_connect(&guest, port.path);
}

/* ------------------------------------------------------------------- refused */

static int
test_refused(void)
{
	static const char *const wrong[] = {
		"", "iface=", "iface", "unknown=1", "iface=/tmp/x,unknown=1", "iface=/tmp/x,=1",
		"iface=/tmp/x,queues=0", "iface=/tmp/x,queues=129", "iface=/tmp/x,queues=-1",
		"iface=/tmp/x,queues=", "iface=/tmp/x,queues", "iface=/tmp/x,queues=1x",
		"iface=/tmp/x,queues= 1", "iface=/tmp/x,queues=+1", "iface=/tmp/x,queues=0x2",
		"iface=/tmp/x,queues=18446744073709551617", "iface=/tmp/x,queues=65537",
		"iface=/tmp/x,queue_size=32", "iface=/tmp/x,queue_size=65536",
		"iface=/tmp/x,queue_size=300", "iface=/tmp/x,queue_size=0",
		"iface=/tmp/x,mac=01:00:00:00:00:01", "iface=/tmp/x,mac=00:00:00:00:00:00",
		"iface=/tmp/x,mac=ff:ff:ff:ff:ff:ff", "iface=/tmp/x,mac=2:3", "iface=/tmp/x,mac=",
		"iface=/tmp/x,mtu=67", "iface=/tmp/x,mtu=65536", "iface=/tmp/x,mtu=0",
		"iface=/tmp/x,speed=0", "iface=/tmp/x,speed=2147483648",
		"iface=/tmp/x,rx_usecs=10001", "iface=/tmp/x,tx_usecs=10001",
		"iface=/tmp/x,sock_mode=0", "iface=/tmp/x,sock_mode=1000",
		"iface=/tmp/x,sock_mode=8", "iface=/tmp/x,sock_mode=rw", "iface=/tmp/x,numa=-1",
		"iface=/tmp/x,numa=4096", "iface=/tmp/x,packed=2", "iface=/tmp/x,mergeable=yes",
		"iface=/tmp/x,in_order=", "iface=/tmp/x,indirect=-1", "iface=/tmp/x,event_idx=2",
		"iface=/tmp/x,csum=2", "iface=/tmp/x,tso=2", "iface=/tmp/x,platform=2",
		"iface=/tmp/x,mode=", "iface=/tmp/x,mode=polling", "iface=/tmp/x,mode=interrupts",
		"iface=/tmp/x,tso=1,csum=0",
	};
	const uint16_t ports = rte_eth_dev_count_total();
	size_t i;

	for (i = 0; i < RTE_DIM(wrong); i++) {
		TEST_ASSERT(rte_vdev_init("net_vfio_user0", wrong[i]) < 0, "accepted: \"%s\"",
			    wrong[i]);
		TEST_ASSERT_EQUAL(rte_eth_dev_count_total(), ports, "\"%s\": a port", wrong[i]);
		TEST_ASSERT(check_fds(&fds) == TEST_SUCCESS, "\"%s\"", wrong[i]);
	}
	TEST_ASSERT(access("/tmp/x", F_OK) < 0, "a socket");
	return TEST_SUCCESS;
}

static int
test_long_path(void)
{
	char args[256];

	memset(args, 0, sizeof(args));
	strcpy(args, "iface=");
	memset(args + 6, 'x', 108);
	TEST_ASSERT(rte_vdev_init("net_vfio_user0", args) < 0, "108 bytes accepted");
	args[6 + 107] = '\0';
	DO(rte_vdev_init("net_vfio_user0", args));
	return rte_vdev_uninit("net_vfio_user0");
}

/* A path that cannot be a socket: the start says so, and leaves nothing. */
static int
test_no_folder(void)
{
	char args[300];
	uint16_t id;

	snprintf(args, sizeof(args), "iface=%s/missing/socket", pmd_folder);
	DO(rte_vdev_init("net_vfio_user0", args));
	DO(rte_eth_dev_get_port_by_name("net_vfio_user0", &id));
	port.id = id;
	TEST_ASSERT(port_start(&port, 1, NULL) < 0, "started");
	return rte_vdev_uninit("net_vfio_user0");
}

/* -------------------------------------------------------------------- values */

static int
test_queues(void)
{
	static const struct {
		const char *args;
		uint16_t asked, started, pairs;
	} cases[] = {
		{ "", 1, 1, 1 }, { ",queues=2", 2, 2, 2 }, { ",queues=128", 128, 128, 128 },
		{ ",queues=16", 16, 3, 3 }, { ",queues=16", 16, 1, 1 },
	};
	struct rte_eth_dev_info info;
	size_t i;

	for (i = 0; i < RTE_DIM(cases); i++) {
		DO(show(cases[i].args, cases[i].started));
		DO(rte_eth_dev_info_get(port.id, &info));
		TEST_ASSERT_EQUAL(info.max_rx_queues, cases[i].asked, "rx");
		TEST_ASSERT_EQUAL(info.max_tx_queues, cases[i].asked, "tx");
		TEST_ASSERT_EQUAL(guest.drv.nb_queues, 2u * cases[i].pairs + 1, "virtqueues");
		TEST_ASSERT_EQUAL(CONFIG(&guest, max_virtqueue_pairs), cases[i].pairs, "pairs");
		TEST_ASSERT_EQUAL(OFFERS(&guest, VIRTIO_NET_F_MQ), cases[i].pairs > 1, "MQ");
	}
	return TEST_SUCCESS;
}

static int
test_more_queues_than_asked(void)
{
	static const struct rte_eth_conf conf;

	DO(port_probe(&port, 0, ",queues=2"));
	TEST_ASSERT(rte_eth_dev_configure(port.id, 3, 3, &conf) < 0, "3 of 2 queues");
	TEST_ASSERT(rte_eth_dev_configure(port.id, 0, 1, &conf) < 0, "no rx");
	TEST_ASSERT(rte_eth_dev_configure(port.id, 1, 0, &conf) < 0, "no tx");
	return rte_eth_dev_configure(port.id, 2, 1, &conf);
}

static int
test_queue_size(void)
{
	static const struct {
		const char *args;
		uint16_t split, packed;
	} cases[] = {
		{ "", 256, 256 }, { ",queue_size=64", 64, 64 }, { ",queue_size=1024", 1024, 1024 },
		{ ",queue_size=32768", 32768, 1024 },
	};
	struct virtio_driver *drv = &guest.drv;
	size_t i;

	for (i = 0; i < RTE_DIM(cases); i++) {
		DO(show(cases[i].args, 1));
		DO(virtio_driver_negotiate(drv, 0));
		DO(virtio_driver_queue(drv, 0, 0));
		TEST_ASSERT_EQUAL(drv->queues[0].size, cases[i].split, "%s", cases[i].args);
		DO(virtio_driver_negotiate(drv, BIT(VIRTIO_F_RING_PACKED)));
		DO(virtio_driver_queue(drv, 0, 0));
		TEST_ASSERT_EQUAL(drv->queues[0].size, cases[i].packed, "%s", cases[i].args);
	}
	return TEST_SUCCESS;
}

/* Each switch, the features that are its, and what it is if it is not named. */
static int
test_switches(void)
{
	static const struct {
		const char *key;
		uint64_t features;
		bool by_default;
	} cases[] = {
		{ "packed", BIT(VIRTIO_F_RING_PACKED), true },
		{ "mergeable", BIT(VIRTIO_NET_F_MRG_RXBUF), true },
		{ "in_order", BIT(VIRTIO_F_IN_ORDER), true },
		{ "indirect", BIT(VIRTIO_RING_F_INDIRECT_DESC), true },
		{ "event_idx", BIT(VIRTIO_RING_F_EVENT_IDX), true },
		{ "platform", BIT(VIRTIO_F_ACCESS_PLATFORM), true },
		{ "csum", BIT(VIRTIO_NET_F_CSUM) | BIT(VIRTIO_NET_F_GUEST_CSUM) |
			BIT(VIRTIO_NET_F_CTRL_GUEST_OFFLOADS), true },
		{ "tso", BIT(VIRTIO_NET_F_HOST_TSO4) | BIT(VIRTIO_NET_F_HOST_TSO6) |
			BIT(VIRTIO_NET_F_HOST_ECN) | BIT(VIRTIO_NET_F_HOST_USO) |
			BIT(VIRTIO_NET_F_GUEST_TSO4) | BIT(VIRTIO_NET_F_GUEST_TSO6) |
			BIT(VIRTIO_NET_F_GUEST_ECN) | BIT(VIRTIO_NET_F_GUEST_USO4) |
			BIT(VIRTIO_NET_F_GUEST_USO6), false },
	};
	uint64_t all, offered;
	char args[32];
	uint32_t i, on;

	DO(show("", 1));
	all = virtio_driver_offered(&guest.drv);
	for (i = 0; i < RTE_DIM(cases); i++) {
		TEST_ASSERT_EQUAL(all & cases[i].features,
				  cases[i].by_default ? cases[i].features : 0, "%s",
				  cases[i].key);
		for (on = 0; on <= 1; on++) {
			snprintf(args, sizeof(args), ",%s=%u", cases[i].key, on);
			DO(show(args, 1));
			offered = virtio_driver_offered(&guest.drv);
			TEST_ASSERT_EQUAL(offered, on ? all | cases[i].features :
					  all & ~cases[i].features, "%s", args);
		}
	}
	return TEST_SUCCESS;
}

static int
test_config(void)
{
	static const uint8_t mac[] = { 2, 3, 4, 5, 6, 0xfe };
	struct rte_ether_addr addr;
	uint8_t first[6];
	uint32_t i;

	DO(show(",mac=02:03:04:05:06:FE,mtu=9000,speed=25000", 1));
	for (i = 0; i < 6; i++)
		TEST_ASSERT_EQUAL(guest_config(&guest, i, 1), mac[i], "byte %u", i);
	DO(rte_eth_macaddr_get(port.id, &addr));
	TEST_ASSERT(memcmp(&addr, mac, 6) == 0, "of the port");
	TEST_ASSERT_EQUAL(CONFIG(&guest, mtu), 9000, "mtu");
	TEST_ASSERT_EQUAL(CONFIG(&guest, speed), 25000, "speed");
	TEST_ASSERT_EQUAL(CONFIG(&guest, duplex), 1, "duplex");
	TEST_ASSERT(OFFERS(&guest, VIRTIO_NET_F_MTU), "MTU");
	/* what is not named: the address depends on the name only, no MTU is said */
	DO(show("", 1));
	TEST_ASSERT(!OFFERS(&guest, VIRTIO_NET_F_MTU), "MTU");
	TEST_ASSERT_EQUAL(CONFIG(&guest, speed), 10000, "speed");
	DO(rte_eth_macaddr_get(port.id, &addr));
	memcpy(first, &addr, 6);
	TEST_ASSERT(rte_is_local_admin_ether_addr(&addr) && rte_is_unicast_ether_addr(&addr),
		    "not locally administered");
	DO(show("", 1));
	DO(rte_eth_macaddr_get(port.id, &addr));
	TEST_ASSERT(memcmp(&addr, first, 6) == 0, "another address");
	return TEST_SUCCESS;
}

static int
test_mode_and_numa(void)
{
	struct stat info;
	void *base;

	DO(show(",sock_mode=0660,numa=0", 1));
	TEST_ASSERT_SUCCESS(stat(port.path, &info), "stat");
	TEST_ASSERT_EQUAL(info.st_mode & 0777, 0660u, "mode");
	TEST_ASSERT_EQUAL(rte_eth_dev_socket_id(port.id), 0, "numa");
	DO(show("", 1));
	TEST_ASSERT_SUCCESS(stat(port.path, &info), "stat");
	TEST_ASSERT_EQUAL(info.st_mode & 0777, 0600u, "mode");
	/* a guest that is polled has doorbells to map, one that wakes has eventfds */
	DO(rte_vfio_user_client_region_mmap(guest.client, guest.drv.notify.bar, &base));
	DO(show(",mode=poll", 1));
	DO(rte_vfio_user_client_region_mmap(guest.client, guest.drv.notify.bar, &base));
	DO(show(",mode=interrupt", 1));
	TEST_ASSERT(rte_vfio_user_client_region_mmap(guest.client, guest.drv.notify.bar,
						     &base) < 0, "mapped");
	return TEST_SUCCESS;
}

static struct unit_test_suite suite = {
	.suite_name = "arguments of net_vfio_user",
	.setup = pmd_setup,
	.unit_test_cases = {
		TEST_CASE_ST(setup, teardown, test_refused),
		TEST_CASE_ST(setup, teardown, test_long_path),
		TEST_CASE_ST(setup, teardown, test_no_folder),
		TEST_CASE_ST(setup, teardown, test_queues),
		TEST_CASE_ST(setup, teardown, test_more_queues_than_asked),
		TEST_CASE_ST(setup, teardown, test_queue_size),
		TEST_CASE_ST(setup, teardown, test_switches),
		TEST_CASE_ST(setup, teardown, test_config),
		TEST_CASE_ST(setup, teardown, test_mode_and_numa),
		TEST_CASES_END()
	}
};

static int
test_nic_conf(void)
{
	return unit_test_suite_runner(&suite);
}

REGISTER_TEST_COMMAND(nic_conf_autotest, test_nic_conf);
