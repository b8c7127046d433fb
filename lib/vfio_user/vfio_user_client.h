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
 * - vfio_user_client_dma.c: DMA mappings
 * - vfio_user_client_serve.c: the server's accesses to them
 * - vfio_user_client_eal.c: memory of the EAL
 * - vfio_user_client_reconnect.c: life of the connection after create
 * - vfio_user_client_shape.c: whether the device is still the same
 * - vfio_user_client_stats.c: counters, telemetry
 *
 * Receiving. The epoll set has the main socket, the twin socket, a timer, and an
 * eventfd by which the SIGBUS handler tells that the server truncated a region.
 * Whoever owns the main connection receives from both; the twin connection is
 * owned by nobody else. A connection that failed is aborted and stays open
 * until destroy, or until its owner closes it to connect anew.
 *
 * Generations. Each server that is connected to has a number, which every
 * request names: one that was meant for an earlier server is never sent to a
 * later one. Whatever a server is told to keep (mappings, interrupts, BARs)
 * remembers which server has it.
 *
 * Locks, outermost first. eal.lock is taken under the EAL's memory lock, so
 * nothing that allocates EAL memory is called with it; it and ops_lock are
 * held while waiting for replies. maps.lock is held across dma_cb. timer_lock,
 * region_lock, irqs.lock, link.lock and those of the connections are
 * innermost.
 */

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include <rte_common.h>
#include <rte_memory.h>

#include "rte_vfio_user_client.h"
#include "vfio_user_codec.h"
#include "vfio_user_conn.h"
#include "vfio_user_file.h"
#include "vfio_user_iova.h"
#include "vfio_user_pace.h"
#include "vfio_user_sigbus.h"
#include "vfio_user_stats.h"
#include "vfio_user_telemetry.h"

/** Regions that may be mapped. */
#define VFIO_USER_CLIENT_MAX_REGIONS 1024u

/** Requests sent ahead of their replies by one call. */
#define VFIO_USER_CLIENT_WINDOW 64u

/** Bytes queued for a server that does not read, beyond which we wait. */
#define VFIO_USER_CLIENT_MAX_QUEUED (4u << 20)

/** In place of a server's generation: none. */
#define VFIO_USER_CLIENT_NOBODY UINT32_MAX

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

/** Where an area is in the files that came with it. */
struct vfio_user_client_source {
	uint64_t fd_offset;
	uint32_t fd_index;
};

/** A description of a region, checked, with its file descriptors. */
struct vfio_user_client_region_info {
	struct vfio_region_info *info;
	struct vfio_user_fds fds;
	uint32_t cap_sparse, cap_fds; /* of vfio_user_check_region_info() */
};

/** A mapped region; never changes nor goes away before destroy. */
struct vfio_user_client_region {
	uint8_t *base;
	size_t len; /* address space reserved */
	int prot;
	bool require_seals;
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

/** A DMA mapping, the cookie of its range. */
struct vfio_user_client_map {
	void *vaddr;
	uint64_t fd_offset;
	uint32_t flags; /* RTE_VFIO_USER_DMA_F_* */
	uint32_t peer; /* server that was asked to map it, atomic */
	struct vfio_user_file *file; /* NULL: none, or never mapped again */
};

/** The DMA mappings. */
struct vfio_user_client_maps {
	/* readers: serving the server; writers: whoever changes the map */
	pthread_rwlock_t lock;
	/* below under the lock */
	struct vfio_user_iova *ranges;
	struct vfio_user_dma_stats stats; /* read by anybody */
	struct vfio_user_files files; /* one fd per file, to map it again */
	uint32_t peer; /* server that has mappings, or NOBODY */
	bool direct; /* new mappings are sent to it by who makes them */
	bool missed; /* a mapping was made that the replay has to look for */
	bool hold; /* the replay waits: unmap_all is going on */

