/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

/* What is done while calls fail. */

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include <rte_common.h>
#include <rte_errno.h>

#include "test.h"
#include "test_fault.h"
#include "test_vfio_user_fault.h"

#define NO_TWIN RTE_VFIO_USER_CLIENT_F_NO_TWIN_SOCKET
/* ------------------------------------------------------------- preparations */

static int
attached_busy(struct fault_dev *dev)
{
	dev->busy_poll_us = 50;
	return fault_attached(dev);
}

static int
attached_without_twin(struct fault_dev *dev)
{
	TRY(fault_create(dev));
	return fault_attach(dev, NO_TWIN, 0);
}

static int
mapped(struct fault_dev *dev)
{
	TRY(fault_attached(dev));
	TRY(fault_map_all(dev));
	return rte_vfio_user_client_irq_assign(dev->client, FAULT_MSIX, 0, FAULT_VECTORS,
					       dev->irq);
}

static int
polled(struct fault_dev *dev)
{
	TRY(mapped(dev));
	return fault_start_poller(dev);
}

static int
polled_without_twin(struct fault_dev *dev)
{
	TRY(attached_without_twin(dev));
	TRY(fault_map_all(dev));
	return fault_start_poller(dev);
}

/* ---------------------------------------------------------------- life cycle */

static int
run_create(struct fault_dev *dev)
{
	return fault_create(dev);
}

/* A device that could not be started, or run, can be so later. */
static int
described(struct fault_dev *dev)
{
	dev->start_later = true;
	return fault_create(dev);
}

static int
run_start_again(struct fault_dev *dev)
{
	if (rte_vfio_user_server_start(dev->srv) < 0)
		TRY(rte_vfio_user_server_start(dev->srv));
	return fault_run(dev) < 0 ? fault_run(dev) : 0;
}

static int
run_destroy(struct fault_dev *dev)
{
	fault_destroy(dev);
	return 0;
}

static int
run_attach(struct fault_dev *dev)
{
	return fault_attach(dev, 0, 0);
}

static int
run_attach_without_twin(struct fault_dev *dev)
{
	return fault_attach(dev, NO_TWIN, 0);
}

static int
run_detach(struct fault_dev *dev)
{
	uint32_t left_ms = 10000;

	fault_detach(dev);
	while (__atomic_load_n(&dev->lost, __ATOMIC_SEQ_CST) == 0 && left_ms-- != 0)
		usleep(1000);
	usleep(1000); /* for what the runner does behind the reset */
	return left_ms == UINT32_MAX ? FAULT_WRONG : 0;
}

/* Somebody else wants the device. */
static int
run_second_client(struct fault_dev *dev)
{
	struct rte_vfio_user_client *first = dev->client;
	struct vfio_device_info info;
	int ret;

	ret = fault_attach(dev, 0, 0);
	fault_detach(dev);
	dev->client = first;
	if (ret == 0) /* only because the first one is lost */
		ret = rte_vfio_user_client_device_info(first, &info);
	return ret == -EBUSY ? 0 : ret == 0 ? FAULT_WRONG : ret;
}

/* -------------------------------------------------------------- information */

static int
take_region_info(struct fault_dev *dev, uint32_t index, uint64_t size)
{
	struct vfio_region_info *info;
	uint32_t nb = 4;
	int fds[4], ret;

	TRY(rte_vfio_user_client_region_info(dev->client, index, &info, fds, &nb));
	ret = info->size == size ? 0 : FAULT_WRONG;
	while (nb != 0)
		close(fds[--nb]);
	free(info);
	return ret;
}

static int
run_info(struct fault_dev *dev)
{
	struct rte_vfio_user_region_io_fd *ios;
	struct vfio_device_info info;
	struct vfio_irq_info irq;
	uint32_t nb = 1, nb_ios;
	int fd;

	TRY(rte_vfio_user_client_device_info(dev->client, &info));
	TRY(take_region_info(dev, 0, FAULT_BAR0));
	TRY(take_region_info(dev, 2, FAULT_BAR2));
	TRY(rte_vfio_user_client_irq_info(dev->client, FAULT_MSIX, &irq));
	TRY(rte_vfio_user_client_region_io_fds(dev->client, 0, &ios, &nb_ios, &fd, &nb));
	free(ios);
	if (nb == 1)
		close(fd);
	return nb_ios == 1 && nb == 1 && irq.count == FAULT_VECTORS ? 0 : FAULT_WRONG;
}

static int
run_mmap(struct fault_dev *dev)
{
	uint8_t byte = 0x77;
	void *base;

	TRY(rte_vfio_user_client_region_mmap(dev->client, 2, &base));
	/* the first area is client memory in this test, the second the BAR's */
	((uint8_t *)base)[4 * FAULT_PAGE] = byte;
	return dev->bar2[4 * FAULT_PAGE] == byte ? 0 : FAULT_WRONG;
}

