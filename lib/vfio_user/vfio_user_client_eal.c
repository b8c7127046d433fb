/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <rte_eal_memconfig.h>
#include <rte_errno.h>
#include <rte_memory.h>
#include <rte_tailq.h>

#include "vfio_user_client.h"

/* ------------------------------------------------------------- segments */

/* Runs under the EAL's memory lock: the functions that take it would hang. */
static int
describe(const struct rte_memseg *ms, struct vfio_user_client_eal_run *seg)
{
	size_t offset;
	int fd;

	seg->addr = (uintptr_t)ms->addr;
	seg->len = ms->len;
	fd = rte_memseg_get_fd_thread_unsafe(ms);
	if (fd < 0 || rte_memseg_get_fd_offset_thread_unsafe(ms, &offset) < 0)
		return -ENOTSUP;
	seg->fd = fd;
	seg->fd_offset = offset;
	return 0;
}

static int
eal_lookup(const void *addr, struct vfio_user_client_eal_run *seg)
{
	const struct rte_memseg *ms = rte_mem_virt2memseg(addr, NULL);

	return ms == NULL ? -ENOENT : describe(ms, seg);
}

static void
free_runs(struct vfio_user_client_eal_runs *list)
{
	struct vfio_user_client_eal_run *run;

	while ((run = TAILQ_FIRST(list)) != NULL) {
		TAILQ_REMOVE(list, run, next);
		free(run);
	}
}

/* Add memory behind the last run of a list, growing it if it continues it. */
static int
append(struct vfio_user_client_eal_runs *list,
       const struct vfio_user_client_eal_run *seg)
{
	struct vfio_user_client_eal_run *run =
		TAILQ_LAST(list, vfio_user_client_eal_runs);

	if (run != NULL && run->fd == seg->fd && run->addr + run->len == seg->addr &&
	    run->fd_offset + run->len == seg->fd_offset) {
		run->len += seg->len;
		return 0;
	}
	run = malloc(sizeof(*run));
	if (run == NULL)
		return -ENOMEM;
	*run = *seg;
	TAILQ_INSERT_TAIL(list, run, next);
	return 0;
}

/* -------------------------------------------------------------- mapping */

/* Map runs and take them over, or free them. eal.lock held. */
static int
map_runs(struct rte_vfio_user_client *client, struct vfio_user_client_eal_runs *list)
{
	struct vfio_user_client_eal_run *run;
	struct rte_vfio_user_dma_map *maps;
	uint32_t nb = 0;
	int ret;

	TAILQ_FOREACH(run, list, next)
		nb++;
	if (nb == 0)
		return 0;
	maps = calloc(nb, sizeof(*maps));
	if (maps == NULL) {
		free_runs(list);
		return -ENOMEM;
	}
	nb = 0;
	TAILQ_FOREACH(run, list, next) {
		maps[nb].iova = run->addr;
		maps[nb].size = run->len;
		maps[nb].prot = PROT_READ | PROT_WRITE;
		maps[nb].fd = run->fd;
		maps[nb].fd_offset = run->fd_offset;
		maps[nb].vaddr = (void *)run->addr;
		nb++;
	}
	ret = rte_vfio_user_client_dma_map(client, maps, nb);
	free(maps);
	if (ret < 0)
		free_runs(list);
	else
		TAILQ_CONCAT(&client->eal.runs, list, next);
	return ret;
}

/*
 * Unmap what goes in any case. What is left after an error is forgotten before
 * the server is parted from: no later one, however fast it comes, has it.
 */
static int
unmap_for_good(struct rte_vfio_user_client *client,
	       const struct rte_vfio_user_dma_range *ranges, uint32_t nb)
{
	int ret = rte_vfio_user_client_dma_unmap(client, ranges, nb);

	if (ret == 0 || ret == -EDEADLK) /* from dma_cb: nothing was done */
		return ret;
	if (vfio_user_client_maps_forget(client, ranges, nb) != 0 || ret != -ENOENT)
		vfio_user_client_lose(client);
	return ret;
}

/* --------------------------------------------------------------- events */

static void
log_failure(const char *what, uintptr_t addr, size_t len, int error)
{
	if (error == -ENOTCONN)
		return; /* nobody accesses anything any more */
	VFIO_USER_LOG(ERR, "client: cannot %s %zu bytes of memory at 0x%" PRIxPTR
		      ": %s", what, len, addr, strerror(-error));
}

