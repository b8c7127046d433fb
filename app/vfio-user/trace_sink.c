/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "trace_decode.h"
#include "trace_names.h"
#include "trace_pcapng.h"
#include "trace_sink.h"

struct trace_sink {
	const struct trace_sink_conf *conf;
	struct trace_out *out;
	uint64_t start;
	struct fields f;
	uint8_t *packet; /* a block of a pcapng file */
};

struct trace_sink *
trace_sink_create(const struct trace_sink_conf *conf, struct trace_out *out,
		  uint64_t start)
{
	struct trace_sink *sink = calloc(1, sizeof(*sink));

	if (sink == NULL)
		return NULL;
	sink->conf = conf;
	sink->out = out;
	sink->start = start;
	if (conf->format != TRACE_PCAPNG)
		return sink;
	sink->packet = malloc(TRACE_SNAP + TRACE_PCAPNG_ROOM);
	if (sink->packet == NULL) {
		free(sink);
		return NULL;
	}
	trace_out_write(out, sink->packet, trace_pcapng_start(sink->packet));
	return sink;
}

void
trace_sink_free(struct trace_sink *sink)
{
	fields_free(&sink->f);
	free(sink->packet);
	free(sink);
}

/* Without memory for a line there is none. */
static void
write_line(struct trace_sink *sink)
{
	if (fields_end(&sink->f))
		trace_out_write(sink->out, sink->f.buf, sink->f.len);
}

/* ------------------------------------------------------------- filters */

static bool
about_region(const struct trace_msg *msg, uint32_t region)
{
	const uint8_t *wr;
	struct vfio_user_single_write write;

	if (msg->region == region)
		return true;
	if (msg->hdr.command != VFIO_USER_REGION_WRITE_MULTI || trace_is_reply(msg))
		return false;
	wr = msg->data + sizeof(struct vfio_user_hdr) + sizeof(struct vfio_user_write_multi);
	for (; wr + sizeof(write) <= msg->data + msg->len; wr += sizeof(write)) {
		memcpy(&write, wr, sizeof(write));
		if (write.region == region)
			return true;
	}
	return false;
}

/* What is broken is always shown. */
static bool
wanted(const struct trace_sink *sink, const struct trace_msg *msg)
{
	const struct trace_sink_conf *conf = sink->conf;
	uint16_t command = msg->hdr.command;
	uint32_t i;

	if (conf->quiet)
		return false;
	if (msg->kind != TRACE_MESSAGE)
		return true;
	if (conf->by_command &&
	    (conf->commands[command / 64] & (UINT64_C(1) << command % 64)) == 0)
		return false;
	for (i = 0; i < conf->nb_regions; i++)
		if (about_region(msg, conf->regions[i]))
			return true;
	return conf->nb_regions == 0;
}

/* ---------------------------------------------------------------- text */

static void
begin_line(struct trace_sink *sink, uint64_t time, uint32_t conn, bool twin)
{
	uint64_t us = (time - sink->start) / 1000;

	fields_begin(&sink->f, false, sink->conf->max_data);
	fields_printf(&sink->f, "%4" PRIu64 ".%06" PRIu64 " %2" PRIu32 "%c ",
		      us / 1000000, us % 1000000, conn, twin ? 't' : ' ');
}

static void
show_head_text(struct fields *f, const struct trace_msg *msg)
{
	const char *name = trace_command_name(msg->hdr.command);
	const char *error = trace_errno_name(msg->hdr.error_no);

	if (name != NULL)
		fields_printf(f, "%s #%u %" PRIu64 "B", name, msg->hdr.msg_id, msg->size);
	else
		fields_printf(f, "unknown(%u) #%u %" PRIu64 "B", msg->hdr.command,
			      msg->hdr.msg_id, msg->size);
	if (trace_is_reply(msg))
		fields_printf(f, " reply");
	if (msg->matched)
		fields_printf(f, " %.1fus", (double)msg->latency / 1e3);
	if ((msg->hdr.flags & VFIO_USER_F_NO_REPLY) != 0)
		fields_printf(f, " no-reply");
	if ((msg->hdr.flags & VFIO_USER_F_ERROR) != 0)
		fields_printf(f, " ERROR %s(%u)", error != NULL ? error : "unknown",
			      msg->hdr.error_no);
	fields_printf(f, ":");
}

