/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

/*
 * Round trip of a 4-byte read with "dpdk-vfio-user trace" between client and
 * device, against the same without it: asleep on all sides, and polling on all
 * sides where there is a cpu for each.
 */

#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"
#include "device.h"

#define SLICES 20u
#define ROUNDS 150u
#define SPIN_CPUS 3

static char folder[] = "/tmp/bench-trace-XXXXXX";

/* A device in a process of its own, perhaps with a proxy, and its client. */
struct side {
	char device[64];
	char proxy[64]; /* where the client connects */
	pid_t proxy_pid;
	struct bench_peer peer;
	struct rte_vfio_user_client *client;
	double (*rounds)(struct rte_vfio_user_client *client, uint32_t rounds);
};

/* A device is polled, asleep or not, by the process that was started for it. */
static struct rte_vfio_user_server *
device_at(const char *path)
{
	static struct rte_vfio_user_server *srv;

	if (srv == NULL)
		srv = device_listen(path);
	return srv;
}

static void
device_sleeps(int fd, const uint32_t *go, void *arg)
{
	struct side *side = arg;

	RTE_SET_USED(fd);
	device_serve_asleep(device_at(side->device), go);
}

static void
device_spins(int fd, const uint32_t *go, void *arg)
{
	struct side *side = arg;

	RTE_SET_USED(fd);
	device_serve_spinning(device_at(side->device), go);
}

/* Connect as soon as somebody listens. */
static int
connect_to(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int i, fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strncpy(addr.sun_path, path, sizeof(addr.sun_path) - 1);
	for (i = 0; i < 5000; i++) {
		if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0)
			return fd;
		usleep(1000);
	}
	bench_die("cannot connect to %s", path);
}

/* The program lies beside this one in the build folder. */
__rte_noreturn
static void
run_proxy(const struct side *side, bool spins)
{
	char self[PATH_MAX / 2] = "", program[PATH_MAX];
	cpu_set_t set;
	int i;

	if (readlink("/proc/self/exe", self, sizeof(self) - 1) < 0)
		bench_die("cannot find the build folder");
	snprintf(program, sizeof(program), "%s/../app/vfio-user/dpdk-vfio-user",
		 dirname(self));
	CPU_ZERO(&set);
	for (i = 0; i < CPU_SETSIZE; i++)
		if (!spins || (i != bench.cpu[0] && i != bench.cpu[1]))
			CPU_SET(i, &set);
	sched_setaffinity(0, sizeof(set), &set);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (freopen("/dev/null", "w", stderr) == NULL)
		_exit(1);
	execl(program, program, "trace", "--listen", side->proxy, "--connect", side->device,
	      "--output", "/dev/null", spins ? "--spin" : NULL, NULL);
	_exit(1);
}

/* The first rounds of a slice are not counted. */
static double
run_side(uint32_t rounds, void *arg)
{
	struct side *side = arg;
	double ns;

	bench_peer_start(&side->peer);
	side->rounds(side->client, RTE_MAX(rounds / 10, 1u));
	ns = side->rounds(side->client, rounds);
	bench_peer_stop(&side->peer);
	return ns;
}

static void
create_side(struct bench_way *way, const char *name, bool proxy, bool spins)
{
	struct side *side = calloc(1, sizeof(*side));
	int fd;

	if (side == NULL)
		bench_die("memory");
	snprintf(side->device, sizeof(side->device), "%s/%s", folder, name);
	snprintf(side->proxy, sizeof(side->proxy), "%s/%s%s", folder, name,
		 proxy ? ".proxy" : "");
	bench_peer_create(&side->peer, spins ? device_spins : device_sleeps, side);
	bench_peer_start(&side->peer);
	if (proxy) {
		close(connect_to(side->device)); /* the device is there */
		side->proxy_pid = fork();
		if (side->proxy_pid == 0)
			run_proxy(side, spins);
	}
	fd = connect_to(side->proxy);
	side->client = device_client(fd);
	bench_peer_stop(&side->peer);
	side->rounds = spins ? device_time_polled_reads : device_time_reads;
	way->run = run_side;
	way->arg = side;
}

static void
destroy_side(struct bench_way *way)
{
	struct side *side = way->arg;

	rte_vfio_user_client_destroy(side->client);
	if (side->proxy_pid > 0) {
		kill(side->proxy_pid, SIGTERM);
		waitpid(side->proxy_pid, NULL, 0);
	}
	bench_peer_destroy(&side->peer);
	unlink(side->device);
	unlink(side->proxy);
	free(side);
}

static void
compare(const char *row, bool spins)
{
	struct bench_way direct, traced;
	struct bench_way *const ways[] = { &traced, &direct };
	uint32_t i;

	create_side(&direct, "direct", false, spins);
	create_side(&traced, "traced", true, spins);
	bench_interleave(ways, RTE_DIM(ways), bench_scale(ROUNDS), SLICES);
	bench_report_ways(row, "ns", &traced, &direct, "ratio < 3");
	for (i = 0; i < RTE_DIM(ways); i++)
		destroy_side(ways[i]);
}

int
main(int argc, char **argv)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);

	bench_init(argc, argv);
	if (mkdtemp(folder) == NULL)
		bench_die("cannot make a folder");
	compare("traced round trip, asleep", false);
	if (cpus < SPIN_CPUS)
		bench_skip("traced round trip, polling", "%d cpus are needed", SPIN_CPUS);
	else
		compare("traced round trip, polling", true);
	rmdir(folder);
	return 0;
}
