/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#include <errno.h>
#include <linux/kcmp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "vfio_user_codec.h"
#include "vfio_user_fd.h"
#include "vfio_user_region.h"

#define MAX_AREAS 128
#define MAX_IOS 4096
#define REGION_FLAGS (RTE_VFIO_USER_REGION_F_RW | RTE_VFIO_USER_REGION_F_TYPE)

int
vfio_user_regions_init(struct vfio_user_regions *regions, uint32_t nb)
{
	uint32_t i;

	regions->nb = nb;
	regions->region = calloc(nb, sizeof(*regions->region));
	if (regions->region == NULL)
		return -ENOMEM;
	for (i = 0; i < nb; i++)
		regions->region[i].conf.fd = -1;
	return 0;
}

static void
clear_region(struct vfio_user_region *region)
{
	uint32_t i;

	vfio_user_fd_close(region->conf.fd);
	for (i = 0; region->areas != NULL && i < region->conf.nb_areas; i++)
		vfio_user_fd_close(region->areas[i].fd);
	for (i = 0; i < region->nb_io_fds; i++)
		vfio_user_fd_close(region->io_fds[i]);
	free(region->areas);
	free(region->ios);
	free(region->io_fds);
	memset(region, 0, sizeof(*region));
	region->conf.fd = -1;
}

void
vfio_user_regions_fini(struct vfio_user_regions *regions)
{
	uint32_t i;

	for (i = 0; i < regions->nb; i++)
		clear_region(&regions->region[i]);
	free(regions->region);
}

/* --------------------------------------------------------------- set-up */

static int
check_areas(const struct rte_vfio_user_region_conf *conf)
{
	const uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	const struct rte_vfio_user_mmap_area *area;
	uint64_t end = 0;
	uint32_t i;

	if (conf->nb_areas > MAX_AREAS || (conf->nb_areas != 0) != (conf->areas != NULL))
		return -EINVAL;
	if (conf->fd >= 0 && (conf->fd_offset % page != 0 || conf->fd_offset > INT64_MAX ||
			      conf->size > INT64_MAX - conf->fd_offset))
		return -EINVAL;
	if (conf->fd >= 0 && conf->nb_areas == 0 && conf->size % page != 0)
		return -EINVAL;
	for (i = 0; i < conf->nb_areas; i++) {
		area = &conf->areas[i];
		if (area->size == 0 || area->offset % page != 0 ||
		    area->size % page != 0 || area->offset < end ||
		    !vfio_user_range_inside(area->offset, area->size, conf->size))
			return -EINVAL;
		if (area->fd < 0 ? conf->fd < 0 :
		    area->fd_offset % page != 0 || area->fd_offset > INT64_MAX)
			return -EINVAL;
		end = area->offset + area->size;
	}
	return 0;
}

static int
check_conf(const struct rte_vfio_user_region_conf *conf)
{
	if ((conf->flags & ~REGION_FLAGS) != 0)
		return -EINVAL;
	if (conf->size != 0 && (conf->flags & RTE_VFIO_USER_REGION_F_RW) != 0 &&
	    conf->cb == NULL && conf->base == NULL)
		return -EINVAL;
	if (conf->size == 0 && (conf->fd >= 0 || conf->nb_areas != 0))
		return -EINVAL;
	return check_areas(conf);
}

/* Replace the caller's fds in a copied region by duplicates. */
static int
dup_fds(struct vfio_user_region *region)
{
	const struct rte_vfio_user_region_conf *given = &region->conf;
	uint32_t i, nb = given->nb_areas;
	int fd = given->fd;

	if (nb != 0) {
		region->areas = calloc(nb, sizeof(*region->areas));
		if (region->areas == NULL) {
			region->conf.fd = -1;
			return -ENOMEM;
		}
		memcpy(region->areas, given->areas, nb * sizeof(*region->areas));
		region->conf.areas = region->areas;
		for (i = 0; i < nb; i++)
			region->areas[i].fd = -1;
	}
	if (fd >= 0) {
		region->conf.fd = vfio_user_fd_dup(fd);
		if (region->conf.fd < 0)
			return region->conf.fd;
	}
	return 0;
}

