/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

/* Memory mappings that many DMA mappings share, and their limits. */

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <rte_common.h>

#include "test.h"
#include "test_short.h"
#include "test_fault.h"
#include "test_vfio_user_fds.h"
#include "vfio_user_dma.h"

/* in the names of the memory that tests and library share */
#define SHARED "window-test"

#define PAGE UINT64_C(4096)
#define MIB (UINT64_C(1) << 20)
#define GIB (UINT64_C(1) << 30)
#define R VFIO_USER_DMA_MAP_F_READ
#define W VFIO_USER_DMA_MAP_F_WRITE
#define RW (R | W)

static struct vfio_user_dma_conf conf;
static struct vfio_user_dma dma;
static struct vfio_user_dma_region *added;

static int
start(void)
{
	vfio_user_dma_fini(&dma);
	return vfio_user_dma_init(&dma, &conf);
}

static int
setup(void)
{
	static int first;

	conf.max_maps = RTE_VFIO_USER_DEFAULT_DMA_MAPS;
	conf.max_files = 10;
	conf.max_bytes = RTE_VFIO_USER_DEFAULT_DMA_BYTES;
	conf.require_seals = false;
	conf.wake_fd = -1;
	DO(vfio_user_dma_init(&dma, &conf));
	return check_fds(&first);
}

static void
teardown(void)
{
	vfio_user_dma_fini(&dma);
}

