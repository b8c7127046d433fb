/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/queue.h>
#include <unistd.h>

#include <rte_common.h>
#include <rte_errno.h>

#include "rte_vfio_user_poll_group.h"
#include "vfio_user_log.h"

/* servers polled by one call */
#define MAX_TURNS 64

/* messages handled without asking epoll which other servers are ready */
#define MAX_UNCHECKED 64

/**
 * A server. The same structure moves from group to group; it is protected by
 * the lock of the group that it is in.
 */
struct group_entry {
	TAILQ_ENTRY(group_entry) next;
	TAILQ_ENTRY(group_entry) next_ready;
	struct rte_vfio_user_server *srv;
	bool ready; /* in the list of those to poll */
	bool leaving; /* when it has been polled it goes, to the group below */
	struct rte_vfio_user_poll_group *to; /* or NULL */
};

TAILQ_HEAD(group_list, group_entry);

struct rte_vfio_user_poll_group {
	int epfd; /* the servers' file descriptors; data is the entry */
	pthread_mutex_t lock; /* not held while a server is polled */
	pthread_cond_t cond; /* turn has changed */
	/* below: under the lock */
	struct group_list entries;
	struct group_list ready; /* known to have something to do */
	uint32_t nb_ready;
	uint32_t unchecked; /* messages and calls since epoll was asked */
	uint32_t coming; /* servers announced by other groups */
	bool polling;
	pthread_t poller;
	struct group_entry *current; /* being polled */
	uint64_t turn; /* counts servers polled */
};

/* ------------------------------------------------------------- life cycle */

struct rte_vfio_user_poll_group *
rte_vfio_user_poll_group_create(void)
{
	struct rte_vfio_user_poll_group *group = calloc(1, sizeof(*group));

	if (group == NULL) {
		rte_errno = ENOMEM;
		return NULL;
	}
	group->epfd = epoll_create1(EPOLL_CLOEXEC);
	if (group->epfd < 0) {
		rte_errno = errno;
		free(group);
		return NULL;
	}
	TAILQ_INIT(&group->entries);
	TAILQ_INIT(&group->ready);
	pthread_mutex_init(&group->lock, NULL);
	pthread_cond_init(&group->cond, NULL);
	return group;
}

int
rte_vfio_user_poll_group_destroy(struct rte_vfio_user_poll_group *group)
{
	struct group_entry *entry;
	bool busy;

	if (group == NULL)
		return 0;
	pthread_mutex_lock(&group->lock);
	busy = group->polling || group->coming != 0;
	pthread_mutex_unlock(&group->lock);
	if (busy) {
		VFIO_USER_LOG(ERR, "%s: the group is in use", __func__);
		return -EBUSY;
	}
	while ((entry = TAILQ_FIRST(&group->entries)) != NULL) {
		TAILQ_REMOVE(&group->entries, entry, next);
		free(entry);
	}
	close(group->epfd);
	pthread_cond_destroy(&group->cond);
	pthread_mutex_destroy(&group->lock);
	free(group);
	return 0;
}

int
rte_vfio_user_poll_group_fd(const struct rte_vfio_user_poll_group *group)
{
	return group == NULL ? vfio_user_misuse(__func__) : group->epfd;
}

/* ------------------------------------------------------------- membership */

static int
watch(const struct rte_vfio_user_poll_group *group, int op,
      const struct rte_vfio_user_server *srv, uint32_t events, struct group_entry *entry)
{
	struct epoll_event ev = { .events = events, .data.ptr = entry };

	return epoll_ctl(group->epfd, op, rte_vfio_user_server_fd(srv), &ev) < 0 ?
		-errno : 0;
}

/* All that can fail when a server comes; it is not watched yet. */
static int
announce(struct rte_vfio_user_poll_group *group, const struct rte_vfio_user_server *srv)
{
	int ret;

	pthread_mutex_lock(&group->lock);
	ret = watch(group, EPOLL_CTL_ADD, srv, 0, NULL);
	if (ret == 0)
		group->coming++;
	pthread_mutex_unlock(&group->lock);
	return ret;
}

static void
cancel(struct rte_vfio_user_poll_group *group, const struct rte_vfio_user_server *srv)
{
	pthread_mutex_lock(&group->lock);
	watch(group, EPOLL_CTL_DEL, srv, 0, NULL);
	group->coming--;
	pthread_mutex_unlock(&group->lock);
}

/* The announced server is here. */
static void
link_entry(struct rte_vfio_user_poll_group *group, struct group_entry *entry)
{
	pthread_mutex_lock(&group->lock);
	TAILQ_INSERT_TAIL(&group->entries, entry, next);
	watch(group, EPOLL_CTL_MOD, entry->srv, EPOLLIN, entry);
	group->coming--;
	pthread_mutex_unlock(&group->lock);
}

/* Lock held. */
static void
unlink_entry(struct rte_vfio_user_poll_group *group, struct group_entry *entry)
{
	watch(group, EPOLL_CTL_DEL, entry->srv, 0, NULL);
	TAILQ_REMOVE(&group->entries, entry, next);
	if (entry->ready) {
		TAILQ_REMOVE(&group->ready, entry, next_ready);
		group->nb_ready--;
		entry->ready = false;
	}
}

/* An unlinked entry goes to its next group, or for ever. */
static void
send_off(struct group_entry *entry, struct rte_vfio_user_poll_group *to)
{
	entry->leaving = false;
	entry->to = NULL;
	if (to == NULL)
		free(entry);
	else
		link_entry(to, entry);
}

/* Lock held. */
static struct group_entry *
find_entry(struct rte_vfio_user_poll_group *group, const struct rte_vfio_user_server *srv)
{
	struct group_entry *entry;

	TAILQ_FOREACH(entry, &group->entries, next)
		if (entry->srv == srv)
			return entry;
	return NULL;
}

