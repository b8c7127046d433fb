/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "vnic.h"
#include "vnic_stats.h"

/* A counter of struct vnic_counters. */
struct counter {
	const char *name;
	size_t offset;
};

#define AT(field) offsetof(struct vnic_counters, field)

static const struct counter rx_counters[] = {
	{ "kicks", AT(kicks) },
	{ "no_mbuf", AT(causes[VNIC_RX_NO_MBUF]) },
	{ "bad_header", AT(causes[VNIC_RX_BAD_HEADER]) },
	{ "too_short", AT(causes[VNIC_RX_TOO_SHORT]) },
	{ "merged", AT(causes[VNIC_RX_MERGED]) },
	{ "broken", AT(causes[VNIC_RX_BROKEN]) },
};

static const struct counter tx_counters[] = {
	{ "kicks", AT(kicks) },
	{ "too_many_segs", AT(causes[VNIC_TX_TOO_MANY_SEGS]) },
	{ "indirect", AT(causes[VNIC_TX_INDIRECT]) },
	{ "chained", AT(causes[VNIC_TX_CHAINED]) },
	{ "full", AT(causes[VNIC_TX_FULL]) },
	{ "broken", AT(causes[VNIC_TX_BROKEN]) },
};

/* Of the port. */
static const struct counter port_counters[] = {
	{ "control_commands", offsetof(struct vnic_port, ctrl.commands) },
	{ "control_refused", offsetof(struct vnic_port, ctrl.refused) },
	{ "connection_losses", offsetof(struct vnic_port, losses) },
	{ "device_restarts", offsetof(struct vnic_port, restarts) },
};

/* What a queue counted since the last reset of the statistics. */
static uint64_t
value(const struct vnic_queue *q, size_t offset)
{
	const uint64_t *now = (const void *)((const uint8_t *)&q->count + offset);
	const uint64_t *base = (const void *)((const uint8_t *)&q->base + offset);

	return __atomic_load_n(now, __ATOMIC_RELAXED) - *base;
}

/* The counters of queues are those of the first ones; queues may be NULL. */
static void
add_rx(const struct vnic_queue *q, uint16_t i, struct rte_eth_stats *stats,
       virtio_net_queue_stats *queues)
{
	const uint64_t packets = value(q, AT(packets)), bytes = value(q, AT(bytes));

	stats->ipackets += packets;
	stats->ibytes += bytes;
	stats->ierrors += value(q, AT(errors));
	stats->rx_nombuf += value(q, AT(causes[VNIC_RX_NO_MBUF]));
	if (queues == NULL || i >= RTE_DIM(queues->q_ipackets))
		return;
	queues->q_ipackets[i] = packets;
	queues->q_ibytes[i] = bytes;
	queues->q_errors[i] = value(q, AT(errors));
}

static void
add_tx(const struct vnic_queue *q, uint16_t i, struct rte_eth_stats *stats,
       virtio_net_queue_stats *queues)
{
	const uint64_t packets = value(q, AT(packets)), bytes = value(q, AT(bytes));

	stats->opackets += packets;
	stats->obytes += bytes;
	stats->oerrors += value(q, AT(errors));
	if (queues == NULL || i >= RTE_DIM(queues->q_opackets))
		return;
	queues->q_opackets[i] = packets;
	queues->q_obytes[i] = bytes;
}

int
vnic_stats_get(struct rte_eth_dev *eth, struct rte_eth_stats *stats VIRTIO_NET_QUEUE_STATS)
{
	virtio_net_queue_stats *queues = VIRTIO_NET_QUEUE_STATS_OF(stats);
	uint16_t i;

	for (i = 0; i < eth->data->nb_rx_queues; i++)
		if (vnic_rxq(eth, i) != NULL)
			add_rx(vnic_rxq(eth, i), i, stats, queues);
	for (i = 0; i < eth->data->nb_tx_queues; i++)
		if (vnic_txq(eth, i) != NULL)
			add_tx(vnic_txq(eth, i), i, stats, queues);
	return 0;
}

int
vnic_stats_reset(struct rte_eth_dev *eth)
{
	uint16_t i;

	for (i = 0; i < eth->data->nb_rx_queues; i++)
		if (vnic_rxq(eth, i) != NULL)
			vnic_rxq(eth, i)->base = vnic_rxq(eth, i)->count;
	for (i = 0; i < eth->data->nb_tx_queues; i++)
		if (vnic_txq(eth, i) != NULL)
			vnic_txq(eth, i)->base = vnic_txq(eth, i)->count;
	return 0;
}

/* ------------------------------------------------------------- extended */

static unsigned int
nb_xstats(const struct rte_eth_dev *eth)
{
	return RTE_DIM(port_counters) + eth->data->nb_rx_queues * RTE_DIM(rx_counters) +
	       eth->data->nb_tx_queues * RTE_DIM(tx_counters);
}

static uint64_t
port_value(const struct vnic_port *port, const struct counter *counter)
{
	const void *at = (const uint8_t *)port + counter->offset;

	if (counter->offset == offsetof(struct vnic_port, losses))
		return __atomic_load_n((const uint32_t *)at, __ATOMIC_RELAXED);
	return __atomic_load_n((const uint64_t *)at, __ATOMIC_RELAXED);
}

static unsigned int
add_values(struct rte_eth_xstat *xstats, unsigned int at, const struct vnic_queue *q,
	   const struct counter *counters, unsigned int nb)
{
	unsigned int i;

	for (i = 0; i < nb; i++, at++) {
		xstats[at].id = at;
		xstats[at].value = q == NULL ? 0 : value(q, counters[i].offset);
	}
	return at;
}

int
vnic_xstats_get(struct rte_eth_dev *eth, struct rte_eth_xstat *xstats, unsigned int nb)
{
	const struct vnic_port *port = eth->data->dev_private;
	unsigned int at;
	uint16_t i;

	if (xstats == NULL || nb < nb_xstats(eth))
		return nb_xstats(eth);
	for (at = 0; at < RTE_DIM(port_counters); at++) {
		xstats[at].id = at;
		xstats[at].value = port_value(port, &port_counters[at]);
	}
	for (i = 0; i < eth->data->nb_rx_queues; i++)
		at = add_values(xstats, at, vnic_rxq(eth, i), rx_counters, RTE_DIM(rx_counters));
	for (i = 0; i < eth->data->nb_tx_queues; i++)
		at = add_values(xstats, at, vnic_txq(eth, i), tx_counters, RTE_DIM(tx_counters));
	return at;
}

static unsigned int
add_names(struct rte_eth_xstat_name *names, unsigned int at, const char *dir, uint16_t queue,
	  const struct counter *counters, unsigned int nb)
{
	unsigned int i;

	for (i = 0; i < nb; i++, at++)
		snprintf(names[at].name, sizeof(names[at].name), "%s_q%u_%s", dir, queue,
			 counters[i].name);
	return at;
}

int
vnic_xstats_names(struct rte_eth_dev *eth, struct rte_eth_xstat_name *names, unsigned int nb)
{
	unsigned int at;
	uint16_t i;

	if (names == NULL || nb < nb_xstats(eth))
		return nb_xstats(eth);
	for (at = 0; at < RTE_DIM(port_counters); at++)
		snprintf(names[at].name, sizeof(names[at].name), "%s", port_counters[at].name);
	for (i = 0; i < eth->data->nb_rx_queues; i++)
		at = add_names(names, at, "rx", i, rx_counters, RTE_DIM(rx_counters));
	for (i = 0; i < eth->data->nb_tx_queues; i++)
		at = add_names(names, at, "tx", i, tx_counters, RTE_DIM(tx_counters));
	return at;
}
