/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

/* A thousand devices in one process, their clients in another. */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <malloc.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <rte_common.h>
#include <rte_errno.h>

#include "test.h"
#include "test_vfio_user_fds.h"
#include "test_vfio_user_loopback.h"

#define NB_DEVS 1024u
#define FDS_PER_DEV 14u /* and some room */
#define MAX_MEMORY (64u << 10) /* bytes per device with its client */
#define IOVA UINT64_C(0x10000)
#define RUNNER "scale"

static struct {
	char dir[32];
	struct rte_vfio_user_runner *runner;
	struct rte_vfio_user_server *srv[NB_DEVS];
	pid_t clients;
	int from_clients, to_clients; /* pipes: a byte for each step */
	struct rlimit fds_before;
	/* atomic */
	uint32_t done, bad, lost;
} scale;

static void
make_path(char *path, size_t size, uint32_t i)
{
	snprintf(path, size, "%s/%u", scale.dir, i);
}

/* --------------------------------------------------------------- the clients */

/* What a client has in its memory. */
static uint64_t
pattern(uint32_t i)
{
	return UINT64_C(0x0123456789abcdef) * (i + 1);
}

struct scale_client {
	struct rte_vfio_user_client *client;
	int eventfd;
};

static int
connect_one(struct scale_client *c, uint32_t i, int memfd)
{
	struct rte_vfio_user_dma_map map = {
		.iova = IOVA, .size = PAGE, .prot = PROT_READ, .fd = memfd,
		.fd_offset = (uint64_t)i * PAGE,
	};
	struct rte_vfio_user_client_conf conf;
	char path[64];

	make_path(path, sizeof(path), i);
	rte_vfio_user_client_conf_init(&conf);
	conf.sock_path = path;
	conf.connect_timeout_ms = 10000;
	c->client = rte_vfio_user_client_create(&conf);
	TEST_ASSERT_NOT_NULL(c->client, "client %u: %s", i, rte_strerror(rte_errno));
	c->eventfd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	DO(rte_vfio_user_client_dma_map(c->client, &map, 1));
	DO(rte_vfio_user_client_irq_assign(c->client, VFIO_PCI_MSIX_IRQ_INDEX, 0, 1,
					   &c->eventfd));
	return TEST_SUCCESS;
}

/* The device says who it is, reads our memory and interrupts us. */
static int
use_one(struct scale_client *c, uint32_t i)
{
	struct pollfd pfd = { .fd = c->eventfd, .events = POLLIN };
	uint64_t count;
	uint32_t val = 0;

	TEST_ASSERT_EQUAL(rte_vfio_user_client_region_read(c->client, 0, 0, &val, 4), 4, "");
	TEST_ASSERT_EQUAL(val, i, "device %u is %u", i, val);
	TEST_ASSERT_EQUAL(rte_vfio_user_client_region_write(c->client, 0, 0, &val, 4), 4, "");
	TEST_ASSERT_EQUAL(poll(&pfd, 1, 10000), 1, "no interrupt");
	TEST_ASSERT(read(c->eventfd, &count, 8) == 8 && count == 1, "interrupts");
	return TEST_SUCCESS;
}

/* Tell the other process of a step, and wait for its. */
static int
step(int to, int from)
{
	char byte = 's';

	TEST_ASSERT_EQUAL(write(to, &byte, 1), 1, "write: %s", strerror(errno));
	TEST_ASSERT_EQUAL(read(from, &byte, 1), 1, "the other process is gone");
	return TEST_SUCCESS;
}

static int
run_clients(int to, int from)
{
	static struct scale_client clients[NB_DEVS];
	int memfd = memfd_create("guest", MFD_CLOEXEC);
	uint64_t word;
	uint32_t i, round;

	DO(step(to, from)); /* the devices are there */
	DO(ftruncate(memfd, NB_DEVS * PAGE));
	for (i = 0; i < NB_DEVS; i++) {
		word = pattern(i);
		TEST_ASSERT_EQUAL(pwrite(memfd, &word, 8, (off_t)i * PAGE), 8, "memory");
		DO(connect_one(&clients[i], i, memfd));
	}
	for (round = 0; round < 2; round++)
		for (i = 0; i < NB_DEVS; i++)
			DO(use_one(&clients[i], i));
	DO(step(to, from)); /* all is quiet for a while */
	for (i = 0; i < NB_DEVS; i++)
		DO(use_one(&clients[i], i));
	/* half of them take their leave, the others just end */
	for (i = 0; i < NB_DEVS; i += 2)
		rte_vfio_user_client_destroy(clients[i].client);
	return TEST_SUCCESS;
}

/* --------------------------------------------------------------- the devices */

static ssize_t
access_dev(struct rte_vfio_user_server *srv, const struct rte_vfio_user_region_access *acc,
	   void *priv)
{
	uint32_t i = (uint32_t)(uintptr_t)priv;
	uint64_t word = 0;

	if (!acc->is_write) {
		memset(acc->data, 0, acc->count);
		memcpy(acc->data, &i, RTE_MIN(acc->count, sizeof(i)));
		return acc->count;
	}
	if (rte_vfio_user_server_dma_read(srv, IOVA, &word, sizeof(word)) < 0 ||
	    word != pattern(i) ||
	    rte_vfio_user_server_irq_trigger(srv, VFIO_PCI_MSIX_IRQ_INDEX, 0) < 0)
		COUNT(scale.bad);
	COUNT(scale.done);
	return acc->count;
}

