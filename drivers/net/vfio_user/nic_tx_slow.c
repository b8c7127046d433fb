/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#include <errno.h>
#include <string.h>

#include <rte_byteorder.h>

#include "nic_offload.h"
#include "nic_rxtx.h"

/** Most buffers for one packet. */
#define MAX_BUFS 128u

/** Buffers of the guest that hold one packet together. */
struct room {
	uint32_t bytes;
	uint32_t nb_bufs;
	uint32_t nb_segs; /**< in the array of the queue */
	uint16_t slots; /**< of all of them */
	struct {
		uint16_t id, slots;
		uint32_t len;
	} bufs[MAX_BUFS];
};

/** Where to write on in the segments. */
struct sink {
	const struct rte_virtio_seg *seg;
	uint32_t done; /**< bytes of it */
};

static void
sink_skip(struct sink *to, uint32_t len)
{
	while (len >= to->seg->len - to->done) {
		len -= to->seg->len - to->done;
		to->seg++;
		to->done = 0;
		if (len == 0)
			return; /* there need not be another one */
	}
	to->done += len;
}

static void
sink_copy(struct sink *to, const void *from, uint32_t len)
{
	uint32_t part;

	for (; len != 0; len -= part, from = RTE_PTR_ADD(from, part)) {
		part = RTE_MIN(len, to->seg->len - to->done);
		memcpy(RTE_PTR_ADD(to->seg->va, to->done), from, part);
		sink_skip(to, part);
	}
}

/*
 * Take buffers until they have the room that is wanted: 0, or -EAGAIN: the guest
 * has not offered enough, -EMSGSIZE: it cannot take a packet of this size, -EPROTO:
 * its ring is broken.
 */
static int
room_take(struct nic_tx_queue *q, struct rte_virtio_ring *ring, uint32_t wanted,
	  struct room *room)
{
	struct rte_virtio_chain chain;
	int ret;

	while (room->bytes < wanted) {
		if (room->nb_bufs == MAX_BUFS || (room->nb_bufs != 0 && !NIC_GET(q->mergeable)))
			return -EMSGSIZE;
		ret = rte_virtio_ring_pop(ring, &chain, q->segs + room->nb_segs,
					  q->nb_segs - room->nb_segs);
		if (ret <= 0)
			return ret == 0 ? -EAGAIN : ret == -ENOSPC ? -EMSGSIZE : -EPROTO;
		room->slots += chain.slots;
		if (chain.nb_read != 0) {
			rte_virtio_ring_break(ring, -EPROTO);
			return -EPROTO;
		}
		room->nb_segs += chain.nb_write;
		room->bytes += RTE_MIN(chain.write_len, NIC_MAX_PKT + NIC_HDR_LEN);
		room->bufs[room->nb_bufs].id = chain.id;
		room->bufs[room->nb_bufs].slots = chain.slots;
		room->bufs[room->nb_bufs++].len = chain.write_len;
	}
	return 0;
}

static void
packet_write(const struct nic_tx_queue *q, const struct rte_mbuf *m,
	     const struct nic_offload *offload)
{
	struct sink to = { .seg = q->segs };
	uint32_t i, part, left = m->pkt_len;

	sink_copy(&to, &offload->hdr, sizeof(offload->hdr));
	for (; m != NULL; m = m->next, left -= part) {
		part = RTE_MIN(left, m->data_len);
		sink_copy(&to, rte_pktmbuf_mtod(m, const void *), part);
	}
	for (i = 0; i < offload->nb_patches; i++) {
		to = (struct sink){ .seg = q->segs };
		sink_skip(&to, NIC_HDR_LEN + offload->patches[i].offset);
		sink_copy(&to, &offload->patches[i].value, sizeof(offload->patches[i].value));
	}
}

/* The buffers go back, each with its part of the packet. */
static void
room_push(struct rte_virtio_ring *ring, const struct room *room, uint32_t len)
{
	uint32_t i, part;

	for (i = 0; i < room->nb_bufs; i++, len -= part) {
		part = RTE_MIN(len, room->bufs[i].len);
		rte_virtio_ring_push(ring, room->bufs[i].id, room->bufs[i].slots, part);
	}
}

/* Whether a packet is longer than the guest's MTU, which is that of what segments it. */
static bool
exceeds_mtu(const struct nic_tx_queue *q, const struct rte_mbuf *m)
{
	uint32_t max_len = NIC_GET(q->max_len), at = 2 * RTE_ETHER_ADDR_LEN;
	const void *field;
	uint16_t type;

	if (m->pkt_len <= max_len ||
	    (m->ol_flags & (RTE_MBUF_F_TX_TCP_SEG | RTE_MBUF_F_TX_UDP_SEG)) != 0)
		return false;
	/* a tag, or two, are no part of what the MTU counts */
	for (; at <= 2 * RTE_ETHER_ADDR_LEN + RTE_VLAN_HLEN; at += RTE_VLAN_HLEN) {
		field = rte_pktmbuf_read(m, at, sizeof(type), &type);
		if (field == NULL)
			break;
		memmove(&type, field, sizeof(type));
		if (type != RTE_BE16(RTE_ETHER_TYPE_VLAN) && type != RTE_BE16(RTE_ETHER_TYPE_QINQ))
			break;
		max_len += RTE_VLAN_HLEN;
	}
	return m->pkt_len > max_len;
}

/* 0, or the errno of room_take() or of nic_offload_to_guest(); nothing is taken then. */
static int
packet_send(struct nic_tx_queue *q, struct rte_virtio_ring *ring, const struct rte_mbuf *m,
	    uint32_t *pushed)
{
	struct nic_offload offload = { 0 };
	struct room room;
	int ret;

	room.bytes = room.nb_bufs = room.nb_segs = room.slots = 0;
	ret = nic_offload_to_guest(q, m, &offload);
	if (ret < 0)
		return ret;
	ret = m->pkt_len > NIC_MAX_PKT || exceeds_mtu(q, m) ? -EMSGSIZE :
		room_take(q, ring, m->pkt_len + NIC_HDR_LEN, &room);
	if (ret < 0) {
		rte_virtio_ring_rewind(ring, room.slots);
		return ret;
	}
	offload.hdr.num_buffers = rte_cpu_to_le_16((uint16_t)room.nb_bufs);
	packet_write(q, m, &offload);
	room_push(ring, &room, m->pkt_len + NIC_HDR_LEN);
	*pushed += room.nb_bufs;
	if (room.nb_bufs > 1)
		NIC_ADD(q->counters.causes[NIC_TX_MERGED], 1);
	return 0;
}

/* A tag that the application wants to have inserted. */
static int
vlan_insert(struct rte_mbuf **m)
{
	return (*m)->ol_flags & RTE_MBUF_F_TX_VLAN ? rte_vlan_insert(m) : 0;
}

int
nic_tx_slow(struct nic_tx_queue *q, struct rte_virtio_ring *ring, struct rte_mbuf *m,
	    uint32_t *pushed)
{
	int ret = vlan_insert(&m);

	if (ret == 0)
		ret = packet_send(q, ring, m, pushed);
	else
		ret = -EINVAL;
	switch (ret) {
	case 0:
		NIC_ADD(q->counters.packets, 1);
		NIC_ADD(q->counters.bytes, m->pkt_len);
		return 1;
	case -EMSGSIZE:
		NIC_ADD(q->counters.causes[NIC_TX_TOO_LONG], 1);
		return 1;
	case -EINVAL:
		NIC_ADD(q->counters.causes[NIC_TX_BAD_OFFLOAD], 1);
		return 1;
	default:
		return 0;
	}
}
