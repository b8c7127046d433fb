/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#include <rte_trace_point_register.h>

#include "vfio_user_trace.h"

RTE_TRACE_POINT_REGISTER(vfio_user_trace_recv, lib.vfio_user.recv)
RTE_TRACE_POINT_REGISTER(vfio_user_trace_dispatch, lib.vfio_user.dispatch)
RTE_TRACE_POINT_REGISTER(vfio_user_trace_request, lib.vfio_user.request)
RTE_TRACE_POINT_REGISTER(vfio_user_trace_reply, lib.vfio_user.reply)
RTE_TRACE_POINT_REGISTER(vfio_user_trace_dma_map, lib.vfio_user.dma.map)
RTE_TRACE_POINT_REGISTER(vfio_user_trace_dma_unmap, lib.vfio_user.dma.unmap)
RTE_TRACE_POINT_REGISTER(vfio_user_trace_irq_trigger, lib.vfio_user.irq.trigger)
