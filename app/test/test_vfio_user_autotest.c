/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

/*
 * The two autotests of the series: a device and its client, in two processes
 * and by rte_vfio_user.h only. They meet at the socket that the environment
 * variable VFIO_USER_TEST_SOCKET names. The client goes through every function;
 * the server knows what it will do and checks what it sees of it.
 */

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include <rte_common.h>
#include <rte_vfio_user.h>

#include "test.h"
#include "test_short.h"

#define PATIENCE_MS 60000
#define PAGE 4096u
#define CONFIG VFIO_PCI_CONFIG_REGION_INDEX
#define MSIX VFIO_PCI_MSIX_IRQ_INDEX
#define CONFIG_SIZE 0x100u
#define NB_MSIX 2u
#define MAPPED_BAR 2 /* memory that the client can map */

/* The doorbell: a write of an address makes the device copy and interrupt. */
#define DOORBELL_BAR 0
#define COPY_LEN 64u

#define GPA_NO_FILE 0x12345678u
#define GPA_FILE 0x40000000u /* page 1 of the file, then page 0 */

/*
 * The callbacks that the client causes: a reset, an interrupt, a first mapping,
 * which is taken back and given again; three in one call; one taken back.
 */
#define EVENTS "(r)()(n)(u)(u)(u)(u)(u)(u)d"

static const char *
socket_path(void)
{
	const char *path = getenv("VFIO_USER_TEST_SOCKET");

	return path != NULL ? path : "/tmp/vfio_user_autotest.sock";
}

/* ---------------------------------------------------------------- server */

static struct {
	char events[128];
	uint32_t nb_events;
	int failed;
	int destroyed;
	int device; /* the id, once there is one */
	struct rte_vfio_user_regions *regions;
	struct rte_vfio_user_irq_info *irqs;
} server;

#define SERVER_ASSERT(cond) do { \
	if (!(cond)) { \
		printf("%s:%d: %s\n", __FILE__, __LINE__, #cond); \
		SET(server.failed, 1); \
	} \
} while (0)

static void
event(char letter)
{
	if (server.nb_events < sizeof(server.events) - 1)
		server.events[server.nb_events++] = letter;
}

static int
on_new(int dev_id)
{
	const struct rte_vfio_user_mem *mem = rte_vfio_user_get_mem_table(dev_id);
	char path[128];

	event('n');
	server.device = dev_id;
	SERVER_ASSERT(rte_vfio_get_sock_addr(dev_id, path, sizeof(path)) == 0 &&
		      strcmp(path, socket_path()) == 0);
	SERVER_ASSERT(mem != NULL && mem->entry_num == 1 &&
		      mem->entry[0].gpa == GPA_NO_FILE && mem->entry[0].size == 0x10000 &&
		      mem->entry[0].host_user_addr == 0 && mem->entry[0].fd == -1);
	return 0;
}

/* What is there at the end: the mapping without a file, and two with one. */
static void
on_destroy(int dev_id)
{
	const struct rte_vfio_user_mem *mem = rte_vfio_user_get_mem_table(dev_id);
	int fds[NB_MSIX] = { -1, -1 };

	event('d');
	SERVER_ASSERT(mem != NULL && mem->entry_num == 3);
	if (mem != NULL && mem->entry_num == 3)
		SERVER_ASSERT(mem->entry[0].gpa == GPA_NO_FILE &&
			      mem->entry[1].gpa == GPA_FILE &&
			      mem->entry[2].gpa == GPA_FILE + PAGE &&
			      mem->entry[1].fd >= 0 && mem->entry[1].mmap_size == PAGE);
	SERVER_ASSERT(rte_vfio_user_get_irq(dev_id, MSIX, NB_MSIX, fds) == 0);
	SERVER_ASSERT(fds[0] >= 0 && fds[1] == -1);
	SET(server.destroyed, 1);
}

static int
on_update(int dev_id)
{
	SERVER_ASSERT(rte_vfio_user_get_mem_table(dev_id) != NULL);
	event('u');
	return 0;
}

static int
on_lock(int dev_id, int lock)
{
	RTE_SET_USED(dev_id);
	event(lock ? '(' : ')');
	return 0;
}

static int
on_reset(int dev_id)
{
	RTE_SET_USED(dev_id);
	event('r');
	return 0;
}

