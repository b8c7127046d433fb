/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

/* A device's configuration space as a client sees it. */

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/pci_regs.h>
#include <linux/vfio.h>

#include <rte_common.h>
#include <rte_errno.h>

#include <rte_vfio_user_client.h>
#include <rte_vfio_user_pci.h>
#include <rte_vfio_user_server.h>

#include "test.h"
#include "test_short.h"

#define CONFIG_SIZE PCI_CFG_SPACE_EXP_SIZE
#define BAR_REG(bar) (PCI_BASE_ADDRESS_0 + 4 * (bar))
#define NB_VECTORS 4
#define ROM_IMAGE 3000 /* bytes */
#define ROM_SIZE 4096
/* Where the capabilities come to lie, in the order of device_declare(). */
#define EXP_CAP 0x48
#define MSIX_CAP 0x84

static struct rte_vfio_user_server *srv;
static struct rte_vfio_user_pci *pci;
static struct rte_vfio_user_client *client;
static pthread_t thread;
static bool running; /* the thread */
static bool stop;
static int irq_fd = -1;

/* -------------------------------------------------------------- fixtures */

/* A BAR without anything behind it. */
static int
bar_add(uint32_t bar, uint64_t size, uint32_t flags)
{
	const struct rte_vfio_user_region_conf region = {
		.size = size, .flags = RTE_VFIO_USER_REGION_F_RW, .fd = -1,
	};

	return rte_vfio_user_pci_bar_add(pci, bar, flags, &region);
}

static uint8_t
rom_byte(uint32_t off)
{
	return off < ROM_IMAGE ? off * 7 + off / 256 : UINT8_MAX;
}

static int
rom_add(void)
{
	uint8_t image[ROM_IMAGE];
	uint32_t i;

	for (i = 0; i < ROM_IMAGE; i++)
		image[i] = rom_byte(i);
	return rte_vfio_user_pci_rom_add(pci, image, ROM_IMAGE);
}

static int
device_declare(void)
{
	const struct rte_vfio_user_pci_id id = {
		.vendor_id = 0x1234,
		.device_id = 0x5646,
		.subsystem_vendor_id = 0x1af4,
		.subsystem_id = 0x0102,
		.class_code = 0x088001,
		.revision_id = 0x23,
		.intx_pin = 1,
	};
	const struct rte_vfio_user_pci_msix msix = {
		.vectors = NB_VECTORS,
		.table_bar = 1,
		.pba_bar = 1,
		.pba_offset = 0x800,
	};

	pci = rte_vfio_user_pci_create(srv, &id);
	TEST_ASSERT_NOT_NULL(pci, "no config space: %s", rte_strerror(rte_errno));
	TEST_ASSERT_SUCCESS(bar_add(0, 4096, 0), "BAR0");
	TEST_ASSERT_SUCCESS(bar_add(1, 4096, 0), "BAR1");
	TEST_ASSERT_SUCCESS(bar_add(2, 65536, RTE_VFIO_USER_PCI_BAR_PREFETCH), "BAR2");
	TEST_ASSERT_SUCCESS(rom_add(), "ROM");
	TEST_ASSERT(rte_vfio_user_pci_cap_pm_add(pci, 0) > 0, "power management");
	TEST_ASSERT(rte_vfio_user_pci_cap_express_add(pci, 0,
			RTE_VFIO_USER_PCI_EXP_FLR) > 0, "PCI Express");
	TEST_ASSERT(rte_vfio_user_pci_cap_msix_add(pci, 0, &msix) > 0, "MSI-X");
	return TEST_SUCCESS;
}

static uint32_t resets[3]; /* by reason; atomic */

static int
on_reset(struct rte_vfio_user_server *of, enum rte_vfio_user_reset reason, void *priv)
{
	RTE_SET_USED(of);
	RTE_SET_USED(priv);
	__atomic_fetch_add(&resets[reason], 1, __ATOMIC_ACQ_REL);
	rte_vfio_user_pci_reset(pci, reason);
	return 0;
}

static void *
poll_server(void *arg)
{
	struct pollfd pfd = { .fd = rte_vfio_user_server_fd(srv), .events = POLLIN };

	RTE_SET_USED(arg);
	while (!__atomic_load_n(&stop, __ATOMIC_ACQUIRE)) {
		poll(&pfd, 1, 10);
		rte_vfio_user_server_poll(srv);
	}
	return NULL;
}

