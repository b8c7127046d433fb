/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

/* Buffers that go back to the driver: round trips, batches, notifications. */

#include "test.h"
#include "test_virtio_ring_driver.h"

/* --------------------------------------------------------------------- push */

/* Nothing can be seen before publish; no more is given back than was taken. */
static int
check_push(uint64_t features)
{
	const struct rte_virtio_buf more = { .id = 6 };
	uint32_t len = 1, i;
	uint16_t id;

	DO(start(SIZE, features));
	for (i = 0; i < 3; i++)
		add((uint16_t)i, DATA, 1, WRITE);
	rte_virtio_ring_push(&drv.ring, 0, 1, 1);
	rte_virtio_ring_publish(&drv.ring);
	TEST_ASSERT(!get_used(&id, &len, 1), "was not taken");
	for (i = 0; i < 3; i++)
		TEST_ASSERT_EQUAL(pop(), 1, "buffer");
	for (i = 3; i-- != 0;)
		rte_virtio_ring_push(&drv.ring, (uint16_t)i, 1, i);
	rte_virtio_ring_push(&drv.ring, 7, 1, 1);
	rte_virtio_ring_push_burst(&drv.ring, &more, &len, 1);
	TEST_ASSERT(!get_used(&id, &len, 1), "seen before publish");
	rte_virtio_ring_publish(&drv.ring);
	for (i = 3; i-- != 0;)
		TEST_ASSERT(get_used(&id, &len, 1) && id == i && len == i, "used %u", i);
	TEST_ASSERT(!get_used(&id, &len, 1), "one too many");
	return 0;
}

static int
test_push(void)
{
	DO(check_push(0));
	rte_vfio_user_dma_end(mem_reader);
	return check_push(PACKED);
}

/* One entry for a batch, at the place of its first one. */
static int
check_in_order(uint64_t features)
{
	struct rte_virtio_buf bufs[SIZE];
	const uint32_t written[] = { 9, 8, 7 };
	uint32_t len, i;
	uint16_t id;

	DO(start(SIZE, features | IN_ORDER));
	for (i = 0; i < SIZE; i++)
		add((uint16_t)i, DATA, 1, i < 5 ? 0 : WRITE);
	TEST_ASSERT_EQUAL(rte_virtio_ring_pop_burst(&drv.ring, bufs, SIZE), SIZE, "all");
	rte_virtio_ring_push_burst(&drv.ring, bufs, NULL, 5);
	rte_virtio_ring_publish(&drv.ring);
	TEST_ASSERT(get_used(&id, &len, 5) && id == 4 && len == 0, "a batch");
	if (!is_packed()) {
		TEST_ASSERT_EQUAL(((struct vring_used *)mem_at(drv.conf.device))->idx, 5, "index");
		drv.looked_at = 5;
	}
	rte_virtio_ring_push_burst(&drv.ring, &bufs[5], written, 3);
	rte_virtio_ring_publish(&drv.ring);
	for (i = 5; i < SIZE; i++)
		TEST_ASSERT(get_used(&id, &len, 1) && id == i && len == written[i - 5],
			    "lengths differ: each has its own");
	return 0;
}

static int
test_in_order(void)
{
	DO(check_in_order(0));
	rte_vfio_user_dma_end(mem_reader);
	return check_in_order(PACKED);
}

/* ---------------------------------------------------------------- round trips */

/* All of the indexes, more than once; some are in flight all the time. */
static int
check_turns(uint16_t size, uint64_t features)
{
	struct rte_virtio_buf bufs[SIZE];
	uint32_t written[SIZE], len, i, next = 0, back = 0, nb;
	uint16_t id;
	int ret;

	DO(start(size, features | EVENT_IDX));
	while (back < 3u * 65536) {
		for (; drv.added < back + size; next++)
			add((uint16_t)(next % size), DATA + next % 97, 1 + next % 1000, WRITE);
		ret = rte_virtio_ring_pop_burst(&drv.ring, bufs, (uint16_t)(1 + back % SIZE));
		TEST_ASSERT(ret > 0 && ret <= (int)SIZE, "%d", ret);
		for (i = 0; i < (uint32_t)ret; i++) {
			TEST_ASSERT(bufs[i].id == (back + i) % size &&
				    bufs[i].len == 1 + (back + i) % 1000, "buffer");
			written[i] = bufs[i].len - 1;
		}
		rte_virtio_ring_push_burst(&drv.ring, bufs, written, (uint16_t)ret);
		rte_virtio_ring_publish(&drv.ring);
		for (nb = 0; get_used(&id, &len, 1); nb++, back++)
			TEST_ASSERT(id == back % size && len == back % 1000, "used");
		TEST_ASSERT_EQUAL(nb, (uint32_t)ret, "all came back");
	}
	return 0;
}

static int
test_turns(void)
{
	static const uint64_t features[] = { 0, IN_ORDER, PACKED, PACKED | IN_ORDER };
	uint32_t i;

	rte_vfio_user_dma_begin(mem_reader);
	for (i = 0; i < RTE_DIM(features); i++) {
		rte_vfio_user_dma_end(mem_reader);
		DO(check_turns(16, features[i]));
	}
	rte_vfio_user_dma_end(mem_reader);
	return check_turns(13, PACKED);
}

