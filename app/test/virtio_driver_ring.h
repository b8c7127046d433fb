/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#ifndef VIRTIO_DRIVER_RING_H
#define VIRTIO_DRIVER_RING_H

/**
 * @file
 * The rings of the test driver; virtio_driver.h has what tests use.
 */

#include "virtio_driver.h"

/* Not in the headers of Linux 6.1. */
#define VIRTIO_DRIVER_F_NOTIFICATION_DATA 38

/** Lay a ring out in the driver's memory, empty. */
int virtio_driver_ring_init(struct virtio_driver_queue *q, struct virtio_driver *drv,
			    uint16_t index, uint16_t size);

/** Free what init allocated here, if it did. */
void virtio_driver_ring_fini(struct virtio_driver_queue *q);

#endif /* VIRTIO_DRIVER_RING_H */
