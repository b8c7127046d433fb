/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#ifndef NIC_H
#define NIC_H

/**
 * @file
 * A port whose far end is a virtual machine: the guest sees a virtio network
 * card, which this driver emulates over vfio-user; what the guest sends is
 * received by the port, and the other way round.
 *
 * - nic_ethdev.c: probing, and the operations of a port
 * - nic_conf.c: arguments of the virtual device
 * - nic_device.c: the virtio device: life of its queues, link, configuration
 * - nic_ctrl.c: commands of the control queue; nic_filter.c: what they filter
 * - nic_rx.c, nic_tx.c, nic_tx_slow.c: the data path; nic_offload.c: packet headers
 * - nic_moderation.c, nic_intr.c: interrupts to the guest, and to the application
 * - nic_stats.c, nic_telemetry.c: counters
 *
 * Directions. "Rx" and "Tx" are the port's. The port receives from the guest's
 * transmit queues, virtqueue 2 i + 1, and sends to its receive queues, 2 i.
 *
 * Threads. The application's control threads call the port's operations, one at a
 * time for a port, as ethdev demands. The control thread of the process (one
 * for all ports) polls the servers: all callbacks of a device run in it. It
 * calls no function of the EAL that takes a lock of memory or hotplug. Data-path
 * threads work on queues inside of sections (rte_virtio_queue_begin()). What one
 * of them writes and another reads is an atomic variable; what the control
 * thread and the operations both change is under the lock of the device.
 */

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include <linux/virtio_ids.h>
#include <linux/virtio_net.h>

#include <ethdev_driver.h>
#include <rte_ether.h>
#include <rte_log.h>
#include <rte_mbuf.h>
#include <rte_virtio_dev.h>

#include "nic_conf.h"
#include "nic_filter.h"

extern int nic_logtype;

