/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

/* The series' API: which callback comes when, and what it may rely on. */

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include <rte_common.h>
#include <rte_errno.h>

#include "test.h"
#include "test_vfio_user_series.h"

#define NB_MANY 1000u

/* Set by hooks. */
static int hook_failed;
static int refuse; /* what lock_dp, new_device, reset_device return */

#define HOOK_ASSERT(cond) do { \
	if (!(cond)) { \
		printf("%s:%d: %s\n", __FILE__, __LINE__, #cond); \
		SET(hook_failed, 1); \
	} \
} while (0)

static int
setup(void)
{
	SET(hook_failed, 0);
	SET(refuse, 0);
	return series_setup();
}

/* A device and its client, both with id 0. */
static int
start(void)
{
	DO(series_start());
	TEST_ASSERT_EQUAL(rte_vfio_user_attach_dev(series.path), 0, "attach");
	return TEST_SUCCESS;
}

/* ------------------------------------------------------------------ order */

static int
test_order(void)
{
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), none = -1;

	DO(start());
	LOG_IS("");
	DO(rte_vfio_user_reset(0));
	LOG_IS("(r)");
	DO(series_irqs(0, 1, &fd));
	LOG_IS("()"); /* nothing to update before new_device */
	DO(series_map(0, 0x12345678, 0x10000, -1, 0));
	LOG_IS("(n)");
	DO(series_unmap(0, 0x12345678, 0x10000));
	LOG_IS("(u)");
	TEST_ASSERT_EQUAL(series_map(0, 0x12345678, 0x10000, series.file, 0), -EINVAL, "size");
	LOG_IS("()");
	DO(series_map(0, 0x12345678, PAGE, series.file, PAGE));
	LOG_IS("(u)");
	DO(series_irqs(0, 1, &none));
	LOG_IS("(u)");
	DO(rte_vfio_user_reset(0));
	LOG_IS("(r)");
	TEST_ASSERT_EQUAL(series_unmap(0, PAGE, PAGE), -ENOENT, "not mapped");
	DO(rte_vfio_user_detach_dev(0));
	LOG_IS("d");
	/* the next client */
	TEST_ASSERT_EQUAL(rte_vfio_user_attach_dev(series.path), 0, "attach");
	DO(series_map(0, 0, PAGE, -1, 0));
	LOG_IS("(n)");
	DO(rte_vfio_user_unregister(series.path));
	TEST_ASSERT(series_log_is("d"), "not when it returned");
	DO(rte_vfio_user_detach_dev(0));
	close(fd);
	return TEST_SUCCESS;
}

/* A client that maps nothing is no device. */
static int
test_never_ready(void)
{
	uint32_t i;

	for (i = 0; i < 3; i++) {
		if (i == 0)
			DO(start());
		else
			TEST_ASSERT_EQUAL(rte_vfio_user_attach_dev(series.path), 0, "attach");
		DO(rte_vfio_user_reset(0));
		DO(rte_vfio_user_detach_dev(0));
		LOG_IS("(r)");
	}
	TEST_ASSERT_EQUAL(rte_vfio_user_attach_dev(series.path), 0, "attach");
	DO(rte_vfio_user_unregister(series.path));
	LOG_IS("");
	return TEST_SUCCESS;
}

/* Without any callback. */
ORDERED_BY_SOCKET static int
test_no_callbacks(void)
{
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), got;

	memset(&series.ops, 0, sizeof(series.ops));
	DO(start());
	DO(rte_vfio_user_reset(0));
	DO(series_irqs(0, 1, &fd));
	DO(series_map(0, 0, PAGE, -1, 0));
	DO(series_map(0, PAGE, PAGE, -1, 0));
	TEST_ASSERT_EQUAL(rte_vfio_user_get_mem_table(0)->entry_num, 2, "table");
	DO(rte_vfio_user_get_irq(0, MSIX, 1, &got));
	DO(series_unmap(0, 0, PAGE));
	TEST_ASSERT_EQUAL(rte_vfio_user_get_mem_table(0)->entry_num, 1, "table");
	/* the table may go at any time after the client: it is not looked at */
	DO(rte_vfio_user_detach_dev(0));
	DO(rte_vfio_user_unregister(series.path));
	TEST_ASSERT_NULL(rte_vfio_user_get_mem_table(0), "gone");
	close(fd);
	return TEST_SUCCESS;
}

