/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#include <rte_alarm.h>
#include <rte_cycles.h>

#include "nic_moderation.h"

/** Shortest time between two alarms, microseconds. */
#define PERIOD_MIN 50u

static struct nic_moderation *
moderation_of(struct nic *nic, uint16_t vq, struct rte_virtio_queue **queue)
{
	struct nic_rx_queue *rx = nic->rx[vq / 2];
	struct nic_tx_queue *tx = nic->tx[vq / 2];

	*queue = NULL;
	if (vq % 2 == 0) {
		if (tx == NULL)
			return NULL;
		*queue = NIC_GET(tx->vq);
		return &tx->moderation;
	}
	if (rx == NULL)
		return NULL;
	*queue = NIC_GET(rx->vq);
	return &rx->moderation;
}

/* ----------------------------------------------------------------- the alarm */

static void
look(struct nic *nic, uint16_t vq, uint64_t now)
{
	struct rte_virtio_queue *queue;
	struct nic_moderation *moderation = moderation_of(nic, vq, &queue);
	uint64_t deadline;

	if (moderation == NULL)
		return;
	deadline = NIC_GET(moderation->deadline);
	if (deadline == 0 || now < deadline || deadline == moderation->told)
		return;
	NIC_SET(moderation->told, deadline);
	if (queue != NULL)
		rte_virtio_queue_signal(queue);
}

/* Microseconds to the next alarm, or 0. */
static uint32_t
period(const struct nic *nic)
{
	uint32_t shortest = UINT32_MAX;
	uint16_t vq;

	for (vq = 0; vq < 2 * nic->pairs; vq++)
		if (nic->coalescing[vq].max_usecs != 0)
			shortest = RTE_MIN(shortest, nic->coalescing[vq].max_usecs);
	return shortest == UINT32_MAX ? 0 : RTE_MAX(shortest, PERIOD_MIN);
}

/* No interrupt is delayed any more, since nobody would send what is owed. Locked. */
static void
give_up(struct nic *nic)
{
	struct nic_moderation *moderation;
	struct rte_virtio_queue *queue;
	uint16_t vq;

	NIC_LOG(WARNING, "%s: no alarm: interrupts are not moderated", nic->name);
	for (vq = 0; vq < 2 * nic->pairs; vq++) {
		nic->coalescing[vq].max_usecs = 0;
		moderation = moderation_of(nic, vq, &queue);
		if (moderation == NULL)
			continue;
		NIC_SET(moderation->max_usecs, 0);
		if (queue != NULL)
			rte_virtio_queue_signal(queue);
	}
}

static void alarm_ring(void *arg);

/* Set the next alarm, if one is needed. Locked. */
static void
tick(struct nic *nic)
{
	const uint32_t usecs = period(nic);

	nic->ticking = usecs != 0 && rte_eal_alarm_set(usecs, alarm_ring, nic) == 0;
	if (usecs != 0 && !nic->ticking)
		give_up(nic);
}

static void
alarm_ring(void *arg)
{
	struct nic *nic = arg;
	const uint64_t now = rte_rdtsc();
	uint16_t vq;

	pthread_mutex_lock(&nic->lock);
	for (vq = 0; vq < 2 * nic->pairs; vq++)
		look(nic, vq, now);
	tick(nic);
	pthread_mutex_unlock(&nic->lock);
}

void
nic_moderation_stop(struct nic *nic)
{
	uint16_t vq;

	pthread_mutex_lock(&nic->lock);
	for (vq = 0; vq < RTE_DIM(nic->coalescing); vq++)
		nic->coalescing[vq] = (struct nic_coalescing){ 0 };
	pthread_mutex_unlock(&nic->lock);
	/* one that runs now has been waited for, and sets no other one */
	rte_eal_alarm_cancel(alarm_ring, nic);
	nic->ticking = false;
}

/* ------------------------------------------------------------------ settings */

void
nic_moderation_set(struct nic *nic, uint16_t first, uint16_t nb,
		   const struct nic_coalescing *coal)
{
	struct rte_virtio_queue *queue;
	struct nic_moderation *moderation;
	uint16_t vq;

	pthread_mutex_lock(&nic->lock);
	for (vq = first; nb != 0 && vq < 2 * nic->pairs; vq += 2, nb--) {
		nic->coalescing[vq] = *coal;
		moderation = moderation_of(nic, vq, &queue);
		if (moderation == NULL)
			continue;
		NIC_SET(moderation->max_packets, coal->max_packets);
		NIC_SET(moderation->max_usecs, coal->max_usecs);
		/* one that was owed under the former rule may have nobody to send it */
		if (queue != NULL)
			rte_virtio_queue_signal(queue);
	}
	if (!nic->ticking)
		tick(nic);
	pthread_mutex_unlock(&nic->lock);
}

void
nic_moderation_reset(struct nic *nic)
{
	nic_moderation_set(nic, 0, NIC_MAX_PAIRS,
			   &(struct nic_coalescing){ .max_usecs = nic->conf.rx_usecs });
	nic_moderation_set(nic, 1, NIC_MAX_PAIRS,
			   &(struct nic_coalescing){ .max_usecs = nic->conf.tx_usecs });
}

/* --------------------------------------------------------------- data path */

void
nic_moderation_run(struct rte_virtio_queue *vq, struct nic_moderation *moderation, uint32_t nb)
{
	const uint32_t max = NIC_GET(moderation->max_packets);
	uint64_t now;

	if (moderation->deadline != 0 && moderation->deadline == NIC_GET(moderation->told)) {
		/* the alarm has sent what was owed */
		moderation->packets = 0;
		NIC_SET(moderation->deadline, 0);
	}
	moderation->packets += nb;
	if (moderation->packets == 0)
		return;
	now = rte_rdtsc();
	if (moderation->deadline == 0)
		NIC_SET(moderation->deadline, now + NIC_GET(moderation->max_usecs) *
			(rte_get_tsc_hz() / US_PER_S));
	if (now < moderation->deadline && (max == 0 || moderation->packets < max))
		return;
	moderation->packets = 0;
	NIC_SET(moderation->deadline, 0);
	rte_virtio_queue_interrupt(vq);
}
