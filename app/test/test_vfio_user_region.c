/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

/* Regions of a device: descriptions, region info, I/O file descriptors. */

#include <errno.h>
#include <fcntl.h>
#include <linux/kcmp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <rte_common.h>

#include "test.h"
#include "test_short.h"
#include "test_vfio_user_fds.h"
#include "vfio_user_codec.h"
#include "vfio_user_region.h"

#define PAGE 4096u
#define NB_REGIONS 9
#define SIZE (16 * PAGE)
#define INFO ((uint32_t)sizeof(struct vfio_region_info))
#define RW RTE_VFIO_USER_REGION_F_RW

static struct vfio_user_regions regions;
static struct vfio_user_region_reply reply;
static struct rte_vfio_user_negotiated neg;
static struct rte_vfio_user_region_conf conf;
static int file[3]; /* what areas are in */
static uint8_t memory[PAGE];

static bool
same_file(int a, int b)
{
	return syscall(SYS_kcmp, getpid(), getpid(), KCMP_FILE, a, b) == 0;
}

static int nb_fds; /* at the first setup */

static int
setup(void)
{
	int i;

	DO(check_fds(&nb_fds));
	for (i = 0; i < (int)RTE_DIM(file); i++)
		file[i] = memfd_create("region", MFD_CLOEXEC);
	memset(&neg, 0, sizeof(neg));
	neg.max_msg_fds = 16;
	neg.sparse_mmap_fds = true;
	conf = (struct rte_vfio_user_region_conf){
		.size = SIZE, .flags = RW, .base = memory, .fd = -1,
	};
	return vfio_user_regions_init(&regions, NB_REGIONS);
}

static void
teardown(void)
{
	int i;

	vfio_user_regions_fini(&regions);
	for (i = 0; i < (int)RTE_DIM(file); i++)
		close(file[i]);
}

static int
set(uint32_t index)
{
	return vfio_user_regions_set(&regions, index, &conf);
}

static int
set_areas(const struct rte_vfio_user_mmap_area *areas, uint32_t nb)
{
	conf.areas = areas;
	conf.nb_areas = nb;
	return set(0);
}

static struct vfio_region_info reply_info;

/* Ask for the info of a region; it has to pass the client's checks. */
static int
info(uint32_t index, uint32_t argsz)
{
	uint32_t cap_sparse, cap_fds;
	int ret = vfio_user_regions_info(&regions, index, argsz, &neg, &reply);

	if (ret < 0)
		return ret;
	memcpy(&reply_info, reply.payload, sizeof(reply_info));
	if (reply.len == reply_info.argsz)
		ret = vfio_user_check_region_info(reply.payload, reply.len, reply.nb_fds,
						  &cap_sparse, &cap_fds);
	return ret;
}

/* A capability of the reply, or NULL. */
static const uint8_t *
find_cap(uint16_t id, uint32_t *len)
{
	const uint8_t *data = reply.payload;
	struct vfio_info_cap_header cap;
	uint32_t off;

	if ((reply_info.flags & VFIO_REGION_INFO_FLAG_CAPS) == 0)
		return NULL;
	for (off = reply_info.cap_offset; off != 0; off = cap.next) {
		memcpy(&cap, data + off, sizeof(cap));
		*len = (cap.next == 0 ? reply.len : cap.next) - off;
		if (cap.id == id)
			return cap.version == 1 ? data + off : NULL;
	}
	return NULL;
}

/* --------------------------------------------------------------- description */

static ssize_t
no_access(struct rte_vfio_user_server *srv, const struct rte_vfio_user_region_access *acc,
	  void *priv)
{
	RTE_SET_USED(srv);
	RTE_SET_USED(acc);
	RTE_SET_USED(priv);
	return -EIO;
}

