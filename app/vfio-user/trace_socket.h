/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#ifndef TRACE_SOCKET_H
#define TRACE_SOCKET_H

/**
 * @file
 * UNIX sockets by their paths
 */

#include <sys/types.h>

/** A socket that listens, and its file. */
struct trace_listener {
	const char *path;
	int fd; /**< -1: closed */
	dev_t dev;
	ino_t ino;
};

/**
 * Listen; a socket file that nobody listens at is replaced. Others may not
 * connect. Ends the program on errors.
 *
 * @param listener
 *   The socket, to be stored there.
 * @param path
 *   The file to make; kept by the caller.
 */
void trace_listen(struct trace_listener *listener, const char *path);

/** Close, and remove the file unless another one has taken its place. */
void trace_unlisten(struct trace_listener *listener);

/** Connect without waiting: a non-blocking socket, or -errno. */
int trace_connect(const char *path);

#endif /* TRACE_SOCKET_H */
