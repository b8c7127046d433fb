/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#ifndef CONFIG_H
#define CONFIG_H

#include <linux/virtio_crypto.h>

#include "backend.h"

/* The device configuration for a backend. */
void crypto_config(const struct backend *backend, uint16_t nb_data_queues,
		   struct virtio_crypto_config *config);

#endif /* CONFIG_H */
