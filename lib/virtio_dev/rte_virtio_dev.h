/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#ifndef RTE_VIRTIO_DEV_H
#define RTE_VIRTIO_DEV_H

/**
 * @file
 * Device side of virtio over PCI, provided over vfio-user
 *
 * Makes a vfio-user server a virtio 1.2 device (modern, PCI transport): the
 * library answers configuration space and registers, negotiates features, sets
 * up, stops and resets queues, and routes interrupts. The application brings
 * what the device does: a table of callbacks, and code that takes buffers from
 * rings and gives them back (rte_virtio_ring.h).
 *
 *     srv = rte_vfio_user_server_create(&server_conf);
 *     rte_virtio_dev_conf_init(&conf);
 *     conf.srv = srv;
 *     conf.device_type = VIRTIO_ID_RNG;
 *     dev = rte_virtio_dev_create(&conf, &ops);
 *     rte_vfio_user_server_start(srv);
 *     ... poll the server, see rte_vfio_user_server.h ...
 *     rte_virtio_dev_destroy(dev);
 *
 * A data-path thread works on a queue in bursts:
 *
 *     ring = rte_virtio_queue_begin(q);
 *     if (ring == NULL)
 *             return;
 *     while (rte_virtio_ring_pop(ring, ...) > 0)
 *             rte_virtio_ring_push(ring, ...);
 *     rte_virtio_ring_publish(ring);
 *     rte_virtio_queue_interrupt(q);
 *     rte_virtio_queue_end(q);
 *
 * A queue is *live* while the driver has enabled it and set DRIVER_OK. Only then
 * rte_virtio_queue_begin() returns its ring: nothing is processed before, and
 * nothing after a reset, also when the client has gone and another one came. The
 * control side takes a live queue away without waiting for the data path: it
 * unpublishes the ring, and the driver reads "not finished" until the section
 * that was open has ended. So sections have to be short, and code that keeps
 * buffers across sections has to compare rte_virtio_queue_epoch().
 *
 * Threads.
 *
 * - *set-up* (create): before the server's start
 * - *poller* (queue_trap): the callbacks run in the thread that polls the server
 * - *data path* (queue_begin, queue_end, queue_interrupt, queue_epoch): one
 *   thread per queue at a time, which may be the poller
 * - *any thread*: config_set (one at a time), needs_reset, queue, queue_info_get,
 *   queue_kick_fd, queue_doorbell, queue_signal
 *
 * No lock of the library is held while a callback runs.
 *
 * Order of the end: remove the server from its poll group or runner, stop the
 * data path, rte_virtio_dev_destroy(), which destroys the server, too.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <rte_branch_prediction.h>
#include <rte_common.h>
#include <rte_compat.h>

#include <rte_vfio_user_server.h>

#include "rte_virtio_ring.h"

#ifdef __cplusplus
extern "C" {
#endif

/** A virtio device. */
struct rte_virtio_dev;

struct rte_virtio_queue;

/** Largest number of queues of a device. */
#define RTE_VIRTIO_DEV_MAX_QUEUES 1024
/** Largest number of entries of a split ring. */
#define RTE_VIRTIO_DEV_MAX_QUEUE_SIZE 32768
/**
 * Largest number of entries that a driver of packed rings is offered: DPDK's
 * places an area of larger rings outside of them.
 */
#define RTE_VIRTIO_DEV_MAX_PACKED_SIZE 1024
/** Largest device configuration, bytes. */
#define RTE_VIRTIO_DEV_MAX_CONFIG 4096

/**
 * The doorbells lie in a page that the client may map: notifications are stores
 * to shared memory, nobody is woken. For devices that poll their rings. Accesses
 * by messages still reach the notify callback.
 */
#define RTE_VIRTIO_DEV_F_NOTIFY_MMAP (1u << 0)
/**
 * Each queue has an eventfd, rte_virtio_queue_kick_fd(), which clients may
 * trigger without a message. Notifications by messages signal it, too: the
 * notify callback is not used. Not with RTE_VIRTIO_DEV_F_NOTIFY_MMAP, since a
 * store to a mapped page triggers nothing.
 */
#define RTE_VIRTIO_DEV_F_NOTIFY_IOEVENTFD (1u << 1)
/**
 * The device has no MSI-X: all interrupts are INTx, whose driver reads from the ISR
 * register what happened. For clients that cannot do with MSI-X.
 */
#define RTE_VIRTIO_DEV_F_NO_MSIX (1u << 2)

