/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

/*
 * Whether the device that came back is the one the application knows. Files
 * and offsets in them may be others.
 */

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <rte_common.h>

#include "vfio_user_client.h"

/* ------------------------------------------------------------ describing */

static void
clear_region(struct vfio_user_client_shape_region *shape)
{
	free(shape->areas);
	memset(shape, 0, sizeof(*shape));
}

static int
describe_region(const struct vfio_user_client_region_info *region,
		struct vfio_user_client_shape_region *shape)
{
	uint32_t i, nb = vfio_user_client_count_areas(region);

	shape->flags = region->info->flags;
	shape->argsz = region->info->argsz;
	shape->size = region->info->size;
	if (nb == 0)
		return 0;
	shape->areas = calloc(nb, sizeof(shape->areas[0]));
	if (shape->areas == NULL)
		return -ENOMEM;
	shape->nb_areas = nb;
	for (i = 0; i < nb; i++)
		vfio_user_client_get_area(region, i, &shape->areas[i], NULL);
	return 0;
}

static bool
same_areas(const struct vfio_user_client_shape_region *a,
	   const struct vfio_user_client_shape_region *b)
{
	uint32_t i;

	if (a->nb_areas != b->nb_areas)
		return false;
	for (i = 0; i < a->nb_areas; i++)
		if (a->areas[i].offset != b->areas[i].offset ||
		    a->areas[i].size != b->areas[i].size)
			return false;
	return true;
}

/* ------------------------------------------------------------- recording */

/*
 * Whether a request failed for a reason that may pass, and not by an answer
 * that belongs to the device.
 */
static bool
may_pass(int error)
{
	switch (-error) {
	case EAGAIN:
	case EINTR:
	case EMFILE:
	case ENFILE:
	case ENOBUFS:
	case ENOMEM:
	case ENOTCONN:
	case EPROTO:
	case ETIMEDOUT:
	case ETOOMANYREFS:
		return true;
	default:
		return false;
	}
}

static int
record_region(struct rte_vfio_user_client *client, uint32_t index,
	      struct vfio_user_client_shape_region *shape)
{
	struct vfio_user_client_region_info region;
	int ret = vfio_user_client_get_region(client, index, &region);

	if (ret < 0) {
		shape->error = ret;
		return may_pass(ret) ? ret : 0;
	}
	ret = describe_region(&region, shape);
	vfio_user_client_region_info_release(&region);
	return ret;
}

static int
record_irq(struct rte_vfio_user_client *client, uint32_t index,
	   struct vfio_user_client_shape_irq *shape)
{
	struct vfio_irq_info info = { 0 };
	int ret = rte_vfio_user_client_irq_info(client, index, &info);

	shape->error = ret;
	shape->flags = info.flags;
	shape->count = info.count;
	return may_pass(ret) ? ret : 0;
}

static int
record_all(struct rte_vfio_user_client *client)
{
	struct vfio_user_client_shape *shape = &client->link.shape;
	struct vfio_device_info info;
	uint32_t i;
	int ret;

	ret = rte_vfio_user_client_device_info(client, &info);
	if (ret < 0)
		return ret;
	if (info.num_regions > VFIO_USER_CLIENT_MAX_REGIONS ||
	    info.num_irqs > VFIO_USER_CLIENT_MAX_REGIONS)
		return -E2BIG;
	shape->regions = calloc(info.num_regions + 1, sizeof(shape->regions[0]));
	shape->irqs = calloc(info.num_irqs + 1, sizeof(shape->irqs[0]));
	if (shape->regions == NULL || shape->irqs == NULL)
		return -ENOMEM; /* who destroys the client frees */
	shape->flags = info.flags;
	shape->nb_regions = info.num_regions;
	shape->nb_irqs = info.num_irqs;
	for (i = 0; i < shape->nb_regions && ret == 0; i++)
		ret = record_region(client, i, &shape->regions[i]);
	for (i = 0; i < shape->nb_irqs && ret == 0; i++)
		ret = record_irq(client, i, &shape->irqs[i]);
	return ret;
}

int
vfio_user_client_shape_record(struct rte_vfio_user_client *client)
{
	int ret;

	/* there may be thousands of queries: one timeout for all of them */
	client->hurry = vfio_user_now() + client->timeout_ns;
	ret = record_all(client);
	client->hurry = 0;
	return ret;
}

static void
forget_fresh(struct vfio_user_client_shape_region *shape)
{
	if (shape->fresh != NULL)
		vfio_user_client_region_info_release(shape->fresh);
	free(shape->fresh);
	shape->fresh = NULL;
}

void
vfio_user_client_shape_forget(struct rte_vfio_user_client *client)
{
	uint32_t i;

	for (i = 0; i < client->link.shape.nb_regions; i++)
		forget_fresh(&client->link.shape.regions[i]);
}

