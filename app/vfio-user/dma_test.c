/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

/*
 * dma-test: gives memory to the device and takes it away again, in several ways;
 * has the device work on it, and looks at what became of it.
 */

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdarg.h>
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

#define PAGE 4096
#define MEMORY_MAX (UINT64_C(1) << 40)
#define LIMIT_BATCH 256u
#define LIMIT_MAX 65535u
#define LOOK_MS 2 /* between two looks at a register */

enum {
	OPTION_MESSAGES = CMD_OPTION_LONG, OPTION_FILE_IO, OPTION_READ_ONLY, OPTION_LIMIT,
	OPTION_UNTIL, OPTION_IRQ, OPTION_COPY,
};

struct dma_job {
	struct session s;
	struct dma_memory mem;
	uint64_t gap;
	bool limit;
	struct pokes pokes;
	struct pokes until; /* one at most */
	bool irq;
	uint32_t irq_index, irq_vector;
	int irq_fd;
	bool copy;
	struct dma_copy expected;
	json_t *checks;
	uint32_t failed;
	uint32_t extra; /* mappings besides the memory's */
};

/* ---------------------------------------------------------------- results */

/* What was checked, how it went, and how long it took. */
static void __rte_format_printf(5, 6)
result(struct dma_job *job, const char *name, bool ok, double us, const char *format, ...)
{
	char text[256];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	if (!ok)
		job->failed++;
	if (job->s.json) {
		json_array_append_new(job->checks, json_pack("{s:s, s:b, s:f, s:s}",
				"name", name, "ok", ok, "us", us, "text", text));
		return;
	}
	printf("%-8s %-7s %s", name, ok ? "ok" : "FAILED", text);
	if (us > 0)
		printf(", %.1f us", us);
	putchar('\n');
}

/* The result of a request; the connection must have survived it. */
static void
request_result(struct dma_job *job, const char *name, int ret, double start, uint32_t nb)
{
	double us = now_us() - start;

	if (ret == -ENOTCONN || ret == -ETIMEDOUT || ret == -EPROTO)
		fail(ret, "%s: %s", job->s.path, name);
	if (ret < 0)
		result(job, name, false, us, "%u mapping%s: %s", nb, nb == 1 ? "" : "s",
		       strerror(-ret));
	else
		result(job, name, true, us, "%u mapping%s", nb, nb == 1 ? "" : "s");
}

/* ------------------------------------------------------------ map, unmap */

static int
map_some(struct dma_job *job, uint32_t first, uint32_t step, uint32_t *nb)
{
	struct rte_vfio_user_dma_map map;
	uint32_t i;
	int ret = 0;

	*nb = 0;
	for (i = first; ret == 0 && i < job->mem.nb; i += step) {
		map = dma_memory_map(&job->mem, i);
		ret = rte_vfio_user_client_dma_map(job->s.client, &map, 1);
		*nb += ret == 0;
	}
	return ret;
}

static int
unmap_some(struct dma_job *job, uint32_t first, uint32_t step, uint32_t *nb)
{
	struct rte_vfio_user_dma_range range = { .size = job->mem.size };
	uint32_t i;
	int ret = 0;

	*nb = 0;
	for (i = first; ret == 0 && i < job->mem.nb; i += step) {
		range.iova = job->mem.iova + i * job->mem.stride;
		ret = rte_vfio_user_client_dma_unmap(job->s.client, &range, 1);
		*nb += ret == 0;
	}
	return ret;
}

/* Returns false if the memory is not mapped in the end. */
static bool
test_maps(struct dma_job *job)
{
	double start = now_us();
	uint32_t nb;
	int ret;

	ret = map_some(job, 0, 1, &nb);
	request_result(job, "map", ret, start, nb);
	if (ret < 0)
		return false;
	start = now_us();
	ret = unmap_some(job, 0, 2, &nb);
	request_result(job, "unmap", ret, start, nb);
	if (ret < 0)
		return false;
	start = now_us();
	ret = map_some(job, 0, 2, &nb);
	request_result(job, "remap", ret, start, nb);
	return ret == 0;
}

static void
test_unmap_all(struct dma_job *job)
{
	double start = now_us();
	int ret = rte_vfio_user_client_dma_unmap_all(job->s.client);
	uint32_t nb;

	request_result(job, "all", ret, start, job->mem.nb + job->extra);
	if (ret < 0)
		return;
	start = now_us();
	ret = map_some(job, 0, 1, &nb);
	request_result(job, "again", ret, start, nb);
	rte_vfio_user_client_dma_unmap_all(job->s.client);
}

