/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#include <ctype.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "trace_fields.h"

#define FIRST_SIZE 4096u

/* Data up to this length are in the line. */
#define INLINE_DATA 16u

#define DUMP_WIDTH 16u

/* Room for some more bytes and a NUL. */
static bool
reserve(struct fields *f, size_t more)
{
	size_t size = f->size != 0 ? f->size : FIRST_SIZE;
	char *buf;

	if (f->len + more < f->size)
		return true;
	while (size <= f->len + more)
		size *= 2;
	buf = realloc(f->buf, size);
	if (buf == NULL) {
		f->failed = true;
		return false;
	}
	f->buf = buf;
	f->size = size;
	return true;
}

static void
append(struct fields *f, const char *text, size_t len)
{
	if (!reserve(f, len))
		return;
	memcpy(f->buf + f->len, text, len);
	f->len += len;
}

static void
append_text(struct fields *f, const char *text)
{
	append(f, text, strlen(text));
}

static void
append_char(struct fields *f, char c)
{
	append(f, &c, 1);
}

/* snprintf() is the slowest part of a line that has many numbers. */
static void
append_number(struct fields *f, uint64_t value, unsigned int base)
{
	char text[20];
	size_t pos = sizeof(text);

	do {
		text[--pos] = "0123456789abcdef"[value % base];
		value /= base;
	} while (value != 0);
	append(f, text + pos, sizeof(text) - pos);
}

static void
append_hex(struct fields *f, uint64_t value)
{
	append_text(f, "0x");
	append_number(f, value, 16);
}

void
fields_printf(struct fields *f, const char *format, ...)
{
	char text[512];
	va_list ap;
	int len;

	va_start(ap, format);
	len = vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	if (len > 0)
		append(f, text, RTE_MIN((size_t)len, sizeof(text) - 1));
}

void
fields_begin(struct fields *f, bool json, uint32_t max_data)
{
	f->len = 0;
	f->json = json;
	f->failed = false;
	f->first = true;
	f->max_data = max_data;
	f->nb_notes = 0;
	f->dump = NULL;
}

void
fields_free(struct fields *f)
{
	free(f->buf);
	memset(f, 0, sizeof(*f));
}

static void
dump_line(struct fields *f, const uint8_t *data, size_t offset, size_t len)
{
	size_t i;

	fields_printf(f, "        %04zx ", offset);
	for (i = 0; i < DUMP_WIDTH; i++) {
		if (i % 8 == 0)
			append_char(f, ' ');
		if (i < len)
			fields_printf(f, "%02x ", data[i]);
		else
			append_text(f, "   ");
	}
	append_char(f, ' ');
	for (i = 0; i < len; i++)
		append_char(f, isprint(data[i]) ? (char)data[i] : '.');
	append_char(f, '\n');
}

bool
fields_end(struct fields *f)
{
	size_t offset;

	append_char(f, '\n');
	if (f->dump == NULL)
		return !f->failed;
	for (offset = 0; offset < f->dump_len; offset += DUMP_WIDTH)
		dump_line(f, f->dump + offset, offset,
			  RTE_MIN((size_t)DUMP_WIDTH, f->dump_len - offset));
	if (f->dump_total > f->dump_len)
		fields_printf(f, "        ... %" PRIu64 " more bytes\n",
			      f->dump_total - f->dump_len);
	return !f->failed;
}

/* Separator and name of the next value. */
static void
begin_value(struct fields *f, const char *name)
{
	if (!f->first)
		append_char(f, f->json ? ',' : ' ');
	f->first = false;
	if (name == NULL)
		return;
	if (f->json)
		append_char(f, '"');
	append_text(f, name);
	append_text(f, f->json ? "\":" : "=");
}

/* JSON numbers above 2^63 are beyond what many programs can read. */
static void
append_json_number(struct fields *f, uint64_t value)
{
	if (value <= INT64_MAX) {
		append_number(f, value, 10);
		return;
	}
	append_char(f, '"');
	append_hex(f, value);
	append_char(f, '"');
}

void
fields_num(struct fields *f, const char *name, uint64_t value)
{
	begin_value(f, name);
	if (f->json)
		append_json_number(f, value);
	else
		append_number(f, value, 10);
}

void
fields_hex(struct fields *f, const char *name, uint64_t value)
{
	begin_value(f, name);
	if (f->json)
		append_json_number(f, value);
	else
		append_hex(f, value);
}

/* The words beside a number: "(TEXT)", or a member "NAME_text". */
static void
append_words(struct fields *f, const char *name, const char *words)
{
	if (f->json) {
		append_text(f, ",\"");
		append_text(f, name);
		append_text(f, "_text\":\"");
		append_text(f, words);
		append_char(f, '"');
	} else {
		append_char(f, '(');
		append_text(f, words);
		append_char(f, ')');
	}
}

