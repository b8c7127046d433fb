/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#include <linux/virtio_net.h>

#include "nic_filter.h"

#define GET(var) __atomic_load_n(&(var), __ATOMIC_RELAXED)
#define SET(var, val) __atomic_store_n(&(var), val, __ATOMIC_RELAXED)

static uint64_t
addr_number(const void *addr)
{
	uint64_t number = 0;

	memcpy(&number, addr, RTE_ETHER_ADDR_LEN);
	return number;
}

void
nic_filter_reset(struct nic_filter *filter)
{
	uint32_t i;

	SET(filter->modes, NIC_FILTER_MODE(VIRTIO_NET_CTRL_RX_PROMISC));
	SET(filter->vlans_used, false);
	SET(filter->uni.nb, 0);
	SET(filter->multi.nb, 0);
	for (i = 0; i < RTE_DIM(filter->vlans); i++)
		SET(filter->vlans[i], 0);
}

void
nic_filter_mode_set(struct nic_filter *filter, uint8_t mode, bool on)
{
	uint32_t modes = filter->modes & ~NIC_FILTER_MODE(mode);

	SET(filter->modes, on ? modes | NIC_FILTER_MODE(mode) : modes);
}

void
nic_filter_mac_set(struct nic_filter *filter, const struct rte_ether_addr *addr)
{
	SET(filter->mac, addr_number(addr));
}

void
nic_filter_table_set(struct nic_filter_table *table, const uint8_t *addrs, uint32_t nb)
{
	uint32_t i;

	if (nb > NIC_FILTER_ADDRS) {
		SET(table->nb, UINT32_MAX);
		return;
	}
	for (i = 0; i < nb; i++)
		SET(table->addrs[i], addr_number(addrs + i * RTE_ETHER_ADDR_LEN));
	SET(table->nb, nb);
}

void
nic_filter_vlan_set(struct nic_filter *filter, uint16_t id, bool on)
{
	const uint64_t bit = RTE_BIT64(id % 64);
	uint64_t *word = &filter->vlans[id / 64];

	SET(*word, on ? *word | bit : *word & ~bit);
}

static bool
table_has(const struct nic_filter_table *table, uint64_t addr)
{
	const uint32_t nb = GET(table->nb);
	uint32_t i;

	if (nb > NIC_FILTER_ADDRS)
		return true;
	for (i = 0; i < nb; i++)
		if (GET(table->addrs[i]) == addr)
			return true;
	return false;
}

static bool
vlan_passes(const struct nic_filter *filter, const struct rte_ether_hdr *hdr, uint32_t len)
{
	const struct rte_vlan_hdr *vlan = (const struct rte_vlan_hdr *)(hdr + 1);
	uint16_t id;

	if (!GET(filter->vlans_used) || hdr->ether_type != RTE_BE16(RTE_ETHER_TYPE_VLAN))
		return true;
	if (len < sizeof(*hdr) + sizeof(*vlan))
		return false;
	id = rte_be_to_cpu_16(vlan->vlan_tci) & RTE_ETHER_MAX_VLAN_ID;
	return (GET(filter->vlans[id / 64]) >> id % 64 & 1) != 0;
}

bool
nic_filter_pass(const struct nic_filter *filter, const struct rte_ether_hdr *hdr, uint32_t len)
{
	const uint32_t modes = GET(filter->modes);
	uint64_t addr;

#define HAS(mode) ((modes & NIC_FILTER_MODE(VIRTIO_NET_CTRL_RX_ ## mode)) != 0)
	if (HAS(PROMISC))
		return true;
	if (len < sizeof(*hdr) || !vlan_passes(filter, hdr, len))
		return false;
	addr = addr_number(&hdr->dst_addr);
	if (rte_is_broadcast_ether_addr(&hdr->dst_addr))
		return !HAS(NOBCAST);
	if (rte_is_multicast_ether_addr(&hdr->dst_addr))
		return !HAS(NOMULTI) && (HAS(ALLMULTI) || table_has(&filter->multi, addr));
	return !HAS(NOUNI) && (HAS(ALLUNI) || addr == GET(filter->mac) ||
			       table_has(&filter->uni, addr));
#undef HAS
}
