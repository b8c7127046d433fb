/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#ifndef NIC_CTRL_H
#define NIC_CTRL_H

/**
 * @file
 * Commands of the control queue
 */

#include <rte_virtio_dev.h>

struct nic;

/**
 * Execute the commands that are there. Control thread. A driver waits for the
 * answer with a lock of its network stack held: nothing here may take long.
 */
void nic_ctrl_run(struct nic *nic, struct rte_virtio_queue *vq);

#endif /* NIC_CTRL_H */
