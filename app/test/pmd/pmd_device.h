/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#ifndef PMD_DEVICE_H
#define PMD_DEVICE_H

/**
 * @file
 * A virtio network card that is not net_vfio_user: it sends back what it is sent
 * over the same queue pair, remembers the commands of its control queue, and does
 * what no card should if it is told to. It needs no EAL, so it can be the only
 * thing in a process, which can be killed.
 */

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include <rte_virtio_dev.h>

#define PMD_DEVICE_MAX_COMMANDS 256u

/** What the device does once, with the next frame. */
enum pmd_evil {
	PMD_EVIL_NONE,
	PMD_EVIL_RX_ID, /**< gives back a buffer that is beyond the ring */
	PMD_EVIL_RX_TWICE, /**< gives back a buffer twice */
	PMD_EVIL_RX_LONG, /**< says it wrote more than there is room */
	PMD_EVIL_RX_EMPTY, /**< says it wrote less than a header */
	PMD_EVIL_RX_NUM_0, /**< merges no buffers */
	PMD_EVIL_RX_NUM_BIG, /**< merges more than the ring has */
	PMD_EVIL_RX_INDEX, /**< jumps with the used index; split rings */
	PMD_EVIL_TX_ID,
	PMD_EVIL_TX_TWICE,
	PMD_EVIL_TX_INDEX,
	/* These break no ring. */
	PMD_EVIL_RX_RUNT, /**< a frame without an Ethernet header */
	PMD_EVIL_RX_CSUM, /**< a checksum behind the end of the frame */
	PMD_EVIL_RX_GSO, /**< an unknown type of segmentation */
};

struct pmd_device_conf {
	const char *path;
	uint64_t features; /**< of the network card, besides those it always has */
	uint64_t features_off; /**< of rings and transport, not to be offered */
	uint16_t pairs;
	uint16_t max_pairs; /**< what it says */
	uint16_t queue_size;
	uint16_t mtu;
	uint32_t flags; /**< RTE_VIRTIO_DEV_F_* */
	bool silent; /**< answers no command */
	bool refuse; /**< refuses all of them */
	bool batch; /**< uses the buffers of a frame by one element, if in order */
};

/** A command as it came. */
struct pmd_command {
	uint8_t class, cmd;
	uint16_t len;
	uint8_t data[1024];
};

struct pmd_device {
	struct pmd_device_conf conf;
	struct rte_vfio_user_server *srv;
	struct rte_virtio_dev *dev;
	pthread_t thread;
	bool running;
	/* Atomic: of both threads. */
	bool stop;
	uint32_t evil; /**< enum pmd_evil, of pair 0 */
	uint32_t silent, refuse;
	uint32_t nb_commands;
	uint64_t features;
	uint64_t kicks; /**< by eventfds */
	struct pmd_command commands[PMD_DEVICE_MAX_COMMANDS];
};

/** A card with one pair and all that it can offer. */
void pmd_device_conf_init(struct pmd_device_conf *conf, const char *path);
int pmd_device_start(struct pmd_device *d, const struct pmd_device_conf *conf);
void pmd_device_stop(struct pmd_device *d);
/** Change the link of the card. */
void pmd_device_link(struct pmd_device *d, bool up);
/** The last command of a class and number, or NULL. */
const struct pmd_command *pmd_device_command(const struct pmd_device *d, uint8_t class,
					     uint8_t cmd);

#endif /* PMD_DEVICE_H */
