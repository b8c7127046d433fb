/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#ifndef VIRTIO_NET_VLAN_H
#define VIRTIO_NET_VLAN_H

/**
 * @file
 * VLAN tags, which virtio leaves in packets
 */

#include <rte_ether.h>
#include <rte_mbuf.h>

/** Move the tag of a received packet into its mbuf, if it has one. */
static inline void
virtio_net_vlan_strip(struct rte_mbuf *m)
{
	/* rte_vlan_strip() does not look at the length */
	if (m->data_len < RTE_ETHER_HDR_LEN + RTE_VLAN_HLEN || rte_vlan_strip(m) < 0 ||
	    m->packet_type == 0)
		return;
	/* these were of the tagged one; who has filled in the one, has filled in the other */
	m->packet_type &= ~RTE_PTYPE_L2_MASK;
	m->l2_len -= RTE_VLAN_HLEN;
}

#endif /* VIRTIO_NET_VLAN_H */
