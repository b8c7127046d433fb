/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>

#include <rte_byteorder.h>
#include <rte_common.h>

#include "virtio_driver_ring.h"

#define HAS(drv, bit) (((drv)->features >> (bit) & 1) != 0)
#define AVAIL_FLAG (1u << VRING_PACKED_DESC_F_AVAIL)
#define USED_FLAG (1u << VRING_PACKED_DESC_F_USED)

/* A packed descriptor has the same size as a split one. */
struct desc {
	uint64_t addr;
	uint32_t len;
	uint16_t flags, next; /* packed: id, flags */
};

static uint16_t
load16(const void *p)
{
	return rte_le_to_cpu_16(__atomic_load_n((const uint16_t *)p, __ATOMIC_ACQUIRE));
}

static void
store16(void *p, uint16_t val)
{
	__atomic_store_n((uint16_t *)p, rte_cpu_to_le_16(val), __ATOMIC_RELEASE);
}

/* -------------------------------------------------------------- layout */

static int
alloc_areas(struct virtio_driver_queue *q)
{
	const uint64_t avail = q->packed ? 4 : 6 + 2 * (uint64_t)q->size;
	const uint64_t used = q->packed ? 4 : 6 + 8 * (uint64_t)q->size;

	q->desc_iova = virtio_driver_alloc(q->drv, sizeof(struct desc) * (uint64_t)q->size, 16);
	q->driver_iova = virtio_driver_alloc(q->drv, avail, 4);
	q->device_iova = virtio_driver_alloc(q->drv, used, 4);
	if (q->desc_iova == 0 || q->driver_iova == 0 || q->device_iova == 0)
		return -ENOMEM;
	q->desc = virtio_driver_va(q->drv, q->desc_iova);
	q->driver = virtio_driver_va(q->drv, q->driver_iova);
	q->device = virtio_driver_va(q->drv, q->device_iova);
	return 0;
}

int
virtio_driver_ring_init(struct virtio_driver_queue *q, struct virtio_driver *drv,
			uint16_t index, uint16_t size)
{
	uint32_t i;

	q->drv = drv;
	q->index = index;
	q->size = q->nb_free = q->ids_count = size;
	q->packed = HAS(drv, VIRTIO_F_RING_PACKED);
	q->event_idx = HAS(drv, VIRTIO_RING_F_EVENT_IDX);
	q->in_order = HAS(drv, VIRTIO_F_IN_ORDER);
	q->next_avail = q->next_used = q->ids_head = q->order_head = q->order_count = 0;
	q->avail_wrap = q->used_wrap = true;
	q->batch_end = -1;
	q->ids = calloc(size, sizeof(*q->ids));
	q->slots = calloc(size, sizeof(*q->slots));
	q->order = calloc(size, sizeof(*q->order));
	q->tables = calloc(size, sizeof(*q->tables));
	if (q->ids == NULL || q->slots == NULL || q->order == NULL || q->tables == NULL)
		return -ENOMEM;
	for (i = 0; i < size; i++)
		q->ids[i] = i;
	return alloc_areas(q);
}

void
virtio_driver_ring_fini(struct virtio_driver_queue *q)
{
	free(q->ids);
	free(q->slots);
	free(q->order);
	free(q->tables);
	q->ids = q->slots = q->order = NULL;
	q->tables = NULL;
	q->size = 0;
}

/* First in, first out: with in-order use they stay in the order of the table. */
static uint16_t
id_take(struct virtio_driver_queue *q)
{
	uint16_t id = q->ids[q->ids_head];

	q->ids_head = (q->ids_head + 1) % q->size;
	q->ids_count--;
	return id;
}

static void
id_give(struct virtio_driver_queue *q, uint16_t id)
{
	q->ids[(q->ids_head + q->ids_count) % q->size] = id;
	q->ids_count++;
}

/* --------------------------------------------------------------- adding */

static void
split_fill(struct desc *d, const struct virtio_driver_buf *buf, bool is_write, bool more,
	   uint16_t next)
{
	d->addr = rte_cpu_to_le_64(buf->iova);
	d->len = rte_cpu_to_le_32(buf->len);
	d->flags = rte_cpu_to_le_16((is_write ? VRING_DESC_F_WRITE : 0) |
				    (more ? VRING_DESC_F_NEXT : 0));
	d->next = rte_cpu_to_le_16(next);
}

