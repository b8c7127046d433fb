/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <rte_common.h>

#include "vfio_user_codec.h"
#include "vfio_user_conn.h"
#include "vfio_user_trace.h"

/* a follower looks up at least that often, should it miss a wake-up */
#define FOLLOW_NS (100 * VFIO_USER_NS_PER_MS)

/*
 * Bytes queued for a peer from which on nothing more is taken from it. Only
 * one side of a connection may do so, or both wait for each other: the client
 * raises its limit and lets requests wait instead.
 */
#define TX_PAUSE (4u << 20)
/* or queued messages with file descriptors, which are open meanwhile */
#define MARKS_PAUSE 16

/* What is written under the lock and read without it. */
#define SET(field, value) __atomic_store_n(&(field), (value), __ATOMIC_RELAXED)
#define GET(field) __atomic_load_n(&(field), __ATOMIC_RELAXED)

/* glibc's and musl's pthread_t is a pointer that is never NULL */
#define NOBODY ((pthread_t)0)

int
vfio_user_conn_init(struct vfio_user_conn *conn, int epfd, uint32_t epoll_tag,
		    vfio_user_request_cb_t on_request, void *arg, bool can_poke)
{
	pthread_condattr_t attr;
	int ret;

	memset(conn, 0, sizeof(*conn));
	conn->fd = -1;
	conn->epfd = epfd;
	conn->epoll_tag = epoll_tag;
	conn->pause_at = TX_PAUSE;
	conn->on_request = on_request;
	conn->arg = arg;
	TAILQ_INIT(&conn->pending);
	vfio_user_tx_init(&conn->tx);

	conn->poke_fd = can_poke ? eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK) : -1;
	if (can_poke && conn->poke_fd < 0)
		return -errno;
	ret = pthread_mutex_init(&conn->lock, NULL);
	if (ret != 0)
		goto close_poke;
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	ret = pthread_cond_init(&conn->cond, &attr);
	pthread_condattr_destroy(&attr);
	if (ret != 0)
		goto destroy_lock;
	return 0;

destroy_lock:
	pthread_mutex_destroy(&conn->lock);
close_poke:
	vfio_user_fd_close(conn->poke_fd);
	return -ret;
}

void
vfio_user_conn_fini(struct vfio_user_conn *conn)
{
	vfio_user_tx_fini(&conn->tx);
	pthread_cond_destroy(&conn->cond);
	pthread_mutex_destroy(&conn->lock);
	vfio_user_fd_close(conn->poke_fd);
}

void
vfio_user_conn_set_generation(struct vfio_user_conn *conn, uint32_t generation)
{
	pthread_mutex_lock(&conn->lock);
	conn->generation = generation;
	pthread_mutex_unlock(&conn->lock);
}

int
vfio_user_conn_open(struct vfio_user_conn *conn, int fd, uint32_t max_msg)
{
	struct epoll_event ev = { .events = EPOLLIN };
	int ret;

	ret = vfio_user_rx_init(&conn->rx, max_msg);
	if (ret < 0)
		goto close_fd;
	ev.data.u32 = conn->epoll_tag;
	if (epoll_ctl(conn->epfd, EPOLL_CTL_ADD, fd, &ev) < 0) {
		ret = -errno;
		goto free_rx;
	}
	pthread_mutex_lock(&conn->lock);
	SET(conn->broken, false);
	SET(conn->watched, EPOLLIN);
	SET(conn->paused, false);
	SET(conn->stalled_since, 0);
	conn->partial_since = 0;
	conn->stopped = false;
	conn->tx_pos = 0;
	__atomic_store_n(&conn->fd, fd, __ATOMIC_RELEASE);
	pthread_mutex_unlock(&conn->lock);
	return 0;

free_rx:
	vfio_user_rx_fini(&conn->rx);
close_fd:
	close(fd);
	return ret;
}

/* --------------------------------------------------------- finishing requests */

/* Lock held. Nobody else will finish it from here on. */
static void
unlink_req(struct vfio_user_conn *conn, struct vfio_user_req *req)
{
	TAILQ_REMOVE(&conn->pending, req, next);
	conn->by_id[req->msg_id % VFIO_USER_MAX_PENDING] = NULL;
	SET(conn->nb_pending, conn->nb_pending - 1);
}

