/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

/* The command table and the checks of payloads. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <rte_common.h>

#include "test.h"
#include "vfio_user_codec.h"

#define NEW VFIO_USER_STATE_NEW
#define READY VFIO_USER_STATE_READY
#define MAX_MSG 65536u

/* ---------------------------------------------------------- command table */

/* What the specification says, written down once more. */
static const struct expected {
	uint16_t command;
	const char *name;
	uint32_t min, max, fds;
	uint32_t state;
	enum vfio_user_side side;
	bool quiesce;
} table[] = {
	{ 1, "VERSION", 4, 4 + 4096, 0, NEW, VFIO_USER_SERVER, false },
	{ 2, "DMA_MAP", 32, 0, 1, READY, VFIO_USER_SERVER, true },
	{ 3, "DMA_UNMAP", 24, 0, 1, READY, VFIO_USER_SERVER, true },
	{ 4, "DEVICE_GET_INFO", 16, 0, 0, READY, VFIO_USER_SERVER, false },
	{ 5, "DEVICE_GET_REGION_INFO", 32, 0, 0, READY, VFIO_USER_SERVER, false },
	{ 6, "DEVICE_GET_REGION_IO_FDS", 16, 0, 0, READY, VFIO_USER_SERVER, false },
	{ 7, "DEVICE_GET_IRQ_INFO", 16, 0, 0, READY, VFIO_USER_SERVER, false },
	{ 8, "DEVICE_SET_IRQS", 20, 0, 253, READY, VFIO_USER_SERVER, true },
	{ 9, "REGION_READ", 16, 0, 0, READY, VFIO_USER_SERVER, false },
	{ 10, "REGION_WRITE", 16, 0, 0, READY, VFIO_USER_SERVER, false },
	{ 11, "DMA_READ", 16, 0, 0, READY, VFIO_USER_CLIENT, false },
	{ 12, "DMA_WRITE", 16, 0, 0, READY, VFIO_USER_CLIENT, false },
	{ 13, "DEVICE_RESET", 0, 0, 0, READY, VFIO_USER_SERVER, true },
	{ 15, "REGION_WRITE_MULTI", 8, 0, 0, READY, VFIO_USER_SERVER, false },
	{ 16, "DEVICE_FEATURE", 8, 0, 0, READY, VFIO_USER_SERVER, false },
	{ 17, "MIG_DATA_READ", 8, 0, 0, READY, VFIO_USER_SERVER, false },
	{ 18, "MIG_DATA_WRITE", 8, 0, 0, READY, VFIO_USER_SERVER, false },
};

static int
request(const struct expected *row, uint32_t flags, uint32_t len, uint32_t fds,
	uint32_t max_fds, uint32_t state, enum vfio_user_side side)
{
	const struct vfio_user_hdr hdr = {
		.command = row->command, .flags = flags,
		.msg_size = sizeof(hdr) + len,
	};

	return vfio_user_check_request(&hdr, len, fds, max_fds, state, side);
}

static int
check_row(const struct expected *row)
{
	const struct vfio_user_command_info *info = vfio_user_command_info(row->command);
	const enum vfio_user_side side = row->side, other =
		side == VFIO_USER_SERVER ? VFIO_USER_CLIENT : VFIO_USER_SERVER;
	const uint32_t state = row->state, wrong = state == NEW ? READY : NEW;

	TEST_ASSERT_NOT_NULL(info, "%s", row->name);
	TEST_ASSERT(strcmp(info->name, row->name) == 0, "name %s", info->name);
	TEST_ASSERT_EQUAL(info->quiesce, row->quiesce, "%s", row->name);
	TEST_ASSERT_SUCCESS(request(row, 0, row->min, 0, 16, state, side), "%s", row->name);
	TEST_ASSERT_SUCCESS(request(row, VFIO_USER_F_NO_REPLY, row->min, 0, 16, state, side),
			    "%s", row->name);
	TEST_ASSERT_SUCCESS(request(row, 0, row->min + 1, 0, 16, state, side),
			    "%s: longer", row->name);
	TEST_ASSERT_EQUAL(request(row, VFIO_USER_F_ERROR, row->min, 0, 16, state, side),
			  -EINVAL, "%s: error flag", row->name);
	TEST_ASSERT_EQUAL(request(row, 1u << 6, row->min, 0, 16, state, side), -EINVAL,
			  "%s: unknown flag", row->name);
	TEST_ASSERT_EQUAL(request(row, 1u << 31, row->min, 0, 16, state, side), -EINVAL,
			  "%s: unknown flag", row->name);
	TEST_ASSERT_EQUAL(request(row, 0, row->min, 0, 16, state, other), -EINVAL,
			  "%s: other side", row->name);
	TEST_ASSERT_EQUAL(request(row, 0, row->min, 0, 16, wrong, side), -EINVAL,
			  "%s: state", row->name);
	if (row->min != 0)
		TEST_ASSERT_EQUAL(request(row, 0, row->min - 1, 0, 16, state, side),
				  -EINVAL, "%s: short", row->name);
	if (row->max != 0) {
		TEST_ASSERT_SUCCESS(request(row, 0, row->max, 0, 16, state, side), "%s",
				    row->name);
		TEST_ASSERT_EQUAL(request(row, 0, row->max + 1, 0, 16, state, side),
				  -EINVAL, "%s: long", row->name);
	}
	TEST_ASSERT_SUCCESS(request(row, 0, row->min, row->fds, 253, state, side),
			    "%s: %u fds", row->name, row->fds);
	TEST_ASSERT_EQUAL(request(row, 0, row->min, row->fds + 1, 253, state, side),
			  -EINVAL, "%s: too many fds", row->name);
	TEST_ASSERT_EQUAL(request(row, 0, row->min, 1, 0, state, side), -EINVAL,
			  "%s: no fds negotiated", row->name);
	return TEST_SUCCESS;
}

