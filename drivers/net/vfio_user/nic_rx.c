/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#include <errno.h>
#include <string.h>

#include <rte_memcpy.h>
#include <rte_prefetch.h>
#include <virtio_net_vlan.h>

#include "nic_moderation.h"
#include "nic_offload.h"
#include "nic_rxtx.h"

/** Bytes up to which a packet is copied in line. */
#define NIC_SHORT_COPY 256u

/* ------------------------------------------------------------------- memory */

/*
 * Memory is there before a packet is taken from the ring. What an idle queue does
 * not use stays for the next packets.
 */
static inline void
stash_fill(struct nic_rx_queue *q, uint16_t wanted)
{
	if (likely(q->nb_stash >= wanted))
		return;
	if (likely(rte_mempool_get_bulk(q->pool, (void **)&q->stash[q->nb_stash],
					NIC_BURST - q->nb_stash) == 0))
		q->nb_stash = NIC_BURST;
	else if (q->nb_stash == 0 && rte_mempool_get(q->pool, (void **)q->stash) == 0)
		q->nb_stash = 1; /* of a pool that has less than a burst */
	else if (q->nb_stash == 0)
		NIC_ADD(q->counters.causes[NIC_RX_NO_MBUF], 1);
}

void
nic_rx_stash_free(struct nic_rx_queue *q)
{
	rte_mempool_put_bulk(q->pool, (void **)q->stash, q->nb_stash);
	q->nb_stash = 0;
}

/* An mbuf as it comes from the pool, for one segment of len bytes. */
static inline void
mbuf_init(const struct nic_rx_queue *q, struct rte_mbuf *m, uint32_t len)
{
	memcpy(&m->rearm_data, &q->rearm, sizeof(q->rearm));
	m->ol_flags = 0;
	m->packet_type = 0;
	m->pkt_len = len;
	m->data_len = (uint16_t)len;
	m->vlan_tci = 0;
}

/* ----------------------------------------------------------------- any form */

/** Where to read on in the segments of a buffer. */
struct source {
	const struct rte_virtio_seg *seg;
	uint32_t done; /**< bytes of it */
};

static void
source_copy(struct source *from, void *to, uint32_t len)
{
	uint32_t part;

	for (; len != 0; len -= part, to = RTE_PTR_ADD(to, part)) {
		while (from->done == from->seg->len) {
			from->seg++;
			from->done = 0;
		}
		part = RTE_MIN(len, from->seg->len - from->done);
		memcpy(to, RTE_PTR_ADD(from->seg->va, from->done), part);
		from->done += part;
	}
}

/* The stash has one for each buffer that is taken; longer packets need more. */
static inline struct rte_mbuf *
mbuf_get(struct nic_rx_queue *q)
{
	if (likely(q->nb_stash != 0))
		return q->stash[--q->nb_stash];
	return rte_mbuf_raw_alloc(q->pool);
}

/* A packet in as many mbufs as it needs, or NULL. */
static struct rte_mbuf *
packet_copy(struct nic_rx_queue *q, struct source *from, uint32_t len)
{
	struct rte_mbuf *first = NULL, **link = &first, *m;
	uint32_t left = len, part;

	do {
		m = mbuf_get(q);
		if (m == NULL) {
			rte_pktmbuf_free(first);
			NIC_ADD(q->counters.causes[NIC_RX_NO_MBUF], 1);
			return NULL;
		}
		part = RTE_MIN(left, q->room);
		mbuf_init(q, m, part);
		source_copy(from, rte_pktmbuf_mtod(m, void *), part);
		*link = m;
		link = &m->next;
		if (m != first)
			first->nb_segs++;
		left -= part;
	} while (left != 0);
	first->pkt_len = len;
	return first;
}

/* What a burst has done. */
struct rx_work {
	struct rte_mbuf **pkts;
	uint16_t nb; /**< packets */
	uint32_t pushed; /**< buffers */
	uint64_t bytes;
};

