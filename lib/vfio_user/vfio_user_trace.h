/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#ifndef VFIO_USER_TRACE_H
#define VFIO_USER_TRACE_H

/**
 * @file
 * Tracepoints, "lib.vfio_user.*" of the EAL's option --trace
 *
 * dev is the handle of the server or client. One that is off costs a load and a
 * branch.
 */

#include <stdint.h>

#include <rte_trace_point.h>

/*
 * In threads of the data path. DPDK leaves such tracepoints out unless it was
 * built with them; behind ours is a system call, which costs a hundred times
 * more. Without the meson option enable_trace_fp DPDK's choice holds.
 */
#ifdef VFIO_USER_TRACE_FP
#define VFIO_USER_TRACE_POINT_FP RTE_TRACE_POINT
#else
#define VFIO_USER_TRACE_POINT_FP RTE_TRACE_POINT_FP
#endif

/** A message was received, whole. */
RTE_TRACE_POINT(
	vfio_user_trace_recv,
	RTE_TRACE_POINT_ARGS(const void *dev, uint16_t command, uint16_t msg_id,
			     uint32_t flags, uint32_t size, uint32_t fds),
	rte_trace_point_emit_ptr(dev);
	rte_trace_point_emit_u16(command);
	rte_trace_point_emit_u16(msg_id);
	rte_trace_point_emit_u32(flags);
	rte_trace_point_emit_u32(size);
	rte_trace_point_emit_u32(fds);
)

/** A server begins to handle a request, which may have waited. */
RTE_TRACE_POINT(
	vfio_user_trace_dispatch,
	RTE_TRACE_POINT_ARGS(const void *dev, uint16_t command, uint16_t msg_id),
	rte_trace_point_emit_ptr(dev);
	rte_trace_point_emit_u16(command);
	rte_trace_point_emit_u16(msg_id);
)

/** A request is sent, or queued. */
RTE_TRACE_POINT(
	vfio_user_trace_request,
	RTE_TRACE_POINT_ARGS(const void *dev, uint16_t command, uint16_t msg_id,
			     uint32_t size, uint32_t fds),
	rte_trace_point_emit_ptr(dev);
	rte_trace_point_emit_u16(command);
	rte_trace_point_emit_u16(msg_id);
	rte_trace_point_emit_u32(size);
	rte_trace_point_emit_u32(fds);
)

/** A reply is sent, or queued; error is an errno. */
RTE_TRACE_POINT(
	vfio_user_trace_reply,
	RTE_TRACE_POINT_ARGS(const void *dev, uint16_t command, uint16_t msg_id,
			     uint32_t error, uint32_t size, uint32_t fds),
	rte_trace_point_emit_ptr(dev);
	rte_trace_point_emit_u16(command);
	rte_trace_point_emit_u16(msg_id);
	rte_trace_point_emit_u32(error);
	rte_trace_point_emit_u32(size);
	rte_trace_point_emit_u32(fds);
)

/** A server was asked for a mapping (ret: 0 or -errno), a client enters one. */
RTE_TRACE_POINT(
	vfio_user_trace_dma_map,
	RTE_TRACE_POINT_ARGS(const void *dev, uint64_t iova, uint64_t size, int ret),
	rte_trace_point_emit_ptr(dev);
	rte_trace_point_emit_u64(iova);
	rte_trace_point_emit_u64(size);
	rte_trace_point_emit_int(ret);
)

/** A mapping goes; size 0: all of them. */
RTE_TRACE_POINT(
	vfio_user_trace_dma_unmap,
	RTE_TRACE_POINT_ARGS(const void *dev, uint64_t iova, uint64_t size, int ret),
	rte_trace_point_emit_ptr(dev);
	rte_trace_point_emit_u64(iova);
	rte_trace_point_emit_u64(size);
	rte_trace_point_emit_int(ret);
)

/** rte_vfio_user_server_irq_trigger() and what it returns. */
VFIO_USER_TRACE_POINT_FP(
	vfio_user_trace_irq_trigger,
	RTE_TRACE_POINT_ARGS(const void *dev, uint32_t index, uint32_t vector, int ret),
	rte_trace_point_emit_ptr(dev);
	rte_trace_point_emit_u32(index);
	rte_trace_point_emit_u32(vector);
	rte_trace_point_emit_int(ret);
)

#endif /* VFIO_USER_TRACE_H */
