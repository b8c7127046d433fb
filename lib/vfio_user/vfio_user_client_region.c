/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#include <errno.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <rte_common.h>

#include "vfio_user_client.h"

/* posted writes leave when that many, or that many bytes, have come together */
#define POSTED_BATCH 32u
#define POSTED_BYTES 65536u

/* ----------------------------------------------------- synchronous access */

/* The count of a reply to an access, or -EPROTO. */
static ssize_t
check_access(const struct vfio_user_region_access *sent,
	     const struct vfio_user_region_access *reply)
{
	if (reply->offset != sent->offset || reply->region != sent->region ||
	    reply->count > sent->count)
		return -EPROTO;
	return reply->count;
}

static ssize_t
read_chunk(struct rte_vfio_user_client *client,
	   const struct vfio_user_region_access *acc, void *buf)
{
	struct vfio_user_region_access reply;
	struct vfio_user_client_req creq = {
		.head = &reply,
		.head_len = sizeof(reply),
		.data = buf,
		.data_cap = acc->count,
	};
	const struct vfio_user_out out = { .head = acc, .head_len = sizeof(*acc) };
	ssize_t ret;

	ret = vfio_user_client_call(client, &creq, VFIO_USER_REGION_READ, &out);
	if (ret < 0)
		return ret;
	ret = check_access(acc, &reply);
	return ret > (ssize_t)creq.data_len ? -EPROTO : ret;
}

static ssize_t
write_chunk(struct rte_vfio_user_client *client,
	    const struct vfio_user_region_access *acc, const void *buf)
{
	struct vfio_user_region_access reply;
	struct vfio_user_client_req creq = {
		.head = &reply,
		.head_len = sizeof(reply),
	};
	const struct vfio_user_out out = {
		.head = acc,
		.head_len = sizeof(*acc),
		.data = buf,
		.data_len = acc->count,
	};
	int ret;

	ret = vfio_user_client_call(client, &creq, VFIO_USER_REGION_WRITE, &out);
	return ret < 0 ? ret : check_access(acc, &reply);
}

static bool
range_ok(uint64_t offset, size_t len)
{
	return len <= SSIZE_MAX && offset <= UINT64_MAX - len;
}

/* Bytes of the next chunk of an access. */
static uint32_t
chunk(const struct rte_vfio_user_client *client, size_t left)
{
	return (uint32_t)RTE_MIN(left, (size_t)client->neg.max_data_xfer_size);
}

ssize_t
rte_vfio_user_client_region_read(struct rte_vfio_user_client *client,
				 uint32_t index, uint64_t offset, void *buf,
				 size_t len)
{
	struct vfio_user_region_access acc = { .region = index };
	size_t done = 0;
	ssize_t ret;

	if (client == NULL || (buf == NULL && len != 0) || !range_ok(offset, len))
		return vfio_user_misuse(__func__);
	while (done < len) {
		acc.offset = offset + done;
		acc.count = chunk(client, len - done);
		ret = read_chunk(client, &acc, (uint8_t *)buf + done);
		if (ret < 0)
			return done != 0 ? (ssize_t)done : ret;
		done += (size_t)ret;
		if (ret < (ssize_t)acc.count)
			break;
	}
	return (ssize_t)done;
}

ssize_t
rte_vfio_user_client_region_write(struct rte_vfio_user_client *client,
				  uint32_t index, uint64_t offset,
				  const void *buf, size_t len)
{
	struct vfio_user_region_access acc = { .region = index };
	size_t done = 0;
	ssize_t ret;

	if (client == NULL || (buf == NULL && len != 0) || !range_ok(offset, len))
		return vfio_user_misuse(__func__);
	while (done < len) {
		acc.offset = offset + done;
		acc.count = chunk(client, len - done);
		ret = write_chunk(client, &acc, (const uint8_t *)buf + done);
		if (ret < 0)
			return done != 0 ? (ssize_t)done : ret;
		done += (size_t)ret;
		if (ret < (ssize_t)acc.count)
			break;
	}
	return (ssize_t)done;
}

