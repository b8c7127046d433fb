/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

/* A program as it was written for the patch series of 2020: it knows nothing of
 * this library but rte_vfio_user.h. A device and its client, in one process.
 *
 * Usage: series_program SOCKET
 */

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include <rte_vfio_user.h>

#define REGION_SIZE 0x100

static const char *sock;
static atomic_uint created, destroyed, updated, locked, resets, failed;
static struct rte_vfio_user_mem seen; /* by value, as programs may have it */

#define CHECK(cond) do { \
	if (!(cond)) { \
		printf("line %d: %s\n", __LINE__, #cond); \
		atomic_fetch_add(&failed, 1); \
	} \
} while (0)

static int
new_device(int dev_id)
{
	char path[128];

	CHECK(rte_vfio_get_sock_addr(dev_id, path, sizeof(path)) == 0);
	CHECK(strcmp(path, sock) == 0);
	atomic_fetch_add(&created, 1);
	return 0;
}

static void
destroy_device(int dev_id)
{
	const struct rte_vfio_user_mem *mem = rte_vfio_user_get_mem_table(dev_id);
	int fd = -1;

	CHECK(mem != NULL);
	if (mem != NULL)
		seen = *mem;
	CHECK(rte_vfio_user_get_irq(dev_id, VFIO_PCI_MSIX_IRQ_INDEX, 1, &fd) == 0);
	CHECK(fd >= 0 && eventfd_write(fd, 1) == 0);
	atomic_fetch_add(&destroyed, 1);
}

static int
update_status(int dev_id)
{
	CHECK(rte_vfio_user_get_mem_table(dev_id) != NULL);
	atomic_fetch_add(&updated, 1);
	return 0;
}

static int
lock_dp(int dev_id, int lock)
{
	(void)dev_id;
	if (lock)
		atomic_fetch_add(&locked, 1);
	else
		atomic_fetch_sub(&locked, 1);
	return 0;
}

static int
reset_device(int dev_id)
{
	(void)dev_id;
	atomic_fetch_add(&resets, 1);
	return 0;
}

static const struct rte_vfio_user_notify_ops ops = {
	.new_device = new_device,
	.destroy_device = destroy_device,
	.update_status = update_status,
	.lock_dp = lock_dp,
	.reset_device = reset_device,
};

static ssize_t
config_rw(struct rte_vfio_user_reg_info *reg, char *buf, size_t count, loff_t pos,
	  bool iswrite)
{
	char *loc = (char *)reg->base + pos;

	if (pos + count > reg->info->size)
		return -1;
	if (iswrite)
		memcpy(loc, buf, count);
	else
		memcpy(buf, loc, count);
	return count;
}

static struct rte_vfio_user_regions *
make_regions(void)
{
	static char config[REGION_SIZE];
	struct rte_vfio_user_regions *reg;
	struct vfio_region_info *info;
	uint32_t i;

	reg = calloc(1, sizeof(*reg) + VFIO_PCI_NUM_REGIONS * sizeof(reg->reg_info[0]));
	if (reg == NULL)
		return NULL;
	for (i = 0; i < VFIO_PCI_NUM_REGIONS; i++) {
		info = calloc(1, sizeof(*info));
		if (info == NULL)
			return NULL;
		info->argsz = sizeof(*info);
		info->cap_offset = sizeof(*info); /* without a capability */
		info->index = i;
		info->flags = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE;
		reg->reg_info[i].info = info;
		reg->reg_info[i].fd = -1;
	}
	reg->reg_num = i;
	reg->reg_info[VFIO_PCI_CONFIG_REGION_INDEX].base = config;
	reg->reg_info[VFIO_PCI_CONFIG_REGION_INDEX].rw = config_rw;
	reg->reg_info[VFIO_PCI_CONFIG_REGION_INDEX].info->size = REGION_SIZE;
	return reg;
}

static struct rte_vfio_user_irq_info *
make_irqs(void)
{
	struct rte_vfio_user_irq_info *irq;
	uint32_t i;

	irq = calloc(1, sizeof(*irq) + VFIO_PCI_NUM_IRQS * sizeof(irq->irq_info[0]));
	if (irq == NULL)
		return NULL;
	irq->irq_num = VFIO_PCI_NUM_IRQS;
	for (i = 0; i < irq->irq_num; i++) {
		irq->irq_info[i].argsz = sizeof(void *); /* what some programs wrote */
		irq->irq_info[i].index = i;
	}
	irq->irq_info[VFIO_PCI_MSIX_IRQ_INDEX].flags =
		VFIO_IRQ_INFO_EVENTFD | VFIO_IRQ_INFO_NORESIZE;
	irq->irq_info[VFIO_PCI_MSIX_IRQ_INDEX].count = 1;
	return irq;
}

