/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

/*
 * virtio_shell [-eipr] [-q QUEUES] SOCK: drive a virtio device as told by lines on
 * the standard input; driver.py has the other side. A buffer is a list of
 * descriptors: "r:HEX" for the device to read, or "z:LENGTH" of zeroes, then
 * "w:LENGTH" for it to write; "b:LENGTH" is one to read that lies in no memory.
 * What the device may write is filled with 0xee before.
 *
 *   submit QUEUE DESC...   "submit USED HEX" when the device has used it
 *   add QUEUE DESC...      "add" at once, without notifying the device
 *   kick QUEUE             "kick" when the device is notified
 *   collect QUEUE COUNT    "collect" when so many added buffers were used
 *   reset                  "reset" when the device is set up again
 *   restart QUEUE          "restart" when the queue alone was reset (-r) and set up
 *                          again; what was added to it never comes back
 *   status                 "status HEX"
 *   config OFFSET LENGTH   "config HEX"
 *   unmap, map             the same word when the memory is taken away, or back
 *   truncate QUEUE         "truncate" when the memory has no byte any more and the
 *                          device is notified, if it is still there; the last command
 */

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/virtio_config.h>
#include <linux/virtio_pci.h>
#include <linux/virtio_ring.h>

#include <rte_common.h>
#include <rte_errno.h>

#include "virtio_driver.h"

#define MEM_SIZE (32u << 20)
#define ARENA_SIZE (16u << 20)
#define ROOM 0xee
#define QUEUE_RESET 58 /* in the common configuration; not in Debian 12's headers */
#define F_RING_RESET 40
#define FEATURE(bit) (UINT64_C(1) << (bit))

struct shell {
	struct virtio_driver drv;
	uint64_t features;
	uint32_t nb_queues;
	bool indirect;
	uint64_t arena; /* memory of the buffers */
	uint32_t arena_used, outstanding;
};

/* The descriptors of one buffer. */
struct buffer {
	struct virtio_driver_buf bufs[VIRTIO_DRIVER_MAX_CHAIN];
	uint32_t nb_read, nb_write;
};

static void __attribute__((noreturn, format(printf, 2, 3)))
die(int err, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	fprintf(stderr, "virtio_shell: ");
	vfprintf(stderr, format, ap);
	fprintf(stderr, ": %s\n", strerror(err < 0 ? -err : err));
	va_end(ap);
	exit(1);
}

/* ---------------------------------------------------------------- buffers */

/* All of it is free again when nothing is outstanding. */
static uint64_t
arena_take(struct shell *shell, uint32_t len)
{
	uint64_t iova;

	if (shell->outstanding == 0 && shell->arena_used > ARENA_SIZE / 2)
		shell->arena_used = 0;
	if (len > ARENA_SIZE - shell->arena_used)
		die(ENOMEM, "buffer of %u bytes", len);
	iova = shell->arena + shell->arena_used;
	shell->arena_used += len;
	return iova;
}

static void
read_part(struct shell *shell, const char *word, struct virtio_driver_buf *buf)
{
	const char *hex = word + 2;
	uint8_t *va;
	uint32_t i;

	buf->len = word[0] == 'r' ? strlen(hex) / 2 : strtoul(hex, NULL, 0);
	if (word[0] == 'b')
		return; /* at 0 */
	buf->iova = arena_take(shell, buf->len);
	va = virtio_driver_va(&shell->drv, buf->iova);
	memset(va, 0, buf->len);
	for (i = 0; i < buf->len && word[0] == 'r'; i++)
		if (sscanf(hex + 2 * i, "%2hhx", &va[i]) != 1)
			die(EINVAL, "digits '%s'", hex);
}

static void
write_part(struct shell *shell, const char *len, struct virtio_driver_buf *buf)
{
	buf->len = strtoul(len, NULL, 0);
	buf->iova = arena_take(shell, buf->len);
	memset(virtio_driver_va(&shell->drv, buf->iova), ROOM, buf->len);
}

static void
buffer_parse(struct shell *shell, struct buffer *buffer)
{
	struct virtio_driver_buf *buf = buffer->bufs;
	const char *word;

	memset(buffer, 0, sizeof(*buffer));
	while ((word = strtok(NULL, " \n")) != NULL) {
		if (buf == buffer->bufs + VIRTIO_DRIVER_MAX_CHAIN || strlen(word) < 2)
			die(EINVAL, "descriptor '%s'", word);
		if (word[0] == 'w') {
			write_part(shell, word + 2, buf);
			buffer->nb_write++;
		} else {
			read_part(shell, word, buf);
			buffer->nb_read++;
		}
		buf++;
	}
}