/* The buffer's descriptors in a table of its own: that table as a buffer. */
static int
fill_table(struct virtio_driver_queue *q, uint16_t id, const struct virtio_driver_buf *bufs,
	   uint32_t nb_read, uint32_t nb)
{
	struct virtio_driver_buf *table = &q->tables[id];
	struct desc *d;
	uint32_t i;

	if (table->iova == 0)
		table->iova = virtio_driver_alloc(q->drv,
				VIRTIO_DRIVER_MAX_CHAIN * sizeof(struct desc), 16);
	if (table->iova == 0)
		return -ENOSPC;
	table->len = nb * sizeof(*d);
	d = virtio_driver_va(q->drv, table->iova);
	for (i = 0; i < nb; i++) {
		split_fill(&d[i], &bufs[i], i >= nb_read, i + 1 < nb, i + 1);
		if (q->packed) {
			d[i].next = d[i].flags & rte_cpu_to_le_16(VRING_DESC_F_WRITE);
			d[i].flags = 0;
		}
	}
	return 0;
}

static void
packed_fill(struct virtio_driver_queue *q, uint16_t id, const struct virtio_driver_buf *bufs,
	    uint32_t nb_read, uint32_t nb, uint16_t extra)
{
	struct desc *ring = (struct desc *)q->desc, *d;
	uint16_t head = q->next_avail, head_flags = 0, flags;
	uint32_t i;

	for (i = 0; i < nb; i++) {
		d = &ring[q->next_avail];
		flags = extra | (i >= nb_read ? VRING_DESC_F_WRITE : 0) |
			(i + 1 < nb ? VRING_DESC_F_NEXT : 0) |
			(q->avail_wrap ? AVAIL_FLAG : USED_FLAG);
		d->addr = rte_cpu_to_le_64(bufs[i].iova);
		d->len = rte_cpu_to_le_32(bufs[i].len);
		d->flags = rte_cpu_to_le_16(id);
		if (i == 0)
			head_flags = flags;
		else
			store16(&d->next, flags);
		if (++q->next_avail == q->size) {
			q->next_avail = 0;
			q->avail_wrap = !q->avail_wrap;
		}
	}
	store16(&ring[head].next, head_flags); /* shows all of them */
}

static uint16_t
split_add(struct virtio_driver_queue *q, uint16_t head, const struct virtio_driver_buf *bufs,
	  uint32_t nb_read, uint32_t nb, uint16_t extra)
{
	struct desc *ring = (struct desc *)q->desc;
	uint16_t id = head, next;
	uint32_t i;

	for (i = 0; i < nb; i++) {
		next = i + 1 < nb ? id_take(q) : 0;
		split_fill(&ring[id], &bufs[i], i >= nb_read, i + 1 < nb, next);
		ring[id].flags |= rte_cpu_to_le_16(extra);
		id = next;
	}
	store16(q->driver + 4 + 2 * (q->next_avail % q->size), head);
	store16(q->driver + 2, ++q->next_avail);
	return head;
}

int
virtio_driver_add(struct virtio_driver_queue *q, const struct virtio_driver_buf *bufs,
		  uint32_t nb_read, uint32_t nb_write, bool indirect)
{
	uint32_t nb = nb_read + nb_write;
	uint16_t id, extra = 0;

	if (nb == 0 || nb > VIRTIO_DRIVER_MAX_CHAIN || q->nb_free < (indirect ? 1 : nb) ||
	    q->ids_count == 0)
		return -ENOSPC;
	id = id_take(q);
	if (indirect) {
		if (fill_table(q, id, bufs, nb_read, nb) < 0)
			return -ENOSPC;
		bufs = &q->tables[id];
		nb_read = nb = 1;
		extra = VRING_DESC_F_INDIRECT;
	}
	q->slots[id] = nb;
	q->nb_free -= nb;
	if (q->in_order)
		q->order[(q->order_head + q->order_count++) % q->size] = id;
	if (q->packed)
		packed_fill(q, id, bufs, nb_read, nb, extra);
	else
		split_add(q, id, bufs, nb_read, nb, extra);
	return id;
}

