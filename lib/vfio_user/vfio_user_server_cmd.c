/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <rte_common.h>

#include "vfio_user_server.h"
#include "vfio_user_trace.h"

/* replies up to that size leave together, larger ones without a copy */
#define COALESCE_MAX 16384u

/* A handler answers by itself (0), fails (-errno), or is parked. */
#define HANDLED_LATER RTE_VFIO_USER_PENDING

typedef int (*handler_t)(struct rte_vfio_user_server *srv, struct vfio_user_msg *msg);

static int
reply(struct rte_vfio_user_server *srv, const struct vfio_user_msg *msg,
      const void *payload, uint32_t len)
{
	const struct vfio_user_out out = {
		.head = payload, .head_len = len, .more = true,
	};

	vfio_user_conn_reply(&srv->main, &msg->hdr, &out);
	return 0;
}

/* -------------------------------------------------------------- VERSION */

static void
negotiate(struct rte_vfio_user_server *srv, uint16_t minor,
	  const struct vfio_user_caps *client, bool twin)
{
	struct rte_vfio_user_negotiated *neg = &srv->neg;

	neg->major = RTE_VFIO_USER_PROTO_MAJOR;
	neg->minor = RTE_MIN(minor, RTE_VFIO_USER_PROTO_MINOR);
	neg->max_msg_fds = RTE_MIN(client->max_msg_fds,
				   (uint32_t)RTE_VFIO_USER_MAX_MSG_FDS);
	neg->max_data_xfer_size = RTE_MIN(client->max_data_xfer_size,
					  srv->conf.max_data_xfer_size);
	neg->max_dma_maps = RTE_MIN(client->max_dma_maps, srv->conf.max_dma_maps);
	neg->pgsizes = client->pgsizes;
	neg->write_multiple = client->write_multiple &&
		(srv->conf.flags & RTE_VFIO_USER_SERVER_F_NO_WRITE_MULTI) == 0;
	neg->twin_socket = twin;
	neg->sparse_mmap_fds = client->sparse_mmap_fds;
	__atomic_store_n(&srv->xfer_size, neg->max_data_xfer_size, __ATOMIC_RELAXED);
}

/* Our limits always; features only if the client named them (specification). */
static void
answer_caps(const struct rte_vfio_user_server *srv,
	    const struct vfio_user_caps *client, struct vfio_user_caps *caps)
{
	vfio_user_caps_default(caps);
	caps->present = client->present &
		(VFIO_USER_CAP_MAX_DMA_MAPS | VFIO_USER_CAP_PGSIZES |
		 VFIO_USER_CAP_WRITE_MULTIPLE | VFIO_USER_CAP_SPARSE_FDS);
	caps->present |= VFIO_USER_CAP_MAX_MSG_FDS | VFIO_USER_CAP_MAX_XFER;
	caps->max_msg_fds = srv->conf.max_msg_fds;
	caps->max_data_xfer_size = srv->conf.max_data_xfer_size;
	caps->max_dma_maps = srv->conf.max_dma_maps;
	caps->pgsizes = srv->neg.pgsizes;
	caps->write_multiple = srv->neg.write_multiple;
	caps->sparse_mmap_fds = srv->neg.sparse_mmap_fds;
	if (srv->neg.twin_socket) {
		caps->present |= VFIO_USER_CAP_TWIN_SOCKET | VFIO_USER_CAP_TWIN_FD_INDEX;
		caps->twin_socket = true;
		caps->twin_fd_index = 0;
	}
}

static int
send_version(struct rte_vfio_user_server *srv, const struct vfio_user_msg *msg,
	     const struct vfio_user_caps *client, int twin_fd)
{
	struct vfio_user_version version = { srv->neg.major, srv->neg.minor };
	struct vfio_user_caps caps;
	struct vfio_user_out out = { 0 };
	char text[512];
	int len;

	answer_caps(srv, client, &caps);
	len = vfio_user_caps_format(&caps, text, sizeof(text));
	if (len < 0)
		return len;
	out.head = &version;
	out.head_len = sizeof(version);
	out.data = text;
	out.data_len = (uint32_t)len;
	if (twin_fd >= 0) {
		out.fds = &twin_fd;
		out.nb_fds = 1;
	}
	return vfio_user_conn_reply(&srv->main, &msg->hdr, &out);
}

