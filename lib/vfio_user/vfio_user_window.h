/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#ifndef VFIO_USER_WINDOW_H
#define VFIO_USER_WINDOW_H

/**
 * @file
 * Windows: large memory mappings of files, shared by the many DMA mappings
 * whose ranges lie inside of them
 *
 * A peer maps its memory in pieces, as small as a page behind an IOMMU. An
 * mmap(2) for each would end at vm.max_map_count. A window is wider than what
 * was asked for, so that later ranges of the same file and protection find it.
 * It goes with its last user.
 *
 * Windows of a file may overlap. They are sorted by their start; each entry
 * also knows which window up to it reaches farthest. If any window contains a
 * range, then the farthest of those that start at or before it does.
 *
 * Not thread-safe.
 */

#include <stdint.h>
#include <sys/stat.h>

#include "vfio_user_file.h"
#include "vfio_user_sigbus.h"

/** Windows of one peer, far below vm.max_map_count (65530 by default). */
#define VFIO_USER_MAX_WINDOWS 8192u

/** A memory mapping of a file. */
struct vfio_user_window {
	struct vfio_user_file *file;
	uint8_t *base;
	uint64_t offset; /* in the file */
	uint64_t len;
	uint32_t prot; /* PROT_* */
	uint32_t users;
	struct vfio_user_sigbus_slot *slot;
};

/** The windows of one peer. */
struct vfio_user_windows {
	uint32_t nb;
	uint64_t bytes;
	uint64_t max_bytes;
	struct vfio_user_sigbus_owner *owner; /* of the memory */
};

void vfio_user_windows_init(struct vfio_user_windows *windows, uint64_t max_bytes,
			    struct vfio_user_sigbus_owner *owner);

/**
 * Get a window that contains a range of a file, adding a user to it. The
 * caller is a user of the file meanwhile, whose priv belongs to this module.
 *
 * @param windows
 *   The peer's windows.
 * @param file
 *   The file.
 * @param st
 *   Its present state; the range lies inside if it is a regular file.
 * @param prot
 *   PROT_READ, PROT_WRITE, or both.
 * @param offset
 *   Offset in the file.
 * @param size
 *   Bytes, not 0; offset + size does not wrap.
 * @param winp
 *   Set to the window.
 * @return
 *   0, -ENOSPC (too many windows or bytes), -ENOMEM, errno of mmap(2)
 */
int vfio_user_window_get(struct vfio_user_windows *windows,
			 struct vfio_user_file *file, const struct stat *st,
			 uint32_t prot, uint64_t offset, uint64_t size,
			 struct vfio_user_window **winp);

/** Drop a user; the last one unmaps the window. */
void vfio_user_window_put(struct vfio_user_windows *windows,
			  struct vfio_user_window *win);

#endif /* VFIO_USER_WINDOW_H */
