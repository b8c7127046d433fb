/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

/*
 * From nothing to the first register: connect, negotiate, read 4 bytes.
 * Against connect and two round trips of the same sizes with a bare server.
 * Both servers sleep in epoll_wait(). Parting is not measured, and the servers
 * get a moment to notice it.
 */

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <rte_errno.h>

#include "bare.h"
#include "bench.h"
#include "device.h"

#define SLICES 10u
#define ROUNDS 40u
#define CONNECT_MS 10000u
#define PARTING_US 200u

/* What a server process is told. */
struct place {
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
	uint32_t version_reply; /* bytes */
	uint32_t *listening; /* shared */
};

/* One contender. */
struct attacher {
	struct bench_peer peer;
	struct place place;
	uint32_t version_request; /* bytes */
	uint32_t flags; /* of the client */
};

/* --------------------------------------------- sizes of the negotiation */

/* Pass one message on, with its file descriptors; its size, 0: none is there. */
static uint32_t
pass_on(int from, int to)
{
	static union {
		char buf[CMSG_SPACE(RTE_VFIO_USER_MAX_MSG_FDS * sizeof(int))];
		struct cmsghdr align;
	} ctl;
	static uint8_t buf[BARE_BUF];
	struct iovec iov = { .iov_base = buf, .iov_len = sizeof(buf) };
	struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t len;

	mh.msg_control = ctl.buf;
	mh.msg_controllen = sizeof(ctl.buf);
	len = recvmsg(from, &mh, MSG_DONTWAIT);
	if (len <= 0)
		return 0;
	iov.iov_len = (size_t)len;
	if (sendmsg(to, &mh, MSG_NOSIGNAL) != len)
		bench_die("sendmsg");
	return (uint32_t)len;
}

struct connecting {
	struct rte_vfio_user_client_conf conf;
	struct rte_vfio_user_client *client;
};

static void *
connect_thread(void *arg)
{
	struct connecting *c = arg;
	struct rte_vfio_user_client *client = rte_vfio_user_client_create(&c->conf);

	if (client == NULL)
		bench_die("cannot create a client");
	__atomic_store_n(&c->client, client, __ATOMIC_RELEASE);
	return NULL;
}

/* Sit between a client and a device while they negotiate. */
static void
learn_sizes(struct attacher *a)
{
	struct connecting c = { .client = NULL };
	struct rte_vfio_user_server *srv;
	int ours[2], theirs[2];
	pthread_t thread;

	bench_socketpair(ours);
	bench_socketpair(theirs);
	srv = device_create(theirs[0]);
	rte_vfio_user_client_conf_init(&c.conf);
	c.conf.conn_fd = ours[0];
	c.conf.flags = a->flags;
	if (pthread_create(&thread, NULL, connect_thread, &c) != 0)
		bench_die("cannot create a thread");
	while (a->version_request == 0)
		a->version_request = pass_on(ours[1], theirs[1]);
	while (a->place.version_reply == 0) {
		rte_vfio_user_server_poll(srv);
		a->place.version_reply = pass_on(theirs[1], ours[1]);
	}
	pthread_join(thread, NULL);
	rte_vfio_user_client_destroy(c.client);
	rte_vfio_user_server_destroy(srv);
	close(ours[0]);
	close(ours[1]);
	close(theirs[1]);
}

/* -------------------------------------------------------------- servers */

static void
serve_device(int fd, const uint32_t *go, void *arg)
{
	const struct place *place = arg;
	struct rte_vfio_user_server *srv = device_listen(place->path);
	int epfd = bench_epoll(rte_vfio_user_server_fd(srv));
	struct epoll_event ev;

	RTE_SET_USED(fd);
	__atomic_store_n(place->listening, 1, __ATOMIC_RELEASE);
	while (bench_peer_goes(go))
		if (epoll_wait(epfd, &ev, 1, -1) == 1)
			rte_vfio_user_server_poll(srv);
}

static void
fill_address(struct sockaddr_un *addr, const char *path)
{
	memset(addr, 0, sizeof(*addr));
	addr->sun_family = AF_UNIX;
	memcpy(addr->sun_path, path, strlen(path));
}

static int
bare_listen(const char *path)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un addr;

	fill_address(&addr, path);
	if (fd < 0 || bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 ||
	    listen(fd, 16) < 0)
		bench_die("cannot listen");
	return fd;
}

