/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include <rte_common.h>

#include "vfio_user_client.h"

/* posted writes leave when that many have come together ... */
#define POSTED_BATCH 32u
/* ... and, like corked accesses, that many bytes */
#define POSTED_BYTES 65536u

/* ----------------------------------------------------- synchronous access */

/* The count of a reply to an access, or -EPROTO. */
static ssize_t
check_access(const struct vfio_user_region_access *sent,
	     const struct vfio_user_region_access *reply)
{
	if (reply->offset != sent->offset || reply->region != sent->region ||
	    reply->count > sent->count)
		return -EPROTO;
	return reply->count;
}

static ssize_t
read_chunk(struct rte_vfio_user_client *client,
	   const struct vfio_user_region_access *acc, void *buf)
{
	struct vfio_user_region_access reply;
	struct vfio_user_client_req creq = {
		.head = &reply,
		.head_len = sizeof(reply),
		.data = buf,
		.data_cap = acc->count,
	};
	const struct vfio_user_out out = { .head = acc, .head_len = sizeof(*acc) };
	ssize_t ret;

	ret = vfio_user_client_call(client, &creq, VFIO_USER_REGION_READ, &out);
	if (ret < 0)
		return ret;
	ret = check_access(acc, &reply);
	return ret > (ssize_t)creq.data_len ? -EPROTO : ret;
}

static ssize_t
write_chunk(struct rte_vfio_user_client *client,
	    const struct vfio_user_region_access *acc, const void *buf)
{
	struct vfio_user_region_access reply;
	struct vfio_user_client_req creq = {
		.head = &reply,
		.head_len = sizeof(reply),
	};
	const struct vfio_user_out out = {
		.head = acc,
		.head_len = sizeof(*acc),
		.data = buf,
		.data_len = acc->count,
	};
	int ret;

	ret = vfio_user_client_call(client, &creq, VFIO_USER_REGION_WRITE, &out);
	return ret < 0 ? ret : check_access(acc, &reply);
}

static bool
range_ok(uint64_t offset, size_t len)
{
	return len <= SSIZE_MAX && offset <= UINT64_MAX - len;
}

/* Bytes of the next chunk of an access. */
static uint32_t
chunk(const struct rte_vfio_user_client *client, size_t left)
{
	return (uint32_t)RTE_MIN(left, (size_t)client->neg.max_data_xfer_size);
}

ssize_t
rte_vfio_user_client_region_read(struct rte_vfio_user_client *client,
				 uint32_t index, uint64_t offset, void *buf,
				 size_t len)
{
	struct vfio_user_region_access acc = { .region = index };
	size_t done = 0;
	ssize_t ret;

	if (client == NULL || (buf == NULL && len != 0) || !range_ok(offset, len))
		return vfio_user_misuse(__func__);
	while (done < len) {
		acc.offset = offset + done;
		acc.count = chunk(client, len - done);
		ret = read_chunk(client, &acc, (uint8_t *)buf + done);
		if (ret < 0)
			return done != 0 ? (ssize_t)done : ret;
		done += (size_t)ret;
		if (ret < (ssize_t)acc.count)
			break;
	}
	return (ssize_t)done;
}

ssize_t
rte_vfio_user_client_region_write(struct rte_vfio_user_client *client,
				  uint32_t index, uint64_t offset,
				  const void *buf, size_t len)
{
	struct vfio_user_region_access acc = { .region = index };
	size_t done = 0;
	ssize_t ret;

	if (client == NULL || (buf == NULL && len != 0) || !range_ok(offset, len))
		return vfio_user_misuse(__func__);
	while (done < len) {
		acc.offset = offset + done;
		acc.count = chunk(client, len - done);
		ret = write_chunk(client, &acc, (const uint8_t *)buf + done);
		if (ret < 0)
			return done != 0 ? (ssize_t)done : ret;
		done += (size_t)ret;
		if (ret < (ssize_t)acc.count)
			break;
	}
	return (ssize_t)done;
}

/* ---------------------------------------------------- asynchronous access */

struct async_access {
	struct vfio_user_req req;
	struct vfio_user_client_parked parked;
	struct rte_vfio_user_client *client;
	struct vfio_user_region_access acc;
	void *buf; /* of a read */
	rte_vfio_user_client_cb_t cb;
	void *arg;
};

