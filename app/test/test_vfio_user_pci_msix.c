/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

/*
 * MSI-X table and pending bits, MSI registers: what a client reads and writes,
 * without a client.
 */

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <linux/pci_regs.h>
#include <linux/vfio.h>

#include <rte_common.h>
#include <rte_errno.h>

#include <rte_vfio_user_pci.h>
#include <rte_vfio_user_server.h>
#include <rte_vfio_user_stats.h>

#include "test.h"
#include "test_short.h"
#include "vfio_user_pci.h"

#define BAR_SIZE 4096
#define NB_VECTORS 70 /* more than a quadword of pending bits */
#define TABLE 0x100
#define TABLE_END (TABLE + NB_VECTORS * PCI_MSIX_ENTRY_SIZE)
#define PBA 0xe00
#define PBA_END (PBA + 16)
#define MODEL_BYTE 0xa5 /* what the device model answers */

static char dir[] = "/tmp/vfio_user_msix_test.XXXXXX";
static char sock_path[64];
static struct rte_vfio_user_server *srv;
static struct rte_vfio_user_pci *pci;
static int cap; /* of MSI-X */
static uint8_t seen[BAR_SIZE]; /* what the device model was asked for */
static uint8_t written[BAR_SIZE];
static ssize_t model_answer; /* 0: all of an access is done */
static uint32_t unaligned; /* calls of the device model with such data */

/* -------------------------------------------------------------- fixtures */

static int
suite_setup(void)
{
	TEST_ASSERT_NOT_NULL(mkdtemp(dir), "no temporary folder: %s", strerror(errno));
	snprintf(sock_path, sizeof(sock_path), "%s/sock", dir);
	return TEST_SUCCESS;
}

static void
suite_teardown(void)
{
	rmdir(dir);
	memset(strrchr(dir, '.') + 1, 'X', 6);
}

/* The device model's part of the BAR. */
static ssize_t
model_cb(struct rte_vfio_user_server *server,
	 const struct rte_vfio_user_region_access *acc, void *priv)
{
	RTE_SET_USED(server);
	RTE_SET_USED(priv);
	memset(&seen[acc->offset], acc->is_write ? 'w' : 'r', acc->count);
	unaligned += (uintptr_t)acc->data % 8 != 0;
	if (acc->is_write)
		memcpy(&written[acc->offset], acc->data, acc->count);
	else
		memset(acc->data, MODEL_BYTE, acc->count);
	return model_answer != 0 ? model_answer : acc->count;
}

static int
setup(void)
{
	const struct rte_vfio_user_pci_id id = { .vendor_id = 0x1234, .intx_pin = 1 };
	const struct rte_vfio_user_region_conf bar = {
		.size = BAR_SIZE, .flags = RTE_VFIO_USER_REGION_F_RW,
		.cb = model_cb, .fd = -1,
	};
	const struct rte_vfio_user_pci_msix msix = {
		.vectors = NB_VECTORS, .table_bar = 2, .table_offset = TABLE,
		.pba_bar = 2, .pba_offset = PBA,
	};
	struct rte_vfio_user_server_conf conf;

	rte_vfio_user_server_conf_init(&conf);
	conf.sock_path = sock_path;
	srv = rte_vfio_user_server_create(&conf);
	TEST_ASSERT_NOT_NULL(srv, "no server: %s", rte_strerror(rte_errno));
	pci = rte_vfio_user_pci_create(srv, &id);
	TEST_ASSERT_NOT_NULL(pci, "no config space: %s", rte_strerror(rte_errno));
	DO(rte_vfio_user_pci_bar_add(pci, 2, RTE_VFIO_USER_PCI_BAR_MEM32, &bar));
	cap = rte_vfio_user_pci_cap_msix_add(pci, 0, &msix);
	TEST_ASSERT(cap > 0, "MSI-X: %d", cap);
	memset(seen, 0, sizeof(seen));
	unaligned = 0;
	model_answer = 0;
	return TEST_SUCCESS;
}

static void
teardown(void)
{
	rte_vfio_user_server_destroy(srv);
	rte_vfio_user_pci_destroy(pci);
	srv = NULL;
	pci = NULL;
}

