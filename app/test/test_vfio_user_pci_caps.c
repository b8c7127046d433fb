/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

/* Places of capabilities, those of the device's own, extended ones, BARs, ROM. */

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/vfio.h>

#include <rte_common.h>

#include "vfio_user_server.h"

#include "test.h"
#include "test_fault.h"
#include "test_vfio_user_pci.h"

#define EXT_ID(off) (cfg_read(off, 4) & 0xffff)
#define EXT_NEXT(off) (cfg_read(off, 4) >> 20)

/* ------------------------------------------------------------- the places */

static int
vendor_add(uint32_t offset, uint8_t len)
{
	const struct rte_vfio_user_pci_vendor vendor = { .len = len };

	return rte_vfio_user_pci_cap_vendor_add(pci, offset, &vendor);
}

static int
test_offsets(void)
{
	/* chosen ones leave holes that automatic ones fill */
	TEST_ASSERT_EQUAL(rte_vfio_user_pci_cap_pm_add(pci, 0x48), 0x48, "PM");
	TEST_ASSERT_EQUAL(vendor_add(0, 8), 0x40, "in front of it");
	TEST_ASSERT_EQUAL(vendor_add(0, 16), 0x50, "behind it");
	TEST_ASSERT_EQUAL(rte_vfio_user_pci_cap_express_add(pci, 0xc4, 0), 0xc4, "the end");
	TEST_ASSERT_EQUAL(vendor_add(0x64, 5), 0x64, "8 bytes of room");
	TEST_ASSERT_EQUAL(vendor_add(0, 3), 0x60, "4 bytes of room");
	/* in the order in which they were added */
	ASSERT_CFG(PCI_CAPABILITY_LIST, 1, 0x48);
	ASSERT_CFG(0x48, 2, PCI_CAP_ID_PM | 0x40 << 8);
	ASSERT_CFG(0x40, 3, PCI_CAP_ID_VNDR | 0x50 << 8 | 8 << 16);
	ASSERT_CFG(0x50, 3, PCI_CAP_ID_VNDR | 0xc4 << 8 | 16 << 16);
	ASSERT_CFG(0xc4, 2, PCI_CAP_ID_EXP | 0x64 << 8);
	ASSERT_CFG(0x64, 3, PCI_CAP_ID_VNDR | 0x60 << 8 | 5 << 16);
	ASSERT_CFG(0x60, 3, PCI_CAP_ID_VNDR | 3 << 16);
	return TEST_SUCCESS;
}

static int
test_bad_offsets(void)
{
	const uint32_t bad[] = { 1, 0x3c, 0x41, 0x42, 0xfc, 0x100, 0x7c, 0x80, 0x84, UINT32_MAX };
	uint32_t i;

	TEST_ASSERT_EQUAL(vendor_add(0x80, 8), 0x80, "the first one");
	for (i = 0; i < RTE_DIM(bad); i++)
		TEST_ASSERT_EQUAL(rte_vfio_user_pci_cap_pm_add(pci, bad[i]), -EINVAL,
				  "offset 0x%x", bad[i]);
	ASSERT_CFG(PCI_CAPABILITY_LIST, 1, 0x80);
	ASSERT_CFG(0x80, 2, PCI_CAP_ID_VNDR);
	TEST_ASSERT_EQUAL(rte_vfio_user_pci_cap_pm_add(pci, 0xf8), 0xf8, "the last place");
	TEST_ASSERT_EQUAL(rte_vfio_user_pci_cap_pm_add(pci, 0x40), -EEXIST, "twice");
	TEST_ASSERT_EQUAL(rte_vfio_user_pci_cap_express_add(pci, 0, 1u << 1), -EINVAL, "flags");
	/* 56 bytes below 0x80, 112 behind */
	TEST_ASSERT_EQUAL(vendor_add(0, 113), -ENOSPC, "no such hole");
	TEST_ASSERT_EQUAL(vendor_add(0, 193), -ENOSPC, "longer than the space");
	TEST_ASSERT_EQUAL(vendor_add(0, 2), -EINVAL, "shorter than a header");
	TEST_ASSERT_EQUAL(vendor_add(0, 112), 0x88, "the hole");
	TEST_ASSERT_EQUAL(vendor_add(0, 64), 0x40, "the other hole");
	TEST_ASSERT_EQUAL(vendor_add(0, 3), -ENOSPC, "full");
	return TEST_SUCCESS;
}