static ssize_t
access_config(struct rte_vfio_user_reg_info *reg, char *buf, size_t count, loff_t pos,
	      bool iswrite)
{
	char *at = (char *)reg->base + pos;

	memcpy(iswrite ? at : buf, iswrite ? buf : at, count);
	return count;
}

/* Local memory of the client's, by the memory table. */
static uint8_t *
find_memory(uint64_t gpa, uint64_t len)
{
	const struct rte_vfio_user_mem *mem = rte_vfio_user_get_mem_table(server.device);
	const struct rte_vfio_user_mtb_entry *entry;
	uint32_t i;

	for (i = 0; mem != NULL && i < mem->entry_num; i++) {
		entry = &mem->entry[i];
		if (entry->host_user_addr != 0 && gpa >= entry->gpa &&
		    len <= entry->size && gpa - entry->gpa <= entry->size - len)
			return (uint8_t *)(uintptr_t)entry->host_user_addr +
				(gpa - entry->gpa);
	}
	return NULL;
}

/* Copy what is at the address behind itself, and interrupt. */
static ssize_t
access_doorbell(struct rte_vfio_user_reg_info *reg, char *buf, size_t count, loff_t pos,
		bool iswrite)
{
	uint8_t *memory;
	uint64_t gpa;
	int fd = -1;

	RTE_SET_USED(reg);
	if (!iswrite || pos != 0 || count != sizeof(gpa))
		return -EINVAL;
	memcpy(&gpa, buf, sizeof(gpa));
	memory = find_memory(gpa, 2 * COPY_LEN);
	if (memory == NULL)
		return -EFAULT;
	memcpy(memory + COPY_LEN, memory, COPY_LEN);
	if (rte_vfio_user_get_irq(server.device, MSIX, 1, &fd) < 0 || fd < 0 ||
	    eventfd_write(fd, 1) < 0)
		return -EIO;
	return count;
}

static void
set_region(uint32_t index, uint64_t size, void *base, rte_vfio_user_reg_acc_t rw)
{
	server.regions->reg_info[index].info->size = size;
	server.regions->reg_info[index].base = base;
	server.regions->reg_info[index].rw = rw;
}

static int
make_device(void)
{
	static struct vfio_region_info info[VFIO_PCI_NUM_REGIONS];
	static char config[CONFIG_SIZE];
	struct rte_vfio_user_reg_info *reg;
	void *memory;
	uint32_t i;

	server.regions = calloc(1, sizeof(*server.regions) + VFIO_PCI_NUM_REGIONS * sizeof(*reg));
	server.irqs = calloc(1, sizeof(*server.irqs) +
			     VFIO_PCI_NUM_IRQS * sizeof(struct vfio_irq_info));
	TEST_ASSERT(server.regions != NULL && server.irqs != NULL, "memory");
	server.regions->reg_num = VFIO_PCI_NUM_REGIONS;
	for (i = 0; i < VFIO_PCI_NUM_REGIONS; i++) {
		info[i].argsz = info[i].cap_offset = sizeof(info[i]);
		info[i].index = i;
		info[i].flags = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE;
		server.regions->reg_info[i].info = &info[i];
		server.regions->reg_info[i].fd = -1;
	}
	set_region(CONFIG, CONFIG_SIZE, config, access_config);
	set_region(DOORBELL_BAR, PAGE, NULL, access_doorbell);
	reg = &server.regions->reg_info[MAPPED_BAR];
	reg->fd = memfd_create("bar", MFD_CLOEXEC);
	TEST_ASSERT(reg->fd >= 0 && ftruncate(reg->fd, PAGE) == 0, "file");
	memory = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, reg->fd, 0);
	TEST_ASSERT(memory != MAP_FAILED, "mmap");
	set_region(MAPPED_BAR, PAGE, memory, NULL);
	reg->info->flags |= VFIO_REGION_INFO_FLAG_MMAP;
	server.irqs->irq_num = VFIO_PCI_NUM_IRQS;
	for (i = 0; i < VFIO_PCI_NUM_IRQS; i++)
		server.irqs->irq_info[i].index = i;
	server.irqs->irq_info[MSIX].count = NB_MSIX;
	server.irqs->irq_info[MSIX].flags = VFIO_IRQ_INFO_EVENTFD | VFIO_IRQ_INFO_NORESIZE;
	return TEST_SUCCESS;
}

