/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

/* Queues that are used: buffers, notifications and interrupts. */

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>

#include <linux/pci_regs.h>

#include "test.h"
#include "test_virtio_dev.h"

#define REG(name, len) virtio_driver_reg(&vloop.drv, VIRTIO_PCI_COMMON_ ## name, len)
#define REG_SET(name, len, val) \
	DO(virtio_driver_reg_set(&vloop.drv, VIRTIO_PCI_COMMON_ ## name, len, val))
#define NEEDS_RESET VIRTIO_CONFIG_S_NEEDS_RESET
#define QUEUE(n) (&vloop.drv.queues[n])
#define SILENCE_MS 20 /* for what must not happen */

static uint64_t
broken_rings(uint16_t queue)
{
	struct rte_virtio_queue_info info;

	if (rte_virtio_queue_info_get(rte_virtio_dev_queue(vloop.dev, queue), &info) < 0)
		return UINT64_MAX;
	return info.broken;
}

/* One buffer of 64 bytes to read and 64 to write; its id. */
static int
add_one(uint16_t queue)
{
	uint64_t at = virtio_driver_alloc(&vloop.drv, 128, 1);
	const struct virtio_driver_buf bufs[] = { { at, 64 }, { at + 64, 64 } };

	return at == 0 ? -ENOMEM : virtio_driver_add(QUEUE(queue), bufs, 1, 1, false);
}

static bool
took_one(uint16_t queue)
{
	uint32_t len;
	uint16_t id;

	return virtio_driver_used(QUEUE(queue), &id, &len) == 1;
}

/* ------------------------------------------------------------ the matrix */

static const uint64_t choices[] = {
	BIT(VIRTIO_F_RING_PACKED), BIT(VIRTIO_F_IN_ORDER), BIT(VIRTIO_RING_F_INDIRECT_DESC),
	BIT(VIRTIO_RING_F_EVENT_IDX), BIT(F_NOTIFICATION_DATA),
};

static int
each_combination(uint32_t nb)
{
	uint64_t wanted;
	uint32_t i, bit;

	for (i = 0; i < 1u << RTE_DIM(choices); i++) {
		wanted = BIT(VIRTIO_F_ACCESS_PLATFORM) | BIT(VIRTIO_F_ORDER_PLATFORM);
		for (bit = 0; bit < RTE_DIM(choices); bit++)
			if (i >> bit & 1)
				wanted |= choices[bit];
		DO(vloop_up(wanted, 2));
		TEST_ASSERT_EQUAL(vloop.drv.features, (wanted | BIT(VIRTIO_F_VERSION_1)),
				  "features 0x%" PRIx64, vloop.drv.features);
		TEST_ASSERT(vloop_exchange(0, nb) == 0 && vloop_exchange(1, 3) == 0,
			    "features 0x%" PRIx64, wanted);
	}
	return TEST_SUCCESS;
}

/* More buffers than the ring has entries: it wraps. */
static int
test_matrix_polled(void)
{
	DO(vloop_start());
	DO(vloop_start_thread(2));
	return each_combination(100);
}

static int
test_matrix_notified(void)
{
	vloop.echo_in_notify = true;
	DO(vloop_start());
	return each_combination(40);
}

static int
test_sizes(void)
{
	static const uint16_t sizes[] = { 2, 4, 8, 0 }, packed[] = { 2, 3, 7, 0 };
	uint32_t i;

	DO(vloop_start());
	DO(vloop_start_thread(1));
	for (i = 0; i < RTE_DIM(sizes); i++) {
		DO(virtio_driver_negotiate(&vloop.drv, BIT(VIRTIO_RING_F_INDIRECT_DESC)));
		DO(virtio_driver_queue(&vloop.drv, 0, sizes[i]));
		DO(virtio_driver_ok(&vloop.drv));
		DO(vloop_exchange(0, 1));
		DO(virtio_driver_negotiate(&vloop.drv, BIT(VIRTIO_F_RING_PACKED) |
					   BIT(VIRTIO_RING_F_INDIRECT_DESC)));
		DO(virtio_driver_queue(&vloop.drv, 0, packed[i]));
		DO(virtio_driver_ok(&vloop.drv));
		DO(vloop_exchange(0, 1));
	}
	return TEST_SUCCESS;
}

/* DPDK's driver places the device area outside of larger packed rings. */
static int
test_packed_limit(void)
{
	vloop.conf.queue_size = 4096;
	DO(vloop_start());
	DO(virtio_driver_negotiate(&vloop.drv, 0));
	TEST_ASSERT_EQUAL(REG(Q_SIZE, 2), 4096, "split");
	DO(virtio_driver_negotiate(&vloop.drv, BIT(VIRTIO_F_RING_PACKED)));
	TEST_ASSERT_EQUAL(REG(Q_SIZE, 2), RTE_VIRTIO_DEV_MAX_PACKED_SIZE, "packed");
	DO(virtio_driver_queue_make(&vloop.drv, 0, 2048));
	DO(virtio_driver_queue_write(&vloop.drv, 0));
	REG_SET(Q_ENABLE, 2, 1);
	TEST_ASSERT_EQUAL(REG(Q_ENABLE, 2), 0, "too large");
	TEST_ASSERT(virtio_driver_status(&vloop.drv) & NEEDS_RESET, "too large");
	DO(virtio_driver_reset(&vloop.drv));
	TEST_ASSERT_EQUAL(REG(Q_SIZE, 2), 4096, "after the reset");
	return TEST_SUCCESS;
}

/* ---------------------------------------------------------------- set-up */

static int
test_not_before_driver_ok(void)
{
	vloop.echo_in_notify = true;
	DO(vloop_start());
	DO(virtio_driver_negotiate(&vloop.drv, 0));
	DO(virtio_driver_queue(&vloop.drv, 0, 0));
	TEST_ASSERT_EQUAL(REG(Q_ENABLE, 2), 1, "enabled");
	TEST_ASSERT(add_one(0) >= 0, "buffer");
	DO(virtio_driver_kick(QUEUE(0)));
	TEST_ASSERT(vloop_echo(rte_virtio_dev_queue(vloop.dev, 0)) == -1 && !took_one(0) &&
		    GET(vloop.notified[0]) == 0 && GET(vloop.started[0]) == 0, "too early");
	/* what is there already is not forgotten */
	DO(virtio_driver_ok(&vloop.drv));
	TEST_ASSERT(GET(vloop.started[0]) == 1 && took_one(0), "live");
	TEST_ASSERT_EQUAL(GET(vloop.started[1]), 0, "another queue");
	/* a queue that comes later */
	DO(virtio_driver_queue(&vloop.drv, 1, 0));
	TEST_ASSERT_EQUAL(GET(vloop.started[1]), 1, "live at once");
	DO(vloop_exchange(1, 5));
	return TEST_SUCCESS;
}

/* The device writes nothing to the rings when they are enabled. */
static int
test_memory_is_left_alone(void)
{
	DO(vloop_start());
	DO(virtio_driver_negotiate(&vloop.drv, BIT(VIRTIO_F_RING_PACKED)));
	DO(virtio_driver_queue_make(&vloop.drv, 0, 16));
	memset(vloop.drv.mem, 0x5a, vloop.drv.mem_used);
	DO(virtio_driver_queue_write(&vloop.drv, 0));
	REG_SET(Q_ENABLE, 2, 1);
	DO(virtio_driver_ok(&vloop.drv));
	TEST_ASSERT(vloop.drv.mem[0] == 0x5a &&
		    memcmp(vloop.drv.mem, vloop.drv.mem + 1, vloop.drv.mem_used - 1) == 0,
		    "written");
	return TEST_SUCCESS;
}

static int
refuses_queue(uint32_t offset, uint32_t len, uint64_t val)
{
	DO(virtio_driver_negotiate(&vloop.drv, 0));
	DO(virtio_driver_queue_make(&vloop.drv, 0, 0 + 16));
	DO(virtio_driver_queue_write(&vloop.drv, 0));
	DO(virtio_driver_reg_set(&vloop.drv, offset, len, val));
	REG_SET(Q_ENABLE, 2, 1);
	TEST_ASSERT_EQUAL(REG(Q_ENABLE, 2), 0, "enabled with 0x%" PRIx64 " at %u", val, offset);
	TEST_ASSERT(virtio_driver_status(&vloop.drv) & NEEDS_RESET, "no reset asked for");
	/* the others do not mind */
	DO(virtio_driver_queue(&vloop.drv, 1, 0));
	DO(virtio_driver_ok(&vloop.drv));
	DO(vloop_exchange(1, 2));
	DO(virtio_driver_reset(&vloop.drv));
	return TEST_SUCCESS;
}

static int
test_bad_queues(void)
{
	vloop.echo_in_notify = true;
	DO(vloop_start());
	DO(refuses_queue(VIRTIO_PCI_COMMON_Q_SIZE, 2, 0));
	DO(refuses_queue(VIRTIO_PCI_COMMON_Q_SIZE, 2, 17));
	DO(refuses_queue(VIRTIO_PCI_COMMON_Q_SIZE, 2, 2 * VLOOP_QUEUE_SIZE));
	DO(refuses_queue(VIRTIO_PCI_COMMON_Q_SIZE, 2, 0xffff));
	DO(refuses_queue(VIRTIO_PCI_COMMON_Q_DESCLO, 4, 8)); /* alignment */
	DO(refuses_queue(VIRTIO_PCI_COMMON_Q_AVAILLO, 4, 1));
	DO(refuses_queue(VIRTIO_PCI_COMMON_Q_USEDLO, 4, 2));
	DO(refuses_queue(VIRTIO_PCI_COMMON_Q_DESCLO, 8, UINT64_MAX - 15)); /* the end wraps */
	/* not before the features are known */
	DO(virtio_driver_reset(&vloop.drv));
	DO(virtio_driver_queue_make(&vloop.drv, 0, 16));
	DO(virtio_driver_queue_write(&vloop.drv, 0));
	REG_SET(Q_ENABLE, 2, 1);
	TEST_ASSERT_EQUAL(REG(Q_ENABLE, 2), 0, "no features");
	/* no other value than 1 enables */
	DO(virtio_driver_negotiate(&vloop.drv, 0));
	DO(virtio_driver_queue_make(&vloop.drv, 0, 16));
	DO(virtio_driver_queue_write(&vloop.drv, 0));
	REG_SET(Q_ENABLE, 2, 2);
	TEST_ASSERT_EQUAL(REG(Q_ENABLE, 2), 0, "2");
	return TEST_SUCCESS;
}

/* What an enabled queue is cannot be changed under it. */
static int
test_enabled_is_locked(void)
{
	uint64_t desc;

	DO(vloop_start());
	DO(vloop_start_thread(1));
	DO(vloop_up(0, 1));
	desc = REG(Q_DESCLO, 8);
	REG_SET(Q_DESCLO, 8, 0);
	REG_SET(Q_AVAILLO, 8, 0);
	REG_SET(Q_USEDLO, 8, 0);
	REG_SET(Q_SIZE, 2, 1);
	REG_SET(Q_ENABLE, 2, 1);
	TEST_ASSERT(REG(Q_DESCLO, 8) == desc && REG(Q_SIZE, 2) == VLOOP_QUEUE_SIZE, "changed");
	DO(vloop_exchange(0, 10));
	TEST_ASSERT_EQUAL(GET(vloop.started[0]), 1, "started");
	return TEST_SUCCESS;
}

/* ---------------------------------------------------------------- faults */

static int
test_broken_ring(void)
{
	uint16_t *avail;

	DO(vloop_start());
	DO(vloop_start_thread(2));
	DO(virtio_driver_irqs(&vloop.drv, 2));
	DO(vloop_up(0, 2));
	avail = (uint16_t *)(uintptr_t)QUEUE(0)->driver;
	__atomic_store_n(&avail[1], 0x8000, __ATOMIC_RELEASE); /* far ahead */
	TEST_ASSERT_EQUAL(virtio_driver_irq_wait(vloop.drv.config_fd, 10000), 1, "interrupt");
	TEST_ASSERT(virtio_driver_status(&vloop.drv) & NEEDS_RESET, "status");
	TEST_ASSERT_EQUAL(virtio_driver_get(&vloop.drv, &vloop.drv.isr, 0, 1),
			  VIRTIO_PCI_ISR_CONFIG, "ISR");
	TEST_ASSERT(broken_rings(0) == 1 && broken_rings(1) == 0, "counters");
	DO(vloop_exchange(1, 10)); /* only its own queue */
	SET(vloop.polls, 0);
	WAIT_FOR(GET(vloop.polls) > 10);
	TEST_ASSERT(broken_rings(0) == 1 && !took_one(0), "still used");
	DO(vloop_up(0, 2));
	DO(vloop_exchange(0, 10));
	TEST_ASSERT((virtio_driver_status(&vloop.drv) & NEEDS_RESET) == 0, "status");
	TEST_ASSERT_EQUAL(broken_rings(0), 1, "counter");
	return TEST_SUCCESS;
}

static int
test_needs_reset(void)
{
	DO(vloop_start());
	DO(virtio_driver_irqs(&vloop.drv, 1));
	DO(vloop_up(0, 1));
	rte_virtio_dev_needs_reset(vloop.dev);
	rte_virtio_dev_needs_reset(vloop.dev);
	TEST_ASSERT_EQUAL(virtio_driver_irq_wait(vloop.drv.config_fd, 10000), 1, "once");
	TEST_ASSERT(virtio_driver_status(&vloop.drv) & NEEDS_RESET, "status");
	/* the driver's own writes do not clear it */
	DO(virtio_driver_status_add(&vloop.drv, 0));
	TEST_ASSERT(virtio_driver_status(&vloop.drv) & NEEDS_RESET, "status");
	DO(virtio_driver_reset(&vloop.drv));
	/* without DRIVER_OK there is nothing to interrupt, until it is set */
	DO(virtio_driver_negotiate(&vloop.drv, 0));
	DO(virtio_driver_queue(&vloop.drv, 0, 0));
	rte_virtio_dev_needs_reset(vloop.dev);
	TEST_ASSERT_EQUAL(virtio_driver_irq_wait(vloop.drv.config_fd, SILENCE_MS), 0, "early");
	DO(virtio_driver_ok(&vloop.drv));
	TEST_ASSERT_EQUAL(virtio_driver_irq_wait(vloop.drv.config_fd, 10000), 1, "owed");
	return TEST_SUCCESS;
}

static int
map_memory_at(uint64_t iova, bool map)
{
	const struct rte_vfio_user_dma_range range = { iova, VLOOP_MEM };
	const struct rte_vfio_user_dma_map req = {
		.iova = iova,
		.size = VLOOP_MEM,
		.prot = PROT_READ | PROT_WRITE,
		.fd = vloop.drv.fd,
		.vaddr = vloop.drv.mem,
	};

	return map ? rte_vfio_user_client_dma_map(vloop.client, &req, 1) :
		rte_vfio_user_client_dma_unmap(vloop.client, &range, 1);
}

static int
map_memory(bool map)
{
	return map_memory_at(VIRTIO_DRIVER_IOVA, map);
}

/* Memory comes after the queue was enabled, goes and comes back. */
static int
test_late_memory(void)
{
	int i;

	vloop.echo_in_notify = true;
	DO(vloop_start());
	DO(map_memory(false));
	DO(vloop_up(0, 1));
	TEST_ASSERT_EQUAL(GET(vloop.started[0]), 1, "live");
	for (i = 0; i < 3; i++) {
		TEST_ASSERT(add_one(0) >= 0, "buffer");
		DO(virtio_driver_kick(QUEUE(0)));
		TEST_ASSERT_EQUAL(vloop_echo(rte_virtio_dev_queue(vloop.dev, 0)), -1, "no memory");
		TEST_ASSERT(!took_one(0), "no memory");
		DO(map_memory(true)); /* the notification is repeated */
		WAIT_FOR(took_one(0));
		DO(map_memory(false));
	}
	TEST_ASSERT_EQUAL(broken_rings(0), 0, "it is not the ring's fault");
	TEST_ASSERT((virtio_driver_status(&vloop.drv) & NEEDS_RESET) == 0, "status");
	return TEST_SUCCESS;
}

static int
mapped_in_section(uint64_t features)
{
	struct rte_virtio_queue *q = rte_virtio_dev_queue(vloop.dev, 0);
	const struct virtio_driver_buf new = { 2 * VIRTIO_DRIVER_IOVA, 64 };
	struct rte_virtio_chain chain;
	struct rte_virtio_ring *ring;
	struct rte_virtio_buf buf;
	struct rte_virtio_seg seg;
	uint32_t len;
	uint16_t id;

	DO(vloop_up(features, 1));
	ring = rte_virtio_queue_begin(q);
	TEST_ASSERT_NOT_NULL(ring, "live");
	DO(map_memory_at(new.iova, true));
	TEST_ASSERT(virtio_driver_add(QUEUE(0), &new, 1, 0, false) >= 0, "buffer");
	TEST_ASSERT_EQUAL(rte_virtio_ring_pop(ring, &chain, &seg, 1), 1, "chain");
	TEST_ASSERT(seg.iova == new.iova && seg.len == new.len, "segment");
	rte_virtio_ring_push(ring, chain.id, chain.slots, 0);
	TEST_ASSERT(virtio_driver_add(QUEUE(0), &new, 1, 0, false) >= 0, "buffer");
	TEST_ASSERT_EQUAL(rte_virtio_ring_pop_burst(ring, &buf, 1), 1, "burst");
	rte_virtio_ring_push_burst(ring, &buf, NULL, 1);
	rte_virtio_ring_publish(ring);
	rte_virtio_queue_end(q);
	TEST_ASSERT_EQUAL(virtio_driver_wait(QUEUE(0), &id, &len), 1, "used");
	DO(map_memory_at(new.iova, false));
	/* without the mapping it is the driver's fault */
	ring = rte_virtio_queue_begin(q);
	TEST_ASSERT_NOT_NULL(ring, "live");
	TEST_ASSERT(virtio_driver_add(QUEUE(0), &new, 1, 0, false) >= 0, "buffer");
	TEST_ASSERT_EQUAL(rte_virtio_ring_pop(ring, &chain, &seg, 1), -EFAULT, "not mapped");
	rte_virtio_queue_end(q);
	return TEST_SUCCESS;
}

/* A driver behind an IOMMU maps a buffer right before it offers it. */
static int
test_mapped_in_section(void)
{
	DO(vloop_start());
	DO(mapped_in_section(0));
	return mapped_in_section(BIT(VIRTIO_F_RING_PACKED));
}

/* ------------------------------------------------------------ interrupts */

static int
wait_irq(uint16_t queue, uint64_t wanted)
{
	uint64_t got = virtio_driver_irq_wait(vloop.drv.queue_fds[queue],
					      wanted == 0 ? SILENCE_MS : 10000);

	TEST_ASSERT_EQUAL(got, wanted, "queue %u: %" PRIu64 " interrupts", queue, got);
	return TEST_SUCCESS;
}

static int
irqs_with(uint64_t wanted)
{
	DO(vloop_up(wanted, 2));
	virtio_driver_want_irq(QUEUE(0), true);
	TEST_ASSERT(add_one(0) >= 0, "buffer");
	DO(virtio_driver_kick(QUEUE(0)));
	DO(wait_irq(0, 1));
	TEST_ASSERT(took_one(0), "nothing used");
	virtio_driver_want_irq(QUEUE(0), false);
	TEST_ASSERT(add_one(0) >= 0, "buffer");
	DO(virtio_driver_kick(QUEUE(0)));
	TEST_ASSERT(took_one(0), "nothing used");
	DO(wait_irq(0, 0));
	DO(wait_irq(1, 0));
	/* without a vector there is none, although MSI-X is in use */
	virtio_driver_want_irq(QUEUE(0), true);
	REG_SET(Q_SELECT, 2, 0);
	REG_SET(Q_MSIX, 2, VIRTIO_MSI_NO_VECTOR);
	TEST_ASSERT(add_one(0) >= 0, "buffer");
	DO(virtio_driver_kick(QUEUE(0)));
	TEST_ASSERT(took_one(0), "nothing used");
	DO(wait_irq(0, 0));
	TEST_ASSERT_EQUAL(virtio_driver_get(&vloop.drv, &vloop.drv.isr, 0, 1), 0, "ISR");
	/* another vector, shared */
	REG_SET(Q_MSIX, 2, 2);
	virtio_driver_want_irq(QUEUE(0), true);
	TEST_ASSERT(add_one(0) >= 0, "buffer");
	DO(virtio_driver_kick(QUEUE(0)));
	TEST_ASSERT(took_one(0), "nothing used");
	DO(wait_irq(1, 1));
	return TEST_SUCCESS;
}

static int
test_msix(void)
{
	vloop.echo_in_notify = true;
	DO(vloop_start());
	DO(virtio_driver_irqs(&vloop.drv, 2));
	DO(irqs_with(0));
	DO(irqs_with(BIT(VIRTIO_RING_F_EVENT_IDX)));
	DO(irqs_with(BIT(VIRTIO_F_RING_PACKED)));
	DO(irqs_with(BIT(VIRTIO_F_RING_PACKED) | BIT(VIRTIO_RING_F_EVENT_IDX)));
	return TEST_SUCCESS;
}

static int
test_config_irq(void)
{
	uint8_t val = 1;

	DO(vloop_start());
	DO(virtio_driver_irqs(&vloop.drv, 1));
	DO(rte_virtio_dev_config_set(vloop.dev, 0, &val, 1)); /* nobody there */
	DO(vloop_up(0, 1));
	TEST_ASSERT_EQUAL(virtio_driver_irq_wait(vloop.drv.config_fd, SILENCE_MS), 0, "early");
	DO(rte_virtio_dev_config_set(vloop.dev, 0, &val, 1));
	TEST_ASSERT_EQUAL(virtio_driver_irq_wait(vloop.drv.config_fd, 10000), 1, "change");
	TEST_ASSERT_EQUAL(virtio_driver_get(&vloop.drv, &vloop.drv.isr, 0, 1),
			  VIRTIO_PCI_ISR_CONFIG, "ISR");
	/* between FEATURES_OK and DRIVER_OK: later */
	DO(virtio_driver_negotiate(&vloop.drv, 0));
	DO(virtio_driver_queue(&vloop.drv, 0, 0));
	DO(rte_virtio_dev_config_set(vloop.dev, 0, &val, 1));
	TEST_ASSERT_EQUAL(virtio_driver_irq_wait(vloop.drv.config_fd, SILENCE_MS), 0, "early");
	DO(virtio_driver_ok(&vloop.drv));
	TEST_ASSERT_EQUAL(virtio_driver_irq_wait(vloop.drv.config_fd, 10000), 1, "owed");
	/* what is owed to a driver is forgotten with it */
	DO(virtio_driver_negotiate(&vloop.drv, 0));
	DO(rte_virtio_dev_config_set(vloop.dev, 0, &val, 1));
	DO(vloop_up(0, 1));
	TEST_ASSERT_EQUAL(virtio_driver_irq_wait(vloop.drv.config_fd, SILENCE_MS), 0, "owed");
	return TEST_SUCCESS;
}

/* A driver without MSI-X: a line, and the ISR that says what for and lowers it. */
static int
check_intx(void)
{
	int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	uint8_t val = 1;

	vloop.echo_in_notify = true;
	DO(vloop_start());
	DO(rte_vfio_user_client_irq_assign(vloop.client, VFIO_PCI_INTX_IRQ_INDEX, 0, 1, &fd));
	DO(vloop_up(0, 1));
	TEST_ASSERT(add_one(0) >= 0, "buffer");
	DO(virtio_driver_kick(QUEUE(0)));
	TEST_ASSERT_EQUAL(virtio_driver_irq_wait(fd, 10000), 1, "queue");
	DO(rte_virtio_dev_config_set(vloop.dev, 0, &val, 1));
	TEST_ASSERT_EQUAL(virtio_driver_get(&vloop.drv, &vloop.drv.isr, 0, 1), 3, "ISR");
	TEST_ASSERT_EQUAL(virtio_driver_get(&vloop.drv, &vloop.drv.isr, 0, 1), 0, "read clears");
	DO(rte_vfio_user_client_irq_unmask(vloop.client, VFIO_PCI_INTX_IRQ_INDEX, 0));
	TEST_ASSERT_EQUAL(virtio_driver_irq_wait(fd, SILENCE_MS), 0, "the line is down");
	DO(rte_virtio_dev_config_set(vloop.dev, 0, &val, 1));
	TEST_ASSERT_EQUAL(virtio_driver_irq_wait(fd, 10000), 1, "configuration");
	/* not read: asserted still */
	DO(rte_vfio_user_client_irq_unmask(vloop.client, VFIO_PCI_INTX_IRQ_INDEX, 0));
	TEST_ASSERT_EQUAL(virtio_driver_irq_wait(fd, 10000), 1, "again");
	DO(virtio_driver_reset(&vloop.drv));
	DO(rte_vfio_user_client_irq_unmask(vloop.client, VFIO_PCI_INTX_IRQ_INDEX, 0));
	TEST_ASSERT_EQUAL(virtio_driver_irq_wait(fd, SILENCE_MS), 0, "a reset lowers it");
	close(fd);
	return 0;
}

static int
test_intx(void)
{
	return check_intx();
}

static int
test_no_msix(void)
{
	struct vfio_irq_info info;

	vloop.conf.flags = RTE_VIRTIO_DEV_F_NO_MSIX;
	DO(check_intx());
	DO(rte_vfio_user_client_irq_info(vloop.client, VFIO_PCI_MSIX_IRQ_INDEX, &info));
	TEST_ASSERT_EQUAL(info.count, 0, "vectors");
	/* no vector can be had */
	DO(virtio_driver_reg_set(&vloop.drv, VIRTIO_PCI_COMMON_MSIX, 2, 0));
	TEST_ASSERT_EQUAL(virtio_driver_reg(&vloop.drv, VIRTIO_PCI_COMMON_MSIX, 2),
			  VIRTIO_MSI_NO_VECTOR, "a vector");
	return TEST_SUCCESS;
}

static int
write_msix_control(uint16_t val)
{
	uint8_t config[PCI_CFG_SPACE_SIZE], off;

	TEST_ASSERT_EQUAL(rte_vfio_user_client_region_read(vloop.client,
			VFIO_PCI_CONFIG_REGION_INDEX, 0, config, sizeof(config)), sizeof(config),
			"read");
	for (off = config[PCI_CAPABILITY_LIST]; off != 0 && config[off] != PCI_CAP_ID_MSIX; )
		off = config[off + PCI_CAP_LIST_NEXT];
	TEST_ASSERT(off != 0, "no MSI-X");
	TEST_ASSERT_EQUAL(rte_vfio_user_client_region_write(vloop.client,
			VFIO_PCI_CONFIG_REGION_INDEX, off + PCI_MSIX_FLAGS, &val, sizeof(val)),
			sizeof(val), "write");
	return TEST_SUCCESS;
}

/* MSI-X goes after the queue has learnt that it has no vector, and nothing tells it. */
static int
test_intx_after_msix(void)
{
	int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);

	vloop.echo_in_notify = true;
	DO(vloop_start());
	DO(write_msix_control(PCI_MSIX_FLAGS_ENABLE));
	DO(rte_vfio_user_client_irq_assign(vloop.client, VFIO_PCI_INTX_IRQ_INDEX, 0, 1, &fd));
	DO(virtio_driver_negotiate(&vloop.drv, 0));
	DO(virtio_driver_queue(&vloop.drv, 0, 0));
	DO(write_msix_control(0));
	DO(virtio_driver_ok(&vloop.drv));
	TEST_ASSERT(add_one(0) >= 0, "buffer");
	DO(virtio_driver_kick(QUEUE(0)));
	TEST_ASSERT_EQUAL(virtio_driver_irq_wait(fd, 10000), 1, "queue");
	close(fd);
	return TEST_SUCCESS;
}

/* --------------------------------------------------------- notifications */

static int
test_ioeventfd(void)
{
	struct rte_vfio_user_region_io_fd *ios;
	int fds[VLOOP_QUEUES * 2], kick;
	uint32_t nb_ios, nb_fds = RTE_DIM(fds), i;

	vloop.conf.flags = RTE_VIRTIO_DEV_F_NOTIFY_IOEVENTFD;
	DO(vloop_start());
	DO(vloop_up(0, VLOOP_QUEUES));
	kick = rte_virtio_queue_kick_fd(rte_virtio_dev_queue(vloop.dev, 1));
	TEST_ASSERT(kick >= 0, "eventfd");
	DO(rte_vfio_user_client_region_io_fds(vloop.client, 0, &ios, &nb_ios, fds, &nb_fds));
	TEST_ASSERT_EQUAL(nb_ios, 2 * VLOOP_QUEUES, "%u of them", nb_ios);
	(void)virtio_driver_irq_wait(kick, 10000); /* it has become live */
	for (i = 0; i < nb_ios; i++) {
		TEST_ASSERT(ios[i].size == 2 || ios[i].size == 4, "size");
		if (ios[i].offset != vloop.drv.notify.offset + 64)
			continue;
		DO(eventfd_write(fds[ios[i].fd_index], 1));
		TEST_ASSERT_EQUAL(virtio_driver_irq_wait(kick, 10000), 1, "queue 1");
	}
	for (i = 0; i < nb_fds; i++)
		close(fds[i]);
	free(ios);
	/* a message does the same */
	DO(virtio_driver_kick(QUEUE(1)));
	TEST_ASSERT_EQUAL(virtio_driver_irq_wait(kick, 10000), 1, "message");
	TEST_ASSERT_EQUAL(GET(vloop.notified[1]), 0, "callback");
	return TEST_SUCCESS;
}

/* A client makes the eventfd it shares block, and fills it. */
static int
test_ioeventfd_full(void)
{
	struct rte_vfio_user_region_io_fd *ios;
	int fds[VLOOP_QUEUES * 2];
	uint32_t nb_ios, nb_fds = RTE_DIM(fds), i;

	vloop.conf.flags = RTE_VIRTIO_DEV_F_NOTIFY_IOEVENTFD;
	DO(vloop_start());
	DO(vloop_up(0, VLOOP_QUEUES));
	DO(rte_vfio_user_client_region_io_fds(vloop.client, 0, &ios, &nb_ios, fds, &nb_fds));
	for (i = 0; i < nb_fds; i++) {
		DO(fcntl(fds[i], F_SETFL, 0));
		while (virtio_driver_irq_wait(fds[i], 0) != 0)
			;
		DO(eventfd_write(fds[i], UINT64_MAX - 1));
	}
	for (i = 0; i < VLOOP_QUEUES; i++)
		DO(virtio_driver_kick(QUEUE(i)));
	DO(vloop_up(0, VLOOP_QUEUES));
	for (i = 0; i < nb_fds; i++)
		close(fds[i]);
	free(ios);
	return TEST_SUCCESS;
}

static int
test_doorbells(void)
{
	const uint32_t *bell;
	uint32_t *mapped;
	uint64_t at;
	void *base;

	vloop.conf.flags = RTE_VIRTIO_DEV_F_NOTIFY_MMAP;
	DO(vloop_start());
	DO(vloop_up(BIT(F_NOTIFICATION_DATA), 2));
	bell = rte_virtio_queue_doorbell(rte_virtio_dev_queue(vloop.dev, 1));
	TEST_ASSERT(bell != NULL && (uintptr_t)bell % 64 == 0, "doorbell");
	DO(rte_vfio_user_client_region_mmap(vloop.client, 0, &base));
	at = vloop.drv.notify.offset + 64;
	mapped = rte_vfio_user_client_region_va(vloop.client, 0, at, 4);
	TEST_ASSERT_NOT_NULL(mapped, "not mappable");
	TEST_ASSERT_NULL(rte_vfio_user_client_region_va(vloop.client, 0, 0, 4), "registers");
	__atomic_store_n(mapped, 0x00050001, __ATOMIC_RELEASE);
	TEST_ASSERT_EQUAL(__atomic_load_n(bell, __ATOMIC_ACQUIRE), 0x00050001, "a store");
	/* messages reach the same memory, and the callback */
	SET(vloop.notified[1], 0);
	DO(virtio_driver_set(&vloop.drv, &vloop.drv.notify, 64, 4, 0x00060001));
	TEST_ASSERT(*mapped == 0x00060001 && GET(vloop.notified[1]) == 1, "a message");
	DO(virtio_driver_set(&vloop.drv, &vloop.drv.notify, 64, 2, 0x0002));
	DO(virtio_driver_set(&vloop.drv, &vloop.drv.notify, 67, 1, 0x11));
	TEST_ASSERT_EQUAL(*mapped, 0x11060002, "0x%x", *mapped);
	TEST_ASSERT_EQUAL(virtio_driver_get(&vloop.drv, &vloop.drv.notify, 64, 4), 0x11060002,
			  "read");
	vloop_disconnect(); /* the next client does not see it */
	DO(vloop_connect());
	TEST_ASSERT_EQUAL(virtio_driver_get(&vloop.drv, &vloop.drv.notify, 64, 4), 0, "cleared");
	return TEST_SUCCESS;
}

/* A queue of which no doorbell is shared: its notifications are messages. */
static int
check_trap(uint32_t flags)
{
	struct rte_virtio_queue *queue;
	uint64_t at;
	void *base;

	vloop.conf.flags = flags;
	DO(vloop_start());
	queue = rte_virtio_dev_queue(vloop.dev, 1);
	TEST_ASSERT_EQUAL(rte_virtio_queue_trap(NULL, true), -EINVAL, "no queue");
	DO(rte_virtio_queue_trap(queue, true));
	DO(vloop_up(0, 2));
	TEST_ASSERT_EQUAL(rte_virtio_queue_trap(queue, false), -EBUSY, "in use");
	TEST_ASSERT(QUEUE(0)->notify_off == 0 && QUEUE(1)->notify_off == 65, "doorbells");
	at = vloop.drv.notify.offset + 64u * QUEUE(1)->notify_off;
	TEST_ASSERT(64u * QUEUE(1)->notify_off + 4 <= vloop.drv.notify.len, "capability");
	if ((flags & RTE_VIRTIO_DEV_F_NOTIFY_MMAP) != 0) {
		DO(rte_vfio_user_client_region_mmap(vloop.client, 0, &base));
		TEST_ASSERT_NULL(rte_vfio_user_client_region_va(vloop.client, 0, at, 4), "shared");
	}
	SET(vloop.notified[1], 0);
	DO(virtio_driver_kick(QUEUE(1)));
	TEST_ASSERT_EQUAL(GET(vloop.notified[1]), 1, "a message");
	TEST_ASSERT_EQUAL(virtio_driver_get(&vloop.drv, &vloop.drv.notify,
					    64 * QUEUE(1)->notify_off, 4), 0, "read");
	/* it stays so over a reset, until the device says otherwise */
	DO(virtio_driver_reset(&vloop.drv));
	DO(rte_virtio_queue_trap(queue, false));
	DO(vloop_up(0, 2));
	TEST_ASSERT_EQUAL(QUEUE(1)->notify_off, 1, "not trapped");
	return 0;
}

static int
test_trap_mmap(void)
{
	return check_trap(RTE_VIRTIO_DEV_F_NOTIFY_MMAP);
}

static int
test_trap_ioeventfd(void)
{
	return check_trap(RTE_VIRTIO_DEV_F_NOTIFY_IOEVENTFD);
}

static int
test_notifications(void)
{
	struct rte_virtio_queue_info info;
	uint8_t all[64 * VLOOP_QUEUES] = { 0 };

	DO(vloop_start());
	DO(vloop_up(0, 2));
	SET(vloop.notified[0], 0);
	SET(vloop.notified[1], 0);
	DO(virtio_driver_kick(QUEUE(1)));
	TEST_ASSERT(GET(vloop.notified[0]) == 0 && GET(vloop.notified[1]) == 1, "queue 1");
	/* one access to all doorbells; queues 2 and 3 are not live */
	TEST_ASSERT_EQUAL(rte_vfio_user_client_region_write(vloop.client, 0,
			vloop.drv.notify.offset, all, sizeof(all)), sizeof(all), "write");
	TEST_ASSERT(GET(vloop.notified[0]) == 1 && GET(vloop.notified[1]) == 2 &&
		    GET(vloop.notified[2]) == 0, "all");
	/* behind the last queue */
	DO(virtio_driver_set(&vloop.drv, &vloop.drv.notify, 64 * VLOOP_QUEUES, 2, 1));
	DO(rte_virtio_queue_info_get(rte_virtio_dev_queue(vloop.dev, 1), &info));
	TEST_ASSERT(info.index == 1 && info.size == VLOOP_QUEUE_SIZE && info.enabled &&
		    info.live && info.kicks == 2 && info.vector == VIRTIO_MSI_NO_VECTOR, "info");
	return TEST_SUCCESS;
}

#define CASE(fn) TEST_CASE_ST(vloop_setup, vloop_teardown, fn)

static struct unit_test_suite suite = {
	.suite_name = "virtio device: queues",
	.unit_test_cases = {
		CASE(test_matrix_polled),
		CASE(test_matrix_notified),
		CASE(test_sizes),
		CASE(test_packed_limit),
		CASE(test_not_before_driver_ok),
		CASE(test_memory_is_left_alone),
		CASE(test_bad_queues),
		CASE(test_enabled_is_locked),
		CASE(test_broken_ring),
		CASE(test_needs_reset),
		CASE(test_late_memory),
		CASE(test_mapped_in_section),
		CASE(test_msix),
		CASE(test_config_irq),
		CASE(test_intx),
		CASE(test_no_msix),
		CASE(test_intx_after_msix),
		CASE(test_ioeventfd),
		CASE(test_ioeventfd_full),
		CASE(test_doorbells),
		CASE(test_notifications),
		CASE(test_trap_mmap),
		CASE(test_trap_ioeventfd),
		TEST_CASES_END()
	}
};

static int
test_virtio_dev_data(void)
{
	return unit_test_suite_runner(&suite);
}

REGISTER_TEST_COMMAND(virtio_dev_data_autotest, test_virtio_dev_data);
