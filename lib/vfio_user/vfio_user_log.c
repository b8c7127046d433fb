/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#include <errno.h>

#include "vfio_user_log.h"

#define LIMIT_WINDOW_NS UINT64_C(5000000000)
#define LIMIT_COUNT 10

RTE_LOG_REGISTER_DEFAULT(vfio_user_logtype, NOTICE);

bool
vfio_user_log_allowed(struct vfio_user_ratelimit *limit)
{
	uint64_t now = vfio_user_now();

	if (limit->window == 0 || now - limit->window > LIMIT_WINDOW_NS) {
		if (limit->count > LIMIT_COUNT)
			VFIO_USER_LOG(WARNING, "%u messages about a peer suppressed",
				      limit->count - LIMIT_COUNT);
		limit->window = now;
		limit->count = 0;
	}
	return limit->count++ < LIMIT_COUNT;
}

int
vfio_user_misuse(const char *func)
{
	VFIO_USER_LOG(ERR, "%s: invalid argument", func);
	return -EINVAL;
}
