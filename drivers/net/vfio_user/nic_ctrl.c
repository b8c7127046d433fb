/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#include <errno.h>
#include <string.h>

#include <rte_byteorder.h>
#include <virtio_net_compat.h>

#include "nic.h"
#include "nic_ctrl.h"
#include "nic_moderation.h"

/** Segments of one command: a table of addresses may lie in many. */
#define SEGS 128

/** Commands at a time; no ring has more. */
#define BUDGET RTE_VIRTIO_DEV_MAX_QUEUE_SIZE

/** A command: its data, and room for a result behind the acknowledgement. */
struct command {
	struct nic *nic;
	const struct rte_virtio_chain *chain;
	uint32_t len; /**< bytes of data */
	uint8_t code;
	uint32_t result_len;
	uint8_t result[8];
};

/* Data from an offset on: 0, or -EINVAL if there is less. */
static int
data_get(const struct command *cmd, uint64_t offset, void *to, uint32_t len)
{
	const uint32_t head = sizeof(struct virtio_net_ctrl_hdr);

	if (offset > cmd->len || len > cmd->len - offset)
		return -EINVAL;
	rte_virtio_chain_read(cmd->chain, head + (uint32_t)offset, to, len);
	return 0;
}

static int
data_le16(const struct command *cmd, uint64_t offset, uint16_t *value)
{
	uint16_t le;
	int ret = data_get(cmd, offset, &le, sizeof(le));

	if (ret == 0)
		*value = rte_le_to_cpu_16(le);
	return ret;
}

static int
data_le32(const struct command *cmd, uint64_t offset, uint32_t *value)
{
	uint32_t le;
	int ret = data_get(cmd, offset, &le, sizeof(le));

	if (ret == 0)
		*value = rte_le_to_cpu_32(le);
	return ret;
}

/* ----------------------------------------------------------------- filters */

static int
rx_mode(struct command *cmd)
{
	uint8_t on;
	int ret = data_get(cmd, 0, &on, sizeof(on));

	if (ret == 0)
		nic_filter_mode_set(&cmd->nic->filter, cmd->code, on != 0);
	return ret;
}

/** A list of addresses, as it was read. */
struct mac_list {
	uint32_t nb;
	uint8_t addrs[NIC_FILTER_ADDRS * RTE_ETHER_ADDR_LEN]; /**< unless they are more */
};

/* The list at an offset, which is set to its end: 0 or -EINVAL. */
static int
mac_list_get(const struct command *cmd, uint64_t *offset, struct mac_list *list)
{
	uint64_t len;

	if (data_le32(cmd, *offset, &list->nb) < 0)
		return -EINVAL;
	*offset += sizeof(list->nb);
	len = (uint64_t)list->nb * RTE_ETHER_ADDR_LEN;
	if (len > cmd->len - *offset)
		return -EINVAL;
	if (list->nb <= NIC_FILTER_ADDRS)
		data_get(cmd, *offset, list->addrs, (uint32_t)len);
	*offset += len;
	return 0;
}

/* Both tables, or none. */
static int
mac_tables(struct command *cmd)
{
	struct nic_filter *filter = &cmd->nic->filter;
	struct mac_list uni, multi;
	uint64_t offset = 0;

	if (mac_list_get(cmd, &offset, &uni) < 0 || mac_list_get(cmd, &offset, &multi) < 0)
		return -EINVAL;
	nic_filter_table_set(&filter->uni, uni.addrs, uni.nb);
	nic_filter_table_set(&filter->multi, multi.addrs, multi.nb);
	return 0;
}

static int
mac_address(struct command *cmd)
{
	struct rte_ether_addr addr;
	int ret = data_get(cmd, 0, &addr, sizeof(addr));

	if (ret < 0)
		return ret;
	if (!rte_is_valid_assigned_ether_addr(&addr))
		return -EINVAL;
	nic_device_mac_set(cmd->nic, &addr);
	/* ethdev has no event for a new address: this one tells of a guest's wish */
	rte_eth_dev_callback_process(cmd->nic->eth, RTE_ETH_EVENT_VF_MBOX, NULL);
	return 0;
}

static int
vlan(struct command *cmd)
{
	uint16_t id;
	int ret = data_le16(cmd, 0, &id);

	if (ret < 0)
		return ret;
	if (id > RTE_ETHER_MAX_VLAN_ID)
		return -EINVAL;
	nic_filter_vlan_set(&cmd->nic->filter, id, cmd->code == VIRTIO_NET_CTRL_VLAN_ADD);
	return 0;
}

