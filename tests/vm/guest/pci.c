/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <linux/pci_regs.h>

#include "vmdev.h"

#define PAGE 4096l

static int
open_file(const struct pci_dev *dev, const char *name, int flags)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", dev->folder, name);
	fd = open(path, flags | O_CLOEXEC);
	if (fd < 0)
		fail(errno, "cannot open %s", path);
	return fd;
}

/*
 * Nobody has enabled a device that was plugged in and has no kernel driver; one
 * that has a driver is busy, and enabled by it.
 */
static void
enable(const struct pci_dev *dev)
{
	int fd = open_file(dev, "enable", O_WRONLY);

	if (write(fd, "1", 1) != 1 && errno != EBUSY)
		fail(errno, "cannot enable the device");
	close(fd);
}

void
pci_open(struct pci_dev *dev, const char *address)
{
	uint16_t command;

	snprintf(dev->folder, sizeof(dev->folder), "/sys/bus/pci/devices/%s",
		 address);
	dev->config = open_file(dev, "config", O_RDWR);
	enable(dev);
	command = pci_read16(dev, PCI_COMMAND);
	command |= PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_INTX_DISABLE;
	pci_write16(dev, PCI_COMMAND, command);
}

uint16_t
pci_read16(const struct pci_dev *dev, off_t offset)
{
	uint16_t value;

	if (pread(dev->config, &value, sizeof(value), offset) != sizeof(value))
		fail(errno, "cannot read config space at 0x%lx", (long)offset);
	return value;
}

void
pci_write16(const struct pci_dev *dev, off_t offset, uint16_t value)
{
	if (pwrite(dev->config, &value, sizeof(value), offset) != sizeof(value))
		fail(errno, "cannot write config space at 0x%lx", (long)offset);
}

static int
open_bar(const struct pci_dev *dev, int bar)
{
	char name[16];

	snprintf(name, sizeof(name), "resource%d", bar);
	return open_file(dev, name, O_RDWR);
}

static volatile void *
map_bar(int fd, int bar, off_t offset, size_t len)
{
	void *addr = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, offset);

	if (addr == MAP_FAILED)
		fail(errno, "cannot map %zu bytes of BAR %d at 0x%lx", len, bar, (long)offset);
	close(fd);
	return addr;
}

volatile void *
pci_map_bar(const struct pci_dev *dev, int bar, size_t *size)
{
	int fd = open_bar(dev, bar);
	struct stat st;

	if (fstat(fd, &st) < 0)
		fail(errno, "cannot stat BAR %d", bar);
	if (size != NULL)
		*size = st.st_size;
	return map_bar(fd, bar, 0, st.st_size);
}

volatile void *
pci_map_word(const struct pci_dev *dev, int bar, off_t offset)
{
	off_t page = offset & -PAGE;

	return (volatile char *)map_bar(open_bar(dev, bar), bar, page, PAGE) + (offset - page);
}

uint32_t
pci_in(const struct pci_dev *dev, int bar, off_t offset, size_t len)
{
	int fd = open_bar(dev, bar);
	uint32_t value = 0;

	if (pread(fd, &value, len, offset) != (ssize_t)len)
		fail(errno, "cannot read %zu bytes of BAR %d at 0x%lx", len, bar, (long)offset);
	close(fd);
	return value;
}

void
pci_out(const struct pci_dev *dev, int bar, off_t offset, size_t len, uint32_t value)
{
	int fd = open_bar(dev, bar);

	if (pwrite(fd, &value, len, offset) != (ssize_t)len)
		fail(errno, "cannot write %zu bytes of BAR %d at 0x%lx", len, bar, (long)offset);
	close(fd);
}
