/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

/* Server and client in one process: the device's access to client memory. */

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <rte_common.h>
#include <rte_errno.h>

#include "test.h"
#include "test_vfio_user_loopback.h"
#include "vfio_user_server.h"

#define MEM_SIZE (17u << 20)
#define IOVA UINT64_C(0x100000)

/* How the client gives its memory. */
enum mode { BY_MMAP, BY_FILE, BY_MESSAGE, BY_CALLBACK, NB_MODES };

static struct {
	int fd;
	uint8_t *mem; /* of the client, MEM_SIZE */
	uint8_t *buf; /* of the device, MEM_SIZE */
	uint32_t cb_calls; /* atomic */
	int cb_result;
	int map_in_cb, unmap_in_cb;
	uint32_t cb_us; /* it takes */
} dma;

ORDERED_BY_SOCKET static uint8_t
byte_at(uint32_t off)
{
	return dma.mem[off];
}

static int
setup(void)
{
	int ret = loop_setup();

	memset(&dma, 0, sizeof(dma));
	dma.fd = memfd_create("guest", MFD_CLOEXEC);
	if (ftruncate(dma.fd, MEM_SIZE) < 0)
		return TEST_FAILED;
	dma.mem = mmap(NULL, MEM_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, dma.fd, 0);
	dma.buf = malloc(MEM_SIZE);
	return ret;
}

static void
teardown(void)
{
	loop_teardown();
	munmap(dma.mem, MEM_SIZE);
	close(dma.fd);
	free(dma.buf);
}

/* Serves the device by code. */
static int
dma_cb(struct rte_vfio_user_client *client, bool is_write, uint64_t iova, void *buf,
       uint32_t len, void *priv)
{
	const struct rte_vfio_user_dma_map map = {
		.iova = 0x10, .size = 1, .prot = PROT_READ, .fd = -1,
	};
	const struct rte_vfio_user_dma_range range = { IOVA, 1 };
	uint8_t *at = dma.mem + (iova - IOVA);

	if (dma.cb_us != 0)
		usleep(dma.cb_us);
	if (priv != &dma || client != loop.client)
		return -EDOM;
	if (COUNT(dma.cb_calls) == 0) {
		dma.map_in_cb = rte_vfio_user_client_dma_map(client, &map, 1);
		dma.unmap_in_cb = rte_vfio_user_client_dma_unmap(client, &range, 1);
	}
	if (is_write)
		memcpy(at, buf, len);
	else
		memcpy(buf, at, len);
	return dma.cb_result;
}

/* A piece of the client's memory, off bytes from its start. */
static struct rte_vfio_user_dma_map
make_map(enum mode mode, uint64_t off, uint64_t size, uint32_t prot)
{
	struct rte_vfio_user_dma_map map = {
		.iova = IOVA + off, .size = size, .prot = prot,
		.fd = mode == BY_MMAP || mode == BY_FILE ? dma.fd : -1,
		.flags = mode == BY_FILE ? RTE_VFIO_USER_DMA_F_FILE_IO : 0,
		.fd_offset = off,
		.vaddr = mode == BY_CALLBACK ? NULL : dma.mem + off,
	};

	return map;
}

static int
map_one(enum mode mode, uint64_t off, uint64_t size, uint32_t prot)
{
	const struct rte_vfio_user_dma_map map = make_map(mode, off, size, prot);

	return rte_vfio_user_client_dma_map(loop.client, &map, 1);
}

static int
unmap_one(uint64_t off, uint64_t size)
{
	const struct rte_vfio_user_dma_range range = { IOVA + off, size };

	return rte_vfio_user_client_dma_unmap(loop.client, &range, 1);
}

static int
start(enum mode mode, bool twin)
{
	struct rte_vfio_user_negotiated neg;

	loop.client_conf.flags = twin ? 0 : RTE_VFIO_USER_CLIENT_F_NO_TWIN_SOCKET;
	loop.client_conf.dma_cb = mode == BY_CALLBACK ? dma_cb : NULL;
	loop.client_conf.priv = &dma;
	dma.cb_calls = 0;
	DO(loop_start());
	DO(rte_vfio_user_client_negotiated(loop.client, &neg));
	TEST_ASSERT_EQUAL(neg.twin_socket, twin, "twin socket");
	return TEST_SUCCESS;
}

static void
stop(void)
{
	loop_stop_client();
	loop_stop_server();
}

