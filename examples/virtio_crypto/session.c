/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

/* The table of sessions: bounded, and with ids that are not used again. */

#include <errno.h>

#include "session.h"

static struct session *
free_entry(struct session_table *table)
{
	uint32_t i;

	for (i = 0; i < BACKEND_SESSIONS; i++)
		if (table->entries[i].algo == NULL)
			return &table->entries[i];
	return NULL;
}

int
session_create(struct session_table *table, const struct algo_params *params, uint64_t *id)
{
	struct session *session = free_entry(table);
	int ret;

	if (session == NULL)
		return -ENOSPC;
	ret = backend_session_create(table->backend, params, &session->crypto);
	if (ret < 0)
		return ret;
	session->algo = params->algo;
	session->encrypt = params->encrypt;
	session->destroyed = false;
	session->digest_len = params->digest_len;
	session->requests = 0;
	session->use++;
	table->count++;
	*id = (uint64_t)session->use << 32 | (uint32_t)(session - table->entries);
	return 0;
}

struct session *
session_find(struct session_table *table, uint64_t id, uint32_t service)
{
	uint32_t index = (uint32_t)id;
	struct session *session;

	if (index >= BACKEND_SESSIONS)
		return NULL;
	session = &table->entries[index];
	if (session->algo == NULL || session->destroyed || session->use != id >> 32 ||
	    session->algo->service != service)
		return NULL;
	return session;
}

static void
session_free(struct session_table *table, struct session *session)
{
	backend_session_free(table->backend, session->crypto);
	session->algo = NULL;
	table->count--;
}

void
session_destroy(struct session_table *table, struct session *session)
{
	session->destroyed = true;
	if (session->requests == 0)
		session_free(table, session);
}

void
session_destroy_all(struct session_table *table)
{
	uint32_t i;

	for (i = 0; i < BACKEND_SESSIONS; i++)
		if (table->entries[i].algo != NULL && !table->entries[i].destroyed)
			session_destroy(table, &table->entries[i]);
}

void
session_get(struct session *session)
{
	session->requests++;
}

void
session_put(struct session_table *table, struct session *session)
{
	session->requests--;
	if (session->requests == 0 && session->destroyed)
		session_free(table, session);
}
