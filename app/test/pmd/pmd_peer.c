/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "pmd_peer.h"

#define ARG "PMD_PEER_ARG"

pid_t
pmd_peer_start(const char *test, const char *arg)
{
	char *argv[] = { strdup("pmd-test"), strdup(test), NULL };
	pid_t pid;
	int ret;

	/* as a variable: the words of the command line are names of tests */
	setenv(ARG, arg, 1);
	ret = posix_spawn(&pid, "/proc/self/exe", NULL, NULL, argv, environ);
	unsetenv(ARG);
	free(argv[0]);
	free(argv[1]);
	return ret == 0 ? pid : -ret;
}

const char *
pmd_peer_arg(void)
{
	const char *arg = getenv(ARG);

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (arg == NULL) {
		fprintf(stderr, "%s is not set\n", ARG);
		exit(EXIT_FAILURE);
	}
	return arg;
}

void
pmd_peer_kill(pid_t pid)
{
	if (pid <= 0)
		return;
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}
