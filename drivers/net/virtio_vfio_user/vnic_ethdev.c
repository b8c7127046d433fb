/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <rte_errno.h>
#include <rte_kvargs.h>
#include <rte_malloc.h>
#include <rte_vfio_user_sigbus.h>
#include <virtio_net_csum.h>
#include <virtio_net_eth.h>

#include "vnic.h"
#include "vnic_desc.h"
#include "vnic_features.h"
#include "vnic_intr.h"
#include "vnic_port.h"
#include "vnic_reconnect.h"
#include "vnic_rx.h"
#include "vnic_stats.h"
#include "vnic_telemetry.h"
#include "vnic_thread.h"
#include "vnic_tx.h"

/* Ring size if neither the application nor an argument says one. */
#define DEFAULT_SIZE 256u
/* Ethernet with a VLAN tag, without the CRC, which nobody sees. */
#define L2_LEN (RTE_ETHER_HDR_LEN + RTE_VLAN_HLEN)
/* Packets that are to be segmented, 64 KiB of IP. */
#define MAX_LRO_LEN (65535u + L2_LEN)

RTE_LOG_REGISTER(vnic_logtype, pmd.net.virtio_vfio_user, NOTICE);

/* ----------------------------------------------------------- information */

static int
dev_info(struct rte_eth_dev *eth, struct rte_eth_dev_info *info)
{
	const struct vnic_port *port = eth->data->dev_private;
	const struct rte_eth_desc_lim lim = {
		.nb_max = port->max_queue_size,
		.nb_min = RTE_MIN(port->max_queue_size, VNIC_MIN_QUEUE_SIZE),
		.nb_align = 1,
		.nb_seg_max = VNIC_TX_MAX_SEGS,
		.nb_mtu_seg_max = VNIC_TX_MAX_SEGS,
	};

	info->min_mtu = RTE_ETHER_MIN_MTU;
	info->max_mtu = port->max_mtu;
	info->max_rx_pktlen = (uint32_t)port->max_mtu + L2_LEN;
	info->min_rx_bufsize = RTE_ETHER_MIN_LEN;
	info->max_rx_queues = info->max_tx_queues = RTE_MIN(port->max_pairs, port->conf.queues);
	info->max_mac_addrs = VNIC_MAX_MACS;
	info->rx_offload_capa = vnic_features_rx_offloads(port);
	if ((info->rx_offload_capa & RTE_ETH_RX_OFFLOAD_TCP_LRO) != 0)
		info->max_lro_pkt_size = MAX_LRO_LEN;
	info->tx_offload_capa = vnic_features_tx_offloads(port);
	info->rx_desc_lim = info->tx_desc_lim = lim;
	info->default_rxportconf.ring_size = info->default_txportconf.ring_size =
		RTE_MIN(port->max_queue_size, port->conf.queue_size != 0 ?
			(unsigned int)port->conf.queue_size : DEFAULT_SIZE);
	info->default_rxportconf.burst_size = info->default_txportconf.burst_size = 32;
	info->default_rxportconf.nb_queues = info->default_txportconf.nb_queues = 1;
	return 0;
}

static int
link_update(struct rte_eth_dev *eth, int wait_to_complete)
{
	struct vnic_port *port = eth->data->dev_private;
	int ret = 0;

	RTE_SET_USED(wait_to_complete);
	/* the control thread keeps it up to date if there are interrupts */
	if (port->pci.nb_vectors != 0)
		return 0;
	pthread_mutex_lock(&port->lock);
	if (port->up)
		ret = vnic_port_link_read(port);
	pthread_mutex_unlock(&port->lock);
	return ret < 0 ? ret : 0;
}

static const char *
mode_of(const struct vnic_queue *q)
{
	if (q->packed)
		return q->in_order ? "Scalar Packed In Order" : "Scalar Packed";
	return q->in_order ? "Scalar Split In Order" : "Scalar Split";
}

