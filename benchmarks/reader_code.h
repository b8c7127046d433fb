/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#ifndef READER_CODE_H
#define READER_CODE_H

/**
 * @file
 * A read section as a data path has it, in functions of its own, so that
 * reader_check.py can look at the code the compiler made of it
 */

#include <stdint.h>

#include <rte_vfio_user_server.h>

/** Lookups of one read section. */
#define READER_BURST 32u

/** begin, READER_BURST lookups of 4 bytes, end: the sum of the addresses. */
uintptr_t reader_burst(struct rte_vfio_user_dma_reader *reader, const uint64_t *iova);

#endif /* READER_CODE_H */
