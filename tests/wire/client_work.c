/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include <rte_common.h>

#include "client_work.h"
#include "wire_common.h"

#define PAGE 4096u
#define NB_MAPS 3u

/* of the device */
#define MEMORY_REGION 1
#define MAPPED_REGION 2
#define MAPPED_OFFSET 0x1000

static pthread_mutex_t states_lock = PTHREAD_MUTEX_INITIALIZER;
static char states[4096]; /* told and not taken */
static unsigned int nb_states;

void
client_state_cb(struct rte_vfio_user_client *client,
		enum rte_vfio_user_client_state state, int reason, void *priv)
{
	static const char * const names[] = {
		[RTE_VFIO_USER_CLIENT_LOST] = "lost",
		[RTE_VFIO_USER_CLIENT_RECONNECTED] = "back",
		[RTE_VFIO_USER_CLIENT_GAVE_UP] = "gave_up",
	};
	size_t len;

	(void)client;
	(void)priv;
	pthread_mutex_lock(&states_lock);
	len = strlen(states);
	snprintf(states + len, sizeof(states) - len, " %s:%d", names[state], reason);
	nb_states++;
	pthread_mutex_unlock(&states_lock);
}

unsigned int
client_states(char **text)
{
	unsigned int nb;

	pthread_mutex_lock(&states_lock);
	nb = nb_states;
	if (text != NULL) {
		*text = strdup(states);
		states[0] = '\0';
		nb_states = 0;
	}
	pthread_mutex_unlock(&states_lock);
	return nb;
}

struct work {
	struct rte_vfio_user_client *client;
	uint64_t iova;
	int memory, event;
	uint8_t *bar;
};

/*
 * The kernel exchanges the memory behind a mapping at once; to
 * ThreadSanitizer the mmap() of the client is a write to it.
 */
__attribute__((no_sanitize("thread"))) static void
touch(volatile uint8_t *at)
{
	*at = (uint8_t)(*at + 1);
}

static int
access_regions(const struct work *work)
{
	char buf[64] = "work";
	ssize_t ret;

	ret = rte_vfio_user_client_region_write(work->client, MEMORY_REGION, 0x800, buf,
						sizeof(buf));
	if (ret >= 0 || ret == -ENOTCONN)
		ret = rte_vfio_user_client_region_read(work->client, MEMORY_REGION, 0x100,
						       buf, sizeof(buf));
	touch(work->bar + MAPPED_OFFSET);
	return ret >= 0 || ret == -ENOTCONN ? 0 : (int)ret;
}

static int
map_and_unmap(const struct work *work)
{
	struct rte_vfio_user_dma_map maps[NB_MAPS] = { { .iova = 0 } };
	struct rte_vfio_user_dma_range ranges[NB_MAPS];
	uint32_t i;
	int ret;

	for (i = 0; i < NB_MAPS; i++) {
		maps[i].iova = ranges[i].iova = work->iova + 2 * i * PAGE;
		maps[i].size = ranges[i].size = PAGE;
		maps[i].prot = PROT_READ;
		maps[i].fd = i == 0 ? -1 : work->memory;
	}
	ret = rte_vfio_user_client_dma_map(work->client, maps, NB_MAPS);
	if (ret == 0)
		ret = rte_vfio_user_client_dma_unmap(work->client, ranges, NB_MAPS);
	return ret;
}

static int
assign(const struct work *work)
{
	int fds[2] = { work->event, -1 }, ret;

	ret = rte_vfio_user_client_irq_assign(work->client, VFIO_PCI_MSIX_IRQ_INDEX,
					      32, 2, fds);
	fds[0] = -1;
	if (ret == 0)
		ret = rte_vfio_user_client_irq_assign(work->client,
				VFIO_PCI_MSIX_IRQ_INDEX, 32, 2, fds);
	return ret;
}

int
client_work(struct rte_vfio_user_client *client, uint64_t iova, uint32_t ms)
{
	int (*const jobs[])(const struct work *) = { access_regions, map_and_unmap, assign };
	struct work work = { .client = client, .iova = iova };
	uint64_t end = wire_now_ms() + ms;
	int nb = 0, ret;
	void *bar;

	ret = rte_vfio_user_client_region_mmap(client, MAPPED_REGION, &bar);
	if (ret < 0)
		return ret;
	work.bar = bar;
	work.memory = memfd_create("work", MFD_CLOEXEC);
	work.event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (work.memory < 0 || work.event < 0 ||
	    ftruncate(work.memory, NB_MAPS * PAGE) < 0)
		abort();
	for (; ret == 0 && wire_now_ms() < end; nb++)
		ret = jobs[(unsigned int)nb % RTE_DIM(jobs)](&work);
	close(work.memory);
	close(work.event);
	return ret < 0 ? ret : nb;
}
