/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#ifndef VNIC_OFFLOAD_H
#define VNIC_OFFLOAD_H

/**
 * @file
 * Headers of packets: checksums and segmentation, as mbufs and as virtio say it; and
 * VLAN tags, of which virtio says nothing
 */

#include <linux/virtio_net.h>

#include <rte_mbuf.h>

struct vnic_queue;

/** Offload flags that a packet to send may have. */
#define VNIC_OFFLOAD_TX \
	(RTE_MBUF_F_TX_L4_MASK | RTE_MBUF_F_TX_TCP_SEG | RTE_MBUF_F_TX_UDP_SEG)

/** Say in a header what is to be done to a packet. */
void vnic_offload_tx(const struct rte_mbuf *m, struct virtio_net_hdr_mrg_rxbuf *hdr);
/** Prepare a packet: pseudo header checksums. 0 or -errno. */
int vnic_offload_prepare(struct rte_mbuf *m);
/** Say in an mbuf what the header in front of a received packet says, and its tag. */
void vnic_offload_rx(struct vnic_queue *q, struct rte_mbuf *m);

#endif /* VNIC_OFFLOAD_H */
