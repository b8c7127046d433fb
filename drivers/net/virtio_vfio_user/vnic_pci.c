/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <linux/pci_regs.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_pci.h>

#include <rte_byteorder.h>
#include <rte_common.h>
#include <rte_cycles.h>

#include "vnic_log.h"
#include "vnic_pci.h"

#define CONFIG VFIO_PCI_CONFIG_REGION_INDEX
#define MAX_BAR VFIO_PCI_BAR5_REGION_INDEX
/* As many as fit, so that a loop ends. */
#define MAX_CAPS ((PCI_CFG_SPACE_SIZE - PCI_STD_HEADER_SIZEOF) / PCI_CAP_SIZEOF)
/* Length of the registers up to the addresses of a queue. */
#define COMMON_LEN sizeof(struct virtio_pci_common_cfg)
#define VENDOR 0x1af4
#define DEVICE (0x1040 + VIRTIO_ID_NET)
#define MAX_GENERATIONS 100
/* Where BARs are put that have no address: those of 32 bits, and the others. */
#define BAR_LOW UINT64_C(0xc0000000)
#define BAR_LOW_END UINT64_C(0xf0000000)
#define BAR_HIGH (UINT64_C(1) << 40)
#define BAR_HIGH_END (UINT64_C(1) << 45)
#define MIN_BAR_SIZE UINT64_C(4096)
/* Most that the client takes with one message. */
#define MAX_IO_FDS 253

/* Addresses to be given to BARs. */
struct window {
	uint64_t next, end;
};

/* ------------------------------------------------------------ registers */

static int
read_at(struct vnic_pci *pci, uint32_t region, uint64_t offset, void *buf, uint32_t len)
{
	ssize_t ret = rte_vfio_user_client_region_read(pci->client, region, offset, buf, len);

	if (ret < 0)
		return (int)ret;
	return (size_t)ret == len ? 0 : -EIO;
}

static int
reg_read(struct vnic_pci *pci, uint32_t offset, void *buf, uint32_t len)
{
	return read_at(pci, pci->common.bar, (uint64_t)pci->common.offset + offset, buf, len);
}

static int
reg_read16(struct vnic_pci *pci, uint32_t offset, uint16_t *val)
{
	rte_le16_t le;
	int ret = reg_read(pci, offset, &le, sizeof(le));

	if (ret == 0)
		*val = rte_le_to_cpu_16(le);
	return ret;
}

/* One register of those written together. */
static void
reg_add(struct vnic_pci *pci, struct rte_vfio_user_write *write, uint32_t offset, uint32_t val,
	uint32_t len)
{
	rte_le32_t le = rte_cpu_to_le_32(val);

	memset(write, 0, sizeof(*write));
	write->region = pci->common.bar;
	write->offset = (uint64_t)pci->common.offset + offset;
	write->len = len;
	memcpy(write->data, &le, sizeof(le));
}

static int
reg_write_all(struct vnic_pci *pci, const struct rte_vfio_user_write *writes, uint32_t nb)
{
	int ret = rte_vfio_user_client_region_write_multi(pci->client, writes, nb);

	if (ret < 0)
		return ret;
	return (uint32_t)ret == nb ? 0 : -EIO;
}

static int
reg_write(struct vnic_pci *pci, uint32_t offset, uint32_t val, uint32_t len)
{
	struct rte_vfio_user_write write;

	reg_add(pci, &write, offset, val, len);
	return reg_write_all(pci, &write, 1);
}

/* --------------------------------------------------------- capabilities */

static struct vnic_pci_cap *
cap_of(struct vnic_pci *pci, uint8_t type)
{
	switch (type) {
	case VIRTIO_PCI_CAP_COMMON_CFG:
		return &pci->common;
	case VIRTIO_PCI_CAP_NOTIFY_CFG:
		return &pci->notify;
	case VIRTIO_PCI_CAP_ISR_CFG:
		return &pci->isr;
	case VIRTIO_PCI_CAP_DEVICE_CFG:
		return &pci->device;
	default:
		return NULL;
	}
}

