/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vfio_user_file.h"

void
vfio_user_files_init(struct vfio_user_files *files, uint32_t max)
{
	uint32_t i;

	for (i = 0; i < VFIO_USER_FILE_BUCKETS; i++)
		LIST_INIT(&files->bucket[i]);
	files->nb = 0;
	files->max = max;
}

static struct vfio_user_file_list *
bucket_of(struct vfio_user_files *files, const struct stat *st)
{
	return &files->bucket[(st->st_ino ^ st->st_dev) % VFIO_USER_FILE_BUCKETS];
}

static struct vfio_user_file *
find_file(struct vfio_user_file_list *bucket, const struct stat *st, int acc_mode)
{
	struct vfio_user_file *file;

	LIST_FOREACH(file, bucket, next)
		if (file->regular && file->ino == st->st_ino &&
		    file->dev == st->st_dev && file->acc_mode == acc_mode)
			return file;
	return NULL;
}

static struct vfio_user_file *
add_file(struct vfio_user_files *files, struct vfio_user_file_list *bucket,
	 const struct stat *st, int acc_mode, int fd)
{
	struct vfio_user_file *file = calloc(1, sizeof(*file));

	if (file == NULL)
		return NULL;
	file->dev = st->st_dev;
	file->ino = st->st_ino;
	file->acc_mode = acc_mode;
	file->regular = S_ISREG(st->st_mode);
	file->fd = fd;
	LIST_INSERT_HEAD(bucket, file, next);
	files->nb++;
	return file;
}

int
vfio_user_files_get(struct vfio_user_files *files, int fd,
		    struct vfio_user_file **filep)
{
	struct vfio_user_file_list *bucket;
	struct vfio_user_file *file = NULL;
	struct stat st;
	int flags, ret;

	flags = fcntl(fd, F_GETFL);
	if (flags < 0 || fstat(fd, &st) < 0) {
		ret = -errno;
		goto close_fd;
	}
	flags &= O_ACCMODE | O_PATH;
	bucket = bucket_of(files, &st);
	if (S_ISREG(st.st_mode))
		file = find_file(bucket, &st, flags);
	if (file != NULL) {
		close(fd);
	} else {
		ret = -EMFILE;
		if (files->nb >= files->max)
			goto close_fd;
		ret = -ENOMEM;
		file = add_file(files, bucket, &st, flags, fd);
		if (file == NULL)
			goto close_fd;
	}
	file->users++;
	*filep = file;
	return 0;

close_fd:
	close(fd);
	return ret;
}

static void
free_file(struct vfio_user_files *files, struct vfio_user_file *file)
{
	LIST_REMOVE(file, next);
	files->nb--;
	close(file->fd);
	free(file);
}

void
vfio_user_files_put(struct vfio_user_files *files, struct vfio_user_file *file)
{
	if (--file->users == 0)
		free_file(files, file);
}

void
vfio_user_files_fini(struct vfio_user_files *files)
{
	uint32_t i;

	for (i = 0; i < VFIO_USER_FILE_BUCKETS; i++)
		while (!LIST_EMPTY(&files->bucket[i]))
			free_file(files, LIST_FIRST(&files->bucket[i]));
}
