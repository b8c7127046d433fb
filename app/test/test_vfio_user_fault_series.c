/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

/* Devices by path and id, in the API of the series, while calls fail. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include <rte_common.h>
#include <rte_errno.h>
#include <rte_vfio_user.h>

#include "test.h"
#include "test_fault.h"
#include "test_vfio_user_fault.h"

#define NB_REGIONS 3u

/* 0 or -errno of a server function. */
#define SERVER(call) ((call) < 0 ? -rte_errno : 0)

static struct rte_vfio_user_regions *regions;
static struct rte_vfio_user_irq_info *irqs;
static struct vfio_region_info infos[NB_REGIONS];
static struct vfio_device_info device = {
	.flags = VFIO_DEVICE_FLAGS_RESET | VFIO_DEVICE_FLAGS_PCI,
};
static uint32_t ready; /* new_device() without destroy_device(); atomic */

/* ------------------------------------------------------------------- device */

static int
on_new(int dev_id)
{
	RTE_SET_USED(dev_id);
	__atomic_fetch_add(&ready, 1, __ATOMIC_SEQ_CST);
	return 0;
}

static void
on_destroy(int dev_id)
{
	RTE_SET_USED(dev_id);
	__atomic_fetch_sub(&ready, 1, __ATOMIC_SEQ_CST);
}

static ssize_t
access_bar0(struct rte_vfio_user_reg_info *reg, char *buf, size_t count, loff_t pos,
	    bool iswrite)
{
	uint8_t *at = (uint8_t *)reg->base + pos;

	memcpy(iswrite ? (void *)at : buf, iswrite ? buf : (void *)at, count);
	return (ssize_t)count;
}

static void
describe_region(uint32_t i, void *base, uint64_t size, int fd)
{
	struct rte_vfio_user_reg_info *reg = &regions->reg_info[i];

	memset(&infos[i], 0, sizeof(infos[i]));
	infos[i].argsz = sizeof(infos[i]);
	infos[i].index = i;
	infos[i].size = size;
	infos[i].flags = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE |
		(fd >= 0 ? VFIO_REGION_INFO_FLAG_MMAP : 0);
	reg->info = &infos[i];
	reg->base = base;
	reg->fd = fd;
	reg->rw = fd >= 0 ? NULL : access_bar0;
}

static void
detach(struct fault_dev *dev)
{
	if (dev->attached >= 0)
		rte_vfio_user_detach_dev(dev->attached);
	dev->attached = -1;
}

static void
clean(struct fault_dev *dev)
{
	detach(dev);
	if (dev->registered)
		rte_vfio_user_unregister(dev->path);
	dev->registered = false;
	free(regions);
	free(irqs);
}

static int
attach(struct fault_dev *dev)
{
	dev->attached = rte_vfio_user_attach_dev(dev->path);
	return RTE_MIN(dev->attached, 0);
}

static int
start(struct fault_dev *dev)
{
	TRY(SERVER(rte_vfio_user_set_dev_info(dev->path, &device)));
	TRY(SERVER(rte_vfio_user_set_reg_info(dev->path, regions)));
	TRY(SERVER(rte_vfio_user_set_irq_info(dev->path, irqs)));
	return SERVER(rte_vfio_user_start(dev->path));
}

static int
create(struct fault_dev *dev)
{
	const struct rte_vfio_user_notify_ops ops = {
		.new_device = on_new, .destroy_device = on_destroy,
	};

	TRY(SERVER(rte_vfio_user_register(dev->path, &ops)));
	dev->registered = true;
	return start(dev);
}

/* ------------------------------------------------------------------- checks */

static struct rte_vfio_user_mem_reg
page_at(uint64_t gpa)
{
	struct rte_vfio_user_mem_reg mem = {
		.gpa = gpa, .size = FAULT_PAGE, .fd_offset = 8 * FAULT_PAGE,
		.protection = PROT_READ | PROT_WRITE, .flags = RTE_VUSER_MEM_MAPPABLE,
	};

	return mem;
}

