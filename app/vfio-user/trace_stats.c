/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "tool.h"
#include "trace_names.h"
#include "trace_stats.h"

/* Requests of a peer that never gets replies are forgotten from here on. */
#define MAX_WAITING 65536u

#define BUCKETS 256u

/*
 * A histogram of latencies: each power of two nanoseconds has so many parts,
 * which makes a percentile wrong by 1/64 at most.
 */
#define PARTS_LOG2 5u
#define PARTS (1u << PARTS_LOG2)
#define STEPS 40u /* up to 2^40 ns, 18 minutes */

struct request {
	STAILQ_ENTRY(request) next;
	uint64_t time;
	uint32_t region;
	uint16_t id;
	uint16_t command;
};

STAILQ_HEAD(requests, request);

struct trace_waiting {
	struct requests bucket[BUCKETS];
	struct requests unused;
	uint32_t count;
};

struct counters {
	uint64_t requests;
	uint64_t no_reply;
	uint64_t replies;
	uint64_t errors;
	uint64_t bytes;
	uint64_t fds;
	uint64_t unanswered;
	uint64_t timed;
	uint64_t min, max;
	uint32_t histogram[STEPS * PARTS];
};

struct trace_stats {
	uint64_t connections;
	uint64_t messages;
	uint64_t bytes[2]; /* of the client, of the server */
	uint64_t fds[2];
	uint64_t unexpected; /* replies to nothing */
	uint64_t partial;
	uint64_t raw_bytes;
	uint64_t lost;
	/* by command; those without a name share the first */
	struct counters commands[TRACE_COMMANDS];
};

struct trace_stats *
trace_stats_create(void)
{
	return calloc(1, sizeof(struct trace_stats));
}

void
trace_stats_free(struct trace_stats *stats)
{
	free(stats);
}

static struct counters *
counters_of(struct trace_stats *stats, uint16_t command)
{
	bool known = command < TRACE_COMMANDS && trace_command_name(command) != NULL;

	return &stats->commands[known ? command : 0];
}

struct trace_waiting *
trace_waiting_create(void)
{
	struct trace_waiting *waiting = calloc(1, sizeof(*waiting));
	uint32_t i;

	if (waiting == NULL)
		return NULL;
	for (i = 0; i < BUCKETS; i++)
		STAILQ_INIT(&waiting->bucket[i]);
	STAILQ_INIT(&waiting->unused);
	return waiting;
}

static void
free_list(struct requests *list)
{
	struct request *req;

	while ((req = STAILQ_FIRST(list)) != NULL) {
		STAILQ_REMOVE_HEAD(list, next);
		free(req);
	}
}

void
trace_waiting_free(struct trace_waiting *waiting, struct trace_stats *stats)
{
	struct request *req;
	uint32_t i;

	if (waiting == NULL)
		return;
	for (i = 0; i < BUCKETS; i++) {
		STAILQ_FOREACH(req, &waiting->bucket[i], next)
			counters_of(stats, req->command)->unanswered++;
		free_list(&waiting->bucket[i]);
	}
	free_list(&waiting->unused);
	free(waiting);
}

static void
add_request(struct trace_waiting *waiting, const struct trace_msg *msg)
{
	struct request *req = STAILQ_FIRST(&waiting->unused);

	if (req != NULL)
		STAILQ_REMOVE_HEAD(&waiting->unused, next);
	else if (waiting->count < MAX_WAITING)
		req = malloc(sizeof(*req));
	if (req == NULL)
		return;
	req->time = msg->time;
	req->region = msg->region;
	req->id = msg->hdr.msg_id;
	req->command = msg->hdr.command;
	waiting->count++;
	STAILQ_INSERT_TAIL(&waiting->bucket[req->id % BUCKETS], req, next);
}

