/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#ifndef REQUEST_H
#define REQUEST_H

#include "device.h"

/* A request of a data queue while the cryptodev has it. */
struct request {
	struct job job; /* the first member */
	struct crypto_queue *queue;
	uint32_t epoch; /* of the queue, when it was taken */
	struct session *session;
	struct rte_virtio_chain chain;
	struct rte_virtio_seg segs[BUFFER_SEGS]; /* those of the chain */
};

/*
 * Look at a buffer of a data queue and make a request of it, for which the
 * backend has room. VIRTIO_CRYPTO_OK and the request, with its data copied; or
 * the status to answer with.
 */
uint8_t request_create(struct crypto_dev *dev, const struct rte_virtio_chain *chain,
		       struct request **request);
void request_free(struct crypto_dev *dev, struct request *request);

/* Write the result of a request that succeeded; the status comes after it. */
void request_answer(struct request *request);

/* Write a status; the number of bytes that count as written. */
uint32_t status_write(const struct rte_virtio_chain *chain, uint8_t status);

/* Carry out a buffer of the control queue; the number of bytes written. */
uint32_t control_request(struct crypto_dev *dev, const struct rte_virtio_chain *chain);

#endif /* REQUEST_H */
