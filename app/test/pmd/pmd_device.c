/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_net.h>
#include <linux/virtio_ring.h>

#include <rte_byteorder.h>
#include <rte_errno.h>

#include "pmd_device.h"
#include "test_short.h"

#define BIT(n) (UINT64_C(1) << (n))
#define MAC { 0x02, 0, 0, 0, 0, 0x77 }
#define HDR_LEN sizeof(struct virtio_net_hdr_mrg_rxbuf)
#define MAX_SEGS 64
#define MAX_FRAME 65536u
#define MERGED 6u /* buffers of a frame of 9000 bytes, at most */

/* Of the thread of a device. */
struct frame {
	uint8_t bytes[MAX_FRAME];
	uint32_t len;
};

/* --------------------------------------------------------- packets back */

static bool
is_evil(struct pmd_device *d, uint16_t pair, enum pmd_evil evil)
{
	if (pair != 0 || GET(d->evil) != evil)
		return false;
	SET(d->evil, PMD_EVIL_NONE);
	return true;
}

/* Give a buffer back as another one, if there is another one. */
static void
push_twice(struct pmd_device *d, uint16_t pair, struct rte_virtio_ring *ring, uint16_t id,
	   enum pmd_evil evil)
{
	struct rte_virtio_seg segs[MAX_SEGS];
	struct rte_virtio_chain chain;

	if (pair == 0 && GET(d->evil) == evil &&
	    rte_virtio_ring_pop(ring, &chain, segs, MAX_SEGS) > 0 && is_evil(d, pair, evil))
		rte_virtio_ring_push(ring, id, chain.slots, 64);
}

/*
 * Jump with the index of a split ring: where it lies is the standard's. The next
 * frame sets it right, so it is done until the driver has seen it.
 */
static void
jump(struct pmd_device *d, uint16_t pair, struct rte_virtio_ring *ring, enum pmd_evil evil)
{
	uint16_t *idx = (uint16_t *)(ring->device + offsetof(struct vring_used, idx));

	if (pair == 0 && GET(d->evil) == evil)
		__atomic_store_n(idx, *idx + 2 * ring->size, __ATOMIC_RELEASE);
}

/* Take a frame: its length, 0 if there is none. */
static uint32_t
take_frame(struct pmd_device *d, uint16_t pair, struct rte_virtio_ring *ring,
	   struct frame *frame)
{
	struct rte_virtio_seg segs[MAX_SEGS];
	struct rte_virtio_chain chain;
	uint16_t id;

	if (rte_virtio_ring_pop(ring, &chain, segs, MAX_SEGS) <= 0)
		return 0;
	frame->len = rte_virtio_chain_read(&chain, 0, frame->bytes, MAX_FRAME);
	id = is_evil(d, pair, PMD_EVIL_TX_ID) ? ring->size + 5 : chain.id;
	rte_virtio_ring_push(ring, id, chain.slots, 0);
	push_twice(d, pair, ring, id, PMD_EVIL_TX_TWICE);
	rte_virtio_ring_publish(ring);
	jump(d, pair, ring, PMD_EVIL_TX_INDEX);
	return frame->len;
}

/* What the header says, for those who want to hear it. */
static void
make_header(struct pmd_device *d, uint16_t pair, struct frame *frame, uint16_t nb_bufs)
{
	struct virtio_net_hdr_mrg_rxbuf hdr = { .num_buffers = rte_cpu_to_le_16(nb_bufs) };

	if (is_evil(d, pair, PMD_EVIL_RX_NUM_0))
		hdr.num_buffers = 0;
	if (is_evil(d, pair, PMD_EVIL_RX_NUM_BIG))
		hdr.num_buffers = rte_cpu_to_le_16(40000);
	if (is_evil(d, pair, PMD_EVIL_RX_CSUM)) {
		hdr.hdr.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
		hdr.hdr.csum_start = rte_cpu_to_le_16(frame->len);
		hdr.hdr.csum_offset = rte_cpu_to_le_16(16);
	}
	if (is_evil(d, pair, PMD_EVIL_RX_GSO))
		hdr.hdr.gso_type = 0x7e;
	memcpy(frame->bytes, &hdr, sizeof(hdr));
}

