/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

/* The client: writes, mapped regions, DMA, memory of the EAL. */

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <rte_eal.h>
#include <rte_errno.h>

#include "test.h"
#include "test_vfio_user_fds.h"
#include "test_vfio_user_client.h"

/* ---------------------------------------------------------------- writes */

/* Bytes that have arrived at the server's end. */
static ssize_t
arrived(void)
{
	static uint8_t buf[1 << 16];

	return recv(fake.fd, buf, sizeof(buf), MSG_DONTWAIT);
}

static int
test_posted(void)
{
	const ssize_t size = 16 + 16 + 4;
	ssize_t result;
	uint32_t i, val = 7;

	fake.once = true;
	TEST_ASSERT_SUCCESS(fake_start(), "start");
	for (i = 0; i < 31; i++)
		TEST_ASSERT_SUCCESS(rte_vfio_user_client_region_write_posted(client,
				    0, 0, &val, sizeof(val)), "write %u", i);
	TEST_ASSERT_EQUAL(arrived(), -1, "sent before 32 came together");
	rte_vfio_user_client_region_write_posted(client, 0, 0, &val, sizeof(val));
	TEST_ASSERT_EQUAL(arrived(), 32 * size, "32 writes");
	for (i = 0; i < 5; i++)
		rte_vfio_user_client_region_write_posted(client, 0, 0, &val,
							 sizeof(val));
	TEST_ASSERT_EQUAL(arrived(), -1, "sent before the flush");
	TEST_ASSERT_SUCCESS(rte_vfio_user_client_flush(client), "flush");
	TEST_ASSERT_EQUAL(arrived(), 5 * size, "5 writes");
	rte_vfio_user_client_region_write_posted(client, 0, 0, &val, sizeof(val));
	TEST_ASSERT_SUCCESS(rte_vfio_user_client_region_read_async(client, 0, 0,
			    &val, 4, note_result, &result), "read");
	TEST_ASSERT_EQUAL(arrived(), size + 32, "not with the next request");
	TEST_ASSERT_SUCCESS(fake_stop(), "stop");
	TEST_ASSERT_EQUAL(result, -ENOTCONN, "read at destroy");
	return TEST_SUCCESS;
}

/* A server that does not read must not make us queue without end. */
static int
test_posted_limit(void)
{
	uint8_t *buf = calloc(1, 1 << 20);
	int i, ret = 0;

	fake.once = true;
	TEST_ASSERT_SUCCESS(fake_start(), "start");
	for (i = 0; i < 32 && ret == 0; i++)
		ret = rte_vfio_user_client_region_write_posted(client, 0, 0, buf,
							       1 << 20);
	TEST_ASSERT_EQUAL(ret, -EAGAIN, "posted");
	TEST_ASSERT(i < 10, "%d MiB taken", i);
	TEST_ASSERT_EQUAL(rte_vfio_user_client_region_write_async(client, 0, 0, buf,
			  1, note_result, NULL), -EAGAIN, "asynchronous");
	free(buf);
	return fake_stop();
}

/* Of several writes the server takes all but the last. */
static bool
take_fewer(void)
{
	uint64_t count;

	if (fake.msg.hdr.command != WRITE_MULTI)
		return false;
	memcpy(&count, fake.msg.data, 8);
	CHECK(fake.msg.len == 8 + count * 24);
	fake_record(count, 0, 0);
	if (fake.nb_log == 2)
		count--;
	fake_reply(&fake.msg.hdr, 0, &count, 8, -1);
	return true;
}

