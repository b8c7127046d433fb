/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#include <errno.h>
#include <string.h>

#include <linux/virtio_net.h>

#include <rte_byteorder.h>

#include "vnic.h"
#include "vnic_filter.h"
#include "vnic_port.h"

/* ------------------------------------------------------------- commands */

static int
tell_mode(struct vnic_port *port, uint8_t cmd, bool on)
{
	const uint8_t val = on;

	if (!VNIC_HAS(port->features, VIRTIO_NET_F_CTRL_RX))
		return on ? -ENOTSUP : 0;
	return vnic_ctrl_command(port, VIRTIO_NET_CTRL_RX, cmd, &val, sizeof(val));
}

static uint8_t *
add_mac(uint8_t *at, rte_le32_t *count, const struct rte_ether_addr *mac)
{
	memcpy(at, mac->addr_bytes, RTE_ETHER_ADDR_LEN);
	*count = rte_cpu_to_le_32(rte_le_to_cpu_32(*count) + 1);
	return at + RTE_ETHER_ADDR_LEN;
}

/* Both tables: unicast, then multicast addresses. */
static int
tell_macs(struct vnic_port *port)
{
	struct vnic_filter *filter = &port->filter;
	uint8_t data[VNIC_CTRL_MAX_DATA], *at, *start;
	rte_le32_t count;
	uint32_t pass, i;

	if (!VNIC_HAS(port->features, VIRTIO_NET_F_CTRL_RX))
		return 0;
	RTE_BUILD_BUG_ON(sizeof(data) < 2 * sizeof(count) +
			 (VNIC_MAX_MACS + VNIC_MAX_MC) * RTE_ETHER_ADDR_LEN);
	at = data;
	for (pass = 0; pass < 2; pass++) {
		start = at;
		at += sizeof(count);
		count = 0;
		for (i = 1; i < VNIC_MAX_MACS; i++)
			if (!rte_is_zero_ether_addr(&filter->macs[i]) &&
			    rte_is_multicast_ether_addr(&filter->macs[i]) == (int)pass)
				at = add_mac(at, &count, &filter->macs[i]);
		for (i = 0; pass == 1 && i < filter->nb_mc; i++)
			at = add_mac(at, &count, &filter->mc[i]);
		memcpy(start, &count, sizeof(count));
	}
	return vnic_ctrl_command(port, VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_TABLE_SET, data,
				 at - data);
}

static int
tell_mac(struct vnic_port *port)
{
	const uint8_t *mac = port->filter.mac.addr_bytes;
	int ret;

	if (rte_is_same_ether_addr(&port->filter.mac, &port->device_mac))
		return 0;
	if (VNIC_HAS(port->features, VIRTIO_NET_F_CTRL_MAC_ADDR))
		ret = vnic_ctrl_command(port, VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_ADDR_SET,
					mac, RTE_ETHER_ADDR_LEN);
	else if (!VNIC_HAS(port->features, VIRTIO_NET_F_MAC))
		ret = vnic_pci_config_write(&port->pci, 0, mac, RTE_ETHER_ADDR_LEN);
	else
		ret = -ENOTSUP;
	if (ret == 0)
		port->device_mac = port->filter.mac;
	return ret;
}

static int
tell_vlan(struct vnic_port *port, uint16_t vlan, bool on)
{
	const rte_le16_t val = rte_cpu_to_le_16(vlan);

	if (!VNIC_HAS(port->features, VIRTIO_NET_F_CTRL_VLAN))
		return -ENOTSUP;
	return vnic_ctrl_command(port, VIRTIO_NET_CTRL_VLAN,
				 on ? VIRTIO_NET_CTRL_VLAN_ADD : VIRTIO_NET_CTRL_VLAN_DEL, &val,
				 sizeof(val));
}

static bool
has_vlan(const struct vnic_filter *filter, uint16_t vlan)
{
	return (filter->vlans[vlan / 64] >> vlan % 64 & 1) != 0;
}

