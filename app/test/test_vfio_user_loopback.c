/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

/* Server and client of the library in one process: everything but DMA. */

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <rte_common.h>
#include <rte_errno.h>

#include "test.h"
#include "test_vfio_user_fds.h"
#include "test_vfio_user_loopback.h"

#define MSIX VFIO_PCI_MSIX_IRQ_INDEX
#define INTX VFIO_PCI_INTX_IRQ_INDEX
#define CONFIG VFIO_PCI_CONFIG_REGION_INDEX

/* -------------------------------------------------------------- information */

static int
test_negotiated(void)
{
	struct rte_vfio_user_negotiated neg;

	loop.server_conf.max_data_xfer_size = 65536;
	loop.server_conf.max_msg_fds = 30;
	loop.client_conf.max_dma_maps = 77;
	DO(loop_start());
	DO(rte_vfio_user_client_negotiated(loop.client, &neg));
	TEST_ASSERT(neg.major == 0 && neg.minor == RTE_VFIO_USER_PROTO_MINOR &&
		    neg.max_msg_fds == 30 && neg.max_data_xfer_size == 65536 &&
		    neg.max_dma_maps == 77 && neg.pgsizes == PAGE && neg.write_multiple &&
		    neg.twin_socket && neg.sparse_mmap_fds, "client");
	/* its poller stands still */
	WAIT_FOR(GET(loop.connected) == 1);
	DO(rte_vfio_user_runner_remove(loop.runner, loop.srv));
	DO(rte_vfio_user_server_negotiated(loop.srv, &neg));
	TEST_ASSERT(neg.max_msg_fds == 16 && neg.max_data_xfer_size == 65536 &&
		    neg.max_dma_maps == 77 && neg.twin_socket && neg.write_multiple, "server");
	loop_stop_client();
	WAIT_FOR(rte_vfio_user_server_poll(loop.srv) >= 0 && loop.lost == 1);
	TEST_ASSERT_EQUAL(rte_vfio_user_server_negotiated(loop.srv, &neg), -ENOTCONN, "gone");
	return TEST_SUCCESS;
}

static int
check_region(uint32_t index, uint64_t size, uint32_t flags, uint32_t want_fds)
{
	struct vfio_region_info *info;
	uint32_t nb = 16, i;
	int fds[16];

	DO(rte_vfio_user_client_region_info(loop.client, index, &info, fds, &nb));
	TEST_ASSERT(info->size == size && info->flags == flags && info->index == index,
		    "region %u: size 0x%llx, flags 0x%x", index,
		    (unsigned long long)info->size, info->flags);
	TEST_ASSERT_EQUAL(nb, want_fds, "region %u: %u fds", index, nb);
	for (i = 0; i < nb; i++)
		close(fds[i]);
	free(info);
	/* without asking for the fds */
	DO(rte_vfio_user_client_region_info(loop.client, index, &info, NULL, NULL));
	free(info);
	return TEST_SUCCESS;
}

