/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#include <ctype.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd.h"
#include "tool.h"

/* More than any command has. */
#define OPTIONS_MAX 48

static const struct cmd_option help_option = {
	'h', "help", NULL, "print this help",
};

/* The option at a place of the table, with --help behind the others. */
static const struct cmd_option *
option_at(const struct cmd *cmd, unsigned int i)
{
	static const struct cmd_option end;
	unsigned int n;

	for (n = 0; n < i; n++)
		if (cmd->options == NULL || cmd->options[n].name == NULL)
			return n < i ? &end : &help_option;
	if (cmd->options != NULL && cmd->options[i].name != NULL)
		return &cmd->options[i];
	return &help_option;
}

static bool
has_letter(const struct cmd_option *option)
{
	return option->id < CMD_OPTION_LONG && isalpha(option->id);
}

static void __rte_noreturn
wrong_option(const struct cmd *cmd, int found, char **argv)
{
	const char *word = argv[optind - 1];

	if (found == ':')
		usage(cmd, "option '%s' needs an argument", word);
	if (optopt != 0 && optopt < CMD_OPTION_LONG && word[1] != '-')
		usage(cmd, "unknown option '-%c'", optopt);
	usage(cmd, "unknown option '%s'", word);
}

int
cmd_getopt(const struct cmd *cmd, int argc, char **argv)
{
	struct option longs[OPTIONS_MAX + 1] = { 0 };
	char letters[2 * OPTIONS_MAX + 2] = ":";
	const struct cmd_option *option;
	size_t nb_letters = 1;
	unsigned int i;
	int found;

	for (i = 0; i < OPTIONS_MAX; i++) {
		option = option_at(cmd, i);
		if (option->name == NULL)
			break;
		longs[i] = (struct option){
			.name = option->name, .val = option->id,
			.has_arg = option->arg != NULL ? required_argument : no_argument,
		};
		if (has_letter(option)) {
			letters[nb_letters++] = (char)option->id;
			if (option->arg != NULL)
				letters[nb_letters++] = ':';
		}
	}
	opterr = 0;
	found = getopt_long(argc, argv, letters, longs, NULL);
	if (found == help_option.id) {
		cmd_help(cmd);
		exit(stdout_end());
	}
	if (found == '?' || found == ':')
		wrong_option(cmd, found, argv);
	return found;
}

char **
cmd_words(const struct cmd *cmd, int argc, char **argv, int min, int max)
{
	int nb = argc - optind;

	if (nb < min)
		usage(cmd, "too few arguments");
	if (nb > max)
		usage(cmd, "unexpected argument '%s'", argv[optind + max]);
	return argv + optind;
}

void
cmd_help(const struct cmd *cmd)
{
	const struct cmd_option *option;
	char name[64];
	unsigned int i;

	printf("Usage: " TOOL " %s [OPTION...]%s%s\n\n%s.\n", cmd->name,
	       cmd->args[0] != '\0' ? " " : "", cmd->args, cmd->summary);
	if (cmd->help != NULL)
		printf("\n%s", cmd->help);
	printf("\nOptions:\n");
	for (i = 0; (option = option_at(cmd, i))->name != NULL; i++) {
		snprintf(name, sizeof(name), "--%s%s%s", option->name,
			 option->arg != NULL ? " " : "", option->arg != NULL ? option->arg : "");
		if (has_letter(option))
			printf("  -%c, %-22s %s\n", option->id, name, option->help);
		else
			printf("      %-22s %s\n", name, option->help);
	}
	if (cmd->examples != NULL)
		printf("\nExamples:\n%s", cmd->examples);
}

/* "SOCK REGION [COUNT]": a line for each word, without its brackets. */
static void
list_args(const struct cmd *cmd)
{
	const char *word = cmd->args;
	unsigned int i;
	size_t len;

	for (i = 1; *word != '\0'; i++) {
		word += strspn(word, " [");
		len = strcspn(word, " ].");
		printf("%s %u %.*s\n", cmd->name, i, (int)len, word);
		word += len;
		word += strspn(word, " ].");
	}
}

void
cmd_list(const struct cmd *cmd)
{
	const struct cmd_option *option;
	unsigned int i;

	list_args(cmd);
	for (i = 0; (option = option_at(cmd, i))->name != NULL; i++) {
		printf("%s --%s %s\n", cmd->name, option->name,
		       option->arg != NULL ? option->arg : "-");
		if (has_letter(option))
			printf("%s -%c %s\n", cmd->name, option->id,
			       option->arg != NULL ? option->arg : "-");
	}
}
