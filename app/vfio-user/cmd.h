/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#ifndef CMD_H
#define CMD_H

/**
 * @file
 * The table of commands
 *
 * Each command is a file that defines one struct cmd, and a row in main.c. What
 * a command is called, and the options it takes, is written there only: the
 * help, the parser and the completion are made from it, and a test compares the
 * manual page with it.
 */

#include <stdbool.h>

/** Exit status of the program. */
enum status {
	STATUS_OK = 0,
	STATUS_FAILED = 1, /**< connected, but the operation failed */
	STATUS_USAGE = 2, /**< wrong arguments; nothing was done */
	STATUS_CONNECT = 3, /**< no such socket, refused, not a socket ... */
	STATUS_BUSY = 4, /**< another client holds the device */
	STATUS_TIMEOUT = 5, /**< no answer, or what was waited for did not come */
	STATUS_PROTOCOL = 6, /**< another version, or not vfio-user at all */
};

/** An option of a command; a table of them ends with a NULL name. */
struct cmd_option {
	int id; /**< what cmd_getopt() returns; a letter is the short option, too */
	const char *name; /**< long name without dashes */
	const char *arg; /**< its argument as the help names it; NULL if it has none */
	const char *help; /**< one line */
};

/** Ids of options without a letter start here. */
#define CMD_OPTION_LONG 256

struct cmd {
	const char *name;
	const char *args; /**< synopsis without the options: "SOCK REGION" */
	const char *summary; /**< one line, for the list of commands */
	const char *help; /**< what else to say: lines, each with its newline */
	const char *examples; /**< lines that can be typed, each with its newline */
	const struct cmd_option *options;
	/**
	 * Do it.
	 *
	 * @param argc
	 *   Words of the command line from the command's name on.
	 * @param argv
	 *   Those words.
	 * @return
	 *   An enum status.
	 */
	int (*run)(int argc, char **argv);
};

/* The rows of the table, in the order of the help. */
extern const struct cmd cmd_info;
extern const struct cmd cmd_lspci;
extern const struct cmd cmd_read;
extern const struct cmd cmd_write;
extern const struct cmd cmd_irq;
extern const struct cmd cmd_reset;
extern const struct cmd cmd_dma_test;
extern const struct cmd cmd_bench;
extern const struct cmd cmd_top;
extern const struct cmd cmd_trace;

/**
 * Parse the next option, as getopt_long(3). --help is handled here; on a wrong
 * option the program ends with STATUS_USAGE.
 *
 * @param cmd
 *   The command.
 * @param argc
 *   As given to its run function.
 * @param argv
 *   As given to its run function; its options come to stand first.
 * @return
 *   The id of the option, with its argument in optarg; or -1: the other words
 *   start at argv[optind].
 */
int cmd_getopt(const struct cmd *cmd, int argc, char **argv);

/**
 * Check how many words follow the options; end with STATUS_USAGE if wrong.
 *
 * @return
 *   The words, ended by NULL.
 */
char **cmd_words(const struct cmd *cmd, int argc, char **argv, int min, int max);

/** Print the help of a command. */
void cmd_help(const struct cmd *cmd);

/**
 * Print a line for each argument and option, three words each: name of the
 * command; place of the argument, or the option; name of the argument, or "-".
 */
void cmd_list(const struct cmd *cmd);

#endif /* CMD_H */