static bool
wants_twin(const struct rte_vfio_user_server *srv, const struct vfio_user_caps *client)
{
	return client->twin_socket && client->max_msg_fds != 0 &&
		(srv->conf.flags & RTE_VFIO_USER_SERVER_F_NO_TWIN_SOCKET) == 0;
}

static int
do_version(struct rte_vfio_user_server *srv, struct vfio_user_msg *msg)
{
	struct vfio_user_version version;
	struct vfio_user_caps client;
	int ret, twin_fd = -1;

	memcpy(&version, msg->payload, sizeof(version));
	if (version.major != RTE_VFIO_USER_PROTO_MAJOR)
		return -EINVAL;
	ret = vfio_user_caps_parse((const char *)msg->payload + sizeof(version),
				   msg->len - (uint32_t)sizeof(version), &client);
	if (ret < 0)
		return ret;
	if (wants_twin(srv, &client)) {
		twin_fd = vfio_user_server_open_twin(srv);
		if (twin_fd < 0)
			return twin_fd;
	}
	negotiate(srv, version.minor, &client, twin_fd >= 0);
	ret = send_version(srv, msg, &client, twin_fd);
	vfio_user_fd_close(twin_fd);
	if (ret < 0)
		return ret;
	srv->state = VFIO_USER_RUNNING;
	vfio_user_stats_inc(&srv->stats.connections);
	vfio_user_telemetry_connected(&srv->telemetry, "connected", &srv->neg);
	VFIO_USER_LOG(INFO, "%s: client connected, version %u.%u",
		      vfio_user_server_name(srv), srv->neg.major, srv->neg.minor);
	if (srv->ops.connected != NULL)
		srv->ops.connected(srv, srv->ops_priv);
	return 0;
}

/* ------------------------------------------------------------------ DMA */

/* A reply, or an error, that leaves after those that wait already. */
static void
hold_reply(struct rte_vfio_user_server *srv, struct vfio_user_held_reply *held,
	   const struct vfio_user_msg *msg, const struct vfio_user_dma_unmap *unmap,
	   int error)
{
	held->request = msg->hdr;
	held->error = error;
	held->len = unmap == NULL ? 0 : sizeof(*unmap);
	if (unmap != NULL)
		held->unmap = *unmap;
	STAILQ_INSERT_TAIL(&srv->held, held, next);
}

void
vfio_user_server_release_held(struct rte_vfio_user_server *srv)
{
	struct vfio_user_held_reply *held;
	struct vfio_user_out out = { .more = true };

	if (!vfio_user_dma_settle(&srv->dma) && (vfio_user_dma_unsettled(&srv->dma) ||
						 vfio_user_dma_syncing(&srv->dma)))
		return;
	while ((held = STAILQ_FIRST(&srv->held)) != NULL) {
		STAILQ_REMOVE_HEAD(&srv->held, next);
		out.head = &held->unmap;
		out.head_len = held->len;
		if (held->error < 0)
			vfio_user_conn_reply_error(&srv->main, &held->request,
						   held->error, true);
		else
			vfio_user_conn_reply(&srv->main, &held->request, &out);
		free(held);
	}
}

/* Takes the fd. */
static int
add_mapping(struct rte_vfio_user_server *srv, const struct vfio_user_dma_map *map, int fd)
{
	struct vfio_user_dma_region *region;
	int ret;

	ret = vfio_user_dma_add(&srv->dma, map, fd, &region);
	if (ret < 0 || srv->dma_ops.map == NULL)
		return ret;
	ret = srv->dma_ops.map(srv, &region->info, srv->dma_priv);
	/* without memory for it the refused mapping stays until the end */
	if (ret < 0 && vfio_user_dma_remove(&srv->dma, region) < 0)
		return -ENOMEM;
	return RTE_MIN(ret, 0);
}

