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
#include <sys/types.h>

/** Sizes of the messages of a 4-byte REGION_READ and its reply. */
#define BARE_REQUEST 32u
#define BARE_REPLY 36u
/** Size of a 4-byte REGION_WRITE. */
#define BARE_WRITE 36u

/** What the library receives into while messages are few, and while many. */
#define BARE_BUF 16384u
#define BARE_BUF_BUSY 65536u

/** One socket with its epoll. */
struct bare {
	int fd;
	int epfd;
	uint32_t polls; /* of a spinning server */
	uint32_t idle;
	uint32_t cap; /* bytes received at a time, BARE_BUF at first */
	uint8_t buf[BARE_BUF_BUSY];
};

/** Use a connected socket. */
void bare_init(struct bare *bare, int fd);

/** The same without clearing the rest, as cheap as the system calls. */
void bare_open(struct bare *bare, int fd);

/** The socket of a peer process, whose body is called again and again. */
struct bare *bare_once(int fd);

/** sendmsg() of so many bytes; all of them are taken. */
void bare_send(struct bare *bare, uint32_t len);

/** What recvmsg() returns, 0 at the end of the stream; see bare_recv(). */
ssize_t bare_try_recv(struct bare *bare);

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