int
vnic_filter_replay(struct vnic_port *port)
{
	struct vnic_filter *filter = &port->filter;
	uint16_t vlan;
	int ret;

	ret = tell_mac(port);
	if (ret == -ENOTSUP) /* said when it was set */
		ret = 0;
	if (VNIC_HAS(port->features, VIRTIO_NET_F_CTRL_RX)) {
		if (ret == 0)
			ret = tell_mode(port, VIRTIO_NET_CTRL_RX_PROMISC, filter->promisc);
		if (ret == 0)
			ret = tell_mode(port, VIRTIO_NET_CTRL_RX_ALLMULTI, filter->allmulti);
		if (ret == 0)
			ret = tell_macs(port);
	}
	if (!VNIC_HAS(port->features, VIRTIO_NET_F_CTRL_VLAN))
		return ret;
	for (vlan = 0; vlan <= RTE_ETHER_MAX_VLAN_ID && ret == 0; vlan++)
		if (has_vlan(filter, vlan))
			ret = tell_vlan(port, vlan, true);
	return ret;
}

/* ----------------------------------------------------------- operations */

/* A wish is kept for a device that is not there, and else is what it answers. */
static int
told(const struct vnic_port *port, int ret)
{
	return port->up && ret != -ENOTCONN ? ret : 0;
}

/* Whether the device could do what goes over the control queue. */
static bool
can(const struct vnic_port *port, unsigned int bit)
{
	return VNIC_HAS(port->offered, VIRTIO_NET_F_CTRL_VQ) && VNIC_HAS(port->offered, bit);
}

static int
set_mode(struct rte_eth_dev *eth, uint8_t cmd, bool on)
{
	struct vnic_port *port = eth->data->dev_private;
	bool *mode = cmd == VIRTIO_NET_CTRL_RX_PROMISC ? &port->filter.promisc :
							  &port->filter.allmulti;
	int ret = 0;

	if (!can(port, VIRTIO_NET_F_CTRL_RX))
		return -ENOTSUP;
	pthread_mutex_lock(&port->lock);
	if (port->up && *mode != on)
		ret = told(port, tell_mode(port, cmd, on));
	if (ret == 0)
		*mode = on;
	pthread_mutex_unlock(&port->lock);
	return ret;
}

int
vnic_filter_promisc_on(struct rte_eth_dev *eth)
{
	return set_mode(eth, VIRTIO_NET_CTRL_RX_PROMISC, true);
}

int
vnic_filter_promisc_off(struct rte_eth_dev *eth)
{
	return set_mode(eth, VIRTIO_NET_CTRL_RX_PROMISC, false);
}

int
vnic_filter_allmulti_on(struct rte_eth_dev *eth)
{
	return set_mode(eth, VIRTIO_NET_CTRL_RX_ALLMULTI, true);
}

int
vnic_filter_allmulti_off(struct rte_eth_dev *eth)
{
	return set_mode(eth, VIRTIO_NET_CTRL_RX_ALLMULTI, false);
}

int
vnic_filter_mac_set(struct rte_eth_dev *eth, struct rte_ether_addr *mac)
{
	struct vnic_port *port = eth->data->dev_private;
	struct rte_ether_addr old;
	int ret = 0;

	pthread_mutex_lock(&port->lock);
	old = port->filter.mac;
	if (!rte_is_same_ether_addr(mac, &old) && VNIC_HAS(port->offered, VIRTIO_NET_F_MAC) &&
	    !can(port, VIRTIO_NET_F_CTRL_MAC_ADDR))
		ret = -ENOTSUP;
	if (ret == 0)
		port->filter.mac = *mac;
	if (ret == 0 && port->up)
		ret = told(port, tell_mac(port));
	if (ret < 0)
		port->filter.mac = old;
	pthread_mutex_unlock(&port->lock);
	return ret;
}

