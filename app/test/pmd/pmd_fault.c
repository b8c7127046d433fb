/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

/* What drivers and libraries call of DPDK, and may fail: test_fault.h. */

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include <rte_alarm.h>
#include <rte_errno.h>
#include <rte_interrupts.h>
#include <rte_kvargs.h>
#include <rte_memory.h>

#include "test_fault_wrap.h"

struct rte_eth_dev;

/* A function that fails by NULL and rte_errno. */
#define WRAP_PTR(what, type, name, args, ...) \
	WRAP(type *, name, __VA_ARGS__) \
	{ \
		int err = test_fault_hit(TEST_FAULT_EAL_##what); \
	\
		if (err == 0) \
			return __real_##name args; \
		rte_errno = err; \
		return NULL; \
	}

/* One that returns a negative errno, which is in rte_errno, too. */
#define WRAP_INT(what, name, args, ...) \
	WRAP(int, name, __VA_ARGS__) \
	{ \
		int err = test_fault_hit(TEST_FAULT_EAL_##what); \
	\
		if (err == 0) \
			return __real_##name args; \
		rte_errno = err; \
		return -err; \
	}

WRAP_PTR(ALLOC, void, rte_calloc, (type, num, size, align), const char *type, size_t num,
	 size_t size, unsigned int align)
WRAP_PTR(ALLOC, void, rte_malloc_socket, (type, size, align, socket), const char *type,
	 size_t size, unsigned int align, int socket)
WRAP_PTR(ALLOC, void, rte_zmalloc, (type, size, align), const char *type, size_t size,
	 unsigned int align)
WRAP_PTR(ALLOC, void, rte_zmalloc_socket, (type, size, align, socket), const char *type,
	 size_t size, unsigned int align, int socket)

WRAP_PTR(INTR, struct rte_intr_handle, rte_intr_instance_alloc, (flags), uint32_t flags)
WRAP_INT(INTR, rte_intr_vec_list_alloc, (handle, name, size), struct rte_intr_handle *handle,
	 const char *name, int size)
WRAP_INT(INTR_SET, rte_intr_vec_list_index_set, (handle, i, vec),
	 struct rte_intr_handle *handle, int i, int vec)
WRAP_INT(INTR_SET, rte_intr_efds_index_set, (handle, i, fd), struct rte_intr_handle *handle,
	 int i, int fd)

WRAP_INT(ALARM, rte_eal_alarm_set, (us, cb, arg), uint64_t us, rte_eal_alarm_callback cb,
	 void *arg)
WRAP_PTR(KVARGS, struct rte_kvargs, rte_kvargs_parse, (args, keys), const char *args,
	 const char *const keys[])
WRAP_INT(MEM_EVENT, rte_mem_event_callback_register, (name, cb, arg), const char *name,
	 rte_mem_event_callback_t cb, void *arg)
WRAP_PTR(PORT, struct rte_eth_dev, rte_eth_dev_allocate, (name), const char *name)

/* --------------------------------------------------------------- threads */

struct start {
	void *(*func)(void *arg);
	void *arg;
};

static void *
run_on(void *arg)
{
	struct start start = *(struct start *)arg;

	free(arg);
	test_fault_on();
	return start.func(start.arg);
}

/* Calls of a thread count if those of its creator do. */
WRAP(int, rte_ctrl_thread_create, pthread_t *thread, const char *name,
     const pthread_attr_t *attr, void *(*func)(void *arg), void *arg)
{
	int err = test_fault_hit(TEST_FAULT_EAL_THREAD);
	struct start *start;

	if (err != 0)
		return -err;
	if (!test_fault_is_on())
		return __real_rte_ctrl_thread_create(thread, name, attr, func, arg);
	start = malloc(sizeof(*start));
	if (start == NULL)
		return -EAGAIN;
	start->func = func;
	start->arg = arg;
	err = __real_rte_ctrl_thread_create(thread, name, attr, run_on, start);
	if (err != 0)
		free(start);
	return err;
}
