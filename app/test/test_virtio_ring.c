/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

/* What a ring may hold and what it may not, rule by rule. */

#include <errno.h>
#include <string.h>

#include <rte_vect.h>

#include "test.h"
#include "test_virtio_ring_driver.h"

/* It breaks, says so again, and does nothing any more. */
static int
breaks(int error)
{
	struct rte_virtio_buf buf;
	int ret = pop();

	TEST_ASSERT(ret == error, "%d instead of %d", ret, error);
	TEST_ASSERT_EQUAL(pop(), error, "mended");
	TEST_ASSERT_EQUAL(rte_virtio_ring_pop_burst(&drv.ring, &buf, 1), error, "mended");
	TEST_ASSERT_EQUAL(rte_virtio_ring_broken(&drv.ring), error, "mended");
	rte_virtio_ring_break(&drv.ring, -EIO);
	TEST_ASSERT_EQUAL(rte_virtio_ring_broken(&drv.ring), error, "the first error stays");
	DO(rte_virtio_ring_init(&drv.ring, &drv.conf));
	TEST_ASSERT_SUCCESS(rte_virtio_ring_broken(&drv.ring), "begun again");
	return 0;
}

#define BREAKS(error) do { \
	if (breaks(error) < 0) \
		TEST_ASSERT(false, "called here"); \
} while (0)

/* ------------------------------------------------------------- init and map */

static int
test_init(void)
{
	begin(SIZE, 0);
	DO(rte_virtio_ring_init(&drv.ring, &drv.conf));
	TEST_ASSERT_EQUAL(rte_virtio_ring_init(NULL, &drv.conf), -EINVAL, "no ring");
	TEST_ASSERT_EQUAL(rte_virtio_ring_init(&drv.ring, NULL), -EINVAL, "no conf");
	drv.conf.size = 0;
	TEST_ASSERT_EQUAL(rte_virtio_ring_init(&drv.ring, &drv.conf), -EINVAL, "size 0");
	drv.conf.size = 12;
	TEST_ASSERT_EQUAL(rte_virtio_ring_init(&drv.ring, &drv.conf), -EINVAL, "not a power of 2");
	drv.conf.features = PACKED;
	drv.conf.driver &= ~UINT64_C(3);
	DO(rte_virtio_ring_init(&drv.ring, &drv.conf));
	drv.conf.size = 32769;
	TEST_ASSERT_EQUAL(rte_virtio_ring_init(&drv.ring, &drv.conf), -EINVAL, "too large");
	drv.conf.size = 32768;
	DO(rte_virtio_ring_init(&drv.ring, &drv.conf));
	drv.conf.driver += 2;
	TEST_ASSERT_EQUAL(rte_virtio_ring_init(&drv.ring, &drv.conf), -EINVAL, "packed, driver");
	drv.conf.features = 0;
	DO(rte_virtio_ring_init(&drv.ring, &drv.conf));
	drv.conf.driver++;
	TEST_ASSERT_EQUAL(rte_virtio_ring_init(&drv.ring, &drv.conf), -EINVAL, "split, driver");
	drv.conf.driver--;
	drv.conf.device += 2;
	TEST_ASSERT_EQUAL(rte_virtio_ring_init(&drv.ring, &drv.conf), -EINVAL, "device");
	drv.conf.device -= 2;
	drv.conf.desc += 8;
	TEST_ASSERT_EQUAL(rte_virtio_ring_init(&drv.ring, &drv.conf), -EINVAL, "desc");
	drv.conf.desc = -UINT64_C(16) * drv.conf.size;
	DO(rte_virtio_ring_init(&drv.ring, &drv.conf));
	drv.conf.desc += 16;
	TEST_ASSERT_EQUAL(rte_virtio_ring_init(&drv.ring, &drv.conf), -EINVAL, "beyond the end");
	return TEST_SUCCESS;
}