static int
test_info(void)
{
	const uint32_t rw = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE;
	const uint32_t map = rw | VFIO_REGION_INFO_FLAG_MMAP;
	const uint32_t caps = map | VFIO_REGION_INFO_FLAG_CAPS;
	struct rte_vfio_user_region_io_fd *ios;
	struct vfio_device_info device;
	struct vfio_region_info *info;
	struct vfio_irq_info irq;
	uint32_t nb_ios, nb_fds = 1;
	int fd, before;

	DO(loop_start());
	DO(rte_vfio_user_client_device_info(loop.client, &device));
	TEST_ASSERT(device.num_regions == 9 && device.num_irqs == 5 && device.flags ==
		    (VFIO_DEVICE_FLAGS_PCI | VFIO_DEVICE_FLAGS_RESET), "device");
	before = count_fds();
	DO(check_region(0, BAR0_SIZE, rw, 0));
	DO(check_region(1, BAR1_SIZE, rw, 0));
	DO(check_region(2, BAR2_SIZE, caps, 1));
	DO(check_region(3, BAR3_SIZE, caps, 2));
	DO(check_region(4, BAR4_SIZE, map, 1));
	DO(check_region(5, 0, 0, 0));
	DO(check_region(CONFIG, CONFIG_SIZE, VFIO_REGION_INFO_FLAG_READ, 0));
	TEST_ASSERT_EQUAL(rte_vfio_user_client_region_info(loop.client, 9, &info, NULL, NULL),
			  -EINVAL, "no such region");
	DO(rte_vfio_user_client_irq_info(loop.client, MSIX, &irq));
	TEST_ASSERT(irq.count == NB_MSIX && irq.flags ==
		    (VFIO_IRQ_INFO_EVENTFD | VFIO_IRQ_INFO_NORESIZE), "MSI-X");
	TEST_ASSERT_EQUAL(rte_vfio_user_client_irq_info(loop.client, 5, &irq), -EINVAL, "IRQ");
	DO(rte_vfio_user_client_region_io_fds(loop.client, 0, &ios, &nb_ios, &fd, &nb_fds));
	TEST_ASSERT(nb_ios == 1 && nb_fds == 1 && ios[0].offset == 0x100 && ios[0].size == 4 &&
		    ios[0].fd_index == 0 && ios[0].type == 0, "ioeventfd");
	DO(eventfd_write(fd, 5));
	TEST_ASSERT_EQUAL(read(loop.ioeventfd, &(uint64_t){ 0 }, 8), 8, "doorbell");
	close(fd);
	free(ios);
	nb_fds = 0;
	TEST_ASSERT_EQUAL(rte_vfio_user_client_region_io_fds(loop.client, 0, &ios, &nb_ios,
			NULL, &nb_fds), -ENOSPC, "no room");
	TEST_ASSERT_EQUAL(count_fds(), before, "fds");
	return TEST_SUCCESS;
}

/* ------------------------------------------------------------------ regions */

static ssize_t
odd_hook(const struct rte_vfio_user_region_access *acc)
{
	if (acc->offset >= 0x8000)
		return acc->is_write ? -EACCES : -ENXIO;
	if (acc->offset >= 0x4000) /* half of it */
		return acc->is_write ? acc->count / 2 : acc->count - acc->count / 2;
	if (acc->offset >= 0x2000)
		return acc->count + 1; /* nonsense */
	return loop_store(acc);
}

static int
test_callback(void)
{
	uint8_t out[BAR0_SIZE], in[BAR0_SIZE];
	struct rte_vfio_user_client *c;
	uint32_t len;

	DO(loop_start());
	c = loop.client;
	for (len = 1; len <= 20; len++) {
		loop_fill(out, len, len);
		DO(loop_write(0, len * 7, out, len));
		DO(loop_read(0, len * 7, in, len));
		TEST_ASSERT(loop_is_filled(in, len, len), "%u bytes", len);
	}
	loop_fill(out, BAR0_SIZE, 99);
	DO(loop_write(0, 0, out, BAR0_SIZE));
	DO(loop_read(0, 0, in, BAR0_SIZE));
	TEST_ASSERT(loop_is_filled(in, BAR0_SIZE, 99), "all of it");
	DO(loop_read(0, BAR0_SIZE, in, 0));
	TEST_ASSERT_EQUAL(loop_read(0, BAR0_SIZE - 3, in, 4), -EINVAL, "over the end");
	TEST_ASSERT_EQUAL(loop_write(0, UINT64_MAX - 7, in, 4), -EINVAL, "far away");
	TEST_ASSERT_EQUAL(loop_write(0, UINT64_MAX, in, 4), -EINVAL, "wraps");
	TEST_ASSERT_EQUAL(loop_read(5, 0, in, 4), -EINVAL, "absent");
	TEST_ASSERT_EQUAL(loop_read(9, 0, in, 4), -EINVAL, "no such region");
	DO(loop_read(CONFIG, 0, in, CONFIG_SIZE));
	TEST_ASSERT_EQUAL(loop_write(CONFIG, 4, in, 2), -EINVAL, "read-only");
	loop.hook = odd_hook;
	TEST_ASSERT_EQUAL(loop_read(0, 0x8000, in, 4), -ENXIO, "error");
	TEST_ASSERT_EQUAL(loop_write(0, 0x8000, in, 4), -EACCES, "error");
	TEST_ASSERT_EQUAL(rte_vfio_user_client_region_read(c, 0, 0x4000, in, 7), 4, "short");
	TEST_ASSERT_EQUAL(rte_vfio_user_client_region_write(c, 0, 0x4000, in, 7), 3, "short");
	TEST_ASSERT_EQUAL(loop_read(0, 0x2000, in, 7), -EIO, "too much");
	TEST_ASSERT_EQUAL(loop_write(0, 0x2000, in, 7), -EIO, "too much");
	DO(loop_read(0, 0, in, 16));
	return TEST_SUCCESS;
}

