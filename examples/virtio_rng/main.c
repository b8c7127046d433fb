/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

/*
 * A virtio entropy device in user space: random bytes of this machine's kernel
 * for the guest's, by an unmodified driver. The smallest useful device on
 * librte_virtio_dev; device.c has what it does.
 */

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <rte_common.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_log.h>
#include <rte_vfio_user_sigbus.h>

#include "device.h"

#define INTERVAL_MAX 86400 /* seconds */

enum { FD_SERVER, FD_SIGNAL, FD_TIMER, FD_COUNT };

struct options {
	const char *sock_path;
	unsigned long interval; /* seconds between two reports, or 0 */
};

static void
usage(void)
{
	fprintf(stderr,
		"usage: virtio_rng [EAL_OPTION... --] [-v] [-r BYTES] [-i SECONDS] SOCK\n"
		"  -r  deliver at most this many bytes per second\n"
		"  -i  print the rate that often while it is not 0\n"
		"  -v  log each step\n");
}

/* SIGINT and SIGTERM as something to poll. */
static int
signals_open(void)
{
	sigset_t signals;

	sigemptyset(&signals);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	return signalfd(-1, &signals, SFD_CLOEXEC);
}

/* A timer that never expires if the interval is 0. */
static int
timer_open(unsigned long interval)
{
	struct itimerspec spec = { .it_interval.tv_sec = interval, .it_value.tv_sec = interval };
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);

	if (fd >= 0)
		timerfd_settime(fd, 0, &spec, NULL);
	return fd;
}

static void
rate_print(const struct rng *rng, int timer_fd, unsigned long interval, uint64_t *printed)
{
	uint64_t periods, bytes = rng->bytes - *printed;

	if (read(timer_fd, &periods, sizeof(periods)) != sizeof(periods) || bytes == 0)
		return;
	printf("virtio_rng: %.3f MB/s\n", bytes / 1e6 / (periods * interval));
	fflush(stdout);
	*printed = rng->bytes;
}

/* Until a signal comes; asleep while there is nothing to do. */
static int
device_serve(struct rng *rng, struct rte_vfio_user_server *srv, struct pollfd *fds,
	     unsigned long interval)
{
	uint64_t printed = 0;
	int timeout = -1, ret;

	while (fds[FD_SIGNAL].revents == 0) {
		if (poll(fds, FD_COUNT, timeout) < 0)
			return -errno;
		ret = rte_vfio_user_server_poll(srv);
		if (ret < 0)
			return ret;
		timeout = rng_run(rng);
		rate_print(rng, fds[FD_TIMER].fd, interval, &printed);
	}
	return 0;
}

static int
device_create(struct rng *rng, const char *sock_path, struct rte_vfio_user_server **srv)
{
	struct rte_vfio_user_server_conf conf;
	int ret;

	rte_vfio_user_server_conf_init(&conf);
	conf.sock_path = sock_path;
	*srv = rte_vfio_user_server_create(&conf);
	if (*srv == NULL)
		return -rte_errno;
	ret = rng_create(rng, *srv);
	if (ret < 0) {
		rte_vfio_user_server_destroy(*srv);
		return ret;
	}
	return rte_vfio_user_server_start(*srv);
}

static int
run(struct rng *rng, const struct options *options, int signal_fd)
{
	struct pollfd fds[FD_COUNT] = {
		[FD_SIGNAL] = { .fd = signal_fd, .events = POLLIN },
		[FD_TIMER] = { .fd = timer_open(options->interval), .events = POLLIN },
	};
	struct rte_vfio_user_server *srv;
	int ret;

	if (signal_fd < 0 || fds[FD_TIMER].fd < 0)
		return -errno;
	ret = device_create(rng, options->sock_path, &srv);
	if (ret == 0) {
		fds[FD_SERVER] = (struct pollfd){
			.fd = rte_vfio_user_server_fd(srv), .events = POLLIN,
		};
		printf("virtio_rng: listening on %s\n", options->sock_path);
		fflush(stdout);
		ret = device_serve(rng, srv, fds, options->interval);
		printf("virtio_rng: %" PRIu64 " bytes in %" PRIu64 " buffers\n", rng->bytes,
		       rng->buffers);
	}
	rte_virtio_dev_destroy(rng->virtio); /* and its server */
	return ret;
}

/* A whole number from 1 to max, or 0 for anything else. */
static unsigned long
number_parse(const char *text, unsigned long max)
{
	unsigned long number;
	char *end;

	errno = 0;
	number = strtoul(text, &end, 0);
	return errno == 0 && *end == '\0' && *text != '-' && number <= max ? number : 0;
}

static int
options_parse(struct rng *rng, struct options *options, int argc, char **argv)
{
	int opt;

	while ((opt = getopt(argc, argv, "i:r:v")) != -1) {
		if (opt == 'v') {
			rte_log_set_level_pattern("lib.v*", RTE_LOG_DEBUG);
		} else if (opt == 'i') {
			options->interval = number_parse(optarg, INTERVAL_MAX);
			if (options->interval == 0)
				return -EINVAL;
		} else if (opt == 'r') {
			rng->rate = number_parse(optarg, UINT32_MAX);
			if (rng->rate == 0)
				return -EINVAL;
		} else {
			return -EINVAL;
		}
	}
	options->sock_path = argv[optind];
	return optind + 1 == argc ? 0 : -EINVAL;
}

/*
 * The EAL brings telemetry and tracing, all else does without it: it is started if
 * there are options for it, which "--" ends. The words that it took, or < 0.
 */
static int
eal_start(int argc, char **argv)
{
	int i;

	for (i = 1; i < argc; i++)
		if (strcmp(argv[i], "--") == 0)
			return rte_eal_init(argc, argv);
	return 0;
}

int
main(int argc, char **argv)
{
	struct options options = { 0 };
	struct rng rng = { 0 };
	int signal_fd, taken, ret;

	signal_fd = signals_open(); /* before the EAL has threads */
	taken = eal_start(argc, argv);
	if (taken < 0) {
		fprintf(stderr, "virtio_rng: EAL: %s\n", rte_strerror(rte_errno));
		return 1;
	}
	if (options_parse(&rng, &options, argc - taken, argv + taken) < 0) {
		usage();
		ret = 2;
	} else {
		/* A client that truncates its memory costs its connection only. */
		rte_vfio_user_sigbus_enable();
		ret = run(&rng, &options, signal_fd);
		if (ret < 0)
			fprintf(stderr, "virtio_rng: %s: %s\n", options.sock_path, strerror(-ret));
		ret = ret < 0;
	}
	if (taken > 0)
		rte_eal_cleanup();
	return ret;
}
