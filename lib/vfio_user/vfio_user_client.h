/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#ifndef VFIO_USER_CLIENT_H
#define VFIO_USER_CLIENT_H

/**
 * @file
 * The client's state and what its files call of each other:
 *
 * - vfio_user_client.c: negotiation, life cycle
 * - vfio_user_client_io.c: receiving, requests and who waits for them
 * - vfio_user_client_cmd.c: information and reset, a wrapper per command
 * - vfio_user_client_irq.c: interrupts
 * - vfio_user_client_region.c: region accesses by messages
 * - vfio_user_client_mmap.c: mapped regions
 * - vfio_user_client_dma.c: DMA mappings and the server's accesses to them
 * - vfio_user_client_eal.c: memory of the EAL
 *
 * Receiving. The epoll set has the main socket, the twin socket, a timer, and an
 * eventfd by which the SIGBUS handler tells that the server truncated a region.
 * Whoever owns the main connection receives from both; the twin connection is
 * owned by nobody else. A connection that failed is aborted and stays open
 * until destroy, so that no thread meets a file descriptor used anew.
 *
 * Locks, outermost first. eal.lock is taken under the EAL's memory lock, so
 * nothing that allocates EAL memory is called with it; it and ops_lock are
 * held while waiting for replies. map_lock is held across dma_cb. timer_lock,
 * region_lock and those of the connections are innermost.
 */

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include <rte_memory.h>

#include "rte_vfio_user_client.h"
#include "vfio_user_codec.h"
#include "vfio_user_conn.h"
#include "vfio_user_iova.h"
#include "vfio_user_sigbus.h"

/** Regions that may be mapped. */
#define VFIO_USER_CLIENT_MAX_REGIONS 1024u

/** Requests sent ahead of their replies by one call. */
#define VFIO_USER_CLIENT_WINDOW 64u

/** Bytes queued for a server that does not read, beyond which we wait. */
#define VFIO_USER_CLIENT_MAX_QUEUED (4u << 20)

/** epoll data of the event sources. */
enum vfio_user_client_tag {
	VFIO_USER_CLIENT_TAG_MAIN,
	VFIO_USER_CLIENT_TAG_TWIN,
	VFIO_USER_CLIENT_TAG_TIMER,
	VFIO_USER_CLIENT_TAG_SIGBUS,
	VFIO_USER_CLIENT_NB_TAGS
};

/** A request of the server that waits until earlier replies have left. */
struct vfio_user_client_deferred {
	STAILQ_ENTRY(vfio_user_client_deferred) next;
	struct vfio_user_msg *msg;
};

/** Requests of the server on one socket, owner only. */
struct vfio_user_client_backlog {
	STAILQ_HEAD(, vfio_user_client_deferred) list;
	uint32_t nb;
	uint64_t bytes;
};

/** A mappable piece of a region. */
struct vfio_user_client_area {
	uint64_t offset; /* in the region */
	uint64_t size;
	struct vfio_user_sigbus_slot *slot;
};

/** A mapped region; never changes nor goes away before destroy. */
struct vfio_user_client_region {
	uint8_t *base;
	size_t len; /* address space reserved */
	int prot;
	uint32_t nb_areas;
	struct vfio_user_client_area areas[];
};

/** A piece of EAL memory with a file. */
struct vfio_user_client_eal_run {
	TAILQ_ENTRY(vfio_user_client_eal_run) next;
	uintptr_t addr;
	size_t len;
	int fd;
	uint64_t fd_offset;
};

TAILQ_HEAD(vfio_user_client_eal_runs, vfio_user_client_eal_run);

/**
 * Look up the EAL segment at an address.
 *
 * @return
 *   0; -ENOENT: no segment there; -ENOTSUP: it has no file. On -ENOTSUP addr
 *   and len are set.
 */
typedef int (*vfio_user_client_eal_lookup_t)(const void *addr,
		struct vfio_user_client_eal_run *seg);

/** State of eal_map. */
struct vfio_user_client_eal {
	pthread_mutex_t lock; /* runs */
	bool mapped;
	bool events; /* the callback is registered */
	vfio_user_client_eal_lookup_t lookup; /* a test may replace it */
	struct vfio_user_client_eal_runs runs; /* as the server knows them */
};

struct rte_vfio_user_client {
	/* constant after create */
	int epfd;
	int timerfd;
	struct vfio_user_sigbus_owner sigbus; /* of mapped regions */
	uint32_t flags;
	uint32_t max_msg_fds;
	uint32_t max_data_xfer_size;
	uint32_t max_dma_maps;
	uint64_t timeout_ns;
	uint64_t busy_poll_ns;
	rte_vfio_user_client_dma_cb_t dma_cb;
	void *priv;
	struct rte_vfio_user_negotiated neg;

