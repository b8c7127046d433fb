/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#include "virtio_dev.h"

/*
 * Drivers access the common configuration with the width of each field, but for
 * the 64-bit addresses. Any other access works, too: a read takes the bytes it
 * covers from each field, a write of a part of a field changes these bytes and
 * leaves the others as they read.
 */

#define NO_QUEUE NULL

static struct virtio_dev_queue *
selected(const struct rte_virtio_dev *dev)
{
	return dev->queue_select < dev->conf.nb_queues ?
		&dev->queues[dev->queue_select] : NO_QUEUE;
}

/* A queue whose registers the driver may set. */
static struct virtio_dev_queue *
settable(const struct rte_virtio_dev *dev)
{
	struct virtio_dev_queue *q = selected(dev);

	return q != NULL && !q->enabled && q->stop == 0 ? q : NO_QUEUE;
}

/* -------------------------------------------------------------- features */

static uint32_t
half_of(uint64_t features, uint32_t select)
{
	return select > 1 ? 0 : (uint32_t)(features >> 32 * select);
}

static uint32_t
get_feature_select(struct rte_virtio_dev *dev)
{
	return dev->feature_select;
}

static void
set_feature_select(struct rte_virtio_dev *dev, uint32_t val)
{
	dev->feature_select = val;
}

static uint32_t
get_feature(struct rte_virtio_dev *dev)
{
	return half_of(dev->offered, dev->feature_select);
}

static uint32_t
get_driver_feature_select(struct rte_virtio_dev *dev)
{
	return dev->driver_feature_select;
}

static void
set_driver_feature_select(struct rte_virtio_dev *dev, uint32_t val)
{
	dev->driver_feature_select = val;
}

static uint32_t
get_driver_feature(struct rte_virtio_dev *dev)
{
	return half_of(dev->driver_features, dev->driver_feature_select);
}

/* One half of them: they are looked at as a whole with FEATURES_OK. */
static void
set_driver_feature(struct rte_virtio_dev *dev, uint32_t val)
{
	uint32_t shift = 32 * dev->driver_feature_select;

	if (dev->driver_feature_select > 1 || (dev->status & VIRTIO_CONFIG_S_FEATURES_OK) != 0)
		return;
	dev->driver_features &= ~((uint64_t)UINT32_MAX << shift);
	dev->driver_features |= (uint64_t)val << shift;
}

static bool
features_accepted(struct rte_virtio_dev *dev)
{
	uint64_t features = dev->driver_features;
	uint16_t i;

	if ((features & ~dev->offered) != 0 || !VIRTIO_HAS(features, VIRTIO_F_VERSION_1) ||
	    (dev->ops.features_ok != NULL &&
	     dev->ops.features_ok(dev, features, dev->conf.priv) < 0)) {
		VIRTIO_LOG_DRIVER("%s: features 0x%" PRIx64 " refused, offered: 0x%" PRIx64,
				  dev->name, features, dev->offered);
		return false;
	}
	VIRTIO_LOG(DEBUG, "%s: features 0x%" PRIx64, dev->name, features);
	VIRTIO_SET(dev->features, features);
	for (i = 0; i < dev->conf.nb_queues; i++)
		virtio_dev_queue_limit(&dev->queues[i]);
	return true;
}

/* ---------------------------------------------------------------- status */

static void
reset_finish(struct rte_virtio_dev *dev)
{
	uint16_t i;

	dev->resetting = false;
	__atomic_store_n(&dev->status, 0, __ATOMIC_SEQ_CST);
	VIRTIO_SET(dev->features, 0);
	dev->driver_features = 0;
	dev->feature_select = dev->driver_feature_select = 0;
	dev->queue_select = 0;
	VIRTIO_SET(dev->config_vector, VIRTIO_MSI_NO_VECTOR);
	__atomic_store_n(&dev->config_irq, false, __ATOMIC_SEQ_CST);
	__atomic_store_n(&dev->needs_reset, false, __ATOMIC_SEQ_CST);
	virtio_dev_isr_read(dev);
	virtio_dev_doorbells_clear(dev);
	for (i = 0; i < dev->conf.nb_queues; i++)
		virtio_dev_queue_clear(&dev->queues[i]);
	if (dev->ops.reset != NULL)
		dev->ops.reset(dev, dev->conf.priv);
}

