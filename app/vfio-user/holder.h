/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#ifndef HOLDER_H
#define HOLDER_H

/**
 * @file
 * Which process is connected to a socket
 */

#include <stddef.h>

/**
 * Find the processes that are connected to a listening UNIX socket, other than
 * this one.
 *
 * @param path
 *   The socket.
 * @param text
 *   Set to "process 123 (qemu-system-x86)", several of them, or a reason why
 *   none can be named.
 * @param size
 *   Bytes of text.
 */
void holder_find(const char *path, char *text, size_t size);

#endif /* HOLDER_H */
