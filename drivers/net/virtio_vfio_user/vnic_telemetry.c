/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

/* "/net_virtio_vfio_user/list", and "/net_virtio_vfio_user/info,PORT" of one port. */

#include <inttypes.h>
#include <stdio.h>

#include <virtio_net_dpdk.h>

#include "vnic.h"
#include "vnic_desc.h"
#include "vnic_telemetry.h"

/** Queues of a direction of which an answer tells: it has a limit of 16 KiB. */
#define MAX_QUEUES 32u

struct virtio_net_tel vnic_tel = VIRTIO_NET_TEL_INIT;

static int
handle_list(const char *cmd, const char *params, struct rte_tel_data *d)
{
	RTE_SET_USED(cmd);
	RTE_SET_USED(params);
	return virtio_net_tel_list(&vnic_tel, d);
}

static void
add_hex(struct rte_tel_data *d, const char *name, uint64_t value)
{
	char text[32];

	snprintf(text, sizeof(text), "0x%" PRIx64, value);
	rte_tel_data_add_dict_string(d, name, text);
}

static const char *
link_name(const struct vnic_port *port)
{
	switch (__atomic_load_n(&port->link, __ATOMIC_RELAXED)) {
	case VNIC_LINK_UP:
		return "connected";
	case VNIC_LINK_LOST:
		return "lost";
	default:
		return "gone";
	}
}

static void
add_state(struct rte_tel_data *d, const struct vnic_port *port)
{
	char mac[RTE_ETHER_ADDR_FMT_SIZE];

	rte_tel_data_add_dict_string(d, "name", port->name);
	rte_tel_data_add_dict_string(d, "path", port->conf.path);
	rte_tel_data_add_dict_string(d, "device", link_name(port));
	rte_ether_format_addr(mac, sizeof(mac), &port->filter.mac);
	rte_tel_data_add_dict_string(d, "mac", mac);
	add_hex(d, "offered", port->offered);
	add_hex(d, "features", port->features);
	virtio_net_tel_dict_uint(d, "started", port->started);
	virtio_net_tel_dict_uint(d, "up", port->up);
	virtio_net_tel_dict_uint(d, "vectors", port->pci.nb_vectors);
	virtio_net_tel_dict_uint(d, "max_mtu", port->max_mtu);
	virtio_net_tel_dict_uint(d, "max_pairs", port->max_pairs);
	virtio_net_tel_dict_uint(d, "pairs", port->nb_pairs);
	virtio_net_tel_dict_uint(d, "promiscuous", port->filter.promisc);
	virtio_net_tel_dict_uint(d, "allmulticast", port->filter.allmulti);
	virtio_net_tel_dict_uint(d, "losses", __atomic_load_n(&port->losses, __ATOMIC_RELAXED));
	virtio_net_tel_dict_uint(d, "restarts",
				 __atomic_load_n(&port->restarts, __ATOMIC_RELAXED));
}

static void
add_queue(struct rte_tel_data *d, const struct vnic_queue *q)
{
	const struct vnic_counters *count = &q->count;
	struct rte_tel_data *one = rte_tel_data_alloc();
	char name[16];

	if (one == NULL)
		return;
	rte_tel_data_start_dict(one);
	virtio_net_tel_dict_uint(one, "size", q->size);
	virtio_net_tel_dict_uint(one, "live", vnic_queue_is_live(q));
	virtio_net_tel_dict_uint(one, "packed", q->packed);
	virtio_net_tel_dict_uint(one, "used", vnic_desc_used(q));
	virtio_net_tel_dict_uint(one, "packets",
				 __atomic_load_n(&count->packets, __ATOMIC_RELAXED));
	virtio_net_tel_dict_uint(one, "bytes", __atomic_load_n(&count->bytes, __ATOMIC_RELAXED));
	virtio_net_tel_dict_uint(one, "errors",
				 __atomic_load_n(&count->errors, __ATOMIC_RELAXED));
	virtio_net_tel_dict_uint(one, "kicks", __atomic_load_n(&count->kicks, __ATOMIC_RELAXED));
	snprintf(name, sizeof(name), "%s_q%u", q->is_rx ? "rx" : "tx", q->queue_id);
	rte_tel_data_add_dict_container(d, name, one, 0);
}

static void
describe(struct rte_tel_data *d, struct rte_eth_dev *eth)
{
	struct vnic_port *port = eth->data->dev_private;
	uint16_t i;

	pthread_mutex_lock(&port->lock);
	add_state(d, port);
	/* the application sets queues up and releases them while the port is stopped */
	for (i = 0; port->started && i < MAX_QUEUES; i++) {
		if (vnic_rxq(eth, i) != NULL)
			add_queue(d, vnic_rxq(eth, i));
		if (vnic_txq(eth, i) != NULL)
			add_queue(d, vnic_txq(eth, i));
	}
	pthread_mutex_unlock(&port->lock);
}

static int
handle_info(const char *cmd, const char *params, struct rte_tel_data *d)
{
	RTE_SET_USED(cmd);
	return virtio_net_tel_info(&vnic_tel, params, d, describe);
}

RTE_INIT(vnic_telemetry_init)
{
	rte_telemetry_register_cmd("/net_virtio_vfio_user/list", handle_list,
				   "Ports of net_virtio_vfio_user. Takes no parameters");
	rte_telemetry_register_cmd("/net_virtio_vfio_user/info", handle_info,
				   "State of a port of net_virtio_vfio_user and of its queues. "
				   "Parameters: int port_id");
}