/* Replace one of the other addresses. */
static int
set_other(struct vnic_port *port, uint32_t index, const struct rte_ether_addr *mac)
{
	struct rte_ether_addr old;
	int ret = 0;

	if (!can(port, VIRTIO_NET_F_CTRL_RX))
		return -ENOTSUP;
	if (index >= VNIC_MAX_MACS)
		return -EINVAL;
	pthread_mutex_lock(&port->lock);
	old = port->filter.macs[index];
	port->filter.macs[index] = *mac;
	if (port->up && !rte_is_same_ether_addr(&old, mac))
		ret = told(port, tell_macs(port));
	if (ret < 0)
		port->filter.macs[index] = old;
	pthread_mutex_unlock(&port->lock);
	return ret;
}

int
vnic_filter_mac_add(struct rte_eth_dev *eth, struct rte_ether_addr *mac, uint32_t index,
		    uint32_t vmdq)
{
	RTE_SET_USED(vmdq);
	return set_other(eth->data->dev_private, index, mac);
}

void
vnic_filter_mac_remove(struct rte_eth_dev *eth, uint32_t index)
{
	const struct rte_ether_addr none = { 0 };

	set_other(eth->data->dev_private, index, &none);
}

int
vnic_filter_mc_list(struct rte_eth_dev *eth, struct rte_ether_addr *list, uint32_t nb)
{
	struct vnic_port *port = eth->data->dev_private;
	struct vnic_filter *filter = &port->filter;
	int ret = 0;

	if (!can(port, VIRTIO_NET_F_CTRL_RX))
		return -ENOTSUP;
	if (nb > VNIC_MAX_MC)
		return -ENOSPC;
	pthread_mutex_lock(&port->lock);
	memcpy(filter->mc, list, nb * sizeof(*list));
	filter->nb_mc = nb;
	if (port->up)
		ret = told(port, tell_macs(port));
	pthread_mutex_unlock(&port->lock);
	return ret;
}

int
vnic_filter_vlan(struct rte_eth_dev *eth, uint16_t vlan, int on)
{
	struct vnic_port *port = eth->data->dev_private;
	struct vnic_filter *filter = &port->filter;
	int ret = 0;

	if (vlan > RTE_ETHER_MAX_VLAN_ID)
		return -EINVAL;
	pthread_mutex_lock(&port->lock);
	if (port->up && has_vlan(filter, vlan) != (on != 0))
		ret = told(port, tell_vlan(port, vlan, on != 0));
	if (ret == 0 && on)
		filter->vlans[vlan / 64] |= UINT64_C(1) << vlan % 64;
	else if (ret == 0)
		filter->vlans[vlan / 64] &= ~(UINT64_C(1) << vlan % 64);
	pthread_mutex_unlock(&port->lock);
	return ret;
}

/*
 * The device filters if it was agreed that it does: it cannot be told to stop. Tags
 * are stripped here.
 */
int
vnic_filter_vlan_offload(struct rte_eth_dev *eth, int mask)
{
	struct vnic_port *port = eth->data->dev_private;
	const uint64_t offloads = eth->data->dev_conf.rxmode.offloads;
	const bool wanted = (offloads & RTE_ETH_RX_OFFLOAD_VLAN_FILTER) != 0;
	int ret = 0;

	if (!eth->data->dev_started)
		return 0;
	pthread_mutex_lock(&port->lock);
	if ((mask & RTE_ETH_VLAN_FILTER_MASK) != 0 &&
	    VNIC_HAS(port->features, VIRTIO_NET_F_CTRL_VLAN) != wanted)
		ret = -ENOTSUP;
	else if ((mask & RTE_ETH_VLAN_STRIP_MASK) != 0)
		vnic_port_vlan_strip(port);
	pthread_mutex_unlock(&port->lock);
	if (ret < 0)
		VNIC_LOG(ERR, "%s: VLAN filtering is agreed with the device when the port is "
			 "started: it cannot be switched %s before it is stopped", port->name,
			 wanted ? "on" : "off");
	return ret;
}
