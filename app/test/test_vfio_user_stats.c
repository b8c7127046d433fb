/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

/* Counters: exact numbers for known exchanges, on both sides. */

#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <rte_common.h>
#include <rte_errno.h>
#include <rte_vfio_user_stats.h>

#include "test.h"
#include "test_vfio_user_fds.h"
#include "test_vfio_user_loopback.h"
#include "vfio_user_proto.h"

#define MSIX VFIO_PCI_MSIX_IRQ_INDEX
#define INTX VFIO_PCI_INTX_IRQ_INDEX
#define HDR sizeof(struct vfio_user_hdr)
#define ACCESS sizeof(struct vfio_user_region_access)
#define IOVA 0x40000000u

static struct rte_vfio_user_stats server, client;

/* Read both; a client's requests are answered when it returns. */
static int
look(void)
{
	DO(rte_vfio_user_server_stats_get(loop.srv, &server));
	DO(rte_vfio_user_client_stats_get(loop.client, &client));
	return TEST_SUCCESS;
}

/* A command, as counted by the sender of its requests. */
#define CHECK_COMMAND(cmd, nb_requests, nb_replies, nb_errors, sent, received) do { \
	const struct rte_vfio_user_command_stats *tx = &client.out.commands[cmd]; \
	const struct rte_vfio_user_command_stats *rx = &client.in.commands[cmd]; \
	TEST_ASSERT(tx->requests == (nb_requests) && tx->replies == 0 && tx->errors == 0 && \
		    tx->bytes == (sent), #cmd ": sent %d requests, %d bytes", \
		    (int)tx->requests, (int)tx->bytes); \
	TEST_ASSERT(rx->requests == 0 && rx->replies == (nb_replies) && \
		    rx->errors == (nb_errors) && rx->bytes == (received), \
		    #cmd ": received %d replies, %d errors, %d bytes", (int)rx->replies, \
		    (int)rx->errors, (int)rx->bytes); \
} while (0)

/* What one side sent the other has received. */
static int
check_symmetry(void)
{
	TEST_ASSERT_SUCCESS(memcmp(&server.in, &client.out, sizeof(server.in)), "to server");
	TEST_ASSERT_SUCCESS(memcmp(&server.out, &client.in, sizeof(server.out)), "to client");
	return TEST_SUCCESS;
}

/* -------------------------------------------------------------------- messages */

static int
test_messages(void)
{
	struct vfio_device_info info;
	uint8_t buf[100] = { 0 };
	uint32_t i;

	DO(loop_start());
	for (i = 0; i < 3; i++)
		DO(rte_vfio_user_client_device_info(loop.client, &info));
	for (i = 0; i < 5; i++)
		DO(loop_read(0, 8 * i, buf, 8));
	DO(loop_write(0, 0, buf, sizeof(buf)));
	TEST_ASSERT_EQUAL(loop_read(0, BAR0_SIZE, buf, 4), -EINVAL, "behind the end");
	TEST_ASSERT_EQUAL(loop_write(VFIO_PCI_CONFIG_REGION_INDEX, 0, buf, 4), -EINVAL,
			  "read-only");
	DO(rte_vfio_user_client_reset(loop.client));
	DO(look());
	CHECK_COMMAND(VFIO_USER_DEVICE_GET_INFO, 3, 3, 0,
		      3 * (HDR + VFIO_USER_DEVICE_INFO_SIZE),
		      3 * (HDR + VFIO_USER_DEVICE_INFO_SIZE));
	CHECK_COMMAND(VFIO_USER_REGION_READ, 6, 6, 1, 6 * (HDR + ACCESS),
		      5 * (HDR + ACCESS + 8) + HDR);
	CHECK_COMMAND(VFIO_USER_REGION_WRITE, 2, 2, 1, 2 * (HDR + ACCESS) + 104,
		      HDR + ACCESS + HDR);
	CHECK_COMMAND(VFIO_USER_DEVICE_RESET, 1, 1, 0, HDR, HDR);
	TEST_ASSERT(client.out.commands[VFIO_USER_VERSION].requests == 1 &&
		    client.in.commands[VFIO_USER_VERSION].replies == 1, "VERSION");
	TEST_ASSERT(client.out.messages == 13 && client.in.messages == 13, "totals");
	TEST_ASSERT(client.in.errors[EINVAL] == 2 && client.out.errors[EINVAL] == 0, "errno");
	/* the twin socket came with the reply to VERSION */
	TEST_ASSERT(client.in.fds == 1 && client.out.fds == 0, "fds");
	TEST_ASSERT(server.connections == 1 && client.connections == 1 &&
		    server.disconnections == 0 && server.refused == 0 && client.reconnects == 0 &&
		    server.violations == 0 && client.violations == 0 && server.timeouts == 0 &&
		    client.timeouts == 0 && server.parked == 0 && server.queued == 0, "life");
	return check_symmetry();
}