static int
test_set(void)
{
	int fds = count_fds();

	DO(set(0));
	DO(set(NB_REGIONS - 1));
	TEST_ASSERT_EQUAL(set(NB_REGIONS), -EINVAL, "index");
	TEST_ASSERT_EQUAL(vfio_user_regions_set(&regions, 0, NULL), -EINVAL, "NULL");
	conf.flags = RW | 1u << 3;
	TEST_ASSERT_EQUAL(set(0), -EINVAL, "flags");
	conf.flags = RW;
	conf.base = NULL;
	TEST_ASSERT_EQUAL(set(0), -EINVAL, "nothing behind it");
	conf.cb = no_access;
	DO(set(0));
	conf.fd = file[0];
	DO(set(0));
	TEST_ASSERT_EQUAL(count_fds(), fds + 1, "a duplicate");
	DO(set(0));
	TEST_ASSERT_EQUAL(count_fds(), fds + 1, "the old one is closed");
	conf.fd_offset = 1;
	TEST_ASSERT_EQUAL(set(0), -EINVAL, "offset not aligned");
	conf.fd_offset = UINT64_C(1) << 63;
	TEST_ASSERT_EQUAL(set(0), -EINVAL, "offset negative");
	conf.fd_offset = INT64_MAX - PAGE + 1;
	TEST_ASSERT_EQUAL(set(0), -EINVAL, "end negative");
	conf.fd_offset = PAGE;
	conf.size = SIZE + 1;
	TEST_ASSERT_EQUAL(set(0), -EINVAL, "all mappable, but not whole pages");
	conf.size = 0;
	TEST_ASSERT_EQUAL(set(0), -EINVAL, "absent but mappable");
	conf.fd = 9999;
	conf.size = SIZE;
	TEST_ASSERT_EQUAL(set(0), -EBADF, "not a file");
	TEST_ASSERT(regions.region[0].conf.fd >= 0, "an error changed it");
	conf.fd = -1;
	conf.size = 0;
	DO(set(0));
	TEST_ASSERT_EQUAL(count_fds(), fds, "fds");
	return TEST_SUCCESS;
}

static int
test_areas(void)
{
	static const struct {
		struct rte_vfio_user_mmap_area area[2]; /* offset, size, fd */
		int expect;
	} cases[] = {
		{ { { 0, PAGE, -1, 0 }, { PAGE, PAGE, -1, 0 } }, 0 },
		{ { { 0, PAGE, -1, 0 }, { SIZE - PAGE, PAGE, -1, 0 } }, 0 },
		{ { { PAGE, PAGE, -1, 0 }, { 0, PAGE, -1, 0 } }, -EINVAL },
		{ { { 0, 2 * PAGE, -1, 0 }, { PAGE, PAGE, -1, 0 } }, -EINVAL },
		{ { { 0, PAGE, -1, 0 }, { 0, PAGE, -1, 0 } }, -EINVAL },
		{ { { 0, PAGE, -1, 0 }, { PAGE, 0, -1, 0 } }, -EINVAL },
		{ { { 0, PAGE, -1, 0 }, { PAGE + 1, PAGE, -1, 0 } }, -EINVAL },
		{ { { 0, PAGE, -1, 0 }, { PAGE, PAGE + 1, -1, 0 } }, -EINVAL },
		{ { { 0, PAGE, -1, 0 }, { SIZE, PAGE, -1, 0 } }, -EINVAL },
		{ { { 0, PAGE, -1, 0 }, { SIZE - PAGE, 2 * PAGE, -1, 0 } }, -EINVAL },
		{ { { 0, PAGE, -1, 0 }, { PAGE, UINT64_MAX & ~4095ull, -1, 0 } }, -EINVAL },
		{ { { 0, PAGE, -1, 0 }, { UINT64_MAX & ~4095ull, PAGE, -1, 0 } }, -EINVAL },
	};
	struct rte_vfio_user_mmap_area many[129];
	uint32_t i;

	conf.fd = file[0];
	for (i = 0; i < RTE_DIM(cases); i++)
		TEST_ASSERT_EQUAL(set_areas(cases[i].area, 2), cases[i].expect, "case %u", i);
	TEST_ASSERT_EQUAL(set_areas(NULL, 2), -EINVAL, "NULL");
	TEST_ASSERT_EQUAL(set_areas(cases[0].area, 0), -EINVAL, "none");
	conf.fd = -1;
	TEST_ASSERT_EQUAL(set_areas(cases[0].area, 2), -EINVAL, "no file");
	many[0] = (struct rte_vfio_user_mmap_area){ 0, PAGE, file[1], 1 };
	TEST_ASSERT_EQUAL(set_areas(many, 1), -EINVAL, "offset not aligned");
	many[0].fd_offset = UINT64_C(1) << 63;
	TEST_ASSERT_EQUAL(set_areas(many, 1), -EINVAL, "offset negative");
	many[0].fd_offset = 0;
	many[0].fd = 9999;
	TEST_ASSERT_EQUAL(set_areas(many, 1), -EBADF, "not a file");
	conf.fd = file[0];
	conf.size = 1000 * PAGE;
	for (i = 0; i < RTE_DIM(many); i++)
		many[i] = (struct rte_vfio_user_mmap_area){ i * 2 * PAGE, PAGE, -1, 0 };
	DO(set_areas(many, 128));
	TEST_ASSERT_EQUAL(set_areas(many, 129), -EINVAL, "too many");
	/* the array is copied */
	memset(many, 0xff, sizeof(many));
	DO(info(0, UINT32_MAX));
	free(reply.payload);
	return TEST_SUCCESS;
}

