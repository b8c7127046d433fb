/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#include <errno.h>
#include <poll.h>
#include <sys/eventfd.h>

#include <rte_interrupts.h>

#include "nic_intr.h"

static int
handle_fill(struct nic *nic, struct rte_intr_handle *handle)
{
	const uint16_t nb = RTE_MIN(nic->eth->data->nb_rx_queues, nic->pairs);
	uint16_t i;
	int fd;

	if (rte_intr_type_set(handle, RTE_INTR_HANDLE_VDEV) < 0 ||
	    rte_intr_efd_counter_size_set(handle, sizeof(uint64_t)) < 0 ||
	    rte_intr_vec_list_alloc(handle, NULL, nb) != 0)
		return -ENOMEM;
	for (i = 0; i < nb; i++) {
		fd = rte_virtio_queue_kick_fd(rte_virtio_dev_queue(nic->dev, 2 * i + 1));
		if (rte_intr_vec_list_index_set(handle, i, RTE_INTR_VEC_RXTX_OFFSET + i) < 0 ||
		    rte_intr_efds_index_set(handle, i, fd) < 0)
			return -ENOMEM;
	}
	rte_intr_nb_efd_set(handle, nb);
	rte_intr_max_intr_set(handle, nb + 1);
	return 0;
}

int
nic_intr_start(struct nic *nic)
{
	if (nic->eth->data->dev_conf.intr_conf.rxq == 0)
		return 0;
	if (!nic->conf.interrupt) {
		NIC_LOG(ERR, "%s: receive interrupts need mode=interrupt: in mode=poll guests"
			" do not wake the application", nic->name);
		return -ENOTSUP;
	}
	if (nic->eth->intr_handle == NULL)
		nic->eth->intr_handle = rte_intr_instance_alloc(RTE_INTR_INSTANCE_F_PRIVATE);
	if (nic->eth->intr_handle == NULL)
		return -ENOMEM;
	return handle_fill(nic, nic->eth->intr_handle);
}

void
nic_intr_stop(struct nic *nic)
{
	struct rte_intr_handle *handle = nic->eth->intr_handle;

	if (handle == NULL)
		return;
	/* EAL would take the next eventfds for ones that are watched already */
	rte_intr_free_epoll_fd(handle);
	rte_intr_vec_list_free(handle);
	rte_intr_nb_efd_set(handle, 0);
}

void
nic_intr_fini(struct nic *nic)
{
	nic_intr_stop(nic);
	rte_intr_instance_free(nic->eth->intr_handle);
	nic->eth->intr_handle = NULL;
}

/* As a notification of the guest. Clients have the eventfd, and may have filled it. */
static void
wake(struct rte_virtio_queue *vq)
{
	struct pollfd pfd = { .fd = rte_virtio_queue_kick_fd(vq), .events = POLLOUT };

	if (poll(&pfd, 1, 0) == 1)
		eventfd_write(pfd.fd, 1);
}

/*
 * The thread of the queue calls these: it is not inside a burst. A queue that is
 * not live yet signals its eventfd when it becomes live.
 */
static int
sleeps_set(struct rte_eth_dev *eth, uint16_t queue, bool sleeps)
{
	struct nic *nic = eth->data->dev_private;
	struct nic_rx_queue *q = nic->rx[queue];
	struct rte_virtio_queue *vq = __atomic_load_n(&q->vq, __ATOMIC_ACQUIRE);
	struct rte_virtio_ring *ring;
	bool waiting = false;

	if (!nic->conf.interrupt)
		return -ENOTSUP;
	NIC_SET(q->sleeps, sleeps);
	ring = vq != NULL ? rte_virtio_queue_begin(vq) : NULL;
	if (ring == NULL)
		return 0;
	if (sleeps)
		waiting = rte_virtio_ring_notify_enable(ring);
	else
		rte_virtio_ring_notify_disable(ring);
	rte_virtio_queue_end(vq);
	if (waiting)
		wake(vq);
	return 0;
}

int
nic_rx_intr_enable(struct rte_eth_dev *eth, uint16_t queue)
{
	return sleeps_set(eth, queue, true);
}

int
nic_rx_intr_disable(struct rte_eth_dev *eth, uint16_t queue)
{
	return sleeps_set(eth, queue, false);
}
