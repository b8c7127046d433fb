/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <linux/pci_regs.h>
#include <linux/vfio.h>

#include <rte_atomic.h>
#include <rte_common.h>
#include <rte_errno.h>

#include <rte_vfio_user_pci.h>
#include <rte_vfio_user_server.h>

#include "test.h"
#include "test_vfio_user_pci.h"

#define COMMAND_WRITABLE (PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | \
			  PCI_COMMAND_PARITY | PCI_COMMAND_SERR | \
			  PCI_COMMAND_INTX_DISABLE)
#define EXP_CAP_SIZE 0x3c
#define NB_VECTORS 4
#define EXPRESS 0x48 /* of device_declare() */

static const struct rte_vfio_user_pci_msix test_msix = {
	.vectors = NB_VECTORS,
	.table_bar = 1,
	.pba_bar = 1,
	.pba_offset = 0x800,
};

/* What the demo device has: BARs 0 to 2 and all capabilities. */
static int
device_declare(void)
{
	TEST_ASSERT_SUCCESS(bar_add(0, 4096, RTE_VFIO_USER_PCI_BAR_MEM32), "BAR0");
	TEST_ASSERT_SUCCESS(bar_add(1, 4096, RTE_VFIO_USER_PCI_BAR_MEM32), "BAR1");
	TEST_ASSERT_SUCCESS(bar_add(2, 65536, RTE_VFIO_USER_PCI_BAR_PREFETCH), "BAR2");
	TEST_ASSERT(rte_vfio_user_pci_cap_pm_add(pci, 0) > 0, "power management");
	TEST_ASSERT_EQUAL(rte_vfio_user_pci_cap_express_add(pci, 0, 0), EXPRESS, "PCI Express");
	TEST_ASSERT(rte_vfio_user_pci_cap_msix_add(pci, 0, &test_msix) > 0, "MSI-X");
	return TEST_SUCCESS;
}

/* ------------------------------------------------------------ the header */

static int
test_create_arguments(void)
{
	struct rte_vfio_user_pci_id id = pci_test_id;

	TEST_ASSERT_NULL(rte_vfio_user_pci_create(NULL, &id), "created without server");
	TEST_ASSERT_EQUAL(rte_errno, EINVAL, "errno %d", rte_errno);
	TEST_ASSERT_NULL(rte_vfio_user_pci_create(srv, NULL), "created without identity");
	TEST_ASSERT_EQUAL(rte_errno, EINVAL, "errno %d", rte_errno);
	id.intx_pin = 5;
	TEST_ASSERT_NULL(rte_vfio_user_pci_create(srv, &id), "created with pin 5");
	TEST_ASSERT_EQUAL(rte_errno, EINVAL, "errno %d", rte_errno);
	id.intx_pin = 4;
	id.class_code = 0x1000000;
	TEST_ASSERT_NULL(rte_vfio_user_pci_create(srv, &id), "created with 25 bits of class");
	TEST_ASSERT_EQUAL(rte_errno, EINVAL, "errno %d", rte_errno);
	rte_vfio_user_pci_destroy(NULL);
	return TEST_SUCCESS;
}

static int
pci_test_identity(void)
{
	uint32_t off;

	for (off = 0; off < PCI_STD_HEADER_SIZEOF; off += 4)
		if (off != PCI_COMMAND)
			cfg_write(off, 4, UINT32_MAX);
	ASSERT_CFG(PCI_VENDOR_ID, 4, 0x56461234);
	ASSERT_CFG(PCI_CLASS_REVISION, 4, 0x08800123);
	/* cache line size is kept; latency timer, header type, BIST are 0 */
	ASSERT_CFG(PCI_CACHE_LINE_SIZE, 4, 0xff);
	ASSERT_CFG(PCI_CARDBUS_CIS, 4, 0);
	ASSERT_CFG(PCI_SUBSYSTEM_VENDOR_ID, 4, 0x01021af4);
	ASSERT_CFG(PCI_ROM_ADDRESS, 4, 0);
	ASSERT_CFG(PCI_CAPABILITY_LIST, 4, 0);
	ASSERT_CFG(0x38, 4, 0);
	/* line kept, pin INTA, Min_Gnt and Max_Lat 0 */
	ASSERT_CFG(PCI_INTERRUPT_LINE, 4, 0x01ff);
	return TEST_SUCCESS;
}

static int
test_command(void)
{
	TEST_ASSERT(!rte_vfio_user_pci_bus_master(pci), "bus master at start");
	cfg_write(PCI_COMMAND, 4, UINT32_MAX);
	ASSERT_CFG(PCI_COMMAND, 4, COMMAND_WRITABLE);
	TEST_ASSERT(rte_vfio_user_pci_bus_master(pci), "bus master not seen");
	/* each byte by itself, without touching the other */
	cfg_write(PCI_COMMAND, 1, 0);
	ASSERT_CFG(PCI_COMMAND, 2, PCI_COMMAND_SERR | PCI_COMMAND_INTX_DISABLE);
	TEST_ASSERT(!rte_vfio_user_pci_bus_master(pci), "still bus master");
	cfg_write(PCI_COMMAND, 1, PCI_COMMAND_MEMORY);
	cfg_write(PCI_COMMAND + 1, 1, 0);
	ASSERT_CFG(PCI_COMMAND, 2, PCI_COMMAND_MEMORY);

	TEST_ASSERT_SUCCESS(bar_add(3, 32, RTE_VFIO_USER_PCI_BAR_IO), "I/O BAR");
	cfg_write(PCI_COMMAND, 2, UINT16_MAX);
	ASSERT_CFG(PCI_COMMAND, 2, COMMAND_WRITABLE | PCI_COMMAND_IO);
	return TEST_SUCCESS;
}