/* After what a waiting thread may be looking for was stored (seq_cst). */
static void
wake_waiters(struct vfio_user_conn *conn)
{
	if (__atomic_load_n(&conn->waiters, __ATOMIC_SEQ_CST) == 0)
		return;
	pthread_mutex_lock(&conn->lock);
	pthread_cond_broadcast(&conn->cond);
	pthread_mutex_unlock(&conn->lock);
}

/* Lock held; before looking a last time. */
static void
add_waiter(struct vfio_user_conn *conn)
{
	__atomic_store_n(&conn->waiters, conn->waiters + 1, __ATOMIC_SEQ_CST);
}

/* Not locked; the request is unlinked. */
static void
finish_req(struct vfio_user_conn *conn, struct vfio_user_req *req, int status,
	   struct vfio_user_msg *reply)
{
	bool async = req->async;

	status = req->done(req, status, reply);
	if (async)
		return; /* it may be freed */
	__atomic_store_n(&req->status, status, __ATOMIC_SEQ_CST);
	wake_waiters(conn);
}

void
vfio_user_conn_expire(struct vfio_user_conn *conn, uint64_t now)
{
	struct vfio_user_req *req;

	for (;;) {
		pthread_mutex_lock(&conn->lock);
		req = TAILQ_FIRST(&conn->pending);
		if (req != NULL && req->deadline <= now) {
			unlink_req(conn, req);
			vfio_user_stats_inc(&conn->stats.timeouts);
		} else {
			req = NULL;
		}
		pthread_mutex_unlock(&conn->lock);
		if (req == NULL)
			return;
		VFIO_USER_LOG_PEER(&conn->limit, "no reply to %s (id %u) in time",
				   vfio_user_command_name(req->command), req->msg_id);
		finish_req(conn, req, -ETIMEDOUT, NULL);
	}
}

void
vfio_user_conn_times(struct vfio_user_conn *conn, uint64_t *deadline,
		     uint64_t *stalled_since)
{
	struct vfio_user_req *req;

	*deadline = 0;
	*stalled_since = GET(conn->stalled_since);
	if (GET(conn->nb_pending) == 0)
		return;
	pthread_mutex_lock(&conn->lock);
	req = TAILQ_FIRST(&conn->pending);
	if (req != NULL)
		*deadline = req->deadline;
	pthread_mutex_unlock(&conn->lock);
}

/* Lock held, after each change of the send queue. */
static void
note_queue(struct vfio_user_conn *conn)
{
	uint32_t queued = vfio_user_tx_queued(&conn->tx);

	/* the peer takes something, if not all of it */
	if (conn->tx.pos != conn->tx_pos && conn->stalled_since != 0)
		SET(conn->stalled_since, vfio_user_now());
	conn->tx_pos = conn->tx.pos;
	SET(conn->queued, queued);
	SET(conn->full, conn->pause_at != UINT32_MAX &&
	    (queued >= conn->pause_at || conn->tx.nb_marks >= MARKS_PAUSE));
}

/* Lock held: no more sends; the owner sees the end of the stream. */
static void
break_locked(struct vfio_user_conn *conn)
{
	if (conn->broken || conn->fd < 0)
		return;
	SET(conn->broken, true);
	shutdown(conn->fd, SHUT_RDWR);
}

void
vfio_user_conn_abort(struct vfio_user_conn *conn)
{
	struct vfio_user_req_list gone = TAILQ_HEAD_INITIALIZER(gone);
	struct vfio_user_req *req;

	/* all at once: later ones may be those of the next connection */
	pthread_mutex_lock(&conn->lock);
	break_locked(conn);
	while ((req = TAILQ_FIRST(&conn->pending)) != NULL) {
		unlink_req(conn, req);
		TAILQ_INSERT_TAIL(&gone, req, next);
	}
	pthread_cond_broadcast(&conn->cond);
	pthread_mutex_unlock(&conn->lock);

	while ((req = TAILQ_FIRST(&gone)) != NULL) {
		TAILQ_REMOVE(&gone, req, next);
		finish_req(conn, req, -ENOTCONN, NULL);
	}
}

void
vfio_user_conn_close(struct vfio_user_conn *conn)
{
	int fd;

	vfio_user_conn_abort(conn);
	pthread_mutex_lock(&conn->lock);
	fd = conn->fd;
	__atomic_store_n(&conn->fd, -1, __ATOMIC_RELEASE);
	vfio_user_tx_fini(&conn->tx);
	note_queue(conn);
	pthread_mutex_unlock(&conn->lock);
	if (fd >= 0) {
		/* closing alone does not end it: others may have the socket, too */
		epoll_ctl(conn->epfd, EPOLL_CTL_DEL, fd, NULL);
		close(fd);
		vfio_user_rx_fini(&conn->rx);
	}
}

