/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/queue.h>
#include <unistd.h>

#include <rte_errno.h>

#include "rte_vfio_user_runner.h"
#include "vfio_user_log.h"

#define MAX_EVENTS 64

/** A server of the runner. */
struct runner_entry {
	TAILQ_ENTRY(runner_entry) next;
	struct rte_vfio_user_server *srv;
	bool removed; /* while it was being polled; freed by the thread */
};

struct rte_vfio_user_runner {
	pthread_t thread;
	int epfd;
	int wake_fd; /* ends the thread, or makes it look at stop */
	bool stop; /* atomic */
	pthread_mutex_t lock;
	pthread_cond_t cond; /* current changed */
	/* below: under the lock */
	TAILQ_HEAD(, runner_entry) entries;
	struct runner_entry *current; /* being polled */
};

static struct runner_entry *
find_entry(struct rte_vfio_user_runner *runner, const struct rte_vfio_user_server *srv)
{
	struct runner_entry *entry;

	TAILQ_FOREACH(entry, &runner->entries, next)
		if (entry->srv == srv && !entry->removed)
			return entry;
	return NULL;
}

static void
unlink_entry(struct rte_vfio_user_runner *runner, struct runner_entry *entry)
{
	TAILQ_REMOVE(&runner->entries, entry, next);
	free(entry);
}

/* Poll one server, unless it was removed since epoll reported it. */
static void
poll_server(struct rte_vfio_user_runner *runner, struct rte_vfio_user_server *srv)
{
	struct runner_entry *entry;

	pthread_mutex_lock(&runner->lock);
	entry = runner->current = find_entry(runner, srv);
	pthread_mutex_unlock(&runner->lock);
	if (entry == NULL)
		return;
	rte_vfio_user_server_poll(srv);
	pthread_mutex_lock(&runner->lock);
	runner->current = NULL;
	if (entry->removed)
		unlink_entry(runner, entry);
	pthread_cond_broadcast(&runner->cond);
	pthread_mutex_unlock(&runner->lock);
}

static void *
run(void *arg)
{
	struct rte_vfio_user_runner *runner = arg;
	struct epoll_event ev[MAX_EVENTS];
	int i, nb;

	while (!__atomic_load_n(&runner->stop, __ATOMIC_ACQUIRE)) {
		nb = epoll_wait(runner->epfd, ev, MAX_EVENTS, -1);
		for (i = 0; i < nb; i++)
			if (ev[i].data.ptr != NULL)
				poll_server(runner, ev[i].data.ptr);
	}
	return NULL;
}

static int
start_thread(struct rte_vfio_user_runner *runner, const char *name)
{
	sigset_t all, old;
	char buf[16];
	int ret;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	ret = pthread_create(&runner->thread, NULL, run, runner);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (ret != 0)
		return -ret;
	strncpy(buf, name, sizeof(buf) - 1);
	buf[sizeof(buf) - 1] = '\0';
	pthread_setname_np(runner->thread, buf);
	return 0;
}

static int
open_events(struct rte_vfio_user_runner *runner)
{
	struct epoll_event ev = { .events = EPOLLIN };

	runner->epfd = epoll_create1(EPOLL_CLOEXEC);
	if (runner->epfd < 0)
		return -errno;
	runner->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (runner->wake_fd < 0 ||
	    epoll_ctl(runner->epfd, EPOLL_CTL_ADD, runner->wake_fd, &ev) < 0)
		return -errno;
	return 0;
}

struct rte_vfio_user_runner *
rte_vfio_user_runner_create(const char *name)
{
	struct rte_vfio_user_runner *runner;
	int ret = -EINVAL;

	if (name == NULL) {
		VFIO_USER_LOG(ERR, "%s: no name", __func__);
		goto fail;
	}
	ret = -ENOMEM;
	runner = calloc(1, sizeof(*runner));
	if (runner == NULL)
		goto fail;
	runner->epfd = runner->wake_fd = -1;
	TAILQ_INIT(&runner->entries);
	pthread_mutex_init(&runner->lock, NULL);
	pthread_cond_init(&runner->cond, NULL);
	ret = open_events(runner);
	if (ret == 0)
		ret = start_thread(runner, name);
	if (ret < 0)
		goto free_runner;
	return runner;

free_runner:
	if (runner->wake_fd >= 0)
		close(runner->wake_fd);
	if (runner->epfd >= 0)
		close(runner->epfd);
	pthread_cond_destroy(&runner->cond);
	pthread_mutex_destroy(&runner->lock);
	free(runner);
fail:
	rte_errno = -ret;
	return NULL;
}

void
rte_vfio_user_runner_destroy(struct rte_vfio_user_runner *runner)
{
	const uint64_t one = 1;
	struct runner_entry *entry;

	if (runner == NULL)
		return;
	__atomic_store_n(&runner->stop, true, __ATOMIC_RELEASE);
	if (write(runner->wake_fd, &one, sizeof(one)) < 0)
		VFIO_USER_LOG(ERR, "%s: %s", __func__, strerror(errno));
	pthread_join(runner->thread, NULL);
	while ((entry = TAILQ_FIRST(&runner->entries)) != NULL)
		unlink_entry(runner, entry);
	close(runner->wake_fd);
	close(runner->epfd);
	pthread_cond_destroy(&runner->cond);
	pthread_mutex_destroy(&runner->lock);
	free(runner);
}

int
rte_vfio_user_runner_add(struct rte_vfio_user_runner *runner,
			 struct rte_vfio_user_server *srv)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = srv };
	struct runner_entry *entry;
	int ret = 0;

	if (runner == NULL || srv == NULL)
		return vfio_user_misuse(__func__);
	entry = calloc(1, sizeof(*entry));
	if (entry == NULL)
		return -ENOMEM;
	entry->srv = srv;
	pthread_mutex_lock(&runner->lock);
	if (find_entry(runner, srv) != NULL)
		ret = -EEXIST;
	else if (epoll_ctl(runner->epfd, EPOLL_CTL_ADD, rte_vfio_user_server_fd(srv),
			   &ev) < 0)
		ret = -errno;
	else
		TAILQ_INSERT_TAIL(&runner->entries, entry, next);
	pthread_mutex_unlock(&runner->lock);
	if (ret < 0)
		free(entry);
	return ret;
}

int
rte_vfio_user_runner_remove(struct rte_vfio_user_runner *runner,
			    struct rte_vfio_user_server *srv)
{
	struct runner_entry *entry;
	int ret = -ENOENT;

	if (runner == NULL || srv == NULL)
		return vfio_user_misuse(__func__);
	pthread_mutex_lock(&runner->lock);
	entry = find_entry(runner, srv);
	if (entry != NULL) {
		ret = 0;
		epoll_ctl(runner->epfd, EPOLL_CTL_DEL, rte_vfio_user_server_fd(srv), NULL);
		if (entry != runner->current) {
			unlink_entry(runner, entry);
		} else {
			/* from here on it is the thread's, which frees it */
			entry->removed = true;
			while (entry == runner->current &&
			       !pthread_equal(pthread_self(), runner->thread))
				pthread_cond_wait(&runner->cond, &runner->lock);
		}
	}
	pthread_mutex_unlock(&runner->lock);
	return ret;
}
