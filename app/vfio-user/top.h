/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#ifndef TOP_H
#define TOP_H

/**
 * @file
 * What top looks at: telemetry of processes, and processes without it
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <jansson.h>

/** Room for text that is shown; longer text is cut. */
#define TOP_TEXT 120

/* ------------------------------------------------------------------ top_ask.c */

/** A connection to the telemetry of a process. */
struct top_ask {
	int fd;
	pid_t pid;
	bool silent; /**< it left a question unanswered, and is asked no more */
};

/**
 * Connect to a telemetry socket.
 *
 * @return
 *   NULL, or why it cannot be asked.
 */
const char *top_ask_open(struct top_ask *ask, const char *path);

/**
 * Ask for a command.
 *
 * @return
 *   The answer, to be released; NULL: none, or a refusal.
 */
json_t *top_ask(struct top_ask *ask, const char *command);

void top_ask_close(struct top_ask *ask);

/** A number in an answer; 0 if there is none. */
uint64_t top_number(const json_t *object, const char *key);

/** A number; 0 if it is none. */
uint64_t top_value(const json_t *number);

/** Copy text of an answer, TOP_TEXT bytes, so that it can be printed. */
const char *top_text(char *buf, const json_t *object, const char *key);

/* ----------------------------------------------------------------- top_find.c */

/** A list of names that grows. */
struct top_list {
	char **name;
	size_t nb;
};

/** The telemetry sockets of DPDK processes; dir: where to look, or NULL. */
void top_find_sockets(struct top_list *sockets, const char *dir);

void top_list_free(struct top_list *list);

/** The name of a process, TOP_TEXT bytes, so that it can be printed. */
const char *top_process_name(char *buf, pid_t pid);

/** Processes that use the library. */
struct top_users {
	pid_t *pid;
	size_t nb;
	size_t unknown; /**< processes that may not be looked at */
};

/** Find them, this one excepted. */
void top_find_users(struct top_users *users);

void top_users_free(struct top_users *users);

#endif /* TOP_H */