static int
transfer_16m(uint32_t xfer)
{
	const size_t len = (16u << 20) + 5;
	uint8_t *buf = malloc(len);
	struct rte_vfio_user_negotiated neg;

	memset(loop.bar1, 0, BAR1_SIZE);
	loop.server_conf.max_data_xfer_size = xfer;
	loop.client_conf.max_data_xfer_size = xfer;
	DO(loop_start());
	DO(rte_vfio_user_client_negotiated(loop.client, &neg));
	TEST_ASSERT_EQUAL(neg.max_data_xfer_size, xfer, "negotiated");
	loop_fill(buf, len, xfer);
	DO(loop_write(1, 12345, buf, len));
	TEST_ASSERT(loop_is_filled(loop.bar1 + 12345, len, xfer), "written");
	memset(buf, 0, len);
	DO(loop_read(1, 12345, buf, len));
	TEST_ASSERT(loop_is_filled(buf, len, xfer), "read");
	free(buf);
	loop_stop_client();
	loop_stop_server();
	return TEST_SUCCESS;
}

static int
test_large(void)
{
	DO(transfer_16m(1u << 20));
	DO(transfer_16m(RTE_VFIO_USER_MAX_XFER_SIZE));
	DO(transfer_16m(8192 + 1));
	return TEST_SUCCESS;
}

static int
test_mmap(void)
{
	struct rte_vfio_user_client *c;
	void *base, *again;
	uint8_t *va;

	DO(loop_start());
	c = loop.client;
	TEST_ASSERT_EQUAL(rte_vfio_user_client_region_mmap(c, 0, &base), -ENOTSUP, "callback");
	TEST_ASSERT_EQUAL(rte_vfio_user_client_region_mmap(c, 5, &base), -ENOTSUP, "absent");
	TEST_ASSERT_EQUAL(rte_vfio_user_client_region_mmap(c, 9, &base), -EINVAL, "none");
	TEST_ASSERT_NULL(rte_vfio_user_client_region_va(c, 2, PAGE, 1), "not yet");
	DO(rte_vfio_user_client_region_mmap(c, 2, &base));
	DO(rte_vfio_user_client_region_mmap(c, 2, &again));
	TEST_ASSERT_EQUAL(base, again, "another base");
	va = base;
	TEST_ASSERT(rte_vfio_user_client_region_va(c, 2, PAGE, PAGE) == va + PAGE, "area 0");
	TEST_ASSERT(rte_vfio_user_client_region_va(c, 2, 5 * PAGE, PAGE) == va + 5 * PAGE,
		    "area 1");
	TEST_ASSERT_NULL(rte_vfio_user_client_region_va(c, 2, 0, 1), "hole");
	TEST_ASSERT_NULL(rte_vfio_user_client_region_va(c, 2, PAGE, PAGE + 1), "over");
	TEST_ASSERT_NULL(rte_vfio_user_client_region_va(c, 2, PAGE, 0), "nothing");
	TEST_ASSERT_NULL(rte_vfio_user_client_region_va(c, 2, PAGE, UINT64_MAX), "wraps");
	/* mapped, by messages and in the device: the same bytes */
	va[PAGE + 3] = 0x11;
	TEST_ASSERT_EQUAL(loop.memory[0][PAGE + 3], 0x11, "device");
	DO(loop_write(2, 5 * PAGE, "\x22", 1));
	TEST_ASSERT_EQUAL(va[5 * PAGE], 0x22, "message");
	/* the first area is in the file of BAR4, at its fourth page */
	DO(rte_vfio_user_client_region_mmap(c, 3, &base));
	va = base;
	va[7] = 0x33;
	va[2 * PAGE + 8] = 0x44;
	TEST_ASSERT(loop.memory[2][3 * PAGE + 7] == 0x33 &&
		    loop.memory[1][2 * PAGE + 8] == 0x44, "files");
	DO(rte_vfio_user_client_region_mmap(c, 4, &base));
	va = base;
	TEST_ASSERT_EQUAL(va[3 * PAGE + 7], 0x33, "BAR4");
	TEST_ASSERT(rte_vfio_user_client_region_va(c, 4, 0, BAR4_SIZE) == va, "all of BAR4");
	return TEST_SUCCESS;
}

