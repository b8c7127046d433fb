/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

/* Interrupts of a device, without a socket. */

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <rte_common.h>

#include "rte_vfio_user_server.h"
#include "test.h"
#include "test_short.h"
#include "test_vfio_user_fds.h"
#include "vfio_user_irq.h"

#define NB_INDEXES 5
#define INTX VFIO_PCI_INTX_IRQ_INDEX /* automasked */
#define MSI VFIO_PCI_MSI_IRQ_INDEX /* maskable */
#define MSIX VFIO_PCI_MSIX_IRQ_INDEX /* eventfds only */
#define REQ VFIO_PCI_REQ_IRQ_INDEX /* no eventfds */
#define NB_MSI 4
#define TAG 77u

#define D_NONE VFIO_IRQ_SET_DATA_NONE
#define D_BOOL VFIO_IRQ_SET_DATA_BOOL
#define D_FD VFIO_IRQ_SET_DATA_EVENTFD
#define MASK VFIO_IRQ_SET_ACTION_MASK
#define UNMASK VFIO_IRQ_SET_ACTION_UNMASK
#define TRIGGER VFIO_IRQ_SET_ACTION_TRIGGER

#define ENABLED RTE_VFIO_USER_IRQ_ENABLED
#define MASKED RTE_VFIO_USER_IRQ_MASKED
#define PENDING RTE_VFIO_USER_IRQ_PENDING
#define ASSERTED RTE_VFIO_USER_IRQ_ASSERTED

static struct vfio_user_irqs irqs;
static int epfd = -1;
static int efd[NB_MSI]; /* the client's eventfds */

static int nb_fds; /* at the first setup */

static int
setup(void)
{
	int i;

	DO(check_fds(&nb_fds));
	epfd = epoll_create1(EPOLL_CLOEXEC);
	for (i = 0; i < NB_MSI; i++)
		efd[i] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	DO(vfio_user_irqs_init(&irqs, NB_INDEXES, epfd, TAG));
	DO(vfio_user_irqs_describe(&irqs, INTX, 1, VFIO_IRQ_INFO_EVENTFD |
			VFIO_IRQ_INFO_MASKABLE | VFIO_IRQ_INFO_AUTOMASKED));
	DO(vfio_user_irqs_describe(&irqs, MSI, NB_MSI, VFIO_IRQ_INFO_EVENTFD |
			VFIO_IRQ_INFO_MASKABLE));
	DO(vfio_user_irqs_describe(&irqs, MSIX, RTE_VFIO_USER_MAX_VECTORS,
			VFIO_IRQ_INFO_EVENTFD | VFIO_IRQ_INFO_NORESIZE));
	DO(vfio_user_irqs_describe(&irqs, REQ, 1, 0));
	return TEST_SUCCESS;
}

static void
teardown(void)
{
	int i;

	vfio_user_irqs_fini(&irqs);
	for (i = 0; i < NB_MSI; i++)
		close(efd[i]);
	close(epfd);
}

/* SET_IRQS with duplicates of fds, as if they had been received. */
static int
set_irqs(uint32_t index, uint32_t flags, uint32_t start, uint32_t count,
	 const uint8_t *bools, const int *given, uint32_t nb)
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
	ret = vfio_user_irqs_set(&irqs, &set, bools, &fds);
	vfio_user_fds_close(&fds);
	return ret;
}

static int
assign(uint32_t index, uint32_t start, uint32_t count)
{
	return set_irqs(index, D_FD | TRIGGER, start, count, NULL, efd, count);
}

static int
deassign(uint32_t index, uint32_t start, uint32_t count)
{
	return set_irqs(index, D_FD | TRIGGER, start, count, NULL, NULL, 0);
}

static int
act(uint32_t index, uint32_t action, uint32_t start, uint32_t count)
{
	return set_irqs(index, D_NONE | action, start, count, NULL, NULL, 0);
}

