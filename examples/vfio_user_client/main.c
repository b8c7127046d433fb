/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

/*
 * Drives the device of ../vfio_user_demo: shows what it is, then tests and
 * measures its registers, memory, DMA and interrupts.
 */

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <rte_common.h>
#include <rte_errno.h>
#include <rte_vfio_user_client.h>

#include "show.h"

#define PAGE 4096
#define MIB (1u << 20)
#define DMA_IOVA (UINT64_C(1) << 32)
#define ROUNDS 2000 /* of a latency measurement */
#define IRQ_TIMEOUT_MS 10000
#define DEMO_ID 0x56465544

/* Registers of the demo device in BAR0. */
enum {
	REG_ID = 0x00, REG_VERSION = 0x04, REG_SCRATCH = 0x08, REG_DMA_SRC = 0x10,
	REG_DMA_DST = 0x18, REG_DMA_LEN = 0x20, REG_DOORBELL = 0x24, REG_STATUS = 0x28,
	REG_IRQ_CAUSE = 0x2c, REG_IRQ_RAISE = 0x30, REG_DMA_ERRNO = 0x34,
};

enum { STATUS_DONE = 2, CAUSE_DMA_DONE = 1, CAUSE_SOFTWARE = 4 };
enum { MSIX_DMA, MSIX_SOFTWARE, MSIX_USED };

static struct rte_vfio_user_client *client;
static int irq_fds[MSIX_USED];

static void __rte_noreturn __rte_format_printf(1, 2)
fail(const char *format, ...)
{
	va_list ap;

	fflush(stdout);
	fputs("vfio_user_client: ", stderr);
	va_start(ap, format);
	vfprintf(stderr, format, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(EXIT_FAILURE);
}

static void
check(int ret, const char *what)
{
	if (ret < 0)
		fail("%s: %s", what, strerror(-ret));
}

static void
region_read(uint32_t index, uint64_t off, void *buf, size_t len)
{
	ssize_t ret = rte_vfio_user_client_region_read(client, index, off, buf, len);

	check(ret, "region read");
	if ((size_t)ret != len)
		fail("region %u: only %zd of %zu bytes read", index, ret, len);
}

static void
region_write(uint32_t index, uint64_t off, const void *buf, size_t len)
{
	ssize_t ret = rte_vfio_user_client_region_write(client, index, off, buf, len);

	check(ret, "region write");
	if ((size_t)ret != len)
		fail("region %u: only %zd of %zu bytes written", index, ret, len);
}

static uint32_t
reg_read(uint32_t reg)
{
	uint32_t val;

	region_read(VFIO_PCI_BAR0_REGION_INDEX, reg, &val, sizeof(val));
	return val;
}

static void
reg_write(uint32_t reg, uint64_t val, uint32_t len)
{
	region_write(VFIO_PCI_BAR0_REGION_INDEX, reg, &val, len);
}

static double
now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1e6 + ts.tv_nsec / 1e3; /* microseconds */
}

static void
test_registers(void)
{
	uint32_t len, val = 0xa1b2c3d4, expected = 0;

	show_heading("Registers");
	if (reg_read(REG_ID) != DEMO_ID)
		fail("not the demo device: its ID register is 0x%08x", reg_read(REG_ID));
	reg_write(REG_SCRATCH, 0, 4);
	for (len = 1; len <= 4; len *= 2) {
		reg_write(REG_SCRATCH, val, len);
		memcpy(&expected, &val, len);
		if (reg_read(REG_SCRATCH) != expected)
			fail("SCRATCH is 0x%08x instead of 0x%08x after a write of %u bytes",
			     reg_read(REG_SCRATCH), expected, len);
	}
	show("device version", "%u", reg_read(REG_VERSION));
	show("SCRATCH", "keeps writes of 1, 2 and 4 bytes");
}

/* What is written one way must be read the other way. */
static void
test_memory(void)
{
	const uint32_t bar = VFIO_PCI_BAR2_REGION_INDEX;
	uint8_t out[PAGE], in[PAGE];
	void *base, *va;
	uint32_t i;

	show_heading("Memory of BAR2");
	check(rte_vfio_user_client_region_mmap(client, bar, &base), "cannot map BAR2");
	va = rte_vfio_user_client_region_va(client, bar, PAGE, PAGE);
	if (va == NULL || rte_vfio_user_client_region_va(client, bar, 0, 1) != NULL)
		fail("BAR2 must be mappable but for its first page");
	for (i = 0; i < PAGE; i++)
		out[i] = i * 167 >> 4;
	memcpy(va, out, PAGE);
	region_read(bar, PAGE, in, PAGE);
	if (memcmp(in, out, PAGE) != 0)
		fail("a message does not read what the mapping wrote");
	for (i = 0; i < PAGE; i++)
		out[i] ^= 0xff;
	region_write(bar, PAGE, out, PAGE);
	if (memcmp(va, out, PAGE) != 0)
		fail("the mapping does not show what a message wrote");
	show("mapping and messages", "see the same bytes");
}

static void
irqs_assign(void)
{
	uint32_t i;

	for (i = 0; i < MSIX_USED; i++) {
		irq_fds[i] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
		check(irq_fds[i] < 0 ? -errno : 0, "eventfd");
	}
	check(rte_vfio_user_client_irq_assign(client, VFIO_PCI_MSIX_IRQ_INDEX, 0, MSIX_USED,
					      irq_fds), "cannot assign the interrupts");
}

