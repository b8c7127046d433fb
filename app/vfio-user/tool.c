/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tool.h"

static const struct cmd *running;

static void
say(const char *format, va_list ap)
{
	fflush(stdout);
	fputs(TOOL ": ", stderr);
	vfprintf(stderr, format, ap);
}

void
die(enum status status, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	say(format, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(status);
}

void
usage_command(const struct cmd *cmd)
{
	running = cmd;
}

void
usage(const struct cmd *cmd, const char *format, ...)
{
	va_list ap;

	if (cmd == NULL)
		cmd = running;
	va_start(ap, format);
	say(format, ap);
	va_end(ap);
	fprintf(stderr, "; try '" TOOL "%s%s --help'\n", cmd != NULL ? " " : "",
		cmd != NULL ? cmd->name : "");
	exit(STATUS_USAGE);
}

enum status
status_of(int ret)
{
	switch (ret) {
	case -ETIMEDOUT:
		return STATUS_TIMEOUT;
	case -EPROTO:
		return STATUS_PROTOCOL;
	default:
		return STATUS_FAILED;
	}
}

const char *
reason_of(int ret)
{
	switch (ret) {
	case -ETIMEDOUT:
		return "the server did not answer in time";
	case -EPROTO:
		return "the server's answer is malformed";
	case -ENOTCONN:
		return "the server is gone, or closed the connection";
	default:
		return strerror(-ret);
	}
}

void
fail(int ret, const char *what, ...)
{
	va_list ap;

	va_start(ap, what);
	say(what, ap);
	va_end(ap);
	fprintf(stderr, ": %s\n", reason_of(ret));
	exit(status_of(ret));
}

enum status
stdout_end(void)
{
	if (fflush(stdout) != 0 || ferror(stdout))
		die(STATUS_FAILED, "cannot write the output: %s", strerror(errno));
	return STATUS_OK;
}

/* The power of two that a suffix stands for, or -1. */
static int
suffix_shift(const char *suffix)
{
	static const char letters[] = "KMGT";
	const char *found;

	if (suffix[0] == '\0')
		return 0;
	found = strchr(letters, toupper((unsigned char)suffix[0]));
	return found == NULL || suffix[1] != '\0' ? -1 : 10 * (int)(found - letters + 1);
}

uint64_t
parse_number(const char *text, const char *what, uint64_t max)
{
	uint64_t value;
	char *end;
	int shift;

	errno = 0;
	/* not base 0: an octal offset would surprise */
	value = strtoull(text, &end, strncasecmp(text, "0x", 2) == 0 ? 16 : 10);
	shift = suffix_shift(end);
	if (!isdigit((unsigned char)text[0]) || end == text || shift < 0)
		usage(NULL, "%s: '%s' is not a number", what, text);
	if (errno != 0 || value << shift >> shift != value || value << shift > max)
		usage(NULL, "%s: %s is too large, the limit is 0x%" PRIx64, what, text, max);
	return value << shift;
}

uint32_t
parse_seconds(const char *text, const char *what)
{
	double value;
	char *end;

	value = strtod(text, &end);
	if (end == text || *end != '\0' || !isfinite(value) || value < 0)
		usage(NULL, "%s: '%s' is not a number of seconds", what, text);
	value = ceil(value * 1000);
	if (value > UINT32_MAX - 1)
		usage(NULL, "%s: %s seconds are too many", what, text);
	return (uint32_t)value;
}

const char *
text_clean(char *buf, size_t size, const char *text, size_t len)
{
	size_t i;

	for (i = 0; i + 1 < size && i < len && text[i] != '\0'; i++)
		buf[i] = text[i] >= ' ' && text[i] <= '~' ? text[i] : '?';
	buf[i] = '\0';
	return buf;
}

json_t *
json_u64(uint64_t value)
{
	return value <= INT64_MAX ? json_integer((json_int_t)value) : json_hex(value, 16);
}

json_t *
json_hex(uint64_t value, int digits)
{
	char text[24];

	snprintf(text, sizeof(text), "0x%0*" PRIx64, digits, value);
	return json_string(text);
}

json_t *
json_path(const char *path)
{
	json_t *value = json_string(path);
	char clean[4096];

	return value != NULL ? value :
		json_string(text_clean(clean, sizeof(clean), path, strlen(path)));
}

void
json_print(json_t *value)
{
	const size_t flags = JSON_INDENT(2) | JSON_ENSURE_ASCII | JSON_REAL_PRECISION(9);

	if (value == NULL || json_dumpf(value, stdout, flags) < 0)
		die(STATUS_FAILED, "cannot write JSON");
	putchar('\n');
	json_decref(value);
}

void *
xcalloc(size_t nb, size_t size)
{
	void *mem = calloc(RTE_MAX(nb, 1u), size);

	if (mem == NULL)
		die(STATUS_FAILED, "no memory");
	return mem;
}

const char *
plural(uint64_t nb)
{
	return nb == 1 ? "" : "s";
}

double
now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1e6 + ts.tv_nsec / 1e3;
}