static int
burst_mode(const struct vnic_queue *q, struct rte_eth_burst_mode *mode)
{
	strlcpy(mode->info, mode_of(q), sizeof(mode->info));
	return 0;
}

static int
rx_burst_mode(struct rte_eth_dev *eth, uint16_t queue, struct rte_eth_burst_mode *mode)
{
	return burst_mode(eth->data->rx_queues[queue], mode);
}

static int
tx_burst_mode(struct rte_eth_dev *eth, uint16_t queue, struct rte_eth_burst_mode *mode)
{
	return burst_mode(eth->data->tx_queues[queue], mode);
}

static int
is_removed(struct rte_eth_dev *eth)
{
	struct vnic_port *port = eth->data->dev_private;

	return __atomic_load_n(&port->link, __ATOMIC_ACQUIRE) == VNIC_LINK_GONE;
}

/* --------------------------------------------------------- configuration */

static int
dev_configure(struct rte_eth_dev *eth)
{
	const struct vnic_port *port = eth->data->dev_private;
	const struct rte_eth_rxmode *rx = &eth->data->dev_conf.rxmode;
	const struct rte_eth_txmode *tx = &eth->data->dev_conf.txmode;

	if (rx->mq_mode != RTE_ETH_MQ_RX_NONE && rx->mq_mode != RTE_ETH_MQ_RX_RSS) {
		VNIC_LOG(ERR, "%s: the Rx multi-queue mode %d is not supported", port->name,
			 rx->mq_mode);
		return -EINVAL;
	}
	if (tx->mq_mode != RTE_ETH_MQ_TX_NONE) {
		VNIC_LOG(ERR, "%s: the Tx multi-queue mode %d is not supported", port->name,
			 tx->mq_mode);
		return -EINVAL;
	}
	eth->data->scattered_rx = (rx->offloads & RTE_ETH_RX_OFFLOAD_SCATTER) != 0;
	return 0;
}

/* Whether packets of an MTU, or those that are not segmented, fit in a buffer. */
static int
check_fit(const struct vnic_port *port, const struct vnic_queue *q, uint16_t mtu)
{
	const struct rte_eth_dev_data *data = port->eth->data;
	const bool lro = (data->dev_conf.rxmode.offloads & RTE_ETH_RX_OFFLOAD_TCP_LRO) != 0;
	const uint32_t room = q->buf_len - VNIC_HDR_LEN;
	const uint32_t len = lro ? MAX_LRO_LEN : (uint32_t)mtu + L2_LEN;

	if (data->scattered_rx || len <= room)
		return 0;
	VNIC_LOG(ERR, "%s: Rx queue %u: packets have up to %u bytes, buffers have %u, and "
		 "scattering is off", port->name, q->queue_id, len, room);
	return -EINVAL;
}

static int
mtu_set(struct rte_eth_dev *eth, uint16_t mtu)
{
	const struct vnic_port *port = eth->data->dev_private;
	uint16_t i;
	int ret = 0;

	for (i = 0; i < eth->data->nb_rx_queues && ret == 0; i++)
		if (vnic_rxq(port->eth, i) != NULL)
			ret = check_fit(port, vnic_rxq(port->eth, i), mtu);
	return ret;
}

static uint16_t
ring_size(const struct vnic_port *port, uint16_t nb_desc)
{
	return RTE_MIN(rte_align32pow2(nb_desc), port->max_queue_size);
}

static void
rx_queue_release(struct rte_eth_dev *eth, uint16_t queue)
{
	vnic_queue_free(eth->data->rx_queues[queue]);
	eth->data->rx_queues[queue] = NULL;
}

static void
tx_queue_release(struct rte_eth_dev *eth, uint16_t queue)
{
	vnic_queue_free(eth->data->tx_queues[queue]);
	eth->data->tx_queues[queue] = NULL;
}

