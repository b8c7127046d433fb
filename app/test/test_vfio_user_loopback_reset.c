/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

/* Resets that a device asks for from a callback (function level reset). */

#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/vfio.h>

#include <rte_common.h>

#include "test.h"
#include "test_vfio_user_loopback.h"

#define TRIGGER 0x10 /* a write there asks for a reset */
#define PARKING 0x20 /* the same, with the access completed later */

static uint64_t token; /* of the access at PARKING; atomic */
static uint32_t resets_at_access; /* how many there were when BAR0 was accessed last */
static int requested; /* what the request returned */

static ssize_t
on_access(const struct rte_vfio_user_region_access *acc)
{
	SET(resets_at_access, GET(loop.resets));
	if (acc->is_write && (acc->offset == TRIGGER || acc->offset == PARKING))
		requested = rte_vfio_user_server_reset_request(loop.srv,
				RTE_VFIO_USER_RESET_PCI_FLR);
	if (acc->is_write && acc->offset == PARKING) {
		SET(token, acc->token);
		return RTE_VFIO_USER_PENDING;
	}
	return loop_store(acc);
}

static int
setup(void)
{
	DO(loop_setup());
	loop.hook = on_access;
	token = 0;
	requested = 1;
	return TEST_SUCCESS;
}

static int
quiesce_never(void)
{
	return RTE_VFIO_USER_PENDING;
}

static int
quiesce_fails(void)
{
	return -EIO;
}

static int
test_arguments(void)
{
	loop.by_hand = true;
	DO(loop_start_server());
	TEST_ASSERT_EQUAL(rte_vfio_user_server_reset_request(NULL, RTE_VFIO_USER_RESET_DEVICE),
			  -EINVAL, "no device");
	TEST_ASSERT_EQUAL(rte_vfio_user_server_reset_request(loop.srv,
			  RTE_VFIO_USER_RESET_LOST_CONN), -EINVAL, "reason");
	TEST_ASSERT_EQUAL(rte_vfio_user_server_reset_request(loop.srv,
			  (enum rte_vfio_user_reset)77), -EINVAL, "no reason");
	TEST_ASSERT_EQUAL(rte_vfio_user_server_reset_request(loop.srv,
			  RTE_VFIO_USER_RESET_PCI_FLR), -ENOTCONN, "no client");
	return TEST_SUCCESS;
}

/* The data path is stopped, the model reset; mappings and interrupts stay. */
static int
test_cycle(void)
{
	struct rte_vfio_user_dma_map map = {
		.iova = 0x1000, .size = PAGE, .prot = PROT_READ, .fd = -1,
	};
	int irq = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	uint32_t val = 1;
	int state;

	DO(loop_start());
	DO(rte_vfio_user_client_dma_map(loop.client, &map, 1));
	DO(rte_vfio_user_client_irq_assign(loop.client, VFIO_PCI_MSIX_IRQ_INDEX, 0, 1, &irq));
	close(irq);
	SET(loop.quiesced, 0);
	SET(loop.resumed, 0);
	DO(loop_write(0, TRIGGER, &val, 4));
	DO(loop_read(0, 0, &val, 4));
	TEST_ASSERT_EQUAL(GET(resets_at_access), 1u, "the read came before the reset");
	TEST_ASSERT(requested == 0 && GET(loop.resets) == 1 && GET(loop.lost) == 0, "resets");
	TEST_ASSERT(GET(loop.quiesced) == 1 && GET(loop.resumed) == 1, "quiesced %u, resumed %u",
		    loop.quiesced, loop.resumed);
	TEST_ASSERT_EQUAL(GET(loop.unmapped), 0u, "unmapped");
	state = rte_vfio_user_server_irq_state(loop.srv, VFIO_PCI_MSIX_IRQ_INDEX, 0);
	TEST_ASSERT(state & RTE_VFIO_USER_IRQ_ENABLED, "interrupt gone");
	/* an error of the callback concerns nobody */
	loop.reset_result = -ENXIO;
	DO(loop_write(0, TRIGGER, &val, 4));
	DO(loop_read(0, 0, &val, 4));
	TEST_ASSERT(GET(loop.resets) == 2 && GET(loop.resumed) == 2, "the second one");
	return TEST_SUCCESS;
}

