/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#ifndef NIC_INTR_H
#define NIC_INTR_H

/**
 * @file
 * Interrupts of the application's receive queues, in interrupt mode
 */

#include "nic.h"

/**
 * Give ethdev the eventfds of the receive queues, if the application asked for
 * interrupts: 0, or -ENOTSUP: in poll mode the guest wakes nobody; -ENOMEM.
 */
int nic_intr_start(struct nic *nic);

/** Take them back. */
void nic_intr_stop(struct nic *nic);

/** Free what start has allocated. */
void nic_intr_fini(struct nic *nic);

int nic_rx_intr_enable(struct rte_eth_dev *eth, uint16_t queue);
int nic_rx_intr_disable(struct rte_eth_dev *eth, uint16_t queue);

#endif /* NIC_INTR_H */
