/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

/*
 * The virtio device: configuration, and the way of a buffer from its queue to
 * the cryptodev and back. All of it runs in the thread that polls the server.
 *
 * The cryptodev works between two sections of the queue. So data is copied into
 * memory of ours, and the result is copied to addresses that were translated
 * again; if the queue was reset meanwhile, the result is dropped.
 */

#include <errno.h>
#include <string.h>

#include <linux/virtio_config.h>
#include <linux/virtio_crypto.h>
#include <linux/virtio_ids.h>

#include <rte_errno.h>

#include "config.h"
#include "request.h"

#define CLASS_CRYPTO 0x108000 /* PCI class: encryption controller, other */
#define BURST 32

static struct crypto_queue *
control_queue(struct crypto_dev *dev)
{
	return &dev->queues[dev->nb_data_queues];
}

/* ---------------------------------------------------------------- requests */

/* Give a request to the cryptodev, or keep it until that has room. */
static uint8_t
submit(struct crypto_dev *dev, struct request *request)
{
	int ret = backend_enqueue(&dev->backend, &request->job);

	if (ret == 0)
		return VIRTIO_CRYPTO_OK;
	if (ret == -EAGAIN && dev->backend.in_flight > 0) {
		dev->held = request;
		return VIRTIO_CRYPTO_OK;
	}
	request_free(dev, request);
	return VIRTIO_CRYPTO_ERR;
}

/* One buffer that was taken from a ring: on its way, or answered. */
static void
data_buffer(struct crypto_dev *dev, struct crypto_queue *queue, struct rte_virtio_ring *ring,
	    const struct rte_virtio_chain *chain)
{
	struct request *request;
	uint8_t status;

	dev->stats.requests++;
	status = request_create(dev, chain, &request);
	if (status == VIRTIO_CRYPTO_OK) {
		request->queue = queue;
		request->epoch = rte_virtio_queue_epoch(queue->queue);
		status = submit(dev, request);
	}
	if (status == VIRTIO_CRYPTO_OK)
		return;
	dev->stats.errors++;
	rte_virtio_ring_push(ring, chain->id, chain->slots, status_write(chain, status));
}

/* Answer a request that the cryptodev is done with; its queue is as it was. */
static void
request_end(struct crypto_dev *dev, struct rte_virtio_ring *ring, struct request *request)
{
	const struct rte_virtio_chain *chain = &request->chain;
	uint8_t status = VIRTIO_CRYPTO_OK;

	if (rte_virtio_chain_translate(ring, &request->chain) < 0)
		return; /* the ring is broken now */
	if (request->job.failed)
		status = VIRTIO_CRYPTO_ERR;
	else
		request_answer(request);
	dev->stats.errors += status != VIRTIO_CRYPTO_OK;
	rte_virtio_ring_push(ring, chain->id, chain->slots, status_write(chain, status));
}

/*
 * The result of a request has no way to the driver, as there is no ring. If its queue
 * was not reset, the client took the memory of the ring away: the driver is told.
 */
static void
request_lost(struct crypto_dev *dev, const struct request *request)
{
	const struct rte_virtio_queue *queue = request->queue->queue;
	struct rte_virtio_queue_info info;

	rte_virtio_queue_info_get(queue, &info);
	/* neither changes meanwhile: queues start and stop in this thread */
	if (info.live && request->epoch == rte_virtio_queue_epoch(queue))
		rte_virtio_dev_needs_reset(dev->virtio);
	dev->stats.dropped++;
}

/* Requests of one queue that are done: those of this epoch are answered. */
static void
requests_end(struct crypto_dev *dev, struct request **requests, uint16_t nb)
{
	struct rte_virtio_queue *queue = requests[0]->queue->queue;
	struct rte_virtio_ring *ring = rte_virtio_queue_begin(queue);
	uint16_t i;

	for (i = 0; i < nb; i++) {
		if (ring == NULL)
			request_lost(dev, requests[i]);
		else if (requests[i]->epoch == rte_virtio_queue_epoch(queue))
			request_end(dev, ring, requests[i]);
		else
			dev->stats.dropped++;
		request_free(dev, requests[i]);
	}
	if (ring != NULL) {
		rte_virtio_ring_publish(ring);
		rte_virtio_queue_interrupt(queue);
		rte_virtio_queue_end(queue);
	}
}

static void
completions_run(struct crypto_dev *dev)
{
	struct request *requests[BURST];
	struct job *jobs[BURST];
	uint16_t nb, i, first;

	nb = backend_dequeue(&dev->backend, jobs, BURST);
	for (i = 0; i < nb; i++)
		requests[i] = (struct request *)jobs[i];
	for (first = 0; first < nb; first = i) {
		for (i = first + 1; i < nb && requests[i]->queue == requests[first]->queue; i++)
			;
		requests_end(dev, &requests[first], i - first);
	}
}

