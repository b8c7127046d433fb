/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#ifndef PMD_PAIR_H
#define PMD_PAIR_H

/**
 * @file
 * A port of each of the two drivers, connected: what one sends the other receives;
 * and frames that are sent by one port and received by another one, or by itself
 */

#include "pmd_frame.h"
#include "pmd_port.h"

struct pmd_pair {
	unsigned int number; /**< distinguishes pairs; set between init and start */
	struct pmd_port device; /**< net_vfio_user */
	struct pmd_port driver; /**< net_virtio_vfio_user */
	/** What each receives into, if not into the common pool; set before start. */
	struct rte_mempool *device_pool, *driver_pool;
};

/** Frames that are sent. */
struct pmd_traffic {
	uint64_t first; /**< number of the first one */
	uint32_t max_len;
	uint32_t seg_max; /**< of a segment */
};

/** For the setup of a case: nothing is there, and nothing is set. */
void pair_init(struct pmd_pair *pair);
/** Probe and start both with their arguments, and wait for their links. */
int pair_start(struct pmd_pair *pair, const char *device, const char *driver, uint16_t queues,
	       const struct rte_eth_conf *conf);
int pair_wait_links(const struct pmd_pair *pair, bool up);
void pair_remove(struct pmd_pair *pair);

/**
 * Send nb frames from a queue of one port to a queue of another one, in this
 * thread, and check what arrives: all of them, in order. 0 or a negative errno.
 */
int pmd_transfer(const struct pmd_port *from, const struct pmd_port *to, uint16_t queue,
		 const struct pmd_traffic *traffic, uint32_t nb);
/** Send up to nb frames, which nobody waits for. */
void pmd_send(const struct pmd_port *from, uint16_t queue, const struct pmd_traffic *traffic,
	      uint32_t nb);
/**
 * Receive and free all that was sent by a queue until now: 0 or a negative errno. What
 * the port does not take is tried again.
 */
int pmd_flush(const struct pmd_port *from, const struct pmd_port *to, uint16_t queue);
/** Receive and free what there is, of all queues: how many. */
uint32_t pmd_drain(const struct pmd_port *port);

/** Milliseconds of a monotonic clock. */
uint64_t pmd_now_ms(void);

#endif /* PMD_PAIR_H */