static int
do_dma_map(struct rte_vfio_user_server *srv, struct vfio_user_msg *msg)
{
	struct vfio_user_held_reply *held = NULL;
	struct vfio_user_dma_map map;
	int ret;

	ret = vfio_user_decode_dma_map(msg->payload, msg->fds.nb, &map);
	if (ret < 0)
		return ret;
	if (!STAILQ_EMPTY(&srv->held)) {
		/* first: what is mapped must be answered as mapped */
		held = malloc(sizeof(*held));
		if (held == NULL)
			return -ENOMEM;
	}
	ret = add_mapping(srv, &map, vfio_user_fds_take(&msg->fds, 0));
	vfio_user_trace_dma_map(srv, map.addr, map.size, ret);
	if (ret < 0) {
		free(held);
		return ret;
	}
	if (held == NULL)
		return reply(srv, msg, NULL, 0);
	hold_reply(srv, held, msg, NULL, 0);
	return 0;
}

static void
notify_unmap(struct rte_vfio_user_server *srv, const struct vfio_user_dma_region *region)
{
	if (srv->dma_ops.unmap != NULL)
		srv->dma_ops.unmap(srv, &region->info, srv->dma_priv);
}

static int
remove_region(struct rte_vfio_user_server *srv, struct vfio_user_dma_region *region)
{
	int ret = vfio_user_dma_hide(&srv->dma, region);

	if (ret < 0)
		return ret;
	notify_unmap(srv, region); /* it is still mapped, whatever is settled there */
	vfio_user_dma_retire(&srv->dma, region);
	return 0;
}

/*
 * As by the kernel's VFIO, a range may hold several mappings, each as a whole: QEMU
 * forgets in few large ranges what a guest's IOMMU had mapped page by page.
 */
static int
remove_range(struct rte_vfio_user_server *srv, uint64_t first, uint64_t last)
{
	struct vfio_user_dma_region *region;
	int ret = 0;

	if (!vfio_user_dma_separable(&srv->dma, first, last))
		return -ENOENT;
	while (ret == 0) {
		region = vfio_user_dma_next(&srv->dma, first);
		if (region == NULL || region->info.iova > last)
			break;
		ret = remove_region(srv, region);
	}
	return ret;
}

static int
remove_mapping(struct rte_vfio_user_server *srv, const struct vfio_user_dma_unmap *unmap)
{
	struct vfio_user_dma_region *region;

	if (unmap->flags == VFIO_DMA_UNMAP_FLAG_ALL) {
		TAILQ_FOREACH(region, &srv->dma.regions, next)
			notify_unmap(srv, region);
		vfio_user_dma_remove_all(&srv->dma);
		return 0;
	}
	return remove_range(srv, unmap->addr, unmap->addr + (unmap->size - 1));
}

static int
do_dma_unmap(struct rte_vfio_user_server *srv, struct vfio_user_msg *msg)
{
	struct vfio_user_held_reply *held;
	struct vfio_user_dma_unmap unmap;
	int ret;

	ret = vfio_user_decode_dma_unmap(msg->payload, &unmap);
	if (ret < 0)
		return ret;
	held = malloc(sizeof(*held));
	if (held == NULL)
		return -ENOMEM;
	ret = remove_mapping(srv, &unmap);
	vfio_user_trace_dma_unmap(srv, unmap.addr, unmap.size, ret);
	if (ret < 0) {
		free(held);
		return ret;
	}
	unmap.argsz = sizeof(unmap);
	hold_reply(srv, held, msg, &unmap, 0);
	return 0;
}

/* ---------------------------------------------------------- information */

static int
do_get_info(struct rte_vfio_user_server *srv, struct vfio_user_msg *msg)
{
	struct vfio_device_info info;

	memcpy(&info, msg->payload, VFIO_USER_DEVICE_INFO_SIZE);
	if (info.argsz < VFIO_USER_DEVICE_INFO_SIZE)
		return -EINVAL;
	info.argsz = VFIO_USER_DEVICE_INFO_SIZE;
	info.flags = VFIO_DEVICE_FLAGS_PCI;
	if ((srv->conf.flags & RTE_VFIO_USER_SERVER_F_NO_RESET) == 0)
		info.flags |= VFIO_DEVICE_FLAGS_RESET;
	info.num_regions = srv->conf.num_regions;
	info.num_irqs = srv->conf.num_irqs;
	return reply(srv, msg, &info, VFIO_USER_DEVICE_INFO_SIZE);
}

