/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#ifndef TRACE_SINK_H
#define TRACE_SINK_H

/**
 * @file
 * What is shown of the messages, and in which form
 */

#include "trace_msg.h"
#include "trace_out.h"
#include "trace_stats.h"

enum trace_format {
	TRACE_TEXT,
	TRACE_JSON,
	TRACE_PCAPNG,
};

/** Most regions of a filter. */
#define TRACE_MAX_REGIONS 64

struct trace_sink_conf {
	enum trace_format format;
	bool quiet; /**< no messages, only the summary */
	uint32_t max_data; /**< bytes of data shown of each message */
	/* filters; nothing set is no filter */
	bool by_command;
	uint64_t commands[(UINT16_MAX + 1) / 64]; /**< a bit for each */
	uint32_t nb_regions;
	uint32_t regions[TRACE_MAX_REGIONS];
};

struct trace_sink;

/** Begin; conf and out are kept by the caller. NULL without memory. */
struct trace_sink *trace_sink_create(const struct trace_sink_conf *conf,
				     struct trace_out *out, uint64_t start);

void trace_sink_free(struct trace_sink *sink);

/** Show a message, unless a filter is against it. */
void trace_sink_msg(struct trace_sink *sink, const struct trace_msg *msg);

/** Show what happened to a connection: a word, and text with details or NULL. */
void trace_sink_event(struct trace_sink *sink, uint64_t time, uint32_t conn,
		      const char *event, const char *details);

/** Show the counters, in the output if it is JSON, and as text on stderr. */
void trace_sink_summary(struct trace_sink *sink, const struct trace_stats *stats,
			uint64_t time);

#endif /* TRACE_SINK_H */
