/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#ifndef TRACE_FLOW_H
#define TRACE_FLOW_H

/**
 * @file
 * One direction of a socket: passes bytes and file descriptors on
 *
 * What was received is sent first and traced then. Bytes and their order are
 * never changed, but cuts between them matter to some programs, which take a
 * header, or a short message, by one call. So what is received of a message is
 * kept back as long as the rest of it can be received at once, and file
 * descriptors travel with the first byte of their message, which is sent alone:
 * Linux hands them over in the recvmsg() that begins with earlier messages and
 * ends with theirs.
 *
 * There is one buffer. Nothing is received while bytes wait to be sent, so that
 * a slow receiver slows the sender down, as without the proxy.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "trace_msg.h"

/** File descriptors that Linux passes at once. */
#define FLOW_MAX_FDS 253

/** Messages with file descriptors that may wait to be sent. */
#define FLOW_SETS 8

struct flow;

/** What a flow tells. */
struct flow_ops {
	/** A message was passed on. */
	void (*msg)(struct flow *flow, struct trace_msg *msg);
	/** The stream of messages is lost, for this header. */
	void (*malformed)(struct flow *flow, const struct vfio_user_hdr *hdr);
	/**
	 * The server's reply to VERSION is about to be passed on; its file
	 * descriptors may be replaced.
	 */
	void (*version_reply)(struct flow *flow, const struct vfio_user_hdr *hdr,
			      const uint8_t *payload, int *fds, uint32_t nb_fds);
	/** Nanoseconds since 1970. */
	uint64_t (*now)(void);
};

/** File descriptors to be sent with a byte. */
struct flow_fds {
	size_t pos; /* of the byte */
	size_t until; /* what follows may be sent with them up to here */
	uint32_t nb;
	int fds[FLOW_MAX_FDS];
};

struct flow {
	const struct flow_ops *ops;
	void *arg; /**< of the owner */
	struct flow *back; /**< what goes to the sender */
	int src, dst;
	bool from_server;
	bool wait_version; /**< the reply to VERSION is yet to come */
	/*
	 * head: the oldest message not traced; mark: the last message begun;
	 * sent: the next byte to send. head <= mark, sent <= end.
	 */
	uint8_t *buf;
	size_t head, mark, sent, end;
	uint64_t cut; /* bytes of the message at head that are not kept */
	uint64_t time; /* of the last bytes */
	bool hold; /* the message at mark is to be completed before it is sent */
	bool raw; /* no messages any more */
	bool eof; /**< nothing more will come */
	bool broken; /**< nothing more can be sent */
	bool done; /**< all was sent, and the receiver was told */
	bool src_gone; /**< no events will tell that there is more */
	uint32_t nb_sets;
	struct flow_fds sets[FLOW_SETS];
	/* about file descriptors that were sent, in order */
	uint32_t nb_texts, max_texts;
	size_t *text_pos;
	struct trace_fd *texts;
};

/** Begin; 0 or -ENOMEM. */
int flow_init(struct flow *flow, const struct flow_ops *ops, void *arg,
	      int src, int dst, bool from_server);

/** Trace what was received of an unfinished message, and free everything. */
void flow_fini(struct flow *flow);

/** Send and receive all that can be without waiting. */
void flow_pump(struct flow *flow);

/** The receiver is gone: what is still received is traced only. */
void flow_break(struct flow *flow);

/** Whether bytes wait for the receiver. */
static inline bool
flow_blocked(const struct flow *flow)
{
	size_t limit = flow->hold ? flow->mark : flow->end;

	return !flow->broken && limit > flow->sent;
}

#endif /* TRACE_FLOW_H */