/* Meanwhile the device may ask for our memory by messages: poll the client. */
static void
irq_wait(uint32_t vector)
{
	struct pollfd fds[] = {
		{ .fd = irq_fds[vector], .events = POLLIN },
		{ .fd = rte_vfio_user_client_fd(client), .events = POLLIN },
	};
	eventfd_t count;

	while (eventfd_read(irq_fds[vector], &count) < 0) {
		if (poll(fds, RTE_DIM(fds), IRQ_TIMEOUT_MS) <= 0)
			fail("no interrupt %u within %u ms", vector, IRQ_TIMEOUT_MS);
		if (fds[1].revents != 0)
			check(rte_vfio_user_client_poll(client), "connection");
	}
}

static void
dma_copy(uint64_t dst, uint64_t src, uint32_t len)
{
	reg_write(REG_DMA_SRC, src, 8);
	reg_write(REG_DMA_DST, dst, 8);
	reg_write(REG_DMA_LEN, len, 4);
	reg_write(REG_DOORBELL, 1, 4);
	irq_wait(MSIX_DMA);
	if (reg_read(REG_STATUS) != STATUS_DONE || reg_read(REG_IRQ_CAUSE) != CAUSE_DMA_DONE)
		fail("the device could not copy: %s", strerror(reg_read(REG_DMA_ERRNO)));
	reg_write(REG_IRQ_CAUSE, CAUSE_DMA_DONE, 4);
}

static uint64_t
checksum(const uint64_t *words, uint32_t len)
{
	uint64_t sum = UINT64_C(0xcbf29ce484222325); /* like FNV-1a, by words */
	uint32_t i;

	for (i = 0; i < len / sizeof(*words); i++)
		sum = (sum >> 32) ^ (sum ^ words[i]) * UINT64_C(0x100000001b3);
	return sum;
}

/* Have one half of a mapping copied to the other; fd -1: by messages only. */
static void
test_dma(const char *name, int fd, uint32_t len, uint32_t rounds)
{
	struct rte_vfio_user_dma_range range = { .iova = DMA_IOVA, .size = 2ull * len };
	struct rte_vfio_user_dma_map map = {
		.iova = range.iova, .size = range.size, .prot = PROT_READ | PROT_WRITE, .fd = fd,
	};
	uint64_t *mem, sum;
	double start;
	uint32_t i;

	mem = mmap(NULL, range.size, map.prot,
		   fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED, fd, 0);
	check(mem == MAP_FAILED ? -errno : 0, "cannot allocate DMA memory");
	for (i = 0; i < len / sizeof(*mem); i++)
		mem[i] = (i + len) * UINT64_C(0x9e3779b97f4a7c15);
	sum = checksum(mem, len);
	map.vaddr = mem;
	check(rte_vfio_user_client_dma_map(client, &map, 1), "cannot map DMA memory");
	start = now();
	for (i = 0; i < rounds; i++)
		dma_copy(DMA_IOVA + len, DMA_IOVA, len);
	show(name, "%2u MiB, %6.0f MiB/s, checksum %016" PRIx64, len / MIB,
	     (double)len / MIB * rounds / (now() - start) * 1e6, sum);
	check(rte_vfio_user_client_dma_unmap(client, &range, 1), "cannot unmap DMA memory");
	if (checksum(mem + len / sizeof(*mem), len) != sum)
		fail("the copy differs from its source");
	munmap(mem, range.size);
}

static void
measure_latency(void)
{
	static double irqs[ROUNDS], reads[ROUNDS];
	uint64_t cause = CAUSE_SOFTWARE;
	uint32_t i;

	show_heading("Latency");
	for (i = 0; i < ROUNDS; i++) {
		irqs[i] = now();
		check(rte_vfio_user_client_region_write_posted(client, VFIO_PCI_BAR0_REGION_INDEX,
				REG_IRQ_RAISE, &cause, 4), "posted write");
		check(rte_vfio_user_client_flush(client), "flush");
		irq_wait(MSIX_SOFTWARE);
		irqs[i] = now() - irqs[i];
		reg_write(REG_IRQ_CAUSE, CAUSE_SOFTWARE, 4);

		reads[i] = now();
		reg_read(REG_ID);
		reads[i] = now() - reads[i];
	}
	show_times("write to interrupt", irqs, ROUNDS);
	show_times("register read", reads, ROUNDS);
}

int
main(int argc, char **argv)
{
	struct rte_vfio_user_client_conf conf;
	int fd;

	if (argc != 2)
		fail("usage: vfio_user_client SOCK");
	rte_vfio_user_client_conf_init(&conf);
	conf.sock_path = argv[1];
	client = rte_vfio_user_client_create(&conf);
	check(client == NULL ? -rte_errno : 0, argv[1]);
	printf("Connected to %s\n", argv[1]);
	check(show_device(client), "cannot describe the device");
	test_registers();
	test_memory();

	irqs_assign();
	fd = memfd_create("dma", MFD_CLOEXEC);
	check(fd < 0 || ftruncate(fd, 32 * MIB) < 0 ? -errno : 0, "memfd");
	show_heading("DMA, verified");
	test_dma("shared memory", fd, 16 * MIB, 8);
	test_dma("messages", -1, MIB, 8);
	measure_latency();

	rte_vfio_user_client_destroy(client);
	printf("\nAll tests passed\n");
	return 0;
}