static uint32_t
written(struct pmd_device *d, uint16_t pair, uint32_t len, uint32_t room)
{
	if (is_evil(d, pair, PMD_EVIL_RX_LONG))
		return room + 1;
	if (is_evil(d, pair, PMD_EVIL_RX_EMPTY))
		return HDR_LEN - 1;
	if (is_evil(d, pair, PMD_EVIL_RX_RUNT))
		return HDR_LEN + 3;
	return len;
}

/* All buffers of a frame by the element of the last one, full as those before are. */
static void
push_batch(const struct pmd_device *d, struct rte_virtio_ring *ring,
	   const struct rte_virtio_chain *chains, uint16_t nb, uint32_t written)
{
	rte_virtio_ring_push(ring, chains[nb - 1].id, nb, written);
	if ((rte_virtio_dev_features(d->dev) >> VIRTIO_F_RING_PACKED & 1) != 0)
		return;
	/* there the library moves on by one */
	ring->used += nb - 1;
	ring->pending += nb - 1;
	ring->in_flight -= nb - 1;
}

/* Into as many buffers as it takes; a frame that does not fit is dropped. */
static void
give_frame(struct pmd_device *d, uint16_t pair, struct rte_virtio_ring *ring,
	   struct frame *frame)
{
	struct rte_virtio_seg segs[MAX_SEGS];
	struct rte_virtio_chain chains[MAX_SEGS];
	const bool merge = (rte_virtio_dev_features(d->dev) >> VIRTIO_NET_F_MRG_RXBUF & 1) != 0;
	const bool batch = d->conf.batch &&
		(rte_virtio_dev_features(d->dev) >> VIRTIO_F_IN_ORDER & 1) != 0;
	const uint16_t max = merge ? MAX_SEGS : 1;
	uint32_t done = 0, slots = 0, part;
	uint16_t nb, i, id;

	for (nb = 0; done < frame->len && nb < max; nb++) {
		if (rte_virtio_ring_pop(ring, &chains[nb], &segs[nb], 1) <= 0)
			break;
		slots += chains[nb].slots;
		done += chains[nb].write_len;
	}
	if (done < frame->len) {
		rte_virtio_ring_rewind(ring, slots);
		return;
	}
	make_header(d, pair, frame, nb);
	for (i = 0, done = 0; i < nb; i++, done += part) {
		part = rte_virtio_chain_write(&chains[i], 0, frame->bytes + done,
					      frame->len - done);
		if (batch) {
			if (i + 1 == nb)
				push_batch(d, ring, chains, nb, part);
			continue;
		}
		id = is_evil(d, pair, PMD_EVIL_RX_ID) ? ring->size + 7 : chains[i].id;
		rte_virtio_ring_push(ring, id, chains[i].slots,
				     written(d, pair, part, chains[i].write_len));
	}
	push_twice(d, pair, ring, chains[0].id, PMD_EVIL_RX_TWICE);
	rte_virtio_ring_publish(ring);
	jump(d, pair, ring, PMD_EVIL_RX_INDEX);
}

/* Whether the driver offers what the longest frame of a test takes. */
static bool
has_room(const struct pmd_device *d, struct rte_virtio_ring *ring)
{
	const bool merge = (rte_virtio_dev_features(d->dev) >> VIRTIO_NET_F_MRG_RXBUF & 1) != 0;
	const uint32_t wanted = merge ? MERGED : 1;
	struct rte_virtio_chain chain;
	struct rte_virtio_seg seg;
	uint32_t nb, slots = 0;

	for (nb = 0; nb < wanted && rte_virtio_ring_pop(ring, &chain, &seg, 1) > 0; nb++)
		slots += chain.slots;
	rte_virtio_ring_rewind(ring, (uint16_t)slots);
	return nb == wanted;
}

