/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

/* Servers in poll groups that several threads poll. */

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <rte_common.h>
#include <rte_errno.h>

#include <rte_vfio_user_poll_group.h>

#include "test.h"
#include "test_fault.h"
#include "test_vfio_user_fds.h"
#include "test_vfio_user_loopback.h"

#define MAX_DEVS 64
#define MAX_GROUPS 4

/** A device, and the client of it. */
struct dev {
	struct rte_vfio_user_server *srv;
	struct rte_vfio_user_client *client;
	ssize_t (*hook)(struct dev *dev, const struct rte_vfio_user_region_access *acc);
	/* atomic */
	bool inside; /* of a callback */
	uint32_t overlaps; /* callbacks in two threads */
	uint32_t accesses;
	uint32_t group; /* where it is */
	uint32_t answered; /* completions of the client */
};

static struct dev devs[MAX_DEVS];
static struct rte_vfio_user_poll_group *groups[MAX_GROUPS];
static bool stop; /* atomic */

/* ------------------------------------------------------------------ devices */

static void
enter(struct dev *dev)
{
	if (__atomic_exchange_n(&dev->inside, true, __ATOMIC_ACQ_REL))
		COUNT(dev->overlaps);
}

static ssize_t
access_dev(struct rte_vfio_user_server *srv, const struct rte_vfio_user_region_access *acc,
	   void *priv)
{
	struct dev *dev = priv;
	ssize_t ret = acc->count;

	RTE_SET_USED(srv);
	enter(dev);
	if (dev->hook != NULL)
		ret = dev->hook(dev, acc);
	COUNT(dev->accesses);
	SET(dev->inside, false);
	return ret;
}

static int
reset_dev(struct rte_vfio_user_server *srv, enum rte_vfio_user_reset reason, void *priv)
{
	struct dev *dev = priv;

	RTE_SET_USED(srv);
	RTE_SET_USED(reason);
	enter(dev);
	SET(dev->inside, false);
	return 0;
}

/* Its end of the socket pair is in the client's configuration. */
static int
create_server(struct dev *dev, int *client_fd)
{
	const struct rte_vfio_user_region_conf bar = {
		.size = PAGE, .flags = RTE_VFIO_USER_REGION_F_RW, .fd = -1,
		.cb = access_dev, .priv = dev,
	};
	const struct rte_vfio_user_server_ops ops = { .reset = reset_dev };
	struct rte_vfio_user_server_conf conf;
	int pair[2];

	DO(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair));
	rte_vfio_user_server_conf_init(&conf);
	conf.conn_fd = pair[0];
	dev->srv = rte_vfio_user_server_create(&conf);
	close(pair[0]);
	*client_fd = pair[1];
	TEST_ASSERT_NOT_NULL(dev->srv, "server: %s", rte_strerror(rte_errno));
	DO(rte_vfio_user_server_region_set(dev->srv, 0, &bar));
	DO(rte_vfio_user_server_ops_set(dev->srv, &ops, dev));
	DO(rte_vfio_user_server_start(dev->srv));
	return TEST_SUCCESS;
}

static void *
connect_client(void *arg)
{
	struct rte_vfio_user_client_conf *conf = arg;
	struct dev *dev = conf->priv;

	dev->client = rte_vfio_user_client_create(conf);
	close(conf->conn_fd);
	SET(conf->conn_fd, -1);
	return NULL;
}

/* Create a device in a group, which this thread polls for the moment. */
static int
create_dev(uint32_t i, uint32_t group)
{
	struct rte_vfio_user_client_conf conf;
	struct dev *dev = &devs[i];
	pthread_t thread;

	rte_vfio_user_client_conf_init(&conf);
	conf.priv = dev;
	DO(create_server(dev, &conf.conn_fd));
	dev->group = group;
	DO(rte_vfio_user_poll_group_add(groups[group], dev->srv));
	DO(pthread_create(&thread, NULL, connect_client, &conf));
	while (GET(conf.conn_fd) >= 0)
		rte_vfio_user_poll_group_poll(groups[group]);
	pthread_join(thread, NULL);
	TEST_ASSERT_NOT_NULL(dev->client, "client");
	return TEST_SUCCESS;
}