static int
test_write_multi(void)
{
	static struct rte_vfio_user_write writes[200];
	uint32_t i;

	for (i = 0; i < RTE_DIM(writes); i++)
		writes[i].len = 1 + i % 8;
	fake.hook = take_fewer;
	fake.json = "{\"capabilities\":{\"write_multiple\":true,"
		"\"max_data_xfer_size\":2420}}";
	TEST_ASSERT_SUCCESS(fake_start(), "start");
	TEST_ASSERT_EQUAL(rte_vfio_user_client_region_write_multi(client, writes,
			  200), 199, "100 and 99");
	writes[1].len = 9;
	TEST_ASSERT_EQUAL(rte_vfio_user_client_region_write_multi(client, writes,
			  2), -EINVAL, "9 bytes");
	TEST_ASSERT_SUCCESS(fake_stop(), "stop");
	TEST_ASSERT(fake.nb_log == 2 && fake.log[0].a == 100, "messages");

	fake_setup();
	writes[1].len = 1;
	TEST_ASSERT_SUCCESS(fake_start(), "start");
	TEST_ASSERT_EQUAL(rte_vfio_user_client_region_write_multi(client, writes,
			  200), 200, "single writes");
	TEST_ASSERT_SUCCESS(fake_stop(), "stop");
	TEST_ASSERT_EQUAL(fake.nb_log, 200, "messages");
	return TEST_SUCCESS;
}

/* Reads are cut to 4 KiB; the third returns only 8 bytes, the next an error. */
static bool
read_short(void)
{
	uint32_t count = 8;

	if (fake.msg.hdr.command != REGION_READ || ++fake.nb_reads < 3)
		return false;
	memcpy(fake.msg.data + 12, &count, 4);
	if (fake.nb_reads == 3)
		fake_reply(&fake.msg.hdr, 0, fake.msg.data, 24, -1);
	else if (fake.nb_reads == 4)
		fake_reply(&fake.msg.hdr, ENXIO, fake.msg.data, 16, -1);
	else /* more than was asked for */
		fake_reply(&fake.msg.hdr, 0, fake.msg.data, 4096, -1);
	return true;
}

static int
test_split(void)
{
	static uint8_t buf[20000];
	uint64_t val;

	fake.hook = read_short;
	fake.json = "{\"capabilities\":{\"max_data_xfer_size\":4096}}";
	TEST_ASSERT_SUCCESS(fake_start(), "start");
	TEST_ASSERT_EQUAL(rte_vfio_user_client_region_read(client, 0, 64, buf,
			  sizeof(buf)), 2 * 4096 + 8, "short read");
	memcpy(&val, buf + 4096, 8);
	TEST_ASSERT_EQUAL(val, fake_pattern(64 + 4096), "second message");
	TEST_ASSERT_EQUAL(rte_vfio_user_client_region_read(client, 0, 0, buf, 8),
			  -ENXIO, "error with a payload");
	TEST_ASSERT_EQUAL(rte_vfio_user_client_region_read(client, 0, 0, buf, 8),
			  -EPROTO, "too long");
	TEST_ASSERT_EQUAL(rte_vfio_user_client_region_read(client, 0, UINT64_MAX,
			  buf, 8), -EINVAL, "wraps");
	TEST_ASSERT_EQUAL(rte_vfio_user_client_region_write(client, 0, 0, buf,
			  sizeof(buf)), (ssize_t)sizeof(buf), "write");
	TEST_ASSERT_SUCCESS(fake_stop(), "stop");
	TEST_ASSERT_EQUAL(fake.nb_log, 5, "write messages");
	return TEST_SUCCESS;
}

/* --------------------------------------------------------- mapped regions */

static void
describe_region(struct sparse_info *wire, uint64_t area_offset, uint64_t area_size)
{
	const struct sparse_info model = {
		.info = { .argsz = sizeof(model), .cap_offset = 32, .size = 0x4000,
			  .flags = VFIO_REGION_INFO_FLAG_READ |
				VFIO_REGION_INFO_FLAG_WRITE |
				VFIO_REGION_INFO_FLAG_MMAP |
				VFIO_REGION_INFO_FLAG_CAPS, .offset = 0x1000 },
		.cap = { .id = 1, .version = 1 },
		.nr_areas = 1,
		.areas = { { area_offset, area_size } },
	};

	*wire = model;
}

