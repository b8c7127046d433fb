/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

/* dpdk-vfio-user: looks at, drives and measures vfio-user devices. */

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_vfio_user_common.h>

#include "cmd.h"
#include "tool.h"

static const struct cmd *const cmds[] = {
	&cmd_info,
	&cmd_lspci,
	&cmd_read,
	&cmd_write,
	&cmd_irq,
	&cmd_reset,
	&cmd_dma_test,
	&cmd_bench,
	&cmd_top,
	&cmd_trace,
};

static void
list(void)
{
	unsigned int i;

	for (i = 0; i < RTE_DIM(cmds); i++)
		cmd_list(cmds[i]);
}

static void
version(void)
{
	printf(TOOL " %s (vfio-user protocol %u.%u)\n", TOOL_VERSION,
	       RTE_VFIO_USER_PROTO_MAJOR, RTE_VFIO_USER_PROTO_MINOR);
}

static void
help(void)
{
	unsigned int i;

	printf("Usage: " TOOL " COMMAND [OPTION...] [ARGUMENT...]\n\n"
	       "Looks at, drives and measures vfio-user devices.\n\n"
	       "Commands:\n");
	for (i = 0; i < RTE_DIM(cmds); i++)
		printf("  %-10s %s\n", cmds[i]->name, cmds[i]->summary);
	printf("\nOptions:\n"
	       "  -h, --help     print this help; of a command: COMMAND --help\n"
	       "  -V, --version  print the version\n"
	       "      --list     print all commands and their options, for programs\n"
	       "\nExit status: 0 done, 1 failed, 2 wrong arguments, 3 cannot connect, 4 the\n"
	       "device is busy, 5 timeout, 6 another version or protocol.\n");
}

static int
option(char **words)
{
	void (*print)(void);

	if (strcmp(words[0], "-h") == 0 || strcmp(words[0], "--help") == 0)
		print = help;
	else if (strcmp(words[0], "-V") == 0 || strcmp(words[0], "--version") == 0)
		print = version;
	else if (strcmp(words[0], "--list") == 0)
		print = list;
	else
		usage(NULL, "unknown option '%s'", words[0]);
	if (words[1] != NULL)
		usage(NULL, "unexpected argument '%s'", words[1]);
	print();
	return stdout_end();
}

/*
 * Where a shell closed one of these, the next file would take its place: a socket
 * that became stdout would be sent what is printed. This one fails as before.
 */
static void
reserve_standard_fds(void)
{
	int fd;

	for (fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0 &&
		    open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) < 0)
			exit(STATUS_FAILED);
}

int
main(int argc, char **argv)
{
	enum status status;
	unsigned int i;

	reserve_standard_fds();
	if (argc < 2)
		usage(NULL, "no command given");
	if (argv[1][0] == '-')
		return option(argv + 1);
	for (i = 0; i < RTE_DIM(cmds); i++) {
		if (strcmp(argv[1], cmds[i]->name) == 0) {
			usage_command(cmds[i]);
			status = cmds[i]->run(argc - 1, argv + 1);
			return status == STATUS_OK ? stdout_end() : status;
		}
	}
	usage(NULL, "unknown command '%s'", argv[1]);
}
