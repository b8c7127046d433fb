/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#ifndef NIC_CONF_H
#define NIC_CONF_H

/**
 * @file
 * Arguments of the virtual device
 */

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/un.h>

#include <rte_ether.h>

/** Most queue pairs. */
#define NIC_MAX_PAIRS 128u

/** Smallest and largest MTU: of IPv4, and what fits in 16 bits with a header. */
#define NIC_MIN_MTU 68u
#define NIC_MAX_MTU 65535u

/** Longest moderation, microseconds. */
#define NIC_MAX_USECS 10000u

/** What the arguments say. */
struct nic_conf {
	char iface[sizeof(((struct sockaddr_un *)NULL)->sun_path)];
	struct rte_ether_addr mac;
	uint16_t queues; /**< pairs */
	uint16_t queue_size;
	uint16_t mtu; /**< 0: not offered */
	uint32_t speed; /**< Mbit/s */
	uint32_t rx_usecs, tx_usecs; /**< moderation until the driver sets its own */
	uint32_t sock_mode;
	int numa; /**< -1: any */
	bool packed;
	bool mergeable;
	bool in_order;
	bool indirect;
	bool event_idx;
	bool csum;
	bool tso;
	bool platform;
	bool msix;
	bool interrupt; /**< the device may sleep: guests kick by an eventfd */
};

/** All arguments, for RTE_PMD_REGISTER_PARAM_STRING(). */
#define NIC_CONF_HELP \
	"iface=<path> queues=<1-128> queue_size=<64-32768> mac=<xx:xx:xx:xx:xx:xx> " \
	"mtu=<68-65535> speed=<Mbit/s> packed=<0|1> mergeable=<0|1> in_order=<0|1> " \
	"indirect=<0|1> event_idx=<0|1> csum=<0|1> tso=<0|1> platform=<0|1> " \
	"msix=<0|1> " \
	"mode=<poll|interrupt> rx_usecs=<0-10000> tx_usecs=<0-10000> " \
	"sock_mode=<octal> numa=<node>"

/**
 * Parse the arguments of a virtual device: 0 or -errno, with a message that names
 * the argument and what it accepts.
 *
 * @param name
 *   Name of the device; it seeds the MAC address if none is given.
 */
int nic_conf_parse(struct nic_conf *conf, const char *name, const char *args);

#endif /* NIC_CONF_H */
