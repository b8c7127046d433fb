/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_errno.h>

#include "virtio_dev.h"

/* Feature bits of device types: 0 to 23 and 50 to 63 (2.2). */
#define TYPE_FEATURES (~((UINT64_C(1) << 50) - 1) | ((UINT64_C(1) << 24) - 1))

/* What rings and transport have; a device may leave out all but VERSION_1. */
#define TRANSPORT_FEATURES ( \
	UINT64_C(1) << VIRTIO_RING_F_INDIRECT_DESC | \
	UINT64_C(1) << VIRTIO_RING_F_EVENT_IDX | \
	UINT64_C(1) << VIRTIO_F_VERSION_1 | \
	UINT64_C(1) << VIRTIO_F_ACCESS_PLATFORM | \
	UINT64_C(1) << VIRTIO_F_RING_PACKED | \
	UINT64_C(1) << VIRTIO_F_IN_ORDER | \
	UINT64_C(1) << VIRTIO_F_ORDER_PLATFORM | \
	UINT64_C(1) << VIRTIO_F_NOTIFICATION_DATA | \
	UINT64_C(1) << VIRTIO_F_NOTIF_CONFIG_DATA | \
	UINT64_C(1) << VIRTIO_F_RING_RESET)

/** Those of which a device has one at most. */
#define NOTIFY_FLAGS (RTE_VIRTIO_DEV_F_NOTIFY_MMAP | RTE_VIRTIO_DEV_F_NOTIFY_IOEVENTFD)
#define CONF_FLAGS (NOTIFY_FLAGS | RTE_VIRTIO_DEV_F_NO_MSIX)
#define DEFAULT_QUEUE_SIZE 256
#define DEFAULT_CLASS 0xff0000 /* fits no defined class */

/* ------------------------------------------------------- create, destroy */

void
rte_virtio_dev_conf_init(struct rte_virtio_dev_conf *conf)
{
	if (conf == NULL) {
		virtio_misuse(__func__);
		return;
	}
	memset(conf, 0, sizeof(*conf));
	conf->size = sizeof(*conf);
	conf->nb_queues = 1;
}

static void
conf_complete(struct rte_virtio_dev_conf *conf)
{
	if (conf->subsystem_vendor_id == 0)
		conf->subsystem_vendor_id = VIRTIO_PCI_VENDOR;
	if (conf->subsystem_id == 0)
		conf->subsystem_id = VIRTIO_PCI_SUBSYSTEM_BASE + conf->device_type;
	if (conf->class_code == 0)
		conf->class_code = DEFAULT_CLASS;
	if (conf->queue_size == 0)
		conf->queue_size = DEFAULT_QUEUE_SIZE;
	if (conf->nb_vectors == 0 && (conf->flags & RTE_VIRTIO_DEV_F_NO_MSIX) == 0)
		conf->nb_vectors = conf->nb_queues + 1;
}

static bool
conf_is_valid(const struct rte_virtio_dev_conf *conf)
{
	return conf->srv != NULL &&
		conf->device_type != 0 && conf->device_type <= VIRTIO_MAX_DEVICE_TYPE &&
		conf->subsystem_id >= VIRTIO_PCI_SUBSYSTEM_BASE &&
		conf->class_code >> 24 == 0 &&
		conf->nb_queues != 0 && conf->nb_queues <= RTE_VIRTIO_DEV_MAX_QUEUES &&
		conf->queue_size <= RTE_VIRTIO_DEV_MAX_QUEUE_SIZE &&
		(conf->queue_size & (conf->queue_size - 1)) == 0 &&
		conf->nb_vectors <= RTE_VFIO_USER_MAX_VECTORS &&
		(conf->features & ~TYPE_FEATURES) == 0 &&
		!VIRTIO_HAS(conf->features_off, VIRTIO_F_VERSION_1) &&
		conf->config_size <= RTE_VIRTIO_DEV_MAX_CONFIG &&
		(conf->nb_vectors == 0) == ((conf->flags & RTE_VIRTIO_DEV_F_NO_MSIX) != 0) &&
		(conf->flags & ~CONF_FLAGS) == 0 && (conf->flags & NOTIFY_FLAGS) != NOTIFY_FLAGS;
}

/* Everything but the readers, which must go before the server. */
static void
dev_free(struct rte_virtio_dev *dev)
{
	virtio_dev_queues_fini(dev);
	virtio_dev_pci_fini(dev);
	pthread_mutex_destroy(&dev->intx_lock);
	pthread_mutex_destroy(&dev->config_lock);
	free(dev->config);
	free(dev);
}

