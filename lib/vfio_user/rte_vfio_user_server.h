/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#ifndef RTE_VFIO_USER_SERVER_H
#define RTE_VFIO_USER_SERVER_H

/**
 * @file
 * vfio-user server: provides one PCI device over a UNIX socket
 *
 * One handle is one device with one listening socket and at most one client
 * at a time. A device is described first, then started, then polled:
 *
 *     rte_vfio_user_server_conf_init(&conf);
 *     srv = rte_vfio_user_server_create(&conf);
 *     rte_vfio_user_server_region_set(srv, VFIO_PCI_BAR0_REGION_INDEX, &bar0);
 *     rte_vfio_user_server_irq_set(srv, VFIO_PCI_MSIX_IRQ_INDEX, 4, flags);
 *     rte_vfio_user_server_ops_set(srv, &ops, priv);
 *     rte_vfio_user_server_start(srv);
 *     while (running) {
 *             poll rte_vfio_user_server_fd(srv) for input, or spin
 *             rte_vfio_user_server_poll(srv);
 *     }
 *     rte_vfio_user_server_destroy(srv);
 *
 * Threads. The library creates none (rte_vfio_user_runner.h has one for
 * applications that want it). The functions fall in three groups:
 *
 * - *set-up* (create, region_set, region_ioeventfd_add, irq_set, ops_set,
 *   dma_ops_set, start): one thread, before start; after start they return
 *   -EBUSY.
 * - *poller* (poll, negotiated, dma_lookup, dma_count, sync, reset_request,
 *   destroy): one thread at a time. All callbacks run in it, inside poll() or
 *   destroy().
 * - *any thread* (irq_trigger, irq_hold, irq_clear, irq_set_level, irq_state,
 *   irq_count, irq_fd, dma_read, dma_write, dma_submit, region_complete,
 *   quiesce_complete, and reader sections by their own reader): at any time
 *   between start and destroy. fd, priv, dma_reader_create, dma_reader_destroy:
 *   between create and destroy.
 *
 * No library lock is held while a callback runs.
 *
 * Ownership. File descriptors given to a set-up function stay the caller's:
 * the library keeps a duplicate of its own. File descriptors received from the
 * client belong to the library and are closed by it.
 *
 * Order of the end: remove the device from its poll group or runner, destroy its
 * readers, destroy the device.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <rte_branch_prediction.h>
#include <rte_common.h>
#include <rte_compat.h>

#include "rte_vfio_user_common.h"

#ifdef __cplusplus
extern "C" {
#endif

/** A device provided over vfio-user. */
struct rte_vfio_user_server;

/** The device does not offer DEVICE_RESET. */
#define RTE_VFIO_USER_SERVER_F_NO_RESET (1u << 0)
/** Never set up a twin socket, even if the client asks for one. */
#define RTE_VFIO_USER_SERVER_F_NO_TWIN_SOCKET (1u << 1)
/** Do not offer REGION_WRITE_MULTI (it is still understood). */
#define RTE_VFIO_USER_SERVER_F_NO_WRITE_MULTI (1u << 2)
/**
 * Refuse a DMA_MAP with a file that can be truncated, EPERM: take only files
 * with F_SEAL_SHRINK (memfd_create(2), fcntl(2)).
 */
#define RTE_VFIO_USER_SERVER_F_REQUIRE_SEALS (1u << 3)

/** Configuration of a server; fill it by rte_vfio_user_server_conf_init(). */
struct rte_vfio_user_server_conf {
	size_t size; /**< sizeof(struct rte_vfio_user_server_conf) */
	/**
	 * Path of the listening socket, shorter than 108 bytes. A stale socket
	 * file is replaced; if another process listens on it, start() returns
	 * -EADDRINUSE. NULL with listen_fd or conn_fd.
	 */
	const char *sock_path;
	/**
	 * Inherited listening socket (socket activation), or -1. Duplicated;
	 * start() makes it non-blocking, for all who share it.
	 */
	int listen_fd;
	/**
	 * Inherited connected socket to serve, or -1. Duplicated: the caller
	 * should close it, so that the peer sees the end. There is no other
	 * client after this one.
	 */
	int conn_fd;
	/** Mode of the socket file, permission bits only; 0 means 0600. */
	mode_t sock_mode;
	/** RTE_VFIO_USER_SERVER_F_* flags. */
	uint32_t flags;
	/** Number of regions, up to 1024; 0 means VFIO_PCI_NUM_REGIONS (9). */
	uint32_t num_regions;
	/** Number of interrupt indexes, up to 64; 0 means VFIO_PCI_NUM_IRQS (5). */
	uint32_t num_irqs;
	/** Data bytes of one message, up to RTE_VFIO_USER_MAX_XFER_SIZE; 0: 1 MiB. */
	uint32_t max_data_xfer_size;
	/** File descriptors taken with one message, up to 253; 0 means 16. */
	uint32_t max_msg_fds;
	/** DMA mappings at a time, else ENOSPC; 0 means 65535. */
	uint32_t max_dma_maps;
	/**
	 * Different files of DMA mappings at a time, else EMFILE; 0 means 1024.
	 * Each takes one file descriptor per access mode.
	 */
	uint32_t max_dma_files;
	/**
	 * Bytes of address space that memory of the client takes up, else
	 * ENOSPC; 0 means 8 TiB. Mappings of files are shared and rounded
	 * outwards, to 1 GiB at most.
	 */
	uint64_t max_dma_bytes;
	/**
	 * Milliseconds after which a client is dropped that stopped in the
	 * middle of a message, does not negotiate, or does not read its
	 * replies; 0 means 10000.
	 */
	uint32_t msg_timeout_ms;
	/**
	 * Milliseconds to wait for the reply to one DMA_READ or DMA_WRITE
	 * message; 0 means 10000.
	 */
	uint32_t dma_timeout_ms;
	/** Returned by rte_vfio_user_server_priv(). */
	void *priv;
};