static int
test_table(void)
{
	uint32_t i;

	for (i = 0; i < RTE_DIM(table); i++)
		if (check_row(&table[i]) != TEST_SUCCESS)
			return TEST_FAILED;
	return TEST_SUCCESS;
}

static int
test_unknown_commands(void)
{
	struct expected row = { 0 };
	uint32_t cmd, i, known;

	for (cmd = 0; cmd <= UINT16_MAX; cmd++) {
		for (i = known = 0; i < RTE_DIM(table); i++)
			known |= table[i].command == cmd;
		if (known)
			continue;
		row.command = (uint16_t)cmd;
		TEST_ASSERT_NULL(vfio_user_command_info(row.command), "command %u", cmd);
		TEST_ASSERT(strcmp(vfio_user_command_name(row.command), "unknown") == 0,
			    "command %u", cmd);
		TEST_ASSERT_EQUAL(request(&row, 0, 64, 0, 16, NEW | READY,
				VFIO_USER_SERVER), -EINVAL, "command %u", cmd);
		TEST_ASSERT_EQUAL(request(&row, 0, 64, 0, 16, NEW | READY,
				VFIO_USER_CLIENT), -EINVAL, "command %u", cmd);
	}
	TEST_ASSERT(strcmp(vfio_user_command_name(2), "DMA_MAP") == 0, "name");
	return TEST_SUCCESS;
}

/* ------------------------------------------------------------------ header */

static int
test_frame(void)
{
	static const struct {
		uint32_t size, flags;
		int expect;
	} cases[] = {
		{ 0, 0, -EPROTO }, { 15, 0, -EPROTO }, { 16, 0, 0 }, { 17, 0, 0 },
		{ MAX_MSG, 0, 0 }, { MAX_MSG + 1, 0, -EPROTO },
		{ UINT32_MAX, 0, -EPROTO }, { UINT32_MAX - 15, 1, -EPROTO },
		{ 16, 1, 0 }, { 16, 2, -EPROTO }, { 16, 0xf, -EPROTO },
		{ 16, VFIO_USER_F_NO_REPLY, 0 }, { 16, 1 | VFIO_USER_F_ERROR, 0 },
		/* answered, not fatal: the length can be trusted */
		{ 16, 0xffffff00, 0 }, { 16, 1u << 6, 0 },
	};
	struct vfio_user_hdr hdr = { .command = UINT16_MAX };
	uint32_t i;

	for (i = 0; i < RTE_DIM(cases); i++) {
		hdr.msg_size = cases[i].size;
		hdr.flags = cases[i].flags;
		TEST_ASSERT_EQUAL(vfio_user_check_frame(&hdr, MAX_MSG), cases[i].expect,
				  "case %u", i);
		TEST_ASSERT_EQUAL(vfio_user_is_reply(&hdr), (hdr.flags & 0xf) == 1,
				  "case %u", i);
	}
	return TEST_SUCCESS;
}

