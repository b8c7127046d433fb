/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/uio.h>

#include <jansson.h>

#include <rte_common.h>

#include "test_fault.h"
#include "test_fault_wrap.h"

#define MAX_ERRS 8

#define SHORT TEST_FAULT_SHORT

/*
 * Not here, since they cannot fail with arguments of the library: epoll_ctl()
 * other than ADD, timerfd_settime(), fcntl() other than to duplicate, write()
 * to an eventfd that is read, munmap() of a whole mapping, shutdown().
 */
static const struct {
	const char *name;
	int errs[MAX_ERRS];
} calls[TEST_FAULT_NB] = {
	[TEST_FAULT_ALLOC] = { "malloc", { ENOMEM } },
	[TEST_FAULT_ACCEPT] = { "accept4", { EMFILE, ENFILE, ENOMEM, ECONNABORTED } },
	[TEST_FAULT_BIND] = { "bind", { EADDRINUSE, EACCES, ENOSPC, ENOMEM } },
	[TEST_FAULT_CHMOD] = { "chmod", { EPERM, ENOENT, EROFS } },
	[TEST_FAULT_CLOSE] = { "close", { EINTR, EIO } },
	[TEST_FAULT_COND_INIT] = { "pthread_cond_init", { ENOMEM, EAGAIN } },
	[TEST_FAULT_CONNECT] = { "connect", { EAGAIN, ECONNREFUSED, ENOENT, EACCES } },
	[TEST_FAULT_DUP] = { "fcntl(F_DUPFD_CLOEXEC)", { EMFILE } },
	[TEST_FAULT_DUP3] = { "dup3", { EBADF } }, /* above a limit lowered since */
	[TEST_FAULT_EPOLL_ADD] = { "epoll_ctl(ADD)", { ENOMEM, ENOSPC } },
	[TEST_FAULT_EPOLL_CREATE] = { "epoll_create1", { EMFILE, ENFILE, ENOMEM } },
	[TEST_FAULT_EPOLL_WAIT] = { "epoll_wait", { EINTR } },
	[TEST_FAULT_EVENTFD] = { "eventfd", { EMFILE, ENFILE, ENOMEM, ENODEV } },
	[TEST_FAULT_FCHMOD] = { "fchmod", { EPERM, EROFS } },
	[TEST_FAULT_FSTAT] = { "fstat", { ENOMEM, EOVERFLOW } },
	[TEST_FAULT_FSTATFS] = { "fstatfs", { ENOSYS, ENOMEM } },
	[TEST_FAULT_FTRUNCATE] = { "ftruncate", { ENOMEM, ENOSPC } },
	[TEST_FAULT_GETSOCKOPT] = { "getsockopt", { ENOBUFS, ENOMEM } },
	[TEST_FAULT_LISTEN] = { "listen", { EADDRINUSE } },
	[TEST_FAULT_LSTAT] = { "lstat", { EACCES, ENOMEM } },
	[TEST_FAULT_MADVISE] = { "madvise", { EAGAIN, ENOMEM, EINVAL } },
	[TEST_FAULT_MEMFD] = { "memfd_create", { EMFILE, ENFILE, ENOMEM } },
	[TEST_FAULT_MMAP] = { "mmap", { ENOMEM, EAGAIN, ENFILE, EPERM, ENODEV } },
	[TEST_FAULT_MPROTECT] = { "mprotect", { ENOMEM, EACCES } },
	[TEST_FAULT_MUTEX_INIT] = { "pthread_mutex_init", { ENOMEM, EAGAIN } },
	[TEST_FAULT_POLL] = { "poll", { EINTR, ENOMEM } },
	[TEST_FAULT_PREAD] = { "pread", { EIO, EINTR, SHORT } },
	[TEST_FAULT_PREADV2] = { "preadv2", { EOPNOTSUPP, EAGAIN, EINTR } },
	[TEST_FAULT_PWRITE] = { "pwrite", { ENOSPC, EIO, EINTR, SHORT } },
	[TEST_FAULT_READ] = { "read", { EAGAIN } },
	[TEST_FAULT_READLINK] = { "readlink", { ENOENT, EACCES, ENOMEM } },
	[TEST_FAULT_RECVMSG] = { "recvmsg", { EINTR, ECONNRESET, EAGAIN, ENOMEM, SHORT } },
	[TEST_FAULT_SEND] = { "send", { EPIPE, EAGAIN, ENOBUFS } },
	[TEST_FAULT_SENDMSG] = { "sendmsg", { EAGAIN, EPIPE, ENOBUFS, SHORT, EINTR, ENOMEM } },
	[TEST_FAULT_SENDMSG_FDS] = { "sendmsg with fds", { ETOOMANYREFS, EAGAIN, EPIPE, ENOBUFS,
							   SHORT, EINTR, ENOMEM } },
	[TEST_FAULT_SOCKET] = { "socket", { EMFILE, ENFILE, ENOMEM, ENOBUFS } },
	[TEST_FAULT_SOCKETPAIR] = { "socketpair", { EMFILE, ENFILE, ENOMEM } },
	[TEST_FAULT_SYSCALL] = { "syscall", { ENOSYS, EPERM, ENOMEM } },
	[TEST_FAULT_THREAD] = { "pthread_create", { EAGAIN, EPERM } },
	[TEST_FAULT_TIMERFD] = { "timerfd_create", { EMFILE, ENFILE, ENOMEM, ENODEV } },
	[TEST_FAULT_UNLINK] = { "unlink", { EACCES, EROFS, EBUSY } },
	[TEST_FAULT_EAL_ALLOC] = { "rte_malloc", { ENOMEM } },
	[TEST_FAULT_EAL_ALARM] = { "rte_eal_alarm_set", { ENOMEM } },
	[TEST_FAULT_EAL_INTR] = { "rte_intr_*_alloc", { ENOMEM } },
	[TEST_FAULT_EAL_INTR_SET] = { "rte_intr_*_set", { ERANGE } },
	[TEST_FAULT_EAL_KVARGS] = { "rte_kvargs_parse", { ENOMEM } },
	[TEST_FAULT_EAL_MEM_EVENT] = { "rte_mem_event_callback_register", { ENOMEM, EEXIST } },
	[TEST_FAULT_EAL_PORT] = { "rte_eth_dev_allocate", { ENOMEM } },
	[TEST_FAULT_EAL_THREAD] = { "rte_ctrl_thread_create", { EAGAIN, ENOMEM } },
};

