/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

/* What the device can ask about its client: eventfds, DMA mappings. */

#include <errno.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include <rte_common.h>

#include "test.h"
#include "test_vfio_user_loopback.h"

#define MSIX VFIO_PCI_MSIX_IRQ_INDEX
#define NB_MAPS 500u

static int
test_irq_fd(void)
{
	int ev[2], fd, again;
	eventfd_t count;

	DO(loop_start());
	ev[0] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	ev[1] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	TEST_ASSERT_EQUAL(rte_vfio_user_server_irq_fd(loop.srv, MSIX, 3), -ENOENT, "none");
	TEST_ASSERT_EQUAL(rte_vfio_user_server_irq_fd(loop.srv, MSIX, NB_MSIX), -EINVAL,
			  "no vector");
	TEST_ASSERT_EQUAL(rte_vfio_user_server_irq_fd(loop.srv, 77, 0), -EINVAL, "no index");
	TEST_ASSERT_EQUAL(rte_vfio_user_server_irq_fd(NULL, MSIX, 0), -EINVAL, "no server");

	DO(rte_vfio_user_client_irq_assign(loop.client, MSIX, 3, 1, &ev[0]));
	fd = rte_vfio_user_server_irq_fd(loop.srv, MSIX, 3);
	TEST_ASSERT(fd >= 0 && fd != ev[0], "fd %d", fd);
	DO(eventfd_write(fd, 5));
	TEST_ASSERT(eventfd_read(ev[0], &count) == 0 && count == 5, "first eventfd");

	/* another one: the same number */
	DO(rte_vfio_user_client_irq_assign(loop.client, MSIX, 3, 1, &ev[1]));
	again = rte_vfio_user_server_irq_fd(loop.srv, MSIX, 3);
	TEST_ASSERT_EQUAL(again, fd, "it moved");
	DO(eventfd_write(fd, 7));
	TEST_ASSERT(eventfd_read(ev[1], &count) == 0 && count == 7, "second eventfd");
	TEST_ASSERT(eventfd_read(ev[0], &count) < 0 && errno == EAGAIN, "first one again");

	/* none: a write to the old number goes nowhere */
	DO(rte_vfio_user_client_irq_disable(loop.client, MSIX));
	TEST_ASSERT_EQUAL(rte_vfio_user_server_irq_fd(loop.srv, MSIX, 3), -ENOENT, "disabled");
	DO(eventfd_write(fd, 9));
	TEST_ASSERT(eventfd_read(ev[1], &count) < 0 && errno == EAGAIN, "disabled, but heard");
	close(ev[0]);
	close(ev[1]);
	return TEST_SUCCESS;
}

/* A section, which has begun, keeps what it saw. */
static int
check_section(struct rte_vfio_user_dma_reader *reader)
{
	const struct rte_vfio_user_dma_map map = {
		.iova = PAGE, .size = PAGE, .prot = PROT_READ, .fd = -1,
	};
	struct rte_vfio_user_dma_info info;

	DO(rte_vfio_user_client_dma_map(loop.client, &map, 1));
	DO(rte_vfio_user_dma_next(reader, PAGE, &info));
	TEST_ASSERT_EQUAL(info.iova, 2 * PAGE, "new in an old section");
	rte_vfio_user_dma_end(reader);
	rte_vfio_user_dma_begin(reader);
	DO(rte_vfio_user_dma_next(reader, PAGE, &info));
	TEST_ASSERT_EQUAL(info.iova, PAGE, "new in a new section");
	rte_vfio_user_dma_end(reader);
	return TEST_SUCCESS;
}