static int
connect_both(int server_fd, int client_fd)
{
	const struct rte_vfio_user_server_ops ops = { .reset = on_reset };
	struct rte_vfio_user_server_conf server_conf;
	struct rte_vfio_user_client_conf client_conf;

	rte_vfio_user_server_conf_init(&server_conf);
	server_conf.conn_fd = server_fd;
	srv = rte_vfio_user_server_create(&server_conf);
	TEST_ASSERT_NOT_NULL(srv, "no server: %s", rte_strerror(rte_errno));
	if (device_declare() != TEST_SUCCESS)
		return TEST_FAILED;
	memset(resets, 0, sizeof(resets));
	TEST_ASSERT_SUCCESS(rte_vfio_user_server_ops_set(srv, &ops, NULL), "callbacks");
	TEST_ASSERT_SUCCESS(rte_vfio_user_server_start(srv), "start");
	stop = false;
	TEST_ASSERT_SUCCESS(pthread_create(&thread, NULL, poll_server, NULL), "thread");
	running = true;
	rte_vfio_user_client_conf_init(&client_conf);
	client_conf.conn_fd = client_fd;
	client = rte_vfio_user_client_create(&client_conf);
	TEST_ASSERT_NOT_NULL(client, "no client: %s", rte_strerror(rte_errno));
	return TEST_SUCCESS;
}

static void
teardown(void)
{
	rte_vfio_user_client_destroy(client);
	client = NULL;
	if (running) {
		__atomic_store_n(&stop, true, __ATOMIC_RELEASE);
		pthread_join(thread, NULL);
		running = false;
	}
	rte_vfio_user_server_destroy(srv);
	srv = NULL;
	rte_vfio_user_pci_destroy(pci);
	pci = NULL;
	if (irq_fd >= 0)
		close(irq_fd);
	irq_fd = -1;
}

static int
setup(void)
{
	int pair[2], ret;

	irq_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	TEST_ASSERT(irq_fd >= 0, "eventfd: %s", strerror(errno));
	TEST_ASSERT_SUCCESS(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair),
			    "sockets: %s", strerror(errno));
	ret = connect_both(pair[0], pair[1]);
	close(pair[0]);
	close(pair[1]);
	if (ret != TEST_SUCCESS)
		teardown();
	return ret;
}

static int
cfg_write(uint32_t off, uint32_t len, uint32_t val)
{
	ssize_t ret = rte_vfio_user_client_region_write(client, VFIO_PCI_CONFIG_REGION_INDEX,
							off, &val, len);

	TEST_ASSERT_EQUAL(ret, (ssize_t)len, "write at 0x%x: %zd", off, ret);
	return TEST_SUCCESS;
}

static int
cfg_read(uint32_t off, void *buf, uint32_t len)
{
	ssize_t ret = rte_vfio_user_client_region_read(client, VFIO_PCI_CONFIG_REGION_INDEX,
						       off, buf, len);

	TEST_ASSERT_EQUAL(ret, (ssize_t)len, "read at 0x%x: %zd", off, ret);
	return TEST_SUCCESS;
}

/* ----------------------------------------------------------------- cases */

static int
test_config(void)
{
	uint8_t whole[CONFIG_SIZE], byte;
	uint32_t off, bar;

	DO(cfg_read(0, whole, CONFIG_SIZE));
	for (off = 0; off < PCI_CFG_SPACE_SIZE; off++) {
		DO(cfg_read(off, &byte, 1));
		TEST_ASSERT_EQUAL(byte, whole[off], "byte 0x%x", off);
	}
	DO(cfg_write(BAR_REG(2), 4, UINT32_MAX));
	DO(cfg_read(BAR_REG(2), &bar, 4));
	TEST_ASSERT_EQUAL(bar, 0xffff0008, "BAR2 0x%x", bar);
	DO(cfg_write(BAR_REG(2) + 3, 1, 0x12));
	DO(cfg_read(BAR_REG(2), &bar, 4));
	TEST_ASSERT_EQUAL(bar, 0x12ff0008, "BAR2 0x%x", bar);

	TEST_ASSERT(!rte_vfio_user_pci_bus_master(pci), "bus master");
	DO(cfg_write(PCI_COMMAND, 2, PCI_COMMAND_MASTER));
	TEST_ASSERT(rte_vfio_user_pci_bus_master(pci), "no bus master");
	return TEST_SUCCESS;
}

