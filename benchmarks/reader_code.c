/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#include <sys/mman.h>

#include "reader_code.h"

uintptr_t
reader_burst(struct rte_vfio_user_dma_reader *reader, const uint64_t *iova)
{
	uintptr_t sum = 0;
	uint32_t i;
	void *va;

	rte_vfio_user_dma_begin(reader);
	for (i = 0; i < READER_BURST; i++) {
		va = rte_vfio_user_dma_va(reader, iova[i], 4, PROT_READ);
		sum += (uintptr_t)va;
	}
	rte_vfio_user_dma_end(reader);
	return sum;
}
