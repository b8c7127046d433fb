/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#include <errno.h>
#include <stdio.h>

#include <rte_malloc.h>
#include <virtio_net_eth.h>

#include "nic.h"
#include "nic_intr.h"
#include "nic_offload.h"
#include "nic_rxtx.h"
#include "nic_stats.h"
#include "nic_telemetry.h"

/** Smallest room of an mbuf: all headers lie in the first one. */
#define MIN_ROOM 128u

/** Segments of a buffer, for each entry of a ring: behind an IOMMU one in two pages. */
#define SEGS_PER_ENTRY 2u

RTE_LOG_REGISTER(nic_logtype, pmd.net.vfio_user, NOTICE);

static struct nic *
nic_of(struct rte_eth_dev *eth)
{
	return eth->data->dev_private;
}

/* --------------------------------------------------------------------- info */

static int
infos_get(struct rte_eth_dev *eth, struct rte_eth_dev_info *info)
{
	const struct nic_conf *conf = &nic_of(eth)->conf;

	info->min_rx_bufsize = MIN_ROOM;
	info->max_rx_pktlen = NIC_MAX_PKT;
	info->max_lro_pkt_size = conf->tso ? NIC_MAX_PKT : 0;
	info->max_rx_queues = conf->queues;
	info->max_tx_queues = conf->queues;
	info->max_mac_addrs = 1;
	info->min_mtu = NIC_MIN_MTU;
	info->max_mtu = NIC_MAX_MTU;
	info->rx_offload_capa = nic_offload_rx_capa(conf);
	info->rx_queue_offload_capa = info->rx_offload_capa & ~NIC_RX_PORT_OFFLOADS;
	info->tx_offload_capa = nic_offload_tx_capa(conf);
	info->tx_queue_offload_capa = info->tx_offload_capa;
	/* the guest's driver chooses the size of rings, up to queue_size */
	info->default_rxportconf.ring_size = conf->queue_size;
	info->default_txportconf.ring_size = conf->queue_size;
	info->default_rxportconf.burst_size = NIC_BURST;
	info->default_txportconf.burst_size = NIC_BURST;
	info->default_rxportconf.nb_queues = conf->queues;
	info->default_txportconf.nb_queues = conf->queues;
	info->speed_capa = RTE_ETH_LINK_SPEED_AUTONEG;
	return 0;
}

/* -------------------------------------------------------------------- queues */

static void
queue_free(void *q, struct rte_virtio_seg *segs)
{
	rte_free(segs);
	rte_free(q);
}

/* Memory of a queue with an array of segments. */
static void *
queue_alloc(const struct nic *nic, size_t size, struct rte_virtio_seg **segs, uint16_t *nb_segs,
	    unsigned int socket)
{
	const uint16_t nb = RTE_MIN(SEGS_PER_ENTRY * nic->conf.queue_size, (uint32_t)UINT16_MAX);
	void *q = rte_zmalloc_socket("net_vfio_user", size, RTE_CACHE_LINE_SIZE, (int)socket);

	*segs = rte_malloc_socket("net_vfio_user", nb * sizeof(**segs), RTE_CACHE_LINE_SIZE,
				  (int)socket);
	*nb_segs = nb;
	if (q == NULL || *segs == NULL) {
		queue_free(q, *segs);
		return NULL;
	}
	return q;
}

/* Other threads look for queues under the lock. */
static void
rx_queue_set(struct nic *nic, uint16_t i, struct nic_rx_queue *q)
{
	pthread_mutex_lock(&nic->lock);
	nic->rx[i] = q;
	pthread_mutex_unlock(&nic->lock);
}

static void
tx_queue_set(struct nic *nic, uint16_t i, struct nic_tx_queue *q)
{
	pthread_mutex_lock(&nic->lock);
	nic->tx[i] = q;
	pthread_mutex_unlock(&nic->lock);
}

static void
rx_queue_release(struct rte_eth_dev *eth, uint16_t i)
{
	struct nic *nic = nic_of(eth);
	struct nic_rx_queue *q = nic->rx[i];

	if (q == NULL)
		return;
	rx_queue_set(nic, i, NULL);
	nic_rx_stash_free(q);
	queue_free(q, q->segs);
}

