/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

/*
 * A virtio crypto device in user space, whose work a DPDK cryptodev does: Linux
 * guests find ciphers in it, device models a use of both libraries.
 */

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <rte_common.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_log.h>
#include <rte_vfio_user_sigbus.h>

#include "request.h"

struct options {
	const char *cryptodev;
	const char *sock_path;
};

static void
usage(void)
{
	fprintf(stderr, "usage: virtio_crypto EAL_OPTION... -- [-v] [-d NAME] [-q QUEUES] SOCK\n"
		"  -d  cryptodev to use; the first one by default\n"
		"  -q  data queues, 1 to %d; 1 by default\n"
		"  -v  log each step\n"
		"EAL options name the cryptodev, e.g. --vdev crypto_openssl0.\n"
		"SIGUSR1 prints counters.\n", DATA_QUEUES_MAX);
}

/* SIGINT, SIGTERM and SIGUSR1 as something to poll. */
static int
signals_open(void)
{
	sigset_t signals;

	sigemptyset(&signals);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGUSR1);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	return signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
}

static void
counters_print(const struct crypto_dev *dev)
{
	printf("virtio_crypto: %" PRIu64 " requests, %" PRIu64 " errors, %" PRIu64
	       " dropped, %u sessions, %u buffers in use\n", dev->stats.requests,
	       dev->stats.errors, dev->stats.dropped, dev->sessions.count,
	       backend_in_use(&dev->backend));
	fflush(stdout);
}

/* Whether a signal says to end. */
static bool
signal_ends(struct crypto_dev *dev, int signal_fd)
{
	struct signalfd_siginfo info;

	if (read(signal_fd, &info, sizeof(info)) != sizeof(info))
		return false;
	if (info.ssi_signo != SIGUSR1)
		return true;
	counters_print(dev);
	return false;
}

/* Until a signal comes; asleep while there is nothing to do. */
static int
device_serve(struct crypto_dev *dev, struct rte_vfio_user_server *srv, int signal_fd)
{
	struct pollfd fds[] = {
		{ .fd = rte_vfio_user_server_fd(srv), .events = POLLIN },
		{ .fd = signal_fd, .events = POLLIN },
	};
	bool busy = false;
	int ret;

	while (!signal_ends(dev, signal_fd)) {
		if (poll(fds, RTE_DIM(fds), busy ? 0 : -1) < 0)
			return -errno;
		ret = rte_vfio_user_server_poll(srv);
		if (ret < 0)
			return ret;
		busy = crypto_dev_run(dev);
	}
	return 0;
}

static int
device_create(struct crypto_dev *dev, const struct options *options,
	      struct rte_vfio_user_server **srv)
{
	struct rte_vfio_user_server_conf conf;
	int ret;

	rte_vfio_user_server_conf_init(&conf);
	conf.sock_path = options->sock_path;
	*srv = rte_vfio_user_server_create(&conf);
	if (*srv == NULL)
		return -rte_errno;
	ret = crypto_dev_create(dev, *srv);
	if (ret < 0) {
		if (dev->virtio == NULL) /* else it owns the server */
			rte_vfio_user_server_destroy(*srv);
		return ret;
	}
	return rte_vfio_user_server_start(*srv);
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
options_parse(struct crypto_dev *dev, struct options *options, int argc, char **argv)
{
	int opt;

	dev->nb_data_queues = 1;
	while ((opt = getopt(argc, argv, "d:q:v")) != -1) {
		if (opt == 'v') {
			rte_log_set_level_pattern("lib.v*", RTE_LOG_DEBUG);
		} else if (opt == 'd') {
			options->cryptodev = optarg;
		} else if (opt == 'q') {
			dev->nb_data_queues = number_parse(optarg, DATA_QUEUES_MAX);
			if (dev->nb_data_queues == 0)
				return -EINVAL;
		} else {
			return -EINVAL;
		}
	}
	options->sock_path = argv[optind];
	return optind + 1 == argc ? 0 : -EINVAL;
}

/* Open the cryptodev; say why not. */
static int
cryptodev_open(struct crypto_dev *dev, const char *name)
{
	int ret = backend_open(&dev->backend, name, sizeof(struct request));

	if (ret < 0)
		fprintf(stderr, "virtio_crypto: cryptodev %s: %s\n",
			name != NULL ? name : "(the first one)", strerror(-ret));
	return ret;
}

static int
serve(struct crypto_dev *dev, const struct options *options, int signal_fd)
{
	struct rte_vfio_user_server *srv;
	int ret;

	ret = device_create(dev, options, &srv);
	if (ret == 0) {
		printf("virtio_crypto: listening on %s\n", options->sock_path);
		fflush(stdout);
		ret = device_serve(dev, srv, signal_fd);
	}
	if (ret < 0)
		fprintf(stderr, "virtio_crypto: %s: %s\n", options->sock_path, strerror(-ret));
	crypto_dev_destroy(dev);
	if (ret == 0)
		counters_print(dev);
	return ret;
}

static int
run(struct crypto_dev *dev, const struct options *options, int signal_fd)
{
	int ret;

	ret = cryptodev_open(dev, options->cryptodev);
	if (ret == 0)
		ret = serve(dev, options, signal_fd);
	backend_close(&dev->backend);
	return ret;
}

int
main(int argc, char **argv)
{
	static struct crypto_dev dev;
	struct options options = { 0 };
	int ret, signal_fd;

	/* Before EAL starts threads, which inherit the mask. */
	signal_fd = signals_open();
	ret = signal_fd < 0 ? -1 : rte_eal_init(argc, argv);
	if (ret < 0) {
		fprintf(stderr, "virtio_crypto: cannot start: %s\n", strerror(rte_errno));
		return 1;
	}
	if (options_parse(&dev, &options, argc - ret, argv + ret) < 0) {
		usage();
		rte_eal_cleanup();
		return 2;
	}
	/* A client that truncates its memory costs its connection only. */
	rte_vfio_user_sigbus_enable();
	ret = run(&dev, &options, signal_fd);
	rte_eal_cleanup();
	return ret < 0 ? 1 : 0;
}