/* A file without any page; its name is found in /proc/self/maps. */
static int
make_file(uint64_t size)
{
	int fd = memfd_create("window-test", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	return fd < 0 || ftruncate(fd, (off_t)size) < 0 ? -1 : fd;
}

static int
add(uint64_t iova, uint64_t size, uint32_t flags, int fd, uint64_t offset)
{
	const struct vfio_user_dma_map req = {
		.argsz = sizeof(req), .flags = flags, .offset = offset,
		.addr = iova, .size = size,
	};

	return vfio_user_dma_add(&dma, &req, fd, &added);
}

/* Remove what is mapped at an address, and settle. */
static int
del(uint64_t iova)
{
	DO(vfio_user_dma_remove(&dma, vfio_user_dma_find(&dma, iova)));
	TEST_ASSERT(vfio_user_dma_settle(&dma), "settle");
	return TEST_SUCCESS;
}

static int
del_all(void)
{
	vfio_user_dma_remove_all(&dma);
	TEST_ASSERT(vfio_user_dma_settle(&dma), "settle");
	TEST_ASSERT(dma.windows.nb == 0 && dma.windows.bytes == 0 && dma.files.nb == 0,
		    "%u windows of %llu bytes, %u files are left", dma.windows.nb,
		    (unsigned long long)dma.windows.bytes, dma.files.nb);
	TEST_ASSERT_EQUAL(count_mappings(SHARED), 0, "mappings are left");
	return TEST_SUCCESS;
}

/* ------------------------------------------------------------------- sharing */

static int
test_65535_maps(void)
{
	const uint32_t nb = 65535;
	int fd = make_file(nb * PAGE), fds = count_fds();
	uint64_t word;
	uint8_t *base;
	uint32_t i;

	for (i = 0; i < nb; i += 1000) {
		word = i;
		TEST_ASSERT_EQUAL(pwrite(fd, &word, 8, (off_t)(i * PAGE)), 8, "write");
	}
	DO(add(0, PAGE, RW, dup(fd), 0));
	base = added->info.va;
	for (i = 1; i < nb; i++) {
		DO(add(2 * i * PAGE, PAGE, RW, dup(fd), i * PAGE));
		TEST_ASSERT(added->info.va == base + i * PAGE, "map %u", i);
		if (i % 1000 == 0)
			TEST_ASSERT(memcmp(added->info.va, (uint64_t[]){ i }, 8) == 0, "%u", i);
	}
	TEST_ASSERT_EQUAL(add(UINT64_C(1) << 40, PAGE, RW, dup(fd), 0), -ENOSPC, "limit");
	TEST_ASSERT_EQUAL(count_fds(), fds + 1, "fds");
	TEST_ASSERT_EQUAL(count_mappings(SHARED), 1, "mappings");
	for (i = 1; i < nb; i++)
		DO(del(2 * i * PAGE));
	TEST_ASSERT(dma.windows.nb == 1 && count_mappings(SHARED) == 1 &&
		    count_fds() == fds + 1, "the first still uses it");
	DO(del(0));
	TEST_ASSERT(dma.windows.nb == 0 && count_mappings(SHARED) == 0 && count_fds() == fds,
		    "nobody uses it");
	close(fd);
	return TEST_SUCCESS;
}

/* Each access has its own memory, and cannot do more than it says. */
static int
test_protections(void)
{
	int fd = make_file(16 * PAGE), fds = count_fds();
	uint64_t iova = 0;
	uint32_t i, flags;
	uint8_t *va[4] = { NULL };

	for (i = 0; i < 12; i++, iova += PAGE) {
		flags = 1 + i % 3;
		DO(add(iova, PAGE, flags, dup(fd), i * PAGE));
		if (i < 3)
			va[flags] = added->info.va;
		else
			TEST_ASSERT(added->info.va == va[flags] + (i - i % 3) * PAGE, "%u", i);
	}
	TEST_ASSERT(dma.windows.nb == 3 && count_mappings(SHARED) == 3 && count_fds() == fds + 1,
		    "%u windows", dma.windows.nb);
	/* opened for reading only: another fd, other memory, no writing */
	i = (uint32_t)open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	DO(add(iova, PAGE, R, (int)i, 0));
	TEST_ASSERT_EQUAL(add(iova + PAGE, PAGE, RW, dup((int)i), 0), -EACCES, "write");
	TEST_ASSERT(dma.windows.nb == 4 && dma.files.nb == 2, "refused: no trace");
	close(fd);
	return del_all();
}

/* Ranges over borders of windows, in windows, and around them. */
static int
test_ranges(void)
{
	int fd = make_file(4 * GIB);
	uint8_t *low, *both, *behind;

	DO(add(0 * GIB, PAGE, RW, dup(fd), 7 * PAGE));
	low = (uint8_t *)added->info.va - 7 * PAGE;
	TEST_ASSERT(dma.windows.nb == 1 && dma.windows.bytes == GIB, "one granule");
	DO(add(1 * GIB, PAGE + 5, RW, dup(fd), GIB - PAGE - 5));
	TEST_ASSERT(added->info.va == low + GIB - PAGE - 5, "to its end");
	TEST_ASSERT_EQUAL(dma.windows.nb, 1u, "to its end");
	DO(add(2 * GIB, 2, RW, dup(fd), GIB - 1));
	both = (uint8_t *)added->info.va - (GIB - 1);
	TEST_ASSERT(dma.windows.nb == 2 && dma.windows.bytes == 3 * GIB, "over its end");
	/* both contain it: the one that reaches farther */
	DO(add(3 * GIB, 1, RW, dup(fd), 10));
	TEST_ASSERT(added->info.va == both + 10 && dma.windows.nb == 2, "in two");
	DO(add(4 * GIB, MIB, RW, dup(fd), 2 * GIB));
	TEST_ASSERT_EQUAL(dma.windows.nb, 3u, "behind both");
	behind = added->info.va;
	DO(add(8 * GIB, 4 * GIB, RW, dup(fd), 0));
	TEST_ASSERT(dma.windows.nb == 4 && dma.windows.bytes == 8 * GIB, "around all");
	DO(add(5 * GIB, PAGE, RW, dup(fd), 3 * GIB));
	TEST_ASSERT_EQUAL(dma.windows.nb, 4u, "inside of all");
	/* in any order; what is left is still found */
	DO(del(2 * GIB));
	DO(del(3 * GIB));
	TEST_ASSERT_EQUAL(dma.windows.nb, 3u, "the second is not used");
	DO(del(8 * GIB));
	DO(del(5 * GIB));
	TEST_ASSERT_EQUAL(dma.windows.nb, 2u, "the last is not used");
	DO(add(2 * GIB, 1, RW, dup(fd), 11));
	TEST_ASSERT(added->info.va == low + 11 && dma.windows.nb == 2, "the first is found");
	DO(add(6 * GIB, 1, RW, dup(fd), 2 * GIB + 9));
	TEST_ASSERT(added->info.va == behind + 9 && dma.windows.nb == 2, "so is the third");
	close(fd);
	return del_all();
}

/* Against a model: each byte is where it belongs, windows go with their users. */
static int
test_random(void)
{
	const uint64_t size = 6 * GIB;
	uint64_t offs[8] = { 0 }, off, len, word;
	int fd = make_file(size), round;
	uint32_t seed = 4711, i;

	for (round = 0; round < FEWER_WITH_TSAN(20000, 10); round++) {
		seed = seed * 1664525 + 1013904223;
		i = (seed >> 8) % RTE_DIM(offs);
		if (offs[i] != 0) {
			memcpy(&word, vfio_user_dma_find(&dma, i * 8 * GIB)->info.va, 8);
			TEST_ASSERT_EQUAL(word, offs[i], "round %d", round);
			DO(del(i * 8 * GIB));
			offs[i] = 0;
			continue;
		}
		off = (1 + (seed >> 14) % (4 * 1024)) * MIB + (seed >> 20) % 64 * 8;
		len = (seed >> 27) % 4 == 0 ? (seed >> 16) % 3000 * MIB + 8 : 8;
		len = RTE_MIN(len, size - off);
		TEST_ASSERT_EQUAL(pwrite(fd, &off, 8, (off_t)off), 8, "write");
		DO(add(i * 8 * GIB, len, RW, dup(fd), off));
		offs[i] = off;
	}
	TEST_ASSERT_EQUAL(count_mappings(SHARED), (int)dma.windows.nb, "mappings");
	close(fd);
	return del_all();
}

/* A file that grows needs few windows, and none behind its end. */
static int
test_growing(void)
{
	int fd = make_file(PAGE);
	uint64_t i;

	TEST_ASSERT_EQUAL(add(0, 2 * PAGE, RW, dup(fd), 0), -EINVAL, "behind the end");
	for (i = 0; i < 1024; i++) {
		TEST_ASSERT_EQUAL(add(i * PAGE, PAGE, RW, dup(fd), i * PAGE + 1), -EINVAL,
				  "behind the end");
		DO(add(i * PAGE, PAGE, RW, dup(fd), i * PAGE));
		DO(ftruncate(fd, (off_t)((i + 2) * PAGE)));
		memset(added->info.va, (int)i, PAGE);
	}
	TEST_ASSERT(dma.windows.nb <= 11, "%u windows", dma.windows.nb);
	for (i = 0; i < 1024; i++)
		TEST_ASSERT(*(uint8_t *)vfio_user_dma_find(&dma, i * PAGE)->info.va ==
			    (uint8_t)i, "page %d", (int)i);
	/* smaller again: what is mapped stays, what is not is refused */
	DO(ftruncate(fd, 10 * PAGE));
	DO(del(20 * PAGE));
	TEST_ASSERT_EQUAL(add(20 * PAGE, PAGE, RW, dup(fd), 20 * PAGE), -EINVAL, "cut");
	close(fd);
	return del_all();
}

/* As long as a reader is inside, both memory and file stay. */
static int
test_last_user(void)
{
	int fd = make_file(2 * PAGE), fds = count_fds();
	uint32_t slot = vfio_user_grace_enter(&dma.grace);

	DO(add(0, PAGE, RW, fd, 0));
	DO(add(PAGE, PAGE, RW | VFIO_USER_DMA_MAP_F_FILE_IO, dup(fd), PAGE));
	vfio_user_dma_remove_all(&dma);
	TEST_ASSERT(!vfio_user_dma_settle(&dma), "settled under a user");
	TEST_ASSERT(count_mappings(SHARED) == 1 && count_fds() == fds, "too early");
	vfio_user_grace_leave(&dma.grace, slot);
	TEST_ASSERT(vfio_user_dma_settle(&dma), "settle");
	TEST_ASSERT(count_mappings(SHARED) == 0 && count_fds() == fds - 1, "too late");
	return TEST_SUCCESS;
}

/* Whatever it is, the kernel decides whether it can be mapped. */
static int
test_not_regular(void)
{
	int fds = count_fds(), fd = open("/dev/zero", O_RDWR | O_CLOEXEC);
	uint8_t *first;

	DO(add(0, PAGE, RW, dup(fd), 0));
	first = added->info.va;
	DO(add(PAGE, 3 * PAGE, RW, dup(fd), 0));
	*first = 1;
	TEST_ASSERT(*(uint8_t *)added->info.va == 0 && dma.windows.nb == 2 &&
		    dma.files.nb == 2 && dma.windows.bytes == 4 * PAGE, "shared");
	close(fd);
	DO(del_all());
	TEST_ASSERT_EQUAL(count_fds(), fds, "fds");
	TEST_ASSERT_EQUAL(add(0, PAGE, RW, open("/dev/null", O_RDWR | O_CLOEXEC), 0), -ENODEV,
			  "not mappable");
	return del_all();
}

/* -------------------------------------------------------------------- limits */

static int
test_max_files(void)
{
	int fds, fd = make_file(PAGE);
	uint64_t i;

	for (i = 1; i < conf.max_files; i++)
		DO(add(i * PAGE, PAGE, RW, make_file(PAGE), 0));
	DO(add(0, PAGE, RW, dup(fd), 0));
	fds = count_fds();
	TEST_ASSERT_EQUAL(add(MIB, PAGE, RW, make_file(PAGE), 0), -EMFILE, "files");
	TEST_ASSERT_EQUAL(count_fds(), fds, "fds");
	DO(add(MIB, PAGE, RW, dup(fd), 0));
	DO(add(2 * MIB, PAGE, RW, -1, 0));
	DO(del(PAGE));
	DO(add(PAGE, PAGE, RW, make_file(PAGE), 0));
	close(fd);
	return del_all();
}

static int
test_max_bytes(void)
{
	int fd = make_file(8 * GIB);

	conf.max_bytes = 2 * GIB + 5 * PAGE;
	DO(start());
	DO(add(0 * GIB, PAGE, RW, dup(fd), 0));
	DO(add(1 * GIB, PAGE, RW, dup(fd), 5 * GIB));
	TEST_ASSERT(dma.windows.nb == 2 && dma.windows.bytes == 2 * GIB, "wide ones");
	/* no room for wide ones */
	DO(add(2 * GIB, 2 * PAGE - 1, RW, dup(fd), 3 * GIB));
	DO(add(3 * GIB, PAGE, RW, dup(fd), 4 * GIB + 1));
	TEST_ASSERT(dma.windows.nb == 4 && dma.windows.bytes == 2 * GIB + 4 * PAGE, "exact");
	TEST_ASSERT_EQUAL(add(4 * GIB, PAGE + 1, RW, dup(fd), 2 * GIB), -ENOSPC, "too large");
	DO(add(4 * GIB, PAGE, RW, dup(fd), 2 * GIB));
	TEST_ASSERT_EQUAL(add(5 * GIB, 1, RW, dup(fd), 2 * GIB + PAGE), -ENOSPC, "full");
	DO(add(5 * GIB, PAGE, RW, dup(fd), 3 * GIB));
	DO(add(6 * GIB, PAGE, RW | VFIO_USER_DMA_MAP_F_FILE_IO, dup(fd), 7 * GIB));
	DO(del(0));
	DO(add(0, PAGE, RW, dup(fd), 7 * GIB));
	close(fd);
	return del_all();
}

/* A hostile file, of nothing but holes. */
static int
test_max_windows(void)
{
	const uint64_t size = VFIO_USER_MAX_WINDOWS * 2 * GIB;
	int fd = make_file(size), ret = 0;
	uint64_t i;

	conf.max_bytes = UINT64_MAX;
	DO(start());
	for (i = 0; ret == 0; i++)
		ret = add(i * GIB, 1, RW, dup(fd), i * GIB);
	/* sanitizers leave less address space */
	TEST_ASSERT(ret == -ENOSPC || ret == -ENOMEM, "%d", ret);
	TEST_ASSERT(i == VFIO_USER_MAX_WINDOWS + 1 || ret == -ENOMEM, "%d", (int)i);
	TEST_ASSERT_EQUAL(dma.windows.nb, i - 1, "windows");
	DO(add(size, 8, RW, dup(fd), 5 * GIB + 77));
	/* more than there is address space */
	DO(del_all());
	DO(ftruncate(fd, INT64_MAX));
	TEST_ASSERT_EQUAL(add(0, INT64_MAX, RW, dup(fd), 0), -ENOMEM, "too large");
	close(fd);
	return del_all();
}

/* Address space of the process, now. */
static uint64_t
address_space(void)
{
	FILE *statm = fopen("/proc/self/statm", "r");
	unsigned long pages = 0;

	if (fscanf(statm, "%lu", &pages) != 1)
		pages = 0;
	fclose(statm);
	return pages * PAGE;
}

/* The kernel refuses a wide window: what is needed has to do. */
static int
test_no_address_space(void)
{
	int fd = make_file(8 * GIB), ret[3];
	struct rlimit old, limit;

	DO(getrlimit(RLIMIT_AS, &old));
	limit = old;
	limit.rlim_cur = (rlim_t)(address_space() + 512 * MIB);
	DO(setrlimit(RLIMIT_AS, &limit));
	ret[0] = add(0, 3 * PAGE, RW, dup(fd), GIB - PAGE + 7);
	ret[1] = add(8 * GIB, GIB, RW, dup(fd), 0);
	ret[2] = add(16 * GIB, PAGE, RW, dup(fd), GIB + 7);
	DO(setrlimit(RLIMIT_AS, &old));
	TEST_ASSERT(ret[0] == 0 && ret[1] == -ENOMEM && ret[2] == 0, "%d, %d, %d", ret[0],
		    ret[1], ret[2]);
	TEST_ASSERT(dma.windows.nb == 1 && dma.windows.bytes == 4 * PAGE, "not exact");
	DO(add(8 * GIB, GIB, RW, dup(fd), 0));
	TEST_ASSERT_EQUAL(dma.windows.bytes, GIB + 4 * PAGE, "wide again");
	close(fd);
	return del_all();
}

static int
test_seals(void)
{
	int fd, fds = count_fds();

	conf.require_seals = true;
	DO(start());
	TEST_ASSERT_EQUAL(add(0, PAGE, RW, make_file(PAGE), 0), -EPERM, "no seal");
	TEST_ASSERT_EQUAL(add(0, PAGE, RW | VFIO_USER_DMA_MAP_F_FILE_IO, make_file(PAGE), 0),
			  -EPERM, "no seal");
	fd = make_file(PAGE);
	DO(fcntl(fd, F_ADD_SEALS, F_SEAL_GROW));
	TEST_ASSERT_EQUAL(add(0, PAGE, RW, dup(fd), 0), -EPERM, "another seal");
	DO(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK));
	DO(add(0, PAGE, RW, fd, 0));
	TEST_ASSERT_EQUAL(add(PAGE, PAGE, RW, open("/dev/zero", O_RDWR | O_CLOEXEC), 0), -EPERM,
			  "cannot be sealed");
	TEST_ASSERT_EQUAL(add(PAGE, PAGE, R, open("/proc/self/exe", O_RDONLY | O_CLOEXEC), 0),
			  -EPERM, "cannot be sealed");
	DO(add(PAGE, PAGE, RW, -1, 0));
	DO(del_all());
	TEST_ASSERT_EQUAL(count_fds(), fds, "fds");
	return TEST_SUCCESS;
}

