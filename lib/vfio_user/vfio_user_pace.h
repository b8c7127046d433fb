/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#ifndef VFIO_USER_PACE_H
#define VFIO_USER_PACE_H

/**
 * @file
 * When a polling caller asks epoll, besides receiving from its main socket
 *
 * Not with each poll: a caller that spins would make two system calls instead
 * of one. While the socket is busy, now and then; while it is idle, for a
 * moment always, then unless polls follow each other so closely that the caller
 * cannot have slept in between.
 */

#include <stdbool.h>
#include <stdint.h>

#include <rte_cycles.h>

#define VFIO_USER_PACE_IDLE 2 /* polls */
#define VFIO_USER_PACE_CYCLES 20000

/** Zeroed at first. */
struct vfio_user_pace {
	uint32_t idle; /* polls since something was found to do */
	uint32_t busy; /* polls with something on the socket */
	uint64_t asked; /* when epoll was asked last without waiting */
};

/** Whether to ask after a poll; busy_every: polls, while not idle. */
static inline bool
vfio_user_pace_wants(struct vfio_user_pace *pace, bool idle, uint32_t busy_every)
{
	if (!idle) {
		pace->idle = 0;
		return ++pace->busy % busy_every == 0;
	}
	return ++pace->idle <= VFIO_USER_PACE_IDLE ||
		rte_rdtsc() - pace->asked >= VFIO_USER_PACE_CYCLES;
}

/** Epoll is being asked. */
static inline void
vfio_user_pace_asked(struct vfio_user_pace *pace)
{
	pace->asked = rte_rdtsc();
}

/** Something was found to do. */
static inline void
vfio_user_pace_found(struct vfio_user_pace *pace)
{
	pace->idle = 0;
}

#endif /* VFIO_USER_PACE_H */
