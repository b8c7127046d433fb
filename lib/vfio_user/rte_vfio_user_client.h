/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#ifndef RTE_VFIO_USER_CLIENT_H
#define RTE_VFIO_USER_CLIENT_H

/**
 * @file
 * vfio-user client: drives a PCI device that another process provides
 *
 * One handle is one connection to one device:
 *
 *     rte_vfio_user_client_conf_init(&conf);
 *     conf.sock_path = "/run/dev.sock";
 *     c = rte_vfio_user_client_create(&conf);
 *     rte_vfio_user_client_device_info(c, &info);
 *     rte_vfio_user_client_dma_map(c, &map, 1);
 *     rte_vfio_user_client_region_write(c, 0, 0x10, &val, sizeof(val));
 *     rte_vfio_user_client_destroy(c);
 *
 * Threads. Every function may be called by several threads at a time, except
 * create and destroy. The library creates no thread: while a thread waits for
 * its reply it also receives those of the others and serves the DMA requests
 * of the server. An application whose threads are not always inside a call
 * polls rte_vfio_user_client_fd() and calls rte_vfio_user_client_poll(), so
 * that asynchronous accesses complete and the server's requests are served.
 *
 * A blocking call ends with a reply, after the request timeout
 * (-ETIMEDOUT), or when the connection breaks (-ENOTCONN); it never hangs.
 *
 * *Request errors* are those that each call with a request may return:
 * -ENOTCONN: the connection is gone; -ETIMEDOUT: no reply in time, the request
 * may have been done; -EPROTO: the reply is malformed; -EMFILE: file
 * descriptors that came with the reply could not be taken; -ENOMEM, -ENOBUFS:
 * there is no memory here, or the kernel has no room, to send the request, and
 * nothing was sent; or the errno that the server answered. The connection stays
 * but for -ENOTCONN.
 *
 * Reconnection. With reconnect_timeout_ms set, a lost connection is made
 * again: the client waits for a server on the same path, negotiates, checks
 * that the device has the same shape (flags, regions, mappable areas,
 * interrupts), and gives it the DMA mappings and the interrupt set-up that the
 * application has made. This is done step by step by rte_vfio_user_client_poll(),
 * which rte_vfio_user_client_fd() wakes, and by calls that find the connection
 * gone. Meanwhile:
 *
 * - map, unmap and interrupt set-up return 0 and are done when the server is
 *   back
 * - other calls return -ENOTCONN at once; with
 *   RTE_VFIO_USER_CLIENT_F_RETRY_READS reads and information queries wait
 * - mapped regions read as zero; what is written to them is lost. Their
 *   addresses stay valid at any moment.
 *
 * A write that was under way when the connection broke returns -ENOTCONN:
 * the device may or may not have done it. The state of the device itself is
 * whatever its new server makes of it; the application sets it up again, at
 * best in the state callback.
 *
 * Ownership. File descriptors passed to a function stay the caller's; they may
 * be closed when it has returned. File descriptors returned by a function are
 * the caller's to close. Memory given to the device stays the application's,
 * which unmaps it from the device before it uses it for something else: the end
 * of the connection alone does not stop a server before it has noticed.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <linux/vfio.h>

#include <rte_compat.h>

#include "rte_vfio_user_common.h"

#ifdef __cplusplus
extern "C" {
#endif

/** A connection to a device. */
struct rte_vfio_user_client;

/** Do not ask for a twin socket. */
#define RTE_VFIO_USER_CLIENT_F_NO_TWIN_SOCKET (1u << 0)
/**
 * Map no region whose file can be truncated: take only files with
 * F_SEAL_SHRINK (memfd_create(2), fcntl(2)).
 */
#define RTE_VFIO_USER_CLIENT_F_REQUIRE_SEALS (1u << 1)
/** Do not ask for mappable areas with files of their own: one fd per region. */
#define RTE_VFIO_USER_CLIENT_F_NO_SPARSE_FDS (1u << 2)

