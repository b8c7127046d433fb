/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#include <inttypes.h>
#include <stdio.h>

#include "nic.h"
#include "nic_stats.h"

static struct nic *
nic_of(struct rte_eth_dev *eth)
{
	return eth->data->dev_private;
}

/* ---------------------------------------------------------------- counters */

static uint64_t
since_reset(const uint64_t *now, const uint64_t *reset)
{
	return NIC_GET(*now) - *reset;
}

#define COUNT(q, what) since_reset(&(q)->counters.what, &(q)->reset.what)

static void
counters_copy(struct nic_counters *to, const struct nic_counters *from)
{
	size_t i;

	to->packets = NIC_GET(from->packets);
	to->bytes = NIC_GET(from->bytes);
	for (i = 0; i < RTE_DIM(to->causes); i++)
		to->causes[i] = NIC_GET(from->causes[i]);
}

/* The counters of queues are those of the first ones; queues may be NULL. */
static void
rx_stats_add(const struct nic_rx_queue *q, uint16_t i, struct rte_eth_stats *stats,
	     virtio_net_queue_stats *queues)
{
	const uint64_t errors = COUNT(q, causes[NIC_RX_BAD_HEADER]) +
		COUNT(q, causes[NIC_RX_TOO_SHORT]) + COUNT(q, causes[NIC_RX_TOO_LONG]);

	stats->ipackets += COUNT(q, packets);
	stats->ibytes += COUNT(q, bytes);
	stats->ierrors += errors;
	stats->rx_nombuf += COUNT(q, causes[NIC_RX_NO_MBUF]);
	if (queues == NULL || i >= RTE_DIM(queues->q_ipackets))
		return;
	queues->q_ipackets[i] = COUNT(q, packets);
	queues->q_ibytes[i] = COUNT(q, bytes);
	queues->q_errors[i] = errors;
}

static void
tx_stats_add(const struct nic_tx_queue *q, uint16_t i, struct rte_eth_stats *stats,
	     virtio_net_queue_stats *queues)
{
	stats->opackets += COUNT(q, packets);
	stats->obytes += COUNT(q, bytes);
	stats->oerrors += COUNT(q, causes[NIC_TX_TOO_LONG]) +
		COUNT(q, causes[NIC_TX_BAD_OFFLOAD]);
	if (queues == NULL || i >= RTE_DIM(queues->q_opackets))
		return;
	queues->q_opackets[i] = COUNT(q, packets);
	queues->q_obytes[i] = COUNT(q, bytes);
}

int
nic_stats_get(struct rte_eth_dev *eth, struct rte_eth_stats *stats VIRTIO_NET_QUEUE_STATS)
{
	virtio_net_queue_stats *queues = VIRTIO_NET_QUEUE_STATS_OF(stats);
	const struct nic *nic = nic_of(eth);
	uint16_t i;

	for (i = 0; i < NIC_MAX_PAIRS; i++) {
		if (nic->rx[i] != NULL)
			rx_stats_add(nic->rx[i], i, stats, queues);
		if (nic->tx[i] != NULL)
			tx_stats_add(nic->tx[i], i, stats, queues);
	}
	return 0;
}

int
nic_stats_reset(struct rte_eth_dev *eth)
{
	struct nic *nic = nic_of(eth);
	uint16_t i;

	for (i = 0; i < NIC_MAX_PAIRS; i++) {
		if (nic->rx[i] != NULL)
			counters_copy(&nic->rx[i]->reset, &nic->rx[i]->counters);
		if (nic->tx[i] != NULL)
			counters_copy(&nic->tx[i]->reset, &nic->tx[i]->counters);
	}
	return 0;
}

/* ---------------------------------------------------------------- extended */

