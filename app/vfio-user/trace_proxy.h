/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#ifndef TRACE_PROXY_H
#define TRACE_PROXY_H

/**
 * @file
 * Connections of clients, each with one to the server
 *
 * Every client that connects gets a connection of its own to the server, so that
 * a second one is refused by the server as it would be without the proxy. What
 * one side does to its socket is done to the other side's: end of the stream of
 * one direction, a receiver that went, both.
 *
 * A socket that the server passes for its own requests (twin socket) is replaced
 * by one end of a pair, and served as another channel of the connection.
 */

#include <signal.h>
#include <stdbool.h>

#include "trace_sink.h"
#include "trace_socket.h"

struct trace_proxy_conf {
	struct trace_listener *listener; /**< for the clients; closed in the end */
	const char *connect;
	bool once; /**< one connection, then the end */
	bool spin; /**< never sleep */
	const volatile sig_atomic_t *stop; /**< set: end */
	int stop_fd; /**< becomes readable when it is set */
};

/**
 * Serve until conf->stop is set, or the only connection has ended.
 *
 * @return
 *   An enum status.
 */
int trace_proxy_run(const struct trace_proxy_conf *conf, struct trace_sink *sink,
		    struct trace_out *out, struct trace_stats *stats);

/** Nanoseconds since 1970 that never go back. */
uint64_t trace_now(void);

#endif /* TRACE_PROXY_H */