	/* replay, owner of the main connection only */
	uint64_t replay_at; /* address to go on at */
	bool replay_end; /* the last address was passed */
};

/** An interrupt as it was set up. */
struct vfio_user_client_vector {
	int fd[3]; /* trigger, mask, unmask: own duplicates or -1 */
	bool masked;
};

/** Interrupts of an index. */
struct vfio_user_client_vectors {
	uint32_t nb; /* that were ever set */
	struct vfio_user_client_vector *vector;
};

/** What interrupts are set to, recorded to be replayed. */
struct vfio_user_client_irqs {
	pthread_mutex_t lock;
	/* below under the lock */
	uint32_t peer; /* server that is told, or NOBODY */
	bool replaying; /* it is being told what was set before */
	uint32_t nb_indexes;
	struct vfio_user_client_vectors *index;

	/* replay, owner of the main connection only */
	uint32_t replay_index, replay_kind, replay_start;
};

/** A region as the application knows it. */
struct vfio_user_client_shape_region {
	int error; /* the server's answer if negative, the rest is 0 then */
	uint32_t flags;
	uint32_t argsz;
	uint32_t nb_areas;
	uint64_t size;
	struct vfio_user_client_area *areas;
	/* from the server that is being connected to, if it is mapped */
	struct vfio_user_client_region_info *fresh;
};

/** An interrupt index as the application knows it. */
struct vfio_user_client_shape_irq {
	int error;
	uint32_t flags;
	uint32_t count;
};

/** What must not change when a server comes back. */
struct vfio_user_client_shape {
	uint32_t flags;
	uint32_t nb_regions;
	uint32_t nb_irqs;
	struct vfio_user_client_shape_region *regions;
	struct vfio_user_client_shape_irq *irqs;
};

/** Read by anybody; see rte_vfio_user_stats.h. */
struct vfio_user_client_stats {
	/* by the owner of the main connection */
	uint64_t connections, disconnections, violations, queued;
	uint64_t lost_writes;
	uint64_t parked; /* under link.lock */
};

/** State of the connection. */
enum vfio_user_client_state {
	VFIO_USER_CLIENT_UP, /* or lost, which was not noticed */
	VFIO_USER_CLIENT_DOWN, /* waits for the next attempt */
	VFIO_USER_CLIENT_HANDSHAKE, /* an attempt is going on */
	VFIO_USER_CLIENT_GONE,
};

/** A read that waits for the connection. */
struct vfio_user_client_parked {
	STAILQ_ENTRY(vfio_user_client_parked) next;
	uint64_t give_up; /* 0: it was not sent yet */
	bool counted;
	/** Send it (status 0) or fail it; -EAGAIN: keep it, later. */
	int (*resume)(struct vfio_user_client_parked *parked, int status);
};

/** See vfio_user_client_reconnect.c. */
struct vfio_user_client_link {
	/* constant after create */
	bool on; /* the connection is made anew when it is lost */
	char *path;
	uint64_t timeout_ns; /* UINT64_MAX: for ever */
	rte_vfio_user_client_state_cb_t cb;
	struct vfio_user_client_shape shape;

	uint32_t state; /* enum vfio_user_client_state, atomic */
	bool notifying; /* the application is being told of it, atomic */
	bool todo; /* vfio_user_client_drive() has something to do, atomic */

	/* owner of the main connection only */
	uint64_t wake_at; /* drive then, or 0 */
	uint64_t retry_at;
	uint64_t give_up_at;
	uint64_t up_since;
	uint64_t backoff_ns;
	uint32_t step;
	uint32_t cursor; /* in the step */
	bool changed; /* the device has another shape */
	int last_error; /* of an attempt, to log it once */