static int
test_access(void)
{
	static const struct {
		uint32_t index;
		uint64_t offset, count;
		bool read, write;
	} cases[] = {
		{ 0, 0, SIZE, true, true }, { 0, SIZE - 1, 1, true, true },
		{ 0, SIZE, 0, true, true }, { 0, SIZE, 1, false, false },
		{ 0, 1, SIZE, false, false }, { 0, UINT64_MAX, 2, false, false },
		{ 0, 2, UINT64_MAX, false, false }, { 1, 0, 4, true, false },
		{ 2, 0, 4, false, true }, { 3, 0, 4, false, false },
		{ 3, 0, 0, false, false }, { 4, 0, 4, false, false },
		{ NB_REGIONS, 0, 4, false, false }, { UINT32_MAX, 0, 0, false, false },
	};
	uint32_t i;

	DO(set(0));
	conf.flags = RTE_VFIO_USER_REGION_F_READ;
	DO(set(1));
	conf.flags = RTE_VFIO_USER_REGION_F_WRITE;
	DO(set(2));
	conf.flags = 0;
	DO(set(4));
	for (i = 0; i < RTE_DIM(cases); i++) {
		TEST_ASSERT_EQUAL(vfio_user_regions_access(&regions, cases[i].index,
				cases[i].offset, cases[i].count, false) != NULL,
				cases[i].read, "read, case %u", i);
		TEST_ASSERT_EQUAL(vfio_user_regions_access(&regions, cases[i].index,
				cases[i].offset, cases[i].count, true) != NULL,
				cases[i].write, "write, case %u", i);
	}
	TEST_ASSERT(vfio_user_regions_access(&regions, 0, 0, 1, true) == &regions.region[0],
		    "region");
	return TEST_SUCCESS;
}

/* -------------------------------------------------------------- region info */

static int
test_info_plain(void)
{
	DO(set(0));
	DO(info(0, INFO));
	TEST_ASSERT(reply.len == INFO && reply.nb_fds == 0 && reply_info.argsz == INFO &&
		    reply_info.index == 0 && reply_info.size == SIZE &&
		    reply_info.offset == 0 && reply_info.cap_offset == 0 &&
		    reply_info.flags == (VFIO_REGION_INFO_FLAG_READ |
					 VFIO_REGION_INFO_FLAG_WRITE), "plain");
	free(reply.payload);
	DO(info(1, UINT32_MAX));
	TEST_ASSERT(reply.len == INFO && reply_info.size == 0 && reply_info.flags == 0 &&
		    reply_info.index == 1, "absent");
	free(reply.payload);
	TEST_ASSERT_EQUAL(info(0, INFO - 1), -EINVAL, "argsz");
	TEST_ASSERT_EQUAL(info(0, 0), -EINVAL, "argsz");
	TEST_ASSERT_EQUAL(info(NB_REGIONS, INFO), -EINVAL, "index");
	TEST_ASSERT_EQUAL(info(UINT32_MAX, INFO), -EINVAL, "index");
	return TEST_SUCCESS;
}

