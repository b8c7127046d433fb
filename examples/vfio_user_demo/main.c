/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

/*
 * A complete PCI device in user space: a copy engine with registers (BAR0),
 * MSI-X and INTx interrupts (MSI-X table and pending bits in BAR1), and memory
 * of which the client can map all but the first page (BAR2).
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

#include <linux/vfio.h>

#include <rte_errno.h>
#include <rte_log.h>
#include <rte_vfio_user_pci.h>
#include <rte_vfio_user_server.h>

#define PAGE 4096
#define BAR2_SIZE (16 * PAGE)
#define DMA_MAX_LEN (16u << 20)
#define DMA_CHUNK (256u << 10) /* bytes copied at a time */

/* Registers: little-endian, accessed by any size; what is not readable is 0. */
enum {
	REG_ID = 0x00, /* RO */
	REG_VERSION = 0x04, /* RO */
	REG_SCRATCH = 0x08, /* RW */
	REG_DMA_SRC = 0x10, /* RW, 64 bits */
	REG_DMA_DST = 0x18, /* RW, 64 bits */
	REG_DMA_LEN = 0x20, /* RW, bytes, at most DMA_MAX_LEN */
	REG_DOORBELL = 0x24, /* WO, bit 0 starts a copy unless one is going on */
	REG_STATUS = 0x28, /* RO */
	REG_IRQ_CAUSE = 0x2c, /* RW1C */
	REG_IRQ_RAISE = 0x30, /* WO, bits to set in IRQ_CAUSE */
	REG_DMA_ERRNO = 0x34, /* RO, errno of the last copy that failed */
	REG_DMA_COPIES = 0x38, /* RO, copies that succeeded */
	REG_END = 0x3c,
};

enum { STATUS_IDLE, STATUS_BUSY, STATUS_DONE, STATUS_ERROR };
enum { STEP_NONE, STEP_READ, STEP_WRITE };
enum { CAUSE_DMA_DONE = 1, CAUSE_DMA_ERROR = 2, CAUSE_SOFTWARE = 4, CAUSE_ALL = 7 };
enum { MSIX_DMA, MSIX_SOFTWARE, MSIX_COUNT = 4 };

struct demo {
	struct rte_vfio_user_server *srv;
	struct rte_vfio_user_pci *pci;
	struct rte_vfio_user_dma_reader *reader;
	uint32_t regs[REG_END / 4];
	uint64_t src, dst; /* the copy, as it was when the doorbell rang */
	uint32_t len, done;
	int step; /* DMA access in flight */
	bool stop; /* the copy is not wanted any more */
	uint64_t bar1[PAGE / 8];
	uint8_t bounce[DMA_CHUNK];
};

#define REG(dev, off) ((dev)->regs[(off) / 4])
#define REG64(dev, off) (REG(dev, off) | (uint64_t)REG(dev, (off) + 4) << 32)

/* Add causes; each kind triggers its vector, or the line is up while one is set. */
static void
irq_update(struct demo *dev, uint32_t raised)
{
	bool msix = rte_vfio_user_pci_msix_enabled(dev->pci);

	REG(dev, REG_IRQ_CAUSE) |= raised;
	if (msix && (raised & (CAUSE_DMA_DONE | CAUSE_DMA_ERROR)))
		rte_vfio_user_server_irq_trigger(dev->srv, VFIO_PCI_MSIX_IRQ_INDEX, MSIX_DMA);
	if (msix && (raised & CAUSE_SOFTWARE))
		rte_vfio_user_server_irq_trigger(dev->srv, VFIO_PCI_MSIX_IRQ_INDEX, MSIX_SOFTWARE);
	rte_vfio_user_pci_intx_set(dev->pci, !msix && REG(dev, REG_IRQ_CAUSE) != 0);
}

/* One memcpy() in a read section, if both sides are mapped here. */
static bool
copy_direct(struct demo *dev, uint64_t dst, uint64_t src, uint32_t len)
{
	uint8_t *d, *s;
	bool direct;

	rte_vfio_user_dma_begin(dev->reader);
	s = rte_vfio_user_dma_va(dev->reader, src, len, PROT_READ);
	d = rte_vfio_user_dma_va(dev->reader, dst, len, PROT_WRITE);
	direct = s != NULL && d != NULL && (s + len <= d || d + len <= s);
	if (direct)
		memcpy(d, s, len);
	rte_vfio_user_dma_end(dev->reader);
	return direct;
}

/*
 * Copy ascending, in chunks, each read completely before it is written: that
 * is what overlapping ranges give. Registers are served all the while, since
 * QEMU answers no DMA message before its own accesses are answered.
 */