/* How often an eventfd was signalled since the last look. */
static uint64_t
came(int fd)
{
	eventfd_t count;

	return eventfd_read(fd, &count) == 0 ? count : 0;
}

static int
state(uint32_t index, uint32_t vector)
{
	return vfio_user_irqs_state(&irqs, index, vector);
}

/* -------------------------------------------------------------------- cases */

static int
test_describe(void)
{
	struct vfio_irq_info info = { .argsz = sizeof(info), .index = MSI };

	TEST_ASSERT_EQUAL(vfio_user_irqs_describe(&irqs, NB_INDEXES, 1, 0), -EINVAL, "index");
	TEST_ASSERT_EQUAL(vfio_user_irqs_describe(&irqs, 0, 2049, 0), -EINVAL, "count");
	TEST_ASSERT_EQUAL(vfio_user_irqs_describe(&irqs, 0, 1, 1u << 4), -EINVAL, "flags");
	TEST_ASSERT_EQUAL(vfio_user_irqs_describe(&irqs, 0, 1, VFIO_IRQ_INFO_AUTOMASKED),
			  -EINVAL, "automasked but not maskable");
	DO(vfio_user_irqs_info(&irqs, &info));
	TEST_ASSERT(info.argsz == sizeof(info) && info.count == NB_MSI && info.flags ==
		    (VFIO_IRQ_INFO_EVENTFD | VFIO_IRQ_INFO_MASKABLE), "info");
	info.argsz = 4096;
	info.index = VFIO_PCI_ERR_IRQ_INDEX;
	DO(vfio_user_irqs_info(&irqs, &info));
	TEST_ASSERT(info.argsz == sizeof(info) && info.count == 0 && info.flags == 0, "absent");
	info.argsz = sizeof(info) - 1;
	TEST_ASSERT_EQUAL(vfio_user_irqs_info(&irqs, &info), -EINVAL, "argsz");
	info.argsz = sizeof(info);
	info.index = NB_INDEXES;
	TEST_ASSERT_EQUAL(vfio_user_irqs_info(&irqs, &info), -EINVAL, "index");
	info.index = UINT32_MAX;
	TEST_ASSERT_EQUAL(vfio_user_irqs_info(&irqs, &info), -EINVAL, "index");
	/* described again */
	DO(vfio_user_irqs_describe(&irqs, MSI, 0, 0));
	TEST_ASSERT_EQUAL(vfio_user_irqs_trigger(&irqs, MSI, 0), -EINVAL, "gone");
	return TEST_SUCCESS;
}

static int
test_trigger(void)
{
	uint32_t v;

	for (v = 0; v < NB_MSI; v++)
		TEST_ASSERT_EQUAL(vfio_user_irqs_trigger(&irqs, MSIX, v), -ENOENT, "none");
	DO(assign(MSIX, 10, NB_MSI));
	for (v = 0; v < NB_MSI; v++) {
		TEST_ASSERT_EQUAL(state(MSIX, 10 + v), (int)ENABLED, "vector %u", v);
		DO(vfio_user_irqs_trigger(&irqs, MSIX, 10 + v));
		DO(vfio_user_irqs_trigger(&irqs, MSIX, 10 + v));
	}
	for (v = 0; v < NB_MSI; v++)
		TEST_ASSERT_EQUAL(came(efd[v]), 2u, "vector %u", v);
	TEST_ASSERT_EQUAL(vfio_user_irqs_trigger(&irqs, MSIX, 9), -ENOENT, "before");
	TEST_ASSERT_EQUAL(vfio_user_irqs_trigger(&irqs, MSIX, 14), -ENOENT, "behind");
	TEST_ASSERT_EQUAL(vfio_user_irqs_trigger(&irqs, MSIX, 2048), -EINVAL, "vector");
	TEST_ASSERT_EQUAL(vfio_user_irqs_trigger(&irqs, NB_INDEXES, 0), -EINVAL, "index");
	TEST_ASSERT_EQUAL(vfio_user_irqs_trigger(&irqs, UINT32_MAX, UINT32_MAX), -EINVAL, "?");
	TEST_ASSERT_EQUAL(state(MSIX, 2048), -EINVAL, "state");
	TEST_ASSERT_EQUAL(vfio_user_irqs_set_level(&irqs, MSIX, 2048, true), -EINVAL, "level");
	/* the client triggers itself: a loop-back test */
	DO(act(MSIX, TRIGGER, 10, NB_MSI));
	for (v = 0; v < NB_MSI; v++)
		TEST_ASSERT_EQUAL(came(efd[v]), 1u, "vector %u", v);
	DO(set_irqs(MSIX, D_BOOL | TRIGGER, 10, 4, (const uint8_t[]){ 0, 1, 0, 255 },
		    NULL, 0));
	TEST_ASSERT(came(efd[0]) == 0 && came(efd[1]) == 1 && came(efd[2]) == 0 &&
		    came(efd[3]) == 1, "by booleans");
	return TEST_SUCCESS;
}