static int
rx_queue_setup(struct rte_eth_dev *eth, uint16_t queue, uint16_t nb_desc, unsigned int socket,
	       const struct rte_eth_rxconf *conf, struct rte_mempool *pool)
{
	struct vnic_port *port = eth->data->dev_private;
	const uint32_t room = rte_pktmbuf_data_room_size(pool);
	struct vnic_queue *q;
	int ret;

	if (conf->rx_deferred_start) {
		VNIC_LOG(ERR, "%s: Rx queue %u: no deferred start", port->name, queue);
		return -EINVAL;
	}
	q = vnic_queue_create(port, true, queue, ring_size(port, nb_desc), socket);
	if (q == NULL)
		return -ENOMEM;
	q->pool = pool;
	q->buf_len = room - RTE_PKTMBUF_HEADROOM + VNIC_HDR_LEN;
	q->rearm = virtio_net_rearm_data(eth->data->port_id);
	if ((rte_pktmbuf_priv_flags(pool) & RTE_PKTMBUF_POOL_F_PINNED_EXT_BUF) == 0)
		q->buf_offset = sizeof(struct rte_mbuf) + rte_pktmbuf_priv_size(pool) +
				RTE_PKTMBUF_HEADROOM - VNIC_HDR_LEN;
	if (conf->rx_free_thresh != 0)
		q->threshold = RTE_MIN(conf->rx_free_thresh, q->size);
	ret = check_fit(port, q, eth->data->mtu);
	if (ret < 0)
		vnic_queue_free(q);
	else
		eth->data->rx_queues[queue] = q;
	return ret;
}

static int
tx_queue_setup(struct rte_eth_dev *eth, uint16_t queue, uint16_t nb_desc, unsigned int socket,
	       const struct rte_eth_txconf *conf)
{
	struct vnic_port *port = eth->data->dev_private;
	struct vnic_queue *q;

	if (conf->tx_deferred_start) {
		VNIC_LOG(ERR, "%s: Tx queue %u: no deferred start", port->name, queue);
		return -EINVAL;
	}
	q = vnic_queue_create(port, false, queue, ring_size(port, nb_desc), socket);
	if (q == NULL)
		return -ENOMEM;
	q->fast_free = ((conf->offloads | eth->data->dev_conf.txmode.offloads) &
			RTE_ETH_TX_OFFLOAD_MBUF_FAST_FREE) != 0;
	q->threshold = q->size - q->size / 4;
	if (conf->tx_free_thresh != 0)
		q->threshold = RTE_MIN(conf->tx_free_thresh, q->size);
	eth->data->tx_queues[queue] = q;
	return 0;
}

static void
rxq_info(struct rte_eth_dev *eth, uint16_t queue, struct rte_eth_rxq_info *info)
{
	const struct vnic_queue *q = eth->data->rx_queues[queue];

	info->mp = q->pool;
	info->nb_desc = q->size;
	info->scattered_rx = eth->data->scattered_rx;
	info->rx_buf_size = q->buf_len - VNIC_HDR_LEN;
	info->conf.rx_free_thresh = q->threshold;
	info->conf.offloads = eth->data->dev_conf.rxmode.offloads;
}

static void
txq_info(struct rte_eth_dev *eth, uint16_t queue, struct rte_eth_txq_info *info)
{
	const struct vnic_queue *q = eth->data->tx_queues[queue];

	info->nb_desc = q->size;
	info->conf.tx_free_thresh = q->threshold;
	info->conf.offloads = eth->data->dev_conf.txmode.offloads;
}

/* ---------------------------------------------------------- start, stop */

/* Either layout with RTE_ETH_RX_OFFLOAD_IPV4_CKSUM. */
static uint16_t
rx_split_ip(void *rxq, struct rte_mbuf **pkts, uint16_t nb)
{
	nb = vnic_rx_split(rxq, pkts, nb);
	virtio_net_ip_check(pkts, nb);
	return nb;
}

static uint16_t
rx_packed_ip(void *rxq, struct rte_mbuf **pkts, uint16_t nb)
{
	nb = vnic_rx_packed(rxq, pkts, nb);
	virtio_net_ip_check(pkts, nb);
	return nb;
}

