/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <rte_common.h>

#include "vfio_user_client.h"

/* bounds on a reply that tells how large it wants to be */
#define MAX_ARGSZ 65536u
#define MAX_ROUNDS 4

int
rte_vfio_user_client_device_info(struct rte_vfio_user_client *client,
				 struct vfio_device_info *info)
{
	const struct vfio_device_info request = {
		.argsz = VFIO_USER_DEVICE_INFO_SIZE,
	};
	struct vfio_device_info reply = { 0 };
	struct vfio_user_client_req creq = {
		.head = &reply,
		.head_len = VFIO_USER_DEVICE_INFO_SIZE,
	};
	const struct vfio_user_out out = {
		.head = &request,
		.head_len = VFIO_USER_DEVICE_INFO_SIZE,
	};
	int ret;

	if (client == NULL || info == NULL)
		return vfio_user_misuse(__func__);
	ret = vfio_user_client_call(client, &creq, VFIO_USER_DEVICE_GET_INFO, &out);
	if (ret < 0)
		return ret;
	if (reply.argsz < VFIO_USER_DEVICE_INFO_SIZE)
		return -EPROTO;
	*info = reply;
	info->argsz = VFIO_USER_DEVICE_INFO_SIZE;
	return 0;
}

int
rte_vfio_user_client_irq_info(struct rte_vfio_user_client *client,
			      uint32_t index, struct vfio_irq_info *info)
{
	const struct vfio_irq_info request = {
		.argsz = sizeof(request),
		.index = index,
	};
	struct vfio_irq_info reply;
	struct vfio_user_client_req creq = {
		.head = &reply,
		.head_len = sizeof(reply),
	};
	const struct vfio_user_out out = {
		.head = &request,
		.head_len = sizeof(request),
	};
	int ret;

	if (client == NULL || info == NULL)
		return vfio_user_misuse(__func__);
	ret = vfio_user_client_call(client, &creq, VFIO_USER_DEVICE_GET_IRQ_INFO,
				    &out);
	if (ret < 0)
		return ret;
	if (reply.argsz < sizeof(reply) || reply.index != index)
		return -EPROTO;
	*info = reply;
	info->argsz = sizeof(reply);
	return 0;
}

int
rte_vfio_user_client_reset(struct rte_vfio_user_client *client)
{
	const struct vfio_user_out out = { .head = NULL };
	struct vfio_user_client_req creq = { .head = NULL };

	if (client == NULL)
		return vfio_user_misuse(__func__);
	return vfio_user_client_call(client, &creq, VFIO_USER_DEVICE_RESET, &out);
}

/* --------------------------------------------------------- region information */

/*
 * A query whose reply starts with the size it needs: ask again until there is
 * room. head starts with argsz; *reply is to be freed, fds to be closed.
 */
static int
query(struct rte_vfio_user_client *client, uint16_t command, void *head,
      uint32_t head_len, void **reply, uint32_t *len, struct vfio_user_fds *fds)
{
	const struct vfio_user_out out = { .head = head, .head_len = head_len };
	struct vfio_user_client_req creq = { .fds = fds };
	uint32_t argsz = head_len, needed;
	int round, ret;

	for (round = 0; round < MAX_ROUNDS; round++) {
		memcpy(head, &argsz, sizeof(argsz));
		creq.data = calloc(1, argsz);
		creq.data_cap = argsz;
		if (creq.data == NULL)
			return -ENOMEM;
		ret = vfio_user_client_call(client, &creq, command, &out);
		if (ret < 0)
			goto free_data;
		ret = -EPROTO;
		if (creq.data_len < head_len)
			goto free_data;
		memcpy(&needed, creq.data, sizeof(needed));
		if (needed < head_len)
			goto free_data;
		if (needed <= argsz) {
			*reply = creq.data;
			*len = creq.data_len;
			return 0;
		}
		if (needed > MAX_ARGSZ)
			goto free_data;
		argsz = needed;
		free(creq.data);
		vfio_user_fds_close(fds);
	}
	return -EPROTO;

free_data:
	free(creq.data);
	vfio_user_fds_close(fds);
	return ret;
}

int
vfio_user_client_get_region(struct rte_vfio_user_client *client, uint32_t index,
			    struct vfio_user_client_region_info *region)
{
	struct vfio_region_info request = { .index = index };
	void *reply = NULL;
	uint32_t len;
	int ret;

	region->info = NULL;
	vfio_user_fds_init(&region->fds);
	ret = query(client, VFIO_USER_DEVICE_GET_REGION_INFO, &request,
		    sizeof(request), &reply, &len, &region->fds);
	if (ret < 0)
		return ret;
	region->info = reply;
	ret = vfio_user_check_region_info(reply, len, region->fds.nb,
					  &region->cap_sparse, &region->cap_fds);
	if (ret == 0 && region->info->index != index)
		ret = -EPROTO;
	if (ret < 0)
		vfio_user_client_region_info_release(region);
	return ret;
}

