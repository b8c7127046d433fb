/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#ifndef VFIO_USER_COMPAT_H
#define VFIO_USER_COMPAT_H

/**
 * @file
 * What differs between the supported versions of DPDK and C libraries, and
 * nowhere else.
 */

#include <string.h>

#include <rte_telemetry.h>
#include <rte_version.h>

/* DPDK 23.03 renamed what is of 64 bits, DPDK 24.11 has dropped the old names. */
#if RTE_VERSION >= RTE_VERSION_NUM(23, 3, 0, 0)
#define VFIO_USER_TEL_UINT RTE_TEL_UINT_VAL
#define vfio_user_tel_add_dict_uint rte_tel_data_add_dict_uint
#define vfio_user_tel_add_array_uint rte_tel_data_add_array_uint
#else
#define VFIO_USER_TEL_UINT RTE_TEL_U64_VAL
#define vfio_user_tel_add_dict_uint rte_tel_data_add_dict_u64
#define vfio_user_tel_add_array_uint rte_tel_data_add_array_u64
#endif

/** The name of an errno, "EINVAL", or NULL. */
static inline const char *
vfio_user_errno_name(int error)
{
#ifdef __GLIBC__
	return strerrorname_np(error);
#else
	(void)error;
	return NULL;
#endif
}

#endif /* VFIO_USER_COMPAT_H */