static void
cap_take(struct vnic_pci *pci, const uint8_t *config, uint8_t at)
{
	struct virtio_pci_notify_cap cap;
	struct vnic_pci_cap *to;
	uint32_t len = sizeof(cap.cap);

	if (at + len > PCI_CFG_SPACE_SIZE)
		return;
	memset(&cap, 0, sizeof(cap));
	memcpy(&cap.cap, config + at, len);
	to = cap_of(pci, cap.cap.cfg_type);
	/* the first that is usable counts; other BARs are reserved */
	if (to == NULL || to->found || cap.cap.bar > MAX_BAR || cap.cap.cap_len < len)
		return;
	if (to == &pci->notify) {
		len = sizeof(cap);
		if (at + len > PCI_CFG_SPACE_SIZE || cap.cap.cap_len < len)
			return;
		memcpy(&cap, config + at, len);
		pci->notify_multiplier = rte_le_to_cpu_32(cap.notify_off_multiplier);
	}
	to->found = true;
	to->bar = cap.cap.bar;
	to->offset = rte_le_to_cpu_32(cap.cap.offset);
	to->len = rte_le_to_cpu_32(cap.cap.length);
}

static void
msix_take(struct vnic_pci *pci, const uint8_t *config, uint8_t at)
{
	rte_le32_t table;
	rte_le16_t flags;

	if (pci->msix.at != 0 || at + PCI_CAP_MSIX_SIZEOF > PCI_CFG_SPACE_SIZE)
		return;
	memcpy(&flags, config + at + PCI_MSIX_FLAGS, sizeof(flags));
	memcpy(&table, config + at + PCI_MSIX_TABLE, sizeof(table));
	if ((rte_le_to_cpu_32(table) & PCI_MSIX_TABLE_BIR) > MAX_BAR)
		return;
	pci->msix.at = at;
	pci->msix.nb = (rte_le_to_cpu_16(flags) & PCI_MSIX_FLAGS_QSIZE) + 1;
	pci->msix.bar = rte_le_to_cpu_32(table) & PCI_MSIX_TABLE_BIR;
	pci->msix.offset = rte_le_to_cpu_32(table) & PCI_MSIX_TABLE_OFFSET;
}

static void
find_caps(struct vnic_pci *pci, const uint8_t *config)
{
	uint8_t at = config[PCI_CAPABILITY_LIST] & ~3;
	unsigned int left = MAX_CAPS;

	for (; at >= PCI_STD_HEADER_SIZEOF && left > 0; left--) {
		if (config[at + PCI_CAP_LIST_ID] == PCI_CAP_ID_VNDR)
			cap_take(pci, config, at);
		else if (config[at + PCI_CAP_LIST_ID] == PCI_CAP_ID_MSIX)
			msix_take(pci, config, at);
		at = config[at + PCI_CAP_LIST_NEXT] & ~3;
	}
}

/* Whether a structure is there, long enough and inside of its BAR. */
static int
check_cap(struct vnic_pci *pci, const struct vnic_pci_cap *cap, const char *what,
	  uint32_t min_len)
{
	struct vfio_region_info *info;
	uint64_t size;
	int ret;

	if (!cap->found) {
		VNIC_LOG(ERR, "%s: the device has no %s structure", pci->name, what);
		return -ENODEV;
	}
	ret = rte_vfio_user_client_region_info(pci->client, cap->bar, &info, NULL, NULL);
	if (ret < 0)
		return ret;
	size = info->size;
	free(info);
	if (cap->len >= min_len && cap->offset <= size && cap->len <= size - cap->offset)
		return 0;
	VNIC_LOG(ERR, "%s: %s structure of %u bytes at %u of BAR %u (%" PRIu64
		 " bytes) is not possible", pci->name, what, cap->len, cap->offset, cap->bar, size);
	return -EPROTO;
}

static int
check_identity(struct vnic_pci *pci, const uint8_t *config)
{
	uint16_t vendor = config[PCI_VENDOR_ID] | config[PCI_VENDOR_ID + 1] << 8;
	uint16_t device = config[PCI_DEVICE_ID] | config[PCI_DEVICE_ID + 1] << 8;

	if (vendor == VENDOR && device == DEVICE)
		return 0;
	VNIC_LOG(ERR, "%s: the device %04x:%04x is not a virtio network card, %04x:%04x",
		 pci->name, vendor, device, VENDOR, DEVICE);
	return -ENODEV;
}

/* -------------------------------------------------------------- enable */

