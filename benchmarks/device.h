/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#ifndef DEVICE_H
#define DEVICE_H

/**
 * @file
 * The device of the benchmarks and its client, over a connected socket
 */

#include <stdint.h>

#include <rte_vfio_user_client.h>
#include <rte_vfio_user_server.h>

/** Size of region 0, whose accesses go to a callback. */
#define DEVICE_BAR_SIZE 4096u

/** Accesses that the callback of region 0 has seen. */
extern uint64_t device_accesses;

/** Describe and start a device that serves a connected socket, which is taken. */
struct rte_vfio_user_server *device_create(int fd);

/** The device of a peer process, whose body is called again and again. */
struct rte_vfio_user_server *device_once(int fd);

/** The same as device_create(), listening on a path. */
struct rte_vfio_user_server *device_listen(const char *path);

/** Connect a client to a socket, which is taken; the device is being polled. */
struct rte_vfio_user_client *device_client(int fd);

/** As device_client(), while this thread polls the device. */
struct rte_vfio_user_client *device_client_here(struct rte_vfio_user_server *srv,
						int fd);

/** Poll a device of a peer process while it shall run, asleep in between. */
void device_serve_asleep(struct rte_vfio_user_server *srv, const uint32_t *go);

/** Poll a device of a peer process while it shall run, without a rest. */
void device_serve_spinning(struct rte_vfio_user_server *srv, const uint32_t *go);

/** Read 4 bytes of region 0. */
void device_read(struct rte_vfio_user_client *client);

/** Start the same without waiting; counts *done up. */
void device_read_async(struct rte_vfio_user_client *client, uint32_t *done);

/** Nanoseconds of a device_read(), mean of some. */
double device_time_reads(struct rte_vfio_user_client *client, uint32_t rounds);

/** The same of a device_read_async() that is polled for. */
double device_time_polled_reads(struct rte_vfio_user_client *client, uint32_t rounds);

#endif /* DEVICE_H */