/* ---------------------------------------------------- asynchronous access */

struct async_access {
	struct vfio_user_req req;
	struct rte_vfio_user_client *client;
	struct vfio_user_region_access acc;
	void *buf; /* of a read */
	rte_vfio_user_client_cb_t cb;
	void *arg;
};

static ssize_t
async_result(const struct async_access *access, const struct vfio_user_msg *reply)
{
	struct vfio_user_region_access head;
	ssize_t ret;

	if (reply->len < sizeof(head))
		return -EPROTO;
	memcpy(&head, reply->payload, sizeof(head));
	ret = check_access(&access->acc, &head);
	if (access->buf == NULL || ret < 0)
		return ret;
	if ((size_t)ret > reply->len - sizeof(head))
		return -EPROTO;
	memcpy(access->buf, reply->payload + sizeof(head), (size_t)ret);
	return ret;
}

static int
async_done(struct vfio_user_req *req, int status, struct vfio_user_msg *reply)
{
	struct async_access *access = container_of(req, struct async_access, req);
	ssize_t result = status;

	if (status == 0)
		result = async_result(access, reply);
	access->cb(access->client, result, access->arg);
	free(access);
	return 0;
}

static int
start_async(struct rte_vfio_user_client *client, uint16_t command,
	    const struct vfio_user_region_access *acc, void *read_buf,
	    const void *data, rte_vfio_user_client_cb_t cb, void *arg)
{
	struct vfio_user_out out = { .head = acc, .head_len = sizeof(*acc) };
	struct async_access *access;
	uint64_t deadline;
	int ret;

	if (vfio_user_conn_queued(&client->main) > VFIO_USER_CLIENT_MAX_QUEUED)
		return -EAGAIN;
	access = calloc(1, sizeof(*access));
	if (access == NULL)
		return -ENOMEM;
	if (data != NULL) {
		out.data = data;
		out.data_len = acc->count;
	}
	access->req.command = command;
	access->req.async = true;
	access->req.done = async_done;
	access->client = client;
	access->acc = *acc;
	access->buf = read_buf;
	access->cb = cb;
	access->arg = arg;
	deadline = vfio_user_now() + client->timeout_ns;
	ret = vfio_user_conn_request(&client->main, &access->req, &out,
				     client->timeout_ns);
	if (ret < 0) {
		free(access);
		return ret;
	}
	/* it may be done and freed by now */
	__atomic_store_n(&client->posted, 0, __ATOMIC_RELAXED);
	vfio_user_client_arm(client, deadline);
	return 0;
}

static int
check_async(const struct rte_vfio_user_client *client, uint64_t offset,
	    const void *buf, uint32_t len)
{
	if (client == NULL || buf == NULL || len == 0 ||
	    len > client->neg.max_data_xfer_size || !range_ok(offset, len))
		return -EINVAL;
	return 0;
}

int
rte_vfio_user_client_region_read_async(struct rte_vfio_user_client *client,
		uint32_t index, uint64_t offset, void *buf, uint32_t len,
		rte_vfio_user_client_cb_t cb, void *arg)
{
	const struct vfio_user_region_access acc = {
		.offset = offset,
		.region = index,
		.count = len,
	};

	if (cb == NULL || check_async(client, offset, buf, len) < 0)
		return vfio_user_misuse(__func__);
	return start_async(client, VFIO_USER_REGION_READ, &acc, buf, NULL, cb, arg);
}

int
rte_vfio_user_client_region_write_async(struct rte_vfio_user_client *client,
		uint32_t index, uint64_t offset, const void *buf, uint32_t len,
		rte_vfio_user_client_cb_t cb, void *arg)
{
	const struct vfio_user_region_access acc = {
		.offset = offset,
		.region = index,
		.count = len,
	};

	if (cb == NULL || check_async(client, offset, buf, len) < 0)
		return vfio_user_misuse(__func__);
	return start_async(client, VFIO_USER_REGION_WRITE, &acc, NULL, buf, cb, arg);
}

/* -------------------------------------------------------- posted writes */

