/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

/* Sockets: framing of a stream, file descriptors in it, the send queue. */

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <rte_common.h>

#include "test.h"
#include "test_short.h"
#include "test_vfio_user_fds.h"
#include "vfio_user_sock.h"

#define MAX_MSG ((1u << 20) + 4096)
#define MAX_FDS RTE_VFIO_USER_MAX_MSG_FDS
#define HDR ((uint32_t)sizeof(struct vfio_user_hdr))

static int pair[2] = { -1, -1 }; /* 0: our end, 1: the peer's */
static struct vfio_user_rx rx;
static struct vfio_user_tx tx;
static struct vfio_user_msg msg;
static int file_fd = -1; /* what is passed */
static uint8_t wire[MAX_MSG + 64];
static int nb_fds_before;

static int
setup(void)
{
	TEST_ASSERT_SUCCESS(check_fds(&nb_fds_before), "fds");
	TEST_ASSERT_SUCCESS(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair),
			    "socketpair: %s", strerror(errno));
	file_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	TEST_ASSERT_SUCCESS(vfio_user_rx_init(&rx, MAX_MSG), "rx");
	vfio_user_tx_init(&tx);
	return TEST_SUCCESS;
}

static void
teardown(void)
{
	vfio_user_rx_fini(&rx);
	vfio_user_tx_fini(&tx);
	close(pair[0]);
	close(pair[1]);
	close(file_fd);
}

/* What every case that passes fds ends with: nothing is left but the fixture's. */
#define NB_FIXTURE_FDS 3

static int
no_leak(void)
{
	vfio_user_rx_fini(&rx);
	vfio_user_tx_fini(&tx);
	TEST_ASSERT_EQUAL(count_fds(), nb_fds_before + NB_FIXTURE_FDS, "%d fds",
			  count_fds() - nb_fds_before);
	return TEST_SUCCESS;
}

/* ------------------------------------------------------------------ helpers */

static uint8_t
pattern(uint16_t id, uint32_t i)
{
	return (uint8_t)(id * 7 + i + (i >> 8));
}

/* Store a message with a payload that follows from its id; its size. */
static uint32_t
make_msg(uint8_t *buf, uint16_t id, uint32_t len)
{
	struct vfio_user_hdr hdr = {
		.msg_id = id, .command = VFIO_USER_REGION_WRITE, .msg_size = HDR + len,
	};
	uint32_t i;

	memcpy(buf, &hdr, HDR);
	for (i = 0; i < len; i++)
		buf[HDR + i] = pattern(id, i);
	return HDR + len;
}

static bool
msg_is(const struct vfio_user_msg *got, uint16_t id, uint32_t len)
{
	uint32_t i;

	if (got->hdr.msg_id != id || got->len != len)
		return false;
	for (i = 0; i < len; i++)
		if (got->payload[i] != pattern(id, i))
			return false;
	return true;
}

/* Send bytes as the peer, with nb copies of file_fd. */
static ssize_t
peer_send(const void *buf, size_t len, uint32_t nb)
{
	union {
		char buf[CMSG_SPACE(MAX_FDS * sizeof(int))];
		struct cmsghdr align;
	} ctl = { .buf = { 0 } };
	struct iovec iov = { .iov_base = (void *)(uintptr_t)buf, .iov_len = len };
	struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *cmsg;
	uint32_t i;

	if (nb != 0) {
		mh.msg_control = ctl.buf;
		mh.msg_controllen = CMSG_SPACE(nb * sizeof(int));
		cmsg = CMSG_FIRSTHDR(&mh);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(nb * sizeof(int));
		for (i = 0; i < nb; i++)
			memcpy(CMSG_DATA(cmsg) + i * sizeof(int), &file_fd, sizeof(int));
	}
	return sendmsg(pair[1], &mh, MSG_NOSIGNAL);
}

#define PEER_SEND(buf, len, nb) \
	TEST_ASSERT_EQUAL(peer_send(buf, len, nb), (ssize_t)(len), "%s", strerror(errno))