static void *
read_bar0(void *arg)
{
	uint32_t val;

	*(int *)arg = loop_read(0, 0, &val, 4);
	return NULL;
}

/* The write is answered at once, what follows it waits for the data path. */
static int
test_quiesce_pending(void)
{
	uint32_t val = 1;
	pthread_t thread;
	int ret = 1;

	DO(loop_start());
	loop.quiesce = quiesce_never;
	DO(loop_write(0, TRIGGER, &val, 4));
	WAIT_FOR(GET(loop.quiesced) == 1);
	TEST_ASSERT(GET(loop.resets) == 0 && GET(loop.resumed) == 0, "did not wait");
	DO(pthread_create(&thread, NULL, read_bar0, &ret));
	usleep(20000);
	DO(rte_vfio_user_server_quiesce_complete(loop.srv, 0));
	pthread_join(thread, NULL);
	TEST_ASSERT_SUCCESS(ret, "read");
	TEST_ASSERT_EQUAL(GET(resets_at_access), 1u, "the read came before the reset");
	TEST_ASSERT(GET(loop.resets) == 1 && GET(loop.resumed) == 1, "calls");
	TEST_ASSERT_EQUAL(rte_vfio_user_server_quiesce_complete(loop.srv, 0), -ESTALE, "again");
	return TEST_SUCCESS;
}

static int
test_quiesce_fails(void)
{
	uint32_t val = 1;

	DO(loop_start());
	loop.quiesce = quiesce_fails;
	DO(loop_write(0, TRIGGER, &val, 4));
	DO(loop_read(0, 0, &val, 4));
	loop.quiesce = quiesce_never;
	DO(loop_write(0, TRIGGER, &val, 4));
	WAIT_FOR(GET(loop.quiesced) == 2);
	DO(rte_vfio_user_server_quiesce_complete(loop.srv, -EIO));
	DO(loop_read(0, 0, &val, 4));
	TEST_ASSERT(GET(loop.resets) == 0 && GET(loop.resumed) == 0, "reset all the same");
	return TEST_SUCCESS;
}

static int
test_client_leaves(void)
{
	uint32_t val = 1;

	loop.client_conf.connect_timeout_ms = 5000;
	DO(loop_start());
	loop.quiesce = quiesce_never;
	DO(loop_write(0, TRIGGER, &val, 4));
	WAIT_FOR(GET(loop.quiesced) == 1);
	loop_stop_client();
	WAIT_FOR(GET(loop.lost) == 1 && GET(loop.resumed) == 1);
	TEST_ASSERT_EQUAL(rte_vfio_user_server_quiesce_complete(loop.srv, 0), -ESTALE, "gone");
	loop.quiesce = NULL;
	DO(loop_start_client());
	DO(loop_read(0, 0, &val, 4));
	TEST_ASSERT_EQUAL(GET(loop.resets), 0u, "the next client's device was reset");
	return TEST_SUCCESS;
}

static int
ask_when_lost(struct rte_vfio_user_server *srv, enum rte_vfio_user_reset reason, void *priv)
{
	RTE_SET_USED(priv);
	if (reason != RTE_VFIO_USER_RESET_LOST_CONN) {
		COUNT(loop.resets);
		return 0;
	}
	requested = rte_vfio_user_server_reset_request(srv, RTE_VFIO_USER_RESET_DEVICE);
	COUNT(loop.lost);
	return 0;
}

static int
set_ask_when_lost(void)
{
	const struct rte_vfio_user_server_ops ops = { .reset = ask_when_lost };

	return rte_vfio_user_server_ops_set(loop.srv, &ops, NULL);
}