static void
copy_next(struct rte_vfio_user_server *srv, int status, void *arg)
{
	struct demo *dev = arg;
	struct rte_vfio_user_dma_sg sg = { .buf = dev->bounce };
	bool write = dev->step == STEP_READ; /* what was read is written next */

	if (dev->step == STEP_WRITE && status == 0)
		dev->done += RTE_MIN(dev->len - dev->done, DMA_CHUNK);
	dev->step = STEP_NONE;
	if (dev->stop) /* a reset came in between */
		return;
	while (status == 0 && dev->done < dev->len) {
		sg.len = RTE_MIN(dev->len - dev->done, DMA_CHUNK);
		if (!write && copy_direct(dev, dev->dst + dev->done, dev->src + dev->done, sg.len)) {
			dev->done += sg.len;
			continue;
		}
		dev->step = write ? STEP_WRITE : STEP_READ;
		sg.iova = (write ? dev->dst : dev->src) + dev->done;
		status = rte_vfio_user_server_dma_submit(srv, write, &sg, 1, copy_next, dev);
		if (status == 0)
			return;
	}
	dev->step = STEP_NONE;
	if (status == 0)
		REG(dev, REG_DMA_COPIES)++;
	else
		REG(dev, REG_DMA_ERRNO) = -status;
	REG(dev, REG_STATUS) = status == 0 ? STATUS_DONE : STATUS_ERROR;
	irq_update(dev, status == 0 ? CAUSE_DMA_DONE : CAUSE_DMA_ERROR);
}

/* In the main loop, after the write to the doorbell was answered. */
static void
copy_start(struct demo *dev)
{
	dev->stop = false;
	dev->done = 0;
	copy_next(dev->srv, dev->len <= DMA_MAX_LEN ? 0 : -EINVAL, dev);
}

/* Write one byte of a register. A register acts with its low byte. */
static void
reg_write(struct demo *dev, uint32_t off, uint8_t byte)
{
	uint32_t reg = off & ~3u, shift = off % 4 * 8, val = (uint32_t)byte << shift;

	if (reg == REG_SCRATCH || (reg >= REG_DMA_SRC && reg <= REG_DMA_LEN)) {
		REG(dev, reg) = (REG(dev, reg) & ~(0xffu << shift)) | val;
	} else if (reg == REG_DOORBELL && (val & 1) && REG(dev, REG_STATUS) != STATUS_BUSY) {
		REG(dev, REG_STATUS) = STATUS_BUSY;
		dev->src = REG64(dev, REG_DMA_SRC);
		dev->dst = REG64(dev, REG_DMA_DST);
		dev->len = REG(dev, REG_DMA_LEN);
	} else if (reg == REG_IRQ_CAUSE) {
		REG(dev, reg) &= ~val;
		irq_update(dev, 0);
	} else if (reg == REG_IRQ_RAISE) {
		irq_update(dev, val & CAUSE_ALL);
	}
}

static ssize_t
bar0_access(struct rte_vfio_user_server *srv __rte_unused,
	    const struct rte_vfio_user_region_access *acc, void *priv)
{
	struct demo *dev = priv;
	uint8_t *data = acc->data;
	uint32_t i, off;

	for (i = 0; i < acc->count; i++) {
		off = acc->offset + i;
		if (!acc->is_write)
			data[i] = off < REG_END ? REG(dev, off) >> (off % 4 * 8) : 0;
		else if (off < REG_END)
			reg_write(dev, off, data[i]);
	}
	return acc->count;
}

/* The same for every reason; a copy is given up. */
static int
device_reset(struct rte_vfio_user_server *srv __rte_unused,
	     enum rte_vfio_user_reset reason __rte_unused, void *priv)
{
	struct demo *dev = priv;

	dev->stop = true;
	memset(dev->regs, 0, sizeof(dev->regs));
	REG(dev, REG_ID) = 0x56465544;
	REG(dev, REG_VERSION) = 1;
	rte_vfio_user_pci_reset(dev->pci);
	return 0;
}

static void
irq_changed(struct rte_vfio_user_server *srv __rte_unused, uint32_t index __rte_unused,
	    uint32_t start __rte_unused, uint32_t count __rte_unused, void *priv)
{
	irq_update(priv, 0); /* MSI-X may have come or gone */
}

/* BAR1 and BAR2 are plain memory: the library serves what is not mapped. */
static int
bars_set(struct demo *dev)
{
	const struct rte_vfio_user_mmap_area area = { PAGE, BAR2_SIZE - PAGE, .fd = -1 };
	const uint32_t rw = RTE_VFIO_USER_REGION_F_RW;
	struct rte_vfio_user_region_conf bars[] = {
		{ .size = PAGE, .flags = rw, .cb = bar0_access, .priv = dev, .fd = -1 },
		{ .size = PAGE, .flags = rw, .base = dev->bar1, .fd = -1 },
		{ .size = BAR2_SIZE, .flags = rw, .areas = &area, .nb_areas = 1 },
	};
	int i, ret = 0, fd = memfd_create("bar2", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0 || ftruncate(fd, BAR2_SIZE) < 0 ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) < 0)
		return -errno;
	bars[2].fd = fd;
	bars[2].base = mmap(NULL, BAR2_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (bars[2].base == MAP_FAILED)
		return -errno;
	for (i = 0; i < 3 && ret == 0; i++) {
		ret = rte_vfio_user_server_region_set(dev->srv, i, &bars[i]);
		ret = ret < 0 ? ret : rte_vfio_user_pci_bar_set(dev->pci, i, bars[i].size,
				i == 2 ? RTE_VFIO_USER_PCI_BAR_PREFETCH : 0);
	}
	close(fd); /* the library has a duplicate */
	return ret;
}

