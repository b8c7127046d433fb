/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

/* Server and client in one process: deferred work, clients that come and go. */

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <rte_common.h>
#include <rte_errno.h>

#include "test.h"
#include "test_vfio_user_fds.h"
#include "test_vfio_user_loopback.h"

/* ------------------------------------------------------- deferred accesses */

static struct {
	pthread_t thread;
	uint64_t token; /* atomic: of the access that waits */
	ssize_t result;
	const void *data;
	int ret; /* of the completion */
	uint32_t others; /* accesses meanwhile, atomic */
	bool inside; /* complete before the callback returns */
} deferred;

/* Complete the access that waits, or one with a token near its. */
static int
complete(uint64_t off, ssize_t result, const void *data)
{
	return rte_vfio_user_server_region_complete(loop.srv, GET(deferred.token) + off,
						    result, data);
}

static void *
complete_later(void *arg)
{
	RTE_SET_USED(arg);
	usleep(20000);
	deferred.ret = complete(0, deferred.result, deferred.data);
	return NULL;
}

static ssize_t
defer_hook(const struct rte_vfio_user_region_access *acc)
{
	if (acc->offset != 0x800) {
		COUNT(deferred.others);
		return loop_store(acc);
	}
	if (acc->is_write)
		memcpy(loop.bar0 + acc->offset, acc->data, acc->count);
	SET(deferred.token, acc->token);
	if (deferred.inside)
		complete_later(NULL);
	else
		pthread_create(&deferred.thread, NULL, complete_later, NULL);
	return RTE_VFIO_USER_PENDING;
}

/* One access to 0x800; what the client got. */
static ssize_t
deferred_access(bool is_write, void *buf, uint32_t len, ssize_t result, const void *data)
{
	ssize_t ret;

	deferred.result = result;
	deferred.data = data;
	SET(deferred.token, 0);
	ret = is_write ?
		rte_vfio_user_client_region_write(loop.client, 0, 0x800, buf, len) :
		rte_vfio_user_client_region_read(loop.client, 0, 0x800, buf, len);
	if (!deferred.inside && GET(deferred.token) != 0)
		pthread_join(deferred.thread, NULL);
	return ret;
}

static int
test_deferred(void)
{
	const char text[] = "from another thread";
	char buf[64];
	int i;

	DO(loop_start());
	loop.hook = defer_hook;
	for (i = 0; i < 2; i++) {
		deferred.inside = i == 1;
		memset(buf, 0, sizeof(buf));
		TEST_ASSERT_EQUAL(deferred_access(false, buf, 20, 20, text), 20, "read");
		TEST_ASSERT(deferred.ret == 0 && strcmp(buf, text) == 0, "read");
		TEST_ASSERT_EQUAL(deferred_access(false, buf, 20, 4, text), 4, "short");
		TEST_ASSERT_EQUAL(deferred_access(false, buf, 20, -ENODEV, NULL), -ENODEV, "err");
		TEST_ASSERT_EQUAL(deferred_access(false, buf, 20, 0, NULL), 0, "nothing");
		strcpy(buf, "written");
		TEST_ASSERT_EQUAL(deferred_access(true, buf, 8, 8, NULL), 8, "write");
		TEST_ASSERT(strcmp((char *)loop.bar0 + 0x800, "written") == 0, "write");
		TEST_ASSERT_EQUAL(deferred_access(true, buf, 8, -EPERM, NULL), -EPERM, "err");
	}
	TEST_ASSERT_EQUAL(complete(0, 0, NULL), -ESTALE, "twice");
	TEST_ASSERT_EQUAL(rte_vfio_user_server_region_complete(loop.srv, 12345, 0, NULL),
			  -ESTALE, "never was");
	TEST_ASSERT_EQUAL(rte_vfio_user_server_region_complete(NULL, 1, 0, NULL), -EINVAL, "");
	return TEST_SUCCESS;
}

