/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

/* The series' API from many threads, and with many devices. */

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <rte_common.h>
#include <rte_errno.h>
#include <rte_vfio_user_sigbus.h>

#include "test.h"
#include "test_vfio_user_series.h"

#define NB_DEVICES 64u
#define NB_THREADS 4u
#define CHURN 150u
#define ROUNDS 25u

static int stop;
static uint32_t bad, done;

/* ---------------------------------------------- getters while mappings change */

static pthread_mutex_t data_path = PTHREAD_MUTEX_INITIALIZER;
static bool gone; /* under the lock */

static int
lock_data_path(char event, int dev_id)
{
	RTE_SET_USED(dev_id);
	if (event == '(' || event == 'd')
		pthread_mutex_lock(&data_path);
	if (event == 'd')
		gone = true;
	if (event == ')' || event == 'd')
		pthread_mutex_unlock(&data_path);
	return 0;
}

/* Entries are sorted, and their memory is there. The lock is held. */
static void
check_table(const struct rte_vfio_user_mem *mem)
{
	const struct rte_vfio_user_mtb_entry *entry;
	uint32_t i;

	for (i = 0; i < mem->entry_num; i++) {
		entry = &mem->entry[i];
		if (i != 0 && entry->gpa < entry[-1].gpa + entry[-1].size)
			COUNT(bad);
		if (*(volatile uint8_t *)entry->mmap_addr != 0x5a)
			COUNT(bad);
	}
}

static void *
look_under_lock(void *arg)
{
	const struct rte_vfio_user_mem *mem;
	int fds[NB_MSIX];

	while (!GET(stop)) {
		pthread_mutex_lock(&data_path);
		mem = rte_vfio_user_get_mem_table(0);
		if (mem == NULL || rte_vfio_user_get_irq(0, MSIX, NB_MSIX, fds) < 0)
			COUNT(bad);
		else if (!gone)
			check_table(mem);
		pthread_mutex_unlock(&data_path);
		COUNT(done);
	}
	return arg;
}

/* Without the lock the table is no good, but asking for it does no harm. */
static void *
look_at_once(void *arg)
{
	char path[128];
	int fds[2];

	while (!GET(stop)) {
		if (rte_vfio_user_get_mem_table(0) == NULL ||
		    rte_vfio_user_get_irq(0, MSIX, 2, fds) < 0 ||
		    rte_vfio_get_sock_addr(0, path, sizeof(path)) < 0)
			COUNT(bad);
		COUNT(done);
	}
	return arg;
}

static int
churn(void)
{
	uint64_t gpa;
	uint32_t i;

	for (i = 0; i < CHURN; i++) {
		gpa = (uint64_t)(i * 5 % 16) * 2 * PAGE;
		DO(series_map(0, gpa, PAGE, series.file, 0));
		if (i < 4)
			continue;
		gpa = (uint64_t)((i - 4) * 5 % 16) * 2 * PAGE;
		DO(series_unmap(0, gpa, PAGE));
	}
	return TEST_SUCCESS;
}

static int
test_getters(void)
{
	pthread_t threads[NB_THREADS];
	uint32_t i, before;
	int ret;

	memset(series.file_mem, 0x5a, MAP_SIZE);
	series.hook = lock_data_path;
	DO(series_start());
	TEST_ASSERT_EQUAL(rte_vfio_user_attach_dev(series.path), 0, "attach");
	SET(stop, 0);
	SET(bad, 0);
	gone = false;
	for (i = 0; i < NB_THREADS; i++)
		DO(pthread_create(&threads[i], NULL, i < NB_THREADS / 2 ?
				  look_under_lock : look_at_once, NULL));
	ret = churn();
	before = GET(done);
	WAIT_LONG(GET(done) >= before + 10);
	DO(rte_vfio_user_detach_dev(0));
	SET(stop, 1);
	for (i = 0; i < NB_THREADS; i++)
		pthread_join(threads[i], NULL);
	TEST_ASSERT_EQUAL(GET(bad), 0, "%u times", GET(bad));
	return ret;
}

/* Getters while the device comes and goes. */
static void *
look_for_it(void *arg)
{
	char path[128];
	int fds[2];

	while (!GET(stop)) {
		rte_vfio_user_get_mem_table(0);
		rte_vfio_user_get_irq(0, MSIX, 2, fds);
		if (rte_vfio_get_sock_addr(0, path, sizeof(path)) == 0 &&
		    strcmp(path, series.path) != 0)
			COUNT(bad);
	}
	return arg;
}

