/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

/* The device of the loopback tests. */

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include <rte_common.h>
#include <rte_errno.h>

#include "test.h"
#include "test_vfio_user_fds.h"
#include "test_vfio_user_loopback.h"

struct loop loop;

static char dir[] = "/tmp/vfio-user-loop-XXXXXX";
static char sock_path[sizeof(dir) + 8];

ORDERED_BY_SOCKET void
loop_fill(uint8_t *buf, size_t len, uint32_t seed)
{
	size_t i;

	for (i = 0; i < len; i++)
		buf[i] = (uint8_t)(seed + i * 29 + (i >> 11));
}

ORDERED_BY_SOCKET bool
loop_is_filled(const uint8_t *buf, size_t len, uint32_t seed)
{
	size_t i;

	for (i = 0; i < len; i++)
		if (buf[i] != (uint8_t)(seed + i * 29 + (i >> 11)))
			return false;
	return true;
}

/* ---------------------------------------------------------------- callbacks */

ssize_t
loop_store(const struct rte_vfio_user_region_access *acc)
{
	if (acc->is_write)
		memcpy(loop.bar0 + acc->offset, acc->data, acc->count);
	else
		memcpy(acc->data, loop.bar0 + acc->offset, acc->count);
	return acc->count;
}

static ssize_t
access_bar0(struct rte_vfio_user_server *srv,
	    const struct rte_vfio_user_region_access *acc, void *priv)
{
	if (srv != loop.srv || priv != &loop || acc->region != 0 || acc->count == 0 ||
	    ((uintptr_t)acc->data & 7) != 0 ||
	    acc->offset + acc->count > BAR0_SIZE ||
	    !pthread_equal(loop.poller, pthread_self()))
		return -EDOM;
	return loop.hook != NULL ? loop.hook(acc) : loop_store(acc);
}

/* Regions that can be mapped, too. */
static ssize_t
access_file(struct rte_vfio_user_server *srv,
	    const struct rte_vfio_user_region_access *acc, void *priv)
{
	uint8_t *at = (uint8_t *)priv + acc->offset;

	RTE_SET_USED(srv);
	if (acc->is_write)
		memcpy(at, acc->data, acc->count);
	else
		memcpy(acc->data, at, acc->count);
	return acc->count;
}

static void
on_connected(struct rte_vfio_user_server *srv, void *priv)
{
	RTE_SET_USED(srv);
	RTE_SET_USED(priv);
	loop.poller = pthread_self();
	COUNT(loop.connected);
}

static int
on_reset(struct rte_vfio_user_server *srv, enum rte_vfio_user_reset reason, void *priv)
{
	RTE_SET_USED(srv);
	RTE_SET_USED(priv);
	if (reason == RTE_VFIO_USER_RESET_LOST_CONN)
		COUNT(loop.lost);
	else
		COUNT(loop.resets);
	return loop.reset_result;
}

static int
on_quiesce(struct rte_vfio_user_server *srv, void *priv)
{
	RTE_SET_USED(srv);
	RTE_SET_USED(priv);
	COUNT(loop.quiesced);
	return loop.quiesce == NULL ? 0 : loop.quiesce();
}

static void
on_resume(struct rte_vfio_user_server *srv, void *priv)
{
	RTE_SET_USED(srv);
	RTE_SET_USED(priv);
	COUNT(loop.resumed);
}

static void
on_irq_changed(struct rte_vfio_user_server *srv, uint32_t index, uint32_t start,
	       uint32_t count, void *priv)
{
	RTE_SET_USED(srv);
	RTE_SET_USED(index);
	RTE_SET_USED(start);
	RTE_SET_USED(count);
	RTE_SET_USED(priv);
	COUNT(loop.irq_changed);
}

static int
on_map(struct rte_vfio_user_server *srv, const struct rte_vfio_user_dma_info *info,
       void *priv)
{
	RTE_SET_USED(srv);
	RTE_SET_USED(priv);
	COUNT(loop.mapped);
	return loop.map == NULL ? 0 : loop.map(info);
}