static inline void
packet_add(struct rx_work *work, struct rte_mbuf *m)
{
	work->bytes += m->pkt_len;
	work->pkts[work->nb++] = m;
}

/*
 * A packet of len bytes, the header included, which may lie in several segments: 0,
 * taken or dropped; -ENOMEM: there is no memory for it now.
 */
static __rte_noinline int
packet_take(struct nic_rx_queue *q, const struct rte_virtio_seg *segs, uint32_t len,
	    struct rx_work *work)
{
	struct source from = { .seg = segs };
	struct virtio_net_hdr_v1 hdr;
	struct rte_mbuf *m;

	if (len < NIC_HDR_LEN + RTE_ETHER_HDR_LEN) {
		NIC_ADD(q->counters.causes[NIC_RX_TOO_SHORT], 1);
		return 0;
	}
	if (len > NIC_HDR_LEN + NIC_MAX_PKT) {
		NIC_ADD(q->counters.causes[NIC_RX_TOO_LONG], 1);
		return 0;
	}
	RTE_BUILD_BUG_ON(sizeof(hdr) != NIC_HDR_LEN);
	source_copy(&from, &hdr, sizeof(hdr));
	m = packet_copy(q, &from, len - NIC_HDR_LEN);
	if (m == NULL)
		return -ENOMEM;
	if (q->offloads && nic_offload_from_guest(q, m, &hdr) < 0) {
		rte_pktmbuf_free(m);
		NIC_ADD(q->counters.causes[NIC_RX_BAD_HEADER], 1);
		return 0;
	}
	packet_add(work, m);
	return 0;
}

/* A buffer that is not one descriptor: true, or there is nothing to go on with. */
static bool
chain_take(struct nic_rx_queue *q, struct rte_virtio_ring *ring, struct rx_work *work)
{
	struct rte_virtio_chain chain;
	int ret = rte_virtio_ring_pop(ring, &chain, q->segs, q->nb_segs);

	if (ret == -ENOSPC)
		rte_virtio_ring_break(ring, -E2BIG);
	if (ret <= 0)
		return false;
	if (chain.nb_write != 0) {
		rte_virtio_ring_break(ring, -EPROTO);
		return false;
	}
	if (packet_take(q, q->segs, chain.read_len, work) < 0) {
		rte_virtio_ring_rewind(ring, chain.slots);
		return false;
	}
	NIC_ADD(q->counters.causes[NIC_RX_SEGMENTS], 1);
	rte_virtio_ring_push(ring, chain.id, chain.slots, 0);
	work->pushed++;
	return true;
}

/* ---------------------------------------------------------------- plain form */

/* Whether the flags or the type of segmentation are not 0. Who acts on them looks anew. */
static inline bool
has_offloads(const void *hdr)
{
	uint16_t flags_and_type;

	RTE_BUILD_BUG_ON(offsetof(struct virtio_net_hdr_v1, flags) != 0 ||
			 offsetof(struct virtio_net_hdr_v1, gso_type) != 1);
	memcpy(&flags_and_type, hdr, sizeof(flags_and_type));
	return flags_and_type != 0;
}

/*
 * The bytes of a packet lie in another core's cache, or were last in there. Up to a few
 * lines a copy in line is best; for what is longer the C library knows the cpu.
 */
static __rte_always_inline void
packet_bytes(void *to, const void *from, uint32_t len)
{
	if (likely(len <= NIC_SHORT_COPY))
		rte_memcpy(to, from, len);
	else
		memcpy(to, from, len);
}

/* As packet_take(). */
static inline int
buf_take(struct nic_rx_queue *q, const struct rte_virtio_buf *buf, struct rx_work *work)
{
	const uint32_t len = buf->len - NIC_HDR_LEN;
	struct rte_mbuf *m;

	/* less than a header is much, too */
	if (unlikely(len > q->room || len < RTE_ETHER_HDR_LEN ||
		     (q->offloads && has_offloads(buf->va))))
		return packet_take(q, &(struct rte_virtio_seg){ .va = buf->va, .len = buf->len },
				   buf->len, work);
	m = mbuf_get(q);
	if (unlikely(m == NULL))
		return -ENOMEM;
	mbuf_init(q, m, len);
	packet_bytes(rte_pktmbuf_mtod(m, void *), RTE_PTR_ADD(buf->va, NIC_HDR_LEN), len);
	packet_add(work, m);
	return 0;
}