static void
bar_access(bool is_write, uint32_t off, void *data, uint32_t count)
{
	const struct rte_vfio_user_region_access acc = {
		.region = VFIO_PCI_BAR2_REGION_INDEX,
		.is_write = is_write,
		.offset = off,
		.count = count,
		.data = data,
	};
	ssize_t ret = vfio_user_pci_bar_access(&pci->bars[2], &acc);

	if (ret != (ssize_t)count)
		printf("access of %u bytes at 0x%x: %zd\n", count, off, ret);
}

static uint64_t
bar_read(uint32_t off, uint32_t len)
{
	uint64_t val = 0;

	bar_access(false, off, &val, len);
	return val;
}

static void
bar_write(uint32_t off, uint32_t len, uint64_t val)
{
	bar_access(true, off, &val, len);
}

static void
cfg_access(bool is_write, uint32_t off, void *data, uint32_t count)
{
	const struct rte_vfio_user_region_access acc = {
		.region = VFIO_PCI_CONFIG_REGION_INDEX,
		.is_write = is_write,
		.offset = off,
		.count = count,
		.data = data,
	};

	vfio_user_pci_config_access(pci, &acc);
}

static uint32_t
cfg_read(uint32_t off, uint32_t len)
{
	uint32_t val = 0;

	cfg_access(false, off, &val, len);
	return val;
}

static void
cfg_write(uint32_t off, uint32_t len, uint32_t val)
{
	cfg_access(true, off, &val, len);
}

#define ASSERT_BAR(off, len, expect) \
	TEST_ASSERT_EQUAL(bar_read(off, len), (uint64_t)(expect), \
			  "line %d: 0x%x is 0x%" PRIx64, __LINE__, (uint32_t)(off), \
			  bar_read(off, len))
#define ASSERT_CFG(off, len, expect) \
	TEST_ASSERT_EQUAL(cfg_read(off, len), (uint32_t)(expect), \
			  "line %d: 0x%x is 0x%x", __LINE__, (uint32_t)(off), \
			  cfg_read(off, len))

/* ----------------------------------------------------------------- MSI-X */

static int
test_after_reset(void)
{
	uint32_t v, round;

	for (round = 0; round < 2; round++) {
		for (v = 0; v < NB_VECTORS; v++) {
			ASSERT_BAR(TABLE + 16 * v, 8, 0);
			ASSERT_BAR(TABLE + 16 * v + 8, 8, UINT64_C(1) << 32);
			bar_write(TABLE + 16 * v, 8, UINT64_MAX);
			bar_write(TABLE + 16 * v + 8, 8, v);
		}
		ASSERT_BAR(PBA, 8, 0);
		ASSERT_BAR(PBA + 8, 8, 0);
		rte_vfio_user_pci_reset(pci, round == 0 ? RTE_VFIO_USER_RESET_LOST_CONN :
					RTE_VFIO_USER_RESET_DEVICE);
	}
	ASSERT_BAR(TABLE + 16 + 8, 8, UINT64_C(1) << 32);
	return TEST_SUCCESS;
}

static int
test_entry(void)
{
	const uint32_t entry = TABLE + 16 * 5;

	bar_write(entry, 8, UINT64_MAX);
	ASSERT_BAR(entry, 8, UINT64_MAX - 3);
	bar_write(entry + 8, 8, UINT64_MAX);
	ASSERT_BAR(entry + 8, 4, UINT32_MAX);
	ASSERT_BAR(entry + 12, 4, 1);
	bar_write(entry + 12, 4, UINT32_MAX - 1);
	ASSERT_BAR(entry + 12, 4, 0);
	/* by bytes and words, also across registers and entries */
	bar_write(entry + 3, 1, 0x12);
	ASSERT_BAR(entry, 4, 0x12fffffc);
	bar_write(entry + 12, 1, 0x81);
	ASSERT_BAR(entry + 12, 4, 1);
	bar_write(entry + 13, 1, 0xfe);
	ASSERT_BAR(entry + 12, 4, 1);
	bar_write(entry + 10, 4, 0x0000abcd);
	ASSERT_BAR(entry + 8, 8, 0xabcdffff);
	bar_write(entry + 14, 4, 0x7777ffff);
	ASSERT_BAR(entry + 12, 8, UINT64_C(0x7774) << 32);
	ASSERT_BAR(entry + 11, 2, 0xab);
	/* neighbours are as they were */
	ASSERT_BAR(entry - 8, 8, UINT64_C(1) << 32);
	ASSERT_BAR(entry + 16 + 8, 8, UINT64_C(1) << 32);
	TEST_ASSERT_EQUAL(seen[entry], 0, "the device model was asked");
	return TEST_SUCCESS;
}

