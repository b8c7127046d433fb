/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#ifndef BACKEND_H
#define BACKEND_H

#include <stdbool.h>
#include <stdint.h>

#include <rte_cryptodev.h>
#include <rte_mempool.h>

#include "algo.h"

#define BACKEND_JOBS 256 /* at a time */
#define BACKEND_SESSIONS 1024
#define BACKEND_BURST 32

/*
 * One operation of the cryptodev; it lies in the private area of a crypto
 * operation, as the IV must.
 */
struct job {
	uint8_t iv[ALGO_IV_MAX]; /* the first member: see JOB_IV_OFFSET */
	uint8_t digest[ALGO_DIGEST_MAX];
	const struct algo *algo;
	struct rte_cryptodev_sym_session *session;
	uint32_t data_len;
	bool failed; /* when it came back */
};

/* A cryptodev with one queue pair, for one thread. */
struct backend {
	uint8_t dev;
	bool started;
	uint32_t in_flight; /* jobs that the cryptodev has */
	uint32_t max_data; /* bytes of one job */
	struct rte_mempool *ops, *data, *sessions;
};

/*
 * Open the cryptodev of this name, or with NULL the first one. job_size: of the
 * caller's structure whose first member is the job. 0 or a negative errno; close
 * it in any case.
 */
int backend_open(struct backend *backend, const char *name, uint16_t job_size);
void backend_close(struct backend *backend);

/*
 * A session of the cryptodev, which keeps the key. 0, -EINVAL: not with these
 * lengths, or -ENOMEM.
 */
int backend_session_create(struct backend *backend, const struct algo_params *params,
			   struct rte_cryptodev_sym_session **session);
void backend_session_free(struct backend *backend, struct rte_cryptodev_sym_session *session);

/* Whether backend_job_get() will succeed, whatever the length. */
bool backend_has_room(const struct backend *backend);

/* A job with room for data_len bytes, at most max_data; NULL: there is no room. */
struct job *backend_job_get(struct backend *backend, uint32_t data_len);
void backend_job_put(struct job *job);

/*
 * Walk the job's data: the piece that begins at an offset (0, or where the
 * former piece ended); *len is set to its length.
 */
void *backend_job_data(struct job *job, uint32_t offset, uint32_t *len);

/* Hand a job in. 0, -EAGAIN: the cryptodev takes none now, or -EIO: it refused it. */
int backend_enqueue(struct backend *backend, struct job *job);

/* Jobs that are done, in the order they were handed in. */
uint16_t backend_dequeue(struct backend *backend, struct job **jobs, uint16_t nb);

/* Buffers of any kind that are in use: 0 when nothing goes on. */
uint32_t backend_in_use(const struct backend *backend);

#endif /* BACKEND_H */
