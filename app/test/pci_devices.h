/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#ifndef PCI_DEVICES_H
#define PCI_DEVICES_H

/**
 * @file
 * Devices that are declared with the kit, and what lspci must show of them: fed
 * with their configuration space (test_vfio_user_pci_lspci.c), and in a guest
 * that has them (tests/vm).
 */

#include <stdint.h>

#include <rte_vfio_user_pci.h>
#include <rte_vfio_user_server.h>

/* Offsets of the capabilities of "all" that a driver writes. */
#define PCI_DEVICE_ALL_EXP 0x60
#define PCI_DEVICE_ALL_MSI 0xa0
#define PCI_DEVICE_ALL_AER 0x150

struct pci_device {
	const char *name;
	struct rte_vfio_user_pci_id id;
	/**
	 * Declare BARs and capabilities: 0, or -1 after a message.
	 * bar: what each BAR's region has in common.
	 */
	int (*declare)(struct rte_vfio_user_pci *pci,
		       const struct rte_vfio_user_region_conf *bar);
	/** Set the status bits that the golden text shows: 0 or -1; or NULL. */
	int (*report_errors)(struct rte_vfio_user_pci *pci);
	/**
	 * What must be found, each line inside one line of lspci and in that order:
	 * versions of lspci differ in what else they print. All capabilities are here.
	 */
	const char *golden;
};

/** Returns the device of that name, or NULL. */
const struct pci_device *pci_device_find(const char *name);

/** The image in the expansion ROM of "all". */
const void *pci_device_rom(uint32_t *size);

#endif /* PCI_DEVICES_H */