static int
test_reply_error(void)
{
	static const struct {
		uint32_t flags, error;
		int expect;
	} cases[] = {
		{ 1, 0, 0 }, { 1, EINVAL, 0 }, { 1, UINT32_MAX, 0 },
		{ 1 | VFIO_USER_F_ERROR, EINVAL, -EINVAL },
		{ 1 | VFIO_USER_F_ERROR, 1, -1 },
		{ 1 | VFIO_USER_F_ERROR, 4095, -4095 },
		{ 1 | VFIO_USER_F_ERROR, 0, -EIO },
		{ 1 | VFIO_USER_F_ERROR, 4096, -EIO },
		{ 1 | VFIO_USER_F_ERROR, 1u << 31, -EIO },
		{ 1 | VFIO_USER_F_ERROR, UINT32_MAX, -EIO },
		{ 1 | VFIO_USER_F_ERROR, (uint32_t)-EINVAL, -EIO },
	};
	struct vfio_user_hdr hdr = { .msg_size = 16 };
	uint32_t i;

	for (i = 0; i < RTE_DIM(cases); i++) {
		hdr.flags = cases[i].flags;
		hdr.error_no = cases[i].error;
		TEST_ASSERT_EQUAL(vfio_user_reply_error(&hdr), cases[i].expect, "case %u", i);
	}
	return TEST_SUCCESS;
}

static int
test_ranges(void)
{
	const uint64_t max = UINT64_MAX;

	TEST_ASSERT(vfio_user_range_inside(0, 0, 0), "nothing");
	TEST_ASSERT(vfio_user_range_inside(0, 10, 10), "all");
	TEST_ASSERT(vfio_user_range_inside(10, 0, 10), "the end");
	TEST_ASSERT(!vfio_user_range_inside(11, 0, 10), "behind");
	TEST_ASSERT(!vfio_user_range_inside(1, 10, 10), "over");
	TEST_ASSERT(!vfio_user_range_inside(2, max, 10), "wraps to the inside");
	TEST_ASSERT(!vfio_user_range_inside(max, 2, 10), "wraps");
	TEST_ASSERT(vfio_user_range_inside(0, max, max), "everything");
	TEST_ASSERT(!vfio_user_range_inside(1, max, max), "everything and more");
	TEST_ASSERT(!vfio_user_range_valid(0, 0), "empty");
	TEST_ASSERT(!vfio_user_range_valid(max, 0), "empty");
	TEST_ASSERT(vfio_user_range_valid(0, 1), "one");
	TEST_ASSERT(vfio_user_range_valid(max, 1), "last");
	TEST_ASSERT(!vfio_user_range_valid(max, 2), "wraps");
	TEST_ASSERT(vfio_user_range_valid(0, max), "nearly everything");
	TEST_ASSERT(vfio_user_range_valid(1, max), "the other nearly everything");
	TEST_ASSERT(!vfio_user_range_valid(2, max), "wraps");
	return TEST_SUCCESS;
}

/* --------------------------------------------------------------------- DMA */

#define RW 3u
#define M VFIO_USER_DMA_MAP_F_MMAP
#define F VFIO_USER_DMA_MAP_F_FILE_IO

static int
test_dma_map(void)
{
	static const struct {
		struct vfio_user_dma_map map; /* argsz, flags, offset, addr, size */
		uint32_t fds;
		int expect;
	} cases[] = {
		{ { 32, RW, 0, 0x1000, 0x1000 }, 0, 0 },
		{ { 32, 1, 0, 0x1000, 0x1000 }, 1, 0 },
		{ { 32, 2, 0, 0x1000, 0x1000 }, 1, 0 },
		{ { 48, RW, 0, 0x1000, 0x1000 }, 1, 0 },
		{ { UINT32_MAX, RW, 0, 0x1000, 0x1000 }, 1, 0 },
		{ { 31, RW, 0, 0x1000, 0x1000 }, 1, -EINVAL },
		{ { 0, RW, 0, 0x1000, 0x1000 }, 1, -EINVAL },
		{ { 32, 0, 0, 0x1000, 0x1000 }, 1, -EINVAL },
		{ { 32, M, 0, 0x1000, 0x1000 }, 1, -EINVAL },
		{ { 32, RW | 1 << 4, 0, 0x1000, 0x1000 }, 1, -EINVAL },
		{ { 32, RW | 1u << 31, 0, 0x1000, 0x1000 }, 1, -EINVAL },
		{ { 32, RW | M, 0, 0x1000, 0x1000 }, 1, 0 },
		{ { 32, RW | F, 0, 0x1000, 0x1000 }, 1, 0 },
		{ { 32, RW | M | F, 0, 0x1000, 0x1000 }, 1, 0 },
		{ { 32, RW | M, 0, 0x1000, 0x1000 }, 0, -EINVAL },
		{ { 32, RW | F, 0, 0x1000, 0x1000 }, 0, -EINVAL },
		{ { 32, RW, 0, 0x1000, 0 }, 1, -EINVAL },
		{ { 32, RW, 0, UINT64_MAX, 1 }, 0, 0 },
		{ { 32, RW, 0, UINT64_MAX, 2 }, 0, -EINVAL },
		{ { 32, RW, 0, UINT64_MAX - 0xfff, 0x1000 }, 1, 0 },
		{ { 32, RW, 0, UINT64_MAX - 0xffe, 0x1000 }, 1, -EINVAL },
		{ { 32, RW, 0, 1, UINT64_MAX }, 0, 0 },
		{ { 32, RW, 0, 2, UINT64_MAX }, 0, -EINVAL },
		{ { 32, RW, 0, 0, UINT64_MAX }, 1, -EINVAL },
		{ { 32, RW, INT64_MAX, 0, 0x1000 }, 1, -EINVAL },
		{ { 32, RW, INT64_MAX - 0x1000, 0, 0x1000 }, 1, 0 },
		{ { 32, RW, UINT64_MAX, 0, 0x1000 }, 1, -EINVAL },
		{ { 32, RW, UINT64_MAX, 0, 0x1000 }, 0, -EINVAL },
		{ { 32, RW, 0, 0, INT64_MAX }, 1, 0 },
		{ { 32, RW, 1, 0, INT64_MAX }, 1, -EINVAL },
	};
	struct vfio_user_dma_map map;
	uint32_t i;

	for (i = 0; i < RTE_DIM(cases); i++) {
		TEST_ASSERT_EQUAL(vfio_user_decode_dma_map(&cases[i].map, cases[i].fds,
				&map), cases[i].expect, "case %u", i);
		TEST_ASSERT(memcmp(&map, &cases[i].map, sizeof(map)) == 0, "case %u", i);
	}
	return TEST_SUCCESS;
}

