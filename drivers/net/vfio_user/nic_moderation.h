/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#ifndef NIC_MODERATION_H
#define NIC_MODERATION_H

/**
 * @file
 * Moderation of the interrupts of the guest (VIRTIO_NET_F_NOTF_COAL)
 *
 * A moderated queue interrupts after a number of packets or a time. The data path
 * looks at the time whenever it works on the queue; an alarm of the EAL finds
 * what is late because it does not. There is no alarm while nothing is moderated.
 */

#include "nic.h"

/** As before a driver changed anything: what the arguments say. Not locked. */
void nic_moderation_reset(struct nic *nic);

/**
 * Moderate virtqueues first, first + 2, ... of which nb - 1 follow. Not locked.
 */
void nic_moderation_set(struct nic *nic, uint16_t first, uint16_t nb,
			const struct nic_coalescing *coal);

/** No alarm comes any more. Not locked. */
void nic_moderation_stop(struct nic *nic);

/** What nic_interrupt() does for a queue that is moderated. */
void nic_moderation_run(struct rte_virtio_queue *vq, struct nic_moderation *moderation,
			uint32_t nb);

/** Interrupt the guest for nb packets, if it wants that, now or later. Data path. */
static inline void
nic_interrupt(struct rte_virtio_queue *vq, struct nic_moderation *moderation, uint32_t nb)
{
	if (unlikely(NIC_GET(moderation->max_usecs) != 0))
		nic_moderation_run(vq, moderation, nb);
	else if (nb != 0)
		rte_virtio_queue_interrupt(vq);
}

#endif /* NIC_MODERATION_H */
