/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#ifndef VNIC_QUEUE_H
#define VNIC_QUEUE_H

/**
 * @file
 * Virtqueues that carry packets: their memory, and what a burst begins and ends
 * with
 *
 * Ids. A buffer in the ring is known by an id, below the size of the ring. Ids
 * are taken from and given back to a FIFO. In use in order, what was taken first
 * comes back first: the slot of the FIFO that the next id is given back to holds
 * the id of the oldest buffer in the ring. Then the FIFO never changes: each index
 * holds itself.
 *
 * Sections. A burst is a section of its queue: the sequence number is odd inside
 * (DESIGN D7). The control side takes a queue away by clearing live, issues
 * membarrier(2), and waits for the sections that are open. It never waits for a
 * queue that is not polled, and a burst has no fence for it.
 *
 * Buffers of a ring that ended with the connection stay in the array: the queue
 * is stale. The next burst frees them: no thread but those of the application
 * uses its mempools.
 */

#include <stdbool.h>
#include <stdint.h>

#include <linux/virtio_net.h>
#include <linux/virtio_ring.h>

#include <rte_branch_prediction.h>
#include <rte_byteorder.h>
#include <rte_common.h>
#include <rte_ether.h>
#include <rte_mbuf.h>

#include "vnic_pci.h"

struct vnic_port;

/** Bytes of the header in front of each packet, with VERSION_1. */
#define VNIC_HDR_LEN 12u
/** Descriptors of an indirect table. */
#define VNIC_TX_TABLE 15u
/** Most segments of a packet to send. */
#define VNIC_TX_MAX_SEGS 32u
/** Of the slots of a buffer: it is not plain, see vnic_tx.h. */
#define VNIC_TX_ODD 0x8000u
/** Packets that are worked on at a time. */
#define VNIC_BURST 64u

#define VNIC_PACKED_F_AVAIL ((uint16_t)1 << VRING_PACKED_DESC_F_AVAIL)
#define VNIC_PACKED_F_USED ((uint16_t)1 << VRING_PACKED_DESC_F_USED)
#define VNIC_PACKED_F_BOTH (VNIC_PACKED_F_AVAIL | VNIC_PACKED_F_USED)

/** Counters of a queue; its data-path thread writes them. */
struct vnic_counters {
	uint64_t packets;
	uint64_t bytes;
	uint64_t errors; /**< packets dropped, for the causes below */
	uint64_t causes[5]; /**< vnic_stats.c names them */
	uint64_t kicks; /**< notifications of the device */
};

enum vnic_rx_cause {
	VNIC_RX_NO_MBUF, /**< buffers that could not be offered to the device */
	VNIC_RX_BAD_HEADER, /**< offloads that do not fit the packet */
	VNIC_RX_MERGED, /**< packets in more than one buffer */
	VNIC_RX_TOO_SHORT, /**< packets without an Ethernet header */
	VNIC_RX_BROKEN, /**< times that the device broke the ring */
};

enum vnic_tx_cause {
	VNIC_TX_TOO_MANY_SEGS, /**< packets of more segments than can be sent */
	VNIC_TX_INDIRECT, /**< packets by an indirect table */
	VNIC_TX_CHAINED, /**< packets by several descriptors */
	VNIC_TX_FULL, /**< packets refused as the ring was full */
	VNIC_TX_BROKEN, /**< times that the device broke the ring */
};

/** For a packet that does not carry its header, or has several segments. */
struct vnic_tx_area {
	struct virtio_net_hdr_mrg_rxbuf hdr;
	uint8_t reserved[4];
	union {
		struct vring_desc split[VNIC_TX_TABLE];
		struct vring_packed_desc packed[VNIC_TX_TABLE];
	};
};