	struct vfio_user_conn main;
	struct vfio_user_conn twin; /* open if neg.twin_socket */
	bool ready; /* negotiated */
	bool lost; /* the connection is gone, atomic */
	uint32_t posted; /* posted writes collected, atomic */
	bool corked; /* asynchronous accesses are collected, atomic */

	pthread_mutex_t timer_lock;
	uint64_t timer_at; /* the timer is armed for, or 0 */

	/* owner of the main connection only */
	uint32_t idle_polls; /* since something was found to do */
	uint32_t busy_polls; /* since all event sources were looked at */
	struct vfio_user_client_backlog backlog[2]; /* main, twin */
	uint32_t serving; /* nested accesses under map_lock */

	pthread_rwlock_t ops_lock; /* readers: map, unmap; writer: unmap all */
	/* readers: serving the server; writers: whoever changes the map */
	pthread_rwlock_t map_lock;
	struct vfio_user_iova *maps; /* cookie: local address */

	pthread_mutex_t region_lock; /* writers */
	struct vfio_user_client_region *regions[VFIO_USER_CLIENT_MAX_REGIONS];

	struct vfio_user_client_eal eal;
};

/* ------------------------------------------------- vfio_user_client_io.c */

/** Requests of the server, from whichever thread receives. */
void vfio_user_client_on_request(struct vfio_user_conn *conn,
				 struct vfio_user_msg *msg, void *arg);

/** Forget the server's requests that wait. */
void vfio_user_client_drop_backlogs(struct rte_vfio_user_client *client);

/**
 * A synchronous request and where its reply goes: the first head_len bytes to
 * head, the rest to data.
 */
struct vfio_user_client_req {
	struct vfio_user_req req;
	void *head;
	uint32_t head_len; /* a shorter reply is malformed */
	void *data; /* NULL: the rest does not matter */
	uint32_t data_cap; /* a longer reply is malformed */
	uint32_t data_len; /* set: bytes stored to data */
	struct vfio_user_fds *fds; /* takes the fds, NULL: they are closed */
	bool refused; /* set: the error is the server's */
};

/** Send a request; its status is set if that fails. */
void vfio_user_client_start(struct rte_vfio_user_client *client,
			    struct vfio_user_client_req *creq, uint16_t command,
			    const struct vfio_user_out *out);

/** Wait for the reply to a started request: 0 or -errno. */
int vfio_user_client_finish(struct rte_vfio_user_client *client,
			    struct vfio_user_client_req *creq);

/** Start and finish. */
int vfio_user_client_call(struct rte_vfio_user_client *client,
			  struct vfio_user_client_req *creq, uint16_t command,
			  const struct vfio_user_out *out);

/** Make sure that the timer fires at a deadline or before. */
void vfio_user_client_arm(struct rte_vfio_user_client *client, uint64_t deadline);

/** The connection is gone: fail everything outstanding. Any thread. */
void vfio_user_client_lose(struct rte_vfio_user_client *client);

/* -------------------------------------------------------------- regions */

/**
 * GET_REGION_INFO, checked. info is to be freed, fds to be closed by the
 * caller (both empty on error). cap_sparse, cap_fds: as
 * vfio_user_check_region_info().
 */
int vfio_user_client_get_region(struct rte_vfio_user_client *client,
				uint32_t index, struct vfio_region_info **info,
				struct vfio_user_fds *fds, uint32_t *cap_sparse,
				uint32_t *cap_fds);

/** Unmap all regions. */
void vfio_user_client_regions_fini(struct rte_vfio_user_client *client);

/* ------------------------------------------------------------------ DMA */

/** Handle a request of the server; the caller releases the message. */
void vfio_user_client_serve(struct rte_vfio_user_client *client,
			    struct vfio_user_conn *conn,
			    struct vfio_user_msg *msg);

/* ------------------------------------------------------------------ EAL */

void vfio_user_client_eal_init(struct rte_vfio_user_client *client);

/** Forget the EAL's memory without telling the server. */
void vfio_user_client_eal_fini(struct rte_vfio_user_client *client);

/** Memory was added, or is about to go. */
void vfio_user_client_eal_event(struct rte_vfio_user_client *client,
				enum rte_mem_event event, const void *addr,
				size_t len);

#endif /* VFIO_USER_CLIENT_H */