/* -------------------------------------------------------- vendor specific */

static struct {
	uint32_t calls, offset, count;
	bool is_write;
	uint8_t data[CONFIG_SIZE];
} seen;

static void
on_cap(struct rte_vfio_user_pci *of, uint32_t offset, void *data, uint32_t count,
       bool is_write, void *priv)
{
	if (of != pci || priv != &seen)
		return;
	seen.calls++;
	seen.offset = offset;
	seen.count = count;
	seen.is_write = is_write;
	memcpy(seen.data, data, count);
	if (!is_write)
		memset(data, 0xa5, count);
}

#define ASSERT_SEEN(nb, off, cnt, write) \
	TEST_ASSERT(seen.calls == (nb) && seen.offset == (off) && seen.count == (cnt) && \
		    seen.is_write == (write), "call %u: %u bytes at %u, %s", seen.calls, \
		    seen.count, seen.offset, seen.is_write ? "write" : "read")

static int
test_vendor(void)
{
	uint8_t data[] = { 9, 9, 9, 0x13, 0x24, 0x35, 0x46, 0x57 };
	uint8_t mask[] = { 255, 255, 255, 0, 0xf0, 0x0f, 0xff, 0 };
	const struct rte_vfio_user_pci_vendor vendor = {
		.len = sizeof(data), .data = data, .writable = mask,
	};

	TEST_ASSERT_EQUAL(rte_vfio_user_pci_cap_vendor_add(NULL, 0, &vendor), -EINVAL, "object");
	TEST_ASSERT_EQUAL(rte_vfio_user_pci_cap_vendor_add(pci, 0, NULL), -EINVAL, "argument");
	TEST_ASSERT_EQUAL(rte_vfio_user_pci_cap_vendor_add(pci, 0, &vendor), 0x40, "add");
	memset(data, 0, sizeof(data)); /* it was copied */
	ASSERT_CFG(0x40, 4, PCI_CAP_ID_VNDR | 8 << 16 | 0x13u << 24);
	ASSERT_CFG(0x44, 4, 0x57463524);
	cfg_write(0x40, 4, UINT32_MAX);
	cfg_write(0x44, 4, UINT32_MAX);
	ASSERT_CFG(0x40, 4, PCI_CAP_ID_VNDR | 8 << 16 | 0x13u << 24);
	ASSERT_CFG(0x44, 4, 0x57ff3ff4);
	cfg_write(0x44, 4, 0);
	ASSERT_CFG(0x44, 4, 0x57003004);
	rte_vfio_user_pci_reset(pci, RTE_VFIO_USER_RESET_DEVICE);
	ASSERT_CFG(0x44, 4, 0x57463524);
	return TEST_SUCCESS;
}