/* The server describes a region of a file of this size, or -1. */
static int
try_mmap(const struct sparse_info *wire, off_t file_size, void **base)
{
	int ret;

	fake_setup();
	memcpy(fake.info, wire, sizeof(*wire));
	fake.info_len = wire->info.argsz;
	TEST_ASSERT_SUCCESS(fake_start(), "start");
	fake_pause();
	if (file_size >= 0)
		fake.send_fd = make_file(file_size);
	fake_resume();
	ret = rte_vfio_user_client_region_mmap(client, 0, base);
	return ret;
}

static int
test_mmap(void)
{
	struct sparse_info wire;
	int before = count_fds();
	void *base, *again;
	uint32_t *va;

	describe_region(&wire, 0x2000, 0x1000);
	TEST_ASSERT_SUCCESS(try_mmap(&wire, 0x4000, &base), "mmap");
	TEST_ASSERT_SUCCESS(rte_vfio_user_client_region_mmap(client, 0, &again),
			    "again");
	TEST_ASSERT(base == again, "another base");
	TEST_ASSERT_NULL(rte_vfio_user_client_region_va(client, 0, 0, 4), "hole");
	TEST_ASSERT_NULL(rte_vfio_user_client_region_va(client, 0, 0x2ffd, 4), "end");
	TEST_ASSERT_NULL(rte_vfio_user_client_region_va(client, 1, 0x2000, 4),
			 "another region");
	va = rte_vfio_user_client_region_va(client, 0, 0x2ffc, 4);
	TEST_ASSERT(va != NULL && va == RTE_PTR_ADD(base, 0x2ffc), "va");
	*va = 4711;
	TEST_ASSERT_EQUAL(pread(fake.send_fd, &before, 4, 0x3ffc), 4, "pread");
	TEST_ASSERT_EQUAL(before, 4711, "contents of the file");
	TEST_ASSERT_SUCCESS(fake_stop(), "stop");

	/* the whole region, not a multiple of a page */
	wire.info.argsz = 32;
	wire.info.cap_offset = 0;
	wire.info.flags &= ~VFIO_REGION_INFO_FLAG_CAPS;
	wire.info.size = 0x100;
	TEST_ASSERT_SUCCESS(try_mmap(&wire, 0x1100, &base), "small region");
	TEST_ASSERT(rte_vfio_user_client_region_va(client, 0, 0xfc, 4) ==
		    RTE_PTR_ADD(base, 0xfc), "va");
	return fake_stop();
}

static int
test_bad_mmap(void)
{
	struct sparse_info wire;
	int before = count_fds();
	void *base;

	describe_region(&wire, 0x2000, 0x1000);
	TEST_ASSERT_EQUAL(try_mmap(&wire, 0x3fff, &base), -EPROTO, "short file");
	fake_stop();
	TEST_ASSERT_EQUAL(try_mmap(&wire, -1, &base), -EPROTO, "no file");
	fake_stop();
	describe_region(&wire, 0x2100, 0x1000);
	TEST_ASSERT_EQUAL(try_mmap(&wire, 0x8000, &base), -EPROTO, "offset");
	fake_stop();
	describe_region(&wire, 0x2000, 0x1001);
	TEST_ASSERT_EQUAL(try_mmap(&wire, 0x8000, &base), -EPROTO, "size");
	fake_stop();
	describe_region(&wire, 0x3000, 0x2000);
	TEST_ASSERT_EQUAL(try_mmap(&wire, 0x8000, &base), -EPROTO, "outside");
	fake_stop();
	describe_region(&wire, 0x2000, 0x1000);
	wire.info.offset = 0x800;
	TEST_ASSERT_EQUAL(try_mmap(&wire, 0x8000, &base), -EPROTO, "fd offset");
	fake_stop();
	wire.info.flags &= ~VFIO_REGION_INFO_FLAG_MMAP;
	TEST_ASSERT_EQUAL(try_mmap(&wire, 0x8000, &base), -ENOTSUP, "no mmap");
	TEST_ASSERT_SUCCESS(fake_stop(), "stop");
	TEST_ASSERT_EQUAL(count_fds(), before, "file descriptors leaked");
	return TEST_SUCCESS;
}

/* ------------------------------------------------- DMA requests of the server */

