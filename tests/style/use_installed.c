/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

/* A program outside of the tree, as small as it can be while it calls both
 * sides of the library: a configuration without a socket must be refused.
 */

#include <stdio.h>

#include <rte_errno.h>
#include <rte_vfio_user_client.h>
#include <rte_vfio_user_server.h>

int
main(void)
{
	struct rte_vfio_user_server_conf sconf;
	struct rte_vfio_user_client_conf cconf;

	rte_vfio_user_server_conf_init(&sconf);
	if (rte_vfio_user_server_create(&sconf) != NULL || rte_errno != EINVAL) {
		fprintf(stderr, "server: not refused, rte_errno %d\n", rte_errno);
		return 1;
	}
	rte_vfio_user_client_conf_init(&cconf);
	if (rte_vfio_user_client_create(&cconf) != NULL || rte_errno != EINVAL) {
		fprintf(stderr, "client: not refused, rte_errno %d\n", rte_errno);
		return 1;
	}
	return 0;
}
