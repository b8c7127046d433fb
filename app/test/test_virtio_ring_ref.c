/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>

#include "test_virtio_ring_mem.h"
#include "test_virtio_ring_ref.h"

#define FOUR_GIB (UINT64_C(1) << 32)
#define MAX_ITEMS 2050u

/* Both kinds, with the field that only one of them has. */
struct item {
	uint64_t addr;
	uint32_t len;
	bool write, next_flag, indirect;
	uint16_t next, id;
};

/* The descriptors of a buffer, and what is wrong behind the last one. */
struct list {
	uint32_t nb;
	uint32_t end_errors;
	uint32_t limit;
	bool table; /* some are in one */
	struct item item[MAX_ITEMS];
};

bool
ref_has(const struct ref_ring *ring, unsigned int feature)
{
	return (ring->conf.features >> feature & 1) != 0;
}

uint32_t
ref_error(int ret)
{
	switch (ret) {
	case -EPROTO: return REF_PROTO;
	case -E2BIG: return REF_2BIG;
	case -EOVERFLOW: return REF_OVERFLOW;
	case -EFAULT: return REF_FAULT;
	case -ENOSPC: return REF_NOSPC;
	default: return 0;
	}
}

static bool
may(const struct mem_zone *zone, uint32_t prot)
{
	return zone != NULL && zone->mmap && (zone->prot & prot) == prot;
}

/* Byte by byte, wherever they are. */
static bool
fetch(const struct ref_ring *ring, uint64_t iova, struct item *item)
{
	union {
		uint8_t byte[16];
		struct vring_desc split;
		struct vring_packed_desc packed;
	} raw;
	uint16_t flags;
	uint32_t i;

	for (i = 0; i < 16; i++) {
		if (!may(mem_find(iova + i), PROT_READ))
			return false;
		raw.byte[i] = *(const uint8_t *)mem_at(iova + i);
	}
	memset(item, 0, sizeof(*item));
	item->addr = raw.split.addr;
	item->len = raw.split.len;
	if (ref_has(ring, VIRTIO_F_RING_PACKED)) {
		flags = raw.packed.flags;
		item->id = raw.packed.id;
	} else {
		flags = raw.split.flags;
		item->next = raw.split.next;
	}
	item->write = (flags & VRING_DESC_F_WRITE) != 0;
	item->next_flag = (flags & VRING_DESC_F_NEXT) != 0;
	item->indirect = (flags & VRING_DESC_F_INDIRECT) != 0;
	return true;
}

static void
collect_table(const struct ref_ring *ring, const struct item *table, struct list *list)
{
	const bool packed = ref_has(ring, VIRTIO_F_RING_PACKED);
	const uint32_t nb = table->len / 16;
	struct item *item;
	uint64_t i = 0;

	list->table = true;
	if (!ref_has(ring, VIRTIO_RING_F_INDIRECT_DESC) || table->next_flag ||
	    table->len % 16 != 0 || nb == 0 || nb > 32768)
		list->end_errors |= REF_PROTO;
	if (table->len != 0 && table->addr > UINT64_MAX - (table->len - 1))
		list->end_errors |= REF_OVERFLOW;
	while (list->end_errors == 0 && list->nb <= list->limit) {
		if (packed && i == nb)
			return;
		item = &list->item[list->nb];
		if (i >= nb)
			list->end_errors = REF_PROTO;
		else if (!fetch(ring, table->addr + i * 16, item))
			list->end_errors = REF_FAULT;
		else if (item->indirect)
			list->end_errors = REF_PROTO;
		else
			list->nb++;
		if (!packed && list->end_errors == 0 && !item->next_flag)
			return;
		i = packed ? i + 1 : item->next;
	}
}

static void
collect_split(const struct ref_ring *ring, uint16_t head, struct list *list)
{
	uint32_t i = head;
	struct item *item;

	list->limit = ring->conf.size;
	for (; list->nb <= list->limit; i = item->next) {
		item = &list->item[list->nb];
		if (i >= ring->conf.size) {
			list->end_errors = REF_PROTO;
			return;
		}
		fetch(ring, ring->conf.desc + 16 * i, item);
		if (item->indirect) {
			collect_table(ring, &(struct item){ item->addr, item->len,
				.next_flag = item->next_flag }, list);
			return;
		}
		list->nb++;
		if (!item->next_flag)
			return;
	}
}

