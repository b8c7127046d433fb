/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#ifndef VFIO_USER_PCI_H
#define VFIO_USER_PCI_H

/**
 * @file
 * Configuration space without a connection, for the unit tests.
 */

#include <sys/types.h>

#include "rte_vfio_user_pci.h"

/**
 * Carry out an access to the configuration space, as the region callback does.
 * Poller thread.
 *
 * @param pci
 *   The configuration space.
 * @param acc
 *   The access; it lies inside the 4096 bytes.
 * @return
 *   acc->count
 */
ssize_t
vfio_user_pci_config_access(struct rte_vfio_user_pci *pci,
			    const struct rte_vfio_user_region_access *acc);

#endif /* VFIO_USER_PCI_H */
