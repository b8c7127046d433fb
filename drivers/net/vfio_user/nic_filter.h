/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#ifndef NIC_FILTER_H
#define NIC_FILTER_H

/**
 * @file
 * Which packets the guest wants to receive: by destination address and VLAN
 *
 * The control thread changes a filter while queues use it. Each part is an atomic
 * variable of its own, so a packet that is on its way during a change is judged
 * by a mixture of old and new; no reader waits, and none finds half an address.
 *
 * As by QEMU's device, what is received in promiscuous mode is not judged at all.
 */

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include <rte_byteorder.h>
#include <rte_common.h>
#include <rte_ether.h>

/** Addresses of one kind; a driver that names more gets all of the kind. */
#define NIC_FILTER_ADDRS 64u

/** Modes, VIRTIO_NET_CTRL_RX_*, as bits. */
#define NIC_FILTER_MODE(cmd) (1u << (cmd))

/** Addresses as numbers, whose bytes are in the order of the wire. */
struct nic_filter_table {
	uint64_t addrs[NIC_FILTER_ADDRS];
	uint32_t nb; /**< UINT32_MAX: any */
};

/** A filter. */
struct nic_filter {
	uint32_t modes; /**< NIC_FILTER_MODE() */
	bool vlans_used; /**< CTRL_VLAN was negotiated */
	uint64_t mac; /**< of the guest */
	struct nic_filter_table uni, multi;
	uint64_t vlans[(RTE_ETHER_MAX_VLAN_ID + 1) / 64]; /**< one bit for each id */
};

/**
 * As after a reset of the device: everything is received, until the driver says
 * otherwise.
 */
void nic_filter_reset(struct nic_filter *filter);

/** Switch a mode. */
void nic_filter_mode_set(struct nic_filter *filter, uint8_t mode, bool on);

/** Set the guest's own address. */
void nic_filter_mac_set(struct nic_filter *filter, const struct rte_ether_addr *addr);

/** Replace a table; addrs has 6 bytes for each of nb addresses. */
void nic_filter_table_set(struct nic_filter_table *table, const uint8_t *addrs, uint32_t nb);

/** Let a VLAN pass, or not. */
void nic_filter_vlan_set(struct nic_filter *filter, uint16_t id, bool on);

/** Whether all packets pass. */
static inline bool
nic_filter_is_open(const struct nic_filter *filter)
{
	return (__atomic_load_n(&filter->modes, __ATOMIC_RELAXED) & 1) != 0;
}

/** Whether a packet passes that is not received in promiscuous mode. */
bool nic_filter_pass(const struct nic_filter *filter, const struct rte_ether_hdr *hdr,
		     uint32_t len);

#endif /* NIC_FILTER_H */
