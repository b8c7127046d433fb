/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

/* A DMA access that is preempted while its client leaves. */

#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <rte_common.h>

#include "test.h"
#include "test_vfio_user_loopback.h"
#include "vfio_user_dma.h"

#define IOVA UINT64_C(0x100000)

/* atomic; where the linker directs vfio_user_dma_access() to, it waits */
static bool armed, inside, go_on;

int __real_vfio_user_dma_access(struct vfio_user_dma *dma, bool is_write, uint64_t iova,
				void *buf, uint64_t len, struct vfio_user_dma_piece *piece);
int __wrap_vfio_user_dma_access(struct vfio_user_dma *dma, bool is_write, uint64_t iova,
				void *buf, uint64_t len, struct vfio_user_dma_piece *piece);

int
__wrap_vfio_user_dma_access(struct vfio_user_dma *dma, bool is_write, uint64_t iova,
			    void *buf, uint64_t len, struct vfio_user_dma_piece *piece)
{
	if (__atomic_exchange_n(&armed, false, __ATOMIC_ACQ_REL)) {
		SET(inside, true);
		while (!GET(go_on))
			usleep(100);
	}
	return __real_vfio_user_dma_access(dma, is_write, iova, buf, len, piece);
}

static int
setup(void)
{
	armed = inside = go_on = false;
	return loop_setup();
}

/* Clients: the same address, of a file of its own. */
static int
map_memory(uint32_t file)
{
	const struct rte_vfio_user_dma_map map = {
		.iova = IOVA, .size = PAGE, .prot = PROT_READ | PROT_WRITE,
		.fd = loop.file[file],
	};

	return rte_vfio_user_client_dma_map(loop.client, &map, 1);
}

struct access {
	bool is_write;
	char data[16];
	int result;
};

static void *
run_access(void *arg)
{
	struct access *acc = arg;

	acc->result = acc->is_write ?
		rte_vfio_user_server_dma_write(loop.srv, IOVA, acc->data, sizeof(acc->data)) :
		rte_vfio_user_server_dma_read(loop.srv, IOVA, acc->data, sizeof(acc->data));
	return NULL;
}

static int
access_one_too_late(bool is_write)
{
	struct access acc = { .is_write = is_write, .data = "of the first" };
	pthread_t thread;
	int ret;

	DO(loop_start());
	DO(map_memory(0));
	strcpy((char *)loop.memory[1], "of the second");
	SET(armed, true);
	DO(pthread_create(&thread, NULL, run_access, &acc));
	WAIT_FOR(GET(inside));
	loop_stop_client();
	/* the next one cannot have the device; if it has, the access is for it */
	loop.client_conf.request_timeout_ms = 100;
	ret = loop_start_client();
	if (ret == 0)
		ret = map_memory(1);
	SET(go_on, true);
	pthread_join(thread, NULL);
	TEST_ASSERT(strcmp((char *)loop.memory[1], "of the second") == 0, "written");
	TEST_ASSERT(strcmp(acc.data, "of the first") == 0 || acc.data[0] == '\0', "read");
	TEST_ASSERT(ret < 0, "the next client did not wait");
	loop.client_conf.request_timeout_ms = 10000;
	loop.client_conf.connect_timeout_ms = 10000;
	DO(loop_start_client());
	DO(map_memory(1));
	DO(rte_vfio_user_server_dma_read(loop.srv, IOVA, acc.data, sizeof(acc.data)));
	TEST_ASSERT(strcmp(acc.data, "of the second") == 0, "the next client's memory");
	return TEST_SUCCESS;
}

static int
test_write(void)
{
	return access_one_too_late(true);
}

static int
test_read(void)
{
	return access_one_too_late(false);
}

#define CASE(fn) TEST_CASE_ST(setup, loop_teardown, fn)

static struct unit_test_suite race_suite = {
	.suite_name = "vfio-user loopback: accesses that outlive their client",
	.unit_test_cases = {
		CASE(test_write),
		CASE(test_read),
		TEST_CASES_END()
	},
};

static int
test_vfio_user_loopback_race(void)
{
	return unit_test_suite_runner(&race_suite);
}

REGISTER_TEST_COMMAND(vfio_user_loopback_race_autotest, test_vfio_user_loopback_race);