static int
test_dma_unmap(void)
{
	static const struct {
		struct vfio_user_dma_unmap unmap; /* argsz, flags, addr, size */
		int expect;
	} cases[] = {
		{ { 24, 0, 0x1000, 0x1000 }, 0 },
		{ { 4096, 0, 0x1000, 0x1000 }, 0 },
		{ { 23, 0, 0x1000, 0x1000 }, -EINVAL },
		{ { 0, VFIO_DMA_UNMAP_FLAG_ALL, 0, 0 }, -EINVAL },
		{ { 24, 0, 0, 0 }, -EINVAL },
		{ { 24, 0, UINT64_MAX, 1 }, 0 },
		{ { 24, 0, UINT64_MAX, 2 }, -EINVAL },
		{ { 24, 0, 1, UINT64_MAX }, 0 },
		{ { 24, VFIO_DMA_UNMAP_FLAG_ALL, 0, 0 }, 0 },
		{ { 24, VFIO_DMA_UNMAP_FLAG_ALL, 1, 0 }, -EINVAL },
		{ { 24, VFIO_DMA_UNMAP_FLAG_ALL, 0, 1 }, -EINVAL },
		/* the dirty bitmap of old times */
		{ { 24, VFIO_DMA_UNMAP_FLAG_GET_DIRTY_BITMAP, 0x1000, 0x1000 }, -EINVAL },
		{ { 24, 3, 0, 0 }, -EINVAL },
		{ { 24, 1u << 31, 0x1000, 0x1000 }, -EINVAL },
	};
	struct vfio_user_dma_unmap unmap;
	uint32_t i;

	for (i = 0; i < RTE_DIM(cases); i++)
		TEST_ASSERT_EQUAL(vfio_user_decode_dma_unmap(&cases[i].unmap, &unmap),
				  cases[i].expect, "case %u", i);
	return TEST_SUCCESS;
}

/* -------------------------------------------------------------- interrupts */

#define D_NONE VFIO_IRQ_SET_DATA_NONE
#define D_BOOL VFIO_IRQ_SET_DATA_BOOL
#define D_FD VFIO_IRQ_SET_DATA_EVENTFD
#define MASK VFIO_IRQ_SET_ACTION_MASK
#define UNMASK VFIO_IRQ_SET_ACTION_UNMASK
#define TRIGGER VFIO_IRQ_SET_ACTION_TRIGGER

