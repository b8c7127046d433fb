/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/kvm.h>
#include <linux/vfio.h>

#include "wire_common.h"
#include "wire_device.h"

static int dma_threads;

static void
dev_log(struct wire_dev *dev, const char *fmt, ...)
{
	size_t room = sizeof(dev->log) - dev->log_len;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(dev->log + dev->log_len, room, fmt, ap);
	va_end(ap);
	if (n > 0 && (size_t)n < room)
		dev->log_len += n;
}

/* ------------------------------------------------------------------ DMA */

static void
dma_done(struct rte_vfio_user_server *srv, int status, void *arg)
{
	struct wire_dma_job *job = arg;

	(void)srv;
	if (status == 0 && !job->is_write)
		wire_answer_data(job->tag, 0, job->buf, job->len);
	else
		wire_answer(job->tag, status, "%s", "");
	free(job->buf);
	free(job);
}

static void
dma_run(struct wire_dma_job *job)
{
	struct rte_vfio_user_server *srv = job->dev->srv;
	bool is_async = job->mode == WIRE_DMA_ASYNC ||
			job->mode == WIRE_DMA_CALLBACK_ASYNC;
	int ret;

	if (is_async) {
		ret = rte_vfio_user_server_dma_submit(srv, job->is_write,
				job->sg, job->nb_sg, dma_done, job);
		if (ret != 0)
			dma_done(srv, ret, job);
		return;
	}
	if (job->is_write)
		ret = rte_vfio_user_server_dma_writev(srv, job->sg, job->nb_sg);
	else
		ret = rte_vfio_user_server_dma_readv(srv, job->sg, job->nb_sg);
	dma_done(srv, ret, job);
}

static void *
dma_thread(void *arg)
{
	dma_run(arg);
	__atomic_sub_fetch(&dma_threads, 1, __ATOMIC_RELEASE);
	return NULL;
}

int
wire_dma_threads(void)
{
	return __atomic_load_n(&dma_threads, __ATOMIC_ACQUIRE);
}

void
wire_dma_start(struct wire_dma_job *job)
{
	pthread_attr_t attr;
	pthread_t thread;

	if (job->mode == WIRE_DMA_CALLBACK ||
	    job->mode == WIRE_DMA_CALLBACK_ASYNC) {
		job->dev->armed = job;
		return;
	}
	if (job->mode != WIRE_DMA_THREAD) {
		dma_run(job);
		return;
	}
	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	__atomic_add_fetch(&dma_threads, 1, __ATOMIC_RELAXED);
	if (pthread_create(&thread, &attr, dma_thread, job) != 0)
		abort();
	pthread_attr_destroy(&attr);
}

/* -------------------------------------------------------------- regions */

static ssize_t
bar0_pending(struct wire_dev *dev, const struct rte_vfio_user_region_access *acc)
{
	uint8_t data[16];

	if (acc->offset == WIRE_REG_PENDING) {
		dev->pending = *acc;
		dev_log(dev, "pending:%u ", acc->count);
		if (acc->is_write)
			memcpy(dev->mem[0] + acc->offset, acc->data, acc->count);
		return RTE_VFIO_USER_PENDING;
	}
	if (acc->count > sizeof(data))
		return -EINVAL;
	wire_pattern(data, sizeof(data), 0xe0);
	rte_vfio_user_server_region_complete(dev->srv, acc->token, acc->count,
					     acc->is_write ? NULL : data);
	return RTE_VFIO_USER_PENDING;
}

static ssize_t
bar0_access(struct rte_vfio_user_server *srv,
	    const struct rte_vfio_user_region_access *acc, void *priv)
{
	struct wire_dev *dev = priv;
	ssize_t done = acc->count;
	struct wire_dma_job *job;

	(void)srv;
	switch (acc->offset) {
	case WIRE_REG_PENDING:
	case WIRE_REG_EARLY:
		return bar0_pending(dev, acc);
	case WIRE_REG_SHORT:
		done = acc->count / 2;
		break;
	case WIRE_REG_EIO:
		return -EIO;
	case WIRE_REG_NONE:
		return 0;
	case WIRE_REG_DMA:
		job = dev->armed;
		dev->armed = NULL;
		if (job != NULL)
			dma_run(job);
		break;
	default:
		break;
	}
	if (acc->is_write)
		memcpy(dev->mem[0] + acc->offset, acc->data, done);
	else
		memcpy(acc->data, dev->mem[0] + acc->offset, done);
	return done;
}

/** Shared memory of a file; the fd is stored, or closed if fd is NULL. */
static uint8_t *
shared_mem(size_t size, uint8_t seed, int *fd)
{
	int memfd = memfd_create("wire", MFD_CLOEXEC);
	uint8_t *mem;

	if (memfd < 0 || ftruncate(memfd, size) != 0)
		return NULL;
	mem = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, memfd, 0);
	if (mem == MAP_FAILED)
		return NULL;
	wire_pattern(mem, size, seed);
	if (fd != NULL)
		*fd = memfd;
	else
		close(memfd);
	return mem;
}

