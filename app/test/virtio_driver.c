/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/pci_regs.h>
#include <linux/virtio_config.h>
#include <linux/virtio_pci.h>

#include <rte_byteorder.h>
#include <rte_common.h>

#include "virtio_driver.h"
#include "virtio_driver_ring.h"

#define CONFIG VFIO_PCI_CONFIG_REGION_INDEX
#define TIMEOUT_MS 10000
#define NO_VECTOR VIRTIO_MSI_NO_VECTOR

/* ------------------------------------------------------------ registers */

uint64_t
virtio_driver_get(struct virtio_driver *drv, const struct virtio_driver_cap *cap,
		  uint32_t offset, uint32_t len)
{
	uint64_t val = 0;

	if (rte_vfio_user_client_region_read(drv->client, cap->bar, cap->offset + offset,
					     &val, len) != (ssize_t)len)
		return UINT64_MAX;
	return rte_le_to_cpu_64(val);
}

int
virtio_driver_set(struct virtio_driver *drv, const struct virtio_driver_cap *cap,
		  uint32_t offset, uint32_t len, uint64_t val)
{
	ssize_t ret;

	val = rte_cpu_to_le_64(val);
	ret = rte_vfio_user_client_region_write(drv->client, cap->bar, cap->offset + offset,
						&val, len);
	return ret == (ssize_t)len ? 0 : ret < 0 ? (int)ret : -EIO;
}

uint64_t
virtio_driver_reg(struct virtio_driver *drv, uint32_t offset, uint32_t len)
{
	return virtio_driver_get(drv, &drv->common, offset, len);
}

int
virtio_driver_reg_set(struct virtio_driver *drv, uint32_t offset, uint32_t len, uint64_t val)
{
	return virtio_driver_set(drv, &drv->common, offset, len, val);
}

static struct virtio_driver_cap *
cap_of_type(struct virtio_driver *drv, uint8_t type)
{
	switch (type) {
	case VIRTIO_PCI_CAP_COMMON_CFG:
		return &drv->common;
	case VIRTIO_PCI_CAP_NOTIFY_CFG:
		return &drv->notify;
	case VIRTIO_PCI_CAP_ISR_CFG:
		return &drv->isr;
	case VIRTIO_PCI_CAP_DEVICE_CFG:
		return &drv->device;
	case VIRTIO_PCI_CAP_PCI_CFG:
		return &drv->pci_cfg;
	default:
		return NULL;
	}
}

static void
cap_take(struct virtio_driver *drv, const uint8_t *config, uint8_t off)
{
	struct virtio_driver_cap *to;
	struct virtio_pci_notify_cap cap;

	memcpy(&cap, config + off, sizeof(cap));
	to = cap_of_type(drv, cap.cap.cfg_type);
	if (to == NULL || to->cap != 0)
		return; /* the first one counts */
	to->cap = off;
	to->bar = cap.cap.bar;
	to->offset = rte_le_to_cpu_32(cap.cap.offset);
	to->len = rte_le_to_cpu_32(cap.cap.length);
	if (to == &drv->notify)
		drv->notify_multiplier = rte_le_to_cpu_32(cap.notify_off_multiplier);
}

static int
find_caps(struct virtio_driver *drv)
{
	uint8_t config[PCI_CFG_SPACE_SIZE + sizeof(struct virtio_pci_notify_cap)] = { 0 };
	uint8_t off;
	int left = 48;

	if (rte_vfio_user_client_region_read(drv->client, CONFIG, 0, config,
					     PCI_CFG_SPACE_SIZE) != PCI_CFG_SPACE_SIZE)
		return -EIO;
	for (off = config[PCI_CAPABILITY_LIST]; off != 0 && left != 0;
	     off = config[off + PCI_CAP_LIST_NEXT], left--)
		if (config[off + PCI_CAP_LIST_ID] == PCI_CAP_ID_VNDR)
			cap_take(drv, config, off);
	return drv->common.cap != 0 && drv->notify.cap != 0 && drv->isr.cap != 0 ? 0 : -ENODEV;
}