/* Send a reply of the region module and free it. */
static int
reply_region(struct rte_vfio_user_server *srv, const struct vfio_user_msg *msg,
	     struct vfio_user_region_reply *rep)
{
	const struct vfio_user_out out = {
		.head = rep->payload, .head_len = rep->len,
		.fds = rep->fds, .nb_fds = rep->nb_fds,
		.more = rep->nb_fds == 0,
	};
	int ret;

	ret = vfio_user_conn_reply(&srv->main, &msg->hdr, &out);
	free(rep->payload);
	return ret == -ENOBUFS ? ret : 0;
}

static int
do_get_region_info(struct rte_vfio_user_server *srv, struct vfio_user_msg *msg)
{
	struct vfio_user_region_reply rep;
	struct vfio_region_info info;
	int ret;

	memcpy(&info, msg->payload, sizeof(info));
	ret = vfio_user_regions_info(&srv->regions, info.index, info.argsz,
				     &srv->neg, &rep);
	return ret < 0 ? ret : reply_region(srv, msg, &rep);
}

static int
do_get_region_io_fds(struct rte_vfio_user_server *srv, struct vfio_user_msg *msg)
{
	struct vfio_user_region_io_fds req;
	struct vfio_user_region_reply rep;
	int ret;

	memcpy(&req, msg->payload, sizeof(req));
	ret = vfio_user_regions_io_fds(&srv->regions, &req, srv->neg.max_msg_fds, &rep);
	return ret < 0 ? ret : reply_region(srv, msg, &rep);
}

static int
do_get_irq_info(struct rte_vfio_user_server *srv, struct vfio_user_msg *msg)
{
	struct vfio_irq_info info;
	int ret;

	memcpy(&info, msg->payload, sizeof(info));
	ret = vfio_user_irqs_info(&srv->irqs, &info);
	return ret < 0 ? ret : reply(srv, msg, &info, sizeof(info));
}

static int
do_set_irqs(struct rte_vfio_user_server *srv, struct vfio_user_msg *msg)
{
	struct vfio_irq_set set;
	int ret;

	ret = vfio_user_decode_set_irqs(msg->payload, msg->len, msg->fds.nb, &set);
	if (ret < 0)
		return ret;
	ret = vfio_user_irqs_set(&srv->irqs, &set,
				 msg->payload + offsetof(struct vfio_irq_set, data),
				 &msg->fds);
	if (ret < 0)
		return ret;
	if (srv->ops.irq_changed != NULL)
		srv->ops.irq_changed(srv, set.index, set.start, set.count,
				     srv->ops_priv);
	return reply(srv, msg, NULL, 0);
}

static int
do_reset(struct rte_vfio_user_server *srv, struct vfio_user_msg *msg)
{
	struct vfio_user_held_reply *held = NULL;
	int ret = 0;

	if ((srv->conf.flags & RTE_VFIO_USER_SERVER_F_NO_RESET) != 0)
		return -EINVAL;
	if (srv->ops.reset != NULL)
		ret = srv->ops.reset(srv, RTE_VFIO_USER_RESET_DEVICE, srv->ops_priv);
	if (ret < 0)
		return ret;
	/* a device that is reset does not write: not before its data path has stopped */
	if (vfio_user_dma_syncing(&srv->dma))
		held = malloc(sizeof(*held));
	if (held == NULL)
		return reply(srv, msg, NULL, 0);
	hold_reply(srv, held, msg, NULL, 0);
	return 0;
}

/* -------------------------------------------------------- region accesses */