/**
 * Fill a configuration with the defaults.
 *
 * @param conf
 *   The configuration to initialise.
 */
__rte_experimental
void
rte_vfio_user_server_conf_init(struct rte_vfio_user_server_conf *conf);

/**
 * Create a device. It has no regions and no interrupts yet and does not
 * listen before rte_vfio_user_server_start().
 *
 * @param conf
 *   Configuration; copied, not referenced after return.
 * @return
 *   The device, or NULL with rte_errno set:
 *   - EINVAL: a value is out of range, or not exactly one of sock_path,
 *     listen_fd and conn_fd is given
 *   - ENAMETOOLONG: sock_path does not fit a UNIX socket address
 *   - EBADF: listen_fd or conn_fd is not open
 *   - ENOMEM, EMFILE, ENFILE: out of memory or file descriptors; ENOSPC: the
 *     user's limit of epoll watches
 */
__rte_experimental
struct rte_vfio_user_server *
rte_vfio_user_server_create(const struct rte_vfio_user_server_conf *conf);

/**
 * Start listening. The description of the device is final from here on.
 *
 * @param srv
 *   The device.
 * @return
 *   - 0 on success
 *   - -EBUSY: already started
 *   - -EADDRINUSE: somebody listens on the path, or it is no socket
 *   - -EINVAL: bad argument
 *   - -ENOMEM, -EMFILE, -ENFILE, -ENOSPC, or another errno of socket(2),
 *     bind(2), listen(2), chmod(2), unlink(2). It can be tried again, but not
 *     with conn_fd, which is closed.
 */
__rte_experimental
int
rte_vfio_user_server_start(struct rte_vfio_user_server *srv);

/**
 * Stop and free a device: the client is disconnected (with the callbacks of a
 * lost connection), the socket file removed, all its file descriptors closed.
 * Threads that are inside dma_read(), dma_write() or dma_submit() are waited
 * for; those that wait for the client return -ENOTCONN.
 *
 * Its readers must have been destroyed, and it must have been removed from its
 * poll group or runner. Must not be called from a callback of the device; no
 * other function may be called on it meanwhile.
 *
 * @param srv
 *   The device, or NULL.
 * @return
 *   - 0 on success
 *   - -EDEADLK: called from a callback of this device; nothing was done
 */
__rte_experimental
int
rte_vfio_user_server_destroy(struct rte_vfio_user_server *srv);

/**
 * The file descriptor that becomes readable (poll, epoll) when
 * rte_vfio_user_server_poll() has something to do. It stays the same for the
 * life of the device and must not be read or closed. Watch it by
 * level-triggered events, without EPOLLET. Any thread.
 *
 * @param srv
 *   The device.
 * @return
 *   The file descriptor, or -EINVAL.
 */
__rte_experimental
int
rte_vfio_user_server_fd(const struct rte_vfio_user_server *srv);

/**
 * Do what there is to do without blocking: accept a client, handle the
 * requests that one receive call delivered, finish parked ones, send replies.
 * Runs the callbacks. A client that breaks the protocol is disconnected; that
 * is not an error of this function.
 *
 * @param srv
 *   The started device.
 * @return
 *   - the number of messages and events handled, 0 if there was nothing to do
 *   - -EINVAL: no device, or not started
 *   - -EBUSY: called from a callback of this device
 */
__rte_experimental
int
rte_vfio_user_server_poll(struct rte_vfio_user_server *srv);

/**
 * The priv pointer of the configuration. Any thread.
 *
 * @param srv
 *   The device.
 * @return
 *   The pointer given at creation; NULL for a NULL device.
 */
__rte_experimental
void *
rte_vfio_user_server_priv(const struct rte_vfio_user_server *srv);

/**
 * What was negotiated with the present client. Poller thread.
 *
 * @param srv
 *   The device.
 * @param neg
 *   Where to store it.
 * @return
 *   - 0 on success
 *   - -ENOTCONN: no client, or it did not negotiate yet
 *   - -EINVAL: bad argument
 */
__rte_experimental
int
rte_vfio_user_server_negotiated(const struct rte_vfio_user_server *srv,
				struct rte_vfio_user_negotiated *neg);

/* -------------------------------------------------------------- regions */

/** One access of the client to a region. */
struct rte_vfio_user_region_access {
	uint32_t region; /**< region index */
	bool is_write; /**< direction */
	/** offset in the region; offset + count never exceeds its size */
	uint64_t offset;
	uint32_t count; /**< bytes, at least 1 */
	/**
	 * count bytes to store into (read) or to take from (write), aligned to
	 * 8 bytes. Valid during the callback only.
	 */
	void *data;
	/** names the access in rte_vfio_user_server_region_complete() */
	uint64_t token;
};

