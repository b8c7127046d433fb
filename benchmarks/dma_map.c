/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

/*
 * Mapping and unmapping 4 KiB by DMA_MAP and DMA_UNMAP while so many other
 * mappings exist, all of one file, the device in another process.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bench.h"
#include "device.h"

#define PAGE UINT64_C(4096)
#define MAX_MAPS 65535u
#define PAIRS 200u
#define SLICES 5u
#define FILL 512u

/* filling takes that long at most, or the rest is not measured */
#define FILL_NS (UINT64_C(8) * 1000 * 1000 * 1000)

/* other mappings; the measured one comes besides */
static const uint32_t steps[] = { 1, 8, 64, 512, 4096, 32768, MAX_MAPS - 1 };
#define QUICK_STEPS 4u

static int memfd;
static uint32_t seed = 1;

static void
serve(int fd, const uint32_t *go, void *arg)
{
	struct rte_vfio_user_server *srv = device_create(fd);

	RTE_SET_USED(arg);
	while (bench_peer_goes(go))
		rte_vfio_user_server_poll(srv);
}

/* Slots alternate: the even ones stay mapped, an odd one is measured. */
static struct rte_vfio_user_dma_map
slot(uint32_t i)
{
	return (struct rte_vfio_user_dma_map){
		.iova = i * PAGE,
		.size = PAGE,
		.prot = PROT_READ | PROT_WRITE,
		.fd = memfd,
		.fd_offset = i * PAGE,
	};
}

/* Map the even slots [from, to): 0 or a negative errno. */
static int
fill(struct rte_vfio_user_client *client, uint32_t from, uint32_t to)
{
	struct rte_vfio_user_dma_map maps[FILL];
	uint64_t start = bench_ns();
	uint32_t nb;
	int ret = 0;

	while (from < to && ret == 0) {
		for (nb = 0; nb < FILL && from < to; nb++, from++)
			maps[nb] = slot(2 * from);
		ret = rte_vfio_user_client_dma_map(client, maps, nb);
		if (ret == 0 && from < to && bench_ns() - start > FILL_NS)
			ret = -ETIME;
	}
	return ret;
}

/* Nanoseconds of one map and unmap, at random places between the others. */
static double
measure(struct rte_vfio_user_client *client, uint32_t nb)
{
	struct rte_vfio_user_dma_range range = { .size = PAGE };
	struct rte_vfio_user_dma_map map;
	const uint32_t pairs = bench_scale(PAIRS);
	uint64_t start = bench_ns();
	uint32_t i;
	int ret = 0;

	for (i = 0; i < pairs && ret == 0; i++) {
		seed = seed * 1103515245 + 12345;
		map = slot(2 * ((seed >> 8) % nb) + 1);
		range.iova = map.iova;
		ret = rte_vfio_user_client_dma_map(client, &map, 1);
		if (ret == 0)
			ret = rte_vfio_user_client_dma_unmap(client, &range, 1);
	}
	if (ret < 0) {
		errno = -ret;
		bench_die("cannot map a page besides %u others", nb);
	}
	return (double)(bench_ns() - start) / pairs;
}

static double
measure_median(struct rte_vfio_user_client *client, uint32_t nb)
{
	double slices[SLICES];
	uint32_t i;

	measure(client, nb); /* warm up */
	for (i = 0; i < SLICES; i++)
		slices[i] = measure(client, nb);
	return bench_median(slices, SLICES);
}

static void
run(struct rte_vfio_user_client *client)
{
	const uint32_t nb_steps = bench.quick ? QUICK_STEPS : RTE_DIM(steps);
	char name[64];
	struct bench_row row = { .name = name, .unit = "ns" };
	uint32_t i, have = 0;
	int ret = 0;

	for (i = 0; i < RTE_DIM(steps); i++) {
		snprintf(name, sizeof(name), "DMA map and unmap, %u mapped", steps[i]);
		if (i >= nb_steps) {
			bench_skip(name, "not with --quick");
			continue;
		}
		if (ret == 0)
			ret = fill(client, have, steps[i]);
		if (ret < 0) {
			bench_skip(name, "cannot map so many: %s", strerror(-ret));
			continue;
		}
		have = steps[i];
		row.value = measure_median(client, have);
		if (i == 0)
			row.base = row.value;
		row.target = steps[i] == MAX_MAPS - 1 ? "ratio <= 1.5" : NULL;
		bench_report(&row);
	}
}

int
main(int argc, char **argv)
{
	struct rte_vfio_user_client *client;
	struct bench_peer peer;

	bench_init(argc, argv);
	memfd = memfd_create("bench", MFD_CLOEXEC);
	if (memfd < 0 || ftruncate(memfd, 2 * MAX_MAPS * (off_t)PAGE) < 0)
		bench_die("memfd");
	bench_peer_create(&peer, serve, NULL);
	bench_peer_start(&peer);
	client = device_client(dup(peer.fd));
	run(client);
	bench_peer_destroy(&peer);
	rte_vfio_user_client_destroy(client);
	return 0;
}
