/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

/* One file descriptor per file. */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include <rte_common.h>

#include "test.h"
#include "test_short.h"
#include "test_fault.h"
#include "test_vfio_user_fds.h"
#include "vfio_user_file.h"

#define MAX_FILES 4u

static struct vfio_user_files files;

static int
setup(void)
{
	static int first;

	vfio_user_files_init(&files, MAX_FILES);
	return check_fds(&first);
}

static void
teardown(void)
{
	vfio_user_files_fini(&files);
}

/* The same file by another open(2). */
static int
open_again(int fd, int flags)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return open(path, flags | O_CLOEXEC);
}

static int
test_shared(void)
{
	int fd = memfd_create("one", MFD_CLOEXEC), fds = count_fds(), i;
	int another, other = memfd_create("two", MFD_CLOEXEC);
	struct vfio_user_file *first, *file;

	DO(vfio_user_files_get(&files, dup(fd), &first));
	TEST_ASSERT(first->users == 1 && first->regular && first->priv == NULL &&
		    first->acc_mode == O_RDWR, "file");
	for (i = 2; i < 1000; i++) {
		another = (i & 1) == 0 ? dup(fd) : open_again(fd, O_RDWR);
		DO(vfio_user_files_get(&files, another, &file));
		TEST_ASSERT(file == first && file->users == (uint32_t)i, "user %d", i);
	}
	DO(vfio_user_files_get(&files, other, &file));
	TEST_ASSERT(file != first && file->fd == other && files.nb == 2, "another one");
	vfio_user_files_put(&files, file);
	TEST_ASSERT_EQUAL(files.nb, 1u, "nb");
	TEST_ASSERT_EQUAL(count_fds(), fds + 1, "fds");
	for (i = 1; i < 1000; i++) {
		TEST_ASSERT(fcntl(first->fd, F_GETFD) >= 0, "closed too early");
		if (i < 999)
			vfio_user_files_put(&files, first);
	}
	vfio_user_files_put(&files, first);
	TEST_ASSERT(files.nb == 0 && count_fds() == fds, "not closed");
	close(fd);
	return TEST_SUCCESS;
}

/* What may be done with a file depends on how it was opened. */
static int
test_access_modes(void)
{
	static const int modes[] = { O_RDWR, O_RDONLY, O_WRONLY, O_PATH };
	struct vfio_user_file *of_mode[RTE_DIM(modes)], *file;
	int fd = memfd_create("modes", MFD_CLOEXEC);
	uint32_t i, j;

	for (i = 0; i < RTE_DIM(modes); i++) {
		DO(vfio_user_files_get(&files, open_again(fd, modes[i]), &of_mode[i]));
		for (j = 0; j < i; j++)
			TEST_ASSERT(of_mode[i] != of_mode[j], "%u is %u", i, j);
	}
	for (i = 0; i < RTE_DIM(modes); i++) {
		DO(vfio_user_files_get(&files, open_again(fd, modes[i]), &file));
		TEST_ASSERT(file == of_mode[i] && file->users == 2, "%u", i);
	}
	close(fd);
	return TEST_SUCCESS;
}

static int
test_not_regular(void)
{
	struct vfio_user_file *a, *b;
	int fd = eventfd(0, EFD_CLOEXEC);

	DO(vfio_user_files_get(&files, fd, &a));
	DO(vfio_user_files_get(&files, dup(fd), &b));
	TEST_ASSERT(a != b && a->fd != b->fd && !a->regular, "shared");
	vfio_user_files_put(&files, a);
	TEST_ASSERT(fcntl(b->fd, F_GETFD) >= 0, "closed with the other");
	DO(vfio_user_files_get(&files, open("/dev/zero", O_RDWR | O_CLOEXEC), &a));
	DO(vfio_user_files_get(&files, open("/dev/zero", O_RDWR | O_CLOEXEC), &b));
	TEST_ASSERT(a != b, "devices are shared");
	return TEST_SUCCESS;
}

static int
test_refused(void)
{
	struct vfio_user_file *file, *first = NULL;
	int fds = count_fds(), fd, i;

	TEST_ASSERT_EQUAL(vfio_user_files_get(&files, 100000, &file), -EBADF, "no fd");
	fd = memfd_create("one", MFD_CLOEXEC);
	for (i = 0; i < (int)MAX_FILES; i++)
		DO(vfio_user_files_get(&files, i == 0 ? dup(fd) : eventfd(0, EFD_CLOEXEC),
				       i == 0 ? &first : &file));
	TEST_ASSERT_EQUAL(vfio_user_files_get(&files, eventfd(0, EFD_CLOEXEC), &file), -EMFILE,
			  "limit");
	/* one that is there already is no other one */
	DO(vfio_user_files_get(&files, fd, &file));
	TEST_ASSERT(file == first, "file");
	TEST_ASSERT_EQUAL(count_fds(), fds + (int)MAX_FILES, "fds");
	vfio_user_files_put(&files, first);
	vfio_user_files_put(&files, first);
	if (!test_alloc_fail(1))
		return TEST_SUCCESS;
	TEST_ASSERT_EQUAL(vfio_user_files_get(&files, eventfd(0, EFD_CLOEXEC), &file), -ENOMEM,
			  "memory");
	TEST_ASSERT_EQUAL(count_fds(), fds + (int)MAX_FILES - 1, "fds");
	TEST_ASSERT_EQUAL(files.nb, MAX_FILES - 1, "nb");
	return TEST_SUCCESS;
}

#define CASE(fn) TEST_CASE_ST(setup, teardown, fn)

static struct unit_test_suite file_suite = {
	.suite_name = "vfio-user files",
	.unit_test_cases = {
		CASE(test_shared),
		CASE(test_access_modes),
		CASE(test_not_regular),
		CASE(test_refused),
		TEST_CASES_END()
	},
};

static int
test_vfio_user_file(void)
{
	return unit_test_suite_runner(&file_suite);
}

REGISTER_TEST_COMMAND(vfio_user_file_autotest, test_vfio_user_file);
