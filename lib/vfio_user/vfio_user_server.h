/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#ifndef VFIO_USER_SERVER_H
#define VFIO_USER_SERVER_H

/**
 * @file
 * The server's state and what its files call of each other:
 *
 * - vfio_user_server.c: set-up, life cycle, the public getters
 * - vfio_user_server_poll.c: events, timers, clients that come and go
 * - vfio_user_server_queue.c: requests that wait, deferred completions, resets
 *   that the device asks for
 * - vfio_user_server_cmd.c: the command handlers
 * - vfio_user_server_dma.c: access to client memory
 * - vfio_user_server_reader.c: readers of the data path
 * - vfio_user_server_stats.c: counters, telemetry
 */

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "rte_vfio_user_server.h"
#include "vfio_user_caps.h"
#include "vfio_user_codec.h"
#include "vfio_user_conn.h"
#include "vfio_user_dma.h"
#include "vfio_user_irq.h"
#include "vfio_user_pace.h"
#include "vfio_user_region.h"
#include "vfio_user_stats.h"
#include "vfio_user_telemetry.h"

#define VFIO_USER_MAX_VISITORS 8

/** Where the client is in its life. */
enum vfio_user_client_state {
	VFIO_USER_NO_CLIENT,
	VFIO_USER_NEGOTIATING, /* connected, no VERSION yet */
	VFIO_USER_RUNNING,
	VFIO_USER_LEAVING, /* gone, its memory is still being released */
};

/** A request of the client that cannot be handled yet. */
struct vfio_user_backlog_entry {
	STAILQ_ENTRY(vfio_user_backlog_entry) next;
	struct vfio_user_msg *msg;
};

/** A reply that waits for a grace period. */
struct vfio_user_held_reply {
	STAILQ_ENTRY(vfio_user_held_reply) next;
	struct vfio_user_hdr request;
	int error; /* negative errno instead of a payload */
	uint32_t len; /* of the payload */
	struct vfio_user_dma_unmap unmap;
};

/** What the parked request waits for. */
enum vfio_user_parked {
	VFIO_USER_NOT_PARKED,
	VFIO_USER_PARKED_QUIESCE, /* quiesce callback pending, then handle it */
	VFIO_USER_PARKED_ACCESS, /* region access pending */
	VFIO_USER_PARKED_MULTI, /* region access of a WRITE_MULTI pending */
	VFIO_USER_PARKED_RESET, /* quiesce of a requested reset pending, no message */
};

/**
 * Hand-over of a deferred completion from any thread to the poller. Who sets
 * armed back to 0 has it: the completing thread, or the poller whose callback
 * did not defer.
 */
struct vfio_user_deferred {
	uint64_t armed; /* atomic: token that may be completed, 0: none */
	/* of the armed token; atomic, the poller may be writing the next one's */
	bool quiesce; /* it is a quiesce, not a region access */
	bool is_read;
	uint32_t count; /* bytes of the access */
	pthread_mutex_t lock; /* what follows */
	uint64_t completed; /* token of the completion below */
	ssize_t result;
	void *data; /* malloc(3) */
};

/** A second client, until its VERSION is complete and is answered EBUSY. */
struct vfio_user_visitor {
	int fd; /* -1: free */
	uint64_t deadline;
	struct vfio_user_rx *rx;
};

struct rte_vfio_user_server {
	struct rte_vfio_user_server_conf conf; /* sock_path: own copy */
	char *sock_path;
	bool started; /* atomic: the description is final */

	/* the device; final once started */
	struct rte_vfio_user_server_ops ops;
	void *ops_priv;
	struct rte_vfio_user_dma_ops dma_ops;
	void *dma_priv;
	struct vfio_user_regions regions;
	struct vfio_user_irqs irqs;
	struct vfio_user_dma dma;

	/* event sources */
	int epfd;
	int listen_fd;
	uint64_t listen_at; /* accept failed: try again then, or 0 */
	int wake_fd;
	int timer_fd;
	uint64_t timer_at; /* armed for, 0: not armed */
	uint64_t grace_ns; /* next pause while readers are waited for */
	uint64_t synced; /* the device knows that syncs up to it are over */
	uint32_t wake; /* atomic: the poller has something to look at */
	uint32_t users; /* atomic: other threads inside DMA functions */
	struct vfio_user_visitor visitors[VFIO_USER_MAX_VISITORS];
	uint32_t nb_visitors;

	/* the client */
	enum vfio_user_client_state state;
	struct rte_vfio_user_negotiated neg;
	uint64_t negotiate_by; /* deadline of VERSION */
	bool closing; /* drop the client once the replies have left */
	bool quiescing; /* it left while a quiesce was pending */
	uint32_t generation; /* atomic: counts clients */
	uint32_t xfer_size; /* atomic: negotiated, for DMA from any thread */

	/* written by the owner of main, read by anybody; see rte_vfio_user_stats.h */
	struct {
		uint64_t connections, disconnections, refused, peer_timeouts;
		uint64_t violations, parked, queued;
	} stats;

	struct vfio_user_telemetry telemetry;