static ssize_t
call_region(struct rte_vfio_user_server *srv, const struct vfio_user_region *region,
	    struct rte_vfio_user_region_access *acc)
{
	uint8_t *mem = region->conf.base;
	ssize_t ret;

	if (region->conf.cb == NULL) {
		if (acc->is_write)
			memcpy(mem + acc->offset, acc->data, acc->count);
		else
			memcpy(acc->data, mem + acc->offset, acc->count);
		return acc->count;
	}
	acc->token = vfio_user_server_arm(srv, false, !acc->is_write, acc->count);
	ret = region->conf.cb(srv, acc, region->conf.priv);
	if (ret == RTE_VFIO_USER_PENDING)
		return ret;
	vfio_user_server_disarm(srv);
	if (ret > (ssize_t)acc->count) {
		VFIO_USER_LOG(ERR, "%s: callback of region %u returned %zd of %u bytes",
			      vfio_user_server_name(srv), acc->region, ret, acc->count);
		return -EIO;
	}
	return ret;
}

/* Answer an access by what its callback returned. */
static int
finish_access(struct rte_vfio_user_server *srv, const struct vfio_user_msg *msg,
	      ssize_t result, const void *data)
{
	struct vfio_user_region_access head;
	struct vfio_user_out out = { .head = &head, .head_len = sizeof(head) };

	if (result < 0)
		return (int)RTE_MAX(result, -4095);
	memcpy(&head, msg->payload, sizeof(head));
	head.count = (uint32_t)result;
	if (msg->hdr.command == VFIO_USER_REGION_READ) {
		out.data = data;
		out.data_len = head.count;
	}
	out.more = out.data_len <= COALESCE_MAX;
	vfio_user_conn_reply(&srv->main, &msg->hdr, &out);
	return 0;
}

static int
reserve_scratch(struct rte_vfio_user_server *srv, uint32_t size)
{
	uint8_t *buf;

	if (size <= srv->scratch_size)
		return 0;
	buf = malloc(size);
	if (buf == NULL)
		return -ENOMEM;
	free(srv->scratch);
	srv->scratch = buf;
	srv->scratch_size = size;
	return 0;
}

/* Data of a write where callbacks may expect them: aligned to 8 bytes. */
static void *
align_data(uint8_t *data, uint32_t count)
{
	uint8_t *aligned = data - ((uintptr_t)data & 7);

	/* in front of it are the header and the access, already read */
	if (aligned != data)
		memmove(aligned, data, count);
	return aligned;
}

static int
do_region_access(struct rte_vfio_user_server *srv, struct vfio_user_msg *msg)
{
	struct rte_vfio_user_region_access acc;
	const struct vfio_user_region *region;
	struct vfio_user_region_access head;
	ssize_t ret;

	memcpy(&head, msg->payload, sizeof(head));
	acc.is_write = msg->hdr.command == VFIO_USER_REGION_WRITE;
	region = vfio_user_regions_access(&srv->regions, head.region, head.offset,
					  head.count, acc.is_write);
	if (region == NULL || head.count > srv->conf.max_data_xfer_size)
		return -EINVAL;
	if (acc.is_write && head.count > msg->len - sizeof(head))
		return -EINVAL;
	acc.region = head.region;
	acc.offset = head.offset;
	acc.count = head.count;
	if (head.count == 0)
		return finish_access(srv, msg, 0, NULL);
	if (acc.is_write) {
		acc.data = align_data(msg->payload + sizeof(head), head.count);
	} else {
		ret = reserve_scratch(srv, head.count);
		if (ret < 0)
			return (int)ret;
		acc.data = srv->scratch;
	}
	ret = call_region(srv, region, &acc);
	/* the head as it came: the data may have been moved over it */
	memcpy(msg->payload, &head, sizeof(head));
	if (ret == RTE_VFIO_USER_PENDING)
		return vfio_user_server_park(srv, VFIO_USER_PARKED_ACCESS, msg, acc.token);
	return finish_access(srv, msg, ret, acc.data);
}

