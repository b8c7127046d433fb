/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#ifndef VFIO_USER_CAPS_H
#define VFIO_USER_CAPS_H

/**
 * @file
 * The capabilities of VERSION: JSON text <-> struct. Strict about types and
 * ranges, tolerant of unknown keys. Pure.
 */

#include <stdbool.h>
#include <stdint.h>

/** Which capabilities the text named. */
#define VFIO_USER_CAP_MAX_MSG_FDS (1u << 0)
#define VFIO_USER_CAP_MAX_XFER (1u << 1)
#define VFIO_USER_CAP_MAX_DMA_MAPS (1u << 2)
#define VFIO_USER_CAP_PGSIZES (1u << 3)
#define VFIO_USER_CAP_WRITE_MULTIPLE (1u << 4)
#define VFIO_USER_CAP_TWIN_SOCKET (1u << 5)
#define VFIO_USER_CAP_TWIN_FD_INDEX (1u << 6)
#define VFIO_USER_CAP_SPARSE_FDS (1u << 7)

/** Capabilities of one side; what is not named has the default. */
struct vfio_user_caps {
	uint32_t present; /* VFIO_USER_CAP_* */
	uint32_t max_msg_fds;
	uint32_t max_data_xfer_size;
	uint32_t max_dma_maps;
	uint64_t pgsizes;
	uint32_t twin_fd_index;
	bool write_multiple;
	bool twin_socket;
	bool sparse_mmap_fds;
};

/** The defaults that the specification gives to what is not named. */
void vfio_user_caps_default(struct vfio_user_caps *caps);

/**
 * Parse the data of VERSION: len bytes including the NUL, 0 for none.
 * 0, or -EINVAL: not JSON, a wrong type, a value out of range.
 */
int vfio_user_caps_parse(const char *text, uint32_t len,
			 struct vfio_user_caps *caps);

/**
 * Write the capabilities whose bit is set in present.
 *
 * @return
 *   Bytes including the NUL, or -ENOMEM, -ENOSPC: does not fit size bytes.
 */
int vfio_user_caps_format(const struct vfio_user_caps *caps, char *text,
			  uint32_t size);

#endif /* VFIO_USER_CAPS_H */