#define NIC_LOG(level, fmt, ...) \
	rte_log(RTE_LOG_ ## level, nic_logtype, "net_vfio_user: " fmt "\n", ##__VA_ARGS__)

/** Variables that one thread writes and others read. */
#define NIC_GET(var) __atomic_load_n(&(var), __ATOMIC_RELAXED)
#define NIC_SET(var, val) __atomic_store_n(&(var), val, __ATOMIC_RELAXED)
/** Of counters that one thread alone changes. */
#define NIC_ADD(var, val) NIC_SET(var, (var) + (val))

#define NIC_HAS(features, bit) (((features) >> (bit) & 1) != 0)

/** Bytes of the header in front of each packet, with VERSION_1. */
#define NIC_HDR_LEN 12u

/** Packets that are worked on at a time. */
#define NIC_BURST 32u

/** Largest packet: 64 KiB of IP behind Ethernet and a VLAN tag, or two. */
#define NIC_MAX_PKT (65535u + RTE_ETHER_HDR_LEN + 2 * RTE_VLAN_HLEN)

/** Counters of a queue; its data-path thread writes them. */
struct nic_counters {
	uint64_t packets; /**< passed on */
	uint64_t bytes; /**< of them, without the virtio header */
	/** Causes of packets that were dropped, and other events: nic_stats.c. */
	uint64_t causes[8];
};

/** Causes of a queue that the port receives from. */
enum nic_rx_cause {
	NIC_RX_NO_MBUF, /**< times that there was no memory for a packet */
	NIC_RX_BAD_HEADER, /**< offloads that do not fit the packet or the features */
	NIC_RX_TOO_SHORT, /**< no Ethernet header */
	NIC_RX_TOO_LONG, /**< more than NIC_MAX_PKT bytes */
	NIC_RX_SEGMENTS, /**< packets of more than one descriptor */
	NIC_RX_CHECKSUMS, /**< checksums that were computed here */
};

/** Causes of a queue that the port sends to. */
enum nic_tx_cause {
	NIC_TX_FILTERED, /**< the guest asked not to receive them */
	NIC_TX_TOO_LONG, /**< above the guest's MTU, or no buffer of it has the room */
	NIC_TX_BAD_OFFLOAD, /**< offloads that the guest does not take, or that do not fit */
	NIC_TX_NO_ROOM, /**< packets refused, as the guest offered no buffer */
	NIC_TX_MERGED, /**< packets in more than one buffer */
	NIC_TX_CHECKSUMS, /**< checksums that were computed here */
};

/** Moderation of the interrupts of a queue. */
struct nic_moderation {
	uint32_t max_usecs; /**< longest delay; 0: none. Control thread writes. */
	uint32_t max_packets; /**< most packets without interrupt; 0: no limit */
	uint32_t packets; /**< waiting; data path */
	uint64_t deadline; /**< TSC time of the interrupt that is owed; 0: none */
	uint64_t told; /**< deadline for which the alarm has sent the interrupt */
};

/** What a driver set for the interrupts of a virtqueue. */
struct nic_coalescing {
	uint32_t max_packets;
	uint32_t max_usecs;
};

/** A queue that the port receives from: one that the guest transmits to. */
struct nic_rx_queue {
	/** The virtqueue, or NULL: it carries no packets. Control thread. */
	struct rte_virtio_queue *vq;
	uint32_t epoch; /**< of the virtqueue, when the data path saw it last */
	bool offloads; /**< headers have to be read; control thread, queue not live */
	bool no_rx_cksum; /**< the application wants whole checksums */
	bool vlan_strip; /**< the application wants tags in mbufs */
	bool sleeps; /**< the application waits for an interrupt */
	uint16_t nb_stash; /**< mbufs in the stash */
	uint64_t rearm; /**< what an mbuf of the pool begins with */
	struct rte_mempool *pool;
	uint16_t room; /**< bytes of a packet that fit into one mbuf */
	struct nic_moderation moderation;
	struct nic_counters counters __rte_cache_aligned;
	struct rte_mbuf *stash[NIC_BURST]; /**< for the next packets */
	struct rte_virtio_seg *segs; /**< nb_segs of a chain */
	uint16_t nb_segs;
	uint64_t features; /**< negotiated; control thread, queue not live */
	struct nic_counters reset; /**< counters when the statistics were reset */
} __rte_cache_aligned;

/** A queue that the port sends to: one that the guest receives from. */
struct nic_tx_queue {
	struct rte_virtio_queue *vq; /**< as of a receive queue */
	uint32_t epoch;
	/* Set by the control thread: anew, to the same, if a queue is used again. Atomic. */
	bool mergeable; /**< MRG_RXBUF */
	uint32_t max_len; /**< bytes of a packet without a tag */
	bool fast_free; /**< all mbufs are of one pool, and nobody else has them */
	uint64_t guest_offloads; /**< GUEST_* features in force; control thread */
	const struct nic_filter *filter; /**< of the port */
	struct nic_moderation moderation;
	struct nic_counters counters __rte_cache_aligned;
	struct rte_virtio_seg *segs; /**< nb_segs of the buffers of one packet */
	uint16_t nb_segs;
	struct nic_counters reset;
} __rte_cache_aligned;

/** A port. */
struct nic {
	struct rte_eth_dev *eth;
	struct nic_conf conf;
	char name[RTE_ETH_NAME_MAX_LEN];
	struct rte_ether_addr mac_addr; /**< ethdev's table of one */
	struct nic_rx_queue *rx[NIC_MAX_PAIRS]; /**< set up by the application, or NULL */
	struct nic_tx_queue *tx[NIC_MAX_PAIRS];

	struct rte_vfio_user_server *srv; /**< from the first start on */
	struct rte_virtio_dev *dev; /**< owns srv */
	uint16_t pairs; /**< queue pairs that the device has */
	bool adopted; /**< the control thread polls srv */
	bool guarded; /**< faults of shared memory are handled */

	struct nic_filter filter;

	/** The following; taken by the control thread and by operations. */
	pthread_mutex_t lock;
	bool started; /**< the port */
	uint16_t active_pairs; /**< that the driver asked for */
	bool live[2 * NIC_MAX_PAIRS + 1]; /**< virtqueues */
	uint64_t features; /**< negotiated; 0: none */
	uint64_t guest_offloads; /**< GUEST_* features in force */
	uint32_t max_len; /**< bytes of an untagged packet that the driver's MTU allows */
	struct nic_coalescing coalescing[2 * NIC_MAX_PAIRS]; /**< of virtqueues */
	bool ticking; /**< an alarm is set */
	bool announce; /**< the guest was asked to announce itself */
	uint64_t resets; /**< of the device, by a driver or a client */
	uint64_t commands, refused; /**< of the control queue */
};

/* -------------------------------------------------------- nic_device.c */

/** Create the device and serve it: 0 or -errno. Port stopped. */
int nic_device_start(struct nic *nic, uint16_t pairs);

/** End serving it, with its socket. No data path. */
void nic_device_stop(struct nic *nic);

/** The port starts or stops: the guest's link follows. */
void nic_device_link(struct nic *nic, bool up);

/**
 * Give the virtqueues that carry packets to the queues of the port, and tell the
 * application what has changed. Not locked.
 */
void nic_device_attach(struct nic *nic);

/** The driver sets the address of the guest, until the device is reset. Not locked. */
void nic_device_mac_set(struct nic *nic, const struct rte_ether_addr *addr);

/**
 * The application gives the guest an address. Its driver is asked to announce it, if
 * it is another one and the driver does that. Not locked.
 */
void nic_device_mac_give(struct nic *nic, const struct rte_ether_addr *addr);

/**
 * Set the MTU that drivers find. Without the argument there is none. Not locked.
 */
void nic_device_mtu_set(struct nic *nic, uint16_t mtu);

/** The guest has announced its address. Not locked. */
void nic_device_announced(struct nic *nic);

/** Whether a virtqueue carries packets: it is live, and no control queue. Control thread. */
bool nic_device_carries(const struct nic *nic, uint16_t vq);

/** Number of the control queue with these features. */
uint16_t nic_device_ctrl_index(const struct nic *nic, uint64_t features);

/** The GUEST_* offloads that CTRL_GUEST_OFFLOADS may change. */
#define NIC_GUEST_OFFLOADS (RTE_BIT64(VIRTIO_NET_F_GUEST_CSUM) | \
	RTE_BIT64(VIRTIO_NET_F_GUEST_TSO4) | RTE_BIT64(VIRTIO_NET_F_GUEST_TSO6) | \
	RTE_BIT64(VIRTIO_NET_F_GUEST_ECN) | RTE_BIT64(VIRTIO_NET_F_GUEST_USO4) | \
	RTE_BIT64(VIRTIO_NET_F_GUEST_USO6))

#endif /* NIC_H */