static struct virtio_driver_queue *
queue_parse(struct shell *shell)
{
	const char *word = strtok(NULL, " \n");
	unsigned long index = word == NULL ? ~0ul : strtoul(word, NULL, 0);

	if (index >= shell->nb_queues)
		die(EINVAL, "queue");
	return &shell->drv.queues[index];
}

static int
buffer_add(struct shell *shell, struct virtio_driver_queue *queue, struct buffer *buffer)
{
	int id;

	buffer_parse(shell, buffer);
	id = virtio_driver_add(queue, buffer->bufs, buffer->nb_read, buffer->nb_write,
			       shell->indirect);
	if (id < 0)
		die(id, "cannot add a buffer");
	shell->outstanding++;
	return id;
}

static void
kick(struct virtio_driver_queue *queue)
{
	int ret = virtio_driver_kick(queue);

	if (ret < 0)
		die(ret, "cannot notify");
}

/* Wait for a used buffer. */
static uint16_t
buffer_wait(struct shell *shell, struct virtio_driver_queue *queue, uint32_t *len)
{
	uint16_t id;
	int ret = virtio_driver_wait(queue, &id, len);

	if (ret < 0)
		die(ret, "no buffer was used");
	shell->outstanding--;
	return id;
}

/* --------------------------------------------------------------- commands */

static void
cmd_submit(struct shell *shell)
{
	struct virtio_driver_queue *queue = queue_parse(shell);
	struct buffer buffer;
	uint32_t len, i, j;
	const uint8_t *va;
	int id;

	id = buffer_add(shell, queue, &buffer);
	kick(queue);
	while (buffer_wait(shell, queue, &len) != id)
		;
	printf("submit %u ", len);
	for (i = buffer.nb_read; i < buffer.nb_read + buffer.nb_write; i++) {
		va = virtio_driver_va(&shell->drv, buffer.bufs[i].iova);
		for (j = 0; j < buffer.bufs[i].len; j++)
			printf("%02x", va[j]);
	}
	printf("\n");
}

static void
cmd_add(struct shell *shell)
{
	struct virtio_driver_queue *queue = queue_parse(shell);
	struct buffer buffer;

	buffer_add(shell, queue, &buffer);
	printf("add\n");
}

static void
cmd_kick(struct shell *shell)
{
	kick(queue_parse(shell));
	printf("kick\n");
}

static void
cmd_collect(struct shell *shell)
{
	struct virtio_driver_queue *queue = queue_parse(shell);
	const char *word = strtok(NULL, " \n");
	unsigned long count = word == NULL ? 0 : strtoul(word, NULL, 0);
	uint32_t len;

	while (count-- > 0)
		buffer_wait(shell, queue, &len);
	printf("collect\n");
}

static void
device_up(struct shell *shell)
{
	uint32_t i;
	int ret;

	ret = virtio_driver_negotiate(&shell->drv, shell->features);
	for (i = 0; i < shell->nb_queues && ret == 0; i++)
		ret = virtio_driver_queue(&shell->drv, i, 0);
	if (ret == 0)
		ret = virtio_driver_ok(&shell->drv);
	if (ret < 0)
		die(ret, "cannot set the device up");
	if ((shell->features & ~shell->drv.features) != 0)
		die(ENOTSUP, "features 0x%llx", (unsigned long long)shell->drv.features);
	shell->arena = virtio_driver_alloc(&shell->drv, ARENA_SIZE, 4096);
	shell->arena_used = shell->outstanding = 0;
	if (shell->arena == 0)
		die(ENOMEM, "buffers");
}

static void
cmd_reset(struct shell *shell)
{
	device_up(shell); /* begins with a reset */
	printf("reset\n");
}

/* All that is outstanding was added to this queue. */
static void
cmd_restart(struct shell *shell)
{
	struct virtio_driver_queue *queue = queue_parse(shell);
	struct virtio_driver *drv = &shell->drv;
	const uint16_t index = queue->index;
	int left = 100000, ret;

	ret = virtio_driver_reg_set(drv, VIRTIO_PCI_COMMON_Q_SELECT, 2, index);
	if (ret == 0)
		ret = virtio_driver_reg_set(drv, QUEUE_RESET, 2, 1);
	while (ret == 0 && virtio_driver_reg(drv, QUEUE_RESET, 2) != 0 && left-- != 0)
		usleep(100);
	if (ret == 0)
		ret = left < 0 ? -ETIMEDOUT : virtio_driver_queue(drv, index, 0);
	if (ret < 0)
		die(ret, "cannot restart queue %u", index);
	shell->outstanding = 0;
	printf("restart\n");
}

static void
cmd_status(struct shell *shell)
{
	printf("status %x\n", virtio_driver_status(&shell->drv));
}

