/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "device.h"
#include "names.h"
#include "tool.h"

/* ---------------------------------------------------------------- regions */

static void
close_all(const int *fds, uint32_t nb)
{
	uint32_t i;

	for (i = 0; i < nb; i++)
		close(fds[i]);
}

static void
add_area(struct device_region *region, const struct device_area *area)
{
	region->areas[region->nb_areas++] = *area;
}

static void
make_areas(struct device_region *region, uint32_t nb)
{
	free(region->areas);
	region->areas = xcalloc(nb, sizeof(*region->areas));
	region->nb_areas = 0;
}

/* The library has checked that the areas lie inside of what was received. */
static void
take_sparse(struct device_region *region, const uint8_t *cap, uint64_t fd_offset)
{
	struct vfio_region_info_cap_sparse_mmap head;
	struct vfio_region_sparse_mmap_area wire;
	struct device_area area = { 0 };
	uint32_t i;

	memcpy(&head, cap, sizeof(head));
	make_areas(region, head.nr_areas);
	for (i = 0; i < head.nr_areas; i++) {
		memcpy(&wire, cap + sizeof(head) + i * sizeof(wire), sizeof(wire));
		area.offset = wire.offset;
		area.size = wire.size;
		area.fd_offset = fd_offset + wire.offset;
		add_area(region, &area);
	}
}

static void
take_sparse_fds(struct device_region *region, const uint8_t *cap)
{
	struct rte_vfio_user_sparse_fds_area wire;
	struct rte_vfio_user_sparse_fds_cap head;
	struct device_area area;
	uint32_t i;

	memcpy(&head, cap, sizeof(head));
	make_areas(region, head.nr_areas);
	for (i = 0; i < head.nr_areas; i++) {
		memcpy(&wire, cap + sizeof(head) + i * sizeof(wire), sizeof(wire));
		area.offset = wire.offset;
		area.size = wire.size;
		area.fd_offset = wire.fd_offset;
		area.fd_index = wire.fd_index;
		add_area(region, &area);
	}
}

static void
take_type(struct device_region *region, const uint8_t *cap)
{
	struct vfio_region_info_cap_type type;

	memcpy(&type, cap, sizeof(type));
	region->typed = true;
	region->type.type = type.type;
	region->type.subtype = type.subtype;
}

/* The chain was checked, too: it ends, and each header is inside. */
static void
take_caps(struct device_region *region, const struct vfio_region_info *info)
{
	const uint8_t *cap;
	struct vfio_info_cap_header header;
	uint32_t off = info->cap_offset;

	for (; off != 0; off = header.next) {
		cap = (const uint8_t *)info + off;
		memcpy(&header, cap, sizeof(header));
		if (header.version != 1)
			continue;
		if (header.id == VFIO_REGION_INFO_CAP_SPARSE_MMAP)
			take_sparse(region, cap, info->offset);
		else if (header.id == RTE_VFIO_USER_REGION_INFO_CAP_SPARSE_MMAP_FDS)
			take_sparse_fds(region, cap);
		else if (header.id == VFIO_REGION_INFO_CAP_TYPE)
			take_type(region, cap);
	}
}

static int
region_ask(struct device_region *region, struct session *s, uint32_t index)
{
	int fds[RTE_VFIO_USER_MAX_MSG_FDS];
	uint32_t nb_fds = RTE_DIM(fds);
	struct vfio_region_info *info;
	struct device_area whole = { 0 };
	int ret;

	memset(region, 0, sizeof(*region));
	region->index = index;
	ret = rte_vfio_user_client_region_info(s->client, index, &info, fds, &nb_fds);
	if (ret < 0)
		return ret;
	close_all(fds, nb_fds);
	region->flags = info->flags;
	region->size = info->size;
	region->nb_fds = nb_fds;
	if ((info->flags & VFIO_REGION_INFO_FLAG_CAPS) != 0)
		take_caps(region, info);
	if ((info->flags & VFIO_REGION_INFO_FLAG_MMAP) != 0 && region->areas == NULL) {
		make_areas(region, 1);
		whole.size = info->size;
		whole.fd_offset = info->offset;
		add_area(region, &whole);
	}
	free(info);
	return 0;
}

void
device_region_load(struct device_region *region, struct session *s, uint32_t index)
{
	struct vfio_device_info info;
	char name[NAME_SIZE];
	int ret;

	ret = rte_vfio_user_client_device_info(s->client, &info);
	if (ret < 0)
		fail(ret, "%s: device information", s->path);
	region_name(name, index);
	if (index >= info.num_regions)
		die(STATUS_FAILED, "%s: there is no %s: the device has %u region%s", s->path,
		    name, info.num_regions, plural(info.num_regions));
	ret = region_ask(region, s, index);
	if (ret < 0)
		fail(ret, "%s: information about %s", s->path, name);
	if (region->size == 0)
		die(STATUS_FAILED, "%s: the device has no %s", s->path, name);
}

