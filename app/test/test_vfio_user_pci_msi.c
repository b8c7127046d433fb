/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

/*
 * Delivery of MSI-X and MSI: clients that write the table and the enable bits,
 * clients that write some of it as QEMU does, and clients that know of eventfds
 * only.
 */

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
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
#include "vfio_user_pci.h"

#define INTX VFIO_PCI_INTX_IRQ_INDEX
#define MSI VFIO_PCI_MSI_IRQ_INDEX
#define MSIX VFIO_PCI_MSIX_IRQ_INDEX

#define NB_VECTORS 128 /* of MSI-X */
#define NB_MSI 4
#define NB_EVENTS 4
#define BAR 1
#define BAR_SIZE 4096
#define PBA 0xf00
#define CONTROL(vector) ((vector) * PCI_MSIX_ENTRY_SIZE + PCI_MSIX_ENTRY_VECTOR_CTRL)

#define CAME(event, expect) \
	TEST_ASSERT_EQUAL(came(events[event]), (uint64_t)(expect), \
			  "line %d: interrupts", __LINE__)
#define TRIGGER(vector, expect) \
	TEST_ASSERT_EQUAL(rte_vfio_user_pci_irq_trigger(pci, vector), expect, \
			  "line %d: trigger", __LINE__)

static char dir[] = "/tmp/vfio_user_msi_test.XXXXXX";
static char sock_path[64];
static struct rte_vfio_user_server *srv;
static struct rte_vfio_user_pci *pci;
static struct rte_vfio_user_client *client;
static int msix, msi; /* capabilities */
static int events[NB_EVENTS]; /* the client's eventfds */
static pthread_t thread; /* the poller */
static bool polling;
static bool stop;
static uint32_t nb_lost; /* clients */

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

static int
on_reset(struct rte_vfio_user_server *server, enum rte_vfio_user_reset reason, void *priv)
{
	RTE_SET_USED(server);
	RTE_SET_USED(priv);
	rte_vfio_user_pci_reset(pci, reason);
	if (reason == RTE_VFIO_USER_RESET_LOST_CONN)
		__atomic_fetch_add(&nb_lost, 1, __ATOMIC_RELEASE);
	return 0;
}