static void
tx_queue_release(struct rte_eth_dev *eth, uint16_t i)
{
	struct nic *nic = nic_of(eth);
	struct nic_tx_queue *q = nic->tx[i];

	if (q == NULL)
		return;
	tx_queue_set(nic, i, NULL);
	queue_free(q, q->segs);
}

static int
rx_queue_setup(struct rte_eth_dev *eth, uint16_t i, uint16_t nb_desc, unsigned int socket,
	       const struct rte_eth_rxconf *conf, struct rte_mempool *pool)
{
	const uint64_t offloads = conf->offloads | eth->data->dev_conf.rxmode.offloads;
	struct nic *nic = nic_of(eth);
	struct nic_rx_queue *q;
	struct rte_virtio_seg *segs;
	uint16_t nb_segs;

	RTE_SET_USED(nb_desc);
	q = queue_alloc(nic, sizeof(*q), &segs, &nb_segs, socket);
	if (q == NULL)
		return -ENOMEM;
	q->pool = pool;
	q->room = rte_pktmbuf_data_room_size(pool) - RTE_PKTMBUF_HEADROOM;
	q->rearm = virtio_net_rearm_data(eth->data->port_id);
	q->vlan_strip = (offloads & RTE_ETH_RX_OFFLOAD_VLAN_STRIP) != 0;
	q->no_rx_cksum = (offloads & (RTE_ETH_RX_OFFLOAD_TCP_CKSUM |
				      RTE_ETH_RX_OFFLOAD_UDP_CKSUM)) == 0;
	q->segs = segs;
	q->nb_segs = nb_segs;
	rx_queue_set(nic, i, q);
	eth->data->rx_queues[i] = q;
	return 0;
}

static int
tx_queue_setup(struct rte_eth_dev *eth, uint16_t i, uint16_t nb_desc, unsigned int socket,
	       const struct rte_eth_txconf *conf)
{
	struct nic *nic = nic_of(eth);
	struct nic_tx_queue *q;
	struct rte_virtio_seg *segs;
	uint16_t nb_segs;

	RTE_SET_USED(nb_desc);
	q = queue_alloc(nic, sizeof(*q), &segs, &nb_segs, socket);
	if (q == NULL)
		return -ENOMEM;
	q->filter = &nic->filter;
	q->fast_free = ((conf->offloads | eth->data->dev_conf.txmode.offloads) &
			RTE_ETH_TX_OFFLOAD_MBUF_FAST_FREE) != 0;
	q->segs = segs;
	q->nb_segs = nb_segs;
	tx_queue_set(nic, i, q);
	eth->data->tx_queues[i] = q;
	return 0;
}

/* The guest's driver chooses the size of rings: this is the largest. */
static void
rx_queue_info(struct rte_eth_dev *eth, uint16_t i, struct rte_eth_rxq_info *info)
{
	const struct nic *nic = nic_of(eth);

	info->mp = nic->rx[i]->pool;
	info->nb_desc = nic->conf.queue_size;
	info->scattered_rx = 1;
	info->rx_buf_size = nic->rx[i]->room;
	info->conf.offloads = eth->data->dev_conf.rxmode.offloads;
}

static void
tx_queue_info(struct rte_eth_dev *eth, uint16_t i, struct rte_eth_txq_info *info)
{
	RTE_SET_USED(i);
	info->nb_desc = nic_of(eth)->conf.queue_size;
	info->conf.offloads = eth->data->dev_conf.txmode.offloads;
}

/* Packets are copied: no mbuf is kept. */
static int
tx_done_cleanup(void *queue, uint32_t nb)
{
	RTE_SET_USED(queue);
	RTE_SET_USED(nb);
	return 0;
}

/* --------------------------------------------------------------- start, stop */

static int
configure(struct rte_eth_dev *eth)
{
	const uint16_t rx = eth->data->nb_rx_queues, tx = eth->data->nb_tx_queues;
	struct nic *nic = nic_of(eth);

	if (rx == 0 || tx == 0) {
		NIC_LOG(ERR, "%s: %u receive and %u transmit queues: a guest needs both",
			nic->name, rx, tx);
		return -EINVAL;
	}
	if (rx != tx)
		NIC_LOG(NOTICE, "%s: %u receive and %u transmit queues: a guest gets %u pairs",
			nic->name, rx, tx, RTE_MIN(rx, tx));
	/* ethdev's default, for an application that says nothing: then the argument holds */
	if (nic->conf.mtu != 0 && eth->data->mtu == RTE_ETHER_MTU)
		eth->data->mtu = nic->conf.mtu;
	nic_device_mtu_set(nic, eth->data->mtu);
	return 0;
}