static int
config_write(struct vnic_pci *pci, uint32_t offset, const void *buf, uint32_t len)
{
	ssize_t ret = rte_vfio_user_client_region_write(pci->client, CONFIG, offset, buf, len);

	if (ret < 0)
		return (int)ret;
	return (size_t)ret == len ? 0 : -EIO;
}

/* The next address of a window for a BAR, which is aligned to its size; 0: no room. */
static uint64_t
window_take(struct window *window, uint64_t size)
{
	const uint64_t len = RTE_MAX(rte_align64pow2(size), MIN_BAR_SIZE);
	uint64_t addr;

	if (size > window->end || len > window->end - window->next)
		return 0;
	addr = RTE_ALIGN_CEIL(window->next, len);
	if (addr > window->end - len)
		return 0;
	window->next = addr + len;
	return addr;
}

/* Give a BAR of memory an address, if it has none. */
static int
bar_assign(struct vnic_pci *pci, uint32_t bar, const rte_le32_t *regs, bool wide,
	   struct window *window)
{
	const uint32_t at = PCI_BASE_ADDRESS_0 + bar * sizeof(*regs);
	struct vfio_region_info *info;
	rte_le32_t half;
	uint64_t addr;
	int ret;

	if ((rte_le_to_cpu_32(regs[0]) & PCI_BASE_ADDRESS_MEM_MASK) != 0 || (wide && regs[1] != 0))
		return 0;
	ret = rte_vfio_user_client_region_info(pci->client, bar, &info, NULL, NULL);
	if (ret < 0)
		return ret;
	addr = info->size == 0 ? 0 : window_take(window, info->size);
	free(info);
	if (addr == 0)
		return 0;
	half = rte_cpu_to_le_32((uint32_t)addr);
	ret = config_write(pci, at, &half, sizeof(half));
	half = rte_cpu_to_le_32(addr >> 32);
	if (ret == 0 && wide)
		ret = config_write(pci, at + sizeof(half), &half, sizeof(half));
	return ret;
}

/*
 * What firmware does. The addresses mean nothing here, and most devices do not look at
 * them; one that emulates a bus, as QEMU's, finds no BAR that is not on it.
 */
static int
bars_assign(struct vnic_pci *pci, const uint8_t *config)
{
	struct window low = { BAR_LOW, BAR_LOW_END }, high = { BAR_HIGH, BAR_HIGH_END };
	rte_le32_t regs[MAX_BAR + 2] = { 0 };
	uint32_t bar, type;
	bool wide;
	int ret = 0;

	memcpy(regs, config + PCI_BASE_ADDRESS_0, (MAX_BAR + 1) * sizeof(regs[0]));
	for (bar = 0; bar <= MAX_BAR && ret == 0; bar += wide ? 2 : 1) {
		type = rte_le_to_cpu_32(regs[bar]);
		wide = (type & (PCI_BASE_ADDRESS_SPACE | PCI_BASE_ADDRESS_MEM_TYPE_MASK)) ==
			PCI_BASE_ADDRESS_MEM_TYPE_64;
		if ((type & PCI_BASE_ADDRESS_SPACE) == PCI_BASE_ADDRESS_SPACE_MEMORY)
			ret = bar_assign(pci, bar, &regs[bar], wide, wide ? &high : &low);
	}
	return ret;
}

/* Memory access and bus mastering; a device over vfio-user need not look. */
int
vnic_pci_enable(struct vnic_pci *pci)
{
	uint8_t config[PCI_STD_HEADER_SIZEOF];
	rte_le16_t cmd;
	int ret;

	ret = read_at(pci, CONFIG, 0, config, sizeof(config));
	if (ret == 0)
		ret = bars_assign(pci, config);
	if (ret < 0)
		return ret;
	memcpy(&cmd, config + PCI_COMMAND, sizeof(cmd));
	cmd |= rte_cpu_to_le_16(PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER |
				PCI_COMMAND_INTX_DISABLE);
	return config_write(pci, PCI_COMMAND, &cmd, sizeof(cmd));
}

static int
find(struct vnic_pci *pci)
{
	uint8_t config[PCI_CFG_SPACE_SIZE];
	int ret;

	ret = read_at(pci, CONFIG, 0, config, sizeof(config));
	if (ret == 0)
		ret = check_identity(pci, config);
	if (ret < 0)
		return ret;
	find_caps(pci, config);
	ret = check_cap(pci, &pci->common, "common configuration", COMMON_LEN);
	if (ret == 0)
		ret = check_cap(pci, &pci->notify, "notification", sizeof(uint16_t));
	if (ret == 0)
		ret = check_cap(pci, &pci->isr, "ISR", 1);
	if (ret == 0)
		ret = check_cap(pci, &pci->device, "device configuration", 1);
	return ret == 0 ? vnic_pci_enable(pci) : ret;
}

