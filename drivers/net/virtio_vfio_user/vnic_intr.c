/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#include <errno.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/uio.h>
#include <unistd.h>

#include <linux/virtio_pci.h>

#include <rte_alarm.h>
#include <rte_interrupts.h>

#include "vnic.h"
#include "vnic_intr.h"

/* ---------------------------------------------------------------- events */

static void
report(void *arg)
{
	struct vnic_port *port = arg;
	struct rte_eth_dev *eth;
	uint32_t events;

	if (__atomic_load_n(&port->events, __ATOMIC_ACQUIRE) == 0)
		return;
	eth = port->eth;
	/* the last look at the port: a callback may close it */
	events = __atomic_exchange_n(&port->events, 0, __ATOMIC_ACQ_REL);

	if ((events & VNIC_EVENT_LINK) != 0)
		rte_eth_dev_callback_process(eth, RTE_ETH_EVENT_INTR_LSC, NULL);
	if ((events & VNIC_EVENT_REMOVED) != 0)
		rte_eth_dev_callback_process(eth, RTE_ETH_EVENT_INTR_RMV, NULL);
}

void
vnic_intr_report(struct vnic_port *port, uint32_t events)
{
	const struct rte_eth_intr_conf *conf = &port->eth->data->dev_conf.intr_conf;

	if (!conf->lsc)
		events &= ~VNIC_EVENT_LINK;
	if (!conf->rmv)
		events &= ~VNIC_EVENT_REMOVED;
	if (events == 0)
		return;
	__atomic_fetch_or(&port->events, events, __ATOMIC_ACQ_REL);
	/* allocates from the heap of the C library */
	if (rte_eal_alarm_set(1, report, port) < 0)
		VNIC_LOG(ERR, "%s: an event cannot be reported", port->name);
}

/* --------------------------------------------------------------- eventfds */

void
vnic_intr_drain(struct vnic_port *port)
{
	uint64_t count;
	struct iovec iov = { .iov_base = &count, .iov_len = sizeof(count) };

	/* the device may have made it blocking */
	if (preadv2(port->config_fd, &iov, 1, -1, RWF_NOWAIT) < 0)
		return;
}

void
vnic_intr_wake(struct vnic_port *port)
{
	struct vnic_queue *q;
	uint16_t i;

	for (i = 0; i < port->eth->data->nb_rx_queues; i++) {
		q = vnic_rxq(port->eth, i);
		if (q != NULL && q->intr_fd >= 0)
			vnic_pci_signal(q->intr_fd);
	}
}

int
vnic_intr_init(struct vnic_port *port)
{
	port->config_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (port->config_fd < 0)
		return -errno;
	port->config_vector = VIRTIO_MSI_NO_VECTOR;
	port->eth->intr_handle = rte_intr_instance_alloc(RTE_INTR_INSTANCE_F_PRIVATE);
	if (port->eth->intr_handle == NULL)
		return -ENOMEM;
	rte_intr_type_set(port->eth->intr_handle, RTE_INTR_HANDLE_VDEV);
	/* the EAL's wait reads nothing: it could hang, the events are edges */
	rte_intr_efd_counter_size_set(port->eth->intr_handle, 0);
	return 0;
}

static void
drop_rx_fds(struct vnic_port *port)
{
	uint16_t i;

	for (i = 0; i < port->nb_rx_fds; i++)
		close(port->rx_fds[i]);
	free(port->rx_fds);
	port->rx_fds = NULL;
	port->nb_rx_fds = 0;
	if (port->eth->intr_handle != NULL) {
		rte_intr_vec_list_free(port->eth->intr_handle);
		rte_intr_nb_efd_set(port->eth->intr_handle, 0);
	}
}

