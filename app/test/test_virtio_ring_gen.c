/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#include <string.h>

#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>

#include <rte_common.h>

#include "test_virtio_ring_gen.h"
#include "test_virtio_ring_mem.h"

/* Tables lie around the border of two zones that adjoin, but not in the device. */
#define TABLES_SIZE MEM_PAGE
#define TABLES (mem_zones[MEM_APART].iova - TABLES_SIZE / 2)

/* No page of the driver is here. */
#define NOWHERE UINT64_C(0x7000000)

uint64_t
gen_random(struct gen *gen)
{
	gen->state ^= gen->state << 13;
	gen->state ^= gen->state >> 7;
	gen->state ^= gen->state << 17;
	return gen->state * UINT64_C(0x2545f4914f6cdd1d);
}

/* --------------------------------------------------------- driver's stores */

/* A thread of the device may read them at the same time. */
static void
store(uint64_t iova, uint64_t val, uint32_t nb)
{
	uint32_t i;

	for (i = 0; i < nb; i++)
		if (mem_find(iova + i) != NULL)
			__atomic_store_n((uint8_t *)mem_at(iova + i), (uint8_t)(val >> 8 * i),
					 __ATOMIC_RELAXED);
}

static uint64_t
load(uint64_t iova, uint32_t nb)
{
	uint64_t val = 0;
	uint32_t i;

	for (i = 0; i < nb; i++)
		if (mem_find(iova + i) != NULL)
			val |= (uint64_t)__atomic_load_n((uint8_t *)mem_at(iova + i),
							 __ATOMIC_RELAXED) << 8 * i;
	return val;
}

/* Fields of descriptors. */
enum { ADDR = 0, LEN = 8, FLAGS_SPLIT = 12, NEXT = 14, ID = 12, FLAGS_PACKED = 14 };

static uint64_t
desc_at(const struct gen *gen, uint32_t i)
{
	return gen->conf.desc + 16 * (uint64_t)(i % gen->conf.size);
}

static uint64_t
flags_at(const struct gen *gen, uint64_t desc)
{
	return desc + (gen->packed ? FLAGS_PACKED : FLAGS_SPLIT);
}

/* ----------------------------------------------------------- valid buffers */

static uint32_t
pick_len(struct gen *gen)
{
	if (gen_one_in(gen, gen->alike ? 64 : 16))
		return 0;
	if (gen->alike && gen_one_in(gen, 64)) /* about as long as bursts take fast */
		return 4 * MEM_PAGE - 2 + gen_below(gen, 4);
	if (gen->alike)
		return 1 + gen_below(gen, 2048);
	return 1 + gen_below(gen, gen_one_in(gen, 8) ? 2 * MEM_PAGE : 256);
}

/* In the mapped zones that adjoin, often over their borders. */
static uint64_t
pick_addr(struct gen *gen, uint32_t len)
{
	const uint64_t first = mem_zones[MEM_DATA].iova;
	const uint64_t end = mem_zones[MEM_CLOSE].iova + mem_zones[MEM_CLOSE].size;

	if (gen->alike && !gen_one_in(gen, 32))
		return first + gen_below(gen, (uint32_t)mem_zones[MEM_DATA].size - len + 1);
	if (len <= 2 * MEM_PAGE && gen_one_in(gen, 8))
		return mem_zones[gen_one_in(gen, 2) ? MEM_APART : MEM_CLOSE].iova -
			gen_below(gen, len + 1);
	return first + gen_below(gen, (uint32_t)(end - first) - len);
}

static void
put_desc(struct gen *gen, uint64_t at, uint16_t flags, uint16_t next_or_id)
{
	const uint32_t len = pick_len(gen);

	store(at + ADDR, pick_addr(gen, len), 8);
	store(at + LEN, len, 4);
	store(at + (gen->packed ? ID : NEXT), next_or_id, 2);
	store(flags_at(gen, at), flags, 2);
}

/* A table of a valid list. */
static void
put_table(struct gen *gen, uint64_t table, uint32_t nb)
{
	const uint32_t nb_read = gen_below(gen, nb + 1);
	uint32_t i;
	uint16_t flags;

	for (i = 0; i < nb; i++) {
		flags = i < nb_read ? 0 : VRING_DESC_F_WRITE;
		if (!gen->packed && i + 1 < nb)
			flags |= VRING_DESC_F_NEXT;
		put_desc(gen, table + 16 * i, flags, (uint16_t)(i + 1));
	}
}

