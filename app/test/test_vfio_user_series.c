/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

/* The series' API: registration, description, regions, the client's side. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <rte_common.h>
#include <rte_errno.h>

#include "test.h"
#include "test_vfio_user_series.h"

#define REG(i) (&series.regions->reg_info[i])

/* ----------------------------------------------------------- registration */

static int
test_register(void)
{
	char longest[108], too_long[109];

	memset(longest, 'x', sizeof(longest));
	longest[107] = '\0';
	memset(too_long, 'x', sizeof(too_long));
	too_long[108] = '\0';
	FAILS(rte_vfio_user_register(NULL, &series.ops), EINVAL);
	FAILS(rte_vfio_user_register("", &series.ops), EINVAL);
	FAILS(rte_vfio_user_register(series.path, NULL), EINVAL);
	FAILS(rte_vfio_user_register(too_long, &series.ops), ENAMETOOLONG);
	DO(rte_vfio_user_register(longest, &series.ops));
	FAILS(rte_vfio_user_register(longest, &series.ops), EEXIST);
	DO(rte_vfio_user_register(series.path, &series.ops));
	FAILS(rte_vfio_user_register(series.path, &series.ops), EEXIST);
	DO(rte_vfio_user_unregister(longest));
	FAILS(rte_vfio_user_unregister(longest), ENOENT);
	DO(rte_vfio_user_register(longest, &series.ops));
	DO(rte_vfio_user_unregister(longest));
	DO(rte_vfio_user_unregister(series.path));
	FAILS(rte_vfio_user_unregister(series.path), ENOENT);
	FAILS(rte_vfio_user_unregister(NULL), EINVAL);
	return TEST_SUCCESS;
}

static int
test_thread(void)
{
	uint32_t before = series_threads(), i;
	char path[112];

	for (i = 0; i < 3; i++) {
		DO(rte_vfio_user_register(series.path, &series.ops));
		TEST_ASSERT_EQUAL(series_threads(), before + 1, "the first starts it");
		snprintf(path, sizeof(path), "%s2", series.path);
		DO(rte_vfio_user_register(path, &series.ops));
		DO(series_describe(path));
		DO(rte_vfio_user_start(path));
		TEST_ASSERT_EQUAL(series_threads(), before + 1, "one for all");
		DO(rte_vfio_user_unregister(series.path));
		TEST_ASSERT_EQUAL(series_threads(), before + 1, "one is left");
		DO(rte_vfio_user_unregister(path));
		WAIT_LONG(series_threads() == before); /* joined, but still listed */
		TEST_ASSERT(access(path, F_OK) < 0, "the socket file stayed");
	}
	return TEST_SUCCESS;
}

static int
test_set_and_start(void)
{
	const char *path = series.path;

	FAILS(rte_vfio_user_set_dev_info(path, &series.info), ENOENT);
	FAILS(rte_vfio_user_set_reg_info(path, series.regions), ENOENT);
	FAILS(rte_vfio_user_set_irq_info(path, series.irqs), ENOENT);
	FAILS(rte_vfio_user_start(path), ENOENT);
	FAILS(rte_vfio_user_start(NULL), EINVAL);
	DO(rte_vfio_user_register(path, &series.ops));
	FAILS(rte_vfio_user_set_dev_info(path, NULL), EINVAL);
	FAILS(rte_vfio_user_set_reg_info(path, NULL), EINVAL);
	FAILS(rte_vfio_user_set_irq_info(path, NULL), EINVAL);
	FAILS(rte_vfio_user_set_dev_info(NULL, &series.info), EINVAL);
	FAILS(rte_vfio_user_start(path), EINVAL);
	DO(rte_vfio_user_set_dev_info(path, &series.info));
	FAILS(rte_vfio_user_start(path), EINVAL);
	DO(rte_vfio_user_set_reg_info(path, series.regions));
	FAILS(rte_vfio_user_start(path), EINVAL);
	DO(rte_vfio_user_set_irq_info(path, series.irqs));
	DO(rte_vfio_user_set_irq_info(path, series.irqs));
	DO(rte_vfio_user_start(path));
	FAILS(rte_vfio_user_set_dev_info(path, &series.info), EBUSY);
	FAILS(rte_vfio_user_set_reg_info(path, series.regions), EBUSY);
	FAILS(rte_vfio_user_set_irq_info(path, series.irqs), EBUSY);
	DO(rte_vfio_user_start(path)); /* again */
	DO(rte_vfio_user_unregister(path));
	LOG_IS("");
	return TEST_SUCCESS;
}

