/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

/*
 * A complete PCI device in user space: a copy engine with registers (BAR0),
 * MSI-X and INTx interrupts (MSI-X table and pending bits in BAR1), and memory
 * of which the client can map all but the first page (BAR2). Here it is
 * described and served; device.c has what it does.
 */

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <rte_common.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_log.h>
#include <rte_vfio_user_sigbus.h>

#include "device.h"

#define BAR2_SIZE (16 * PAGE)
#define PBA_OFFSET 0x800
#define SERIAL UINT64_C(0x5646554400000001)

/* BAR1 has only the MSI-X structures, BAR2 is memory: the library serves both. */
static int
bars_set(struct demo *dev, int bar2_fd, void *bar2_mem)
{
	const struct rte_vfio_user_mmap_area area = {
		.offset = PAGE, .size = BAR2_SIZE - PAGE, .fd = -1,
	};
	const uint32_t rw = RTE_VFIO_USER_REGION_F_RW;
	const struct rte_vfio_user_region_conf bars[] = {
		{ .size = PAGE, .flags = rw, .cb = demo_bar0_access, .priv = dev, .fd = -1 },
		{ .size = PAGE, .flags = rw, .fd = -1 },
		{ .size = BAR2_SIZE, .flags = rw, .base = bar2_mem, .fd = bar2_fd,
		  .areas = &area, .nb_areas = 1 },
	};
	const uint32_t types[] = {
		RTE_VFIO_USER_PCI_BAR_MEM32, RTE_VFIO_USER_PCI_BAR_MEM32,
		RTE_VFIO_USER_PCI_BAR_MEM32 | RTE_VFIO_USER_PCI_BAR_PREFETCH,
	};
	uint32_t i;
	int ret = 0;

	for (i = 0; i < RTE_DIM(bars) && ret == 0; i++)
		ret = rte_vfio_user_pci_bar_add(dev->pci, i, types[i], &bars[i]);
	return ret;
}

/* The memory of BAR2 is a file, so that the client can map it. */
static int
bars_create(struct demo *dev)
{
	void *mem;
	int fd, ret;

	fd = memfd_create("bar2", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0)
		return -errno;
	if (ftruncate(fd, BAR2_SIZE) < 0 ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) < 0) {
		ret = -errno;
	} else {
		mem = mmap(NULL, BAR2_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		ret = mem == MAP_FAILED ? -errno : bars_set(dev, fd, mem);
	}
	close(fd); /* the library has a duplicate */
	return ret;
}

static int
caps_add(struct rte_vfio_user_pci *pci, uint16_t vectors)
{
	const struct rte_vfio_user_pci_msix msix = {
		.vectors = vectors, .table_bar = 1, .pba_bar = 1,
		.pba_offset = PBA_OFFSET,
	};
	int ret;

	ret = rte_vfio_user_pci_cap_pm_add(pci, 0);
	if (ret < 0)
		return ret;
	ret = rte_vfio_user_pci_cap_express_add(pci, 0, RTE_VFIO_USER_PCI_EXP_FLR);
	if (ret < 0)
		return ret;
	ret = rte_vfio_user_pci_ext_cap_dsn_add(pci, 0, SERIAL);
	if (ret < 0 || vectors == 0)
		return ret;
	return rte_vfio_user_pci_cap_msix_add(pci, 0, &msix);
}

static int
device_describe(struct demo *dev)
{
	const struct rte_vfio_user_server_ops ops = {
		.reset = demo_reset,
		.irq_changed = demo_irq_changed,
	};
	const struct rte_vfio_user_pci_id id = {
		.vendor_id = 0x1234,
		.device_id = 0x5646,
		.subsystem_vendor_id = 0x1234,
		.subsystem_id = 0x0001,
		.class_code = 0x088000,
		.revision_id = 1,
		.intx_pin = 1,
	};
	int ret;

	dev->pci = rte_vfio_user_pci_create(dev->srv, &id);
	if (dev->pci == NULL)
		return -rte_errno;
	ret = bars_create(dev);
	if (ret < 0)
		return ret;
	ret = caps_add(dev->pci, dev->vectors);
	if (ret < 0)
		return ret;
	dev->reader = rte_vfio_user_server_dma_reader_create(dev->srv);
	if (dev->reader == NULL)
		return -rte_errno;
	return rte_vfio_user_server_ops_set(dev->srv, &ops, dev);
}

