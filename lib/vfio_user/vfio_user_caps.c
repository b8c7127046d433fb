/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#include <errno.h>
#include <string.h>

#include <jansson.h>

#include "rte_vfio_user_common.h"
#include "vfio_user_caps.h"

#define PAGE_4K UINT64_C(4096)

void
vfio_user_caps_default(struct vfio_user_caps *caps)
{
	memset(caps, 0, sizeof(*caps));
	caps->max_msg_fds = 1;
	caps->max_data_xfer_size = RTE_VFIO_USER_DEFAULT_XFER_SIZE;
	caps->max_dma_maps = RTE_VFIO_USER_DEFAULT_DMA_MAPS;
	caps->pgsizes = PAGE_4K;
}

/* 1: there and an integer >= min; 0: absent; -EINVAL. */
static int
get_integer(const json_t *obj, const char *key, json_int_t min, json_int_t *val)
{
	const json_t *item = json_object_get(obj, key);

	if (item == NULL)
		return 0;
	if (!json_is_integer(item) || json_integer_value(item) < min)
		return -EINVAL;
	*val = json_integer_value(item);
	return 1;
}

static int
get_u32(const json_t *obj, const char *key, json_int_t min, uint32_t *val)
{
	json_int_t num;
	int ret = get_integer(obj, key, min, &num);

	if (ret == 1) /* more than we can count is as good as no limit */
		*val = num > UINT32_MAX ? UINT32_MAX : (uint32_t)num;
	return ret;
}

static int
get_bool(const json_t *obj, const char *key, bool *val)
{
	const json_t *item = json_object_get(obj, key);

	if (item == NULL)
		return 0;
	if (!json_is_boolean(item))
		return -EINVAL;
	*val = json_is_true(item);
	return 1;
}

static int
get_pgsizes(const json_t *obj, uint64_t *val)
{
	json_int_t num;
	int ret = get_integer(obj, "pgsizes", 1, &num);

	if (ret <= 0)
		return ret;
	*val = (uint64_t)num & ~(PAGE_4K - 1);
	return *val == 0 ? -EINVAL : 1;
}

static int
parse_twin_socket(const json_t *obj, struct vfio_user_caps *caps)
{
	const json_t *twin = json_object_get(obj, "twin_socket");
	int ret;

	if (twin == NULL)
		return 0;
	if (!json_is_object(twin))
		return -EINVAL;
	ret = get_bool(twin, "supported", &caps->twin_socket);
	if (ret < 0)
		return ret;
	ret = get_u32(twin, "fd_index", 0, &caps->twin_fd_index);
	if (ret < 0)
		return ret;
	caps->present |= VFIO_USER_CAP_TWIN_SOCKET;
	if (ret == 1)
		caps->present |= VFIO_USER_CAP_TWIN_FD_INDEX;
	return 0;
}

/* Record that a capability is there, or pass its error on. */
static int
mark(struct vfio_user_caps *caps, int ret, uint32_t bit)
{
	if (ret == 1)
		caps->present |= bit;
	return ret < 0 ? ret : 0;
}

static int
parse_capabilities(const json_t *obj, struct vfio_user_caps *caps)
{
	int ret;

	ret = mark(caps, get_u32(obj, "max_msg_fds", 0, &caps->max_msg_fds),
		   VFIO_USER_CAP_MAX_MSG_FDS);
	if (ret == 0)
		ret = mark(caps, get_u32(obj, "max_data_xfer_size", 1,
					 &caps->max_data_xfer_size),
			   VFIO_USER_CAP_MAX_XFER);
	if (ret == 0)
		ret = mark(caps, get_u32(obj, "max_dma_maps", 1,
					 &caps->max_dma_maps),
			   VFIO_USER_CAP_MAX_DMA_MAPS);
	if (ret == 0)
		ret = mark(caps, get_pgsizes(obj, &caps->pgsizes),
			   VFIO_USER_CAP_PGSIZES);
	if (ret == 0)
		ret = mark(caps, get_bool(obj, "write_multiple",
					  &caps->write_multiple),
			   VFIO_USER_CAP_WRITE_MULTIPLE);
	if (ret == 0)
		ret = mark(caps, get_bool(obj, "sparse_mmap_fds",
					  &caps->sparse_mmap_fds),
			   VFIO_USER_CAP_SPARSE_FDS);
	if (ret == 0)
		ret = parse_twin_socket(obj, caps);
	return ret;
}

