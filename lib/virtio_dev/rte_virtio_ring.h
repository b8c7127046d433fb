/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#ifndef RTE_VIRTIO_RING_H
#define RTE_VIRTIO_RING_H

/**
 * @file
 * Device side of a virtqueue: buffers out of, and back into, a ring that a
 * driver owns and that may hold anything
 *
 * Split and packed rings of virtio 1.2, with indirect descriptors, event
 * indexes and in-order use, behind one set of functions:
 *
 *     rte_vfio_user_dma_begin(reader);
 *     if (rte_virtio_ring_map(ring, reader) == 0) {
 *             while (rte_virtio_ring_pop(ring, &chain, segs, nb_segs) > 0) {
 *                     use chain.segs
 *                     rte_virtio_ring_push(ring, chain.id, chain.slots, written);
 *             }
 *             rte_virtio_ring_publish(ring);
 *             wanted = rte_virtio_ring_wants_interrupt(ring);
 *     }
 *     rte_vfio_user_dma_end(reader);
 *
 * A device with rte_virtio_dev.h gets the ring from rte_virtio_queue_begin(),
 * which does the first two lines. Devices that care for speed take buffers of
 * one descriptor by the burst, with rte_virtio_ring_pop_burst(), and only the
 * odd ones with rte_virtio_ring_pop().
 *
 * Trust. The driver is not trusted, nor is its memory left alone while it is
 * read: each index and descriptor is read once, and checked where it was read
 * to. Every address given out lies in memory that the client mapped, with all
 * its bytes. What a ring may not hold breaks it: pop returns an error from then
 * on, until rte_virtio_ring_init() is called again. A broken ring costs its own
 * queue only. What remains possible for a driver is to offer the same memory
 * twice, under the same id or another one, to change data while the device
 * reads it, and never to come to an end: bound what you take in one go.
 *
 * Sections. All functions from rte_virtio_ring_map() on are called inside a
 * read section of the reader, and local addresses (in segments and buffers) are
 * valid until it ends. A buffer may be kept longer: its chain is brought up to
 * date in a later section by rte_virtio_chain_translate().
 *
 * Threads. A ring is used by one thread at a time. There is no lock, no atomic
 * read-modify-write and no wait; the only fence is in
 * rte_virtio_ring_wants_interrupt() and rte_virtio_ring_notify_enable().
 */

#include <stdbool.h>
#include <stdint.h>

#include <rte_common.h>
#include <rte_compat.h>

#include <rte_vfio_user_server.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Most entries of a ring. */
#define RTE_VIRTIO_RING_MAX_SIZE 32768u

/** What the driver and the device agreed on for a ring. */
struct rte_virtio_ring_conf {
	/** Entries, 1 to RTE_VIRTIO_RING_MAX_SIZE; of a split ring a power of 2. */
	uint16_t size;
	/**
	 * The negotiated features, as bits: VIRTIO_F_RING_PACKED,
	 * VIRTIO_F_IN_ORDER, VIRTIO_RING_F_INDIRECT_DESC and
	 * VIRTIO_RING_F_EVENT_IDX are looked at.
	 */
	uint64_t features;
	/** Descriptor area, in the client's DMA address space; 16-byte aligned. */
	uint64_t desc;
	/** Driver area: available ring (2-byte aligned), or event suppression (4). */
	uint64_t driver;
	/** Device area: used ring, or event suppression; 4-byte aligned. */
	uint64_t device;
};

/** A piece of a buffer that is contiguous here. */
struct rte_virtio_seg {
	void *va; /**< local address, valid until the section ends */
	uint64_t iova; /**< the client's address of it */
	uint32_t len; /**< bytes, not 0 */
};

/**
 * A buffer: what the device may read, then what it may write. A descriptor
 * becomes more than one segment if it lies in several DMA mappings, and none if
 * its length is 0.
 */
struct rte_virtio_chain {
	/** For push; below the size of the ring. Not unique: the driver chose it. */
	uint16_t id;
	uint16_t slots; /**< for push */
	uint16_t nb_read; /**< segments to read: the first ones */
	uint16_t nb_write; /**< segments to write: the following ones */
	uint32_t read_len; /**< bytes of the segments to read */
	/** Bytes of those to write. Together with read_len it is below 2^32. */
	uint32_t write_len;
	struct rte_virtio_seg *segs; /**< the caller's array */
};

