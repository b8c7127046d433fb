/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

/* The DMA mappings of a device, and their release behind their readers. */

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <rte_common.h>

#include "test.h"
#include "test_short.h"
#include "test_vfio_user_fds.h"
#include "vfio_user_dma.h"

#define PAGE 4096u
#define MAX_MAPS 8u
#define R VFIO_USER_DMA_MAP_F_READ
#define W VFIO_USER_DMA_MAP_F_WRITE
#define RW (R | W)
#define F_MMAP VFIO_USER_DMA_MAP_F_MMAP
#define F_IO VFIO_USER_DMA_MAP_F_FILE_IO

static const struct vfio_user_dma_conf dma_conf = {
	.max_maps = MAX_MAPS, .max_files = 2 * MAX_MAPS, .max_bytes = UINT64_C(1) << 40,
	.wake_fd = -1,
};
static struct vfio_user_dma dma;
static struct vfio_user_dma_region *added;
static int nb_fds_before;

/* A file whose byte i has the value i / 3 + i / 4096. */
static int
make_file(size_t size)
{
	int fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	uint8_t *data;
	size_t i;

	if (fd < 0 || ftruncate(fd, (off_t)size) < 0)
		return -1;
	data = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	for (i = 0; i < size; i++)
		data[i] = (uint8_t)(i / 3 + i / PAGE);
	munmap(data, size);
	return fd;
}

static bool
is_file(const uint8_t *buf, size_t off, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++)
		if (buf[i] != (uint8_t)((off + i) / 3 + (off + i) / PAGE))
			return false;
	return true;
}

static int
setup(void)
{
	nb_fds_before = count_fds();
	return vfio_user_dma_init(&dma, &dma_conf);
}

static void
teardown(void)
{
	vfio_user_dma_fini(&dma);
}

/* Add a mapping; the fd is taken over. */
static int
add(uint64_t iova, uint64_t size, uint32_t flags, int fd, uint64_t offset)
{
	const struct vfio_user_dma_map req = {
		.argsz = sizeof(req), .flags = flags, .offset = offset,
		.addr = iova, .size = size,
	};

	return vfio_user_dma_add(&dma, &req, fd, &added);
}

/* An access to its end, over as many regions as it needs. */
static int
access_all(bool is_write, uint64_t iova, void *buf, uint64_t len)
{
	struct vfio_user_dma_piece piece;
	uint8_t *pos = buf;
	int ret;

	while (len != 0) {
		ret = vfio_user_dma_access(&dma, is_write, iova, pos, len, &piece);
		if (ret < 0)
			return ret;
		if (piece.mode == RTE_VFIO_USER_DMA_MSG)
			return -ENOTSUP;
		iova += piece.len;
		pos += piece.len;
		len -= piece.len;
	}
	return 0;
}

static bool
is_mapped(const void *va)
{
	unsigned char vec;

	return mincore((void *)((uintptr_t)va & ~(uintptr_t)(PAGE - 1)), 1, &vec) == 0;
}

/* ------------------------------------------------------------------- adding */

static int
test_mmap(void)
{
	uint8_t buf[5000];
	int fd = make_file(4 * PAGE);
	const struct rte_vfio_user_dma_info *info;

	DO(add(0x100000, 4 * PAGE, RW, dup(fd), 0));
	info = &added->info;
	TEST_ASSERT(info->iova == 0x100000 && info->size == 4 * PAGE &&
		    info->prot == (PROT_READ | PROT_WRITE) && info->fd_offset == 0 &&
		    info->mode == RTE_VFIO_USER_DMA_MMAP && info->va != NULL, "info");
	TEST_ASSERT(is_file(info->va, 0, 4 * PAGE), "content");
	TEST_ASSERT(vfio_user_dma_find(&dma, 0x100000) == added, "find");
	TEST_ASSERT(vfio_user_dma_find(&dma, 0x103fff) == added, "find the end");
	TEST_ASSERT_NULL(vfio_user_dma_find(&dma, 0x104000), "behind");
	TEST_ASSERT_NULL(vfio_user_dma_find(&dma, 0xfffff), "before");
	TEST_ASSERT(vfio_user_dma_next(&dma, 0) == added &&
		    vfio_user_dma_next(&dma, 0x100000 + 4 * PAGE - 1) == added, "next");
	TEST_ASSERT_NULL(vfio_user_dma_next(&dma, 0x100000 + 4 * PAGE), "behind");
	TEST_ASSERT(vfio_user_dma_separable(&dma, 0x100000, 0x100000 + 4 * PAGE - 1), "exact");
	TEST_ASSERT(vfio_user_dma_separable(&dma, 0, UINT64_MAX), "more");
	TEST_ASSERT(!vfio_user_dma_separable(&dma, 0x100000, 0x100000 + 3 * PAGE - 1), "shorter");
	TEST_ASSERT(!vfio_user_dma_separable(&dma, 0x101000, UINT64_MAX), "inside");
	TEST_ASSERT(!vfio_user_dma_separable(&dma, 0, 0xfffff), "before");
	DO(access_all(false, 0x100123, buf, sizeof(buf)));
	TEST_ASSERT(is_file(buf, 0x123, sizeof(buf)), "read");
	memset(buf, 0xa5, sizeof(buf));
	DO(access_all(true, 0x100fff, buf, 2));
	TEST_ASSERT(pread(fd, buf + 10, 4, 0xffe) == 4 && buf[11] == 0xa5 &&
		    buf[12] == 0xa5 && is_file(buf + 10, 0xffe, 1) &&
		    is_file(buf + 13, 0x1001, 1), "write");
	close(fd);
	return TEST_SUCCESS;
}

