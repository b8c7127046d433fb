/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#ifndef VNIC_RX_H
#define VNIC_RX_H

/**
 * @file
 * Receiving: what split and packed rings have in common, inlined into each
 *
 * A buffer is one descriptor: the header in the last bytes of the mbuf's
 * headroom, the packet behind it. A packet in several buffers is put together as
 * they come, over as many bursts as it takes.
 */

#include <rte_ether.h>
#include <rte_mempool.h>
#include <rte_prefetch.h>

#include "vnic_offload.h"
#include "vnic_queue.h"

uint16_t vnic_rx_split(void *rxq, struct rte_mbuf **pkts, uint16_t nb);
uint16_t vnic_rx_packed(void *rxq, struct rte_mbuf **pkts, uint16_t nb);
/** Offer buffers to the device for the first time. Not in a section. */
void vnic_rx_split_fill(struct vnic_queue *q);
void vnic_rx_packed_fill(struct vnic_queue *q);

/** First byte that the device writes to. */
static inline void *
vnic_rx_buf(const struct rte_mbuf *m)
{
	return (uint8_t *)m->buf_addr + RTE_PKTMBUF_HEADROOM - VNIC_HDR_LEN;
}

/** The same of an mbuf that is fresh from the queue's pool, without a look at it. */
static inline uint64_t
vnic_rx_addr(const struct vnic_queue *q, const struct rte_mbuf *m)
{
	return vnic_addr(likely(q->buf_offset != 0) ? (const uint8_t *)m + q->buf_offset :
						       vnic_rx_buf(m));
}

/** The mbuf of a used buffer, or NULL: the ring is broken. */
static inline struct rte_mbuf *
vnic_rx_take(struct vnic_queue *q, const struct vnic_used *used)
{
	struct rte_mbuf *m;

	if (unlikely(used->id >= q->size || q->mbufs[used->id] == NULL)) {
		vnic_queue_break(q, "no buffer", used->id);
		return NULL;
	}
	if (unlikely(used->len > q->buf_len)) {
		vnic_queue_break(q, "more bytes than the buffer has,", used->len);
		return NULL;
	}
	m = q->mbufs[used->id];
	q->mbufs[used->id] = NULL;
	vnic_id_put(q, used->id);
	return m;
}

static inline void
vnic_rx_init(const struct vnic_queue *q, struct rte_mbuf *m, uint32_t len)
{
	memcpy(&m->rearm_data, &q->rearm, sizeof(q->rearm));
	m->ol_flags = 0;
	m->packet_type = 0;
	m->pkt_len = len;
	m->data_len = (uint16_t)len;
}

/** Append a buffer to the packet that is put together; NULL: it is not complete. */
static inline struct rte_mbuf *
vnic_rx_merge(struct vnic_queue *q, struct rte_mbuf *m, uint32_t len)
{
	struct rte_mbuf *head = q->head;

	vnic_rx_init(q, m, len);
	m->data_off = RTE_PKTMBUF_HEADROOM - VNIC_HDR_LEN; /* no header in it */
	head->pkt_len += len;
	head->nb_segs++;
	q->tail->next = m;
	q->tail = m;
	if (--q->nb_missing != 0)
		return NULL;
	q->head = NULL;
	VNIC_ADD(q->count.causes[VNIC_RX_MERGED], 1);
	return head;
}

/** Start a packet of nb buffers; NULL: it needs more of them, or none comes of it. */
static inline struct rte_mbuf *
vnic_rx_start(struct vnic_queue *q, struct rte_mbuf *m, uint16_t nb)
{
	if (likely(nb == 1))
		return m;
	if (nb == 0 || nb > q->size) {
		vnic_queue_break(q, "number of merged buffers", nb);
		rte_pktmbuf_free(m);
		return NULL;
	}
	q->head = q->tail = m;
	q->nb_missing = nb - 1;
	return NULL;
}

/** Drop a packet that is none; returns NULL. */
static inline struct rte_mbuf *
vnic_rx_drop(struct vnic_queue *q, struct rte_mbuf *m)
{
	VNIC_ADD(q->count.causes[VNIC_RX_TOO_SHORT], 1);
	VNIC_ADD(q->count.errors, 1);
	rte_pktmbuf_free(m);
	return NULL;
}

