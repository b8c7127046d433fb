/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <rte_byteorder.h>
#include <rte_errno.h>

#include "pmd_guest.h"
#include "pmd_test.h"

/** Largest gap between two pieces. */
#define GAP 8u
/** Memory of a buffer with its gaps. */
#define SLOT RTE_ALIGN_CEIL(GUEST_BUF + VIRTIO_DRIVER_MAX_CHAIN * GAP, 64u)
#define CTRL_MEM 65536u
#define MAX_QUEUES ((uint32_t)VIRTIO_DRIVER_MAX_QUEUES)

/* -------------------------------------------------------------------- set-up */

int
guest_connect(struct guest *g, const char *path)
{
	struct rte_vfio_user_client_conf conf;

	memset(g, 0, sizeof(*g));
	rte_vfio_user_client_conf_init(&conf);
	conf.sock_path = path;
	conf.connect_timeout_ms = 5000;
	g->client = rte_vfio_user_client_create(&conf);
	TEST_ASSERT_NOT_NULL(g->client, "%s: %s", path, rte_strerror(rte_errno));
	return virtio_driver_init(&g->drv, g->client, GUEST_MEM);
}

static void
queues_free(struct guest *g)
{
	uint32_t i;

	for (i = 0; i < VIRTIO_DRIVER_MAX_QUEUES; i++) {
		free(g->queues[i].bufs);
		free(g->queues[i].free);
	}
	memset(g->queues, 0, sizeof(g->queues));
	g->pairs = 0;
}

void
guest_disconnect(struct guest *g)
{
	if (g->client == NULL)
		return;
	queues_free(g);
	virtio_driver_fini(&g->drv);
	rte_vfio_user_client_destroy(g->client);
	g->client = NULL;
}

bool
guest_has(const struct guest *g, unsigned int feature)
{
	return (g->drv.features >> feature & 1) != 0;
}

static int
queue_make(struct guest *g, uint16_t index, uint16_t size)
{
	struct guest_queue *q = &g->queues[index];
	uint32_t i;

	DO(virtio_driver_queue(&g->drv, index, size));
	q->vq = &g->drv.queues[index];
	q->size = q->nb_free = q->vq->size;
	q->bufs = calloc(q->size, sizeof(*q->bufs));
	q->free = calloc(q->size, sizeof(*q->free));
	TEST_ASSERT(q->bufs != NULL && q->free != NULL, "memory");
	for (i = 0; i < q->size; i++) {
		q->free[i] = virtio_driver_alloc(&g->drv, SLOT, 64);
		TEST_ASSERT(q->free[i] != 0, "memory of the guest");
	}
	virtio_driver_want_irq(q->vq, false);
	return TEST_SUCCESS;
}

static int
ctrl_make(struct guest *g)
{
	g->ctrl = UINT16_MAX;
	if (!guest_has(g, VIRTIO_NET_F_CTRL_VQ))
		return TEST_SUCCESS;
	g->ctrl = guest_has(g, VIRTIO_NET_F_MQ) ? 2 *
		(uint16_t)guest_config(g, offsetof(struct virtio_net_config,
						   max_virtqueue_pairs), 2) : 2;
	DO(virtio_driver_queue(&g->drv, g->ctrl, 64));
	g->ctrl_mem = virtio_driver_alloc(&g->drv, CTRL_MEM, 64);
	TEST_ASSERT(g->ctrl_mem != 0, "memory of the guest");
	return TEST_SUCCESS;
}

int
guest_up(struct guest *g, uint64_t wanted, uint16_t pairs, uint16_t size)
{
	uint16_t i;

	queues_free(g);
	DO(virtio_driver_negotiate(&g->drv, wanted));
	if (g->drv.config_fd < 0)
		DO(virtio_driver_irqs(&g->drv, RTE_MIN(g->drv.nb_queues, MAX_QUEUES)));
	for (i = 0; i < 2 * pairs; i++)
		if (queue_make(g, i, size) != TEST_SUCCESS)
			return TEST_FAILED;
	g->pairs = pairs;
	if (ctrl_make(g) != TEST_SUCCESS)
		return TEST_FAILED;
	return virtio_driver_ok(&g->drv);
}

struct guest_queue *
guest_rx(struct guest *g, uint16_t pair)
{
	return &g->queues[2 * pair];
}

struct guest_queue *
guest_tx(struct guest *g, uint16_t pair)
{
	return &g->queues[2 * pair + 1];
}