static int
test_set_irqs(void)
{
	static const struct {
		uint32_t argsz, flags, count, len, fds;
		int expect;
	} cases[] = {
		{ 20, D_NONE | TRIGGER, 1, 20, 0, 0 },
		{ 20, D_NONE | MASK, UINT32_MAX, 20, 0, 0 },
		{ 20, D_NONE | UNMASK, 0, 20, 0, 0 },
		{ 19, D_NONE | TRIGGER, 1, 20, 0, -EINVAL },
		{ 0, D_NONE | TRIGGER, 1, 20, 0, -EINVAL },
		{ UINT32_MAX, D_NONE | TRIGGER, 1, 20, 0, 0 },
		{ 20, D_NONE, 1, 20, 0, -EINVAL },
		{ 20, TRIGGER, 1, 20, 0, -EINVAL },
		{ 20, 0, 1, 20, 0, -EINVAL },
		{ 20, D_NONE | D_BOOL | TRIGGER, 1, 21, 0, -EINVAL },
		{ 20, D_NONE | D_FD | TRIGGER, 1, 20, 1, -EINVAL },
		{ 20, D_NONE | MASK | UNMASK, 1, 20, 0, -EINVAL },
		{ 20, D_NONE | MASK | TRIGGER, 1, 20, 0, -EINVAL },
		{ 20, D_NONE | TRIGGER | 1u << 6, 1, 20, 0, -EINVAL },
		{ 20, D_NONE | TRIGGER | 1u << 31, 1, 20, 0, -EINVAL },
		{ 20, D_NONE | TRIGGER, 1, 20, 1, -EINVAL },
		{ 21, D_BOOL | TRIGGER, 1, 21, 0, 0 },
		{ 24, D_BOOL | MASK, 4, 24, 0, 0 },
		{ 24, D_BOOL | MASK, 5, 24, 0, -EINVAL },
		{ 24, D_BOOL | MASK, 4, 23, 0, -EINVAL },
		{ 23, D_BOOL | MASK, 4, 24, 0, -EINVAL },
		{ UINT32_MAX, D_BOOL | MASK, 4, 24, 0, 0 },
		{ UINT32_MAX, D_BOOL | MASK, UINT32_MAX, 24, 0, -EINVAL },
		{ 20, D_BOOL | TRIGGER, 0, 20, 0, 0 },
		{ 21, D_BOOL | TRIGGER, 1, 21, 1, -EINVAL },
		{ 20, D_FD | TRIGGER, 1, 20, 1, 0 },
		{ 20, D_FD | TRIGGER, 253, 20, 253, 0 },
		{ 20, D_FD | TRIGGER, 4, 20, 0, 0 }, /* de-assign */
		{ 20, D_FD | TRIGGER, 4, 20, 3, -EINVAL },
		{ 20, D_FD | TRIGGER, 4, 20, 5, -EINVAL },
		{ 20, D_FD | TRIGGER, 0, 20, 1, -EINVAL },
		{ 20, D_FD | UNMASK, 1, 20, 1, 0 },
	};
	struct vfio_irq_set set = { .index = 2 }, out;
	uint32_t i;

	for (i = 0; i < RTE_DIM(cases); i++) {
		set.argsz = cases[i].argsz;
		set.flags = cases[i].flags;
		set.count = cases[i].count;
		TEST_ASSERT_EQUAL(vfio_user_decode_set_irqs(&set, cases[i].len,
				cases[i].fds, &out), cases[i].expect, "case %u", i);
	}
	return TEST_SUCCESS;
}

static int
test_irq_range(void)
{
	static const struct {
		uint32_t flags, start, count, irqs;
		int expect;
	} cases[] = {
		{ D_NONE | TRIGGER, 0, 1, 1, 0 },
		{ D_NONE | TRIGGER, 1, 1, 1, -EINVAL },
		{ D_FD | TRIGGER, 0, 2048, 2048, 0 },
		{ D_FD | TRIGGER, 1, 2048, 2048, -EINVAL },
		{ D_FD | TRIGGER, 2047, 1, 2048, 0 },
		{ D_FD | TRIGGER, 2048, 1, 2048, -EINVAL },
		/* sums that wrap */
		{ D_FD | TRIGGER, UINT32_MAX, 1, 2048, -EINVAL },
		{ D_FD | TRIGGER, UINT32_MAX, 2, 2048, -EINVAL },
		{ D_FD | TRIGGER, 2, UINT32_MAX, 2048, -EINVAL },
		{ D_FD | TRIGGER, 0, UINT32_MAX, 2048, -EINVAL },
		{ D_NONE | TRIGGER, 0, 1, 0, -EINVAL },
		/* nothing: only to disable all */
		{ D_NONE | TRIGGER, 0, 0, 4, 0 },
		{ D_NONE | TRIGGER, 0, 0, 0, 0 },
		{ D_NONE | TRIGGER, 1, 0, 4, -EINVAL },
		{ D_NONE | MASK, 0, 0, 4, -EINVAL },
		{ D_NONE | UNMASK, 0, 0, 4, -EINVAL },
		{ D_BOOL | TRIGGER, 0, 0, 4, -EINVAL },
		{ D_FD | TRIGGER, 0, 0, 4, -EINVAL },
	};
	struct vfio_irq_set set = { .argsz = sizeof(set) };
	uint32_t i;

	for (i = 0; i < RTE_DIM(cases); i++) {
		set.flags = cases[i].flags;
		set.start = cases[i].start;
		set.count = cases[i].count;
		TEST_ASSERT_EQUAL(vfio_user_check_irq_range(&set, cases[i].irqs),
				  cases[i].expect, "case %u", i);
	}
	return TEST_SUCCESS;
}

/* ------------------------------------------------------------- region info */