static void
set_irq(int dev_id, int fd)
{
	struct vfio_irq_set *set = calloc(1, sizeof(*set) + sizeof(fd));

	if (set == NULL)
		exit(1);
	set->argsz = sizeof(*set) + sizeof(fd);
	set->count = 1;
	set->flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER;
	set->index = VFIO_PCI_MSIX_IRQ_INDEX;
	memcpy(set->data, &fd, sizeof(fd));
	CHECK(rte_vfio_user_set_irqs(dev_id, set) == 0);
	free(set);
}

static void
map_memory(int dev_id)
{
	struct rte_vfio_user_mem_reg mem = {
		.gpa = 0x12345678,
		.size = 0x10000,
		.protection = PROT_READ | PROT_WRITE,
	};
	int fd = -1;

	CHECK(rte_vfio_user_dma_map(dev_id, &mem, &fd, 1) == 0);
	CHECK(rte_vfio_user_dma_unmap(dev_id, &mem, 1) == 0);
	CHECK(rte_vfio_user_dma_map(dev_id, &mem, &fd, 1) == 0);
}

static void
client(int irq_fd)
{
	struct vfio_region_info region = {
		.argsz = sizeof(region), .index = VFIO_PCI_CONFIG_REGION_INDEX,
	};
	struct vfio_irq_info irq = { .index = VFIO_PCI_MSIX_IRQ_INDEX };
	uint32_t data = 0x1A2B3C4D;
	struct vfio_device_info info;
	char config[REGION_SIZE];
	int dev_id, fd = -1;

	dev_id = rte_vfio_user_attach_dev(sock);
	CHECK(dev_id == 0);
	CHECK(rte_vfio_user_reset(dev_id) == 0);
	CHECK(rte_vfio_user_get_dev_info(dev_id, &info) == 0);
	CHECK(info.num_regions == VFIO_PCI_NUM_REGIONS && info.num_irqs == VFIO_PCI_NUM_IRQS);
	CHECK(rte_vfio_user_get_reg_info(dev_id, &region, &fd) == 0);
	CHECK(region.size == REGION_SIZE && fd == -1);
	CHECK(rte_vfio_user_get_irq_info(dev_id, &irq) == 0 && irq.count == 1);
	set_irq(dev_id, irq_fd);
	map_memory(dev_id);
	CHECK(rte_vfio_user_region_write(dev_id, region.index, 0, 4, &data) == 0);
	CHECK(rte_vfio_user_region_read(dev_id, region.index, 0, region.size, config) == 0);
	CHECK(memcmp(config, &data, 4) == 0);
	CHECK(rte_vfio_user_detach_dev(dev_id) == 0);
}

int
main(int argc, char **argv)
{
	struct vfio_device_info dev_info = {
		.argsz = sizeof(dev_info),
		.flags = VFIO_DEVICE_FLAGS_RESET | VFIO_DEVICE_FLAGS_PCI,
		.num_regions = VFIO_PCI_NUM_REGIONS,
		.num_irqs = VFIO_PCI_NUM_IRQS,
	};
	struct rte_vfio_user_regions *reg = make_regions();
	struct rte_vfio_user_irq_info *irq = make_irqs();
	int irq_fd = eventfd(0, EFD_NONBLOCK);
	eventfd_t count = 0;

	if (argc != 2 || reg == NULL || irq == NULL || irq_fd < 0)
		return 2;
	sock = argv[1];
	CHECK(rte_vfio_user_register(sock, &ops) == 0);
	CHECK(rte_vfio_user_set_dev_info(sock, &dev_info) == 0);
	CHECK(rte_vfio_user_set_reg_info(sock, reg) == 0);
	CHECK(rte_vfio_user_set_irq_info(sock, irq) == 0);
	CHECK(rte_vfio_user_start(sock) == 0);
	client(irq_fd);
	CHECK(rte_vfio_user_unregister(sock) == 0);
	CHECK(created == 1 && destroyed == 1 && updated == 2 && locked == 0 && resets == 1);
	CHECK(seen.entry_num == 1 && seen.entry[0].gpa == 0x12345678 &&
	      seen.entry[0].size == 0x10000 && seen.entry[0].host_user_addr == 0 &&
	      seen.entry[0].fd == -1);
	CHECK(eventfd_read(irq_fd, &count) == 0 && count == 1);
	printf("%u device, %u updates, %u memory regions\n", created, updated, seen.entry_num);
	return failed != 0;
}
