/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

/* Memory that is shared, truncated or sealed, while calls fail. */

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <rte_common.h>
#include <rte_vfio_user_sigbus.h>

#include "test.h"
#include "test_fault.h"
#include "test_vfio_user_fault.h"
#include "vfio_user_sigbus.h"

#define SEALS RTE_VFIO_USER_CLIENT_F_REQUIRE_SEALS
#define SHARED (4 * FAULT_PAGE) /* in BAR2, mappable */

/* A file of a scenario alone. */
static int file = -1;

static int
map_page(struct fault_dev *dev, uint64_t iova, uint32_t prot, int fd, uint64_t offset)
{
	const struct rte_vfio_user_dma_map map = {
		.iova = iova, .size = FAULT_PAGE, .prot = prot, .fd = fd, .fd_offset = offset,
	};

	return rte_vfio_user_client_dma_map(dev->client, &map, 1);
}

/* What must not work; may fail otherwise, too. */
static int
refused(int ret, int error)
{
	return ret == error ? 0 : ret == 0 ? FAULT_WRONG : ret;
}

static void
close_file(struct fault_dev *dev)
{
	RTE_SET_USED(dev);
	if (file >= 0)
		close(file);
	file = -1;
}

static int
open_file(struct fault_dev *dev)
{
	file = memfd_create("fault", MFD_CLOEXEC);
	dev->clean = close_file;
	return ftruncate(file, FAULT_MEM);
}

/* --------------------------------------------------------- files and windows */

/* Room for two files, three large windows and a page. */
static int
limited(struct fault_dev *dev)
{
	dev->max_dma_files = 2;
	dev->max_dma_bytes = 3 * FAULT_MEM + FAULT_PAGE;
	TRY(open_file(dev));
	return fault_attached(dev);
}

static int
map_files(struct fault_dev *dev)
{
	const struct rte_vfio_user_dma_range range = { FAULT_BY_FILE, FAULT_PAGE };
	int ret;

	TRY(map_page(dev, FAULT_BY_MMAP, PROT_READ | PROT_WRITE, dev->mem_fd, 0));
	TRY(map_page(dev, FAULT_BY_MMAP + FAULT_PAGE, PROT_READ, dev->mem_fd, 0));
	TRY(map_page(dev, FAULT_BY_FILE, PROT_READ | PROT_WRITE, dev->bar_fd, FAULT_PAGE));
	TRY(refused(map_page(dev, FAULT_BY_MSG, PROT_READ, file, 0), -EMFILE));
	/* no room for a large window */
	TRY(map_page(dev, FAULT_BY_MSG, PROT_WRITE, dev->mem_fd, 2 * FAULT_PAGE));
	/* nor for a small one, unless a large one failed before */
	ret = map_page(dev, FAULT_BY_MSG + FAULT_PAGE, PROT_READ, dev->bar_fd, 0);
	TRY(ret == -ENOSPC ? 0 : ret);
	TRY(fault_copy(dev, FAULT_BY_MMAP, FAULT_PAGE));
	/* room for the other file */
	TRY(rte_vfio_user_client_dma_unmap(dev->client, &range, 1));
	ret = map_page(dev, FAULT_BY_FILE, PROT_READ, file, 0);
	TRY(ret == -EMFILE ? 0 : ret); /* as bar_fd is mapped by the small one */
	return rte_vfio_user_client_dma_unmap_all(dev->client);
}

static int
run_files(struct fault_dev *dev)
{
	TRY(map_files(dev));
	return map_files(dev);
}

/* --------------------------------------------------------------- truncation */

static bool enabled;

static void
disable(struct fault_dev *dev)
{
	close_file(dev);
	if (enabled)
		rte_vfio_user_sigbus_disable();
	enabled = false;
}

static int
enable(struct fault_dev *dev)
{
	TRY(open_file(dev));
	dev->clean = disable;
	return fault_attached(dev);
}

/* The client is dropped, as after any other offence. */
static int
wait_for_drop(struct fault_dev *dev)
{
	uint32_t left_ms = 10000;

	while (__atomic_load_n(&dev->lost, __ATOMIC_SEQ_CST) == 0 && left_ms-- != 0)
		usleep(1000);
	return left_ms == UINT32_MAX ? FAULT_WRONG : 0;
}

