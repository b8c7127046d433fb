/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#ifndef NAMES_H
#define NAMES_H

/**
 * @file
 * Names of regions, interrupts and flags, as typed and as printed
 */

#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

/** Room for any name or list of names. */
#define NAME_SIZE 96

/** "bar0" ... "bar5", "rom", "config", "vga"; others: "region9". */
const char *region_name(char buf[NAME_SIZE], uint32_t index);

/** "intx", "msi", "msix", "err", "req"; others: "irq5". */
const char *irq_name(char buf[NAME_SIZE], uint32_t index);

/** The index of a region by its name or number; ends with STATUS_USAGE. */
uint32_t region_parse(const char *word);

/** The index of an interrupt by its name or number; ends with STATUS_USAGE. */
uint32_t irq_parse(const char *word);

/** A flag and its name; a table of them ends with a NULL name. */
struct flag_name {
	uint32_t flag;
	const char *name;
};

extern const struct flag_name device_flags[];
extern const struct flag_name region_flags[];
extern const struct flag_name irq_flags[];

/** The names of flags, each behind a blank; of unknown ones the number. */
const char *flags_text(char buf[NAME_SIZE], const struct flag_name *names, uint32_t flags);

/** A JSON list of the names of flags. */
json_t *flags_json(const struct flag_name *names, uint32_t flags);

/** A number of bytes: "4 KiB"; exact, or with one digit behind the point. */
const char *bytes_text(char buf[NAME_SIZE], uint64_t bytes);

#endif /* NAMES_H */