/* --------------------------------------------------------------- interrupts */

static uint64_t
came(int fd)
{
	eventfd_t count;

	return eventfd_read(fd, &count) == 0 ? count : 0;
}

static int
test_msix(void)
{
	struct rte_vfio_user_server *srv;
	int fds[NB_MSIX], before;
	uint32_t i;

	DO(loop_start());
	srv = loop.srv;
	for (i = 0; i < NB_MSIX; i++)
		fds[i] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	TEST_ASSERT_EQUAL(rte_vfio_user_server_irq_trigger(srv, MSIX, 0), -ENOENT, "none");
	/* more than one message takes */
	DO(rte_vfio_user_client_irq_assign(loop.client, MSIX, 0, NB_MSIX, fds));
	TEST_ASSERT_EQUAL(GET(loop.irq_changed), 3u, "messages");
	before = count_fds();
	for (i = 0; i < NB_MSIX; i++)
		DO(rte_vfio_user_server_irq_trigger(srv, MSIX, i));
	for (i = 0; i < NB_MSIX; i++)
		TEST_ASSERT_EQUAL(came(fds[i]), 1u, "vector %u", i);
	/* holes */
	close(fds[3]);
	close(fds[4]);
	fds[3] = fds[4] = -1;
	DO(rte_vfio_user_client_irq_assign(loop.client, MSIX, 1, 6, &fds[1]));
	for (i = 0; i < 8; i++)
		TEST_ASSERT_EQUAL(rte_vfio_user_server_irq_trigger(srv, MSIX, i),
				  i == 3 || i == 4 ? -ENOENT : 0, "vector %u", i);
	TEST_ASSERT_EQUAL(rte_vfio_user_client_irq_assign(loop.client, MSIX, NB_MSIX - 1, 2,
			fds), -EINVAL, "over the end");
	TEST_ASSERT_EQUAL(rte_vfio_user_client_irq_assign(loop.client, MSIX, 0, 1,
			&loop.file[0]), -EINVAL, "not an eventfd");
	TEST_ASSERT_EQUAL(rte_vfio_user_client_irq_unmask(loop.client, MSIX, 0), -ENOTTY,
			  "not maskable");
	DO(rte_vfio_user_client_irq_disable(loop.client, MSIX));
	for (i = 0; i < NB_MSIX; i++)
		TEST_ASSERT_EQUAL(rte_vfio_user_server_irq_trigger(srv, MSIX, i), -ENOENT,
				  "vector %u", i);
	TEST_ASSERT_EQUAL(count_fds(), before - 2, "fds");
	for (i = 0; i < NB_MSIX; i++)
		if (fds[i] >= 0)
			close(fds[i]);
	return TEST_SUCCESS;
}

