/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#ifndef VIRTIO_DEV_H
#define VIRTIO_DEV_H

/**
 * @file
 * A device and what its files call of each other:
 *
 * - virtio_dev.c: create, destroy, device configuration, getters
 * - virtio_dev_pci.c: BARs, capabilities, the server's callbacks
 * - virtio_dev_regs.c: registers of the common configuration, status machine
 * - virtio_dev_queue.c: life of the queues, what the data path calls
 * - virtio_dev_irq.c: interrupts and the ISR register
 */

#include <inttypes.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include <rte_vfio_user_pci.h>

#include "rte_virtio_dev.h"
#include "virtio_compat.h"
#include "virtio_log.h"

/** Longest name of a device in messages, the final zero included. */
#define VIRTIO_DEV_NAME_LEN 64

/**
 * Bytes from one doorbell to the next: a cache line each, and what every edition
 * of the specification allows.
 */
#define VIRTIO_DEV_NOTIFY_MULTIPLIER 64u

#define VIRTIO_HAS(features, bit) (((features) >> (bit) & 1) != 0)

/** Fields that a thread reads while another one writes them. */
#define VIRTIO_GET(var) __atomic_load_n(&(var), __ATOMIC_RELAXED)
#define VIRTIO_SET(var, val) __atomic_store_n(&(var), val, __ATOMIC_RELAXED)

/** A queue: what the data path uses, then the registers. */
struct virtio_dev_queue {
	struct rte_virtio_queue pub;
	struct rte_virtio_ring ring;
	struct rte_virtio_dev *dev;
	uint16_t index;
	/* registers; the poller writes, other threads may read those in info */
	uint16_t size;
	uint16_t vector;
	bool enabled;
	bool live; /* the ring is published */
	bool resetting; /* queue_reset was written, its end is not reached */
	bool trapped; /* its doorbell is the one that is not shared */
	/* number of the sync that ends the stop of the queue, 0: none runs */
	uint64_t stop;
	uint64_t desc, driver, device;
	uint64_t kicks; /* poller */
	uint64_t interrupts, broken; /* data path */
	int kick_fd; /* -1: none */
	const uint32_t *doorbell;
};

struct rte_virtio_dev {
	struct rte_vfio_user_server *srv;
	struct rte_vfio_user_pci *pci;
	struct rte_virtio_dev_ops ops;
	struct rte_virtio_dev_conf conf;
	char name[VIRTIO_DEV_NAME_LEN];
	uint64_t offered; /* features */
	uint32_t pci_cfg_cap; /* offset of the PCI configuration access capability */
	/*
	 * Doorbells in the BAR of the registers: notify_len bytes that may be shared
	 * with the client, then trap_len bytes that never are.
	 */
	uint32_t notify_off, notify_len, trap_len;
	uint8_t *doorbells; /* notify_len bytes, or NULL */
	int doorbell_fd; /* behind them, or -1 */
	uint32_t depth; /* of calls by the server: callbacks run inside them */
	bool gone; /* destroy has reset the device */

	/* registers: poller */
	uint32_t feature_select, driver_feature_select;
	uint64_t driver_features;
	uint16_t queue_select;
	uint8_t generation;
	bool resetting; /* a reset waits for the data path */
	uint64_t reset_number; /* of the sync that it waits for */
	bool dma_changed; /* since the last resume() of the server */

	/* any thread, atomic */
	uint64_t features; /* negotiated */
	uint16_t config_vector;
	uint8_t status; /* without NEEDS_RESET; written by the poller */
	uint8_t isr;
	bool needs_reset;
	bool config_irq; /* a configuration change interrupt is owed */

	pthread_mutex_t intx_lock; /* the ISR and the level it has */
	pthread_mutex_t config_lock; /* the following */
	bool config_changed; /* since config_generation was read last */
	uint8_t *config; /* conf.config_size bytes */

	struct virtio_dev_queue *queues; /* conf.nb_queues */
};

/* --------------------------------------------------------- virtio_dev.c */

/**
 * Change the device configuration, and its generation if tell is set: both at
 * once, so a driver that read half of a change finds another generation.
 */
void virtio_dev_config_store(struct rte_virtio_dev *dev, uint32_t offset,
			     const void *data, uint32_t len, bool tell);

/**
 * The generation. It counts the reads of it that found a change, not the changes:
 * two reads of the same number have nothing between them.
 */
