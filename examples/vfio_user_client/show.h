/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#ifndef SHOW_H
#define SHOW_H

#include <rte_common.h>
#include <rte_vfio_user_client.h>

/** Print a heading. */
void show_heading(const char *title);

/** Print one line: a name, then what printf() makes of the rest. */
void show(const char *name, const char *format, ...) __rte_format_printf(2, 3);

/** Print the median and the 99th percentile of times; sorts them. */
void show_times(const char *name, double *times, size_t count);

/**
 * Print what a device is: negotiated values, regions, interrupts, PCI.
 * Returns 0 or a negative errno.
 */
int show_device(struct rte_vfio_user_client *client);

#endif /* SHOW_H */
