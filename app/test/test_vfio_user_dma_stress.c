/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

/*
 * The device's threads use client memory while the client maps and unmaps it,
 * leaves and comes back, and the device is destroyed.
 *
 * The client's memory is in slots. While a slot is mapped, each of its words
 * holds its address; before and behind that the client owns it and keeps it
 * poisoned. A thread of the device that reads poison, or a poison that is
 * overwritten, shows a mapping that was used outside of its life; a range that
 * the library unmapped too early faults.
 */

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <rte_common.h>
#include <rte_errno.h>

#include "test.h"
#include "test_vfio_user_loopback.h"
#include "vfio_user_server.h"

#define NB_SLOTS 32u
#define SLOT_PAGES 8u
#define SLOT_SIZE (SLOT_PAGES * PAGE)
#define COPY_SIZE (SLOT_SIZE / 2 - PAGE)
#define MEM_SIZE (NB_SLOTS * SLOT_SIZE)
#define WORDS (SLOT_SIZE / sizeof(uint64_t))
#define IOVA UINT64_C(0x40000000)
#define POISON UINT64_C(0xdead5eeddead5eed)
#define NB_VECTORS 4u

/*
 * Of 8 slots the first 4 are used by readers, the others by copies: mapped,
 * mapped, by file I/O, by messages. Each copying thread has its half of a slot.
 */
static uint32_t
kind_of(uint32_t slot)
{
	return slot % 8;
}

enum { TIGHT, LONG, IDLE, NB_KINDS }; /* readers */

#define NB_READERS 3u
#define NB_COPIERS 2u

static struct {
	int fd;
	uint64_t *mem; /* the client's mapping of it */
	uint32_t size[NB_SLOTS]; /* mapped bytes; of the client's thread */
	int eventfd;
	uint64_t seed; /* of the client's thread */
	pthread_mutex_t kill_lock;
	int kill_fd; /* the client's socket, or -1 */
	/* atomic */
	bool stop;
	bool quiesce_wanted;
	uint32_t copying; /* threads */
	uint32_t hits, copies, unmaps, kills, triggers, quiesces;
	uint32_t failed; /* a line */
} stress;

/* For threads: the first failure ends all of them. */
#define CHECK(cond) do { \
	if (!(cond)) { \
		SET(stress.failed, __LINE__); \
		SET(stress.stop, true); \
	} \
} while (0)

static uint32_t
next_random(uint64_t *seed)
{
	*seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)(*seed >> 33);
}

static uint64_t
slot_iova(uint32_t slot)
{
	return IOVA + (uint64_t)slot * SLOT_SIZE;
}

/* ------------------------------------------------------------ device: readers */

struct reader {
	pthread_t thread;
	struct rte_vfio_user_dma_reader *reader;
	uint32_t kind;
	uint64_t seed;
};

struct hit {
	uint64_t *va;
	uint64_t iova;
};

/* Look a few words up, and use them until the section ends. */
static void
section(struct reader *r)
{
	uint32_t i, nb = 0, uses = r->kind == LONG ? 10 : 3;
	struct hit hits[8];
	uint64_t iova, *va;

	rte_vfio_user_dma_begin(r->reader);
	for (i = 0; i < RTE_DIM(hits); i++) {
		iova = IOVA + next_random(&r->seed) % (MEM_SIZE / 8) * 8;
		va = rte_vfio_user_dma_va(r->reader, iova, 8, PROT_READ | PROT_WRITE);
		if (va == NULL || kind_of((iova - IOVA) / SLOT_SIZE) >= 4)
			continue;
		hits[nb].va = va;
		hits[nb++].iova = iova;
	}
	for (; uses != 0 && nb != 0; uses--) {
		for (i = 0; i < nb; i++) {
			CHECK(__atomic_load_n(hits[i].va, __ATOMIC_RELAXED) == hits[i].iova);
			__atomic_store_n(hits[i].va, hits[i].iova, __ATOMIC_RELAXED);
		}
		if (r->kind == LONG)
			usleep(50);
	}
	rte_vfio_user_dma_end(r->reader);
	__atomic_fetch_add(&stress.hits, nb, __ATOMIC_RELAXED);
}