static int
map_at(uint64_t desc, uint64_t driver, uint64_t device)
{
	drv.conf.desc = desc;
	drv.conf.driver = driver;
	drv.conf.device = device;
	DO(rte_virtio_ring_init(&drv.ring, &drv.conf));
	return rte_virtio_ring_map(&drv.ring, mem_reader);
}

static int
test_map(void)
{
	const uint64_t read_only = mem_zones[MEM_READ_ONLY].iova;
	const uint64_t write_only = mem_zones[MEM_WRITE_ONLY].iova;

	begin(SIZE, 0);
	DO(map_at(DATA, DATA, DATA));
	DO(map_at(read_only, read_only, write_only));
	TEST_ASSERT_EQUAL(map_at(0, DATA, DATA), -EFAULT, "not mapped");
	TEST_ASSERT_EQUAL(map_at(write_only, DATA, DATA), -EFAULT, "not readable");
	TEST_ASSERT_EQUAL(map_at(DATA, write_only, DATA), -EFAULT, "not readable");
	TEST_ASSERT_EQUAL(map_at(DATA, DATA, read_only), -EFAULT, "not writable");
	TEST_ASSERT_EQUAL(map_at(mem_zones[MEM_NO_MMAP].iova, DATA, DATA), -EFAULT, "no mmap");
	/* these adjoin for the device and for the driver, others for the driver only */
	DO(map_at(mem_zones[MEM_CLOSE].iova - 16, DATA, mem_zones[MEM_CLOSE].iova - 4));
	TEST_ASSERT_EQUAL(map_at(APART - 16, DATA, DATA), -EFAULT, "in two places");
	TEST_ASSERT_EQUAL(map_at(mem_zones[MEM_NO_MMAP].iova + MEM_PAGE - 16, DATA, DATA),
			  -EFAULT, "ends too early");
	TEST_ASSERT_SUCCESS(rte_virtio_ring_broken(&drv.ring), "memory may come later");
	drv.conf.features = PACKED;
	TEST_ASSERT_EQUAL(map_at(read_only, DATA, DATA), -EFAULT, "packed, not writable");
	/* only the event index lies behind the end of the memory */
	drv.conf.features = 0;
	DO(map_at(DATA, mem_zones[MEM_DRIVER].iova + mem_zones[MEM_DRIVER].size - 4 - 2 * SIZE,
		  DATA));
	drv.conf.features = EVENT_IDX;
	TEST_ASSERT_EQUAL(map_at(DATA, drv.conf.driver, DATA), -EFAULT, "the event index");
	drv.conf.features = 0;
	DO(map_at(DATA, DATA, mem_zones[MEM_DEVICE].iova + mem_zones[MEM_DEVICE].size - 4 -
		  8 * SIZE));
	drv.conf.features = EVENT_IDX;
	TEST_ASSERT_EQUAL(map_at(DATA, DATA, drv.conf.device), -EFAULT, "the event index");
	return TEST_SUCCESS;
}

/* ------------------------------------------------------------------- chains */

