/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

/* What a virtio device shows to a driver: identity, registers, negotiation. */

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <linux/pci_regs.h>

#include <rte_errno.h>

#include "test.h"
#include "test_virtio_dev.h"

#define CONFIG VFIO_PCI_CONFIG_REGION_INDEX
#define REG(name, len) virtio_driver_reg(&vloop.drv, VIRTIO_PCI_COMMON_ ## name, len)
#define REG_SET(name, len, val) \
	DO(virtio_driver_reg_set(&vloop.drv, VIRTIO_PCI_COMMON_ ## name, len, val))
#define EXPECT(name, len, val) \
	TEST_ASSERT(REG(name, len) == (val), #name ": 0x%" PRIx64 ", not 0x%" PRIx64, \
		    REG(name, len), (uint64_t)(val))
#define ACK VIRTIO_CONFIG_S_ACKNOWLEDGE
#define DRIVER VIRTIO_CONFIG_S_DRIVER
#define FEATURES_OK VIRTIO_CONFIG_S_FEATURES_OK
#define DRIVER_OK VIRTIO_CONFIG_S_DRIVER_OK
#define NEEDS_RESET VIRTIO_CONFIG_S_NEEDS_RESET

/* ---------------------------------------------------------------- set-up */

static struct rte_virtio_dev_conf bad;

static void
bad_server(void)
{
	bad.srv = NULL;
}

static void
bad_size(void)
{
	bad.size--;
}

static void
bad_type(void)
{
	bad.device_type = 64;
}

static void
no_type(void)
{
	bad.device_type = 0;
}

static void
bad_subsystem(void)
{
	bad.subsystem_id = 0x3f;
}

static void
bad_class(void)
{
	bad.class_code = 1u << 24;
}

static void
no_queues(void)
{
	bad.nb_queues = 0;
}

static void
many_queues(void)
{
	bad.nb_queues = RTE_VIRTIO_DEV_MAX_QUEUES + 1;
}

static void
odd_queue_size(void)
{
	bad.queue_size = 100;
}

static void
large_queue_size(void)
{
	bad.queue_size = 40000;
}

static void
many_vectors(void)
{
	bad.nb_vectors = RTE_VFIO_USER_MAX_VECTORS + 1;
}

static void
transport_feature(void)
{
	bad.features = BIT(VIRTIO_F_RING_PACKED);
}

static void
legacy_only(void)
{
	bad.features_off = BIT(VIRTIO_F_VERSION_1);
}

static void
large_config(void)
{
	bad.config_size = RTE_VIRTIO_DEV_MAX_CONFIG + 1;
}

static void
unknown_flag(void)
{
	bad.flags = 8;
}

static void
both_notifications(void)
{
	bad.flags = RTE_VIRTIO_DEV_F_NOTIFY_MMAP | RTE_VIRTIO_DEV_F_NOTIFY_IOEVENTFD;
}

static void
vectors_without_msix(void)
{
	bad.flags = RTE_VIRTIO_DEV_F_NO_MSIX;
	bad.nb_vectors = 1;
}

static int
test_bad_conf(void)
{
	static void (*const spoil[])(void) = {
		bad_server, bad_size, bad_type, no_type, bad_subsystem, bad_class, no_queues,
		many_queues, odd_queue_size, large_queue_size, many_vectors, transport_feature,
		legacy_only, large_config, unknown_flag, both_notifications,
		vectors_without_msix,
	};
	struct rte_vfio_user_server_conf conf;
	uint32_t i;

	rte_vfio_user_server_conf_init(&conf);
	conf.sock_path = vloop.path;
	vloop.srv = rte_vfio_user_server_create(&conf);
	TEST_ASSERT_NOT_NULL(vloop.srv, "server");
	vloop.conf.srv = vloop.srv;
	for (i = 0; i < RTE_DIM(spoil); i++) {
		bad = vloop.conf;
		spoil[i]();
		rte_errno = 0;
		TEST_ASSERT_NULL(rte_virtio_dev_create(&bad, NULL), "case %u", i);
		TEST_ASSERT_EQUAL(rte_errno, EINVAL, "case %u", i);
	}
	TEST_ASSERT_NULL(rte_virtio_dev_create(NULL, NULL), "no configuration");
	rte_virtio_dev_conf_init(NULL);
	DO(rte_vfio_user_server_start(vloop.srv));
	TEST_ASSERT_NULL(rte_virtio_dev_create(&vloop.conf, NULL), "started");
	TEST_ASSERT_EQUAL(rte_errno, EBUSY, "started");
	return TEST_SUCCESS;
}

static int
test_bad_calls(void)
{
	struct rte_virtio_queue_info info;
	uint8_t data[VLOOP_CONFIG_SIZE + 1] = { 0 };

	DO(vloop_start_device());
	DO(rte_virtio_dev_destroy(NULL));
	rte_virtio_dev_needs_reset(NULL);
	TEST_ASSERT_EQUAL(rte_virtio_dev_features(NULL), 0, "features");
	TEST_ASSERT_NULL(rte_virtio_dev_queue(NULL, 0), "queue");
	TEST_ASSERT_NULL(rte_virtio_dev_queue(vloop.dev, VLOOP_QUEUES), "queue");
	TEST_ASSERT_EQUAL(rte_virtio_queue_info_get(NULL, &info), -EINVAL, "info");
	TEST_ASSERT_EQUAL(rte_virtio_queue_info_get(rte_virtio_dev_queue(vloop.dev, 0), NULL),
			  -EINVAL, "info");
	TEST_ASSERT_EQUAL(rte_virtio_queue_kick_fd(NULL), -EINVAL, "eventfd");
	TEST_ASSERT_EQUAL(rte_virtio_queue_kick_fd(rte_virtio_dev_queue(vloop.dev, 0)), -ENOENT,
			  "eventfd");
	TEST_ASSERT_NULL(rte_virtio_queue_doorbell(NULL), "doorbell");
	TEST_ASSERT_NULL(rte_virtio_queue_doorbell(rte_virtio_dev_queue(vloop.dev, 0)), "doorbell");
	TEST_ASSERT_EQUAL(rte_virtio_dev_config_set(NULL, 0, data, 1), -EINVAL, "set");
	TEST_ASSERT_EQUAL(rte_virtio_dev_config_set(vloop.dev, 0, NULL, 1), -EINVAL, "set");
	TEST_ASSERT_EQUAL(rte_virtio_dev_config_set(vloop.dev, 0, data, sizeof(data)), -EINVAL,
			  "set");
	TEST_ASSERT_EQUAL(rte_virtio_dev_config_set(vloop.dev, UINT32_MAX, data, 2), -EINVAL,
			  "set");
	TEST_ASSERT_EQUAL(rte_virtio_dev_config_get(NULL, 0, data, 1), -EINVAL, "get");
	TEST_ASSERT_EQUAL(rte_virtio_dev_config_get(vloop.dev, 0, NULL, 1), -EINVAL, "get");
	TEST_ASSERT_EQUAL(rte_virtio_dev_config_get(vloop.dev, VLOOP_CONFIG_SIZE, data, 1),
			  -EINVAL, "get");
	return TEST_SUCCESS;
}

/* -------------------------------------------------------------- identity */

static int
test_identity(void)
{
	uint8_t config[PCI_CFG_SPACE_SIZE];
	uint16_t id[2], subsystem[2];

	DO(vloop_start());
	TEST_ASSERT(rte_vfio_user_client_region_read(vloop.client, CONFIG, 0, config,
						     sizeof(config)) == sizeof(config), "read");
	memcpy(id, config + PCI_VENDOR_ID, sizeof(id));
	memcpy(subsystem, config + PCI_SUBSYSTEM_VENDOR_ID, sizeof(subsystem));
	TEST_ASSERT(id[0] == 0x1af4 && id[1] == 0x1040 + VIRTIO_ID_CRYPTO, "%04x:%04x",
		    id[0], id[1]);
	TEST_ASSERT(subsystem[0] == 0x1af4 && subsystem[1] == 0x40 + VIRTIO_ID_CRYPTO,
		    "%04x:%04x", subsystem[0], subsystem[1]);
	TEST_ASSERT(config[PCI_REVISION_ID] >= 1 && config[PCI_CLASS_DEVICE + 1] == 0xff &&
		    config[PCI_INTERRUPT_PIN] == 1, "header");
	TEST_ASSERT(vloop.drv.common.len >= 64 && vloop.drv.isr.len >= 1 &&
		    vloop.drv.device.len == VLOOP_CONFIG_SIZE && vloop.drv.pci_cfg.cap != 0,
		    "capabilities");
	TEST_ASSERT(vloop.drv.notify.offset % 4096 == 0 && vloop.drv.notify_multiplier == 64 &&
		    vloop.drv.notify.len >= 64 * VLOOP_QUEUES, "notifications");
	TEST_ASSERT_EQUAL(vloop.drv.nb_queues, VLOOP_QUEUES, "queues");
	return TEST_SUCCESS;
}

/* A device that names its own, and has no configuration. */
static int
test_identity_chosen(void)
{
	uint8_t config[PCI_CFG_SPACE_SIZE];

	vloop.conf.name = NULL;
	vloop.conf.subsystem_vendor_id = 0x1234;
	vloop.conf.subsystem_id = 0x5678;
	vloop.conf.class_code = 0x020001;
	vloop.conf.config_size = 0;
	vloop.conf.queue_size = 0;
	DO(vloop_start());
	TEST_ASSERT(rte_vfio_user_client_region_read(vloop.client, CONFIG, 0, config,
						     sizeof(config)) == sizeof(config), "read");
	TEST_ASSERT(memcmp(config + PCI_SUBSYSTEM_VENDOR_ID, "\x34\x12\x78\x56", 4) == 0 &&
		    memcmp(config + PCI_CLASS_PROG, "\x01\x00\x02", 3) == 0, "header");
	TEST_ASSERT(vloop.drv.device.cap != 0 &&
		    virtio_driver_get(&vloop.drv, &vloop.drv.device, 0, 4) == 0, "configuration");
	EXPECT(Q_SIZE, 2, 256);
	return TEST_SUCCESS;
}

/* ------------------------------------------------------------- registers */

static int
test_initial(void)
{
	DO(vloop_start());
	EXPECT(STATUS, 1, 0);
	EXPECT(MSIX, 2, VIRTIO_MSI_NO_VECTOR);
	EXPECT(NUMQ, 2, VLOOP_QUEUES);
	EXPECT(Q_SELECT, 2, 0);
	EXPECT(Q_SIZE, 2, VLOOP_QUEUE_SIZE);
	EXPECT(Q_MSIX, 2, VIRTIO_MSI_NO_VECTOR);
	EXPECT(Q_ENABLE, 2, 0);
	EXPECT(GF, 4, 0);
	REG_SET(Q_SELECT, 2, VLOOP_QUEUES - 1);
	EXPECT(Q_NOFF, 2, VLOOP_QUEUES - 1);
	TEST_ASSERT_EQUAL(virtio_driver_reg(&vloop.drv, 56, 2), VLOOP_QUEUES - 1, "data");
	TEST_ASSERT_EQUAL(virtio_driver_reg(&vloop.drv, 58, 2), 0, "queue_reset");
	TEST_ASSERT_EQUAL(virtio_driver_reg(&vloop.drv, 60, 4), 0, "administration queues");
	/* no such queue */
	REG_SET(Q_SELECT, 2, VLOOP_QUEUES);
	EXPECT(Q_SELECT, 2, VLOOP_QUEUES);
	EXPECT(Q_SIZE, 2, 0);
	REG_SET(Q_MSIX, 2, 0);
	EXPECT(Q_MSIX, 2, VIRTIO_MSI_NO_VECTOR);
	REG_SET(Q_SIZE, 2, 4);
	REG_SET(Q_DESCLO, 4, 4096);
	EXPECT(Q_DESCLO, 4, 0);
	REG_SET(Q_ENABLE, 2, 1);
	EXPECT(Q_ENABLE, 2, 0);
	EXPECT(Q_NOFF, 2, 0);
	DO(virtio_driver_reg_set(&vloop.drv, 58, 2, 1));
	TEST_ASSERT_EQUAL(virtio_driver_reg(&vloop.drv, 58, 2), 0, "queue_reset");
	return TEST_SUCCESS;
}

static int
test_widths(void)
{
	const uint64_t addr = UINT64_C(0x1122334455667780);
	uint64_t val;
	uint32_t i;

	DO(vloop_start());
	/* an address as one access, as two, and byte by byte */
	REG_SET(Q_DESCLO, 8, addr);
	EXPECT(Q_DESCLO, 8, addr);
	EXPECT(Q_DESCLO, 4, (uint32_t)addr);
	EXPECT(Q_DESCHI, 4, addr >> 32);
	REG_SET(Q_DESCHI, 4, 0xaabbccdd);
	REG_SET(Q_DESCLO, 4, 0x10);
	EXPECT(Q_DESCLO, 8, UINT64_C(0xaabbccdd00000010));
	for (i = 0; i < 8; i++)
		DO(virtio_driver_reg_set(&vloop.drv, VIRTIO_PCI_COMMON_Q_USEDLO + i, 1,
					 addr >> 8 * i & 0xff));
	EXPECT(Q_USEDLO, 8, addr);
	/* across fields, odd */
	DO(virtio_driver_reg_set(&vloop.drv, VIRTIO_PCI_COMMON_Q_AVAILLO + 3, 2, 0xbeef));
	EXPECT(Q_AVAILLO, 8, UINT64_C(0xbeef000000));
	val = virtio_driver_reg(&vloop.drv, VIRTIO_PCI_COMMON_Q_SELECT, 8);
	TEST_ASSERT_EQUAL(val, (uint64_t)VLOOP_QUEUE_SIZE << 16 |
			  (uint64_t)VIRTIO_MSI_NO_VECTOR << 32, "0x%" PRIx64, val);
	DO(virtio_driver_reg_set(&vloop.drv, VIRTIO_PCI_COMMON_Q_SIZE, 1, 32));
	EXPECT(Q_SIZE, 2, 32);
	/* read-only fields */
	REG_SET(NUMQ, 2, 1);
	EXPECT(NUMQ, 2, VLOOP_QUEUES);
	REG_SET(CFGGENERATION, 1, 77);
	EXPECT(CFGGENERATION, 1, 0);
	REG_SET(DF, 4, 0);
	EXPECT(DF, 4, (uint32_t)virtio_driver_offered(&vloop.drv));
	return TEST_SUCCESS;
}

/* Outside of the structures there are zeros, and writes are ignored. */
static int
test_outside(void)
{
	static const uint32_t offsets[] = { 64, 100, 0xfff, 0x1001, 0x1004, 0x1fff,
					    0x2000 + VLOOP_CONFIG_SIZE, 0x2fff };
	uint8_t whole[16384];
	uint64_t val;
	uint32_t i;

	DO(vloop_start());
	for (i = 0; i < RTE_DIM(offsets); i++) {
		val = UINT64_MAX;
		TEST_ASSERT_EQUAL(rte_vfio_user_client_region_write(vloop.client, 0, offsets[i],
				&val, 1), 1, "write 0x%x", offsets[i]);
		TEST_ASSERT_EQUAL(rte_vfio_user_client_region_read(vloop.client, 0, offsets[i],
				&val, 1), 1, "read 0x%x", offsets[i]);
		TEST_ASSERT_EQUAL(val & 0xff, 0, "0x%x: 0x%" PRIx64, offsets[i], val);
	}
	TEST_ASSERT_EQUAL(rte_vfio_user_client_region_read(vloop.client, 0, 0, whole,
			sizeof(whole)), sizeof(whole), "all of it");
	TEST_ASSERT_EQUAL(whole[VIRTIO_PCI_COMMON_NUMQ], VLOOP_QUEUES, "all of it");
	return TEST_SUCCESS;
}

/* -------------------------------------------------------------- features */

static int
test_offered(void)
{
	const uint64_t all = BIT(3) | BIT(60) | BIT(VIRTIO_RING_F_INDIRECT_DESC) |
		BIT(VIRTIO_RING_F_EVENT_IDX) | BIT(VIRTIO_F_VERSION_1) |
		BIT(VIRTIO_F_ACCESS_PLATFORM) | BIT(VIRTIO_F_RING_PACKED) |
		BIT(VIRTIO_F_IN_ORDER) | BIT(VIRTIO_F_ORDER_PLATFORM) |
		BIT(F_NOTIFICATION_DATA) | BIT(F_NOTIF_CONFIG_DATA) | BIT(VIRTIO_F_RING_RESET);
	uint64_t offered;

	DO(vloop_start());
	offered = virtio_driver_offered(&vloop.drv);
	TEST_ASSERT_EQUAL(offered, all, "0x%" PRIx64, offered);
	/* further words of them */
	REG_SET(DFSELECT, 4, 2);
	EXPECT(DFSELECT, 4, 2);
	EXPECT(DF, 4, 0);
	REG_SET(DFSELECT, 4, UINT32_MAX);
	EXPECT(DF, 4, 0);
	REG_SET(GFSELECT, 4, 2);
	REG_SET(GF, 4, 1);
	EXPECT(GF, 4, 0);
	REG_SET(GFSELECT, 4, 1);
	EXPECT(GF, 4, 0);
	return TEST_SUCCESS;
}

static int
test_not_offered(void)
{
	vloop.conf.features_off = BIT(VIRTIO_F_RING_PACKED) | BIT(VIRTIO_F_IN_ORDER) | BIT(3);
	DO(vloop_start());
	TEST_ASSERT_EQUAL(virtio_driver_offered(&vloop.drv) & vloop.conf.features_off, 0, "off");
	return TEST_SUCCESS;
}

static int
begin(void)
{
	DO(virtio_driver_reset(&vloop.drv));
	DO(virtio_driver_status_add(&vloop.drv, ACK));
	return virtio_driver_status_add(&vloop.drv, DRIVER);
}

static int
refuses(uint64_t features)
{
	DO(begin());
	DO(virtio_driver_accept(&vloop.drv, features));
	DO(virtio_driver_status_add(&vloop.drv, FEATURES_OK));
	EXPECT(STATUS, 1, ACK | DRIVER);
	TEST_ASSERT_EQUAL(rte_virtio_dev_features(vloop.dev), 0, "features");
	return TEST_SUCCESS;
}

static int
test_features_ok(void)
{
	DO(vloop_start());
	DO(refuses(0));
	DO(refuses(BIT(3))); /* no VERSION_1 */
	DO(refuses(BIT(VIRTIO_F_VERSION_1) | BIT(4))); /* not offered */
	DO(refuses(BIT(VIRTIO_F_VERSION_1) | BIT(63)));
	TEST_ASSERT_EQUAL(vloop.features_asked, 0, "asked");
	vloop.features_result = -EINVAL; /* the device does not like them */
	DO(refuses(BIT(VIRTIO_F_VERSION_1)));
	TEST_ASSERT_EQUAL(vloop.features_asked, 1, "asked");
	vloop.features_result = 0;
	/* again, without a reset: it may try less */
	DO(virtio_driver_accept(&vloop.drv, BIT(VIRTIO_F_VERSION_1) | BIT(60)));
	DO(virtio_driver_status_add(&vloop.drv, FEATURES_OK));
	EXPECT(STATUS, 1, ACK | DRIVER | FEATURES_OK);
	TEST_ASSERT_EQUAL(GET(vloop.features), (BIT(VIRTIO_F_VERSION_1) | BIT(60)), "features");
	TEST_ASSERT_EQUAL(rte_virtio_dev_features(vloop.dev), GET(vloop.features), "features");
	/* what is written later has no effect */
	DO(virtio_driver_accept(&vloop.drv, BIT(VIRTIO_F_VERSION_1)));
	EXPECT(GF, 4, BIT(28) | BIT(0));
	TEST_ASSERT_EQUAL(rte_virtio_dev_features(vloop.dev), GET(vloop.features), "features");
	DO(virtio_driver_reset(&vloop.drv));
	TEST_ASSERT_EQUAL(rte_virtio_dev_features(vloop.dev), 0, "after the reset");
	EXPECT(GF, 4, 0);
	return TEST_SUCCESS;
}

/* ---------------------------------------------------------------- status */

static int
test_status(void)
{
	DO(vloop_start());
	DO(begin());
	EXPECT(STATUS, 1, ACK | DRIVER);
	/* bits are not taken away one by one */
	REG_SET(STATUS, 1, ACK);
	EXPECT(STATUS, 1, ACK | DRIVER);
	/* not the driver's bit */
	REG_SET(STATUS, 1, ACK | DRIVER | NEEDS_RESET);
	EXPECT(STATUS, 1, ACK | DRIVER);
	/* not without features */
	REG_SET(STATUS, 1, ACK | DRIVER | DRIVER_OK);
	EXPECT(STATUS, 1, ACK | DRIVER);
	REG_SET(STATUS, 1, ACK | DRIVER | FEATURES_OK | DRIVER_OK); /* refused both */
	EXPECT(STATUS, 1, ACK | DRIVER);
	DO(virtio_driver_accept(&vloop.drv, BIT(VIRTIO_F_VERSION_1)));
	REG_SET(STATUS, 1, FEATURES_OK);
	EXPECT(STATUS, 1, ACK | DRIVER | FEATURES_OK);
	REG_SET(STATUS, 1, DRIVER_OK);
	EXPECT(STATUS, 1, ACK | DRIVER | FEATURES_OK | DRIVER_OK);
	REG_SET(STATUS, 1, VIRTIO_CONFIG_S_FAILED);
	EXPECT(STATUS, 1, ACK | DRIVER | FEATURES_OK | DRIVER_OK | VIRTIO_CONFIG_S_FAILED);
	REG_SET(STATUS, 1, 0);
	EXPECT(STATUS, 1, 0);
	return TEST_SUCCESS;
}

static int
test_failed(void)
{
	DO(vloop_start());
	DO(vloop_up(0, 1));
	TEST_ASSERT_EQUAL(GET(vloop.started[0]), 1, "live");
	DO(virtio_driver_status_add(&vloop.drv, VIRTIO_CONFIG_S_FAILED));
	TEST_ASSERT_EQUAL(GET(vloop.stopped[0]), 1, "stopped");
	DO(virtio_driver_kick(&vloop.drv.queues[0]));
	DO(virtio_driver_queue(&vloop.drv, 1, 0));
	TEST_ASSERT_EQUAL(GET(vloop.started[1]), 0, "live, although the driver gave up");
	DO(vloop_up(0, 1));
	TEST_ASSERT_EQUAL(GET(vloop.started[0]), 2, "live again");
	return TEST_SUCCESS;
}

/* --------------------------------------------------------------- vectors */

static int
test_vectors(void)
{
	const uint16_t last = VLOOP_QUEUES; /* one per queue and one more */

	DO(vloop_start());
	REG_SET(MSIX, 2, last);
	EXPECT(MSIX, 2, last);
	REG_SET(MSIX, 2, last + 1);
	EXPECT(MSIX, 2, VIRTIO_MSI_NO_VECTOR);
	REG_SET(MSIX, 2, 0);
	EXPECT(MSIX, 2, 0);
	REG_SET(Q_SELECT, 2, 1);
	REG_SET(Q_MSIX, 2, last);
	EXPECT(Q_MSIX, 2, last);
	REG_SET(Q_MSIX, 2, 0xfffe);
	EXPECT(Q_MSIX, 2, VIRTIO_MSI_NO_VECTOR);
	REG_SET(Q_MSIX, 2, 1);
	REG_SET(Q_SELECT, 2, 0);
	EXPECT(Q_MSIX, 2, VIRTIO_MSI_NO_VECTOR);
	DO(virtio_driver_reset(&vloop.drv));
	EXPECT(MSIX, 2, VIRTIO_MSI_NO_VECTOR);
	REG_SET(Q_SELECT, 2, 1);
	EXPECT(Q_MSIX, 2, VIRTIO_MSI_NO_VECTOR);
	return TEST_SUCCESS;
}

/* ---------------------------------------------------------------- config */

static int
test_config(void)
{
	uint8_t data[VLOOP_CONFIG_SIZE], i;

	for (i = 0; i < sizeof(data); i++)
		data[i] = 0x40 + i;
	DO(vloop_start());
	DO(rte_virtio_dev_config_set(vloop.dev, 0, data, sizeof(data)));
	for (i = 0; i < sizeof(data); i++)
		TEST_ASSERT_EQUAL(virtio_driver_get(&vloop.drv, &vloop.drv.device, i, 1), data[i],
				  "byte %u", i);
	TEST_ASSERT_EQUAL(virtio_driver_get(&vloop.drv, &vloop.drv.device, 3, 4), 0x46454443,
			  "odd");
	/* the end of it, and what is behind */
	TEST_ASSERT_EQUAL(virtio_driver_get(&vloop.drv, &vloop.drv.device, 20, 8), 0x57565554,
			  "end");
	/* writes are the device's business */
	DO(virtio_driver_set(&vloop.drv, &vloop.drv.device, 0, 1, 0x99));
	TEST_ASSERT_EQUAL(virtio_driver_get(&vloop.drv, &vloop.drv.device, 0, 1), 0x99, "taken");
	vloop.config_result = -EINVAL;
	DO(virtio_driver_set(&vloop.drv, &vloop.drv.device, 0, 1, 0x77));
	TEST_ASSERT_EQUAL(virtio_driver_get(&vloop.drv, &vloop.drv.device, 0, 1), 0x99, "refused");
	DO(virtio_driver_set(&vloop.drv, &vloop.drv.device, 20, 8, 0)); /* over the end */
	TEST_ASSERT_EQUAL(GET(vloop.config_writes), 3, "writes");
	DO(rte_virtio_dev_config_get(vloop.dev, 0, data, 1));
	TEST_ASSERT_EQUAL(data[0], 0x99, "get");
	DO(virtio_driver_reset(&vloop.drv));
	TEST_ASSERT_EQUAL(virtio_driver_get(&vloop.drv, &vloop.drv.device, 0, 1), 0x99, "stays");
	return TEST_SUCCESS;
}

static int
test_generation(void)
{
	uint8_t was, i;

	DO(vloop_start());
	was = REG(CFGGENERATION, 1);
	EXPECT(CFGGENERATION, 1, was);
	for (i = 0; i < 3; i++) /* not on every change: a byte would wrap unseen */
		DO(rte_virtio_dev_config_set(vloop.dev, 1, &i, 1));
	EXPECT(CFGGENERATION, 1, (uint8_t)(was + 1));
	EXPECT(CFGGENERATION, 1, (uint8_t)(was + 1));
	/* reading around it changes nothing */
	(void)REG(STATUS, 1);
	DO(rte_virtio_dev_config_set(vloop.dev, 1, &i, 1));
	EXPECT(STATUS, 1, 0);
	EXPECT(CFGGENERATION, 1, (uint8_t)(was + 2));
	return TEST_SUCCESS;
}

/* -------------------------------------- access by the configuration space */

static int
cfg_set(uint8_t bar, uint32_t offset, uint32_t len)
{
	const uint32_t at = vloop.drv.pci_cfg.cap;

	TEST_ASSERT_EQUAL(rte_vfio_user_client_region_write(vloop.client, CONFIG,
			at + VIRTIO_PCI_CAP_BAR, &bar, 1), 1, "bar");
	TEST_ASSERT_EQUAL(rte_vfio_user_client_region_write(vloop.client, CONFIG,
			at + VIRTIO_PCI_CAP_OFFSET, &offset, 4), 4, "offset");
	TEST_ASSERT_EQUAL(rte_vfio_user_client_region_write(vloop.client, CONFIG,
			at + VIRTIO_PCI_CAP_LENGTH, &len, 4), 4, "length");
	return TEST_SUCCESS;
}

static uint32_t
cfg_data(uint32_t len)
{
	uint32_t val = 0;

	rte_vfio_user_client_region_read(vloop.client, CONFIG,
			vloop.drv.pci_cfg.cap + sizeof(struct virtio_pci_cap), &val, len);
	return val;
}

static int
cfg_data_set(uint32_t val, uint32_t len)
{
	return rte_vfio_user_client_region_write(vloop.client, CONFIG,
			vloop.drv.pci_cfg.cap + sizeof(struct virtio_pci_cap), &val, len) == len ?
		0 : -1;
}

static int
test_pci_cfg(void)
{
	DO(vloop_start());
	DO(cfg_set(0, VIRTIO_PCI_COMMON_NUMQ, 2));
	TEST_ASSERT_EQUAL(cfg_data(2), VLOOP_QUEUES, "read");
	DO(cfg_set(0, VIRTIO_PCI_COMMON_STATUS, 1));
	DO(cfg_data_set(ACK, 1));
	EXPECT(STATUS, 1, ACK);
	TEST_ASSERT_EQUAL(cfg_data(1), ACK, "read");
	DO(cfg_set(0, VIRTIO_PCI_COMMON_GFSELECT, 4));
	DO(cfg_data_set(0xa5a5a5a5, 4));
	EXPECT(GFSELECT, 4, 0xa5a5a5a5);
	/* no access at all: length, alignment, BAR, end */
	DO(cfg_set(0, VIRTIO_PCI_COMMON_GFSELECT, 3));
	DO(cfg_data_set(1, 4));
	DO(cfg_set(0, VIRTIO_PCI_COMMON_GFSELECT + 1, 4));
	DO(cfg_data_set(1, 4));
	DO(cfg_set(0, VIRTIO_PCI_COMMON_GFSELECT, 0));
	DO(cfg_data_set(1, 4));
	DO(cfg_set(2, VIRTIO_PCI_COMMON_GFSELECT, 4));
	DO(cfg_data_set(1, 4));
	DO(cfg_set(0, UINT32_MAX - 3, 4));
	DO(cfg_data_set(1, 4));
	(void)cfg_data(4);
	DO(cfg_set(0, 1u << 30, UINT32_MAX));
	(void)cfg_data(4);
	DO(cfg_set(0, 0, 64)); /* longer than the window */
	(void)cfg_data(4);
	DO(cfg_data_set(1, 4));
	DO(cfg_set(0, 0, 1u << 16));
	DO(cfg_data_set(1, 4));
	EXPECT(GFSELECT, 4, 0xa5a5a5a5);
	return TEST_SUCCESS;
}

#define CASE(fn) TEST_CASE_ST(vloop_setup, vloop_teardown, fn)

static struct unit_test_suite suite = {
	.suite_name = "virtio device: registers",
	.unit_test_cases = {
		CASE(test_bad_conf),
		CASE(test_bad_calls),
		CASE(test_identity),
		CASE(test_identity_chosen),
		CASE(test_initial),
		CASE(test_widths),
		CASE(test_outside),
		CASE(test_offered),
		CASE(test_not_offered),
		CASE(test_features_ok),
		CASE(test_status),
		CASE(test_failed),
		CASE(test_vectors),
		CASE(test_config),
		CASE(test_generation),
		CASE(test_pci_cfg),
		TEST_CASES_END()
	}
};

static int
test_virtio_dev(void)
{
	return unit_test_suite_runner(&suite);
}

REGISTER_TEST_COMMAND(virtio_dev_autotest, test_virtio_dev);
