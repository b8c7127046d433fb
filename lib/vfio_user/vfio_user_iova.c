/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <rte_common.h>

#include "vfio_user_iova.h"
#include "vfio_user_iova_node.h"

#define FANOUT VFIO_USER_IOVA_FANOUT
#define KEY_MAX VFIO_USER_IOVA_KEY_MAX

/*
 * A node other than the root has at least COUNT_MIN entries, so 2^32 ranges
 * need less than 16 levels. Splitting and merging leave more: insert and
 * remove in turn must not split and merge in turn.
 */
#define COUNT_MIN 4
#define MERGE_MAX 12

/* Until the first publication; the node of all empty maps is older. */
#define FIRST_EPOCH 1

struct vfio_user_iova {
	struct vfio_user_iova_node *root;
	uint64_t epoch;
	uint32_t count;
	uint32_t n_spare;
	struct vfio_user_iova_garbage *spare; /* nodes for the next update */
	struct vfio_user_iova_garbage *pending; /* in the published version */
	struct vfio_user_iova_garbage **pending_end;
	struct vfio_user_iova_garbage *retired; /* only in older versions */
};

/* Root of every empty map; never written, never freed. */
static struct vfio_user_iova_node empty = {
	.key = { [0 ... FANOUT - 1] = KEY_MAX },
	.entry = { [0 ... FANOUT - 1] = { .first = UINT64_MAX, .denied = UINT32_MAX } },
};

/* What a range of a leaf is to the outside. */
static void
get_range(const struct vfio_user_iova_node *leaf, unsigned int pos,
	  struct vfio_user_iova_range *range)
{
	const struct rte_vfio_user_dma_entry *entry = &leaf->entry[pos];

	range->first = entry->first;
	range->last = entry->first + entry->span;
	range->delta = entry->delta;
	range->prot = ~entry->denied;
	range->cookie = leaf->cookie[pos];
}

bool
vfio_user_iova_find(const void *root, uint64_t iova,
		    struct vfio_user_iova_range *range)
{
	const struct vfio_user_iova_node *leaf;
	unsigned int pos;
	int64_t bound;

	leaf = vfio_user_iova_leaf(root, vfio_user_iova_key(iova), &pos, &bound);
	if (leaf->entry[pos].first > iova || pos == leaf->count)
		return false;
	get_range(leaf, pos, range);
	return true;
}

bool
vfio_user_iova_next(const void *root, uint64_t iova,
		    struct vfio_user_iova_range *range)
{
	const struct vfio_user_iova_node *leaf;
	unsigned int pos;
	int64_t bound;

	leaf = vfio_user_iova_leaf(root, vfio_user_iova_key(iova), &pos, &bound);
	if (pos == leaf->count) {
		if (bound == KEY_MAX)
			return false;
		leaf = vfio_user_iova_leaf(root, bound + 1, &pos, &bound);
	}
	get_range(leaf, pos, range);
	return true;
}

static void
node_free(struct vfio_user_iova_node *node, bool subtree)
{
	uint32_t i;

	for (i = 0; subtree && node->level != 0 && i < node->count; i++)
		node_free(node->child[i], true);
	free(node);
}

void
vfio_user_iova_garbage_free(struct vfio_user_iova_garbage *garbage)
{
	struct vfio_user_iova_garbage *next;

	for (; garbage != NULL; garbage = next) {
		next = garbage->next;
		node_free(container_of(garbage, struct vfio_user_iova_node, garbage),
			  garbage->subtree);
	}
}

/* A copy of a node, writable until the next publication. */
static struct vfio_user_iova_node *
node_new(struct vfio_user_iova *map, const struct vfio_user_iova_node *model)
{
	struct vfio_user_iova_node *node =
		container_of(map->spare, struct vfio_user_iova_node, garbage);

	map->spare = map->spare->next;
	map->n_spare--;
	*node = *model;
	node->epoch = map->epoch;
	return node;
}

/* Let go of a node, or of a whole subtree, of the present version. */
static void
node_drop(struct vfio_user_iova *map, struct vfio_user_iova_node *node, bool subtree)
{
	uint32_t i;

	if (node == &empty)
		return;
	if (node->epoch == map->epoch) {
		/* Whatever else is not published is below such nodes only. */
		for (i = 0; subtree && node->level != 0 && i < node->count; i++)
			node_drop(map, node->child[i], true);
		free(node);
		return;
	}
	node->garbage.subtree = subtree;
	*map->pending_end = &node->garbage;
	map->pending_end = &node->garbage.next;
	*map->pending_end = NULL;
}

/* Make the node at a place in the tree writable. */
static struct vfio_user_iova_node *
node_open(struct vfio_user_iova *map, struct vfio_user_iova_node **place)
{
	struct vfio_user_iova_node *node = *place;

	if (node->epoch != map->epoch) {
		*place = node_new(map, node);
		node_drop(map, node, false);
	}
	return *place;
}

static inline bool
node_full(const struct vfio_user_iova_node *node)
{
	return node->count == (node->level == 0 ? FANOUT - 1 : FANOUT);
}

