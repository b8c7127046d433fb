/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

/*
 * Round trip of a 4-byte read between two processes on two cpus: asleep in
 * epoll_wait() on both sides, polling on both sides, and a synchronous call to
 * a polling device. Each against the bare system calls of the same way.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "bare.h"
#include "bench.h"
#include "device.h"

#define SLICES 30u
#define SLEEP_ROUNDS 150u
#define SPIN_ROUNDS 1500u

/* What we drive: a client of the library or a bare socket. */
struct side {
	struct bench_peer peer;
	struct rte_vfio_user_client *client;
	struct bare bare;
	double (*rounds)(struct side *side, uint32_t rounds);
};

/* -------------------------------------------------------------- servers */

static void
device_sleeps(int fd, const uint32_t *go, void *arg)
{
	RTE_SET_USED(arg);
	device_serve_asleep(device_once(fd), go);
}

static void
device_spins(int fd, const uint32_t *go, void *arg)
{
	RTE_SET_USED(arg);
	device_serve_spinning(device_once(fd), go);
}

/* The application's epoll has the server's in it, as the library's must. */
static void
bare_sleeps_nested(int fd, const uint32_t *go, void *arg)
{
	struct bare *bare = bare_once(fd);
	int epfd = bench_epoll(bare->epfd);
	struct epoll_event ev;

	RTE_SET_USED(arg);
	while (bench_peer_goes(go))
		if (epoll_wait(epfd, &ev, 1, -1) == 1 && bare_recv(bare) != 0)
			bare_send(bare, BARE_REPLY);
	close(epfd);
}

static void
bare_sleeps(int fd, const uint32_t *go, void *arg)
{
	struct bare *bare = bare_once(fd);

	RTE_SET_USED(arg);
	while (bench_peer_goes(go))
		if (bare_wait(bare, -1) && bare_recv(bare) != 0)
			bare_send(bare, BARE_REPLY);
}

static void
bare_spins(int fd, const uint32_t *go, void *arg)
{
	struct bare *bare = bare_once(fd);

	RTE_SET_USED(arg);
	while (bench_peer_goes(go))
		bare_serve_spin(bare);
}

static void
bare_spins_in_recv(int fd, const uint32_t *go, void *arg)
{
	struct bare *bare = bare_once(fd);

	RTE_SET_USED(arg);
	while (bench_peer_goes(go))
		if (bare_recv(bare) != 0)
			bare_send(bare, BARE_REPLY);
}

/* -------------------------------------------------------------- clients */

static double
client_sync(struct side *side, uint32_t rounds)
{
	return device_time_reads(side->client, rounds);
}

static double
client_async(struct side *side, uint32_t rounds)
{
	return device_time_polled_reads(side->client, rounds);
}

static double
bare_sync(struct side *side, uint32_t rounds)
{
	uint64_t start = bench_ns();
	uint32_t i;

	for (i = 0; i < rounds; i++) {
		bare_send(&side->bare, BARE_REQUEST);
		do {
			bare_wait(&side->bare, -1);
		} while (bare_recv(&side->bare) == 0);
	}
	return (double)(bench_ns() - start) / rounds;
}

static double
bare_poll(struct side *side, uint32_t rounds)
{
	uint64_t start = bench_ns();
	uint32_t i;

	for (i = 0; i < rounds; i++) {
		bare_send(&side->bare, BARE_REQUEST);
		while (!bare_wait(&side->bare, 0) || bare_recv(&side->bare) == 0)
			;
	}
	return (double)(bench_ns() - start) / rounds;
}

static double
bare_poll_recv(struct side *side, uint32_t rounds)
{
	uint64_t start = bench_ns();
	uint32_t i;

	for (i = 0; i < rounds; i++) {
		bare_send(&side->bare, BARE_REQUEST);
		while (bare_recv(&side->bare) == 0)
			;
	}
	return (double)(bench_ns() - start) / rounds;
}

/* ----------------------------------------------------------------- rows */

/*
 * One slice: the peer runs, the first rounds are not counted. A peer that
 * sleeps does not see that it shall stop, nor need it.
 */
static double
run_side(uint32_t rounds, void *arg)
{
	struct side *side = arg;
	double ns;

	bench_peer_start(&side->peer);
	side->rounds(side, RTE_MAX(rounds / 10, 1u));
	ns = side->rounds(side, rounds);
	bench_peer_stop(&side->peer);
	return ns;
}

static void
create_side(struct bench_way *way, bench_peer_body_t body,
	    double (*rounds)(struct side *side, uint32_t rounds))
{
	struct side *side = calloc(1, sizeof(*side));

	if (side == NULL)
		bench_die("memory");
	side->rounds = rounds;
	bench_peer_create(&side->peer, body, NULL);
	way->run = run_side;
	way->arg = side;
	if (rounds == client_sync || rounds == client_async) {
		bench_peer_start(&side->peer);
		side->client = device_client(dup(side->peer.fd));
		bench_peer_stop(&side->peer);
	} else {
		bare_init(&side->bare, side->peer.fd);
	}
}

static void
destroy_side(struct bench_way *way)
{
	struct side *side = way->arg;

	bench_peer_destroy(&side->peer);
	rte_vfio_user_client_destroy(side->client);
	if (side->client == NULL)
		close(side->bare.epfd);
	free(side);
}

static void
sleeping(void)
{
	struct bench_way lib, nested, direct;
	struct bench_way *const ways[] = { &lib, &nested, &direct };
	uint32_t i;

	create_side(&lib, device_sleeps, client_sync);
	create_side(&nested, bare_sleeps_nested, bare_sync);
	create_side(&direct, bare_sleeps, bare_sync);
	bench_interleave(ways, RTE_DIM(ways), bench_scale(SLEEP_ROUNDS), SLICES);
	bench_report_ways("round trip, asleep", "ns", &lib, &nested, "ratio <= 1.05");
	bench_report_ways("round trip, asleep, bare one-level epoll", "ns", &lib, &direct, NULL);
	for (i = 0; i < RTE_DIM(ways); i++)
		destroy_side(ways[i]);
}

static void
spinning(void)
{
	struct bench_way lib, sync, bare, recv_only, woken;
	struct bench_way *const ways[] = { &lib, &bare, &recv_only, &sync, &woken };
	uint32_t i;

	create_side(&lib, device_spins, client_async);
	create_side(&bare, bare_spins, bare_poll);
	create_side(&recv_only, bare_spins_in_recv, bare_poll_recv);
	create_side(&sync, device_spins, client_sync);
	create_side(&woken, bare_spins, bare_sync);
	bench_interleave(ways, RTE_DIM(ways), bench_scale(SPIN_ROUNDS), SLICES);
	bench_report_ways("round trip, polling", "ns", &lib, &bare, "ratio <= 1.10");
	bench_report_ways("round trip, polling, bare recvmsg only", "ns", &lib, &recv_only, NULL);
	bench_report_ways("round trip, synchronous client", "ns", &sync, &woken, "ratio <= 1.10");
	for (i = 0; i < RTE_DIM(ways); i++)
		destroy_side(ways[i]);
}

int
main(int argc, char **argv)
{
	bench_init(argc, argv);
	sleeping();
	spinning();
	return 0;
}
