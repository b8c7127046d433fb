/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <jansson.h>

#include "tool.h"
#include "trace_decode.h"
#include "trace_flow.h"
#include "trace_proxy.h"
#include "trace_socket.h"

/* Clients at once; further ones wait to be accepted. */
#define MAX_SESSIONS 256u

#define MAX_EVENTS 32

/* What is traced is written that soon; a full server is asked that often. */
#define TICK_MS 20
#define TICK_NS (TICK_MS * UINT64_C(1000000))

#define NS_PER_SEC UINT64_C(1000000000)

/* Sides of a channel; also the sender of a flow. */
enum {
	CLIENT,
	SERVER,
	SIDES,
};

struct channel;

/* A socket of a channel. */
struct side {
	struct channel *channel;
	int fd;
	uint32_t events; /* that epoll tells */
	bool watched;
};

struct channel {
	struct session *session;
	bool open;
	bool twin;
	struct side sides[SIDES];
	struct flow flows[SIDES]; /* by sender */
	struct trace_waiting *waiting[SIDES]; /* by sender of the requests */
};

struct session {
	LIST_ENTRY(session) next;
	struct proxy *proxy;
	uint32_t number;
	int client_fd; /* until the server is connected */
	bool ended;
	struct channel main;
	struct channel twin;
};

struct proxy {
	const struct trace_proxy_conf *conf;
	struct trace_sink *sink;
	struct trace_out *out;
	struct trace_stats *stats;
	int epfd;
	bool listening; /* epoll tells about the listener */
	uint32_t nb_sessions;
	uint32_t numbers;
	uint32_t connecting;
	int status;
	uint64_t flushed;
	LIST_HEAD(, session) sessions;
};

uint64_t
trace_now(void)
{
	static uint64_t offset;
	struct timespec ts;

	if (offset == 0) {
		clock_gettime(CLOCK_REALTIME, &ts);
		offset = (uint64_t)ts.tv_sec * NS_PER_SEC + (uint64_t)ts.tv_nsec;
		clock_gettime(CLOCK_MONOTONIC, &ts);
		offset -= (uint64_t)ts.tv_sec * NS_PER_SEC + (uint64_t)ts.tv_nsec;
	}
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return offset + (uint64_t)ts.tv_sec * NS_PER_SEC + (uint64_t)ts.tv_nsec;
}

static void
tell(struct session *session, const char *event, const char *details)
{
	trace_sink_event(session->proxy->sink, trace_now(), session->number, event,
			 details);
}

/* ------------------------------------------------------------ channels */

static void
watch(struct proxy *proxy, struct side *side, uint32_t events)
{
	struct epoll_event ev = { .events = events, .data.ptr = side };
	int op = side->watched ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;

	if (side->watched && side->events == events)
		return;
	if (epoll_ctl(proxy->epfd, op, side->fd, &ev) < 0)
		die(STATUS_FAILED, "cannot wait for a socket: %s", strerror(errno));
	side->events = events;
	side->watched = true;
}

static void
unwatch(struct proxy *proxy, struct side *side)
{
	if (side->watched)
		epoll_ctl(proxy->epfd, EPOLL_CTL_DEL, side->fd, NULL);
	side->watched = false;
}

static void
close_channel(struct channel *channel)
{
	struct proxy *proxy = channel->session->proxy;
	int i;

	channel->open = false;
	for (i = 0; i < SIDES; i++) {
		unwatch(proxy, &channel->sides[i]);
		flow_fini(&channel->flows[i]);
	}
	for (i = 0; i < SIDES; i++) {
		close(channel->sides[i].fd);
		trace_waiting_free(channel->waiting[i], proxy->stats);
		channel->waiting[i] = NULL;
	}
}

/* Ask epoll for what each socket is to be watched for, or end the channel. */
static void
update_channel(struct channel *channel)
{
	struct proxy *proxy = channel->session->proxy;
	struct flow *from, *to;
	uint32_t events;
	int i;

	if (channel->flows[CLIENT].done && channel->flows[SERVER].done) {
		close_channel(channel);
		return;
	}
	for (i = 0; i < SIDES; i++) {
		from = &channel->flows[i];
		to = &channel->flows[1 - i];
		if (from->src_gone)
			continue;
		events = flow_blocked(to) ? EPOLLOUT : 0;
		if (!from->eof && !flow_blocked(from))
			events |= EPOLLIN;
		watch(proxy, &channel->sides[i], events);
	}
}

