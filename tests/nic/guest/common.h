/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */
#ifndef NIC_COMMON_H
#define NIC_COMMON_H

/**
 * @file
 * What the programs of guests begin with: arguments, errors, and the time that is
 * waited for a peer
 */

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

/** Seconds without progress. */
#define TIMEOUT 20

/** Print a message and end. */
static inline void __attribute__((noreturn, format(printf, 1, 2)))
fail(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	fputs("error: ", stderr);
	vfprintf(stderr, format, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(1);
}

/** The number that an argument is. */
static inline uint64_t
number(const char *text)
{
	char *end;
	unsigned long long value = strtoull(text, &end, 0);

	if (end == text || *end != '\0')
		fail("not a number: %s", text);
	return value;
}

/** Wait for a peer, which may be gone, no longer than that. */
static inline void
limit_time(int fd)
{
	struct timeval limit = { .tv_sec = TIMEOUT };

	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) != 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)) != 0)
		fail("setsockopt: %s", strerror(errno));
}

/** Tell who has started this that nothing is lost from now on. */
static inline void
say_listening(void)
{
	puts("listening");
	fflush(stdout);
}

#endif
