/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#ifndef VNIC_CONF_H
#define VNIC_CONF_H

/**
 * @file
 * Arguments of the virtual device
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/un.h>

#include <rte_ether.h>

/** Most queue pairs. */
#define VNIC_MAX_PAIRS 128u
/** Smallest and largest ring. */
#define VNIC_MIN_QUEUE_SIZE 64u
#define VNIC_MAX_QUEUE_SIZE 32768u
/** Largest argument in milliseconds: an hour. */
#define VNIC_MAX_MS 3600000u

/** What the arguments say. */
struct vnic_conf {
	char path[sizeof(((struct sockaddr_un *)NULL)->sun_path)];
	uint16_t queues; /**< most pairs to use */
	uint16_t queue_size; /**< largest ring; 0: the device's */
	struct rte_ether_addr mac; /**< of the port; zero: the device's */
	uint32_t connect_ms; /**< to wait for a device at probe */
	uint32_t reconnect_ms; /**< to look for a device that was lost; UINT32_MAX: for ever */
	uint32_t timeout_ms; /**< of one request */
	/* Features that are used if the device offers them. */
	bool packed_vq;
	bool in_order;
	bool mrg_rxbuf;
	bool indirect;
	bool event_idx;
	bool notify_data;
};

/** All arguments, for RTE_PMD_REGISTER_PARAM_STRING(). */
#define VNIC_CONF_HELP \
	"path=<path> queues=<1-128> queue_size=<64-32768> mac=<xx:xx:xx:xx:xx:xx> " \
	"packed_vq=<0|1> in_order=<0|1> mrg_rxbuf=<0|1> indirect=<0|1> event_idx=<0|1> " \
	"notify_data=<0|1> connect=<0-3600000 ms> reconnect=<0-3600000 ms|forever> " \
	"timeout=<1-3600000 ms>"

/**
 * Parse the arguments of a virtual device: 0 or -errno, with a message that names
 * the argument and what it accepts.
 */
int vnic_conf_parse(struct vnic_conf *conf, const char *name, const char *args);

#endif /* VNIC_CONF_H */
