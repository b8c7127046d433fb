/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#include <stdio.h>
#include <string.h>

#include <linux/pci_regs.h>

#include <rte_byteorder.h>
#include <rte_common.h>

#include "pci_devices.h"
#include "test.h"
#include "test_short.h"

/* The call returns the offset of a capability. */
#define ADD(call, expected) TEST_ASSERT_EQUAL(call, expected, #call)

#define IDENTITY { \
	.vendor_id = 0x1234, \
	.device_id = 0x5646, \
	.subsystem_vendor_id = 0x1af4, \
	.subsystem_id = 0x0102, \
	.class_code = 0x088001, \
	.revision_id = 0x23, \
	.intx_pin = 1, \
}

static int
bar_add(struct rte_vfio_user_pci *pci, const struct rte_vfio_user_region_conf *bar,
	uint32_t number, uint64_t size, uint32_t flags)
{
	struct rte_vfio_user_region_conf region = *bar;

	region.size = size;
	return rte_vfio_user_pci_bar_add(pci, number, flags, &region);
}

/* ----------------------------------------------------------- a plain device */

static int
declare_plain(struct rte_vfio_user_pci *pci, const struct rte_vfio_user_region_conf *bar)
{
	DO(bar_add(pci, bar, 0, 32, RTE_VFIO_USER_PCI_BAR_IO));
	return 0;
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
declare_demo(struct rte_vfio_user_pci *pci, const struct rte_vfio_user_region_conf *bar)
{
	const struct rte_vfio_user_pci_msix msix = {
		.vectors = 4, .table_bar = 1, .pba_bar = 1, .pba_offset = 0x800,
	};

	DO(bar_add(pci, bar, 0, 4096, RTE_VFIO_USER_PCI_BAR_MEM32));
	DO(bar_add(pci, bar, 1, 4096, RTE_VFIO_USER_PCI_BAR_MEM32));
	DO(bar_add(pci, bar, 2, 65536, RTE_VFIO_USER_PCI_BAR_PREFETCH));
	ADD(rte_vfio_user_pci_cap_pm_add(pci, 0), 0x40);
	ADD(rte_vfio_user_pci_cap_express_add(pci, 0, 0), 0x48);
	ADD(rte_vfio_user_pci_cap_msix_add(pci, 0, &msix), 0x84);
	return 0;
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

#define ROM_UNIT 512 /* bytes; images have a multiple of it */
#define ROM_IMAGE_SIZE (6 * ROM_UNIT)
#define ROM_CODE_NONE 0xff /* no firmware runs it */
#define ROM_LAST_IMAGE 0x80

/* Header and PCI Data Structure of an expansion ROM: Linux checks both. */
struct rom_header {
	uint8_t signature[2];
	uint8_t reserved[22];
	rte_le16_t data_offset;
	uint8_t padding[2];
	struct rom_data {
		char signature[4];
		rte_le16_t vendor_id;
		rte_le16_t device_id;
		rte_le16_t vital_product_data;
		rte_le16_t length; /* of this structure */
		uint8_t revision;
		uint8_t class_code[3];
		rte_le16_t image_units;
		rte_le16_t code_revision;
		uint8_t code_type;
		uint8_t indicator;
		uint8_t reserved[2];
	} data;
};

const void *
pci_device_rom(uint32_t *size)
{
	static uint8_t image[ROM_IMAGE_SIZE];
	const struct rom_header header = {
		.signature = { 0x55, 0xaa },
		.data_offset = rte_cpu_to_le_16(offsetof(struct rom_header, data)),
		.data = {
			.signature = { 'P', 'C', 'I', 'R' },
			.vendor_id = rte_cpu_to_le_16(0x1234),
			.device_id = rte_cpu_to_le_16(0x5646),
			.length = rte_cpu_to_le_16(sizeof(struct rom_data)),
			.class_code = { 0x01, 0x80, 0x08 },
			.image_units = rte_cpu_to_le_16(ROM_IMAGE_SIZE / ROM_UNIT),
			.code_type = ROM_CODE_NONE,
			.indicator = ROM_LAST_IMAGE,
		},
	};
	uint32_t i;

	for (i = 0; i < sizeof(image); i++)
		image[i] = i * 7 + i / 256;
	memcpy(image, &header, sizeof(header));
	*size = sizeof(image);
	return image;
}

static int
declare_all_caps(struct rte_vfio_user_pci *pci)
{
	const uint8_t body[12] = { [3] = 0x01, [4] = 0x02, [11] = 0xfe };
	const struct rte_vfio_user_pci_vendor vendor = { .len = sizeof(body), .data = body };
	const struct rte_vfio_user_pci_vsec vsec = { .id = 0x0042, .revision = 3, .len = 0x18 };
	const struct rte_vfio_user_pci_msi msi = {
		.vectors = 8, .flags = RTE_VFIO_USER_PCI_MSI_MASKABLE,
	};

	ADD(rte_vfio_user_pci_ext_cap_vsec_add(pci, 0x400, &vsec), 0x400);
	ADD(rte_vfio_user_pci_ext_cap_dsn_add(pci, 0, 0x0123456789abcdef), 0x100);
	ADD(rte_vfio_user_pci_ext_cap_aer_add(pci, PCI_DEVICE_ALL_AER), PCI_DEVICE_ALL_AER);
	ADD(rte_vfio_user_pci_cap_vendor_add(pci, 0xf4, &vendor), 0xf4);
	ADD(rte_vfio_user_pci_cap_express_add(pci, PCI_DEVICE_ALL_EXP, RTE_VFIO_USER_PCI_EXP_FLR),
	    PCI_DEVICE_ALL_EXP);
	ADD(rte_vfio_user_pci_cap_vendor_add(pci, 0, &vendor), 0x40);
	ADD(rte_vfio_user_pci_cap_msi_add(pci, PCI_DEVICE_ALL_MSI, &msi), PCI_DEVICE_ALL_MSI);
	return 0;
}

static int
declare_all(struct rte_vfio_user_pci *pci, const struct rte_vfio_user_region_conf *bar)
{
	uint32_t size;
	const void *rom = pci_device_rom(&size);

	DO(bar_add(pci, bar, 0, UINT64_C(1) << 34, RTE_VFIO_USER_PCI_BAR_MEM64 |
		   RTE_VFIO_USER_PCI_BAR_PREFETCH));
	DO(bar_add(pci, bar, 2, 16384, RTE_VFIO_USER_PCI_BAR_MEM64));
	DO(bar_add(pci, bar, 5, 256, RTE_VFIO_USER_PCI_BAR_IO));
	DO(rte_vfio_user_pci_rom_add(pci, rom, size));
	return declare_all_caps(pci);
}

static int
report_all_errors(struct rte_vfio_user_pci *pci)
{
	const uint32_t uncor = rte_cpu_to_le_32(PCI_ERR_UNC_UNSUP | PCI_ERR_UNC_MALF_TLP);

	DO(rte_vfio_user_pci_config_set(pci, PCI_DEVICE_ALL_AER + PCI_ERR_UNCOR_STATUS,
					&uncor, sizeof(uncor)));
	DO(rte_vfio_user_pci_config_set(pci, PCI_DEVICE_ALL_EXP + PCI_EXP_DEVSTA, "\x09", 1));
	DO(rte_vfio_user_pci_config_set(pci, PCI_STATUS, "\x00\x41", 2));
	return 0;
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
declare_empty_head(struct rte_vfio_user_pci *pci, const struct rte_vfio_user_region_conf *bar)
{
	RTE_SET_USED(bar);
	ADD(rte_vfio_user_pci_cap_express_add(pci, 0, 0), 0x40);
	ADD(rte_vfio_user_pci_ext_cap_dsn_add(pci, 0x3f0, 1), 0x3f0);
	return 0;
}

static const char empty_head[] =
	"Capabilities: [40] Express (v2) Endpoint\n"
	"Capabilities: [100 v0] Null\n"
	"Capabilities: [3f0 v1] Device Serial Number 00-00-00-00-00-00-00-01\n";

static const struct pci_device devices[] = {
	{ "plain", { .vendor_id = 0x1234, .device_id = 0x0001, .class_code = 0xff0000 },
	  declare_plain, NULL, plain },
	{ "demo", IDENTITY, declare_demo, NULL, demo },
	{ "all", IDENTITY, declare_all, report_all_errors, all },
	{ "empty_head", IDENTITY, declare_empty_head, NULL, empty_head },
};

const struct pci_device *
pci_device_find(const char *name)
{
	uint32_t i;

	for (i = 0; i < RTE_DIM(devices); i++)
		if (strcmp(devices[i].name, name) == 0)
			return &devices[i];
	return NULL;
}