/* eal.lock held. */
static void
memory_added(struct rte_vfio_user_client *client, uintptr_t addr, size_t len)
{
	struct vfio_user_client_eal_runs list = TAILQ_HEAD_INITIALIZER(list);
	struct vfio_user_client_eal_run seg;
	uintptr_t at = addr;
	int ret = 0;

	while (at - addr < len && ret == 0) {
		memset(&seg, 0, sizeof(seg));
		ret = client->eal.lookup((const void *)at, &seg);
		/* -ENOTSUP: external memory has no file and is left out */
		if (ret == 0)
			ret = append(&list, &seg);
		else if (ret == -ENOTSUP || ret == -ENOENT)
			ret = 0;
		if (seg.len == 0)
			break;
		at = seg.addr + seg.len;
	}
	if (ret == 0)
		ret = map_runs(client, &list);
	else
		free_runs(&list);
	/* an allocation cannot be refused from here */
	if (ret < 0)
		log_failure("map", addr, len, ret);
}

/* A part of a run that was unmapped is still there: map it again. */
static void
map_rest(struct rte_vfio_user_client *client,
	 const struct vfio_user_client_eal_run *run, uintptr_t from, uintptr_t to)
{
	struct vfio_user_client_eal_runs list = TAILQ_HEAD_INITIALIZER(list);
	struct vfio_user_client_eal_run rest = {
		.addr = from,
		.len = to - from,
		.fd = run->fd,
		.fd_offset = run->fd_offset + (from - run->addr),
	};
	int ret;

	if (from >= to)
		return;
	ret = append(&list, &rest);
	if (ret == 0)
		ret = map_runs(client, &list);
	if (ret < 0)
		log_failure("map", from, to - from, ret);
}

/* eal.lock held. */
static void
memory_going(struct rte_vfio_user_client *client, uintptr_t addr, size_t len)
{
	struct vfio_user_client_eal_run *run, *next;
	uintptr_t end = addr + len, run_end;
	struct rte_vfio_user_dma_range range;
	int ret;

	RTE_TAILQ_FOREACH_SAFE(run, &client->eal.runs, next, next) {
		run_end = run->addr + run->len;
		if (run->addr >= end || run_end <= addr)
			continue;
		TAILQ_REMOVE(&client->eal.runs, run, next);
		range.iova = run->addr;
		range.size = run->len;
		ret = unmap_for_good(client, &range, 1);
		if (ret < 0 && ret != -ENOENT) /* -ENOENT: by unmap_all */
			log_failure("unmap", run->addr, run->len, ret);
		if (ret == -EDEADLK) /* not allowed, and it goes all the same */
			vfio_user_client_lose(client);
		/* the next server has the rest, too */
		if (ret == 0 || (ret != -ENOENT && client->link.on)) {
			map_rest(client, run, run->addr, addr);
			map_rest(client, run, end, run_end);
		}
		free(run);
	}
}

void
vfio_user_client_eal_event(struct rte_vfio_user_client *client,
			   enum rte_mem_event event, const void *addr, size_t len)
{
	pthread_mutex_lock(&client->eal.lock);
	if (!client->eal.mapped)
		goto unlock;
	if (event == RTE_MEM_EVENT_ALLOC)
		memory_added(client, (uintptr_t)addr, len);
	else if (event == RTE_MEM_EVENT_FREE)
		memory_going(client, (uintptr_t)addr, len);
unlock:
	pthread_mutex_unlock(&client->eal.lock);
}

static void
on_event(enum rte_mem_event event, const void *addr, size_t len, void *arg)
{
	vfio_user_client_eal_event(arg, event, addr, len);
}

static void
event_name(const struct rte_vfio_user_client *client,
	   char name[RTE_MEM_EVENT_CALLBACK_NAME_LEN])
{
	snprintf(name, RTE_MEM_EVENT_CALLBACK_NAME_LEN, "vfio_user_client_%p",
		 (const void *)client);
}

/* 1: registered; 0: memory never changes; or -errno. */
static int
watch_events(struct rte_vfio_user_client *client)
{
	char name[RTE_MEM_EVENT_CALLBACK_NAME_LEN];

	event_name(client, name);
	if (rte_mem_event_callback_register(name, on_event, client) == 0)
		return 1;
	return rte_errno == ENOTSUP ? 0 : -rte_errno;
}