/* --------------------------------------------------------- init, memory */

static int
give_memory(struct virtio_driver *drv)
{
	struct rte_vfio_user_dma_map map = {
		.iova = VIRTIO_DRIVER_IOVA,
		.size = drv->mem_size,
		.prot = PROT_READ | PROT_WRITE,
	};

	drv->fd = memfd_create("virtio-driver", MFD_CLOEXEC);
	if (drv->fd < 0 || ftruncate(drv->fd, drv->mem_size) < 0)
		return -errno;
	drv->mem = mmap(NULL, drv->mem_size, PROT_READ | PROT_WRITE, MAP_SHARED, drv->fd, 0);
	if (drv->mem == MAP_FAILED) {
		drv->mem = NULL;
		return -errno;
	}
	map.fd = drv->fd;
	map.vaddr = drv->mem;
	return rte_vfio_user_client_dma_map(drv->client, &map, 1);
}

int
virtio_driver_init(struct virtio_driver *drv, struct rte_vfio_user_client *client,
		   uint64_t mem_size)
{
	uint32_t i;
	int ret;

	memset(drv, 0, sizeof(*drv));
	drv->client = client;
	drv->mem_size = mem_size;
	drv->fd = drv->config_fd = -1;
	for (i = 0; i < VIRTIO_DRIVER_MAX_QUEUES; i++)
		drv->queue_fds[i] = -1;
	ret = find_caps(drv);
	if (ret == 0)
		ret = give_memory(drv);
	if (ret < 0)
		virtio_driver_fini(drv);
	else
		drv->nb_queues = virtio_driver_reg(drv, VIRTIO_PCI_COMMON_NUMQ, 2);
	return ret;
}

static void
free_queues(struct virtio_driver *drv)
{
	uint32_t i;

	for (i = 0; i < VIRTIO_DRIVER_MAX_QUEUES; i++)
		virtio_driver_ring_fini(&drv->queues[i]);
	drv->mem_used = 0;
}

void
virtio_driver_fini(struct virtio_driver *drv)
{
	uint32_t i;

	free_queues(drv);
	if (drv->mem != NULL)
		munmap(drv->mem, drv->mem_size);
	if (drv->fd >= 0)
		close(drv->fd);
	if (drv->config_fd >= 0)
		close(drv->config_fd);
	for (i = 0; i < VIRTIO_DRIVER_MAX_QUEUES; i++)
		if (drv->queue_fds[i] >= 0)
			close(drv->queue_fds[i]);
	memset(drv, 0, sizeof(*drv));
	drv->fd = drv->config_fd = -1;
	for (i = 0; i < VIRTIO_DRIVER_MAX_QUEUES; i++)
		drv->queue_fds[i] = -1;
}

uint64_t
virtio_driver_alloc(struct virtio_driver *drv, uint64_t len, uint64_t align)
{
	uint64_t at = RTE_ALIGN_CEIL(drv->mem_used, align);

	if (at > drv->mem_size || len > drv->mem_size - at)
		return 0;
	drv->mem_used = at + len;
	memset(drv->mem + at, 0, len);
	return VIRTIO_DRIVER_IOVA + at;
}

void *
virtio_driver_va(struct virtio_driver *drv, uint64_t iova)
{
	return drv->mem + (iova - VIRTIO_DRIVER_IOVA);
}

/* ---------------------------------------------------------- negotiation */

uint8_t
virtio_driver_status(struct virtio_driver *drv)
{
	return virtio_driver_reg(drv, VIRTIO_PCI_COMMON_STATUS, 1);
}

int
virtio_driver_status_add(struct virtio_driver *drv, uint8_t bits)
{
	return virtio_driver_reg_set(drv, VIRTIO_PCI_COMMON_STATUS, 1,
				     virtio_driver_status(drv) | bits);
}