/* ------------------------------------------------------------------ BARs */

static int
test_bar_mem32(void)
{
	TEST_ASSERT_SUCCESS(bar_add(0, 4096, RTE_VFIO_USER_PCI_BAR_MEM32), "BAR0");
	TEST_ASSERT_SUCCESS(bar_add(5, 16, RTE_VFIO_USER_PCI_BAR_PREFETCH), "BAR5");
	TEST_ASSERT_SUCCESS(bar_add(1, UINT64_C(1) << 31, RTE_VFIO_USER_PCI_BAR_MEM32), "BAR1");
	ASSERT_CFG(BAR_REG(0), 4, 0);
	ASSERT_CFG(BAR_REG(5), 4, PCI_BASE_ADDRESS_MEM_PREFETCH);
	cfg_write(BAR_REG(0), 4, UINT32_MAX);
	ASSERT_CFG(BAR_REG(0), 4, 0xfffff000);
	cfg_write(BAR_REG(1), 4, UINT32_MAX);
	ASSERT_CFG(BAR_REG(1), 4, 0x80000000);
	cfg_write(BAR_REG(5), 4, UINT32_MAX);
	ASSERT_CFG(BAR_REG(5), 4, 0xfffffff0 | PCI_BASE_ADDRESS_MEM_PREFETCH);
	/* sizing and addresses byte by byte; address bits below the size are 0 */
	cfg_write(BAR_REG(0), 4, 0xfebf1234);
	ASSERT_CFG(BAR_REG(0), 4, 0xfebf1000);
	cfg_write(BAR_REG(0) + 1, 1, 0xff);
	ASSERT_CFG(BAR_REG(0), 4, 0xfebff000);
	cfg_write(BAR_REG(0) + 2, 2, 0x1234);
	ASSERT_CFG(BAR_REG(0), 4, 0x1234f000);
	/* one that was not declared is not there */
	cfg_write(BAR_REG(2), 4, UINT32_MAX);
	ASSERT_CFG(BAR_REG(2), 4, 0);
	return TEST_SUCCESS;
}

static int
test_bar_mem64(void)
{
	const uint32_t flags = RTE_VFIO_USER_PCI_BAR_MEM64 | RTE_VFIO_USER_PCI_BAR_PREFETCH;
	const uint32_t type = PCI_BASE_ADDRESS_MEM_TYPE_64 | PCI_BASE_ADDRESS_MEM_PREFETCH;
	uint64_t both = UINT64_MAX;

	TEST_ASSERT_SUCCESS(bar_add(0, 16384, RTE_VFIO_USER_PCI_BAR_MEM64), "16 KiB");
	TEST_ASSERT_SUCCESS(bar_add(2, UINT64_C(8) << 30, flags), "8 GiB");
	TEST_ASSERT_SUCCESS(bar_add(4, UINT64_C(1) << 63, flags), "2^63");
	cfg_write(BAR_REG(0), 4, UINT32_MAX);
	cfg_write(BAR_REG(1), 4, UINT32_MAX);
	ASSERT_CFG(BAR_REG(0), 4, 0xffffc000 | PCI_BASE_ADDRESS_MEM_TYPE_64);
	ASSERT_CFG(BAR_REG(1), 4, UINT32_MAX);
	/* 8 bytes at a time */
	cfg_access(true, BAR_REG(2), &both, 8);
	cfg_access(false, BAR_REG(2), &both, 8);
	TEST_ASSERT_EQUAL(both, UINT64_C(0xfffffffe00000000) | type, "8 GiB: 0x%llx",
			  (unsigned long long)both);
	both = UINT64_MAX;
	cfg_access(true, BAR_REG(4), &both, 8);
	cfg_access(false, BAR_REG(4), &both, 8);
	TEST_ASSERT_EQUAL(both, UINT64_C(1) << 63 | type, "2^63: 0x%llx",
			  (unsigned long long)both);
	return TEST_SUCCESS;
}

static int
test_bar_io(void)
{
	TEST_ASSERT_SUCCESS(bar_add(0, 4, RTE_VFIO_USER_PCI_BAR_IO), "4 bytes");
	TEST_ASSERT_SUCCESS(bar_add(1, 256, RTE_VFIO_USER_PCI_BAR_IO), "256 bytes");
	cfg_write(BAR_REG(0), 4, UINT32_MAX);
	ASSERT_CFG(BAR_REG(0), 4, 0xfffffffd);
	cfg_write(BAR_REG(1), 4, UINT32_MAX);
	ASSERT_CFG(BAR_REG(1), 4, 0xffffff01);
	cfg_write(BAR_REG(1), 4, 0);
	ASSERT_CFG(BAR_REG(1), 4, PCI_BASE_ADDRESS_SPACE_IO);
	return TEST_SUCCESS;
}

