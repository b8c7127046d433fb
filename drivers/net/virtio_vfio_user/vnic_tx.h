/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#ifndef VNIC_TX_H
#define VNIC_TX_H

/**
 * @file
 * Sending: what split and packed rings have in common
 *
 * A plain packet is one segment that carries its header in its own headroom, one
 * descriptor. What is left of the header of a former packet there is most often
 * zero already: then the line is not written. All others have the header in
 * the area of their id, and are an indirect table or a chain.
 */

#include <errno.h>

#include <rte_prefetch.h>

#include "vnic_announce.h"
#include "vnic_offload.h"
#include "vnic_queue.h"

uint16_t vnic_tx_split(void *txq, struct rte_mbuf **pkts, uint16_t nb);
uint16_t vnic_tx_packed(void *txq, struct rte_mbuf **pkts, uint16_t nb);
/** Take back what the device has sent; in a section. */
void vnic_tx_split_reclaim(struct vnic_queue *q);
void vnic_tx_packed_reclaim(struct vnic_queue *q);
/** tx_pkt_prepare of the port. */
uint16_t vnic_tx_prepare(void *txq, struct rte_mbuf **pkts, uint16_t nb);
/** tx_done_cleanup of the port. */
int vnic_tx_done_cleanup(void *txq, uint32_t nb);

/**
 * mbufs that are put into a pool at once. A pool's cache is emptied by what does not fit
 * into it: with large portions that is often, and other mbufs, cold ones, follow.
 */
#define VNIC_TX_PUT 32u

/** A piece of a packet. */
struct vnic_tx_seg {
	uint64_t addr;
	uint32_t len;
};

/** mbufs on their way back to a pool. */
struct vnic_tx_free {
	struct rte_mempool *pool;
	bool fast; /**< there is one pool, and nobody else has an mbuf */
	uint16_t nb;
	struct rte_mbuf *mbufs[VNIC_BURST];
};

static inline void
vnic_tx_free_init(struct vnic_tx_free *list, const struct vnic_queue *q)
{
	list->pool = NULL;
	list->fast = q->fast_free;
	list->nb = 0;
}

static inline void
vnic_tx_free_flush(struct vnic_tx_free *list)
{
	if (list->nb != 0)
		rte_mempool_put_bulk(list->mbufs[0]->pool, (void **)list->mbufs, list->nb);
	list->nb = 0;
}

/*
 * The device has read the packet, so its first line is shared by two caches. Who gets
 * the mbuf next writes there: most likely soon, as pools give back first what came
 * last. The line is fetched for that beside the work on the next mbufs.
 */
static inline void
vnic_tx_prefetch(const struct rte_mbuf *m)
{
	rte_prefetch0_write(RTE_PTR_ADD(m->buf_addr, RTE_PKTMBUF_HEADROOM));
}

/** Free a plain packet. */
static inline void
vnic_tx_free_add(struct vnic_tx_free *list, struct rte_mbuf *m)
{
	vnic_tx_prefetch(m);
	/* the second line of an mbuf, where the pool is, is not looked at if need not be */
	if (!list->fast) {
		m = rte_pktmbuf_prefree_seg(m);
		if (unlikely(m == NULL))
			return;
		if (unlikely(list->pool != m->pool)) {
			vnic_tx_free_flush(list);
			list->pool = m->pool;
		}
	}
	if (unlikely(list->nb == VNIC_BURST))
		vnic_tx_free_flush(list);
	list->mbufs[list->nb++] = m;
}

/** Whether the buffers in the ring can be taken back without a look at each. */
static inline bool
vnic_tx_is_uniform(const struct vnic_queue *q)
{
	return q->in_order && q->fast_free && q->nb_odd == 0;
}

/** Take back the nb oldest buffers of a uniform ring, which has as many. */
static inline void
vnic_tx_take_oldest(struct vnic_queue *q, uint16_t nb)
{
	uint16_t at, part, i;

	q->nb_bufs -= nb;
	q->nb_free += nb;
	for (; nb != 0; nb -= part) {
		at = q->ids_put & q->mask;
		part = RTE_MIN(nb, q->size - at);
		part = RTE_MIN(part, VNIC_TX_PUT);
		for (i = 0; i < part; i++)
			vnic_tx_prefetch(q->mbufs[at + i]);
		rte_mempool_put_bulk(q->mbufs[at]->pool, (void **)&q->mbufs[at], part);
		memset(&q->mbufs[at], 0, part * sizeof(*q->mbufs));
		q->ids_put += part;
	}
}