static int
check_chain(uint64_t features)
{
	static const uint16_t flags[] = { NEXT, NEXT, NEXT | WRITE, WRITE };
	uint8_t buf[64];
	uint32_t i;

	DO(start(SIZE, features));
	TEST_ASSERT_EQUAL(pop(), 0, "empty");
	add_chain(flags, 4);
	TEST_ASSERT_EQUAL(rte_virtio_ring_pop(&drv.ring, &drv.chain, drv.segs, 3), -ENOSPC,
			  "4 segments");
	TEST_ASSERT_SUCCESS(rte_virtio_ring_broken(&drv.ring), "no fault of the driver");
	TEST_ASSERT_EQUAL(pop(), 1, "a chain");
	TEST_ASSERT(drv.chain.id == 0 && drv.chain.slots == (is_packed() ? 4 : 1), "id");
	TEST_ASSERT(drv.chain.nb_read == 2 && drv.chain.nb_write == 2 &&
		    drv.chain.read_len == 21 &&
		    drv.chain.write_len == 25, "lengths");
	for (i = 0; i < 4; i++)
		TEST_ASSERT(drv.segs[i].iova == DATA + 64 * i && drv.segs[i].len == 10 + i &&
			    drv.segs[i].va == mem_zones[MEM_DATA].device + 64 * i, "segment %u", i);
	TEST_ASSERT_EQUAL(pop(), 0, "one only");
	/* its data */
	memcpy(mem_at(DATA), "0123456789", 10);
	memcpy(mem_at(DATA + 64), "abcdefghijk", 11);
	memset(mem_at(DATA + 128), 0, 256);
	TEST_ASSERT_EQUAL(rte_virtio_chain_read(&drv.chain, 8, buf, sizeof(buf)), 13u, "read");
	TEST_ASSERT(memcmp(buf, "89abcdefghijk", 13) == 0, "data");
	TEST_ASSERT_EQUAL(rte_virtio_chain_read(&drv.chain, 21, buf, 1), 0u, "behind the end");
	TEST_ASSERT_EQUAL(rte_virtio_chain_write(&drv.chain, 10, "UVWXYZ", 6), 6u, "write");
	TEST_ASSERT(memcmp(mem_at(DATA + 128 + 10), "UV", 3) == 0 &&
		    memcmp(mem_at(DATA + 192), "WXYZ", 5) == 0, "data");
	TEST_ASSERT_EQUAL(rte_virtio_chain_write(&drv.chain, 20, buf, 60), 5u, "end");
	return 0;
}

static int
test_chain(void)
{
	DO(check_chain(0));
	rte_vfio_user_dma_end(mem_reader);
	return check_chain(PACKED);
}

/* Readable behind writable, in every form. */
static int
test_order(void)
{
	static const uint16_t flags[] = { NEXT | WRITE, 0 };

	DO(start(SIZE, 0));
	add_chain(flags, 2);
	BREAKS(-EPROTO);
	rte_vfio_user_dma_end(mem_reader);
	DO(start(SIZE, PACKED));
	add_chain(flags, 2);
	BREAKS(-EPROTO);
	return TEST_SUCCESS;
}

static int
test_too_long(void)
{
	uint16_t flags[SIZE];
	uint32_t i;

	for (i = 0; i < SIZE; i++)
		flags[i] = NEXT;
	DO(start(SIZE, 0));
	flags[SIZE - 1] = 0;
	add_chain(flags, SIZE);
	TEST_ASSERT_EQUAL(pop(), 1, "as long as the ring");
	put(drv.conf.desc, SIZE - 1, DATA, 1, NEXT, 0);
	show(0);
	BREAKS(-E2BIG);
	/* a loop of one that is empty */
	put(drv.conf.desc, 3, DATA, 0, NEXT, 3);
	DO(start(SIZE, 0));
	put(drv.conf.desc, 3, DATA, 0, NEXT, 3);
	show(3);
	BREAKS(-E2BIG);
	rte_vfio_user_dma_end(mem_reader);
	DO(start(SIZE, PACKED));
	flags[SIZE - 1] = NEXT;
	add_chain(flags, SIZE);
	BREAKS(-E2BIG);
	/* what is in flight is not there for others */
	rte_vfio_user_dma_end(mem_reader);
	DO(start(SIZE, PACKED));
	add(0, DATA, 1, 0);
	TEST_ASSERT_EQUAL(pop(), 1, "one");
	for (i = 1; i < SIZE; i++)
		put_packed(drv.conf.desc, i, DATA, 1, NEXT | turn_flags(0), 0);
	BREAKS(-E2BIG);
	return TEST_SUCCESS;
}

