/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <rte_common.h>

#include "vfio_user_codec.h"
#include "vfio_user_dma.h"
#include "vfio_user_fd.h"
#include "vfio_user_lookup.h"

int
vfio_user_dma_init(struct vfio_user_dma *dma, const struct vfio_user_dma_conf *conf)
{
	int ret;

	memset(dma, 0, sizeof(*dma));
	TAILQ_INIT(&dma->regions);
	TAILQ_INIT(&dma->removed);
	TAILQ_INIT(&dma->waiting.regions);
	vfio_user_files_init(&dma->files, conf->max_files);
	vfio_user_windows_init(&dma->windows, conf->max_bytes, &dma->sigbus);
	dma->sigbus.wake_fd = conf->wake_fd;
	dma->max_maps = conf->max_maps;
	dma->require_seals = conf->require_seals;
	ret = vfio_user_grace_init(&dma->grace);
	if (ret < 0)
		return ret;
	dma->map = vfio_user_iova_create();
	if (dma->map == NULL) {
		vfio_user_grace_fini(&dma->grace);
		return -ENOMEM;
	}
	dma->root = vfio_user_iova_publish(dma->map);
	return 0;
}

static void
free_region(struct vfio_user_dma *dma, struct vfio_user_dma_region *region)
{
	if (region->window != NULL)
		vfio_user_window_put(&dma->windows, region->window);
	if (region->file != NULL)
		vfio_user_files_put(&dma->files, region->file);
	free(region);
}

static void
free_regions(struct vfio_user_dma *dma, struct vfio_user_dma_list *list)
{
	struct vfio_user_dma_region *region;

	while ((region = TAILQ_FIRST(list)) != NULL) {
		TAILQ_REMOVE(list, region, next);
		free_region(dma, region);
	}
}

void
vfio_user_dma_fini(struct vfio_user_dma *dma)
{
	free_regions(dma, &dma->regions);
	free_regions(dma, &dma->removed);
	free_regions(dma, &dma->waiting.regions);
	vfio_user_iova_garbage_free(dma->waiting.garbage);
	vfio_user_iova_destroy(dma->map);
	vfio_user_grace_fini(&dma->grace);
}

/* ------------------------------------------------------------ adding */

static enum rte_vfio_user_dma_mode
choose_mode(uint32_t flags, int fd)
{
	if (fd < 0)
		return RTE_VFIO_USER_DMA_MSG;
	if ((flags & VFIO_USER_DMA_MAP_F_FILE_IO) != 0 &&
	    (flags & VFIO_USER_DMA_MAP_F_MMAP) == 0)
		return RTE_VFIO_USER_DMA_FILE;
	return RTE_VFIO_USER_DMA_MMAP;
}

/* Find or make the window of a region that has a file. */
static int
map_file(struct vfio_user_dma *dma, struct vfio_user_dma_region *region)
{
	struct rte_vfio_user_dma_info *info = &region->info;
	struct stat st;
	int ret;

	/* the seal first: then the size that is looked at can only grow */
	if (dma->require_seals && !vfio_user_fd_is_sealed(info->fd))
		return -EPERM;
	if (fstat(info->fd, &st) < 0)
		return -errno;
	/* accesses behind the end of a file raise SIGBUS: refuse them here */
	if (S_ISREG(st.st_mode) && !vfio_user_range_inside(info->fd_offset, info->size,
							   (uint64_t)st.st_size))
		return -EINVAL;
	if (info->mode != RTE_VFIO_USER_DMA_MMAP)
		return 0;
	ret = vfio_user_window_get(&dma->windows, region->file, &st, info->prot,
				   info->fd_offset, info->size, &region->window);
	if (ret < 0)
		return ret;
	info->va = region->window->base + (info->fd_offset - region->window->offset);
	return 0;
}

static void
describe(struct rte_vfio_user_dma_info *info, const struct vfio_user_dma_map *req, int fd)
{
	info->iova = req->addr;
	info->size = req->size;
	if ((req->flags & VFIO_USER_DMA_MAP_F_READ) != 0)
		info->prot |= PROT_READ;
	if ((req->flags & VFIO_USER_DMA_MAP_F_WRITE) != 0)
		info->prot |= PROT_WRITE;
	info->fd = fd;
	info->fd_offset = req->offset;
	info->mode = choose_mode(req->flags, fd);
}