/**
 * Access to a region.
 *
 * @param srv
 *   The device.
 * @param acc
 *   The access; valid during the call only.
 * @param priv
 *   The priv pointer of the region.
 * @return
 *   - the number of bytes done (less than count is a short access; more is
 *     answered EIO)
 *   - a negative errno, sent to the client
 *   - RTE_VFIO_USER_PENDING: rte_vfio_user_server_region_complete() finishes
 *     it; the data of a write must have been copied. Later requests of this
 *     client wait.
 *   Of a write by REGION_WRITE_MULTI only whether it failed is reported; one
 *   that failed ends the message.
 */
typedef ssize_t (*rte_vfio_user_region_cb_t)(struct rte_vfio_user_server *srv,
		const struct rte_vfio_user_region_access *acc, void *priv);

/** A part of a region that the client may mmap(). */
struct rte_vfio_user_mmap_area {
	uint64_t offset; /**< offset in the region, page aligned */
	uint64_t size; /**< bytes, page aligned, not 0 */
	/**
	 * File to map; -1 is the region's own fd, at fd_offset + offset. A
	 * client that cannot take several files per region (sparse_mmap_fds)
	 * is offered only the areas with the region's own fd.
	 */
	int fd;
	uint64_t fd_offset; /**< offset in fd; ignored with fd == -1 */
};

/** The client may read the region. */
#define RTE_VFIO_USER_REGION_F_READ (1u << 0)
/** The client may write the region. */
#define RTE_VFIO_USER_REGION_F_WRITE (1u << 1)
/** Both. */
#define RTE_VFIO_USER_REGION_F_RW \
	(RTE_VFIO_USER_REGION_F_READ | RTE_VFIO_USER_REGION_F_WRITE)
/** The region has a VFIO_REGION_INFO_CAP_TYPE capability. */
#define RTE_VFIO_USER_REGION_F_TYPE (1u << 2)

/** Description of a region; zero it, then set fd to -1 unless mappable. */
struct rte_vfio_user_region_conf {
	uint64_t size; /**< bytes; 0 is an absent region */
	uint32_t flags; /**< RTE_VFIO_USER_REGION_F_* */
	/**
	 * Handles accesses by messages; NULL: the region is plain memory at
	 * base.
	 */
	rte_vfio_user_region_cb_t cb;
	void *priv; /**< passed to cb */
	/**
	 * Memory of the region when cb is NULL: size bytes, not freed, accessed
	 * by the poller until the device is destroyed.
	 */
	void *base;
	/**
	 * File behind the mappable parts, or -1: not mappable. Not accessed
	 * here: cb or base has to show the same memory.
	 */
	int fd;
	uint64_t fd_offset; /**< page aligned offset in fd of the region's start */
	/**
	 * Mappable areas, ascending; copied. NULL with fd >= 0: the whole
	 * region, whose size must be page aligned then.
	 */
	const struct rte_vfio_user_mmap_area *areas;
	uint32_t nb_areas; /**< number of areas, up to 128 */
	uint32_t type; /**< VFIO region type, with RTE_VFIO_USER_REGION_F_TYPE */
	uint32_t subtype; /**< its subtype, with RTE_VFIO_USER_REGION_F_TYPE */
};

/**
 * Describe a region. Set-up only. Describing it again replaces the former
 * description and its ioeventfds.
 *
 * @param srv
 *   The device.
 * @param index
 *   Region index, e.g. VFIO_PCI_BAR0_REGION_INDEX.
 * @param conf
 *   Description; copied, fds are duplicated.
 * @return
 *   - 0 on success
 *   - -EINVAL: bad index, flags, or areas (not page aligned, overlapping, out
 *     of the region, too many); a region that can be accessed has neither cb nor
 *     base; an absent one has a file
 *   - -EBUSY: started
 *   - -ENOMEM, -EMFILE; -EBADF: a file descriptor is not open
 */
__rte_experimental
int
rte_vfio_user_server_region_set(struct rte_vfio_user_server *srv,
				uint32_t index,
				const struct rte_vfio_user_region_conf *conf);

/** A sub-range of a region whose writes a client may turn into an eventfd. */
struct rte_vfio_user_ioeventfd {
	uint64_t offset; /**< offset in the region */
	uint64_t size; /**< 0, 1, 2, 4 or 8 bytes; 0 matches any access size */
	int fd; /**< eventfd; the same one may serve several entries */
	uint32_t flags; /**< KVM_IOEVENTFD_FLAG_* bits for the client */
	uint64_t datamatch; /**< value, with KVM_IOEVENTFD_FLAG_DATAMATCH */
};

/**
 * Add an ioeventfd to a region, offered by GET_REGION_IO_FDS. Set-up only. A
 * region has 4096 at most.
 *
 * @param srv
 *   The device.
 * @param index
 *   Region index; the region must have been set.
 * @param io
 *   Description; copied, the fd is duplicated.
 * @return
 *   - 0 on success
 *   - -EINVAL: bad index or size, no eventfd, outside the region, or too many
 *   - -EBUSY: started
 *   - -ENOMEM, -EMFILE
 */
__rte_experimental
int
rte_vfio_user_server_region_ioeventfd_add(struct rte_vfio_user_server *srv,
		uint32_t index, const struct rte_vfio_user_ioeventfd *io);

/**
 * Complete an access whose callback returned RTE_VFIO_USER_PENDING. Any
 * thread, also before that callback has returned. The reply leaves with the
 * next poll(), whose file descriptor becomes readable.
 *
 * @param srv
 *   The device.
 * @param token
 *   Token of the access.
 * @param result
 *   Number of bytes done or a negative errno, as the callback would return.
 * @param data
 *   The bytes read (result bytes, copied), or NULL for a write or an error.
 * @return
 *   - 0 on success
 *   - -ESTALE: no such access waits (its client is gone, or it was completed)
 *   - -EINVAL: no device, result is larger than the access, or data missing
 *   - -ENOMEM
 */
