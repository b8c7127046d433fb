/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#ifndef TEST_VIRTIO_DEV_H
#define TEST_VIRTIO_DEV_H

/**
 * @file
 * A virtio device that gives back what it reads, polled by a runner's thread,
 * and a driver of it, in one process. One at a time, in a global.
 */

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <unistd.h>

#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_pci.h>
#include <linux/virtio_ring.h>

#include <rte_vfio_user_runner.h>
#include <rte_virtio_dev.h>

#include "test_short.h"
#include "virtio_driver.h"

#define VLOOP_QUEUES 4
#define VLOOP_QUEUE_SIZE 64
#define VLOOP_CONFIG_SIZE 24
#define VLOOP_MEM (1u << 20)
#define VLOOP_SEGS 256
#define BIT(n) (UINT64_C(1) << (n))

/* Not in the headers of Linux 6.1. */
#define F_NOTIFICATION_DATA 38
#define F_NOTIF_CONFIG_DATA 39

struct vloop {
	/* for create; a test may change them before it starts anything */
	struct rte_virtio_dev_conf conf;
	bool echo_in_notify; /* the poller does the device's work */
	int features_result, config_result;

	char path[64];
	struct rte_vfio_user_runner *runner;
	struct rte_vfio_user_server *srv;
	struct rte_virtio_dev *dev;
	struct rte_vfio_user_client *client;
	struct virtio_driver drv;

	/* of callbacks; atomic */
	uint32_t resets, notified[VLOOP_QUEUES], started[VLOOP_QUEUES], stopped[VLOOP_QUEUES];
	uint32_t features_asked, config_writes;
	uint64_t features; /* that the callback was asked for */

	/* a data-path thread */
	pthread_t thread;
	bool threaded, stop;
	uint32_t polls, echoed; /* atomic */
	uint32_t inside; /* atomic: hold the thread in a section; 2: it is held */
};

extern struct vloop vloop;

int vloop_setup(void);
void vloop_teardown(void);

/** Create and start the device. */
int vloop_start_device(void);

/** Connect a driver. */
int vloop_connect(void);
void vloop_disconnect(void);

/** Both. */
int vloop_start(void);

/** A thread that echoes the first nb queues until teardown. */
int vloop_start_thread(uint32_t nb);
void vloop_stop_thread(void);

/** Echo what a queue has: buffers given back, or -1: it is not live. */
int vloop_echo(struct rte_virtio_queue *q);

/** Negotiate, set up nb queues and DRIVER_OK. */
int vloop_up(uint64_t wanted, uint32_t nb);

/** Send nb buffers of different forms through a queue and check what is echoed. */
int vloop_exchange(uint16_t queue, uint32_t nb);

#endif /* TEST_VIRTIO_DEV_H */
