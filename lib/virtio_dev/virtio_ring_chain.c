/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "virtio_ring.h"

/* ------------------------------------------------------------- segments */

static int
add_seg(struct virtio_ring_walk *walk, void *va, uint64_t iova, uint32_t len)
{
	struct rte_virtio_chain *chain = walk->chain;
	const uint16_t nb = chain->nb_read + chain->nb_write;

	if (va == NULL)
		return -EFAULT;
	if (nb == walk->max_segs)
		return -ENOSPC;
	chain->segs[nb] = (struct rte_virtio_seg){ .va = va, .iova = iova, .len = len };
	if (walk->writes)
		chain->nb_write++;
	else
		chain->nb_read++;
	return 0;
}

/* Memory in several mappings; each piece takes a segment, so there is an end. */
static int
add_pieces(struct virtio_ring_walk *walk, uint64_t iova, uint32_t len, uint32_t prot)
{
	struct rte_vfio_user_dma_reader *reader = walk->ring->reader;
	struct rte_vfio_user_dma_info info;
	uint32_t nb;
	int ret;

	for (; len != 0; iova += nb, len -= nb) {
		if (rte_vfio_user_dma_next(reader, iova, &info) < 0 || info.iova > iova)
			return -EFAULT;
		nb = (uint32_t)RTE_MIN((uint64_t)len, info.size - (iova - info.iova));
		ret = add_seg(walk, rte_vfio_user_dma_va(reader, iova, nb, prot), iova, nb);
		if (ret < 0)
			return ret;
	}
	return 0;
}

int
virtio_ring_walk_add(struct virtio_ring_walk *walk, const struct virtio_ring_desc *desc)
{
	const bool writes = (desc->flags & VRING_DESC_F_WRITE) != 0;
	const uint32_t prot = writes ? PROT_WRITE : PROT_READ;
	struct rte_virtio_chain *chain = walk->chain;
	void *va;

	if (walk->nb_descs == walk->max_descs)
		return -E2BIG;
	walk->nb_descs++;
	if (walk->writes && !writes)
		return -EPROTO;
	walk->writes = writes;
	if (desc->len == 0)
		return 0;
	if (desc->addr + (desc->len - 1) < desc->addr ||
	    desc->len > UINT32_MAX - chain->read_len - chain->write_len)
		return -EOVERFLOW;
	if (writes)
		chain->write_len += desc->len;
	else
		chain->read_len += desc->len;
	va = rte_vfio_user_dma_va(walk->ring->reader, desc->addr, desc->len, prot);
	if (va != NULL)
		return add_seg(walk, va, desc->addr, desc->len);
	return add_pieces(walk, desc->addr, desc->len, prot);
}

/* ------------------------------------------------------ indirect tables */

/* A descriptor anywhere, in two mappings or not aligned if need be. */
static int
read_bytes(struct rte_vfio_user_dma_reader *reader, uint64_t iova, uint64_t *halves)
{
	uint8_t *bytes = (uint8_t *)halves;
	const uint8_t *va;
	unsigned int i;

	for (i = 0; i < VIRTIO_RING_DESC_SIZE; i++) {
		va = rte_vfio_user_dma_va(reader, iova + i, 1, PROT_READ);
		if (va == NULL)
			return -EFAULT;
		bytes[i] = __atomic_load_n(va, __ATOMIC_RELAXED);
	}
	halves[0] = rte_le_to_cpu_64(halves[0]);
	halves[1] = rte_le_to_cpu_64(halves[1]);
	return 0;
}

static int
read_entry(const struct rte_virtio_ring *ring, uint64_t iova, struct virtio_ring_desc *desc)
{
	const uint8_t *va = rte_vfio_user_dma_va(ring->reader, iova, VIRTIO_RING_DESC_SIZE,
						 PROT_READ);
	uint64_t halves[2];
	int ret;

	if (va != NULL && (uintptr_t)va % sizeof(halves[0]) == 0) {
		halves[0] = virtio_ring_half(va, 0);
		halves[1] = virtio_ring_half(va, 1);
	} else {
		ret = read_bytes(ring->reader, iova, halves);
		if (ret < 0)
			return ret;
	}
	if (ring->packed)
		virtio_ring_desc_packed(desc, halves[0], halves[1]);
	else
		virtio_ring_desc_split(desc, halves[0], halves[1]);
	return 0;
}

