/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#include <errno.h>
#include <stdio.h>

#include <rte_cycles.h>
#include <rte_errno.h>
#include <rte_ethdev.h>

#include "pmd_port.h"

#define LINK_SECONDS 10

int
bench_pmd_port_start(uint16_t port, struct rte_mempool *pool, uint16_t ring,
		     uint64_t tx_offloads)
{
	struct rte_eth_conf conf = { .rxmode.mq_mode = RTE_ETH_MQ_RX_NONE };
	struct rte_eth_dev_info info;
	int ret;

	ret = rte_eth_dev_info_get(port, &info);
	if (ret == 0) {
		conf.txmode.offloads = tx_offloads & info.tx_offload_capa;
		ret = rte_eth_dev_configure(port, 1, 1, &conf);
	}
	if (ret == 0)
		ret = rte_eth_rx_queue_setup(port, 0, ring, SOCKET_ID_ANY, NULL, pool);
	if (ret == 0)
		ret = rte_eth_tx_queue_setup(port, 0, ring, SOCKET_ID_ANY, NULL);
	if (ret == 0)
		ret = rte_eth_dev_start(port);
	/* what comes back has no address of ours */
	if (ret == 0)
		ret = rte_eth_promiscuous_enable(port);
	if (ret == -ENOTSUP)
		ret = 0; /* a port without filters */
	if (ret < 0)
		fprintf(stderr, "port %u: %s\n", port, rte_strerror(-ret));
	return ret;
}

bool
bench_pmd_link_wait(uint16_t port)
{
	struct rte_eth_link link;
	unsigned int i;

	for (i = 0; i < LINK_SECONDS * 100; i++) {
		if (rte_eth_link_get_nowait(port, &link) == 0 &&
		    link.link_status == RTE_ETH_LINK_UP)
			return true;
		rte_delay_us_sleep(10000);
	}
	fprintf(stderr, "port %u: no link\n", port);
	return false;
}