static void
show_fds(struct fields *f, const struct trace_msg *msg)
{
	uint32_t i;

	if (msg->nb_fds == 0)
		return;
	fields_num(f, "nb_fds", msg->nb_fds);
	fields_open(f, "fds", '[');
	for (i = 0; i < msg->nb_fds; i++)
		fields_string(f, NULL, msg->fds[i].text, strlen(msg->fds[i].text));
	fields_close(f, ']');
}

/* What is odd about the header. */
static void
note_header(struct fields *f, const struct trace_msg *msg)
{
	uint32_t type = msg->hdr.flags & VFIO_USER_F_TYPE_MASK;

	if (type != VFIO_USER_F_TYPE_COMMAND && type != VFIO_USER_F_TYPE_REPLY)
		fields_note(f, "neither command nor reply");
	if ((msg->hdr.flags & ~VFIO_USER_F_ALL) != 0)
		fields_note(f, "unknown flags in the header");
	if ((msg->hdr.flags & VFIO_USER_F_ERROR) == 0 && msg->hdr.error_no != 0)
		fields_note(f, "an error number without the error flag");
	if (trace_is_reply(msg) && !msg->matched)
		fields_note(f, "reply to nothing");
	if (msg->lost)
		fields_note(f, "the receiver was gone");
}

static void
show_body(struct fields *f, const struct trace_msg *msg)
{
	switch (msg->kind) {
	case TRACE_MESSAGE:
		note_header(f, msg);
		trace_decode(f, msg);
		break;
	case TRACE_PARTIAL:
		if (msg->lost)
			fields_note(f, "the receiver was gone");
		fields_data(f, "data", msg->data, msg->len, msg->size);
		break;
	case TRACE_RAW:
		fields_data(f, "data", msg->data, msg->len, msg->size);
		break;
	}
	show_fds(f, msg);
	fields_notes(f);
}

static void
show_text(struct trace_sink *sink, const struct trace_msg *msg)
{
	struct fields *f = &sink->f;

	begin_line(sink, msg->time, msg->conn, msg->twin);
	fields_printf(f, msg->from_server ? "S>C " : "C>S ");
	switch (msg->kind) {
	case TRACE_MESSAGE:
		show_head_text(f, msg);
		break;
	case TRACE_PARTIAL:
		fields_printf(f, "CUT OFF after %" PRIu64 " bytes", msg->size);
		if (msg->hdr.msg_size != 0)
			fields_printf(f, " of %" PRIu32 ", command %u #%u",
				      msg->hdr.msg_size, msg->hdr.command,
				      msg->hdr.msg_id);
		fields_printf(f, ":");
		break;
	case TRACE_RAW:
		fields_printf(f, "MALFORMED %" PRIu64 " bytes:", msg->size);
		break;
	}
	f->first = false; /* a blank before the first field */
	show_body(f, msg);
}

/* ---------------------------------------------------------------- JSON */

static void
begin_json(struct trace_sink *sink, uint64_t time, uint32_t conn, const char *event)
{
	struct fields *f = &sink->f;

	fields_begin(f, true, sink->conf->max_data);
	fields_open(f, NULL, '{');
	fields_word(f, "event", event);
	fields_num(f, "time_ns", time);
	if (conn != 0)
		fields_num(f, "connection", conn);
}