static int
test_bar_arguments(void)
{
	const struct {
		uint32_t bar;
		uint64_t size;
		uint32_t flags;
		int ret;
	} calls[] = {
		{ 6, 4096, RTE_VFIO_USER_PCI_BAR_MEM32, -EINVAL },
		{ UINT32_MAX, 4096, RTE_VFIO_USER_PCI_BAR_MEM32, -EINVAL },
		{ 0, 0, RTE_VFIO_USER_PCI_BAR_MEM32, -EINVAL },
		{ 0, 8, RTE_VFIO_USER_PCI_BAR_MEM32, -EINVAL },
		{ 0, 4095, RTE_VFIO_USER_PCI_BAR_MEM32, -EINVAL },
		{ 0, 12288, RTE_VFIO_USER_PCI_BAR_MEM32, -EINVAL },
		{ 0, UINT64_C(1) << 32, RTE_VFIO_USER_PCI_BAR_MEM32, -EINVAL },
		{ 0, 8, RTE_VFIO_USER_PCI_BAR_MEM64, -EINVAL },
		{ 5, 4096, RTE_VFIO_USER_PCI_BAR_MEM64, -EINVAL },
		{ 0, 4096, 1u << 3, -EINVAL },
		{ 0, 2, RTE_VFIO_USER_PCI_BAR_IO, -EINVAL },
		{ 0, 512, RTE_VFIO_USER_PCI_BAR_IO, -EINVAL },
		{ 0, 32, RTE_VFIO_USER_PCI_BAR_IO | RTE_VFIO_USER_PCI_BAR_PREFETCH, -EINVAL },
		{ 0, 32, RTE_VFIO_USER_PCI_BAR_IO | RTE_VFIO_USER_PCI_BAR_MEM64, -EINVAL },
		{ 2, 4096, RTE_VFIO_USER_PCI_BAR_MEM64, 0 },
		{ 2, 4096, RTE_VFIO_USER_PCI_BAR_MEM64, -EEXIST },
		{ 3, 4096, RTE_VFIO_USER_PCI_BAR_MEM32, -EEXIST },
		{ 1, 4096, RTE_VFIO_USER_PCI_BAR_MEM64, -EEXIST },
		{ 1, 4096, RTE_VFIO_USER_PCI_BAR_MEM32, 0 },
	};
	const struct rte_vfio_user_region_conf region = { .size = 4096, .fd = -1 };
	uint32_t i;
	int ret;

	TEST_ASSERT_EQUAL(rte_vfio_user_pci_bar_add(pci, 0, 0, NULL), -EINVAL, "no region");
	TEST_ASSERT_EQUAL(rte_vfio_user_pci_bar_add(NULL, 0, 0, &region), -EINVAL, "no object");
	for (i = 0; i < RTE_DIM(calls); i++) {
		ret = bar_add(calls[i].bar, calls[i].size, calls[i].flags);
		TEST_ASSERT_EQUAL(ret, calls[i].ret, "call %u: %d instead of %d", i, ret,
				  calls[i].ret);
	}
	/* those refused left nothing */
	cfg_write(BAR_REG(0), 4, UINT32_MAX);
	ASSERT_CFG(BAR_REG(0), 4, 0);
	return TEST_SUCCESS;
}

/* ---------------------------------------------------------- capabilities */

static int
test_capability_list(void)
{
	int msix, express, pm;

	ASSERT_CFG(PCI_STATUS, 2, 0);
	ASSERT_CFG(PCI_CAPABILITY_LIST, 1, 0);
	TEST_ASSERT_SUCCESS(bar_add(1, 4096, 0), "BAR1");
	msix = rte_vfio_user_pci_cap_msix_add(pci, 0, &test_msix);
	TEST_ASSERT_EQUAL(msix, PCI_STD_HEADER_SIZEOF, "first at %d", msix);
	ASSERT_CFG(PCI_STATUS, 2, PCI_STATUS_CAP_LIST);
	ASSERT_CFG(PCI_CAPABILITY_LIST, 1, msix);
	ASSERT_CFG(msix, 2, PCI_CAP_ID_MSIX);
	express = rte_vfio_user_pci_cap_express_add(pci, 0, 0);
	TEST_ASSERT_EQUAL(express, msix + PCI_CAP_MSIX_SIZEOF, "second at %d", express);
	pm = rte_vfio_user_pci_cap_pm_add(pci, 0);
	TEST_ASSERT_EQUAL(pm, express + EXP_CAP_SIZE, "third at %d", pm);
	ASSERT_CFG(msix, 2, PCI_CAP_ID_MSIX | express << 8);
	ASSERT_CFG(express, 2, PCI_CAP_ID_EXP | pm << 8);
	ASSERT_CFG(pm, 2, PCI_CAP_ID_PM);

	TEST_ASSERT_EQUAL(rte_vfio_user_pci_cap_pm_add(pci, 0), -EEXIST, "twice");
	TEST_ASSERT_EQUAL(rte_vfio_user_pci_cap_express_add(pci, 0, 0), -EEXIST, "twice");
	TEST_ASSERT_EQUAL(rte_vfio_user_pci_cap_msix_add(pci, 0, &test_msix), -EEXIST, "twice");
	TEST_ASSERT_EQUAL(rte_vfio_user_pci_cap_pm_add(NULL, 0), -EINVAL, "no object");
	TEST_ASSERT_EQUAL(rte_vfio_user_pci_cap_express_add(NULL, 0, 0), -EINVAL, "no object");
	/* identifiers and links are read-only */
	cfg_write(msix, 2, UINT16_MAX);
	cfg_write(pm, 2, UINT16_MAX);
	ASSERT_CFG(msix, 2, PCI_CAP_ID_MSIX | express << 8);
	ASSERT_CFG(pm, 2, PCI_CAP_ID_PM);
	return TEST_SUCCESS;
}