/** A virtqueue that carries packets. */
struct vnic_queue {
	uint64_t seq; /**< odd inside of a section */
	bool live; /**< bursts may use it */
	bool stale; /**< there are buffers of a former ring */
	bool broken; /**< by the device; in a section */
	bool announce; /**< Tx of queue 0: a frame is to be sent; atomic */
	bool packed, in_order, indirect, event_idx, notify_data;
	bool offload; /**< packets are looked at for what follows; in a section */
	bool csum; /**< headers say something */
	bool vlan_strip; /**< Rx: tags are moved to mbufs */
	bool mergeable;
	bool fast_free; /**< Tx: RTE_ETH_TX_OFFLOAD_MBUF_FAST_FREE */
	bool is_rx;
	uint16_t size, mask;
	uint16_t nb_free; /**< descriptors */
	uint16_t nb_bufs; /**< buffers in the ring */
	uint16_t nb_odd; /**< Tx: those that are not plain */
	/** Split: free-running index; packed: position. */
	uint16_t avail, used;
	/** Packed: flags of what is made available now, and of what is used now. */
	uint16_t avail_flags, used_flags;
	uint16_t ids_get, ids_put; /**< free-running indexes of the FIFO */
	uint16_t threshold; /**< Rx: free ones to refill; Tx: to reclaim below */
	union {
		struct {
			struct vring_desc *desc;
			struct vring_avail *avail;
			struct vring_used *used;
		} split;
		struct {
			struct vring_packed_desc *desc;
			struct vring_packed_desc_event *driver;
			struct vring_packed_desc_event *device;
		} ring; /**< packed */
	};
	uint16_t *ids; /**< the FIFO */
	struct rte_mbuf **mbufs; /**< by id; NULL: not in the ring */
	uint16_t *slots; /**< Tx, by id: descriptors of the buffer, and VNIC_TX_ODD */
	uint16_t *next; /**< Tx of split rings, by id: the next one of a chain */
	struct vnic_tx_area *areas; /**< Tx, by id */
	struct rte_mempool *pool; /**< Rx; Tx: for the frame that announces the port */
	/* Rx: a packet of which buffers are missing, or NULL. */
	struct rte_mbuf *head, *tail;
	uint16_t nb_missing;
	/* Rx, in order: used buffers that one element stood for and no burst has taken. */
	uint16_t nb_batch;
	uint32_t batch_len; /**< bytes of the last one; those before it are full */
	uint32_t buf_len; /**< Rx: bytes of a buffer with its header */
	uint32_t buf_offset; /**< Rx: from an mbuf to its header; 0: it varies */
	uint16_t port_id;
	uint16_t queue_id; /**< of ethdev */
	uint16_t index; /**< of the device */
	uint64_t rearm; /**< Rx: what starts the mbuf of a packet */
	struct rte_vfio_user_client *client;
	struct vnic_pci_bell bell;
	struct vnic_counters count;
	/* Not for bursts. */
	const char *name; /**< of the port */
	bool intr_on; /**< Rx: the application sleeps; atomic */
	int intr_fd; /**< Rx: what wakes it, or -1; the port's */
	uint16_t vector;
	struct rte_ether_addr announce_mac;
	struct vnic_counters base; /**< of the last reset of the statistics */
} __rte_cache_aligned;

/** A buffer that the device has used. */
struct vnic_used {
	uint32_t id;
	uint32_t len;
};

/** A queue of the device for a queue of ethdev; NULL: no memory. */
struct vnic_queue *vnic_queue_create(struct vnic_port *port, bool is_rx, uint16_t queue_id,
				     uint16_t size, unsigned int socket);
/** Free it with the buffers that are in it; not live. NULL is ignored. */
void vnic_queue_free(struct vnic_queue *q);
/** Make the ring empty, for a device that was reset; not live. */
void vnic_queue_reset(struct vnic_queue *q, uint64_t features);
/** Move VLAN tags to mbufs, or do not; not live. */
void vnic_queue_vlan_strip(struct vnic_queue *q, bool on);
/** Free the buffers of a former ring. Data path, or not live. */
void vnic_queue_reclaim(struct vnic_queue *q);
/** Write it to the device. */
int vnic_queue_enable(struct vnic_queue *q, struct vnic_pci *pci);
/** Break a ring: it stops, until the device is reset. Inside of a section. */
void vnic_queue_break(struct vnic_queue *q, const char *why, uint32_t value);

/** Ask for interrupts of used buffers, or do not; any thread. */
void vnic_queue_intr(struct vnic_queue *q, bool on);
/** Whether the device has used buffers that no burst has taken. */
bool vnic_queue_pending(const struct vnic_queue *q);

/** Once per process; -ENOTSUP: the kernel has no membarrier(2). */
int vnic_queue_sections_init(void);
/** Take queues away from bursts. Ends when no section is open. */
void vnic_queues_stop(struct vnic_queue **queues, uint32_t nb);

/* ------------------------------------------------------------ data path */

/** Counters that one thread alone changes and others read. */
#define VNIC_ADD(var, val) \
	__atomic_store_n(&(var), (var) + (val), __ATOMIC_RELAXED)