static void *
run_reader(void *arg)
{
	struct reader *r = arg;

	while (!GET(stress.stop)) {
		if (r->kind == IDLE)
			usleep(20000); /* the application's loop does other things */
		section(r);
	}
	return NULL;
}

/* -------------------------------------------------------- device: other threads */

struct copier {
	pthread_t thread;
	uint32_t half;
	uint64_t seed;
};

/* Copy some pages, in two pieces; all are there or it fails. */
static void
copy_pages(struct copier *c)
{
	uint32_t slot = next_random(&c->seed) % (NB_SLOTS / 2), i;
	bool is_write = next_random(&c->seed) % 2 == 0;
	struct rte_vfio_user_dma_sg sg[2];
	uint64_t buf[COPY_SIZE / 8], iova;
	int ret;

	slot += (slot / 4 + 1) * 4;
	iova = slot_iova(slot) + c->half * (SLOT_SIZE / 2) +
		next_random(&c->seed) % (PAGE / 8) * 8;
	for (i = 0; i < RTE_DIM(buf); i++)
		buf[i] = is_write ? iova + i * 8 : 0;
	for (i = 0; i < 2; i++) {
		sg[i].iova = iova + i * (COPY_SIZE / 2);
		sg[i].len = COPY_SIZE / 2;
		sg[i].buf = buf + i * (COPY_SIZE / 2 / 8);
	}
	ret = is_write ? rte_vfio_user_server_dma_writev(loop.srv, sg, 2) :
		rte_vfio_user_server_dma_readv(loop.srv, sg, 2);
	CHECK(ret == 0 || ret == -EFAULT || ret == -ENOTCONN);
	if (ret != 0)
		return;
	for (i = 0; i < RTE_DIM(buf); i++)
		CHECK(buf[i] == iova + i * 8);
	__atomic_fetch_add(&stress.copies, 1, __ATOMIC_RELAXED);
}

static void *
run_copier(void *arg)
{
	while (!GET(stress.stop))
		copy_pages(arg);
	__atomic_fetch_sub(&stress.copying, 1, __ATOMIC_ACQ_REL);
	return NULL;
}

static void *
run_triggers(void *arg)
{
	uint64_t seed = (uintptr_t)arg;
	int ret;

	while (!GET(stress.stop)) {
		ret = rte_vfio_user_server_irq_trigger(loop.srv, VFIO_PCI_MSIX_IRQ_INDEX,
						       next_random(&seed) % NB_VECTORS);
		CHECK(ret == 0 || ret == -ENOENT);
		if (ret == 0)
			__atomic_fetch_add(&stress.triggers, 1, __ATOMIC_RELAXED);
		rte_vfio_user_server_irq_set_level(loop.srv, VFIO_PCI_INTX_IRQ_INDEX, 0,
						   next_random(&seed) % 2 == 0);
		usleep(20);
	}
	return NULL;
}

/* Some commands are quiesced for by another thread. */
static int
quiesce(void)
{
	static uint64_t seed; /* of the poller */

	if (next_random(&seed) % 8 != 0)
		return 0;
	SET(stress.quiesce_wanted, true);
	return RTE_VFIO_USER_PENDING;
}

static void *
run_quiesce(void *arg)
{
	int ret;

	RTE_SET_USED(arg);
	while (!GET(stress.stop)) {
		usleep(100);
		if (!__atomic_exchange_n(&stress.quiesce_wanted, false, __ATOMIC_ACQ_REL))
			continue;
		ret = rte_vfio_user_server_quiesce_complete(loop.srv, 0);
		CHECK(ret == 0 || ret == -ESTALE);
		if (ret == 0)
			COUNT(stress.quiesces);
	}
	return NULL;
}

/* ------------------------------------------------------------------- the client */

static void
poison(uint32_t slot)
{
	uint32_t i;

	for (i = 0; i < WORDS; i++)
		__atomic_store_n(&stress.mem[slot * WORDS + i], POISON, __ATOMIC_RELAXED);
	stress.size[slot] = 0;
}

static bool
is_poisoned(uint32_t slot)
{
	uint32_t i;

	for (i = 0; i < WORDS; i++)
		if (__atomic_load_n(&stress.mem[slot * WORDS + i], __ATOMIC_RELAXED) != POISON)
			return false;
	return true;
}

