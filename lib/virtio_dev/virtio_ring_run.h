/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#ifndef VIRTIO_RING_RUN_H
#define VIRTIO_RING_RUN_H

/**
 * @file
 * Runs of plain buffers, the fast path of a burst: compiled once for any cpu and
 * once for those with AVX2
 *
 * A run are buffers that are like the one before: one descriptor, the same
 * flags, in the same mapping, up to the end of the ring. Most are taken four at
 * a time, a group, where all that may differ is checked at once; what does not
 * fit into a group is taken one by one, and what does not fit into the run ends
 * it. A descriptor is checked and used as it was loaded; one that was refused is
 * loaded again by who tries next, and checked again.
 */

#ifdef __AVX2__
#include <rte_vect.h>
#endif

#include "virtio_ring.h"

/** Descriptors that are checked together, as long as nothing is special. */
#define VIRTIO_RING_GROUP 4u

/** Longest buffer in a group. */
#define VIRTIO_RING_GROUP_LEN (UINT64_C(16) << 10)

/*
 * What the buffers of a run have in common, kept in registers: the compiler
 * cannot keep what the ring and the reader point to over stores to the caller's
 * array. A run ends where the flags of a descriptor differ, or its memory is not
 * in the mapping.
 */
struct virtio_ring_run {
	uint64_t first, span, delta;
	uint64_t last; /**< offset up to which any length of a group is inside */
	bool groups; /**< there is one */
};

/** False: buffers in the mapping found last cannot have these flags. */
static inline bool
virtio_ring_run_start(struct virtio_ring_run *run, const struct rte_virtio_ring *ring)
{
	const struct rte_vfio_user_dma_entry *hit = ring->reader->hit;

	run->first = hit->first;
	run->span = hit->span;
	run->delta = hit->delta;
	run->groups = run->span >= VIRTIO_RING_GROUP_LEN - 1;
	run->last = run->span - (VIRTIO_RING_GROUP_LEN - 1);
	return (hit->denied & (ring->run_flags != 0 ? PROT_WRITE : PROT_READ)) == 0;
}

/** Whether the mapping of the run has all of a buffer, which is not empty. */
static inline bool
virtio_ring_run_has(const struct virtio_ring_run *run, uint64_t addr, uint32_t len)
{
	const uint64_t off = addr - run->first;

	/* one less than no bytes is more than any span */
	return off <= run->span && (uint64_t)len - 1 <= run->span - off;
}

static inline void
virtio_ring_buf_prefetch(const struct rte_virtio_buf *buf)
{
	rte_prefetch0(buf->va);
}

#ifdef __AVX2__

/** Sets all bits of those that are not from least to least + most, without sign. */
static inline __m256i
virtio_ring_above(__m256i values, uint64_t least, uint64_t most)
{
	/* the cpu compares numbers with a sign */
	const uint64_t flip = UINT64_C(1) << 63;
	const __m256i from = _mm256_set1_epi64x((int64_t)(least ^ flip));
	const __m256i limit = _mm256_set1_epi64x((int64_t)(most ^ flip));

	return _mm256_cmpgt_epi64(_mm256_sub_epi64(values, from), limit);
}

/** Four heads, which may lie at any even address. */
static inline uint64_t
virtio_ring_load_heads(const uint8_t *entry)
{
	uint64_t heads;

	memcpy(&heads, entry, sizeof(heads));
	/* the driver may change them: they are not to be loaded again */
	__asm__ volatile("" : "+r" (heads));
	return heads;
}

/** The first and the second halves of four descriptors. */
static inline void
virtio_ring_load_group(const uint8_t *d0, const uint8_t *d1, const uint8_t *d2,
		       const uint8_t *d3, __m256i *first, __m256i *second)
{
	__m256i even = _mm256_castsi128_si256(_mm_load_si128((const void *)d0));
	__m256i odd = _mm256_castsi128_si256(_mm_load_si128((const void *)d1));

	even = _mm256_inserti128_si256(even, _mm_load_si128((const void *)d2), 1);
	odd = _mm256_inserti128_si256(odd, _mm_load_si128((const void *)d3), 1);
	/* as above */
	__asm__ volatile("" : "+x" (even), "+x" (odd));
	*first = _mm256_unpacklo_epi64(even, odd);
	*second = _mm256_unpackhi_epi64(even, odd);
}