/* ------------------------------------------------------------ doorbells */

static void
drop_ios(struct vnic_pci *pci)
{
	uint32_t i;

	for (i = 0; i < pci->nb_io_fds; i++)
		close(pci->io_fds[i]);
	free(pci->io_fds);
	free(pci->ios);
	pci->io_fds = NULL;
	pci->ios = NULL;
	pci->nb_io_fds = pci->nb_ios = 0;
}

void
vnic_pci_renew(struct vnic_pci *pci)
{
	uint32_t nb = MAX_IO_FDS;

	drop_ios(pci);
	pci->io_fds = calloc(nb, sizeof(*pci->io_fds));
	if (pci->io_fds == NULL)
		return; /* messages do it, too */
	/* most devices do not know the command, so an error is not one */
	if (rte_vfio_user_client_region_io_fds(pci->client, pci->notify.bar, &pci->ios,
					       &pci->nb_ios, pci->io_fds, &nb) == 0)
		pci->nb_io_fds = nb;
	else
		drop_ios(pci);
}

/* The eventfd that stands for a write of the bytes of a doorbell, or -1. */
static int
io_fd(const struct vnic_pci *pci, const struct vnic_pci_bell *bell, uint16_t index)
{
	const struct rte_vfio_user_region_io_fd *io;
	uint32_t i;

	for (i = 0; i < pci->nb_ios; i++) {
		io = &pci->ios[i];
		if (io->type != 0 || io->offset != bell->offset ||
		    (io->size != 0 && io->size != bell->size) || io->fd_index >= pci->nb_io_fds)
			continue;
		/* KVM_IOEVENTFD_FLAG_DATAMATCH: other values are written by messages */
		if ((io->flags & 1) != 0 && (bell->size != 2 || io->datamatch != index))
			continue;
		return pci->io_fds[io->fd_index];
	}
	return -1;
}

static int
bell_init(struct vnic_pci *pci, struct vnic_pci_bell *bell, uint16_t index, uint16_t notify_off,
	  bool notify_data)
{
	uint64_t offset = (uint64_t)notify_off * pci->notify_multiplier;

	bell->size = notify_data ? 4 : 2;
	if (offset > pci->notify.len || bell->size > pci->notify.len - offset ||
	    offset % bell->size != 0) {
		VNIC_LOG(ERR, "%s: doorbell %u of queue %u lies outside of the %u bytes of the "
			 "notification structure", pci->name, notify_off, index, pci->notify.len);
		return -EPROTO;
	}
	bell->bar = pci->notify.bar;
	bell->offset = pci->notify.offset + offset;
	bell->fd = io_fd(pci, bell, index);
	bell->va = rte_vfio_user_client_region_va(pci->client, bell->bar, bell->offset,
						  bell->size);
	if (bell->va != NULL && (uintptr_t)bell->va % bell->size == 0)
		bell->type = VNIC_PCI_BELL_MAPPED;
	else if (bell->fd >= 0)
		bell->type = VNIC_PCI_BELL_EVENTFD;
	else
		bell->type = VNIC_PCI_BELL_MESSAGE;
	return 0;
}

/* The device may have made the eventfd blocking, and full: then it is signalled. */
void
vnic_pci_signal(int fd)
{
	struct pollfd pfd = { .fd = fd, .events = POLLOUT };
	int flags = fcntl(fd, F_GETFL);
	uint64_t one = 1;

	if ((flags < 0 || (flags & O_NONBLOCK) == 0) && poll(&pfd, 1, 0) != 1)
		return;
	if (write(fd, &one, sizeof(one)) < 0)
		return; /* full */
}

