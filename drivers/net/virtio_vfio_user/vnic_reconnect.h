/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#ifndef VNIC_RECONNECT_H
#define VNIC_RECONNECT_H

/**
 * @file
 * A device that goes and comes again, or that wants to be reset
 *
 * The client finds the device again, checks that it has the same shape, and gives
 * it memory and eventfds. Then the control thread sets it up as it was: features,
 * queues, filters. The data path is kept out meanwhile; it frees what was in the
 * rings of the old device when it enters the new ones.
 */

#include <stdbool.h>

#include <rte_vfio_user_client.h>

struct vnic_port;

/** State callback of the client. */
void vnic_reconnect_state(struct rte_vfio_user_client *client,
			  enum rte_vfio_user_client_state state, int reason, void *priv);
/** Control thread: the device has signalled a configuration change. */
void vnic_reconnect_config(struct vnic_port *port);
/** Control thread: do what is to be done. Whether something waits for its time. */
bool vnic_reconnect_look(struct vnic_port *port);

#endif /* VNIC_RECONNECT_H */
