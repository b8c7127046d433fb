/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <linux/vfio.h>

#include <rte_bitops.h>
#include <rte_common.h>
#include <rte_errno.h>

#include "vfio_user_log.h"
#include "vfio_user_pci.h"

#define BAR_FLAGS (RTE_VFIO_USER_PCI_BAR_MEM64 | \
		   RTE_VFIO_USER_PCI_BAR_PREFETCH | RTE_VFIO_USER_PCI_BAR_IO)
#define IO_BAR_MAX_SIZE 256
#define STATUS_ERRORS (PCI_STATUS_PARITY | PCI_STATUS_SIG_TARGET_ABORT | \
		       PCI_STATUS_REC_TARGET_ABORT | PCI_STATUS_REC_MASTER_ABORT | \
		       PCI_STATUS_SIG_SYSTEM_ERROR | PCI_STATUS_DETECTED_PARITY)
#define ROM_MIN_SIZE 2048
#define ROM_MAX_SIZE (16u << 20)

/* ---------------------------------------------------------------- header */

static void
header_define(struct rte_vfio_user_pci *pci,
	      const struct rte_vfio_user_pci_id *id)
{
	vfio_user_pci_define(pci, PCI_VENDOR_ID, 2, id->vendor_id, 0);
	vfio_user_pci_define(pci, PCI_DEVICE_ID, 2, id->device_id, 0);
	/* I/O Space Enable becomes writable with the first I/O BAR. */
	vfio_user_pci_define(pci, PCI_COMMAND, 2, 0,
		   PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER |
		   PCI_COMMAND_PARITY | PCI_COMMAND_SERR |
		   PCI_COMMAND_INTX_DISABLE);
	vfio_user_pci_define_cleared(pci, PCI_STATUS, 2, STATUS_ERRORS);
	vfio_user_pci_define(pci, PCI_CLASS_REVISION, 4,
		   id->class_code << 8 | id->revision_id, 0);
	/* Without effect; the Latency Timer is hardwired to 0 in PCI Express. */
	vfio_user_pci_define(pci, PCI_CACHE_LINE_SIZE, 1, 0, UINT8_MAX);
	vfio_user_pci_define(pci, PCI_SUBSYSTEM_VENDOR_ID, 2,
			     id->subsystem_vendor_id, 0);
	vfio_user_pci_define(pci, PCI_SUBSYSTEM_ID, 2, id->subsystem_id, 0);
	vfio_user_pci_define(pci, PCI_INTERRUPT_LINE, 1, 0, UINT8_MAX);
	vfio_user_pci_define(pci, PCI_INTERRUPT_PIN, 1, id->intx_pin, 0);
	memset(pci->used, true, PCI_STD_HEADER_SIZEOF);
}

/*
 * What the server has to know: the space, and INTx if there is a pin. The space
 * last, as it leads here.
 */
static int
server_describe(struct rte_vfio_user_pci *pci, uint8_t intx_pin)
{
	int ret = 0;

	if (intx_pin != 0)
		ret = rte_vfio_user_server_irq_set(pci->srv, VFIO_PCI_INTX_IRQ_INDEX, 1,
				VFIO_IRQ_INFO_EVENTFD | VFIO_IRQ_INFO_MASKABLE |
				VFIO_IRQ_INFO_AUTOMASKED);
	return ret < 0 ? ret : vfio_user_pci_region_set(pci);
}

struct rte_vfio_user_pci *
rte_vfio_user_pci_create(struct rte_vfio_user_server *srv,
			 const struct rte_vfio_user_pci_id *id)
{
	struct rte_vfio_user_pci *pci;
	int ret;

	if (srv == NULL || id == NULL || id->intx_pin > 4 ||
	    id->class_code >> 24 != 0) {
		rte_errno = EINVAL;
		return NULL;
	}
	pci = calloc(1, sizeof(*pci));
	if (pci == NULL) {
		rte_errno = ENOMEM;
		return NULL;
	}
	pci->srv = srv;
	pci->cap_link = PCI_CAPABILITY_LIST;
	pthread_mutex_init(&pci->intx_lock, NULL);
	header_define(pci, id);

	ret = server_describe(pci, id->intx_pin);
	if (ret < 0) {
		rte_vfio_user_pci_destroy(pci);
		rte_errno = -ret;
		return NULL;
	}
	return pci;
}

void
rte_vfio_user_pci_destroy(struct rte_vfio_user_pci *pci)
{
	struct vfio_user_pci_watch *watch;
	uint32_t i;

	if (pci == NULL)
		return;
	vfio_user_pci_msi_fini(pci);
	while ((watch = pci->watches) != NULL) {
		pci->watches = watch->next;
		free(watch);
	}
	for (i = 0; i < PCI_STD_NUM_BARS; i++)
		free(pci->bars[i].areas);
	free(pci->rom);
	pthread_mutex_destroy(&pci->intx_lock);
	free(pci);
}

/* ------------------------------------------------------ accesses to BARs */

