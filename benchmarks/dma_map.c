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
#define PAIRS 40u
#define SLICES 15u
#define FILL 512u

/* filling takes that long at most, or the rest is not measured */
#define FILL_NS (UINT64_C(8) * 1000 * 1000 * 1000)

/* other mappings; the measured one comes besides */
static const uint32_t steps[] = { 1, 8, 64, 512, 4096, 32768, MAX_MAPS - 1 };
#define QUICK_STEPS 4u

static int memfd;
static uint32_t seed = 1;

/* A device in a process of its own, and its client. */
struct mapped {
	struct bench_peer peer;
	struct rte_vfio_user_client *client;
	uint32_t nb; /* other mappings */
	int ret; /* of making them */
};

static void
serve(int fd, const uint32_t *go, void *arg)
{
	struct rte_vfio_user_server *srv = device_once(fd);

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

/* Map so many even slots: 0 or a negative errno. */
static int
fill(struct rte_vfio_user_client *client, uint32_t to)
{
	struct rte_vfio_user_dma_map maps[FILL];
	uint64_t start = bench_ns();
	uint32_t nb, from = 0;
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

static void
create_mapped(struct mapped *m, uint32_t nb)
{
	m->nb = nb;
	bench_peer_create(&m->peer, serve, NULL);
	bench_peer_start(&m->peer);
	m->client = device_client(dup(m->peer.fd));
	m->ret = fill(m->client, nb);
	bench_peer_stop(&m->peer);
}

/* Maps and unmaps, at random places between the others. */
static double
map_and_unmap(uint32_t rounds, void *arg)
{
	struct mapped *m = arg;
	struct rte_vfio_user_dma_range range = { .size = PAGE };
	struct rte_vfio_user_dma_map map;
	uint64_t start;
	uint32_t i;
	int ret = 0;

	bench_peer_start(&m->peer);
	start = bench_ns();
	for (i = 0; i < rounds && ret == 0; i++) {
		seed = seed * 1103515245 + 12345;
		map = slot(2 * ((seed >> 8) % m->nb) + 1);
		range.iova = map.iova;
		ret = rte_vfio_user_client_dma_map(m->client, &map, 1);
		if (ret == 0)
			ret = rte_vfio_user_client_dma_unmap(m->client, &range, 1);
	}
	if (ret < 0) {
		errno = -ret;
		bench_die("cannot map a page besides %u others", m->nb);
	}
	start = bench_ns() - start;
	bench_peer_stop(&m->peer);
	return (double)start / rounds;
}

static void
report(const struct mapped *m, const struct bench_way *way, const struct bench_way *one)
{
	char name[64];

	snprintf(name, sizeof(name), "DMA map and unmap, %u mapped", m->nb);
	if (m->client == NULL)
		bench_skip(name, "not with --quick");
	else if (m->ret < 0)
		bench_skip(name, "cannot map so many: %s", strerror(-m->ret));
	else
		bench_report_ways(name, "ns", way, one,
				  m->nb == MAX_MAPS - 1 ? "ratio <= 1.5" : NULL);
}

int
main(int argc, char **argv)
{
	static struct mapped mapped[RTE_DIM(steps)];
	struct bench_way ways[RTE_DIM(steps)], *ready[RTE_DIM(steps)];
	uint32_t i, nb = 0;

	bench_init(argc, argv);
	memfd = memfd_create("bench", MFD_CLOEXEC);
	if (memfd < 0 || ftruncate(memfd, 2 * MAX_MAPS * (off_t)PAGE) < 0)
		bench_die("memfd");
	for (i = 0; i < RTE_DIM(steps); i++) {
		mapped[i].nb = steps[i];
		ways[i] = (struct bench_way){ .run = map_and_unmap, .arg = &mapped[i] };
		if (bench.quick && i >= QUICK_STEPS)
			continue;
		create_mapped(&mapped[i], steps[i]);
		if (mapped[i].ret == 0)
			ready[nb++] = &ways[i];
	}
	bench_interleave(ready, nb, bench_scale(PAIRS), SLICES);
	for (i = 0; i < RTE_DIM(steps); i++)
		report(&mapped[i], &ways[i], &ways[0]);
	for (i = 0; i < RTE_DIM(steps); i++) {
		if (mapped[i].client == NULL)
			continue;
		bench_peer_destroy(&mapped[i].peer);
		rte_vfio_user_client_destroy(mapped[i].client);
	}
	return 0;
}
