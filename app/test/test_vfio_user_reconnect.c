/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

/* Reconnection of the client, one thread that polls it and the new device. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <rte_common.h>
#include <rte_errno.h>

#include "test.h"
#include "test_vfio_user_fds.h"
#include "test_vfio_user_loopback.h"
#include "vfio_user_client.h"

#define IOVA 0x10000000u

/* What the state callback was told. */
static struct {
	int nb;
	enum rte_vfio_user_client_state state[8];
	int reason[8];
	void (*hook)(enum rte_vfio_user_client_state state);
} told;

static void
on_state(struct rte_vfio_user_client *client, enum rte_vfio_user_client_state state,
	 int reason, void *priv)
{
	RTE_SET_USED(client);
	RTE_SET_USED(priv);
	if (told.hook != NULL)
		told.hook(state);
	if (told.nb < (int)RTE_DIM(told.state)) {
		told.state[told.nb] = state;
		told.reason[told.nb] = reason;
	}
	told.nb++;
}

/* Poll the client, and the device if it is there. */
static void
poll_both(void)
{
	if (loop.srv != NULL && loop.by_hand)
		rte_vfio_user_server_poll(loop.srv);
	rte_vfio_user_client_poll(loop.client);
	usleep(200);
}

#define POLL_UNTIL(cond) do { \
	uint32_t left = 50000; \
	while (!(cond) && left-- != 0) \
		poll_both(); \
	TEST_ASSERT(cond, "did not happen: %s", #cond); \
} while (0)

#define TOLD(i, what, why) \
	TEST_ASSERT(told.nb == (i) + 1 && told.state[i] == RTE_VFIO_USER_CLIENT_##what && \
		    told.reason[i] == (why), "told %d times, %d: state %d, reason %d", \
		    told.nb, i, told.state[i], told.reason[i])

static int
setup(void)
{
	int ret = loop_setup();

	memset(&told, 0, sizeof(told));
	loop.client_conf.reconnect_timeout_ms = 30000;
	loop.client_conf.state_cb = on_state;
	return ret;
}

/* Connect to a device that has a thread, and take it away. */
static int
start_then_lose(void)
{
	DO(loop_start());
	loop_stop_server();
	POLL_UNTIL(told.nb == 1);
	TOLD(0, LOST, -ENOTCONN);
	return TEST_SUCCESS;
}

/* A new device, polled by this thread as the client is. */
static int
come_back(void)
{
	int before = told.nb;

	loop.by_hand = true;
	DO(loop_start_server());
	POLL_UNTIL(told.nb == before + 1);
	TOLD(before, RECONNECTED, 0);
	return TEST_SUCCESS;
}

struct outcome {
	bool done;
	ssize_t result;
	char buf[16];
};

static void
on_done(struct rte_vfio_user_client *client, ssize_t result, void *arg)
{
	struct outcome *outcome = arg;

	RTE_SET_USED(client);
	outcome->result = result;
	outcome->done = true;
}

/* An access while this thread polls both sides. */
static ssize_t
read_some(uint64_t offset, struct outcome *outcome)
{
	memset(outcome, 0, sizeof(*outcome));
	if (rte_vfio_user_client_region_read_async(loop.client, 0, offset, outcome->buf,
			sizeof(outcome->buf), on_done, outcome) < 0)
		return -ECANCELED;
	POLL_UNTIL(outcome->done);
	return outcome->result;
}

/* ------------------------------------------------------------ transitions */

