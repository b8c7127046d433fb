/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#include <errno.h>

#include <rte_errno.h>
#include <rte_ether.h>

#include "vnic_tx.h"

static void
drop(struct vnic_queue *q, struct rte_mbuf *m)
{
	VNIC_ADD(q->count.causes[VNIC_TX_TOO_MANY_SEGS], 1);
	VNIC_ADD(q->count.errors, 1);
	rte_pktmbuf_free(m);
}

uint16_t
vnic_tx_segs(struct vnic_queue *q, struct rte_mbuf *m, struct vnic_tx_area *area,
	     struct vnic_tx_seg *segs)
{
	const struct rte_mbuf *at;
	uint16_t nb = 1;

	if (m->nb_segs > VNIC_TX_MAX_SEGS || m->nb_segs >= q->size) {
		drop(q, m);
		return 0;
	}
	if (q->offload)
		vnic_offload_tx(m, &area->hdr);
	else
		memset(&area->hdr, 0, VNIC_HDR_LEN);
	segs[0].addr = vnic_addr(&area->hdr);
	segs[0].len = VNIC_HDR_LEN;
	for (at = m; at != NULL; at = at->next) {
		if (at->data_len == 0)
			continue; /* a descriptor is not empty */
		segs[nb].addr = vnic_addr(rte_pktmbuf_mtod(at, void *));
		segs[nb++].len = at->data_len;
	}
	return nb;
}

static int
prepare(const struct vnic_queue *q, struct rte_mbuf *m)
{
	int ret = 0;

	if (m->nb_segs > VNIC_TX_MAX_SEGS || m->nb_segs >= q->size)
		return -EINVAL;
	/* first: it moves the other headers */
	if ((m->ol_flags & RTE_MBUF_F_TX_VLAN) != 0)
		ret = rte_vlan_insert(&m);
	return ret == 0 && q->offload ? vnic_offload_prepare(m) : ret;
}

uint16_t
vnic_tx_prepare(void *txq, struct rte_mbuf **pkts, uint16_t nb)
{
	const struct vnic_queue *q = txq;
	uint16_t i;
	int ret;

	for (i = 0; i < nb; i++) {
		ret = prepare(q, pkts[i]);
		if (ret < 0) {
			rte_errno = -ret;
			break;
		}
	}
	return i;
}

int
vnic_tx_done_cleanup(void *txq, uint32_t nb)
{
	struct vnic_queue *q = txq;
	uint16_t before;

	RTE_SET_USED(nb); /* 0, or a wish: what is done is given back */
	if (!vnic_section_enter(q))
		return 0;
	before = q->nb_bufs;
	if (q->packed)
		vnic_tx_packed_reclaim(q);
	else
		vnic_tx_split_reclaim(q);
	vnic_section_leave(q);
	return before - q->nb_bufs;
}
