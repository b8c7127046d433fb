/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <rte_common.h>

#include "vfio_user_server.h"
#include "vfio_user_trace.h"

#define MAX_EVENTS 16

/* how soon to look again whether readers have left, and the longest pause */
#define GRACE_NS UINT64_C(100000)
#define GRACE_MAX_NS UINT64_C(5000000)

/* how soon to try again when accept() fails */
#define ACCEPT_RETRY_NS UINT64_C(100000000)

/*
 * How often the other event sources are looked at. While the main socket has
 * something each time, that is often only for the sake of replies on the twin.
 */
#define BUSY_CHECK 4096
#define BUSY_CHECK_TWIN 64

/* ------------------------------------------------------------- the client */

void
vfio_user_server_close_soon(struct rte_vfio_user_server *srv)
{
	srv->closing = true;
}

int
vfio_user_server_open_twin(struct rte_vfio_user_server *srv)
{
	int pair[2], ret;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0)
		return -errno;
	ret = vfio_user_conn_open(&srv->twin, pair[0],
			VFIO_USER_MAX_MSG_SIZE(srv->conf.max_data_xfer_size));
	if (ret < 0) {
		close(pair[1]);
		return ret;
	}
	return pair[1];
}

/* While a client that left is still being cleaned up, the next one waits. */
static void
listen_events(struct rte_vfio_user_server *srv, bool wanted)
{
	struct epoll_event ev = { .events = wanted ? EPOLLIN : 0 };

	ev.data.u64 = VFIO_USER_TAG_LISTEN;
	if (srv->listen_fd >= 0)
		epoll_ctl(srv->epfd, EPOLL_CTL_MOD, srv->listen_fd, &ev);
}

int
vfio_user_server_attach(struct rte_vfio_user_server *srv, int fd)
{
	uint32_t generation = srv->generation + 1;
	int ret;

	__atomic_store_n(&srv->generation, generation, __ATOMIC_RELEASE);
	vfio_user_conn_set_generation(&srv->main, generation);
	vfio_user_conn_set_generation(&srv->twin, generation);
	ret = vfio_user_conn_open(&srv->main, fd,
			VFIO_USER_MAX_MSG_SIZE(srv->conf.max_data_xfer_size));
	if (ret < 0) {
		VFIO_USER_LOG(ERR, "%s: cannot serve a client: %s",
			      vfio_user_server_name(srv), strerror(-ret));
		return ret;
	}
	srv->state = VFIO_USER_NEGOTIATING;
	vfio_user_telemetry_state(&srv->telemetry, "negotiating");
	vfio_user_telemetry_peer(&srv->telemetry, srv->main.fd);
	srv->negotiate_by = vfio_user_now() +
		srv->conf.msg_timeout_ms * VFIO_USER_NS_PER_MS;
	return 0;
}

void
vfio_user_server_on_twin_request(struct vfio_user_conn *conn, struct vfio_user_msg *msg, void *arg)
{
	RTE_SET_USED(arg);
	vfio_user_conn_reply_error(conn, &msg->hdr, -EINVAL, false);
	vfio_user_msg_release(msg);
}

static void
close_sockets(struct rte_vfio_user_server *srv)
{
	vfio_user_conn_abort(&srv->twin);
	vfio_user_conn_own_first(&srv->twin);
	vfio_user_conn_close(&srv->twin);
	vfio_user_conn_disown(&srv->twin);
	vfio_user_conn_close(&srv->main);
}

static void
settle_leaving(struct rte_vfio_user_server *srv)
{
	if (!vfio_user_dma_settle(&srv->dma))
		return;
	vfio_user_sigbus_mend(&srv->dma.sigbus); /* what broke is unmapped */
	srv->state = VFIO_USER_NO_CLIENT;
	vfio_user_telemetry_state(&srv->telemetry, "no client");
	listen_events(srv, true);
}

/*
 * The device hears of it while memory and interrupts are still there, then
 * both are released.
 */
