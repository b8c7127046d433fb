/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

/* irq: lists interrupts; waits for them and counts; has the server trigger them. */

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "access.h"
#include "device.h"
#include "events.h"
#include "info.h"
#include "names.h"
#include "tool.h"

enum { OPTION_TRIGGER = CMD_OPTION_LONG, OPTION_BOOL };

struct irq_job {
	struct session s;
	uint32_t index;
	uint32_t flags; /* of the index */
	uint32_t first;
	uint32_t nb; /* vectors; 0: not given */
	uint64_t count; /* to wait for; 0: not given, any number */
	uint64_t got;
	uint32_t timeout_ms; /* 0: none */
	bool trigger;
	bool as_bool;
	bool verbose;
	struct pokes pokes;
	struct pollfd *fds; /* one for each vector, then the client's */
	uint64_t *counts;
	double start;
	const char *ended; /* why the wait ended early */
};

/* ----------------------------------------------------------------- set up */

/* "3", "0-7" */
static void
parse_vectors(struct irq_job *job, const char *text)
{
	char word[64], *dash;
	uint64_t last;

	if (strlen(text) >= sizeof(word))
		usage(&cmd_irq, "--vectors: '%s' is too long", text);
	strcpy(word, text);
	dash = strchr(word, '-');
	if (dash != NULL)
		*dash++ = '\0';
	job->first = (uint32_t)parse_number(word, "--vectors", UINT32_MAX - 1);
	last = dash == NULL ? job->first : parse_number(dash, "--vectors", UINT32_MAX - 1);
	if (last < job->first || last - job->first >= RTE_VFIO_USER_MAX_VECTORS)
		usage(&cmd_irq, "--vectors: '%s' is not a range of at most %u", text,
		      RTE_VFIO_USER_MAX_VECTORS);
	job->nb = (uint32_t)(last - job->first) + 1;
}

static void
check_vectors(struct irq_job *job)
{
	struct vfio_irq_info info;
	char name[NAME_SIZE];
	int ret;

	irq_name(name, job->index);
	ret = rte_vfio_user_client_irq_info(job->s.client, job->index, &info);
	if (ret < 0)
		fail(ret, "%s: information about %s", job->s.path, name);
	job->flags = info.flags;
	if (job->nb == 0)
		job->nb = RTE_MIN(info.count, (uint32_t)RTE_VFIO_USER_MAX_VECTORS);
	if (info.count == 0)
		die(STATUS_FAILED, "%s: the device has no %s", job->s.path, name);
	if (job->first >= info.count || job->nb > info.count - job->first)
		die(STATUS_FAILED, "%s: %s has %u vector%s only", job->s.path, name, info.count,
		    plural(info.count));
}

static void
assign(struct irq_job *job)
{
	struct rlimit limit;
	char name[NAME_SIZE];
	int *fds, ret;
	uint32_t i;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit); /* if not, eventfd() says so */
	}
	fds = xcalloc(job->nb, sizeof(*fds));
	job->fds = xcalloc(job->nb + 1, sizeof(*job->fds));
	job->counts = xcalloc(job->nb, sizeof(*job->counts));
	for (i = 0; i < job->nb; i++) {
		fds[i] = event_create();
		job->fds[i] = (struct pollfd){ .fd = fds[i], .events = POLLIN };
	}
	job->fds[job->nb] = (struct pollfd){
		.fd = rte_vfio_user_client_fd(job->s.client), .events = POLLIN,
	};
	ret = rte_vfio_user_client_irq_assign(job->s.client, job->index, job->first, job->nb,
					      fds);
	free(fds);
	if (ret < 0)
		fail(ret, "%s: assigning %u eventfd%s to %s", job->s.path, job->nb,
		     plural(job->nb), irq_name(name, job->index));
}

