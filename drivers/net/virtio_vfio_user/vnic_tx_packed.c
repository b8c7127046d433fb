/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#include <errno.h>

#include "vnic_tx.h"

/* ------------------------------------------------------------- take back */

static inline void
used_skip(struct vnic_queue *q, uint16_t slots)
{
	q->used += slots;
	if (unlikely(q->used >= q->size)) {
		q->used -= q->size;
		q->used_flags ^= VNIC_PACKED_F_BOTH;
	}
}

/* Take back the buffer of an id: 0, or -EPROTO if the ring is broken. */
static inline int
take(struct vnic_queue *q, uint32_t id, struct vnic_tx_free *list)
{
	const uint16_t slots = vnic_tx_take(q, id, list);

	if (unlikely(slots == 0))
		return -EPROTO;
	used_skip(q, slots);
	vnic_id_put(q, (uint16_t)id);
	return 0;
}

/* In order, one descriptor may stand for all buffers up to its own. */
static inline int
take_upto(struct vnic_queue *q, uint32_t id, struct vnic_tx_free *list)
{
	uint32_t oldest;
	uint16_t nb;
	int ret;

	if (unlikely(id >= q->size || q->mbufs[id] == NULL)) {
		vnic_queue_break(q, "no buffer", id);
		return -EPROTO;
	}
	if (likely(vnic_tx_is_uniform(q))) {
		nb = ((id - q->ids_put) & q->mask) + 1;
		vnic_tx_take_oldest(q, nb);
		used_skip(q, nb);
		return 0;
	}
	do {
		oldest = vnic_id_oldest(q);
		ret = take(q, oldest, list);
	} while (ret == 0 && oldest != id);
	return ret;
}

void
vnic_tx_packed_reclaim(struct vnic_queue *q)
{
	const struct vring_packed_desc *desc;
	struct vnic_tx_free list;
	uint16_t flags, id;
	int ret = 0;

	vnic_tx_free_init(&list, q);
	while (q->nb_bufs != 0 && ret == 0) {
		desc = &q->ring.desc[q->used];
		flags = rte_le_to_cpu_16(__atomic_load_n(&desc->flags, __ATOMIC_ACQUIRE));
		if ((flags & VNIC_PACKED_F_BOTH) != q->used_flags)
			break;
		id = rte_le_to_cpu_16(__atomic_load_n(&desc->id, __ATOMIC_RELAXED));
		ret = q->in_order ? take_upto(q, id, &list) : take(q, id, &list);
	}
	vnic_tx_free_flush(&list);
}

/* ------------------------------------------------------------------ send */

static inline void
set_desc(struct vnic_queue *q, struct vnic_tx_burst *burst, uint64_t addr, uint32_t len,
	 uint16_t id, uint16_t flags)
{
	struct vring_packed_desc *desc = &q->ring.desc[q->avail];

	desc->addr = rte_cpu_to_le_64(addr);
	desc->len = rte_cpu_to_le_32(len);
	desc->id = rte_cpu_to_le_16(id);
	flags |= q->avail_flags;
	if (unlikely(burst->head == NULL)) {
		burst->head = desc;
		burst->head_flags = flags;
	} else {
		desc->flags = rte_cpu_to_le_16(flags);
	}
	if (unlikely(++q->avail == q->size)) {
		q->avail = 0;
		q->avail_flags ^= VNIC_PACKED_F_BOTH;
	}
}

/* A vnic_tx_ops.run. */
static inline uint16_t
run(struct vnic_queue *q, struct vnic_tx_burst *burst, struct rte_mbuf **pkts, uint16_t nb,
    uint64_t *bytes)
{
	const uint16_t id = q->ids_get & q->mask;
	struct rte_mbuf **mbufs = &q->mbufs[id];
	uint64_t sum = 0;
	uint16_t i;

	for (i = 0; i < nb && vnic_tx_is_plain(pkts[i]); i++) {
		mbufs[i] = pkts[i];
		set_desc(q, burst, vnic_addr(vnic_tx_push(q, pkts[i])),
			 pkts[i]->data_len + VNIC_HDR_LEN, id + i, 0);
		sum += pkts[i]->data_len;
	}
	*bytes += sum;
	return i;
}

static inline void
put_plain(struct vnic_queue *q, struct vnic_tx_burst *burst, struct rte_mbuf *m, uint64_t addr)
{
	uint16_t id = vnic_id_get(q);

	set_desc(q, burst, addr, m->data_len + VNIC_HDR_LEN, id, 0);
	vnic_tx_put(q, burst, id, m, 1);
}

static inline void
put_indirect(struct vnic_queue *q, struct vnic_tx_burst *burst, struct rte_mbuf *m,
	     const struct vnic_tx_seg *segs, uint16_t nb)
{
	uint16_t i, id = vnic_id_get(q);
	struct vring_packed_desc *table = q->areas[id].packed;

	for (i = 0; i < nb; i++) {
		table[i].addr = rte_cpu_to_le_64(segs[i].addr);
		table[i].len = rte_cpu_to_le_32(segs[i].len);
		table[i].id = 0;
		table[i].flags = 0;
	}
	set_desc(q, burst, vnic_addr(table), nb * sizeof(*table), id, VRING_DESC_F_INDIRECT);
	vnic_tx_put(q, burst, id, m, 1 | VNIC_TX_ODD);
}

static inline void
put_chain(struct vnic_queue *q, struct vnic_tx_burst *burst, struct rte_mbuf *m,
	  const struct vnic_tx_seg *segs, uint16_t nb)
{
	uint16_t i, id = vnic_id_get(q);

	for (i = 0; i < nb; i++)
		set_desc(q, burst, segs[i].addr, segs[i].len, id,
			 i + 1 < nb ? VRING_DESC_F_NEXT : 0);
	vnic_tx_put(q, burst, id, m, nb | VNIC_TX_ODD);
}

static const struct vnic_tx_ops ops = {
	.reclaim = vnic_tx_packed_reclaim,
	.run = run,
	.plain = put_plain,
	.indirect = put_indirect,
	.chain = put_chain,
};

/* The lines of the next descriptors, four in each: the device has read them. */
static inline void
descs_prefetch(const struct vnic_queue *q, uint16_t nb)
{
	uint32_t at = q->avail, i;

	for (i = 0; i < nb; i += RTE_CACHE_LINE_SIZE / sizeof(*q->ring.desc)) {
		rte_prefetch0_write(&q->ring.desc[at]);
		at += RTE_CACHE_LINE_SIZE / sizeof(*q->ring.desc);
		if (at >= q->size)
			at -= q->size;
	}
}

uint16_t
vnic_tx_packed(void *txq, struct rte_mbuf **pkts, uint16_t nb)
{
	struct vnic_tx_burst burst = { 0 };
	struct vnic_queue *q = txq;

	if (!vnic_section_enter(q))
		return 0;
	descs_prefetch(q, nb);
	nb = vnic_tx_burst(q, &burst, pkts, nb, &ops);
	if (burst.packets != 0) {
		__atomic_store_n(&burst.head->flags, rte_cpu_to_le_16(burst.head_flags),
				 __ATOMIC_RELEASE);
		vnic_packed_kick(q, burst.slots);
	}
	vnic_section_leave(q);
	return nb;
}
