/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#ifndef PMD_FLOW_H
#define PMD_FLOW_H

/**
 * @file
 * Traffic that flows over all queues of two ports in both directions at a time, each
 * port with a thread of its own: one end of the flows. All that a frame consists of
 * follows from its number, which is in it, too.
 *
 * Each end has a pool of its own: nothing but the rings, by which frames are handed
 * over, orders what the two threads do. What a port does not take is tried again;
 * nothing may be lost.
 */

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "pmd_pair.h"

/** Longest frame, and the number of queues. */
#define FLOW_MAX_LEN 9014u
#define FLOW_MAX_QUEUES 16u
/** Frames of a burst, at most. */
#define FLOW_BURST 64u

/** What is the same for all frames. */
struct flow_conf {
	uint64_t nb; /**< of a queue, in each direction; UINT64_MAX: no end */
	uint32_t max_len; /**< up to FLOW_MAX_LEN */
	uint32_t longer; /**< one of so many frames has more than 128 bytes */
	uint32_t cut; /**< one of so many is cut into segments, though it need not be */
	bool lossy; /**< frames may be missing: a port is stopped meanwhile */
};

/** Of a queue in one direction. */
struct flow {
	uint64_t base; /**< number of the first frame */
	uint64_t nb; /**< frames that were sent or have arrived; atomic */
	/** To send: frames that the port did not take yet. */
	struct rte_mbuf *waiting[FLOW_BURST];
	uint16_t nb_waiting;
};

/** An end: what one thread sends and receives. */
struct flow_end {
	struct pmd_port *port;
	struct rte_mempool *pool;
	const struct flow_conf *conf;
	uint16_t queues;
	uint64_t rand; /**< state of its random numbers */
	struct flow tx[FLOW_MAX_QUEUES], rx[FLOW_MAX_QUEUES];
	/* Of the thread. */
	pthread_t thread;
	bool running;
	bool stop; /**< atomic */
	int result; /**< of flow_run() */
};

/**
 * An end at a port. Of the two ends of a pair, one has the side 0, the other one 1.
 * It uses the port's pool.
 */
void flow_init(struct flow_end *end, struct pmd_port *port, const struct flow_conf *conf,
	       unsigned int side);
/** Free what was not sent. */
void flow_fini(struct flow_end *end);

/** Send and receive once, on each queue: frames, 0 if nothing moves; -EBADMSG: a wrong one. */
int flow_step(struct flow_end *end);
/** Frames that were sent or have arrived; any thread. */
uint64_t flow_sent(struct flow_end *end);
uint64_t flow_received(struct flow_end *end);
/** Step until all has been sent and received, or the end is to stop: 0 or -errno. */
int flow_run(struct flow_end *end);

/** The same in a thread. */
int flow_start(struct flow_end *end);
/** Make it stop, unless it is at its end, and wait for that: its result. */
int flow_stop(struct flow_end *end);
int flow_join(struct flow_end *end);

/** A pool for an end, of buffers with room for so many bytes. */
struct rte_mempool *flow_pool(const char *name, uint32_t nb, uint32_t room);

#endif /* PMD_FLOW_H */