/* ------------------------------------------------------------------ accesses */

static int
run_access(struct fault_dev *dev)
{
	TRY(fault_access(dev, 0, 0, 4));
	TRY(fault_access(dev, 0, FAULT_PENDING, 64));
	TRY(fault_access(dev, 2, 6 * FAULT_PAGE, FAULT_XFER));
	return fault_access(dev, 2, 0, FAULT_BAR2); /* in pieces */
}

static int
run_config(struct fault_dev *dev)
{
	const uint32_t index = VFIO_PCI_CONFIG_REGION_INDEX;
	struct rte_vfio_user_client *c = dev->client;
	uint16_t command = 6;
	uint8_t config[256];

	TRY(fault_exact(rte_vfio_user_client_region_read(c, index, 0, config, 256), 256));
	TRY(fault_exact(rte_vfio_user_client_region_write(c, index, 4, &command, 2), 2));
	TRY(fault_exact(rte_vfio_user_client_region_read(c, index, 4, &command, 2), 2));
	return command == 6 ? 0 : FAULT_WRONG;
}

static int
run_posted(struct fault_dev *dev)
{
	uint32_t i, seen = 0;

	for (i = 0; i < 40; i++)
		TRY(rte_vfio_user_client_region_write_posted(dev->client, 0, 16, &i, 4));
	TRY(rte_vfio_user_client_flush(dev->client));
	TRY(fault_exact(rte_vfio_user_client_region_read(dev->client, 0, 16, &seen, 4), 4));
	return seen == 39 ? 0 : FAULT_WRONG;
}

ORDERED_BY_SOCKET static int
write_multi(struct fault_dev *dev, uint64_t offset)
{
	struct rte_vfio_user_write list[8];
	uint32_t i;
	int ret;

	memset(list, 0, sizeof(list));
	for (i = 0; i < RTE_DIM(list); i++) {
		list[i].offset = offset + 8 * i;
		list[i].len = 4;
		list[i].data[0] = (uint8_t)(0x80 + i);
	}
	ret = rte_vfio_user_client_region_write_multi(dev->client, list, RTE_DIM(list));
	for (i = 0; (int)i < ret; i++)
		if (dev->bar0[offset + 8 * i] != 0x80 + i)
			return FAULT_WRONG;
	/* an error: none was done, but that of the first is not known */
	if (ret < 0 && ret != -ENOTCONN && dev->bar0[offset + 8] != 0)
		return FAULT_WRONG;
	return fault_exact(ret, RTE_DIM(list));
}

static int
run_multi(struct fault_dev *dev)
{
	TRY(write_multi(dev, 0x40));
	return write_multi(dev, FAULT_PENDING);
}

static int
run_async(struct fault_dev *dev)
{
	struct fault_async async = { 0 };
	uint32_t i;
	int ret = 0, error;

	for (i = 0; i < RTE_DIM(async.buf) && ret == 0; i++)
		ret = fault_async_start(dev, &async, i);
	error = fault_async_wait(dev, &async);
	return ret < 0 ? ret : error;
}

static int
run_corked(struct fault_dev *dev)
{
	struct fault_async async = { 0 };
	uint32_t i, seen = 0;
	int ret, error;

	ret = rte_vfio_user_client_cork(dev->client);
	for (i = 0; i < RTE_DIM(async.buf) && ret == 0; i++) {
		ret = fault_async_start(dev, &async, i);
		if (ret == 0)
			ret = rte_vfio_user_client_region_write_posted(dev->client, 0, 256,
								       &i, 4);
	}
	error = rte_vfio_user_client_flush(dev->client);
	ret = ret == 0 ? error : ret;
	error = fault_async_wait(dev, &async);
	TRY(ret == 0 ? error : ret);
	/* a cork that is not pulled: the next blocking call takes all along */
	TRY(rte_vfio_user_client_cork(dev->client));
	TRY(rte_vfio_user_client_region_write_posted(dev->client, 0, 256, &i, 4));
	TRY(fault_exact(rte_vfio_user_client_region_read(dev->client, 0, 256, &seen, 4), 4));
	return seen == i ? rte_vfio_user_client_flush(dev->client) : FAULT_WRONG;
}

/* ----------------------------------------------------------------------- DMA */

