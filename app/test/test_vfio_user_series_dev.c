/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#include <dirent.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <rte_common.h>

#include "test.h"
#include "test_vfio_user_fds.h"
#include "test_vfio_user_series.h"

#define LOG_MAX 65536u

struct series series;

static char folder[64];
static char events[LOG_MAX];
static uint32_t nb_events;
static int first_fds;
static uint32_t first_threads;

static int
event(char letter, int dev_id)
{
	uint32_t pos = COUNT(nb_events);

	if (pos < LOG_MAX)
		SET(events[pos], letter);
	return series.hook == NULL ? 0 : series.hook(letter, dev_id);
}

static int
on_new(int dev_id)
{
	return event('n', dev_id);
}

static void
on_destroy(int dev_id)
{
	event('d', dev_id);
}

static int
on_update(int dev_id)
{
	return event('u', dev_id);
}

static int
on_lock(int dev_id, int lock)
{
	return event(lock ? '(' : ')', dev_id);
}

static int
on_reset(int dev_id)
{
	return event('r', dev_id);
}

bool
series_log_is(const char *text)
{
	uint32_t i, nb = GET(nb_events);

	if (nb != strlen(text))
		return false;
	for (i = 0; i < nb; i++)
		if (GET(events[i]) != text[i])
			return false;
	return true;
}

void
series_log_clear(void)
{
	SET(nb_events, 0);
}

static ssize_t
access_rw(struct rte_vfio_user_reg_info *reg, char *buf, size_t count, loff_t pos,
	  bool iswrite)
{
	uint8_t *at = (uint8_t *)reg->base + pos;

	if (series.rw_hook != NULL)
		return series.rw_hook(reg, buf, count, pos, iswrite);
	if (reg->priv != &series || pos + count > reg->info->size)
		return -1;
	memcpy(iswrite ? (void *)at : buf, iswrite ? buf : (void *)at, count);
	return count;
}

static void
make_regions(void)
{
	struct rte_vfio_user_reg_info *reg;
	uint32_t i;

	series.regions = calloc(1, sizeof(*series.regions) +
				VFIO_PCI_NUM_REGIONS * sizeof(*reg));
	series.regions->reg_num = VFIO_PCI_NUM_REGIONS;
	for (i = 0; i < VFIO_PCI_NUM_REGIONS; i++) {
		reg = &series.regions->reg_info[i];
		reg->info = calloc(1, 512); /* room for capabilities */
		reg->info->argsz = reg->info->cap_offset = sizeof(*reg->info);
		reg->info->index = i;
		reg->info->flags = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE;
		reg->fd = -1;
		reg->priv = &series;
	}
	reg = series.regions->reg_info;
	reg[0].base = series.mem;
	reg[0].info->size = MEM_SIZE;
	reg[1].base = series.rw;
	reg[1].rw = access_rw;
	reg[1].info->size = RW_SIZE;
	reg[2].base = series.file_mem;
	reg[2].info->size = MAP_SIZE;
	reg[2].info->flags |= VFIO_REGION_INFO_FLAG_MMAP;
	reg[2].fd = series.file;
}

static void
make_irqs(void)
{
	uint32_t i;

	series.irqs = calloc(1, sizeof(*series.irqs) +
			     VFIO_PCI_NUM_IRQS * sizeof(series.irqs->irq_info[0]));
	series.irqs->irq_num = VFIO_PCI_NUM_IRQS;
	for (i = 0; i < VFIO_PCI_NUM_IRQS; i++) {
		series.irqs->irq_info[i].argsz = 77;
		series.irqs->irq_info[i].index = i;
	}
	series.irqs->irq_info[MSIX].count = NB_MSIX;
	series.irqs->irq_info[MSIX].flags = VFIO_IRQ_INFO_EVENTFD | VFIO_IRQ_INFO_NORESIZE;
}

static void *
do_nothing(void *arg)
{
	return arg;
}

/* ThreadSanitizer adds a thread of its own when the first one is created. */
static uint32_t
count_threads_at_first(void)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, do_nothing, NULL) == 0)
		pthread_join(thread, NULL);
	usleep(10000); /* the joined one may still be listed */
	return series_threads();
}