/* Applications that ask for a queue's information look at it: testpmd, for one. */
static void
queue_states_set(struct rte_eth_dev *eth, uint8_t state)
{
	memset(eth->data->rx_queue_state, state, eth->data->nb_rx_queues);
	memset(eth->data->tx_queue_state, state, eth->data->nb_tx_queues);
}

static eth_rx_burst_t
rx_burst_of(const struct rte_eth_dev *eth)
{
	const uint64_t offloads = eth->data->dev_conf.rxmode.offloads;

	return (offloads & RTE_ETH_RX_OFFLOAD_IPV4_CKSUM) != 0 ? nic_rx_ip_burst : nic_rx_burst;
}

static int
start(struct rte_eth_dev *eth)
{
	struct nic *nic = nic_of(eth);
	const uint16_t pairs = RTE_MIN(eth->data->nb_rx_queues, eth->data->nb_tx_queues);
	int ret;

	if (nic->dev != NULL && nic->pairs != pairs) {
		NIC_LOG(NOTICE, "%s: %u queue pairs instead of %u: the device is another one,"
			" a client is disconnected", nic->name, pairs, nic->pairs);
		nic_device_stop(nic);
	}
	if (nic->dev == NULL) {
		ret = nic_device_start(nic, pairs);
		if (ret < 0)
			return ret;
	}
	ret = nic_intr_start(nic);
	if (ret < 0)
		return ret;
	eth->rx_pkt_burst = rx_burst_of(eth);
	queue_states_set(eth, RTE_ETH_QUEUE_STATE_STARTED);
	nic_device_link(nic, true);
	return 0;
}

static int
stop(struct rte_eth_dev *eth)
{
	struct nic *nic = nic_of(eth);
	uint16_t i;

	eth->data->dev_started = 0;
	queue_states_set(eth, RTE_ETH_QUEUE_STATE_STOPPED);
	nic_device_link(nic, false);
	nic_intr_stop(nic);
	for (i = 0; i < eth->data->nb_rx_queues; i++)
		if (nic->rx[i] != NULL)
			nic_rx_stash_free(nic->rx[i]);
	return 0;
}

static int
close_port(struct rte_eth_dev *eth)
{
	struct nic *nic = nic_of(eth);
	uint16_t i;

	if (rte_eal_process_type() != RTE_PROC_PRIMARY)
		return 0;
	virtio_net_tel_remove(&nic_tel, eth);
	nic_intr_fini(nic);
	if (nic->dev != NULL)
		nic_device_stop(nic);
	for (i = 0; i < NIC_MAX_PAIRS; i++) {
		rx_queue_release(eth, i);
		tx_queue_release(eth, i);
	}
	pthread_mutex_destroy(&nic->lock);
	eth->data->mac_addrs = NULL; /* a part of what is freed next */
	return 0;
}

/* ------------------------------------------------------------------ settings */

static int
mtu_set(struct rte_eth_dev *eth, uint16_t mtu)
{
	nic_device_mtu_set(nic_of(eth), mtu);
	return 0;
}

/* The port receives all that the guest sends. */
static int
always_on(struct rte_eth_dev *eth)
{
	RTE_SET_USED(eth);
	return 0;
}

static int
never_off(struct rte_eth_dev *eth)
{
	RTE_SET_USED(eth);
	return -ENOTSUP;
}

/* The address is the guest's: its driver learns it when it starts. */
static int
mac_addr_set(struct rte_eth_dev *eth, struct rte_ether_addr *addr)
{
	nic_device_mac_give(nic_of(eth), addr);
	return 0;
}

static int
vlan_offload_set(struct rte_eth_dev *eth, int mask)
{
	const bool strip =
		(eth->data->dev_conf.rxmode.offloads & RTE_ETH_RX_OFFLOAD_VLAN_STRIP) != 0;
	struct nic *nic = nic_of(eth);
	uint16_t i;

	if ((mask & RTE_ETH_VLAN_STRIP_MASK) == 0)
		return 0;
	for (i = 0; i < eth->data->nb_rx_queues; i++)
		if (nic->rx[i] != NULL)
			NIC_SET(nic->rx[i]->vlan_strip, strip);
	return 0;
}