/* Neither address, size nor file offset has to be a multiple of a page. */
static int
test_unaligned(void)
{
	static const struct {
		uint64_t iova, size, off;
	} cases[] = {
		{ 0x1000, 100, 100 }, { 0x2345, 5000, 4095 }, { 0x8001, 1, 3 * PAGE - 1 },
		{ 0x9000, 2 * PAGE, PAGE / 2 }, { 0xf003, 3 * PAGE, 0 },
		{ UINT64_MAX - 4999, 5000, 77 },
	};
	int fd = make_file(3 * PAGE);
	uint8_t buf[3 * PAGE];
	uint32_t i;

	for (i = 0; i < RTE_DIM(cases); i++) {
		DO(add(cases[i].iova, cases[i].size, RW, dup(fd), cases[i].off));
		TEST_ASSERT(is_file(added->info.va, cases[i].off, cases[i].size), "%u", i);
		DO(access_all(false, cases[i].iova, buf, cases[i].size));
		TEST_ASSERT(is_file(buf, cases[i].off, cases[i].size), "case %u", i);
	}
	close(fd);
	vfio_user_dma_remove_all(&dma);
	TEST_ASSERT(vfio_user_dma_settle(&dma), "settle");
	TEST_ASSERT_EQUAL(count_fds(), nb_fds_before, "fds");
	return TEST_SUCCESS;
}

static int
test_file_io(void)
{
	int fd = make_file(3 * PAGE);
	uint8_t buf[2 * PAGE];

	DO(add(0x100000, 2 * PAGE, RW | F_IO, dup(fd), 100));
	TEST_ASSERT(added->info.mode == RTE_VFIO_USER_DMA_FILE && added->info.va == NULL &&
		    added->info.fd >= 0 && added->info.fd_offset == 100, "info");
	DO(access_all(false, 0x100000, buf, sizeof(buf)));
	TEST_ASSERT(is_file(buf, 100, sizeof(buf)), "read");
	DO(access_all(false, 0x101ffd, buf, 3));
	TEST_ASSERT(is_file(buf, 100 + 0x1ffd, 3), "read the end");
	buf[0] = 0x77;
	DO(access_all(true, 0x100001, buf, 1));
	TEST_ASSERT(pread(fd, buf + 1, 1, 101) == 1 && buf[1] == 0x77, "write");
	/* the client cuts its file: an error, no SIGBUS, no endless loop */
	TEST_ASSERT_SUCCESS(ftruncate(fd, PAGE), "truncate");
	TEST_ASSERT_EQUAL(access_all(false, 0x101000, buf, 8), -EIO, "behind the end");
	close(fd);
	/* both are offered: mapped */
	DO(add(0x200000, PAGE, RW | F_IO | F_MMAP, make_file(PAGE), 0));
	TEST_ASSERT_EQUAL(added->info.mode, RTE_VFIO_USER_DMA_MMAP, "mode");
	DO(add(0x300000, PAGE, RW | F_MMAP, make_file(PAGE), 0));
	TEST_ASSERT_EQUAL(added->info.mode, RTE_VFIO_USER_DMA_MMAP, "mode");
	return TEST_SUCCESS;
}

