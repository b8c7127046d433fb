/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <rte_common.h>

#include "show.h"

/* Offsets and identifiers of the PCI specification. */
enum {
	CFG_CLASS = 0x08, CFG_SUBSYSTEM = 0x2c, CFG_CAPABILITIES = 0x34, CFG_HEADER_END = 0x40,
	CAP_PM = 0x01, CAP_EXPRESS = 0x10, CAP_MSIX = 0x11,
};

void
show_heading(const char *title)
{
	printf("\n%s\n", title);
}

void
show(const char *name, const char *format, ...)
{
	va_list ap;

	printf("  %-24s ", name);
	va_start(ap, format);
	vprintf(format, ap);
	va_end(ap);
	putchar('\n');
}

static int
compare_times(const void *a, const void *b)
{
	double diff = *(const double *)a - *(const double *)b;

	return (diff > 0) - (diff < 0);
}

void
show_times(const char *name, double *times, size_t count)
{
	qsort(times, count, sizeof(*times), compare_times);
	show(name, "median %6.1f us, p99 %6.1f us", times[count / 2], times[count * 99 / 100]);
}

static int
show_negotiated(struct rte_vfio_user_client *client)
{
	struct rte_vfio_user_negotiated neg;
	int ret;

	ret = rte_vfio_user_client_negotiated(client, &neg);
	if (ret < 0)
		return ret;
	show_heading("Negotiated");
	show("protocol", "%u.%u", neg.major, neg.minor);
	show("data per message", "%u bytes", neg.max_data_xfer_size);
	show("fds per message", "%u", neg.max_msg_fds);
	show("DMA mappings", "%u", neg.max_dma_maps);
	show("twin socket", "%s", neg.twin_socket ? "yes" : "no");
	show("multiple writes", "%s", neg.write_multiple ? "yes" : "no");
	return 0;
}

/* The parts of a region that may be mapped, if not all of it. */
static void
show_areas(const struct vfio_region_info *info)
{
	const struct vfio_region_info_cap_sparse_mmap *cap;
	uint32_t off = info->cap_offset, i;

	if ((info->flags & VFIO_REGION_INFO_FLAG_CAPS) == 0)
		return;
	for (; off != 0; off = cap->header.next) {
		cap = RTE_PTR_ADD(info, off);
		if (cap->header.id != VFIO_REGION_INFO_CAP_SPARSE_MMAP)
			continue;
		for (i = 0; i < cap->nr_areas; i++)
			show("", "mappable from 0x%llx to 0x%llx", cap->areas[i].offset,
			     cap->areas[i].offset + cap->areas[i].size - 1);
	}
}

static int
show_region(struct rte_vfio_user_client *client, uint32_t index)
{
	static const char *const names[] = {
		"BAR0", "BAR1", "BAR2", "BAR3", "BAR4", "BAR5", "ROM", "config space", "VGA",
	};
	struct vfio_region_info *info;
	int ret;

	ret = rte_vfio_user_client_region_info(client, index, &info, NULL, NULL);
	if (ret < 0)
		return ret;
	if (info->size != 0) {
		show(index < RTE_DIM(names) ? names[index] : "more", "%6llu bytes%s%s%s",
		     info->size, info->flags & VFIO_REGION_INFO_FLAG_READ ? ", read" : "",
		     info->flags & VFIO_REGION_INFO_FLAG_WRITE ? ", write" : "",
		     info->flags & VFIO_REGION_INFO_FLAG_MMAP ? ", mmap" : "");
		show_areas(info);
	}
	free(info);
	return 0;
}

static int
show_irq(struct rte_vfio_user_client *client, uint32_t index)
{
	static const char *const names[] = { "INTx", "MSI", "MSI-X", "error", "request" };
	struct vfio_irq_info info;
	int ret;

	ret = rte_vfio_user_client_irq_info(client, index, &info);
	if (ret < 0)
		return ret;
	if (info.count != 0)
		show(index < RTE_DIM(names) ? names[index] : "more", "%6u %s%s%s%s", info.count,
		     info.count == 1 ? "interrupt" : "interrupts",
		     info.flags & VFIO_IRQ_INFO_MASKABLE ? ", maskable" : "",
		     info.flags & VFIO_IRQ_INFO_AUTOMASKED ? ", automasked" : "",
		     info.flags & VFIO_IRQ_INFO_NORESIZE ? ", fixed set" : "");
	return 0;
}

static int
show_layout(struct rte_vfio_user_client *client)
{
	struct vfio_device_info info;
	uint32_t i;
	int ret;

	ret = rte_vfio_user_client_device_info(client, &info);
	if (ret < 0)
		return ret;
	show_heading("Regions and interrupts");
	for (i = 0; ret == 0 && i < info.num_regions; i++)
		ret = show_region(client, i);
	for (i = 0; ret == 0 && i < info.num_irqs; i++)
		ret = show_irq(client, i);
	return ret;
}

static const char *
cap_name(uint8_t id)
{
	switch (id) {
	case CAP_PM:
		return "power management";
	case CAP_EXPRESS:
		return "PCI Express";
	case CAP_MSIX:
		return "MSI-X";
	default:
		return "another capability";
	}
}

static int
show_pci(struct rte_vfio_user_client *client)
{
	uint8_t cfg[256], off, left;
	ssize_t ret;

	ret = rte_vfio_user_client_region_read(client, VFIO_PCI_CONFIG_REGION_INDEX, 0,
					       cfg, sizeof(cfg));
	if (ret != sizeof(cfg))
		return ret < 0 ? (int)ret : -EIO;
	show_heading("PCI");
	show("device", "%02x%02x:%02x%02x", cfg[1], cfg[0], cfg[3], cfg[2]);
	show("subsystem", "%02x%02x:%02x%02x", cfg[CFG_SUBSYSTEM + 1], cfg[CFG_SUBSYSTEM],
	     cfg[CFG_SUBSYSTEM + 3], cfg[CFG_SUBSYSTEM + 2]);
	show("class", "%02x%02x%02x, revision %u", cfg[CFG_CLASS + 3], cfg[CFG_CLASS + 2],
	     cfg[CFG_CLASS + 1], cfg[CFG_CLASS]);
	/* A list that is longer than what fits runs in a circle. */
	off = cfg[CFG_CAPABILITIES];
	for (left = 48; left > 0 && off >= CFG_HEADER_END && off < UINT8_MAX; left--) {
		show("capability", "0x%02x %s", off, cap_name(cfg[off]));
		off = cfg[off + 1];
	}
	return 0;
}

int
show_device(struct rte_vfio_user_client *client)
{
	int ret;

	ret = show_negotiated(client);
	if (ret == 0)
		ret = show_layout(client);
	if (ret == 0)
		ret = show_pci(client);
	return ret;
}