/* What is in one place of a node: a range with level 0, else a child. */
struct item {
	int64_t key;
	struct rte_vfio_user_dma_entry entry;
	void *cookie;
	struct vfio_user_iova_node *child;
};

static void
node_get(const struct vfio_user_iova_node *node, unsigned int pos, struct item *item)
{
	item->key = node->key[pos];
	if (node->level != 0) {
		item->child = node->child[pos];
		return;
	}
	item->entry = node->entry[pos];
	item->cookie = node->cookie[pos];
}

static void
node_set(struct vfio_user_iova_node *node, unsigned int pos, const struct item *item)
{
	node->key[pos] = item->key;
	if (node->level != 0) {
		node->child[pos] = item->child;
		return;
	}
	node->entry[pos] = item->entry;
	node->cookie[pos] = item->cookie;
}

/* Move the last n items of a node from one place to another. */
static void
node_move(struct vfio_user_iova_node *node, unsigned int to, unsigned int from,
	  unsigned int n)
{
	memmove(&node->key[to], &node->key[from], n * sizeof(node->key[0]));
	if (node->level != 0) {
		memmove(&node->child[to], &node->child[from], n * sizeof(node->child[0]));
		return;
	}
	memmove(&node->entry[to], &node->entry[from], n * sizeof(node->entry[0]));
	memmove(&node->cookie[to], &node->cookie[from], n * sizeof(node->cookie[0]));
}

static void
node_insert(struct vfio_user_iova_node *node, unsigned int pos, const struct item *item)
{
	node_move(node, pos + 1, pos, node->count - pos);
	node_set(node, pos, item);
	node->count++;
}

static void
node_erase(struct vfio_user_iova_node *node, unsigned int pos, unsigned int n)
{
	static const struct item unused = {
		.key = KEY_MAX,
		.entry = { .first = UINT64_MAX, .denied = UINT32_MAX },
	};
	unsigned int i;

	node_move(node, pos, pos + n, node->count - pos - n);
	node->count -= n;
	for (i = 0; i < n; i++)
		node_set(node, node->count + i, &unused);
}

/* Get the nodes for an update at this key: its only step that can fail. */
static int
map_reserve(struct vfio_user_iova *map, int64_t key, bool insert)
{
	/* Copies of published nodes; more where nodes split or merge. */
	unsigned int copies = 0, more = insert ? 1 : 0;
	struct vfio_user_iova_node *node;

	for (node = map->root; ; node = node->child[vfio_user_iova_rank(node, key)]) {
		copies += node->epoch != map->epoch;
		more = (insert ? node_full(node) : node->count <= COUNT_MIN) ?
			more + 1 : 0;
		/* neighbours are merged in place if no version was published */
		if (!insert && map->epoch == FIRST_EPOCH)
			more = 0;
		if (node->level == 0)
			break;
	}
	for (; map->n_spare < copies + more; map->n_spare++) {
		node = aligned_alloc(RTE_CACHE_LINE_SIZE, sizeof(*node));
		if (node == NULL)
			return -ENOMEM;
		node->garbage.next = map->spare;
		node->garbage.subtree = false;
		map->spare = &node->garbage;
	}
	return 0;
}

/*
 * Insert into a full node, which keeps the lower part; return the other one.
 * At an end most stay together: ranges that come in order fill nodes well.
 */
static struct vfio_user_iova_node *
node_split(struct vfio_user_iova *map, struct vfio_user_iova_node *node, unsigned int pos,
	   const struct item *item)
{
	struct vfio_user_iova_node *high = node_new(map, node);
	unsigned int keep = node->count / 2;

	if (pos == node->count)
		keep = node->count - (COUNT_MIN - 1);
	else if (pos <= 1)
		keep = COUNT_MIN - 1;
	node_erase(high, 0, keep);
	node_erase(node, keep, node->count - keep);
	if (pos < keep)
		node_insert(node, pos, item);
	else
		node_insert(high, pos - keep, item);
	return high;
}

/* Insert below a place in the tree; return a node to put after it, or NULL. */
static struct vfio_user_iova_node *
tree_insert(struct vfio_user_iova *map, struct vfio_user_iova_node **place, int64_t first,
	    const struct item *range)
{
	struct vfio_user_iova_node *node = node_open(map, place), *low;
	unsigned int pos = vfio_user_iova_rank(node, first);
	struct item item = *range;

	if (node->level != 0) {
		/* The range may start below the bound and end above it. */
		item.key = RTE_MAX(node->key[pos], range->key);
		node->key[pos] = item.key;
		item.child = tree_insert(map, &node->child[pos], first, range);
		if (item.child == NULL)
			return NULL;
		low = node->child[pos];
		node->key[pos++] = low->key[low->count - 1];
	}
	if (node_full(node))
		return node_split(map, node, pos, &item);
	node_insert(node, pos, &item);
	return NULL;
}

