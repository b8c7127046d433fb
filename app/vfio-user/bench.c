/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

/* bench: how fast the server answers. */

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "access.h"
#include "dma_work.h"
#include "events.h"
#include "names.h"
#include "tool.h"

#define SAMPLES_MAX (1u << 20)
#define DEPTH_MAX 1024
#define BURST 256 /* posted writes between two looks at the clock */

enum { OPTION_WRITE = CMD_OPTION_LONG };

struct bench_job {
	struct session s;
	uint32_t region, width;
	uint64_t offset;
	double duration_us; /* of each measurement */
	uint32_t depth;
	struct pokes write; /* one at most */
	uint64_t map_size;
	double *samples;
	double *unmaps; /* their times, while those of the maps are in samples */
	json_t *rows;
	/* of the pipelined measurement */
	uint32_t outstanding;
	uint64_t completed;
	int error;
};

/* ---------------------------------------------------------------- results */

static int
compare(const void *a, const void *b)
{
	double diff = *(const double *)a - *(const double *)b;

	return (diff > 0) - (diff < 0);
}

static void
show_latency(struct bench_job *job, const char *name, uint32_t nb)
{
	double *us = job->samples, median, p99;

	qsort(us, nb, sizeof(*us), compare);
	median = us[nb / 2];
	p99 = us[(uint64_t)nb * 99 / 100];
	if (job->s.json)
		json_object_set_new(job->rows, name, json_pack("{s:I, s:f, s:f, s:f, s:f}",
				"count", (json_int_t)nb, "min_us", us[0], "median_us", median,
				"p99_us", p99, "max_us", us[nb - 1]));
	else
		printf("%-16s %9u  min %8.1f  median %8.1f  p99 %8.1f  max %8.1f us\n", name,
		       nb, us[0], median, p99, us[nb - 1]);
}

static void
show_rate(struct bench_job *job, const char *name, uint64_t nb, double us)
{
	double rate = us > 0 ? (double)nb * 1e6 / us : 0;

	if (job->s.json)
		json_object_set_new(job->rows, name, json_pack("{s:I, s:f}",
				"count", (json_int_t)nb, "per_second", rate));
	else
		printf("%-16s %9" PRIu64 "  %.0f per second\n", name, nb, rate);
}

/* ----------------------------------------------------------- measurements */

static bool
goes_on(const struct bench_job *job, double start)
{
	return now_us() - start < job->duration_us && signals_caught() == 0;
}

static void
bench_read(struct bench_job *job)
{
	double start = now_us(), before;
	uint32_t nb = 0;

	do {
		before = now_us();
		register_read(&job->s, job->region, job->offset, job->width);
		job->samples[nb++] = now_us() - before;
	} while (nb < SAMPLES_MAX && goes_on(job, start));
	show_latency(job, "read", nb);
}

static void
read_done(struct rte_vfio_user_client *client, ssize_t result, void *arg)
{
	struct bench_job *job = arg;

	RTE_SET_USED(client);
	job->outstanding--;
	if (result == (ssize_t)job->width)
		job->completed++;
	else
		job->error = result < 0 ? (int)result : -EIO;
}

/* Fill the pipeline, half of it at a time. */
static void
reads_start(struct bench_job *job, uint64_t *data)
{
	int ret = 0;

	if (job->outstanding > job->depth / 2)
		return;
	rte_vfio_user_client_cork(job->s.client);
	while (ret == 0 && job->outstanding < job->depth) {
		ret = rte_vfio_user_client_region_read_async(job->s.client, job->region,
				job->offset, data, job->width, read_done, job);
		job->outstanding += ret == 0;
	}
	if (ret < 0 && ret != -EAGAIN)
		job->error = ret;
	ret = rte_vfio_user_client_flush(job->s.client);
	if (ret < 0)
		job->error = ret;
}

/* Returns when something has happened, or nothing for long. */
static void
reads_wait(struct bench_job *job)
{
	struct pollfd fd = {
		.fd = rte_vfio_user_client_fd(job->s.client), .events = POLLIN,
	};
	int ret = rte_vfio_user_client_poll(job->s.client);

	if (ret < 0)
		job->error = ret;
	else if (ret == 0)
		events_poll(&fd, 1, (int)RTE_MIN(job->s.conf.request_timeout_ms, 1000000u));
}

static void
bench_pipelined(struct bench_job *job)
{
	static uint64_t data; /* outlives the accesses */
	double start = now_us(), end;

	do {
		reads_start(job, &data);
		reads_wait(job);
	} while (job->error == 0 && goes_on(job, start));
	end = now_us();
	while (job->error == 0 && job->outstanding > 0 && signals_caught() == 0) {
		reads_wait(job);
		end = now_us();
	}
	if (job->error != 0)
		fail(job->error, "%s: pipelined reads", job->s.path);
	show_rate(job, "read_pipelined", job->completed, end - start);
}

static void
bench_write(struct bench_job *job)
{
	const struct poke *w = &job->write.poke[0];
	double start = now_us(), before;
	uint32_t nb = 0;

	do {
		before = now_us();
		register_write(&job->s, w->region, w->offset, w->value, w->width);
		job->samples[nb++] = now_us() - before;
	} while (nb < SAMPLES_MAX && goes_on(job, start));
	show_latency(job, "write", nb);
}

