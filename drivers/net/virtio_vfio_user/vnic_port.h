/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#ifndef VNIC_PORT_H
#define VNIC_PORT_H

/**
 * @file
 * A device is found out about, set up, and stopped. Under the lock of the port.
 */

#include <stdbool.h>

struct vnic_port;

/** Find out what a device is, at probe. */
int vnic_port_discover(struct vnic_port *port);
/**
 * Set the device up from reset to traffic, as the application configured the port.
 *
 * @param fill
 *   Offer buffers to the device: no burst can be under way, nor is one to come
 *   while this runs. Else the bursts do it.
 */
int vnic_port_up(struct vnic_port *port, bool fill);
/** Strip VLAN tags as the application wants it now, of a port that may be up. */
void vnic_port_vlan_strip(struct vnic_port *port);
/** Keep bursts out of the rings, which stay as they are. */
void vnic_port_halt(struct vnic_port *port);
/** Stop the device. */
void vnic_port_down(struct vnic_port *port);
/** Read the link from the device: 1 if it has changed, 0 if not, or -errno. */
int vnic_port_link_read(struct vnic_port *port);
/** Set the link of ethdev; whether it has changed. */
bool vnic_port_link_set(struct vnic_port *port);

#endif /* VNIC_PORT_H */