void
vnic_pci_ring(struct rte_vfio_user_client *client, const struct vnic_pci_bell *bell,
	      uint32_t value)
{
	rte_le32_t le = rte_cpu_to_le_32(value);
	rte_le16_t index = rte_cpu_to_le_16((uint16_t)value);

	if (bell->type == VNIC_PCI_BELL_MAPPED) {
		if (bell->size == sizeof(index))
			__atomic_store_n((rte_le16_t *)bell->va, index, __ATOMIC_RELEASE);
		else
			__atomic_store_n((rte_le32_t *)bell->va, le, __ATOMIC_RELEASE);
	} else if (bell->type == VNIC_PCI_BELL_EVENTFD) {
		vnic_pci_signal(bell->fd);
	} else if (bell->type == VNIC_PCI_BELL_MESSAGE) {
		/* what does not get through is lost with the connection */
		rte_vfio_user_client_region_write_posted(client, bell->bar, bell->offset,
				bell->size == sizeof(index) ? (void *)&index : (void *)&le,
				bell->size);
		rte_vfio_user_client_flush(client);
	}
}

/* --------------------------------------------------------------- status */

int
vnic_pci_status(struct vnic_pci *pci, uint8_t *status)
{
	return reg_read(pci, VIRTIO_PCI_COMMON_STATUS, status, sizeof(*status));
}

int
vnic_pci_status_add(struct vnic_pci *pci, uint8_t bits)
{
	uint8_t status;
	int ret = vnic_pci_status(pci, &status);

	if (ret == 0)
		ret = reg_write(pci, VIRTIO_PCI_COMMON_STATUS, status | bits, sizeof(status));
	return ret;
}

int
vnic_pci_reset(struct vnic_pci *pci)
{
	uint64_t end = rte_get_timer_cycles() + rte_get_timer_hz() * pci->timeout_ms / 1000;
	const struct timespec pause = { .tv_nsec = 200000 };
	uint8_t status;
	int ret;

	ret = reg_write(pci, VIRTIO_PCI_COMMON_STATUS, 0, sizeof(status));
	while (ret == 0) {
		ret = vnic_pci_status(pci, &status);
		if (ret == 0 && status == 0)
			return 0;
		if (ret == 0 && rte_get_timer_cycles() > end)
			ret = -ETIMEDOUT;
		else
			nanosleep(&pause, NULL);
	}
	if (ret != -ENOTCONN)
		VNIC_LOG(ERR, "%s: the device does not reset: %s", pci->name, strerror(-ret));
	return ret;
}

/* ------------------------------------------------------------- features */

static int
read_features(struct vnic_pci *pci, uint64_t *features)
{
	rte_le32_t half[2];
	uint32_t i;
	int ret = 0;

	for (i = 0; i < RTE_DIM(half) && ret == 0; i++) {
		ret = reg_write(pci, VIRTIO_PCI_COMMON_DFSELECT, i, sizeof(uint32_t));
		if (ret == 0)
			ret = reg_read(pci, VIRTIO_PCI_COMMON_DF, &half[i], sizeof(half[i]));
	}
	if (ret == 0)
		*features = (uint64_t)rte_le_to_cpu_32(half[1]) << 32 | rte_le_to_cpu_32(half[0]);
	return ret;
}

int
vnic_pci_begin(struct vnic_pci *pci, uint64_t *offered)
{
	int ret = vnic_pci_reset(pci);

	if (ret == 0)
		ret = vnic_pci_status_add(pci, VIRTIO_CONFIG_S_ACKNOWLEDGE);
	if (ret == 0)
		ret = vnic_pci_status_add(pci, VIRTIO_CONFIG_S_DRIVER);
	return ret == 0 ? read_features(pci, offered) : ret;
}

int
vnic_pci_negotiate(struct vnic_pci *pci, uint64_t features)
{
	struct rte_vfio_user_write writes[4];
	uint8_t status;
	int ret;

	reg_add(pci, &writes[0], VIRTIO_PCI_COMMON_GFSELECT, 0, 4);
	reg_add(pci, &writes[1], VIRTIO_PCI_COMMON_GF, (uint32_t)features, 4);
	reg_add(pci, &writes[2], VIRTIO_PCI_COMMON_GFSELECT, 1, 4);
	reg_add(pci, &writes[3], VIRTIO_PCI_COMMON_GF, features >> 32, 4);
	ret = reg_write_all(pci, writes, RTE_DIM(writes));
	if (ret == 0)
		ret = vnic_pci_status_add(pci, VIRTIO_CONFIG_S_FEATURES_OK);
	if (ret == 0)
		ret = vnic_pci_status(pci, &status);
	if (ret == 0 && (status & VIRTIO_CONFIG_S_FEATURES_OK) == 0) {
		VNIC_LOG(ERR, "%s: the device refuses the features 0x%" PRIx64, pci->name,
			 features);
		ret = -ENOTSUP;
	}
	return ret;
}