/** Describe four buffers by their addresses and their second halves. */
static inline void
virtio_ring_set_group(struct rte_virtio_buf *bufs, const struct virtio_ring_run *run,
		      __m256i addr, __m256i rest)
{
	const __m256i va = _mm256_add_epi64(addr, _mm256_set1_epi64x((int64_t)run->delta));
	const __m256i even = _mm256_unpacklo_epi64(va, rest);
	const __m256i odd = _mm256_unpackhi_epi64(va, rest);
	unsigned int i;

	_mm_storeu_si128((void *)&bufs[0], _mm256_castsi256_si128(even));
	_mm_storeu_si128((void *)&bufs[1], _mm256_castsi256_si128(odd));
	_mm_storeu_si128((void *)&bufs[2], _mm256_extracti128_si256(even, 1));
	_mm_storeu_si128((void *)&bufs[3], _mm256_extracti128_si256(odd, 1));
#pragma GCC unroll 4
	for (i = 0; i < VIRTIO_RING_GROUP; i++)
		virtio_ring_buf_prefetch(&bufs[i]);
}

#endif

/* ---------------------------------------------------------------- split */

/** A run of a split ring. */
struct virtio_ring_split_run {
	struct virtio_ring_run mem;
	const uint8_t *descs;
	uint16_t mask;
	uint16_t flags;
};

/** One buffer of a run, or not. */
static inline bool
virtio_ring_split_take(const struct virtio_ring_split_run *run, const uint8_t *entry,
		       struct rte_virtio_buf *buf)
{
	const uint64_t head = virtio_ring_load16(entry);
	const uint8_t *desc = run->descs + VIRTIO_RING_DESC_SIZE * head;
	uint64_t rest, addr;

	if (unlikely(head > run->mask))
		return false;
	rest = virtio_ring_half(desc, 1);
	addr = virtio_ring_half(desc, 0);
	if (unlikely((uint16_t)(rest >> 32) != run->flags ||
		     !virtio_ring_run_has(&run->mem, addr, (uint32_t)rest)))
		return false;
	virtio_ring_buf_set(buf, addr + run->mem.delta, (uint32_t)rest | head << 32 |
			    (uint64_t)run->flags << 48);
	virtio_ring_buf_prefetch(buf);
	return true;
}

/*
 * Of a group, one comparison says whether the flags are those of the run and the
 * length is neither 0 nor too long, another one whether any such length is inside
 * the mapping. The flags lie above the length once what is above them is gone.
 */
#ifdef __AVX2__

static inline bool
virtio_ring_split_group(const struct virtio_ring_split_run *run, const uint8_t *entry,
			struct rte_virtio_buf *bufs)
{
	const uint64_t flags = (uint64_t)run->flags << 48, each = UINT64_C(0x0001000100010001);
	const uint64_t heads = virtio_ring_load_heads(entry);
	__m256i addr, rest, bad, len;

	if (unlikely((heads & ~(run->mask * each)) != 0))
		return false;
	virtio_ring_load_group(run->descs + (heads << 4 & 0xffff0),
			       run->descs + (heads >> 12 & 0xffff0),
			       run->descs + (heads >> 28 & 0xffff0),
			       run->descs + (heads >> 44 & 0xffff0), &addr, &rest);
	bad = virtio_ring_above(_mm256_slli_epi64(rest, 16), flags + (UINT64_C(1) << 16),
				(VIRTIO_RING_GROUP_LEN << 16) - 1);
	bad = _mm256_or_si256(bad, virtio_ring_above(addr, run->mem.first, run->mem.last));
	if (unlikely(!_mm256_testz_si256(bad, bad)))
		return false;
	len = _mm256_blend_epi32(rest, _mm256_setzero_si256(), 0xaa);
	rest = _mm256_cvtepu16_epi64(_mm_cvtsi64_si128((int64_t)heads));
	rest = _mm256_or_si256(_mm256_slli_epi64(rest, 32), _mm256_set1_epi64x((int64_t)flags));
	virtio_ring_set_group(bufs, &run->mem, addr, _mm256_or_si256(rest, len));
	return true;
}

#else

