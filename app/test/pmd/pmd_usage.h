/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#ifndef PMD_USAGE_H
#define PMD_USAGE_H

/**
 * @file
 * What this process has of the system: a test that repeats something looks at it after
 * the first rounds, when all that stays is there, and at the end
 */

#include <stdint.h>

struct pmd_usage {
	int fds; /**< open ones */
	int mappings; /**< of memory */
	int threads;
	uint64_t resident; /**< bytes */
	uint64_t heap; /**< bytes allocated of EAL's memory */
};

void usage_get(struct pmd_usage *usage);

/**
 * Whether there is no more now than there was: no file descriptor and no thread, no
 * byte of EAL's memory, and of what the C library keeps, or not, as much as it likes.
 */
int usage_check(const struct pmd_usage *before);

#endif /* PMD_USAGE_H */
