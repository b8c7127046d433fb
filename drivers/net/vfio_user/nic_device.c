/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#include <errno.h>
#include <stddef.h>
#include <string.h>

#include <linux/virtio_ring.h>

#include <rte_byteorder.h>
#include <rte_errno.h>
#include <rte_vfio_user_runner.h>
#include <rte_vfio_user_sigbus.h>
#include <virtio_net_compat.h>
#include <virtio_net_dpdk.h>

#include "nic.h"
#include "nic_ctrl.h"
#include "nic_moderation.h"

/** Ethernet. */
#define CLASS_CODE 0x020000u

/* ------------------------------------------------------- control thread */

/* One thread polls the servers of all ports of the process. */
static struct {
	pthread_mutex_t lock;
	struct rte_vfio_user_runner *runner;
	uint32_t users;
} control = { .lock = PTHREAD_MUTEX_INITIALIZER };

static virtio_net_thread_ret
runner_create(void *error)
{
	control.runner = rte_vfio_user_runner_create("net-vfio-user");
	*(int *)error = rte_errno;
	return 0;
}

/*
 * The runner's thread runs where its creator does, and that may be an lcore: a
 * control thread is none, and lies where EAL wants such threads.
 */
static int
control_start(void)
{
	virtio_net_thread thread;
	int error = 0, ret;

	ret = virtio_net_thread_start(&thread, "nic-control", runner_create, &error);
	if (ret == 0)
		ret = virtio_net_thread_join(thread);
	if (ret < 0)
		return ret;
	return control.runner == NULL ? -error : 0;
}

static int
control_adopt(struct nic *nic)
{
	int ret = 0;

	pthread_mutex_lock(&control.lock);
	if (control.users == 0)
		ret = control_start();
	if (ret == 0)
		control.users++;
	pthread_mutex_unlock(&control.lock);
	if (ret < 0)
		return ret;
	nic->adopted = true;
	return rte_vfio_user_runner_add(control.runner, nic->srv);
}

static void
control_release(struct nic *nic)
{
	struct rte_vfio_user_runner *last = NULL;

	if (!nic->adopted)
		return;
	nic->adopted = false;
	rte_vfio_user_runner_remove(control.runner, nic->srv);
	pthread_mutex_lock(&control.lock);
	if (--control.users == 0) {
		last = control.runner;
		control.runner = NULL;
	}
	pthread_mutex_unlock(&control.lock);
	rte_vfio_user_runner_destroy(last);
}

/* --------------------------------------------------------------- features */

/* What a driver may choose; the library adds the bits of rings and transport. */
static uint64_t
offered(const struct nic *nic)
{
	const struct nic_conf *conf = &nic->conf;
	uint64_t features = RTE_BIT64(VIRTIO_NET_F_MAC) | RTE_BIT64(VIRTIO_NET_F_STATUS) |
		RTE_BIT64(VIRTIO_NET_F_CTRL_VQ) | RTE_BIT64(VIRTIO_NET_F_CTRL_RX) |
		RTE_BIT64(VIRTIO_NET_F_CTRL_RX_EXTRA) | RTE_BIT64(VIRTIO_NET_F_CTRL_VLAN) |
		RTE_BIT64(VIRTIO_NET_F_CTRL_MAC_ADDR) | RTE_BIT64(VIRTIO_NET_F_GUEST_ANNOUNCE) |
		RTE_BIT64(VIRTIO_NET_F_NOTF_COAL) | RTE_BIT64(VIRTIO_NET_F_VQ_NOTF_COAL) |
		RTE_BIT64(VIRTIO_NET_F_SPEED_DUPLEX);

	if (conf->mtu != 0)
		features |= RTE_BIT64(VIRTIO_NET_F_MTU);
	if (conf->mergeable)
		features |= RTE_BIT64(VIRTIO_NET_F_MRG_RXBUF);
	if (nic->pairs > 1)
		features |= RTE_BIT64(VIRTIO_NET_F_MQ);
	if (conf->csum)
		features |= RTE_BIT64(VIRTIO_NET_F_CSUM) | RTE_BIT64(VIRTIO_NET_F_GUEST_CSUM) |
			RTE_BIT64(VIRTIO_NET_F_CTRL_GUEST_OFFLOADS);
	if (conf->tso)
		features |= RTE_BIT64(VIRTIO_NET_F_HOST_TSO4) |
			RTE_BIT64(VIRTIO_NET_F_HOST_TSO6) | RTE_BIT64(VIRTIO_NET_F_HOST_ECN) |
			RTE_BIT64(VIRTIO_NET_F_HOST_USO) | RTE_BIT64(VIRTIO_NET_F_GUEST_TSO4) |
			RTE_BIT64(VIRTIO_NET_F_GUEST_TSO6) | RTE_BIT64(VIRTIO_NET_F_GUEST_ECN) |
			RTE_BIT64(VIRTIO_NET_F_GUEST_USO4) | RTE_BIT64(VIRTIO_NET_F_GUEST_USO6);
	return features;
}

