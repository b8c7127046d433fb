/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#ifndef TRACE_PCAPNG_H
#define TRACE_PCAPNG_H

/**
 * @file
 * Messages as packets of a pcapng file
 *
 * The link type is LINKTYPE_WIRESHARK_UPPER_PDU, whose packets name their
 * dissector: wireshark/vfio_user.lua is found without configuration. A packet is
 * those tags, then, in network byte order,
 *
 *   uint8_t  version;      TRACE_PCAPNG_VERSION
 *   uint8_t  flags;        TRACE_PCAPNG_F_*
 *   uint16_t length;       of all this, with the texts
 *   uint32_t connection;
 *   uint16_t nb_fds;       passed with the message
 *   uint16_t nb_texts;     about the first of them: a length byte and that many bytes
 *
 * and the message from its header on, as it was on the wire.
 */

#include "trace_msg.h"

#define TRACE_PCAPNG_VERSION 1

#define TRACE_PCAPNG_F_SERVER (1u << 0) /**< sent by the server */
#define TRACE_PCAPNG_F_TWIN (1u << 1)
#define TRACE_PCAPNG_F_PARTIAL (1u << 2) /**< the connection ended inside of it */
#define TRACE_PCAPNG_F_RAW (1u << 3) /**< not a message */
#define TRACE_PCAPNG_F_LOST (1u << 4) /**< the receiver was gone */
#define TRACE_PCAPNG_F_LITTLE (1u << 5) /**< the message is little-endian */

/** Enough for what precedes and follows the message's bytes. */
#define TRACE_PCAPNG_ROOM 4096u

/**
 * Write the start of a file.
 *
 * @param buf
 *   TRACE_PCAPNG_ROOM bytes.
 * @return
 *   Bytes written.
 */
uint32_t trace_pcapng_start(uint8_t *buf);

/**
 * Write the block of a message.
 *
 * @param buf
 *   msg->len + TRACE_PCAPNG_ROOM bytes.
 * @param msg
 *   The message.
 * @return
 *   Bytes written.
 */
uint32_t trace_pcapng_packet(uint8_t *buf, const struct trace_msg *msg);

#endif /* TRACE_PCAPNG_H */
