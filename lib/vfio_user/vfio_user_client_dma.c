/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include <rte_common.h>

#include "vfio_user_client.h"

/* ------------------------------------------------- serving the server's DMA */

/* Whether a range lies inside mappings that allow an access. map_lock held. */
static int
check_range(const struct rte_vfio_user_client *client, uint64_t addr,
	    uint64_t count, uint32_t prot)
{
	const void *root = vfio_user_iova_root(client->maps);
	uint64_t last = addr + count - 1;
	struct vfio_user_iova_range range;

	if (!vfio_user_range_valid(addr, count))
		return -EFAULT;
	for (;;) {
		if (!vfio_user_iova_find(root, addr, &range))
			return -EFAULT;
		if ((range.prot & prot) == 0)
			return -EPERM;
		if (client->dma_cb == NULL && range.cookie == NULL)
			return -EFAULT;
		if (last <= range.last)
			return 0;
		addr = range.last + 1;
	}
}

static void *
local_address(const struct vfio_user_iova_range *range, uint64_t addr)
{
	return (uint8_t *)range->cookie + (addr - range->first);
}

/* Copy from or to a checked range. map_lock held. */
static int
copy_range(struct rte_vfio_user_client *client, uint64_t addr, uint8_t *buf,
	   uint64_t count, bool is_write)
{
	const void *root = vfio_user_iova_root(client->maps);
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

/* Serve DMA_READ; the map_lock is held until the data are sent. */
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
	vfio_user_iova_find(vfio_user_iova_root(client->maps), acc->addr, &range);
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
	pthread_rwlock_rdlock(&client->map_lock);
	client->serving++;
	ret = is_write ? serve_write(client, conn, msg, &acc) :
		serve_read(client, conn, &msg->hdr, &acc);
	client->serving--;
	pthread_rwlock_unlock(&client->map_lock);
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

/* -------------------------------------------------------------- mapping */

/* Whether the calling thread is inside dma_cb, which holds map_lock. */
static bool
inside_dma_cb(struct rte_vfio_user_client *client)
{
	return vfio_user_conn_is_owner(&client->main) && client->serving != 0;
}

static int
check_map(const struct rte_vfio_user_dma_map *map)
{
	if (!vfio_user_range_valid(map->iova, map->size))
		return -EINVAL;
	if (map->prot == 0 || (map->prot & ~(PROT_READ | PROT_WRITE)) != 0)
		return -EINVAL;
	if ((map->flags & ~RTE_VFIO_USER_DMA_F_FILE_IO) != 0)
		return -EINVAL;
	if (map->fd < 0)
		return map->flags == 0 ? 0 : -EINVAL;
	if (map->fd_offset > INT64_MAX ||
	    map->size > INT64_MAX - map->fd_offset)
		return -EINVAL;
	return 0;
}

/* Waits for an access that is being served. */
static int
forget(struct rte_vfio_user_client *client, uint64_t iova, uint64_t size)
{
	int ret;

	pthread_rwlock_wrlock(&client->map_lock);
	ret = vfio_user_iova_remove(client->maps, iova, iova + (size - 1), NULL);
	pthread_rwlock_unlock(&client->map_lock);
	return ret;
}

/* Enter all ranges, or none. */
static int
enter_maps(struct rte_vfio_user_client *client,
	   const struct rte_vfio_user_dma_map *maps, uint32_t nb_maps)
{
	struct vfio_user_iova_range range = { 0 };
	uint32_t i, count;
	int ret = 0;

	pthread_rwlock_wrlock(&client->map_lock);
	for (i = 0; i < nb_maps && ret == 0; i++) {
		range.first = maps[i].iova;
		range.last = maps[i].iova + (maps[i].size - 1);
		range.delta = (uintptr_t)maps[i].vaddr - (uintptr_t)maps[i].iova;
		range.prot = maps[i].prot;
		range.cookie = maps[i].vaddr;
		ret = vfio_user_iova_insert(client->maps, &range);
	}
	count = vfio_user_iova_count(client->maps);
	if (ret < 0)
		i--; /* this one was not entered */
	else if (count > client->neg.max_dma_maps)
		ret = -ENOSPC;
	while (ret < 0 && i-- != 0)
		vfio_user_iova_remove(client->maps, maps[i].iova,
				      maps[i].iova + (maps[i].size - 1), NULL);
	pthread_rwlock_unlock(&client->map_lock);
	return ret;
}

static void
start_map(struct rte_vfio_user_client *client, struct vfio_user_client_req *creq,
	  const struct rte_vfio_user_dma_map *map)
{
	/* without fds the server reaches all memory by messages */
	bool with_fd = map->fd >= 0 && client->neg.max_msg_fds != 0;
	struct vfio_user_dma_map wire = {
		.argsz = sizeof(wire),
		.flags = ((map->prot & PROT_READ) != 0 ?
			  VFIO_USER_DMA_MAP_F_READ : 0) |
			((map->prot & PROT_WRITE) != 0 ?
			 VFIO_USER_DMA_MAP_F_WRITE : 0),
		.addr = map->iova,
		.size = map->size,
	};
	struct vfio_user_out out = { .head = &wire, .head_len = sizeof(wire),
				     .more = true };

	if (with_fd) {
		if ((map->flags & RTE_VFIO_USER_DMA_F_FILE_IO) != 0)
			wire.flags |= VFIO_USER_DMA_MAP_F_FILE_IO;
		wire.offset = map->fd_offset;
		out.fds = &map->fd;
		out.nb_fds = 1;
	}
	memset(creq, 0, sizeof(*creq));
	vfio_user_client_start(client, creq, VFIO_USER_DMA_MAP, &out);
}

static void
fill_unmap(struct vfio_user_dma_unmap *wire,
	   const struct rte_vfio_user_dma_range *range)
{
	wire->argsz = sizeof(*wire);
	wire->flags = 0;
	wire->addr = range->iova;
	wire->size = range->size;
}

/*
 * Unmap up to a window of ranges that the server has, or may have. Waits: its
 * last accesses are over when the caller learns that nothing is mapped. One
 * timeout is enough: a server that does not answer is not asked again.
 */
static int
take_back(struct rte_vfio_user_client *client,
	  const struct rte_vfio_user_dma_map *maps, const bool *had, uint32_t nb)
{
	struct vfio_user_client_req creqs[VFIO_USER_CLIENT_WINDOW];
	struct vfio_user_dma_unmap wire;
	const struct vfio_user_out out = { .head = &wire,
					   .head_len = sizeof(wire), .more = true };
	struct rte_vfio_user_dma_range range;
	int ret, last = 0;
	uint32_t i;

	memset(creqs, 0, sizeof(creqs));
	for (i = 0; i < nb; i++) {
		if (!had[i])
			continue;
		range.iova = maps[i].iova;
		range.size = maps[i].size;
		fill_unmap(&wire, &range);
		vfio_user_client_start(client, &creqs[i], VFIO_USER_DMA_UNMAP, &out);
	}
	vfio_user_conn_flush(&client->main);
	for (i = 0; i < nb; i++) {
		ret = had[i] ? vfio_user_client_finish(client, &creqs[i]) : 0;
		if (ret == -ETIMEDOUT || ret == -ENOTCONN)
			last = ret;
	}
	return last;
}

/* Map up to a window of ranges, all or none. */
static int
map_window(struct rte_vfio_user_client *client,
	   const struct rte_vfio_user_dma_map *maps, uint32_t nb)
{
	struct vfio_user_client_req creqs[VFIO_USER_CLIENT_WINDOW];
	bool had[VFIO_USER_CLIENT_WINDOW];
	uint32_t i;
	int ret, first = 0;

	for (i = 0; i < nb; i++)
		start_map(client, &creqs[i], &maps[i]);
	vfio_user_conn_flush(&client->main);
	for (i = 0; i < nb; i++) {
		ret = vfio_user_client_finish(client, &creqs[i]);
		had[i] = !creqs[i].refused && ret != -ENOTCONN;
		if (ret < 0 && first == 0)
			first = ret;
	}
	if (first < 0)
		take_back(client, maps, had, nb);
	return first;
}

static int
map_all(struct rte_vfio_user_client *client,
	const struct rte_vfio_user_dma_map *maps, uint32_t nb_maps)
{
	bool had[VFIO_USER_CLIENT_WINDOW];
	uint32_t done, nb;
	int ret = 0;

	for (done = 0; done < nb_maps; done += nb) {
		nb = RTE_MIN(nb_maps - done, VFIO_USER_CLIENT_WINDOW);
		ret = map_window(client, &maps[done], nb);
		if (ret < 0)
			break;
	}
	if (ret == 0)
		return 0;
	/* the windows before are full ones */
	memset(had, true, sizeof(had));
	for (; done != 0; done -= VFIO_USER_CLIENT_WINDOW)
		if (take_back(client, &maps[done - VFIO_USER_CLIENT_WINDOW], had,
			      VFIO_USER_CLIENT_WINDOW) < 0)
			break;
	return ret;
}

int
rte_vfio_user_client_dma_map(struct rte_vfio_user_client *client,
			     const struct rte_vfio_user_dma_map *maps,
			     uint32_t nb_maps)
{
	uint32_t i;
	int ret = 0;

	if (client == NULL || (maps == NULL && nb_maps != 0))
		return vfio_user_misuse(__func__);
	if (inside_dma_cb(client))
		return -EDEADLK;
	for (i = 0; i < nb_maps && ret == 0; i++)
		ret = check_map(&maps[i]);
	if (ret < 0)
		return vfio_user_misuse(__func__);
	pthread_rwlock_rdlock(&client->ops_lock);
	/* first: the server may access them before its reply arrives */
	ret = enter_maps(client, maps, nb_maps);
	if (ret == 0) {
		ret = map_all(client, maps, nb_maps);
		for (i = 0; i < nb_maps && ret < 0; i++)
			forget(client, maps[i].iova, maps[i].size);
	}
	pthread_rwlock_unlock(&client->ops_lock);
	return ret;
}

/* ------------------------------------------------------------ unmapping */

/* Whether a range is exactly one mapping. */
static bool
is_mapping(struct rte_vfio_user_client *client,
	   const struct rte_vfio_user_dma_range *wanted)
{
	struct vfio_user_iova_range range;
	bool found;

	if (!vfio_user_range_valid(wanted->iova, wanted->size))
		return false;
	pthread_rwlock_rdlock(&client->map_lock);
	found = vfio_user_iova_find(vfio_user_iova_root(client->maps),
				    wanted->iova, &range);
	pthread_rwlock_unlock(&client->map_lock);
	return found && range.first == wanted->iova &&
		range.last == wanted->iova + (wanted->size - 1);
}

static void
start_unmap(struct rte_vfio_user_client *client,
	    struct vfio_user_client_req *creq, struct vfio_user_dma_unmap *echo,
	    const struct rte_vfio_user_dma_range *range)
{
	struct vfio_user_dma_unmap wire;
	const struct vfio_user_out out = { .head = &wire,
					   .head_len = sizeof(wire), .more = true };

	memset(creq, 0, sizeof(*creq));
	if (!is_mapping(client, range)) {
		creq->req.status = -ENOENT;
		return;
	}
	fill_unmap(&wire, range);
	/* servers differ in how much of the request they return */
	creq->data = echo;
	creq->data_cap = sizeof(*echo);
	vfio_user_client_start(client, creq, VFIO_USER_DMA_UNMAP, &out);
}

static int
finish_unmap(struct rte_vfio_user_client *client,
	     struct vfio_user_client_req *creq,
	     const struct vfio_user_dma_unmap *echo,
	     const struct rte_vfio_user_dma_range *range)
{
	int ret = vfio_user_client_finish(client, creq);

	if (ret == -ENOENT && creq->refused) /* then it is none of ours either */
		forget(client, range->iova, range->size);
	if (ret < 0)
		return ret;
	if (creq->data_len == sizeof(*echo) &&
	    (echo->addr != range->iova || echo->size != range->size))
		return -EPROTO;
	return forget(client, range->iova, range->size);
}

static int
unmap_window(struct rte_vfio_user_client *client,
	     const struct rte_vfio_user_dma_range *ranges, uint32_t nb)
{
	struct vfio_user_client_req creqs[VFIO_USER_CLIENT_WINDOW];
	struct vfio_user_dma_unmap echos[VFIO_USER_CLIENT_WINDOW];
	uint32_t i;
	int ret, first = 0;

	for (i = 0; i < nb; i++)
		start_unmap(client, &creqs[i], &echos[i], &ranges[i]);
	vfio_user_conn_flush(&client->main);
	for (i = 0; i < nb; i++) {
		ret = finish_unmap(client, &creqs[i], &echos[i], &ranges[i]);
		if (ret < 0 && first == 0)
			first = ret;
	}
	return first;
}

int
rte_vfio_user_client_dma_unmap(struct rte_vfio_user_client *client,
			       const struct rte_vfio_user_dma_range *ranges,
			       uint32_t nb_ranges)
{
	uint32_t nb, done;
	int ret, first = 0;

	if (client == NULL || (ranges == NULL && nb_ranges != 0))
		return vfio_user_misuse(__func__);
	if (inside_dma_cb(client))
		return -EDEADLK;
	pthread_rwlock_rdlock(&client->ops_lock);
	for (done = 0; done < nb_ranges; done += nb) {
		nb = RTE_MIN(nb_ranges - done, VFIO_USER_CLIENT_WINDOW);
		ret = unmap_window(client, &ranges[done], nb);
		if (ret < 0 && first == 0)
			first = ret;
		if (first == -ETIMEDOUT || first == -ENOTCONN)
			break; /* one timeout is enough */
	}
	pthread_rwlock_unlock(&client->ops_lock);
	return first;
}

/* Wait until no other thread is mapping or unmapping. */
static int
lock_out(struct rte_vfio_user_client *client)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	ts.tv_sec += (time_t)(client->timeout_ns / UINT64_C(1000000000)) + 1;
	return -pthread_rwlock_clockwrlock(&client->ops_lock, CLOCK_MONOTONIC, &ts);
}

int
rte_vfio_user_client_dma_unmap_all(struct rte_vfio_user_client *client)
{
	const struct vfio_user_dma_unmap wire = {
		.argsz = sizeof(wire),
		.flags = VFIO_DMA_UNMAP_FLAG_ALL,
	};
	const struct vfio_user_out out = { .head = &wire,
					   .head_len = sizeof(wire) };
	struct vfio_user_client_req creq = { .head = NULL };
	int ret;

	if (client == NULL)
		return vfio_user_misuse(__func__);
	if (inside_dma_cb(client))
		return -EDEADLK;
	ret = lock_out(client);
	if (ret < 0)
		return ret;
	ret = vfio_user_client_call(client, &creq, VFIO_USER_DMA_UNMAP, &out);
	if (ret == 0) {
		pthread_rwlock_wrlock(&client->map_lock);
		vfio_user_iova_clear(client->maps);
		pthread_rwlock_unlock(&client->map_lock);
	}
	pthread_rwlock_unlock(&client->ops_lock);
	return ret;
}
