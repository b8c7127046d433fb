/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#include "info.h"
#include "names.h"
#include "pci.h"
#include "tool.h"

static json_t *
negotiated_json(const struct rte_vfio_user_negotiated *neg)
{
	return json_pack("{s:[i,i], s:I, s:I, s:I, s:o, s:b, s:b, s:b}",
			 "version", neg->major, neg->minor,
			 "max_msg_fds", (json_int_t)neg->max_msg_fds,
			 "max_data_xfer_size", (json_int_t)neg->max_data_xfer_size,
			 "max_dma_maps", (json_int_t)neg->max_dma_maps,
			 "pgsizes", json_u64(neg->pgsizes),
			 "twin_socket", neg->twin_socket,
			 "write_multiple", neg->write_multiple,
			 "sparse_mmap_fds", neg->sparse_mmap_fds);
}

static json_t *
area_json(const struct device_area *area)
{
	return json_pack("{s:o, s:o, s:I, s:o}",
			 "offset", json_u64(area->offset),
			 "size", json_u64(area->size),
			 "fd", (json_int_t)area->fd_index,
			 "fd_offset", json_u64(area->fd_offset));
}

static json_t *
io_fd_json(const struct rte_vfio_user_region_io_fd *io)
{
	return json_pack("{s:I, s:o, s:o, s:I, s:o, s:o}",
			 "type", (json_int_t)io->type,
			 "offset", json_u64(io->offset),
			 "size", json_u64(io->size),
			 "fd", (json_int_t)io->fd_index,
			 "flags", json_hex(io->flags, 8),
			 "datamatch", json_hex(io->datamatch, 16));
}

static json_t *
region_json(const struct device_region *region)
{
	json_t *areas = json_array(), *ios = json_array(), *o;
	char name[NAME_SIZE];
	uint32_t i;

	for (i = 0; i < region->nb_areas; i++)
		json_array_append_new(areas, area_json(&region->areas[i]));
	for (i = 0; i < region->nb_ios; i++)
		json_array_append_new(ios, io_fd_json(&region->ios[i]));
	o = json_pack("{s:I, s:s, s:o, s:o, s:I, s:o, s:o}",
		      "index", (json_int_t)region->index,
		      "name", region_name(name, region->index),
		      "size", json_u64(region->size),
		      "flags", flags_json(region_flags, region->flags),
		      "fds", (json_int_t)region->nb_fds,
		      "areas", areas, "io_fds", ios);
	if (region->typed)
		json_object_set_new(o, "type", json_pack("[I,I]",
				(json_int_t)region->type.type,
				(json_int_t)region->type.subtype));
	return o;
}

json_t *
info_irqs_json(const struct device *dev)
{
	json_t *list = json_array();
	char name[NAME_SIZE];
	uint32_t i;

	for (i = 0; i < dev->nb_irqs; i++)
		json_array_append_new(list, json_pack("{s:I, s:s, s:I, s:o}",
				"index", (json_int_t)i, "name", irq_name(name, i),
				"count", (json_int_t)dev->irqs[i].count,
				"flags", flags_json(irq_flags, dev->irqs[i].flags)));
	return list;
}

json_t *
info_json(const struct device *dev, const char *path, const uint8_t *config,
	  size_t config_size)
{
	json_t *regions = json_array(), *device;
	uint32_t i;

	for (i = 0; i < dev->nb_regions; i++)
		json_array_append_new(regions, region_json(&dev->regions[i]));
	device = json_pack("{s:o, s:I, s:I}",
			   "flags", flags_json(device_flags, dev->info.flags),
			   "num_regions", (json_int_t)dev->info.num_regions,
			   "num_irqs", (json_int_t)dev->info.num_irqs);
	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o}",
			 "socket", json_path(path),
			 "device", device,
			 "negotiated", negotiated_json(&dev->neg),
			 "regions", regions,
			 "irqs", info_irqs_json(dev),
			 "pci", pci_json(config, config_size));
}
