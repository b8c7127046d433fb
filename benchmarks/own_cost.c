/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

/*
 * The library's own share of a 4-byte read: client and server in turn on one
 * thread, less the same system calls alone. Nobody waits for anybody, so what
 * is left are the instructions of the library.
 */

#include <rte_cycles.h>

#include "bare.h"
#include "bench.h"
#include "device.h"

#define SLICES 20u
#define ROUNDS 4000u

/* Where the time of a round goes, in cycles of rte_rdtsc(). */
enum step {
	STEP_SEND, /* the client's request */
	STEP_SERVE, /* one poll of the server */
	STEP_RECEIVE, /* one poll of the client */
	NB_STEPS
};

static const char *const step_names[NB_STEPS] = {
	[STEP_SEND] = "own cost, client sends",
	[STEP_SERVE] = "own cost, server polls",
	[STEP_RECEIVE] = "own cost, client polls",
};

struct both {
	double steps[NB_STEPS][BENCH_MAX_SLICES]; /* ns, for each run */
	uint32_t nb_runs;
	/* the library's */
	struct rte_vfio_user_server *srv;
	struct rte_vfio_user_client *client;
	/* or the bare ones */
	struct bare server;
	struct bare caller;
};

static void
note_steps(struct both *both, const uint64_t *cycles, uint32_t rounds)
{
	uint32_t i;

	for (i = 0; i < NB_STEPS; i++)
		both->steps[i][both->nb_runs] =
			(double)cycles[i] * bench_ns_per_cycle() / rounds;
	both->nb_runs++;
}

static double
run_library(uint32_t rounds, void *arg)
{
	struct both *both = arg;
	uint64_t t[NB_STEPS + 1], cycles[NB_STEPS] = { 0 }, start = bench_ns();
	double ns;
	uint32_t i, done = 0;

	for (i = 0; i < rounds; i++) {
		t[0] = rte_rdtsc();
		device_read_async(both->client, &done);
		t[1] = rte_rdtsc();
		rte_vfio_user_server_poll(both->srv);
		t[2] = rte_rdtsc();
		rte_vfio_user_client_poll(both->client);
		t[3] = rte_rdtsc();
		cycles[STEP_SEND] += t[1] - t[0];
		cycles[STEP_SERVE] += t[2] - t[1];
		cycles[STEP_RECEIVE] += t[3] - t[2];
		if (done != i + 1)
			bench_die("a read is not done after one poll of each side");
	}
	ns = (double)(bench_ns() - start) / rounds;
	note_steps(both, cycles, rounds);
	return ns;
}

static double
run_bare(uint32_t rounds, void *arg)
{
	struct both *both = arg;
	uint64_t t[NB_STEPS + 1], cycles[NB_STEPS] = { 0 }, start = bench_ns();
	double ns;
	uint32_t i;

	for (i = 0; i < rounds; i++) {
		t[0] = rte_rdtsc();
		bare_send(&both->caller, BARE_REQUEST);
		t[1] = rte_rdtsc();
		bare_serve_spin(&both->server);
		t[2] = rte_rdtsc();
		if (!bare_wait(&both->caller, 0) || bare_recv(&both->caller) == 0)
			bench_die("no reply after one poll");
		t[3] = rte_rdtsc();
		cycles[STEP_SEND] += t[1] - t[0];
		cycles[STEP_SERVE] += t[2] - t[1];
		cycles[STEP_RECEIVE] += t[3] - t[2];
	}
	ns = (double)(bench_ns() - start) / rounds;
	note_steps(both, cycles, rounds);
	return ns;
}

static void
report_steps(struct both *lib, struct both *bare)
{
	struct bench_row row = { .unit = "ns" };
	uint32_t i;

	for (i = 0; i < NB_STEPS; i++) {
		row.name = step_names[i];
		row.value = bench_median(lib->steps[i], lib->nb_runs);
		row.base = bench_median(bare->steps[i], bare->nb_runs);
		bench_report(&row);
	}
}

static void
report(const struct bench_way *lib, const struct bench_way *bare)
{
	double diff[BENCH_MAX_SLICES];
	struct bench_row row;
	uint32_t i;

	bench_report_ways("read on one thread", "ns", lib, bare, NULL);
	for (i = 0; i < lib->nb_slices; i++)
		diff[i] = lib->slice[i] - bare->slice[i];
	row = (struct bench_row){
		.name = "own cost of a read, both sides",
		.unit = "ns",
		.value = bench_median(diff, lib->nb_slices),
	};
	bench_report(&row);
}

int
main(int argc, char **argv)
{
	static struct both lib, bare;
	struct bench_way lib_way = { .run = run_library, .arg = &lib };
	struct bench_way bare_way = { .run = run_bare, .arg = &bare };
	struct bench_way *const ways[] = { &lib_way, &bare_way };
	int pair[2];

	bench_init(argc, argv);
	bench_socketpair(pair);
	lib.srv = device_create(pair[0]);
	lib.client = device_client_here(lib.srv, pair[1]);
	bench_socketpair(pair);
	bare_init(&bare.server, pair[0]);
	bare_init(&bare.caller, pair[1]);

	bench_interleave(ways, RTE_DIM(ways), bench_scale(ROUNDS), SLICES);
	report(&lib_way, &bare_way);
	report_steps(&lib, &bare);
	rte_vfio_user_client_destroy(lib.client);
	rte_vfio_user_server_destroy(lib.srv);
	return 0;
}