/* The read at the end is answered when all writes have been done. */
static void
bench_posted(struct bench_job *job)
{
	const struct poke *w = &job->write.poke[0];
	double start = now_us();
	uint64_t nb = 0;
	int ret, i;

	do {
		for (i = 0; i < BURST; i++) {
			ret = rte_vfio_user_client_region_write_posted(job->s.client,
					w->region, w->offset, &w->value, w->width);
			if (ret == -EAGAIN)
				ret = rte_vfio_user_client_poll(job->s.client);
			else
				nb += ret == 0;
			if (ret < 0)
				fail(ret, "%s: posted writes", job->s.path);
		}
	} while (goes_on(job, start));
	register_read(&job->s, job->region, job->offset, job->width);
	show_rate(job, "write_posted", nb, now_us() - start);
}

static void
bench_map(struct bench_job *job)
{
	struct dma_memory mem = { .nb = 1, .size = job->map_size, .iova = UINT64_C(1) << 32,
				  .stride = job->map_size };
	struct rte_vfio_user_dma_range range = { .iova = mem.iova, .size = mem.size };
	double start = now_us(), before;
	struct rte_vfio_user_dma_map map;
	uint32_t nb = 0;
	int ret;

	dma_memory_create(&mem);
	map = dma_memory_map(&mem, 0);
	do {
		before = now_us();
		ret = rte_vfio_user_client_dma_map(job->s.client, &map, 1);
		job->samples[nb] = now_us() - before;
		if (ret < 0)
			fail(ret, "%s: mapping %" PRIu64 " bytes", job->s.path, map.size);
		before = now_us();
		ret = rte_vfio_user_client_dma_unmap(job->s.client, &range, 1);
		job->unmaps[nb++] = now_us() - before;
		if (ret < 0)
			fail(ret, "%s: unmapping", job->s.path);
	} while (nb < SAMPLES_MAX && goes_on(job, start));
	show_latency(job, "map", nb);
	memcpy(job->samples, job->unmaps, nb * sizeof(*job->unmaps));
	show_latency(job, "unmap", nb);
	dma_memory_destroy(&mem);
}

/* ----------------------------------------------------------------- command */

static void
parse_options(struct bench_job *job, int argc, char **argv)
{
	int id;

	session_init(&job->s);
	job->region = VFIO_PCI_CONFIG_REGION_INDEX;
	job->width = 4;
	job->duration_us = 1e6;
	job->depth = 32;
	job->map_size = 2 << 20;
	while ((id = cmd_getopt(&cmd_bench, argc, argv)) >= 0) {
		if (id == 'r')
			job->region = region_parse(optarg);
		else if (id == 'o')
			job->offset = parse_number(optarg, "--offset", UINT64_MAX);
		else if (id == 'W')
			job->width = width_parse(optarg, "--width");
		else if (id == 'd')
			job->duration_us = parse_seconds(optarg, "--duration") * 1e3;
		else if (id == 'q')
			job->depth = (uint32_t)parse_number(optarg, "--depth", DEPTH_MAX);
		else if (id == 's')
			job->map_size = parse_number(optarg, "--size", UINT64_C(1) << 40);
		else if (id == OPTION_WRITE)
			poke_parse(&job->write, optarg, "--write");
		else
			session_option(&job->s, id);
	}
	if (job->depth == 0 || job->map_size == 0 || job->write.nb > 1)
		usage(&cmd_bench, "--depth and --size must not be 0, --write given only once");
}

static int
bench_run(int argc, char **argv)
{
	static struct bench_job job;
	char name[NAME_SIZE];

	parse_options(&job, argc, argv);
	session_open(&job.s, cmd_words(&cmd_bench, argc, argv, 1, 1)[0]);
	job.samples = xcalloc(SAMPLES_MAX, sizeof(*job.samples));
	job.unmaps = xcalloc(SAMPLES_MAX, sizeof(*job.unmaps));
	job.rows = json_object();
	signals_catch();
	bench_read(&job);
	bench_pipelined(&job);
	if (job.write.nb != 0) {
		bench_write(&job);
		bench_posted(&job);
	}
	bench_map(&job);
	if (job.s.json)
		json_print(json_pack("{s:s, s:o, s:i, s:I, s:o, s:o}",
				     "region", region_name(name, job.region),
				     "offset", json_u64(job.offset), "width", (int)job.width,
				     "depth", (json_int_t)job.depth,
				     "map_size", json_u64(job.map_size), "results", job.rows));
	else
		json_decref(job.rows);
	free(job.samples);
	free(job.unmaps);
	session_close(&job.s);
	return STATUS_OK;
}

static const struct cmd_option bench_options[] = {
	SESSION_OPTIONS,
	SESSION_OPTION_JSON,
	{ 'r', "region", "REGION", "region to read [config]" },
	{ 'o', "offset", "OFFSET", "where to read [0]" },
	{ 'W', "width", "N", "bytes to read: 1, 2, 4 or 8 [4]" },
	{ 'q', "depth", "N", "reads under way at a time, when pipelined [32]" },
	{ 'd', "duration", "SEC", "length of each measurement [1]" },
	{ 's', "size", "SIZE", "bytes of the mapping [2M]" },
	{ OPTION_WRITE, "write", "POKE", "also write: REGION:OFFSET=VALUE[/WIDTH]" },
	{ 0 },
};

const struct cmd cmd_bench = {
	.name = "bench",
	.args = "SOCK",
	.summary = "Measure how fast the server answers",
	.help = "Latencies of one access at a time, and of mapping and unmapping memory; the rate\n"
		"of pipelined reads and of posted writes. Nothing is written unless --write says\n"
		"where: choose a register that does not mind.\n",
	.examples = "  " TOOL " bench /run/dev.sock\n"
		"  " TOOL " bench -r bar0 -o 8 --write bar0:8=1 --json /run/dev.sock\n",
	.options = bench_options,
	.run = bench_run,
};