int
rte_vfio_user_client_flush(struct rte_vfio_user_client *client)
{
	int ret;

	if (client == NULL)
		return vfio_user_misuse(__func__);
	__atomic_store_n(&client->posted, 0, __ATOMIC_RELAXED);
	ret = vfio_user_conn_flush(&client->main);
	return ret == -EAGAIN ? 0 : ret; /* the rest leaves in time */
}

int
rte_vfio_user_client_region_write_posted(struct rte_vfio_user_client *client,
		uint32_t index, uint64_t offset, const void *buf, uint32_t len)
{
	const struct vfio_user_region_access acc = {
		.offset = offset,
		.region = index,
		.count = len,
	};
	struct vfio_user_out out = {
		.head = &acc,
		.head_len = sizeof(acc),
		.data = buf,
		.data_len = len,
	};
	uint32_t queued;

	if (check_async(client, offset, buf, len) < 0)
		return vfio_user_misuse(__func__);
	queued = vfio_user_conn_queued(&client->main);
	if (queued > VFIO_USER_CLIENT_MAX_QUEUED) {
		vfio_user_conn_flush(&client->main);
		queued = vfio_user_conn_queued(&client->main);
		if (queued > VFIO_USER_CLIENT_MAX_QUEUED)
			return -EAGAIN;
	}
	out.more = queued + (uint64_t)len < POSTED_BYTES &&
		__atomic_add_fetch(&client->posted, 1, __ATOMIC_RELAXED) <
		POSTED_BATCH;
	if (!out.more)
		__atomic_store_n(&client->posted, 0, __ATOMIC_RELAXED);
	return vfio_user_conn_post(&client->main, VFIO_USER_REGION_WRITE, &out);
}

/* ------------------------------------------------------- several writes */

/* One WRITE_MULTI message: writes done, or negative. */
static int
send_multi(struct rte_vfio_user_client *client,
	   const struct rte_vfio_user_write *writes, uint32_t nb,
	   struct vfio_user_single_write *wire)
{
	struct vfio_user_write_multi reply;
	const struct vfio_user_write_multi head = { .wr_cnt = nb };
	struct vfio_user_client_req creq = {
		.head = &reply,
		.head_len = sizeof(reply),
	};
	const struct vfio_user_out out = {
		.head = &head,
		.head_len = sizeof(head),
		.data = wire,
		.data_len = nb * (uint32_t)sizeof(*wire),
	};
	uint32_t i;
	int ret;

	memset(wire, 0, nb * sizeof(*wire));
	for (i = 0; i < nb; i++) {
		wire[i].offset = writes[i].offset;
		wire[i].region = writes[i].region;
		wire[i].count = writes[i].len;
		memcpy(wire[i].data, writes[i].data, writes[i].len);
	}
	ret = vfio_user_client_call(client, &creq, VFIO_USER_REGION_WRITE_MULTI,
				    &out);
	if (ret < 0)
		return ret;
	return reply.wr_cnt > nb ? -EPROTO : (int)reply.wr_cnt;
}

static int
multi_messages(struct rte_vfio_user_client *client,
	       const struct rte_vfio_user_write *writes, uint32_t nb_writes,
	       uint32_t per_message)
{
	struct vfio_user_single_write *wire;
	uint32_t done = 0, nb;
	int ret = 0;

	per_message = RTE_MIN(per_message, nb_writes);
	wire = calloc(per_message, sizeof(*wire));
	if (wire == NULL)
		return -ENOMEM;
	while (done < nb_writes) {
		nb = RTE_MIN(per_message, nb_writes - done);
		ret = send_multi(client, &writes[done], nb, wire);
		if (ret < 0)
			break;
		done += (uint32_t)ret;
		if ((uint32_t)ret < nb)
			break;
	}
	free(wire);
	return done != 0 || ret >= 0 ? (int)done : ret;
}

