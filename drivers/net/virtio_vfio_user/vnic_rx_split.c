/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#include "vnic_rx.h"

/* What is behind the element of a batch was not written for the other buffers. */
static __rte_noinline uint16_t
gather_batch(struct vnic_queue *q, struct vnic_used *used, uint16_t nb, uint16_t ready)
{
	const uint16_t batch = vnic_rx_batch_begin(q, &used[0], ready);

	__atomic_store_n(&q->used, q->used + batch, __ATOMIC_RELAXED);
	return vnic_rx_batch_take(q, used, nb);
}

static inline uint16_t
gather(struct vnic_queue *q, struct vnic_used *used, uint16_t nb)
{
	const struct vring_used_elem *elem;
	uint16_t i, idx, ready;

	idx = rte_le_to_cpu_16(__atomic_load_n(&q->split.used->idx, __ATOMIC_ACQUIRE));
	ready = idx - q->used;
	if (unlikely(ready > q->nb_bufs)) {
		vnic_queue_break(q, "used index", idx);
		return 0;
	}
	nb = RTE_MIN(nb, ready);
	for (i = 0; i < nb; i++) {
		elem = &q->split.used->ring[(q->used + i) & q->mask];
		used[i].id = rte_le_to_cpu_32(__atomic_load_n(&elem->id, __ATOMIC_RELAXED));
		used[i].len = rte_le_to_cpu_32(__atomic_load_n(&elem->len, __ATOMIC_RELAXED));
		if (vnic_rx_is_batch(q, used[i].id, i)) {
			if (i == 0)
				return gather_batch(q, used, nb, ready);
			break; /* next time */
		}
	}
	__atomic_store_n(&q->used, q->used + i, __ATOMIC_RELAXED);
	return i;
}

static inline void
post(struct vnic_queue *q, struct rte_mbuf **mbufs, uint16_t nb)
{
	struct vring_avail *avail = q->split.avail;
	struct vring_desc *desc;
	uint16_t i, id, *entry;

	for (i = 0; i < nb; i++) {
		id = vnic_id_get(q);
		q->mbufs[id] = mbufs[i];
		desc = &q->split.desc[id];
		desc->addr = rte_cpu_to_le_64(vnic_rx_addr(q, mbufs[i]));
		desc->len = rte_cpu_to_le_32(q->buf_len);
		desc->flags = rte_cpu_to_le_16(VRING_DESC_F_WRITE);
		/* a device that works in order makes it the same each time */
		entry = &avail->ring[(q->avail + i) & q->mask];
		if (unlikely(*entry != rte_cpu_to_le_16(id)))
			*entry = rte_cpu_to_le_16(id);
	}
	q->avail += nb;
	__atomic_store_n(&avail->idx, rte_cpu_to_le_16(q->avail), __ATOMIC_RELEASE);
}

void
vnic_rx_split_fill(struct vnic_queue *q)
{
	uint16_t added = vnic_rx_refill(q, post);

	if (added != 0)
		vnic_split_kick(q, q->avail - added);
}

uint16_t
vnic_rx_split(void *rxq, struct rte_mbuf **pkts, uint16_t nb)
{
	struct vnic_queue *q = rxq;

	if (!vnic_section_enter(q))
		return 0;
	nb = vnic_rx_burst(q, pkts, nb, gather);
	if (q->nb_free >= q->threshold && vnic_queue_is_live(q))
		vnic_rx_split_fill(q);
	vnic_section_leave(q);
	return nb;
}