/* Receive until a message is complete: 1, or what recv or next returned. */
static int
recv_msg(void)
{
	int ret;

	for (;;) {
		ret = vfio_user_rx_next(&rx, &msg);
		if (ret != 0)
			return ret;
		ret = vfio_user_rx_recv(&rx, pair[0]);
		if (ret < 0)
			return ret;
	}
}

/* The next message, with that many fds. */
static int
expect_msg(uint16_t id, uint32_t len, uint32_t nb)
{
	int ret = recv_msg();
	uint32_t i;

	TEST_ASSERT_EQUAL(ret, 1, "message %u: %d", id, ret);
	TEST_ASSERT(msg_is(&msg, id, len), "message %u: got %u, %u bytes", id,
		    msg.hdr.msg_id, msg.len);
	TEST_ASSERT_EQUAL(msg.fds.nb, nb, "message %u: %u fds", id, msg.fds.nb);
	TEST_ASSERT(!msg.fds_lost, "message %u", id);
	for (i = 0; i < nb; i++)
		TEST_ASSERT(fcntl(msg.fds.fd[i], F_GETFD) == FD_CLOEXEC, "fd %u", i);
	vfio_user_msg_release(&msg);
	return TEST_SUCCESS;
}

/* -------------------------------------------------------------- receiving */

static int
test_splits(void)
{
	uint32_t len = make_msg(wire, 1, 20), split;

	len += make_msg(wire + len, 2, 0);
	len += make_msg(wire + len, 3, 9);
	for (split = 1; split < len; split++) {
		PEER_SEND(wire, split, 0);
		while (vfio_user_rx_recv(&rx, pair[0]) > 0)
			while (vfio_user_rx_next(&rx, &msg) == 1)
				TEST_ASSERT(msg.hdr.msg_id <= 3, "split at %u", split);
		PEER_SEND(wire + split, len - split, 0);
		while (vfio_user_rx_recv(&rx, pair[0]) > 0)
			while (vfio_user_rx_next(&rx, &msg) == 1)
				TEST_ASSERT(msg_is(&msg, msg.hdr.msg_id,
					msg.hdr.msg_id == 1 ? 20 : msg.hdr.msg_id == 2 ?
					0 : 9), "split at %u", split);
		TEST_ASSERT_EQUAL(msg.hdr.msg_id, 3, "split at %u", split);
		TEST_ASSERT(!vfio_user_rx_partial(&rx), "split at %u", split);
	}
	return TEST_SUCCESS;
}

static int
test_byte_by_byte(void)
{
	uint32_t len = make_msg(wire, 1, 20), i, nb = 0;

	len += make_msg(wire + len, 2, 5);
	for (i = 0; i < len; i++) {
		PEER_SEND(wire + i, 1, 0);
		TEST_ASSERT_EQUAL(vfio_user_rx_recv(&rx, pair[0]), 1, "byte %u", i);
		if (vfio_user_rx_next(&rx, &msg) != 1) {
			TEST_ASSERT(vfio_user_rx_partial(&rx), "byte %u", i);
			continue;
		}
		TEST_ASSERT(i == HDR + 20 - 1 || i == len - 1, "byte %u", i);
		nb++;
		TEST_ASSERT(msg_is(&msg, (uint16_t)nb, nb == 1 ? 20 : 5), "byte %u", i);
		TEST_ASSERT(!vfio_user_rx_partial(&rx), "byte %u", i);
	}
	TEST_ASSERT_EQUAL(nb, 2u, "messages");
	TEST_ASSERT_EQUAL(vfio_user_rx_recv(&rx, pair[0]), -EAGAIN, "nothing left");
	return TEST_SUCCESS;
}

