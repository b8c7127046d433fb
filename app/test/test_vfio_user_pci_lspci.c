/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

/*
 * What lspci makes of devices that are declared here. The golden text has what
 * must be found, each line inside one line of lspci and in that order: versions
 * of lspci differ in what else they print, except for the capabilities.
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <rte_common.h>

#include "test.h"
#include "test_vfio_user_pci.h"

#define DO(call) TEST_ASSERT_SUCCESS(call, #call)
/* The call returns the offset of a capability. */
#define ADD(call, expected) TEST_ASSERT_EQUAL(call, expected, #call)

/* ----------------------------------------------------------- a plain device */

static int
declare_plain(void)
{
	const struct rte_vfio_user_pci_id id = {
		.vendor_id = 0x1234, .device_id = 0x0001, .class_code = 0xff0000,
	};

	rte_vfio_user_pci_destroy(pci);
	pci = rte_vfio_user_pci_create(srv, &id);
	TEST_ASSERT_NOT_NULL(pci, "not created");
	DO(bar_add(0, 32, RTE_VFIO_USER_PCI_BAR_IO));
	cfg_write(PCI_BASE_ADDRESS_0, 4, 0xc000);
	cfg_write(PCI_COMMAND, 2, PCI_COMMAND_IO);
	return TEST_SUCCESS;
}

static const char plain[] =
	"ff00: 1234:0001\n"
	"Control: I/O+ Mem- BusMaster- SpecCycle- MemWINV- VGASnoop- ParErr- Stepping- SERR- "
		"FastB2B- DisINTx-\n"
	"Status: Cap- 66MHz- UDF- FastB2B- ParErr- DEVSEL=fast >TAbort- <TAbort- <MAbort- >SERR- "
		"<PERR- INTx-\n"
	"Region 0: I/O ports at c000\n";

/* ------------------------------------------------- as the demo device is */

static int
declare_demo(void)
{
	const struct rte_vfio_user_pci_msix msix = {
		.vectors = 4, .table_bar = 1, .pba_bar = 1, .pba_offset = 0x800,
	};

	DO(bar_add(0, 4096, RTE_VFIO_USER_PCI_BAR_MEM32));
	DO(bar_add(1, 4096, RTE_VFIO_USER_PCI_BAR_MEM32));
	DO(bar_add(2, 65536, RTE_VFIO_USER_PCI_BAR_PREFETCH));
	ADD(rte_vfio_user_pci_cap_pm_add(pci, 0), 0x40);
	ADD(rte_vfio_user_pci_cap_express_add(pci, 0, 0), 0x48);
	ADD(rte_vfio_user_pci_cap_msix_add(pci, 0, &msix), 0x84);
	cfg_write(PCI_BASE_ADDRESS_0, 4, 0xfebf1000);
	cfg_write(PCI_BASE_ADDRESS_1, 4, 0xfebf2000);
	cfg_write(PCI_BASE_ADDRESS_2, 4, 0xfe000000);
	cfg_write(PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER |
		  PCI_COMMAND_INTX_DISABLE);
	cfg_write(PCI_INTERRUPT_LINE, 1, 11);
	cfg_write(0x40 + PCI_PM_CTRL, 2, 3);
	cfg_write(0x84 + PCI_MSIX_FLAGS, 2, PCI_MSIX_FLAGS_ENABLE);
	DO(rte_vfio_user_pci_intx_set(pci, true));
	return TEST_SUCCESS;
}

