/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

/* Interrupts of the application by the guest, and of the guest by the port. */

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include <rte_byteorder.h>
#include <rte_cycles.h>
#include <rte_interrupts.h>

#include "pmd_guest.h"
#include "pmd_port.h"
#include "test_fault.h"
#include "test_vfio_user_fds.h"

#define FEATURES (BIT(VIRTIO_NET_F_CTRL_VQ) | BIT(VIRTIO_NET_F_MQ) | \
	BIT(VIRTIO_NET_F_NOTF_COAL) | BIT(VIRTIO_NET_F_MRG_RXBUF))
#define EPOLL RTE_EPOLL_PER_THREAD
/** Longest moderation, microseconds. */
#define USECS 10000u

static const struct rte_eth_conf with_rxq = { .intr_conf.rxq = 1 };

static struct pmd_port port;
static struct guest guest;
static uint8_t frame[FRAME_MAX];
static int fds;

static int
setup(void)
{
	struct rte_epoll_event event;

	port.id = RTE_MAX_ETHPORTS;
	/* the thread's epoll instance stays */
	rte_epoll_wait(EPOLL, &event, 1, 0);
	TEST_ASSERT_EQUAL(pmd_mbufs_used(), 0u, "mbufs leaked before");
	return check_fds(&fds);
}

static void
teardown(void)
{
	guest_disconnect(&guest);
	port_remove(&port);
}

/* Interrupts of these queues go to this thread. */
static int
watch(uint16_t queues, int op)
{
	uint16_t i;

	for (i = 0; i < queues; i++)
		TEST_ASSERT_SUCCESS(rte_eth_dev_rx_intr_ctl_q(port.id, i, EPOLL, op,
				    (void *)(uintptr_t)(i + 1)), "queue %u", i);
	return TEST_SUCCESS;
}

static int
start(const char *args, uint16_t queues)
{
	DO(port_probe(&port, 0, args));
	DO(port_start(&port, queues, &with_rxq));
	DO(watch(queues, RTE_INTR_EVENT_ADD));
	return guest_connect(&guest, port.path);
}

/* Wait: the number of a queue that has something, or -1. */
static int
wait_for(int ms)
{
	struct rte_epoll_event event;

	return rte_epoll_wait(EPOLL, &event, 1, ms) == 1 ?
		(int)(uintptr_t)event.epdata.data - 1 : -1;
}

/* Send a packet as drivers do: notify the device only if it wants that. */
static int
send_and_kick(uint16_t pair)
{
	frame_fill(pair, frame, 60);
	TEST_ASSERT_EQUAL(guest_send(&guest, pair, NULL, frame, 60, GUEST_ONE, false), 1, "send");
	if (virtio_driver_wants_kick(guest_tx(&guest, pair)->vq))
		DO(virtio_driver_kick(guest_tx(&guest, pair)->vq));
	return TEST_SUCCESS;
}

static uint16_t
receive(uint16_t queue)
{
	struct rte_mbuf *pkts[64];
	uint16_t nb = rte_eth_rx_burst(port.id, queue, pkts, RTE_DIM(pkts));

	rte_pktmbuf_free_bulk(pkts, nb);
	return nb;
}

/* ---------------------------------------------------------------- application */

static int
test_poll_mode(void)
{
	DO(port_probe(&port, 0, ",mode=poll"));
	TEST_ASSERT_EQUAL(port_start(&port, 1, &with_rxq), -ENOTSUP, "started");
	DO(port_start(&port, 1, NULL));
	TEST_ASSERT_EQUAL(rte_eth_dev_rx_intr_enable(port.id, 0), -ENOTSUP, "enabled");
	return TEST_SUCCESS;
}

static int
wakes(uint64_t features)
{
	uint32_t i;
	uint16_t q;

	DO(guest_up(&guest, FEATURES | features, 2, 64));
	for (q = 0; q < 2; q++)
		receive(q);
	while (wait_for(0) >= 0)
		; /* that the queues became live is an event, too */
	for (i = 0; i < 50; i++) {
		q = (uint16_t)(i & 1);
		/* nobody is woken while it polls */
		DO(rte_eth_dev_rx_intr_disable(port.id, q));
		DO(send_and_kick(q));
		if (features & BIT(VIRTIO_RING_F_EVENT_IDX)) /* there it is once in a while */
			while (wait_for(0) >= 0)
				;
		TEST_ASSERT_EQUAL(wait_for(0), -1, "woken while polling");
		TEST_ASSERT_EQUAL(receive(q), 1, "received");
		/* a packet that is there already, and one that comes */
		if (i % 4 < 2) {
			DO(send_and_kick(q));
			DO(rte_eth_dev_rx_intr_enable(port.id, q));
		} else {
			DO(rte_eth_dev_rx_intr_enable(port.id, q));
			TEST_ASSERT_EQUAL(wait_for(0), -1, "woken for nothing");
			DO(send_and_kick(q));
		}
		TEST_ASSERT_EQUAL(wait_for(5000), q, "not woken, number %u", i);
		TEST_ASSERT_EQUAL(receive(q), 1, "received");
		TEST_ASSERT_EQUAL(guest_reap(&guest, q), 2, "reap");
	}
	return TEST_SUCCESS;
}

