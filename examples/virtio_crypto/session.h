/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#ifndef SESSION_H
#define SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "backend.h"

/* What a driver has set up by the control queue. */
struct session {
	const struct algo *algo; /* NULL: the entry is free */
	struct rte_cryptodev_sym_session *crypto;
	bool encrypt;
	bool destroyed; /* by the driver; requests still use it */
	uint16_t digest_len;
	uint32_t use; /* of the entry, the upper half of the id */
	uint32_t requests; /* in flight */
};

struct session_table {
	struct backend *backend;
	uint32_t count; /* entries that are not free */
	struct session entries[BACKEND_SESSIONS];
};

/*
 * 0 and *id, -ENOSPC: the table is full, or what backend_session_create()
 * returns.
 */
int session_create(struct session_table *table, const struct algo_params *params, uint64_t *id);

/* The session, or NULL: there is none of that id and service. */
struct session *session_find(struct session_table *table, uint64_t id, uint32_t service);

/* It is not found any more; the last request that uses it frees it. */
void session_destroy(struct session_table *table, struct session *session);
void session_destroy_all(struct session_table *table);

void session_get(struct session *session);
void session_put(struct session_table *table, struct session *session);

#endif /* SESSION_H */
