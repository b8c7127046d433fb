/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

/* From the three descriptions of a device to a server. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <rte_common.h>
#include <rte_errno.h>

#include "rte_vfio_user.h"
#include "rte_vfio_user_server.h"
#include "vfio_user_log.h"
#include "vfio_user_series.h"

#define MAX_CAPS 16

static ssize_t
on_access(struct rte_vfio_user_server *srv, const struct rte_vfio_user_region_access *acc,
	  void *priv)
{
	struct rte_vfio_user_reg_info *reg = priv;
	ssize_t ret;

	RTE_SET_USED(srv);
	if (reg->rw == NULL)
		return -EIO; /* there is no memory either */
	ret = reg->rw(reg, acc->data, acc->count, (loff_t)acc->offset, acc->is_write);
	if (ret < 0)
		return vfio_user_series_errno(ret);
	return acc->is_write && (size_t)ret < acc->count ? -EIO : ret;
}

/* Mappable areas of a capability; those without bytes are left out. */
static int
take_areas(const uint8_t *cap, uint32_t room, struct rte_vfio_user_region_conf *conf,
	   struct rte_vfio_user_mmap_area **areas)
{
	struct vfio_region_info_cap_sparse_mmap head;
	struct vfio_region_sparse_mmap_area area;
	uint32_t i;

	if (room < sizeof(head) || *areas != NULL)
		return -EINVAL;
	memcpy(&head, cap, sizeof(head));
	if (head.nr_areas > (room - sizeof(head)) / sizeof(area))
		return -EINVAL;
	*areas = calloc(head.nr_areas + 1, sizeof(**areas));
	if (*areas == NULL)
		return -ENOMEM;
	for (i = 0; i < head.nr_areas; i++) {
		memcpy(&area, cap + sizeof(head) + i * sizeof(area), sizeof(area));
		if (area.size == 0)
			continue;
		(*areas)[conf->nb_areas].offset = area.offset;
		(*areas)[conf->nb_areas].size = area.size;
		(*areas)[conf->nb_areas++].fd = -1;
	}
	return 0;
}

static int
take_type(const uint8_t *cap, uint32_t room, struct rte_vfio_user_region_conf *conf)
{
	struct vfio_region_info_cap_type type;

	if (room < sizeof(type))
		return -EINVAL;
	memcpy(&type, cap, sizeof(type));
	conf->flags |= RTE_VFIO_USER_REGION_F_TYPE;
	conf->type = type.type;
	conf->subtype = type.subtype;
	return 0;
}

/*
 * The chain of capabilities behind a region's description. argsz counts, not
 * VFIO_REGION_INFO_FLAG_CAPS: programs set cap_offset without a capability.
 */
static int
take_caps(const struct vfio_region_info *info, struct rte_vfio_user_region_conf *conf,
	  struct rte_vfio_user_mmap_area **areas)
{
	uint32_t off = info->cap_offset, room, nb;
	struct vfio_info_cap_header cap;
	const uint8_t *pos;
	int ret = 0;

	for (nb = 0; off != 0 && off < info->argsz; nb++, off = cap.next) {
		room = info->argsz - off;
		if (off < sizeof(*info) || room < sizeof(cap) || nb == MAX_CAPS)
			return -EINVAL;
		pos = (const uint8_t *)info + off;
		memcpy(&cap, pos, sizeof(cap));
		if (cap.id == VFIO_REGION_INFO_CAP_SPARSE_MMAP)
			ret = take_areas(pos, room, conf, areas);
		else if (cap.id == VFIO_REGION_INFO_CAP_TYPE)
			ret = take_type(pos, room, conf);
		if (ret < 0)
			return ret;
	}
	return 0;
}

static int
set_region(struct rte_vfio_user_server *srv, uint32_t index,
	   struct rte_vfio_user_reg_info *reg)
{
	const struct vfio_region_info *info = reg->info;
	struct rte_vfio_user_region_conf conf = { .fd = -1, .priv = reg };
	struct rte_vfio_user_mmap_area *areas = NULL;
	int ret;

	if (info == NULL || info->size == 0)
		return 0;
	conf.size = info->size;
	if ((info->flags & VFIO_REGION_INFO_FLAG_READ) != 0)
		conf.flags |= RTE_VFIO_USER_REGION_F_READ;
	if ((info->flags & VFIO_REGION_INFO_FLAG_WRITE) != 0)
		conf.flags |= RTE_VFIO_USER_REGION_F_WRITE;
	conf.base = reg->base;
	if (reg->rw != NULL || reg->base == NULL)
		conf.cb = on_access;
	ret = take_caps(info, &conf, &areas);
	/* areas without bytes: nothing can be mapped */
	if ((info->flags & VFIO_REGION_INFO_FLAG_MMAP) != 0 && reg->fd >= 0 &&
	    (areas == NULL || conf.nb_areas != 0)) {
		conf.fd = reg->fd;
		conf.fd_offset = info->offset;
		conf.areas = conf.nb_areas == 0 ? NULL : areas;
	} else {
		conf.nb_areas = 0;
	}
	if (ret == 0)
		ret = rte_vfio_user_server_region_set(srv, index, &conf);
	else
		VFIO_USER_LOG(ERR, "region %u: bad capabilities", index);
	free(areas);
	return ret;
}

static int
describe(struct rte_vfio_user_server *srv, const struct vfio_user_series_info *info)
{
	const struct vfio_irq_info *irq;
	uint32_t i;
	int ret = 0;

	for (i = 0; ret == 0 && i < info->regions->reg_num; i++)
		ret = set_region(srv, i, &info->regions->reg_info[i]);
	for (i = 0; ret == 0 && i < info->irqs->irq_num; i++) {
		irq = &info->irqs->irq_info[i];
		ret = rte_vfio_user_server_irq_set(srv, irq->index, irq->count, irq->flags);
	}
	return ret;
}

struct rte_vfio_user_server *
vfio_user_series_server(const char *path, const struct vfio_user_series_info *info)
{
	struct rte_vfio_user_server_conf conf;
	struct rte_vfio_user_server *srv;
	uint32_t i, nb = info->device->num_irqs;
	int ret;

	for (i = 0; i < info->irqs->irq_num; i++)
		if (info->irqs->irq_info[i].index < UINT32_MAX)
			nb = RTE_MAX(nb, info->irqs->irq_info[i].index + 1);
	rte_vfio_user_server_conf_init(&conf);
	conf.sock_path = path;
	conf.num_regions = RTE_MAX(info->device->num_regions, info->regions->reg_num);
	conf.num_irqs = nb;
	if ((info->device->flags & VFIO_DEVICE_FLAGS_RESET) == 0)
		conf.flags |= RTE_VFIO_USER_SERVER_F_NO_RESET;
	srv = rte_vfio_user_server_create(&conf);
	if (srv == NULL)
		return NULL;
	ret = describe(srv, info);
	if (ret == 0)
		return srv;
	rte_vfio_user_server_destroy(srv);
	rte_errno = -ret;
	return NULL;
}
