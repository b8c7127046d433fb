/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <rte_common.h>

#include "trace_flow.h"

#define HEAD sizeof(struct vfio_user_hdr)

/* Room for what is received at a time. */
#define MIN_ROOM (64u << 10)
#define BUF_SIZE (TRACE_SNAP + 2 * MIN_ROOM)

/* A longer piece of a message is passed on as it comes. */
#define MAX_HOLD (64u << 10)

/* Receptions before other connections get their turn. */
#define MAX_ROUNDS 16

#define MAX_TEXTS 4096u

int
flow_init(struct flow *flow, const struct flow_ops *ops, void *arg, int src, int dst,
	  bool from_server)
{
	memset(flow, 0, sizeof(*flow));
	flow->ops = ops;
	flow->arg = arg;
	flow->src = src;
	flow->dst = dst;
	flow->from_server = from_server;
	flow->buf = malloc(BUF_SIZE);
	return flow->buf == NULL ? -ENOMEM : 0;
}

/* ---------------------------------------------------- file descriptors */

/* What a file descriptor is: the kernel's name without what tells nothing. */
static void
describe(int fd, struct trace_fd *about)
{
	static const char deleted[] = " (deleted)";
	char path[32], link[PATH_MAX];
	const char *text = link;
	ssize_t n;
	size_t len;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	n = readlink(path, link, sizeof(link) - 1);
	len = n > 0 ? (size_t)n : 0;
	link[len] = '\0';
	if (sscanf(link, "anon_inode:[%63[^]]", about->text) == 1 ||
	    sscanf(link, "%63[a-z]:[%*d]", about->text) == 1)
		return;
	if (len >= sizeof(deleted) && strcmp(link + len - sizeof(deleted) + 1, deleted) == 0)
		link[len - sizeof(deleted) + 1] = '\0';
	if (strncmp(text, "/memfd:", 7) == 0)
		text++;
	snprintf(about->text, sizeof(about->text), "%.*s",
		 (int)sizeof(about->text) - 1, text);
}

/* One more text; false if there are too many. */
static bool
grow_texts(struct flow *flow)
{
	uint32_t max = RTE_MAX(2 * flow->max_texts, 64u);
	struct trace_fd *texts;
	size_t *pos;

	if (flow->nb_texts < flow->max_texts)
		return true;
	if (max > MAX_TEXTS)
		return false;
	pos = realloc(flow->text_pos, max * sizeof(*pos));
	if (pos == NULL)
		return false;
	flow->text_pos = pos;
	texts = realloc(flow->texts, max * sizeof(*texts));
	if (texts == NULL)
		return false;
	flow->texts = texts;
	flow->max_texts = max;
	return true;
}

/* The first set was sent, or cannot be: note what it was and close it. */
static void
drop_set(struct flow *flow)
{
	struct flow_fds *set = &flow->sets[0];
	uint32_t i;

	for (i = 0; i < set->nb; i++) {
		if (grow_texts(flow)) {
			describe(set->fds[i], &flow->texts[flow->nb_texts]);
			flow->text_pos[flow->nb_texts++] = set->pos;
		}
		close(set->fds[i]);
	}
	flow->nb_sets--;
	memmove(set, set + 1, flow->nb_sets * sizeof(*set));
}

static struct flow_fds *
set_at(struct flow *flow, size_t pos)
{
	uint32_t i;

	for (i = 0; i < flow->nb_sets; i++)
		if (flow->sets[i].pos == pos)
			return &flow->sets[i];
	return NULL;
}

/* ------------------------------------------------------------- tracing */

static void
emit(struct flow *flow, enum trace_kind kind, uint64_t size, size_t next)
{
	struct trace_msg msg = {
		.kind = kind,
		.time = flow->time,
		.from_server = flow->from_server,
		.lost = flow->broken,
		.data = flow->buf + flow->head,
		.size = size,
		.region = UINT32_MAX,
		.fds = flow->texts,
	};
	uint32_t i;

	msg.len = (uint32_t)RTE_MIN(next - flow->head, (size_t)TRACE_SNAP);
	if (kind != TRACE_RAW && msg.len >= HEAD)
		memcpy(&msg.hdr, msg.data, HEAD);
	while (msg.nb_fds < flow->nb_texts && flow->text_pos[msg.nb_fds] < next)
		msg.nb_fds++;
	flow->ops->msg(flow, &msg);
	flow->nb_texts -= msg.nb_fds;
	if (msg.nb_fds != 0) {
		memmove(flow->texts, flow->texts + msg.nb_fds,
			flow->nb_texts * sizeof(*flow->texts));
		for (i = 0; i < flow->nb_texts; i++)
			flow->text_pos[i] = flow->text_pos[i + msg.nb_fds];
	}
	flow->head = next;
	flow->cut = 0;
}