static int
test_intx(void)
{
	int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);

	DO(loop_start());
	DO(rte_vfio_user_client_irq_assign(loop.client, INTX, 0, 1, &fd));
	DO(rte_vfio_user_server_irq_set_level(loop.srv, INTX, 0, true));
	TEST_ASSERT_EQUAL(came(fd), 1u, "edge");
	TEST_ASSERT_EQUAL(rte_vfio_user_server_irq_state(loop.srv, INTX, 0),
			  (int)(RTE_VFIO_USER_IRQ_ENABLED | RTE_VFIO_USER_IRQ_MASKED |
				RTE_VFIO_USER_IRQ_ASSERTED), "state");
	DO(rte_vfio_user_client_irq_unmask(loop.client, INTX, 0));
	TEST_ASSERT_EQUAL(came(fd), 1u, "still asserted");
	DO(rte_vfio_user_server_irq_set_level(loop.srv, INTX, 0, false));
	DO(rte_vfio_user_client_irq_unmask(loop.client, INTX, 0));
	TEST_ASSERT_EQUAL(came(fd), 0u, "not asserted");
	/* the interrupts of a client go with it */
	loop_stop_client();
	WAIT_FOR(GET(loop.lost) == 1);
	WAIT_FOR(rte_vfio_user_server_irq_trigger(loop.srv, INTX, 0) == -ENOENT);
	came(fd); /* by what came before that */
	TEST_ASSERT_EQUAL(rte_vfio_user_server_irq_trigger(loop.srv, INTX, 0), -ENOENT, "again");
	TEST_ASSERT_EQUAL(came(fd), 0u, "signalled");
	close(fd);
	return TEST_SUCCESS;
}

/* ------------------------------------------------------- order of accesses */

#define LOG_SIZE 8192

static struct {
	uint32_t value[LOG_SIZE];
	uint32_t nb; /* atomic */
} writes;

/* Writes of four bytes are logged, reads tell how many there were. */
static ssize_t
log_hook(const struct rte_vfio_user_region_access *acc)
{
	if (acc->is_write && acc->count == 4 && writes.nb < LOG_SIZE) {
		memcpy(&writes.value[writes.nb], acc->data, 4);
		SET(writes.nb, writes.nb + 1);
	} else if (!acc->is_write && acc->count == 4) {
		memcpy(acc->data, &writes.nb, 4);
	}
	return acc->count;
}

static uint32_t nb_done; /* asynchronous accesses; by one thread */

static void
count_cb(struct rte_vfio_user_client *client, ssize_t result, void *arg)
{
	uint32_t expected = (uint32_t)(uintptr_t)arg;

	RTE_SET_USED(client);
	if (result == 4 && nb_done == expected)
		nb_done++;
}

static int
write_multi(uint32_t *next, uint32_t nb)
{
	struct rte_vfio_user_write list[100];
	uint32_t i;
	int ret;

	memset(list, 0, sizeof(list));
	for (i = 0; i < nb; i++) {
		list[i].offset = 4 * i;
		list[i].len = 4;
		memcpy(list[i].data, next, 4);
		(*next)++;
	}
	ret = rte_vfio_user_client_region_write_multi(loop.client, list, nb);
	return ret == (int)nb ? 0 : -1;
}

/* All kinds of writes in turn; the device sees them in the order of the calls. */
static int
run_order(void)
{
	uint32_t next = 0, round, i, seen, asyncs = 0;

	loop.hook = log_hook;
	writes.nb = nb_done = 0;
	for (round = 0; round < 20; round++) {
		for (i = 0; i < 3 + round * 4; i++, next++)
			DO(rte_vfio_user_client_region_write_posted(loop.client, 0, 8, &next, 4));
		DO(write_multi(&next, 1 + round * 5));
		for (i = 0; i < 5; i++, next++)
			DO(rte_vfio_user_client_region_write_async(loop.client, 0, 8, &next, 4,
					count_cb, (void *)(uintptr_t)asyncs++));
		DO(loop_write(0, 8, &next, 4));
		next++;
		DO(loop_read(0, 0, &seen, 4));
		TEST_ASSERT_EQUAL(seen, next, "round %u: %u of %u", round, seen, next);
		TEST_ASSERT_EQUAL(nb_done, asyncs, "round %u", round);
	}
	for (i = 0; i < next; i++)
		TEST_ASSERT_EQUAL(writes.value[i], i, "write %u is %u", i, writes.value[i]);
	/* without anything behind them: by a flush, or by their number */
	for (i = 0; i < 5; i++, next++)
		DO(rte_vfio_user_client_region_write_posted(loop.client, 0, 8, &next, 4));
	DO(rte_vfio_user_client_flush(loop.client));
	WAIT_FOR(GET(writes.nb) == next);
	for (i = 0; i < 32; i++, next++)
		DO(rte_vfio_user_client_region_write_posted(loop.client, 0, 8, &next, 4));
	WAIT_FOR(GET(writes.nb) == next);
	return TEST_SUCCESS;
}

