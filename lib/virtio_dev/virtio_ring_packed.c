/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#include <errno.h>

#include "virtio_ring.h"

#define AVAIL_USED (1u << VRING_PACKED_DESC_F_AVAIL | 1u << VRING_PACKED_DESC_F_USED)

static inline const uint8_t *
desc_at(const struct rte_virtio_ring *ring, uint16_t pos)
{
	return ring->desc + VIRTIO_RING_DESC_SIZE * (size_t)pos;
}

/* The half of a descriptor that has the flags. */
static inline uint64_t *
flags_at(const struct rte_virtio_ring *ring, uint16_t pos)
{
	return (uint64_t *)(uintptr_t)(ring->desc + VIRTIO_RING_DESC_SIZE * (size_t)pos) + 1;
}

/* What the flags make available may be read behind this. */
static inline uint64_t
load_flags(const struct rte_virtio_ring *ring, uint16_t pos)
{
	return rte_le_to_cpu_64(__atomic_load_n(flags_at(ring, pos), __ATOMIC_ACQUIRE));
}

/* At most as many as the ring has: both at once would be a full turn. */
static inline void
taken(struct rte_virtio_ring *ring, uint16_t slots)
{
	uint32_t pos = (uint32_t)ring->avail + slots;

	if (pos >= ring->size) {
		pos -= ring->size;
		ring->avail_flags ^= AVAIL_USED;
	}
	ring->avail = (uint16_t)pos;
	ring->in_flight += slots;
}

static inline void
given(struct rte_virtio_ring *ring, uint16_t slots)
{
	uint32_t pos = (uint32_t)ring->used + slots;

	if (pos >= ring->size) {
		pos -= ring->size;
		ring->used_flags ^= AVAIL_USED;
	}
	ring->used = (uint16_t)pos;
	ring->pending += slots;
	ring->in_flight -= slots;
}

/* ------------------------------------------------------------------ pop */

/*
 * The descriptors of a chain follow each other. Only the flags of the first one
 * say whether it is available.
 */
static int
walk_chain(const struct rte_virtio_ring *ring, struct virtio_ring_walk *walk, uint64_t rest)
{
	uint16_t pos = ring->avail;
	struct virtio_ring_desc desc;
	uint16_t slots = 0;
	int ret;

	for (;;) {
		virtio_ring_desc_packed(&desc, virtio_ring_half(desc_at(ring, pos), 0), rest);
		if ((desc.flags & VRING_DESC_F_INDIRECT) != 0) {
			if (slots != 0)
				return -EPROTO;
			walk->max_descs = ring->size;
			ret = virtio_ring_walk_table(walk, &desc);
		} else {
			ret = virtio_ring_walk_add(walk, &desc);
		}
		if (ret < 0)
			return ret;
		slots++;
		if ((desc.flags & VRING_DESC_F_NEXT) == 0)
			break;
		if (++pos == ring->size)
			pos = 0;
		rest = virtio_ring_half(desc_at(ring, pos), 1);
	}
	if (desc.id >= ring->size)
		return -EPROTO;
	walk->chain->id = desc.id;
	walk->chain->slots = slots;
	return 1;
}

int
virtio_ring_packed_pop(struct rte_virtio_ring *ring, struct virtio_ring_walk *walk)
{
	uint64_t rest;
	int ret;

	if (ring->in_flight == ring->size)
		return 0;
	rest = load_flags(ring, ring->avail);
	if ((rest >> 48 & AVAIL_USED) != ring->avail_flags)
		return 0;
	walk->max_descs = ring->size - ring->in_flight;
	ret = walk_chain(ring, walk, rest);
	if (ret > 0)
		taken(ring, walk->chain->slots);
	return ret;
}

/* As many as there are up to the end of the ring; another turn has other flags. */
static uint16_t
pop_turn(struct rte_virtio_ring *ring, struct rte_virtio_buf *bufs, uint16_t nb)
{
	struct virtio_ring_desc desc;
	uint16_t done = 0, pos;
	uint64_t rest;

	/* most are like the last one of the burst before, in the mapping of the ring */
	for (;;) {
		done += ring->run(ring, ring->avail + done, &bufs[done], nb - done);
		if (done == nb)
			break;
		pos = ring->avail + done;
		rest = load_flags(ring, pos);
		if ((rest >> 48 & AVAIL_USED) != ring->avail_flags)
			break;
		virtio_ring_desc_packed(&desc, virtio_ring_half(desc_at(ring, pos), 0), rest);
		if (unlikely(!virtio_ring_take_first(ring, &bufs[done], &desc, desc.id))) {
			ring->odd = true;
			break;
		}
		done++;
	}
	taken(ring, done);
	return done;
}

int
virtio_ring_packed_pop_burst(struct rte_virtio_ring *ring, struct rte_virtio_buf *bufs,
			     uint16_t nb)
{
	uint16_t done = 0, part, want;

	nb = RTE_MIN(nb, ring->size - ring->in_flight);
	while (done < nb) {
		want = RTE_MIN(nb - done, ring->size - ring->avail);
		part = pop_turn(ring, &bufs[done], want);
		done += part;
		if (part < want)
			break;
	}
	return done;
}

void
virtio_ring_packed_rewind(struct rte_virtio_ring *ring, uint16_t slots)
{
	if (slots > ring->avail) {
		ring->avail += ring->size;
		ring->avail_flags ^= AVAIL_USED;
	}
	ring->avail -= slots;
	ring->in_flight -= slots;
}

/* ----------------------------------------------------------------- push */