/*
 * Where to go on in a table, or -1 at the end. The entries of a packed ring
 * follow each other: VRING_DESC_F_NEXT is reserved in them, and set by DPDK.
 */
static int
next_entry(const struct rte_virtio_ring *ring, const struct virtio_ring_desc *desc, uint32_t i)
{
	if (ring->packed)
		return (int)i + 1;
	return (desc->flags & VRING_DESC_F_NEXT) != 0 ? desc->next : -1;
}

int
virtio_ring_walk_table(struct virtio_ring_walk *walk, const struct virtio_ring_desc *indirect)
{
	const struct rte_virtio_ring *ring = walk->ring;
	const uint32_t nb = indirect->len / VIRTIO_RING_DESC_SIZE;
	struct virtio_ring_desc desc;
	int i = 0, ret;

	if (!ring->indirect || (indirect->flags & VRING_DESC_F_NEXT) != 0 || nb == 0 ||
	    nb > RTE_VIRTIO_RING_MAX_SIZE || indirect->len % VIRTIO_RING_DESC_SIZE != 0)
		return -EPROTO;
	if (indirect->addr + (indirect->len - 1) < indirect->addr)
		return -EOVERFLOW;
	do {
		/* a loop ends when the chain is too long */
		if ((uint32_t)i >= nb)
			return ring->packed ? 0 : -EPROTO;
		ret = read_entry(ring, indirect->addr + (uint64_t)i * VIRTIO_RING_DESC_SIZE,
				 &desc);
		if (ret < 0)
			return ret;
		if ((desc.flags & VRING_DESC_F_INDIRECT) != 0)
			return -EPROTO;
		ret = virtio_ring_walk_add(walk, &desc);
		if (ret < 0)
			return ret;
		i = next_entry(ring, &desc, (uint32_t)i);
	} while (i >= 0);
	return 0;
}

/* --------------------------------------------------------------- chains */

int
rte_virtio_chain_translate(struct rte_virtio_ring *ring, struct rte_virtio_chain *chain)
{
	struct rte_virtio_seg *seg = chain->segs;
	uint32_t i;

	for (i = 0; i < (uint32_t)chain->nb_read + chain->nb_write; i++, seg++) {
		seg->va = rte_vfio_user_dma_va(ring->reader, seg->iova, seg->len,
				i < chain->nb_read ? PROT_READ : PROT_WRITE);
		if (seg->va == NULL) {
			rte_virtio_ring_break(ring, -EFAULT);
			return -EFAULT;
		}
	}
	return 0;
}

/* Copy between a buffer and the part of segments that begins at an offset. */
static uint32_t
copy(const struct rte_virtio_seg *seg, uint32_t nb_segs, uint32_t offset, void *to,
     const void *from, uint32_t len)
{
	uint32_t done = 0, nb;

	for (; nb_segs != 0 && done < len; nb_segs--, seg++) {
		if (offset >= seg->len) {
			offset -= seg->len;
			continue;
		}
		nb = RTE_MIN(len - done, seg->len - offset);
		if (to != NULL)
			memcpy((uint8_t *)to + done, (const uint8_t *)seg->va + offset, nb);
		else
			memcpy((uint8_t *)seg->va + offset, (const uint8_t *)from + done, nb);
		done += nb;
		offset = 0;
	}
	return done;
}

uint32_t
rte_virtio_chain_read(const struct rte_virtio_chain *chain, uint32_t offset, void *buf,
		      uint32_t len)
{
	return copy(chain->segs, chain->nb_read, offset, buf, NULL, len);
}

uint32_t
rte_virtio_chain_write(const struct rte_virtio_chain *chain, uint32_t offset,
		       const void *buf, uint32_t len)
{
	return copy(chain->segs + chain->nb_read, chain->nb_write, offset, NULL, buf, len);
}