int
series_setup(void)
{
	DO(check_fds(&first_fds));
	if (first_threads == 0)
		first_threads = count_threads_at_first();
	/* a detached thread needs a moment for its end */
	WAIT_LONG(series_threads() == first_threads);
	memset(&series, 0, sizeof(series));
	series_log_clear();
	snprintf(folder, sizeof(folder), "/tmp/vfio_user_series.XXXXXX");
	TEST_ASSERT_NOT_NULL(mkdtemp(folder), "no folder");
	snprintf(series.path, sizeof(series.path), "%s/sock", folder);
	series.file = series_file(MAP_SIZE);
	series.file_mem = mmap(NULL, MAP_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED,
			       series.file, 0);
	series.ops.new_device = on_new;
	series.ops.destroy_device = on_destroy;
	series.ops.update_status = on_update;
	series.ops.lock_dp = on_lock;
	series.ops.reset_device = on_reset;
	series.info.flags = VFIO_DEVICE_FLAGS_RESET | VFIO_DEVICE_FLAGS_PCI;
	series.info.num_regions = VFIO_PCI_NUM_REGIONS;
	series.info.num_irqs = VFIO_PCI_NUM_IRQS;
	make_regions();
	make_irqs();
	return TEST_SUCCESS;
}

void
series_teardown(void)
{
	uint32_t i;
	int id;

	if (series.regions == NULL)
		return; /* the setup failed */
	/* a test that failed leaves them */
	for (id = 0; id < 4; id++)
		rte_vfio_user_detach_dev(id);
	rte_vfio_user_unregister(series.path);
	for (i = 0; i < VFIO_PCI_NUM_REGIONS; i++)
		free(series.regions->reg_info[i].info);
	free(series.regions);
	free(series.irqs);
	munmap(series.file_mem, MAP_SIZE);
	close(series.file);
	rmdir(folder);
	series.regions = NULL;
}

int
series_describe(const char *path)
{
	if (rte_vfio_user_set_dev_info(path, &series.info) < 0 ||
	    rte_vfio_user_set_reg_info(path, series.regions) < 0 ||
	    rte_vfio_user_set_irq_info(path, series.irqs) < 0)
		return -1;
	return 0;
}

int
series_start(void)
{
	DO(rte_vfio_user_register(series.path, &series.ops));
	DO(series_describe(series.path));
	return rte_vfio_user_start(series.path);
}

uint32_t
series_threads(void)
{
	DIR *dir = opendir("/proc/self/task");
	uint32_t nb = 0;

	while (readdir(dir) != NULL)
		nb++;
	closedir(dir);
	return nb - 2;
}

int
series_map(int dev_id, uint64_t gpa, uint64_t size, int fd, uint64_t offset)
{
	struct rte_vfio_user_mem_reg mem = {
		.gpa = gpa, .size = size, .fd_offset = offset,
		.protection = PROT_READ | PROT_WRITE,
		.flags = fd >= 0 ? RTE_VUSER_MEM_MAPPABLE : 0,
	};

	return rte_vfio_user_dma_map(dev_id, &mem, &fd, 1);
}

int
series_unmap(int dev_id, uint64_t gpa, uint64_t size)
{
	struct rte_vfio_user_mem_reg mem = { .gpa = gpa, .size = size };

	return rte_vfio_user_dma_unmap(dev_id, &mem, 1);
}

int
series_irqs(int dev_id, uint32_t nb, const int *fds)
{
	uint8_t buf[sizeof(struct vfio_irq_set) + NB_MSIX * sizeof(int)];
	struct vfio_irq_set *set = (struct vfio_irq_set *)buf;

	/* larger than needed, as programs have it */
	set->argsz = sizeof(buf);
	set->flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER;
	set->index = MSIX;
	set->start = 0;
	set->count = nb;
	memcpy(set->data, fds, nb * sizeof(*fds));
	return rte_vfio_user_set_irqs(dev_id, set);
}

int
series_file(uint64_t size)
{
	int fd = memfd_create("series", MFD_CLOEXEC);

	if (fd >= 0 && ftruncate(fd, (off_t)size) < 0)
		return -1;
	return fd;
}
