/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include <rte_common.h>

#include "vfio_user_client.h"

/* a request that finds too many pending looks again that often */
#define ROOM_MS 10

/* the server's requests that may wait for room in the send queue */
#define MAX_BACKLOG 1024u

/* requests served inside of one another: dma_cb may wait for the server */
#define MAX_NESTED 8
#define MAX_BACKLOG_BYTES (UINT64_C(64) << 20)

/* how often a polling caller with a busy socket looks at the twin and the timer */
#define BUSY_CHECK 64

/* ------------------------------------------------- requests of the server */

static void
defer_request(struct rte_vfio_user_client *client, struct vfio_user_conn *conn,
	      struct vfio_user_client_backlog *backlog, struct vfio_user_msg *msg)
{
	struct vfio_user_client_deferred *entry;

	if (backlog->nb == MAX_BACKLOG || backlog->bytes > MAX_BACKLOG_BYTES) {
		vfio_user_stats_inc(&client->stats.violations);
		VFIO_USER_LOG_PEER(&conn->limit,
				   "the server sends requests and takes no replies");
		vfio_user_client_lose(client);
		return;
	}
	entry = malloc(sizeof(*entry));
	if (entry == NULL)
		goto refuse;
	entry->msg = vfio_user_msg_dup(msg);
	if (entry->msg == NULL)
		goto free_entry;
	STAILQ_INSERT_TAIL(&backlog->list, entry, next);
	backlog->nb++;
	vfio_user_stats_inc(&client->stats.queued);
	backlog->bytes += entry->msg->len;
	return;

free_entry:
	free(entry);
refuse:
	vfio_user_conn_reply_error(conn, &msg->hdr, -ENOMEM, false);
}

static struct vfio_user_client_deferred *
take_deferred(struct vfio_user_client_backlog *backlog)
{
	struct vfio_user_client_deferred *entry = STAILQ_FIRST(&backlog->list);

	STAILQ_REMOVE_HEAD(&backlog->list, next);
	backlog->nb--;
	backlog->bytes -= entry->msg->len;
	return entry;
}

static void
free_deferred(struct vfio_user_client_deferred *entry)
{
	vfio_user_msg_release(entry->msg);
	free(entry->msg);
	free(entry);
}

static void
drop_backlog(struct vfio_user_client_backlog *backlog)
{
	while (backlog->nb != 0)
		free_deferred(take_deferred(backlog));
}

void
vfio_user_client_drop_backlogs(struct rte_vfio_user_client *client)
{
	drop_backlog(&client->backlog[VFIO_USER_CLIENT_TAG_MAIN]);
	drop_backlog(&client->backlog[VFIO_USER_CLIENT_TAG_TWIN]);
}

static struct vfio_user_client_backlog *
backlog_of(struct rte_vfio_user_client *client, const struct vfio_user_conn *conn)
{
	return &client->backlog[conn == &client->twin ? VFIO_USER_CLIENT_TAG_TWIN :
				VFIO_USER_CLIENT_TAG_MAIN];
}

/*
 * Whether a request can be served now: its reply has room, and requests that
 * came while dma_cb waits for a reply of its own are not piled up for ever.
 */
static bool
may_serve(const struct rte_vfio_user_client *client, struct vfio_user_conn *conn)
{
	return client->serving < MAX_NESTED &&
		vfio_user_conn_queued(conn) < VFIO_USER_CLIENT_MAX_QUEUED;
}

/*
 * Receiving never stops for a full send queue: the server may be waiting for
 * us to take its data before it takes ours. Its requests wait instead.
 */
void
vfio_user_client_on_request(struct vfio_user_conn *conn, struct vfio_user_msg *msg,
			    void *arg)
{
	struct rte_vfio_user_client *client = arg;
	struct vfio_user_client_backlog *backlog = backlog_of(client, conn);

	if (msg->fds.nb != 0) { /* no request has any: it will be refused */
		vfio_user_msg_release(msg);
		msg->fds_lost = true;
	}
	if (backlog->nb == 0 && may_serve(client, conn))
		vfio_user_client_serve(client, conn, msg);
	else
		defer_request(client, conn, backlog, msg);
	vfio_user_msg_release(msg);
}

