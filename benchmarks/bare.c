/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <rte_vfio_user_common.h>

#include "bare.h"
#include "bench.h"

/* what one epoll_wait() of the library takes */
#define EVENTS 16

/* a spinning server of the library asks its epoll that often */
#define BUSY_CHECK 64
#define IDLE_CHECK 16

void
bare_init(struct bare *bare, int fd)
{
	memset(bare, 0, sizeof(*bare));
	bare_open(bare, fd);
}

void
bare_open(struct bare *bare, int fd)
{
	struct epoll_event ev = { .events = EPOLLIN };

	bare->fd = fd;
	bare->cap = BARE_BUF;
	bare->epfd = epoll_create1(EPOLL_CLOEXEC);
	if (bare->epfd < 0 || epoll_ctl(bare->epfd, EPOLL_CTL_ADD, fd, &ev) < 0)
		bench_die("epoll");
}

struct bare *
bare_once(int fd)
{
	static struct bare bare;
	static bool used;

	if (!used)
		bare_init(&bare, fd);
	used = true;
	return &bare;
}

void
bare_send(struct bare *bare, uint32_t len)
{
	struct iovec iov = { .iov_base = bare->buf, .iov_len = len };
	struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (sendmsg(bare->fd, &mh, MSG_DONTWAIT | MSG_NOSIGNAL) != (ssize_t)len)
		bench_die("sendmsg");
}

ssize_t
bare_try_recv(struct bare *bare)
{
	union {
		char buf[CMSG_SPACE(RTE_VFIO_USER_MAX_MSG_FDS * sizeof(int))];
		struct cmsghdr align;
	} ctl;
	struct iovec iov = { .iov_base = bare->buf, .iov_len = bare->cap };
	struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1 };

	mh.msg_control = ctl.buf;
	mh.msg_controllen = sizeof(ctl.buf);
	return recvmsg(bare->fd, &mh, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
}

uint32_t
bare_recv(struct bare *bare)
{
	ssize_t len = bare_try_recv(bare);

	if (len <= 0 && (len == 0 || errno != EAGAIN))
		bench_die("recvmsg");
	return len < 0 ? 0 : (uint32_t)len;
}

bool
bare_wait(struct bare *bare, int timeout_ms)
{
	struct epoll_event ev[EVENTS];

	return epoll_wait(bare->epfd, ev, EVENTS, timeout_ms) > 0;
}

void
bare_serve_spin(struct bare *bare)
{
	uint32_t len = bare_recv(bare);

	if (len != 0) {
		bare_send(bare, BARE_REPLY);
		bare->idle = 0;
		if (++bare->polls % BUSY_CHECK == 0)
			bare_wait(bare, 0);
	} else if (++bare->idle <= 2 || bare->idle % IDLE_CHECK == 0) {
		bare_wait(bare, 0);
	}
}
