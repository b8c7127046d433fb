/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

/*
 * Requests of the data queues: a header of fixed size, IV and data to read;
 * result and status to write. All lengths are the driver's, who may lie: they
 * are taken from the header once, and checked against the session and the buffer.
 */

#include <string.h>

#include <linux/virtio_crypto.h>

#include <rte_byteorder.h>

#include "request.h"

#define LE32(x) rte_le_to_cpu_32(x)

/* What a header says. */
struct header {
	uint32_t service;
	bool encrypt;
	uint64_t session_id;
	uint32_t iv_len, src_len, dst_len;
};

static uint8_t
header_parse(const struct virtio_crypto_op_data_req *req, struct header *header)
{
	const struct virtio_crypto_cipher_para *cipher = &req->u.sym_req.u.cipher.para;
	/* a MAC request has the same layout */
	const struct virtio_crypto_hash_para *hash = &req->u.hash_req.para;
	uint32_t opcode = LE32(req->header.opcode);

	memset(header, 0, sizeof(*header));
	header->session_id = rte_le_to_cpu_64(req->header.session_id);
	header->service = opcode >> 8;
	header->encrypt = opcode == VIRTIO_CRYPTO_CIPHER_ENCRYPT;
	switch (opcode) {
	case VIRTIO_CRYPTO_CIPHER_ENCRYPT:
	case VIRTIO_CRYPTO_CIPHER_DECRYPT:
		if (LE32(req->u.sym_req.op_type) != VIRTIO_CRYPTO_SYM_OP_CIPHER)
			return VIRTIO_CRYPTO_NOTSUPP;
		header->iv_len = LE32(cipher->iv_len);
		header->src_len = LE32(cipher->src_data_len);
		header->dst_len = LE32(cipher->dst_data_len);
		return VIRTIO_CRYPTO_OK;
	case VIRTIO_CRYPTO_HASH:
	case VIRTIO_CRYPTO_MAC:
		header->src_len = LE32(hash->src_data_len);
		header->dst_len = LE32(hash->hash_result_len);
		return VIRTIO_CRYPTO_OK;
	default:
		return VIRTIO_CRYPTO_NOTSUPP;
	}
}

/* Whether the lengths fit the session, and are there. */
static bool
lengths_good(const struct crypto_dev *dev, const struct session *session,
	     const struct header *header, const struct rte_virtio_chain *chain)
{
	uint64_t readable = sizeof(struct virtio_crypto_op_data_req);
	uint64_t writable = (uint64_t)header->dst_len + sizeof(struct virtio_crypto_inhdr);
	bool cipher = header->service == VIRTIO_CRYPTO_SERVICE_CIPHER;

	readable += (uint64_t)header->iv_len + header->src_len;
	return header->src_len <= dev->backend.max_data &&
	       header->iv_len == session->algo->iv_len &&
	       header->dst_len == (cipher ? header->src_len : session->digest_len) &&
	       (!cipher || (header->encrypt == session->encrypt &&
			    header->src_len % session->algo->block == 0)) &&
	       chain->read_len >= readable && chain->write_len >= writable;
}

/* Copy the data in: what the driver changes from now on has no effect. */
static void
data_read(struct job *job, const struct rte_virtio_chain *chain, uint32_t offset)
{
	uint32_t done, len;
	void *piece;

	for (done = 0; done < job->data_len; done += len) {
		piece = backend_job_data(job, done, &len);
		rte_virtio_chain_read(chain, offset + done, piece, len);
	}
}

/* The chain in the request itself, for later. */
static void
chain_keep(struct request *request, const struct rte_virtio_chain *chain)
{
	request->chain = *chain;
	request->chain.segs = request->segs;
	memcpy(request->segs, chain->segs,
	       (chain->nb_read + chain->nb_write) * sizeof(request->segs[0]));
}

uint8_t
request_create(struct crypto_dev *dev, const struct rte_virtio_chain *chain,
	       struct request **request)
{
	struct virtio_crypto_op_data_req req;
	struct session *session;
	struct header header;
	struct job *job;
	uint8_t status;

	if (rte_virtio_chain_read(chain, 0, &req, sizeof(req)) < sizeof(req))
		return VIRTIO_CRYPTO_ERR;
	status = header_parse(&req, &header);
	if (status != VIRTIO_CRYPTO_OK)
		return status;
	session = session_find(&dev->sessions, header.session_id, header.service);
	if (session == NULL)
		return VIRTIO_CRYPTO_INVSESS;
	if (!lengths_good(dev, session, &header, chain))
		return VIRTIO_CRYPTO_ERR;
	job = backend_job_get(&dev->backend, header.src_len);
	if (job == NULL)
		return VIRTIO_CRYPTO_ERR;
	job->algo = session->algo;
	job->session = session->crypto;
	rte_virtio_chain_read(chain, sizeof(req), job->iv, header.iv_len);
	data_read(job, chain, sizeof(req) + header.iv_len);
	*request = (struct request *)job;
	chain_keep(*request, chain);
	(*request)->session = session;
	session_get(session);
	return VIRTIO_CRYPTO_OK;
}

void
request_free(struct crypto_dev *dev, struct request *request)
{
	session_put(&dev->sessions, request->session);
	backend_job_put(&request->job);
}

void
request_answer(struct request *request)
{
	struct job *job = &request->job;
	uint32_t done, len;
	void *piece;

	if (job->algo->service == VIRTIO_CRYPTO_SERVICE_CIPHER) {
		for (done = 0; done < job->data_len; done += len) {
			piece = backend_job_data(job, done, &len);
			rte_virtio_chain_write(&request->chain, done, piece, len);
		}
	} else {
		rte_virtio_chain_write(&request->chain, 0, job->digest,
				       request->session->digest_len);
	}
}

uint32_t
status_write(const struct rte_virtio_chain *chain, uint8_t status)
{
	struct virtio_crypto_inhdr inhdr = { .status = status };

	/* It is the last byte, so that all before it counts as written. */
	if (chain->write_len >= sizeof(inhdr))
		rte_virtio_chain_write(chain, chain->write_len - sizeof(inhdr), &inhdr,
				       sizeof(inhdr));
	return chain->write_len;
}