/* The rest of a client's requests waits, in order; wrong completions do nothing. */
static ssize_t
hold_hook(const struct rte_vfio_user_region_access *acc)
{
	if (acc->offset != 0x800) {
		COUNT(deferred.others);
		return loop_store(acc);
	}
	SET(deferred.token, acc->token);
	return RTE_VFIO_USER_PENDING;
}

static uint32_t nb_done;

static void
count_cb(struct rte_vfio_user_client *client, ssize_t result, void *arg)
{
	RTE_SET_USED(client);
	/* each with its own result, in the order of the calls */
	if (nb_done == (uint32_t)(uintptr_t)arg && result == (nb_done == 0 ? 3 : 4))
		nb_done++;
}

static int
test_held_back(void)
{
	uint32_t val = 0x12345678, i, nb = 0;
	int ret = 0;

	DO(loop_start());
	loop.hook = hold_hook;
	memset(&deferred, 0, sizeof(deferred));
	nb_done = 0;
	DO(rte_vfio_user_client_region_read_async(loop.client, 0, 0x800, &val, 4, count_cb, NULL));
	for (nb = 1; ret == 0 && nb < 5000; nb++)
		ret = rte_vfio_user_client_region_write_async(loop.client, 0, 0, &val, 4,
				count_cb, (void *)(uintptr_t)nb);
	TEST_ASSERT_EQUAL(ret, -EAGAIN, "no limit: %d", ret);
	nb--;
	TEST_ASSERT(nb >= 256, "only %u requests", nb);
	WAIT_FOR(GET(deferred.token) != 0);
	usleep(5000);
	TEST_ASSERT_EQUAL(GET(deferred.others), 0u, "overtaken");
	TEST_ASSERT_EQUAL(complete(1, 4, &val), -ESTALE, "token");
	TEST_ASSERT_EQUAL(complete(0, 5, &val), -EINVAL, "too much");
	TEST_ASSERT_EQUAL(complete(0, 4, NULL), -EINVAL, "no data");
	TEST_ASSERT_EQUAL(rte_vfio_user_server_quiesce_complete(loop.srv, 0), -ESTALE, "kind");
	DO(complete(0, 3, &val));
	for (i = 0; i < 1000 && nb_done < nb; i++)
		loop_poll();
	TEST_ASSERT_EQUAL(nb_done, nb, "%u of %u", nb_done, nb);
	TEST_ASSERT_EQUAL(GET(deferred.others), nb - 1, "writes");
	return TEST_SUCCESS;
}

/* In the middle of a message of several writes. */
static int
test_deferred_multi(void)
{
	struct rte_vfio_user_write list[3];
	int round;

	DO(loop_start());
	loop.hook = defer_hook;
	memset(&deferred, 0, sizeof(deferred));
	memset(list, 0, sizeof(list));
	list[0].len = list[1].len = list[2].len = 4;
	list[2].offset = 4;
	list[1].offset = 0x800;
	for (round = 0; round < 2; round++) {
		deferred.inside = round == 1;
		deferred.result = 4;
		TEST_ASSERT_EQUAL(rte_vfio_user_client_region_write_multi(loop.client, list, 3),
				  3, "all");
		if (round == 0)
			pthread_join(deferred.thread, NULL);
		deferred.result = -EIO;
		TEST_ASSERT_EQUAL(rte_vfio_user_client_region_write_multi(loop.client, list, 3),
				  1, "up to the error");
		if (round == 0)
			pthread_join(deferred.thread, NULL);
		TEST_ASSERT_EQUAL(rte_vfio_user_client_region_write_multi(loop.client, &list[1],
				2), -EIO, "the first");
		if (round == 0)
			pthread_join(deferred.thread, NULL);
	}
	TEST_ASSERT_EQUAL(GET(deferred.others), 6u, "%u", deferred.others);
	return TEST_SUCCESS;
}