/* Requests without a reply, one of them refused. */
static int
test_posted(void)
{
	const uint32_t val = 1;

	DO(loop_start());
	DO(rte_vfio_user_client_region_write_posted(loop.client, 0, 0, &val, 4));
	DO(rte_vfio_user_client_region_write_posted(loop.client, 0, BAR0_SIZE, &val, 4));
	DO(loop_read(0, 0, &(uint32_t){ 0 }, 4)); /* takes them along */
	DO(look());
	CHECK_COMMAND(VFIO_USER_REGION_WRITE, 2, 0, 0, 2 * (HDR + ACCESS + 4), 0);
	TEST_ASSERT(server.out.commands[VFIO_USER_REGION_WRITE].errors == 1 &&
		    server.out.commands[VFIO_USER_REGION_WRITE].replies == 0 &&
		    server.out.errors[EINVAL] == 1, "refused in silence");
	return TEST_SUCCESS;
}

/* Requests of the server, on its own socket. */
static int
server_reads(void *arg)
{
	uint64_t val;
	const struct rte_vfio_user_dma_sg sg = { .iova = IOVA, .len = 8, .buf = &val };

	RTE_SET_USED(arg);
	return rte_vfio_user_server_dma_readv(loop.srv, &sg, 1);
}

static int
test_dma(void)
{
	static uint8_t memory[4 * PAGE];
	struct rte_vfio_user_dma_map map[2] = {
		{ .iova = IOVA, .size = PAGE, .vaddr = memory, .fd = -1,
		  .prot = PROT_READ | PROT_WRITE },
		{ .iova = IOVA + 2 * PAGE, .size = 2 * PAGE, .vaddr = memory, .fd = loop.file[0],
		  .prot = PROT_READ | PROT_WRITE },
	};
	const struct rte_vfio_user_dma_range range = { .iova = IOVA, .size = PAGE };

	DO(loop_start());
	DO(rte_vfio_user_client_dma_map(loop.client, map, 2));
	DO(look());
	TEST_ASSERT(server.dma_maps == 2 && server.dma_bytes == 3 * PAGE &&
		    server.dma_mapped == 2 && server.dma_unmapped == 0, "mapped");
	TEST_ASSERT_SUCCESS(memcmp(&server.dma_maps, &client.dma_maps, 4 * 8), "the same");
	TEST_ASSERT_EQUAL(client.out.fds, 1, "fds");
	DO(loop_run(server_reads, NULL));
	DO(look());
	TEST_ASSERT(server.out.commands[VFIO_USER_DMA_READ].requests == 1 &&
		    server.in.commands[VFIO_USER_DMA_READ].replies == 1 &&
		    server.in.commands[VFIO_USER_DMA_READ].bytes == HDR + 16 + 8, "DMA_READ");
	DO(check_symmetry());
	DO(rte_vfio_user_client_dma_unmap(loop.client, &range, 1));
	DO(look());
	TEST_ASSERT(server.dma_maps == 1 && server.dma_bytes == 2 * PAGE &&
		    server.dma_mapped == 2 && server.dma_unmapped == 1, "one unmapped");
	TEST_ASSERT_SUCCESS(memcmp(&server.dma_maps, &client.dma_maps, 4 * 8), "the same");
	DO(rte_vfio_user_client_dma_map(loop.client, map, 1));
	DO(rte_vfio_user_client_dma_unmap_all(loop.client));
	DO(look());
	TEST_ASSERT(server.dma_maps == 0 && server.dma_bytes == 0 &&
		    server.dma_mapped == 3 && server.dma_unmapped == 3, "all unmapped");
	TEST_ASSERT_SUCCESS(memcmp(&server.dma_maps, &client.dma_maps, 4 * 8), "the same");
	return check_symmetry();
}

/* ----------------------------------------------------------------- interrupts */

static int
test_irqs(void)
{
	int efd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	uint32_t i;

	DO(loop_start());
	DO(rte_vfio_user_client_irq_assign(loop.client, MSIX, 3, 1, &efd));
	DO(rte_vfio_user_client_irq_assign(loop.client, INTX, 0, 1, &efd));
	for (i = 0; i < 10; i++)
		DO(rte_vfio_user_server_irq_trigger(loop.srv, MSIX, 3));
	for (i = 0; i < 3; i++)
		TEST_ASSERT_EQUAL(rte_vfio_user_server_irq_trigger(loop.srv, MSIX, 4), -ENOENT,
				  "no eventfd");
	/* the first one masks */
	for (i = 0; i < 3; i++)
		DO(rte_vfio_user_server_irq_trigger(loop.srv, INTX, 0));
	DO(look());
	TEST_ASSERT(server.irqs_delivered == 11 && server.irqs_held == 2 &&
		    server.irqs_unassigned == 3, "%d, %d, %d", (int)server.irqs_delivered,
		    (int)server.irqs_held, (int)server.irqs_unassigned);
	/* those held back come as one */
	DO(rte_vfio_user_client_irq_unmask(loop.client, INTX, 0));
	DO(look());
	TEST_ASSERT(server.irqs_delivered == 12 && server.irqs_held == 2, "unmasked");
	TEST_ASSERT(client.irqs_delivered == 0, "a client sees none");
	close(efd);
	return TEST_SUCCESS;
}