/* A device with nothing but its own memory. */
static struct rte_virtio_dev *
dev_alloc(const struct rte_virtio_dev_conf *conf, const struct rte_virtio_dev_ops *ops)
{
	struct rte_virtio_dev *dev = calloc(1, sizeof(*dev));

	if (dev == NULL)
		return NULL;
	dev->conf = *conf;
	dev->srv = conf->srv;
	dev->doorbell_fd = -1;
	dev->offered = (TRANSPORT_FEATURES | conf->features) & ~conf->features_off;
	dev->config_vector = VIRTIO_MSI_NO_VECTOR;
	if (ops != NULL)
		dev->ops = *ops;
	if (conf->name == NULL)
		snprintf(dev->name, sizeof(dev->name), "virtio-%u", conf->device_type);
	else
		snprintf(dev->name, sizeof(dev->name), "%s", conf->name);
	dev->conf.name = dev->name;
	dev->config = calloc(1, RTE_MAX(conf->config_size, 1u));
	if (dev->config == NULL || pthread_mutex_init(&dev->config_lock, NULL) != 0)
		goto free_memory;
	if (pthread_mutex_init(&dev->intx_lock, NULL) != 0)
		goto destroy_lock;
	return dev;

destroy_lock:
	pthread_mutex_destroy(&dev->config_lock);
free_memory:
	free(dev->config);
	free(dev);
	return NULL;
}

struct rte_virtio_dev *
rte_virtio_dev_create(const struct rte_virtio_dev_conf *user, const struct rte_virtio_dev_ops *ops)
{
	struct rte_virtio_dev_conf conf;
	struct rte_virtio_dev *dev;
	int ret;

	if (user == NULL || user->size != sizeof(conf))
		goto misuse;
	conf = *user;
	conf_complete(&conf);
	if (!conf_is_valid(&conf))
		goto misuse;
	dev = dev_alloc(&conf, ops);
	if (dev == NULL) {
		rte_errno = ENOMEM;
		return NULL;
	}
	ret = virtio_dev_pci_init(dev);
	if (ret >= 0)
		ret = virtio_dev_queues_init(dev);
	if (ret >= 0)
		ret = virtio_dev_ioeventfds_add(dev);
	if (ret < 0) {
		VIRTIO_LOG(ERR, "%s: no device: %s", dev->name, strerror(-ret));
		virtio_dev_queues_leave(dev);
		dev_free(dev);
		rte_errno = -ret;
		return NULL;
	}
	return dev;

misuse:
	rte_errno = -virtio_misuse(__func__);
	return NULL;
}

int
rte_virtio_dev_destroy(struct rte_virtio_dev *dev)
{
	if (dev == NULL)
		return 0;
	if (dev->depth != 0) {
		VIRTIO_LOG(ERR, "%s: %s called from a callback", dev->name, __func__);
		return -EDEADLK;
	}
	/* now, while the queues have their readers; the client's end is no news then */
	dev->depth++;
	if (dev->status != 0)
		virtio_dev_reset(dev);
	dev->gone = true;
	dev->depth--;
	virtio_dev_queues_leave(dev);
	rte_vfio_user_server_destroy(dev->srv);
	dev_free(dev);
	return 0;
}

uint64_t
rte_virtio_dev_features(const struct rte_virtio_dev *dev)
{
	return dev == NULL ? 0 : VIRTIO_GET(dev->features);
}

/* --------------------------------------------------- device configuration */

static bool
config_holds(const struct rte_virtio_dev *dev, uint32_t offset, uint32_t len)
{
	return offset <= dev->conf.config_size && len <= dev->conf.config_size - offset;
}

void
virtio_dev_config_store(struct rte_virtio_dev *dev, uint32_t offset, const void *data,
			uint32_t len, bool tell)
{
	pthread_mutex_lock(&dev->config_lock);
	memcpy(dev->config + offset, data, len);
	dev->config_changed = dev->config_changed || tell;
	pthread_mutex_unlock(&dev->config_lock);
}

uint8_t
virtio_dev_config_generation(struct rte_virtio_dev *dev)
{
	pthread_mutex_lock(&dev->config_lock);
	if (dev->config_changed)
		dev->generation++;
	dev->config_changed = false;
	pthread_mutex_unlock(&dev->config_lock);
	return dev->generation;
}

int
rte_virtio_dev_config_set(struct rte_virtio_dev *dev, uint32_t offset, const void *data,
			  uint32_t len)
{
	if (dev == NULL || data == NULL || !config_holds(dev, offset, len))
		return virtio_misuse(__func__);
	virtio_dev_config_store(dev, offset, data, len, true);
	/* a driver that has not begun yet will read it anyway */
	if (__atomic_load_n(&dev->status, __ATOMIC_SEQ_CST) != 0)
		virtio_dev_irq_config(dev);
	return 0;
}

int
rte_virtio_dev_config_get(struct rte_virtio_dev *dev, uint32_t offset, void *data, uint32_t len)
{
	if (dev == NULL || data == NULL || !config_holds(dev, offset, len))
		return virtio_misuse(__func__);
	pthread_mutex_lock(&dev->config_lock);
	memcpy(data, dev->config + offset, len);
	pthread_mutex_unlock(&dev->config_lock);
	return 0;
}