/* A client that does not wait for ever, and one that is gone. */
static int
test_never_completed(void)
{
	uint32_t val;

	loop.client_conf.request_timeout_ms = 500;
	DO(loop_start());
	loop.hook = hold_hook;
	memset(&deferred, 0, sizeof(deferred));
	TEST_ASSERT_EQUAL(loop_read(0, 0x800, &val, 4), -ETIMEDOUT, "timeout");
	DO(complete(0, 4, &val));
	DO(loop_read(0, 0, &val, 4)); /* the late reply disturbs nobody */
	SET(deferred.token, 0);
	DO(rte_vfio_user_client_region_read_async(loop.client, 0, 0x800, &val, 4, count_cb, NULL));
	WAIT_FOR(GET(deferred.token) != 0);
	loop_stop_client();
	WAIT_FOR(GET(loop.lost) == 1);
	TEST_ASSERT_EQUAL(complete(0, 4, &val), -ESTALE, "its client is gone");
	loop.client_conf.connect_timeout_ms = 5000;
	DO(loop_start_client());
	DO(loop_read(0, 0, &val, 4));
	return TEST_SUCCESS;
}

/* ------------------------------------------------------------------ quiesce */

static int quiesce_status;
static bool quiesce_over;
static pthread_t quiesce_thread;

static void *
quiesce_later(void *arg)
{
	RTE_SET_USED(arg);
	usleep(20000);
	SET(quiesce_over, true);
	quiesce_status = rte_vfio_user_server_quiesce_complete(loop.srv, quiesce_status);
	return NULL;
}

static int
quiesce_pending(void)
{
	pthread_create(&quiesce_thread, NULL, quiesce_later, NULL);
	return RTE_VFIO_USER_PENDING;
}

static int
quiesce_inside(void)
{
	quiesce_later(NULL);
	return RTE_VFIO_USER_PENDING;
}

static int
quiesce_fails(void)
{
	return -EBUSY;
}

static int
test_quiesce(void)
{
	struct rte_vfio_user_dma_map map = {
		.iova = 0x1000, .size = PAGE, .prot = PROT_READ, .fd = -1,
	};
	const struct rte_vfio_user_dma_range range = { map.iova, map.size };
	uint32_t val;

	DO(loop_start());
	loop.quiesce = quiesce_pending;
	quiesce_status = 0;
	quiesce_over = false;
	DO(rte_vfio_user_client_dma_map(loop.client, &map, 1));
	TEST_ASSERT(GET(quiesce_over), "not waited for");
	pthread_join(quiesce_thread, NULL);
	TEST_ASSERT_EQUAL(quiesce_status, 0, "completion");
	TEST_ASSERT(GET(loop.quiesced) == 1 && GET(loop.resumed) == 1 && GET(loop.mapped) == 1,
		    "calls");
	quiesce_status = -EAGAIN;
	map.iova = 0x8000;
	TEST_ASSERT_EQUAL(rte_vfio_user_client_dma_map(loop.client, &map, 1), -EAGAIN, "status");
	pthread_join(quiesce_thread, NULL);
	TEST_ASSERT(GET(loop.mapped) == 1 && GET(loop.resumed) == 1, "carried out");
	loop.quiesce = quiesce_inside;
	quiesce_status = 0;
	DO(rte_vfio_user_client_reset(loop.client));
	quiesce_status = -EIO;
	TEST_ASSERT_EQUAL(rte_vfio_user_client_reset(loop.client), -EIO, "status");
	TEST_ASSERT_EQUAL(GET(loop.resets), 1u, "resets");
	loop.quiesce = quiesce_fails;
	TEST_ASSERT_EQUAL(rte_vfio_user_client_dma_unmap(loop.client, &range, 1), -EBUSY,
			  "refused");
	TEST_ASSERT_EQUAL(GET(loop.unmapped), 0u, "unmapped");
	loop.quiesce = NULL;
	DO(rte_vfio_user_client_dma_unmap(loop.client, &range, 1));
	DO(rte_vfio_user_client_irq_disable(loop.client, VFIO_PCI_MSIX_IRQ_INDEX));
	DO(loop_read(0, 0, &val, 4));
	TEST_ASSERT(GET(loop.quiesced) == 7 && GET(loop.resumed) == 4, "%u, %u",
		    loop.quiesced, loop.resumed);
	TEST_ASSERT_EQUAL(rte_vfio_user_server_quiesce_complete(loop.srv, 0), -ESTALE, "none");
	TEST_ASSERT_EQUAL(rte_vfio_user_server_quiesce_complete(loop.srv, 1), -EINVAL, "status");
	return TEST_SUCCESS;
}

