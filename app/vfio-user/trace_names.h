/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#ifndef TRACE_NAMES_H
#define TRACE_NAMES_H

/**
 * @file
 * Names of numbers of the protocol
 */

#include <stddef.h>
#include <stdint.h>

#include "trace_fields.h"

/** Number of commands that have counters of their own; others share the first. */
#define TRACE_COMMANDS 32

/** Name of a command; NULL if unknown. */
const char *trace_command_name(uint16_t command);

/** Number of a command by its name; -1 if there is none. */
int trace_command_of(const char *name);

/** Name of an errno; NULL if unknown. */
const char *trace_errno_name(uint32_t error);

/** Name of a region of a PCI device; NULL for others. */
const char *trace_region_name(uint32_t index);

extern const struct trace_name trace_dma_map_flags[];
extern const struct trace_name trace_dma_unmap_flags[];
extern const struct trace_name trace_device_flags[];
extern const struct trace_name trace_region_flags[];
extern const struct trace_name trace_irq_flags[];
extern const struct trace_name trace_irq_set_flags[];
extern const struct trace_name trace_irq_indexes[];
extern const struct trace_name trace_region_caps[];
extern const struct trace_name trace_io_fd_types[];
extern const struct trace_name trace_ioeventfd_flags[];
extern const struct trace_name trace_ioregionfd_flags[];
extern const struct trace_name trace_features[];
extern const struct trace_name trace_feature_ops[];
extern const struct trace_name trace_migration_flags[];
extern const struct trace_name trace_device_states[];

#endif /* TRACE_NAMES_H */
