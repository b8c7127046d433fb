/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/uio.h>
#include <unistd.h>

#include "rte_vfio_user_server.h"
#include "vfio_user_codec.h"
#include "vfio_user_irq.h"

#define INFO_FLAGS (VFIO_IRQ_INFO_EVENTFD | VFIO_IRQ_INFO_MASKABLE | \
		    VFIO_IRQ_INFO_AUTOMASKED | VFIO_IRQ_INFO_NORESIZE)

int
vfio_user_irqs_init(struct vfio_user_irqs *irqs, uint32_t nb, int epfd,
		    uint32_t epoll_tag)
{
	irqs->nb = nb;
	irqs->epfd = epfd;
	irqs->epoll_tag = epoll_tag;
	irqs->index = calloc(nb, sizeof(*irqs->index));
	if (irqs->index == NULL)
		return -ENOMEM;
	irqs->sink = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (irqs->sink < 0) {
		free(irqs->index);
		return -errno;
	}
	return 0;
}

void
vfio_user_irqs_fini(struct vfio_user_irqs *irqs)
{
	uint32_t i, v;

	vfio_user_irqs_release(irqs);
	for (i = 0; i < irqs->nb; i++) {
		for (v = 0; v < irqs->index[i].count; v++)
			vfio_user_fd_close(irqs->index[i].vecs[v].slot);
		free(irqs->index[i].vecs);
	}
	free(irqs->index);
	vfio_user_fd_close(irqs->sink);
}

int
vfio_user_irqs_describe(struct vfio_user_irqs *irqs, uint32_t index,
			uint32_t count, uint32_t flags)
{
	struct vfio_user_irq_vec *vecs = NULL;
	uint32_t v;

	if (index >= irqs->nb || count > RTE_VFIO_USER_MAX_VECTORS ||
	    (flags & ~INFO_FLAGS) != 0)
		return -EINVAL;
	if ((flags & VFIO_IRQ_INFO_AUTOMASKED) != 0 &&
	    (flags & VFIO_IRQ_INFO_MASKABLE) == 0)
		return -EINVAL;
	if (count != 0) {
		vecs = calloc(count, sizeof(*vecs));
		if (vecs == NULL)
			return -ENOMEM;
	}
	for (v = 0; v < count; v++)
		vecs[v].slot = vecs[v].mask_fd = vecs[v].unmask_fd = -1;
	free(irqs->index[index].vecs);
	irqs->index[index].vecs = vecs;
	irqs->index[index].count = count;
	irqs->index[index].flags = flags;
	irqs->index[index].nb_enabled = 0;
	return 0;
}

int
vfio_user_irqs_info(const struct vfio_user_irqs *irqs, struct vfio_irq_info *info)
{
	if (info->argsz < sizeof(*info) || info->index >= irqs->nb)
		return -EINVAL;
	info->argsz = sizeof(*info);
	info->flags = irqs->index[info->index].flags;
	info->count = irqs->index[info->index].count;
	return 0;
}

/* ------------------------------------------------------------ signalling */

static bool
is_blocking(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	return flags < 0 || (flags & O_NONBLOCK) == 0;
}

/*
 * The client shares the eventfd and may have made it blocking and full at any
 * time, so look before each write. (It can still do so between the two.)
 */
static void
signal_fd(int fd)
{
	const uint64_t one = 1;
	struct pollfd pfd = { .fd = fd, .events = POLLOUT };

	/* a full counter already tells the reader: nothing is lost */
	if (is_blocking(fd) && poll(&pfd, 1, 0) != 1)
		return;
	if (write(fd, &one, sizeof(one)) < 0)
		return;
}

static void
deliver(struct vfio_user_irq_vec *vec)
{
	vfio_user_stats_inc(&vec->delivered);
	signal_fd(vec->slot);
}

/* What decides whether a trigger is a write to the eventfd. */
#define GATES (RTE_VFIO_USER_IRQ_ENABLED | RTE_VFIO_USER_IRQ_MASKED | \
	       RTE_VFIO_USER_IRQ_HELD)

/*
 * Apply bits to the state; deliver what is due and not masked: whether it was.
 * Mask and pending bits are one word, changed by compare-and-exchange: an
 * interrupt that comes while a mask goes is either pending before the change,
 * which delivers it, or finds no mask after it and delivers itself. Only the
 * exchange that takes the pending bit away delivers, so nothing comes twice.
 */