static int
on_reset(struct rte_vfio_user_server *srv, enum rte_vfio_user_reset reason, void *priv)
{
	RTE_SET_USED(srv);
	RTE_SET_USED(priv);
	if (reason == RTE_VFIO_USER_RESET_LOST_CONN)
		COUNT(scale.lost);
	return 0;
}

static int
create_one(uint32_t i)
{
	const struct rte_vfio_user_region_conf bar = {
		.size = PAGE, .flags = RTE_VFIO_USER_REGION_F_RW, .fd = -1,
		.cb = access_dev, .priv = (void *)(uintptr_t)i,
	};
	const struct rte_vfio_user_server_ops ops = { .reset = on_reset };
	struct rte_vfio_user_server_conf conf;
	char path[64];

	make_path(path, sizeof(path), i);
	rte_vfio_user_server_conf_init(&conf);
	conf.sock_path = path;
	scale.srv[i] = rte_vfio_user_server_create(&conf);
	TEST_ASSERT_NOT_NULL(scale.srv[i], "device %u: %s", i, rte_strerror(rte_errno));
	DO(rte_vfio_user_server_region_set(scale.srv[i], 0, &bar));
	DO(rte_vfio_user_server_irq_set(scale.srv[i], VFIO_PCI_MSIX_IRQ_INDEX, 4,
					VFIO_IRQ_INFO_EVENTFD));
	DO(rte_vfio_user_server_ops_set(scale.srv[i], &ops, NULL));
	DO(rte_vfio_user_server_start(scale.srv[i]));
	DO(rte_vfio_user_runner_add(scale.runner, scale.srv[i]));
	return TEST_SUCCESS;
}

/* -------------------------------------------------------------- measurements */

/* Bytes that malloc() has handed out, of all arenas; 0 with a sanitizer's malloc. */
static uint64_t
allocated(void)
{
	char *text = NULL, *pos;
	uint64_t system = 0, unused = 0, bytes;
	size_t len = 0;
	FILE *file = open_memstream(&text, &len);

	if (malloc_info(0, file) < 0) {
		fclose(file);
		free(text);
		return 0;
	}
	fclose(file);
	/* the sums of all arenas are at the end */
	pos = text == NULL ? NULL : strstr(text, "</heap>\n<total");
	for (; pos != NULL; pos = strstr(pos + 1, "<")) {
		if (sscanf(pos, "<total type=\"%*[a-z]\" count=\"%*u\" size=\"%" SCNu64,
			   &bytes) == 1) {
			if (strncmp(pos, "<total type=\"mmap", 17) == 0)
				system += bytes;
			else
				unused += bytes;
		} else if (sscanf(pos, "<system type=\"current\" size=\"%" SCNu64, &bytes) == 1) {
			system += bytes;
		}
	}
	free(text);
	return system - unused;
}

/* How often the runner's thread has gone to sleep; -1: no such thread. */
static long
runner_sleeps(void)
{
	char path[300], line[128];
	struct dirent *entry;
	long sleeps = -1, nb;
	bool named;
	FILE *file;
	DIR *dir = opendir("/proc/self/task");

	while (sleeps < 0 && (entry = readdir(dir)) != NULL) {
		snprintf(path, sizeof(path), "/proc/self/task/%s/status", entry->d_name);
		file = fopen(path, "r");
		if (file == NULL)
			continue;
		for (named = false; fgets(line, sizeof(line), file) != NULL; )
			if (strcmp(line, "Name:\t" RUNNER "\n") == 0)
				named = true;
			else if (named && sscanf(line, "voluntary_ctxt_switches: %ld", &nb) == 1)
				sleeps = nb;
		fclose(file);
	}
	closedir(dir);
	return sleeps;
}

/*
 * A second without a wake-up. A timer that was armed while a client came may
 * still run out in the first ones.
 */
static int
expect_silence(void)
{
	long before, after = 0;
	uint32_t s;

	for (s = 0; s < 20; s++) {
		before = runner_sleeps();
		TEST_ASSERT(before > 0, "no thread");
		sleep(1);
		after = runner_sleeps();
		if (after == before)
			return TEST_SUCCESS;
	}
	TEST_ASSERT_EQUAL(after, before, "%ld wake-ups in a second", after - before);
	return TEST_SUCCESS;
}

/* ---------------------------------------------------------------------- test */

