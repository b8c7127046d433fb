/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

/* Attached devices by id over the handles of the client. */

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <rte_common.h>
#include <rte_errno.h>

#include "rte_vfio_user.h"
#include "rte_vfio_user_client.h"
#include "vfio_user_log.h"
#include "vfio_user_series.h"

#define MAX_IDS VFIO_USER_SERIES_MAX_IDS

/** An attached device. */
struct attached {
	struct vfio_user_series_slot slot; /* first */
	bool used; /* under the lock */
	struct rte_vfio_user_client *client; /* fixed while the slot is live */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of ids */

/* Made when their number is first needed, then used again; never freed. */
static struct attached *attacheds[MAX_IDS];

/* A call on a device begins: it stays attached until leave(). */
static struct rte_vfio_user_client *
enter(int dev_id, int *side)
{
	struct attached *dev = NULL;

	if (dev_id >= 0 && dev_id < MAX_IDS)
		dev = __atomic_load_n(&attacheds[dev_id], __ATOMIC_ACQUIRE);
	*side = dev == NULL ? -1 : vfio_user_series_enter(&dev->slot);
	return *side < 0 ? NULL : dev->client;
}

static int
leave(int dev_id, int side, int ret)
{
	vfio_user_series_leave(&attacheds[dev_id]->slot, side);
	return ret;
}

/* Give a client the lowest free id. */
static int
take_id(struct rte_vfio_user_client *client)
{
	struct attached *dev;
	int id;

	for (id = 0; id < MAX_IDS; id++)
		if (attacheds[id] == NULL || !attacheds[id]->used)
			break;
	if (id == MAX_IDS)
		return -ENOSPC;
	dev = attacheds[id];
	if (dev == NULL) {
		dev = calloc(1, sizeof(*dev));
		if (dev == NULL)
			return -ENOMEM;
		__atomic_store_n(&attacheds[id], dev, __ATOMIC_RELEASE);
	}
	dev->used = true;
	dev->client = client;
	__atomic_store_n(&dev->slot.live, true, __ATOMIC_SEQ_CST);
	return id;
}

int
rte_vfio_user_attach_dev(const char *sock_addr)
{
	struct rte_vfio_user_client_conf conf;
	struct rte_vfio_user_client *client;
	int ret;

	if (sock_addr == NULL)
		return vfio_user_misuse(__func__);
	rte_vfio_user_client_conf_init(&conf);
	conf.sock_path = sock_addr;
	/* memory without a file cannot be served, regions have one file */
	conf.flags = RTE_VFIO_USER_CLIENT_F_NO_TWIN_SOCKET |
		RTE_VFIO_USER_CLIENT_F_NO_SPARSE_FDS;
	client = rte_vfio_user_client_create(&conf);
	if (client == NULL)
		return -rte_errno;
	pthread_mutex_lock(&lock);
	ret = take_id(client);
	pthread_mutex_unlock(&lock);
	if (ret < 0)
		rte_vfio_user_client_destroy(client);
	return ret;
}

int
rte_vfio_user_detach_dev(int dev_id)
{
	struct attached *dev = NULL;

	pthread_mutex_lock(&lock);
	if (dev_id >= 0 && dev_id < MAX_IDS)
		dev = attacheds[dev_id];
	if (dev == NULL || !dev->slot.live) {
		pthread_mutex_unlock(&lock);
		return vfio_user_misuse(__func__);
	}
	/* from here on nobody else detaches it, but its id is not free yet */
	__atomic_store_n(&dev->slot.live, false, __ATOMIC_SEQ_CST);
	pthread_mutex_unlock(&lock);

	vfio_user_series_close(&dev->slot);
	rte_vfio_user_client_destroy(dev->client);
	pthread_mutex_lock(&lock);
	dev->used = false;
	pthread_mutex_unlock(&lock);
	return 0;
}

/* ---------------------------------------------------------- information */

int
rte_vfio_user_get_dev_info(int dev_id, struct vfio_device_info *info)
{
	struct rte_vfio_user_client *client;
	int side;

	client = info == NULL ? NULL : enter(dev_id, &side);
	if (client == NULL)
		return vfio_user_misuse(__func__);
	return leave(dev_id, side, rte_vfio_user_client_device_info(client, info));
}

/* As the kernel: with too little room the structure alone, without a chain. */
static void
copy_region_info(struct vfio_region_info *info, const struct vfio_region_info *full)
{
	if (info->argsz >= full->argsz) {
		memcpy(info, full, full->argsz);
		return;
	}
	*info = *full;
	info->cap_offset = 0;
}

int
rte_vfio_user_get_reg_info(int dev_id, struct vfio_region_info *info, int *fd)
{
	struct rte_vfio_user_client *client = NULL;
	struct vfio_region_info *full;
	uint32_t nb_fds = 1;
	int side, ret;

	if (info != NULL && info->argsz >= sizeof(*info) && fd != NULL)
		client = enter(dev_id, &side);
	if (client == NULL)
		return vfio_user_misuse(__func__);
	*fd = -1;
	ret = rte_vfio_user_client_region_info(client, info->index, &full, fd, &nb_fds);
	if (ret < 0)
		return leave(dev_id, side, ret);
	copy_region_info(info, full);
	if (nb_fds != 0 && (full->flags & VFIO_REGION_INFO_FLAG_MMAP) == 0) {
		close(*fd);
		*fd = -1;
	}
	free(full);
	return leave(dev_id, side, 0);
}

int
rte_vfio_user_get_irq_info(int dev_id, struct vfio_irq_info *info)
{
	struct rte_vfio_user_client *client;
	int side;

	client = info == NULL ? NULL : enter(dev_id, &side);
	if (client == NULL)
		return vfio_user_misuse(__func__);
	return leave(dev_id, side, rte_vfio_user_client_irq_info(client, info->index, info));
}

/* ------------------------------------------------------------------ DMA */

static int
convert_map(const struct rte_vfio_user_mem_reg *mem, int fd,
	    struct rte_vfio_user_dma_map *map)
{
	bool mappable = (mem->flags & RTE_VUSER_MEM_MAPPABLE) != 0;