static uint64_t
not_offered(const struct nic_conf *conf)
{
	uint64_t off = 0;

	if (!conf->packed)
		off |= RTE_BIT64(VIRTIO_F_RING_PACKED);
	if (!conf->in_order)
		off |= RTE_BIT64(VIRTIO_F_IN_ORDER);
	if (!conf->indirect)
		off |= RTE_BIT64(VIRTIO_RING_F_INDIRECT_DESC);
	if (!conf->event_idx)
		off |= RTE_BIT64(VIRTIO_RING_F_EVENT_IDX);
	if (!conf->platform)
		off |= RTE_BIT64(VIRTIO_F_ACCESS_PLATFORM);
	return off;
}

/* A feature and those of which it needs one or all (5.1.3.1). */
static const struct {
	uint64_t bits, any, all;
} dependencies[] = {
	{ RTE_BIT64(VIRTIO_NET_F_GUEST_TSO4) | RTE_BIT64(VIRTIO_NET_F_GUEST_TSO6) |
	  RTE_BIT64(VIRTIO_NET_F_GUEST_USO4) | RTE_BIT64(VIRTIO_NET_F_GUEST_USO6), 0,
	  RTE_BIT64(VIRTIO_NET_F_GUEST_CSUM) },
	{ RTE_BIT64(VIRTIO_NET_F_GUEST_ECN), RTE_BIT64(VIRTIO_NET_F_GUEST_TSO4) |
	  RTE_BIT64(VIRTIO_NET_F_GUEST_TSO6), 0 },
	{ RTE_BIT64(VIRTIO_NET_F_HOST_TSO4) | RTE_BIT64(VIRTIO_NET_F_HOST_TSO6) |
	  RTE_BIT64(VIRTIO_NET_F_HOST_USO), 0, RTE_BIT64(VIRTIO_NET_F_CSUM) },
	{ RTE_BIT64(VIRTIO_NET_F_HOST_ECN), RTE_BIT64(VIRTIO_NET_F_HOST_TSO4) |
	  RTE_BIT64(VIRTIO_NET_F_HOST_TSO6), 0 },
	{ RTE_BIT64(VIRTIO_NET_F_CTRL_RX) | RTE_BIT64(VIRTIO_NET_F_CTRL_VLAN) |
	  RTE_BIT64(VIRTIO_NET_F_GUEST_ANNOUNCE) | RTE_BIT64(VIRTIO_NET_F_MQ) |
	  RTE_BIT64(VIRTIO_NET_F_CTRL_MAC_ADDR) | RTE_BIT64(VIRTIO_NET_F_NOTF_COAL) |
	  RTE_BIT64(VIRTIO_NET_F_VQ_NOTF_COAL) | RTE_BIT64(VIRTIO_NET_F_CTRL_GUEST_OFFLOADS), 0,
	  RTE_BIT64(VIRTIO_NET_F_CTRL_VQ) },
	{ RTE_BIT64(VIRTIO_NET_F_CTRL_RX_EXTRA), 0, RTE_BIT64(VIRTIO_NET_F_CTRL_VQ) },
};

