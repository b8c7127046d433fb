/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

/* The device: one queue of buffers, to be filled with random bytes. */

#include <errno.h>
#include <sys/random.h>
#include <time.h>

#include <linux/virtio_ids.h>

#include <rte_common.h>
#include <rte_errno.h>
#include <rte_virtio_ring.h>

#include "device.h"

#define QUEUE_SIZE 64
#define SEGS (QUEUE_SIZE + 16)
#define BURST 32 /* buffers between two polls of the server */
#define BUFFER_MAX 65536u /* bytes of one buffer that are filled */
#define WAITS_PER_SECOND 10 /* while the allowance is used up */
#define NS_PER_S 1000000000ull

static uint64_t
now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * NS_PER_S + ts.tv_nsec;
}

/* The allowance grows with time, up to what one second gives. */
static void
allowance_refill(struct rng *rng)
{
	uint64_t now = now_ns(), elapsed = RTE_MIN(now - rng->refilled, NS_PER_S);
	uint64_t more;

	if (rng->rate == 0) {
		rng->allowance = UINT64_MAX;
		return;
	}
	more = elapsed * rng->rate / NS_PER_S; /* below 2^64: the rate is below 2^32 */
	if (more == 0)
		return; /* keep the time that has passed */
	rng->allowance = RTE_MIN(rng->allowance + more, (uint64_t)rng->rate);
	rng->refilled = now;
}

/*
 * Random bytes into the writable part of a buffer; their number. A device may
 * fill less than the whole. The kernel writes to the guest's memory by itself:
 * memory that is gone is an error here, no signal.
 */
static uint32_t
buffer_fill(const struct rte_virtio_chain *chain, uint64_t limit)
{
	const struct rte_virtio_seg *seg = &chain->segs[chain->nb_read];
	const struct rte_virtio_seg *end = seg + chain->nb_write;
	uint32_t left = RTE_MIN(limit, BUFFER_MAX), filled = 0;
	ssize_t n;

	for (; seg < end && left > 0; seg++) {
		n = getrandom(seg->va, RTE_MIN(seg->len, left), 0);
		if (n <= 0)
			break;
		filled += n;
		left -= n;
		if (n < seg->len)
			break;
	}
	return filled;
}

/* One burst; 1: there may be more buffers, 0: none, or a broken ring. */
static int
burst_run(struct rng *rng, struct rte_virtio_ring *ring)
{
	struct rte_virtio_seg segs[SEGS];
	struct rte_virtio_chain chain;
	uint32_t filled;
	int i, ret;

	for (i = 0; i < BURST && rng->allowance > 0; i++) {
		ret = rte_virtio_ring_pop(ring, &chain, segs, SEGS);
		if (ret == -ENOSPC)
			rte_virtio_ring_break(ring, -E2BIG);
		if (ret < 0)
			return 0;
		if (ret == 0)
			return rte_virtio_ring_notify_enable(ring);
		filled = buffer_fill(&chain, rng->allowance);
		rte_virtio_ring_push(ring, chain.id, chain.slots, filled);
		if (rng->rate != 0)
			rng->allowance -= filled;
		rng->bytes += filled;
		rng->buffers++;
	}
	return 1;
}

int
rng_run(struct rng *rng)
{
	struct rte_virtio_ring *ring;

	if (!rng->ready)
		return -1;
	allowance_refill(rng);
	ring = rte_virtio_queue_begin(rng->queue);
	if (ring == NULL) {
		rng->ready = false;
		return -1;
	}
	rte_virtio_ring_notify_disable(ring);
	rng->ready = burst_run(rng, ring) == 1;
	rte_virtio_ring_publish(ring);
	rte_virtio_queue_interrupt(rng->queue);
	rte_virtio_queue_end(rng->queue);
	if (!rng->ready)
		return -1;
	return rng->allowance > 0 ? 0 : 1000 / WAITS_PER_SECOND;
}

static void
queue_state(struct rte_virtio_dev *virtio, uint16_t queue, bool live, void *priv)
{
	struct rng *rng = priv;

	RTE_SET_USED(virtio);
	RTE_SET_USED(queue);
	rng->ready = live;
}

static void
notify(struct rte_virtio_dev *virtio, uint16_t queue, void *priv)
{
	struct rng *rng = priv;

	RTE_SET_USED(virtio);
	RTE_SET_USED(queue);
	rng->ready = true;
}

int
rng_create(struct rng *rng, struct rte_vfio_user_server *srv)
{
	const struct rte_virtio_dev_ops ops = {
		.queue_state = queue_state,
		.notify = notify,
	};
	struct rte_virtio_dev_conf conf;

	rte_virtio_dev_conf_init(&conf);
	conf.srv = srv;
	conf.device_type = VIRTIO_ID_RNG;
	conf.queue_size = QUEUE_SIZE;
	conf.priv = rng;
	rng->virtio = rte_virtio_dev_create(&conf, &ops);
	if (rng->virtio == NULL)
		return -rte_errno;
	rng->queue = rte_virtio_dev_queue(rng->virtio, 0);
	rng->refilled = now_ns();
	return 0;
}
