/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

/* DMA accesses of the server to what it was not given a file of. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <rte_common.h>

#include "vfio_user_client.h"

/* Whether a range lies inside mappings that allow an access. maps.lock held. */
static int
check_range(const struct rte_vfio_user_client *client, uint64_t addr,
	    uint64_t count, uint32_t prot)
{
	const void *root = vfio_user_iova_root(client->maps.ranges);
	uint64_t last = addr + count - 1;
	const struct vfio_user_client_map *map;
	struct vfio_user_iova_range range;

	if (!vfio_user_range_valid(addr, count))
		return -EFAULT;
	for (;;) {
		if (!vfio_user_iova_find(root, addr, &range))
			return -EFAULT;
		/* a new server is given nothing before its shape is checked */
		map = vfio_user_client_map_of(&range);
		if (vfio_user_client_holder(client, map) == VFIO_USER_CLIENT_NOBODY)
			return -EFAULT;
		if ((range.prot & prot) == 0)
			return -EPERM;
		if (client->dma_cb == NULL && map->vaddr == NULL)
			return -EFAULT;
		if (last <= range.last)
			return 0;
		addr = range.last + 1;
	}
}

static void *
local_address(const struct vfio_user_iova_range *range, uint64_t addr)
{
	return (uint8_t *)vfio_user_client_map_of(range)->vaddr + (addr - range->first);
}

/* Copy from or to a checked range. maps.lock held. */
static int
copy_range(struct rte_vfio_user_client *client, uint64_t addr, uint8_t *buf,
	   uint64_t count, bool is_write)
{
	const void *root = vfio_user_iova_root(client->maps.ranges);
	struct vfio_user_iova_range range;
	uint64_t len;
	int ret;

	for (; count != 0; addr += len, buf += len, count -= len) {
		vfio_user_iova_find(root, addr, &range);
		len = RTE_MIN(count - 1, range.last - addr) + 1;
		if (client->dma_cb != NULL) {
			ret = client->dma_cb(client, is_write, addr, buf,
					     (uint32_t)len, client->priv);
			if (ret < 0)
				return ret;
		} else if (is_write) {
			memcpy(local_address(&range, addr), buf, len);
		} else {
			memcpy(buf, local_address(&range, addr), len);
		}
	}
	return 0;
}

/* Serve DMA_READ; maps.lock is held until the data are sent. */
static int
serve_read(struct rte_vfio_user_client *client, struct vfio_user_conn *conn,
	   const struct vfio_user_hdr *hdr, const struct vfio_user_dma_access *acc)
{
	struct vfio_user_out out = {
		.head = acc,
		.head_len = sizeof(*acc),
		.data_len = (uint32_t)acc->count,
	};
	struct vfio_user_iova_range range;
	uint8_t *bounce = NULL;
	int ret;

	ret = check_range(client, acc->addr, acc->count, PROT_READ);
	if (ret < 0)
		return ret;
	vfio_user_iova_find(vfio_user_iova_root(client->maps.ranges), acc->addr, &range);
	if (client->dma_cb == NULL && acc->count - 1 <= range.last - acc->addr) {
		out.data = local_address(&range, acc->addr);
	} else {
		bounce = malloc(acc->count);
		if (bounce == NULL)
			return -ENOMEM;
		ret = copy_range(client, acc->addr, bounce, acc->count, false);
		out.data = bounce;
	}
	if (ret == 0)
		vfio_user_conn_reply(conn, hdr, &out);
	free(bounce);
	return ret;
}

static int
serve_write(struct rte_vfio_user_client *client, struct vfio_user_conn *conn,
	    const struct vfio_user_msg *msg, const struct vfio_user_dma_access *acc)
{
	const struct vfio_user_out out = { .head = acc, .head_len = sizeof(*acc) };
	int ret;

	ret = check_range(client, acc->addr, acc->count, PROT_WRITE);
	if (ret == 0)
		ret = copy_range(client, acc->addr, msg->payload + sizeof(*acc),
				 acc->count, true);
	if (ret == 0)
		vfio_user_conn_reply(conn, &msg->hdr, &out);
	return ret;
}

static int
serve(struct rte_vfio_user_client *client, struct vfio_user_conn *conn,
      const struct vfio_user_msg *msg)
{
	struct vfio_user_dma_access acc;
	bool is_write = msg->hdr.command == VFIO_USER_DMA_WRITE;
	const struct vfio_user_out out = { .head = &acc, .head_len = sizeof(acc) };
	int ret;

	if (msg->fds_lost)
		return -EINVAL;
	ret = vfio_user_check_request(&msg->hdr, msg->len, msg->fds.nb, 0,
			client->ready ? VFIO_USER_STATE_READY : VFIO_USER_STATE_NEW,
			VFIO_USER_CLIENT);
	if (ret < 0)
		return ret;
	memcpy(&acc, msg->payload, sizeof(acc));
	if (acc.count > client->neg.max_data_xfer_size)
		return -EINVAL;
	if (is_write && msg->len - sizeof(acc) < acc.count)
		return -EINVAL;
	if (acc.count == 0)
		return vfio_user_conn_reply(conn, &msg->hdr, &out);

	/* what is mapped stays mapped while it is accessed */
	pthread_rwlock_rdlock(&client->maps.lock);
	client->serving++;
	ret = is_write ? serve_write(client, conn, msg, &acc) :
		serve_read(client, conn, &msg->hdr, &acc);
	client->serving--;
	pthread_rwlock_unlock(&client->maps.lock);
	return ret;
}

void
vfio_user_client_serve(struct rte_vfio_user_client *client,
		       struct vfio_user_conn *conn, struct vfio_user_msg *msg)
{
	int ret = serve(client, conn, msg);

	if (ret < 0)
		vfio_user_conn_reply_error(conn, &msg->hdr, ret, false);
}
