/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#ifndef VFIO_USER_TELEMETRY_H
#define VFIO_USER_TELEMETRY_H

/**
 * @file
 * Devices as telemetry shows them
 *
 * Servers and clients enter themselves into a list that nothing but telemetry
 * uses, and tell of what changes when it does. What they are asked for, by the
 * telemetry thread, is safe to be read in any thread. Leaving the list waits for
 * an answer that is being made. The commands exist from the start of the
 * process; they can be asked for once it has called rte_eal_init().
 *
 * Threads: any.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/types.h>

#include "rte_vfio_user_common.h"
#include "rte_vfio_user_stats.h"

/** Room for the path of a socket, which is shorter. */
#define VFIO_USER_TELEMETRY_PATH 112

/** Entries of the arrays that are shown of a device. */
#define VFIO_USER_TELEMETRY_SHAPE 64

/** What a device consists of. */
struct vfio_user_telemetry_shape {
	uint32_t nb_regions;
	uint32_t nb_irqs;
	/* by index, the first ones */
	uint64_t region_sizes[VFIO_USER_TELEMETRY_SHAPE];
	uint64_t region_flags[VFIO_USER_TELEMETRY_SHAPE]; /* VFIO_REGION_INFO_FLAG_* */
	uint64_t irq_counts[VFIO_USER_TELEMETRY_SHAPE];
	uint64_t irqs_assigned[VFIO_USER_TELEMETRY_SHAPE];
};

/** What a side is asked for; dev is what it gave. */
struct vfio_user_telemetry_ops {
	const char *role;
	void (*stats)(const void *dev, struct rte_vfio_user_stats *stats);
	/** NULL: not known on this side. */
	void (*shape)(const void *dev, struct vfio_user_telemetry_shape *shape);
};

/** A device in the list. All zero: it is in none. */
struct vfio_user_telemetry {
	TAILQ_ENTRY(vfio_user_telemetry) next;
	uint64_t id; /* 0: not in the list */
	const void *dev;
	const struct vfio_user_telemetry_ops *ops;
	char path[VFIO_USER_TELEMETRY_PATH];
	const char *state;
	/* of the peer, if there is one */
	pid_t peer_pid;
	uid_t peer_uid;
	bool negotiated;
	struct rte_vfio_user_negotiated neg;
};

/** Enter a device; path may be NULL. */
void vfio_user_telemetry_add(struct vfio_user_telemetry *node, const char *path,
			     const struct vfio_user_telemetry_ops *ops, const void *dev);

/** Take it out, if it is in the list. */
void vfio_user_telemetry_remove(struct vfio_user_telemetry *node);

/** Note a state, a string constant; without a peer, unless said otherwise. */
void vfio_user_telemetry_state(struct vfio_user_telemetry *node, const char *state);

/** Note the process at the other end of a connected socket. */
void vfio_user_telemetry_peer(struct vfio_user_telemetry *node, int fd);

/** Note a state in which a version was agreed on with the peer. */
void vfio_user_telemetry_connected(struct vfio_user_telemetry *node, const char *state,
				   const struct rte_vfio_user_negotiated *neg);

#endif /* VFIO_USER_TELEMETRY_H */
