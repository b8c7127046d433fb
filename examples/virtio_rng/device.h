/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#ifndef DEVICE_H
#define DEVICE_H

#include <stdbool.h>
#include <stdint.h>

#include <rte_vfio_user_server.h>
#include <rte_virtio_dev.h>

struct rng {
	struct rte_virtio_dev *virtio;
	struct rte_virtio_queue *queue;
	bool ready; /* the driver may have put buffers into the queue */
	uint32_t rate; /* bytes per second at most, 0: no limit */
	uint64_t allowance; /* bytes that may be delivered now */
	uint64_t refilled; /* when it was computed, in ns */
	uint64_t bytes, buffers; /* delivered */
};

/* Make a server the device, which owns it from then on. 0 or a negative errno. */
int rng_create(struct rng *rng, struct rte_vfio_user_server *srv);

/*
 * Fill what buffers there are, to be called after each poll of the server. In how
 * many milliseconds to come back, at the latest; -1: when the server has
 * something to do.
 */
int rng_run(struct rng *rng);

#endif /* DEVICE_H */
