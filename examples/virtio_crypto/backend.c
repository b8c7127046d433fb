/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

/* The cryptodev behind the device: sessions, jobs and the memory of them. */

#include <errno.h>
#include <string.h>

#include <linux/virtio_crypto.h>

#include <rte_crypto.h>
#include <rte_errno.h>
#include <rte_mbuf.h>

#include "backend.h"

#define QP 0
#define SEGMENT 32768u /* bytes of data in one mbuf; a multiple of each block length */
#define SEGMENTS 512
#define MAX_DATA (3 * SEGMENT) /* Linux' buffers of so much fit a ring, see QUEUE_SIZE */

/* Where a job is in its crypto operation, and the IV in the job. */
#define JOB_OFFSET (sizeof(struct rte_crypto_op) + sizeof(struct rte_crypto_sym_op))
#define JOB_IV_OFFSET (JOB_OFFSET + offsetof(struct job, iv))
#define JOB_DIGEST_OFFSET (JOB_OFFSET + offsetof(struct job, digest))

static struct rte_crypto_op *
job_op(struct job *job)
{
	return RTE_PTR_SUB(job, JOB_OFFSET);
}

static struct job *
op_job(struct rte_crypto_op *op)
{
	return RTE_PTR_ADD(op, JOB_OFFSET);
}

static int
pools_create(struct backend *backend, uint16_t job_size)
{
	int socket = rte_cryptodev_socket_id(backend->dev);

	backend->ops = rte_crypto_op_pool_create("crypto_jobs", RTE_CRYPTO_OP_TYPE_SYMMETRIC,
						 BACKEND_JOBS, 0, job_size, socket);
	if (backend->ops == NULL)
		return -rte_errno;
	backend->data = rte_pktmbuf_pool_create("crypto_data", SEGMENTS, 0, 0,
						RTE_PKTMBUF_HEADROOM + SEGMENT, socket);
	if (backend->data == NULL)
		return -rte_errno;
	backend->sessions = rte_cryptodev_sym_session_pool_create("crypto_sessions",
			BACKEND_SESSIONS,
			rte_cryptodev_sym_get_private_session_size(backend->dev), 0, 0, socket);
	return backend->sessions == NULL ? -ENOMEM : 0;
}

static int
dev_start(struct backend *backend)
{
	struct rte_cryptodev_config conf = {
		.socket_id = rte_cryptodev_socket_id(backend->dev),
		.nb_queue_pairs = 1,
		.ff_disable = RTE_CRYPTODEV_FF_ASYMMETRIC_CRYPTO | RTE_CRYPTODEV_FF_SECURITY,
	};
	struct rte_cryptodev_qp_conf qp_conf = {
		.nb_descriptors = 2 * BACKEND_JOBS, /* a power of 2 above the jobs */
		.mp_session = backend->sessions,
	};
	int ret;

	ret = rte_cryptodev_configure(backend->dev, &conf);
	if (ret < 0)
		return ret;
	ret = rte_cryptodev_queue_pair_setup(backend->dev, QP, &qp_conf, conf.socket_id);
	if (ret < 0)
		return ret;
	ret = rte_cryptodev_start(backend->dev);
	backend->started = ret == 0;
	return ret;
}

int
backend_open(struct backend *backend, const char *name, uint16_t job_size)
{
	struct rte_cryptodev_info info;
	int ret;

	memset(backend, 0, sizeof(*backend));
	ret = name != NULL ? rte_cryptodev_get_dev_id(name) : 0;
	if (ret < 0 || rte_cryptodev_count() == 0)
		return -ENODEV;
	backend->dev = ret;
	rte_cryptodev_info_get(backend->dev, &info);
	if ((info.feature_flags & RTE_CRYPTODEV_FF_SYMMETRIC_CRYPTO) == 0)
		return -ENOTSUP;
	backend->max_data = info.feature_flags & RTE_CRYPTODEV_FF_IN_PLACE_SGL ?
			    MAX_DATA : SEGMENT;
	ret = pools_create(backend, job_size);
	return ret < 0 ? ret : dev_start(backend);
}

void
backend_close(struct backend *backend)
{
	if (backend->started) {
		rte_cryptodev_stop(backend->dev);
		rte_cryptodev_close(backend->dev);
	}
	rte_mempool_free(backend->sessions);
	rte_mempool_free(backend->data);
	rte_mempool_free(backend->ops);
}

int
backend_session_create(struct backend *backend, const struct algo_params *params,
		       struct rte_cryptodev_sym_session **session)
{
	struct rte_crypto_sym_xform xform;

