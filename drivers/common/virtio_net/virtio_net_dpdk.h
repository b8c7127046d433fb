/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#ifndef VIRTIO_NET_DPDK_H
#define VIRTIO_NET_DPDK_H

/**
 * @file
 * What differs between the supported versions of DPDK, and nowhere else in the drivers
 */

#include <pthread.h>
#include <stdint.h>

#include <ethdev_driver.h>
#include <rte_lcore.h>
#include <rte_telemetry.h>
#include <rte_thread.h>
#include <rte_version.h>

/* DPDK 23.03 renamed what is of 64 bits, DPDK 24.11 has dropped the old names. */
#if RTE_VERSION >= RTE_VERSION_NUM(23, 3, 0, 0)
#define virtio_net_tel_dict_uint rte_tel_data_add_dict_uint
#else
#define virtio_net_tel_dict_uint rte_tel_data_add_dict_u64
#endif

/* DPDK 25.11 gives stats_get the counters of queues apart, as an argument more. */
#if RTE_VERSION >= RTE_VERSION_NUM(25, 11, 0, 0)
typedef struct eth_queue_stats virtio_net_queue_stats;
#define VIRTIO_NET_QUEUE_STATS , struct eth_queue_stats *queue_stats
#define VIRTIO_NET_QUEUE_STATS_OF(stats) queue_stats
#else
typedef struct rte_eth_stats virtio_net_queue_stats;
#define VIRTIO_NET_QUEUE_STATS
#define VIRTIO_NET_QUEUE_STATS_OF(stats) (stats)
#endif

/* What rx_queue_count returns. */
#if RTE_VERSION >= RTE_VERSION_NUM(25, 11, 0, 0)
typedef int virtio_net_queue_count;
#else
typedef uint32_t virtio_net_queue_count;
#endif

/*
 * A control thread of EAL: 0 or a negative errno. DPDK 23.11 has a new function for
 * that, DPDK 24.11 has dropped the old one.
 */
#if RTE_VERSION >= RTE_VERSION_NUM(23, 11, 0, 0)
typedef rte_thread_t virtio_net_thread;
typedef uint32_t virtio_net_thread_ret;

static inline int
virtio_net_thread_start(virtio_net_thread *thread, const char *name,
			virtio_net_thread_ret (*run)(void *arg), void *arg)
{
	return -rte_thread_create_control(thread, name, run, arg);
}

static inline int
virtio_net_thread_join(virtio_net_thread thread)
{
	return -rte_thread_join(thread, NULL);
}
#else
typedef pthread_t virtio_net_thread;
typedef void *virtio_net_thread_ret;

static inline int
virtio_net_thread_start(virtio_net_thread *thread, const char *name,
			virtio_net_thread_ret (*run)(void *arg), void *arg)
{
	return rte_ctrl_thread_create(thread, name, NULL, run, arg);
}

static inline int
virtio_net_thread_join(virtio_net_thread thread)
{
	return -pthread_join(thread, NULL);
}
#endif

#endif /* VIRTIO_NET_DPDK_H */
