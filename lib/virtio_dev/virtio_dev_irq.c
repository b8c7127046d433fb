/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#include "virtio_dev.h"

/*
 * A driver that works with MSI-X gives vectors to what shall interrupt; one that
 * does not gets INTx, and the ISR register says what for. With MSI-X enabled and
 * no vector there is no interrupt.
 */

/* The line follows the ISR; the lock makes the look at it and the change one. */
static void
intx_update(struct rte_virtio_dev *dev)
{
	pthread_mutex_lock(&dev->intx_lock);
	rte_vfio_user_pci_intx_set(dev->pci,
			__atomic_load_n(&dev->isr, __ATOMIC_SEQ_CST) != 0 &&
			!rte_vfio_user_pci_msix_enabled(dev->pci));
	pthread_mutex_unlock(&dev->intx_lock);
}

static void
send(struct rte_virtio_dev *dev, uint16_t vector, uint8_t isr)
{
	if (vector != VIRTIO_MSI_NO_VECTOR) {
		rte_vfio_user_pci_irq_trigger(dev->pci, vector);
	} else if (!rte_vfio_user_pci_msix_enabled(dev->pci)) {
		__atomic_fetch_or(&dev->isr, isr, __ATOMIC_SEQ_CST);
		intx_update(dev);
	}
}

void
virtio_dev_irq_queue(struct rte_virtio_dev *dev, uint16_t vector)
{
	send(dev, vector, VIRTIO_ISR_QUEUE);
}

void
virtio_dev_irq_config_owed(struct rte_virtio_dev *dev)
{
	if ((__atomic_load_n(&dev->status, __ATOMIC_SEQ_CST) & VIRTIO_CONFIG_S_DRIVER_OK) == 0 ||
	    !__atomic_exchange_n(&dev->config_irq, false, __ATOMIC_SEQ_CST))
		return;
	/* 4.1.4.5.1: with MSI-X, too */
	__atomic_fetch_or(&dev->isr, VIRTIO_PCI_ISR_CONFIG, __ATOMIC_SEQ_CST);
	send(dev, VIRTIO_GET(dev->config_vector), VIRTIO_PCI_ISR_CONFIG);
}

void
virtio_dev_irq_config(struct rte_virtio_dev *dev)
{
	/* before the status is looked at: who sets DRIVER_OK looks in reverse order */
	__atomic_store_n(&dev->config_irq, true, __ATOMIC_SEQ_CST);
	virtio_dev_irq_config_owed(dev);
}

uint8_t
virtio_dev_isr_read(struct rte_virtio_dev *dev)
{
	uint8_t isr = __atomic_exchange_n(&dev->isr, 0, __ATOMIC_SEQ_CST);

	if (isr != 0)
		intx_update(dev);
	return isr;
}

void
virtio_dev_irq_changed(struct rte_virtio_dev *dev)
{
	struct virtio_dev_queue *q;

	for (q = dev->queues; q < dev->queues + dev->conf.nb_queues; q++)
		virtio_dev_queue_route(q, q->vector);
	intx_update(dev);
}

void
rte_virtio_dev_needs_reset(struct rte_virtio_dev *dev)
{
	if (dev == NULL || __atomic_exchange_n(&dev->needs_reset, true, __ATOMIC_SEQ_CST))
		return;
	virtio_dev_irq_config(dev);
}
