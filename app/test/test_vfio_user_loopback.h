/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#ifndef TEST_VFIO_USER_LOOPBACK_H
#define TEST_VFIO_USER_LOOPBACK_H

/**
 * @file
 * A device that a runner's thread polls and a client of it, in one process, by
 * the public API only. One at a time, in a global.
 */

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include <rte_vfio_user_client.h>
#include <rte_vfio_user_runner.h>
#include <rte_vfio_user_server.h>

#include "test_short.h"

#define PAGE 4096u
#define BAR0_SIZE (64u << 10) /* a callback */
#define BAR1_SIZE (20u << 20) /* plain memory */
#define BAR2_SIZE (16 * PAGE) /* sparse areas of one file, callback */
#define BAR3_SIZE (16 * PAGE) /* areas with files of their own */
#define BAR4_SIZE (4 * PAGE) /* all of it mappable */
#define CONFIG_SIZE 256u /* read-only memory */
#define NB_MSIX 40u

/**
 * For functions that look at memory which the other side wrote before it sent
 * a message: ThreadSanitizer does not see that a socket orders the two.
 */
#define ORDERED_BY_SOCKET __attribute__((no_sanitize("thread")))

struct loop {
	/* for create; a test may change them before it starts anything */
	struct rte_vfio_user_server_conf server_conf;
	struct rte_vfio_user_client_conf client_conf;
	struct rte_vfio_user_runner *runner;
	struct rte_vfio_user_server *srv;
	struct rte_vfio_user_client *client;

	bool by_hand; /* no runner: the test polls the device */
	/** Changes the description of the device before it starts. */
	int (*alter)(void);
	/** Handles accesses to BAR0 instead of its memory. */
	ssize_t (*hook)(const struct rte_vfio_user_region_access *acc);
	pthread_t poller; /* where callbacks have to run */
	int (*quiesce)(void);
	int (*map)(const struct rte_vfio_user_dma_info *info);
	int reset_result;
	/* of callbacks; atomic */
	uint32_t connected, lost, resets, quiesced, resumed, irq_changed, mapped, unmapped;
	uint8_t bar0[BAR0_SIZE], config[CONFIG_SIZE];
	uint8_t *bar1;
	int file[3]; /* of BAR2, BAR3 (and its own areas), BAR4 */
	uint8_t *memory[3]; /* the same, mapped */
	int ioeventfd;
};

extern struct loop loop;

int loop_setup(void);
void loop_teardown(void);

/** Create and start the device, in a new runner. */
int loop_start_server(void);
void loop_stop_server(void);

/** Connect a client: 0 or -rte_errno. */
int loop_start_client(void);
void loop_stop_client(void);

/** Both. */
int loop_start(void);

/** Access of BAR0 to its memory. */
ssize_t loop_store(const struct rte_vfio_user_region_access *acc);

/**
 * Run a function of the device in a thread of its own while this one polls
 * the client; what the function returned.
 */
int loop_run(int (*func)(void *arg), void *arg);

/** Poll the client once, sleeping until there is something or 10 ms passed. */
void loop_poll(void);

/** Store bytes that follow from a seed. */
void loop_fill(uint8_t *buf, size_t len, uint32_t seed);
bool loop_is_filled(const uint8_t *buf, size_t len, uint32_t seed);

static inline int
loop_read(uint32_t region, uint64_t offset, void *buf, size_t len)
{
	ssize_t ret = rte_vfio_user_client_region_read(loop.client, region, offset, buf, len);

	return ret == (ssize_t)len ? 0 : ret < 0 ? (int)ret : 1;
}

static inline int
loop_write(uint32_t region, uint64_t offset, const void *buf, size_t len)
{
	ssize_t ret = rte_vfio_user_client_region_write(loop.client, region, offset, buf, len);

	return ret == (ssize_t)len ? 0 : ret < 0 ? (int)ret : 1;
}

#endif /* TEST_VFIO_USER_LOOPBACK_H */