static int
test_pipelined(void)
{
	uint32_t len, i, round;

	/* 4000 messages, so that the buffer's end is met at all kinds of places */
	for (round = 0; round < 40; round++) {
		len = 0;
		for (i = 0; i < 100; i++)
			len += make_msg(wire + len, (uint16_t)i, (i * 37 + round * 11) % 300);
		PEER_SEND(wire, len, 0);
		for (i = 0; i < 100; i++)
			if (expect_msg((uint16_t)i, (i * 37 + round * 11) % 300, 0) < 0)
				return TEST_FAILED;
	}
	TEST_ASSERT_EQUAL(recv_msg(), -EAGAIN, "more");
	return TEST_SUCCESS;
}

static int
test_bad_frames(void)
{
	static const struct {
		uint32_t size, flags;
	} bad[] = {
		{ 0, 0 }, { 15, 0 }, { MAX_MSG + 1, 0 }, { UINT32_MAX, 0 }, { 16, 2 },
		{ 1u << 31, 0 },
	};
	struct vfio_user_hdr hdr = { .msg_id = 9 };
	uint32_t i, len;

	for (i = 0; i < RTE_DIM(bad); i++) {
		hdr.msg_size = bad[i].size;
		hdr.flags = bad[i].flags;
		len = make_msg(wire, 1, 4);
		memcpy(wire + len, &hdr, HDR);
		memset(wire + len + HDR, 0xff, 100);
		PEER_SEND(wire, len + HDR + 100, i % 2);
		TEST_ASSERT_EQUAL(recv_msg(), 1, "case %u: the good one", i);
		TEST_ASSERT(msg_is(&msg, 1, 4), "case %u", i);
		vfio_user_msg_release(&msg);
		TEST_ASSERT_EQUAL(recv_msg(), -EPROTO, "case %u", i);
		TEST_ASSERT_EQUAL(recv_msg(), -EPROTO, "case %u: again", i);
		vfio_user_rx_fini(&rx);
		TEST_ASSERT_SUCCESS(vfio_user_rx_init(&rx, MAX_MSG), "rx");
	}
	return no_leak();
}

static int
test_end(void)
{
	uint32_t len = make_msg(wire, 1, 4);

	PEER_SEND(wire, len + 3, 0);
	shutdown(pair[1], SHUT_RDWR);
	DO(expect_msg(1, 4, 0));
	TEST_ASSERT_EQUAL(recv_msg(), -ENOTCONN, "end of stream");
	TEST_ASSERT(vfio_user_rx_partial(&rx), "the rest");
	TEST_ASSERT_EQUAL(vfio_user_rx_recv(&rx, -1), -ENOTCONN, "bad fd");
	return TEST_SUCCESS;
}

static int
test_growth(void)
{
	static const uint32_t sizes[] = {
		16384 - HDR, 16384 - HDR + 1, 65536, 1, 1 << 20, MAX_MSG - HDR, 0,
	};
	uint32_t i, len, sent;
	ssize_t ret;

	for (i = 0; i < RTE_DIM(sizes); i++) {
		/* with a small one in front and behind: it starts anywhere */
		len = make_msg(wire, 100, 3);
		DO(peer_send(wire, len, 0) == (ssize_t)len ? 0 : -1);
		len = make_msg(wire, (uint16_t)i, sizes[i]);
		for (sent = 0; sent < len; sent += (uint32_t)ret) {
			ret = send(pair[1], wire + sent, len - sent, MSG_DONTWAIT);
			if (ret > 0)
				continue;
			ret = vfio_user_rx_recv(&rx, pair[0]);
			TEST_ASSERT(ret > 0, "message %u: %zd", i, ret);
			ret = vfio_user_rx_next(&rx, &msg);
			TEST_ASSERT(ret == 0 || msg_is(&msg, 100, 3), "message %u", i);
			ret = 0;
		}
		do {
			TEST_ASSERT_EQUAL(recv_msg(), 1, "message %u", i);
		} while (msg.hdr.msg_id == 100);
		TEST_ASSERT(msg_is(&msg, (uint16_t)i, sizes[i]), "message %u", i);
		TEST_ASSERT(rx.cap <= 2 * MAX_MSG, "buffer of %u", rx.cap);
	}
	return TEST_SUCCESS;
}

