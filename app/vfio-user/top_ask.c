/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

/*
 * Telemetry of DPDK: a SOCK_SEQPACKET socket that greets with a JSON object and
 * answers each command, a packet, with another one.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "tool.h"
#include "top.h"

/* an answer has 16 KiB at most; a process that is stuck does not hold us up long */
#define ANSWER_MAX (64u << 10)
#define WAIT_S 1

static json_t *
receive(int fd)
{
	static char buf[ANSWER_MAX];
	ssize_t len = recv(fd, buf, sizeof(buf), 0);

	if (len <= 0)
		return NULL;
	/* as real numbers: one that is too large must not cost the whole answer */
	return json_loadb(buf, (size_t)len, JSON_DECODE_INT_AS_REAL, NULL);
}

const char *
top_ask_open(struct top_ask *ask, const char *path)
{
	const struct timeval wait = { .tv_sec = WAIT_S };
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	json_t *hello;

	ask->silent = false;
	if (strlen(path) >= sizeof(addr.sun_path))
		return "its path is too long";
	strcpy(addr.sun_path, path);
	ask->fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (ask->fd < 0)
		return strerror(errno);
	setsockopt(ask->fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
	setsockopt(ask->fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait));
	if (connect(ask->fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0) {
		close(ask->fd);
		return strerror(errno);
	}
	hello = receive(ask->fd);
	ask->pid = (pid_t)top_number(hello, "pid");
	json_decref(hello);
	if (ask->pid > 0)
		return NULL;
	close(ask->fd);
	return "it does not answer as telemetry of DPDK does";
}

json_t *
top_ask(struct top_ask *ask, const char *command)
{
	size_t len = strlen(command), name_len = strcspn(command, ",");
	json_t *answer, *value;
	char name[64];

	if (ask->silent)
		return NULL;
	answer = send(ask->fd, command, len, MSG_NOSIGNAL) == (ssize_t)len ?
		receive(ask->fd) : NULL;
	/* a late answer would be taken for the next one's */
	ask->silent = answer == NULL;
	snprintf(name, sizeof(name), "%.*s", (int)name_len, command);
	value = json_incref(json_object_get(answer, name));
	json_decref(answer);
	if (json_is_object(value))
		return value;
	json_decref(value);
	return NULL;
}

void
top_ask_close(struct top_ask *ask)
{
	close(ask->fd);
}

uint64_t
top_number(const json_t *object, const char *key)
{
	return top_value(json_object_get(object, key));
}

uint64_t
top_value(const json_t *number)
{
	double value = json_number_value(number);

	return value >= 1 && value < 9e18 ? (uint64_t)value : 0;
}

const char *
top_text(char *buf, const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text_clean(buf, TOP_TEXT, text != NULL ? text : "", SIZE_MAX);
}