static int
refuse_new(char event, int dev_id)
{
	RTE_SET_USED(dev_id);
	return event == 'n' ? GET(refuse) : 0;
}

static int
test_new_device_fails(void)
{
	series.hook = refuse_new;
	SET(refuse, -1);
	DO(start());
	DO(series_map(0, 0, PAGE, -1, 0));
	DO(series_map(0, PAGE, PAGE, -1, 0));
	LOG_IS("(n)(n)");
	DO(rte_vfio_user_detach_dev(0));
	TEST_ASSERT_EQUAL(rte_vfio_user_attach_dev(series.path), 0, "attach");
	LOG_IS(""); /* it was no device */
	DO(series_map(0, 0, PAGE, -1, 0));
	SET(refuse, 0);
	DO(series_map(0, PAGE, PAGE, -1, 0));
	DO(series_map(0, 2 * PAGE, PAGE, -1, 0));
	DO(rte_vfio_user_detach_dev(0));
	LOG_IS("(n)(n)(u)d");
	return TEST_SUCCESS;
}

static int
refuse_lock(char event, int dev_id)
{
	RTE_SET_USED(dev_id);
	return event == '(' || event == 'r' ? GET(refuse) : 0;
}

ORDERED_BY_SOCKET static int
test_lock_refuses(void)
{
	int none = -1;

	series.hook = refuse_lock;
	DO(start());
	DO(series_map(0, 0, PAGE, -1, 0));
	LOG_IS("(n)");
	SET(refuse, -1);
	TEST_ASSERT_EQUAL(series_map(0, PAGE, PAGE, -1, 0), -EBUSY, "map");
	TEST_ASSERT_EQUAL(series_unmap(0, 0, PAGE), -EBUSY, "unmap");
	TEST_ASSERT_EQUAL(series_irqs(0, 1, &none), -EBUSY, "irqs");
	TEST_ASSERT_EQUAL(rte_vfio_user_reset(0), -EBUSY, "reset");
	LOG_IS("((((");
	TEST_ASSERT_EQUAL(rte_vfio_user_get_mem_table(0)->entry_num, 1, "table");
	SET(refuse, 1); /* not an error */
	DO(rte_vfio_user_reset(0));
	LOG_IS("(r)");
	return TEST_SUCCESS;
}

static int
refuse_reset(char event, int dev_id)
{
	RTE_SET_USED(dev_id);
	return event == 'r' ? GET(refuse) : 0;
}

static int
test_reset_fails(void)
{
	series.hook = refuse_reset;
	DO(start());
	SET(refuse, -1);
	TEST_ASSERT_EQUAL(rte_vfio_user_reset(0), -EIO, "-1");
	SET(refuse, -ENODEV);
	TEST_ASSERT_EQUAL(rte_vfio_user_reset(0), -ENODEV, "errno");
	SET(refuse, -EINPROGRESS);
	TEST_ASSERT_EQUAL(rte_vfio_user_reset(0), -EIO, "no answer that comes later");
	SET(refuse, 3);
	DO(rte_vfio_user_reset(0));
	LOG_IS("(r)(r)(r)(r)");
	return TEST_SUCCESS;
}

/* ------------------------------------------------------------ memory tables */

