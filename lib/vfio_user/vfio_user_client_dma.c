/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include <rte_common.h>

#include "vfio_user_client.h"
#include "vfio_user_trace.h"

/* -------------------------------------------------------------- mapping */

/* Whether the calling thread is inside dma_cb, which holds maps.lock. */
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

/* Lock held for writing. */
static void
free_map(struct rte_vfio_user_client *client, struct vfio_user_client_map *map)
{
	if (map->file != NULL)
		vfio_user_files_put(&client->maps.files, map->file);
	free(map);
}

/* Lock held for writing. */
static int
remove_map(struct rte_vfio_user_client *client, uint64_t iova, uint64_t size)
{
	struct vfio_user_iova_range range;
	int ret;

	ret = vfio_user_iova_remove(client->maps.ranges, iova, iova + (size - 1), &range);
	if (ret < 0)
		return ret;
	vfio_user_stats_unmap(&client->maps.stats, size);
	vfio_user_trace_dma_unmap(client, iova, size, 0);
	free_map(client, vfio_user_client_map_of(&range));
	return 0;
}

/* Keep the file of a mapping if it may have to be mapped again. Lock held. */
static int
keep_file(struct rte_vfio_user_client *client, struct vfio_user_client_map *map, int fd)
{
	if (!client->link.on || fd < 0)
		return 0;
	fd = vfio_user_fd_dup(fd);
	return fd < 0 ? fd : vfio_user_files_get(&client->maps.files, fd, &map->file);
}

/* Lock held for writing. */
static int
enter_map(struct rte_vfio_user_client *client, const struct rte_vfio_user_dma_map *conf)
{
	struct vfio_user_client_map *map = calloc(1, sizeof(*map));
	const struct vfio_user_iova_range range = {
		.first = conf->iova,
		.last = conf->iova + (conf->size - 1),
		.delta = (uintptr_t)conf->vaddr - (uintptr_t)conf->iova,
		.prot = conf->prot,
		.cookie = map,
	};
	int ret;

	if (map == NULL)
		return -ENOMEM;
	map->vaddr = conf->vaddr;
	map->fd_offset = conf->fd_offset;
	map->flags = conf->flags;
	map->peer = client->maps.direct ? client->maps.peer : VFIO_USER_CLIENT_NOBODY;
	ret = keep_file(client, map, conf->fd);
	if (ret == 0)
		ret = vfio_user_iova_insert(client->maps.ranges, &range);
	if (ret < 0)
		free_map(client, map);
	else
		vfio_user_stats_map(&client->maps.stats, conf->size);
	vfio_user_trace_dma_map(client, conf->iova, conf->size, ret);
	return ret;
}

/* Enter all ranges, or none. *peer is the server to send them to, or NOBODY. */
static int
enter_maps(struct rte_vfio_user_client *client,
	   const struct rte_vfio_user_dma_map *maps, uint32_t nb_maps, uint32_t *peer)
{
	uint32_t i;
	int ret = 0;

	pthread_rwlock_wrlock(&client->maps.lock);
	for (i = 0; i < nb_maps && ret == 0; i++)
		ret = enter_map(client, &maps[i]);
	if (ret < 0)
		i--; /* this one was not entered */
	else if (vfio_user_iova_count(client->maps.ranges) > client->neg.max_dma_maps)
		ret = -ENOSPC;
	while (ret < 0 && i-- != 0)
		remove_map(client, maps[i].iova, maps[i].size);
	*peer = client->maps.direct ? client->maps.peer : VFIO_USER_CLIENT_NOBODY;
	client->maps.missed = true;
	pthread_rwlock_unlock(&client->maps.lock);
	return ret;
}