/** Whether a packet carries its header itself, and nothing else is wanted. */
static inline bool
vnic_tx_is_plain(const struct rte_mbuf *m)
{
	return m->nb_segs == 1 && rte_mbuf_refcnt_read(m) == 1 && RTE_MBUF_DIRECT(m) &&
		m->data_off >= VNIC_HDR_LEN;
}

/** Write the header in front of a plain packet; returns its address. */
static inline void *
vnic_tx_push(const struct vnic_queue *q, struct rte_mbuf *m)
{
	uint8_t *at = rte_pktmbuf_mtod(m, uint8_t *) - VNIC_HDR_LEN;
	struct virtio_net_hdr_mrg_rxbuf hdr;
	uint64_t low;
	uint32_t high;

	if (q->offload) {
		vnic_offload_tx(m, &hdr);
		memcpy(at, &hdr, VNIC_HDR_LEN);
		return at;
	}
	memcpy(&low, at, sizeof(low));
	memcpy(&high, at + sizeof(low), sizeof(high));
	if (unlikely((low | high) != 0))
		memset(at, 0, VNIC_HDR_LEN);
	return at;
}

/**
 * Describe a packet that is not plain, with its header in an area.
 *
 * @return
 *   Number of segments, the header included; 0: too many, the packet was dropped.
 */
uint16_t vnic_tx_segs(struct vnic_queue *q, struct rte_mbuf *m, struct vnic_tx_area *area,
		      struct vnic_tx_seg *segs);

/** Take the used buffer of an id out: how many slots it had; 0: the ring is broken. */
static inline uint16_t
vnic_tx_take(struct vnic_queue *q, uint32_t id, struct vnic_tx_free *list)
{
	struct rte_mbuf *m;
	uint16_t slots;

	if (unlikely(id >= q->size || q->mbufs[id] == NULL)) {
		vnic_queue_break(q, "no buffer", id);
		return 0;
	}
	m = q->mbufs[id];
	q->mbufs[id] = NULL;
	slots = q->slots[id];
	if (likely(slots == 1)) {
		vnic_tx_free_add(list, m);
	} else {
		q->slots[id] = 1;
		slots &= ~VNIC_TX_ODD;
		q->nb_odd--;
		rte_pktmbuf_free(m);
	}
	q->nb_bufs--;
	q->nb_free += slots;
	return slots;
}

/** What a burst has put into a ring and not shown. */
struct vnic_tx_burst {
	struct vring_packed_desc *head; /**< packed: its flags are written last */
	uint16_t head_flags;
	uint16_t slots;
	uint16_t packets;
};

/** How packets are put into a kind of ring; inlined. */
struct vnic_tx_ops {
	void (*reclaim)(struct vnic_queue *q);
	/** Plain packets in a row, as long as there are: their number. */
	uint16_t (*run)(struct vnic_queue *q, struct vnic_tx_burst *burst,
			struct rte_mbuf **pkts, uint16_t nb, uint64_t *bytes);
	/** One descriptor at addr. */
	void (*plain)(struct vnic_queue *q, struct vnic_tx_burst *burst, struct rte_mbuf *m,
		      uint64_t addr);
	void (*indirect)(struct vnic_queue *q, struct vnic_tx_burst *burst, struct rte_mbuf *m,
			 const struct vnic_tx_seg *segs, uint16_t nb);
	void (*chain)(struct vnic_queue *q, struct vnic_tx_burst *burst, struct rte_mbuf *m,
		      const struct vnic_tx_seg *segs, uint16_t nb);
};

/** A buffer was put that the device gives back as id; slots may be odd ones. */
static inline void
vnic_tx_put(struct vnic_queue *q, struct vnic_tx_burst *burst, uint16_t id, struct rte_mbuf *m,
	    uint16_t slots)
{
	q->mbufs[id] = m;
	if (unlikely(slots != 1)) {
		q->slots[id] = slots;
		q->nb_odd++;
		slots &= ~VNIC_TX_ODD;
	}
	q->nb_free -= slots;
	q->nb_bufs++;
	burst->slots += slots;
	burst->packets++;
}