ORDERED_BY_SOCKET static int
test_table(void)
{
	const struct rte_vfio_user_mem *mem, *again;
	const struct rte_vfio_user_mtb_entry *entry;
	static struct rte_vfio_user_mem copy;
	uint64_t gpa;
	uint32_t i;

	memcpy(series.file_mem + PAGE, "hello", 6);
	DO(start());
	DO(series_map(0, 0x700000, PAGE, series.file, PAGE));
	DO(series_map(0, 0x12345, 0x333, -1, 0));
	mem = rte_vfio_user_get_mem_table(0);
	TEST_ASSERT(mem != NULL && mem->entry_num == 2, "table");
	TEST_ASSERT(mem->entry[0].gpa == 0x12345 && mem->entry[0].size == 0x333 &&
		    mem->entry[0].fd == -1 && mem->entry[0].host_user_addr == 0 &&
		    mem->entry[0].mmap_addr == NULL && mem->entry[0].mmap_size == 0, "no file");
	entry = &mem->entry[1];
	TEST_ASSERT(entry->gpa == 0x700000 && entry->size == PAGE && entry->fd >= 0 &&
		    entry->mmap_size == PAGE && entry->mmap_addr != NULL &&
		    (uintptr_t)entry->mmap_addr == entry->host_user_addr, "file");
	TEST_ASSERT_EQUAL(memcmp((void *)(uintptr_t)entry->host_user_addr, "hello", 6), 0,
			  "memory");
	copy = *mem; /* all of it can be read */
	TEST_ASSERT_EQUAL(copy.entry[255].size, 0, "not zero");
	again = rte_vfio_user_get_mem_table(0);
	TEST_ASSERT(again == mem, "built twice");

	for (i = 0; i < NB_MANY; i++) {
		gpa = 0x10000000 + (uint64_t)(i * 7 + 1) % NB_MANY * PAGE;
		DO(series_map(0, gpa, PAGE, -1, 0));
	}
	mem = rte_vfio_user_get_mem_table(0);
	TEST_ASSERT_EQUAL(mem->entry_num, NB_MANY + 2, "%u entries", mem->entry_num);
	entry = mem->entry;
	for (i = 2; i < NB_MANY + 2; i++)
		TEST_ASSERT_EQUAL(entry[i].gpa, 0x10000000 + (uint64_t)(i - 2) * PAGE,
				  "entry %u", i);
	return TEST_SUCCESS;
}

/* What was got before a change. */
static const struct rte_vfio_user_mem *held;
static uint32_t held_num;
static bool with_lock;

static int
hold_table(char event, int dev_id)
{
	const struct rte_vfio_user_mem *mem = rte_vfio_user_get_mem_table(dev_id);
	uint32_t i, nb;

	if (event == 'd' || event == 'r' || event == ')')
		return 0;
	HOOK_ASSERT(mem != NULL);
	if (held != NULL && (event == '(' || (event == 'u' && !with_lock))) {
		/* until here it is valid, and so is what it shows */
		nb = held->entry_num;
		HOOK_ASSERT(nb == held_num);
		for (i = 0; i < nb; i++)
			HOOK_ASSERT(*(volatile uint8_t *)held->entry[i].mmap_addr == i + 1);
	}
	if (event == 'u' || event == 'n') {
		held = mem;
		held_num = mem->entry_num;
	}
	return 0;
}

static int
valid_for(bool lock)
{
	uint32_t i;

	with_lock = lock;
	held = NULL;
	series.hook = hold_table;
	if (!lock)
		series.ops.lock_dp = NULL;
	for (i = 0; i < 4; i++)
		series.file_mem[i * PAGE] = (uint8_t)(i + 1);
	DO(start());
	for (i = 0; i < 4; i++)
		DO(series_map(0, (uint64_t)i * PAGE, PAGE, series.file, i * PAGE));
	for (i = 4; i-- > 0; )
		DO(series_unmap(0, (uint64_t)i * PAGE, PAGE));
	DO(rte_vfio_user_detach_dev(0));
	DO(rte_vfio_user_unregister(series.path));
	TEST_ASSERT_EQUAL(GET(hook_failed), 0, "in a callback");
	return TEST_SUCCESS;
}

