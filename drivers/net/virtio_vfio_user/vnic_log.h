/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#ifndef VNIC_LOG_H
#define VNIC_LOG_H

/**
 * @file
 * Messages of the driver
 */

#include <rte_log.h>

extern int vnic_logtype;

#define VNIC_LOG(level, fmt, ...) \
	rte_log(RTE_LOG_ ## level, vnic_logtype, \
		"net_virtio_vfio_user: " fmt "\n", ## __VA_ARGS__)

#endif /* VNIC_LOG_H */
