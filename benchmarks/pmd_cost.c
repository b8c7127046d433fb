/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

/**
 * @file
 * What packets cost without a second core: both ends of a ring in one thread
 *
 *     pmd_cost EAL-OPTIONS -- DEVICE ARGS DRIVER ARGS RING SIZE BURST
 *
 * DEVICE and DRIVER are names of vdevs that are connected with each other. Bursts go from
 * the driver to the device and back; each of the four calls is timed on its own, and
 * what does not belong to it (allocating, freeing) is not. No line moves between caches,
 * so this is the work of the cpu alone. Prints nanoseconds per packet, as JSON: the
 * median of many rounds.
 */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_cycles.h>
#include <rte_dev.h>
#include <rte_eal.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include "pmd_port.h"

#define NB_MBUFS 4096
#define MAX_BURST 128
/** Bursts of a round, rounds before those that count, and those. */
#define BURSTS 1000
#define WARM_UP 20
#define ROUNDS 201

enum { DRIVER_TX, DEVICE_RX, DEVICE_TX, DRIVER_RX, NB_CALLS };

static const char *const names[NB_CALLS] = {
	[DRIVER_TX] = "driver sends",
	[DEVICE_RX] = "device takes",
	[DEVICE_TX] = "device gives",
	[DRIVER_RX] = "driver receives",
};

/** The two ports, and what they cost. */
struct pair {
	/** Of each port, so that none fills or empties the cache of the other. */
	struct rte_mempool *device_pool, *driver_pool;
	uint16_t device, driver; /**< port ids */
	uint16_t size, burst;
	uint64_t cycles[NB_CALLS]; /**< of the present round */
	uint64_t packets;
	double ns[NB_CALLS][ROUNDS];
};

/* ---------------------------------------------------------------------- ports */

static struct rte_mempool *
pool_create(const char *name)
{
	return rte_pktmbuf_pool_create(name, NB_MBUFS, 250, 0, RTE_MBUF_DEFAULT_BUF_SIZE,
				       SOCKET_ID_ANY);
}

static int
port_add(const char *name, const char *args, struct rte_mempool *pool, uint16_t ring,
	 uint16_t *port)
{
	int ret;

	ret = rte_eal_hotplug_add("vdev", name, args);
	if (ret == 0)
		ret = rte_eth_dev_get_port_by_name(name, port);
	if (ret != 0) {
		fprintf(stderr, "pmd_cost: %s: %s\n", name, rte_strerror(-ret));
		return ret;
	}
	return bench_pmd_port_start(*port, pool, ring, RTE_ETH_TX_OFFLOAD_MBUF_FAST_FREE);
}

/* --------------------------------------------------------------------- bursts */

/* Move a burst from one port to the other: how many packets came, in mbufs again. */
static uint16_t
move(struct pair *pair, uint16_t from, uint16_t to, unsigned int call, struct rte_mbuf **mbufs,
     uint16_t nb)
{
	uint64_t begin = rte_rdtsc_precise();
	uint16_t sent = rte_eth_tx_burst(from, 0, mbufs, nb);
	uint64_t middle = rte_rdtsc_precise();
	uint16_t got;

	if (sent < nb)
		rte_pktmbuf_free_bulk(&mbufs[sent], nb - sent);
	pair->cycles[call] += middle - begin;
	begin = rte_rdtsc_precise();
	got = rte_eth_rx_burst(to, 0, mbufs, MAX_BURST);
	pair->cycles[call + 1] += rte_rdtsc_precise() - begin;
	return got;
}

static int
round_trip(struct pair *pair)
{
	struct rte_mbuf *mbufs[MAX_BURST];
	uint16_t i, nb;

	if (rte_pktmbuf_alloc_bulk(pair->driver_pool, mbufs, pair->burst) < 0)
		return -1;
	for (i = 0; i < pair->burst; i++) {
		memset(rte_pktmbuf_mtod(mbufs[i], void *), 0, RTE_ETHER_HDR_LEN);
		mbufs[i]->data_len = pair->size;
		mbufs[i]->pkt_len = pair->size;
	}
	nb = move(pair, pair->driver, pair->device, DRIVER_TX, mbufs, pair->burst);
	nb = move(pair, pair->device, pair->driver, DEVICE_TX, mbufs, nb);
	rte_pktmbuf_free_bulk(mbufs, nb);
	pair->packets += nb;
	return 0;
}

static int
run(struct pair *pair)
{
	unsigned int call;
	int round, i;

	for (round = -WARM_UP; round < ROUNDS; round++) {
		memset(pair->cycles, 0, sizeof(pair->cycles));
		pair->packets = 0;
		for (i = 0; i < BURSTS; i++)
			if (round_trip(pair) < 0)
				return -1;
		if (pair->packets < (uint64_t)BURSTS * pair->burst * 9 / 10) {
			fprintf(stderr, "pmd_cost: %" PRIu64 " packets came back\n",
				pair->packets);
			return -1;
		}
		for (call = 0; round >= 0 && call < NB_CALLS; call++)
			pair->ns[call][round] = pair->cycles[call] * 1e9 / rte_get_tsc_hz() /
				pair->packets;
	}
	return 0;
}

static int
compare(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static void
print_result(struct pair *pair)
{
	unsigned int call;

	for (call = 0; call < NB_CALLS; call++) {
		qsort(pair->ns[call], ROUNDS, sizeof(double), compare);
		printf("%s\"%s\": %.2f", call == 0 ? "{" : ", ", names[call],
		       pair->ns[call][ROUNDS / 2]);
	}
	printf("}\n");
}

/* A number of the command line, or the nearest that is possible. */
static long
number(const char *text, long least, long most)
{
	const long found = strtol(text, NULL, 10);

	return found < least ? least : found > most ? most : found;
}

int
main(int argc, char **argv)
{
	static struct pair pair;
	uint16_t ring;
	int ret;

	ret = rte_eal_init(argc, argv);
	if (ret < 0)
		return EXIT_FAILURE;
	argc -= ret + 1;
	argv += ret + 1;
	if (argc != 7) {
		fprintf(stderr, "pmd_cost: see the head of its source\n");
		return EXIT_FAILURE;
	}
	ring = (uint16_t)number(argv[4], MAX_BURST, 32768);
	pair.size = (uint16_t)number(argv[5], RTE_ETHER_HDR_LEN, RTE_ETHER_MAX_LEN);
	pair.burst = (uint16_t)number(argv[6], 1, MAX_BURST);
	pair.device_pool = pool_create("device");
	pair.driver_pool = pool_create("driver");
	if (pair.device_pool == NULL || pair.driver_pool == NULL ||
	    port_add(argv[0], argv[1], pair.device_pool, ring, &pair.device) != 0 ||
	    port_add(argv[2], argv[3], pair.driver_pool, ring, &pair.driver) != 0 ||
	    !bench_pmd_link_wait(pair.device) || !bench_pmd_link_wait(pair.driver))
		return EXIT_FAILURE;
	ret = run(&pair);
	if (ret == 0)
		print_result(&pair);
	rte_eth_dev_stop(pair.driver);
	rte_eth_dev_close(pair.driver);
	rte_eth_dev_stop(pair.device);
	rte_eth_dev_close(pair.device);
	rte_eal_cleanup();
	return ret < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
