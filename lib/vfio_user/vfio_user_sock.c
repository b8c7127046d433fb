/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <rte_bitops.h>
#include <rte_common.h>
#include <rte_debug.h>

#include "vfio_user_codec.h"
#include "vfio_user_sock.h"

#define RX_BUF_IDLE 64u /* until something is received: a twin socket is often idle */
#define RX_BUF_MIN 16384u
#define RX_BUF_BUSY 65536u /* once a receive filled the small buffer */
#define TX_BUF_MIN 4096u
#define TX_BUF_KEEP 65536u /* a larger queue is freed when it has drained */
#define TX_COPY_MAX 512u /* up to here a copy is cheaper than several iovecs */
#define LISTEN_BACKLOG 16

#ifndef SCM_PIDFD
#define SCM_PIDFD 4 /* Linux 6.5, <linux/socket.h> */
#endif

/* ------------------------------------------------------------ addresses */

int
vfio_user_sock_check_path(const char *path)
{
	struct sockaddr_un addr;

	if (path == NULL || path[0] == '\0')
		return -EINVAL;
	return strlen(path) < sizeof(addr.sun_path) ? 0 : -ENAMETOOLONG;
}

static int
make_addr(const char *path, struct sockaddr_un *addr)
{
	int ret = vfio_user_sock_check_path(path);

	if (ret < 0)
		return ret;
	memset(addr, 0, sizeof(*addr));
	addr->sun_family = AF_UNIX;
	memcpy(addr->sun_path, path, strlen(path));
	return 0;
}

int
vfio_user_sock_connect(const char *path)
{
	struct sockaddr_un addr;
	int fd, ret;

	ret = make_addr(path, &addr);
	if (ret < 0)
		return ret;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0) {
		ret = -errno;
		close(fd);
		return ret;
	}
	return fd;
}

/* Make room for bind(): a socket file that nobody listens on goes. */
static int
remove_stale(const char *path)
{
	struct stat st;
	int fd;

	if (lstat(path, &st) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(st.st_mode))
		return -EADDRINUSE;
	fd = vfio_user_sock_connect(path);
	if (fd >= 0)
		close(fd);
	if (fd != -ECONNREFUSED) /* also -EAGAIN: its backlog is full */
		return -EADDRINUSE;
	return unlink(path) < 0 && errno != ENOENT ? -errno : 0;
}

int
vfio_user_sock_listen(const char *path, mode_t mode)
{
	struct sockaddr_un addr;
	int fd, ret;

	ret = make_addr(path, &addr);
	if (ret < 0)
		return ret;
	ret = remove_stale(path);
	if (ret < 0)
		return ret;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	/* on Linux the file is born with the mode of the socket, less umask */
	if (fchmod(fd, mode) < 0 ||
	    bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0) {
		ret = -errno;
		close(fd);
		return ret;
	}
	if (chmod(path, mode) < 0 || listen(fd, LISTEN_BACKLOG) < 0) {
		ret = -errno;
		unlink(path);
		close(fd);
		return ret;
	}
	return fd;
}

int
vfio_user_sock_accept(int listen_fd)
{
	int fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	return fd < 0 ? -errno : fd;
}

/* ------------------------------------------------------------ receiving */

struct vfio_user_msg *
vfio_user_msg_dup(struct vfio_user_msg *msg)
{
	/* the payload keeps an alignment of 8 behind the structure */
	size_t off = RTE_ALIGN_CEIL(sizeof(*msg), 16);
	struct vfio_user_msg *copy = malloc(off + msg->len);

	if (copy == NULL)
		return NULL;
	copy->hdr = msg->hdr;
	copy->payload = (uint8_t *)copy + off;
	copy->len = msg->len;
	copy->fds_lost = msg->fds_lost;
	if (msg->len != 0)
		memcpy(copy->payload, msg->payload, msg->len);
	vfio_user_fds_init(&copy->fds);
	vfio_user_fds_move(&copy->fds, &msg->fds);
	return copy;
}

