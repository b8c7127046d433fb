/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#ifndef VFIO_USER_DMA_H
#define VFIO_USER_DMA_H

/**
 * @file
 * The DMA mappings of a device: iova map, files, windows of memory, and their
 * release after a grace period.
 *
 * Threads: one writer (the poller); vfio_user_dma_access() and the readers
 * from any thread.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "rte_vfio_user_server.h"
#include "vfio_user_grace.h"
#include "vfio_user_iova.h"
#include "vfio_user_proto.h"
#include "vfio_user_stats.h"
#include "vfio_user_window.h"

/** A mapping. */
struct vfio_user_dma_region {
	struct rte_vfio_user_dma_info info;
	struct vfio_user_file *file; /* NULL: it has none */
	struct vfio_user_window *window; /* NULL: not mapped */
	TAILQ_ENTRY(vfio_user_dma_region) next;
};

TAILQ_HEAD(vfio_user_dma_list, vfio_user_dma_region);

/** What waits for a grace period. */
struct vfio_user_dma_retired {
	struct vfio_user_dma_list regions;
	struct vfio_user_iova_garbage *garbage;
};

/** What a client may use, and who is woken when its memory broke. */
struct vfio_user_dma_conf {
	uint32_t max_maps;
	uint32_t max_files;
	uint64_t max_bytes; /* of address space */
	bool require_seals; /* refuse files that can be truncated */
	int wake_fd; /* an eventfd that does not block, or -1 */
};

struct vfio_user_dma {
	const void *root; /* published; readers load it with acquire */
	struct vfio_user_grace grace;
	struct vfio_user_sigbus_owner sigbus;
	/* below: writer only */
	struct vfio_user_iova *map;
	struct vfio_user_dma_list regions;
	struct vfio_user_files files;
	struct vfio_user_windows windows;
	struct vfio_user_dma_stats stats; /* read by anybody */
	uint32_t max_maps;
	bool require_seals;
	struct vfio_user_dma_list removed; /* not yet waited for */
	bool dirty; /* updates not yet waited for */
	struct vfio_user_dma_retired waiting; /* the active grace period's */
	/* calls of vfio_user_dma_sync(): so far, at its start, and over */
	uint64_t sync_asked, sync_active, sync_done;
};

int vfio_user_dma_init(struct vfio_user_dma *dma, const struct vfio_user_dma_conf *conf);

/** Free everything; no readers are left and vfio_user_dma_settled(). */
void vfio_user_dma_fini(struct vfio_user_dma *dma);

/**
 * Add and publish a mapping. Takes over fd (-1: none), also on error.
 *
 * @return
 *   0, -EEXIST, -ENOSPC (mappings, bytes or windows), -EMFILE (files), -EPERM
 *   (not sealed), -EINVAL (file too small), -ENOMEM, errno of mmap(2)
 */
int vfio_user_dma_add(struct vfio_user_dma *dma,
		      const struct vfio_user_dma_map *req, int fd,
		      struct vfio_user_dma_region **added);

/** The lowest region that ends at or after an address, or NULL. */
struct vfio_user_dma_region *
vfio_user_dma_next(const struct vfio_user_dma *dma, uint64_t iova);

/** Whether a range has regions, and each of them as a whole. */
bool vfio_user_dma_separable(const struct vfio_user_dma *dma, uint64_t first, uint64_t last);

/** The region that contains an address, or NULL. */
struct vfio_user_dma_region *
vfio_user_dma_find(const struct vfio_user_dma *dma, uint64_t iova);

/**
 * Take a region out of what readers find. It stays mapped, and the caller's,
 * until it is handed to vfio_user_dma_retire(). 0 or -ENOMEM (nothing changed).
 */
int vfio_user_dma_hide(struct vfio_user_dma *dma, struct vfio_user_dma_region *region);

/**
 * Let a hidden region go, at the end of the grace period which the next
 * vfio_user_dma_settle() starts.
 */
void vfio_user_dma_retire(struct vfio_user_dma *dma, struct vfio_user_dma_region *region);

/** Both at once. 0 or -ENOMEM (nothing changed). */
int vfio_user_dma_remove(struct vfio_user_dma *dma,
			 struct vfio_user_dma_region *region);

/** Remove all regions; cannot fail. */
void vfio_user_dma_remove_all(struct vfio_user_dma *dma);

/**
 * Drive grace periods: start one for what was changed, finish what is over.
 * Never blocks; true if nothing is left to wait for.
 */
bool vfio_user_dma_settle(struct vfio_user_dma *dma);

/**
 * Ask for a grace period of its own: 0 if it is over at once, else a number that
 * sync_done reaches at its end.
 */
uint64_t vfio_user_dma_sync(struct vfio_user_dma *dma);

/** Whether what was asked for by vfio_user_dma_sync() is not over. */
bool vfio_user_dma_syncing(const struct vfio_user_dma *dma);

/** Whether removed regions wait for their release. */
bool vfio_user_dma_unsettled(const struct vfio_user_dma *dma);

/** Have a reader translate by these mappings, before it is registered. */
void vfio_user_dma_attach_reader(const struct vfio_user_dma *dma,
				 struct rte_vfio_user_dma_reader *reader);

/** A piece of an access, inside one region. */
struct vfio_user_dma_piece {
	enum rte_vfio_user_dma_mode mode;
	uint64_t len; /* bytes done, or to be done by messages */
};

/**
 * Do the first piece of an access, as far as its region goes, unless it needs
 * messages (piece->mode). Any thread.
 *
 * @return
 *   0, -EFAULT (not mapped), -EPERM, -EIO (also: memory broke, the data mean
 *   nothing) or another errno of file I/O
 */
int vfio_user_dma_access(struct vfio_user_dma *dma, bool is_write, uint64_t iova,
			 void *buf, uint64_t len, struct vfio_user_dma_piece *piece);

#endif /* VFIO_USER_DMA_H */