int
vfio_user_regions_set(struct vfio_user_regions *regions, uint32_t index,
		      const struct rte_vfio_user_region_conf *conf)
{
	struct vfio_user_region region;
	uint32_t i;
	int ret;

	if (index >= regions->nb || conf == NULL)
		return -EINVAL;
	ret = check_conf(conf);
	if (ret < 0)
		return ret;
	memset(&region, 0, sizeof(region));
	region.conf = *conf;
	ret = dup_fds(&region);
	for (i = 0; ret == 0 && i < conf->nb_areas; i++) {
		if (conf->areas[i].fd < 0)
			continue;
		region.areas[i].fd = vfio_user_fd_dup(conf->areas[i].fd);
		ret = region.areas[i].fd < 0 ? region.areas[i].fd : 0;
	}
	if (ret < 0) {
		clear_region(&region);
		return ret;
	}
	clear_region(&regions->region[index]);
	regions->region[index] = region;
	return 0;
}

static bool
same_file(int a, int b)
{
	pid_t pid = getpid();

	/* where kcmp(2) is refused, a file is only passed more than once */
	return syscall(SYS_kcmp, pid, pid, KCMP_FILE, a, b) == 0;
}

/* The index of a file in io_fds, added if it is new. */
static int
io_fd_index(struct vfio_user_region *region, int given)
{
	uint32_t i, nb = region->nb_io_fds;
	int *fds, fd;

	for (i = 0; i < nb; i++)
		if (same_file(region->io_fds[i], given))
			return (int)i;
	fds = realloc(region->io_fds, (nb + 1) * sizeof(*fds));
	if (fds == NULL)
		return -ENOMEM;
	region->io_fds = fds;
	fd = vfio_user_fd_dup(given);
	if (fd < 0)
		return fd;
	region->io_fds[nb] = fd;
	region->nb_io_fds++;
	return (int)nb;
}

int
vfio_user_regions_add_io(struct vfio_user_regions *regions, uint32_t index,
			 const struct rte_vfio_user_ioeventfd *io)
{
	struct rte_vfio_user_ioeventfd *ios;
	struct vfio_user_region *region;
	int ret;

	if (index >= regions->nb || io == NULL || vfio_user_fd_is_eventfd(io->fd) != 1)
		return -EINVAL;
	region = &regions->region[index];
	if (io->size > 8 || (io->size & (io->size - 1)) != 0 ||
	    region->nb_ios == MAX_IOS ||
	    !vfio_user_range_inside(io->offset, io->size == 0 ? 1 : io->size,
				    region->conf.size))
		return -EINVAL;
	ios = realloc(region->ios, (region->nb_ios + 1) * sizeof(*ios));
	if (ios == NULL)
		return -ENOMEM;
	region->ios = ios;
	ret = io_fd_index(region, io->fd);
	if (ret < 0)
		return ret;
	ios[region->nb_ios] = *io;
	ios[region->nb_ios++].fd = ret;
	return 0;
}

/* ------------------------------------------------------------ region info */

/* What of a region a particular client can map. */
struct mappable {
	uint32_t nb; /* areas; 0 with whole set: all of it */
	bool whole;
	bool use_fds; /* areas have file descriptors of their own */
};

static struct mappable
find_mappable(const struct vfio_user_region *region,
	      const struct rte_vfio_user_negotiated *neg)
{
	struct mappable map = { 0 };
	uint32_t i, own = 0;

	if (neg->max_msg_fds == 0)
		return map;
	if (region->conf.nb_areas == 0) {
		map.whole = region->conf.fd >= 0;
		return map;
	}
	for (i = 0; i < region->conf.nb_areas; i++)
		own += region->areas[i].fd >= 0;
	/* one file descriptor each, and one for those with the region's own */
	map.use_fds = own != 0 && neg->sparse_mmap_fds &&
		own + (own != region->conf.nb_areas) <= neg->max_msg_fds;
	map.nb = map.use_fds ? region->conf.nb_areas : region->conf.nb_areas - own;
	return map;
}

static uint32_t
put_cap(uint8_t *buf, uint32_t off, uint32_t *link, uint16_t id, uint32_t len)
{
	struct vfio_info_cap_header cap = { .id = id, .version = 1 };

	memcpy(buf + off, &cap, sizeof(cap));
	memcpy(buf + *link, &off, sizeof(off));
	*link = off + offsetof(struct vfio_info_cap_header, next);
	return off + len;
}

static uint32_t
put_type(const struct vfio_user_region *region, uint8_t *buf, uint32_t off,
	 uint32_t *link)
{
	struct vfio_region_info_cap_type cap;
	uint32_t end = put_cap(buf, off, link, VFIO_REGION_INFO_CAP_TYPE, sizeof(cap));

	memcpy(buf + off + offsetof(struct vfio_region_info_cap_type, type),
	       &region->conf.type, sizeof(cap.type));
	memcpy(buf + off + offsetof(struct vfio_region_info_cap_type, subtype),
	       &region->conf.subtype, sizeof(cap.subtype));
	return end;
}