/* ------------------------------------------------------------------- others */

static int
announce(struct command *cmd)
{
	nic_device_announced(cmd->nic);
	return 0;
}

static int
queue_pairs(struct command *cmd)
{
	struct nic *nic = cmd->nic;
	uint16_t pairs;
	int ret = data_le16(cmd, 0, &pairs);

	if (ret < 0)
		return ret;
	if (pairs == 0 || pairs > nic->pairs)
		return -EINVAL;
	pthread_mutex_lock(&nic->lock);
	nic->active_pairs = pairs;
	pthread_mutex_unlock(&nic->lock);
	nic_device_attach(nic);
	return 0;
}

static int
guest_offloads(struct command *cmd)
{
	struct nic *nic = cmd->nic;
	uint64_t offloads;
	int ret = data_get(cmd, 0, &offloads, sizeof(offloads));

	if (ret < 0)
		return ret;
	offloads = rte_le_to_cpu_64(offloads);
	if ((offloads & ~(nic->features & NIC_GUEST_OFFLOADS)) != 0)
		return -EINVAL;
	pthread_mutex_lock(&nic->lock);
	nic->guest_offloads = offloads;
	pthread_mutex_unlock(&nic->lock);
	nic_device_attach(nic);
	return 0;
}

/* Parameters at an offset. */
static int
coalescing_get(const struct command *cmd, uint64_t offset, struct nic_coalescing *coal)
{
	if (data_le32(cmd, offset, &coal->max_packets) < 0 ||
	    data_le32(cmd, offset + sizeof(uint32_t), &coal->max_usecs) < 0 ||
	    coal->max_usecs > NIC_MAX_USECS)
		return -EINVAL;
	return 0;
}

static int
coalescing_set(struct command *cmd)
{
	struct nic_coalescing coal;

	if (coalescing_get(cmd, 0, &coal) < 0)
		return -EINVAL;
	/* virtqueues that transmit have odd numbers */
	nic_moderation_set(cmd->nic, cmd->code == VIRTIO_NET_CTRL_NOTF_COAL_TX_SET ? 1 : 0,
			   NIC_MAX_PAIRS, &coal);
	return 0;
}

/* The virtqueue that a command is for: it has to be one that carries packets. */
static int
coalescing_queue_get(const struct command *cmd, uint16_t *vq)
{
	const struct nic *nic = cmd->nic;

	if (data_le16(cmd, 0, vq) < 0 || !nic_device_carries(nic, *vq))
		return -EINVAL;
	return 0;
}

/* Of one virtqueue, whose number and a reserved field come first (5.1.6.5.7). */
static int
coalescing_queue_set(struct command *cmd)
{
	struct nic_coalescing coal;
	uint16_t vq;

	if (coalescing_queue_get(cmd, &vq) < 0 ||
	    coalescing_get(cmd, 2 * sizeof(uint16_t), &coal) < 0)
		return -EINVAL;
	nic_moderation_set(cmd->nic, vq, 1, &coal);
	return 0;
}

static int
coalescing_queue_tell(struct command *cmd)
{
	const struct nic_coalescing *coal;
	uint32_t le[2];
	uint16_t vq;

	if (coalescing_queue_get(cmd, &vq) < 0)
		return -EINVAL;
	coal = &cmd->nic->coalescing[vq];
	le[0] = rte_cpu_to_le_32(coal->max_packets);
	le[1] = rte_cpu_to_le_32(coal->max_usecs);
	RTE_BUILD_BUG_ON(sizeof(le) > sizeof(cmd->result));
	memcpy(cmd->result, le, sizeof(le));
	cmd->result_len = sizeof(le);
	return 0;
}

/* ----------------------------------------------------------------- dispatch */