static int
test_power_management(void)
{
	int pm = rte_vfio_user_pci_cap_pm_add(pci, 0);

	TEST_ASSERT(pm > 0, "not added: %d", pm);
	ASSERT_CFG(pm + PCI_PM_PMC, 2, 3);
	ASSERT_CFG(pm + PCI_PM_CTRL, 4, PCI_PM_CTRL_NO_SOFT_RESET);
	cfg_write(pm + PCI_PM_CTRL, 4, UINT32_MAX);
	ASSERT_CFG(pm + PCI_PM_CTRL, 4, PCI_PM_CTRL_NO_SOFT_RESET | 3);
	/* states that are not offered: no change, from D3hot nor from D0 */
	cfg_write(pm + PCI_PM_CTRL, 1, 1);
	ASSERT_CFG(pm + PCI_PM_CTRL, 2, PCI_PM_CTRL_NO_SOFT_RESET | 3);
	cfg_write(pm + PCI_PM_CTRL, 2, 0);
	ASSERT_CFG(pm + PCI_PM_CTRL, 2, PCI_PM_CTRL_NO_SOFT_RESET);
	cfg_write(pm + PCI_PM_CTRL, 2, 2);
	ASSERT_CFG(pm + PCI_PM_CTRL, 2, PCI_PM_CTRL_NO_SOFT_RESET);
	cfg_write(pm + PCI_PM_PMC, 2, UINT16_MAX);
	ASSERT_CFG(pm + PCI_PM_PMC, 2, 3);
	return TEST_SUCCESS;
}

static int
test_express(void)
{
	const uint16_t control = PCI_EXP_DEVCTL_RELAX_EN | PCI_EXP_DEVCTL_NOSNOOP_EN |
		PCI_EXP_DEVCTL_READRQ_512B;
	int exp = rte_vfio_user_pci_cap_express_add(pci, 0, 0);
	uint32_t off;

	TEST_ASSERT(exp > 0, "not added: %d", exp);
	ASSERT_CFG(exp + PCI_EXP_FLAGS, 2, 2);
	ASSERT_CFG(exp + PCI_EXP_DEVCTL, 2, control);
	TEST_ASSERT((cfg_read(exp + PCI_EXP_DEVCAP, 4) & PCI_EXP_DEVCAP_FLR) == 0, "FLR offered");
	ASSERT_CFG(exp + PCI_EXP_LNKSTA, 2, PCI_EXP_LNKSTA_CLS_2_5GB | PCI_EXP_LNKSTA_NLW_X1);

	for (off = 2; off < EXP_CAP_SIZE; off += 2)
		cfg_write(exp + off, 2, UINT16_MAX);
	/* no phantom functions, no auxiliary power, no FLR: those bits stay 0 */
	ASSERT_CFG(exp + PCI_EXP_DEVCTL, 2, UINT16_MAX & ~(PCI_EXP_DEVCTL_PHANTOM |
		   PCI_EXP_DEVCTL_AUX_PME | PCI_EXP_DEVCTL_BCR_FLR));
	ASSERT_CFG(exp + PCI_EXP_DEVSTA, 2, 0);
	ASSERT_CFG(exp + PCI_EXP_FLAGS, 2, 2);
	ASSERT_CFG(exp + PCI_EXP_LNKCTL, 2, PCI_EXP_LNKCTL_ASPMC | PCI_EXP_LNKCTL_RCB |
		   PCI_EXP_LNKCTL_CCC | PCI_EXP_LNKCTL_ES);
	ASSERT_CFG(exp + PCI_EXP_DEVCTL2, 2, PCI_EXP_DEVCTL2_COMP_TMOUT_DIS);
	ASSERT_CFG(exp + PCI_EXP_LNKCAP2, 4, PCI_EXP_LNKCAP2_SLS_2_5GB);
	ASSERT_CFG(exp + 0x34, 4, 0); /* slot registers of an endpoint */
	/* what the client set for the link survives a reset, not the client */
	rte_vfio_user_pci_reset(pci, RTE_VFIO_USER_RESET_PCI_FLR);
	ASSERT_CFG(exp + PCI_EXP_DEVCTL, 2, control | PCI_EXP_DEVCTL_PAYLOAD);
	ASSERT_CFG(exp + PCI_EXP_LNKCTL, 2, PCI_EXP_LNKCTL_ASPMC | PCI_EXP_LNKCTL_RCB |
		   PCI_EXP_LNKCTL_CCC | PCI_EXP_LNKCTL_ES);
	ASSERT_CFG(exp + PCI_EXP_DEVCTL2, 2, 0);
	rte_vfio_user_pci_reset(pci, RTE_VFIO_USER_RESET_LOST_CONN);
	ASSERT_CFG(exp + PCI_EXP_DEVCTL, 2, control);
	ASSERT_CFG(exp + PCI_EXP_LNKCTL, 2, 0);
	return TEST_SUCCESS;
}