static uint8_t memory[3][0x1000]; /* mapped one behind the other from 0x10000 */
static struct message answer; /* to the last request of the server */

/* What memory holds at first. */
static uint8_t
memory_byte(uint32_t at)
{
	return (uint8_t)(at * 7);
}

/* Whether the data of the answer are those of memory from there on. */
static bool
is_memory(uint32_t at)
{
	uint32_t i;

	for (i = 16; i < answer.len; i++)
		if (answer.data[i] != memory_byte(at + i - 16))
			return false;
	return true;
}

/* Ask the client; the errno it answers. */
static int
ask(int fd, uint16_t command, uint64_t addr, uint64_t count, uint32_t extra,
    int pass_fd)
{
	uint8_t buf[16 + 64];
	const struct header hdr = {
		.id = 0x4000,
		.command = command,
		.size = sizeof(hdr) + 16 + extra,
	};

	memset(buf, 0xab, sizeof(buf));
	memcpy(buf, &addr, 8);
	memcpy(buf + 8, &count, 8);
	CHECK(fake_send(fd, &hdr, buf, 16 + extra, pass_fd));
	CHECK(fake_receive(fd, &answer));
	CHECK(answer.hdr.id == 0x4000 && answer.hdr.command == command);
	if ((answer.hdr.flags & F_ERROR) != 0) {
		CHECK(answer.len == 0);
		return (int)answer.hdr.error;
	}
	CHECK(answer.hdr.flags == F_REPLY && memcmp(answer.data, buf, 16) == 0);
	CHECK(answer.len == 16 + (command == DMA_READ ? count : 0));
	return 0;
}

/* While the client waits for a read. */
static bool
ask_for_dma(void)
{
	int fd = fake.twin >= 0 ? fake.twin : fake.fd;

	if (fake.msg.hdr.command != REGION_READ)
		return false;
	CHECK(ask(fd, DMA_READ, 0x10ff0, 0x20, 0, -1) == 0);
	CHECK(is_memory(0xff0));
	CHECK(ask(fd, DMA_READ, 0x10010, 8, 0, -1) == 0);
	CHECK(is_memory(0x10));
	CHECK(ask(fd, DMA_WRITE, 0x10ff8, 16, 20, -1) == 0);
	CHECK(ask(fd, DMA_WRITE, 0x11ff8, 16, 16, -1) == EPERM);
	CHECK(ask(fd, DMA_READ, 0x12ff8, 16, 0, -1) == EFAULT);
	CHECK(ask(fd, DMA_READ, 0x20000, 16, 0, -1) == EFAULT); /* no vaddr */
	CHECK(ask(fd, DMA_READ, UINT64_MAX - 7, 16, 0, -1) == EFAULT);
	CHECK(ask(fd, DMA_READ, 0x10000, 4097, 0, -1) == EINVAL);
	CHECK(ask(fd, DMA_READ, 0x10000, UINT64_MAX, 0, -1) == EINVAL);
	CHECK(ask(fd, DMA_WRITE, 0x10000, 16, 15, -1) == EINVAL);
	CHECK(ask(fd, DMA_READ, 0x10000, 8, 0, fd) == EINVAL);
	CHECK(ask(fd, REGION_READ, 0x10000, 8, 0, -1) == EINVAL);
	CHECK(ask(fd, 77, 0x10000, 8, 0, -1) == EINVAL);
	CHECK(ask(fd, DMA_READ, 0, 0, 0, -1) == 0);
	fake_answer_read(&fake.msg);
	return true;
}

static int
map_memory(void)
{
	const uint32_t rw = PROT_READ | PROT_WRITE;
	const struct rte_vfio_user_dma_map maps[] = {
		{ .iova = 0x11000, .size = 0x1000, .prot = rw, .fd = -1,
		  .vaddr = memory[1] },
		{ .iova = 0x10000, .size = 0x1000, .prot = rw, .fd = -1,
		  .vaddr = memory[0] },
		{ .iova = 0x12000, .size = 0x1000, .prot = PROT_READ, .fd = -1,
		  .vaddr = memory[2] },
		{ .iova = 0x20000, .size = 0x1000, .prot = rw, .fd = -1 },
	};

	return rte_vfio_user_client_dma_map(client, maps, RTE_DIM(maps));
}