/* ----------------------------------------------------------------- connections */

static int
connect_raw(void)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strcpy(addr.sun_path, loop.server_conf.sock_path);
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

static bool
counted(const uint64_t *counter, uint64_t value)
{
	return rte_vfio_user_server_stats_get(loop.srv, &server) == 0 && *counter == value;
}

static int
test_connections(void)
{
	struct rte_vfio_user_client *first;
	struct vfio_user_hdr hdr = { .command = VFIO_USER_VERSION, .msg_size = 3 };
	int fd;

	loop.server_conf.msg_timeout_ms = 300;
	DO(loop_start());
	first = loop.client;
	TEST_ASSERT_EQUAL(loop_start_client(), -EBUSY, "a second one");
	loop.client = first;
	DO(look());
	TEST_ASSERT(server.refused == 1 && server.connections == 1 &&
		    server.in.commands[VFIO_USER_VERSION].requests == 1, "refused");
	loop_stop_client();
	WAIT_FOR(counted(&server.disconnections, 1));

	/* a header that cannot be, of a client that has not negotiated */
	fd = connect_raw();
	TEST_ASSERT_EQUAL(write(fd, &hdr, sizeof(hdr)), (ssize_t)sizeof(hdr), "write");
	WAIT_FOR(counted(&server.violations, 1));
	close(fd);
	/* VERSION without a version */
	fd = connect_raw();
	hdr.msg_size = sizeof(hdr);
	TEST_ASSERT_EQUAL(write(fd, &hdr, sizeof(hdr)), (ssize_t)sizeof(hdr), "write");
	WAIT_FOR(counted(&server.refused, 2));
	close(fd);
	/* one that says nothing */
	fd = connect_raw();
	WAIT_FOR(counted(&server.peer_timeouts, 1));
	close(fd);
	TEST_ASSERT(server.connections == 1 && server.disconnections == 1, "no more");
	DO(loop_start_client());
	WAIT_FOR(counted(&server.connections, 2));
	return TEST_SUCCESS;
}

/* The device does not answer; its late reply is not waited for. */
static int
test_timeout(void)
{
	DO(loop_start_server());
	loop.client_conf.request_timeout_ms = 500;
	DO(loop_start_client());
	DO(rte_vfio_user_runner_remove(loop.runner, loop.srv));
	TEST_ASSERT_EQUAL(loop_read(0, 0, &(uint32_t){ 0 }, 4), -ETIMEDOUT, "no answer");
	DO(rte_vfio_user_runner_add(loop.runner, loop.srv));
	WAIT_FOR(rte_vfio_user_client_poll(loop.client) >= 0 &&
		 rte_vfio_user_client_stats_get(loop.client, &client) == 0 &&
		 client.violations == 1);
	TEST_ASSERT(client.timeouts == 1 &&
		    client.in.commands[VFIO_USER_REGION_READ].replies == 1, "timeout");
	return TEST_SUCCESS;
}

/* ------------------------------------------------------------ what has waited */

static uint64_t token; /* of the access that waits; atomic */

static ssize_t
hold_hook(const struct rte_vfio_user_region_access *acc)
{
	SET(token, acc->token);
	return RTE_VFIO_USER_PENDING;
}

static void
note_done(struct rte_vfio_user_client *c, ssize_t result, void *arg)
{
	RTE_SET_USED(c);
	if (result == 4)
		++*(uint32_t *)arg;
}

/* One request is parked, two wait behind it. */
static int
test_parked(void)
{
	uint32_t val, nb_done = 0, region;

	SET(token, 0);
	loop.hook = hold_hook;
	DO(loop_start());
	for (region = 0; region < 2; region++)
		DO(rte_vfio_user_client_region_read_async(loop.client, region, 0, &val, 4,
							  note_done, &nb_done));
	DO(rte_vfio_user_client_region_read_async(loop.client, 1, 0, &val, 4, note_done,
						  &nb_done));
	WAIT_FOR(counted(&server.queued, 2));
	TEST_ASSERT(GET(token) != 0 && server.parked == 1, "parked");
	DO(rte_vfio_user_server_region_complete(loop.srv, GET(token), 4, &val));
	WAIT_FOR(rte_vfio_user_client_poll(loop.client) >= 0 && nb_done == 3);
	DO(look());
	TEST_ASSERT(server.parked == 1 && server.queued == 2, "counted once");
	return check_symmetry();
}

