/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#ifndef VNIC_FILTER_H
#define VNIC_FILTER_H

/**
 * @file
 * What the device is asked to pass on: modes, addresses, VLANs
 *
 * The application's wishes are kept, and told to the device when it is set up
 * and when they change. All functions but the operations are called under the
 * lock of the port.
 */

#include <stdbool.h>
#include <stdint.h>

#include <rte_ether.h>

struct rte_eth_dev;
struct vnic_port;

/** Addresses besides the port's own, and multicast addresses of a list. */
#define VNIC_MAX_MACS 64u
#define VNIC_MAX_MC 128u

struct vnic_filter {
	bool promisc, allmulti;
	struct rte_ether_addr mac; /**< the port's own */
	struct rte_ether_addr macs[VNIC_MAX_MACS]; /**< others, zero: none; 0 is not used */
	struct rte_ether_addr mc[VNIC_MAX_MC];
	uint32_t nb_mc;
	uint64_t vlans[(RTE_ETHER_MAX_VLAN_ID + 1) / 64];
};

/** Tell a device that was reset all that is wanted. */
int vnic_filter_replay(struct vnic_port *port);

/* Operations of the port. */
int vnic_filter_promisc_on(struct rte_eth_dev *eth);
int vnic_filter_promisc_off(struct rte_eth_dev *eth);
int vnic_filter_allmulti_on(struct rte_eth_dev *eth);
int vnic_filter_allmulti_off(struct rte_eth_dev *eth);
int vnic_filter_mac_set(struct rte_eth_dev *eth, struct rte_ether_addr *mac);
int vnic_filter_mac_add(struct rte_eth_dev *eth, struct rte_ether_addr *mac, uint32_t index,
			uint32_t vmdq);
void vnic_filter_mac_remove(struct rte_eth_dev *eth, uint32_t index);
int vnic_filter_mc_list(struct rte_eth_dev *eth, struct rte_ether_addr *list, uint32_t nb);
int vnic_filter_vlan(struct rte_eth_dev *eth, uint16_t vlan, int on);
int vnic_filter_vlan_offload(struct rte_eth_dev *eth, int mask);

#endif /* VNIC_FILTER_H */
