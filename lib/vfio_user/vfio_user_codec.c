/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include <rte_common.h>

#include "vfio_user_codec.h"

#define NEW VFIO_USER_STATE_NEW
#define READY VFIO_USER_STATE_READY
#define ANY_FDS UINT16_MAX

#define IRQ_SET_MINSZ offsetof(struct vfio_irq_set, data)

/* Bounds on what a server may put into one region info reply. */
#define MAX_CAPS 64
#define MAX_AREAS 1024

static const struct vfio_user_command_info commands[VFIO_USER_COMMAND_MAX] = {
	[VFIO_USER_VERSION] = {
		"VERSION", sizeof(struct vfio_user_version),
		sizeof(struct vfio_user_version) + VFIO_USER_MAX_VERSION_DATA,
		0, NEW, VFIO_USER_SERVER, false },
	[VFIO_USER_DMA_MAP] = {
		"DMA_MAP", sizeof(struct vfio_user_dma_map), 0,
		1, READY, VFIO_USER_SERVER, true },
	/* SPDK passes the file descriptor here, too */
	[VFIO_USER_DMA_UNMAP] = {
		"DMA_UNMAP", sizeof(struct vfio_user_dma_unmap), 0,
		1, READY, VFIO_USER_SERVER, true },
	[VFIO_USER_DEVICE_GET_INFO] = {
		"DEVICE_GET_INFO", VFIO_USER_DEVICE_INFO_SIZE, 0,
		0, READY, VFIO_USER_SERVER, false },
	[VFIO_USER_DEVICE_GET_REGION_INFO] = {
		"DEVICE_GET_REGION_INFO", sizeof(struct vfio_region_info), 0,
		0, READY, VFIO_USER_SERVER, false },
	[VFIO_USER_DEVICE_GET_REGION_IO_FDS] = {
		"DEVICE_GET_REGION_IO_FDS", sizeof(struct vfio_user_region_io_fds), 0,
		0, READY, VFIO_USER_SERVER, false },
	[VFIO_USER_DEVICE_GET_IRQ_INFO] = {
		"DEVICE_GET_IRQ_INFO", sizeof(struct vfio_irq_info), 0,
		0, READY, VFIO_USER_SERVER, false },
	[VFIO_USER_DEVICE_SET_IRQS] = {
		"DEVICE_SET_IRQS", IRQ_SET_MINSZ, 0,
		ANY_FDS, READY, VFIO_USER_SERVER, true },
	[VFIO_USER_REGION_READ] = {
		"REGION_READ", sizeof(struct vfio_user_region_access), 0,
		0, READY, VFIO_USER_SERVER, false },
	[VFIO_USER_REGION_WRITE] = {
		"REGION_WRITE", sizeof(struct vfio_user_region_access), 0,
		0, READY, VFIO_USER_SERVER, false },
	[VFIO_USER_DMA_READ] = {
		"DMA_READ", sizeof(struct vfio_user_dma_access), 0,
		0, READY, VFIO_USER_CLIENT, false },
	[VFIO_USER_DMA_WRITE] = {
		"DMA_WRITE", sizeof(struct vfio_user_dma_access), 0,
		0, READY, VFIO_USER_CLIENT, false },
	[VFIO_USER_DEVICE_RESET] = {
		"DEVICE_RESET", 0, 0,
		0, READY, VFIO_USER_SERVER, true },
	[VFIO_USER_REGION_WRITE_MULTI] = {
		"REGION_WRITE_MULTI", sizeof(struct vfio_user_write_multi), 0,
		0, READY, VFIO_USER_SERVER, false },
	[VFIO_USER_DEVICE_FEATURE] = {
		"DEVICE_FEATURE", sizeof(struct vfio_user_device_feature), 0,
		0, READY, VFIO_USER_SERVER, false },
	[VFIO_USER_MIG_DATA_READ] = {
		"MIG_DATA_READ", 8, 0,
		0, READY, VFIO_USER_SERVER, false },
	[VFIO_USER_MIG_DATA_WRITE] = {
		"MIG_DATA_WRITE", 8, 0,
		0, READY, VFIO_USER_SERVER, false },
};

const struct vfio_user_command_info *
vfio_user_command_info(uint16_t command)
{
	if (command >= RTE_DIM(commands) || commands[command].name == NULL)
		return NULL;
	return &commands[command];
}

const char *
vfio_user_command_name(uint16_t command)
{
	const struct vfio_user_command_info *info = vfio_user_command_info(command);

	return info == NULL ? "unknown" : info->name;
}

int
vfio_user_check_frame(const struct vfio_user_hdr *hdr, uint32_t max_msg)
{
	uint32_t type = hdr->flags & VFIO_USER_F_TYPE_MASK;

	if (hdr->msg_size < sizeof(*hdr) || hdr->msg_size > max_msg)
		return -EPROTO;
	if (type != VFIO_USER_F_TYPE_COMMAND && type != VFIO_USER_F_TYPE_REPLY)
		return -EPROTO;
	return 0;
}

