/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#include <errno.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <linux/membarrier.h>
#include <linux/virtio_config.h>
#include <linux/virtio_pci.h>

#include <rte_malloc.h>
#include <virtio_net_compat.h>

#include "vnic.h"
#include "vnic_queue.h"

/* Burst at which buffers are offered to the device, or taken back. */
#define THRESHOLD 32u

/* ------------------------------------------------------------- sections */

static int
membarrier(int cmd)
{
	return syscall(SYS_membarrier, cmd, 0, 0) < 0 ? -errno : 0;
}

int
vnic_queue_sections_init(void)
{
	return membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED) < 0 ? -ENOTSUP : 0;
}

static void
wait_section(struct vnic_queue *q)
{
	uint64_t seq = __atomic_load_n(&q->seq, __ATOMIC_ACQUIRE);
	const struct timespec pause = { .tv_nsec = 10000 };

	while (seq % 2 != 0 && __atomic_load_n(&q->seq, __ATOMIC_ACQUIRE) == seq)
		nanosleep(&pause, NULL);
}

void
vnic_queues_stop(struct vnic_queue **queues, uint32_t nb)
{
	uint32_t i;

	for (i = 0; i < nb; i++)
		if (queues[i] != NULL)
			__atomic_store_n(&queues[i]->live, false, __ATOMIC_RELEASE);
	membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED);
	for (i = 0; i < nb; i++)
		if (queues[i] != NULL)
			wait_section(queues[i]);
}

/* --------------------------------------------------------------- memory */

/* The three areas, each in lines of its own. */
static size_t
split_len(uint16_t size, size_t *avail, size_t *used)
{
	*avail = RTE_CACHE_LINE_ROUNDUP(size * sizeof(struct vring_desc));
	*used = *avail + RTE_CACHE_LINE_ROUNDUP((3u + size) * sizeof(uint16_t));
	return *used + RTE_CACHE_LINE_ROUNDUP(3 * sizeof(uint16_t) +
					      size * sizeof(struct vring_used_elem));
}

static size_t
packed_len(uint16_t size, size_t *driver, size_t *device)
{
	*driver = RTE_CACHE_LINE_ROUNDUP(size * sizeof(struct vring_packed_desc));
	*device = *driver + RTE_CACHE_LINE_SIZE;
	return *device + RTE_CACHE_LINE_SIZE;
}

static size_t
ring_len(uint16_t size, bool packed, size_t *second, size_t *third)
{
	return packed ? packed_len(size, second, third) : split_len(size, second, third);
}

static void *
array(uint16_t size, size_t entry, unsigned int socket)
{
	return rte_zmalloc_socket("vnic", size * entry, RTE_CACHE_LINE_SIZE, socket);
}

/* Room for either layout: which it is, is not known before the start. */
static int
alloc_memory(struct vnic_queue *q, unsigned int socket)
{
	size_t second, third;
	size_t len = RTE_MAX(ring_len(q->size, false, &second, &third),
			     ring_len(q->size, true, &second, &third));

	q->split.desc = rte_zmalloc_socket("vnic_ring", len, RTE_CACHE_LINE_SIZE, socket);
	q->ids = array(q->size, sizeof(*q->ids), socket);
	q->mbufs = array(q->size, sizeof(*q->mbufs), socket);
	if (q->split.desc == NULL || q->ids == NULL || q->mbufs == NULL)
		return -ENOMEM;
	if (q->is_rx)
		return 0;
	q->slots = array(q->size, sizeof(*q->slots), socket);
	q->next = array(q->size, sizeof(*q->next), socket);
	q->areas = array(q->size, sizeof(*q->areas), socket);
	return q->slots == NULL || q->next == NULL || q->areas == NULL ? -ENOMEM : 0;
}

struct vnic_queue *
vnic_queue_create(struct vnic_port *port, bool is_rx, uint16_t queue_id, uint16_t size,
		  unsigned int socket)
{
	struct vnic_queue *q;

	q = rte_zmalloc_socket("vnic_queue", sizeof(*q), RTE_CACHE_LINE_SIZE, socket);
	if (q == NULL)
		return NULL;
	q->name = port->name;
	q->client = port->pci.client;
	q->is_rx = is_rx;
	q->queue_id = queue_id;
	q->index = 2 * queue_id + (is_rx ? 0 : 1);
	q->port_id = port->eth->data->port_id;
	q->size = size;
	q->mask = size - 1;
	q->threshold = RTE_MIN(THRESHOLD, size / 4u);
	q->intr_fd = -1;
	q->vector = VIRTIO_MSI_NO_VECTOR;
	if (alloc_memory(q, socket) < 0) {
		vnic_queue_free(q);
		return NULL;
	}
	return q;
}

void
vnic_queue_free(struct vnic_queue *q)
{
	if (q == NULL)
		return;
	if (q->mbufs != NULL)
		vnic_queue_reclaim(q);
	rte_free(q->split.desc);
	rte_free(q->ids);
	rte_free(q->mbufs);
	rte_free(q->slots);
	rte_free(q->next);
	rte_free(q->areas);
	rte_free(q);
}

void
vnic_queue_reclaim(struct vnic_queue *q)
{
	uint16_t i;

	for (i = 0; i < q->size; i++) {
		rte_pktmbuf_free(q->mbufs[i]);
		q->mbufs[i] = NULL;
	}
	rte_pktmbuf_free(q->head);
	q->head = NULL;
	q->stale = false;
}

/* ----------------------------------------------------------------- ring */

static void
place_areas(struct vnic_queue *q)
{
	uint8_t *mem = (uint8_t *)q->split.desc;
	size_t second, third;

	memset(mem, 0, ring_len(q->size, q->packed, &second, &third));
	if (q->packed) {
		q->ring.driver = (void *)(mem + second);
		q->ring.device = (void *)(mem + third);
	} else {
		q->split.avail = (void *)(mem + second);
		q->split.used = (void *)(mem + third);
	}
}

