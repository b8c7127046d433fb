/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#include <string.h>

#include "test.h"
#include "test_virtio_ring_driver.h"

struct driver drv;

bool
is_packed(void)
{
	return (drv.conf.features & PACKED) != 0;
}

void
begin(uint16_t size, uint64_t features)
{
	drv.conf.size = size;
	drv.conf.features = features;
	mem_place(&drv.conf);
	drv.added = 0;
	drv.looked_at = 0;
	rte_vfio_user_dma_begin(mem_reader);
}

int
start(uint16_t size, uint64_t features)
{
	begin(size, features);
	DO(rte_virtio_ring_init(&drv.ring, &drv.conf));
	return rte_virtio_ring_map(&drv.ring, mem_reader);
}

/* A descriptor of a split ring, or of a table of one. */
void
put(uint64_t table, uint32_t i, uint64_t addr, uint32_t len, uint16_t flags, uint16_t next)
{
	*((struct vring_desc *)mem_at(table) + i) =
		(struct vring_desc){ .addr = addr, .len = len, .flags = flags, .next = next };
}

void
put_packed(uint64_t table, uint32_t i, uint64_t addr, uint32_t len, uint16_t flags, uint16_t id)
{
	*((struct vring_packed_desc *)mem_at(table) + i) =
		(struct vring_packed_desc){ .addr = addr, .len = len, .id = id, .flags = flags };
}

uint16_t
turn_flags(uint32_t at)
{
	return at / drv.conf.size % 2 == 0 ? 1 << VRING_PACKED_DESC_F_AVAIL :
		1 << VRING_PACKED_DESC_F_USED;
}

/* Make a chain available that begins at a head. */
void
show(uint16_t head)
{
	struct vring_avail *avail = mem_at(drv.conf.driver);

	avail->ring[drv.added % drv.conf.size] = head;
	__atomic_store_n(&avail->idx, (uint16_t)++drv.added, __ATOMIC_RELEASE);
}

/* Make a buffer of one descriptor available, in either kind of ring. */
void
add(uint16_t id, uint64_t addr, uint32_t len, uint16_t flags)
{
	if (is_packed()) {
		put_packed(drv.conf.desc, drv.added % drv.conf.size, addr, len,
			   flags | turn_flags(drv.added), id);
		drv.added++;
		return;
	}
	put(drv.conf.desc, id, addr, len, flags, 0);
	show(id);
}

/* A chain of descriptors with these flags from position 0 or head 0 on. */
void
add_chain(const uint16_t *flags, uint32_t nb)
{
	uint32_t i;

	for (i = nb; i-- != 0;)
		if (is_packed())
			put_packed(drv.conf.desc, i, DATA + 64 * i, 10 + i,
				   flags[i] | turn_flags(0), (uint16_t)(nb - 1 - i));
		else
			put(drv.conf.desc, i, DATA + 64 * i, 10 + i, flags[i], (uint16_t)(i + 1));
	if (is_packed())
		drv.added += nb;
	else
		show(0);
}

/* The next used entry, if any. */
bool
get_used(uint16_t *id, uint32_t *len, uint32_t slots)
{
	const struct vring_packed_desc *desc;
	const struct vring_used *used;
	uint16_t turn;

	if (!is_packed()) {
		used = mem_at(drv.conf.device);
		if (__atomic_load_n(&used->idx, __ATOMIC_ACQUIRE) == (uint16_t)drv.looked_at)
			return false;
		*id = (uint16_t)used->ring[drv.looked_at % drv.conf.size].id;
		*len = used->ring[drv.looked_at++ % drv.conf.size].len;
		return true;
	}
	desc = (const struct vring_packed_desc *)mem_at(drv.conf.desc) +
		drv.looked_at % drv.conf.size;
	turn = drv.looked_at / drv.conf.size % 2 == 0;
	if ((desc->flags >> 7 & 1) != turn || (desc->flags >> 15 & 1) != turn)
		return false;
	*id = desc->id;
	*len = (desc->flags & WRITE) != 0 ? desc->len : 0;
	drv.looked_at += slots;
	return true;
}

int
pop(void)
{
	return rte_virtio_ring_pop(&drv.ring, &drv.chain, drv.segs, MAX_SEGS);
}

void
driver_teardown(void)
{
	if (mem_reader != NULL && mem_reader->seq % 2 != 0)
		rte_vfio_user_dma_end(mem_reader);
	mem_teardown();
}
