/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#ifndef PMD_PORT_H
#define PMD_PORT_H

/**
 * @file
 * Ports of both drivers, as an application has them
 */

#include <stdint.h>

#include <rte_ethdev.h>

#include "pmd_test.h"

/** A port, and the events that came. */
struct pmd_port {
	char name[32];
	char path[96]; /**< of its socket, which has its number */
	bool listens; /**< on it */
	uint16_t id;
	uint16_t queues; /**< pairs, once started */
	struct rte_mempool *pool; /**< of what it receives; after the probe: the common one */
	uint32_t lsc, rmv, queue_state, mbox; /**< events; atomic */
};

/**
 * Probe number i of net_vfio_user with these arguments ("" or ",KEY=VALUE..."); iface
 * is added.
 */
int port_probe(struct pmd_port *port, unsigned int i, const char *args);

/** The same of net_virtio_vfio_user; path is added. */
int port_probe_driver(struct pmd_port *port, unsigned int i, const char *args);

/** Configure, set up the queues and start it; conf may be NULL. */
int port_start(struct pmd_port *port, uint16_t queues, const struct rte_eth_conf *conf);

/** Both. */
int port_up(struct pmd_port *port, const char *args, uint16_t queues);

/** Stop it if it is started, and remove it: its socket is gone. */
int port_remove(struct pmd_port *port);

/** Value of an extended statistic, UINT64_MAX: there is none. */
uint64_t port_xstat(const struct pmd_port *port, const char *name);

/** Features that a driver has negotiated with net_vfio_user, as its telemetry says. */
uint64_t port_features(const struct pmd_port *port);

/** Whether the link is up. */
bool port_link(const struct pmd_port *port);

/** Wait until it is, or is not: 0 or -ETIMEDOUT. */
int port_wait_link(const struct pmd_port *port, bool up);

#endif /* PMD_PORT_H */