/* Sets id and slots, too. */
static void
collect_packed(const struct ref_ring *ring, struct ref_buffer *buffer, struct list *list)
{
	struct item item;
	uint32_t i;

	list->limit = ring->conf.size - ring->in_flight;
	for (i = 0; list->nb <= list->limit; i++) {
		fetch(ring, ring->conf.desc + (ring->avail + i) % ring->conf.size * 16, &item);
		if (item.indirect && i != 0) {
			list->end_errors = REF_PROTO;
			return;
		}
		if (item.indirect) {
			list->limit = ring->conf.size;
			collect_table(ring, &item, list);
			break;
		}
		list->item[list->nb++] = item;
		if (!item.next_flag)
			break;
	}
	if (list->end_errors == 0 && item.id >= ring->conf.size)
		list->end_errors = REF_PROTO;
	buffer->id = item.id;
	buffer->slots = i + 1;
}

/* Where memory is: its pieces, or what is wrong with it. */
static uint32_t
place_item(const struct item *item, uint32_t max_segs, struct ref_buffer *buffer)
{
	uint64_t iova = item->addr, left = item->len, nb;
	uint32_t errors = 0, nb_segs;
	const struct mem_zone *zone;

	while (left != 0) {
		zone = mem_find(iova);
		if (!may(zone, item->write ? PROT_WRITE : PROT_READ))
			return errors | REF_FAULT;
		nb_segs = buffer->nb_read + buffer->nb_write;
		if (nb_segs >= max_segs)
			errors |= REF_NOSPC;
		nb = zone->iova + (zone->size - 1) - iova + 1;
		nb = RTE_MIN(nb, left);
		if (errors == 0) {
			buffer->segs[nb_segs].va = zone->device + (iova - zone->iova);
			buffer->segs[nb_segs].iova = iova;
			buffer->segs[nb_segs].len = (uint32_t)nb;
			*(item->write ? &buffer->nb_write : &buffer->nb_read) += 1;
		}
		iova += nb;
		left -= nb;
	}
	return errors;
}

static void
judge(const struct list *list, uint32_t max_segs, struct ref_buffer *buffer)
{
	const struct item *item;
	uint32_t i, errors;

	for (i = 0; i < list->nb && buffer->errors == 0; i++) {
		item = &list->item[i];
		errors = i >= list->limit ? REF_2BIG : 0;
		if (i > 0 && item[-1].write && !item->write)
			errors |= REF_PROTO;
		*(item->write ? &buffer->write_len : &buffer->read_len) += item->len;
		if (buffer->write_len + buffer->read_len >= FOUR_GIB)
			errors |= REF_OVERFLOW;
		if (item->len != 0 && item->addr > UINT64_MAX - (item->len - 1))
			errors |= REF_OVERFLOW;
		else
			errors |= place_item(item, max_segs, buffer);
		buffer->errors = errors;
	}
	if (buffer->errors == 0)
		buffer->errors = list->end_errors;
}

static uint16_t
field(uint64_t iova)
{
	uint16_t val;

	memcpy(&val, mem_at(iova), sizeof(val));
	return val;
}

static uint16_t
driver_index(const struct ref_ring *ring)
{
	return ring->seen != (uint16_t)ring->avail ? ring->seen : field(ring->conf.driver + 2);
}

bool
ref_is_available(const struct ref_ring *ring)
{
	const bool odd_turn = ring->avail / ring->conf.size % 2 != 0;
	uint16_t flags;

	if (!ref_has(ring, VIRTIO_F_RING_PACKED))
		return driver_index(ring) != (uint16_t)ring->avail;
	flags = field(ring->conf.desc + 16 * (ring->avail % ring->conf.size) + 14);
	return ring->in_flight < ring->conf.size && (flags >> 7 & 1) == !odd_turn &&
		(flags >> 15 & 1) == odd_turn;
}

void
ref_pop(const struct ref_ring *ring, uint32_t max_segs, struct ref_buffer *buffer)
{
	static struct list list;
	uint16_t nb;

	memset(buffer, 0, offsetof(struct ref_buffer, segs));
	list.nb = 0;
	list.end_errors = 0;
	list.table = false;
	buffer->none = !ref_is_available(ring);
	if (buffer->none)
		return;
	if (ref_has(ring, VIRTIO_F_RING_PACKED)) {
		collect_packed(ring, buffer, &list);
	} else {
		nb = driver_index(ring) - (uint16_t)ring->avail;
		if (nb > ring->conf.size - ring->in_flight) {
			buffer->errors = REF_PROTO;
			return;
		}
		buffer->id = field(ring->conf.driver + 4 +
				   2 * (ring->avail % ring->conf.size));
		buffer->slots = 1;
		collect_split(ring, buffer->id, &list);
	}
	judge(&list, max_segs, buffer);
	buffer->plain = buffer->errors == 0 && list.nb == 1 && !list.table &&
		buffer->nb_read + buffer->nb_write == 1;
}

void
ref_taken(struct ref_ring *ring, uint32_t slots)
{
	ring->avail += slots;
	ring->in_flight += slots;
}
