/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#include <stdlib.h>
#include <string.h>

#include <rte_common.h>
#include <rte_errno.h>

#include "vfio_user_server.h"

struct rte_vfio_user_dma_reader *
rte_vfio_user_server_dma_reader_create(struct rte_vfio_user_server *srv)
{
	struct vfio_user_reader *reader;
	int ret;

	if (srv == NULL) {
		VFIO_USER_LOG(ERR, "%s: no server", __func__);
		rte_errno = EINVAL;
		return NULL;
	}
	reader = aligned_alloc(RTE_CACHE_LINE_SIZE,
			       RTE_ALIGN_CEIL(sizeof(*reader), RTE_CACHE_LINE_SIZE));
	if (reader == NULL) {
		rte_errno = ENOMEM;
		return NULL;
	}
	memset(reader, 0, sizeof(*reader));
	reader->pub.srv = srv;
	vfio_user_dma_attach_reader(&srv->dma, &reader->pub);
	ret = vfio_user_grace_add(&srv->dma.grace, reader);
	if (ret < 0) {
		free(reader);
		rte_errno = -ret;
		return NULL;
	}
	return &reader->pub;
}

void
rte_vfio_user_server_dma_reader_destroy(struct rte_vfio_user_dma_reader *reader)
{
	struct vfio_user_reader *priv = (struct vfio_user_reader *)reader;

	if (reader == NULL)
		return;
	vfio_user_grace_remove(&reader->srv->dma.grace, priv);
	free(priv);
}

uint64_t
rte_vfio_user_server_sync(struct rte_vfio_user_server *srv)
{
	uint64_t number;
	bool untold;

	if (srv == NULL) {
		VFIO_USER_LOG(ERR, "%s: no server", __func__);
		return 0;
	}
	untold = srv->synced != srv->dma.sync_asked;
	number = vfio_user_dma_sync(&srv->dma);
	if (number == 0 && !untold)
		srv->synced = srv->dma.sync_done; /* nobody waits for it */
	if (number != 0 && !srv->polling)
		vfio_user_server_wake(srv); /* arms the timer */
	return number;
}

int
rte_vfio_user_dma_next(const struct rte_vfio_user_dma_reader *reader, uint64_t iova,
		       struct rte_vfio_user_dma_info *info)
{
	const struct vfio_user_dma_region *region;
	struct vfio_user_iova_range range;

	if (reader == NULL || info == NULL)
		return vfio_user_misuse(__func__);
	if (!vfio_user_iova_next(reader->root, iova, &range))
		return -ENOENT;
	region = range.cookie;
	*info = region->info;
	return 0;
}