static __rte_always_inline bool
virtio_ring_split_fast(const struct virtio_ring_split_run *run, const uint8_t *entry,
		       struct rte_virtio_buf *buf)
{
	const uint64_t least = (uint64_t)run->flags << 48 | UINT64_C(1) << 16;
	const uint64_t head = virtio_ring_load16(entry);
	const uint8_t *desc = run->descs + VIRTIO_RING_DESC_SIZE * head;
	uint64_t rest, addr;

	if (unlikely(head > run->mask))
		return false;
	rest = virtio_ring_half(desc, 1);
	addr = virtio_ring_half(desc, 0);
	if (unlikely((rest << 16) - least >= VIRTIO_RING_GROUP_LEN << 16 ||
		     addr - run->mem.first > run->mem.last))
		return false;
	virtio_ring_buf_set(buf, addr + run->mem.delta, (uint32_t)rest | head << 32 |
			    (uint64_t)run->flags << 48);
	virtio_ring_buf_prefetch(buf);
	return true;
}

static __rte_always_inline bool
virtio_ring_split_group(const struct virtio_ring_split_run *run, const uint8_t *entry,
			struct rte_virtio_buf *bufs)
{
	return virtio_ring_split_fast(run, entry, &bufs[0]) &&
		virtio_ring_split_fast(run, entry + 2, &bufs[1]) &&
		virtio_ring_split_fast(run, entry + 4, &bufs[2]) &&
		virtio_ring_split_fast(run, entry + 6, &bufs[3]);
}

#endif

/** An rte_virtio_ring_run_t. */
static inline uint16_t
virtio_ring_split_run(const struct rte_virtio_ring *ring, uint16_t avail,
		      struct rte_virtio_buf *bufs, uint16_t nb)
{
	struct virtio_ring_split_run run = {
		.descs = ring->desc, .mask = ring->mask, .flags = ring->run_flags,
	};
	const uint8_t *entry = ring->driver + VIRTIO_RING_ENTRIES;
	struct rte_virtio_buf *buf = bufs, *end, *part;

	avail &= run.mask;
	entry += sizeof(uint16_t) * avail;
	end = bufs + RTE_MIN(nb, ring->size - avail);
	if (unlikely(!virtio_ring_run_start(&run.mem, ring)))
		return 0;
	while (buf != end) {
		while (run.mem.groups && end - buf >= VIRTIO_RING_GROUP &&
		       virtio_ring_split_group(&run, entry, buf)) {
			entry += sizeof(uint16_t) * VIRTIO_RING_GROUP;
			buf += VIRTIO_RING_GROUP;
		}
		part = end - buf > VIRTIO_RING_GROUP ? buf + VIRTIO_RING_GROUP : end;
		for (; buf != part; buf++, entry += sizeof(uint16_t))
			if (!virtio_ring_split_take(&run, entry, buf))
				return (uint16_t)(buf - bufs);
	}
	return (uint16_t)(buf - bufs);
}

/* --------------------------------------------------------------- packed */

/** A run of a packed ring. */
struct virtio_ring_packed_run {
	struct virtio_ring_run mem;
	uint64_t wanted; /**< flags, where they lie in the second half */
	uint64_t flags; /**< of the buffers, at the same place */
	uint64_t ids; /**< below that, in the upper half */
};

/** One buffer of a run, or not. */
static inline bool
virtio_ring_packed_take(const struct virtio_ring_packed_run *run, const uint64_t *desc,
			struct rte_virtio_buf *buf)
{
	uint64_t rest = rte_le_to_cpu_64(__atomic_load_n(desc + 1, __ATOMIC_ACQUIRE));
	uint64_t addr = virtio_ring_load64(desc);

	/* with the same flags, only the id is left in the upper half */
	rest -= run->wanted;
	if (unlikely(rest >= run->ids ||
		     !virtio_ring_run_has(&run->mem, addr, (uint32_t)rest)))
		return false;
	virtio_ring_buf_set(buf, addr + run->mem.delta, rest + run->flags);
	virtio_ring_buf_prefetch(buf);
	return true;
}

#ifdef __AVX2__

/*
 * The flags have to be loaded before what they make available. Here both are
 * loaded at once: 16 aligned bytes, which cpus with AVX do not tear.
 */