/* Send back up to a burst of frames; whether there was one. */
static bool
echo(struct pmd_device *d, uint16_t pair, struct frame *frame)
{
	struct rte_virtio_queue *rx = rte_virtio_dev_queue(d->dev, 2 * pair);
	struct rte_virtio_queue *tx = rte_virtio_dev_queue(d->dev, 2 * pair + 1);
	struct rte_virtio_ring *rx_ring = rte_virtio_queue_begin(rx), *tx_ring;
	uint32_t nb = 0;

	if (rx_ring == NULL)
		return false;
	tx_ring = rte_virtio_queue_begin(tx);
	for (; tx_ring != NULL && nb < 32 && has_room(d, rx_ring); nb++) {
		if (take_frame(d, pair, tx_ring, frame) == 0)
			break;
		give_frame(d, pair, rx_ring, frame);
	}
	if (nb != 0) {
		rte_virtio_queue_interrupt(rx);
		rte_virtio_queue_interrupt(tx);
	}
	if (tx_ring != NULL)
		rte_virtio_queue_end(tx);
	rte_virtio_queue_end(rx);
	return nb != 0;
}

/* --------------------------------------------------------- control queue */

static void
remember(struct pmd_device *d, const struct rte_virtio_chain *chain)
{
	struct pmd_command *command = &d->commands[d->nb_commands % PMD_DEVICE_MAX_COMMANDS];
	uint8_t head[2];

	memset(command, 0, sizeof(*command));
	rte_virtio_chain_read(chain, 0, head, sizeof(head));
	command->class = head[0];
	command->cmd = head[1];
	command->len = rte_virtio_chain_read(chain, sizeof(head), command->data,
					     sizeof(command->data));
	COUNT(d->nb_commands);
}

static void
control(struct pmd_device *d)
{
	const bool mq = (rte_virtio_dev_features(d->dev) >> VIRTIO_NET_F_MQ & 1) != 0;
	struct rte_virtio_queue *q = rte_virtio_dev_queue(d->dev, mq ? 2 * d->conf.pairs : 2);
	struct rte_virtio_ring *ring = rte_virtio_queue_begin(q);
	struct rte_virtio_seg segs[MAX_SEGS];
	struct rte_virtio_chain chain;
	uint8_t ack = GET(d->refuse) ? VIRTIO_NET_ERR : VIRTIO_NET_OK;

	if (ring == NULL)
		return;
	if (!GET(d->silent) && rte_virtio_ring_pop(ring, &chain, segs, MAX_SEGS) > 0) {
		remember(d, &chain);
		rte_virtio_chain_write(&chain, 0, &ack, sizeof(ack));
		rte_virtio_ring_push(ring, chain.id, chain.slots, sizeof(ack));
		rte_virtio_ring_publish(ring);
	}
	rte_virtio_queue_end(q);
}

const struct pmd_command *
pmd_device_command(const struct pmd_device *d, uint8_t class, uint8_t cmd)
{
	uint32_t i = GET(d->nb_commands);
	const struct pmd_command *command;

	while (i-- > 0) {
		command = &d->commands[i % PMD_DEVICE_MAX_COMMANDS];
		if (command->class == class && command->cmd == cmd)
			return command;
	}
	return NULL;
}

/* ---------------------------------------------------------------- life */

static void *
run(void *arg)
{
	struct pmd_device *d = arg;
	struct frame *frame = malloc(sizeof(*frame));
	bool busy;
	uint16_t i;

	while (frame != NULL && !GET(d->stop)) {
		busy = rte_vfio_user_server_poll(d->srv) > 0;
		control(d);
		for (i = 0; i < d->conf.pairs; i++)
			busy |= echo(d, i, frame);
		if (!busy)
			usleep(20);
	}
	free(frame);
	return NULL;
}

