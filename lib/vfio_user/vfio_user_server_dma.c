/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_common.h>

#include "vfio_user_server.h"

/*
 * QEMU (seen with 11.1) writes a reply that does not fit its socket buffer in
 * pieces and lets messages of other threads in between. Ask for less at a time
 * than that buffer holds (212992 bytes by default) in one reply.
 */
#define READ_CHUNK_MAX (128u << 10)

/*
 * An access to client memory: walks the pieces, copying what is mapped, until
 * one needs a message; then one request is in flight and its reply goes on.
 */
struct dma_op {
	struct vfio_user_req req; /* first: done() casts */
	struct rte_vfio_user_server *srv;
	struct vfio_user_conn *conn; /* of the request in flight */
	bool is_write;
	const struct rte_vfio_user_dma_sg *sg;
	uint32_t nb_sg;
	uint32_t cur; /* piece */
	uint64_t off; /* bytes of it that are done */
	uint32_t chunk; /* bytes of the request in flight */
	/* asynchronous only */
	rte_vfio_user_dma_cb_t cb;
	void *arg;
	uint8_t *copy; /* data of a write */
};

static uint8_t *
chunk_buf(const struct dma_op *op)
{
	return (uint8_t *)op->sg[op->cur].buf + op->off;
}

static uint64_t
chunk_iova(const struct dma_op *op)
{
	return op->sg[op->cur].iova + op->off;
}

/* ---------------------------------------------------------------- replies */

/* QEMU 10.1: a count of 32 bits, the data right behind it. */
static bool
take_old_read(struct dma_op *op, const struct vfio_user_msg *reply)
{
	const uint32_t head_len = sizeof(uint64_t) + sizeof(uint32_t);
	uint64_t addr;
	uint32_t count;

	if (reply->len != head_len + op->chunk)
		return false;
	memcpy(&addr, reply->payload, sizeof(addr));
	memcpy(&count, reply->payload + sizeof(addr), sizeof(count));
	if (addr != chunk_iova(op) || count != op->chunk)
		return false;
	memcpy(chunk_buf(op), reply->payload + head_len, op->chunk);
	return true;
}

static int
take_read(struct dma_op *op, const struct vfio_user_msg *reply)
{
	struct vfio_user_dma_access head;

	if (take_old_read(op, reply))
		return 0;
	if (reply->len < sizeof(head))
		return -EPROTO;
	memcpy(&head, reply->payload, sizeof(head));
	if (head.addr != chunk_iova(op) || head.count > op->chunk ||
	    head.count != reply->len - sizeof(head))
		return -EPROTO;
	if (head.count < op->chunk)
		return -EIO; /* a short read is the client's choice */
	memcpy(chunk_buf(op), reply->payload + sizeof(head), op->chunk);
	return 0;
}

static int
take_write(const struct dma_op *op, const struct vfio_user_msg *reply)
{
	struct vfio_user_dma_access head;

	if (reply->len == 0)
		return 0; /* QEMU 10.1 */
	if (reply->len < sizeof(head))
		return -EPROTO;
	memcpy(&head, reply->payload, sizeof(head));
	if (head.addr != chunk_iova(op) || head.count > op->chunk)
		return -EPROTO;
	return head.count < op->chunk ? -EIO : 0;
}

static void
skip(struct dma_op *op, uint64_t len)
{
	op->off += len;
	while (op->cur < op->nb_sg && op->off == op->sg[op->cur].len) {
		op->cur++;
		op->off = 0;
	}
}

static int
take_reply(struct dma_op *op, int status, struct vfio_user_msg *reply)
{
	if (status == 0)
		status = op->is_write ? take_write(op, reply) : take_read(op, reply);
	if (status == 0)
		skip(op, op->chunk);
	return status;
}

/* --------------------------------------------------------------- requests */

/* An access belongs to the client it began with. */
static uint32_t
generation(const struct rte_vfio_user_server *srv)
{
	return __atomic_load_n(&srv->generation, __ATOMIC_ACQUIRE);
}

static struct vfio_user_conn *
request_conn(struct rte_vfio_user_server *srv)
{
	return vfio_user_conn_is_open(&srv->twin) ? &srv->twin : &srv->main;
}