void
vfio_user_server_drop(struct rte_vfio_user_server *srv, const char *why)
{
	bool running = srv->state == VFIO_USER_RUNNING;
	struct vfio_user_dma_region *region;

	if (srv->state == VFIO_USER_NO_CLIENT || srv->state == VFIO_USER_LEAVING)
		return;
	VFIO_USER_LOG(INFO, "%s: client gone: %s", vfio_user_server_name(srv), why);
	if (running)
		vfio_user_stats_inc(&srv->stats.disconnections);
	vfio_user_conn_flush(&srv->main); /* what was answered before */
	close_sockets(srv);
	vfio_user_server_drop_requests(srv);
	if (running && srv->ops.reset != NULL)
		srv->ops.reset(srv, RTE_VFIO_USER_RESET_LOST_CONN, srv->ops_priv);
	if (srv->quiescing && srv->ops.resume != NULL)
		srv->ops.resume(srv, srv->ops_priv);
	if (srv->dma_ops.unmap != NULL)
		TAILQ_FOREACH(region, &srv->dma.regions, next)
			srv->dma_ops.unmap(srv, &region->info, srv->dma_priv);
	if (!TAILQ_EMPTY(&srv->dma.regions))
		vfio_user_trace_dma_unmap(srv, 0, 0, 0);
	vfio_user_dma_remove_all(&srv->dma);
	vfio_user_irqs_release(&srv->irqs);
	srv->closing = false;
	srv->state = VFIO_USER_LEAVING;
	vfio_user_telemetry_state(&srv->telemetry, "client leaving");
	listen_events(srv, false);
	settle_leaving(srv);
}

/* -------------------------------------------------------------- visitors */

void
vfio_user_server_free_visitor(struct rte_vfio_user_server *srv,
			      struct vfio_user_visitor *visitor)
{
	if (visitor->fd < 0)
		return;
	close(visitor->fd);
	visitor->fd = -1;
	vfio_user_rx_fini(visitor->rx);
	free(visitor->rx);
	visitor->rx = NULL;
	srv->nb_visitors--;
}

static int
open_visitor(struct rte_vfio_user_server *srv, uint32_t slot, int fd)
{
	struct epoll_event ev = { .events = EPOLLIN };
	struct vfio_user_visitor *visitor = &srv->visitors[slot];
	struct vfio_user_rx *rx = malloc(sizeof(*rx));

	if (rx == NULL)
		return -ENOMEM;
	if (vfio_user_rx_init(rx, VFIO_USER_MAX_MSG_SIZE(VFIO_USER_MAX_VERSION_DATA)) < 0)
		goto free_rx;
	ev.data.u64 = VFIO_USER_TAG_VISITOR + slot;
	if (epoll_ctl(srv->epfd, EPOLL_CTL_ADD, fd, &ev) < 0)
		goto fini_rx;
	visitor->fd = fd;
	visitor->rx = rx;
	srv->nb_visitors++;
	visitor->deadline = vfio_user_now() +
		srv->conf.msg_timeout_ms * VFIO_USER_NS_PER_MS;
	return 0;

fini_rx:
	vfio_user_rx_fini(rx);
free_rx:
	free(rx);
	return -ENOMEM;
}

/* The device is taken: hear whoever asks, to answer its VERSION. */
static void
add_visitor(struct rte_vfio_user_server *srv, int fd)
{
	uint32_t i;

	vfio_user_stats_inc(&srv->stats.refused);
	for (i = 0; i < VFIO_USER_MAX_VISITORS; i++)
		if (srv->visitors[i].fd < 0)
			break;
	if (i == VFIO_USER_MAX_VISITORS || open_visitor(srv, i, fd) < 0)
		close(fd);
}