/* Have the server signal every vector, as if the device had done so. */
static void
trigger(struct irq_job *job)
{
	const size_t size = sizeof(struct vfio_irq_set) + job->nb;
	struct vfio_irq_set *set = xcalloc(1, size);
	char name[NAME_SIZE];
	int ret;

	set->argsz = (uint32_t)(job->as_bool ? size : sizeof(*set));
	set->flags = VFIO_IRQ_SET_ACTION_TRIGGER |
		(job->as_bool ? VFIO_IRQ_SET_DATA_BOOL : VFIO_IRQ_SET_DATA_NONE);
	set->index = job->index;
	set->start = job->first;
	set->count = job->nb;
	memset(set->data, 1, job->as_bool ? job->nb : 0);
	ret = rte_vfio_user_client_set_irqs(job->s.client, set);
	free(set);
	if (ret < 0)
		fail(ret, "%s: triggering %s", job->s.path, irq_name(name, job->index));
}

/* ------------------------------------------------------------------- wait */

static void
add_count(uint64_t *sum, uint64_t count)
{
	*sum = count > UINT64_MAX - *sum ? UINT64_MAX : *sum + count;
}

static void
take_vector(struct irq_job *job, uint32_t i)
{
	uint64_t count = event_take(job->fds[i].fd);
	char name[NAME_SIZE];
	int ret;

	if (count == 0)
		return;
	add_count(&job->counts[i], count);
	add_count(&job->got, count);
	if (job->verbose && !job->s.json)
		printf("%12.6f s  %s %u: %" PRIu64 "\n", (now_us() - job->start) / 1e6,
		       irq_name(name, job->index), job->first + i, count);
	if ((job->flags & VFIO_IRQ_INFO_AUTOMASKED) != 0) {
		ret = rte_vfio_user_client_irq_unmask(job->s.client, job->index,
						      job->first + i);
		if (ret < 0)
			fail(ret, "%s: unmasking", job->s.path);
	}
}

static void
wait_irqs(struct irq_job *job)
{
	int left, ret;
	uint32_t i;

	while (job->count == 0 || job->got < job->count) {
		left = time_left(job->start, job->timeout_ms);
		if (signals_caught() != 0)
			job->ended = "interrupted";
		else if (left == 0)
			job->ended = "timeout";
		if (job->ended != NULL)
			return;
		ret = events_poll(job->fds, job->nb + 1, left);
		if (ret < 0 && errno != EINTR)
			die(STATUS_FAILED, "poll: %s", strerror(errno));
		for (i = 0; ret > 0 && i < job->nb; i++)
			if ((job->fds[i].revents & POLLIN) != 0)
				take_vector(job, i);
		if (ret > 0 && job->fds[job->nb].revents != 0 &&
		    rte_vfio_user_client_poll(job->s.client) < 0)
			fail(-ENOTCONN, "%s: after %" PRIu64 " interrupt%s", job->s.path,
			     job->got, plural(job->got));
	}
}

/* ----------------------------------------------------------------- output */

static void
show_counts(const struct irq_job *job)
{
	char name[NAME_SIZE];
	uint32_t i;

	irq_name(name, job->index);
	for (i = 0; i < job->nb; i++)
		if (job->counts[i] != 0)
			printf("%s %u: %" PRIu64 "\n", name, job->first + i, job->counts[i]);
	printf("%" PRIu64 " interrupt%s in %.3f s\n", job->got, plural(job->got),
	       (now_us() - job->start) / 1e6);
}

static json_t *
counts_json(const struct irq_job *job)
{
	json_t *list = json_array();
	char name[NAME_SIZE];
	uint32_t i;

	for (i = 0; i < job->nb; i++)
		json_array_append_new(list, json_pack("{s:I, s:o}", "vector",
				(json_int_t)job->first + i,
				"interrupts", json_u64(job->counts[i])));
	return json_pack("{s:I, s:s, s:o, s:f, s:o}", "index", (json_int_t)job->index,
			 "name", irq_name(name, job->index),
			 "interrupts", json_u64(job->got),
			 "seconds", (now_us() - job->start) / 1e6, "vectors", list);
}

static int
list_run(struct irq_job *job)
{
	struct device dev;

	device_load(&dev, &job->s);
	if (job->s.json)
		json_print(json_pack("{s:o}", "irqs", info_irqs_json(&dev)));
	else
		info_show_irqs(&dev);
	device_free(&dev);
	return STATUS_OK;
}

