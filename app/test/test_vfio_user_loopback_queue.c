/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

/* Server and client in one process: queues that are full, polls that find nothing. */

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <rte_common.h>

#include "test.h"
#include "test_vfio_user_loopback.h"

#define MIB (1u << 20)
#define NB_WRITES 16u

static uint8_t *buf;
static uint32_t nb_done, nb_good; /* accesses of 1 MiB */

static int
setup(void)
{
	buf = calloc(1, MIB);
	nb_done = nb_good = 0;
	return loop_setup();
}

static void
teardown(void)
{
	loop_teardown();
	free(buf);
}

static void
on_done(struct rte_vfio_user_client *client, ssize_t result, void *arg)
{
	RTE_SET_USED(client);
	RTE_SET_USED(arg);
	nb_done++;
	nb_good += result == MIB;
}

static bool
server_has_work(void)
{
	struct pollfd pfd = {
		.fd = rte_vfio_user_server_fd(loop.srv), .events = POLLIN,
	};

	return poll(&pfd, 1, 0) != 0;
}

/* This thread polls the server until that may sleep. */
static int
settle(void)
{
	uint32_t left = 200;

	while (server_has_work() && left-- != 0) {
		rte_vfio_user_server_poll(loop.srv);
		usleep(100);
	}
	TEST_ASSERT(!server_has_work(), "it wakes itself for ever");
	return TEST_SUCCESS;
}

/* From now on this thread polls both sides. */
static int
start(void)
{
	DO(loop_start());
	DO(rte_vfio_user_runner_remove(loop.runner, loop.srv));
	loop.poller = pthread_self();
	return TEST_SUCCESS;
}

static void
poll_both(void)
{
	rte_vfio_user_client_poll(loop.client);
	rte_vfio_user_server_poll(loop.srv);
	usleep(100);
}

/* ------------------------------------------------------------------- replies */

/*
 * Replies pile up until the server takes no more requests, then leave. With
 * one of these numbers the last request is the one that fills the queue.
 */
static int
test_idle_when_drained(void)
{
	uint32_t nb, i;

	DO(start());
	for (nb = 1; nb <= 8; nb++) {
		nb_done = nb_good = 0;
		for (i = 0; i < nb; i++)
			DO(rte_vfio_user_client_region_read_async(loop.client, 1, 0, buf, MIB,
					on_done, NULL));
		DO(settle());
		for (i = 0; i < 10000 && nb_done < nb; i++)
			poll_both();
		TEST_ASSERT_EQUAL(nb_good, nb, "%u of %u", nb_good, nb);
		DO(settle());
	}
	return TEST_SUCCESS;
}

/* ------------------------------------------------------------------ requests */

static uint64_t token; /* of the access that waits */

static ssize_t
hold_hook(const struct rte_vfio_user_region_access *acc)
{
	token = acc->token;
	return RTE_VFIO_USER_PENDING;
}

/* Send large writes up to NB_WRITES, and have them received, as far as they get. */
static int
send_writes(uint32_t *sent)
{
	uint32_t i;
	int ret;

	for (i = 0; i < 500 && nb_done < NB_WRITES + 1; i++) {
		do {
			ret = *sent == NB_WRITES ? -EAGAIN :
				rte_vfio_user_client_region_write_async(loop.client, 1,
					*sent * MIB, buf, MIB, on_done, NULL);
			*sent += ret == 0;
		} while (ret == 0);
		TEST_ASSERT_EQUAL(ret, -EAGAIN, "write %u: %d", *sent, ret);
		poll_both();
	}
	return TEST_SUCCESS;
}

/* The device takes its time: the client is paused, not dropped. */
static int
test_large_backlog(void)
{
	uint32_t val, sent = 0, i;

	loop_fill(buf, MIB, 3);
	token = 0;
	loop.hook = hold_hook;
	DO(start());
	DO(rte_vfio_user_client_region_read_async(loop.client, 0, 0, &val, 4, on_done, NULL));
	DO(send_writes(&sent));
	TEST_ASSERT_EQUAL(loop.lost, 0u, "dropped");
	TEST_ASSERT(token != 0 && nb_done == 0, "overtaken");
	DO(rte_vfio_user_server_region_complete(loop.srv, token, 4, buf));
	for (i = 0; i < 20 && nb_done < NB_WRITES + 1; i++)
		DO(send_writes(&sent));
	TEST_ASSERT_EQUAL(nb_good, NB_WRITES, "%u of %u", nb_good, sent);
	for (i = 0; i < NB_WRITES; i++)
		TEST_ASSERT(loop_is_filled(loop.bar1 + i * MIB, MIB, 3), "write %u", i);
	return TEST_SUCCESS;
}

/* ---------------------------------------------------------------- idle polls */

/* A connection that is there, accepted or not. */
static int
connect_socket(void)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", loop.server_conf.sock_path);
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

/* However often there was nothing: after a sleep one poll sees what there is. */
static int
test_poll_after_sleep(void)
{
	static const uint32_t idle[] = { 0, 1, 3, 4, 9, 14, 18, 40 };
	uint32_t i, k;
	int fd;

	loop.by_hand = true;
	DO(loop_start_server());
	for (i = 0; i < RTE_DIM(idle); i++) {
		for (k = 0; k < idle[i]; k++)
			TEST_ASSERT_EQUAL(rte_vfio_user_server_poll(loop.srv), 0, "%u", k);
		fd = connect_socket();
		TEST_ASSERT(fd >= 0, "connect: %s", strerror(errno));
		usleep(5000); /* many times IDLE_CHECK_CYCLES */
		TEST_ASSERT(rte_vfio_user_server_poll(loop.srv) > 0, "after %u polls", idle[i]);
		close(fd);
		DO(settle());
	}
	return TEST_SUCCESS;
}

#define CASE(fn) TEST_CASE_ST(setup, teardown, fn)

static struct unit_test_suite queue_suite = {
	.suite_name = "vfio-user server and client: full and empty queues",
	.unit_test_cases = {
		CASE(test_idle_when_drained),
		CASE(test_large_backlog),
		CASE(test_poll_after_sleep),
		TEST_CASES_END()
	},
};

static int
test_vfio_user_loopback_queue(void)
{
	return unit_test_suite_runner(&queue_suite);
}

REGISTER_TEST_COMMAND(vfio_user_loopback_queue_autotest, test_vfio_user_loopback_queue);