/** 1: it was put; 0: dropped; -ENOSPC: there is no room now. */
static inline int
vnic_tx_odd(struct vnic_queue *q, struct vnic_tx_burst *burst, struct rte_mbuf *m,
	    const struct vnic_tx_ops *ops)
{
	struct vnic_tx_area *area = &q->areas[q->ids[q->ids_get & q->mask]];
	struct vnic_tx_seg segs[1 + VNIC_TX_MAX_SEGS];
	uint16_t nb;

	/*
	 * Before the header is written to an area that may be in use. What never fits is not
	 * waited for, it is dropped.
	 */
	if (q->nb_free == 0 ||
	    (!q->indirect && m->nb_segs < q->size && q->nb_free < m->nb_segs + 1))
		return -ENOSPC;
	nb = vnic_tx_segs(q, m, area, segs);
	if (nb == 0)
		return 0;
	if (q->indirect && nb <= VNIC_TX_TABLE) {
		ops->indirect(q, burst, m, segs, nb);
		VNIC_ADD(q->count.causes[VNIC_TX_INDIRECT], 1);
	} else if (nb <= q->nb_free) {
		ops->chain(q, burst, m, segs, nb);
		VNIC_ADD(q->count.causes[VNIC_TX_CHAINED], 1);
	} else {
		return -ENOSPC;
	}
	return 1;
}

/** Put the frame that announces the port into a ring, if there is room. */
static inline void
vnic_tx_announce(struct vnic_queue *q, struct vnic_tx_burst *burst,
		 const struct vnic_tx_ops *ops)
{
	struct rte_mbuf *m = q->nb_free == 0 ? NULL : vnic_announce_frame(q);
	const uint16_t id = q->ids[q->ids_get & q->mask];

	if (m == NULL)
		return;
	ops->plain(q, burst, m, vnic_addr(vnic_tx_push(q, m)));
	/* it is of another pool than what the application sends */
	q->slots[id] |= VNIC_TX_ODD;
	q->nb_odd++;
}

/** Put the first packets into a ring if they are plain; their number. */
static inline uint16_t
vnic_tx_run(struct vnic_queue *q, struct vnic_tx_burst *burst, struct rte_mbuf **pkts,
	    uint16_t nb, uint64_t *bytes, const struct vnic_tx_ops *ops)
{
	uint16_t done = 0, part, wanted;

	if (unlikely(!q->in_order || !vnic_queue_is_live(q)))
		return 0;
	nb = RTE_MIN(nb, q->nb_free);
	while (done < nb) {
		/* up to the end of the ring, then from its begin */
		wanted = RTE_MIN(nb - done, q->size - (q->ids_get & q->mask));
		part = ops->run(q, burst, &pkts[done], wanted, bytes);
		done += part;
		q->ids_get += part;
		if (part < wanted)
			break;
	}
	q->nb_free -= done;
	q->nb_bufs += done;
	burst->slots += done;
	burst->packets += done;
	return done;
}

/** Put up to nb packets into a ring: how many are not the caller's any more. */
static inline uint16_t
vnic_tx_burst(struct vnic_queue *q, struct vnic_tx_burst *burst, struct rte_mbuf **pkts,
	      uint16_t nb, const struct vnic_tx_ops *ops)
{
	uint64_t bytes = 0;
	uint32_t len;
	uint16_t i;
	int ret;

	if (q->nb_free < RTE_MAX(q->threshold, nb))
		ops->reclaim(q);
	if (unlikely(__atomic_load_n(&q->announce, __ATOMIC_RELAXED)))
		vnic_tx_announce(q, burst, ops);
	i = vnic_tx_run(q, burst, pkts, nb, &bytes, ops);
	for (; i < nb && vnic_queue_is_live(q); i++) {
		len = pkts[i]->pkt_len;
		if (likely(vnic_tx_is_plain(pkts[i]) && q->nb_free != 0)) {
			ops->plain(q, burst, pkts[i], vnic_addr(vnic_tx_push(q, pkts[i])));
		} else {
			ret = vnic_tx_odd(q, burst, pkts[i], ops);
			if (ret < 0)
				break;
			len *= ret;
		}
		bytes += len;
	}
	VNIC_ADD(q->count.packets, burst->packets);
	VNIC_ADD(q->count.bytes, bytes);
	if (unlikely(i < nb))
		VNIC_ADD(q->count.causes[VNIC_TX_FULL], nb - i);
	return i;
}

#endif /* VNIC_TX_H */
