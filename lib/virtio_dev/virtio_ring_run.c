/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#include <rte_cpuflags.h>
#include <rte_vect.h>

#include "virtio_ring_run.h"

static uint16_t
split_run_any_cpu(const struct rte_virtio_ring *ring, uint16_t avail,
		  struct rte_virtio_buf *bufs, uint16_t nb)
{
	return virtio_ring_split_run(ring, avail, bufs, nb);
}

static uint16_t
packed_run_any_cpu(const struct rte_virtio_ring *ring, uint16_t pos,
		   struct rte_virtio_buf *bufs, uint16_t nb)
{
	return virtio_ring_packed_run(ring, pos, bufs, nb);
}

rte_virtio_ring_run_t
virtio_ring_run_choose(bool packed)
{
#ifdef VIRTIO_DEV_HAS_AVX2
	/* the EAL's limit is 0 until it was initialised, which we do not need */
	const uint16_t bits = rte_vect_get_max_simd_bitwidth();

	if ((bits == 0 || bits >= RTE_VECT_SIMD_256) &&
	    rte_cpu_get_flag_enabled(RTE_CPUFLAG_AVX2) > 0)
		return packed ? virtio_ring_packed_run_avx2 : virtio_ring_split_run_avx2;
#endif
	return packed ? packed_run_any_cpu : split_run_any_cpu;
}
