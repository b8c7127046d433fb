/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

/*
 * How many small messages a second: writes without reply, 32 to a sendmsg(),
 * and reads with 32 in flight. The device polls on its own cpu. A write costs
 * the sender less than the device or more, so the device is measured three
 * ways: fed by the library's client, fed by sendmsg() of prepared messages,
 * and emptying a socket that was filled before.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <rte_pause.h>

#include "bare.h"
#include "bench.h"
#include "device.h"

#define SLICES 20u
#define WRITES 128000u
#define READS 4000u
#define BATCH 32u
#define DEPTH 32u
#define BACK_OFF_NS 10000u

/* of REGION_WRITE with NO_REPLY, see the specification */
#define COMMAND_WRITE 10
#define FLAG_NO_REPLY (1u << 4)

/* One wire message. */
struct write_msg {
	uint16_t id;
	uint16_t command;
	uint32_t size;
	uint32_t flags;
	uint32_t error;
	uint64_t offset;
	uint32_t region;
	uint32_t count;
	uint32_t data;
} __rte_packed;

/* What one contender needs; the peer process has a copy. */
struct stream {
	struct bench_peer peer;
	struct rte_vfio_user_client *client;
	struct bare bare;
	uint64_t *handled; /* shared: messages the peer has seen */
	uint64_t sent;
};

static struct write_msg batch[BATCH];

static void
fill_batch(void)
{
	uint32_t i;

	for (i = 0; i < BATCH; i++)
		batch[i] = (struct write_msg){
			.id = (uint16_t)i,
			.command = COMMAND_WRITE,
			.size = sizeof(batch[i]),
			.flags = FLAG_NO_REPLY,
			.count = sizeof(batch[i].data),
		};
}

/* One sendmsg() of the batch: false if the socket is full. */
static bool
send_batch(int fd)
{
	struct iovec iov = { .iov_base = batch, .iov_len = sizeof(batch) };
	struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t len = sendmsg(fd, &mh, MSG_DONTWAIT | MSG_NOSIGNAL);

	if (len == (ssize_t)sizeof(batch))
		return true;
	if (len >= 0 || errno != EAGAIN)
		bench_die("sendmsg of a batch");
	return false;
}

/* The socket is full: trying at once would only fight for its lock. */
static void
back_off(void)
{
	uint64_t start = bench_ns();

	while (bench_ns() - start < BACK_OFF_NS)
		rte_pause();
}

/* ---------------------------------------------------------------- peers */

static void
device_counts(int fd, const uint32_t *go, void *arg)
{
	struct rte_vfio_user_server *srv = device_once(fd);
	uint64_t *handled = arg;

	while (bench_peer_goes(go))
		if (rte_vfio_user_server_poll(srv) > 0)
			__atomic_store_n(handled, device_accesses, __ATOMIC_RELEASE);
}

static void
bare_counts(int fd, const uint32_t *go, void *arg)
{
	struct bare *bare = bare_once(fd);
	uint64_t *handled = arg;
	static uint64_t bytes;
	uint32_t len;

	bare->cap = BARE_BUF_BUSY;
	while (bench_peer_goes(go)) {
		len = bare_recv(bare);
		if (len == 0)
			continue;
		bytes += len;
		__atomic_store_n(handled, bytes / BARE_WRITE, __ATOMIC_RELEASE);
	}
}

/* Answers what one recvmsg() brought by one sendmsg(). */
static void
bare_answers(int fd, const uint32_t *go, void *arg)
{
	struct bare *bare = bare_once(fd);
	uint32_t bytes = 0, nb;

	RTE_SET_USED(arg);
	bare->cap = BARE_BUF_BUSY;
	while (bench_peer_goes(go)) {
		bytes += bare_recv(bare);
		nb = bytes / BARE_REQUEST;
		bytes %= BARE_REQUEST;
		if (nb != 0)
			bare_send(bare, nb * BARE_REPLY);
	}
}

/* --------------------------------------------------------------- writes */

static void
wait_handled(const struct stream *s)
{
	while (__atomic_load_n(s->handled, __ATOMIC_ACQUIRE) < s->sent)
		rte_pause();
}

