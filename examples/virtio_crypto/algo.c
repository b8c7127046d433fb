/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

/* The algorithms: their names in virtio and in DPDK, and their lengths. */

#include <string.h>

#include <linux/virtio_crypto.h>

#include <rte_common.h>

#include "algo.h"

#define CIPHER(name, block_len) { \
	.service = VIRTIO_CRYPTO_SERVICE_CIPHER, \
	.number = VIRTIO_CRYPTO_CIPHER_ ## name, \
	.id = { RTE_CRYPTO_SYM_XFORM_CIPHER, .algo.cipher = RTE_CRYPTO_CIPHER_ ## name }, \
	.iv_len = 16, .block = block_len }

#define HASH(virtio_name, name, len) { \
	.service = VIRTIO_CRYPTO_SERVICE_HASH, \
	.number = VIRTIO_CRYPTO_HASH_ ## virtio_name, \
	.id = { RTE_CRYPTO_SYM_XFORM_AUTH, .algo.auth = RTE_CRYPTO_AUTH_ ## name }, \
	.digest_len = len }

#define HMAC(virtio_name, name, len) { \
	.service = VIRTIO_CRYPTO_SERVICE_MAC, \
	.number = VIRTIO_CRYPTO_MAC_HMAC_ ## virtio_name, \
	.id = { RTE_CRYPTO_SYM_XFORM_AUTH, .algo.auth = RTE_CRYPTO_AUTH_ ## name ## _HMAC }, \
	.digest_len = len }

static const struct algo algos[] = {
	CIPHER(AES_CBC, 16),
	CIPHER(AES_CTR, 1),
	HASH(SHA1, SHA1, 20),
	HASH(SHA_224, SHA224, 28),
	HASH(SHA_256, SHA256, 32),
	HASH(SHA_384, SHA384, 48),
	HASH(SHA_512, SHA512, 64),
	HMAC(SHA1, SHA1, 20),
	HMAC(SHA_224, SHA224, 28),
	HMAC(SHA_256, SHA256, 32),
	HMAC(SHA_384, SHA384, 48),
	HMAC(SHA_512, SHA512, 64),
};

static const struct rte_cryptodev_symmetric_capability *
capability(uint8_t dev, const struct algo *algo)
{
	return rte_cryptodev_sym_capability_get(dev, &algo->id);
}

/* Whether lengths are among those that a cryptodev has for an algorithm. */
static bool
lengths_good(uint8_t dev, const struct algo *algo, uint16_t key_len, uint16_t digest_len)
{
	const struct rte_cryptodev_symmetric_capability *cap = capability(dev, algo);

	if (cap == NULL)
		return false;
	if (algo->service == VIRTIO_CRYPTO_SERVICE_CIPHER)
		return rte_cryptodev_sym_capability_check_cipher(cap, key_len,
								 algo->iv_len) == 0;
	return digest_len <= algo->digest_len &&
	       rte_cryptodev_sym_capability_check_auth(cap, key_len, digest_len, 0) == 0;
}

static uint16_t
key_max(uint8_t dev, const struct algo *algo)
{
	const struct rte_cryptodev_symmetric_capability *cap = capability(dev, algo);
	uint16_t max = algo->service == VIRTIO_CRYPTO_SERVICE_CIPHER ?
		       cap->cipher.key_size.max : cap->auth.key_size.max;

	return RTE_MIN(max, ALGO_KEY_MAX);
}

/* Offered if the whole digest and the longest key can be had. */
static bool
offered(uint8_t dev, const struct algo *algo)
{
	return capability(dev, algo) != NULL &&
	       lengths_good(dev, algo, key_max(dev, algo), algo->digest_len);
}

const struct algo *
algo_find(uint8_t dev, uint32_t service, uint32_t number)
{
	unsigned int i;

	for (i = 0; i < RTE_DIM(algos); i++)
		if (algos[i].service == service && algos[i].number == number)
			return offered(dev, &algos[i]) ? &algos[i] : NULL;
	return NULL;
}

uint64_t
algo_mask(uint8_t dev, uint32_t service)
{
	uint64_t mask = 0;
	unsigned int i;

	for (i = 0; i < RTE_DIM(algos); i++)
		if (algos[i].service == service && offered(dev, &algos[i]))
			mask |= RTE_BIT64(algos[i].number);
	return mask;
}

uint16_t
algo_key_max(uint8_t dev, uint32_t service)
{
	uint16_t max = 0;
	unsigned int i;

	for (i = 0; i < RTE_DIM(algos); i++)
		if (algos[i].service == service && offered(dev, &algos[i]))
			max = RTE_MAX(max, key_max(dev, &algos[i]));
	return max;
}

bool
algo_params_good(uint8_t dev, const struct algo_params *params)
{
	return lengths_good(dev, params->algo, params->key_len, params->digest_len);
}

void
algo_xform(const struct algo_params *params, uint16_t iv_offset,
	   struct rte_crypto_sym_xform *xform)
{
	memset(xform, 0, sizeof(*xform));
	xform->type = params->algo->id.type;
	if (params->algo->service == VIRTIO_CRYPTO_SERVICE_CIPHER) {
		xform->cipher.op = params->encrypt ? RTE_CRYPTO_CIPHER_OP_ENCRYPT :
						     RTE_CRYPTO_CIPHER_OP_DECRYPT;
		xform->cipher.algo = params->algo->id.algo.cipher;
		xform->cipher.key.data = params->key;
		xform->cipher.key.length = params->key_len;
		xform->cipher.iv.offset = iv_offset;
		xform->cipher.iv.length = params->algo->iv_len;
		return;
	}
	xform->auth.op = RTE_CRYPTO_AUTH_OP_GENERATE;
	xform->auth.algo = params->algo->id.algo.auth;
	xform->auth.key.data = params->key;
	xform->auth.key.length = params->key_len;
	xform->auth.digest_length = params->digest_len;
}
