/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <linux/vfio.h>

#include <rte_common.h>
#include <rte_errno.h>

#include "test.h"
#include "test_vfio_user_pci.h"

const struct rte_vfio_user_pci_id pci_test_id = {
	.vendor_id = 0x1234,
	.device_id = 0x5646,
	.subsystem_vendor_id = 0x1af4,
	.subsystem_id = 0x0102,
	.class_code = 0x088001,
	.revision_id = 0x23,
	.intx_pin = 1,
};

struct rte_vfio_user_server *srv;
struct rte_vfio_user_pci *pci;
static char dir[32];

int
pci_setup(void)
{
	struct rte_vfio_user_server_conf conf;
	char sock_path[64];

	strcpy(dir, "/tmp/vfio_user_pci_test.XXXXXX");
	TEST_ASSERT_NOT_NULL(mkdtemp(dir), "no temporary folder: %s", strerror(errno));
	snprintf(sock_path, sizeof(sock_path), "%s/sock", dir);
	rte_vfio_user_server_conf_init(&conf);
	conf.sock_path = sock_path;
	srv = rte_vfio_user_server_create(&conf);
	TEST_ASSERT_NOT_NULL(srv, "no server: %s", rte_strerror(rte_errno));
	pci = rte_vfio_user_pci_create(srv, &pci_test_id);
	TEST_ASSERT_NOT_NULL(pci, "no config space: %s", rte_strerror(rte_errno));
	return TEST_SUCCESS;
}

void
pci_teardown(void)
{
	rte_vfio_user_server_destroy(srv);
	rte_vfio_user_pci_destroy(pci);
	srv = NULL;
	pci = NULL;
	rmdir(dir);
}

int
bar_add(uint32_t bar, uint64_t size, uint32_t flags)
{
	const struct rte_vfio_user_region_conf region = {
		.size = size, .flags = RTE_VFIO_USER_REGION_F_RW, .fd = -1,
	};

	return rte_vfio_user_pci_bar_add(pci, bar, flags, &region);
}

void
cfg_access(bool is_write, uint32_t off, void *data, uint32_t count)
{
	const struct rte_vfio_user_region_access acc = {
		.region = VFIO_PCI_CONFIG_REGION_INDEX,
		.is_write = is_write,
		.offset = off,
		.count = count,
		.data = data,
	};
	ssize_t ret = vfio_user_pci_config_access(pci, &acc);

	if (ret != (ssize_t)count)
		printf("access of %u bytes at 0x%x: %zd\n", count, off, ret);
}

uint32_t
cfg_read(uint32_t off, uint32_t len)
{
	uint64_t val = 0;

	cfg_access(false, off, &val, len);
	return val;
}

void
cfg_write(uint32_t off, uint32_t len, uint32_t val)
{
	uint64_t data = val;

	cfg_access(true, off, &data, len);
}
