/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

/* A server goes and comes back while calls fail. */

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include <rte_common.h>

#include "test.h"
#include "test_fault.h"
#include "test_vfio_user_fault.h"
#include "vfio_user_client.h"

#define RETRY RTE_VFIO_USER_CLIENT_F_RETRY_READS
#define BACK_MS 20000u /* one failure, a slow machine */
#define LASTING_MS 60u /* what fails for ever is watched so long */
#define ANOTHER UINT64_C(0x5000000)
#define SHARED (5 * FAULT_PAGE) /* in BAR2, mappable */

/* ------------------------------------------------------------- preparations */

static int
assign_irqs(struct fault_dev *dev)
{
	TRY(rte_vfio_user_client_irq_assign(dev->client, FAULT_MSIX, 0, FAULT_VECTORS,
					    dev->irq));
	return rte_vfio_user_client_irq_assign(dev->client, FAULT_INTX, 0, 1, &dev->unmask);
}

/* Everything that is given to the next server. */
static int
set_up(struct fault_dev *dev)
{
	TRY(fault_map_all(dev));
	dev->nb_maps = 3;
	return assign_irqs(dev);
}

static bool
gave_up(const struct fault_dev *dev)
{
	return dev->nb_states != 0 && dev->state == RTE_VFIO_USER_CLIENT_GAVE_UP;
}

/* Poll until the connection is back: 0, why not, or -EAGAIN: not yet. */
static int
poll_until_back(struct fault_dev *dev, uint32_t ms)
{
	struct pollfd pfd = {
		.fd = rte_vfio_user_client_fd(dev->client), .events = POLLIN,
	};
	uint64_t until = vfio_user_now() + ms * VFIO_USER_NS_PER_MS;

	while (dev->nb_states == 0 || dev->state == RTE_VFIO_USER_CLIENT_LOST) {
		if (vfio_user_now() >= until)
			return -EAGAIN;
		poll(&pfd, 1, 1);
		rte_vfio_user_client_poll(dev->client);
	}
	return gave_up(dev) ? dev->reason : 0;
}

/* The client has a connection, after some time. */
static int
wait_until_back(struct fault_dev *dev)
{
	struct vfio_device_info info;
	uint32_t left_ms = BACK_MS;
	int ret;

	do {
		rte_vfio_user_client_poll(dev->client);
		ret = rte_vfio_user_client_device_info(dev->client, &info);
		usleep(1000);
	} while (ret == -ENOTCONN && left_ms-- != 0 && !gave_up(dev));
	return ret;
}

/* The new server was given all. */
static int
check_replayed(struct fault_dev *dev)
{
	uint32_t i;

	TEST_ASSERT_EQUAL(rte_vfio_user_server_dma_count(dev->srv), dev->nb_maps, "maps");
	if (dev->nb_maps != 0)
		TEST_ASSERT_SUCCESS(fault_signalled(dev->unmask), "INTx");
	for (i = 0; dev->nb_maps != 0 && i < FAULT_VECTORS; i++) {
		TEST_ASSERT_SUCCESS(fault_signalled(dev->irq[i]), "vector %u: missed", i);
		TEST_ASSERT_SUCCESS(rte_vfio_user_server_irq_trigger(dev->srv, FAULT_MSIX, i),
				    "vector %u", i);
		TEST_ASSERT_SUCCESS(fault_signalled(dev->irq[i]), "vector %u", i);
	}
	if (dev->base == NULL)
		return TEST_SUCCESS;
	dev->bar2[SHARED] = 0x21;
	TEST_ASSERT_EQUAL(dev->base[SHARED], 0x21, "not the new server's memory");
	dev->base[SHARED] = 0x22;
	TEST_ASSERT_EQUAL(dev->bar2[SHARED], 0x22, "not the new server's memory");
	return TEST_SUCCESS;
}

/* The client has all again, or gave up when its time was over. */
static int
check_reconnected(struct fault_dev *dev)
{
	int ret;

	if (dev->client == NULL)
		return fault_check(dev);
	if (!dev->running || dev->nb_states == 0)
		TEST_ASSERT_SUCCESS(fault_restart(dev), "restart");
	ret = wait_until_back(dev);
	if (ret == -ENOTCONN && gave_up(dev) && dev->lasting &&
	    dev->reconnect_ms == LASTING_MS) {
		TEST_ASSERT_EQUAL(dev->reason, -ETIMEDOUT, "gave up");
		return fault_check(dev);
	}
	TEST_ASSERT_SUCCESS(ret, "not back: %s; told %d times, last %d: %s", strerror(-ret),
			    dev->nb_states, dev->state, strerror(-dev->reason));
	TEST_ASSERT_SUCCESS(check_replayed(dev), "replayed");
	return fault_check(dev);
}

static int
ready_to_attach(struct fault_dev *dev)
{
	dev->check = check_reconnected;
	dev->reconnect_ms = FAULT_TIMEOUT_MS;
	return fault_create(dev);
}

static int
connected(struct fault_dev *dev, uint64_t flags)
{
	TRY(fault_attach(dev, flags, 0));
	/* else each run waits for it */
	dev->client->link.backoff_ns = VFIO_USER_NS_PER_MS / 10;
	return set_up(dev);
}