static int
test_wakes(void)
{
	uint32_t i;

	DO(start(",mode=interrupt,queues=2", 2));
	for (i = 0; i < 4; i++)
		TEST_ASSERT(wakes((i & 1 ? BIT(VIRTIO_F_RING_PACKED) : 0) |
				  (i & 2 ? BIT(VIRTIO_RING_F_EVENT_IDX) : 0)) == TEST_SUCCESS,
			    "features %u", i);
	return watch(2, RTE_INTR_EVENT_DEL);
}

/* Sleeping before there is a guest: its driver wakes. */
static int
test_sleeps_first(void)
{
	DO(start(",mode=interrupt,queues=2", 2));
	DO(rte_eth_dev_rx_intr_enable(port.id, 0));
	DO(rte_eth_dev_rx_intr_enable(port.id, 1));
	TEST_ASSERT_EQUAL(wait_for(0), -1, "woken for nothing");
	DO(guest_up(&guest, FEATURES | BIT(VIRTIO_RING_F_EVENT_IDX), 2, 64));
	TEST_ASSERT(wait_for(5000) >= 0, "not woken");
	while (wait_for(0) >= 0)
		;
	DO(send_and_kick(1));
	TEST_ASSERT_EQUAL(wait_for(5000), 1, "not woken");
	return TEST_SUCCESS;
}

/* The application does not say before a stop that it stops to watch. */
static int
test_restart(void)
{
	static const uint16_t queues[] = { 2, 2, 1, 3, 2 };
	uint32_t i;
	uint16_t q;

	DO(start(",mode=interrupt,queues=3", queues[0]));
	for (i = 0; i < RTE_DIM(queues); i++) {
		if (i != 0) {
			DO(rte_eth_dev_stop(port.id));
			DO(port_start(&port, queues[i], &with_rxq));
			TEST_ASSERT(watch(queues[i], RTE_INTR_EVENT_ADD) == TEST_SUCCESS,
				    "start %u", i);
			guest_disconnect(&guest);
			DO(guest_connect(&guest, port.path));
		}
		DO(guest_up(&guest, FEATURES, queues[i], 64));
		for (q = 0; q < queues[i]; q++) {
			receive(q);
			while (wait_for(0) >= 0)
				;
			DO(rte_eth_dev_rx_intr_enable(port.id, q));
			DO(send_and_kick(q));
			TEST_ASSERT_EQUAL(wait_for(5000), q, "start %u: not woken", i);
			TEST_ASSERT_EQUAL(receive(q), 1, "received");
			TEST_ASSERT_EQUAL(guest_reap(&guest, q), 1, "reap");
		}
	}
	return TEST_SUCCESS;
}

static struct {
	pthread_t thread;
	uint32_t nb; /* packets to send */
	int ret;
} sender;

static void *
send_all(void *arg)
{
	uint32_t i;

	for (i = 0; i < sender.nb && sender.ret == 0; i++) {
		while (guest_tx(&guest, 0)->nb_free == 0)
			if (guest_reap(&guest, 0) == 0)
				usleep(10);
		sender.ret = send_and_kick(0);
		if (i % 7 == 0)
			usleep(i % 97); /* let it fall asleep */
	}
	return arg;
}

/* As l3fwd-power does: no packet is forgotten while it sleeps. */
static int
none_is_lost(uint64_t features)
{
	uint32_t got = 0, nb;

	sender.nb = pmd_long() ? 200000 : 4000;
	sender.ret = 0;
	DO(guest_up(&guest, FEATURES | features, 1, 64));
	DO(rte_eth_dev_rx_intr_disable(port.id, 0));
	DO(pthread_create(&sender.thread, NULL, send_all, NULL));
	while (got < sender.nb) {
		nb = receive(0);
		got += nb;
		if (nb != 0)
			continue;
		rte_eth_dev_rx_intr_enable(port.id, 0);
		if (wait_for(10000) < 0)
			break;
		rte_eth_dev_rx_intr_disable(port.id, 0);
	}
	if (got < sender.nb)
		pthread_cancel(sender.thread);
	DO(pthread_join(sender.thread, NULL));
	TEST_ASSERT_EQUAL(got, sender.nb, "%u: it sleeps, and there are more", got);
	TEST_ASSERT_EQUAL(sender.ret, TEST_SUCCESS, "sender");
	return TEST_SUCCESS;
}

