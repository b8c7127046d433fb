/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#ifndef TRACE_FIELDS_H
#define TRACE_FIELDS_H

/**
 * @file
 * Named values as a line of text or as a JSON object
 *
 * What decodes a message calls the same functions for both forms. In text a
 * value is "name=value"; data that are too long for the line follow it as a
 * hexdump. Text of a peer is escaped in both forms. Memory that lacks makes the
 * line shorter, and fields_end() tells.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <rte_common.h>

/** A name of a bit or of a number; a table of them ends with a NULL name. */
struct trace_name {
	uint32_t value;
	const char *name;
};

struct fields {
	char *buf;
	size_t len, size;
	bool json;
	bool failed; /**< no memory */
	bool first; /**< no separator before the next value */
	const char *notes[8];
	uint32_t nb_notes;
	uint32_t max_data; /**< bytes of data that are shown */
	const uint8_t *dump; /**< data to be shown below the line */
	size_t dump_len;
	uint64_t dump_total;
};

/** Begin a line; the buffer is used again. */
void fields_begin(struct fields *f, bool json, uint32_t max_data);

/** End the line, with what belongs below it; false if it is not complete. */
bool fields_end(struct fields *f);

/** Free the buffer. */
void fields_free(struct fields *f);

/** Append as it is. */
void __rte_format_printf(2, 3)
fields_printf(struct fields *f, const char *format, ...);

/** A number in decimal; in JSON a string in hexadecimal from 2^63 on. */
void fields_num(struct fields *f, const char *name, uint64_t value);

/** A number; in hexadecimal in text. */
void fields_hex(struct fields *f, const char *name, uint64_t value);

/** A number with its name, which may be NULL. */
void fields_named(struct fields *f, const char *name, uint64_t value, const char *word);

/** A number as the names of its bits. */
void fields_bits(struct fields *f, const char *name, uint32_t value,
		 const struct trace_name *names);

/** A truth value. */
void fields_bool(struct fields *f, const char *name, bool value);

/** Text of the program: needs no quotes. */
void fields_word(struct fields *f, const char *name, const char *word);

/** Something to be said about the message; text is kept by the caller. */
void fields_note(struct fields *f, const char *text);

/** Show the notes. */
void fields_notes(struct fields *f);

/** Text of a peer, quoted and escaped. */
void fields_string(struct fields *f, const char *name, const char *text, size_t len);

/** Text that is JSON already, in ASCII. */
void fields_json(struct fields *f, const char *name, const char *text);

/**
 * Data, of which len bytes are at hand out of total. In text 1, 2, 4 and 8 bytes
 * are a number in host byte order.
 */
void fields_data(struct fields *f, const char *name, const uint8_t *data, size_t len,
		 uint64_t total);

/** Begin a value with members: bracket is '{' or '['; name is NULL in a list. */
void fields_open(struct fields *f, const char *name, char bracket);

/** End it: bracket is '}' or ']'. */
void fields_close(struct fields *f, char bracket);

/** The name of a number in a table, or NULL. */
const char *trace_name_of(const struct trace_name *names, uint32_t value);

#endif /* TRACE_FIELDS_H */