static int
test_vendor_callback(void)
{
	const uint8_t mask[12] = { [8] = 0xff, [9] = 0x0f };
	const struct rte_vfio_user_pci_vendor vendor = {
		.len = 12, .writable = mask, .cb = on_cap, .priv = &seen,
	};
	uint8_t space[CONFIG_SIZE];

	TEST_ASSERT_EQUAL(vendor_add(0, 4), 0x40, "another one");
	TEST_ASSERT_EQUAL(rte_vfio_user_pci_cap_vendor_add(pci, 0, &vendor), 0x44, "add");
	memset(&seen, 0, sizeof(seen));
	/* not for the header, nor for neighbours */
	cfg_read(0x40, 4);
	cfg_read(0x44, 3);
	cfg_write(0x44, 2, 0);
	cfg_read(0x50, 4);
	TEST_ASSERT_EQUAL(seen.calls, 0u, "called");
	/* a write: what it left */
	cfg_write(0x4c, 4, UINT32_MAX);
	ASSERT_SEEN(1, 8u, 4u, true);
	TEST_ASSERT(seen.data[0] == 0xff && seen.data[1] == 0x0f && seen.data[2] == 0,
		    "masks were not applied");
	/* a read: what is stored is what the client gets, and nothing else changes */
	ASSERT_CFG(0x4c, 4, 0xa5a5a5a5);
	ASSERT_SEEN(2, 8u, 4u, false);
	TEST_ASSERT(seen.data[0] == 0xff && seen.data[1] == 0x0f, "not what is there");
	TEST_ASSERT_SUCCESS(rte_vfio_user_pci_config_get(pci, 0x4c, space, 2), "get");
	TEST_ASSERT(space[0] == 0xff && space[1] == 0x0f && seen.calls == 2, "get");
	/* larger accesses: the part of it */
	cfg_access(false, 0, space, CONFIG_SIZE);
	ASSERT_SEEN(3, 3u, 9u, false);
	TEST_ASSERT(space[0x46] == 12 && space[0x47] == 0xa5 && space[0x4f] == 0xa5 &&
		    space[0x50] == 0, "not in its place");
	cfg_access(true, 0x4e, space, 100);
	ASSERT_SEEN(4, 10u, 2u, true);
	cfg_access(true, 0x10, space, 0x38);
	ASSERT_SEEN(5, 3u, 1u, true);
	return TEST_SUCCESS;
}

/* --------------------------------------------------------------- extended */

static int
test_ext_list(void)
{
	const struct rte_vfio_user_pci_vsec vsec = { .id = 0x1234, .revision = 5, .len = 0x20 };

	TEST_ASSERT_EQUAL(rte_vfio_user_pci_ext_cap_dsn_add(pci, 0, 0x0123456789abcdef), 0x100,
			  "serial number");
	TEST_ASSERT_EQUAL(rte_vfio_user_pci_ext_cap_aer_add(pci, 0x200), 0x200, "AER");
	TEST_ASSERT_EQUAL(rte_vfio_user_pci_ext_cap_vsec_add(pci, 0, &vsec), 0x10c, "VSEC");
	TEST_ASSERT_EQUAL(rte_vfio_user_pci_ext_cap_vsec_add(pci, 0xfe0, &vsec), 0xfe0, "the end");
	ASSERT_CFG(0x100, 4, PCI_EXT_CAP_ID_DSN | 1 << 16 | 0x200 << 20);
	ASSERT_CFG(0x104, 4, 0x89abcdef);
	ASSERT_CFG(0x108, 4, 0x01234567);
	ASSERT_CFG(0x200, 4, PCI_EXT_CAP_ID_ERR | 1 << 16 | 0x10c << 20);
	ASSERT_CFG(0x10c, 4, PCI_EXT_CAP_ID_VNDR | 1 << 16 | 0xfe0u << 20);
	ASSERT_CFG(0x110, 4, 0x02051234);
	ASSERT_CFG(0xfe0, 4, PCI_EXT_CAP_ID_VNDR | 1 << 16);
	/* headers are read-only */
	cfg_write(0x100, 4, 0);
	cfg_write(0x104, 4, 0);
	cfg_write(0x110, 4, UINT32_MAX);
	ASSERT_CFG(0x100, 4, PCI_EXT_CAP_ID_DSN | 1 << 16 | 0x200 << 20);
	ASSERT_CFG(0x104, 4, 0x89abcdef);
	ASSERT_CFG(0x110, 4, 0x02051234);
	return TEST_SUCCESS;
}

/* The list begins at 0x100 even if nothing lies there, until something does. */
static int
test_ext_head(void)
{
	const struct rte_vfio_user_pci_vsec vsec = { .id = 1, .len = 8 };

	ASSERT_CFG(0x100, 4, 0);
	TEST_ASSERT_EQUAL(rte_vfio_user_pci_ext_cap_dsn_add(pci, 0x120, 1), 0x120, "DSN");
	ASSERT_CFG(0x100, 4, 0x120u << 20);
	TEST_ASSERT_EQUAL(rte_vfio_user_pci_ext_cap_vsec_add(pci, 0x110, &vsec), 0x110, "VSEC");
	TEST_ASSERT_EQUAL(EXT_NEXT(0x120), 0x110u, "the second one");
	TEST_ASSERT_EQUAL(rte_vfio_user_pci_ext_cap_vsec_add(pci, 0, &vsec), 0x100, "the head");
	TEST_ASSERT(EXT_ID(0x100) == PCI_EXT_CAP_ID_VNDR && EXT_NEXT(0x100) == 0x120, "head 0x%x",
		    cfg_read(0x100, 4));
	TEST_ASSERT_EQUAL(rte_vfio_user_pci_ext_cap_aer_add(pci, 0), 0x12c, "AER");
	TEST_ASSERT(EXT_NEXT(0x110) == 0x12c && EXT_NEXT(0x12c) == 0, "the end");
	return TEST_SUCCESS;
}

