/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#ifndef INFO_H
#define INFO_H

/**
 * @file
 * The description of a device, as text and as JSON
 */

#include <jansson.h>

#include "device.h"

/** Print the interrupt indexes that have interrupts, a line for each. */
void info_show_irqs(const struct device *dev);

/** The same of all indexes as a JSON list. */
json_t *info_irqs_json(const struct device *dev);

/** All of the description; config: so many bytes of configuration space. */
json_t *info_json(const struct device *dev, const char *path, const uint8_t *config,
		  size_t config_size);

#endif /* INFO_H */