/* What was taken too much is available again, over each end of the ring. */
static int
check_rewind(uint64_t features)
{
	struct rte_virtio_buf bufs[SIZE];
	uint32_t i, keep, round, len;
	uint16_t id;
	int ret;

	DO(start(SIZE, features));
	for (round = 0; round < 3 * SIZE; round++) {
		keep = 1 + round % SIZE;
		while (drv.added < drv.looked_at + SIZE)
			add((uint16_t)(drv.added % SIZE), DATA, 1 + drv.added % SIZE, WRITE);
		ret = rte_virtio_ring_pop_burst(&drv.ring, bufs, SIZE);
		TEST_ASSERT_EQUAL(ret, (int)SIZE, "all");
		rte_virtio_ring_rewind(&drv.ring, (uint16_t)(SIZE - keep));
		ret = rte_virtio_ring_pop_burst(&drv.ring, bufs, SIZE);
		TEST_ASSERT_EQUAL(ret, (int)(SIZE - keep), "what was not kept");
		for (i = 0; i < SIZE - keep; i++)
			TEST_ASSERT_EQUAL(bufs[i].id, (drv.looked_at + keep + i) % SIZE, "order");
		rte_virtio_ring_rewind(&drv.ring, (uint16_t)(SIZE - keep));
		for (i = 0; i < keep; i++)
			rte_virtio_ring_push(&drv.ring, (uint16_t)(drv.looked_at % SIZE + i) % SIZE,
					     1, 1);
		rte_virtio_ring_publish(&drv.ring);
		for (i = 0; i < keep; i++)
			TEST_ASSERT(get_used(&id, &len, 1), "used");
	}
	TEST_ASSERT_SUCCESS(rte_virtio_ring_broken(&drv.ring), "indexes");
	return 0;
}

static int
test_rewind(void)
{
	static const uint16_t flags[] = { NEXT, WRITE };

	DO(check_rewind(0));
	rte_vfio_user_dma_end(mem_reader);
	DO(check_rewind(PACKED));
	rte_vfio_user_dma_end(mem_reader);
	/* a chain, by its slots; and no more than was taken */
	DO(start(SIZE, PACKED));
	add_chain(flags, 2);
	TEST_ASSERT(pop() == 1 && drv.chain.slots == 2, "chain");
	rte_virtio_ring_rewind(&drv.ring, 5);
	TEST_ASSERT(pop() == 1 && drv.chain.nb_read == 1 && drv.chain.nb_write == 1, "again");
	return TEST_SUCCESS;
}

/* The event index on both sides of the end of the numbers. */
static int
test_event_wraps(void)
{
	uint32_t i;
	bool wanted;

	DO(start(SIZE, EVENT_IDX));
	for (i = 0; i < 65536 + 20; i++) {
		add(0, DATA, 1, 0);
		TEST_ASSERT_EQUAL(pop(), 1, "buffer");
		rte_virtio_ring_push(&drv.ring, 0, 1, 0);
		rte_virtio_ring_publish(&drv.ring);
		/* the driver waits for every third one */
		*((uint16_t *)mem_at(drv.conf.driver) + 2 + SIZE) = (uint16_t)(i / 3 * 3);
		wanted = rte_virtio_ring_wants_interrupt(&drv.ring);
		TEST_ASSERT_EQUAL(wanted, i % 3 == 0, "entry %u", i);
		TEST_ASSERT(!rte_virtio_ring_wants_interrupt(&drv.ring), "twice");
		if (i % 5 == 0) {
			TEST_ASSERT(!rte_virtio_ring_notify_enable(&drv.ring), "available");
			TEST_ASSERT_EQUAL(*((uint16_t *)mem_at(drv.conf.device) + 2 + 4 * SIZE),
					  (uint16_t)(i + 1), "event for the driver");
		}
	}
	/* after more than all numbers, whatever it waits for was passed */
	*((uint16_t *)mem_at(drv.conf.driver) + 2 + SIZE) = (uint16_t)(i + 10000);
	for (i = 0; i < 70000; i++) {
		add(0, DATA, 1, 0);
		pop();
		rte_virtio_ring_push(&drv.ring, 0, 1, 0);
		rte_virtio_ring_publish(&drv.ring);
	}
	TEST_ASSERT(rte_virtio_ring_wants_interrupt(&drv.ring), "passed");
	return TEST_SUCCESS;
}

#define CASE(fn) TEST_CASE_ST(mem_setup, driver_teardown, fn)

static struct unit_test_suite ring_used_suite = {
	.suite_name = "used buffers of virtio rings",
	.unit_test_cases = {
		CASE(test_push),
		CASE(test_in_order),
		CASE(test_turns),
		CASE(test_rewind),
		CASE(test_event_wraps),
		TEST_CASES_END()
	},
};

static int
test_virtio_ring_used(void)
{
	return unit_test_suite_runner(&ring_used_suite);
}

REGISTER_TEST_COMMAND(virtio_ring_used_autotest, test_virtio_ring_used);
