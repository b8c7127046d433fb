/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

/*
 * Devices for the tests of telemetry: many_devices EAL-OPTIONS -- DIR COUNT
 * [churn]. With churn they are destroyed and created anew all the time. Ends
 * when its standard input does.
 */

#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <rte_common.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_vfio_user_server.h>

#define MAX_DEVICES 2000

static struct rte_vfio_user_server *servers[MAX_DEVICES];

static struct rte_vfio_user_server *
make_server(const char *dir, int number)
{
	struct rte_vfio_user_server_conf conf;
	struct rte_vfio_user_server *srv;
	char path[100];

	snprintf(path, sizeof(path), "%s/%d", dir, number);
	rte_vfio_user_server_conf_init(&conf);
	conf.sock_path = path;
	srv = rte_vfio_user_server_create(&conf);
	if (srv != NULL && rte_vfio_user_server_irq_set(srv, VFIO_PCI_MSIX_IRQ_INDEX, 4,
			VFIO_IRQ_INFO_EVENTFD) == 0 &&
	    rte_vfio_user_server_start(srv) == 0)
		return srv;
	fprintf(stderr, "%s: %s\n", path, rte_strerror(rte_errno));
	exit(EXIT_FAILURE);
}

static bool
input_ended(int timeout_ms)
{
	struct pollfd pfd = { .fd = STDIN_FILENO, .events = POLLIN };

	return poll(&pfd, 1, timeout_ms) > 0;
}

int
main(int argc, char **argv)
{
	struct rlimit files;
	int taken, count, i;
	bool churn;

	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	taken = rte_eal_init(argc, argv);
	if (taken < 0 || argc - taken < 3)
		return EXIT_FAILURE;
	argv += taken;
	count = RTE_MIN(atoi(argv[2]), MAX_DEVICES);
	churn = argc - taken > 3 && strcmp(argv[3], "churn") == 0;
	for (i = 0; i < count; i++)
		servers[i] = make_server(argv[1], i);
	puts("ready");
	fflush(stdout);
	for (i = 0; !input_ended(churn ? 0 : 1000); i = (i + 1) % count) {
		if (!churn)
			continue;
		rte_vfio_user_server_destroy(servers[i]);
		servers[i] = make_server(argv[1], i);
	}
	for (i = 0; i < count; i++)
		rte_vfio_user_server_destroy(servers[i]);
	rte_eal_cleanup();
	return EXIT_SUCCESS;
}
