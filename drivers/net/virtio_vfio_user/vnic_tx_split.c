/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#include "vnic_tx.h"

/* ------------------------------------------------------------- take back */

/* The ids of a chain; in order they are in the FIFO already. */
static inline void
put_ids(struct vnic_queue *q, uint16_t id, uint16_t left)
{
	if (q->in_order) {
		q->ids_put += left;
		return;
	}
	for (; left > 1; left--) {
		vnic_id_put(q, id);
		id = q->next[id];
	}
	vnic_id_put(q, id);
}

/*
 * In order the index says all: a device need write only the last element of
 * several that it has used.
 */
static inline uint32_t
used_id(const struct vnic_queue *q, uint16_t at)
{
	const struct vring_used_elem *elem = &q->split.used->ring[at & q->mask];

	if (q->in_order)
		return vnic_id_oldest(q);
	return rte_le_to_cpu_32(__atomic_load_n(&elem->id, __ATOMIC_RELAXED));
}

void
vnic_tx_split_reclaim(struct vnic_queue *q)
{
	struct vnic_tx_free list;
	uint16_t idx, slots;
	uint32_t id;

	idx = rte_le_to_cpu_16(__atomic_load_n(&q->split.used->idx, __ATOMIC_ACQUIRE));
	if (unlikely((uint16_t)(idx - q->used) > q->nb_bufs)) {
		vnic_queue_break(q, "used index", idx);
		return;
	}
	if (likely(vnic_tx_is_uniform(q))) {
		vnic_tx_take_oldest(q, idx - q->used);
		q->used = idx;
		return;
	}
	vnic_tx_free_init(&list, q);
	while (q->used != idx) {
		id = used_id(q, q->used);
		slots = vnic_tx_take(q, id, &list);
		if (unlikely(slots == 0))
			break;
		put_ids(q, (uint16_t)id, slots);
		q->used++;
	}
	vnic_tx_free_flush(&list);
}

/* ------------------------------------------------------------------ send */

static inline void
set_desc(struct vring_desc *desc, uint64_t addr, uint32_t len, uint16_t flags, uint16_t next)
{
	desc->addr = rte_cpu_to_le_64(addr);
	desc->len = rte_cpu_to_le_32(len);
	desc->flags = rte_cpu_to_le_16(flags);
	desc->next = rte_cpu_to_le_16(next);
}

/* Make the descriptors available from id on, which do not reach beyond the last one. */
static inline void
entries_set(struct vnic_queue *q, uint16_t id, uint16_t nb)
{
	uint16_t *entry;
	uint16_t i;

	for (i = 0; i < nb; i++) {
		entry = &q->split.avail->ring[(q->avail + i) & q->mask];
		if (unlikely(*entry != rte_cpu_to_le_16(id + i)))
			*entry = rte_cpu_to_le_16(id + i);
	}
	q->avail += nb;
}

/* Make the buffer available that begins with descriptor id; shown with the index. */
static inline void
put(struct vnic_queue *q, struct vnic_tx_burst *burst, uint16_t id, struct rte_mbuf *m,
    uint16_t slots)
{
	uint16_t *entry = &q->split.avail->ring[q->avail & q->mask];

	if (unlikely(*entry != rte_cpu_to_le_16(id)))
		*entry = rte_cpu_to_le_16(id);
	q->avail++;
	vnic_tx_put(q, burst, id, m, slots);
}

/* A vnic_tx_ops.run. */
static inline uint16_t
run(struct vnic_queue *q, struct vnic_tx_burst *burst, struct rte_mbuf **pkts, uint16_t nb,
    uint64_t *bytes)
{
	const uint16_t id = q->ids_get & q->mask;
	struct vring_desc *desc = &q->split.desc[id];
	struct rte_mbuf **mbufs = &q->mbufs[id];
	uint64_t sum = 0;
	uint16_t i;

	RTE_SET_USED(burst);
	for (i = 0; i < nb && vnic_tx_is_plain(pkts[i]); i++) {
		mbufs[i] = pkts[i];
		set_desc(&desc[i], vnic_addr(vnic_tx_push(q, pkts[i])),
			 pkts[i]->data_len + VNIC_HDR_LEN, 0, 0);
		sum += pkts[i]->data_len;
	}
	entries_set(q, id, i);
	*bytes += sum;
	return i;
}

static inline void
put_plain(struct vnic_queue *q, struct vnic_tx_burst *burst, struct rte_mbuf *m, uint64_t addr)
{
	uint16_t id = vnic_id_get(q);

	set_desc(&q->split.desc[id], addr, m->data_len + VNIC_HDR_LEN, 0, 0);
	put(q, burst, id, m, 1);
}

static inline void
put_indirect(struct vnic_queue *q, struct vnic_tx_burst *burst, struct rte_mbuf *m,
	     const struct vnic_tx_seg *segs, uint16_t nb)
{
	uint16_t i, id = vnic_id_get(q);
	struct vring_desc *table = q->areas[id].split;

	for (i = 0; i < nb; i++)
		set_desc(&table[i], segs[i].addr, segs[i].len,
			 i + 1 < nb ? VRING_DESC_F_NEXT : 0, i + 1 < nb ? i + 1 : 0);
	set_desc(&q->split.desc[id], vnic_addr(table), nb * sizeof(*table),
		 VRING_DESC_F_INDIRECT, 0);
	put(q, burst, id, m, 1 | VNIC_TX_ODD);
}

static inline void
put_chain(struct vnic_queue *q, struct vnic_tx_burst *burst, struct rte_mbuf *m,
	  const struct vnic_tx_seg *segs, uint16_t nb)
{
	uint16_t i, id = vnic_id_get(q), head = id;

	for (i = 0; i + 1 < nb; i++) {
		q->next[id] = vnic_id_get(q);
		set_desc(&q->split.desc[id], segs[i].addr, segs[i].len, VRING_DESC_F_NEXT,
			 q->next[id]);
		id = q->next[id];
	}
	set_desc(&q->split.desc[id], segs[i].addr, segs[i].len, 0, 0);
	put(q, burst, head, m, nb | VNIC_TX_ODD);
}

static const struct vnic_tx_ops ops = {
	.reclaim = vnic_tx_split_reclaim,
	.run = run,
	.plain = put_plain,
	.indirect = put_indirect,
	.chain = put_chain,
};

uint16_t
vnic_tx_split(void *txq, struct rte_mbuf **pkts, uint16_t nb)
{
	struct vnic_tx_burst burst = { 0 };
	struct vnic_queue *q = txq;

	if (!vnic_section_enter(q))
		return 0;
	nb = vnic_tx_burst(q, &burst, pkts, nb, &ops);
	if (burst.packets != 0) {
		__atomic_store_n(&q->split.avail->idx, rte_cpu_to_le_16(q->avail),
				 __ATOMIC_RELEASE);
		vnic_split_kick(q, q->avail - burst.packets);
	}
	vnic_section_leave(q);
	return nb;
}