uint8_t virtio_dev_config_generation(struct rte_virtio_dev *dev);

/* ----------------------------------------------------- virtio_dev_pci.c */

/** Describe the device to its server and the kit: 0 or -errno. */
int virtio_dev_pci_init(struct rte_virtio_dev *dev);

/** Doorbells as before the first notification. */
void virtio_dev_doorbells_clear(struct rte_virtio_dev *dev);

/** Offer the eventfds of the queues to clients: 0 or -errno. */
int virtio_dev_ioeventfds_add(struct rte_virtio_dev *dev);

/** Free what virtio_dev_pci_init() made; the server is gone or was not started. */
void virtio_dev_pci_fini(struct rte_virtio_dev *dev);

/* ---------------------------------------------------- virtio_dev_regs.c */

/** Access to the common configuration; any offset and count. */
void virtio_dev_regs_read(struct rte_virtio_dev *dev, uint32_t offset,
			  uint8_t *data, uint32_t count);
void virtio_dev_regs_write(struct rte_virtio_dev *dev, uint32_t offset,
			   const uint8_t *data, uint32_t count);

/** Bytes of the common configuration. */
#define VIRTIO_DEV_REGS_LEN 64u

/** Reset the device; over when dev->resetting is false. */
void virtio_dev_reset(struct rte_virtio_dev *dev);

/** A sync of the server is over, and those before it. */
void virtio_dev_synced(struct rte_virtio_dev *dev, uint64_t number);

/* --------------------------------------------------- virtio_dev_queue.c */

/** Create the queues, not enabled: 0 or -errno. */
int virtio_dev_queues_init(struct rte_virtio_dev *dev);

/** Destroy the readers: the data path has ended, no queue is published again. */
void virtio_dev_queues_leave(struct rte_virtio_dev *dev);

/** Free the queues. */
void virtio_dev_queues_fini(struct rte_virtio_dev *dev);

/** Registers to their state after a reset; the queue has stopped. */
void virtio_dev_queue_clear(struct virtio_dev_queue *q);

/** Offer no larger size than the negotiated features allow. */
void virtio_dev_queue_limit(struct virtio_dev_queue *q);

/** The driver enables a queue: 0 or -EINVAL, its set-up is wrong. */
int virtio_dev_queue_enable(struct virtio_dev_queue *q);

/** Publish the ring of an enabled queue. */
void virtio_dev_queue_start(struct virtio_dev_queue *q);

/**
 * Unpublish the ring. The queue has stopped when stop is 0, at once if nobody
 * was inside a section; then queue_state() was called.
 */
void virtio_dev_queue_stop(struct virtio_dev_queue *q);

/** Unpublish all rings: the number of the sync to wait for, or 0. */
uint64_t virtio_dev_queues_stop(struct rte_virtio_dev *dev);

/** Finish the stops that waited for this sync or an earlier one. */
void virtio_dev_queues_synced(struct rte_virtio_dev *dev, uint64_t number);

/** Notify the owners of all live queues. */
void virtio_dev_queues_notify(struct rte_virtio_dev *dev);

/** Number of a queue's doorbell, as the driver finds it. */
uint16_t virtio_dev_queue_doorbell(const struct virtio_dev_queue *q);

/** The driver notified a queue. */
void virtio_dev_queue_kick(struct rte_virtio_dev *dev, uint32_t index);

/** Set the vector of a queue, or learn anew whether it can interrupt. */
void virtio_dev_queue_route(struct virtio_dev_queue *q, uint16_t vector);

/* ----------------------------------------------------- virtio_dev_irq.c */

/** Interrupt by a vector, or by INTx with a bit of the ISR; any thread. */
void virtio_dev_irq_queue(struct rte_virtio_dev *dev, uint16_t vector);

/** A configuration change interrupt is owed: send it if the driver is ready. */
void virtio_dev_irq_config(struct rte_virtio_dev *dev);

/** Send the configuration change interrupt that is owed, if any. */
void virtio_dev_irq_config_owed(struct rte_virtio_dev *dev);

/** Read and clear the ISR register. */
uint8_t virtio_dev_isr_read(struct rte_virtio_dev *dev);

/** MSI-X may have been switched on or off. */
void virtio_dev_irq_changed(struct rte_virtio_dev *dev);

#endif /* VIRTIO_DEV_H */
