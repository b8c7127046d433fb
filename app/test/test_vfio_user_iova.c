/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <rte_common.h>

#include "test.h"
#include "test_fault.h"
#include "test_short.h"
#include "vfio_user_iova.h"

#define RANGES_MAX 65535
#define MODEL_MAX 6000
#define RANDOM_OPS FEWER_WITH_TSAN(100000, 4)
#define VERSIONS 16
#define VERSIONS_RANGES 1000

/* A plain sorted array. */
struct model {
	uint32_t count;
	struct vfio_user_iova_range range[MODEL_MAX];
};

static struct vfio_user_iova *map;
static struct model model;
static uint64_t random_state;

static int
map_setup(void)
{
	model.count = 0;
	random_state = 0x9e3779b97f4a7c15;
	map = vfio_user_iova_create();
	TEST_ASSERT_NOT_NULL(map, "out of memory");
	return TEST_SUCCESS;
}

static void
map_teardown(void)
{
	vfio_user_iova_destroy(map);
	map = NULL;
}

static uint64_t
random_below(uint64_t limit)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (random_state >> 16) % limit;
}

/* An address that lies near others, and often where signs and ends are. */
static uint64_t
random_address(uint64_t spread)
{
	switch (random_below(3)) {
	case 0:
		return random_below(spread);
	case 1:
		return UINT64_MAX - random_below(spread);
	default:
		return (UINT64_C(1) << 63) - spread / 2 + random_below(spread);
	}
}

static struct vfio_user_iova_range
make_range(uint64_t first, uint64_t last)
{
	return (struct vfio_user_iova_range){
		.first = first,
		.last = last,
		.delta = (uintptr_t)(first * 0x10001 + last),
		.prot = (uint32_t)(first ^ last) & 3,
		.cookie = (void *)(uintptr_t)(first + 1),
	};
}

static struct vfio_user_iova_range
random_range(uint64_t spread)
{
	uint64_t first = random_address(spread);
	uint64_t size = random_below(8);

	return make_range(first, first + RTE_MIN(size, UINT64_MAX - first));
}

static bool
same_range(const struct vfio_user_iova_range *a,
	   const struct vfio_user_iova_range *b)
{
	return a->first == b->first && a->last == b->last &&
		a->delta == b->delta && a->prot == b->prot &&
		a->cookie == b->cookie;
}

