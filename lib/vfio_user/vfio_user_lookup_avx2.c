/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#include "vfio_user_lookup.h"

void *
vfio_user_lookup_avx2(struct rte_vfio_user_dma_reader *reader, uint64_t iova,
			     uint64_t more, uint32_t prot)
{
	return vfio_user_lookup(reader, iova, more, prot);
}
