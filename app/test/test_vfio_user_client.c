/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

/* The client: negotiation, replies, queries, interrupts. */

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <rte_errno.h>

#include "test.h"
#include "test_vfio_user_fds.h"
#include "test_vfio_user_client.h"

/* ------------------------------------------------------------ negotiation */

static int
test_defaults(void)
{
	struct rte_vfio_user_negotiated neg;

	TEST_ASSERT_SUCCESS(fake_start(), "no JSON is fine");
	TEST_ASSERT_SUCCESS(rte_vfio_user_client_negotiated(client, &neg), "neg");
	TEST_ASSERT(neg.major == 0 && neg.minor == 0 && neg.max_msg_fds == 1 &&
		    neg.max_data_xfer_size == 1 << 20 && neg.max_dma_maps == 65535 &&
		    neg.pgsizes == 4096 && !neg.write_multiple &&
		    !neg.twin_socket && !neg.sparse_mmap_fds, "defaults");
	return fake_stop();
}

static int
test_capabilities(void)
{
	struct rte_vfio_user_negotiated neg;
	int fds = count_fds();

	TEST_ASSERT_SUCCESS(fake_offer_twin(), "socketpair");
	fake.minor = 2;
	conf.max_data_xfer_size = 8192;
	TEST_ASSERT_SUCCESS(fake_start(), "start");
	rte_vfio_user_client_negotiated(client, &neg);
	TEST_ASSERT(neg.minor == 2 && neg.max_msg_fds == 8 &&
		    neg.max_data_xfer_size == 4096 && neg.max_dma_maps == 65535 &&
		    neg.write_multiple && neg.twin_socket, "negotiated");
	TEST_ASSERT_SUCCESS(fake_stop(), "stop");
	TEST_ASSERT_EQUAL(count_fds(), fds, "file descriptors leaked");
	return TEST_SUCCESS;
}

#define TWIN(rest) "{\"capabilities\":{\"twin_socket\":{\"supported\":true" rest "}}}"

static int
test_bad_version(void)
{
	static const struct {
		uint16_t major, minor;
		const char *json;
		uint32_t json_len;
		bool with_fd;
		uint32_t error;
		int expect;
	} cases[] = {
		{ .major = 1, .expect = EPROTO },
		{ .minor = 3, .expect = EPROTO },
		{ .json = "{", .expect = EPROTO },
		{ .json = "[]", .expect = EPROTO },
		{ .json = "{\"capabilities\":{\"max_msg_fds\":-1}}", .expect = EPROTO },
		{ .json = "{}", .json_len = 2, .expect = EPROTO },
		{ .json = TWIN(""), .with_fd = true, .expect = EPROTO },
		{ .json = TWIN(",\"fd_index\":0"), .expect = EPROTO },
		{ .json = TWIN(",\"fd_index\":1"), .with_fd = true, .expect = EPROTO },
		/* not a socket */
		{ .json = TWIN(",\"fd_index\":0"), .with_fd = true, .expect = EPROTO },
		{ .error = EBUSY, .expect = EBUSY },
		{ .error = EINVAL, .expect = EPROTO },
		{ .error = ENOTCONN, .expect = EPROTO },
	};
	int fds = count_fds();
	uint32_t i;

	for (i = 0; i < RTE_DIM(cases); i++) {
		fake_setup();
		fake.major = cases[i].major;
		fake.minor = cases[i].minor;
		fake.json = cases[i].json;
		fake.json_len = cases[i].json_len;
		fake.version_error = cases[i].error;
		if (cases[i].with_fd)
			fake.send_fd = make_file(0);
		TEST_ASSERT_EQUAL(fake_start(), -cases[i].expect, "case %u", i);
		TEST_ASSERT_SUCCESS(fake_stop(), "stop");
		TEST_ASSERT_EQUAL(count_fds(), fds, "case %u leaks", i);
	}
	return TEST_SUCCESS;
}