/** Configuration of a device; fill it by rte_virtio_dev_conf_init(). */
struct rte_virtio_dev_conf {
	size_t size; /**< sizeof(struct rte_virtio_dev_conf) */
	/** Name for messages, up to 63 characters; NULL: "virtio-TYPE". */
	const char *name;
	/**
	 * The server, not started yet. The library describes its regions and
	 * interrupts and sets its callbacks. The device owns it from a
	 * successful create on.
	 */
	struct rte_vfio_user_server *srv;
	/** Virtio device type, VIRTIO_ID_*, 1 to 63. */
	uint16_t device_type;
	/** PCI subsystem vendor; 0 means 0x1af4. */
	uint16_t subsystem_vendor_id;
	/** PCI subsystem, at least 0x40; 0 means 0x40 + device_type. */
	uint16_t subsystem_id;
	/** Number of queues, 1 to RTE_VIRTIO_DEV_MAX_QUEUES. */
	uint16_t nb_queues;
	/** PCI class, sub-class, interface: 24 bits; 0 means 0xff0000. */
	uint32_t class_code;
	/**
	 * Entries of a queue at most, a power of two up to
	 * RTE_VIRTIO_DEV_MAX_QUEUE_SIZE; 0 means 256. Packed rings are offered
	 * with RTE_VIRTIO_DEV_MAX_PACKED_SIZE at most.
	 */
	uint16_t queue_size;
	/**
	 * MSI-X vectors, up to 2048; 0 means one per queue and one more. Has to be 0
	 * with RTE_VIRTIO_DEV_F_NO_MSIX.
	 */
	uint16_t nb_vectors;
	/**
	 * Feature bits of the device type: 0 to 23 and 50 to 63. The bits
	 * between, of rings and transport, are offered by the library.
	 */
	uint64_t features;
	/**
	 * Bits that the library shall not offer. A device that does not give
	 * buffers back in the order in which it took them has to name
	 * VIRTIO_F_IN_ORDER here. VIRTIO_F_VERSION_1 cannot be.
	 */
	uint64_t features_off;
	/** Bytes of device configuration, up to RTE_VIRTIO_DEV_MAX_CONFIG. */
	uint32_t config_size;
	/** RTE_VIRTIO_DEV_F_* flags. */
	uint32_t flags;
	/** Passed to the callbacks. */
	void *priv;
};

/** Callbacks of a device; each is optional and runs in the poller thread. */
struct rte_virtio_dev_ops {
	/**
	 * The driver has chosen features: a subset of those offered, which
	 * includes VERSION_1. Returns 0, or a negative errno: the combination
	 * is refused, the driver finds FEATURES_OK cleared.
	 */
	int (*features_ok)(struct rte_virtio_dev *dev, uint64_t features, void *priv);
	/**
	 * A queue is about to become live, or it has stopped: no section of it is
	 * open. rte_virtio_queue_begin() returns NULL in both cases; once the
	 * queue is live its owner is notified, as buffers may be there already.
	 */
	void (*queue_state)(struct rte_virtio_dev *dev, uint16_t queue, bool live,
			    void *priv);
	/**
	 * The driver notified a live queue by a message, or the queue has become
	 * live, or a DMA mapping has come that its ring may need. May be called
	 * for nothing.
	 */
	void (*notify)(struct rte_virtio_dev *dev, uint16_t queue, void *priv);
	/**
	 * The driver writes to the device configuration; offset + len is in it.
	 * Returns 0 to have it stored, or a negative errno to ignore it.
	 * Without this callback all writes are ignored.
	 */
	int (*config_write)(struct rte_virtio_dev *dev, uint32_t offset,
			    const void *data, uint32_t len, void *priv);
	/**
	 * The device is reset, by the driver, the client, or because the client
	 * has gone. All queues have stopped (queue_state() was called for those
	 * that were live). Device configuration set by
	 * rte_virtio_dev_config_set() stays.
	 */
	void (*reset)(struct rte_virtio_dev *dev, void *priv);
};

/**
 * Fill a configuration with the defaults: one queue, no features of the device
 * type, no device configuration. srv and device_type have to be set.
 *
 * @param conf
 *   The configuration to initialise.
 */
__rte_experimental
void
rte_virtio_dev_conf_init(struct rte_virtio_dev_conf *conf);

/**
 * Make a server a virtio device. Set-up only.
 *
 * @param conf
 *   Configuration; copied, not referenced after return.
 * @param ops
 *   Callbacks; copied. NULL: none.
 * @return
 *   The device, or NULL with rte_errno set; the server is the caller's then, and
 *   only fit to be destroyed:
 *   - EINVAL: a value is out of range
 *   - EBUSY: the server was started
 *   - ENOTSUP: the kernel has no membarrier(2)
 *   - ENOMEM, EMFILE, ENFILE: out of memory or file descriptors
 */
__rte_experimental
struct rte_virtio_dev *
rte_virtio_dev_create(const struct rte_virtio_dev_conf *conf,
		      const struct rte_virtio_dev_ops *ops);

