/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <rte_bitops.h>
#include <rte_common.h>

#include "vfio_user_codec.h"
#include "vfio_user_window.h"

/* what a window is rounded to: page tables of its own, few of them per file */
#define GRANULE (UINT64_C(1) << 30)

/* a mapping that is so many times smaller than its window is not worth all its pages */
#define SPARSE 8

/* A window, and the one of those up to it that reaches farthest. */
struct entry {
	uint64_t offset; /* of the window; searching touches nothing else */
	struct vfio_user_window *win;
	struct vfio_user_window *reach;
};

/* The windows of a file with one protection, by their start. */
struct list {
	struct entry *entries;
	uint32_t nb;
	uint32_t room;
};

/* priv of a file */
struct file_windows {
	struct list lists[PROT_READ | PROT_WRITE]; /* by prot - 1 */
	uint32_t nb;
};

/* A range to map, page aligned. */
struct range {
	uint64_t offset;
	uint64_t len;
};

void
vfio_user_windows_init(struct vfio_user_windows *windows, uint64_t max_bytes,
		       struct vfio_user_sigbus_owner *owner)
{
	windows->nb = 0;
	windows->bytes = 0;
	windows->max_bytes = max_bytes;
	windows->owner = owner;
}

/* ---------------------------------------------------------------- the list */

static uint64_t
last_byte(const struct vfio_user_window *win)
{
	return win->offset + (win->len - 1);
}

/* Number of windows that start at or before an offset. */
static uint32_t
count_before(const struct list *list, uint64_t offset)
{
	uint32_t low = 0, high = list->nb, mid;

	while (low < high) {
		mid = low + (high - low) / 2;
		if (list->entries[mid].offset <= offset)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static struct vfio_user_window *
find(const struct list *list, uint64_t offset, uint64_t size)
{
	uint32_t nb = count_before(list, offset);
	struct vfio_user_window *win;

	if (nb == 0)
		return NULL;
	win = list->entries[nb - 1].reach;
	return vfio_user_range_inside(offset - win->offset, size, win->len) ? win : NULL;
}

/* The window up to an entry that reaches farthest; that of the one before is known. */
static struct vfio_user_window *
find_reach(const struct list *list, uint32_t at)
{
	struct vfio_user_window *win = list->entries[at].win;

	if (at == 0 || last_byte(list->entries[at - 1].reach) < last_byte(win))
		return win;
	return list->entries[at - 1].reach;
}

static int
make_room(struct list *list)
{
	uint32_t room = list->room == 0 ? 4 : 2 * list->room;
	struct entry *entries;

	if (list->nb < list->room)
		return 0;
	entries = realloc(list->entries, room * sizeof(*entries));
	if (entries == NULL)
		return -ENOMEM;
	list->entries = entries;
	list->room = room;
	return 0;
}

/* There is room. */
static void
insert(struct list *list, struct vfio_user_window *win)
{
	uint32_t at = count_before(list, win->offset);

	memmove(&list->entries[at + 1], &list->entries[at],
		(list->nb - at) * sizeof(list->entries[0]));
	list->entries[at].offset = win->offset;
	list->entries[at].win = win;
	list->nb++;
	list->entries[at].reach = find_reach(list, at);
	/* those behind it, up to one that reaches farther anyway */
	while (++at < list->nb && last_byte(list->entries[at].reach) < last_byte(win))
		list->entries[at].reach = win;
}

static void
take_out(struct list *list, const struct vfio_user_window *win)
{
	uint32_t at = count_before(list, win->offset);

	do { /* others may start there, too */
		at--;
	} while (list->entries[at].win != win);
	list->nb--;
	memmove(&list->entries[at], &list->entries[at + 1],
		(list->nb - at) * sizeof(list->entries[0]));
	/* those that had it follow each other */
	for (; at < list->nb && list->entries[at].reach == win; at++)
		list->entries[at].reach = find_reach(list, at);
}

static struct file_windows *
windows_of(struct vfio_user_file *file)
{
	if (file->priv == NULL)
		file->priv = calloc(1, sizeof(struct file_windows));
	return file->priv;
}

static void
free_if_empty(struct vfio_user_file *file)
{
	struct file_windows *of_file = file->priv;
	uint32_t i;

	if (of_file->nb != 0)
		return;
	for (i = 0; i < RTE_DIM(of_file->lists); i++)
		free(of_file->lists[i].entries);
	free(of_file);
	file->priv = NULL;
}

/* ----------------------------------------------------------------- mapping */

/* Page size of a file: that of huge pages on hugetlbfs. */
static uint64_t
page_size(const struct stat *st)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);

	if (S_ISREG(st->st_mode) && (uint64_t)st->st_blksize > page &&
	    rte_is_power_of_2(st->st_blksize))
		page = (uint64_t)st->st_blksize;
	return page;
}

/*
 * The range rounded outwards. Memory behind the end of the file is mapped up
 * to the next power of two, since a file that grows would need a window for
 * each step else. Not on hugetlbfs: to map is to grow there.
 */