void
vnic_queue_vlan_strip(struct vnic_queue *q, bool on)
{
	q->vlan_strip = on;
	q->offload = q->csum || on;
}

void
vnic_queue_reset(struct vnic_queue *q, uint64_t features)
{
	uint16_t i;

	q->stale = q->stale || q->nb_bufs != 0 || q->head != NULL;
	q->broken = false;
	q->packed = VNIC_HAS(features, VIRTIO_F_RING_PACKED);
	q->in_order = VNIC_HAS(features, VIRTIO_F_IN_ORDER);
	q->indirect = VNIC_HAS(features, VIRTIO_RING_F_INDIRECT_DESC);
	q->event_idx = VNIC_HAS(features, VIRTIO_RING_F_EVENT_IDX);
	q->notify_data = VNIC_HAS(features, VIRTIO_F_NOTIFICATION_DATA);
	q->mergeable = VNIC_HAS(features, VIRTIO_NET_F_MRG_RXBUF);
	q->csum = VNIC_HAS(features, q->is_rx ? VIRTIO_NET_F_GUEST_CSUM : VIRTIO_NET_F_CSUM);
	q->offload = q->csum;
	place_areas(q);
	for (i = 0; i < q->size; i++) {
		q->ids[i] = i;
		if (!q->is_rx)
			q->slots[i] = 1;
	}
	q->ids_get = q->ids_put = 0;
	q->nb_free = q->size;
	q->nb_bufs = q->nb_odd = 0;
	__atomic_store_n(&q->nb_batch, 0, __ATOMIC_RELAXED);
	q->avail = q->used = 0;
	q->avail_flags = VNIC_PACKED_F_AVAIL;
	q->used_flags = VNIC_PACKED_F_BOTH;
	vnic_queue_intr(q, __atomic_load_n(&q->intr_on, __ATOMIC_RELAXED));
}

int
vnic_queue_enable(struct vnic_queue *q, struct vnic_pci *pci)
{
	struct vnic_pci_queue set = {
		.index = q->index,
		.size = q->size,
		.vector = q->vector,
		.desc = vnic_addr(q->split.desc),
		.driver = vnic_addr(q->packed ? (void *)q->ring.driver : (void *)q->split.avail),
		.device = vnic_addr(q->packed ? (void *)q->ring.device : (void *)q->split.used),
	};

	return vnic_pci_queue_set(pci, &set, q->notify_data, &q->bell);
}

void
vnic_queue_break(struct vnic_queue *q, const char *why, uint32_t value)
{
	VNIC_ADD(q->count.causes[q->is_rx ? VNIC_RX_BROKEN : VNIC_TX_BROKEN], 1);
	q->broken = true;
	q->stale = true; /* the counts may be wrong */
	__atomic_store_n(&q->live, false, __ATOMIC_RELEASE);
	VNIC_LOG(ERR, "%s: %s queue %u stops, the device has broken it: %s %u", q->name,
		 q->is_rx ? "Rx" : "Tx", q->queue_id, why, value);
}

/* ----------------------------------------------------------- interrupts */

static void
split_intr(struct vnic_queue *q, bool on)
{
	const uint16_t used = __atomic_load_n(&q->used, __ATOMIC_RELAXED);
	uint16_t *event = &q->split.avail->ring[q->size];

	__atomic_store_n(&q->split.avail->flags,
			 rte_cpu_to_le_16(on ? 0 : VRING_AVAIL_F_NO_INTERRUPT), __ATOMIC_RELAXED);
	/* with an event index the flags are not looked at: as far away as can be */
	if (q->event_idx)
		__atomic_store_n(event, rte_cpu_to_le_16(on ? used : (uint16_t)(used - 1)),
				 __ATOMIC_RELAXED);
}

static void
packed_intr(struct vnic_queue *q, bool on)
{
	const uint16_t wrap = (q->used_flags & VNIC_PACKED_F_USED) != 0;
	uint32_t flags = VRING_PACKED_EVENT_FLAG_DISABLE, event;

	event = __atomic_load_n(&q->used, __ATOMIC_RELAXED) | wrap << VRING_PACKED_EVENT_F_WRAP_CTR;
	if (on && q->event_idx)
		flags = VRING_PACKED_EVENT_FLAG_DESC;
	else if (on)
		flags = VRING_PACKED_EVENT_FLAG_ENABLE;
	__atomic_store_n((uint32_t *)q->ring.driver, rte_cpu_to_le_32(flags << 16 | event),
			 __ATOMIC_RELAXED);
}

bool
vnic_queue_pending(const struct vnic_queue *q)
{
	uint16_t flags;

	if (__atomic_load_n(&q->nb_batch, __ATOMIC_RELAXED) != 0)
		return true;
	if (!q->packed)
		return rte_le_to_cpu_16(__atomic_load_n(&q->split.used->idx, __ATOMIC_ACQUIRE)) !=
			q->used;
	flags = rte_le_to_cpu_16(__atomic_load_n(&q->ring.desc[q->used].flags, __ATOMIC_ACQUIRE));
	return (flags & VNIC_PACKED_F_BOTH) == q->used_flags;
}

void
vnic_queue_intr(struct vnic_queue *q, bool on)
{
	__atomic_store_n(&q->intr_on, on, __ATOMIC_RELAXED);
	if (q->packed)
		packed_intr(q, on);
	else
		split_intr(q, on);
	if (!on || q->intr_fd < 0)
		return;
	/* what the device used before it saw that is not signalled */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (vnic_queue_pending(q))
		vnic_pci_signal(q->intr_fd);
}