/* Run a case with each kind of memory, with a twin socket and without. */
static int
each_mode(int (*func)(enum mode mode))
{
	int mode, twin;

	for (mode = 0; mode < NB_MODES; mode++) {
		for (twin = 0; twin < 2; twin++) {
			memset(dma.mem, 0, 1 << 20);
			TEST_ASSERT_SUCCESS(start(mode, twin), "mode %d, twin %d", mode, twin);
			TEST_ASSERT_SUCCESS(func(mode), "mode %d, twin %d", mode, twin);
			stop();
		}
	}
	return TEST_SUCCESS;
}

/* -------------------------------------------------------------- synchronous */

static int
sync_accesses(void *arg)
{
	static const uint32_t lens[] = { 1, 7, 4096, 100000, 900000 };
	struct rte_vfio_user_server *srv = loop.srv;
	uint8_t byte = 0;
	uint32_t i, len;

	RTE_SET_USED(arg);
	for (i = 0; i < RTE_DIM(lens); i++) {
		len = lens[i];
		loop_fill(dma.buf, len, i);
		DO(rte_vfio_user_server_dma_write(srv, IOVA + 3, dma.buf, len));
		TEST_ASSERT(loop_is_filled(dma.mem + 3, len, i), "write of %u", len);
		TEST_ASSERT_EQUAL(byte_at(3 + len), 0, "behind %u", len);
		memset(dma.buf, 0, len);
		DO(rte_vfio_user_server_dma_read(srv, IOVA + 3, dma.buf, len));
		TEST_ASSERT(loop_is_filled(dma.buf, len, i), "read of %u", len);
	}
	DO(rte_vfio_user_server_dma_read(srv, IOVA, NULL, 0));
	TEST_ASSERT_EQUAL(rte_vfio_user_server_dma_read(srv, 0, &byte, 1), -EFAULT, "none");
	TEST_ASSERT_EQUAL(rte_vfio_user_server_dma_write(srv, IOVA + (1 << 20) + 2 * PAGE - 1,
			dma.buf, 2), -EFAULT, "over the end");
	TEST_ASSERT_EQUAL(rte_vfio_user_server_dma_read(srv, UINT64_MAX, dma.buf, 2), -EFAULT,
			  "wraps");
	TEST_ASSERT_EQUAL(rte_vfio_user_server_dma_write(srv, IOVA + (1 << 20), &byte, 1),
			  -EPERM, "read-only");
	DO(rte_vfio_user_server_dma_read(srv, IOVA + (1 << 20), &byte, 1));
	TEST_ASSERT_EQUAL(rte_vfio_user_server_dma_read(srv, IOVA + (1 << 20) + PAGE, &byte, 1),
			  -EPERM, "write-only");
	DO(rte_vfio_user_server_dma_write(srv, IOVA + (1 << 20) + PAGE, &byte, 1));
	TEST_ASSERT_EQUAL(rte_vfio_user_server_dma_readv(NULL, NULL, 0), -EINVAL, "server");
	TEST_ASSERT_EQUAL(rte_vfio_user_server_dma_readv(srv, NULL, 1), -EINVAL, "pieces");
	return TEST_SUCCESS;
}

static int
sync_mode(enum mode mode)
{
	DO(map_one(mode, 0, 1 << 20, PROT_READ | PROT_WRITE));
	DO(map_one(mode, 1 << 20, PAGE, PROT_READ));
	/* a mapping that can only be written cannot be mapped from a file */
	DO(map_one(mode == BY_MMAP ? BY_FILE : mode, (1 << 20) + PAGE, PAGE, PROT_WRITE));
	DO(loop_run(sync_accesses, NULL));
	if (mode == BY_CALLBACK)
		TEST_ASSERT(GET(dma.cb_calls) != 0 && dma.map_in_cb == -EDEADLK &&
			    dma.unmap_in_cb == -EDEADLK, "calls inside the callback");
	return TEST_SUCCESS;
}

static int
test_sync(void)
{
	return each_mode(sync_mode);
}

static int
move_16m(void *arg)
{
	const uint32_t len = (16u << 20) + 9;

	RTE_SET_USED(arg);
	loop_fill(dma.buf, len, 1);
	DO(rte_vfio_user_server_dma_write(loop.srv, IOVA + 5, dma.buf, len));
	TEST_ASSERT(loop_is_filled(dma.mem + 5, len, 1), "write");
	memset(dma.buf, 0, len);
	DO(rte_vfio_user_server_dma_read(loop.srv, IOVA + 5, dma.buf, len));
	TEST_ASSERT(loop_is_filled(dma.buf, len, 1), "read");
	return TEST_SUCCESS;
}

