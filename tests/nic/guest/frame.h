/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */
#ifndef NIC_FRAME_H
#define NIC_FRAME_H

/**
 * @file
 * Frames that a generator on the host's ethdev port and a program in the guest send
 * each other. All of a frame is a function of a seed and of the frame's number.
 *
 * The receiver tells after every few frames which one it wants next, and the sender
 * never has more than a window under way. So no queue overflows, and each frame that
 * is missing was lost by who carried it.
 */

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "pattern.h"

#define FRAME_MIN 60
#define FRAME_MAX 9014
#define FRAME_ETHERTYPE 0x88b5 /* for local experiments */
#define FRAME_WINDOW 64
#define FRAME_ACK_EVERY 16

enum frame_kind { FRAME_DATA = 0x44, FRAME_ACK = 0x41 };

/** The start of each frame. The numbers are in the byte order of the machine. */
struct frame_header {
	uint8_t dst[6];
	uint8_t src[6];
	uint8_t ethertype[2];
	uint8_t kind;
	uint8_t version;
	uint64_t seed;
	uint64_t number; /**< of this frame; in an ACK: of the frame that is wanted next */
	uint32_t length; /**< of the frame, with all headers */
} __attribute__((packed));

/** Broadcast, so that no filter of addresses matters. */
static inline void
frame_set_header(struct frame_header *h, enum frame_kind kind, uint64_t seed, uint64_t number,
		 uint32_t length)
{
	memset(h->dst, 0xff, sizeof(h->dst));
	memcpy(h->src, "\x02\x00\x00\x00\x00\x01", sizeof(h->src));
	h->ethertype[0] = FRAME_ETHERTYPE >> 8;
	h->ethertype[1] = FRAME_ETHERTYPE & 0xff;
	h->kind = kind;
	h->version = 1;
	h->seed = seed;
	h->number = number;
	h->length = length;
}

/** The length of a frame: each from the least to the most is as likely, and both ends often. */
static inline uint32_t
frame_length(uint64_t seed, uint64_t number, uint32_t max)
{
	uint64_t word = pattern_word(~seed, number);

	if (word % 16 == 0)
		return FRAME_MIN;
	if (word % 16 == 1)
		return max;
	return FRAME_MIN + (word >> 8) % (max - FRAME_MIN + 1);
}

/** Make up a data frame; return its length. */
static inline uint32_t
frame_make(void *buffer, uint64_t seed, uint64_t number, uint32_t max)
{
	uint32_t length = frame_length(seed, number, max);

	frame_set_header(buffer, FRAME_DATA, seed, number, length);
	/* Numbers of words that no other frame of the seed has. */
	pattern_fill((uint8_t *)buffer + sizeof(struct frame_header),
		     length - sizeof(struct frame_header), seed, number << 16);
	return length;
}

/** Make up an acknowledgement; return its length. */
static inline uint32_t
frame_make_ack(void *buffer, uint64_t seed, uint64_t wanted)
{
	memset(buffer, 0, FRAME_MIN);
	frame_set_header(buffer, FRAME_ACK, seed, wanted, FRAME_MIN);
	return FRAME_MIN;
}

/** Tell whether a received frame is one of ours, of a kind. */
static inline bool
frame_is(const void *buffer, uint32_t length, enum frame_kind kind, uint64_t seed)
{
	struct frame_header h;

	if (length < FRAME_MIN)
		return false;
	memcpy(&h, buffer, sizeof(h));
	return h.ethertype[0] == FRAME_ETHERTYPE >> 8 &&
	       h.ethertype[1] == (FRAME_ETHERTYPE & 0xff) && h.kind == kind && h.seed == seed;
}

/** The number in a frame that is one of ours. */
static inline uint64_t
frame_number(const void *buffer)
{
	struct frame_header h;

	memcpy(&h, buffer, sizeof(h));
	return h.number;
}

#endif
