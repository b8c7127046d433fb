/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#ifndef PMD_PEER_H
#define PMD_PEER_H

/**
 * @file
 * This program again, as a process of its own that runs one end and can be killed
 */

#include <sys/types.h>

/**
 * Start a process that runs a peer test, with an argument for it. It ends with
 * this process at the latest.
 *
 * @return
 *   Its id, or a negative errno.
 */
pid_t pmd_peer_start(const char *test, const char *arg);
/** The argument that this process was started with. */
const char *pmd_peer_arg(void);
/** Kill a process, and wait for its end. */
void pmd_peer_kill(pid_t pid);

#endif /* PMD_PEER_H */