static int
large_mode(enum mode mode)
{
	DO(map_one(mode, 0, MEM_SIZE, PROT_READ | PROT_WRITE));
	return loop_run(move_16m, NULL);
}

static int
test_large(void)
{
	return each_mode(large_mode);
}

/* ------------------------------------------------------------------ vectors */

#define NB_PIECES 5

/* Over mappings of different kinds, in pieces of different sizes. */
static int
vectors(void *arg)
{
	uint32_t lens[NB_PIECES] = { 1, 3 * PAGE, 0, 5000, 77 }, i, off = 0;
	struct rte_vfio_user_dma_sg sg[NB_PIECES];

	RTE_SET_USED(arg);
	for (i = 0; i < NB_PIECES; i++) {
		sg[i].iova = IOVA + PAGE - 1 + off;
		sg[i].len = lens[i];
		sg[i].buf = dma.buf + off;
		off += lens[i];
	}
	loop_fill(dma.buf, off, 44);
	DO(rte_vfio_user_server_dma_writev(loop.srv, sg, NB_PIECES));
	TEST_ASSERT(loop_is_filled(dma.mem + PAGE - 1, off, 44), "write");
	memset(dma.buf, 0, off);
	DO(rte_vfio_user_server_dma_readv(loop.srv, sg, NB_PIECES));
	TEST_ASSERT(loop_is_filled(dma.buf, off, 44), "read");
	DO(rte_vfio_user_server_dma_readv(loop.srv, sg, 0));
	sg[3].iova = 0x10;
	TEST_ASSERT_EQUAL(rte_vfio_user_server_dma_readv(loop.srv, sg, NB_PIECES), -EFAULT,
			  "one is not mapped");
	return TEST_SUCCESS;
}

static int
test_vectors(void)
{
	const struct rte_vfio_user_dma_map maps[] = {
		make_map(BY_MESSAGE, 0, PAGE, PROT_READ | PROT_WRITE),
		make_map(BY_MMAP, PAGE, PAGE + 100, PROT_READ | PROT_WRITE),
		make_map(BY_MESSAGE, 2 * PAGE + 100, PAGE, PROT_READ | PROT_WRITE),
		make_map(BY_FILE, 3 * PAGE + 100, PAGE, PROT_READ | PROT_WRITE),
		make_map(BY_MESSAGE, 4 * PAGE + 100, 8 * PAGE, PROT_READ | PROT_WRITE),
	};
	int twin;

	for (twin = 0; twin < 2; twin++) {
		DO(start(BY_MESSAGE, twin));
		DO(rte_vfio_user_client_dma_map(loop.client, maps, RTE_DIM(maps)));
		DO(loop_run(vectors, NULL));
		stop();
	}
	return TEST_SUCCESS;
}

/* ------------------------------------------------------------- asynchronous */

#define NB_ASYNC 64

static uint32_t async_done, async_bad;

static void
async_cb(struct rte_vfio_user_server *srv, int status, void *arg)
{
	if (status != 0 || srv != loop.srv || arg != &dma)
		COUNT(async_bad);
	COUNT(async_done);
}

static int
submit(bool is_write, uint64_t off, void *buf, uint64_t len)
{
	const struct rte_vfio_user_dma_sg sg[2] = {
		{ IOVA + off, len / 2, buf },
		{ IOVA + off + len / 2, len - len / 2, (uint8_t *)buf + len / 2 },
	};

	return rte_vfio_user_server_dma_submit(loop.srv, is_write, sg, 2, async_cb, &dma);
}

