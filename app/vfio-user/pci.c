/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#include <stdio.h>
#include <string.h>

#include <linux/pci_regs.h>

#include <rte_common.h>

#include "pci.h"
#include "tool.h"

static const char *const names[] = {
	[PCI_CAP_ID_PM] = "Power Management",
	[PCI_CAP_ID_AGP] = "AGP",
	[PCI_CAP_ID_VPD] = "Vital Product Data",
	[PCI_CAP_ID_SLOTID] = "Slot ID",
	[PCI_CAP_ID_MSI] = "MSI",
	[PCI_CAP_ID_PCIX] = "PCI-X",
	[PCI_CAP_ID_HT] = "HyperTransport",
	[PCI_CAP_ID_VNDR] = "Vendor Specific",
	[PCI_CAP_ID_DBG] = "Debug port",
	[PCI_CAP_ID_SSVID] = "Subsystem ID",
	[PCI_CAP_ID_EXP] = "PCI Express",
	[PCI_CAP_ID_MSIX] = "MSI-X",
	[PCI_CAP_ID_SATA] = "SATA",
	[PCI_CAP_ID_AF] = "Advanced Features",
	[PCI_CAP_ID_EA] = "Enhanced Allocation",
};

static const char *const extended_names[] = {
	[PCI_EXT_CAP_ID_ERR] = "Advanced Error Reporting",
	[PCI_EXT_CAP_ID_VC] = "Virtual Channel",
	[PCI_EXT_CAP_ID_DSN] = "Device Serial Number",
	[PCI_EXT_CAP_ID_PWR] = "Power Budgeting",
	[PCI_EXT_CAP_ID_VNDR] = "Vendor Specific",
	[PCI_EXT_CAP_ID_ACS] = "Access Control Services",
	[PCI_EXT_CAP_ID_ARI] = "Alternative Routing ID",
	[PCI_EXT_CAP_ID_ATS] = "Address Translation Services",
	[PCI_EXT_CAP_ID_SRIOV] = "SR-IOV",
	[PCI_EXT_CAP_ID_PRI] = "Page Request Interface",
	[PCI_EXT_CAP_ID_REBAR] = "Resizable BAR",
	[PCI_EXT_CAP_ID_DPA] = "Dynamic Power Allocation",
	[PCI_EXT_CAP_ID_TPH] = "TPH Requester",
	[PCI_EXT_CAP_ID_LTR] = "Latency Tolerance Reporting",
	[PCI_EXT_CAP_ID_SECPCI] = "Secondary PCI Express",
	[PCI_EXT_CAP_ID_PASID] = "PASID",
	[PCI_EXT_CAP_ID_DPC] = "Downstream Port Containment",
	[PCI_EXT_CAP_ID_L1SS] = "L1 PM Substates",
	[PCI_EXT_CAP_ID_PTM] = "Precision Time Measurement",
	[PCI_EXT_CAP_ID_DVSEC] = "Designated Vendor Specific",
	[PCI_EXT_CAP_ID_DLF] = "Data Link Feature",
	[PCI_EXT_CAP_ID_PL_16GT] = "Physical Layer 16.0 GT/s",
	[PCI_EXT_CAP_ID_DOE] = "Data Object Exchange",
};

static uint32_t
get(const uint8_t *config, size_t off, size_t len)
{
	uint32_t value = 0;

	while (len-- > 0)
		value = value << 8 | config[off + len];
	return value;
}

static const char *
name_of(const char *const list[], size_t nb, uint32_t id)
{
	return id < nb ? list[id] : NULL;
}

static void
caps_add(struct pci_caps *caps, const struct pci_cap *cap)
{
	caps->cap[caps->nb++] = *cap;
}

static void
walk_standard(struct pci_caps *caps, const uint8_t *config, size_t size)
{
	struct pci_cap cap = { 0 };
	uint32_t left = (PCI_CFG_SPACE_SIZE - PCI_HEADER_SIZE) / 4;
	uint32_t off = config[PCI_CAPABILITY_LIST] & ~3u;

	if ((get(config, PCI_STATUS, 2) & PCI_STATUS_CAP_LIST) == 0)
		return;
	for (; off != 0; off = config[off + PCI_CAP_LIST_NEXT] & ~3u) {
		if (off < PCI_HEADER_SIZE || off + 2 > size || left-- == 0) {
			caps->broken = true;
			return;
		}
		cap.offset = (uint16_t)off;
		cap.id = config[off + PCI_CAP_LIST_ID];
		cap.name = name_of(names, RTE_DIM(names), cap.id);
		caps_add(caps, &cap);
	}
}