static int
test_valid_with_lock(void)
{
	return valid_for(true);
}

static int
test_valid_without_lock(void)
{
	return valid_for(false);
}

/* Several ranges in one call: what the server refuses undoes the others. */
ORDERED_BY_SOCKET static int
test_all_or_none(void)
{
	struct rte_vfio_user_mem_reg mem[3] = {
		{ 0x1000, PAGE, 0, PROT_READ | PROT_WRITE, RTE_VUSER_MEM_MAPPABLE },
		{ 0x2000, PAGE, 0, PROT_READ, 0 },
		{ 0x9000, PAGE, MAP_SIZE, PROT_READ | PROT_WRITE, RTE_VUSER_MEM_MAPPABLE },
	};
	int fds[3] = { series.file, -1, series.file };

	DO(start());
	/* the last one is behind the end of the file */
	TEST_ASSERT_EQUAL(rte_vfio_user_dma_map(0, mem, fds, 3), -EINVAL, "refused");
	TEST_ASSERT_EQUAL(rte_vfio_user_get_mem_table(0)->entry_num, 0, "some are mapped");
	mem[2].fd_offset = PAGE;
	mem[2].gpa = 0x2800;
	TEST_ASSERT_EQUAL(rte_vfio_user_dma_map(0, mem, fds, 3), -EEXIST, "overlap");
	TEST_ASSERT_EQUAL(rte_vfio_user_get_mem_table(0)->entry_num, 0, "some are mapped");
	mem[2].gpa = 0x9000;
	DO(rte_vfio_user_dma_map(0, mem, fds, 3));
	TEST_ASSERT_EQUAL(rte_vfio_user_get_mem_table(0)->entry_num, 3, "not all are mapped");
	DO(rte_vfio_user_dma_unmap(0, mem, 3));
	TEST_ASSERT_EQUAL(rte_vfio_user_get_mem_table(0)->entry_num, 0, "not all are unmapped");
	return TEST_SUCCESS;
}

/* ------------------------------------------------------------- interrupts */

static int
test_irqs(void)
{
	int fds[NB_MSIX], got[NB_MSIX], none[NB_MSIX];
	uint32_t i;
	eventfd_t count;

	for (i = 0; i < NB_MSIX; i++) {
		fds[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		none[i] = -1;
	}
	DO(start());
	DO(series_map(0, 0, PAGE, -1, 0));
	DO(series_irqs(0, NB_MSIX, fds)); /* more than go with one message */
	DO(rte_vfio_user_get_irq(0, MSIX, NB_MSIX, got));
	for (i = 0; i < NB_MSIX; i++) {
		TEST_ASSERT(got[i] >= 0 && eventfd_write(got[i], i + 1) == 0, "vector %u", i);
		TEST_ASSERT(eventfd_read(fds[i], &count) == 0 && count == i + 1, "vector %u", i);
	}
	DO(series_irqs(0, 1, none));
	DO(rte_vfio_user_get_irq(0, MSIX, 2, got));
	TEST_ASSERT(got[0] == -1 && got[1] >= 0, "de-assigned");
	DO(rte_vfio_user_detach_dev(0));
	WAIT_LONG(rte_vfio_user_get_irq(0, MSIX, 2, got) == 0 && got[1] == -1);
	for (i = 0; i < NB_MSIX; i++)
		close(fds[i]);
	return TEST_SUCCESS;
}

static int
look_in_destroy(char event, int dev_id)
{
	const struct rte_vfio_user_mem *mem;
	char path[128];
	int fd = -1;

	if (event != 'd')
		return 0;
	mem = rte_vfio_user_get_mem_table(dev_id);
	HOOK_ASSERT(mem != NULL && mem->entry_num == 1);
	HOOK_ASSERT(mem != NULL && memcmp(mem->entry[0].mmap_addr, "still", 6) == 0);
	HOOK_ASSERT(rte_vfio_user_get_irq(dev_id, MSIX, 1, &fd) == 0 && fd >= 0);
	HOOK_ASSERT(eventfd_write(fd, 1) == 0);
	HOOK_ASSERT(rte_vfio_get_sock_addr(dev_id, path, sizeof(path)) == 0);
	return 0;
}

/* Table and interrupts are there in destroy_device, however it comes to it. */
static int
test_destroy(void)
{
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), i;
	struct pollfd triggered = { .fd = fd, .events = POLLIN };
	eventfd_t count;

	memcpy(series.file_mem, "still", 6);
	series.hook = look_in_destroy;
	DO(series_start());
	for (i = 0; i < 2; i++) {
		TEST_ASSERT_EQUAL(rte_vfio_user_attach_dev(series.path), 0, "attach");
		DO(series_irqs(0, 1, &fd));
		DO(series_map(0, 0, PAGE, series.file, 0));
		LOG_IS("()(n)");
		if (i == 1)
			DO(rte_vfio_user_unregister(series.path));
		DO(rte_vfio_user_detach_dev(0));
		LOG_IS("d"); /* noted before the callback does what it does */
		TEST_ASSERT_EQUAL(poll(&triggered, 1, 20000), 1, "no interrupt");
		TEST_ASSERT(eventfd_read(fd, &count) == 0 && count == 1, "interrupt");
	}
	TEST_ASSERT_EQUAL(GET(hook_failed), 0, "in a callback");
	close(fd);
	return TEST_SUCCESS;
}