/* Bytes of the device model: its callback, its memory, or nothing. */
static ssize_t
model_access(const struct vfio_user_pci_bar *bar,
	     const struct rte_vfio_user_region_access *acc)
{
	if (bar->cb != NULL)
		return bar->cb(bar->pci->srv, acc, bar->priv);
	if (bar->base != NULL && acc->is_write)
		memcpy(bar->base + acc->offset, acc->data, acc->count);
	else if (bar->base != NULL)
		memcpy(acc->data, bar->base + acc->offset, acc->count);
	else if (!acc->is_write)
		memset(acc->data, 0, acc->count);
	return acc->count;
}

/*
 * The device model expects data that are aligned to 8 bytes. Up to 7 of the bytes
 * in front make room, as they belong to the part before.
 */
static ssize_t
aligned_access(const struct vfio_user_pci_bar *bar,
	       const struct rte_vfio_user_region_access *part)
{
	struct rte_vfio_user_region_access moved = *part;
	uint8_t front[8], *data = part->data;
	size_t shift = (uintptr_t)data % sizeof(front);
	ssize_t ret;

	if (shift == 0)
		return model_access(bar, part);
	moved.data = data - shift;
	memcpy(front, moved.data, shift);
	if (part->is_write)
		memmove(moved.data, data, part->count);
	ret = model_access(bar, &moved);
	if (!part->is_write)
		memmove(data, moved.data, part->count);
	memcpy(moved.data, front, shift);
	return ret;
}

/*
 * A part of an access that is also about the MSI-X structures. It cannot be
 * completed later: the token stands for all of the access.
 */
static ssize_t
part_access(const struct vfio_user_pci_bar *bar,
	    const struct rte_vfio_user_region_access *part)
{
	ssize_t ret = aligned_access(bar, part);

	if (ret != RTE_VFIO_USER_PENDING)
		return ret;
	VFIO_USER_LOG_PEER(&bar->pci->limit, "BAR%u: access at 0x%" PRIx64 " deferred, of"
			   " one that covers MSI-X structures, too", part->region,
			   part->offset);
	return -EIO;
}

ssize_t
vfio_user_pci_bar_access(struct vfio_user_pci_bar *bar,
			 const struct rte_vfio_user_region_access *acc)
{
	struct rte_vfio_user_region_access part = *acc;
	uint64_t run, done = 0;
	ssize_t ret;
	bool owned;

	while (done < acc->count) {
		part.offset = acc->offset + done;
		owned = vfio_user_pci_msix_owns(bar->pci, acc->region, part.offset,
						&run);
		if (!owned && done == 0 && run >= acc->count)
			return model_access(bar, acc);
		part.data = (uint8_t *)acc->data + done;
		part.count = RTE_MIN(run, acc->count - done);
		done += part.count;
		if (owned) {
			vfio_user_pci_msix_bar_access(bar->pci, &part);
			continue;
		}
		ret = part_access(bar, &part);
		if (ret < 0)
			return ret;
		if (ret < (ssize_t)part.count)
			return done - part.count + ret;
	}
	return acc->count;
}

static ssize_t
bar_region_cb(struct rte_vfio_user_server *srv,
	      const struct rte_vfio_user_region_access *acc, void *priv)
{
	RTE_SET_USED(srv);
	return vfio_user_pci_bar_access(priv, acc);
}

/* ------------------------------------------------------------------ BARs */

static bool
bar_is_valid(uint32_t bar, uint64_t size, uint32_t flags)
{
	if (bar >= PCI_STD_NUM_BARS || (flags & ~BAR_FLAGS) != 0 ||
	    size == 0 || (size & (size - 1)) != 0)
		return false;
	if (flags & RTE_VFIO_USER_PCI_BAR_IO)
		return flags == RTE_VFIO_USER_PCI_BAR_IO &&
			size > ~PCI_BASE_ADDRESS_IO_MASK &&
			size <= IO_BAR_MAX_SIZE;
	if (size <= ~PCI_BASE_ADDRESS_MEM_MASK)
		return false;
	if (flags & RTE_VFIO_USER_PCI_BAR_MEM64)
		return bar + 1 < PCI_STD_NUM_BARS;
	return size <= UINT32_MAX;
}

/* An address, which a reset leaves alone: it is of the client's bus, not the device's. */
static void
address_define(struct rte_vfio_user_pci *pci, uint32_t reg, uint32_t val, uint32_t writable)
{
	vfio_user_pci_define(pci, reg, 4, val, writable);
	vfio_user_pci_define_sticky(pci, reg, 4, writable);
}

/* The address bits below the size are not writable: that tells the size. */
static void
bar_define(struct rte_vfio_user_pci *pci, uint32_t bar, uint64_t size,
	   uint32_t flags)
{
	const uint32_t reg = VFIO_USER_PCI_BAR_REG(bar);
	uint64_t mask = ~(size - 1);
	uint32_t val = 0;

	if (flags & RTE_VFIO_USER_PCI_BAR_IO) {
		address_define(pci, reg, PCI_BASE_ADDRESS_SPACE_IO, mask);
		pci->writable[PCI_COMMAND] |= PCI_COMMAND_IO;
		return;
	}
	if (flags & RTE_VFIO_USER_PCI_BAR_PREFETCH)
		val |= PCI_BASE_ADDRESS_MEM_PREFETCH;
	if (flags & RTE_VFIO_USER_PCI_BAR_MEM64) {
		val |= PCI_BASE_ADDRESS_MEM_TYPE_64;
		address_define(pci, reg + 4, 0, mask >> 32);
	}
	address_define(pci, reg, val, mask);
}

