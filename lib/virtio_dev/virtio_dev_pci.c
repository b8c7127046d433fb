/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/vfio.h>

#include <rte_bitops.h>
#include <rte_byteorder.h>
#include <rte_errno.h>

#include "virtio_dev.h"

/*
 * BAR 0, 64-bit: a page each for the common configuration, the ISR and the
 * device configuration, then the doorbells, which alone may be mappable. BAR 2:
 * the MSI-X table and its pending bits.
 */
#define REGS_BAR 0
#define MSIX_BAR 2
#define REGS_OFF 0x0000u
#define ISR_OFF 0x1000u
#define CONFIG_OFF 0x2000u
#define NOTIFY_OFF 0x3000u
#define ISR_LEN 4u
#define CONFIG_MIN_LEN 4u /* DPDK's driver wants the capability */

#define MSIX_ENTRY_SIZE 16u
#define MSIX_BAR_MIN_SIZE 4096u

/* The capability that reaches the BAR through the configuration space. */
#define CFG_DATA_OFF offsetof(struct virtio_pci_cfg_cap, pci_cfg_data)
#define CFG_DATA_LEN 4u

/* --------------------------------------------------------------- windows */

static uint32_t
config_len(const struct rte_virtio_dev *dev)
{
	return RTE_MAX(dev->conf.config_size, CONFIG_MIN_LEN);
}

static void
isr_read(struct rte_virtio_dev *dev, uint32_t offset, uint8_t *data, uint32_t count)
{
	RTE_SET_USED(count);
	if (offset == 0)
		data[0] = virtio_dev_isr_read(dev);
}

static void
config_read(struct rte_virtio_dev *dev, uint32_t offset, uint8_t *data, uint32_t count)
{
	if (offset < dev->conf.config_size)
		rte_virtio_dev_config_get(dev, offset, data,
					  RTE_MIN(count, dev->conf.config_size - offset));
}

static void
config_write(struct rte_virtio_dev *dev, uint32_t offset, const uint8_t *data, uint32_t count)
{
	if (offset >= dev->conf.config_size || dev->ops.config_write == NULL)
		return;
	count = RTE_MIN(count, dev->conf.config_size - offset);
	if (dev->ops.config_write(dev, offset, data, count, dev->conf.priv) == 0)
		virtio_dev_config_store(dev, offset, data, count, false);
}

static void
notify_read(struct rte_virtio_dev *dev, uint32_t offset, uint8_t *data, uint32_t count)
{
	uint32_t i;

	for (i = 0; dev->doorbells != NULL && i < count && offset + i < dev->notify_len; i++)
		data[i] = VIRTIO_GET(dev->doorbells[offset + i]);
}

/* As the store of a client that has mapped it: whole, if it is a doorbell's. */
static void
doorbell_store(uint8_t *to, const uint8_t *data, uint32_t count)
{
	uint32_t i, word;
	uint16_t half;

	if (count == sizeof(word) && (uintptr_t)to % sizeof(word) == 0) {
		memcpy(&word, data, sizeof(word));
		__atomic_store_n((uint32_t *)(uintptr_t)to, word, __ATOMIC_RELEASE);
	} else if (count == sizeof(half) && (uintptr_t)to % sizeof(half) == 0) {
		memcpy(&half, data, sizeof(half));
		__atomic_store_n((uint16_t *)(uintptr_t)to, half, __ATOMIC_RELEASE);
	} else {
		for (i = 0; i < count; i++)
			VIRTIO_SET(to[i], data[i]);
	}
}

void
virtio_dev_doorbells_clear(struct rte_virtio_dev *dev)
{
	uint32_t i;

	for (i = 0; dev->doorbells != NULL && i < dev->notify_len; i += sizeof(uint32_t))
		__atomic_store_n((uint32_t *)(uintptr_t)(dev->doorbells + i), 0, __ATOMIC_RELAXED);
}