static ssize_t
write_one(struct rte_vfio_user_server *srv, struct vfio_user_single_write *wr,
	  uint64_t *token)
{
	struct rte_vfio_user_region_access acc = {
		.region = wr->region, .is_write = true,
		.offset = wr->offset, .count = wr->count,
	};
	const struct vfio_user_region *region;
	uint64_t data; /* aligned */
	ssize_t ret;

	if (wr->count == 0 || wr->count > sizeof(wr->data))
		return -EINVAL;
	region = vfio_user_regions_access(&srv->regions, wr->region, wr->offset,
					  wr->count, true);
	if (region == NULL)
		return -EINVAL;
	memcpy(&data, wr->data, sizeof(data));
	acc.data = &data;
	ret = call_region(srv, region, &acc);
	*token = acc.token;
	return ret;
}

/* Writes from the given one on; the reply tells how many were done. */
static int
run_multi(struct rte_vfio_user_server *srv, struct vfio_user_msg *msg, uint32_t done)
{
	struct vfio_user_single_write wr;
	uint64_t count, token;
	ssize_t ret = 0;

	memcpy(&count, msg->payload, sizeof(count));
	for (; done < count; done++) {
		memcpy(&wr, msg->payload + sizeof(count) + done * sizeof(wr), sizeof(wr));
		ret = write_one(srv, &wr, &token);
		if (ret == RTE_VFIO_USER_PENDING) {
			srv->multi_done = done;
			return vfio_user_server_park(srv, VFIO_USER_PARKED_MULTI,
						     msg, token);
		}
		if (ret < 0)
			break;
	}
	if (done == 0 && ret < 0)
		return (int)RTE_MAX(ret, -4095);
	count = done;
	return reply(srv, msg, &count, sizeof(count));
}

static int
do_write_multi(struct rte_vfio_user_server *srv, struct vfio_user_msg *msg)
{
	uint64_t count;

	memcpy(&count, msg->payload, sizeof(count));
	if (count > (msg->len - sizeof(count)) / sizeof(struct vfio_user_single_write))
		return -EINVAL;
	return run_multi(srv, msg, 0);
}

/* ------------------------------------------------------------- dispatch */

/* Device features and migration are not supported: EINVAL, as libvfio-user. */
static const handler_t handlers[VFIO_USER_COMMAND_MAX] = {
	[VFIO_USER_VERSION] = do_version,
	[VFIO_USER_DMA_MAP] = do_dma_map,
	[VFIO_USER_DMA_UNMAP] = do_dma_unmap,
	[VFIO_USER_DEVICE_GET_INFO] = do_get_info,
	[VFIO_USER_DEVICE_GET_REGION_INFO] = do_get_region_info,
	[VFIO_USER_DEVICE_GET_REGION_IO_FDS] = do_get_region_io_fds,
	[VFIO_USER_DEVICE_GET_IRQ_INFO] = do_get_irq_info,
	[VFIO_USER_DEVICE_SET_IRQS] = do_set_irqs,
	[VFIO_USER_REGION_READ] = do_region_access,
	[VFIO_USER_REGION_WRITE] = do_region_access,
	[VFIO_USER_DEVICE_RESET] = do_reset,
	[VFIO_USER_REGION_WRITE_MULTI] = do_write_multi,
};

static void
refuse(struct rte_vfio_user_server *srv, const struct vfio_user_msg *msg, int error)
{
	struct vfio_user_held_reply *held = NULL;

	if (!STAILQ_EMPTY(&srv->held))
		held = malloc(sizeof(*held));
	if (held != NULL)
		hold_reply(srv, held, msg, NULL, error);
	else /* without memory for it: before the others */
		vfio_user_conn_reply_error(&srv->main, &msg->hdr, error, true);
	/* a client we cannot agree with has to start over */
	if (msg->hdr.command == VFIO_USER_VERSION && srv->state == VFIO_USER_NEGOTIATING) {
		vfio_user_stats_inc(&srv->stats.refused);
		vfio_user_server_close_soon(srv);
	}
}