/* Trace the messages that were sent. */
static void
trace_sent(struct flow *flow)
{
	struct vfio_user_hdr hdr;
	size_t next;

	while (flow->head < flow->mark) {
		memcpy(&hdr, flow->buf + flow->head, HEAD);
		next = flow->head + (size_t)(hdr.msg_size - flow->cut);
		if (next > flow->sent)
			return;
		emit(flow, TRACE_MESSAGE, hdr.msg_size, next);
	}
	if (flow->raw && flow->sent == flow->end && flow->head < flow->end) {
		emit(flow, TRACE_RAW, flow->end - flow->head, flow->end);
		flow->mark = flow->end;
	}
}

/* ------------------------------------------------------------- framing */

/* A message is complete. */
static void
completed(struct flow *flow, const struct vfio_user_hdr *hdr)
{
	struct flow_fds *set;

	if (!flow->wait_version || hdr->command != VFIO_USER_VERSION ||
	    (hdr->flags & VFIO_USER_F_TYPE_MASK) != VFIO_USER_F_TYPE_REPLY)
		return;
	flow->wait_version = false;
	set = set_at(flow, flow->mark);
	if (set != NULL && set->pos >= flow->sent && flow->cut == 0)
		flow->ops->version_reply(flow, hdr, flow->buf + flow->mark + HEAD,
					 set->fds, set->nb);
}

/* Bytes at hand of the message at mark, those that were not kept included. */
static uint64_t
available(const struct flow *flow)
{
	return flow->end - flow->mark + (flow->mark == flow->head ? flow->cut : 0);
}

/*
 * Find the ends of messages. Returns where the last message that begins at or
 * after from does so; from if none does.
 */
static size_t
scan(struct flow *flow, size_t from)
{
	struct vfio_user_hdr hdr;
	size_t begun = from;

	while (!flow->raw && flow->mark < flow->end) {
		if (flow->mark >= from)
			begun = flow->mark;
		if (available(flow) < HEAD)
			break;
		memcpy(&hdr, flow->buf + flow->mark, HEAD);
		if (hdr.msg_size < HEAD || hdr.msg_size > TRACE_MAX_MSG) {
			flow->raw = true;
			flow->ops->malformed(flow, &hdr);
			break;
		}
		if (available(flow) < hdr.msg_size)
			break;
		flow->mark += (size_t)(hdr.msg_size - (available(flow) -
						       (flow->end - flow->mark)));
	}
	return begun;
}

/* Call completed() for what scan() has found since mark was at from. */
static void
tell_completed(struct flow *flow, size_t from)
{
	size_t mark = flow->mark;
	struct vfio_user_hdr hdr;

	if (!flow->wait_version)
		return;
	flow->mark = from;
	while (flow->mark < mark && flow->cut == 0) {
		memcpy(&hdr, flow->buf + flow->mark, HEAD);
		completed(flow, &hdr);
		flow->mark += hdr.msg_size;
	}
	flow->mark = mark;
}

/* Whether what there is of the message at mark is better kept back. */
static bool
holds(const struct flow *flow)
{
	return !flow->raw && !flow->eof && flow->mark < flow->end &&
		available(flow) < MAX_HOLD && flow->nb_sets < FLOW_SETS;
}

/*
 * The same when nothing more can be received: a reply to VERSION is seen whole,
 * since one of its file descriptors may have to be replaced.
 */
static bool
holds_on(struct flow *flow)
{
	struct vfio_user_hdr hdr;

	if (!flow->wait_version || !holds(flow) || set_at(flow, flow->mark) == NULL)
		return false;
	if (available(flow) < HEAD)
		return true;
	memcpy(&hdr, flow->buf + flow->mark, HEAD);
	return hdr.command == VFIO_USER_VERSION && hdr.msg_size < MAX_HOLD;
}

