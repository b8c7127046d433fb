/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

/* The device configuration: what the cryptodev can do, in the words of virtio. */

#include <rte_byteorder.h>

#include "config.h"

static uint32_t
services(uint8_t dev)
{
	const uint32_t known[] = {
		VIRTIO_CRYPTO_SERVICE_CIPHER, VIRTIO_CRYPTO_SERVICE_HASH,
		VIRTIO_CRYPTO_SERVICE_MAC,
	};
	uint32_t mask = 0, i;

	for (i = 0; i < RTE_DIM(known); i++)
		if (algo_mask(dev, known[i]) != 0)
			mask |= RTE_BIT32(known[i]);
	return mask;
}

void
crypto_config(const struct backend *backend, uint16_t nb_data_queues,
	      struct virtio_crypto_config *config)
{
	const uint8_t id = backend->dev;
	const uint64_t ciphers = algo_mask(id, VIRTIO_CRYPTO_SERVICE_CIPHER);
	const uint64_t hashes = algo_mask(id, VIRTIO_CRYPTO_SERVICE_HASH);
	const uint64_t macs = algo_mask(id, VIRTIO_CRYPTO_SERVICE_MAC);

	*config = (struct virtio_crypto_config){
		.status = rte_cpu_to_le_32(VIRTIO_CRYPTO_S_HW_READY),
		.max_dataqueues = rte_cpu_to_le_32(nb_data_queues),
		.crypto_services = rte_cpu_to_le_32(services(id)),
		.cipher_algo_l = rte_cpu_to_le_32((uint32_t)ciphers),
		.cipher_algo_h = rte_cpu_to_le_32(ciphers >> 32),
		.hash_algo = rte_cpu_to_le_32((uint32_t)hashes),
		.mac_algo_l = rte_cpu_to_le_32((uint32_t)macs),
		.mac_algo_h = rte_cpu_to_le_32(macs >> 32),
		.max_cipher_key_len =
			rte_cpu_to_le_32(algo_key_max(id, VIRTIO_CRYPTO_SERVICE_CIPHER)),
		.max_auth_key_len =
			rte_cpu_to_le_32(algo_key_max(id, VIRTIO_CRYPTO_SERVICE_MAC)),
		/* of all that is not header: IV, data and result */
		.max_size = rte_cpu_to_le_64(2ull * backend->max_data + ALGO_IV_MAX + 1),
	};
}