static int
test_arguments(void)
{
	char path[200];

	memset(path, 'a', sizeof(path));
	path[sizeof(path) - 1] = '\0';
	TEST_ASSERT_NULL(rte_vfio_user_client_create(&conf), "no socket");
	TEST_ASSERT_EQUAL(rte_errno, EINVAL, "errno");
	conf.sock_path = path;
	TEST_ASSERT_NULL(rte_vfio_user_client_create(&conf), "long path");
	TEST_ASSERT_EQUAL(rte_errno, ENAMETOOLONG, "errno");
	conf.sock_path = "/nonexistent/vfio-user.sock";
	TEST_ASSERT_NULL(rte_vfio_user_client_create(&conf), "no file");
	TEST_ASSERT_EQUAL(rte_errno, ENOENT, "errno");
	conf.max_msg_fds = 254;
	TEST_ASSERT_NULL(rte_vfio_user_client_create(&conf), "fds");
	TEST_ASSERT_EQUAL(rte_errno, EINVAL, "errno");
	TEST_ASSERT_EQUAL(rte_vfio_user_client_poll(NULL), -EINVAL, "poll");
	TEST_ASSERT_EQUAL(rte_vfio_user_client_fd(NULL), -EINVAL, "fd");
	return TEST_SUCCESS;
}

/* A server that comes late, and is first busy and then silent for a while. */
static void *
run_late(void *arg)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int listener = socket(AF_UNIX, SOCK_STREAM, 0);

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", (const char *)arg);
	usleep(30000);
	CHECK(bind(listener, (struct sockaddr *)&addr, sizeof(addr)) == 0);
	usleep(30000); /* here it is refused */
	CHECK(listen(listener, 1) == 0);
	for (fake.version_error = EBUSY; ; fake.version_error = 0) {
		fake.fd = accept(listener, NULL, NULL);
		CHECK(fake_receive(fake.fd, &fake.msg));
		fake_answer_version();
		if (fake.version_error == 0)
			break;
		close(fake.fd);
	}
	close(listener);
	fake_run(NULL);
	return NULL;
}

static int
test_connect_retry(void)
{
	char path[64];

	snprintf(path, sizeof(path), "/tmp/vfio-user-test-%d.sock", getpid());
	unlink(path);
	TEST_ASSERT_SUCCESS(pthread_create(&fake.thread, NULL, run_late, path), "thread");
	conf.sock_path = path;
	conf.connect_timeout_ms = 5000;
	client = rte_vfio_user_client_create(&conf);
	unlink(path);
	TEST_ASSERT_NOT_NULL(client, "create: %d", rte_errno);
	rte_vfio_user_client_destroy(client);
	pthread_join(fake.thread, NULL);
	close(fake.fd);
	TEST_ASSERT_EQUAL(fake.failed, 0, "server's check in line %d", fake.failed);
	return TEST_SUCCESS;
}

/* --------------------------------------------------- replies and their order */

#define NB_READS 4

/* Collect the reads and answer them from the last to the first. */
static bool
answer_backwards(void)
{
	static struct message *held[NB_READS];

	if (fake.msg.hdr.command != REGION_READ)
		return false;
	held[fake.nb_reads] = malloc(sizeof(fake.msg));
	memcpy(held[fake.nb_reads], &fake.msg, sizeof(fake.msg));
	if (++fake.nb_reads < NB_READS)
		return true;
	while (fake.nb_reads != 0) {
		fake_answer_read(held[--fake.nb_reads]);
		free(held[fake.nb_reads]);
	}
	return true;
}

