/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

/**
 * @file
 * Traffic that testpmd has no mode for, on the first port that the EAL's options
 * name: packets of several sizes in turn, or one packet that goes back and forth
 *
 *     pmd_traffic EAL-OPTIONS -- send RING BURST SIZE...
 *     pmd_traffic EAL-OPTIONS -- pingpong RING COUNT SIZE
 *
 * A worker core does it. The main core says "started" and, once the link is, "up". It
 * begins when it reads a line, and what was found is printed as one line of JSON: of send when it
 * reads another line or the end of its input, of pingpong when it is through.
 */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_ethdev.h>
#include <rte_launch.h>
#include <rte_lcore.h>
#include <rte_malloc.h>
#include <rte_mbuf.h>

#include "pmd_port.h"

#define PORT 0
#define NB_MBUFS 16384
#define MAX_BURST 128
#define MAX_SIZES 16
/** Round trips before those that count. */
#define WARM_UP 10000
/** Packets that may be lost: each is waited for. */
#define MAX_LOST 10
/** Bytes of Ethernet, IPv4 and UDP. */
#define HEADERS 42

/** What to do, and what came of it. */
struct work {
	struct rte_mempool *pool;
	uint16_t sizes[MAX_SIZES];
	uint16_t nb_sizes;
	uint16_t burst;
	uint32_t count; /**< of round trips */
	uint64_t *cycles; /**< of each */
	uint64_t sent, lost;
	double share; /**< of its cpu that the worker had */
	bool stop;
};

static bool
stopped(const struct work *work)
{
	return __atomic_load_n(&work->stop, __ATOMIC_RELAXED);
}

/* As testpmd does, headers are written into each packet, and not what is behind. */
static void
packet_init(struct rte_mbuf *m, uint16_t size)
{
	memset(rte_pktmbuf_mtod(m, void *), 0, RTE_MIN(size, HEADERS));
	m->data_len = size;
	m->pkt_len = size;
}

static int
send_main(void *arg)
{
	struct work *work = arg;
	struct rte_mbuf *mbufs[MAX_BURST];
	uint16_t i, nb, next = 0;

	while (!stopped(work)) {
		if (rte_pktmbuf_alloc_bulk(work->pool, mbufs, work->burst) < 0)
			continue;
		for (i = 0; i < work->burst; i++) {
			packet_init(mbufs[i], work->sizes[next]);
			next = next + 1 == work->nb_sizes ? 0 : next + 1;
		}
		nb = rte_eth_tx_burst(PORT, 0, mbufs, work->burst);
		work->sent += nb;
		if (nb < work->burst)
			rte_pktmbuf_free_bulk(&mbufs[nb], work->burst - nb);
	}
	return 0;
}

/*
 * One packet there and back: cycles, or 0 if it did not come within a second. A whole
 * burst is asked for: vectorised drivers give nothing to who wants less.
 */
static uint64_t
round_trip(struct rte_mbuf **m)
{
	const uint64_t begin = rte_rdtsc();
	const uint64_t deadline = begin + rte_get_tsc_hz();
	struct rte_mbuf *mbufs[MAX_BURST];
	uint16_t nb;

	while (rte_eth_tx_burst(PORT, 0, m, 1) == 0)
		if (rte_rdtsc() > deadline)
			return 0;
	*m = NULL;
	while ((nb = rte_eth_rx_burst(PORT, 0, mbufs, MAX_BURST)) == 0)
		if (rte_rdtsc() > deadline)
			return 0;
	*m = mbufs[0];
	rte_pktmbuf_free_bulk(&mbufs[1], nb - 1);
	return rte_rdtsc() - begin;
}

static double
seconds(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return now.tv_sec + now.tv_nsec / 1e9;
}

