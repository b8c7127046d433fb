/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#ifndef VFIO_USER_THREAD_H
#define VFIO_USER_THREAD_H

/**
 * @file
 * Control threads: named, and without the signals meant for the process
 */

#include <pthread.h>

/**
 * Start a thread. It blocks all signals but those that a fault raises: blocked,
 * they would kill the process instead of running their handler, which may be
 * that of rte_vfio_user_sigbus_enable().
 *
 * @return
 *   0 or a negative errno of pthread_create(3)
 */
int vfio_user_thread_start(pthread_t *thread, const char *name,
			   void *(*run)(void *arg), void *arg);

#endif /* VFIO_USER_THREAD_H */
