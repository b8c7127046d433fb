/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "virtio_ring.h"

#define HAS(features, bit) (((features) >> (bit) & 1) != 0)

enum { DESC, DRIVER, DEVICE, NB_AREAS };

static void
set_area(struct rte_virtio_ring *ring, unsigned int i, uint64_t iova, uint32_t len,
	 uint16_t align, uint16_t prot)
{
	ring->area[i].iova = iova;
	ring->area[i].len = len;
	ring->area[i].align = align;
	ring->area[i].prot = prot;
}

static void
set_areas(struct rte_virtio_ring *ring, const struct rte_virtio_ring_conf *conf)
{
	const uint32_t size = conf->size, event = ring->event_idx ? sizeof(uint16_t) : 0;
	const uint32_t suppression = sizeof(struct vring_packed_desc_event);

	set_area(ring, DESC, conf->desc, size * VIRTIO_RING_DESC_SIZE, VIRTIO_RING_DESC_SIZE,
		 ring->packed ? PROT_READ | PROT_WRITE : PROT_READ);
	if (ring->packed) {
		set_area(ring, DRIVER, conf->driver, suppression, 4, PROT_READ);
		set_area(ring, DEVICE, conf->device, suppression, 4, PROT_WRITE);
		return;
	}
	set_area(ring, DRIVER, conf->driver,
		 VIRTIO_RING_ENTRIES + size * (uint32_t)sizeof(uint16_t) + event, 2, PROT_READ);
	set_area(ring, DEVICE, conf->device,
		 VIRTIO_RING_ENTRIES + size * (uint32_t)sizeof(struct vring_used_elem) + event,
		 4, PROT_WRITE);
}

static bool
is_valid(const struct rte_virtio_ring_conf *conf)
{
	if (conf->size == 0 || conf->size > RTE_VIRTIO_RING_MAX_SIZE)
		return false;
	return HAS(conf->features, VIRTIO_F_RING_PACKED) ||
		(conf->size & (conf->size - 1)) == 0;
}

int
rte_virtio_ring_init(struct rte_virtio_ring *ring, const struct rte_virtio_ring_conf *conf)
{
	unsigned int i;

	if (ring == NULL || conf == NULL || !is_valid(conf))
		return -EINVAL;
	memset(ring, 0, sizeof(*ring));
	ring->size = conf->size;
	ring->mask = conf->size - 1;
	ring->packed = HAS(conf->features, VIRTIO_F_RING_PACKED);
	ring->in_order = HAS(conf->features, VIRTIO_F_IN_ORDER);
	ring->indirect = HAS(conf->features, VIRTIO_RING_F_INDIRECT_DESC);
	ring->event_idx = HAS(conf->features, VIRTIO_RING_F_EVENT_IDX);
	ring->run = virtio_ring_run_choose(ring->packed);
	ring->avail_flags = 1 << VRING_PACKED_DESC_F_AVAIL;
	ring->used_flags = 1 << VRING_PACKED_DESC_F_AVAIL | 1 << VRING_PACKED_DESC_F_USED;
	set_areas(ring, conf);
	for (i = 0; i < NB_AREAS; i++)
		if (ring->area[i].iova % ring->area[i].align != 0 ||
		    ring->area[i].iova + (ring->area[i].len - 1) < ring->area[i].iova)
			return -EINVAL;
	return 0;
}

/* ---------------------------------------------------------------- areas */

/* An area over several mappings, as a guest's IOMMU makes them page by page. */
static __rte_noinline uint8_t *
map_pieces(const struct rte_virtio_ring *ring, unsigned int i)
{
	struct rte_vfio_user_dma_info info;
	uint64_t iova = ring->area[i].iova, left = ring->area[i].len, nb;
	uint8_t *start = NULL, *next = NULL, *va;

	for (; left != 0; iova += nb, left -= nb) {
		if (rte_vfio_user_dma_next(ring->reader, iova, &info) < 0 || info.iova > iova)
			return NULL;
		nb = RTE_MIN(left, info.size - (iova - info.iova));
		va = rte_vfio_user_dma_va(ring->reader, iova, nb, ring->area[i].prot);
		if (va == NULL || (next != NULL && va != next))
			return NULL;
		if (start == NULL)
			start = va;
		next = va + nb;
	}
	return start;
}

static inline uint8_t *
map_area(const struct rte_virtio_ring *ring, unsigned int i)
{
	uint8_t *va = rte_vfio_user_dma_va(ring->reader, ring->area[i].iova,
					   ring->area[i].len, ring->area[i].prot);

	if (unlikely(va == NULL))
		va = map_pieces(ring, i);
	return ((uintptr_t)va & (ring->area[i].align - 1u)) == 0 ? va : NULL;
}

int
rte_virtio_ring_map(struct rte_virtio_ring *ring, struct rte_vfio_user_dma_reader *reader)
{
	ring->reader = reader;
	ring->desc = map_area(ring, DESC);
	ring->driver = map_area(ring, DRIVER);
	ring->device = map_area(ring, DEVICE);
	if (unlikely(ring->desc == NULL || ring->driver == NULL || ring->device == NULL))
		return -EFAULT;
	return 0;
}