static int
run_dma_map(struct fault_dev *dev)
{
	const struct rte_vfio_user_dma_range ranges[] = {
		{ FAULT_BY_MMAP, 16 * FAULT_PAGE }, { FAULT_BY_FILE, 16 * FAULT_PAGE },
	};
	uint8_t byte;

	TRY(fault_map_all(dev));
	TRY(rte_vfio_user_client_dma_unmap(dev->client, ranges, RTE_DIM(ranges)));
	if (rte_vfio_user_server_dma_read(dev->srv, FAULT_BY_MMAP, &byte, 1) != -EFAULT)
		return FAULT_WRONG;
	return rte_vfio_user_client_dma_unmap_all(dev->client);
}

/* A call that failed can be made again: nothing is half mapped. */
static int
run_dma_again(struct fault_dev *dev)
{
	const struct rte_vfio_user_dma_range ranges[] = {
		{ FAULT_BY_MMAP, 16 * FAULT_PAGE }, { FAULT_BY_FILE, 16 * FAULT_PAGE },
		{ FAULT_BY_MSG, 16 * FAULT_PAGE },
	};
	uint32_t i;
	int ret;

	ret = fault_map_all(dev);
	if (ret < 0 && ret != -ENOTCONN && ret != -EPROTO)
		ret = fault_map_all(dev);
	if (ret < 0)
		return ret == -EEXIST ? FAULT_WRONG : ret;
	for (i = 0; i < RTE_DIM(ranges) && ret == 0; i++) {
		ret = rte_vfio_user_client_dma_unmap(dev->client, &ranges[i], 1);
		if (ret == 0 || ret == -ENOTCONN || ret == -EPROTO)
			continue;
		ret = rte_vfio_user_client_dma_unmap(dev->client, &ranges[i], 1);
		if (ret == -ENOENT)
			return FAULT_WRONG;
	}
	TRY(ret);
	TRY(fault_map_all(dev));
	return rte_vfio_user_client_dma_unmap_all(dev->client);
}

static int
run_dma(struct fault_dev *dev)
{
	TRY(fault_copy(dev, FAULT_BY_MMAP + 5, 100));
	TRY(fault_copy(dev, FAULT_BY_FILE + 5, 100));
	TRY(fault_copy(dev, FAULT_BY_MSG + 5, 100));
	return fault_copy(dev, FAULT_BY_MSG, 8 * FAULT_PAGE);
}

struct submitted {
	bool done; /* atomic */
	int status;
};

static void
on_submitted(struct rte_vfio_user_server *srv, int status, void *arg)
{
	struct submitted *sub = arg;

	RTE_SET_USED(srv);
	sub->status = status;
	__atomic_store_n(&sub->done, true, __ATOMIC_SEQ_CST);
}

static int
run_dma_submit(struct fault_dev *dev)
{
	uint8_t buf[3][64];
	const struct rte_vfio_user_dma_sg sg[] = {
		{ .iova = FAULT_BY_MMAP, .buf = buf[0], .len = 64 },
		{ .iova = FAULT_BY_MSG, .buf = buf[1], .len = 64 },
		{ .iova = FAULT_BY_MSG + 64, .buf = buf[2], .len = 64 },
	};
	struct submitted sub;
	int i;

	memset(buf, 0x3c, sizeof(buf));
	for (i = 0; i < 2; i++) {
		memset(&sub, 0, sizeof(sub));
		TRY(rte_vfio_user_server_dma_submit(dev->srv, i == 0, sg, RTE_DIM(sg),
						    on_submitted, &sub));
		while (!__atomic_load_n(&sub.done, __ATOMIC_SEQ_CST))
			usleep(100);
		TRY(sub.status);
	}
	return buf[2][63] == 0x3c ? 0 : FAULT_WRONG;
}

/* A mapping goes while a reader looks at it. */
static int
run_reader(struct fault_dev *dev)
{
	struct rte_vfio_user_dma_reader *reader;
	const uint8_t *va;
	int ret;

	reader = rte_vfio_user_server_dma_reader_create(dev->srv);
	if (reader == NULL)
		return -rte_errno;
	rte_vfio_user_dma_begin(reader);
	va = rte_vfio_user_dma_va(reader, FAULT_BY_MMAP, 1, PROT_READ);
	rte_vfio_user_dma_end(reader);
	ret = rte_vfio_user_client_dma_unmap_all(dev->client);
	rte_vfio_user_server_dma_reader_destroy(reader);
	return va == NULL ? FAULT_WRONG : ret;
}

/* ---------------------------------------------------------------- interrupts */

static int
set_masking(struct fault_dev *dev, uint32_t action)
{
	union {
		struct vfio_irq_set set;
		uint8_t room[sizeof(struct vfio_irq_set) + sizeof(int32_t)];
	} req = {
		.set = {
			.argsz = sizeof(req), .index = FAULT_INTX, .count = 1,
			.flags = VFIO_IRQ_SET_DATA_EVENTFD | action,
		},
	};

	memcpy(req.set.data, &dev->unmask, sizeof(int32_t));
	return rte_vfio_user_client_set_irqs(dev->client, &req.set);
}

