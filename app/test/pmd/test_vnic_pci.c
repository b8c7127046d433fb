/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

/* Devices at which net_virtio_vfio_user must not stay attached: their PCI side lies. */

#include <errno.h>
#include <string.h>

#include <linux/pci_regs.h>
#include <linux/virtio_pci.h>

#include <rte_bus_vdev.h>
#include <rte_vfio_user_runner.h>
#include <rte_vfio_user_server.h>

#include "pmd_pair.h"

#define BAR_SIZE 4096u
#define CONFIG_SIZE 256u
/* Where the capabilities are, one behind the other. */
#define FIRST_CAP 0x40u
#define CAP_STEP 0x14u
#define TIMEOUT_MS 200u

/* A device that is nothing but these bytes. */
static struct {
	uint8_t config[CONFIG_SIZE];
	uint8_t bar[BAR_SIZE];
	bool keeps; /* it stores what is written to the BAR */
	uint64_t size2; /* of BAR 2, if there is one */
	struct rte_vfio_user_server *srv;
	struct rte_vfio_user_runner *runner;
} raw;

static ssize_t
on_bar(struct rte_vfio_user_server *srv, const struct rte_vfio_user_region_access *acc,
       void *priv)
{
	RTE_SET_USED(srv);
	RTE_SET_USED(priv);
	if (!acc->is_write)
		memcpy(acc->data, raw.bar + acc->offset, acc->count);
	else if (raw.keeps)
		memcpy(raw.bar + acc->offset, acc->data, acc->count);
	return acc->count;
}

static void
put_cap(uint32_t i, uint8_t type, uint8_t bar, uint32_t offset, uint32_t len)
{
	const struct virtio_pci_notify_cap cap = {
		.cap.cap_vndr = PCI_CAP_ID_VNDR,
		.cap.cap_next = i == 3 ? 0 : FIRST_CAP + (i + 1) * CAP_STEP,
		.cap.cap_len = sizeof(cap),
		.cap.cfg_type = type,
		.cap.bar = bar,
		.cap.offset = rte_cpu_to_le_32(offset),
		.cap.length = rte_cpu_to_le_32(len),
	};

	memcpy(raw.config + FIRST_CAP + i * CAP_STEP, &cap, sizeof(cap));
}

static struct virtio_pci_cap *
cap(uint32_t i)
{
	return (struct virtio_pci_cap *)(raw.config + FIRST_CAP + i * CAP_STEP);
}

/* As it should be: a device whose registers read as zero. */
static int
setup(void)
{
	memset(&raw, 0, sizeof(raw));
	raw.config[PCI_VENDOR_ID] = 0xf4;
	raw.config[PCI_VENDOR_ID + 1] = 0x1a;
	raw.config[PCI_DEVICE_ID] = 0x41;
	raw.config[PCI_DEVICE_ID + 1] = 0x10;
	raw.config[PCI_STATUS] = PCI_STATUS_CAP_LIST;
	raw.config[PCI_CAPABILITY_LIST] = FIRST_CAP;
	put_cap(0, VIRTIO_PCI_CAP_COMMON_CFG, 0, 0, 0x38);
	put_cap(1, VIRTIO_PCI_CAP_NOTIFY_CFG, 0, 0x400, 0x100);
	put_cap(2, VIRTIO_PCI_CAP_ISR_CFG, 0, 0x800, 1);
	put_cap(3, VIRTIO_PCI_CAP_DEVICE_CFG, 0, 0xc00, 0x20);
	return TEST_SUCCESS;
}

static void
teardown(void)
{
	rte_vfio_user_runner_destroy(raw.runner);
	rte_vfio_user_server_destroy(raw.srv);
	raw.runner = NULL;
	raw.srv = NULL;
}

static int
serve(void)
{
	const struct rte_vfio_user_region_conf config = {
		.size = CONFIG_SIZE, .flags = RTE_VFIO_USER_REGION_F_RW, .fd = -1,
		.base = raw.config,
	};
	const struct rte_vfio_user_region_conf bar = {
		.size = BAR_SIZE, .flags = RTE_VFIO_USER_REGION_F_RW, .fd = -1, .cb = on_bar,
	};
	struct rte_vfio_user_region_conf bar2 = bar;
	struct rte_vfio_user_server_conf conf;
	char path[128];

	snprintf(path, sizeof(path), "%s/0", pmd_folder);
	rte_vfio_user_server_conf_init(&conf);
	conf.sock_path = path;
	raw.srv = rte_vfio_user_server_create(&conf);
	TEST_ASSERT_NOT_NULL(raw.srv, "");
	DO(rte_vfio_user_server_region_set(raw.srv, VFIO_PCI_CONFIG_REGION_INDEX, &config));
	DO(rte_vfio_user_server_region_set(raw.srv, VFIO_PCI_BAR0_REGION_INDEX, &bar));
	bar2.size = raw.size2;
	if (raw.size2 != 0)
		DO(rte_vfio_user_server_region_set(raw.srv, VFIO_PCI_BAR2_REGION_INDEX, &bar2));
	DO(rte_vfio_user_server_start(raw.srv));
	raw.runner = rte_vfio_user_runner_create("raw");
	TEST_ASSERT_NOT_NULL(raw.runner, "");
	return rte_vfio_user_runner_add(raw.runner, raw.srv);
}

