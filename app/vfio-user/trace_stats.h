/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#ifndef TRACE_STATS_H
#define TRACE_STATS_H

/**
 * @file
 * Requests that wait for their reply, and counters for each command
 */

#include "trace_fields.h"
#include "trace_msg.h"

struct trace_stats;

/** Requests of one side on one socket. */
struct trace_waiting;

struct trace_stats *trace_stats_create(void);
void trace_stats_free(struct trace_stats *stats);

struct trace_waiting *trace_waiting_create(void);

/** Free; requests without a reply are counted. */
void trace_waiting_free(struct trace_waiting *waiting, struct trace_stats *stats);

/**
 * Count a message, and find the request of a reply: sets matched, latency and
 * region of the message.
 *
 * @param stats
 *   The counters.
 * @param requests
 *   What the receiver of the message has asked for, if it is a reply; what its
 *   sender asks for, if not.
 * @param msg
 *   The message.
 */
void trace_stats_count(struct trace_stats *stats, struct trace_waiting *requests,
		       struct trace_msg *msg);

/** A connection was made. */
void trace_stats_connection(struct trace_stats *stats);

/** Show all as text lines, or as members of a JSON object. */
void trace_stats_show(const struct trace_stats *stats, struct fields *f);

#endif /* TRACE_STATS_H */