static int
test_mask(void)
{
	DO(assign(MSI, 0, NB_MSI));
	DO(act(MSI, MASK, 1, 2));
	TEST_ASSERT_EQUAL(state(MSI, 1), (int)(ENABLED | MASKED), "masked");
	TEST_ASSERT_EQUAL(state(MSI, 3), (int)ENABLED, "not masked");
	DO(vfio_user_irqs_trigger(&irqs, MSI, 0));
	DO(vfio_user_irqs_trigger(&irqs, MSI, 1));
	DO(vfio_user_irqs_trigger(&irqs, MSI, 1));
	TEST_ASSERT(came(efd[0]) == 1 && came(efd[1]) == 0, "held back");
	TEST_ASSERT_EQUAL(state(MSI, 1), (int)(ENABLED | MASKED | PENDING), "pending");
	TEST_ASSERT_EQUAL(state(MSI, 2), (int)(ENABLED | MASKED), "not pending");
	DO(act(MSI, UNMASK, 1, 2));
	TEST_ASSERT(came(efd[1]) == 1 && came(efd[2]) == 0, "delivered once");
	TEST_ASSERT_EQUAL(state(MSI, 1), (int)ENABLED, "unmasked");
	DO(act(MSI, UNMASK, 1, 1));
	TEST_ASSERT_EQUAL(came(efd[1]), 0u, "unmasked twice");
	/* by booleans */
	DO(set_irqs(MSI, D_BOOL | MASK, 0, 4, (const uint8_t[]){ 1, 0, 1, 0 }, NULL, 0));
	TEST_ASSERT(state(MSI, 0) == (ENABLED | MASKED) && state(MSI, 1) == ENABLED &&
		    state(MSI, 2) == (ENABLED | MASKED) && state(MSI, 3) == ENABLED, "mask");
	DO(set_irqs(MSI, D_BOOL | UNMASK, 2, 2, (const uint8_t[]){ 1, 1 }, NULL, 0));
	TEST_ASSERT(state(MSI, 0) == (ENABLED | MASKED) && state(MSI, 2) == ENABLED, "unmask");
	/* masked before it is assigned */
	DO(deassign(MSI, 0, NB_MSI));
	DO(act(MSI, MASK, 3, 1));
	TEST_ASSERT_EQUAL(vfio_user_irqs_trigger(&irqs, MSI, 3), -ENOENT, "not assigned");
	DO(assign(MSI, 3, 1));
	TEST_ASSERT_EQUAL(state(MSI, 3), (int)(ENABLED | MASKED), "mask kept");
	DO(vfio_user_irqs_trigger(&irqs, MSI, 3));
	TEST_ASSERT_EQUAL(came(efd[0]), 0u, "held back");
	DO(act(MSI, UNMASK, 3, 1));
	TEST_ASSERT_EQUAL(came(efd[0]), 1u, "delivered");
	return TEST_SUCCESS;
}