/* ------------------------------------------------- getters under a lock */

static pthread_mutex_t data_path = PTHREAD_MUTEX_INITIALIZER;
static int lock_waits;

static int
take_lock(char event, int dev_id)
{
	RTE_SET_USED(dev_id);
	if (event == '(') {
		COUNT(lock_waits);
		pthread_mutex_lock(&data_path);
	} else if (event == ')') {
		pthread_mutex_unlock(&data_path);
	}
	return 0;
}

static void *
map_one(void *arg)
{
	RTE_SET_USED(arg);
	return series_map(0, 2 * PAGE, PAGE, -1, 0) == 0 ? arg : NULL;
}

ORDERED_BY_SOCKET static int
test_getters_under_lock(void)
{
	const struct rte_vfio_user_mem *mem;
	char path[128];
	pthread_t thread;
	void *ret;
	int fd;

	series.hook = take_lock;
	DO(start());
	DO(series_map(0, 0, PAGE, -1, 0));
	SET(lock_waits, 0);
	pthread_mutex_lock(&data_path);
	DO(pthread_create(&thread, NULL, map_one, &ret));
	WAIT_LONG(GET(lock_waits) == 1);
	/* the control thread waits for us, so we must not wait for it */
	mem = rte_vfio_user_get_mem_table(0);
	TEST_ASSERT(mem != NULL && mem->entry_num == 1, "the old table");
	DO(rte_vfio_user_get_irq(0, MSIX, 1, &fd));
	DO(rte_vfio_get_sock_addr(0, path, sizeof(path)));
	TEST_ASSERT(mem->entry_num == 1 && mem->entry[0].size == PAGE, "it changed");
	pthread_mutex_unlock(&data_path);
	DO(pthread_join(thread, &ret));
	TEST_ASSERT_NOT_NULL(ret, "map");
	WAIT_LONG(rte_vfio_user_get_mem_table(0)->entry_num == 2);
	return TEST_SUCCESS;
}

/* -------------------------------------------- unregister inside callbacks */

static char leave_at;
static int left_it;