static int
device_create(struct demo *dev, const char *sock_path)
{
	struct rte_vfio_user_server_conf conf;
	int ret;

	rte_vfio_user_server_conf_init(&conf);
	conf.sock_path = sock_path;
	dev->srv = rte_vfio_user_server_create(&conf);
	if (dev->srv == NULL)
		return -rte_errno;
	ret = device_describe(dev);
	if (ret < 0)
		return ret;
	ret = rte_vfio_user_server_start(dev->srv);
	if (ret < 0)
		return ret;
	return demo_reset(dev->srv, RTE_VFIO_USER_RESET_DEVICE, dev);
}

/* Also of one that was created in part. */
static void
device_destroy(struct demo *dev)
{
	rte_vfio_user_server_dma_reader_destroy(dev->reader);
	rte_vfio_user_server_destroy(dev->srv);
	rte_vfio_user_pci_destroy(dev->pci);
}

/* Until a signal comes. */
static int
device_serve(struct demo *dev, int signal_fd)
{
	struct pollfd fds[] = {
		{ .fd = rte_vfio_user_server_fd(dev->srv), .events = POLLIN },
		{ .fd = signal_fd, .events = POLLIN },
	};
	int ret;

	while (fds[1].revents == 0) {
		if (poll(fds, RTE_DIM(fds), -1) < 0)
			return -errno;
		ret = rte_vfio_user_server_poll(dev->srv);
		if (ret < 0)
			return ret;
		demo_run(dev);
	}
	return 0;
}

/* SIGINT and SIGTERM as something to poll. */
static int
signals_open(void)
{
	sigset_t signals;

	sigemptyset(&signals);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	return signalfd(-1, &signals, SFD_CLOEXEC);
}

/*
 * Telemetry and tracing are the EAL's, all else does without it: it is started
 * if there are options for it, which "--" ends. The words that it took, or < 0.
 */
static int
eal_start(int argc, char **argv)
{
	int i;

	for (i = 1; i < argc; i++)
		if (strcmp(argv[i], "--") == 0)
			return rte_eal_init(argc, argv);
	return 0;
}

int
main(int argc, char **argv)
{
	static struct demo dev = { .vectors = MSIX_COUNT };
	int opt, signal_fd, taken, ret;

	signal_fd = signals_open(); /* before the EAL has threads */
	taken = eal_start(argc, argv);
	if (taken < 0) {
		fprintf(stderr, "vfio_user_demo: EAL: %s\n", strerror(rte_errno));
		return 1;
	}
	argc -= taken;
	argv += taken;
	while ((opt = getopt(argc, argv, "nv")) == 'v' || opt == 'n') {
		if (opt == 'v')
			rte_log_set_level_pattern("lib.vfio_user*", RTE_LOG_DEBUG);
		else /* QEMU 11.1 aborts when a device with MSI-X is unplugged */
			dev.vectors = 0;
	}
	if (opt != -1 || optind + 1 != argc) {
		fprintf(stderr, "usage: vfio_user_demo [EAL options --] [-nv] SOCK\n");
		return 2;
	}
	/* A client that truncates its memory costs its connection only. */
	rte_vfio_user_sigbus_enable();
	ret = signal_fd < 0 ? -errno : device_create(&dev, argv[optind]);
	if (ret == 0) {
		printf("vfio_user_demo: listening on %s\n", argv[optind]);
		fflush(stdout);
		ret = device_serve(&dev, signal_fd);
	}
	if (ret < 0)
		fprintf(stderr, "vfio_user_demo: %s: %s\n", argv[optind], strerror(-ret));
	device_destroy(&dev);
	if (taken != 0)
		rte_eal_cleanup();
	return ret < 0 ? 1 : 0;
}
