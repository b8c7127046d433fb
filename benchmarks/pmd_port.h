/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#ifndef BENCH_PMD_PORT_H
#define BENCH_PMD_PORT_H

/**
 * @file
 * A port of one queue pair, as the programs of pmd.py have it
 */

#include <stdbool.h>
#include <stdint.h>

#include <rte_mempool.h>

/**
 * Configure and start a port; promiscuous, as testpmd's, if it has filters.
 *
 * @param tx_offloads
 *   Those of them that the port has are used.
 * @return
 *   0 or a negative errno, and a message.
 */
int bench_pmd_port_start(uint16_t port, struct rte_mempool *pool, uint16_t ring,
			 uint64_t tx_offloads);
/** Wait for the link; false, and a message: it does not come up. */
bool bench_pmd_link_wait(uint16_t port);

#endif /* BENCH_PMD_PORT_H */