void
vfio_user_client_shape_fini(struct rte_vfio_user_client *client)
{
	struct vfio_user_client_shape *shape = &client->link.shape;
	uint32_t i;

	vfio_user_client_shape_forget(client);
	for (i = 0; i < shape->nb_regions; i++)
		clear_region(&shape->regions[i]);
	free(shape->regions);
	free(shape->irqs);
}

/* ------------------------------------------------------------- comparing */

int
vfio_user_client_check_negotiated(struct rte_vfio_user_client *client,
				  const struct rte_vfio_user_negotiated *neg)
{
	const struct rte_vfio_user_negotiated *old = &client->neg;

	if (neg->major != old->major || neg->minor < old->minor)
		return vfio_user_client_changed(client, "protocol %u.%u",
						neg->major, neg->minor);
	if (neg->max_msg_fds < old->max_msg_fds)
		return vfio_user_client_changed(client, "max_msg_fds %u instead of %u",
				neg->max_msg_fds, old->max_msg_fds);
	if (neg->max_data_xfer_size < old->max_data_xfer_size)
		return vfio_user_client_changed(client,
				"max_data_xfer_size %u instead of %u",
				neg->max_data_xfer_size, old->max_data_xfer_size);
	if (neg->max_dma_maps < old->max_dma_maps)
		return vfio_user_client_changed(client, "max_dma_maps %u instead of %u",
				neg->max_dma_maps, old->max_dma_maps);
	if ((old->pgsizes & ~neg->pgsizes) != 0)
		return vfio_user_client_changed(client, "pgsizes 0x%" PRIx64
				" instead of 0x%" PRIx64, neg->pgsizes, old->pgsizes);
	if (old->write_multiple && !neg->write_multiple)
		return vfio_user_client_changed(client, "no write_multiple");
	if (old->twin_socket && !neg->twin_socket)
		return vfio_user_client_changed(client, "no twin_socket");
	return 0;
}

static int
take_device(struct rte_vfio_user_client *client, uint64_t index, int status,
	    struct vfio_user_msg *reply)
{
	const struct vfio_user_client_shape *shape = &client->link.shape;
	struct vfio_device_info info = { 0 };

	RTE_SET_USED(index);
	if (status < 0)
		return status;
	if (reply->len < VFIO_USER_DEVICE_INFO_SIZE)
		return -EPROTO;
	memcpy(&info, reply->payload, VFIO_USER_DEVICE_INFO_SIZE);
	if (info.argsz < VFIO_USER_DEVICE_INFO_SIZE)
		return -EPROTO;
	if (info.flags != shape->flags)
		return vfio_user_client_changed(client, "flags 0x%x instead of 0x%x",
						info.flags, shape->flags);
	if (info.num_regions != shape->nb_regions)
		return vfio_user_client_changed(client, "%u regions instead of %u",
				info.num_regions, shape->nb_regions);
	if (info.num_irqs != shape->nb_irqs)
		return vfio_user_client_changed(client,
				"%u interrupt indexes instead of %u",
				info.num_irqs, shape->nb_irqs);
	return 0;
}

int
vfio_user_client_check_device(struct rte_vfio_user_client *client)
{
	const struct vfio_device_info request = { .argsz = VFIO_USER_DEVICE_INFO_SIZE };
	const struct vfio_user_out out = {
		.head = &request,
		.head_len = VFIO_USER_DEVICE_INFO_SIZE,
	};

	if (client->link.cursor++ != 0)
		return vfio_user_client_answered(client);
	return vfio_user_client_ask(client, VFIO_USER_DEVICE_GET_INFO, &out,
				    take_device, 0);
}

static int
compare_region(struct rte_vfio_user_client *client, uint32_t index,
	       const struct vfio_user_client_shape_region *now)
{
	const struct vfio_user_client_shape_region *old =
		&client->link.shape.regions[index];

	if (now->error != old->error)
		return vfio_user_client_changed(client, "region %u: %s", index,
				now->error == 0 ? "new" : strerror(-now->error));
	if (now->size != old->size)
		return vfio_user_client_changed(client, "region %u: size 0x%" PRIx64
				" instead of 0x%" PRIx64, index, now->size, old->size);
	if (now->flags != old->flags)
		return vfio_user_client_changed(client, "region %u: flags 0x%x"
				" instead of 0x%x", index, now->flags, old->flags);
	if (now->argsz != old->argsz || !same_areas(now, old))
		return vfio_user_client_changed(client,
				"region %u: mappable areas", index);
	return 0;
}

/* Keep the files of a region that will be mapped. */
static int
keep_fresh(struct vfio_user_client_shape_region *shape,
	   const struct vfio_user_client_region_info *region)
{
	forget_fresh(shape);
	shape->fresh = malloc(sizeof(*shape->fresh));
	if (shape->fresh == NULL)
		return -ENOMEM;
	*shape->fresh = *region;
	return 0;
}

/* region->info is the reply, in place. */
static int
check_region(struct rte_vfio_user_client *client, uint32_t index,
	     struct vfio_user_client_region_info *region)
{
	struct vfio_user_client_shape_region now = { 0 };
	int ret;

