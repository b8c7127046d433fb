/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#ifndef VIRTIO_DRIVER_H
#define VIRTIO_DRIVER_H

/**
 * @file
 * The driver side of virtio over PCI, for tests: a client of a vfio-user device
 * that finds the capabilities, negotiates, sets up queues in memory of its own,
 * which the device has mapped, and exchanges buffers. Split and packed rings,
 * indirect descriptors, event indexes, in-order use, MSI-X.
 *
 * Functions return 0 (or what they say) or a negative errno. One thread.
 */

#include <stdbool.h>
#include <stdint.h>

#include <rte_vfio_user_client.h>

#define VIRTIO_DRIVER_MAX_QUEUES 16
/** Where the memory is for the device. */
#define VIRTIO_DRIVER_IOVA UINT64_C(0x100000000)
/** Longest buffer, in descriptors. */
#define VIRTIO_DRIVER_MAX_CHAIN 128

/** Where a virtio capability points to. */
struct virtio_driver_cap {
	uint8_t cap; /**< its offset in the configuration space, 0: there is none */
	uint8_t bar;
	uint32_t offset;
	uint32_t len;
};

/** A piece of memory for the device. */
struct virtio_driver_buf {
	uint64_t iova;
	uint32_t len;
};

struct virtio_driver_queue {
	struct virtio_driver *drv;
	uint16_t index, size;
	uint16_t notify_off;
	uint16_t vector; /**< of MSI-X, or 0xffff */
	bool packed, event_idx, in_order;
	uint64_t desc_iova, driver_iova, device_iova;
	uint8_t *desc, *driver, *device; /**< the areas */
	uint16_t nb_free; /**< descriptors */
	uint16_t next_avail, next_used;
	bool avail_wrap, used_wrap; /**< packed */
	uint16_t *ids; /**< free ones, a FIFO; split: heads are descriptors */
	uint16_t ids_head, ids_count;
	uint16_t *slots; /**< by id */
	uint16_t *order; /**< ids outstanding, oldest first: in-order use */
	uint16_t order_head, order_count;
	int batch_end; /**< packed, in-order: last id of a batch, or -1 */
	struct virtio_driver_buf *tables; /**< by id: for indirect descriptors */
};

struct virtio_driver {
	struct rte_vfio_user_client *client;
	struct virtio_driver_cap common, isr, device, notify, pci_cfg;
	uint32_t notify_multiplier;
	uint64_t offered, features;
	uint32_t nb_queues;
	int fd; /**< the memory */
	uint8_t *mem;
	uint64_t mem_size, mem_used;
	int config_fd; /**< eventfd of the configuration vector, or -1 */
	int queue_fds[VIRTIO_DRIVER_MAX_QUEUES]; /**< of the queues' vectors, or -1 */
	struct virtio_driver_queue queues[VIRTIO_DRIVER_MAX_QUEUES];
};

/** Find the capabilities of a device and give it mem_size bytes of memory. */
int virtio_driver_init(struct virtio_driver *drv, struct rte_vfio_user_client *client,
		       uint64_t mem_size);

/** Free everything but the client, which may be gone. */
void virtio_driver_fini(struct virtio_driver *drv);

/** Access len bytes of a structure, 1 to 8. */
uint64_t virtio_driver_get(struct virtio_driver *drv, const struct virtio_driver_cap *cap,
			   uint32_t offset, uint32_t len);
int virtio_driver_set(struct virtio_driver *drv, const struct virtio_driver_cap *cap,
		      uint32_t offset, uint32_t len, uint64_t val);

/** The same in the common configuration, by VIRTIO_PCI_COMMON_* offset. */
uint64_t virtio_driver_reg(struct virtio_driver *drv, uint32_t offset, uint32_t len);
int virtio_driver_reg_set(struct virtio_driver *drv, uint32_t offset, uint32_t len, uint64_t val);

/** Write 0 to the status and wait up to 10 s until it reads 0; frees the queues. */
int virtio_driver_reset(struct virtio_driver *drv);

uint8_t virtio_driver_status(struct virtio_driver *drv);

/** Add bits to the status. */
int virtio_driver_status_add(struct virtio_driver *drv, uint8_t bits);

/**
 * Reset, then accept those of the wanted features that are offered, VERSION_1
 * always, up to FEATURES_OK: -EOPNOTSUPP if the device does not keep it.
 */
int virtio_driver_negotiate(struct virtio_driver *drv, uint64_t wanted);

/** Feature bits as a whole. */
uint64_t virtio_driver_offered(struct virtio_driver *drv);
int virtio_driver_accept(struct virtio_driver *drv, uint64_t features);

/**
 * Assign eventfds to MSI-X vectors: 0 for the configuration, 1 + n for queue n
 * of those that are set up later.
 */
int virtio_driver_irqs(struct virtio_driver *drv, uint32_t nb_queues);

/** Make and enable a queue: size 0 is what the device offers. */
int virtio_driver_queue(struct virtio_driver *drv, uint16_t index, uint16_t size);

/** The same without enabling it or touching the device. */
int virtio_driver_queue_make(struct virtio_driver *drv, uint16_t index, uint16_t size);

/** Write a queue's size, vector and addresses. */
int virtio_driver_queue_write(struct virtio_driver *drv, uint16_t index);

/** Set DRIVER_OK. */
int virtio_driver_ok(struct virtio_driver *drv);

/** Memory for the device: its iova, or 0. Freed all at once, with the queues. */
uint64_t virtio_driver_alloc(struct virtio_driver *drv, uint64_t len, uint64_t align);

/** Where it is here. */
void *virtio_driver_va(struct virtio_driver *drv, uint64_t iova);

/**
 * Make a buffer available: the first nb_read pieces are for the device to read,
 * the others to write. Returns its id, or -ENOSPC.
 */
int virtio_driver_add(struct virtio_driver_queue *q, const struct virtio_driver_buf *bufs,
		      uint32_t nb_read, uint32_t nb_write, bool indirect);

/** Notify the device, in any case. */
int virtio_driver_kick(struct virtio_driver_queue *q);

/** Whether the device wants to be notified. */
bool virtio_driver_wants_kick(const struct virtio_driver_queue *q);

/** Take a used buffer: 1, its id and the bytes written; or 0. */
int virtio_driver_used(struct virtio_driver_queue *q, uint16_t *id, uint32_t *len);

/** The same, waiting up to 10 s: -ETIMEDOUT. */
int virtio_driver_wait(struct virtio_driver_queue *q, uint16_t *id, uint32_t *len);

/** Ask for interrupts of the queue, or for none. */
void virtio_driver_want_irq(struct virtio_driver_queue *q, bool wanted);

/** Wait up to ms for an eventfd: how often it was signalled, 0: not at all. */
uint64_t virtio_driver_irq_wait(int fd, int ms);

#endif /* VIRTIO_DRIVER_H */
