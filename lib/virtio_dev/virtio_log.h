/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#ifndef VIRTIO_LOG_H
#define VIRTIO_LOG_H

/**
 * @file
 * Log macros, log type lib.virtio_dev.
 *
 * ERR: the application misuses the library. WARNING: a driver breaks the rules
 * (rate-limited). INFO: life cycle. DEBUG: each step of a driver.
 */

#include <stdbool.h>
#include <stdint.h>

#include <rte_log.h>

extern int virtio_logtype;

#define VIRTIO_LOG(level, fmt, ...) \
	rte_log(RTE_LOG_ ## level, virtio_logtype, \
		"VIRTIO_DEV: " fmt "\n", ## __VA_ARGS__)

/**
 * Whether one more message may be logged that a driver caused: 10 in 5 seconds,
 * of all devices together. Any thread.
 */
bool virtio_log_allowed(void);

/** Log a message that a driver caused. */
#define VIRTIO_LOG_DRIVER(fmt, ...) \
	do { \
		if (virtio_log_allowed()) \
			VIRTIO_LOG(WARNING, fmt, ## __VA_ARGS__); \
	} while (0)

/** Log a call with invalid arguments; returns -EINVAL. */
int virtio_misuse(const char *func);

#endif /* VIRTIO_LOG_H */