static bool
update(struct vfio_user_irq_vec *vec, bool automask, uint32_t clear, uint32_t set)
{
	uint32_t old = __atomic_load_n(&vec->state, __ATOMIC_ACQUIRE), new;
	bool fire;

	do {
		new = (old & ~clear) | set;
		/* de-assigned since the caller looked: not remembered */
		if ((new & (RTE_VFIO_USER_IRQ_ENABLED | RTE_VFIO_USER_IRQ_HELD)) == 0)
			new &= ~(set & ~old & RTE_VFIO_USER_IRQ_PENDING);
		fire = (new & GATES) == RTE_VFIO_USER_IRQ_ENABLED &&
			(new & (RTE_VFIO_USER_IRQ_PENDING |
				RTE_VFIO_USER_IRQ_ASSERTED)) != 0;
		if (fire) {
			new &= ~RTE_VFIO_USER_IRQ_PENDING;
			if (automask)
				new |= RTE_VFIO_USER_IRQ_MASKED;
		}
	} while (!__atomic_compare_exchange_n(&vec->state, &old, new, false,
					      __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE));
	if (fire)
		deliver(vec);
	return fire;
}

static bool
automasked(const struct vfio_user_irq_index *idx)
{
	return (idx->flags & VFIO_IRQ_INFO_AUTOMASKED) != 0;
}

static bool
is_enabled(const struct vfio_user_irq_vec *vec)
{
	return (__atomic_load_n(&vec->state, __ATOMIC_ACQUIRE) &
		RTE_VFIO_USER_IRQ_ENABLED) != 0;
}

static struct vfio_user_irq_vec *
find(const struct vfio_user_irqs *irqs, uint32_t index, uint32_t vector)
{
	if (index >= irqs->nb || vector >= irqs->index[index].count)
		return NULL;
	return &irqs->index[index].vecs[vector];
}

int
vfio_user_irqs_trigger(struct vfio_user_irqs *irqs, uint32_t index, uint32_t vector)
{
	struct vfio_user_irq_vec *vec = find(irqs, index, vector);
	uint32_t state;

	if (vec == NULL)
		return -EINVAL;
	state = __atomic_load_n(&vec->state, __ATOMIC_ACQUIRE);
	if ((state & (RTE_VFIO_USER_IRQ_ENABLED | RTE_VFIO_USER_IRQ_HELD)) == 0) {
		vfio_user_stats_inc(&vec->unassigned);
		return -ENOENT;
	}
	if ((state & GATES) == RTE_VFIO_USER_IRQ_ENABLED &&
	    !automasked(&irqs->index[index]))
		deliver(vec);
	else if (!update(vec, automasked(&irqs->index[index]), 0,
			 RTE_VFIO_USER_IRQ_PENDING))
		vfio_user_stats_inc(&vec->held);
	return 0;
}

int
vfio_user_irqs_hold(struct vfio_user_irqs *irqs, uint32_t index, uint32_t vector,
		    bool hold)
{
	struct vfio_user_irq_vec *vec = find(irqs, index, vector);

	if (vec == NULL)
		return -EINVAL;
	update(vec, automasked(&irqs->index[index]), hold ? 0 : RTE_VFIO_USER_IRQ_HELD,
	       hold ? RTE_VFIO_USER_IRQ_HELD : 0);
	return 0;
}

int
vfio_user_irqs_clear(struct vfio_user_irqs *irqs, uint32_t index, uint32_t vector)
{
	struct vfio_user_irq_vec *vec = find(irqs, index, vector);

	if (vec == NULL)
		return -EINVAL;
	__atomic_fetch_and(&vec->state, ~RTE_VFIO_USER_IRQ_PENDING, __ATOMIC_ACQ_REL);
	return 0;
}

int
vfio_user_irqs_set_level(struct vfio_user_irqs *irqs, uint32_t index,
			 uint32_t vector, bool asserted)
{
	struct vfio_user_irq_vec *vec = find(irqs, index, vector);
	uint32_t state;

	if (vec == NULL)
		return -EINVAL;
	state = __atomic_load_n(&vec->state, __ATOMIC_ACQUIRE);
	if (((state & RTE_VFIO_USER_IRQ_ASSERTED) != 0) == asserted)
		return 0;
	if (asserted)
		update(vec, automasked(&irqs->index[index]), 0,
		       RTE_VFIO_USER_IRQ_ASSERTED);
	else
		update(vec, automasked(&irqs->index[index]),
		       RTE_VFIO_USER_IRQ_ASSERTED, 0);
	return 0;
}