/* Eventfds for changes of the mask. */
static int
test_mask_fds(void)
{
	int fds;

	DO(set_irqs(MSI, D_FD | MASK, 0, 2, NULL, efd, 2));
	DO(set_irqs(MSI, D_FD | UNMASK, 0, 2, NULL, &efd[2], 2));
	fds = count_fds();
	DO(act(MSI, MASK, 1, 1));
	TEST_ASSERT(came(efd[0]) == 0 && came(efd[1]) == 1 && came(efd[3]) == 0, "mask");
	DO(act(MSI, UNMASK, 0, 2));
	TEST_ASSERT(came(efd[1]) == 0 && came(efd[2]) == 1 && came(efd[3]) == 1, "unmask");
	/* replaced, taken away */
	DO(set_irqs(MSI, D_FD | MASK, 0, 2, NULL, &efd[2], 2));
	TEST_ASSERT_EQUAL(count_fds(), fds, "fds");
	DO(act(MSI, MASK, 0, 1));
	TEST_ASSERT(came(efd[0]) == 0 && came(efd[2]) == 1, "replaced");
	DO(set_irqs(MSI, D_FD | MASK, 0, 2, NULL, NULL, 0));
	DO(set_irqs(MSI, D_FD | UNMASK, 0, 2, NULL, NULL, 0));
	TEST_ASSERT_EQUAL(count_fds(), fds - 4, "fds");
	DO(act(MSI, MASK, 0, 2));
	DO(act(MSI, UNMASK, 0, 2));
	TEST_ASSERT(came(efd[2]) == 0 && came(efd[3]) == 0, "taken away");
	return TEST_SUCCESS;
}

static int
test_automask(void)
{
	DO(assign(INTX, 0, 1));
	DO(vfio_user_irqs_trigger(&irqs, INTX, 0));
	TEST_ASSERT_EQUAL(came(efd[0]), 1u, "delivered");
	TEST_ASSERT_EQUAL(state(INTX, 0), (int)(ENABLED | MASKED), "masked");
	DO(vfio_user_irqs_trigger(&irqs, INTX, 0));
	DO(vfio_user_irqs_trigger(&irqs, INTX, 0));
	TEST_ASSERT_EQUAL(came(efd[0]), 0u, "held back");
	DO(act(INTX, UNMASK, 0, 1));
	TEST_ASSERT_EQUAL(came(efd[0]), 1u, "delivered");
	TEST_ASSERT_EQUAL(state(INTX, 0), (int)(ENABLED | MASKED), "masked again");
	DO(act(INTX, UNMASK, 0, 1));
	TEST_ASSERT(came(efd[0]) == 0 && state(INTX, 0) == ENABLED, "nothing left");
	return TEST_SUCCESS;
}

static int
test_level(void)
{
	/* asserted before it is assigned: delivered by the assignment */
	DO(vfio_user_irqs_set_level(&irqs, INTX, 0, true));
	TEST_ASSERT_EQUAL(state(INTX, 0), (int)ASSERTED, "asserted");
	DO(assign(INTX, 0, 1));
	TEST_ASSERT_EQUAL(came(efd[0]), 1u, "at the assignment");
	TEST_ASSERT_EQUAL(state(INTX, 0), (int)(ENABLED | MASKED | ASSERTED), "state");
	DO(vfio_user_irqs_set_level(&irqs, INTX, 0, true));
	TEST_ASSERT_EQUAL(came(efd[0]), 0u, "no change");
	/* unmask with the level asserted: again, and again */
	DO(act(INTX, UNMASK, 0, 1));
	TEST_ASSERT_EQUAL(came(efd[0]), 1u, "still asserted");
	DO(act(INTX, UNMASK, 0, 1));
	TEST_ASSERT_EQUAL(came(efd[0]), 1u, "still asserted");
	/* de-asserted while masked: no longer due */
	DO(vfio_user_irqs_set_level(&irqs, INTX, 0, false));
	DO(act(INTX, UNMASK, 0, 1));
	TEST_ASSERT(came(efd[0]) == 0 && state(INTX, 0) == ENABLED, "not asserted");
	DO(vfio_user_irqs_set_level(&irqs, INTX, 0, true));
	TEST_ASSERT_EQUAL(came(efd[0]), 1u, "edge");
	/* the level is the device's: it survives what the client does */
	DO(deassign(INTX, 0, 1));
	TEST_ASSERT_EQUAL(state(INTX, 0), (int)ASSERTED, "kept");
	DO(assign(INTX, 0, 1));
	TEST_ASSERT_EQUAL(came(efd[0]), 1u, "at the assignment");
	/* on an index without automask the level delivers once */
	DO(assign(MSI, 0, 2));
	DO(vfio_user_irqs_set_level(&irqs, MSI, 1, true));
	TEST_ASSERT(came(efd[1]) == 1 && state(MSI, 1) == (ENABLED | ASSERTED), "MSI");
	return TEST_SUCCESS;
}