static int
test_message(void)
{
	struct vfio_user_dma_piece piece;
	uint8_t buf[16];

	DO(add(0x100000, PAGE, RW, -1, 0));
	TEST_ASSERT(added->info.mode == RTE_VFIO_USER_DMA_MSG && added->info.fd == -1 &&
		    added->info.va == NULL, "info");
	DO(add(0x200000, UINT64_MAX - 0x200000 + 1, R, -1, 0));
	DO(vfio_user_dma_access(&dma, false, 0x100ff8, buf, 16, &piece));
	TEST_ASSERT(piece.mode == RTE_VFIO_USER_DMA_MSG && piece.len == 8, "piece");
	DO(vfio_user_dma_access(&dma, false, UINT64_MAX, buf, 16, &piece));
	TEST_ASSERT(piece.mode == RTE_VFIO_USER_DMA_MSG && piece.len == 1, "last byte");
	TEST_ASSERT_EQUAL(vfio_user_dma_access(&dma, true, 0x200000, buf, 1, &piece),
			  -EPERM, "read-only");
	return TEST_SUCCESS;
}

static int
test_access(void)
{
	int fd = make_file(4 * PAGE);
	uint8_t buf[4 * PAGE];

	/* adjacent ones of three kinds; the pieces follow the file */
	DO(add(0x100000, PAGE, RW, dup(fd), 0));
	DO(add(0x101000, PAGE, RW | F_IO, dup(fd), PAGE));
	DO(add(0x102000, PAGE + 1, R, dup(fd), 2 * PAGE));
	DO(add(0x103001, 10, W, dup(fd), 3 * PAGE + 1));
	DO(access_all(false, 0x100000, buf, 3 * PAGE + 1));
	TEST_ASSERT(is_file(buf, 0, 3 * PAGE + 1), "read over three");
	DO(access_all(false, 0x100ff0, buf, 2 * PAGE));
	TEST_ASSERT(is_file(buf, 0xff0, 2 * PAGE), "read over three");
	TEST_ASSERT_EQUAL(access_all(false, 0x102fff, buf, 3), -EPERM, "write-only");
	TEST_ASSERT_EQUAL(access_all(true, 0x101fff, buf, 3), -EPERM, "read-only");
	DO(access_all(true, 0x103001, buf, 10));
	TEST_ASSERT_EQUAL(access_all(true, 0x103001, buf, 11), -EFAULT, "behind");
	TEST_ASSERT_EQUAL(access_all(false, 0xfffff, buf, 3), -EFAULT, "before");
	TEST_ASSERT_EQUAL(access_all(false, 0, buf, 1), -EFAULT, "nowhere");
	TEST_ASSERT_EQUAL(access_all(false, UINT64_MAX, buf, 1), -EFAULT, "nowhere");
	close(fd);
	return TEST_SUCCESS;
}

static int
test_refused(void)
{
	static const uint64_t overlaps[][2] = {
		{ 0x100000, 2 * PAGE }, { 0x100000, 1 }, { 0x101fff, 1 },
		{ 0x100800, 0x800 }, { 0xfffff, 2 }, { 0xff000, 4 * PAGE },
		{ 0x101fff, PAGE }, { 0, UINT64_MAX },
	};
	int fd, i;

	DO(add(0x100000, 2 * PAGE, RW, make_file(2 * PAGE), 0));
	fd = count_fds();
	for (i = 0; i < (int)RTE_DIM(overlaps); i++) {
		TEST_ASSERT_EQUAL(add(overlaps[i][0], overlaps[i][1], RW, -1, 0), -EEXIST,
				  "case %d", i);
		TEST_ASSERT_EQUAL(add(overlaps[i][0], overlaps[i][1], RW,
				make_file(PAGE), 0), -EEXIST, "case %d", i);
	}
	/* the file is too small for what is asked */
	TEST_ASSERT_EQUAL(add(0x200000, PAGE + 1, RW, make_file(PAGE), 0), -EINVAL, "size");
	TEST_ASSERT_EQUAL(add(0x200000, PAGE, RW, make_file(PAGE), 1), -EINVAL, "offset");
	TEST_ASSERT_EQUAL(add(0x200000, PAGE, RW, make_file(PAGE), PAGE), -EINVAL, "end");
	TEST_ASSERT_EQUAL(add(0x200000, PAGE, RW | F_IO, make_file(PAGE), 1), -EINVAL, "I/O");
	TEST_ASSERT_EQUAL(add(0x200000, 1, RW, make_file(0), 0), -EINVAL, "empty file");
	TEST_ASSERT_EQUAL(add(0x200000, PAGE, RW, make_file(PAGE), INT64_MAX - PAGE),
			  -EINVAL, "far offset");
	TEST_ASSERT_EQUAL(count_fds(), fd, "fds");
	/* the limit */
	for (i = 1; i < (int)MAX_MAPS; i++)
		DO(add(0x200000 + (uint64_t)i * PAGE, PAGE, RW, -1, 0));
	TEST_ASSERT_EQUAL(add(0x400000, PAGE, RW, -1, 0), -ENOSPC, "full");
	TEST_ASSERT_EQUAL(add(0x400000, PAGE, RW, make_file(PAGE), 0), -ENOSPC, "full");
	TEST_ASSERT_EQUAL(count_fds(), fd, "fds");
	DO(vfio_user_dma_remove(&dma, vfio_user_dma_find(&dma, 0x100000)));
	DO(add(0x100000, PAGE, RW, -1, 0));
	return TEST_SUCCESS;
}

