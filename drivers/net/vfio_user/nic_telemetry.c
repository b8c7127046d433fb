/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

/* "/net_vfio_user/list", and "/net_vfio_user/info,PORT" of one port. */

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include <rte_telemetry.h>
#include <virtio_net_dpdk.h>

#include "nic.h"
#include "nic_telemetry.h"

/** Virtqueues of which an answer tells: it has a limit of 16 KiB. */
#define MAX_VQS 65u

static TAILQ_HEAD(, nic) nics = TAILQ_HEAD_INITIALIZER(nics);
/* the list; held while an answer is made, so that no port goes meanwhile */
static pthread_mutex_t nics_lock = PTHREAD_MUTEX_INITIALIZER;

void
nic_telemetry_add(struct nic *nic)
{
	pthread_mutex_lock(&nics_lock);
	TAILQ_INSERT_TAIL(&nics, nic, next);
	pthread_mutex_unlock(&nics_lock);
}

void
nic_telemetry_remove(struct nic *nic)
{
	pthread_mutex_lock(&nics_lock);
	TAILQ_REMOVE(&nics, nic, next);
	pthread_mutex_unlock(&nics_lock);
}

static int
handle_list(const char *cmd, const char *params, struct rte_tel_data *d)
{
	struct nic *nic;

	RTE_SET_USED(cmd);
	RTE_SET_USED(params);
	rte_tel_data_start_array(d, RTE_TEL_INT_VAL);
	pthread_mutex_lock(&nics_lock);
	TAILQ_FOREACH(nic, &nics, next)
		rte_tel_data_add_array_int(d, nic->eth->data->port_id);
	pthread_mutex_unlock(&nics_lock);
	return 0;
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
add_port(struct rte_tel_data *d, struct nic *nic)
{
	uint16_t i;

	rte_tel_data_start_dict(d);
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
	unsigned long port;
	struct nic *nic;
	char *end;

	RTE_SET_USED(cmd);
	if (params == NULL || !isdigit((unsigned char)*params))
		return -EINVAL;
	port = strtoul(params, &end, 10);
	if (*end != '\0')
		return -EINVAL;
	pthread_mutex_lock(&nics_lock);
	TAILQ_FOREACH(nic, &nics, next)
		if (nic->eth->data->port_id == port)
			break;
	if (nic != NULL)
		add_port(d, nic);
	pthread_mutex_unlock(&nics_lock);
	return nic != NULL ? 0 : -EINVAL;
}

RTE_INIT(nic_telemetry_init)
{
	rte_telemetry_register_cmd("/net_vfio_user/list", handle_list,
				   "Ports of net_vfio_user. Takes no parameters");
	rte_telemetry_register_cmd("/net_vfio_user/info", handle_info,
				   "State of a port of net_vfio_user and of its virtqueues. "
				   "Parameters: int port_id");
}