/* ---------------------------------------------------------- fds received */

static int
test_fds(void)
{
	static const uint32_t nbs[] = { 1, 2, 16, 17, 100, MAX_FDS };
	uint32_t i, len = make_msg(wire, 1, 8), split;

	for (i = 0; i < RTE_DIM(nbs); i++) {
		PEER_SEND(wire, len, nbs[i]);
		DO(expect_msg(1, 8, nbs[i]));
	}
	/* they may come with any piece of their message, or with several */
	for (split = 1; split < len; split++) {
		PEER_SEND(wire, split, 1);
		while (vfio_user_rx_recv(&rx, pair[0]) > 0)
			TEST_ASSERT_EQUAL(vfio_user_rx_next(&rx, &msg), 0, "split %u", split);
		PEER_SEND(wire + split, len - split, 2);
		DO(expect_msg(1, 8, 3));
	}
	/* ownership: what is taken stays open */
	PEER_SEND(wire, len, 3);
	TEST_ASSERT_EQUAL(recv_msg(), 1, "message");
	i = (uint32_t)vfio_user_fds_take(&msg.fds, 1);
	TEST_ASSERT_EQUAL(vfio_user_fds_take(&msg.fds, 1), -1, "twice");
	TEST_ASSERT_EQUAL(vfio_user_fds_take(&msg.fds, 3), -1, "outside");
	vfio_user_msg_release(&msg);
	TEST_ASSERT(fcntl((int)i, F_GETFD) >= 0, "closed");
	close((int)i);
	return no_leak();
}

/* More than a set holds: the rest is closed and the message says so. */
static int
test_too_many_fds(void)
{
	uint32_t len = make_msg(wire, 1, 8);

	PEER_SEND(wire, 10, MAX_FDS);
	TEST_ASSERT_EQUAL(vfio_user_rx_recv(&rx, pair[0]), 10, "first piece");
	PEER_SEND(wire + 10, len - 10, 1);
	TEST_ASSERT_EQUAL(recv_msg(), 1, "message");
	TEST_ASSERT(msg.fds_lost, "not reported");
	TEST_ASSERT_EQUAL(msg.fds.nb, (uint32_t)MAX_FDS, "%u fds", msg.fds.nb);
	vfio_user_msg_release(&msg);
	PEER_SEND(wire, len, 1);
	DO(expect_msg(1, 8, 1));
	return no_leak();
}

/* Linux glues what was sent before to a message with fds, and stops behind it. */
static int
test_glued(void)
{
	uint32_t i, len, nb_plain;

	for (nb_plain = 0; nb_plain < 5; nb_plain++) {
		for (i = 0; i < nb_plain; i++) {
			len = make_msg(wire, (uint16_t)i, i);
			PEER_SEND(wire, len, 0);
		}
		len = make_msg(wire, 50, 8);
		PEER_SEND(wire, len, 2);
		len = make_msg(wire, 51, 8);
		PEER_SEND(wire, len, 0);
		len = make_msg(wire, 52, 8);
		PEER_SEND(wire, len, 1);
		for (i = 0; i < nb_plain; i++)
			DO(expect_msg((uint16_t)i, i, 0));
		DO(expect_msg(50, 8, 2));
		DO(expect_msg(51, 8, 0));
		DO(expect_msg(52, 8, 1));
	}
	return no_leak();
}