static int
test_indexes(void)
{
	struct vring_avail *avail;

	DO(start(SIZE, 0));
	show(SIZE);
	BREAKS(-EPROTO);
	rte_vfio_user_dma_end(mem_reader);
	DO(start(SIZE, 0));
	put(drv.conf.desc, 0, DATA, 1, NEXT, SIZE);
	show(0);
	BREAKS(-EPROTO);
	rte_vfio_user_dma_end(mem_reader);
	DO(start(SIZE, 0));
	avail = mem_at(drv.conf.driver);
	avail->idx = SIZE + 1;
	BREAKS(-EPROTO);
	avail->idx = (uint16_t)-1;
	DO(rte_virtio_ring_map(&drv.ring, mem_reader));
	BREAKS(-EPROTO);
	rte_vfio_user_dma_end(mem_reader);
	/* a full ring, of which one is in flight */
	DO(start(SIZE, 0));
	avail->idx = SIZE;
	put(drv.conf.desc, 0, DATA, 1, 0, 0);
	TEST_ASSERT_EQUAL(pop(), 1, "one");
	avail->idx = SIZE + 1;
	drv.ring.avail_end = drv.ring.avail; /* have it look */
	BREAKS(-EPROTO);
	rte_vfio_user_dma_end(mem_reader);
	DO(start(12, PACKED));
	add(12, DATA, 1, 0);
	BREAKS(-EPROTO);
	return TEST_SUCCESS;
}

static int
one(uint64_t features, uint64_t addr, uint32_t len, uint16_t flags)
{
	rte_vfio_user_dma_end(mem_reader);
	DO(start(SIZE, features));
	add(1, addr, len, flags);
	return 0;
}

static int
test_addresses(void)
{
	const uint64_t kinds[] = { 0, PACKED }, no_mmap = mem_zones[MEM_NO_MMAP].iova;
	uint32_t i;

	rte_vfio_user_dma_begin(mem_reader);
	for (i = 0; i < RTE_DIM(kinds); i++) {
		DO(one(kinds[i], 0x1000, 1, 0));
		BREAKS(-EFAULT);
		DO(one(kinds[i], mem_zones[MEM_READ_ONLY].iova, 1, WRITE));
		BREAKS(-EFAULT);
		DO(one(kinds[i], mem_zones[MEM_WRITE_ONLY].iova, 1, 0));
		BREAKS(-EFAULT);
		DO(one(kinds[i], no_mmap, 1, 0));
		BREAKS(-EFAULT);
		DO(one(kinds[i], no_mmap + MEM_PAGE - 1, 2, 0));
		BREAKS(-EFAULT);
		DO(one(kinds[i], DATA, UINT32_MAX, 0));
		BREAKS(-EFAULT);
		DO(one(kinds[i], UINT64_MAX, 2, 0));
		BREAKS(-EOVERFLOW);
		/* the last byte of all */
		DO(one(kinds[i], UINT64_MAX, 1, WRITE));
		TEST_ASSERT_EQUAL(pop(), 1, "at the end");
		/* nothing at all, at no address */
		DO(one(kinds[i], 0x1000, 0, WRITE));
		TEST_ASSERT(pop() == 1 && drv.chain.nb_write == 0 &&
			    drv.chain.id == 1, "empty");
		/* three mappings */
		DO(one(kinds[i], APART - 3, 2 * MEM_PAGE + 7, WRITE));
		TEST_ASSERT_EQUAL(pop(), 1, "in pieces");
		TEST_ASSERT(drv.chain.nb_write == 3 &&
			    drv.chain.write_len == 2 * MEM_PAGE + 7, "sum");
		TEST_ASSERT(drv.segs[0].len == 3 && drv.segs[1].len == 2 * MEM_PAGE &&
			    drv.segs[2].len == 4,
			    "lengths");
		TEST_ASSERT(drv.segs[1].va == mem_zones[MEM_APART].device &&
			    drv.segs[1].iova == APART &&
			    drv.segs[2].va == mem_zones[MEM_CLOSE].device, "addresses");
	}
	return TEST_SUCCESS;
}