/**
 * Destroy a device and its server; the client is disconnected. No thread may be
 * inside a section or poll the server. If a driver is at work the device is reset
 * first, with the callbacks of a reset.
 *
 * @param dev
 *   The device, or NULL.
 * @return
 *   - 0 on success
 *   - -EDEADLK: called from a callback of this device; nothing was done
 */
__rte_experimental
int
rte_virtio_dev_destroy(struct rte_virtio_dev *dev);

/**
 * The features that were negotiated. Poller thread, and data-path threads while
 * they are inside a section.
 *
 * @param dev
 *   The device.
 * @return
 *   Feature bits; 0 before the driver has set FEATURES_OK.
 */
__rte_experimental
uint64_t
rte_virtio_dev_features(const struct rte_virtio_dev *dev);

/**
 * Change the device configuration. Its generation changes, and the driver gets
 * a configuration change interrupt, at once or as soon as it sets DRIVER_OK.
 * Nothing of the kind before the server's start. Any thread, one at a time.
 *
 * @param dev
 *   The device.
 * @param offset
 *   Offset in the device configuration.
 * @param data
 *   What to store; multi-byte fields are little-endian.
 * @param len
 *   Bytes.
 * @return
 *   0, or -EINVAL: not inside of the device configuration.
 */
__rte_experimental
int
rte_virtio_dev_config_set(struct rte_virtio_dev *dev, uint32_t offset,
			  const void *data, uint32_t len);

/**
 * Read the device configuration, as the driver does. Any thread.
 *
 * @param dev
 *   The device.
 * @param offset
 *   Offset in the device configuration.
 * @param data
 *   Where to store.
 * @param len
 *   Bytes.
 * @return
 *   0, or -EINVAL: not inside of the device configuration.
 */
__rte_experimental
int
rte_virtio_dev_config_get(struct rte_virtio_dev *dev, uint32_t offset,
			  void *data, uint32_t len);

/**
 * Tell the driver that the device needs a reset: DEVICE_NEEDS_RESET and a
 * configuration change interrupt. The library does so itself when a ring is
 * broken. Any thread.
 *
 * @param dev
 *   The device.
 */
__rte_experimental
void
rte_virtio_dev_needs_reset(struct rte_virtio_dev *dev);

/* ---------------------------------------------------------------- queues */

/**
 * A queue of a device. It is the same for the life of the device. Any thread.
 *
 * @param dev
 *   The device.
 * @param index
 *   Number of the queue.
 * @return
 *   The queue, or NULL: there is no such queue.
 */
__rte_experimental
struct rte_virtio_queue *
rte_virtio_dev_queue(struct rte_virtio_dev *dev, uint16_t index);

/**
 * A queue of a device, as its data path sees it. All fields are private to the
 * library.
 */
struct rte_virtio_queue {
	struct rte_vfio_user_dma_reader *reader; /**< of this queue alone */
	struct rte_virtio_ring *live; /**< published by the poller, or NULL */
	struct rte_virtio_ring *ring; /**< where it is */
	uint32_t epoch; /**< times that it was published */
	bool armed; /**< there is a way to interrupt the driver */
} __rte_cache_aligned;

/** State and counters of a queue. */
struct rte_virtio_queue_info {
	uint16_t index; /**< number of the queue */
	uint16_t size; /**< entries, as the driver has set */
	uint16_t vector; /**< MSI-X vector, or VIRTIO_MSI_NO_VECTOR */
	bool enabled; /**< the driver has enabled it */
	bool live; /**< it is processed */
	uint64_t kicks; /**< notifications by messages */
	uint64_t interrupts; /**< interrupts sent; by two threads at once: one of both */
	uint64_t broken; /**< times that its ring was found broken */
};

/**
 * Describe a queue. Any thread; the values need not be of one moment.
 *
 * @param queue
 *   The queue.
 * @param info
 *   Where to store its description.
 * @return
 *   0, or -EINVAL: bad argument.
 */
__rte_experimental
int
rte_virtio_queue_info_get(const struct rte_virtio_queue *queue,
			  struct rte_virtio_queue_info *info);

/**
 * The eventfd that the driver's notifications signal, with
 * RTE_VIRTIO_DEV_F_NOTIFY_IOEVENTFD. The owner of the queue watches and reads
 * it; it is the library's, and the same for the life of the device. It is
 * non-blocking, but clients share it and may change that, or empty it: an owner
 * that must not wait reads it by preadv2() with RWF_NOWAIT. Any thread.
 *
 * @param queue
 *   The queue.
 * @return
 *   The file descriptor, or -ENOENT: the device has none; -EINVAL: no queue.
 */
__rte_experimental
int
rte_virtio_queue_kick_fd(const struct rte_virtio_queue *queue);

