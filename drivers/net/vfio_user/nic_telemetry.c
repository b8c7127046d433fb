/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

/* "/net_vfio_user/list", and "/net_vfio_user/info,PORT" of one port. */

#include <inttypes.h>
#include <stdio.h>

#include <virtio_net_dpdk.h>

#include "nic.h"
#include "nic_telemetry.h"

/** Virtqueues of which an answer tells: it has a limit of 16 KiB. */
#define MAX_VQS 65u

struct virtio_net_tel nic_tel = VIRTIO_NET_TEL_INIT;

static int
handle_list(const char *cmd, const char *params, struct rte_tel_data *d)
{
	RTE_SET_USED(cmd);
	RTE_SET_USED(params);
	return virtio_net_tel_list(&nic_tel, d);
}

static void
add_vq(struct rte_tel_data *d, struct nic *nic, uint16_t index)
{
	struct rte_tel_data *vq = rte_tel_data_alloc();
	struct rte_virtio_queue_info info;
	char name[16];

	if (vq == NULL)
		return;
	if (rte_virtio_queue_info_get(rte_virtio_dev_queue(nic->dev, index), &info) < 0) {
		rte_tel_data_free(vq);
		return;
	}
	rte_tel_data_start_dict(vq);
	virtio_net_tel_dict_uint(vq, "size", info.size);
	virtio_net_tel_dict_uint(vq, "vector", info.vector);
	virtio_net_tel_dict_uint(vq, "live", info.live);
	virtio_net_tel_dict_uint(vq, "notifications", info.kicks);
	virtio_net_tel_dict_uint(vq, "interrupts", info.interrupts);
	virtio_net_tel_dict_uint(vq, "broken", info.broken);
	snprintf(name, sizeof(name), "vq%u", index);
	rte_tel_data_add_dict_container(d, name, vq, 0);
}

static void
add_state(struct rte_tel_data *d, struct nic *nic)
{
	char text[32], mac[RTE_ETHER_ADDR_FMT_SIZE];

	rte_tel_data_add_dict_string(d, "name", nic->name);
	rte_tel_data_add_dict_string(d, "iface", nic->conf.iface);
	rte_tel_data_add_dict_string(d, "mode", nic->conf.interrupt ? "interrupt" : "poll");
	rte_ether_format_addr(mac, sizeof(mac), &nic->mac_addr);
	rte_tel_data_add_dict_string(d, "mac", mac);
	snprintf(text, sizeof(text), "0x%" PRIx64, nic->features);
	rte_tel_data_add_dict_string(d, "features", text);
	snprintf(text, sizeof(text), "0x%" PRIx64, nic->guest_offloads);
	rte_tel_data_add_dict_string(d, "guest_offloads", text);
	virtio_net_tel_dict_uint(d, "pairs", nic->pairs);
	virtio_net_tel_dict_uint(d, "active_pairs", nic->active_pairs);
	virtio_net_tel_dict_uint(d, "rx_modes", NIC_GET(nic->filter.modes));
	virtio_net_tel_dict_uint(d, "resets", nic->resets);
	virtio_net_tel_dict_uint(d, "commands", NIC_GET(nic->commands));
	virtio_net_tel_dict_uint(d, "commands_refused", NIC_GET(nic->refused));
}

static void
describe(struct rte_tel_data *d, struct rte_eth_dev *eth)
{
	struct nic *nic = eth->data->dev_private;
	uint16_t i;

	/* the device goes under this lock, too */
	pthread_mutex_lock(&nic->lock);
	add_state(d, nic);
	for (i = 0; nic->dev != NULL && i < RTE_MIN(2u * nic->pairs + 1, MAX_VQS); i++)
		add_vq(d, nic, i);
	pthread_mutex_unlock(&nic->lock);
}

static int
handle_info(const char *cmd, const char *params, struct rte_tel_data *d)
{
	RTE_SET_USED(cmd);
	return virtio_net_tel_info(&nic_tel, params, d, describe);
}

RTE_INIT(nic_telemetry_init)
{
	rte_telemetry_register_cmd("/net_vfio_user/list", handle_list,
				   "Ports of net_vfio_user. Takes no parameters");
	rte_telemetry_register_cmd("/net_vfio_user/info", handle_info,
				   "State of a port of net_vfio_user and of its virtqueues. "
				   "Parameters: int port_id");
}
