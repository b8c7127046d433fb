/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#include <string.h>

#include <rte_byteorder.h>
#include <rte_common.h>

#include "tool.h"
#include "trace_pcapng.h"

#define BLOCK_SECTION 0x0a0d0d0au
#define BLOCK_INTERFACE 1u
#define BLOCK_PACKET 6u
#define BYTE_ORDER_MAGIC 0x1a2b3c4du

#define OPT_END 0
#define OPT_USERAPPL 4
#define OPT_IF_NAME 2
#define OPT_IF_TSRESOL 9
#define OPT_PACKET_FLAGS 2

#define LINKTYPE_UPPER_PDU 252
#define PDU_TAG_DISSECTOR 12

/* Has to be a multiple of 4 bytes, its NULs included. */
static const char dissector[] = "vfio_user\0\0";
_Static_assert(sizeof(dissector) % 4 == 0, "length of a tag");

/* Texts about the first file descriptors fit into TRACE_PCAPNG_ROOM. */
#define MAX_TEXTS 32u

struct writer {
	uint8_t *start;
	uint8_t *pos;
};

static void
put(struct writer *w, const void *data, size_t len)
{
	memcpy(w->pos, data, len);
	w->pos += len;
}

static void
put_u8(struct writer *w, uint8_t value)
{
	put(w, &value, sizeof(value));
}

static void
put_u16(struct writer *w, uint16_t value)
{
	put(w, &value, sizeof(value));
}

static void
put_u32(struct writer *w, uint32_t value)
{
	put(w, &value, sizeof(value));
}

static void
put_be16(struct writer *w, uint16_t value)
{
	put_u16(w, rte_cpu_to_be_16(value));
}

static void
put_be32(struct writer *w, uint32_t value)
{
	put_u32(w, rte_cpu_to_be_32(value));
}

static void
pad(struct writer *w)
{
	while ((w->pos - w->start) % 4 != 0)
		put_u8(w, 0);
}

static void
put_option(struct writer *w, uint16_t code, const void *data, uint16_t len)
{
	put_u16(w, code);
	put_u16(w, len);
	put(w, data, len);
	pad(w);
}

/* A block begins with its type and its length, and ends with its length. */
static struct writer
begin_block(uint8_t *buf, uint32_t type)
{
	struct writer w = { .start = buf, .pos = buf };

	put_u32(&w, type);
	put_u32(&w, 0);
	return w;
}

static uint32_t
end_block(struct writer *w)
{
	uint32_t len;

	put_u16(w, OPT_END);
	put_u16(w, 0);
	len = (uint32_t)(w->pos - w->start) + (uint32_t)sizeof(len);
	memcpy(w->start + sizeof(uint32_t), &len, sizeof(len));
	put_u32(w, len);
	return len;
}

uint32_t
trace_pcapng_start(uint8_t *buf)
{
	static const char name[] = "vfio-user";
	const uint8_t nanoseconds = 9;
	struct writer w = begin_block(buf, BLOCK_SECTION);
	uint32_t len;

	put_u32(&w, BYTE_ORDER_MAGIC);
	put_u16(&w, 1); /* version 1.0 */
	put_u16(&w, 0);
	put_u32(&w, UINT32_MAX); /* length of the section: unknown */
	put_u32(&w, UINT32_MAX);
	put_option(&w, OPT_USERAPPL, TOOL, sizeof(TOOL) - 1);
	len = end_block(&w);

	w = begin_block(buf + len, BLOCK_INTERFACE);
	put_u16(&w, LINKTYPE_UPPER_PDU);
	put_u16(&w, 0);
	put_u32(&w, TRACE_SNAP + TRACE_PCAPNG_ROOM);
	put_option(&w, OPT_IF_NAME, name, sizeof(name) - 1);
	put_option(&w, OPT_IF_TSRESOL, &nanoseconds, sizeof(nanoseconds));
	return len + end_block(&w);
}

static uint8_t
flags_of(const struct trace_msg *msg)
{
	uint8_t flags = 0;

	flags |= msg->from_server ? TRACE_PCAPNG_F_SERVER : 0;
	flags |= msg->twin ? TRACE_PCAPNG_F_TWIN : 0;
	flags |= msg->kind == TRACE_PARTIAL ? TRACE_PCAPNG_F_PARTIAL : 0;
	flags |= msg->kind == TRACE_RAW ? TRACE_PCAPNG_F_RAW : 0;
	flags |= msg->lost ? TRACE_PCAPNG_F_LOST : 0;
	flags |= RTE_BYTE_ORDER == RTE_LITTLE_ENDIAN ? TRACE_PCAPNG_F_LITTLE : 0;
	return flags;
}

/* What precedes the message in a packet. */
static void
put_prefix(struct writer *w, const struct trace_msg *msg)
{
	uint16_t nb_texts = (uint16_t)RTE_MIN(msg->nb_fds, MAX_TEXTS);
	uint16_t i, len, be;
	uint8_t *start;

	put_be16(w, PDU_TAG_DISSECTOR);
	put_be16(w, sizeof(dissector));
	put(w, dissector, sizeof(dissector));
	put_be16(w, 0);
	put_be16(w, 0);
	start = w->pos;
	put_u8(w, TRACE_PCAPNG_VERSION);
	put_u8(w, flags_of(msg));
	put_be16(w, 0);
	put_be32(w, msg->conn);
	put_be16(w, (uint16_t)RTE_MIN(msg->nb_fds, (uint32_t)UINT16_MAX));
	put_be16(w, nb_texts);
	for (i = 0; i < nb_texts; i++) {
		len = (uint16_t)strlen(msg->fds[i].text);
		put_u8(w, (uint8_t)len);
		put(w, msg->fds[i].text, len);
	}
	be = rte_cpu_to_be_16((uint16_t)(w->pos - start));
	memcpy(start + 2, &be, sizeof(be));
}

uint32_t
trace_pcapng_packet(uint8_t *buf, const struct trace_msg *msg)
{
	struct writer w = begin_block(buf, BLOCK_PACKET);
	const uint32_t direction = msg->from_server ? 2 : 1; /* out, in */
	uint32_t lengths[2];
	uint8_t *packet, *where;
	uint64_t original;

	put_u32(&w, 0); /* the interface */
	put_u32(&w, (uint32_t)(msg->time >> 32));
	put_u32(&w, (uint32_t)msg->time);
	where = w.pos;
	w.pos += sizeof(lengths);
	packet = w.pos;
	put_prefix(&w, msg);
	original = (uint64_t)(w.pos - packet) + msg->size;
	put(&w, msg->data, msg->len);
	lengths[0] = (uint32_t)(w.pos - packet);
	lengths[1] = (uint32_t)RTE_MIN(original, (uint64_t)UINT32_MAX);
	memcpy(where, lengths, sizeof(lengths));
	pad(&w);
	put_option(&w, OPT_PACKET_FLAGS, &direction, sizeof(direction));
	return end_block(&w);
}