static int
run_truncate(struct fault_dev *dev)
{
	uint8_t byte;
	int ret;

	TRY(rte_vfio_user_sigbus_enable());
	enabled = true;
	TRY(map_page(dev, FAULT_BY_MMAP, PROT_READ, file, 0));
	TRY(ftruncate(file, 0));
	/* the handler cannot survive if it has no memory to put in place */
	test_fault_off();
	ret = rte_vfio_user_server_dma_read(dev->srv, FAULT_BY_MMAP, &byte, 1);
	if (dev->caller_on)
		test_fault_on();
	/* else the connection is lost already */
	TRY(ret == -EIO || ret == -EFAULT ? 0 : FAULT_WRONG);
	TRY(wait_for_drop(dev));
	enabled = false;
	return rte_vfio_user_sigbus_disable();
}

static int
run_truncate_region(struct fault_dev *dev)
{
	struct vfio_device_info info;
	void *base;

	TRY(rte_vfio_user_sigbus_enable());
	enabled = true;
	TRY(rte_vfio_user_client_region_mmap(dev->client, 2, &base));
	test_fault_off();
	TRY(ftruncate(dev->bar_fd, 0));
	((volatile uint8_t *)base)[SHARED] = 1;
	TRY(ftruncate(dev->bar_fd, FAULT_BAR2));
	if (dev->caller_on)
		test_fault_on();
	rte_vfio_user_client_poll(dev->client);
	TRY(refused(rte_vfio_user_client_device_info(dev->client, &info), -ENOTCONN));
	enabled = false;
	return rte_vfio_user_sigbus_disable();
}

/* The registry of mappings is full: the next one makes it grow, for ever. */
static struct vfio_user_sigbus_slot *slots[1u << 20]; /* it takes that many */
static uint32_t nb_slots;

static void
free_slots(struct fault_dev *dev)
{
	RTE_SET_USED(dev);
	while (nb_slots != 0)
		vfio_user_sigbus_unregister(slots[--nb_slots]);
}

static int
full(struct fault_dev *dev)
{
	static struct vfio_user_sigbus_owner nobody;
	static uint8_t page[1];
	struct vfio_user_sigbus_slot *slot;

	dev->clean = free_slots;
	TRY(fault_attached(dev));
	test_alloc_fail(1); /* it must not grow yet */
	while (nb_slots < RTE_DIM(slots) &&
	       (slot = vfio_user_sigbus_register(&nobody, page, 1, PROT_READ)) != NULL)
		slots[nb_slots++] = slot;
	test_alloc_fail(0);
	return nb_slots == RTE_DIM(slots) ? -E2BIG : 0;
}

static int
run_grow(struct fault_dev *dev)
{
	void *base;

	/* each of these may be the first one */
	if (dev->caller_on)
		return rte_vfio_user_client_region_mmap(dev->client, 2, &base);
	return fault_map_all(dev);
}

/* -------------------------------------------------------------------- seals */

static int
sealed(struct fault_dev *dev)
{
	TRY(open_file(dev)); /* which cannot be sealed */
	TRY(fcntl(dev->mem_fd, F_ADD_SEALS, F_SEAL_SHRINK));
	TRY(fcntl(dev->bar_fd, F_ADD_SEALS, F_SEAL_SHRINK));
	dev->server_flags = RTE_VFIO_USER_SERVER_F_REQUIRE_SEALS;
	TRY(fault_create(dev));
	return fault_attach(dev, SEALS, 0);
}

static int
run_sealed(struct fault_dev *dev)
{
	uint8_t *at;
	void *base;

	TRY(refused(map_page(dev, FAULT_BY_MMAP, PROT_READ, file, 0), -EPERM));
	TRY(fault_map_all(dev));
	TRY(fault_copy(dev, FAULT_BY_MMAP, FAULT_PAGE));
	TRY(rte_vfio_user_client_region_mmap(dev->client, 2, &base));
	at = (uint8_t *)base + SHARED;
	*at = 0x31;
	return dev->bar2[SHARED] == 0x31 ? 0 : FAULT_WRONG;
}

/* Files that the client does not trust. */
static int
unsealed(struct fault_dev *dev)
{
	TRY(fault_create(dev));
	return fault_attach(dev, SEALS, 0);
}

static int
run_unsealed(struct fault_dev *dev)
{
	void *base;

	return refused(rte_vfio_user_client_region_mmap(dev->client, 2, &base), -EPERM);
}

const struct fault_scenario fault_memory_scenarios[] = {
	{ "files and windows", FAULT_BOTH, limited, run_files, false },
	{ "truncated memory", FAULT_BOTH, enable, run_truncate, false },
	{ "truncated region", FAULT_BOTH, enable, run_truncate_region, false },
	{ "many mappings", FAULT_BOTH, full, run_grow, false },
	{ "sealed memory", FAULT_BOTH, sealed, run_sealed, false },
	{ "region that is not sealed", FAULT_BOTH, unsealed, run_unsealed, false },
	{ NULL, 0, NULL, NULL, false }
};