static int
test_msix_arguments(void)
{
	const struct {
		uint32_t vectors, table_bar, table_offset, pba_bar, pba_offset;
	} bad[] = {
		{ 0, 1, 0, 1, 0x800 }, /* no vector */
		{ 2049, 4, 0, 4, 0x10000 }, /* too many */
		{ 4, 6, 0, 1, 0x800 }, /* no such BAR */
		{ 4, 1, 0, 7, 0x800 },
		{ 4, 3, 0, 1, 0x800 }, /* not declared */
		{ 4, 1, 0, 5, 0x800 }, /* the upper half of BAR4 */
		{ 4, 0, 0, 1, 0x800 }, /* an I/O BAR */
		{ 4, 1, 4, 1, 0x800 }, /* not aligned */
		{ 4, 1, 0, 1, 0x804 },
		{ 4, 1, 0xfc8, 1, 0 }, /* table ends behind the BAR */
		{ 4, 1, 0, 1, 0x1000 }, /* pending bits behind the BAR */
		{ 256, 1, 8, 4, 0 }, /* 4096 bytes at 8 */
		{ 4, 1, 0, 1, 0x38 }, /* overlap */
		{ 4, 1, 0x40, 1, 0x78 },
		{ 4, 1, 0xfffffff8, 1, 0 },
	};
	struct rte_vfio_user_pci_msix msix;
	uint32_t i;
	int ret;

	TEST_ASSERT_SUCCESS(bar_add(0, 256, RTE_VFIO_USER_PCI_BAR_IO), "BAR0");
	TEST_ASSERT_SUCCESS(bar_add(1, 4096, 0), "BAR1");
	TEST_ASSERT_SUCCESS(bar_add(4, 131072, RTE_VFIO_USER_PCI_BAR_MEM64), "BAR4");
	for (i = 0; i < RTE_DIM(bad); i++) {
		msix.vectors = bad[i].vectors;
		msix.table_bar = bad[i].table_bar;
		msix.table_offset = bad[i].table_offset;
		msix.pba_bar = bad[i].pba_bar;
		msix.pba_offset = bad[i].pba_offset;
		ret = rte_vfio_user_pci_cap_msix_add(pci, 0, &msix);
		TEST_ASSERT_EQUAL(ret, -EINVAL, "case %u: %d", i, ret);
	}
	TEST_ASSERT_EQUAL(rte_vfio_user_pci_cap_msix_add(pci, 0, NULL), -EINVAL, "no argument");
	TEST_ASSERT_EQUAL(rte_vfio_user_pci_cap_msix_add(NULL, 0, &test_msix), -EINVAL,
			  "no object");
	ASSERT_CFG(PCI_CAPABILITY_LIST, 1, 0);

	/* the most there can be: 32 KiB of table, 256 bytes of pending bits */
	msix = (struct rte_vfio_user_pci_msix){ .vectors = 2048, .table_bar = 4, .pba_bar = 4,
						.table_offset = 0x100 };
	ret = rte_vfio_user_pci_cap_msix_add(pci, 0, &msix);
	TEST_ASSERT(ret > 0, "2048 vectors: %d", ret);
	ASSERT_CFG(ret + PCI_MSIX_FLAGS, 2, 2047);
	ASSERT_CFG(ret + PCI_MSIX_TABLE, 4, 0x100 | 4);
	ASSERT_CFG(ret + PCI_MSIX_PBA, 4, 4);
	return TEST_SUCCESS;
}

/* A server without the interrupt indexes of MSI and MSI-X. */
static int
test_few_interrupts(void)
{
	const struct rte_vfio_user_pci_msi msi = { .vectors = NB_VECTORS };
	struct rte_vfio_user_server_conf conf;

	pci_teardown();
	rte_vfio_user_server_conf_init(&conf);
	conf.sock_path = "never_started.sock";
	conf.num_irqs = VFIO_PCI_INTX_IRQ_INDEX + 1;
	srv = rte_vfio_user_server_create(&conf);
	TEST_ASSERT_NOT_NULL(srv, "no server: %s", rte_strerror(rte_errno));
	pci = rte_vfio_user_pci_create(srv, &pci_test_id);
	TEST_ASSERT_NOT_NULL(pci, "no config space: %s", rte_strerror(rte_errno));
	TEST_ASSERT_SUCCESS(bar_add(1, 4096, 0), "BAR1");
	TEST_ASSERT_EQUAL(rte_vfio_user_pci_cap_msix_add(pci, 0, &test_msix), -EINVAL, "MSI-X");
	TEST_ASSERT_EQUAL(rte_vfio_user_pci_cap_msi_add(pci, 0, &msi), -EINVAL, "MSI");
	ASSERT_CFG(PCI_CAPABILITY_LIST, 1, 0);
	return TEST_SUCCESS;
}

