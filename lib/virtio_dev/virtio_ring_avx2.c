/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#include "virtio_ring_run.h"

uint16_t
virtio_ring_split_run_avx2(const struct rte_virtio_ring *ring, uint16_t avail,
			   struct rte_virtio_buf *bufs, uint16_t nb)
{
	return virtio_ring_split_run(ring, avail, bufs, nb);
}

uint16_t
virtio_ring_packed_run_avx2(const struct rte_virtio_ring *ring, uint16_t pos,
			    struct rte_virtio_buf *bufs, uint16_t nb)
{
	return virtio_ring_packed_run(ring, pos, bufs, nb);
}