enum hostile {
	PIPE, FIFO, SOCKET, EVENTFD, EPOLL, DIRECTORY, PATH_FD, READ_ONLY, WRITE_ONLY,
	SEALED, NB_HOSTILE
};

static int
make_hostile(enum hostile kind)
{
	int fd = -1, two[2] = { -1, -1 };
	char path[64];

	switch (kind) {
	case PIPE:
	case FIFO: /* its writing end */
		if (pipe2(two, O_CLOEXEC) < 0)
			return -1;
		close(two[kind == PIPE]);
		return two[kind != PIPE];
	case SOCKET:
		return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	case EVENTFD:
		return eventfd(0, EFD_CLOEXEC);
	case EPOLL:
		return epoll_create1(EPOLL_CLOEXEC);
	case DIRECTORY:
		return open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	case PATH_FD:
		return open("/dev/null", O_PATH | O_CLOEXEC);
	case READ_ONLY:
	case WRITE_ONLY:
		two[0] = make_file(PAGE);
		snprintf(path, sizeof(path), "/proc/self/fd/%d", two[0]);
		fd = open(path, (kind == READ_ONLY ? O_RDONLY : O_WRONLY) | O_CLOEXEC);
		close(two[0]);
		return fd;
	default:
		fd = make_file(PAGE);
		fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE);
		return fd;
	}
}

/* Refused, or each access fails; nothing blocks, leaks or kills. */
static int
test_hostile_files(void)
{
	int kind, ret, fd, fds;
	uint8_t buf[8] = { 0 };

	for (kind = 0; kind < NB_HOSTILE; kind++) {
		fds = count_fds();
		fd = make_hostile(kind);
		TEST_ASSERT(fd >= 0, "kind %d", kind);
		ret = add(0x100000, PAGE, RW, fd, 0);
		TEST_ASSERT(ret < 0, "kind %d accepted", kind);
		TEST_ASSERT_EQUAL(count_fds(), fds, "kind %d: fd", kind);
		ret = add(0x100000, PAGE, RW | F_IO, make_hostile(kind), 0);
		TEST_ASSERT(ret <= 0, "kind %d", kind);
		if (ret == 0) {
			ret = access_all(false, 0x100000, buf, sizeof(buf));
			TEST_ASSERT(ret < 0 || kind == READ_ONLY || kind == SEALED,
				    "kind %d read", kind);
			ret = access_all(true, 0x100000, buf, sizeof(buf));
			TEST_ASSERT(ret < 0 || kind == WRITE_ONLY, "kind %d written", kind);
			DO(vfio_user_dma_remove(&dma, added));
			TEST_ASSERT(vfio_user_dma_settle(&dma), "settle");
		}
		TEST_ASSERT_EQUAL(count_fds(), fds, "kind %d: fd", kind);
	}
	DO(add(0x100000, PAGE, R, make_hostile(READ_ONLY), 0));
	TEST_ASSERT_EQUAL(access_all(true, 0x100000, buf, 8), -EPERM, "not writable");
	DO(add(0x200000, PAGE, R, make_hostile(SEALED), 0));
	return TEST_SUCCESS;
}

/* ------------------------------------------------------------- grace periods */