static bool
is_consistent(uint64_t features)
{
	size_t i;

	for (i = 0; i < RTE_DIM(dependencies); i++) {
		if ((features & dependencies[i].bits) == 0)
			continue;
		if ((features & dependencies[i].all) != dependencies[i].all ||
		    (dependencies[i].any != 0 && (features & dependencies[i].any) == 0))
			return false;
	}
	return true;
}

uint16_t
nic_device_ctrl_index(const struct nic *nic, uint64_t features)
{
	return NIC_HAS(features, VIRTIO_NET_F_MQ) ? 2 * nic->pairs : 2;
}

static int
features_ok(struct rte_virtio_dev *dev, uint64_t features, void *priv)
{
	struct nic *nic = priv;
	uint16_t i, ctrl;

	if (!is_consistent(features)) {
		NIC_LOG(WARNING, "%s: the driver chose features 0x%" PRIx64
			", of which one needs others", nic->name, features);
		return -EINVAL;
	}
	ctrl = NIC_HAS(features, VIRTIO_NET_F_CTRL_VQ) ?
		nic_device_ctrl_index(nic, features) : UINT16_MAX;
	/* the driver waits for its commands, and nobody polls them */
	for (i = 0; i < 2 * nic->pairs + 1; i++)
		rte_virtio_queue_trap(rte_virtio_dev_queue(dev, i), i == ctrl);
	pthread_mutex_lock(&nic->lock);
	nic->features = features;
	/* 5.1.4.1: longer ones must not be passed. The driver keeps what it finds now. */
	nic->max_len = NIC_HAS(features, VIRTIO_NET_F_MTU) ?
		(uint32_t)nic->conf.mtu + RTE_ETHER_HDR_LEN : NIC_MAX_PKT;
	NIC_SET(nic->guest_offloads, features & NIC_GUEST_OFFLOADS);
	NIC_SET(nic->filter.vlans_used, NIC_HAS(features, VIRTIO_NET_F_CTRL_VLAN));
	pthread_mutex_unlock(&nic->lock);
	return 0;
}

/* ------------------------------------------------------------------ queues */

bool
nic_device_carries(const struct nic *nic, uint16_t vq)
{
	if (vq >= RTE_DIM(nic->live) || !nic->live[vq])
		return false;
	return vq < 2 || (NIC_HAS(nic->features, VIRTIO_NET_F_MQ) && vq < 2 * nic->pairs);
}

static void
moderation_load(struct nic_moderation *moderation, const struct nic_coalescing *coal)
{
	NIC_SET(moderation->max_packets, coal->max_packets);
	NIC_SET(moderation->max_usecs, coal->max_usecs);
}

/* True if the queue of the port begins or ends to have a virtqueue. */
static bool
attach_rx(struct nic *nic, uint16_t i)
{
	struct nic_rx_queue *q = nic->rx[i];
	struct rte_virtio_queue *vq = NULL;
	const uint64_t offloads = RTE_BIT64(VIRTIO_NET_F_CSUM) |
		RTE_BIT64(VIRTIO_NET_F_HOST_TSO4) | RTE_BIT64(VIRTIO_NET_F_HOST_TSO6) |
		RTE_BIT64(VIRTIO_NET_F_HOST_USO);

	if (q == NULL)
		return false;
	if (nic_device_carries(nic, 2 * i + 1))
		vq = rte_virtio_dev_queue(nic->dev, 2 * i + 1);
	moderation_load(&q->moderation, &nic->coalescing[2 * i + 1]);
	if (vq == q->vq)
		return false;
	if (vq != NULL) {
		q->offloads = (nic->features & offloads) != 0;
		q->features = nic->features;
	}
	__atomic_store_n(&q->vq, vq, __ATOMIC_RELEASE);
	return true;
}

