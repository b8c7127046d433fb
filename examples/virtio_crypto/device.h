/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#ifndef DEVICE_H
#define DEVICE_H

#include <stdbool.h>
#include <stdint.h>

#include <rte_vfio_user_server.h>
#include <rte_virtio_dev.h>
#include <rte_virtio_ring.h>

#include "backend.h"
#include "session.h"

/*
 * Linux (6.12) repeats pieces of a scattered buffer: one of n pages becomes n * (n + 1)
 * descriptors, which have to fit the ring.
 */
#define QUEUE_SIZE 1024
#define DATA_QUEUES_MAX 8
/* A buffer has no more pieces, unless it is spread over many DMA mappings. */
#define BUFFER_SEGS (QUEUE_SIZE + 64)

struct crypto_queue {
	struct rte_virtio_queue *queue;
	bool ready; /* the driver may have put buffers into it */
};

struct crypto_stats {
	uint64_t requests; /* taken from the data queues */
	uint64_t errors; /* of them, answered with an error */
	uint64_t dropped; /* of them, done after their queue was reset */
};

struct crypto_dev {
	struct rte_virtio_dev *virtio;
	struct backend backend;
	struct session_table sessions;
	struct crypto_queue queues[DATA_QUEUES_MAX + 1]; /* data queues, then control */
	uint16_t nb_data_queues;
	struct request *held; /* one that the cryptodev had no room for */
	struct crypto_stats stats;
	struct rte_virtio_seg segs[BUFFER_SEGS]; /* of the buffer that is looked at */
};

/*
 * Make a server the device, which owns it from then on; the backend is open. 0
 * or a negative errno.
 */
int crypto_dev_create(struct crypto_dev *dev, struct rte_vfio_user_server *srv);

/* Also of one that was created in part. */
void crypto_dev_destroy(struct crypto_dev *dev);

/*
 * Work that can be done now, to be called after each poll of the server. Whether
 * to come back at once: there is more, or the cryptodev is at work, which no file
 * descriptor tells the end of.
 */
bool crypto_dev_run(struct crypto_dev *dev);

#endif /* DEVICE_H */
