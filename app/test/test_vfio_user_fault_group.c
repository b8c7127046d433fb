/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

/* Poll groups while calls fail. */

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_common.h>
#include <rte_errno.h>

#include "test.h"
#include "test_fault.h"
#include "test_vfio_user_fault.h"

#define NB_GROUPS RTE_DIM(((struct fault_dev *)NULL)->group)

/* A thread that polls both groups; their calls are the runner's. */
static pthread_t thread;
static bool has_thread;
static bool stop; /* atomic */

static void *
poll_groups(void *arg)
{
	struct fault_dev *dev = arg;
	struct pollfd pfd[NB_GROUPS];
	uint32_t i;

	for (i = 0; i < NB_GROUPS; i++) {
		pfd[i].fd = rte_vfio_user_poll_group_fd(dev->group[i]);
		pfd[i].events = POLLIN;
	}
	while (!__atomic_load_n(&stop, __ATOMIC_SEQ_CST)) {
		test_fault_off(); /* this poll() is ours */
		poll(pfd, NB_GROUPS, 1);
		if (dev->runner_on)
			test_fault_on();
		for (i = 0; i < NB_GROUPS; i++)
			rte_vfio_user_poll_group_poll(dev->group[i]);
	}
	return NULL;
}

static int
start_thread(struct fault_dev *dev)
{
	int ret;

	__atomic_store_n(&stop, false, __ATOMIC_SEQ_CST);
	test_fault_off();
	ret = pthread_create(&thread, NULL, poll_groups, dev);
	if (dev->caller_on)
		test_fault_on();
	has_thread = ret == 0;
	return -ret;
}

static void
stop_thread(void)
{
	if (!has_thread)
		return;
	__atomic_store_n(&stop, true, __ATOMIC_SEQ_CST);
	pthread_join(thread, NULL);
	has_thread = false;
}

static void
destroy_groups(struct fault_dev *dev)
{
	uint32_t i;

	stop_thread();
	for (i = 0; i < NB_GROUPS; i++) {
		if (dev->group[i] == NULL)
			continue;
		rte_vfio_user_poll_group_remove(dev->group[i], dev->srv);
		rte_vfio_user_poll_group_destroy(dev->group[i]);
		dev->group[i] = NULL;
	}
}

/* The device is well, in the hands of another thread. */
static int
check_ungrouped(struct fault_dev *dev)
{
	destroy_groups(dev);
	TEST_ASSERT_SUCCESS(fault_run(dev), "a runner after the groups");
	return fault_check(dev);
}

static int
ungrouped(struct fault_dev *dev)
{
	dev->start_later = true;
	dev->check = check_ungrouped;
	dev->clean = destroy_groups;
	TRY(fault_create(dev));
	return rte_vfio_user_server_start(dev->srv);
}

static int
create_groups(struct fault_dev *dev)
{
	uint32_t i;

	for (i = 0; i < NB_GROUPS; i++) {
		dev->group[i] = rte_vfio_user_poll_group_create();
		if (dev->group[i] == NULL)
			return -rte_errno;
	}
	return 0;
}

/* In a group, with a thread, and a client */
static int
grouped(struct fault_dev *dev)
{
	TRY(ungrouped(dev));
	TRY(create_groups(dev));
	TRY(rte_vfio_user_poll_group_add(dev->group[0], dev->srv));
	TRY(start_thread(dev));
	return fault_attach(dev, 0, 0);
}

/* Polled by the caller alone. */
static int
run_groups(struct fault_dev *dev)
{
	struct rte_vfio_user_poll_group **group = dev->group;

	TRY(create_groups(dev));
	TRY(rte_vfio_user_poll_group_add(group[0], dev->srv));
	if (rte_vfio_user_poll_group_add(group[0], dev->srv) == 0)
		return FAULT_WRONG;
	TRY(rte_vfio_user_poll_group_poll(group[0]));
	TRY(rte_vfio_user_poll_group_move(group[0], group[1], dev->srv));
	TRY(rte_vfio_user_poll_group_poll(group[1]));
	TRY(rte_vfio_user_poll_group_remove(group[1], dev->srv));
	destroy_groups(dev);
	return 0;
}

/* A move that fails leaves it where it was, where it goes on. */
static int
move(struct fault_dev *dev, uint32_t from)
{
	int ret = rte_vfio_user_poll_group_move(dev->group[from], dev->group[1 - from],
						dev->srv);

	if (ret < 0 && rte_vfio_user_poll_group_add(dev->group[from], dev->srv) == 0)
		return FAULT_WRONG;
	return ret;
}

static int
run_grouped(struct fault_dev *dev)
{
	int ret;

	TRY(fault_access(dev, 0, 0, 64));
	ret = move(dev, 0);
	TRY(fault_access(dev, 0, FAULT_PENDING, 64));
	TRY(ret);
	TRY(fault_map_all(dev));
	TRY(fault_copy(dev, FAULT_BY_MMAP, FAULT_PAGE));
	TRY(move(dev, 1));
	TRY(rte_vfio_user_client_dma_unmap_all(dev->client));
	TRY(rte_vfio_user_poll_group_remove(dev->group[0], dev->srv));
	TRY(rte_vfio_user_poll_group_add(dev->group[1], dev->srv));
	return fault_access(dev, 2, 0, FAULT_BAR2);
}

const struct fault_scenario fault_group_scenarios[] = {
	{ "poll groups", FAULT_CALLER, ungrouped, run_groups, false },
	{ "device in poll groups", FAULT_BOTH, grouped, run_grouped, false },
	{ NULL, 0, NULL, NULL, false }
};