/**
 * Have the driver's notifications of a queue reach the notify callback, although
 * RTE_VIRTIO_DEV_F_NOTIFY_MMAP or RTE_VIRTIO_DEV_F_NOTIFY_IOEVENTFD is set: the
 * driver finds a doorbell that no client can map and that has no eventfd. For
 * queues that nobody polls, such as a control queue. A reset leaves it. Poller
 * thread, in features_ok() at the latest: drivers look for doorbells then.
 *
 * @param queue
 *   The queue.
 * @param trap
 *   Whether it is trapped; queues are not, at first.
 * @return
 *   - 0 on success; without those flags all queues are trapped anyway
 *   - -EBUSY: the driver has enabled the queue
 *   - -EINVAL: bad argument
 */
__rte_experimental
int
rte_virtio_queue_trap(struct rte_virtio_queue *queue, bool trap);

/**
 * The doorbell of a queue, with RTE_VIRTIO_DEV_F_NOTIFY_MMAP: 32 bits in a cache
 * line of their own, in which the driver stores what a notification consists of.
 * Any client can write any value at any time. Any thread.
 *
 * @param queue
 *   The queue.
 * @return
 *   Its address, or NULL: the device has none.
 */
__rte_experimental
const uint32_t *
rte_virtio_queue_doorbell(const struct rte_virtio_queue *queue);

/**
 * What rte_virtio_queue_end() calls for a broken ring: logs and counts it, and
 * tells the driver that the device needs a reset. Not for applications.
 *
 * @param queue
 *   The queue, inside a section.
 */
__rte_experimental
void
rte_virtio_queue_broken(struct rte_virtio_queue *queue);

/**
 * Interrupt the driver, whether it wants it or not. What
 * rte_virtio_queue_interrupt() calls. Inside a section; or in any thread, for an
 * interrupt that is late: the worst that a driver finds then is nothing to do.
 *
 * @param queue
 *   The queue.
 */
__rte_experimental
void
rte_virtio_queue_signal(struct rte_virtio_queue *queue);

/**
 * Begin a burst: opens a section of the queue's DMA reader and translates the
 * areas of the ring. Wait-free. Sections of one queue do not nest.
 *
 * @param queue
 *   The queue.
 * @return
 *   The ring, for use until rte_virtio_queue_end(). NULL: the queue is not live,
 *   its ring is broken, or its memory is not mapped (yet); no section is open
 *   then.
 */
__rte_experimental
static inline struct rte_virtio_ring *
rte_virtio_queue_begin(struct rte_virtio_queue *queue)
{
	struct rte_virtio_ring *ring;

	rte_vfio_user_dma_begin(queue->reader);
	ring = __atomic_load_n(&queue->live, __ATOMIC_ACQUIRE);
	if (likely(ring != NULL && rte_virtio_ring_broken(ring) == 0 &&
		   rte_virtio_ring_map(ring, queue->reader) == 0))
		return ring;
	rte_vfio_user_dma_end(queue->reader);
	return NULL;
}

/**
 * End a burst. A ring that was found broken stops the queue: it is logged and
 * counted, and the driver is told that the device needs a reset.
 *
 * @param queue
 *   The queue, inside a section.
 */
__rte_experimental
static inline void
rte_virtio_queue_end(struct rte_virtio_queue *queue)
{
	if (unlikely(rte_virtio_ring_broken(queue->ring) != 0))
		rte_virtio_queue_broken(queue);
	rte_vfio_user_dma_end(queue->reader);
}

/**
 * Interrupt the driver if it wants to be for the buffers published since the
 * last call. Inside a section, after rte_virtio_ring_publish(), once per burst.
 * Costs nothing while the driver gave the queue no vector.
 *
 * @param queue
 *   The queue.
 */
__rte_experimental
static inline void
rte_virtio_queue_interrupt(struct rte_virtio_queue *queue)
{
	if (__atomic_load_n(&queue->armed, __ATOMIC_RELAXED) &&
	    rte_virtio_ring_wants_interrupt(queue->ring))
		rte_virtio_queue_signal(queue);
}

/**
 * How many times the queue has become live. Buffers that were taken in another
 * epoch are not the device's any more: they must neither be accessed nor given
 * back. Inside a section.
 *
 * @param queue
 *   The queue.
 * @return
 *   The number.
 */
__rte_experimental
static inline uint32_t
rte_virtio_queue_epoch(const struct rte_virtio_queue *queue)
{
	return __atomic_load_n(&queue->epoch, __ATOMIC_RELAXED);
}

/**
 * The queue's reader of the client's memory, for rte_vfio_user_dma_va() inside
 * a section. Any thread.
 *
 * @param queue
 *   The queue.
 * @return
 *   The reader.
 */
__rte_experimental
static inline struct rte_vfio_user_dma_reader *
rte_virtio_queue_reader(const struct rte_virtio_queue *queue)
{
	return queue->reader;
}

#ifdef __cplusplus
}
#endif

#endif /* RTE_VIRTIO_DEV_H */