void
virtio_dev_reset(struct rte_virtio_dev *dev)
{
	VIRTIO_LOG(DEBUG, "%s: reset", dev->name);
	dev->resetting = true;
	dev->reset_number = virtio_dev_queues_stop(dev);
	if (dev->reset_number == 0)
		reset_finish(dev);
}

void
virtio_dev_synced(struct rte_virtio_dev *dev, uint64_t number)
{
	virtio_dev_queues_synced(dev, number);
	if (dev->resetting && dev->reset_number <= number)
		reset_finish(dev);
}

static uint32_t
get_status(struct rte_virtio_dev *dev)
{
	return dev->status | (__atomic_load_n(&dev->needs_reset, __ATOMIC_SEQ_CST) ?
			      VIRTIO_CONFIG_S_NEEDS_RESET : 0);
}

static void
driver_ready(struct rte_virtio_dev *dev)
{
	uint16_t i;

	for (i = 0; i < dev->conf.nb_queues; i++)
		if (dev->queues[i].enabled)
			virtio_dev_queue_start(&dev->queues[i]);
	virtio_dev_irq_config_owed(dev);
}

/* Bits are only added: the driver takes all of them away at once, by a reset. */
static void
set_status(struct rte_virtio_dev *dev, uint32_t val)
{
	uint8_t added = val & ~dev->status & ~VIRTIO_CONFIG_S_NEEDS_RESET;

	if (val == 0) {
		virtio_dev_reset(dev);
		return;
	}
	if (dev->resetting)
		return;
	if ((added & VIRTIO_CONFIG_S_FEATURES_OK) != 0 && !features_accepted(dev))
		added &= ~VIRTIO_CONFIG_S_FEATURES_OK;
	if ((added & VIRTIO_CONFIG_S_DRIVER_OK) != 0 &&
	    ((dev->status | added) & VIRTIO_CONFIG_S_FEATURES_OK) == 0) {
		VIRTIO_LOG_DRIVER("%s: status 0x%x refused, it is 0x%x: no features",
				  dev->name, val, dev->status);
		added &= ~VIRTIO_CONFIG_S_DRIVER_OK;
	}
	__atomic_store_n(&dev->status, dev->status | added, __ATOMIC_SEQ_CST);
	if ((dev->status & VIRTIO_CONFIG_S_FAILED) != 0)
		virtio_dev_queues_stop(dev);
	else if ((added & VIRTIO_CONFIG_S_DRIVER_OK) != 0)
		driver_ready(dev);
}

/* ---------------------------------------------------------------- device */

static uint16_t
valid_vector(const struct rte_virtio_dev *dev, uint32_t val)
{
	return val < dev->conf.nb_vectors ? val : VIRTIO_MSI_NO_VECTOR;
}

static uint32_t
get_config_vector(struct rte_virtio_dev *dev)
{
	return dev->config_vector;
}

static void
set_config_vector(struct rte_virtio_dev *dev, uint32_t val)
{
	VIRTIO_SET(dev->config_vector, valid_vector(dev, val));
}

static uint32_t
get_nb_queues(struct rte_virtio_dev *dev)
{
	return dev->conf.nb_queues;
}

static uint32_t
get_generation(struct rte_virtio_dev *dev)
{
	return virtio_dev_config_generation(dev);
}

static uint32_t
get_queue_select(struct rte_virtio_dev *dev)
{
	return dev->queue_select;
}

static void
set_queue_select(struct rte_virtio_dev *dev, uint32_t val)
{
	dev->queue_select = val;
}

/* ---------------------------------------------------------------- queues */

static uint32_t
get_queue_size(struct rte_virtio_dev *dev)
{
	const struct virtio_dev_queue *q = selected(dev);

	return q == NULL ? 0 : q->size;
}

static void
set_queue_size(struct rte_virtio_dev *dev, uint32_t val)
{
	struct virtio_dev_queue *q = settable(dev);

	if (q != NULL)
		VIRTIO_SET(q->size, (uint16_t)val); /* looked at when it is enabled */
}

