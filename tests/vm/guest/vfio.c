/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/pci_regs.h>
#include <linux/vfio.h>

#include "vmdev.h"

#define VECTORS 4
#define IOVA_SRC 0x40000000ul
#define IOVA_DST 0x80000000ul
#define COPY_LEN HUGE_PAGE

enum { VECTOR_DMA, VECTOR_SOFTWARE };

struct vfio {
	int container;
	int device;
	int vectors[VECTORS]; /* eventfds */
	volatile void *regs;
};

static int
open_group(const char *address)
{
	char path[128], target[256];
	ssize_t len;
	int fd;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/iommu_group", address);
	len = readlink(path, target, sizeof(target) - 1);
	if (len < 0)
		fail(errno, "the device has no IOMMU group");
	target[len] = '\0';
	snprintf(path, sizeof(path), "/dev/vfio/%s", basename(target));
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		fail(errno, "cannot open %s", path);
	return fd;
}

static void
open_device(struct vfio *vfio, const char *address)
{
	int group = open_group(address);

	vfio->container = open("/dev/vfio/vfio", O_RDWR | O_CLOEXEC);
	if (vfio->container < 0)
		fail(errno, "cannot open the VFIO container");
	if (ioctl(group, VFIO_GROUP_SET_CONTAINER, &vfio->container) < 0)
		fail(errno, "cannot join the VFIO container");
	if (ioctl(vfio->container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU) < 0)
		fail(errno, "cannot set the IOMMU type");
	vfio->device = ioctl(group, VFIO_GROUP_GET_DEVICE_FD, address);
	if (vfio->device < 0)
		fail(errno, "cannot get the device from VFIO");
}

static void
region_info(const struct vfio *vfio, uint32_t index, struct vfio_region_info *info)
{
	memset(info, 0, sizeof(*info));
	info->argsz = sizeof(*info);
	info->index = index;
	if (ioctl(vfio->device, VFIO_DEVICE_GET_REGION_INFO, info) < 0)
		fail(errno, "no information on region %u", index);
}

static void
map_registers(struct vfio *vfio)
{
	struct vfio_region_info info;

	region_info(vfio, VFIO_PCI_BAR0_REGION_INDEX, &info);
	vfio->regs = mmap(NULL, info.size, PROT_READ | PROT_WRITE, MAP_SHARED,
			  vfio->device, info.offset);
	if (vfio->regs == MAP_FAILED)
		fail(errno, "cannot map BAR 0");
}

static void
enable_bus_master(const struct vfio *vfio)
{
	struct vfio_region_info info;
	uint16_t command;

	region_info(vfio, VFIO_PCI_CONFIG_REGION_INDEX, &info);
	if (pread(vfio->device, &command, 2, info.offset + PCI_COMMAND) != 2)
		fail(errno, "cannot read the command register");
	command |= PCI_COMMAND_MASTER | PCI_COMMAND_MEMORY;
	if (pwrite(vfio->device, &command, 2, info.offset + PCI_COMMAND) != 2)
		fail(errno, "cannot write the command register");
}

static void
enable_msix(struct vfio *vfio)
{
	char buf[sizeof(struct vfio_irq_set) + sizeof(vfio->vectors)] = { 0 };
	struct vfio_irq_info info = {
		.argsz = sizeof(info), .index = VFIO_PCI_MSIX_IRQ_INDEX,
	};
	struct vfio_irq_set *set = (struct vfio_irq_set *)buf;
	int i;

	if (ioctl(vfio->device, VFIO_DEVICE_GET_IRQ_INFO, &info) < 0 ||
	    info.count != VECTORS)
		fail(0, "%u MSI-X vectors instead of %d", info.count, VECTORS);
	for (i = 0; i < VECTORS; i++)
		vfio->vectors[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	set->argsz = sizeof(buf);
	set->flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER;
	set->index = VFIO_PCI_MSIX_IRQ_INDEX;
	set->count = VECTORS;
	memcpy(set->data, vfio->vectors, sizeof(vfio->vectors));
	if (ioctl(vfio->device, VFIO_DEVICE_SET_IRQS, set) < 0)
		fail(errno, "cannot enable MSI-X");
}

/* Vector n must fire within 5 s, and no other one. */
static void
expect_vector(const struct vfio *vfio, int n)
{
	struct pollfd pfd = { .fd = vfio->vectors[n], .events = POLLIN };
	uint64_t count;
	int i;

	if (poll(&pfd, 1, 5000) != 1)
		fail(0, "no interrupt of MSI-X vector %d in 5 s", n);
	for (i = 0; i < VECTORS; i++)
		if (read(vfio->vectors[i], &count, sizeof(count)) > 0 && i != n)
			fail(0, "MSI-X vector %d fired instead of %d", i, n);
	reg_write(vfio->regs, REG_IRQ_CAUSE, ~0u);
}

static void *
map_buffer(const struct vfio *vfio, uint64_t iova)
{
	struct vfio_iommu_type1_dma_map map = {
		.argsz = sizeof(map),
		.flags = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE,
		.iova = iova,
		.size = COPY_LEN,
	};
	void *buf = dma_alloc(COPY_LEN);

	map.vaddr = (uintptr_t)buf;
	if (ioctl(vfio->container, VFIO_IOMMU_MAP_DMA, &map) < 0)
		fail(errno, "cannot map memory for DMA");
	return buf;
}

static void
unmap_buffer(const struct vfio *vfio, uint64_t iova)
{
	struct vfio_iommu_type1_dma_unmap unmap = {
		.argsz = sizeof(unmap), .iova = iova, .size = COPY_LEN,
	};

	if (ioctl(vfio->container, VFIO_IOMMU_UNMAP_DMA, &unmap) < 0)
		fail(errno, "cannot unmap memory for DMA");
}

/* What the guest took away from the device must be out of its reach. */
static void
test_unmapped(const struct vfio *vfio)
{
	unmap_buffer(vfio, IOVA_SRC);
	if (dma_copy(vfio->regs, IOVA_DST, IOVA_SRC, COPY_LEN) == 0)
		fail(0, "the device still reads memory that was unmapped");
	expect_vector(vfio, VECTOR_DMA);
}

void
vfio_test(const char *address)
{
	struct vfio vfio;
	void *src, *dst;
	int err;

	open_device(&vfio, address);
	map_registers(&vfio);
	enable_bus_master(&vfio);
	reg_write(vfio.regs, REG_IRQ_CAUSE, ~0u);
	enable_msix(&vfio);
	reg_write(vfio.regs, REG_IRQ_RAISE, CAUSE_SOFTWARE);
	expect_vector(&vfio, VECTOR_SOFTWARE);
	src = map_buffer(&vfio, IOVA_SRC);
	dst = map_buffer(&vfio, IOVA_DST);
	dma_fill(src, COPY_LEN);
	err = dma_copy(vfio.regs, IOVA_DST, IOVA_SRC, COPY_LEN);
	if (err != 0)
		fail(err, "DMA through the IOMMU failed");
	expect_vector(&vfio, VECTOR_DMA);
	dma_compare(dst, src, COPY_LEN);
	test_unmapped(&vfio);
	printf("vfio: MSI-X vectors 0 and 1, %lu bytes through the IOMMU\n", COPY_LEN);
}
