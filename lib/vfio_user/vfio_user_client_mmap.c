/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#include <errno.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "vfio_user_client.h"

static uint64_t
page_mask(void)
{
	return (uint64_t)sysconf(_SC_PAGESIZE) - 1;
}

uint32_t
vfio_user_client_count_areas(const struct vfio_user_client_region_info *region)
{
	uint32_t off, nb;

	if ((region->info->flags & VFIO_REGION_INFO_FLAG_MMAP) == 0)
		return 0;
	if (region->cap_sparse == 0 && region->cap_fds == 0)
		return 1;
	/* in both capabilities it is the first field */
	off = (region->cap_sparse != 0 ? region->cap_sparse : region->cap_fds) +
		(uint32_t)sizeof(struct vfio_info_cap_header);
	memcpy(&nb, (const uint8_t *)region->info + off, sizeof(nb));
	return nb;
}

void
vfio_user_client_get_area(const struct vfio_user_client_region_info *region,
			  uint32_t i, struct vfio_user_client_area *area,
			  struct vfio_user_client_source *source)
{
	const struct vfio_region_info *info = region->info;
	const uint8_t *cap = (const uint8_t *)info + region->cap_sparse +
		region->cap_fds;
	struct vfio_user_client_source from = { .fd_offset = info->offset };
	struct vfio_region_sparse_mmap_area sparse;
	struct rte_vfio_user_sparse_fds_area with_fd;

	area->offset = 0;
	area->size = info->size;
	if (region->cap_sparse != 0) {
		memcpy(&sparse, cap + i * sizeof(sparse) +
		       offsetof(struct vfio_region_info_cap_sparse_mmap, areas),
		       sizeof(sparse));
		area->offset = sparse.offset;
		area->size = sparse.size;
		from.fd_offset += sparse.offset;
	} else if (region->cap_fds != 0) {
		memcpy(&with_fd, cap + i * sizeof(with_fd) +
		       offsetof(struct rte_vfio_user_sparse_fds_cap, areas),
		       sizeof(with_fd));
		area->offset = with_fd.offset;
		area->size = with_fd.size;
		from.fd_offset = with_fd.fd_offset;
		from.fd_index = with_fd.fd_index;
	}
	if (source != NULL)
		*source = from;
}

/* Accessing a mapping behind the end of its file would be a SIGBUS. */
static int
check_file(int fd, uint64_t offset, uint64_t size)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return 0;
	return vfio_user_range_inside(offset, size, (uint64_t)st.st_size) ?
		0 : -EPROTO;
}

/*
 * The kernel rounds a mapping of hugetlbfs up to its pages: MAP_FIXED would
 * replace what lies behind the reservation.
 */
static int
check_page(int fd, const uint8_t *addr, uint64_t offset, uint64_t size)
{
	struct statfs fs;
	uint64_t mask;

	if (fstatfs(fd, &fs) < 0)
		return -errno;
	if (fs.f_type != HUGETLBFS_MAGIC)
		return 0;
	mask = (uint64_t)fs.f_bsize - 1;
	return (((uintptr_t)addr | offset | size) & mask) == 0 ? 0 : -EPROTO;
}

static int
map_area(struct vfio_user_client_region *region, uint64_t region_size,
	 const struct vfio_user_client_area *area,
	 const struct vfio_user_client_source *source, const struct vfio_user_fds *fds)
{
	const uint64_t mask = page_mask();
	uint8_t *addr = region->base + area->offset;
	int fd, ret;

	if (source->fd_index >= fds->nb)
		return -EPROTO;
	/* only the end of the region may be inside a page */
	if ((area->offset & mask) != 0 || (source->fd_offset & mask) != 0 ||
	    ((area->size & mask) != 0 && area->offset + area->size != region_size))
		return -EPROTO;
	if (source->fd_offset > INT64_MAX)
		return -EPROTO;
	fd = fds->fd[source->fd_index];
	/* the seal first: then the size that is looked at can only grow */
	if (region->require_seals && !vfio_user_fd_is_sealed(fd))
		return -EPERM;
	ret = check_file(fd, source->fd_offset, area->size);
	if (ret == 0)
		ret = check_page(fd, addr, source->fd_offset, area->size);
	if (ret < 0)
		return ret;
	if (mmap(addr, area->size, region->prot, MAP_SHARED | MAP_FIXED, fd,
		 (off_t)source->fd_offset) == MAP_FAILED)
		return -errno;
	return 0;
}

static void
free_region(struct vfio_user_client_region *region)
{
	uint32_t i;

	for (i = 0; i < region->nb_areas; i++)
		vfio_user_sigbus_unregister(region->areas[i].slot);
	munmap(region->base, region->len);
	free(region);
}