int
vfio_user_irqs_state(const struct vfio_user_irqs *irqs, uint32_t index, uint32_t vector)
{
	const struct vfio_user_irq_vec *vec = find(irqs, index, vector);

	if (vec == NULL)
		return -EINVAL;
	return (int)__atomic_load_n(&vec->state, __ATOMIC_ACQUIRE);
}

int
vfio_user_irqs_fd(const struct vfio_user_irqs *irqs, uint32_t index, uint32_t vector)
{
	const struct vfio_user_irq_vec *vec = find(irqs, index, vector);

	if (vec == NULL)
		return -EINVAL;
	/* a slot is there before its vector is first enabled */
	return is_enabled(vec) ? vec->slot : -ENOENT;
}

int
vfio_user_irqs_count(const struct vfio_user_irqs *irqs, uint32_t index)
{
	if (index >= irqs->nb)
		return -EINVAL;
	return (int)__atomic_load_n(&irqs->index[index].nb_enabled, __ATOMIC_ACQUIRE);
}

void
vfio_user_irqs_stats(const struct vfio_user_irqs *irqs, struct rte_vfio_user_stats *stats)
{
	const struct vfio_user_irq_index *idx;
	uint32_t i, v;

	for (i = 0; i < irqs->nb; i++) {
		idx = &irqs->index[i];
		for (v = 0; v < idx->count; v++) {
			stats->irqs_delivered += vfio_user_stats_get(&idx->vecs[v].delivered);
			stats->irqs_held += vfio_user_stats_get(&idx->vecs[v].held);
			stats->irqs_unassigned += vfio_user_stats_get(&idx->vecs[v].unassigned);
		}
	}
}

/* --------------------------------------------------------------- SET_IRQS */

/* Only the poller enables and disables: one writer, any reader. */
static void
count_enabled(struct vfio_user_irq_index *idx, int add)
{
	__atomic_store_n(&idx->nb_enabled, idx->nb_enabled + add, __ATOMIC_RELEASE);
}

/* Trigger eventfds: every slot is there before any is changed. */
static int
reserve_slots(struct vfio_user_irqs *irqs, const struct vfio_irq_set *set)
{
	struct vfio_user_irq_vec *vec;
	uint32_t i;

	for (i = 0; i < set->count; i++) {
		vec = find(irqs, set->index, set->start + i);
		if (vec->slot >= 0)
			continue;
		vec->slot = vfio_user_fd_dup(irqs->sink);
		if (vec->slot < 0) {
			vec->slot = -1;
			return -EMFILE;
		}
	}
	return 0;
}

/*
 * Take the eventfd away, and what the client's own mask held back with it. What
 * the device holds back waits for the next eventfd: QEMU takes all of them away
 * when a guest that has masked the function gets one vector more.
 */
static void
deassign(struct vfio_user_irqs *irqs, struct vfio_user_irq_index *idx,
	 struct vfio_user_irq_vec *vec)
{
	uint32_t old = __atomic_load_n(&vec->state, __ATOMIC_ACQUIRE), new;

	do {
		new = old & (RTE_VFIO_USER_IRQ_ASSERTED | RTE_VFIO_USER_IRQ_HELD);
		if ((old & RTE_VFIO_USER_IRQ_HELD) != 0)
			new |= old & RTE_VFIO_USER_IRQ_PENDING;
	} while (!__atomic_compare_exchange_n(&vec->state, &old, new, false,
					      __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE));
	if ((old & RTE_VFIO_USER_IRQ_ENABLED) != 0)
		count_enabled(idx, -1);
	if (vec->slot >= 0)
		dup3(irqs->sink, vec->slot, O_CLOEXEC);
}