/* All of it mappable: one fd, no capability, so even the short form has it. */
static int
test_info_whole(void)
{
	conf.fd = file[0];
	conf.fd_offset = 3 * PAGE;
	DO(set(0));
	DO(info(0, INFO));
	TEST_ASSERT(reply.len == INFO && reply.nb_fds == 1 && reply_info.argsz == INFO &&
		    reply_info.offset == 3 * PAGE && reply_info.flags ==
		    (VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE |
		     VFIO_REGION_INFO_FLAG_MMAP), "whole");
	TEST_ASSERT(reply.fds[0] == regions.region[0].conf.fd, "fd");
	free(reply.payload);
	neg.max_msg_fds = 0;
	DO(info(0, INFO));
	TEST_ASSERT(reply.nb_fds == 0 && (reply_info.flags & VFIO_REGION_INFO_FLAG_MMAP) == 0,
		    "a client that takes no fds");
	free(reply.payload);
	return TEST_SUCCESS;
}

static int
test_info_sparse(void)
{
	const struct rte_vfio_user_mmap_area areas[] = {
		{ PAGE, PAGE, -1, 77 }, { 4 * PAGE, 3 * PAGE, -1, 0 },
	};
	const uint32_t full = INFO + 16 + 2 * 16;
	struct vfio_region_info_cap_sparse_mmap head;
	struct vfio_region_sparse_mmap_area got[2];
	const uint8_t *cap;
	uint32_t argsz, len;

	conf.fd = file[0];
	conf.fd_offset = PAGE;
	DO(set_areas(areas, 2));
	for (argsz = INFO; argsz < full; argsz++) {
		DO(info(0, argsz));
		TEST_ASSERT(reply.len == INFO && reply.nb_fds == 0 &&
			    reply_info.argsz == full && reply_info.cap_offset == 0 &&
			    (reply_info.flags & VFIO_REGION_INFO_FLAG_CAPS) == 0 &&
			    (reply_info.flags & VFIO_REGION_INFO_FLAG_MMAP) != 0,
			    "argsz %u", argsz);
		free(reply.payload);
	}
	DO(info(0, full));
	TEST_ASSERT(reply.len == full && reply_info.argsz == full && reply.nb_fds == 1 &&
		    reply_info.offset == PAGE && reply_info.cap_offset == INFO, "full");
	cap = find_cap(VFIO_REGION_INFO_CAP_SPARSE_MMAP, &len);
	TEST_ASSERT(cap != NULL && len == 48, "capability");
	memcpy(&head, cap, sizeof(head));
	memcpy(got, cap + sizeof(head), sizeof(got));
	TEST_ASSERT(head.nr_areas == 2 && head.reserved == 0 && got[0].offset == PAGE &&
		    got[0].size == PAGE && got[1].offset == 4 * PAGE &&
		    got[1].size == 3 * PAGE, "areas");
	free(reply.payload);
	DO(info(0, UINT32_MAX));
	TEST_ASSERT(reply.len == full, "never longer than it has to be");
	free(reply.payload);
	return TEST_SUCCESS;
}

static int
test_info_type(void)
{
	const struct rte_vfio_user_mmap_area area = { 0, PAGE, -1, 0 };
	struct vfio_region_info_cap_type type;
	const uint8_t *cap;
	uint32_t len;

	conf.flags |= RTE_VFIO_USER_REGION_F_TYPE;
	conf.type = 0x80001af4;
	conf.subtype = 5;
	DO(set(0));
	DO(info(0, INFO));
	TEST_ASSERT(reply.len == INFO && reply_info.argsz == INFO + 16, "short");
	free(reply.payload);
	conf.fd = file[0];
	DO(set_areas(&area, 1));
	DO(info(0, 4096));
	TEST_ASSERT_EQUAL(reply.len, INFO + 16 + 32, "%u bytes", reply.len);
	cap = find_cap(VFIO_REGION_INFO_CAP_TYPE, &len);
	TEST_ASSERT(cap != NULL && len == 16, "type");
	memcpy(&type, cap, sizeof(type));
	TEST_ASSERT(type.type == conf.type && type.subtype == 5, "type");
	TEST_ASSERT_NOT_NULL(find_cap(VFIO_REGION_INFO_CAP_SPARSE_MMAP, &len), "sparse");
	free(reply.payload);
	return TEST_SUCCESS;
}