static ssize_t
async_result(const struct async_access *access, const struct vfio_user_msg *reply)
{
	struct vfio_user_region_access head;
	ssize_t ret;

	if (reply->len < sizeof(head))
		return -EPROTO;
	memcpy(&head, reply->payload, sizeof(head));
	ret = check_access(&access->acc, &head);
	if (access->buf == NULL || ret < 0)
		return ret;
	if ((size_t)ret > reply->len - sizeof(head))
		return -EPROTO;
	memcpy(access->buf, reply->payload + sizeof(head), (size_t)ret);
	return ret;
}

static int
async_done(struct vfio_user_req *req, int status, struct vfio_user_msg *reply)
{
	struct async_access *access = container_of(req, struct async_access, req);
	ssize_t result = status;

	if (status == -ENOTCONN && reply == NULL && access->buf != NULL &&
	    vfio_user_client_park(access->client, &access->parked) == 0)
		return 0; /* goes on in resume_async() */
	if (status == 0)
		result = async_result(access, reply);
	access->cb(access->client, result, access->arg);
	free(access);
	return 0;
}

/* Send an access; data are those of a write. */
static int
send_async(struct async_access *access, const void *data)
{
	struct rte_vfio_user_client *client = access->client;
	struct vfio_user_out out = {
		.head = &access->acc,
		.head_len = sizeof(access->acc),
		.data = data,
		.data_len = data != NULL ? access->acc.count : 0,
	};
	uint64_t deadline = vfio_user_now() + client->timeout_ns;
	int ret;

	if (vfio_user_conn_queued(&client->main) > VFIO_USER_CLIENT_MAX_QUEUED)
		return -EAGAIN;
	out.more = __atomic_load_n(&client->corked, __ATOMIC_RELAXED) &&
		vfio_user_conn_queued(&client->main) + (uint64_t)out.data_len < POSTED_BYTES;
	access->req.generation = __atomic_load_n(&client->generation, __ATOMIC_ACQUIRE);
	ret = vfio_user_conn_request(&client->main, &access->req, &out,
				     client->timeout_ns);
	if (ret < 0)
		return ret;
	/* it may be done and freed by now */
	if (!out.more)
		__atomic_store_n(&client->posted, 0, __ATOMIC_RELAXED);
	vfio_user_client_arm(client, deadline);
	return 0;
}

/* The connection is back (status 0), or will not come back. */
static int
resume_async(struct vfio_user_client_parked *parked, int status)
{
	struct async_access *access = container_of(parked, struct async_access, parked);

	if (status == 0)
		status = send_async(access, NULL);
	if (status == -EAGAIN || status == 0)
		return status;
	async_done(&access->req, status, NULL);
	return 0;
}

static int
start_async(struct rte_vfio_user_client *client, uint16_t command,
	    const struct vfio_user_region_access *acc, void *read_buf,
	    const void *data, rte_vfio_user_client_cb_t cb, void *arg)
{
	struct async_access *access = calloc(1, sizeof(*access));
	int ret;

	if (access == NULL)
		return -ENOMEM;
	access->req.command = command;
	access->req.async = true;
	access->req.done = async_done;
	access->parked.resume = resume_async;
	access->client = client;
	access->acc = *acc;
	access->buf = read_buf;
	access->cb = cb;
	access->arg = arg;
	ret = send_async(access, data);
	if (ret == -ENOTCONN && read_buf != NULL)
		ret = vfio_user_client_park(client, &access->parked);
	if (ret < 0)
		free(access);
	return ret;
}

static int
check_async(const struct rte_vfio_user_client *client, uint64_t offset,
	    const void *buf, uint32_t len)
{
	if (client == NULL || buf == NULL || len == 0 ||
	    len > client->neg.max_data_xfer_size || !range_ok(offset, len))
		return -EINVAL;
	return 0;
}

int
rte_vfio_user_client_region_read_async(struct rte_vfio_user_client *client,
		uint32_t index, uint64_t offset, void *buf, uint32_t len,
		rte_vfio_user_client_cb_t cb, void *arg)
{
	const struct vfio_user_region_access acc = {
		.offset = offset,
		.region = index,
		.count = len,
	};

	if (cb == NULL || check_async(client, offset, buf, len) < 0)
		return vfio_user_misuse(__func__);
	return start_async(client, VFIO_USER_REGION_READ, &acc, buf, NULL, cb, arg);
}

