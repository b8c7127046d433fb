/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include <rte_malloc.h>

#include "pmd_pair.h"
#include "pmd_usage.h"
#include "test_vfio_user_fds.h"

/* Of the C library's heaps, which may be one more for each thread. */
#define MORE_MAPPINGS 16
#define MORE_BYTES (UINT64_C(16) << 20)
/* For what goes a little later. */
#define WAIT_MS 10000u

/* Sanitizers keep what was freed, and note what was done. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define OURS false
#else
#define OURS true
#endif

static int
count_threads(void)
{
	DIR *dir = opendir("/proc/self/task");
	int nb = -2; /* . and .. */

	while (dir != NULL && readdir(dir) != NULL)
		nb++;
	if (dir != NULL)
		closedir(dir);
	return nb;
}

static uint64_t
resident(void)
{
	FILE *file = fopen("/proc/self/statm", "r");
	uint64_t size = 0, pages = 0;

	if (file == NULL)
		return 0;
	if (fscanf(file, "%" SCNu64 " %" SCNu64, &size, &pages) != 2)
		pages = 0;
	fclose(file);
	return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* The number of the heap is the socket's. */
static uint64_t
heap(void)
{
	struct rte_malloc_socket_stats stats;
	uint64_t bytes = 0;
	int i;

	for (i = 0; i < RTE_MAX_NUMA_NODES; i++)
		if (rte_malloc_get_socket_stats(i, &stats) == 0)
			bytes += stats.heap_allocsz_bytes;
	return bytes;
}

void
usage_get(struct pmd_usage *usage)
{
	usage->fds = count_fds();
	usage->mappings = count_mappings("");
	usage->threads = count_threads();
	usage->resident = resident();
	usage->heap = heap();
}

static bool
has_more(const struct pmd_usage *now, const struct pmd_usage *before)
{
	return now->threads > before->threads || now->fds > before->fds ||
		now->heap > before->heap;
}

/*
 * A thread that was joined may be seen for a moment; and a server closes files of a
 * client that has gone when no burst uses them, that is behind the link's change. So
 * there may have been more before than there has to be, too.
 */
int
usage_check(const struct pmd_usage *before)
{
	const uint64_t end = pmd_now_ms() + WAIT_MS;
	struct pmd_usage now;

	for (usage_get(&now); has_more(&now, before) && pmd_now_ms() < end; usage_get(&now))
		usleep(1000);
	TEST_ASSERT(now.threads <= before->threads, "%d threads, not %d", now.threads,
		    before->threads);
	TEST_ASSERT(now.fds <= before->fds, "%d file descriptors, not %d", now.fds, before->fds);
	TEST_ASSERT(now.heap <= before->heap, "%" PRIu64 " bytes of EAL's memory, not %" PRIu64,
		    now.heap, before->heap);
	if (!OURS)
		return TEST_SUCCESS;
	TEST_ASSERT(now.mappings <= before->mappings + MORE_MAPPINGS, "%d mappings, not %d",
		    now.mappings, before->mappings);
	TEST_ASSERT(now.resident <= before->resident + MORE_BYTES, "%" PRIu64 " bytes, not %"
		    PRIu64, now.resident, before->resident);
	return TEST_SUCCESS;
}
