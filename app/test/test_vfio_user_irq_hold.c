/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

/* Interrupts that the device itself holds back, without a socket. */

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <rte_common.h>

#include "rte_vfio_user_server.h"
#include "test.h"
#include "test_short.h"
#include "vfio_user_irq.h"

#define NB_INDEXES 5
#define INTX VFIO_PCI_INTX_IRQ_INDEX /* automasked */
#define MSIX VFIO_PCI_MSIX_IRQ_INDEX /* maskable by the client, too */
#define ERR VFIO_PCI_ERR_IRQ_INDEX /* as many as the race needs */
#define NB_VECTORS 3

#define ENABLED RTE_VFIO_USER_IRQ_ENABLED
#define MASKED RTE_VFIO_USER_IRQ_MASKED
#define PENDING RTE_VFIO_USER_IRQ_PENDING
#define ASSERTED RTE_VFIO_USER_IRQ_ASSERTED
#define HELD RTE_VFIO_USER_IRQ_HELD

#define STATE(index, vector, expect) \
	TEST_ASSERT_EQUAL(vfio_user_irqs_state(&irqs, index, vector), (int)(expect), \
			  "line %d: state 0x%x", __LINE__, \
			  vfio_user_irqs_state(&irqs, index, vector))
#define CAME(vector, expect) \
	TEST_ASSERT_EQUAL(came(efd[vector]), (uint64_t)(expect), \
			  "line %d: interrupts", __LINE__)

static struct vfio_user_irqs irqs;
static int epfd = -1;
static int efd[NB_VECTORS]; /* the client's eventfds */

static int
setup(void)
{
	uint32_t i;

	epfd = epoll_create1(EPOLL_CLOEXEC);
	for (i = 0; i < NB_VECTORS; i++)
		efd[i] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	DO(vfio_user_irqs_init(&irqs, NB_INDEXES, epfd, 77));
	DO(vfio_user_irqs_describe(&irqs, INTX, 1, VFIO_IRQ_INFO_EVENTFD |
			VFIO_IRQ_INFO_MASKABLE | VFIO_IRQ_INFO_AUTOMASKED));
	DO(vfio_user_irqs_describe(&irqs, MSIX, NB_VECTORS, VFIO_IRQ_INFO_EVENTFD |
			VFIO_IRQ_INFO_MASKABLE));
	return TEST_SUCCESS;
}

static void
teardown(void)
{
	uint32_t i;

	vfio_user_irqs_fini(&irqs);
	for (i = 0; i < NB_VECTORS; i++)
		close(efd[i]);
	close(epfd);
}

/* SET_IRQS; with duplicates of eventfds, as if they had been received. */
static int
set_irqs(uint32_t index, uint32_t flags, uint32_t start, uint32_t count,
	 const int *given, uint32_t nb)
{
	const struct vfio_irq_set set = {
		.argsz = sizeof(set), .flags = flags, .index = index,
		.start = start, .count = count,
	};
	struct vfio_user_fds fds;
	uint32_t i;
	int ret;

	vfio_user_fds_init(&fds);
	for (i = 0; i < nb; i++)
		vfio_user_fds_add(&fds, fcntl(given[i], F_DUPFD_CLOEXEC, 0));
	ret = vfio_user_irqs_set(&irqs, &set, NULL, &fds);
	vfio_user_fds_close(&fds);
	return ret;
}

static int
assign(uint32_t index, uint32_t start, uint32_t count)
{
	return set_irqs(index, VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER,
			start, count, &efd[start], count);
}

static int
deassign(uint32_t index, uint32_t start, uint32_t count)
{
	return set_irqs(index, VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER,
			start, count, NULL, 0);
}

static int
act(uint32_t index, uint32_t action, uint32_t vector)
{
	return set_irqs(index, VFIO_IRQ_SET_DATA_NONE | action, vector, 1, NULL, 0);
}

static int
disable(uint32_t index)
{
	return set_irqs(index, VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_TRIGGER, 0, 0,
			NULL, 0);
}

static int
hold(uint32_t vector, bool on)
{
	return vfio_user_irqs_hold(&irqs, MSIX, vector, on);
}

static int
trigger(uint32_t vector)
{
	return vfio_user_irqs_trigger(&irqs, MSIX, vector);
}

/* How often an eventfd was signalled since the last look. */
static uint64_t
came(int fd)
{
	eventfd_t count;

	return eventfd_read(fd, &count) == 0 ? count : 0;
}

/* -------------------------------------------------------------------- cases */

static int
test_hold(void)
{
	DO(assign(MSIX, 0, 2));
	DO(hold(1, true));
	DO(hold(1, true));
	STATE(MSIX, 1, ENABLED | HELD);
	DO(trigger(0));
	DO(trigger(1));
	DO(trigger(1));
	CAME(0, 1);
	CAME(1, 0);
	STATE(MSIX, 1, ENABLED | HELD | PENDING);
	DO(hold(1, false));
	CAME(1, 1);
	STATE(MSIX, 1, ENABLED);
	DO(hold(1, false));
	CAME(1, 0);
	TEST_ASSERT_EQUAL(hold(NB_VECTORS, true), -EINVAL, "vector");
	TEST_ASSERT_EQUAL(vfio_user_irqs_hold(&irqs, NB_INDEXES, 0, true), -EINVAL, "index");
	return TEST_SUCCESS;
}