static void
free_device(void)
{
	struct rte_vfio_user_reg_info *reg = &server.regions->reg_info[MAPPED_BAR];

	munmap(reg->base, PAGE);
	close(reg->fd);
	free(server.regions);
	free(server.irqs);
}

static int
serve_one_client(void)
{
	static const struct rte_vfio_user_notify_ops ops = {
		.new_device = on_new, .destroy_device = on_destroy,
		.update_status = on_update, .lock_dp = on_lock, .reset_device = on_reset,
	};
	struct vfio_device_info info = {
		.argsz = sizeof(info),
		.flags = VFIO_DEVICE_FLAGS_RESET | VFIO_DEVICE_FLAGS_PCI,
		.num_regions = VFIO_PCI_NUM_REGIONS,
		.num_irqs = VFIO_PCI_NUM_IRQS,
	};
	uint32_t left_ms = PATIENCE_MS;

	DO(rte_vfio_user_register(socket_path(), &ops));
	DO(rte_vfio_user_set_dev_info(socket_path(), &info));
	DO(rte_vfio_user_set_reg_info(socket_path(), server.regions));
	DO(rte_vfio_user_set_irq_info(socket_path(), server.irqs));
	DO(rte_vfio_user_start(socket_path()));
	while (!GET(server.destroyed) && left_ms-- != 0)
		usleep(1000);
	TEST_ASSERT(GET(server.destroyed), "no client came, or it did not leave");
	DO(rte_vfio_user_unregister(socket_path()));
	TEST_ASSERT_EQUAL(strcmp(server.events, EVENTS), 0, "events %s", server.events);
	TEST_ASSERT_EQUAL(GET(server.failed), 0, "in a callback");
	return TEST_SUCCESS;
}

static int
test_vfio_user_server(void)
{
	int ret;

	DO(make_device());
	ret = serve_one_client();
	if (ret != TEST_SUCCESS)
		rte_vfio_user_unregister(socket_path());
	free_device();
	return ret;
}

/* ---------------------------------------------------------------- client */

static int
attach(void)
{
	uint32_t left_ms = PATIENCE_MS;
	int id;

	do {
		id = rte_vfio_user_attach_dev(socket_path());
		if (id >= 0)
			break;
		usleep(1000); /* the server is about to start */
	} while (left_ms-- != 0);
	return id;
}

static int
check_info(int id)
{
	struct vfio_irq_info irq = { .argsz = sizeof(irq), .index = MSIX };
	struct vfio_region_info reg = { .argsz = sizeof(reg), .index = CONFIG };
	struct vfio_device_info info;
	int fd = -1;

	DO(rte_vfio_user_get_dev_info(id, &info));
	TEST_ASSERT(info.num_regions == VFIO_PCI_NUM_REGIONS &&
		    info.num_irqs == VFIO_PCI_NUM_IRQS, "device");
	DO(rte_vfio_user_get_reg_info(id, &reg, &fd));
	TEST_ASSERT(reg.size == CONFIG_SIZE && fd == -1, "configuration space");
	DO(rte_vfio_user_get_irq_info(id, &irq));
	TEST_ASSERT_EQUAL(irq.count, NB_MSIX, "MSI-X");
	return TEST_SUCCESS;
}

static int
assign_irq(int id, int fd)
{
	uint8_t buf[sizeof(struct vfio_irq_set) + sizeof(fd)] __rte_aligned(8);
	struct vfio_irq_set *set = (struct vfio_irq_set *)buf;

	set->argsz = sizeof(buf);
	set->flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER;
	set->index = MSIX;
	set->start = 0;
	set->count = 1;
	memcpy(set->data, &fd, sizeof(fd));
	return rte_vfio_user_set_irqs(id, set);
}