/* Run the event loop of the server for the resample eventfd. */
static int
run_events(void)
{
	struct epoll_event ev[4];
	int i, nb = epoll_wait(epfd, ev, RTE_DIM(ev), 0);

	for (i = 0; i < nb; i++) {
		if ((uint32_t)ev[i].data.u64 != TAG)
			return -1;
		vfio_user_irqs_resample(&irqs, ev[i].data.u64);
	}
	return nb;
}

static int
test_resample(void)
{
	int blocking = eventfd(0, EFD_CLOEXEC), fds;

	DO(assign(INTX, 0, 1));
	DO(set_irqs(INTX, D_FD | UNMASK, 0, 1, NULL, &efd[1], 1));
	fds = count_fds();
	DO(vfio_user_irqs_set_level(&irqs, INTX, 0, true));
	TEST_ASSERT_EQUAL(came(efd[0]), 1u, "edge");
	TEST_ASSERT_EQUAL(run_events(), 0, "nothing");
	eventfd_write(efd[1], 3);
	TEST_ASSERT_EQUAL(run_events(), 1, "event");
	TEST_ASSERT_EQUAL(came(efd[0]), 1u, "still asserted");
	TEST_ASSERT_EQUAL(run_events(), 0, "not drained");
	DO(vfio_user_irqs_set_level(&irqs, INTX, 0, false));
	eventfd_write(efd[1], 1);
	TEST_ASSERT_EQUAL(run_events(), 1, "event");
	TEST_ASSERT(came(efd[0]) == 0 && state(INTX, 0) == ENABLED, "not asserted");
	/* a blocking one */
	DO(set_irqs(INTX, D_FD | UNMASK, 0, 1, NULL, &blocking, 1));
	TEST_ASSERT_EQUAL(count_fds(), fds, "fds");
	DO(vfio_user_irqs_set_level(&irqs, INTX, 0, true));
	eventfd_write(blocking, 1);
	TEST_ASSERT_EQUAL(run_events(), 1, "event");
	TEST_ASSERT_EQUAL(came(efd[0]), 2u, "edge and resample");
	TEST_ASSERT_EQUAL(run_events(), 0, "not drained");
	/* taken away: the old one is watched no more, although it lives on */
	DO(set_irqs(INTX, D_FD | UNMASK, 0, 1, NULL, NULL, 0));
	eventfd_write(blocking, 1);
	eventfd_write(efd[1], 1);
	TEST_ASSERT_EQUAL(run_events(), 0, "watched");
	/* stale and foreign event data */
	vfio_user_irqs_resample(&irqs, TAG);
	vfio_user_irqs_resample(&irqs, UINT64_MAX);
	vfio_user_irqs_resample(&irqs, TAG | (uint64_t)MSI << 48 | UINT64_C(4) << 32);
	TEST_ASSERT_EQUAL(came(efd[0]), 0u, "delivered");
	/* disable takes it away, too */
	DO(set_irqs(INTX, D_FD | UNMASK, 0, 1, NULL, &blocking, 1));
	DO(act(INTX, TRIGGER, 0, 0));
	TEST_ASSERT_EQUAL(run_events(), 0, "watched");
	close(blocking);
	return TEST_SUCCESS;
}