static int
test_msix_enable(void)
{
	int msix;

	TEST_ASSERT(!rte_vfio_user_pci_msix_enabled(pci), "enabled without capability");
	TEST_ASSERT_SUCCESS(bar_add(1, 4096, 0), "BAR1");
	msix = rte_vfio_user_pci_cap_msix_add(pci, 0, &test_msix);
	TEST_ASSERT(msix > 0, "not added: %d", msix);
	TEST_ASSERT(!rte_vfio_user_pci_msix_enabled(pci), "enabled at start");
	ASSERT_CFG(msix + PCI_MSIX_FLAGS, 2, NB_VECTORS - 1);
	ASSERT_CFG(msix + PCI_MSIX_PBA, 4, 0x801);
	cfg_write(msix + PCI_MSIX_FLAGS, 2, UINT16_MAX);
	ASSERT_CFG(msix + PCI_MSIX_FLAGS, 2,
		   PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL | (NB_VECTORS - 1));
	TEST_ASSERT(rte_vfio_user_pci_msix_enabled(pci), "not enabled");
	cfg_write(msix + PCI_MSIX_FLAGS + 1, 1, PCI_MSIX_FLAGS_MASKALL >> 8);
	TEST_ASSERT(!rte_vfio_user_pci_msix_enabled(pci), "still enabled");
	cfg_write(msix + PCI_MSIX_FLAGS + 1, 1, PCI_MSIX_FLAGS_ENABLE >> 8);
	TEST_ASSERT(rte_vfio_user_pci_msix_enabled(pci), "not enabled by one byte");
	cfg_write(msix + PCI_MSIX_TABLE, 4, UINT32_MAX);
	ASSERT_CFG(msix + PCI_MSIX_TABLE, 4, 1);
	return TEST_SUCCESS;
}

/* ------------------------------------------------------------------ INTx */

static bool
intx_line(void)
{
	return (rte_vfio_user_server_irq_state(srv, VFIO_PCI_INTX_IRQ_INDEX, 0) &
		RTE_VFIO_USER_IRQ_ASSERTED) != 0;
}

/* The bit in Status and the line to the client. */
#define ASSERT_INTX(status, line) do { \
	TEST_ASSERT_EQUAL((cfg_read(PCI_STATUS, 1) & PCI_STATUS_INTERRUPT) != 0, status, \
			  "Interrupt Status is not %d", status); \
	TEST_ASSERT_EQUAL(intx_line(), line, "the line is not %d", line); \
} while (0)

static int
test_intx(void)
{
	TEST_ASSERT_SUCCESS(rte_vfio_user_server_start(srv), "start");
	ASSERT_INTX(false, false);
	TEST_ASSERT_SUCCESS(rte_vfio_user_pci_intx_set(pci, true), "assert");
	ASSERT_INTX(true, true);
	TEST_ASSERT_SUCCESS(rte_vfio_user_pci_intx_set(pci, true), "assert again");
	ASSERT_INTX(true, true);
	/* Status is not writable, and Interrupt Status nothing to be cleared */
	cfg_write(PCI_STATUS, 2, UINT16_MAX);
	ASSERT_INTX(true, true);
	TEST_ASSERT_SUCCESS(rte_vfio_user_pci_intx_set(pci, false), "de-assert");
	ASSERT_INTX(false, false);

	cfg_write(PCI_COMMAND, 2, PCI_COMMAND_INTX_DISABLE);
	TEST_ASSERT_SUCCESS(rte_vfio_user_pci_intx_set(pci, true), "assert, disabled");
	ASSERT_INTX(true, false);
	cfg_write(PCI_COMMAND, 1, PCI_COMMAND_MEMORY); /* the other byte */
	ASSERT_INTX(true, false);
	cfg_write(PCI_COMMAND, 2, 0);
	ASSERT_INTX(true, true);
	cfg_write(PCI_COMMAND + 1, 1, PCI_COMMAND_INTX_DISABLE >> 8);
	ASSERT_INTX(true, false);
	TEST_ASSERT_SUCCESS(rte_vfio_user_pci_intx_set(pci, false), "de-assert, disabled");
	cfg_write(PCI_COMMAND, 2, 0);
	ASSERT_INTX(false, false);

	TEST_ASSERT_SUCCESS(rte_vfio_user_pci_intx_set(pci, true), "assert before reset");
	ASSERT_INTX(true, true);
	rte_vfio_user_pci_reset(pci, RTE_VFIO_USER_RESET_DEVICE);
	ASSERT_INTX(false, false);
	return TEST_SUCCESS;
}

static int
test_intx_and_msix(void)
{
	int msix;

	TEST_ASSERT_SUCCESS(bar_add(1, 4096, 0), "BAR1");
	msix = rte_vfio_user_pci_cap_msix_add(pci, 0, &test_msix);
	TEST_ASSERT_SUCCESS(rte_vfio_user_server_start(srv), "start");
	TEST_ASSERT_SUCCESS(rte_vfio_user_pci_intx_set(pci, true), "assert");
	cfg_write(msix + PCI_MSIX_FLAGS, 2, PCI_MSIX_FLAGS_ENABLE);
	ASSERT_INTX(true, false);
	cfg_write(msix + PCI_MSIX_FLAGS, 2, 0);
	ASSERT_INTX(true, true);
	return TEST_SUCCESS;
}

