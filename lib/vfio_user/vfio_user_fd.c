/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "vfio_user_fd.h"

int
vfio_user_fds_add(struct vfio_user_fds *fds, int fd)
{
	if (fds->nb == RTE_VFIO_USER_MAX_MSG_FDS) {
		close(fd);
		return -EMFILE;
	}
	fds->fd[fds->nb++] = fd;
	return 0;
}

int
vfio_user_fds_take(struct vfio_user_fds *fds, uint32_t index)
{
	int fd;

	if (index >= fds->nb)
		return -1;
	fd = fds->fd[index];
	fds->fd[index] = -1;
	return fd;
}

void
vfio_user_fds_move(struct vfio_user_fds *dst, struct vfio_user_fds *src)
{
	uint32_t i;

	for (i = 0; i < src->nb; i++)
		if (src->fd[i] >= 0)
			vfio_user_fds_add(dst, src->fd[i]);
	src->nb = 0;
}

void
vfio_user_fds_close(struct vfio_user_fds *fds)
{
	uint32_t i;

	for (i = 0; i < fds->nb; i++)
		vfio_user_fd_close(fds->fd[i]);
	fds->nb = 0;
}

int
vfio_user_fd_dup(int fd)
{
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);

	return copy < 0 ? -errno : copy;
}

void
vfio_user_fd_close(int fd)
{
	if (fd >= 0)
		close(fd);
}

int
vfio_user_fd_is_eventfd(int fd)
{
	static const char kind[] = "anon_inode:[eventfd]";
	char path[32], target[sizeof(kind)];
	ssize_t len;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	len = readlink(path, target, sizeof(target));
	if (len < 0)
		return -errno;
	return len == (ssize_t)strlen(kind) && memcmp(target, kind, len) == 0;
}

bool
vfio_user_fd_is_sealed(int fd)
{
	int seals = fcntl(fd, F_GET_SEALS);

	return seals >= 0 && (seals & F_SEAL_SHRINK) != 0;
}