/* A message with fds, in pieces, around which others are glued. */
static int
test_glued_partial(void)
{
	uint32_t a = make_msg(wire, 1, 8), b, split;

	for (split = 1; split < a; split++) {
		/* the end of the one before, and the start of this one with fds */
		make_msg(wire, 1, 8);
		PEER_SEND(wire, split, 1);
		TEST_ASSERT_EQUAL(recv_msg(), -EAGAIN, "split %u", split);
		PEER_SEND(wire + split, a - split, 0);
		b = make_msg(wire, 2, 30);
		PEER_SEND(wire, b - 10, 2);
		PEER_SEND(wire + b - 10, 10, 0);
		DO(expect_msg(1, 8, 1));
		DO(expect_msg(2, 30, 2));
	}
	/* both are begun and neither is complete */
	make_msg(wire, 1, 8);
	PEER_SEND(wire, a - 1, 1);
	TEST_ASSERT_EQUAL(recv_msg(), -EAGAIN, "begun");
	PEER_SEND(wire + a - 1, 1, 0);
	b = make_msg(wire, 2, 30);
	PEER_SEND(wire, 1, 3);
	TEST_ASSERT(vfio_user_rx_recv(&rx, pair[0]) > 0, "glued");
	DO(expect_msg(1, 8, 1));
	TEST_ASSERT_EQUAL(recv_msg(), -EAGAIN, "second begun");
	PEER_SEND(wire + 1, b - 1, 0);
	DO(expect_msg(2, 30, 3));
	/* never completed: closed with the stream */
	PEER_SEND(wire, 5, 4);
	TEST_ASSERT_EQUAL(recv_msg(), -EAGAIN, "begun");
	return no_leak();
}

static void
run_starved(void)
{
	struct rlimit limit = { 0 };
	uint32_t len = make_msg(wire, 1, 8), before;
	int ret;

	peer_send(wire, len, 10);
	before = (uint32_t)count_fds();
	/* room for five of the ten */
	limit.rlim_cur = limit.rlim_max = (rlim_t)dup(file_fd) + 5;
	close((int)limit.rlim_cur - 5);
	if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
		_exit(10);
	ret = recv_msg();
	if (ret != 1 || !msg_is(&msg, 1, 8))
		_exit(11);
	if (!msg.fds_lost)
		_exit(12);
	if (msg.fds.nb >= 10)
		_exit(13);
	vfio_user_msg_release(&msg);
	if ((uint32_t)count_fds() != before)
		_exit(14);
	/* the stream goes on */
	peer_send(wire, len, 2);
	if (recv_msg() != 1 || msg.fds_lost || msg.fds.nb != 2)
		_exit(15);
	vfio_user_msg_release(&msg);
	_exit(0);
}

static int
test_fd_limit(void)
{
	int status;
	pid_t pid = fork();

	TEST_ASSERT(pid >= 0, "fork");
	if (pid == 0)
		run_starved();
	TEST_ASSERT_EQUAL(waitpid(pid, &status, 0), pid, "waitpid");
	TEST_ASSERT_EQUAL(status, 0, "step %d", WEXITSTATUS(status));
	return TEST_SUCCESS;
}

/* ------------------------------------------------------------------- holding */

/* A frame uses its payload while a nested one receives a lot. */
static int
nest(uint16_t depth)
{
	const uint32_t len = 100 + depth * 20000u;
	struct vfio_user_msg mine;
	uint8_t *held;
	uint32_t size, i;

	size = make_msg(wire, depth, len);
	PEER_SEND(wire, size, 0);
	TEST_ASSERT_EQUAL(recv_msg(), 1, "depth %u", depth);
	mine = msg;
	held = vfio_user_rx_hold(&rx);
	for (i = 0; i < 3; i++) {
		size = make_msg(wire, (uint16_t)(50 + i), 4000);
		PEER_SEND(wire, size, i % 2);
		if (expect_msg((uint16_t)(50 + i), 4000, i % 2) != TEST_SUCCESS)
			return TEST_FAILED;
	}
	if (depth < 4 && nest((uint16_t)(depth + 1)) != TEST_SUCCESS)
		return TEST_FAILED;
	TEST_ASSERT(msg_is(&mine, depth, len), "depth %u: changed", depth);
	vfio_user_rx_unhold(&rx, held);
	return TEST_SUCCESS;
}

