/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <linux/pci_regs.h>

#include "vmdev.h"

#define IRQ_TIMEOUT 5000 /* milliseconds */
#define NO_IRQ_WAIT 200	 /* long enough to see an interrupt that must not come */

void
fail(int err, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	fputs("vmdev: ", stderr);
	vfprintf(stderr, format, ap);
	va_end(ap);
	if (err != 0)
		fprintf(stderr, ": %s", strerror(err));
	fputc('\n', stderr);
	exit(1);
}

double
now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec * 1e-9;
}

static size_t
number(const char *text)
{
	char *end;
	unsigned long long value = strtoull(text, &end, 0);

	if (end == text || *end != '\0')
		fail(0, "not a number: %s", text);
	return value;
}

/* read ADDRESS BAR OFFSET: one 32-bit access. */
static void
cmd_read(char **args)
{
	struct pci_dev dev;

	pci_open(&dev, args[0]);
	printf("0x%08x\n",
	       reg_read(pci_map_word(&dev, number(args[1]), number(args[2])), 0));
}

/* write ADDRESS BAR OFFSET VALUE: one 32-bit access. */
static void
cmd_write(char **args)
{
	struct pci_dev dev;

	pci_open(&dev, args[0]);
	reg_write(pci_map_word(&dev, number(args[1]), number(args[2])), 0,
		  number(args[3]));
}

/* in ADDRESS BAR OFFSET LENGTH: one access to an I/O BAR. */
static void
cmd_in(char **args)
{
	struct pci_dev dev;

	pci_open(&dev, args[0]);
	printf("0x%x\n", pci_in(&dev, number(args[1]), number(args[2]), number(args[3])));
}

/* out ADDRESS BAR OFFSET LENGTH VALUE: one access to an I/O BAR. */
static void
cmd_out(char **args)
{
	struct pci_dev dev;

	pci_open(&dev, args[0]);
	pci_out(&dev, number(args[1]), number(args[2]), number(args[3]), number(args[4]));
}

/* pattern ADDRESS BAR OFFSET LENGTH: memory must keep what was written. */
static void
cmd_pattern(char **args)
{
	size_t offset = number(args[2]), len = number(args[3]), size, i;
	struct pci_dev dev;
	volatile void *bar;
	uint32_t *words;

	pci_open(&dev, args[0]);
	bar = pci_map_bar(&dev, number(args[1]), &size);
	if (offset > size || len > size - offset)
		fail(0, "the BAR has only %zu bytes", size);
	words = malloc(len);
	if (words == NULL)
		fail(errno, "no memory");
	dma_fill(words, len);
	for (i = 0; i < len; i += 4)
		reg_write(bar, offset + i, words[i / 4]);
	for (i = 0; i < len; i += 4)
		if (reg_read(bar, offset + i) != words[i / 4])
			fail(0, "offset 0x%zx: 0x%08x instead of 0x%08x", offset + i,
			     reg_read(bar, offset + i), words[i / 4]);
	printf("pattern: %zu bytes at 0x%zx hold\n", len, offset);
	free(words);
}

/* dma ADDRESS LENGTH: one copy by the device, verified. */
static void
cmd_dma(char **args)
{
	size_t len = number(args[1]);
	char *src = dma_alloc(len), *dst = dma_alloc(len);
	struct pci_dev dev;
	volatile void *regs;
	double seconds;
	int err;

	pci_open(&dev, args[0]);
	regs = pci_map_bar(&dev, 0, NULL);
	dma_fill(src, len);
	seconds = -now();
	err = dma_copy(regs, dma_phys(dst), dma_phys(src), len);
	seconds += now();
	if (err != 0)
		fail(err, "DMA copy of %zu bytes failed", len);
	dma_compare(dst, src, len);
	printf("dma: %zu bytes in %.3f s, %.1f MB/s, checksum %016llx\n", len,
	       seconds, len / seconds / 1e6,
	       (unsigned long long)dma_checksum(dst, len));
}

static void
set_intx(const struct pci_dev *dev, int on)
{
	uint16_t command = pci_read16(dev, PCI_COMMAND);

	if (on)
		command &= ~PCI_COMMAND_INTX_DISABLE;
	else
		command |= PCI_COMMAND_INTX_DISABLE;
	pci_write16(dev, PCI_COMMAND, command);
}

