/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#ifndef TEST_VFIO_USER_SERIES_H
#define TEST_VFIO_USER_SERIES_H

/**
 * @file
 * A device of the series' API whose callbacks write a log, and helpers for its
 * client. The log has a letter for each callback:
 *
 *     ( lock_dp(1)   ) lock_dp(0)   n new_device   d destroy_device
 *     u update_status   r reset_device
 */

#include <stdbool.h>
#include <stdint.h>

#include <rte_vfio_user.h>

#include "test_short.h"

#define PAGE 4096u
#define MEM_SIZE 0x1000u /* region 0: plain memory */
#define RW_SIZE 0x3001u /* region 1: a callback; of an odd size */
#define MAP_SIZE (8 * PAGE) /* region 2: memory of a file */
#define NB_MSIX 24u
#define MSIX VFIO_PCI_MSIX_IRQ_INDEX
#define NO_DEVICE 4711

/** A server function fails with -1 and this rte_errno. */
#define FAILS(call, error) \
	TEST_ASSERT((call) == -1 && rte_errno == (error), "%s: rte_errno %d", #call, rte_errno)

/** Wait for the control thread, which a sanitizer slows down. */
#define WAIT_LONG(cond) WAIT_UP_TO(20000, cond)

/** The callbacks so far, since the last time this was asked, are these. */
#define LOG_IS(text) do { \
	WAIT_LONG(series_log_is(text)); \
	series_log_clear(); \
} while (0)

/**
 * For functions that look at a memory table which the control thread frees
 * after their next request: ThreadSanitizer does not see that a socket orders
 * the two.
 */
#define ORDERED_BY_SOCKET __attribute__((no_sanitize("thread")))

struct series {
	char path[96];
	struct rte_vfio_user_notify_ops ops; /* a test may change it before register */
	struct vfio_device_info info;
	struct rte_vfio_user_regions *regions;
	struct rte_vfio_user_irq_info *irqs;
	uint8_t mem[MEM_SIZE], rw[RW_SIZE];
	int file; /* of region 2 */
	uint8_t *file_mem;
	/** Called by each callback with its letter, after it was logged. */
	int (*hook)(char event, int dev_id);
	/** Instead of what the callback of region 1 does. */
	rte_vfio_user_reg_acc_t rw_hook;
};

extern struct series series;

int series_setup(void);
void series_teardown(void);

/** Register, describe and start the device: id 0. */
int series_start(void);

/** Describe a registered device as the one above. */
int series_describe(const char *path);

bool series_log_is(const char *text);
void series_log_clear(void);

/** Number of threads of the process. */
uint32_t series_threads(void);

/** Map or unmap one range, without a file or with one. */
int series_map(int dev_id, uint64_t gpa, uint64_t size, int fd, uint64_t offset);
int series_unmap(int dev_id, uint64_t gpa, uint64_t size);

/** Assign eventfds, -1: none, from vector 0 on. */
int series_irqs(int dev_id, uint32_t nb, const int *fds);

/** A file of this many bytes that can be mapped. */
int series_file(uint64_t size);

#endif /* TEST_VFIO_USER_SERIES_H */