static void
run_backlog(struct rte_vfio_user_client *client, struct vfio_user_conn *conn)
{
	struct vfio_user_client_backlog *backlog = backlog_of(client, conn);
	struct vfio_user_client_deferred *entry;

	while (backlog->nb != 0 && may_serve(client, conn)) {
		/* out of the list first: serving may come here again */
		entry = take_deferred(backlog);
		vfio_user_client_serve(client, conn, entry->msg);
		free_deferred(entry);
	}
}

/* ------------------------------------------------------------ receiving */

void
vfio_user_client_lose(struct rte_vfio_user_client *client)
{
	/* with reconnection, who drives tells */
	if (!__atomic_exchange_n(&client->lost, true, __ATOMIC_ACQ_REL) &&
	    !client->link.on && client->ready) {
		VFIO_USER_LOG(INFO, "client: connection lost");
		vfio_user_client_count_loss(client);
		vfio_user_telemetry_state(&client->telemetry, "lost");
	}
	vfio_user_conn_abort(&client->main);
	vfio_user_conn_abort(&client->twin);
}

/* Lock held. */
static void
set_timer(struct rte_vfio_user_client *client, uint64_t deadline)
{
	struct itimerspec its = {
		.it_value.tv_sec = (time_t)(deadline / UINT64_C(1000000000)),
		.it_value.tv_nsec = (long)(deadline % UINT64_C(1000000000)),
	};

	client->timer_at = deadline;
	timerfd_settime(client->timerfd, TFD_TIMER_ABSTIME, &its, NULL);
}

void
vfio_user_client_arm(struct rte_vfio_user_client *client, uint64_t deadline)
{
	pthread_mutex_lock(&client->timer_lock);
	if (client->timer_at == 0 || deadline < client->timer_at)
		set_timer(client, deadline);
	pthread_mutex_unlock(&client->timer_lock);
}

void
vfio_user_client_rearm(struct rte_vfio_user_client *client)
{
	uint64_t deadline, stalled, wake_at = client->link.wake_at;

	pthread_mutex_lock(&client->timer_lock);
	/* also ends the readiness; 0 disarms */
	vfio_user_conn_times(&client->main, &deadline, &stalled);
	if (wake_at != 0 && (deadline == 0 || wake_at < deadline))
		deadline = wake_at;
	set_timer(client, deadline);
	pthread_mutex_unlock(&client->timer_lock);
}

/* The server truncated a region that is mapped: it is as good as gone. */
static void
check_broken(struct rte_vfio_user_client *client)
{
	if (!vfio_user_sigbus_broken(&client->sigbus))
		return;
	vfio_user_sigbus_mend(&client->sigbus);
	vfio_user_stats_inc(&client->stats.violations);
	VFIO_USER_LOG(ERR, "client: the server truncated memory that it shares (SIGBUS)");
	vfio_user_client_lose(client);
}

static void
sigbus_event(struct rte_vfio_user_client *client)
{
	uint64_t count;

	if (read(client->sigbus.wake_fd, &count, sizeof(count)) < 0 && errno != EAGAIN)
		VFIO_USER_LOG(ERR, "client: wake-up: %s", strerror(errno));
	check_broken(client);
}

static void
timer_fired(struct rte_vfio_user_client *client)
{
	uint64_t now = vfio_user_now();

	vfio_user_conn_expire(&client->main, now);
	if (client->link.wake_at != 0 && client->link.wake_at <= now) {
		client->link.wake_at = 0;
		__atomic_store_n(&client->link.todo, true, __ATOMIC_RELEASE);
	}
	vfio_user_client_rearm(client);
}

/* Messages received, or negative: the connection must end. */
static int
conn_event(struct rte_vfio_user_client *client, struct vfio_user_conn *conn,
	   uint32_t events)
{
	int ret = 0;

	if ((events & EPOLLOUT) != 0)
		vfio_user_conn_flush(conn); /* an error shows in receiving, too */
	if ((events & ~(uint32_t)EPOLLOUT) != 0)
		ret = vfio_user_conn_pump(conn);
	run_backlog(client, conn);
	return ret == -EAGAIN ? 0 : ret;
}

static int
handle_event(struct rte_vfio_user_client *client, const struct epoll_event *ev)
{
	int ret;

	switch (ev->data.u32) {
	case VFIO_USER_CLIENT_TAG_TIMER:
		timer_fired(client);
		return 0;
	case VFIO_USER_CLIENT_TAG_SIGBUS:
		sigbus_event(client);
		return 0;
	case VFIO_USER_CLIENT_TAG_TWIN:
		/* succeeds: only the owner of the main connection takes it */
		vfio_user_conn_own(&client->twin);
		ret = conn_event(client, &client->twin, ev->events);
		vfio_user_conn_disown(&client->twin);
		return ret;
	default:
		return conn_event(client, &client->main, ev->events);
	}
}