static int
serve_while_waiting(void)
{
	uint64_t val;
	uint32_t i;

	for (i = 0; i < sizeof(memory); i++)
		memory[i / 0x1000][i % 0x1000] = memory_byte(i);
	fake.hook = ask_for_dma;
	TEST_ASSERT_SUCCESS(fake_start(), "start");
	TEST_ASSERT_SUCCESS(map_memory(), "map");
	TEST_ASSERT_EQUAL(rte_vfio_user_client_region_read(client, 0, 0, &val, 8),
			  8, "read");
	TEST_ASSERT(memory[0][0xff8] == 0xab && memory[1][7] == 0xab &&
		    memory[1][8] == memory_byte(0x1008), "the one write");
	TEST_ASSERT(memory[1][0xff8] != 0xab, "half of a refused write");
	return fake_stop();
}

static int
test_dma_main(void)
{
	fake.json = "{\"capabilities\":{\"max_data_xfer_size\":4096}}";
	return serve_while_waiting();
}

static int
test_dma_twin(void)
{
	TEST_ASSERT_SUCCESS(fake_offer_twin(), "twin");
	return serve_while_waiting();
}

static uint32_t cb_calls;

static int
dma_cb(struct rte_vfio_user_client *c, bool is_write, uint64_t iova, void *buf,
       uint32_t len, void *priv)
{
	struct rte_vfio_user_dma_range range = { 0x10000, 0x1000 };

	CHECK(priv == &conf && len <= 16);
	CHECK(rte_vfio_user_client_dma_unmap(c, &range, 1) == -EDEADLK);
	CHECK(rte_vfio_user_client_dma_unmap_all(c) == -EDEADLK);
	cb_calls++;
	if (!is_write)
		memset(buf, (int)(iova >> 12), len);
	return iova == 0x20000 ? -EIO : 0;
}

static bool
ask_for_callbacks(void)
{
	if (fake.msg.hdr.command != REGION_READ)
		return false;
	CHECK(ask(fake.fd, DMA_READ, 0x10ff0, 0x20, 0, -1) == 0);
	CHECK(answer.data[31] == 0x10 && answer.data[32] == 0x11);
	CHECK(ask(fake.fd, DMA_WRITE, 0x20000, 16, 16, -1) == EIO);
	CHECK(ask(fake.fd, DMA_READ, 0x30000, 16, 0, -1) == EFAULT);
	fake_answer_read(&fake.msg);
	return true;
}

static int
test_dma_cb(void)
{
	uint64_t val;

	cb_calls = 0;
	conf.dma_cb = dma_cb;
	conf.priv = &conf;
	fake.hook = ask_for_callbacks;
	TEST_ASSERT_SUCCESS(fake_start(), "start");
	TEST_ASSERT_SUCCESS(map_memory(), "map");
	TEST_ASSERT_EQUAL(rte_vfio_user_client_region_read(client, 0, 0, &val, 8),
			  8, "read");
	TEST_ASSERT_EQUAL(cb_calls, 3, "callbacks");
	return fake_stop();
}

#define FLOOD 16
#define MIB (1u << 20)

/* Ask for much and take nothing for a while. */
static bool
flood(void)
{
	const struct vfio_user_dma_access acc = { 0x100000, MIB };
	struct header hdr = { .command = DMA_READ, .size = sizeof(hdr) + 16 };

	if (fake.msg.hdr.command != REGION_READ)
		return false;
	for (hdr.id = 0; hdr.id < FLOOD; hdr.id++)
		CHECK(fake_send(fake.fd, &hdr, &acc, sizeof(acc), -1));
	usleep(50000);
	for (hdr.id = 0; hdr.id < FLOOD; hdr.id++) {
		CHECK(fake_receive(fake.fd, &answer));
		CHECK(answer.hdr.id == hdr.id && answer.len == 16 + MIB);
	}
	fake_answer_read(&fake.msg);
	return true;
}