/* Up to a window of single writes: those done before the first failure. */
static uint32_t
write_window(struct rte_vfio_user_client *client,
	     const struct rte_vfio_user_write *writes, uint32_t nb, int *error)
{
	struct vfio_user_client_req creqs[VFIO_USER_CLIENT_WINDOW];
	struct vfio_user_region_access acc, replies[VFIO_USER_CLIENT_WINDOW];
	struct vfio_user_out out = { .head = &acc, .head_len = sizeof(acc),
				     .more = true };
	uint32_t i, good = nb;
	int ret;

	for (i = 0; i < nb; i++) {
		out.data = writes[i].data;
		out.data_len = writes[i].len;
		acc.offset = writes[i].offset;
		acc.region = writes[i].region;
		acc.count = writes[i].len;
		memset(&creqs[i], 0, sizeof(creqs[i]));
		creqs[i].head = &replies[i];
		creqs[i].head_len = sizeof(replies[i]);
		vfio_user_client_start(client, &creqs[i], VFIO_USER_REGION_WRITE,
				       &out);
	}
	vfio_user_conn_flush(&client->main);
	for (i = 0; i < nb; i++) {
		acc.offset = writes[i].offset;
		acc.region = writes[i].region;
		acc.count = writes[i].len;
		ret = vfio_user_client_finish(client, &creqs[i]);
		if (ret == 0)
			ret = (int)check_access(&acc, &replies[i]);
		if (ret == (int)writes[i].len)
			continue;
		if (good == nb) {
			good = i;
			*error = RTE_MIN(ret, 0); /* 0: a short write */
		}
	}
	return good;
}

static int
single_writes(struct rte_vfio_user_client *client,
	      const struct rte_vfio_user_write *writes, uint32_t nb_writes)
{
	uint32_t done, nb, good;
	int error = 0;

	for (done = 0; done < nb_writes; done += nb) {
		nb = RTE_MIN(nb_writes - done, VFIO_USER_CLIENT_WINDOW);
		good = write_window(client, &writes[done], nb, &error);
		if (good < nb)
			return done + good != 0 ? (int)(done + good) : error;
	}
	return (int)done;
}

int
rte_vfio_user_client_region_write_multi(struct rte_vfio_user_client *client,
		const struct rte_vfio_user_write *writes, uint32_t nb_writes)
{
	const uint32_t head = sizeof(struct vfio_user_write_multi);
	uint32_t i, xfer;

	if (client == NULL || (writes == NULL && nb_writes != 0) ||
	    nb_writes > INT_MAX)
		return vfio_user_misuse(__func__);
	xfer = client->neg.max_data_xfer_size;
	for (i = 0; i < nb_writes; i++)
		if (writes[i].len == 0 || writes[i].len > sizeof(writes[i].data) ||
		    writes[i].len > xfer || !range_ok(writes[i].offset, writes[i].len))
			return vfio_user_misuse(__func__);
	if (nb_writes == 0)
		return 0;
	if (client->neg.write_multiple &&
	    xfer >= head + sizeof(struct vfio_user_single_write))
		return multi_messages(client, writes, nb_writes, (xfer - head) /
				      sizeof(struct vfio_user_single_write));
	return single_writes(client, writes, nb_writes);
}

/* -------------------------------------------------------------- mapping */

/* Where an area is in its file. */
struct area_source {
	uint64_t fd_offset;
	uint32_t fd_index;
};

static uint64_t
page_mask(void)
{
	return (uint64_t)sysconf(_SC_PAGESIZE) - 1;
}

/* Number of mappable areas that a region info describes. */
static uint32_t
count_areas(const struct vfio_region_info *info, uint32_t cap_sparse,
	    uint32_t cap_fds)
{
	uint32_t off, nb;

	if (cap_sparse == 0 && cap_fds == 0)
		return 1;
	/* in both capabilities it is the first field */
	off = (cap_sparse != 0 ? cap_sparse : cap_fds) +
		(uint32_t)sizeof(struct vfio_info_cap_header);
	memcpy(&nb, (const uint8_t *)info + off, sizeof(nb));
	return nb;
}