static int
test_async_order(void)
{
	ssize_t result[NB_READS];
	uint64_t val[NB_READS];
	uint32_t i;

	fake.hook = answer_backwards;
	TEST_ASSERT_SUCCESS(fake_start(), "start");
	for (i = 0; i < NB_READS - 1; i++) {
		result[i] = 1;
		TEST_ASSERT_SUCCESS(rte_vfio_user_client_region_read_async(client, 0,
			i * 8, &val[i], 8, note_result, &result[i]), "read %u", i);
	}
	TEST_ASSERT_EQUAL(rte_vfio_user_client_region_read(client, 0, i * 8,
			  &val[i], 8), 8, "synchronous read");
	result[i] = 8;
	while (result[0] == 1)
		TEST_ASSERT(rte_vfio_user_client_poll(client) >= 0, "poll");
	for (i = 0; i < NB_READS; i++)
		TEST_ASSERT(result[i] == 8 && val[i] == fake_pattern(i * 8), "read %u", i);
	return fake_stop();
}

static bool thread_failed;

static void *
read_thousand(void *arg)
{
	uint64_t offset, val;
	uint32_t i;

	for (i = 0; i < 1000; i++) {
		offset = (uint64_t)(uintptr_t)arg << 32 | i * 8;
		if (rte_vfio_user_client_region_read(client, 0, offset, &val, 8) != 8 ||
		    val != fake_pattern(offset))
			__atomic_store_n(&thread_failed, true, __ATOMIC_RELAXED);
	}
	return NULL;
}

static int
test_threads(void)
{
	pthread_t threads[8];
	uintptr_t i;

	thread_failed = false;
	TEST_ASSERT_SUCCESS(fake_start(), "start");
	for (i = 0; i < RTE_DIM(threads); i++)
		pthread_create(&threads[i], NULL, read_thousand, (void *)i);
	for (i = 0; i < RTE_DIM(threads); i++) {
		rte_vfio_user_client_poll(client);
		pthread_join(threads[i], NULL);
	}
	TEST_ASSERT(!thread_failed, "a thread read something else");
	return fake_stop();
}

/* Answer the first read too late, together with the second. */
static bool
answer_late(void)
{
	static struct message first;

	if (fake.msg.hdr.command != REGION_READ)
		return false;
	fake.nb_reads++;
	if (fake.nb_reads == 1)
		first = fake.msg;
	else if (fake.nb_reads == 3)
		fake_answer_read(&first);
	return fake.nb_reads < 3;
}

static int
test_timeout(void)
{
	struct pollfd pfd = { .events = POLLIN };
	ssize_t result = 1;
	uint64_t val;
	int i;

	fake.hook = answer_late;
	TEST_ASSERT_SUCCESS(fake_start(), "start");
	client->timeout_ns = 50 * VFIO_USER_NS_PER_MS;
	TEST_ASSERT_EQUAL(rte_vfio_user_client_region_read(client, 0, 0, &val, 8),
			  -ETIMEDOUT, "synchronous");
	TEST_ASSERT_SUCCESS(rte_vfio_user_client_region_read_async(client, 0, 0,
			    &val, 8, note_result, &result), "asynchronous");
	pfd.fd = rte_vfio_user_client_fd(client);
	for (i = 0; i < 10 && result == 1; i++) {
		TEST_ASSERT_EQUAL(poll(&pfd, 1, 5000), 1, "not readable");
		rte_vfio_user_client_poll(client);
	}
	TEST_ASSERT_EQUAL(result, -ETIMEDOUT, "asynchronous");
	TEST_ASSERT_EQUAL(poll(&pfd, 1, 0), 0, "still readable");
	client->timeout_ns = 10000 * VFIO_USER_NS_PER_MS;
	TEST_ASSERT_EQUAL(rte_vfio_user_client_region_read(client, 0, 8, &val, 8),
			  8, "after a late reply");
	TEST_ASSERT_EQUAL(val, fake_pattern(8), "took the late reply");
	return fake_stop();
}

/* Never answer. */
static bool
ignore_reads(void)
{
	return fake.msg.hdr.command == REGION_READ;
}