static struct vfio_user_reader *
make_reader(void)
{
	struct vfio_user_reader *reader =
		aligned_alloc(RTE_CACHE_LINE_SIZE, RTE_ALIGN_CEIL(sizeof(*reader),
								  RTE_CACHE_LINE_SIZE));

	if (reader == NULL)
		return NULL;
	memset(reader, 0, sizeof(*reader));
	vfio_user_dma_attach_reader(&dma, &reader->pub);
	if (vfio_user_grace_add(&dma.grace, reader) == 0)
		return reader;
	free(reader);
	return NULL;
}

static void
free_reader(struct vfio_user_reader *reader)
{
	vfio_user_grace_remove(&dma.grace, reader);
	free(reader);
}

/* Map one page, remember where, have a reader begin a section, unmap it. */
static int
add_and_remove(void **va, struct vfio_user_reader *reader)
{
	DO(add(0x100000, PAGE, RW, make_file(PAGE), 0));
	*va = added->info.va;
	TEST_ASSERT(vfio_user_dma_settle(&dma), "settle");
	if (reader != NULL)
		rte_vfio_user_dma_begin(&reader->pub);
	DO(vfio_user_dma_remove(&dma, added));
	TEST_ASSERT(vfio_user_dma_unsettled(&dma), "nothing waits");
	TEST_ASSERT(is_mapped(*va), "gone at once");
	TEST_ASSERT_NULL(vfio_user_dma_find(&dma, 0x100000), "still found");
	return TEST_SUCCESS;
}

static int
test_no_reader(void)
{
	int fds = count_fds();
	void *va;

	TEST_ASSERT(vfio_user_dma_settle(&dma), "nothing to do");
	TEST_ASSERT(!vfio_user_dma_unsettled(&dma), "nothing to do");
	DO(add_and_remove(&va, NULL));
	TEST_ASSERT(vfio_user_dma_settle(&dma), "settle");
	TEST_ASSERT(!vfio_user_dma_unsettled(&dma) && !is_mapped(va), "not released");
	TEST_ASSERT_EQUAL(count_fds(), fds, "fds");
	return TEST_SUCCESS;
}

static int
test_idle_reader(void)
{
	struct vfio_user_reader *reader = make_reader(), *second = make_reader();
	void *va;

	TEST_ASSERT(reader != NULL && second != NULL, "reader");
	DO(add(0x200000, PAGE, RW, make_file(PAGE), 0));
	rte_vfio_user_dma_begin(&reader->pub);
	TEST_ASSERT_NOT_NULL(rte_vfio_user_dma_va(&reader->pub, 0x200000, 1, PROT_READ), "va");
	rte_vfio_user_dma_end(&reader->pub);
	DO(add_and_remove(&va, NULL));
	TEST_ASSERT(vfio_user_dma_settle(&dma), "waits for an idle reader");
	TEST_ASSERT(!is_mapped(va), "not released");
	free_reader(reader);
	free_reader(second);
	return TEST_SUCCESS;
}

static int
test_reader_inside(void)
{
	struct vfio_user_reader *reader = make_reader(), *idle = make_reader();
	void *va, *again;
	int i;

	TEST_ASSERT(reader != NULL && idle != NULL, "reader");
	rte_vfio_user_dma_begin(&reader->pub);
	TEST_ASSERT_NULL(rte_vfio_user_dma_va(&reader->pub, 0x100000, 1, PROT_READ), "va");
	rte_vfio_user_dma_end(&reader->pub);
	DO(add(0x100000, PAGE, RW, make_file(PAGE), 0));
	rte_vfio_user_dma_begin(&reader->pub);
	va = rte_vfio_user_dma_va(&reader->pub, 0x100010, 16, PROT_READ);
	TEST_ASSERT(va != NULL && is_file(va, 0x10, 16), "va");
	DO(vfio_user_dma_remove(&dma, added));
	for (i = 0; i < 10; i++) {
		TEST_ASSERT(!vfio_user_dma_settle(&dma), "settled under a reader");
		TEST_ASSERT(vfio_user_dma_unsettled(&dma), "settled under a reader");
		TEST_ASSERT(is_file(va, 0x10, 16), "content");
		again = rte_vfio_user_dma_va(&reader->pub, 0x100010, 16, PROT_READ);
		TEST_ASSERT(again == va, "the section's view changed");
		/* changes meanwhile are allowed, and are waited for after it */
		DO(add(0x200000, PAGE, RW, make_file(PAGE), 0));
		DO(vfio_user_dma_remove(&dma, added));
	}
	rte_vfio_user_dma_end(&reader->pub);
	TEST_ASSERT(vfio_user_dma_settle(&dma), "reader has left");
	TEST_ASSERT(!vfio_user_dma_unsettled(&dma) && !is_mapped(va), "not released");
	rte_vfio_user_dma_begin(&reader->pub);
	TEST_ASSERT_NULL(rte_vfio_user_dma_va(&reader->pub, 0x100010, 1, PROT_READ), "va");
	rte_vfio_user_dma_end(&reader->pub);
	free_reader(reader);
	free_reader(idle);
	return TEST_SUCCESS;
}

