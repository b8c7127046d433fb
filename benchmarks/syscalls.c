/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

/*
 * System calls for each read of 4 bytes, counted: the linker replaces those of
 * the library and of this program by the ones below (--wrap).
 */

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "bench.h"
#include "device.h"

#define READS 6400u
#define DEPTH 32u

enum call {
	CALL_EPOLL_WAIT,
	CALL_RECVMSG,
	CALL_SENDMSG,
	CALL_OTHER,
	NB_CALLS
};

enum side { CLIENT, SERVER, NB_SIDES };

/* shared by the two processes */
static uint64_t (*counts)[NB_CALLS];
static enum side side;

static void
count(enum call call)
{
	if (counts != NULL)
		counts[side][call]++;
}

/* --------------------------------------------------------------- the calls */

int __real_epoll_wait(int epfd, struct epoll_event *ev, int nb, int timeout);
int __wrap_epoll_wait(int epfd, struct epoll_event *ev, int nb, int timeout);

int
__wrap_epoll_wait(int epfd, struct epoll_event *ev, int nb, int timeout)
{
	count(CALL_EPOLL_WAIT);
	return __real_epoll_wait(epfd, ev, nb, timeout);
}

ssize_t __real_recvmsg(int fd, struct msghdr *mh, int flags);
ssize_t __wrap_recvmsg(int fd, struct msghdr *mh, int flags);

ssize_t
__wrap_recvmsg(int fd, struct msghdr *mh, int flags)
{
	count(CALL_RECVMSG);
	return __real_recvmsg(fd, mh, flags);
}

ssize_t __real_sendmsg(int fd, const struct msghdr *mh, int flags);
ssize_t __wrap_sendmsg(int fd, const struct msghdr *mh, int flags);

ssize_t
__wrap_sendmsg(int fd, const struct msghdr *mh, int flags)
{
	count(CALL_SENDMSG);
	return __real_sendmsg(fd, mh, flags);
}

int __real_epoll_ctl(int epfd, int op, int fd, struct epoll_event *ev);
int __wrap_epoll_ctl(int epfd, int op, int fd, struct epoll_event *ev);

int
__wrap_epoll_ctl(int epfd, int op, int fd, struct epoll_event *ev)
{
	count(CALL_OTHER);
	return __real_epoll_ctl(epfd, op, fd, ev);
}

ssize_t __real_read(int fd, void *buf, size_t len);
ssize_t __wrap_read(int fd, void *buf, size_t len);

ssize_t
__wrap_read(int fd, void *buf, size_t len)
{
	count(CALL_OTHER);
	return __real_read(fd, buf, len);
}

ssize_t __real_write(int fd, const void *buf, size_t len);
ssize_t __wrap_write(int fd, const void *buf, size_t len);

ssize_t
__wrap_write(int fd, const void *buf, size_t len)
{
	count(CALL_OTHER);
	return __real_write(fd, buf, len);
}

int __real_poll(struct pollfd *fds, nfds_t nb, int timeout);
int __wrap_poll(struct pollfd *fds, nfds_t nb, int timeout);

int
__wrap_poll(struct pollfd *fds, nfds_t nb, int timeout)
{
	count(CALL_OTHER);
	return __real_poll(fds, nb, timeout);
}

int __real_timerfd_settime(int fd, int flags, const struct itimerspec *new_value,
			   struct itimerspec *old_value);
int __wrap_timerfd_settime(int fd, int flags, const struct itimerspec *new_value,
			   struct itimerspec *old_value);

int
__wrap_timerfd_settime(int fd, int flags, const struct itimerspec *new_value,
		       struct itimerspec *old_value)
{
	count(CALL_OTHER);
	return __real_timerfd_settime(fd, flags, new_value, old_value);
}

/* ------------------------------------------------------------- the work */

static void
serve(int fd, const uint32_t *go, void *arg)
{
	struct rte_vfio_user_server *srv = device_create(fd);
	int epfd = bench_epoll(rte_vfio_user_server_fd(srv));
	struct epoll_event ev;

	RTE_SET_USED(arg);
	side = SERVER;
	while (bench_peer_goes(go))
		if (epoll_wait(epfd, &ev, 1, -1) == 1)
			rte_vfio_user_server_poll(srv);
}

static void
read_one_by_one(struct rte_vfio_user_client *client, uint32_t nb)
{
	while (nb-- != 0)
		device_read(client);
}

/* The client sleeps, too, but in an epoll of its own, as an application. */
static void
read_pipelined(struct rte_vfio_user_client *client, uint32_t nb)
{
	int epfd = bench_epoll(rte_vfio_user_client_fd(client));
	uint32_t started = 0, done = 0;
	struct epoll_event ev;

	while (done < nb) {
		rte_vfio_user_client_cork(client);
		for (; started < nb && started - done < DEPTH; started++)
			device_read_async(client, &done);
		rte_vfio_user_client_flush(client);
		if (epoll_wait(epfd, &ev, 1, -1) == 1)
			rte_vfio_user_client_poll(client);
	}
	close(epfd);
}

static void
report(const char *what, enum side of, const char *target)
{
	static const char *const names[] = { "client", "server" };
	const double reads = bench_scale(READS);
	const uint64_t *c = counts[of];
	char name[96], note[128];
	struct bench_row row = { .name = name, .unit = "calls", .target = target,
				 .note = note };
	uint32_t i;

	snprintf(name, sizeof(name), "system calls per read, %s, %s", what, names[of]);
	if (c[CALL_SENDMSG] == 0) {
		bench_skip(name, "the library is not linked statically");
		return;
	}
	for (i = 0; i < NB_CALLS; i++)
		row.value += (double)c[i] / reads;
	snprintf(note, sizeof(note), "epoll_wait %.3f, recvmsg %.3f, sendmsg %.3f, others %.3f",
		 (double)c[CALL_EPOLL_WAIT] / reads, (double)c[CALL_RECVMSG] / reads,
		 (double)c[CALL_SENDMSG] / reads, (double)c[CALL_OTHER] / reads);
	bench_report(&row);
}

static void
count_calls(struct rte_vfio_user_client *client, const char *what, const char *target,
	    void (*work)(struct rte_vfio_user_client *client, uint32_t nb))
{
	memset(counts, 0, NB_SIDES * sizeof(counts[0]));
	work(client, bench_scale(READS));
	report(what, CLIENT, target);
	report(what, SERVER, target);
}

int
main(int argc, char **argv)
{
	struct rte_vfio_user_client *client;
	struct bench_peer peer;

	bench_init(argc, argv);
	counts = bench_shared(NB_SIDES * sizeof(counts[0]));
	bench_peer_create(&peer, serve, NULL);
	bench_peer_start(&peer);
	client = device_client(dup(peer.fd));
	count_calls(client, "one by one", "value < 3.005", read_one_by_one);
	count_calls(client, "32 in flight", "value < 3", read_pipelined);
	rte_vfio_user_client_destroy(client);
	bench_peer_destroy(&peer);
	return 0;
}
