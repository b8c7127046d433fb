/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

/* "Your First Device in 15 Minutes": turns text of the driver into upper case. */

#include <ctype.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include <linux/vfio.h>

#include <rte_errno.h>

#include <rte_vfio_user_pci.h>

/* [registers] */
struct registers { /* of BAR0, little-endian */
	uint64_t address; /* of the text, in the driver's memory */
	uint32_t len; /* bytes */
	uint32_t go; /* a write of 1 starts; 0: done */
	uint32_t error; /* errno of what was done last, or 0 */
};

struct shouter {
	struct rte_vfio_user_server *srv;
	struct rte_vfio_user_pci *pci;
	struct registers regs;
};
/* [registers end] */

/* [access] */
static ssize_t
bar0_access(struct rte_vfio_user_server *srv,
	    const struct rte_vfio_user_region_access *acc, void *priv)
{
	struct shouter *dev = priv;

	(void)srv;
	if (acc->offset + acc->count > sizeof(dev->regs))
		return -EINVAL;
	if (acc->is_write)
		memcpy((char *)&dev->regs + acc->offset, acc->data, acc->count);
	else
		memcpy(acc->data, (char *)&dev->regs + acc->offset, acc->count);
	return acc->count;
}
/* [access end] */

/* [shout] */
static void
shout(struct shouter *dev)
{
	char text[4096];
	int ret = -EMSGSIZE;
	uint32_t i;

	if (dev->regs.len <= sizeof(text))
		ret = rte_vfio_user_server_dma_read(dev->srv, dev->regs.address, text,
						    dev->regs.len);
	if (ret == 0) {
		for (i = 0; i < dev->regs.len; i++)
			text[i] = toupper((unsigned char)text[i]);
		ret = rte_vfio_user_server_dma_write(dev->srv, dev->regs.address, text,
						     dev->regs.len);
	}
	dev->regs.go = 0;
	dev->regs.error = -ret;
	rte_vfio_user_pci_irq_trigger(dev->pci, 0);
}
/* [shout end] */

/* [reset] */
static int
on_reset(struct rte_vfio_user_server *srv, enum rte_vfio_user_reset reason, void *priv)
{
	struct shouter *dev = priv;

	(void)srv;
	dev->regs = (struct registers){ 0 };
	rte_vfio_user_pci_reset(dev->pci, reason);
	return 0;
}
/* [reset end] */

/* [describe] */
static int
describe(struct shouter *dev)
{
	const struct rte_vfio_user_pci_id id = {
		.vendor_id = 0x1234, .device_id = 0xcafe, .class_code = 0xff0000,
	};
	const struct rte_vfio_user_region_conf bar0 = {
		.size = 4096, .flags = RTE_VFIO_USER_REGION_F_RW, .fd = -1,
		.cb = bar0_access, .priv = dev,
	};
	const struct rte_vfio_user_region_conf bar1 = { /* for MSI-X only */
		.size = 4096, .flags = RTE_VFIO_USER_REGION_F_RW, .fd = -1,
	};
	const struct rte_vfio_user_pci_msix msix = {
		.vectors = 1, .table_bar = 1, .pba_bar = 1, .pba_offset = 0x800,
	};
	const struct rte_vfio_user_server_ops ops = { .reset = on_reset };
	int ret;

	dev->pci = rte_vfio_user_pci_create(dev->srv, &id);
	if (dev->pci == NULL)
		return -rte_errno;
	ret = rte_vfio_user_pci_bar_add(dev->pci, 0, RTE_VFIO_USER_PCI_BAR_MEM32, &bar0);
	if (ret == 0)
		ret = rte_vfio_user_pci_bar_add(dev->pci, 1, RTE_VFIO_USER_PCI_BAR_MEM32, &bar1);
	if (ret == 0)
		ret = rte_vfio_user_pci_cap_express_add(dev->pci, 0, RTE_VFIO_USER_PCI_EXP_FLR);
	if (ret > 0)
		ret = rte_vfio_user_pci_cap_msix_add(dev->pci, 0, &msix);
	return ret < 0 ? ret : rte_vfio_user_server_ops_set(dev->srv, &ops, dev);
}
/* [describe end] */

/* [main] */
int
main(int argc, char **argv)
{
	struct rte_vfio_user_server_conf conf;
	struct shouter dev = { 0 };
	int ret;

	rte_vfio_user_server_conf_init(&conf);
	conf.sock_path = argc > 1 ? argv[1] : "first.sock";
	dev.srv = rte_vfio_user_server_create(&conf);
	ret = dev.srv == NULL ? -rte_errno : describe(&dev);
	if (ret == 0)
		ret = rte_vfio_user_server_start(dev.srv);
	if (ret == 0)
		printf("first_device: listening on %s\n", conf.sock_path);
	fflush(stdout);
	while (ret >= 0) {
		poll(&(struct pollfd){ rte_vfio_user_server_fd(dev.srv), POLLIN, 0 }, 1, -1);
		ret = rte_vfio_user_server_poll(dev.srv);
		if (dev.regs.go == 1)
			shout(&dev);
	}
	fprintf(stderr, "first_device: %s: %s\n", conf.sock_path, strerror(-ret));
	rte_vfio_user_server_destroy(dev.srv);
	rte_vfio_user_pci_destroy(dev.pci);
	return 1;
}
/* [main end] */
