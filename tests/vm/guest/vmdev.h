/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

/**
 * @file
 * vmdev: drives the demo PCI device, and those of app/test/pci_devices.c, from
 * user space inside a test guest.
 *
 * One command per run (see vmdev.c); it prints what it saw and exits with 0,
 * or prints what is wrong and exits with 1. The device is reached either by
 * the kernel's sysfs files (pci.c) or by vfio-pci and an IOMMU (vfio.c).
 */
#ifndef VMDEV_H
#define VMDEV_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Register offsets in BAR 0. */
enum {
	REG_DMA_SRC = 0x10,
	REG_DMA_DST = 0x18,
	REG_DMA_LEN = 0x20,
	REG_DOORBELL = 0x24,
	REG_STATUS = 0x28,
	REG_IRQ_CAUSE = 0x2c,
	REG_IRQ_RAISE = 0x30,
	REG_DMA_ERRNO = 0x34,
};

enum { STATUS_IDLE, STATUS_BUSY, STATUS_DONE, STATUS_ERROR };

enum { CAUSE_DMA_DONE = 1, CAUSE_DMA_ERROR = 2, CAUSE_SOFTWARE = 4 };

#define HUGE_PAGE (2ul << 20)

/** End the program with a message; errno's text is added when err is not 0. */
void fail(int err, const char *format, ...)
	__attribute__((noreturn, format(printf, 2, 3)));

/** Seconds since some fixed point. */
double now(void);

/* pci.c: a device by its sysfs folder, e.g. "0000:01:00.0". */

struct pci_dev {
	char folder[64];
	int config; /**< fd of the configuration space */
};

/**
 * Open a device: memory decoding and bus mastering are switched on, INTx off.
 * A device whose interrupt nobody takes would stop others that share its line.
 */
void pci_open(struct pci_dev *dev, const char *address);

uint16_t pci_read16(const struct pci_dev *dev, off_t offset);
void pci_write16(const struct pci_dev *dev, off_t offset, uint16_t value);

/** Map a whole BAR; *size is set when not NULL. */
volatile void *pci_map_bar(const struct pci_dev *dev, int bar, size_t *size);

/** Map the page with an aligned 32-bit word of a BAR of any size; that word. */
volatile void *pci_map_word(const struct pci_dev *dev, int bar, off_t offset);

/** Access 1, 2 or 4 bytes of an I/O BAR. */
uint32_t pci_in(const struct pci_dev *dev, int bar, off_t offset, size_t len);
void pci_out(const struct pci_dev *dev, int bar, off_t offset, size_t len, uint32_t value);

static inline uint32_t
reg_read(volatile void *bar, size_t offset)
{
	return *(volatile uint32_t *)((volatile char *)bar + offset);
}

static inline void
reg_write(volatile void *bar, size_t offset, uint32_t value)
{
	*(volatile uint32_t *)((volatile char *)bar + offset) = value;
}

/* dma.c: buffers and the device's copy engine. */

/** Allocate len bytes of huge pages: present, zeroed, physically contiguous. */
void *dma_alloc(size_t len);

/** Physical address of a byte of this process. */
uint64_t dma_phys(const void *addr);

/** Fill with numbers that repeat neither in the buffer nor between runs. */
void dma_fill(void *buf, size_t len);

uint64_t dma_checksum(const void *buf, size_t len);

/** Have the device copy, wait for the end of it; 0 or the device's errno. */
int dma_copy(volatile void *regs, uint64_t dst, uint64_t src, uint32_t len);

/** End the program unless both buffers hold the same. */
void dma_compare(const void *dst, const void *src, size_t len);

/* vfio.c */

/** MSI-X and DMA of a device bound to vfio-pci, behind the guest's IOMMU. */
void vfio_test(const char *address);

/** MSI and its mask bits of such a device whose doorbell is in an I/O BAR. */
void vfio_test_msi(const char *address, uint32_t bar, off_t doorbell);

#endif /* VMDEV_H */