int
vfio_user_check_request(const struct vfio_user_hdr *hdr, uint32_t payload_len,
			uint32_t nb_fds, uint32_t max_fds, uint32_t state,
			enum vfio_user_side side)
{
	const struct vfio_user_command_info *info =
		vfio_user_command_info(hdr->command);

	if ((hdr->flags & ~VFIO_USER_F_ALL) != 0 ||
	    (hdr->flags & VFIO_USER_F_ERROR) != 0)
		return -EINVAL;
	if (info == NULL || info->side != side)
		return -EINVAL;
	if ((info->states & state) == 0)
		return -EINVAL;
	if (nb_fds > info->max_fds || nb_fds > max_fds)
		return -EINVAL;
	if (payload_len < info->min_payload)
		return -EINVAL;
	if (info->max_payload != 0 && payload_len > info->max_payload)
		return -EINVAL;
	return 0;
}

int
vfio_user_reply_error(const struct vfio_user_hdr *hdr)
{
	if ((hdr->flags & VFIO_USER_F_ERROR) == 0)
		return 0;
	if (hdr->error_no == 0 || hdr->error_no > 4095)
		return -EIO;
	return -(int)hdr->error_no;
}

int
vfio_user_decode_dma_map(const void *payload, uint32_t nb_fds,
			 struct vfio_user_dma_map *map)
{
	const uint32_t access = VFIO_USER_DMA_MAP_F_READ | VFIO_USER_DMA_MAP_F_WRITE;
	const uint32_t mode = VFIO_USER_DMA_MAP_F_MMAP | VFIO_USER_DMA_MAP_F_FILE_IO;

	memcpy(map, payload, sizeof(*map));
	if (map->argsz < sizeof(*map))
		return -EINVAL;
	if ((map->flags & ~VFIO_USER_DMA_MAP_F_ALL) != 0 || (map->flags & access) == 0)
		return -EINVAL;
	if ((map->flags & mode) != 0 && nb_fds == 0)
		return -EINVAL;
	if (!vfio_user_range_valid(map->addr, map->size))
		return -EINVAL;
	/* file offsets are signed */
	if (map->offset > INT64_MAX || map->size > INT64_MAX - map->offset)
		return nb_fds == 0 && map->offset == 0 ? 0 : -EINVAL;
	return 0;
}

int
vfio_user_decode_dma_unmap(const void *payload, struct vfio_user_dma_unmap *unmap)
{
	memcpy(unmap, payload, sizeof(*unmap));
	if (unmap->argsz < sizeof(*unmap))
		return -EINVAL;
	if (unmap->flags == VFIO_DMA_UNMAP_FLAG_ALL)
		return unmap->addr == 0 && unmap->size == 0 ? 0 : -EINVAL;
	if (unmap->flags != 0 || !vfio_user_range_valid(unmap->addr, unmap->size))
		return -EINVAL;
	return 0;
}

int
vfio_user_decode_set_irqs(const void *payload, uint32_t payload_len,
			  uint32_t nb_fds, struct vfio_irq_set *set)
{
	uint32_t data, action, room;

	memcpy(set, payload, IRQ_SET_MINSZ);
	if (set->argsz < IRQ_SET_MINSZ)
		return -EINVAL;
	if ((set->flags & ~(VFIO_IRQ_SET_DATA_TYPE_MASK |
			    VFIO_IRQ_SET_ACTION_TYPE_MASK)) != 0)
		return -EINVAL;
	data = set->flags & VFIO_IRQ_SET_DATA_TYPE_MASK;
	action = set->flags & VFIO_IRQ_SET_ACTION_TYPE_MASK;
	if (data == 0 || (data & (data - 1)) != 0 ||
	    action == 0 || (action & (action - 1)) != 0)
		return -EINVAL;
	if (data == VFIO_IRQ_SET_DATA_EVENTFD)
		return nb_fds == 0 || nb_fds == set->count ? 0 : -EINVAL;
	if (nb_fds != 0)
		return -EINVAL;
	if (data == VFIO_IRQ_SET_DATA_BOOL) {
		room = RTE_MIN(set->argsz, payload_len) - IRQ_SET_MINSZ;
		if (set->count > room)
			return -EINVAL;
	}
	return 0;
}

int
vfio_user_check_irq_range(const struct vfio_irq_set *set, uint32_t irq_count)
{
	if (set->count == 0) {
		/* "disable all" is the only request without interrupts */
		if (set->start == 0 && set->flags ==
		    (VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_TRIGGER))
			return 0;
		return -EINVAL;
	}
	if (!vfio_user_range_inside(set->start, set->count, irq_count))
		return -EINVAL;
	return 0;
}