static int
send_request(struct dma_op *op, uint64_t len)
{
	struct rte_vfio_user_server *srv = op->srv;
	struct vfio_user_dma_access head = { .addr = chunk_iova(op) };
	struct vfio_user_out out = { .head = &head, .head_len = sizeof(head) };
	uint32_t max = __atomic_load_n(&srv->xfer_size, __ATOMIC_RELAXED);

	if (!op->is_write)
		max = RTE_MIN(max, READ_CHUNK_MAX);
	op->chunk = (uint32_t)RTE_MIN(len, (uint64_t)max);
	head.count = op->chunk;
	op->req.command = VFIO_USER_DMA_READ;
	if (op->is_write) {
		op->req.command = VFIO_USER_DMA_WRITE;
		out.data = chunk_buf(op);
		out.data_len = op->chunk;
	}
	op->conn = request_conn(srv);
	return vfio_user_conn_request(op->conn, &op->req, &out,
			srv->conf.dma_timeout_ms * VFIO_USER_NS_PER_MS);
}

/*
 * One piece of the access, in the memory of the client that it began with: the
 * next one is not attached before we have left the grace period's section.
 */
static int
access_piece(struct dma_op *op, uint64_t left, struct vfio_user_dma_piece *piece)
{
	struct vfio_user_dma *dma = &op->srv->dma;
	uint32_t slot = vfio_user_grace_enter(&dma->grace);
	int ret = -ENOTCONN;

	if (op->req.generation == generation(op->srv))
		ret = vfio_user_dma_access(dma, op->is_write, chunk_iova(op),
					   chunk_buf(op), left, piece);
	vfio_user_grace_leave(&dma->grace, slot);
	return ret;
}

/*
 * Go on until the end or a request: 0 at the end, 1 with a request in flight,
 * or a negative errno.
 */
static int
advance(struct dma_op *op)
{
	struct vfio_user_dma_piece piece;
	uint64_t left;
	int ret;

	skip(op, 0); /* leading pieces of no length */
	while (op->cur < op->nb_sg) {
		left = op->sg[op->cur].len - op->off;
		if (!vfio_user_range_valid(chunk_iova(op), left))
			return -EFAULT;
		ret = access_piece(op, left, &piece);
		if (ret < 0)
			return ret;
		if (piece.mode == RTE_VFIO_USER_DMA_MSG) {
			ret = send_request(op, piece.len);
			return ret < 0 ? ret : 1;
		}
		skip(op, piece.len);
	}
	return 0;
}

/* ------------------------------------------------------------ synchronous */

static int
sync_done(struct vfio_user_req *req, int status, struct vfio_user_msg *reply)
{
	return take_reply((struct dma_op *)req, status, reply);
}

/* The owner of a socket waits for input and takes it. */
static void
wait_input(struct vfio_user_conn *conn, int timeout_ms, void *arg)
{
	struct rte_vfio_user_server *srv = arg;
	struct pollfd pfd[2] = {
		{ .fd = conn->fd, .events = POLLIN },
		{ .fd = conn->poke_fd, .events = POLLIN },
	};
	uint64_t count;
	int ret;

	if (!vfio_user_conn_is_open(conn))
		return;
	if (vfio_user_conn_queued(conn) != 0)
		pfd[0].events |= POLLOUT;
	if (poll(pfd, RTE_DIM(pfd), timeout_ms) <= 0)
		return;
	if (pfd[1].revents != 0 && read(conn->poke_fd, &count, sizeof(count)) < 0)
		VFIO_USER_LOG(DEBUG, "poke: %s", strerror(errno));
	if ((pfd[0].revents & POLLOUT) != 0)
		vfio_user_conn_flush(conn);
	if (pfd[0].revents == 0)
		return;
	ret = vfio_user_conn_pump(conn);
	if (ret < 0 && ret != -EAGAIN) {
		/* poll() closes: it finds the end of the stream on both */
		vfio_user_conn_abort(conn);
		vfio_user_conn_abort(&srv->main);
	}
}