static int
test_pba_is_read_only(void)
{
	DO(rte_vfio_user_server_irq_hold(srv, VFIO_PCI_MSIX_IRQ_INDEX, 0, true));
	DO(rte_vfio_user_server_irq_trigger(srv, VFIO_PCI_MSIX_IRQ_INDEX, 0));
	bar_write(PBA, 8, UINT64_MAX);
	ASSERT_BAR(PBA, 8, 1);
	bar_write(PBA, 8, 0);
	ASSERT_BAR(PBA, 8, 1);
	bar_write(PBA + 8, 8, UINT64_MAX);
	ASSERT_BAR(PBA + 8, 8, 0);
	TEST_ASSERT_EQUAL(seen[PBA], 0, "the device model was asked");
	return TEST_SUCCESS;
}

/* A masked vector is pending when it is triggered, whoever listens. */
static int
test_pending_bits(void)
{
	const uint32_t vectors[] = { 0, 7, 8, 63, 64, NB_VECTORS - 1 };
	uint32_t i, v;

	for (i = 0; i < RTE_DIM(vectors); i++) {
		v = vectors[i];
		TEST_ASSERT_EQUAL(rte_vfio_user_pci_irq_trigger(pci, v), -ENOENT,
				  "nobody listens");
		bar_write(TABLE + 16 * v + 12, 1, 1);
		DO(rte_vfio_user_pci_irq_trigger(pci, v));
		TEST_ASSERT_EQUAL(bar_read(PBA + v / 64 * 8, 8) >> v % 64 & 1, 1u, "%u", v);
		ASSERT_BAR(PBA + v / 8, 1, bar_read(PBA + v / 64 * 8, 8) >> v % 64 / 8 * 8 & 255);
	}
	ASSERT_BAR(PBA, 8, UINT64_C(1) << 63 | 0x181);
	ASSERT_BAR(PBA + 8, 8, 0x21);
	ASSERT_BAR(PBA + 6, 4, 0x218000);
	rte_vfio_user_pci_reset(pci, RTE_VFIO_USER_RESET_DEVICE);
	ASSERT_BAR(PBA, 8, 0);
	ASSERT_BAR(PBA + 8, 8, 0);
	return TEST_SUCCESS;
}

/* What is neither table nor pending bits is the device model's. */
static int
test_rest_of_the_bar(void)
{
	uint8_t whole[BAR_SIZE], expect;
	uint32_t i;

	bar_access(false, 0, whole, BAR_SIZE);
	for (i = 0; i < BAR_SIZE; i++) {
		bool ours = (i >= TABLE && i < TABLE_END) || (i >= PBA && i < PBA_END);

		expect = ours ? i < PBA && i % 16 == 12 : MODEL_BYTE;
		TEST_ASSERT_EQUAL(whole[i], expect, "byte 0x%x", i);
		TEST_ASSERT_EQUAL(seen[i], ours ? 0 : 'r', "byte 0x%x", i);
	}
	memset(whole, 0xfe, BAR_SIZE);
	bar_access(true, 0, whole, BAR_SIZE);
	for (i = 0; i < BAR_SIZE; i++)
		TEST_ASSERT_EQUAL(seen[i], (i >= TABLE && i < TABLE_END) ||
				  (i >= PBA && i < PBA_END) ? 0 : 'w', "byte 0x%x", i);
	ASSERT_BAR(TABLE, 8, UINT64_C(0xfefefefefefefefc));
	ASSERT_BAR(TABLE_END - 8, 8, 0xfefefefe);
	return TEST_SUCCESS;
}

/* The device model gets aligned data of a part, too, wherever it begins. */
static int
test_split_alignment(void)
{
	uint8_t data[64] __rte_aligned(8);
	uint32_t i, before, off;

	for (before = 0; before <= 32; before++) {
		for (i = 0; i < sizeof(data); i++)
			data[i] = i;
		off = TABLE_END - before;
		bar_access(true, off, data, sizeof(data));
		for (i = before; i < sizeof(data); i++)
			TEST_ASSERT_EQUAL(written[off + i], i, "%u bytes in the table", before);
		memset(data, 0, sizeof(data));
		bar_access(false, off, data, sizeof(data));
		for (i = 0; i < sizeof(data); i++)
			TEST_ASSERT_EQUAL(data[i], i < before ? bar_read(off + i, 1) : MODEL_BYTE,
					  "byte %u, %u in the table", i, before);
	}
	TEST_ASSERT_EQUAL(unaligned, 0, "%u calls with unaligned data", unaligned);
	return TEST_SUCCESS;
}