__rte_experimental
int
rte_vfio_user_server_region_complete(struct rte_vfio_user_server *srv,
		uint64_t token, ssize_t result, const void *data);

/* ----------------------------------------------------------- interrupts */

/**
 * Describe an interrupt index. Set-up only; indexes that are not described have
 * no interrupts.
 *
 * @param srv
 *   The device.
 * @param index
 *   Interrupt index, e.g. VFIO_PCI_MSIX_IRQ_INDEX.
 * @param count
 *   Number of interrupts, up to RTE_VFIO_USER_MAX_VECTORS; 0 is none.
 * @param flags
 *   VFIO_IRQ_INFO_* flags: VFIO_IRQ_INFO_EVENTFD, VFIO_IRQ_INFO_MASKABLE,
 *   VFIO_IRQ_INFO_AUTOMASKED (needs MASKABLE), VFIO_IRQ_INFO_NORESIZE.
 * @return
 *   - 0 on success
 *   - -EINVAL: bad index, count or flags
 *   - -EBUSY: started
 *   - -ENOMEM
 */
__rte_experimental
int
rte_vfio_user_server_irq_set(struct rte_vfio_user_server *srv, uint32_t index,
			     uint32_t count, uint32_t flags);

/**
 * Trigger an interrupt: a write to the client's eventfd, without a lock. It
 * does not wait if the client let the counter fill up.
 * While the interrupt is masked it is held back and delivered at the unmask,
 * once. On an automasked index delivery masks it. Any thread.
 *
 * @param srv
 *   The device.
 * @param index
 *   Interrupt index.
 * @param vector
 *   Interrupt of the index.
 * @return
 *   - 0: delivered, or held back by a mask
 *   - -ENOENT: the client assigned no eventfd to it and the device does not
 *     hold it back; nothing is remembered
 *   - -EINVAL: no such interrupt
 */
__rte_experimental
int
rte_vfio_user_server_irq_trigger(struct rte_vfio_user_server *srv,
				 uint32_t index, uint32_t vector);

/**
 * Hold an interrupt back, or let it go: a mask of the device, for mask bits in
 * its own registers, beside the one that the client has by SET_IRQS. A trigger
 * is remembered (RTE_VFIO_USER_IRQ_PENDING) while the interrupt is held, also
 * without an eventfd, and is delivered once when no mask is left and there is
 * an eventfd. A trigger in another thread that began before the hold may still
 * deliver after it. When the client leaves, what is held is let go and what is
 * remembered forgotten, after the reset callback. Any thread.
 *
 * rte_vfio_user_pci.h does this for MSI-X and MSI.
 *
 * @param srv
 *   The device.
 * @param index
 *   Interrupt index.
 * @param vector
 *   Interrupt of the index.
 * @param hold
 *   Whether to hold it back.
 * @return
 *   - 0 on success, also if it was so before
 *   - -EINVAL: no such interrupt
 */
__rte_experimental
int
rte_vfio_user_server_irq_hold(struct rte_vfio_user_server *srv,
			      uint32_t index, uint32_t vector, bool hold);

/**
 * Forget an interrupt that a mask holds back. Any thread.
 *
 * @param srv
 *   The device.
 * @param index
 *   Interrupt index.
 * @param vector
 *   Interrupt of the index.
 * @return
 *   - 0 on success, also if nothing was held back
 *   - -EINVAL: no such interrupt
 */
__rte_experimental
int
rte_vfio_user_server_irq_clear(struct rte_vfio_user_server *srv,
			       uint32_t index, uint32_t vector);

/**
 * Set the level of a level-triggered interrupt (INTx). Asserting it delivers
 * the interrupt and, on an automasked index, masks it; when the client unmasks
 * it (or signals the resample eventfd) with the level still asserted, it is
 * delivered again. Any thread.
 *
 * @param srv
 *   The device.
 * @param index
 *   Interrupt index.
 * @param vector
 *   Interrupt of the index.
 * @param asserted
 *   The level.
 * @return
 *   - 0 on success, whether or not an eventfd is assigned
 *   - -EINVAL: no such interrupt
 */
__rte_experimental
int
rte_vfio_user_server_irq_set_level(struct rte_vfio_user_server *srv,
				   uint32_t index, uint32_t vector,
				   bool asserted);

/** The client assigned an eventfd. */
#define RTE_VFIO_USER_IRQ_ENABLED (1u << 0)
/** The client masked the interrupt. */
#define RTE_VFIO_USER_IRQ_MASKED (1u << 1)
/** An interrupt is held back by a mask. */
#define RTE_VFIO_USER_IRQ_PENDING (1u << 2)
/** The level is asserted. */
#define RTE_VFIO_USER_IRQ_ASSERTED (1u << 3)
/** The device holds the interrupt back. */
#define RTE_VFIO_USER_IRQ_HELD (1u << 4)

/**
 * State of an interrupt. Any thread.
 *
 * @param srv
 *   The device.
 * @param index
 *   Interrupt index.
 * @param vector
 *   Interrupt of the index.
 * @return
 *   RTE_VFIO_USER_IRQ_* bits, or -EINVAL: no such interrupt.
 */