/* Ids may be used several times at once: the oldest is answered first. */
static void
match_reply(struct trace_waiting *waiting, struct trace_msg *msg)
{
	struct requests *bucket = &waiting->bucket[msg->hdr.msg_id % BUCKETS];
	struct request *req;

	STAILQ_FOREACH(req, bucket, next)
		if (req->id == msg->hdr.msg_id && req->command == msg->hdr.command)
			break;
	if (req == NULL)
		return;
	STAILQ_REMOVE(bucket, req, request, next);
	STAILQ_INSERT_HEAD(&waiting->unused, req, next);
	waiting->count--;
	msg->matched = true;
	msg->latency = msg->time - req->time;
	msg->region = req->region;
}

/* Place of a time in the histogram, and the middle of a place. */
static uint32_t
place_of(uint64_t ns)
{
	uint32_t log2, place;

	if (ns < PARTS)
		return (uint32_t)ns;
	log2 = 63u - (uint32_t)__builtin_clzll(ns);
	place = (log2 - PARTS_LOG2 + 1) * PARTS +
		(uint32_t)((ns >> (log2 - PARTS_LOG2)) & (PARTS - 1));
	return RTE_MIN(place, STEPS * PARTS - 1);
}

static uint64_t
time_of(uint32_t place)
{
	uint32_t shift = place / PARTS;

	if (shift <= 1)
		return place;
	shift--;
	return ((uint64_t)(PARTS + place % PARTS) << shift) + (UINT64_C(1) << (shift - 1));
}

static uint64_t
percentile(const struct counters *c, uint32_t percent)
{
	uint64_t wanted = (c->timed * percent + 99) / 100, seen = 0, ns;
	uint32_t i;

	for (i = 0; i < STEPS * PARTS; i++) {
		seen += c->histogram[i];
		if (seen >= wanted)
			break;
	}
	ns = RTE_MIN(time_of(i), c->max);
	return RTE_MAX(c->min, ns);
}

static void
count_latency(struct counters *c, uint64_t ns)
{
	if (c->timed++ == 0 || ns < c->min)
		c->min = ns;
	c->max = RTE_MAX(c->max, ns);
	c->histogram[place_of(ns)]++;
}

static void
count_reply(struct trace_stats *stats, struct counters *c, const struct trace_msg *msg)
{
	c->replies++;
	c->errors += (msg->hdr.flags & VFIO_USER_F_ERROR) != 0;
	if (msg->matched)
		count_latency(c, msg->latency);
	else
		stats->unexpected++;
}

void
trace_stats_count(struct trace_stats *stats, struct trace_waiting *requests,
		  struct trace_msg *msg)
{
	struct counters *c = counters_of(stats, msg->hdr.command);

	stats->bytes[msg->from_server] += msg->size;
	stats->fds[msg->from_server] += msg->nb_fds;
	stats->lost += msg->lost;
	if (msg->kind != TRACE_MESSAGE) {
		stats->partial += msg->kind == TRACE_PARTIAL;
		stats->raw_bytes += msg->kind == TRACE_RAW ? msg->size : 0;
		return;
	}
	stats->messages++;
	c->bytes += msg->size;
	c->fds += msg->nb_fds;
	if (trace_is_reply(msg)) {
		match_reply(requests, msg);
		count_reply(stats, c, msg);
		return;
	}
	c->requests++;
	if ((msg->hdr.flags & VFIO_USER_F_NO_REPLY) != 0)
		c->no_reply++;
	else
		add_request(requests, msg);
}

void
trace_stats_connection(struct trace_stats *stats)
{
	stats->connections++;
}

/* -------------------------------------------------------------- summary */

static double
us(uint64_t ns)
{
	return (double)ns / 1e3;
}

