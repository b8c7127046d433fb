/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#ifndef RTE_VFIO_USER_STATS_H
#define RTE_VFIO_USER_STATS_H

/**
 * @file
 * vfio-user: what a device has done
 *
 * Servers and clients count messages, errors, connections, DMA mappings and
 * interrupts from their creation on; a lost connection sets nothing back. The
 * counters are always on: each has one writer at a time, so that counting takes
 * neither a lock nor an atomic operation. Any thread may read them at any time;
 * each value is one that the counter had, but counters read together may be of
 * slightly different moments.
 *
 * The same numbers are shown by the telemetry command /vfio_user/stats.
 */

#include <stdint.h>

#include <rte_compat.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Commands that are counted each for itself: its number is the index. */
#define RTE_VFIO_USER_STATS_COMMANDS 20

/** Errors that are counted each for itself: its errno is the index. */
#define RTE_VFIO_USER_STATS_ERRNOS 134

/** Messages of one command, in one direction. */
struct rte_vfio_user_command_stats {
	uint64_t requests; /**< with or without a reply */
	uint64_t replies; /**< those with an error, too */
	/**
	 * Requests of the other side that were refused with an error: received
	 * errors are those of our requests, sent errors those of the peer's. A
	 * refused request that asked for no reply counts as sent, too.
	 */
	uint64_t errors;
	uint64_t bytes; /**< of the messages, headers included */
};

/** Messages in one direction, on all sockets of a device. */
struct rte_vfio_user_message_stats {
	/** By command; index 0: commands with a number that is not known. */
	struct rte_vfio_user_command_stats commands[RTE_VFIO_USER_STATS_COMMANDS];
	/** The errors of all commands by errno; index 0: any other. */
	uint64_t errors[RTE_VFIO_USER_STATS_ERRNOS];
	uint64_t fds; /**< file descriptors passed */
	uint64_t messages; /**< requests and replies of all commands */
	uint64_t bytes; /**< of all commands */
};

/** Counters of a server or a client. */
struct rte_vfio_user_stats {
	struct rte_vfio_user_message_stats in; /**< received */
	/** Sent, or queued for a peer that does not read. */
	struct rte_vfio_user_message_stats out;

	/** Times that a protocol version was agreed on with a peer. */
	uint64_t connections;
	/** Connections, of those, that have ended. */
	uint64_t disconnections;
	/** Client: connections after the first one. Server: 0. */
	uint64_t reconnects;
	/**
	 * Server: connections that were refused because another client has the
	 * device, or because no version could be agreed on. The messages of the
	 * former are not counted. Client: 0.
	 */
	uint64_t refused;
	/** Requests of this side that got no reply in time. */
	uint64_t timeouts;
	/**
	 * Server: clients that were dropped because they did not negotiate, did
	 * not finish a message or did not read in time. Client: 0.
	 */
	uint64_t peer_timeouts;
	/**
	 * What a peer must not do and no error reply answers: message headers that
	 * end the connection, replies that nobody waits for, more requests ahead
	 * of their replies than are kept, memory that was shared and truncated.
	 */
	uint64_t violations;
	/**
	 * Requests that were put aside, once each: by a server until its device
	 * has completed them or has stopped its data path; by a client, of its own
	 * asynchronous reads, until the connection is back.
	 */
	uint64_t parked;
	/** Requests of the peer that waited behind other ones. */
	uint64_t queued;
	/**
	 * Client: posted writes that were collected and had not left when the
	 * connection was lost. What had left may be lost as well; nobody knows.
	 * Server: 0.
	 */
	uint64_t lost_writes;

	uint64_t dma_maps; /**< mappings now */
	uint64_t dma_bytes; /**< of their ranges */
	/**
	 * Mappings made. A client enters a mapping before it asks the server, so
	 * that one which the server refuses is counted here and in dma_unmapped.
	 */
	uint64_t dma_mapped;
	uint64_t dma_unmapped; /**< mappings that are gone, for whatever reason */

	/**
	 * Interrupts, of a server that was started; a client does not see them.
	 * Delivered are those signalled to the client's eventfd; what is written to
	 * a file descriptor of rte_vfio_user_server_irq_fd() is not counted. Each
	 * vector has its own counters: one of these may miss a count when several
	 * threads trigger the same vector at the same moment.
	 */
	uint64_t irqs_delivered;
	uint64_t irqs_held; /**< triggered while masked; delivered once unmasked */
	uint64_t irqs_unassigned; /**< triggered while no eventfd was assigned */
};

struct rte_vfio_user_client;
struct rte_vfio_user_server;

/**
 * Read the counters of a server. Any thread.
 *
 * @param srv
 *   The device.
 * @param stats
 *   Set to the counters.
 * @return
 *   - 0 on success
 *   - -EINVAL: an argument is NULL
 */
__rte_experimental
int
rte_vfio_user_server_stats_get(const struct rte_vfio_user_server *srv,
			       struct rte_vfio_user_stats *stats);

/**
 * Read the counters of a client. Any thread.
 *
 * @param client
 *   The client.
 * @param stats
 *   Set to the counters.
 * @return
 *   - 0 on success
 *   - -EINVAL: an argument is NULL
 */
__rte_experimental
int
rte_vfio_user_client_stats_get(const struct rte_vfio_user_client *client,
			       struct rte_vfio_user_stats *stats);

/**
 * The name of a command as the specification has it, without its prefix:
 * "REGION_READ". Any thread.
 *
 * @param command
 *   Its number, as in rte_vfio_user_message_stats.
 * @return
 *   The name, or NULL: there is no such command.
 */
__rte_experimental
const char *
rte_vfio_user_stats_command_name(uint32_t command);

#ifdef __cplusplus
}
#endif

#endif /* RTE_VFIO_USER_STATS_H */