/* Posted writes that did not leave, and a read that waits for the next server. */
static int
test_reconnection(void)
{
	uint32_t val = 0, nb_done = 0, i;

	loop.client_conf.reconnect_timeout_ms = 30000;
	loop.client_conf.flags = RTE_VFIO_USER_CLIENT_F_RETRY_READS;
	DO(loop_start());
	for (i = 0; i < 3; i++)
		DO(rte_vfio_user_client_region_write_posted(loop.client, 0, 0, &val, 4));
	loop_stop_server();
	WAIT_FOR(rte_vfio_user_client_poll(loop.client) >= 0 &&
		 rte_vfio_user_client_stats_get(loop.client, &client) == 0 &&
		 client.disconnections == 1);
	TEST_ASSERT(client.lost_writes == 3 && client.reconnects == 0, "lost");
	DO(rte_vfio_user_client_region_read_async(loop.client, 0, 0, &val, 4, note_done,
						  &nb_done));
	DO(loop_start_server());
	WAIT_FOR(rte_vfio_user_client_poll(loop.client) >= 0 && nb_done == 1);
	DO(look());
	TEST_ASSERT(client.connections == 2 && client.reconnects == 1 &&
		    client.lost_writes == 3 && client.parked == 1 &&
		    server.connections == 1, "back");
	return TEST_SUCCESS;
}

/* ---------------------------------------------------------------- any thread */

static bool stop;

static void *
keep_looking(void *arg)
{
	struct rte_vfio_user_stats srv, cl;
	uint64_t seen = 0;

	RTE_SET_USED(arg);
	while (!GET(stop)) {
		if (rte_vfio_user_server_stats_get(loop.srv, &srv) < 0 ||
		    rte_vfio_user_client_stats_get(loop.client, &cl) < 0 ||
		    srv.in.messages < seen)
			return arg;
		seen = srv.in.messages;
	}
	return NULL;
}

static int
test_any_thread(void)
{
	pthread_t thread;
	void *failed;
	uint32_t i;

	DO(loop_start());
	SET(stop, false);
	DO(pthread_create(&thread, NULL, keep_looking, &loop));
	for (i = 0; i < 500; i++) {
		DO(loop_read(0, 0, &(uint32_t){ 0 }, 4));
		rte_vfio_user_server_irq_trigger(loop.srv, MSIX, 0);
	}
	SET(stop, true);
	pthread_join(thread, &failed);
	TEST_ASSERT_NULL(failed, "went back or failed");
	DO(look());
	TEST_ASSERT(server.in.commands[VFIO_USER_REGION_READ].requests == 500 &&
		    server.irqs_unassigned == 500, "lost some");
	return TEST_SUCCESS;
}

static int
test_misuse(void)
{
	DO(loop_start());
	TEST_ASSERT(rte_vfio_user_server_stats_get(NULL, &server) == -EINVAL &&
		    rte_vfio_user_server_stats_get(loop.srv, NULL) == -EINVAL &&
		    rte_vfio_user_client_stats_get(NULL, &client) == -EINVAL &&
		    rte_vfio_user_client_stats_get(loop.client, NULL) == -EINVAL, "NULL");
	TEST_ASSERT_SUCCESS(strcmp(rte_vfio_user_stats_command_name(VFIO_USER_DMA_MAP),
				   "DMA_MAP"), "name");
	TEST_ASSERT(rte_vfio_user_stats_command_name(0) == NULL &&
		    rte_vfio_user_stats_command_name(VFIO_USER_COMMAND_MAX) == NULL &&
		    rte_vfio_user_stats_command_name(UINT32_MAX) == NULL, "no command");
	return TEST_SUCCESS;
}

#define CASE(fn) TEST_CASE_ST(loop_setup, loop_teardown, fn)

static struct unit_test_suite stats_suite = {
	.suite_name = "vfio-user counters",
	.unit_test_cases = {
		CASE(test_messages),
		CASE(test_posted),
		CASE(test_dma),
		CASE(test_irqs),
		CASE(test_connections),
		CASE(test_timeout),
		CASE(test_parked),
		CASE(test_reconnection),
		CASE(test_any_thread),
		CASE(test_misuse),
		TEST_CASES_END()
	},
};

static int
test_vfio_user_stats(void)
{
	return unit_test_suite_runner(&stats_suite);
}

REGISTER_TEST_COMMAND(vfio_user_stats_autotest, test_vfio_user_stats);