#define INFO ((uint32_t)sizeof(struct vfio_region_info))
#define REGION_SIZE 0x10000u
#define SPARSE VFIO_REGION_INFO_CAP_SPARSE_MMAP
#define SPARSE_FDS RTE_VFIO_USER_REGION_INFO_CAP_SPARSE_MMAP_FDS

/* A reply under construction, on the heap in its exact size when checked. */
static struct reply {
	uint32_t len;
	_Alignas(8) uint8_t data[65536];
} reply;

static struct vfio_region_info *
reply_info(void)
{
	return (struct vfio_region_info *)reply.data;
}

static void
reply_start(void)
{
	struct vfio_region_info *info = reply_info();

	memset(&reply, 0, sizeof(reply));
	reply.len = info->argsz = INFO;
	info->size = REGION_SIZE;
	info->flags = VFIO_REGION_INFO_FLAG_MMAP;
}

/* Append a capability; returns its offset. */
static uint32_t
reply_cap(uint16_t id, uint16_t version, const void *body, uint32_t len)
{
	struct vfio_info_cap_header cap = { .id = id, .version = version };
	uint32_t off = reply.len, at;

	if ((reply_info()->flags & VFIO_REGION_INFO_FLAG_CAPS) == 0) {
		reply_info()->flags |= VFIO_REGION_INFO_FLAG_CAPS;
		reply_info()->cap_offset = off;
	} else {
		for (at = reply_info()->cap_offset; ; at = cap.next) {
			memcpy(&cap, reply.data + at, sizeof(cap));
			if (cap.next == 0)
				break;
		}
		cap.next = off;
		memcpy(reply.data + at, &cap, sizeof(cap));
		cap = (struct vfio_info_cap_header){ .id = id, .version = version };
	}
	memcpy(reply.data + off, &cap, sizeof(cap));
	memcpy(reply.data + off + sizeof(cap), body, len);
	reply.len += sizeof(cap) + len;
	reply_info()->argsz = reply.len;
	return off;
}

static uint32_t
reply_sparse(uint32_t nr, const struct vfio_region_sparse_mmap_area *areas, uint32_t nb)
{
	uint32_t body[2 + 64 * 4] = { nr, 0 };

	if (nb != 0)
		memcpy(&body[2], areas, nb * sizeof(*areas));
	return reply_cap(SPARSE, 1, body, 8 + nb * (uint32_t)sizeof(*areas));
}

static uint32_t
reply_sparse_fds(uint32_t nr, const struct rte_vfio_user_sparse_fds_area *areas, uint32_t nb)
{
	uint32_t body[2 + 64 * 8] = { nr, 0 };

	memcpy(&body[2], areas, nb * sizeof(*areas));
	return reply_cap(SPARSE_FDS, 1, body, 8 + nb * (uint32_t)sizeof(*areas));
}

static uint32_t found_sparse, found_fds;

static int
reply_check(uint32_t nb_fds)
{
	uint8_t *copy = malloc(reply.len);
	int ret = -ENOMEM;

	if (copy != NULL) {
		memcpy(copy, reply.data, reply.len);
		ret = vfio_user_check_region_info(copy, reply.len, nb_fds,
						  &found_sparse, &found_fds);
	}
	free(copy);
	return ret;
}

static int
test_region_info_head(void)
{
	reply_start();
	TEST_ASSERT_SUCCESS(reply_check(1), "bare");
	TEST_ASSERT(found_sparse == 0 && found_fds == 0, "no capabilities");
	reply.len = INFO - 1;
	TEST_ASSERT_EQUAL(reply_check(1), -EPROTO, "short");
	reply_start();
	reply_info()->argsz = INFO - 1;
	TEST_ASSERT_EQUAL(reply_check(1), -EPROTO, "argsz below");
	reply_info()->argsz = INFO + 1;
	TEST_ASSERT_EQUAL(reply_check(1), -EPROTO, "argsz over the payload");
	reply_info()->argsz = UINT32_MAX;
	TEST_ASSERT_EQUAL(reply_check(1), -EPROTO, "argsz huge");
	reply_start();
	reply_info()->offset = UINT64_MAX;
	TEST_ASSERT_EQUAL(reply_check(1), -EPROTO, "file offset negative");
	/* a cap_offset without the flag means nothing */
	reply_start();
	reply_info()->cap_offset = UINT32_MAX;
	TEST_ASSERT_SUCCESS(reply_check(1), "no flag");
	reply_info()->flags |= VFIO_REGION_INFO_FLAG_CAPS;
	TEST_ASSERT_EQUAL(reply_check(1), -EPROTO, "offset huge");
	reply_info()->cap_offset = 0;
	TEST_ASSERT_EQUAL(reply_check(1), -EPROTO, "flag without capabilities");
	return TEST_SUCCESS;
}