int
rte_vfio_user_client_region_write_async(struct rte_vfio_user_client *client,
		uint32_t index, uint64_t offset, const void *buf, uint32_t len,
		rte_vfio_user_client_cb_t cb, void *arg)
{
	const struct vfio_user_region_access acc = {
		.offset = offset,
		.region = index,
		.count = len,
	};

	if (cb == NULL || check_async(client, offset, buf, len) < 0)
		return vfio_user_misuse(__func__);
	return start_async(client, VFIO_USER_REGION_WRITE, &acc, NULL, buf, cb, arg);
}

/* -------------------------------------------------------- posted writes */

int
rte_vfio_user_client_cork(struct rte_vfio_user_client *client)
{
	if (client == NULL)
		return vfio_user_misuse(__func__);
	__atomic_store_n(&client->corked, true, __ATOMIC_RELAXED);
	return 0;
}

int
rte_vfio_user_client_flush(struct rte_vfio_user_client *client)
{
	int ret;

	if (client == NULL)
		return vfio_user_misuse(__func__);
	__atomic_store_n(&client->corked, false, __ATOMIC_RELAXED);
	__atomic_store_n(&client->posted, 0, __ATOMIC_RELAXED);
	ret = vfio_user_conn_flush(&client->main);
	return ret == -EAGAIN ? 0 : ret; /* the rest leaves in time */
}

int
rte_vfio_user_client_region_write_posted(struct rte_vfio_user_client *client,
		uint32_t index, uint64_t offset, const void *buf, uint32_t len)
{
	const struct vfio_user_region_access acc = {
		.offset = offset,
		.region = index,
		.count = len,
	};
	struct vfio_user_out out = {
		.head = &acc,
		.head_len = sizeof(acc),
		.data = buf,
		.data_len = len,
	};
	uint32_t queued;

	if (check_async(client, offset, buf, len) < 0)
		return vfio_user_misuse(__func__);
	queued = vfio_user_conn_queued(&client->main);
	if (queued > VFIO_USER_CLIENT_MAX_QUEUED) {
		vfio_user_conn_flush(&client->main);
		queued = vfio_user_conn_queued(&client->main);
		if (queued > VFIO_USER_CLIENT_MAX_QUEUED)
			return -EAGAIN;
	}
	out.more = queued + (uint64_t)len < POSTED_BYTES &&
		__atomic_add_fetch(&client->posted, 1, __ATOMIC_RELAXED) <
		POSTED_BATCH;
	if (!out.more)
		__atomic_store_n(&client->posted, 0, __ATOMIC_RELAXED);
	return vfio_user_conn_post(&client->main, VFIO_USER_REGION_WRITE, &out,
			__atomic_load_n(&client->generation, __ATOMIC_ACQUIRE));
}

/* ------------------------------------------------------- several writes */

/* One WRITE_MULTI message: writes done, or negative. */
static int
send_multi(struct rte_vfio_user_client *client,
	   const struct rte_vfio_user_write *writes, uint32_t nb,
	   struct vfio_user_single_write *wire)
{
	struct vfio_user_write_multi reply;
	const struct vfio_user_write_multi head = { .wr_cnt = nb };
	struct vfio_user_client_req creq = {
		.head = &reply,
		.head_len = sizeof(reply),
	};
	const struct vfio_user_out out = {
		.head = &head,
		.head_len = sizeof(head),
		.data = wire,
		.data_len = nb * (uint32_t)sizeof(*wire),
	};
	uint32_t i;
	int ret;

	memset(wire, 0, nb * sizeof(*wire));
	for (i = 0; i < nb; i++) {
		wire[i].offset = writes[i].offset;
		wire[i].region = writes[i].region;
		wire[i].count = writes[i].len;
		memcpy(wire[i].data, writes[i].data, writes[i].len);
	}
	ret = vfio_user_client_call(client, &creq, VFIO_USER_REGION_WRITE_MULTI,
				    &out);
	if (ret < 0)
		return ret;
	return reply.wr_cnt > nb ? -EPROTO : (int)reply.wr_cnt;
}