static void
choose_bursts(struct rte_eth_dev *eth, uint64_t features)
{
	const uint64_t offloads = eth->data->dev_conf.rxmode.offloads;
	const bool packed = VNIC_HAS(features, VIRTIO_F_RING_PACKED);

	eth->rx_pkt_burst = packed ? vnic_rx_packed : vnic_rx_split;
	eth->tx_pkt_burst = packed ? vnic_tx_packed : vnic_tx_split;
	eth->tx_pkt_prepare = vnic_tx_prepare;
	if ((offloads & RTE_ETH_RX_OFFLOAD_IPV4_CKSUM) != 0)
		eth->rx_pkt_burst = packed ? rx_packed_ip : rx_split_ip;
}

static void
set_queue_states(struct rte_eth_dev *eth, uint8_t state)
{
	uint16_t i;

	for (i = 0; i < eth->data->nb_rx_queues; i++)
		eth->data->rx_queue_state[i] = state;
	for (i = 0; i < eth->data->nb_tx_queues; i++)
		eth->data->tx_queue_state[i] = state;
}

static int
dev_start(struct rte_eth_dev *eth)
{
	struct vnic_port *port = eth->data->dev_private;
	int ret;

	pthread_mutex_lock(&port->lock);
	port->features = vnic_features_wanted(port);
	port->nb_pairs = RTE_MAX(eth->data->nb_rx_queues, eth->data->nb_tx_queues);
	choose_bursts(eth, port->features);
	ret = vnic_intr_setup(port);
	if (ret == 0)
		ret = vnic_intr_assign(port);
	if (ret == 0)
		ret = vnic_port_up(port, true);
	if (ret == -ENOTCONN && port->conf.reconnect_ms != 0) {
		/* as with a cable that is not plugged in: it may be later */
		ret = 0;
		port->retry_at = 1;
		vnic_thread_kick();
	}
	if (ret == 0) {
		port->started = true;
		set_queue_states(eth, RTE_ETH_QUEUE_STATE_STARTED);
	} else {
		VNIC_LOG(ERR, "%s: the device cannot be set up: %s", port->name, strerror(-ret));
		vnic_port_down(port);
	}
	pthread_mutex_unlock(&port->lock);
	return ret;
}

static int
dev_stop(struct rte_eth_dev *eth)
{
	struct vnic_port *port = eth->data->dev_private;

	pthread_mutex_lock(&port->lock);
	port->started = false;
	port->retry_at = 0;
	vnic_port_down(port);
	set_queue_states(eth, RTE_ETH_QUEUE_STATE_STOPPED);
	pthread_mutex_unlock(&port->lock);
	return 0;
}

/* Undo what probe has done, as far as it got. */
static void
release(struct vnic_port *port)
{
	struct rte_eth_dev *eth = port->eth;
	uint16_t i;

	virtio_net_tel_remove(&vnic_tel, eth);
	vnic_thread_remove(port);
	for (i = 0; i < eth->data->nb_rx_queues && eth->data->rx_queues != NULL; i++)
		rx_queue_release(eth, i);
	for (i = 0; i < eth->data->nb_tx_queues && eth->data->tx_queues != NULL; i++)
		tx_queue_release(eth, i);
	vnic_intr_fini(port);
	vnic_pci_fini(&port->pci);
	rte_vfio_user_client_destroy(port->pci.client);
	vnic_ctrl_fini(port);
	pthread_mutex_destroy(&port->lock);
	if (port->guarded)
		rte_vfio_user_sigbus_disable();
}

static int
dev_close(struct rte_eth_dev *eth)
{
	struct vnic_port *port = eth->data->dev_private;

	if (port->started)
		dev_stop(eth);
	release(port);
	return 0;
}