static int
test_region_info_chain(void)
{
	const uint8_t body[64] = { 0 };
	struct vfio_info_cap_header *cap;
	uint32_t i, first, off;

	reply_start();
	first = reply_cap(VFIO_REGION_INFO_CAP_TYPE, 1, body, 8);
	reply_cap(0x7777, 3, body, 4); /* unknown */
	reply_cap(SPARSE, 2, body, 0); /* known, but of another version */
	TEST_ASSERT_SUCCESS(reply_check(1), "chain");
	TEST_ASSERT(found_sparse == 0 && found_fds == 0, "nothing known");
	cap = (struct vfio_info_cap_header *)(reply.data + first);
	for (i = 1; i < INFO; i++) {
		cap->next = i;
		TEST_ASSERT_EQUAL(reply_check(1), -EPROTO, "into the structure: %u", i);
	}
	cap->next = first;
	TEST_ASSERT_EQUAL(reply_check(1), -EPROTO, "loop of one");
	cap->next = reply.len - sizeof(*cap) + 1;
	TEST_ASSERT_EQUAL(reply_check(1), -EPROTO, "header cut");
	for (i = 0; i < 16; i++) {
		cap->next = UINT32_MAX - i;
		TEST_ASSERT_EQUAL(reply_check(1), -EPROTO, "wraps: %u", i);
	}
	reply_start();
	first = reply_cap(0x7777, 1, body, 8);
	off = reply_cap(0x7778, 1, body, 8);
	((struct vfio_info_cap_header *)(reply.data + off))->next = first;
	TEST_ASSERT_EQUAL(reply_check(1), -EPROTO, "loop of two");
	/* the chain is bounded, but not tightly */
	reply_start();
	for (i = 0; i < 32; i++)
		reply_cap((uint16_t)(0x1000 + i), 1, body, 8);
	TEST_ASSERT_SUCCESS(reply_check(1), "32 capabilities");
	/* argsz ends before the capability although the payload has it */
	reply_start();
	reply_cap(0x7777, 1, body, 8);
	reply_info()->argsz = INFO;
	TEST_ASSERT_EQUAL(reply_check(1), -EPROTO, "behind argsz");
	return TEST_SUCCESS;
}

static int
test_region_info_sparse(void)
{
	static const struct {
		struct vfio_region_sparse_mmap_area area[2];
		int expect;
	} cases[] = {
		{ { { 0, 0x1000 }, { 0x1000, 0x1000 } }, 0 },
		{ { { 0x1000, 0x1000 }, { 0, 0x1000 } }, 0 },
		{ { { 0, 0x1001 }, { 0x1000, 0x1000 } }, -EPROTO },
		{ { { 0, REGION_SIZE }, { 0x1000, 0x1000 } }, -EPROTO },
		{ { { 0, 0x1000 }, { 0, 0x1000 } }, -EPROTO },
		{ { { 0, 0 }, { 0x1000, 0x1000 } }, -EPROTO },
		{ { { 0, 0x1000 }, { 0xf000, 0x1000 } }, 0 },
		{ { { 0, 0x1000 }, { 0xf000, 0x1001 } }, -EPROTO },
		{ { { 0, 0x1000 }, { REGION_SIZE, 1 } }, -EPROTO },
		{ { { 0, 0x1000 }, { 0x1000, UINT64_MAX } }, -EPROTO },
		{ { { 0, 0x1000 }, { UINT64_MAX, 0x2000 } }, -EPROTO },
	};
	uint32_t i, off;

	for (i = 0; i < RTE_DIM(cases); i++) {
		reply_start();
		off = reply_sparse(2, cases[i].area, 2);
		TEST_ASSERT_EQUAL(reply_check(1), cases[i].expect, "case %u", i);
		TEST_ASSERT(cases[i].expect < 0 || found_sparse == off, "case %u", i);
	}
	for (i = 0; i < 4; i++) {
		static const uint32_t nr[] = { 3, 1u << 28, (1u << 28) + 1, UINT32_MAX };

		reply_start();
		reply_sparse(nr[i], cases[0].area, 2);
		TEST_ASSERT_EQUAL(reply_check(1), -EPROTO, "%u areas", nr[i]);
	}
	reply_start();
	reply_sparse(0, NULL, 0);
	TEST_ASSERT_SUCCESS(reply_check(1), "no areas");
	reply_start();
	reply_cap(SPARSE, 1, cases, 7);
	TEST_ASSERT_EQUAL(reply_check(1), -EPROTO, "head cut");
	return TEST_SUCCESS;
}

