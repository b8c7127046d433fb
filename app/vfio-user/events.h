/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#ifndef EVENTS_H
#define EVENTS_H

/**
 * @file
 * Waiting: for eventfds that the peer has, too, and with regard to signals
 */

#include <poll.h>
#include <stdint.h>

/** SIGINT and SIGTERM end a wait from now on, not the program; the second one does. */
void signals_catch(void);

/** The signal that has come, or 0. */
int signals_caught(void);

/** poll(2) that also fails with EINTR for a signal that came before. */
int events_poll(struct pollfd *fds, nfds_t nb, int timeout_ms);

/** A new eventfd; ends the program if there is none. */
int event_create(void);

/** What an eventfd has counted since; never blocks, 0 if nothing. */
uint64_t event_take(int fd);

/**
 * Milliseconds until a deadline, for poll(2).
 *
 * @param start
 *   When the wait began, of now_us().
 * @param timeout_ms
 *   How long it may last; 0: for ever.
 * @return
 *   0 when the time is over, -1 for ever.
 */
int time_left(double start, uint32_t timeout_ms);

#endif /* EVENTS_H */
