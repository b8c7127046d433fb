/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#ifndef RTE_VFIO_USER_RUNNER_H
#define RTE_VFIO_USER_RUNNER_H

/**
 * @file
 * One control thread that polls many vfio-user servers
 *
 * A convenience for applications which do not want to poll their servers
 * themselves: a thread around a poll group (rte_vfio_user_poll_group.h), which
 * sleeps while no server has something to do. All callbacks of the servers run
 * in it. Servers can be added and removed while it runs:
 *
 *     runner = rte_vfio_user_runner_create("mydev");
 *     rte_vfio_user_runner_add(runner, srv);
 *     ...
 *     rte_vfio_user_runner_remove(runner, srv);
 *     rte_vfio_user_server_destroy(srv);
 *     rte_vfio_user_runner_destroy(runner);
 *
 * The runner refers to its servers: one is removed, or the runner destroyed,
 * before the server is destroyed.
 */

#include <rte_compat.h>

#include "rte_vfio_user_server.h"

#ifdef __cplusplus
extern "C" {
#endif

/** A control thread. */
struct rte_vfio_user_runner;

/**
 * Start a control thread. It blocks all signals but those that a fault raises.
 *
 * @param name
 *   Name of the thread, up to 15 characters are used.
 * @return
 *   The runner, or NULL with rte_errno:
 *   - EINVAL: no name
 *   - ENOMEM, EMFILE, ENFILE
 *   - EAGAIN: the limit of threads
 */
__rte_experimental
struct rte_vfio_user_runner *
rte_vfio_user_runner_create(const char *name);

/**
 * Stop the thread and free the runner. The servers are left alone; poll or
 * destroy them. Must not be called from a callback of a server.
 *
 * @param runner
 *   The runner, or NULL.
 */
__rte_experimental
void
rte_vfio_user_runner_destroy(struct rte_vfio_user_runner *runner);

/**
 * Have the thread poll a server; see rte_vfio_user_poll_group_add(). Any
 * thread.
 *
 * @param runner
 *   The runner.
 * @param srv
 *   A started server that nobody else polls.
 * @return
 *   - 0 on success
 *   - -EEXIST: the runner has it
 *   - -EINVAL: bad argument
 *   - -ENOMEM; -ENOSPC: the user's limit of epoll watches
 */
__rte_experimental
int
rte_vfio_user_runner_add(struct rte_vfio_user_runner *runner,
			 struct rte_vfio_user_server *srv);

/**
 * Stop polling a server; see rte_vfio_user_poll_group_remove(). When it
 * returns, the thread is outside of the server's callbacks and does not touch
 * it again. Any thread; called from a callback of the server it takes effect
 * when the callback has returned.
 *
 * @param runner
 *   The runner.
 * @param srv
 *   A server of the runner.
 * @return
 *   - 0 on success
 *   - -ENOENT: it is not in the runner, or another call takes it out. The thread
 *     is outside of its callbacks, unless it is the caller.
 *   - -EINVAL: bad argument
 */
__rte_experimental
int
rte_vfio_user_runner_remove(struct rte_vfio_user_runner *runner,
			    struct rte_vfio_user_server *srv);

#ifdef __cplusplus
}
#endif

#endif /* RTE_VFIO_USER_RUNNER_H */