static int
test_back(void)
{
	struct outcome outcome;
	char byte = 1;

	DO(start_then_lose());
	TEST_ASSERT_EQUAL(rte_vfio_user_client_poll(loop.client), 0, "still alive");
	TEST_ASSERT_EQUAL(loop_read(0, 0, &byte, 1), -ENOTCONN, "read");
	TEST_ASSERT_EQUAL(loop_write(0, 0, &byte, 1), -ENOTCONN, "write");
	TEST_ASSERT_EQUAL(rte_vfio_user_client_reset(loop.client), -ENOTCONN, "reset");
	TEST_ASSERT_EQUAL(rte_vfio_user_client_region_write_posted(loop.client, 0, 0, &byte, 1),
			  -ENOTCONN, "posted");
	TEST_ASSERT_EQUAL(rte_vfio_user_client_region_read_async(loop.client, 0, 0, &byte, 1,
			on_done, &outcome), -ENOTCONN, "async");
	DO(come_back());
	strcpy((char *)loop.bar0 + 64, "again");
	TEST_ASSERT_EQUAL(read_some(64, &outcome), 16, "read");
	TEST_ASSERT(strcmp(outcome.buf, "again") == 0, "%s", outcome.buf);
	/* and once more, from this state */
	loop_stop_server();
	POLL_UNTIL(told.nb == 3);
	TOLD(2, LOST, -ENOTCONN);
	DO(come_back());
	TEST_ASSERT_EQUAL(read_some(64, &outcome), 16, "read");
	return TEST_SUCCESS;
}

/* Without anybody who polls, calls that fail do what there is to do. */
static int
test_driven_by_calls(void)
{
	uint32_t i;
	char byte;
	int ret;

	DO(loop_start());
	loop_stop_server();
	for (i = 0; i < 100 && told.nb == 0; i++)
		TEST_ASSERT_EQUAL(loop_read(0, 0, &byte, 1), -ENOTCONN, "lost");
	TOLD(0, LOST, -ENOTCONN);
	DO(loop_start_server()); /* has a thread */
	ret = -ENOTCONN;
	for (i = 0; i < 10000 && ret == -ENOTCONN; i++) {
		ret = loop_read(0, 0, &byte, 1);
		usleep(1000);
	}
	TEST_ASSERT_EQUAL(ret, 0, "read");
	TOLD(1, RECONNECTED, 0);
	return TEST_SUCCESS;
}

static int
test_gives_up(void)
{
	struct rte_vfio_user_dma_map map = {
		.iova = IOVA, .size = PAGE, .prot = PROT_READ, .fd = -1,
	};
	const struct rte_vfio_user_dma_range range = { .iova = IOVA, .size = PAGE };
	int fd = eventfd(0, EFD_CLOEXEC);
	char byte;

	loop.client_conf.reconnect_timeout_ms = 500;
	DO(start_then_lose());
	DO(rte_vfio_user_client_dma_map(loop.client, &map, 1));
	POLL_UNTIL(told.nb == 2);
	TOLD(1, GAVE_UP, -ETIMEDOUT);
	TEST_ASSERT_EQUAL(rte_vfio_user_client_poll(loop.client), -ENOTCONN, "poll");
	TEST_ASSERT_EQUAL(loop_read(0, 0, &byte, 1), -ENOTCONN, "read");
	map.iova += PAGE;
	TEST_ASSERT_EQUAL(rte_vfio_user_client_dma_map(loop.client, &map, 1), -ENOTCONN, "map");
	TEST_ASSERT_EQUAL(rte_vfio_user_client_irq_assign(loop.client,
			VFIO_PCI_MSIX_IRQ_INDEX, 0, 1, &fd), -ENOTCONN, "assign");
	DO(rte_vfio_user_client_dma_unmap(loop.client, &range, 1));
	close(fd);
	/* and does not come back */
	loop.by_hand = true;
	DO(loop_start_server());
	TEST_ASSERT_EQUAL(loop_read(0, 0, &byte, 1), -ENOTCONN, "read");
	TEST_ASSERT_EQUAL(told.nb, 2, "told");
	return TEST_SUCCESS;
}