/* One connection after the other: a VERSION, then reads, until it ends. */
static void
serve_bare(int fd, const uint32_t *go, void *arg)
{
	const struct place *place = arg;
	static struct bare bare;
	int listener = bare_listen(place->path), epfd = bench_epoll(listener);
	struct epoll_event ev = { .events = EPOLLIN };
	uint32_t reply = 0;

	RTE_SET_USED(fd);
	bare.fd = -1;
	bare.cap = BARE_BUF;
	__atomic_store_n(place->listening, 1, __ATOMIC_RELEASE);
	while (bench_peer_goes(go)) {
		if (epoll_wait(epfd, &ev, 1, -1) != 1)
			continue;
		if (ev.data.fd == listener) {
			bare.fd = accept4(listener, NULL, NULL,
					  SOCK_CLOEXEC | SOCK_NONBLOCK);
			ev.events = EPOLLIN;
			ev.data.fd = bare.fd;
			epoll_ctl(epfd, EPOLL_CTL_ADD, bare.fd, &ev);
			reply = place->version_reply;
		} else if (bare_try_recv(&bare) > 0) {
			bare_send(&bare, reply);
			reply = BARE_REPLY;
		} else {
			close(bare.fd);
		}
	}
}

/* -------------------------------------------------------------- clients */

static double
attach_client(uint32_t rounds, void *arg)
{
	struct attacher *a = arg;
	struct rte_vfio_user_client_conf conf;
	struct rte_vfio_user_client *client;
	uint64_t start, sum = 0;
	uint32_t i;

	rte_vfio_user_client_conf_init(&conf);
	conf.sock_path = a->place.path;
	conf.flags = a->flags;
	conf.connect_timeout_ms = CONNECT_MS;
	for (i = 0; i < rounds; i++) {
		start = bench_ns();
		client = rte_vfio_user_client_create(&conf);
		if (client == NULL) {
			errno = rte_errno;
			bench_die("cannot connect a client");
		}
		device_read(client);
		sum += bench_ns() - start;
		rte_vfio_user_client_destroy(client);
		usleep(PARTING_US);
	}
	return (double)sum / rounds;
}

static void
bare_call(struct bare *bare, uint32_t len)
{
	bare_send(bare, len);
	do {
		bare_wait(bare, -1);
	} while (bare_recv(bare) == 0);
}

static double
attach_bare(uint32_t rounds, void *arg)
{
	struct attacher *a = arg;
	static struct bare bare;
	struct sockaddr_un addr;
	uint64_t start, sum = 0;
	uint32_t i;
	int fd;

	fill_address(&addr, a->place.path);
	for (i = 0; i < rounds; i++) {
		start = bench_ns();
		fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		if (fd < 0 || connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0)
			bench_die("cannot connect");
		bare_open(&bare, fd);
		bare_call(&bare, a->version_request);
		bare_call(&bare, BARE_REQUEST);
		sum += bench_ns() - start;
		close(bare.epfd);
		close(fd);
		usleep(PARTING_US);
	}
	return (double)sum / rounds;
}

/* ----------------------------------------------------------------- rows */

static void
create_attacher(struct bench_way *way, struct attacher *a, const char *dir,
		const char *name, bench_peer_body_t body)
{
	size_t dir_len = strlen(dir);

	way->run = body == serve_device ? attach_client : attach_bare;
	way->arg = a;
	memcpy(a->place.path, dir, dir_len);
	a->place.path[dir_len] = '/';
	strcpy(&a->place.path[dir_len + 1], name);
	a->place.listening = bench_shared(sizeof(*a->place.listening));
	learn_sizes(a);
	bench_peer_create(&a->peer, body, &a->place);
	bench_peer_start(&a->peer);
	while (__atomic_load_n(a->place.listening, __ATOMIC_ACQUIRE) == 0)
		usleep(1000);
}

int
main(int argc, char **argv)
{
	static struct attacher lib, bare, single;
	struct bench_way lib_way, bare_way, single_way;
	struct bench_way *const ways[] = { &lib_way, &bare_way, &single_way };
	char dir[] = "/tmp/bench-XXXXXX";
	uint32_t i;

	bench_init(argc, argv);
	if (mkdtemp(dir) == NULL)
		bench_die("mkdtemp");
	single.flags = RTE_VFIO_USER_CLIENT_F_NO_TWIN_SOCKET;
	create_attacher(&lib_way, &lib, dir, "device", serve_device);
	create_attacher(&bare_way, &bare, dir, "bare", serve_bare);
	create_attacher(&single_way, &single, dir, "single", serve_device);
	bench_interleave(ways, RTE_DIM(ways), bench_scale(ROUNDS), SLICES);
	bench_report_ways("attach to first read", "ns", &lib_way, &bare_way, "ratio <= 1.5");
	bench_report_ways("attach to first read, no twin socket", "ns", &single_way,
			  &bare_way, NULL);
	for (i = 0; i < RTE_DIM(ways); i++) {
		struct attacher *a = ways[i]->arg;

		bench_peer_destroy(&a->peer);
		unlink(a->place.path);
	}
	rmdir(dir);
	return 0;
}