/** Whether a queue is, as far as a burst that is under way cares. */
static inline bool
vnic_queue_is_live(const struct vnic_queue *q)
{
	return likely(__atomic_load_n(&q->live, __ATOMIC_RELAXED));
}

/** End a section. */
static inline void
vnic_section_leave(struct vnic_queue *q)
{
	__atomic_store_n(&q->seq, q->seq + 1, __ATOMIC_RELEASE);
}

/** Begin a section; false: there is none, as the queue is not live. */
static inline bool
vnic_section_enter(struct vnic_queue *q)
{
	__atomic_store_n(&q->seq, q->seq + 1, __ATOMIC_RELAXED);
	/* the fence is the membarrier of vnic_queues_stop() */
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	if (likely(__atomic_load_n(&q->live, __ATOMIC_ACQUIRE))) {
		if (unlikely(q->stale))
			vnic_queue_reclaim(q);
		return true;
	}
	vnic_section_leave(q);
	return false;
}

static inline uint16_t
vnic_id_get(struct vnic_queue *q)
{
	return q->ids[q->ids_get++ & q->mask];
}

static inline void
vnic_id_put(struct vnic_queue *q, uint16_t id)
{
	q->ids[q->ids_put++ & q->mask] = id;
}

/** In order: the id of the oldest buffer. */
static inline uint16_t
vnic_id_oldest(const struct vnic_queue *q)
{
	return q->ids[q->ids_put & q->mask];
}

/** Address of data for the device: that of the process. */
static inline uint64_t
vnic_addr(const void *va)
{
	return (uintptr_t)va;
}

static inline void
vnic_bell_ring(struct vnic_queue *q, uint32_t next)
{
	VNIC_ADD(q->count.kicks, 1);
	vnic_pci_ring(q->client, &q->bell, q->notify_data ? next << 16 | q->index : q->index);
}

/*
 * The driver's stores come before its load of the device's wish, else a device
 * that goes to sleep is not told. A mapped doorbell wakes nobody: its device
 * polls, and the fence is for nothing.
 */
static inline void
vnic_kick_fence(const struct vnic_queue *q)
{
	if (q->bell.type != VNIC_PCI_BELL_MAPPED)
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

/** Tell the device of the entries of a split ring from index old on. */
static inline void
vnic_split_kick(struct vnic_queue *q, uint16_t old)
{
	struct vring_used *used = q->split.used;
	uint16_t event;
	bool wanted;

	vnic_kick_fence(q);
	if (q->event_idx) {
		event = rte_le_to_cpu_16(__atomic_load_n((uint16_t *)&used->ring[q->size],
							 __ATOMIC_RELAXED));
		wanted = vring_need_event(event, q->avail, old);
	} else {
		wanted = (__atomic_load_n(&used->flags, __ATOMIC_RELAXED) &
			  rte_cpu_to_le_16(VRING_USED_F_NO_NOTIFY)) == 0;
	}
	if (wanted)
		vnic_bell_ring(q, q->avail);
}

/** Tell the device of nb descriptors of a packed ring, up to the present one. */
static inline void
vnic_packed_kick(struct vnic_queue *q, uint16_t nb)
{
	const uint16_t wrap = (q->avail_flags & VNIC_PACKED_F_AVAIL) != 0;
	uint16_t event, flags;
	uint32_t both;
	bool wanted;

	vnic_kick_fence(q);
	/* as one: they belong together */
	both = rte_le_to_cpu_32(__atomic_load_n((uint32_t *)q->ring.device, __ATOMIC_RELAXED));
	flags = (uint16_t)(both >> 16) & 3;
	wanted = flags != VRING_PACKED_EVENT_FLAG_DISABLE;
	if (flags == VRING_PACKED_EVENT_FLAG_DESC && q->event_idx) {
		event = (uint16_t)both & ~((uint16_t)1 << VRING_PACKED_EVENT_F_WRAP_CTR);
		if (wrap != (uint16_t)both >> VRING_PACKED_EVENT_F_WRAP_CTR)
			event -= q->size;
		wanted = vring_need_event(event, q->avail, q->avail - nb);
	}
	if (wanted)
		vnic_bell_ring(q, q->avail | wrap << VRING_PACKED_EVENT_F_WRAP_CTR);
}

#endif /* VNIC_QUEUE_H */
