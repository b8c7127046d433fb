/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#include <errno.h>
#include <getopt.h>
#include <string.h>
#include <sys/stat.h>

#include <rte_errno.h>
#include <rte_log.h>

#include "holder.h"
#include "session.h"
#include "tool.h"

void
session_init(struct session *s)
{
	memset(s, 0, sizeof(*s));
	rte_vfio_user_client_conf_init(&s->conf);
	s->conf.request_timeout_ms = 10000;
	/* what matters of it is said by the commands, once */
	rte_log_set_level_pattern("lib.vfio_user*", RTE_LOG_EMERG);
}

bool
session_option(struct session *s, int id)
{
	switch (id) {
	case 'w':
		s->conf.connect_timeout_ms = parse_seconds(optarg, "--wait");
		return true;
	case 't':
		s->conf.request_timeout_ms = RTE_MAX(1u, parse_seconds(optarg, "--timeout"));
		return true;
	case 'D':
		rte_log_set_level_pattern("lib.vfio_user*", RTE_LOG_DEBUG);
		return true;
	case 'j':
		s->json = true;
		return true;
	default:
		return false;
	}
}

/* connect(2) says ECONNREFUSED for all kinds of files. */
static void __rte_noreturn
refused(const char *path)
{
	struct stat st;

	if (stat(path, &st) == 0 && !S_ISSOCK(st.st_mode))
		die(STATUS_CONNECT, "%s: not a socket", path);
	die(STATUS_CONNECT, "%s: nobody listens there (left behind by a server that ended?)",
	    path);
}

static void __rte_noreturn
busy(const char *path)
{
	char holder[256];

	holder_find(path, holder, sizeof(holder));
	die(STATUS_BUSY, "%s: the device is busy: it is held by %s", path, holder);
}

static void __rte_noreturn
cannot_connect(const struct session *s, int err)
{
	switch (err) {
	case ECONNREFUSED:
		refused(s->path);
	case ENOENT:
		die(STATUS_CONNECT, "%s: no such socket", s->path);
	case EBUSY:
		busy(s->path);
	case ETIMEDOUT:
		die(STATUS_TIMEOUT, "%s: connected, but the server did not answer in time",
		    s->path);
	case EPROTO:
		die(STATUS_PROTOCOL, "%s: the server does not speak vfio-user %u.x, "
		    "or not vfio-user at all (--debug tells more)", s->path,
		    RTE_VFIO_USER_PROTO_MAJOR);
	case ENOTCONN:
		die(STATUS_PROTOCOL, "%s: the server closed the connection instead of "
		    "answering", s->path);
	default:
		die(STATUS_CONNECT, "%s: cannot connect: %s", s->path, strerror(err));
	}
}

void
session_open(struct session *s, const char *path)
{
	s->path = path;
	s->conf.sock_path = path;
	s->client = rte_vfio_user_client_create(&s->conf);
	if (s->client == NULL)
		cannot_connect(s, rte_errno);
}

void
session_close(struct session *s)
{
	rte_vfio_user_client_destroy(s->client);
	s->client = NULL;
}
