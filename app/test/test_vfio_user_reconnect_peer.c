/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

/* Reconnection of the client to servers that do as a script says. */

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <rte_common.h>
#include <rte_errno.h>

#include "test.h"
#include "test_short.h"
#include "test_vfio_user_client.h"

#define IOVA 0x10000000u
#define SIZE 4096u
#define MS UINT64_C(1000000)

/* Servers at a path, one after the other; fake is the script of them all. */
static struct {
	char path[64];
	int fd;
	pthread_t thread;
	uint32_t nb; /* that were connected to, atomic */
	uint32_t told[3]; /* states, atomic */
	void (*on_back)(void);
} peers;

static void
on_state(struct rte_vfio_user_client *c, enum rte_vfio_user_client_state state,
	 int reason, void *priv)
{
	RTE_SET_USED(c);
	RTE_SET_USED(reason);
	RTE_SET_USED(priv);
	if (state == RTE_VFIO_USER_CLIENT_RECONNECTED && peers.on_back != NULL)
		peers.on_back();
	COUNT(peers.told[state]);
}

static void *
accept_all(void *arg)
{
	RTE_SET_USED(arg);
	while ((fake.fd = accept(peers.fd, NULL, NULL)) >= 0) {
		COUNT(peers.nb);
		fake_run(NULL);
		close(fake.fd);
	}
	return NULL;
}

static int
peers_setup(void)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };

	fake_setup();
	memset(&peers, 0, sizeof(peers));
	snprintf(peers.path, sizeof(peers.path), "/tmp/vfio_user_peer.%d", (int)getpid());
	strcpy(addr.sun_path, peers.path);
	unlink(peers.path);
	peers.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	TEST_ASSERT_SUCCESS(bind(peers.fd, (struct sockaddr *)&addr, sizeof(addr)), "bind");
	TEST_ASSERT_SUCCESS(listen(peers.fd, 8), "listen");
	TEST_ASSERT_SUCCESS(pthread_create(&peers.thread, NULL, accept_all, NULL), "thread");
	conf.sock_path = peers.path;
	conf.reconnect_timeout_ms = 30000;
	conf.state_cb = on_state;
	return TEST_SUCCESS;
}

static void
peers_teardown(void)
{
	rte_vfio_user_client_destroy(client);
	client = NULL;
	shutdown(peers.fd, SHUT_RDWR);
	pthread_join(peers.thread, NULL);
	close(peers.fd);
	unlink(peers.path);
}

static int
connect_first(void)
{
	client = rte_vfio_user_client_create(&conf);
	TEST_ASSERT_NOT_NULL(client, "create: %s", strerror(rte_errno));
	return TEST_SUCCESS;
}

/* Poll until a state was told that many times. */
static int
poll_until(enum rte_vfio_user_client_state state, uint32_t nb)
{
	uint32_t left = 10000;

	while (GET(peers.told[state]) < nb && left-- != 0) {
		rte_vfio_user_client_poll(client);
		usleep(1000);
	}
	TEST_ASSERT_EQUAL(GET(peers.told[state]), nb, "state %d", (int)state);
	TEST_ASSERT_EQUAL(GET(fake.failed), 0, "server's check in line %d", fake.failed);
	return TEST_SUCCESS;
}

static int
lose(void)
{
	vfio_user_client_lose(client);
	return poll_until(RTE_VFIO_USER_CLIENT_LOST, 1);
}

static int
come_back(void)
{
	return poll_until(RTE_VFIO_USER_CLIENT_RECONNECTED, 1);
}

/* --------------------------------------------------------- accesses of memory */

static uint8_t memory[SIZE] __rte_aligned(4096) = "of the client";

static const struct rte_vfio_user_dma_map map = {
	.iova = IOVA, .size = SIZE, .prot = PROT_READ | PROT_WRITE, .fd = -1, .vaddr = memory,
};