static int
check_fds_area(uint32_t i, uint64_t offset, uint64_t fd_offset, int fd)
{
	struct rte_vfio_user_sparse_fds_area area;
	const uint8_t *cap;
	uint32_t len = 0;

	cap = find_cap(RTE_VFIO_USER_REGION_INFO_CAP_SPARSE_MMAP_FDS, &len);
	TEST_ASSERT(cap != NULL && len >= 16 + (i + 1) * sizeof(area), "capability");
	memcpy(&area, cap + 16 + i * sizeof(area), sizeof(area));
	TEST_ASSERT(area.offset == offset && area.size == PAGE && area.reserved == 0 &&
		    area.fd_offset == fd_offset, "area %u", i);
	TEST_ASSERT(area.fd_index < reply.nb_fds, "area %u", i);
	TEST_ASSERT_EQUAL(reply.fds[area.fd_index], fd, "area %u", i);
	return TEST_SUCCESS;
}

static int
test_info_fds(void)
{
	const struct rte_vfio_user_mmap_area areas[] = {
		{ 0, PAGE, file[1], 5 * PAGE }, { 2 * PAGE, PAGE, -1, 99 },
		{ 4 * PAGE, PAGE, file[2], 0 }, { 6 * PAGE, PAGE, -1, 0 },
	};
	const struct vfio_user_region *region = &regions.region[0];
	const uint32_t full = INFO + 16 + 4 * 32;
	uint32_t len;

	conf.fd = file[0];
	conf.fd_offset = 7 * PAGE;
	DO(set_areas(areas, 4));
	DO(info(0, full - 1));
	TEST_ASSERT(reply.len == INFO && reply.nb_fds == 0 && reply_info.argsz == full, "short");
	free(reply.payload);
	DO(info(0, full));
	TEST_ASSERT(reply.len == full && reply.nb_fds == 3, "full");
	DO(check_fds_area(0, 0, 5 * PAGE, region->areas[0].fd));
	DO(check_fds_area(1, 2 * PAGE, 9 * PAGE, region->conf.fd));
	DO(check_fds_area(2, 4 * PAGE, 0, region->areas[2].fd));
	DO(check_fds_area(3, 6 * PAGE, 13 * PAGE, region->conf.fd));
	free(reply.payload);
	/* two fds are not enough for three: what the region's own file has */
	for (neg.max_msg_fds = 1; neg.max_msg_fds < 3; neg.max_msg_fds++) {
		DO(info(0, full));
		TEST_ASSERT(reply.nb_fds == 1 && reply.fds[0] == region->conf.fd, "fds");
		TEST_ASSERT_NULL(find_cap(RTE_VFIO_USER_REGION_INFO_CAP_SPARSE_MMAP_FDS, &len),
				 "capability");
		TEST_ASSERT(find_cap(VFIO_REGION_INFO_CAP_SPARSE_MMAP, &len) != NULL &&
			    len == 16 + 2 * 16, "plain capability");
		free(reply.payload);
	}
	neg.max_msg_fds = 3;
	DO(info(0, full));
	TEST_ASSERT_EQUAL(reply.nb_fds, 3u, "three are");
	free(reply.payload);
	neg.sparse_mmap_fds = false;
	DO(info(0, full));
	TEST_ASSERT(reply.nb_fds == 1 && reply.len == INFO + 16 + 2 * 16, "not negotiated");
	free(reply.payload);
	return TEST_SUCCESS;
}

/* Nothing is left that such a client could map. */
static int
test_info_fds_only(void)
{
	const struct rte_vfio_user_mmap_area areas[] = {
		{ 0, PAGE, file[1], 0 }, { 2 * PAGE, PAGE, file[1], PAGE },
	};

	DO(set_areas(areas, 2));
	DO(info(0, 4096));
	TEST_ASSERT(reply.nb_fds == 2 && reply_info.offset == 0, "fds");
	free(reply.payload);
	neg.sparse_mmap_fds = false;
	DO(info(0, 4096));
	TEST_ASSERT(reply.nb_fds == 0 && reply.len == INFO && reply_info.argsz == INFO &&
		    (reply_info.flags & VFIO_REGION_INFO_FLAG_MMAP) == 0, "not mappable");
	free(reply.payload);
	return TEST_SUCCESS;
}

