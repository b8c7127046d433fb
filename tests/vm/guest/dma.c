/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */
#define _GNU_SOURCE /* mremap() */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "vmdev.h"

#define MAX_PAGES 64
#define COPY_TIMEOUT 30.0 /* seconds; message DMA of 16 MiB is slow */

/* Format of /proc/PID/pagemap: frame number in bits 0-54, present in 63. */
uint64_t
dma_phys(const void *addr)
{
	uint64_t page = sysconf(_SC_PAGESIZE);
	uint64_t entry;
	off_t offset = (uintptr_t)addr / page * sizeof(entry);
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);

	if (fd < 0 || pread(fd, &entry, sizeof(entry), offset) != sizeof(entry))
		fail(errno, "cannot read pagemap");
	close(fd);
	if ((entry >> 63) == 0)
		fail(0, "page of %p is not present", addr);
	return (entry & ((1ull << 55) - 1)) * page + (uintptr_t)addr % page;
}

/* The huge pages that were free when the program asked first, sorted. */
static struct page {
	uint64_t phys;
	char *addr; /* NULL when it is in use */
} pool[MAX_PAGES];
static size_t pool_size;

static int
compare_pages(const void *left, const void *right)
{
	const struct page *a = left, *b = right;

	return a->phys < b->phys ? -1 : a->phys > b->phys;
}

static void
fill_pool(void)
{
	void *addr;

	while (pool_size < MAX_PAGES) {
		addr = mmap(NULL, HUGE_PAGE, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | MAP_POPULATE,
			    -1, 0);
		if (addr == MAP_FAILED)
			break;
		pool[pool_size].addr = addr;
		pool[pool_size++].phys = dma_phys(addr);
	}
	qsort(pool, pool_size, sizeof(*pool), compare_pages);
}

/* Find count physically contiguous pages; their position in the pool. */
static size_t
find_run(size_t count)
{
	size_t start, n;

	for (start = 0; start + count <= pool_size; start++) {
		for (n = 0; n < count; n++)
			if (pool[start + n].addr == NULL ||
			    pool[start + n].phys != pool[start].phys + n * HUGE_PAGE)
				break;
		if (n == count)
			return start;
	}
	fail(0, "no %zu contiguous huge pages", count);
}

/*
 * The kernel hands out huge pages in no useful order, but those that it
 * reserved at boot lie together: take them all, and move the chosen ones to
 * where they are contiguous for this program as well.
 */
void *
dma_alloc(size_t len)
{
	size_t count = (len + HUGE_PAGE - 1) / HUGE_PAGE, run, n;
	uintptr_t base;
	void *space;

	if (pool_size == 0)
		fill_pool();
	run = find_run(count);
	space = mmap(NULL, (count + 1) * HUGE_PAGE, PROT_NONE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (space == MAP_FAILED)
		fail(errno, "no address space");
	base = ((uintptr_t)space + HUGE_PAGE - 1) & ~(HUGE_PAGE - 1);
	for (n = 0; n < count; n++) {
		if (mremap(pool[run + n].addr, HUGE_PAGE, HUGE_PAGE,
			   MREMAP_MAYMOVE | MREMAP_FIXED,
			   (void *)(base + n * HUGE_PAGE)) == MAP_FAILED)
			fail(errno, "cannot move a huge page");
		pool[run + n].addr = NULL;
	}
	return (void *)base;
}

void
dma_fill(void *buf, size_t len)
{
	uint64_t *word = buf;
	struct timespec ts;
	uint64_t x;
	size_t i;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	x = (uint64_t)ts.tv_sec * 1000000000 + ts.tv_nsec + getpid();
	for (i = 0; i < len / sizeof(*word); i++) {
		/* xorshift64 */
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		word[i] = x;
	}
}

/* FNV-1a over words instead of bytes. */
uint64_t
dma_checksum(const void *buf, size_t len)
{
	const uint64_t *word = buf;
	uint64_t sum = 0xcbf29ce484222325;
	size_t i;

	for (i = 0; i < len / sizeof(*word); i++)
		sum = (sum ^ word[i]) * 0x100000001b3;
	return sum;
}

static void
write64(volatile void *regs, size_t offset, uint64_t value)
{
	reg_write(regs, offset, value);
	reg_write(regs, offset + 4, value >> 32);
}

int
dma_copy(volatile void *regs, uint64_t dst, uint64_t src, uint32_t len)
{
	double end = now() + COPY_TIMEOUT;
	uint32_t status;

	write64(regs, REG_DMA_SRC, src);
	write64(regs, REG_DMA_DST, dst);
	reg_write(regs, REG_DMA_LEN, len);
	reg_write(regs, REG_DOORBELL, 1);
	while ((status = reg_read(regs, REG_STATUS)) == STATUS_BUSY) {
		if (now() > end)
			fail(0, "the device is still busy after %.0f s", COPY_TIMEOUT);
		usleep(100);
	}
	if (status == STATUS_DONE)
		return 0;
	if (status == STATUS_ERROR)
		return reg_read(regs, REG_DMA_ERRNO);
	fail(0, "unexpected device status 0x%x", status);
}

void
dma_compare(const void *dst, const void *src, size_t len)
{
	if (dma_checksum(dst, len) == dma_checksum(src, len) &&
	    memcmp(dst, src, len) == 0)
		return;
	fail(0, "the copy differs: checksum %016llx, should be %016llx",
	     (unsigned long long)dma_checksum(dst, len),
	     (unsigned long long)dma_checksum(src, len));
}