/* Reserve address space for a region without any area mapped. */
static int
reserve(const struct vfio_region_info *info, uint32_t nb_areas,
	struct vfio_user_client_region **regionp)
{
	struct vfio_user_client_region *region;
	void *base;

	if (info->size > SIZE_MAX / 2)
		return -ENOMEM;
	region = calloc(1, sizeof(*region) + nb_areas * sizeof(region->areas[0]));
	if (region == NULL)
		return -ENOMEM;
	region->len = (size_t)((info->size + page_mask()) & ~page_mask());
	if ((info->flags & VFIO_REGION_INFO_FLAG_READ) != 0)
		region->prot |= PROT_READ;
	if ((info->flags & VFIO_REGION_INFO_FLAG_WRITE) != 0)
		region->prot |= PROT_WRITE;
	base = mmap(NULL, region->len, PROT_NONE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (base == MAP_FAILED) {
		free(region);
		return -ENOMEM;
	}
	region->base = base;
	*regionp = region;
	return 0;
}

/* Map an area of a region that is reserved, or has it mapped by another file. */
static int
map_from(struct vfio_user_client_region *region,
	 const struct vfio_user_client_region_info *from, uint32_t i,
	 struct vfio_user_client_area *area)
{
	struct vfio_user_client_source source;

	vfio_user_client_get_area(from, i, area, &source);
	return map_area(region, from->info->size, area, &source, &from->fds);
}

/* Have the handler of SIGBUS wake us: needed from the first mapped region on. */
static int
watch_sigbus(struct rte_vfio_user_client *client)
{
	int ret = 0;

	pthread_mutex_lock(&client->region_lock);
	if (client->sigbus.wake_fd < 0) {
		client->sigbus.wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		ret = vfio_user_client_watch(client, client->sigbus.wake_fd,
					     VFIO_USER_CLIENT_TAG_SIGBUS);
		if (ret < 0) {
			vfio_user_fd_close(client->sigbus.wake_fd);
			client->sigbus.wake_fd = -1;
		}
	}
	pthread_mutex_unlock(&client->region_lock);
	return ret;
}

/* Have the handler of SIGBUS know an area, whatever is mapped there later. */
static int
register_area(struct rte_vfio_user_client *client,
	      const struct vfio_user_client_region *region,
	      struct vfio_user_client_area *area)
{
	const uint64_t mask = page_mask();
	int ret = watch_sigbus(client);

	if (ret < 0)
		return ret;
	area->slot = vfio_user_sigbus_register(&client->sigbus, region->base + area->offset,
					       (area->size + mask) & ~mask,
					       (uint32_t)region->prot);
	return area->slot == NULL ? -ENOMEM : 0;
}

static int
map_region(struct rte_vfio_user_client *client,
	   const struct vfio_user_client_region_info *from,
	   struct vfio_user_client_region **regionp)
{
	const uint32_t access = VFIO_REGION_INFO_FLAG_READ |
		VFIO_REGION_INFO_FLAG_WRITE;
	uint32_t nb_areas = vfio_user_client_count_areas(from);
	struct vfio_user_client_region *region;
	uint32_t i;
	int ret;

	if ((from->info->flags & access) == 0 || from->info->size == 0 ||
	    nb_areas == 0)
		return -ENOTSUP;
	ret = reserve(from->info, nb_areas, &region);
	if (ret < 0)
		return ret;
	region->require_seals =
		(client->flags & RTE_VFIO_USER_CLIENT_F_REQUIRE_SEALS) != 0;
	for (i = 0; i < nb_areas; i++) {
		ret = map_from(region, from, i, &region->areas[i]);
		if (ret == 0)
			ret = register_area(client, region, &region->areas[i]);
		if (ret < 0) {
			free_region(region);
			return ret;
		}
		region->nb_areas++;
	}
	*regionp = region;
	return 0;
}

/*
 * Publish a region that was mapped from a server; whoever was first wins.
 * NULL: that server is gone, and with it what was mapped.
 */
static struct vfio_user_client_region *
publish(struct rte_vfio_user_client *client, uint32_t index, uint32_t peer,
	struct vfio_user_client_region *region)
{
	struct vfio_user_client_region *first;
	bool gone;