static int
test_getters_and_unregister(void)
{
	pthread_t threads[2];
	uint32_t i;

	SET(stop, 0);
	SET(bad, 0);
	for (i = 0; i < 2; i++)
		DO(pthread_create(&threads[i], NULL, look_for_it, NULL));
	for (i = 0; i < ROUNDS; i++) {
		DO(series_start());
		TEST_ASSERT_EQUAL(rte_vfio_user_attach_dev(series.path), 0, "attach");
		DO(series_map(0, 0, PAGE, series.file, 0));
		DO(rte_vfio_user_unregister(series.path));
		DO(rte_vfio_user_detach_dev(0));
		LOG_IS("(n)d");
	}
	SET(stop, 1);
	for (i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	TEST_ASSERT_EQUAL(GET(bad), 0, "%u times", GET(bad));
	return TEST_SUCCESS;
}

/* ------------------------------------------------------- ids under threads */

static void *
attach_and_detach(void *arg)
{
	struct vfio_device_info info;
	char path[112];
	uint32_t i;
	int id;

	snprintf(path, sizeof(path), "%s%u", series.path, (uint32_t)(uintptr_t)arg);
	for (i = 0; i < ROUNDS; i++) {
		id = rte_vfio_user_attach_dev(path);
		if (id < 0 || id >= (int)NB_THREADS ||
		    rte_vfio_user_get_dev_info(id, &info) < 0 ||
		    rte_vfio_user_detach_dev(id) < 0)
			COUNT(bad);
	}
	return NULL;
}

/* Calls on ids that others attach and detach: any result, but no harm. */
static void *
call_any(void *arg)
{
	struct vfio_device_info info;
	uint32_t val;
	int id;

	while (!GET(stop)) {
		for (id = 0; id < (int)NB_THREADS; id++) {
			rte_vfio_user_get_dev_info(id, &info);
			rte_vfio_user_region_read(id, 0, 0, sizeof(val), &val);
		}
	}
	return arg;
}

static int
test_ids(void)
{
	pthread_t threads[NB_THREADS], caller;
	char path[112];
	uint32_t i;

	SET(stop, 0);
	SET(bad, 0);
	for (i = 0; i < NB_THREADS; i++) {
		snprintf(path, sizeof(path), "%s%u", series.path, i);
		DO(rte_vfio_user_register(path, &series.ops));
		DO(series_describe(path));
		DO(rte_vfio_user_start(path));
	}
	DO(pthread_create(&caller, NULL, call_any, NULL));
	for (i = 0; i < NB_THREADS; i++)
		DO(pthread_create(&threads[i], NULL, attach_and_detach, (void *)(uintptr_t)i));
	for (i = 0; i < NB_THREADS; i++)
		pthread_join(threads[i], NULL);
	SET(stop, 1);
	pthread_join(caller, NULL);
	for (i = 0; i < NB_THREADS; i++) {
		snprintf(path, sizeof(path), "%s%u", series.path, i);
		DO(rte_vfio_user_unregister(path));
	}
	TEST_ASSERT_EQUAL(GET(bad), 0, "%u times", GET(bad));
	return TEST_SUCCESS;
}

/* The same path from all threads: each round one of them has it. */
static void *
register_and_unregister(void *arg)
{
	uint32_t i;

	for (i = 0; i < 4 * ROUNDS; i++) {
		if (rte_vfio_user_register(series.path, &series.ops) < 0) {
			if (rte_errno != EEXIST)
				COUNT(bad);
			continue;
		}
		COUNT(done);
		if (series_describe(series.path) < 0 || rte_vfio_user_start(series.path) < 0 ||
		    rte_vfio_user_unregister(series.path) < 0)
			COUNT(bad);
	}
	return arg;
}

static int
test_register(void)
{
	pthread_t threads[NB_THREADS];
	uint32_t before = series_threads(), i;

	SET(bad, 0);
	SET(done, 0);
	for (i = 0; i < NB_THREADS; i++)
		DO(pthread_create(&threads[i], NULL, register_and_unregister, NULL));
	for (i = 0; i < NB_THREADS; i++)
		pthread_join(threads[i], NULL);
	TEST_ASSERT_EQUAL(GET(bad), 0, "%u times", GET(bad));
	TEST_ASSERT(GET(done) >= 1, "never");
	WAIT_LONG(series_threads() == before);
	return TEST_SUCCESS;
}

/* ------------------------------------------------------------ many devices */

static uint32_t created[NB_DEVICES], destroyed[NB_DEVICES];

static int
count_events(char event, int dev_id)
{
	if (dev_id < 0 || dev_id >= (int)NB_DEVICES)
		COUNT(bad);
	else if (event == 'n')
		COUNT(created[dev_id]);
	else if (event == 'd')
		COUNT(destroyed[dev_id]);
	return 0;
}

static const char *
path_of(uint32_t i)
{
	static char path[112];

	snprintf(path, sizeof(path), "%s%u", series.path, i);
	return path;
}

static int
test_many_devices(void)
{
	const struct rte_vfio_user_mem *mem;
	uint32_t i, before = series_threads();

	SET(bad, 0);
	memset(created, 0, sizeof(created));
	memset(destroyed, 0, sizeof(destroyed));
	series.hook = count_events;
	for (i = 0; i < NB_DEVICES; i++) {
		DO(rte_vfio_user_register(path_of(i), &series.ops));
		DO(series_describe(path_of(i)));
		DO(rte_vfio_user_start(path_of(i)));
	}
	TEST_ASSERT_EQUAL(series_threads(), before + 1, "threads");
	for (i = 0; i < NB_DEVICES; i++) {
		TEST_ASSERT_EQUAL(rte_vfio_user_attach_dev(path_of(i)), (int)i, "attach");
		DO(series_map(i, (uint64_t)(i + 1) * PAGE, PAGE, -1, 0));
	}
	for (i = 0; i < NB_DEVICES; i++) {
		mem = rte_vfio_user_get_mem_table(i);
		TEST_ASSERT(mem != NULL && mem->entry_num == 1 &&
			    mem->entry[0].gpa == (i + 1) * PAGE, "device %u", i);
		TEST_ASSERT_EQUAL(GET(created[i]), 1, "device %u", i);
	}
	/* every other one, and its id again */
	for (i = 0; i < NB_DEVICES; i += 2)
		DO(rte_vfio_user_unregister(path_of(i)));
	for (i = 0; i < NB_DEVICES; i++)
		TEST_ASSERT_EQUAL(GET(destroyed[i]), i % 2 == 0, "device %u", i);
	DO(rte_vfio_user_register(path_of(NB_DEVICES), &series.ops));
	TEST_ASSERT_NOT_NULL(rte_vfio_user_get_mem_table(0), "not the lowest id");
	DO(rte_vfio_user_unregister(path_of(NB_DEVICES)));
	for (i = 1; i < NB_DEVICES; i += 2)
		DO(rte_vfio_user_unregister(path_of(i)));
	for (i = 0; i < NB_DEVICES; i++) {
		DO(rte_vfio_user_detach_dev(i));
		TEST_ASSERT_EQUAL(GET(destroyed[i]), 1, "device %u", i);
	}
	TEST_ASSERT_EQUAL(GET(bad), 0, "%u times", GET(bad));
	return TEST_SUCCESS;
}

/* ------------------------------------------------------ memory that breaks */

static uint32_t touched;

/* The control thread has the memory of the client before it. */
static ssize_t
touch_memory(struct rte_vfio_user_reg_info *reg, char *buf, size_t count, loff_t pos,
	     bool iswrite)
{
	const struct rte_vfio_user_mem *mem = rte_vfio_user_get_mem_table(0);

	RTE_SET_USED(reg);
	RTE_SET_USED(buf);
	RTE_SET_USED(pos);
	RTE_SET_USED(iswrite);
	(void)*(volatile uint8_t *)mem->entry[0].mmap_addr;
	COUNT(touched);
	return count;
}

/* A client truncates it: its end, but neither ours nor that of the next device. */
static int
test_truncated(void)
{
	int fd = series_file(PAGE);
	uint32_t val = 0;

	DO(rte_vfio_user_sigbus_enable());
	series.rw_hook = touch_memory;
	DO(series_start());
	DO(rte_vfio_user_register(path_of(1), &series.ops));
	DO(series_describe(path_of(1)));
	DO(rte_vfio_user_start(path_of(1)));
	TEST_ASSERT_EQUAL(rte_vfio_user_attach_dev(series.path), 0, "attach");
	TEST_ASSERT_EQUAL(rte_vfio_user_attach_dev(path_of(1)), 1, "attach");
	DO(series_map(0, 0, PAGE, fd, 0));
	SET(touched, 0);
	DO(rte_vfio_user_region_write(0, 1, 0, sizeof(val), &val));
	TEST_ASSERT_EQUAL(GET(touched), 1u, "callback");
	DO(ftruncate(fd, 0));
	/* it may be answered before the client goes */
	rte_vfio_user_region_write(0, 1, 0, sizeof(val), &val);
	TEST_ASSERT_EQUAL(GET(touched), 2u, "callback");
	WAIT_LONG(rte_vfio_user_reset(0) == -ENOTCONN);
	DO(rte_vfio_user_region_read(1, 0, 0, sizeof(val), &val));
	DO(rte_vfio_user_detach_dev(0));
	/* the next client of the first device */
	TEST_ASSERT_EQUAL(rte_vfio_user_attach_dev(series.path), 0, "attach");
	DO(series_map(0, 0, PAGE, series.file, 0));
	DO(rte_vfio_user_region_write(0, 1, 0, sizeof(val), &val));
	TEST_ASSERT_EQUAL(GET(touched), 3u, "callback");
	DO(rte_vfio_user_detach_dev(1));
	DO(rte_vfio_user_unregister(path_of(1)));
	DO(rte_vfio_user_sigbus_disable());
	close(fd);
	return TEST_SUCCESS;
}

static struct unit_test_suite suite = {
	.suite_name = "threads and devices of the series' API",
	.unit_test_cases = {
		TEST_CASE_ST(series_setup, series_teardown, test_getters),
		TEST_CASE_ST(series_setup, series_teardown, test_getters_and_unregister),
		TEST_CASE_ST(series_setup, series_teardown, test_ids),
		TEST_CASE_ST(series_setup, series_teardown, test_register),
		TEST_CASE_ST(series_setup, series_teardown, test_many_devices),
		TEST_CASE_ST(series_setup, series_teardown, test_truncated),
		TEST_CASES_END()
	}
};

static int
test_vfio_user_series_threads(void)
{
	return unit_test_suite_runner(&suite);
}

REGISTER_TEST_COMMAND(vfio_user_series_threads_autotest, test_vfio_user_series_threads);