static double
post_writes(uint32_t rounds, void *arg)
{
	struct stream *s = arg;
	uint32_t value = 0, i;
	uint64_t start;
	int ret;

	bench_peer_start(&s->peer);
	start = bench_ns();
	for (i = 0; i < rounds; ) {
		ret = rte_vfio_user_client_region_write_posted(s->client, 0, 0, &value,
							       sizeof(value));
		if (ret == 0)
			i++;
		else if (ret != -EAGAIN)
			bench_die("a posted write returned %d", ret);
	}
	rte_vfio_user_client_flush(s->client);
	s->sent += rounds;
	while (__atomic_load_n(s->handled, __ATOMIC_ACQUIRE) < s->sent)
		rte_vfio_user_client_poll(s->client);
	start = bench_ns() - start;
	bench_peer_stop(&s->peer);
	return (double)start / rounds;
}

static double
send_writes(uint32_t rounds, void *arg)
{
	struct stream *s = arg;
	uint64_t start;
	uint32_t i;

	bench_peer_start(&s->peer);
	start = bench_ns();
	for (i = 0; i < rounds; )
		if (send_batch(s->peer.fd))
			i += BATCH;
		else
			back_off();
	s->sent += i;
	wait_handled(s);
	start = bench_ns() - start;
	bench_peer_stop(&s->peer);
	return (double)start / i;
}

static void
create_stream(struct bench_way *way, bench_peer_body_t body,
	      double (*run)(uint32_t rounds, void *arg), bool is_library)
{
	struct stream *s = calloc(1, sizeof(*s));

	if (s == NULL)
		bench_die("memory");
	s->handled = bench_shared(sizeof(*s->handled));
	bench_peer_create(&s->peer, body, s->handled);
	way->run = run;
	way->arg = s;
	if (is_library) {
		bench_peer_start(&s->peer);
		s->client = device_client(dup(s->peer.fd));
		bench_peer_stop(&s->peer);
	} else {
		bare_init(&s->bare, s->peer.fd);
		s->bare.cap = BARE_BUF_BUSY;
	}
}

static void
destroy_streams(struct bench_way *const *ways, uint32_t nb)
{
	struct stream *s;

	while (nb-- != 0) {
		s = ways[nb]->arg;
		bench_peer_destroy(&s->peer);
		rte_vfio_user_client_destroy(s->client);
		if (s->client == NULL)
			close(s->bare.epfd);
		free(s);
	}
}

/* Messages a second, from nanoseconds for each. */
static void
report_rate(const char *name, struct bench_way *way, struct bench_way *base,
	    const char *target)
{
	const struct bench_row row = {
		.name = name,
		.unit = "1/s",
		.value = 1e9 / bench_way_median(way),
		.base = 1e9 / bench_way_median(base),
		.ratio = bench_way_ratio(base, way),
		.target = target,
	};

	bench_report(&row);
}

static void
posted_writes(void)
{
	struct bench_way lib, raw, bare;
	struct bench_way *const ways[] = { &lib, &raw, &bare };

	create_stream(&lib, device_counts, post_writes, true);
	create_stream(&raw, device_counts, send_writes, true);
	create_stream(&bare, bare_counts, send_writes, false);
	bench_interleave(ways, RTE_DIM(ways), bench_scale(WRITES), SLICES);
	report_rate("posted writes, library's client", &lib, &bare, NULL);
	report_rate("posted writes, prepared messages", &raw, &bare, "value >= 8e6");
	destroy_streams(ways, RTE_DIM(ways));
}

/* ------------------------------------------------------ emptying a socket */

struct drain {
	struct rte_vfio_user_server *srv;
	struct bare bare;
	int fd; /* the sender's */
};

static void
drain_device(struct drain *d, uint32_t nb)
{
	uint64_t until = device_accesses + nb;

	while (device_accesses < until)
		rte_vfio_user_server_poll(d->srv);
}

static void
drain_bare(struct drain *d, uint32_t nb)
{
	uint32_t left = nb * BARE_WRITE;

	while (left != 0)
		left -= bare_recv(&d->bare);
}

static double
drain(uint32_t rounds, void *arg)
{
	struct drain *d = arg;
	uint64_t start, spent = 0;
	uint32_t nb, done;

	for (done = 0; done < rounds; done += nb) {
		for (nb = 0; send_batch(d->fd); nb += BATCH)
			;
		start = bench_ns();
		if (d->srv != NULL)
			drain_device(d, nb);
		else
			drain_bare(d, nb);
		spent += bench_ns() - start;
	}
	return (double)spent / done;
}