/* --------------------------------------------------------------- queues */

int
vnic_pci_nb_queues(struct vnic_pci *pci, uint16_t *nb)
{
	return reg_read16(pci, VIRTIO_PCI_COMMON_NUMQ, nb);
}

int
vnic_pci_queue_max(struct vnic_pci *pci, uint16_t index, uint16_t *size)
{
	int ret = reg_write(pci, VIRTIO_PCI_COMMON_Q_SELECT, index, sizeof(index));

	return ret == 0 ? reg_read16(pci, VIRTIO_PCI_COMMON_Q_SIZE, size) : ret;
}

/* Read a register of the queue back that the device may have changed. */
static int
queue_expect(struct vnic_pci *pci, const struct vnic_pci_queue *queue, uint32_t offset,
	     uint16_t want, const char *what)
{
	uint16_t val = 0;
	int ret = reg_read16(pci, offset, &val);

	if (ret < 0 || val == want)
		return ret;
	VNIC_LOG(ERR, "%s: queue %u: the device has %s 0x%x instead of 0x%x", pci->name,
		 queue->index, what, val, want);
	return -EPROTO;
}

int
vnic_pci_queue_set(struct vnic_pci *pci, const struct vnic_pci_queue *queue, bool notify_data,
		   struct vnic_pci_bell *bell)
{
	struct rte_vfio_user_write w[9];
	uint16_t notify_off, max;
	int ret;

	ret = vnic_pci_queue_max(pci, queue->index, &max);
	if (ret == 0 && queue->size > max) {
		VNIC_LOG(ERR, "%s: queue %u of %u entries, the device has room for %u", pci->name,
			 queue->index, queue->size, max);
		ret = -ENOSPC;
	}
	if (ret < 0)
		return ret;
	reg_add(pci, &w[0], VIRTIO_PCI_COMMON_Q_SELECT, queue->index, 2);
	reg_add(pci, &w[1], VIRTIO_PCI_COMMON_Q_SIZE, queue->size, 2);
	reg_add(pci, &w[2], VIRTIO_PCI_COMMON_Q_MSIX, queue->vector, 2);
	reg_add(pci, &w[3], VIRTIO_PCI_COMMON_Q_DESCLO, (uint32_t)queue->desc, 4);
	reg_add(pci, &w[4], VIRTIO_PCI_COMMON_Q_DESCHI, queue->desc >> 32, 4);
	reg_add(pci, &w[5], VIRTIO_PCI_COMMON_Q_AVAILLO, (uint32_t)queue->driver, 4);
	reg_add(pci, &w[6], VIRTIO_PCI_COMMON_Q_AVAILHI, queue->driver >> 32, 4);
	reg_add(pci, &w[7], VIRTIO_PCI_COMMON_Q_USEDLO, (uint32_t)queue->device, 4);
	reg_add(pci, &w[8], VIRTIO_PCI_COMMON_Q_USEDHI, queue->device >> 32, 4);
	ret = reg_write_all(pci, w, RTE_DIM(w));
	if (ret == 0)
		ret = queue_expect(pci, queue, VIRTIO_PCI_COMMON_Q_SIZE, queue->size, "size");
	if (ret == 0)
		ret = queue_expect(pci, queue, VIRTIO_PCI_COMMON_Q_MSIX, queue->vector, "vector");
	if (ret == 0)
		ret = reg_read16(pci, VIRTIO_PCI_COMMON_Q_NOFF, &notify_off);
	if (ret == 0)
		ret = bell_init(pci, bell, queue->index, notify_off, notify_data);
	return ret == 0 ? reg_write(pci, VIRTIO_PCI_COMMON_Q_ENABLE, 1, 2) : ret;
}

int
vnic_pci_config_vector(struct vnic_pci *pci, uint16_t vector)
{
	uint16_t val;
	int ret = reg_write(pci, VIRTIO_PCI_COMMON_MSIX, vector, sizeof(vector));

	if (ret == 0)
		ret = reg_read16(pci, VIRTIO_PCI_COMMON_MSIX, &val);
	if (ret == 0 && val != vector)
		ret = -EBUSY;
	return ret;
}

