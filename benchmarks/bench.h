/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#ifndef BENCH_H
#define BENCH_H

/**
 * @file
 * What the benchmarks share: options, cpus, time, medians, processes, output
 *
 * A program measures contenders (*ways*) in turn, a slice each, so that what
 * disturbs the machine hits all of them, and compares slice by slice. It
 * prints one JSON object a line for each row of the table; run.py runs it
 * several times and takes the medians.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <rte_common.h>

/** The options of the program. */
struct bench_conf {
	int cpu[2]; /**< ours, and that of the peer process */
	bool quick; /**< only show that it runs */
};

extern struct bench_conf bench;

/**
 * Read the options, limit the log to warnings, allow as many open files as the
 * system lets us, pin to the first cpu.
 */
void bench_init(int argc, char **argv);

/** Say what failed, with errno, and end the program with status 1. */
__rte_noreturn __rte_format_printf(1, 2)
void bench_die(const char *fmt, ...);

/** An epoll instance that watches fd, named by data.fd; ends the program if it cannot. */
int bench_epoll(int fd);

/** Pin the calling thread to bench.cpu[which]. */
void bench_pin(int which);

/** A full amount of work, or little with --quick. */
uint32_t bench_scale(uint32_t full);

/* ----------------------------------------------------------------- time */

/** CLOCK_MONOTONIC in nanoseconds. */
uint64_t bench_ns(void);

/** Nanoseconds of one cycle of rte_rdtsc(). */
double bench_ns_per_cycle(void);

/** Median; sorts the values. */
double bench_median(double *values, uint32_t nb);

/* ----------------------------------------------------------- contenders */

/** Most slices of each way. */
#define BENCH_MAX_SLICES 64u

/** One way to do the same thing. */
struct bench_way {
	/** Do it that many times: nanoseconds for each. */
	double (*run)(uint32_t rounds, void *arg);
	void *arg;
	/* set by bench_interleave() */
	double slice[BENCH_MAX_SLICES];
	uint32_t nb_slices;
};

/**
 * Warm up, then run slices of all ways in turn, up to nb_slices of each; fewer,
 * but some, on a machine that is too busy.
 */
void bench_interleave(struct bench_way *const *ways, uint32_t nb_ways,
		      uint32_t rounds, uint32_t nb_slices);

/** Median of the slices of a way. */
double bench_way_median(const struct bench_way *way);

/** Median of the ratios of a way to another one, slice by slice. */
double bench_way_ratio(const struct bench_way *way, const struct bench_way *base);

/** Medians of two ways as a row; values are times. */
void bench_report_ways(const char *name, const char *unit,
		       const struct bench_way *way, const struct bench_way *base,
		       const char *target);

/* --------------------------------------------------------------- output */

/** One row of the table. */
struct bench_row {
	const char *name; /**< unique, short */
	const char *unit; /**< of value and base */
	double value;
	double base; /**< the floor or the peer; 0: none */
	double ratio; /**< of value to base; 0: value / base */
	/** "ratio <= 1.05", "value >= 8e6", or NULL: for information. */
	const char *target;
	const char *note; /**< what else is to be said, or NULL */
};

void bench_report(const struct bench_row *row);

/** A row that cannot be measured here. */
__rte_format_printf(2, 3)
void bench_skip(const char *name, const char *fmt, ...);

/* ------------------------------------------------------------ processes */

/** Memory that our processes share, zeroed; never freed. */
void *bench_shared(size_t size);

/** A connected pair of sockets as the library has them. */
void bench_socketpair(int pair[2]);

/** Another process that serves us. */
struct bench_peer {
	pid_t pid;
	int fd; /**< our end of a socket pair */
	int ctl; /**< starts the peer */
	uint32_t *go; /**< shared: it shall go on */
};

/**
 * Body of a peer: serves fd while bench_peer_goes(), then returns; called
 * again at the next bench_peer_start().
 */
typedef void (*bench_peer_body_t)(int fd, const uint32_t *go, void *arg);

/** Start a process on the second cpu; it waits for bench_peer_start(). */
void bench_peer_create(struct bench_peer *peer, bench_peer_body_t body, void *arg);

/** Let it run; it owns its cpu if it spins. */
void bench_peer_start(struct bench_peer *peer);

/** Let it stop as soon as it looks. */
void bench_peer_stop(struct bench_peer *peer);

/** End it. */
void bench_peer_destroy(struct bench_peer *peer);

static inline bool
bench_peer_goes(const uint32_t *go)
{
	return __atomic_load_n(go, __ATOMIC_RELAXED) != 0;
}

#endif /* BENCH_H */