	ret = describe_region(region, &now);
	if (ret == 0)
		ret = compare_region(client, index, &now);
	clear_region(&now);
	if (ret < 0 || !vfio_user_client_region_is_mapped(client, index))
		return ret;
	ret = keep_fresh(&client->link.shape.regions[index], region);
	if (ret == 0)
		region->info = NULL; /* taken over, with the fds */
	return ret;
}

static int
take_region(struct rte_vfio_user_client *client, uint64_t index, int status,
	    struct vfio_user_msg *reply)
{
	struct vfio_user_client_shape_region refused = { .error = status };
	const uint32_t i = (uint32_t)index;
	struct vfio_user_client_region_info region;
	int ret;

	if (status < 0)
		return may_pass(status) ? status : compare_region(client, i, &refused);
	if (reply->len < sizeof(*region.info))
		return -EPROTO;
	region.info = malloc(reply->len);
	if (region.info == NULL)
		return -ENOMEM;
	memcpy(region.info, reply->payload, reply->len);
	vfio_user_fds_init(&region.fds);
	vfio_user_fds_move(&region.fds, &reply->fds);
	if (region.info->index != i)
		ret = -EPROTO;
	else if (region.info->argsz > client->link.shape.regions[i].argsz &&
		 region.info->argsz > sizeof(*region.info))
		/* what did not fit was not sent */
		ret = vfio_user_client_changed(client, "region %u: capabilities", i);
	else
		ret = vfio_user_check_region_info(region.info, reply->len,
				region.fds.nb, &region.cap_sparse, &region.cap_fds);
	if (ret == 0)
		ret = check_region(client, i, &region);
	if (region.info != NULL)
		vfio_user_client_region_info_release(&region);
	return ret;
}

int
vfio_user_client_check_regions(struct rte_vfio_user_client *client)
{
	const struct vfio_user_client_shape *shape = &client->link.shape;
	uint32_t *next = &client->link.cursor;
	struct vfio_region_info request = { 0 };
	const struct vfio_user_out out = { .head = &request,
			.head_len = sizeof(request), .more = true };
	uint32_t room = vfio_user_client_may_ask(client);
	int ret = 0;

	for (; *next < shape->nb_regions && room != 0 && ret == 0; ++*next, room--) {
		request.index = *next;
		request.argsz = RTE_MAX(shape->regions[*next].argsz,
					(uint32_t)sizeof(request));
		ret = vfio_user_client_ask(client, VFIO_USER_DEVICE_GET_REGION_INFO,
					   &out, take_region, *next);
	}
	return ret < 0 ? ret : vfio_user_client_answered(client);
}

static int
take_irq(struct rte_vfio_user_client *client, uint64_t index, int status,
	 struct vfio_user_msg *reply)
{
	const uint32_t i = (uint32_t)index;
	const struct vfio_user_client_shape_irq *old = &client->link.shape.irqs[i];
	struct vfio_irq_info info = { 0 };

	if (may_pass(status))
		return status;
	if (status == 0) {
		if (reply->len < sizeof(info))
			return -EPROTO;
		memcpy(&info, reply->payload, sizeof(info));
		if (info.argsz < sizeof(info) || info.index != i)
			return -EPROTO;
	}
	if (status != old->error)
		return vfio_user_client_changed(client, "interrupt index %u: %s", i,
				status == 0 ? "new" : strerror(-status));
	if (info.count != old->count || info.flags != old->flags)
		return vfio_user_client_changed(client, "interrupt index %u:"
				" count %u, flags 0x%x instead of %u, 0x%x", i,
				info.count, info.flags, old->count, old->flags);
	return 0;
}

int
vfio_user_client_check_irqs(struct rte_vfio_user_client *client)
{
	uint32_t *next = &client->link.cursor;
	struct vfio_irq_info request = { .argsz = sizeof(request) };
	const struct vfio_user_out out = { .head = &request,
			.head_len = sizeof(request), .more = true };
	uint32_t room = vfio_user_client_may_ask(client);
	int ret = 0;

	for (; *next < client->link.shape.nb_irqs && room != 0 && ret == 0;
	     ++*next, room--) {
		request.index = *next;
		ret = vfio_user_client_ask(client, VFIO_USER_DEVICE_GET_IRQ_INFO,
					   &out, take_irq, *next);
	}
	return ret < 0 ? ret : vfio_user_client_answered(client);
}

int
vfio_user_client_shape_restore(struct rte_vfio_user_client *client)
{
	struct vfio_user_client_shape_region *region;
	uint32_t i;
	int ret = 0;

	for (i = 0; i < client->link.shape.nb_regions && ret == 0; i++) {
		region = &client->link.shape.regions[i];
		if (region->fresh != NULL)
			ret = vfio_user_client_region_restore(client, i, region->fresh);
	}
	return ret < 0 ? ret : 1;
}
