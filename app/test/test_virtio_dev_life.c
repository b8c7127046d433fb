/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

/* Queues and devices that end: resets, lost clients, threads in a burst. */

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <linux/pci_regs.h>

#include <rte_cycles.h>
#include <rte_random.h>

#include "test.h"
#include "test_virtio_dev.h"

#define REG(name, len) virtio_driver_reg(&vloop.drv, VIRTIO_PCI_COMMON_ ## name, len)
#define REG_SET(name, len, val) \
	DO(virtio_driver_reg_set(&vloop.drv, VIRTIO_PCI_COMMON_ ## name, len, val))
#define QUEUE_RESET 58
#define ROUNDS 30
#define FUZZ_ACCESSES 20000
#define FUZZ_ACCESSES_LONG 1000000

static bool
is_long(void)
{
	return getenv("VFIO_USER_TEST_LONG") != NULL;
}

/* Have the thread stay in a section. */
static int
hold(void)
{
	SET(vloop.inside, 1);
	WAIT_FOR(GET(vloop.inside) == 2);
	return TEST_SUCCESS;
}

static void
release(void)
{
	SET(vloop.inside, 0);
}

/* ---------------------------------------------------------------- resets */

static int
test_reset_in_burst(void)
{
	uint8_t status;

	DO(vloop_start());
	DO(vloop_start_thread(1));
	DO(vloop_up(0, 1));
	DO(vloop_exchange(0, 5));
	status = virtio_driver_status(&vloop.drv);
	DO(hold());
	REG_SET(STATUS, 1, 0);
	/* answered, and not finished */
	TEST_ASSERT_EQUAL(REG(STATUS, 1), status, "status");
	TEST_ASSERT(GET(vloop.stopped[0]) == 0 && GET(vloop.resets) == 1, "too early");
	/* nothing else is taken meanwhile */
	REG_SET(STATUS, 1, VIRTIO_CONFIG_S_ACKNOWLEDGE);
	REG_SET(STATUS, 1, VIRTIO_CONFIG_S_FAILED);
	REG_SET(Q_SELECT, 2, 1);
	REG_SET(GFSELECT, 4, 1);
	REG_SET(MSIX, 2, 0);
	REG_SET(STATUS, 1, 0); /* again */
	TEST_ASSERT(REG(STATUS, 1) == status && REG(Q_SELECT, 2) == 0 &&
		    REG(MSIX, 2) == VIRTIO_MSI_NO_VECTOR, "set up");
	release();
	WAIT_FOR(REG(STATUS, 1) == 0);
	TEST_ASSERT(GET(vloop.stopped[0]) == 1 && GET(vloop.resets) == 2, "callbacks");
	TEST_ASSERT_EQUAL(REG(Q_ENABLE, 2), 0, "enabled");
	DO(vloop_up(0, 1));
	return vloop_exchange(0, 5);
}

static int
test_reset_while_busy(void)
{
	uint64_t wanted;
	uint32_t i, queue;

	DO(vloop_start());
	DO(vloop_start_thread(VLOOP_QUEUES));
	for (i = 0; i < ROUNDS; i++) {
		wanted = i % 2 != 0 ? BIT(VIRTIO_F_RING_PACKED) : 0;
		queue = i % VLOOP_QUEUES;
		DO(vloop_up(wanted, VLOOP_QUEUES));
		DO(vloop_exchange(queue, 3));
	}
	DO(virtio_driver_reset(&vloop.drv));
	for (i = 0; i < VLOOP_QUEUES; i++)
		TEST_ASSERT(GET(vloop.started[i]) == ROUNDS && GET(vloop.stopped[i]) == ROUNDS,
			    "queue %u: started %u, stopped %u", i, vloop.started[i],
			    vloop.stopped[i]);
	return TEST_SUCCESS;
}

static int
test_queue_reset(void)
{
	DO(vloop_start());
	DO(vloop_start_thread(2));
	DO(vloop_up(BIT(VIRTIO_F_RING_RESET), 2));
	DO(vloop_exchange(0, 5));
	DO(hold());
	REG_SET(Q_SELECT, 2, 0);
	DO(virtio_driver_reg_set(&vloop.drv, QUEUE_RESET, 2, 1));
	TEST_ASSERT(virtio_driver_reg(&vloop.drv, QUEUE_RESET, 2) == 1 && REG(Q_ENABLE, 2) == 1,
		    "not finished");
	REG_SET(Q_ENABLE, 2, 1); /* not yet */
	REG_SET(Q_SIZE, 2, 8);
	TEST_ASSERT_EQUAL(GET(vloop.stopped[0]), 0, "too early");
	release();
	WAIT_FOR(virtio_driver_reg(&vloop.drv, QUEUE_RESET, 2) == 0);
	TEST_ASSERT(REG(Q_ENABLE, 2) == 0 && REG(Q_SIZE, 2) == VLOOP_QUEUE_SIZE &&
		    REG(Q_DESCLO, 8) == 0 && REG(Q_MSIX, 2) == VIRTIO_MSI_NO_VECTOR, "defaults");
	TEST_ASSERT(GET(vloop.stopped[0]) == 1 && GET(vloop.stopped[1]) == 0, "callbacks");
	DO(vloop_exchange(1, 5)); /* the other one goes on */
	DO(virtio_driver_queue(&vloop.drv, 0, 16));
	DO(vloop_exchange(0, 20));
	TEST_ASSERT_EQUAL(GET(vloop.started[0]), 2, "callbacks");
	/* of a queue that is not enabled */
	REG_SET(Q_SELECT, 2, 3);
	REG_SET(Q_SIZE, 2, 4);
	DO(virtio_driver_reg_set(&vloop.drv, QUEUE_RESET, 2, 1));
	TEST_ASSERT(virtio_driver_reg(&vloop.drv, QUEUE_RESET, 2) == 0 &&
		    REG(Q_SIZE, 2) == VLOOP_QUEUE_SIZE, "not enabled");
	return TEST_SUCCESS;
}

/*
 * Two stops that wait for sections of two queues, which end one after the other:
 * each has its own end.
 */
static int
two_stops(bool device)
{
	struct rte_virtio_queue *first = rte_virtio_dev_queue(vloop.dev, 0);
	struct rte_virtio_queue *second = rte_virtio_dev_queue(vloop.dev, 1);
	uint32_t stopped, resets;

	DO(vloop_up(BIT(VIRTIO_F_RING_RESET), 2));
	stopped = GET(vloop.stopped[0]);
	resets = GET(vloop.resets);
	TEST_ASSERT_NOT_NULL(rte_virtio_queue_begin(first), "live");
	REG_SET(Q_SELECT, 2, 0);
	DO(virtio_driver_reg_set(&vloop.drv, QUEUE_RESET, 2, 1));
	TEST_ASSERT_NOT_NULL(rte_virtio_queue_begin(second), "live");
	if (device) {
		REG_SET(STATUS, 1, 0);
	} else {
		REG_SET(Q_SELECT, 2, 1);
		DO(virtio_driver_reg_set(&vloop.drv, QUEUE_RESET, 2, 1));
	}
	rte_virtio_queue_end(first);
	WAIT_FOR(GET(vloop.stopped[0]) == stopped + 1);
	(void)REG(STATUS, 1); /* the poller has gone on */
	TEST_ASSERT(GET(vloop.stopped[1]) == stopped && GET(vloop.resets) == resets, "too early");
	rte_virtio_queue_end(second);
	WAIT_FOR(GET(vloop.stopped[1]) == stopped + 1);
	WAIT_FOR(!device || REG(STATUS, 1) == 0);
	return TEST_SUCCESS;
}

static int
test_two_stops(void)
{
	DO(vloop_start());
	DO(two_stops(false));
	return two_stops(true);
}

static int
test_queue_reset_not_negotiated(void)
{
	DO(vloop_start());
	DO(vloop_start_thread(1));
	DO(vloop_up(0, 1));
	REG_SET(Q_SELECT, 2, 0);
	DO(virtio_driver_reg_set(&vloop.drv, QUEUE_RESET, 2, 1));
	TEST_ASSERT(virtio_driver_reg(&vloop.drv, QUEUE_RESET, 2) == 0 && REG(Q_ENABLE, 2) == 1,
		    "reset");
	return vloop_exchange(0, 5);
}

/* DPDK's driver, before it frees a ring. */
static int
test_disable(void)
{
	DO(vloop_start());
	DO(vloop_start_thread(1));
	DO(vloop_up(0, 1));
	DO(hold());
	REG_SET(Q_SELECT, 2, 0);
	REG_SET(Q_ENABLE, 2, 0);
	TEST_ASSERT_EQUAL(REG(Q_ENABLE, 2), 1, "not finished");
	release();
	WAIT_FOR(REG(Q_ENABLE, 2) == 0);
	TEST_ASSERT_EQUAL(GET(vloop.stopped[0]), 1, "callback");
	DO(virtio_driver_queue(&vloop.drv, 0, 0));
	return vloop_exchange(0, 5);
}

/* Buffers kept over a reset belong to another epoch. */
static int
test_epoch(void)
{
	struct rte_virtio_queue *q;
	uint32_t epoch;

	DO(vloop_start());
	q = rte_virtio_dev_queue(vloop.dev, 0);
	DO(vloop_up(0, 1));
	TEST_ASSERT_NOT_NULL(rte_virtio_queue_begin(q), "live");
	TEST_ASSERT_NOT_NULL(rte_virtio_queue_reader(q), "reader");
	epoch = rte_virtio_queue_epoch(q);
	rte_virtio_queue_end(q);
	DO(vloop_up(0, 1));
	TEST_ASSERT_NOT_NULL(rte_virtio_queue_begin(q), "live");
	TEST_ASSERT(rte_virtio_queue_epoch(q) != epoch, "the same epoch");
	rte_virtio_queue_end(q);
	return TEST_SUCCESS;
}

static int
test_device_reset(void)
{
	DO(vloop_start());
	DO(vloop_start_thread(1));
	DO(vloop_up(0, 1));
	DO(vloop_exchange(0, 5));
	DO(rte_vfio_user_client_reset(vloop.client));
	WAIT_FOR(REG(STATUS, 1) == 0);
	TEST_ASSERT(GET(vloop.stopped[0]) == 1 && REG(Q_ENABLE, 2) == 0, "reset");
	DO(vloop_up(0, 1)); /* the memory is still there */
	return vloop_exchange(0, 5);
}

static void *
release_later(void *arg)
{
	RTE_SET_USED(arg);
	usleep(50000);
	release();
	return NULL;
}

/* The client may take for granted that nothing is written after the reply. */
static int
test_device_reset_in_burst(void)
{
	pthread_t thread;
	uint32_t inside;
	int ret;

	DO(vloop_start());
	DO(vloop_start_thread(1));
	DO(vloop_up(0, 1));
	DO(hold());
	DO(pthread_create(&thread, NULL, release_later, NULL));
	ret = rte_vfio_user_client_reset(vloop.client);
	inside = GET(vloop.inside);
	pthread_join(thread, NULL);
	TEST_ASSERT(ret == 0 && inside == 0, "answered while a thread is inside");
	WAIT_FOR(REG(STATUS, 1) == 0);
	DO(vloop_up(0, 1));
	return vloop_exchange(0, 5);
}

/* Initiate Function Level Reset, in Device Control of the PCIe capability. */
static int
test_flr(void)
{
	uint8_t config[PCI_CFG_SPACE_SIZE], off;
	uint16_t devctl;

	DO(vloop_start());
	DO(vloop_start_thread(1));
	DO(vloop_up(0, 1));
	TEST_ASSERT_EQUAL(rte_vfio_user_client_region_read(vloop.client,
			VFIO_PCI_CONFIG_REGION_INDEX, 0, config, sizeof(config)), sizeof(config),
			"read");
	for (off = config[PCI_CAPABILITY_LIST]; off != 0 && config[off] != PCI_CAP_ID_EXP; )
		off = config[off + PCI_CAP_LIST_NEXT];
	TEST_ASSERT(off != 0 && (config[off + PCI_EXP_DEVCAP + 3] &
				 PCI_EXP_DEVCAP_FLR >> 24) != 0, "not offered");
	memcpy(&devctl, config + off + PCI_EXP_DEVCTL, sizeof(devctl));
	devctl |= PCI_EXP_DEVCTL_BCR_FLR;
	TEST_ASSERT_EQUAL(rte_vfio_user_client_region_write(vloop.client,
			VFIO_PCI_CONFIG_REGION_INDEX, off + PCI_EXP_DEVCTL, &devctl, 2), 2,
			"write");
	WAIT_FOR(REG(STATUS, 1) == 0);
	TEST_ASSERT_EQUAL(GET(vloop.stopped[0]), 1, "stopped");
	DO(vloop_up(0, 1));
	return vloop_exchange(0, 5);
}

/* ----------------------------------------------------------- lost clients */

/* Rings of one client are never processed in the memory of the next one. */
static int
test_lost_client(void)
{
	struct virtio_driver_buf bufs[2];
	uint8_t before[4096];
	uint32_t i, echoed;
	uint64_t wanted;

	DO(vloop_start());
	DO(vloop_start_thread(VLOOP_QUEUES));
	for (i = 0; i < ROUNDS; i++) {
		wanted = i % 2 != 0 ? BIT(VIRTIO_F_RING_PACKED) : 0;
		DO(vloop_up(wanted, VLOOP_QUEUES));
		DO(vloop_exchange(0, 3));
		vloop_disconnect();
		DO(vloop_connect());
		TEST_ASSERT(REG(STATUS, 1) == 0 && REG(Q_ENABLE, 2) == 0 && REG(Q_DESCLO, 8) == 0,
			    "round %u: the device is not reset", i);
		echoed = GET(vloop.echoed);
		/* a ring at the same place, with a buffer in it, of which the device knows
		 * nothing */
		DO(virtio_driver_queue_make(&vloop.drv, 0, VLOOP_QUEUE_SIZE));
		bufs[0] = (struct virtio_driver_buf){ VIRTIO_DRIVER_IOVA + 0x80000, 64 };
		bufs[1] = (struct virtio_driver_buf){ VIRTIO_DRIVER_IOVA + 0x80100, 64 };
		TEST_ASSERT(virtio_driver_add(&vloop.drv.queues[0], bufs, 1, 1, false) >= 0, "add");
		memcpy(before, vloop.drv.mem, sizeof(before));
		DO(virtio_driver_kick(&vloop.drv.queues[0]));
		SET(vloop.polls, 0);
		WAIT_FOR(GET(vloop.polls) > 10);
		TEST_ASSERT(memcmp(before, vloop.drv.mem, sizeof(before)) == 0 &&
			    GET(vloop.echoed) == echoed, "round %u: processed", i);
	}
	TEST_ASSERT(GET(vloop.stopped[0]) == ROUNDS && GET(vloop.stopped[3]) == ROUNDS, "stopped");
	return TEST_SUCCESS;
}

/* The next client waits until the thread has left its burst. */
static int
test_lost_client_in_burst(void)
{
	uint32_t resets;

	DO(vloop_start());
	DO(vloop_start_thread(1));
	DO(vloop_up(0, 1));
	DO(hold());
	resets = GET(vloop.resets);
	vloop_disconnect();
	usleep(50000);
	TEST_ASSERT(GET(vloop.resets) == resets && GET(vloop.stopped[0]) == 0, "too early");
	release();
	WAIT_FOR(GET(vloop.resets) == resets + 1 && GET(vloop.stopped[0]) == 1);
	DO(vloop_connect());
	DO(vloop_up(0, 1));
	return vloop_exchange(0, 5);
}

/* It has gone for good, or it goes with the device. */
static int
test_destroy_while_live(void)
{
	DO(vloop_start());
	DO(vloop_start_thread(2));
	DO(vloop_up(0, 2));
	DO(vloop_exchange(0, 5));
	vloop_stop_thread();
	rte_vfio_user_runner_remove(vloop.runner, vloop.srv);
	rte_vfio_user_runner_destroy(vloop.runner);
	vloop.runner = NULL;
	DO(rte_virtio_dev_destroy(vloop.dev));
	TEST_ASSERT(vloop.stopped[0] == 1 && vloop.stopped[1] == 1 && vloop.resets == 2, "reset");
	vloop.dev = NULL;
	vloop.srv = NULL;
	return TEST_SUCCESS;
}

/* --------------------------------------------- the drivers' ways, as tables */

/* One access to the common configuration: a write, or a read of what is expected. */
struct step {
	/*
	 * 'w'; 'r'; 'z': read until it is zero; 'q': write the addresses of
	 * queue 0
	 */
	char what;
	uint8_t offset, len;
	uint64_t val;
};

#define W(name, len, val) { 'w', VIRTIO_PCI_COMMON_ ## name, len, val }
#define R(name, len, val) { 'r', VIRTIO_PCI_COMMON_ ## name, len, val }
#define Z(name, len) { 'z', VIRTIO_PCI_COMMON_ ## name, len, 0 }
#define ADDRESSES { 'q', 0, 0, 0 }

/* Linux: drivers/virtio/virtio_pci_modern.c */
static const struct step linux_steps[] = {
	W(STATUS, 1, 0), Z(STATUS, 1), R(STATUS, 1, 0), W(STATUS, 1, 1), R(STATUS, 1, 1),
	W(STATUS, 1, 3), W(DFSELECT, 4, 0), R(DF, 4, 0x30000008), W(DFSELECT, 4, 1),
	R(DF, 4, 0x100001df), W(GFSELECT, 4, 0), W(GF, 4, 0x30000000), W(GFSELECT, 4, 1),
	W(GF, 4, 0x103), R(STATUS, 1, 3), W(STATUS, 1, 0xb), R(STATUS, 1, 0xb),
	R(NUMQ, 2, VLOOP_QUEUES), W(MSIX, 2, 0), R(MSIX, 2, 0), W(Q_SELECT, 2, 0),
	R(Q_SIZE, 2, VLOOP_QUEUE_SIZE), R(Q_ENABLE, 2, 0), W(Q_SIZE, 2, VLOOP_QUEUE_SIZE),
	ADDRESSES, R(Q_NOFF, 2, 0), W(Q_MSIX, 2, 1), R(Q_MSIX, 2, 1), W(Q_SELECT, 2, 0),
	W(Q_ENABLE, 2, 1), R(STATUS, 1, 0xb), W(STATUS, 1, 0xf),
};

/* DPDK 22.11: drivers/net/virtio/virtio_pci.c, virtio_ethdev.c; no queue size */
static const struct step dpdk_steps[] = {
	W(STATUS, 1, 0), Z(STATUS, 1), R(STATUS, 1, 0), W(STATUS, 1, 1), R(STATUS, 1, 1),
	W(STATUS, 1, 3), W(DFSELECT, 4, 0), R(DF, 4, 0x30000008), W(DFSELECT, 4, 1),
	R(DF, 4, 0x100001df), W(GFSELECT, 4, 0), W(GF, 4, 0x10000000), W(GFSELECT, 4, 1),
	W(GF, 4, 0x109), R(STATUS, 1, 3), W(STATUS, 1, 0xb), R(STATUS, 1, 0xb),
	W(MSIX, 2, 0), R(MSIX, 2, 0), W(Q_SELECT, 2, 0), R(Q_SIZE, 2, VLOOP_QUEUE_SIZE),
	W(Q_SELECT, 2, 0), ADDRESSES, R(Q_NOFF, 2, 0), W(Q_ENABLE, 2, 1), R(STATUS, 1, 0xb),
	W(STATUS, 1, 0xf), R(STATUS, 1, 0xf),
};

/* DPDK's del_queue, behind its reset and before the next set-up */
static const struct step dpdk_del_queue[] = {
	W(STATUS, 1, 0), Z(STATUS, 1), W(Q_SELECT, 2, 0), W(Q_DESCLO, 4, 0), W(Q_DESCHI, 4, 0),
	W(Q_AVAILLO, 4, 0), W(Q_AVAILHI, 4, 0), W(Q_USEDLO, 4, 0), W(Q_USEDHI, 4, 0),
	W(Q_ENABLE, 2, 0), R(Q_ENABLE, 2, 0),
};

static int
do_addresses(void)
{
	const struct virtio_driver_queue *q = &vloop.drv.queues[0];

	REG_SET(Q_DESCLO, 4, (uint32_t)q->desc_iova);
	REG_SET(Q_DESCHI, 4, q->desc_iova >> 32);
	REG_SET(Q_AVAILLO, 4, (uint32_t)q->driver_iova);
	REG_SET(Q_AVAILHI, 4, q->driver_iova >> 32);
	REG_SET(Q_USEDLO, 4, (uint32_t)q->device_iova);
	REG_SET(Q_USEDHI, 4, q->device_iova >> 32);
	return TEST_SUCCESS;
}

static int
do_steps(const struct step *steps, uint32_t nb)
{
	uint64_t val;
	uint32_t i;

	for (i = 0; i < nb; i++) {
		if (steps[i].what == 'q') {
			DO(do_addresses());
		} else if (steps[i].what == 'z') {
			WAIT_FOR(virtio_driver_reg(&vloop.drv, steps[i].offset,
						   steps[i].len) == 0);
		} else if (steps[i].what == 'w') {
			DO(virtio_driver_reg_set(&vloop.drv, steps[i].offset, steps[i].len,
						 steps[i].val));
		} else {
			val = virtio_driver_reg(&vloop.drv, steps[i].offset, steps[i].len);
			TEST_ASSERT_EQUAL(val, steps[i].val, "step %u, register %u: 0x%" PRIx64, i,
					  steps[i].offset, val);
		}
	}
	return TEST_SUCCESS;
}

static int
drive(const struct step *steps, uint32_t nb, uint64_t features)
{
	vloop.drv.features = features;
	DO(virtio_driver_queue_make(&vloop.drv, 0, VLOOP_QUEUE_SIZE));
	vloop.drv.queues[0].notify_off = 0;
	DO(do_steps(steps, nb));
	DO(vloop_exchange(0, 10));
	return TEST_SUCCESS;
}

static int
test_linux_way(void)
{
	DO(vloop_start());
	DO(vloop_start_thread(1));
	DO(drive(linux_steps, RTE_DIM(linux_steps), BIT(VIRTIO_F_VERSION_1) |
		 BIT(VIRTIO_RING_F_INDIRECT_DESC) | BIT(VIRTIO_RING_F_EVENT_IDX)));
	return drive(linux_steps, RTE_DIM(linux_steps), BIT(VIRTIO_F_VERSION_1) |
		     BIT(VIRTIO_RING_F_INDIRECT_DESC) | BIT(VIRTIO_RING_F_EVENT_IDX));
}

static int
test_dpdk_way(void)
{
	const uint64_t features = BIT(VIRTIO_F_VERSION_1) | BIT(VIRTIO_F_IN_ORDER) |
		BIT(VIRTIO_RING_F_INDIRECT_DESC);

	DO(vloop_start());
	DO(vloop_start_thread(1));
	DO(drive(dpdk_steps, RTE_DIM(dpdk_steps), features));
	DO(do_steps(dpdk_del_queue, RTE_DIM(dpdk_del_queue)));
	return drive(dpdk_steps, RTE_DIM(dpdk_steps), features);
}

/* ------------------------------------------------------------------ fuzz */

/*
 * Any access to the registers and doorbells, while a thread works on the queues:
 * the device survives and serves a driver afterwards.
 */
static int
test_fuzz(void)
{
	uint32_t nb = is_long() ? FUZZ_ACCESSES_LONG : FUZZ_ACCESSES, i, len;
	uint64_t offset, seed = rte_rdtsc();
	uint8_t data[16];
	ssize_t ret;

	printf("seed 0x%" PRIx64 "\n", seed);
	rte_srand(seed);
	DO(vloop_start());
	DO(vloop_start_thread(VLOOP_QUEUES));
	for (i = 0; i < nb; i++) {
		/* mostly the common configuration, mostly small values */
		offset = rte_rand_max(4) != 0 ? rte_rand_max(64) : rte_rand_max(16384);
		len = 1 + rte_rand_max(rte_rand_max(4) != 0 ? 4 : 16);
		offset = RTE_MIN(offset, 16384u - len);
		memset(data, 0, sizeof(data));
		data[0] = rte_rand();
		if (rte_rand_max(2) == 0)
			data[rte_rand_max(len)] = rte_rand();
		if (rte_rand_max(3) == 0)
			ret = rte_vfio_user_client_region_read(vloop.client, 0, offset, data, len);
		else
			ret = rte_vfio_user_client_region_write(vloop.client, 0, offset, data, len);
		TEST_ASSERT_EQUAL(ret, (ssize_t)len, "access %u at 0x%" PRIx64 ": %zd", i, offset,
				  ret);
	}
	DO(vloop_up(0, VLOOP_QUEUES));
	return vloop_exchange(2, 10);
}

/* -------------------------------------------------------------- callbacks */

static struct rte_virtio_dev *own;
static int own_result;

static void
destroy_self(struct rte_virtio_dev *dev, void *priv)
{
	RTE_SET_USED(priv);
	SET(own_result, rte_virtio_dev_destroy(dev));
}

static int
test_destroy_in_callback(void)
{
	const struct rte_virtio_dev_ops ops = { .reset = destroy_self };
	struct rte_vfio_user_server_conf conf;

	own_result = 0;
	rte_vfio_user_server_conf_init(&conf);
	conf.sock_path = vloop.path;
	vloop.srv = vloop.conf.srv = rte_vfio_user_server_create(&conf);
	own = rte_virtio_dev_create(&vloop.conf, &ops);
	TEST_ASSERT_NOT_NULL(own, "device");
	vloop.dev = own;
	DO(rte_vfio_user_server_start(vloop.srv));
	vloop.runner = rte_vfio_user_runner_create("virtio");
	DO(rte_vfio_user_runner_add(vloop.runner, vloop.srv));
	DO(vloop_connect());
	DO(virtio_driver_reset(&vloop.drv));
	TEST_ASSERT_EQUAL(GET(own_result), -EDEADLK, "destroyed");
	return TEST_SUCCESS;
}

#define CASE(fn) TEST_CASE_ST(vloop_setup, vloop_teardown, fn)

static struct unit_test_suite suite = {
	.suite_name = "virtio device: ends",
	.unit_test_cases = {
		CASE(test_reset_in_burst),
		CASE(test_reset_while_busy),
		CASE(test_queue_reset),
		CASE(test_two_stops),
		CASE(test_queue_reset_not_negotiated),
		CASE(test_disable),
		CASE(test_epoch),
		CASE(test_device_reset),
		CASE(test_device_reset_in_burst),
		CASE(test_flr),
		CASE(test_lost_client),
		CASE(test_lost_client_in_burst),
		CASE(test_destroy_while_live),
		CASE(test_linux_way),
		CASE(test_dpdk_way),
		CASE(test_fuzz),
		CASE(test_destroy_in_callback),
		TEST_CASES_END()
	}
};

static int
test_virtio_dev_life(void)
{
	return unit_test_suite_runner(&suite);
}

REGISTER_TEST_COMMAND(virtio_dev_life_autotest, test_virtio_dev_life);
