/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>

#include "test.h"
#include "test_virtio_ring_mem.h"
#include "vfio_user_dma.h"

#define RW (PROT_READ | PROT_WRITE)
#define NB_FILES 5u

struct mem_zone mem_zones[MEM_NB_ZONES];
struct rte_vfio_user_dma_reader *mem_reader;

static struct vfio_user_dma dma;

static const struct {
	uint64_t iova;
	uint32_t pages;
	uint32_t file;
	uint32_t first_page; /* of the file */
	uint32_t prot;
	bool mmap;
} layout[MEM_NB_ZONES] = {
	/* no powers of two: what is behind the end of the file is mapped, and faults */
	[MEM_DESC] = { 0x100000, 129, 0, 0, RW, true },
	[MEM_DRIVER] = { 0x200000, 17, 1, 0, RW, true },
	[MEM_DEVICE] = { 0x300000, 65, 2, 0, RW, true },
	[MEM_DATA] = { 0x8000, 12, 3, 0, RW, true },
	[MEM_APART] = { 0x14000, 2, 3, 16, RW, true },
	[MEM_CLOSE] = { 0x16000, 2, 3, 18, RW, true },
	[MEM_READ_ONLY] = { 0x18000, 1, 3, 32, PROT_READ, true },
	[MEM_WRITE_ONLY] = { 0x19000, 1, 3, 36, PROT_WRITE, true },
	[MEM_NO_MMAP] = { 0x1a000, 1, 3, 40, RW, false },
	[MEM_TOP] = { UINT64_MAX - MEM_PAGE + 1, 1, 4, 0, RW, true },
};

static int
map_zone(unsigned int i, int fd)
{
	struct mem_zone *zone = &mem_zones[i];
	const uint64_t offset = (uint64_t)layout[i].first_page * MEM_PAGE;
	struct vfio_user_dma_map req = {
		.argsz = sizeof(req), .offset = offset, .addr = layout[i].iova,
		.size = (uint64_t)layout[i].pages * MEM_PAGE,
		.flags = layout[i].mmap ? VFIO_USER_DMA_MAP_F_MMAP :
			VFIO_USER_DMA_MAP_F_FILE_IO,
	};
	struct vfio_user_dma_region *region;

	if ((layout[i].prot & PROT_READ) != 0)
		req.flags |= VFIO_USER_DMA_MAP_F_READ;
	if ((layout[i].prot & PROT_WRITE) != 0)
		req.flags |= VFIO_USER_DMA_MAP_F_WRITE;
	TEST_ASSERT_SUCCESS(vfio_user_dma_add(&dma, &req, dup(fd), &region), "zone %u", i);
	*zone = (struct mem_zone){ .iova = req.addr, .size = req.size,
		.prot = layout[i].prot, .mmap = layout[i].mmap, .device = region->info.va };
	zone->driver = mmap(NULL, zone->size, RW, MAP_SHARED, fd, (off_t)offset);
	TEST_ASSERT(zone->driver != MAP_FAILED, "mmap");
	return 0;
}

static int
make_reader(void)
{
	struct vfio_user_reader *reader =
		aligned_alloc(RTE_CACHE_LINE_SIZE, RTE_ALIGN_CEIL(sizeof(*reader),
								  RTE_CACHE_LINE_SIZE));

	TEST_ASSERT_NOT_NULL(reader, "memory");
	memset(reader, 0, sizeof(*reader));
	vfio_user_dma_attach_reader(&dma, &reader->pub);
	TEST_ASSERT_SUCCESS(vfio_user_grace_add(&dma.grace, reader), "grace");
	mem_reader = &reader->pub;
	return 0;
}

int
mem_setup(void)
{
	static const struct vfio_user_dma_conf conf = {
		.max_maps = 2 * MEM_NB_ZONES, .max_files = 2 * NB_FILES,
		.max_bytes = UINT64_C(1) << 40, .wake_fd = -1,
	};
	uint32_t end[NB_FILES] = { 0 };
	int fds[NB_FILES];
	unsigned int i;

	TEST_ASSERT_SUCCESS(vfio_user_dma_init(&dma, &conf), "init");
	for (i = 0; i < MEM_NB_ZONES; i++)
		end[layout[i].file] = RTE_MAX(end[layout[i].file],
					      layout[i].first_page + layout[i].pages);
	for (i = 0; i < NB_FILES; i++) {
		fds[i] = memfd_create("ring", MFD_CLOEXEC);
		TEST_ASSERT_SUCCESS(ftruncate(fds[i], (off_t)end[i] * MEM_PAGE), "file");
	}
	for (i = 0; i < MEM_NB_ZONES; i++)
		if (map_zone(i, fds[layout[i].file]) < 0)
			return TEST_FAILED;
	for (i = 0; i < NB_FILES; i++)
		close(fds[i]);
	vfio_user_dma_settle(&dma);
	return make_reader();
}

void
mem_teardown(void)
{
	struct vfio_user_reader *reader = (struct vfio_user_reader *)mem_reader;
	unsigned int i;

	for (i = 0; i < MEM_NB_ZONES; i++)
		if (mem_zones[i].driver != NULL)
			munmap(mem_zones[i].driver, mem_zones[i].size);
	memset(mem_zones, 0, sizeof(mem_zones));
	if (reader != NULL)
		vfio_user_grace_remove(&dma.grace, reader);
	free(reader);
	mem_reader = NULL;
	vfio_user_dma_remove_all(&dma);
	vfio_user_dma_settle(&dma);
	vfio_user_dma_fini(&dma);
}

int
mem_unmap(unsigned int zone)
{
	struct vfio_user_dma_region *region =
		vfio_user_dma_find(&dma, mem_zones[zone].iova);

	TEST_ASSERT_NOT_NULL(region, "not mapped");
	TEST_ASSERT_SUCCESS(vfio_user_dma_remove(&dma, region), "remove");
	TEST_ASSERT(vfio_user_dma_settle(&dma), "settle");
	return 0;
}

const struct mem_zone *
mem_find(uint64_t iova)
{
	unsigned int i;

	for (i = 0; i < MEM_NB_ZONES; i++)
		if (iova - mem_zones[i].iova < mem_zones[i].size)
			return &mem_zones[i];
	return NULL;
}

static uint64_t
place(unsigned int zone, uint32_t len, uint32_t align)
{
	const uint64_t iova = (mem_zones[zone].iova + mem_zones[zone].size - len) &
		~(uint64_t)(align - 1);

	memset(mem_at(iova), 0, len);
	return iova;
}

void
mem_place(struct rte_virtio_ring_conf *conf)
{
	const uint32_t event = (conf->features >> VIRTIO_RING_F_EVENT_IDX & 1) * 2;

	conf->desc = place(MEM_DESC, conf->size * 16u, 16);
	if ((conf->features >> VIRTIO_F_RING_PACKED & 1) != 0) {
		conf->driver = place(MEM_DRIVER, 4, 4);
		conf->device = place(MEM_DEVICE, 4, 4);
	} else {
		conf->driver = place(MEM_DRIVER, 4 + 2u * conf->size + event, 2);
		conf->device = place(MEM_DEVICE, 4 + 8u * conf->size + event, 4);
	}
}