static int
connected_and_mapped(struct fault_dev *dev)
{
	void *base;

	TRY(ready_to_attach(dev));
	TRY(connected(dev, 0));
	TRY(rte_vfio_user_client_region_mmap(dev->client, 2, &base));
	dev->base = base;
	return 0;
}

static int
connected_to_retry(struct fault_dev *dev)
{
	TRY(ready_to_attach(dev));
	if (dev->lasting)
		dev->reconnect_ms = LASTING_MS; /* a read waits for its end */
	return connected(dev, RETRY);
}

static int
lost(struct fault_dev *dev)
{
	TRY(connected_and_mapped(dev));
	fault_destroy(dev);
	while (dev->nb_states == 0)
		rte_vfio_user_client_poll(dev->client);
	return 0;
}

/* ---------------------------------------------------------------- scenarios */

/* What it found the device to be holds for the next one. */
static int
run_attach(struct fault_dev *dev)
{
	struct rte_vfio_user_negotiated neg;

	TRY(fault_attach(dev, 0, 0));
	TRY(rte_vfio_user_client_negotiated(dev->client, &neg));
	if (neg.max_data_xfer_size == FAULT_XFER)
		return 0;
	/*
	 * jansson does not tell that it had no memory for a byte of a key:
	 * the server seems to have the default, and differs from it later
	 */
	fault_detach(dev);
	return -ENOMEM;
}

static int
run_reconnect(struct fault_dev *dev)
{
	int ret;

	TRY(fault_restart(dev));
	ret = poll_until_back(dev, dev->lasting ? LASTING_MS : BACK_MS);
	return ret == -ESTALE ? FAULT_WRONG : ret;
}

static int
change_irqs(struct fault_dev *dev)
{
	static const int none[2] = { -1, -1 };

	TRY(rte_vfio_user_client_irq_disable(dev->client, FAULT_MSIX));
	TRY(rte_vfio_user_client_irq_assign(dev->client, FAULT_MSIX, 0, FAULT_VECTORS,
					    dev->irq));
	TRY(rte_vfio_user_client_irq_assign(dev->client, FAULT_INTX, 0, 1, none));
	TRY(rte_vfio_user_client_irq_assign(dev->client, FAULT_INTX, 0, 1, &dev->unmask));
	return rte_vfio_user_client_irq_unmask(dev->client, FAULT_INTX, 0);
}

/* Each call has its effect, or none; the table is checked in the end. */
static int
change_maps(struct fault_dev *dev)
{
	const struct rte_vfio_user_dma_range range = { FAULT_BY_FILE, 16 * FAULT_PAGE };
	const struct rte_vfio_user_dma_map maps[] = {
		{ .iova = ANOTHER, .size = FAULT_PAGE, .prot = PROT_READ, .fd = dev->bar_fd },
		{ .iova = ANOTHER + FAULT_PAGE, .size = FAULT_PAGE, .prot = PROT_READ,
		  .fd = dev->mem_fd },
	};

	TRY(rte_vfio_user_client_dma_unmap(dev->client, &range, 1));
	dev->nb_maps--;
	TRY(rte_vfio_user_client_dma_map(dev->client, maps, RTE_DIM(maps)));
	dev->nb_maps += RTE_DIM(maps);
	return 0;
}

static int
run_changes(struct fault_dev *dev)
{
	int ret, error, i;

	ret = change_maps(dev);
	for (i = 0; i < 3; i++) /* attempts in vain */
		rte_vfio_user_client_poll(dev->client);
	error = change_irqs(dev);
	test_fault_off();
	TRY(assign_irqs(dev)); /* so that there is something to check */
	return ret != 0 ? ret : error;
}

static int
read_all(struct fault_dev *dev)
{
	struct vfio_device_info info;
	void *base;

	TRY(rte_vfio_user_client_device_info(dev->client, &info));
	TRY(rte_vfio_user_client_region_mmap(dev->client, 2, &base));
	dev->base = base;
	return 0;
}

static int
run_reads(struct fault_dev *dev)
{
	struct fault_async async = { 0 };
	uint8_t byte;
	int ret, error;

	ret = fault_async_start(dev, &async, 0);
	if (ret == 0)
		ret = fault_restart(dev);
	if (ret == 0)
		ret = fault_async_start(dev, &async, 2);
	if (ret == 0)
		ret = fault_exact(rte_vfio_user_client_region_read(dev->client, 0, 8, &byte,
								   1), 1);
	if (ret == 0)
		ret = read_all(dev);
	error = fault_async_wait(dev, &async);
	return ret != 0 ? ret : error;
}

const struct fault_scenario fault_reconnect_scenarios[] = {
	{ "attach to reconnect", FAULT_BOTH, ready_to_attach, run_attach, false },
	{ "reconnect", FAULT_BOTH, connected_and_mapped, run_reconnect, true },
	{ "changes while disconnected", FAULT_CALLER, lost, run_changes, false },
	{ "reads across a reconnection", FAULT_BOTH, connected_to_retry, run_reads, false },
	{ NULL, 0, NULL, NULL, false }
};