static int
test_conf(void)
{
	int pair[2];

	DO(loop_start_server());
	DO(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair));
	loop.client_conf.conn_fd = pair[0];
	loop.client_conf.sock_path = NULL;
	TEST_ASSERT_EQUAL(loop_start_client(), -EINVAL, "no path");
	close(pair[0]);
	close(pair[1]);
	loop.client_conf.conn_fd = -1;
	loop.client_conf.sock_path = loop.server_conf.sock_path;
	loop.client_conf.reconnect_timeout_ms = 0;
	TEST_ASSERT_EQUAL(loop_start_client(), -EINVAL, "callback of nothing");
	loop.client_conf.state_cb = NULL;
	loop.client_conf.flags = RTE_VFIO_USER_CLIENT_F_RETRY_READS;
	TEST_ASSERT_EQUAL(loop_start_client(), -EINVAL, "nothing to retry");
	loop.client_conf.reconnect_timeout_ms = UINT32_MAX;
	DO(loop_start_client());
	return TEST_SUCCESS;
}

/* Nothing is left of a client that is destroyed in any state. */
static int
test_destroyed(void)
{
	int before, steps, i;

	before = count_fds();
	for (steps = 0; steps < 12; steps++) {
		memset(&told, 0, sizeof(told));
		loop.by_hand = false;
		DO(start_then_lose());
		loop.by_hand = true;
		DO(loop_start_server());
		usleep(21000); /* the next attempt is due */
		for (i = 0; i < steps; i++) {
			rte_vfio_user_client_poll(loop.client);
			rte_vfio_user_server_poll(loop.srv);
		}
		loop_stop_client();
		loop_stop_server();
		TEST_ASSERT_EQUAL(count_fds(), before, "leaked after %d steps", steps);
	}
	return TEST_SUCCESS;
}

static int
test_many(void)
{
	const struct rte_vfio_user_dma_map map = {
		.iova = IOVA, .size = PAGE, .prot = PROT_READ, .fd = loop.file[0],
	};
	int fds[2] = { eventfd(0, EFD_CLOEXEC), eventfd(0, EFD_CLOEXEC) };
	int i, before = 0;
	void *base;

	DO(loop_start());
	DO(rte_vfio_user_client_region_mmap(loop.client, 2, &base));
	DO(rte_vfio_user_client_region_mmap(loop.client, 3, &base));
	DO(rte_vfio_user_client_dma_map(loop.client, &map, 1));
	DO(rte_vfio_user_client_irq_assign(loop.client, VFIO_PCI_MSIX_IRQ_INDEX, 0, 2, fds));
	loop.by_hand = true;
	for (i = 0; i < 100; i++) {
		memset(&told, 0, sizeof(told));
		loop_stop_server();
		POLL_UNTIL(told.nb == 1);
		DO(loop_start_server());
		POLL_UNTIL(told.nb == 2);
		TOLD(1, RECONNECTED, 0);
		TEST_ASSERT_EQUAL(rte_vfio_user_server_dma_count(loop.srv), 1u, "maps");
		if (before == 0)
			before = count_fds();
	}
	TEST_ASSERT_EQUAL(count_fds(), before, "leaked");
	close(fds[0]);
	close(fds[1]);
	return TEST_SUCCESS;
}

/* -------------------------------------------------------------- what is kept */

static volatile uint32_t *bar; /* BAR4 as the application has it mapped */
static uint32_t seen[3]; /* by the callback */

static void
look_at_bar(enum rte_vfio_user_client_state state)
{
	seen[state] = *bar;
}