static int
test_ext_arguments(void)
{
	const uint32_t bad[] = { 4, 0x40, 0xfc, 0x102, 0xffc, 0x1000, 0x1f8, 0x204, UINT32_MAX };
	struct rte_vfio_user_pci_vsec vsec = { .len = 8 };
	uint32_t i;

	TEST_ASSERT_EQUAL(rte_vfio_user_pci_ext_cap_vsec_add(pci, 0x200, &vsec), 0x200, "VSEC");
	for (i = 0; i < RTE_DIM(bad); i++)
		TEST_ASSERT_EQUAL(rte_vfio_user_pci_ext_cap_dsn_add(pci, bad[i], 1), -EINVAL,
				  "offset 0x%x", bad[i]);
	TEST_ASSERT_EQUAL(rte_vfio_user_pci_ext_cap_dsn_add(NULL, 0, 1), -EINVAL, "no object");
	TEST_ASSERT_EQUAL(rte_vfio_user_pci_ext_cap_aer_add(NULL, 0), -EINVAL, "no object");
	TEST_ASSERT_EQUAL(rte_vfio_user_pci_ext_cap_vsec_add(NULL, 0, &vsec), -EINVAL, "object");
	TEST_ASSERT_EQUAL(rte_vfio_user_pci_ext_cap_vsec_add(pci, 0, NULL), -EINVAL, "argument");
	vsec.len = 7;
	TEST_ASSERT_EQUAL(rte_vfio_user_pci_ext_cap_vsec_add(pci, 0, &vsec), -EINVAL, "short");
	vsec.len = 3841;
	TEST_ASSERT_EQUAL(rte_vfio_user_pci_ext_cap_vsec_add(pci, 0, &vsec), -EINVAL, "long");
	vsec.len = 3840;
	TEST_ASSERT_EQUAL(rte_vfio_user_pci_ext_cap_vsec_add(pci, 0, &vsec), -ENOSPC, "room");
	vsec.len = 8;
	vsec.revision = 16;
	TEST_ASSERT_EQUAL(rte_vfio_user_pci_ext_cap_vsec_add(pci, 0, &vsec), -EINVAL, "revision");
	TEST_ASSERT_EQUAL(rte_vfio_user_pci_ext_cap_dsn_add(pci, 0, 1), 0x100, "DSN");
	TEST_ASSERT_EQUAL(rte_vfio_user_pci_ext_cap_dsn_add(pci, 0, 1), -EEXIST, "twice");
	TEST_ASSERT_EQUAL(rte_vfio_user_pci_ext_cap_aer_add(pci, 0), 0x10c, "AER");
	TEST_ASSERT_EQUAL(rte_vfio_user_pci_ext_cap_aer_add(pci, 0), -EEXIST, "twice");
	return TEST_SUCCESS;
}

static int
test_vsec(void)
{
	uint8_t data[0x40] = { 0 }, mask[0x40] = { 0 };
	const struct rte_vfio_user_pci_vsec vsec = {
		.id = 7, .len = 0x40, .data = data, .writable = mask, .cb = on_cap, .priv = &seen,
	};

	data[0x20] = 0x5a;
	mask[0x20] = 0xf0;
	TEST_ASSERT_EQUAL(rte_vfio_user_pci_ext_cap_vsec_add(pci, 0, &vsec), 0x100, "VSEC");
	memset(&seen, 0, sizeof(seen));
	cfg_read(0x104, 4);
	TEST_ASSERT_EQUAL(seen.calls, 0u, "called for the header");
	cfg_write(0x120, 1, 0x35);
	ASSERT_SEEN(1, 0x20u, 1u, true);
	TEST_ASSERT_EQUAL(seen.data[0], 0x3a, "0x%x", seen.data[0]);
	ASSERT_CFG(0x120, 1, 0xa5);
	ASSERT_SEEN(2, 0x20u, 1u, false);
	return TEST_SUCCESS;
}