static int
quiesce_never(void)
{
	return RTE_VFIO_USER_PENDING;
}

static int
test_quiesce_lost(void)
{
	loop.client_conf.request_timeout_ms = 500;
	DO(loop_start());
	loop.quiesce = quiesce_never;
	TEST_ASSERT_EQUAL(rte_vfio_user_client_reset(loop.client), -ETIMEDOUT, "timeout");
	loop_stop_client();
	WAIT_FOR(GET(loop.lost) == 1);
	TEST_ASSERT_EQUAL(rte_vfio_user_server_quiesce_complete(loop.srv, 0), -ESTALE, "gone");
	loop.quiesce = NULL;
	loop.client_conf.connect_timeout_ms = 5000;
	DO(loop_start_client());
	DO(rte_vfio_user_client_reset(loop.client));
	return TEST_SUCCESS;
}

static int
test_reset(void)
{
	struct vfio_device_info info;

	DO(loop_start());
	DO(rte_vfio_user_client_reset(loop.client));
	TEST_ASSERT_EQUAL(GET(loop.resets), 1u, "resets");
	loop.reset_result = -ENXIO;
	TEST_ASSERT_EQUAL(rte_vfio_user_client_reset(loop.client), -ENXIO, "error");
	TEST_ASSERT_EQUAL(GET(loop.resumed), 2u, "resumed");
	loop_stop_client();
	loop_stop_server();
	TEST_ASSERT_EQUAL(loop.lost, 1u, "lost");
	loop.server_conf.flags = RTE_VFIO_USER_SERVER_F_NO_RESET;
	DO(loop_start());
	DO(rte_vfio_user_client_device_info(loop.client, &info));
	TEST_ASSERT_EQUAL(info.flags, VFIO_DEVICE_FLAGS_PCI, "flags");
	TEST_ASSERT_EQUAL(rte_vfio_user_client_reset(loop.client), -EINVAL, "not offered");
	return TEST_SUCCESS;
}

/* ------------------------------------------------------------------ clients */

static int
test_reconnect(void)
{
	const struct rte_vfio_user_dma_map map = {
		.iova = 0x1000, .size = PAGE, .prot = PROT_READ, .fd = -1,
	};
	uint32_t i, val;
	int fds = 0, efd = eventfd(0, EFD_CLOEXEC);

	DO(loop_start_server());
	loop.client_conf.connect_timeout_ms = 5000;
	for (i = 1; i <= 30; i++) {
		loop.client_conf.flags = i % 3 != 0 ? 0 : RTE_VFIO_USER_CLIENT_F_NO_TWIN_SOCKET;
		DO(loop_start_client());
		WAIT_FOR(GET(loop.connected) == i);
		DO(rte_vfio_user_client_dma_map(loop.client, &map, 1));
		DO(rte_vfio_user_client_irq_assign(loop.client, VFIO_PCI_MSIX_IRQ_INDEX, 0, 1,
						   &efd));
		val = i;
		DO(loop_write(0, 0x10, &val, 4));
		/* what is posted before the end arrives */
		DO(rte_vfio_user_client_region_write_posted(loop.client, 0, 0x20, &val, 4));
		loop_stop_client();
		WAIT_FOR(GET(loop.lost) == i);
		TEST_ASSERT(memcmp(loop.bar0 + 0x20, &val, 4) == 0, "posted write lost");
		if (i == 1)
			fds = count_fds();
	}
	WAIT_FOR(count_fds() == fds);
	TEST_ASSERT_EQUAL(GET(loop.unmapped), 30u, "unmapped");
	close(efd);
	return TEST_SUCCESS;
}

