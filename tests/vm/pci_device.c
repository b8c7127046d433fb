/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

/*
 * pci_device serve NAME SOCKET: serve one of the devices of pci_devices.c.
 * pci_device golden NAME: print what lspci must show of it.
 * pci_device rom: print the image in the expansion ROM of those that have one.
 *
 * Each 32-bit word of a BAR reads as its number, but for the one that was written
 * last. A write to the doorbell triggers that vector, or the device's errors.
 */

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include <linux/pci_regs.h>

#include <rte_byteorder.h>
#include <rte_errno.h>

#include "pci_devices.h"

#define DOORBELL_WORD 4
#define DOORBELL_ERRORS 0x100

struct bar {
	uint64_t word; /* that was written last */
	uint32_t value; /* of it */
};

struct device {
	const struct pci_device *model;
	struct rte_vfio_user_server *srv;
	struct rte_vfio_user_pci *pci;
	struct bar bars[PCI_STD_NUM_BARS];
};

static uint8_t
byte_read(const struct bar *bar, uint64_t offset)
{
	uint64_t word = offset / 4;

	return (word == bar->word ? bar->value : word) >> offset % 4 * 8;
}

static void
byte_write(struct bar *bar, uint64_t offset, uint8_t value)
{
	uint64_t word = offset / 4;
	uint32_t shift = offset % 4 * 8;

	if (word != bar->word)
		*bar = (struct bar){ .word = word, .value = word };
	bar->value = (bar->value & ~(0xffu << shift)) | (uint32_t)value << shift;
}

static void
ring(struct device *dev, uint32_t value)
{
	int ret = 0;

	if (value < DOORBELL_ERRORS)
		ret = rte_vfio_user_pci_irq_trigger(dev->pci, value);
	else if (dev->model->report_errors != NULL)
		ret = dev->model->report_errors(dev->pci);
	if (ret < 0)
		fprintf(stderr, "%s: doorbell 0x%x: %s\n", dev->model->name, value,
			strerror(-ret));
}

static ssize_t
bar_access(struct rte_vfio_user_server *srv, const struct rte_vfio_user_region_access *acc,
	   void *priv)
{
	struct device *dev = priv;
	struct bar *bar = &dev->bars[acc->region];
	uint8_t *data = acc->data;
	uint32_t i;

	RTE_SET_USED(srv);
	for (i = 0; i < acc->count; i++) {
		if (acc->is_write)
			byte_write(bar, acc->offset + i, data[i]);
		else
			data[i] = byte_read(bar, acc->offset + i);
	}
	if (acc->is_write && acc->offset / 4 == DOORBELL_WORD)
		ring(dev, bar->value);
	return acc->count;
}

static int
on_reset(struct rte_vfio_user_server *srv, enum rte_vfio_user_reset reason, void *priv)
{
	struct device *dev = priv;

	RTE_SET_USED(srv);
	memset(dev->bars, 0, sizeof(dev->bars));
	rte_vfio_user_pci_reset(dev->pci, reason);
	return 0;
}

static int
declare(struct device *dev)
{
	const struct rte_vfio_user_server_ops ops = { .reset = on_reset };
	const struct rte_vfio_user_region_conf bar = {
		.flags = RTE_VFIO_USER_REGION_F_RW, .fd = -1, .cb = bar_access, .priv = dev,
	};

	dev->pci = rte_vfio_user_pci_create(dev->srv, &dev->model->id);
	if (dev->pci == NULL)
		return -rte_errno;
	if (dev->model->declare(dev->pci, &bar) != 0)
		return -EINVAL;
	return rte_vfio_user_server_ops_set(dev->srv, &ops, dev);
}

static int
serve(const struct pci_device *model, const char *path)
{
	struct device dev = { .model = model };
	struct rte_vfio_user_server_conf conf;
	int ret;

	rte_vfio_user_server_conf_init(&conf);
	conf.sock_path = path;
	dev.srv = rte_vfio_user_server_create(&conf);
	ret = dev.srv == NULL ? -rte_errno : declare(&dev);
	if (ret == 0)
		ret = rte_vfio_user_server_start(dev.srv);
	if (ret == 0)
		printf("%s: listening on %s\n", model->name, path);
	fflush(stdout);
	while (ret >= 0) {
		poll(&(struct pollfd){ rte_vfio_user_server_fd(dev.srv), POLLIN, 0 }, 1, -1);
		ret = rte_vfio_user_server_poll(dev.srv);
	}
	fprintf(stderr, "%s: %s: %s\n", model->name, path, strerror(-ret));
	rte_vfio_user_server_destroy(dev.srv);
	rte_vfio_user_pci_destroy(dev.pci);
	return 1;
}

static int
print_rom(void)
{
	uint32_t size;
	const void *image = pci_device_rom(&size);

	return fwrite(image, size, 1, stdout) == 1 ? 0 : 1;
}

int
main(int argc, char **argv)
{
	const struct pci_device *model = argc > 2 ? pci_device_find(argv[2]) : NULL;

	if (argc == 4 && strcmp(argv[1], "serve") == 0 && model != NULL)
		return serve(model, argv[3]);
	if (argc == 3 && strcmp(argv[1], "golden") == 0 && model != NULL)
		return fputs(model->golden, stdout) < 0;
	if (argc == 2 && strcmp(argv[1], "rom") == 0)
		return print_rom();
	fprintf(stderr, "usage: pci_device serve NAME SOCKET | golden NAME | rom\n");
	return 2;
}