static void
put_indirect(struct gen *gen, uint64_t at, uint16_t flags, uint64_t table, uint32_t nb)
{
	put_table(gen, table, nb);
	store(at + ADDR, table, 8);
	store(at + LEN, nb * 16, 4);
	store(flags_at(gen, at), flags | VRING_DESC_F_INDIRECT, 2);
}

/* Make a table of a descriptor, if that may be. */
static void
maybe_indirect(struct gen *gen, uint64_t at, uint16_t flags)
{
	const uint32_t nb = 1 + gen_below(gen, RTE_MIN(gen->conf.size, 8u));

	if (!gen->indirect || !gen_one_in(gen, gen->alike ? 64 : 4) ||
	    gen->table + 16 * nb + 16 > TABLES + TABLES_SIZE)
		return;
	if (gen_one_in(gen, 8))
		gen->table += gen_below(gen, 16);
	put_indirect(gen, at, flags, gen->table, nb);
	gen->table = RTE_ALIGN_CEIL(gen->table + 16 * nb, 16);
}

static uint32_t
pick_chain(struct gen *gen, uint32_t most)
{
	if (gen->alike ? !gen_one_in(gen, 64) : gen_one_in(gen, 2))
		return 1;
	return 1 + gen_below(gen, gen_one_in(gen, 8) ? most : RTE_MIN(most, 5u));
}

/* How many descriptors of a chain the device reads. */
static uint32_t
pick_read(struct gen *gen, uint32_t nb)
{
	if (gen->alike && !gen_one_in(gen, 64))
		return gen->alike_write ? 0 : nb;
	return gen_below(gen, nb + 1);
}

static void
add_split(struct gen *gen, uint16_t head)
{
	store(gen->conf.driver + 4 + 2 * (gen->next % gen->conf.size), head, 2);
	gen->next++;
}

static void
show_split(struct gen *gen)
{
	store(gen->conf.driver + 2, gen->next, 2);
}

/* Every descriptor becomes part of one chain, in random order. */
static void
fill_split(struct gen *gen)
{
	uint16_t order[GEN_MAX_SIZE];
	uint32_t i, k, nb, nb_read, size = gen->conf.size;
	uint16_t flags;

	for (i = 0; i < size; i++) {
		k = gen_below(gen, i + 1);
		order[i] = order[k];
		order[k] = (uint16_t)i;
	}
	for (i = 0; i < size; i += nb) {
		nb = pick_chain(gen, size - i);
		nb_read = pick_read(gen, nb);
		for (k = 0; k < nb; k++) {
			flags = k < nb_read ? 0 : VRING_DESC_F_WRITE;
			if (k + 1 < nb)
				flags |= VRING_DESC_F_NEXT;
			put_desc(gen, desc_at(gen, order[i + k]), flags,
				 k + 1 < nb ? order[i + k + 1] : 0);
		}
		if (nb == 1)
			maybe_indirect(gen, desc_at(gen, order[i]), 0);
		add_split(gen, order[i]);
	}
	show_split(gen);
}

static uint16_t
turn_flags(const struct gen *gen, uint32_t count)
{
	return count / gen->conf.size % 2 == 0 ? 1 << VRING_PACKED_DESC_F_AVAIL :
		1 << VRING_PACKED_DESC_F_USED;
}

static void
fill_packed(struct gen *gen)
{
	uint32_t k, nb, nb_read;
	uint16_t flags, id;

	while (gen->free != 0) {
		nb = pick_chain(gen, gen->free);
		nb_read = pick_read(gen, nb);
		id = (uint16_t)gen_below(gen, gen->conf.size);
		for (k = 0; k < nb; k++) {
			flags = turn_flags(gen, gen->next + k);
			if (k >= nb_read)
				flags |= VRING_DESC_F_WRITE;
			if (k + 1 < nb)
				flags |= VRING_DESC_F_NEXT;
			put_desc(gen, desc_at(gen, gen->next + k), flags, id);
		}
		if (nb == 1)
			maybe_indirect(gen, desc_at(gen, gen->next),
				       turn_flags(gen, gen->next));
		gen->next += nb;
		gen->free -= nb;
	}
}