int
virtio_driver_reset(struct virtio_driver *drv)
{
	int ret, left;

	ret = virtio_driver_reg_set(drv, VIRTIO_PCI_COMMON_STATUS, 1, 0);
	for (left = TIMEOUT_MS; ret == 0 && virtio_driver_status(drv) != 0; left--) {
		if (left == 0)
			return -ETIMEDOUT;
		usleep(1000);
	}
	free_queues(drv);
	drv->features = 0;
	return ret;
}

uint64_t
virtio_driver_offered(struct virtio_driver *drv)
{
	uint64_t features = 0;
	uint32_t half;

	for (half = 0; half < 2; half++) {
		virtio_driver_reg_set(drv, VIRTIO_PCI_COMMON_DFSELECT, 4, half);
		features |= virtio_driver_reg(drv, VIRTIO_PCI_COMMON_DF, 4) << 32 * half;
	}
	return features;
}

int
virtio_driver_accept(struct virtio_driver *drv, uint64_t features)
{
	uint32_t half;
	int ret = 0;

	for (half = 0; half < 2 && ret == 0; half++) {
		ret = virtio_driver_reg_set(drv, VIRTIO_PCI_COMMON_GFSELECT, 4, half);
		if (ret == 0)
			ret = virtio_driver_reg_set(drv, VIRTIO_PCI_COMMON_GF, 4,
						    (uint32_t)(features >> 32 * half));
	}
	return ret;
}

int
virtio_driver_negotiate(struct virtio_driver *drv, uint64_t wanted)
{
	int ret = virtio_driver_reset(drv);

	if (ret == 0)
		ret = virtio_driver_status_add(drv, VIRTIO_CONFIG_S_ACKNOWLEDGE);
	if (ret == 0)
		ret = virtio_driver_status_add(drv, VIRTIO_CONFIG_S_DRIVER);
	if (ret < 0)
		return ret;
	drv->offered = virtio_driver_offered(drv);
	drv->features = drv->offered & (wanted | UINT64_C(1) << VIRTIO_F_VERSION_1);
	ret = virtio_driver_accept(drv, drv->features);
	if (ret == 0)
		ret = virtio_driver_status_add(drv, VIRTIO_CONFIG_S_FEATURES_OK);
	if (ret < 0)
		return ret;
	return virtio_driver_status(drv) & VIRTIO_CONFIG_S_FEATURES_OK ? 0 : -EOPNOTSUPP;
}

int
virtio_driver_ok(struct virtio_driver *drv)
{
	return virtio_driver_status_add(drv, VIRTIO_CONFIG_S_DRIVER_OK);
}

/* ----------------------------------------------------------- interrupts */

int
virtio_driver_irqs(struct virtio_driver *drv, uint32_t nb_queues)
{
	int fds[1 + VIRTIO_DRIVER_MAX_QUEUES];
	uint32_t i;

	for (i = 0; i <= nb_queues; i++) {
		fds[i] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
		if (fds[i] < 0)
			return -errno;
		if (i == 0)
			drv->config_fd = fds[0];
		else
			drv->queue_fds[i - 1] = fds[i];
	}
	return rte_vfio_user_client_irq_assign(drv->client, VFIO_PCI_MSIX_IRQ_INDEX, 0,
					       nb_queues + 1, fds);
}

uint64_t
virtio_driver_irq_wait(int fd, int ms)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	uint64_t count = 0;

	if (poll(&pfd, 1, ms) == 1 && read(fd, &count, sizeof(count)) != sizeof(count))
		return 0;
	return count;
}

/* --------------------------------------------------------------- queues */