static int
test_hold(void)
{
	uint32_t i;

	for (i = 0; i < 3; i++) {
		if (nest(1) != TEST_SUCCESS)
			return TEST_FAILED;
		TEST_ASSERT(SLIST_EMPTY(&rx.old), "old buffers kept");
	}
	/* with messages left behind the held one */
	i = make_msg(wire, 1, 10);
	i += make_msg(wire + i, 2, 20);
	i += make_msg(wire + i, 3, 30);
	PEER_SEND(wire, i, 0);
	TEST_ASSERT_EQUAL(recv_msg(), 1, "first");
	vfio_user_rx_hold(&rx);
	DO(expect_msg(2, 20, 0));
	DO(expect_msg(3, 30, 0));
	vfio_user_rx_unhold(&rx, NULL);
	/* still held at the end */
	PEER_SEND(wire, i, 1);
	TEST_ASSERT_EQUAL(recv_msg(), 1, "first");
	vfio_user_rx_hold(&rx);
	while (recv_msg() == 1)
		vfio_user_msg_release(&msg);
	return no_leak();
}

static int
test_dup(void)
{
	struct vfio_user_msg *copy;
	uint32_t len = make_msg(wire, 1, 77);

	PEER_SEND(wire, len, 2);
	TEST_ASSERT_EQUAL(recv_msg(), 1, "message");
	copy = vfio_user_msg_dup(&msg);
	TEST_ASSERT_NOT_NULL(copy, "copy");
	TEST_ASSERT_EQUAL(msg.fds.nb, 0u, "fds moved");
	vfio_user_msg_release(&msg);
	memset(msg.payload, 0, msg.len);
	TEST_ASSERT(msg_is(copy, 1, 77) && copy->fds.nb == 2, "copy");
	TEST_ASSERT(((uintptr_t)copy->payload & 7) == 0, "alignment");
	vfio_user_msg_release(copy);
	free(copy);
	len = make_msg(wire, 2, 0);
	PEER_SEND(wire, len, 0);
	TEST_ASSERT_EQUAL(recv_msg(), 1, "message");
	copy = vfio_user_msg_dup(&msg);
	TEST_ASSERT(copy != NULL && msg_is(copy, 2, 0), "empty copy");
	free(copy);
	return no_leak();
}

/* -------------------------------------------------------------------- sending */

/* Send from the peer's end by the library's queue. */
static int
queue_msg(uint16_t id, uint32_t len, uint32_t nb, bool more)
{
	uint32_t size = make_msg(wire, id, len), i;
	int fds[MAX_FDS];
	struct iovec iov[3] = {
		{ wire, HDR },
		{ wire + HDR, len / 3 },
		{ wire + HDR + len / 3, size - HDR - len / 3 },
	};

	for (i = 0; i < nb; i++)
		fds[i] = file_fd;
	return vfio_user_tx_send(&tx, pair[1], iov, 3, fds, nb, more);
}

static int
test_send(void)
{
	uint16_t id;

	for (id = 0; id < 20; id++) {
		TEST_ASSERT(queue_msg(id, id * 10u, id % 3, false) == 0, "send");
		TEST_ASSERT_EQUAL(vfio_user_tx_queued(&tx), 0u, "queued");
	}
	for (id = 0; id < 20; id++)
		TEST_ASSERT(expect_msg(id, id * 10u, id % 3) == TEST_SUCCESS, "%u", id);
	/* collected, until one goes at once, a flush, or one with fds */
	for (id = 0; id < 3; id++)
		DO(queue_msg(id, 10, 0, true));
	TEST_ASSERT_EQUAL(vfio_user_tx_queued(&tx), 3 * (HDR + 10), "not queued");
	TEST_ASSERT_EQUAL(recv_msg(), -EAGAIN, "sent");
	DO(vfio_user_tx_flush(&tx, pair[1]));
	for (id = 0; id < 3; id++)
		DO(expect_msg(id, 10, 0));
	DO(queue_msg(1, 10, 0, true));
	DO(queue_msg(2, 10, 0, false));
	DO(expect_msg(1, 10, 0));
	DO(expect_msg(2, 10, 0));
	DO(queue_msg(1, 10, 0, true));
	DO(queue_msg(2, 10, 1, true));
	DO(expect_msg(1, 10, 0));
	DO(expect_msg(2, 10, 1));
	return no_leak();
}