static int
on_features(struct rte_virtio_dev *dev, uint64_t features, void *priv)
{
	struct pmd_device *d = priv;

	RTE_SET_USED(dev);
	SET(d->features, features);
	return 0;
}

void
pmd_device_conf_init(struct pmd_device_conf *conf, const char *path)
{
	memset(conf, 0, sizeof(*conf));
	conf->path = path;
	conf->pairs = conf->max_pairs = 1;
	conf->mtu = 9000;
	conf->queue_size = 256;
	conf->features = BIT(VIRTIO_NET_F_MAC) | BIT(VIRTIO_NET_F_STATUS) |
		BIT(VIRTIO_NET_F_MTU) | BIT(VIRTIO_NET_F_CTRL_VQ) | BIT(VIRTIO_NET_F_CTRL_RX) |
		BIT(VIRTIO_NET_F_CTRL_VLAN) | BIT(VIRTIO_NET_F_CTRL_MAC_ADDR) |
		BIT(VIRTIO_NET_F_GUEST_ANNOUNCE) | BIT(VIRTIO_NET_F_MQ) |
		BIT(VIRTIO_NET_F_MRG_RXBUF) | BIT(VIRTIO_NET_F_GUEST_CSUM) |
		BIT(VIRTIO_NET_F_GUEST_TSO4) | BIT(VIRTIO_NET_F_GUEST_TSO6);
}

static int
make_device(struct pmd_device *d)
{
	const struct rte_virtio_dev_ops ops = { .features_ok = on_features };
	struct virtio_net_config config = {
		.mac = MAC,
		.status = rte_cpu_to_le_16(VIRTIO_NET_S_LINK_UP),
		.max_virtqueue_pairs = rte_cpu_to_le_16(d->conf.max_pairs),
		.mtu = rte_cpu_to_le_16(d->conf.mtu),
	};
	struct rte_virtio_dev_conf conf;

	rte_virtio_dev_conf_init(&conf);
	conf.srv = d->srv;
	conf.device_type = VIRTIO_ID_NET;
	conf.nb_queues = 2 * d->conf.pairs + 1;
	conf.queue_size = d->conf.queue_size;
	conf.features = d->conf.features;
	conf.features_off = d->conf.features_off;
	conf.config_size = sizeof(config);
	conf.flags = d->conf.flags;
	conf.priv = d;
	d->dev = rte_virtio_dev_create(&conf, &ops);
	if (d->dev == NULL)
		return -rte_errno;
	return rte_virtio_dev_config_set(d->dev, 0, &config, sizeof(config));
}

int
pmd_device_start(struct pmd_device *d, const struct pmd_device_conf *conf)
{
	struct rte_vfio_user_server_conf server;
	int ret;

	memset(d, 0, sizeof(*d));
	d->conf = *conf;
	d->silent = conf->silent;
	d->refuse = conf->refuse;
	rte_vfio_user_server_conf_init(&server);
	server.sock_path = conf->path;
	d->srv = rte_vfio_user_server_create(&server);
	if (d->srv == NULL)
		return -rte_errno;
	ret = make_device(d);
	if (ret == 0)
		ret = rte_vfio_user_server_start(d->srv);
	if (ret == 0)
		ret = -pthread_create(&d->thread, NULL, run, d);
	d->running = ret == 0;
	return ret;
}

void
pmd_device_stop(struct pmd_device *d)
{
	if (d->running) {
		SET(d->stop, true);
		pthread_join(d->thread, NULL);
	}
	d->running = false;
	if (d->dev != NULL)
		rte_virtio_dev_destroy(d->dev);
	else
		rte_vfio_user_server_destroy(d->srv);
	d->dev = NULL;
	d->srv = NULL;
}

void
pmd_device_link(struct pmd_device *d, bool up)
{
	const rte_le16_t status = rte_cpu_to_le_16(up ? VIRTIO_NET_S_LINK_UP : 0);

	rte_virtio_dev_config_set(d->dev, offsetof(struct virtio_net_config, status), &status,
				  sizeof(status));
}