void
gen_fill(struct gen *gen)
{
	if (gen->packed)
		fill_packed(gen);
	else
		fill_split(gen);
}

void
gen_again(struct gen *gen, uint16_t id, uint16_t slots)
{
	if (gen->packed) {
		gen->free += slots;
		return;
	}
	add_split(gen, id);
	show_split(gen);
}

/* ------------------------------------------------------------------ damage */

static uint64_t
pick_bad_addr(struct gen *gen)
{
	const struct mem_zone *zone = &mem_zones[MEM_DATA +
		gen_below(gen, MEM_NB_ZONES - MEM_DATA)];

	switch (gen_below(gen, 5)) {
	case 0:
		return gen_random(gen);
	case 1:
		return NOWHERE;
	case 2: /* the ring itself */
		return gen->conf.desc + gen_below(gen, 16u * gen->conf.size);
	case 3: /* around the end */
		return zone->iova + zone->size - gen_below(gen, 64);
	default:
		return zone->iova + gen_below(gen, (uint32_t)zone->size);
	}
}

static uint32_t
pick_bad_len(struct gen *gen)
{
	static const uint32_t lens[] = { 0, 1, 15, 16, 17, 0x10000, 0x7fffffff, 0x80000000,
		0xfffffff0, 0xffffffff };

	return gen_one_in(gen, 4) ? (uint32_t)gen_random(gen) :
		lens[gen_below(gen, RTE_DIM(lens))];
}

static void
damage_desc(struct gen *gen, uint64_t at)
{
	const uint64_t flags = flags_at(gen, at), other = at + (gen->packed ? ID : NEXT);

	switch (gen_below(gen, 7)) {
	case 0:
		store(at + ADDR, pick_bad_addr(gen), 8);
		break;
	case 1:
		store(at + LEN, pick_bad_len(gen), 4);
		break;
	case 2: /* a step to somewhere, or a loop */
		store(other, gen_below(gen, gen->conf.size), 2);
		store(flags, load(flags, 2) | VRING_DESC_F_NEXT, 2);
		break;
	case 3: /* often the first number that is too high */
		store(other, gen_one_in(gen, 2) ? gen->conf.size : gen_random(gen), 2);
		break;
	case 4:
		store(flags, load(flags, 2) ^ 1u << gen_below(gen, 3), 2);
		break;
	case 5:
		store(flags, gen_random(gen), 2);
		break;
	default: /* a table that may be anything */
		put_indirect(gen, at, (uint16_t)load(flags, 2),
			     TABLES + gen_below(gen, TABLES_SIZE - 256),
			     1 + gen_below(gen, 12));
		if (gen_one_in(gen, 2))
			damage_desc(gen, at);
		break;
	}
}

/* A chain as long as can be: all of the ring, or round and round. */
static void
damage_all(struct gen *gen)
{
	const bool loop = gen_one_in(gen, 2);
	const uint32_t size = gen->conf.size;
	uint64_t flags;
	uint32_t i;

	for (i = 0; i < size; i++) {
		flags = flags_at(gen, desc_at(gen, i));
		store(flags, (load(flags, 2) & ~(uint64_t)VRING_DESC_F_INDIRECT) |
		      (loop || i + 1 < size ? VRING_DESC_F_NEXT : 0), 2);
		if (!gen->packed)
			store(desc_at(gen, i) + NEXT, (i + 1) % size, 2);
	}
}

static void
damage_entries(struct gen *gen)
{
	const uint64_t entry = gen->conf.driver + 4 + 2 * gen_below(gen, gen->conf.size);

	if (gen->packed || gen_one_in(gen, 2))
		damage_all(gen);
	else
		store(entry, gen_one_in(gen, 2) ? gen_below(gen, gen->conf.size) :
		      gen_one_in(gen, 2) ? gen->conf.size : gen_random(gen), 2);
}