static int
test_order(void)
{
	uint32_t i = 0;

	DO(loop_start());
	DO(run_order());
	/* errors of posted writes are nobody's */
	DO(rte_vfio_user_client_region_write_posted(loop.client, 9, 0, &i, 4));
	DO(rte_vfio_user_client_region_write_posted(loop.client, 0, BAR0_SIZE, &i, 4));
	DO(loop_read(0, 0, &i, 4));
	loop_stop_client();
	loop_stop_server();
	/* a server that does not offer several writes at once */
	loop.server_conf.flags = RTE_VFIO_USER_SERVER_F_NO_WRITE_MULTI;
	DO(loop_start());
	DO(run_order());
	return TEST_SUCCESS;
}

/* A caller that polls before it sleeps gets all of it just the same. */
static int
test_order_busy(void)
{
	loop.client_conf.busy_poll_us = 500;
	return test_order();
}

static int
test_cork(void)
{
	uint32_t next, round, nb = 5;

	DO(loop_start());
	loop.hook = log_hook;
	for (round = 0; round < 3; round++) {
		writes.nb = nb_done = 0;
		DO(rte_vfio_user_client_cork(loop.client));
		for (next = 0; next < nb; next++)
			DO(rte_vfio_user_client_region_write_async(loop.client, 0, 8, &next, 4,
					count_cb, (void *)(uintptr_t)next));
		usleep(20000);
		TEST_ASSERT_EQUAL(GET(writes.nb), 0, "sent before the flush");
		if (round == 2)
			DO(loop_read(0, 0, &next, 4)); /* takes them along */
		else
			DO(rte_vfio_user_client_flush(loop.client));
		WAIT_FOR(rte_vfio_user_client_poll(loop.client) >= 0 && nb_done == nb);
	}
	/* the flush has ended it; a blocking call has not */
	DO(rte_vfio_user_client_flush(loop.client));
	DO(rte_vfio_user_client_region_write_async(loop.client, 0, 8, &next, 4, count_cb,
						   (void *)(uintptr_t)nb_done));
	WAIT_FOR(rte_vfio_user_client_poll(loop.client) >= 0 && nb_done == nb + 1);
	return TEST_SUCCESS;
}

static void
count_any_cb(struct rte_vfio_user_client *client, ssize_t result, void *arg)
{
	RTE_SET_USED(client);
	RTE_SET_USED(arg);
	nb_done += result > 0;
}

/* Corked accesses do not pile up without bound. */
static int
test_cork_full(void)
{
	static uint8_t buf[30000];
	uint32_t i;

	DO(loop_start());
	nb_done = 0;
	DO(rte_vfio_user_client_cork(loop.client));
	for (i = 0; i < 3; i++)
		DO(rte_vfio_user_client_region_write_async(loop.client, 1, 0, buf, sizeof(buf),
							   count_any_cb, NULL));
	WAIT_FOR(rte_vfio_user_client_poll(loop.client) >= 0 && nb_done == 3);
	return TEST_SUCCESS;
}

static ssize_t
third_hook(const struct rte_vfio_user_region_access *acc)
{
	return acc->offset == 8 ? -EROFS : loop_store(acc);
}

