/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#ifndef VNIC_COMPAT_H
#define VNIC_COMPAT_H

/**
 * @file
 * What differs between the supported versions of DPDK and of Linux' headers, and
 * nowhere else.
 */

#include <linux/virtio_config.h>

#include <rte_lcore.h>
#include <rte_version.h>

#ifndef VIRTIO_F_NOTIFICATION_DATA
#define VIRTIO_F_NOTIFICATION_DATA 38
#endif

/* DPDK 24.03 has dropped the old function. */
#if RTE_VERSION >= RTE_VERSION_NUM(23, 11, 0, 0)
#include <rte_thread.h>
typedef rte_thread_t vnic_thread_t;
typedef uint32_t vnic_thread_ret_t;
#define vnic_thread_start(thread, name, run, arg) \
	(-rte_thread_create_control(thread, name, run, arg))
#define vnic_thread_join(thread) rte_thread_join(thread, NULL)
#else
typedef pthread_t vnic_thread_t;
typedef void *vnic_thread_ret_t;
#define vnic_thread_start(thread, name, run, arg) \
	rte_ctrl_thread_create(thread, name, NULL, run, arg)
#define vnic_thread_join(thread) pthread_join(thread, NULL)
#endif

#endif /* VNIC_COMPAT_H */