static __thread bool is_on;
static __thread unsigned int alloc_count;

static unsigned int counts[TEST_FAULT_NB]; /* atomic */
static bool counting; /* atomic */
static struct {
	enum test_fault_call call;
	int err;
	bool always;
	unsigned int nth; /* atomic, written last; 0: none */
	bool made; /* atomic */
} armed;

void
test_fault_on(void)
{
	is_on = true;
}

void
test_fault_off(void)
{
	is_on = false;
}

void
test_fault_start(const struct test_fault *fault)
{
	unsigned int i;

	test_fault_stop();
	__atomic_store_n(&armed.made, false, __ATOMIC_SEQ_CST);
	for (i = 0; i < TEST_FAULT_NB; i++)
		__atomic_store_n(&counts[i], 0, __ATOMIC_SEQ_CST);
	if (fault != NULL) {
		__atomic_store_n(&armed.call, fault->call, __ATOMIC_RELAXED);
		__atomic_store_n(&armed.err, fault->err, __ATOMIC_RELAXED);
		__atomic_store_n(&armed.always, fault->always, __ATOMIC_RELAXED);
		__atomic_store_n(&armed.nth, fault->nth, __ATOMIC_SEQ_CST);
	}
	__atomic_store_n(&counting, true, __ATOMIC_SEQ_CST);
}

bool
test_fault_stop(void)
{
	__atomic_store_n(&counting, false, __ATOMIC_SEQ_CST);
	__atomic_store_n(&armed.nth, 0, __ATOMIC_SEQ_CST);
	return __atomic_load_n(&armed.made, __ATOMIC_SEQ_CST);
}