/* However often the client polled in vain, one poll after a sleep sees the time. */
static int
test_timeout_idle(void)
{
	static const int idle[] = { 0, 1, 3, 4, 9, 14, 18, 40 };
	struct pollfd pfd = { .events = POLLIN };
	ssize_t result;
	uint64_t val;
	uint32_t i;
	int k;

	fake.hook = ignore_reads;
	TEST_ASSERT_SUCCESS(fake_start(), "start");
	client->timeout_ns = 20 * VFIO_USER_NS_PER_MS;
	pfd.fd = rte_vfio_user_client_fd(client);
	for (i = 0; i < RTE_DIM(idle); i++) {
		result = 1;
		TEST_ASSERT_SUCCESS(rte_vfio_user_client_region_read_async(client, 0, 0,
				    &val, 8, note_result, &result), "asynchronous");
		for (k = 0; k < idle[i]; k++)
			rte_vfio_user_client_poll(client);
		TEST_ASSERT_EQUAL(poll(&pfd, 1, 5000), 1, "not readable");
		usleep(5000); /* many times IDLE_CHECK_CYCLES */
		rte_vfio_user_client_poll(client);
		TEST_ASSERT_EQUAL(result, -ETIMEDOUT, "after %d polls", idle[i]);
	}
	return fake_stop();
}

/* Who polls before it sleeps does so no longer than it would wait. */
static int
test_timeout_busy(void)
{
	uint64_t start, val;

	fake.hook = ignore_reads;
	conf.busy_poll_us = 1000000;
	TEST_ASSERT_SUCCESS(fake_start(), "start");
	client->timeout_ns = 50 * VFIO_USER_NS_PER_MS;
	start = vfio_user_now();
	TEST_ASSERT_EQUAL(rte_vfio_user_client_region_read(client, 0, 0, &val, 8),
			  -ETIMEDOUT, "read");
	val = (vfio_user_now() - start) / VFIO_USER_NS_PER_MS;
	TEST_ASSERT(val >= 50 && val < 1000, "after %u ms", (uint32_t)val);
	return fake_stop();
}

/* Leave when the third read is there. */
static bool
leave(void)
{
	if (fake.msg.hdr.command != REGION_READ)
		return false;
	if (++fake.nb_reads == 3)
		shutdown(fake.fd, SHUT_RDWR);
	return true;
}

static void *
read_once(void *arg)
{
	uint64_t val;

	*(ssize_t *)arg = rte_vfio_user_client_region_read(client, 0, 0, &val, 8);
	return NULL;
}

static int
test_disconnect(void)
{
	struct pollfd pfd = { .events = POLLIN };
	ssize_t result[3] = { 1, 1, 1 };
	pthread_t threads[2];
	uint64_t val;

	fake.hook = leave;
	TEST_ASSERT_SUCCESS(fake_start(), "start");
	TEST_ASSERT_SUCCESS(rte_vfio_user_client_region_read_async(client, 0, 0,
			    &val, 8, note_result, &result[2]), "asynchronous");
	pthread_create(&threads[0], NULL, read_once, &result[0]);
	pthread_create(&threads[1], NULL, read_once, &result[1]);
	pthread_join(threads[0], NULL);
	pthread_join(threads[1], NULL);
	TEST_ASSERT(result[0] == -ENOTCONN && result[1] == -ENOTCONN &&
		    result[2] == -ENOTCONN, "results %zd %zd %zd", result[0],
		    result[1], result[2]);
	TEST_ASSERT_EQUAL(rte_vfio_user_client_poll(client), -ENOTCONN, "poll");
	pfd.fd = rte_vfio_user_client_fd(client);
	TEST_ASSERT_EQUAL(poll(&pfd, 1, 0), 1, "not readable");
	TEST_ASSERT_EQUAL(rte_vfio_user_client_reset(client), -ENOTCONN, "reset");
	return fake_stop();
}

/* --------------------------------------------------------------- queries */

