/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "wire_common.h"

static pthread_mutex_t out_lock = PTHREAD_MUTEX_INITIALIZER;

int
wire_input_fill(struct wire_input *in)
{
	ssize_t n;

	if (in->used > 0) {
		memmove(in->buf, in->buf + in->used, in->len - in->used);
		in->len -= in->used;
		in->used = 0;
	}
	if (in->len + 4096 > in->cap) {
		in->cap = in->cap * 2 + 65536;
		in->buf = realloc(in->buf, in->cap);
		if (in->buf == NULL)
			return -1;
	}
	n = read(STDIN_FILENO, in->buf + in->len, in->cap - in->len);
	if (n <= 0)
		return n < 0 && errno == EINTR ? 0 : -1;
	in->len += n;
	return 0;
}

char *
wire_input_line(struct wire_input *in)
{
	char *start = in->buf + in->used;
	char *nl;

	if (in->len == in->used)
		return NULL;
	nl = memchr(start, '\n', in->len - in->used);
	if (nl == NULL)
		return NULL;
	*nl = '\0';
	in->used = nl + 1 - in->buf;
	return start;
}

bool
wire_parse(char *text, struct wire_line *line)
{
	char *save = NULL;
	char *word = strtok_r(text, " ", &save);

	memset(line, 0, sizeof(*line));
	if (word == NULL)
		return false;
	line->tag = strtoul(word, NULL, 0);
	while (line->argc < WIRE_MAX_ARGS &&
	       (word = strtok_r(NULL, " ", &save)) != NULL)
		line->argv[line->argc++] = word;
	return line->argc > 0;
}

uint64_t
wire_num(const struct wire_line *line, int arg)
{
	const char *text = wire_arg(line, arg);

	if (text[0] == '-')
		return (uint64_t)strtoll(text, NULL, 0);
	return strtoull(text, NULL, 0);
}

const char *
wire_arg(const struct wire_line *line, int arg)
{
	return arg < line->argc ? line->argv[arg] : "";
}

void
wire_answer(unsigned int tag, int64_t result, const char *fmt, ...)
{
	va_list ap;

	pthread_mutex_lock(&out_lock);
	printf("%u %lld ", tag, (long long)result);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
	fflush(stdout);
	pthread_mutex_unlock(&out_lock);
}

static uint32_t
wire_crc32(const uint8_t *data, size_t len)
{
	uint32_t crc = ~UINT32_C(0);
	unsigned int bit;
	size_t i;

	for (i = 0; i < len; i++) {
		crc ^= data[i];
		for (bit = 0; bit < 8; bit++)
			crc = (crc >> 1) ^ (UINT32_C(0xedb88320) & -(crc & 1));
	}
	return ~crc;
}

void
wire_answer_data(unsigned int tag, int64_t result, const void *data, size_t len)
{
	char *hex;

	if (len > 64) {
		wire_answer(tag, result, "crc32:%zu:%08x", len,
			    wire_crc32(data, len));
		return;
	}
	hex = wire_hex(data, len);
	wire_answer(tag, result, "%s", hex != NULL ? hex : "?");
	free(hex);
}

char *
wire_hex(const void *data, size_t len)
{
	const uint8_t *bytes = data;
	char *hex = malloc(2 * len + 1);
	size_t i;

	if (hex == NULL)
		return NULL;
	for (i = 0; i < len; i++)
		snprintf(hex + 2 * i, 3, "%02x", bytes[i]);
	hex[2 * len] = '\0';
	return hex;
}

uint8_t *
wire_data(const char *text, size_t *len)
{
	unsigned int byte;
	uint8_t *data;
	char *end;
	size_t i;

	if (text[0] == '@') {
		*len = strtoull(text + 1, &end, 0);
		data = malloc(*len + 1);
		if (data != NULL)
			wire_pattern(data, *len, *end == ':' ?
				     strtoul(end + 1, NULL, 0) : 0);
		return data;
	}
	*len = strlen(text) / 2;
	data = malloc(*len + 1);
	for (i = 0; data != NULL && i < *len; i++) {
		if (sscanf(text + 2 * i, "%2x", &byte) != 1)
			byte = 0;
		data[i] = byte;
	}
	return data;
}

void
wire_pattern(void *buf, size_t len, uint8_t seed)
{
	uint8_t *bytes = buf;
	size_t i;

	for (i = 0; i < len; i++)
		bytes[i] = seed + i + (i >> 8);
}

int
wire_count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	struct dirent *ent;
	int n = 0;

	if (dir == NULL)
		return -errno;
	while ((ent = readdir(dir)) != NULL)
		n += ent->d_name[0] != '.';
	closedir(dir);
	return n - 1; /* without the directory itself */
}
