/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

/*
 * Random devices, written to at random. What a client may change is computed
 * here a second time, from the specifications, and compared byte by byte.
 */

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <rte_common.h>

#include "test.h"
#include "test_short.h"
#include "test_vfio_user_pci.h"

#define CHECK(call) TEST_ASSERT_SUCCESS(call, "seed 0x%" PRIx64, seed)
#define WRITES 400 /* per device */

static uint64_t seed, state;
static uint8_t model[CONFIG_SIZE], declared[CONFIG_SIZE];
static uint8_t rw[CONFIG_SIZE], rw1c[CONFIG_SIZE], sticky[CONFIG_SIZE];
static uint32_t pm; /* offset of power management */
static uint8_t blob[CONFIG_SIZE], blob_mask[CONFIG_SIZE];

static uint32_t
rnd(uint32_t below)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (uint32_t)(state >> 32) % below;
}

/* Bits of a register that a client may write, and clear by writing 1. */
static void
may(uint32_t off, uint32_t len, uint32_t write, uint32_t clear)
{
	uint32_t i;

	for (i = 0; i < len; i++) {
		rw[off + i] = write >> (8 * i);
		rw1c[off + i] = clear >> (8 * i);
	}
}

static void
fill_random(void)
{
	uint32_t i;

	for (i = 0; i < CONFIG_SIZE; i++) {
		blob[i] = rnd(256);
		blob_mask[i] = rnd(256);
	}
}

/* ---------------------------------------------------------- random devices */

static int
declare_header(void)
{
	may(0x04, 2, 0x0546, 0); /* memory, master, parity, SERR, INTx disable */
	may(0x06, 2, 0, 0xf900);
	may(0x0c, 1, 0xff, 0);
	may(0x3c, 1, 0xff, 0);
	if (rnd(2) == 0) {
		CHECK(rte_vfio_user_pci_rom_add(pci, blob, 100 + rnd(3900)));
		/* up to 2048 bytes, or up to 4096 */
		cfg_write(0x30, 4, 0xfffff800);
		may(0x30, 4, cfg_read(0x30, 4) == 0xfffff800 ? 0xfffff801 : 0xfffff001, 0);
		cfg_write(0x30, 4, 0);
	}
	return TEST_SUCCESS;
}

static int
declare_bars(void)
{
	uint32_t bar, shift;

	/* the last one is kept for MSI-X */
	for (bar = 0; bar < 5; bar++) {
		switch (rnd(4)) {
		case 0:
			shift = 4 + rnd(28);
			CHECK(bar_add(bar, UINT64_C(1) << shift, rnd(2) * 2));
			may(0x10 + 4 * bar, 4, -(UINT32_C(1) << shift), 0);
			break;
		case 1:
			if (bar == 4)
				break;
			shift = 4 + rnd(60);
			CHECK(bar_add(bar, UINT64_C(1) << shift, 1 + rnd(2) * 2));
			may(0x10 + 4 * bar, 4, shift < 32 ? -(UINT32_C(1) << shift) : 0, 0);
			bar++;
			may(0x10 + 4 * bar, 4, shift <= 32 ? UINT32_MAX :
			    -(UINT32_C(1) << (shift - 32)), 0);
			break;
		case 2:
			shift = 2 + rnd(7);
			CHECK(bar_add(bar, UINT64_C(1) << shift, RTE_VFIO_USER_PCI_BAR_IO));
			may(0x10 + 4 * bar, 4, -(UINT32_C(1) << shift), 0);
			rw[0x04] |= 1;
			break;
		}
	}
	CHECK(bar_add(5, 4096, 0));
	may(0x10 + 4 * 5, 4, 0xfffff000, 0);
	return TEST_SUCCESS;
}

static int
declare_vendor(void)
{
	const struct rte_vfio_user_pci_vendor vendor = {
		.len = 3 + rnd(20), .data = blob, .writable = blob_mask,
	};
	int off = rte_vfio_user_pci_cap_vendor_add(pci, 0, &vendor);

	TEST_ASSERT(off > 0, "vendor capability: %d", off);
	memcpy(rw + off + 3, blob_mask + 3, vendor.len - 3);
	return TEST_SUCCESS;
}