static bool
attach_tx(struct nic *nic, uint16_t i)
{
	struct nic_tx_queue *q = nic->tx[i];
	struct rte_virtio_queue *vq = NULL;

	if (q == NULL)
		return false;
	/* 5.1.6.5.5: the device must not use receive queues that were not asked for */
	if (nic_device_carries(nic, 2 * i) && i < nic->active_pairs)
		vq = rte_virtio_dev_queue(nic->dev, 2 * i);
	moderation_load(&q->moderation, &nic->coalescing[2 * i]);
	NIC_SET(q->guest_offloads, nic->guest_offloads);
	if (vq == q->vq)
		return false;
	if (vq != NULL) {
		NIC_SET(q->mergeable, NIC_HAS(nic->features, VIRTIO_NET_F_MRG_RXBUF));
		NIC_SET(q->max_len, nic->max_len);
	}
	__atomic_store_n(&q->vq, vq, __ATOMIC_RELEASE);
	return true;
}

/* True if the state of the link changes. */
static bool
link_update(struct nic *nic)
{
	const bool up = nic->started && nic->live[0] && nic->live[1];
	struct rte_eth_link link = {
		.link_status = up ? RTE_ETH_LINK_UP : RTE_ETH_LINK_DOWN,
		.link_speed = up ? nic->conf.speed : RTE_ETH_SPEED_NUM_NONE,
		.link_duplex = RTE_ETH_LINK_FULL_DUPLEX,
		.link_autoneg = RTE_ETH_LINK_FIXED,
	};

	return rte_eth_linkstatus_set(nic->eth, &link) == 0;
}

void
nic_device_attach(struct nic *nic)
{
	bool queues = false, link;
	uint16_t i;

	pthread_mutex_lock(&nic->lock);
	for (i = 0; i < nic->pairs; i++) {
		queues |= attach_rx(nic, i);
		queues |= attach_tx(nic, i);
	}
	link = link_update(nic);
	pthread_mutex_unlock(&nic->lock);
	if (queues)
		rte_eth_dev_callback_process(nic->eth, RTE_ETH_EVENT_QUEUE_STATE, NULL);
	if (link && nic->eth->data->dev_conf.intr_conf.lsc)
		rte_eth_dev_callback_process(nic->eth, RTE_ETH_EVENT_INTR_LSC, NULL);
}

static void
queue_state(struct rte_virtio_dev *dev, uint16_t queue, bool live, void *priv)
{
	struct nic *nic = priv;

	RTE_SET_USED(dev);
	pthread_mutex_lock(&nic->lock);
	nic->live[queue] = live;
	pthread_mutex_unlock(&nic->lock);
	nic_device_attach(nic);
}

static void
notify(struct rte_virtio_dev *dev, uint16_t queue, void *priv)
{
	struct nic *nic = priv;
	const uint64_t features = rte_virtio_dev_features(dev);

	if (NIC_HAS(features, VIRTIO_NET_F_CTRL_VQ) &&
	    queue == nic_device_ctrl_index(nic, features))
		nic_ctrl_run(nic, rte_virtio_dev_queue(dev, queue));
}

/* ----------------------------------------------------------- configuration */

/* Locked: the library wants changes one at a time. */
static void
config_set(struct nic *nic, size_t offset, const void *data, size_t len)
{
	if (nic->dev != NULL)
		rte_virtio_dev_config_set(nic->dev, (uint32_t)offset, data, (uint32_t)len);
}

void
nic_device_mtu_set(struct nic *nic, uint16_t mtu)
{
	const uint16_t le = rte_cpu_to_le_16(mtu);

	pthread_mutex_lock(&nic->lock);
	/* without the feature a driver does not look at it */
	if (nic->conf.mtu != 0 && nic->conf.mtu != mtu) {
		nic->conf.mtu = mtu;
		config_set(nic, offsetof(struct virtio_net_config, mtu), &le, sizeof(le));
	}
	pthread_mutex_unlock(&nic->lock);
}

