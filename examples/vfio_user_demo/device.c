/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

/* What the device does: registers, copy engine, interrupts. */

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include <rte_common.h>

#include "device.h"

#define DMA_MAX_LEN (16u << 20)

enum { STATUS_IDLE, STATUS_BUSY, STATUS_DONE, STATUS_ERROR };
enum { CAUSE_DMA_DONE = 1, CAUSE_DMA_ERROR = 2, CAUSE_SOFTWARE = 4, CAUSE_ALL = 7 };

/* The access to the client's memory that is in flight. */
enum { STEP_NONE, STEP_READ, STEP_WRITE, STEP_STALE };

#define REG(dev, off) ((dev)->regs[(off) / 4])
#define REG64(dev, off) (REG(dev, off) | (uint64_t)REG(dev, (off) + 4) << 32)

/* ----------------------------------------------------------- interrupts */

/* Add causes; each kind triggers its vector, or the line is up while one is set. */
static void
irq_update(struct demo *dev, uint32_t raised)
{
	bool msix = rte_vfio_user_pci_msix_enabled(dev->pci);

	REG(dev, REG_IRQ_CAUSE) |= raised;
	if (raised & (CAUSE_DMA_DONE | CAUSE_DMA_ERROR))
		rte_vfio_user_pci_irq_trigger(dev->pci, MSIX_DMA);
	if (raised & CAUSE_SOFTWARE)
		rte_vfio_user_pci_irq_trigger(dev->pci, MSIX_SOFTWARE);
	rte_vfio_user_pci_intx_set(dev->pci, !msix && REG(dev, REG_IRQ_CAUSE) != 0);
}

void
demo_irq_changed(struct rte_vfio_user_server *srv, uint32_t index, uint32_t start,
		 uint32_t count, void *priv)
{
	RTE_SET_USED(srv);
	RTE_SET_USED(index);
	RTE_SET_USED(start);
	RTE_SET_USED(count);
	irq_update(priv, 0); /* MSI-X may have come or gone */
}

/* ------------------------------------------------------------ copy engine */

/* One memcpy() in a read section, if both sides are mapped here. */
static bool
copy_direct(struct demo *dev, uint64_t dst, uint64_t src, uint32_t len)
{
	uint8_t *d, *s;
	bool direct;

	rte_vfio_user_dma_begin(dev->reader);
	s = rte_vfio_user_dma_va(dev->reader, src, len, PROT_READ);
	d = rte_vfio_user_dma_va(dev->reader, dst, len, PROT_WRITE);
	direct = s != NULL && d != NULL && (s + len <= d || d + len <= s);
	if (direct)
		memcpy(d, s, len);
	rte_vfio_user_dma_end(dev->reader);
	return direct;
}

static void
copy_finish(struct demo *dev, int status)
{
	if (status == 0)
		REG(dev, REG_DMA_COPIES)++;
	else
		REG(dev, REG_DMA_ERRNO) = -status;
	REG(dev, REG_STATUS) = status == 0 ? STATUS_DONE : STATUS_ERROR;
	irq_update(dev, status == 0 ? CAUSE_DMA_DONE : CAUSE_DMA_ERROR);
}

/*
 * Go on with the copy, also as the completion of its last step. It ascends in
 * chunks, each read completely before it is written: that is what overlapping
 * ranges give. Registers are served all the while: QEMU answers no DMA message
 * before its own accesses have been answered.
 */
static void
copy_next(struct rte_vfio_user_server *srv, int status, void *arg)
{
	struct demo *dev = arg;
	struct rte_vfio_user_dma_sg sg = { .buf = dev->bounce };
	int last = dev->step;

	dev->step = STEP_NONE;
	if (last == STEP_STALE)
		return;
	if (last == STEP_WRITE && status == 0)
		dev->done += RTE_MIN(dev->len - dev->done, DMA_CHUNK);
	while (status == 0 && dev->done < dev->len) {
		sg.len = RTE_MIN(dev->len - dev->done, DMA_CHUNK);
		if (last != STEP_READ && copy_direct(dev, dev->dst + dev->done,
						     dev->src + dev->done, sg.len)) {
			dev->done += sg.len;
			continue;
		}
		dev->step = last == STEP_READ ? STEP_WRITE : STEP_READ;
		sg.iova = (last == STEP_READ ? dev->dst : dev->src) + dev->done;
		status = rte_vfio_user_server_dma_submit(srv, last == STEP_READ, &sg, 1,
							 copy_next, dev);
		if (status == 0)
			return;
		dev->step = STEP_NONE;
	}
	copy_finish(dev, status);
}

void
demo_run(struct demo *dev)
{
	if (REG(dev, REG_STATUS) == STATUS_BUSY && dev->step == STEP_NONE)
		copy_next(dev->srv, dev->len <= DMA_MAX_LEN ? 0 : -EINVAL, dev);
}

/* ------------------------------------------------------------- registers */

static void
doorbell_ring(struct demo *dev)
{
	if (REG(dev, REG_STATUS) == STATUS_BUSY)
		return;
	REG(dev, REG_STATUS) = STATUS_BUSY;
	dev->src = REG64(dev, REG_DMA_SRC);
	dev->dst = REG64(dev, REG_DMA_DST);
	dev->len = REG(dev, REG_DMA_LEN);
	dev->done = 0;
}

/* Write one byte of a register; what acts does so with its low byte. */
static void
reg_write(struct demo *dev, uint32_t off, uint8_t byte)
{
	uint32_t reg = off & ~3u, shift = off % 4 * 8, val = (uint32_t)byte << shift;

	if (reg == REG_SCRATCH || (reg >= REG_DMA_SRC && reg <= REG_DMA_LEN)) {
		REG(dev, reg) = (REG(dev, reg) & ~(0xffu << shift)) | val;
	} else if (reg == REG_DOORBELL && (val & 1)) {
		doorbell_ring(dev);
	} else if (reg == REG_IRQ_CAUSE) {
		REG(dev, reg) &= ~val;
		irq_update(dev, 0);
	} else if (reg == REG_IRQ_RAISE) {
		irq_update(dev, val & CAUSE_ALL);
	}
}

ssize_t
demo_bar0_access(struct rte_vfio_user_server *srv,
		 const struct rte_vfio_user_region_access *acc, void *priv)
{
	struct demo *dev = priv;
	uint8_t *data = acc->data;
	uint32_t i, off;

	RTE_SET_USED(srv);
	for (i = 0; i < acc->count; i++) {
		off = acc->offset + i;
		if (!acc->is_write)
			data[i] = off < REG_END ? REG(dev, off) >> (off % 4 * 8) : 0;
		else if (off < REG_END)
			reg_write(dev, off, data[i]);
	}
	return acc->count;
}

/* The same for every reason; a copy is given up. */
int
demo_reset(struct rte_vfio_user_server *srv, enum rte_vfio_user_reset reason, void *priv)
{
	struct demo *dev = priv;

	RTE_SET_USED(srv);
	if (dev->step != STEP_NONE)
		dev->step = STEP_STALE;
	memset(dev->regs, 0, sizeof(dev->regs));
	REG(dev, REG_ID) = 0x56465544;
	REG(dev, REG_VERSION) = 1;
	rte_vfio_user_pci_reset(dev->pci, reason);
	return 0;
}
