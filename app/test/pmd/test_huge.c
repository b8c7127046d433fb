/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

/*
 * What needs huge pages: a secondary process reads the statistics of ports, and changes
 * nothing; and memory that comes and goes is the device's, too. All are processes of
 * their own, since this one has no huge pages.
 */

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

#include <rte_memory.h>

#include "pmd_pair.h"
#include "pmd_peer.h"

/** Huge pages of 2 MiB that a process takes at its start, and later. */
#define PAGES 128
#define MORE_PAGES 128
#define PACKETS 50u

static struct pmd_pair pair;
static const struct pmd_traffic frames = { 51000, 1514, FRAME_MAX };

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

/* As many one way as the other. */
static int
exchange(uint32_t nb)
{
	DO(pmd_transfer(&pair.driver, &pair.device, 0, &frames, nb));
	return pmd_transfer(&pair.device, &pair.driver, 0, &frames, nb);
}

/* -------------------------------------------------------- secondary processes */

/* The one with the ports. */
static int
test_primary(void)
{
	char id[16];

	snprintf(id, sizeof(id), "%d", getpid());
	pmd_peer_arg();
	DO(pmd_setup_primary());
	pair_init(&pair);
	DO(pair_start(&pair, "", "", 1, NULL));
	DO(exchange(PACKETS));
	DO(ends_well(pmd_peer_start("secondary_peer", id)));
	/* neither its reading nor its end has an effect */
	DO(exchange(PACKETS));
	pair_remove(&pair);
	return TEST_SUCCESS;
}

static int
check_port(const char *name, const char *driver)
{
	struct rte_eth_dev_info info;
	struct rte_eth_stats stats;
	struct rte_eth_link link;
	struct rte_mbuf *m = NULL;
	uint16_t id;

	DO(rte_eth_dev_get_port_by_name(name, &id));
	DO(rte_eth_dev_info_get(id, &info));
	TEST_ASSERT_EQUAL(strcmp(info.driver_name, driver), 0, "%s", name);
	DO(rte_eth_link_get_nowait(id, &link));
	TEST_ASSERT_EQUAL(link.link_status, RTE_ETH_LINK_UP, "%s", name);
	DO(rte_eth_stats_get(id, &stats));
	TEST_ASSERT_EQUAL(stats.ipackets, PACKETS, "%s: %" PRIu64, name, stats.ipackets);
	TEST_ASSERT_EQUAL(stats.opackets, PACKETS, "%s: %" PRIu64, name, stats.opackets);
	TEST_ASSERT(stats.ibytes != 0 && stats.ibytes == stats.obytes, "%s", name);
	TEST_ASSERT(rte_eth_xstats_get(id, NULL, 0) > 0, "%s", name);
	TEST_ASSERT_EQUAL(rte_eth_rx_burst(id, 0, &m, 1), 0, "%s", name);
	TEST_ASSERT_EQUAL(rte_eth_tx_burst(id, 0, &m, 1), 0, "%s", name);
	TEST_ASSERT(rte_eth_dev_stop(id) < 0, "%s", name);
	TEST_ASSERT(rte_eth_dev_set_mtu(id, 1400) < 0, "%s", name);
	TEST_ASSERT(rte_eth_dev_default_mac_addr_set(id, &(struct rte_ether_addr){ { 2 } }) < 0,
		    "%s", name);
	return TEST_SUCCESS;
}

/* The one without. */
static int
test_secondary_peer(void)
{
	DO(pmd_setup_secondary(atoi(pmd_peer_arg())));
	DO(check_port("net_vfio_user0", "net_vfio_user"));
	DO(check_port("net_virtio_vfio_user0", "net_virtio_vfio_user"));
	rte_eal_cleanup();
	return TEST_SUCCESS;
}

/* --------------------------------------------------------------------- memory */

/** Mbufs of a pool that is made while ports are at work. */
#define POOL_MBUFS 8191u
#define MAX_POOLS 20u

static uint32_t nb_allocs, nb_frees;

static void
on_memory(enum rte_mem_event event, const void *addr, size_t len, void *arg)
{
	RTE_SET_USED(addr);
	RTE_SET_USED(len);
	RTE_SET_USED(arg);
	if (event == RTE_MEM_EVENT_ALLOC)
		COUNT(nb_allocs);
	else
		COUNT(nb_frees);
}