/* The server reads memory: the client's errno. */
static uint32_t
read_memory(uint64_t iova)
{
	static struct message reply;
	const struct header hdr = { .id = 77, .command = DMA_READ, .size = 32 };
	const uint64_t access[2] = { iova, 16 };

	if (!fake_send(fake.fd, &hdr, access, sizeof(access), -1) ||
	    !fake_receive(fake.fd, &reply))
		return ENOTCONN;
	CHECK(reply.hdr.command == DMA_READ);
	CHECK(reply.hdr.error != 0 || memcmp(reply.data + 16, memory, 16) == 0);
	return reply.hdr.error;
}

static bool
read_early(void)
{
	if (fake.msg.hdr.command == GET_INFO && GET(peers.nb) > 1)
		CHECK(read_memory(IOVA) == EFAULT && read_memory(IOVA + SIZE) == EFAULT);
	else if (fake.msg.hdr.command == RESET)
		CHECK(read_memory(IOVA) == 0 && read_memory(IOVA + SIZE) == 0);
	return false;
}

/* A server has no memory before it was found to be the same device. */
static int
test_read_early(void)
{
	struct rte_vfio_user_dma_map second = map;

	second.iova += SIZE;
	fake.hook = read_early;
	TEST_ASSERT_SUCCESS(connect_first(), "connect");
	TEST_ASSERT_SUCCESS(rte_vfio_user_client_dma_map(client, &map, 1), "map");
	TEST_ASSERT_SUCCESS(lose(), "lose");
	/* this one no server ever had */
	TEST_ASSERT_SUCCESS(rte_vfio_user_client_dma_map(client, &second, 1), "map");
	TEST_ASSERT_SUCCESS(come_back(), "back");
	TEST_ASSERT_SUCCESS(rte_vfio_user_client_reset(client), "reset");
	TEST_ASSERT_EQUAL(GET(fake.failed), 0, "server's check in line %d", fake.failed);
	return TEST_SUCCESS;
}

/* --------------------------------------------------------- the callback */

static int map_result;

/* Map while another thread waits for the reply to its DMA_UNMAP. */
static void
map_in_callback(void)
{
	struct rte_vfio_user_dma_map other = map;
	uint32_t left = 5000;

	other.iova += SIZE;
	while (pthread_rwlock_trywrlock(&client->ops_lock) == 0 && left-- != 0) {
		pthread_rwlock_unlock(&client->ops_lock);
		usleep(1000);
	}
	map_result = rte_vfio_user_client_dma_map(client, &other, 1);
}

static void *
unmap_all(void *arg)
{
	RTE_SET_USED(arg);
	while (GET(peers.nb) < 2 || GET(client->generation) == 0)
		usleep(100);
	return (void *)(intptr_t)rte_vfio_user_client_dma_unmap_all(client);
}

static int
test_map_in_callback(void)
{
	uint64_t start = vfio_user_now();
	pthread_t thread;
	void *ret;

	peers.on_back = map_in_callback;
	TEST_ASSERT_SUCCESS(connect_first(), "connect");
	TEST_ASSERT_SUCCESS(rte_vfio_user_client_dma_map(client, &map, 1), "map");
	TEST_ASSERT_SUCCESS(pthread_create(&thread, NULL, unmap_all, NULL), "thread");
	TEST_ASSERT_SUCCESS(lose(), "lose");
	TEST_ASSERT_SUCCESS(come_back(), "back");
	pthread_join(thread, &ret);
	TEST_ASSERT_NULL(ret, "unmap all");
	TEST_ASSERT_EQUAL(map_result, 0, "map");
	TEST_ASSERT(vfio_user_now() - start < 8000 * MS, "a request timeout");
	return TEST_SUCCESS;
}

/* ----------------------------------------------------- memory of the EAL */

static bool stop_polling; /* atomic */

static void *
poll_all_the_time(void *arg)
{
	RTE_SET_USED(arg);
	while (!GET(stop_polling)) {
		rte_vfio_user_client_poll(client);
		usleep(200);
	}
	return NULL;
}

/* Hold up who parts from the server until the next one is there. */
static void
wait_for_next(struct rte_vfio_user_client *c, ssize_t result, void *arg)
{
	uint32_t left = 2000;

	RTE_SET_USED(c);
	RTE_SET_USED(arg);
	while (result == -ENOTCONN && left-- != 0 &&
	       GET(peers.told[RTE_VFIO_USER_CLIENT_RECONNECTED]) == 0)
		usleep(1000);
}