	pthread_mutex_t lock;
	/* below under the lock */
	uint32_t generation; /* of the server connected to last */
	uint32_t nb_asked; /* requests of the handshake without reply */
	int error; /* the first one that failed */
	uint32_t nb_parked;
	STAILQ_HEAD(, vfio_user_client_parked) parked;
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
	struct vfio_user_conn twin; /* open if the server offers it */
	bool ready; /* negotiated; owner only after create */
	uint64_t hurry; /* all requests must end by then; 0 after create */
	bool lost; /* the connection is gone, atomic */
	uint32_t generation; /* server of the application's requests, atomic */
	uint32_t posted; /* posted writes collected, atomic */
	struct vfio_user_client_stats stats;
	struct vfio_user_telemetry telemetry;
	bool corked; /* asynchronous accesses are collected, atomic */

	pthread_mutex_t timer_lock;
	uint64_t timer_at; /* the timer is armed for, or 0 */

	/* owner of the main connection only */
	struct vfio_user_pace pace;
	struct vfio_user_client_backlog backlog[2]; /* main, twin */
	uint32_t serving; /* nested accesses under maps.lock */

	pthread_rwlock_t ops_lock; /* readers: map, unmap; writer: unmap all */
	struct vfio_user_client_maps maps;

	pthread_mutex_t region_lock; /* writers */
	uint32_t regions_peer; /* server whose files are mapped, or NOBODY */
	struct vfio_user_client_region *regions[VFIO_USER_CLIENT_MAX_REGIONS];