/* ------------------------------------------------------------------- I/O fds */

static int
add_io(uint64_t offset, uint64_t size, int fd)
{
	const struct rte_vfio_user_ioeventfd io = {
		.offset = offset, .size = size, .fd = fd, .flags = 1, .datamatch = offset,
	};

	return vfio_user_regions_add_io(&regions, 0, &io);
}

static struct vfio_user_region_io_fds io_head;

static int
io_fds(uint32_t argsz, uint32_t max_fds)
{
	const struct vfio_user_region_io_fds req = { .argsz = argsz };
	int ret = vfio_user_regions_io_fds(&regions, &req, max_fds, &reply);

	if (ret == 0)
		memcpy(&io_head, reply.payload, sizeof(io_head));
	return ret;
}

static int
test_io_refused(void)
{
	struct vfio_user_region_io_fds req = { .argsz = 16 };
	const struct rte_vfio_user_ioeventfd io = { .size = 4, .fd = file[0] };
	int efd = eventfd(0, EFD_CLOEXEC), i;

	DO(set(0));
	TEST_ASSERT_EQUAL(vfio_user_regions_add_io(&regions, 0, NULL), -EINVAL, "NULL");
	TEST_ASSERT_EQUAL(vfio_user_regions_add_io(&regions, 0, &io), -EINVAL, "no eventfd");
	TEST_ASSERT_EQUAL(vfio_user_regions_add_io(&regions, NB_REGIONS, &io), -EINVAL,
			  "index");
	TEST_ASSERT_EQUAL(add_io(0, 4, -1), -EINVAL, "no fd");
	for (i = 0; i < 20; i++)
		TEST_ASSERT_EQUAL(add_io(0, (uint64_t)i, efd), i <= 2 || i == 4 || i == 8 ?
				  0 : -EINVAL, "size %d", i);
	TEST_ASSERT_EQUAL(add_io(SIZE - 3, 4, efd), -EINVAL, "over the end");
	TEST_ASSERT_EQUAL(add_io(SIZE, 0, efd), -EINVAL, "at the end");
	TEST_ASSERT_EQUAL(add_io(UINT64_MAX, 2, efd), -EINVAL, "wraps");
	TEST_ASSERT_EQUAL(vfio_user_regions_add_io(&regions, 1, &io), -EINVAL, "absent");
	req.argsz = 15;
	TEST_ASSERT_EQUAL(vfio_user_regions_io_fds(&regions, &req, 16, &reply), -EINVAL,
			  "argsz");
	req = (struct vfio_user_region_io_fds){ .argsz = 16, .flags = 1 };
	TEST_ASSERT_EQUAL(vfio_user_regions_io_fds(&regions, &req, 16, &reply), -EINVAL,
			  "flags");
	req = (struct vfio_user_region_io_fds){ .argsz = 16, .count = 1 };
	TEST_ASSERT_EQUAL(vfio_user_regions_io_fds(&regions, &req, 16, &reply), -EINVAL,
			  "count");
	req = (struct vfio_user_region_io_fds){ .argsz = 16, .index = NB_REGIONS };
	TEST_ASSERT_EQUAL(vfio_user_regions_io_fds(&regions, &req, 16, &reply), -EINVAL,
			  "index");
	close(efd);
	return TEST_SUCCESS;
}

static int
check_sub(uint32_t i, uint64_t offset, int fd)
{
	const uint8_t *data = reply.payload;
	struct vfio_user_sub_region sub;

	memcpy(&sub, data + sizeof(io_head) + i * sizeof(sub), sizeof(sub));
	TEST_ASSERT(sub.offset == offset && sub.size == 4 && sub.flags == 1 &&
		    sub.type == VFIO_USER_IO_FD_TYPE_IOEVENTFD && sub.padding == 0 &&
		    sub.datamatch == offset && sub.fd_index < reply.nb_fds, "entry %u", i);
	TEST_ASSERT(same_file(reply.fds[sub.fd_index], fd), "entry %u: another file", i);
	return TEST_SUCCESS;
}

