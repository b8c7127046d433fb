/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#ifndef VFIO_USER_FILE_H
#define VFIO_USER_FILE_H

/**
 * @file
 * Files shared by many mappings: one file descriptor per file
 *
 * A peer passes a file descriptor with each mapping, nearly always of the same
 * few files. A set keeps one descriptor per file and access mode and closes
 * the others, so that the number of mappings is not bounded by
 * RLIMIT_NOFILE. Only regular files (memfd, shmem and hugetlbfs among them) are
 * recognised again; each other one is a file of its own.
 *
 * Not thread-safe.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/types.h>

#define VFIO_USER_FILE_BUCKETS 32u

/** A file. priv belongs to whoever owns the set. */
struct vfio_user_file {
	LIST_ENTRY(vfio_user_file) next;
	dev_t dev;
	ino_t ino;
	int acc_mode; /* O_RDONLY, O_WRONLY, O_RDWR; or'ed with O_PATH */
	bool regular;
	int fd;
	uint32_t users;
	void *priv; /* NULL at first */
};

/** The files of one peer. */
struct vfio_user_files {
	LIST_HEAD(vfio_user_file_list, vfio_user_file) bucket[VFIO_USER_FILE_BUCKETS];
	uint32_t nb;
	uint32_t max;
};

void vfio_user_files_init(struct vfio_user_files *files, uint32_t max);

/** Close all files, used or not; priv pointers are not looked at. */
void vfio_user_files_fini(struct vfio_user_files *files);

/**
 * Get the file that a descriptor refers to, adding a user to it. Takes the
 * descriptor over, also on error.
 *
 * @return
 *   0, -EMFILE (max files are open), -ENOMEM, or an errno of fstat(2)
 */
int vfio_user_files_get(struct vfio_user_files *files, int fd,
			struct vfio_user_file **filep);

/** Drop a user; the last one closes and frees the file (priv is the caller's). */
void vfio_user_files_put(struct vfio_user_files *files, struct vfio_user_file *file);

#endif /* VFIO_USER_FILE_H */