/** A region of plain memory that cannot be mapped by the client. */
static int
plain_region(struct wire_dev *dev, uint32_t index, uint64_t size, uint32_t flags)
{
	struct rte_vfio_user_region_conf conf = {
		.size = size,
		.flags = flags,
		.fd = -1,
	};

	dev->mem[index] = shared_mem(size, index * 0x11, NULL);
	if (dev->mem[index] == NULL)
		return -ENOMEM;
	conf.base = dev->mem[index];
	return rte_vfio_user_server_region_set(dev->srv, index, &conf);
}

/** A region of which the client can map the areas, all if there is none. */
static int
mmap_region(struct wire_dev *dev, uint32_t index,
	    struct rte_vfio_user_region_conf *conf)
{
	int ret, fd;
	uint8_t *mem;

	mem = shared_mem(conf->fd_offset + conf->size, index * 0x11, &fd);
	if (mem == NULL)
		return -ENOMEM;
	dev->mem[index] = mem + conf->fd_offset;
	conf->base = dev->mem[index];
	conf->fd = fd;
	ret = rte_vfio_user_server_region_set(dev->srv, index, conf);
	close(fd);
	return ret;
}

static int
bar2_setup(struct wire_dev *dev)
{
	const struct rte_vfio_user_mmap_area areas[] = {
		{ .offset = 0x1000, .size = 0x1000, .fd = -1 },
		{ .offset = 0x3000, .size = 0x1000, .fd = -1 },
	};
	struct rte_vfio_user_region_conf conf = {
		.size = 0x4000,
		.flags = RTE_VFIO_USER_REGION_F_RW,
		.fd_offset = 0x8000,
		.areas = areas,
		.nb_areas = RTE_DIM(areas),
	};

	return mmap_region(dev, VFIO_PCI_BAR2_REGION_INDEX, &conf);
}

static int
bar4_setup(struct wire_dev *dev)
{
	struct rte_vfio_user_mmap_area areas[] = {
		{ .offset = 0, .size = 0x1000 },
		{ .offset = 0x1000, .size = 0x1000, .fd = -1 },
		{ .offset = 0x3000, .size = 0x1000, .fd_offset = 0x2000 },
	};
	struct rte_vfio_user_region_conf conf = {
		.size = 0x4000,
		.flags = RTE_VFIO_USER_REGION_F_RW,
		.areas = areas,
		.nb_areas = RTE_DIM(areas),
	};
	uint8_t *mem[2];
	int ret;

	mem[0] = shared_mem(0x1000, 0xa0, &areas[0].fd);
	mem[1] = shared_mem(0x3000, 0xb0, &areas[2].fd);
	if (mem[0] == NULL || mem[1] == NULL)
		return -ENOMEM;
	ret = mmap_region(dev, VFIO_PCI_BAR4_REGION_INDEX, &conf);
	munmap(mem[0], 0x1000);
	munmap(mem[1], 0x3000);
	close(areas[0].fd);
	close(areas[2].fd);
	return ret;
}

static int
bar0_setup(struct wire_dev *dev, uint32_t extra)
{
	struct rte_vfio_user_ioeventfd io[] = {
		{ .offset = 0x10, .size = 4 },
		{ .offset = 0x20, .size = 8, .datamatch = 0x1234,
		  .flags = KVM_IOEVENTFD_FLAG_DATAMATCH },
		{ .offset = 0x30, .size = 2 },
	};
	struct rte_vfio_user_region_conf conf = {
		.size = 0x1000,
		.flags = RTE_VFIO_USER_REGION_F_RW,
		.cb = bar0_access,
		.priv = dev,
		.fd = -1,
	};
	uint32_t i;
	int ret;

	dev->mem[0] = shared_mem(conf.size, 0, NULL);
	if (dev->mem[0] == NULL)
		return -ENOMEM;
	ret = rte_vfio_user_server_region_set(dev->srv, 0, &conf);
	io[0].fd = io[1].fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	io[2].fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	for (i = 0; ret == 0 && i < RTE_DIM(io); i++)
		ret = rte_vfio_user_server_region_ioeventfd_add(dev->srv, 0, &io[i]);
	close(io[0].fd);
	for (i = 0; ret == 0 && i < extra; i++) {
		close(io[2].fd);
		io[2].fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		io[2].offset += 2;
		ret = rte_vfio_user_server_region_ioeventfd_add(dev->srv, 0, &io[2]);
	}
	close(io[2].fd);
	return ret;
}