/**
 * Serve a DMA request of the server by code instead of by a copy from or to
 * rte_vfio_user_dma_map.vaddr. Called once per mapping that the access touches,
 * in whichever thread receives. The mappings stay while it runs: the map and
 * unmap functions of the client return -EDEADLK from inside it. Other calls may
 * be made, which may serve further requests meanwhile, up to 8 inside of one
 * another.
 *
 * @param client
 *   The client.
 * @param is_write
 *   true: store buf into the client's memory.
 * @param iova
 *   Address; the range lies inside mappings that allow the access.
 * @param buf
 *   Data to store, or to fill.
 * @param len
 *   Bytes.
 * @param priv
 *   The priv pointer of the configuration.
 * @return
 *   0 or a negative errno for the server.
 */
typedef int (*rte_vfio_user_client_dma_cb_t)(struct rte_vfio_user_client *client,
		bool is_write, uint64_t iova, void *buf, uint32_t len, void *priv);

/**
 * Repeat region reads and information queries that a lost connection
 * interrupts; needs reconnect_timeout_ms.
 */
#define RTE_VFIO_USER_CLIENT_F_RETRY_READS (1u << 3)

/** What happened to the connection. */
enum rte_vfio_user_client_state {
	/**
	 * It is gone (reason -ENOTCONN) and the client looks for a new one.
	 * Mapped regions still are the old server's until the callback
	 * returns: a data path that uses them can be stopped here.
	 */
	RTE_VFIO_USER_CLIENT_LOST,
	/**
	 * It is back (reason 0), everything works again, also from inside the
	 * callback. Interrupts may have been missed: every assigned eventfd
	 * is signalled once after the callback.
	 */
	RTE_VFIO_USER_CLIENT_RECONNECTED,
	/**
	 * It does not come back; every call fails from now on. Reason:
	 * -ETIMEDOUT: reconnect_timeout_ms is over; -ESTALE: the device has
	 * another shape.
	 */
	RTE_VFIO_USER_CLIENT_GAVE_UP,
};

/**
 * The connection changed its state. Called once per transition, without a lock
 * of the library, in the thread that polls or that is inside a blocking call
 * other than map and unmap. It may call functions of the client, except
 * destroy, eal_map and eal_unmap (another thread may hold the EAL's memory lock
 * and wait for this one). It must not wait for a thread that may be inside one.
 *
 * @param client
 *   The client.
 * @param state
 *   What happened.
 * @param reason
 *   0 or a negative errno, see the states.
 * @param priv
 *   The priv pointer of the configuration.
 */
typedef void (*rte_vfio_user_client_state_cb_t)(struct rte_vfio_user_client *client,
		enum rte_vfio_user_client_state state, int reason, void *priv);

/** Configuration of a client; fill it by rte_vfio_user_client_conf_init(). */
struct rte_vfio_user_client_conf {
	size_t size; /**< sizeof(struct rte_vfio_user_client_conf) */
	/** Path of the server's socket, shorter than 108 bytes; NULL with conn_fd. */
	const char *sock_path;
	/**
	 * Connected socket to use, or -1. It is duplicated and stays the
	 * caller's, who should close it so that the peer sees the end.
	 */
	int conn_fd;
	/** RTE_VFIO_USER_CLIENT_F_* flags. */
	uint32_t flags;
	/**
	 * Milliseconds to go on trying while nobody listens, or while the
	 * device is held by another client; 0: one attempt.
	 */
	uint32_t connect_timeout_ms;
	/** Milliseconds to wait for a reply; 0 means 10000. */
	uint32_t request_timeout_ms;
	/**
	 * Microseconds, up to 1000000, that a blocking call polls the socket
	 * before it sleeps; 0: it sleeps at once. A reply that comes meanwhile
	 * costs no wake-up; the thread occupies its cpu.
	 */
	uint32_t busy_poll_us;
	/** Data bytes of one message, up to RTE_VFIO_USER_MAX_XFER_SIZE; 0: 1 MiB. */
	uint32_t max_data_xfer_size;
	/** File descriptors taken with one message, up to 253; 0 means 16. */
	uint32_t max_msg_fds;
	/** DMA mappings at a time, else ENOSPC; 0 means 65535. */
	uint32_t max_dma_maps;
	/** Serves the server's DMA requests; NULL: copy at vaddr. */
	rte_vfio_user_client_dma_cb_t dma_cb;
	/** Passed to dma_cb and state_cb. */
	void *priv;
	/**
	 * Milliseconds to go on trying after the connection was lost; 0: it
	 * stays lost; UINT32_MAX: for ever. Needs sock_path.
	 */
	uint32_t reconnect_timeout_ms;
	/** Told about a lost connection; needs reconnect_timeout_ms. */
	rte_vfio_user_client_state_cb_t state_cb;
};

