/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#include <errno.h>
#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "vfio_user_grace.h"

static int
membarrier(int cmd)
{
	return syscall(SYS_membarrier, cmd, 0, 0) < 0 ? -errno : 0;
}

int
vfio_user_grace_init(struct vfio_user_grace *grace)
{
	LIST_INIT(&grace->readers);
	grace->epoch = 0;
	grace->users[0] = grace->users[1] = 0;
	grace->active = false;
	return -pthread_mutex_init(&grace->lock, NULL);
}

void
vfio_user_grace_fini(struct vfio_user_grace *grace)
{
	pthread_mutex_destroy(&grace->lock);
}

int
vfio_user_grace_add(struct vfio_user_grace *grace, struct vfio_user_reader *reader)
{
	/* idempotent, and cheap enough for set-up */
	if (membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED) < 0)
		return -ENOTSUP;
	reader->waiting = false;
	pthread_mutex_lock(&grace->lock);
	LIST_INSERT_HEAD(&grace->readers, reader, next);
	pthread_mutex_unlock(&grace->lock);
	return 0;
}

void
vfio_user_grace_remove(struct vfio_user_grace *grace, struct vfio_user_reader *reader)
{
	pthread_mutex_lock(&grace->lock);
	LIST_REMOVE(reader, next);
	pthread_mutex_unlock(&grace->lock);
}

uint32_t
vfio_user_grace_enter(struct vfio_user_grace *grace)
{
	uint32_t epoch, slot;

	for (;;) {
		epoch = __atomic_load_n(&grace->epoch, __ATOMIC_SEQ_CST);
		slot = epoch % 2;
		__atomic_fetch_add(&grace->users[slot], 1, __ATOMIC_SEQ_CST);
		/*
		 * Counted in an epoch that is still the present one: whoever
		 * ends it waits for us. Else the slot may already have been
		 * found empty, or belong to the epoch after the next.
		 */
		if (__atomic_load_n(&grace->epoch, __ATOMIC_SEQ_CST) == epoch)
			return slot;
		vfio_user_grace_leave(grace, slot);
	}
}

void
vfio_user_grace_leave(struct vfio_user_grace *grace, uint32_t slot)
{
	__atomic_fetch_sub(&grace->users[slot], 1, __ATOMIC_SEQ_CST);
}

void
vfio_user_grace_start(struct vfio_user_grace *grace)
{
	struct vfio_user_reader *reader;

	grace->active = true;
	__atomic_fetch_add(&grace->epoch, 1, __ATOMIC_SEQ_CST);

	pthread_mutex_lock(&grace->lock);
	if (!LIST_EMPTY(&grace->readers))
		membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED);
	LIST_FOREACH(reader, &grace->readers, next) {
		reader->wait_seq = __atomic_load_n(&reader->pub.seq, __ATOMIC_ACQUIRE);
		reader->waiting = reader->wait_seq % 2 != 0;
	}
	pthread_mutex_unlock(&grace->lock);
}

static bool
readers_left(struct vfio_user_grace *grace)
{
	struct vfio_user_reader *reader;
	bool left = true;

	pthread_mutex_lock(&grace->lock);
	LIST_FOREACH(reader, &grace->readers, next) {
		if (reader->waiting && __atomic_load_n(&reader->pub.seq,
				__ATOMIC_ACQUIRE) == reader->wait_seq)
			left = false;
		else
			reader->waiting = false;
	}
	pthread_mutex_unlock(&grace->lock);
	return left;
}

bool
vfio_user_grace_done(struct vfio_user_grace *grace)
{
	uint32_t ended;

	if (!grace->active)
		return true;
	ended = (grace->epoch - 1) % 2;
	if (__atomic_load_n(&grace->users[ended], __ATOMIC_SEQ_CST) != 0 ||
	    !readers_left(grace))
		return false;
	grace->active = false;
	return true;
}
