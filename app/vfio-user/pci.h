/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#ifndef PCI_H
#define PCI_H

/**
 * @file
 * PCI configuration space, decoded
 *
 * Nothing in it is believed: lists end after as many steps as there is room for.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#define PCI_CONFIG_SIZE 4096
#define PCI_HEADER_SIZE 64

/** A capability. */
struct pci_cap {
	uint16_t offset;
	uint16_t id;
	uint8_t version; /* of an extended one */
	bool extended;
	const char *name; /* NULL if it has none here */
};

/** More than fit. */
#define PCI_MAX_CAPS (192 / 4 + (4096 - 256) / 4)

/** A list of capabilities. */
struct pci_caps {
	uint32_t nb;
	bool broken; /* it left the space, or ran in a circle */
	struct pci_cap cap[PCI_MAX_CAPS];
};

/** Walk both lists of a space of so many bytes. */
void pci_caps_walk(struct pci_caps *caps, const uint8_t *config, size_t size);

/** Print the header and the capabilities; nothing if there is no header. */
void pci_show(const uint8_t *config, size_t size);

/** The same as a JSON object, or null. */
json_t *pci_json(const uint8_t *config, size_t size);

#endif /* PCI_H */