static void
walk_extended(struct pci_caps *caps, const uint8_t *config, size_t size)
{
	struct pci_cap cap = { .extended = true };
	uint32_t left = (PCI_CONFIG_SIZE - PCI_CFG_SPACE_SIZE) / 4;
	uint32_t off = PCI_CFG_SPACE_SIZE, head;

	if (size < PCI_CONFIG_SIZE)
		return;
	for (; off != 0; off = PCI_EXT_CAP_NEXT(head)) {
		if (off < PCI_CFG_SPACE_SIZE || left-- == 0) {
			caps->broken = true;
			return;
		}
		head = get(config, off, 4);
		if (head == 0 || head == UINT32_MAX) /* there is none */
			return;
		cap.offset = (uint16_t)off;
		cap.id = PCI_EXT_CAP_ID(head);
		cap.version = PCI_EXT_CAP_VER(head);
		cap.name = name_of(extended_names, RTE_DIM(extended_names), cap.id);
		caps_add(caps, &cap);
	}
}

void
pci_caps_walk(struct pci_caps *caps, const uint8_t *config, size_t size)
{
	caps->nb = 0;
	caps->broken = false;
	if (size < PCI_HEADER_SIZE)
		return;
	walk_standard(caps, config, size);
	walk_extended(caps, config, size);
}

static void
show_cap(const struct pci_cap *cap)
{
	if (cap->name != NULL)
		printf("  %03x  %s", cap->offset, cap->name);
	else
		printf("  %03x  capability 0x%0*x", cap->offset, cap->extended ? 4 : 2, cap->id);
	if (cap->extended)
		printf(" (extended, version %u)", cap->version);
	putchar('\n');
}

void
pci_show(const uint8_t *config, size_t size)
{
	static struct pci_caps caps;
	uint32_t i;

	if (size < PCI_HEADER_SIZE)
		return;
	printf("\nPCI\n  device     %04x:%04x  subsystem %04x:%04x\n"
	       "  class      %06x  revision %02x\n",
	       get(config, PCI_VENDOR_ID, 2), get(config, PCI_DEVICE_ID, 2),
	       get(config, PCI_SUBSYSTEM_VENDOR_ID, 2), get(config, PCI_SUBSYSTEM_ID, 2),
	       get(config, PCI_CLASS_PROG, 3), config[PCI_CLASS_REVISION]);
	printf("  command    %04x  status %04x\n", get(config, PCI_COMMAND, 2),
	       get(config, PCI_STATUS, 2));
	if (config[PCI_INTERRUPT_PIN] != 0)
		printf("  interrupt  pin %u\n", config[PCI_INTERRUPT_PIN]);
	pci_caps_walk(&caps, config, size);
	if (caps.nb != 0)
		printf("\nCapabilities\n");
	for (i = 0; i < caps.nb; i++)
		show_cap(&caps.cap[i]);
	if (caps.broken)
		printf("  the list is broken: it leaves the space, or runs in a circle\n");
}

static json_t *
cap_json(const struct pci_cap *cap)
{
	json_t *o = json_pack("{s:i, s:o, s:b, s:o}", "offset", cap->offset,
			      "id", json_hex(cap->id, cap->extended ? 4 : 2),
			      "extended", cap->extended,
			      "name", cap->name != NULL ? json_string(cap->name) : json_null());

	if (cap->extended)
		json_object_set_new(o, "version", json_integer(cap->version));
	return o;
}

json_t *
pci_json(const uint8_t *config, size_t size)
{
	static struct pci_caps caps;
	json_t *list;
	uint32_t i;

	if (size < PCI_HEADER_SIZE)
		return json_null();
	pci_caps_walk(&caps, config, size);
	list = json_array();
	for (i = 0; i < caps.nb; i++)
		json_array_append_new(list, cap_json(&caps.cap[i]));
	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:i, s:o, s:b}",
			 "vendor_id", json_hex(get(config, PCI_VENDOR_ID, 2), 4),
			 "device_id", json_hex(get(config, PCI_DEVICE_ID, 2), 4),
			 "subsystem_vendor_id",
			 json_hex(get(config, PCI_SUBSYSTEM_VENDOR_ID, 2), 4),
			 "subsystem_id", json_hex(get(config, PCI_SUBSYSTEM_ID, 2), 4),
			 "class", json_hex(get(config, PCI_CLASS_PROG, 3), 6),
			 "revision", json_hex(config[PCI_CLASS_REVISION], 2),
			 "command", json_hex(get(config, PCI_COMMAND, 2), 4),
			 "status", json_hex(get(config, PCI_STATUS, 2), 4),
			 "interrupt_pin", config[PCI_INTERRUPT_PIN],
			 "capabilities", list,
			 "capabilities_broken", caps.broken);
}