void
device_region_free(struct device_region *region)
{
	free(region->areas);
	free(region->ios);
}

/* ----------------------------------------------------------------- device */

/* A server that takes its time for each of many answers must not hold us up. */
static void
check_deadline(const struct session *s, double start)
{
	if (now_us() - start > s->conf.request_timeout_ms * 1e3)
		die(STATUS_TIMEOUT, "%s: the description of the device did not arrive in time",
		    s->path);
}

void
device_load(struct device *dev, struct session *s)
{
	double start = now_us();
	char name[NAME_SIZE];
	uint32_t i;
	int ret;

	memset(dev, 0, sizeof(*dev));
	ret = rte_vfio_user_client_negotiated(s->client, &dev->neg);
	if (ret == 0)
		ret = rte_vfio_user_client_device_info(s->client, &dev->info);
	if (ret < 0)
		fail(ret, "%s: device information", s->path);
	dev->nb_regions = RTE_MIN(dev->info.num_regions, (uint32_t)DEVICE_MAX_INDEXES);
	dev->regions = xcalloc(dev->nb_regions, sizeof(*dev->regions));
	for (i = 0; i < dev->nb_regions; i++) {
		check_deadline(s, start);
		ret = region_ask(&dev->regions[i], s, i);
		if (ret < 0)
			fail(ret, "%s: information about %s", s->path, region_name(name, i));
	}
	dev->nb_irqs = RTE_MIN(dev->info.num_irqs, (uint32_t)DEVICE_MAX_INDEXES);
	dev->irqs = xcalloc(dev->nb_irqs, sizeof(*dev->irqs));
	for (i = 0; i < dev->nb_irqs; i++) {
		check_deadline(s, start);
		ret = rte_vfio_user_client_irq_info(s->client, i, &dev->irqs[i]);
		if (ret < 0)
			fail(ret, "%s: information about %s", s->path, irq_name(name, i));
	}
}

/* Many servers answer this request with an error. */
void
device_load_io_fds(struct device *dev, struct session *s)
{
	int fds[RTE_VFIO_USER_MAX_MSG_FDS];
	double start = now_us();
	uint32_t i, nb_fds;
	int ret;

	for (i = 0; i < dev->nb_regions; i++) {
		check_deadline(s, start);
		if (dev->regions[i].size == 0)
			continue;
		nb_fds = RTE_DIM(fds);
		ret = rte_vfio_user_client_region_io_fds(s->client, i, &dev->regions[i].ios,
				&dev->regions[i].nb_ios, fds, &nb_fds);
		if (ret == 0)
			close_all(fds, nb_fds);
		else if (ret == -ENOTCONN || ret == -ETIMEDOUT)
			fail(ret, "%s: I/O file descriptors", s->path);
	}
}

void
device_free(struct device *dev)
{
	uint32_t i;

	for (i = 0; i < dev->nb_regions; i++)
		device_region_free(&dev->regions[i]);
	free(dev->regions);
	free(dev->irqs);
}

/* ----------------------------------------------------- configuration space */

/* As guests do it, for servers that take no other access. */
static size_t
read_config_words(struct session *s, uint8_t *config, size_t size, double start)
{
	size_t off;

	for (off = 0; off + 4 <= size; off += 4) {
		check_deadline(s, start);
		if (rte_vfio_user_client_region_read(s->client, VFIO_PCI_CONFIG_REGION_INDEX,
						     off, config + off, 4) != 4)
			break;
	}
	return off;
}

size_t
device_read_config(struct session *s, uint8_t *config, size_t size)
{
	double start = now_us();
	struct vfio_region_info *info;
	ssize_t ret;

	ret = rte_vfio_user_client_region_info(s->client, VFIO_PCI_CONFIG_REGION_INDEX, &info,
					       NULL, NULL);
	if (ret < 0) {
		if (ret == -EINVAL) /* no such region */
			return 0;
		fail((int)ret, "%s: information about config", s->path);
	}
	size = RTE_MIN(size, info->size);
	free(info);
	ret = size == 0 ? 0 : rte_vfio_user_client_region_read(s->client,
			VFIO_PCI_CONFIG_REGION_INDEX, 0, config, size);
	if (ret == -ENOTCONN || ret == -ETIMEDOUT || ret == -EPROTO)
		fail((int)ret, "%s: reading config", s->path);
	return ret == (ssize_t)size ? size : read_config_words(s, config, size, start);
}