/* Remember what of the BAR is the device model's. */
static int
bar_fill(struct vfio_user_pci_bar *b, const struct rte_vfio_user_region_conf *region)
{
	size_t len = region->nb_areas * sizeof(*b->areas);

	b->mappable = region->fd >= 0 || region->nb_areas != 0;
	b->cb = region->cb;
	b->priv = region->priv;
	b->base = region->base;
	if (region->nb_areas == 0)
		return 0;
	b->areas = malloc(len);
	if (b->areas == NULL)
		return -ENOMEM;
	memcpy(b->areas, region->areas, len);
	b->nb_areas = region->nb_areas;
	return 0;
}

/* The region's accesses come here first. */
static int
bar_region_set(struct rte_vfio_user_pci *pci, uint32_t bar,
	       const struct rte_vfio_user_region_conf *region)
{
	struct rte_vfio_user_region_conf conf = *region;

	conf.cb = bar_region_cb;
	conf.priv = &pci->bars[bar];
	conf.base = NULL;
	return rte_vfio_user_server_region_set(pci->srv,
			VFIO_PCI_BAR0_REGION_INDEX + bar, &conf);
}

int
rte_vfio_user_pci_bar_add(struct rte_vfio_user_pci *pci, uint32_t bar,
			  uint32_t flags,
			  const struct rte_vfio_user_region_conf *region)
{
	const struct rte_vfio_user_region_conf none = { .fd = -1 };
	bool mem64 = flags & RTE_VFIO_USER_PCI_BAR_MEM64;
	struct vfio_user_pci_bar *b;
	int ret;

	if (pci == NULL || region == NULL ||
	    !bar_is_valid(bar, region->size, flags))
		return vfio_user_misuse(__func__);
	b = &pci->bars[bar];
	if (b->taken || (mem64 && pci->bars[bar + 1].taken))
		return -EEXIST;
	ret = bar_region_set(pci, bar, region); /* checks it, too */
	if (ret < 0)
		return ret;
	ret = bar_fill(b, region);
	if (ret < 0) {
		bar_region_set(pci, bar, &none);
		return ret;
	}
	b->pci = pci;
	b->size = region->size;
	b->flags = flags;
	b->taken = true;
	if (mem64)
		pci->bars[bar + 1].taken = true;
	bar_define(pci, bar, region->size, flags);
	return 0;
}

bool
vfio_user_pci_bar_traps(const struct rte_vfio_user_pci *pci, uint32_t bar,
			uint64_t off, uint64_t size)
{
	const struct vfio_user_pci_bar *b;
	uint32_t i;

	if (bar >= PCI_STD_NUM_BARS)
		return false;
	b = &pci->bars[bar];
	if ((b->flags & RTE_VFIO_USER_PCI_BAR_IO) != 0 ||
	    size > b->size || off > b->size - size ||
	    (b->mappable && b->nb_areas == 0))
		return false;
	for (i = 0; i < b->nb_areas; i++)
		if (off < b->areas[i].offset + b->areas[i].size &&
		    b->areas[i].offset < off + size)
			return false;
	return true;
}

/* --------------------------------------------------------- expansion ROM */

static int
rom_region_set(struct rte_vfio_user_pci *pci, void *rom, uint32_t size)
{
	const struct rte_vfio_user_region_conf conf = {
		.size = size,
		.flags = RTE_VFIO_USER_REGION_F_READ,
		.base = rom,
		.fd = -1,
	};

	return rte_vfio_user_server_region_set(pci->srv, VFIO_PCI_ROM_REGION_INDEX,
					       &conf);
}

int
rte_vfio_user_pci_rom_add(struct rte_vfio_user_pci *pci, const void *image,
			  uint32_t size)
{
	uint32_t rom_size;
	uint8_t *rom;
	int ret;

	if (pci == NULL || image == NULL || size == 0 || size > ROM_MAX_SIZE)
		return vfio_user_misuse(__func__);
	if (pci->rom != NULL)
		return -EEXIST;
	rom_size = RTE_MAX(rte_align32pow2(size), (uint32_t)ROM_MIN_SIZE);
	rom = malloc(rom_size);
	if (rom == NULL)
		return -ENOMEM;
	memcpy(rom, image, size);
	memset(rom + size, UINT8_MAX, rom_size - size);
	ret = rom_region_set(pci, rom, rom_size);
	if (ret < 0) {
		free(rom);
		return ret;
	}
	pci->rom = rom;
	address_define(pci, PCI_ROM_ADDRESS, 0, ~(rom_size - 1));
	pci->writable[PCI_ROM_ADDRESS] |= PCI_ROM_ADDRESS_ENABLE;
	return 0;
}