unsigned int
test_fault_count(enum test_fault_call call)
{
	return __atomic_load_n(&counts[call], __ATOMIC_SEQ_CST);
}

const char *
test_fault_name(enum test_fault_call call)
{
	return calls[call].name;
}

const int *
test_fault_errs(enum test_fault_call call)
{
	return calls[call].errs;
}

int
test_fault_hit(enum test_fault_call call)
{
	unsigned int nth, count;

	if (!is_on || !__atomic_load_n(&counting, __ATOMIC_SEQ_CST))
		return 0;
	count = __atomic_add_fetch(&counts[call], 1, __ATOMIC_SEQ_CST);
	nth = __atomic_load_n(&armed.nth, __ATOMIC_SEQ_CST);
	if (nth == 0 || call != __atomic_load_n(&armed.call, __ATOMIC_RELAXED) || count < nth ||
	    (count > nth && !__atomic_load_n(&armed.always, __ATOMIC_RELAXED)))
		return 0;
	__atomic_store_n(&armed.made, true, __ATOMIC_SEQ_CST);
	errno = __atomic_load_n(&armed.err, __ATOMIC_RELAXED);
	return errno;
}

/* A function that fails by -1 and errno. */
#define WRAP_CALL(what, name, args, ...) \
	WRAP(int, name, __VA_ARGS__) \
	{ \
		return test_fault_hit(TEST_FAULT_##what) != 0 ? -1 : __real_##name args; \
	}

/* One of POSIX threads: it returns the errno. */
#define WRAP_INIT(what, name, object, attr) \
	WRAP(int, name, object *obj, const attr *a) \
	{ \
		int err = test_fault_hit(TEST_FAULT_##what); \
	\
		return err != 0 ? err : __real_##name(obj, a); \
	}

/* ------------------------------------------------------------ allocations */

static bool
alloc_fails(void)
{
	alloc_count++;
	return test_fault_hit(TEST_FAULT_ALLOC) != 0;
}

WRAP(void *, malloc, size_t size)
{
	return alloc_fails() ? NULL : __real_malloc(size);
}

WRAP(void *, calloc, size_t n, size_t size)
{
	return alloc_fails() ? NULL : __real_calloc(n, size);
}

WRAP(void *, realloc, void *ptr, size_t size)
{
	return alloc_fails() ? NULL : __real_realloc(ptr, size);
}

WRAP(void *, aligned_alloc, size_t align, size_t size)
{
	return alloc_fails() ? NULL : __real_aligned_alloc(align, size);
}

WRAP(char *, strdup, const char *text)
{
	return alloc_fails() ? NULL : __real_strdup(text);
}

/* jansson is a library of its own, to which --wrap does not reach */
RTE_INIT(wrap_jansson)
{
	if (test_fault_linked())
		json_set_alloc_funcs(__wrap_malloc, free);
}

bool
test_fault_linked(void)
{
	return __real_malloc != NULL;
}

bool
test_alloc_fail(unsigned int nth)
{
	const struct test_fault alloc = { .call = TEST_FAULT_ALLOC, .nth = nth,
					  .err = ENOMEM };

	is_on = nth != 0;
	test_fault_start(&alloc);
	return test_fault_linked();
}

unsigned int
test_alloc_count(void)
{
	return alloc_count;
}

bool
test_fault_is_on(void)
{
	return is_on;
}

/* ---------------------------------------------------- threads and locks */

WRAP_INIT(COND_INIT, pthread_cond_init, pthread_cond_t, pthread_condattr_t)
WRAP_INIT(MUTEX_INIT, pthread_mutex_init, pthread_mutex_t, pthread_mutexattr_t)
WRAP_INIT(MUTEX_INIT, pthread_rwlock_init, pthread_rwlock_t, pthread_rwlockattr_t)

struct start {
	void *(*func)(void *arg);
	void *arg;
};

static void *
run_on(void *arg)
{
	struct start start = *(struct start *)arg;

	free(arg);
	is_on = true;
	return start.func(start.arg);
}

WRAP(int, pthread_create, pthread_t *thread, const pthread_attr_t *attr,
     void *(*func)(void *), void *arg)
{
	int ret = test_fault_hit(TEST_FAULT_THREAD);
	struct start *start;

	if (ret != 0)
		return ret;
	if (!is_on)
		return __real_pthread_create(thread, attr, func, arg);
	start = __real_malloc(sizeof(*start));
	if (start == NULL)
		return EAGAIN;
	start->func = func;
	start->arg = arg;
	ret = __real_pthread_create(thread, attr, run_on, start);
	if (ret != 0)
		free(start);
	return ret;
}

/* ------------------------------------------------------- file descriptors */

WRAP_CALL(EPOLL_CREATE, epoll_create1, (flags), int flags)
WRAP_CALL(EPOLL_WAIT, epoll_wait, (fd, ev, max, ms), int fd, struct epoll_event *ev, int max,
	  int ms)
WRAP_CALL(EVENTFD, eventfd, (val, flags), unsigned int val, int flags)
WRAP_CALL(TIMERFD, timerfd_create, (clock, flags), int clock, int flags)
WRAP_CALL(DUP3, dup3, (from, to, flags), int from, int to, int flags)
WRAP_CALL(POLL, poll, (fds, nb, ms), struct pollfd *fds, nfds_t nb, int ms)

WRAP(int, epoll_ctl, int epfd, int op, int fd, struct epoll_event *ev)
{
	if (op == EPOLL_CTL_ADD && test_fault_hit(TEST_FAULT_EPOLL_ADD) != 0)
		return -1;
	return __real_epoll_ctl(epfd, op, fd, ev);
}

WRAP(int, fcntl64, int fd, int cmd, ...)
{
	va_list args;
	long arg;

	va_start(args, cmd);
	arg = va_arg(args, long);
	va_end(args);
	if (cmd == F_DUPFD_CLOEXEC && test_fault_hit(TEST_FAULT_DUP) != 0)
		return -1;
	return __real_fcntl64(fd, cmd, arg);
}

WRAP(int, close, int fd)
{
	int err = test_fault_hit(TEST_FAULT_CLOSE), ret;

	ret = __real_close(fd);
	if (err == 0)
		return ret;
	errno = err;
	return -1;
}

/* ------------------------------------------------------ files and memory */

WRAP_CALL(CHMOD, chmod, (path, mode), const char *path, mode_t mode)
WRAP_CALL(FCHMOD, fchmod, (fd, mode), int fd, mode_t mode)
WRAP_CALL(UNLINK, unlink, (path), const char *path)
WRAP_CALL(LSTAT, lstat64, (path, st), const char *path, struct stat *st)
WRAP_CALL(FSTAT, fstat64, (fd, st), int fd, struct stat *st)
WRAP_CALL(FSTATFS, fstatfs64, (fd, st), int fd, struct statfs *st)
WRAP_CALL(FTRUNCATE, ftruncate64, (fd, len), int fd, off_t len)
WRAP_CALL(MEMFD, memfd_create, (name, flags), const char *name, unsigned int flags)
WRAP_CALL(MPROTECT, mprotect, (addr, len, prot), void *addr, size_t len, int prot)
WRAP_CALL(MADVISE, madvise, (addr, len, advice), void *addr, size_t len, int advice)

WRAP(void *, mmap64, void *addr, size_t len, int prot, int flags, int fd, off_t off)
{
	if (test_fault_hit(TEST_FAULT_MMAP) != 0)
		return MAP_FAILED;
	return __real_mmap64(addr, len, prot, flags, fd, off);
}

WRAP(ssize_t, readlink, const char *path, char *buf, size_t len)
{
	return test_fault_hit(TEST_FAULT_READLINK) != 0 ? -1 : __real_readlink(path, buf, len);
}

WRAP(ssize_t, read, int fd, void *buf, size_t len)
{
	return test_fault_hit(TEST_FAULT_READ) != 0 ? -1 : __real_read(fd, buf, len);
}

WRAP(ssize_t, pread64, int fd, void *buf, size_t len, off_t off)
{
	int err = test_fault_hit(TEST_FAULT_PREAD);

	if (err > 0)
		return -1;
	return __real_pread64(fd, buf, err == SHORT ? RTE_MIN(len, 1u) : len, off);
}

WRAP(ssize_t, pwrite64, int fd, const void *buf, size_t len, off_t off)
{
	int err = test_fault_hit(TEST_FAULT_PWRITE);

	if (err > 0)
		return -1;
	return __real_pwrite64(fd, buf, err == SHORT ? RTE_MIN(len, 1u) : len, off);
}

WRAP(ssize_t, preadv64v2, int fd, const struct iovec *iov, int nb, off_t off, int flags)
{
	if (test_fault_hit(TEST_FAULT_PREADV2) != 0)
		return -1;
	return __real_preadv64v2(fd, iov, nb, off, flags);
}

WRAP(long, syscall, long number, ...)
{
	va_list args;
	long arg[6];
	size_t i;

	va_start(args, number);
	for (i = 0; i < RTE_DIM(arg); i++)
		arg[i] = va_arg(args, long);
	va_end(args);
	if (test_fault_hit(TEST_FAULT_SYSCALL) != 0)
		return -1;
	return __real_syscall(number, arg[0], arg[1], arg[2], arg[3], arg[4], arg[5]);
}

/* ---------------------------------------------------------------- sockets */

WRAP_CALL(SOCKET, socket, (domain, type, protocol), int domain, int type, int protocol)
WRAP_CALL(SOCKETPAIR, socketpair, (domain, type, protocol, pair), int domain, int type,
	  int protocol, int *pair)
WRAP_CALL(BIND, bind, (fd, addr, len), int fd, const struct sockaddr *addr, socklen_t len)
WRAP_CALL(LISTEN, listen, (fd, backlog), int fd, int backlog)
WRAP_CALL(CONNECT, connect, (fd, addr, len), int fd, const struct sockaddr *addr,
	  socklen_t len)
WRAP_CALL(ACCEPT, accept4, (fd, addr, len, flags), int fd, struct sockaddr *addr,
	  socklen_t *len, int flags)
WRAP_CALL(GETSOCKOPT, getsockopt, (fd, level, name, val, len), int fd, int level, int name,
	  void *val, socklen_t *len)

WRAP(ssize_t, send, int fd, const void *buf, size_t len, int flags)
{
	return test_fault_hit(TEST_FAULT_SEND) != 0 ? -1 : __real_send(fd, buf, len, flags);
}

WRAP(ssize_t, sendmsg, int fd, const struct msghdr *mh, int flags)
{
	int err = test_fault_hit(mh->msg_controllen == 0 ? TEST_FAULT_SENDMSG :
			TEST_FAULT_SENDMSG_FDS);
	struct msghdr short_mh = *mh;
	struct iovec iov = *mh->msg_iov;

	if (err > 0)
		return -1;
	if (err == 0)
		return __real_sendmsg(fd, mh, flags);
	iov.iov_len = RTE_MIN(iov.iov_len, 1u);
	short_mh.msg_iov = &iov;
	short_mh.msg_iovlen = 1;
	return __real_sendmsg(fd, &short_mh, flags);
}

WRAP(ssize_t, recvmsg, int fd, struct msghdr *mh, int flags)
{
	int err = test_fault_hit(TEST_FAULT_RECVMSG);
	struct iovec *iov = mh->msg_iov;
	size_t len = iov->iov_len;
	ssize_t ret;

	if (err > 0)
		return -1;
	if (err == SHORT) /* of the first piece; the library has one */
		iov->iov_len = RTE_MIN(len, 1u);
	ret = __real_recvmsg(fd, mh, flags);
	iov->iov_len = len;
	return ret;
}
