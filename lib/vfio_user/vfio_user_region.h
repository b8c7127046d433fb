/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#ifndef VFIO_USER_REGION_H
#define VFIO_USER_REGION_H

/**
 * @file
 * The regions of a device: description, region info, I/O file descriptors
 */

#include <stdbool.h>
#include <stdint.h>

#include "rte_vfio_user_server.h"
#include "vfio_user_proto.h"

/** A region; fds are the library's duplicates. */
struct vfio_user_region {
	struct rte_vfio_user_region_conf conf; /* areas: own copy */
	struct rte_vfio_user_mmap_area *areas;
	struct rte_vfio_user_ioeventfd *ios; /* fd: index into io_fds */
	uint32_t nb_ios;
	int *io_fds; /* distinct files */
	uint32_t nb_io_fds;
};

struct vfio_user_regions {
	uint32_t nb;
	struct vfio_user_region *region;
};

int vfio_user_regions_init(struct vfio_user_regions *regions, uint32_t nb);
void vfio_user_regions_fini(struct vfio_user_regions *regions);

/** Describe a region: 0, -EINVAL, -ENOMEM, -EMFILE. */
int vfio_user_regions_set(struct vfio_user_regions *regions, uint32_t index,
			  const struct rte_vfio_user_region_conf *conf);

/** Add an ioeventfd: 0, -EINVAL, -ENOMEM, -EMFILE. */
int vfio_user_regions_add_io(struct vfio_user_regions *regions, uint32_t index,
			     const struct rte_vfio_user_ioeventfd *io);

/** A reply with file descriptors (borrowed from the region). */
struct vfio_user_region_reply {
	void *payload; /* malloc(3) */
	uint32_t len;
	int fds[RTE_VFIO_USER_MAX_MSG_FDS];
	uint32_t nb_fds;
};

/** GET_REGION_INFO: 0, -EINVAL, -ENOMEM. */
int vfio_user_regions_info(const struct vfio_user_regions *regions,
			   uint32_t index, uint32_t argsz,
			   const struct rte_vfio_user_negotiated *neg,
			   struct vfio_user_region_reply *reply);

/** GET_REGION_IO_FDS: 0, -EINVAL, -ENOMEM. */
int vfio_user_regions_io_fds(const struct vfio_user_regions *regions,
			     const struct vfio_user_region_io_fds *req,
			     uint32_t max_fds,
			     struct vfio_user_region_reply *reply);

/**
 * The region of an access, if it is inside and allowed, else NULL (EINVAL).
 */
const struct vfio_user_region *
vfio_user_regions_access(const struct vfio_user_regions *regions, uint32_t index,
			 uint64_t offset, uint64_t count, bool is_write);

#endif /* VFIO_USER_REGION_H */
