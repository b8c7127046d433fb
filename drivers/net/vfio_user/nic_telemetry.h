/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#ifndef NIC_TELEMETRY_H
#define NIC_TELEMETRY_H

/**
 * @file
 * What telemetry tells of ports
 */

#include "nic.h"

/** Tell of a port, from now on. */
void nic_telemetry_add(struct nic *nic);

/** No answer refers to the port any more. */
void nic_telemetry_remove(struct nic *nic);

#endif /* NIC_TELEMETRY_H */