static int
test_none_is_lost(void)
{
	uint32_t i;

	DO(start(",mode=interrupt", 1));
	for (i = 0; i < 4; i++)
		TEST_ASSERT(none_is_lost((i & 1 ? BIT(VIRTIO_F_RING_PACKED) : 0) |
					 (i & 2 ? BIT(VIRTIO_RING_F_EVENT_IDX) : 0)) ==
			    TEST_SUCCESS, "features %u", i);
	return TEST_SUCCESS;
}

/* -------------------------------------------------------------------- guest */

static int
transmit(uint32_t nb)
{
	struct virtio_net_hdr_v1 hdr;
	struct rte_mbuf *m;

	for (; nb != 0; nb--) {
		if (guest_rx(&guest, 0)->pending == 0)
			DO(guest_post_plain(&guest, 0, 2048, 16));
		m = frame_to_mbuf(frame, 60, UINT32_MAX);
		TEST_ASSERT_NOT_NULL(m, "no mbuf");
		TEST_ASSERT_EQUAL(rte_eth_tx_burst(port.id, 0, &m, 1), 1, "send");
		TEST_ASSERT_EQUAL(guest_recv(&guest, 0, &hdr, frame), 60, "received");
	}
	return TEST_SUCCESS;
}

static int
moderate(uint32_t packets, uint32_t usecs)
{
	const uint32_t le[] = { rte_cpu_to_le_32(packets), rte_cpu_to_le_32(usecs) };

	return guest_ctrl(&guest, VIRTIO_NET_CTRL_NOTF_COAL, VIRTIO_NET_CTRL_NOTF_COAL_RX_SET, le,
			  sizeof(le), NULL);
}

/* Interrupts that the guest wants and does not want. */
static int
test_guest_interrupts(void)
{
	struct virtio_driver_queue *vq;
	uint32_t k;
	int fd;

	DO(port_up(&port, "", 1));
	DO(guest_connect(&guest, port.path));
	for (k = 0; k < 4; k++) {
		DO(guest_up(&guest, FEATURES | (k & 1 ? BIT(VIRTIO_F_RING_PACKED) : 0) |
			    (k & 2 ? BIT(VIRTIO_RING_F_EVENT_IDX) : 0), 1, 64));
		vq = guest_rx(&guest, 0)->vq;
		fd = guest.drv.queue_fds[0];
		virtio_driver_irq_wait(fd, 0);
		virtio_driver_want_irq(vq, false);
		DO(transmit(5));
		TEST_ASSERT_EQUAL(virtio_driver_irq_wait(fd, 0), 0u, "not wanted");
		virtio_driver_want_irq(vq, true);
		DO(transmit(1));
		TEST_ASSERT_EQUAL(virtio_driver_irq_wait(fd, 0), 1u, "wanted, case %u", k);
		/* also for buffers that were sent */
		vq = guest_tx(&guest, 0)->vq;
		fd = guest.drv.queue_fds[1];
		virtio_driver_irq_wait(fd, 0);
		virtio_driver_want_irq(vq, true);
		TEST_ASSERT_EQUAL(guest_send(&guest, 0, NULL, frame, 60, GUEST_ONE, false), 1,
				  "send");
		TEST_ASSERT_EQUAL(receive(0), 1, "received");
		TEST_ASSERT_EQUAL(virtio_driver_irq_wait(fd, 0), 1u, "wanted, case %u", k);
	}
	return TEST_SUCCESS;
}