/** A packet, or NULL: the buffer is not the last of one, or the ring is broken. */
static inline struct rte_mbuf *
vnic_rx_packet(struct vnic_queue *q, const struct vnic_used *used)
{
	struct rte_mbuf *m = vnic_rx_take(q, used);
	struct virtio_net_hdr_mrg_rxbuf hdr;

	if (unlikely(m == NULL))
		return NULL;
	if (unlikely(q->head != NULL)) {
		m = vnic_rx_merge(q, m, used->len);
	} else {
		if (unlikely(used->len < VNIC_HDR_LEN)) {
			vnic_queue_break(q, "less bytes than a header has,", used->len);
			rte_pktmbuf_free(m);
			return NULL;
		}
		vnic_rx_init(q, m, used->len - VNIC_HDR_LEN);
		if (q->mergeable) {
			memcpy(&hdr, vnic_rx_buf(m), sizeof(hdr));
			m = vnic_rx_start(q, m, rte_le_to_cpu_16(hdr.num_buffers));
		}
	}
	if (unlikely(m == NULL || m->pkt_len < RTE_ETHER_HDR_LEN))
		return m == NULL ? NULL : vnic_rx_drop(q, m);
	if (q->offload)
		vnic_offload_rx(q, m);
	return m;
}

/**
 * Whether an element, the i-th one that is looked at, stands for more than the oldest
 * buffer. In order it may: its id is that of the last buffer of a batch, and those
 * before it are full (virtio 1.2, 2.7.9 and 2.8.9).
 */
static inline bool
vnic_rx_is_batch(const struct vnic_queue *q, uint32_t id, uint16_t i)
{
	return unlikely(q->in_order && id != (uint16_t)((q->ids_put + i) & q->mask));
}

/**
 * Take an element that stands for a batch, which begins with the oldest buffer.
 *
 * @param ready
 *   Buffers that may be used.
 * @return
 *   Buffers of the batch; 0: the ring is broken.
 */
uint16_t vnic_rx_batch_begin(struct vnic_queue *q, const struct vnic_used *last, uint16_t ready);
/** Take up to nb buffers of the batch. */
uint16_t vnic_rx_batch_take(struct vnic_queue *q, struct vnic_used *used, uint16_t nb);

/**
 * Receive a burst.
 *
 * @param gather
 *   Takes up to nb used buffers of the ring, or the first ones of a batch; inlined.
 */
static inline uint16_t
vnic_rx_burst(struct vnic_queue *q, struct rte_mbuf **pkts, uint16_t nb,
	      uint16_t (*gather)(struct vnic_queue *q, struct vnic_used *used, uint16_t nb))
{
	struct vnic_used used[VNIC_BURST];
	uint16_t i, nb_used, done = 0;
	struct rte_mbuf *m;
	uint64_t bytes = 0;

	while (done < nb) {
		nb_used = RTE_MIN(nb - done, (int)VNIC_BURST);
		if (unlikely(q->nb_batch != 0))
			nb_used = vnic_rx_batch_take(q, used, nb_used);
		else
			nb_used = gather(q, used, nb_used);
		if (nb_used == 0)
			break;
		q->nb_bufs -= nb_used;
		q->nb_free += nb_used;
		for (i = 0; i < nb_used; i++)
			rte_prefetch0(q->mbufs[used[i].id & q->mask]);
		for (i = 0; i < nb_used; i++) {
			m = vnic_rx_packet(q, &used[i]);
			if (likely(m != NULL)) {
				pkts[done++] = m;
				bytes += m->pkt_len;
			} else if (unlikely(q->broken)) {
				/* if it is just taken away, what was gathered is not left */
				goto out;
			}
		}
	}
out:
	VNIC_ADD(q->count.packets, done);
	VNIC_ADD(q->count.bytes, bytes);
	return done;
}

/** Get up to nb mbufs, as many as there are. */
static inline uint16_t
vnic_rx_alloc(struct vnic_queue *q, struct rte_mbuf **mbufs, uint16_t nb)
{
	uint16_t want = nb;

	while (unlikely(rte_mempool_get_bulk(q->pool, (void **)mbufs, nb) < 0)) {
		nb /= 2;
		if (nb == 0)
			break;
	}
	if (unlikely(nb < want))
		VNIC_ADD(q->count.causes[VNIC_RX_NO_MBUF], want - nb);
	return nb;
}

/**
 * Offer buffers to the device if enough are missing; returns how many.
 *
 * @param post
 *   Makes nb buffers available; inlined.
 */
static inline uint16_t
vnic_rx_refill(struct vnic_queue *q,
	       void (*post)(struct vnic_queue *q, struct rte_mbuf **mbufs, uint16_t nb))
{
	struct rte_mbuf *mbufs[VNIC_BURST];
	uint16_t nb, added = 0;

	while (q->nb_free >= q->threshold) {
		nb = vnic_rx_alloc(q, mbufs, RTE_MIN(q->nb_free, (uint16_t)VNIC_BURST));
		if (nb == 0)
			break;
		post(q, mbufs, nb);
		q->nb_free -= nb;
		q->nb_bufs += nb;
		added += nb;
	}
	return added;
}

#endif /* VNIC_RX_H */