/* ------------------------------------------------------------ ownership */

bool
vfio_user_conn_is_owner(struct vfio_user_conn *conn)
{
	/* nobody else makes it true or false for this thread */
	return pthread_equal(GET(conn->owner), pthread_self());
}

bool
vfio_user_conn_own(struct vfio_user_conn *conn)
{
	pthread_t nobody = NOBODY;

	if (!vfio_user_conn_is_owner(conn) &&
	    !__atomic_compare_exchange_n(&conn->owner, &nobody, pthread_self(), false,
					 __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
		return false;
	conn->depth++;
	return true;
}

void
vfio_user_conn_own_first(struct vfio_user_conn *conn)
{
	const uint64_t one = 1;

	if (vfio_user_conn_own(conn))
		return;
	pthread_mutex_lock(&conn->lock);
	SET(conn->wanted, conn->wanted + 1);
	add_waiter(conn);
	while (!vfio_user_conn_own(conn)) {
		if (write(conn->poke_fd, &one, sizeof(one)) < 0)
			VFIO_USER_LOG(ERR, "poke: %s", strerror(errno));
		pthread_cond_wait(&conn->cond, &conn->lock);
	}
	SET(conn->waiters, conn->waiters - 1);
	SET(conn->wanted, conn->wanted - 1);
	pthread_mutex_unlock(&conn->lock);
}

void
vfio_user_conn_disown(struct vfio_user_conn *conn)
{
	if (--conn->depth != 0)
		return;
	__atomic_store_n(&conn->owner, NOBODY, __ATOMIC_SEQ_CST);
	wake_waiters(conn);
}

/* ------------------------------------------------------------ receiving */

/* Nobody waits for it (any more). */
static void
ignore_reply(struct vfio_user_conn *conn, const struct vfio_user_hdr *hdr)
{
	vfio_user_stats_inc(&conn->stats.violations);
	VFIO_USER_LOG_PEER(&conn->limit, "ignored a reply to %s (id %u) that was not"
			   " expected", vfio_user_command_name(hdr->command), hdr->msg_id);
}

static void
dispatch_reply(struct vfio_user_conn *conn, struct vfio_user_msg *msg)
{
	int error = vfio_user_reply_error(&msg->hdr);
	struct vfio_user_req *req;

	if (error < 0)
		vfio_user_stats_error(&conn->stats.in, msg->hdr.command, (uint32_t)-error);
	pthread_mutex_lock(&conn->lock);
	req = conn->by_id[msg->hdr.msg_id % VFIO_USER_MAX_PENDING];
	if (req != NULL && (req->msg_id != msg->hdr.msg_id ||
			    req->command != msg->hdr.command))
		req = NULL;
	if (req != NULL)
		unlink_req(conn, req);
	pthread_mutex_unlock(&conn->lock);

	if (req == NULL)
		ignore_reply(conn, &msg->hdr);
	else if (msg->fds_lost)
		finish_req(conn, req, -EMFILE, NULL);
	else
		finish_req(conn, req, error, msg);
	vfio_user_msg_release(msg);
}

/* Replies to our own requests are always taken. */
static bool
may_receive(const struct vfio_user_conn *conn)
{
	return GET(conn->nb_pending) != 0 || (!GET(conn->paused) && !GET(conn->full));
}

bool
vfio_user_conn_full(struct vfio_user_conn *conn)
{
	return GET(conn->full);
}

bool
vfio_user_conn_has_more(struct vfio_user_conn *conn)
{
	return conn->stopped && vfio_user_rx_partial(&conn->rx) && may_receive(conn);
}

static void
dispatch(struct vfio_user_conn *conn, struct vfio_user_msg *msg)
{
	vfio_user_stats_message(&conn->stats.in, &msg->hdr, msg->fds.nb);
	vfio_user_trace_recv(conn->arg, msg->hdr.command, msg->hdr.msg_id, msg->hdr.flags,
			     msg->hdr.msg_size, msg->fds.nb);
	/* a nested receive must leave this message where it is */
	vfio_user_rx_hold(&conn->rx);
	if (vfio_user_is_reply(&msg->hdr))
		dispatch_reply(conn, msg);
	else
		conn->on_request(conn, msg, conn->arg);
}

/* Messages dispatched, or -EPROTO. */
static int
dispatch_all(struct vfio_user_conn *conn)
{
	uint8_t *outer = conn->rx.held;
	struct vfio_user_msg msg;
	int nb, ret = 0;

	conn->stopped = false;
	for (nb = 0; ; nb++) {
		if (nb != 0 && !may_receive(conn)) {
			conn->stopped = true; /* replies have to leave first */
			break;
		}
		ret = vfio_user_rx_next(&conn->rx, &msg);
		if (ret <= 0)
			break;
		dispatch(conn, &msg);
	}
	vfio_user_rx_unhold(&conn->rx, outer);
	if (ret < 0) {
		vfio_user_stats_inc(&conn->stats.violations);
		VFIO_USER_LOG_PEER(&conn->limit, "bad header: command %u, size %u,"
				   " flags 0x%x", msg.hdr.command, msg.hdr.msg_size,
				   msg.hdr.flags);
	}
	return ret < 0 ? ret : nb;
}

int
vfio_user_conn_pump(struct vfio_user_conn *conn)
{
	int nb;

	if (!vfio_user_conn_is_open(conn))
		return -ENOTCONN;
	if (!may_receive(conn)) {
		conn->partial_since = 0; /* it is us who stopped */
		return GET(conn->broken) ? -ENOTCONN : -EAGAIN;
	}
	/* messages left by a stop, or by the frame that we are nested in */
	nb = vfio_user_rx_partial(&conn->rx) ? dispatch_all(conn) : 0;
	if (nb == 0) {
		nb = vfio_user_rx_recv(&conn->rx, conn->fd);
		if (nb > 0)
			nb = dispatch_all(conn);
	}
	if (conn->stopped || !vfio_user_rx_partial(&conn->rx))
		conn->partial_since = 0;
	else if (nb > 0 || conn->partial_since == 0)
		conn->partial_since = vfio_user_now();
	return nb;
}

/* -------------------------------------------------------------- sending */

/*
 * Lock held: watch for output while something is queued, for input unless the
 * peer has to take replies first.
 */
static void
watch_events(struct vfio_user_conn *conn)
{
	uint32_t queued = conn->queued;
	struct epoll_event ev = { .events = 0 };

	if (queued != 0)
		ev.events |= EPOLLOUT;
	if (may_receive(conn))
		ev.events |= EPOLLIN;
	if (ev.events == conn->watched)
		return;
	ev.data.u32 = conn->epoll_tag;
	epoll_ctl(conn->epfd, EPOLL_CTL_MOD, conn->fd, &ev);
	SET(conn->watched, ev.events);
	if (queued == 0)
		SET(conn->stalled_since, 0);
	else if (conn->stalled_since == 0)
		SET(conn->stalled_since, vfio_user_now());
}

void
vfio_user_conn_pause(struct vfio_user_conn *conn, bool paused)
{
	if (conn->paused == paused)
		return;
	pthread_mutex_lock(&conn->lock);
	if (conn->fd >= 0) {
		SET(conn->paused, paused);
		watch_events(conn);
	}
	pthread_mutex_unlock(&conn->lock);
}

/* Lock held: count and trace what was sent or queued. */
static void
note_sent(struct vfio_user_conn *conn, const struct vfio_user_hdr *hdr, uint32_t nb_fds)
{
	vfio_user_stats_message(&conn->stats.out, hdr, nb_fds);
	if (vfio_user_is_reply(hdr))
		vfio_user_trace_reply(conn->arg, hdr->command, hdr->msg_id, hdr->error_no,
				      hdr->msg_size, nb_fds);
	else
		vfio_user_trace_request(conn->arg, hdr->command, hdr->msg_id,
					hdr->msg_size, nb_fds);
}

/* Lock held. A socket that failed is shut down: its owner sees the end. */
static int
send_locked(struct vfio_user_conn *conn, struct vfio_user_hdr *hdr,
	    const struct vfio_user_out *out)
{
	struct iovec iov[3];
	int nb = 1, ret;

	if (conn->broken || conn->fd < 0)
		return -ENOTCONN;
	hdr->msg_size = sizeof(*hdr) + out->head_len + out->data_len;
	iov[0].iov_base = hdr;
	iov[0].iov_len = sizeof(*hdr);
	if (out->head_len != 0) {
		iov[nb].iov_base = (void *)(uintptr_t)out->head;
		iov[nb++].iov_len = out->head_len;
	}
	if (out->data_len != 0) {
		iov[nb].iov_base = (void *)(uintptr_t)out->data;
		iov[nb++].iov_len = out->data_len;
	}
	ret = vfio_user_tx_send(&conn->tx, conn->fd, iov, nb, out->fds,
				out->nb_fds, out->more);
	if (ret == 0)
		note_sent(conn, hdr, out->nb_fds);
	note_queue(conn);
	if (ret == -ENOTCONN)
		break_locked(conn);
	else if (!out->more)
		watch_events(conn);
	return ret;
}

/* Lock held: a message id whose slot is free. */
static int
alloc_id(struct vfio_user_conn *conn, struct vfio_user_req *req)
{
	if (conn->nb_pending == VFIO_USER_MAX_PENDING)
		return -EAGAIN;
	while (conn->by_id[conn->next_id % VFIO_USER_MAX_PENDING] != NULL)
		conn->next_id++;
	req->msg_id = conn->next_id++;
	return 0;
}

/* Lock held: keep the list sorted; deadlines nearly always grow. */
static void
link_req(struct vfio_user_conn *conn, struct vfio_user_req *req)
{
	struct vfio_user_req *after =
		TAILQ_LAST(&conn->pending, vfio_user_req_list);

	while (after != NULL && after->deadline > req->deadline)
		after = TAILQ_PREV(after, vfio_user_req_list, next);
	if (after == NULL)
		TAILQ_INSERT_HEAD(&conn->pending, req, next);
	else
		TAILQ_INSERT_AFTER(&conn->pending, after, req, next);
	conn->by_id[req->msg_id % VFIO_USER_MAX_PENDING] = req;
	SET(conn->nb_pending, conn->nb_pending + 1);
}

int
vfio_user_conn_request(struct vfio_user_conn *conn, struct vfio_user_req *req,
		       const struct vfio_user_out *out, uint64_t timeout_ns)
{
	struct vfio_user_hdr hdr = { .command = req->command };
	int ret;

	req->status = VFIO_USER_REQ_BUSY;
	req->deadline = vfio_user_now() + timeout_ns;
	pthread_mutex_lock(&conn->lock);
	ret = req->generation == conn->generation ? alloc_id(conn, req) : -ENOTCONN;
	if (ret == 0) {
		hdr.msg_id = req->msg_id;
		link_req(conn, req);
		ret = send_locked(conn, &hdr, out);
		if (ret < 0)
			unlink_req(conn, req);
	}
	pthread_mutex_unlock(&conn->lock);
	return ret;
}

int
vfio_user_conn_post(struct vfio_user_conn *conn, uint16_t command,
		    const struct vfio_user_out *out, uint32_t generation)
{
	struct vfio_user_hdr hdr = {
		.command = command,
		.flags = VFIO_USER_F_TYPE_COMMAND | VFIO_USER_F_NO_REPLY,
	};
	int ret = -ENOTCONN;

	pthread_mutex_lock(&conn->lock);
	hdr.msg_id = conn->next_id++;
	if (generation == conn->generation)
		ret = send_locked(conn, &hdr, out);
	pthread_mutex_unlock(&conn->lock);
	return ret;
}

/*
 * A peer that never gets its reply hangs: without memory for it, part. Unless
 * it is for the file descriptors: then the caller answers with the error.
 */
static int
send_reply(struct vfio_user_conn *conn, const struct vfio_user_hdr *request,
	   uint32_t error_no, const struct vfio_user_out *out)
{
	struct vfio_user_hdr hdr = {
		.msg_id = request->msg_id,
		.command = request->command,
		.flags = VFIO_USER_F_TYPE_REPLY |
			(error_no == 0 ? 0 : VFIO_USER_F_ERROR),
		.error_no = error_no,
	};
	int ret = 0;

	if ((request->flags & VFIO_USER_F_NO_REPLY) != 0 && error_no == 0)
		return 0;
	pthread_mutex_lock(&conn->lock);
	if (error_no != 0)
		vfio_user_stats_error(&conn->stats.out, hdr.command, error_no);
	if ((request->flags & VFIO_USER_F_NO_REPLY) == 0)
		ret = send_locked(conn, &hdr, out);
	if (ret < 0 && (ret != -ENOBUFS || out->nb_fds == 0))
		break_locked(conn);
	pthread_mutex_unlock(&conn->lock);
	return ret;
}

int
vfio_user_conn_reply(struct vfio_user_conn *conn,
		     const struct vfio_user_hdr *request,
		     const struct vfio_user_out *out)
{
	return send_reply(conn, request, 0, out);
}

int
vfio_user_conn_reply_error(struct vfio_user_conn *conn,
			   const struct vfio_user_hdr *request, int error,
			   bool more)
{
	const struct vfio_user_out out = { .more = more };

	VFIO_USER_LOG(DEBUG, "%s (id %u) refused: %s",
		      vfio_user_command_name(request->command), request->msg_id,
		      strerror(-error));
	return send_reply(conn, request, (uint32_t)-error, &out);
}

/* Whether there is nothing to send, nor another event to wait for. */
static bool
nothing_to_flush(const struct vfio_user_conn *conn)
{
	return GET(conn->queued) == 0 && GET(conn->watched) == EPOLLIN &&
		may_receive(conn) && !GET(conn->broken) && vfio_user_conn_is_open(conn);
}

int
vfio_user_conn_flush(struct vfio_user_conn *conn)
{
	uint32_t queued;
	int ret = 0;

	if (nothing_to_flush(conn))
		return 0;
	pthread_mutex_lock(&conn->lock);
	queued = vfio_user_tx_queued(&conn->tx);
	if (conn->broken || conn->fd < 0)
		ret = -ENOTCONN;
	else if (queued != 0)
		ret = vfio_user_tx_flush(&conn->tx, conn->fd);
	note_queue(conn);
	if (ret == -ENOTCONN)
		break_locked(conn);
	else
		watch_events(conn);
	pthread_mutex_unlock(&conn->lock);
	return ret;
}

uint32_t
vfio_user_conn_pending(const struct vfio_user_conn *conn)
{
	return GET(conn->nb_pending);
}

uint32_t
vfio_user_conn_queued(struct vfio_user_conn *conn)
{
	return GET(conn->queued);
}

/* -------------------------------------------------------------- waiting */

/* Unless another thread asked to have the ownership first. */
static bool
own_to_wait(struct vfio_user_conn *conn)
{
	return vfio_user_conn_is_open(conn) &&
		(GET(conn->wanted) == 0 || vfio_user_conn_is_owner(conn)) &&
		vfio_user_conn_own(conn);
}

/*
 * Become the owner to wait for input, or sleep until the request is finished
 * or the ownership may be free.
 */
static bool
own_or_follow(struct vfio_user_conn *conn, const struct vfio_user_req *req)
{
	struct timespec ts;
	uint64_t until;
	bool owner;

	if (own_to_wait(conn))
		return true;
	until = vfio_user_now() + FOLLOW_NS;
	ts.tv_sec = (time_t)(until / UINT64_C(1000000000));
	ts.tv_nsec = (long)(until % UINT64_C(1000000000));
	pthread_mutex_lock(&conn->lock);
	add_waiter(conn);
	owner = own_to_wait(conn);
	if (!owner && __atomic_load_n(&req->status, __ATOMIC_SEQ_CST) ==
	    VFIO_USER_REQ_BUSY)
		pthread_cond_timedwait(&conn->cond, &conn->lock, &ts);
	SET(conn->waiters, conn->waiters - 1);
	pthread_mutex_unlock(&conn->lock);
	return owner;
}

static int
ms_until(uint64_t deadline)
{
	uint64_t now = vfio_user_now();

	if (deadline <= now)
		return 0;
	return (int)RTE_MIN((deadline - now) / VFIO_USER_NS_PER_MS + 1,
			    (uint64_t)INT32_MAX);
}

int
vfio_user_conn_wait(struct vfio_user_conn *conn, struct vfio_user_req *req,
		    vfio_user_wait_cb_t wait_input, void *arg)
{
	int status;

	for (;;) {
		status = __atomic_load_n(&req->status, __ATOMIC_ACQUIRE);
		if (status != VFIO_USER_REQ_BUSY)
			break;
		if (own_or_follow(conn, req)) {
			/* dispatched while we were becoming the owner? */
			if (__atomic_load_n(&req->status, __ATOMIC_ACQUIRE) ==
			    VFIO_USER_REQ_BUSY)
				wait_input(conn, ms_until(req->deadline), arg);
			vfio_user_conn_disown(conn);
		}
		if (__atomic_load_n(&req->status, __ATOMIC_ACQUIRE) == VFIO_USER_REQ_BUSY)
			vfio_user_conn_expire(conn, vfio_user_now());
	}
	return status;
}