static int
test_split_result(void)
{
	uint8_t data[64] __rte_aligned(8);
	struct rte_vfio_user_region_access acc = {
		.region = VFIO_PCI_BAR2_REGION_INDEX, .offset = TABLE_END - 12,
		.count = sizeof(data), .data = data,
	};

	/* short, counted from the begin */
	model_answer = 3;
	TEST_ASSERT_EQUAL(vfio_user_pci_bar_access(&pci->bars[2], &acc), 15, "short");
	model_answer = -ENXIO;
	TEST_ASSERT_EQUAL(vfio_user_pci_bar_access(&pci->bars[2], &acc), -ENXIO, "error");
	/* a part cannot be completed later, the whole can */
	model_answer = RTE_VFIO_USER_PENDING;
	TEST_ASSERT_EQUAL(vfio_user_pci_bar_access(&pci->bars[2], &acc), -EIO, "deferred");
	acc.offset = TABLE_END;
	TEST_ASSERT_EQUAL(vfio_user_pci_bar_access(&pci->bars[2], &acc), RTE_VFIO_USER_PENDING,
			  "deferred, of the device model only");
	return TEST_SUCCESS;
}

/* ------------------------------------------------------------------ fuzz */

/* xorshift: the same numbers in each run. */
static uint32_t
random_number(uint32_t below)
{
	static uint32_t x = 2463534242;

	x ^= x << 13;
	x ^= x >> 17;
	x ^= x << 5;
	return x % below;
}

/*
 * A second implementation of table and pending bits, by the register and not by
 * the byte: masks of the bits that can be written for each dword of an entry.
 */
static uint32_t
model_dword(uint32_t old, uint32_t reg, uint32_t val, uint32_t lanes)
{
	static const uint32_t writable[4] = { 0xfffffffc, UINT32_MAX, UINT32_MAX, 1 };

	lanes &= writable[reg];
	return (old & ~lanes) | (val & lanes);
}

static void
model_write(uint32_t *table, uint32_t off, const uint8_t *data, uint32_t count)
{
	uint32_t i, at, shift;

	for (i = 0; i < count; i++) {
		at = off + i;
		if (at < TABLE || at >= TABLE_END)
			continue;
		at -= TABLE;
		shift = 8 * (at % 4);
		table[at / 4] = model_dword(table[at / 4], at / 4 % 4,
					    (uint32_t)data[i] << shift, 0xffu << shift);
	}
}

/* Vectors that the client masked by a write are the ones that become pending. */
static int
check_masks(const bool *masked)
{
	uint64_t pba[2], expect[2] = { 0 };
	uint32_t v;
	int ret;

	for (v = 0; v < NB_VECTORS; v++) {
		ret = rte_vfio_user_pci_irq_trigger(pci, v);
		TEST_ASSERT_EQUAL(ret, masked[v] ? 0 : -ENOENT, "vector %u", v);
		expect[v / 64] |= (uint64_t)masked[v] << v % 64;
	}
	pba[0] = bar_read(PBA, 8);
	pba[1] = bar_read(PBA + 8, 8);
	for (v = 0; v < NB_VECTORS; v++)
		rte_vfio_user_server_irq_clear(srv, VFIO_PCI_MSIX_IRQ_INDEX, v);
	TEST_ASSERT(pba[0] == expect[0] && pba[1] == expect[1], "pending bits");
	return TEST_SUCCESS;
}