static uint32_t
get_queue_vector(struct rte_virtio_dev *dev)
{
	const struct virtio_dev_queue *q = selected(dev);

	return q == NULL ? VIRTIO_MSI_NO_VECTOR : q->vector;
}

static void
set_queue_vector(struct rte_virtio_dev *dev, uint32_t val)
{
	struct virtio_dev_queue *q = selected(dev);

	if (q != NULL)
		virtio_dev_queue_route(q, valid_vector(dev, val));
}

static uint32_t
get_queue_enable(struct rte_virtio_dev *dev)
{
	const struct virtio_dev_queue *q = selected(dev);

	return q != NULL && (q->enabled || q->stop != 0);
}

/*
 * No driver may write 0, but DPDK's does, before it frees the ring: the queue
 * has to stop then.
 */
static void
set_queue_enable(struct rte_virtio_dev *dev, uint32_t val)
{
	struct virtio_dev_queue *q = val == 1 ? settable(dev) : selected(dev);

	if (q == NULL)
		return;
	if (val != 1) {
		VIRTIO_SET(q->enabled, false);
		virtio_dev_queue_stop(q);
	} else if ((dev->status & VIRTIO_CONFIG_S_FEATURES_OK) == 0) {
		VIRTIO_LOG_DRIVER("%s: queue %u enabled before FEATURES_OK: ignored",
				  dev->name, q->index);
	} else if (virtio_dev_queue_enable(q) < 0) {
		rte_virtio_dev_needs_reset(dev);
	} else if ((dev->status & (VIRTIO_CONFIG_S_DRIVER_OK | VIRTIO_CONFIG_S_FAILED)) ==
		   VIRTIO_CONFIG_S_DRIVER_OK) {
		virtio_dev_queue_start(q);
	}
}

static uint32_t
get_queue_doorbell(struct rte_virtio_dev *dev)
{
	const struct virtio_dev_queue *q = selected(dev);

	return q == NULL ? 0 : virtio_dev_queue_doorbell(q);
}

/* The value that notifies the queue. */
static uint32_t
get_queue_index(struct rte_virtio_dev *dev)
{
	return selected(dev) == NULL ? 0 : dev->queue_select;
}

static uint32_t
get_queue_reset(struct rte_virtio_dev *dev)
{
	const struct virtio_dev_queue *q = selected(dev);

	return q != NULL && q->resetting;
}

static void
set_queue_reset(struct rte_virtio_dev *dev, uint32_t val)
{
	struct virtio_dev_queue *q = selected(dev);

	if (q == NULL || val != 1 || !VIRTIO_HAS(dev->features, VIRTIO_F_RING_RESET))
		return;
	q->resetting = true;
	VIRTIO_SET(q->enabled, false);
	virtio_dev_queue_stop(q);
	if (q->stop == 0)
		virtio_dev_queue_clear(q);
}

static void
set_half(uint64_t *addr, unsigned int half, uint32_t val)
{
	*addr &= ~((uint64_t)UINT32_MAX << 32 * half);
	*addr |= (uint64_t)val << 32 * half;
}

#define QUEUE_ADDRESS(area, half) \
static uint32_t \
get_queue_ ## area ## half(struct rte_virtio_dev *dev) \
{ \
	const struct virtio_dev_queue *q = selected(dev); \
	return q == NULL ? 0 : half_of(q->area, half); \
} \
static void \
set_queue_ ## area ## half(struct rte_virtio_dev *dev, uint32_t val) \
{ \
	struct virtio_dev_queue *q = settable(dev); \
	if (q != NULL) \
		set_half(&q->area, half, val); \
}

QUEUE_ADDRESS(desc, 0)
QUEUE_ADDRESS(desc, 1)
QUEUE_ADDRESS(driver, 0)
QUEUE_ADDRESS(driver, 1)
QUEUE_ADDRESS(device, 0)
QUEUE_ADDRESS(device, 1)

/* ---------------------------------------------------------------- access */

struct field {
	uint8_t offset;
	uint8_t size;
	uint32_t (*get)(struct rte_virtio_dev *dev);
	void (*set)(struct rte_virtio_dev *dev, uint32_t val); /* NULL: read-only */
};