static void
expect_intx_status(const struct pci_dev *dev, int on)
{
	int is_on = (pci_read16(dev, PCI_STATUS) & PCI_STATUS_INTERRUPT) != 0;

	if (is_on != on)
		fail(0, "the Interrupt Status bit is %d instead of %d", is_on, on);
}

static int
wait_irq(int fd, int timeout)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	uint32_t count;

	if (poll(&pfd, 1, timeout) <= 0)
		return 0;
	if (read(fd, &count, sizeof(count)) != sizeof(count))
		fail(errno, "cannot read the interrupt count");
	return 1;
}

/* The kernel's driver masks INTx at each interrupt; opening it again is ours. */
static void
one_intx(const struct pci_dev *dev, volatile void *regs, int fd, uint32_t cause)
{
	reg_write(regs, REG_IRQ_RAISE, cause);
	if (!wait_irq(fd, IRQ_TIMEOUT))
		fail(0, "no interrupt came in %d ms", IRQ_TIMEOUT);
	if (reg_read(regs, REG_IRQ_CAUSE) != cause)
		fail(0, "IRQ_CAUSE is 0x%x instead of 0x%x",
		     reg_read(regs, REG_IRQ_CAUSE), cause);
	if ((pci_read16(dev, PCI_COMMAND) & PCI_COMMAND_INTX_DISABLE) == 0)
		fail(0, "the interrupt was not masked by the kernel");
	expect_intx_status(dev, 1);
	reg_write(regs, REG_IRQ_CAUSE, cause);
	expect_intx_status(dev, 0);
	set_intx(dev, 1);
}

/* INTx Disable holds an interrupt back; clearing it lets it through. */
static void
masked_intx(const struct pci_dev *dev, volatile void *regs, int fd)
{
	set_intx(dev, 0);
	reg_write(regs, REG_IRQ_RAISE, CAUSE_SOFTWARE);
	expect_intx_status(dev, 1);
	if (wait_irq(fd, NO_IRQ_WAIT))
		fail(0, "an interrupt came though INTx is disabled");
	set_intx(dev, 1);
	if (!wait_irq(fd, IRQ_TIMEOUT))
		fail(0, "no interrupt came when INTx was enabled");
	reg_write(regs, REG_IRQ_CAUSE, CAUSE_SOFTWARE);
}

/* intx ADDRESS UIO_DEVICE COUNT: interrupts through uio_pci_generic. */
static void
cmd_intx(char **args)
{
	size_t count = number(args[2]), i;
	struct pci_dev dev;
	volatile void *regs;
	int fd = open(args[1], O_RDWR | O_CLOEXEC);

	if (fd < 0)
		fail(errno, "cannot open %s", args[1]);
	pci_open(&dev, args[0]);
	regs = pci_map_bar(&dev, 0, NULL);
	reg_write(regs, REG_IRQ_CAUSE, ~0u);
	set_intx(&dev, 1);
	for (i = 0; i < count; i++)
		one_intx(&dev, regs, fd, i % 2 ? CAUSE_SOFTWARE : CAUSE_DMA_DONE);
	masked_intx(&dev, regs, fd);
	printf("intx: %zu interrupts\n", count + 1);
}

static void
cmd_vfio(char **args)
{
	vfio_test(args[0]);
}

/* msi ADDRESS BAR DOORBELL: MSI through vfio-pci. */
static void
cmd_msi(char **args)
{
	vfio_test_msi(args[0], number(args[1]), number(args[2]));
}

static const struct {
	const char *name;
	int args;
	void (*run)(char **args);
} commands[] = {
	{ "read", 3, cmd_read },
	{ "write", 4, cmd_write },
	{ "pattern", 4, cmd_pattern },
	{ "dma", 2, cmd_dma },
	{ "intx", 3, cmd_intx },
	{ "in", 4, cmd_in },
	{ "out", 5, cmd_out },
	{ "vfio", 1, cmd_vfio },
	{ "msi", 3, cmd_msi },
};

int
main(int argc, char **argv)
{
	size_t i;

	for (i = 0; argc > 1 && i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (strcmp(argv[1], commands[i].name) == 0 &&
		    argc == commands[i].args + 2) {
			commands[i].run(argv + 2);
			return 0;
		}
	}
	fail(0, "usage: vmdev read|write|pattern|dma|intx|in|out|vfio|msi ADDRESS ...");
}