/* Merge a child that has few entries with a neighbour, or even them out. */
static void
node_fill(struct vfio_user_iova *map, struct vfio_user_iova_node *parent, unsigned int pos)
{
	unsigned int at = pos > 0 ? pos - 1 : 0, end;
	struct vfio_user_iova_node *low = node_open(map, &parent->child[at]);
	struct vfio_user_iova_node *high = node_open(map, &parent->child[at + 1]);
	unsigned int total = low->count + high->count;
	unsigned int want = total <= MERGE_MAX ? total : total / 2;
	struct item item;

	while (low->count < want) {
		node_get(high, 0, &item);
		node_insert(low, low->count, &item);
		node_erase(high, 0, 1);
	}
	while (low->count > want) {
		end = low->count - 1;
		node_get(low, end, &item);
		node_insert(high, 0, &item);
		node_erase(low, end, 1);
	}
	parent->key[at] = low->key[want - 1];
	if (high->count == 0) {
		parent->child[at + 1] = low; /* with the bound of both */
		node_erase(parent, at, 1);
		node_drop(map, high, false);
	}
}

/* Remove the range at a key below a place in the tree. */
static void
tree_remove(struct vfio_user_iova *map, struct vfio_user_iova_node **place, int64_t key)
{
	struct vfio_user_iova_node *node = node_open(map, place);
	unsigned int pos = vfio_user_iova_rank(node, key);

	if (node->level == 0) {
		node_erase(node, pos, 1);
		return;
	}
	tree_remove(map, &node->child[pos], key);
	if (node->child[pos]->count < COUNT_MIN)
		node_fill(map, node, pos);
}

/* The root was split: put one above both halves. */
static void
grow(struct vfio_user_iova *map, struct vfio_user_iova_node *high)
{
	struct item item = { .child = map->root };

	item.key = item.child->key[item.child->count - 1];
	map->root = node_new(map, &empty);
	map->root->level = item.child->level + 1;
	node_insert(map->root, 0, &item);
	item.key = KEY_MAX;
	item.child = high;
	node_insert(map->root, 1, &item);
}

int
vfio_user_iova_insert(struct vfio_user_iova *map,
		      const struct vfio_user_iova_range *range)
{
	int64_t first = vfio_user_iova_key(range->first);
	const struct item item = {
		.key = vfio_user_iova_key(range->last),
		.entry = {
			.first = range->first,
			.span = range->last - range->first,
			.delta = range->delta,
			.denied = ~range->prot,
		},
		.cookie = range->cookie,
	};
	struct vfio_user_iova_range next;
	struct vfio_user_iova_node *high;

	if (range->first > range->last)
		return -EINVAL;
	if (vfio_user_iova_next(map->root, range->first, &next) &&
			next.first <= range->last)
		return -EEXIST;
	if (map->count == UINT32_MAX || map_reserve(map, first, true) < 0)
		return -ENOMEM;
	high = tree_insert(map, &map->root, first, &item);
	if (high != NULL)
		grow(map, high);
	map->count++;
	return 0;
}

int
vfio_user_iova_remove(struct vfio_user_iova *map, uint64_t first,
		      uint64_t last, struct vfio_user_iova_range *removed)
{
	struct vfio_user_iova_range range;
	struct vfio_user_iova_node *root;

	if (!vfio_user_iova_find(map->root, first, &range) ||
			range.first != first || range.last != last)
		return -ENOENT;
	if (map_reserve(map, vfio_user_iova_key(first), false) < 0)
		return -ENOMEM;
	tree_remove(map, &map->root, vfio_user_iova_key(first));
	root = map->root;
	if (--map->count == 0 || (root->level != 0 && root->count == 1)) {
		map->root = map->count == 0 ? &empty : root->child[0];
		node_drop(map, root, false);
	}
	if (removed != NULL)
		*removed = range;
	return 0;
}

void
vfio_user_iova_clear(struct vfio_user_iova *map)
{
	node_drop(map, map->root, true);
	map->root = &empty;
	map->count = 0;
}

uint32_t
vfio_user_iova_count(const struct vfio_user_iova *map)
{
	return map->count;
}

const void *
vfio_user_iova_root(const struct vfio_user_iova *map)
{
	return map->root;
}

const void *
vfio_user_iova_publish(struct vfio_user_iova *map)
{
	map->epoch++;
	*map->pending_end = map->retired;
	map->retired = map->pending;
	map->pending = NULL;
	map->pending_end = &map->pending;
	return map->root;
}

struct vfio_user_iova_garbage *
vfio_user_iova_garbage_take(struct vfio_user_iova *map)
{
	struct vfio_user_iova_garbage *garbage = map->retired;

	map->retired = NULL;
	return garbage;
}

struct vfio_user_iova *
vfio_user_iova_create(void)
{
	struct vfio_user_iova *map = calloc(1, sizeof(*map));

	if (map == NULL)
		return NULL;
	map->root = &empty;
	map->epoch = FIRST_EPOCH;
	map->pending_end = &map->pending;
	return map;
}

void
vfio_user_iova_destroy(struct vfio_user_iova *map)
{
	if (map == NULL)
		return;
	vfio_user_iova_clear(map);
	vfio_user_iova_garbage_free(map->pending);
	vfio_user_iova_garbage_free(map->retired);
	vfio_user_iova_garbage_free(map->spare);
	free(map);
}