static int
async_accesses(void *arg)
{
	const uint32_t len = 12345;
	uint32_t i;

	RTE_SET_USED(arg);
	async_done = async_bad = 0;
	for (i = 0; i < NB_ASYNC; i++) {
		loop_fill(dma.buf, len, i);
		DO(submit(true, i * len, dma.buf, len)); /* copied */
	}
	memset(dma.buf, 0, len);
	WAIT_FOR(GET(async_done) == NB_ASYNC);
	for (i = 0; i < NB_ASYNC; i++)
		TEST_ASSERT(loop_is_filled(dma.mem + i * len, len, i), "write %u", i);
	for (i = 0; i < NB_ASYNC; i++)
		DO(submit(false, i * len, dma.buf + i * len, len));
	WAIT_FOR(GET(async_done) == 2 * NB_ASYNC);
	for (i = 0; i < NB_ASYNC; i++)
		TEST_ASSERT(loop_is_filled(dma.buf + i * len, len, i), "read %u", i);
	TEST_ASSERT_EQUAL(GET(async_bad), 0u, "status");
	DO(submit(false, UINT64_C(1) << 40, dma.buf, 4));
	WAIT_FOR(GET(async_bad) == 1);
	TEST_ASSERT_EQUAL(rte_vfio_user_server_dma_submit(loop.srv, false, NULL, 1, async_cb,
			NULL), -EINVAL, "pieces");
	return TEST_SUCCESS;
}

static int
async_mode(enum mode mode)
{
	DO(map_one(mode, 0, 1 << 20, PROT_READ | PROT_WRITE));
	return loop_run(async_accesses, NULL);
}

static int
test_async(void)
{
	return each_mode(async_mode);
}

/* ------------------------------------------------- from inside of a callback */

static int callback_result;
static bool inside;
static uint32_t nested; /* callbacks inside of one, or in two threads; atomic */

/* The data of a write name an address; what is there is written elsewhere. */
static int
copy_memory(const struct rte_vfio_user_region_access *acc)
{
	uint8_t buf[300000];
	uint64_t off;
	int ret;

	memcpy(&off, acc->data, sizeof(off));
	ret = rte_vfio_user_server_dma_read(loop.srv, IOVA + off, buf, sizeof(buf));
	if (ret == 0)
		ret = rte_vfio_user_server_dma_write(loop.srv, IOVA + off + 400000, buf,
						     sizeof(buf));
	/* the access is still there although other messages came meanwhile */
	return memcmp(&off, acc->data, sizeof(off)) == 0 ? ret : -EDOM;
}

static ssize_t
copy_hook(const struct rte_vfio_user_region_access *acc)
{
	int ret = 0;

	if (__atomic_exchange_n(&inside, true, __ATOMIC_ACQ_REL))
		COUNT(nested);
	if (acc->is_write && acc->count == sizeof(uint64_t))
		ret = callback_result = copy_memory(acc);
	else
		loop_store(acc);
	SET(inside, false);
	return ret < 0 ? ret : (ssize_t)acc->count;
}

static uint32_t nb_pipelined;

static void
pipelined_cb(struct rte_vfio_user_client *client, ssize_t result, void *arg)
{
	RTE_SET_USED(client);
	if (result > 0 && nb_pipelined == (uint32_t)(uintptr_t)arg)
		nb_pipelined++;
}

/* What is sent behind an access is handled behind it, although it comes amid. */
static int
pipelined(void)
{
	uint64_t off = 20;
	uint32_t i, j;

	nb_pipelined = 0;
	for (i = 0; i < 20; i++)
		DO(rte_vfio_user_client_region_write_async(loop.client, 0, 0x200, &off,
				i == 0 || i == 10 ? 8 : 4, pipelined_cb, (void *)(uintptr_t)i));
	for (j = 0; j < 1000 && nb_pipelined < i; j++)
		loop_poll();
	TEST_ASSERT_EQUAL(nb_pipelined, i, "%u of %u", nb_pipelined, i);
	TEST_ASSERT_EQUAL(GET(nested), 0u, "%u nested callbacks", nested);
	return TEST_SUCCESS;
}

static int
callback_mode(enum mode mode)
{
	uint64_t off;
	uint32_t val;

	loop.hook = copy_hook;
	DO(map_one(mode, 0, 1 << 20, PROT_READ | PROT_WRITE));
	for (off = 0; off < 30; off += 10) {
		loop_fill(dma.mem + off, 300000, (uint32_t)off);
		/* with others in front of and behind it */
		val = 1;
		DO(rte_vfio_user_client_region_write_posted(loop.client, 0, 0, &val, 4));
		DO(loop_write(0, 0x100, &off, sizeof(off)));
		TEST_ASSERT_EQUAL(callback_result, 0, "copy");
		TEST_ASSERT(loop_is_filled(dma.mem + off + 400000, 300000, (uint32_t)off), "data");
		DO(loop_read(0, 0, &val, 4));
		TEST_ASSERT_EQUAL(val, 1u, "posted");
	}
	DO(pipelined());
	off = 1 << 20;
	TEST_ASSERT_EQUAL(loop_write(0, 0x100, &off, sizeof(off)), -EFAULT, "not mapped");
	return TEST_SUCCESS;
}

