/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#ifndef RTE_VFIO_USER_POLL_GROUP_H
#define RTE_VFIO_USER_POLL_GROUP_H

/**
 * @file
 * Poll groups: many vfio-user servers polled by one application thread
 *
 * A group is a set of servers with one file descriptor and one poll function.
 * An application that has several threads for its devices gives each thread a
 * group, and moves servers between the groups to balance the load:
 *
 *     group = rte_vfio_user_poll_group_create();
 *     rte_vfio_user_poll_group_add(group, srv);
 *     while (running) {
 *             poll rte_vfio_user_poll_group_fd(group) for input, or spin
 *             rte_vfio_user_poll_group_poll(group);
 *     }
 *     rte_vfio_user_poll_group_remove(group, srv);
 *     rte_vfio_user_server_destroy(srv);
 *     rte_vfio_user_poll_group_destroy(group);
 *
 * Threads. poll() is called by one thread at a time; all callbacks of the
 * group's servers run inside of it. add(), remove() and move() may be called by
 * any thread at any time, also while the groups are polled and from callbacks.
 * A server is in one group at most. Its callbacks never run in two threads at
 * once, and its file descriptor stays the same wherever it is polled.
 *
 * The groups refer to their servers: a server must be removed before it is
 * destroyed.
 */

#include <rte_compat.h>

#include "rte_vfio_user_server.h"

#ifdef __cplusplus
extern "C" {
#endif

/** A set of servers that are polled together. */
struct rte_vfio_user_poll_group;

/**
 * Create an empty group. Any thread.
 *
 * @return
 *   The group, or NULL with rte_errno ENOMEM, EMFILE or ENFILE.
 */
__rte_experimental
struct rte_vfio_user_poll_group *
rte_vfio_user_poll_group_create(void);

/**
 * Free a group. Its servers are left alone; poll or destroy them. No other
 * function may be called on the group meanwhile.
 *
 * @param group
 *   The group, or NULL.
 * @return
 *   - 0 on success
 *   - -EBUSY: it is being polled (this is called from a callback), or a server
 *     is on its way to it; nothing was done
 */
__rte_experimental
int
rte_vfio_user_poll_group_destroy(struct rte_vfio_user_poll_group *group);

/**
 * Add a server. Any thread, also from callbacks.
 *
 * @param group
 *   The group.
 * @param srv
 *   A started server that is in no group and that nobody polls.
 * @return
 *   - 0 on success
 *   - -EEXIST: it is in this group
 *   - -EINVAL: bad argument
 *   - -ENOMEM; -ENOSPC: the user's limit of epoll watches; -ELOOP: the group is
 *     watched by too many epoll instances inside of each other
 */
__rte_experimental
int
rte_vfio_user_poll_group_add(struct rte_vfio_user_poll_group *group,
			     struct rte_vfio_user_server *srv);

/**
 * Remove a server. On return the thread that polls the group is outside of the
 * server's callbacks and does not touch it again; this waits for it to leave
 * them. Called by that thread itself, in a callback of the server, it takes
 * effect when rte_vfio_user_server_poll() of the server has returned.
 *
 * Any thread. A callback that removes a server which another thread polls
 * waits for that thread: two of them must not wait for each other. The
 * completion of rte_vfio_user_server_dma_submit(), which may run in any thread,
 * must not remove its server.
 *
 * @param group
 *   The group.
 * @param srv
 *   The server.
 * @return
 *   - 0 on success
 *   - -ENOENT: it is not in the group, or another call takes it out. The
 *     group's thread is outside of its callbacks, unless it is the caller.
 *   - -EINVAL: bad argument
 */
__rte_experimental
int
rte_vfio_user_poll_group_remove(struct rte_vfio_user_poll_group *group,
				struct rte_vfio_user_server *srv);

/**
 * Move a server to another group; as rte_vfio_user_poll_group_remove() and
 * then rte_vfio_user_poll_group_add(), but from a callback of the server, too,
 * and without effect if it fails.
 *
 * @param from
 *   The group of the server.
 * @param to
 *   The group that shall have it; it must stay until it does.
 * @param srv
 *   The server.
 * @return
 *   - 0 on success; called from a callback of the server: it will be moved
 *   - -ENOENT: it is not in from, or another call takes it out
 *   - -EEXIST: it is in to
 *   - -EINVAL: bad argument
 *   - -ENOMEM; -ENOSPC: the user's limit of epoll watches; -ELOOP: the group is
 *     watched by too many epoll instances inside of each other
 */
__rte_experimental
int
rte_vfio_user_poll_group_move(struct rte_vfio_user_poll_group *from,
			      struct rte_vfio_user_poll_group *to,
			      struct rte_vfio_user_server *srv);

/**
 * The file descriptor that becomes readable (poll, epoll) when
 * rte_vfio_user_poll_group_poll() has something to do. It stays the same for
 * the life of the group and must not be read or closed. Watch it by
 * level-triggered events, without EPOLLET. Any thread.
 *
 * @param group
 *   The group.
 * @return
 *   The file descriptor, or -EINVAL.
 */
__rte_experimental
int
rte_vfio_user_poll_group_fd(const struct rte_vfio_user_poll_group *group);

/**
 * Poll the servers that have something to do, without blocking. Each is polled
 * once and the others come before it is polled again, so that none starves; a
 * call polls 64 servers at most. Runs their callbacks. One thread at a time.
 *
 * @param group
 *   The group.
 * @return
 *   - the number of messages and events handled, 0 if there was nothing to do
 *   - -EBUSY: another thread is inside of this function, or a callback of a
 *     server of the group called it; nothing was done
 *   - -EINVAL: bad argument
 */
__rte_experimental
int
rte_vfio_user_poll_group_poll(struct rte_vfio_user_poll_group *group);

#ifdef __cplusplus
}
#endif

#endif /* RTE_VFIO_USER_POLL_GROUP_H */