/* 4 GiB and more in one buffer; nothing has to be mapped for that. */
static int
test_sum(void)
{
	static const uint16_t flags[] = { NEXT, NEXT | WRITE, WRITE };

	DO(start(SIZE, 0));
	add_chain(flags, 3);
	((struct vring_desc *)mem_at(drv.conf.desc))[2].len = UINT32_MAX - 20;
	BREAKS(-EOVERFLOW);
	((struct vring_desc *)mem_at(drv.conf.desc))[2].len = UINT32_MAX - 21;
	DO(rte_virtio_ring_map(&drv.ring, mem_reader));
	BREAKS(-EFAULT);
	return TEST_SUCCESS;
}

/* ----------------------------------------------------------------- indirect */

static int
indirect(uint64_t features, uint64_t table, uint32_t len, uint16_t flags)
{
	return one(features | INDIRECT_DESC, table, len, flags | INDIRECT);
}

static int
test_indirect_split(void)
{
	rte_vfio_user_dma_begin(mem_reader);
	put(TABLE, 0, DATA, 1, NEXT, 2);
	put(TABLE, 2, DATA + 8, 2, NEXT | WRITE, 1);
	put(TABLE, 1, DATA + 16, 3, WRITE, 0);
	DO(indirect(0, TABLE, 48, WRITE)); /* that flag means nothing there */
	TEST_ASSERT(pop() == 1 && drv.chain.id == 1 && drv.chain.slots == 1 &&
		    drv.chain.nb_read == 1 &&
		    drv.chain.nb_write == 2 && drv.chain.write_len == 5, "a table");
	DO(one(0, TABLE, 48, INDIRECT));
	BREAKS(-EPROTO); /* not negotiated */
	DO(indirect(0, TABLE, 48, NEXT));
	BREAKS(-EPROTO);
	DO(indirect(0, TABLE, 0, 0));
	BREAKS(-EPROTO);
	DO(indirect(0, TABLE, 47, 0));
	BREAKS(-EPROTO);
	DO(indirect(0, TABLE, 16 * 32769, 0));
	BREAKS(-EPROTO);
	DO(indirect(0, TABLE, 32, 0)); /* entry 2 is behind its end */
	BREAKS(-EPROTO);
	DO(indirect(0, UINT64_MAX - 15, 32, 0));
	BREAKS(-EOVERFLOW);
	DO(indirect(0, mem_zones[MEM_WRITE_ONLY].iova, 16, 0));
	BREAKS(-EFAULT);
	put(TABLE, 1, TABLE, 16, INDIRECT, 0);
	DO(indirect(0, TABLE, 48, 0));
	BREAKS(-EPROTO);
	put(TABLE, 1, DATA, 1, NEXT | WRITE, 1);
	DO(indirect(0, TABLE, 48, 0));
	BREAKS(-E2BIG);
	return TEST_SUCCESS;
}

/* Behind direct ones, whose number counts. */
static int
test_indirect_behind(void)
{
	uint32_t i;

	DO(start(SIZE, INDIRECT_DESC));
	for (i = 0; i < SIZE; i++)
		put(TABLE, i, DATA, 1, i + 1 < SIZE ? NEXT : 0, (uint16_t)(i + 1));
	put(drv.conf.desc, 0, DATA, 1, NEXT, 1);
	put(drv.conf.desc, 1, TABLE, 16 * SIZE, INDIRECT, 0);
	show(1);
	TEST_ASSERT(pop() == 1 && drv.chain.nb_read == SIZE, "as many as the ring has");
	show(0);
	BREAKS(-E2BIG);
	return TEST_SUCCESS;
}