/* A request that waits for the cryptodev goes before what is in the rings. */
static void
held_run(struct crypto_dev *dev)
{
	struct request *request = dev->held;
	int ret;

	if (request == NULL)
		return;
	ret = backend_enqueue(&dev->backend, &request->job);
	if (ret == -EAGAIN && dev->backend.in_flight > 0)
		return;
	dev->held = NULL;
	if (ret == 0)
		return;
	request->job.failed = true;
	requests_end(dev, &request, 1);
}

/* ------------------------------------------------------------------ queues */

static bool
has_room(struct crypto_dev *dev, const struct crypto_queue *queue)
{
	return queue == control_queue(dev) ||
	       (dev->held == NULL && backend_has_room(&dev->backend));
}

static void
buffer_run(struct crypto_dev *dev, struct crypto_queue *queue, struct rte_virtio_ring *ring,
	   const struct rte_virtio_chain *chain)
{
	if (queue == control_queue(dev))
		rte_virtio_ring_push(ring, chain->id, chain->slots, control_request(dev, chain));
	else
		data_buffer(dev, queue, ring, chain);
}

/* Take a burst of buffers from a queue. */
static void
queue_run(struct crypto_dev *dev, struct crypto_queue *queue)
{
	struct rte_virtio_ring *ring = rte_virtio_queue_begin(queue->queue);
	struct rte_virtio_chain chain;
	int i, ret = 1;

	queue->ready = ring != NULL;
	if (ring == NULL)
		return;
	rte_virtio_ring_notify_disable(ring);
	for (i = 0; i < BURST && has_room(dev, queue); i++) {
		ret = rte_virtio_ring_pop(ring, &chain, dev->segs, BUFFER_SEGS);
		if (ret <= 0)
			break;
		buffer_run(dev, queue, ring, &chain);
	}
	if (ret == -ENOSPC)
		rte_virtio_ring_break(ring, -E2BIG);
	if (ret <= 0)
		queue->ready = ret == 0 && rte_virtio_ring_notify_enable(ring);
	rte_virtio_ring_publish(ring);
	rte_virtio_queue_interrupt(queue->queue);
	rte_virtio_queue_end(queue->queue);
}

bool
crypto_dev_run(struct crypto_dev *dev)
{
	bool ready = false;
	int i;

	held_run(dev);
	/* Sessions first: requests that wait may need them. */
	for (i = dev->nb_data_queues; i >= 0; i--) {
		if (dev->queues[i].ready)
			queue_run(dev, &dev->queues[i]);
		ready |= dev->queues[i].ready;
	}
	completions_run(dev);
	return ready || dev->held != NULL || dev->backend.in_flight > 0;
}

/* --------------------------------------------------------------- callbacks */

static void
queue_state(struct rte_virtio_dev *virtio, uint16_t queue, bool live, void *priv)
{
	struct crypto_dev *dev = priv;

	RTE_SET_USED(virtio);
	dev->queues[queue].ready = live;
}

static void
notify(struct rte_virtio_dev *virtio, uint16_t queue, void *priv)
{
	struct crypto_dev *dev = priv;

	RTE_SET_USED(virtio);
	dev->queues[queue].ready = true;
}

/* What is in flight is dropped when it is done, because its queue has stopped. */
static void
reset(struct rte_virtio_dev *virtio, void *priv)
{
	struct crypto_dev *dev = priv;

	RTE_SET_USED(virtio);
	session_destroy_all(&dev->sessions);
}

/* ------------------------------------------------------------------- set-up */

int
crypto_dev_create(struct crypto_dev *dev, struct rte_vfio_user_server *srv)
{
	const struct rte_virtio_dev_ops ops = {
		.queue_state = queue_state,
		.notify = notify,
		.reset = reset,
	};
	struct virtio_crypto_config config;
	struct rte_virtio_dev_conf conf;
	uint16_t i;

	rte_virtio_dev_conf_init(&conf);
	conf.srv = srv;
	conf.device_type = VIRTIO_ID_CRYPTO;
	conf.class_code = CLASS_CRYPTO;
	conf.nb_queues = dev->nb_data_queues + 1;
	conf.queue_size = QUEUE_SIZE;
	conf.config_size = sizeof(struct virtio_crypto_config);
	/* What is wrong is answered at once, before what the cryptodev still has. */
	conf.features_off = RTE_BIT64(VIRTIO_F_IN_ORDER);
	conf.priv = dev;
	dev->sessions.backend = &dev->backend;
	dev->virtio = rte_virtio_dev_create(&conf, &ops);
	if (dev->virtio == NULL)
		return -rte_errno;
	for (i = 0; i < conf.nb_queues; i++)
		dev->queues[i].queue = rte_virtio_dev_queue(dev->virtio, i);
	crypto_config(&dev->backend, dev->nb_data_queues, &config);
	return rte_virtio_dev_config_set(dev->virtio, 0, &config, sizeof(config));
}

/* What the cryptodev has is waited for: the memory of it goes next. */
void
crypto_dev_destroy(struct crypto_dev *dev)
{
	while (dev->held != NULL || dev->backend.in_flight > 0) {
		held_run(dev);
		completions_run(dev);
	}
	rte_virtio_dev_destroy(dev->virtio);
	session_destroy_all(&dev->sessions);
}
