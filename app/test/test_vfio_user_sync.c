/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

/* rte_vfio_user_server_sync(): when has the data path let go of something? */

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <rte_common.h>
#include <rte_errno.h>

#include "test.h"
#include "test_vfio_user_loopback.h"

#define FILLED 0x5a

static uint64_t synced; /* atomic: the number last told */
static uint32_t synced_count;
static struct rte_vfio_user_dma_reader *reader;

static void
on_synced(struct rte_vfio_user_server *srv, uint64_t number, void *priv)
{
	RTE_SET_USED(srv);
	RTE_SET_USED(priv);
	if (number <= synced)
		synced_count = UINT32_MAX; /* they ascend */
	SET(synced, number);
	COUNT(synced_count);
}

static uint64_t unmap_number; /* what sync() returned in the notification */
static uint32_t unmap_seen; /* atomic: bytes of the mapping that were right after it */

/* What goes may still be used until the notification has returned. */
static void
on_unmap(struct rte_vfio_user_server *srv, const struct rte_vfio_user_dma_info *info,
	 void *priv)
{
	const uint8_t *mem;
	uint32_t i, seen = 0;

	RTE_SET_USED(priv);
	unmap_number = rte_vfio_user_server_sync(srv);
	mem = info->va;
	for (i = 0; i < info->size; i++)
		seen += mem[i] == FILLED;
	SET(unmap_seen, seen);
}

static int
set_ops(void)
{
	const struct rte_vfio_user_server_ops ops = { .synced = on_synced };
	const struct rte_vfio_user_dma_ops dma_ops = { .unmap = on_unmap };
	int ret;

	ret = rte_vfio_user_server_dma_ops_set(loop.srv, &dma_ops, NULL);
	return ret < 0 ? ret : rte_vfio_user_server_ops_set(loop.srv, &ops, NULL);
}

static int
setup(void)
{
	int ret = loop_setup();

	synced = synced_count = unmap_seen = 0;
	reader = NULL;
	loop.by_hand = true;
	loop.alter = set_ops;
	if (ret == TEST_SUCCESS)
		ret = loop_start_server();
	if (ret == TEST_SUCCESS)
		reader = rte_vfio_user_server_dma_reader_create(loop.srv);
	return reader == NULL ? TEST_FAILED : ret;
}

static void
teardown(void)
{
	rte_vfio_user_server_dma_reader_destroy(reader);
	loop_teardown();
}

static bool
readable(int ms)
{
	struct pollfd pfd = { .fd = rte_vfio_user_server_fd(loop.srv), .events = POLLIN };

	return poll(&pfd, 1, ms) == 1;
}

static int
test_nobody_inside(void)
{
	TEST_ASSERT_EQUAL(rte_vfio_user_server_sync(NULL), 0, "no server");
	TEST_ASSERT_EQUAL(rte_vfio_user_server_sync(loop.srv), 0, "at once");
	rte_vfio_user_dma_begin(reader);
	rte_vfio_user_dma_end(reader);
	TEST_ASSERT_EQUAL(rte_vfio_user_server_sync(loop.srv), 0, "at once");
	TEST_ASSERT(rte_vfio_user_server_poll(loop.srv) >= 0, "poll");
	TEST_ASSERT_EQUAL(synced_count, 0, "told what nobody waits for");
	return TEST_SUCCESS;
}

static int
test_inside(void)
{
	uint64_t first, second;
	int i;

	rte_vfio_user_dma_begin(reader);
	first = rte_vfio_user_server_sync(loop.srv);
	TEST_ASSERT(first != 0, "a section is open");
	for (i = 0; i < 10; i++)
		TEST_ASSERT(rte_vfio_user_server_poll(loop.srv) >= 0 && synced_count == 0,
			    "told too early");
	rte_vfio_user_dma_end(reader);
	/* a section that begins later is not waited for */
	rte_vfio_user_dma_begin(reader);
	WAIT_FOR(readable(10) && rte_vfio_user_server_poll(loop.srv) >= 0 && synced >= first);
	TEST_ASSERT_EQUAL(synced_count, 1, "told once");
	second = rte_vfio_user_server_sync(loop.srv);
	TEST_ASSERT(second > first, "numbers ascend");
	rte_vfio_user_dma_end(reader);
	WAIT_FOR(readable(10) && rte_vfio_user_server_poll(loop.srv) >= 0 && synced >= second);
	TEST_ASSERT_EQUAL(synced_count, 2, "told once");
	return TEST_SUCCESS;
}

/* One that was waited for and not told of is told by the number that follows it. */
static int
test_over_before_told(void)
{
	uint64_t first;

	rte_vfio_user_dma_begin(reader);
	first = rte_vfio_user_server_sync(loop.srv);
	TEST_ASSERT(first != 0, "a section is open");
	rte_vfio_user_dma_end(reader);
	TEST_ASSERT_EQUAL(rte_vfio_user_server_sync(loop.srv), 0, "at once");
	TEST_ASSERT(rte_vfio_user_server_poll(loop.srv) >= 0, "poll");
	TEST_ASSERT(synced_count == 1 && synced >= first, "not told");
	return TEST_SUCCESS;
}