/*
 * The peer has closed its socket: what it sent is still there, what is for it
 * cannot be sent any more. No event is of use from here on, and this one would
 * come again and again.
 */
static void
side_gone(struct channel *channel, int i)
{
	unwatch(channel->session->proxy, &channel->sides[i]);
	channel->flows[i].src_gone = true;
	flow_break(&channel->flows[1 - i]);
}

static void
channel_event(struct channel *channel, struct side *side, uint32_t events)
{
	int i = side == &channel->sides[SERVER] ? SERVER : CLIENT;

	if ((events & (EPOLLHUP | EPOLLERR)) != 0)
		side_gone(channel, i);
	/* what a socket has sent first, then what waits for it */
	flow_pump(&channel->flows[i]);
	if ((events & ~(uint32_t)EPOLLIN) != 0)
		flow_pump(&channel->flows[1 - i]);
	update_channel(channel);
}

/* --------------------------------------------------------------- flows */

static struct channel *
channel_of(struct flow *flow)
{
	return flow->arg;
}

static void
on_msg(struct flow *flow, struct trace_msg *msg)
{
	struct channel *channel = channel_of(flow);
	struct proxy *proxy = channel->session->proxy;
	int requester = trace_is_reply(msg) ? !msg->from_server : msg->from_server;

	msg->conn = channel->session->number;
	msg->twin = channel->twin;
	if (msg->kind == TRACE_MESSAGE)
		msg->region = trace_region_in(msg);
	trace_stats_count(proxy->stats, channel->waiting[requester], msg);
	trace_sink_msg(proxy->sink, msg);
}

static void
on_malformed(struct flow *flow, const struct vfio_user_hdr *hdr)
{
	char text[160];

	snprintf(text, sizeof(text), "the %s sent a header with size %u (id %u, command %u, "
		 "flags 0x%x): what follows is passed on, but not understood",
		 flow->from_server ? "server" : "client", hdr->msg_size, hdr->msg_id,
		 hdr->command, hdr->flags);
	tell(channel_of(flow)->session, "malformed_stream", text);
}

/* Which of the file descriptors of a reply to VERSION is the twin socket; or -1. */
static int64_t
twin_index(const struct vfio_user_hdr *hdr, const uint8_t *payload)
{
	const size_t head = sizeof(struct vfio_user_version);
	size_t len = hdr->msg_size - sizeof(*hdr);
	json_t *root, *twin, *index;
	int64_t found = -1;
	const char *text;

	if (len <= head || (hdr->flags & VFIO_USER_F_ERROR) != 0)
		return -1;
	text = (const char *)payload + head;
	root = json_loadb(text, strnlen(text, len - head), 0, NULL);
	twin = json_object_get(json_object_get(root, "capabilities"), "twin_socket");
	index = json_object_get(twin, "fd_index");
	if (json_is_true(json_object_get(twin, "supported")) && json_is_integer(index))
		found = json_integer_value(index);
	json_decref(root);
	return found;
}

static int open_channel(struct session *session, struct channel *channel,
			int client_fd, int server_fd, bool twin);

static void
on_version_reply(struct flow *flow, const struct vfio_user_hdr *hdr,
		 const uint8_t *payload, int *fds, uint32_t nb_fds)
{
	struct session *session = channel_of(flow)->session;
	int64_t index = twin_index(hdr, payload);
	socklen_t len = sizeof(int);
	int type, pair[2];

	if (index < 0 || index >= nb_fds)
		return;
	if (getsockopt(fds[index], SOL_SOCKET, SO_TYPE, &type, &len) < 0 ||
	    type != SOCK_STREAM) {
		tell(session, "twin_socket", "it is no stream socket: not traced");
		return;
	}
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0) {
		tell(session, "twin_socket", "no more sockets: not traced");
		return;
	}
	if (open_channel(session, &session->twin, pair[0], fds[index], true) < 0) {
		close(pair[0]);
		close(pair[1]);
		tell(session, "twin_socket", "no memory: not traced");
		return;
	}
	fds[index] = pair[1];
}