/* A start that failed can be tried again. */
static int
test_path_in_use(void)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strcpy(un.sun_path, series.path);
	DO(bind(fd, (struct sockaddr *)&un, sizeof(un)));
	DO(listen(fd, 1));
	FAILS(series_start(), EADDRINUSE);
	close(fd); /* its file stays, but nobody listens */
	DO(rte_vfio_user_start(series.path));
	TEST_ASSERT_EQUAL(rte_vfio_user_attach_dev(series.path), 0, "attach");
	DO(rte_vfio_user_detach_dev(0));
	return TEST_SUCCESS;
}

/* ----------------------------------------------------------------- getters */

static int
test_getters(void)
{
	const struct rte_vfio_user_mem *mem;
	char buf[128];
	int fds[2];

	FAILS(rte_vfio_get_sock_addr(0, buf, sizeof(buf)), ENOENT);
	FAILS(rte_vfio_user_get_irq(-1, MSIX, 1, fds), ENOENT);
	FAILS(rte_vfio_user_get_irq(1 << 30, MSIX, 1, fds), ENOENT);
	TEST_ASSERT(rte_vfio_user_get_mem_table(0) == NULL && rte_errno == ENOENT, "table");
	DO(rte_vfio_user_register(series.path, &series.ops));
	DO(rte_vfio_get_sock_addr(0, buf, sizeof(buf)));
	TEST_ASSERT_EQUAL(strcmp(buf, series.path), 0, "path");
	DO(rte_vfio_get_sock_addr(0, buf, strlen(series.path) + 1));
	FAILS(rte_vfio_get_sock_addr(0, buf, strlen(series.path)), ERANGE);
	FAILS(rte_vfio_get_sock_addr(0, buf, 0), ERANGE);
	FAILS(rte_vfio_get_sock_addr(0, NULL, 8), EINVAL);
	mem = rte_vfio_user_get_mem_table(0);
	TEST_ASSERT(mem != NULL && mem->entry_num == 0, "empty");
	FAILS(rte_vfio_user_get_irq(0, MSIX, 1, fds), EINVAL); /* not started */
	DO(series_describe(series.path));
	DO(rte_vfio_user_start(series.path));
	FAILS(rte_vfio_user_get_irq(0, MSIX, 1, NULL), EINVAL);
	FAILS(rte_vfio_user_get_irq(0, MSIX, NB_MSIX + 1, fds), EINVAL);
	FAILS(rte_vfio_user_get_irq(0, 99, 1, fds), EINVAL);
	FAILS(rte_vfio_user_get_irq(0, VFIO_PCI_INTX_IRQ_INDEX, 1, fds), EINVAL);
	DO(rte_vfio_user_get_irq(0, MSIX, 0, fds));
	DO(rte_vfio_user_get_irq(0, MSIX, 2, fds));
	TEST_ASSERT(fds[0] == -1 && fds[1] == -1, "nobody assigned them");
	mem = rte_vfio_user_get_mem_table(0);
	TEST_ASSERT(mem != NULL && mem->entry_num == 0, "empty");
	DO(rte_vfio_user_unregister(series.path));
	TEST_ASSERT(rte_vfio_user_get_mem_table(0) == NULL && rte_errno == ENOENT, "gone");
	return TEST_SUCCESS;
}

/* ------------------------------------------------------------- description */