static int
setup(void)
{
	static int first;
	uint32_t i;

	TEST_ASSERT_SUCCESS(check_fds(&first), "fds");
	memset(devs, 0, sizeof(devs));
	stop = false;
	for (i = 0; i < MAX_GROUPS; i++) {
		groups[i] = rte_vfio_user_poll_group_create();
		TEST_ASSERT_NOT_NULL(groups[i], "group");
	}
	return TEST_SUCCESS;
}

static void
teardown(void)
{
	uint32_t i, g;

	for (i = 0; i < MAX_DEVS; i++) {
		rte_vfio_user_client_destroy(devs[i].client);
		for (g = 0; devs[i].srv != NULL && g < MAX_GROUPS; g++)
			rte_vfio_user_poll_group_remove(groups[g], devs[i].srv);
		rte_vfio_user_server_destroy(devs[i].srv);
	}
	for (i = 0; i < MAX_GROUPS; i++)
		rte_vfio_user_poll_group_destroy(groups[i]);
}

/* Poll a group until it has nothing to do; what it had. */
static int
drain(uint32_t group)
{
	int ret, nb = 0;

	while ((ret = rte_vfio_user_poll_group_poll(groups[group])) > 0)
		nb += ret;
	return nb;
}

static bool
readable(int fd, int timeout_ms)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };

	return poll(&pfd, 1, timeout_ms) == 1;
}

/* A write that nobody waits for is on its way. */
static int
post(struct dev *dev, uint64_t offset)
{
	uint32_t val = 0;

	DO(rte_vfio_user_client_region_write_posted(dev->client, 0, offset, &val, 4));
	DO(rte_vfio_user_client_flush(dev->client));
	return TEST_SUCCESS;
}

/* ---------------------------------------------------------------- one thread */

static int
test_arguments(void)
{
	struct rte_vfio_user_poll_group *g = groups[0], *failed;
	int client_fd, ret;
	struct dev *dev = &devs[0];

	DO(create_server(dev, &client_fd));
	TEST_ASSERT_EQUAL(rte_vfio_user_poll_group_fd(NULL), -EINVAL, "fd");
	TEST_ASSERT_EQUAL(rte_vfio_user_poll_group_poll(NULL), -EINVAL, "poll");
	TEST_ASSERT_EQUAL(rte_vfio_user_poll_group_add(g, NULL), -EINVAL, "add");
	TEST_ASSERT_EQUAL(rte_vfio_user_poll_group_add(NULL, dev->srv), -EINVAL, "add");
	TEST_ASSERT_EQUAL(rte_vfio_user_poll_group_remove(g, NULL), -EINVAL, "remove");
	TEST_ASSERT_EQUAL(rte_vfio_user_poll_group_move(g, NULL, dev->srv), -EINVAL, "move");
	DO(rte_vfio_user_poll_group_destroy(NULL));
	TEST_ASSERT_EQUAL(rte_vfio_user_poll_group_remove(g, dev->srv), -ENOENT, "remove");
	TEST_ASSERT_EQUAL(rte_vfio_user_poll_group_move(g, groups[1], dev->srv), -ENOENT, "");
	DO(rte_vfio_user_poll_group_add(g, dev->srv));
	TEST_ASSERT_EQUAL(rte_vfio_user_poll_group_add(g, dev->srv), -EEXIST, "twice");
	TEST_ASSERT_EQUAL(rte_vfio_user_poll_group_move(g, g, dev->srv), -EEXIST, "itself");
	TEST_ASSERT_EQUAL(rte_vfio_user_poll_group_move(groups[1], g, dev->srv), -EEXIST, "");
	DO(rte_vfio_user_poll_group_move(g, groups[1], dev->srv));
	TEST_ASSERT_EQUAL(rte_vfio_user_poll_group_remove(g, dev->srv), -ENOENT, "moved");
	DO(rte_vfio_user_poll_group_remove(groups[1], dev->srv));
	TEST_ASSERT_EQUAL(rte_vfio_user_poll_group_remove(groups[1], dev->srv), -ENOENT, "");
	test_alloc_fail(1);
	ret = rte_vfio_user_poll_group_add(g, dev->srv);
	test_alloc_fail(1);
	failed = rte_vfio_user_poll_group_create();
	test_alloc_fail(0);
	TEST_ASSERT_EQUAL(ret, -ENOMEM, "no memory");
	TEST_ASSERT(failed == NULL && rte_errno == ENOMEM, "no memory");
	DO(rte_vfio_user_poll_group_add(g, dev->srv));
	close(client_fd);
	/* a group that goes leaves its servers alone */
	DO(rte_vfio_user_poll_group_destroy(g));
	groups[0] = rte_vfio_user_poll_group_create();
	DO(rte_vfio_user_poll_group_add(groups[0], dev->srv));
	return TEST_SUCCESS;
}