static const struct eth_dev_ops ops = {
	.dev_configure = dev_configure,
	.dev_start = dev_start,
	.dev_stop = dev_stop,
	.dev_close = dev_close,
	.is_removed = is_removed,
	.dev_infos_get = dev_info,
	.link_update = link_update,
	.mtu_set = mtu_set,
	.rx_queue_setup = rx_queue_setup,
	.tx_queue_setup = tx_queue_setup,
	.rx_queue_release = rx_queue_release,
	.tx_queue_release = tx_queue_release,
	.rxq_info_get = rxq_info,
	.txq_info_get = txq_info,
	.rx_burst_mode_get = rx_burst_mode,
	.tx_burst_mode_get = tx_burst_mode,
	.tx_done_cleanup = vnic_tx_done_cleanup,
	.get_monitor_addr = vnic_desc_monitor,
	.rx_queue_intr_enable = vnic_intr_enable,
	.rx_queue_intr_disable = vnic_intr_disable,
	.promiscuous_enable = vnic_filter_promisc_on,
	.promiscuous_disable = vnic_filter_promisc_off,
	.allmulticast_enable = vnic_filter_allmulti_on,
	.allmulticast_disable = vnic_filter_allmulti_off,
	.mac_addr_set = vnic_filter_mac_set,
	.mac_addr_add = vnic_filter_mac_add,
	.mac_addr_remove = vnic_filter_mac_remove,
	.set_mc_addr_list = vnic_filter_mc_list,
	.vlan_filter_set = vnic_filter_vlan,
	.vlan_offload_set = vnic_filter_vlan_offload,
	.stats_get = vnic_stats_get,
	.stats_reset = vnic_stats_reset,
	.xstats_get = vnic_xstats_get,
	.xstats_get_names = vnic_xstats_names,
	.xstats_reset = vnic_stats_reset,
};

static const struct eth_dev_ops secondary_ops = {
	.dev_infos_get = dev_info,
	.link_update = virtio_net_link_known,
	.stats_get = vnic_stats_get,
	.stats_reset = vnic_stats_reset,
	.xstats_get = vnic_xstats_get,
	.xstats_get_names = vnic_xstats_names,
	.xstats_reset = vnic_stats_reset,
};

/* --------------------------------------------------------- probe, remove */

static int
connect_device(struct vnic_port *port)
{
	struct rte_vfio_user_client_conf conf;
	int ret;

	rte_vfio_user_client_conf_init(&conf);
	conf.sock_path = port->conf.path;
	conf.connect_timeout_ms = port->conf.connect_ms;
	conf.request_timeout_ms = port->conf.timeout_ms;
	conf.reconnect_timeout_ms = port->conf.reconnect_ms;
	conf.max_msg_fds = 253; /* doorbells of many queues */
	if (conf.reconnect_timeout_ms != 0)
		conf.state_cb = vnic_reconnect_state;
	conf.priv = port;
	port->pci.client = rte_vfio_user_client_create(&conf);
	if (port->pci.client == NULL) {
		VNIC_LOG(ERR, "%s: no device at %s: %s", port->name, port->conf.path,
			 strerror(rte_errno));
		return -rte_errno;
	}
	ret = rte_vfio_user_client_eal_map(port->pci.client);
	if (ret == -ENOTSUP)
		VNIC_LOG(ERR, "%s: the memory of this process cannot be shared: it was started "
			 "with --legacy-mem, or --in-memory on an old kernel", port->name);
	else if (ret < 0)
		VNIC_LOG(ERR, "%s: the device does not take the memory of this process: %s",
			 port->name, strerror(-ret));
	return ret;
}

static int
init_macs(struct vnic_port *port)
{
	struct rte_ether_addr *macs;

	macs = rte_calloc("vnic_macs", VNIC_MAX_MACS, sizeof(*macs), 0);
	if (macs == NULL)
		return -ENOMEM;
	if (!rte_is_zero_ether_addr(&port->conf.mac))
		port->filter.mac = port->conf.mac;
	else if (rte_is_valid_assigned_ether_addr(&port->device_mac))
		port->filter.mac = port->device_mac;
	else
		rte_eth_random_addr(port->filter.mac.addr_bytes);
	macs[0] = port->filter.mac;
	port->eth->data->mac_addrs = macs;
	return 0;
}