__rte_experimental
int
rte_vfio_user_server_irq_state(const struct rte_vfio_user_server *srv,
			       uint32_t index, uint32_t vector);

/**
 * How many interrupts of an index the client assigned an eventfd to. Any thread.
 *
 * @param srv
 *   The device.
 * @param index
 *   Interrupt index.
 * @return
 *   The number, or -EINVAL: no such index.
 */
__rte_experimental
int
rte_vfio_user_server_irq_count(const struct rte_vfio_user_server *srv,
			       uint32_t index);

/**
 * The file descriptor that a write triggers an interrupt through: for code
 * that signals eventfds itself, or hands them on. Masks do not hold such a
 * write back. Any thread.
 *
 * @param srv
 *   The device.
 * @param index
 *   Interrupt index.
 * @param vector
 *   Interrupt of the index.
 * @return
 *   - the file descriptor. It stays the library's, and is the same for the life
 *     of the device: when the client assigns another eventfd or none, a write
 *     goes there or nowhere.
 *   - -ENOENT: the client assigned no eventfd to it
 *   - -EINVAL: no such interrupt
 */
__rte_experimental
int
rte_vfio_user_server_irq_fd(const struct rte_vfio_user_server *srv,
			    uint32_t index, uint32_t vector);

/* ------------------------------------------------------------ callbacks */

/** Why the device is reset. */
enum rte_vfio_user_reset {
	/**
	 * The client sent DEVICE_RESET: reset the model, not DMA and IRQs. If
	 * the callback asks for a rte_vfio_user_server_sync(), the reply is
	 * sent when that is over.
	 */
	RTE_VFIO_USER_RESET_DEVICE,
	/**
	 * The client is gone: stop using its memory and interrupts. They are
	 * still there during the callback and released after it.
	 */
	RTE_VFIO_USER_RESET_LOST_CONN,
	/**
	 * Function level reset: the client wrote to the PCI Express capability
	 * (RTE_VFIO_USER_PCI_EXP_FLR). Reset the model, not DMA and IRQs.
	 */
	RTE_VFIO_USER_RESET_PCI_FLR,
};

/** Callbacks of a device; each is optional and runs in the poller thread. */
struct rte_vfio_user_server_ops {
	/** A client has connected and negotiated. */
	void (*connected)(struct rte_vfio_user_server *srv, void *priv);
	/**
	 * Reset the device. Returns 0 or a negative errno for the client
	 * (only logged after rte_vfio_user_server_reset_request(), as for
	 * PCI_FLR, ignored with LOST_CONN).
	 */
	int (*reset)(struct rte_vfio_user_server *srv,
		     enum rte_vfio_user_reset reason, void *priv);
	/**
	 * Stop the data path before a DMA map, DMA unmap, interrupt change or
	 * reset. Returns 0: it is stopped; a negative errno: the command fails
	 * with it, without resume(); RTE_VFIO_USER_PENDING: it is stopped when
	 * rte_vfio_user_server_quiesce_complete() is called, later requests of
	 * this client wait.
	 */
	int (*quiesce)(struct rte_vfio_user_server *srv, void *priv);
	/**
	 * The command that asked for quiesce() has been carried out or has
	 * failed, or its client left before quiesce() was complete (after
	 * reset()). Also called when there is no quiesce callback.
	 */
	void (*resume)(struct rte_vfio_user_server *srv, void *priv);
	/**
	 * The client changed, or triggered, count interrupts of an index from
	 * start on by SET_IRQS; count 0: it disabled all of them.
	 */
	void (*irq_changed)(struct rte_vfio_user_server *srv, uint32_t index,
			    uint32_t start, uint32_t count, void *priv);
	/**
	 * What rte_vfio_user_server_sync() waits for has happened, for all
	 * calls of it that returned this number or a lower one.
	 */
	void (*synced)(struct rte_vfio_user_server *srv, uint64_t number, void *priv);
};

/**
 * Set the callbacks. Set-up only.
 *
 * @param srv
 *   The device.
 * @param ops
 *   The callbacks; copied.
 * @param priv
 *   Passed to each of them.
 * @return
 *   - 0 on success
 *   - -EINVAL: bad argument
 *   - -EBUSY: started
 */
__rte_experimental
int
rte_vfio_user_server_ops_set(struct rte_vfio_user_server *srv,
			     const struct rte_vfio_user_server_ops *ops,
			     void *priv);

/**
 * Complete a quiesce() callback that returned RTE_VFIO_USER_PENDING. Any
 * thread, also before that callback has returned.
 *
 * It has no token: a call that is late, because the client has left meanwhile
 * (resume() was called), would complete the quiesce of the next one. A device
 * model that calls it from another thread makes sure in its reset callback, with
 * RTE_VFIO_USER_RESET_LOST_CONN, that no such call is on its way.
 *
 * @param srv
 *   The device.
 * @param status
 *   0: the data path is stopped; a negative errno: the command fails with it.
 * @return
 *   - 0 on success
 *   - -ESTALE: no quiesce is outstanding (its client is gone)
 *   - -EINVAL: no device, or status is positive
 */
__rte_experimental
int
rte_vfio_user_server_quiesce_complete(struct rte_vfio_user_server *srv,
				      int status);