static int
device_declare(void)
{
	const struct rte_vfio_user_server_ops ops = { .reset = on_reset };
	const struct rte_vfio_user_pci_id id = { .vendor_id = 0x1234, .intx_pin = 1 };
	const struct rte_vfio_user_region_conf bar = {
		.size = BAR_SIZE, .flags = RTE_VFIO_USER_REGION_F_RW, .fd = -1,
	};
	const struct rte_vfio_user_pci_msix msix_conf = {
		.vectors = NB_VECTORS, .table_bar = BAR, .pba_bar = BAR, .pba_offset = PBA,
	};
	const struct rte_vfio_user_pci_msi msi_conf = {
		.vectors = NB_MSI, .flags = RTE_VFIO_USER_PCI_MSI_MASKABLE,
	};

	DO(rte_vfio_user_server_ops_set(srv, &ops, NULL));
	pci = rte_vfio_user_pci_create(srv, &id);
	TEST_ASSERT_NOT_NULL(pci, "no config space: %s", rte_strerror(rte_errno));
	DO(rte_vfio_user_pci_bar_add(pci, BAR, RTE_VFIO_USER_PCI_BAR_MEM32, &bar));
	msix = rte_vfio_user_pci_cap_msix_add(pci, 0, &msix_conf);
	msi = rte_vfio_user_pci_cap_msi_add(pci, 0, &msi_conf);
	TEST_ASSERT(msix > 0 && msi > 0, "capabilities: %d, %d", msix, msi);
	return TEST_SUCCESS;
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

static void
stop_polling(void)
{
	if (!polling)
		return;
	__atomic_store_n(&stop, true, __ATOMIC_RELEASE);
	pthread_join(thread, NULL);
	polling = false;
}

static int
attach(void)
{
	struct rte_vfio_user_client_conf conf;

	rte_vfio_user_client_conf_init(&conf);
	conf.sock_path = sock_path;
	client = rte_vfio_user_client_create(&conf);
	TEST_ASSERT_NOT_NULL(client, "no client: %s", rte_strerror(rte_errno));
	return TEST_SUCCESS;
}

/* The client leaves; the device has heard of it, and its eventfds are gone. */
static void
detach(void)
{
	uint32_t before = __atomic_load_n(&nb_lost, __ATOMIC_ACQUIRE);

	rte_vfio_user_client_destroy(client);
	client = NULL;
	while (__atomic_load_n(&nb_lost, __ATOMIC_ACQUIRE) == before ||
	       rte_vfio_user_server_irq_count(srv, MSIX) != 0)
		sched_yield();
}

static void
teardown(void)
{
	uint32_t i;

	rte_vfio_user_client_destroy(client);
	client = NULL;
	stop_polling();
	rte_vfio_user_server_destroy(srv);
	srv = NULL;
	rte_vfio_user_pci_destroy(pci);
	pci = NULL;
	for (i = 0; i < NB_EVENTS; i++)
		close(events[i]);
}

static int
connect_both(void)
{
	struct rte_vfio_user_server_conf conf;

	rte_vfio_user_server_conf_init(&conf);
	conf.sock_path = sock_path;
	srv = rte_vfio_user_server_create(&conf);
	TEST_ASSERT_NOT_NULL(srv, "no server: %s", rte_strerror(rte_errno));
	DO(device_declare());
	DO(rte_vfio_user_server_start(srv));
	stop = false;
	DO(pthread_create(&thread, NULL, poll_server, NULL));
	polling = true;
	return attach();
}

static int
setup(void)
{
	uint32_t i;
	int ret;

	for (i = 0; i < NB_EVENTS; i++)
		events[i] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	ret = connect_both();
	if (ret != TEST_SUCCESS)
		teardown();
	return ret;
}

/* How often an eventfd was signalled since the last look. */
static uint64_t
came(int fd)
{
	eventfd_t count;

	return eventfd_read(fd, &count) == 0 ? count : 0;
}

static int
write_region(uint32_t region, uint32_t off, uint32_t len, uint32_t val)
{
	ssize_t ret = rte_vfio_user_client_region_write(client, region, off, &val, len);

	return ret == (ssize_t)len ? 0 : -1;
}

static int
cfg_write(uint32_t off, uint32_t len, uint32_t val)
{
	return write_region(VFIO_PCI_CONFIG_REGION_INDEX, off, len, val);
}

static int
msix_control(uint32_t flags)
{
	return cfg_write(msix + PCI_MSIX_FLAGS, 2, flags);
}

static int
mask(uint32_t vector, bool masked)
{
	return write_region(BAR, CONTROL(vector), 4, masked);
}

static uint64_t
read_region(uint32_t region, uint32_t off, uint32_t len)
{
	uint64_t val = 0;
	ssize_t ret = rte_vfio_user_client_region_read(client, region, off, &val, len);

	return ret == (ssize_t)len ? val : UINT64_MAX;
}

static uint64_t
pending(void)
{
	return read_region(BAR, PBA, 8);
}

static int
assign(uint32_t index, uint32_t vector, uint32_t nb)
{
	return rte_vfio_user_client_irq_assign(client, index, vector, nb, events);
}

/* ------------------------------------------------- clients of eventfds only */

static int
test_eventfds_alone(void)
{
	TRIGGER(0, -ENOENT);
	TEST_ASSERT(!rte_vfio_user_pci_msix_enabled(pci), "in use");
	DO(assign(MSIX, 0, 2));
	TEST_ASSERT(rte_vfio_user_pci_msix_enabled(pci), "not in use");
	TRIGGER(0, 0);
	TRIGGER(1, 0);
	TRIGGER(2, -ENXIO);
	CAME(0, 1);
	CAME(1, 1);
	TEST_ASSERT_EQUAL(pending(), 0u, "pending");
	TEST_ASSERT_EQUAL(read_region(BAR, CONTROL(0), 4), 1u, "reads as masked");
	DO(rte_vfio_user_client_irq_disable(client, MSIX));
	TRIGGER(0, -ENOENT);
	TEST_ASSERT(!rte_vfio_user_pci_msix_enabled(pci), "in use");
	return TEST_SUCCESS;
}

static int
test_eventfds_of_msi(void)
{
	DO(assign(MSI, 0, NB_MSI));
	TRIGGER(1, 0);
	TRIGGER(NB_MSI + 2, 0);
	CAME(1, 1);
	CAME(2, 1);
	TEST_ASSERT(!rte_vfio_user_pci_msix_enabled(pci), "MSI-X");
	DO(rte_vfio_user_client_irq_disable(client, MSI));
	TRIGGER(1, -ENOENT);
	return TEST_SUCCESS;
}

/* Written without being changed: zeroes to a register that is zero. */
static int
test_disabled_all_along(void)
{
	DO(msix_control(0));
	DO(assign(MSIX, 0, 1));
	DO(msix_control(0));
	TRIGGER(0, 0);
	CAME(0, 1);
	return TEST_SUCCESS;
}

/* The index takes eventfds and no masks, and can grow. */
static int
test_info(void)
{
	struct rte_vfio_user_client *c = client;
	struct vfio_irq_info info = { .argsz = sizeof(info), .index = MSIX };

	DO(rte_vfio_user_client_irq_info(c, MSIX, &info));
	TEST_ASSERT(info.count == NB_VECTORS && info.flags == VFIO_IRQ_INFO_EVENTFD,
		    "MSI-X: %u, 0x%x", info.count, info.flags);
	DO(rte_vfio_user_client_irq_info(c, MSI, &info));
	TEST_ASSERT(info.count == NB_MSI && info.flags == VFIO_IRQ_INFO_EVENTFD,
		    "MSI: %u, 0x%x", info.count, info.flags);
	TEST_ASSERT_EQUAL(rte_vfio_user_client_irq_unmask(c, MSIX, 0), -ENOTTY, "unmask");
	return TEST_SUCCESS;
}

/* ------------------------------------------ clients that emulate the table */

/*
 * What QEMU sends when Linux sets up MSI-X: it forwards what the guest writes to
 * the capability, keeps what it writes to the table for itself, and assigns an
 * eventfd when the guest unmasks a vector there.
 */
static int
test_like_qemu(void)
{
	DO(msix_control(PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL));
	TEST_ASSERT(rte_vfio_user_pci_msix_enabled(pci), "not enabled");
	TRIGGER(1, 0); /* waits for the guest to get ready */
	DO(msix_control(PCI_MSIX_FLAGS_ENABLE));
	TRIGGER(0, -ENXIO);
	TEST_ASSERT_EQUAL(pending(), 1u << 1, "pending");
	DO(assign(MSIX, 0, 2));
	CAME(0, 0);
	CAME(1, 1);
	TRIGGER(0, 0);
	CAME(0, 1);

	/* the function mask, while the table is never written */
	DO(msix_control(PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL));
	TRIGGER(0, 0);
	TRIGGER(0, 0);
	CAME(0, 0);
	TEST_ASSERT_EQUAL(pending(), 1u << 0, "pending");
	DO(msix_control(PCI_MSIX_FLAGS_ENABLE));
	CAME(0, 1);
	TEST_ASSERT_EQUAL(pending(), 0u, "pending");

	/* the driver goes: first the bit, then the eventfds */
	DO(msix_control(0));
	TEST_ASSERT(!rte_vfio_user_pci_msix_enabled(pci), "enabled");
	TRIGGER(0, -ENOENT);
	CAME(0, 0);
	DO(rte_vfio_user_client_irq_disable(client, MSIX));
	/* and comes again */
	DO(msix_control(PCI_MSIX_FLAGS_ENABLE));
	DO(assign(MSIX, 0, 1));
	CAME(0, 0);
	TRIGGER(0, 0);
	CAME(0, 1);
	return TEST_SUCCESS;
}

/* Enable alone: the vectors' masks of the reset are not the client's. */
static int
test_enable_alone(void)
{
	DO(assign(MSIX, 0, 1));
	DO(msix_control(PCI_MSIX_FLAGS_ENABLE));
	TRIGGER(0, 0);
	CAME(0, 1);
	return TEST_SUCCESS;
}

/* --------------------------------------------- clients that write the table */

static int
test_vector_mask(void)
{
	DO(assign(MSIX, 0, 2));
	DO(msix_control(PCI_MSIX_FLAGS_ENABLE));
	DO(mask(1, true));
	TRIGGER(0, 0);
	TRIGGER(1, 0);
	TRIGGER(1, 0);
	CAME(0, 1);
	CAME(1, 0);
	TEST_ASSERT_EQUAL(pending(), 1u << 1, "pending");
	DO(mask(1, true));
	CAME(1, 0);
	DO(mask(1, false));
	CAME(1, 1);
	TEST_ASSERT_EQUAL(pending(), 0u, "pending");
	DO(mask(1, false));
	CAME(1, 0);
	TRIGGER(1, 0);
	CAME(1, 1);
	return TEST_SUCCESS;
}

/* Both masks: the last that goes delivers. */
static int
test_function_mask(void)
{
	uint32_t i;

	DO(assign(MSIX, 0, 2));
	for (i = 0; i < 2; i++) {
		DO(msix_control(PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL));
		DO(mask(0, true));
		TRIGGER(0, 0);
		TRIGGER(1, 0);
		DO(i == 0 ? mask(0, false) : msix_control(PCI_MSIX_FLAGS_ENABLE));
		CAME(0, 0);
		CAME(1, i);
		DO(i == 1 ? mask(0, false) : msix_control(PCI_MSIX_FLAGS_ENABLE));
		CAME(0, 1);
		CAME(1, 1 - i);
	}
	return TEST_SUCCESS;
}

/* A driver that disables MSI-X with something pending does not get it later. */
static int
test_disable_forgets(void)
{
	DO(assign(MSIX, 0, 1));
	DO(msix_control(PCI_MSIX_FLAGS_ENABLE));
	DO(mask(0, true));
	TRIGGER(0, 0);
	DO(msix_control(0));
	TEST_ASSERT_EQUAL(pending(), 0u, "pending");
	DO(mask(0, false));
	CAME(0, 0);
	DO(msix_control(PCI_MSIX_FLAGS_ENABLE));
	CAME(0, 0);
	return TEST_SUCCESS;
}

/* ------------------------------------------------------- reset, next client */

static int
test_reset_forgets(void)
{
	DO(assign(MSIX, 0, 2));
	DO(msix_control(PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL));
	DO(mask(1, true));
	TRIGGER(0, 0);
	TRIGGER(1, 0);
	DO(rte_vfio_user_client_reset(client));
	CAME(0, 0);
	CAME(1, 0);
	TEST_ASSERT_EQUAL(pending(), 0u, "pending");
	/* the eventfds are still there, and alone again */
	TRIGGER(0, 0);
	TRIGGER(1, 0);
	CAME(0, 1);
	CAME(1, 1);
	/* not only masks: Enable, too */
	DO(msix_control(PCI_MSIX_FLAGS_ENABLE));
	DO(msix_control(0));
	TRIGGER(0, -ENOENT);
	DO(rte_vfio_user_client_reset(client));
	TRIGGER(0, 0);
	CAME(0, 1);
	return TEST_SUCCESS;
}

/* Whatever the first client wrote, one of eventfds only gets its interrupts. */
static int
test_second_client(void)
{
	const uint32_t controls[] = {
		PCI_MSIX_FLAGS_MASKALL, PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL,
		PCI_MSIX_FLAGS_ENABLE, 0,
	};
	uint32_t i;

	for (i = 0; i < RTE_DIM(controls); i++) {
		DO(assign(MSIX, 0, 2));
		DO(msix_control(PCI_MSIX_FLAGS_ENABLE));
		DO(mask(0, true));
		DO(write_region(BAR, 0, 4, 0xfee00000));
		DO(msix_control(controls[i]));
		TRIGGER(0, controls[i] & PCI_MSIX_FLAGS_ENABLE ? 0 : -ENOENT);
		detach();
		CAME(0, 0);
		TRIGGER(0, -ENOENT);

		DO(attach());
		TEST_ASSERT(!rte_vfio_user_pci_msix_enabled(pci), "control 0x%x", controls[i]);
		TEST_ASSERT_EQUAL(pending(), 0u, "control 0x%x", controls[i]);
		TEST_ASSERT_EQUAL(read_region(BAR, 0, 4), 0u, "control 0x%x", controls[i]);
		TEST_ASSERT_EQUAL(read_region(BAR, CONTROL(0), 4), 1u, "its mask");
		DO(assign(MSIX, 0, 1));
		CAME(0, 0);
		TRIGGER(0, 0);
		CAME(0, 1);
	}
	return TEST_SUCCESS;
}

/* -------------------------------------------------------------------- MSI */

static int
msi_control(uint32_t log2_vectors, uint32_t flags)
{
	return cfg_write(msi + PCI_MSI_FLAGS, 2, log2_vectors << 4 | flags);
}

static uint64_t
msi_pending(void)
{
	return read_region(VFIO_PCI_CONFIG_REGION_INDEX, msi + PCI_MSI_PENDING_64, 4);
}

static int
test_msi_masks(void)
{
	const uint32_t masks = msi + PCI_MSI_MASK_64;

	DO(assign(MSI, 0, NB_MSI));
	DO(msi_control(2, PCI_MSI_FLAGS_ENABLE));
	DO(cfg_write(masks, 4, 0xa));
	TRIGGER(0, 0);
	TRIGGER(1, 0);
	TRIGGER(1, 0);
	TRIGGER(3, 0);
	CAME(0, 1);
	CAME(1, 0);
	CAME(3, 0);
	TEST_ASSERT_EQUAL(msi_pending(), 0xau, "pending");
	DO(cfg_write(masks, 1, 0x8));
	CAME(1, 1);
	CAME(3, 0);
	TEST_ASSERT_EQUAL(msi_pending(), 0x8u, "pending");
	DO(rte_vfio_user_client_reset(client));
	TEST_ASSERT_EQUAL(msi_pending(), 0u, "pending");
	CAME(3, 0);
	TRIGGER(3, 0); /* the eventfds are alone again */
	CAME(3, 1);
	return TEST_SUCCESS;
}

/* Fewer messages than there are: the vector's lower bits. */
static int
test_msi_folds(void)
{
	uint32_t log2, v;

	DO(assign(MSI, 0, NB_MSI));
	for (log2 = 0; log2 < 8; log2++) { /* 6 and 7 are reserved */
		DO(msi_control(log2, PCI_MSI_FLAGS_ENABLE));
		for (v = 0; v < NB_MSI; v++) {
			TRIGGER(v, 0);
			CAME(log2 < 2 ? v & ((1u << log2) - 1) : v, 1);
		}
	}
	return TEST_SUCCESS;
}

/* Of the two the client uses the one that it enabled. */
static int
test_msi_or_msix(void)
{
	DO(assign(MSIX, 0, 1));
	DO(rte_vfio_user_client_irq_assign(client, MSI, 0, 1, &events[1]));
	TRIGGER(0, 0);
	CAME(0, 1);
	DO(msi_control(0, PCI_MSI_FLAGS_ENABLE));
	TRIGGER(0, 0);
	CAME(0, 0);
	CAME(1, 1);
	DO(msix_control(PCI_MSIX_FLAGS_ENABLE));
	TRIGGER(0, 0);
	CAME(0, 1);
	CAME(1, 0);
	DO(msix_control(0));
	TRIGGER(0, 0);
	CAME(1, 1);
	DO(msi_control(0, 0));
	TRIGGER(0, -ENOENT);
	return TEST_SUCCESS;
}

/* INTx waits while either of them is enabled. */
static int
test_intx_held_back(void)
{
	uint32_t i;

	DO(assign(INTX, 0, 1));
	for (i = 0; i < 2; i++) {
		DO(i == 0 ? msi_control(0, PCI_MSI_FLAGS_ENABLE) :
		   msix_control(PCI_MSIX_FLAGS_ENABLE));
		DO(rte_vfio_user_pci_intx_set(pci, true));
		CAME(0, 0);
		DO(i == 0 ? msi_control(0, 0) : msix_control(0));
		CAME(0, 1);
		DO(rte_vfio_user_pci_intx_set(pci, false));
		DO(rte_vfio_user_client_irq_unmask(client, INTX, 0));
	}
	return TEST_SUCCESS;
}

/* ------------------------------------------------------------------ stress */

#define ROUNDS 4000

static uint32_t begun, ended; /* rounds */

/* Spin: threads that sleep meet too seldom. Yield: there may be one core. */
static void
wait_for(const uint32_t *counter, uint32_t value)
{
	uint32_t spins = 0;

	while (__atomic_load_n(counter, __ATOMIC_ACQUIRE) != value)
		if (++spins % 4096 == 0)
			sched_yield();
}

/* One trigger of each vector per round. Returns how many were refused. */
static void *
run_trigger(void *arg)
{
	uintptr_t refused = 0;
	uint32_t round, v;

	RTE_SET_USED(arg);
	for (round = 1; round <= ROUNDS; round++) {
		wait_for(&begun, round);
		for (v = 0; v < NB_VECTORS; v++)
			refused += rte_vfio_user_pci_irq_trigger(pci, v) < 0;
		__atomic_store_n(&ended, round, __ATOMIC_RELEASE);
	}
	return (void *)refused;
}

/* An access as the poller carries it out. */
static void
poller_write(uint32_t region, uint32_t off, void *data, uint32_t count)
{
	const struct rte_vfio_user_region_access acc = {
		.region = region, .is_write = true, .offset = off, .count = count,
		.data = data,
	};

	if (region == BAR)
		vfio_user_pci_bar_access(&pci->bars[BAR], &acc);
	else
		vfio_user_pci_config_access(pci, &acc);
}

static void
poller_mask(uint32_t vector, uint8_t masked)
{
	poller_write(BAR, CONTROL(vector), &masked, 1);
}

static void
poller_mask_function(bool masked)
{
	uint16_t flags = PCI_MSIX_FLAGS_ENABLE | (masked ? PCI_MSIX_FLAGS_MASKALL : 0);

	poller_write(VFIO_PCI_CONFIG_REGION_INDEX, msix + PCI_MSIX_FLAGS, &flags,
		     sizeof(flags));
}

/* Masks go, by the table or all at once, after they came or while they are there. */
static void
unmask_all(uint32_t round)
{
	uint32_t v;

	if (round % 4 >= 2)
		poller_mask_function(round % 2 == 0);
	for (v = 0; v < NB_VECTORS; v++) {
		if (round % 4 == 1)
			poller_mask(v, 1);
		poller_mask(v, 0);
	}
	poller_mask_function(false);
}

/*
 * Triggers meet masks. When both threads are through, no mask is left and each
 * trigger has been delivered, once: not lost, not late, not doubled. Returns in
 * how many rounds that was not so.
 */
static uint32_t
race(void)
{
	uint32_t round, v, wrong = 0;

	for (round = 1; round <= ROUNDS; round++) {
		for (v = 0; round % 2 == 0 && v < NB_VECTORS; v++)
			poller_mask(v, 1);
		__atomic_store_n(&begun, round, __ATOMIC_RELEASE);
		unmask_all(round);
		wait_for(&ended, round);
		wrong += came(events[0]) != NB_VECTORS;
	}
	return wrong;
}

static int
test_race(void)
{
	pthread_t triggerer;
	uint32_t wrong, v;
	void *refused;

	for (v = 0; v < NB_VECTORS; v++) /* one eventfd counts them all */
		DO(assign(MSIX, v, 1));
	DO(msix_control(PCI_MSIX_FLAGS_ENABLE));
	stop_polling(); /* the poller is this thread now */
	begun = ended = 0;
	DO(pthread_create(&triggerer, NULL, run_trigger, NULL));
	wrong = race();
	pthread_join(triggerer, &refused);
	TEST_ASSERT_NULL(refused, "triggers refused");
	TEST_ASSERT_EQUAL(wrong, 0u, "%u rounds with one lost, late or doubled", wrong);
	return TEST_SUCCESS;
}

#define CASE(fn) TEST_CASE_ST(setup, teardown, fn)

static struct unit_test_suite msi_suite = {
	.suite_name = "vfio-user delivery of MSI-X and MSI",
	.setup = suite_setup,
	.teardown = suite_teardown,
	.unit_test_cases = {
		CASE(test_eventfds_alone),
		CASE(test_eventfds_of_msi),
		CASE(test_disabled_all_along),
		CASE(test_info),
		CASE(test_like_qemu),
		CASE(test_enable_alone),
		CASE(test_vector_mask),
		CASE(test_function_mask),
		CASE(test_disable_forgets),
		CASE(test_reset_forgets),
		CASE(test_second_client),
		CASE(test_msi_masks),
		CASE(test_msi_folds),
		CASE(test_msi_or_msix),
		CASE(test_intx_held_back),
		CASE(test_race),
		TEST_CASES_END()
	},
};

static int
test_vfio_user_pci_msi(void)
{
	return unit_test_suite_runner(&msi_suite);
}

REGISTER_TEST_COMMAND(vfio_user_pci_msi_autotest, test_vfio_user_pci_msi);