static void
poison_all(void)
{
	uint32_t slot;

	for (slot = 0; slot < NB_SLOTS; slot++)
		poison(slot);
}

static struct rte_vfio_user_dma_map
prepare_map(uint32_t slot)
{
	uint32_t size = (1 + next_random(&stress.seed) % SLOT_PAGES) * PAGE, i;
	struct rte_vfio_user_dma_map map = {
		.iova = slot_iova(slot), .size = size, .prot = PROT_READ | PROT_WRITE,
		.fd = kind_of(slot) == 7 ? -1 : stress.fd,
		.flags = kind_of(slot) == 6 ? RTE_VFIO_USER_DMA_F_FILE_IO : 0,
		.fd_offset = (uint64_t)slot * SLOT_SIZE,
		.vaddr = stress.mem + slot * WORDS,
	};

	CHECK(is_poisoned(slot));
	for (i = 0; i < size / 8; i++)
		__atomic_store_n(&stress.mem[slot * WORDS + i], map.iova + i * 8,
				 __ATOMIC_RELAXED);
	stress.size[slot] = size;
	return map;
}

/* A few slots that are mapped, or that are not. */
static uint32_t
choose(bool mapped, uint32_t *slots)
{
	uint32_t want = 1 + next_random(&stress.seed) % 4, nb = 0, i, slot;

	slot = next_random(&stress.seed) % NB_SLOTS;
	for (i = 0; i < NB_SLOTS && nb < want; i++, slot = (slot + 1) % NB_SLOTS)
		if ((stress.size[slot] != 0) == mapped)
			slots[nb++] = slot;
	return nb;
}

static int
map_some(void)
{
	struct rte_vfio_user_dma_map maps[4];
	uint32_t slots[4], nb = choose(false, slots), i;

	for (i = 0; i < nb; i++)
		maps[i] = prepare_map(slots[i]);
	return rte_vfio_user_client_dma_map(loop.client, maps, nb);
}

static int
unmap_some(void)
{
	struct rte_vfio_user_dma_range ranges[4];
	uint32_t slots[4], nb = choose(true, slots), i;
	int ret;

	for (i = 0; i < nb; i++) {
		ranges[i].iova = slot_iova(slots[i]);
		ranges[i].size = stress.size[slots[i]];
	}
	ret = rte_vfio_user_client_dma_unmap(loop.client, ranges, nb);
	for (i = 0; i < nb && ret == 0; i++)
		poison(slots[i]);
	__atomic_fetch_add(&stress.unmaps, nb, __ATOMIC_RELAXED);
	return ret;
}

static int
change_irqs(void)
{
	uint32_t start = next_random(&stress.seed) % NB_VECTORS;

	if (next_random(&stress.seed) % 2 == 0)
		return rte_vfio_user_client_irq_assign(loop.client, VFIO_PCI_MSIX_IRQ_INDEX,
						       start, 1, &stress.eventfd);
	return rte_vfio_user_client_irq_disable(loop.client, VFIO_PCI_MSIX_IRQ_INDEX);
}

static int
client_step(void)
{
	uint32_t what = next_random(&stress.seed) % 64, val = 0;
	int ret;

	if (what < 24)
		return map_some();
	if (what < 48)
		return unmap_some();
	if (what < 56)
		return change_irqs();
	if (what < 62)
		return loop_write(0, 0x100, &val, sizeof(val));
	if (what < 63)
		return rte_vfio_user_client_reset(loop.client);
	ret = rte_vfio_user_client_dma_unmap_all(loop.client);
	if (ret == 0)
		poison_all();
	return ret;
}

static int
connect_socket(void)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	memcpy(addr.sun_path, loop.server_conf.sock_path,
	       strlen(loop.server_conf.sock_path));
	CHECK(connect(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0);
	return fd;
}

static void
set_kill_fd(int fd)
{
	pthread_mutex_lock(&stress.kill_lock);
	if (stress.kill_fd >= 0)
		close(stress.kill_fd);
	stress.kill_fd = fd;
	pthread_mutex_unlock(&stress.kill_lock);
}

