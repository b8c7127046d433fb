/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <rte_byteorder.h>

#include "dma_work.h"
#include "tool.h"

static uint64_t
total(const struct dma_memory *mem)
{
	return mem->size * mem->nb;
}

/* A server that shortens the file would kill us: it is sealed. */
static int
file_create(uint64_t size)
{
	int fd = memfd_create("dma-test", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0 || ftruncate(fd, (off_t)size) < 0 ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
		die(STATUS_FAILED, "cannot create a file of %" PRIu64 " bytes: %s", size,
		    strerror(errno));
	return fd;
}

/* The mode of the file, too, keeps the server from writing. */
static int
reopen_read_only(int fd)
{
	char path[32];
	int ret;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	ret = open(path, O_RDONLY | O_CLOEXEC);
	if (ret < 0)
		die(STATUS_FAILED, "cannot open the memory for reading: %s", strerror(errno));
	close(fd);
	return ret;
}

void
dma_memory_create(struct dma_memory *mem)
{
	void *va;

	mem->fd = mem->kind == DMA_MESSAGES ? -1 : file_create(total(mem));
	va = mmap(NULL, total(mem), PROT_READ | PROT_WRITE, MAP_NORESERVE |
		  (mem->fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED), mem->fd, 0);
	if (va == MAP_FAILED)
		die(STATUS_FAILED, "cannot allocate %" PRIu64 " bytes: %s", total(mem),
		    strerror(errno));
	mem->va = va;
	if (mem->fd >= 0 && mem->read_only)
		mem->fd = reopen_read_only(mem->fd);
}

void
dma_memory_destroy(struct dma_memory *mem)
{
	munmap(mem->va, total(mem));
	if (mem->fd >= 0)
		close(mem->fd);
}

struct rte_vfio_user_dma_map
dma_memory_map(const struct dma_memory *mem, uint32_t i)
{
	const struct rte_vfio_user_dma_map map = {
		.iova = mem->iova + i * mem->stride,
		.size = mem->size,
		.prot = mem->read_only ? PROT_READ : PROT_READ | PROT_WRITE,
		.flags = mem->kind == DMA_FILE_IO ? RTE_VFIO_USER_DMA_F_FILE_IO : 0,
		.fd = mem->fd,
		.fd_offset = i * mem->size,
		.vaddr = mem->va + i * mem->size,
	};

	return map;
}

bool
dma_memory_has(const struct dma_memory *mem, uint64_t iova, uint64_t len, uint64_t *place)
{
	uint64_t i, off;

	if (iova < mem->iova)
		return false;
	i = (iova - mem->iova) / mem->stride;
	off = (iova - mem->iova) % mem->stride;
	if (i >= mem->nb || off >= mem->size || len > mem->size - off)
		return false;
	*place = i * mem->size + off;
	return true;
}

/* The eight bytes of an address; neighbours differ in all of them. */
static uint64_t
pattern(uint64_t iova)
{
	uint64_t x = (iova / 8 + 1) * UINT64_C(0x9e3779b97f4a7c15);

	return x ^ x >> 29;
}

static uint8_t
pattern_byte(uint64_t iova)
{
	return (uint8_t)(pattern(iova) >> iova % 8 * 8);
}

void
dma_memory_fill(struct dma_memory *mem)
{
	uint64_t i, off, *words = (uint64_t *)(uintptr_t)mem->va;

	for (i = 0; i < mem->nb; i++)
		for (off = 0; off < mem->size; off += 8)
			*words++ = rte_cpu_to_le_64(pattern(mem->iova + i * mem->stride + off));
}

static void
note_change(struct dma_memory *mem, uint64_t iova)
{
	struct dma_change *last = mem->nb_changes == 0 ? NULL :
		&mem->changes[RTE_MIN(mem->nb_changes, (uint32_t)CHANGES_MAX) - 1];

	mem->changed_bytes++;
	/* a byte between may have got the value it had */
	if (last != NULL && iova - last->iova < last->len + 8) {
		last->len = iova - last->iova + 1;
		return;
	}
	if (mem->nb_changes < CHANGES_MAX)
		mem->changes[mem->nb_changes] = (struct dma_change){ iova, 1 };
	if (mem->nb_changes <= CHANGES_MAX)
		mem->nb_changes++;
}

/* Eight bytes of which some differ. */
static void
compare_bytes(struct dma_memory *mem, uint64_t iova, uint64_t word,
	      const struct dma_copy *except)
{
	uint64_t at;

	for (at = iova; at < iova + 8; at++, word >>= 8)
		if ((uint8_t)word != pattern_byte(at) &&
		    (except == NULL || at - except->dst >= except->len))
			note_change(mem, at);
}

void
dma_memory_compare(struct dma_memory *mem, const struct dma_copy *except)
{
	const rte_le64_t *words = (const rte_le64_t *)(uintptr_t)mem->va;
	uint64_t i, off, iova, word;

	for (i = 0; i < mem->nb; i++) {
		for (off = 0; off < mem->size; off += 8) {
			iova = mem->iova + i * mem->stride + off;
			word = rte_le_to_cpu_64(*words++);
			if (word != pattern(iova))
				compare_bytes(mem, iova, word, except);
		}
	}
}

bool
dma_copy_done(const struct dma_memory *mem, const struct dma_copy *copy)
{
	uint64_t i, dst;

	if (!dma_memory_has(mem, copy->dst, copy->len, &dst))
		return false;
	for (i = 0; i < copy->len; i++)
		if (mem->va[dst + i] != pattern_byte(copy->src + i))
			return false;
	return true;
}

int
dma_memory_serve(struct rte_vfio_user_client *client, bool is_write, uint64_t iova,
		 void *buf, uint32_t len, void *priv)
{
	struct dma_memory *mem = priv;
	uint64_t place;

	RTE_SET_USED(client);
	if (!dma_memory_has(mem, iova, len, &place))
		return -EFAULT;
	if (is_write) {
		memcpy(mem->va + place, buf, len);
		mem->writes++;
		mem->write_bytes += len;
	} else {
		memcpy(buf, mem->va + place, len);
		mem->reads++;
		mem->read_bytes += len;
	}
	return 0;
}