static int
test_multi_error(void)
{
	struct rte_vfio_user_write list[4];
	uint32_t round, i;

	for (round = 0; round < 2; round++) {
		loop.server_conf.flags = round == 0 ? 0 : RTE_VFIO_USER_SERVER_F_NO_WRITE_MULTI;
		loop.hook = third_hook;
		memset(loop.bar0, 0, 32);
		DO(loop_start());
		memset(list, 0, sizeof(list));
		for (i = 0; i < 4; i++) {
			list[i].offset = i * 4;
			list[i].len = 1 + i;
			memset(list[i].data, 0x50 + (int)i, 8);
		}
		TEST_ASSERT_EQUAL(rte_vfio_user_client_region_write_multi(loop.client, list, 4),
				  2, "the third fails");
		TEST_ASSERT(loop.bar0[0] == 0x50 && loop.bar0[1] == 0 && loop.bar0[4] == 0x51 &&
			    loop.bar0[5] == 0x51 && loop.bar0[6] == 0 && loop.bar0[8] == 0,
			    "written");
		TEST_ASSERT_EQUAL(rte_vfio_user_client_region_write_multi(loop.client, &list[2],
				2), -EROFS, "the first fails");
		list[0].len = 9;
		TEST_ASSERT_EQUAL(rte_vfio_user_client_region_write_multi(loop.client, list, 1),
				  -EINVAL, "nine bytes");
		list[0].len = 0;
		TEST_ASSERT_EQUAL(rte_vfio_user_client_region_write_multi(loop.client, list, 1),
				  -EINVAL, "no bytes");
		DO(rte_vfio_user_client_region_write_multi(loop.client, NULL, 0));
		loop_stop_client();
		loop_stop_server();
	}
	return TEST_SUCCESS;
}

/* ------------------------------------------------------------------- threads */

struct worker {
	pthread_t thread;
	uint32_t id, rounds;
	uint32_t failed, done; /* atomic */
	uint32_t async; /* completions outstanding; atomic */
	bool stop; /* atomic */
};

static void
worker_cb(struct rte_vfio_user_client *client, ssize_t result, void *arg)
{
	struct worker *w = arg;

	RTE_SET_USED(client);
	if (result != 64)
		COUNT(w->failed);
	__atomic_fetch_sub(&w->async, 1, __ATOMIC_ACQ_REL);
}

/* Own one part of BAR1: write, read back, of all lengths and by all ways. */
static void *
run_worker(void *arg)
{
	struct worker *w = arg;
	const uint64_t mine = (uint64_t)w->id << 20;
	uint8_t out[20000], in[20000], async[64];
	uint32_t i, len;

	for (i = 0; (w->rounds == 0 || i < w->rounds) && !GET(w->stop); i++) {
		len = i % 50 == 0 ? 20000 : 1 + i % 300;
		loop_fill(out, len, w->id + i);
		if (loop_write(1, mine + i % 100, out, len) != 0 ||
		    loop_read(1, mine + i % 100, in, len) != 0 ||
		    !loop_is_filled(in, len, w->id + i))
			COUNT(w->failed);
		COUNT(w->done);
		COUNT(w->async);
		if (rte_vfio_user_client_region_read_async(loop.client, 1, mine, async, 64,
							   worker_cb, w) < 0)
			__atomic_fetch_sub(&w->async, 1, __ATOMIC_ACQ_REL);
		while (GET(w->async) != 0 && GET(w->failed) == 0)
			loop_poll();
	}
	return NULL;
}

static void
start_worker(struct worker *w, uint32_t id, uint32_t rounds)
{
	memset(w, 0, sizeof(*w));
	w->id = id;
	w->rounds = rounds;
	pthread_create(&w->thread, NULL, run_worker, w);
}

static int
test_threads(void)
{
	struct worker w[5];
	uint32_t i;

	DO(loop_start());
	for (i = 0; i < RTE_DIM(w); i++)
		start_worker(&w[i], i, 150);
	for (i = 0; i < RTE_DIM(w); i++) {
		pthread_join(w[i].thread, NULL);
		TEST_ASSERT_EQUAL(w[i].failed, 0u, "thread %u: %u of %u", i, w[i].failed,
				  w[i].done);
	}
	return TEST_SUCCESS;
}

static int
test_runner(void)
{
	struct rte_vfio_user_runner *second = rte_vfio_user_runner_create("a very long name");
	struct rte_vfio_user_runner *from, *to, *runner[2];
	struct worker w;
	uint32_t i, seen;

	DO(loop_start());
	runner[0] = loop.runner;
	runner[1] = second;
	TEST_ASSERT_EQUAL(rte_vfio_user_runner_add(loop.runner, loop.srv), -EEXIST, "twice");
	TEST_ASSERT_EQUAL(rte_vfio_user_runner_remove(second, loop.srv), -ENOENT, "other");
	start_worker(&w, 0, 0);
	for (i = 0; i < 40; i++) {
		from = runner[i % 2];
		to = runner[1 - i % 2];
		DO(rte_vfio_user_runner_remove(from, loop.srv));
		/* nobody polls: from here on nothing more is done */
		seen = GET(w.done);
		usleep(500);
		TEST_ASSERT(GET(w.done) - seen <= 2, "polled after the removal");
		DO(rte_vfio_user_runner_add(to, loop.srv));
		WAIT_FOR(GET(w.done) > seen + 2);
	}
	SET(w.stop, true);
	pthread_join(w.thread, NULL);
	TEST_ASSERT_EQUAL(w.failed, 0u, "%u accesses", w.failed);
	rte_vfio_user_runner_destroy(second);
	return TEST_SUCCESS;
}