static void
fill_map(const struct rte_vfio_user_client *client,
	 const struct rte_vfio_user_dma_map *map, struct vfio_user_dma_map *wire,
	 struct vfio_user_out *out)
{
	memset(wire, 0, sizeof(*wire));
	memset(out, 0, sizeof(*out));
	wire->argsz = sizeof(*wire);
	if ((map->prot & PROT_READ) != 0)
		wire->flags |= VFIO_USER_DMA_MAP_F_READ;
	if ((map->prot & PROT_WRITE) != 0)
		wire->flags |= VFIO_USER_DMA_MAP_F_WRITE;
	wire->addr = map->iova;
	wire->size = map->size;
	out->head = wire;
	out->head_len = sizeof(*wire);
	out->more = true;
	/* without fds the server reaches all memory by messages */
	if (map->fd < 0 || client->neg.max_msg_fds == 0)
		return;
	if ((map->flags & RTE_VFIO_USER_DMA_F_FILE_IO) != 0)
		wire->flags |= VFIO_USER_DMA_MAP_F_FILE_IO;
	wire->offset = map->fd_offset;
	out->fds = &map->fd;
	out->nb_fds = 1;
}

static void
start_map(struct rte_vfio_user_client *client, struct vfio_user_client_req *creq,
	  uint32_t peer, const struct rte_vfio_user_dma_map *map)
{
	struct vfio_user_dma_map wire;
	struct vfio_user_out out;

	fill_map(client, map, &wire, &out);
	memset(creq, 0, sizeof(*creq));
	vfio_user_client_start_to(client, creq, peer, VFIO_USER_DMA_MAP, &out);
}

