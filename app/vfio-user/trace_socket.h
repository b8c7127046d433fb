/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#ifndef TRACE_SOCKET_H
#define TRACE_SOCKET_H

/**
 * @file
 * UNIX sockets by their paths
 */

/**
 * Listen; a socket file that nobody listens at is replaced. Others may not
 * connect. Ends the program on errors.
 */
int trace_listen(const char *path);

/** Connect without waiting: a non-blocking socket, or -errno. */
int trace_connect(const char *path);

#endif /* TRACE_SOCKET_H */