/* What is asked for while the client goes does not become the next one's. */
static int
test_asked_when_lost(void)
{
	uint32_t val;

	loop.client_conf.connect_timeout_ms = 5000;
	loop.alter = set_ask_when_lost;
	DO(loop_start());
	loop_stop_client();
	WAIT_FOR(GET(loop.lost) == 1);
	TEST_ASSERT_EQUAL(requested, -ENOTCONN, "asked when the client is gone: %d", requested);
	DO(loop_start_client());
	DO(loop_read(1, 0, &val, 4));
	TEST_ASSERT_EQUAL(GET(loop.resets), 0u, "reset without a client that asked");
	return TEST_SUCCESS;
}

static void *
write_parking(void *arg)
{
	uint32_t val = 1;

	*(int *)arg = loop_write(0, PARKING, &val, 4);
	return NULL;
}

/* The access that asked is completed later: the reset follows it. */
static int
test_access_pending(void)
{
	pthread_t thread;
	uint32_t val;
	int ret = 1;

	DO(loop_start());
	SET(loop.quiesced, 0);
	DO(pthread_create(&thread, NULL, write_parking, &ret));
	WAIT_FOR(GET(token) != 0);
	TEST_ASSERT_EQUAL(GET(loop.quiesced), 0u, "before the access was over");
	DO(rte_vfio_user_server_region_complete(loop.srv, GET(token), 4, NULL));
	pthread_join(thread, NULL);
	TEST_ASSERT_SUCCESS(ret, "write");
	DO(loop_read(0, 0, &val, 4));
	TEST_ASSERT(GET(resets_at_access) == 1 && GET(loop.resets) == 1, "resets");
	return TEST_SUCCESS;
}

/* Of several writes in one message all are carried out before. */
static int
test_write_multi(void)
{
	struct rte_vfio_user_write writes[3] = {
		{ .offset = 0x40, .len = 4 }, { .offset = TRIGGER, .len = 4 },
		{ .offset = 0x44, .len = 4 },
	};

	DO(loop_start());
	TEST_ASSERT(rte_vfio_user_client_region_write_multi(loop.client, writes, 3) >= 0, "multi");
	WAIT_FOR(GET(loop.resets) == 1);
	TEST_ASSERT_EQUAL(GET(resets_at_access), 0u, "in the middle of a message");
	return TEST_SUCCESS;
}

static bool
poll_until_reset(void)
{
	rte_vfio_user_server_poll(loop.srv);
	return loop.resets == 1;
}

static int
request_reset(void *arg)
{
	RTE_SET_USED(arg);
	return rte_vfio_user_server_reset_request(loop.srv, RTE_VFIO_USER_RESET_DEVICE);
}

/* Between two polls, without a message. */
static int
test_outside(void)
{
	DO(loop_start());
	rte_vfio_user_runner_remove(loop.runner, loop.srv);
	DO(request_reset(NULL));
	TEST_ASSERT_EQUAL(GET(loop.resets), 0u, "inside the request");
	WAIT_FOR(poll_until_reset());
	DO(rte_vfio_user_runner_add(loop.runner, loop.srv));
	return TEST_SUCCESS;
}

static struct unit_test_suite reset_suite = {
	.suite_name = "vfio-user loopback: resets that the device asks for",
	.unit_test_cases = {
		TEST_CASE_ST(setup, loop_teardown, test_arguments),
		TEST_CASE_ST(setup, loop_teardown, test_cycle),
		TEST_CASE_ST(setup, loop_teardown, test_quiesce_pending),
		TEST_CASE_ST(setup, loop_teardown, test_quiesce_fails),
		TEST_CASE_ST(setup, loop_teardown, test_client_leaves),
		TEST_CASE_ST(setup, loop_teardown, test_asked_when_lost),
		TEST_CASE_ST(setup, loop_teardown, test_access_pending),
		TEST_CASE_ST(setup, loop_teardown, test_write_multi),
		TEST_CASE_ST(setup, loop_teardown, test_outside),
		TEST_CASES_END()
	},
};

static int
test_vfio_user_loopback_reset(void)
{
	return unit_test_suite_runner(&reset_suite);
}

REGISTER_TEST_COMMAND(vfio_user_loopback_reset_autotest, test_vfio_user_loopback_reset);