/* Locked. The driver is told only of what is new. */
static void
mac_set(struct nic *nic, const struct rte_ether_addr *addr)
{
	const size_t offset = offsetof(struct virtio_net_config, mac);
	struct rte_ether_addr now;

	rte_ether_addr_copy(addr, &nic->mac_addr);
	nic_filter_mac_set(&nic->filter, addr);
	if (nic->dev == NULL ||
	    rte_virtio_dev_config_get(nic->dev, (uint32_t)offset, &now, sizeof(now)) < 0 ||
	    rte_is_same_ether_addr(&now, addr))
		return;
	config_set(nic, offset, addr, sizeof(*addr));
}

void
nic_device_mac_set(struct nic *nic, const struct rte_ether_addr *addr)
{
	pthread_mutex_lock(&nic->lock);
	mac_set(nic, addr);
	pthread_mutex_unlock(&nic->lock);
}

/* The link, and whether the guest is asked to announce itself. Locked. */
static void
status_update(struct nic *nic)
{
	const uint16_t status = rte_cpu_to_le_16(
		(nic->started ? VIRTIO_NET_S_LINK_UP : 0) |
		(nic->announce ? VIRTIO_NET_S_ANNOUNCE : 0));

	config_set(nic, offsetof(struct virtio_net_config, status), &status, sizeof(status));
}

void
nic_device_mac_give(struct nic *nic, const struct rte_ether_addr *addr)
{
	pthread_mutex_lock(&nic->lock);
	/* with each start, ethdev gives again what there is */
	if (!rte_is_same_ether_addr(addr, &nic->mac_addr)) {
		rte_ether_addr_copy(addr, &nic->conf.mac);
		mac_set(nic, addr);
		/* without the feature the driver learns it when it starts */
		nic->announce = NIC_HAS(nic->features, VIRTIO_NET_F_GUEST_ANNOUNCE);
		status_update(nic);
	}
	pthread_mutex_unlock(&nic->lock);
}

void
nic_device_announced(struct nic *nic)
{
	pthread_mutex_lock(&nic->lock);
	nic->announce = false;
	status_update(nic);
	pthread_mutex_unlock(&nic->lock);
}

void
nic_device_link(struct nic *nic, bool up)
{
	pthread_mutex_lock(&nic->lock);
	nic->started = up;
	status_update(nic);
	pthread_mutex_unlock(&nic->lock);
	nic_device_attach(nic);
}

static void
reset(struct rte_virtio_dev *dev, void *priv)
{
	struct nic *nic = priv;

	RTE_SET_USED(dev);
	pthread_mutex_lock(&nic->lock);
	nic->features = 0;
	nic->active_pairs = 1;
	NIC_ADD(nic->resets, 1);
	nic->announce = false;
	nic_filter_reset(&nic->filter);
	mac_set(nic, &nic->conf.mac);
	status_update(nic);
	pthread_mutex_unlock(&nic->lock);
	nic_moderation_reset(nic);
}

static void
config_init(struct nic *nic)
{
	struct virtio_net_config config = {
		.max_virtqueue_pairs = rte_cpu_to_le_16(nic->pairs),
		.mtu = rte_cpu_to_le_16(nic->conf.mtu),
		.speed = rte_cpu_to_le_32(nic->conf.speed),
		.duplex = 1, /* full */
	};

	memcpy(config.mac, &nic->conf.mac, sizeof(config.mac));
	pthread_mutex_lock(&nic->lock);
	config_set(nic, 0, &config, sizeof(config));
	mac_set(nic, &nic->conf.mac);
	pthread_mutex_unlock(&nic->lock);
}

/* ------------------------------------------------------------ start, stop */