/* ------------------------------------------------------------- sending */

static void
drop_unsent(struct flow *flow)
{
	flow->sent = flow->end;
	while (flow->nb_sets != 0)
		drop_set(flow);
}

void
flow_break(struct flow *flow)
{
	if (flow->broken)
		return;
	flow->broken = true;
	drop_unsent(flow);
	/* the sender learns it from its next call, as without us */
	shutdown(flow->src, SHUT_RD);
}

/*
 * Whether the sender takes no answers any more. No event tells; a call that sends
 * nothing does. Asked before its bytes are passed on, so that the receiver's
 * answer fails, and is not lost here after it was given.
 */
static bool
sender_is_deaf(const struct flow *flow)
{
	return !flow->back->broken && !flow->back->done &&
		send(flow->src, "", 0, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 && errno == EPIPE;
}

static ssize_t
send_piece(struct flow *flow, size_t len, const struct flow_fds *set)
{
	union {
		char buf[CMSG_SPACE(FLOW_MAX_FDS * sizeof(int))];
		struct cmsghdr align;
	} control;
	struct iovec iov = { .iov_base = flow->buf + flow->sent, .iov_len = len };
	struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *cmsg;

	if (set == NULL)
		return send(flow->dst, iov.iov_base, len, MSG_NOSIGNAL | MSG_DONTWAIT);
	mh.msg_control = control.buf;
	mh.msg_controllen = CMSG_SPACE(set->nb * sizeof(int));
	memset(control.buf, 0, mh.msg_controllen);
	cmsg = CMSG_FIRSTHDR(&mh);
	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(set->nb * sizeof(int));
	memcpy(CMSG_DATA(cmsg), set->fds, set->nb * sizeof(int));
	return sendmsg(flow->dst, &mh, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* Send what may be sent. */
static void
send_all(struct flow *flow)
{
	struct flow_fds *set;
	size_t stop;
	ssize_t n;

	if (flow->broken)
		drop_unsent(flow);
	while (flow_blocked(flow)) {
		stop = flow->hold ? flow->mark : flow->end;
		set = flow->nb_sets != 0 ? &flow->sets[0] : NULL;
		if (set != NULL && set->pos > flow->sent) {
			stop = RTE_MIN(stop, set->pos);
			set = NULL;
		} else if (set != NULL) {
			stop = RTE_MIN(stop, set->until);
		}
		n = send_piece(flow, stop - flow->sent, set);
		if (n >= 0) {
			flow->sent += (size_t)n;
			if (set != NULL)
				drop_set(flow);
		} else if (errno == EAGAIN) {
			break;
		} else if (errno != EINTR) {
			flow_break(flow);
		}
	}
	trace_sent(flow);
}

/* ----------------------------------------------------------- receiving */

static void
move_down(struct flow *flow, size_t by)
{
	uint32_t i;

	memmove(flow->buf, flow->buf + by, flow->end - by);
	flow->head -= by;
	flow->mark -= by;
	flow->sent -= by;
	flow->end -= by;
	for (i = 0; i < flow->nb_sets; i++) {
		flow->sets[i].pos -= by;
		flow->sets[i].until -= by;
	}
	for (i = 0; i < flow->nb_texts; i++)
		flow->text_pos[i] -= by;
}

/*
 * Make room and return how much of it may be used. Of a message that is too long
 * to be kept only the beginning stays, so nothing is received beyond its end.
 */
static size_t
make_room(struct flow *flow)
{
	struct vfio_user_hdr hdr;
	uint64_t left;
	uint32_t i;

	if (flow->head == flow->end || BUF_SIZE - flow->end < MIN_ROOM)
		move_down(flow, flow->head);
	if (BUF_SIZE - flow->end < MIN_ROOM) {
		flow->cut += flow->end - TRACE_SNAP;
		flow->sent = flow->end = TRACE_SNAP;
		for (i = 0; i < flow->nb_texts; i++)
			flow->text_pos[i] = RTE_MIN(flow->text_pos[i], flow->end - 1);
	}
	if (flow->raw || flow->mark == flow->end || available(flow) < HEAD)
		return BUF_SIZE - flow->end;
	memcpy(&hdr, flow->buf + flow->mark, HEAD);
	left = hdr.msg_size - available(flow);
	if (hdr.msg_size <= TRACE_SNAP)
		return BUF_SIZE - flow->end;
	return (size_t)RTE_MIN(left, (uint64_t)(BUF_SIZE - flow->end));
}

/* The file descriptors that came with the bytes from start on. */
static void
take_fds(struct flow *flow, struct msghdr *mh, size_t begun)
{
	struct flow_fds *set = &flow->sets[flow->nb_sets];
	struct cmsghdr *cmsg;
	size_t len;

	set->nb = 0;
	for (cmsg = CMSG_FIRSTHDR(mh); cmsg != NULL; cmsg = CMSG_NXTHDR(mh, cmsg)) {
		if (cmsg->cmsg_level != SOL_SOCKET || cmsg->cmsg_type != SCM_RIGHTS)
			continue;
		len = cmsg->cmsg_len - CMSG_LEN(0);
		memcpy(set->fds, CMSG_DATA(cmsg), len);
		set->nb = (uint32_t)(len / sizeof(int));
	}
	set->pos = begun;
	set->until = flow->end;
	if (set->nb != 0)
		flow->nb_sets++;
}

/* Bytes received, 0 at the end, -EAGAIN. */
static ssize_t
receive(struct flow *flow)
{
	union {
		char buf[CMSG_SPACE(FLOW_MAX_FDS * sizeof(int))];
		struct cmsghdr align;
	} control;
	struct iovec iov;
	struct msghdr mh = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = control.buf, .msg_controllen = sizeof(control.buf),
	};
	size_t begun, mark;
	ssize_t n;

	iov.iov_len = make_room(flow);
	iov.iov_base = flow->buf + flow->end;
	do {
		n = recvmsg(flow->src, &mh, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	} while (n < 0 && errno == EINTR);
	if (n <= 0) /* an error that is no silence is an end, too */
		return n < 0 && errno == EAGAIN ? -EAGAIN : 0;
	flow->time = flow->ops->now();
	flow->end += (size_t)n;
	mark = flow->mark;
	begun = scan(flow, flow->end - (size_t)n);
	take_fds(flow, &mh, begun);
	tell_completed(flow, mark);
	if ((mh.msg_flags & MSG_CTRUNC) != 0)
		fprintf(stderr, "file descriptors were lost: too many are open\n");
	return n;
}

/* ---------------------------------------------------------------- flow */

/* All was received and sent: trace what is left, tell the receiver. */
static void
finish(struct flow *flow)
{
	if (flow->head < flow->end)
		emit(flow, flow->raw ? TRACE_RAW : TRACE_PARTIAL,
		     flow->end - flow->head + flow->cut, flow->end);
	flow->mark = flow->end;
	flow->done = true;
	if (!flow->broken)
		shutdown(flow->dst, SHUT_WR);
}

void
flow_pump(struct flow *flow)
{
	uint32_t rounds = 0;
	ssize_t n;

	send_all(flow);
	while (!flow->eof && !flow_blocked(flow)) {
		n = receive(flow);
		if (n == -EAGAIN) {
			flow->hold = holds_on(flow);
			send_all(flow);
			break;
		}
		flow->eof = n == 0;
		rounds++;
		if (!flow->eof && sender_is_deaf(flow))
			flow_break(flow->back);
		flow->hold = holds(flow) &&
			(rounds < MAX_ROUNDS || available(flow) < HEAD);
		send_all(flow);
		if (flow->src_gone)
			continue;
		/* an event tells when there is more */
		if (flow->mark == flow->end || (rounds >= MAX_ROUNDS && !flow->hold))
			break;
	}
	if (flow->eof && !flow->done && !flow_blocked(flow))
		finish(flow);
}

void
flow_fini(struct flow *flow)
{
	if (flow->buf == NULL)
		return;
	if (!flow->done) {
		flow->broken = flow_blocked(flow); /* what follows is lost */
		drop_unsent(flow);
		trace_sent(flow);
		finish(flow);
	}
	free(flow->buf);
	free(flow->text_pos);
	free(flow->texts);
	memset(flow, 0, sizeof(*flow));
}
