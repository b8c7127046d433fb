/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#ifndef CLIENT_WORK_H
#define CLIENT_WORK_H

#include <stdint.h>

#include <rte_vfio_user_client.h>

/**
 * Use the device of wire_server until a time is over: reads, writes, accesses
 * to a mapped BAR, memory at iova and behind mapped and unmapped, interrupts
 * assigned. Any number of threads, each with its own megabyte from iova on.
 *
 * @return
 *   Number of accesses, or the first error but -ENOTCONN of a read or write.
 */
int client_work(struct rte_vfio_user_client *client, uint64_t iova, uint32_t ms);

/** Notes what it is told. */
void client_state_cb(struct rte_vfio_user_client *client,
		     enum rte_vfio_user_client_state state, int reason, void *priv);

/** How many states were noted; text takes and forgets them, free() it. */
unsigned int client_states(char **text);

#endif /* CLIENT_WORK_H */
