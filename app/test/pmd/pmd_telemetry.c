/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <rte_eal.h>

#include "pmd_telemetry.h"

#define MAX_ANSWER 65536

char pmd_answer[MAX_ANSWER];

int
pmd_ask(const char *what)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	ssize_t len;

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/dpdk_telemetry.v2",
		 rte_eal_get_runtime_dir());
	TEST_ASSERT_SUCCESS(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), "%s",
			    addr.sun_path);
	TEST_ASSERT(recv(fd, pmd_answer, MAX_ANSWER, 0) > 0, "greeting");
	TEST_ASSERT(send(fd, what, strlen(what), 0) == (ssize_t)strlen(what), "send");
	len = recv(fd, pmd_answer, MAX_ANSWER - 1, 0);
	close(fd);
	TEST_ASSERT(len > 0, "%s: no answer", what);
	pmd_answer[len] = '\0';
	return TEST_SUCCESS;
}
