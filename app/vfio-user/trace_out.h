/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#ifndef TRACE_OUT_H
#define TRACE_OUT_H

/**
 * @file
 * Buffered output by a thread of its own
 *
 * A slow terminal or a full pipe does not delay the connections, until so much
 * waits to be written that the writer has to wait, too: nothing is left out.
 */

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct trace_out;

/**
 * Open a file, "-" is stdout.
 *
 * @param path
 *   The file; what it holds is lost.
 * @param stop
 *   Nobody waits for the output any more when this is not 0.
 * @return
 *   The output; NULL and errno if it cannot be opened.
 */
struct trace_out *trace_out_open(const char *path, const volatile sig_atomic_t *stop);

/** Append; waits while too much is pending. Nothing is written after an error. */
void trace_out_write(struct trace_out *out, const void *data, size_t len);

/** Have what was appended written soon; cheap if there is nothing. */
void trace_out_flush(struct trace_out *out);

/** Whether something was appended and not flushed. */
bool trace_out_pending(struct trace_out *out);

/** The time that trace_out_write() has waited, in nanoseconds. */
uint64_t trace_out_waited(const struct trace_out *out);

/**
 * Write all, close and free. A reader who does not read is given up after some
 * seconds.
 *
 * @return
 *   0, or the errno of the first write that failed.
 */
int trace_out_close(struct trace_out *out);

#endif /* TRACE_OUT_H */