/** The device writes the buffer; else it reads it. */
#define RTE_VIRTIO_BUF_F_WRITE 2u

/** A buffer of one descriptor, in one piece. */
struct rte_virtio_buf {
	void *va; /**< local address, valid until the section ends */
	uint32_t len; /**< bytes, not 0 */
	uint16_t id; /**< as of a chain */
	uint16_t flags; /**< RTE_VIRTIO_BUF_F_WRITE or 0 */
};

struct rte_virtio_ring;

/**
 * Takes plain buffers from a position on that are like the last one. Called
 * by rte_virtio_ring_pop_burst(), not by applications.
 *
 * @param ring
 *   The ring, mapped.
 * @param pos
 *   Index of the available entry (split) or of the descriptor (packed).
 * @param bufs
 *   Where to describe them. More than those taken may be overwritten.
 * @param nb
 *   Most to take.
 * @return
 *   The number taken.
 */
typedef uint16_t (*rte_virtio_ring_run_t)(const struct rte_virtio_ring *ring, uint16_t pos,
		struct rte_virtio_buf *bufs, uint16_t nb);

/**
 * A ring, embedded in the queue of a device. All fields are private to the
 * library.
 */
struct rte_virtio_ring {
	uint8_t *desc; /**< local address of the descriptor area, of this section */
	uint8_t *driver; /**< of the driver area */
	uint8_t *device; /**< of the device area */
	struct rte_vfio_user_dma_reader *reader; /**< of this section */
	uint16_t size; /**< entries */
	uint16_t mask; /**< of indexes of a split ring */
	/** Split: free-running index of the next available entry; packed: its position. */
	uint16_t avail;
	uint16_t avail_end; /**< split: the driver's index, as read last */
	uint16_t used; /**< as avail, of the next used entry to be written */
	uint16_t published; /**< as used, at the last publish */
	uint16_t pending; /**< entries pushed since then */
	/** Split: heads, packed: descriptors that were popped and not pushed. */
	uint16_t in_flight;
	/** Packed: flags that make a descriptor available now. */
	uint16_t avail_flags;
	/** Packed: flags that make a descriptor used now. */
	uint16_t used_flags;
	bool packed; /**< VIRTIO_F_RING_PACKED */
	bool in_order; /**< VIRTIO_F_IN_ORDER */
	bool indirect; /**< VIRTIO_RING_F_INDIRECT_DESC */
	bool event_idx; /**< VIRTIO_RING_F_EVENT_IDX */
	/** The last burst ended at a buffer that needs rte_virtio_ring_pop(). */
	bool odd;
	bool notify_off; /**< the driver was told not to notify */
	uint16_t run_flags; /**< RTE_VIRTIO_BUF_F_WRITE or 0, as the last one of a burst */
	int broken; /**< 0, or the error that broke it */
	/** Packed: second half of the descriptor at published, not written yet. */
	uint64_t head;
	rte_virtio_ring_run_t run; /**< for this kind of ring and this cpu */
	/** Entries published since the driver's wish for interrupts was looked at. */
	uint32_t unsignalled;
	/** The areas in the client's address space: descriptors, driver, device. */
	struct {
		uint64_t iova; /**< first address */
		uint32_t len; /**< bytes */
		uint16_t align; /**< power of 2 */
		uint16_t prot; /**< access that is needed */
	} area[3];
} __rte_cache_aligned;

/**
 * Initialise a ring, for the first time or again: nothing was available, used,
 * or broken. Touches none of the driver's memory. Does not allocate.
 *
 * @param ring
 *   The ring.
 * @param conf
 *   What it is; copied.
 * @return
 *   - 0 on success
 *   - -EINVAL: bad argument, size or alignment, or an area reaches beyond 2^64
 */
__rte_experimental
int
rte_virtio_ring_init(struct rte_virtio_ring *ring,
		     const struct rte_virtio_ring_conf *conf);

/**
 * Find the areas of a ring in the current section of a reader, in which the
 * other functions may be called then. An area may lie in several DMA mappings
 * if they are contiguous here, too.
 *
 * @param ring
 *   The ring; not broken by an error, because memory may be mapped later.
 * @param reader
 *   The reader, inside a section.
 * @return
 *   - 0 on success
 *   - -EFAULT: an area is not mapped, or not with the access that is needed, or
 *     not reachable by mmap, or not contiguous or not aligned here
 */
