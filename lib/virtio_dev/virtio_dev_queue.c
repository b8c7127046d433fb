/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <rte_errno.h>

#include "virtio_dev.h"

/*
 * A queue is enabled by the driver, live from DRIVER_OK on, and stopped by a
 * reset of it or of the device. Stopping unpublishes the ring and asks the
 * server for a sync; what is set up or called afterwards waits for its end, so
 * the poller never waits for a thread that is inside a section.
 */

/* ----------------------------------------------------------- life cycle */

static uint16_t
max_size(const struct rte_virtio_dev *dev)
{
	if (VIRTIO_HAS(dev->features, VIRTIO_F_RING_PACKED))
		return RTE_MIN(dev->conf.queue_size, RTE_VIRTIO_DEV_MAX_PACKED_SIZE);
	return dev->conf.queue_size;
}

void
virtio_dev_queue_limit(struct virtio_dev_queue *q)
{
	VIRTIO_SET(q->size, RTE_MIN(q->size, max_size(q->dev)));
}

void
virtio_dev_queue_clear(struct virtio_dev_queue *q)
{
	VIRTIO_SET(q->size, max_size(q->dev));
	VIRTIO_SET(q->enabled, false);
	q->resetting = false;
	q->desc = q->driver = q->device = 0;
	virtio_dev_queue_route(q, VIRTIO_MSI_NO_VECTOR);
}

void
virtio_dev_queue_route(struct virtio_dev_queue *q, uint16_t vector)
{
	VIRTIO_SET(q->vector, vector);
	VIRTIO_SET(q->pub.armed, vector != VIRTIO_MSI_NO_VECTOR ||
		   !rte_vfio_user_pci_msix_enabled(q->dev->pci));
}

/*
 * The client has this eventfd, too, and may have made it blocking and full: look
 * before the write. A full counter tells the owner already. (The client can
 * still do so between the two.)
 */
static void
kick_fd_signal(int fd)
{
	struct pollfd pfd = { .fd = fd, .events = POLLOUT };

	if (poll(&pfd, 1, 0) == 1)
		eventfd_write(fd, 1);
}

static void
notify_owner(struct virtio_dev_queue *q)
{
	const struct rte_virtio_dev *dev = q->dev;

	if (q->kick_fd >= 0 && !q->trapped)
		kick_fd_signal(q->kick_fd);
	else if (dev->ops.notify != NULL)
		dev->ops.notify(q->dev, q->index, dev->conf.priv);
}

int
virtio_dev_queue_enable(struct virtio_dev_queue *q)
{
	const struct rte_virtio_ring_conf conf = {
		.size = q->size,
		.features = q->dev->features,
		.desc = q->desc,
		.driver = q->driver,
		.device = q->device,
	};

	if (q->size > max_size(q->dev) || rte_virtio_ring_init(&q->ring, &conf) < 0) {
		VIRTIO_LOG_DRIVER("%s: queue %u refused: %u entries at 0x%" PRIx64 ", 0x%" PRIx64
				  ", 0x%" PRIx64, q->dev->name, q->index, q->size,
				  q->desc, q->driver, q->device);
		return -EINVAL;
	}
	VIRTIO_SET(q->enabled, true);
	return 0;
}

void
virtio_dev_queue_start(struct virtio_dev_queue *q)
{
	const struct rte_virtio_dev *dev = q->dev;

	if (dev->ops.queue_state != NULL)
		dev->ops.queue_state(q->dev, q->index, true, dev->conf.priv);
	/* MSI-X may have been switched since the vector was set, or left at none */
	virtio_dev_queue_route(q, q->vector);
	VIRTIO_SET(q->live, true);
	VIRTIO_SET(q->pub.epoch, q->pub.epoch + 1);
	__atomic_store_n(&q->pub.live, &q->ring, __ATOMIC_RELEASE);
	notify_owner(q); /* the driver may have filled it before */
}