int
vfio_user_rx_init(struct vfio_user_rx *rx, uint32_t max_msg)
{
	memset(rx, 0, sizeof(*rx));
	rx->buf = malloc(RX_BUF_IDLE);
	if (rx->buf == NULL)
		return -ENOMEM;
	rx->cap = RX_BUF_IDLE;
	rx->max_msg = max_msg;
	SLIST_INIT(&rx->old);
	return 0;
}

static void
free_old(struct vfio_user_rx *rx)
{
	struct vfio_user_rx_old *old;

	while ((old = SLIST_FIRST(&rx->old)) != NULL) {
		SLIST_REMOVE_HEAD(&rx->old, next);
		free(old);
	}
}

void
vfio_user_rx_fini(struct vfio_user_rx *rx)
{
	uint32_t i;

	for (i = 0; i < RTE_DIM(rx->fds); i++)
		if (rx->fds[i].used)
			vfio_user_fds_close(&rx->fds[i].fds);
	free_old(rx);
	free(rx->buf);
	memset(rx, 0, sizeof(*rx));
}

uint8_t *
vfio_user_rx_hold(struct vfio_user_rx *rx)
{
	uint8_t *previous = rx->held;

	rx->held = rx->buf;
	return previous;
}

void
vfio_user_rx_unhold(struct vfio_user_rx *rx, uint8_t *previous)
{
	rx->held = previous;
	if (previous == NULL)
		free_old(rx);
}

static void
shift_offsets(struct vfio_user_rx *rx)
{
	uint32_t i, by = rx->head;

	rx->head = 0;
	rx->tail -= by;
	rx->scan -= by;
	rx->begun = rx->begun >= by ? rx->begun - by : 0;
	for (i = 0; rx->nb_fds != 0 && i < RTE_DIM(rx->fds); i++)
		if (rx->fds[i].used)
			rx->fds[i].owner -= by;
}

/* Continue in a new buffer of the given capacity. */
static int
move_buffer(struct vfio_user_rx *rx, uint32_t cap)
{
	uint8_t *buf = malloc(cap);

	if (buf == NULL)
		return -ENOMEM;
	memcpy(buf, rx->buf + rx->head, rx->tail - rx->head);
	if (rx->buf == rx->held) {
		/* its first bytes are a consumed header: room for the link */
		SLIST_INSERT_HEAD(&rx->old, (struct vfio_user_rx_old *)rx->buf, next);
	} else {
		free(rx->buf);
	}
	rx->buf = buf;
	rx->cap = cap;
	shift_offsets(rx);
	return 0;
}

/* Size of the message at head, or what is known to be needed of it. */
static uint32_t
wanted(const struct vfio_user_rx *rx)
{
	struct vfio_user_hdr hdr;

	if (rx->tail - rx->head < sizeof(hdr))
		return sizeof(hdr);
	memcpy(&hdr, rx->buf + rx->head, sizeof(hdr));
	return hdr.msg_size;
}

static int
make_room(struct vfio_user_rx *rx)
{
	uint32_t need = RTE_MAX(wanted(rx), RX_BUF_MIN);
	bool was_full = vfio_user_rx_full(rx);

	if (was_full && rx->head != 0)
		need = RTE_MAX(need, RX_BUF_BUSY);
	if (rx->buf == rx->held || need > rx->cap)
		return move_buffer(rx, RTE_MAX(need, rx->cap));
	if (rx->head == rx->tail || rx->cap - rx->head < need || was_full) {
		memmove(rx->buf, rx->buf + rx->head, rx->tail - rx->head);
		shift_offsets(rx);
	}
	return 0;
}

/* Note which messages begin in the bytes just received. */
static void
scan_begun(struct vfio_user_rx *rx)
{
	struct vfio_user_hdr hdr;

	while (rx->scan < rx->tail) {
		rx->begun = rx->scan;
		if (rx->tail - rx->scan < sizeof(hdr))
			return;
		memcpy(&hdr, rx->buf + rx->scan, sizeof(hdr));
		if (vfio_user_check_frame(&hdr, rx->max_msg) < 0)
			return; /* vfio_user_rx_next() ends it there */
		rx->scan += hdr.msg_size;
	}
}