static int
test_fuzz(void)
{
	uint32_t table[NB_VECTORS * 4] = { 0 }, round, off, count, i, v;
	uint8_t data[64] __rte_aligned(8), image[TABLE_END - TABLE] __rte_aligned(8);
	bool masked[NB_VECTORS] = { false };

	for (v = 0; v < NB_VECTORS; v++)
		table[4 * v + 3] = 1;
	for (round = 0; round < 20000; round++) {
		count = 1 + random_number(sizeof(data));
		off = random_number(BAR_SIZE - count + 1);
		if (round % 4 != 0) /* mostly what hits the table */
			off = TABLE - 8 + random_number(TABLE_END - TABLE);
		for (i = 0; i < count; i++) {
			data[i] = random_number(256);
			v = (off + i - TABLE) / 16;
			if (off + i >= TABLE && off + i < TABLE_END && (off + i) % 16 == 12)
				masked[v] = data[i] & 1;
		}
		bar_access(true, off, data, count);
		model_write(table, off, data, count);
		bar_access(false, TABLE, image, sizeof(image));
		TEST_ASSERT_EQUAL(memcmp(image, table, sizeof(image)), 0,
				  "round %u: %u bytes at 0x%x", round, count, off);
		if (round % 100 == 0)
			DO(check_masks(masked));
	}
	for (i = TABLE; i < TABLE_END; i++)
		TEST_ASSERT_EQUAL(seen[i], 0, "the device model was asked for 0x%x", i);
	return TEST_SUCCESS;
}

/* ------------------------------------------------------------------- MSI */

static int
msi_add(uint32_t vectors, uint32_t flags)
{
	const struct rte_vfio_user_pci_msi msi = { .vectors = vectors, .flags = flags };

	return rte_vfio_user_pci_cap_msi_add(pci, 0, &msi);
}

static int
test_msi_registers(void)
{
	int off = msi_add(8, RTE_VFIO_USER_PCI_MSI_MASKABLE);

	TEST_ASSERT(off > 0, "MSI: %d", off);
	ASSERT_CFG(off, 1, PCI_CAP_ID_MSI);
	ASSERT_CFG(off + PCI_MSI_FLAGS, 2,
		   3 << 1 | PCI_MSI_FLAGS_64BIT | PCI_MSI_FLAGS_MASKBIT);
	cfg_write(off + PCI_MSI_FLAGS, 2, UINT16_MAX);
	ASSERT_CFG(off + PCI_MSI_FLAGS, 2, PCI_MSI_FLAGS_ENABLE | 3 << 1 |
		   PCI_MSI_FLAGS_QSIZE | PCI_MSI_FLAGS_64BIT | PCI_MSI_FLAGS_MASKBIT);
	cfg_write(off + PCI_MSI_ADDRESS_LO, 4, UINT32_MAX);
	ASSERT_CFG(off + PCI_MSI_ADDRESS_LO, 4, UINT32_MAX - 3);
	cfg_write(off + PCI_MSI_ADDRESS_HI, 4, UINT32_MAX);
	ASSERT_CFG(off + PCI_MSI_ADDRESS_HI, 4, UINT32_MAX);
	cfg_write(off + PCI_MSI_DATA_64, 4, UINT32_MAX);
	ASSERT_CFG(off + PCI_MSI_DATA_64, 4, UINT16_MAX);
	cfg_write(off + PCI_MSI_MASK_64, 4, UINT32_MAX);
	ASSERT_CFG(off + PCI_MSI_MASK_64, 4, 0xff);
	cfg_write(off + PCI_MSI_PENDING_64, 4, UINT32_MAX);
	ASSERT_CFG(off + PCI_MSI_PENDING_64, 4, 0);
	TEST_ASSERT_EQUAL(msi_add(8, 0), -EEXIST, "twice");
	rte_vfio_user_pci_reset(pci, RTE_VFIO_USER_RESET_DEVICE);
	ASSERT_CFG(off + PCI_MSI_FLAGS, 2,
		   3 << 1 | PCI_MSI_FLAGS_64BIT | PCI_MSI_FLAGS_MASKBIT);
	ASSERT_CFG(off + PCI_MSI_MASK_64, 4, 0);
	return TEST_SUCCESS;
}

static int
test_msi_without_masks(void)
{
	int off = msi_add(32, 0), next;

	TEST_ASSERT(off > 0, "MSI: %d", off);
	ASSERT_CFG(off + PCI_MSI_FLAGS, 2, 5 << 1 | PCI_MSI_FLAGS_64BIT);
	/* it ends where the mask bits would begin */
	next = rte_vfio_user_pci_cap_pm_add(pci, 0);
	TEST_ASSERT_EQUAL(next, off + PCI_MSI_MASK_64, "next at 0x%x", next);
	ASSERT_CFG(next, 1, PCI_CAP_ID_PM);
	return TEST_SUCCESS;
}