static int
test_infos(void)
{
	struct vfio_device_info dev;
	struct vfio_irq_info irq;

	TEST_ASSERT_SUCCESS(fake_start(), "start");
	memset(&dev, 0xff, sizeof(dev));
	TEST_ASSERT_SUCCESS(rte_vfio_user_client_device_info(client, &dev), "device");
	TEST_ASSERT(dev.argsz == 16 && dev.flags == 0 && dev.num_irqs == 0,
		    "the echo of an empty request");
	TEST_ASSERT_SUCCESS(rte_vfio_user_client_irq_info(client, 2, &irq), "IRQ");
	TEST_ASSERT(irq.argsz == 16 && irq.index == 2, "IRQ");
	TEST_ASSERT_SUCCESS(rte_vfio_user_client_reset(client), "reset");
	return fake_stop();
}

/* Reply to everything but VERSION with an empty message. */
static bool
answer_nothing(void)
{
	if (fake.msg.hdr.command == VERSION)
		return false;
	fake_reply(&fake.msg.hdr, 0, NULL, 0, -1);
	return true;
}

static int
test_short_replies(void)
{
	struct vfio_region_info *info;
	struct vfio_device_info dev;
	struct vfio_irq_info irq;
	uint64_t val = 0;

	fake.hook = answer_nothing;
	TEST_ASSERT_SUCCESS(fake_start(), "start");
	TEST_ASSERT_EQUAL(rte_vfio_user_client_device_info(client, &dev), -EPROTO,
			  "device");
	TEST_ASSERT_EQUAL(rte_vfio_user_client_irq_info(client, 0, &irq), -EPROTO,
			  "IRQ");
	TEST_ASSERT_EQUAL(rte_vfio_user_client_region_info(client, 0, &info, NULL,
			  NULL), -EPROTO, "region");
	TEST_ASSERT_EQUAL(rte_vfio_user_client_region_read(client, 0, 0, &val, 8),
			  -EPROTO, "read");
	TEST_ASSERT_EQUAL(rte_vfio_user_client_region_write(client, 0, 0, &val, 8),
			  -EPROTO, "write");
	TEST_ASSERT_SUCCESS(rte_vfio_user_client_reset(client), "reset");
	return fake_stop();
}

static int
test_region_info(void)
{
	const struct sparse_info wire = {
		.info = { .argsz = sizeof(wire), .flags = 15, .index = 1,
			  .cap_offset = 32, .size = 0x4000 },
		.cap = { .id = 1, .version = 1 },
		.nr_areas = 2,
		.areas = { { 0, 0x1000 }, { 0x2000, 0x1000 } },
	};
	struct vfio_region_info *info;
	int before = count_fds(), fds[2];
	uint32_t nb_fds = 2, huge = 65537;

	memcpy(fake.info, &wire, sizeof(wire));
	fake.info_len = sizeof(wire);
	TEST_ASSERT_SUCCESS(fake_start(), "start");
	fake_pause();
	fake.send_fd = make_file(0);
	fake_resume();
	TEST_ASSERT_SUCCESS(rte_vfio_user_client_region_info(client, 1, &info, fds,
			    &nb_fds), "region");
	TEST_ASSERT(info->argsz == sizeof(wire) && nb_fds == 1 &&
		    memcmp(info, &wire, sizeof(wire)) == 0, "contents");
	close(fds[0]);
	free(info);
	nb_fds = 0;
	TEST_ASSERT_SUCCESS(rte_vfio_user_client_region_info(client, 1, &info, fds,
			    &nb_fds), "no room");
	TEST_ASSERT_EQUAL(nb_fds, 0, "fds");
	free(info);
	TEST_ASSERT_EQUAL(rte_vfio_user_client_region_info(client, 2, &info, NULL,
			  NULL), -EPROTO, "another index");
	fake_pause();
	memcpy(fake.info, &huge, sizeof(huge));
	fake_resume();
	TEST_ASSERT_EQUAL(rte_vfio_user_client_region_info(client, 1, &info, NULL,
			  NULL), -EPROTO, "grows without bound");
	TEST_ASSERT_NULL(info, "info");
	TEST_ASSERT_SUCCESS(fake_stop(), "stop");
	TEST_ASSERT(fake.nb_log == 7 && fake.log[0].a == 32 &&
		    fake.log[1].a == sizeof(wire), "two steps");
	TEST_ASSERT_EQUAL(count_fds(), before, "file descriptors leaked");
	return TEST_SUCCESS;
}