/* As fault_signalled(), but an interrupt may go with its connection. */
static int
signalled(struct fault_dev *dev, int fd)
{
	struct vfio_device_info info;
	int ret = fault_signalled(fd), lost;

	if (ret == 0)
		return 0;
	lost = rte_vfio_user_client_device_info(dev->client, &info);
	return lost < 0 ? lost : ret;
}

static int
run_irqs(struct fault_dev *dev)
{
	struct rte_vfio_user_client *c = dev->client;
	uint32_t i;

	TRY(rte_vfio_user_client_irq_assign(c, FAULT_MSIX, 0, FAULT_VECTORS, dev->irq));
	for (i = 0; i < FAULT_VECTORS; i++) {
		TRY(rte_vfio_user_server_irq_trigger(dev->srv, FAULT_MSIX, i));
		TRY(signalled(dev, dev->irq[i]));
	}
	/* others, and none */
	TRY(rte_vfio_user_client_irq_assign(c, FAULT_MSIX, 1, 2, &dev->irq[2]));
	TRY(rte_vfio_user_server_irq_trigger(dev->srv, FAULT_MSIX, 1));
	TRY(signalled(dev, dev->irq[2]));
	TRY(rte_vfio_user_client_irq_assign(c, FAULT_INTX, 0, 1, &dev->irq[0]));
	TRY(set_masking(dev, VFIO_IRQ_SET_ACTION_UNMASK));
	TRY(rte_vfio_user_server_irq_set_level(dev->srv, FAULT_INTX, 0, true));
	TRY(signalled(dev, dev->irq[0]));
	TRY(rte_vfio_user_server_irq_set_level(dev->srv, FAULT_INTX, 0, false));
	TRY(rte_vfio_user_client_irq_unmask(c, FAULT_INTX, 0));
	eventfd_write(dev->unmask, 1); /* the device drains it when it likes */
	TRY(set_masking(dev, VFIO_IRQ_SET_ACTION_MASK));
	TRY(rte_vfio_user_client_irq_disable(c, FAULT_INTX));
	return rte_vfio_user_client_irq_disable(c, FAULT_MSIX);
}

static int
run_reset(struct fault_dev *dev)
{
	TRY(rte_vfio_user_client_reset(dev->client));
	return rte_vfio_user_client_reset(dev->client);
}

const struct fault_scenario fault_scenarios[] = {
	{ "create", FAULT_CALLER, NULL, run_create, false },
	{ "start again", FAULT_CALLER, described, run_start_again, true },
	{ "destroy", FAULT_CALLER, mapped, run_destroy, false },
	{ "attach", FAULT_BOTH, fault_create, run_attach, false },
	{ "attach without twin socket", FAULT_BOTH, fault_create,
	  run_attach_without_twin, false },
	{ "detach", FAULT_BOTH, mapped, run_detach, false },
	{ "second client", FAULT_BOTH, fault_attached, run_second_client, false },
	{ "information", FAULT_BOTH, fault_attached, run_info, false },
	{ "map a region", FAULT_BOTH, fault_attached, run_mmap, false },
	{ "access", FAULT_BOTH, fault_attached, run_access, false },
	{ "configuration space", FAULT_BOTH, fault_attached, run_config, false },
	{ "posted writes", FAULT_BOTH, fault_attached, run_posted, false },
	{ "several writes", FAULT_BOTH, fault_attached, run_multi, false },
	{ "asynchronous access", FAULT_BOTH, fault_attached, run_async, false },
	{ "corked accesses", FAULT_BOTH, fault_attached, run_corked, false },
	{ "access by a busy client", FAULT_BOTH, attached_busy, run_access, false },
	{ "map and unmap memory", FAULT_BOTH, fault_attached, run_dma_map, false },
	{ "map and unmap again", FAULT_BOTH, fault_attached, run_dma_again, false },
	{ "DMA", FAULT_ALL, polled, run_dma, false },
	{ "DMA without twin socket", FAULT_ALL, polled_without_twin, run_dma, false },
	{ "asynchronous DMA", FAULT_ALL, polled, run_dma_submit, false },
	{ "asynchronous DMA without twin socket", FAULT_ALL, polled_without_twin,
	  run_dma_submit, false },
	{ "reader", FAULT_BOTH, mapped, run_reader, false },
	{ "interrupts", FAULT_BOTH, fault_attached, run_irqs, false },
	{ "reset", FAULT_BOTH, mapped, run_reset, false },
	{ NULL, 0, NULL, NULL, false }
};