/* Each allocation on the way fails once; nothing is left of it. */
static int
test_no_memory(void)
{
	int fd = make_file(64 * GIB), fds, maps, ret;
	uint64_t i, nth;

	if (!test_alloc_fail(0))
		return TEST_SKIPPED;
	for (i = 0; i < 30; i++) {
		fds = count_fds();
		maps = count_mappings(SHARED);
		for (nth = 1; ; nth++) {
			test_alloc_fail((uint32_t)nth);
			ret = add(i * GIB, PAGE, RW, dup(fd), i * GIB);
			test_alloc_fail(0);
			if (ret == 0)
				break;
			TEST_ASSERT_EQUAL(ret, -ENOMEM, "map %d", (int)i);
			TEST_ASSERT(count_fds() == fds && count_mappings(SHARED) == maps &&
				    dma.windows.nb == i, "map %d, allocation %d", (int)i,
				    (int)nth);
		}
		TEST_ASSERT(nth > 1, "nothing failed");
	}
	close(fd);
	return del_all();
}

/* Pages that a file has. */
static uint64_t
pages_of(int fd)
{
	struct stat st;

	return fstat(fd, &st) < 0 ? UINT64_MAX : (uint64_t)st.st_blocks * 512 / PAGE;
}

/* With mlockall(), to map is to fetch: what is mapped, but not all around a page. */
static int
test_locked(void)
{
	int fd = make_file(16 * MIB);
	uint64_t pages;

	/* sanitizers replace the function of that name by nothing */
	if (syscall(SYS_mlockall, MCL_FUTURE) < 0) {
		close(fd);
		printf("mlockall: %s\n", strerror(errno));
		return TEST_SKIPPED;
	}
	DO(add(0, PAGE, RW, dup(fd), MIB));
	pages = pages_of(fd);
	*(uint8_t *)added->info.va = 1;
	DO(del(0));
	DO(add(0, 16 * MIB, RW, dup(fd), 0));
	syscall(SYS_munlockall);
	TEST_ASSERT(pages == 0, "%" PRIu64 " pages for one that is mapped", pages);
	TEST_ASSERT_EQUAL(pages_of(fd), 16 * MIB / PAGE, "all that is mapped");
	TEST_ASSERT(((uint8_t *)added->info.va)[MIB] == 1, "the page");
	close(fd);
	return del_all();
}

#define CASE(fn) TEST_CASE_ST(setup, teardown, fn)

static struct unit_test_suite window_suite = {
	.suite_name = "vfio-user windows of DMA memory",
	.unit_test_cases = {
		CASE(test_65535_maps),
		CASE(test_protections),
		CASE(test_ranges),
		CASE(test_random),
		CASE(test_growing),
		CASE(test_last_user),
		CASE(test_not_regular),
		CASE(test_max_files),
		CASE(test_max_bytes),
		CASE(test_max_windows),
		CASE(test_no_address_space),
		CASE(test_seals),
		CASE(test_no_memory),
		CASE(test_locked),
		TEST_CASES_END()
	},
};

static int
test_vfio_user_window(void)
{
	return unit_test_suite_runner(&window_suite);
}

REGISTER_TEST_COMMAND(vfio_user_window_autotest, test_vfio_user_window);