/* Attach to it as it is now: what the driver says. */
static int
attach(void)
{
	struct pmd_port port;
	char args[32];
	int ret;

	snprintf(args, sizeof(args), ",timeout=%u", TIMEOUT_MS);
	ret = serve();
	if (ret == 0)
		ret = port_probe_driver(&port, 0, args);
	if (ret == 0)
		port_remove(&port);
	teardown();
	return ret;
}

/* Nothing is wrong with it but that it offers nothing. */
static int
test_offers_nothing(void)
{
	TEST_ASSERT_EQUAL(attach(), -ENOTSUP, "");
	return TEST_SUCCESS;
}

static int
test_other_device(void)
{
	raw.config[PCI_DEVICE_ID] = 0x42;
	TEST_ASSERT_EQUAL(attach(), -ENODEV, "");
	return TEST_SUCCESS;
}

/* Each structure is needed, in a BAR that there is. */
static int
test_missing(void)
{
	uint32_t i;

	for (i = 0; i < 4; i++) {
		setup();
		cap(i)->cfg_type = VIRTIO_PCI_CAP_PCI_CFG;
		TEST_ASSERT_EQUAL(attach(), -ENODEV, "structure %u", i);
		setup();
		cap(i)->bar = 6;
		TEST_ASSERT_EQUAL(attach(), -ENODEV, "structure %u in BAR 6", i);
		setup();
		cap(i)->bar = 1;
		TEST_ASSERT_EQUAL(attach(), -EPROTO, "structure %u in an empty BAR", i);
		setup();
		cap(i)->cap_len = sizeof(struct virtio_pci_cap) - 1;
		TEST_ASSERT_EQUAL(attach(), -ENODEV, "capability %u is short", i);
	}
	return TEST_SUCCESS;
}

/* A list that never ends, or leaves the configuration space. */
static int
test_lists(void)
{
	setup();
	cap(3)->cap_next = FIRST_CAP;
	TEST_ASSERT_EQUAL(attach(), -ENOTSUP, "a loop with all of them");
	setup();
	cap(0)->cap_next = FIRST_CAP;
	TEST_ASSERT_EQUAL(attach(), -ENODEV, "a loop");
	setup();
	raw.config[PCI_CAPABILITY_LIST] = 0xfc;
	memset(raw.config + 0xfc, PCI_CAP_ID_VNDR, 4);
	TEST_ASSERT_EQUAL(attach(), -ENODEV, "beyond the end");
	setup();
	raw.config[PCI_CAPABILITY_LIST] = PCI_COMMAND;
	TEST_ASSERT_EQUAL(attach(), -ENODEV, "in the header");
	return TEST_SUCCESS;
}

static int
test_bounds(void)
{
	const struct {
		uint32_t cap, offset, len;
	} wrong[] = {
		{ 0, 0, 0x37 }, { 0, BAR_SIZE - 0x37, 0x38 }, { 0, UINT32_MAX, 0x38 },
		{ 0, 0x10, UINT32_MAX }, { 1, BAR_SIZE, 0x100 }, { 1, 0, 1 },
		{ 2, BAR_SIZE, 1 }, { 3, BAR_SIZE - 0x10, 0x20 }, { 3, 0, 0 },
	};
	uint32_t i;

	for (i = 0; i < RTE_DIM(wrong); i++) {
		setup();
		cap(wrong[i].cap)->offset = rte_cpu_to_le_32(wrong[i].offset);
		cap(wrong[i].cap)->length = rte_cpu_to_le_32(wrong[i].len);
		TEST_ASSERT_EQUAL(attach(), -EPROTO, "case %u", i);
	}
	return TEST_SUCCESS;
}

/* It never says that it has reset itself. */
static int
test_no_reset(void)
{
	uint64_t start = pmd_now_ms();

	raw.bar[VIRTIO_PCI_COMMON_STATUS] = 0xff;
	TEST_ASSERT_EQUAL(attach(), -ETIMEDOUT, "");
	TEST_ASSERT(pmd_now_ms() - start >= TIMEOUT_MS, "too early");
	return TEST_SUCCESS;
}

