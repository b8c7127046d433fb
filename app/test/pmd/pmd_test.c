/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#include <errno.h>
#include <ftw.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_mbuf.h>

#include "pmd_test.h"

struct rte_mempool *pmd_pool;
char pmd_folder[64];

/*
 * ThreadSanitizer does not see the locks of EAL, which is not built with it: what
 * EAL's thread of alarms is given seems to be taken without a reason. That is what
 * EAL itself accesses; and the lock of a port that lies where a former port had
 * its own, which the alarm takes before it does anything else.
 */
const char *__tsan_default_suppressions(void);

const char *
__tsan_default_suppressions(void)
{
	return "called_from_lib:librte_eal.so\nrace:alarm_ring\n";
}

static int
remove_one(const char *path, const struct stat *info, int type, struct FTW *at)
{
	RTE_SET_USED(info);
	RTE_SET_USED(type);
	RTE_SET_USED(at);
	return remove(path);
}

static void
remove_all(const char *folder)
{
	nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* The name in the folder of runtime files. */
static void
file_prefix(char *buf, size_t len, pid_t pid)
{
	snprintf(buf, len, "vfio-user-test-%d", pid);
}

void
pmd_remove_runtime(pid_t pid)
{
	char path[256], *slash;

	snprintf(path, sizeof(path), "%s", rte_eal_get_runtime_dir());
	slash = strrchr(path, '/');
	if (slash == NULL)
		return;
	file_prefix(slash + 1, sizeof(path) - (slash + 1 - path), pid);
	remove_all(path);
}

static void
fini(void)
{
	char runtime[256];

	snprintf(runtime, sizeof(runtime), "%s", rte_eal_get_runtime_dir());
	rte_mempool_free(pmd_pool);
#ifndef __SANITIZE_THREAD__ /* threads end in EAL, where the sanitizer looks away: a fault */
	rte_eal_cleanup();
#endif
	remove_all(runtime);
	remove_all(pmd_folder);
}

/* One lcore, on the first cpu; the program itself runs on all of them. */
static int
init_eal(const char *memory, char *prefix)
{
	char lcores[32];
	char *args[] = {
		(char *)(uintptr_t)"vfio-user-test-pmd", (char *)(uintptr_t)memory,
		(char *)(uintptr_t)"-m", (char *)(uintptr_t)"256",
		(char *)(uintptr_t)"--no-pci", prefix, lcores,
		(char *)(uintptr_t)"--log-level=lib.eal:4",
	};
	cpu_set_t cpus;
	int cpu = 0, ret;

	TEST_ASSERT_SUCCESS(sched_getaffinity(0, sizeof(cpus), &cpus), "cpus");
	while (!CPU_ISSET(cpu, &cpus))
		cpu++;
	snprintf(lcores, sizeof(lcores), "--lcores=0@%d", cpu);
	ret = rte_eal_init(RTE_DIM(args), args);
	TEST_ASSERT_SUCCESS(sched_setaffinity(0, sizeof(cpus), &cpus), "cpus");
	return ret < 0 ? -rte_errno : 0;
}

static int
init(const char *memory)
{
	char prefix[64] = "--file-prefix=";
	int ret;

	file_prefix(prefix + strlen(prefix), sizeof(prefix) - strlen(prefix), getpid());
	snprintf(pmd_folder, sizeof(pmd_folder), "/tmp/vfio-user-test-pmd-XXXXXX");
	TEST_ASSERT_NOT_NULL(mkdtemp(pmd_folder), "%s: %s", pmd_folder, strerror(errno));
	ret = init_eal(memory, prefix);
	TEST_ASSERT_EQUAL(ret, 0, "EAL: %s", rte_strerror(-ret));
	pmd_pool = rte_pktmbuf_pool_create("test", PMD_MBUFS, 256, 0, RTE_MBUF_DEFAULT_BUF_SIZE,
					   SOCKET_ID_ANY);
	TEST_ASSERT_NOT_NULL(pmd_pool, "mbufs: %s", rte_strerror(rte_errno));
	atexit(fini);
	return TEST_SUCCESS;
}

int
pmd_setup(void)
{
	static bool tried;
	static int ret;

	if (!tried)
		ret = init("--no-huge");
	tried = true;
	return ret;
}

int
pmd_setup_primary(void)
{
	return init("--proc-type=primary");
}

int
pmd_setup_secondary(pid_t primary)
{
	char prefix[64] = "--file-prefix=";
	int ret;

	file_prefix(prefix + strlen(prefix), sizeof(prefix) - strlen(prefix), primary);
	ret = init_eal("--proc-type=secondary", prefix);
	TEST_ASSERT_EQUAL(ret, 0, "EAL: %s", rte_strerror(-ret));
	return TEST_SUCCESS;
}

unsigned int
pmd_mbufs_used(void)
{
	return rte_mempool_in_use_count(pmd_pool);
}

bool
pmd_long(void)
{
	return getenv("VFIO_USER_TEST_LONG") != NULL;
}
