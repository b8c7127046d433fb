/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#ifndef VFIO_USER_GRACE_H
#define VFIO_USER_GRACE_H

/**
 * @file
 * Grace periods: when has every reader left what was unpublished?
 *
 * Two kinds of readers. Data-path readers own a sequence word, odd inside a
 * section, and need no fence: the writer issues membarrier(2) between
 * publishing and looking at the words, and waits only for those it saw odd.
 * Slow-path users (library code that copies) count themselves in and out of
 * the present epoch by atomic operations.
 *
 * One writer thread starts and polls; it never blocks. Readers register from
 * any thread.
 */

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "rte_vfio_user_server.h"

/** A registered data-path reader. */
struct vfio_user_reader {
	struct rte_vfio_user_dma_reader pub; /* what the application sees */
	LIST_ENTRY(vfio_user_reader) next;
	uint64_t wait_seq; /* the section that is waited for */
	bool waiting;
};

struct vfio_user_grace {
	pthread_mutex_t lock; /* the list and its waiting fields */
	LIST_HEAD(, vfio_user_reader) readers;
	uint32_t epoch; /* slow-path users count in users[epoch % 2] */
	uint32_t users[2];
	bool active; /* writer only: a grace period is running */
};

int vfio_user_grace_init(struct vfio_user_grace *grace);
void vfio_user_grace_fini(struct vfio_user_grace *grace);

/** Register a reader whose public part is filled in: 0 or -ENOTSUP. */
int vfio_user_grace_add(struct vfio_user_grace *grace,
			struct vfio_user_reader *reader);

/** Unregister a reader that is outside of a section. */
void vfio_user_grace_remove(struct vfio_user_grace *grace,
			    struct vfio_user_reader *reader);

/** Begin slow-path use; pass the result to vfio_user_grace_leave(). */
uint32_t vfio_user_grace_enter(struct vfio_user_grace *grace);
void vfio_user_grace_leave(struct vfio_user_grace *grace, uint32_t slot);

/** Start a grace period for what was unpublished so far; none is active. */
void vfio_user_grace_start(struct vfio_user_grace *grace);

/** Whether no grace period is active (any more). Never blocks. */
bool vfio_user_grace_done(struct vfio_user_grace *grace);

#endif /* VFIO_USER_GRACE_H */
