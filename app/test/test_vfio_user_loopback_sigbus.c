/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

/* Server and client in one process: one truncates what the other accesses. */

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <rte_common.h>
#include <rte_errno.h>
#include <rte_vfio_user_sigbus.h>

#include "test.h"
#include "test_vfio_user_loopback.h"

#define MEM_SIZE (4u << 20)
#define IOVA UINT64_C(0x100000)

static int mem_fd; /* of the client's memory */
static uint8_t *buf;
static uint32_t progress; /* atomic: copies or looks done by a thread */
static bool stop;

static int
setup(void)
{
	buf = calloc(1, MEM_SIZE);
	mem_fd = -1;
	progress = 0;
	stop = false;
	DO(rte_vfio_user_sigbus_enable());
	return loop_setup();
}

static void
teardown(void)
{
	loop_teardown();
	rte_vfio_user_sigbus_disable();
	if (mem_fd >= 0)
		close(mem_fd);
	free(buf);
}

static int
make_memory(void)
{
	if (mem_fd >= 0)
		close(mem_fd);
	mem_fd = memfd_create("guest", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	DO(ftruncate(mem_fd, MEM_SIZE));
	TEST_ASSERT_EQUAL(pwrite(mem_fd, "good", 4, 0), 4, "write");
	return TEST_SUCCESS;
}

static int
map_memory(uint64_t iova)
{
	const struct rte_vfio_user_dma_map map = {
		.iova = iova, .size = MEM_SIZE, .prot = PROT_READ | PROT_WRITE, .fd = mem_fd,
	};

	return rte_vfio_user_client_dma_map(loop.client, &map, 1);
}

static int
start(void)
{
	DO(make_memory());
	DO(loop_start());
	return map_memory(IOVA);
}

static bool
client_is_lost(void)
{
	struct pollfd pfd = {
		.fd = rte_vfio_user_client_fd(loop.client), .events = POLLIN,
	};

	/* it becomes readable by itself */
	return poll(&pfd, 1, 0) == 1 && rte_vfio_user_client_poll(loop.client) == -ENOTCONN;
}

/* The client is dropped; the next one is served, with memory of its own. */
static int
check_dropped(void)
{
	WAIT_FOR(GET(loop.lost) == 1);
	WAIT_FOR(client_is_lost());
	loop_stop_client();
	DO(make_memory());
	loop.client_conf.connect_timeout_ms = 10000;
	DO(loop_start_client());
	DO(map_memory(IOVA));
	DO(rte_vfio_user_server_dma_read(loop.srv, IOVA, buf, 4));
	TEST_ASSERT(memcmp(buf, "good", 4) == 0, "not the new client's memory");
	DO(rte_vfio_user_server_dma_write(loop.srv, IOVA + MEM_SIZE - 4, buf, 4));
	TEST_ASSERT_EQUAL(GET(loop.lost), 1u, "lost");
	return TEST_SUCCESS;
}

/* --------------------------------------------------------- the client does it */

/* Copy until it fails: the error. */
static void *
copy_all(void *arg)
{
	const bool is_write = arg != NULL;
	int ret;

	do {
		if (is_write)
			ret = rte_vfio_user_server_dma_write(loop.srv, IOVA, buf, MEM_SIZE);
		else
			ret = rte_vfio_user_server_dma_read(loop.srv, IOVA, buf, MEM_SIZE);
		COUNT(progress);
	} while (ret == 0);
	return (void *)(intptr_t)ret;
}

static int
break_copy(bool is_write)
{
	pthread_t thread;
	void *ret;

	DO(start());
	DO(pthread_create(&thread, NULL, copy_all, is_write ? buf : NULL));
	WAIT_FOR(GET(progress) > 3);
	DO(ftruncate(mem_fd, 0));
	pthread_join(thread, &ret);
	TEST_ASSERT_EQUAL((int)(intptr_t)ret, -EIO, "result of the copy");
	return check_dropped();
}

static int
test_read(void)
{
	return break_copy(false);
}

static int
test_write(void)
{
	return break_copy(true);
}

/* Look at all pages again and again in one section. */
static void *
run_section(void *arg)
{
	struct rte_vfio_user_dma_reader *reader = arg;
	const volatile uint8_t *va;
	uint32_t off;

	rte_vfio_user_dma_begin(reader);
	va = rte_vfio_user_dma_va(reader, IOVA, MEM_SIZE, PROT_READ);
	do {
		for (off = 0; va != NULL && off < MEM_SIZE; off += PAGE)
			(void)va[off];
		COUNT(progress);
	} while (!GET(stop));
	rte_vfio_user_dma_end(reader);
	return va == NULL ? arg : NULL;
}

/* The section goes on, and the next client waits for its end. */
static int
test_section(void)
{
	struct rte_vfio_user_dma_reader *reader;
	uint32_t before;
	pthread_t thread;
	void *ret;

	DO(start());
	reader = rte_vfio_user_server_dma_reader_create(loop.srv);
	TEST_ASSERT_NOT_NULL(reader, "reader");
	DO(pthread_create(&thread, NULL, run_section, reader));
	WAIT_FOR(GET(progress) > 3);
	DO(ftruncate(mem_fd, PAGE));
	WAIT_FOR(GET(loop.lost) == 1);
	before = GET(progress);
	WAIT_FOR(GET(progress) > before + 3);
	TEST_ASSERT_EQUAL(rte_vfio_user_server_dma_read(loop.srv, IOVA, buf, 8), -EFAULT,
			  "unmapped for everybody else");
	SET(stop, true);
	pthread_join(thread, &ret);
	TEST_ASSERT_NULL(ret, "not mapped");
	DO(check_dropped());
	rte_vfio_user_server_dma_reader_destroy(reader);
	return TEST_SUCCESS;
}

/* Another device of the same runner, and its client. */
static struct {
	struct rte_vfio_user_server *srv;
	struct rte_vfio_user_client *client;
} neighbour;

static int
start_neighbour(void)
{
	struct rte_vfio_user_server_conf server_conf = loop.server_conf;
	struct rte_vfio_user_client_conf client_conf = loop.client_conf;
	const struct rte_vfio_user_region_conf bar = {
		.size = BAR1_SIZE, .flags = RTE_VFIO_USER_REGION_F_RW, .fd = -1,
		.base = loop.bar1,
	};
	int pair[2];

	DO(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair));
	server_conf.sock_path = client_conf.sock_path = NULL;
	server_conf.conn_fd = pair[0];
	client_conf.conn_fd = pair[1];
	neighbour.srv = rte_vfio_user_server_create(&server_conf);
	TEST_ASSERT_NOT_NULL(neighbour.srv, "server");
	DO(rte_vfio_user_server_region_set(neighbour.srv, 0, &bar));
	DO(rte_vfio_user_server_start(neighbour.srv));
	DO(rte_vfio_user_runner_add(loop.runner, neighbour.srv));
	neighbour.client = rte_vfio_user_client_create(&client_conf);
	TEST_ASSERT_NOT_NULL(neighbour.client, "client: %s", rte_strerror(rte_errno));
	close(pair[0]);
	close(pair[1]);
	return TEST_SUCCESS;
}