static int
declare_cap(uint32_t which)
{
	const struct rte_vfio_user_pci_msix msix = {
		.vectors = 1 + rnd(128), .table_bar = 5, .pba_bar = 5, .pba_offset = 0x800,
	};
	const struct rte_vfio_user_pci_msi msi = {
		.vectors = 1u << rnd(6), .flags = rnd(2) * RTE_VFIO_USER_PCI_MSI_MASKABLE,
	};
	int off;

	switch (which) {
	case 0:
		off = rte_vfio_user_pci_cap_pm_add(pci, 0);
		may(off + 4, 2, 0x3, 0);
		pm = off;
		break;
	case 1:
		off = rte_vfio_user_pci_cap_express_add(pci, 0,
				rnd(2) * RTE_VFIO_USER_PCI_EXP_FLR);
		may(off + 0x08, 4, 0x79ff, 0xf << 16);
		may(off + 0x10, 2, 0xcb, 0);
		sticky[off + 0x08] = 0xe0;
		sticky[off + 0x10] = 0xcb;
		may(off + 0x28, 2, 0x10, 0);
		break;
	case 2:
		off = rte_vfio_user_pci_cap_msix_add(pci, 0, &msix);
		may(off + 2, 2, 0xc000, 0);
		break;
	case 3:
		off = rte_vfio_user_pci_cap_msi_add(pci, 0, &msi);
		may(off + 2, 2, 0x0071, 0);
		may(off + 4, 4, 0xfffffffc, 0);
		may(off + 8, 4, UINT32_MAX, 0);
		may(off + 12, 2, 0xffff, 0);
		if (msi.flags != 0)
			may(off + 16, 4, (UINT64_C(1) << msi.vectors) - 1, 0);
		break;
	default:
		return declare_vendor();
	}
	TEST_ASSERT(off > 0, "capability %u: %d", which, off);
	return TEST_SUCCESS;
}

static int
declare_ext(void)
{
	const struct rte_vfio_user_pci_vsec vsec = {
		.id = rnd(65536), .revision = rnd(16), .len = 8 + rnd(1500),
		.data = blob, .writable = blob_mask,
	};
	int off;

	if (rnd(2) == 0)
		TEST_ASSERT(rte_vfio_user_pci_ext_cap_dsn_add(pci, 0x100 + 4 * rnd(8),
			    rnd(UINT32_MAX)) > 0, "serial number");
	if (rnd(2) == 0) {
		off = rte_vfio_user_pci_ext_cap_aer_add(pci, 0);
		TEST_ASSERT(off > 0, "AER: %d", off);
		may(off + 0x04, 4, 0, 0x17f010);
		may(off + 0x08, 4, 0x17f010, 0);
		may(off + 0x0c, 4, 0x17f010, 0);
		may(off + 0x10, 4, 0, 0x31c1);
		may(off + 0x14, 4, 0x31c1, 0);
		memset(sticky + off + 4, 0xff, 0x28);
	}
	if (rnd(2) == 0) {
		off = rte_vfio_user_pci_ext_cap_vsec_add(pci, 0, &vsec);
		TEST_ASSERT(off > 0, "VSEC: %d", off);
		memcpy(rw + off + 8, blob_mask + 8, vsec.len - 8);
	}
	return TEST_SUCCESS;
}

static int
declare_device(void)
{
	uint32_t i, first = rnd(5), left = rnd(6);

	memset(rw, 0, sizeof(rw));
	memset(rw1c, 0, sizeof(rw1c));
	memset(sticky, 0, sizeof(sticky));
	pm = 0;
	fill_random();
	CHECK(declare_header());
	CHECK(declare_bars());
	memset(sticky + 0x10, 0xff, 0x18);
	memset(sticky + 0x31, 0xff, 3); /* without the enable bit */
	for (i = 0; i < left; i++)
		CHECK(declare_cap((first + i) % 5));
	CHECK(declare_ext());
	cfg_access(false, 0, declared, CONFIG_SIZE);
	memcpy(model, declared, CONFIG_SIZE);
	return TEST_SUCCESS;
}

/* ---------------------------------------------------------------- accesses */

static void
model_write(uint32_t off, const uint8_t *data, uint32_t count)
{
	uint8_t mask;
	uint32_t i;

	for (i = 0; i < count; i++, off++) {
		mask = rw[off];
		if (pm != 0 && off == pm + 4 && (data[i] & 3) != 0 && (data[i] & 3) != 3)
			mask &= ~3;
		model[off] = (model[off] & ~mask & ~(data[i] & rw1c[off])) | (data[i] & mask);
	}
}

