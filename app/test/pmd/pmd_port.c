/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_bus_vdev.h>

#include "pmd_port.h"
#include "pmd_telemetry.h"

static int
on_event(uint16_t id, enum rte_eth_event_type event, void *arg, void *ret)
{
	struct pmd_port *port = arg;

	RTE_SET_USED(id);
	RTE_SET_USED(ret);
	if (event == RTE_ETH_EVENT_INTR_LSC)
		COUNT(port->lsc);
	else if (event == RTE_ETH_EVENT_INTR_RMV)
		COUNT(port->rmv);
	else if (event == RTE_ETH_EVENT_QUEUE_STATE)
		COUNT(port->queue_state);
	else
		COUNT(port->mbox);
	return 0;
}

static const enum rte_eth_event_type events[] = {
	RTE_ETH_EVENT_INTR_LSC, RTE_ETH_EVENT_INTR_RMV, RTE_ETH_EVENT_QUEUE_STATE,
	RTE_ETH_EVENT_VF_MBOX,
};

static int
probe(struct pmd_port *port, const char *driver, const char *key, unsigned int i,
      const char *args)
{
	char all[512];
	size_t k;
	int ret;

	memset(port, 0, sizeof(*port));
	snprintf(port->name, sizeof(port->name), "%s%u", driver, i);
	snprintf(port->path, sizeof(port->path), "%s/%u", pmd_folder, i);
	snprintf(all, sizeof(all), "%s=%s%s", key, port->path, args);
	port->id = RTE_MAX_ETHPORTS;
	port->pool = pmd_pool;
	ret = rte_vdev_init(port->name, all);
	if (ret < 0)
		return ret;
	DO(rte_eth_dev_get_port_by_name(port->name, &port->id));
	for (k = 0; k < RTE_DIM(events); k++)
		DO(rte_eth_dev_callback_register(port->id, events[k], on_event, port));
	return TEST_SUCCESS;
}

int
port_probe(struct pmd_port *port, unsigned int i, const char *args)
{
	int ret = probe(port, "net_vfio_user", "iface", i, args);

	port->listens = true;
	return ret;
}

int
port_probe_driver(struct pmd_port *port, unsigned int i, const char *args)
{
	return probe(port, "net_virtio_vfio_user", "path", i, args);
}

int
port_start(struct pmd_port *port, uint16_t queues, const struct rte_eth_conf *conf)
{
	static const struct rte_eth_conf plain = { .intr_conf.lsc = 1 };
	uint16_t i;
	int ret;

	port->queues = queues;
	ret = rte_eth_dev_configure(port->id, queues, queues, conf != NULL ? conf : &plain);
	if (ret < 0)
		return ret;
	for (i = 0; i < queues; i++) {
		ret = rte_eth_rx_queue_setup(port->id, i, 0, SOCKET_ID_ANY, NULL, port->pool);
		if (ret < 0)
			return ret;
		ret = rte_eth_tx_queue_setup(port->id, i, 0, SOCKET_ID_ANY, NULL);
		if (ret < 0)
			return ret;
	}
	return rte_eth_dev_start(port->id);
}

int
port_up(struct pmd_port *port, const char *args, uint16_t queues)
{
	int ret = port_probe(port, 0, args);

	return ret == TEST_SUCCESS ? port_start(port, queues, NULL) : ret;
}

int
port_remove(struct pmd_port *port)
{
	size_t k;

	if (port->id == RTE_MAX_ETHPORTS || !rte_eth_dev_is_valid_port(port->id))
		return TEST_SUCCESS;
	for (k = 0; k < RTE_DIM(events); k++)
		rte_eth_dev_callback_unregister(port->id, events[k], on_event, port);
	rte_eth_dev_stop(port->id);
	DO(rte_vdev_uninit(port->name));
	port->id = RTE_MAX_ETHPORTS;
	TEST_ASSERT(!port->listens || access(port->path, F_OK) < 0, "the socket is still there");
	return TEST_SUCCESS;
}

uint64_t
port_xstat(const struct pmd_port *port, const char *name)
{
	uint64_t id, value;

	if (rte_eth_xstats_get_id_by_name(port->id, name, &id) < 0 ||
	    rte_eth_xstats_get_by_id(port->id, &id, &value, 1) != 1)
		return UINT64_MAX;
	return value;
}

uint64_t
port_features(const struct pmd_port *port)
{
	static const char key[] = "\"features\":\"";
	char what[64];
	const char *at;

	snprintf(what, sizeof(what), "/net_vfio_user/info,%u", port->id);
	if (pmd_ask(what) != TEST_SUCCESS)
		return 0;
	at = strstr(pmd_answer, key);
	return at == NULL ? 0 : strtoull(at + strlen(key), NULL, 0);
}

bool
port_link(const struct pmd_port *port)
{
	struct rte_eth_link link;

	return rte_eth_link_get_nowait(port->id, &link) == 0 &&
		link.link_status == RTE_ETH_LINK_UP;
}

int
port_wait_link(const struct pmd_port *port, bool up)
{
	uint32_t left;

	for (left = 10000; left > 0; left--) {
		if (port_link(port) == up)
			return 0;
		usleep(1000);
	}
	return -ETIMEDOUT;
}