static int
test_aer(void)
{
	const uint32_t errors = PCI_ERR_UNC_UNSUP | PCI_ERR_UNC_COMP_TIME;
	int aer = rte_vfio_user_pci_ext_cap_aer_add(pci, 0);
	uint32_t uncor;

	TEST_ASSERT_EQUAL(aer, 0x100, "AER");
	ASSERT_CFG(aer + PCI_ERR_COR_MASK, 4, PCI_ERR_COR_ADV_NFAT);
	ASSERT_CFG(aer + PCI_ERR_UNCOR_SEVER, 4, PCI_ERR_UNC_DLP | PCI_ERR_UNC_FCP |
		   PCI_ERR_UNC_RX_OVER | PCI_ERR_UNC_MALF_TLP);
	/* the same errors can be masked and given a severity */
	cfg_write(aer + PCI_ERR_UNCOR_MASK, 4, UINT32_MAX);
	uncor = cfg_read(aer + PCI_ERR_UNCOR_MASK, 4);
	TEST_ASSERT((uncor & errors) == errors && (uncor & PCI_ERR_UNC_ACSV) == 0, "0x%x", uncor);
	cfg_write(aer + PCI_ERR_UNCOR_SEVER, 4, UINT32_MAX);
	ASSERT_CFG(aer + PCI_ERR_UNCOR_SEVER, 4, uncor);
	/* a client cannot raise errors, only clear those that the device reports */
	cfg_write(aer + PCI_ERR_UNCOR_STATUS, 4, UINT32_MAX);
	ASSERT_CFG(aer + PCI_ERR_UNCOR_STATUS, 4, 0);
	TEST_ASSERT_SUCCESS(rte_vfio_user_pci_config_set(pci, aer + PCI_ERR_UNCOR_STATUS,
			    &errors, 4), "set");
	cfg_write(aer + PCI_ERR_UNCOR_STATUS, 4, ~errors);
	ASSERT_CFG(aer + PCI_ERR_UNCOR_STATUS, 4, errors);
	cfg_write(aer + PCI_ERR_UNCOR_STATUS + 2, 2, PCI_ERR_UNC_UNSUP >> 16);
	ASSERT_CFG(aer + PCI_ERR_UNCOR_STATUS, 4, PCI_ERR_UNC_COMP_TIME);
	/* they survive a reset, not the client */
	rte_vfio_user_pci_reset(pci, RTE_VFIO_USER_RESET_PCI_FLR);
	ASSERT_CFG(aer + PCI_ERR_UNCOR_STATUS, 4, PCI_ERR_UNC_COMP_TIME);
	ASSERT_CFG(aer + PCI_ERR_UNCOR_MASK, 4, uncor);
	rte_vfio_user_pci_reset(pci, RTE_VFIO_USER_RESET_LOST_CONN);
	ASSERT_CFG(aer + PCI_ERR_UNCOR_STATUS, 4, 0);
	ASSERT_CFG(aer + PCI_ERR_UNCOR_MASK, 4, 0);
	ASSERT_CFG(aer + PCI_ERR_COR_MASK, 4, PCI_ERR_COR_ADV_NFAT);
	return TEST_SUCCESS;
}

/* -------------------------------------------------- the device's own access */