	/* requests in progress; poller only */
	bool polling; /* the owner of main is poll(), not a waiting thread */
	struct vfio_user_pace pace;
	STAILQ_HEAD(, vfio_user_backlog_entry) backlog;
	uint32_t nb_backlog;
	uint64_t backlog_bytes;
	STAILQ_HEAD(, vfio_user_held_reply) held;
	enum vfio_user_parked parked;
	struct vfio_user_msg *parked_msg;
	bool reset_wanted; /* after the present message */
	enum rte_vfio_user_reset reset_reason;
	uint64_t parked_token;
	uint32_t multi_done; /* writes of the parked WRITE_MULTI done */
	uint64_t next_token;
	struct vfio_user_deferred deferred;
	uint8_t *scratch; /* data of a REGION_READ */
	uint32_t scratch_size;

	/* the client's sockets; large, behind what each message touches */
	struct vfio_user_conn main;
	struct vfio_user_conn twin;
};

/** The name of the device for messages. */
static inline const char *
vfio_user_server_name(const struct rte_vfio_user_server *srv)
{
	return srv->sock_path != NULL ? srv->sock_path : "inherited socket";
}

/* --------------------------------------------- vfio_user_server_poll.c */

/** epoll data of the event sources. */
enum vfio_user_server_tag {
	VFIO_USER_TAG_LISTEN,
	VFIO_USER_TAG_WAKE,
	VFIO_USER_TAG_TIMER,
	VFIO_USER_TAG_MAIN,
	VFIO_USER_TAG_TWIN,
	VFIO_USER_TAG_RESAMPLE, /* vfio_user_irqs_resample() knows the upper half */
	VFIO_USER_TAG_VISITOR, /* and the following */
};

/** Serve a connected socket (taken over): 0 or -errno. */
int vfio_user_server_attach(struct rte_vfio_user_server *srv, int fd);

/** Drop the client, if there is one; the caller owns main. */
void vfio_user_server_drop(struct rte_vfio_user_server *srv, const char *why);

/** Close the socket of a second client, if there is one. */
void vfio_user_server_free_visitor(struct rte_vfio_user_server *srv,
				   struct vfio_user_visitor *visitor);

/** Drop the client after the queued replies have left. */
void vfio_user_server_close_soon(struct rte_vfio_user_server *srv);

/** Open the server's end of a twin socket; returns the client's or -errno. */
int vfio_user_server_open_twin(struct rte_vfio_user_server *srv);

/** Requests on the twin socket, which a client must not send. */
void vfio_user_server_on_twin_request(struct vfio_user_conn *conn,
				      struct vfio_user_msg *msg, void *arg);

/* -------------------------------------------- vfio_user_server_stats.c */

/** Have telemetry show the device, now that its description is final. */
void vfio_user_server_show(struct rte_vfio_user_server *srv);

/* -------------------------------------------- vfio_user_server_queue.c */

/** Have poll() look at deferred work; any thread. */
void vfio_user_server_wake(struct rte_vfio_user_server *srv);

/** Arm a token before a callback that may complete later. */
uint64_t vfio_user_server_arm(struct rte_vfio_user_server *srv, bool quiesce,
			      bool is_read, uint32_t count);

/** The callback of the armed token did not defer. */
void vfio_user_server_disarm(struct rte_vfio_user_server *srv);

/** Park the message being handled until the armed token is completed. */
int vfio_user_server_park(struct rte_vfio_user_server *srv,
			  enum vfio_user_parked why, struct vfio_user_msg *msg,
			  uint64_t token);

/** Requests on the main socket, from whichever thread receives. */
void vfio_user_server_on_request(struct vfio_user_conn *conn,
				 struct vfio_user_msg *msg, void *arg);

/** Go on with the parked request if it was completed: requests handled. */
int vfio_user_server_run_deferred(struct rte_vfio_user_server *srv);

/** Carry out the reset that a callback has asked for, if nothing is parked. */
int vfio_user_server_run_reset(struct rte_vfio_user_server *srv);

/** Go on with that reset: its quiesce was completed by result. */
void vfio_user_server_unpark_reset(struct rte_vfio_user_server *srv, ssize_t result);

/** Handle what was queued, as far as nothing is parked: requests handled. */
int vfio_user_server_run_backlog(struct rte_vfio_user_server *srv);

/** Whether so much is queued that nothing more should be received. */
bool vfio_user_server_backlog_full(const struct rte_vfio_user_server *srv);

/** Forget the requests in progress. */
void vfio_user_server_drop_requests(struct rte_vfio_user_server *srv);

/* ---------------------------------------------- vfio_user_server_cmd.c */

/**
 * Handle a request to its end, unless it is parked. Releases the message.
 * Returns false if it must wait for a grace period first (not released).
 */
bool vfio_user_server_handle(struct rte_vfio_user_server *srv,
			     struct vfio_user_msg *msg);

/** Go on with the parked request: its token was completed by result. */
void vfio_user_server_unpark(struct rte_vfio_user_server *srv, ssize_t result,
			     const void *data);

/** Send the replies that waited for a grace period, if it is over. */
void vfio_user_server_release_held(struct rte_vfio_user_server *srv);

#endif /* VFIO_USER_SERVER_H */