/* Pages of the file until there are as many mappings as the server promised. */
static void
test_limit(struct dma_job *job)
{
	struct rte_vfio_user_dma_map maps[LIMIT_BATCH];
	struct rte_vfio_user_negotiated neg;
	uint32_t i, nb, wanted, done = 0;
	double start = now_us();
	uint64_t iova;
	int ret;

	ret = rte_vfio_user_client_negotiated(job->s.client, &neg);
	if (ret < 0)
		fail(ret, "%s", job->s.path);
	wanted = RTE_MIN(neg.max_dma_maps, LIMIT_MAX);
	wanted -= RTE_MIN(wanted, job->mem.nb);
	iova = (job->mem.iova + job->mem.nb * job->mem.stride + PAGE) & ~(uint64_t)(PAGE - 1);
	while (ret == 0 && done < wanted) {
		nb = RTE_MIN(wanted - done, LIMIT_BATCH);
		for (i = 0; i < nb; i++, iova += 2 * PAGE) {
			maps[i] = dma_memory_map(&job->mem, 0);
			maps[i].iova = iova;
			maps[i].size = PAGE;
			maps[i].vaddr = NULL;
		}
		ret = rte_vfio_user_client_dma_map(job->s.client, maps, nb);
		done += ret == 0 ? nb : 0;
	}
	job->extra = done;
	request_result(job, "limit", ret, start, done + job->mem.nb);
}

/* ------------------------------------------------------------------ device */

static void
irq_assign(struct dma_job *job)
{
	char name[NAME_SIZE];
	int ret;

	job->irq_fd = event_create();
	ret = rte_vfio_user_client_irq_assign(job->s.client, job->irq_index, job->irq_vector,
					      1, &job->irq_fd);
	if (ret < 0)
		fail(ret, "%s: assigning an eventfd to %s %u", job->s.path,
		     irq_name(name, job->irq_index), job->irq_vector);
}

static bool
has_ended(struct dma_job *job, bool *irq_came)
{
	const struct poke *until = &job->until.poke[0];

	if (job->irq && !*irq_came && event_take(job->irq_fd) > 0)
		*irq_came = true;
	if (job->irq && !*irq_came)
		return false;
	return job->until.nb == 0 || register_read(&job->s, until->region, until->offset,
						   until->width) == until->value;
}

/* Meanwhile the device's requests are served. */
static bool
wait_device(struct dma_job *job)
{
	struct pollfd fds[2] = {
		{ .fd = rte_vfio_user_client_fd(job->s.client), .events = POLLIN },
		{ .fd = job->irq ? job->irq_fd : -1, .events = POLLIN },
	};
	double start = now_us();
	bool irq_came = false;
	int left;

	while (!has_ended(job, &irq_came)) {
		left = time_left(start, job->s.conf.request_timeout_ms);
		if (left == 0 || signals_caught() != 0)
			return false;
		if (irq_came || !job->irq)
			left = RTE_MIN(left, LOOK_MS);
		if (irq_came)
			fds[1].fd = -1;
		if (events_poll(fds, RTE_DIM(fds), left) > 0 && fds[0].revents != 0 &&
		    rte_vfio_user_client_poll(job->s.client) < 0)
			fail(-ENOTCONN, "%s: while the device works", job->s.path);
	}
	return true;
}

static void
show_changes(struct dma_job *job)
{
	const struct dma_memory *mem = &job->mem;
	uint32_t i;

	for (i = 0; !job->s.json && i < RTE_MIN(mem->nb_changes, (uint32_t)CHANGES_MAX); i++)
		printf("         changed 0x%" PRIx64 " to 0x%" PRIx64 "\n",
		       mem->changes[i].iova, mem->changes[i].iova + mem->changes[i].len - 1);
	if (!job->s.json && mem->nb_changes > CHANGES_MAX)
		printf("         and more\n");
}

static void
test_device(struct dma_job *job)
{
	struct dma_memory *mem = &job->mem;
	double start;
	bool ended;

	dma_memory_fill(mem);
	if (job->irq)
		irq_assign(job);
	start = now_us();
	pokes_write(&job->s, &job->pokes);
	ended = wait_device(job);
	result(job, "device", ended, now_us() - start, "%s; messages: %" PRIu64 " reads of %"
	       PRIu64 " bytes, %" PRIu64 " writes of %" PRIu64 " bytes",
	       ended ? "the work ended" : "no end in time", mem->reads, mem->read_bytes,
	       mem->writes, mem->write_bytes);
	if (job->copy)
		result(job, "copy", dma_copy_done(mem, &job->expected), 0, "%" PRIu64
		       " bytes from 0x%" PRIx64 " to 0x%" PRIx64, job->expected.len,
		       job->expected.src, job->expected.dst);
	dma_memory_compare(mem, job->copy ? &job->expected : NULL);
	result(job, "memory", mem->changed_bytes == 0 || !(job->copy || mem->read_only), 0,
	       "%" PRIu64 " %sbytes changed", mem->changed_bytes, job->copy ? "other " : "");
	show_changes(job);
}