/**
 * Fill a configuration with the defaults.
 *
 * @param conf
 *   The configuration to initialise.
 */
__rte_experimental
void
rte_vfio_user_client_conf_init(struct rte_vfio_user_client_conf *conf);

/**
 * Connect to a device and negotiate. Blocks up to connect_timeout_ms and one
 * request timeout. With reconnection the description of the device is asked for,
 * too: all of it has to arrive within another request timeout.
 *
 * @param conf
 *   Configuration; copied, not referenced after return.
 * @return
 *   The client, or NULL with rte_errno set:
 *   - EINVAL: a value is out of range, or not exactly one of sock_path and
 *     conn_fd is given, or reconnection is asked for without sock_path
 *   - E2BIG: reconnection is asked for and the device has too many regions or
 *     interrupt indexes (1024)
 *   - ENAMETOOLONG: sock_path does not fit a UNIX socket address
 *   - ENOENT, ECONNREFUSED: nobody listens there
 *   - EBUSY: the device is held by another client
 *   - EPROTO: the peer does not speak a version of vfio-user this library does
 *   - ETIMEDOUT: no reply
 *   - ENOTCONN: the peer closed the connection instead of a reply
 *   - ENOMEM, ENOBUFS, EMFILE, ENFILE, EACCES, EAGAIN (the server's queue is
 *     full), EBADF (conn_fd), ENOSPC (the user's limit of epoll watches), or
 *     another errno of socket(2), connect(2)
 *   - with reconnection also any other errno that the server answered
 */
__rte_experimental
struct rte_vfio_user_client *
rte_vfio_user_client_create(const struct rte_vfio_user_client_conf *conf);

/**
 * Disconnect and free a client. Outstanding asynchronous accesses complete
 * with -ENOTCONN first; mappings of regions are unmapped. No other thread may be
 * in a function of this client, and it must not be called from a completion,
 * the dma_cb or the state callback.
 *
 * @param client
 *   The client, or NULL.
 */
__rte_experimental
void
rte_vfio_user_client_destroy(struct rte_vfio_user_client *client);

/**
 * The file descriptor that becomes readable (poll, epoll) when
 * rte_vfio_user_client_poll() has something to do. The same for the life of
 * the client; must not be read or closed. Watch it by level-triggered events,
 * without EPOLLET.
 *
 * @param client
 *   The client.
 * @return
 *   The file descriptor, or -EINVAL.
 */
__rte_experimental
int
rte_vfio_user_client_fd(const struct rte_vfio_user_client *client);

/**
 * Do what there is to do without blocking: receive replies and run their
 * completions, serve the server's DMA requests, fail requests that timed out,
 * take a step towards reconnection.
 * To be called when rte_vfio_user_client_fd() is readable, or in a loop: it
 * looks at the socket first, and at the timer and the twin socket when there
 * is nothing, or now and then.
 *
 * Does nothing while another thread receives. Does not send what
 * rte_vfio_user_client_cork() holds back.
 *
 * @param client
 *   The client.
 * @return
 *   - the number of messages handled, 0 if there was nothing to do
 *   - -ENOTCONN: the connection is gone and does not come back
 *   - -EINVAL: no client
 */
__rte_experimental
int
rte_vfio_user_client_poll(struct rte_vfio_user_client *client);

/**
 * What was negotiated with the server. It does not change: a server that
 * offers less after a reconnection is another device.
 *
 * @param client
 *   The client.
 * @param neg
 *   Where to store it.
 * @return
 *   0, or -EINVAL.
 */
__rte_experimental
int
rte_vfio_user_client_negotiated(const struct rte_vfio_user_client *client,
				struct rte_vfio_user_negotiated *neg);