/* After a number of packets or a time, whatever comes first. */
static int
test_moderation(void)
{
	uint64_t begin, late = rte_get_tsc_hz() / 1000000 * USECS;
	uint32_t i, tried;
	int fd;

	DO(port_up(&port, "", 1));
	DO(guest_connect(&guest, port.path));
	DO(guest_up(&guest, FEATURES, 1, 64));
	virtio_driver_want_irq(guest_rx(&guest, 0)->vq, true);
	fd = guest.drv.queue_fds[0];
	/* time: nothing at once, and an alarm when nobody sends any more */
	DO(moderate(0, USECS));
	virtio_driver_irq_wait(fd, 0); /* each change of the rule sends one */
	for (i = tried = 0; i < 3 && tried < 100; tried++) {
		begin = rte_rdtsc();
		DO(transmit(3));
		if (virtio_driver_irq_wait(fd, 0) != 0) {
			TEST_ASSERT(rte_rdtsc() - begin >= late, "too early");
			usleep(2 * USECS);
			continue;
		}
		TEST_ASSERT_EQUAL(virtio_driver_irq_wait(fd, 5000), 1u, "no alarm");
		i++;
	}
	TEST_ASSERT(i == 3, "never in time");
	/* number: the fourth one */
	DO(moderate(4, USECS));
	for (i = tried = 0; i < 3 && tried < 100; tried++) {
		usleep(2 * USECS);
		virtio_driver_irq_wait(fd, 0);
		begin = rte_rdtsc();
		DO(transmit(3));
		if (virtio_driver_irq_wait(fd, 0) == 0) {
			DO(transmit(1));
			TEST_ASSERT(virtio_driver_irq_wait(fd, 0) != 0, "not after four");
			i++;
		} else {
			TEST_ASSERT(rte_rdtsc() - begin >= late, "too early");
		}
	}
	TEST_ASSERT(i == 3, "never in time");
	/* off: what was owed comes, and each one from now on */
	DO(transmit(1));
	DO(moderate(0, 0));
	TEST_ASSERT(virtio_driver_irq_wait(fd, 5000) != 0, "owed");
	for (i = 0; i < 5; i++) {
		DO(transmit(1));
		TEST_ASSERT_EQUAL(virtio_driver_irq_wait(fd, 0), 1u, "packet %u", i);
	}
	return TEST_SUCCESS;
}

/* The arguments say what is so before the driver does, and after it. */
static int
test_moderation_by_argument(void)
{
	uint32_t k;
	int fd;

	DO(port_up(&port, ",rx_usecs=10000", 1));
	DO(guest_connect(&guest, port.path));
	for (k = 0; k < 2; k++) {
		DO(guest_up(&guest, FEATURES, 1, 64));
		virtio_driver_want_irq(guest_rx(&guest, 0)->vq, true);
		fd = guest.drv.queue_fds[0];
		virtio_driver_irq_wait(fd, 0);
		DO(transmit(1));
		TEST_ASSERT(virtio_driver_irq_wait(fd, 5000) != 0, "no alarm");
		DO(moderate(0, 0));
	}
	/* a port that goes takes its alarm with it */
	DO(guest_up(&guest, FEATURES, 1, 64));
	DO(transmit(1));
	return port_remove(&port);
}

/* EAL has no memory for alarms: then none is waited for. */
static int
test_no_alarm(void)
{
	const struct test_fault fault = { .call = TEST_FAULT_EAL_ALARM, .nth = 1, .err = ENOMEM,
					  .always = true };
	bool failed;
	int fd, ret;

	DO(port_probe(&port, 0, ",rx_usecs=10000"));
	test_fault_start(&fault);
	test_fault_on(); /* also for the control thread, which starts with the port */
	ret = port_start(&port, 1, NULL);
	test_fault_off();
	DO(ret);
	DO(guest_connect(&guest, port.path));
	DO(guest_up(&guest, FEATURES, 1, 64));
	failed = test_fault_stop();
	TEST_ASSERT(failed, "no alarm was wanted");
	virtio_driver_want_irq(guest_rx(&guest, 0)->vq, true);
	fd = guest.drv.queue_fds[0];
	virtio_driver_irq_wait(fd, 0);
	DO(transmit(1));
	TEST_ASSERT_EQUAL(virtio_driver_irq_wait(fd, 5000), 1u, "lost");
	/* the next driver has alarms again */
	DO(guest_up(&guest, FEATURES, 1, 64));
	virtio_driver_want_irq(guest_rx(&guest, 0)->vq, true);
	virtio_driver_irq_wait(fd, 0);
	DO(transmit(1));
	TEST_ASSERT(virtio_driver_irq_wait(fd, 5000) != 0, "no alarm");
	return TEST_SUCCESS;
}

static struct unit_test_suite suite = {
	.suite_name = "interrupts of net_vfio_user",
	.setup = pmd_setup,
	.unit_test_cases = {
		TEST_CASE_ST(setup, teardown, test_poll_mode),
		TEST_CASE_ST(setup, teardown, test_wakes),
		TEST_CASE_ST(setup, teardown, test_sleeps_first),
		TEST_CASE_ST(setup, teardown, test_restart),
		TEST_CASE_ST(setup, teardown, test_none_is_lost),
		TEST_CASE_ST(setup, teardown, test_guest_interrupts),
		TEST_CASE_ST(setup, teardown, test_moderation),
		TEST_CASE_ST(setup, teardown, test_moderation_by_argument),
		TEST_CASE_ST(setup, teardown, test_no_alarm),
		TEST_CASES_END()
	}
};

static int
test_nic_intr(void)
{
	return unit_test_suite_runner(&suite);
}

REGISTER_TEST_COMMAND(nic_intr_autotest, test_nic_intr);
