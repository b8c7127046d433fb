/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#include <rte_cpuflags.h>

#include "vfio_user_lookup.h"

static void *
lookup_any_cpu(struct rte_vfio_user_dma_reader *reader, uint64_t iova, uint64_t more,
	       uint32_t prot)
{
	return vfio_user_lookup(reader, iova, more, prot);
}

#ifdef VFIO_USER_HAS_AVX2

rte_vfio_user_dma_lookup_t
vfio_user_lookup_choose(void)
{
	/* the EAL's limit is 0 until it was initialised, which we do not need */
	uint16_t bits = rte_vect_get_max_simd_bitwidth();

	if ((bits == 0 || bits >= RTE_VECT_SIMD_256) &&
	    rte_cpu_get_flag_enabled(RTE_CPUFLAG_AVX2) > 0)
		return vfio_user_lookup_avx2;
	return lookup_any_cpu;
}

#else

rte_vfio_user_dma_lookup_t
vfio_user_lookup_choose(void)
{
	return lookup_any_cpu;
}

#endif
