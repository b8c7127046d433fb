/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

/* What lspci makes of the configuration space of the devices of pci_devices.c. */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <rte_common.h>

#include "pci_devices.h"
#include "test.h"
#include "test_short.h"
#include "test_vfio_user_pci.h"

/* ----------------------------------- what a driver writes, as the golden text has it */

static int
declare(const struct pci_device *dev)
{
	const struct rte_vfio_user_region_conf bar = {
		.flags = RTE_VFIO_USER_REGION_F_RW, .fd = -1,
	};

	rte_vfio_user_pci_destroy(pci);
	pci = rte_vfio_user_pci_create(srv, &dev->id);
	TEST_ASSERT_NOT_NULL(pci, "%s: not created", dev->name);
	return dev->declare(pci, &bar);
}

static int
drive_plain(void)
{
	cfg_write(PCI_BASE_ADDRESS_0, 4, 0xc000);
	cfg_write(PCI_COMMAND, 2, PCI_COMMAND_IO);
	return TEST_SUCCESS;
}

static int
drive_demo(void)
{
	cfg_write(PCI_BASE_ADDRESS_0, 4, 0xfebf1000);
	cfg_write(PCI_BASE_ADDRESS_1, 4, 0xfebf2000);
	cfg_write(PCI_BASE_ADDRESS_2, 4, 0xfe000000);
	cfg_write(PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER |
		  PCI_COMMAND_INTX_DISABLE);
	cfg_write(PCI_INTERRUPT_LINE, 1, 11);
	cfg_write(0x40 + PCI_PM_CTRL, 2, 3);
	cfg_write(0x84 + PCI_MSIX_FLAGS, 2, PCI_MSIX_FLAGS_ENABLE);
	return rte_vfio_user_pci_intx_set(pci, true);
}

static int
drive_all(void)
{
	cfg_write(PCI_BASE_ADDRESS_0, 4, UINT32_MAX);
	cfg_write(PCI_BASE_ADDRESS_1, 4, 0x38);
	cfg_write(PCI_BASE_ADDRESS_2, 4, 0xfe004000);
	cfg_write(PCI_BASE_ADDRESS_5, 4, 0xc100);
	cfg_write(PCI_ROM_ADDRESS, 4, 0xfeb80000 | PCI_ROM_ADDRESS_ENABLE);
	cfg_write(PCI_COMMAND, 2, PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_SERR);
	cfg_write(PCI_DEVICE_ALL_EXP + PCI_EXP_DEVCTL, 2, 0x203f | PCI_EXP_DEVCTL_BCR_FLR);
	cfg_write(PCI_DEVICE_ALL_AER + PCI_ERR_UNCOR_MASK, 4, PCI_ERR_UNC_POISON_TLP);
	cfg_write(PCI_DEVICE_ALL_AER + PCI_ERR_UNCOR_SEVER, 4, PCI_ERR_UNC_UNSUP);
	cfg_write(PCI_DEVICE_ALL_MSI + PCI_MSI_ADDRESS_LO, 4, 0xfee00000);
	cfg_write(PCI_DEVICE_ALL_MSI + PCI_MSI_DATA_64, 2, 0x4021);
	cfg_write(PCI_DEVICE_ALL_MSI + PCI_MSI_MASK_64, 4, 0xfffffff1);
	cfg_write(PCI_DEVICE_ALL_MSI + PCI_MSI_FLAGS, 2, PCI_MSI_FLAGS_ENABLE | 2 << 4);
	return TEST_SUCCESS;
}

/* ------------------------------------------------------------------- lspci */

/* The form that lspci -x prints and lspci -F reads. */
static void
write_dump(FILE *file)
{
	static uint8_t space[CONFIG_SIZE] __rte_aligned(8);
	uint32_t i;

	cfg_access(false, 0, space, CONFIG_SIZE);
	fprintf(file, "01:00.0 device");
	for (i = 0; i < CONFIG_SIZE; i++) {
		if (i % 16 == 0)
			fprintf(file, "\n%02x:", i);
		fprintf(file, " %02x", space[i]);
	}
	fprintf(file, "\n");
	fclose(file);
}

