/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

/*
 * The device side of a ring: 64-byte buffers from available descriptor to local
 * address and back to used, by the burst, the first line of each buffer touched.
 * Compared with a bare walk, which reads the same descriptors and entries,
 * touches and writes the same lines, and checks nothing.
 *
 * The driver is this thread, too, between the turns, which are timed without it.
 */

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>

#include <rte_cycles.h>
#include <rte_virtio_ring.h>

#include "bench.h"
#include "device.h"

#define SIZE 256u /* entries, as DPDK's virtio drivers use by default */
#define BURST 64u
#define BUF_SIZE 64u
#define BUF_STRIDE 2368u /* as those of a packet pool lie */
#define SLICES 63u
#define SLICE_TURNS 250u

#define IOVA UINT64_C(0x40000000)
#define MEM_SIZE (UINT64_C(4) << 20)
#define DESC 0u
#define DRIVER (64u << 10)
#define DEVICE (128u << 10)
#define BUFS (1u << 20)

#define F_PACKED (UINT64_C(1) << VIRTIO_F_RING_PACKED)
#define AVAIL (1u << VRING_PACKED_DESC_F_AVAIL)
#define USED (1u << VRING_PACKED_DESC_F_USED)

struct bench_ring {
	uint8_t *mem; /* the driver's */
	uint64_t delta; /* from an address of the client to one of the device */
	struct rte_vfio_user_dma_reader *reader;
	struct rte_virtio_ring ring;
	uint16_t flags; /* of the descriptors: which side writes */
	uint32_t written[BURST];
	uint32_t turn; /* of packed rings, and the driver's index in turns */
	/* the bare walk's */
	uint8_t *desc, *driver, *device;
	uint16_t idx;
};

/* the compiler must not drop the reads */
static volatile uint32_t sink;

/* --------------------------------------------------------------- driver */

static void
make_available(struct bench_ring *b)
{
	struct vring_packed_desc *packed = (void *)(b->mem + DESC);
	struct vring_avail *avail = (void *)(b->mem + DRIVER);
	uint32_t i;

	b->turn++;
	if (!b->ring.packed) {
		__atomic_store_n(&avail->idx, (uint16_t)(b->turn * SIZE), __ATOMIC_RELEASE);
		return;
	}
	for (i = 0; i < SIZE; i++) {
		packed[i].len = BUF_SIZE;
		packed[i].flags = b->flags | (b->turn % 2 != 0 ? AVAIL : USED);
	}
}

static void
fill(struct bench_ring *b, uint64_t features, uint16_t flags)
{
	const struct rte_virtio_ring_conf conf = {
		.size = SIZE, .features = features,
		.desc = IOVA + DESC, .driver = IOVA + DRIVER, .device = IOVA + DEVICE,
	};
	struct vring_packed_desc *packed = (void *)(b->mem + DESC);
	struct vring_avail *avail = (void *)(b->mem + DRIVER);
	struct vring_desc *split = (void *)(b->mem + DESC);
	uint32_t i;

	errno = -rte_virtio_ring_init(&b->ring, &conf);
	if (errno != 0)
		bench_die("ring");
	memset(b->mem, 0, BUFS);
	b->turn = 0;
	b->idx = 0;
	b->flags = flags;
	for (i = 0; i < BURST; i++)
		b->written[i] = BUF_SIZE;
	for (i = 0; i < SIZE; i++) {
		split[i].addr = IOVA + BUFS + (uint64_t)i * BUF_STRIDE;
		if ((features & F_PACKED) != 0) {
			packed[i].id = (uint16_t)i;
			continue;
		}
		split[i].len = BUF_SIZE;
		split[i].flags = flags;
		avail->ring[i] = (uint16_t)i;
	}
}

/* --------------------------------------------------------------- device */

static uint32_t
turn_lib(struct bench_ring *b)
{
	struct rte_virtio_buf bufs[BURST];
	uint32_t sum = 0, done, i;
	int nb;

	for (done = 0; done < SIZE; done += (uint32_t)nb) {
		rte_vfio_user_dma_begin(b->reader);
		if (rte_virtio_ring_map(&b->ring, b->reader) < 0)
			bench_die("map");
		nb = rte_virtio_ring_pop_burst(&b->ring, bufs, BURST);
		if (nb <= 0)
			bench_die("ring");
		for (i = 0; i < (uint32_t)nb; i++)
			sum += bufs[i].len + *(const uint32_t *)bufs[i].va;
		rte_virtio_ring_push_burst(&b->ring, bufs, b->flags != 0 ? b->written : NULL,
					   (uint16_t)nb);
		rte_virtio_ring_publish(&b->ring);
		rte_vfio_user_dma_end(b->reader);
	}
	return sum;
}

