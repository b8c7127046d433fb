/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#ifndef VNIC_TELEMETRY_H
#define VNIC_TELEMETRY_H

/**
 * @file
 * What telemetry tells of ports
 */

struct vnic_port;

/** Tell of a port, from now on. */
void vnic_telemetry_add(struct vnic_port *port);

/** No answer refers to the port any more. One that was not added is ignored. */
void vnic_telemetry_remove(struct vnic_port *port);

#endif /* VNIC_TELEMETRY_H */