/* ----------------------------------------------------------------- command */

static json_t *
job_json(struct dma_job *job)
{
	json_t *changes = json_array();
	uint32_t i;

	for (i = 0; i < RTE_MIN(job->mem.nb_changes, (uint32_t)CHANGES_MAX); i++)
		json_array_append_new(changes, json_pack("{s:o, s:o}",
				"iova", json_u64(job->mem.changes[i].iova),
				"size", json_u64(job->mem.changes[i].len)));
	return json_pack("{s:b, s:o, s:{s:I, s:I, s:I, s:I}, s:I, s:o}",
			 "ok", job->failed == 0, "checks", job->checks, "messages",
			 "reads", (json_int_t)job->mem.reads,
			 "read_bytes", (json_int_t)job->mem.read_bytes,
			 "writes", (json_int_t)job->mem.writes,
			 "write_bytes", (json_int_t)job->mem.write_bytes,
			 "changed_bytes", (json_int_t)job->mem.changed_bytes,
			 "changes", changes);
}

/* "INDEX[:VECTOR]" */
static void
parse_irq(struct dma_job *job, const char *text)
{
	char word[64], *colon;

	if (strlen(text) >= sizeof(word))
		usage(&cmd_dma_test, "--irq: '%s' is too long", text);
	strcpy(word, text);
	colon = strchr(word, ':');
	if (colon != NULL)
		*colon++ = '\0';
	job->irq = true;
	job->irq_index = irq_parse(word);
	job->irq_vector = colon == NULL ? 0 : (uint32_t)parse_number(colon, "--irq", UINT32_MAX);
}

/* "SRC:DST:LEN" */
static void
parse_copy(struct dma_job *job, const char *text)
{
	char src[32], dst[32], len[32], more;

	if (sscanf(text, "%31[^:]:%31[^:]:%31[^:]%c", src, dst, len, &more) != 3)
		usage(&cmd_dma_test, "--expect-copy: '%s' is not SRC:DST:LEN", text);
	job->copy = true;
	job->expected.src = parse_number(src, "--expect-copy", UINT64_MAX);
	job->expected.dst = parse_number(dst, "--expect-copy", UINT64_MAX);
	job->expected.len = parse_number(len, "--expect-copy", MEMORY_MAX);
}

static bool
memory_option(struct dma_job *job, int id)
{
	struct dma_memory *mem = &job->mem;

	switch (id) {
	case 'n':
		mem->nb = (uint32_t)parse_number(optarg, "--maps", LIMIT_MAX);
		return true;
	case 's':
		mem->size = parse_number(optarg, "--size", MEMORY_MAX);
		return true;
	case 'a':
		mem->iova = parse_number(optarg, "--iova", UINT64_MAX);
		return true;
	case 'g':
		job->gap = parse_number(optarg, "--gap", UINT64_MAX >> 16);
		return true;
	case OPTION_MESSAGES:
		mem->kind = DMA_MESSAGES;
		return true;
	case OPTION_FILE_IO:
		mem->kind = DMA_FILE_IO;
		return true;
	case OPTION_READ_ONLY:
		mem->read_only = true;
		return true;
	case OPTION_LIMIT:
		job->limit = true;
		return true;
	default:
		return false;
	}
}

static void
parse_options(struct dma_job *job, int argc, char **argv)
{
	int id;

	session_init(&job->s);
	job->mem.nb = 4;
	job->mem.size = 1 << 20;
	job->mem.iova = UINT64_C(1) << 32;
	while ((id = cmd_getopt(&cmd_dma_test, argc, argv)) >= 0) {
		if (id == 'p')
			poke_parse(&job->pokes, optarg, "--poke");
		else if (id == OPTION_UNTIL)
			poke_parse(&job->until, optarg, "--until");
		else if (id == OPTION_IRQ)
			parse_irq(job, optarg);
		else if (id == OPTION_COPY)
			parse_copy(job, optarg);
		else if (!memory_option(job, id))
			session_option(&job->s, id);
	}
}