/* One page is mapped, or none. */
ORDERED_BY_SOCKET static int
look_at_table(struct fault_dev *dev, uint32_t nb)
{
	const struct rte_vfio_user_mem *mem = rte_vfio_user_get_mem_table(0);

	if (mem == NULL)
		return -rte_errno;
	if (mem->entry_num != nb)
		return FAULT_WRONG;
	if (nb == 0)
		return 0;
	*(uint8_t *)(uintptr_t)mem->entry[0].host_user_addr = 0x66;
	return dev->mem[8 * FAULT_PAGE] == 0x66 ? 0 : FAULT_WRONG;
}

static int
assign(struct fault_dev *dev)
{
	union {
		struct vfio_irq_set set;
		uint8_t room[sizeof(struct vfio_irq_set) + sizeof(dev->irq)];
	} req = {
		.set = {
			.argsz = sizeof(req), .index = FAULT_MSIX, .count = FAULT_VECTORS,
			.flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER,
		},
	};

	memcpy(req.set.data, dev->irq, sizeof(dev->irq));
	return rte_vfio_user_set_irqs(dev->attached, &req.set);
}

static int
use_irqs(struct fault_dev *dev)
{
	int fds[FAULT_VECTORS];
	uint32_t i;

	TRY(assign(dev));
	TRY(SERVER(rte_vfio_user_get_irq(0, FAULT_MSIX, FAULT_VECTORS, fds)));
	for (i = 0; i < FAULT_VECTORS; i++) {
		if (fds[i] < 0 || eventfd_write(fds[i], 1) < 0)
			return FAULT_WRONG;
		TRY(fault_signalled(dev->irq[i]));
	}
	return 0;
}

static int
use_memory(struct fault_dev *dev)
{
	struct rte_vfio_user_mem_reg mem = page_at(FAULT_USE);

	TRY(rte_vfio_user_dma_map(dev->attached, &mem, &dev->mem_fd, 1));
	TRY(look_at_table(dev, 1));
	TRY(look_at_table(dev, 1)); /* the same one */
	TRY(use_irqs(dev));
	TRY(rte_vfio_user_dma_unmap(dev->attached, &mem, 1));
	return look_at_table(dev, 0);
}

static int
use_infos(struct fault_dev *dev)
{
	struct vfio_region_info region = { .argsz = sizeof(region), .index = 2 };
	struct vfio_irq_info irq = { .argsz = sizeof(irq), .index = FAULT_MSIX };
	struct vfio_device_info info;
	int fd;

	TRY(rte_vfio_user_get_dev_info(dev->attached, &info));
	TRY(rte_vfio_user_get_irq_info(dev->attached, &irq));
	TRY(rte_vfio_user_get_reg_info(dev->attached, &region, &fd));
	if (fd < 0)
		return FAULT_WRONG;
	close(fd);
	return region.size == FAULT_BAR2 && irq.count == FAULT_VECTORS ? 0 : FAULT_WRONG;
}

static int
use(struct fault_dev *dev)
{
	static uint8_t seed;
	uint8_t out[300], in[300];

	TRY(use_infos(dev));
	memset(out, ++seed, sizeof(out));
	TRY(rte_vfio_user_region_write(dev->attached, 0, 8, sizeof(out), out));
	TRY(rte_vfio_user_region_read(dev->attached, 0, 8, sizeof(in), in));
	if (memcmp(in, out, sizeof(in)) != 0)
		return FAULT_WRONG;
	TRY(use_memory(dev));
	return rte_vfio_user_reset(dev->attached);
}