static int
test_readiness(void)
{
	struct epoll_event ev = { .events = EPOLLIN };
	int epfd = epoll_create1(EPOLL_CLOEXEC), fd, srv_fd;
	uint32_t round, g;

	DO(create_dev(0, 0));
	DO(create_dev(1, 0));
	srv_fd = rte_vfio_user_server_fd(devs[0].srv);
	for (round = 0; round < 20; round++) {
		g = round % 2;
		fd = rte_vfio_user_poll_group_fd(groups[g]);
		TEST_ASSERT(fd >= 0, "fd");
		DO(epoll_ctl(epfd, EPOLL_CTL_ADD, fd, &ev));
		drain(g);
		TEST_ASSERT(!readable(fd, 0) && !readable(epfd, 0), "nothing to do");
		TEST_ASSERT_EQUAL(rte_vfio_user_poll_group_poll(groups[g]), 0, "nothing");
		DO(post(&devs[0], 0));
		TEST_ASSERT(readable(fd, 1000) && readable(epfd, 1000), "something to do");
		/* the work goes with the server */
		DO(rte_vfio_user_poll_group_move(groups[g], groups[1 - g], devs[0].srv));
		TEST_ASSERT(!readable(fd, 0), "another's work");
		TEST_ASSERT_EQUAL(drain(g), 0, "another's work");
		TEST_ASSERT(readable(rte_vfio_user_poll_group_fd(groups[1 - g]), 1000), "moved");
		TEST_ASSERT(drain(1 - g) > 0, "moved");
		TEST_ASSERT_EQUAL(GET(devs[0].accesses), round + 1, "accesses");
		DO(rte_vfio_user_poll_group_move(groups[g], groups[1 - g], devs[1].srv));
		DO(epoll_ctl(epfd, EPOLL_CTL_DEL, fd, NULL));
		TEST_ASSERT_EQUAL(rte_vfio_user_server_fd(devs[0].srv), srv_fd, "fd changed");
	}
	close(epfd);
	return TEST_SUCCESS;
}

/* A server that was removed with work to do is polled by hand, then again. */
static int
test_remove_and_add(void)
{
	int fd = rte_vfio_user_poll_group_fd(groups[0]);

	DO(create_dev(0, 0));
	DO(post(&devs[0], 0));
	TEST_ASSERT(readable(fd, 1000), "work");
	DO(rte_vfio_user_poll_group_remove(groups[0], devs[0].srv));
	TEST_ASSERT(!readable(fd, 0), "removed");
	WAIT_FOR(rte_vfio_user_server_poll(devs[0].srv) > 0);
	TEST_ASSERT_EQUAL(GET(devs[0].accesses), 1u, "by hand");
	DO(post(&devs[0], 0));
	DO(rte_vfio_user_poll_group_add(groups[0], devs[0].srv));
	TEST_ASSERT(readable(fd, 1000), "added with work");
	TEST_ASSERT(drain(0) > 0, "added with work");
	/* known to be busy at its removal */
	DO(post(&devs[0], 0));
	TEST_ASSERT(readable(fd, 1000), "work");
	TEST_ASSERT(rte_vfio_user_poll_group_poll(groups[0]) > 0, "work");
	DO(rte_vfio_user_poll_group_remove(groups[0], devs[0].srv));
	TEST_ASSERT_EQUAL(rte_vfio_user_poll_group_poll(groups[0]), 0, "removed");
	TEST_ASSERT_EQUAL(GET(devs[0].accesses), 3u, "accesses");
	return TEST_SUCCESS;
}

/* ------------------------------------------------------------ from callbacks */

/* Offsets that the client writes to. */
enum {
	DO_NOTHING = 0, MOVE_SELF = 4, REMOVE_SELF = 8, MISUSE = 12, SWAP_OTHERS = 16,
};

static int callback_failed; /* a line */

#define IN_CALLBACK(cond) do { \
	if (!(cond)) \
		callback_failed = __LINE__; \
} while (0)