void
vnic_intr_fini(struct vnic_port *port)
{
	rte_eal_alarm_cancel(report, port);
	/* orders what follows behind report(), for those who do not see the lock of EAL */
	__atomic_exchange_n(&port->events, 0, __ATOMIC_ACQ_REL);
	drop_rx_fds(port);
	rte_intr_instance_free(port->eth->intr_handle);
	port->eth->intr_handle = NULL;
	if (port->config_fd >= 0)
		close(port->config_fd);
	port->config_fd = -1;
}

static int
make_rx_fds(struct vnic_port *port, uint16_t nb)
{
	struct rte_intr_handle *handle = port->eth->intr_handle;
	uint16_t i;

	port->rx_fds = calloc(nb, sizeof(*port->rx_fds));
	if (port->rx_fds == NULL || rte_intr_vec_list_alloc(handle, NULL, nb) != 0)
		return -ENOMEM;
	for (i = 0; i < nb; i++) {
		port->rx_fds[i] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
		if (port->rx_fds[i] < 0)
			return -errno;
		port->nb_rx_fds++;
		if (rte_intr_vec_list_index_set(handle, i, RTE_INTR_VEC_RXTX_OFFSET + i) != 0 ||
		    rte_intr_efds_index_set(handle, i, port->rx_fds[i]) != 0)
			return -ENOSPC;
	}
	rte_intr_nb_efd_set(handle, nb);
	rte_intr_max_intr_set(handle, nb + 1);
	return 0;
}

int
vnic_intr_setup(struct vnic_port *port)
{
	const struct rte_eth_dev_data *data = port->eth->data;
	const uint16_t nb = data->dev_conf.intr_conf.rxq ? data->nb_rx_queues : 0;
	struct vnic_queue *q;
	uint16_t i;
	int ret = 0;

	if (nb != 0 && nb + 1 > port->pci.nb_vectors) {
		VNIC_LOG(ERR, "%s: %u Rx queues with interrupts, the device has %u vectors",
			 port->name, nb, port->pci.nb_vectors);
		return -ENOSPC;
	}
	/* kept as long as may be: applications wait for them */
	if (nb != port->nb_rx_fds) {
		drop_rx_fds(port);
		ret = nb == 0 ? 0 : make_rx_fds(port, nb);
		if (ret < 0)
			drop_rx_fds(port);
	}
	for (i = 0; i < data->nb_rx_queues && ret == 0; i++) {
		q = vnic_rxq(port->eth, i);
		if (q == NULL)
			continue; /* not set up: it is not used */
		q->intr_fd = nb == 0 ? -1 : port->rx_fds[i];
		q->vector = nb == 0 ? VIRTIO_MSI_NO_VECTOR : 1 + i;
	}
	port->config_vector = port->pci.nb_vectors == 0 ? VIRTIO_MSI_NO_VECTOR : 0;
	return ret;
}

int
vnic_intr_assign(struct vnic_port *port)
{
	int ret = 0;

	if (port->pci.nb_vectors == 0)
		return 0;
	ret = rte_vfio_user_client_irq_assign(port->pci.client, VFIO_PCI_MSIX_IRQ_INDEX, 0, 1,
					      &port->config_fd);
	if (ret == 0 && port->nb_rx_fds != 0)
		ret = rte_vfio_user_client_irq_assign(port->pci.client, VFIO_PCI_MSIX_IRQ_INDEX,
						      1, port->nb_rx_fds, port->rx_fds);
	return ret;
}

/* ----------------------------------------------------------- operations */

int
vnic_intr_enable(struct rte_eth_dev *eth, uint16_t queue)
{
	struct vnic_queue *q = eth->data->rx_queues[queue];

	if (q->intr_fd < 0)
		return -ENOTSUP;
	vnic_queue_intr(q, true);
	return 0;
}

int
vnic_intr_disable(struct rte_eth_dev *eth, uint16_t queue)
{
	struct vnic_queue *q = eth->data->rx_queues[queue];

	if (q->intr_fd < 0)
		return -ENOTSUP;
	vnic_queue_intr(q, false);
	return 0;
}