static int
test_config_set(void)
{
	const uint16_t all = UINT16_MAX, detected = PCI_STATUS_DETECTED_PARITY;
	uint8_t byte = 0x77;
	int exp = rte_vfio_user_pci_cap_express_add(pci, 0, 0);

	TEST_ASSERT_EQUAL(rte_vfio_user_pci_config_set(NULL, 0x40, &byte, 1), -EINVAL, "object");
	TEST_ASSERT_EQUAL(rte_vfio_user_pci_config_set(pci, 0x40, NULL, 1), -EINVAL, "data");
	TEST_ASSERT_EQUAL(rte_vfio_user_pci_config_set(pci, 0x3f, &byte, 1), -EINVAL, "header");
	TEST_ASSERT_EQUAL(rte_vfio_user_pci_config_set(pci, 5, &all, 2), -EINVAL, "Command");
	TEST_ASSERT_EQUAL(rte_vfio_user_pci_config_set(pci, 7, &all, 2), -EINVAL, "Revision");
	TEST_ASSERT_EQUAL(rte_vfio_user_pci_config_set(pci, 4095, &all, 2), -EINVAL, "behind");
	TEST_ASSERT_EQUAL(rte_vfio_user_pci_config_set(pci, UINT32_MAX, &all, 2), -EINVAL, "wraps");
	TEST_ASSERT_EQUAL(rte_vfio_user_pci_config_get(NULL, 0, &byte, 1), -EINVAL, "object");
	TEST_ASSERT_EQUAL(rte_vfio_user_pci_config_get(pci, 0, NULL, 1), -EINVAL, "data");
	TEST_ASSERT_EQUAL(rte_vfio_user_pci_config_get(pci, 4096, &byte, 1), -EINVAL, "behind");
	/* Status: errors only, which a client clears by writing 1 */
	TEST_ASSERT_SUCCESS(rte_vfio_user_pci_config_set(pci, PCI_STATUS, &all, 2), "Status");
	ASSERT_CFG(PCI_STATUS, 2, 0xf900 | PCI_STATUS_CAP_LIST);
	cfg_write(PCI_STATUS, 2, (uint16_t)~detected);
	ASSERT_CFG(PCI_STATUS, 2, detected | PCI_STATUS_CAP_LIST);
	cfg_write(PCI_STATUS, 2, 0);
	ASSERT_CFG(PCI_STATUS, 2, detected | PCI_STATUS_CAP_LIST);
	cfg_write(PCI_COMMAND, 4, UINT32_MAX);
	ASSERT_CFG(PCI_STATUS, 2, PCI_STATUS_CAP_LIST);
	/* Device Status */
	byte = PCI_EXP_DEVSTA_CED | PCI_EXP_DEVSTA_URD;
	TEST_ASSERT_SUCCESS(rte_vfio_user_pci_config_set(pci, exp + PCI_EXP_DEVSTA, &byte, 1), "");
	cfg_write(exp + PCI_EXP_DEVSTA, 2, PCI_EXP_DEVSTA_CED);
	ASSERT_CFG(exp + PCI_EXP_DEVSTA, 2, PCI_EXP_DEVSTA_URD);
	rte_vfio_user_pci_reset(pci, RTE_VFIO_USER_RESET_DEVICE);
	ASSERT_CFG(exp + PCI_EXP_DEVSTA, 2, 0);
	return TEST_SUCCESS;
}

/* ----------------------------------------------------------- BARs and ROM */

static ssize_t
count_access(struct rte_vfio_user_server *of, const struct rte_vfio_user_region_access *acc,
	     void *priv)
{
	RTE_SET_USED(of);
	memset(acc->data, 0x11, acc->is_write ? 0 : acc->count);
	(*(uint32_t *)priv)++;
	return acc->count;
}

static ssize_t
bar_access(uint32_t bar, bool is_write, uint64_t off, void *data, uint32_t count)
{
	const struct rte_vfio_user_region_access acc = {
		.region = bar, .is_write = is_write, .offset = off, .data = data, .count = count,
	};

	return vfio_user_pci_bar_access(&pci->bars[bar], &acc);
}