static void
on_unmap(struct rte_vfio_user_server *srv, const struct rte_vfio_user_dma_info *info,
	 void *priv)
{
	RTE_SET_USED(srv);
	RTE_SET_USED(info);
	RTE_SET_USED(priv);
	COUNT(loop.unmapped);
}

/* -------------------------------------------------------------- description */

static int
describe_plain(void)
{
	const struct rte_vfio_user_region_conf bar0 = {
		.size = BAR0_SIZE, .flags = RTE_VFIO_USER_REGION_F_RW, .fd = -1,
		.cb = access_bar0, .priv = &loop,
	};
	const struct rte_vfio_user_region_conf bar1 = {
		.size = BAR1_SIZE, .flags = RTE_VFIO_USER_REGION_F_RW, .fd = -1,
		.base = loop.bar1,
	};
	const struct rte_vfio_user_region_conf config = {
		.size = CONFIG_SIZE, .flags = RTE_VFIO_USER_REGION_F_READ, .fd = -1,
		.base = loop.config,
	};
	const struct rte_vfio_user_ioeventfd io = {
		.offset = 0x100, .size = 4, .fd = loop.ioeventfd,
	};

	DO(rte_vfio_user_server_region_set(loop.srv, 0, &bar0));
	DO(rte_vfio_user_server_region_set(loop.srv, 1, &bar1));
	DO(rte_vfio_user_server_region_set(loop.srv, VFIO_PCI_CONFIG_REGION_INDEX, &config));
	DO(rte_vfio_user_server_region_ioeventfd_add(loop.srv, 0, &io));
	return TEST_SUCCESS;
}

static int
describe_mappable(void)
{
	const struct rte_vfio_user_mmap_area sparse[] = {
		{ .offset = PAGE, .size = PAGE, .fd = -1 },
		{ .offset = 4 * PAGE, .size = 2 * PAGE, .fd = -1 },
	};
	const struct rte_vfio_user_mmap_area own[] = {
		{ .offset = 0, .size = PAGE, .fd = loop.file[2], .fd_offset = 3 * PAGE },
		{ .offset = 2 * PAGE, .size = PAGE, .fd = -1 },
	};
	struct rte_vfio_user_region_conf conf = {
		.size = BAR2_SIZE, .flags = RTE_VFIO_USER_REGION_F_RW, .cb = access_file,
		.priv = loop.memory[0], .fd = loop.file[0], .areas = sparse, .nb_areas = 2,
	};

	DO(rte_vfio_user_server_region_set(loop.srv, 2, &conf));
	conf.priv = loop.memory[1];
	conf.fd = loop.file[1];
	conf.areas = own;
	DO(rte_vfio_user_server_region_set(loop.srv, 3, &conf));
	conf.size = BAR4_SIZE;
	conf.priv = loop.memory[2];
	conf.fd = loop.file[2];
	conf.areas = NULL;
	conf.nb_areas = 0;
	DO(rte_vfio_user_server_region_set(loop.srv, 4, &conf));
	return TEST_SUCCESS;
}

static int
describe(void)
{
	const struct rte_vfio_user_server_ops ops = {
		.connected = on_connected, .reset = on_reset, .quiesce = on_quiesce,
		.resume = on_resume, .irq_changed = on_irq_changed,
	};
	const struct rte_vfio_user_dma_ops dma_ops = { .map = on_map, .unmap = on_unmap };

	DO(describe_plain());
	DO(describe_mappable());
	DO(rte_vfio_user_server_irq_set(loop.srv, VFIO_PCI_INTX_IRQ_INDEX, 1,
			VFIO_IRQ_INFO_EVENTFD | VFIO_IRQ_INFO_MASKABLE |
			VFIO_IRQ_INFO_AUTOMASKED));
	DO(rte_vfio_user_server_irq_set(loop.srv, VFIO_PCI_MSIX_IRQ_INDEX, NB_MSIX,
			VFIO_IRQ_INFO_EVENTFD | VFIO_IRQ_INFO_NORESIZE));
	DO(rte_vfio_user_server_ops_set(loop.srv, &ops, NULL));
	DO(rte_vfio_user_server_dma_ops_set(loop.srv, &dma_ops, NULL));
	return TEST_SUCCESS;
}

