/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#ifndef VNIC_ANNOUNCE_H
#define VNIC_ANNOUNCE_H

/**
 * @file
 * Announcing the port to its network, as the device asks for it
 *
 * The frame is sent by the thread that sends on queue 0, with its next burst,
 * which may be empty: no other one may use the queue.
 */

#include <rte_mbuf.h>

struct vnic_port;
struct vnic_queue;

/** Have the next burst announce the port, and tell the device. Under its lock. */
void vnic_announce(struct vnic_port *port);
/** The frame to announce the port by; NULL: no mbuf, or nothing to do. Data path. */
struct rte_mbuf *vnic_announce_frame(struct vnic_queue *q);

#endif /* VNIC_ANNOUNCE_H */
