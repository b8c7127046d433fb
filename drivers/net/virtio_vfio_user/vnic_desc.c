/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#include <errno.h>

#include "vnic.h"
#include "vnic_desc.h"

/** A place in a packed ring. */
struct place {
	uint16_t at, flags; /**< those of what was used there */
};

static struct place
first_used(const struct vnic_queue *q)
{
	return (struct place){ __atomic_load_n(&q->used, __ATOMIC_RELAXED), q->used_flags };
}

static void
skip(const struct vnic_queue *q, struct place *place, uint16_t slots)
{
	place->at += slots;
	if (place->at >= q->size) {
		place->at -= q->size;
		place->flags ^= VNIC_PACKED_F_BOTH;
	}
}

static bool
is_used(const struct vnic_queue *q, const struct place *place)
{
	const uint16_t *flags = &q->ring.desc[place->at & q->mask].flags;

	return (rte_le_to_cpu_16(__atomic_load_n(flags, __ATOMIC_ACQUIRE)) &
		VNIC_PACKED_F_BOTH) == place->flags;
}

static uint16_t
split_used(const struct vnic_queue *q)
{
	uint16_t idx = rte_le_to_cpu_16(__atomic_load_n(&q->split.used->idx, __ATOMIC_ACQUIRE));

	idx -= __atomic_load_n(&q->used, __ATOMIC_RELAXED);
	return RTE_MIN(idx, q->size);
}

/* Descriptors of a buffer that an id, which may be anything, stands for. */
static uint16_t
slots_of(const struct vnic_queue *q, uint32_t id)
{
	uint16_t slots = 1;

	if (!q->is_rx && id < q->size)
		slots = __atomic_load_n(&q->slots[id], __ATOMIC_RELAXED) & ~VNIC_TX_ODD;
	return RTE_MAX(slots, 1);
}

/* The id of the buffer that was offered as number nth of those in the ring; in order. */
static uint16_t
id_of(const struct vnic_queue *q, uint16_t nth)
{
	return q->ids[(q->ids_put + nth) & q->mask];
}

/* ------------------------------------------------------------ descriptors */

static uint32_t
split_slots(const struct vnic_queue *q)
{
	const uint16_t nb = split_used(q);
	const uint16_t used = __atomic_load_n(&q->used, __ATOMIC_RELAXED);
	uint32_t slots = 0;
	uint16_t i;

	if (q->is_rx)
		return nb;
	for (i = 0; i < nb; i++) {
		/* the FIFO has an id for each descriptor */
		if (q->in_order)
			slots += slots_of(q, id_of(q, slots));
		else
			slots += slots_of(q, rte_le_to_cpu_32(__atomic_load_n(
				&q->split.used->ring[(used + i) & q->mask].id, __ATOMIC_RELAXED)));
	}
	return slots;
}

/* In order, what is used stands for all buffers before it. */
static uint32_t
packed_batch(const struct vnic_queue *q, uint16_t id, uint16_t *done)
{
	uint32_t slots = 0;
	uint16_t oldest;

	do {
		oldest = id_of(q, (*done)++);
		slots += slots_of(q, oldest);
	} while (oldest != id && slots < q->size);
	return slots;
}

static uint32_t
packed_slots(const struct vnic_queue *q)
{
	struct place place = first_used(q);
	uint32_t slots = 0, more;
	uint16_t id, done = __atomic_load_n(&q->nb_batch, __ATOMIC_RELAXED);

	while (slots < q->size && is_used(q, &place)) {
		id = rte_le_to_cpu_16(__atomic_load_n(&q->ring.desc[place.at & q->mask].id,
						      __ATOMIC_RELAXED));
		more = q->in_order ? packed_batch(q, id, &done) : slots_of(q, id);
		slots += more;
		skip(q, &place, more);
	}
	return slots;
}

/* Descriptors that the device is done with and no burst has taken back. */
static uint16_t
used_slots(const struct vnic_queue *q)
{
	uint32_t slots;

	/* the areas of the ring are placed when it is set up */
	if (!__atomic_load_n(&q->live, __ATOMIC_ACQUIRE))
		return 0;
	slots = q->packed ? packed_slots(q) : split_slots(q);
	/* of an element that was read, but not all that it stood for */
	slots += __atomic_load_n(&q->nb_batch, __ATOMIC_RELAXED);
	return RTE_MIN(slots, q->size);
}

uint16_t
vnic_desc_used(const struct vnic_queue *q)
{
	return used_slots(q);
}

/* ------------------------------------------------------------- operations */

virtio_net_queue_count
vnic_desc_rx_count(void *rxq)
{
	return used_slots(rxq);
}

/* From the next packet to be received on. */
int
vnic_desc_rx_status(void *rxq, uint16_t offset)
{
	const struct vnic_queue *q = rxq;

	if (offset >= q->size)
		return -EINVAL;
	if (offset < used_slots(q))
		return RTE_ETH_RX_DESC_DONE;
	return offset < q->size - __atomic_load_n(&q->nb_free, __ATOMIC_RELAXED) ?
		RTE_ETH_RX_DESC_AVAIL : RTE_ETH_RX_DESC_UNAVAIL;
}

/* From the one on that the next packet is put into; behind the free ones, the oldest. */
int
vnic_desc_tx_status(void *txq, uint16_t offset)
{
	const struct vnic_queue *q = txq;

	if (offset >= q->size)
		return -EINVAL;
	return offset < __atomic_load_n(&q->nb_free, __ATOMIC_RELAXED) + used_slots(q) ?
		RTE_ETH_TX_DESC_DONE : RTE_ETH_TX_DESC_FULL;
}

/* A change that a burst waits for: what is read there, masked, is another one, or this. */
enum { MONITOR_MASK, MONITOR_VALUE, MONITOR_IS };

static int
monitor_done(const uint64_t value, const uint64_t opaque[RTE_POWER_MONITOR_OPAQUE_SZ])
{
	const bool same = (value & opaque[MONITOR_MASK]) == opaque[MONITOR_VALUE];

	return same == (opaque[MONITOR_IS] != 0) ? -1 : 0;
}

int
vnic_desc_monitor(void *rxq, struct rte_power_monitor_cond *cond)
{
	const struct vnic_queue *q = rxq;
	const struct place next = first_used(q);

	if (!__atomic_load_n(&q->live, __ATOMIC_ACQUIRE))
		return -ENOTSUP; /* there is nothing to wait at */
	cond->fn = monitor_done;
	cond->size = sizeof(uint16_t);
	if (q->packed) {
		cond->addr = &q->ring.desc[next.at & q->mask].flags;
		cond->opaque[MONITOR_MASK] = rte_cpu_to_le_16(VNIC_PACKED_F_BOTH);
		cond->opaque[MONITOR_VALUE] = rte_cpu_to_le_16(next.flags);
		cond->opaque[MONITOR_IS] = 1;
	} else {
		cond->addr = &q->split.used->idx;
		cond->opaque[MONITOR_MASK] = UINT16_MAX;
		cond->opaque[MONITOR_VALUE] = rte_cpu_to_le_16(next.at);
		cond->opaque[MONITOR_IS] = 0;
	}
	return 0;
}