static int
compare(const void *a, const void *b)
{
	const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static int
pingpong_main(void *arg)
{
	const double begin = seconds(CLOCK_MONOTONIC), used = seconds(CLOCK_THREAD_CPUTIME_ID);
	struct work *work = arg;
	struct rte_mbuf *m = NULL;
	uint64_t cycles;
	uint32_t i;

	for (i = 0; i < WARM_UP + work->count && !stopped(work); i++) {
		if (m == NULL) {
			m = rte_pktmbuf_alloc(work->pool);
			if (m == NULL)
				return -1;
			packet_init(m, work->sizes[0]);
		}
		cycles = round_trip(&m);
		if (cycles == 0 && ++work->lost == MAX_LOST) {
			fprintf(stderr, "pmd_traffic: packets do not come back\n");
			return -1;
		}
		if (cycles != 0 && i >= WARM_UP)
			work->cycles[work->sent++] = cycles;
	}
	rte_pktmbuf_free(m);
	work->share = (seconds(CLOCK_THREAD_CPUTIME_ID) - used) /
		(seconds(CLOCK_MONOTONIC) - begin);
	/* here: the other core is that of the other side */
	qsort(work->cycles, work->sent, sizeof(*work->cycles), compare);
	return 0;
}

static double
ns_of(const struct work *work, uint64_t part, uint64_t whole)
{
	return work->cycles[(work->sent - 1) * part / whole] * 1e9 / rte_get_tsc_hz();
}

static void
print_result(const struct work *work)
{
	printf("{\"sent\": %" PRIu64 ", \"lost\": %" PRIu64, work->sent, work->lost);
	if (work->cycles != NULL && work->sent != 0) {
		printf(", \"share\": %.3f, \"median\": %.1f, \"p99\": %.1f, \"p999\": %.1f",
		       work->share, ns_of(work, 1, 2), ns_of(work, 99, 100),
		       ns_of(work, 999, 1000));
	}
	printf("}\n");
	fflush(stdout);
}

/* A number of the command line, or 0. */
static uint32_t
number(const char *text, uint32_t most)
{
	const unsigned long found = strtoul(text, NULL, 10);

	return found <= most ? (uint32_t)found : 0;
}

/* Parse all but the mode and the size of the rings. */
static bool
parse(struct work *work, bool pingpong, int argc, char **argv)
{
	int i;

	if (argc < 2 || argc - 1 > (pingpong ? 1 : MAX_SIZES))
		return false;
	if (pingpong)
		work->count = number(argv[0], UINT32_C(100000000));
	else
		work->burst = (uint16_t)number(argv[0], MAX_BURST);
	for (i = 1; i < argc; i++) {
		work->sizes[i - 1] = (uint16_t)number(argv[i], RTE_MBUF_DEFAULT_DATAROOM);
		if (work->sizes[i - 1] < RTE_ETHER_HDR_LEN)
			return false;
	}
	work->nb_sizes = (uint16_t)(argc - 1);
	return work->count != 0 || work->burst != 0;
}

static void
say(const char *text)
{
	printf("%s\n", text);
	fflush(stdout);
}

static int
run(struct work *work, bool pingpong, uint16_t ring)
{
	const unsigned int worker = rte_get_next_lcore(-1, 1, 0);
	char line[16];

	if (worker == RTE_MAX_LCORE) {
		fprintf(stderr, "pmd_traffic: a second core is needed\n");
		return -1;
	}
	work->pool = rte_pktmbuf_pool_create("traffic", NB_MBUFS, 250, 0,
					     RTE_MBUF_DEFAULT_BUF_SIZE, (int)rte_socket_id());
	if (pingpong)
		work->cycles = calloc(work->count, sizeof(*work->cycles));
	if (work->pool == NULL || (pingpong && work->cycles == NULL)) {
		fprintf(stderr, "pmd_traffic: no memory\n");
		return -1;
	}
	if (bench_pmd_port_start(PORT, work->pool, ring, 0) < 0)
		return -1;
	say("started");
	if (!bench_pmd_link_wait(PORT))
		return -1;
	say("up");
	if (fgets(line, sizeof(line), stdin) == NULL)
		return -1;
	rte_eal_remote_launch(pingpong ? pingpong_main : send_main, work, worker);
	if (!pingpong) {
		(void)!fgets(line, sizeof(line), stdin); /* or its end */
		__atomic_store_n(&work->stop, true, __ATOMIC_RELAXED);
	}
	/* its cpu may be that of the other side: rte_eal_wait_lcore() would spin there */
	while (rte_eal_get_lcore_state(worker) == RUNNING)
		rte_delay_us_sleep(1000);
	if (rte_eal_wait_lcore(worker) < 0)
		return -1;
	print_result(work);
	rte_eth_dev_stop(PORT);
	return rte_eth_dev_close(PORT);
}

int
main(int argc, char **argv)
{
	struct work work = { 0 };
	bool pingpong;
	uint16_t ring;
	int ret;

	ret = rte_eal_init(argc, argv);
	if (ret < 0)
		return EXIT_FAILURE;
	argc -= ret + 1;
	argv += ret + 1;
	pingpong = argc > 0 && strcmp(argv[0], "pingpong") == 0;
	ring = argc > 1 ? (uint16_t)number(argv[1], 32768) : 0;
	if (ring == 0 || (!pingpong && strcmp(argv[0], "send") != 0) ||
	    !parse(&work, pingpong, argc - 2, argv + 2)) {
		fprintf(stderr, "pmd_traffic: see the head of its source\n");
		return EXIT_FAILURE;
	}
	ret = run(&work, pingpong, ring);
	free(work.cycles);
	rte_eal_cleanup();
	return ret < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
