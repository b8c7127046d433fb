/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

/* The device and the driver of the tests of virtio_dev. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <rte_errno.h>

#include "test.h"
#include "test_virtio_dev.h"

struct vloop vloop;

static char folder[32];

/* ---------------------------------------------------------------- device */

static int
on_features_ok(struct rte_virtio_dev *dev, uint64_t features, void *priv)
{
	RTE_SET_USED(dev);
	RTE_SET_USED(priv);
	SET(vloop.features, features);
	COUNT(vloop.features_asked);
	return vloop.features_result;
}

static void
on_queue_state(struct rte_virtio_dev *dev, uint16_t queue, bool live, void *priv)
{
	struct rte_virtio_queue_info info;

	RTE_SET_USED(priv);
	if (rte_virtio_queue_info_get(rte_virtio_dev_queue(dev, queue), &info) < 0 || info.live)
		abort(); /* promised for both cases */
	if (live)
		COUNT(vloop.started[queue]);
	else
		COUNT(vloop.stopped[queue]);
}

static void
on_notify(struct rte_virtio_dev *dev, uint16_t queue, void *priv)
{
	RTE_SET_USED(priv);
	COUNT(vloop.notified[queue]);
	if (vloop.echo_in_notify)
		vloop_echo(rte_virtio_dev_queue(dev, queue));
}

static int
on_config_write(struct rte_virtio_dev *dev, uint32_t offset, const void *data, uint32_t len,
		void *priv)
{
	RTE_SET_USED(dev);
	RTE_SET_USED(data);
	RTE_SET_USED(priv);
	if (offset + len > VLOOP_CONFIG_SIZE)
		abort();
	COUNT(vloop.config_writes);
	return vloop.config_result;
}

static void
on_reset(struct rte_virtio_dev *dev, void *priv)
{
	RTE_SET_USED(dev);
	RTE_SET_USED(priv);
	COUNT(vloop.resets);
}

static const struct rte_virtio_dev_ops ops = {
	.features_ok = on_features_ok,
	.queue_state = on_queue_state,
	.notify = on_notify,
	.config_write = on_config_write,
	.reset = on_reset,
};

/* What is read is written back, byte by byte, as far as there is room. */
static uint32_t
echo_chain(const struct rte_virtio_chain *chain)
{
	const struct rte_virtio_seg *from = chain->segs, *to = chain->segs + chain->nb_read;
	const struct rte_virtio_seg *from_end = to, *to_end = to + chain->nb_write;
	uint32_t from_at = 0, to_at = 0, done = 0;

	while (from < from_end && to < to_end) {
		((uint8_t *)to->va)[to_at++] = ((const uint8_t *)from->va)[from_at++];
		done++;
		if (from_at == from->len) {
			from++;
			from_at = 0;
		}
		if (to_at == to->len) {
			to++;
			to_at = 0;
		}
	}
	return done;
}

int
vloop_echo(struct rte_virtio_queue *q)
{
	struct rte_virtio_seg segs[VLOOP_SEGS];
	struct rte_virtio_chain chain;
	struct rte_virtio_ring *ring;
	int nb = 0;

	ring = rte_virtio_queue_begin(q);
	if (ring == NULL)
		return -1;
	while (nb < 32 && rte_virtio_ring_pop(ring, &chain, segs, VLOOP_SEGS) > 0) {
		rte_virtio_ring_push(ring, chain.id, chain.slots, echo_chain(&chain));
		nb++;
	}
	if (vloop.echo_in_notify)
		rte_virtio_ring_notify_enable(ring);
	rte_virtio_ring_publish(ring);
	if (nb != 0)
		rte_virtio_queue_interrupt(q);
	if (GET(vloop.inside) == 1) {
		SET(vloop.inside, 2);
		while (GET(vloop.inside) == 2)
			usleep(100);
	}
	rte_virtio_queue_end(q);
	return nb;
}

static void *
echo_loop(void *arg)
{
	const uint32_t nb = (uint32_t)(uintptr_t)arg;
	uint32_t i;
	int ret;

	while (!GET(vloop.stop)) {
		for (i = 0; i < nb; i++) {
			ret = vloop_echo(rte_virtio_dev_queue(vloop.dev, i));
			if (ret > 0)
				__atomic_fetch_add(&vloop.echoed, ret, __ATOMIC_RELAXED);
		}
		if (COUNT(vloop.polls) % 64 == 0)
			sched_yield(); /* the tests may have one cpu */
	}
	return NULL;
}

int
vloop_start_thread(uint32_t nb)
{
	vloop.stop = false;
	DO(pthread_create(&vloop.thread, NULL, echo_loop, (void *)(uintptr_t)nb));
	vloop.threaded = true;
	return TEST_SUCCESS;
}

void
vloop_stop_thread(void)
{
	if (!vloop.threaded)
		return;
	SET(vloop.inside, 0);
	SET(vloop.stop, true);
	pthread_join(vloop.thread, NULL);
	vloop.threaded = false;
}

/* -------------------------------------------------------------- fixtures */

