/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#ifndef VNIC_H
#define VNIC_H

/**
 * @file
 * A port over a virtio network card that another process provides by vfio-user
 *
 * - vnic_ethdev.c: probing, and the operations of a port
 * - vnic_conf.c: arguments of the virtual device
 * - vnic_pci.c: the PCI transport of virtio; vnic_features.c: what is negotiated
 * - vnic_port.c: bringing a port up and down
 * - vnic_queue.c: virtqueues; vnic_ctrl.c: the control queue
 * - vnic_rx_*.c, vnic_tx*.c: the data path; vnic_offload.c: packet headers;
 *   vnic_desc.c: what is in rings
 * - vnic_filter.c: which packets the device is asked for; vnic_announce.c: the frame
 *   that tells a network where the port is
 * - vnic_intr.c: interrupts; vnic_reconnect.c: a device that goes and comes
 * - vnic_thread.c: the control thread; vnic_stats.c, vnic_telemetry.c: counters
 *
 * Threads. The application calls the operations of a port. The control thread of
 * the process (one for all ports) polls the clients, looks at configuration
 * changes, and brings ports up again. Both change a port under its lock, and may
 * wait for the device meanwhile, as long as the timeout of a request. The control
 * thread calls no function of the EAL that takes a lock of memory or hotplug: who
 * allocates memory holds it and waits for the device, which may be in the same
 * process. Events of a port are reported in the EAL's interrupt thread. Bursts
 * take no lock, see vnic_queue.h.
 *
 * Processes. The connection is the primary process'. Secondary ones see the
 * counters, which lie in shared memory, and no pointer to anything else.
 */

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include <ethdev_driver.h>
#include <rte_ether.h>

#include "vnic_conf.h"
#include "vnic_ctrl.h"
#include "vnic_filter.h"
#include "vnic_log.h"
#include "vnic_pci.h"
#include "vnic_queue.h"

/** Whether a set of features has a bit. */
#define VNIC_HAS(features, bit) (((features) >> (bit) & 1) != 0)
#define VNIC_BIT(bit) (UINT64_C(1) << (bit))

/** Largest MTU of a device that has none. */
#define VNIC_MAX_MTU 9702u

/** The connection to the device. */
enum vnic_link {
	VNIC_LINK_UP,
	VNIC_LINK_LOST, /**< it is looked for */
	VNIC_LINK_GONE, /**< it does not come back */
};

/** A port. */
struct vnic_port {
	struct rte_eth_dev *eth;
	const char *name;
	struct vnic_conf conf;
	pthread_mutex_t lock; /**< of what is below, if nothing else is said */
	struct vnic_pci pci;
	uint64_t offered; /**< by the device, at probe */
	uint64_t features; /**< of the last start */
	uint16_t max_pairs, max_queue_size, max_mtu;
	uint16_t nb_pairs; /**< that carry packets */
	struct rte_ether_addr device_mac;
	struct vnic_ctrl ctrl;
	struct vnic_filter filter;
	bool started; /**< by the application */
	bool up; /**< the device works */
	bool guarded; /**< against truncated memory */
	bool gone; /**< that it does not come back was reported */
	struct rte_eth_link link_state; /**< as the device says */
	uint64_t restarts; /**< times that the device was set up again */
	uint64_t retry_at; /**< TSC time to bring it up (again), 0: no */
	/* Written by the state callback of the client, any thread. */
	uint32_t link; /**< enum vnic_link */
	uint32_t losses; /**< times that the connection was lost */
	uint32_t events; /**< to be reported, VNIC_EVENT_*; atomic */
	uint32_t losses_seen; /**< by the control thread */
	/* Interrupts. */
	int config_fd; /**< eventfd of configuration changes */
	int *rx_fds; /**< eventfds of queues that the application sleeps on */
	uint16_t nb_rx_fds;
	uint16_t config_vector;
};

/** The queue of the device for a queue of ethdev, or NULL. */
static inline struct vnic_queue *
vnic_rxq(const struct rte_eth_dev *eth, uint16_t i)
{
	return i < eth->data->nb_rx_queues ? eth->data->rx_queues[i] : NULL;
}

static inline struct vnic_queue *
vnic_txq(const struct rte_eth_dev *eth, uint16_t i)
{
	return i < eth->data->nb_tx_queues ? eth->data->tx_queues[i] : NULL;
}

#endif /* VNIC_H */
