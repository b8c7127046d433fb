/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#ifndef VFIO_USER_CONN_H
#define VFIO_USER_CONN_H

/**
 * @file
 * One socket of a connection: requests, replies, and who receives
 *
 * Used by both sides, for the main and the twin socket. Any thread may send
 * and may wait for the reply to its request. Receiving is done by one thread
 * at a time, the *owner*: whoever polls, or a waiting thread that found no
 * owner. The owner dispatches replies to their requests and hands requests of
 * the peer to the on_request callback. The other waiting threads sleep until
 * their reply was dispatched or the ownership is free.
 *
 * An owner that waits inside a callback (nested) goes on receiving; the
 * message being handled further up the stack stays in place.
 *
 * The ownership is one atomic word. The lock protects the send queue and the
 * pending requests; it is not held across callbacks. What is asked for with
 * every message (how much is queued, whether requests are pending) is written
 * under the lock and read without it: a stale answer is as good as one a moment
 * older. Who waits for the ownership or for a reply counts itself in waiters
 * before it looks a last time, who gives either looks at waiters after it: one
 * of both sees the other.
 */

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/uio.h>

#include "vfio_user_log.h"
#include "vfio_user_proto.h"
#include "vfio_user_sock.h"
#include "vfio_user_stats.h"

/** Requests that may wait for a reply at a time. */
#define VFIO_USER_MAX_PENDING 1024u

/** Status of a request that has no reply yet. */
#define VFIO_USER_REQ_BUSY 1

/** A request of ours that waits for its reply. */
struct vfio_user_req {
	TAILQ_ENTRY(vfio_user_req) next;
	uint64_t deadline; /* vfio_user_now() */
	uint16_t command;
	uint16_t msg_id;
	uint32_t generation; /* only valid for this peer, see the connection */
	/** Freed by its done(): nobody waits in vfio_user_conn_wait(). */
	bool async;
	int status; /* VFIO_USER_REQ_BUSY, then what done() returned */
	/**
	 * Take the reply (NULL with status < 0: no reply came). Runs once, in
	 * the owner's thread or in the one that closes, without lock. Returns
	 * the final status.
	 */
	int (*done)(struct vfio_user_req *req, int status,
		    struct vfio_user_msg *reply);
};

struct vfio_user_conn;

/** Hand over a request of the peer; the callback releases the message. */
typedef void (*vfio_user_request_cb_t)(struct vfio_user_conn *conn,
				       struct vfio_user_msg *msg, void *arg);

/** One socket. */
struct vfio_user_conn {
	int fd; /* -1: closed */
	int epfd; /* epoll it is registered in */
	int poke_fd; /* eventfd: the owner shall stop waiting for input; or -1 */
	uint32_t epoll_tag; /* data of its events */
	/** Bytes queued from which on nothing is taken; set before open. */
	uint32_t pause_at;
	vfio_user_request_cb_t on_request;
	void *arg;
	struct vfio_user_ratelimit limit;
	/** Received and violations: by the owner; the rest: under the lock. */
	struct vfio_user_conn_stats stats;

	/* owner only */
	struct vfio_user_rx rx;
	uint64_t partial_since; /* a message has been incomplete since, or 0 */
	bool stopped; /* complete messages were left: replies have to leave */

	pthread_mutex_t lock;
	pthread_cond_t cond; /* ownership free, or a status changed */
	pthread_t owner; /* atomic: NOBODY, or the thread that may receive */
	uint32_t depth; /* owner only: nested uses */
	/* below: under the lock; "atomic": read without it, too */
	bool broken; /* no more sends; the owner closes; atomic */
	uint32_t waiters; /* threads that sleep on cond; atomic */
	uint32_t wanted; /* threads inside vfio_user_conn_own_first(); atomic */
	uint16_t next_id;
	uint32_t watched; /* epoll events registered; atomic */
	uint32_t generation; /* of the peer; set while there is no socket */
	bool paused; /* take nothing from the peer; written by the owner; atomic */
	uint64_t stalled_since; /* the peer has taken nothing since, or 0; atomic */
	struct vfio_user_tx tx;
	uint64_t tx_pos; /* stream position when it was looked at last */
	uint32_t queued; /* bytes in tx; atomic */
	bool full; /* so much waits for the peer that it gets no more done; atomic */
	TAILQ_HEAD(vfio_user_req_list, vfio_user_req) pending; /* by deadline */
	uint32_t nb_pending; /* atomic */
	struct vfio_user_req *by_id[VFIO_USER_MAX_PENDING];
};

/**
 * Prepare a connection without a socket: 0 or -errno. Only with can_poke may
 * vfio_user_conn_own_first() be used.
 */
int vfio_user_conn_init(struct vfio_user_conn *conn, int epfd,
			uint32_t epoll_tag, vfio_user_request_cb_t on_request,
			void *arg, bool can_poke);

/** Free it; no socket, no waiters. */
void vfio_user_conn_fini(struct vfio_user_conn *conn);

/** Requests are for another peer from here on. There is no socket. */
void vfio_user_conn_set_generation(struct vfio_user_conn *conn, uint32_t generation);