static int
test_clear(void)
{
	DO(assign(MSIX, 0, 1));
	DO(hold(0, true));
	DO(trigger(0));
	DO(vfio_user_irqs_clear(&irqs, MSIX, 0));
	STATE(MSIX, 0, ENABLED | HELD);
	DO(hold(0, false));
	CAME(0, 0);
	DO(vfio_user_irqs_clear(&irqs, MSIX, 0));
	STATE(MSIX, 0, ENABLED);
	TEST_ASSERT_EQUAL(vfio_user_irqs_clear(&irqs, MSIX, NB_VECTORS), -EINVAL, "vector");
	return TEST_SUCCESS;
}

/* Client and device mask: the last one that goes lets it through. */
static int
test_both_masks(void)
{
	uint32_t i;

	DO(assign(MSIX, 0, 1));
	for (i = 0; i < 2; i++) {
		DO(hold(0, true));
		DO(act(MSIX, VFIO_IRQ_SET_ACTION_MASK, 0));
		DO(trigger(0));
		STATE(MSIX, 0, ENABLED | MASKED | HELD | PENDING);
		DO(i == 0 ? hold(0, false) : act(MSIX, VFIO_IRQ_SET_ACTION_UNMASK, 0));
		CAME(0, 0);
		DO(i == 1 ? hold(0, false) : act(MSIX, VFIO_IRQ_SET_ACTION_UNMASK, 0));
		CAME(0, 1);
		STATE(MSIX, 0, ENABLED);
	}
	return TEST_SUCCESS;
}

/* Held without an eventfd: it waits for both, in either order. */
static int
test_not_assigned(void)
{
	DO(hold(0, true));
	DO(trigger(0));
	STATE(MSIX, 0, HELD | PENDING);
	DO(assign(MSIX, 0, 1));
	CAME(0, 0);
	DO(hold(0, false));
	CAME(0, 1);

	DO(hold(1, true));
	DO(trigger(1));
	DO(hold(1, false));
	STATE(MSIX, 1, PENDING);
	TEST_ASSERT_EQUAL(trigger(1), -ENOENT, "neither held nor assigned");
	DO(assign(MSIX, 1, 1));
	CAME(1, 1);
	STATE(MSIX, 1, ENABLED);
	/* not held: what nobody listens to is forgotten */
	TEST_ASSERT_EQUAL(trigger(2), -ENOENT, "nobody listens");
	DO(assign(MSIX, 2, 1));
	CAME(2, 0);
	return TEST_SUCCESS;
}

/* What the device holds back outlives the eventfd, but not the client. */
static int
test_deassign(void)
{
	DO(assign(MSIX, 0, 1));
	DO(hold(0, true));
	DO(act(MSIX, VFIO_IRQ_SET_ACTION_MASK, 0));
	DO(trigger(0));
	DO(deassign(MSIX, 0, 1));
	STATE(MSIX, 0, HELD | PENDING);
	DO(assign(MSIX, 0, 1));
	DO(disable(MSIX));
	STATE(MSIX, 0, HELD | PENDING);
	DO(assign(MSIX, 0, 1));
	CAME(0, 0);
	DO(hold(0, false));
	CAME(0, 1);
	/* only the client's mask: gone with the eventfd */
	DO(act(MSIX, VFIO_IRQ_SET_ACTION_MASK, 0));
	DO(trigger(0));
	DO(deassign(MSIX, 0, 1));
	STATE(MSIX, 0, 0);

	DO(assign(MSIX, 0, 1));
	DO(hold(0, true));
	DO(trigger(0));
	vfio_user_irqs_release(&irqs);
	STATE(MSIX, 0, 0);
	DO(assign(MSIX, 0, 1));
	CAME(0, 0);
	DO(trigger(0));
	CAME(0, 1);
	return TEST_SUCCESS;
}

static int
test_level(void)
{
	DO(assign(INTX, 0, 1));
	DO(vfio_user_irqs_hold(&irqs, INTX, 0, true));
	DO(vfio_user_irqs_set_level(&irqs, INTX, 0, true));
	CAME(0, 0);
	STATE(INTX, 0, ENABLED | HELD | ASSERTED);
	DO(vfio_user_irqs_hold(&irqs, INTX, 0, false));
	CAME(0, 1);
	STATE(INTX, 0, ENABLED | MASKED | ASSERTED);
	/* automasked: the next one waits for the client as well */
	DO(vfio_user_irqs_hold(&irqs, INTX, 0, true));
	DO(act(INTX, VFIO_IRQ_SET_ACTION_UNMASK, 0));
	CAME(0, 0);
	DO(vfio_user_irqs_hold(&irqs, INTX, 0, false));
	CAME(0, 1);
	return TEST_SUCCESS;
}