/* It is as it was. */
static int
stop_neighbour(void)
{
	uint32_t val;

	TEST_ASSERT_EQUAL(rte_vfio_user_client_region_read(neighbour.client, 0, 0, &val, 4), 4,
			  "the neighbour's client was dropped");
	DO(rte_vfio_user_runner_remove(loop.runner, neighbour.srv));
	rte_vfio_user_client_destroy(neighbour.client);
	return rte_vfio_user_server_destroy(neighbour.srv);
}

static int copied; /* atomic: result */

static ssize_t
copy_hook(const struct rte_vfio_user_region_access *acc)
{
	SET(copied, rte_vfio_user_server_dma_read(loop.srv, IOVA, buf, PAGE));
	return acc->count;
}

/* In a callback: the runner's thread, which blocks signals, but not this one. */
static int
test_callback(void)
{
	uint32_t val = 0;

	loop.hook = copy_hook;
	DO(start());
	DO(start_neighbour());
	SET(copied, -1);
	DO(loop_write(0, 0, &val, 4));
	TEST_ASSERT_EQUAL(GET(copied), 0, "too early");
	DO(ftruncate(mem_fd, 0));
	loop_write(0, 0, &val, 4); /* it may be answered before the client goes */
	WAIT_FOR(GET(copied) == -EIO);
	DO(check_dropped());
	return stop_neighbour();
}

/* --------------------------------------------------------- the server does it */

static void *
look_at_bar(void *arg)
{
	const volatile uint8_t *bar = arg;

	while (!GET(stop)) {
		(void)bar[0];
		(void)bar[3 * PAGE];
		COUNT(progress);
	}
	return NULL;
}

static ssize_t
never(const struct rte_vfio_user_region_access *acc)
{
	RTE_SET_USED(acc);
	return RTE_VFIO_USER_PENDING;
}

