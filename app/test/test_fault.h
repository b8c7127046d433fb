/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#ifndef TEST_FAULT_H
#define TEST_FAULT_H

/**
 * @file
 * Failure injection: one allocation or system call of the program fails.
 *
 * The program is linked with --wrap for each function of the table in
 * test_fault.c (app/test/meson.build), which also says with what it may fail. Those
 * of the EAL are in pmd/pmd_fault.c, with the tests of the drivers.
 * Only calls made by threads that have test_fault_on() count: a test switches
 * it on around calls of the library. A thread inherits it from its creator, so
 * a runner created while it is on has all its calls counted.
 *
 * One fault at a time, for all threads. Not in DPDK's app/test.
 */

#include <stdbool.h>

/** What can fail; the four allocation functions and strdup() are one. */
enum test_fault_call {
	TEST_FAULT_ALLOC,
	TEST_FAULT_ACCEPT,
	TEST_FAULT_BIND,
	TEST_FAULT_CHMOD,
	TEST_FAULT_CLOSE, /* it is closed nevertheless, as by Linux */
	TEST_FAULT_COND_INIT,
	TEST_FAULT_CONNECT,
	TEST_FAULT_DUP, /* fcntl(F_DUPFD_CLOEXEC) */
	TEST_FAULT_DUP3,
	TEST_FAULT_EPOLL_ADD,
	TEST_FAULT_EPOLL_CREATE,
	TEST_FAULT_EPOLL_WAIT,
	TEST_FAULT_EVENTFD,
	TEST_FAULT_FCHMOD,
	TEST_FAULT_FSTAT,
	TEST_FAULT_FSTATFS,
	TEST_FAULT_FTRUNCATE,
	TEST_FAULT_GETSOCKOPT,
	TEST_FAULT_LISTEN,
	TEST_FAULT_LSTAT,
	TEST_FAULT_MADVISE,
	TEST_FAULT_MEMFD,
	TEST_FAULT_MMAP,
	TEST_FAULT_MPROTECT,
	TEST_FAULT_MUTEX_INIT,
	TEST_FAULT_POLL,
	TEST_FAULT_PREAD,
	TEST_FAULT_PREADV2,
	TEST_FAULT_PWRITE,
	TEST_FAULT_READ,
	TEST_FAULT_READLINK,
	TEST_FAULT_RECVMSG,
	TEST_FAULT_SEND,
	TEST_FAULT_SENDMSG, /* without file descriptors */
	TEST_FAULT_SENDMSG_FDS,
	TEST_FAULT_SOCKET,
	TEST_FAULT_SOCKETPAIR,
	TEST_FAULT_SYSCALL,
	TEST_FAULT_THREAD,
	TEST_FAULT_TIMERFD,
	TEST_FAULT_UNLINK,
	TEST_FAULT_LIBS, /* the libraries have those above, the drivers these, too */
	TEST_FAULT_EAL_ALLOC = TEST_FAULT_LIBS, /* of huge pages */
	TEST_FAULT_EAL_ALARM,
	TEST_FAULT_EAL_INTR, /* memory of an interrupt handle */
	TEST_FAULT_EAL_INTR_SET,
	TEST_FAULT_EAL_KVARGS,
	TEST_FAULT_EAL_MEM_EVENT,
	TEST_FAULT_EAL_PORT,
	TEST_FAULT_EAL_THREAD,
	TEST_FAULT_NB
};

/** Instead of an errno: the call does one byte only. */
#define TEST_FAULT_SHORT -1

struct test_fault {
	enum test_fault_call call;
	unsigned int nth; /**< of the calls from test_fault_start() on */
	int err; /**< errno, or TEST_FAULT_SHORT */
	bool always; /**< the later ones, too */
};

/** Count, and make fail, calls of the calling thread from now on. */
void test_fault_on(void);

/** No more; not nested. */
void test_fault_off(void);

/** Set all counts to 0 and arm a fault (NULL: only count). */
void test_fault_start(const struct test_fault *fault);

/** End it, and the counting. @return whether the call was made, and failed. */
bool test_fault_stop(void);

/** Number of counted calls since test_fault_start(). */
unsigned int test_fault_count(enum test_fault_call call);

/** Its name, as C calls it. */
const char *test_fault_name(enum test_fault_call call);

/** What it may fail with; ends with 0. */
const int *test_fault_errs(enum test_fault_call call);

/** False: the program was not linked for it. */
bool test_fault_linked(void);

/**
 * Let the calling thread's nth allocation from now on fail (0: none, which
 * also ends an injection). False: not linked for it.
 */
bool test_alloc_fail(unsigned int nth);

/** Number of allocations that the calling thread has made, counted always. */
unsigned int test_alloc_count(void);

#endif /* TEST_FAULT_H */