static int
test_second_client(void)
{
	struct rte_vfio_user_client *first;
	uint32_t i, val = 7;
	int fds;

	DO(loop_start());
	WAIT_FOR(GET(loop.connected) == 1);
	first = loop.client;
	fds = count_fds();
	for (i = 0; i < 20; i++)
		TEST_ASSERT_EQUAL(loop_start_client(), -EBUSY, "second client");
	loop.client = first;
	DO(loop_write(0, 0, &val, 4));
	TEST_ASSERT_EQUAL(GET(loop.connected), 1u, "callback");
	WAIT_FOR(count_fds() == fds);
	/* one that waits gets it when the first one goes */
	loop.client_conf.connect_timeout_ms = 50;
	TEST_ASSERT_EQUAL(loop_start_client(), -EBUSY, "second client waits");
	loop.client = first;
	loop_stop_client();
	loop.client_conf.connect_timeout_ms = 5000;
	DO(loop_start_client());
	DO(loop_read(0, 0, &val, 4));
	return TEST_SUCCESS;
}

static void *
read_until_gone(void *arg)
{
	ssize_t ret;
	uint32_t val;

	RTE_SET_USED(arg);
	do {
		ret = rte_vfio_user_client_region_read(loop.client, 0, 0x800, &val, 4);
	} while (ret == 4);
	return (void *)(intptr_t)ret;
}

/* A device goes while its client uses it, or waits for it. */
static int
test_destroyed(void)
{
	pthread_t threads[3];
	void *result;
	uint32_t i, round, val;

	for (round = 0; round < 6; round++) {
		memset(&deferred, 0, sizeof(deferred));
		loop.hook = round % 2 == 0 ? NULL : hold_hook;
		DO(loop_start());
		for (i = 0; i < RTE_DIM(threads); i++)
			pthread_create(&threads[i], NULL, read_until_gone, NULL);
		if (round % 2 != 0)
			WAIT_FOR(GET(deferred.token) != 0);
		else
			usleep(round * 1000);
		loop_stop_server();
		for (i = 0; i < RTE_DIM(threads); i++) {
			pthread_join(threads[i], &result);
			TEST_ASSERT_EQUAL((intptr_t)result, -ENOTCONN, "%ld", (long)result);
		}
		TEST_ASSERT_EQUAL(loop.lost, round + 1, "lost");
		TEST_ASSERT_EQUAL(loop_read(0, 0, &val, 4), -ENOTCONN, "read");
		TEST_ASSERT_EQUAL(rte_vfio_user_client_poll(loop.client), -ENOTCONN, "poll");
		TEST_ASSERT_EQUAL(rte_vfio_user_client_reset(loop.client), -ENOTCONN, "reset");
		loop_stop_client();
		TEST_ASSERT_EQUAL(loop_start_client(), -ENOENT, "nobody");
	}
	return TEST_SUCCESS;
}

#define MANY 24

static int
test_many_servers(void)
{
	struct rte_vfio_user_server *srv[MANY];
	struct rte_vfio_user_client *client[MANY];
	const struct rte_vfio_user_region_conf bar = {
		.size = BAR1_SIZE, .flags = RTE_VFIO_USER_REGION_F_RW, .fd = -1,
		.base = loop.bar1,
	};
	int pair[2];
	uint32_t i, round, val;

	loop.runner = rte_vfio_user_runner_create("many");
	loop.server_conf.sock_path = loop.client_conf.sock_path = NULL;
	for (i = 0; i < MANY; i++) {
		DO(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair));
		loop.server_conf.conn_fd = pair[0];
		loop.client_conf.conn_fd = pair[1];
		srv[i] = rte_vfio_user_server_create(&loop.server_conf);
		TEST_ASSERT_NOT_NULL(srv[i], "server");
		DO(rte_vfio_user_server_region_set(srv[i], 0, &bar));
		DO(rte_vfio_user_server_start(srv[i]));
		DO(rte_vfio_user_runner_add(loop.runner, srv[i]));
		client[i] = rte_vfio_user_client_create(&loop.client_conf);
		TEST_ASSERT_NOT_NULL(client[i], "client: %s", rte_strerror(rte_errno));
		close(pair[0]);
		close(pair[1]);
	}
	for (round = 0; round < 50; round++)
		for (i = 0; i < MANY; i++) {
			val = i + round;
			TEST_ASSERT_EQUAL(rte_vfio_user_client_region_write(client[i], 0, i * 4,
					&val, 4), 4, "client %u", i);
			TEST_ASSERT(memcmp(loop.bar1 + i * 4, &val, 4) == 0, "client %u", i);
		}
	/* half of them with the runner still there, half after it */
	for (i = 0; i < MANY; i++) {
		if (i == MANY / 2) {
			rte_vfio_user_runner_destroy(loop.runner);
			loop.runner = NULL;
		}
		if (i < MANY / 2)
			DO(rte_vfio_user_runner_remove(loop.runner, srv[i]));
		DO(rte_vfio_user_server_destroy(srv[i]));
		TEST_ASSERT_EQUAL(rte_vfio_user_client_reset(client[i]), -ENOTCONN, "reset");
		rte_vfio_user_client_destroy(client[i]);
	}
	return TEST_SUCCESS;
}