/* Another thread may have sent what the server's requests waited for. */
static void
run_backlogs(struct rte_vfio_user_client *client)
{
	if (client->backlog[VFIO_USER_CLIENT_TAG_MAIN].nb == 0 &&
	    client->backlog[VFIO_USER_CLIENT_TAG_TWIN].nb == 0)
		return;
	vfio_user_conn_own(&client->twin); /* succeeds, see handle_event() */
	run_backlog(client, &client->main);
	run_backlog(client, &client->twin);
	vfio_user_conn_disown(&client->twin);
}

/* Before receiving: 0 or -ENOTCONN. */
static int
prepare(struct rte_vfio_user_client *client)
{
	check_broken(client);
	if (!vfio_user_client_is_alive(client))
		return -ENOTCONN;
	run_backlogs(client);
	return 0;
}

/* Wait for events and handle them. */
static int
take_events(struct rte_vfio_user_client *client, int timeout_ms)
{
	struct epoll_event ev[VFIO_USER_CLIENT_NB_TAGS];
	int i, n, nb = 0, ret = 0;

	if (timeout_ms == 0)
		vfio_user_pace_asked(&client->pace);
	n = epoll_wait(client->epfd, ev, VFIO_USER_CLIENT_NB_TAGS, timeout_ms);
	if (n <= 0)
		return 0;
	vfio_user_pace_found(&client->pace);
	for (i = 0; i < n && ret >= 0; i++) {
		ret = handle_event(client, &ev[i]);
		nb += RTE_MAX(ret, 0);
	}
	if (ret < 0) {
		vfio_user_client_lose(client);
		return -ENOTCONN;
	}
	return nb;
}

int
vfio_user_client_receive(struct rte_vfio_user_client *client, int timeout_ms)
{
	int ret = prepare(client);

	return ret < 0 ? ret : take_events(client, timeout_ms);
}

/*
 * As vfio_user_client_receive() without waiting, but looks at the main socket
 * first and at the rest as vfio_user_pace.h says.
 */
static int
receive_now(struct rte_vfio_user_client *client)
{
	int nb, ret = prepare(client);

	if (ret < 0)
		return ret;
	if (!vfio_user_conn_is_open(&client->main)) /* it will be, again */
		return take_events(client, 0);
	nb = conn_event(client, &client->main, EPOLLIN);
	if (nb < 0) {
		vfio_user_client_lose(client);
		return -ENOTCONN;
	}
	if (!vfio_user_pace_wants(&client->pace, nb == 0, BUSY_CHECK))
		return nb;
	ret = take_events(client, 0);
	return ret < 0 ? ret : nb + ret;
}

/* Poll for a while: the milliseconds left to wait, 0 if something came. */
static int
busy_poll(struct rte_vfio_user_client *client, int timeout_ms)
{
	uint64_t start = vfio_user_now(), now;
	uint64_t most = RTE_MIN(client->busy_poll_ns,
				(uint64_t)timeout_ms * VFIO_USER_NS_PER_MS);

	do {
		if (receive_now(client) != 0)
			return 0;
		now = vfio_user_now();
	} while (now - start < most);
	return timeout_ms - (int)((now - start) / VFIO_USER_NS_PER_MS);
}

static void
wait_input(struct vfio_user_conn *conn, int timeout_ms, void *arg)
{
	struct rte_vfio_user_client *client = arg;

	RTE_SET_USED(conn);
	if (client->busy_poll_ns != 0)
		timeout_ms = busy_poll(client, timeout_ms);
	if (timeout_ms > 0 || client->busy_poll_ns == 0)
		vfio_user_client_receive(client, timeout_ms);
}

int
rte_vfio_user_client_poll(struct rte_vfio_user_client *client)
{
	int ret;

	if (client == NULL)
		return vfio_user_misuse(__func__);
	/* else its owner is receiving */
	if (!vfio_user_conn_own(&client->main))
		return vfio_user_client_is_alive(client) ? 0 : -ENOTCONN;
	vfio_user_client_drive(client);
	ret = receive_now(client);
	vfio_user_client_drive(client);
	vfio_user_conn_disown(&client->main);
	if (ret < 0 && vfio_user_client_is_alive(client))
		return 0; /* it will be made anew */
	return ret;
}

