/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

/* lspci: configuration space as the hex dump that lspci -F reads. */

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "device.h"
#include "pci.h"
#include "tool.h"

#define PER_LINE 16
#define SLOT "00:00.0"

static void
dump(FILE *out, const uint8_t *config, size_t size)
{
	size_t i;

	fprintf(out, SLOT " Device %02x%02x:%02x%02x\n", config[1], config[0], config[3],
		config[2]);
	for (i = 0; i < size; i++) {
		if (i % PER_LINE == 0)
			fprintf(out, "%02zx:", i);
		fprintf(out, " %02x", config[i]);
		if (i % PER_LINE == PER_LINE - 1)
			putc('\n', out);
	}
	putc('\n', out);
}

/* Give lspci the dump as a file that only the two of us have. */
static void __rte_noreturn
lspci_exec(const uint8_t *config, size_t size, int verbose)
{
	static const char *const levels[] = { "-v", "-v", "-vv", "-vvv" };
	char path[32];
	FILE *out;
	int fd;

	fd = memfd_create("config", 0);
	out = fd < 0 ? NULL : fdopen(dup(fd), "w");
	if (out == NULL)
		die(STATUS_FAILED, "cannot store the dump: %s", strerror(errno));
	dump(out, config, size);
	fclose(out);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	execlp("lspci", "lspci", "-F", path, levels[verbose], (char *)NULL);
	if (errno == ENOENT)
		die(STATUS_FAILED, "lspci is not installed (Debian: package pciutils); "
		    "without -v the dump for lspci -F is printed");
	die(STATUS_FAILED, "cannot run lspci: %s", strerror(errno));
}

static int
lspci_run(int argc, char **argv)
{
	static uint8_t config[PCI_CONFIG_SIZE];
	struct session s;
	int id, verbose = 0;
	size_t size;

	session_init(&s);
	while ((id = cmd_getopt(&cmd_lspci, argc, argv)) >= 0)
		if (!session_option(&s, id) && verbose < 3)
			verbose++;
	session_open(&s, cmd_words(&cmd_lspci, argc, argv, 1, 1)[0]);
	size = device_read_config(&s, config, sizeof(config)) & ~(size_t)(PER_LINE - 1);
	if (size < PCI_HEADER_SIZE)
		die(STATUS_FAILED, "%s: the device has no PCI configuration space", s.path);
	session_close(&s);
	if (verbose != 0)
		lspci_exec(config, size, verbose);
	dump(stdout, config, size);
	return STATUS_OK;
}

static const struct cmd_option lspci_options[] = {
	SESSION_OPTIONS,
	{ 'v', "verbose", NULL, "run lspci; -vv, -vvv: with more details" },
	{ 0 },
};

const struct cmd cmd_lspci = {
	.name = "lspci",
	.args = "SOCK",
	.summary = "Print configuration space as lspci -F reads it, or run lspci on it",
	.help = "The device has no place on a bus: it is shown as " SLOT ".\n",
	.examples = "  " TOOL " lspci -vv /run/dev.sock\n"
		"  " TOOL " lspci /run/dev.sock > dev.txt; lspci -F dev.txt -n\n",
	.options = lspci_options,
	.run = lspci_run,
};