static int
test_slots(void)
{
	struct vfio_user_irq_vec *vecs = irqs.index[MSIX].vecs;
	int slots[NB_MSI], fds = count_fds(), round;
	uint32_t v;

	DO(assign(MSIX, 0, NB_MSI));
	TEST_ASSERT_EQUAL(count_fds(), fds + NB_MSI, "one fd for each");
	for (v = 0; v < NB_MSI; v++)
		slots[v] = vecs[v].slot;
	for (round = 0; round < 20; round++) {
		DO(deassign(MSIX, 0, NB_MSI));
		for (v = 0; v < NB_MSI; v++)
			TEST_ASSERT_EQUAL(vfio_user_irqs_trigger(&irqs, MSIX, v), -ENOENT,
					  "de-assigned");
		if (round % 2 == 0)
			DO(act(MSIX, TRIGGER, 0, 0));
		DO(assign(MSIX, 0, NB_MSI));
		for (v = 0; v < NB_MSI; v++)
			TEST_ASSERT_EQUAL(vecs[v].slot, slots[v], "vector %u", v);
		DO(vfio_user_irqs_trigger(&irqs, MSIX, 1));
		TEST_ASSERT(came(efd[0]) == 0 && came(efd[1]) == 1, "round %d", round);
	}
	/* a write to the number of a slot that is not assigned reaches nobody */
	DO(deassign(MSIX, 0, NB_MSI));
	TEST_ASSERT_SUCCESS(eventfd_write(slots[0], 1), "sink");
	for (v = 0; v < NB_MSI; v++)
		TEST_ASSERT_EQUAL(came(efd[v]), 0u, "vector %u", v);
	vfio_user_irqs_release(&irqs);
	TEST_ASSERT_EQUAL(count_fds(), fds + NB_MSI, "slots stay");
	/* reassigned over: the first one hears nothing more */
	DO(assign(MSIX, 0, 1));
	DO(set_irqs(MSIX, D_FD | TRIGGER, 0, 1, NULL, &efd[3], 1));
	DO(vfio_user_irqs_trigger(&irqs, MSIX, 0));
	TEST_ASSERT(came(efd[0]) == 0 && came(efd[3]) == 1, "replaced");
	return TEST_SUCCESS;
}

static int
test_refused_fds(void)
{
	int fds[6], nb, pair[2];
	uint32_t i;

	TEST_ASSERT_SUCCESS(pipe(pair), "pipe");
	fds[0] = pair[1];
	fds[1] = pair[0];
	fds[2] = socket(AF_UNIX, SOCK_STREAM, 0);
	fds[3] = open("/dev/null", O_RDWR);
	fds[4] = timerfd_create(CLOCK_MONOTONIC, 0);
	fds[5] = epoll_create1(0);
	nb = count_fds();
	for (i = 0; i < RTE_DIM(fds); i++) {
		const int mixed[2] = { efd[0], fds[i] };

		TEST_ASSERT_EQUAL(set_irqs(MSIX, D_FD | TRIGGER, 0, 1, NULL, &fds[i], 1),
				  -EINVAL, "kind %u", i);
		TEST_ASSERT_EQUAL(set_irqs(MSIX, D_FD | TRIGGER, 0, 2, NULL, mixed, 2),
				  -EINVAL, "kind %u", i);
		TEST_ASSERT_EQUAL(set_irqs(MSI, D_FD | MASK, 0, 1, NULL, &fds[i], 1),
				  -EINVAL, "kind %u", i);
		TEST_ASSERT_EQUAL(set_irqs(INTX, D_FD | UNMASK, 0, 1, NULL, &fds[i], 1),
				  -EINVAL, "kind %u", i);
		TEST_ASSERT_EQUAL(state(MSIX, 0), 0, "kind %u: changed", i);
	}
	TEST_ASSERT_EQUAL(count_fds(), nb, "fds");
	for (i = 0; i < RTE_DIM(fds); i++)
		close(fds[i]);
	return TEST_SUCCESS;
}