	struct vfio_user_client_irqs irqs;
	struct vfio_user_client_eal eal;
	struct vfio_user_client_link link;
};

/* ---------------------------------------------------- vfio_user_client.c */

/** Put an event source of ours, or why there is none (fd -1, errno), into epfd. */
int vfio_user_client_watch(struct rte_vfio_user_client *client, int fd,
			   enum vfio_user_client_tag tag);

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

/** Send a request to one server; its status is set if that fails. */
void vfio_user_client_start_to(struct rte_vfio_user_client *client,
			       struct vfio_user_client_req *creq,
			       uint32_t generation, uint16_t command,
			       const struct vfio_user_out *out);

/** Send a request; its status is set if that fails. */
void vfio_user_client_start(struct rte_vfio_user_client *client,
			    struct vfio_user_client_req *creq, uint16_t command,
			    const struct vfio_user_out *out);

/** Wait for the reply to a started request: 0 or -errno. */
int vfio_user_client_finish(struct rte_vfio_user_client *client,
			    struct vfio_user_client_req *creq);

/** Start and finish; retried after a reconnection if that was asked for. */
int vfio_user_client_call(struct rte_vfio_user_client *client,
			  struct vfio_user_client_req *creq, uint16_t command,
			  const struct vfio_user_out *out);

/** Make sure that the timer fires at a deadline or before. */
void vfio_user_client_arm(struct rte_vfio_user_client *client, uint64_t deadline);

/** Let the timer fire when it is needed next. Owner. */
void vfio_user_client_rearm(struct rte_vfio_user_client *client);

/**
 * Wait for input and handle it: messages, or -ENOTCONN. The caller owns the
 * main connection.
 */
int vfio_user_client_receive(struct rte_vfio_user_client *client, int timeout_ms);

/** The connection is gone: fail everything outstanding. Any thread. */
void vfio_user_client_lose(struct rte_vfio_user_client *client);

/* ---------------------------------------------- vfio_user_client_stats.c */

/** Count a lost connection: the posted writes that were lost with it. */
uint32_t vfio_user_client_count_loss(struct rte_vfio_user_client *client);

/** Have telemetry show the client; path may be NULL. */
void vfio_user_client_show(struct rte_vfio_user_client *client, const char *path);

/** The connection is there again. */
void vfio_user_client_show_connected(struct rte_vfio_user_client *client);

/* ---------------------------------------------------------- negotiation */

/** The JSON text to offer: its length with the NUL, or -errno. */
int vfio_user_client_offer(const struct rte_vfio_user_client *client, char *text,
			   uint32_t size);

/** Take what the server answered to VERSION; opens the twin socket. */
int vfio_user_client_accept(struct rte_vfio_user_client *client,
			    const struct vfio_user_version *version,
			    const char *text, uint32_t len,
			    struct vfio_user_fds *fds,
			    struct rte_vfio_user_negotiated *neg);

/* -------------------------------------------------------------- regions */

/** GET_REGION_INFO, checked; 0: to be released. */
int vfio_user_client_get_region(struct rte_vfio_user_client *client,
				uint32_t index,
				struct vfio_user_client_region_info *region);

/** Free and close it. */
void vfio_user_client_region_info_release(struct vfio_user_client_region_info *region);

/** Number of mappable areas that a region info describes. */
uint32_t vfio_user_client_count_areas(const struct vfio_user_client_region_info *region);

/** A mappable area; source may be NULL. */
void vfio_user_client_get_area(const struct vfio_user_client_region_info *region,
			       uint32_t i, struct vfio_user_client_area *area,
			       struct vfio_user_client_source *source);

/** Whether a region is mapped. */
bool vfio_user_client_region_is_mapped(const struct rte_vfio_user_client *client,
				       uint32_t index);

/** The server is gone: put anonymous memory in place of its files. */
void vfio_user_client_regions_hide(struct rte_vfio_user_client *client);

/** Put the files of a new server in place again: 0 or -errno. */
int vfio_user_client_region_restore(struct rte_vfio_user_client *client,
		uint32_t index, const struct vfio_user_client_region_info *info);

/** All regions are a new server's; new ones may be mapped. */
void vfio_user_client_regions_restored(struct rte_vfio_user_client *client,
				       uint32_t generation);

/** Unmap all regions. */
void vfio_user_client_regions_fini(struct rte_vfio_user_client *client);

/* ----------------------------------------------------------- interrupts */

int vfio_user_client_irqs_init(struct rte_vfio_user_client *client);
void vfio_user_client_irqs_fini(struct rte_vfio_user_client *client);

/** The server is gone: set-up is recorded only. */
void vfio_user_client_irqs_lost(struct rte_vfio_user_client *client);

/** A step of the handshake, see vfio_user_client_reconnect.c. */
int vfio_user_client_replay_irqs(struct rte_vfio_user_client *client);

/** Signal every trigger eventfd once: interrupts may have been missed. */
void vfio_user_client_irqs_signal(struct rte_vfio_user_client *client);

/* ------------------------------------------------------------------ DMA */

int vfio_user_client_maps_init(struct rte_vfio_user_client *client);
void vfio_user_client_maps_fini(struct rte_vfio_user_client *client);

/**
 * Forget mappings, whoever has them: the number of those that were there. If
 * there were any, the caller parts from the server. Not from dma_cb.
 */
uint32_t vfio_user_client_maps_forget(struct rte_vfio_user_client *client,
				      const struct rte_vfio_user_dma_range *ranges,
				      uint32_t nb_ranges);

/** The server is gone: changes are merged into the table. */
void vfio_user_client_maps_lost(struct rte_vfio_user_client *client);

/** A step of the handshake, see vfio_user_client_reconnect.c. */
int vfio_user_client_replay_maps(struct rte_vfio_user_client *client);

static inline struct vfio_user_client_map *
vfio_user_client_map_of(const struct vfio_user_iova_range *range)
{
	return range->cookie;
}

/** The server that is there and may have a mapping, or NOBODY. maps.lock held. */
static inline uint32_t
vfio_user_client_holder(const struct rte_vfio_user_client *client,
			const struct vfio_user_client_map *map)
{
	uint32_t peer = __atomic_load_n(&map->peer, __ATOMIC_ACQUIRE);

	return peer == client->maps.peer ? peer : VFIO_USER_CLIENT_NOBODY;
}

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

/* --------------------------------------------------------- reconnection */

/** Copy what the configuration says: 0 or -ENOMEM. */
int vfio_user_client_link_init(struct rte_vfio_user_client *client,
			       const struct rte_vfio_user_client_conf *conf);

/** The application has its client: note what must not change. 0 or -errno. */
int vfio_user_client_link_start(struct rte_vfio_user_client *client);

/** It is being destroyed: there will be no other connection. */
void vfio_user_client_link_stop(struct rte_vfio_user_client *client);

void vfio_user_client_link_fini(struct rte_vfio_user_client *client);

static inline uint32_t
vfio_user_client_state(const struct rte_vfio_user_client *client)
{
	return __atomic_load_n(&client->link.state, __ATOMIC_ACQUIRE);
}

/** Whether there is, or may again be, a connection. */
static inline bool
vfio_user_client_is_alive(const struct rte_vfio_user_client *client)
{
	return client->link.on ?
		vfio_user_client_state(client) != VFIO_USER_CLIENT_GONE :
		!__atomic_load_n(&client->lost, __ATOMIC_ACQUIRE);
}

/**
 * Notice that the connection is lost, connect anew, go on with the handshake:
 * what can be done without waiting. Owner; does nothing when nested. Calls
 * the application.
 */
void vfio_user_client_drive(struct rte_vfio_user_client *client);

/** Have whoever polls drive soon. Any thread. */
void vfio_user_client_wake(struct rte_vfio_user_client *client);

/**
 * A request was lost with the connection to a server: 0: send it again, else
 * the error to return. *give_up is 0 at first.
 */
int vfio_user_client_recover(struct rte_vfio_user_client *client, uint32_t lost,
			     uint16_t command, uint64_t *give_up);

/**
 * Keep a read until the connection is back: 0, -EAGAIN (too many),
 * -ENOTCONN (that was not asked for, or it will not come back).
 */
int vfio_user_client_park(struct rte_vfio_user_client *client,
			  struct vfio_user_client_parked *parked);

/**
 * Take an answer to a request of the handshake, in the owner's thread while
 * receiving: 0, or the attempt fails. status is the server's errno.
 */
typedef int (*vfio_user_client_take_t)(struct rte_vfio_user_client *client,
		uint64_t index, int status, struct vfio_user_msg *reply);

/** Send a request of the handshake: 0 or -errno. */
int vfio_user_client_ask(struct rte_vfio_user_client *client, uint16_t command,
			 const struct vfio_user_out *out,
			 vfio_user_client_take_t take, uint64_t index);

/** Requests of the handshake that may be sent now. */
uint32_t vfio_user_client_may_ask(struct rte_vfio_user_client *client);

/** 1: all requests of the handshake are answered; 0: not yet. */
int vfio_user_client_answered(struct rte_vfio_user_client *client);

/** The device is not the same any more: logs, returns what take() returns. */
int vfio_user_client_changed(struct rte_vfio_user_client *client,
			     const char *format, ...)
	__rte_format_printf(2, 3);

/* ---------------------------------------------------------------- shape */

/** Ask the server and note the answers: 0 or -errno. */
int vfio_user_client_shape_record(struct rte_vfio_user_client *client);

void vfio_user_client_shape_fini(struct rte_vfio_user_client *client);

/** Forget what the handshake brought. */
void vfio_user_client_shape_forget(struct rte_vfio_user_client *client);

/** Whether a server offers what was negotiated with the first one. */
int vfio_user_client_check_negotiated(struct rte_vfio_user_client *client,
		const struct rte_vfio_user_negotiated *neg);

/** Steps of the handshake. */
int vfio_user_client_check_device(struct rte_vfio_user_client *client);
int vfio_user_client_check_regions(struct rte_vfio_user_client *client);
int vfio_user_client_check_irqs(struct rte_vfio_user_client *client);

/** Map the regions of the new server: 0 or -errno. */
int vfio_user_client_shape_restore(struct rte_vfio_user_client *client);

#endif /* VFIO_USER_CLIENT_H */
