/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#ifndef VNIC_DESC_H
#define VNIC_DESC_H

/**
 * @file
 * What is in rings, for those who ask: operations of ethdev
 *
 * Any thread may ask while bursts are under way, as applications' prompts do. So
 * nothing is changed, sections are not entered, and the answer is what the ring
 * looked like at about that time.
 */

#include <stdint.h>

#include <virtio_net_dpdk.h>

struct vnic_queue;

/** Buffers that the device has used and no burst has taken. */
uint16_t vnic_desc_used(const struct vnic_queue *q);

virtio_net_queue_count vnic_desc_rx_count(void *rxq);
int vnic_desc_rx_status(void *rxq, uint16_t offset);
int vnic_desc_tx_status(void *txq, uint16_t offset);
/** What to wait at for a packet. */
int vnic_desc_monitor(void *rxq, struct rte_power_monitor_cond *cond);

#endif /* VNIC_DESC_H */
