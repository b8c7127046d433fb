/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#ifndef VFIO_USER_SERIES_H
#define VFIO_USER_SERIES_H

/**
 * @file
 * What the files of the series' API share:
 *
 * - vfio_user_series.c: registered devices, the control thread
 * - vfio_user_series_mem.c: memory tables of registered devices
 * - vfio_user_series_info.c: from the description of a device to a server
 * - vfio_user_series_client.c: attached devices
 *
 * and slots: objects that any thread finds by a number while others come and
 * go. The memory of a slot is never freed, only used again. Whoever looks at it
 * counts itself in and out, without waiting; whoever takes something from it
 * waits until all who may have seen it are out. Users count themselves in one
 * of two counters, by the epoch they came in, so that those who come later
 * cannot keep the one who waits from seeing an end.
 */

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <unistd.h>

struct rte_vfio_user_mem;
struct rte_vfio_user_regions;
struct rte_vfio_user_irq_info;
struct rte_vfio_user_server;
struct vfio_device_info;

/** Ids of registered devices, and of attached ones, are below this. */
#define VFIO_USER_SERIES_MAX_IDS 65536

/** The errno for a client of what a callback returned, which is negative. */
static inline int
vfio_user_series_errno(ssize_t ret)
{
	/* EINPROGRESS would be taken for an answer that comes later */
	return ret == -1 || ret == -EINPROGRESS || ret < -4095 ? -EIO : (int)ret;
}

/* ------------------------------------------------------------------ slots */

/** How often a waiting thread looks. */
#define VFIO_USER_SERIES_WAIT_US 50

/** First member of an object that is found by number. All atomic. */
struct vfio_user_series_slot {
	bool live; /* users may enter */
	uint32_t epoch; /* the lowest bit names the counter in use */
	uint32_t users[2];
};

/** Begin to use a slot; pass the result to leave. -1: it is not live. */
static inline int
vfio_user_series_enter(struct vfio_user_series_slot *slot)
{
	uint32_t side;

	if (!__atomic_load_n(&slot->live, __ATOMIC_ACQUIRE))
		return -1;
	side = __atomic_load_n(&slot->epoch, __ATOMIC_SEQ_CST) & 1;
	__atomic_fetch_add(&slot->users[side], 1, __ATOMIC_SEQ_CST);
	if (__atomic_load_n(&slot->live, __ATOMIC_SEQ_CST))
		return (int)side;
	__atomic_fetch_sub(&slot->users[side], 1, __ATOMIC_SEQ_CST);
	return -1;
}

static inline void
vfio_user_series_leave(struct vfio_user_series_slot *slot, int side)
{
	__atomic_fetch_sub(&slot->users[side], 1, __ATOMIC_SEQ_CST);
}

/**
 * Wait until everybody is out who was in at the call. One thread at a time,
 * which is not in itself. Both counters: a user that was about to enter when
 * the epoch changed may be in the old one.
 */
static inline void
vfio_user_series_wait(struct vfio_user_series_slot *slot)
{
	uint32_t i, side;

	for (i = 0; i < 2; i++) {
		side = __atomic_fetch_add(&slot->epoch, 1, __ATOMIC_SEQ_CST) & 1;
		while (__atomic_load_n(&slot->users[side], __ATOMIC_SEQ_CST) != 0)
			usleep(VFIO_USER_SERIES_WAIT_US);
	}
}

/** Let nobody in any more, and wait until everybody is out. */
static inline void
vfio_user_series_close(struct vfio_user_series_slot *slot)
{
	__atomic_store_n(&slot->live, false, __ATOMIC_SEQ_CST);
	vfio_user_series_wait(slot);
}

/* ------------------------------------------------ vfio_user_series_mem.c */

struct vfio_user_series_table;

/** The memory tables of a device. Both atomic. */
struct vfio_user_series_mem {
	uint32_t version; /* of the mappings */
	/* newest first; getters add to them, the control thread takes all */
	struct vfio_user_series_table *tables;
};

/** The mappings have changed; returns the tables of before, to be freed. */
struct vfio_user_series_table *
vfio_user_series_mem_change(struct vfio_user_series_mem *mem);

/** Free tables when no user of the slot can see them any more. */
void vfio_user_series_mem_free(struct vfio_user_series_slot *slot,
			       struct vfio_user_series_table *table);

/**
 * The present table, built if nobody has asked for it yet; an empty one
 * without a server. The caller is in the slot. NULL with rte_errno.
 */
const struct rte_vfio_user_mem *
vfio_user_series_mem_get(struct vfio_user_series_mem *mem,
			 struct rte_vfio_user_server *srv);

/* ----------------------------------------------- vfio_user_series_info.c */

/** The three descriptions of a device; NULL: not set yet. */
struct vfio_user_series_info {
	const struct vfio_device_info *device;
	struct rte_vfio_user_regions *regions;
	const struct rte_vfio_user_irq_info *irqs;
};

/** Create the server of a device; all descriptions are set. */
struct rte_vfio_user_server *
vfio_user_series_server(const char *path, const struct vfio_user_series_info *info);

#endif /* VFIO_USER_SERIES_H */