static int
test_indirect_packed(void)
{
	uint32_t i;

	rte_vfio_user_dma_begin(mem_reader);
	/* reserved flags and ids are ignored */
	for (i = 0; i < SIZE + 1; i++)
		put_packed(TABLE, i, DATA + i, 1 + i, NEXT | 1 << 7 | (i > 1 ? WRITE : 0), 99);
	DO(indirect(PACKED, TABLE, 48, WRITE));
	TEST_ASSERT(pop() == 1 && drv.chain.id == 1 && drv.chain.slots == 1 &&
		    drv.chain.nb_read == 2 &&
		    drv.chain.nb_write == 1 && drv.chain.read_len == 3, "a table");
	DO(indirect(PACKED, TABLE, 16 * SIZE, 0));
	TEST_ASSERT(pop() == 1 && drv.chain.nb_write == SIZE - 2, "as many as the ring has");
	DO(indirect(PACKED, TABLE, 16 * SIZE + 16, 0));
	BREAKS(-E2BIG);
	DO(one(PACKED, TABLE, 48, INDIRECT));
	BREAKS(-EPROTO);
	DO(indirect(PACKED, TABLE, 48, NEXT));
	BREAKS(-EPROTO);
	DO(indirect(PACKED, TABLE, 17, 0));
	BREAKS(-EPROTO);
	put_packed(TABLE, 1, TABLE, 16, INDIRECT, 0);
	DO(indirect(PACKED, TABLE, 48, 0));
	BREAKS(-EPROTO);
	/* behind a direct one */
	rte_vfio_user_dma_end(mem_reader);
	DO(start(SIZE, PACKED | INDIRECT_DESC));
	put_packed(drv.conf.desc, 1, TABLE, 16, INDIRECT | turn_flags(0), 0);
	put_packed(drv.conf.desc, 0, DATA, 1, NEXT | turn_flags(0), 0);
	BREAKS(-EPROTO);
	return TEST_SUCCESS;
}

/* An entry of which the halves are in two mappings, and one that is not aligned. */
static int
test_indirect_pieces(void)
{
	const uint64_t tables[] = { APART - 8, TABLE + 3 };
	const struct vring_desc desc = { .addr = DATA + 5, .len = 77 };
	uint32_t i, k;

	rte_vfio_user_dma_begin(mem_reader);
	for (i = 0; i < RTE_DIM(tables); i++) {
		for (k = 0; k < sizeof(desc); k++)
			*(uint8_t *)mem_at(tables[i] + k) = ((const uint8_t *)&desc)[k];
		DO(indirect(0, tables[i], 16, 0));
		TEST_ASSERT(pop() == 1 && drv.chain.nb_read == 1 &&
			    drv.segs[0].iova == DATA + 5 &&
			    drv.segs[0].len == 77, "table %u", i);
	}
	DO(indirect(0, mem_zones[MEM_READ_ONLY].iova + MEM_PAGE - 8, 16, 0));
	BREAKS(-EFAULT);
	return TEST_SUCCESS;
}

/* -------------------------------------------------------------------- bursts */