static int
read_rom(uint32_t off, uint32_t len)
{
	uint8_t buf[ROM_SIZE];
	uint32_t i;
	ssize_t ret;

	ret = rte_vfio_user_client_region_read(client, VFIO_PCI_ROM_REGION_INDEX, off, buf, len);
	TEST_ASSERT_EQUAL(ret, (ssize_t)len, "%u bytes at %u: %zd", len, off, ret);
	for (i = 0; i < len; i++)
		TEST_ASSERT_EQUAL(buf[i], rom_byte(off + i), "0x%x at %u", buf[i], off + i);
	return TEST_SUCCESS;
}

static int
check_rom_region(void)
{
	struct vfio_region_info *info;
	uint32_t flags;
	uint64_t size;

	DO(rte_vfio_user_client_region_info(client, VFIO_PCI_ROM_REGION_INDEX, &info, NULL, NULL));
	flags = info->flags;
	size = info->size;
	free(info);
	TEST_ASSERT_EQUAL(size, ROM_SIZE, "size %" PRIu64, size);
	TEST_ASSERT_EQUAL(flags, VFIO_REGION_INFO_FLAG_READ, "flags 0x%x", flags);
	return TEST_SUCCESS;
}

/* The enable bit of the BAR is the client's own affair, as QEMU has it. */
static int
test_rom(void)
{
	uint32_t bar, off, len = 1;
	ssize_t ret;

	DO(check_rom_region());
	DO(cfg_write(PCI_ROM_ADDRESS, 4, (uint32_t)PCI_ROM_ADDRESS_MASK));
	DO(cfg_read(PCI_ROM_ADDRESS, &bar, 4));
	TEST_ASSERT_EQUAL(bar, (uint32_t)-ROM_SIZE, "BAR 0x%x", bar);
	DO(read_rom(0, ROM_SIZE));
	for (off = 0; off + len <= ROM_SIZE; off += 509) {
		DO(read_rom(off, len));
		len++;
	}
	DO(read_rom(ROM_IMAGE - 1, 2));
	ret = rte_vfio_user_client_region_write(client, VFIO_PCI_ROM_REGION_INDEX, 0, &bar, 4);
	TEST_ASSERT_EQUAL(ret, -EINVAL, "write: %zd", ret);
	ret = rte_vfio_user_client_region_read(client, VFIO_PCI_ROM_REGION_INDEX, ROM_SIZE - 2,
					       &bar, 4);
	TEST_ASSERT_EQUAL(ret, -EINVAL, "over the end: %zd", ret);
	return read_rom(0, ROM_SIZE);
}

/* A client may assign eventfds and never write the capability. */
static int
test_msix_by_eventfd(void)
{
	TEST_ASSERT(!rte_vfio_user_pci_msix_enabled(pci), "enabled at start");
	DO(rte_vfio_user_client_irq_assign(client, VFIO_PCI_MSIX_IRQ_INDEX, NB_VECTORS - 1,
					   1, &irq_fd));
	TEST_ASSERT(rte_vfio_user_pci_msix_enabled(pci), "the last vector not seen");
	DO(rte_vfio_user_client_irq_disable(client, VFIO_PCI_MSIX_IRQ_INDEX));
	TEST_ASSERT(!rte_vfio_user_pci_msix_enabled(pci), "still enabled");
	DO(cfg_write(MSIX_CAP + PCI_MSIX_FLAGS, 2, PCI_MSIX_FLAGS_ENABLE));
	TEST_ASSERT(rte_vfio_user_pci_msix_enabled(pci), "the capability not seen");
	return TEST_SUCCESS;
}

static bool
irq_came(void)
{
	eventfd_t count;

	return eventfd_read(irq_fd, &count) == 0;
}

