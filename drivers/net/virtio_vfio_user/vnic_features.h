/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#ifndef VNIC_FEATURES_H
#define VNIC_FEATURES_H

/**
 * @file
 * Features of virtio, and the offloads of ethdev that they make possible
 */

#include <stdint.h>

struct vnic_port;

/** Features to read the configuration at probe by. */
uint64_t vnic_features_probe(const struct vnic_port *port);
/** Features for a port as the application configured it. */
uint64_t vnic_features_wanted(const struct vnic_port *port);
/** Offloads of ethdev that the device makes possible. */
uint64_t vnic_features_rx_offloads(const struct vnic_port *port);
uint64_t vnic_features_tx_offloads(const struct vnic_port *port);

#endif /* VNIC_FEATURES_H */
