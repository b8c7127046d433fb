/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#include <errno.h>
#include <string.h>

#include <linux/virtio_config.h>

#include <rte_cycles.h>

#include "vnic.h"
#include "vnic_intr.h"
#include "vnic_port.h"
#include "vnic_reconnect.h"
#include "vnic_thread.h"

/* Seconds between attempts to set up a device that is there. */
#define RETRY_S 1u

void
vnic_reconnect_state(struct rte_vfio_user_client *client,
		     enum rte_vfio_user_client_state state, int reason, void *priv)
{
	struct vnic_port *port = priv;

	RTE_SET_USED(client);
	switch (state) {
	case RTE_VFIO_USER_CLIENT_LOST:
		VNIC_LOG(NOTICE, "%s: the device has gone", port->name);
		__atomic_fetch_add(&port->losses, 1, __ATOMIC_ACQ_REL);
		__atomic_store_n(&port->link, VNIC_LINK_LOST, __ATOMIC_RELEASE);
		break;
	case RTE_VFIO_USER_CLIENT_RECONNECTED:
		VNIC_LOG(NOTICE, "%s: the device is back", port->name);
		__atomic_store_n(&port->link, VNIC_LINK_UP, __ATOMIC_RELEASE);
		break;
	case RTE_VFIO_USER_CLIENT_GAVE_UP:
		VNIC_LOG(ERR, "%s: the device does not come back: %s", port->name,
			 strerror(-reason));
		__atomic_store_n(&port->link, VNIC_LINK_GONE, __ATOMIC_RELEASE);
		break;
	}
	vnic_thread_kick();
}

/* Set the device up again as soon as may be. */
static void
bring_back(struct vnic_port *port)
{
	uint64_t now = rte_get_timer_cycles();
	int ret;

	ret = vnic_port_up(port, false);
	if (ret == 0) {
		port->retry_at = 0;
		VNIC_ADD(port->restarts, 1);
		VNIC_LOG(NOTICE, "%s: the device is set up again", port->name);
		vnic_intr_report(port, VNIC_EVENT_LINK);
		vnic_intr_wake(port);
		return;
	}
	port->retry_at = now + RETRY_S * rte_get_timer_hz();
	if (ret != -ENOTCONN)
		VNIC_LOG(ERR, "%s: the device cannot be set up again: %s; another attempt "
			 "follows", port->name, strerror(-ret));
}

/*
 * It has not the rings any more; the link is down until it has new ones. The queues
 * of a port that is not started are the application's, who may be changing them.
 */
static void
lost(struct vnic_port *port, uint64_t retry_at)
{
	if (port->started)
		vnic_port_halt(port);
	port->retry_at = retry_at;
	if (vnic_port_link_set(port))
		vnic_intr_report(port, VNIC_EVENT_LINK);
}

static bool
look(struct vnic_port *port)
{
	const uint32_t losses = __atomic_load_n(&port->losses, __ATOMIC_ACQUIRE);
	const uint32_t link = __atomic_load_n(&port->link, __ATOMIC_ACQUIRE);
	const uint64_t now = rte_get_timer_cycles();

	if (losses != port->losses_seen) {
		port->losses_seen = losses;
		lost(port, now);
	}
	if (link == VNIC_LINK_GONE && !port->gone) {
		port->gone = true;
		vnic_intr_report(port, VNIC_EVENT_REMOVED);
	}
	if (!port->started || port->up || link != VNIC_LINK_UP)
		return false;
	if (now >= port->retry_at)
		bring_back(port);
	return !port->up;
}

bool
vnic_reconnect_look(struct vnic_port *port)
{
	bool waits;

	pthread_mutex_lock(&port->lock);
	waits = look(port);
	pthread_mutex_unlock(&port->lock);
	return waits;
}

void
vnic_reconnect_config(struct vnic_port *port)
{
	uint8_t status;

	vnic_intr_drain(port);
	pthread_mutex_lock(&port->lock);
	if (!port->up || vnic_pci_status(&port->pci, &status) < 0)
		goto unlock;
	if ((status & VIRTIO_CONFIG_S_NEEDS_RESET) != 0) {
		VNIC_LOG(WARNING, "%s: the device needs a reset", port->name);
		/* not at once: it may want one each time */
		lost(port, rte_get_timer_cycles() + RETRY_S * rte_get_timer_hz());
	} else if (vnic_port_link_read(port) > 0) {
		vnic_intr_report(port, VNIC_EVENT_LINK);
	}
unlock:
	pthread_mutex_unlock(&port->lock);
}