/* -------------------------------------------------------------- buffers */

static int
pop(struct rte_virtio_ring *ring, struct rte_virtio_chain *chain, struct rte_virtio_seg *segs,
    uint16_t max_segs)
{
	struct virtio_ring_walk walk = { .ring = ring, .chain = chain, .max_segs = max_segs };

	*chain = (struct rte_virtio_chain){ .segs = segs };
	return ring->packed ? virtio_ring_packed_pop(ring, &walk) :
		virtio_ring_split_pop(ring, &walk);
}

int
rte_virtio_ring_pop(struct rte_virtio_ring *ring, struct rte_virtio_chain *chain,
		    struct rte_virtio_seg *segs, uint16_t max_segs)
{
	struct rte_virtio_chain found;
	int ret;

	if (unlikely(ring->broken != 0))
		return ring->broken;
	ret = pop(ring, &found, segs, max_segs);
	/* a driver behind an IOMMU maps a buffer right before it offers it */
	if (unlikely(ret == -EFAULT) && rte_vfio_user_dma_refresh(ring->reader))
		ret = pop(ring, &found, segs, max_segs);
	if (ret > 0)
		*chain = found;
	if (ret >= 0)
		ring->odd = false;
	else if (ret != -ENOSPC)
		ring->broken = ret;
	return ret;
}

int
rte_virtio_ring_pop_burst(struct rte_virtio_ring *ring, struct rte_virtio_buf *bufs,
			  uint16_t nb)
{
	int ret;

	if (unlikely(ring->broken != 0))
		return ring->broken;
	ring->odd = false;
	ret = ring->packed ? virtio_ring_packed_pop_burst(ring, bufs, nb) :
		virtio_ring_split_pop_burst(ring, bufs, nb);
	if (unlikely(ret < 0))
		ring->broken = ret;
	return ret;
}

void
rte_virtio_ring_rewind(struct rte_virtio_ring *ring, uint16_t slots)
{
	slots = RTE_MIN(slots, ring->in_flight);
	if (ring->packed)
		virtio_ring_packed_rewind(ring, slots);
	else
		virtio_ring_split_rewind(ring, slots);
}

void
rte_virtio_ring_push(struct rte_virtio_ring *ring, uint16_t id, uint16_t slots,
		     uint32_t written)
{
	if (unlikely(slots == 0 || slots > ring->in_flight))
		return;
	if (ring->packed)
		virtio_ring_packed_push(ring, id, slots, written);
	else
		virtio_ring_split_push(ring, id, written);
}

void
rte_virtio_ring_push_burst(struct rte_virtio_ring *ring, const struct rte_virtio_buf *bufs,
			   const uint32_t *written, uint16_t nb)
{
	nb = RTE_MIN(nb, ring->in_flight);
	if (nb == 0)
		return;
	if (ring->packed)
		virtio_ring_packed_push_burst(ring, bufs, written, nb);
	else
		virtio_ring_split_push_burst(ring, bufs, written, nb);
}

void
rte_virtio_ring_publish(struct rte_virtio_ring *ring)
{
	if (ring->pending == 0)
		return;
	if (ring->packed)
		virtio_ring_packed_publish(ring);
	else
		virtio_ring_split_publish(ring);
	/* past 65535 each index was passed: more makes no difference, nor may it wrap */
	ring->unsignalled = RTE_MIN(ring->unsignalled + ring->pending, UINT32_C(1) << 16);
	ring->published = ring->used;
	ring->pending = 0;
}

/* -------------------------------------------------------- notifications */

bool
rte_virtio_ring_wants_interrupt(struct rte_virtio_ring *ring)
{
	bool wanted;

	if (ring->unsignalled == 0)
		return false;
	/*
	 * The driver says what it wants, then looks for used entries; here it is
	 * the other way round. One of both sees what the other one wrote.
	 */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	wanted = ring->packed ? virtio_ring_packed_wants_interrupt(ring) :
		virtio_ring_split_wants_interrupt(ring);
	ring->unsignalled = 0;
	return wanted;
}

static void
notify(struct rte_virtio_ring *ring, bool enable)
{
	if (ring->packed)
		virtio_ring_packed_notify(ring, enable);
	else
		virtio_ring_split_notify(ring, enable);
	ring->notify_off = !enable;
}

void
rte_virtio_ring_notify_disable(struct rte_virtio_ring *ring)
{
	if (!ring->notify_off)
		notify(ring, false);
}

bool
rte_virtio_ring_notify_enable(struct rte_virtio_ring *ring)
{
	notify(ring, true);
	/* as in rte_virtio_ring_wants_interrupt(), for the other direction */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return ring->packed ? virtio_ring_packed_is_available(ring) :
		virtio_ring_split_is_available(ring);
}