uint64_t
guest_config(struct guest *g, uint32_t offset, uint32_t len)
{
	return virtio_driver_get(&g->drv, &g->drv.device, offset, len);
}

/* ------------------------------------------------------------------- buffers */

enum guest_form
guest_form(const struct guest *g, bool *indirect)
{
	const uint32_t form = pmd_rand_below(2 * GUEST_FORMS);

	*indirect = guest_has(g, VIRTIO_RING_F_INDIRECT_DESC) && pmd_rand_below(3) == 0;
	return form < GUEST_FORMS ? (enum guest_form)form : GUEST_ONE;
}

static uint32_t
piece_len(enum guest_form form, uint32_t nb, uint32_t left)
{
	switch (form) {
	case GUEST_ONE:
		return left;
	case GUEST_APART:
		return nb == 0 ? GUEST_HDR : left;
	case GUEST_RANDOM:
		return pmd_rand_below(16) == 0 ? 0 : 1 + pmd_rand_below(left);
	default:
		return 1;
	}
}

static void
buf_cut(struct guest_buf *buf, uint32_t len, enum guest_form form, uint32_t max)
{
	const uint32_t gap = form == GUEST_RANDOM ? GAP : 0;
	uint64_t at = buf->mem;
	uint32_t part;

	for (buf->nb = 0; len != 0; len -= part) {
		part = buf->nb + 1 == max ? len : RTE_MIN(len, piece_len(form, buf->nb, len));
		buf->pieces[buf->nb++] = (struct virtio_driver_buf){ at, part };
		at += part + (gap != 0 ? pmd_rand_below(gap) : 0);
	}
}

/* Copy into a buffer, or out of it. */
static void
buf_copy(struct guest *g, const struct guest_buf *buf, uint32_t skip, void *data, uint32_t len,
	 bool in)
{
	uint32_t i, part;
	uint8_t *at;

	for (i = 0; i < buf->nb && len != 0; i++) {
		if (skip >= buf->pieces[i].len) {
			skip -= buf->pieces[i].len;
			continue;
		}
		part = RTE_MIN(len, buf->pieces[i].len - skip);
		at = (uint8_t *)virtio_driver_va(&g->drv, buf->pieces[i].iova) + skip;
		memcpy(in ? (void *)at : data, in ? data : (void *)at, part);
		data = (uint8_t *)data + part;
		len -= part;
		skip = 0;
	}
}

/* A free buffer that is divided into max pieces at most, or false. */
static bool
buf_take(struct guest_queue *q, struct guest_buf *buf, uint32_t len, enum guest_form form,
	 uint32_t max)
{
	if (q->nb_free == 0 || max == 0)
		return false;
	if (form == GUEST_APART && max < 2)
		form = GUEST_ONE;
	buf->mem = q->free[q->nb_free - 1];
	buf_cut(buf, len, form, max);
	return true;
}

static int
buf_add(struct guest_queue *q, const struct guest_buf *buf, bool is_write, bool indirect)
{
	const int id = virtio_driver_add(q->vq, buf->pieces, is_write ? 0 : buf->nb,
					 is_write ? buf->nb : 0, indirect);

	if (id == -ENOSPC)
		return 0;
	if (id < 0)
		return id;
	q->bufs[id] = *buf;
	q->nb_free--;
	q->pending++;
	return 1;
}

/* A buffer that was used: 1, or as virtio_driver_used(). */
static int
buf_used(struct guest_queue *q, struct guest_buf *buf, uint32_t *len)
{
	uint16_t id;
	int ret = virtio_driver_used(q->vq, &id, len);

	if (ret <= 0)
		return ret;
	*buf = q->bufs[id];
	q->free[q->nb_free++] = buf->mem;
	q->pending--;
	return 1;
}

int
guest_send(struct guest *g, uint16_t pair, const struct virtio_net_hdr_v1 *hdr,
	   const void *frame, uint32_t len, enum guest_form form, bool indirect)
{
	static const struct virtio_net_hdr_v1 plain;
	struct guest_queue *q = guest_tx(g, pair);
	uint32_t max = RTE_MIN((uint32_t)VIRTIO_DRIVER_MAX_CHAIN, q->size);
	struct guest_buf buf;

	if (!indirect)
		max = RTE_MIN(max, (uint32_t)q->vq->nb_free);
	if (!buf_take(q, &buf, len + GUEST_HDR, form, max))
		return 0;
	buf_copy(g, &buf, 0, (void *)(uintptr_t)(hdr != NULL ? hdr : &plain), GUEST_HDR, true);
	buf_copy(g, &buf, GUEST_HDR, (void *)(uintptr_t)frame, len, true);
	return buf_add(q, &buf, false, indirect);
}