/* It keeps what is written, features included, and has no queues. */
static int
test_no_queues(void)
{
	raw.keeps = true;
	memset(raw.bar + VIRTIO_PCI_COMMON_DF, 0xff, 4);
	TEST_ASSERT_EQUAL(attach(), -EPROTO, "");
	return TEST_SUCCESS;
}

static uint32_t
config_reg(uint32_t offset)
{
	rte_le32_t val;

	memcpy(&val, raw.config + offset, sizeof(val));
	return rte_le_to_cpu_32(val);
}

static void
put_reg(uint32_t offset, uint32_t val)
{
	const rte_le32_t le = rte_cpu_to_le_32(val);

	memcpy(raw.config + offset, &le, sizeof(le));
}

/* The device is given what firmware gives: addresses, each aligned, and is enabled. */
static int
test_enable(void)
{
	const uint16_t wanted = PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER;

	put_reg(PCI_BASE_ADDRESS_2, PCI_BASE_ADDRESS_MEM_TYPE_64);
	raw.size2 = UINT64_C(1) << 42;
	TEST_ASSERT_EQUAL(attach(), -ENOTSUP, "");
	TEST_ASSERT_EQUAL(raw.config[PCI_COMMAND] & wanted, wanted, "");
	TEST_ASSERT(config_reg(PCI_BASE_ADDRESS_0) != 0, "");
	TEST_ASSERT_EQUAL(config_reg(PCI_BASE_ADDRESS_0) % BAR_SIZE, 0u, "");
	TEST_ASSERT(config_reg(PCI_BASE_ADDRESS_3) != 0, "");
	TEST_ASSERT_EQUAL(config_reg(PCI_BASE_ADDRESS_3) % (1u << 10), 0u, "");
	TEST_ASSERT_EQUAL(config_reg(PCI_BASE_ADDRESS_1), 0u, "there is none");
	return TEST_SUCCESS;
}

/* A BAR keeps its address; what no window has room for gets none; nor does an I/O BAR. */
static int
test_enable_odd(void)
{
	const uint64_t sizes[] = { UINT64_C(1) << 46, INT64_MAX, UINT64_C(1) << 32 };
	uint32_t i;

	for (i = 0; i < RTE_DIM(sizes); i++) {
		setup();
		put_reg(PCI_BASE_ADDRESS_0, 0x12340000);
		/* the last one has 32 bits */
		put_reg(PCI_BASE_ADDRESS_2, i == 2 ? 0 : PCI_BASE_ADDRESS_MEM_TYPE_64);
		raw.size2 = sizes[i];
		TEST_ASSERT_EQUAL(attach(), -ENOTSUP, "size %u", i);
		TEST_ASSERT_EQUAL(config_reg(PCI_BASE_ADDRESS_0), 0x12340000u, "size %u", i);
		TEST_ASSERT_EQUAL(config_reg(PCI_BASE_ADDRESS_2) & PCI_BASE_ADDRESS_MEM_MASK, 0,
				  "size %u", i);
		TEST_ASSERT_EQUAL(config_reg(PCI_BASE_ADDRESS_3), 0u, "size %u", i);
	}
	setup();
	put_reg(PCI_BASE_ADDRESS_0, PCI_BASE_ADDRESS_SPACE_IO);
	TEST_ASSERT_EQUAL(attach(), -ENOTSUP, "");
	TEST_ASSERT_EQUAL(config_reg(PCI_BASE_ADDRESS_0), PCI_BASE_ADDRESS_SPACE_IO, "");
	return TEST_SUCCESS;
}

static struct unit_test_suite suite = {
	.suite_name = "net_virtio_vfio_user and devices that are no cards",
	.setup = pmd_setup,
	.unit_test_cases = {
		TEST_CASE_ST(setup, teardown, test_offers_nothing),
		TEST_CASE_ST(setup, teardown, test_other_device),
		TEST_CASE_ST(setup, teardown, test_missing),
		TEST_CASE_ST(setup, teardown, test_lists),
		TEST_CASE_ST(setup, teardown, test_bounds),
		TEST_CASE_ST(setup, teardown, test_no_reset),
		TEST_CASE_ST(setup, teardown, test_no_queues),
		TEST_CASE_ST(setup, teardown, test_enable),
		TEST_CASE_ST(setup, teardown, test_enable_odd),
		TEST_CASES_END()
	},
};

static int
test_vnic_pci(void)
{
	return unit_test_suite_runner(&suite);
}

REGISTER_TEST_COMMAND(vnic_pci_autotest, test_vnic_pci);
