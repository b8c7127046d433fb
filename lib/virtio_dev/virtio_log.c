/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#include <errno.h>
#include <time.h>

#include "virtio_log.h"

#define WINDOW_S 5
#define WINDOW_COUNT 10

RTE_LOG_REGISTER(virtio_logtype, lib.virtio_dev, NOTICE);

bool
virtio_log_allowed(void)
{
	static uint64_t state; /* window << 32 | messages in it */
	struct timespec now;
	uint64_t old, window;

	clock_gettime(CLOCK_MONOTONIC, &now);
	window = (uint64_t)now.tv_sec / WINDOW_S << 32;
	old = __atomic_load_n(&state, __ATOMIC_RELAXED);
	if ((old & ~(uint64_t)UINT32_MAX) != window) {
		/* whoever loses this race counts in the window that won */
		__atomic_compare_exchange_n(&state, &old, window, false,
					    __ATOMIC_RELAXED, __ATOMIC_RELAXED);
	}
	return (__atomic_add_fetch(&state, 1, __ATOMIC_RELAXED) & UINT32_MAX) <= WINDOW_COUNT;
}

int
virtio_misuse(const char *func)
{
	VIRTIO_LOG(ERR, "%s: invalid argument", func);
	return -EINVAL;
}