static const struct flow_ops flow_ops = {
	.msg = on_msg,
	.malformed = on_malformed,
	.version_reply = on_version_reply,
	.now = trace_now,
};

/* Takes the sockets if it returns 0. */
static int
open_channel(struct session *session, struct channel *channel, int client_fd,
	     int server_fd, bool twin)
{
	struct side *sides = channel->sides;
	int i, ret;

	sides[CLIENT] = (struct side){ .channel = channel, .fd = client_fd };
	sides[SERVER] = (struct side){ .channel = channel, .fd = server_fd };
	channel->session = session;
	channel->twin = twin;
	ret = 0;
	for (i = 0; i < SIDES; i++) {
		channel->waiting[i] = trace_waiting_create();
		ret |= flow_init(&channel->flows[i], &flow_ops, channel, sides[i].fd,
				 sides[1 - i].fd, i == SERVER);
		channel->flows[i].back = &channel->flows[1 - i];
		ret |= channel->waiting[i] == NULL ? -ENOMEM : 0;
	}
	if (ret < 0) {
		for (i = 0; i < SIDES; i++) {
			trace_waiting_free(channel->waiting[i], session->proxy->stats);
			free(channel->flows[i].buf);
			channel->waiting[i] = NULL;
			channel->flows[i].buf = NULL;
		}
		return -ENOMEM;
	}
	channel->flows[SERVER].wait_version = !twin;
	channel->open = true;
	update_channel(channel);
	return 0;
}

/* ------------------------------------------------------------ sessions */

/* No event may refer to it any more: it is freed after this round of events. */
static void
end_session(struct session *session)
{
	if (session->ended)
		return;
	if (session->client_fd >= 0) {
		close(session->client_fd);
		session->client_fd = -1;
		session->proxy->connecting--;
	}
	if (session->main.open)
		close_channel(&session->main);
	if (session->twin.open)
		close_channel(&session->twin);
	session->ended = true;
}

/* Connect to the server; a server whose queue is full is asked again later. */
static void
connect_session(struct session *session)
{
	struct proxy *proxy = session->proxy;
	struct pollfd pfd = { .fd = session->client_fd };
	char text[160];
	int fd = trace_connect(proxy->conf->connect);

	if (fd == -EAGAIN && poll(&pfd, 1, 0) == 0)
		return;
	if (fd < 0) {
		snprintf(text, sizeof(text), "cannot connect to %s: %s",
			 proxy->conf->connect, strerror(-fd));
		fprintf(stderr, TOOL ": %s; the client is sent away\n", text);
		tell(session, "refused", text);
		proxy->status = proxy->conf->once ? STATUS_CONNECT : proxy->status;
		end_session(session);
		return;
	}
	if (open_channel(session, &session->main, session->client_fd, fd, false) < 0) {
		close(fd);
		tell(session, "refused", "no memory");
		end_session(session);
		return;
	}
	session->client_fd = -1;
	proxy->connecting--;
	trace_stats_connection(proxy->stats);
	tell(session, "connected", NULL);
}

static void
watch_listener(struct proxy *proxy, bool on)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = NULL };
	int fd = proxy->conf->listener->fd;

	if (fd < 0 || proxy->listening == on)
		return;
	if (epoll_ctl(proxy->epfd, on ? EPOLL_CTL_ADD : EPOLL_CTL_DEL, fd, &ev) < 0)
		die(STATUS_FAILED, "cannot wait for clients: %s", strerror(errno));
	proxy->listening = on;
}

static void
stop_listening(struct proxy *proxy)
{
	watch_listener(proxy, false);
	trace_unlisten(proxy->conf->listener);
}