static uint32_t
turn_bare_split(struct bench_ring *b)
{
	const struct vring_desc *desc = (const void *)b->desc;
	const struct vring_avail *avail = (const void *)b->driver;
	struct vring_used *used = (void *)b->device;
	const uint32_t written = b->flags != 0 ? BUF_SIZE : 0;
	uint16_t head, idx = b->idx, i;
	uint32_t sum = 0;

	while (idx != __atomic_load_n(&avail->idx, __ATOMIC_ACQUIRE)) {
		for (i = 0; i < BURST; i++, idx++) {
			head = avail->ring[idx % SIZE];
			sum += desc[head].len +
				*(const uint32_t *)(uintptr_t)(desc[head].addr + b->delta);
			used->ring[idx % SIZE].id = head;
			used->ring[idx % SIZE].len = written;
		}
		__atomic_store_n(&used->idx, idx, __ATOMIC_RELEASE);
	}
	b->idx = idx;
	return sum;
}

static uint32_t
turn_bare_packed(struct bench_ring *b)
{
	struct vring_packed_desc *desc = (void *)b->desc;
	const uint16_t flags = b->turn % 2 != 0 ? AVAIL : USED;
	const uint16_t used = (b->turn % 2 != 0 ? AVAIL | USED : 0) | b->flags;
	const uint32_t written = b->flags != 0 ? BUF_SIZE : 0;
	uint32_t sum = 0, pos = 0, i;

	for (; pos < SIZE; pos += BURST) {
		for (i = pos; i < pos + BURST; i++) {
			if ((__atomic_load_n(&desc[i].flags, __ATOMIC_ACQUIRE) &
			     (AVAIL | USED)) != flags)
				bench_die("ring");
			sum += desc[i].len +
				*(const uint32_t *)(uintptr_t)(desc[i].addr + b->delta);
			desc[i].len = written;
			if (i != pos)
				desc[i].flags = used;
		}
		__atomic_store_n(&desc[pos].flags, used, __ATOMIC_RELEASE);
	}
	return sum;
}

/* ------------------------------------------------------------- contenders */

struct contender {
	struct bench_ring *ring;
	uint32_t (*turn)(struct bench_ring *b);
};

/* Nanoseconds for each descriptor, without the driver's part. */
static double
run(uint32_t rounds, void *arg)
{
	const struct contender *c = arg;
	uint64_t start, cycles = 0;
	uint32_t i;

	for (i = 0; i < rounds; i++) {
		make_available(c->ring);
		start = rte_rdtsc_precise();
		sink = c->turn(c->ring);
		cycles += rte_rdtsc_precise() - start;
	}
	return (double)cycles * bench_ns_per_cycle() / rounds / SIZE;
}

static void
compare(const char *name, struct bench_ring *lib, struct bench_ring *bare,
	uint64_t features, uint16_t flags)
{
	struct contender by_lib = { lib, turn_lib };
	struct contender by_hand = { bare, (features & F_PACKED) != 0 ? turn_bare_packed :
		turn_bare_split };
	struct bench_way way = { .run = run, .arg = &by_lib };
	struct bench_way base = { .run = run, .arg = &by_hand };
	struct bench_way *const ways[] = { &way, &base };

	fill(lib, features, flags);
	fill(bare, features, flags);
	bench_interleave(ways, RTE_DIM(ways), bench_scale(SLICE_TURNS), SLICES);
	bench_report(&(struct bench_row){ .name = name, .unit = "1/s",
		.value = 1e9 / bench_way_median(&way), .base = 1e9 / bench_way_median(&base),
		.ratio = bench_way_ratio(&way, &base), /* of the times */
		.target = "ratio <= 2.5" });
}

static double
begin_and_map(uint32_t rounds, void *arg)
{
	struct bench_ring *b = arg;
	uint64_t start = bench_ns();
	uint32_t i;

	for (i = 0; i < rounds; i++) {
		rte_vfio_user_dma_begin(b->reader);
		sink = (uint32_t)rte_virtio_ring_map(&b->ring, b->reader);
		rte_vfio_user_dma_end(b->reader);
	}
	return (double)(bench_ns() - start) / rounds;
}