static int
test_in_callback(void)
{
	return each_mode(callback_mode);
}

static void *
hammer(void *arg)
{
	uint64_t off = 8;
	uint32_t *failed = arg, i;

	for (i = 0; i < 150; i++)
		if (loop_write(0, 0x100, &off, i % 5 == 0 ? sizeof(off) : 4) != 0)
			COUNT(*failed);
	return NULL;
}

static int
background(void *arg)
{
	uint32_t *failed = arg, i;
	uint8_t buf[5000];

	for (i = 0; i < 60; i++) {
		if (rte_vfio_user_server_dma_read(loop.srv, IOVA + 700000, buf, sizeof(buf)) < 0 ||
		    rte_vfio_user_server_dma_write(loop.srv, IOVA + 800000, buf, 100) < 0)
			COUNT(*failed);
	}
	return 0;
}

static void *
run_background(void *arg)
{
	background(arg);
	return NULL;
}

/*
 * Two threads of the client, two of the device, all with messages. Those of the
 * device receive what the client sends while they wait, but do not handle it.
 */
static int
test_crossing(void)
{
	pthread_t threads[3];
	uint32_t failed = 0, i;
	int twin;

	loop.hook = copy_hook;
	dma.cb_us = 200;
	for (twin = 0; twin < 2; twin++) {
		DO(start(BY_CALLBACK, twin));
		DO(map_one(BY_CALLBACK, 0, 1 << 20, PROT_READ | PROT_WRITE));
		pthread_create(&threads[0], NULL, hammer, &failed);
		pthread_create(&threads[1], NULL, hammer, &failed);
		pthread_create(&threads[2], NULL, run_background, &failed);
		loop_run(background, &failed);
		for (i = 0; i < 2; i++)
			pthread_join(threads[i], NULL);
		/* the third may need somebody who serves it */
		while (pthread_tryjoin_np(threads[2], NULL) != 0)
			loop_poll();
		TEST_ASSERT_EQUAL(failed, 0u, "%u accesses, twin %d", failed, twin);
		stop();
	}
	return TEST_SUCCESS;
}

/* ------------------------------------------------------ mapping and unmapping */

static int
refuse_map(const struct rte_vfio_user_dma_info *info)
{
	return info->iova == IOVA + 2 * PAGE ? -EXDEV : 0;
}

static int
count_maps(void *arg)
{
	struct rte_vfio_user_dma_info info;
	uint32_t i, nb = rte_vfio_user_server_dma_count(loop.srv);

	for (i = 0; i < *(uint32_t *)arg; i++)
		if (rte_vfio_user_server_dma_lookup(loop.srv, IOVA + i * PAGE + 5, &info) < 0 ||
		    info.iova != IOVA + i * PAGE || info.size != PAGE)
			return -1;
	return nb == *(uint32_t *)arg ? 0 : -1;
}

/* Getters are for the poller: take its place for a moment. */
static int
expect_maps(uint32_t nb)
{
	int ret;

	DO(rte_vfio_user_runner_remove(loop.runner, loop.srv));
	ret = count_maps(&nb);
	DO(rte_vfio_user_runner_add(loop.runner, loop.srv));
	return ret;
}

