/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#ifndef VFIO_USER_LOG_H
#define VFIO_USER_LOG_H

/**
 * @file
 * Log macros and the clock they and the timeouts share.
 *
 * ERR: the operator must act. WARNING: a peer misbehaves (rate-limited).
 * INFO: life cycle. DEBUG: per message.
 */

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include <rte_log.h>

extern int vfio_user_logtype;

#define VFIO_USER_LOG(level, fmt, ...) \
	rte_log(RTE_LOG_ ## level, vfio_user_logtype, \
		"VFIO_USER: " fmt "\n", ## __VA_ARGS__)

/** Budget of messages that a peer can cause. */
struct vfio_user_ratelimit {
	uint64_t window; /* start of the present window, ns */
	uint32_t count; /* messages in it */
};

/** Whether one more message may be logged: 10 in 5 seconds. */
bool vfio_user_log_allowed(struct vfio_user_ratelimit *limit);

/** Log a message that a peer caused. */
#define VFIO_USER_LOG_PEER(limit, fmt, ...) \
	do { \
		if (vfio_user_log_allowed(limit)) \
			VFIO_USER_LOG(WARNING, fmt, ## __VA_ARGS__); \
	} while (0)

/** Log a call with invalid arguments; returns -EINVAL. */
int vfio_user_misuse(const char *func);

/** Monotonic time in nanoseconds. */
static inline uint64_t
vfio_user_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * UINT64_C(1000000000) + (uint64_t)ts.tv_nsec;
}

#define VFIO_USER_NS_PER_MS UINT64_C(1000000)

#endif /* VFIO_USER_LOG_H */