static int remove_result, destroy_result, poll_result;

/* From inside of a callback. */
static ssize_t
misuse_hook(const struct rte_vfio_user_region_access *acc)
{
	destroy_result = rte_vfio_user_server_destroy(loop.srv);
	poll_result = rte_vfio_user_server_poll(loop.srv);
	remove_result = rte_vfio_user_runner_remove(loop.runner, loop.srv);
	return acc->count;
}

static int
test_remove_in_callback(void)
{
	uint32_t val = 0;

	DO(loop_start());
	loop.hook = misuse_hook;
	DO(loop_write(0, 0, &val, 4));
	TEST_ASSERT_EQUAL(destroy_result, -EDEADLK, "destroy");
	TEST_ASSERT_EQUAL(poll_result, -EBUSY, "poll");
	TEST_ASSERT_EQUAL(remove_result, 0, "remove");
	loop.hook = NULL;
	WAIT_FOR(rte_vfio_user_runner_remove(loop.runner, loop.srv) == -ENOENT);
	usleep(1000);
	DO(rte_vfio_user_runner_add(loop.runner, loop.srv));
	DO(loop_read(0, 0, &val, 4));
	return TEST_SUCCESS;
}

/* A thread removes the server while its own callback does so, too. */
static ssize_t
slow_remove_hook(const struct rte_vfio_user_region_access *acc)
{
	SET(remove_result, 1);
	usleep(20000);
	SET(remove_result, rte_vfio_user_runner_remove(loop.runner, loop.srv));
	return acc->count;
}

static int
test_removed_twice(void)
{
	uint32_t val = 0, i;
	int ret;

	DO(loop_start());
	for (i = 0; i < 5; i++) {
		loop.hook = slow_remove_hook;
		remove_result = 0;
		DO(rte_vfio_user_client_region_write_posted(loop.client, 0, 0, &val, 4));
		DO(rte_vfio_user_client_flush(loop.client));
		WAIT_FOR(GET(remove_result) == 1);
		ret = rte_vfio_user_runner_remove(loop.runner, loop.srv);
		WAIT_FOR(GET(remove_result) != 1);
		TEST_ASSERT((ret == 0 && remove_result == -ENOENT) ||
			    (ret == -ENOENT && remove_result == 0), "both removed it");
		loop.hook = NULL;
		DO(rte_vfio_user_runner_add(loop.runner, loop.srv));
		DO(loop_read(0, 0, &val, 4));
	}
	return TEST_SUCCESS;
}

#define CASE(fn) TEST_CASE_ST(loop_setup, loop_teardown, fn)

static struct unit_test_suite loopback_suite = {
	.suite_name = "vfio-user server and client",
	.unit_test_cases = {
		CASE(test_negotiated),
		CASE(test_info),
		CASE(test_callback),
		CASE(test_large),
		CASE(test_mmap),
		CASE(test_msix),
		CASE(test_intx),
		CASE(test_order),
		CASE(test_order_busy),
		CASE(test_cork),
		CASE(test_cork_full),
		CASE(test_multi_error),
		CASE(test_threads),
		CASE(test_runner),
		CASE(test_remove_in_callback),
		CASE(test_removed_twice),
		TEST_CASES_END()
	},
};

static int
test_vfio_user_loopback(void)
{
	return unit_test_suite_runner(&loopback_suite);
}

REGISTER_TEST_COMMAND(vfio_user_loopback_autotest, test_vfio_user_loopback);