static int
setup(void)
{
	struct rlimit limit;

	memset(&scale, 0, sizeof(scale));
	scale.clients = -1;
	scale.from_clients = scale.to_clients = -1;
	strcpy(scale.dir, "/tmp/vfio-user-scale-XXXXXX");
	TEST_ASSERT_NOT_NULL(mkdtemp(scale.dir), "mkdtemp: %s", strerror(errno));
	DO(getrlimit(RLIMIT_NOFILE, &scale.fds_before));
	limit = scale.fds_before;
	if (limit.rlim_max < NB_DEVS * FDS_PER_DEV) {
		printf("skipped: %u file descriptors are needed, the hard limit is %lu\n",
		       NB_DEVS * FDS_PER_DEV, (unsigned long)limit.rlim_max);
		return TEST_SKIPPED;
	}
	limit.rlim_cur = RTE_MAX(limit.rlim_cur, (rlim_t)NB_DEVS * FDS_PER_DEV);
	DO(setrlimit(RLIMIT_NOFILE, &limit));
	return TEST_SUCCESS;
}

static void
close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static void
stop_devices(void)
{
	uint32_t i;

	for (i = 0; i < NB_DEVS; i++) {
		if (scale.srv[i] != NULL)
			rte_vfio_user_runner_remove(scale.runner, scale.srv[i]);
		rte_vfio_user_server_destroy(scale.srv[i]);
		scale.srv[i] = NULL;
	}
	rte_vfio_user_runner_destroy(scale.runner);
	scale.runner = NULL;
}

static void
teardown(void)
{
	close_fd(&scale.to_clients);
	close_fd(&scale.from_clients);
	if (scale.clients > 0)
		waitpid(scale.clients, NULL, 0);
	stop_devices();
	rmdir(scale.dir);
	setrlimit(RLIMIT_NOFILE, &scale.fds_before);
}

/* Before there is any other thread. */
static int
fork_clients(void)
{
	int up[2], down[2], ret;

	DO(pipe2(up, O_CLOEXEC));
	DO(pipe2(down, O_CLOEXEC));
	fflush(stdout);
	scale.clients = fork();
	TEST_ASSERT(scale.clients >= 0, "fork: %s", strerror(errno));
	if (scale.clients == 0) {
		close(up[0]);
		close(down[1]);
		ret = run_clients(up[1], down[0]);
		fflush(stdout);
		_exit(ret == TEST_SUCCESS ? 0 : 1);
	}
	close(up[1]);
	close(down[0]);
	scale.from_clients = up[0];
	scale.to_clients = down[1];
	return TEST_SUCCESS;
}

static int
start_devices(void)
{
	uint32_t i;

	scale.runner = rte_vfio_user_runner_create(RUNNER);
	TEST_ASSERT_NOT_NULL(scale.runner, "runner: %s", rte_strerror(rte_errno));
	for (i = 0; i < NB_DEVS; i++)
		DO(create_one(i));
	return TEST_SUCCESS;
}

static int
end_clients(void)
{
	int status = -1;

	TEST_ASSERT_EQUAL(waitpid(scale.clients, &status, 0), scale.clients, "waitpid");
	scale.clients = -1;
	close_fd(&scale.to_clients);
	close_fd(&scale.from_clients);
	TEST_ASSERT_EQUAL(status, 0, "the clients: status 0x%x", (unsigned int)status);
	return TEST_SUCCESS;
}

static int
test_many_devices(void)
{
	uint64_t before, empty, used;
	int fds = count_fds(), each;
	char byte;

	DO(fork_clients());
	before = allocated();
	DO(start_devices());
	empty = allocated() - before;
	TEST_ASSERT_EQUAL(read(scale.from_clients, &byte, 1), 1, "the clients are gone");
	DO(step(scale.to_clients, scale.from_clients));
	TEST_ASSERT_EQUAL(GET(scale.done), 2 * NB_DEVS, "accesses");
	used = allocated() - before;
	each = (count_fds() - fds) / (int)NB_DEVS;
	printf("%u devices, each with %d file descriptors", NB_DEVS, each);
	if (used != 0)
		printf(", %u bytes, %u with its client", (uint32_t)(empty / NB_DEVS),
		       (uint32_t)(used / NB_DEVS));
	printf("\n");
	TEST_ASSERT(used / NB_DEVS < MAX_MEMORY, "memory");
	TEST_ASSERT(each < (int)FDS_PER_DEV, "file descriptors");
	DO(expect_silence());
	TEST_ASSERT_EQUAL(write(scale.to_clients, "s", 1), 1, "write: %s", strerror(errno));
	DO(end_clients());
	TEST_ASSERT_EQUAL(GET(scale.done), 3 * NB_DEVS, "accesses");
	TEST_ASSERT_EQUAL(GET(scale.bad), 0u, "memory or interrupt");
	WAIT_FOR(GET(scale.lost) == NB_DEVS);
	stop_devices();
	TEST_ASSERT_EQUAL(count_fds(), fds, "file descriptors leaked");
	return TEST_SUCCESS;
}

static struct unit_test_suite scale_suite = {
	.suite_name = "vfio-user devices in large number",
	.unit_test_cases = {
		TEST_CASE_ST(setup, teardown, test_many_devices),
		TEST_CASES_END()
	},
};

static int
test_vfio_user_scale(void)
{
	return unit_test_suite_runner(&scale_suite);
}

REGISTER_TEST_COMMAND(vfio_user_scale_autotest, test_vfio_user_scale);