/* In any order of the addresses, at both ends of the address space. */
static int
test_dma_next(void)
{
	struct rte_vfio_user_dma_map map = {
		.size = PAGE, .prot = PROT_READ | PROT_WRITE, .fd = -1,
	};
	struct rte_vfio_user_dma_reader *reader;
	struct rte_vfio_user_dma_info info;
	uint64_t iova = 0;
	uint32_t i, nb;
	int fd;

	DO(loop_start());
	reader = rte_vfio_user_server_dma_reader_create(loop.srv);
	TEST_ASSERT_NOT_NULL(reader, "reader");
	rte_vfio_user_dma_begin(reader);
	TEST_ASSERT_EQUAL(rte_vfio_user_dma_next(reader, 0, &info), -ENOENT, "empty");
	rte_vfio_user_dma_end(reader);
	TEST_ASSERT_EQUAL(rte_vfio_user_dma_next(NULL, 0, &info), -EINVAL, "no reader");
	TEST_ASSERT_EQUAL(rte_vfio_user_dma_next(reader, 0, NULL), -EINVAL, "no info");

	for (i = 0; i < NB_MAPS; i++) {
		map.iova = (uint64_t)(i * 7 % NB_MAPS) * 2 * PAGE;
		DO(rte_vfio_user_client_dma_map(loop.client, &map, 1));
	}
	fd = memfd_create("dma_next", MFD_CLOEXEC);
	DO(ftruncate(fd, 2 * PAGE));
	map.iova = UINT64_MAX - PAGE + 1;
	map.fd = fd;
	map.fd_offset = PAGE;
	DO(rte_vfio_user_client_dma_map(loop.client, &map, 1));

	rte_vfio_user_dma_begin(reader);
	for (nb = 0; rte_vfio_user_dma_next(reader, iova, &info) == 0; nb++) {
		if (nb < NB_MAPS)
			TEST_ASSERT(info.iova == (uint64_t)nb * 2 * PAGE &&
				    info.mode == RTE_VFIO_USER_DMA_MSG && info.fd == -1 &&
				    info.va == NULL, "mapping %u", nb);
		TEST_ASSERT(info.size == PAGE && info.prot == (PROT_READ | PROT_WRITE),
			    "mapping %u", nb);
		iova = info.iova + info.size;
		if (iova == 0)
			break;
	}
	TEST_ASSERT_EQUAL(nb, NB_MAPS, "%u mappings", nb);
	TEST_ASSERT(info.iova == UINT64_MAX - PAGE + 1 && info.va != NULL && info.fd >= 0 &&
		    info.fd_offset == PAGE && info.mode == RTE_VFIO_USER_DMA_MMAP, "the last");
	DO(rte_vfio_user_dma_next(reader, 2 * PAGE + 5, &info));
	TEST_ASSERT_EQUAL(info.iova, 2 * PAGE, "from inside");
	DO(rte_vfio_user_dma_next(reader, 3 * PAGE, &info));
	TEST_ASSERT_EQUAL(info.iova, 4 * PAGE, "from between");

	DO(check_section(reader));
	rte_vfio_user_server_dma_reader_destroy(reader);
	close(fd);
	return TEST_SUCCESS;
}

/* A client that wants one file per region is not shown areas with their own. */
static int
test_no_sparse_fds(void)
{
	struct rte_vfio_user_negotiated neg;
	struct vfio_region_info *info;
	uint32_t nb = 4;
	int fds[4];

	loop.client_conf.flags = RTE_VFIO_USER_CLIENT_F_NO_SPARSE_FDS;
	DO(loop_start());
	DO(rte_vfio_user_client_negotiated(loop.client, &neg));
	TEST_ASSERT(!neg.sparse_mmap_fds, "negotiated");
	DO(rte_vfio_user_client_region_info(loop.client, 3, &info, fds, &nb));
	TEST_ASSERT(nb == 1, "%u fds", nb);
	close(fds[0]);
	free(info);
	return TEST_SUCCESS;
}

static struct unit_test_suite suite = {
	.suite_name = "what the device can ask about its client",
	.unit_test_cases = {
		TEST_CASE_ST(loop_setup, loop_teardown, test_irq_fd),
		TEST_CASE_ST(loop_setup, loop_teardown, test_dma_next),
		TEST_CASE_ST(loop_setup, loop_teardown, test_no_sparse_fds),
		TEST_CASES_END()
	}
};

static int
test_vfio_user_loopback_query(void)
{
	return unit_test_suite_runner(&suite);
}

REGISTER_TEST_COMMAND(vfio_user_loopback_query_autotest, test_vfio_user_loopback_query);