/** Start using a socket, owning it from here on: 0 or -errno (closed). */
int vfio_user_conn_open(struct vfio_user_conn *conn, int fd, uint32_t max_msg);

/**
 * Break the connection: no more sends, pending requests fail with -ENOTCONN,
 * the next receive fails. The socket stays open for the owner to close. Any
 * thread.
 */
void vfio_user_conn_abort(struct vfio_user_conn *conn);

/**
 * Abort and close the socket. The caller is the owner and not nested in a
 * callback of this connection, or nobody else uses it.
 */
void vfio_user_conn_close(struct vfio_user_conn *conn);

static inline bool
vfio_user_conn_is_open(const struct vfio_user_conn *conn)
{
	return __atomic_load_n(&conn->fd, __ATOMIC_ACQUIRE) >= 0;
}

/**
 * Become the owner, or nest if it is us already.
 *
 * @return
 *   true: release it by vfio_user_conn_disown().
 */
bool vfio_user_conn_own(struct vfio_user_conn *conn);

/**
 * As vfio_user_conn_own(), but takes the ownership from a thread that waits
 * for input (its wait callback watches poke_fd), and before other waiting
 * threads get it.
 */
void vfio_user_conn_own_first(struct vfio_user_conn *conn);

void vfio_user_conn_disown(struct vfio_user_conn *conn);

/** Whether the owner is inside another use of the connection. Owner only. */
static inline bool
vfio_user_conn_is_nested(const struct vfio_user_conn *conn)
{
	return conn->depth > 1;
}

/** Whether the calling thread is the owner. */
bool vfio_user_conn_is_owner(struct vfio_user_conn *conn);

/**
 * Receive at most once and dispatch what is complete. Owner only.
 *
 * @return
 *   Messages dispatched, -EAGAIN (nothing to receive), -ENOTCONN or -EPROTO:
 *   the caller must close.
 */
int vfio_user_conn_pump(struct vfio_user_conn *conn);

/** Fail the requests whose deadline passed. Any thread. */
void vfio_user_conn_expire(struct vfio_user_conn *conn, uint64_t now);

/** The earliest deadline of a request, and since when nothing left; 0: none. */
void vfio_user_conn_times(struct vfio_user_conn *conn, uint64_t *deadline,
			  uint64_t *stalled_since);

/** A message to send: header fields, then up to two pieces of payload. */
struct vfio_user_out {
	const void *head;
	uint32_t head_len;
	const void *data;
	uint32_t data_len;
	const int *fds;
	uint32_t nb_fds;
	bool more; /* queue only; a flush or another message follows */
};

/**
 * Send a request and register it for its reply.
 *
 * @return
 *   - 0: req->done() will run
 *   - -EAGAIN: too many are pending
 *   - -ENOTCONN, -ENOMEM, -ENOBUFS (the kernel has no room for it, or for its
 *     file descriptors): done() will not run
 */
int vfio_user_conn_request(struct vfio_user_conn *conn, struct vfio_user_req *req,
			   const struct vfio_user_out *out, uint64_t timeout_ns);

/**
 * Send a request without reply (NO_REPLY) to this peer: 0, -ENOTCONN, -ENOMEM,
 * -ENOBUFS.
 */
int vfio_user_conn_post(struct vfio_user_conn *conn, uint16_t command,
			const struct vfio_user_out *out, uint32_t generation);

/**
 * Answer a request: 0, -ENOTCONN, -ENOMEM; with file descriptors also -ENOBUFS:
 * there is no room for them, answer with the error instead.
 */
int vfio_user_conn_reply(struct vfio_user_conn *conn,
			 const struct vfio_user_hdr *request,
			 const struct vfio_user_out *out);

/** Answer a request by a negative errno, header only. */
int vfio_user_conn_reply_error(struct vfio_user_conn *conn,
			       const struct vfio_user_hdr *request, int error,
			       bool more);

/** Send what is queued: 0, -EAGAIN, -ENOTCONN. */
int vfio_user_conn_flush(struct vfio_user_conn *conn);

/** Take nothing from the peer for now, or again. Owner only. */
void vfio_user_conn_pause(struct vfio_user_conn *conn, bool paused);

/** Whether so much is queued that no more work should be done for the peer. */
bool vfio_user_conn_full(struct vfio_user_conn *conn);

/** Whether received messages wait that vfio_user_conn_pump() would dispatch. */
bool vfio_user_conn_has_more(struct vfio_user_conn *conn);

/** Requests of ours that wait for a reply. */
uint32_t vfio_user_conn_pending(const struct vfio_user_conn *conn);

/** Bytes queued. */
uint32_t vfio_user_conn_queued(struct vfio_user_conn *conn);

/**
 * Receives for a waiting thread that is the owner: wait up to timeout_ms for
 * input, then pump. Closing on errors is its business.
 */
typedef void (*vfio_user_wait_cb_t)(struct vfio_user_conn *conn, int timeout_ms,
				    void *arg);

/** Wait until a request is finished; returns its status. */
int vfio_user_conn_wait(struct vfio_user_conn *conn, struct vfio_user_req *req,
			vfio_user_wait_cb_t wait_input, void *arg);

#endif /* VFIO_USER_CONN_H */