static void
get_area(const struct vfio_region_info *info, uint32_t cap_sparse,
	 uint32_t cap_fds, uint32_t i, struct vfio_user_client_area *area,
	 struct area_source *source)
{
	const uint8_t *cap = (const uint8_t *)info + cap_sparse + cap_fds;
	struct vfio_region_sparse_mmap_area sparse;
	struct vfio_user_sparse_fds_area with_fd;

	source->fd_index = 0;
	source->fd_offset = info->offset;
	area->offset = 0;
	area->size = info->size;
	if (cap_sparse != 0) {
		memcpy(&sparse, cap + i * sizeof(sparse) +
		       offsetof(struct vfio_region_info_cap_sparse_mmap, areas),
		       sizeof(sparse));
		area->offset = sparse.offset;
		area->size = sparse.size;
		source->fd_offset += sparse.offset;
	} else if (cap_fds != 0) {
		memcpy(&with_fd, cap + i * sizeof(with_fd) +
		       offsetof(struct vfio_user_cap_sparse_fds, areas),
		       sizeof(with_fd));
		area->offset = with_fd.offset;
		area->size = with_fd.size;
		source->fd_offset = with_fd.fd_offset;
		source->fd_index = with_fd.fd_index;
	}
}

/* Accessing a mapping behind the end of its file would be a SIGBUS. */
static int
check_file(int fd, uint64_t offset, uint64_t size)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return 0;
	return vfio_user_range_inside(offset, size, (uint64_t)st.st_size) ?
		0 : -EPROTO;
}

/*
 * The kernel rounds a mapping of hugetlbfs up to its pages: MAP_FIXED would
 * replace what lies behind the reservation.
 */
static int
check_page(int fd, const uint8_t *addr, uint64_t offset, uint64_t size)
{
	struct statfs fs;
	uint64_t mask;

	if (fstatfs(fd, &fs) < 0)
		return -errno;
	if (fs.f_type != HUGETLBFS_MAGIC)
		return 0;
	mask = (uint64_t)fs.f_bsize - 1;
	return (((uintptr_t)addr | offset | size) & mask) == 0 ? 0 : -EPROTO;
}

static int
map_area(struct vfio_user_client_region *region, uint64_t region_size,
	 const struct vfio_user_client_area *area,
	 const struct area_source *source, const struct vfio_user_fds *fds)
{
	const uint64_t mask = page_mask();
	int fd, ret;

	if (source->fd_index >= fds->nb)
		return -EPROTO;
	/* only the end of the region may be inside a page */
	if ((area->offset & mask) != 0 || (source->fd_offset & mask) != 0 ||
	    ((area->size & mask) != 0 && area->offset + area->size != region_size))
		return -EPROTO;
	if (source->fd_offset > INT64_MAX)
		return -EPROTO;
	fd = fds->fd[source->fd_index];
	ret = check_file(fd, source->fd_offset, area->size);
	if (ret == 0)
		ret = check_page(fd, region->base + area->offset, source->fd_offset,
				 area->size);
	if (ret < 0)
		return ret;
	if (mmap(region->base + area->offset, area->size, region->prot,
		 MAP_SHARED | MAP_FIXED, fd, (off_t)source->fd_offset) == MAP_FAILED)
		return -errno;
	return 0;
}

static void
free_region(struct vfio_user_client_region *region)
{
	munmap(region->base, region->len);
	free(region);
}

/* Reserve address space for a region without any area mapped. */
static int
reserve(const struct vfio_region_info *info, uint32_t nb_areas,
	struct vfio_user_client_region **regionp)
{
	struct vfio_user_client_region *region;
	void *base;