/* ---------------------------------------------------------- information */

/**
 * DEVICE_GET_INFO.
 *
 * @param client
 *   The client.
 * @param info
 *   Where to store the reply; its argsz is set to the size stored.
 * @return
 *   - 0 on success
 *   - -EINVAL: bad argument
 *   - a request error, see the top of this file
 */
__rte_experimental
int
rte_vfio_user_client_device_info(struct rte_vfio_user_client *client,
				 struct vfio_device_info *info);

/**
 * DEVICE_GET_REGION_INFO with capabilities. The reply is validated: bounded
 * capability chain, areas inside the region. Areas that can be mapped are
 * VFIO_REGION_INFO_CAP_SPARSE_MMAP, or with sparse_mmap_fds negotiated
 * RTE_VFIO_USER_REGION_INFO_CAP_SPARSE_MMAP_FDS. Capabilities of another version
 * than 1 are passed on as they are; none need be aligned.
 *
 * @param client
 *   The client.
 * @param index
 *   Region index.
 * @param info
 *   Set to the reply, allocated by malloc(3), argsz bytes, capabilities
 *   included: free it by free(3). NULL on error.
 * @param fds
 *   Array for the file descriptors that came with it, or NULL.
 * @param nb_fds
 *   In: room in fds; out: number stored, the rest is closed. NULL with fds.
 * @return
 *   - 0 on success
 *   - -EINVAL: bad argument
 *   - a request error, see the top of this file
 */
__rte_experimental
int
rte_vfio_user_client_region_info(struct rte_vfio_user_client *client,
		uint32_t index, struct vfio_region_info **info,
		int *fds, uint32_t *nb_fds);

/** A sub-range of a region with an I/O file descriptor. */
struct rte_vfio_user_region_io_fd {
	uint64_t offset; /**< offset in the region, checked against its size */
	uint64_t size; /**< bytes, 0 is any */
	uint32_t fd_index; /**< which of the received fds */
	uint32_t type; /**< 0 is ioeventfd, 1 is ioregionfd */
	uint32_t flags; /**< KVM_IOEVENTFD_FLAG_* or KVM_IOREGION_* */
	uint32_t reserved; /**< zero */
	uint64_t datamatch; /**< value to match, or the ioregionfd's user data */
};

/**
 * DEVICE_GET_REGION_IO_FDS.
 *
 * @param client
 *   The client.
 * @param index
 *   Region index.
 * @param ios
 *   Set to an array, allocated by malloc(3): free it by free(3). NULL if
 *   there is none.
 * @param nb_ios
 *   Set to the number of entries.
 * @param fds
 *   Array for the file descriptors.
 * @param nb_fds
 *   In: room in fds; out: number stored.
 * @return
 *   - 0 on success
 *   - -ENOSPC: more file descriptors than room; all were closed
 *   - -EINVAL: bad argument
 *   - a request error, see the top of this file
 */
__rte_experimental
int
rte_vfio_user_client_region_io_fds(struct rte_vfio_user_client *client,
		uint32_t index, struct rte_vfio_user_region_io_fd **ios,
		uint32_t *nb_ios, int *fds, uint32_t *nb_fds);

/**
 * DEVICE_GET_IRQ_INFO.
 *
 * @param client
 *   The client.
 * @param index
 *   Interrupt index.
 * @param info
 *   Where to store the reply.
 * @return
 *   - 0 on success
 *   - -EINVAL: bad argument
 *   - a request error, see the top of this file
 */
__rte_experimental
int
rte_vfio_user_client_irq_info(struct rte_vfio_user_client *client,
			      uint32_t index, struct vfio_irq_info *info);

/* ----------------------------------------------------------- interrupts */