static int
check_odd(uint64_t features)
{
	static const uint16_t chained[] = { NEXT, WRITE };
	struct rte_virtio_buf bufs[SIZE];

	DO(start(SIZE, features));
	add_chain(chained, 2);
	TEST_ASSERT(rte_virtio_ring_pop_burst(&drv.ring, bufs, SIZE) == 0 &&
		    rte_virtio_ring_is_odd(&drv.ring), "a chain");
	TEST_ASSERT(pop() == 1 && !rte_virtio_ring_is_odd(&drv.ring), "a chain");
	add(2, DATA, 100, 0);
	add(3, DATA + 128, 200, WRITE);
	add(4, DATA, 0, 0);
	add(5, DATA, 7, 0);
	TEST_ASSERT_EQUAL(rte_virtio_ring_pop_burst(&drv.ring, bufs, 1), 1, "one wanted");
	TEST_ASSERT(!rte_virtio_ring_is_odd(&drv.ring), "no more were looked at");
	TEST_ASSERT(bufs[0].id == 2 && bufs[0].len == 100 && bufs[0].flags == 0 &&
		    bufs[0].va == mem_zones[MEM_DATA].device, "the first");
	TEST_ASSERT_EQUAL(rte_virtio_ring_pop_burst(&drv.ring, bufs, SIZE), 1, "up to the odd one");
	TEST_ASSERT(bufs[0].id == 3 && bufs[0].len == 200 &&
		    bufs[0].flags == RTE_VIRTIO_BUF_F_WRITE && rte_virtio_ring_is_odd(&drv.ring),
		    "the second");
	TEST_ASSERT(pop() == 1 && drv.chain.id == 4, "empty");
	TEST_ASSERT(rte_virtio_ring_pop_burst(&drv.ring, bufs, SIZE) == 1 && bufs[0].id == 5 &&
		    !rte_virtio_ring_is_odd(&drv.ring), "the last");
	add(6, APART - 1, 2, 0);
	TEST_ASSERT(rte_virtio_ring_pop_burst(&drv.ring, bufs, SIZE) == 0 &&
		    rte_virtio_ring_is_odd(&drv.ring), "in two mappings");
	TEST_ASSERT(pop() == 1 && drv.chain.nb_read == 2, "in two mappings");
	add(7, 0x1000, 2, 0);
	TEST_ASSERT(rte_virtio_ring_pop_burst(&drv.ring, bufs, SIZE) == 0 &&
		    rte_virtio_ring_is_odd(&drv.ring), "not mapped");
	BREAKS(-EFAULT);
	return 0;
}

static int
test_odd(void)
{
	DO(check_odd(0));
	rte_vfio_user_dma_end(mem_reader);
	return check_odd(PACKED);
}

/*
 * A head or id that is none, behind a good one. What lies behind the table looks
 * like descriptors.
 */
static int
check_bad_id(uint64_t features, uint16_t id)
{
	struct rte_virtio_buf bufs[4];
	uint32_t i;

	begin(SIZE, features);
	drv.conf.desc = DATA;
	DO(rte_virtio_ring_init(&drv.ring, &drv.conf));
	DO(rte_virtio_ring_map(&drv.ring, mem_reader));
	memset(mem_at(DATA), 0, 8 * SIZE * sizeof(struct vring_desc));
	for (i = SIZE; i < 8 * SIZE; i++)
		put(DATA, i, DATA, 64, 0, 0);
	add(0, DATA, 64, 0);
	if (is_packed())
		add(id, DATA, 64, 0);
	else
		show(id);
	TEST_ASSERT_EQUAL(rte_virtio_ring_pop_burst(&drv.ring, bufs, 4), 1, "id %u", id);
	TEST_ASSERT(rte_virtio_ring_is_odd(&drv.ring), "id %u", id);
	BREAKS(-EPROTO);
	rte_vfio_user_dma_end(mem_reader);
	return 0;
}

static int
test_bad_id(void)
{
	static const uint16_t ids[] = { SIZE, 4 * SIZE, 8 * SIZE - 1 };
	uint32_t i;

	for (i = 0; i < RTE_DIM(ids); i++) {
		DO(check_bad_id(0, ids[i]));
		DO(check_bad_id(PACKED, ids[i]));
	}
	return TEST_SUCCESS;
}

/* A buffer that ends so far behind the end of a mapping, among some that do not. */
static int
check_end(uint32_t at, uint32_t len, uint32_t behind)
{
	const uint64_t addr = APART - len + behind;
	struct rte_virtio_buf bufs[SIZE];
	const bool fits = behind == 0 && len != 0;
	uint32_t i;

	DO(start(SIZE, drv.conf.features));
	for (i = 0; i < SIZE; i++)
		add((uint16_t)i, i == at ? addr : DATA + i, i == at ? len : 100, WRITE);
	TEST_ASSERT_EQUAL(rte_virtio_ring_pop_burst(&drv.ring, bufs, SIZE),
			  (int)(fits ? SIZE : at), "%u bytes, %u behind", len, behind);
	TEST_ASSERT_EQUAL(rte_virtio_ring_is_odd(&drv.ring), !fits, "odd");
	for (i = 0; i < (fits ? SIZE : at); i++)
		TEST_ASSERT(bufs[i].id == i && bufs[i].flags == RTE_VIRTIO_BUF_F_WRITE &&
			    bufs[i].len == (i == at ? len : 100) && bufs[i].va ==
			    mem_zones[MEM_DATA].device + (i == at ? addr - DATA : i), "buffer");
	rte_vfio_user_dma_end(mem_reader);
	return 0;
}

