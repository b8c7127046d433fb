/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#ifndef DEVICE_H
#define DEVICE_H

/**
 * @file
 * What a server says about its device, taken into memory
 *
 * A server can claim any number of regions and interrupts: no more than
 * DEVICE_MAX_INDEXES of each are asked for, and all answers together have to
 * arrive within the time of one reply.
 */

#include <stdbool.h>

#include "session.h"

#define DEVICE_MAX_INDEXES 256

/** A part of a region that can be mapped. */
struct device_area {
	uint64_t offset;
	uint64_t size;
	uint64_t fd_offset; /* in the file */
	uint32_t fd_index; /* of those that came with the region */
};

/** Type capability of a region. */
struct device_type {
	uint32_t type;
	uint32_t subtype;
};

struct device_region {
	uint32_t index;
	uint32_t flags;
	uint64_t size;
	uint32_t nb_fds; /* that came with it; they have been closed */
	bool typed;
	struct device_type type;
	uint32_t nb_areas;
	struct device_area *areas; /* all of the region if it can be mapped whole */
	uint32_t nb_ios;
	struct rte_vfio_user_region_io_fd *ios;
};

struct device {
	struct rte_vfio_user_negotiated neg;
	struct vfio_device_info info;
	uint32_t nb_regions; /* that were asked for */
	struct device_region *regions;
	uint32_t nb_irqs;
	struct vfio_irq_info *irqs;
};

/** Ask for everything but the I/O fds; ends the program if that fails. */
void device_load(struct device *dev, struct session *s);

/** Ask for the I/O fds of the regions, of a server that knows the request. */
void device_load_io_fds(struct device *dev, struct session *s);

void device_free(struct device *dev);

/** Ask for one region; ends the program if that fails, or there is no such region. */
void device_region_load(struct device_region *region, struct session *s, uint32_t index);

void device_region_free(struct device_region *region);

/**
 * Read PCI configuration space.
 *
 * @param s
 *   The connection.
 * @param config
 *   Where to store it.
 * @param size
 *   Bytes to read at most.
 * @return
 *   The number of bytes that could be read; 0 if the device has no such region.
 */
size_t device_read_config(struct session *s, uint8_t *config, size_t size);

#endif /* DEVICE_H */
