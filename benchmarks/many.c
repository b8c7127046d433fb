/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

/*
 * 1024 devices in one process, each with a connected client in another one,
 * all polled by one thread that sleeps in epoll_wait(): what they cost while
 * nothing happens, how much memory each takes, and whether the last one
 * answers as fast as the first.
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <rte_errno.h>
#include <rte_vfio_user_runner.h>

#include "bench.h"
#include "device.h"

#define DEVICES 1024u
#define FILES_PER_DEVICE 12u /* in each of the two processes, at most */
#define IDLE_MS 2000u
#define SLICES 30u
#define ROUNDS 50u

#define ROW_IDLE "1024 devices, idle, processor time"
#define ROW_MEMORY "1024 devices, resident memory of each"
#define ROW_ROUND "1024 devices, round trip of the last and the first"

/* What the two processes tell each other. */
struct shared {
	uint32_t started; /* all devices are being polled */
	uint32_t connected; /* all clients are connected */
	uint32_t measured; /* the figures below are there */
	double rss; /* bytes for all devices */
	double idle_us; /* processor time while idle */
};

struct many {
	struct shared *shared;
	uint32_t nb;
	int (*pairs)[2];
};

static void
wait_for(const uint32_t *flag)
{
	while (__atomic_load_n(flag, __ATOMIC_ACQUIRE) == 0)
		usleep(1000);
}

static void
tell(uint32_t *flag)
{
	__atomic_store_n(flag, 1, __ATOMIC_RELEASE);
}

/* --------------------------------------------------------------- server */

/* Resident bytes of this process. */
static double
resident(void)
{
	FILE *file = fopen("/proc/self/statm", "r");
	unsigned long total, pages;
	long page = sysconf(_SC_PAGESIZE);

	if (file == NULL || fscanf(file, "%lu %lu", &total, &pages) != 2)
		bench_die("/proc/self/statm");
	fclose(file);
	return (double)pages * (double)page;
}

static double
cpu_us(int who)
{
	struct rusage usage;

	getrusage(who, &usage);
	return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e6 +
		(double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

/* All threads but this one, which measures. */
static double
others_cpu_us(void)
{
	return cpu_us(RUSAGE_SELF) - cpu_us(RUSAGE_THREAD);
}

static void
serve(int fd, const uint32_t *go, void *arg)
{
	const struct many *many = arg;
	struct shared *shared = many->shared;
	struct rte_vfio_user_runner *runner = rte_vfio_user_runner_create("bench");
	double rss = resident(), cpu;
	uint32_t i;

	RTE_SET_USED(fd);
	RTE_SET_USED(go);
	if (runner == NULL)
		bench_die("cannot create a runner");
	for (i = 0; i < many->nb; i++) {
		close(many->pairs[i][1]);
		errno = -rte_vfio_user_runner_add(runner, device_create(many->pairs[i][0]));
		if (errno != 0)
			bench_die("cannot poll device %u", i);
	}
	tell(&shared->started);
	wait_for(&shared->connected);
	shared->rss = resident() - rss;
	cpu = others_cpu_us();
	usleep(bench_scale(IDLE_MS) * 1000);
	shared->idle_us = others_cpu_us() - cpu;
	tell(&shared->measured);
	pause();
}

/* -------------------------------------------------------------- clients */

static double
read_device(uint32_t rounds, void *arg)
{
	uint64_t start = bench_ns();
	uint32_t i;

	for (i = 0; i < rounds; i++)
		device_read(arg);
	return (double)(bench_ns() - start) / rounds;
}

/* The rows, if they can be measured. */
static bool
have_files(uint32_t nb)
{
	struct rlimit files;

	getrlimit(RLIMIT_NOFILE, &files);
	if (files.rlim_cur >= nb * FILES_PER_DEVICE)
		return true;
	bench_skip(ROW_IDLE, "%u open files are too few", (uint32_t)files.rlim_cur);
	bench_skip(ROW_MEMORY, "%u open files are too few", (uint32_t)files.rlim_cur);
	bench_skip(ROW_ROUND, "%u open files are too few", (uint32_t)files.rlim_cur);
	return false;
}

static void
report_idle(const struct shared *shared, uint32_t nb)
{
	struct bench_row row = {
		.name = ROW_IDLE,
		.unit = "%",
		.value = shared->idle_us / 10 / bench_scale(IDLE_MS),
		.target = "value < 0.01",
	};

	bench_report(&row);
	row = (struct bench_row){
		.name = ROW_MEMORY,
		.unit = "bytes",
		.value = shared->rss / nb,
		.target = "value < 65536",
	};
	bench_report(&row);
}

static void
run(struct many *many)
{
	struct rte_vfio_user_client **clients = calloc(many->nb, sizeof(clients[0]));
	struct bench_way first = { .run = read_device }, last = { .run = read_device };
	struct bench_way *const ways[] = { &last, &first };
	uint32_t i;

	if (clients == NULL)
		bench_die("memory");
	wait_for(&many->shared->started);
	for (i = 0; i < many->nb; i++) {
		close(many->pairs[i][0]);
		clients[i] = device_client(many->pairs[i][1]);
	}
	tell(&many->shared->connected);
	wait_for(&many->shared->measured);
	report_idle(many->shared, many->nb);
	first.arg = clients[0];
	last.arg = clients[many->nb - 1];
	bench_interleave(ways, RTE_DIM(ways), bench_scale(ROUNDS), SLICES);
	bench_report_ways(ROW_ROUND, "ns", &last, &first, "ratio <= 1.2");
	for (i = 0; i < many->nb; i++)
		rte_vfio_user_client_destroy(clients[i]);
	free(clients);
}

int
main(int argc, char **argv)
{
	struct many many = { .nb = DEVICES };
	struct bench_peer peer;
	uint32_t i;

	bench_init(argc, argv);
	many.nb = bench.quick ? DEVICES / 16 : DEVICES;
	if (!have_files(many.nb))
		return 0;
	many.shared = bench_shared(sizeof(*many.shared));
	many.pairs = calloc(many.nb, sizeof(many.pairs[0]));
	if (many.pairs == NULL)
		bench_die("memory");
	for (i = 0; i < many.nb; i++)
		bench_socketpair(many.pairs[i]);
	bench_peer_create(&peer, serve, &many);
	bench_peer_start(&peer);
	run(&many);
	bench_peer_destroy(&peer);
	free(many.pairs);
	return 0;
}
