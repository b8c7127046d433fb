/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <rte_common.h>

#include "vfio_user_client.h"

#define IRQ_SET_MINSZ offsetof(struct vfio_irq_set, data)

/* One DEVICE_SET_IRQS with what follows the structure, or file descriptors. */
static int
send_irqs(struct rte_vfio_user_client *client, const struct vfio_irq_set *set,
	  uint32_t start, uint32_t count, uint32_t data_len, const int *fds,
	  uint32_t nb_fds)
{
	struct vfio_irq_set wire = {
		.argsz = IRQ_SET_MINSZ + data_len,
		.flags = set->flags,
		.index = set->index,
		.start = start,
		.count = count,
	};
	struct vfio_user_client_req creq = { .head = NULL };
	const struct vfio_user_out out = {
		.head = &wire,
		.head_len = IRQ_SET_MINSZ,
		.data = set->data,
		.data_len = data_len,
		.fds = fds,
		.nb_fds = nb_fds,
	};

	return vfio_user_client_call(client, &creq, VFIO_USER_DEVICE_SET_IRQS, &out);
}

static int
irq_fd(const struct vfio_irq_set *set, uint32_t i)
{
	int32_t fd;

	memcpy(&fd, set->data + i * sizeof(fd), sizeof(fd));
	return fd;
}

/* Interrupts from i on for one message: all with a file descriptor, or none. */
static uint32_t
irq_run(const struct vfio_irq_set *set, uint32_t i, uint32_t max_fds, int *fds)
{
	uint32_t n = 0;

	if (irq_fd(set, i) < 0) {
		while (i + n < set->count && irq_fd(set, i + n) < 0)
			n++;
	} else {
		while (n < max_fds && i + n < set->count &&
		       irq_fd(set, i + n) >= 0) {
			fds[n] = irq_fd(set, i + n);
			n++;
		}
	}
	return n;
}

static int
set_eventfds(struct rte_vfio_user_client *client, const struct vfio_irq_set *set)
{
	uint32_t max_fds = client->neg.max_msg_fds;
	int fds[RTE_VFIO_USER_MAX_MSG_FDS];
	uint32_t i, n;
	bool some;
	int ret;

	for (i = 0; i < set->count; i++)
		if (irq_fd(set, i) < -1 || (irq_fd(set, i) >= 0 && max_fds == 0))
			return -EINVAL;
	for (i = 0; i < set->count; i += n) {
		some = irq_fd(set, i) >= 0;
		n = irq_run(set, i, max_fds, fds);
		ret = send_irqs(client, set, set->start + i, n, 0, fds,
				some ? n : 0);
		if (ret < 0)
			return ret;
	}
	return 0;
}

int
rte_vfio_user_client_set_irqs(struct rte_vfio_user_client *client,
			      const struct vfio_irq_set *set)
{
	struct vfio_irq_set checked;
	uint32_t type;

	if (client == NULL || set == NULL || set->argsz < IRQ_SET_MINSZ)
		return vfio_user_misuse(__func__);
	if (vfio_user_decode_set_irqs(set, set->argsz, 0, &checked) < 0 ||
	    !vfio_user_range_inside(set->start, set->count, UINT32_MAX))
		return vfio_user_misuse(__func__);
	type = set->flags & VFIO_IRQ_SET_DATA_TYPE_MASK;
	if (type == VFIO_IRQ_SET_DATA_NONE)
		return send_irqs(client, set, set->start, set->count, 0, NULL, 0);
	if (type == VFIO_IRQ_SET_DATA_BOOL) {
		if (set->count == 0 || set->count > client->neg.max_data_xfer_size)
			return vfio_user_misuse(__func__);
		return send_irqs(client, set, set->start, set->count, set->count,
				 NULL, 0);
	}
	if (set->count == 0 ||
	    set->count > (set->argsz - IRQ_SET_MINSZ) / sizeof(int32_t))
		return vfio_user_misuse(__func__);
	return set_eventfds(client, set);
}

int
rte_vfio_user_client_irq_assign(struct rte_vfio_user_client *client,
				uint32_t index, uint32_t start, uint32_t count,
				const int *fds)
{
	struct vfio_irq_set *set;
	int ret;

	if (client == NULL || fds == NULL || count == 0 ||
	    count > RTE_VFIO_USER_MAX_VECTORS)
		return vfio_user_misuse(__func__);
	set = malloc(IRQ_SET_MINSZ + count * sizeof(*fds));
	if (set == NULL)
		return -ENOMEM;
	set->argsz = (uint32_t)(IRQ_SET_MINSZ + count * sizeof(*fds));
	set->flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER;
	set->index = index;
	set->start = start;
	set->count = count;
	memcpy(set->data, fds, count * sizeof(*fds));
	ret = rte_vfio_user_client_set_irqs(client, set);
	free(set);
	return ret;
}

int
rte_vfio_user_client_irq_disable(struct rte_vfio_user_client *client,
				 uint32_t index)
{
	const struct vfio_irq_set set = {
		.argsz = IRQ_SET_MINSZ,
		.flags = VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_TRIGGER,
		.index = index,
	};

	return rte_vfio_user_client_set_irqs(client, &set);
}

int
rte_vfio_user_client_irq_unmask(struct rte_vfio_user_client *client,
				uint32_t index, uint32_t vector)
{
	const struct vfio_irq_set set = {
		.argsz = IRQ_SET_MINSZ,
		.flags = VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_UNMASK,
		.index = index,
		.start = vector,
		.count = 1,
	};

	return rte_vfio_user_client_set_irqs(client, &set);
}