/* Where it is written says which queue is meant, what is written does not. */
static void
trap_write(struct rte_virtio_dev *dev, uint32_t offset, const uint8_t *data, uint32_t count)
{
	uint32_t first = offset / VIRTIO_DEV_NOTIFY_MULTIPLIER;
	uint32_t last = (offset + count - 1) / VIRTIO_DEV_NOTIFY_MULTIPLIER;
	uint32_t i;

	RTE_SET_USED(data);
	for (i = first; i <= last && i < dev->conf.nb_queues; i++)
		virtio_dev_queue_kick(dev, i);
}

static void
notify_write(struct rte_virtio_dev *dev, uint32_t offset, const uint8_t *data, uint32_t count)
{
	if (dev->doorbells != NULL)
		doorbell_store(dev->doorbells + offset, data, count);
	trap_write(dev, offset, data, count);
}

struct window {
	uint32_t offset;
	uint32_t len;
	void (*read)(struct rte_virtio_dev *dev, uint32_t offset, uint8_t *data,
		     uint32_t count);
	void (*write)(struct rte_virtio_dev *dev, uint32_t offset, const uint8_t *data,
		      uint32_t count);
};

/*
 * Any access inside the BAR works: what lies between the windows reads as zero,
 * writes to it are ignored.
 */
static void
bar_access(struct rte_virtio_dev *dev, bool is_write, uint32_t offset, uint8_t *data,
	   uint32_t count)
{
	const struct window windows[] = {
		{ REGS_OFF, VIRTIO_DEV_REGS_LEN, virtio_dev_regs_read, virtio_dev_regs_write },
		{ ISR_OFF, ISR_LEN, isr_read, NULL },
		{ CONFIG_OFF, config_len(dev), config_read, config_write },
		{ dev->notify_off, dev->notify_len, notify_read, notify_write },
		{ dev->notify_off + dev->notify_len, dev->trap_len, NULL, trap_write },
	};
	uint32_t i, first, end;

	if (!is_write)
		memset(data, 0, count);
	for (i = 0; i < RTE_DIM(windows); i++) {
		first = RTE_MAX(offset, windows[i].offset);
		end = RTE_MIN(offset + count, windows[i].offset + windows[i].len);
		if (first >= end)
			continue;
		if (!is_write && windows[i].read != NULL)
			windows[i].read(dev, first - windows[i].offset, data + (first - offset),
					end - first);
		else if (is_write && windows[i].write != NULL)
			windows[i].write(dev, first - windows[i].offset,
					 data + (first - offset), end - first);
	}
}

static ssize_t
regs_bar_cb(struct rte_vfio_user_server *srv, const struct rte_vfio_user_region_access *acc,
	    void *priv)
{
	struct rte_virtio_dev *dev = priv;

	RTE_SET_USED(srv);
	dev->depth++;
	bar_access(dev, acc->is_write, (uint32_t)acc->offset, acc->data, acc->count);
	dev->depth--;
	return acc->count;
}

/* ---------------------------------------------- access by configuration space */

/* What the driver set the capability to: whether that is an access at all. */
static bool
cfg_target(const struct rte_virtio_dev *dev, uint32_t *offset, uint32_t *len)
{
	struct virtio_pci_cfg_cap cap;

	rte_vfio_user_pci_config_get(dev->pci, dev->pci_cfg_cap, &cap, sizeof(cap));
	*offset = rte_le_to_cpu_32(cap.cap.offset);
	*len = rte_le_to_cpu_32(cap.cap.length);
	return cap.cap.bar == REGS_BAR && (*len == 1 || *len == 2 || *len == 4) &&
		*offset % *len == 0 &&
		*offset < dev->notify_off + dev->notify_len + dev->trap_len;
}