static void
cmd_config(struct shell *shell)
{
	const char *offset = strtok(NULL, " \n"), *len = strtok(NULL, " \n");
	unsigned long at, end;

	if (offset == NULL || len == NULL)
		die(EINVAL, "config");
	at = strtoul(offset, NULL, 0);
	end = at + strtoul(len, NULL, 0);
	printf("config ");
	for (; at < end; at++)
		printf("%02x", (unsigned int)virtio_driver_get(&shell->drv, &shell->drv.device,
							       at, 1));
	printf("\n");
}

static void
cmd_unmap(struct shell *shell)
{
	const struct rte_vfio_user_dma_range all = {
		.iova = VIRTIO_DRIVER_IOVA, .size = MEM_SIZE,
	};
	int ret = rte_vfio_user_client_dma_unmap(shell->drv.client, &all, 1);

	if (ret < 0)
		die(ret, "cannot unmap");
	printf("unmap\n");
}

static void
cmd_map(struct shell *shell)
{
	const struct rte_vfio_user_dma_map all = {
		.iova = VIRTIO_DRIVER_IOVA, .size = MEM_SIZE, .prot = PROT_READ | PROT_WRITE,
		.fd = shell->drv.fd, .vaddr = shell->drv.mem,
	};
	int ret = rte_vfio_user_client_dma_map(shell->drv.client, &all, 1);

	if (ret < 0)
		die(ret, "cannot map");
	printf("map\n");
}

static void
cmd_truncate(struct shell *shell)
{
	struct virtio_driver_queue *queue = queue_parse(shell);

	if (ftruncate(shell->drv.fd, 0) < 0)
		die(errno, "cannot truncate");
	virtio_driver_kick(queue); /* touches no memory */
	printf("truncate\n");
}

static const struct {
	const char *name;
	void (*run)(struct shell *shell);
} commands[] = {
	{ "submit", cmd_submit },
	{ "add", cmd_add },
	{ "kick", cmd_kick },
	{ "collect", cmd_collect },
	{ "reset", cmd_reset },
	{ "restart", cmd_restart },
	{ "status", cmd_status },
	{ "config", cmd_config },
	{ "unmap", cmd_unmap },
	{ "map", cmd_map },
	{ "truncate", cmd_truncate },
};

static void
line_run(struct shell *shell, char *line)
{
	const char *word = strtok(line, " \n");
	size_t i;

	for (i = 0; word != NULL && i < RTE_DIM(commands); i++) {
		if (strcmp(word, commands[i].name) == 0) {
			commands[i].run(shell);
			fflush(stdout);
			return;
		}
	}
	die(EINVAL, "command '%s'", word == NULL ? "" : word);
}

/* ------------------------------------------------------------------- main */

static void
options_parse(struct shell *shell, int argc, char **argv)
{
	int opt;

	shell->nb_queues = 1;
	while ((opt = getopt(argc, argv, "eiprq:")) != -1) {
		if (opt == 'e') {
			shell->features |= FEATURE(VIRTIO_RING_F_EVENT_IDX);
		} else if (opt == 'i') {
			shell->indirect = true;
			shell->features |= FEATURE(VIRTIO_RING_F_INDIRECT_DESC);
		} else if (opt == 'p') {
			shell->features |= FEATURE(VIRTIO_F_RING_PACKED);
		} else if (opt == 'r') {
			shell->features |= FEATURE(F_RING_RESET);
		} else if (opt == 'q') {
			shell->nb_queues = strtoul(optarg, NULL, 0);
		} else {
			exit(2);
		}
	}
	if (optind + 1 != argc || shell->nb_queues > VIRTIO_DRIVER_MAX_QUEUES) {
		fprintf(stderr, "usage: virtio_shell [-eipr] [-q QUEUES] SOCK\n");
		exit(2);
	}
}

static void
device_open(struct shell *shell, const char *sock_path)
{
	struct rte_vfio_user_client_conf conf;
	struct rte_vfio_user_client *client;
	int ret;

	rte_vfio_user_client_conf_init(&conf);
	conf.sock_path = sock_path;
	client = rte_vfio_user_client_create(&conf);
	if (client == NULL)
		die(rte_errno, "%s", sock_path);
	ret = virtio_driver_init(&shell->drv, client, MEM_SIZE);
	if (ret == 0)
		ret = virtio_driver_irqs(&shell->drv, shell->nb_queues);
	if (ret < 0)
		die(ret, "%s: no virtio device", sock_path);
	device_up(shell);
}

int
main(int argc, char **argv)
{
	struct rte_vfio_user_client *client;
	static struct shell shell;
	char *line = NULL;
	size_t size = 0;

	options_parse(&shell, argc, argv);
	device_open(&shell, argv[optind]);
	printf("ready\n");
	fflush(stdout);
	while (getline(&line, &size, stdin) > 0)
		line_run(&shell, line);
	free(line);
	client = shell.drv.client;
	virtio_driver_fini(&shell.drv);
	rte_vfio_user_client_destroy(client);
	return 0;
}