static void
damage_index(struct gen *gen)
{
	const uint64_t at = gen->packed ?
		flags_at(gen, desc_at(gen, gen_below(gen, gen->conf.size))) :
		gen->conf.driver + 2;

	if (gen->packed)
		store(at, load(at, 2) ^ 1u << (gen_one_in(gen, 2) ? 7 : 15), 2);
	else if (gen_one_in(gen, 2))
		store(at, gen->next + gen_below(gen, 2 * gen->conf.size + 2) -
		      gen->conf.size, 2);
	else
		store(at, gen_random(gen), 2);
}

void
gen_damage(struct gen *gen)
{
	gen->hostile = true;
	switch (gen_below(gen, 8)) {
	case 0:
		damage_index(gen);
		break;
	case 1:
		damage_entries(gen);
		break;
	case 2:
	case 3: /* of a table, if there is one */
		damage_desc(gen, TABLES + 16 * gen_below(gen, TABLES_SIZE / 32));
		break;
	default:
		damage_desc(gen, desc_at(gen, gen_below(gen, gen->conf.size)));
		break;
	}
}

void
gen_event(struct gen *gen)
{
	const uint64_t used_event = gen->conf.driver + 4 + 2u * gen->conf.size;

	if (gen->packed) {
		store(gen->conf.driver, gen_below(gen, gen->conf.size) |
		      gen_below(gen, 2) << 15, 2);
		store(gen->conf.driver + 2, gen_below(gen, 4), 2);
		return;
	}
	store(gen->conf.driver, gen_below(gen, 2), 2);
	if ((gen->conf.features >> VIRTIO_RING_F_EVENT_IDX & 1) != 0)
		store(used_event, gen->next - gen_below(gen, 2u * gen->conf.size), 2);
}

/* ------------------------------------------------------------------- start */

static uint16_t
pick_size(struct gen *gen)
{
	const bool large = gen_one_in(gen, 256);

	if (!gen->packed)
		return (uint16_t)(1u << gen_below(gen, large ? 11 : 5));
	return (uint16_t)(1 + gen_below(gen, large ? GEN_MAX_SIZE : 20));
}

void
gen_start(struct gen *gen, uint64_t seed)
{
	static const unsigned int features[] = { VIRTIO_F_RING_PACKED, VIRTIO_F_IN_ORDER,
		VIRTIO_RING_F_INDIRECT_DESC, VIRTIO_RING_F_EVENT_IDX };
	unsigned int i;

	memset(gen, 0, sizeof(*gen));
	/* neighbouring seeds shall differ in all bits */
	gen->state = (seed + 1) * UINT64_C(0x9e3779b97f4a7c15);
	for (i = 0; i < RTE_DIM(features); i++)
		gen->conf.features |= (uint64_t)gen_below(gen, 2) << features[i];
	gen->packed = (gen->conf.features >> VIRTIO_F_RING_PACKED & 1) != 0;
	gen->indirect = (gen->conf.features >> VIRTIO_RING_F_INDIRECT_DESC & 1) != 0;
	gen->conf.size = pick_size(gen);
	gen->alike = gen_one_in(gen, 3);
	gen->alike_write = gen_one_in(gen, 2);
	gen->any_cpu = gen_one_in(gen, 2);
	gen->free = gen->conf.size;
	mem_place(&gen->conf);
	memset(mem_at(TABLES), 0, TABLES_SIZE / 2);
	memset(mem_at(TABLES + TABLES_SIZE / 2), 0, TABLES_SIZE / 2);
	gen->table = TABLES + TABLES_SIZE / 2 - gen_below(gen, 256);
}

void
gen_begin_at(struct gen *gen, uint32_t count)
{
	uint32_t i;

	gen->next = count;
	if (!gen->packed) {
		store(gen->conf.driver + 2, count, 2);
		store(gen->conf.device + 2, count, 2);
		return;
	}
	/* each descriptor was used by the device in the last turn that came to it */
	for (i = 0; i < gen->conf.size && i < count; i++)
		store(flags_at(gen, desc_at(gen, count - 1 - i)),
		      turn_flags(gen, count - 1 - i) == 1 << VRING_PACKED_DESC_F_AVAIL ?
		      1 << VRING_PACKED_DESC_F_AVAIL | 1 << VRING_PACKED_DESC_F_USED : 0, 2);
}
