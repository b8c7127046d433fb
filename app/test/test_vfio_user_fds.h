/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#ifndef TEST_VFIO_USER_FDS_H
#define TEST_VFIO_USER_FDS_H

/** Number of open file descriptors, to compare with another such count. */
int count_fds(void);

/** Number of memory mappings with this in their name. */
int count_mappings(const char *name);

/**
 * For a setup: there are as many as at the first call with this variable,
 * which starts as 0. A leak thus shows at the setup of the next case.
 */
int check_fds(int *first);

#endif /* TEST_VFIO_USER_FDS_H */