/**
 * DEVICE_SET_IRQS, any combination of data and action.
 *
 * @param client
 *   The client.
 * @param set
 *   The request; set->argsz bytes. With VFIO_IRQ_SET_DATA_EVENTFD the data
 *   are set->count int32_t file descriptors, -1 de-assigns (as VFIO). The
 *   range is split by the number of fds the server takes at a time and at
 *   changes between fds and -1.
 * @return
 *   - 0 on success
 *   - -EINVAL: malformed request, or eventfds for a server that takes no file
 *     descriptors
 *   - a request error, see the top of this file; a prefix of the range may have
 *     been set then
 *   - with reconnection also: -EINVAL: the device has no such interrupts; while
 *     the connection is lost also -ENOTTY: they cannot be masked, or take no
 *     eventfds, by the flags of the index, and -EINVAL: not an eventfd;
 *     -ENOMEM, -EMFILE: the eventfds could not be kept. While the connection
 *     is lost 0 is returned and the set-up follows, but a trigger by the
 *     application fails with -ENOTCONN.
 */
__rte_experimental
int
rte_vfio_user_client_set_irqs(struct rte_vfio_user_client *client,
			      const struct vfio_irq_set *set);

/**
 * Assign eventfds that the server signals on interrupts.
 *
 * @param client
 *   The client.
 * @param index
 *   Interrupt index.
 * @param start
 *   First interrupt.
 * @param count
 *   Number of interrupts, 1 to RTE_VFIO_USER_MAX_VECTORS.
 * @param fds
 *   count eventfds, -1 de-assigns. The server gets them: it can write to them,
 *   empty them and change their mode (blocking) at any time.
 * @return
 *   As rte_vfio_user_client_set_irqs().
 */
__rte_experimental
int
rte_vfio_user_client_irq_assign(struct rte_vfio_user_client *client,
		uint32_t index, uint32_t start, uint32_t count, const int *fds);

/**
 * Disable all interrupts of an index.
 *
 * @param client
 *   The client.
 * @param index
 *   Interrupt index.
 * @return
 *   As rte_vfio_user_client_set_irqs().
 */
__rte_experimental
int
rte_vfio_user_client_irq_disable(struct rte_vfio_user_client *client,
				 uint32_t index);

/**
 * Unmask one interrupt (INTx after each delivery: it is automasked).
 *
 * @param client
 *   The client.
 * @param index
 *   Interrupt index.
 * @param vector
 *   Interrupt of the index.
 * @return
 *   As rte_vfio_user_client_set_irqs().
 */
__rte_experimental
int
rte_vfio_user_client_irq_unmask(struct rte_vfio_user_client *client,
				uint32_t index, uint32_t vector);

/* -------------------------------------------------------------- regions */

/**
 * Read from a region by REGION_READ, split to the negotiated size.
 *
 * @param client
 *   The client.
 * @param index
 *   Region index.
 * @param offset
 *   Offset in the region.
 * @param buf
 *   Where to store.
 * @param len
 *   Bytes.
 * @return
 *   - the number of bytes read: len, or less if the device stopped short or an
 *     error came after some
 *   - -EINVAL: bad argument
 *   - a request error, see the top of this file
 */
__rte_experimental
ssize_t
rte_vfio_user_client_region_read(struct rte_vfio_user_client *client,
		uint32_t index, uint64_t offset, void *buf, size_t len);

/**
 * Write to a region by REGION_WRITE, split to the negotiated size, and wait
 * until the device has taken it.
 *
 * @param client
 *   The client.
 * @param index
 *   Region index.
 * @param offset
 *   Offset in the region.
 * @param buf
 *   What to write.
 * @param len
 *   Bytes.
 * @return
 *   As rte_vfio_user_client_region_read(), of bytes written.
 */
__rte_experimental
ssize_t
rte_vfio_user_client_region_write(struct rte_vfio_user_client *client,
		uint32_t index, uint64_t offset, const void *buf, size_t len);

/**
 * Completion of an asynchronous region access. Runs in whichever thread
 * receives the reply, possibly before the function that started the access has
 * returned in another one; must not block or destroy the client, may start
 * further asynchronous accesses.
 *
 * @param client
 *   The client.
 * @param result
 *   As rte_vfio_user_client_region_read() returns.
 * @param arg
 *   The arg of the access.
 */
typedef void (*rte_vfio_user_client_cb_t)(struct rte_vfio_user_client *client,
					  ssize_t result, void *arg);