static ssize_t
callback_hook(struct dev *dev, const struct rte_vfio_user_region_access *acc)
{
	struct rte_vfio_user_server *srv = dev->srv;

	switch (acc->offset) {
	case MOVE_SELF:
		IN_CALLBACK(rte_vfio_user_poll_group_move(groups[0], groups[1], srv) == 0);
		IN_CALLBACK(rte_vfio_user_poll_group_destroy(groups[1]) == -EBUSY);
		IN_CALLBACK(rte_vfio_user_poll_group_move(groups[0], groups[2], srv) == -ENOENT);
		IN_CALLBACK(rte_vfio_user_poll_group_remove(groups[0], srv) == -ENOENT);
		IN_CALLBACK(rte_vfio_user_poll_group_remove(groups[1], srv) == -ENOENT);
		break;
	case REMOVE_SELF:
		IN_CALLBACK(rte_vfio_user_poll_group_remove(groups[0], srv) == 0);
		IN_CALLBACK(rte_vfio_user_poll_group_remove(groups[0], srv) == -ENOENT);
		IN_CALLBACK(rte_vfio_user_poll_group_move(groups[0], groups[1], srv) == -ENOENT);
		break;
	case MISUSE:
		IN_CALLBACK(rte_vfio_user_poll_group_poll(groups[0]) == -EBUSY);
		IN_CALLBACK(rte_vfio_user_poll_group_destroy(groups[0]) == -EBUSY);
		break;
	case SWAP_OTHERS:
		IN_CALLBACK(rte_vfio_user_poll_group_remove(groups[0], devs[1].srv) == 0);
		IN_CALLBACK(rte_vfio_user_poll_group_add(groups[0], devs[2].srv) == 0);
		break;
	}
	return acc->count;
}

static int
test_from_callback(void)
{
	uint32_t i;

	callback_failed = 0;
	for (i = 0; i < 3; i++) {
		DO(create_dev(i, 0));
		devs[i].hook = callback_hook;
	}
	DO(post(&devs[0], MISUSE));
	DO(post(&devs[0], MOVE_SELF));
	DO(post(&devs[0], DO_NOTHING));
	WAIT_FOR(drain(0) > 0);
	TEST_ASSERT_EQUAL(callback_failed, 0, "line %d", callback_failed);
	drain(1);
	TEST_ASSERT_EQUAL(GET(devs[0].accesses), 3u, "behind the move");
	TEST_ASSERT_EQUAL(rte_vfio_user_poll_group_remove(groups[0], devs[0].srv), -ENOENT, "");
	DO(rte_vfio_user_poll_group_move(groups[1], groups[0], devs[0].srv));

	DO(post(&devs[0], REMOVE_SELF));
	WAIT_FOR(drain(0) > 0);
	TEST_ASSERT_EQUAL(callback_failed, 0, "line %d", callback_failed);
	DO(rte_vfio_user_poll_group_add(groups[0], devs[0].srv));

	/* both have work when one takes the other one out */
	DO(rte_vfio_user_poll_group_remove(groups[0], devs[2].srv));
	DO(post(&devs[2], DO_NOTHING));
	DO(post(&devs[0], SWAP_OTHERS));
	DO(post(&devs[1], DO_NOTHING));
	WAIT_FOR(drain(0) > 0 && GET(devs[2].accesses) == 1);
	TEST_ASSERT_EQUAL(callback_failed, 0, "line %d", callback_failed);
	TEST_ASSERT(GET(devs[1].accesses) <= 1, "before it was removed, or not at all");
	TEST_ASSERT_EQUAL(rte_vfio_user_poll_group_remove(groups[0], devs[1].srv), -ENOENT, "");
	return TEST_SUCCESS;
}

/* ----------------------------------------------------------------- fairness */

static int flood_result;

/* What one turn of a server can be: a receive buffer of posted writes. */
#define BATCH (65536 / (16 + 16 + 4))

static void *
flood(void *arg)
{
	struct rte_vfio_user_client *client = ((struct dev *)arg)->client;
	uint32_t val = 0;
	int ret = 0;

	while (!GET(stop) && (ret == 0 || ret == -EAGAIN)) {
		ret = rte_vfio_user_client_region_write_posted(client, 0, 0, &val, 4);
		if (ret == -EAGAIN) { /* it does not keep up */
			readable(rte_vfio_user_client_fd(client), 1);
			rte_vfio_user_client_poll(client);
		}
	}
	SET(flood_result, ret);
	return NULL;
}

