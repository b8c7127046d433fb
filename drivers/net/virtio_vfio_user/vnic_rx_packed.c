/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#include "vnic_rx.h"

/* The element of a batch is followed by none for the other buffers. */
static __rte_noinline uint16_t
gather_batch(struct vnic_queue *q, struct vnic_used *used, uint16_t nb)
{
	uint32_t at = q->used;

	at += vnic_rx_batch_begin(q, &used[0], q->nb_bufs);
	if (at >= q->size) {
		at -= q->size;
		q->used_flags ^= VNIC_PACKED_F_BOTH;
	}
	__atomic_store_n(&q->used, (uint16_t)at, __ATOMIC_RELAXED);
	return vnic_rx_batch_take(q, used, nb);
}

static inline uint16_t
gather(struct vnic_queue *q, struct vnic_used *used, uint16_t nb)
{
	const struct vring_packed_desc *desc;
	uint16_t i, flags, at = q->used, expected = q->used_flags;

	nb = RTE_MIN(nb, q->nb_bufs);
	for (i = 0; i < nb; i++) {
		desc = &q->ring.desc[at];
		flags = rte_le_to_cpu_16(__atomic_load_n(&desc->flags, __ATOMIC_ACQUIRE));
		if ((flags & VNIC_PACKED_F_BOTH) != expected)
			break;
		used[i].id = rte_le_to_cpu_16(__atomic_load_n(&desc->id, __ATOMIC_RELAXED));
		used[i].len = rte_le_to_cpu_32(__atomic_load_n(&desc->len, __ATOMIC_RELAXED));
		if (vnic_rx_is_batch(q, used[i].id, i)) {
			if (i == 0)
				return gather_batch(q, used, nb);
			break; /* next time */
		}
		if (unlikely(++at == q->size)) {
			at = 0;
			expected ^= VNIC_PACKED_F_BOTH;
		}
	}
	__atomic_store_n(&q->used, at, __ATOMIC_RELAXED);
	q->used_flags = expected;
	return i;
}

static inline void
post(struct vnic_queue *q, struct rte_mbuf **mbufs, uint16_t nb)
{
	struct vring_packed_desc *desc, *head = &q->ring.desc[q->avail];
	uint16_t head_flags = q->avail_flags | VRING_DESC_F_WRITE;
	uint16_t i, id;

	for (i = 0; i < nb; i++) {
		id = vnic_id_get(q);
		q->mbufs[id] = mbufs[i];
		desc = &q->ring.desc[q->avail];
		desc->addr = rte_cpu_to_le_64(vnic_rx_addr(q, mbufs[i]));
		desc->len = rte_cpu_to_le_32(q->buf_len);
		desc->id = rte_cpu_to_le_16(id);
		/* behind the first, which is shown last, the device does not look */
		if (i != 0)
			desc->flags = rte_cpu_to_le_16(q->avail_flags | VRING_DESC_F_WRITE);
		if (unlikely(++q->avail == q->size)) {
			q->avail = 0;
			q->avail_flags ^= VNIC_PACKED_F_BOTH;
		}
	}
	__atomic_store_n(&head->flags, rte_cpu_to_le_16(head_flags), __ATOMIC_RELEASE);
}

void
vnic_rx_packed_fill(struct vnic_queue *q)
{
	uint16_t added = vnic_rx_refill(q, post);

	if (added != 0)
		vnic_packed_kick(q, added);
}

uint16_t
vnic_rx_packed(void *rxq, struct rte_mbuf **pkts, uint16_t nb)
{
	struct vnic_queue *q = rxq;

	if (!vnic_section_enter(q))
		return 0;
	nb = vnic_rx_burst(q, pkts, nb, gather);
	if (q->nb_free >= q->threshold && vnic_queue_is_live(q))
		vnic_rx_packed_fill(q);
	vnic_section_leave(q);
	return nb;
}
