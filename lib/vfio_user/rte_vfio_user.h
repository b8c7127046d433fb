/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#ifndef RTE_VFIO_USER_H
#define RTE_VFIO_USER_H

/**
 * @file
 * vfio-user devices by socket path and device id
 *
 * The API of the patch series "Introduce vfio-user library", version 2
 * (January 2021): programs written for it compile unchanged. It is a layer
 * over rte_vfio_user_server.h and rte_vfio_user_client.h, which new programs
 * should use. On the wire it speaks today's protocol, not the draft of 2020.
 *
 * A device is registered, described, and started; its path names it:
 *
 *     rte_vfio_user_register(path, &ops);
 *     rte_vfio_user_set_dev_info(path, &dev_info);
 *     rte_vfio_user_set_reg_info(path, regions);
 *     rte_vfio_user_set_irq_info(path, irqs);
 *     rte_vfio_user_start(path);
 *     ... new_device(dev_id), update_status(dev_id), destroy_device(dev_id)
 *     rte_vfio_user_unregister(path);
 *
 * Threads. One control thread serves all devices; every callback runs in it.
 * The first registration starts it, the last unregistration ends it. Every
 * function may be called by any thread, and by callbacks. No lock of the
 * library is held while a callback runs. The getters
 * (rte_vfio_user_get_mem_table(), rte_vfio_user_get_irq(),
 * rte_vfio_get_sock_addr()) never wait for the control thread: they may be
 * called under a lock that lock_dp() takes.
 *
 * Server functions return 0, or -1 with rte_errno set; client functions return
 * 0 or a negative errno. Ids of devices and of attached devices are the lowest
 * free numbers, each from 0 on, below 65536.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <linux/vfio.h>

#include <rte_compat.h>

#ifdef __cplusplus
extern "C" {
#endif

/** The same type as <sys/types.h> has, which hides it in strict C. */
typedef int64_t loff_t;

/**
 * Entries in the declaration of struct rte_vfio_user_mem. Not a limit: a table
 * may have more, as its entry_num says.
 */
#define RTE_VUSER_MAX_DMA 256

/**
 * Callbacks of a device. Each is optional and runs in the control thread. New
 * members will only be added at the end.
 *
 * Around each DMA map, DMA unmap, change of interrupts and reset of a client
 * the order is: lock_dp(1); the change, for a reset reset_device(); new_device()
 * or update_status(); lock_dp(0).
 */
struct rte_vfio_user_notify_ops {
	/**
	 * The device has a client and its first DMA mapping. Other than 0: the
	 * device is not ready; it is called again after the next change, and
	 * destroy_device() is not called for it.
	 */
	int (*new_device)(int dev_id);
	/**
	 * The client is gone, or the device is being unregistered. Called once
	 * for each new_device() that returned 0. Memory table and interrupts
	 * can still be read; on return they are gone.
	 */
	void (*destroy_device)(int dev_id);
	/**
	 * DMA mappings or interrupts have changed. Not called before
	 * new_device(). The return value is ignored.
	 */
	int (*update_status)(int dev_id);
	/**
	 * Stop (lock is 1) or continue (0) the data path. A negative value for
	 * lock 1 refuses the client's request with EBUSY; lock_dp(0) is not
	 * called then. Also called before new_device().
	 */
	int (*lock_dp)(int dev_id, int lock);
	/**
	 * Reset the device. DMA mappings and interrupts stay. A negative value
	 * is the errno for the client, -1 is EIO. Also called before
	 * new_device().
	 */
	int (*reset_device)(int dev_id);
};

/** A range of memory that a client gives to a device. */
struct rte_vfio_user_mem_reg {
	uint64_t gpa; /**< address the device uses */
	uint64_t size; /**< bytes */
	uint64_t fd_offset; /**< offset of the range in its file */
	uint32_t protection; /**< PROT_READ, PROT_WRITE: access of the device */
/** The range has a file that the device can map. */
#define RTE_VUSER_MEM_MAPPABLE (0x1 << 0)
	uint32_t flags; /**< RTE_VUSER_MEM_MAPPABLE or 0 */
};

/** A DMA mapping in the memory table of a device. */
struct rte_vfio_user_mtb_entry {
	uint64_t gpa; /**< first address */
	uint64_t size; /**< bytes */
	/** Local address of gpa; 0: the client gave no file to map. */
	uint64_t host_user_addr;
	void *mmap_addr; /**< the same as a pointer */
	uint64_t mmap_size; /**< size, or 0 without a local address */
	int fd; /**< file of the client, the library's; -1: none */
};