/* No server answers to DMA_UNMAP; the first one neither to a read. */
static bool
never_unmap(void)
{
	static uint8_t buf[8];

	if (fake.msg.hdr.command != DMA_UNMAP)
		return fake.msg.hdr.command == REGION_READ;
	if (GET(peers.nb) == 1) {
		usleep(300000); /* it must not time out before DMA_UNMAP does */
		CHECK(rte_vfio_user_client_region_read_async(client, 0, 0, buf, sizeof(buf),
				wait_for_next, NULL) == 0);
	}
	return true;
}

static int
look_up(const void *addr, struct vfio_user_client_eal_run *seg)
{
	seg->addr = (uintptr_t)addr;
	seg->len = SIZE;
	seg->fd = -1;
	return 0;
}

/* Memory that was freed is given to no server, however fast it comes. */
static int
test_eal_gone(void)
{
	pthread_t thread;
	int left;

	conf.request_timeout_ms = 1000;
	fake.hook = never_unmap;
	TEST_ASSERT_SUCCESS(connect_first(), "connect");
	client->eal.lookup = look_up;
	client->eal.mapped = true;
	vfio_user_client_eal_event(client, RTE_MEM_EVENT_ALLOC, memory, SIZE);
	__atomic_store_n(&stop_polling, false, __ATOMIC_RELEASE);
	TEST_ASSERT_SUCCESS(pthread_create(&thread, NULL, poll_all_the_time, NULL), "thread");
	vfio_user_client_eal_event(client, RTE_MEM_EVENT_FREE, memory, SIZE);
	pthread_rwlock_rdlock(&client->maps.lock);
	left = (int)vfio_user_iova_count(client->maps.ranges);
	pthread_rwlock_unlock(&client->maps.lock);
	__atomic_store_n(&stop_polling, true, __ATOMIC_RELEASE);
	pthread_join(thread, NULL);
	TEST_ASSERT_EQUAL(left, 0, "still in the table");
	TEST_ASSERT_SUCCESS(come_back(), "back");
	fake_pause();
	left = (int)fake.nb_maps;
	fake_resume();
	TEST_ASSERT_EQUAL(left, 1, "mapped again");
	return TEST_SUCCESS;
}

/* ------------------------------------------------------------ life cycle */

/* Each query is answered in time. */
static bool
answer_slowly(void)
{
	struct vfio_device_info info = { .argsz = VFIO_USER_DEVICE_INFO_SIZE, .num_irqs = 1000 };

	if (fake.msg.hdr.command == IRQ_INFO)
		usleep(10000);
	if (fake.msg.hdr.command != GET_INFO)
		return false;
	fake_reply(&fake.msg.hdr, 0, &info, VFIO_USER_DEVICE_INFO_SIZE, -1);
	return true;
}

/* The description of the device takes no longer than one request. */
static int
test_slow_create(void)
{
	uint64_t start = vfio_user_now();

	conf.request_timeout_ms = 200;
	fake.hook = answer_slowly;
	client = rte_vfio_user_client_create(&conf);
	TEST_ASSERT(client == NULL && rte_errno == ETIMEDOUT, "create: %s", strerror(rte_errno));
	TEST_ASSERT(vfio_user_now() - start < 5000 * MS, "10 s of queries");
	return TEST_SUCCESS;
}

#define CASE(fn) TEST_CASE_ST(peers_setup, peers_teardown, fn)

static struct unit_test_suite peer_suite = {
	.suite_name = "vfio-user client: reconnection to scripted servers",
	.unit_test_cases = {
		CASE(test_read_early),
		CASE(test_map_in_callback),
		CASE(test_eal_gone),
		CASE(test_slow_create),
		TEST_CASES_END()
	},
};

static int
test_vfio_user_reconnect_peer(void)
{
	return unit_test_suite_runner(&peer_suite);
}

REGISTER_TEST_COMMAND(vfio_user_reconnect_peer_autotest, test_vfio_user_reconnect_peer);