#define RACE_ROUNDS 50000

static uint32_t round_of[2];

/* Both threads leave it at the same time, plus or minus a sweeping delay. */
static void
meet(uint32_t self, uint32_t delay)
{
	uint32_t mine = round_of[self] + 1, spins = 0;

	__atomic_store_n(&round_of[self], mine, __ATOMIC_RELEASE);
	while (__atomic_load_n(&round_of[!self], __ATOMIC_ACQUIRE) < mine)
		if (++spins % 1024 == 0)
			sched_yield();
	while (delay-- > 0)
		rte_compiler_barrier();
}

static void *
intx_thread(void *arg)
{
	uint32_t i;

	RTE_SET_USED(arg);
	for (i = 0; i < RACE_ROUNDS; i++) {
		meet(1, i % 97);
		rte_vfio_user_pci_intx_set(pci, i % 2 == 0);
		meet(1, 0);
	}
	return NULL;
}

/* Device and driver change their minds at the same time, in all four ways. */
static int
test_intx_race(void)
{
	bool status, line, disabled, asserted;
	uint32_t i, wrong = 0;
	pthread_t thread;

	TEST_ASSERT_SUCCESS(rte_vfio_user_server_start(srv), "start");
	memset(round_of, 0, sizeof(round_of));
	TEST_ASSERT_SUCCESS(pthread_create(&thread, NULL, intx_thread, NULL), "thread");
	for (i = 0; i < RACE_ROUNDS; i++) {
		asserted = i % 2 == 0;
		disabled = i / 2 % 2 == 0;
		meet(0, i % 101);
		cfg_write(PCI_COMMAND, 2, disabled ? PCI_COMMAND_INTX_DISABLE : 0);
		meet(0, 0);
		status = (cfg_read(PCI_STATUS, 1) & PCI_STATUS_INTERRUPT) != 0;
		line = intx_line();
		if (status != asserted || line != (asserted && !disabled))
			wrong++;
	}
	pthread_join(thread, NULL);
	TEST_ASSERT_EQUAL(wrong, 0, "wrong level in %u of %u rounds", wrong, RACE_ROUNDS);
	return TEST_SUCCESS;
}

static int
test_intx_absent(void)
{
	struct rte_vfio_user_pci_id id = pci_test_id;

	id.intx_pin = 0;
	rte_vfio_user_pci_destroy(pci);
	pci = rte_vfio_user_pci_create(srv, &id); /* takes the region over */
	TEST_ASSERT_NOT_NULL(pci, "not created");
	ASSERT_CFG(PCI_INTERRUPT_PIN, 1, 0);
	TEST_ASSERT_SUCCESS(rte_vfio_user_server_start(srv), "start");
	TEST_ASSERT_EQUAL(rte_vfio_user_pci_intx_set(pci, true), -EINVAL, "asserted");
	TEST_ASSERT_EQUAL(rte_vfio_user_pci_intx_set(NULL, true), -EINVAL, "no object");
	rte_vfio_user_pci_reset(pci, RTE_VFIO_USER_RESET_DEVICE);
	ASSERT_INTX(false, false);
	return TEST_SUCCESS;
}

/* ------------------------------------------------------- the whole space */

static int
test_reset(void)
{
	uint64_t before[CONFIG_SIZE / 8], ones[CONFIG_SIZE / 8], after[CONFIG_SIZE / 8];
	uint64_t fresh[CONFIG_SIZE / 8];

	TEST_ASSERT_SUCCESS(device_declare(), "declare");
	TEST_ASSERT_SUCCESS(rte_vfio_user_server_start(srv), "start");
	cfg_access(false, 0, fresh, CONFIG_SIZE);
	cfg_write(BAR_REG(0), 4, 0xfebf0000);
	cfg_write(BAR_REG(2), 4, 0xfe000000);
	cfg_access(false, 0, before, CONFIG_SIZE);
	memset(ones, 0xff, sizeof(ones));
	cfg_access(true, 0, ones, BAR_REG(0));
	cfg_access(true, BAR_REG(6), ones, CONFIG_SIZE - BAR_REG(6));
	/* what a reset leaves alone */
	cfg_write(EXPRESS + PCI_EXP_DEVCTL, 2, 0);
	cfg_write(EXPRESS + PCI_EXP_LNKCTL, 2, 0);
	TEST_ASSERT_SUCCESS(rte_vfio_user_pci_intx_set(pci, true), "assert");
	TEST_ASSERT(rte_vfio_user_pci_msix_enabled(pci), "not enabled");

	rte_vfio_user_pci_reset(pci, RTE_VFIO_USER_RESET_DEVICE);
	cfg_access(false, 0, after, CONFIG_SIZE);
	TEST_ASSERT_SUCCESS(memcmp(before, after, CONFIG_SIZE), "not as before");
	TEST_ASSERT(!rte_vfio_user_pci_msix_enabled(pci), "still enabled");
	ASSERT_INTX(false, false);
	/* addresses in one client's memory are not for the next one */
	rte_vfio_user_pci_reset(pci, RTE_VFIO_USER_RESET_LOST_CONN);
	cfg_access(false, 0, after, CONFIG_SIZE);
	TEST_ASSERT_SUCCESS(memcmp(fresh, after, CONFIG_SIZE), "not as declared");
	return TEST_SUCCESS;
}