static int
multi_messages(struct rte_vfio_user_client *client,
	       const struct rte_vfio_user_write *writes, uint32_t nb_writes,
	       uint32_t per_message)
{
	struct vfio_user_single_write *wire;
	uint32_t done = 0, nb;
	int ret = 0;

	per_message = RTE_MIN(per_message, nb_writes);
	wire = calloc(per_message, sizeof(*wire));
	if (wire == NULL)
		return -ENOMEM;
	while (done < nb_writes) {
		nb = RTE_MIN(per_message, nb_writes - done);
		ret = send_multi(client, &writes[done], nb, wire);
		if (ret < 0)
			break;
		done += (uint32_t)ret;
		if ((uint32_t)ret < nb)
			break;
	}
	free(wire);
	return done != 0 || ret >= 0 ? (int)done : ret;
}

/* Up to a window of single writes: those done before the first failure. */
static uint32_t
write_window(struct rte_vfio_user_client *client,
	     const struct rte_vfio_user_write *writes, uint32_t nb, int *error)
{
	struct vfio_user_client_req creqs[VFIO_USER_CLIENT_WINDOW];
	struct vfio_user_region_access acc, replies[VFIO_USER_CLIENT_WINDOW];
	struct vfio_user_out out = { .head = &acc, .head_len = sizeof(acc),
				     .more = true };
	uint32_t i, good = nb;
	int ret;

	for (i = 0; i < nb; i++) {
		out.data = writes[i].data;
		out.data_len = writes[i].len;
		acc.offset = writes[i].offset;
		acc.region = writes[i].region;
		acc.count = writes[i].len;
		memset(&creqs[i], 0, sizeof(creqs[i]));
		creqs[i].head = &replies[i];
		creqs[i].head_len = sizeof(replies[i]);
		vfio_user_client_start(client, &creqs[i], VFIO_USER_REGION_WRITE,
				       &out);
	}
	vfio_user_conn_flush(&client->main);
	for (i = 0; i < nb; i++) {
		acc.offset = writes[i].offset;
		acc.region = writes[i].region;
		acc.count = writes[i].len;
		ret = vfio_user_client_finish(client, &creqs[i]);
		if (ret == 0)
			ret = (int)check_access(&acc, &replies[i]);
		if (ret == (int)writes[i].len)
			continue;
		if (good == nb) {
			good = i;
			*error = RTE_MIN(ret, 0); /* 0: a short write */
		}
	}
	return good;
}

static int
single_writes(struct rte_vfio_user_client *client,
	      const struct rte_vfio_user_write *writes, uint32_t nb_writes)
{
	uint32_t done, nb, good;
	uint32_t peer = __atomic_load_n(&client->generation, __ATOMIC_ACQUIRE);
	uint64_t give_up = 0;
	int error = 0;

	for (done = 0; done < nb_writes; done += nb) {
		nb = RTE_MIN(nb_writes - done, VFIO_USER_CLIENT_WINDOW);
		good = write_window(client, &writes[done], nb, &error);
		if (good == nb)
			continue;
		if (error == -ENOTCONN)
			vfio_user_client_recover(client, peer, VFIO_USER_REGION_WRITE,
						 &give_up);
		return done + good != 0 ? (int)(done + good) : error;
	}
	return (int)done;
}

int
rte_vfio_user_client_region_write_multi(struct rte_vfio_user_client *client,
		const struct rte_vfio_user_write *writes, uint32_t nb_writes)
{
	const uint32_t head = sizeof(struct vfio_user_write_multi);
	uint32_t i, xfer;

	if (client == NULL || (writes == NULL && nb_writes != 0) ||
	    nb_writes > INT_MAX)
		return vfio_user_misuse(__func__);
	xfer = client->neg.max_data_xfer_size;
	for (i = 0; i < nb_writes; i++)
		if (writes[i].len == 0 || writes[i].len > sizeof(writes[i].data) ||
		    writes[i].len > xfer || !range_ok(writes[i].offset, writes[i].len))
			return vfio_user_misuse(__func__);
	if (nb_writes == 0)
		return 0;
	if (client->neg.write_multiple &&
	    xfer >= head + sizeof(struct vfio_user_single_write))
		return multi_messages(client, writes, nb_writes, (xfer - head) /
				      sizeof(struct vfio_user_single_write));
	return single_writes(client, writes, nb_writes);
}