static void
emptying(void)
{
	static struct drain lib_drain, bare_drain;
	struct bench_way lib = { .run = drain, .arg = &lib_drain };
	struct bench_way bare = { .run = drain, .arg = &bare_drain };
	struct bench_way *const ways[] = { &lib, &bare };
	struct rte_vfio_user_client *client;
	int pair[2];

	bench_socketpair(pair);
	lib_drain.srv = device_create(pair[0]);
	lib_drain.fd = dup(pair[1]);
	client = device_client_here(lib_drain.srv, pair[1]);
	bench_socketpair(pair);
	bare_init(&bare_drain.bare, pair[0]);
	bare_drain.bare.cap = BARE_BUF_BUSY;
	bare_drain.fd = pair[1];
	bench_interleave(ways, RTE_DIM(ways), bench_scale(WRITES), SLICES);
	report_rate("posted writes, filled socket", &lib, &bare, "value >= 8e6");
	rte_vfio_user_client_destroy(client);
	rte_vfio_user_server_destroy(lib_drain.srv);
}

/* ---------------------------------------------------------------- reads */

static double
read_library(struct stream *s, uint32_t rounds, bool corked)
{
	uint32_t started = 0, done = 0;
	uint64_t start;

	bench_peer_start(&s->peer);
	start = bench_ns();
	while (done < rounds) {
		if (corked)
			rte_vfio_user_client_cork(s->client);
		for (; started < rounds && started - done < DEPTH; started++)
			device_read_async(s->client, &done);
		if (corked)
			rte_vfio_user_client_flush(s->client);
		rte_vfio_user_client_poll(s->client);
	}
	start = bench_ns() - start;
	bench_peer_stop(&s->peer);
	return (double)start / rounds;
}

static double
read_singly(uint32_t rounds, void *arg)
{
	return read_library(arg, rounds, false);
}

static double
read_corked(uint32_t rounds, void *arg)
{
	return read_library(arg, rounds, true);
}

/* at_once: as many requests as there is room for in one sendmsg() */
static double
read_bare(struct stream *s, uint32_t rounds, bool at_once)
{
	uint32_t started = 0, done = 0, bytes = 0, nb;
	uint64_t start;

	bench_peer_start(&s->peer);
	start = bench_ns();
	while (done < rounds) {
		while (started < rounds && started - done < DEPTH) {
			nb = at_once ? RTE_MIN(rounds - started, DEPTH - (started - done)) : 1;
			bare_send(&s->bare, nb * BARE_REQUEST);
			started += nb;
		}
		if (!bare_wait(&s->bare, 0))
			continue;
		bytes += bare_recv(&s->bare);
		done += bytes / BARE_REPLY;
		bytes %= BARE_REPLY;
	}
	start = bench_ns() - start;
	bench_peer_stop(&s->peer);
	return (double)start / rounds;
}

static double
read_bare_singly(uint32_t rounds, void *arg)
{
	return read_bare(arg, rounds, false);
}

static double
read_bare_at_once(uint32_t rounds, void *arg)
{
	return read_bare(arg, rounds, true);
}

static void
pipelined_reads(void)
{
	struct bench_way lib, corked, singly, at_once;
	struct bench_way *const ways[] = { &lib, &corked, &singly, &at_once };

	create_stream(&lib, device_counts, read_singly, true);
	create_stream(&corked, device_counts, read_corked, true);
	create_stream(&singly, bare_answers, read_bare_singly, false);
	create_stream(&at_once, bare_answers, read_bare_at_once, false);
	bench_interleave(ways, RTE_DIM(ways), bench_scale(READS), SLICES);
	report_rate("reads, 32 in flight", &lib, &singly, NULL);
	report_rate("reads, 32 in flight, corked", &corked, &at_once, NULL);
	destroy_streams(ways, RTE_DIM(ways));
}

int
main(int argc, char **argv)
{
	bench_init(argc, argv);
	fill_batch();
	posted_writes();
	emptying();
	pipelined_reads();
	return 0;
}
