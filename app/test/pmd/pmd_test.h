/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#ifndef PMD_TEST_H
#define PMD_TEST_H

/**
 * @file
 * The EAL of this program, which has no devices but those that tests make
 */

#include <stdbool.h>
#include <sys/types.h>

#include <rte_mempool.h>

#include "test.h"
#include "test_short.h"

/** Mbufs of the pool. */
#define PMD_MBUFS 4095u

/** Pool of all mbufs. */
extern struct rte_mempool *pmd_pool;

/** A folder for sockets; it is gone at the end. */
extern char pmd_folder[64];

/**
 * For the setup of a suite: initialise the EAL, unless it is. It is cleaned up
 * when the program ends.
 */
int pmd_setup(void);

/** The same with huge pages, so that a secondary process can share them. */
int pmd_setup_primary(void);

/** Become a secondary process of one that called pmd_setup_primary(). */
int pmd_setup_secondary(pid_t primary);

/** Remove what the EAL of another process of this program left, that was killed. */
void pmd_remove_runtime(pid_t pid);

/** Mbufs that are not in the pool. */
unsigned int pmd_mbufs_used(void);

/** Whether the full counts are asked for (make test-long). */
bool pmd_long(void);

#endif /* PMD_TEST_H */
