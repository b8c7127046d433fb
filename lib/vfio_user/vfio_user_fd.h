/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#ifndef VFIO_USER_FD_H
#define VFIO_USER_FD_H

/**
 * @file
 * A set of received file descriptors with one owner: who takes one out of the
 * set owns it, what is left is closed with the set.
 */

#include <stdbool.h>
#include <stdint.h>

#include "rte_vfio_user_common.h"

struct vfio_user_fds {
	uint32_t nb;
	int fd[RTE_VFIO_USER_MAX_MSG_FDS]; /* -1: taken */
};

static inline void
vfio_user_fds_init(struct vfio_user_fds *fds)
{
	fds->nb = 0;
}

/** Append; closes the fd and returns -EMFILE if the set is full. */
int vfio_user_fds_add(struct vfio_user_fds *fds, int fd);

/** Take a file descriptor out of the set; -1 if there is none at the index. */
int vfio_user_fds_take(struct vfio_user_fds *fds, uint32_t index);

/** Move all of src behind those of dst. */
void vfio_user_fds_move(struct vfio_user_fds *dst, struct vfio_user_fds *src);

/** Close what is left. */
void vfio_user_fds_close(struct vfio_user_fds *fds);

/** Duplicate a file descriptor, close-on-exec; -errno on error. */
int vfio_user_fd_dup(int fd);

/** Close a file descriptor unless it is negative. */
void vfio_user_fd_close(int fd);

/** 1: an eventfd (kernel VFIO takes no other), 0: not one, -errno: not known. */
int vfio_user_fd_is_eventfd(int fd);

/** Whether a file can no more be truncated (F_SEAL_SHRINK). */
bool vfio_user_fd_is_sealed(int fd);

#endif /* VFIO_USER_FD_H */