/* While one is waited for, the next waits for what was open in between. */
static int
test_overlapping(void)
{
	struct rte_vfio_user_dma_reader *other;
	uint64_t first, second;

	other = rte_vfio_user_server_dma_reader_create(loop.srv);
	TEST_ASSERT_NOT_NULL(other, "reader");
	rte_vfio_user_dma_begin(reader);
	first = rte_vfio_user_server_sync(loop.srv);
	rte_vfio_user_dma_begin(other);
	second = rte_vfio_user_server_sync(loop.srv);
	TEST_ASSERT(first != 0 && second > first, "numbers");
	rte_vfio_user_dma_end(reader);
	WAIT_FOR(rte_vfio_user_server_poll(loop.srv) >= 0 && synced == first);
	TEST_ASSERT(rte_vfio_user_server_poll(loop.srv) >= 0 && synced == first, "too early");
	rte_vfio_user_dma_end(other);
	WAIT_FOR(rte_vfio_user_server_poll(loop.srv) >= 0 && synced == second);
	rte_vfio_user_server_dma_reader_destroy(other);
	return TEST_SUCCESS;
}

/* A client and its unmapped memory wait together with it. */
static void *
connect_and_map(void *arg)
{
	struct rte_vfio_user_dma_map map = {
		.iova = 0x10000,
		.size = PAGE,
		.prot = PROT_READ,
		.fd = loop.file[0],
	};

	RTE_SET_USED(arg);
	if (loop_start_client() < 0 ||
	    rte_vfio_user_client_dma_map(loop.client, &map, 1) < 0)
		return NULL;
	SET(loop.mapped, 100);
	if (rte_vfio_user_client_dma_unmap_all(loop.client) == 0)
		SET(loop.unmapped, 100);
	return NULL;
}

static int
test_with_unmap(void)
{
	pthread_t thread;
	uint64_t number;
	int i;

	rte_vfio_user_dma_begin(reader);
	DO(pthread_create(&thread, NULL, connect_and_map, NULL));
	WAIT_FOR(rte_vfio_user_server_poll(loop.srv) >= 0 && GET(loop.mapped) == 100);
	number = rte_vfio_user_server_sync(loop.srv);
	for (i = 0; i < 100; i++) {
		rte_vfio_user_server_poll(loop.srv);
		usleep(100);
	}
	TEST_ASSERT(GET(synced) == 0 && GET(loop.unmapped) != 100, "too early");
	rte_vfio_user_dma_end(reader);
	WAIT_FOR(rte_vfio_user_server_poll(loop.srv) >= 0 && GET(loop.unmapped) == 100);
	WAIT_FOR(rte_vfio_user_server_poll(loop.srv) >= 0 && GET(synced) >= number);
	pthread_join(thread, NULL);
	return TEST_SUCCESS;
}

static void *
connect_and_unmap(void *arg)
{
	struct rte_vfio_user_dma_map map = {
		.iova = 0x10000, .size = PAGE, .prot = PROT_READ, .fd = loop.file[0],
	};
	const struct rte_vfio_user_dma_range range = { .iova = map.iova, .size = map.size };

	memset(loop.memory[0], FILLED, PAGE);
	if (loop_start_client() == 0 &&
	    rte_vfio_user_client_dma_map(loop.client, &map, 1) == 0 &&
	    rte_vfio_user_client_dma_unmap(loop.client, &range, 1) == 0)
		SET(*(bool *)arg, true);
	return NULL;
}

/* Asked for while a mapping goes, with nobody inside: it is over at once. */
static int
test_in_unmap(void)
{
	bool done = false;
	pthread_t thread;

	DO(pthread_create(&thread, NULL, connect_and_unmap, &done));
	WAIT_FOR(rte_vfio_user_server_poll(loop.srv) >= 0 && GET(done));
	pthread_join(thread, NULL);
	TEST_ASSERT_EQUAL(unmap_number, 0, "a section is open");
	TEST_ASSERT_EQUAL(GET(unmap_seen), PAGE, "%u bytes were still there", unmap_seen);
	return TEST_SUCCESS;
}

#define CASE(fn) TEST_CASE_ST(setup, teardown, fn)

static struct unit_test_suite suite = {
	.suite_name = "vfio-user server: sync with readers",
	.unit_test_cases = {
		CASE(test_nobody_inside),
		CASE(test_inside),
		CASE(test_over_before_told),
		CASE(test_overlapping),
		CASE(test_with_unmap),
		CASE(test_in_unmap),
		TEST_CASES_END()
	}
};

static int
test_vfio_user_sync(void)
{
	return unit_test_suite_runner(&suite);
}

REGISTER_TEST_COMMAND(vfio_user_sync_autotest, test_vfio_user_sync);