int
vloop_start_device(void)
{
	struct rte_vfio_user_server_conf conf;

	rte_vfio_user_server_conf_init(&conf);
	conf.sock_path = vloop.path;
	vloop.srv = rte_vfio_user_server_create(&conf);
	TEST_ASSERT_NOT_NULL(vloop.srv, "server: %s", rte_strerror(rte_errno));
	vloop.conf.srv = vloop.srv;
	vloop.dev = rte_virtio_dev_create(&vloop.conf, &ops);
	TEST_ASSERT_NOT_NULL(vloop.dev, "device: %s", rte_strerror(rte_errno));
	DO(rte_vfio_user_server_start(vloop.srv));
	vloop.runner = rte_vfio_user_runner_create("virtio");
	TEST_ASSERT_NOT_NULL(vloop.runner, "runner: %s", rte_strerror(rte_errno));
	return rte_vfio_user_runner_add(vloop.runner, vloop.srv);
}

int
vloop_connect(void)
{
	struct rte_vfio_user_client_conf conf;

	rte_vfio_user_client_conf_init(&conf);
	conf.sock_path = vloop.path;
	conf.connect_timeout_ms = 10000;
	vloop.client = rte_vfio_user_client_create(&conf);
	TEST_ASSERT_NOT_NULL(vloop.client, "client: %s", rte_strerror(rte_errno));
	return virtio_driver_init(&vloop.drv, vloop.client, VLOOP_MEM);
}

void
vloop_disconnect(void)
{
	if (vloop.client == NULL)
		return;
	rte_vfio_user_client_destroy(vloop.client);
	vloop.client = NULL;
	virtio_driver_fini(&vloop.drv);
}

int
vloop_start(void)
{
	DO(vloop_start_device());
	return vloop_connect();
}

int
vloop_setup(void)
{
	memset(&vloop, 0, sizeof(vloop));
	snprintf(folder, sizeof(folder), "/tmp/virtio-dev-XXXXXX");
	TEST_ASSERT_NOT_NULL(mkdtemp(folder), "folder: %s", strerror(errno));
	snprintf(vloop.path, sizeof(vloop.path), "%s/sock", folder);
	rte_virtio_dev_conf_init(&vloop.conf);
	vloop.conf.name = "test";
	vloop.conf.device_type = VIRTIO_ID_CRYPTO;
	vloop.conf.nb_queues = VLOOP_QUEUES;
	vloop.conf.queue_size = VLOOP_QUEUE_SIZE;
	vloop.conf.config_size = VLOOP_CONFIG_SIZE;
	vloop.conf.features = BIT(3) | BIT(60);
	return TEST_SUCCESS;
}

void
vloop_teardown(void)
{
	vloop_stop_thread();
	vloop_disconnect();
	if (vloop.runner != NULL) {
		rte_vfio_user_runner_remove(vloop.runner, vloop.srv);
		rte_vfio_user_runner_destroy(vloop.runner);
	}
	if (vloop.dev != NULL)
		rte_virtio_dev_destroy(vloop.dev);
	else
		rte_vfio_user_server_destroy(vloop.srv);
	rmdir(folder);
}

/* -------------------------------------------------------------- exchange */

int
vloop_up(uint64_t wanted, uint32_t nb)
{
	uint32_t i;

	DO(virtio_driver_negotiate(&vloop.drv, wanted));
	for (i = 0; i < nb; i++)
		DO(virtio_driver_queue(&vloop.drv, i, 0));
	return virtio_driver_ok(&vloop.drv);
}

/* nb_read pieces of len bytes each, and as many to write to; what was sent. */
static uint8_t *
make_buffer(struct virtio_driver_buf *bufs, uint32_t nb, uint32_t len, uint32_t seed)
{
	uint64_t at = virtio_driver_alloc(&vloop.drv, 2 * nb * len, 1);
	uint8_t *va = virtio_driver_va(&vloop.drv, at);
	uint32_t i;

	if (at == 0)
		return NULL;
	for (i = 0; i < nb * len; i++)
		va[i] = (uint8_t)(seed + i * 7);
	for (i = 0; i < 2 * nb; i++)
		bufs[i] = (struct virtio_driver_buf){ at + i * len, len };
	return va;
}

int
vloop_exchange(uint16_t queue, uint32_t nb)
{
	struct virtio_driver_queue *q = &vloop.drv.queues[queue];
	struct virtio_driver_buf bufs[VIRTIO_DRIVER_MAX_CHAIN];
	bool indirect_ok = vloop.drv.features & BIT(VIRTIO_RING_F_INDIRECT_DESC);
	const uint64_t mem_used = vloop.drv.mem_used;
	uint32_t i, pieces, piece_len, len;
	uint16_t id;
	uint8_t *va;
	int added;

	for (i = 0; i < nb; i++) {
		pieces = 1 + i % 3;
		piece_len = 1 + i * 37 % 400;
		va = make_buffer(bufs, pieces, piece_len, i);
		TEST_ASSERT_NOT_NULL(va, "memory");
		added = virtio_driver_add(q, bufs, pieces, pieces, indirect_ok && i % 2 == 0);
		TEST_ASSERT(added >= 0, "buffer %u: %d", i, added);
		DO(virtio_driver_kick(q));
		TEST_ASSERT_EQUAL(virtio_driver_wait(q, &id, &len), 1, "buffer %u", i);
		TEST_ASSERT_EQUAL(id, added, "buffer %u: id %u", i, id);
		TEST_ASSERT_EQUAL(len, pieces * piece_len, "buffer %u: %u bytes", i, len);
		TEST_ASSERT(memcmp(va, va + pieces * piece_len, len) == 0, "buffer %u", i);
		/* tables of indirect descriptors stay */
		if (!indirect_ok)
			vloop.drv.mem_used = mem_used;
	}
	return TEST_SUCCESS;
}
