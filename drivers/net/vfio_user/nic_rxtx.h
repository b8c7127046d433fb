/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#ifndef NIC_RXTX_H
#define NIC_RXTX_H

/**
 * @file
 * The data path
 */

#include "nic.h"

/** rx_pkt_burst: what the guest transmits. */
uint16_t nic_rx_burst(void *queue, struct rte_mbuf **pkts, uint16_t nb);

/** Free the mbufs that are kept for the next packets. No data path. */
void nic_rx_stash_free(struct nic_rx_queue *q);

/** tx_pkt_burst: what the guest receives. */
uint16_t nic_tx_burst(void *queue, struct rte_mbuf **pkts, uint16_t nb);

/**
 * Give the guest one packet of any kind: several segments, offloads, more than one
 * buffer. Returns 1: it was sent or dropped, the mbuf is the caller's to free; 0:
 * the guest has no room for it, or its ring is broken.
 */
int nic_tx_slow(struct nic_tx_queue *q, struct rte_virtio_ring *ring, struct rte_mbuf *m,
		uint32_t *pushed);

#endif /* NIC_RXTX_H */
