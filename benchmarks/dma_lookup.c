/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

/*
 * Address translation on the data path: rte_vfio_user_dma_va(), 32 lookups to
 * a read section, against rte_vhost_va_from_guest_pa() over the same regions.
 * The addresses are random over all regions, so that finding the last one
 * again is luck; a second row stays within one region.
 */

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bench.h"
#include "device.h"
#include "reader_code.h"

#ifdef BENCH_HAS_VHOST
#include <rte_vhost.h>
#endif

#define PAGE UINT64_C(4096)
#define MAX_MAPS 65535u
#define NB_ADDRS 8192u /* power of two, less than a first-level cache of bytes */
#define SLICES 9u
#define SLICE_LOOKUPS (1u << 18)
/* regions looked at by vhost in a slice, half of them for each address */
#define SLICE_STEPS (UINT32_C(1) << 24)
#define FILL 512u
#define FILL_NS (UINT64_C(8) * 1000 * 1000 * 1000)

static const uint32_t steps[] = { 1, 8, 64, 512, 4096, MAX_MAPS };
#define QUICK_STEPS 4u

/* Region i; every other page stays a hole, so that none can be merged. */
#define IOVA(i) ((i) * 2 * PAGE)

static int memfd;
static uint64_t addrs[NB_ADDRS];
/* the compiler must not drop the lookups */
static volatile uintptr_t sink;

/* ----------------------------------------------------------------- filling */

struct filler {
	struct rte_vfio_user_client *client;
	uint32_t from;
	uint32_t to;
	int ret;
	bool done;
};

/* The client waits for its replies in a thread: this one polls the device. */
static void *
fill_thread(void *arg)
{
	struct filler *f = arg;
	struct rte_vfio_user_dma_map maps[FILL];
	uint64_t start = bench_ns();
	uint32_t nb;

	while (f->from < f->to && f->ret == 0) {
		for (nb = 0; nb < FILL && f->from < f->to; nb++, f->from++)
			maps[nb] = (struct rte_vfio_user_dma_map){
				.iova = IOVA(f->from),
				.size = PAGE,
				.prot = PROT_READ | PROT_WRITE,
				.fd = memfd,
				.fd_offset = IOVA(f->from),
			};
		f->ret = rte_vfio_user_client_dma_map(f->client, maps, nb);
		if (f->ret == 0 && f->from < f->to && bench_ns() - start > FILL_NS)
			f->ret = -ETIME;
	}
	__atomic_store_n(&f->done, true, __ATOMIC_RELEASE);
	return NULL;
}

/* 0 or a negative errno. */
static int
fill(struct rte_vfio_user_server *srv, struct rte_vfio_user_client *client,
     uint32_t from, uint32_t to)
{
	struct filler f = { .client = client, .from = from, .to = to };
	pthread_t thread;

	if (pthread_create(&thread, NULL, fill_thread, &f) != 0)
		bench_die("cannot create a thread");
	while (!__atomic_load_n(&f.done, __ATOMIC_ACQUIRE))
		rte_vfio_user_server_poll(srv);
	pthread_join(thread, NULL);
	return f.ret;
}

static void
choose_addrs(uint32_t nb_regions)
{
	uint64_t state = 1;
	uint32_t i;

	for (i = 0; i < NB_ADDRS; i++) {
		state = state * UINT64_C(6364136223846793005) + 1442695040888963407;
		addrs[i] = IOVA((state >> 33) % nb_regions) +
			((state >> 20) & (PAGE - 1) & ~UINT64_C(3));
	}
}

/* ------------------------------------------------------------- lookups */

static double
look_up(uint32_t rounds, void *arg)
{
	struct rte_vfio_user_dma_reader *reader = arg;
	uint64_t start = bench_ns();
	uintptr_t sum = 0;
	uint32_t i;

	for (i = 0; i < rounds; i += READER_BURST)
		sum += reader_burst(reader, &addrs[i % NB_ADDRS]);
	sink = sum;
	return (double)(bench_ns() - start) / rounds;
}

#ifdef BENCH_HAS_VHOST
/* A linear search: fewer lookups the more regions there are. */
static double
look_up_vhost(uint32_t rounds, void *arg)
{
	struct rte_vhost_memory *mem = arg;
	const uint32_t most = bench_scale(SLICE_STEPS) / mem->nregions;
	uint64_t start, len;
	uintptr_t sum = 0;
	uint32_t i;

	rounds = RTE_MIN(rounds, most);
	start = bench_ns();
	for (i = 0; i < rounds; i++) {
		len = 4;
		sum += rte_vhost_va_from_guest_pa(mem, addrs[i % NB_ADDRS], &len);
	}
	sink = sum;
	return (double)(bench_ns() - start) / rounds;
}

static struct rte_vhost_memory *
vhost_memory(const struct rte_vfio_user_server *srv, uint32_t nb)
{
	struct rte_vhost_memory *mem =
		calloc(1, sizeof(*mem) + nb * sizeof(mem->regions[0]));
	struct rte_vfio_user_dma_info info;
	uint32_t i;

	if (mem == NULL)
		bench_die("memory");
	mem->nregions = nb;
	for (i = 0; i < nb; i++) {
		errno = -rte_vfio_user_server_dma_lookup(srv, IOVA(i), &info);
		if (errno != 0)
			bench_die("mapping %u is missing", i);
		mem->regions[i].guest_phys_addr = info.iova;
		mem->regions[i].size = info.size;
		mem->regions[i].host_user_addr = (uintptr_t)info.va;
	}
	return mem;
}