static inline bool
virtio_ring_packed_group(const struct virtio_ring_packed_run *run, const uint64_t *desc,
			 struct rte_virtio_buf *bufs)
{
	const __m256i long_bits =
		_mm256_set1_epi64x((int64_t)(UINT32_MAX & ~(VIRTIO_RING_GROUP_LEN - 1)));
	const uint8_t *at = (const uint8_t *)desc;
	__m256i addr, rest, bad, less_one;

	virtio_ring_load_group(at, at + 16, at + 32, at + 48, &addr, &rest);
	bad = virtio_ring_above(rest, run->wanted, run->ids - 1);
	bad = _mm256_or_si256(bad, virtio_ring_above(addr, run->mem.first, run->mem.last));
	less_one = _mm256_add_epi32(rest, _mm256_set1_epi32(-1));
	bad = _mm256_or_si256(bad, _mm256_and_si256(less_one, long_bits));
	if (unlikely(!_mm256_testz_si256(bad, bad)))
		return false;
	rest = _mm256_sub_epi64(rest, _mm256_set1_epi64x((int64_t)(run->wanted - run->flags)));
	virtio_ring_set_group(bufs, &run->mem, addr, rest);
	return true;
}

#else

/* One of a group, but for its length; less_one is what to look at for that. */
static __rte_always_inline bool
virtio_ring_packed_fast(const struct virtio_ring_packed_run *run, const uint64_t *desc,
			struct rte_virtio_buf *buf, uint64_t *less_one)
{
	uint64_t rest = rte_le_to_cpu_64(__atomic_load_n(desc + 1, __ATOMIC_ACQUIRE));
	uint64_t addr = virtio_ring_load64(desc);

	rest -= run->wanted;
	if (unlikely(rest >= run->ids || addr - run->mem.first > run->mem.last))
		return false;
	*less_one |= rest - 1;
	virtio_ring_buf_set(buf, addr + run->mem.delta, rest + run->flags);
	virtio_ring_buf_prefetch(buf);
	return true;
}

static __rte_always_inline bool
virtio_ring_packed_group(const struct virtio_ring_packed_run *run, const uint64_t *desc,
			 struct rte_virtio_buf *bufs)
{
	uint64_t less_one = 0;

	return virtio_ring_packed_fast(run, desc, &bufs[0], &less_one) &&
		virtio_ring_packed_fast(run, desc + 2, &bufs[1], &less_one) &&
		virtio_ring_packed_fast(run, desc + 4, &bufs[2], &less_one) &&
		virtio_ring_packed_fast(run, desc + 6, &bufs[3], &less_one) &&
		likely((uint32_t)less_one < VIRTIO_RING_GROUP_LEN);
}

#endif

/** An rte_virtio_ring_run_t; not beyond the end of the ring. */
static inline uint16_t
virtio_ring_packed_run(const struct rte_virtio_ring *ring, uint16_t pos,
		       struct rte_virtio_buf *bufs, uint16_t nb)
{
	const uint64_t *desc = (const uint64_t *)(uintptr_t)ring->desc + 2 * (size_t)pos;
	struct virtio_ring_packed_run run = {
		.wanted = (uint64_t)(ring->run_flags | ring->avail_flags) << 48,
		.flags = (uint64_t)ring->run_flags << 48,
		.ids = (uint64_t)ring->size << 32,
	};
	uint32_t i = 0, end;

	if (unlikely(!virtio_ring_run_start(&run.mem, ring)))
		return 0;
	while (i < nb) {
		while (run.mem.groups && i + VIRTIO_RING_GROUP <= nb &&
		       virtio_ring_packed_group(&run, desc + 2 * i, &bufs[i]))
			i += VIRTIO_RING_GROUP;
		end = RTE_MIN(nb, i + VIRTIO_RING_GROUP);
		for (; i < end; i++)
			if (!virtio_ring_packed_take(&run, desc + 2 * i, &bufs[i]))
				return (uint16_t)i;
	}
	return (uint16_t)i;
}

/* -------------------------------------------------------- for this cpu */

uint16_t virtio_ring_split_run_avx2(const struct rte_virtio_ring *ring, uint16_t avail,
				    struct rte_virtio_buf *bufs, uint16_t nb);
uint16_t virtio_ring_packed_run_avx2(const struct rte_virtio_ring *ring, uint16_t pos,
				     struct rte_virtio_buf *bufs, uint16_t nb);

#endif /* VIRTIO_RING_RUN_H */
