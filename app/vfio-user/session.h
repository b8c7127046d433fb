/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#ifndef SESSION_H
#define SESSION_H

/**
 * @file
 * A connection to a device, and the options that all commands with one share
 */

#include <rte_vfio_user_client.h>

#include "cmd.h"

/** A connection; fill it by session_init(). */
struct session {
	struct rte_vfio_user_client_conf conf; /**< may be changed before session_open() */
	struct rte_vfio_user_client *client;
	const char *path;
	bool json; /**< print JSON */
};

/** Shows what the library logs. */
#define SESSION_OPTION_DEBUG { 'D', "debug", NULL, "print what the library logs" }

/** Options of a command that connects, the first ones of its table. */
#define SESSION_OPTIONS \
	{ 'w', "wait", "SEC", "wait for the server, or until the device is free" }, \
	{ 't', "timeout", "SEC", "longest wait for each reply [10]" }, \
	SESSION_OPTION_DEBUG

/** The option that session_option() takes besides, of commands with JSON. */
#define SESSION_OPTION_JSON { 'j', "json", NULL, "print JSON" }

void session_init(struct session *s);

/** Take an option, with its argument in optarg; false: it is not a common one. */
bool session_option(struct session *s, int id);

/** Connect; ends the program if that fails. */
void session_open(struct session *s, const char *path);

void session_close(struct session *s);

#endif /* SESSION_H */