/* Two sub-regions with one file descriptor; bad ones for index 1. */
static bool
answer_io_fds(void)
{
	struct {
		struct vfio_user_region_io_fds head;
		struct vfio_user_sub_region subs[2];
	} wire = {
		.head = { .argsz = sizeof(wire), .count = 2 },
		.subs = { { .offset = 0x10, .size = 4, .datamatch = 7 },
			  { .offset = 0x20, .type = 1 } },
	};
	uint32_t argsz;

	if (fake.msg.hdr.command == REGION_INFO) {
		memcpy(fake.info + 8, fake.msg.data + 8, 4); /* any index */
		return false;
	}
	if (fake.msg.hdr.command != IO_FDS)
		return false;
	memcpy(&argsz, fake.msg.data, 4);
	memcpy(&wire.head.index, fake.msg.data + 8, 4);
	if (wire.head.index == 1)
		wire.subs[1].fd_index = 1;
	fake_reply(&fake.msg.hdr, 0, &wire, RTE_MIN(argsz, sizeof(wire)),
		   argsz < sizeof(wire) ? -1 : fake.fd);
	return true;
}

static int
test_io_fds(void)
{
	const struct vfio_region_info region = { .argsz = 32, .size = 0x1000 };
	struct rte_vfio_user_region_io_fd *ios;
	uint32_t nb_ios, nb_fds = 1, none = 0;
	int fd;

	memcpy(fake.info, &region, sizeof(region));
	fake.info_len = sizeof(region);
	fake.hook = answer_io_fds;
	TEST_ASSERT_SUCCESS(fake_start(), "start");
	TEST_ASSERT_SUCCESS(rte_vfio_user_client_region_io_fds(client, 0, &ios,
			    &nb_ios, &fd, &nb_fds), "io fds");
	TEST_ASSERT(nb_ios == 2 && nb_fds == 1 && ios[0].offset == 0x10 &&
		    ios[0].datamatch == 7 && ios[1].type == 1, "contents");
	close(fd);
	free(ios);
	TEST_ASSERT_EQUAL(rte_vfio_user_client_region_io_fds(client, 0, &ios,
			  &nb_ios, NULL, &none), -ENOSPC, "no room");
	TEST_ASSERT_EQUAL(rte_vfio_user_client_region_io_fds(client, 1, &ios,
			  &nb_ios, &fd, &nb_fds), -EPROTO, "fd index");
	return fake_stop();
}

/* ------------------------------------------------------------ interrupts */

static int
test_set_irqs(void)
{
	static const struct entry expect[] = {
		{ SET_IRQS, 2, 3, 2, 20 }, { SET_IRQS, 1, 5, 1, 20 },
		{ SET_IRQS, 0, 6, 2, 20 }, { SET_IRQS, 1, 8, 1, 20 },
		{ SET_IRQS, 0, 0, 0, 20 }, { SET_IRQS, 0, 1, 1, 20 },
		{ SET_IRQS, 0, 0, 2, 22 },
	};
	struct vfio_irq_set *set = calloc(1, 64);
	int fd = eventfd(0, EFD_CLOEXEC), fds[6] = { fd, fd, fd, -1, -1, fd };

	fake.json = "{\"capabilities\":{\"max_msg_fds\":2}}";
	TEST_ASSERT_SUCCESS(fake_start(), "start");
	TEST_ASSERT_SUCCESS(rte_vfio_user_client_irq_assign(client, 2, 3, 6, fds),
			    "assign");
	TEST_ASSERT_SUCCESS(rte_vfio_user_client_irq_disable(client, 2), "disable");
	TEST_ASSERT_SUCCESS(rte_vfio_user_client_irq_unmask(client, 0, 1), "unmask");
	set->argsz = 22;
	set->flags = VFIO_IRQ_SET_DATA_BOOL | VFIO_IRQ_SET_ACTION_TRIGGER;
	set->count = 2;
	TEST_ASSERT_SUCCESS(rte_vfio_user_client_set_irqs(client, set), "bool");
	set->count = 3;
	TEST_ASSERT_EQUAL(rte_vfio_user_client_set_irqs(client, set), -EINVAL,
			  "argsz too small");
	set->flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER;
	TEST_ASSERT_EQUAL(rte_vfio_user_client_set_irqs(client, set), -EINVAL,
			  "too few fds");
	set->flags = 0;
	TEST_ASSERT_EQUAL(rte_vfio_user_client_set_irqs(client, set), -EINVAL,
			  "flags");
	TEST_ASSERT_SUCCESS(fake_stop(), "stop");
	TEST_ASSERT_EQUAL(fake.nb_log, RTE_DIM(expect), "requests");
	TEST_ASSERT_SUCCESS(memcmp(fake.log, expect, sizeof(expect)), "requests");
	close(fd);
	free(set);
	return TEST_SUCCESS;
}

