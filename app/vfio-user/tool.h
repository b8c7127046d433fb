/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#ifndef TOOL_H
#define TOOL_H

/**
 * @file
 * What the commands share: errors, arguments, output
 *
 * A command that cannot go on ends the program by one of the functions that do
 * not return: the process is all it has to clean up. Text of a peer is printed
 * through text_clean(), so that it cannot steer a terminal.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include <rte_common.h>

#include "cmd.h"

/** Name of the program. */
#define TOOL "dpdk-vfio-user"

/** End with a message on stderr. */
void __rte_noreturn __rte_format_printf(2, 3)
die(enum status status, const char *format, ...);

/** The command that usage() names from now on where it is given none. */
void usage_command(const struct cmd *cmd);

/** End with a message about the arguments; cmd: whose, or NULL: of the one that runs. */
void __rte_noreturn __rte_format_printf(2, 3)
usage(const struct cmd *cmd, const char *format, ...);

/**
 * End because a request failed: "WHAT: reason", with the status that belongs to
 * the errno.
 *
 * @param ret
 *   A negative errno, as functions of the client return it.
 * @param what
 *   What was tried, as printf(3).
 */
void __rte_noreturn __rte_format_printf(2, 3)
fail(int ret, const char *what, ...);

/** The exit status that belongs to a negative errno of a request. */
enum status status_of(int ret);

/** Words for a negative errno of a request. */
const char *reason_of(int ret);

/** Flush stdout: STATUS_OK, or STATUS_FAILED with a message if it took not all. */
enum status stdout_end(void);

/**
 * Parse a number: decimal, 0x hexadecimal, with K, M, G or T for powers of
 * 1024. Ends with STATUS_USAGE if it is none, or above max.
 *
 * @param text
 *   The word.
 * @param what
 *   What it is, for the message.
 * @param max
 *   The largest that is allowed.
 * @return
 *   The number.
 */
uint64_t parse_number(const char *text, const char *what, uint64_t max);

/** Parse seconds, with fractions, into milliseconds; at most 49 days. */
uint32_t parse_seconds(const char *text, const char *what);

/**
 * Copy text of a peer; what is not a printable ASCII character becomes '?'.
 *
 * @param buf
 *   Where to store it, ended by NUL, cut if it does not fit.
 * @param size
 *   Bytes of buf.
 * @param text
 *   The text, len bytes or up to a NUL.
 * @param len
 *   Bytes of the text.
 * @return
 *   buf
 */
const char *text_clean(char *buf, size_t size, const char *text, size_t len);

/** A JSON number; as a string in hexadecimal from 2^63 on, which jansson lacks. */
json_t *json_u64(uint64_t value);

/** A JSON string in hexadecimal with so many digits. */
json_t *json_hex(uint64_t value, int digits);

/** A JSON string of a file's name, cleaned if it is not UTF-8. */
json_t *json_path(const char *path);

/** Print a JSON value and free it. */
void json_print(json_t *value);

/** calloc(3) that ends the program when there is no memory; never NULL. */
void *xcalloc(size_t nb, size_t size);

/** What makes a plural of a word behind a number: "s", or "" behind 1. */
const char *plural(uint64_t nb);

/** Monotonic time in microseconds. */
double now_us(void);

#endif /* TOOL_H */