/* Where an area of either capability lies in its region. */
struct area {
	uint64_t offset;
	uint64_t size;
};

/* Areas must be inside the region, not empty and disjoint. */
static int
check_areas(const struct area *areas, uint32_t nb, uint64_t region_size)
{
	uint32_t i, j;

	for (i = 0; i < nb; i++) {
		if (areas[i].size == 0 || !vfio_user_range_inside(areas[i].offset,
				areas[i].size, region_size))
			return -EPROTO;
		for (j = 0; j < i; j++)
			if (areas[i].offset < areas[j].offset + areas[j].size &&
			    areas[j].offset < areas[i].offset + areas[i].size)
				return -EPROTO;
	}
	return 0;
}

/* Read an area of either capability. */
static int
decode_area(const uint8_t *wire, bool own_fds, uint32_t nb_fds, struct area *area)
{
	struct vfio_region_sparse_mmap_area plain;
	struct rte_vfio_user_sparse_fds_area with_fd;

	if (!own_fds) {
		memcpy(&plain, wire, sizeof(plain));
		area->offset = plain.offset;
		area->size = plain.size;
		return 0;
	}
	memcpy(&with_fd, wire, sizeof(with_fd));
	area->offset = with_fd.offset;
	area->size = with_fd.size;
	return with_fd.fd_index < nb_fds && with_fd.fd_offset <= INT64_MAX ?
		0 : -EPROTO;
}

/* A capability with areas; own_fds: each has its file descriptor. */
static int
check_area_cap(const uint8_t *cap, uint32_t room, uint64_t region_size,
	       bool own_fds, uint32_t nb_fds)
{
	struct vfio_region_info_cap_sparse_mmap head; /* both begin with it */
	uint32_t i, stride = own_fds ? sizeof(struct rte_vfio_user_sparse_fds_area) :
		sizeof(struct vfio_region_sparse_mmap_area);
	struct area areas[MAX_AREAS];
	int ret;

	if (room < sizeof(head))
		return -EPROTO;
	memcpy(&head, cap, sizeof(head));
	if (head.nr_areas > (room - sizeof(head)) / stride || head.nr_areas > MAX_AREAS)
		return -EPROTO;
	for (i = 0; i < head.nr_areas; i++) {
		ret = decode_area(cap + sizeof(head) + i * stride, own_fds, nb_fds,
				  &areas[i]);
		if (ret < 0)
			return ret;
	}
	return check_areas(areas, head.nr_areas, region_size);
}

/* One capability; remembers where the known ones are. */
static int
check_cap(const uint8_t *payload, uint32_t off, uint32_t argsz, uint32_t nb_fds,
	  uint64_t region_size, uint32_t *cap_sparse, uint32_t *cap_fds)
{
	struct vfio_info_cap_header cap;

	memcpy(&cap, payload + off, sizeof(cap));
	if (cap.version != 1)
		return 0;
	switch (cap.id) {
	case VFIO_REGION_INFO_CAP_SPARSE_MMAP:
		*cap_sparse = off;
		return check_area_cap(payload + off, argsz - off, region_size,
				      false, 0);
	case VFIO_REGION_INFO_CAP_TYPE:
		return argsz - off < sizeof(struct vfio_region_info_cap_type) ?
			-EPROTO : 0;
	case RTE_VFIO_USER_REGION_INFO_CAP_SPARSE_MMAP_FDS:
		*cap_fds = off;
		return check_area_cap(payload + off, argsz - off, region_size,
				      true, nb_fds);
	default:
		return 0;
	}
}

int
vfio_user_check_region_info(const void *payload, uint32_t payload_len,
			    uint32_t nb_fds, uint32_t *cap_sparse,
			    uint32_t *cap_fds)
{
	struct vfio_region_info info;
	struct vfio_info_cap_header cap;
	uint32_t off, n;
	int ret;

	*cap_sparse = *cap_fds = 0;
	if (payload_len < sizeof(info))
		return -EPROTO;
	memcpy(&info, payload, sizeof(info));
	if (info.argsz < sizeof(info) || info.argsz > payload_len ||
	    info.offset > INT64_MAX)
		return -EPROTO;
	if ((info.flags & VFIO_REGION_INFO_FLAG_CAPS) == 0)
		return 0;
	off = info.cap_offset;
	if (off == 0)
		return -EPROTO;
	for (n = 0; off != 0; n++) {
		if (n == MAX_CAPS || off < sizeof(info) ||
		    !vfio_user_range_inside(off, sizeof(cap), info.argsz))
			return -EPROTO;
		ret = check_cap(payload, off, info.argsz, nb_fds, info.size,
				cap_sparse, cap_fds);
		if (ret < 0)
			return ret;
		memcpy(&cap, (const uint8_t *)payload + off, sizeof(cap));
		off = cap.next;
	}
	return *cap_sparse != 0 && *cap_fds != 0 ? -EPROTO : 0;
}
