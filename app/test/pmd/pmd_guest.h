/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#ifndef PMD_GUEST_H
#define PMD_GUEST_H

/**
 * @file
 * The driver of the guest's network card: what it sends lies in buffers of all
 * forms, and so does the room for what it receives. One thread.
 */

#include <stdbool.h>
#include <stdint.h>

#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <linux/virtio_ring.h>
#include <virtio_net_compat.h>

#include "pmd_frame.h"
#include "virtio_driver.h"

#define BIT(n) (UINT64_C(1) << (n))
#define GUEST_HDR 12u
#define GUEST_MEM (UINT64_C(512) << 20)
/** Largest buffer. */
#define GUEST_BUF (FRAME_MAX + GUEST_HDR)

/** How a buffer is divided into descriptors. */
enum guest_form {
	GUEST_ONE, /**< one */
	GUEST_APART, /**< the header has one of its own */
	GUEST_RANDOM, /**< anywhere, with gaps, some are empty */
	GUEST_BYTES, /**< one for each byte, as many as can be; one for the rest */
	GUEST_FORMS
};

/** A buffer that the device has. */
struct guest_buf {
	uint64_t mem; /**< its memory, as a whole */
	uint32_t nb; /**< pieces */
	struct virtio_driver_buf pieces[VIRTIO_DRIVER_MAX_CHAIN];
};

struct guest_queue {
	struct virtio_driver_queue *vq;
	struct guest_buf *bufs; /**< by id */
	uint64_t *free; /**< memory of buffers */
	uint32_t nb_free, size;
	uint32_t pending; /**< at the device */
};

struct guest {
	struct rte_vfio_user_client *client;
	struct virtio_driver drv;
	uint16_t pairs; /**< queue pairs that are set up */
	uint16_t ctrl; /**< the control queue, or UINT16_MAX */
	struct guest_queue queues[VIRTIO_DRIVER_MAX_QUEUES];
	uint64_t ctrl_mem;
	uint32_t ctrl_written; /**< used length of the last command */
};

/** Connect to a port's socket. */
int guest_connect(struct guest *g, const char *path);
void guest_disconnect(struct guest *g);

/**
 * Negotiate what is wanted of those features, set up pairs of queues with size
 * entries (0: the device's) and the control queue, and set DRIVER_OK. Interrupts
 * are assigned, and not wanted.
 */
int guest_up(struct guest *g, uint64_t wanted, uint16_t pairs, uint16_t size);

/** The guest's queues of a pair. */
struct guest_queue *guest_rx(struct guest *g, uint16_t pair);
struct guest_queue *guest_tx(struct guest *g, uint16_t pair);

/** Whether a feature was negotiated. */
bool guest_has(const struct guest *g, unsigned int feature);

/** A form that fits the features at random; indirect or not. */
enum guest_form guest_form(const struct guest *g, bool *indirect);

/** Send a packet: 1, or 0: no room. */
int guest_send(struct guest *g, uint16_t pair, const struct virtio_net_hdr_v1 *hdr,
	       const void *frame, uint32_t len, enum guest_form form, bool indirect);

/** Take back what was sent: the number of packets, or < 0. */
int guest_reap(struct guest *g, uint16_t pair);

/** Offer a buffer of len bytes, header included: 1, or 0: no room. */
int guest_post(struct guest *g, uint16_t pair, uint32_t len, enum guest_form form,
	       bool indirect);

/** Offer nb buffers of one descriptor. */
int guest_post_plain(struct guest *g, uint16_t pair, uint32_t len, uint32_t nb);

/**
 * Receive a packet, of FRAME_MAX bytes at most: its length, 0: there is none, or
 * < 0. Its header is stored, too.
 */
int guest_recv(struct guest *g, uint16_t pair, struct virtio_net_hdr_v1 *hdr, uint8_t *frame);

/** Length of a command's answer, behind the acknowledgement, at most. */
#define GUEST_RESULT 32u

/**
 * A command of len bytes of data: the acknowledgement, or < 0. What the device
 * answers behind it is stored in result, if that is not NULL.
 */
int guest_ctrl(struct guest *g, uint8_t class, uint8_t cmd, const void *data, uint32_t len,
	       uint8_t *result);

/** The field of the device's configuration. */
uint64_t guest_config(struct guest *g, uint32_t offset, uint32_t len);

#endif /* PMD_GUEST_H */