static int
test_bar_regions(void)
{
	uint32_t calls = 0;
	uint8_t memory[64] = { 1, 2, 3 }, data[64], xy[] = { 'x', 'y' };
	const struct rte_vfio_user_region_conf by_cb = {
		.size = 64, .flags = RTE_VFIO_USER_REGION_F_RW, .fd = -1,
		.cb = count_access, .priv = &calls,
	};
	const struct rte_vfio_user_region_conf by_base = {
		.size = 64, .flags = RTE_VFIO_USER_REGION_F_RW, .fd = -1, .base = memory,
	};
	struct rte_vfio_user_region_conf bad = { .size = 4096, .flags = 1u << 30, .fd = -1 };

	TEST_ASSERT_EQUAL(rte_vfio_user_pci_bar_add(pci, 0, 0, &bad), -EINVAL, "region flags");
	bad.flags = RTE_VFIO_USER_REGION_F_RW;
	bad.nb_areas = 1;
	bad.areas = &(struct rte_vfio_user_mmap_area){ .offset = 1, .size = 4096, .fd = -1 };
	TEST_ASSERT_EQUAL(rte_vfio_user_pci_bar_add(pci, 0, 0, &bad), -EINVAL, "area");
	TEST_ASSERT_SUCCESS(rte_vfio_user_pci_bar_add(pci, 0, 0, &by_cb), "callback");
	TEST_ASSERT_SUCCESS(rte_vfio_user_pci_bar_add(pci, 1, 0, &by_base), "memory");
	TEST_ASSERT_SUCCESS(bar_add(2, 64, 0), "nothing");
	TEST_ASSERT(bar_access(0, false, 8, data, 8) == 8 && data[7] == 0x11 && calls == 1, "cb");
	TEST_ASSERT(bar_access(1, false, 0, data, 64) == 64 && !memcmp(data, memory, 64), "read");
	TEST_ASSERT(bar_access(1, true, 1, xy, 2) == 2 && memory[1] == 'x' && memory[2] == 'y',
		    "write");
	TEST_ASSERT(bar_access(2, true, 1, xy, 2) == 2, "write to nothing");
	TEST_ASSERT(bar_access(2, false, 0, data, 4) == 4 && data[1] == 0, "read of nothing");
	return TEST_SUCCESS;
}

/* After an error the server has nothing that leads to what is not there. */
static int
test_no_memory(void)
{
	const struct rte_vfio_user_mmap_area area = { .size = 4096, .fd = -1 };
	struct rte_vfio_user_region_conf region = {
		.size = 8192, .flags = RTE_VFIO_USER_REGION_F_RW, .areas = &area, .nb_areas = 1,
	};
	struct rte_vfio_user_pci *other = NULL;
	unsigned int nth;
	int ret = -ENOMEM;

	if (!test_alloc_fail(0))
		return TEST_SKIPPED; /* not linked for it */
	region.fd = memfd_create("bar", MFD_CLOEXEC);
	for (nth = 1; ret == -ENOMEM && nth < 64; nth++) {
		test_alloc_fail(nth);
		ret = rte_vfio_user_pci_bar_add(pci, 3, 0, &region);
		test_alloc_fail(0);
		TEST_ASSERT(ret == 0 || srv->regions.region[3].conf.size == 0,
			    "allocation %u: BAR of %d", nth, ret);
	}
	close(region.fd);
	TEST_ASSERT(ret == 0 && nth > 2, "%d after %u", ret, nth);
	for (nth = 1; other == NULL && nth < 64; nth++) {
		vfio_user_regions_set(&srv->regions, VFIO_PCI_CONFIG_REGION_INDEX,
				      &(struct rte_vfio_user_region_conf){ .fd = -1 });
		test_alloc_fail(nth);
		other = rte_vfio_user_pci_create(srv, &pci_test_id);
		test_alloc_fail(0);
		TEST_ASSERT(other != NULL || srv->regions.region[VFIO_PCI_CONFIG_REGION_INDEX]
			    .conf.size == 0, "allocation %u: configuration space", nth);
	}
	TEST_ASSERT(other != NULL && nth > 2, "never created");
	rte_vfio_user_pci_destroy(other);
	return TEST_SUCCESS;
}

