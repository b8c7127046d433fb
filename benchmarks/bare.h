/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#ifndef BARE_H
#define BARE_H

/**
 * @file
 * The bare peers: the system calls that the library makes for messages of the
 * same sizes, with the same buffers, and nothing else
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Sizes of the messages of a 4-byte REGION_READ and its reply. */
#define BARE_REQUEST 32u
#define BARE_REPLY 36u

/** What the library receives into while messages are small. */
#define BARE_BUF 16384u

/** One socket with its epoll. */
struct bare {
	int fd;
	int epfd;
	uint32_t polls; /* of a spinning server */
	uint32_t idle;
	uint8_t buf[BARE_BUF];
};

/** Use a connected socket. */
void bare_init(struct bare *bare, int fd);

/** sendmsg() of so many bytes; all of them are taken. */
void bare_send(struct bare *bare, uint32_t len);

/**
 * recvmsg() without waiting, with room for as many file descriptors as the
 * library has: bytes, 0 if there is nothing. The end of the stream ends the
 * program.
 */
uint32_t bare_recv(struct bare *bare);

/** epoll_wait(): whether the socket is readable. */
bool bare_wait(struct bare *bare, int timeout_ms);

/** One poll of a spinning server, answering each request. */
void bare_serve_spin(struct bare *bare);

#endif /* BARE_H */