static const char demo[] =
	"0880: 1234:5646 (rev 23) (prog-if 01)\n"
	"Subsystem: 1af4:0102\n"
	"Control: I/O- Mem+ BusMaster+ SpecCycle- MemWINV- VGASnoop- ParErr- Stepping- SERR- "
		"FastB2B- DisINTx+\n"
	"Status: Cap+ 66MHz- UDF- FastB2B- ParErr- DEVSEL=fast >TAbort- <TAbort- <MAbort- >SERR- "
		"<PERR- INTx+\n"
	"Latency: 0\n"
	"Interrupt: pin A routed to IRQ 11\n"
	"Region 0: Memory at febf1000 (32-bit, non-prefetchable)\n"
	"Region 1: Memory at febf2000 (32-bit, non-prefetchable)\n"
	"Region 2: Memory at fe000000 (32-bit, prefetchable)\n"
	"Capabilities: [40] Power Management version 3\n"
	"Flags: PMEClk- DSI- D1- D2- AuxCurrent=0mA PME(D0-,D1-,D2-,D3hot-,D3cold-)\n"
	"Status: D3 NoSoftRst+ PME-Enable- DSel=0 DScale=0 PME-\n"
	"Capabilities: [48] Express (v2) Endpoint\n"
	"DevCap:\tMaxPayload 256 bytes, PhantFunc 0\n"
	"ExtTag+ AttnBtn- AttnInd- PwrInd- RBE+ FLReset-\n"
	"DevCtl:\tCorrErr- NonFatalErr- FatalErr- UnsupReq-\n"
	"RlxdOrd+ ExtTag- PhantFunc- AuxPwr- NoSnoop+\n"
	"MaxPayload 128 bytes, MaxReadReq 512 bytes\n"
	"DevSta:\tCorrErr- NonFatalErr- FatalErr- UnsupReq- AuxPwr- TransPend-\n"
	"LnkCap:\tPort #0, Speed 2.5GT/s, Width x1, ASPM not supported\n"
	"ASPMOptComp+\n"
	"LnkSta:\tSpeed 2.5GT/s\n"
	"LnkCap2: Supported Link Speeds: 2.5GT/s\n"
	"Target Link Speed: 2.5GT/s\n"
	"Capabilities: [84] MSI-X: Enable+ Count=4 Masked-\n"
	"Vector table: BAR=1 offset=00000000\n"
	"PBA: BAR=1 offset=00000800\n";

/* -------------------------------------------------- all there is to declare */

static int
declare_extended(void)
{
	const uint8_t body[12] = { [3] = 0x01, [4] = 0x02, [11] = 0xfe };
	const struct rte_vfio_user_pci_vendor vendor = { .len = sizeof(body), .data = body };
	const struct rte_vfio_user_pci_vsec vsec = { .id = 0x0042, .revision = 3, .len = 0x18 };
	const struct rte_vfio_user_pci_msi msi = {
		.vectors = 8, .flags = RTE_VFIO_USER_PCI_MSI_MASKABLE,
	};

	ADD(rte_vfio_user_pci_ext_cap_vsec_add(pci, 0x400, &vsec), 0x400);
	ADD(rte_vfio_user_pci_ext_cap_dsn_add(pci, 0, 0x0123456789abcdef), 0x100);
	ADD(rte_vfio_user_pci_ext_cap_aer_add(pci, 0x150), 0x150);
	ADD(rte_vfio_user_pci_cap_vendor_add(pci, 0xf4, &vendor), 0xf4);
	ADD(rte_vfio_user_pci_cap_express_add(pci, 0x60, RTE_VFIO_USER_PCI_EXP_FLR), 0x60);
	ADD(rte_vfio_user_pci_cap_vendor_add(pci, 0, &vendor), 0x40);
	ADD(rte_vfio_user_pci_cap_msi_add(pci, 0xa0, &msi), 0xa0);
	return TEST_SUCCESS;
}

static int
declare_all(void)
{
	const uint32_t uncor = PCI_ERR_UNC_UNSUP | PCI_ERR_UNC_MALF_TLP;
	const uint8_t image[512] = { 0x55, 0xaa, 1 };

	DO(bar_add(0, UINT64_C(1) << 34, RTE_VFIO_USER_PCI_BAR_MEM64 |
		   RTE_VFIO_USER_PCI_BAR_PREFETCH));
	DO(bar_add(2, 16384, RTE_VFIO_USER_PCI_BAR_MEM64));
	DO(bar_add(5, 256, RTE_VFIO_USER_PCI_BAR_IO));
	DO(rte_vfio_user_pci_rom_add(pci, image, sizeof(image)));
	DO(declare_extended());
	cfg_write(PCI_BASE_ADDRESS_0, 4, UINT32_MAX);
	cfg_write(PCI_BASE_ADDRESS_1, 4, 0x38);
	cfg_write(PCI_BASE_ADDRESS_2, 4, 0xfe004000);
	cfg_write(PCI_BASE_ADDRESS_5, 4, 0xc100);
	cfg_write(PCI_ROM_ADDRESS, 4, 0xfeb80000 | PCI_ROM_ADDRESS_ENABLE);
	cfg_write(PCI_COMMAND, 2, PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_SERR);
	cfg_write(0x60 + PCI_EXP_DEVCTL, 2, 0x203f | PCI_EXP_DEVCTL_BCR_FLR);
	cfg_write(0x150 + PCI_ERR_UNCOR_MASK, 4, PCI_ERR_UNC_POISON_TLP);
	cfg_write(0x150 + PCI_ERR_UNCOR_SEVER, 4, PCI_ERR_UNC_UNSUP);
	cfg_write(0xa0 + PCI_MSI_ADDRESS_LO, 4, 0xfee00000);
	cfg_write(0xa0 + PCI_MSI_DATA_64, 2, 0x4021);
	cfg_write(0xa0 + PCI_MSI_MASK_64, 4, 0xfffffff1);
	cfg_write(0xa0 + PCI_MSI_FLAGS, 2, PCI_MSI_FLAGS_ENABLE | 2 << 4);
	DO(rte_vfio_user_pci_config_set(pci, 0x150 + PCI_ERR_UNCOR_STATUS, &uncor, 4));
	DO(rte_vfio_user_pci_config_set(pci, 0x60 + PCI_EXP_DEVSTA, "\x09", 1));
	DO(rte_vfio_user_pci_config_set(pci, PCI_STATUS, "\x00\x41", 2));
	return TEST_SUCCESS;
}