/** Commands, and the features without which they do not exist (5.1.6.5). */
static const struct {
	uint8_t class, first, last; /**< codes */
	uint8_t feature;
	int (*run)(struct command *cmd);
} commands[] = {
#define COMMANDS(class_, first_, last_, feature_, run_) \
	{ VIRTIO_NET_CTRL_ ## class_, VIRTIO_NET_CTRL_ ## class_ ## _ ## first_, \
	  VIRTIO_NET_CTRL_ ## class_ ## _ ## last_, VIRTIO_NET_F_ ## feature_, run_ }
	COMMANDS(RX, PROMISC, ALLMULTI, CTRL_RX, rx_mode),
	COMMANDS(RX, ALLUNI, NOBCAST, CTRL_RX_EXTRA, rx_mode),
	COMMANDS(MAC, TABLE_SET, TABLE_SET, CTRL_RX, mac_tables),
	COMMANDS(MAC, ADDR_SET, ADDR_SET, CTRL_MAC_ADDR, mac_address),
	COMMANDS(VLAN, ADD, DEL, CTRL_VLAN, vlan),
	COMMANDS(ANNOUNCE, ACK, ACK, GUEST_ANNOUNCE, announce),
	COMMANDS(MQ, VQ_PAIRS_SET, VQ_PAIRS_SET, MQ, queue_pairs),
	COMMANDS(GUEST_OFFLOADS, SET, SET, CTRL_GUEST_OFFLOADS, guest_offloads),
	COMMANDS(NOTF_COAL, TX_SET, RX_SET, NOTF_COAL, coalescing_set),
	COMMANDS(NOTF_COAL, VQ_SET, VQ_SET, VQ_NOTF_COAL, coalescing_queue_set),
	COMMANDS(NOTF_COAL, VQ_GET, VQ_GET, VQ_NOTF_COAL, coalescing_queue_tell),
#undef COMMANDS
};

static int
command_run(struct command *cmd, uint8_t class)
{
	size_t i;

	for (i = 0; i < RTE_DIM(commands); i++)
		if (commands[i].class == class && cmd->code >= commands[i].first &&
		    cmd->code <= commands[i].last)
			return NIC_HAS(cmd->nic->features, commands[i].feature) ?
				commands[i].run(cmd) : -EOPNOTSUPP;
	return -EOPNOTSUPP;
}

/* One command: bytes written to the driver. */
static uint32_t
chain_run(struct nic *nic, const struct rte_virtio_chain *chain)
{
	struct command cmd = { .nic = nic, .chain = chain };
	struct virtio_net_ctrl_hdr hdr;
	virtio_net_ctrl_ack ack = VIRTIO_NET_ERR;
	uint32_t written;
	int ret = -EINVAL;

	NIC_ADD(nic->commands, 1);
	if (rte_virtio_chain_read(chain, 0, &hdr, sizeof(hdr)) == sizeof(hdr)) {
		cmd.len = chain->read_len - sizeof(hdr);
		cmd.code = hdr.cmd;
		ret = command_run(&cmd, hdr.class);
		if (ret < 0)
			NIC_LOG(DEBUG, "%s: command %u of class %u refused", nic->name, hdr.cmd,
				hdr.class);
	}
	if (ret == 0)
		ack = VIRTIO_NET_OK;
	else
		NIC_ADD(nic->refused, 1);
	written = rte_virtio_chain_write(chain, 0, &ack, sizeof(ack));
	if (ret == 0)
		written += rte_virtio_chain_write(chain, sizeof(ack), cmd.result, cmd.result_len);
	return written;
}

/* False: the ring is broken, or empty. */
static bool
ring_run(struct nic *nic, struct rte_virtio_ring *ring, uint32_t *budget)
{
	struct rte_virtio_seg segs[SEGS];
	struct rte_virtio_chain chain;
	int ret;

	for (; *budget != 0; --*budget) {
		ret = rte_virtio_ring_pop(ring, &chain, segs, SEGS);
		if (ret == -ENOSPC)
			rte_virtio_ring_break(ring, -E2BIG);
		if (ret < 0)
			return false;
		if (ret == 0)
			return rte_virtio_ring_notify_enable(ring);
		rte_virtio_ring_push(ring, chain.id, chain.slots, chain_run(nic, &chain));
	}
	return false;
}

void
nic_ctrl_run(struct nic *nic, struct rte_virtio_queue *vq)
{
	struct rte_virtio_ring *ring = rte_virtio_queue_begin(vq);
	uint32_t budget = BUDGET;

	if (ring == NULL)
		return;
	while (ring_run(nic, ring, &budget))
		;
	rte_virtio_ring_publish(ring);
	rte_virtio_queue_interrupt(vq);
	rte_virtio_queue_end(vq);
}
