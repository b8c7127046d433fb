/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#ifndef VNIC_THREAD_H
#define VNIC_THREAD_H

/**
 * @file
 * The control thread of the process: there while there is a port
 */

struct vnic_port;

/** Have the thread look after a port: 0 or -errno. */
int vnic_thread_add(struct vnic_port *port);
/** Stop that; the thread does not touch the port any more when it returns. */
void vnic_thread_remove(struct vnic_port *port);
/** Have it look at its ports now. Any thread, does not block. */
void vnic_thread_kick(void);

#endif /* VNIC_THREAD_H */