/* An access to the data is one to the BAR. */
static void
cfg_access(struct rte_vfio_user_pci *pci, uint32_t offset, void *data, uint32_t count,
	   bool is_write, void *priv)
{
	struct rte_virtio_dev *dev = priv;
	uint8_t window[CFG_DATA_LEN] = { 0 };
	uint32_t target, len, i;

	if (offset + count <= CFG_DATA_OFF || !cfg_target(dev, &target, &len))
		return;
	dev->depth++;
	if (is_write) {
		rte_vfio_user_pci_config_get(pci, dev->pci_cfg_cap + CFG_DATA_OFF, window, len);
		bar_access(dev, true, target, window, len);
	} else {
		bar_access(dev, false, target, window, len);
		for (i = 0; i < count; i++)
			if (offset + i >= CFG_DATA_OFF)
				((uint8_t *)data)[i] = window[offset + i - CFG_DATA_OFF];
	}
	dev->depth--;
}

/* ------------------------------------------------------ calls of the server */

static int
on_reset(struct rte_vfio_user_server *srv, enum rte_vfio_user_reset reason, void *priv)
{
	struct rte_virtio_dev *dev = priv;

	RTE_SET_USED(srv);
	if (dev->gone)
		return 0;
	dev->depth++;
	rte_vfio_user_pci_reset(dev->pci, reason);
	virtio_dev_reset(dev);
	dev->depth--;
	return 0;
}

static void
on_synced(struct rte_vfio_user_server *srv, uint64_t number, void *priv)
{
	struct rte_virtio_dev *dev = priv;

	RTE_SET_USED(srv);
	dev->depth++;
	virtio_dev_synced(dev, number);
	dev->depth--;
}

static void
on_irq_changed(struct rte_vfio_user_server *srv, uint32_t index, uint32_t start,
	       uint32_t count, void *priv)
{
	RTE_SET_USED(srv);
	RTE_SET_USED(start);
	RTE_SET_USED(count);
	if (index == VFIO_PCI_MSIX_IRQ_INDEX)
		virtio_dev_irq_changed(priv);
}

static int
on_dma_map(struct rte_vfio_user_server *srv, const struct rte_vfio_user_dma_info *info,
	   void *priv)
{
	struct rte_virtio_dev *dev = priv;

	RTE_SET_USED(srv);
	RTE_SET_USED(info);
	dev->dma_changed = true;
	return 0;
}

/* A notification that came while the ring was not mapped is not lost. */
static void
on_resume(struct rte_vfio_user_server *srv, void *priv)
{
	struct rte_virtio_dev *dev = priv;

	RTE_SET_USED(srv);
	if (!dev->dma_changed)
		return;
	dev->dma_changed = false;
	dev->depth++;
	virtio_dev_queues_notify(dev);
	dev->depth--;
}

static int
callbacks_set(struct rte_virtio_dev *dev)
{
	const struct rte_vfio_user_server_ops ops = {
		.reset = on_reset,
		.resume = on_resume,
		.irq_changed = on_irq_changed,
		.synced = on_synced,
	};
	const struct rte_vfio_user_dma_ops dma_ops = { .map = on_dma_map };
	int ret = rte_vfio_user_server_ops_set(dev->srv, &ops, dev);

	return ret < 0 ? ret : rte_vfio_user_server_dma_ops_set(dev->srv, &dma_ops, dev);
}

/* ----------------------------------------------------------- description */

