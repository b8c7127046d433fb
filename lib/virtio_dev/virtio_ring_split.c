/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#include <errno.h>

#include "virtio_ring.h"

static inline uint16_t
entry(const struct rte_virtio_ring *ring, uint16_t index)
{
	return virtio_ring_load16(ring->driver + VIRTIO_RING_ENTRIES +
				  sizeof(uint16_t) * (index & ring->mask));
}

static inline const uint8_t *
desc_at(const struct rte_virtio_ring *ring, uint16_t index)
{
	return ring->desc + VIRTIO_RING_DESC_SIZE * (size_t)index;
}

/* Read the driver's index; entries up to it may be read then. */
static inline int
look(struct rte_virtio_ring *ring)
{
	const uint16_t *idx = (const uint16_t *)(uintptr_t)(ring->driver + VIRTIO_RING_IDX);
	uint16_t end = rte_le_to_cpu_16(__atomic_load_n(idx, __ATOMIC_ACQUIRE));

	if (unlikely((uint16_t)(end - ring->avail) > ring->size - ring->in_flight))
		return -EPROTO;
	ring->avail_end = end;
	return 0;
}

static inline void
taken(struct rte_virtio_ring *ring, uint16_t nb)
{
	ring->avail += nb;
	ring->in_flight += nb;
}

/* ------------------------------------------------------------------ pop */

static int
walk_chain(const struct rte_virtio_ring *ring, struct virtio_ring_walk *walk, uint16_t head)
{
	struct virtio_ring_desc desc = { .next = head };
	const uint8_t *at;
	int ret;

	do {
		if (desc.next >= ring->size)
			return -EPROTO;
		at = desc_at(ring, desc.next);
		virtio_ring_desc_split(&desc, virtio_ring_half(at, 0), virtio_ring_half(at, 1));
		if ((desc.flags & VRING_DESC_F_INDIRECT) != 0)
			return virtio_ring_walk_table(walk, &desc);
		ret = virtio_ring_walk_add(walk, &desc);
		if (ret < 0)
			return ret;
	} while ((desc.flags & VRING_DESC_F_NEXT) != 0);
	return 0;
}

int
virtio_ring_split_pop(struct rte_virtio_ring *ring, struct virtio_ring_walk *walk)
{
	uint16_t head;
	int ret;

	if (ring->avail == ring->avail_end) {
		ret = look(ring);
		if (ret < 0 || ring->avail == ring->avail_end)
			return ret;
	}
	head = entry(ring, ring->avail);
	walk->max_descs = ring->size;
	ret = walk_chain(ring, walk, head);
	if (ret < 0)
		return ret;
	walk->chain->id = head;
	walk->chain->slots = 1;
	taken(ring, 1);
	return 1;
}

/* The first buffer of a run, or false if it is odd. Finds its mapping. */
static bool
take_first(struct rte_virtio_ring *ring, uint16_t avail, struct rte_virtio_buf *buf)
{
	const uint16_t head = entry(ring, avail);
	struct virtio_ring_desc desc;

	if (head >= ring->size)
		return false;
	virtio_ring_desc_split(&desc, virtio_ring_half(desc_at(ring, head), 0),
			       virtio_ring_half(desc_at(ring, head), 1));
	return virtio_ring_take_first(ring, buf, &desc, head);
}

int
virtio_ring_split_pop_burst(struct rte_virtio_ring *ring, struct rte_virtio_buf *bufs,
			    uint16_t nb)
{
	uint16_t done = 0;
	int ret;

	if ((uint16_t)(ring->avail_end - ring->avail) < nb) {
		ret = look(ring);
		if (unlikely(ret < 0))
			return ret;
		nb = RTE_MIN(nb, (uint16_t)(ring->avail_end - ring->avail));
	}
	/* most are like the last one of the burst before, in the mapping of the ring */
	for (;;) {
		done += ring->run(ring, ring->avail + done, &bufs[done], nb - done);
		if (done == nb)
			break;
		if (unlikely(!take_first(ring, ring->avail + done, &bufs[done]))) {
			ring->odd = true;
			break;
		}
		done++;
	}
	taken(ring, done);
	return done;
}

void
virtio_ring_split_rewind(struct rte_virtio_ring *ring, uint16_t slots)
{
	ring->avail -= slots;
	ring->in_flight -= slots;
}

/* ----------------------------------------------------------------- push */