static int
test_io_shared(void)
{
	int a = eventfd(0, EFD_CLOEXEC), b = eventfd(0, EFD_CLOEXEC), a2 = dup(a);
	const uint32_t full = 16 + 5 * 40;
	uint32_t argsz;
	int fds;

	if (!same_file(a, a2)) {
		close(a);
		close(b);
		close(a2);
		return TEST_SKIPPED; /* no kcmp(2) here */
	}
	DO(set(0));
	DO(io_fds(4096, 16));
	TEST_ASSERT(reply.len == 16 && io_head.argsz == 16 && io_head.count == 0 &&
		    reply.nb_fds == 0, "none");
	free(reply.payload);
	fds = count_fds();
	DO(add_io(0, 4, a));
	DO(add_io(8, 4, b));
	DO(add_io(16, 4, a));
	DO(add_io(24, 4, a2));
	DO(add_io(32, 4, b));
	TEST_ASSERT_EQUAL(count_fds(), fds + 2, "one duplicate for each file");
	for (argsz = 16; argsz < full; argsz++) {
		DO(io_fds(argsz, 16));
		TEST_ASSERT(reply.len == 16 && io_head.argsz == full &&
			    io_head.count == 0 && reply.nb_fds == 0, "argsz %u", argsz);
		free(reply.payload);
	}
	DO(io_fds(full, 16));
	TEST_ASSERT(reply.len == full && io_head.argsz == full && io_head.count == 5 &&
		    io_head.flags == 0 && reply.nb_fds == 2, "full");
	DO(check_sub(0, 0, a));
	DO(check_sub(1, 8, b));
	DO(check_sub(2, 16, a));
	DO(check_sub(3, 24, a));
	DO(check_sub(4, 32, b));
	free(reply.payload);
	/* a client that takes one fd gets what that one serves */
	DO(io_fds(full, 1));
	TEST_ASSERT(io_head.count == 3 && reply.nb_fds == 1 && reply.len == 16 + 3 * 40, "one");
	DO(check_sub(1, 16, a));
	DO(check_sub(2, 24, a));
	free(reply.payload);
	DO(io_fds(full, 0));
	TEST_ASSERT(io_head.count == 0 && reply.nb_fds == 0, "no fds");
	free(reply.payload);
	close(a);
	close(b);
	close(a2);
	return TEST_SUCCESS;
}

static int
test_io_many(void)
{
	const uint32_t nb = RTE_VFIO_USER_MAX_MSG_FDS + 7;
	uint32_t i;
	int efd;

	DO(set(0));
	for (i = 0; i < nb; i++) {
		efd = eventfd(0, EFD_CLOEXEC);
		DO(add_io(i * 4, 4, efd));
		close(efd);
	}
	DO(io_fds(UINT32_MAX, UINT32_MAX));
	TEST_ASSERT(reply.nb_fds == RTE_VFIO_USER_MAX_MSG_FDS &&
		    io_head.count == RTE_VFIO_USER_MAX_MSG_FDS, "all a message takes");
	for (i = 0; i < reply.nb_fds; i++)
		TEST_ASSERT(fcntl(reply.fds[i], F_GETFD) == FD_CLOEXEC, "fd %u", i);
	free(reply.payload);
	DO(io_fds(UINT32_MAX, 16));
	TEST_ASSERT(reply.nb_fds == 16 && io_head.count == 16, "sixteen");
	free(reply.payload);
	return TEST_SUCCESS;
}

#define CASE(fn) TEST_CASE_ST(setup, teardown, fn)

static struct unit_test_suite region_suite = {
	.suite_name = "vfio-user regions",
	.unit_test_cases = {
		CASE(test_set),
		CASE(test_areas),
		CASE(test_access),
		CASE(test_info_plain),
		CASE(test_info_whole),
		CASE(test_info_sparse),
		CASE(test_info_type),
		CASE(test_info_fds),
		CASE(test_info_fds_only),
		CASE(test_io_refused),
		CASE(test_io_shared),
		CASE(test_io_many),
		TEST_CASES_END()
	},
};

static int
test_vfio_user_region(void)
{
	return unit_test_suite_runner(&region_suite);
}

REGISTER_TEST_COMMAND(vfio_user_region_autotest, test_vfio_user_region);