/* A client that never stops does not keep others from being served. */
static int
test_fairness(void)
{
	uint32_t i, before, round, most = 0;
	pthread_t thread;
	int calls;

	for (i = 0; i < 8; i++)
		DO(create_dev(i, 0));
	drain(0);
	pthread_create(&thread, NULL, flood, &devs[0]);
	for (round = 0; round < 100; round++) {
		before = GET(devs[0].accesses);
		WAIT_FOR(rte_vfio_user_poll_group_poll(groups[0]) >= 0 &&
			 GET(devs[0].accesses) > before);
		before = GET(devs[0].accesses);
		for (i = 1; i < 8; i++)
			DO(post(&devs[i], 0));
		for (calls = 0; GET(devs[7].accesses) <= round ||
		     GET(devs[1].accesses) <= round; calls++)
			rte_vfio_user_poll_group_poll(groups[0]);
		most = RTE_MAX(most, GET(devs[0].accesses) - before);
		TEST_ASSERT(calls <= 64, "%d calls", calls);
	}
	SET(stop, true);
	while (pthread_tryjoin_np(thread, NULL) != 0)
		rte_vfio_user_poll_group_poll(groups[0]);
	for (i = 1; i < 8; i++)
		TEST_ASSERT_EQUAL(GET(devs[i].accesses), round, "device %u", i);
	/* while they were posted, until epoll was asked, and in the turn before theirs */
	TEST_ASSERT(most <= 64 + 3 * BATCH, "the others waited for %u", most);
	TEST_ASSERT(GET(devs[0].accesses) > round, "flood");
	TEST_ASSERT(flood_result == 0 || flood_result == -EAGAIN, "flood: %d", flood_result);
	return TEST_SUCCESS;
}

/* ------------------------------------------------------------------- threads */

static uint32_t
next_random(uint64_t *seed)
{
	*seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)(*seed >> 33);
}

/* Half of the pollers sleep, half spin. */
static void *
run_group(void *arg)
{
	uint32_t g = (uint32_t)(uintptr_t)arg;
	int fd = rte_vfio_user_poll_group_fd(groups[g]);

	while (!GET(stop))
		if (rte_vfio_user_poll_group_poll(groups[g]) == 0) {
			if (g % 2 == 0)
				readable(fd, 10);
			else
				sched_yield();
		}
	return NULL;
}

static void
on_answer(struct rte_vfio_user_client *client, ssize_t result, void *arg)
{
	struct dev *dev = arg;

	RTE_SET_USED(client);
	if (result == 4)
		COUNT(dev->answered);
}

struct driver {
	pthread_t thread;
	uint32_t first, count; /* devices */
	uint32_t rounds;
	uint32_t failed;
};

/* Go on with a device until its accesses are answered. */
static bool
await(struct dev *dev, uint32_t answers)
{
	int ms = 20000;

	while (GET(dev->answered) != answers && ms-- != 0) {
		readable(rte_vfio_user_client_fd(dev->client), 1);
		rte_vfio_user_client_poll(dev->client);
	}
	return GET(dev->answered) == answers;
}

/* Keep some clients busy, all at the same time, a few accesses each. */
static void *
drive(void *arg)
{
	struct driver *driver = arg;
	uint32_t round, i, n, val = 0;
	struct dev *dev;

	for (round = 1; round <= driver->rounds; round++) {
		for (i = 0; i < 3 * driver->count; i++) {
			dev = &devs[driver->first + i / 3];
			n = i % 3 == 0 && round % 8 == 0 ? MOVE_SELF : DO_NOTHING;
			if (rte_vfio_user_client_region_write_async(dev->client, 0, n, &val, 4,
					on_answer, dev) < 0)
				driver->failed++;
		}
		for (i = 0; i < driver->count; i++)
			if (!await(&devs[driver->first + i], 3 * round))
				driver->failed++;
	}
	return NULL;
}

/* Some accesses send their device to another group. */
static ssize_t
wander_hook(struct dev *dev, const struct rte_vfio_user_region_access *acc)
{
	uint32_t from = GET(dev->group), to = (from + 1 + dev->accesses % 3) % MAX_GROUPS;

	if (acc->offset == MOVE_SELF &&
	    rte_vfio_user_poll_group_move(groups[from], groups[to], dev->srv) == 0)
		SET(dev->group, to);
	return acc->count;
}