static void
check_options(struct dma_job *job)
{
	struct dma_memory *mem = &job->mem;
	uint64_t place;

	if (mem->nb == 0 || mem->size == 0 || mem->size % PAGE != 0)
		usage(&cmd_dma_test, "--maps must not be 0, --size a multiple of %u", PAGE);
	if (mem->size * mem->nb > MEMORY_MAX)
		usage(&cmd_dma_test, "more than 1 TiB of memory");
	mem->stride = mem->size + job->gap;
	if (mem->iova % 8 != 0 || mem->stride % 8 != 0 ||
	    mem->nb * mem->stride + 2 * PAGE * (uint64_t)LIMIT_MAX > UINT64_MAX - mem->iova)
		usage(&cmd_dma_test, "--iova and --gap must be multiples of 8, and fit in "
		      "64 bits");
	if (job->until.nb > 1)
		usage(&cmd_dma_test, "--until can be given once");
	if (job->pokes.nb == 0 && (job->until.nb != 0 || job->irq || job->copy))
		usage(&cmd_dma_test, "--until, --irq and --expect-copy need --poke");
	if (job->copy &&
	    (!dma_memory_has(mem, job->expected.src, job->expected.len, &place) ||
	     !dma_memory_has(mem, job->expected.dst, job->expected.len, &place)))
		usage(&cmd_dma_test, "--expect-copy: not inside of one mapping each");
}

static int
dma_test_run(int argc, char **argv)
{
	static struct dma_job job;

	parse_options(&job, argc, argv);
	cmd_words(&cmd_dma_test, argc, argv, 1, 1);
	check_options(&job);
	job.checks = json_array();
	job.s.conf.dma_cb = dma_memory_serve;
	job.s.conf.priv = &job.mem;
	session_open(&job.s, argv[optind]);
	dma_memory_create(&job.mem);
	signals_catch();
	if (test_maps(&job)) {
		if (job.pokes.nb != 0)
			test_device(&job);
		if (job.limit)
			test_limit(&job);
		test_unmap_all(&job);
	}
	session_close(&job.s);
	dma_memory_destroy(&job.mem);
	if (job.s.json)
		json_print(job_json(&job));
	else
		json_decref(job.checks);
	return job.failed == 0 ? STATUS_OK : STATUS_FAILED;
}

static const struct cmd_option dma_test_options[] = {
	SESSION_OPTIONS,
	SESSION_OPTION_JSON,
	{ 'n', "maps", "N", "mappings [4]" },
	{ 's', "size", "SIZE", "bytes of each mapping [1M]" },
	{ 'a', "iova", "ADDR", "address of the first one [4G]" },
	{ 'g', "gap", "SIZE", "bytes between two mappings [0]" },
	{ OPTION_MESSAGES, "messages", NULL, "without a file: the device has to ask for data" },
	{ OPTION_FILE_IO, "file-io", NULL, "the server is to use file I/O, not mmap" },
	{ OPTION_READ_ONLY, "read-only", NULL, "the device may only read" },
	{ OPTION_LIMIT, "limit", NULL, "also map as much as was negotiated" },
	{ 'p', "poke", "POKE", "have the device work: REGION:OFFSET=VALUE[/WIDTH]" },
	{ OPTION_UNTIL, "until", "POKE", "the work ends when a register has this value" },
	{ OPTION_IRQ, "irq", "INDEX[:N]", "the work ends with an interrupt of vector N" },
	{ OPTION_COPY, "expect-copy", "SRC:DST:LEN", "what the device must have copied" },
	{ 0 },
};

const struct cmd cmd_dma_test = {
	.name = "dma-test",
	.args = "SOCK",
	.summary = "Map and unmap memory, and have the device work on it",
	.help = "Maps memory, unmaps and maps every second mapping, unmaps everything with one\n"
		"request and maps it once more. This shows that the server takes mappings; not\n"
		"that the device uses them.\n\n"
		"With --poke the memory is filled with a pattern, registers are written, and when\n"
		"the work has ended (--until, --irq; at most --timeout) it is looked at: which\n"
		"bytes changed, and whether a copy was done. What the device asks for by messages\n"
		"is served and counted; what it reads from mapped memory cannot be seen.\n",
	.examples = "  " TOOL " dma-test --limit /run/dev.sock\n"
		"  " TOOL " dma-test --messages /run/dev.sock -p bar0:0x10=0x100000000/8 \\\n"
		"    -p bar0:0x18=0x100100000/8 -p bar0:0x20=4096 -p bar0:0x24=1 \\\n"
		"    --until bar0:0x28=2 --expect-copy 0x100000000:0x100100000:4096\n",
	.options = dma_test_options,
	.run = dma_test_run,
};