static int
test_bars(void)
{
	void *base, *again;

	told.hook = look_at_bar;
	DO(loop_start());
	DO(rte_vfio_user_client_region_mmap(loop.client, 4, &base));
	bar = base;
	*bar = 0x11111111;
	TEST_ASSERT_EQUAL(*(uint32_t *)loop.memory[2], 0x11111111u, "not shared");
	loop_stop_server();
	POLL_UNTIL(told.nb == 1);
	TEST_ASSERT_EQUAL(seen[RTE_VFIO_USER_CLIENT_LOST], 0x11111111u, "too early");
	TEST_ASSERT_EQUAL(*bar, 0u, "not replaced");
	*bar = 5; /* goes nowhere */
	TEST_ASSERT_EQUAL(*(uint32_t *)loop.memory[2], 0x11111111u, "still shared");
	TEST_ASSERT_EQUAL(rte_vfio_user_client_region_mmap(loop.client, 2, &again), -ENOTCONN,
			  "while it is lost");
	DO(rte_vfio_user_client_region_mmap(loop.client, 4, &again));
	TEST_ASSERT(again == base, "moved");

	*(uint32_t *)loop.memory[2] = 0x22222222;
	DO(come_back());
	TEST_ASSERT_EQUAL(seen[RTE_VFIO_USER_CLIENT_RECONNECTED], 0x22222222u, "too late");
	*bar = 0x33333333;
	TEST_ASSERT_EQUAL(*(uint32_t *)loop.memory[2], 0x33333333u, "not shared");
	return TEST_SUCCESS;
}

/* Whether the device has a mapping. */
static bool
is_mapped(uint64_t iova)
{
	struct rte_vfio_user_dma_info info;

	return rte_vfio_user_server_dma_lookup(loop.srv, iova, &info) == 0;
}

static int
test_maps(void)
{
	struct rte_vfio_user_dma_map maps[200];
	struct rte_vfio_user_dma_range range = { .iova = IOVA, .size = PAGE };
	struct rte_vfio_user_dma_info info;
	uint32_t i;

	for (i = 0; i < RTE_DIM(maps); i++)
		maps[i] = (struct rte_vfio_user_dma_map) {
			.iova = IOVA + 2 * PAGE * (uint64_t)i, .size = PAGE,
			.prot = PROT_READ | PROT_WRITE,
			.fd = loop.file[i % 2], .fd_offset = PAGE,
		};
	DO(loop_start());
	DO(rte_vfio_user_client_dma_map(loop.client, maps, 199));
	loop_stop_server();
	POLL_UNTIL(told.nb == 1);
	DO(rte_vfio_user_client_dma_unmap(loop.client, &range, 1));
	TEST_ASSERT_EQUAL(rte_vfio_user_client_dma_unmap(loop.client, &range, 1), -ENOENT,
			  "twice");
	DO(rte_vfio_user_client_dma_map(loop.client, &maps[199], 1));
	TEST_ASSERT_EQUAL(rte_vfio_user_client_dma_map(loop.client, &maps[7], 1), -EEXIST,
			  "overlaps");
	DO(come_back());
	TEST_ASSERT_EQUAL(rte_vfio_user_server_dma_count(loop.srv), 199u, "maps");
	TEST_ASSERT(!is_mapped(IOVA) && is_mapped(maps[199].iova), "merged");
	DO(rte_vfio_user_server_dma_lookup(loop.srv, maps[4].iova, &info));
	*(uint32_t *)(loop.memory[0] + PAGE) = 0x44444444;
	TEST_ASSERT_EQUAL(*(uint32_t *)info.va, 0x44444444u, "another file");

	loop_stop_server();
	POLL_UNTIL(told.nb == 3);
	DO(rte_vfio_user_client_dma_unmap_all(loop.client));
	DO(rte_vfio_user_client_dma_map(loop.client, &maps[3], 1));
	DO(come_back());
	TEST_ASSERT_EQUAL(rte_vfio_user_server_dma_count(loop.srv), 1u, "maps");
	return TEST_SUCCESS;
}

static bool
fired(int fd)
{
	uint64_t count = 0;

	return read(fd, &count, sizeof(count)) == sizeof(count) && count == 1;
}

