/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <time.h>

#include <linux/virtio_config.h>
#include <linux/virtio_pci.h>

#include <rte_cycles.h>
#include <rte_malloc.h>
#include <virtio_net_compat.h>

#include "vnic.h"
#include "vnic_ctrl.h"

/* Two descriptors for a command, the same for each. */
#define SIZE 8u

/* Both layouts of a ring, each area in lines of its own, then the buffers. */
struct memory {
	union {
		struct vring_desc split[SIZE];
		struct vring_packed_desc packed[SIZE];
	} desc __rte_cache_aligned;
	union {
		struct {
			rte_le16_t flags, idx, ring[SIZE], used_event;
		} avail;
		struct vring_packed_desc_event event;
	} driver __rte_cache_aligned;
	union {
		struct {
			rte_le16_t flags, idx;
			struct vring_used_elem ring[SIZE];
			rte_le16_t avail_event;
		} used;
		struct vring_packed_desc_event event;
	} device __rte_cache_aligned;
	struct {
		uint8_t class, cmd;
		uint8_t data[VNIC_CTRL_MAX_DATA];
	} request __rte_cache_aligned;
	uint8_t ack __rte_cache_aligned;
};

static struct memory *
memory(const struct vnic_ctrl *ctrl)
{
	return (struct memory *)ctrl->mem;
}

int
vnic_ctrl_init(struct vnic_port *port)
{
	port->ctrl.mem = rte_zmalloc("vnic_ctrl", sizeof(struct memory), RTE_CACHE_LINE_SIZE);
	return port->ctrl.mem == NULL ? -ENOMEM : 0;
}

void
vnic_ctrl_fini(struct vnic_port *port)
{
	rte_free(port->ctrl.mem);
	port->ctrl.mem = NULL;
}

int
vnic_ctrl_enable(struct vnic_port *port)
{
	struct vnic_ctrl *ctrl = &port->ctrl;
	struct memory *mem = memory(ctrl);
	const struct vnic_pci_queue set = {
		.index = VNIC_HAS(port->features, VIRTIO_NET_F_MQ) ? 2 * port->max_pairs : 2,
		.size = SIZE,
		.vector = VIRTIO_MSI_NO_VECTOR,
		.desc = vnic_addr(&mem->desc),
		.driver = vnic_addr(&mem->driver),
		.device = vnic_addr(&mem->device),
	};
	int ret;

	ctrl->ready = false;
	if (!VNIC_HAS(port->features, VIRTIO_NET_F_CTRL_VQ))
		return 0;
	memset(mem, 0, sizeof(*mem));
	ctrl->packed = VNIC_HAS(port->features, VIRTIO_F_RING_PACKED);
	ctrl->notify_data = VNIC_HAS(port->features, VIRTIO_F_NOTIFICATION_DATA);
	ctrl->index = set.index;
	ctrl->avail = ctrl->used = 0;
	ctrl->avail_flags = VNIC_PACKED_F_AVAIL;
	ctrl->used_flags = VNIC_PACKED_F_BOTH;
	if (ctrl->packed)
		mem->driver.event.flags = rte_cpu_to_le_16(VRING_PACKED_EVENT_FLAG_DISABLE);
	else
		mem->driver.avail.flags = rte_cpu_to_le_16(VRING_AVAIL_F_NO_INTERRUPT);
	ret = vnic_pci_queue_set(&port->pci, &set, ctrl->notify_data, &ctrl->bell);
	ctrl->ready = ret == 0;
	return ret;
}

/* ------------------------------------------------------------- commands */

static void
put_split(struct vnic_ctrl *ctrl, uint32_t len)
{
	struct memory *mem = memory(ctrl);

	mem->desc.split[0] = (struct vring_desc){
		.addr = rte_cpu_to_le_64(vnic_addr(&mem->request)),
		.len = rte_cpu_to_le_32(len),
		.flags = rte_cpu_to_le_16(VRING_DESC_F_NEXT),
		.next = rte_cpu_to_le_16(1),
	};
	mem->desc.split[1] = (struct vring_desc){
		.addr = rte_cpu_to_le_64(vnic_addr(&mem->ack)),
		.len = rte_cpu_to_le_32(sizeof(mem->ack)),
		.flags = rte_cpu_to_le_16(VRING_DESC_F_WRITE),
	};
	mem->driver.avail.ring[ctrl->avail % SIZE] = 0;
	ctrl->avail++;
	__atomic_store_n(&mem->driver.avail.idx, rte_cpu_to_le_16(ctrl->avail), __ATOMIC_RELEASE);
}