/* One that is always inside, but in another section, delays nothing. */
static int
test_reader_busy(void)
{
	struct vfio_user_reader *reader = make_reader();
	void *va;

	TEST_ASSERT_NOT_NULL(reader, "reader");
	DO(add_and_remove(&va, reader));
	TEST_ASSERT(!vfio_user_dma_settle(&dma), "settled under a reader");
	rte_vfio_user_dma_end(&reader->pub);
	rte_vfio_user_dma_begin(&reader->pub);
	TEST_ASSERT(vfio_user_dma_settle(&dma), "waits for a later section");
	TEST_ASSERT(!is_mapped(va), "not released");
	/* one that goes away inside a grace period */
	rte_vfio_user_dma_end(&reader->pub);
	DO(add_and_remove(&va, reader));
	TEST_ASSERT(!vfio_user_dma_settle(&dma), "settled under a reader");
	rte_vfio_user_dma_end(&reader->pub);
	free_reader(reader);
	TEST_ASSERT(vfio_user_dma_settle(&dma), "reader is gone");
	/* one that comes into a grace period */
	vfio_user_dma_remove_all(&dma);
	reader = make_reader();
	rte_vfio_user_dma_begin(&reader->pub);
	rte_vfio_user_dma_end(&reader->pub);
	TEST_ASSERT(vfio_user_dma_settle(&dma), "new reader");
	free_reader(reader);
	return TEST_SUCCESS;
}

static int
test_slow_users(void)
{
	uint32_t slots[3];
	void *va;

	slots[0] = vfio_user_grace_enter(&dma.grace);
	slots[1] = vfio_user_grace_enter(&dma.grace);
	DO(add(0x100000, PAGE, RW, make_file(PAGE), 0));
	va = added->info.va;
	DO(vfio_user_dma_remove(&dma, added));
	TEST_ASSERT(!vfio_user_dma_settle(&dma), "settled under a user");
	vfio_user_grace_leave(&dma.grace, slots[0]);
	slots[2] = vfio_user_grace_enter(&dma.grace); /* a later one */
	TEST_ASSERT(!vfio_user_dma_settle(&dma), "settled under a user");
	TEST_ASSERT(is_mapped(va), "released");
	vfio_user_grace_leave(&dma.grace, slots[1]);
	TEST_ASSERT(vfio_user_dma_settle(&dma), "waits for a later user");
	TEST_ASSERT(!is_mapped(va), "not released");
	vfio_user_dma_remove_all(&dma);
	TEST_ASSERT(!vfio_user_dma_settle(&dma), "settled under a user");
	vfio_user_grace_leave(&dma.grace, slots[2]);
	TEST_ASSERT(vfio_user_dma_settle(&dma), "all have left");
	return TEST_SUCCESS;
}