static void
keep_fds(struct vfio_user_rx *rx, struct msghdr *mh)
{
	struct vfio_user_rx_fds *slot = NULL;
	struct cmsghdr *cmsg;
	uint32_t i, nb;
	int fd;

	for (i = 0; i < RTE_DIM(rx->fds); i++) {
		if (rx->fds[i].used && rx->fds[i].owner == rx->begun) {
			slot = &rx->fds[i];
			break;
		}
		if (!rx->fds[i].used && slot == NULL)
			slot = &rx->fds[i];
	}
	RTE_ASSERT(slot != NULL); /* only the last two messages can hold fds */
	if (!slot->used) {
		slot->used = true;
		rx->nb_fds++;
		slot->lost = false;
		slot->owner = rx->begun;
		vfio_user_fds_init(&slot->fds);
	}
	if ((mh->msg_flags & MSG_CTRUNC) != 0)
		slot->lost = true;
	for (cmsg = CMSG_FIRSTHDR(mh); cmsg != NULL; cmsg = CMSG_NXTHDR(mh, cmsg)) {
		if (cmsg->cmsg_level != SOL_SOCKET)
			continue;
		/* the peer can have asked for these on a socket it gave us */
		if (cmsg->cmsg_type == SCM_PIDFD) {
			memcpy(&fd, CMSG_DATA(cmsg), sizeof(fd));
			vfio_user_fd_close(fd);
		}
		if (cmsg->cmsg_type != SCM_RIGHTS)
			continue;
		nb = (cmsg->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (i = 0; i < nb; i++) {
			memcpy(&fd, CMSG_DATA(cmsg) + i * sizeof(fd), sizeof(fd));
			if (vfio_user_fds_add(&slot->fds, fd) < 0)
				slot->lost = true;
		}
	}
}

int
vfio_user_rx_recv(struct vfio_user_rx *rx, int fd)
{
	union {
		char buf[CMSG_SPACE(RTE_VFIO_USER_MAX_MSG_FDS * sizeof(int))];
		struct cmsghdr align;
	} ctl;
	struct iovec iov;
	struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t len;
	int ret;

	ret = make_room(rx);
	if (ret < 0)
		return ret;
	iov.iov_base = rx->buf + rx->tail;
	iov.iov_len = rx->cap - rx->tail;
	mh.msg_control = ctl.buf;
	mh.msg_controllen = sizeof(ctl.buf);
	do {
		len = recvmsg(fd, &mh, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	} while (len < 0 && errno == EINTR);
	if (len < 0)
		return errno == EAGAIN || errno == EWOULDBLOCK ? -EAGAIN : -ENOTCONN;
	rx->tail += (uint32_t)len;
	scan_begun(rx);
	if (mh.msg_controllen != 0 || (mh.msg_flags & MSG_CTRUNC) != 0)
		keep_fds(rx, &mh);
	return len == 0 ? -ENOTCONN : (int)len;
}

static void
attach_fds(struct vfio_user_rx *rx, struct vfio_user_msg *msg)
{
	uint32_t i;

	vfio_user_fds_init(&msg->fds);
	msg->fds_lost = false;
	for (i = 0; rx->nb_fds != 0 && i < RTE_DIM(rx->fds); i++) {
		if (!rx->fds[i].used || rx->fds[i].owner != rx->head)
			continue;
		vfio_user_fds_move(&msg->fds, &rx->fds[i].fds);
		msg->fds_lost = rx->fds[i].lost;
		rx->fds[i].used = false;
		rx->nb_fds--;
	}
}

int
vfio_user_rx_next(struct vfio_user_rx *rx, struct vfio_user_msg *msg)
{
	uint32_t have = rx->tail - rx->head;

	if (have < sizeof(msg->hdr))
		return 0;
	memcpy(&msg->hdr, rx->buf + rx->head, sizeof(msg->hdr));
	if (vfio_user_check_frame(&msg->hdr, rx->max_msg) < 0)
		return -EPROTO;
	if (have < msg->hdr.msg_size)
		return 0;
	msg->payload = rx->buf + rx->head + sizeof(msg->hdr);
	msg->len = msg->hdr.msg_size - sizeof(msg->hdr);
	attach_fds(rx, msg);
	rx->head += msg->hdr.msg_size;
	return 1;
}

/* -------------------------------------------------------------- sending */

void
vfio_user_tx_init(struct vfio_user_tx *tx)
{
	memset(tx, 0, sizeof(*tx));
	STAILQ_INIT(&tx->marks);
}

static void
drop_mark(struct vfio_user_tx *tx)
{
	struct vfio_user_tx_mark *mark = STAILQ_FIRST(&tx->marks);

	STAILQ_REMOVE_HEAD(&tx->marks, next);
	tx->nb_marks--;
	vfio_user_fds_close(&mark->fds);
	free(mark);
}

void
vfio_user_tx_fini(struct vfio_user_tx *tx)
{
	while (!STAILQ_EMPTY(&tx->marks))
		drop_mark(tx);
	free(tx->buf);
	vfio_user_tx_init(tx);
}

/*
 * One sendmsg(). The number of bytes taken, -EAGAIN, -ENOTCONN, or nothing was
 * sent: -EBADF (of the caller), -ENOBUFS. The latter is not -EAGAIN, since the
 * socket is writable meanwhile: whoever waits for that would not sleep.
 */
static ssize_t
send_once(int fd, const struct iovec *iov, int nb_iov, const int *fds,
	  uint32_t nb_fds)
{
	union {
		char buf[CMSG_SPACE(RTE_VFIO_USER_MAX_MSG_FDS * sizeof(int))];
		struct cmsghdr align;
	} ctl;
	struct msghdr mh = { .msg_iov = (struct iovec *)(uintptr_t)iov,
			     .msg_iovlen = nb_iov };
	struct cmsghdr *cmsg;
	ssize_t len;

	if (nb_fds != 0) {
		mh.msg_control = ctl.buf;
		mh.msg_controllen = CMSG_SPACE(nb_fds * sizeof(int));
		memset(ctl.buf, 0, mh.msg_controllen);
		cmsg = CMSG_FIRSTHDR(&mh);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(nb_fds * sizeof(int));
		memcpy(CMSG_DATA(cmsg), fds, nb_fds * sizeof(int));
	}
	do {
		len = sendmsg(fd, &mh, MSG_DONTWAIT | MSG_NOSIGNAL);
	} while (len < 0 && errno == EINTR);
	if (len >= 0)
		return len;
	if (errno == EBADF && nb_fds != 0)
		return -EBADF;
	if (errno == ENOBUFS || errno == ENOMEM || errno == ETOOMANYREFS)
		return -ENOBUFS;
	return errno == EAGAIN || errno == EWOULDBLOCK ? -EAGAIN : -ENOTCONN;
}

static int
reserve(struct vfio_user_tx *tx, size_t len)
{
	uint32_t used = tx->tail - tx->head;
	uint8_t *buf;
	size_t cap;

	if (tx->cap - tx->tail >= len)
		return 0;
	if (tx->cap - used >= len && tx->head >= used) {
		memcpy(tx->buf, tx->buf + tx->head, used);
	} else {
		if (len > UINT32_MAX / 2 - used)
			return -ENOMEM;
		cap = RTE_MAX(TX_BUF_MIN, rte_align32pow2(used + (uint32_t)len));
		buf = malloc(cap);
		if (buf == NULL)
			return -ENOMEM;
		if (used != 0)
			memcpy(buf, tx->buf + tx->head, used);
		free(tx->buf);
		tx->buf = buf;
		tx->cap = (uint32_t)cap;
	}
	tx->head = 0;
	tx->tail = used;
	return 0;
}

static size_t
total_len(const struct iovec *iov, int nb_iov)
{
	size_t total = 0;
	int i;

	for (i = 0; i < nb_iov; i++)
		total += iov[i].iov_len;
	return total;
}

/* Queue a message without its first skip bytes, which have left. */
static int
append(struct vfio_user_tx *tx, const struct iovec *iov, int nb_iov, size_t skip)
{
	int i, ret;

	ret = reserve(tx, total_len(iov, nb_iov) - skip);
	if (ret < 0)
		return ret;
	for (i = 0; i < nb_iov; i++) {
		if (skip >= iov[i].iov_len) {
			skip -= iov[i].iov_len;
			continue;
		}
		memcpy(tx->buf + tx->tail, (const uint8_t *)iov[i].iov_base + skip,
		       iov[i].iov_len - skip);
		tx->tail += (uint32_t)(iov[i].iov_len - skip);
		skip = 0;
	}
	return 0;
}

static int
append_with_fds(struct vfio_user_tx *tx, const struct iovec *iov, int nb_iov,
		const int *fds, uint32_t nb_fds)
{
	struct vfio_user_tx_mark *mark = malloc(sizeof(*mark));
	uint32_t start = vfio_user_tx_queued(tx), i;
	int fd, ret = -ENOMEM;

	if (mark == NULL)
		return -ENOMEM;
	vfio_user_fds_init(&mark->fds);
	for (i = 0; i < nb_fds; i++) {
		fd = ret = vfio_user_fd_dup(fds[i]);
		if (fd < 0)
			goto free_mark;
		vfio_user_fds_add(&mark->fds, fd);
	}
	ret = append(tx, iov, nb_iov, 0);
	if (ret < 0)
		goto free_mark;
	mark->pos = tx->pos + start;
	mark->len = vfio_user_tx_queued(tx) - start;
	STAILQ_INSERT_TAIL(&tx->marks, mark, next);
	tx->nb_marks++;
	return 0;

free_mark:
	vfio_user_fds_close(&mark->fds);
	free(mark);
	return ret;
}

int
vfio_user_tx_flush(struct vfio_user_tx *tx, int fd)
{
	struct vfio_user_tx_mark *mark;
	struct iovec iov;
	ssize_t len;

	while (tx->head != tx->tail) {
		mark = STAILQ_FIRST(&tx->marks);
		iov.iov_base = tx->buf + tx->head;
		if (mark == NULL)
			iov.iov_len = tx->tail - tx->head;
		else if (mark->pos == tx->pos)
			iov.iov_len = mark->len;
		else
			iov.iov_len = mark->pos - tx->pos;
		if (mark != NULL && mark->pos == tx->pos) {
			len = send_once(fd, &iov, 1, mark->fds.fd, mark->fds.nb);
			if (len > 0)
				drop_mark(tx);
		} else {
			len = send_once(fd, &iov, 1, NULL, 0);
		}
		if (len < 0) /* what is queued cannot be refused any more */
			return len == -EAGAIN ? -EAGAIN : -ENOTCONN;
		tx->head += (uint32_t)len;
		tx->pos += (uint64_t)len;
	}
	tx->head = tx->tail = 0;
	if (tx->cap > TX_BUF_KEEP) {
		free(tx->buf);
		tx->buf = NULL;
		tx->cap = 0;
	}
	return 0;
}

int
vfio_user_tx_send(struct vfio_user_tx *tx, int fd, const struct iovec *iov,
		  int nb_iov, const int *fds, uint32_t nb_fds, bool more)
{
	size_t total = total_len(iov, nb_iov);
	ssize_t len = 0;
	int ret;

	if (more && nb_fds == 0)
		return append(tx, iov, nb_iov, 0);
	if (nb_fds == 0 && (vfio_user_tx_queued(tx) != 0 || total <= TX_COPY_MAX)) {
		ret = append(tx, iov, nb_iov, 0);
		if (ret < 0)
			return ret;
		ret = vfio_user_tx_flush(tx, fd);
		return ret == -EAGAIN ? 0 : ret;
	}
	ret = vfio_user_tx_flush(tx, fd);
	if (ret == 0) {
		len = send_once(fd, iov, nb_iov, fds, nb_fds);
		ret = (int)RTE_MIN(len, 0);
	}
	if (ret == -EAGAIN)
		return nb_fds == 0 ? append(tx, iov, nb_iov, 0) :
			append_with_fds(tx, iov, nb_iov, fds, nb_fds);
	if (ret < 0)
		return ret;
	if ((size_t)len == total)
		return 0;
	/* the stream is cut in the middle of a message if this fails */
	return append(tx, iov, nb_iov, (size_t)len) < 0 ? -ENOTCONN : 0;
}
