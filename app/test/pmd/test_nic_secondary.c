/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

/*
 * A secondary process reads the statistics of a port, and changes nothing. Both are
 * processes of their own, since this one has no huge pages.
 */

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "pmd_guest.h"
#include "pmd_peer.h"
#include "pmd_port.h"

/** Huge pages of 2 MiB that the primary process takes. */
#define PAGES 128
#define PACKETS 5u

static struct pmd_port port;
static struct guest guest;
static uint8_t frame[FRAME_MAX];

static int
exchange(uint32_t nb)
{
	struct virtio_net_hdr_v1 hdr;
	struct rte_mbuf *m;

	for (; nb != 0; nb--) {
		TEST_ASSERT_EQUAL(guest_send(&guest, 0, NULL, frame, 100, GUEST_ONE, false), 1,
				  "send");
		TEST_ASSERT_EQUAL(rte_eth_rx_burst(port.id, 0, &m, 1), 1, "rx");
		TEST_ASSERT_EQUAL(guest_reap(&guest, 0), 1, "reap");
		DO(guest_post_plain(&guest, 0, 2048, 1));
		TEST_ASSERT_EQUAL(rte_eth_tx_burst(port.id, 0, &m, 1), 1, "tx");
		TEST_ASSERT_EQUAL(guest_recv(&guest, 0, &hdr, frame), 100, "received");
	}
	return TEST_SUCCESS;
}

/* Whether a process has ended well. */
static int
ends_well(pid_t pid)
{
	int status;

	TEST_ASSERT(pid > 0, "%s", strerror(-pid));
	TEST_ASSERT_EQUAL(waitpid(pid, &status, 0), pid, "wait");
	TEST_ASSERT(WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SUCCESS, "status 0x%x",
		    status);
	return TEST_SUCCESS;
}

/* The one with the port. */
static int
test_primary(void)
{
	char id[16];

	snprintf(id, sizeof(id), "%d", getpid());
	pmd_peer_arg();
	DO(pmd_setup_primary());
	DO(port_up(&port, "", 1));
	DO(guest_connect(&guest, port.path));
	DO(guest_up(&guest, 0, 1, 64));
	DO(exchange(PACKETS));
	DO(ends_well(pmd_peer_start("nic_secondary_peer", id)));
	/* neither its reading nor its end has an effect */
	DO(exchange(PACKETS));
	guest_disconnect(&guest);
	return port_remove(&port);
}

/* The one without. */
static int
test_secondary_peer(void)
{
	struct rte_eth_dev_info info;
	struct rte_eth_stats stats;
	struct rte_mbuf *m = NULL;
	uint16_t id;

	DO(pmd_setup_secondary(atoi(pmd_peer_arg())));
	DO(rte_eth_dev_get_port_by_name("net_vfio_user0", &id));
	DO(rte_eth_dev_info_get(id, &info));
	TEST_ASSERT_EQUAL(strcmp(info.driver_name, "net_vfio_user"), 0, "driver");
	DO(rte_eth_stats_get(id, &stats));
	TEST_ASSERT_EQUAL(stats.ipackets, PACKETS, "rx");
	TEST_ASSERT_EQUAL(stats.obytes, PACKETS * 100, "tx");
	TEST_ASSERT_EQUAL(rte_eth_rx_burst(id, 0, &m, 1), 0, "rx");
	TEST_ASSERT_EQUAL(rte_eth_tx_burst(id, 0, &m, 1), 0, "tx");
	TEST_ASSERT(rte_eth_dev_stop(id) < 0, "stopped");
	TEST_ASSERT(rte_eth_dev_set_mtu(id, 2000) < 0, "mtu");
	TEST_ASSERT(rte_eth_dev_default_mac_addr_set(id, &(struct rte_ether_addr){ { 2 } }) < 0,
		    "address");
	TEST_ASSERT(rte_eth_xstats_get(id, NULL, 0) > 0, "xstats");
	rte_eal_cleanup();
	return TEST_SUCCESS;
}

/* ---------------------------------------------------------------- requirements */

static long
free_pages(void)
{
	FILE *file = fopen("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages", "r");
	long nb = 0;

	if (file == NULL)
		return 0;
	if (fscanf(file, "%ld", &nb) != 1)
		nb = 0;
	fclose(file);
	return nb;
}

static bool
is_mounted(void)
{
	FILE *file = fopen("/proc/mounts", "r");
	char line[1024];
	bool found = false;

	if (file == NULL)
		return false;
	while (!found && fgets(line, sizeof(line), file) != NULL)
		found = strstr(line, " hugetlbfs ") != NULL;
	fclose(file);
	return found;
}

static int
test_secondary(void)
{
	if (free_pages() < PAGES || !is_mounted()) {
		printf("skipped: %ld of %d huge pages, which EAL needs for secondary processes\n",
		       is_mounted() ? free_pages() : 0, PAGES);
		return TEST_SKIPPED;
	}
	return ends_well(pmd_peer_start("nic_primary_peer", ""));
}

static struct unit_test_suite suite = {
	.suite_name = "secondary processes",
	.unit_test_cases = {
		TEST_CASE(test_secondary),
		TEST_CASES_END()
	}
};

static int
test_nic_secondary(void)
{
	return unit_test_suite_runner(&suite);
}

REGISTER_TEST_COMMAND(nic_secondary_autotest, test_nic_secondary);
REGISTER_PEER_TEST(nic_primary_peer, test_primary);
REGISTER_PEER_TEST(nic_secondary_peer, test_secondary_peer);