static int
init_port(struct vnic_port *port)
{
	int ret;

	pthread_mutex_init(&port->lock, NULL);
	/* doorbells lie in memory that the device can truncate */
	ret = rte_vfio_user_sigbus_enable();
	port->guarded = ret == 0;
	if (ret < 0)
		VNIC_LOG(WARNING, "%s: a device that truncates its memory kills this process: %s",
			 port->name, strerror(-ret));
	port->pci.name = port->name;
	port->pci.timeout_ms = port->conf.timeout_ms;
	ret = vnic_intr_init(port);
	if (ret == 0)
		ret = vnic_ctrl_init(port);
	if (ret == 0)
		ret = connect_device(port);
	if (ret == 0)
		ret = vnic_pci_init(&port->pci);
	if (ret == 0)
		ret = vnic_port_discover(port);
	if (ret == 0)
		ret = init_macs(port);
	if (ret == 0)
		ret = vnic_thread_add(port);
	return ret;
}

static int
create(struct rte_vdev_device *vdev, const struct vnic_conf *conf)
{
	struct rte_eth_dev *eth;
	struct vnic_port *port;
	int ret;

	eth = rte_eth_vdev_allocate(vdev, sizeof(*port));
	if (eth == NULL)
		return -ENOMEM;
	port = eth->data->dev_private;
	port->eth = eth;
	port->name = eth->data->name;
	port->conf = *conf;
	port->config_fd = -1;
	ret = init_port(port);
	if (ret < 0) {
		release(port);
		rte_eth_dev_release_port(eth);
		return ret;
	}
	eth->data->dev_flags |= RTE_ETH_DEV_INTR_RMV | RTE_ETH_DEV_AUTOFILL_QUEUE_XSTATS;
	if (port->pci.nb_vectors != 0)
		eth->data->dev_flags |= RTE_ETH_DEV_INTR_LSC;
	eth->data->mtu = RTE_MIN(port->max_mtu, RTE_ETHER_MTU);
	eth->dev_ops = &ops;
	choose_bursts(eth, port->features);
	eth->rx_queue_count = vnic_desc_rx_count;
	eth->rx_descriptor_status = vnic_desc_rx_status;
	eth->tx_descriptor_status = vnic_desc_tx_status;
	virtio_net_tel_add(&vnic_tel, eth);
	rte_eth_dev_probing_finish(eth);
	return 0;
}

static int
probe_secondary(struct rte_vdev_device *vdev)
{
	const char *name = rte_vdev_device_name(vdev);
	int ret = virtio_net_attach_secondary(vdev, &secondary_ops);

	if (ret < 0)
		VNIC_LOG(ERR, "%s: not a port of the primary process", name);
	else
		VNIC_LOG(NOTICE, "%s: statistics only, this is a secondary process", name);
	return ret;
}

static int
probe(struct rte_vdev_device *vdev)
{
	const char *name = rte_vdev_device_name(vdev);
	struct vnic_conf conf;
	int ret;

	if (rte_eal_process_type() != RTE_PROC_PRIMARY)
		return probe_secondary(vdev);
	ret = vnic_conf_parse(&conf, name, rte_vdev_device_args(vdev));
	if (ret < 0)
		return ret;
	if (vnic_queue_sections_init() < 0) {
		VNIC_LOG(ERR, "%s: the kernel has no membarrier(2)", name);
		return -ENOTSUP;
	}
	return create(vdev, &conf);
}

static struct rte_vdev_driver driver = {
	.probe = probe,
	.remove = virtio_net_remove,
};

RTE_PMD_REGISTER_VDEV(net_virtio_vfio_user, driver);
RTE_PMD_REGISTER_PARAM_STRING(net_virtio_vfio_user, VNIC_CONF_HELP);