static int
count_run(struct irq_job *job)
{
	check_vectors(job);
	signals_catch();
	assign(job);
	job->start = now_us();
	if (job->trigger)
		trigger(job);
	pokes_write(&job->s, &job->pokes);
	wait_irqs(job);
	if (job->s.json)
		json_print(counts_json(job));
	else
		show_counts(job);
	free(job->fds);
	free(job->counts);
	if (job->ended == NULL || job->count == 0)
		return STATUS_OK;
	stdout_end();
	die(STATUS_TIMEOUT, "%s: %s after %" PRIu64 " of %" PRIu64 " interrupt%s",
	    job->s.path, job->ended, job->got, job->count, plural(job->count));
}

static void
count_option(struct irq_job *job, const char *text)
{
	job->count = parse_number(text, "--count", UINT64_MAX);
	if (job->count == 0)
		usage(&cmd_irq, "--count: it must be at least 1");
}

/* A request may take a second of it at least, and as long as in other commands. */
static void
timeout_option(struct irq_job *job, uint32_t ms)
{
	job->timeout_ms = RTE_MAX(1u, ms);
	ms = RTE_MAX(1000u, ms);
	job->s.conf.request_timeout_ms = RTE_MIN(job->s.conf.request_timeout_ms, ms);
}

static void
parse_options(struct irq_job *job, int argc, char **argv)
{
	int id;

	session_init(&job->s);
	while ((id = cmd_getopt(&cmd_irq, argc, argv)) >= 0) {
		if (id == 'n')
			count_option(job, optarg);
		else if (id == 't')
			timeout_option(job, parse_seconds(optarg, "--timeout"));
		else if (id == 'V')
			parse_vectors(job, optarg);
		else if (id == 'p')
			poke_parse(&job->pokes, optarg, "--poke");
		else if (id == OPTION_TRIGGER || id == OPTION_BOOL)
			job->trigger = true;
		else if (id == 'v')
			job->verbose = true;
		else
			session_option(&job->s, id);
		if (id == OPTION_BOOL)
			job->as_bool = true;
	}
}

static int
irq_run(int argc, char **argv)
{
	struct irq_job job = { 0 };
	char **words;
	int status;

	parse_options(&job, argc, argv);
	words = cmd_words(&cmd_irq, argc, argv, 1, 2);
	if (words[1] != NULL)
		job.index = irq_parse(words[1]);
	else if (job.trigger || job.nb != 0 || job.count != 0 || job.pokes.nb != 0)
		usage(&cmd_irq, "which interrupts? no INDEX given");
	session_open(&job.s, words[0]);
	status = words[1] == NULL ? list_run(&job) : count_run(&job);
	session_close(&job.s);
	return status;
}

static const struct cmd_option irq_options[] = {
	{ 'w', "wait", "SEC", "wait for the server, or until the device is free" },
	SESSION_OPTION_DEBUG,
	SESSION_OPTION_JSON,
	{ 'n', "count", "N", "end after N interrupts, 1 or more" },
	{ 't', "timeout", "SEC", "end after SEC seconds" },
	{ 'V', "vectors", "N[-M]", "these vectors only [all]" },
	{ 'p', "poke", "POKE", "then write a register: REGION:OFFSET=VALUE[/WIDTH]" },
	{ OPTION_TRIGGER, "trigger", NULL, "have the server signal each vector once" },
	{ OPTION_BOOL, "bool", NULL, "the same, by SET_IRQS with a list of booleans" },
	{ 'v', "verbose", NULL, "print the interrupts as they come" },
	{ 0 },
};

const struct cmd cmd_irq = {
	.name = "irq",
	.args = "SOCK [INDEX]",
	.summary = "List interrupts, or wait for those of an index and count them",
	.help = "INDEX is intx, msi, msix, err, req, or a number. An eventfd is assigned\n"
		"to each vector; without --count and --timeout the command ends by Ctrl-C.\n"
		"Interrupts that mask themselves (INTx) are unmasked after each. If the --count\n"
		"was not reached the exit status is 5.\n",
	.examples = "  " TOOL " irq /run/dev.sock\n"
		"  " TOOL " irq /run/dev.sock msix --trigger --count 4 --timeout 1\n"
		"  " TOOL " irq /run/dev.sock msix --poke bar0:0x30=4 -n 1 -t 5\n",
	.options = irq_options,
	.run = irq_run,
};
