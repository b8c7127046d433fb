/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

/* Virtio devices that are created while calls fail. */

#include <errno.h>

#include <linux/virtio_ids.h>

#include <rte_common.h>
#include <rte_errno.h>
#include <rte_virtio_dev.h>

#include "test.h"
#include "test_fault.h"
#include "test_vfio_user_fault.h"

static struct rte_vfio_user_server *srv;
static struct rte_virtio_dev *virtio;

static void
clean(struct fault_dev *dev)
{
	RTE_SET_USED(dev);
	if (virtio != NULL)
		rte_virtio_dev_destroy(virtio);
	else
		rte_vfio_user_server_destroy(srv);
	virtio = NULL;
	srv = NULL;
}

static int
server(struct fault_dev *dev)
{
	struct rte_vfio_user_server_conf conf;

	rte_vfio_user_server_conf_init(&conf);
	conf.sock_path = dev->path;
	srv = rte_vfio_user_server_create(&conf);
	return srv == NULL ? -rte_errno : 0;
}

static int
create(uint32_t flags)
{
	struct rte_virtio_dev_conf conf;

	rte_virtio_dev_conf_init(&conf);
	conf.srv = srv;
	conf.device_type = VIRTIO_ID_RNG;
	conf.nb_queues = 3;
	conf.config_size = 16;
	conf.flags = flags;
	virtio = rte_virtio_dev_create(&conf, NULL);
	return virtio == NULL ? -rte_errno : 0;
}

/* What is left after a failure can be destroyed, and then it works. */
static int
check(struct fault_dev *dev)
{
	clean(dev);
	TRY(server(dev));
	TRY(create(0));
	return rte_vfio_user_server_start(srv);
}

static int
prepare(struct fault_dev *dev)
{
	dev->check = check;
	dev->clean = clean;
	return server(dev);
}

static int
with_eventfds(struct fault_dev *dev)
{
	RTE_SET_USED(dev);
	return create(RTE_VIRTIO_DEV_F_NOTIFY_IOEVENTFD);
}

static int
with_doorbells(struct fault_dev *dev)
{
	RTE_SET_USED(dev);
	return create(RTE_VIRTIO_DEV_F_NOTIFY_MMAP);
}

const struct fault_scenario fault_virtio_scenarios[] = {
	{ "virtio device with eventfds", FAULT_CALLER, prepare, with_eventfds, false },
	{ "virtio device with doorbells", FAULT_CALLER, prepare, with_doorbells, false },
	{ NULL, 0, NULL, NULL, false }
};