static int
test_ranges(void)
{
	static const struct {
		uint32_t index, flags, start, count;
		int expect;
	} cases[] = {
		{ MSI, D_NONE | MASK, 0, NB_MSI, 0 },
		{ MSI, D_NONE | MASK, 0, NB_MSI + 1, -EINVAL },
		{ MSI, D_NONE | MASK, NB_MSI, 1, -EINVAL },
		{ MSI, D_NONE | MASK, UINT32_MAX, 2, -EINVAL },
		{ MSI, D_NONE | MASK, 0, 0, -EINVAL },
		{ MSI, D_NONE | TRIGGER, 1, 0, -EINVAL },
		{ MSI, D_NONE | TRIGGER, 0, 0, 0 },
		{ MSI, D_FD | TRIGGER, 3, 2, -EINVAL },
		{ NB_INDEXES, D_NONE | TRIGGER, 0, 0, -EINVAL },
		{ UINT32_MAX, D_NONE | TRIGGER, 0, 1, -EINVAL },
		{ VFIO_PCI_ERR_IRQ_INDEX, D_NONE | TRIGGER, 0, 1, -EINVAL },
		{ VFIO_PCI_ERR_IRQ_INDEX, D_NONE | TRIGGER, 0, 0, 0 },
		{ MSIX, D_NONE | MASK, 0, 1, -ENOTTY },
		{ MSIX, D_NONE | UNMASK, 0, 1, -ENOTTY },
		{ REQ, D_FD | TRIGGER, 0, 1, -ENOTTY },
		{ REQ, D_NONE | TRIGGER, 0, 1, 0 },
	};
	uint32_t i;

	for (i = 0; i < RTE_DIM(cases); i++)
		TEST_ASSERT_EQUAL(set_irqs(cases[i].index, cases[i].flags, cases[i].start,
				cases[i].count, NULL, NULL, 0), cases[i].expect,
				"case %u", i);
	/* "enable without vectors", as QEMU does */
	DO(deassign(MSIX, 0, 1));
	TEST_ASSERT_EQUAL(state(MSIX, 0), 0, "enabled");
	return TEST_SUCCESS;
}

static int
test_disable_all(void)
{
	int many[RTE_VFIO_USER_MAX_MSG_FDS], fds;
	uint32_t i;

	for (i = 0; i < RTE_DIM(many); i++)
		many[i] = efd[i % NB_MSI];
	DO(set_irqs(MSIX, D_FD | TRIGGER, 2048 - RTE_DIM(many), RTE_DIM(many), NULL, many,
		    RTE_DIM(many)));
	DO(set_irqs(MSI, D_FD | MASK, 0, 2, NULL, efd, 2));
	DO(assign(MSI, 0, NB_MSI));
	DO(act(MSI, MASK, 0, 1));
	came(efd[0]);
	fds = count_fds();
	DO(act(MSIX, TRIGGER, 0, 0));
	for (i = 0; i < 2048; i++)
		TEST_ASSERT_EQUAL(state(MSIX, i), 0, "vector %u", i);
	TEST_ASSERT_EQUAL(state(MSI, 1), (int)ENABLED, "other index");
	TEST_ASSERT_EQUAL(count_fds(), fds, "slots stay");
	DO(act(MSI, TRIGGER, 0, 0));
	TEST_ASSERT_EQUAL(state(MSI, 0), 0, "mask stays");
	TEST_ASSERT_EQUAL(count_fds(), fds - 2, "mask eventfds stay");
	for (i = 0; i < NB_MSI; i++)
		TEST_ASSERT_EQUAL(came(efd[i]), 0u, "signalled");
	return TEST_SUCCESS;
}

