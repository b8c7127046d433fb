/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#include <errno.h>
#include <getopt.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <rte_cycles.h>
#include <rte_log.h>

#include "bench.h"

#define NS_PER_SEC UINT64_C(1000000000)
#define CALIBRATE_NS (NS_PER_SEC / 50)
#define QUICK_PART 50

/* slices end when that much time has gone, but for the first few */
#define ENOUGH_NS (2 * NS_PER_SEC)
#define MIN_SLICES 5u

/* open files wanted */
#define FILES (UINT32_C(1) << 18)

struct bench_conf bench = { .cpu = { 0, 1 } };

/* -------------------------------------------------------------- options */

static void
usage(const char *program)
{
	fprintf(stderr, "usage: %s [--cpus A,B] [--quick]\n", program);
	exit(2);
}

/* More than the system gives us, if we may; else as many as it does. */
static void
allow_files(void)
{
	struct rlimit files = { .rlim_cur = FILES, .rlim_max = FILES };

	if (setrlimit(RLIMIT_NOFILE, &files) == 0 ||
	    getrlimit(RLIMIT_NOFILE, &files) < 0)
		return;
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
}

void
bench_init(int argc, char **argv)
{
	static const struct option options[] = {
		{ "cpus", required_argument, NULL, 'c' },
		{ "quick", no_argument, NULL, 'q' },
		{ NULL, 0, NULL, 0 },
	};
	int opt;

	while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (opt == 'q')
			bench.quick = true;
		else if (opt != 'c' || sscanf(optarg, "%d,%d", &bench.cpu[0],
					      &bench.cpu[1]) != 2)
			usage(argv[0]);
	}
	if (optind != argc)
		usage(argv[0]);
	setvbuf(stdout, NULL, _IOLBF, 0);
	rte_log_set_global_level(RTE_LOG_WARNING);
	allow_files();
	bench_pin(0);
}

void
bench_die(const char *fmt, ...)
{
	int error = errno;
	va_list ap;

	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fprintf(stderr, ": %s\n", strerror(error));
	exit(1);
}

int
bench_epoll(int fd)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.fd = fd };
	int epfd = epoll_create1(EPOLL_CLOEXEC);

	if (epfd < 0 || epoll_ctl(epfd, EPOLL_CTL_ADD, fd, &ev) < 0)
		bench_die("epoll");
	return epfd;
}

void
bench_pin(int which)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(bench.cpu[which], &set);
	if (sched_setaffinity(0, sizeof(set), &set) < 0)
		bench_die("cannot run on cpu %d", bench.cpu[which]);
}

uint32_t
bench_scale(uint32_t full)
{
	return bench.quick ? RTE_MAX(full / QUICK_PART, 1u) : full;
}

/* ----------------------------------------------------------------- time */

uint64_t
bench_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * NS_PER_SEC + (uint64_t)ts.tv_nsec;
}

double
bench_ns_per_cycle(void)
{
	static double ns_per_cycle;
	uint64_t start, cycles, now;

	if (ns_per_cycle != 0)
		return ns_per_cycle;
	start = bench_ns();
	cycles = rte_rdtsc();
	do {
		now = bench_ns();
	} while (now - start < CALIBRATE_NS);
	ns_per_cycle = (double)(now - start) / (double)(rte_rdtsc() - cycles);
	return ns_per_cycle;
}