#define ELEM_SIZE sizeof(struct vring_used_elem)

static inline uint8_t *
used_elem(uint8_t *ring, uint32_t index)
{
	return ring + VIRTIO_RING_ENTRIES + ELEM_SIZE * (size_t)index;
}

/* Both fields at once: the driver looks at neither before publish. */
static inline void
use(uint8_t *elem, uint16_t id, uint32_t written)
{
	const uint64_t both = rte_cpu_to_le_64(id | (uint64_t)written << 32);

	RTE_BUILD_BUG_ON(sizeof(both) != ELEM_SIZE);
	memcpy(elem, &both, sizeof(both));
}

static inline void
given(struct rte_virtio_ring *ring, uint16_t nb)
{
	ring->used += nb;
	ring->pending += nb;
	ring->in_flight -= nb;
}

void
virtio_ring_split_push(struct rte_virtio_ring *ring, uint16_t id, uint32_t written)
{
	use(used_elem(ring->device, ring->used & ring->mask), id, written);
	given(ring, 1);
}

/* Up to the end of the ring. */
static void
use_run(const struct rte_virtio_ring *ring, const struct rte_virtio_buf *bufs,
	const uint32_t *written, uint32_t nb)
{
	uint8_t *elem = used_elem(ring->device, ring->used & ring->mask);
	const struct rte_virtio_buf *const end = bufs + nb;

	if (written != NULL) {
		for (; end - bufs >= 4; bufs += 4, written += 4, elem += 4 * ELEM_SIZE) {
			use(elem, bufs[0].id, written[0]);
			use(elem + ELEM_SIZE, bufs[1].id, written[1]);
			use(elem + 2 * ELEM_SIZE, bufs[2].id, written[2]);
			use(elem + 3 * ELEM_SIZE, bufs[3].id, written[3]);
		}
		for (; bufs != end; bufs++, written++, elem += ELEM_SIZE)
			use(elem, bufs->id, *written);
	} else {
#pragma GCC unroll 4
		for (; bufs != end; bufs++, elem += ELEM_SIZE)
			use(elem, bufs->id, 0);
	}
}

void
virtio_ring_split_push_burst(struct rte_virtio_ring *ring, const struct rte_virtio_buf *bufs,
			     const uint32_t *written, uint16_t nb)
{
	uint16_t part;

	if (written == NULL && ring->in_order) {
		/* at the place of the first one, with the id of the last one */
		use(used_elem(ring->device, ring->used & ring->mask), bufs[nb - 1].id, 0);
		given(ring, nb);
		return;
	}
	while (nb != 0) {
		part = RTE_MIN(nb, ring->size - (ring->used & ring->mask));
		use_run(ring, bufs, written, part);
		given(ring, part);
		bufs += part;
		written = written != NULL ? written + part : NULL;
		nb -= part;
	}
}

void
virtio_ring_split_publish(struct rte_virtio_ring *ring)
{
	uint16_t *idx = (uint16_t *)(uintptr_t)(ring->device + VIRTIO_RING_IDX);

	__atomic_store_n(idx, rte_cpu_to_le_16(ring->used), __ATOMIC_RELEASE);
}

/* -------------------------------------------------------- notifications */

bool
virtio_ring_split_wants_interrupt(const struct rte_virtio_ring *ring)
{
	uint16_t event;

	if (!ring->event_idx)
		return (virtio_ring_load16(ring->driver) & VRING_AVAIL_F_NO_INTERRUPT) == 0;
	event = virtio_ring_load16(ring->driver + VIRTIO_RING_ENTRIES +
				   sizeof(uint16_t) * ring->size);
	return (uint16_t)(ring->published - event - 1) < ring->unsignalled;
}

void
virtio_ring_split_notify(struct rte_virtio_ring *ring, bool enable)
{
	if (!ring->event_idx)
		virtio_ring_store16(ring->device, enable ? 0 : VRING_USED_F_NO_NOTIFY);
	else if (enable) /* else it stays where the driver has passed it */
		virtio_ring_store16(ring->device + VIRTIO_RING_ENTRIES +
				    sizeof(struct vring_used_elem) * ring->size, ring->avail);
}

bool
virtio_ring_split_is_available(const struct rte_virtio_ring *ring)
{
	return virtio_ring_load16(ring->driver + VIRTIO_RING_IDX) != ring->avail;
}
