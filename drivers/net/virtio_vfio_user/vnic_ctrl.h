/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#ifndef VNIC_CTRL_H
#define VNIC_CTRL_H

/**
 * @file
 * The control queue: one command at a time, which waits for its answer
 *
 * All functions are called under the lock of the port.
 */

#include <stdbool.h>
#include <stdint.h>

#include <linux/virtio_ring.h>

#include "vnic_pci.h"

struct vnic_port;

/** Most bytes of a command: two tables of addresses. */
#define VNIC_CTRL_MAX_DATA 2048u

struct vnic_ctrl {
	uint8_t *mem; /**< areas of the ring, and the buffers; EAL memory */
	bool ready; /**< it takes commands */
	bool packed, notify_data;
	uint16_t index;
	uint16_t avail, used; /**< as in struct vnic_queue */
	uint16_t avail_flags, used_flags;
	struct vnic_pci_bell bell;
	uint64_t commands, refused; /**< counters */
};

int vnic_ctrl_init(struct vnic_port *port);
void vnic_ctrl_fini(struct vnic_port *port);
/** Set the queue up; features are negotiated. It is ready after DRIVER_OK. */
int vnic_ctrl_enable(struct vnic_port *port);

/**
 * Have the device do a command.
 *
 * @return
 *   - 0: done
 *   - -ENOTSUP: there is no control queue
 *   - -EIO: the device refused it, or what it answers is no answer
 *   - -ETIMEDOUT: no answer: the queue is not used until the device is reset
 *   - -ENOTCONN: the device is gone
 */
int vnic_ctrl_command(struct vnic_port *port, uint8_t class, uint8_t cmd, const void *data,
		      uint32_t len);

#endif /* VNIC_CTRL_H */
