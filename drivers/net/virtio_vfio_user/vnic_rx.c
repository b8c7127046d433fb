/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#include "vnic_rx.h"

uint16_t
vnic_rx_batch_begin(struct vnic_queue *q, const struct vnic_used *last, uint16_t ready)
{
	const uint16_t nb = ((last->id - q->ids_put) & q->mask) + 1;

	if (last->id >= q->size || nb > ready) {
		vnic_queue_break(q, "no buffer", last->id);
		return 0;
	}
	q->batch_len = last->len;
	__atomic_store_n(&q->nb_batch, nb, __ATOMIC_RELAXED);
	return nb;
}

uint16_t
vnic_rx_batch_take(struct vnic_queue *q, struct vnic_used *used, uint16_t nb)
{
	const uint16_t left = q->nb_batch;
	uint16_t i;

	nb = RTE_MIN(nb, left);
	for (i = 0; i < nb; i++) {
		used[i].id = (uint16_t)(q->ids_put + i) & q->mask;
		used[i].len = i + 1 == left ? q->batch_len : q->buf_len;
	}
	__atomic_store_n(&q->nb_batch, left - nb, __ATOMIC_RELAXED);
	return nb;
}