static int
test_irqs(void)
{
	int fd[NB_MSIX], gone[2] = { -1, -1 };
	uint32_t i;

	for (i = 0; i < NB_MSIX; i++)
		fd[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	DO(loop_start());
	DO(rte_vfio_user_client_irq_assign(loop.client, VFIO_PCI_MSIX_IRQ_INDEX, 0, NB_MSIX - 1,
					   fd));
	loop_stop_server();
	POLL_UNTIL(told.nb == 1);
	DO(rte_vfio_user_client_irq_assign(loop.client, VFIO_PCI_MSIX_IRQ_INDEX, 4, 2, gone));
	DO(rte_vfio_user_client_irq_assign(loop.client, VFIO_PCI_MSIX_IRQ_INDEX, NB_MSIX - 1, 1,
					   &fd[NB_MSIX - 1]));
	TEST_ASSERT_EQUAL(rte_vfio_user_client_irq_assign(loop.client, VFIO_PCI_MSIX_IRQ_INDEX,
			NB_MSIX, 1, fd), -EINVAL, "no such interrupt");
	/* or no server that came back would be accepted */
	TEST_ASSERT_EQUAL(rte_vfio_user_client_irq_unmask(loop.client,
			VFIO_PCI_MSIX_IRQ_INDEX, 0), -ENOTTY, "not maskable");
	TEST_ASSERT_EQUAL(rte_vfio_user_client_irq_assign(loop.client, VFIO_PCI_MSIX_IRQ_INDEX,
			0, 1, loop.file), -EINVAL, "not an eventfd");
	DO(come_back());
	/* each once, for what may have been missed */
	for (i = 0; i < NB_MSIX; i++)
		TEST_ASSERT_EQUAL(fired(fd[i]), i != 4 && i != 5, "vector %u", i);
	for (i = 0; i < NB_MSIX; i++)
		rte_vfio_user_server_irq_trigger(loop.srv, VFIO_PCI_MSIX_IRQ_INDEX, i);
	for (i = 0; i < NB_MSIX; i++)
		TEST_ASSERT_EQUAL(fired(fd[i]), i != 4 && i != 5, "vector %u", i);
	for (i = 0; i < NB_MSIX; i++)
		close(fd[i]);
	return TEST_SUCCESS;
}

static int
test_masked(void)
{
	struct vfio_irq_set mask = {
		.argsz = sizeof(mask), .index = VFIO_PCI_INTX_IRQ_INDEX, .count = 1,
		.flags = VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_MASK,
	};
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	DO(loop_start());
	DO(rte_vfio_user_client_irq_assign(loop.client, VFIO_PCI_INTX_IRQ_INDEX, 0, 1, &fd));
	DO(rte_vfio_user_client_set_irqs(loop.client, &mask));
	loop_stop_server();
	POLL_UNTIL(told.nb == 1);
	DO(come_back());
	TEST_ASSERT((rte_vfio_user_server_irq_state(loop.srv, VFIO_PCI_INTX_IRQ_INDEX, 0) &
		     RTE_VFIO_USER_IRQ_MASKED) != 0, "mask");
	TEST_ASSERT(!fired(fd), "signalled though masked");
	loop_stop_server();
	POLL_UNTIL(told.nb == 3);
	DO(rte_vfio_user_client_irq_unmask(loop.client, VFIO_PCI_INTX_IRQ_INDEX, 0));
	DO(come_back());
	TEST_ASSERT_EQUAL(rte_vfio_user_server_irq_state(loop.srv, VFIO_PCI_INTX_IRQ_INDEX, 0) &
			  RTE_VFIO_USER_IRQ_MASKED, 0, "mask");
	TEST_ASSERT(fired(fd), "signalled once");
	DO(rte_vfio_user_server_irq_trigger(loop.srv, VFIO_PCI_INTX_IRQ_INDEX, 0));
	TEST_ASSERT(fired(fd), "interrupt");
	close(fd);
	return TEST_SUCCESS;
}

/* --------------------------------------------------------------- in flight */

/* Start a read and a write of a device that does not answer, and lose it. */
static int
lose_in_flight(struct outcome *rd, struct outcome *wr)
{
	memset(rd, 0, sizeof(*rd));
	memset(wr, 0, sizeof(*wr));
	DO(start_then_lose());
	DO(come_back());
	DO(rte_vfio_user_client_region_read_async(loop.client, 0, 64, rd->buf, 16, on_done, rd));
	DO(rte_vfio_user_client_region_write_async(loop.client, 0, 64, "written", 8, on_done, wr));
	loop_stop_server();
	POLL_UNTIL(told.nb == 3);
	TEST_ASSERT(wr->done && wr->result == -ENOTCONN, "write");
	return TEST_SUCCESS;
}

static int
test_in_flight(void)
{
	struct outcome rd, wr;

	DO(lose_in_flight(&rd, &wr));
	TEST_ASSERT(rd.done && rd.result == -ENOTCONN, "read");
	return TEST_SUCCESS;
}

static int
test_retried(void)
{
	struct outcome rd, wr, late;

	loop.client_conf.flags = RTE_VFIO_USER_CLIENT_F_RETRY_READS;
	DO(lose_in_flight(&rd, &wr));
	TEST_ASSERT(!rd.done, "read");
	memset(&late, 0, sizeof(late));
	DO(rte_vfio_user_client_region_read_async(loop.client, 0, 64, late.buf, 16, on_done,
						  &late));
	strcpy((char *)loop.bar0 + 64, "in the end");
	DO(come_back());
	POLL_UNTIL(rd.done && late.done);
	TEST_ASSERT(rd.result == 16 && strcmp(rd.buf, "in the end") == 0, "read");
	TEST_ASSERT(late.result == 16 && strcmp(late.buf, "in the end") == 0, "read");
	/* destroy ends what waits */
	loop_stop_server();
	POLL_UNTIL(told.nb == 5);
	memset(&late, 0, sizeof(late));
	DO(rte_vfio_user_client_region_read_async(loop.client, 0, 64, late.buf, 16, on_done,
						  &late));
	loop_stop_client();
	TEST_ASSERT(late.done && late.result == -ENOTCONN, "at destroy");
	return TEST_SUCCESS;
}

static int
test_retry_gives_up(void)
{
	struct outcome outcome = { .done = false };
	struct vfio_device_info info;
	char byte;

	loop.client_conf.flags = RTE_VFIO_USER_CLIENT_F_RETRY_READS;
	loop.client_conf.reconnect_timeout_ms = 500;
	DO(start_then_lose());
	DO(rte_vfio_user_client_region_read_async(loop.client, 0, 0, outcome.buf, 16, on_done,
						  &outcome));
	TEST_ASSERT_EQUAL(rte_vfio_user_client_device_info(loop.client, &info), -ENOTCONN, "");
	TEST_ASSERT_EQUAL(loop_read(0, 0, &byte, 1), -ENOTCONN, "read");
	POLL_UNTIL(told.nb == 2);
	TOLD(1, GAVE_UP, -ETIMEDOUT);
	TEST_ASSERT(outcome.done && outcome.result == -ENOTCONN, "async");
	return TEST_SUCCESS;
}

/* Nobody has noticed the end: reads are kept all the same, others fail. */
static int
test_not_noticed(void)
{
	struct outcome rd = { .done = false };
	char byte = 0;

	loop.client_conf.flags = RTE_VFIO_USER_CLIENT_F_RETRY_READS;
	DO(loop_start());
	loop_stop_server();
	TEST_ASSERT_EQUAL(loop_write(0, 0, &byte, 1), -ENOTCONN, "write");
	told.nb = 0;
	DO(loop_start_server());
	POLL_UNTIL(read_some(0, &rd) == 16);
	loop_stop_server();
	/* breaks the socket, which is not received from before the read */
	rte_vfio_user_client_region_write_posted(loop.client, 0, 0, &byte, 1);
	rte_vfio_user_client_flush(loop.client);
	memset(&rd, 0, sizeof(rd));
	memset(&told, 0, sizeof(told));
	DO(rte_vfio_user_client_region_read_async(loop.client, 0, 0, rd.buf, 16, on_done, &rd));
	POLL_UNTIL(told.nb == 1);
	TOLD(0, LOST, -ENOTCONN);
	TEST_ASSERT(!rd.done, "failed");
	DO(come_back());
	POLL_UNTIL(rd.done);
	TEST_ASSERT_EQUAL(rd.result, 16, "read");
	return TEST_SUCCESS;
}

/* --------------------------------------------------------- memory of the EAL */

static uint8_t eal_memory[4 * PAGE] __rte_aligned(4096);

static int
lookup_segment(const void *addr, struct vfio_user_client_eal_run *seg)
{
	seg->addr = (uintptr_t)addr;
	seg->len = PAGE;
	seg->fd = loop.file[0];
	seg->fd_offset = (uintptr_t)addr - (uintptr_t)eal_memory;
	return 0;
}

static void
eal_event(enum rte_mem_event event, uint32_t page, uint32_t nb)
{
	vfio_user_client_eal_event(loop.client, event, eal_memory + page * PAGE, nb * PAGE);
}

/* Events are merged without waiting, and without a word to the application. */
static int
test_eal_events(void)
{
	uint64_t start;

	loop.client_conf.request_timeout_ms = 1000;
	DO(start_then_lose());
	loop.client->eal.lookup = lookup_segment;
	loop.client->eal.mapped = true;
	start = vfio_user_now();
	eal_event(RTE_MEM_EVENT_ALLOC, 0, 2);
	eal_event(RTE_MEM_EVENT_ALLOC, 2, 1);
	eal_event(RTE_MEM_EVENT_FREE, 1, 1);
	TEST_ASSERT(vfio_user_now() - start < 800 * VFIO_USER_NS_PER_MS, "waited");
	usleep(50000);
	eal_event(RTE_MEM_EVENT_ALLOC, 3, 1);
	TEST_ASSERT_EQUAL(told.nb, 1, "told");
	DO(come_back());
	TEST_ASSERT_EQUAL(rte_vfio_user_server_dma_count(loop.srv), 3u, "maps");
	TEST_ASSERT(!is_mapped((uintptr_t)eal_memory + PAGE), "freed");
	/* a server that does not answer is parted from, the memory forgotten */
	eal_event(RTE_MEM_EVENT_FREE, 2, 1);
	TEST_ASSERT_EQUAL(told.nb, 2, "told");
	loop_stop_server();
	POLL_UNTIL(told.nb == 3);
	DO(come_back());
	TEST_ASSERT_EQUAL(rte_vfio_user_server_dma_count(loop.srv), 2u, "maps");
	TEST_ASSERT(!is_mapped((uintptr_t)eal_memory + 2 * PAGE), "freed");
	return TEST_SUCCESS;
}

/* ----------------------------------------------------------- other devices */

static int
alter_size(void)
{
	const struct rte_vfio_user_region_conf conf = {
		.size = BAR1_SIZE / 2, .flags = RTE_VFIO_USER_REGION_F_RW, .fd = -1,
		.base = loop.bar1,
	};

	return rte_vfio_user_server_region_set(loop.srv, 1, &conf);
}

static int
alter_flags(void)
{
	const struct rte_vfio_user_region_conf conf = {
		.size = BAR1_SIZE, .flags = RTE_VFIO_USER_REGION_F_READ, .fd = -1,
		.base = loop.bar1,
	};

	return rte_vfio_user_server_region_set(loop.srv, 1, &conf);
}

static int
alter_areas(void)
{
	const struct rte_vfio_user_mmap_area sparse[] = {
		{ .offset = PAGE, .size = PAGE, .fd = -1 },
		{ .offset = 4 * PAGE, .size = PAGE, .fd = -1 },
	};
	const struct rte_vfio_user_region_conf conf = {
		.size = BAR2_SIZE, .flags = RTE_VFIO_USER_REGION_F_RW, .base = loop.memory[0],
		.fd = loop.file[0], .areas = sparse, .nb_areas = 2,
	};

	return rte_vfio_user_server_region_set(loop.srv, 2, &conf);
}

static int
alter_fewer_areas(void)
{
	const struct rte_vfio_user_region_conf conf = {
		.size = BAR4_SIZE, .flags = RTE_VFIO_USER_REGION_F_RW, .base = loop.memory[2],
		.fd = -1,
	};

	return rte_vfio_user_server_region_set(loop.srv, 4, &conf);
}

static int
alter_irqs(void)
{
	return rte_vfio_user_server_irq_set(loop.srv, VFIO_PCI_MSIX_IRQ_INDEX, NB_MSIX / 2,
			VFIO_IRQ_INFO_EVENTFD | VFIO_IRQ_INFO_NORESIZE);
}

static int
alter_irq_flags(void)
{
	return rte_vfio_user_server_irq_set(loop.srv, VFIO_PCI_MSIX_IRQ_INDEX, NB_MSIX,
			VFIO_IRQ_INFO_EVENTFD);
}

static int
check_other(int (*alter)(void))
{
	DO(start_then_lose());
	loop.by_hand = true;
	loop.alter = alter;
	DO(loop_start_server());
	POLL_UNTIL(told.nb == 2);
	TOLD(1, GAVE_UP, -ESTALE);
	loop_stop_client();
	loop_stop_server();
	memset(&told, 0, sizeof(told));
	loop.by_hand = false;
	loop.alter = NULL;
	return TEST_SUCCESS;
}

static int
check_setting(uint32_t *setting, uint32_t other)
{
	uint32_t was = *setting;

	DO(start_then_lose());
	*setting = other;
	loop.by_hand = true;
	DO(loop_start_server());
	POLL_UNTIL(told.nb == 2);
	TOLD(1, GAVE_UP, -ESTALE);
	loop_stop_client();
	loop_stop_server();
	memset(&told, 0, sizeof(told));
	loop.by_hand = false;
	*setting = was;
	return TEST_SUCCESS;
}

static int
test_other_shape(void)
{
	DO(check_other(alter_size));
	DO(check_other(alter_flags));
	DO(check_other(alter_areas));
	DO(check_other(alter_fewer_areas));
	DO(check_other(alter_irqs));
	DO(check_other(alter_irq_flags));
	DO(check_setting(&loop.server_conf.num_regions, 10));
	DO(check_setting(&loop.server_conf.num_irqs, 6));
	return TEST_SUCCESS;
}

static int
test_less_negotiated(void)
{
	DO(check_setting(&loop.server_conf.max_data_xfer_size, 4096));
	DO(check_setting(&loop.server_conf.max_msg_fds, 2));
	DO(check_setting(&loop.server_conf.max_dma_maps, 100));
	/* more is no harm, and what was negotiated stays */
	loop.server_conf.max_dma_maps = 100;
	DO(start_then_lose());
	loop.server_conf.max_dma_maps = 200;
	DO(come_back());
	return TEST_SUCCESS;
}

#define CASE(fn) TEST_CASE_ST(setup, loop_teardown, fn)

static struct unit_test_suite reconnect_suite = {
	.suite_name = "vfio-user client: reconnection",
	.unit_test_cases = {
		CASE(test_back),
		CASE(test_driven_by_calls),
		CASE(test_gives_up),
		CASE(test_conf),
		CASE(test_destroyed),
		CASE(test_many),
		CASE(test_bars),
		CASE(test_maps),
		CASE(test_irqs),
		CASE(test_masked),
		CASE(test_in_flight),
		CASE(test_retried),
		CASE(test_retry_gives_up),
		CASE(test_not_noticed),
		CASE(test_eal_events),
		CASE(test_other_shape),
		CASE(test_less_negotiated),
		TEST_CASES_END()
	},
};

static int
test_vfio_user_reconnect(void)
{
	return unit_test_suite_runner(&reconnect_suite);
}

REGISTER_TEST_COMMAND(vfio_user_reconnect_autotest, test_vfio_user_reconnect);