/* The new client is served when the memory of the last one is out of use. */
static void
reconnect(void)
{
	int tries = 1000;

	loop_stop_client();
	set_kill_fd(-1);
	do {
		loop.client_conf.conn_fd = connect_socket();
		if (loop_start_client() == 0)
			break;
		close(loop.client_conf.conn_fd);
		usleep(1000);
	} while (--tries != 0 && !GET(stress.stop));
	if (loop.client == NULL) {
		CHECK(GET(stress.stop));
		return;
	}
	set_kill_fd(loop.client_conf.conn_fd);
	poison_all();
}

static void *
run_client(void *arg)
{
	int ret;

	RTE_SET_USED(arg);
	while (!GET(stress.stop)) {
		ret = client_step();
		CHECK(ret == 0 || ret == -ENOTCONN);
		if (ret != 0)
			reconnect();
	}
	return NULL;
}

/* Its end may come at any point of a request. */
static void *
run_killer(void *arg)
{
	uint64_t seed = (uintptr_t)arg;

	while (!GET(stress.stop)) {
		usleep(20000 + next_random(&seed) % 100000);
		pthread_mutex_lock(&stress.kill_lock);
		if (stress.kill_fd >= 0 && shutdown(stress.kill_fd, SHUT_RDWR) == 0)
			COUNT(stress.kills);
		pthread_mutex_unlock(&stress.kill_lock);
	}
	return NULL;
}

/* ------------------------------------------------------------------------ stress */

static void
clear(void)
{
	memset(&stress, 0, sizeof(stress));
	stress.kill_fd = -1;
	pthread_mutex_init(&stress.kill_lock, NULL);
	stress.fd = memfd_create("guest", MFD_CLOEXEC);
	stress.mem = NULL;
	if (ftruncate(stress.fd, MEM_SIZE) == 0)
		stress.mem = mmap(NULL, MEM_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED,
				  stress.fd, 0);
	stress.eventfd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	poison_all();
}

static int
setup(void)
{
	int ret = loop_setup();

	clear();
	return ret;
}

static void
teardown(void)
{
	loop_teardown();
	set_kill_fd(-1);
	munmap(stress.mem, MEM_SIZE);
	close(stress.fd);
	close(stress.eventfd);
	pthread_mutex_destroy(&stress.kill_lock);
}

static int
start_readers(struct reader *readers, uint64_t seed)
{
	uint32_t i;

	for (i = 0; i < NB_READERS; i++) {
		readers[i].kind = i % NB_KINDS;
		readers[i].seed = seed + i;
		readers[i].reader = rte_vfio_user_server_dma_reader_create(loop.srv);
		TEST_ASSERT_NOT_NULL(readers[i].reader, "reader");
		pthread_create(&readers[i].thread, NULL, run_reader, &readers[i]);
	}
	return TEST_SUCCESS;
}

static void
stop_readers(struct reader *readers)
{
	uint32_t i;

	for (i = 0; i < NB_READERS; i++) {
		pthread_join(readers[i].thread, NULL);
		rte_vfio_user_server_dma_reader_destroy(readers[i].reader);
	}
}

static void
start_copiers(struct copier *copiers, uint64_t seed)
{
	uint32_t i;

	SET(stress.copying, NB_COPIERS);
	for (i = 0; i < NB_COPIERS; i++) {
		copiers[i].half = i;
		copiers[i].seed = seed + 100 + i;
		pthread_create(&copiers[i].thread, NULL, run_copier, &copiers[i]);
	}
}

static void
join_copiers(struct copier *copiers)
{
	uint32_t i;

	for (i = 0; i < NB_COPIERS; i++)
		pthread_join(copiers[i].thread, NULL);
}