static int
run_lspci(char *out, size_t size)
{
	char path[] = "/tmp/vfio_user_pci_test.XXXXXX", cmd[96];
	FILE *file;
	size_t len;
	int fd, status;

	fd = mkstemp(path);
	file = fd < 0 ? NULL : fdopen(fd, "w");
	TEST_ASSERT_NOT_NULL(file, "no temporary file: %s", strerror(errno));
	write_dump(file);
	snprintf(cmd, sizeof(cmd), "lspci -vvv -n -F %s 2>&1", path);
	file = popen(cmd, "r");
	TEST_ASSERT_NOT_NULL(file, "%s: %s", cmd, strerror(errno));
	len = fread(out, 1, size - 1, file);
	out[len] = '\0';
	status = pclose(file);
	unlink(path);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 127) {
		printf("skipped: lspci (Debian package pciutils) is not installed\n");
		return TEST_SKIPPED;
	}
	TEST_ASSERT_EQUAL(status, 0, "lspci: %s", out);
	return TEST_SUCCESS;
}

static uint32_t
count_of(const char *text, const char *word)
{
	uint32_t nb = 0;

	while ((text = strstr(text, word)) != NULL) {
		text += strlen(word);
		nb++;
	}
	return nb;
}

/* Whether one line of text contains the other; text goes on behind it. */
static bool
find_line(const char **text, const char *line, size_t len)
{
	const char *at = memmem(*text, strlen(*text), line, len);

	if (at == NULL)
		return false;
	*text = strchrnul(at + len, '\n');
	return true;
}

static int
compare(const char *golden)
{
	static char out[32768];
	const char *at = out;
	size_t len;
	int ret;

	ret = run_lspci(out, sizeof(out));
	if (ret != TEST_SUCCESS)
		return ret;
	TEST_ASSERT_EQUAL(count_of(out, "Capabilities:"), count_of(golden, "Capabilities:"),
			  "in:\n%s", out);
	TEST_ASSERT_NULL(strstr(out, "<chain"), "the list of capabilities is broken:\n%s", out);
	TEST_ASSERT_NULL(strstr(out, "nknown"), "lspci does not know something:\n%s", out);
	for (; *golden != '\0'; golden += len + 1) {
		len = strcspn(golden, "\n");
		TEST_ASSERT(find_line(&at, golden, len), "\"%.*s\" is not in its place in:\n%s",
			    (int)len, golden, out);
	}
	return TEST_SUCCESS;
}

static int
run_device(const char *name, int (*drive)(void))
{
	const struct pci_device *dev = pci_device_find(name);

	TEST_ASSERT_NOT_NULL(dev, "no device %s", name);
	DO(declare(dev));
	if (drive != NULL)
		DO(drive());
	if (dev->report_errors != NULL)
		DO(dev->report_errors(pci));
	return compare(dev->golden);
}

static int
test_plain(void)
{
	return run_device("plain", drive_plain);
}

static int
test_demo(void)
{
	return run_device("demo", drive_demo);
}

static int
test_all(void)
{
	return run_device("all", drive_all);
}

static int
test_empty_head(void)
{
	return run_device("empty_head", NULL);
}

static struct unit_test_suite pci_lspci_suite = {
	.suite_name = "vfio-user PCI configuration space seen by lspci",
	.unit_test_cases = {
		TEST_CASE_ST(pci_setup, pci_teardown, test_plain),
		TEST_CASE_ST(pci_setup, pci_teardown, test_demo),
		TEST_CASE_ST(pci_setup, pci_teardown, test_all),
		TEST_CASE_ST(pci_setup, pci_teardown, test_empty_head),
		TEST_CASES_END()
	},
};

static int
test_vfio_user_pci_lspci(void)
{
	return unit_test_suite_runner(&pci_lspci_suite);
}

REGISTER_TEST_COMMAND(vfio_user_pci_lspci_autotest, test_vfio_user_pci_lspci);