static struct vfio_user_dma_region *
make_region(struct vfio_user_dma *dma, const struct vfio_user_dma_map *req, int fd,
	    int *err)
{
	struct vfio_user_dma_region *region = calloc(1, sizeof(*region));

	*err = -ENOMEM;
	if (region == NULL) {
		vfio_user_fd_close(fd);
		return NULL;
	}
	*err = fd < 0 ? 0 : vfio_user_files_get(&dma->files, fd, &region->file);
	if (*err == 0) {
		describe(&region->info, req, fd < 0 ? -1 : region->file->fd);
		*err = fd < 0 ? 0 : map_file(dma, region);
	}
	if (*err < 0) {
		free_region(dma, region);
		return NULL;
	}
	return region;
}

static void
publish(struct vfio_user_dma *dma)
{
	__atomic_store_n(&dma->root, vfio_user_iova_publish(dma->map),
			 __ATOMIC_RELEASE);
	dma->dirty = true;
}

static bool
overlaps(const struct vfio_user_dma *dma, uint64_t first, uint64_t last)
{
	struct vfio_user_iova_range range;

	return vfio_user_iova_next(dma->root, first, &range) && range.first <= last;
}

int
vfio_user_dma_add(struct vfio_user_dma *dma, const struct vfio_user_dma_map *req,
		  int fd, struct vfio_user_dma_region **added)
{
	struct vfio_user_iova_range range = {
		.first = req->addr,
		.last = req->addr + (req->size - 1),
	};
	struct vfio_user_dma_region *region;
	int ret = 0;

	/* before the file is touched: an overlap must have no side effect */
	if (overlaps(dma, range.first, range.last))
		ret = -EEXIST;
	else if (vfio_user_iova_count(dma->map) >= dma->max_maps)
		ret = -ENOSPC;
	if (ret < 0) {
		vfio_user_fd_close(fd);
		return ret;
	}
	region = make_region(dma, req, fd, &ret);
	if (region == NULL)
		return ret;
	range.cookie = region;
	if (region->info.mode == RTE_VFIO_USER_DMA_MMAP) {
		range.prot = region->info.prot;
		range.delta = (uintptr_t)region->info.va - (uintptr_t)range.first;
	}
	ret = vfio_user_iova_insert(dma->map, &range);
	if (ret < 0) {
		free_region(dma, region);
		return ret;
	}
	TAILQ_INSERT_TAIL(&dma->regions, region, next);
	vfio_user_stats_map(&dma->stats, req->size);
	publish(dma);
	*added = region;
	return 0;
}

/* ------------------------------------------------------------ lookup */

struct vfio_user_dma_region *
vfio_user_dma_find(const struct vfio_user_dma *dma, uint64_t iova)
{
	struct vfio_user_iova_range range;

	return vfio_user_iova_find(dma->root, iova, &range) ? range.cookie : NULL;
}

struct vfio_user_dma_region *
vfio_user_dma_next(const struct vfio_user_dma *dma, uint64_t iova)
{
	struct vfio_user_iova_range range;

	return vfio_user_iova_next(dma->root, iova, &range) ? range.cookie : NULL;
}

bool
vfio_user_dma_separable(const struct vfio_user_dma *dma, uint64_t first, uint64_t last)
{
	const struct vfio_user_dma_region *low = vfio_user_dma_next(dma, first);
	const struct vfio_user_dma_region *high = vfio_user_dma_find(dma, last);

	if (low == NULL || low->info.iova < first || low->info.iova > last)
		return false;
	return high == NULL || high->info.iova + (high->info.size - 1) == last;
}

/* ---------------------------------------------------------- removing */

int
vfio_user_dma_hide(struct vfio_user_dma *dma, struct vfio_user_dma_region *region)
{
	int ret = vfio_user_iova_remove(dma->map, region->info.iova,
			region->info.iova + (region->info.size - 1), NULL);

	if (ret < 0)
		return ret;
	TAILQ_REMOVE(&dma->regions, region, next);
	vfio_user_stats_unmap(&dma->stats, region->info.size);
	publish(dma);
	return 0;
}

void
vfio_user_dma_retire(struct vfio_user_dma *dma, struct vfio_user_dma_region *region)
{
	TAILQ_INSERT_TAIL(&dma->removed, region, next);
	dma->dirty = true;
}

int
vfio_user_dma_remove(struct vfio_user_dma *dma, struct vfio_user_dma_region *region)
{
	int ret = vfio_user_dma_hide(dma, region);

	if (ret == 0)
		vfio_user_dma_retire(dma, region);
	return ret;
}