int
virtio_driver_queue_write(struct virtio_driver *drv, uint16_t index)
{
	struct virtio_driver_queue *q = &drv->queues[index];
	const struct {
		uint32_t offset, len;
		uint64_t val;
	} regs[] = {
		{ VIRTIO_PCI_COMMON_Q_SELECT, 2, index },
		{ VIRTIO_PCI_COMMON_Q_SIZE, 2, q->size },
		{ VIRTIO_PCI_COMMON_Q_MSIX, 2, q->vector },
		{ VIRTIO_PCI_COMMON_Q_DESCLO, 4, (uint32_t)q->desc_iova },
		{ VIRTIO_PCI_COMMON_Q_DESCHI, 4, q->desc_iova >> 32 },
		{ VIRTIO_PCI_COMMON_Q_AVAILLO, 4, (uint32_t)q->driver_iova },
		{ VIRTIO_PCI_COMMON_Q_AVAILHI, 4, q->driver_iova >> 32 },
		{ VIRTIO_PCI_COMMON_Q_USEDLO, 4, (uint32_t)q->device_iova },
		{ VIRTIO_PCI_COMMON_Q_USEDHI, 4, q->device_iova >> 32 },
	};
	uint32_t i;
	int ret = 0;

	for (i = 0; i < RTE_DIM(regs) && ret == 0; i++)
		ret = virtio_driver_reg_set(drv, regs[i].offset, regs[i].len, regs[i].val);
	q->notify_off = virtio_driver_reg(drv, VIRTIO_PCI_COMMON_Q_NOFF, 2);
	if (ret == 0 && virtio_driver_reg(drv, VIRTIO_PCI_COMMON_Q_MSIX, 2) != q->vector)
		return -EBUSY; /* no such vector */
	return ret;
}

int
virtio_driver_queue_make(struct virtio_driver *drv, uint16_t index, uint16_t size)
{
	struct virtio_driver_queue *q = &drv->queues[index];

	if (index >= VIRTIO_DRIVER_MAX_QUEUES)
		return -EINVAL;
	virtio_driver_ring_fini(q);
	q->vector = drv->queue_fds[index] >= 0 ? index + 1 : NO_VECTOR;
	return virtio_driver_ring_init(q, drv, index, size);
}

int
virtio_driver_queue(struct virtio_driver *drv, uint16_t index, uint16_t size)
{
	int ret;

	ret = virtio_driver_reg_set(drv, VIRTIO_PCI_COMMON_Q_SELECT, 2, index);
	if (ret == 0 && size == 0)
		size = virtio_driver_reg(drv, VIRTIO_PCI_COMMON_Q_SIZE, 2);
	if (ret == 0 && size == 0)
		return -ENOENT;
	if (ret == 0 && index == 0 && drv->config_fd >= 0)
		ret = virtio_driver_reg_set(drv, VIRTIO_PCI_COMMON_MSIX, 2, 0);
	if (ret == 0)
		ret = virtio_driver_queue_make(drv, index, size);
	if (ret == 0)
		ret = virtio_driver_queue_write(drv, index);
	if (ret == 0)
		ret = virtio_driver_reg_set(drv, VIRTIO_PCI_COMMON_Q_ENABLE, 2, 1);
	return ret;
}

/* The index of the queue; with NOTIFICATION_DATA also what is available next. */
int
virtio_driver_kick(struct virtio_driver_queue *q)
{
	struct virtio_driver *drv = q->drv;
	uint32_t offset = q->notify_off * drv->notify_multiplier, val = q->index;

	if ((drv->features >> VIRTIO_DRIVER_F_NOTIFICATION_DATA & 1) == 0)
		return virtio_driver_set(drv, &drv->notify, offset, 2, val);
	val |= (uint32_t)q->next_avail << 16;
	if (q->packed && q->avail_wrap)
		val |= UINT32_C(1) << 31;
	return virtio_driver_set(drv, &drv->notify, offset, 4, val);
}

int
virtio_driver_wait(struct virtio_driver_queue *q, uint16_t *id, uint32_t *len)
{
	int left = TIMEOUT_MS * 10, ret;

	while ((ret = virtio_driver_used(q, id, len)) == 0 && left-- != 0)
		usleep(100);
	return ret == 0 ? -ETIMEDOUT : ret;
}
