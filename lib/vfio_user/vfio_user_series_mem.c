/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

/* Memory tables: built when somebody asks, by whoever asks. */

#include <errno.h>
#include <stdlib.h>

#include <rte_errno.h>

#include "rte_vfio_user.h"
#include "rte_vfio_user_server.h"
#include "vfio_user_series.h"

/** A memory table. */
struct vfio_user_series_table {
	struct vfio_user_series_table *next;
	uint32_t version; /* of the mappings it shows */
	struct rte_vfio_user_mem mem; /* last: it may have more entries */
};

/* Shown when there is no client. */
static const struct rte_vfio_user_mem no_memory;

struct vfio_user_series_table *
vfio_user_series_mem_change(struct vfio_user_series_mem *mem)
{
	__atomic_fetch_add(&mem->version, 1, __ATOMIC_SEQ_CST);
	return __atomic_exchange_n(&mem->tables, NULL, __ATOMIC_SEQ_CST);
}

void
vfio_user_series_mem_free(struct vfio_user_series_slot *slot,
			  struct vfio_user_series_table *table)
{
	struct vfio_user_series_table *next;

	if (table == NULL)
		return;
	vfio_user_series_wait(slot); /* a getter may just be looking at it */
	for (; table != NULL; table = next) {
		next = table->next;
		free(table);
	}
}

static bool
next_mapping(const struct rte_vfio_user_dma_reader *reader,
	     struct rte_vfio_user_dma_info *info, bool first)
{
	uint64_t iova = first ? 0 : info->iova + info->size;

	if (!first && iova == 0)
		return false; /* the last one ended at the end of all addresses */
	return rte_vfio_user_dma_next(reader, iova, info) == 0;
}

static void
fill_entry(struct rte_vfio_user_mtb_entry *entry, const struct rte_vfio_user_dma_info *info)
{
	entry->gpa = info->iova;
	entry->size = info->size;
	entry->host_user_addr = (uintptr_t)info->va;
	entry->mmap_addr = info->va;
	entry->mmap_size = info->va == NULL ? 0 : info->size;
	entry->fd = info->fd;
}

/* The table of what a read section sees. Programs may copy the whole struct. */
static struct vfio_user_series_table *
fill_table(const struct rte_vfio_user_dma_reader *reader)
{
	struct rte_vfio_user_dma_info info = { 0 };
	struct rte_vfio_user_mtb_entry *entry;
	struct vfio_user_series_table *table;
	size_t nb = 0, extra;
	bool more;

	for (more = next_mapping(reader, &info, true); more;
	     more = next_mapping(reader, &info, false))
		nb++;
	extra = nb > RTE_VUSER_MAX_DMA ? nb - RTE_VUSER_MAX_DMA : 0;
	table = calloc(1, sizeof(*table) + extra * sizeof(*entry));
	if (table == NULL)
		return NULL;
	table->mem.entry_num = (uint32_t)nb;
	entry = table->mem.entry;
	for (more = next_mapping(reader, &info, true); more;
	     more = next_mapping(reader, &info, false))
		fill_entry(entry++, &info);
	return table;
}

/* Any thread; waits for nobody. */
static struct vfio_user_series_table *
build_table(struct rte_vfio_user_server *srv, uint32_t version)
{
	struct rte_vfio_user_dma_reader *reader;
	struct vfio_user_series_table *table;

	reader = rte_vfio_user_server_dma_reader_create(srv);
	if (reader == NULL)
		return NULL;
	rte_vfio_user_dma_begin(reader);
	table = fill_table(reader);
	rte_vfio_user_dma_end(reader);
	rte_vfio_user_server_dma_reader_destroy(reader);
	if (table == NULL)
		rte_errno = ENOMEM;
	else
		table->version = version;
	return table;
}

const struct rte_vfio_user_mem *
vfio_user_series_mem_get(struct vfio_user_series_mem *mem, struct rte_vfio_user_server *srv)
{
	struct vfio_user_series_table *head, *table;
	uint32_t version;

	if (srv == NULL)
		return &no_memory;
	/* what is read after the version is at least as new */
	version = __atomic_load_n(&mem->version, __ATOMIC_SEQ_CST);
	head = __atomic_load_n(&mem->tables, __ATOMIC_SEQ_CST);
	if (head != NULL && head->version == version)
		return &head->mem;
	table = build_table(srv, version);
	if (table == NULL)
		return NULL;
	table->next = head;
	while (!__atomic_compare_exchange_n(&mem->tables, &table->next, table, false,
					    __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) {
		head = table->next;
		if (head == NULL || head->version != version)
			continue;
		free(table); /* another thread was faster */
		return &head->mem;
	}
	return &table->mem;
}
