/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#ifndef TRACE_DECODE_H
#define TRACE_DECODE_H

/**
 * @file
 * Payloads of all commands as named fields
 *
 * Works on bytes alone and believes none of them: a field that does not lie
 * inside of the message is not shown, and what is wrong is said in a note.
 */

#include "trace_fields.h"
#include "trace_msg.h"

/** Longest lists that are shown. */
#define TRACE_MAX_LIST 256u

/** Show the payload of a message whose header is there. */
void trace_decode(struct fields *f, const struct trace_msg *msg);

/** The region that a message names; UINT32_MAX if it names none. */
uint32_t trace_region_in(const struct trace_msg *msg);

#endif /* TRACE_DECODE_H */