/* As fault_check(), and a start that failed can be repeated. */
static int
check(struct fault_dev *dev)
{
	struct vfio_device_info info;
	uint32_t left_ms = 20000, i;
	eventfd_t count;
	int ret;

	for (i = 0; i < FAULT_VECTORS; i++)
		eventfd_read(dev->irq[i], &count);
	if (dev->attached >= 0) {
		ret = rte_vfio_user_get_dev_info(dev->attached, &info);
		TEST_ASSERT(ret == 0 || ret == -ENOTCONN, "client: %d", ret);
		detach(dev);
	}
	if (!dev->registered)
		TEST_ASSERT_SUCCESS(create(dev), "create again");
	TEST_ASSERT_SUCCESS(SERVER(rte_vfio_user_start(dev->path)) == -EINVAL ? start(dev) : 0,
			    "start again");
	do {
		ret = attach(dev);
		usleep(500);
	} while (ret == -EBUSY && left_ms-- != 0);
	TEST_ASSERT_SUCCESS(ret, "next client: %s", strerror(-ret));
	TEST_ASSERT_SUCCESS(use(dev), "next client");
	detach(dev);
	TEST_ASSERT_SUCCESS(SERVER(rte_vfio_user_unregister(dev->path)), "unregister");
	dev->registered = false;
	TEST_ASSERT_EQUAL(__atomic_load_n(&ready, __ATOMIC_SEQ_CST), 0u, "destroy_device");
	return TEST_SUCCESS;
}

/* ------------------------------------------------------------- preparations */

static int
described(struct fault_dev *dev)
{
	dev->check = check;
	dev->clean = clean;
	regions = calloc(1, sizeof(*regions) + NB_REGIONS * sizeof(regions->reg_info[0]));
	irqs = calloc(1, sizeof(*irqs) + sizeof(irqs->irq_info[0]));
	if (regions == NULL || irqs == NULL)
		return -ENOMEM;
	regions->reg_num = NB_REGIONS;
	describe_region(0, dev->bar0, FAULT_BAR0, -1);
	regions->reg_info[1].fd = -1; /* there is none */
	describe_region(2, dev->bar2, FAULT_BAR2, dev->bar_fd);
	irqs->irq_num = 1;
	irqs->irq_info[0].index = FAULT_MSIX;
	irqs->irq_info[0].count = FAULT_VECTORS;
	irqs->irq_info[0].flags = VFIO_IRQ_INFO_EVENTFD;
	return 0;
}

/* The control thread is the runner: it counts if its creator does. */
static int
created(struct fault_dev *dev)
{
	int ret;

	TRY(described(dev));
	if (dev->runner_on)
		test_fault_on();
	ret = create(dev);
	test_fault_off();
	return ret;
}

static int
attached(struct fault_dev *dev)
{
	TRY(created(dev));
	return attach(dev);
}

static int
in_use(struct fault_dev *dev)
{
	struct rte_vfio_user_mem_reg mem = page_at(FAULT_USE);

	TRY(attached(dev));
	TRY(rte_vfio_user_dma_map(dev->attached, &mem, &dev->mem_fd, 1));
	TRY(look_at_table(dev, 1));
	return assign(dev);
}

/* ---------------------------------------------------------------- scenarios */

static int
run_start_again(struct fault_dev *dev)
{
	if (create(dev) == 0)
		return 0;
	return dev->registered ? start(dev) : create(dev);
}

static int
run_detach(struct fault_dev *dev)
{
	uint32_t left_ms = 10000;

	detach(dev);
	while (__atomic_load_n(&ready, __ATOMIC_SEQ_CST) != 0 && left_ms-- != 0)
		usleep(1000);
	return left_ms == UINT32_MAX ? FAULT_WRONG : 0;
}

/* With its client. */
static int
run_unregister(struct fault_dev *dev)
{
	TRY(SERVER(rte_vfio_user_unregister(dev->path)));
	dev->registered = false;
	return __atomic_load_n(&ready, __ATOMIC_SEQ_CST) == 0 ? 0 : FAULT_WRONG;
}

const struct fault_scenario fault_series_scenarios[] = {
	{ "series: create", FAULT_CALLER, described, create, false },
	{ "series: create again", FAULT_CALLER, described, run_start_again, true },
	{ "series: attach", FAULT_BOTH, created, attach, false },
	{ "series: use", FAULT_BOTH, attached, use, false },
	{ "series: detach", FAULT_BOTH, in_use, run_detach, false },
	{ "series: unregister", FAULT_BOTH, in_use, run_unregister, false },
	{ NULL, 0, NULL, NULL, false }
};