/* Plain buffers, as many as are wanted or in a row: true if all of them. */
static inline bool
bufs_take(struct nic_rx_queue *q, struct rte_virtio_ring *ring, uint16_t wanted,
	  struct rx_work *work)
{
	struct rte_virtio_buf bufs[NIC_BURST];
	int nb, i;

	stash_fill(q, wanted);
	nb = rte_virtio_ring_pop_burst(ring, bufs, RTE_MIN(wanted, q->nb_stash));
	if (nb <= 0)
		return false;
	for (i = 0; i < nb; i++)
		rte_prefetch0(RTE_PTR_ADD(bufs[i].va, NIC_HDR_LEN));
	for (i = 0; i < nb; i++) {
		if (unlikely(bufs[i].flags != 0)) {
			rte_virtio_ring_break(ring, -EPROTO);
			break;
		}
		if (unlikely(buf_take(q, &bufs[i], work) < 0)) {
			rte_virtio_ring_rewind(ring, (uint16_t)(nb - i));
			break;
		}
	}
	rte_virtio_ring_push_burst(ring, bufs, NULL, (uint16_t)i);
	work->pushed += i;
	return i == wanted;
}

static inline void
ring_take(struct nic_rx_queue *q, struct rte_virtio_ring *ring, uint16_t nb_pkts,
	  struct rx_work *work)
{
	/* buffers without a packet count as well: a driver may send those for ever */
	while (work->pushed < nb_pkts && rte_virtio_ring_broken(ring) == 0)
		if (!bufs_take(q, ring, RTE_MIN(nb_pkts - work->pushed, NIC_BURST), work) &&
		    (!rte_virtio_ring_is_odd(ring) || !chain_take(q, ring, work)))
			break;
}

/* The driver's notifications: it keeps what it was told until it starts anew. */
static __rte_noinline void
epoch_begin(struct nic_rx_queue *q, struct rte_virtio_ring *ring, uint32_t epoch)
{
	q->epoch = epoch;
	if (!NIC_GET(q->sleeps))
		rte_virtio_ring_notify_disable(ring);
}

static __rte_noinline void
vlans_strip(struct rte_mbuf **pkts, uint16_t nb)
{
	uint16_t i;

	for (i = 0; i < nb; i++)
		virtio_net_vlan_strip(pkts[i]);
}

uint16_t
nic_rx_burst(void *queue, struct rte_mbuf **pkts, uint16_t nb)
{
	struct nic_rx_queue *q = queue;
	struct rte_virtio_queue *vq = __atomic_load_n(&q->vq, __ATOMIC_ACQUIRE);
	struct rx_work work = { .pkts = pkts };
	struct rte_virtio_ring *ring;

	if (unlikely(vq == NULL))
		return 0;
	ring = rte_virtio_queue_begin(vq);
	if (unlikely(ring == NULL))
		return 0;
	if (unlikely(q->epoch != rte_virtio_queue_epoch(vq)))
		epoch_begin(q, ring, rte_virtio_queue_epoch(vq));
	ring_take(q, ring, nb, &work);
	if (work.pushed != 0)
		rte_virtio_ring_publish(ring);
	nic_interrupt(vq, &q->moderation, work.pushed);
	rte_virtio_queue_end(vq);
	if (unlikely(NIC_GET(q->vlan_strip)))
		vlans_strip(pkts, work.nb);
	if (work.nb != 0) {
		NIC_ADD(q->counters.packets, work.nb);
		NIC_ADD(q->counters.bytes, work.bytes);
	}
	return work.nb;
}