/* Index of the lowest range that ends at or after an address. */
static uint32_t
model_next(const struct model *m, uint64_t address)
{
	uint32_t low = 0, high = m->count, middle;

	while (low < high) {
		middle = (low + high) / 2;
		if (m->range[middle].last < address)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static int
model_insert(struct model *m, const struct vfio_user_iova_range *range)
{
	uint32_t at = model_next(m, range->first);

	if (range->first > range->last)
		return -EINVAL;
	if (at < m->count && m->range[at].first <= range->last)
		return -EEXIST;
	memmove(&m->range[at + 1], &m->range[at],
		(m->count - at) * sizeof(m->range[0]));
	m->range[at] = *range;
	m->count++;
	return 0;
}

static int
model_remove(struct model *m, uint64_t first, uint64_t last)
{
	uint32_t at = model_next(m, first);

	if (at == m->count || m->range[at].first != first ||
			m->range[at].last != last)
		return -ENOENT;
	m->count--;
	memmove(&m->range[at], &m->range[at + 1],
		(m->count - at) * sizeof(m->range[0]));
	return 0;
}

/* Both lookups of one address. */
static int
check_address(const void *root, const struct model *m, uint64_t address)
{
	uint32_t at = model_next(m, address);
	struct vfio_user_iova_range range;
	bool found;

	found = vfio_user_iova_next(root, address, &range);
	TEST_ASSERT_EQUAL(found, at < m->count, "next of %#" PRIx64, address);
	TEST_ASSERT(!found || same_range(&range, &m->range[at]),
		    "next of %#" PRIx64 " is %#" PRIx64, address, range.first);

	found = vfio_user_iova_find(root, address, &range);
	TEST_ASSERT_EQUAL(found, at < m->count && m->range[at].first <= address,
			  "find of %#" PRIx64, address);
	TEST_ASSERT(!found || same_range(&range, &m->range[at]),
		    "found %#" PRIx64 " for %#" PRIx64, range.first, address);
	return TEST_SUCCESS;
}

/* A version has the ranges of the model and no other, by every lookup. */
static int
check_version(const void *root, const struct model *m)
{
	const struct vfio_user_iova_range *want;
	struct vfio_user_iova_range range;
	uint64_t address = 0;
	uint32_t i;

	for (i = 0; i < m->count; i++, address = want->last + 1) {
		want = &m->range[i];
		TEST_ASSERT(vfio_user_iova_next(root, address, &range) &&
			    same_range(&range, want), "range %u of %u", i, m->count);
		if (check_address(root, m, want->first) < 0 ||
				check_address(root, m, want->last) < 0 ||
				check_address(root, m, want->first - 1) < 0 ||
				check_address(root, m, want->last + 1) < 0)
			return TEST_FAILED;
	}
	TEST_ASSERT((i != 0 && address == 0) ||
		    !vfio_user_iova_next(root, address, &range),
		    "a range after the %u", i);
	return TEST_SUCCESS;
}

static int
check_map(void)
{
	TEST_ASSERT_EQUAL(vfio_user_iova_count(map), model.count, "count");
	return check_version(vfio_user_iova_root(map), &model);
}

static void
publish_and_free(void)
{
	vfio_user_iova_publish(map);
	vfio_user_iova_garbage_free(vfio_user_iova_garbage_take(map));
}

/* In the map and in the model. */
static int
insert(const struct vfio_user_iova_range *range)
{
	int ret = vfio_user_iova_insert(map, range);

	TEST_ASSERT_EQUAL(ret, model_insert(&model, range),
			  "insert %#" PRIx64 "..%#" PRIx64 ": %d",
			  range->first, range->last, ret);
	return TEST_SUCCESS;
}

static int
remove_exact(uint64_t first, uint64_t last)
{
	uint32_t at = model_next(&model, first);
	struct vfio_user_iova_range want = { 0 }, removed = { 0 };
	int ret;

	if (at < model.count)
		want = model.range[at];
	ret = vfio_user_iova_remove(map, first, last, &removed);
	TEST_ASSERT_EQUAL(ret, model_remove(&model, first, last),
			  "remove %#" PRIx64 "..%#" PRIx64 ": %d", first, last, ret);
	TEST_ASSERT(ret != 0 || same_range(&removed, &want), "removed another");
	return TEST_SUCCESS;
}

static int
insert_at(uint64_t first, uint64_t last)
{
	struct vfio_user_iova_range range = make_range(first, last);

	return insert(&range);
}

static int
test_empty(void)
{
	const void *root = vfio_user_iova_root(map);
	unsigned int i;

	for (i = 0; i < 2; i++) {
		TEST_ASSERT_NOT_NULL(root, "no root");
		TEST_ASSERT_SUCCESS(check_map(), "map");
		TEST_ASSERT_SUCCESS(check_address(root, &model, 0), "lowest");
		TEST_ASSERT_SUCCESS(check_address(root, &model, 1), "low");
		TEST_ASSERT_SUCCESS(check_address(root, &model, UINT64_MAX), "highest");
		TEST_ASSERT_SUCCESS(remove_exact(0, 0), "lowest");
		TEST_ASSERT_SUCCESS(remove_exact(0, UINT64_MAX), "all");
		TEST_ASSERT_NULL(vfio_user_iova_garbage_take(map), "garbage");
		vfio_user_iova_clear(map);
		root = vfio_user_iova_publish(map);
	}
	vfio_user_iova_garbage_free(NULL);
	vfio_user_iova_destroy(NULL);
	return TEST_SUCCESS;
}

static int
test_edges(void)
{
	const uint64_t ends[][2] = {
		{ 0, 0 }, { UINT64_MAX, UINT64_MAX }, { 0, UINT64_MAX },
		{ 0, UINT64_MAX - 1 }, { 1, UINT64_MAX },
		{ INT64_MAX, UINT64_C(1) << 63 },
	};
	unsigned int i, j;

	for (i = 0; i < RTE_DIM(ends); i++) {
		TEST_ASSERT_SUCCESS(insert_at(ends[i][0], ends[i][1]), "%u", i);
		TEST_ASSERT_EQUAL(model.count, 1, "%u not in", i);
		TEST_ASSERT_SUCCESS(check_map(), "%u", i);
		for (j = 0; j < RTE_DIM(ends); j++) {
			TEST_ASSERT_SUCCESS(insert_at(ends[j][0], ends[j][1]),
					    "%u with %u", j, i);
			TEST_ASSERT_SUCCESS(check_map(), "%u with %u", j, i);
		}
		while (model.count != 0)
			TEST_ASSERT_SUCCESS(remove_exact(model.range[0].first,
				model.range[0].last), "%u", i);
		TEST_ASSERT_SUCCESS(check_map(), "after %u", i);
	}
	return TEST_SUCCESS;
}

static int
test_arguments(void)
{
	TEST_ASSERT_SUCCESS(insert_at(1, 0), "reversed");
	TEST_ASSERT_SUCCESS(insert_at(UINT64_MAX, 0), "reversed");
	TEST_ASSERT_SUCCESS(insert_at(0x1000, 0x1fff), "valid");
	TEST_ASSERT_SUCCESS(insert_at(0x1000, 0x1fff), "same");
	TEST_ASSERT_SUCCESS(insert_at(0x1fff, 0x2fff), "low overlap");
	TEST_ASSERT_SUCCESS(insert_at(0, 0x1000), "high overlap");
	TEST_ASSERT_SUCCESS(insert_at(0x1800, 0x1800), "inside");
	TEST_ASSERT_SUCCESS(insert_at(0, UINT64_MAX), "around");
	TEST_ASSERT_EQUAL(model.count, 1, "model");
	TEST_ASSERT_SUCCESS(insert_at(0x2000, 0x2fff), "adjacent");
	TEST_ASSERT_SUCCESS(remove_exact(0x1000, 0x1ffe), "part");
	TEST_ASSERT_SUCCESS(remove_exact(0x1001, 0x1fff), "part");
	TEST_ASSERT_SUCCESS(remove_exact(0x1000, 0x2fff), "both");
	TEST_ASSERT_SUCCESS(remove_exact(0x1fff, 0x1000), "reversed");
	TEST_ASSERT_EQUAL(model.count, 2, "model");
	TEST_ASSERT_SUCCESS(check_map(), "map");
	TEST_ASSERT_SUCCESS(vfio_user_iova_remove(map, 0x1000, 0x1fff, NULL),
			    "without storing");
	TEST_ASSERT_SUCCESS(model_remove(&model, 0x1000, 0x1fff), "model");
	return check_map();
}

/* Ranges that take the place of removed ones, across where nodes meet. */
static int
test_wider_after_removal(void)
{
	uint64_t i, j;

	for (i = 0; i < 1000; i++)
		TEST_ASSERT_SUCCESS(insert_at(i * 10, i * 10 + 4), "insert");
	for (i = 0; i + 8 < 1000; i += 8) {
		for (j = 0; j < 8; j++)
			TEST_ASSERT_SUCCESS(remove_exact((i + j) * 10,
				(i + j) * 10 + 4), "remove");
		TEST_ASSERT_SUCCESS(insert_at(i * 10 + 2, i * 10 + 80), "too wide");
		TEST_ASSERT_SUCCESS(insert_at(i * 10 + 2, i * 10 + 79), "wide");
		TEST_ASSERT_SUCCESS(check_map(), "after %" PRIu64, i);
	}
	return TEST_SUCCESS;
}

static int
random_update(unsigned int percent_insert, uint64_t spread)
{
	struct vfio_user_iova_range range = random_range(spread);

	if (random_below(100) < percent_insert) {
		if (model.count == MODEL_MAX)
			return TEST_SUCCESS;
		return insert(&range);
	}
	if (model.count != 0 && random_below(8) != 0)
		range = model.range[random_below(model.count)];
	return remove_exact(range.first, range.last);
}

/* Grow and shrink in turn, compared with a model after each step. */
static int
test_random(void)
{
	uint64_t spread = 12000;
	unsigned int i;

	for (i = 0; i < RANDOM_OPS; i++) {
		TEST_ASSERT_SUCCESS(random_update(i / 12500 % 2 ? 15 : 80, spread),
				    "step %u", i);
		TEST_ASSERT_SUCCESS(check_address(vfio_user_iova_root(map), &model,
			random_address(spread)), "step %u", i);
		if (random_below(50) == 0)
			publish_and_free();
		if (i % 1000 == 999)
			TEST_ASSERT_SUCCESS(check_map(), "step %u", i);
	}
	while (model.count != 0)
		TEST_ASSERT_SUCCESS(remove_exact(model.range[model.count / 2].first,
			model.range[model.count / 2].last), "at the end");
	return check_map();
}

/* Versions stay what they were until their garbage goes. */
static int
test_versions(void)
{
	static struct model old[VERSIONS];
	struct vfio_user_iova_garbage *garbage[VERSIONS] = { NULL };
	const void *root[VERSIONS];
	unsigned int i, n, oldest;
	int ret = TEST_SUCCESS;

	for (i = 0; i < 400 && ret == TEST_SUCCESS; i++) {
		n = random_below(2) ? random_below(4) : random_below(200);
		while (n-- > 0 && ret == TEST_SUCCESS)
			ret = random_update(model.count < VERSIONS_RANGES ? 70 : 30, 8000);
		if (random_below(20) == 0) {
			vfio_user_iova_clear(map);
			model.count = 0;
		}
		/* Version i takes the place of the oldest one. */
		oldest = (i + 1) % VERSIONS;
		vfio_user_iova_garbage_free(garbage[oldest]);
		garbage[oldest] = NULL;
		root[i % VERSIONS] = vfio_user_iova_publish(map);
		garbage[i % VERSIONS] = vfio_user_iova_garbage_take(map);
		old[i % VERSIONS] = model;
		if (ret == TEST_SUCCESS)
			ret = check_map();
		if (ret == TEST_SUCCESS && i >= VERSIONS)
			ret = check_version(root[oldest], &old[oldest]);
	}
	for (i = 0; i < VERSIONS; i++)
		vfio_user_iova_garbage_free(garbage[i]);
	return ret == TEST_SUCCESS ? check_map() : ret;
}

/* Published or not, a destroyed map leaves nothing behind (for a leak check). */
static int
test_destroy(void)
{
	struct vfio_user_iova_garbage *garbage;
	unsigned int i, n;

	for (n = 0; n < 40; n++) {
		for (i = 0; i < 100; i++)
			TEST_ASSERT_SUCCESS(random_update(70, 2000), "%u", n);
		if (n % 2 != 0)
			vfio_user_iova_publish(map);
		for (i = 0; i < n; i++) {
			TEST_ASSERT_SUCCESS(random_update(50, 2000), "%u", n);
			if (n % 4 == 3)
				vfio_user_iova_publish(map);
		}
		if (n % 5 == 0)
			vfio_user_iova_clear(map);
		if (n % 3 == 0)
			vfio_user_iova_publish(map);
		garbage = vfio_user_iova_garbage_take(map);
		map_teardown();
		/* What was taken lives on its own. */
		vfio_user_iova_garbage_free(garbage);
		TEST_ASSERT_SUCCESS(map_setup(), "%u", n);
	}
	return TEST_SUCCESS;
}

/* Most nodes that an update of a map with so many ranges can copy. */
static unsigned int
levels_max(uint32_t count)
{
	unsigned int levels = 2;

	for (count /= 2; count >= 4; count /= 4)
		levels++;
	return levels;
}

/* Of all ranges, in an order: 0 ascending, 1 descending, else random. */
static uint32_t *
make_order(unsigned int order, uint32_t count)
{
	uint32_t *index = malloc(count * sizeof(index[0])), i, j;

	for (i = 0; index != NULL && i < count; i++) {
		j = order < 2 ? i : random_below(i + 1);
		index[i] = index[j];
		index[j] = order == 1 ? count - 1 - i : i;
	}
	return index;
}

static int
fill(const uint32_t *index, uint32_t count)
{
	struct vfio_user_iova_range range;
	unsigned int before, cost;
	uint32_t i;

	for (i = 0; i < count; i++) {
		range = make_range(index[i] * UINT64_C(0x2000),
				   index[i] * UINT64_C(0x2000) + 0xfff);
		before = test_alloc_count();
		TEST_ASSERT_SUCCESS(vfio_user_iova_insert(map, &range), "%u", i);
		cost = test_alloc_count() - before;
		TEST_ASSERT(cost <= 2 * levels_max(i), "%u nodes for range %u", cost, i);
		publish_and_free();
	}
	TEST_ASSERT_EQUAL(vfio_user_iova_count(map), count, "count");
	return TEST_SUCCESS;
}

static int
drain(const uint32_t *index, uint32_t count)
{
	struct vfio_user_iova_range range;
	unsigned int before, cost;
	uint32_t i;

	for (i = 0; i < count; i++) {
		publish_and_free();
		before = test_alloc_count();
		TEST_ASSERT_SUCCESS(vfio_user_iova_remove(map,
			index[i] * UINT64_C(0x2000),
			index[i] * UINT64_C(0x2000) + 0xfff, &range), "%u", i);
		cost = test_alloc_count() - before;
		TEST_ASSERT(cost <= 2 * levels_max(count - i), "%u nodes for 1 of %u",
			    cost, count - i);
		TEST_ASSERT_EQUAL(range.cookie,
			(void *)(uintptr_t)(index[i] * UINT64_C(0x2000) + 1), "%u", i);
	}
	TEST_ASSERT_EQUAL(vfio_user_iova_count(map), 0, "count");
	return TEST_SUCCESS;
}

static int
lookup_all(uint32_t count)
{
	struct vfio_user_iova_range range;
	uint64_t first, next = 0;
	uint32_t i;

	for (i = 0; i < count; i++) {
		first = i * UINT64_C(0x2000);
		TEST_ASSERT(vfio_user_iova_next(vfio_user_iova_root(map), next, &range) &&
			    range.first == first, "next %u", i);
		TEST_ASSERT(vfio_user_iova_find(vfio_user_iova_root(map), first + 0xfff,
			    &range) && range.first == first, "find %u", i);
		TEST_ASSERT(!vfio_user_iova_find(vfio_user_iova_root(map), first + 0x1000,
			    &range), "find after %u", i);
		next = range.last + 1;
	}
	TEST_ASSERT(!vfio_user_iova_next(vfio_user_iova_root(map), next, &range), "more");
	return TEST_SUCCESS;
}

/* Orders of arrival and departure, at the limit of DMA maps. */
static int
test_orders(void)
{
	const unsigned int orders[][2] = { { 0, 0 }, { 0, 2 }, { 1, 0 }, { 2, 2 } };
	const uint32_t nb = FEWER_WITH_TSAN(RANGES_MAX, 8);
	uint32_t *in, *out;
	unsigned int before, cost, i;
	int ret = TEST_SUCCESS;

	for (i = 0; i < RTE_DIM(orders) && ret == TEST_SUCCESS; i++) {
		in = make_order(orders[i][0], nb);
		out = make_order(orders[i][1], nb);
		before = test_alloc_count();
		ret = in == NULL || out == NULL ? TEST_SKIPPED :
			fill(in, nb);
		cost = test_alloc_count() - before;
		if (ret == TEST_SUCCESS && cost > 6 * nb) {
			printf("%u nodes copied\n", cost);
			ret = TEST_FAILED;
		}
		if (ret == TEST_SUCCESS)
			ret = lookup_all(nb);
		if (ret == TEST_SUCCESS)
			ret = drain(out, nb);
		free(in);
		free(out);
	}
	return ret;
}

/* Nodes are copied once for all updates between two publications. */
static int
test_batch(void)
{
	unsigned int before, single, i;
	const void *root;

	for (i = 0; i < 8; i++)
		TEST_ASSERT_SUCCESS(insert_at(i * 16, i * 16 + 7), "%u", i);
	publish_and_free();
	if (!test_alloc_fail(0))
		return TEST_SKIPPED;

	before = test_alloc_count();
	root = vfio_user_iova_root(map);
	TEST_ASSERT_SUCCESS(insert_at(1000, 1001), "first of the batch");
	single = test_alloc_count() - before;
	TEST_ASSERT_EQUAL(single, 1, "%u", single);
	TEST_ASSERT_NOT_EQUAL(root, vfio_user_iova_root(map), "published node changed");
	root = vfio_user_iova_root(map);
	for (i = 0; i < 100; i++) {
		TEST_ASSERT_SUCCESS(insert_at(2000, 2001), "%u", i);
		TEST_ASSERT_SUCCESS(remove_exact(2000, 2001), "%u", i);
	}
	TEST_ASSERT_EQUAL(test_alloc_count() - before, single, "not in place");
	TEST_ASSERT_EQUAL(root, vfio_user_iova_root(map), "not in place");
	TEST_ASSERT_EQUAL(root, vfio_user_iova_publish(map), "publication");
	vfio_user_iova_garbage_free(vfio_user_iova_garbage_take(map));

	return check_map();
}

/* Ranges that come in order fill their nodes to two thirds at least. */
static int
test_density(void)
{
	unsigned int before, used, order, i;
	uint64_t first;

	if (!test_alloc_fail(0))
		return TEST_SKIPPED;
	for (order = 0; order < 2; order++) {
		before = test_alloc_count();
		for (i = 0; i < 4000; i++) {
			first = (order == 0 ? i : 4000 - i) * 16;
			TEST_ASSERT_SUCCESS(insert_at(first, first + 7), "%u", i);
		}
		used = test_alloc_count() - before;
		TEST_ASSERT(used < 4000 / 10, "%u nodes in order %u", used, order);
		vfio_user_iova_clear(map);
		model.count = 0;
	}
	return TEST_SUCCESS;
}

static int
test_garbage(void)
{
	struct vfio_user_iova_garbage *garbage;
	const void *root;
	struct model *old;
	int ret;

	TEST_ASSERT_SUCCESS(insert_at(0, 9), "insert");
	vfio_user_iova_publish(map);
	TEST_ASSERT_NULL(vfio_user_iova_garbage_take(map), "nothing was published before");
	root = vfio_user_iova_root(map);
	old = malloc(sizeof(*old));
	if (old == NULL)
		return TEST_SKIPPED;
	*old = model;
	ret = insert_at(10, 19);
	garbage = vfio_user_iova_garbage_take(map);
	if (ret == TEST_SUCCESS)
		ret = check_version(root, old);
	free(old);
	TEST_ASSERT_SUCCESS(ret, "old version");
	TEST_ASSERT_NULL(garbage, "the published version needs it");
	vfio_user_iova_publish(map);
	garbage = vfio_user_iova_garbage_take(map);
	TEST_ASSERT_NOT_NULL(garbage, "no garbage");
	vfio_user_iova_garbage_free(garbage);
	TEST_ASSERT_NULL(vfio_user_iova_garbage_take(map), "taken twice");
	vfio_user_iova_publish(map);
	TEST_ASSERT_NULL(vfio_user_iova_garbage_take(map), "nothing was replaced");
	return check_map();
}

static int
test_clear(void)
{
	unsigned int before, i, n;
	const void *root;
	struct vfio_user_iova_range range;

	for (n = 0; n < 12; n++) {
		for (i = 0; i < 3000; i++)
			TEST_ASSERT_SUCCESS(insert_at(i * 16, i * 16 + 7), "%u", i);
		if (n % 2 != 0)
			publish_and_free();
		/* A few nodes are not published, the others are. */
		for (i = 0; n % 3 == 0 && i < 3000; i += 500)
			TEST_ASSERT_SUCCESS(remove_exact(i * 16, i * 16 + 7), "%u", i);
		root = vfio_user_iova_root(map);
		before = test_alloc_count();
		vfio_user_iova_clear(map);
		vfio_user_iova_clear(map);
		TEST_ASSERT_EQUAL(test_alloc_count(), before, "clear allocates");
		model.count = 0;
		TEST_ASSERT_SUCCESS(check_map(), "%u", n);
		if (n % 2 != 0 && n % 3 != 0) {
			TEST_ASSERT(vfio_user_iova_find(root, 16, &range), "old version");
			vfio_user_iova_publish(map);
			TEST_ASSERT(vfio_user_iova_find(root, 16, &range), "old version");
			vfio_user_iova_garbage_free(vfio_user_iova_garbage_take(map));
		}
	}
	return TEST_SUCCESS;
}

/* Fail each allocation of an update in turn, then let it succeed. */
static int
update_starved(const struct vfio_user_iova_range *range, bool add)
{
	const void *root = vfio_user_iova_root(map);
	unsigned int nth;
	int ret = -ENOMEM;

	for (nth = 1; ret == -ENOMEM; nth++) {
		test_alloc_fail(nth);
		if (add)
			ret = vfio_user_iova_insert(map, range);
		else
			ret = vfio_user_iova_remove(map, range->first, range->last, NULL);
		test_alloc_fail(0);
		if (ret != -ENOMEM)
			break;
		TEST_ASSERT(nth < 64, "fails for ever");
		TEST_ASSERT_EQUAL(root, vfio_user_iova_root(map), "changed on error");
		TEST_ASSERT_EQUAL(vfio_user_iova_count(map), model.count, "count");
		TEST_ASSERT_SUCCESS(check_address(root, &model, range->first), "version");
		if (random_below(64) == 0)
			TEST_ASSERT_SUCCESS(check_map(), "version");
	}
	TEST_ASSERT_EQUAL(ret, add ? model_insert(&model, range) :
			  model_remove(&model, range->first, range->last), "%d", ret);
	return TEST_SUCCESS;
}

static int
test_no_memory(void)
{
	struct vfio_user_iova_range range;
	bool add;
	unsigned int i;

	if (!test_alloc_fail(1))
		return TEST_SKIPPED;
	TEST_ASSERT_NULL(vfio_user_iova_create(), "created without memory");
	test_alloc_fail(0);
	for (i = 0; i < 20000; i++) {
		range = random_range(3000);
		add = model.count < MODEL_MAX && random_below(100) <
			(i / 5000 % 2 == 0 ? 80 : 20);
		if (!add && model.count != 0)
			range = model.range[random_below(model.count)];
		TEST_ASSERT_SUCCESS(update_starved(&range, add), "step %u", i);
		if (random_below(3) == 0)
			publish_and_free();
	}
	return check_map();
}

/* What nobody else looks at is changed in place: removing cannot fail. */
static int
test_remove_without_memory(void)
{
	struct vfio_user_iova *own = vfio_user_iova_create();
	struct vfio_user_iova_range range = { .prot = 1 };
	uint64_t i, at;

	TEST_ASSERT_NOT_NULL(own, "map");
	for (i = 0; i < 5000; i++) {
		range.first = range.last = i;
		TEST_ASSERT_SUCCESS(vfio_user_iova_insert(own, &range), "insert");
	}
	for (i = 0; i < 5000; i++) {
		at = i * 1777 % 5000;
		test_alloc_fail(1);
		TEST_ASSERT_SUCCESS(vfio_user_iova_remove(own, at, at, NULL), "%" PRIu64, i);
		test_alloc_fail(0);
	}
	TEST_ASSERT_EQUAL(vfio_user_iova_count(own), 0u, "left");
	vfio_user_iova_destroy(own);
	return TEST_SUCCESS;
}

static struct unit_test_suite iova_suite = {
	.suite_name = "vfio-user map of DMA addresses",
	.unit_test_cases = {
		TEST_CASE_ST(map_setup, map_teardown, test_empty),
		TEST_CASE_ST(map_setup, map_teardown, test_edges),
		TEST_CASE_ST(map_setup, map_teardown, test_arguments),
		TEST_CASE_ST(map_setup, map_teardown, test_wider_after_removal),
		TEST_CASE_ST(map_setup, map_teardown, test_random),
		TEST_CASE_ST(map_setup, map_teardown, test_versions),
		TEST_CASE_ST(map_setup, map_teardown, test_destroy),
		TEST_CASE_ST(map_setup, map_teardown, test_orders),
		TEST_CASE_ST(map_setup, map_teardown, test_batch),
		TEST_CASE_ST(map_setup, map_teardown, test_density),
		TEST_CASE_ST(map_setup, map_teardown, test_garbage),
		TEST_CASE_ST(map_setup, map_teardown, test_clear),
		TEST_CASE_ST(map_setup, map_teardown, test_no_memory),
		TEST_CASE_ST(map_setup, map_teardown, test_remove_without_memory),
		TEST_CASES_END()
	},
};

static int
test_vfio_user_iova(void)
{
	return unit_test_suite_runner(&iova_suite);
}

REGISTER_TEST_COMMAND(vfio_user_iova_autotest, test_vfio_user_iova);