static int
test_intx_disable(void)
{
	uint16_t status;

	DO(rte_vfio_user_client_irq_assign(client, VFIO_PCI_INTX_IRQ_INDEX, 0, 1, &irq_fd));
	DO(cfg_write(PCI_COMMAND, 2, PCI_COMMAND_INTX_DISABLE));
	DO(rte_vfio_user_pci_intx_set(pci, true));
	TEST_ASSERT(!irq_came(), "delivered though disabled");
	DO(cfg_read(PCI_STATUS, &status, 2));
	TEST_ASSERT(status & PCI_STATUS_INTERRUPT, "Interrupt Status is not set");
	DO(cfg_write(PCI_COMMAND, 2, 0));
	TEST_ASSERT(irq_came(), "not delivered when it was enabled");
	/* automasked: nothing until the unmask, then again if still asserted */
	DO(cfg_write(PCI_COMMAND, 2, PCI_COMMAND_INTX_DISABLE));
	DO(cfg_write(PCI_COMMAND, 2, 0));
	TEST_ASSERT(!irq_came(), "delivered though masked");
	DO(rte_vfio_user_client_irq_unmask(client, VFIO_PCI_INTX_IRQ_INDEX, 0));
	TEST_ASSERT(irq_came(), "not delivered when it was unmasked");
	DO(rte_vfio_user_pci_intx_set(pci, false));
	DO(rte_vfio_user_client_irq_unmask(client, VFIO_PCI_INTX_IRQ_INDEX, 0));
	TEST_ASSERT(!irq_came(), "delivered though de-asserted");
	return TEST_SUCCESS;
}

/* ------------------------------------------------- function level reset */

#define FLR_BYTE (EXP_CAP + PCI_EXP_DEVCTL + 1)

static uint32_t
nb_resets(enum rte_vfio_user_reset reason)
{
	return __atomic_load_n(&resets[reason], __ATOMIC_ACQUIRE);
}

static int
test_flr(void)
{
	uint16_t command, control;

	DO(rte_vfio_user_client_irq_assign(client, VFIO_PCI_MSIX_IRQ_INDEX, 0, 1, &irq_fd));
	DO(cfg_write(PCI_COMMAND, 2, PCI_COMMAND_MASTER));
	DO(cfg_write(FLR_BYTE, 1, PCI_EXP_DEVCTL_BCR_FLR >> 8));
	/* what follows waits for the end of the reset */
	DO(cfg_read(PCI_COMMAND, &command, 2));
	DO(cfg_read(EXP_CAP + PCI_EXP_DEVCTL, &control, 2));
	TEST_ASSERT_EQUAL(nb_resets(RTE_VFIO_USER_RESET_PCI_FLR), 1u, "not reset");
	TEST_ASSERT_EQUAL(command, 0, "Command 0x%x", command);
	TEST_ASSERT_EQUAL(control, PCI_EXP_DEVCTL_RELAX_EN | PCI_EXP_DEVCTL_NOSNOOP_EN |
			  PCI_EXP_DEVCTL_READRQ_512B, "Device Control 0x%x", control);
	TEST_ASSERT_EQUAL(rte_vfio_user_server_irq_trigger(srv, VFIO_PCI_MSIX_IRQ_INDEX, 0), 0,
			  "the eventfd is gone");
	/* as part of a larger write; without that bit; and of the byte below only */
	DO(cfg_write(EXP_CAP + PCI_EXP_DEVCTL, 2, UINT16_MAX));
	DO(cfg_write(EXP_CAP + PCI_EXP_DEVCTL, 2, UINT16_MAX & ~PCI_EXP_DEVCTL_BCR_FLR));
	DO(cfg_write(EXP_CAP + PCI_EXP_DEVCTL, 1, 0xff));
	DO(cfg_write(FLR_BYTE + 1, 1, 0xff));
	DO(cfg_read(EXP_CAP + PCI_EXP_DEVCTL, &control, 2));
	TEST_ASSERT_EQUAL(nb_resets(RTE_VFIO_USER_RESET_PCI_FLR), 2u, "resets");
	TEST_ASSERT_EQUAL(nb_resets(RTE_VFIO_USER_RESET_DEVICE), 0u, "of another kind");
	return TEST_SUCCESS;
}

static struct unit_test_suite pci_client_suite = {
	.suite_name = "vfio-user PCI configuration space seen by a client",
	.unit_test_cases = {
		TEST_CASE_ST(setup, teardown, test_config),
		TEST_CASE_ST(setup, teardown, test_rom),
		TEST_CASE_ST(setup, teardown, test_msix_by_eventfd),
		TEST_CASE_ST(setup, teardown, test_intx_disable),
		TEST_CASE_ST(setup, teardown, test_flr),
		TEST_CASES_END()
	},
};

static int
test_vfio_user_pci_client(void)
{
	return unit_test_suite_runner(&pci_client_suite);
}

REGISTER_TEST_COMMAND(vfio_user_pci_client_autotest, test_vfio_user_pci_client);
