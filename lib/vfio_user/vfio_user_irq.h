/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#ifndef VFIO_USER_IRQ_H
#define VFIO_USER_IRQ_H

/**
 * @file
 * Interrupts of a device: eventfds, masks, levels
 *
 * Each vector owns one *slot* file descriptor from its first use until the
 * device goes. Assigning an eventfd duplicates it onto the slot, de-assigning
 * puts a sink there, both by dup3(): a trigger from any thread is one write to
 * a number that never belongs to anybody else.
 *
 * Threads: trigger, hold, clear, set_level, state, count and fd from any thread;
 * all else by the poller.
 */

#include <stdbool.h>
#include <stdint.h>

#include <linux/vfio.h>

#include "vfio_user_fd.h"
#include "vfio_user_stats.h"

/** A vector. */
struct vfio_user_irq_vec {
	int slot; /* -1 until first use, then fixed */
	uint32_t state; /* atomic: RTE_VFIO_USER_IRQ_* and private bits */
	int mask_fd; /* signalled when it is masked, or -1 */
	int unmask_fd; /* signalled when it is unmasked, or resample input, or -1 */
	/* a vector nearly always has one thread that triggers it */
	uint64_t delivered, held, unassigned;
};

/** An interrupt index. */
struct vfio_user_irq_index {
	uint32_t count;
	uint32_t flags; /* VFIO_IRQ_INFO_* */
	uint32_t nb_enabled; /* atomic: vectors with an eventfd */
	struct vfio_user_irq_vec *vecs;
};

struct vfio_user_irqs {
	uint32_t nb;
	struct vfio_user_irq_index *index;
	int sink; /* eventfd that nobody reads */
	int epfd; /* where resample eventfds are watched */
	uint32_t epoll_tag; /* low half of their event data; the vector is above */
};

int vfio_user_irqs_init(struct vfio_user_irqs *irqs, uint32_t nb, int epfd,
			uint32_t epoll_tag);
void vfio_user_irqs_fini(struct vfio_user_irqs *irqs);

/** Describe an index: 0, -EINVAL, -ENOMEM. */
int vfio_user_irqs_describe(struct vfio_user_irqs *irqs, uint32_t index,
			    uint32_t count, uint32_t flags);

/** GET_IRQ_INFO: 0 or -EINVAL. */
int vfio_user_irqs_info(const struct vfio_user_irqs *irqs,
			struct vfio_irq_info *info);

/**
 * SET_IRQS that vfio_user_decode_set_irqs() accepted. Takes the fds it needs.
 * On error nothing changed.
 *
 * @return
 *   0, -EINVAL (range, not an eventfd), -ENOTTY (not supported by the index),
 *   -EMFILE
 */
int vfio_user_irqs_set(struct vfio_user_irqs *irqs, const struct vfio_irq_set *set,
		       const uint8_t *bools, struct vfio_user_fds *fds);

/** De-assign everything, hold nothing back: the client is gone. */
void vfio_user_irqs_release(struct vfio_user_irqs *irqs);

/** A watched resample eventfd is readable; data is that of the event. */
void vfio_user_irqs_resample(struct vfio_user_irqs *irqs, uint64_t data);

int vfio_user_irqs_trigger(struct vfio_user_irqs *irqs, uint32_t index, uint32_t vector);

/** Mask by the device: 0 or -EINVAL. Letting go delivers what is pending. */
int vfio_user_irqs_hold(struct vfio_user_irqs *irqs, uint32_t index, uint32_t vector,
			bool hold);

/** Forget what is pending: 0 or -EINVAL. */
int vfio_user_irqs_clear(struct vfio_user_irqs *irqs, uint32_t index, uint32_t vector);

int vfio_user_irqs_set_level(struct vfio_user_irqs *irqs, uint32_t index,
			     uint32_t vector, bool asserted);
int vfio_user_irqs_state(const struct vfio_user_irqs *irqs, uint32_t index,
			 uint32_t vector);

/** Vectors of an index that have an eventfd, or -EINVAL. */
int vfio_user_irqs_count(const struct vfio_user_irqs *irqs, uint32_t index);

/** Set a device's counters of interrupts; the indexes are described. Any thread. */
void vfio_user_irqs_stats(const struct vfio_user_irqs *irqs,
			  struct rte_vfio_user_stats *stats);

/** The slot of a vector: its number, -ENOENT (nothing assigned), -EINVAL. */
int vfio_user_irqs_fd(const struct vfio_user_irqs *irqs, uint32_t index, uint32_t vector);

#endif /* VFIO_USER_IRQ_H */