void
vfio_user_dma_remove_all(struct vfio_user_dma *dma)
{
	vfio_user_iova_clear(dma->map);
	TAILQ_CONCAT(&dma->removed, &dma->regions, next);
	vfio_user_stats_unmap_all(&dma->stats);
	publish(dma);
}

bool
vfio_user_dma_settle(struct vfio_user_dma *dma)
{
	for (;;) {
		if (!vfio_user_grace_done(&dma->grace))
			return false;
		free_regions(dma, &dma->waiting.regions);
		vfio_user_iova_garbage_free(dma->waiting.garbage);
		dma->waiting.garbage = NULL;
		dma->sync_done = dma->sync_active;
		if (!dma->dirty)
			return true;
		dma->dirty = false;
		TAILQ_CONCAT(&dma->waiting.regions, &dma->removed, next);
		dma->waiting.garbage = vfio_user_iova_garbage_take(dma->map);
		dma->sync_active = dma->sync_asked;
		vfio_user_grace_start(&dma->grace);
	}
}

uint64_t
vfio_user_dma_sync(struct vfio_user_dma *dma)
{
	uint64_t number = ++dma->sync_asked;

	dma->dirty = true;
	vfio_user_dma_settle(dma);
	return dma->sync_done >= number ? 0 : number;
}

bool
vfio_user_dma_syncing(const struct vfio_user_dma *dma)
{
	return dma->sync_done != dma->sync_asked;
}

bool
vfio_user_dma_unsettled(const struct vfio_user_dma *dma)
{
	return !TAILQ_EMPTY(&dma->removed) || !TAILQ_EMPTY(&dma->waiting.regions);
}

void
vfio_user_dma_attach_reader(const struct vfio_user_dma *dma,
			    struct rte_vfio_user_dma_reader *reader)
{
	static const struct rte_vfio_user_dma_entry nothing = {
		.first = UINT64_MAX,
		.denied = UINT32_MAX,
	};

	reader->lookup = vfio_user_lookup_choose();
	reader->rootp = &dma->root;
	reader->hit = reader->none = &nothing;
}

/* ------------------------------------------------------------- access */

static int
file_io(const struct rte_vfio_user_dma_info *info, bool is_write, uint64_t iova,
	uint8_t *buf, uint64_t len)
{
	uint64_t off = info->fd_offset + (iova - info->iova);
	ssize_t ret;

	while (len != 0) {
		ret = is_write ? pwrite(info->fd, buf, len, (off_t)off) :
			pread(info->fd, buf, len, (off_t)off);
		if (ret < 0 && errno == EINTR)
			continue;
		if (ret <= 0)
			return ret < 0 ? -errno : -EIO;
		buf += ret;
		off += (uint64_t)ret;
		len -= (uint64_t)ret;
	}
	return 0;
}

static int
access_region(const struct vfio_user_dma *dma,
	      const struct rte_vfio_user_dma_info *info, bool is_write, uint64_t iova,
	      void *buf, uint64_t len, struct vfio_user_dma_piece *piece)
{
	uint8_t *va;

	if ((info->prot & (is_write ? PROT_WRITE : PROT_READ)) == 0)
		return -EPERM;
	piece->mode = info->mode;
	piece->len = RTE_MIN(len, info->size - (iova - info->iova));
	switch (info->mode) {
	case RTE_VFIO_USER_DMA_MMAP:
		va = (uint8_t *)info->va + (iova - info->iova);
		if (is_write)
			memcpy(va, buf, piece->len);
		else
			memcpy(buf, va, piece->len);
		/* a copy of zeroes, or to nowhere, is none */
		return vfio_user_sigbus_broken(&dma->sigbus) ? -EIO : 0;
	case RTE_VFIO_USER_DMA_FILE:
		return file_io(info, is_write, iova, buf, piece->len);
	default:
		return 0;
	}
}

int
vfio_user_dma_access(struct vfio_user_dma *dma, bool is_write, uint64_t iova,
		     void *buf, uint64_t len, struct vfio_user_dma_piece *piece)
{
	const struct vfio_user_dma_region *region;
	struct vfio_user_iova_range range;
	uint32_t slot;
	int ret = -EFAULT;

	slot = vfio_user_grace_enter(&dma->grace);
	if (vfio_user_iova_find(__atomic_load_n(&dma->root, __ATOMIC_ACQUIRE),
				iova, &range)) {
		region = range.cookie;
		ret = access_region(dma, &region->info, is_write, iova, buf, len, piece);
	}
	vfio_user_grace_leave(&dma->grace, slot);
	return ret;
}