/* --------------------------------------------------------------- life cycle */

/* There is something to tear down: a setup that fails must not do it twice. */
static bool is_set_up;

int
loop_setup(void)
{
	static int first;
	int i;

	TEST_ASSERT_SUCCESS(check_fds(&first), "fds");
	memset(&loop, 0, sizeof(loop));
	memcpy(dir + sizeof(dir) - 7, "XXXXXX", 6);
	TEST_ASSERT_NOT_NULL(mkdtemp(dir), "mkdtemp: %s", strerror(errno));
	snprintf(sock_path, sizeof(sock_path), "%s/sock", dir);
	rte_vfio_user_server_conf_init(&loop.server_conf);
	loop.server_conf.sock_path = sock_path;
	rte_vfio_user_client_conf_init(&loop.client_conf);
	loop.client_conf.sock_path = sock_path;
	loop.bar1 = calloc(1, BAR1_SIZE);
	for (i = 0; i < 3; i++) {
		loop.file[i] = memfd_create("bar", MFD_CLOEXEC | MFD_ALLOW_SEALING);
		DO(ftruncate(loop.file[i], BAR2_SIZE));
		loop.memory[i] = mmap(NULL, BAR2_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED,
				      loop.file[i], 0);
	}
	loop.ioeventfd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	is_set_up = true;
	return TEST_SUCCESS;
}

void
loop_teardown(void)
{
	int i;

	if (!is_set_up)
		return;
	is_set_up = false;
	loop_stop_client();
	loop_stop_server();
	for (i = 0; i < 3; i++) {
		munmap(loop.memory[i], BAR2_SIZE);
		close(loop.file[i]);
	}
	close(loop.ioeventfd);
	free(loop.bar1);
	rmdir(dir);
}

int
loop_start_server(void)
{
	loop.srv = rte_vfio_user_server_create(&loop.server_conf);
	TEST_ASSERT_NOT_NULL(loop.srv, "server: %s", strerror(rte_errno));
	DO(describe());
	if (loop.alter != NULL)
		DO(loop.alter());
	DO(rte_vfio_user_server_start(loop.srv));
	if (loop.by_hand)
		return TEST_SUCCESS;
	loop.runner = rte_vfio_user_runner_create("test");
	TEST_ASSERT_NOT_NULL(loop.runner, "runner: %s", strerror(rte_errno));
	DO(rte_vfio_user_runner_add(loop.runner, loop.srv));
	return TEST_SUCCESS;
}

void
loop_stop_server(void)
{
	if (loop.runner != NULL)
		rte_vfio_user_runner_remove(loop.runner, loop.srv);
	rte_vfio_user_runner_destroy(loop.runner);
	rte_vfio_user_server_destroy(loop.srv);
	loop.runner = NULL;
	loop.srv = NULL;
}

int
loop_start_client(void)
{
	loop.client = rte_vfio_user_client_create(&loop.client_conf);
	return loop.client != NULL ? 0 : -rte_errno;
}

void
loop_stop_client(void)
{
	rte_vfio_user_client_destroy(loop.client);
	loop.client = NULL;
}

int
loop_start(void)
{
	DO(loop_start_server());
	DO(loop_start_client());
	return TEST_SUCCESS;
}

/* ------------------------------------------------------------------- threads */

struct job {
	int (*func)(void *arg);
	void *arg;
	int result;
	bool done; /* atomic */
};

static void *
run_job(void *arg)
{
	struct job *job = arg;

	job->result = job->func(job->arg);
	SET(job->done, true);
	return NULL;
}

void
loop_poll(void)
{
	struct pollfd pfd = {
		.fd = rte_vfio_user_client_fd(loop.client), .events = POLLIN,
	};

	poll(&pfd, 1, 10);
	rte_vfio_user_client_poll(loop.client);
}

int
loop_run(int (*func)(void *arg), void *arg)
{
	struct job job = { .func = func, .arg = arg };
	pthread_t thread;

	if (pthread_create(&thread, NULL, run_job, &job) != 0)
		return -EAGAIN;
	while (!GET(job.done))
		loop_poll();
	pthread_join(thread, NULL);
	return job.result;
}