/**
 * Have the device reset as if the client had sent DEVICE_RESET, because it
 * asked in another way: by a write to a register. The message in whose callback
 * this is called is answered first; then the data path is stopped by quiesce(),
 * reset() is called, resume() follows. Later requests of the client wait for
 * that. If quiesce() fails, a log line says so and nothing is reset. Asking
 * again before the reset has begun changes only the reason. Poller thread, also
 * in callbacks.
 *
 * @param srv
 *   The device.
 * @param reason
 *   Passed to reset(): RTE_VFIO_USER_RESET_DEVICE or RTE_VFIO_USER_RESET_PCI_FLR.
 * @return
 *   - 0 on success
 *   - -ENOTCONN: no client, or it is going (RTE_VFIO_USER_RESET_LOST_CONN)
 *   - -EINVAL: bad argument
 */
__rte_experimental
int
rte_vfio_user_server_reset_request(struct rte_vfio_user_server *srv,
				   enum rte_vfio_user_reset reason);

/* ------------------------------------------------------------------ DMA */

/** How a DMA mapping is reached. */
enum rte_vfio_user_dma_mode {
	RTE_VFIO_USER_DMA_MMAP, /**< mapped: va is valid */
	RTE_VFIO_USER_DMA_FILE, /**< pread(2) and pwrite(2) on fd */
	RTE_VFIO_USER_DMA_MSG, /**< DMA_READ and DMA_WRITE messages */
};

/** A DMA mapping of the client. */
struct rte_vfio_user_dma_info {
	uint64_t iova; /**< first address */
	uint64_t size; /**< bytes; iova + size - 1 does not overflow */
	uint32_t prot; /**< PROT_READ, PROT_WRITE, or both, for the device */
	enum rte_vfio_user_dma_mode mode; /**< how it is reached */
	void *va; /**< local address of iova with RTE_VFIO_USER_DMA_MMAP, else NULL */
	/**
	 * the client's file, or -1; owned by the library, the same for all
	 * mappings of one file with one access mode
	 */
	int fd;
	uint64_t fd_offset; /**< offset in fd of iova */
};

/** Notifications of DMA mappings; each is optional. Poller thread. */
struct rte_vfio_user_dma_ops {
	/**
	 * A mapping was added. A negative errno refuses it: it is undone,
	 * without unmap(), and the client gets that errno. @p info is valid
	 * during the call only; what it refers to (va, fd) until unmap() has
	 * returned.
	 */
	int (*map)(struct rte_vfio_user_server *srv,
		   const struct rte_vfio_user_dma_info *info, void *priv);
	/**
	 * A mapping is about to go: it must not be used after return, except
	 * inside read sections that have begun before.
	 */
	void (*unmap)(struct rte_vfio_user_server *srv,
		      const struct rte_vfio_user_dma_info *info, void *priv);
};

/**
 * Set the notifications of DMA mappings. Set-up only.
 *
 * @param srv
 *   The device.
 * @param ops
 *   The callbacks; copied.
 * @param priv
 *   Passed to each of them.
 * @return
 *   - 0 on success
 *   - -EINVAL: bad argument
 *   - -EBUSY: started
 */
__rte_experimental
int
rte_vfio_user_server_dma_ops_set(struct rte_vfio_user_server *srv,
				 const struct rte_vfio_user_dma_ops *ops,
				 void *priv);

/**
 * The DMA mapping that contains an address. Poller thread.
 *
 * @param srv
 *   The device.
 * @param iova
 *   Address.
 * @param info
 *   Where to store its description; what it refers to (va, fd) is valid until
 *   the unmap notification of the mapping has returned, thus until poll() is
 *   called again.
 * @return
 *   - 0 on success
 *   - -ENOENT: not mapped
 *   - -EINVAL: bad argument
 */
__rte_experimental
int
rte_vfio_user_server_dma_lookup(const struct rte_vfio_user_server *srv,
				uint64_t iova,
				struct rte_vfio_user_dma_info *info);

/**
 * Number of DMA mappings. Poller thread.
 *
 * @param srv
 *   The device.
 * @return
 *   The number of mappings; 0 for a NULL device.
 */
__rte_experimental
uint32_t
rte_vfio_user_server_dma_count(const struct rte_vfio_user_server *srv);

struct rte_vfio_user_dma_reader;

/**
 * Looks up an address in a reader's section and remembers the mapping found.
 * Called by rte_vfio_user_dma_va(), not by applications.
 *
 * @param reader
 *   The reader, inside a section.
 * @param iova
 *   Address.
 * @param more
 *   Bytes behind the first one.
 * @param prot
 *   Access wanted, not 0.
 * @return
 *   Local address or NULL.
 */
typedef void *(*rte_vfio_user_dma_lookup_t)(struct rte_vfio_user_dma_reader *reader,
		uint64_t iova, uint64_t more, uint32_t prot);

/**
 * A data-path reader of the DMA mappings: one per queue (or per thread), used
 * by one thread at a time. Between rte_vfio_user_dma_begin() and
 * rte_vfio_user_dma_end() the addresses that rte_vfio_user_dma_va() returned
 * stay mapped: a DMA_UNMAP of the client is answered only after the section
 * ended. Keep sections short (a burst); do not call dma_read(), dma_write() or
 * dma_submit() inside one, and do not nest them. All fields are private to the
 * library.
 */