/* A device from its start to its end, under all of it. */
static int
live(uint64_t seed, uint32_t ms)
{
	void *(*const run[])(void *arg) = { run_client, run_killer, run_triggers, run_quiesce };
	pthread_t threads[RTE_DIM(run)];
	struct copier copiers[NB_COPIERS];
	struct reader readers[NB_READERS];
	void *arg = (void *)(uintptr_t)seed;
	uint32_t i;

	SET(stress.stop, false);
	stress.seed = seed;
	DO(loop_start_server());
	reconnect();
	DO(start_readers(readers, seed));
	for (i = 0; i < RTE_DIM(run); i++)
		pthread_create(&threads[i], NULL, run[i], arg);
	start_copiers(copiers, seed);
	for (i = 0; i < ms && !GET(stress.stop); i++)
		usleep(1000);
	SET(stress.stop, true);
	for (i = 0; i < RTE_DIM(run); i++)
		pthread_join(threads[i], NULL);
	stop_readers(readers);
	/* nobody serves the device: who waits for the client does so to the end */
	WAIT_FOR(GET(loop.srv->users) == GET(stress.copying));
	if (seed % 2 == 0) {
		loop_stop_client();
		join_copiers(copiers);
		loop_stop_server();
	} else {
		loop_stop_server();
		join_copiers(copiers);
		loop_stop_client();
	}
	poison_all();
	return TEST_SUCCESS;
}

static bool
all_happened(void)
{
	return stress.hits != 0 && stress.copies != 0 && stress.unmaps != 0 &&
		stress.quiesces != 0 && stress.triggers != 0 && stress.kills != 0;
}

static int
test_stress(void)
{
	uint32_t lives = getenv("VFIO_USER_TEST_LONG") != NULL ? 200 : 8, i;

	loop.quiesce = quiesce;
	loop.client_conf.sock_path = NULL;
	/* longer on a machine that is slow */
	for (i = 1; i <= lives || (!all_happened() && i < 10 * lives); i++) {
		loop.client_conf.flags = i % 3 == 0 ? RTE_VFIO_USER_CLIENT_F_NO_TWIN_SOCKET : 0;
		DO(live(i, 300));
		TEST_ASSERT_EQUAL(stress.failed, 0u, "life %u: line %u", i, stress.failed);
	}
	printf("%u words in sections, %u copies, %u unmaps, %u quiesced for, %u triggers,"
	       " %u lost clients\n", stress.hits, stress.copies, stress.unmaps,
	       stress.quiesces, stress.triggers, stress.kills);
	TEST_ASSERT(all_happened(), "something did not happen at all");
	return TEST_SUCCESS;
}

/* ------------------------------------------------------------- one long section */

static struct {
	struct rte_vfio_user_server *srv;
	struct rte_vfio_user_client *client;
} other;

/* A second device in the same thread. */
static int
start_other(void)
{
	const struct rte_vfio_user_region_conf bar = {
		.size = BAR1_SIZE, .flags = RTE_VFIO_USER_REGION_F_RW, .fd = -1,
		.base = loop.bar1,
	};
	struct rte_vfio_user_server_conf conf;
	struct rte_vfio_user_client_conf client_conf;
	int pair[2];

	DO(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair));
	rte_vfio_user_server_conf_init(&conf);
	rte_vfio_user_client_conf_init(&client_conf);
	conf.conn_fd = pair[0];
	client_conf.conn_fd = pair[1];
	other.srv = rte_vfio_user_server_create(&conf);
	close(pair[0]);
	TEST_ASSERT_NOT_NULL(other.srv, "server");
	DO(rte_vfio_user_server_region_set(other.srv, 0, &bar));
	DO(rte_vfio_user_server_start(other.srv));
	DO(rte_vfio_user_runner_add(loop.runner, other.srv));
	other.client = rte_vfio_user_client_create(&client_conf);
	close(pair[1]);
	TEST_ASSERT_NOT_NULL(other.client, "client");
	return TEST_SUCCESS;
}

static void
stop_other(void)
{
	rte_vfio_user_client_destroy(other.client);
	rte_vfio_user_runner_remove(loop.runner, other.srv);
	rte_vfio_user_server_destroy(other.srv);
}

static bool unmapped; /* atomic: the reply has come */

static void *
unmap_first(void *arg)
{
	const struct rte_vfio_user_dma_range range = { slot_iova(0), PAGE };

	RTE_SET_USED(arg);
	CHECK(rte_vfio_user_client_dma_unmap(loop.client, &range, 1) == 0);
	SET(unmapped, true);
	return NULL;
}

static struct rte_vfio_user_dma_map
file_map(uint32_t slot)
{
	struct rte_vfio_user_dma_map map = {
		.iova = slot_iova(slot), .size = PAGE, .prot = PROT_READ | PROT_WRITE,
		.fd = stress.fd, .fd_offset = (uint64_t)slot * SLOT_SIZE,
	};

	return map;
}

