/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#ifndef ALGO_H
#define ALGO_H

#include <stdbool.h>
#include <stdint.h>

#include <rte_cryptodev.h>

#define ALGO_KEY_MAX 128 /* bytes: HMAC with SHA-384 and SHA-512 */
#define ALGO_IV_MAX 16
#define ALGO_DIGEST_MAX 64

/* An algorithm that this device knows; whether it offers it, the cryptodev decides. */
struct algo {
	uint32_t service; /* VIRTIO_CRYPTO_SERVICE_* */
	uint32_t number; /* VIRTIO_CRYPTO_CIPHER_*, _HASH_* or _MAC_* */
	struct rte_cryptodev_sym_capability_idx id; /* what DPDK calls it */
	uint16_t iv_len;
	uint16_t block; /* of a cipher: data is a multiple of it */
	uint16_t digest_len;
};

/* What a driver chose for a session. */
struct algo_params {
	const struct algo *algo;
	bool encrypt; /* of a cipher */
	uint16_t digest_len; /* of a hash or MAC */
	uint16_t key_len;
	uint8_t key[ALGO_KEY_MAX];
};

/* The algorithm, or NULL if a cryptodev has not got it. */
const struct algo *algo_find(uint8_t dev, uint32_t service, uint32_t number);

/* The numbers of a service's algorithms that a cryptodev has, as bits. */
uint64_t algo_mask(uint8_t dev, uint32_t service);

/* The length of the longest key of a service that a cryptodev takes. */
uint16_t algo_key_max(uint8_t dev, uint32_t service);

/* Whether a cryptodev takes these lengths of key and digest. */
bool algo_params_good(uint8_t dev, const struct algo_params *params);

/* The transform of a session; the key stays where it is. */
void algo_xform(const struct algo_params *params, uint16_t iv_offset,
		struct rte_crypto_sym_xform *xform);

#endif /* ALGO_H */