/* Make pools until there is memory that was not there at the start: their number. */
static uint32_t
make_pools(struct rte_mempool **pools)
{
	char name[16];
	uint32_t nb;

	for (nb = 0; nb < MAX_POOLS && GET(nb_allocs) == 0; nb++) {
		snprintf(name, sizeof(name), "more%u", nb);
		pools[nb] = rte_pktmbuf_pool_create(name, POOL_MBUFS, 0, 0,
						    RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
		if (pools[nb] == NULL)
			break;
	}
	return nb;
}

/* Frames that go out of a pool, then ones that come into it: all of its mbufs. */
static int
use_pool(struct rte_mempool *pool)
{
	struct rte_mempool *old = pmd_pool;

	pmd_pool = pool;
	DO(exchange(2 * POOL_MBUFS));
	DO(rte_eth_dev_stop(pair.driver.id));
	DO(port_start(&pair.driver, 1, NULL));
	DO(pair_wait_links(&pair, true));
	DO(exchange(2 * POOL_MBUFS));
	pmd_pool = old;
	/* none of its mbufs stays in a ring */
	DO(rte_eth_dev_stop(pair.driver.id));
	DO(rte_eth_dev_stop(pair.device.id));
	DO(port_start(&pair.device, 1, NULL));
	DO(port_start(&pair.driver, 1, NULL));
	DO(pair_wait_links(&pair, true));
	TEST_ASSERT_EQUAL(rte_mempool_in_use_count(pool), 0, "leaked");
	return TEST_SUCCESS;
}

static int
test_memory_peer(void)
{
	struct rte_mempool *pools[MAX_POOLS] = { NULL };
	uint32_t nb;

	pmd_peer_arg();
	DO(pmd_setup_primary());
	DO(rte_mem_event_callback_register("test", on_memory, NULL));
	pair_init(&pair);
	DO(pair_start(&pair, "", "", 1, NULL));
	DO(exchange(PACKETS));
	SET(nb_allocs, 0);
	nb = make_pools(pools);
	TEST_ASSERT(GET(nb_allocs) != 0 && nb != 0 && pools[nb - 1] != NULL,
		    "no memory came with %u pools", nb);
	DO(use_pool(pools[nb - 1]));
	while (nb > 0)
		rte_mempool_free(pools[--nb]);
	TEST_ASSERT(GET(nb_frees) != 0, "no memory went");
	DO(exchange(PACKETS));
	pair_remove(&pair);
	rte_mem_event_callback_unregister("test", NULL);
	return TEST_SUCCESS;
}

/* --------------------------------------------------------------- requirements */

static long
free_pages(FILE *file)
{
	long nb;

	return fscanf(file, "%ld", &nb) == 1 ? nb : 0;
}

/* Whether this user may have files of such pages. */
static bool
is_mounted(void)
{
	FILE *file = fopen("/proc/mounts", "r");
	char line[1024], folder[256], type[32], options[256];
	bool found = false;

	if (file == NULL)
		return false;
	while (!found && fgets(line, sizeof(line), file) != NULL)
		found = sscanf(line, "%*s %255s %31s %255s", folder, type, options) == 3 &&
			strcmp(type, "hugetlbfs") == 0 &&
			strstr(options, "pagesize=2M") != NULL && access(folder, W_OK) == 0;
	fclose(file);
	return found;
}

/*
 * Run a process with huge pages, if there are as many. The same tests of another build
 * may run meanwhile: they wait, else both count on the same pages.
 */
static int
with_pages(long nb, const char *peer)
{
	FILE *file = fopen("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages", "re");
	int ret = TEST_SKIPPED;
	long nb_free = 0;

	if (is_mounted() && file != NULL && flock(fileno(file), LOCK_EX) == 0)
		nb_free = free_pages(file);
	if (nb_free >= nb)
		ret = ends_well(pmd_peer_start(peer, ""));
	else
		printf("skipped: %ld of %ld huge pages, which EAL needs for that\n", nb_free, nb);
	if (file != NULL)
		fclose(file);
	return ret;
}

static int
test_secondary(void)
{
	return with_pages(PAGES, "primary_peer");
}

static int
test_memory(void)
{
	return with_pages(PAGES + MORE_PAGES, "memory_peer");
}

static struct unit_test_suite suite = {
	.suite_name = "secondary processes and memory that comes later",
	.unit_test_cases = {
		TEST_CASE(test_secondary),
		TEST_CASE(test_memory),
		TEST_CASES_END()
	}
};

static int
test_huge(void)
{
	return unit_test_suite_runner(&suite);
}

REGISTER_TEST_COMMAND(huge_autotest, test_huge);
REGISTER_PEER_TEST(primary_peer, test_primary);
REGISTER_PEER_TEST(secondary_peer, test_secondary_peer);
REGISTER_PEER_TEST(memory_peer, test_memory_peer);