__rte_experimental
int
rte_virtio_ring_map(struct rte_virtio_ring *ring,
		    struct rte_vfio_user_dma_reader *reader);

/**
 * Take the next available buffer, of any form.
 *
 * An indirect table is read where it lies, in as many DMA mappings as that may
 * be. Memory that the client mapped after the section had begun is found, too.
 * The following break the ring:
 * - -EPROTO: an available index that is further ahead than the ring is large
 *   (what is in flight counts), an index or id that is not below the size, a
 *   readable descriptor behind a writable one, or an indirect descriptor that
 *   was not negotiated, has a next one (packed: is not alone), is in an
 *   indirect table, or whose table is empty, longer than the ring can refer to,
 *   or not a multiple of 16 bytes;
 * - -E2BIG: a chain of more descriptors than the ring has, also over an
 *   indirect table, or (packed) than are free, as a loop is;
 * - -EOVERFLOW: 4 GiB or more in one buffer, or a descriptor that reaches
 *   beyond 2^64;
 * - -EFAULT: a part of a buffer or of an indirect table that is not mapped, not
 *   for reading or writing as wanted, or not reachable by mmap.
 *
 * @param ring
 *   The ring, mapped.
 * @param chain
 *   Where to describe the buffer; set if one was taken.
 * @param segs
 *   Array for its segments; chain->segs is set to it.
 * @param max_segs
 *   Its size. As many segments as the ring has entries are enough for buffers
 *   of which no descriptor lies in two mappings.
 * @return
 *   - 1: a buffer was taken
 *   - 0: none is available
 *   - -ENOSPC: it needs more segments; it was not taken, the ring is not broken
 *   - another negative errno: the ring is broken, see above
 */
__rte_experimental
int
rte_virtio_ring_pop(struct rte_virtio_ring *ring, struct rte_virtio_chain *chain,
		    struct rte_virtio_seg *segs, uint16_t max_segs);

/**
 * Take available buffers that are one descriptor and lie in one mapping, as
 * fast as can be; their first lines are prefetched. Ends at the first buffer of
 * another form (chain, indirect, empty, in several mappings, or faulty): then
 * rte_virtio_ring_is_odd() is true and rte_virtio_ring_pop() takes it.
 *
 * @param ring
 *   The ring, mapped.
 * @param bufs
 *   Where to describe them; those behind the number taken may be overwritten, too.
 * @param nb
 *   Most to take. 64 is a good number.
 * @return
 *   - the number taken
 *   - negative errno: the ring is broken, see rte_virtio_ring_pop(); what was
 *     taken before it broke was returned by the calls before
 */
__rte_experimental
int
rte_virtio_ring_pop_burst(struct rte_virtio_ring *ring, struct rte_virtio_buf *bufs,
			  uint16_t nb);

/**
 * Whether the last burst ended at a buffer that needs rte_virtio_ring_pop().
 *
 * @param ring
 *   The ring.
 * @return
 *   True if so.
 */
__rte_experimental
static inline bool
rte_virtio_ring_is_odd(const struct rte_virtio_ring *ring)
{
	return ring->odd;
}

/**
 * Undo the last pops: what was taken last is available again, and found again by
 * the next pop. For a device that finds that what it took is not enough. Not for
 * buffers that were pushed, nor for those before one that was.
 *
 * @param ring
 *   The ring, mapped.
 * @param slots
 *   Sum of the slots of the buffers, as popped; 1 for each buffer of a burst. No
 *   more than was taken: the rest is ignored.
 */
__rte_experimental
void
rte_virtio_ring_rewind(struct rte_virtio_ring *ring, uint16_t slots);

/**
 * Give a buffer back to the driver, which sees it after
 * rte_virtio_ring_publish(). In any order, or in that of pop if in-order use
 * was negotiated. No more than was taken: the rest is ignored.
 *
 * @param ring
 *   The ring, mapped.
 * @param id
 *   As popped.
 * @param slots
 *   As popped; 1 for a buffer of a burst.
 * @param written
 *   Bytes that the device wrote, from the begin of the writable part.
 */
__rte_experimental
void
rte_virtio_ring_push(struct rte_virtio_ring *ring, uint16_t id, uint16_t slots,
		     uint32_t written);

