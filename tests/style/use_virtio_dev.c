/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

/* A program outside of the tree, as small as it can be while it calls the
 * library: a device without a server must be refused.
 */

#include <stdio.h>

#include <rte_errno.h>
#include <rte_virtio_dev.h>

int
main(void)
{
	struct rte_virtio_dev_conf conf;

	rte_virtio_dev_conf_init(&conf);
	if (rte_virtio_dev_create(&conf, NULL) != NULL || rte_errno != EINVAL) {
		fprintf(stderr, "not refused, rte_errno %d\n", rte_errno);
		return 1;
	}
	return 0;
}
