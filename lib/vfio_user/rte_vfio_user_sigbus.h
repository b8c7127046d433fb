/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#ifndef RTE_VFIO_USER_SIGBUS_H
#define RTE_VFIO_USER_SIGBUS_H

/**
 * @file
 * vfio-user: survive a peer that truncates the memory it shares
 *
 * Whoever holds a file descriptor of a file can truncate it, and who touches a
 * mapping behind the end of its file gets SIGBUS. A hostile client could thus
 * kill a server by its DMA memory, and a server a client by a mapped region.
 *
 * While enabled, a handler of SIGBUS looks whether the address lies in memory
 * that the library mapped from a peer's file. If so, it maps anonymous memory
 * of zeroes over that mapping, marks the connection as broken, and lets the
 * access go on. What is read and written there from then on means nothing:
 * - a server drops that client in its next rte_vfio_user_server_poll(), for
 *   which its file descriptor becomes readable; copies by the DMA functions
 *   return -EIO;
 * - a client loses its connection as if the server had gone.
 *
 * Other devices and connections are not affected. Every other SIGBUS goes to
 * the handler that was there before, as if the library's were not.
 *
 * A handler belongs to the process, which is why the application decides.
 * Threads that access memory of a peer must not block SIGBUS: the kernel kills
 * the process then. The EAL has a SIGBUS handler of its own while it allocates
 * hugepages; a fault in the memory of a peer meanwhile is not survived.
 */

#include <rte_compat.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * Survive truncated memory, from now on and for all devices and clients of the
 * process, also those that exist already. Calls are counted: only the first
 * installs the handler. Any thread.
 *
 * @return
 *   - 0 on success
 *   - -errno of sigaction(2)
 */
__rte_experimental
int
rte_vfio_user_sigbus_enable(void);

/**
 * Undo one rte_vfio_user_sigbus_enable(); the last one puts the previous
 * handler back. Any thread.
 *
 * @return
 *   - 0 on success
 *   - -EALREADY: it is not enabled
 *   - -EBUSY: somebody has installed another handler meanwhile, which may call
 *     the library's; nothing was changed
 *   - another -errno of sigaction(2)
 */
__rte_experimental
int
rte_vfio_user_sigbus_disable(void);

#ifdef __cplusplus
}
#endif

#endif /* RTE_VFIO_USER_SIGBUS_H */