/* ------------------------------------------------------------------- misuse */

static int
test_bad_conf(void)
{
	struct rte_vfio_user_server_conf conf;
	char longest[300];
	int i;

	TEST_ASSERT_NULL(rte_vfio_user_server_create(NULL), "NULL");
	TEST_ASSERT_EQUAL(rte_errno, EINVAL, "NULL");
	for (i = 0; i < 10; i++) {
		conf = loop.server_conf;
		memset(longest, 'x', sizeof(longest));
		longest[sizeof(longest) - 1] = '\0';
		switch (i) {
		case 0: conf.size--; break;
		case 1: conf.sock_path = NULL; break;
		case 2: conf.conn_fd = loop.file[0]; break;
		case 3: conf.flags = 1u << 31; break;
		case 4: conf.max_data_xfer_size = RTE_VFIO_USER_MAX_XFER_SIZE + 1; break;
		case 5: conf.max_msg_fds = 254; break;
		case 6: conf.num_regions = UINT32_MAX; break;
		case 7: conf.num_irqs = UINT32_MAX; break;
		case 8: conf.sock_path = ""; break;
		default: conf.sock_path = longest; break;
		}
		rte_errno = 0;
		TEST_ASSERT_NULL(rte_vfio_user_server_create(&conf), "case %d", i);
		TEST_ASSERT_EQUAL(rte_errno, i == 9 ? ENAMETOOLONG : EINVAL, "case %d", i);
	}
	return TEST_SUCCESS;
}