static void
unpublish(struct virtio_dev_queue *q)
{
	VIRTIO_SET(q->live, false);
	__atomic_store_n(&q->pub.live, NULL, __ATOMIC_RELEASE);
	q->stop = UINT64_MAX; /* until the number is known */
}

static void
stopped(struct virtio_dev_queue *q)
{
	const struct rte_virtio_dev *dev = q->dev;

	q->stop = 0;
	if (dev->ops.queue_state != NULL)
		dev->ops.queue_state(q->dev, q->index, false, dev->conf.priv);
	if (q->resetting)
		virtio_dev_queue_clear(q);
}

void
virtio_dev_queues_synced(struct rte_virtio_dev *dev, uint64_t number)
{
	struct virtio_dev_queue *q;

	for (q = dev->queues; q < dev->queues + dev->conf.nb_queues; q++)
		if (q->stop != 0 && q->stop <= number)
			stopped(q);
}

/* Have those stop that were unpublished: the number to wait for, or 0. */
static uint64_t
sync_unpublished(struct rte_virtio_dev *dev)
{
	uint64_t number = rte_vfio_user_server_sync(dev->srv);
	struct virtio_dev_queue *q;

	if (number == 0)
		virtio_dev_queues_synced(dev, UINT64_MAX);
	else
		for (q = dev->queues; q < dev->queues + dev->conf.nb_queues; q++)
			if (q->stop == UINT64_MAX)
				q->stop = number;
	return number;
}

void
virtio_dev_queue_stop(struct virtio_dev_queue *q)
{
	if (!q->live)
		return;
	unpublish(q);
	sync_unpublished(q->dev);
}

uint64_t
virtio_dev_queues_stop(struct rte_virtio_dev *dev)
{
	struct virtio_dev_queue *q;
	bool waits = false;

	for (q = dev->queues; q < dev->queues + dev->conf.nb_queues; q++) {
		if (q->live)
			unpublish(q);
		waits = waits || q->stop != 0;
	}
	return waits ? sync_unpublished(dev) : 0;
}

uint16_t
virtio_dev_queue_doorbell(const struct virtio_dev_queue *q)
{
	if (!q->trapped)
		return q->index;
	return (uint16_t)(q->dev->notify_len / VIRTIO_DEV_NOTIFY_MULTIPLIER + q->index);
}

void
virtio_dev_queue_kick(struct rte_virtio_dev *dev, uint32_t index)
{
	struct virtio_dev_queue *q = &dev->queues[index];

	if (!q->live)
		return;
	VIRTIO_SET(q->kicks, q->kicks + 1);
	notify_owner(q);
}

void
virtio_dev_queues_notify(struct rte_virtio_dev *dev)
{
	struct virtio_dev_queue *q;

	for (q = dev->queues; q < dev->queues + dev->conf.nb_queues; q++)
		if (q->live)
			notify_owner(q);
}

/* ------------------------------------------------------------- data path */

static struct virtio_dev_queue *
queue_of(struct rte_virtio_queue *queue)
{
	return (struct virtio_dev_queue *)queue; /* pub is its first member */
}

void
rte_virtio_queue_broken(struct rte_virtio_queue *queue)
{
	struct virtio_dev_queue *q = queue_of(queue);

	VIRTIO_SET(q->broken, q->broken + 1);
	VIRTIO_LOG_DRIVER("%s: queue %u: the ring is broken: %s", q->dev->name, q->index,
			  strerror(-rte_virtio_ring_broken(&q->ring)));
	rte_virtio_dev_needs_reset(q->dev);
}

void
rte_virtio_queue_signal(struct rte_virtio_queue *queue)
{
	struct virtio_dev_queue *q = queue_of(queue);

	VIRTIO_SET(q->interrupts, q->interrupts + 1);
	virtio_dev_irq_queue(q->dev, VIRTIO_GET(q->vector));
}

/* --------------------------------------------------------------- getters */

struct rte_virtio_queue *
rte_virtio_dev_queue(struct rte_virtio_dev *dev, uint16_t index)
{
	if (dev == NULL || index >= dev->conf.nb_queues)
		return NULL;
	return &dev->queues[index].pub;
}

