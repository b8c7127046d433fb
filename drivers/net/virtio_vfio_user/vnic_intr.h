/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#ifndef VNIC_INTR_H
#define VNIC_INTR_H

/**
 * @file
 * Interrupts of the device, as eventfds, and events of the port
 *
 * Vector 0 is that of configuration changes, which the control thread watches.
 * Rx queue i has vector 1 + i if the application sleeps on its queues. The
 * device shares the eventfds: nothing here waits for one, or counts on its value.
 */

#include <stdint.h>

struct rte_eth_dev;
struct vnic_port;

/** Events of a port, as bits. */
#define VNIC_EVENT_LINK (1u << 0)
#define VNIC_EVENT_REMOVED (1u << 1)

int vnic_intr_init(struct vnic_port *port);
/** No event is reported any more when it returns. */
void vnic_intr_fini(struct vnic_port *port);
/** Decide about vectors, at start. */
int vnic_intr_setup(struct vnic_port *port);
/** Give the device the eventfds. */
int vnic_intr_assign(struct vnic_port *port);
/** Empty the eventfd of configuration changes. */
void vnic_intr_drain(struct vnic_port *port);
/** Wake the application's queues: interrupts may have been missed. */
void vnic_intr_wake(struct vnic_port *port);
/** Report events to the application, in the EAL's interrupt thread. */
void vnic_intr_report(struct vnic_port *port, uint32_t events);

/* Operations of the port. */
int vnic_intr_enable(struct rte_eth_dev *eth, uint16_t queue);
int vnic_intr_disable(struct rte_eth_dev *eth, uint16_t queue);

#endif /* VNIC_INTR_H */