/**
 * Start a read of a region without waiting for the reply. Accesses are
 * carried out in the order of their calls, except that a read that is repeated
 * after a reconnection comes behind those started since.
 *
 * @param client
 *   The client.
 * @param index
 *   Region index.
 * @param offset
 *   Offset in the region.
 * @param buf
 *   Where to store; must stay until the completion.
 * @param len
 *   Bytes, up to the negotiated max_data_xfer_size.
 * @param cb
 *   Called exactly once if this function returned 0.
 * @param arg
 *   Passed to cb.
 * @return
 *   - 0: cb was or will be called
 *   - -EAGAIN: 1024 requests are outstanding, or the server does not take what
 *     was sent (4 MiB are queued): poll first
 *   - -EINVAL: bad argument, or len is 0 or too large
 *   - -ENOMEM, -ENOBUFS, -ENOTCONN: nothing was sent
 */
__rte_experimental
int
rte_vfio_user_client_region_read_async(struct rte_vfio_user_client *client,
		uint32_t index, uint64_t offset, void *buf, uint32_t len,
		rte_vfio_user_client_cb_t cb, void *arg);

/**
 * Start a write to a region without waiting for the reply; see
 * rte_vfio_user_client_region_read_async(). The data are copied.
 *
 * @param client
 *   The client.
 * @param index
 *   Region index.
 * @param offset
 *   Offset in the region.
 * @param buf
 *   What to write.
 * @param len
 *   Bytes, up to the negotiated max_data_xfer_size.
 * @param cb
 *   Called exactly once if this function returned 0.
 * @param arg
 *   Passed to cb.
 * @return
 *   As rte_vfio_user_client_region_read_async().
 */
__rte_experimental
int
rte_vfio_user_client_region_write_async(struct rte_vfio_user_client *client,
		uint32_t index, uint64_t offset, const void *buf, uint32_t len,
		rte_vfio_user_client_cb_t cb, void *arg);

/**
 * Write to a region without a reply (NO_REPLY): errors of the device, or the
 * loss of the connection, are not reported. Writes are collected and leave
 * together when 32 of them or 64 KiB have come together, with the next other
 * request, or by rte_vfio_user_client_flush(). They stay in order with all
 * other accesses.
 *
 * @param client
 *   The client.
 * @param index
 *   Region index.
 * @param offset
 *   Offset in the region.
 * @param buf
 *   What to write; copied.
 * @param len
 *   Bytes, up to the negotiated max_data_xfer_size.
 * @return
 *   - 0: it was collected or sent
 *   - -EAGAIN: the server does not take what was sent (4 MiB are queued): poll
 *     first
 *   - -EINVAL: bad argument, or len is 0 or too large
 *   - -ENOMEM, -ENOBUFS, -ENOTCONN: it is lost
 */
__rte_experimental
int
rte_vfio_user_client_region_write_posted(struct rte_vfio_user_client *client,
		uint32_t index, uint64_t offset, const void *buf, uint32_t len);

/**
 * Collect the asynchronous accesses that follow, of all threads, instead of
 * sending each at once, until rte_vfio_user_client_flush(). They also leave
 * when 64 KiB have come together, with a batch of posted writes, and with the
 * next blocking call. Saves system calls on both sides.
 *
 * It does not nest, and has to be followed by a flush: accesses that are never
 * sent complete with -ETIMEDOUT, since polling does not send them.
 *
 * @param client
 *   The client.
 * @return
 *   0, or -EINVAL.
 */
__rte_experimental
int
rte_vfio_user_client_cork(struct rte_vfio_user_client *client);

/**
 * Send the posted writes and the asynchronous accesses collected so far and
 * end what rte_vfio_user_client_cork() began. Does not wait for the device.
 *
 * @param client
 *   The client.
 * @return
 *   - 0: sent, or as much as the socket takes now; the rest follows when
 *     somebody polls or waits
 *   - -ENOTCONN, -EINVAL
 */
__rte_experimental
int
rte_vfio_user_client_flush(struct rte_vfio_user_client *client);