static uint32_t
put_sparse(const struct vfio_user_region *region, uint32_t nb, uint8_t *buf,
	   uint32_t off, uint32_t *link)
{
	struct vfio_region_info_cap_sparse_mmap cap;
	struct vfio_region_sparse_mmap_area area;
	uint32_t i, pos = off + sizeof(cap), end;

	end = put_cap(buf, off, link, VFIO_REGION_INFO_CAP_SPARSE_MMAP,
		      sizeof(cap) + nb * sizeof(area));
	memcpy(buf + off + offsetof(struct vfio_region_info_cap_sparse_mmap, nr_areas),
	       &nb, sizeof(nb));
	for (i = 0; i < region->conf.nb_areas; i++) {
		if (region->areas[i].fd >= 0)
			continue; /* this client cannot take it */
		area.offset = region->areas[i].offset;
		area.size = region->areas[i].size;
		memcpy(buf + pos, &area, sizeof(area));
		pos += sizeof(area);
	}
	return end;
}

static uint32_t
put_sparse_fds(const struct vfio_user_region *region, uint8_t *buf, uint32_t off,
	       uint32_t *link, struct vfio_user_region_reply *reply)
{
	struct rte_vfio_user_sparse_fds_area area;
	uint32_t i, nb = region->conf.nb_areas, end, own_index = UINT32_MAX;
	uint32_t pos = off + sizeof(struct rte_vfio_user_sparse_fds_cap);

	end = put_cap(buf, off, link, RTE_VFIO_USER_REGION_INFO_CAP_SPARSE_MMAP_FDS,
		      sizeof(struct rte_vfio_user_sparse_fds_cap) + nb * sizeof(area));
	memcpy(buf + off + offsetof(struct rte_vfio_user_sparse_fds_cap, nr_areas),
	       &nb, sizeof(nb));
	for (i = 0; i < nb; i++) {
		const struct rte_vfio_user_mmap_area *from = &region->areas[i];

		memset(&area, 0, sizeof(area));
		area.offset = from->offset;
		area.size = from->size;
		if (from->fd >= 0) {
			area.fd_offset = from->fd_offset;
			area.fd_index = reply->nb_fds;
			reply->fds[reply->nb_fds++] = from->fd;
		} else {
			area.fd_offset = region->conf.fd_offset + from->offset;
			if (own_index == UINT32_MAX) {
				own_index = reply->nb_fds;
				reply->fds[reply->nb_fds++] = region->conf.fd;
			}
			area.fd_index = own_index;
		}
		memcpy(buf + pos, &area, sizeof(area));
		pos += sizeof(area);
	}
	return end;
}

static uint32_t
caps_size(const struct vfio_user_region *region, const struct mappable *map)
{
	uint32_t size = 0;

	if ((region->conf.flags & RTE_VFIO_USER_REGION_F_TYPE) != 0)
		size += sizeof(struct vfio_region_info_cap_type);
	if (map->nb != 0 && map->use_fds)
		size += sizeof(struct rte_vfio_user_sparse_fds_cap) +
			map->nb * sizeof(struct rte_vfio_user_sparse_fds_area);
	else if (map->nb != 0)
		size += sizeof(struct vfio_region_info_cap_sparse_mmap) +
			map->nb * sizeof(struct vfio_region_sparse_mmap_area);
	return size;
}

static void
put_caps(const struct vfio_user_region *region, const struct mappable *map,
	 struct vfio_user_region_reply *reply)
{
	uint32_t link = offsetof(struct vfio_region_info, cap_offset);
	uint32_t off = sizeof(struct vfio_region_info);

	if ((region->conf.flags & RTE_VFIO_USER_REGION_F_TYPE) != 0)
		off = put_type(region, reply->payload, off, &link);
	if (map->nb != 0 && map->use_fds) {
		put_sparse_fds(region, reply->payload, off, &link, reply);
		return;
	}
	if (map->nb != 0)
		put_sparse(region, map->nb, reply->payload, off, &link);
	if (map->nb != 0 || map->whole)
		reply->fds[reply->nb_fds++] = region->conf.fd;
}

int
vfio_user_regions_info(const struct vfio_user_regions *regions, uint32_t index,
		       uint32_t argsz, const struct rte_vfio_user_negotiated *neg,
		       struct vfio_user_region_reply *reply)
{
	struct vfio_region_info info = { .index = index };
	const struct vfio_user_region *region;
	struct mappable map;
	uint32_t caps;