static int
leave_in_callback(char event, int dev_id)
{
	char path[128];

	if (event != leave_at || GET(left_it))
		return 0;
	HOOK_ASSERT(rte_vfio_get_sock_addr(dev_id, path, sizeof(path)) == 0);
	HOOK_ASSERT(rte_vfio_user_unregister(path) == 0);
	HOOK_ASSERT(rte_vfio_user_unregister(path) == -1 && rte_errno == ENOENT);
	HOOK_ASSERT(rte_vfio_user_register(path, &series.ops) == -1 && rte_errno == EEXIST);
	/* it is not gone yet */
	HOOK_ASSERT(rte_vfio_user_get_mem_table(dev_id) != NULL);
	SET(left_it, 1);
	return 0;
}

static ssize_t
leave_in_rw(struct rte_vfio_user_reg_info *reg, char *buf, size_t count, loff_t pos,
	    bool iswrite)
{
	RTE_SET_USED(reg);
	RTE_SET_USED(buf);
	RTE_SET_USED(pos);
	RTE_SET_USED(iswrite);
	leave_in_callback('w', 0);
	return count;
}

static int
leave_at_event(char event, const char *want)
{
	int none = -1, ret = -1;
	uint32_t val;

	leave_at = event;
	SET(left_it, 0);
	DO(start());
	/* any of it may fail from some point on */
	rte_vfio_user_reset(0);
	series_irqs(0, 1, &none);
	series_map(0, 0, PAGE, -1, 0);
	series_map(0, PAGE, PAGE, -1, 0);
	rte_vfio_user_region_read(0, 1, 0, 4, &val);
	DO(rte_vfio_user_detach_dev(0));
	WAIT_LONG(GET(left_it) == 1);
	WAIT_LONG(rte_vfio_user_get_mem_table(0) == NULL);
	LOG_IS(want);
	TEST_ASSERT_EQUAL(GET(hook_failed), 0, "in a callback");
	/* the control thread has one more thing to do */
	WAIT_LONG(ret == 0 || (ret = rte_vfio_user_register(series.path, &series.ops)) == 0);
	DO(rte_vfio_user_unregister(series.path));
	return TEST_SUCCESS;
}

static int
test_leave_in_callbacks(void)
{
	series.hook = leave_in_callback;
	series.rw_hook = leave_in_rw;
	DO(leave_at_event('(', "(r)"));
	DO(leave_at_event('r', "(r)"));
	DO(leave_at_event(')', "(r)"));
	DO(leave_at_event('n', "(r)()(n)d"));
	DO(leave_at_event('u', "(r)()(n)(u)d"));
	DO(leave_at_event('w', "(r)()(n)(u)d"));
	DO(leave_at_event('d', "(r)()(n)(u)d"));
	return TEST_SUCCESS;
}

static struct unit_test_suite suite = {
	.suite_name = "callbacks of the series' API",
	.unit_test_cases = {
		TEST_CASE_ST(setup, series_teardown, test_order),
		TEST_CASE_ST(setup, series_teardown, test_never_ready),
		TEST_CASE_ST(setup, series_teardown, test_no_callbacks),
		TEST_CASE_ST(setup, series_teardown, test_new_device_fails),
		TEST_CASE_ST(setup, series_teardown, test_lock_refuses),
		TEST_CASE_ST(setup, series_teardown, test_reset_fails),
		TEST_CASE_ST(setup, series_teardown, test_table),
		TEST_CASE_ST(setup, series_teardown, test_valid_with_lock),
		TEST_CASE_ST(setup, series_teardown, test_valid_without_lock),
		TEST_CASE_ST(setup, series_teardown, test_all_or_none),
		TEST_CASE_ST(setup, series_teardown, test_irqs),
		TEST_CASE_ST(setup, series_teardown, test_destroy),
		TEST_CASE_ST(setup, series_teardown, test_getters_under_lock),
		TEST_CASE_ST(setup, series_teardown, test_leave_in_callbacks),
		TEST_CASES_END()
	}
};

static int
test_vfio_user_series_cb(void)
{
	return unit_test_suite_runner(&suite);
}

REGISTER_TEST_COMMAND(vfio_user_series_cb_autotest, test_vfio_user_series_cb);
