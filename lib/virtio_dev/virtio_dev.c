/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#include <errno.h>
#include <string.h>

#include <rte_errno.h>

#include "rte_virtio_dev.h"
#include "virtio_log.h"

void
rte_virtio_dev_conf_init(struct rte_virtio_dev_conf *conf)
{
	memset(conf, 0, sizeof(*conf));
	conf->size = sizeof(*conf);
	conf->nb_queues = 1;
}

struct rte_virtio_dev *
rte_virtio_dev_create(const struct rte_virtio_dev_conf *conf,
		      const struct rte_virtio_dev_ops *ops)
{
	RTE_SET_USED(ops);
	VIRTIO_LOG(ERR, "%s: invalid argument", __func__);
	rte_errno = conf == NULL || conf->srv == NULL ? EINVAL : ENOTSUP;
	return NULL;
}

int
rte_virtio_dev_destroy(struct rte_virtio_dev *dev)
{
	RTE_SET_USED(dev);
	return 0;
}

uint64_t
rte_virtio_dev_features(const struct rte_virtio_dev *dev)
{
	RTE_SET_USED(dev);
	return 0;
}

int
rte_virtio_dev_config_set(struct rte_virtio_dev *dev, uint32_t offset,
			  const void *data, uint32_t len)
{
	RTE_SET_USED(dev);
	RTE_SET_USED(offset);
	RTE_SET_USED(data);
	RTE_SET_USED(len);
	return -EINVAL;
}

int
rte_virtio_dev_config_get(struct rte_virtio_dev *dev, uint32_t offset,
			  void *data, uint32_t len)
{
	RTE_SET_USED(dev);
	RTE_SET_USED(offset);
	RTE_SET_USED(data);
	RTE_SET_USED(len);
	return -EINVAL;
}

void
rte_virtio_dev_needs_reset(struct rte_virtio_dev *dev)
{
	RTE_SET_USED(dev);
}

struct rte_virtio_queue *
rte_virtio_dev_queue(struct rte_virtio_dev *dev, uint16_t index)
{
	RTE_SET_USED(dev);
	RTE_SET_USED(index);
	return NULL;
}

int
rte_virtio_queue_info_get(const struct rte_virtio_queue *queue,
			  struct rte_virtio_queue_info *info)
{
	RTE_SET_USED(queue);
	RTE_SET_USED(info);
	return -EINVAL;
}

int
rte_virtio_queue_kick_fd(const struct rte_virtio_queue *queue)
{
	RTE_SET_USED(queue);
	return -EINVAL;
}

const uint32_t *
rte_virtio_queue_doorbell(const struct rte_virtio_queue *queue)
{
	RTE_SET_USED(queue);
	return NULL;
}

struct rte_virtio_ring *
rte_virtio_queue_begin(struct rte_virtio_queue *queue)
{
	RTE_SET_USED(queue);
	return NULL;
}

void
rte_virtio_queue_end(struct rte_virtio_queue *queue)
{
	RTE_SET_USED(queue);
}

struct rte_vfio_user_dma_reader *
rte_virtio_queue_reader(const struct rte_virtio_queue *queue)
{
	RTE_SET_USED(queue);
	return NULL;
}

void
rte_virtio_queue_interrupt(struct rte_virtio_queue *queue)
{
	RTE_SET_USED(queue);
}

uint32_t
rte_virtio_queue_epoch(const struct rte_virtio_queue *queue)
{
	RTE_SET_USED(queue);
	return 0;
}