static int
server_create(struct nic *nic)
{
	struct rte_vfio_user_server_conf conf;

	rte_vfio_user_server_conf_init(&conf);
	conf.sock_path = nic->conf.iface;
	conf.sock_mode = nic->conf.sock_mode;
	conf.priv = nic;
	nic->srv = rte_vfio_user_server_create(&conf);
	return nic->srv == NULL ? -rte_errno : 0;
}

static int
device_create(struct nic *nic)
{
	const struct rte_virtio_dev_ops ops = {
		.features_ok = features_ok,
		.queue_state = queue_state,
		.notify = notify,
		.reset = reset,
	};
	struct rte_virtio_dev_conf conf;

	rte_virtio_dev_conf_init(&conf);
	conf.name = nic->name;
	conf.srv = nic->srv;
	conf.device_type = VIRTIO_ID_NET;
	conf.class_code = CLASS_CODE;
	conf.nb_queues = 2 * nic->pairs + 1;
	conf.queue_size = nic->conf.queue_size;
	conf.features = offered(nic);
	conf.features_off = not_offered(&nic->conf);
	conf.config_size = sizeof(struct virtio_net_config);
	conf.flags = nic->conf.interrupt ? RTE_VIRTIO_DEV_F_NOTIFY_IOEVENTFD :
		RTE_VIRTIO_DEV_F_NOTIFY_MMAP;
	if (!nic->conf.msix)
		conf.flags |= RTE_VIRTIO_DEV_F_NO_MSIX;
	conf.priv = nic;
	nic->dev = rte_virtio_dev_create(&conf, &ops);
	return nic->dev == NULL ? -rte_errno : 0;
}

int
nic_device_start(struct nic *nic, uint16_t pairs)
{
	int ret;

	/* a client that truncates its memory costs its connection only */
	nic->guarded = rte_vfio_user_sigbus_enable() == 0;
	nic->pairs = pairs;
	nic->active_pairs = 1;
	nic_filter_reset(&nic->filter);
	ret = server_create(nic);
	if (ret < 0)
		goto fail;
	ret = device_create(nic);
	if (ret < 0)
		goto fail;
	config_init(nic);
	nic_moderation_reset(nic);
	ret = rte_vfio_user_server_start(nic->srv);
	if (ret < 0)
		goto fail;
	ret = control_adopt(nic);
	if (ret < 0)
		goto fail;
	return 0;

fail:
	NIC_LOG(ERR, "%s: %s: cannot serve the device: %s", nic->name, nic->conf.iface,
		strerror(-ret));
	nic_device_stop(nic);
	return ret;
}

/* The destruction has detached the queues that had a virtqueue. */
static void
queues_forget(struct nic *nic)
{
	uint16_t i;

	for (i = 0; i < NIC_MAX_PAIRS; i++) {
		if (nic->rx[i] != NULL) {
			nic->rx[i]->vq = NULL;
			nic->rx[i]->epoch = 0;
		}
		if (nic->tx[i] != NULL) {
			nic->tx[i]->vq = NULL;
			nic->tx[i]->epoch = 0;
		}
	}
	memset(nic->live, 0, sizeof(nic->live));
}

void
nic_device_stop(struct nic *nic)
{
	struct rte_virtio_dev *dev;

	control_release(nic);
	/* who looks at it in other threads does so under the lock */
	pthread_mutex_lock(&nic->lock);
	dev = nic->dev;
	nic->dev = NULL;
	pthread_mutex_unlock(&nic->lock);
	if (dev != NULL)
		rte_virtio_dev_destroy(dev); /* and its server */
	else
		rte_vfio_user_server_destroy(nic->srv);
	pthread_mutex_lock(&nic->lock);
	nic->srv = NULL;
	queues_forget(nic);
	nic->pairs = 0;
	pthread_mutex_unlock(&nic->lock);
	/* behind the reset that the destruction is */
	nic_moderation_stop(nic);
	if (nic->guarded)
		rte_vfio_user_sigbus_disable();
	nic->guarded = false;
}