static int
test_va(void)
{
	struct vfio_user_reader *reader = make_reader();
	struct rte_vfio_user_dma_reader *pub = &reader->pub;
	uint8_t *base, *other;

	TEST_ASSERT_NOT_NULL(reader, "reader");
	DO(add(0x100000, 2 * PAGE, RW, make_file(2 * PAGE), 0));
	base = added->info.va;
	DO(add(0x102000, PAGE, R, make_file(PAGE), 0));
	other = added->info.va;
	DO(add(0x103000, PAGE, RW | F_IO, make_file(PAGE), 0));
	DO(add(0x104000, PAGE, RW, -1, 0));
	DO(add(UINT64_MAX - PAGE + 1, PAGE, RW, make_file(PAGE), 0));
	rte_vfio_user_dma_begin(pub);
#define VA(iova, len, prot) ((uint8_t *)rte_vfio_user_dma_va(pub, iova, len, prot))
	TEST_ASSERT(VA(0x100000, 1, PROT_READ) == base, "first");
	TEST_ASSERT(VA(0x101fff, 1, PROT_READ) == base + 0x1fff, "hit");
	TEST_ASSERT(VA(0x100000, 2 * PAGE, PROT_READ | PROT_WRITE) == base, "all of it");
	TEST_ASSERT_NULL(VA(0x100000, 2 * PAGE + 1, PROT_READ), "into the next");
	TEST_ASSERT_NULL(VA(0x100001, 2 * PAGE, PROT_READ), "into the next");
	TEST_ASSERT_NULL(VA(0x100000, UINT64_MAX, PROT_READ), "wraps");
	TEST_ASSERT_NULL(VA(0x100000, 0, PROT_READ), "no bytes");
	TEST_ASSERT_NULL(VA(0x100000, 1, 0), "no access");
	TEST_ASSERT_NULL(VA(0xfffff, 1, PROT_READ), "before the hit");
	TEST_ASSERT(VA(0x102000, PAGE, PROT_READ) == other, "second");
	TEST_ASSERT_NULL(VA(0x102000, 1, PROT_WRITE), "read-only");
	TEST_ASSERT_NULL(VA(0x102000, 1, PROT_READ | PROT_WRITE), "read-only");
	TEST_ASSERT_NULL(VA(0x103000, 1, PROT_READ), "by file I/O");
	TEST_ASSERT_NULL(VA(0x104000, 1, PROT_READ), "by messages");
	TEST_ASSERT_NOT_NULL(VA(UINT64_MAX, 1, PROT_READ), "last byte");
	TEST_ASSERT_NULL(VA(UINT64_MAX, 2, PROT_READ), "wraps");
	TEST_ASSERT_NOT_NULL(VA(UINT64_MAX - PAGE + 1, PAGE, PROT_WRITE), "last page");
	TEST_ASSERT_NULL(VA(UINT64_MAX - PAGE, 1, PROT_READ), "before it");
	TEST_ASSERT_NULL(VA(0, 1, PROT_READ), "behind it");
	rte_vfio_user_dma_end(pub);
	free_reader(reader);
	return TEST_SUCCESS;
}

/* -------------------------------------------------------------------- stress */

#define SLOTS 6
#define ROUNDS 2000
#define SLOT_IOVA(i) (UINT64_C(0x10000000) + (uint64_t)(i) * PAGE)
#define SLOT_WORD(i) (UINT64_C(0x5eed000000000000) ^ SLOT_IOVA(i))

static bool stress_stop;
static uint32_t stress_errors;
static uint64_t stress_hits[3]; /* of each thread; atomic */

/* Each word of a slot's page tells which slot it is. */
static int
make_slot_file(int i)
{
	uint64_t words[PAGE / sizeof(uint64_t)];
	int fd = memfd_create("slot", MFD_CLOEXEC);
	uint32_t w;

	for (w = 0; w < RTE_DIM(words); w++)
		words[w] = SLOT_WORD(i);
	return write(fd, words, sizeof(words)) == sizeof(words) ? fd : -1;
}

static void
stress_check(uint64_t word, int slot)
{
	if (word != SLOT_WORD(slot))
		__atomic_fetch_add(&stress_errors, 1, __ATOMIC_RELAXED);
}

/* A thread's number and reader. */
struct stress_thread {
	pthread_t thread;
	struct vfio_user_reader *reader;
	uint64_t *hits;
};

static void
stress_hit(struct stress_thread *self)
{
	__atomic_fetch_add(self->hits, 1, __ATOMIC_RELAXED);
}

static void *
run_reader(void *arg)
{
	struct stress_thread *self = arg;
	struct vfio_user_reader *reader = self->reader;
	const volatile uint64_t *va[SLOTS];
	uint64_t burst;
	int i;

	for (burst = 0; !__atomic_load_n(&stress_stop, __ATOMIC_ACQUIRE); burst++) {
		rte_vfio_user_dma_begin(&reader->pub);
		for (i = 0; i < SLOTS; i++)
			va[i] = rte_vfio_user_dma_va(&reader->pub, SLOT_IOVA(i), 8, PROT_READ);
		if (burst % 64 == 0)
			sched_yield(); /* be caught inside */
		for (i = 0; i < SLOTS; i++) {
			if (va[i] == NULL)
				continue;
			stress_check(va[i][0], i);
			stress_hit(self);
		}
		rte_vfio_user_dma_end(&reader->pub);
	}
	return NULL;
}