static int
transfer(struct rte_vfio_user_server *srv, bool is_write,
	 const struct rte_vfio_user_dma_sg *sg, uint32_t nb_sg)
{
	struct dma_op op = {
		.req = { .done = sync_done },
		.srv = srv, .is_write = is_write, .sg = sg, .nb_sg = nb_sg,
	};
	int ret;

	if (srv == NULL || (sg == NULL && nb_sg != 0)) {
		VFIO_USER_LOG(ERR, "%s: no server or no pieces", __func__);
		return -EINVAL;
	}
	__atomic_fetch_add(&srv->users, 1, __ATOMIC_ACQUIRE);
	op.req.generation = generation(srv);
	do {
		ret = advance(&op);
		if (ret > 0)
			ret = vfio_user_conn_wait(op.conn, &op.req, wait_input, srv);
		else
			break;
	} while (ret == 0);
	__atomic_fetch_sub(&srv->users, 1, __ATOMIC_RELEASE);
	return ret;
}

int
rte_vfio_user_server_dma_readv(struct rte_vfio_user_server *srv,
			       const struct rte_vfio_user_dma_sg *sg, uint32_t nb_sg)
{
	return transfer(srv, false, sg, nb_sg);
}

int
rte_vfio_user_server_dma_writev(struct rte_vfio_user_server *srv,
				const struct rte_vfio_user_dma_sg *sg, uint32_t nb_sg)
{
	return transfer(srv, true, sg, nb_sg);
}

/* ----------------------------------------------------------- asynchronous */

static void
complete(struct dma_op *op, int status)
{
	op->cb(op->srv, status, op->arg);
	free(op->copy);
	free(op);
}

static void
step(struct dma_op *op)
{
	struct rte_vfio_user_server *srv = op->srv;
	int ret = advance(op);

	if (ret <= 0)
		complete(op, ret);
	else /* it may be complete and freed by now */
		vfio_user_server_wake(srv); /* to watch the deadline */
}

static int
async_done(struct vfio_user_req *req, int status, struct vfio_user_msg *reply)
{
	struct dma_op *op = (struct dma_op *)req;

	status = take_reply(op, status, reply);
	if (status < 0)
		complete(op, status);
	else
		step(op);
	return status;
}

/* The pieces behind the operation, a write's data too. */
static struct dma_op *
copy_op(bool is_write, const struct rte_vfio_user_dma_sg *sg, uint32_t nb_sg)
{
	struct rte_vfio_user_dma_sg *pieces;
	uint64_t total = 0;
	struct dma_op *op;
	uint8_t *pos;
	uint32_t i;

	op = calloc(1, sizeof(*op) + nb_sg * sizeof(*sg));
	if (op == NULL)
		return NULL;
	pieces = (struct rte_vfio_user_dma_sg *)(op + 1);
	memcpy(pieces, sg, nb_sg * sizeof(*sg));
	op->sg = pieces;
	op->nb_sg = nb_sg;
	op->is_write = is_write;
	if (!is_write)
		return op;

	for (i = 0; i < nb_sg && sg[i].len < SIZE_MAX - total; i++)
		total += sg[i].len;
	pos = op->copy = i < nb_sg ? NULL : malloc(total + 1);
	if (pos == NULL) {
		free(op);
		return NULL;
	}
	for (i = 0; i < nb_sg; i++) {
		if (sg[i].len != 0)
			memcpy(pos, sg[i].buf, sg[i].len);
		pieces[i].buf = pos;
		pos += sg[i].len;
	}
	return op;
}

int
rte_vfio_user_server_dma_submit(struct rte_vfio_user_server *srv, bool is_write,
				const struct rte_vfio_user_dma_sg *sg, uint32_t nb_sg,
				rte_vfio_user_dma_cb_t cb, void *arg)
{
	struct dma_op *op;

	if (srv == NULL || sg == NULL || nb_sg == 0 || cb == NULL)
		return vfio_user_misuse(__func__);
	op = copy_op(is_write, sg, nb_sg);
	if (op == NULL)
		return -ENOMEM;
	op->srv = srv;
	op->cb = cb;
	op->arg = arg;
	op->req.done = async_done;
	op->req.async = true;
	op->req.generation = generation(srv);
	__atomic_fetch_add(&srv->users, 1, __ATOMIC_ACQUIRE);
	step(op);
	__atomic_fetch_sub(&srv->users, 1, __ATOMIC_RELEASE);
	return 0;
}