/* A client's full counter blocks nobody, and loses nothing. */
static int
test_full_counter(void)
{
	const eventfd_t full = UINT64_MAX - 1;
	int blocking = eventfd(0, EFD_CLOEXEC);

	DO(set_irqs(MSIX, D_FD | TRIGGER, 0, 1, NULL, &blocking, 1));
	DO(set_irqs(MSIX, D_FD | TRIGGER, 1, 1, NULL, efd, 1));
	eventfd_write(blocking, full);
	eventfd_write(efd[0], full);
	DO(vfio_user_irqs_trigger(&irqs, MSIX, 0));
	DO(vfio_user_irqs_trigger(&irqs, MSIX, 1));
	TEST_ASSERT(came(blocking) == full && came(efd[0]) == full, "counters");
	DO(vfio_user_irqs_trigger(&irqs, MSIX, 0));
	TEST_ASSERT_EQUAL(came(blocking), 1u, "delivered");
	close(blocking);
	return TEST_SUCCESS;
}

static bool trigger_stop;

static void *
run_trigger(void *arg)
{
	RTE_SET_USED(arg);
	while (!__atomic_load_n(&trigger_stop, __ATOMIC_ACQUIRE)) {
		vfio_user_irqs_trigger(&irqs, MSIX, 0);
		vfio_user_irqs_trigger(&irqs, MSI, 0);
		vfio_user_irqs_set_level(&irqs, INTX, 0, true);
		vfio_user_irqs_set_level(&irqs, INTX, 0, false);
	}
	return NULL;
}

/* Triggers in a thread while everything is assigned, masked and taken away. */
static int
test_concurrent(void)
{
	pthread_t thread;
	int pipes[2], i, failed = 0;
	char byte;

	trigger_stop = false;
	TEST_ASSERT_SUCCESS(pthread_create(&thread, NULL, run_trigger, NULL), "thread");
	for (i = 0; i < 3000; i++) {
		failed += assign(MSIX, 0, 1) < 0;
		failed += assign(MSI, 0, 1) < 0;
		failed += assign(INTX, 0, 1) < 0;
		failed += act(MSI, MASK, 0, 1) < 0;
		failed += act(MSI, UNMASK, 0, 1) < 0;
		failed += act(INTX, UNMASK, 0, 1) < 0;
		if (i % 2 == 0)
			failed += deassign(MSIX, 0, 1) < 0;
		else
			vfio_user_irqs_release(&irqs);
		/* a number that a late trigger must not write to */
		failed += pipe2(pipes, O_CLOEXEC | O_NONBLOCK) < 0;
		failed += read(pipes[0], &byte, 1) >= 0;
		close(pipes[0]);
		close(pipes[1]);
	}
	__atomic_store_n(&trigger_stop, true, __ATOMIC_RELEASE);
	pthread_join(thread, NULL);
	TEST_ASSERT_EQUAL(failed, 0, "%d", failed);
	TEST_ASSERT(came(efd[0]) != 0, "nothing was ever delivered");
	return TEST_SUCCESS;
}

#define CASE(fn) TEST_CASE_ST(setup, teardown, fn)

static struct unit_test_suite irq_suite = {
	.suite_name = "vfio-user interrupts",
	.unit_test_cases = {
		CASE(test_describe),
		CASE(test_trigger),
		CASE(test_mask),
		CASE(test_mask_fds),
		CASE(test_automask),
		CASE(test_level),
		CASE(test_resample),
		CASE(test_slots),
		CASE(test_refused_fds),
		CASE(test_ranges),
		CASE(test_disable_all),
		CASE(test_full_counter),
		CASE(test_concurrent),
		TEST_CASES_END()
	},
};

static int
test_vfio_user_irq(void)
{
	return unit_test_suite_runner(&irq_suite);
}

REGISTER_TEST_COMMAND(vfio_user_irq_autotest, test_vfio_user_irq);