/* Run the handler, between quiesce and resume. */
static void
run_handler(struct rte_vfio_user_server *srv, struct vfio_user_msg *msg)
{
	const struct vfio_user_command_info *info =
		vfio_user_command_info(msg->hdr.command);
	handler_t handler = handlers[msg->hdr.command];
	int ret;

	vfio_user_trace_dispatch(srv, msg->hdr.command, msg->hdr.msg_id);
	ret = handler == NULL ? -EINVAL : handler(srv, msg);
	if (info->quiesce && srv->ops.resume != NULL)
		srv->ops.resume(srv, srv->ops_priv);
	if (ret < 0 && ret != HANDLED_LATER)
		refuse(srv, msg, ret);
}

/* 0: quiesced, HANDLED_LATER: parked, or the error to answer. */
static int
quiesce(struct rte_vfio_user_server *srv, struct vfio_user_msg *msg)
{
	uint64_t token;
	int ret;

	if (!vfio_user_command_info(msg->hdr.command)->quiesce ||
	    srv->ops.quiesce == NULL)
		return 0;
	token = vfio_user_server_arm(srv, true, false, 0);
	ret = srv->ops.quiesce(srv, srv->ops_priv);
	if (ret == RTE_VFIO_USER_PENDING)
		return vfio_user_server_park(srv, VFIO_USER_PARKED_QUIESCE, msg, token);
	vfio_user_server_disarm(srv);
	return RTE_MIN(ret, 0);
}

static int
check(struct rte_vfio_user_server *srv, const struct vfio_user_msg *msg)
{
	uint32_t state = srv->state == VFIO_USER_RUNNING ?
		VFIO_USER_STATE_READY : VFIO_USER_STATE_NEW;

	if (msg->fds_lost)
		return -EMFILE;
	return vfio_user_check_request(&msg->hdr, msg->len, msg->fds.nb,
				       srv->conf.max_msg_fds, state, VFIO_USER_SERVER);
}

bool
vfio_user_server_handle(struct rte_vfio_user_server *srv, struct vfio_user_msg *msg)
{
	int ret;

	/* what the client asked for before has its reply before */
	if (!STAILQ_EMPTY(&srv->held) && msg->hdr.command != VFIO_USER_DMA_MAP &&
	    msg->hdr.command != VFIO_USER_DMA_UNMAP) {
		vfio_user_server_release_held(srv);
		if (!STAILQ_EMPTY(&srv->held))
			return false;
	}
	ret = check(srv, msg);
	if (ret == 0)
		ret = quiesce(srv, msg);
	if (ret == 0)
		run_handler(srv, msg);
	else if (ret != HANDLED_LATER)
		refuse(srv, msg, ret);
	vfio_user_msg_release(msg);
	vfio_user_server_run_reset(srv);
	return true;
}

void
vfio_user_server_unpark(struct rte_vfio_user_server *srv, ssize_t result,
			const void *data)
{
	struct vfio_user_msg *msg = srv->parked_msg;
	enum vfio_user_parked why = srv->parked;
	int ret = 0;

	srv->parked = VFIO_USER_NOT_PARKED;
	if (why == VFIO_USER_PARKED_RESET) {
		vfio_user_server_unpark_reset(srv, result);
		return;
	}
	if (why == VFIO_USER_PARKED_QUIESCE) {
		if (result < 0)
			refuse(srv, msg, (int)RTE_MAX(result, -4095));
		else
			run_handler(srv, msg);
	} else if (why == VFIO_USER_PARKED_ACCESS) {
		ret = finish_access(srv, msg, result, data);
	} else if (result >= 0) {
		ret = run_multi(srv, msg, srv->multi_done + 1);
	} else if (srv->multi_done == 0) {
		ret = (int)RTE_MAX(result, -4095);
	} else {
		uint64_t done = srv->multi_done;

		ret = reply(srv, msg, &done, sizeof(done));
	}
	if (srv->parked != VFIO_USER_NOT_PARKED)
		return; /* the same message, again */
	if (ret < 0 && ret != HANDLED_LATER)
		refuse(srv, msg, ret);
	srv->parked_msg = NULL;
	vfio_user_msg_release(msg);
	free(msg);
	vfio_user_server_run_reset(srv);
}