static void *
run_slow_user(void *arg)
{
	struct stress_thread *self = arg;
	struct vfio_user_dma_piece piece;
	uint64_t word;
	int i;

	while (!__atomic_load_n(&stress_stop, __ATOMIC_ACQUIRE)) {
		for (i = 0; i < SLOTS; i++) {
			if (vfio_user_dma_access(&dma, false, SLOT_IOVA(i), &word,
						 sizeof(word), &piece) < 0)
				continue;
			stress_check(word, i);
			stress_hit(self);
		}
		sched_yield();
	}
	return NULL;
}

static int
churn(const int *files)
{
	uint32_t seed = 12345, round, i;
	struct vfio_user_dma_region *region;

	for (round = 0; round < ROUNDS; round++) {
		seed = seed * 1664525 + 1013904223;
		i = (seed >> 16) % SLOTS;
		region = vfio_user_dma_find(&dma, SLOT_IOVA(i));
		if (region == NULL)
			DO(add(SLOT_IOVA(i), PAGE, RW, dup(files[i]), 0));
		else
			DO(vfio_user_dma_remove(&dma, region));
		if (round % 97 == 0)
			vfio_user_dma_remove_all(&dma);
		if ((seed >> 8) % 4 != 0)
			vfio_user_dma_settle(&dma);
		while ((seed >> 10) % 8 == 0 && !vfio_user_dma_settle(&dma))
			sched_yield();
	}
	return TEST_SUCCESS;
}

static bool
stress_done(void)
{
	uint32_t i;

	for (i = 0; i < RTE_DIM(stress_hits); i++)
		if (__atomic_load_n(&stress_hits[i], __ATOMIC_RELAXED) < 1000)
			return false;
	return true;
}

static int
test_stress(void)
{
	struct stress_thread threads[RTE_DIM(stress_hits)];
	int files[SLOTS], i, ret, rounds = 0;

	stress_stop = false;
	stress_errors = 0;
	memset(stress_hits, 0, sizeof(stress_hits));
	for (i = 0; i < SLOTS; i++)
		TEST_ASSERT((files[i] = make_slot_file(i)) >= 0, "file");
	for (i = 0; i < 3; i++) {
		threads[i].hits = &stress_hits[i];
		threads[i].reader = i < 2 ? make_reader() : NULL;
		TEST_ASSERT_SUCCESS(pthread_create(&threads[i].thread, NULL, i < 2 ?
				run_reader : run_slow_user, &threads[i]), "thread");
	}
	do {
		ret = churn(files);
	} while (ret == 0 && !stress_done() && ++rounds < 1000);
	__atomic_store_n(&stress_stop, true, __ATOMIC_RELEASE);
	for (i = 0; i < 3; i++) {
		pthread_join(threads[i].thread, NULL);
		if (threads[i].reader != NULL)
			free_reader(threads[i].reader);
	}
	for (i = 0; i < SLOTS; i++)
		close(files[i]);
	DO(ret);
	vfio_user_dma_remove_all(&dma);
	TEST_ASSERT(vfio_user_dma_settle(&dma), "settle");
	TEST_ASSERT_EQUAL(stress_errors, 0u, "wrong memory was read");
	TEST_ASSERT(stress_done(), "a thread did next to nothing");
	TEST_ASSERT_EQUAL(count_fds(), nb_fds_before, "fds");
	return TEST_SUCCESS;
}

#define CASE(fn) TEST_CASE_ST(setup, teardown, fn)

static struct unit_test_suite dma_suite = {
	.suite_name = "vfio-user DMA mappings",
	.unit_test_cases = {
		CASE(test_mmap),
		CASE(test_unaligned),
		CASE(test_file_io),
		CASE(test_message),
		CASE(test_access),
		CASE(test_refused),
		CASE(test_hostile_files),
		CASE(test_no_reader),
		CASE(test_idle_reader),
		CASE(test_reader_inside),
		CASE(test_reader_busy),
		CASE(test_slow_users),
		CASE(test_va),
		CASE(test_stress),
		TEST_CASES_END()
	},
};

static int
test_vfio_user_dma(void)
{
	return unit_test_suite_runner(&dma_suite);
}

REGISTER_TEST_COMMAND(vfio_user_dma_autotest, test_vfio_user_dma);
