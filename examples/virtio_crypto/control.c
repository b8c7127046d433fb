/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

/*
 * The control queue: sessions are created and destroyed. Requests have the form
 * of a driver that did not negotiate VIRTIO_CRYPTO_F_REVISION_1, as Linux does:
 * a header of fixed size, then the key.
 */

#include <errno.h>
#include <string.h>

#include <linux/virtio_crypto.h>

#include <rte_byteorder.h>

#include "request.h"

#define LE32(x) rte_le_to_cpu_32(x)
#define LE64(x) rte_le_to_cpu_64(x)

/* The answer to all but a new session: a status alone. The number of bytes written. */
static uint32_t
answer(const struct rte_virtio_chain *chain, uint8_t status)
{
	struct virtio_crypto_inhdr inhdr = { .status = status };

	return rte_virtio_chain_write(chain, 0, &inhdr, sizeof(inhdr));
}

/* A status for what session_create() returned. */
static uint32_t
status_of(int ret)
{
	/* VIRTIO_CRYPTO_NOSPC is only for drivers that negotiated REVISION_1 */
	return ret == 0 ? VIRTIO_CRYPTO_OK : VIRTIO_CRYPTO_ERR;
}

static uint8_t
cipher_params(uint8_t dev, const struct virtio_crypto_sym_create_session_req *req,
	      struct algo_params *params, uint32_t *key_len)
{
	const struct virtio_crypto_cipher_session_para *para = &req->u.cipher.para;

	if (LE32(req->op_type) != VIRTIO_CRYPTO_SYM_OP_CIPHER)
		return VIRTIO_CRYPTO_NOTSUPP;
	params->algo = algo_find(dev, VIRTIO_CRYPTO_SERVICE_CIPHER, LE32(para->algo));
	if (params->algo == NULL)
		return VIRTIO_CRYPTO_NOTSUPP;
	*key_len = LE32(para->keylen);
	params->encrypt = LE32(para->op) == VIRTIO_CRYPTO_OP_ENCRYPT;
	return params->encrypt || LE32(para->op) == VIRTIO_CRYPTO_OP_DECRYPT ?
	       VIRTIO_CRYPTO_OK : VIRTIO_CRYPTO_ERR;
}

static uint8_t
hash_params(uint8_t dev, const struct virtio_crypto_hash_session_para *para,
	    struct algo_params *params)
{
	params->algo = algo_find(dev, VIRTIO_CRYPTO_SERVICE_HASH, LE32(para->algo));
	if (params->algo == NULL)
		return VIRTIO_CRYPTO_NOTSUPP;
	params->digest_len = params->algo->digest_len;
	return LE32(para->hash_result_len) == params->digest_len ?
	       VIRTIO_CRYPTO_OK : VIRTIO_CRYPTO_ERR;
}

static uint8_t
mac_params(uint8_t dev, const struct virtio_crypto_mac_session_para *para,
	   struct algo_params *params, uint32_t *key_len)
{
	uint32_t digest_len = LE32(para->hash_result_len);

	params->algo = algo_find(dev, VIRTIO_CRYPTO_SERVICE_MAC, LE32(para->algo));
	if (params->algo == NULL)
		return VIRTIO_CRYPTO_NOTSUPP;
	*key_len = LE32(para->auth_key_len);
	if (digest_len == 0 || digest_len > params->algo->digest_len)
		return VIRTIO_CRYPTO_ERR;
	params->digest_len = digest_len;
	return VIRTIO_CRYPTO_OK;
}

/* What a session is to be, without the key. */
static uint8_t
params_get(uint8_t dev, const struct virtio_crypto_op_ctrl_req *req,
	   struct algo_params *params, uint32_t *key_len)
{
	*key_len = 0;
	switch (LE32(req->header.opcode)) {
	case VIRTIO_CRYPTO_CIPHER_CREATE_SESSION:
		return cipher_params(dev, &req->u.sym_create_session, params, key_len);
	case VIRTIO_CRYPTO_HASH_CREATE_SESSION:
		return hash_params(dev, &req->u.hash_create_session.para, params);
	case VIRTIO_CRYPTO_MAC_CREATE_SESSION:
		return mac_params(dev, &req->u.mac_create_session.para, params, key_len);
	default:
		return VIRTIO_CRYPTO_NOTSUPP;
	}
}

static uint32_t
create(struct crypto_dev *dev, const struct virtio_crypto_op_ctrl_req *req,
       const struct rte_virtio_chain *chain)
{
	struct virtio_crypto_session_input input = { 0 };
	struct algo_params params = { 0 };
	uint32_t key_len, status;
	uint64_t id = 0;

	if (chain->write_len < sizeof(input))
		return answer(chain, VIRTIO_CRYPTO_ERR);
	status = params_get(dev->backend.dev, req, &params, &key_len);
	if (status == VIRTIO_CRYPTO_OK) {
		if (key_len > sizeof(params.key) ||
		    rte_virtio_chain_read(chain, sizeof(*req), params.key, key_len) < key_len) {
			status = VIRTIO_CRYPTO_ERR;
		} else {
			params.key_len = key_len;
			status = status_of(session_create(&dev->sessions, &params, &id));
		}
	}
	explicit_bzero(&params, sizeof(params));
	input.session_id = rte_cpu_to_le_64(id);
	input.status = rte_cpu_to_le_32(status);
	return rte_virtio_chain_write(chain, 0, &input, sizeof(input));
}

static uint8_t
destroy(struct crypto_dev *dev, const struct virtio_crypto_op_ctrl_req *req, uint32_t service)
{
	struct session *session;

	session = session_find(&dev->sessions, LE64(req->u.destroy_session.session_id), service);
	if (session == NULL)
		return VIRTIO_CRYPTO_ERR;
	session_destroy(&dev->sessions, session);
	return VIRTIO_CRYPTO_OK;
}

uint32_t
control_request(struct crypto_dev *dev, const struct rte_virtio_chain *chain)
{
	struct virtio_crypto_op_ctrl_req req;
	uint32_t opcode;

	if (rte_virtio_chain_read(chain, 0, &req, sizeof(req)) < sizeof(req))
		return answer(chain, VIRTIO_CRYPTO_ERR);
	opcode = LE32(req.header.opcode);
	switch (opcode) {
	case VIRTIO_CRYPTO_CIPHER_DESTROY_SESSION:
	case VIRTIO_CRYPTO_HASH_DESTROY_SESSION:
	case VIRTIO_CRYPTO_MAC_DESTROY_SESSION:
		/* the upper part of the opcode is the service */
		return answer(chain, destroy(dev, &req, opcode >> 8));
	default:
		return create(dev, &req, chain);
	}
}