int
guest_reap(struct guest *g, uint16_t pair)
{
	struct guest_buf buf;
	uint32_t len;
	int nb = 0, ret;

	while ((ret = buf_used(guest_tx(g, pair), &buf, &len)) > 0) {
		TEST_ASSERT(len == 0, "%u bytes written to what is read", len);
		nb++;
	}
	return ret < 0 ? ret : nb;
}

int
guest_post(struct guest *g, uint16_t pair, uint32_t len, enum guest_form form, bool indirect)
{
	struct guest_queue *q = guest_rx(g, pair);
	uint32_t max = RTE_MIN((uint32_t)VIRTIO_DRIVER_MAX_CHAIN, q->size);
	struct guest_buf buf;

	/* the ring has to have room for the longest packet in many such buffers */
	if (!indirect) {
		max = RTE_MAX(max / 32, 1u);
		max = RTE_MIN(max, (uint32_t)q->vq->nb_free);
	}
	if (!buf_take(q, &buf, len, form, max))
		return 0;
	return buf_add(q, &buf, true, indirect);
}

int
guest_post_plain(struct guest *g, uint16_t pair, uint32_t len, uint32_t nb)
{
	for (; nb != 0; nb--)
		TEST_ASSERT(guest_post(g, pair, len, GUEST_ONE, false) == 1, "no room");
	return TEST_SUCCESS;
}

int
guest_recv(struct guest *g, uint16_t pair, struct virtio_net_hdr_v1 *hdr, uint8_t *frame)
{
	struct guest_queue *q = guest_rx(g, pair);
	struct guest_buf buf;
	uint32_t len, total = 0, i, nb, skip;
	int ret = buf_used(q, &buf, &len);

	if (ret <= 0)
		return ret;
	TEST_ASSERT(len >= GUEST_HDR, "no header: %u bytes", len);
	buf_copy(g, &buf, 0, hdr, GUEST_HDR, false);
	nb = rte_le_to_cpu_16(hdr->num_buffers);
	TEST_ASSERT(nb != 0 && (nb == 1 || guest_has(g, VIRTIO_NET_F_MRG_RXBUF)),
		    "%u buffers", nb);
	for (i = 0, skip = GUEST_HDR; i < nb; i++, skip = 0) {
		if (i != 0) /* they have been shown together */
			TEST_ASSERT(buf_used(q, &buf, &len) == 1, "buffer %u of %u", i, nb);
		TEST_ASSERT(total + len - skip <= FRAME_MAX, "too long");
		buf_copy(g, &buf, skip, frame + total, len - skip, false);
		total += len - skip;
	}
	return (int)total;
}

/* ------------------------------------------------------------------- control */

int
guest_ctrl(struct guest *g, uint8_t class, uint8_t cmd, const void *data, uint32_t len,
	   uint8_t *result)
{
	struct virtio_driver_queue *q = &g->drv.queues[g->ctrl];
	const struct virtio_driver_buf bufs[] = {
		{ g->ctrl_mem, 2 },
		{ g->ctrl_mem + 64, len },
		{ g->ctrl_mem + CTRL_MEM - 64, 1 },
		{ g->ctrl_mem + CTRL_MEM - 63, GUEST_RESULT },
	};
	uint8_t *ack = virtio_driver_va(&g->drv, bufs[2].iova);
	uint8_t *hdr = virtio_driver_va(&g->drv, bufs[0].iova);
	uint16_t id;

	TEST_ASSERT(len <= CTRL_MEM - 128, "too long");
	hdr[0] = class;
	hdr[1] = cmd;
	memcpy(virtio_driver_va(&g->drv, bufs[1].iova), data, len);
	memset(ack, 0xee, 1 + GUEST_RESULT);
	TEST_ASSERT(virtio_driver_add(q, bufs, 2, result != NULL ? 2 : 1, false) >= 0, "add");
	DO(virtio_driver_kick(q));
	TEST_ASSERT(virtio_driver_wait(q, &id, &g->ctrl_written) == 1, "no answer");
	if (result != NULL)
		memcpy(result, ack + 1, GUEST_RESULT);
	return *ack;
}