/* Lock held: wait until the server that is being polled now has been polled. */
static void
wait_turn(struct rte_vfio_user_poll_group *group)
{
	uint64_t turn = group->turn;

	while (group->turn == turn)
		pthread_cond_wait(&group->cond, &group->lock);
}

/* Take a server out, for another group or for nobody. */
static int
leave(struct rte_vfio_user_poll_group *group, const struct rte_vfio_user_server *srv,
      struct rte_vfio_user_poll_group *to)
{
	struct group_entry *entry;
	int ret = -ENOENT;

	pthread_mutex_lock(&group->lock);
	entry = find_entry(group, srv);
	if (entry != NULL && entry != group->current) {
		unlink_entry(group, entry);
		pthread_mutex_unlock(&group->lock);
		send_off(entry, to);
		return 0;
	}
	if (entry != NULL) {
		/* the thread that polls it takes it out; the first one who asks wins */
		if (!entry->leaving) {
			entry->leaving = true;
			entry->to = to;
			ret = 0;
		}
		if (!pthread_equal(group->poller, pthread_self()))
			wait_turn(group);
	}
	pthread_mutex_unlock(&group->lock);
	return ret;
}

int
rte_vfio_user_poll_group_add(struct rte_vfio_user_poll_group *group,
			     struct rte_vfio_user_server *srv)
{
	struct group_entry *entry;
	int ret;

	if (group == NULL || srv == NULL)
		return vfio_user_misuse(__func__);
	entry = calloc(1, sizeof(*entry));
	if (entry == NULL)
		return -ENOMEM;
	entry->srv = srv;
	ret = announce(group, srv);
	if (ret < 0)
		free(entry);
	else
		link_entry(group, entry);
	return ret;
}

int
rte_vfio_user_poll_group_remove(struct rte_vfio_user_poll_group *group,
				struct rte_vfio_user_server *srv)
{
	if (group == NULL || srv == NULL)
		return vfio_user_misuse(__func__);
	return leave(group, srv, NULL);
}

int
rte_vfio_user_poll_group_move(struct rte_vfio_user_poll_group *from,
			      struct rte_vfio_user_poll_group *to,
			      struct rte_vfio_user_server *srv)
{
	int ret;

	if (from == NULL || to == NULL || srv == NULL)
		return vfio_user_misuse(__func__);
	ret = announce(to, srv);
	if (ret < 0)
		return ret;
	ret = leave(from, srv, to);
	if (ret < 0)
		cancel(to, srv);
	return ret;
}

/* ---------------------------------------------------------------- polling */

/* Lock held. */
static void
make_ready(struct rte_vfio_user_poll_group *group, struct group_entry *entry)
{
	if (entry->ready)
		return;
	TAILQ_INSERT_TAIL(&group->ready, entry, next_ready);
	group->nb_ready++;
	entry->ready = true;
}

/*
 * Lock held, so that no entry goes meanwhile. Linux reports the servers in
 * turn if there are more than fit.
 */
static void
ask_epoll(struct rte_vfio_user_poll_group *group)
{
	struct epoll_event ev[MAX_TURNS];
	int i, nb;

	group->unchecked = 0;
	nb = epoll_wait(group->epfd, ev, MAX_TURNS, 0);
	for (i = 0; i < nb; i++)
		if (ev[i].data.ptr != NULL)
			make_ready(group, ev[i].data.ptr);
}

/* Lock held; released while the server is polled, and while it leaves. */
static int
take_turn(struct rte_vfio_user_poll_group *group)
{
	struct group_entry *entry = TAILQ_FIRST(&group->ready);
	struct rte_vfio_user_poll_group *to;
	int ret;

	TAILQ_REMOVE(&group->ready, entry, next_ready);
	group->nb_ready--;
	entry->ready = false;
	group->current = entry;
	pthread_mutex_unlock(&group->lock);
	ret = rte_vfio_user_server_poll(entry->srv);
	pthread_mutex_lock(&group->lock);
	group->current = NULL;
	if (entry->leaving) {
		to = entry->to;
		unlink_entry(group, entry);
		pthread_mutex_unlock(&group->lock);
		send_off(entry, to);
		pthread_mutex_lock(&group->lock);
	} else if (ret > 0) {
		make_ready(group, entry); /* likely it has more */
	}
	group->turn++;
	pthread_cond_broadcast(&group->cond);
	return RTE_MAX(ret, 0);
}

/* Lock held: poll each server once that is known to have something to do. */
static int
take_turns(struct rte_vfio_user_poll_group *group)
{
	uint32_t left = RTE_MIN(group->nb_ready, (uint32_t)MAX_TURNS);
	int nb = 0;

	/* callbacks may remove some of them */
	for (; left != 0 && group->nb_ready != 0; left--)
		nb += take_turn(group);
	return nb;
}

int
rte_vfio_user_poll_group_poll(struct rte_vfio_user_poll_group *group)
{
	bool asked;
	int nb;

	if (group == NULL)
		return vfio_user_misuse(__func__);
	pthread_mutex_lock(&group->lock);
	if (group->polling) {
		pthread_mutex_unlock(&group->lock);
		return -EBUSY;
	}
	group->polling = true;
	group->poller = pthread_self();
	asked = group->nb_ready == 0 || group->unchecked >= MAX_UNCHECKED;
	if (asked)
		ask_epoll(group);
	nb = take_turns(group);
	if (nb == 0 && !asked) {
		ask_epoll(group);
		nb = take_turns(group);
	}
	group->unchecked += 1 + (uint32_t)nb;
	group->polling = false;
	pthread_mutex_unlock(&group->lock);
	return nb;
}