static int
device_set(struct demo *dev)
{
	const struct rte_vfio_user_server_ops ops = {
		.reset = device_reset, .irq_changed = irq_changed,
	};
	const struct rte_vfio_user_pci_id id = {
		.vendor_id = 0x1234, .device_id = 0x5646, .subsystem_vendor_id = 0x1234,
		.subsystem_id = 1, .class_code = 0x088000, .revision_id = 1, .intx_pin = 1,
	};
	const struct rte_vfio_user_pci_msix msix = {
		.vectors = MSIX_COUNT, .table_bar = 1, .pba_bar = 1, .pba_offset = 0x800,
	};
	int ret;

	dev->pci = rte_vfio_user_pci_create(dev->srv, &id);
	dev->reader = rte_vfio_user_server_dma_reader_create(dev->srv);
	if (dev->pci == NULL || dev->reader == NULL)
		return -rte_errno;
	ret = bars_set(dev);
	ret = ret < 0 ? ret : rte_vfio_user_pci_cap_pm_add(dev->pci);
	ret = ret < 0 ? ret : rte_vfio_user_pci_cap_express_add(dev->pci);
	ret = ret < 0 ? ret : rte_vfio_user_pci_cap_msix_add(dev->pci, &msix);
	ret = ret < 0 ? ret : rte_vfio_user_server_irq_set(dev->srv, VFIO_PCI_INTX_IRQ_INDEX, 1,
		VFIO_IRQ_INFO_EVENTFD | VFIO_IRQ_INFO_MASKABLE | VFIO_IRQ_INFO_AUTOMASKED);
	ret = ret < 0 ? ret : rte_vfio_user_server_irq_set(dev->srv, VFIO_PCI_MSIX_IRQ_INDEX,
		MSIX_COUNT, VFIO_IRQ_INFO_EVENTFD);
	return ret < 0 ? ret : rte_vfio_user_server_ops_set(dev->srv, &ops, dev);
}

static int
serve(struct demo *dev, int signal_fd)
{
	struct pollfd fds[] = {
		{ .fd = rte_vfio_user_server_fd(dev->srv), .events = POLLIN },
		{ .fd = signal_fd, .events = POLLIN },
	};
	int ret = signal_fd < 0 ? -errno : device_reset(dev->srv, RTE_VFIO_USER_RESET_DEVICE, dev);

	while (ret >= 0 && fds[1].revents == 0) {
		ret = poll(fds, 2, -1) < 0 ? -errno : rte_vfio_user_server_poll(dev->srv);
		if (REG(dev, REG_STATUS) == STATUS_BUSY && dev->step == STEP_NONE)
			copy_start(dev);
	}
	return ret;
}

int
main(int argc, char **argv)
{
	struct rte_vfio_user_server_conf conf;
	static struct demo dev;
	sigset_t signals;
	int opt, ret;

	rte_vfio_user_server_conf_init(&conf);
	while ((opt = getopt(argc, argv, "v")) == 'v')
		rte_log_set_level_pattern("lib.vfio_user*", RTE_LOG_DEBUG);
	if (opt != -1 || optind + 1 != argc) {
		fprintf(stderr, "usage: vfio_user_demo [-v] SOCK\n");
		return 2;
	}
	conf.sock_path = argv[optind];
	sigemptyset(&signals);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	sigprocmask(SIG_BLOCK, &signals, NULL); /* they come by signalfd() */

	dev.srv = rte_vfio_user_server_create(&conf);
	ret = dev.srv == NULL ? -rte_errno : device_set(&dev);
	ret = ret < 0 ? ret : rte_vfio_user_server_start(dev.srv);
	if (ret == 0) {
		printf("vfio_user_demo: listening on %s\n", conf.sock_path);
		fflush(stdout);
		ret = serve(&dev, signalfd(-1, &signals, SFD_CLOEXEC));
	}
	if (ret < 0)
		fprintf(stderr, "vfio_user_demo: %s: %s\n", conf.sock_path, strerror(-ret));
	rte_vfio_user_server_dma_reader_destroy(dev.reader);
	rte_vfio_user_server_destroy(dev.srv);
	rte_vfio_user_pci_destroy(dev.pci);
	return ret < 0;
}
