/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <rte_errno.h>

#include "bench.h"
#include "device.h"

/* where asynchronous reads store what nobody looks at */
static uint32_t sink;

uint64_t device_accesses;

/* --------------------------------------------------------------- device */

static ssize_t
on_access(struct rte_vfio_user_server *srv,
	  const struct rte_vfio_user_region_access *acc, void *priv)
{
	RTE_SET_USED(srv);
	RTE_SET_USED(priv);
	device_accesses++;
	if (!acc->is_write)
		memset(acc->data, 0, acc->count);
	return acc->count;
}

static struct rte_vfio_user_server *
start(const struct rte_vfio_user_server_conf *conf)
{
	const struct rte_vfio_user_region_conf bar = {
		.size = DEVICE_BAR_SIZE,
		.flags = RTE_VFIO_USER_REGION_F_RW,
		.cb = on_access,
		.fd = -1,
	};
	struct rte_vfio_user_server *srv = rte_vfio_user_server_create(conf);

	if (srv == NULL) {
		errno = rte_errno;
		bench_die("cannot create a device");
	}
	errno = -rte_vfio_user_server_region_set(srv, 0, &bar);
	if (errno == 0)
		errno = -rte_vfio_user_server_start(srv);
	if (errno != 0)
		bench_die("cannot start a device");
	return srv;
}

struct rte_vfio_user_server *
device_create(int fd)
{
	struct rte_vfio_user_server_conf conf;
	struct rte_vfio_user_server *srv;

	rte_vfio_user_server_conf_init(&conf);
	conf.conn_fd = fd;
	srv = start(&conf);
	close(fd);
	return srv;
}

struct rte_vfio_user_server *
device_once(int fd)
{
	static struct rte_vfio_user_server *srv;

	if (srv == NULL)
		srv = device_create(fd);
	return srv;
}

struct rte_vfio_user_server *
device_listen(const char *path)
{
	struct rte_vfio_user_server_conf conf;

	rte_vfio_user_server_conf_init(&conf);
	conf.sock_path = path;
	return start(&conf);
}

/* --------------------------------------------------------------- client */

struct rte_vfio_user_client *
device_client(int fd)
{
	struct rte_vfio_user_client_conf conf;
	struct rte_vfio_user_client *client;

	rte_vfio_user_client_conf_init(&conf);
	conf.conn_fd = fd;
	client = rte_vfio_user_client_create(&conf);
	if (client == NULL) {
		errno = rte_errno;
		bench_die("cannot create a client");
	}
	close(fd);
	return client;
}

struct connecting {
	int fd;
	struct rte_vfio_user_client *client;
};

static void *
connect_thread(void *arg)
{
	struct connecting *c = arg;

	__atomic_store_n(&c->client, device_client(c->fd), __ATOMIC_RELEASE);
	return NULL;
}

struct rte_vfio_user_client *
device_client_here(struct rte_vfio_user_server *srv, int fd)
{
	struct connecting c = { .fd = fd };
	pthread_t thread;

	errno = pthread_create(&thread, NULL, connect_thread, &c);
	if (errno != 0)
		bench_die("cannot create a thread");
	while (__atomic_load_n(&c.client, __ATOMIC_ACQUIRE) == NULL)
		rte_vfio_user_server_poll(srv);
	pthread_join(thread, NULL);
	return c.client;
}

void
device_serve_asleep(struct rte_vfio_user_server *srv, const uint32_t *go)
{
	int epfd = bench_epoll(rte_vfio_user_server_fd(srv));
	struct epoll_event ev;

	while (bench_peer_goes(go))
		if (epoll_wait(epfd, &ev, 1, -1) == 1)
			rte_vfio_user_server_poll(srv);
	close(epfd);
}

void
device_serve_spinning(struct rte_vfio_user_server *srv, const uint32_t *go)
{
	while (bench_peer_goes(go))
		rte_vfio_user_server_poll(srv);
}

void
device_read(struct rte_vfio_user_client *client)
{
	uint32_t value;

	if (rte_vfio_user_client_region_read(client, 0, 0, &value,
					     sizeof(value)) != sizeof(value))
		bench_die("cannot read from the device");
}

static void
read_done(struct rte_vfio_user_client *client, ssize_t result, void *arg)
{
	uint32_t *done = arg;

	RTE_SET_USED(client);
	if (result != sizeof(sink))
		bench_die("a read returned %zd", result);
	(*done)++;
}

void
device_read_async(struct rte_vfio_user_client *client, uint32_t *done)
{
	int ret = rte_vfio_user_client_region_read_async(client, 0, 0, &sink,
							 sizeof(sink), read_done, done);

	if (ret < 0) {
		errno = -ret;
		bench_die("cannot start a read");
	}
}

double
device_time_reads(struct rte_vfio_user_client *client, uint32_t rounds)
{
	uint64_t start = bench_ns();
	uint32_t i;

	for (i = 0; i < rounds; i++)
		device_read(client);
	return (double)(bench_ns() - start) / rounds;
}

double
device_time_polled_reads(struct rte_vfio_user_client *client, uint32_t rounds)
{
	uint64_t start = bench_ns();
	uint32_t i, done = 0;

	for (i = 0; i < rounds; i++) {
		device_read_async(client, &done);
		while (done == i)
			if (rte_vfio_user_client_poll(client) < 0)
				bench_die("cannot poll the client");
	}
	return (double)(bench_ns() - start) / rounds;
}