/** The memory table of a device. */
struct rte_vfio_user_mem {
	uint32_t entry_num; /**< number of entries, may exceed RTE_VUSER_MAX_DMA */
	/** entry_num entries, ascending by gpa; disjoint. */
	struct rte_vfio_user_mtb_entry entry[RTE_VUSER_MAX_DMA];
};

struct rte_vfio_user_reg_info;

/**
 * Access of a client to a region. Runs in the control thread.
 *
 * @param reg
 *   The region, as given to rte_vfio_user_set_reg_info().
 * @param buf
 *   Data to take from (write) or to store into (read).
 * @param count
 *   Bytes, not 0; pos + count does not exceed the size of the region.
 * @param pos
 *   Offset in the region.
 * @param iswrite
 *   Direction.
 * @return
 *   - the bytes done. A read may be short; a short write is an EIO.
 *   - a negative errno for the client; -1 is EIO
 */
typedef ssize_t (*rte_vfio_user_reg_acc_t)(struct rte_vfio_user_reg_info *reg,
		char *buf, size_t count, loff_t pos, bool iswrite);

/** A region of a device. */
struct rte_vfio_user_reg_info {
	/** Handles accesses; NULL: the region is plain memory at base. */
	rte_vfio_user_reg_acc_t rw;
	void *base; /**< memory of the region; with rw the application's own */
	/** File to map, with VFIO_REGION_INFO_FLAG_MMAP; else ignored. */
	int fd;
	/**
	 * Size and flags; offset is that of the region in fd. If argsz says
	 * that capabilities follow, they are honoured: mappable areas
	 * (VFIO_REGION_INFO_CAP_SPARSE_MMAP) and the type
	 * (VFIO_REGION_INFO_CAP_TYPE). NULL: there is no such region.
	 */
	struct vfio_region_info *info;
	void *priv; /**< the application's */
};

/** The regions of a device. */
struct rte_vfio_user_regions {
	uint32_t reg_num; /**< number of regions */
	struct rte_vfio_user_reg_info reg_info[]; /**< by region index */
};

/** The interrupts of a device. */
struct rte_vfio_user_irq_info {
	uint32_t irq_num; /**< number of entries */
	/** Index, count and flags of interrupt indexes; argsz is ignored. */
	struct vfio_irq_info irq_info[];
};

/* --------------------------------------------------------------- server */

/**
 * Register a device. The first one starts the control thread.
 *
 * @param sock_addr
 *   Path of its socket, shorter than 108 bytes; copied.
 * @param ops
 *   Its callbacks; copied.
 * @return
 *   0, or -1 with rte_errno:
 *   - EINVAL: bad argument
 *   - ENAMETOOLONG: sock_addr does not fit a UNIX socket address
 *   - EEXIST: registered already, or its unregistration is not complete
 *   - ENOSPC: 65536 devices are registered
 *   - ENOMEM, EMFILE, ENFILE, EAGAIN: no thread could be started
 */
__rte_experimental
int
rte_vfio_user_register(const char *sock_addr,
		       const struct rte_vfio_user_notify_ops *ops);

/**
 * Unregister a device: its client is disconnected, destroy_device() is called
 * if new_device() was, the socket file is removed. The last one ends the
 * control thread. On return all this has happened.
 *
 * Called from a callback it only asks for it and returns: it happens when the
 * callback has returned. Must not be called with a lock held that a callback
 * takes.
 *
 * @param sock_addr
 *   Path of the device.
 * @return
 *   0, or -1 with rte_errno:
 *   - EINVAL: bad argument
 *   - ENOENT: no such device, or it is being unregistered
 */
__rte_experimental
int
rte_vfio_user_unregister(const char *sock_addr);

/**
 * Start serving a device. Its description is read here and is final. The
 * three structures that describe it are not read again, but region callbacks
 * get the region given, and its base is accessed; they must stay until the
 * device has no client any more and will have none.
 *
 * A stale socket file is replaced.
 *
 * @param sock_addr
 *   Path of the device.
 * @return
 *   0, also if it was started already, or -1 with rte_errno:
 *   - EINVAL: bad argument, one of the three descriptions was not set, or one
 *     is inconsistent; the log says which
 *   - ENOENT: no such device
 *   - EADDRINUSE: somebody listens on the path
 *   - ENOMEM, EMFILE, or another errno of socket(2), bind(2), unlink(2)
 */
__rte_experimental
int
rte_vfio_user_start(const char *sock_addr);

/**
 * Set the device information, before start.
 *
 * The device shows num_regions and num_irqs, or the numbers that the regions
 * and interrupts set need if these are larger. VFIO_DEVICE_FLAGS_RESET says
 * whether it can be reset. It is a PCI device whatever the flags say.
 *
 * @param sock_addr
 *   Path of the device.
 * @param dev_info
 *   The information; read by rte_vfio_user_start(), must stay until then.
 * @return
 *   0, or -1 with rte_errno:
 *   - EINVAL: bad argument
 *   - ENOENT: no such device
 *   - EBUSY: it is started
 */