int
vfio_user_caps_parse(const char *text, uint32_t len, struct vfio_user_caps *caps)
{
	const json_t *obj;
	json_t *root;
	int ret = 0;

	vfio_user_caps_default(caps);
	if (len == 0)
		return 0;
	if (strnlen(text, len) != len - 1) /* one NUL, at the end */
		return -EINVAL;
	root = json_loadb(text, len - 1, JSON_REJECT_DUPLICATES, NULL);
	if (root == NULL)
		return -EINVAL;
	obj = json_object_get(root, "capabilities");
	if (!json_is_object(root) || (obj != NULL && !json_is_object(obj)))
		ret = -EINVAL;
	else if (obj != NULL)
		ret = parse_capabilities(obj, caps);
	json_decref(root);
	return ret;
}

/* 0, or -1: no memory, also for the value (NULL) or the object (NULL). */
static int
set_new(json_t *obj, bool wanted, const char *key, json_t *value)
{
	if (wanted)
		return json_object_set_new(obj, key, value);
	json_decref(value);
	return 0;
}

static json_t *
format_twin_socket(const struct vfio_user_caps *caps)
{
	json_t *twin = json_object();
	int ret = 0;

	ret |= set_new(twin, true, "supported", json_boolean(caps->twin_socket));
	ret |= set_new(twin, (caps->present & VFIO_USER_CAP_TWIN_FD_INDEX) != 0,
		       "fd_index", json_integer(caps->twin_fd_index));
	if (ret == 0)
		return twin;
	json_decref(twin);
	return NULL;
}

static int
set_all(json_t *obj, const struct vfio_user_caps *caps)
{
	const uint32_t have = caps->present;
	int ret = 0;

	ret |= set_new(obj, (have & VFIO_USER_CAP_MAX_MSG_FDS) != 0,
		       "max_msg_fds", json_integer(caps->max_msg_fds));
	ret |= set_new(obj, (have & VFIO_USER_CAP_MAX_XFER) != 0,
		       "max_data_xfer_size", json_integer(caps->max_data_xfer_size));
	ret |= set_new(obj, (have & VFIO_USER_CAP_MAX_DMA_MAPS) != 0,
		       "max_dma_maps", json_integer(caps->max_dma_maps));
	ret |= set_new(obj, (have & VFIO_USER_CAP_PGSIZES) != 0,
		       "pgsizes", json_integer((json_int_t)caps->pgsizes));
	ret |= set_new(obj, (have & VFIO_USER_CAP_WRITE_MULTIPLE) != 0,
		       "write_multiple", json_boolean(caps->write_multiple));
	ret |= set_new(obj, (have & VFIO_USER_CAP_SPARSE_FDS) != 0,
		       "sparse_mmap_fds", json_boolean(caps->sparse_mmap_fds));
	if ((have & VFIO_USER_CAP_TWIN_SOCKET) != 0)
		ret |= set_new(obj, true, "twin_socket", format_twin_socket(caps));
	return ret;
}

int
vfio_user_caps_format(const struct vfio_user_caps *caps, char *text, uint32_t size)
{
	json_t *root = json_object(), *obj = json_object();
	size_t len = 0;
	int ret;

	/* a capability left out would mean its default */
	ret = set_all(obj, caps);
	ret |= set_new(root, true, "capabilities", obj);
	if (ret == 0)
		len = json_dumpb(root, text, size, JSON_COMPACT);
	json_decref(root);
	if (len == 0)
		return -ENOMEM;
	if (len >= size)
		return -ENOSPC;
	text[len] = '\0';
	return (int)len + 1;
}