static void *
call(void *arg)
{
	uint8_t byte;

	RTE_SET_USED(arg);
	COUNT(progress);
	return (void *)(intptr_t)loop_read(0, 0, &byte, 1);
}

static int
test_bar(void)
{
	pthread_t thread;
	void *base;
	uint8_t *bar;

	DO(loop_start());
	DO(rte_vfio_user_client_region_mmap(loop.client, 4, &base));
	bar = base;
	DO(pthread_create(&thread, NULL, look_at_bar, bar));
	WAIT_FOR(GET(progress) > 3);
	TEST_ASSERT(!client_is_lost(), "too early");
	DO(ftruncate(loop.file[2], 0));
	WAIT_FOR(client_is_lost());
	SET(stop, true);
	pthread_join(thread, NULL);
	/* the address stays usable, for nothing */
	bar[PAGE] = 7;
	TEST_ASSERT(bar[PAGE] == 7 && bar[0] == 0, "memory");
	TEST_ASSERT_EQUAL(loop_read(0, 0, buf, 4), -ENOTCONN, "call");
	WAIT_FOR(GET(loop.lost) == 1);
	return TEST_SUCCESS;
}

/* A thread that waits for a reply hears of it. */
static int
test_bar_while_waiting(void)
{
	pthread_t thread;
	void *base, *ret;

	loop.hook = never;
	DO(loop_start());
	/* areas in two files, of which the second goes */
	DO(rte_vfio_user_client_region_mmap(loop.client, 3, &base));
	DO(pthread_create(&thread, NULL, call, NULL));
	WAIT_FOR(GET(progress) == 1);
	DO(ftruncate(loop.file[1], 0));
	TEST_ASSERT_EQUAL(((volatile uint8_t *)base)[0], 0, "the first is there");
	TEST_ASSERT_EQUAL(((volatile uint8_t *)base)[2 * PAGE], 0, "zeroes");
	pthread_join(thread, &ret);
	TEST_ASSERT_EQUAL((int)(intptr_t)ret, -ENOTCONN, "result of the call");
	return TEST_SUCCESS;
}

/* --------------------------------------------------------------------- seals */

static int
test_server_seals(void)
{
	loop.server_conf.flags = RTE_VFIO_USER_SERVER_F_REQUIRE_SEALS;
	DO(make_memory());
	DO(loop_start());
	TEST_ASSERT_EQUAL(map_memory(IOVA), -EPERM, "not sealed");
	DO(fcntl(mem_fd, F_ADD_SEALS, F_SEAL_SHRINK));
	DO(map_memory(IOVA));
	DO(rte_vfio_user_server_dma_read(loop.srv, IOVA, buf, 4));
	TEST_ASSERT(ftruncate(mem_fd, 0) < 0 && errno == EPERM, "truncated");
	return TEST_SUCCESS;
}

static int
test_client_seals(void)
{
	void *base;

	loop.client_conf.flags = RTE_VFIO_USER_CLIENT_F_REQUIRE_SEALS;
	DO(loop_start());
	TEST_ASSERT_EQUAL(rte_vfio_user_client_region_mmap(loop.client, 4, &base), -EPERM,
			  "not sealed");
	DO(fcntl(loop.file[2], F_ADD_SEALS, F_SEAL_SHRINK));
	DO(rte_vfio_user_client_region_mmap(loop.client, 4, &base));
	/* one of its two files is not */
	TEST_ASSERT_EQUAL(rte_vfio_user_client_region_mmap(loop.client, 3, &base), -EPERM,
			  "half sealed");
	DO(fcntl(loop.file[1], F_ADD_SEALS, F_SEAL_SHRINK));
	DO(rte_vfio_user_client_region_mmap(loop.client, 3, &base));
	return TEST_SUCCESS;
}

#define CASE(fn) TEST_CASE_ST(setup, teardown, fn)

static struct unit_test_suite sigbus_suite = {
	.suite_name = "vfio-user loopback: truncated memory",
	.unit_test_cases = {
		CASE(test_read),
		CASE(test_write),
		CASE(test_section),
		CASE(test_callback),
		CASE(test_bar),
		CASE(test_bar_while_waiting),
		CASE(test_server_seals),
		CASE(test_client_seals),
		TEST_CASES_END()
	},
};

static int
test_vfio_user_loopback_sigbus(void)
{
	return unit_test_suite_runner(&sigbus_suite);
}

REGISTER_TEST_COMMAND(vfio_user_loopback_sigbus_autotest, test_vfio_user_loopback_sigbus);