static void
accept_client(struct proxy *proxy)
{
	struct session *session;
	int fd;

	if (proxy->nb_sessions == MAX_SESSIONS) {
		watch_listener(proxy, false); /* until one has ended */
		return;
	}
	fd = accept4(proxy->conf->listener->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd < 0) {
		if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
			watch_listener(proxy, false);
		return;
	}
	session = calloc(1, sizeof(*session));
	if (session == NULL) {
		close(fd);
		return;
	}
	session->proxy = proxy;
	session->number = ++proxy->numbers;
	session->client_fd = fd;
	LIST_INSERT_HEAD(&proxy->sessions, session, next);
	proxy->nb_sessions++;
	proxy->connecting++;
	if (proxy->conf->once)
		stop_listening(proxy);
	connect_session(session);
}

/* Free the sessions that have ended, retry those that have no server. */
static void
care_for_sessions(struct proxy *proxy)
{
	struct session *session, *next;

	for (session = LIST_FIRST(&proxy->sessions); session != NULL; session = next) {
		next = LIST_NEXT(session, next);
		if (session->client_fd >= 0)
			connect_session(session);
		if (session->client_fd < 0 && !session->ended && !session->main.open &&
		    !session->twin.open) {
			tell(session, "closed", NULL);
			session->ended = true;
		}
		if (!session->ended)
			continue;
		LIST_REMOVE(session, next);
		proxy->nb_sessions--;
		free(session);
		watch_listener(proxy, true);
	}
}

/* ---------------------------------------------------------------- loop */

/* How long epoll may wait. */
static int
wait_time(struct proxy *proxy)
{
	if (proxy->conf->spin)
		return 0;
	return proxy->connecting != 0 || !proxy->listening ||
		trace_out_pending(proxy->out) ? TICK_MS : -1;
}

static void
flush_in_time(struct proxy *proxy, bool idle)
{
	uint64_t now;

	if (idle && !proxy->conf->spin) {
		trace_out_flush(proxy->out);
		return;
	}
	now = trace_now();
	if (now - proxy->flushed < TICK_NS)
		return;
	trace_out_flush(proxy->out);
	proxy->flushed = now;
}

static void
handle(struct proxy *proxy, struct epoll_event *events, int nb)
{
	struct side *side;
	int i;

	for (i = 0; i < nb; i++) {
		side = events[i].data.ptr;
		if (events[i].data.ptr == proxy) /* a signal: the loop looks */
			break;
		if (side == NULL)
			accept_client(proxy);
		else if (side->channel->open && side->watched)
			channel_event(side->channel, side, events[i].events);
	}
}

static void
loop(struct proxy *proxy)
{
	struct epoll_event events[MAX_EVENTS];
	int nb;

	while (*proxy->conf->stop == 0) {
		if (proxy->conf->once && proxy->numbers != 0 && proxy->nb_sessions == 0)
			break;
		nb = epoll_wait(proxy->epfd, events, MAX_EVENTS, wait_time(proxy));
		if (nb < 0 && errno != EINTR)
			die(STATUS_FAILED, "cannot wait: %s", strerror(errno));
		handle(proxy, events, RTE_MAX(nb, 0));
		care_for_sessions(proxy);
		flush_in_time(proxy, nb <= 0);
	}
}

int
trace_proxy_run(const struct trace_proxy_conf *conf, struct trace_sink *sink,
		struct trace_out *out, struct trace_stats *stats)
{
	struct proxy proxy = {
		.conf = conf, .sink = sink, .out = out, .stats = stats,
		.status = STATUS_OK,
	};
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = &proxy };
	struct session *session;

	LIST_INIT(&proxy.sessions);
	proxy.epfd = epoll_create1(EPOLL_CLOEXEC);
	if (proxy.epfd < 0 || epoll_ctl(proxy.epfd, EPOLL_CTL_ADD, conf->stop_fd, &ev) < 0)
		die(STATUS_FAILED, "cannot wait: %s", strerror(errno));
	watch_listener(&proxy, true);
	fprintf(stderr, TOOL ": listening on %s, for the server at %s\n",
		conf->listener->path, conf->connect);
	loop(&proxy);
	stop_listening(&proxy);
	while ((session = LIST_FIRST(&proxy.sessions)) != NULL) {
		end_session(session);
		LIST_REMOVE(session, next);
		free(session);
	}
	close(proxy.epfd);
	return proxy.status;
}