void
fields_named(struct fields *f, const char *name, uint64_t value, const char *word)
{
	fields_num(f, name, value);
	if (word != NULL)
		append_words(f, name, word);
}

void
fields_bits(struct fields *f, const char *name, uint32_t value,
	    const struct trace_name *names)
{
	uint32_t left = value;
	char text[256];
	size_t len = 0;

	text[0] = '\0';
	for (; names->name != NULL; names++) {
		if ((left & names->value) != names->value)
			continue;
		left &= ~names->value;
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%s",
					len != 0 ? "|" : "", names->name);
	}
	if (left != 0)
		snprintf(text + len, sizeof(text) - len, "%s0x%" PRIx32,
			 len != 0 ? "|" : "", left);
	fields_hex(f, name, value);
	if (value != 0)
		append_words(f, name, text);
}

void
fields_bool(struct fields *f, const char *name, bool value)
{
	begin_value(f, name);
	append_text(f, value ? "true" : "false");
}

void
fields_word(struct fields *f, const char *name, const char *word)
{
	begin_value(f, name);
	if (f->json)
		append_char(f, '"');
	append_text(f, word);
	if (f->json)
		append_char(f, '"');
}

void
fields_note(struct fields *f, const char *text)
{
	if (f->nb_notes < RTE_DIM(f->notes))
		f->notes[f->nb_notes++] = text;
}

void
fields_notes(struct fields *f)
{
	uint32_t i;

	if (f->nb_notes == 0)
		return;
	if (f->json) {
		fields_open(f, "notes", '[');
		for (i = 0; i < f->nb_notes; i++)
			fields_string(f, NULL, f->notes[i], strlen(f->notes[i]));
		fields_close(f, ']');
		return;
	}
	for (i = 0; i < f->nb_notes; i++)
		fields_printf(f, "%s%s", i == 0 ? " [" : "; ", f->notes[i]);
	append_char(f, ']');
}

void
fields_string(struct fields *f, const char *name, const char *text, size_t len)
{
	size_t i;

	begin_value(f, name);
	append_char(f, '"');
	for (i = 0; i < len; i++) {
		if (text[i] == '"' || text[i] == '\\')
			append_char(f, '\\');
		if (text[i] >= 0x20 && text[i] < 0x7f)
			append_char(f, text[i]);
		else
			fields_printf(f, "\\u%04x", (uint8_t)text[i]);
	}
	append_char(f, '"');
}

void
fields_json(struct fields *f, const char *name, const char *text)
{
	begin_value(f, name);
	append_text(f, text);
}

static void
append_bytes(struct fields *f, const uint8_t *data, size_t len)
{
	size_t i;

	if (!reserve(f, 2 * len))
		return;
	for (i = 0; i < len; i++) {
		f->buf[f->len++] = "0123456789abcdef"[data[i] >> 4];
		f->buf[f->len++] = "0123456789abcdef"[data[i] & 15];
	}
}

static uint64_t
host_number(const uint8_t *data, size_t len)
{
	uint16_t u16;
	uint32_t u32;
	uint64_t u64;

	switch (len) {
	case 1:
		return data[0];
	case 2:
		memcpy(&u16, data, len);
		return u16;
	case 4:
		memcpy(&u32, data, len);
		return u32;
	default:
		memcpy(&u64, data, len);
		return u64;
	}
}

void
fields_data(struct fields *f, const char *name, const uint8_t *data, size_t len,
	    uint64_t total)
{
	size_t shown = RTE_MIN(len, (size_t)f->max_data);

	if (total == 0 || f->max_data == 0)
		return;
	if (f->json) {
		begin_value(f, name);
		append_char(f, '"');
		append_bytes(f, data, shown);
		append_char(f, '"');
		if (shown < total)
			fields_printf(f, ",\"%s_size\":%" PRIu64, name, total);
	} else if (shown == total && (len == 1 || len == 2 || len == 4 || len == 8)) {
		fields_hex(f, name, host_number(data, len));
	} else if (f->dump == NULL && (shown < total || total > INLINE_DATA)) {
		f->dump = data;
		f->dump_len = shown;
		f->dump_total = total;
	} else {
		begin_value(f, name);
		append_bytes(f, data, shown);
		append_text(f, shown < total ? "..." : "");
	}
}

void
fields_open(struct fields *f, const char *name, char bracket)
{
	begin_value(f, name);
	append_char(f, bracket);
	f->first = true;
}

void
fields_close(struct fields *f, char bracket)
{
	append_char(f, bracket);
	f->first = false;
}

const char *
trace_name_of(const struct trace_name *names, uint32_t value)
{
	for (; names->name != NULL; names++)
		if (names->value == value)
			return names->name;
	return NULL;
}