static int
test_msi_arguments(void)
{
	const uint32_t bad[] = { 0, 3, 31, 33, 64, 1u << 31, UINT32_MAX };
	const struct rte_vfio_user_pci_msi one = { .vectors = 1 };
	uint32_t i;

	for (i = 0; i < RTE_DIM(bad); i++)
		TEST_ASSERT_EQUAL(msi_add(bad[i], 0), -EINVAL, "%u vectors", bad[i]);
	TEST_ASSERT_EQUAL(msi_add(1, 1u << 1), -EINVAL, "flags");
	TEST_ASSERT_EQUAL(rte_vfio_user_pci_cap_msi_add(pci, 0, NULL), -EINVAL, "no conf");
	TEST_ASSERT_EQUAL(rte_vfio_user_pci_cap_msi_add(NULL, 0, &one), -EINVAL, "no device");
	TEST_ASSERT_EQUAL(rte_vfio_user_pci_cap_msi_add(pci, cap, &one), -EINVAL, "taken");
	/* refused: nobody is told of such interrupts */
	TEST_ASSERT_EQUAL(rte_vfio_user_server_irq_state(srv, VFIO_PCI_MSI_IRQ_INDEX, 0),
			  -EINVAL, "the index is described");
	DO(rte_vfio_user_server_start(srv));
	TEST_ASSERT_EQUAL(msi_add(1, 0), -EBUSY, "started");
	return TEST_SUCCESS;
}

static int
test_trigger_arguments(void)
{
	TEST_ASSERT_EQUAL(rte_vfio_user_pci_irq_trigger(NULL, 0), -EINVAL, "no device");
	TEST_ASSERT_EQUAL(rte_vfio_user_pci_irq_trigger(pci, NB_VECTORS), -EINVAL, "vector");
	TEST_ASSERT_EQUAL(rte_vfio_user_pci_irq_trigger(pci, UINT32_MAX), -EINVAL, "vector");
	TEST_ASSERT_EQUAL(rte_vfio_user_pci_irq_trigger(pci, 0), -ENOENT, "not in use");
	cfg_write(cap + PCI_MSIX_FLAGS, 2, PCI_MSIX_FLAGS_ENABLE);
	TEST_ASSERT_EQUAL(rte_vfio_user_pci_irq_trigger(pci, 0), -ENXIO, "not assigned");
	cfg_write(cap + PCI_MSIX_FLAGS, 2, 0);
	TEST_ASSERT_EQUAL(rte_vfio_user_pci_irq_trigger(pci, 0), -ENOENT, "disabled");
	return TEST_SUCCESS;
}

#define CASE(fn) TEST_CASE_ST(setup, teardown, fn)

/* An interrupt that nobody listens to is counted once. */
static int
test_counted_once(void)
{
	struct rte_vfio_user_stats stats;

	TEST_ASSERT(msi_add(1, 0) > 0, "MSI");
	cfg_write(cap + PCI_MSIX_FLAGS, 2, PCI_MSIX_FLAGS_ENABLE);
	cfg_write(cap + PCI_MSIX_FLAGS, 2, 0); /* what is left is MSI */
	DO(rte_vfio_user_server_start(srv));
	TEST_ASSERT_EQUAL(rte_vfio_user_pci_irq_trigger(pci, 0), -ENOENT, "not in use");
	DO(rte_vfio_user_server_stats_get(srv, &stats));
	TEST_ASSERT_EQUAL(stats.irqs_unassigned, 1, "counted %d times",
			  (int)stats.irqs_unassigned);
	return TEST_SUCCESS;
}

static struct unit_test_suite msix_suite = {
	.suite_name = "vfio-user MSI-X table and MSI registers",
	.setup = suite_setup,
	.teardown = suite_teardown,
	.unit_test_cases = {
		CASE(test_after_reset),
		CASE(test_entry),
		CASE(test_pba_is_read_only),
		CASE(test_pending_bits),
		CASE(test_rest_of_the_bar),
		CASE(test_split_alignment),
		CASE(test_split_result),
		CASE(test_fuzz),
		CASE(test_msi_registers),
		CASE(test_msi_without_masks),
		CASE(test_msi_arguments),
		CASE(test_trigger_arguments),
		CASE(test_counted_once),
		TEST_CASES_END()
	},
};

static int
test_vfio_user_pci_msix(void)
{
	return unit_test_suite_runner(&msix_suite);
}

REGISTER_TEST_COMMAND(vfio_user_pci_msix_autotest, test_vfio_user_pci_msix);
