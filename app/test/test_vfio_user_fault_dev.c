/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

/* The device of the tests in which calls fail. */

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include <rte_common.h>
#include <rte_errno.h>

#include "test.h"
#include "test_short.h"
#include "test_fault.h"
#include "test_vfio_user_fault.h"

#define CONFIG VFIO_PCI_CONFIG_REGION_INDEX
#define IDENTITY 0x56461234u

/* ---------------------------------------------------------------- callbacks */

static ssize_t
access_bar0(struct rte_vfio_user_server *srv,
	    const struct rte_vfio_user_region_access *acc, void *priv)
{
	struct fault_dev *dev = priv;
	uint8_t *at = dev->bar0 + acc->offset;
	int ret;

	if (acc->is_write)
		memcpy(at, acc->data, acc->count);
	if (acc->offset < FAULT_PENDING) {
		if (!acc->is_write)
			memcpy(acc->data, at, acc->count);
		return acc->count;
	}
	ret = rte_vfio_user_server_region_complete(srv, acc->token, acc->count,
						   acc->is_write ? NULL : at);
	/* without memory for the data: without them */
	if (ret < 0)
		rte_vfio_user_server_region_complete(srv, acc->token, ret, NULL);
	return RTE_VFIO_USER_PENDING;
}

static int
on_reset(struct rte_vfio_user_server *srv, enum rte_vfio_user_reset reason, void *priv)
{
	struct fault_dev *dev = priv;

	RTE_SET_USED(srv);
	if (reason == RTE_VFIO_USER_RESET_LOST_CONN)
		__atomic_fetch_add(&dev->lost, 1, __ATOMIC_SEQ_CST);
	return 0;
}

static int
on_quiesce(struct rte_vfio_user_server *srv, void *priv)
{
	RTE_SET_USED(priv);
	rte_vfio_user_server_quiesce_complete(srv, 0);
	return RTE_VFIO_USER_PENDING;
}

/* ------------------------------------------------------------------- device */