__rte_experimental
int
rte_vfio_user_set_dev_info(const char *sock_addr,
			   struct vfio_device_info *dev_info);

/**
 * Set the regions, before start.
 *
 * @param sock_addr
 *   Path of the device.
 * @param reg
 *   The regions; read by rte_vfio_user_start(). File descriptors are
 *   duplicated there.
 * @return
 *   As rte_vfio_user_set_dev_info().
 */
__rte_experimental
int
rte_vfio_user_set_reg_info(const char *sock_addr,
			   struct rte_vfio_user_regions *reg);

/**
 * Set the interrupts, before start.
 *
 * @param sock_addr
 *   Path of the device.
 * @param irq
 *   The interrupts; read by rte_vfio_user_start(), must stay until then.
 * @return
 *   As rte_vfio_user_set_dev_info().
 */
__rte_experimental
int
rte_vfio_user_set_irq_info(const char *sock_addr,
			   struct rte_vfio_user_irq_info *irq);

/**
 * The memory table of a device: the DMA mappings of its client. Built when it
 * is first asked for after a change.
 *
 * @param dev_id
 *   Id of the device.
 * @return
 *   The table, or NULL with rte_errno ENOENT: no such device, ENOMEM, or
 *   ENOTSUP: the kernel has no membarrier(2). Without a client it is empty. The
 *   table and the addresses in it are valid until the next lock_dp(1) returns
 *   or, without lock_dp, until the next update_status() returns; at the
 *   latest until destroy_device() returns. At least
 *   sizeof(struct rte_vfio_user_mem) bytes can be read.
 */
__rte_experimental
const struct rte_vfio_user_mem *
rte_vfio_user_get_mem_table(int dev_id);

/**
 * The eventfds that the client assigned to interrupts. A write to one triggers
 * the interrupt, whatever its mask.
 *
 * @param dev_id
 *   Id of the device.
 * @param index
 *   Interrupt index.
 * @param count
 *   Number of vectors, from vector 0 on.
 * @param[out] fds
 *   Set to count file descriptors of the library, -1: none is assigned. A
 *   number stays the device's until it is unregistered: a write after a change
 *   of the client goes to the new eventfd, or nowhere.
 * @return
 *   0, or -1 with rte_errno:
 *   - EINVAL: bad argument, the index has fewer vectors, or the device is not
 *     started
 *   - ENOENT: no such device
 */
__rte_experimental
int
rte_vfio_user_get_irq(int dev_id, uint32_t index, uint32_t count, int *fds);

/**
 * The socket path of a device.
 *
 * @param dev_id
 *   Id of the device.
 * @param[out] buf
 *   Where to store it, with a terminating NUL.
 * @param len
 *   Room in buf.
 * @return
 *   0, or -1 with rte_errno:
 *   - EINVAL: bad argument
 *   - ENOENT: no such device
 *   - ERANGE: it does not fit; nothing was stored
 */
__rte_experimental
int
rte_vfio_get_sock_addr(int dev_id, char *buf, size_t len);

/* --------------------------------------------------------------- client */

/**
 * Attach to a device. Blocks until the server has answered, up to 10 seconds.
 *
 * @param sock_addr
 *   Path of its socket.
 * @return
 *   - the id of the attached device, 0 or more
 *   - -EINVAL, -ENAMETOOLONG: bad path
 *   - -ENOENT, -ECONNREFUSED: nobody listens there
 *   - -EBUSY: the device has another client
 *   - -ENOSPC: 65536 devices are attached
 *   - -EPROTO: the peer speaks no version of vfio-user that this library does
 *   - -ETIMEDOUT: no reply; -ENOTCONN: the peer closed the connection
 *   - -ENOMEM, -ENOBUFS, -EMFILE, -ENFILE, -EACCES, or another errno of
 *     socket(2), connect(2)
 */
__rte_experimental
int
rte_vfio_user_attach_dev(const char *sock_addr);

/**
 * Detach from a device. Waits for calls of other threads on it to return.
 *
 * @param dev_id
 *   Id of the attached device; it may be reused at once.
 * @return
 *   0, or -EINVAL: no such device.
 */
__rte_experimental
int
rte_vfio_user_detach_dev(int dev_id);

/**
 * Device information.
 *
 * @param dev_id
 *   Id of the attached device.
 * @param[out] info
 *   Set to the reply.
 * @return
 *   - 0 on success
 *   - -EINVAL: bad argument, no such device
 *   - -ENOTCONN, -ETIMEDOUT, -EPROTO, -EMFILE, -ENOMEM, -ENOBUFS: request errors
 *     of rte_vfio_user_client.h; or the server's errno
 */