static struct range
widen(const struct range *exact, const struct stat *st, uint64_t page)
{
	const uint64_t granule = RTE_MAX(GRANULE, page);
	uint64_t file_end = (uint64_t)st->st_size;
	struct range wide;

	if (page == (uint64_t)sysconf(_SC_PAGESIZE))
		file_end = rte_align64pow2(file_end);
	wide.offset = RTE_ALIGN_FLOOR(exact->offset, granule);
	wide.len = RTE_MIN(RTE_ALIGN_CEIL(exact->offset + exact->len, granule),
			   RTE_ALIGN_CEIL(file_end, page)) - wide.offset;
	return wide;
}

/*
 * After mlockall(), mmap() fetches all pages of a mapping: some 25 ms for 512 MiB. That
 * is meant for the memory of a guest, and not for what lies around a page that a guest
 * with an IOMMU maps for one packet. Pages come when they are used if access is given
 * afterwards.
 */
static void *
map_pages(const struct vfio_user_window *win, const struct range *range, bool sparse)
{
	void *base = mmap(NULL, range->len, sparse ? PROT_NONE : (int)win->prot, MAP_SHARED,
			  win->file->fd, (off_t)range->offset);
	int error;

	if (base == MAP_FAILED || !sparse || mprotect(base, range->len, (int)win->prot) == 0)
		return base;
	error = errno;
	munmap(base, range->len);
	errno = error;
	return MAP_FAILED;
}

static int
map_range(struct vfio_user_windows *windows, struct vfio_user_window *win,
	  const struct range *range, bool sparse)
{
	void *base;

	if (windows->nb >= VFIO_USER_MAX_WINDOWS ||
	    range->len > windows->max_bytes - windows->bytes)
		return -ENOSPC;
	if (range->len > SIZE_MAX)
		return -ENOMEM;
	base = map_pages(win, range, sparse);
	if (base == MAP_FAILED)
		return -errno;
	win->slot = vfio_user_sigbus_register(windows->owner, base, range->len, win->prot);
	if (win->slot == NULL) {
		munmap(base, range->len);
		return -ENOMEM;
	}
	madvise(base, range->len, MADV_DONTDUMP);
	win->base = base;
	win->offset = range->offset;
	win->len = range->len;
	windows->nb++;
	windows->bytes += range->len;
	return 0;
}

/* A window for a range, as wide as possible. */
static int
make_window(struct vfio_user_windows *windows, struct vfio_user_window *win,
	    const struct stat *st, uint64_t offset, uint64_t size)
{
	const uint64_t page = page_size(st);
	struct range exact, wide;
	int ret;

	exact.offset = RTE_ALIGN_FLOOR(offset, page);
	if (size > UINT64_MAX - (offset - exact.offset) - page)
		return -ENOMEM;
	exact.len = RTE_ALIGN_CEIL(size + (offset - exact.offset), page);
	/* of what is no regular file we do not know what lies around it */
	if (S_ISREG(st->st_mode)) {
		wide = widen(&exact, st, page);
		ret = map_range(windows, win, &wide, exact.len < wide.len / SPARSE);
		if (ret == 0)
			return 0;
		/* more than address space, huge pages or limits allow */
	}
	return map_range(windows, win, &exact, false);
}

static int
add_window(struct vfio_user_windows *windows, struct vfio_user_file *file,
	   const struct stat *st, uint32_t prot, uint64_t offset, uint64_t size,
	   struct vfio_user_window **winp)
{
	struct file_windows *of_file = file->priv;
	struct list *list = &of_file->lists[prot - 1];
	struct vfio_user_window *win;
	int ret;

	ret = make_room(list);
	if (ret < 0)
		return ret;
	win = calloc(1, sizeof(*win));
	if (win == NULL)
		return -ENOMEM;
	win->file = file;
	win->prot = prot;
	ret = make_window(windows, win, st, offset, size);
	if (ret < 0) {
		free(win);
		return ret;
	}
	insert(list, win);
	of_file->nb++;
	*winp = win;
	return 0;
}

int
vfio_user_window_get(struct vfio_user_windows *windows, struct vfio_user_file *file,
		     const struct stat *st, uint32_t prot, uint64_t offset,
		     uint64_t size, struct vfio_user_window **winp)
{
	struct file_windows *of_file = windows_of(file);
	int ret;

	if (of_file == NULL)
		return -ENOMEM;
	*winp = find(&of_file->lists[prot - 1], offset, size);
	if (*winp == NULL) {
		ret = add_window(windows, file, st, prot, offset, size, winp);
		if (ret < 0) {
			free_if_empty(file);
			return ret;
		}
	}
	(*winp)->users++;
	return 0;
}

void
vfio_user_window_put(struct vfio_user_windows *windows, struct vfio_user_window *win)
{
	struct file_windows *of_file = win->file->priv;

	if (--win->users != 0)
		return;
	take_out(&of_file->lists[win->prot - 1], win);
	of_file->nb--;
	free_if_empty(win->file);
	vfio_user_sigbus_unregister(win->slot);
	munmap(win->base, win->len);
	windows->nb--;
	windows->bytes -= win->len;
	free(win);
}