static int
test_region_info_sparse_fds(void)
{
	static const struct {
		struct rte_vfio_user_sparse_fds_area area[2]; /* offset, fd_offset, size, fd */
		int expect;
	} cases[] = {
		{ { { 0, 0, 0x1000, 0, 0 }, { 0x1000, 0, 0x1000, 1, 0 } }, 0 },
		{ { { 0, 0, 0x1000, 1, 0 }, { 0x1000, 0, 0x1000, 1, 0 } }, 0 },
		{ { { 0, 0, 0x1000, 0, 0 }, { 0x1000, 0, 0x1000, 2, 0 } }, -EPROTO },
		{ { { 0, 0, 0x1000, 0, 0 }, { 0x1000, 0, 0x1000, UINT32_MAX, 0 } }, -EPROTO },
		{ { { 0, 0, 0x1000, 0, 0 }, { 0x1000, INT64_MAX, 0x1000, 0, 0 } }, 0 },
		{ { { 0, 0, 0x1000, 0, 0 }, { 0x1000, UINT64_MAX, 0x1000, 0, 0 } }, -EPROTO },
		{ { { 0, 0, 0x1001, 0, 0 }, { 0x1000, 0, 0x1000, 1, 0 } }, -EPROTO },
		{ { { 0, 0, 0x1000, 0, 0 }, { 0xf000, 0, 0x2000, 1, 0 } }, -EPROTO },
		{ { { 0, 0, 0x1000, 0, 0 }, { 0x1000, 0, 0, 1, 0 } }, -EPROTO },
	};
	uint32_t i, off;

	for (i = 0; i < RTE_DIM(cases); i++) {
		reply_start();
		off = reply_sparse_fds(2, cases[i].area, 2);
		TEST_ASSERT_EQUAL(reply_check(2), cases[i].expect, "case %u", i);
		TEST_ASSERT(cases[i].expect < 0 || found_fds == off, "case %u", i);
	}
	reply_start();
	reply_sparse_fds(3, cases[0].area, 2);
	TEST_ASSERT_EQUAL(reply_check(2), -EPROTO, "more areas than room");
	reply_start();
	reply_sparse_fds((1u << 27) + 2, cases[0].area, 2);
	TEST_ASSERT_EQUAL(reply_check(2), -EPROTO, "product wraps");
	reply_start();
	reply_sparse_fds(2, cases[0].area, 2);
	TEST_ASSERT_EQUAL(reply_check(0), -EPROTO, "no fds");
	reply_sparse(1, (const struct vfio_region_sparse_mmap_area[]){ { 0, 0x1000 } }, 1);
	TEST_ASSERT_EQUAL(reply_check(2), -EPROTO, "both capabilities");
	reply_start();
	reply_cap(SPARSE_FDS, 1, cases, 4);
	TEST_ASSERT_EQUAL(reply_check(1), -EPROTO, "head cut");
	return TEST_SUCCESS;
}

/* Many areas, each valid: refused, not walked for ever. */
static int
test_region_info_many(void)
{
	const uint32_t nb = 4000, zero[2] = { nb, 0 };
	struct vfio_region_sparse_mmap_area area = { .size = 1 };
	uint32_t off, i;

	reply_start();
	off = reply_cap(SPARSE, 1, zero, sizeof(zero));
	for (i = 0; i < nb; i++) {
		area.offset = i;
		memcpy(reply.data + reply.len, &area, sizeof(area));
		reply.len += sizeof(area);
	}
	reply_info()->argsz = reply.len;
	TEST_ASSERT_EQUAL(reply_check(1), -EPROTO, "4000 areas");
	i = 1000;
	memcpy(reply.data + off + sizeof(struct vfio_info_cap_header), &i, sizeof(i));
	TEST_ASSERT_SUCCESS(reply_check(1), "1000 areas");
	return TEST_SUCCESS;
}

static struct unit_test_suite codec_suite = {
	.suite_name = "vfio-user codec",
	.unit_test_cases = {
		TEST_CASE(test_table),
		TEST_CASE(test_unknown_commands),
		TEST_CASE(test_frame),
		TEST_CASE(test_reply_error),
		TEST_CASE(test_ranges),
		TEST_CASE(test_dma_map),
		TEST_CASE(test_dma_unmap),
		TEST_CASE(test_set_irqs),
		TEST_CASE(test_irq_range),
		TEST_CASE(test_region_info_head),
		TEST_CASE(test_region_info_chain),
		TEST_CASE(test_region_info_sparse),
		TEST_CASE(test_region_info_sparse_fds),
		TEST_CASE(test_region_info_many),
		TEST_CASES_END()
	},
};

static int
test_vfio_user_codec(void)
{
	return unit_test_suite_runner(&codec_suite);
}

REGISTER_TEST_COMMAND(vfio_user_codec_autotest, test_vfio_user_codec);