/* The registers are the device's: what it refuses, it does not need. */
int
vnic_pci_msix_enable(struct vnic_pci *pci, uint16_t nb)
{
	const struct vnic_pci_msix *msix = &pci->msix;
	const rte_le32_t unmasked = 0;
	rte_le16_t flags;
	uint64_t entry;
	uint16_t i;
	int ret;

	if (msix->at == 0)
		return 0;
	for (i = 0; i < RTE_MIN(nb, msix->nb); i++) {
		entry = msix->offset + (uint64_t)i * PCI_MSIX_ENTRY_SIZE;
		ret = rte_vfio_user_client_region_write(pci->client, msix->bar,
							entry + PCI_MSIX_ENTRY_VECTOR_CTRL,
							&unmasked, sizeof(unmasked));
		if (ret == -ENOTCONN)
			return ret;
	}
	ret = read_at(pci, CONFIG, msix->at + PCI_MSIX_FLAGS, &flags, sizeof(flags));
	if (ret < 0)
		return ret;
	flags &= rte_cpu_to_le_16(~PCI_MSIX_FLAGS_MASKALL);
	flags |= rte_cpu_to_le_16(PCI_MSIX_FLAGS_ENABLE);
	ret = config_write(pci, msix->at + PCI_MSIX_FLAGS, &flags, sizeof(flags));
	return ret == -ENOTCONN ? ret : 0;
}

/* --------------------------------------------------- device configuration */

int
vnic_pci_config_read(struct vnic_pci *pci, uint32_t offset, void *buf, uint32_t len)
{
	const uint64_t at = (uint64_t)pci->device.offset + offset;
	uint8_t before, after;
	unsigned int left;
	int ret = 0;

	if (offset > pci->device.len || len > pci->device.len - offset)
		return -ENOENT;
	for (left = MAX_GENERATIONS; left > 0 && ret == 0; left--) {
		ret = reg_read(pci, VIRTIO_PCI_COMMON_CFGGENERATION, &before, 1);
		if (ret == 0)
			ret = read_at(pci, pci->device.bar, at, buf, len);
		if (ret == 0)
			ret = reg_read(pci, VIRTIO_PCI_COMMON_CFGGENERATION, &after, 1);
		if (ret == 0 && before == after)
			return 0;
	}
	if (ret == 0)
		ret = -EAGAIN; /* it never stops changing */
	return ret;
}

int
vnic_pci_config_write(struct vnic_pci *pci, uint32_t offset, const uint8_t *buf, uint32_t len)
{
	const uint64_t at = (uint64_t)pci->device.offset + offset;
	ssize_t ret;
	uint32_t i;

	if (offset > pci->device.len || len > pci->device.len - offset)
		return -ENOENT;
	for (i = 0; i < len; i++) {
		ret = rte_vfio_user_client_region_write(pci->client, pci->device.bar, at + i,
							&buf[i], 1);
		if (ret != 1)
			return ret < 0 ? (int)ret : -EIO;
	}
	return 0;
}

/* ---------------------------------------------------------------- life */

int
vnic_pci_init(struct vnic_pci *pci)
{
	struct vfio_irq_info irq = { 0 };
	struct vfio_device_info info;
	void *base;
	int ret;

	ret = rte_vfio_user_client_device_info(pci->client, &info);
	if (ret == 0 && (info.flags & VFIO_DEVICE_FLAGS_PCI) == 0)
		ret = -ENODEV;
	if (ret == 0)
		ret = find(pci);
	if (ret < 0)
		return ret;
	/* polling does without interrupts */
	if (rte_vfio_user_client_irq_info(pci->client, VFIO_PCI_MSIX_IRQ_INDEX, &irq) == 0)
		pci->nb_vectors = RTE_MIN(irq.count, (uint32_t)RTE_VFIO_USER_MAX_VECTORS);
	ret = rte_vfio_user_client_region_mmap(pci->client, pci->notify.bar, &base);
	if (ret < 0 && ret != -ENOTSUP)
		VNIC_LOG(NOTICE, "%s: BAR %u cannot be mapped: %s", pci->name, pci->notify.bar,
			 strerror(-ret));
	vnic_pci_renew(pci);
	return 0;
}

void
vnic_pci_fini(struct vnic_pci *pci)
{
	drop_ios(pci);
}