static void
answer_visitor(struct rte_vfio_user_server *srv, struct vfio_user_visitor *visitor)
{
	struct vfio_user_msg msg;
	int ret;

	if (visitor->fd < 0)
		return;
	ret = vfio_user_rx_recv(visitor->rx, visitor->fd);
	if (ret == -EAGAIN)
		return;
	if (ret > 0)
		ret = vfio_user_rx_next(visitor->rx, &msg);
	if (ret == 0)
		return; /* the rest of it will come */
	if (ret == 1) {
		msg.hdr.flags = VFIO_USER_F_TYPE_REPLY | VFIO_USER_F_ERROR;
		msg.hdr.error_no = EBUSY;
		msg.hdr.msg_size = sizeof(msg.hdr);
		if (send(visitor->fd, &msg.hdr, sizeof(msg.hdr),
			 MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
			VFIO_USER_LOG(DEBUG, "a second client left: %s", strerror(errno));
		vfio_user_msg_release(&msg);
	}
	vfio_user_server_free_visitor(srv, visitor);
}

/* The present client has gone, though its last messages may wait to be read. */
static bool
client_hung_up(const struct rte_vfio_user_server *srv)
{
	struct pollfd pfd = { .fd = srv->main.fd, .events = 0 };

	return poll(&pfd, 1, 0) == 1 && (pfd.revents & POLLHUP) != 0;
}

static void
accept_client(struct rte_vfio_user_server *srv)
{
	int fd;

	if (srv->state != VFIO_USER_NO_CLIENT &&
	    (srv->state == VFIO_USER_LEAVING || client_hung_up(srv)))
		return; /* in a moment */
	fd = vfio_user_sock_accept(srv->listen_fd);
	if (fd < 0) {
		if (fd == -EAGAIN || fd == -ECONNABORTED)
			return;
		/* out of file descriptors, most likely: not in a busy loop */
		VFIO_USER_LOG_PEER(&srv->main.limit, "%s: accept: %s",
				   vfio_user_server_name(srv), strerror(-fd));
		listen_events(srv, false);
		srv->listen_at = vfio_user_now() + ACCEPT_RETRY_NS;
		return;
	}
	if (srv->state == VFIO_USER_NO_CLIENT)
		vfio_user_server_attach(srv, fd);
	else
		add_visitor(srv, fd);
}

/* ---------------------------------------------------------------- timers */

static uint64_t
earlier(uint64_t a, uint64_t b)
{
	if (a == 0 || b == 0)
		return a == 0 ? b : a;
	return RTE_MIN(a, b);
}

/* A time plus a timeout; 0 stays "never". */
static uint64_t
after(uint64_t since, uint32_t ms)
{
	return since == 0 ? 0 : since + ms * VFIO_USER_NS_PER_MS;
}

/* Next time a socket needs a look: a request times out, the peer does not read. */
static uint64_t
conn_times(struct vfio_user_conn *conn, uint32_t ms)
{
	uint64_t deadline, stalled;

	if (!vfio_user_conn_is_open(conn))
		return 0;
	vfio_user_conn_times(conn, &deadline, &stalled);
	return earlier(deadline, after(stalled, ms));
}

static bool
waits_for_readers(const struct rte_vfio_user_server *srv)
{
	return vfio_user_dma_unsettled(&srv->dma) || vfio_user_dma_syncing(&srv->dma) ||
		srv->state == VFIO_USER_LEAVING;
}

static uint64_t
next_deadline(struct rte_vfio_user_server *srv)
{
	const uint32_t ms = srv->conf.msg_timeout_ms;
	uint64_t at = srv->listen_at;
	uint32_t i;

	if (!waits_for_readers(srv))
		srv->grace_ns = GRACE_NS;
	else
		at = earlier(at, vfio_user_now() + srv->grace_ns);
	if (srv->state == VFIO_USER_NEGOTIATING)
		at = earlier(at, srv->negotiate_by);
	if (srv->state == VFIO_USER_NEGOTIATING || srv->state == VFIO_USER_RUNNING) {
		at = earlier(at, after(srv->main.partial_since, ms));
		at = earlier(at, conn_times(&srv->main, ms));
		at = earlier(at, conn_times(&srv->twin, ms));
	}
	for (i = 0; srv->nb_visitors != 0 && i < VFIO_USER_MAX_VISITORS; i++)
		if (srv->visitors[i].fd >= 0)
			at = earlier(at, srv->visitors[i].deadline);
	return at;
}

/* Never later than needed; an early wake-up only costs a look. */
static void
arm_timer(struct rte_vfio_user_server *srv)
{
	uint64_t at = next_deadline(srv);
	struct itimerspec its = { { 0, 0 }, { 0, 0 } };

	if (at == 0 || (srv->timer_at != 0 && srv->timer_at <= at))
		return;
	its.it_value.tv_sec = (time_t)(at / UINT64_C(1000000000));
	its.it_value.tv_nsec = (long)(at % UINT64_C(1000000000));
	timerfd_settime(srv->timer_fd, TFD_TIMER_ABSTIME, &its, NULL);
	srv->timer_at = at;
}

static bool
expired(uint64_t since, uint32_t ms, uint64_t now)
{
	return since != 0 && after(since, ms) <= now;
}

static bool
stalled(struct vfio_user_conn *conn, uint32_t ms, uint64_t now)
{
	uint64_t deadline, since;

	vfio_user_conn_times(conn, &deadline, &since);
	return vfio_user_conn_is_open(conn) && expired(since, ms, now);
}

static void
run_timers(struct rte_vfio_user_server *srv)
{
	const uint32_t ms = srv->conf.msg_timeout_ms;
	uint64_t now = vfio_user_now(), count;
	const char *why = NULL;
	uint32_t i;

	if (read(srv->timer_fd, &count, sizeof(count)) < 0 && errno != EAGAIN)
		VFIO_USER_LOG(ERR, "timer: %s", strerror(errno));
	srv->timer_at = 0;
	srv->grace_ns = RTE_MIN(2 * srv->grace_ns, GRACE_MAX_NS);
	if (srv->listen_at != 0 && srv->listen_at <= now) {
		srv->listen_at = 0;
		listen_events(srv, srv->state != VFIO_USER_LEAVING);
	}
	for (i = 0; i < VFIO_USER_MAX_VISITORS; i++)
		if (srv->visitors[i].fd >= 0 && srv->visitors[i].deadline <= now)
			vfio_user_server_free_visitor(srv, &srv->visitors[i]);
	vfio_user_conn_expire(&srv->main, now);
	vfio_user_conn_expire(&srv->twin, now);
	if (srv->state == VFIO_USER_NEGOTIATING && srv->negotiate_by <= now)
		why = "it did not negotiate in time";
	else if (expired(srv->main.partial_since, ms, now))
		why = "it stopped in the middle of a message";
	else if (stalled(&srv->main, ms, now) || stalled(&srv->twin, ms, now))
		why = "it does not read";
	if (why != NULL && vfio_user_conn_is_open(&srv->main)) {
		vfio_user_stats_inc(&srv->stats.peer_timeouts);
		VFIO_USER_LOG_PEER(&srv->main.limit, "%s: client dropped: %s",
				   vfio_user_server_name(srv), why);
		vfio_user_server_drop(srv, why);
	}
}

/* --------------------------------------------------------------- polling */

static int
pump_twin(struct rte_vfio_user_server *srv)
{
	int ret;

	if (!vfio_user_conn_is_open(&srv->twin) || !vfio_user_conn_own(&srv->twin))
		return 0; /* a waiting thread receives */
	vfio_user_conn_flush(&srv->twin);
	ret = vfio_user_conn_pump(&srv->twin);
	vfio_user_conn_disown(&srv->twin);
	if (ret < 0 && ret != -EAGAIN) {
		vfio_user_server_drop(srv, "its twin socket failed");
		return 0;
	}
	return RTE_MAX(ret, 0);
}

static int
pump_main(struct rte_vfio_user_server *srv)
{
	int ret;

	if (!vfio_user_conn_is_open(&srv->main))
		return -EAGAIN;
	ret = vfio_user_conn_pump(&srv->main);
	if (ret >= 0 || ret == -EAGAIN)
		return ret;
	vfio_user_server_drop(srv, ret == -EPROTO ? "protocol error" : "disconnected");
	return 0;
}

/* Grace periods, and the requests that have waited for their end. */
static int
settle(struct rte_vfio_user_server *srv)
{
	int nb = 0, ret;

	if (STAILQ_EMPTY(&srv->held) && STAILQ_EMPTY(&srv->backlog) && !srv->dma.dirty &&
	    !vfio_user_dma_unsettled(&srv->dma) && !vfio_user_dma_syncing(&srv->dma))
		return 0;
	do {
		if (!STAILQ_EMPTY(&srv->held))
			vfio_user_server_release_held(srv);
		else if (srv->dma.dirty || vfio_user_dma_unsettled(&srv->dma) ||
			 vfio_user_dma_syncing(&srv->dma))
			vfio_user_dma_settle(&srv->dma);
		ret = vfio_user_server_run_backlog(srv);
		nb += ret;
	} while (ret != 0);
	return nb;
}

/* Tell the device which of its syncs are over: events handled. */
static int
tell_synced(struct rte_vfio_user_server *srv)
{
	if (srv->synced == srv->dma.sync_done)
		return 0;
	srv->synced = srv->dma.sync_done;
	if (srv->ops.synced != NULL)
		srv->ops.synced(srv, srv->synced, srv->ops_priv);
	return 1;
}

/* Drop a client whose memory the SIGBUS handler has replaced: events handled. */
static int
drop_broken(struct rte_vfio_user_server *srv)
{
	const char *why = "it truncated memory that it shares (SIGBUS)";

	if (!vfio_user_sigbus_broken(&srv->dma.sigbus) || srv->state == VFIO_USER_LEAVING)
		return 0;
	vfio_user_stats_inc(&srv->stats.violations);
	VFIO_USER_LOG_PEER(&srv->main.limit, "%s: client dropped: %s",
			   vfio_user_server_name(srv), why);
	vfio_user_server_drop(srv, why);
	return 1;
}

/* What has waited for something that may have happened. */
static int
run_waiting(struct rte_vfio_user_server *srv)
{
	int nb = drop_broken(srv);

	if (__atomic_load_n(&srv->wake, __ATOMIC_RELAXED) != 0) {
		__atomic_store_n(&srv->wake, 0, __ATOMIC_SEQ_CST);
		nb += vfio_user_server_run_deferred(srv);
		nb += vfio_user_server_run_reset(srv);
	}
	if (srv->state == VFIO_USER_LEAVING)
		settle_leaving(srv);
	nb += settle(srv);
	return nb + tell_synced(srv);
}

static void
main_event(struct rte_vfio_user_server *srv, uint32_t events)
{
	/* nothing is read while paused, so the end would not be seen */
	if ((events & (EPOLLHUP | EPOLLERR)) != 0 && srv->main.paused)
		vfio_user_server_drop(srv, "disconnected");
	else
		vfio_user_conn_flush(&srv->main);
}

static int
handle_event(struct rte_vfio_user_server *srv, const struct epoll_event *ev)
{
	uint32_t tag = (uint32_t)ev->data.u64;
	uint64_t count;

	switch (tag) {
	case VFIO_USER_TAG_LISTEN:
		accept_client(srv);
		return 1;
	case VFIO_USER_TAG_WAKE:
		/* the flag is looked at after this, so no wake-up is lost */
		if (read(srv->wake_fd, &count, sizeof(count)) < 0 && errno != EAGAIN)
			VFIO_USER_LOG(ERR, "wake-up: %s", strerror(errno));
		return 1 + run_waiting(srv);
	case VFIO_USER_TAG_TIMER:
		run_timers(srv);
		return 1 + run_waiting(srv);
	case VFIO_USER_TAG_MAIN:
		main_event(srv, ev->events);
		return 1;
	case VFIO_USER_TAG_TWIN:
		return pump_twin(srv);
	case VFIO_USER_TAG_RESAMPLE:
		vfio_user_irqs_resample(&srv->irqs, ev->data.u64);
		return 1;
	default:
		answer_visitor(srv, &srv->visitors[tag - VFIO_USER_TAG_VISITOR]);
		return 1;
	}
}

static int
check_events(struct rte_vfio_user_server *srv)
{
	struct epoll_event ev[MAX_EVENTS];
	int i, nb, done = 0;

	vfio_user_pace_asked(&srv->pace);
	nb = epoll_wait(srv->epfd, ev, MAX_EVENTS, 0);
	for (i = 0; i < nb; i++)
		done += handle_event(srv, &ev[i]);
	return done;
}

/* Once per poll, after everything was handled. */
static void
finish_poll(struct rte_vfio_user_server *srv)
{
	uint64_t deadline, stalled_since;

	if (vfio_user_conn_is_open(&srv->main)) {
		vfio_user_conn_flush(&srv->main);
		/* reading goes on while the client owes us a reply */
		vfio_user_conn_times(&srv->main, &deadline, &stalled_since);
		vfio_user_conn_pause(&srv->main, deadline == 0 &&
				     vfio_user_server_backlog_full(srv));
		if (srv->closing)
			vfio_user_server_drop(srv, "refused");
		else if (vfio_user_conn_has_more(&srv->main))
			vfio_user_server_wake(srv);
	}
	arm_timer(srv);
}

/* Whether to ask epoll what else there is. */
static bool
time_to_check(struct rte_vfio_user_server *srv, bool idle)
{
	return vfio_user_pace_wants(&srv->pace, idle,
			vfio_user_conn_pending(&srv->twin) != 0 ?
			BUSY_CHECK_TWIN : BUSY_CHECK);
}

static int
poll_owned(struct rte_vfio_user_server *srv)
{
	int nb, ret;

	nb = run_waiting(srv);
	ret = pump_main(srv);
	nb += RTE_MAX(ret, 0);
	if (time_to_check(srv, ret == -EAGAIN))
		nb += check_events(srv);
	nb += settle(srv);
	nb += tell_synced(srv);
	if (nb != 0)
		vfio_user_pace_found(&srv->pace);
	finish_poll(srv);
	return nb;
}

int
rte_vfio_user_server_poll(struct rte_vfio_user_server *srv)
{
	int nb;

	if (srv == NULL || !srv->started)
		return vfio_user_misuse(__func__);
	if (vfio_user_conn_is_owner(&srv->main))
		return -EBUSY;
	/* a thread that waits for a reply receives meanwhile; now we do */
	vfio_user_conn_own_first(&srv->main);
	srv->polling = true;
	nb = poll_owned(srv);
	srv->polling = false;
	vfio_user_conn_disown(&srv->main);
	return nb;
}