static int
test_info(void)
{
	struct vfio_region_info reg = { .argsz = sizeof(reg) };
	struct vfio_irq_info irq = { .argsz = 3, .index = MSIX };
	struct vfio_device_info info;
	int fd = 5;

	series.info.num_regions = 2; /* there are more */
	series.info.num_irqs = 7; /* there are fewer */
	DO(series_start());
	TEST_ASSERT_EQUAL(rte_vfio_user_attach_dev(series.path), 0, "attach");
	DO(rte_vfio_user_get_dev_info(0, &info));
	TEST_ASSERT(info.num_regions == 9 && info.num_irqs == 7 &&
		    info.flags == (VFIO_DEVICE_FLAGS_RESET | VFIO_DEVICE_FLAGS_PCI), "device");
	DO(rte_vfio_user_get_irq_info(0, &irq));
	TEST_ASSERT(irq.count == NB_MSIX && irq.flags ==
		    (VFIO_IRQ_INFO_EVENTFD | VFIO_IRQ_INFO_NORESIZE), "MSI-X");
	irq.index = 6;
	DO(rte_vfio_user_get_irq_info(0, &irq));
	TEST_ASSERT_EQUAL(irq.count, 0, "not described");
	irq.index = 7;
	TEST_ASSERT_EQUAL(rte_vfio_user_get_irq_info(0, &irq), -EINVAL, "no such index");
	reg.index = 1;
	DO(rte_vfio_user_get_reg_info(0, &reg, &fd));
	TEST_ASSERT(reg.size == RW_SIZE && fd == -1 && reg.flags ==
		    (VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE), "region 1");
	reg.index = 9;
	TEST_ASSERT_EQUAL(rte_vfio_user_get_reg_info(0, &reg, &fd), -EINVAL, "no such region");
	reg.index = 0;
	reg.argsz = sizeof(reg) - 1;
	TEST_ASSERT_EQUAL(rte_vfio_user_get_reg_info(0, &reg, &fd), -EINVAL, "no room");
	DO(rte_vfio_user_reset(0));
	DO(rte_vfio_user_detach_dev(0));
	LOG_IS("(r)");
	return TEST_SUCCESS;
}

static int
test_no_reset(void)
{
	series.info.flags = VFIO_DEVICE_FLAGS_PCI;
	DO(series_start());
	TEST_ASSERT_EQUAL(rte_vfio_user_attach_dev(series.path), 0, "attach");
	TEST_ASSERT_EQUAL(rte_vfio_user_reset(0), -EINVAL, "reset");
	DO(rte_vfio_user_detach_dev(0));
	LOG_IS("()"); /* asked for before the server knows */
	return TEST_SUCCESS;
}