/* Whether a request did not reach a server, or its reply us, for ever. */
static bool
was_lost(const struct rte_vfio_user_client *client,
	 const struct vfio_user_client_req *creq, int ret)
{
	return ret == -ENOTCONN && !creq->refused && client->link.on;
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

/* ------------------------------------------------------------ unmapping */

/* The mapping that is exactly a range, or NULL. Lock held. */
static struct vfio_user_client_map *
exact_map(const struct rte_vfio_user_client *client,
	  const struct rte_vfio_user_dma_range *wanted)
{
	struct vfio_user_iova_range range;

	if (!vfio_user_range_valid(wanted->iova, wanted->size) ||
	    !vfio_user_iova_find(vfio_user_iova_root(client->maps.ranges),
				 wanted->iova, &range) ||
	    range.first != wanted->iova ||
	    range.last != wanted->iova + (wanted->size - 1))
		return NULL;
	return vfio_user_client_map_of(&range);
}

/*
 * Who has to be asked to unmap a range: 0 with the server in *peer, or with
 * NOBODY when it was enough to forget it; -ENOENT: it is not one mapping.
 * done is a server that has, or is gone, or NOBODY. Forgetting waits for an
 * access that is being served.
 */
static int
find_holder(struct rte_vfio_user_client *client,
	    const struct rte_vfio_user_dma_range *range, uint32_t done, uint32_t *peer)
{
	struct vfio_user_client_map *map;
	int ret = 0;

	*peer = VFIO_USER_CLIENT_NOBODY;
	pthread_rwlock_rdlock(&client->maps.lock);
	map = exact_map(client, range);
	if (map != NULL)
		*peer = vfio_user_client_holder(client, map);
	pthread_rwlock_unlock(&client->maps.lock);
	if (map == NULL)
		return -ENOENT;
	if (*peer != VFIO_USER_CLIENT_NOBODY && *peer != done)
		return 0;

	pthread_rwlock_wrlock(&client->maps.lock);
	map = exact_map(client, range);
	if (map != NULL) {
		*peer = vfio_user_client_holder(client, map); /* the replay may have come by */
		if (*peer == done)
			*peer = VFIO_USER_CLIENT_NOBODY;
		if (*peer == VFIO_USER_CLIENT_NOBODY)
			ret = remove_map(client, range->iova, range->size);
	}
	pthread_rwlock_unlock(&client->maps.lock);
	return map == NULL ? -ENOENT : ret;
}

static void
start_unmap(struct rte_vfio_user_client *client, struct vfio_user_client_req *creq,
	    uint32_t peer, struct vfio_user_dma_unmap *echo,
	    const struct rte_vfio_user_dma_range *range)
{
	struct vfio_user_dma_unmap wire;
	const struct vfio_user_out out = { .head = &wire,
					   .head_len = sizeof(wire), .more = true };

	fill_unmap(&wire, range);
	memset(creq, 0, sizeof(*creq));
	/* servers differ in how much of the request they return */
	creq->data = echo;
	creq->data_cap = sizeof(*echo);
	vfio_user_client_start_to(client, creq, peer, VFIO_USER_DMA_UNMAP, &out);
}

/* As start_unmap(), to whoever has the range. */
static void
begin_unmap(struct rte_vfio_user_client *client, struct vfio_user_client_req *creq,
	    uint32_t done, struct vfio_user_dma_unmap *echo,
	    const struct rte_vfio_user_dma_range *range)
{
	uint32_t peer;
	int ret;

	ret = find_holder(client, range, done, &peer);
	if (ret == 0 && peer != VFIO_USER_CLIENT_NOBODY) {
		start_unmap(client, creq, peer, echo, range);
		return;
	}
	memset(creq, 0, sizeof(*creq));
	creq->req.generation = VFIO_USER_CLIENT_NOBODY;
	creq->req.status = ret;
}

/* 1: a server that came since may have the range, or the request was lost. */
static int
end_unmap(struct rte_vfio_user_client *client, struct vfio_user_client_req *creq,
	  const struct vfio_user_dma_unmap *echo,
	  const struct rte_vfio_user_dma_range *range)
{
	int ret = vfio_user_client_finish(client, creq), found;
	uint32_t peer;

	if (creq->req.generation == VFIO_USER_CLIENT_NOBODY)
		return ret; /* nobody was asked */
	if (was_lost(client, creq, ret))
		return 1;
	/* what the server does not have is none of ours either */
	if (ret < 0 && !(ret == -ENOENT && creq->refused))
		return ret;
	if (ret == 0 && creq->data_len == sizeof(*echo) &&
	    (echo->addr != range->iova || echo->size != range->size))
		return -EPROTO;
	found = find_holder(client, range, creq->req.generation, &peer);
	if (found == 0 && peer != VFIO_USER_CLIENT_NOBODY)
		return 1;
	return ret < 0 ? ret : found;
}

/* A server has unmapped a range, or is gone: see to it that no other has it. */
static int
unmap_again(struct rte_vfio_user_client *client, uint32_t done,
	    const struct rte_vfio_user_dma_range *range)
{
	uint64_t give_up = vfio_user_now() + client->timeout_ns;
	struct vfio_user_client_req creq;
	struct vfio_user_dma_unmap echo;
	int ret;

	do {
		begin_unmap(client, &creq, done, &echo, range);
		vfio_user_conn_flush(&client->main);
		ret = end_unmap(client, &creq, &echo, range);
		done = creq.req.generation;
	} while (ret == 1 && vfio_user_now() < give_up);
	return ret == 1 ? -ETIMEDOUT : ret;
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
		begin_unmap(client, &creqs[i], VFIO_USER_CLIENT_NOBODY, &echos[i],
			    &ranges[i]);
	vfio_user_conn_flush(&client->main);
	for (i = 0; i < nb; i++) {
		ret = end_unmap(client, &creqs[i], &echos[i], &ranges[i]);
		if (ret == 1)
			ret = unmap_again(client, creqs[i].req.generation, &ranges[i]);
		if (ret < 0 && first == 0)
			first = ret;
	}
	return first;
}

/*
 * Unmap up to a window of ranges that the server has, or may have. Waits: its
 * last accesses are over when the caller learns that nothing is mapped. One
 * timeout is enough: a server that does not answer is not asked again.
 */
static int
take_back(struct rte_vfio_user_client *client, uint32_t peer,
	  const struct rte_vfio_user_dma_map *maps, const bool *had, uint32_t nb)
{
	struct vfio_user_client_req creqs[VFIO_USER_CLIENT_WINDOW];
	struct vfio_user_dma_unmap echo;
	struct rte_vfio_user_dma_range range;
	int ret, last = 0;
	uint32_t i;

	for (i = 0; i < nb; i++) {
		if (!had[i])
			continue;
		range.iova = maps[i].iova;
		range.size = maps[i].size;
		start_unmap(client, &creqs[i], peer, &echo, &range);
	}
	vfio_user_conn_flush(&client->main);
	for (i = 0; i < nb; i++) {
		ret = had[i] ? vfio_user_client_finish(client, &creqs[i]) : 0;
		if (ret == -ETIMEDOUT || ret == -ENOTCONN)
			last = ret;
	}
	return last;
}

/* Map up to a window of ranges, all or none. 1: as the connection was lost. */
static int
map_window(struct rte_vfio_user_client *client, uint32_t peer,
	   const struct rte_vfio_user_dma_map *maps, uint32_t nb)
{
	struct vfio_user_client_req creqs[VFIO_USER_CLIENT_WINDOW];
	bool had[VFIO_USER_CLIENT_WINDOW];
	uint32_t i;
	int ret, first = 0;

	for (i = 0; i < nb; i++)
		start_map(client, &creqs[i], peer, &maps[i]);
	vfio_user_conn_flush(&client->main);
	for (i = 0; i < nb; i++) {
		ret = vfio_user_client_finish(client, &creqs[i]);
		had[i] = !creqs[i].refused && ret != -ENOTCONN;
		if (ret < 0 && first == 0)
			first = was_lost(client, &creqs[i], ret) ? 1 : ret;
	}
	if (first < 0)
		take_back(client, peer, maps, had, nb);
	return first;
}

static int
map_all(struct rte_vfio_user_client *client, uint32_t peer,
	const struct rte_vfio_user_dma_map *maps, uint32_t nb_maps)
{
	bool had[VFIO_USER_CLIENT_WINDOW];
	uint32_t done, nb;
	int ret = 0;

	for (done = 0; done < nb_maps; done += nb) {
		nb = RTE_MIN(nb_maps - done, VFIO_USER_CLIENT_WINDOW);
		ret = map_window(client, peer, &maps[done], nb);
		if (ret != 0)
			break;
	}
	if (ret >= 0)
		return ret;
	/* the windows before are full ones */
	memset(had, true, sizeof(had));
	for (; done != 0; done -= VFIO_USER_CLIENT_WINDOW)
		if (take_back(client, peer, &maps[done - VFIO_USER_CLIENT_WINDOW], had,
			      VFIO_USER_CLIENT_WINDOW) < 0)
			break;
	return ret;
}

/* Forget mappings that one server was asked for in vain. */
static void
discard(struct rte_vfio_user_client *client, uint32_t peer,
	const struct rte_vfio_user_dma_map *maps, uint32_t nb_maps)
{
	struct rte_vfio_user_dma_range range;
	uint32_t i;

	for (i = 0; i < nb_maps; i++) {
		range.iova = maps[i].iova;
		range.size = maps[i].size;
		/* another server may have been given it meanwhile */
		unmap_again(client, peer, &range);
	}
}

/* Map what was entered for a server, or leave it to the next one. */
static int
map_entered(struct rte_vfio_user_client *client, uint32_t peer,
	    const struct rte_vfio_user_dma_map *maps, uint32_t nb_maps)
{
	int ret = 1;

	if (peer != VFIO_USER_CLIENT_NOBODY)
		ret = map_all(client, peer, maps, nb_maps);
	if (ret == 1)
		ret = vfio_user_client_is_alive(client) ? 0 : -ENOTCONN;
	if (ret < 0)
		discard(client, peer, maps, nb_maps);
	return ret;
}

/*
 * Let others map and unmap meanwhile, or nobody. Who holds the lock waits for
 * replies: if we are the one who receives, inside a callback, we go on with it.
 */
static int
lock_ops(struct rte_vfio_user_client *client, bool alone)
{
	uint64_t give_up = vfio_user_now() + client->timeout_ns + UINT64_C(1000000000);
	const struct timespec ts = { .tv_nsec = VFIO_USER_NS_PER_MS };
	int ret;

	for (;;) {
		ret = alone ? pthread_rwlock_trywrlock(&client->ops_lock) :
			pthread_rwlock_tryrdlock(&client->ops_lock);
		if (ret != EBUSY)
			return -ret;
		if (vfio_user_now() >= give_up)
			return -ETIMEDOUT;
		if (!vfio_user_conn_is_owner(&client->main) ||
		    vfio_user_client_receive(client, 10) < 0)
			nanosleep(&ts, NULL);
	}
}

int
rte_vfio_user_client_dma_map(struct rte_vfio_user_client *client,
			     const struct rte_vfio_user_dma_map *maps,
			     uint32_t nb_maps)
{
	uint32_t i, peer;
	int ret = 0;

	if (client == NULL || (maps == NULL && nb_maps != 0))
		return vfio_user_misuse(__func__);
	if (inside_dma_cb(client))
		return -EDEADLK;
	for (i = 0; i < nb_maps && ret == 0; i++)
		ret = check_map(&maps[i]);
	if (ret < 0)
		return vfio_user_misuse(__func__);
	ret = lock_ops(client, false);
	if (ret < 0)
		return ret;
	/* first: the server may access them before its reply arrives */
	ret = enter_maps(client, maps, nb_maps, &peer);
	if (ret == 0)
		ret = map_entered(client, peer, maps, nb_maps);
	pthread_rwlock_unlock(&client->ops_lock);
	return ret;
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
	ret = lock_ops(client, false);
	if (ret < 0)
		return ret;
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

/* Lock held for writing. */
static void
clear_maps(struct rte_vfio_user_client *client)
{
	const void *root = vfio_user_iova_root(client->maps.ranges);
	struct vfio_user_iova_range range;
	uint64_t at = 0;

	while (vfio_user_iova_next(root, at, &range)) {
		free_map(client, vfio_user_client_map_of(&range));
		if (range.last == UINT64_MAX)
			break;
		at = range.last + 1;
	}
	vfio_user_iova_clear(client->maps.ranges);
	vfio_user_stats_unmap_all(&client->maps.stats);
	vfio_user_trace_dma_unmap(client, 0, 0, 0);
}

/* The server to ask for everything; what it is given next waits for release. */
static uint32_t
hold_maps(struct rte_vfio_user_client *client)
{
	uint32_t peer;

	pthread_rwlock_wrlock(&client->maps.lock);
	client->maps.hold = true;
	peer = client->maps.peer;
	pthread_rwlock_unlock(&client->maps.lock);
	return peer;
}

static void
release_maps(struct rte_vfio_user_client *client, bool clear)
{
	pthread_rwlock_wrlock(&client->maps.lock);
	client->maps.hold = false;
	if (clear)
		clear_maps(client);
	pthread_rwlock_unlock(&client->maps.lock);
	if (client->link.on)
		vfio_user_client_wake(client);
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
	uint32_t peer;
	int ret = 0;

	if (client == NULL)
		return vfio_user_misuse(__func__);
	if (inside_dma_cb(client))
		return -EDEADLK;
	ret = lock_ops(client, true);
	if (ret < 0)
		return ret;
	peer = hold_maps(client);
	if (peer != VFIO_USER_CLIENT_NOBODY) {
		vfio_user_client_start_to(client, &creq, peer, VFIO_USER_DMA_UNMAP, &out);
		ret = vfio_user_client_finish(client, &creq);
		if (was_lost(client, &creq, ret))
			ret = 0; /* and no other server has anything yet */
	}
	release_maps(client, ret == 0);
	pthread_rwlock_unlock(&client->ops_lock);
	return ret;
}

/* --------------------------------------------------------- reconnection */

int
vfio_user_client_maps_init(struct rte_vfio_user_client *client)
{
	struct vfio_user_client_maps *maps = &client->maps;

	maps->ranges = vfio_user_iova_create();
	if (maps->ranges == NULL)
		return -ENOMEM;
	pthread_rwlock_init(&maps->lock, NULL);
	vfio_user_files_init(&maps->files, UINT32_MAX);
	maps->direct = true;
	return 0;
}

void
vfio_user_client_maps_fini(struct rte_vfio_user_client *client)
{
	clear_maps(client);
	vfio_user_files_fini(&client->maps.files);
	pthread_rwlock_destroy(&client->maps.lock);
	vfio_user_iova_destroy(client->maps.ranges);
}

uint32_t
vfio_user_client_maps_forget(struct rte_vfio_user_client *client,
			     const struct rte_vfio_user_dma_range *ranges,
			     uint32_t nb_ranges)
{
	uint32_t i, nb = 0;

	pthread_rwlock_wrlock(&client->maps.lock);
	for (i = 0; i < nb_ranges; i++)
		nb += exact_map(client, &ranges[i]) != NULL &&
			remove_map(client, ranges[i].iova, ranges[i].size) == 0;
	pthread_rwlock_unlock(&client->maps.lock);
	return nb;
}

void
vfio_user_client_maps_lost(struct rte_vfio_user_client *client)
{
	pthread_rwlock_wrlock(&client->maps.lock);
	client->maps.peer = VFIO_USER_CLIENT_NOBODY;
	client->maps.direct = false;
	pthread_rwlock_unlock(&client->maps.lock);
}

static int
take_map(struct rte_vfio_user_client *client, uint64_t iova, int status,
	 struct vfio_user_msg *reply)
{
	RTE_SET_USED(reply);
	if (status < 0)
		VFIO_USER_LOG_PEER(&client->main.limit, "%s: DMA_MAP of 0x%" PRIx64
				   " is refused after the reconnection: %s",
				   client->link.path, iova, strerror(-status));
	return status;
}

static int
replay_map(struct rte_vfio_user_client *client,
	   const struct vfio_user_iova_range *range)
{
	struct vfio_user_client_map *map = vfio_user_client_map_of(range);
	const struct rte_vfio_user_dma_map conf = {
		.iova = range->first,
		.size = range->last - range->first + 1,
		.prot = range->prot,
		.flags = map->flags,
		.fd = map->file != NULL ? map->file->fd : -1,
		.fd_offset = map->fd_offset,
	};
	struct vfio_user_dma_map wire;
	struct vfio_user_out out;
	int ret;

	fill_map(client, &conf, &wire, &out);
	ret = vfio_user_client_ask(client, VFIO_USER_DMA_MAP, &out, take_map,
				   range->first);
	/* not before: who sees it asks to unmap, which must come second */
	if (ret == 0)
		__atomic_store_n(&map->peer, client->maps.peer, __ATOMIC_RELEASE);
	return ret;
}

/* Send some of the mappings that the server does not have. Lock held. */
static int
replay_some(struct rte_vfio_user_client *client)
{
	struct vfio_user_client_maps *maps = &client->maps;
	const void *root = vfio_user_iova_root(maps->ranges);
	uint32_t room = vfio_user_client_may_ask(client);
	const struct vfio_user_client_map *map;
	struct vfio_user_iova_range range;
	int ret = 0;

	while (!maps->hold && !maps->replay_end && room != 0 && ret == 0) {
		if (!vfio_user_iova_next(root, maps->replay_at, &range)) {
			maps->replay_end = true;
			break;
		}
		map = vfio_user_client_map_of(&range);
		if (vfio_user_client_holder(client, map) == VFIO_USER_CLIENT_NOBODY) {
			ret = replay_map(client, &range);
			room--;
		}
		maps->replay_at = range.last + 1;
		maps->replay_end = range.last == UINT64_MAX;
	}
	return ret;
}

/* Whoever changes the table is faster than us only for a while. */
static bool
replay_ends(struct rte_vfio_user_client *client)
{
	struct vfio_user_client_maps *maps = &client->maps;
	bool ends;

	pthread_rwlock_wrlock(&maps->lock);
	ends = !maps->missed && !maps->hold;
	maps->direct = ends;
	maps->missed = false;
	pthread_rwlock_unlock(&maps->lock);
	maps->replay_at = 0;
	maps->replay_end = false;
	return ends;
}

int
vfio_user_client_replay_maps(struct rte_vfio_user_client *client)
{
	struct vfio_user_client_maps *maps = &client->maps;
	int ret;

	if (client->link.cursor++ == 0) {
		pthread_rwlock_wrlock(&maps->lock);
		maps->peer = client->link.generation;
		maps->missed = false;
		pthread_rwlock_unlock(&maps->lock);
		maps->replay_at = 0;
		maps->replay_end = false;
	}
	do {
		pthread_rwlock_rdlock(&maps->lock);
		ret = replay_some(client);
		pthread_rwlock_unlock(&maps->lock);
		if (ret < 0)
			return ret;
		if (!maps->replay_end || !vfio_user_client_answered(client))
			return 0;
	} while (!replay_ends(client));
	return 1;
}