/**
 * Give buffers of bursts back, as rte_virtio_ring_push() does one by one.
 *
 * @param ring
 *   The ring, mapped.
 * @param bufs
 *   The buffers, of which the id is looked at.
 * @param written
 *   Bytes that the device wrote to each; or NULL: they were read only, thus one
 *   entry stands for all of them if in-order use was negotiated.
 * @param nb
 *   How many.
 */
__rte_experimental
void
rte_virtio_ring_push_burst(struct rte_virtio_ring *ring, const struct rte_virtio_buf *bufs,
			   const uint32_t *written, uint16_t nb);

/**
 * Show the driver what was pushed since the last call: one release store. Call
 * it once per burst, at the latest before the section ends.
 *
 * @param ring
 *   The ring, mapped.
 */
__rte_experimental
void
rte_virtio_ring_publish(struct rte_virtio_ring *ring);

/**
 * Whether the driver wants an interrupt for what was published since the last
 * call. Has a fence if something was: do not call it if there is no way to
 * interrupt. Call it behind publish, before the next push.
 *
 * @param ring
 *   The ring, mapped.
 * @return
 *   True if so.
 */
__rte_experimental
bool
rte_virtio_ring_wants_interrupt(struct rte_virtio_ring *ring);

/**
 * Tell the driver not to notify the device of available buffers, because it
 * polls. With event indexes, a driver of a split ring still notifies once for
 * 65536 buffers.
 *
 * @param ring
 *   The ring, mapped.
 */
__rte_experimental
void
rte_virtio_ring_notify_disable(struct rte_virtio_ring *ring);

/**
 * Tell the driver to notify the device of the next available buffer. Drivers
 * notify until rte_virtio_ring_notify_disable() is called; with event indexes
 * they need this call each time the device goes to sleep.
 *
 * @param ring
 *   The ring, mapped.
 * @return
 *   True if buffers are available already, of which the driver may not notify:
 *   go on with them.
 */
__rte_experimental
bool
rte_virtio_ring_notify_enable(struct rte_virtio_ring *ring);

/**
 * Break a ring because of what the device found in a buffer.
 *
 * @param ring
 *   The ring.
 * @param error
 *   Negative errno; the first one stays.
 */
__rte_experimental
static inline void
rte_virtio_ring_break(struct rte_virtio_ring *ring, int error)
{
	if (ring->broken == 0)
		ring->broken = error;
}

/**
 * Whether a ring is broken.
 *
 * @param ring
 *   The ring.
 * @return
 *   0, or the negative errno that broke it.
 */
__rte_experimental
static inline int
rte_virtio_ring_broken(const struct rte_virtio_ring *ring)
{
	return ring->broken;
}

/* ---------------------------------------------------------------- chains */

/**
 * Translate the segments of a chain again, in a later section than it was
 * popped in.
 *
 * @param ring
 *   The ring, mapped, that the chain was popped from.
 * @param chain
 *   The chain; its addresses are not valid after an error.
 * @return
 *   - 0 on success
 *   - -EFAULT: the client unmapped some of it, or mapped it in other pieces;
 *     the ring is broken
 */
__rte_experimental
int
rte_virtio_chain_translate(struct rte_virtio_ring *ring, struct rte_virtio_chain *chain);

/**
 * Copy from the readable part of a chain.
 *
 * @param chain
 *   The chain, inside the section.
 * @param offset
 *   First byte of the part to copy.
 * @param buf
 *   Where to.
 * @param len
 *   Bytes wanted.
 * @return
 *   Bytes copied: len, or what there is from offset on.
 */
__rte_experimental
uint32_t
rte_virtio_chain_read(const struct rte_virtio_chain *chain, uint32_t offset, void *buf,
		      uint32_t len);

/**
 * Copy to the writable part of a chain.
 *
 * @param chain
 *   The chain, inside the section.
 * @param offset
 *   First byte of the part to copy to.
 * @param buf
 *   Where from.
 * @param len
 *   Bytes to copy.
 * @return
 *   Bytes copied: len, or as many as fit from offset on.
 */
__rte_experimental
uint32_t
rte_virtio_chain_write(const struct rte_virtio_chain *chain, uint32_t offset,
		       const void *buf, uint32_t len);

#ifdef __cplusplus
}
#endif

#endif /* RTE_VIRTIO_RING_H */