static int
test_dma_flood(void)
{
	struct rte_vfio_user_dma_map map = { .iova = 0x100000, .size = MIB,
					     .prot = PROT_READ, .fd = -1 };
	uint64_t val;

	map.vaddr = calloc(1, MIB);
	fake.hook = flood;
	TEST_ASSERT_SUCCESS(fake_start(), "start");
	TEST_ASSERT_SUCCESS(rte_vfio_user_client_dma_map(client, &map, 1), "map");
	TEST_ASSERT_EQUAL(rte_vfio_user_client_region_read(client, 0, 0, &val, 8),
			  8, "read");
	free(map.vaddr);
	return fake_stop();
}

/* -------------------------------------------------------------- mappings */

#define MANY 200

static int
test_map_all_or_none(void)
{
	static struct rte_vfio_user_dma_map maps[MANY];
	struct rte_vfio_user_dma_range ranges[2] = { { 0x1000, 0x800 },
						     { 0x2000, 0x1000 } };
	uint32_t i, nb_log;

	for (i = 0; i < MANY; i++) {
		maps[i].iova = (i + 1) * 0x1000;
		maps[i].size = 0x1000;
		maps[i].prot = PROT_READ;
		maps[i].fd = -1;
	}
	fake.fail_map = MANY - 30; /* in the last window but one */
	fake.json = "{\"capabilities\":{\"max_dma_maps\":200}}";
	TEST_ASSERT_SUCCESS(fake_start(), "start");
	TEST_ASSERT_EQUAL(rte_vfio_user_client_dma_map(client, maps, MANY), -EINVAL,
			  "a refused one");
	fake_pause();
	nb_log = fake.nb_log;
	fake.fail_map = 0;
	fake.nb_log = 0;
	fake_resume();
	TEST_ASSERT_EQUAL(nb_log, 2u * (MANY - 8) - 1, "not all taken back");
	TEST_ASSERT_SUCCESS(rte_vfio_user_client_dma_map(client, maps, MANY), "all");
	TEST_ASSERT_EQUAL(rte_vfio_user_client_dma_map(client, maps, 1), -EEXIST,
			  "overlap");
	maps[0].iova = 0x10000000;
	TEST_ASSERT_EQUAL(rte_vfio_user_client_dma_map(client, maps, 1), -ENOSPC,
			  "too many");
	maps[0].prot = 0;
	TEST_ASSERT_EQUAL(rte_vfio_user_client_dma_map(client, maps, 1), -EINVAL,
			  "no access");
	maps[0].prot = PROT_READ;
	maps[0].flags = RTE_VFIO_USER_DMA_F_FILE_IO;
	TEST_ASSERT_EQUAL(rte_vfio_user_client_dma_map(client, maps, 1), -EINVAL,
			  "file I/O without a file");
	TEST_ASSERT_EQUAL(rte_vfio_user_client_dma_unmap(client, ranges, 2),
			  -ENOENT, "half of a mapping");
	TEST_ASSERT_EQUAL(rte_vfio_user_client_dma_unmap(client, &ranges[1], 1),
			  -ENOENT, "twice");
	TEST_ASSERT_SUCCESS(rte_vfio_user_client_dma_unmap_all(client), "all");
	TEST_ASSERT_SUCCESS(rte_vfio_user_client_dma_map(client, &maps[1], 50),
			    "after unmap all");
	TEST_ASSERT_SUCCESS(fake_stop(), "stop");
	/* what was refused here was not sent */
	TEST_ASSERT_EQUAL(fake.nb_log, MANY + 2 + 50, "requests");
	TEST_ASSERT(fake.log[MANY].a == 0x2000 && fake.log[MANY + 1].c == 2,
		    "unmap, unmap all");
	return TEST_SUCCESS;
}

