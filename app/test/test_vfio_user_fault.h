/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#ifndef TEST_VFIO_USER_FAULT_H
#define TEST_VFIO_USER_FAULT_H

/**
 * @file
 * A PCI device and its client, by the public API, for tests in which calls
 * fail: every function goes on after a failure only where an application could,
 * and what was made can be destroyed after any of them.
 */

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include <rte_vfio_user_client.h>
#include <rte_vfio_user_pci.h>
#include <rte_vfio_user_poll_group.h>
#include <rte_vfio_user_runner.h>
#include <rte_vfio_user_server.h>

#define FAULT_PAGE 4096u
#define FAULT_BAR0 FAULT_PAGE /* a callback */
#define FAULT_BAR2 (64 * FAULT_PAGE) /* file memory, two areas of it mappable */
#define FAULT_XFER (16 * FAULT_PAGE) /* largest transfer */
#define FAULT_MEM (64 * FAULT_PAGE) /* of the client */
#define FAULT_VECTORS 4
#define FAULT_MSIX VFIO_PCI_MSIX_IRQ_INDEX
#define FAULT_INTX VFIO_PCI_INTX_IRQ_INDEX

/** A scenario that takes longer hangs. */
#define FAULT_WATCHDOG_S 60
/** Of both sides, above that: nothing may wait for it. */
#define FAULT_TIMEOUT_MS (2000u * FAULT_WATCHDOG_S)

/** Offset in BAR0 whose accesses are completed later. */
#define FAULT_PENDING 0x800

/** From where the device reaches the client's memory, by its ways. */
#define FAULT_BY_MMAP UINT64_C(0x1000000)
#define FAULT_BY_FILE UINT64_C(0x2000000)
#define FAULT_BY_MSG UINT64_C(0x3000000)
/** Used by fault_use() only. */
#define FAULT_USE UINT64_C(0x4000000)

struct fault_dev {
	char path[64];
	/* set before fault_create() and fault_attach() */
	uint32_t server_flags;
	uint32_t max_dma_files;
	uint64_t max_dma_bytes;
	uint32_t busy_poll_us;
	uint32_t reconnect_ms;
	bool start_later; /**< fault_create() only describes it */
	bool caller_on, runner_on, poller_on; /**< calls of that thread count */
	bool lasting; /**< the failure will not pass */
	/** Instead of fault_check(); set by a preparation. */
	int (*check)(struct fault_dev *dev);
	/** Undo what fault_detach() and fault_destroy() do not know. */
	void (*clean)(struct fault_dev *dev);
	struct rte_vfio_user_server *srv;
	struct rte_vfio_user_pci *pci;
	struct rte_vfio_user_runner *runner;
	struct rte_vfio_user_client *client;
	pthread_t poller; /**< polls the client */
	bool polled;
	bool running; /**< the device is started, and polled by the runner */
	bool stop; /* atomic */
	uint32_t lost; /**< LOST_CONN resets; atomic */
	uint8_t bar0[FAULT_BAR0];
	int bar_fd, mem_fd, bell;
	uint8_t *bar2, *mem;
	int irq[FAULT_VECTORS], unmask;

	/* of a client that connects anew */
	int nb_states; /**< told to the callback */
	enum rte_vfio_user_client_state state; /**< the last one, with its reason */
	int reason;
	uint32_t nb_maps; /**< the server must have */
	uint8_t *base; /**< of BAR2, if the client has it mapped */

	struct rte_vfio_user_poll_group *group[2];
	bool registered; /**< by the series' API */
	int attached; /**< id of the series' API, or -1 */
};

/** What the library is given: memory and eventfds. */
int fault_init(struct fault_dev *dev, const char *dir, const char *name);
void fault_fini(struct fault_dev *dev);

/** Create, describe and start the device in a runner; 0 or -errno. */
int fault_create(struct fault_dev *dev);
/** Run a device that was started. */
int fault_run(struct fault_dev *dev);
void fault_destroy(struct fault_dev *dev);

/** Connect a client; 0 or -errno. */
int fault_attach(struct fault_dev *dev, uint64_t flags, uint32_t wait_ms);
void fault_detach(struct fault_dev *dev);

/** Have the runner run a new device instead; no call of the caller fails in it. */
int fault_restart(struct fault_dev *dev);

/** Poll the client in a thread. */
int fault_start_poller(struct fault_dev *dev);
void fault_stop_poller(struct fault_dev *dev);

/** Use all that matters of a device, which must work; TEST_SUCCESS if so. */
int fault_use(struct fault_dev *dev);

/** The present client works, or knows that it is lost; a new one works. */
int fault_check(struct fault_dev *dev);

/** ThreadSanitizer does not see that a socket orders the two sides. */
#define ORDERED_BY_SOCKET __attribute__((no_sanitize("thread")))

/* -------------------------------------------------- for scenarios, these fail */

#define FAULT_WRONG 1 /**< wrong data */

/** Return what a call returned unless it is 0. */
#define TRY(call) do { \
	int try_ret = (call); \
	if (try_ret != 0) \
		return try_ret; \
} while (0)

/** A device with a client. */
int fault_attached(struct fault_dev *dev);

/** One mapping of each kind, 16 pages, all of the same memory. */
int fault_map_all(struct fault_dev *dev);

/** 0 if all of an access was done, or an error. */
int fault_exact(ssize_t ret, size_t len);

/** Write and read. */
int fault_access(struct fault_dev *dev, uint32_t region, uint64_t offset, size_t len);

/** Write and read by the device. */
int fault_copy(struct fault_dev *dev, uint64_t iova, uint32_t len);

/** An eventfd was signalled. */
int fault_signalled(int fd);

/** Asynchronous accesses of 8 bytes. */
struct fault_async {
	uint32_t left;
	int error;
	uint8_t buf[16][8];
};

/** Start the ith one, a write if i is odd. */
int fault_async_start(struct fault_dev *dev, struct fault_async *async, uint32_t i);

/** Poll the client until all are completed; an error of them. */
int fault_async_wait(struct fault_dev *dev, struct fault_async *async);

/** Whose calls fail: the thread that calls the API, the runner's, the poller's. */
#define FAULT_CALLER 1u
#define FAULT_RUNNER 2u
#define FAULT_POLLER 4u
#define FAULT_BOTH (FAULT_CALLER | FAULT_RUNNER)
#define FAULT_ALL (FAULT_BOTH | FAULT_POLLER)

/** Something that must end, in good order, whatever call fails in it. */
struct fault_scenario {
	const char *name;
	uint32_t who; /**< FAULT_*; runs for each */
	/** Without failures; 0 or -errno. NULL: nothing is there yet. */
	int (*prepare)(struct fault_dev *dev);
	/** With them; stops at the first error. 0, -errno, or 1: wrong data. */
	int (*run)(struct fault_dev *dev);
	bool again; /**< it tries again itself: one failure changes nothing */
};

/** All of them; the last one of each has no name. */
extern const struct fault_scenario fault_scenarios[];
extern const struct fault_scenario fault_group_scenarios[];
extern const struct fault_scenario fault_memory_scenarios[];
extern const struct fault_scenario fault_reconnect_scenarios[];
extern const struct fault_scenario fault_series_scenarios[];
extern const struct fault_scenario fault_virtio_scenarios[];

#endif /* TEST_VFIO_USER_FAULT_H */