static int
test_whole_space(void)
{
	uint64_t space[CONFIG_SIZE / 8], ones[CONFIG_SIZE / 8], again[CONFIG_SIZE / 8];
	const uint8_t *bytes = (const uint8_t *)space;
	uint32_t i, len;

	TEST_ASSERT_SUCCESS(device_declare(), "declare");
	/* all that can be set is set: by one access, or by bytes */
	memset(ones, 0xff, sizeof(ones));
	cfg_access(true, 0, ones, CONFIG_SIZE);
	cfg_access(false, 0, space, CONFIG_SIZE);
	rte_vfio_user_pci_reset(pci, RTE_VFIO_USER_RESET_DEVICE);
	for (i = 0; i < CONFIG_SIZE; i++)
		cfg_write(i, 1, 0xff);
	cfg_access(false, 0, again, CONFIG_SIZE);
	TEST_ASSERT_SUCCESS(memcmp(space, again, CONFIG_SIZE), "writes by bytes differ");
	for (i = PCI_CFG_SPACE_SIZE; i < CONFIG_SIZE; i++)
		TEST_ASSERT_EQUAL(bytes[i], 0, "extended space at 0x%x", i);
	/* reads of any size at any offset see the same */
	for (len = 1; len <= 8; len++) {
		for (i = 0; i <= CONFIG_SIZE - len; i++) {
			cfg_access(false, i, again, len);
			TEST_ASSERT_SUCCESS(memcmp(again, bytes + i, len),
					    "%u bytes at 0x%x", len, i);
		}
	}
	return TEST_SUCCESS;
}

static int
test_started(void)
{
	TEST_ASSERT_SUCCESS(bar_add(1, 4096, 0), "BAR1");
	TEST_ASSERT_SUCCESS(rte_vfio_user_server_start(srv), "start");
	TEST_ASSERT_EQUAL(bar_add(0, 4096, 0), -EBUSY, "BAR");
	TEST_ASSERT_EQUAL(rte_vfio_user_pci_cap_pm_add(pci, 0), -EBUSY, "power management");
	TEST_ASSERT_EQUAL(rte_vfio_user_pci_cap_express_add(pci, 0, 0), -EBUSY, "PCI Express");
	TEST_ASSERT_EQUAL(rte_vfio_user_pci_cap_msix_add(pci, 0, &test_msix), -EBUSY, "MSI-X");
	TEST_ASSERT_NULL(rte_vfio_user_pci_create(srv, &pci_test_id), "a second one");
	TEST_ASSERT_EQUAL(rte_errno, EBUSY, "errno %d", rte_errno);
	cfg_write(BAR_REG(0), 4, UINT32_MAX);
	ASSERT_CFG(BAR_REG(0), 4, 0);
	ASSERT_CFG(PCI_CAPABILITY_LIST, 1, 0);
	return TEST_SUCCESS;
}

static struct unit_test_suite pci_suite = {
	.suite_name = "vfio-user PCI configuration space",
	.unit_test_cases = {
		TEST_CASE_ST(pci_setup, pci_teardown, test_create_arguments),
		TEST_CASE_ST(pci_setup, pci_teardown, pci_test_identity),
		TEST_CASE_ST(pci_setup, pci_teardown, test_command),
		TEST_CASE_ST(pci_setup, pci_teardown, test_bar_mem32),
		TEST_CASE_ST(pci_setup, pci_teardown, test_bar_mem64),
		TEST_CASE_ST(pci_setup, pci_teardown, test_bar_io),
		TEST_CASE_ST(pci_setup, pci_teardown, test_bar_arguments),
		TEST_CASE_ST(pci_setup, pci_teardown, test_capability_list),
		TEST_CASE_ST(pci_setup, pci_teardown, test_power_management),
		TEST_CASE_ST(pci_setup, pci_teardown, test_express),
		TEST_CASE_ST(pci_setup, pci_teardown, test_msix_arguments),
		TEST_CASE_ST(pci_setup, pci_teardown, test_few_interrupts),
		TEST_CASE_ST(pci_setup, pci_teardown, test_msix_enable),
		TEST_CASE_ST(pci_setup, pci_teardown, test_intx),
		TEST_CASE_ST(pci_setup, pci_teardown, test_intx_and_msix),
		TEST_CASE_ST(pci_setup, pci_teardown, test_intx_race),
		TEST_CASE_ST(pci_setup, pci_teardown, test_intx_absent),
		TEST_CASE_ST(pci_setup, pci_teardown, test_reset),
		TEST_CASE_ST(pci_setup, pci_teardown, test_whole_space),
		TEST_CASE_ST(pci_setup, pci_teardown, test_started),
		TEST_CASES_END()
	},
};

static int
test_vfio_user_pci(void)
{
	return unit_test_suite_runner(&pci_suite);
}

REGISTER_TEST_COMMAND(vfio_user_pci_autotest, test_vfio_user_pci);