static void *
map_and_unmap(void *arg)
{
	const struct rte_vfio_user_dma_map map = {
		.iova = (uint64_t)(uintptr_t)arg << 20, .size = 0x1000,
		.prot = PROT_READ, .fd = -1, .vaddr = memory[0],
	};
	const struct rte_vfio_user_dma_range range = { map.iova, map.size };
	int i;

	for (i = 0; i < 200; i++) {
		/* -ENOENT: another thread has unmapped everything */
		CHECK(rte_vfio_user_client_dma_map(client, &map, 1) == 0);
		rte_vfio_user_client_dma_unmap(client, &range, 1);
		if (arg == NULL)
			CHECK(rte_vfio_user_client_dma_unmap_all(client) == 0);
	}
	return NULL;
}

static int
test_map_threads(void)
{
	pthread_t threads[4];
	uintptr_t i;

	TEST_ASSERT_SUCCESS(fake_start(), "start");
	for (i = 0; i < RTE_DIM(threads); i++)
		pthread_create(&threads[i], NULL, map_and_unmap, (void *)i);
	for (i = 0; i < RTE_DIM(threads); i++)
		pthread_join(threads[i], NULL);
	return fake_stop();
}

/* ------------------------------------------------------- memory of the EAL */

#define PAGE (UINT64_C(2) << 20)
#define EAL_BASE UINT64_C(0x7f0000000000)

/* Pages 0 to 9 are one file, 10 has none, 11 is another one, no more. */
static int
fake_lookup(const void *addr, struct vfio_user_client_eal_run *seg)
{
	uint64_t page = ((uintptr_t)addr - EAL_BASE) / PAGE;

	if (page > 11)
		return -ENOENT;
	seg->addr = EAL_BASE + page * PAGE;
	seg->len = PAGE;
	seg->fd = page == 11 ? STDOUT_FILENO : STDIN_FILENO;
	seg->fd_offset = page == 11 ? 0 : page * PAGE;
	return page == 10 ? -ENOTSUP : 0;
}

static void
event(enum rte_mem_event type, uint32_t page, uint32_t nb)
{
	vfio_user_client_eal_event(client, type,
				   (void *)(uintptr_t)(EAL_BASE + page * PAGE),
				   nb * PAGE);
}

static int
test_eal_events(void)
{
	static const struct entry expect[] = {
		/* all at once, */
		{ DMA_MAP, 1, EAL_BASE, 10 * PAGE, 0 },
		{ DMA_MAP, 1, EAL_BASE + 11 * PAGE, PAGE, 0 },
		/* pages 3 and 4 go, */
		{ DMA_UNMAP, 0, EAL_BASE, 10 * PAGE, 0 },
		{ DMA_MAP, 1, EAL_BASE, 3 * PAGE, 0 },
		{ DMA_MAP, 1, EAL_BASE + 5 * PAGE, 5 * PAGE, 5 * PAGE },
		/* 9 to 11, */
		{ DMA_UNMAP, 0, EAL_BASE + 11 * PAGE, PAGE, 0 },
		{ DMA_UNMAP, 0, EAL_BASE + 5 * PAGE, 5 * PAGE, 0 },
		{ DMA_MAP, 1, EAL_BASE + 5 * PAGE, 4 * PAGE, 5 * PAGE },
		/* 3 comes back and is refused, */
		{ DMA_MAP, 1, EAL_BASE + 3 * PAGE, PAGE, 3 * PAGE },
		/* the end */
		{ DMA_UNMAP, 0, EAL_BASE, 3 * PAGE, 0 },
		{ DMA_UNMAP, 0, EAL_BASE + 5 * PAGE, 4 * PAGE, 0 },
	};

	fake.fail_map = 6;
	TEST_ASSERT_SUCCESS(fake_start(), "start");
	event(RTE_MEM_EVENT_ALLOC, 0, 12); /* not ours yet */
	client->eal.lookup = fake_lookup;
	client->eal.mapped = true;
	event(RTE_MEM_EVENT_ALLOC, 0, 13);
	event(RTE_MEM_EVENT_FREE, 3, 2);
	event(RTE_MEM_EVENT_FREE, 9, 3);
	event(RTE_MEM_EVENT_ALLOC, 3, 1);
	event(RTE_MEM_EVENT_FREE, 3, 1);
	TEST_ASSERT_SUCCESS(rte_vfio_user_client_eal_unmap(client), "unmap");
	TEST_ASSERT_EQUAL(rte_vfio_user_client_eal_unmap(client), -ENOENT, "twice");
	TEST_ASSERT_SUCCESS(fake_stop(), "stop");
	TEST_ASSERT_EQUAL(fake.nb_log, RTE_DIM(expect), "requests");
	TEST_ASSERT_SUCCESS(memcmp(fake.log, expect, sizeof(expect)), "requests");
	return TEST_SUCCESS;
}