static int
test_misuse(void)
{
	struct rte_vfio_user_server *srv, *second;
	const struct rte_vfio_user_server_ops ops = { 0 };
	const struct rte_vfio_user_dma_ops dma_ops = { 0 };
	const struct rte_vfio_user_region_conf bar = { .fd = -1 };
	const struct rte_vfio_user_ioeventfd io = { .fd = loop.ioeventfd };
	struct stat st;

	TEST_ASSERT_EQUAL(rte_vfio_user_server_start(NULL), -EINVAL, "start");
	TEST_ASSERT_EQUAL(rte_vfio_user_server_poll(NULL), -EINVAL, "poll");
	TEST_ASSERT_EQUAL(rte_vfio_user_server_fd(NULL), -EINVAL, "fd");
	TEST_ASSERT_EQUAL(rte_vfio_user_server_destroy(NULL), 0, "destroy");
	TEST_ASSERT_EQUAL(rte_vfio_user_server_region_set(NULL, 0, &bar), -EINVAL, "region");
	TEST_ASSERT_EQUAL(rte_vfio_user_server_irq_set(NULL, 0, 1, 0), -EINVAL, "IRQ");
	TEST_ASSERT_EQUAL(rte_vfio_user_server_irq_trigger(NULL, 0, 1), -EINVAL, "trigger");
	TEST_ASSERT_EQUAL(rte_vfio_user_server_negotiated(NULL, NULL), -EINVAL, "negotiated");
	TEST_ASSERT_EQUAL(rte_vfio_user_runner_add(NULL, NULL), -EINVAL, "add");
	TEST_ASSERT_EQUAL(rte_vfio_user_runner_remove(NULL, NULL), -EINVAL, "remove");
	TEST_ASSERT_NULL(rte_vfio_user_runner_create(NULL), "runner");
	rte_vfio_user_runner_destroy(NULL);

	srv = rte_vfio_user_server_create(&loop.server_conf);
	TEST_ASSERT_NOT_NULL(srv, "create");
	TEST_ASSERT_EQUAL(rte_vfio_user_server_poll(srv), -EINVAL, "not started");
	TEST_ASSERT_EQUAL(rte_vfio_user_server_ops_set(srv, NULL, NULL), -EINVAL, "ops");
	TEST_ASSERT_EQUAL(rte_vfio_user_server_dma_ops_set(srv, NULL, NULL), -EINVAL, "ops");
	TEST_ASSERT_EQUAL(rte_vfio_user_server_region_set(srv, 9, &bar), -EINVAL, "index");
	TEST_ASSERT_EQUAL(rte_vfio_user_server_irq_set(srv, 5, 1, 0), -EINVAL, "index");
	TEST_ASSERT(stat(loop.server_conf.sock_path, &st) < 0, "socket before start");
	DO(rte_vfio_user_server_start(srv));
	TEST_ASSERT(stat(loop.server_conf.sock_path, &st) == 0 &&
		    (st.st_mode & 0777) == 0600, "socket");
	TEST_ASSERT_EQUAL(rte_vfio_user_server_start(srv), -EBUSY, "twice");
	TEST_ASSERT_EQUAL(rte_vfio_user_server_region_set(srv, 0, &bar), -EBUSY, "region");
	TEST_ASSERT_EQUAL(rte_vfio_user_server_region_ioeventfd_add(srv, 0, &io), -EBUSY, "io");
	TEST_ASSERT_EQUAL(rte_vfio_user_server_irq_set(srv, 0, 1, 0), -EBUSY, "IRQ");
	TEST_ASSERT_EQUAL(rte_vfio_user_server_ops_set(srv, &ops, NULL), -EBUSY, "ops");
	TEST_ASSERT_EQUAL(rte_vfio_user_server_dma_ops_set(srv, &dma_ops, NULL), -EBUSY, "ops");
	TEST_ASSERT_EQUAL(rte_vfio_user_server_poll(srv), 0, "nothing to do");
	/* somebody else has the path; that one is left alone */
	second = rte_vfio_user_server_create(&loop.server_conf);
	TEST_ASSERT_EQUAL(rte_vfio_user_server_start(second), -EADDRINUSE, "in use");
	DO(rte_vfio_user_server_destroy(second));
	TEST_ASSERT(stat(loop.server_conf.sock_path, &st) == 0, "removed");
	DO(rte_vfio_user_server_destroy(srv));
	TEST_ASSERT(stat(loop.server_conf.sock_path, &st) < 0, "left behind");
	return TEST_SUCCESS;
}

#define CASE(fn) TEST_CASE_ST(loop_setup, loop_teardown, fn)

static struct unit_test_suite life_suite = {
	.suite_name = "vfio-user server and client: life cycle",
	.unit_test_cases = {
		CASE(test_deferred),
		CASE(test_held_back),
		CASE(test_deferred_multi),
		CASE(test_never_completed),
		CASE(test_quiesce),
		CASE(test_quiesce_lost),
		CASE(test_reset),
		CASE(test_reconnect),
		CASE(test_second_client),
		CASE(test_destroyed),
		CASE(test_many_servers),
		CASE(test_bad_conf),
		CASE(test_misuse),
		TEST_CASES_END()
	},
};

static int
test_vfio_user_loopback_life(void)
{
	return unit_test_suite_runner(&life_suite);
}

REGISTER_TEST_COMMAND(vfio_user_loopback_life_autotest, test_vfio_user_loopback_life);