static int
test_mappable(void)
{
	struct vfio_region_info reg = { .argsz = sizeof(reg), .index = 2 };
	uint32_t val = 0x12345678;
	uint8_t *map;
	int fd;

	REG(3)->info->flags |= VFIO_REGION_INFO_FLAG_MMAP; /* without a file */
	REG(3)->info->size = PAGE;
	REG(3)->base = series.mem;
	REG(4)->fd = series.file; /* without the flag */
	REG(4)->info->size = PAGE;
	REG(5)->fd = series.file; /* a part of the file, no memory for messages */
	REG(5)->info->flags |= VFIO_REGION_INFO_FLAG_MMAP;
	REG(5)->info->size = REG(5)->info->offset = PAGE;
	DO(series_start());
	TEST_ASSERT_EQUAL(rte_vfio_user_attach_dev(series.path), 0, "attach");
	DO(rte_vfio_user_get_reg_info(0, &reg, &fd));
	TEST_ASSERT(fd >= 0 && (reg.flags & VFIO_REGION_INFO_FLAG_MMAP) != 0, "no fd");
	map = mmap(NULL, MAP_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	TEST_ASSERT(map != MAP_FAILED, "mmap");
	DO(rte_vfio_user_region_write(0, 2, PAGE + 8, 4, &val));
	TEST_ASSERT(*(volatile uint32_t *)(map + PAGE + 8) == val, "not shared");
	munmap(map, MAP_SIZE);
	close(fd);
	for (reg.index = 3; reg.index <= 4; reg.index++) {
		DO(rte_vfio_user_get_reg_info(0, &reg, &fd));
		TEST_ASSERT(fd == -1 && reg.size == PAGE &&
			    (reg.flags & VFIO_REGION_INFO_FLAG_MMAP) == 0, "region %u", reg.index);
	}
	reg.index = 5;
	DO(rte_vfio_user_get_reg_info(0, &reg, &fd));
	TEST_ASSERT(fd >= 0 && reg.offset == PAGE, "region 5");
	close(fd);
	TEST_ASSERT_EQUAL(rte_vfio_user_region_read(0, 5, 0, 4, &val), -EIO, "no memory");
	return TEST_SUCCESS;
}

/* Capabilities behind region 2: a type, three areas, one of them empty. */
static uint32_t
put_caps(struct vfio_region_info *info)
{
	struct vfio_region_info_cap_type type = {
		.header = { VFIO_REGION_INFO_CAP_TYPE, 1, 96 }, .type = 7, .subtype = 8,
	};
	struct vfio_region_info_cap_sparse_mmap sparse = {
		.header = { VFIO_REGION_INFO_CAP_SPARSE_MMAP, 1, 0 }, .nr_areas = 3,
	};
	const struct vfio_region_sparse_mmap_area areas[3] = {
		{ PAGE, PAGE }, { 2 * PAGE, 0 }, { 4 * PAGE, 2 * PAGE },
	};
	uint8_t *at = (uint8_t *)info;

	info->cap_offset = 48;
	memcpy(at + 48, &type, sizeof(type));
	memcpy(at + 96, &sparse, sizeof(sparse));
	memcpy(at + 96 + sizeof(sparse), areas, sizeof(areas));
	info->argsz = 96 + sizeof(sparse) + sizeof(areas);
	return info->argsz;
}

static int
test_caps(void)
{
	uint8_t buf[512] __rte_aligned(8) = { 0 };
	struct vfio_region_info *reg = (struct vfio_region_info *)buf;
	struct vfio_region_info_cap_sparse_mmap *sparse;
	struct vfio_region_info_cap_type *type;
	uint32_t full;
	int fd;

	put_caps(REG(2)->info);
	DO(series_start());
	TEST_ASSERT_EQUAL(rte_vfio_user_attach_dev(series.path), 0, "attach");
	/* as programs do: ask for the size, then for all */
	reg->argsz = sizeof(*reg);
	reg->index = 2;
	DO(rte_vfio_user_get_reg_info(0, reg, &fd));
	TEST_ASSERT(fd >= 0, "fd");
	close(fd);
	full = reg->argsz;
	TEST_ASSERT(full > sizeof(*reg) && reg->cap_offset == 0, "truncated");
	DO(rte_vfio_user_get_reg_info(0, reg, &fd));
	TEST_ASSERT(fd >= 0, "fd");
	close(fd);
	TEST_ASSERT(reg->argsz == full && (reg->flags & VFIO_REGION_INFO_FLAG_CAPS) != 0, "full");
	type = (struct vfio_region_info_cap_type *)(buf + reg->cap_offset);
	TEST_ASSERT(type->header.id == VFIO_REGION_INFO_CAP_TYPE && type->type == 7 &&
		    type->subtype == 8, "type");
	sparse = (struct vfio_region_info_cap_sparse_mmap *)(buf + type->header.next);
	TEST_ASSERT(sparse->header.id == VFIO_REGION_INFO_CAP_SPARSE_MMAP &&
		    sparse->nr_areas == 2 && sparse->areas[0].offset == PAGE &&
		    sparse->areas[1].offset == 4 * PAGE && sparse->areas[1].size == 2 * PAGE,
		    "areas");
	return TEST_SUCCESS;
}

/* A description that makes no sense is refused, and can be mended. */
static int
test_bad_caps(void)
{
	struct vfio_region_info *info = REG(2)->info;
	uint32_t len = put_caps(info), next = 48;

	FAILS((info->cap_offset = 8, series_start()), EINVAL);
	FAILS((info->cap_offset = len - 4, rte_vfio_user_start(series.path)), EINVAL);
	info->cap_offset = 48;
	memcpy((uint8_t *)info + 96 + 4, &next, 4); /* a circle */
	FAILS(rte_vfio_user_start(series.path), EINVAL);
	put_caps(info);
	FAILS((info->argsz = len - 1, rte_vfio_user_start(series.path)), EINVAL);
	FAILS((info->argsz = 48 + 8, rte_vfio_user_start(series.path)), EINVAL);
	put_caps(info);
	series.irqs->irq_info[0].index = UINT32_MAX;
	FAILS(rte_vfio_user_start(series.path), EINVAL);
	series.irqs->irq_info[0].index = 0;
	DO(rte_vfio_user_start(series.path));
	return TEST_SUCCESS;
}

/* ----------------------------------------------------------------- regions */

static ssize_t
odd_rw(struct rte_vfio_user_reg_info *reg, char *buf, size_t count, loff_t pos, bool iswrite)
{
	RTE_SET_USED(reg);
	RTE_SET_USED(iswrite);
	switch (pos) {
	case 0:
		return -1;
	case 1:
		return -ENXIO;
	case 2:
		return -EINPROGRESS;
	case 3:
		memset(buf, 0, count);
		return count - 1;
	case 4:
		return count + 1;
	default:
		return -100000;
	}
}

static int
test_access(void)
{
	static uint8_t out[RW_SIZE], in[RW_SIZE];
	const int want[] = { -EIO, -ENXIO, -EIO, -EIO, -EIO, -EIO };
	uint32_t i;

	for (i = 0; i < RW_SIZE; i++)
		out[i] = (uint8_t)(i * 7 + i / 256);
	DO(series_start());
	TEST_ASSERT_EQUAL(rte_vfio_user_attach_dev(series.path), 0, "attach");
	DO(rte_vfio_user_region_write(0, 0, 0, MEM_SIZE, out));
	DO(rte_vfio_user_region_read(0, 0, 0, MEM_SIZE, in));
	TEST_ASSERT_EQUAL(memcmp(in, out, MEM_SIZE), 0, "memory");
	DO(rte_vfio_user_region_write(0, 1, 0, RW_SIZE, out));
	DO(rte_vfio_user_region_read(0, 1, 0, RW_SIZE, in));
	TEST_ASSERT_EQUAL(memcmp(in, out, RW_SIZE), 0, "callback");
	DO(rte_vfio_user_region_read(0, 1, 3, 5, in));
	TEST_ASSERT_EQUAL(memcmp(in, out + 3, 5), 0, "a part");
	DO(rte_vfio_user_region_read(0, 1, 0, 0, in));
	TEST_ASSERT_EQUAL(rte_vfio_user_region_read(0, 1, 1, RW_SIZE, in), -EINVAL, "end");
	TEST_ASSERT_EQUAL(rte_vfio_user_region_write(0, 6, 0, 1, in), -EINVAL, "absent");
	TEST_ASSERT_EQUAL(rte_vfio_user_region_read(0, 1, 0, 4, NULL), -EINVAL, "NULL");
	TEST_ASSERT_EQUAL(rte_vfio_user_region_write(0, 1, 0, 4, NULL), -EINVAL, "NULL");
	series.rw_hook = odd_rw;
	for (i = 0; i < RTE_DIM(want); i++) {
		TEST_ASSERT_EQUAL(rte_vfio_user_region_read(0, 1, i, 4, in), want[i],
				  "read %u", i);
		TEST_ASSERT_EQUAL(rte_vfio_user_region_write(0, 1, i, 4, in), want[i],
				  "write %u", i);
	}
	LOG_IS("");
	return TEST_SUCCESS;
}

/* ------------------------------------------------------------------ client */

static int
test_bad_ids(void)
{
	const int ids[] = { -1, 0, 5, 65536, 1 << 30 };
	struct rte_vfio_user_mem_reg mem = { .gpa = 0, .size = PAGE };
	struct vfio_region_info reg = { .argsz = sizeof(reg) };
	struct vfio_irq_set set = { .argsz = sizeof(set) };
	struct vfio_device_info info;
	struct vfio_irq_info irq;
	int fd = -1, id;
	uint32_t i, val;

	for (i = 0; i < RTE_DIM(ids); i++) {
		id = ids[i];
		TEST_ASSERT_EQUAL(rte_vfio_user_detach_dev(id), -EINVAL, "%d", id);
		TEST_ASSERT_EQUAL(rte_vfio_user_get_dev_info(id, &info), -EINVAL, "%d", id);
		TEST_ASSERT_EQUAL(rte_vfio_user_get_reg_info(id, &reg, &fd), -EINVAL, "%d", id);
		TEST_ASSERT_EQUAL(rte_vfio_user_get_irq_info(id, &irq), -EINVAL, "%d", id);
		TEST_ASSERT_EQUAL(rte_vfio_user_dma_map(id, &mem, &fd, 1), -EINVAL, "%d", id);
		TEST_ASSERT_EQUAL(rte_vfio_user_dma_unmap(id, &mem, 1), -EINVAL, "%d", id);
		TEST_ASSERT_EQUAL(rte_vfio_user_set_irqs(id, &set), -EINVAL, "%d", id);
		TEST_ASSERT_EQUAL(rte_vfio_user_region_read(id, 0, 0, 4, &val), -EINVAL,
				  "%d", id);
		TEST_ASSERT_EQUAL(rte_vfio_user_region_write(id, 0, 0, 4, &val), -EINVAL,
				  "%d", id);
		TEST_ASSERT_EQUAL(rte_vfio_user_reset(id), -EINVAL, "%d", id);
	}
	return TEST_SUCCESS;
}

static int
test_attach(void)
{
	struct rte_vfio_user_mem_reg mem = { .gpa = 0, .size = PAGE, .protection = PROT_READ };
	struct vfio_region_info reg = { .argsz = sizeof(reg) };
	int fd = -1;

	TEST_ASSERT_EQUAL(rte_vfio_user_attach_dev(NULL), -EINVAL, "NULL");
	TEST_ASSERT_EQUAL(rte_vfio_user_attach_dev(series.path), -ENOENT, "nobody");
	DO(series_start());
	TEST_ASSERT_EQUAL(rte_vfio_user_attach_dev(series.path), 0, "attach");
	TEST_ASSERT_EQUAL(rte_vfio_user_attach_dev(series.path), -EBUSY, "twice");
	TEST_ASSERT_EQUAL(rte_vfio_user_get_dev_info(0, NULL), -EINVAL, "NULL");
	TEST_ASSERT_EQUAL(rte_vfio_user_get_reg_info(0, NULL, &fd), -EINVAL, "NULL");
	TEST_ASSERT_EQUAL(rte_vfio_user_get_reg_info(0, &reg, NULL), -EINVAL, "NULL");
	TEST_ASSERT_EQUAL(rte_vfio_user_get_irq_info(0, NULL), -EINVAL, "NULL");
	TEST_ASSERT_EQUAL(rte_vfio_user_set_irqs(0, NULL), -EINVAL, "NULL");
	TEST_ASSERT_EQUAL(rte_vfio_user_dma_map(0, NULL, &fd, 1), -EINVAL, "NULL");
	TEST_ASSERT_EQUAL(rte_vfio_user_dma_map(0, &mem, NULL, 1), -EINVAL, "NULL");
	TEST_ASSERT_EQUAL(rte_vfio_user_dma_unmap(0, NULL, 1), -EINVAL, "NULL");
	DO(rte_vfio_user_dma_map(0, &mem, &fd, 0));
	DO(rte_vfio_user_dma_unmap(0, &mem, 0));
	TEST_ASSERT_EQUAL(rte_vfio_user_dma_map(0, &mem, &series.file, 1), -EINVAL, "fd");
	mem.flags = RTE_VUSER_MEM_MAPPABLE;
	TEST_ASSERT_EQUAL(rte_vfio_user_dma_map(0, &mem, &fd, 1), -EINVAL, "no fd");
	mem.protection = PROT_NONE;
	TEST_ASSERT_EQUAL(rte_vfio_user_dma_map(0, &mem, &series.file, 1), -EINVAL, "no access");
	DO(rte_vfio_user_detach_dev(0));
	TEST_ASSERT_EQUAL(rte_vfio_user_detach_dev(0), -EINVAL, "twice");
	TEST_ASSERT_EQUAL(rte_vfio_user_attach_dev(series.path), 0, "the id again");
	DO(rte_vfio_user_unregister(series.path));
	TEST_ASSERT_EQUAL(rte_vfio_user_reset(0), -ENOTCONN, "the server is gone");
	DO(rte_vfio_user_detach_dev(0));
	LOG_IS("");
	return TEST_SUCCESS;
}

static struct unit_test_suite suite = {
	.suite_name = "the series' API",
	.unit_test_cases = {
		TEST_CASE_ST(series_setup, series_teardown, test_register),
		TEST_CASE_ST(series_setup, series_teardown, test_thread),
		TEST_CASE_ST(series_setup, series_teardown, test_set_and_start),
		TEST_CASE_ST(series_setup, series_teardown, test_path_in_use),
		TEST_CASE_ST(series_setup, series_teardown, test_getters),
		TEST_CASE_ST(series_setup, series_teardown, test_info),
		TEST_CASE_ST(series_setup, series_teardown, test_no_reset),
		TEST_CASE_ST(series_setup, series_teardown, test_mappable),
		TEST_CASE_ST(series_setup, series_teardown, test_caps),
		TEST_CASE_ST(series_setup, series_teardown, test_bad_caps),
		TEST_CASE_ST(series_setup, series_teardown, test_access),
		TEST_CASE_ST(series_setup, series_teardown, test_bad_ids),
		TEST_CASE_ST(series_setup, series_teardown, test_attach),
		TEST_CASES_END()
	}
};

static int
test_vfio_user_series(void)
{
	return unit_test_suite_runner(&suite);
}

REGISTER_TEST_COMMAND(vfio_user_series_autotest, test_vfio_user_series);