	pthread_mutex_lock(&client->region_lock);
	first = client->regions[index];
	gone = client->regions_peer != peer;
	if (first == NULL && !gone)
		__atomic_store_n(&client->regions[index], region, __ATOMIC_RELEASE);
	pthread_mutex_unlock(&client->region_lock);
	if (first == NULL && !gone)
		return region;
	free_region(region);
	return first;
}

static struct vfio_user_client_region *
mapped_region(const struct rte_vfio_user_client *client, uint32_t index)
{
	if (index >= VFIO_USER_CLIENT_MAX_REGIONS)
		return NULL;
	return __atomic_load_n(&client->regions[index], __ATOMIC_ACQUIRE);
}

/* 1: the server is gone meanwhile. */
static int
map_and_publish(struct rte_vfio_user_client *client, uint32_t index,
		struct vfio_user_client_region **regionp)
{
	/* before the request: a reply of a later server is not published */
	uint32_t peer = __atomic_load_n(&client->generation, __ATOMIC_ACQUIRE);
	struct vfio_user_client_region_info from;
	struct vfio_user_client_region *region;
	int ret;

	ret = vfio_user_client_get_region(client, index, &from);
	if (ret < 0)
		return ret;
	ret = map_region(client, &from, &region);
	vfio_user_client_region_info_release(&from);
	if (ret < 0)
		return ret;
	*regionp = publish(client, index, peer, region);
	return *regionp != NULL ? 0 : 1;
}

int
rte_vfio_user_client_region_mmap(struct rte_vfio_user_client *client,
				 uint32_t index, void **base)
{
	struct vfio_user_client_region *region;
	int ret = 0;

	if (client == NULL || base == NULL || index >= VFIO_USER_CLIENT_MAX_REGIONS)
		return vfio_user_misuse(__func__);
	region = mapped_region(client, index);
	if (region == NULL) {
		do {
			ret = map_and_publish(client, index, &region);
		} while (ret == 1 &&
			 (client->flags & RTE_VFIO_USER_CLIENT_F_RETRY_READS) != 0);
	}
	if (ret != 0)
		return ret == 1 ? -ENOTCONN : ret;
	*base = region->base;
	return 0;
}

void *
rte_vfio_user_client_region_va(struct rte_vfio_user_client *client,
			       uint32_t index, uint64_t offset, uint64_t len)
{
	const struct vfio_user_client_region *region;
	uint32_t i;

	if (client == NULL || len == 0)
		return NULL;
	region = mapped_region(client, index);
	if (region == NULL)
		return NULL;
	for (i = 0; i < region->nb_areas; i++)
		if (offset >= region->areas[i].offset &&
		    vfio_user_range_inside(offset - region->areas[i].offset, len,
					   region->areas[i].size))
			return region->base + offset;
	return NULL;
}

/* --------------------------------------------------------- reconnection */

bool
vfio_user_client_region_is_mapped(const struct rte_vfio_user_client *client,
				  uint32_t index)
{
	return mapped_region(client, index) != NULL;
}

/* To threads that access the area the exchange is atomic. */
static void
hide_area(const struct vfio_user_client_region *region,
	  const struct vfio_user_client_area *area)
{
	if (mmap(region->base + area->offset, area->size, region->prot,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED,
		 -1, 0) == MAP_FAILED)
		VFIO_USER_LOG(ERR, "client: memory of the server that is gone"
			      " stays mapped: %s", strerror(errno));
}

void
vfio_user_client_regions_hide(struct rte_vfio_user_client *client)
{
	const struct vfio_user_client_region *region;
	uint32_t i, j;

	pthread_mutex_lock(&client->region_lock);
	client->regions_peer = VFIO_USER_CLIENT_NOBODY;
	for (i = 0; i < VFIO_USER_CLIENT_MAX_REGIONS; i++) {
		region = client->regions[i];
		for (j = 0; region != NULL && j < region->nb_areas; j++)
			hide_area(region, &region->areas[j]);
	}
	pthread_mutex_unlock(&client->region_lock);
}

int
vfio_user_client_region_restore(struct rte_vfio_user_client *client, uint32_t index,
				const struct vfio_user_client_region_info *info)
{
	struct vfio_user_client_region *region = mapped_region(client, index);
	struct vfio_user_client_area area;
	uint32_t i;
	int ret = 0;

	if (vfio_user_client_count_areas(info) != region->nb_areas)
		return -EPROTO;
	for (i = 0; i < region->nb_areas && ret == 0; i++) {
		vfio_user_client_get_area(info, i, &area, NULL);
		if (area.offset != region->areas[i].offset ||
		    area.size != region->areas[i].size)
			return -EPROTO;
		ret = map_from(region, info, i, &area);
	}
	return ret;
}

void
vfio_user_client_regions_restored(struct rte_vfio_user_client *client,
				  uint32_t generation)
{
	pthread_mutex_lock(&client->region_lock);
	client->regions_peer = generation;
	pthread_mutex_unlock(&client->region_lock);
}

void
vfio_user_client_regions_fini(struct rte_vfio_user_client *client)
{
	uint32_t i;

	for (i = 0; i < VFIO_USER_CLIENT_MAX_REGIONS; i++)
		if (client->regions[i] != NULL)
			free_region(client->regions[i]);
}
