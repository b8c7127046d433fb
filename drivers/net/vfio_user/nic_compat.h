/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#ifndef NIC_COMPAT_H
#define NIC_COMPAT_H

/**
 * @file
 * What differs between the supported versions of DPDK, and nowhere else in this driver
 */

#include <pthread.h>
#include <stdint.h>

#include <rte_lcore.h>
#include <rte_telemetry.h>
#include <rte_thread.h>
#include <rte_version.h>

/* DPDK 23.03 renamed what is of 64 bits, DPDK 24.11 has dropped the old names. */
#if RTE_VERSION >= RTE_VERSION_NUM(23, 3, 0, 0)
#define nic_tel_add_dict_uint rte_tel_data_add_dict_uint
#else
#define nic_tel_add_dict_uint rte_tel_data_add_dict_u64
#endif

/* DPDK 25.11 gives stats_get the counters of queues apart, as an argument more. */
#if RTE_VERSION >= RTE_VERSION_NUM(25, 11, 0, 0)
typedef struct eth_queue_stats nic_queue_stats;
#define NIC_QUEUE_STATS , struct eth_queue_stats *queue_stats
#define NIC_QUEUE_STATS_OF(stats) queue_stats
#else
typedef struct rte_eth_stats nic_queue_stats;
#define NIC_QUEUE_STATS
#define NIC_QUEUE_STATS_OF(stats) (stats)
#endif

/*
 * Run a function in a control thread of EAL and wait for its end: 0 or -errno. DPDK
 * 23.11 has a new function for that, DPDK 24.11 has dropped the old one.
 */
#if RTE_VERSION >= RTE_VERSION_NUM(23, 11, 0, 0)
typedef uint32_t nic_thread_ret;

static inline int
nic_thread_run(const char *name, nic_thread_ret (*run)(void *arg), void *arg)
{
	rte_thread_t thread;
	int ret = rte_thread_create_control(&thread, name, run, arg);

	if (ret == 0)
		ret = rte_thread_join(thread, NULL);
	return ret > 0 ? -ret : ret;
}
#else
typedef void *nic_thread_ret;

static inline int
nic_thread_run(const char *name, nic_thread_ret (*run)(void *arg), void *arg)
{
	pthread_t thread;
	int ret = rte_ctrl_thread_create(&thread, name, NULL, run, arg);

	if (ret == 0)
		ret = pthread_join(thread, NULL);
	return ret > 0 ? -ret : ret;
}
#endif

#endif /* NIC_COMPAT_H */