static void
put_packed(struct vnic_ctrl *ctrl, uint32_t len)
{
	struct memory *mem = memory(ctrl);
	struct vring_packed_desc *desc = &mem->desc.packed[ctrl->avail];

	desc[1] = (struct vring_packed_desc){
		.addr = rte_cpu_to_le_64(vnic_addr(&mem->ack)),
		.len = rte_cpu_to_le_32(sizeof(mem->ack)),
		.flags = rte_cpu_to_le_16(VRING_DESC_F_WRITE | ctrl->avail_flags),
	};
	desc[0].addr = rte_cpu_to_le_64(vnic_addr(&mem->request));
	desc[0].len = rte_cpu_to_le_32(len);
	desc[0].id = 0;
	__atomic_store_n(&desc[0].flags, rte_cpu_to_le_16(VRING_DESC_F_NEXT | ctrl->avail_flags),
			 __ATOMIC_RELEASE);
	ctrl->avail += 2;
	if (ctrl->avail == SIZE) {
		ctrl->avail = 0;
		ctrl->avail_flags ^= VNIC_PACKED_F_BOTH;
	}
}

static bool
done_split(struct vnic_ctrl *ctrl)
{
	struct memory *mem = memory(ctrl);

	if (__atomic_load_n(&mem->device.used.idx, __ATOMIC_ACQUIRE) ==
	    rte_cpu_to_le_16(ctrl->used))
		return false;
	ctrl->used++;
	return true;
}

static bool
done_packed(struct vnic_ctrl *ctrl)
{
	struct memory *mem = memory(ctrl);
	uint16_t flags = rte_le_to_cpu_16(__atomic_load_n(&mem->desc.packed[ctrl->used].flags,
							  __ATOMIC_ACQUIRE));

	if ((flags & VNIC_PACKED_F_BOTH) != ctrl->used_flags)
		return false;
	ctrl->used += 2;
	if (ctrl->used == SIZE) {
		ctrl->used = 0;
		ctrl->used_flags ^= VNIC_PACKED_F_BOTH;
	}
	return true;
}

/* Wait for the device, which may need this client to serve its requests. */
static int
wait_done(struct vnic_port *port)
{
	const uint64_t end = rte_get_timer_cycles() +
			     rte_get_timer_hz() * port->conf.timeout_ms / 1000;
	const uint32_t losses = __atomic_load_n(&port->losses, __ATOMIC_ACQUIRE);
	struct timespec pause = { .tv_nsec = 5000 };
	struct vnic_ctrl *ctrl = &port->ctrl;

	while (!(ctrl->packed ? done_packed(ctrl) : done_split(ctrl))) {
		rte_vfio_user_client_poll(port->pci.client);
		if (__atomic_load_n(&port->link, __ATOMIC_ACQUIRE) != VNIC_LINK_UP ||
		    __atomic_load_n(&port->losses, __ATOMIC_ACQUIRE) != losses)
			return -ENOTCONN;
		if (rte_get_timer_cycles() > end)
			return -ETIMEDOUT;
		nanosleep(&pause, NULL);
		pause.tv_nsec = RTE_MIN(pause.tv_nsec * 2, 1000000);
	}
	return 0;
}

static int
answer(struct vnic_port *port, uint8_t class, uint8_t cmd)
{
	uint8_t ack = __atomic_load_n(&memory(&port->ctrl)->ack, __ATOMIC_RELAXED);

	if (ack == VIRTIO_NET_OK)
		return 0;
	VNIC_ADD(port->ctrl.refused, 1);
	VNIC_LOG(WARNING, "%s: the device refuses command %u of class %u: %u", port->name, cmd,
		 class, ack);
	return -EIO;
}

int
vnic_ctrl_command(struct vnic_port *port, uint8_t class, uint8_t cmd, const void *data,
		  uint32_t len)
{
	struct vnic_ctrl *ctrl = &port->ctrl;
	struct memory *mem = memory(ctrl);
	uint32_t next;
	int ret;

	if (!ctrl->ready)
		return -ENOTSUP;
	if (len > VNIC_CTRL_MAX_DATA)
		return -E2BIG;
	mem->request.class = class;
	mem->request.cmd = cmd;
	if (len != 0)
		memcpy(mem->request.data, data, len);
	mem->ack = VIRTIO_NET_ERR;
	if (ctrl->packed)
		put_packed(ctrl, len + 2);
	else
		put_split(ctrl, len + 2);
	VNIC_ADD(ctrl->commands, 1);
	next = ctrl->avail;
	if (ctrl->packed && (ctrl->avail_flags & VNIC_PACKED_F_AVAIL) != 0)
		next |= 1u << VRING_PACKED_EVENT_F_WRAP_CTR;
	vnic_pci_ring(port->pci.client, &ctrl->bell,
		      ctrl->notify_data ? next << 16 | ctrl->index : ctrl->index);
	ret = wait_done(port);
	if (ret == 0)
		return answer(port, class, cmd);
	/* the device may answer late, into buffers that are not ours to use then */
	ctrl->ready = false;
	if (ret == -ETIMEDOUT)
		VNIC_LOG(ERR, "%s: no answer to command %u of class %u in %u ms; the control "
			 "queue is left alone", port->name, cmd, class, port->conf.timeout_ms);
	return ret;
}