static uint32_t not_out; /* servers that were in use after their removal */

/* Take a server out for a moment, or move it; false if it was just moving. */
static bool
push(struct dev *dev, uint64_t *seed)
{
	uint32_t from = GET(dev->group), seen;
	/* another one, or the callback could move it before we note where it is */
	uint32_t to = (from + 1 + next_random(seed) % (MAX_GROUPS - 1)) % MAX_GROUPS;

	if (next_random(seed) % 2 == 0) {
		if (rte_vfio_user_poll_group_move(groups[from], groups[to], dev->srv) < 0)
			return false;
	} else {
		if (rte_vfio_user_poll_group_remove(groups[from], dev->srv) < 0)
			return false;
		seen = GET(dev->accesses);
		if (GET(dev->inside) || (sched_yield(), GET(dev->accesses) != seen))
			not_out++;
		rte_vfio_user_poll_group_add(groups[to], dev->srv);
	}
	SET(dev->group, to);
	return true;
}

/* Remove it from where it is, although its callbacks may just move it. */
static int
take_out(struct dev *dev)
{
	WAIT_FOR(rte_vfio_user_poll_group_remove(groups[GET(dev->group)], dev->srv) == 0);
	TEST_ASSERT(!GET(dev->inside), "inside of a callback");
	return TEST_SUCCESS;
}

static int
move_while_driven(struct driver *drivers, uint32_t nb, uint64_t seed)
{
	uint32_t i, pushed = 0;
	bool busy = true;

	for (i = 0; i < nb; i++)
		pthread_create(&drivers[i].thread, NULL, drive, &drivers[i]);
	while (busy) {
		pushed += push(&devs[next_random(&seed) % MAX_DEVS], &seed);
		if (pushed % 16 == 0)
			usleep(100);
		for (i = 0, busy = false; i < nb; i++)
			busy |= drivers[i].thread != 0 &&
				(pthread_tryjoin_np(drivers[i].thread, NULL) != 0 ||
				 (drivers[i].thread = 0) != 0);
	}
	TEST_ASSERT(pushed > 100, "%u moves", pushed);
	return TEST_SUCCESS;
}

static int
test_moves(void)
{
	const uint32_t rounds = getenv("VFIO_USER_TEST_LONG") != NULL ? 5000 : 200;
	struct driver drivers[4];
	pthread_t pollers[MAX_GROUPS];
	uint32_t i, g;

	not_out = 0;
	for (i = 0; i < MAX_DEVS; i++) {
		g = i % MAX_GROUPS;
		DO(create_dev(i, g));
		devs[i].hook = wander_hook;
	}
	for (i = 0; i < MAX_GROUPS; i++)
		pthread_create(&pollers[i], NULL, run_group, (void *)(uintptr_t)i);
	for (i = 0; i < RTE_DIM(drivers); i++) {
		drivers[i].first = i * (MAX_DEVS / RTE_DIM(drivers));
		drivers[i].count = MAX_DEVS / RTE_DIM(drivers);
		drivers[i].rounds = rounds;
		drivers[i].failed = 0;
	}
	DO(move_while_driven(drivers, RTE_DIM(drivers), 20261122));
	for (i = 0; i < MAX_DEVS; i++) {
		if (i % 2 == 0) { /* the others go with a client */
			rte_vfio_user_client_destroy(devs[i].client);
			devs[i].client = NULL;
		}
		DO(take_out(&devs[i]));
		DO(rte_vfio_user_server_destroy(devs[i].srv));
		devs[i].srv = NULL;
		TEST_ASSERT_EQUAL(GET(devs[i].accesses), 3 * rounds, "device %u", i);
		TEST_ASSERT_EQUAL(devs[i].overlaps, 0u, "device %u", i);
	}
	SET(stop, true);
	for (i = 0; i < MAX_GROUPS; i++)
		pthread_join(pollers[i], NULL);
	for (i = 0; i < RTE_DIM(drivers); i++)
		TEST_ASSERT_EQUAL(drivers[i].failed, 0u, "thread %u", i);
	TEST_ASSERT_EQUAL(not_out, 0u, "%u were in use when removed", not_out);
	return TEST_SUCCESS;
}

/* ------------------------------------------------------------ slow callbacks */

