/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/uio.h>
#include <unistd.h>

#include "events.h"
#include "tool.h"

static volatile sig_atomic_t caught;

static void
on_signal(int sig)
{
	caught = sig;
}

void
signals_catch(void)
{
	struct sigaction action = { .sa_handler = on_signal, .sa_flags = SA_RESETHAND };

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
}

int
signals_caught(void)
{
	return caught;
}

/* A signal that comes between the question and the sleep must not be lost. */
int
events_poll(struct pollfd *fds, nfds_t nb, int timeout_ms)
{
	const struct timespec timeout = {
		.tv_sec = timeout_ms / 1000, .tv_nsec = timeout_ms % 1000 * 1000000L,
	};
	sigset_t set, before;
	int ret, err = EINTR;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, &before);
	ret = caught != 0 ? -1 : ppoll(fds, nb, timeout_ms < 0 ? NULL : &timeout, &before);
	if (caught == 0)
		err = errno;
	sigprocmask(SIG_SETMASK, &before, NULL);
	errno = err;
	return ret;
}

int
event_create(void)
{
	int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);

	if (fd < 0)
		die(STATUS_FAILED, "eventfd: %s", strerror(errno));
	return fd;
}

/*
 * The server has the eventfd, too: it may have emptied it after poll(2), and have
 * taken its O_NONBLOCK away.
 */
uint64_t
event_take(int fd)
{
	uint64_t count = 0;
	const struct iovec iov = { .iov_base = &count, .iov_len = sizeof(count) };
	ssize_t ret = preadv2(fd, &iov, 1, -1, RWF_NOWAIT);

	if (ret < 0 && (errno == EOPNOTSUPP || errno == ENOSYS)) /* before Linux 5.9 */
		ret = read(fd, &count, sizeof(count));
	return ret == (ssize_t)sizeof(count) ? count : 0;
}

int
time_left(double start, uint32_t timeout_ms)
{
	double left = timeout_ms - (now_us() - start) / 1e3;

	if (timeout_ms == 0)
		return -1;
	return left <= 0 ? 0 : (int)RTE_MIN(left + 1, 1e9);
}