static int
assign(struct vfio_user_irqs *irqs, const struct vfio_irq_set *set,
       const struct vfio_user_fds *fds)
{
	struct vfio_user_irq_index *idx = &irqs->index[set->index];
	struct vfio_user_irq_vec *vec;
	uint32_t i;
	int ret;

	if (fds->nb != 0) {
		ret = reserve_slots(irqs, set);
		if (ret < 0)
			return ret;
	}
	for (i = 0; i < set->count; i++) {
		vec = &idx->vecs[set->start + i];
		if (fds->nb == 0) {
			deassign(irqs, idx, vec);
			continue;
		}
		/* fails above a limit that was lowered since the slot is there */
		if (dup3(fds->fd[i], vec->slot, O_CLOEXEC) < 0) {
			ret = -errno;
			goto deassign;
		}
		if (!is_enabled(vec))
			count_enabled(idx, 1);
		update(vec, automasked(idx), 0, RTE_VFIO_USER_IRQ_ENABLED);
	}
	return 0;

deassign:
	do {
		deassign(irqs, idx, &idx->vecs[set->start + i]);
	} while (i-- != 0);
	return ret;
}

static void
drop_mask_fd(struct vfio_user_irq_vec *vec)
{
	vfio_user_fd_close(vec->mask_fd);
	vec->mask_fd = -1;
}

/* Closing it does not end the watch: the client shares the eventfd. */
static void
drop_unmask_fd(struct vfio_user_irqs *irqs, struct vfio_user_irq_vec *vec)
{
	if (vec->unmask_fd < 0)
		return;
	epoll_ctl(irqs->epfd, EPOLL_CTL_DEL, vec->unmask_fd, NULL);
	vfio_user_fd_close(vec->unmask_fd);
	vec->unmask_fd = -1;
}

static int
watch_resample(struct vfio_user_irqs *irqs, uint32_t index, uint32_t vector, int fd)
{
	/* by edges: one read may leave a count that never ends (EFD_SEMAPHORE) */
	struct epoll_event ev = { .events = EPOLLIN | EPOLLET };

	ev.data.u64 = irqs->epoll_tag | (uint64_t)index << 48 | (uint64_t)vector << 32;
	return epoll_ctl(irqs->epfd, EPOLL_CTL_ADD, fd, &ev) < 0 ? -errno : 0;
}

/* Watch all eventfds of UNMASK that the device has to follow, or none. */
static int
watch_all(struct vfio_user_irqs *irqs, const struct vfio_irq_set *set,
	  const struct vfio_user_fds *fds)
{
	uint32_t i;
	int ret;

	if (!automasked(&irqs->index[set->index]))
		return 0;
	for (i = 0; i < fds->nb; i++) {
		ret = watch_resample(irqs, set->index, set->start + i, fds->fd[i]);
		if (ret < 0)
			goto unwatch;
	}
	return 0;

unwatch:
	while (i-- != 0)
		epoll_ctl(irqs->epfd, EPOLL_CTL_DEL, fds->fd[i], NULL);
	return ret;
}

/* Eventfds of MASK and UNMASK. */
static int
assign_mask_fds(struct vfio_user_irqs *irqs, const struct vfio_irq_set *set,
		struct vfio_user_fds *fds)
{
	bool unmask = (set->flags & VFIO_IRQ_SET_ACTION_UNMASK) != 0;
	struct vfio_user_irq_vec *vec;
	uint32_t i;
	int ret;

	if (unmask) {
		ret = watch_all(irqs, set, fds);
		if (ret < 0)
			return ret;
	}
	for (i = 0; i < set->count; i++) {
		vec = find(irqs, set->index, set->start + i);
		if (unmask) {
			drop_unmask_fd(irqs, vec);
			vec->unmask_fd = vfio_user_fds_take(fds, i);
		} else {
			drop_mask_fd(vec);
			vec->mask_fd = vfio_user_fds_take(fds, i);
		}
	}
	return 0;
}

static void
mask_vec(struct vfio_user_irq_vec *vec)
{
	__atomic_fetch_or(&vec->state, RTE_VFIO_USER_IRQ_MASKED, __ATOMIC_ACQ_REL);
	if (vec->mask_fd >= 0)
		signal_fd(vec->mask_fd);
}

static void
unmask_vec(const struct vfio_user_irq_index *idx, struct vfio_user_irq_vec *vec)
{
	update(vec, automasked(idx), RTE_VFIO_USER_IRQ_MASKED, 0);
	if (!automasked(idx) && vec->unmask_fd >= 0)
		signal_fd(vec->unmask_fd);
}