	if (argsz < sizeof(info) || index >= regions->nb)
		return -EINVAL;
	region = &regions->region[index];
	map = find_mappable(region, neg);
	caps = caps_size(region, &map);
	info.argsz = sizeof(info) + caps;
	info.size = region->conf.size;
	info.offset = region->conf.fd >= 0 ? region->conf.fd_offset : 0;
	if ((region->conf.flags & RTE_VFIO_USER_REGION_F_READ) != 0)
		info.flags |= VFIO_REGION_INFO_FLAG_READ;
	if ((region->conf.flags & RTE_VFIO_USER_REGION_F_WRITE) != 0)
		info.flags |= VFIO_REGION_INFO_FLAG_WRITE;
	if (map.whole || map.nb != 0)
		info.flags |= VFIO_REGION_INFO_FLAG_MMAP;

	reply->nb_fds = 0;
	/*
	 * Too little room for the capabilities: the bare structure tells the
	 * size, without fds. FLAG_CAPS stays clear, since QEMU checks
	 * cap_offset before it looks at argsz.
	 */
	reply->len = argsz < info.argsz ? sizeof(info) : info.argsz;
	if (reply->len > sizeof(info))
		info.flags |= VFIO_REGION_INFO_FLAG_CAPS;
	reply->payload = calloc(1, reply->len);
	if (reply->payload == NULL)
		return -ENOMEM;
	memcpy(reply->payload, &info, sizeof(info));
	if (reply->len == info.argsz)
		put_caps(region, &map, reply);
	return 0;
}

/* ------------------------------------------------------------------ I/O fds */

int
vfio_user_regions_io_fds(const struct vfio_user_regions *regions,
			 const struct vfio_user_region_io_fds *req, uint32_t max_fds,
			 struct vfio_user_region_reply *reply)
{
	struct vfio_user_region_io_fds head = { .index = req->index };
	struct vfio_user_sub_region sub;
	const struct vfio_user_region *region;
	uint8_t *pos;
	uint32_t i;

	if (req->argsz < sizeof(head) || req->flags != 0 || req->count != 0 ||
	    req->index >= regions->nb)
		return -EINVAL;
	region = &regions->region[req->index];
	max_fds = max_fds < RTE_VFIO_USER_MAX_MSG_FDS ? max_fds : RTE_VFIO_USER_MAX_MSG_FDS;
	for (i = 0; i < region->nb_ios; i++)
		head.count += (uint32_t)region->ios[i].fd < max_fds;
	head.argsz = sizeof(head) + head.count * sizeof(sub);
	reply->nb_fds = 0;
	reply->len = head.argsz;
	if (req->argsz < head.argsz) {
		reply->len = sizeof(head);
		head.count = 0;
	}
	reply->payload = calloc(1, reply->len);
	if (reply->payload == NULL)
		return -ENOMEM;
	memcpy(reply->payload, &head, sizeof(head));
	if (head.count == 0)
		return 0;

	pos = (uint8_t *)reply->payload + sizeof(head);
	for (i = 0; i < region->nb_ios; i++) {
		if ((uint32_t)region->ios[i].fd >= max_fds)
			continue;
		memset(&sub, 0, sizeof(sub));
		sub.offset = region->ios[i].offset;
		sub.size = region->ios[i].size;
		sub.fd_index = (uint32_t)region->ios[i].fd;
		sub.type = VFIO_USER_IO_FD_TYPE_IOEVENTFD;
		sub.flags = region->ios[i].flags;
		sub.datamatch = region->ios[i].datamatch;
		memcpy(pos, &sub, sizeof(sub));
		pos += sizeof(sub);
	}
	reply->nb_fds = region->nb_io_fds < max_fds ? region->nb_io_fds : max_fds;
	memcpy(reply->fds, region->io_fds, reply->nb_fds * sizeof(reply->fds[0]));
	return 0;
}

const struct vfio_user_region *
vfio_user_regions_access(const struct vfio_user_regions *regions, uint32_t index,
			 uint64_t offset, uint64_t count, bool is_write)
{
	const struct vfio_user_region *region;

	if (index >= regions->nb)
		return NULL;
	region = &regions->region[index];
	if (region->conf.size == 0 ||
	    !vfio_user_range_inside(offset, count, region->conf.size) ||
	    (region->conf.flags & (is_write ? RTE_VFIO_USER_REGION_F_WRITE :
				   RTE_VFIO_USER_REGION_F_READ)) == 0)
		return NULL;
	return region;
}