/* ------------------------------------------------------------- requests */

static int
sync_done(struct vfio_user_req *req, int status, struct vfio_user_msg *reply)
{
	struct vfio_user_client_req *creq =
		container_of(req, struct vfio_user_client_req, req);
	uint32_t rest;

	if (reply == NULL)
		return status;
	if (status < 0) {
		creq->refused = true;
		return status;
	}
	if (reply->len < creq->head_len)
		return -EPROTO;
	rest = reply->len - creq->head_len;
	if (creq->data != NULL && rest > creq->data_cap)
		return -EPROTO;
	if (creq->head_len != 0)
		memcpy(creq->head, reply->payload, creq->head_len);
	if (creq->data != NULL && rest != 0) {
		memcpy(creq->data, reply->payload + creq->head_len, rest);
		creq->data_len = rest;
	}
	if (creq->fds != NULL)
		vfio_user_fds_move(creq->fds, &reply->fds);
	return 0;
}

/* Too many requests are pending: let some finish. */
static void
wait_room(struct rte_vfio_user_client *client)
{
	const struct timespec ts = { .tv_nsec = VFIO_USER_NS_PER_MS };

	vfio_user_conn_flush(&client->main);
	if (vfio_user_conn_own(&client->main)) {
		vfio_user_client_receive(client, ROOM_MS);
		vfio_user_conn_disown(&client->main);
	} else {
		nanosleep(&ts, NULL);
	}
	vfio_user_conn_expire(&client->main, vfio_user_now());
}

static uint64_t
request_timeout(const struct rte_vfio_user_client *client)
{
	uint64_t now;

	if (client->hurry == 0)
		return client->timeout_ns;
	now = vfio_user_now();
	return now < client->hurry ? client->hurry - now : 0;
}

void
vfio_user_client_start_to(struct rte_vfio_user_client *client,
			  struct vfio_user_client_req *creq, uint32_t generation,
			  uint16_t command, const struct vfio_user_out *out)
{
	uint64_t give_up = 0;
	int ret;

	creq->req.command = command;
	creq->req.generation = generation;
	creq->req.async = false;
	creq->req.done = sync_done;
	creq->data_len = 0;
	creq->refused = false;
	for (;;) {
		ret = -EAGAIN;
		if (vfio_user_conn_queued(&client->main) < VFIO_USER_CLIENT_MAX_QUEUED)
			ret = vfio_user_conn_request(&client->main, &creq->req, out,
						     request_timeout(client));
		if (ret != -EAGAIN)
			break;
		if (give_up == 0)
			give_up = vfio_user_now() + client->timeout_ns;
		if (vfio_user_now() >= give_up) {
			ret = -ETIMEDOUT;
			break;
		}
		wait_room(client);
	}
	if (ret < 0)
		creq->req.status = ret;
	else if (!out->more) /* took the posted writes along */
		__atomic_store_n(&client->posted, 0, __ATOMIC_RELAXED);
}

void
vfio_user_client_start(struct rte_vfio_user_client *client,
		       struct vfio_user_client_req *creq, uint16_t command,
		       const struct vfio_user_out *out)
{
	vfio_user_client_start_to(client, creq,
			__atomic_load_n(&client->generation, __ATOMIC_ACQUIRE),
			command, out);
}

int
vfio_user_client_finish(struct rte_vfio_user_client *client,
			struct vfio_user_client_req *creq)
{
	int ret = vfio_user_conn_wait(&client->main, &creq->req, wait_input, client);

	/* the handshake waited for us to end; map and unmap do not drive it */
	if (client->link.on && __atomic_load_n(&client->link.todo, __ATOMIC_ACQUIRE))
		vfio_user_client_wake(client);
	return ret;
}

int
vfio_user_client_call(struct rte_vfio_user_client *client,
		      struct vfio_user_client_req *creq, uint16_t command,
		      const struct vfio_user_out *out)
{
	uint64_t give_up = 0;
	int ret;

	do {
		vfio_user_client_start(client, creq, command, out);
		ret = vfio_user_client_finish(client, creq);
		if (ret != -ENOTCONN || creq->refused)
			return ret;
	} while (vfio_user_client_recover(client, creq->req.generation, command,
					  &give_up) == 0);
	return ret;
}
