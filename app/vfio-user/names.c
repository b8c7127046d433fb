/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <linux/vfio.h>

#include <rte_common.h>

#include "names.h"
#include "tool.h"

static const char *const regions[] = {
	[VFIO_PCI_BAR0_REGION_INDEX] = "bar0",
	[VFIO_PCI_BAR1_REGION_INDEX] = "bar1",
	[VFIO_PCI_BAR2_REGION_INDEX] = "bar2",
	[VFIO_PCI_BAR3_REGION_INDEX] = "bar3",
	[VFIO_PCI_BAR4_REGION_INDEX] = "bar4",
	[VFIO_PCI_BAR5_REGION_INDEX] = "bar5",
	[VFIO_PCI_ROM_REGION_INDEX] = "rom",
	[VFIO_PCI_CONFIG_REGION_INDEX] = "config",
	[VFIO_PCI_VGA_REGION_INDEX] = "vga",
};

static const char *const irqs[] = {
	[VFIO_PCI_INTX_IRQ_INDEX] = "intx",
	[VFIO_PCI_MSI_IRQ_INDEX] = "msi",
	[VFIO_PCI_MSIX_IRQ_INDEX] = "msix",
	[VFIO_PCI_ERR_IRQ_INDEX] = "err",
	[VFIO_PCI_REQ_IRQ_INDEX] = "req",
};

const struct flag_name device_flags[] = {
	{ VFIO_DEVICE_FLAGS_RESET, "reset" },
	{ VFIO_DEVICE_FLAGS_PCI, "pci" },
	{ VFIO_DEVICE_FLAGS_PLATFORM, "platform" },
	{ VFIO_DEVICE_FLAGS_AMBA, "amba" },
	{ VFIO_DEVICE_FLAGS_CCW, "ccw" },
	{ VFIO_DEVICE_FLAGS_AP, "ap" },
	{ VFIO_DEVICE_FLAGS_FSL_MC, "fsl-mc" },
	{ VFIO_DEVICE_FLAGS_CAPS, "caps" },
	{ 0 },
};

const struct flag_name region_flags[] = {
	{ VFIO_REGION_INFO_FLAG_READ, "read" },
	{ VFIO_REGION_INFO_FLAG_WRITE, "write" },
	{ VFIO_REGION_INFO_FLAG_MMAP, "mmap" },
	{ VFIO_REGION_INFO_FLAG_CAPS, "caps" },
	{ 0 },
};

const struct flag_name irq_flags[] = {
	{ VFIO_IRQ_INFO_EVENTFD, "eventfd" },
	{ VFIO_IRQ_INFO_MASKABLE, "maskable" },
	{ VFIO_IRQ_INFO_AUTOMASKED, "automasked" },
	{ VFIO_IRQ_INFO_NORESIZE, "noresize" },
	{ 0 },
};

const char *
region_name(char buf[NAME_SIZE], uint32_t index)
{
	if (index < RTE_DIM(regions))
		snprintf(buf, NAME_SIZE, "%s", regions[index]);
	else
		snprintf(buf, NAME_SIZE, "region%u", index);
	return buf;
}

const char *
irq_name(char buf[NAME_SIZE], uint32_t index)
{
	if (index < RTE_DIM(irqs))
		snprintf(buf, NAME_SIZE, "%s", irqs[index]);
	else
		snprintf(buf, NAME_SIZE, "irq%u", index);
	return buf;
}

static uint32_t
index_parse(const char *word, const char *what, const char *const names[], uint32_t nb)
{
	uint32_t i;

	for (i = 0; i < nb; i++)
		if (strcasecmp(word, names[i]) == 0)
			return i;
	if (!isdigit((unsigned char)word[0]))
		usage(NULL, "no %s is called '%s'", what, word);
	return (uint32_t)parse_number(word, what, UINT32_MAX);
}

uint32_t
region_parse(const char *word)
{
	return index_parse(word, "region", regions, RTE_DIM(regions));
}

uint32_t
irq_parse(const char *word)
{
	return index_parse(word, "interrupt index", irqs, RTE_DIM(irqs));
}

const char *
flags_text(char buf[NAME_SIZE], const struct flag_name *names, uint32_t flags)
{
	size_t len = 0;

	buf[0] = '\0';
	for (; names->name != NULL; names++) {
		if ((flags & names->flag) != 0)
			len += (size_t)snprintf(buf + len, NAME_SIZE - len, " %s", names->name);
		flags &= ~names->flag;
	}
	if (flags != 0)
		snprintf(buf + len, NAME_SIZE - len, " 0x%x", flags);
	return buf;
}

json_t *
flags_json(const struct flag_name *names, uint32_t flags)
{
	json_t *list = json_array();

	for (; names->name != NULL; names++) {
		if ((flags & names->flag) != 0)
			json_array_append_new(list, json_string(names->name));
		flags &= ~names->flag;
	}
	if (flags != 0)
		json_array_append_new(list, json_hex(flags, 8));
	return list;
}

const char *
bytes_text(char buf[NAME_SIZE], uint64_t bytes)
{
	static const char *const units[] = { "bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
	double part = (double)bytes;
	uint64_t whole = bytes;
	uint32_t i;

	for (i = 0; i + 1 < RTE_DIM(units) && whole >= 1024 && whole % 1024 == 0; i++)
		whole /= 1024;
	if (whole < 10000 || i + 1 == RTE_DIM(units)) {
		snprintf(buf, NAME_SIZE, "%" PRIu64 " %s", whole, units[i]);
		return buf;
	}
	for (i = 0; i + 1 < RTE_DIM(units) && part >= 1024; i++)
		part /= 1024;
	snprintf(buf, NAME_SIZE, "%.1f %s", part, units[i]);
	return buf;
}
