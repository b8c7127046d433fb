/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#include <signal.h>
#include <string.h>

#include <rte_common.h>

#include "vfio_user_thread.h"

int
vfio_user_thread_start(pthread_t *thread, const char *name, void *(*run)(void *arg),
		       void *arg)
{
	static const int faults[] = { SIGBUS, SIGSEGV, SIGFPE, SIGILL, SIGTRAP };
	sigset_t blocked, old;
	char buf[16];
	uint32_t i;
	int ret;

	sigfillset(&blocked);
	for (i = 0; i < RTE_DIM(faults); i++)
		sigdelset(&blocked, faults[i]);
	pthread_sigmask(SIG_SETMASK, &blocked, &old);
	ret = pthread_create(thread, NULL, run, arg);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (ret != 0)
		return -ret;
	strncpy(buf, name, sizeof(buf) - 1);
	buf[sizeof(buf) - 1] = '\0';
	pthread_setname_np(*thread, buf);
	return 0;
}