static int
test_rom(void)
{
	uint8_t image[3000] = { 0x55, 0xaa };

	TEST_ASSERT_EQUAL(rte_vfio_user_pci_rom_add(NULL, image, 1), -EINVAL, "no object");
	TEST_ASSERT_EQUAL(rte_vfio_user_pci_rom_add(pci, NULL, 1), -EINVAL, "no image");
	TEST_ASSERT_EQUAL(rte_vfio_user_pci_rom_add(pci, image, 0), -EINVAL, "empty");
	TEST_ASSERT_EQUAL(rte_vfio_user_pci_rom_add(pci, image, (16u << 20) + 1), -EINVAL, "large");
	cfg_write(PCI_ROM_ADDRESS, 4, UINT32_MAX);
	ASSERT_CFG(PCI_ROM_ADDRESS, 4, 0);
	TEST_ASSERT_SUCCESS(rte_vfio_user_pci_rom_add(pci, image, sizeof(image)), "add");
	TEST_ASSERT_EQUAL(rte_vfio_user_pci_rom_add(pci, image, 1), -EEXIST, "twice");
	ASSERT_CFG(PCI_ROM_ADDRESS, 4, 0);
	cfg_write(PCI_ROM_ADDRESS, 4, PCI_ROM_ADDRESS_MASK);
	ASSERT_CFG(PCI_ROM_ADDRESS, 4, 0xfffff000);
	cfg_write(PCI_ROM_ADDRESS, 4, UINT32_MAX);
	ASSERT_CFG(PCI_ROM_ADDRESS, 4, 0xfffff001);
	return TEST_SUCCESS;
}

static int
test_started(void)
{
	const struct rte_vfio_user_pci_vendor vendor = { .len = 8 };
	const struct rte_vfio_user_pci_vsec vsec = { .len = 8 };

	TEST_ASSERT_SUCCESS(rte_vfio_user_server_start(srv), "start");
	TEST_ASSERT_EQUAL(rte_vfio_user_pci_cap_vendor_add(pci, 0, &vendor), -EBUSY, "vendor");
	TEST_ASSERT_EQUAL(rte_vfio_user_pci_ext_cap_vsec_add(pci, 0, &vsec), -EBUSY, "VSEC");
	TEST_ASSERT_EQUAL(rte_vfio_user_pci_ext_cap_dsn_add(pci, 0, 1), -EBUSY, "DSN");
	TEST_ASSERT_EQUAL(rte_vfio_user_pci_ext_cap_aer_add(pci, 0), -EBUSY, "AER");
	TEST_ASSERT_EQUAL(rte_vfio_user_pci_rom_add(pci, "rom", 3), -EBUSY, "ROM");
	ASSERT_CFG(0x100, 4, 0);
	ASSERT_CFG(PCI_CAPABILITY_LIST, 1, 0);
	return TEST_SUCCESS;
}

static struct unit_test_suite pci_caps_suite = {
	.suite_name = "vfio-user PCI capabilities",
	.unit_test_cases = {
		TEST_CASE_ST(pci_setup, pci_teardown, test_offsets),
		TEST_CASE_ST(pci_setup, pci_teardown, test_bad_offsets),
		TEST_CASE_ST(pci_setup, pci_teardown, test_vendor),
		TEST_CASE_ST(pci_setup, pci_teardown, test_vendor_callback),
		TEST_CASE_ST(pci_setup, pci_teardown, test_ext_list),
		TEST_CASE_ST(pci_setup, pci_teardown, test_ext_head),
		TEST_CASE_ST(pci_setup, pci_teardown, test_ext_arguments),
		TEST_CASE_ST(pci_setup, pci_teardown, test_vsec),
		TEST_CASE_ST(pci_setup, pci_teardown, test_aer),
		TEST_CASE_ST(pci_setup, pci_teardown, test_config_set),
		TEST_CASE_ST(pci_setup, pci_teardown, test_bar_regions),
		TEST_CASE_ST(pci_setup, pci_teardown, test_no_memory),
		TEST_CASE_ST(pci_setup, pci_teardown, test_rom),
		TEST_CASE_ST(pci_setup, pci_teardown, test_started),
		TEST_CASES_END()
	},
};

static int
test_vfio_user_pci_caps(void)
{
	return unit_test_suite_runner(&pci_caps_suite);
}

REGISTER_TEST_COMMAND(vfio_user_pci_caps_autotest, test_vfio_user_pci_caps);
