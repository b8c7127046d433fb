/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <rte_common.h>
#include <rte_errno.h>

#include "rte_vfio_user_poll_group.h"
#include "rte_vfio_user_runner.h"
#include "vfio_user_log.h"
#include "vfio_user_thread.h"

struct rte_vfio_user_runner {
	pthread_t thread;
	struct rte_vfio_user_poll_group *group;
	int stop_fd; /* eventfd: ends the thread's sleep for the last time */
	bool stop; /* atomic */
};

static void *
run(void *arg)
{
	struct rte_vfio_user_runner *runner = arg;
	struct pollfd pfd[] = {
		{ .fd = rte_vfio_user_poll_group_fd(runner->group), .events = POLLIN },
		{ .fd = runner->stop_fd, .events = POLLIN },
	};

	while (!__atomic_load_n(&runner->stop, __ATOMIC_ACQUIRE)) {
		/* it does not sleep while something is left to do */
		poll(pfd, RTE_DIM(pfd), -1);
		rte_vfio_user_poll_group_poll(runner->group);
	}
	return NULL;
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
	runner->group = rte_vfio_user_poll_group_create();
	if (runner->group == NULL) {
		ret = -rte_errno;
		goto free_runner;
	}
	runner->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (runner->stop_fd < 0) {
		ret = -errno;
		goto free_group;
	}
	ret = vfio_user_thread_start(&runner->thread, name, run, runner);
	if (ret < 0)
		goto close_stop;
	return runner;

close_stop:
	close(runner->stop_fd);
free_group:
	rte_vfio_user_poll_group_destroy(runner->group);
free_runner:
	free(runner);
fail:
	rte_errno = -ret;
	return NULL;
}

void
rte_vfio_user_runner_destroy(struct rte_vfio_user_runner *runner)
{
	const uint64_t one = 1;

	if (runner == NULL)
		return;
	__atomic_store_n(&runner->stop, true, __ATOMIC_RELEASE);
	if (write(runner->stop_fd, &one, sizeof(one)) < 0)
		VFIO_USER_LOG(ERR, "%s: %s", __func__, strerror(errno));
	pthread_join(runner->thread, NULL);
	rte_vfio_user_poll_group_destroy(runner->group);
	close(runner->stop_fd);
	free(runner);
}

int
rte_vfio_user_runner_add(struct rte_vfio_user_runner *runner,
			 struct rte_vfio_user_server *srv)
{
	if (runner == NULL)
		return vfio_user_misuse(__func__);
	return rte_vfio_user_poll_group_add(runner->group, srv);
}

int
rte_vfio_user_runner_remove(struct rte_vfio_user_runner *runner,
			    struct rte_vfio_user_server *srv)
{
	if (runner == NULL)
		return vfio_user_misuse(__func__);
	return rte_vfio_user_poll_group_remove(runner->group, srv);
}