int
rte_virtio_queue_info_get(const struct rte_virtio_queue *queue,
			  struct rte_virtio_queue_info *info)
{
	const struct virtio_dev_queue *q = (const struct virtio_dev_queue *)queue;

	if (q == NULL || info == NULL)
		return virtio_misuse(__func__);
	info->index = q->index;
	info->size = VIRTIO_GET(q->size);
	info->vector = VIRTIO_GET(q->vector);
	info->enabled = VIRTIO_GET(q->enabled);
	info->live = VIRTIO_GET(q->live);
	info->kicks = VIRTIO_GET(q->kicks);
	info->interrupts = VIRTIO_GET(q->interrupts);
	info->broken = VIRTIO_GET(q->broken);
	return 0;
}

int
rte_virtio_queue_trap(struct rte_virtio_queue *queue, bool trap)
{
	struct virtio_dev_queue *q = (struct virtio_dev_queue *)queue;

	if (q == NULL)
		return virtio_misuse(__func__);
	if (q->enabled)
		return -EBUSY;
	q->trapped = trap && q->dev->trap_len != 0;
	return 0;
}

int
rte_virtio_queue_kick_fd(const struct rte_virtio_queue *queue)
{
	const struct virtio_dev_queue *q = (const struct virtio_dev_queue *)queue;

	if (q == NULL)
		return virtio_misuse(__func__);
	return q->kick_fd >= 0 ? q->kick_fd : -ENOENT;
}

const uint32_t *
rte_virtio_queue_doorbell(const struct rte_virtio_queue *queue)
{
	const struct virtio_dev_queue *q = (const struct virtio_dev_queue *)queue;

	if (q == NULL || q->dev->doorbells == NULL)
		return NULL;
	return (const uint32_t *)(uintptr_t)(q->dev->doorbells +
					     q->index * VIRTIO_DEV_NOTIFY_MULTIPLIER);
}

/* ------------------------------------------------------- create, destroy */

static int
queue_init(struct rte_virtio_dev *dev, struct virtio_dev_queue *q, uint16_t index)
{
	q->dev = dev;
	q->index = index;
	q->kick_fd = -1;
	q->pub.ring = &q->ring;
	virtio_dev_queue_clear(q);
	q->pub.reader = rte_vfio_user_server_dma_reader_create(dev->srv);
	if (q->pub.reader == NULL)
		return -rte_errno;
	if (dev->conf.flags & RTE_VIRTIO_DEV_F_NOTIFY_IOEVENTFD) {
		q->kick_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
		if (q->kick_fd < 0)
			return -errno;
	}
	return 0;
}

int
virtio_dev_queues_init(struct rte_virtio_dev *dev)
{
	size_t size = dev->conf.nb_queues * sizeof(*dev->queues);
	uint16_t i;
	int ret;

	dev->queues = aligned_alloc(RTE_CACHE_LINE_SIZE, size);
	if (dev->queues == NULL)
		return -ENOMEM;
	memset(dev->queues, 0, size);
	for (i = 0; i < dev->conf.nb_queues; i++)
		dev->queues[i].kick_fd = -1;
	for (i = 0; i < dev->conf.nb_queues; i++) {
		ret = queue_init(dev, &dev->queues[i], i);
		if (ret < 0)
			return ret; /* the caller undoes it */
	}
	return 0;
}

void
virtio_dev_queues_leave(struct rte_virtio_dev *dev)
{
	uint16_t i;

	for (i = 0; dev->queues != NULL && i < dev->conf.nb_queues; i++) {
		rte_vfio_user_server_dma_reader_destroy(dev->queues[i].pub.reader);
		dev->queues[i].pub.reader = NULL;
	}
}

void
virtio_dev_queues_fini(struct rte_virtio_dev *dev)
{
	uint16_t i;

	for (i = 0; dev->queues != NULL && i < dev->conf.nb_queues; i++)
		if (dev->queues[i].kick_fd >= 0)
			close(dev->queues[i].kick_fd);
	free(dev->queues);
}