static int
test_count(void)
{
	TEST_ASSERT_EQUAL(vfio_user_irqs_count(&irqs, NB_INDEXES), -EINVAL, "index");
	TEST_ASSERT_EQUAL(vfio_user_irqs_count(&irqs, MSIX), 0, "none");
	DO(assign(MSIX, 0, 2));
	DO(assign(MSIX, 1, 2));
	TEST_ASSERT_EQUAL(vfio_user_irqs_count(&irqs, MSIX), 3, "two of them twice");
	TEST_ASSERT_EQUAL(vfio_user_irqs_count(&irqs, INTX), 0, "another index");
	DO(deassign(MSIX, 1, 1));
	DO(deassign(MSIX, 1, 1));
	TEST_ASSERT_EQUAL(vfio_user_irqs_count(&irqs, MSIX), 2, "one taken away");
	DO(disable(MSIX));
	TEST_ASSERT_EQUAL(vfio_user_irqs_count(&irqs, MSIX), 0, "disabled");
	DO(assign(MSIX, 0, 1));
	vfio_user_irqs_release(&irqs);
	TEST_ASSERT_EQUAL(vfio_user_irqs_count(&irqs, MSIX), 0, "client gone");
	return TEST_SUCCESS;
}

/* -------------------------------------------------------------------- stress */

#define ROUNDS 4000
#define NB_RACING 128 /* vectors, for many meetings per round */

static uint32_t begun, ended; /* rounds */

/* Spin: threads that sleep meet too seldom. Yield: there may be one core. */
static void
wait_for(const uint32_t *counter, uint32_t value)
{
	uint32_t spins = 0;

	while (__atomic_load_n(counter, __ATOMIC_ACQUIRE) != value)
		if (++spins % 4096 == 0)
			sched_yield();
}

/* A different short time each round, so that the threads meet everywhere. */
static void
dither(uint32_t round)
{
	volatile uint32_t i;

	for (i = round % 61; i != 0; i--)
		;
}

/* One trigger per vector and round. Returns how many were refused. */
static void *
run_trigger(void *arg)
{
	uintptr_t refused = 0;
	uint32_t round, v;

	RTE_SET_USED(arg);
	for (round = 1; round <= ROUNDS; round++) {
		wait_for(&begun, round);
		dither(round);
		for (v = 0; v < NB_RACING; v++)
			refused += vfio_user_irqs_trigger(&irqs, ERR, v) < 0;
		__atomic_store_n(&ended, round, __ATOMIC_RELEASE);
	}
	return (void *)refused;
}

static void
hold_all(bool on)
{
	uint32_t v;

	for (v = 0; v < NB_RACING; v++)
		vfio_user_irqs_hold(&irqs, ERR, v, on);
}

/* A hold that goes, in odd rounds one that comes and goes. */
static void
toggle(uint32_t round)
{
	uint32_t v;

	if (round % 2 == 0) {
		hold_all(false);
		return;
	}
	for (v = 0; v < NB_RACING; v++) {
		vfio_user_irqs_hold(&irqs, ERR, v, true);
		vfio_user_irqs_hold(&irqs, ERR, v, false);
	}
}

/*
 * Triggers meet holds. When both threads are through, each has been delivered,
 * once: not lost, not late, not doubled. Returns in how many rounds that was
 * not so.
 */
static uint32_t
race(void)
{
	uint32_t round, wrong = 0;

	for (round = 1; round <= ROUNDS; round++) {
		if (round % 2 == 0)
			hold_all(true);
		__atomic_store_n(&begun, round, __ATOMIC_RELEASE);
		dither(round / 61);
		toggle(round);
		wait_for(&ended, round);
		wrong += came(efd[0]) != NB_RACING;
	}
	return wrong;
}

static int
test_race(void)
{
	pthread_t thread;
	uint32_t wrong, v;
	void *refused;

	DO(vfio_user_irqs_describe(&irqs, ERR, NB_RACING, VFIO_IRQ_INFO_EVENTFD));
	for (v = 0; v < NB_RACING; v++)
		DO(set_irqs(ERR, VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER,
			    v, 1, efd, 1));
	begun = ended = 0;
	DO(pthread_create(&thread, NULL, run_trigger, NULL));
	wrong = race();
	pthread_join(thread, &refused);
	TEST_ASSERT_NULL(refused, "triggers refused");
	TEST_ASSERT_EQUAL(wrong, 0u, "%u rounds with one lost, late or doubled", wrong);
	for (v = 0; v < NB_RACING; v++)
		STATE(ERR, v, ENABLED);
	return TEST_SUCCESS;
}

#define CASE(fn) TEST_CASE_ST(setup, teardown, fn)

static struct unit_test_suite irq_hold_suite = {
	.suite_name = "vfio-user interrupts held back by the device",
	.unit_test_cases = {
		CASE(test_hold),
		CASE(test_clear),
		CASE(test_both_masks),
		CASE(test_not_assigned),
		CASE(test_deassign),
		CASE(test_level),
		CASE(test_count),
		CASE(test_race),
		TEST_CASES_END()
	},
};

static int
test_vfio_user_irq_hold(void)
{
	return unit_test_suite_runner(&irq_hold_suite);
}

REGISTER_TEST_COMMAND(vfio_user_irq_hold_autotest, test_vfio_user_irq_hold);
