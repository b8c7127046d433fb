/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

/* info: what a device is made of, and what was negotiated with its server. */

#include <inttypes.h>
#include <stdio.h>

#include "device.h"
#include "info.h"
#include "names.h"
#include "pci.h"
#include "tool.h"

static void
show_negotiated(const struct rte_vfio_user_negotiated *neg)
{
	char size[NAME_SIZE];

	printf("\nNegotiated\n"
	       "  protocol          %u.%u\n"
	       "  data per message  %s\n"
	       "  fds per message   %u\n"
	       "  DMA mappings      %u\n"
	       "  page sizes        0x%" PRIx64 "\n",
	       neg->major, neg->minor, bytes_text(size, neg->max_data_xfer_size),
	       neg->max_msg_fds, neg->max_dma_maps, neg->pgsizes);
	printf("  features         %s%s%s\n", neg->twin_socket ? " twin-socket" : "",
	       neg->write_multiple ? " write-multiple" : "",
	       neg->sparse_mmap_fds ? " sparse-mmap-fds" : "");
}

static void
show_io_fd(const struct rte_vfio_user_region_io_fd *io)
{
	printf("       %s 0x%" PRIx64 " (%" PRIu64 " bytes), fd %u, flags 0x%x",
	       io->type == 0 ? "ioeventfd" : io->type == 1 ? "ioregionfd" : "unknown I/O fd",
	       io->offset, io->size, io->fd_index, io->flags);
	if (io->type == 0)
		printf(", match 0x%" PRIx64, io->datamatch);
	putchar('\n');
}

static void
show_region(const struct device_region *region)
{
	char name[NAME_SIZE], size[NAME_SIZE], flags[NAME_SIZE];
	const struct device_area *area;
	uint32_t i;

	printf("  %-8s 0x%-8" PRIx64 " %-9s%s", region_name(name, region->index), region->size,
	       bytes_text(size, region->size),
	       flags_text(flags, region_flags, region->flags));
	if (region->nb_fds != 0)
		printf(", %u fd%s", region->nb_fds, region->nb_fds == 1 ? "" : "s");
	if (region->typed)
		printf(", type 0x%x.%u", region->type.type, region->type.subtype);
	putchar('\n');
	for (i = 0; i < region->nb_areas; i++) {
		area = &region->areas[i];
		printf("       mappable 0x%" PRIx64 " to 0x%" PRIx64
		       ", fd %u at 0x%" PRIx64 "\n", area->offset,
		       area->offset + area->size - 1, area->fd_index, area->fd_offset);
	}
	for (i = 0; i < region->nb_ios; i++)
		show_io_fd(&region->ios[i]);
}

static void
show_regions(const struct device *dev)
{
	uint32_t i;

	printf("\nRegions\n");
	for (i = 0; i < dev->nb_regions; i++)
		if (dev->regions[i].size != 0)
			show_region(&dev->regions[i]);
	if (dev->nb_regions < dev->info.num_regions)
		printf("  the others of %u were not asked for\n", dev->info.num_regions);
}

void
info_show_irqs(const struct device *dev)
{
	char name[NAME_SIZE], flags[NAME_SIZE];
	uint32_t i;

	for (i = 0; i < dev->nb_irqs; i++)
		if (dev->irqs[i].count != 0)
			printf("  %-8s %4u %s\n", irq_name(name, i), dev->irqs[i].count,
			       flags_text(flags, irq_flags, dev->irqs[i].flags));
	if (dev->nb_irqs < dev->info.num_irqs)
		printf("  the others of %u were not asked for\n", dev->info.num_irqs);
}

static int
info_run(int argc, char **argv)
{
	static uint8_t config[PCI_CONFIG_SIZE];
	char flags[NAME_SIZE];
	struct session s;
	struct device dev;
	size_t size;
	int id;

	session_init(&s);
	while ((id = cmd_getopt(&cmd_info, argc, argv)) >= 0)
		session_option(&s, id);
	session_open(&s, cmd_words(&cmd_info, argc, argv, 1, 1)[0]);
	device_load(&dev, &s);
	device_load_io_fds(&dev, &s);
	size = (dev.info.flags & VFIO_DEVICE_FLAGS_PCI) == 0 ? 0 :
		device_read_config(&s, config, sizeof(config));
	if (s.json) {
		json_print(info_json(&dev, s.path, config, size));
	} else {
		printf("Device at %s\n  flags            %s\n", s.path,
		       flags_text(flags, device_flags, dev.info.flags));
		show_negotiated(&dev.neg);
		show_regions(&dev);
		printf("\nInterrupts\n");
		info_show_irqs(&dev);
		pci_show(config, size);
	}
	device_free(&dev);
	session_close(&s);
	return STATUS_OK;
}

static const struct cmd_option info_options[] = {
	SESSION_OPTIONS,
	SESSION_OPTION_JSON,
	{ 0 },
};

const struct cmd cmd_info = {
	.name = "info",
	.args = "SOCK",
	.summary = "Show regions, interrupts, PCI capabilities and negotiated limits",
	.help = "Regions and interrupt indexes of size 0 are left out of the text. The server's\n"
		"fds are counted, and closed.\n",
	.examples = "  " TOOL " info /run/dev.sock\n"
		"  " TOOL " info --wait 10 --json /run/dev.sock | jq .pci.device_id\n",
	.options = info_options,
	.run = info_run,
};