bool
virtio_driver_wants_kick(const struct virtio_driver_queue *q)
{
	uint16_t event, flags;

	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (q->packed) {
		flags = load16(q->device + 2);
		event = load16(q->device);
		if (flags == VRING_PACKED_EVENT_FLAG_DESC) /* good enough: the next one */
			return (event & 0x7fff) == (q->next_avail + q->size - 1) % q->size;
		return flags == VRING_PACKED_EVENT_FLAG_ENABLE;
	}
	if (q->event_idx)
		return load16(q->device + 4 + 8 * q->size) == (uint16_t)(q->next_avail - 1);
	return (load16(q->device) & VRING_USED_F_NO_NOTIFY) == 0;
}

/* ----------------------------------------------------------------- used */

static uint16_t
oldest(struct virtio_driver_queue *q)
{
	uint16_t id = q->order[q->order_head];

	q->order_head = (q->order_head + 1) % q->size;
	q->order_count--;
	return id;
}

/* Of a buffer that was used: its descriptors are free again. */
static void
give_back(struct virtio_driver_queue *q, uint16_t id)
{
	const struct desc *ring = (const struct desc *)q->desc;
	uint16_t nb = q->slots[id], at = id, i;

	q->nb_free += nb;
	q->slots[id] = 0;
	if (q->packed) {
		id_give(q, id);
		return;
	}
	for (i = 0; i < nb; i++) {
		id_give(q, at);
		at = rte_le_to_cpu_16(ring[at].next);
	}
}

static int
split_used(struct virtio_driver_queue *q, uint16_t *id, uint32_t *len)
{
	const struct vring_used_elem *elem;

	if (load16(q->device + 2) == q->next_used)
		return 0;
	elem = (const struct vring_used_elem *)(q->device + 4) + q->next_used % q->size;
	*id = rte_le_to_cpu_32(elem->id);
	*len = rte_le_to_cpu_32(elem->len);
	if (q->in_order && *id != q->order[q->order_head]) {
		*id = q->order[q->order_head]; /* one entry for several buffers */
		*len = 0;
	}
	q->next_used++;
	return 1;
}

static void
packed_skip(struct virtio_driver_queue *q, uint16_t nb)
{
	q->next_used += nb;
	if (q->next_used >= q->size) {
		q->next_used -= q->size;
		q->used_wrap = !q->used_wrap;
	}
}

static int
packed_used(struct virtio_driver_queue *q, uint16_t *id, uint32_t *len)
{
	const struct desc *d = (const struct desc *)q->desc + q->next_used;
	uint16_t flags;

	if (q->batch_end < 0) {
		flags = load16(&d->next);
		if (((flags & AVAIL_FLAG) != 0) != q->used_wrap ||
		    ((flags & USED_FLAG) != 0) != q->used_wrap)
			return 0;
		*id = rte_le_to_cpu_16(d->flags);
		*len = rte_le_to_cpu_32(d->len);
		if (q->in_order && *id != q->order[q->order_head])
			q->batch_end = *id; /* one descriptor for several buffers */
	}
	if (q->batch_end >= 0) {
		*id = q->order[q->order_head];
		*len = 0;
		if (*id == q->batch_end)
			q->batch_end = -1;
	}
	if (*id < q->size)
		packed_skip(q, q->slots[*id]);
	return 1;
}

int
virtio_driver_used(struct virtio_driver_queue *q, uint16_t *id, uint32_t *len)
{
	int ret = q->packed ? packed_used(q, id, len) : split_used(q, id, len);

	if (ret == 0)
		return 0;
	if (*id >= q->size || q->slots[*id] == 0)
		return -EPROTO; /* the device made it up */
	if (q->in_order)
		oldest(q);
	give_back(q, *id);
	return 1;
}

void
virtio_driver_want_irq(struct virtio_driver_queue *q, bool wanted)
{
	if (q->packed)
		store16(q->driver + 2, wanted ? VRING_PACKED_EVENT_FLAG_ENABLE :
			VRING_PACKED_EVENT_FLAG_DISABLE);
	else if (q->event_idx)
		store16(q->driver + 4 + 2 * q->size, wanted ? q->next_used : q->next_used - 1);
	else
		store16(q->driver, wanted ? 0 : VRING_AVAIL_F_NO_INTERRUPT);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}
