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

#define MSIX_VECTORS 4
#define MSI_VECTORS 8
#define MAX_VECTORS 8
#define NO_IRQ_WAIT 200 /* ms, long enough to see an interrupt that must not come */
#define IOVA_SRC 0x40000000ul
#define IOVA_DST 0x80000000ul
#define COPY_LEN HUGE_PAGE

enum { VECTOR_DMA, VECTOR_SOFTWARE };

struct vfio {
	int container;
	int device;
	uint32_t irq_index;
	uint32_t nb_vectors;
	int vectors[MAX_VECTORS]; /* eventfds */
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

static uint32_t
region_read(const struct vfio *vfio, uint32_t index, off_t offset, size_t len)
{
	struct vfio_region_info info;
	uint32_t value = 0;

	region_info(vfio, index, &info);
	if (pread(vfio->device, &value, len, info.offset + offset) != (ssize_t)len)
		fail(errno, "cannot read region %u at 0x%lx", index, (long)offset);
	return value;
}

static void
region_write(const struct vfio *vfio, uint32_t index, off_t offset, size_t len,
	     uint32_t value)
{
	struct vfio_region_info info;

	region_info(vfio, index, &info);
	if (pwrite(vfio->device, &value, len, info.offset + offset) != (ssize_t)len)
		fail(errno, "cannot write region %u at 0x%lx", index, (long)offset);
}

static void
enable_commands(const struct vfio *vfio, uint16_t bits)
{
	uint32_t command = region_read(vfio, VFIO_PCI_CONFIG_REGION_INDEX, PCI_COMMAND, 2);

	region_write(vfio, VFIO_PCI_CONFIG_REGION_INDEX, PCI_COMMAND, 2, command | bits);
}

static void
check_vectors(const struct vfio *vfio, uint32_t index, uint32_t expected)
{
	struct vfio_irq_info info = { .argsz = sizeof(info), .index = index };

	if (ioctl(vfio->device, VFIO_DEVICE_GET_IRQ_INFO, &info) < 0 || info.count != expected)
		fail(0, "%u vectors of index %u instead of %u", info.count, index, expected);
}

static void
enable_vectors(struct vfio *vfio, uint32_t index, uint32_t nb)
{
	char buf[sizeof(struct vfio_irq_set) + sizeof(vfio->vectors)] = { 0 };
	struct vfio_irq_set *set = (struct vfio_irq_set *)buf;
	uint32_t i;

	for (i = 0; i < nb; i++)
		vfio->vectors[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	vfio->irq_index = index;
	vfio->nb_vectors = nb;
	set->argsz = sizeof(*set) + nb * sizeof(vfio->vectors[0]);
	set->flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER;
	set->index = index;
	set->count = nb;
	memcpy(set->data, vfio->vectors, nb * sizeof(vfio->vectors[0]));
	if (ioctl(vfio->device, VFIO_DEVICE_SET_IRQS, set) < 0)
		fail(errno, "cannot enable %u vectors of index %u", nb, index);
}

static void
disable_vectors(struct vfio *vfio)
{
	struct vfio_irq_set set = {
		.argsz = sizeof(set),
		.flags = VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_TRIGGER,
		.index = vfio->irq_index,
	};
	uint32_t i;

	if (ioctl(vfio->device, VFIO_DEVICE_SET_IRQS, &set) < 0)
		fail(errno, "cannot disable index %u", vfio->irq_index);
	for (i = 0; i < vfio->nb_vectors; i++)
		close(vfio->vectors[i]);
	vfio->nb_vectors = 0;
}

/* No vector but n may have fired; n has fired so often. */
static void
expect_only(const struct vfio *vfio, uint32_t n, uint64_t times)
{
	uint64_t count;
	uint32_t i;

	for (i = 0; i < vfio->nb_vectors; i++) {
		if (read(vfio->vectors[i], &count, sizeof(count)) < 0)
			count = 0;
		if (count != (i == n ? times : 0))
			fail(0, "vector %u fired %lu times, at that of %u", i,
			     (unsigned long)count, n);
	}
}

/* Vector n must fire within 5 s, once, and no other one. */
static void
expect_vector(const struct vfio *vfio, uint32_t n)
{
	struct pollfd pfd = { .fd = vfio->vectors[n], .events = POLLIN };

	if (poll(&pfd, 1, 5000) != 1)
		fail(0, "no interrupt of vector %u in 5 s", n);
	expect_only(vfio, n, 1);
}

static void
expect_demo_vector(const struct vfio *vfio, uint32_t n)
{
	expect_vector(vfio, n);
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
	expect_demo_vector(vfio, VECTOR_DMA);
}

void
vfio_test(const char *address)
{
	struct vfio vfio;
	void *src, *dst;
	int err;

	open_device(&vfio, address);
	map_registers(&vfio);
	enable_commands(&vfio, PCI_COMMAND_MASTER | PCI_COMMAND_MEMORY);
	reg_write(vfio.regs, REG_IRQ_CAUSE, ~0u);
	check_vectors(&vfio, VFIO_PCI_MSIX_IRQ_INDEX, MSIX_VECTORS);
	enable_vectors(&vfio, VFIO_PCI_MSIX_IRQ_INDEX, MSIX_VECTORS);
	reg_write(vfio.regs, REG_IRQ_RAISE, CAUSE_SOFTWARE);
	expect_demo_vector(&vfio, VECTOR_SOFTWARE);
	src = map_buffer(&vfio, IOVA_SRC);
	dst = map_buffer(&vfio, IOVA_DST);
	dma_fill(src, COPY_LEN);
	err = dma_copy(vfio.regs, IOVA_DST, IOVA_SRC, COPY_LEN);
	if (err != 0)
		fail(err, "DMA through the IOMMU failed");
	expect_demo_vector(&vfio, VECTOR_DMA);
	dma_compare(dst, src, COPY_LEN);
	test_unmapped(&vfio);
	printf("vfio: MSI-X vectors 0 and 1, %lu bytes through the IOMMU\n", COPY_LEN);
}

static uint32_t
find_capability(const struct vfio *vfio, uint32_t id)
{
	const uint32_t config = VFIO_PCI_CONFIG_REGION_INDEX;
	uint32_t at = region_read(vfio, config, PCI_CAPABILITY_LIST, 1), left;

	for (left = 48; at != 0 && left > 0; left--) {
		if (region_read(vfio, config, at, 1) == id)
			return at;
		at = region_read(vfio, config, at + PCI_CAP_LIST_NEXT, 1);
	}
	fail(0, "no capability 0x%x", id);
}

/* What comes while a vector is masked is delivered by the unmask, once. */
static void
test_msi_mask(const struct vfio *vfio, uint32_t bar, off_t doorbell)
{
	const uint32_t config = VFIO_PCI_CONFIG_REGION_INDEX, masked = 3;
	off_t mask = find_capability(vfio, PCI_CAP_ID_MSI) + PCI_MSI_MASK_64;
	uint32_t bits = region_read(vfio, config, mask, 4);

	region_write(vfio, config, mask, 4, bits | 1u << masked);
	region_write(vfio, bar, doorbell, 4, masked);
	region_write(vfio, bar, doorbell, 4, masked);
	region_write(vfio, bar, doorbell, 4, masked + 1);
	expect_vector(vfio, masked + 1);
	poll(NULL, 0, NO_IRQ_WAIT);
	expect_only(vfio, masked, 0);
	region_write(vfio, config, mask, 4, bits);
	expect_vector(vfio, masked);
	region_write(vfio, bar, doorbell, 4, masked);
	expect_vector(vfio, masked);
}

void
vfio_test_msi(const char *address, uint32_t bar, off_t doorbell)
{
	struct vfio vfio;
	uint32_t i;

	open_device(&vfio, address);
	enable_commands(&vfio, PCI_COMMAND_MASTER | PCI_COMMAND_IO | PCI_COMMAND_MEMORY);
	check_vectors(&vfio, VFIO_PCI_MSI_IRQ_INDEX, MSI_VECTORS);
	enable_vectors(&vfio, VFIO_PCI_MSI_IRQ_INDEX, MSI_VECTORS);
	for (i = 0; i < MSI_VECTORS; i++) {
		region_write(&vfio, bar, doorbell, 4, i);
		expect_vector(&vfio, i);
	}
	test_msi_mask(&vfio, bar, doorbell);
	disable_vectors(&vfio);
	/* fewer messages than vectors: the device counts modulo their number */
	enable_vectors(&vfio, VFIO_PCI_MSI_IRQ_INDEX, 2);
	for (i = 0; i < MSI_VECTORS; i++) {
		region_write(&vfio, bar, doorbell, 4, i);
		expect_vector(&vfio, i % 2);
	}
	printf("vfio: %d MSI vectors, masked and not, and 2\n", MSI_VECTORS);
}