/* Memory for the doorbells that the client can map, and cannot truncate. */
static int
doorbells_init(struct rte_virtio_dev *dev)
{
	dev->doorbell_fd = memfd_create("virtio-doorbells", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (dev->doorbell_fd < 0 || ftruncate(dev->doorbell_fd, dev->notify_len) < 0 ||
	    fcntl(dev->doorbell_fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
		return -errno;
	dev->doorbells = mmap(NULL, dev->notify_len, PROT_READ | PROT_WRITE, MAP_SHARED,
			      dev->doorbell_fd, 0);
	if (dev->doorbells == MAP_FAILED) {
		dev->doorbells = NULL;
		return -errno;
	}
	return 0;
}

static int
regs_bar_add(struct rte_virtio_dev *dev)
{
	struct rte_vfio_user_mmap_area area;
	struct rte_vfio_user_region_conf region = {
		.size = rte_align64pow2((uint64_t)dev->notify_off + dev->notify_len +
					dev->trap_len),
		.flags = RTE_VFIO_USER_REGION_F_RW,
		.cb = regs_bar_cb,
		.priv = dev,
		.fd = -1,
	};
	int ret;

	if (dev->conf.flags & RTE_VIRTIO_DEV_F_NOTIFY_MMAP) {
		ret = doorbells_init(dev);
		if (ret < 0)
			return ret;
		area.offset = dev->notify_off;
		area.size = dev->notify_len;
		area.fd = dev->doorbell_fd;
		area.fd_offset = 0;
		region.areas = &area;
		region.nb_areas = 1;
	}
	return rte_vfio_user_pci_bar_add(dev->pci, REGS_BAR, RTE_VFIO_USER_PCI_BAR_MEM64,
					 &region);
}

static int
msix_add(struct rte_virtio_dev *dev)
{
	const uint32_t table = RTE_ALIGN_CEIL(dev->conf.nb_vectors * MSIX_ENTRY_SIZE, 64u);
	const uint32_t pba = RTE_ALIGN_CEIL(dev->conf.nb_vectors, 64u) / 8;
	const struct rte_vfio_user_region_conf region = {
		.size = RTE_MAX(rte_align32pow2(table + pba), MSIX_BAR_MIN_SIZE),
		.flags = RTE_VFIO_USER_REGION_F_RW,
		.fd = -1,
	};
	const struct rte_vfio_user_pci_msix msix = {
		.vectors = dev->conf.nb_vectors,
		.table_bar = MSIX_BAR,
		.pba_bar = MSIX_BAR,
		.pba_offset = table,
	};
	int ret = rte_vfio_user_pci_bar_add(dev->pci, MSIX_BAR, RTE_VFIO_USER_PCI_BAR_MEM32,
					    &region);

	return ret < 0 ? ret : rte_vfio_user_pci_cap_msix_add(dev->pci, 0, &msix);
}

/* A virtio capability with len bytes at most: all that it points to is in BAR 0. */
static int
cap_add(struct rte_virtio_dev *dev, uint8_t type, uint32_t offset, uint32_t length)
{
	static const struct virtio_pci_cfg_cap cfg_writable = {
		.cap = { .bar = UINT8_MAX, .offset = UINT32_MAX, .length = UINT32_MAX },
		.pci_cfg_data = { UINT8_MAX, UINT8_MAX, UINT8_MAX, UINT8_MAX },
	};
	struct virtio_pci_notify_cap cap = {
		.cap = {
			.cfg_type = type,
			.bar = REGS_BAR,
			.offset = rte_cpu_to_le_32(offset),
			.length = rte_cpu_to_le_32(length),
		},
	};
	struct rte_vfio_user_pci_vendor vendor = {
		.len = sizeof(struct virtio_pci_cap),
		.data = &cap,
	};

	if (type == VIRTIO_PCI_CAP_NOTIFY_CFG) {
		vendor.len = sizeof(cap);
		cap.notify_off_multiplier = rte_cpu_to_le_32(VIRTIO_DEV_NOTIFY_MULTIPLIER);
	} else if (type == VIRTIO_PCI_CAP_PCI_CFG) {
		vendor.len = sizeof(cfg_writable);
		vendor.writable = &cfg_writable;
		vendor.cb = cfg_access;
		vendor.priv = dev;
	}
	return rte_vfio_user_pci_cap_vendor_add(dev->pci, 0, &vendor);
}

static int
caps_add(struct rte_virtio_dev *dev)
{
	int ret;

	ret = cap_add(dev, VIRTIO_PCI_CAP_COMMON_CFG, REGS_OFF, VIRTIO_DEV_REGS_LEN);
	if (ret >= 0)
		ret = cap_add(dev, VIRTIO_PCI_CAP_ISR_CFG, ISR_OFF, ISR_LEN);
	if (ret >= 0)
		ret = cap_add(dev, VIRTIO_PCI_CAP_DEVICE_CFG, CONFIG_OFF, config_len(dev));
	if (ret >= 0)
		ret = cap_add(dev, VIRTIO_PCI_CAP_NOTIFY_CFG, dev->notify_off,
			      dev->notify_len + dev->trap_len);
	if (ret >= 0)
		ret = cap_add(dev, VIRTIO_PCI_CAP_PCI_CFG, 0, 0);
	if (ret < 0)
		return ret;
	dev->pci_cfg_cap = ret;

	ret = rte_vfio_user_pci_cap_pm_add(dev->pci, 0);
	if (ret >= 0)
		ret = rte_vfio_user_pci_cap_express_add(dev->pci, 0, RTE_VFIO_USER_PCI_EXP_FLR);
	if (ret < 0 || (dev->conf.flags & RTE_VIRTIO_DEV_F_NO_MSIX) != 0)
		return ret;
	return msix_add(dev);
}

/* Writes of 16 bits notify, or of 32 bits with VIRTIO_F_NOTIFICATION_DATA. */
int
virtio_dev_ioeventfds_add(struct rte_virtio_dev *dev)
{
	struct rte_vfio_user_ioeventfd io = { 0 };
	uint16_t i;
	int ret;

	if ((dev->conf.flags & RTE_VIRTIO_DEV_F_NOTIFY_IOEVENTFD) == 0)
		return 0;
	for (i = 0; i < dev->conf.nb_queues; i++) {
		io.offset = dev->notify_off + i * VIRTIO_DEV_NOTIFY_MULTIPLIER;
		io.fd = dev->queues[i].kick_fd;
		for (io.size = sizeof(uint16_t); io.size <= sizeof(uint32_t); io.size *= 2) {
			ret = rte_vfio_user_server_region_ioeventfd_add(dev->srv,
					VFIO_PCI_BAR0_REGION_INDEX + REGS_BAR, &io);
			if (ret < 0)
				return ret;
		}
	}
	return 0;
}

int
virtio_dev_pci_init(struct rte_virtio_dev *dev)
{
	const struct rte_vfio_user_pci_id id = {
		.vendor_id = VIRTIO_PCI_VENDOR,
		.device_id = VIRTIO_PCI_DEVICE_BASE + dev->conf.device_type,
		.subsystem_vendor_id = dev->conf.subsystem_vendor_id,
		.subsystem_id = dev->conf.subsystem_id,
		.class_code = dev->conf.class_code,
		.revision_id = 1,
		.intx_pin = 1,
	};
	const uint32_t page = sysconf(_SC_PAGESIZE);
	int ret;

	dev->notify_off = RTE_ALIGN_CEIL(NOTIFY_OFF, page);
	dev->notify_len = RTE_ALIGN_CEIL(dev->conf.nb_queues * VIRTIO_DEV_NOTIFY_MULTIPLIER, page);
	if ((dev->conf.flags & ~RTE_VIRTIO_DEV_F_NO_MSIX) != 0)
		dev->trap_len = dev->notify_len;
	dev->pci = rte_vfio_user_pci_create(dev->srv, &id);
	if (dev->pci == NULL)
		return -rte_errno;
	ret = regs_bar_add(dev);
	if (ret >= 0)
		ret = caps_add(dev);
	return ret < 0 ? ret : callbacks_set(dev);
}

void
virtio_dev_pci_fini(struct rte_virtio_dev *dev)
{
	rte_vfio_user_pci_destroy(dev->pci);
	if (dev->doorbells != NULL)
		munmap(dev->doorbells, dev->notify_len);
	if (dev->doorbell_fd >= 0)
		close(dev->doorbell_fd);
}