static inline uint64_t
used_half(uint16_t flags, uint16_t id, uint32_t written)
{
	if (likely(written != 0))
		flags |= VRING_DESC_F_WRITE;
	return rte_cpu_to_le_64((uint64_t)flags << 48 | (uint64_t)id << 32 | written);
}

/*
 * The driver looks at the first descriptor of what was published last and finds
 * the others behind it, so only that one has to wait for publish.
 */
static inline void
use(struct rte_virtio_ring *ring, uint16_t id, uint32_t written)
{
	const uint64_t half = used_half(ring->used_flags, id, written);

	if (ring->pending == 0)
		ring->head = half;
	else
		__atomic_store_n(flags_at(ring, ring->used), half, __ATOMIC_RELAXED);
}

/* Four, one after the other; false if nothing was written to one of them. */
static inline bool
use_four(uint64_t *half, uint64_t some, const struct rte_virtio_buf *bufs,
	 const uint32_t *written)
{
	uint32_t i;

#pragma GCC unroll 4
	for (i = 0; i < 4; i++) {
		if (unlikely(written[i] == 0))
			return false;
		half[2 * i] = rte_cpu_to_le_64(some | (uint64_t)bufs[i].id << 32 | written[i]);
	}
	return true;
}

/* Up to the end of the ring. */
static void
use_run(struct rte_virtio_ring *ring, const struct rte_virtio_buf *bufs,
	const uint32_t *written, uint16_t nb)
{
	const uint64_t some = (uint64_t)(ring->used_flags | VRING_DESC_F_WRITE) << 48;
	const uint16_t flags = ring->used_flags;
	uint64_t *const half = flags_at(ring, ring->used);
	uint32_t i = 1;

	use(ring, bufs[0].id, written != NULL ? written[0] : 0);
	if (written == NULL) {
#pragma GCC unroll 4
		for (; i < nb; i++)
			half[2 * i] = used_half(flags, bufs[i].id, 0);
		return;
	}
	for (; i + 4 <= nb; i += 4)
		if (!use_four(half + 2 * i, some, &bufs[i], &written[i]))
			break;
	for (; i < nb; i++)
		half[2 * i] = used_half(flags, bufs[i].id, written[i]);
}

void
virtio_ring_packed_push(struct rte_virtio_ring *ring, uint16_t id, uint16_t slots,
			uint32_t written)
{
	use(ring, id, written);
	given(ring, slots);
}

void
virtio_ring_packed_push_burst(struct rte_virtio_ring *ring, const struct rte_virtio_buf *bufs,
			      const uint32_t *written, uint16_t nb)
{
	uint16_t part;

	if (written == NULL && ring->in_order) {
		/* at the place of the first one, with the id of the last one */
		use(ring, bufs[nb - 1].id, 0);
		given(ring, nb);
		return;
	}
	while (nb != 0) {
		part = RTE_MIN(nb, ring->size - ring->used);
		use_run(ring, bufs, written, part);
		given(ring, part);
		bufs += part;
		written = written != NULL ? written + part : NULL;
		nb -= part;
	}
}

void
virtio_ring_packed_publish(struct rte_virtio_ring *ring)
{
	__atomic_store_n(flags_at(ring, ring->published), ring->head, __ATOMIC_RELEASE);
}

/* -------------------------------------------------------- notifications */

static inline uint32_t *
suppression(uint8_t *area)
{
	return (uint32_t *)(uintptr_t)area;
}

bool
virtio_ring_packed_wants_interrupt(const struct rte_virtio_ring *ring)
{
	uint32_t event = rte_le_to_cpu_32(__atomic_load_n(suppression(ring->driver),
							  __ATOMIC_RELAXED));
	/* published is behind what was written last: of this turn, unless it is 0 */
	const uint32_t wrap = ring->used_flags >> VRING_PACKED_DESC_F_USED;
	uint16_t off;

	switch (event >> 16 & 3) {
	case VRING_PACKED_EVENT_FLAG_DISABLE:
		return false;
	case VRING_PACKED_EVENT_FLAG_DESC:
		/* past a turn, it cannot be told whether the event is behind or ahead */
		if (!ring->event_idx || ring->unsignalled > ring->size)
			return true;
		off = event & ((1u << VRING_PACKED_EVENT_F_WRAP_CTR) - 1);
		if ((event >> VRING_PACKED_EVENT_F_WRAP_CTR & 1) != wrap)
			off -= ring->size;
		return (uint16_t)(ring->published - off - 1) < ring->unsignalled;
	default:
		return true;
	}
}

void
virtio_ring_packed_notify(struct rte_virtio_ring *ring, bool enable)
{
	const uint32_t wrap = (ring->avail_flags >> VRING_PACKED_DESC_F_AVAIL) & 1;
	uint32_t event = VRING_PACKED_EVENT_FLAG_DISABLE << 16;

	if (enable && ring->event_idx)
		event = VRING_PACKED_EVENT_FLAG_DESC << 16 |
			wrap << VRING_PACKED_EVENT_F_WRAP_CTR | ring->avail;
	else if (enable)
		event = VRING_PACKED_EVENT_FLAG_ENABLE << 16;
	__atomic_store_n(suppression(ring->device), rte_cpu_to_le_32(event), __ATOMIC_RELAXED);
}

bool
virtio_ring_packed_is_available(const struct rte_virtio_ring *ring)
{
	uint64_t rest = load_flags(ring, ring->avail);

	return ring->in_flight != ring->size &&
		(rest >> 48 & AVAIL_USED) == ring->avail_flags;
}