static int
test_no_fds(void)
{
	int fd = eventfd(0, EFD_CLOEXEC), none = -1;
	const struct rte_vfio_user_dma_map map = {
		.iova = 0x1000, .size = 0x1000, .prot = 1, .fd = fd,
		.fd_offset = 0x1000,
	};

	fake.json = "{\"capabilities\":{\"max_msg_fds\":0}}";
	TEST_ASSERT_SUCCESS(fake_start(), "start");
	TEST_ASSERT_EQUAL(rte_vfio_user_client_irq_assign(client, 2, 0, 1, &fd),
			  -EINVAL, "assign");
	TEST_ASSERT_SUCCESS(rte_vfio_user_client_irq_assign(client, 2, 0, 1, &none),
			    "de-assign");
	TEST_ASSERT_SUCCESS(rte_vfio_user_client_dma_map(client, &map, 1), "map");
	TEST_ASSERT_SUCCESS(fake_stop(), "stop");
	TEST_ASSERT(fake.log[1].nb_fds == 0 && fake.log[1].c == 0, "map with fd");
	close(fd);
	return TEST_SUCCESS;
}

static struct unit_test_suite client_suite = {
	.suite_name = "vfio-user client",
	.unit_test_cases = {
		TEST_CASE_ST(fake_setup, NULL, test_defaults),
		TEST_CASE_ST(fake_setup, NULL, test_capabilities),
		TEST_CASE_ST(fake_setup, NULL, test_bad_version),
		TEST_CASE_ST(fake_setup, NULL, test_arguments),
		TEST_CASE_ST(fake_setup, NULL, test_connect_retry),
		TEST_CASE_ST(fake_setup, NULL, test_async_order),
		TEST_CASE_ST(fake_setup, NULL, test_threads),
		TEST_CASE_ST(fake_setup, NULL, test_timeout),
		TEST_CASE_ST(fake_setup, NULL, test_timeout_idle),
		TEST_CASE_ST(fake_setup, NULL, test_timeout_busy),
		TEST_CASE_ST(fake_setup, NULL, test_disconnect),
		TEST_CASE_ST(fake_setup, NULL, test_infos),
		TEST_CASE_ST(fake_setup, NULL, test_short_replies),
		TEST_CASE_ST(fake_setup, NULL, test_region_info),
		TEST_CASE_ST(fake_setup, NULL, test_io_fds),
		TEST_CASE_ST(fake_setup, NULL, test_set_irqs),
		TEST_CASE_ST(fake_setup, NULL, test_no_fds),
		TEST_CASES_END()
	},
};

static int
test_vfio_user_client(void)
{
	return unit_test_suite_runner(&client_suite);
}

REGISTER_TEST_COMMAND(vfio_user_client_autotest, test_vfio_user_client);