/** Names of a queue's counters, in the order of their values. */
static const char *const rx_names[] = {
	[NIC_RX_NO_MBUF] = "no_mbuf",
	[NIC_RX_BAD_HEADER] = "bad_header_drops",
	[NIC_RX_TOO_SHORT] = "too_short_drops",
	[NIC_RX_TOO_LONG] = "too_long_drops",
	[NIC_RX_SEGMENTS] = "segmented_buffers",
	[NIC_RX_CHECKSUMS] = "software_checksums",
};
static const char *const tx_names[] = {
	[NIC_TX_FILTERED] = "filtered",
	[NIC_TX_TOO_LONG] = "too_long_drops",
	[NIC_TX_BAD_OFFLOAD] = "bad_offload_drops",
	[NIC_TX_NO_ROOM] = "no_room",
	[NIC_TX_MERGED] = "merged_buffers",
	[NIC_TX_CHECKSUMS] = "software_checksums",
};

/** Those of a virtqueue, and of the port. */
static const char *const vq_names[] = {
	"guest_notifications", "guest_interrupts", "broken_rings",
};
static const char *const port_names[] = {
	"guest_resets", "guest_commands", "guest_commands_refused",
};

/** What is called for each counter, in the order of the extended statistics. */
struct visit {
	unsigned int count;
	unsigned int nb; /**< room */
	struct rte_eth_xstat *values; /**< or NULL */
	struct rte_eth_xstat_name *names; /**< or NULL */
};

static void
visit(struct visit *v, const char *prefix, const char *name, uint64_t value)
{
	if (v->count < v->nb) {
		if (v->values != NULL)
			v->values[v->count] = (struct rte_eth_xstat){ v->count, value };
		if (v->names != NULL)
			snprintf(v->names[v->count].name, sizeof(v->names[0].name), "%s%s",
				 prefix, name);
	}
	v->count++;
}

static void
visit_vq(struct visit *v, const char *prefix, struct nic *nic, uint16_t vq)
{
	struct rte_virtio_queue_info info = { 0 };

	if (nic->dev != NULL && rte_virtio_dev_queue(nic->dev, vq) != NULL)
		rte_virtio_queue_info_get(rte_virtio_dev_queue(nic->dev, vq), &info);
	visit(v, prefix, vq_names[0], info.kicks);
	visit(v, prefix, vq_names[1], info.interrupts);
	visit(v, prefix, vq_names[2], info.broken);
}

static void
visit_queues(struct visit *v, struct nic *nic, uint16_t i)
{
	char prefix[16];
	size_t k;

	if (nic->rx[i] != NULL) {
		snprintf(prefix, sizeof(prefix), "rx_q%u_", i);
		for (k = 0; k < RTE_DIM(rx_names); k++)
			visit(v, prefix, rx_names[k], COUNT(nic->rx[i], causes[k]));
		visit_vq(v, prefix, nic, 2 * i + 1);
	}
	if (nic->tx[i] != NULL) {
		snprintf(prefix, sizeof(prefix), "tx_q%u_", i);
		for (k = 0; k < RTE_DIM(tx_names); k++)
			visit(v, prefix, tx_names[k], COUNT(nic->tx[i], causes[k]));
		visit_vq(v, prefix, nic, 2 * i);
	}
}

static int
visit_all(struct visit *v, struct nic *nic)
{
	uint16_t i;

	/* telemetry asks at any time, and the device may go */
	pthread_mutex_lock(&nic->lock);
	visit(v, "", port_names[0], NIC_GET(nic->resets));
	visit(v, "", port_names[1], NIC_GET(nic->commands));
	visit(v, "", port_names[2], NIC_GET(nic->refused));
	for (i = 0; i < NIC_MAX_PAIRS; i++)
		visit_queues(v, nic, i);
	pthread_mutex_unlock(&nic->lock);
	return (int)v->count;
}

int
nic_xstats_get(struct rte_eth_dev *eth, struct rte_eth_xstat *xstats, unsigned int nb)
{
	struct visit v = { .nb = xstats != NULL ? nb : 0, .values = xstats };

	return visit_all(&v, nic_of(eth));
}

int
nic_xstats_get_names(struct rte_eth_dev *eth, struct rte_eth_xstat_name *names, unsigned int nb)
{
	struct visit v = { .nb = names != NULL ? nb : 0, .names = names };

	return visit_all(&v, nic_of(eth));
}