static void
show_command_text(struct fields *f, const char *name, const struct counters *c)
{
	fields_printf(f, "%-25s %9" PRIu64 " %8" PRIu64 " %6" PRIu64 " %11" PRIu64
		      " %6" PRIu64, name, c->requests, c->no_reply, c->errors, c->bytes,
		      c->fds);
	if (c->timed != 0)
		fields_printf(f, " %9.1f %9.1f %9.1f %9.1f", us(c->min),
			      us(percentile(c, 50)), us(percentile(c, 99)), us(c->max));
	fields_printf(f, "\n");
	if (c->unanswered != 0)
		fields_printf(f, "%-25s %9" PRIu64 " without a reply\n", "", c->unanswered);
}

static void
show_command_json(struct fields *f, const char *name, const struct counters *c)
{
	fields_open(f, name, '{');
	fields_num(f, "requests", c->requests);
	fields_num(f, "no_reply", c->no_reply);
	fields_num(f, "replies", c->replies);
	fields_num(f, "errors", c->errors);
	fields_num(f, "unanswered", c->unanswered);
	fields_num(f, "bytes", c->bytes);
	fields_num(f, "fds", c->fds);
	if (c->timed != 0) {
		fields_open(f, "latency_ns", '{');
		fields_num(f, "min", c->min);
		fields_num(f, "median", percentile(c, 50));
		fields_num(f, "p99", percentile(c, 99));
		fields_num(f, "max", c->max);
		fields_close(f, '}');
	}
	fields_close(f, '}');
}

static void
show_total_text(const struct trace_stats *stats, struct fields *f)
{
	fields_printf(f, "%" PRIu64 " connection%s, %" PRIu64 " messages; client: %" PRIu64
		      " bytes, %" PRIu64 " fds; server: %" PRIu64 " bytes, %" PRIu64
		      " fds\n", stats->connections, plural(stats->connections),
		      stats->messages, stats->bytes[0], stats->fds[0], stats->bytes[1],
		      stats->fds[1]);
	if (stats->unexpected != 0)
		fields_printf(f, "%" PRIu64 " replies to nothing\n", stats->unexpected);
	if (stats->partial != 0)
		fields_printf(f, "%" PRIu64 " messages cut by the end of a connection\n",
			      stats->partial);
	if (stats->raw_bytes != 0)
		fields_printf(f, "%" PRIu64 " bytes that are no messages\n",
			      stats->raw_bytes);
	if (stats->lost != 0)
		fields_printf(f, "%" PRIu64 " messages whose receiver was gone\n",
			      stats->lost);
}

static void
show_total_json(const struct trace_stats *stats, struct fields *f)
{
	static const char *const sides[] = { "client", "server" };
	uint32_t i;

	fields_num(f, "connections", stats->connections);
	fields_num(f, "messages", stats->messages);
	for (i = 0; i < RTE_DIM(sides); i++) {
		fields_open(f, sides[i], '{');
		fields_num(f, "bytes", stats->bytes[i]);
		fields_num(f, "fds", stats->fds[i]);
		fields_close(f, '}');
	}
	fields_num(f, "unexpected_replies", stats->unexpected);
	fields_num(f, "partial", stats->partial);
	fields_num(f, "malformed_bytes", stats->raw_bytes);
	fields_num(f, "lost", stats->lost);
}

void
trace_stats_show(const struct trace_stats *stats, struct fields *f)
{
	const struct counters *c;
	const char *name;
	uint32_t i;

	if (f->json) {
		show_total_json(stats, f);
		fields_open(f, "commands", '{');
	} else {
		show_total_text(stats, f);
		fields_printf(f, "%-25s %9s %8s %6s %11s %6s %9s %9s %9s %9s\n", "command",
			      "requests", "no reply", "errors", "bytes", "fds", "min us",
			      "median", "p99", "max");
	}
	for (i = 0; i < TRACE_COMMANDS; i++) {
		c = &stats->commands[i];
		name = i == 0 ? "unknown" : trace_command_name((uint16_t)i);
		if (c->requests + c->replies == 0)
			continue;
		if (f->json)
			show_command_json(f, name, c);
		else
			show_command_text(f, name, c);
	}
	if (f->json)
		fields_close(f, '}');
}
