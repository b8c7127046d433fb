/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#ifndef WIRE_COMMON_H
#define WIRE_COMMON_H

/**
 * @file
 * Control channel of the wire test programs
 *
 * The test writes lines "TAG WORD..." to stdin and gets one line
 * "TAG RESULT [TEXT]" on stdout for each; answers may come out of order.
 * RESULT is a number, a negative errno for errors. Numbers are decimal or 0x.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>
#include <sys/types.h>

#define WIRE_MAX_ARGS 64

/** One control line, split at blanks. */
struct wire_line {
	unsigned int tag; /**< first word */
	int argc; /**< words after the tag */
	char *argv[WIRE_MAX_ARGS + 1]; /**< NULL terminated */
};

/** Lines of stdin, read without blocking longer than one read(2). */
struct wire_input {
	char *buf; /**< bytes read */
	size_t len; /**< bytes in buf */
	size_t cap; /**< size of buf */
	size_t used; /**< bytes of buf already returned as lines */
};

/** Read what there is; 0, or -1 at the end of the input. */
int wire_input_fill(struct wire_input *in);

/** The next complete line, valid until the next fill, or NULL. */
char *wire_input_line(struct wire_input *in);

/** Split a line in place; false if there is nothing in it. */
bool wire_parse(char *text, struct wire_line *line);

/** A number argument; a missing one is 0. */
uint64_t wire_num(const struct wire_line *line, int arg);

/** An argument as text, "" if missing. */
const char *wire_arg(const struct wire_line *line, int arg);

/** Answer a line. Any thread. */
void wire_answer(unsigned int tag, int64_t result, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/** Answer with data: hex up to 64 bytes, else "crc32:LEN". Any thread. */
void wire_answer_data(unsigned int tag, int64_t result, const void *data,
		      size_t len);

/** Text of data, to be freed: hex. */
char *wire_hex(const void *data, size_t len);

/** Bytes of a hex argument, or of "@LEN:SEED" (a pattern); to be freed. */
uint8_t *wire_data(const char *text, size_t *len);

/** Fill with the pattern both sides know: byte i is seed + i + (i >> 8). */
void wire_pattern(void *buf, size_t len, uint8_t seed);

/** Number of open file descriptors of this process. */
int wire_count_fds(void);

/** Monotonic time in milliseconds. */
static inline uint64_t
wire_now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * UINT64_C(1000) + ts.tv_nsec / 1000000;
}

#endif /* WIRE_COMMON_H */