static int
compare(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

double
bench_median(double *values, uint32_t nb)
{
	qsort(values, nb, sizeof(*values), compare);
	return nb % 2 != 0 ? values[nb / 2] :
		(values[nb / 2 - 1] + values[nb / 2]) / 2;
}

/* ----------------------------------------------------------- contenders */

void
bench_interleave(struct bench_way *const *ways, uint32_t nb_ways,
		 uint32_t rounds, uint32_t nb_slices)
{
	uint64_t start = bench_ns();
	uint32_t i, slice;

	for (i = 0; i < nb_ways; i++)
		ways[i]->run(RTE_MAX(rounds / 4, 1u), ways[i]->arg);
	for (slice = 0; slice < nb_slices; slice++) {
		if (slice >= MIN_SLICES && bench_ns() - start > ENOUGH_NS)
			break;
		for (i = 0; i < nb_ways; i++)
			ways[i]->slice[slice] = ways[i]->run(rounds, ways[i]->arg);
	}
	for (i = 0; i < nb_ways; i++)
		ways[i]->nb_slices = slice;
}

double
bench_way_median(const struct bench_way *way)
{
	double values[BENCH_MAX_SLICES];

	memcpy(values, way->slice, way->nb_slices * sizeof(values[0]));
	return bench_median(values, way->nb_slices);
}

double
bench_way_ratio(const struct bench_way *way, const struct bench_way *base)
{
	double values[BENCH_MAX_SLICES];
	uint32_t i;

	for (i = 0; i < way->nb_slices; i++)
		values[i] = way->slice[i] / base->slice[i];
	return bench_median(values, way->nb_slices);
}

void
bench_report_ways(const char *name, const char *unit, const struct bench_way *way,
		  const struct bench_way *base, const char *target)
{
	const struct bench_row row = {
		.name = name,
		.unit = unit,
		.value = bench_way_median(way),
		.base = bench_way_median(base),
		.ratio = bench_way_ratio(way, base),
		.target = target,
	};

	bench_report(&row);
}

/* --------------------------------------------------------------- output */

void
bench_report(const struct bench_row *row)
{
	double ratio = row->ratio;

	if (ratio == 0 && row->base != 0)
		ratio = row->value / row->base;
	printf("{\"name\": \"%s\", \"unit\": \"%s\", \"value\": %.6g",
	       row->name, row->unit, row->value);
	if (row->base != 0)
		printf(", \"base\": %.6g, \"ratio\": %.6g", row->base, ratio);
	if (row->target != NULL)
		printf(", \"target\": \"%s\"", row->target);
	if (row->note != NULL)
		printf(", \"note\": \"%s\"", row->note);
	printf("}\n");
}

void
bench_skip(const char *name, const char *fmt, ...)
{
	va_list ap;

	printf("{\"name\": \"%s\", \"skipped\": \"", name);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf("\"}\n");
}

/* ------------------------------------------------------------ processes */

void *
bench_shared(size_t size)
{
	void *mem = mmap(NULL, size, PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (mem == MAP_FAILED)
		bench_die("mmap");
	return mem;
}

void
bench_socketpair(int pair[2])
{
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0)
		bench_die("socketpair");
}

__rte_noreturn
static void
peer_main(int fd, int ctl, const uint32_t *go, bench_peer_body_t body, void *arg)
{
	char byte;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	bench_pin(1);
	while (read(ctl, &byte, 1) == 1)
		body(fd, go, arg);
	_exit(0);
}

void
bench_peer_create(struct bench_peer *peer, bench_peer_body_t body, void *arg)
{
	int pair[2], ctl[2];

	peer->go = bench_shared(sizeof(*peer->go));
	bench_socketpair(pair);
	if (pipe(ctl) < 0)
		bench_die("pipe");
	fflush(stdout);
	peer->pid = fork();
	if (peer->pid < 0)
		bench_die("fork");
	if (peer->pid == 0) {
		close(pair[0]);
		close(ctl[1]);
		peer_main(pair[1], ctl[0], peer->go, body, arg);
	}
	close(pair[1]);
	close(ctl[0]);
	peer->fd = pair[0];
	peer->ctl = ctl[1];
}

void
bench_peer_start(struct bench_peer *peer)
{
	__atomic_store_n(peer->go, 1, __ATOMIC_RELEASE);
	if (write(peer->ctl, "", 1) != 1)
		bench_die("cannot start a peer process");
}

void
bench_peer_stop(struct bench_peer *peer)
{
	__atomic_store_n(peer->go, 0, __ATOMIC_RELEASE);
}

void
bench_peer_destroy(struct bench_peer *peer)
{
	kill(peer->pid, SIGKILL);
	waitpid(peer->pid, NULL, 0);
	close(peer->fd);
	close(peer->ctl);
	munmap(peer->go, sizeof(*peer->go));
}