static void
show_head_json(struct fields *f, const struct trace_msg *msg)
{
	const struct vfio_user_hdr *hdr = &msg->hdr;
	const char *name = trace_command_name(hdr->command);
	const char *error = trace_errno_name(hdr->error_no);

	fields_word(f, "type", trace_is_reply(msg) ? "reply" : "command");
	fields_word(f, "command", name != NULL ? name : "unknown");
	fields_num(f, "command_id", hdr->command);
	fields_num(f, "id", hdr->msg_id);
	fields_num(f, "flags", hdr->flags);
	if ((hdr->flags & VFIO_USER_F_NO_REPLY) != 0)
		fields_bool(f, "no_reply", true);
	if ((hdr->flags & VFIO_USER_F_ERROR) != 0) {
		fields_num(f, "errno", hdr->error_no);
		fields_word(f, "error", error != NULL ? error : "unknown");
	}
	if (msg->matched)
		fields_num(f, "latency_ns", msg->latency);
}

static void
show_json(struct trace_sink *sink, const struct trace_msg *msg)
{
	static const char *const events[] = {
		[TRACE_MESSAGE] = "message",
		[TRACE_PARTIAL] = "cut_off",
		[TRACE_RAW] = "malformed",
	};
	struct fields *f = &sink->f;

	begin_json(sink, msg->time, msg->conn, events[msg->kind]);
	fields_word(f, "socket", msg->twin ? "twin" : "main");
	fields_word(f, "from", msg->from_server ? "server" : "client");
	fields_num(f, "size", msg->size);
	if (msg->kind == TRACE_MESSAGE) {
		show_head_json(f, msg);
		fields_open(f, "payload", '{');
		note_header(f, msg);
		trace_decode(f, msg);
		fields_close(f, '}');
		show_fds(f, msg);
		fields_notes(f);
	} else {
		if (msg->hdr.msg_size != 0)
			fields_num(f, "msg_size", msg->hdr.msg_size);
		show_body(f, msg);
	}
	fields_close(f, '}');
}

/* -------------------------------------------------------------- public */

void
trace_sink_msg(struct trace_sink *sink, const struct trace_msg *msg)
{
	if (!wanted(sink, msg))
		return;
	if (sink->conf->format == TRACE_PCAPNG) {
		trace_out_write(sink->out, sink->packet,
				trace_pcapng_packet(sink->packet, msg));
		return;
	}
	if (sink->conf->format == TRACE_JSON)
		show_json(sink, msg);
	else
		show_text(sink, msg);
	write_line(sink);
}

void
trace_sink_event(struct trace_sink *sink, uint64_t time, uint32_t conn,
		 const char *event, const char *details)
{
	struct fields *f = &sink->f;

	if (sink->conf->quiet || sink->conf->format == TRACE_PCAPNG)
		return;
	if (sink->conf->format == TRACE_JSON) {
		begin_json(sink, time, conn, event);
		if (details != NULL)
			fields_string(f, "details", details, strlen(details));
		fields_close(f, '}');
	} else {
		begin_line(sink, time, conn, false);
		fields_printf(f, "--- %s%s%s", event, details != NULL ? ": " : "",
			      details != NULL ? details : "");
	}
	write_line(sink);
}

void
trace_sink_summary(struct trace_sink *sink, const struct trace_stats *stats,
		   uint64_t time)
{
	uint64_t waited = trace_out_waited(sink->out);
	struct fields *f = &sink->f;

	if (sink->conf->format == TRACE_JSON) {
		begin_json(sink, time, 0, "summary");
		fields_num(f, "duration_ns", time - sink->start);
		fields_num(f, "output_wait_ns", waited);
		trace_stats_show(stats, f);
		fields_close(f, '}');
		write_line(sink);
	}
	fields_begin(f, false, 0);
	fields_printf(f, "%.3f s, ", (double)(time - sink->start) / 1e9);
	trace_stats_show(stats, f);
	if (waited != 0)
		fields_printf(f, "the connections waited %.3f s for the output\n",
			      (double)waited / 1e9);
	if (!f->failed)
		fwrite(f->buf, 1, f->len, stderr);
}
