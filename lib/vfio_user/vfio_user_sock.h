/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#ifndef VFIO_USER_SOCK_H
#define VFIO_USER_SOCK_H

/**
 * @file
 * UNIX stream sockets: addresses, framing of received bytes, a send queue
 *
 * Receiving is incremental: vfio_user_rx_recv() makes one recvmsg() call and
 * vfio_user_rx_next() yields the complete messages in the buffer, however the
 * stream was split. Linux glues bytes of earlier messages to a message with
 * file descriptors in one recvmsg() and stops behind it, so received fds
 * belong to the last message begun in that call.
 *
 * Sending never blocks: what the socket does not take is queued. A message
 * with file descriptors is alone in its own sendmsg().
 *
 * Not thread-safe; the connection (vfio_user_conn.h) serialises.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "vfio_user_fd.h"
#include "vfio_user_proto.h"

/**
 * Listen on a path; a stale socket file is replaced. The file descriptor, or
 * -EADDRINUSE, -ENAMETOOLONG, ...
 */
int vfio_user_sock_listen(const char *path, mode_t mode);

/** Connect once, without blocking. The file descriptor, or -errno. */
int vfio_user_sock_connect(const char *path);

/** Whether a path fits a socket address: 0, -EINVAL or -ENAMETOOLONG. */
int vfio_user_sock_check_path(const char *path);

/** Accept a connection. The file descriptor, or -errno. */
int vfio_user_sock_accept(int listen_fd);

/* ------------------------------------------------------------ receiving */

/** A message. Its fds are the holder's: take them, release() closes the rest. */
struct vfio_user_msg {
	struct vfio_user_hdr hdr;
	uint8_t *payload; /* in the receive buffer, or behind a copied message */
	uint32_t len; /* of the payload */
	bool fds_lost; /* the kernel could not deliver all of its fds */
	struct vfio_user_fds fds;
};

/** Close the fds nobody took. */
static inline void
vfio_user_msg_release(struct vfio_user_msg *msg)
{
	vfio_user_fds_close(&msg->fds);
}

/** Copy a message to the heap, moving its fds; free() it after release. */
struct vfio_user_msg *vfio_user_msg_dup(struct vfio_user_msg *msg);

/** A retired receive buffer. */
struct vfio_user_rx_old {
	SLIST_ENTRY(vfio_user_rx_old) next;
};

/** File descriptors received for a message that is not yet consumed. */
struct vfio_user_rx_fds {
	bool used;
	bool lost;
	uint32_t owner; /* buffer offset of its message */
	struct vfio_user_fds fds;
};

/** Receive side of a stream. */
struct vfio_user_rx {
	uint8_t *buf;
	uint32_t cap;
	uint32_t head; /* first byte not consumed: the start of a message */
	uint32_t tail; /* end of the received bytes */
	uint32_t scan; /* start of the first message not begun at the last receive */
	uint32_t begun; /* start of the last message begun */
	uint32_t max_msg;
	uint32_t nb_fds; /* of fds in use; most messages have none */
	uint8_t *held; /* buffer that an outer frame still points into */
	SLIST_HEAD(, vfio_user_rx_old) old; /* held buffers since replaced */
	/* the incomplete message and one begun behind it */
	struct vfio_user_rx_fds fds[2];
};

int vfio_user_rx_init(struct vfio_user_rx *rx, uint32_t max_msg);
void vfio_user_rx_fini(struct vfio_user_rx *rx);

/**
 * Receive once, without blocking. All complete messages must have been
 * consumed. The number of bytes, or -EAGAIN, -ENOTCONN (end of stream or
 * socket error), -ENOMEM.
 */
int vfio_user_rx_recv(struct vfio_user_rx *rx, int fd);

/** Next complete message: 1, 0 (none), or -EPROTO (stream not trustworthy). */
int vfio_user_rx_next(struct vfio_user_rx *rx, struct vfio_user_msg *msg);

/** Whether the buffer was filled to its end, so that more may wait. */
static inline bool
vfio_user_rx_full(const struct vfio_user_rx *rx)
{
	return rx->tail == rx->cap;
}

/** Whether a message has been received in part. */
static inline bool
vfio_user_rx_partial(const struct vfio_user_rx *rx)
{
	return rx->tail != rx->head;
}

/**
 * Keep the present buffer in place although further receives may happen, until
 * vfio_user_rx_unhold(). Returns the buffer that an outer frame holds.
 */
uint8_t *vfio_user_rx_hold(struct vfio_user_rx *rx);
void vfio_user_rx_unhold(struct vfio_user_rx *rx, uint8_t *previous);

/* -------------------------------------------------------------- sending */

/** A queued message with file descriptors (own duplicates). */
struct vfio_user_tx_mark {
	STAILQ_ENTRY(vfio_user_tx_mark) next;
	uint64_t pos; /* stream position of its first byte */
	uint32_t len;
	struct vfio_user_fds fds;
};

/** Send side of a stream. */
struct vfio_user_tx {
	uint8_t *buf;
	uint32_t cap;
	uint32_t head; /* first byte not sent */
	uint32_t tail; /* end of the queued bytes */
	uint64_t pos; /* stream position of head */
	uint32_t nb_marks;
	STAILQ_HEAD(, vfio_user_tx_mark) marks;
};

void vfio_user_tx_init(struct vfio_user_tx *tx);
void vfio_user_tx_fini(struct vfio_user_tx *tx);

static inline uint32_t
vfio_user_tx_queued(const struct vfio_user_tx *tx)
{
	return tx->tail - tx->head;
}

/**
 * Send a message, or queue what the socket does not take. With more set it is
 * only queued, to leave together with the next ones (fds: sent at once).
 *
 * @return
 *   0, -ENOMEM (nothing was sent nor queued, unless part of the message has
 *   left: then -ENOTCONN), -ENOBUFS and -EBADF (the same), -ENOTCONN.
 */
int vfio_user_tx_send(struct vfio_user_tx *tx, int fd, const struct iovec *iov,
		      int nb_iov, const int *fds, uint32_t nb_fds, bool more);

/** Send what is queued: 0, -EAGAIN (some is left), -ENOTCONN. */
int vfio_user_tx_flush(struct vfio_user_tx *tx, int fd);

#endif /* VFIO_USER_SOCK_H */