/* Bytes, words, dwords and odd sizes, mostly short; sometimes all of it. */
static void
random_range(uint32_t *off, uint32_t *count)
{
	switch (rnd(8)) {
	case 0:
		*count = 1 + rnd(CONFIG_SIZE);
		break;
	case 1:
		*count = 1 + rnd(300);
		break;
	default:
		*count = 1 + rnd(8);
	}
	/* where something is */
	*off = rnd(rnd(2) ? 0x100 : rnd(2) ? 0x300 : CONFIG_SIZE);
	*off = RTE_MIN(*off, CONFIG_SIZE - *count);
}

static void
random_write(void)
{
	static uint8_t data[CONFIG_SIZE] __rte_aligned(8);
	uint32_t i, off, count;

	random_range(&off, &count);
	for (i = 0; i < count; i++)
		data[i] = rnd(4) == 0 ? 0xff : rnd(256);
	model_write(off, data, count);
	cfg_access(true, off, data, count);
}

/* The device reports errors: bits that it can set. */
static void
random_errors(void)
{
	uint32_t off;
	uint8_t val;

	for (off = 6; off < CONFIG_SIZE; off++) {
		if (rw1c[off] == 0 || rnd(4) != 0)
			continue;
		val = model[off] | (rnd(256) & rw1c[off]);
		model[off] = val;
		rte_vfio_user_pci_config_set(pci, off, &val, 1);
	}
}

static void
random_reset(void)
{
	bool gone = rnd(2) == 0;
	uint32_t off;
	uint8_t keep;

	rte_vfio_user_pci_reset(pci, gone ? RTE_VFIO_USER_RESET_LOST_CONN :
				RTE_VFIO_USER_RESET_DEVICE);
	for (off = 0; off < CONFIG_SIZE; off++) {
		keep = gone ? 0 : sticky[off];
		model[off] = (declared[off] & ~keep) | (model[off] & keep);
	}
}

static int
compare(uint32_t step)
{
	static uint8_t got[CONFIG_SIZE] __rte_aligned(8);
	uint32_t i, off = 0, count = CONFIG_SIZE;

	if (step % 4 != 0)
		random_range(&off, &count);
	cfg_access(false, off, got, count);
	for (i = 0; i < count; i++)
		TEST_ASSERT(got[i] == model[off + i], "seed 0x%" PRIx64 ", step %u: byte 0x%x is"
			    " 0x%02x instead of 0x%02x (declared 0x%02x, writable 0x%02x,"
			    " cleared 0x%02x)", seed, step, off + i, got[i], model[off + i],
			    declared[off + i], rw[off + i], rw1c[off + i]);
	return TEST_SUCCESS;
}

static int
fuzz_device(void)
{
	uint32_t step;

	CHECK(declare_device());
	for (step = 0; step < WRITES; step++) {
		if (rnd(50) == 0)
			random_reset();
		else if (rnd(20) == 0)
			random_errors();
		else
			random_write();
		CHECK(compare(step));
	}
	return TEST_SUCCESS;
}

static int
test_writes(void)
{
	const uint32_t devices = getenv("VFIO_USER_TEST_LONG") != NULL ? 5000 :
		FEWER_WITH_TSAN(200, 10);
	const char *given = getenv("VFIO_USER_TEST_SEED");
	uint32_t i;
	int ret = TEST_SUCCESS;

	seed = given != NULL ? strtoull(given, NULL, 0) : (uint64_t)time(NULL) << 20 | 1;
	printf("%u devices from seed 0x%" PRIx64 " on (VFIO_USER_TEST_SEED)\n", devices, seed);
	for (i = 0; i < devices && ret == TEST_SUCCESS; i++, seed++) {
		state = seed * UINT64_C(0x9e3779b97f4a7c15) | 1;
		ret = pci_setup();
		if (ret == TEST_SUCCESS)
			ret = fuzz_device();
		pci_teardown();
	}
	return ret;
}

static struct unit_test_suite pci_fuzz_suite = {
	.suite_name = "vfio-user PCI configuration space, random writes",
	.unit_test_cases = {
		TEST_CASE(test_writes),
		TEST_CASES_END()
	},
};

static int
test_vfio_user_pci_fuzz(void)
{
	return unit_test_suite_runner(&pci_fuzz_suite);
}

REGISTER_TEST_COMMAND(vfio_user_pci_fuzz_autotest, test_vfio_user_pci_fuzz);