/* What goes on while the section of a reader holds an unmap back. */
static int
meanwhile(void)
{
	struct rte_vfio_user_dma_map map = file_map(1);
	const struct rte_vfio_user_dma_range range = { map.iova, map.size };
	uint32_t i, val;
	uint64_t word;

	for (i = 0; i < 50; i++) {
		TEST_ASSERT_EQUAL(rte_vfio_user_client_region_read(other.client, 0, 0, &val, 4),
				  4, "the other device");
		DO(rte_vfio_user_client_dma_map(other.client, &map, 1));
		DO(rte_vfio_user_client_dma_unmap(other.client, &range, 1));
		/* of the device itself */
		DO(rte_vfio_user_server_dma_read(loop.srv, slot_iova(2), &word, 8));
		TEST_ASSERT_EQUAL(rte_vfio_user_server_dma_read(loop.srv, slot_iova(0), &word,
				8), -EFAULT, "it is unmapped for whoever comes now");
		TEST_ASSERT(!GET(unmapped), "answered inside of the section");
	}
	return TEST_SUCCESS;
}

/* The reply waits for one reader, and nothing else does. */
static int
test_long_section(void)
{
	const struct rte_vfio_user_dma_map maps[] = { file_map(0), file_map(2) };
	struct rte_vfio_user_dma_reader *reader, *idle;
	const struct rte_vfio_user_dma_range range = { slot_iova(0), PAGE };
	uint32_t round, before;
	pthread_t thread;
	uint64_t *va;

	DO(loop_start());
	DO(start_other());
	reader = rte_vfio_user_server_dma_reader_create(loop.srv);
	idle = rte_vfio_user_server_dma_reader_create(loop.srv);
	TEST_ASSERT(reader != NULL && idle != NULL, "reader");
	DO(rte_vfio_user_client_dma_map(loop.client, maps, 2));
	for (round = 0; round < 3; round++) {
		SET(unmapped, false);
		before = GET(loop.unmapped);
		rte_vfio_user_dma_begin(reader);
		va = rte_vfio_user_dma_va(reader, slot_iova(0), PAGE, PROT_READ);
		TEST_ASSERT_NOT_NULL(va, "mapped");
		pthread_create(&thread, NULL, unmap_first, NULL);
		WAIT_FOR(GET(loop.unmapped) != before);
		/* a reader that comes now does not find it, nor does it have to end */
		rte_vfio_user_dma_begin(idle);
		TEST_ASSERT_NULL(rte_vfio_user_dma_va(idle, slot_iova(0), 8, PROT_READ), "gone");
		DO(meanwhile());
		TEST_ASSERT_EQUAL(*va, POISON, "the section's mapping changed");
		TEST_ASSERT(rte_vfio_user_dma_va(reader, slot_iova(0), 8, PROT_READ) == va,
			    "the section's mapping changed");
		rte_vfio_user_dma_end(reader);
		pthread_join(thread, NULL);
		rte_vfio_user_dma_end(idle);
		TEST_ASSERT_EQUAL(stress.failed, 0u, "unmap");
		/* nobody is in a section, nor polls: nothing is waited for */
		DO(rte_vfio_user_client_dma_map(loop.client, maps, 1));
		DO(rte_vfio_user_client_dma_unmap(loop.client, &range, 1));
		DO(rte_vfio_user_client_dma_map(loop.client, maps, 1));
	}
	rte_vfio_user_server_dma_reader_destroy(reader);
	rte_vfio_user_server_dma_reader_destroy(idle);
	stop_other();
	return TEST_SUCCESS;
}

#define CASE(fn) TEST_CASE_ST(setup, teardown, fn)

static struct unit_test_suite dma_stress_suite = {
	.suite_name = "vfio-user DMA while mappings change",
	.unit_test_cases = {
		CASE(test_long_section),
		CASE(test_stress),
		TEST_CASES_END()
	},
};

static int
test_vfio_user_dma_stress(void)
{
	return unit_test_suite_runner(&dma_stress_suite);
}

REGISTER_TEST_COMMAND(vfio_user_dma_stress_autotest, test_vfio_user_dma_stress);