__rte_experimental
int
rte_vfio_user_get_dev_info(int dev_id, struct vfio_device_info *info);

/**
 * Region information, with capabilities as kernel VFIO returns them.
 *
 * @param dev_id
 *   Id of the attached device.
 * @param[in,out] info
 *   In: index, and argsz, the room at info, at least
 *   sizeof(struct vfio_region_info). Out: the reply. If its argsz is larger
 *   than the room, capabilities are left out, cap_offset is 0, and a call with
 *   that much room gets them.
 * @param[out] fd
 *   Set to the file to map, which the caller has to close, or to -1: the
 *   region cannot be mapped.
 * @return
 *   As rte_vfio_user_get_dev_info().
 */
__rte_experimental
int
rte_vfio_user_get_reg_info(int dev_id, struct vfio_region_info *info, int *fd);

/**
 * Interrupt information.
 *
 * @param dev_id
 *   Id of the attached device.
 * @param[in,out] info
 *   In: index; argsz is ignored. Out: the reply.
 * @return
 *   As rte_vfio_user_get_dev_info().
 */
__rte_experimental
int
rte_vfio_user_get_irq_info(int dev_id, struct vfio_irq_info *info);

/**
 * Give ranges of memory to the device. All are mapped or none.
 *
 * @param dev_id
 *   Id of the attached device.
 * @param mem
 *   The ranges.
 * @param fds
 *   One file descriptor for each range, which stays the caller's; -1 unless
 *   RTE_VUSER_MEM_MAPPABLE is set. The device cannot reach a range without
 *   a file.
 * @param num
 *   Number of ranges.
 * @return
 *   - 0 on success
 *   - -EINVAL: bad argument, no such device; a range is empty, wraps, has no
 *     access, or its flag does not fit its file descriptor
 *   - -EEXIST: a range overlaps a mapping
 *   - -ENOSPC: more mappings than the server takes
 *   - a request error, as of rte_vfio_user_get_dev_info()
 */
__rte_experimental
int
rte_vfio_user_dma_map(int dev_id, struct rte_vfio_user_mem_reg *mem, int *fds,
		      uint32_t num);

/**
 * Take ranges of memory back. On success the device does not use them any
 * more.
 *
 * @param dev_id
 *   Id of the attached device.
 * @param mem
 *   The ranges; gpa and size must be those of a mapping each.
 * @param num
 *   Number of ranges.
 * @return
 *   - 0 on success
 *   - -EINVAL: bad argument, no such device
 *   - -ENOENT: a range is not exactly a mapping; the others are unmapped
 *   - a request error, as of rte_vfio_user_get_dev_info()
 */
__rte_experimental
int
rte_vfio_user_dma_unmap(int dev_id, struct rte_vfio_user_mem_reg *mem,
			uint32_t num);

/**
 * Assign, trigger, mask or unmask interrupts.
 *
 * @param dev_id
 *   Id of the attached device.
 * @param set
 *   The request, argsz bytes. Eventfds are in its data and stay the caller's.
 * @return
 *   As rte_vfio_user_get_dev_info(); -EINVAL also: malformed request.
 */
__rte_experimental
int
rte_vfio_user_set_irqs(int dev_id, struct vfio_irq_set *set);

/**
 * Read from a region.
 *
 * @param dev_id
 *   Id of the attached device.
 * @param idx
 *   Region index.
 * @param offset
 *   Offset in the region.
 * @param size
 *   Bytes, up to the whole region.
 * @param[out] data
 *   Where to store.
 * @return
 *   As rte_vfio_user_get_dev_info(), or -EIO: the device stopped short.
 */
__rte_experimental
int
rte_vfio_user_region_read(int dev_id, uint32_t idx, uint64_t offset,
			  uint32_t size, void *data);

/**
 * Write to a region.
 *
 * @param dev_id
 *   Id of the attached device.
 * @param idx
 *   Region index.
 * @param offset
 *   Offset in the region.
 * @param size
 *   Bytes, up to the whole region.
 * @param data
 *   What to write.
 * @return
 *   As rte_vfio_user_region_read().
 */
__rte_experimental
int
rte_vfio_user_region_write(int dev_id, uint32_t idx, uint64_t offset,
			   uint32_t size, const void *data);

/**
 * Reset the device. DMA mappings and interrupts stay.
 *
 * @param dev_id
 *   Id of the attached device.
 * @return
 *   As rte_vfio_user_get_dev_info().
 */
__rte_experimental
int
rte_vfio_user_reset(int dev_id);

#ifdef __cplusplus
}
#endif

#endif /* RTE_VFIO_USER_H */