struct rte_vfio_user_dma_reader {
	/** Odd inside a section. Written by the reader only. */
	uint64_t seq;
	/** Root of the mappings, loaded at the begin of a section. */
	const void *root;
	/** Where the current root is published. */
	const void *const *rootp;
	/** The mapping found last in this section, or none. */
	const struct rte_vfio_user_dma_entry *hit;
	/** What hit is at the begin of a section: it contains no address. */
	const struct rte_vfio_user_dma_entry *none;
	struct rte_vfio_user_server *srv; /**< the device */
	rte_vfio_user_dma_lookup_t lookup; /**< for this cpu */
} __rte_cache_aligned;

/**
 * Create a reader. Any thread. The lookup that suits the cpu is chosen here.
 *
 * @param srv
 *   The device.
 * @return
 *   The reader, or NULL with rte_errno EINVAL, ENOMEM, or ENOTSUP: the kernel
 *   has no membarrier(2).
 */
__rte_experimental
struct rte_vfio_user_dma_reader *
rte_vfio_user_server_dma_reader_create(struct rte_vfio_user_server *srv);

/**
 * Destroy a reader, outside of a section. Any thread; all readers of a device
 * must be destroyed before it is.
 *
 * @param reader
 *   The reader, or NULL.
 */
__rte_experimental
void
rte_vfio_user_server_dma_reader_destroy(struct rte_vfio_user_dma_reader *reader);

/**
 * Begin a read section. Wait-free: plain loads and stores only.
 *
 * @param reader
 *   The reader.
 */
__rte_experimental
static inline void
rte_vfio_user_dma_begin(struct rte_vfio_user_dma_reader *reader)
{
	__atomic_store_n(&reader->seq, reader->seq + 1, __ATOMIC_RELAXED);
	/*
	 * The writer publishes, issues membarrier(2), then looks at seq: here
	 * only the compiler has to keep the order of store and load.
	 */
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	reader->root = __atomic_load_n(reader->rootp, __ATOMIC_ACQUIRE);
	reader->hit = reader->none; /* what was found last may be gone */
}

/**
 * End a read section. Wait-free: one store.
 *
 * @param reader
 *   The reader.
 */
__rte_experimental
static inline void
rte_vfio_user_dma_end(struct rte_vfio_user_dma_reader *reader)
{
	__atomic_store_n(&reader->seq, reader->seq + 1, __ATOMIC_RELEASE);
}

/**
 * See the mappings that have come since the section began, inside it: what is
 * new may be what the client has just handed out addresses of. What was found
 * before stays valid until the section ends. Wait-free.
 *
 * @param reader
 *   The reader.
 * @return
 *   Whether the mappings have changed.
 */
__rte_experimental
static inline bool
rte_vfio_user_dma_refresh(struct rte_vfio_user_dma_reader *reader)
{
	const void *root = __atomic_load_n(reader->rootp, __ATOMIC_ACQUIRE);

	if (root == reader->root)
		return false;
	reader->root = root;
	reader->hit = reader->none;
	return true;
}

/**
 * Wait, without blocking, until all threads have left the read sections of the
 * device that are open now. For what a device model publishes to its data path
 * and takes back: a thread loads a pointer behind rte_vfio_user_dma_begin() and
 * uses it until rte_vfio_user_dma_end(); the poller stores NULL (release), calls
 * this, and knows when nobody uses it any more. The data path has no fence for
 * it. Copies that the library makes for dma_read() and the like are waited for,
 * too. Poller thread, also inside callbacks.
 *
 * @param srv
 *   The device.
 * @return
 *   - 0: no section is open, or all that were have ended
 *   - a number: the synced() callback is called with it, or with a higher one,
 *     by a later poll(), whose file descriptor becomes readable. Numbers ascend.
 *     A device that is destroyed first is not told: all sections have ended when
 *     rte_vfio_user_server_destroy() returns.
 */
__rte_experimental
uint64_t
rte_vfio_user_server_sync(struct rte_vfio_user_server *srv);

/**
 * Translate an address of the client to a local one, inside a read section.
 * Wait-free; no lock and no atomic read-modify-write.
 *
 * @param reader
 *   The reader.
 * @param iova
 *   Address in the client's DMA address space.
 * @param len
 *   Bytes wanted, not 0; all of them must lie in one mapping.
 * @param prot
 *   Access wanted: PROT_READ, PROT_WRITE or both.
 * @return
 *   The local address, valid until the section ends, or NULL: not mapped, not
 *   with that access, or not reachable by mmap.
 */
__rte_experimental
static inline void *
rte_vfio_user_dma_va(struct rte_vfio_user_dma_reader *reader, uint64_t iova,
		     uint64_t len, uint32_t prot)
{
	const struct rte_vfio_user_dma_entry *hit = reader->hit;
	uint64_t off = iova - hit->first; /* one comparison says whether it is inside */

	if (prot == 0 || len == 0)
		return NULL;
	if (likely(off <= hit->span && len - 1 <= hit->span - off &&
		   (prot & hit->denied) == 0))
		return (void *)(uintptr_t)(iova + hit->delta);
	return reader->lookup(reader, iova, len - 1, prot);
}

/**
 * The lowest DMA mapping that ends at or after an address, inside a read
 * section: a walk over all of them begins at 0 and goes on behind the last
 * byte of what was found, unless that is the end of the address space. The
 * section sees the mappings as they were at its begin, or at the last
 * rte_vfio_user_dma_refresh(). Wait-free.
 *
 * @param reader
 *   The reader.
 * @param iova
 *   Address in the client's DMA address space.
 * @param info
 *   Set to the description of the mapping; what it refers to (va, fd) is valid
 *   until the section ends.
 * @return
 *   - 0 on success
 *   - -ENOENT: there is none
 *   - -EINVAL: bad argument
 */