static int
test_all_or_none(void)
{
	struct rte_vfio_user_dma_map maps[200];
	struct rte_vfio_user_dma_range ranges[200];
	uint32_t i, nb = RTE_DIM(maps);

	loop.client_conf.max_dma_maps = nb;
	DO(start(BY_MMAP, true));
	for (i = 0; i < nb; i++) {
		maps[i] = make_map(i % 3 == 0 ? BY_MESSAGE : BY_MMAP, i * PAGE, PAGE, PROT_READ);
		ranges[i].iova = maps[i].iova;
		ranges[i].size = maps[i].size;
	}
	DO(rte_vfio_user_client_dma_map(loop.client, maps, nb));
	DO(expect_maps(nb));
	maps[0].iova = UINT64_C(1) << 40;
	TEST_ASSERT_EQUAL(rte_vfio_user_client_dma_map(loop.client, maps, 1), -ENOSPC, "full");
	DO(rte_vfio_user_client_dma_unmap(loop.client, ranges, nb));
	DO(expect_maps(0));
	maps[0].iova = IOVA;
	maps[150].iova = IOVA + 3 * PAGE + 1;
	TEST_ASSERT_EQUAL(rte_vfio_user_client_dma_map(loop.client, maps, nb), -EEXIST, "");
	DO(expect_maps(0));
	maps[150].iova = IOVA + 150 * PAGE;
	/* the server refuses one of the first, and one of the last window */
	loop.map = refuse_map;
	TEST_ASSERT_EQUAL(rte_vfio_user_client_dma_map(loop.client, maps, nb), -EXDEV, "");
	DO(expect_maps(0));
	loop.map = NULL;
	maps[170].fd_offset = MEM_SIZE;
	maps[170].fd = dma.fd;
	TEST_ASSERT_EQUAL(rte_vfio_user_client_dma_map(loop.client, maps, nb), -EINVAL, "");
	DO(expect_maps(0));
	DO(rte_vfio_user_client_dma_map(loop.client, maps, 10));
	TEST_ASSERT_EQUAL(unmap_one(0, PAGE - 1), -ENOENT, "not exactly one");
	TEST_ASSERT_EQUAL(unmap_one(1, PAGE), -ENOENT, "not exactly one");
	TEST_ASSERT_EQUAL(unmap_one(0, 2 * PAGE), -ENOENT, "two of them");
	DO(expect_maps(10));
	DO(rte_vfio_user_client_dma_unmap_all(loop.client));
	DO(expect_maps(0));
	DO(rte_vfio_user_client_dma_unmap_all(loop.client));
	TEST_ASSERT_EQUAL(GET(loop.mapped) - 1, GET(loop.unmapped), "callbacks: %u, %u",
			  loop.mapped, loop.unmapped);
	return TEST_SUCCESS;
}

static bool section_begun, section_over, section_bad;

/* Look at a page for a while in one section. */
static void *
run_section(void *arg)
{
	struct rte_vfio_user_dma_reader *reader = arg;
	const volatile uint8_t *va;
	int i;

	rte_vfio_user_dma_begin(reader);
	va = rte_vfio_user_dma_va(reader, IOVA + 10, 100, PROT_READ);
	SET(section_begun, true);
	for (i = 0; i < 50; i++) {
		if (va == NULL || va[0] != 0x5a ||
		    rte_vfio_user_dma_va(reader, IOVA + 10, 100, PROT_READ) != va)
			SET(section_bad, true);
		usleep(1000);
	}
	SET(section_over, true);
	rte_vfio_user_dma_end(reader);
	return NULL;
}

/* An unmap is answered behind the sections that have begun before it. */
static int
test_reader(void)
{
	struct rte_vfio_user_dma_reader *reader, *idle;
	pthread_t thread;
	uint32_t round, val;

	DO(start(BY_MMAP, true));
	reader = rte_vfio_user_server_dma_reader_create(loop.srv);
	idle = rte_vfio_user_server_dma_reader_create(loop.srv);
	TEST_ASSERT(reader != NULL && idle != NULL, "reader");
	memset(dma.mem, 0x5a, PAGE);
	for (round = 0; round < 3; round++) {
		section_begun = section_over = section_bad = false;
		DO(map_one(BY_MMAP, 0, PAGE, PROT_READ));
		pthread_create(&thread, NULL, run_section, reader);
		WAIT_FOR(GET(section_begun));
		if (round == 2)
			DO(rte_vfio_user_client_dma_unmap_all(loop.client));
		else
			DO(unmap_one(0, PAGE));
		TEST_ASSERT(GET(section_over), "answered inside a section");
		pthread_join(thread, NULL);
		TEST_ASSERT(!section_bad, "the mapping changed inside the section");
		DO(loop_read(0, 0, &val, 4));
	}
	/* a client that leaves: the next one waits for the section, too */
	section_begun = section_over = section_bad = false;
	DO(map_one(BY_MMAP, 0, PAGE, PROT_READ));
	pthread_create(&thread, NULL, run_section, reader);
	WAIT_FOR(GET(section_begun));
	loop_stop_client();
	loop.client_conf.connect_timeout_ms = 5000;
	DO(loop_start_client());
	TEST_ASSERT(GET(section_over), "a client inside of the former one's section");
	pthread_join(thread, NULL);
	TEST_ASSERT(!section_bad, "the mapping changed inside the section");
	rte_vfio_user_server_dma_reader_destroy(reader);
	rte_vfio_user_server_dma_reader_destroy(idle);
	rte_vfio_user_server_dma_reader_destroy(NULL);
	return TEST_SUCCESS;
}