void
vfio_user_client_region_info_release(struct vfio_user_client_region_info *region)
{
	free(region->info);
	region->info = NULL;
	vfio_user_fds_close(&region->fds);
}

/* Give up to room file descriptors to the caller and close the rest. */
static uint32_t
hand_over(struct vfio_user_fds *fds, int *out, uint32_t room)
{
	uint32_t i, nb = RTE_MIN(fds->nb, room);

	for (i = 0; i < nb; i++)
		out[i] = vfio_user_fds_take(fds, i);
	vfio_user_fds_close(fds);
	return nb;
}

int
rte_vfio_user_client_region_info(struct rte_vfio_user_client *client,
				 uint32_t index, struct vfio_region_info **info,
				 int *fds, uint32_t *nb_fds)
{
	struct vfio_user_client_region_info region;
	int ret;

	if (info != NULL)
		*info = NULL;
	if (client == NULL || info == NULL || (fds == NULL) != (nb_fds == NULL))
		return vfio_user_misuse(__func__);
	ret = vfio_user_client_get_region(client, index, &region);
	if (ret < 0)
		return ret;
	if (nb_fds != NULL)
		*nb_fds = hand_over(&region.fds, fds, *nb_fds);
	*info = region.info;
	region.info = NULL;
	vfio_user_client_region_info_release(&region);
	return 0;
}

static int
region_size(struct rte_vfio_user_client *client, uint32_t index, uint64_t *size)
{
	struct vfio_user_client_region_info region;
	int ret;

	ret = vfio_user_client_get_region(client, index, &region);
	if (ret < 0)
		return ret;
	*size = region.info->size;
	vfio_user_client_region_info_release(&region);
	return 0;
}

/* Check the sub-regions and convert them. */
static int
convert_ios(const uint8_t *reply, uint32_t len, uint32_t index, uint64_t size,
	    uint32_t nb_fds, struct rte_vfio_user_region_io_fd **iosp,
	    uint32_t *nb_ios)
{
	struct vfio_user_region_io_fds head;
	struct rte_vfio_user_region_io_fd *ios;
	struct vfio_user_sub_region sub;
	uint32_t i;

	memcpy(&head, reply, sizeof(head));
	if (head.index != index ||
	    head.count > (len - sizeof(head)) / sizeof(sub))
		return -EPROTO;
	if (head.count == 0)
		return 0;
	ios = calloc(head.count, sizeof(*ios));
	if (ios == NULL)
		return -ENOMEM;
	for (i = 0; i < head.count; i++) {
		memcpy(&sub, reply + sizeof(head) + i * sizeof(sub), sizeof(sub));
		if (!vfio_user_range_inside(sub.offset, sub.size, size) ||
		    sub.fd_index >= nb_fds ||
		    sub.type > VFIO_USER_IO_FD_TYPE_IOREGIONFD) {
			free(ios);
			return -EPROTO;
		}
		ios[i].offset = sub.offset;
		ios[i].size = sub.size;
		ios[i].fd_index = sub.fd_index;
		ios[i].type = sub.type;
		ios[i].flags = sub.flags;
		ios[i].datamatch = sub.datamatch;
	}
	*iosp = ios;
	*nb_ios = head.count;
	return 0;
}

int
rte_vfio_user_client_region_io_fds(struct rte_vfio_user_client *client,
		uint32_t index, struct rte_vfio_user_region_io_fd **ios,
		uint32_t *nb_ios, int *fds, uint32_t *nb_fds)
{
	struct vfio_user_region_io_fds request = { .index = index };
	struct vfio_user_fds received;
	void *reply = NULL;
	uint64_t size;
	uint32_t len;
	int ret;

	if (client == NULL || ios == NULL || nb_ios == NULL || nb_fds == NULL ||
	    (fds == NULL && *nb_fds != 0))
		return vfio_user_misuse(__func__);
	*ios = NULL;
	*nb_ios = 0;
	ret = region_size(client, index, &size);
	if (ret < 0)
		return ret;
	vfio_user_fds_init(&received);
	ret = query(client, VFIO_USER_DEVICE_GET_REGION_IO_FDS, &request,
		    sizeof(request), &reply, &len, &received);
	if (ret < 0)
		return ret;
	if (received.nb > *nb_fds)
		ret = -ENOSPC;
	else
		ret = convert_ios(reply, len, index, size, received.nb, ios, nb_ios);
	if (ret == 0)
		*nb_fds = hand_over(&received, fds, *nb_fds);
	vfio_user_fds_close(&received);
	free(reply);
	return ret;
}
