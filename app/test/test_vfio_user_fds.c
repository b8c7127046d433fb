/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#include <dirent.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "test.h"
#include "test_vfio_user_fds.h"

int
count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int nb = 0;

	while (readdir(dir) != NULL)
		nb++;
	closedir(dir);
	return nb;
}

int
count_mappings(const char *name)
{
	FILE *maps = fopen("/proc/self/maps", "r");
	char line[512];
	int nb = 0;

	while (fgets(line, sizeof(line), maps) != NULL)
		nb += strstr(line, name) != NULL;
	fclose(maps);
	return nb;
}

int
check_fds(int *first)
{
	int now = count_fds();

	if (*first == 0)
		*first = now;
	TEST_ASSERT_EQUAL(now, *first, "%d file descriptors leaked before", now - *first);
	return TEST_SUCCESS;
}