/* ------------------------------------------------------------------- failure */

static int
read_once(void *arg)
{
	RTE_SET_USED(arg);
	return rte_vfio_user_server_dma_read(loop.srv, IOVA, dma.buf, 8);
}

static void *
run_read(void *arg)
{
	return (void *)(intptr_t)read_once(arg);
}

/* Nobody serves the device: it gives up, and goes on later. */
static int
test_timeout(void)
{
	pthread_t thread;
	void *result;
	int twin, i;

	loop.server_conf.dma_timeout_ms = 500;
	for (twin = 0; twin < 2; twin++) {
		DO(start(BY_MESSAGE, twin));
		DO(map_one(BY_MESSAGE, 0, PAGE, PROT_READ));
		pthread_create(&thread, NULL, run_read, NULL);
		pthread_join(thread, &result);
		TEST_ASSERT_EQUAL((intptr_t)result, -ETIMEDOUT, "%ld", (long)result);
		async_done = async_bad = 0;
		DO(submit(false, 0, dma.buf, 8));
		for (i = 0; i < 10000 && GET(async_done) == 0; i++)
			usleep(1000);
		TEST_ASSERT(GET(async_done) == 1 && GET(async_bad) == 1, "not in time");
		/* what was late is answered now, and ignored */
		loop_fill(dma.mem, 8, 3);
		loop_poll();
		memset(dma.buf, 0, 8);
		TEST_ASSERT_EQUAL(loop_run(read_once, NULL), 0, "");
		TEST_ASSERT(loop_is_filled(dma.buf, 8, 3), "data");
		stop();
	}
	return TEST_SUCCESS;
}

/* The client, or the device, goes while a thread waits for the client. */
static int
test_gone(void)
{
	pthread_t threads[2];
	uint32_t round, i;
	void *result;
	bool twin;

	for (round = 0; round < 8; round++) {
		twin = round % 2 == 0;
		DO(start(BY_MESSAGE, twin));
		DO(map_one(BY_MESSAGE, 0, PAGE, PROT_READ));
		for (i = 0; i < 2; i++)
			pthread_create(&threads[i], NULL, run_read, NULL);
		/* no call may begin once destroy has */
		WAIT_FOR(GET(loop.srv->users) == 2);
		async_done = async_bad = 0;
		DO(submit(false, 0, dma.buf + 100, 8));
		usleep(round / 2 * 2000);
		if (round % 4 < 2)
			loop_stop_server();
		else
			loop_stop_client();
		for (i = 0; i < 2; i++) {
			pthread_join(threads[i], &result);
			TEST_ASSERT((intptr_t)result == -ENOTCONN ||
				    (intptr_t)result == -EFAULT, "%ld", (long)result);
		}
		WAIT_FOR(GET(async_done) == 1);
		stop();
	}
	return TEST_SUCCESS;
}

/* The client's own code refuses. */
static int
test_refused(void)
{
	DO(start(BY_CALLBACK, true));
	DO(map_one(BY_CALLBACK, 0, PAGE, PROT_READ));
	dma.cb_result = -ENOMEDIUM;
	TEST_ASSERT_EQUAL(loop_run(read_once, NULL), -ENOMEDIUM, "");
	stop();
	/* no address and no code: it cannot be served */
	loop.client_conf.dma_cb = NULL;
	DO(loop_start());
	DO(map_one(BY_CALLBACK, 0, PAGE, PROT_READ));
	TEST_ASSERT_EQUAL(loop_run(read_once, NULL), -EFAULT, "");
	return TEST_SUCCESS;
}

#define CASE(fn) TEST_CASE_ST(setup, teardown, fn)

static struct unit_test_suite dma_suite = {
	.suite_name = "vfio-user server and client: DMA",
	.unit_test_cases = {
		CASE(test_sync),
		CASE(test_large),
		CASE(test_vectors),
		CASE(test_async),
		CASE(test_in_callback),
		CASE(test_crossing),
		CASE(test_all_or_none),
		CASE(test_reader),
		CASE(test_timeout),
		CASE(test_gone),
		CASE(test_refused),
		TEST_CASES_END()
	},
};

static int
test_vfio_user_loopback_dma(void)
{
	return unit_test_suite_runner(&dma_suite);
}

REGISTER_TEST_COMMAND(vfio_user_loopback_dma_autotest, test_vfio_user_loopback_dma);