/** One write of rte_vfio_user_client_region_write_multi(). */
struct rte_vfio_user_write {
	uint64_t offset; /**< offset in the region */
	uint32_t region; /**< region index */
	uint32_t len; /**< bytes, 1 to 8 */
	uint8_t data[8]; /**< what to write */
};

/**
 * Write several small values by REGION_WRITE_MULTI messages, in order, and
 * wait until the device has taken them. With a server that does not offer
 * it the same is done by pipelined single writes.
 *
 * @param client
 *   The client.
 * @param writes
 *   The writes.
 * @param nb_writes
 *   Number of writes.
 * @return
 *   - the number of writes done, in order
 *   - -EINVAL: bad argument; nothing was sent
 *   - if the first was not done: a request error, see the top of this file
 */
__rte_experimental
int
rte_vfio_user_client_region_write_multi(struct rte_vfio_user_client *client,
		const struct rte_vfio_user_write *writes, uint32_t nb_writes);

/**
 * Map the mappable areas of a region. Address space for the whole region is
 * reserved, so that area offsets are offsets from one base; what is not
 * mappable is inaccessible. Calling it again returns the same base.
 *
 * @param client
 *   The client.
 * @param index
 *   Region index.
 * @param base
 *   Set to the address of the region's offset 0. It stays valid until the
 *   client is destroyed.
 * @return
 *   - 0 on success
 *   - -ENOTSUP: nothing of the region is mappable
 *   - -EPROTO: the server's description is inconsistent
 *   - -EPERM: a file is not sealed (RTE_VFIO_USER_CLIENT_F_REQUIRE_SEALS)
 *   - -EINVAL: bad argument, or an index of 1024 or more
 *   - an errno of mmap(2), or a request error, see the top of this file
 */
__rte_experimental
int
rte_vfio_user_client_region_mmap(struct rte_vfio_user_client *client,
				 uint32_t index, void **base);

/**
 * The local address of a range of a mapped region. No request is made and no
 * lock is taken.
 *
 * @param client
 *   The client.
 * @param index
 *   Region index.
 * @param offset
 *   Offset in the region.
 * @param len
 *   Bytes, not 0.
 * @return
 *   The address, or NULL: not mapped by rte_vfio_user_client_region_mmap() or
 *   not inside one mappable area.
 */
__rte_experimental
void *
rte_vfio_user_client_region_va(struct rte_vfio_user_client *client,
			       uint32_t index, uint64_t offset, uint64_t len);

/**
 * DEVICE_RESET. DMA mappings and interrupts stay.
 *
 * @param client
 *   The client.
 * @return
 *   - 0 on success
 *   - -EINVAL: no client; or the device cannot be reset
 *   - a request error, see the top of this file
 */
__rte_experimental
int
rte_vfio_user_client_reset(struct rte_vfio_user_client *client);

/* ------------------------------------------------------------------ DMA */

/** Reach the mapping by file I/O instead of mmap. */
#define RTE_VFIO_USER_DMA_F_FILE_IO (1u << 0)

/** A range of local memory given to the device. */
struct rte_vfio_user_dma_map {
	uint64_t iova; /**< address the device uses */
	uint64_t size; /**< bytes */
	uint32_t prot; /**< PROT_READ, PROT_WRITE: access of the device */
	uint32_t flags; /**< RTE_VFIO_USER_DMA_F_* */
	/**
	 * File of the memory, or -1: the device uses messages. The server can
	 * reach all of the file, in the mode in which it was opened. A server
	 * that takes no file descriptors uses messages anyway.
	 */
	int fd;
	uint64_t fd_offset; /**< offset of the range in fd */
	/**
	 * Local address of the range, for requests of the device; NULL: they
	 * go to the dma_cb of the configuration, or fail with EFAULT.
	 */
	void *vaddr;
};