static double
begin_only(uint32_t rounds, void *arg)
{
	struct bench_ring *b = arg;
	uint64_t start = bench_ns();
	uint32_t i;

	for (i = 0; i < rounds; i++) {
		rte_vfio_user_dma_begin(b->reader);
		sink = (uint32_t)(rte_vfio_user_dma_va(b->reader, IOVA, 1, PROT_READ) == NULL);
		rte_vfio_user_dma_end(b->reader);
	}
	return (double)(bench_ns() - start) / rounds;
}

static void
time_sections(struct bench_ring *b)
{
	struct bench_way way = { .run = begin_and_map, .arg = b };
	struct bench_way base = { .run = begin_only, .arg = b };
	struct bench_way *const ways[] = { &way, &base };

	fill(b, 0, 0);
	bench_interleave(ways, RTE_DIM(ways), bench_scale(SLICE_TURNS * SIZE), SLICES);
	bench_report_ways("ring: section with its areas", "ns", &way, &base, NULL);
}

/* ---------------------------------------------------------------- set-up */

struct mapper {
	struct rte_vfio_user_client *client;
	struct rte_vfio_user_dma_map map;
	int ret;
	bool done;
};

static void *
map_thread(void *arg)
{
	struct mapper *m = arg;

	m->ret = rte_vfio_user_client_dma_map(m->client, &m->map, 1);
	__atomic_store_n(&m->done, true, __ATOMIC_RELEASE);
	return NULL;
}

/* The client's memory, where the device finds it. */
static void
share(struct rte_vfio_user_server *srv, struct rte_vfio_user_client *client,
      struct bench_ring *b)
{
	struct mapper m = { .client = client, .map = { .iova = IOVA, .size = MEM_SIZE,
		.prot = PROT_READ | PROT_WRITE, .fd = memfd_create("ring", MFD_CLOEXEC) } };
	struct rte_vfio_user_dma_info info;
	pthread_t thread;

	if (m.map.fd < 0 || ftruncate(m.map.fd, MEM_SIZE) < 0)
		bench_die("memfd");
	b->mem = mmap(NULL, MEM_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, m.map.fd, 0);
	if (b->mem == MAP_FAILED)
		bench_die("mmap");
	if (pthread_create(&thread, NULL, map_thread, &m) != 0)
		bench_die("cannot create a thread");
	while (!__atomic_load_n(&m.done, __ATOMIC_ACQUIRE))
		rte_vfio_user_server_poll(srv);
	pthread_join(thread, NULL);
	if (m.ret < 0 || rte_vfio_user_server_dma_lookup(srv, IOVA, &info) < 0)
		bench_die("cannot map");
	memset(info.va, 0, MEM_SIZE);
	b->delta = (uintptr_t)info.va - IOVA;
	b->desc = (uint8_t *)info.va + DESC;
	b->driver = (uint8_t *)info.va + DRIVER;
	b->device = (uint8_t *)info.va + DEVICE;
	close(m.map.fd);
}

int
main(int argc, char **argv)
{
	const uint64_t in_order = UINT64_C(1) << VIRTIO_F_IN_ORDER;
	struct rte_vfio_user_client *client;
	struct rte_vfio_user_server *srv;
	struct bench_ring lib = { 0 }, bare;
	int pair[2];

	bench_init(argc, argv);
	bench_socketpair(pair);
	srv = device_create(pair[0]);
	client = device_client_here(srv, pair[1]);
	share(srv, client, &lib);
	lib.reader = rte_vfio_user_server_dma_reader_create(srv);
	if (lib.reader == NULL)
		bench_die("cannot create a reader");
	bare = lib; /* they take turns in the same memory */
	compare("ring: split, read", &lib, &bare, 0, 0);
	compare("ring: split, written", &lib, &bare, 0, VRING_DESC_F_WRITE);
	compare("ring: split, read, in order", &lib, &bare, in_order, 0);
	compare("ring: packed, read", &lib, &bare, F_PACKED, 0);
	compare("ring: packed, written", &lib, &bare, F_PACKED, VRING_DESC_F_WRITE);
	compare("ring: packed, read, in order", &lib, &bare, F_PACKED | in_order, 0);
	time_sections(&lib);
	rte_vfio_user_server_dma_reader_destroy(lib.reader);
	rte_vfio_user_client_destroy(client);
	rte_vfio_user_server_destroy(srv);
	return 0;
}
