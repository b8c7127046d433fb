/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#ifndef VIRTIO_NET_TELEMETRY_H
#define VIRTIO_NET_TELEMETRY_H

/**
 * @file
 * What the telemetry commands of both drivers have in common: a list of ports, and
 * one of them that is described
 */

#include <ctype.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include <ethdev_driver.h>
#include <rte_telemetry.h>

/** The ports of a driver, by their numbers. */
struct virtio_net_tel {
	pthread_mutex_t lock; /**< held while an answer is made: no port goes meanwhile */
	struct rte_eth_dev *ports[RTE_MAX_ETHPORTS];
};

#define VIRTIO_NET_TEL_INIT { .lock = PTHREAD_MUTEX_INITIALIZER }

/** Tell of a port from now on. */
static inline void
virtio_net_tel_add(struct virtio_net_tel *tel, struct rte_eth_dev *eth)
{
	pthread_mutex_lock(&tel->lock);
	tel->ports[eth->data->port_id] = eth;
	pthread_mutex_unlock(&tel->lock);
}

/** No answer refers to the port any more. One that was not added is ignored. */
static inline void
virtio_net_tel_remove(struct virtio_net_tel *tel, const struct rte_eth_dev *eth)
{
	pthread_mutex_lock(&tel->lock);
	tel->ports[eth->data->port_id] = NULL;
	pthread_mutex_unlock(&tel->lock);
}

/** Answer with the numbers of all ports. */
static inline int
virtio_net_tel_list(struct virtio_net_tel *tel, struct rte_tel_data *d)
{
	int i;

	rte_tel_data_start_array(d, RTE_TEL_INT_VAL);
	pthread_mutex_lock(&tel->lock);
	for (i = 0; i < RTE_MAX_ETHPORTS; i++)
		if (tel->ports[i] != NULL)
			rte_tel_data_add_array_int(d, i);
	pthread_mutex_unlock(&tel->lock);
	return 0;
}

/** Answer with what describe adds of the port whose number params are; or -EINVAL. */
static inline int
virtio_net_tel_info(struct virtio_net_tel *tel, const char *params, struct rte_tel_data *d,
		    void (*describe)(struct rte_tel_data *d, struct rte_eth_dev *eth))
{
	unsigned long port;
	int ret = -EINVAL;
	char *end;

	if (params == NULL || !isdigit((unsigned char)*params))
		return -EINVAL;
	port = strtoul(params, &end, 10);
	if (*end != '\0' || port >= RTE_MAX_ETHPORTS)
		return -EINVAL;
	pthread_mutex_lock(&tel->lock);
	if (tel->ports[port] != NULL) {
		rte_tel_data_start_dict(d);
		describe(d, tel->ports[port]);
		ret = 0;
	}
	pthread_mutex_unlock(&tel->lock);
	return ret;
}

#endif /* VIRTIO_NET_TELEMETRY_H */
