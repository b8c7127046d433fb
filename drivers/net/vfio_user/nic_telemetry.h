/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#ifndef NIC_TELEMETRY_H
#define NIC_TELEMETRY_H

/**
 * @file
 * What telemetry tells of ports: of those that were added
 */

#include <virtio_net_telemetry.h>

extern struct virtio_net_tel nic_tel;

#endif /* NIC_TELEMETRY_H */