static int
regions_setup(struct wire_dev *dev, uint32_t config_size, uint32_t extra)
{
	const struct rte_vfio_user_mmap_area area = {
		.offset = 0, .size = 0x1000, .fd = -1,
	};
	struct rte_vfio_user_region_conf rom = {
		.size = 0x2000,
		.flags = RTE_VFIO_USER_REGION_F_READ,
	};
	struct rte_vfio_user_region_conf special = {
		.size = 0x2000,
		.flags = RTE_VFIO_USER_REGION_F_RW | RTE_VFIO_USER_REGION_F_TYPE,
		.areas = &area,
		.nb_areas = 1,
		.type = UINT32_C(0x80001b36), /* vendor type, vendor */
		.subtype = 7,
	};
	int ret;

	ret = bar0_setup(dev, extra);
	if (ret == 0)
		ret = plain_region(dev, 1, 0x10000, RTE_VFIO_USER_REGION_F_RW);
	if (ret == 0)
		ret = bar2_setup(dev);
	if (ret == 0)
		ret = plain_region(dev, 3, 0x1000, RTE_VFIO_USER_REGION_F_READ);
	if (ret == 0)
		ret = bar4_setup(dev);
	if (ret == 0)
		ret = mmap_region(dev, VFIO_PCI_ROM_REGION_INDEX, &rom);
	if (ret == 0)
		ret = plain_region(dev, VFIO_PCI_CONFIG_REGION_INDEX,
				   config_size, RTE_VFIO_USER_REGION_F_RW);
	if (ret == 0)
		ret = plain_region(dev, VFIO_PCI_VGA_REGION_INDEX, 0x1000,
				   RTE_VFIO_USER_REGION_F_WRITE);
	if (ret == 0)
		ret = mmap_region(dev, 9, &special);
	return ret;
}

/* ------------------------------------------------------------ callbacks */

static void
on_connected(struct rte_vfio_user_server *srv, void *priv)
{
	(void)srv;
	dev_log(priv, "connected ");
}

static int
on_reset(struct rte_vfio_user_server *srv, enum rte_vfio_user_reset reason,
	 void *priv)
{
	static const char * const names[] = { "device", "lost", "flr" };
	struct wire_dev *dev = priv;

	(void)srv;
	dev_log(dev, "reset:%s ", names[reason]);
	return dev->reset_ret;
}

static int
on_quiesce(struct rte_vfio_user_server *srv, void *priv)
{
	struct wire_dev *dev = priv;

	dev_log(dev, "quiesce ");
	if (dev->quiesce_ret != -EALREADY)
		return dev->quiesce_ret;
	rte_vfio_user_server_quiesce_complete(srv, 0);
	return RTE_VFIO_USER_PENDING;
}

static void
on_resume(struct rte_vfio_user_server *srv, void *priv)
{
	(void)srv;
	dev_log(priv, "resume ");
}

static void
on_irq_changed(struct rte_vfio_user_server *srv, uint32_t index, uint32_t start,
	       uint32_t count, void *priv)
{
	(void)srv;
	dev_log(priv, "irq:%u:%u:%u ", index, start, count);
}

static int
on_map(struct rte_vfio_user_server *srv,
       const struct rte_vfio_user_dma_info *info, void *priv)
{
	struct wire_dev *dev = priv;

	(void)srv;
	dev_log(dev, "map:%llx:%llx ", (unsigned long long)info->iova,
		(unsigned long long)info->size);
	return dev->map_ret;
}

static void
on_unmap(struct rte_vfio_user_server *srv,
	 const struct rte_vfio_user_dma_info *info, void *priv)
{
	(void)srv;
	dev_log(priv, "unmap:%llx:%llx ", (unsigned long long)info->iova,
		(unsigned long long)info->size);
}

static int
irqs_setup(struct wire_dev *dev)
{
	static const struct {
		uint32_t count;
		uint32_t flags;
	} irqs[WIRE_NUM_IRQS] = {
		{ 1, VFIO_IRQ_INFO_EVENTFD | VFIO_IRQ_INFO_MASKABLE |
		     VFIO_IRQ_INFO_AUTOMASKED },
		{ 8, VFIO_IRQ_INFO_EVENTFD | VFIO_IRQ_INFO_MASKABLE |
		     VFIO_IRQ_INFO_NORESIZE },
		{ 64, VFIO_IRQ_INFO_EVENTFD | VFIO_IRQ_INFO_MASKABLE },
		{ 1, VFIO_IRQ_INFO_EVENTFD },
		{ 0, 0 },
		{ 2, VFIO_IRQ_INFO_MASKABLE },
	};
	uint32_t i;
	int ret = 0;

	for (i = 0; ret == 0 && i < WIRE_NUM_IRQS; i++)
		ret = rte_vfio_user_server_irq_set(dev->srv, i, irqs[i].count,
						   irqs[i].flags);
	return ret;
}

int
wire_dev_setup(struct wire_dev *dev, uint32_t config_size,
	       uint32_t extra_ioeventfds)
{
	const struct rte_vfio_user_server_ops ops = {
		.connected = on_connected,
		.reset = on_reset,
		.quiesce = on_quiesce,
		.resume = on_resume,
		.irq_changed = on_irq_changed,
	};
	const struct rte_vfio_user_dma_ops dma_ops = {
		.map = on_map,
		.unmap = on_unmap,
	};
	int ret;

	ret = regions_setup(dev, config_size, extra_ioeventfds);
	if (ret == 0)
		ret = irqs_setup(dev);
	if (ret == 0)
		ret = rte_vfio_user_server_ops_set(dev->srv, &ops, dev);
	if (ret == 0)
		ret = rte_vfio_user_server_dma_ops_set(dev->srv, &dma_ops, dev);
	return ret;
}