/* Waits for a running callback: no lock that it takes may be held. */
static void
unwatch_events(struct rte_vfio_user_client *client)
{
	char name[RTE_MEM_EVENT_CALLBACK_NAME_LEN];

	event_name(client, name);
	rte_mem_event_callback_unregister(name, client);
}

/* ------------------------------------------------------------ public API */

static int
walk_segment(const struct rte_memseg_list *msl, const struct rte_memseg *ms,
	     void *arg)
{
	struct vfio_user_client_eal_run seg = { 0 };

	if (msl->external || describe(ms, &seg) < 0)
		return 0;
	return append(arg, &seg);
}

/* Map what is there. eal.lock is taken, and the EAL's lock released. */
static int
map_present(struct rte_vfio_user_client *client)
{
	struct vfio_user_client_eal_runs list = TAILQ_HEAD_INITIALIZER(list);
	int ret;

	/*
	 * From here to the end an event waits for eal.lock: what was found
	 * cannot go before it is mapped. The EAL's lock is not needed while
	 * waiting for the server.
	 */
	ret = rte_memseg_walk_thread_unsafe(walk_segment, &list);
	rte_mcfg_mem_read_unlock();
	if (ret < 0) {
		free_runs(&list);
		return -ENOMEM; /* the walk does not pass our value on */
	}
	return TAILQ_EMPTY(&list) ? -ENOTSUP : map_runs(client, &list);
}

int
rte_vfio_user_client_eal_map(struct rte_vfio_user_client *client)
{
	int events, ret;

	if (client == NULL)
		return vfio_user_misuse(__func__);
	events = watch_events(client);
	if (events < 0)
		return events;
	rte_mcfg_mem_read_lock();
	pthread_mutex_lock(&client->eal.lock);
	if (client->eal.mapped) {
		rte_mcfg_mem_read_unlock();
		ret = -EEXIST;
	} else {
		ret = map_present(client);
	}
	if (ret == 0) {
		client->eal.mapped = true;
		client->eal.events = events == 1;
	}
	pthread_mutex_unlock(&client->eal.lock);
	if (ret < 0 && events == 1)
		unwatch_events(client);
	return ret;
}

/* Unmap all runs and forget them. eal.lock held. */
static int
unmap_runs(struct rte_vfio_user_client *client)
{
	struct vfio_user_client_eal_run *run;
	struct rte_vfio_user_dma_range *ranges;
	uint32_t nb = 0;
	int ret;

	TAILQ_FOREACH(run, &client->eal.runs, next)
		nb++;
	ranges = calloc(nb + 1, sizeof(*ranges));
	if (ranges == NULL)
		return -ENOMEM;
	nb = 0;
	TAILQ_FOREACH(run, &client->eal.runs, next) {
		ranges[nb].iova = run->addr;
		ranges[nb++].size = run->len;
	}
	ret = unmap_for_good(client, ranges, nb);
	if (ret != -EDEADLK)
		free_runs(&client->eal.runs);
	free(ranges);
	if (ret == -ENOENT) /* by unmap_all */
		ret = 0;
	return ret;
}

int
rte_vfio_user_client_eal_unmap(struct rte_vfio_user_client *client)
{
	bool events;
	int ret = -ENOENT;

	if (client == NULL)
		return vfio_user_misuse(__func__);
	pthread_mutex_lock(&client->eal.lock);
	if (client->eal.mapped)
		ret = unmap_runs(client);
	client->eal.mapped = !TAILQ_EMPTY(&client->eal.runs);
	events = client->eal.events && !client->eal.mapped;
	if (events)
		client->eal.events = false;
	pthread_mutex_unlock(&client->eal.lock);
	if (events)
		unwatch_events(client);
	return ret;
}

void
vfio_user_client_eal_init(struct rte_vfio_user_client *client)
{
	pthread_mutex_init(&client->eal.lock, NULL);
	client->eal.lookup = eal_lookup;
	TAILQ_INIT(&client->eal.runs);
}

void
vfio_user_client_eal_fini(struct rte_vfio_user_client *client)
{
	if (client->eal.events)
		unwatch_events(client);
	free_runs(&client->eal.runs);
	pthread_mutex_destroy(&client->eal.lock);
}