static bool slow_begun, slow_end;

static ssize_t
slow_hook(struct dev *dev, const struct rte_vfio_user_region_access *acc)
{
	int ms = 10000;

	if (acc->offset == MOVE_SELF)
		wander_hook(dev, acc);
	SET(slow_begun, true);
	while (!GET(slow_end) && ms-- != 0)
		usleep(1000);
	return acc->count;
}

static void *
end_soon(void *arg)
{
	RTE_SET_USED(arg);
	usleep(20000);
	SET(slow_end, true);
	return NULL;
}

/* remove() and move() return behind the callback, whoever was first. */
static int
test_slow_callback(void)
{
	struct dev *dev = &devs[0];
	pthread_t poller, timer;
	uint32_t round;
	int ret;

	DO(create_dev(0, 0));
	dev->hook = slow_hook;
	pthread_create(&poller, NULL, run_group, (void *)0);
	for (round = 0; round < 3; round++) {
		SET(slow_begun, false);
		SET(slow_end, false);
		DO(post(dev, round == 2 ? MOVE_SELF : DO_NOTHING));
		WAIT_FOR(GET(slow_begun));
		TEST_ASSERT_EQUAL(rte_vfio_user_poll_group_poll(groups[0]), -EBUSY, "two");
		pthread_create(&timer, NULL, end_soon, NULL);
		if (round == 1)
			ret = rte_vfio_user_poll_group_move(groups[0], groups[1], dev->srv);
		else
			ret = rte_vfio_user_poll_group_remove(groups[0], dev->srv);
		TEST_ASSERT(!GET(dev->inside), "inside of the callback");
		pthread_join(timer, NULL);
		TEST_ASSERT_EQUAL(ret, round == 2 ? -ENOENT : 0, "round %u", round);
		if (round == 1)
			DO(rte_vfio_user_poll_group_remove(groups[1], dev->srv));
		if (round == 2)
			WAIT_FOR(rte_vfio_user_poll_group_remove(groups[dev->group],
								 dev->srv) == 0);
		DO(rte_vfio_user_poll_group_add(groups[0], dev->srv));
	}
	SET(stop, true);
	pthread_join(poller, NULL);
	TEST_ASSERT_EQUAL(dev->overlaps, 0u, "overlaps");
	return TEST_SUCCESS;
}

/* ------------------------------------------------- two pollers of one server */

static void *
poll_server(void *arg)
{
	struct dev *dev = arg;

	while (!GET(stop))
		if (rte_vfio_user_server_poll(dev->srv) == 0)
			sched_yield();
	return NULL;
}

/* A mistake of the application, which still runs no two callbacks at once. */
static int
test_two_pollers(void)
{
	struct driver driver = { .first = 0, .count = 1, .rounds = 2000 };
	pthread_t pollers[3];
	uint32_t i;

	DO(create_dev(0, 0));
	DO(rte_vfio_user_poll_group_remove(groups[0], devs[0].srv));
	for (i = 0; i < RTE_DIM(pollers); i++)
		pthread_create(&pollers[i], NULL, poll_server, &devs[0]);
	drive(&driver);
	SET(stop, true);
	for (i = 0; i < RTE_DIM(pollers); i++)
		pthread_join(pollers[i], NULL);
	TEST_ASSERT_EQUAL(driver.failed, 0u, "%u accesses", driver.failed);
	TEST_ASSERT_EQUAL(devs[0].overlaps, 0u, "%u overlaps", devs[0].overlaps);
	TEST_ASSERT_EQUAL(devs[0].accesses, 3 * driver.rounds, "accesses");
	return TEST_SUCCESS;
}

#define CASE(fn) TEST_CASE_ST(setup, teardown, fn)

static struct unit_test_suite poll_group_suite = {
	.suite_name = "vfio-user poll groups",
	.unit_test_cases = {
		CASE(test_arguments),
		CASE(test_readiness),
		CASE(test_remove_and_add),
		CASE(test_from_callback),
		CASE(test_fairness),
		CASE(test_moves),
		CASE(test_slow_callback),
		CASE(test_two_pollers),
		TEST_CASES_END()
	},
};

static int
test_vfio_user_poll_group(void)
{
	return unit_test_suite_runner(&poll_group_suite);
}

REGISTER_TEST_COMMAND(vfio_user_poll_group_autotest, test_vfio_user_poll_group);