__rte_experimental
int
rte_vfio_user_dma_next(const struct rte_vfio_user_dma_reader *reader,
		       uint64_t iova, struct rte_vfio_user_dma_info *info);

/**
 * Copy from the client's memory, however it is reached: mapped, by file I/O,
 * or by DMA_READ messages split to the negotiated size, 128 KiB at most. Blocks
 * for each message up to dma_timeout_ms. Any thread, outside of read sections.
 *
 * Inside a region callback it works only with clients that serve requests
 * while they wait for a reply (this library's does, QEMU's does not), and
 * blocks whatever else the polling thread polls: answer first, copy later.
 *
 * @param srv
 *   The device.
 * @param sg
 *   Pieces to copy, in order.
 * @param nb_sg
 *   Number of pieces.
 * @return
 *   - 0: all bytes were copied
 *   - -EFAULT: an address is not mapped
 *   - -EPERM: a mapping does not allow reading
 *   - -EIO: a short reply, the end of a file, or the client truncated its memory
 *     (rte_vfio_user_sigbus.h)
 *   - another errno of pread(2) or pwrite(2)
 *   - -ENOTCONN, -ETIMEDOUT, -EPROTO (malformed reply), or the client's errno
 *   - -EAGAIN: 1024 requests are in flight; -ENOMEM, -ENOBUFS: a request could
 *     not be sent
 *   - -EINVAL: bad argument
 *   On an error some bytes may have been copied.
 */
__rte_experimental
int
rte_vfio_user_server_dma_readv(struct rte_vfio_user_server *srv,
		const struct rte_vfio_user_dma_sg *sg, uint32_t nb_sg);

/**
 * Copy to the client's memory; see rte_vfio_user_server_dma_readv().
 *
 * @param srv
 *   The device.
 * @param sg
 *   Pieces to copy, in order.
 * @param nb_sg
 *   Number of pieces.
 * @return
 *   As rte_vfio_user_server_dma_readv(); -EPERM: not writable.
 */
__rte_experimental
int
rte_vfio_user_server_dma_writev(struct rte_vfio_user_server *srv,
		const struct rte_vfio_user_dma_sg *sg, uint32_t nb_sg);

/**
 * Copy one piece from the client's memory.
 *
 * @param srv
 *   The device.
 * @param iova
 *   Address in the client's DMA address space.
 * @param buf
 *   Where to store.
 * @param len
 *   Bytes.
 * @return
 *   As rte_vfio_user_server_dma_readv().
 */
__rte_experimental
static inline int
rte_vfio_user_server_dma_read(struct rte_vfio_user_server *srv, uint64_t iova,
			      void *buf, uint64_t len)
{
	struct rte_vfio_user_dma_sg sg;

	sg.iova = iova;
	sg.len = len;
	sg.buf = buf;
	return rte_vfio_user_server_dma_readv(srv, &sg, 1);
}

/**
 * Copy one piece to the client's memory.
 *
 * @param srv
 *   The device.
 * @param iova
 *   Address in the client's DMA address space.
 * @param buf
 *   What to store; not modified.
 * @param len
 *   Bytes.
 * @return
 *   As rte_vfio_user_server_dma_writev().
 */
__rte_experimental
static inline int
rte_vfio_user_server_dma_write(struct rte_vfio_user_server *srv, uint64_t iova,
			       const void *buf, uint64_t len)
{
	struct rte_vfio_user_dma_sg sg;

	sg.iova = iova;
	sg.len = len;
	sg.buf = (void *)(uintptr_t)buf;
	return rte_vfio_user_server_dma_writev(srv, &sg, 1);
}

/**
 * Completion of an asynchronous DMA access. Runs in the poller thread, or in
 * the thread that called rte_vfio_user_server_dma_submit() or another blocking
 * DMA function when it was that thread which received the last reply.
 *
 * @param srv
 *   The device.
 * @param status
 *   As rte_vfio_user_server_dma_readv() returns.
 * @param arg
 *   The arg of the submission.
 */
typedef void (*rte_vfio_user_dma_cb_t)(struct rte_vfio_user_server *srv,
				       int status, void *arg);

/**
 * Copy from or to the client's memory without waiting for replies. Memory that
 * needs no message is copied during the call. Any thread, outside of read
 * sections; also from region callbacks with every client.
 *
 * @param srv
 *   The device.
 * @param is_write
 *   true: to the client's memory.
 * @param sg
 *   Pieces to copy; the array may go after return, the buffers of a read must
 *   stay until the completion, those of a write only until return.
 * @param nb_sg
 *   Number of pieces.
 * @param cb
 *   Called exactly once if this function returned 0, possibly before it
 *   returns; with -ENOTCONN when the client goes or the device is destroyed.
 * @param arg
 *   Passed to cb.
 * @return
 *   - 0: cb was or will be called
 *   - -EINVAL: bad argument, or no pieces; -ENOMEM: nothing was done, cb is not
 *     called
 */
__rte_experimental
int
rte_vfio_user_server_dma_submit(struct rte_vfio_user_server *srv,
		bool is_write, const struct rte_vfio_user_dma_sg *sg,
		uint32_t nb_sg, rte_vfio_user_dma_cb_t cb, void *arg);

#ifdef __cplusplus
}
#endif

#endif /* RTE_VFIO_USER_SERVER_H */