static int
map_memory(int id, int file)
{
	struct rte_vfio_user_mem_reg mem = {
		GPA_NO_FILE, 0x10000, 0, PROT_READ | PROT_WRITE, 0,
	};
	struct rte_vfio_user_mem_reg three[3] = {
		{ GPA_FILE + PAGE, PAGE, 0, PROT_READ | PROT_WRITE, RTE_VUSER_MEM_MAPPABLE },
		{ GPA_FILE, PAGE, PAGE, PROT_READ | PROT_WRITE, RTE_VUSER_MEM_MAPPABLE },
		{ 0x1000, 0x10, 0, PROT_READ, 0 },
	};
	int fds[3] = { file, file, -1 }, none = -1;

	DO(rte_vfio_user_dma_map(id, &mem, &none, 1));
	DO(rte_vfio_user_dma_unmap(id, &mem, 1));
	DO(rte_vfio_user_dma_map(id, &mem, &none, 1));
	DO(rte_vfio_user_dma_map(id, three, fds, 3));
	return rte_vfio_user_dma_unmap(id, &three[2], 1);
}

static int
access_regions(int id)
{
	struct vfio_region_info reg = { .argsz = sizeof(reg), .index = MAPPED_BAR };
	uint8_t config[CONFIG_SIZE];
	uint32_t val = 0x1a2b3c4d;
	uint8_t *bar;
	int fd = -1;

	DO(rte_vfio_user_region_write(id, CONFIG, 0x10, sizeof(val), &val));
	DO(rte_vfio_user_region_read(id, CONFIG, 0, sizeof(config), config));
	TEST_ASSERT_EQUAL(memcmp(config + 0x10, &val, sizeof(val)), 0, "configuration space");
	DO(rte_vfio_user_get_reg_info(id, &reg, &fd));
	TEST_ASSERT(fd >= 0 && reg.size == PAGE, "mappable region");
	bar = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)reg.offset);
	close(fd);
	TEST_ASSERT(bar != MAP_FAILED, "mmap");
	DO(rte_vfio_user_region_write(id, MAPPED_BAR, 8, sizeof(val), &val));
	TEST_ASSERT_EQUAL(memcmp(bar + 8, &val, sizeof(val)), 0, "mapped region");
	munmap(bar, PAGE);
	return TEST_SUCCESS;
}

/* The device reads and writes our memory, and interrupts. */
static int
use_device(int id, int file, int irq)
{
	struct pollfd pfd = { .fd = irq, .events = POLLIN };
	const uint64_t gpa = GPA_FILE + 16;
	char in[COPY_LEN], out[COPY_LEN];
	uint32_t i;

	for (i = 0; i < COPY_LEN; i++)
		out[i] = (char)(i * 3 + 1);
	TEST_ASSERT_EQUAL(pwrite(file, out, COPY_LEN, PAGE + 16), (ssize_t)COPY_LEN, "write");
	DO(rte_vfio_user_region_write(id, DOORBELL_BAR, 0, sizeof(gpa), &gpa));
	TEST_ASSERT_EQUAL(poll(&pfd, 1, PATIENCE_MS), 1, "no interrupt");
	TEST_ASSERT_EQUAL(pread(file, in, COPY_LEN, PAGE + 16 + COPY_LEN), (ssize_t)COPY_LEN,
			  "read");
	TEST_ASSERT_EQUAL(memcmp(in, out, COPY_LEN), 0, "not copied");
	TEST_ASSERT_EQUAL(rte_vfio_user_region_write(id, DOORBELL_BAR, 8, 8, &gpa), -EINVAL,
			  "not a register");
	return TEST_SUCCESS;
}

static int
drive(int id, int file, int irq)
{
	DO(rte_vfio_user_reset(id));
	DO(check_info(id));
	DO(assign_irq(id, irq));
	DO(map_memory(id, file));
	DO(access_regions(id));
	return use_device(id, file, irq);
}

static int
test_vfio_user_client(void)
{
	int file = memfd_create("memory", MFD_CLOEXEC);
	int irq = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	int id, ret;

	TEST_ASSERT(file >= 0 && irq >= 0 && ftruncate(file, 2 * PAGE) == 0, "files");
	id = attach();
	TEST_ASSERT_EQUAL(id, 0, "attach to %s: %d", socket_path(), id);
	ret = drive(id, file, irq);
	DO(rte_vfio_user_detach_dev(id));
	TEST_ASSERT_EQUAL(rte_vfio_user_detach_dev(id), -EINVAL, "twice");
	close(file);
	close(irq);
	return ret;
}

REGISTER_PEER_TEST(vfio_user_autotest_server, test_vfio_user_server);
REGISTER_PEER_TEST(vfio_user_autotest_client, test_vfio_user_client);