/* DATA_NONE and DATA_BOOL. */
static void
act(struct vfio_user_irqs *irqs, const struct vfio_irq_set *set, const uint8_t *bools)
{
	const struct vfio_user_irq_index *idx = &irqs->index[set->index];
	uint32_t i;

	for (i = 0; i < set->count; i++) {
		if (bools != NULL && bools[i] == 0)
			continue;
		if ((set->flags & VFIO_IRQ_SET_ACTION_MASK) != 0)
			mask_vec(&idx->vecs[set->start + i]);
		else if ((set->flags & VFIO_IRQ_SET_ACTION_UNMASK) != 0)
			unmask_vec(idx, &idx->vecs[set->start + i]);
		else
			vfio_user_irqs_trigger(irqs, set->index, set->start + i);
	}
}

static void
release_index(struct vfio_user_irqs *irqs, struct vfio_user_irq_index *idx)
{
	uint32_t v;

	for (v = 0; v < idx->count; v++) {
		deassign(irqs, idx, &idx->vecs[v]);
		drop_mask_fd(&idx->vecs[v]);
		drop_unmask_fd(irqs, &idx->vecs[v]);
	}
}

static int
check_set(const struct vfio_user_irqs *irqs, const struct vfio_irq_set *set,
	  const struct vfio_user_fds *fds)
{
	const uint32_t masking = VFIO_IRQ_SET_ACTION_MASK | VFIO_IRQ_SET_ACTION_UNMASK;
	const struct vfio_user_irq_index *idx;
	uint32_t i;
	int ret;

	if (set->index >= irqs->nb)
		return -EINVAL;
	idx = &irqs->index[set->index];
	ret = vfio_user_check_irq_range(set, idx->count);
	if (ret < 0)
		return ret;
	if ((set->flags & masking) != 0 && (idx->flags & VFIO_IRQ_INFO_MASKABLE) == 0)
		return -ENOTTY;
	if ((set->flags & VFIO_IRQ_SET_DATA_EVENTFD) != 0 &&
	    (idx->flags & VFIO_IRQ_INFO_EVENTFD) == 0)
		return -ENOTTY;
	for (i = 0; i < fds->nb; i++)
		if (vfio_user_fd_is_eventfd(fds->fd[i]) != 1)
			return -EINVAL;
	return 0;
}

int
vfio_user_irqs_set(struct vfio_user_irqs *irqs, const struct vfio_irq_set *set,
		   const uint8_t *bools, struct vfio_user_fds *fds)
{
	int ret = check_set(irqs, set, fds);

	if (ret < 0)
		return ret;
	if ((set->flags & VFIO_IRQ_SET_DATA_EVENTFD) != 0) {
		if ((set->flags & VFIO_IRQ_SET_ACTION_TRIGGER) != 0)
			return assign(irqs, set, fds);
		return assign_mask_fds(irqs, set, fds);
	}
	if (set->count == 0)
		release_index(irqs, &irqs->index[set->index]);
	else
		act(irqs, set, (set->flags & VFIO_IRQ_SET_DATA_BOOL) != 0 ? bools : NULL);
	return 0;
}

void
vfio_user_irqs_release(struct vfio_user_irqs *irqs)
{
	struct vfio_user_irq_index *idx;
	uint32_t i, v;

	for (i = 0; i < irqs->nb; i++) {
		idx = &irqs->index[i];
		release_index(irqs, idx);
		for (v = 0; v < idx->count; v++)
			__atomic_fetch_and(&idx->vecs[v].state,
					   RTE_VFIO_USER_IRQ_ASSERTED, __ATOMIC_ACQ_REL);
	}
}

/* Empty an eventfd that may be in blocking mode and that others may read. */
static void
drain_eventfd(int fd)
{
	uint64_t count;
	struct iovec iov = { .iov_base = &count, .iov_len = sizeof(count) };

	if (preadv2(fd, &iov, 1, -1, RWF_NOWAIT) < 0 && errno == EOPNOTSUPP &&
	    !is_blocking(fd) && read(fd, &count, sizeof(count)) < 0)
		return;
}

void
vfio_user_irqs_resample(struct vfio_user_irqs *irqs, uint64_t data)
{
	uint32_t index = (uint32_t)(data >> 48), vector = (uint32_t)(data >> 32) & 0xffff;
	struct vfio_user_irq_vec *vec = find(irqs, index, vector);

	if (vec == NULL || vec->unmask_fd < 0)
		return;
	drain_eventfd(vec->unmask_fd);
	unmask_vec(&irqs->index[index], vec);
}