	if (mappable != (fd >= 0))
		return -EINVAL;
	map->iova = mem->gpa;
	map->size = mem->size;
	map->prot = mem->protection & (PROT_READ | PROT_WRITE);
	map->fd = mappable ? fd : -1;
	map->fd_offset = mappable ? mem->fd_offset : 0;
	return 0;
}

static int
dma_map(struct rte_vfio_user_client *client, const struct rte_vfio_user_mem_reg *mem,
	const int *fds, uint32_t num)
{
	struct rte_vfio_user_dma_map *maps;
	uint32_t i;
	int ret = 0;

	if (num == 0)
		return 0;
	maps = calloc(num, sizeof(*maps));
	if (maps == NULL)
		return -ENOMEM;
	for (i = 0; ret == 0 && i < num; i++)
		ret = convert_map(&mem[i], fds[i], &maps[i]);
	if (ret == 0)
		ret = rte_vfio_user_client_dma_map(client, maps, num);
	else
		VFIO_USER_LOG(ERR, "rte_vfio_user_dma_map: range %u: its flags and its file "
			      "descriptor do not fit", i - 1);
	free(maps);
	return ret;
}

int
rte_vfio_user_dma_map(int dev_id, struct rte_vfio_user_mem_reg *mem, int *fds, uint32_t num)
{
	struct rte_vfio_user_client *client;
	int side;

	client = mem == NULL || fds == NULL ? NULL : enter(dev_id, &side);
	if (client == NULL)
		return vfio_user_misuse(__func__);
	return leave(dev_id, side, dma_map(client, mem, fds, num));
}

static int
dma_unmap(struct rte_vfio_user_client *client, const struct rte_vfio_user_mem_reg *mem,
	  uint32_t num)
{
	struct rte_vfio_user_dma_range *ranges;
	uint32_t i;
	int ret;

	if (num == 0)
		return 0;
	ranges = calloc(num, sizeof(*ranges));
	if (ranges == NULL)
		return -ENOMEM;
	for (i = 0; i < num; i++) {
		ranges[i].iova = mem[i].gpa;
		ranges[i].size = mem[i].size;
	}
	ret = rte_vfio_user_client_dma_unmap(client, ranges, num);
	free(ranges);
	return ret;
}

int
rte_vfio_user_dma_unmap(int dev_id, struct rte_vfio_user_mem_reg *mem, uint32_t num)
{
	struct rte_vfio_user_client *client;
	int side;

	client = mem == NULL ? NULL : enter(dev_id, &side);
	if (client == NULL)
		return vfio_user_misuse(__func__);
	return leave(dev_id, side, dma_unmap(client, mem, num));
}

/* ---------------------------------------------------- interrupts, regions */

int
rte_vfio_user_set_irqs(int dev_id, struct vfio_irq_set *set)
{
	struct rte_vfio_user_client *client;
	int side;

	client = set == NULL ? NULL : enter(dev_id, &side);
	if (client == NULL)
		return vfio_user_misuse(__func__);
	return leave(dev_id, side, rte_vfio_user_client_set_irqs(client, set));
}

/* 0 if all was done. */
static int
check_access(ssize_t done, uint32_t size)
{
	if (done < 0)
		return (int)done;
	return (size_t)done == size ? 0 : -EIO;
}

int
rte_vfio_user_region_read(int dev_id, uint32_t idx, uint64_t offset, uint32_t size,
			  void *data)
{
	struct rte_vfio_user_client *client;
	ssize_t done;
	int side;

	client = data == NULL ? NULL : enter(dev_id, &side);
	if (client == NULL)
		return vfio_user_misuse(__func__);
	done = rte_vfio_user_client_region_read(client, idx, offset, data, size);
	return leave(dev_id, side, check_access(done, size));
}

int
rte_vfio_user_region_write(int dev_id, uint32_t idx, uint64_t offset, uint32_t size,
			   const void *data)
{
	struct rte_vfio_user_client *client;
	ssize_t done;
	int side;

	client = data == NULL ? NULL : enter(dev_id, &side);
	if (client == NULL)
		return vfio_user_misuse(__func__);
	done = rte_vfio_user_client_region_write(client, idx, offset, data, size);
	return leave(dev_id, side, check_access(done, size));
}

int
rte_vfio_user_reset(int dev_id)
{
	struct rte_vfio_user_client *client;
	int side;

	client = enter(dev_id, &side);
	if (client == NULL)
		return vfio_user_misuse(__func__);
	return leave(dev_id, side, rte_vfio_user_client_reset(client));
}