	if (!algo_params_good(backend->dev, params))
		return -EINVAL;
	algo_xform(params, JOB_IV_OFFSET, &xform);
	*session = rte_cryptodev_sym_session_create(backend->dev, &xform, backend->sessions);
	return *session == NULL ? -ENOMEM : 0;
}

void
backend_session_free(struct backend *backend, struct rte_cryptodev_sym_session *session)
{
	rte_cryptodev_sym_session_free(backend->dev, session);
}

/* A chain of mbufs; one at least, because an operation has a source. */
static struct rte_mbuf *
data_alloc(struct backend *backend, uint32_t len)
{
	struct rte_mbuf *mbufs[MAX_DATA / SEGMENT];
	uint32_t nb = RTE_MAX((len + SEGMENT - 1) / SEGMENT, 1u), i;

	if (nb > RTE_DIM(mbufs) || rte_pktmbuf_alloc_bulk(backend->data, mbufs, nb) < 0)
		return NULL;
	for (i = 0; i < nb; i++) {
		mbufs[i]->data_len = RTE_MIN(len - i * SEGMENT, SEGMENT);
		mbufs[i]->next = i + 1 < nb ? mbufs[i + 1] : NULL;
	}
	mbufs[0]->nb_segs = nb;
	mbufs[0]->pkt_len = len;
	return mbufs[0];
}

bool
backend_has_room(const struct backend *backend)
{
	return rte_mempool_avail_count(backend->ops) > 0 &&
	       rte_mempool_avail_count(backend->data) >= MAX_DATA / SEGMENT;
}

struct job *
backend_job_get(struct backend *backend, uint32_t data_len)
{
	struct rte_crypto_op *op = rte_crypto_op_alloc(backend->ops, RTE_CRYPTO_OP_TYPE_SYMMETRIC);
	struct job *job;

	if (op == NULL)
		return NULL;
	op->sym->m_src = data_alloc(backend, data_len);
	if (op->sym->m_src == NULL) {
		rte_crypto_op_free(op);
		return NULL;
	}
	job = op_job(op);
	memset(job, 0, sizeof(*job));
	job->data_len = data_len;
	return job;
}

void
backend_job_put(struct job *job)
{
	rte_pktmbuf_free(job_op(job)->sym->m_src);
	rte_crypto_op_free(job_op(job));
}

void *
backend_job_data(struct job *job, uint32_t offset, uint32_t *len)
{
	struct rte_mbuf *m = job_op(job)->sym->m_src;

	for (; m->next != NULL && offset >= m->data_len; m = m->next)
		offset -= m->data_len;
	*len = m->data_len - offset;
	return rte_pktmbuf_mtod_offset(m, void *, offset);
}

/* Fill in what the cryptodev looks at. */
static struct rte_crypto_op *
job_prepare(struct job *job)
{
	struct rte_crypto_op *op = job_op(job);

	rte_crypto_op_attach_sym_session(op, job->session);
	if (job->algo->service == VIRTIO_CRYPTO_SERVICE_CIPHER) {
		op->sym->cipher.data.offset = 0;
		op->sym->cipher.data.length = job->data_len;
	} else {
		op->sym->auth.data.offset = 0;
		op->sym->auth.data.length = job->data_len;
		op->sym->auth.digest.data = job->digest;
		op->sym->auth.digest.phys_addr =
			rte_crypto_op_ctophys_offset(op, JOB_DIGEST_OFFSET);
	}
	return op;
}

int
backend_enqueue(struct backend *backend, struct job *job)
{
	struct rte_crypto_op *op = job_prepare(job);

	if (rte_cryptodev_enqueue_burst(backend->dev, QP, &op, 1) == 1) {
		backend->in_flight++;
		return 0;
	}
	/* crypto_openssl carries operations out here, and keeps those that failed out. */
	return op->status == RTE_CRYPTO_OP_STATUS_NOT_PROCESSED ? -EAGAIN : -EIO;
}

uint16_t
backend_dequeue(struct backend *backend, struct job **jobs, uint16_t nb)
{
	struct rte_crypto_op *ops[BACKEND_BURST];
	uint16_t i;

	nb = rte_cryptodev_dequeue_burst(backend->dev, QP, ops, RTE_MIN(nb, BACKEND_BURST));
	for (i = 0; i < nb; i++) {
		jobs[i] = op_job(ops[i]);
		jobs[i]->failed = ops[i]->status != RTE_CRYPTO_OP_STATUS_SUCCESS;
	}
	backend->in_flight -= nb;
	return nb;
}

uint32_t
backend_in_use(const struct backend *backend)
{
	return rte_mempool_in_use_count(backend->ops) + rte_mempool_in_use_count(backend->data) +
	       rte_mempool_in_use_count(backend->sessions);
}