/* In ascending order. What is not here reads as zero: the administration queues. */
static const struct field fields[] = {
	{ VIRTIO_PCI_COMMON_DFSELECT, 4, get_feature_select, set_feature_select },
	{ VIRTIO_PCI_COMMON_DF, 4, get_feature, NULL },
	{ VIRTIO_PCI_COMMON_GFSELECT, 4, get_driver_feature_select, set_driver_feature_select },
	{ VIRTIO_PCI_COMMON_GF, 4, get_driver_feature, set_driver_feature },
	{ VIRTIO_PCI_COMMON_MSIX, 2, get_config_vector, set_config_vector },
	{ VIRTIO_PCI_COMMON_NUMQ, 2, get_nb_queues, NULL },
	{ VIRTIO_PCI_COMMON_STATUS, 1, get_status, set_status },
	{ VIRTIO_PCI_COMMON_CFGGENERATION, 1, get_generation, NULL },
	{ VIRTIO_PCI_COMMON_Q_SELECT, 2, get_queue_select, set_queue_select },
	{ VIRTIO_PCI_COMMON_Q_SIZE, 2, get_queue_size, set_queue_size },
	{ VIRTIO_PCI_COMMON_Q_MSIX, 2, get_queue_vector, set_queue_vector },
	{ VIRTIO_PCI_COMMON_Q_ENABLE, 2, get_queue_enable, set_queue_enable },
	{ VIRTIO_PCI_COMMON_Q_NOFF, 2, get_queue_doorbell, NULL },
	{ VIRTIO_PCI_COMMON_Q_DESCLO, 4, get_queue_desc0, set_queue_desc0 },
	{ VIRTIO_PCI_COMMON_Q_DESCHI, 4, get_queue_desc1, set_queue_desc1 },
	{ VIRTIO_PCI_COMMON_Q_AVAILLO, 4, get_queue_driver0, set_queue_driver0 },
	{ VIRTIO_PCI_COMMON_Q_AVAILHI, 4, get_queue_driver1, set_queue_driver1 },
	{ VIRTIO_PCI_COMMON_Q_USEDLO, 4, get_queue_device0, set_queue_device0 },
	{ VIRTIO_PCI_COMMON_Q_USEDHI, 4, get_queue_device1, set_queue_device1 },
	{ VIRTIO_PCI_COMMON_Q_NDATA, 2, get_queue_index, NULL },
	{ VIRTIO_PCI_COMMON_Q_RESET, 2, get_queue_reset, set_queue_reset },
};

/* The bytes of a field that an access covers: false if there are none. */
static bool
covers(const struct field *f, uint32_t offset, uint32_t count, uint32_t *first, uint32_t *end)
{
	*first = RTE_MAX(offset, f->offset);
	*end = RTE_MIN(offset + count, (uint32_t)f->offset + f->size);
	return *first < *end;
}

void
virtio_dev_regs_read(struct rte_virtio_dev *dev, uint32_t offset, uint8_t *data, uint32_t count)
{
	uint32_t i, at, first, end, val;

	for (i = 0; i < RTE_DIM(fields); i++) {
		if (!covers(&fields[i], offset, count, &first, &end))
			continue;
		val = fields[i].get(dev);
		for (at = first; at < end; at++)
			data[at - offset] = val >> 8 * (at - fields[i].offset);
	}
}

void
virtio_dev_regs_write(struct rte_virtio_dev *dev, uint32_t offset, const uint8_t *data,
		      uint32_t count)
{
	uint32_t i, at, first, end, val, shift;

	for (i = 0; i < RTE_DIM(fields); i++) {
		/* until a reset is over, there is nothing but to reset again */
		if (fields[i].set == NULL || (dev->resetting && fields[i].set != set_status) ||
		    !covers(&fields[i], offset, count, &first, &end))
			continue;
		val = fields[i].get(dev);
		for (at = first; at < end; at++) {
			shift = 8 * (at - fields[i].offset);
			val &= ~(UINT32_C(0xff) << shift);
			val |= (uint32_t)data[at - offset] << shift;
		}
		fields[i].set(dev, val);
	}
}