int
fault_init(struct fault_dev *dev, const char *dir, const char *name)
{
	uint32_t i;

	memset(dev, 0, sizeof(*dev));
	snprintf(dev->path, sizeof(dev->path), "%s/%s", dir, name);
	dev->attached = -1;
	dev->bar_fd = memfd_create("fault", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	dev->mem_fd = memfd_create("fault", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	DO(ftruncate(dev->bar_fd, FAULT_BAR2));
	DO(ftruncate(dev->mem_fd, FAULT_MEM));
	dev->bar2 = mmap(NULL, FAULT_BAR2, PROT_READ | PROT_WRITE, MAP_SHARED, dev->bar_fd, 0);
	dev->mem = mmap(NULL, FAULT_MEM, PROT_READ | PROT_WRITE, MAP_SHARED, dev->mem_fd, 0);
	dev->bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	dev->unmask = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	for (i = 0; i < FAULT_VECTORS; i++)
		dev->irq[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return TEST_SUCCESS;
}

void
fault_fini(struct fault_dev *dev)
{
	uint32_t i;

	munmap(dev->bar2, FAULT_BAR2);
	munmap(dev->mem, FAULT_MEM);
	close(dev->bar_fd);
	close(dev->mem_fd);
	close(dev->bell);
	close(dev->unmask);
	for (i = 0; i < FAULT_VECTORS; i++)
		close(dev->irq[i]);
	unlink(dev->path); /* there if the library's unlink() failed */
}

static int
describe_regions(struct fault_dev *dev)
{
	const struct rte_vfio_user_mmap_area areas[] = {
		{ .offset = FAULT_PAGE, .size = FAULT_PAGE, .fd = dev->mem_fd },
		{ .offset = 4 * FAULT_PAGE, .size = 2 * FAULT_PAGE, .fd = -1 },
	};
	const struct rte_vfio_user_region_conf bar0 = {
		.size = FAULT_BAR0, .flags = RTE_VFIO_USER_REGION_F_RW, .fd = -1,
		.cb = access_bar0, .priv = dev,
	};
	const struct rte_vfio_user_region_conf bar2 = {
		.size = FAULT_BAR2, .flags = RTE_VFIO_USER_REGION_F_RW, .fd = dev->bar_fd,
		.base = dev->bar2, .areas = areas, .nb_areas = RTE_DIM(areas),
	};
	const struct rte_vfio_user_region_conf bar4 = {
		.size = FAULT_PAGE, .flags = RTE_VFIO_USER_REGION_F_RW, .fd = -1,
	};
	const struct rte_vfio_user_ioeventfd io = {
		.offset = 0x100, .size = 4, .fd = dev->bell,
	};
	int ret;

	ret = rte_vfio_user_pci_bar_add(dev->pci, 0, 0, &bar0);
	if (ret == 0)
		ret = rte_vfio_user_pci_bar_add(dev->pci, 2, 0, &bar2);
	if (ret == 0)
		ret = rte_vfio_user_pci_bar_add(dev->pci, 4, 0, &bar4);
	if (ret == 0)
		ret = rte_vfio_user_server_region_ioeventfd_add(dev->srv, 0, &io);
	return ret;
}

static int
describe_pci(struct fault_dev *dev)
{
	const struct rte_vfio_user_pci_id id = {
		.vendor_id = IDENTITY & 0xffff, .device_id = IDENTITY >> 16, .intx_pin = 1,
	};
	const struct rte_vfio_user_pci_msix msix = {
		.vectors = FAULT_VECTORS, .table_bar = 4, .pba_bar = 4, .pba_offset = 0x800,
	};
	int ret;

	dev->pci = rte_vfio_user_pci_create(dev->srv, &id);
	if (dev->pci == NULL)
		return -rte_errno;
	ret = describe_regions(dev);
	if (ret == 0)
		ret = rte_vfio_user_pci_cap_pm_add(dev->pci, 0);
	if (ret > 0)
		ret = rte_vfio_user_pci_cap_express_add(dev->pci, 0, 0);
	if (ret > 0)
		ret = rte_vfio_user_pci_cap_msix_add(dev->pci, 0, &msix);
	return RTE_MIN(ret, 0);
}

static int
describe(struct fault_dev *dev)
{
	const struct rte_vfio_user_server_ops ops = {
		.reset = on_reset, .quiesce = on_quiesce,
	};
	int ret;

	ret = describe_pci(dev);
	if (ret == 0)
		ret = rte_vfio_user_server_ops_set(dev->srv, &ops, dev);
	return ret;
}

int
fault_create(struct fault_dev *dev)
{
	struct rte_vfio_user_server_conf conf;
	int ret;

	rte_vfio_user_server_conf_init(&conf);
	conf.sock_path = dev->path;
	conf.max_data_xfer_size = FAULT_XFER;
	conf.flags = dev->server_flags;
	conf.max_dma_files = dev->max_dma_files;
	conf.max_dma_bytes = dev->max_dma_bytes;
	conf.msg_timeout_ms = conf.dma_timeout_ms = FAULT_TIMEOUT_MS;
	dev->srv = rte_vfio_user_server_create(&conf);
	if (dev->srv == NULL)
		return -rte_errno;
	ret = describe(dev);
	if (ret < 0 || dev->start_later)
		return ret;
	ret = rte_vfio_user_server_start(dev->srv);
	return ret < 0 ? ret : fault_run(dev);
}

int
fault_run(struct fault_dev *dev)
{
	int ret;

	if (dev->runner_on)
		test_fault_on();
	if (dev->runner == NULL)
		dev->runner = rte_vfio_user_runner_create("fault");
	if (dev->runner_on)
		test_fault_off();
	if (dev->runner == NULL)
		return -rte_errno;
	ret = rte_vfio_user_runner_add(dev->runner, dev->srv);
	dev->running = ret == 0;
	return ret;
}

static void
destroy_server(struct fault_dev *dev)
{
	if (dev->runner != NULL)
		rte_vfio_user_runner_remove(dev->runner, dev->srv);
	rte_vfio_user_server_destroy(dev->srv);
	rte_vfio_user_pci_destroy(dev->pci);
	dev->srv = NULL;
	dev->pci = NULL;
	dev->running = false;
}

void
fault_destroy(struct fault_dev *dev)
{
	destroy_server(dev);
	rte_vfio_user_runner_destroy(dev->runner);
	dev->runner = NULL;
}

int
fault_restart(struct fault_dev *dev)
{
	int ret;

	test_fault_off();
	destroy_server(dev);
	ret = fault_create(dev);
	if (dev->caller_on)
		test_fault_on();
	return ret;
}

/* ------------------------------------------------------------------- client */

static void
on_state(struct rte_vfio_user_client *client, enum rte_vfio_user_client_state state,
	 int reason, void *priv)
{
	struct fault_dev *dev = priv;

	RTE_SET_USED(client);
	dev->nb_states++;
	dev->state = state;
	dev->reason = reason;
}

int
fault_attach(struct fault_dev *dev, uint64_t flags, uint32_t wait_ms)
{
	struct rte_vfio_user_client_conf conf;

	rte_vfio_user_client_conf_init(&conf);
	conf.sock_path = dev->path;
	conf.flags = flags;
	conf.connect_timeout_ms = wait_ms;
	conf.request_timeout_ms = FAULT_TIMEOUT_MS;
	conf.busy_poll_us = dev->busy_poll_us;
	conf.reconnect_timeout_ms = dev->reconnect_ms;
	conf.state_cb = dev->reconnect_ms != 0 ? on_state : NULL;
	conf.priv = dev;
	dev->nb_states = 0;
	dev->client = rte_vfio_user_client_create(&conf);
	return dev->client != NULL ? 0 : -rte_errno;
}

void
fault_detach(struct fault_dev *dev)
{
	rte_vfio_user_client_destroy(dev->client);
	dev->client = NULL;
}

static void *
poll_client(void *arg)
{
	struct fault_dev *dev = arg;
	struct pollfd pfd = {
		.fd = rte_vfio_user_client_fd(dev->client), .events = POLLIN,
	};

	while (!__atomic_load_n(&dev->stop, __ATOMIC_SEQ_CST)) {
		test_fault_off(); /* this poll() is ours */
		poll(&pfd, 1, 1);
		if (dev->poller_on)
			test_fault_on();
		rte_vfio_user_client_poll(dev->client);
	}
	return NULL;
}

int
fault_start_poller(struct fault_dev *dev)
{
	__atomic_store_n(&dev->stop, false, __ATOMIC_SEQ_CST);
	DO(pthread_create(&dev->poller, NULL, poll_client, dev));
	dev->polled = true;
	return TEST_SUCCESS;
}

void
fault_stop_poller(struct fault_dev *dev)
{
	if (!dev->polled)
		return;
	__atomic_store_n(&dev->stop, true, __ATOMIC_SEQ_CST);
	pthread_join(dev->poller, NULL);
	dev->polled = false;
}

/* ---------------------------------------------------------------------- use */

static int
use_regions(struct rte_vfio_user_client *c)
{
	static uint8_t seed;
	uint8_t out[300], in[300];
	struct vfio_device_info info;
	uint32_t id;

	DO(rte_vfio_user_client_device_info(c, &info));
	TEST_ASSERT_EQUAL(rte_vfio_user_client_region_read(c, CONFIG, 0, &id, 4), 4, "config");
	TEST_ASSERT_EQUAL(id, IDENTITY, "0x%x", id);
	memset(out, ++seed, sizeof(out));
	TEST_ASSERT_EQUAL(rte_vfio_user_client_region_write(c, 0, 8, out, 300), 300, "write");
	TEST_ASSERT_EQUAL(rte_vfio_user_client_region_read(c, 0, 8, in, 300), 300, "read");
	TEST_ASSERT(memcmp(in, out, 300) == 0, "other data");
	TEST_ASSERT_EQUAL(rte_vfio_user_client_region_read(c, 0, FAULT_PENDING, in, 8), 8,
			  "completed later");
	return TEST_SUCCESS;
}

static int
use_dma(struct fault_dev *dev)
{
	const struct rte_vfio_user_dma_map map = {
		.iova = FAULT_USE, .size = FAULT_PAGE, .prot = PROT_READ | PROT_WRITE,
		.fd = dev->mem_fd, .fd_offset = 8 * FAULT_PAGE,
		.vaddr = dev->mem + 8 * FAULT_PAGE,
	};
	const struct rte_vfio_user_dma_range range = { FAULT_USE, FAULT_PAGE };
	uint8_t byte = 0x5a, back = 0;

	DO(rte_vfio_user_client_dma_map(dev->client, &map, 1));
	DO(rte_vfio_user_server_dma_write(dev->srv, FAULT_USE + 5, &byte, 1));
	DO(rte_vfio_user_server_dma_read(dev->srv, FAULT_USE + 5, &back, 1));
	TEST_ASSERT(back == byte && dev->mem[8 * FAULT_PAGE + 5] == byte, "memory");
	DO(rte_vfio_user_client_dma_unmap(dev->client, &range, 1));
	TEST_ASSERT_EQUAL(rte_vfio_user_server_dma_read(dev->srv, FAULT_USE, &back, 1),
			  -EFAULT, "unmapped");
	return TEST_SUCCESS;
}

static int
use_irqs(struct fault_dev *dev)
{
	eventfd_t count = 0;
	uint32_t i;

	for (i = 0; i < FAULT_VECTORS; i++)
		eventfd_read(dev->irq[i], &count);
	DO(rte_vfio_user_client_irq_assign(dev->client, FAULT_MSIX, 0, FAULT_VECTORS,
					   dev->irq));
	for (i = 0; i < FAULT_VECTORS; i++) {
		DO(rte_vfio_user_server_irq_trigger(dev->srv, FAULT_MSIX, i));
		TEST_ASSERT(eventfd_read(dev->irq[i], &count) == 0 && count == 1,
			    "vector %u", i);
	}
	DO(rte_vfio_user_client_irq_disable(dev->client, FAULT_MSIX));
	TEST_ASSERT_EQUAL(rte_vfio_user_server_irq_trigger(dev->srv, FAULT_MSIX, 0), -ENOENT,
			  "disabled");
	return TEST_SUCCESS;
}

int
fault_use(struct fault_dev *dev)
{
	DO(use_regions(dev->client));
	DO(use_dma(dev));
	DO(use_irqs(dev));
	return rte_vfio_user_client_reset(dev->client);
}

int
fault_check(struct fault_dev *dev)
{
	struct vfio_device_info info;
	int ret;

	fault_stop_poller(dev);
	if (dev->client != NULL) {
		ret = rte_vfio_user_client_device_info(dev->client, &info);
		TEST_ASSERT(ret == 0 || ret == -ENOTCONN, "client: %d", ret);
		if (ret == 0)
			TEST_ASSERT_SUCCESS(fault_use(dev), "same client");
		fault_detach(dev);
	}
	if (!dev->running)
		return TEST_SUCCESS;
	ret = fault_attach(dev, 0, 20000);
	TEST_ASSERT_SUCCESS(ret, "next client: %s", strerror(-ret));
	TEST_ASSERT_SUCCESS(fault_use(dev), "next client");
	fault_detach(dev);
	return TEST_SUCCESS;
}

/* ------------------------------------------------------------ for scenarios */

int
fault_attached(struct fault_dev *dev)
{
	TRY(fault_create(dev));
	return fault_attach(dev, 0, 0);
}

/* One mapping of each kind, 16 pages, all of the same memory. */
int
fault_map_all(struct fault_dev *dev)
{
	struct rte_vfio_user_dma_map maps[] = {
		{ .iova = FAULT_BY_MMAP, .fd = dev->mem_fd },
		{ .iova = FAULT_BY_FILE, .fd = dev->mem_fd,
		  .flags = RTE_VFIO_USER_DMA_F_FILE_IO },
		{ .iova = FAULT_BY_MSG, .fd = -1 },
	};
	uint32_t i;

	for (i = 0; i < RTE_DIM(maps); i++) {
		maps[i].size = 16 * FAULT_PAGE;
		maps[i].prot = PROT_READ | PROT_WRITE;
		maps[i].vaddr = dev->mem;
	}
	return rte_vfio_user_client_dma_map(dev->client, maps, RTE_DIM(maps));
}

int
fault_exact(ssize_t ret, size_t len)
{
	/* an access may end in the middle, where a message of it failed */
	return ret < 0 ? (int)ret : (size_t)ret == len ? 0 : -EIO;
}

int
fault_access(struct fault_dev *dev, uint32_t region, uint64_t offset, size_t len)
{
	static uint8_t out[FAULT_BAR2], in[FAULT_BAR2];
	static uint8_t seed;
	struct rte_vfio_user_client *c = dev->client;

	memset(out, ++seed, len);
	TRY(fault_exact(rte_vfio_user_client_region_write(c, region, offset, out, len), len));
	TRY(fault_exact(rte_vfio_user_client_region_read(c, region, offset, in, len), len));
	return memcmp(in, out, len) == 0 ? 0 : FAULT_WRONG;
}

int
fault_copy(struct fault_dev *dev, uint64_t iova, uint32_t len)
{
	static uint8_t buf[FAULT_MEM];
	static uint8_t seed;

	memset(buf, ++seed, len);
	TRY(rte_vfio_user_server_dma_write(dev->srv, iova, buf, len));
	memset(buf, 0, len);
	TRY(rte_vfio_user_server_dma_read(dev->srv, iova, buf, len));
	return buf[0] == seed && buf[len - 1] == seed ? 0 : FAULT_WRONG;
}

int
fault_signalled(int fd)
{
	eventfd_t count;

	return eventfd_read(fd, &count) == 0 ? 0 : FAULT_WRONG;
}

static void
on_async(struct rte_vfio_user_client *client, ssize_t result, void *arg)
{
	struct fault_async *async = arg;

	RTE_SET_USED(client);
	async->left--;
	if (result != 8 && async->error == 0)
		async->error = fault_exact(result, 8);
}

int
fault_async_start(struct fault_dev *dev, struct fault_async *async, uint32_t i)
{
	int ret;

	async->left++;
	if (i % 2 == 0)
		ret = rte_vfio_user_client_region_read_async(dev->client, 0, 8u * i,
				async->buf[i], 8, on_async, async);
	else
		ret = rte_vfio_user_client_region_write_async(dev->client, 0, 8u * i,
				async->buf[i], 8, on_async, async);
	if (ret < 0)
		async->left--;
	return ret;
}

int
fault_async_wait(struct fault_dev *dev, struct fault_async *async)
{
	struct pollfd pfd = {
		.fd = rte_vfio_user_client_fd(dev->client), .events = POLLIN,
	};

	while (async->left != 0) {
		poll(&pfd, 1, 1);
		rte_vfio_user_client_poll(dev->client);
	}
	return async->error;
}