/* Both must find the same. */
static void
check_same(struct rte_vfio_user_dma_reader *reader, struct rte_vhost_memory *mem)
{
	uint32_t i, nb = RTE_MIN(NB_ADDRS, 512u);
	uint64_t len;
	void *va;

	rte_vfio_user_dma_begin(reader);
	for (i = 0; i < nb; i++) {
		len = 4;
		va = rte_vfio_user_dma_va(reader, addrs[i], 4, PROT_READ);
		if (va == NULL || (uintptr_t)va !=
		    rte_vhost_va_from_guest_pa(mem, addrs[i], &len))
			bench_die("the two translate an address differently");
	}
	rte_vfio_user_dma_end(reader);
}

static void
compare(const char *name, struct rte_vfio_user_server *srv,
	struct rte_vfio_user_dma_reader *reader, uint32_t nb, const char *target)
{
	struct rte_vhost_memory *mem = vhost_memory(srv, nb);
	struct bench_way lib = { .run = look_up, .arg = reader };
	struct bench_way vhost = { .run = look_up_vhost, .arg = mem };
	struct bench_way *const ways[] = { &lib, &vhost };

	check_same(reader, mem);
	bench_interleave(ways, RTE_DIM(ways), bench_scale(SLICE_LOOKUPS), SLICES);
	bench_report_ways(name, "ns", &lib, &vhost, target);
	free(mem);
}
#else
static void
compare(const char *name, struct rte_vfio_user_server *srv,
	struct rte_vfio_user_dma_reader *reader, uint32_t nb, const char *target)
{
	RTE_SET_USED(srv);
	RTE_SET_USED(reader);
	RTE_SET_USED(nb);
	RTE_SET_USED(target);
	bench_skip(name, "librte_vhost is missing");
}
#endif

static double
time_alone(struct rte_vfio_user_dma_reader *reader)
{
	struct bench_way lib = { .run = look_up, .arg = reader };
	struct bench_way *const ways[] = { &lib };

	bench_interleave(ways, RTE_DIM(ways), bench_scale(SLICE_LOOKUPS), SLICES);
	return bench_way_median(&lib);
}

/* ----------------------------------------------------------------- rows */

static void
one_region(struct rte_vfio_user_server *srv, struct rte_vfio_user_dma_reader *reader,
	   uint32_t nb_regions)
{
	char name[64];
	uint32_t i;

	for (i = 0; i < NB_ADDRS; i++)
		addrs[i] = IOVA(nb_regions / 2) + (i * 64) % PAGE;
	snprintf(name, sizeof(name), "iova to address, one of %u regions", nb_regions);
	compare(name, srv, reader, nb_regions, NULL);
}

static void
run(struct rte_vfio_user_server *srv, struct rte_vfio_user_client *client,
    struct rte_vfio_user_dma_reader *reader)
{
	static const char *const targets[RTE_DIM(steps)] = {
		NULL, "ratio <= 0.5", NULL, "ratio <= 0.1", NULL, NULL };
	const char *const growth = "iova to address, 65535 regions against 8";
	const uint32_t nb_steps = bench.quick ? QUICK_STEPS : RTE_DIM(steps);
	struct bench_row row = { .name = growth, .unit = "ns", .target = "ratio <= 16" };
	char name[64];
	uint32_t i, have = 0;
	int ret = 0;

	for (i = 0; i < RTE_DIM(steps); i++) {
		snprintf(name, sizeof(name), "iova to address, %u regions", steps[i]);
		if (i >= nb_steps) {
			bench_skip(name, "not with --quick");
			continue;
		}
		if (ret == 0)
			ret = fill(srv, client, have, steps[i]);
		if (ret < 0) {
			bench_skip(name, "cannot map so many: %s", strerror(-ret));
			continue;
		}
		have = steps[i];
		choose_addrs(have);
		compare(name, srv, reader, have, targets[i]);
		row.value = time_alone(reader);
		if (have == 8)
			row.base = row.value;
		else if (have == 512)
			one_region(srv, reader, have);
	}
	if (have == MAX_MAPS)
		bench_report(&row);
	else if (ret == 0)
		bench_skip(growth, "not with --quick");
	else
		bench_skip(growth, "cannot map so many: %s", strerror(-ret));
}

int
main(int argc, char **argv)
{
	struct rte_vfio_user_dma_reader *reader;
	struct rte_vfio_user_client *client;
	struct rte_vfio_user_server *srv;
	int pair[2];

	bench_init(argc, argv);
	memfd = memfd_create("bench", MFD_CLOEXEC);
	if (memfd < 0 || ftruncate(memfd, 2 * MAX_MAPS * (off_t)PAGE) < 0)
		bench_die("memfd");
	bench_socketpair(pair);
	srv = device_create(pair[0]);
	client = device_client_here(srv, pair[1]);
	reader = rte_vfio_user_server_dma_reader_create(srv);
	if (reader == NULL)
		bench_die("cannot create a reader");
	run(srv, client, reader);
	rte_vfio_user_server_dma_reader_destroy(reader);
	rte_vfio_user_client_destroy(client);
	rte_vfio_user_server_destroy(srv);
	return 0;
}