/* In a process of its own, for the EAL cannot be undone. */
static int
map_real_memory(void)
{
	char arg[][20] = { "test", "--no-huge", "--no-pci", "-m", "32",
			   "--no-telemetry", "--no-shconf", "-l", "0" };
	char *argv[RTE_DIM(arg)];
	uint32_t i;

	for (i = 0; i < RTE_DIM(arg); i++)
		argv[i] = arg[i];
	if (rte_eal_init(RTE_DIM(argv), argv) < 0)
		return TEST_SKIPPED;
	TEST_ASSERT_SUCCESS(fake_start(), "start");
	TEST_ASSERT_SUCCESS(rte_vfio_user_client_eal_map(client), "map");
	TEST_ASSERT_EQUAL(rte_vfio_user_client_eal_map(client), -EEXIST, "twice");
	TEST_ASSERT_SUCCESS(rte_vfio_user_client_eal_unmap(client), "unmap");
	TEST_ASSERT_SUCCESS(rte_vfio_user_client_eal_map(client), "again");
	TEST_ASSERT_SUCCESS(fake_stop(), "stop");
	TEST_ASSERT(fake.nb_log == 3 && fake.log[0].command == DMA_MAP &&
		    fake.log[0].nb_fds == 1 && fake.log[0].b == 32 * MIB,
		    "one map of all memory: %u requests, size 0x%" PRIx64,
		    fake.nb_log, fake.log[0].b);
	return TEST_SUCCESS;
}

static int
test_eal_map(void)
{
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	TEST_ASSERT(pid >= 0, "fork");
	if (pid == 0)
		_exit(map_real_memory() & 0xff);
	TEST_ASSERT_EQUAL(waitpid(pid, &status, 0), pid, "wait");
	TEST_ASSERT(WIFEXITED(status), "status 0x%x", status);
	return WEXITSTATUS(status) == 0xff ? TEST_FAILED : WEXITSTATUS(status);
}

static struct unit_test_suite client_mem_suite = {
	.suite_name = "vfio-user client: regions and memory",
	.unit_test_cases = {
		TEST_CASE_ST(fake_setup, NULL, test_posted),
		TEST_CASE_ST(fake_setup, NULL, test_posted_limit),
		TEST_CASE_ST(fake_setup, NULL, test_write_multi),
		TEST_CASE_ST(fake_setup, NULL, test_split),
		TEST_CASE_ST(fake_setup, NULL, test_mmap),
		TEST_CASE_ST(fake_setup, NULL, test_bad_mmap),
		TEST_CASE_ST(fake_setup, NULL, test_dma_main),
		TEST_CASE_ST(fake_setup, NULL, test_dma_twin),
		TEST_CASE_ST(fake_setup, NULL, test_dma_cb),
		TEST_CASE_ST(fake_setup, NULL, test_dma_flood),
		TEST_CASE_ST(fake_setup, NULL, test_map_all_or_none),
		TEST_CASE_ST(fake_setup, NULL, test_map_threads),
		TEST_CASE_ST(fake_setup, NULL, test_eal_events),
		TEST_CASE_ST(fake_setup, NULL, test_eal_map),
		TEST_CASES_END()
	},
};

static int
test_vfio_user_client_mem(void)
{
	return unit_test_suite_runner(&client_mem_suite);
}

REGISTER_TEST_COMMAND(vfio_user_client_mem_autotest, test_vfio_user_client_mem);
