/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

/* A driver for the device of examples/first_device: has it shout a text. */

#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/vfio.h>

#include <rte_errno.h>

#include <rte_vfio_user_client.h>

#define MEMORY_SIZE 4096
#define MEMORY_IOVA 0x10000 /* where the device finds it */

/* Registers of BAR0. */
enum { REG_ADDRESS = 0, REG_LEN = 8, REG_GO = 12, REG_ERROR = 16 };

/* [drive] */
static int
drive(struct rte_vfio_user_client *client, int memory_fd, int irq_fd, uint32_t len)
{
	const struct rte_vfio_user_dma_map map = {
		.iova = MEMORY_IOVA, .size = MEMORY_SIZE,
		.prot = PROT_READ | PROT_WRITE, .fd = memory_fd,
	};
	const uint64_t address = MEMORY_IOVA;
	const uint32_t go = 1;
	uint32_t error;
	ssize_t ret;

	ret = rte_vfio_user_client_dma_map(client, &map, 1);
	if (ret == 0)
		ret = rte_vfio_user_client_irq_assign(client, VFIO_PCI_MSIX_IRQ_INDEX, 0, 1,
						      &irq_fd);
	if (ret == 0)
		ret = rte_vfio_user_client_region_write(client, 0, REG_ADDRESS, &address, 8);
	if (ret >= 0)
		ret = rte_vfio_user_client_region_write(client, 0, REG_LEN, &len, 4);
	if (ret >= 0)
		ret = rte_vfio_user_client_region_write(client, 0, REG_GO, &go, 4);
	if (ret < 0)
		return ret;
	if (poll(&(struct pollfd){ irq_fd, POLLIN, 0 }, 1, 5000) != 1)
		return -ETIMEDOUT; /* no interrupt */
	ret = rte_vfio_user_client_region_read(client, 0, REG_ERROR, &error, 4);
	return ret < 0 ? ret : -(int)error;
}
/* [drive end] */

int
main(int argc, char **argv)
{
	struct rte_vfio_user_client_conf conf;
	struct rte_vfio_user_client *client;
	int memory_fd, irq_fd, ret;
	char *text;

	if (argc != 3 || strlen(argv[2]) >= MEMORY_SIZE) {
		fprintf(stderr, "usage: first_driver SOCK TEXT\n");
		return 2;
	}
	memory_fd = memfd_create("text", MFD_CLOEXEC);
	irq_fd = eventfd(0, EFD_CLOEXEC);
	if (memory_fd < 0 || irq_fd < 0 || ftruncate(memory_fd, MEMORY_SIZE) < 0)
		return 1;
	text = mmap(NULL, MEMORY_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, memory_fd, 0);
	if (text == MAP_FAILED)
		return 1;
	strcpy(text, argv[2]);

	rte_vfio_user_client_conf_init(&conf);
	conf.sock_path = argv[1];
	client = rte_vfio_user_client_create(&conf);
	ret = client == NULL ? -rte_errno : drive(client, memory_fd, irq_fd, strlen(text));
	if (ret < 0)
		fprintf(stderr, "first_driver: %s: %s\n", argv[1], strerror(-ret));
	else
		printf("%s\n", text);
	rte_vfio_user_client_destroy(client);
	return ret < 0 ? 1 : 0;
}
