/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#ifndef NIC_COMPAT_H
#define NIC_COMPAT_H

/**
 * @file
 * What differs between the supported versions of DPDK, and nowhere else in this driver
 */

#include <rte_telemetry.h>
#include <rte_version.h>

/* DPDK 23.03 renamed what is of 64 bits, DPDK 24.11 has dropped the old names. */
#if RTE_VERSION >= RTE_VERSION_NUM(23, 3, 0, 0)
#define nic_tel_add_dict_uint rte_tel_data_add_dict_uint
#else
#define nic_tel_add_dict_uint rte_tel_data_add_dict_u64
#endif

#endif /* NIC_COMPAT_H */