	if (info->size > SIZE_MAX / 2)
		return -ENOMEM;
	region = calloc(1, sizeof(*region) + nb_areas * sizeof(region->areas[0]));
	if (region == NULL)
		return -ENOMEM;
	region->len = (size_t)((info->size + page_mask()) & ~page_mask());
	if ((info->flags & VFIO_REGION_INFO_FLAG_READ) != 0)
		region->prot |= PROT_READ;
	if ((info->flags & VFIO_REGION_INFO_FLAG_WRITE) != 0)
		region->prot |= PROT_WRITE;
	base = mmap(NULL, region->len, PROT_NONE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (base == MAP_FAILED) {
		free(region);
		return -ENOMEM;
	}
	region->base = base;
	*regionp = region;
	return 0;
}

static int
map_region(const struct vfio_region_info *info, const struct vfio_user_fds *fds,
	   uint32_t cap_sparse, uint32_t cap_fds,
	   struct vfio_user_client_region **regionp)
{
	const uint32_t access = VFIO_REGION_INFO_FLAG_READ |
		VFIO_REGION_INFO_FLAG_WRITE;
	uint32_t nb_areas = count_areas(info, cap_sparse, cap_fds);
	struct vfio_user_client_region *region;
	struct area_source source;
	uint32_t i;
	int ret;

	if ((info->flags & VFIO_REGION_INFO_FLAG_MMAP) == 0 ||
	    (info->flags & access) == 0 || info->size == 0 || nb_areas == 0)
		return -ENOTSUP;
	ret = reserve(info, nb_areas, &region);
	if (ret < 0)
		return ret;
	for (i = 0; i < nb_areas; i++) {
		get_area(info, cap_sparse, cap_fds, i, &region->areas[i], &source);
		ret = map_area(region, info->size, &region->areas[i], &source, fds);
		if (ret < 0) {
			free_region(region);
			return ret;
		}
		region->nb_areas++;
	}
	*regionp = region;
	return 0;
}

/* The region mapped by whoever was first. */
static struct vfio_user_client_region *
publish(struct rte_vfio_user_client *client, uint32_t index,
	struct vfio_user_client_region *region)
{
	struct vfio_user_client_region *first;

	pthread_mutex_lock(&client->region_lock);
	first = client->regions[index];
	if (first == NULL)
		__atomic_store_n(&client->regions[index], region, __ATOMIC_RELEASE);
	pthread_mutex_unlock(&client->region_lock);
	if (first == NULL)
		return region;
	free_region(region);
	return first;
}

static struct vfio_user_client_region *
mapped_region(const struct rte_vfio_user_client *client, uint32_t index)
{
	if (index >= VFIO_USER_CLIENT_MAX_REGIONS)
		return NULL;
	return __atomic_load_n(&client->regions[index], __ATOMIC_ACQUIRE);
}

int
rte_vfio_user_client_region_mmap(struct rte_vfio_user_client *client,
				 uint32_t index, void **base)
{
	struct vfio_user_client_region *region;
	struct vfio_region_info *info;
	struct vfio_user_fds fds;
	uint32_t cap_sparse, cap_fds;
	int ret;

	if (client == NULL || base == NULL || index >= VFIO_USER_CLIENT_MAX_REGIONS)
		return vfio_user_misuse(__func__);
	region = mapped_region(client, index);
	if (region == NULL) {
		ret = vfio_user_client_get_region(client, index, &info, &fds,
						  &cap_sparse, &cap_fds);
		if (ret < 0)
			return ret;
		ret = map_region(info, &fds, cap_sparse, cap_fds, &region);
		vfio_user_fds_close(&fds);
		free(info);
		if (ret < 0)
			return ret;
		region = publish(client, index, region);
	}
	*base = region->base;
	return 0;
}

void *
rte_vfio_user_client_region_va(struct rte_vfio_user_client *client,
			       uint32_t index, uint64_t offset, uint64_t len)
{
	const struct vfio_user_client_region *region;
	uint32_t i;

	if (client == NULL || len == 0)
		return NULL;
	region = mapped_region(client, index);
	if (region == NULL)
		return NULL;
	for (i = 0; i < region->nb_areas; i++)
		if (offset >= region->areas[i].offset &&
		    vfio_user_range_inside(offset - region->areas[i].offset, len,
					   region->areas[i].size))
			return region->base + offset;
	return NULL;
}

void
vfio_user_client_regions_fini(struct rte_vfio_user_client *client)
{
	uint32_t i;

	for (i = 0; i < VFIO_USER_CLIENT_MAX_REGIONS; i++)
		if (client->regions[i] != NULL)
			free_region(client->regions[i]);
}
