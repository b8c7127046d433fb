/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#ifndef TRACE_MSG_H
#define TRACE_MSG_H

/**
 * @file
 * A message as the proxy saw it; what the outputs work on
 */

#include <stdbool.h>
#include <stdint.h>

#include <vfio_user_proto.h>

/** Bytes of a message that are kept: Wireshark takes packets of 256 KiB. */
#define TRACE_SNAP (252u << 10)

/** Largest message whose size field is believed: QEMU's 64 MiB of data. */
#define TRACE_MAX_MSG VFIO_USER_MAX_MSG_SIZE(64u << 20)

/** Longest text about a file descriptor. */
#define TRACE_FD_TEXT 64

enum trace_kind {
	TRACE_MESSAGE,
	TRACE_PARTIAL, /**< the connection ended inside of it */
	TRACE_RAW, /**< bytes in which no message can be found any more */
};

/** What was passed with a message. */
struct trace_fd {
	char text[TRACE_FD_TEXT];
};

struct trace_msg {
	enum trace_kind kind;
	uint64_t time; /**< nanoseconds since 1970 */
	uint32_t conn; /**< number of the connection, from 1 on */
	bool twin; /**< on the socket for the server's requests */
	bool from_server;
	bool lost; /**< the receiver was gone */
	const uint8_t *data; /**< from the header on */
	uint32_t len; /**< bytes at data */
	uint64_t size; /**< bytes on the wire; more than len if data were cut */
	struct vfio_user_hdr hdr; /**< zero if there is none */
	const struct trace_fd *fds;
	uint32_t nb_fds;
	/* of a reply, when its request was seen */
	bool matched;
	uint64_t latency; /**< nanoseconds */
	uint32_t region; /**< that the request was about; UINT32_MAX: none */
};

static inline bool
trace_is_reply(const struct trace_msg *msg)
{
	return (msg->hdr.flags & VFIO_USER_F_TYPE_MASK) == VFIO_USER_F_TYPE_REPLY;
}

#endif /* TRACE_MSG_H */