/* Of each place in a group and each length that groups tell apart. */
static int
check_ends(uint64_t features)
{
	static const uint32_t lens[] = { 0, 1, 2, 16383, 16384, 16385, 32768, 32769 };
	uint32_t i, at;

	drv.conf.features = features;
	for (i = 0; i < RTE_DIM(lens); i++) {
		for (at = 0; at < SIZE; at++) {
			DO(check_end(at, lens[i], 0));
			if (lens[i] != 1) /* that would be all in the next one */
				DO(check_end(at, lens[i], 1));
		}
	}
	return 0;
}

static int
test_ends(void)
{
	static const uint16_t bits[] = { RTE_VECT_SIMD_128, RTE_VECT_SIMD_MAX };
	uint32_t i;

	for (i = 0; i < RTE_DIM(bits); i++) {
		rte_vect_set_max_simd_bitwidth(bits[i]);
		DO(check_ends(0));
		DO(check_ends(PACKED));
	}
	return TEST_SUCCESS;
}

/* ------------------------------------------------------------------ sections */

/* A chain that is kept over the end of its section. */
static int
test_later_section(void)
{
	DO(start(SIZE, 0));
	add(0, mem_zones[MEM_CLOSE].iova - 8, 16, WRITE);
	add(1, APART, 16, 0);
	TEST_ASSERT(pop() == 1 && drv.chain.nb_write == 2, "a buffer");
	rte_vfio_user_dma_end(mem_reader);
	drv.segs[0].va = NULL;
	drv.segs[1].va = NULL;
	rte_vfio_user_dma_begin(mem_reader);
	DO(rte_virtio_ring_map(&drv.ring, mem_reader));
	DO(rte_virtio_chain_translate(&drv.ring, &drv.chain));
	TEST_ASSERT(drv.segs[1].va == mem_zones[MEM_CLOSE].device, "address");
	rte_vfio_user_dma_end(mem_reader);
	DO(mem_unmap(MEM_CLOSE));
	rte_vfio_user_dma_begin(mem_reader);
	DO(rte_virtio_ring_map(&drv.ring, mem_reader));
	TEST_ASSERT_EQUAL(rte_virtio_chain_translate(&drv.ring, &drv.chain), -EFAULT, "unmapped");
	BREAKS(-EFAULT);
	return TEST_SUCCESS;
}

#define CASE(fn) TEST_CASE_ST(mem_setup, driver_teardown, fn)

static struct unit_test_suite ring_suite = {
	.suite_name = "virtio rings",
	.unit_test_cases = {
		CASE(test_init),
		CASE(test_map),
		CASE(test_chain),
		CASE(test_order),
		CASE(test_too_long),
		CASE(test_indexes),
		CASE(test_addresses),
		CASE(test_sum),
		CASE(test_indirect_split),
		CASE(test_indirect_behind),
		CASE(test_indirect_packed),
		CASE(test_indirect_pieces),
		CASE(test_odd),
		CASE(test_bad_id),
		CASE(test_ends),
		CASE(test_later_section),
		TEST_CASES_END()
	},
};

static int
test_virtio_ring(void)
{
	return unit_test_suite_runner(&ring_suite);
}

REGISTER_TEST_COMMAND(virtio_ring_autotest, test_virtio_ring);