/* -------------------------------------------------------------------- probing */

static const struct eth_dev_ops ops = {
	.dev_configure = configure,
	.dev_start = start,
	.dev_stop = stop,
	.dev_close = close_port,
	.dev_infos_get = infos_get,
	.rx_queue_setup = rx_queue_setup,
	.tx_queue_setup = tx_queue_setup,
	.rx_queue_release = rx_queue_release,
	.tx_queue_release = tx_queue_release,
	.rx_queue_intr_enable = nic_rx_intr_enable,
	.rx_queue_intr_disable = nic_rx_intr_disable,
	.rxq_info_get = rx_queue_info,
	.txq_info_get = tx_queue_info,
	.tx_done_cleanup = tx_done_cleanup,
	.link_update = virtio_net_link_known,
	.mtu_set = mtu_set,
	.mac_addr_set = mac_addr_set,
	.promiscuous_enable = always_on,
	.promiscuous_disable = never_off,
	.allmulticast_enable = always_on,
	.allmulticast_disable = never_off,
	.vlan_offload_set = vlan_offload_set,
	.stats_get = nic_stats_get,
	.stats_reset = nic_stats_reset,
	.xstats_get = nic_xstats_get,
	.xstats_get_names = nic_xstats_get_names,
	.xstats_reset = nic_stats_reset,
};

/* What a secondary process can do: the device lives in the primary one. */
static const struct eth_dev_ops secondary_ops = {
	.dev_infos_get = infos_get,
	.link_update = virtio_net_link_known,
	.stats_get = nic_stats_get,
	.stats_reset = nic_stats_reset,
};

static int
probe_secondary(struct rte_vdev_device *vdev)
{
	const char *name = rte_vdev_device_name(vdev);
	int ret = virtio_net_attach_secondary(vdev, &secondary_ops);

	if (ret < 0)
		NIC_LOG(ERR, "%s: not a port of the primary process", name);
	else
		NIC_LOG(NOTICE, "%s: statistics only, this is a secondary process", name);
	return ret;
}

static void
nic_init(struct nic *nic, struct rte_eth_dev *eth, const struct nic_conf *conf)
{
	nic->eth = eth;
	nic->conf = *conf;
	snprintf(nic->name, sizeof(nic->name), "%s", eth->data->name);
	pthread_mutex_init(&nic->lock, NULL);
	nic_filter_reset(&nic->filter);
	rte_ether_addr_copy(&conf->mac, &nic->mac_addr);

	eth->data->mac_addrs = &nic->mac_addr;
	eth->data->numa_node = conf->numa;
	if (conf->mtu != 0)
		eth->data->mtu = conf->mtu;
	eth->data->promiscuous = 1;
	eth->data->all_multicast = 1;
	eth->data->dev_link.link_duplex = RTE_ETH_LINK_FULL_DUPLEX;
	eth->data->dev_flags |= RTE_ETH_DEV_INTR_LSC | RTE_ETH_DEV_AUTOFILL_QUEUE_XSTATS;
	eth->dev_ops = &ops;
	eth->rx_pkt_burst = nic_rx_burst;
	eth->tx_pkt_burst = nic_tx_burst;
	eth->tx_pkt_prepare = nic_tx_prepare;
}

static int
probe(struct rte_vdev_device *vdev)
{
	struct rte_eth_dev *eth;
	struct nic_conf conf;
	int ret;

	if (rte_eal_process_type() != RTE_PROC_PRIMARY)
		return probe_secondary(vdev);
	ret = nic_conf_parse(&conf, rte_vdev_device_name(vdev), rte_vdev_device_args(vdev));
	if (ret < 0)
		return ret;
	vdev->device.numa_node = conf.numa;
	eth = rte_eth_vdev_allocate(vdev, sizeof(struct nic));
	if (eth == NULL)
		return -ENOMEM;
	nic_init(eth->data->dev_private, eth, &conf);
	virtio_net_tel_add(&nic_tel, eth);
	rte_eth_dev_probing_finish(eth);
	return 0;
}

static struct rte_vdev_driver driver = {
	.probe = probe,
	.remove = virtio_net_remove,
};

RTE_PMD_REGISTER_VDEV(net_vfio_user, driver);
RTE_PMD_REGISTER_PARAM_STRING(net_vfio_user, NIC_CONF_HELP);
