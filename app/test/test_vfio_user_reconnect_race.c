/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

/* Reconnection of the client while several threads use it. */

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include <rte_common.h>

#include "test.h"
#include "test_vfio_user_loopback.h"

#define NB_ROUNDS 30
#define IOVA 0x10000000u

/* atomic */
static bool stop;
static uint32_t nb_told[3], nb_done[5];

static void
on_state(struct rte_vfio_user_client *client, enum rte_vfio_user_client_state state,
	 int reason, void *priv)
{
	RTE_SET_USED(client);
	RTE_SET_USED(reason);
	RTE_SET_USED(priv);
	COUNT(nb_told[state]);
}

/* Threads: what each does again and again; 0, or what went wrong. */

static int
do_read(uint32_t round)
{
	uint32_t value = 0;
	int ret;

	ret = loop_read(0, 128 + 4 * (round % 8), &value, sizeof(value));
	return ret == 0 && value != 0x5a5a5a5a ? -EIO : ret;
}

static int
do_write(uint32_t round)
{
	int ret = loop_write(0, 256, &round, sizeof(round));

	return ret == -ENOTCONN ? 0 : ret;
}

/* Maps stay what they are for this thread, whatever happens to the server. */
static int
do_map(uint32_t round)
{
	struct rte_vfio_user_dma_map maps[3];
	struct rte_vfio_user_dma_range ranges[3];
	uint32_t i;
	int ret;

	for (i = 0; i < RTE_DIM(maps); i++) {
		maps[i] = (struct rte_vfio_user_dma_map) {
			.iova = IOVA + i * PAGE, .size = PAGE, .prot = PROT_READ,
			.fd = i == 2 ? -1 : loop.file[i],
		};
		ranges[i].iova = maps[i].iova;
		ranges[i].size = PAGE;
	}
	ret = rte_vfio_user_client_dma_map(loop.client, maps, RTE_DIM(maps));
	if (ret < 0)
		return ret;
	if (round % 4 == 0)
		usleep(3000);
	return round % 8 == 7 ? rte_vfio_user_client_dma_unmap_all(loop.client) :
		rte_vfio_user_client_dma_unmap(loop.client, ranges, RTE_DIM(ranges));
}

static int
do_irq(uint32_t round)
{
	int fd[2] = { -1, -1 }, ret;

	fd[round % 2] = eventfd(0, EFD_CLOEXEC);
	ret = rte_vfio_user_client_irq_assign(loop.client, VFIO_PCI_MSIX_IRQ_INDEX, 3, 2, fd);
	close(fd[round % 2]);
	return ret;
}

static int
do_poll(uint32_t round)
{
	RTE_SET_USED(round);
	loop_poll();
	return 0;
}

static int (*const jobs[])(uint32_t round) = {
	do_read, do_write, do_map, do_irq, do_poll,
};

static void *
work(void *arg)
{
	uintptr_t job = (uintptr_t)arg;
	uint32_t round;
	int ret = 0;

	for (round = 0; !GET(stop) && ret == 0; round++) {
		ret = jobs[job](round);
		COUNT(nb_done[job]);
	}
	if (ret != 0)
		printf("job %u, round %u: %s\n", (unsigned int)job, round, strerror(-ret));
	return (void *)(intptr_t)ret;
}

static int
test_threads(void)
{
	pthread_t threads[RTE_DIM(jobs)];
	uint32_t i, was;
	void *ret;
	int bad = 0;

	memset(nb_told, 0, sizeof(nb_told));
	memset(loop.bar0, 0x5a, 192);
	loop.client_conf.reconnect_timeout_ms = 60000;
	loop.client_conf.flags = RTE_VFIO_USER_CLIENT_F_RETRY_READS;
	loop.client_conf.state_cb = on_state;
	DO(loop_start());
	SET(stop, false);
	for (i = 0; i < RTE_DIM(jobs); i++)
		DO(pthread_create(&threads[i], NULL, work, (void *)(uintptr_t)i));
	for (i = 0; i < NB_ROUNDS; i++) {
		loop_stop_server();
		DO(loop_start_server());
		WAIT_FOR(GET(nb_told[RTE_VFIO_USER_CLIENT_RECONNECTED]) == i + 1);
		was = GET(nb_done[0]);
		WAIT_FOR(GET(nb_done[0]) != was);
		usleep(rand() % 4000);
	}
	SET(stop, true);
	for (i = 0; i < RTE_DIM(jobs); i++) {
		pthread_join(threads[i], &ret);
		bad += ret != NULL;
	}
	TEST_ASSERT_EQUAL(bad, 0, "%d threads failed", bad);
	TEST_ASSERT_EQUAL(nb_told[RTE_VFIO_USER_CLIENT_LOST], NB_ROUNDS + 0u, "lost");
	/* each thread took its mappings back: none is left anywhere */
	DO(rte_vfio_user_runner_remove(loop.runner, loop.srv)); /* we are the poller */
	TEST_ASSERT_EQUAL(rte_vfio_user_server_dma_count(loop.srv), 0u, "maps");
	return TEST_SUCCESS;
}

/* A thread inside a read waits for the device, and drives by itself. */
static int
read_once(void *arg)
{
	RTE_SET_USED(arg);
	return do_read(0);
}

static void *
restart_later(void *arg)
{
	usleep(30000);
	return loop_start_server() == TEST_SUCCESS ? NULL : arg;
}

static int
test_sync_retry(void)
{
	pthread_t thread;
	void *ret, *base;

	memset(loop.bar0, 0x5a, 192);
	loop.client_conf.reconnect_timeout_ms = UINT32_MAX;
	loop.client_conf.flags = RTE_VFIO_USER_CLIENT_F_RETRY_READS;
	DO(loop_start());
	loop_stop_server();
	DO(pthread_create(&thread, NULL, restart_later, &loop));
	DO(read_once(NULL));
	pthread_join(thread, &ret);
	TEST_ASSERT_NULL(ret, "restart");
	loop_stop_server();
	DO(pthread_create(&thread, NULL, restart_later, &loop));
	DO(loop_run(read_once, NULL)); /* while another thread polls */
	pthread_join(thread, &ret);
	TEST_ASSERT_NULL(ret, "restart");
	/* the description of the new device is what is mapped */
	loop_stop_server();
	DO(pthread_create(&thread, NULL, restart_later, &loop));
	DO(rte_vfio_user_client_region_mmap(loop.client, 4, &base));
	pthread_join(thread, &ret);
	TEST_ASSERT_NULL(ret, "restart");
	*(volatile uint32_t *)base = 0x12345678;
	TEST_ASSERT_EQUAL(*(uint32_t *)loop.memory[2], 0x12345678u, "mapped");
	return TEST_SUCCESS;
}

#define CASE(fn) TEST_CASE_ST(loop_setup, loop_teardown, fn)

static struct unit_test_suite race_suite = {
	.suite_name = "vfio-user client: reconnection with threads",
	.unit_test_cases = {
		CASE(test_threads),
		CASE(test_sync_retry),
		TEST_CASES_END()
	},
};

static int
test_vfio_user_reconnect_race(void)
{
	return unit_test_suite_runner(&race_suite);
}

REGISTER_TEST_COMMAND(vfio_user_reconnect_race_autotest, test_vfio_user_reconnect_race);