/**
 * DMA_MAP of several ranges, pipelined. Either all are mapped or none.
 *
 * @param client
 *   The client.
 * @param maps
 *   The ranges.
 * @param nb_maps
 *   Number of ranges.
 * @return
 *   - 0 on success
 *   - -EINVAL: bad argument; a range is empty, wraps, has no access, or flags
 *     that are unknown or need a file
 *   - -EEXIST: a range overlaps a mapping
 *   - -ENOSPC: more than the negotiated max_dma_maps, or the server's limits
 *   - -EDEADLK: called from dma_cb
 *   - a request error, see the top of this file. After -ETIMEDOUT the server was
 *     asked to unmap what it may have, and may not have done so yet.
 *   - with reconnection also -EMFILE: the file could not be kept. While the
 *     connection is lost 0 is returned: the server that comes back is asked.
 *     A server that then refuses it is not accepted.
 */
__rte_experimental
int
rte_vfio_user_client_dma_map(struct rte_vfio_user_client *client,
		const struct rte_vfio_user_dma_map *maps, uint32_t nb_maps);

/** A range to unmap. */
struct rte_vfio_user_dma_range {
	uint64_t iova; /**< first address */
	uint64_t size; /**< bytes */
};

/**
 * DMA_UNMAP of several ranges, pipelined. When it returns 0 the device does
 * not use the memory any more. With reconnection, 0 is returned while the
 * connection is lost, too: no server will be given the memory again; one that
 * is alive and has not noticed the end of the connection may use it until then.
 *
 * @param client
 *   The client.
 * @param ranges
 *   The ranges; each must be exactly one mapping.
 * @param nb_ranges
 *   Number of ranges.
 * @return
 *   - 0 on success
 *   - -ENOENT: a range is not exactly one mapping; the others are unmapped
 *   - -EINVAL: bad argument
 *   - -EDEADLK: called from dma_cb
 *   - a request error, see the top of this file: the first one. After -ETIMEDOUT
 *     and -ENOTCONN the rest was not tried; what was not unmapped stays mapped.
 */
__rte_experimental
int
rte_vfio_user_client_dma_unmap(struct rte_vfio_user_client *client,
		const struct rte_vfio_user_dma_range *ranges, uint32_t nb_ranges);

/**
 * Unmap everything with one request. Waits for other threads that map or unmap,
 * up to the request timeout.
 *
 * @param client
 *   The client.
 * @return
 *   - 0 on success, also if nothing was mapped
 *   - -EINVAL: no client
 *   - -EDEADLK: called from dma_cb
 *   - a request error, see the top of this file; everything stays mapped
 */
__rte_experimental
int
rte_vfio_user_client_dma_unmap_all(struct rte_vfio_user_client *client);

/**
 * Map all memory of the EAL with iova = virtual address, and follow its
 * hotplug until rte_vfio_user_client_eal_unmap() or destroy. Needs
 * rte_eal_init(). With --no-huge the memory is static and there are no events
 * to follow. Adjacent memory of one file becomes one mapping.
 *
 * Memory is unmapped from the device before the EAL frees it; if that fails the
 * client disconnects. Memory that is added later and that the server refuses is
 * logged as an error: the EAL does not let its allocation fail, the device cannot
 * reach it. External memory (rte_extmem_register()) has no file and is left out.
 *
 * The thread that allocates or frees EAL memory waits for the server while it
 * holds the EAL's memory lock: completions and the dma_cb of this client must
 * not do so. It never waits for a reconnection, nor calls the state callback.
 *
 * @param client
 *   The client.
 * @return
 *   - 0 on success
 *   - -EEXIST: already mapped, or a range of it is
 *   - -ENOTSUP: the EAL's memory has no file descriptors (--in-memory with an
 *     old kernel, or --legacy-mem)
 *   - an errno of rte_mem_event_callback_register()
 *   - as rte_vfio_user_client_dma_map()
 */
__rte_experimental
int
rte_vfio_user_client_eal_map(struct rte_vfio_user_client *client);

/**
 * Undo rte_vfio_user_client_eal_map(). If the server does not unmap all of it the
 * client disconnects, so that it is not used any more.
 *
 * @param client
 *   The client.
 * @return
 *   - 0 on success
 *   - -ENOENT: not mapped
 *   - as rte_vfio_user_client_dma_unmap()
 */
__rte_experimental
int
rte_vfio_user_client_eal_unmap(struct rte_vfio_user_client *client);

#ifdef __cplusplus
}
#endif

#endif /* RTE_VFIO_USER_CLIENT_H */