static const char all[] =
	"Control: I/O+ Mem+ BusMaster- SpecCycle- MemWINV- VGASnoop- ParErr- Stepping- SERR+ "
		"FastB2B- DisINTx-\n"
	"Status: Cap+ 66MHz- UDF- FastB2B- ParErr+ DEVSEL=fast >TAbort- <TAbort- <MAbort- >SERR+ "
		"<PERR- INTx-\n"
	"Region 0: Memory at 3800000000 (64-bit, prefetchable)\n"
	"Region 2: Memory at fe004000 (64-bit, non-prefetchable)\n"
	"Region 5: I/O ports at c100\n"
	"Expansion ROM at feb80000\n"
	"Capabilities: [f4] Vendor Specific Information: Len=0c\n"
	"Capabilities: [60] Express (v2) Endpoint\n"
	"FLReset+\n"
	"DevCtl:\tCorrErr+ NonFatalErr+ FatalErr+ UnsupReq+\n"
	"RlxdOrd+ ExtTag- PhantFunc- AuxPwr- NoSnoop- FLReset-\n"
	"MaxPayload 256 bytes, MaxReadReq 512 bytes\n"
	"DevSta:\tCorrErr+ NonFatalErr- FatalErr- UnsupReq+ AuxPwr- TransPend-\n"
	"Capabilities: [40] Vendor Specific Information: Len=0c\n"
	"Capabilities: [a0] MSI: Enable+ Count=4/8 Maskable+ 64bit+\n"
	"Address: 00000000fee00000  Data: 4021\n"
	"Masking: 000000f1  Pending: 00000000\n"
	"Capabilities: [100 v1] Device Serial Number 01-23-45-67-89-ab-cd-ef\n"
	"Capabilities: [400 v1] Vendor Specific Information: ID=0042 Rev=3 Len=018\n"
	"Capabilities: [150 v1] Advanced Error Reporting\n"
	"UESta:\tDLP- SDES- TLP- FCP- CmpltTO- CmpltAbrt- UnxCmplt- RxOF- MalfTLP+ ECRC- "
		"UnsupReq+\n"
	"UEMsk:\tDLP- SDES- TLP+ FCP- CmpltTO- CmpltAbrt- UnxCmplt- RxOF- MalfTLP- ECRC- "
		"UnsupReq-\n"
	"UESvrt:\tDLP- SDES- TLP- FCP- CmpltTO- CmpltAbrt- UnxCmplt- RxOF- MalfTLP- ECRC- "
		"UnsupReq+\n"
	"CESta:\tRxErr- BadTLP- BadDLLP- Rollover- Timeout- AdvNonFatalErr-\n"
	"CEMsk:\tRxErr- BadTLP- BadDLLP- Rollover- Timeout- AdvNonFatalErr+\n"
	"AERCap:\tFirst Error Pointer: 00, ECRCGenCap- ECRCGenEn- ECRCChkCap- ECRCChkEn-\n"
	"HeaderLog: 00000000 00000000 00000000 00000000\n";

/* -------------------------------------------- a list that begins elsewhere */

static int
declare_empty_head(void)
{
	ADD(rte_vfio_user_pci_cap_express_add(pci, 0, 0), 0x40);
	ADD(rte_vfio_user_pci_ext_cap_dsn_add(pci, 0x3f0, 1), 0x3f0);
	return TEST_SUCCESS;
}

static const char empty_head[] =
	"Capabilities: [40] Express (v2) Endpoint\n"
	"Capabilities: [100 v0] Null\n"
	"Capabilities: [3f0 v1] Device Serial Number 00-00-00-00-00-00-00-01\n";

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
test_plain(void)
{
	DO(declare_plain());
	return compare(plain);
}

static int
test_demo(void)
{
	DO(declare_demo());
	return compare(demo);
}

static int
test_all(void)
{
	DO(declare_all());
	return compare(all);
}

static int
test_empty_head(void)
{
	DO(declare_empty_head());
	return compare(empty_head);
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