static uint32_t
full_len(uint16_t id)
{
	return id % 7 == 0 ? 100000 : id % 5 * 1000u;
}

static uint32_t
full_fds(uint16_t id)
{
	return id % 4 == 1 ? id % 3 + 1u : 0;
}

/* A socket that takes little: order and attribution are kept. */
static int
test_full_socket(void)
{
	const uint16_t nb = 120;
	uint16_t sent, got = 0;
	int small = 4096, ret;

	setsockopt(pair[1], SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
	for (sent = 0; sent < nb; sent++) {
		ret = queue_msg(sent, full_len(sent), full_fds(sent), sent % 6 == 3);
		TEST_ASSERT_SUCCESS(ret, "message %u: %d", sent, ret);
		if (sent > 60 && vfio_user_rx_recv(&rx, pair[0]) > 0) {
			while (vfio_user_rx_next(&rx, &msg) == 1) {
				TEST_ASSERT(msg_is(&msg, got, full_len(got)), "%u", got);
				TEST_ASSERT_EQUAL(msg.fds.nb, full_fds(got), "%u", got);
				vfio_user_msg_release(&msg);
				got++;
			}
		}
	}
	TEST_ASSERT(vfio_user_tx_queued(&tx) > 100000, "nothing was queued");
	while (got < nb) {
		ret = vfio_user_tx_flush(&tx, pair[1]);
		TEST_ASSERT(ret == 0 || ret == -EAGAIN, "flush: %d", ret);
		ret = recv_msg();
		if (ret == -EAGAIN)
			continue;
		TEST_ASSERT_EQUAL(ret, 1, "message %u: %d", got, ret);
		TEST_ASSERT(msg_is(&msg, got, full_len(got)), "message %u: %u", got,
			    msg.hdr.msg_id);
		TEST_ASSERT_EQUAL(msg.fds.nb, full_fds(got), "message %u", got);
		vfio_user_msg_release(&msg);
		got++;
	}
	DO(vfio_user_tx_flush(&tx, pair[1]));
	TEST_ASSERT_EQUAL(vfio_user_tx_queued(&tx), 0u, "left");
	return no_leak();
}

/* What is queued keeps its own fds, and the peer's end closes them. */
static int
test_queued_fds(void)
{
	int small = 4096, ret;
	uint16_t id;

	setsockopt(pair[1], SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
	for (id = 0; id < 10; id++)
		DO(queue_msg(id, 50000, 3, false));
	TEST_ASSERT(!STAILQ_EMPTY(&tx.marks), "none queued");
	close(pair[0]);
	ret = vfio_user_tx_flush(&tx, pair[1]);
	TEST_ASSERT_EQUAL(ret, -ENOTCONN, "flush: %d", ret);
	TEST_ASSERT_EQUAL(queue_msg(1, 10, 0, false), -ENOTCONN, "send");
	pair[0] = dup(pair[1]);
	return no_leak();
}

#define CASE(fn) TEST_CASE_ST(setup, teardown, fn)

static struct unit_test_suite sock_suite = {
	.suite_name = "vfio-user sockets",
	.unit_test_cases = {
		CASE(test_splits),
		CASE(test_byte_by_byte),
		CASE(test_pipelined),
		CASE(test_bad_frames),
		CASE(test_end),
		CASE(test_growth),
		CASE(test_fds),
		CASE(test_too_many_fds),
		CASE(test_glued),
		CASE(test_glued_partial),
		CASE(test_fd_limit),
		CASE(test_hold),
		CASE(test_dup),
		CASE(test_send),
		CASE(test_full_socket),
		CASE(test_queued_fds),
		TEST_CASES_END()
	},
};

static int
test_vfio_user_sock(void)
{
	return unit_test_suite_runner(&sock_suite);
}

REGISTER_TEST_COMMAND(vfio_user_sock_autotest, test_vfio_user_sock);
