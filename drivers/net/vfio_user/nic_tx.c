/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#include <string.h>

#include <rte_memcpy.h>
#include <rte_prefetch.h>

#include "nic_moderation.h"
#include "nic_offload.h"
#include "nic_rxtx.h"

/* Whether a packet is one segment that goes as it is into one buffer. */
static inline bool
is_plain(const struct rte_mbuf *m, const struct rte_virtio_buf *buf, uint32_t max_len)
{
	return likely(m->nb_segs == 1 && (m->ol_flags & NIC_TX_OFFLOADS) == 0 &&
		      m->data_len + NIC_HDR_LEN <= buf->len && m->data_len <= max_len &&
		      buf->flags == RTE_VIRTIO_BUF_F_WRITE);
}

/*
 * No offloads, one buffer. Most drivers leave the header as it was when the buffer
 * was used last: then its line stays shared.
 */
static inline void
plain_header(void *va)
{
	static const struct virtio_net_hdr_v1 plain = { .num_buffers = RTE_LE16(1) };

	if (memcmp(va, &plain, sizeof(plain)) != 0)
		memcpy(va, &plain, sizeof(plain));
}

/* Plain packets in a row: their number. */
static inline uint16_t
plain_send(struct nic_tx_queue *q, struct rte_virtio_ring *ring, struct rte_mbuf **pkts,
	   uint16_t nb, uint32_t *pushed)
{
	const uint32_t max_len = NIC_GET(q->max_len);
	struct rte_virtio_buf bufs[NIC_BURST];
	uint32_t written[NIC_BURST];
	uint64_t bytes = 0;
	int found, i;

	found = rte_virtio_ring_pop_burst(ring, bufs, nb);
	for (i = 0; i < found; i++)
		rte_prefetch0_write(RTE_PTR_ADD(bufs[i].va, NIC_HDR_LEN));
	for (i = 0; i < found && is_plain(pkts[i], &bufs[i], max_len); i++) {
		plain_header(bufs[i].va);
		rte_memcpy(RTE_PTR_ADD(bufs[i].va, NIC_HDR_LEN),
			   rte_pktmbuf_mtod(pkts[i], void *), pkts[i]->data_len);
		written[i] = pkts[i]->data_len + NIC_HDR_LEN;
		bytes += pkts[i]->data_len;
	}
	if (i < found)
		rte_virtio_ring_rewind(ring, (uint16_t)(found - i));
	if (i > 0) {
		rte_virtio_ring_push_burst(ring, bufs, written, (uint16_t)i);
		NIC_ADD(q->counters.packets, (uint64_t)i);
		NIC_ADD(q->counters.bytes, bytes);
		*pushed += i;
		return (uint16_t)i;
	}
	return 0;
}

/* Packets that the guest shall have: how many were sent or dropped. */
static inline uint16_t
packets_send(struct nic_tx_queue *q, struct rte_virtio_ring *ring, struct rte_mbuf **pkts,
	     uint16_t nb, uint32_t *pushed)
{
	uint16_t done = 0, part, wanted;

	while (done < nb) {
		wanted = RTE_MIN((uint32_t)nb - done, NIC_BURST);
		part = plain_send(q, ring, &pkts[done], wanted, pushed);
		done += part;
		/* a full ring, or something that is not plain */
		if (part < wanted && nic_tx_slow(q, ring, pkts[done++], pushed) == 0) {
			done--;
			break;
		}
	}
	return done;
}

static bool
is_wanted(const struct nic_filter *filter, const struct rte_mbuf *m)
{
	struct {
		struct rte_ether_hdr eth;
		struct rte_vlan_hdr vlan;
	} copy;
	uint32_t len = RTE_MIN(m->pkt_len, sizeof(copy));
	const void *hdr = rte_pktmbuf_read(m, 0, len, &copy);

	/* a tag that will be inserted is judged, too */
	if ((m->ol_flags & RTE_MBUF_F_TX_VLAN) != 0 && len >= sizeof(copy.eth)) {
		memmove(&copy.eth, hdr, sizeof(copy.eth));
		copy.eth.ether_type = RTE_BE16(RTE_ETHER_TYPE_VLAN);
		copy.vlan.vlan_tci = rte_cpu_to_be_16(m->vlan_tci);
		hdr = &copy;
		len = sizeof(copy);
	}
	return nic_filter_pass(filter, hdr, len);
}

/* How many of the first packets the guest wants to have. */
static inline uint16_t
wanted_by_guest(const struct nic_filter *filter, struct rte_mbuf **pkts, uint16_t nb)
{
	uint16_t i;

	if (likely(nic_filter_is_open(filter)))
		return nb;
	for (i = 0; i < nb; i++)
		if (!is_wanted(filter, pkts[i]))
			break;
	return i;
}

static inline uint16_t
ring_send(struct nic_tx_queue *q, struct rte_virtio_ring *ring, struct rte_mbuf **pkts,
	  uint16_t nb, uint32_t *pushed)
{
	uint16_t done = 0, wanted, part;

	while (done < nb) {
		wanted = wanted_by_guest(q->filter, &pkts[done], nb - done);
		if (unlikely(wanted == 0)) {
			NIC_ADD(q->counters.causes[NIC_TX_FILTERED], 1);
			done++;
			continue;
		}
		part = packets_send(q, ring, &pkts[done], wanted, pushed);
		done += part;
		if (part < wanted)
			break;
	}
	return done;
}

/* The second lines of mbufs, where the pool is, are not looked at if need not be. */
static inline void
packets_free(const struct nic_tx_queue *q, struct rte_mbuf **pkts, uint16_t nb)
{
	uint16_t nb_segs = 1, i;

	for (i = 0; i < nb; i++)
		nb_segs |= pkts[i]->nb_segs;
	if (q->fast_free && nb_segs == 1 && nb != 0)
		rte_mempool_put_bulk(pkts[0]->pool, (void **)pkts, nb);
	else
		rte_pktmbuf_free_bulk(pkts, nb);
}

uint16_t
nic_tx_burst(void *queue, struct rte_mbuf **pkts, uint16_t nb)
{
	struct nic_tx_queue *q = queue;
	struct rte_virtio_queue *vq = __atomic_load_n(&q->vq, __ATOMIC_ACQUIRE);
	struct rte_virtio_ring *ring;
	uint32_t pushed = 0;
	uint16_t done;

	if (unlikely(vq == NULL))
		return 0;
	ring = rte_virtio_queue_begin(vq);
	if (unlikely(ring == NULL))
		return 0;
	if (unlikely(q->epoch != rte_virtio_queue_epoch(vq))) {
		q->epoch = rte_virtio_queue_epoch(vq);
		rte_virtio_ring_notify_disable(ring);
	}
	done = ring_send(q, ring, pkts, nb, &pushed);
	if (pushed != 0)
		rte_virtio_ring_publish(ring);
	nic_interrupt(vq, &q->moderation, pushed);
	rte_virtio_queue_end(vq);
	packets_free(q, pkts, done);
	if (unlikely(done < nb))
		NIC_ADD(q->counters.causes[NIC_TX_NO_ROOM], (uint64_t)(nb - done));
	return done;
}
