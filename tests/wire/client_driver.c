/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

/**
 * @file
 * Client under test: "client_driver [options] SOCK" prints "ready" and takes
 * control lines "TAG COMMAND..." on stdin (wire_common.h). A command after "&"
 * runs in a thread of its own. Public client API only. The client connects by
 * the command "connect" and is polled by the command "poll" only.
 */

#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include <rte_common.h>
#include <rte_errno.h>
#include <rte_vfio_user_client.h>
#include <rte_vfio_user_sigbus.h>

#include "client_work.h"
#include "wire_common.h"

#define MAX_EFDS 256
#define MAX_MEMS 64
#define MAX_FDS 64

/** Local memory of a DMA mapping. */
struct mem {
	uint64_t iova, size;
	uint8_t *va;
	int fd;
};

static struct rte_vfio_user_client_conf conf;
static struct rte_vfio_user_client *client;
static struct mem mems[MAX_MEMS];
static unsigned int nb_mems;
static int efds[MAX_EFDS];
static unsigned int nb_efds;
static int threads;
static bool running = true;

typedef void (*command_t)(const struct wire_line *line);

#define ARG(n) (n)

static void
answer(const struct wire_line *line, int64_t ret)
{
	wire_answer(line->tag, ret, "%s", "");
}

/* ------------------------------------------------------------ connection */

/* connect */
static void
cmd_connect(const struct wire_line *line)
{
	client = rte_vfio_user_client_create(&conf);
	answer(line, client != NULL ? 0 : -rte_errno);
}

/* negotiated */
static void
cmd_negotiated(const struct wire_line *line)
{
	struct rte_vfio_user_negotiated neg;
	int ret = rte_vfio_user_client_negotiated(client, &neg);

	if (ret != 0) {
		answer(line, ret);
		return;
	}
	wire_answer(line->tag, 0, "%u %u %u %u %u 0x%llx %d %d %d", neg.major,
		    neg.minor, neg.max_msg_fds, neg.max_data_xfer_size,
		    neg.max_dma_maps, (unsigned long long)neg.pgsizes,
		    neg.write_multiple, neg.twin_socket, neg.sparse_mmap_fds);
}

/* poll MS [N]: serve until N messages were handled, or the time is over */
static void
cmd_poll(const struct wire_line *line)
{
	uint64_t end = wire_now_ms() + wire_num(line, ARG(1));
	uint64_t want = wire_num(line, ARG(2));
	struct pollfd pfd = { .events = POLLIN };
	uint64_t now, done = 0;
	int ret;

	pfd.fd = rte_vfio_user_client_fd(client);
	while ((now = wire_now_ms()) < end && (want == 0 || done < want)) {
		if (poll(&pfd, 1, end - now) <= 0)
			continue;
		ret = rte_vfio_user_client_poll(client);
		if (ret < 0) {
			answer(line, ret);
			return;
		}
		done += ret;
	}
	answer(line, done);
}

/* states N MS: poll until N states were told, and tell and forget them */
static void
cmd_states(const struct wire_line *line)
{
	uint64_t end = wire_now_ms() + wire_num(line, ARG(2));
	struct pollfd pfd = { .events = POLLIN };
	char *text;
	int wakes = 0;

	pfd.fd = rte_vfio_user_client_fd(client);
	while (wire_now_ms() < end &&
	       client_states(NULL) < wire_num(line, ARG(1))) {
		if (poll(&pfd, 1, 10) <= 0)
			continue;
		rte_vfio_user_client_poll(client);
		wakes++;
	}
	client_states(&text);
	wire_answer(line->tag, wakes, "%s", text);
	free(text);
}

/* work IOVA MS: see client_work.h */
static void
cmd_work(const struct wire_line *line)
{
	answer(line, client_work(client, wire_num(line, ARG(1)), wire_num(line, ARG(2))));
}

/* destroy: the client and all local memory */
static void
cmd_destroy(const struct wire_line *line)
{
	unsigned int i;

	rte_vfio_user_client_destroy(client);
	client = NULL;
	for (i = 0; i < nb_mems; i++) {
		if (mems[i].va != NULL)
			munmap(mems[i].va, mems[i].size);
		if (mems[i].fd >= 0)
			close(mems[i].fd);
	}
	nb_mems = 0;
	for (i = 0; i < nb_efds; i++)
		close(efds[i]);
	nb_efds = 0;
	answer(line, 0);
}

/* fds */
static void
cmd_fds(const struct wire_line *line)
{
	answer(line, wire_count_fds());
}

/* quit */
static void
cmd_quit(const struct wire_line *line)
{
	running = false;
	answer(line, 0);
}

/* ----------------------------------------------------------- information */

/* info */
static void
cmd_info(const struct wire_line *line)
{
	struct vfio_device_info info = { 0 };
	int ret = rte_vfio_user_client_device_info(client, &info);

	wire_answer(line->tag, ret, "%u %u %u %u", info.argsz, info.flags,
		    info.num_regions, info.num_irqs);
}

static void
close_fds(const int *fds, uint32_t nb_fds)
{
	while (nb_fds > 0)
		close(fds[--nb_fds]);
}

/* region_info INDEX [ROOM] */
static void
cmd_region_info(const struct wire_line *line)
{
	struct vfio_region_info *info = NULL;
	uint32_t nb_fds = line->argc > ARG(2) ? wire_num(line, ARG(2)) : MAX_FDS;
	int fds[MAX_FDS];
	char *hex;
	int ret;

	ret = rte_vfio_user_client_region_info(client, wire_num(line, ARG(1)),
			&info, nb_fds > 0 ? fds : NULL, nb_fds > 0 ? &nb_fds : NULL);
	if (ret != 0) {
		wire_answer(line->tag, ret, "%s", info != NULL ? "leak" : "");
		return;
	}
	hex = wire_hex((uint8_t *)info + sizeof(*info),
		       info->argsz > sizeof(*info) ? info->argsz - sizeof(*info) : 0);
	wire_answer(line->tag, 0, "%u %u %u %u %llu %llu %u %s", info->argsz,
		    info->flags, info->index, info->cap_offset,
		    (unsigned long long)info->size,
		    (unsigned long long)info->offset, nb_fds, hex);
	free(hex);
	free(info);
	close_fds(fds, nb_fds);
}

/* io_fds INDEX [ROOM] */
static void
cmd_io_fds(const struct wire_line *line)
{
	uint32_t nb_fds = line->argc > ARG(2) ? wire_num(line, ARG(2)) : MAX_FDS;
	struct rte_vfio_user_region_io_fd *ios = NULL;
	uint32_t i, nb_ios = 0;
	char text[4096] = "";
	int fds[MAX_FDS];
	size_t len = 0;
	int ret;

	ret = rte_vfio_user_client_region_io_fds(client, wire_num(line, ARG(1)),
						 &ios, &nb_ios, fds, &nb_fds);
	if (ret != 0) {
		wire_answer(line->tag, ret, "%s", ios != NULL ? "leak" : "");
		return;
	}
	for (i = 0; i < nb_ios && len + 128 < sizeof(text); i++)
		len += snprintf(text + len, sizeof(text) - len,
				" %llu:%llu:%u:%u:%u:%llu",
				(unsigned long long)ios[i].offset,
				(unsigned long long)ios[i].size,
				ios[i].fd_index, ios[i].type, ios[i].flags,
				(unsigned long long)ios[i].datamatch);
	wire_answer(line->tag, 0, "%u %u%s", nb_ios, nb_fds, text);
	free(ios);
	close_fds(fds, nb_fds);
}

/* irq_info INDEX */
static void
cmd_irq_info(const struct wire_line *line)
{
	struct vfio_irq_info info = { 0 };
	int ret;

	ret = rte_vfio_user_client_irq_info(client, wire_num(line, ARG(1)), &info);
	wire_answer(line->tag, ret, "%u %u %u %u", info.argsz, info.flags,
		    info.index, info.count);
}

/* ------------------------------------------------------------ interrupts */

/** "e" creates an eventfd, "-" is -1, a number is one created before. */
static int
efd_arg(const char *text)
{
	if (text[0] == '-')
		return -1;
	if (text[0] != 'e')
		return efds[strtoul(text, NULL, 0) % MAX_EFDS];
	if (nb_efds == MAX_EFDS)
		return -1;
	efds[nb_efds] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return efds[nb_efds++];
}

/* irq_assign INDEX START FD... (see efd_arg; "eN" creates N) */
static void
cmd_irq_assign(const struct wire_line *line)
{
	int fds[MAX_EFDS];
	uint32_t n = 0, more;
	int i;

	for (i = ARG(3); i < line->argc; i++) {
		more = 1;
		if (line->argv[i][0] == 'e' && line->argv[i][1] != '\0')
			more = strtoul(line->argv[i] + 1, NULL, 0);
		for (; more > 0 && n < MAX_EFDS; more--)
			fds[n++] = efd_arg(line->argv[i]);
	}
	answer(line, rte_vfio_user_client_irq_assign(client,
	       wire_num(line, ARG(1)), wire_num(line, ARG(2)), n, fds));
}

/* set_irqs INDEX START COUNT FLAGS [HEX | FD...] */
static void
cmd_set_irqs(const struct wire_line *line)
{
	size_t size = sizeof(struct vfio_irq_set) + 4 * MAX_EFDS;
	struct vfio_irq_set *set = calloc(1, size);
	uint8_t *data;
	size_t len = 0;
	int32_t fd;
	int i;

	if (set == NULL)
		abort();
	set->index = wire_num(line, ARG(1));
	set->start = wire_num(line, ARG(2));
	set->count = wire_num(line, ARG(3));
	set->flags = wire_num(line, ARG(4));
	if (set->flags & VFIO_IRQ_SET_DATA_EVENTFD) {
		for (i = ARG(5); i < line->argc; i++, len += sizeof(fd)) {
			fd = efd_arg(line->argv[i]);
			memcpy(set->data + len, &fd, sizeof(fd));
		}
	} else {
		data = wire_data(wire_arg(line, ARG(5)), &len);
		memcpy(set->data, data, RTE_MIN(len, (size_t)4 * MAX_EFDS));
		free(data);
	}
	set->argsz = sizeof(*set) + len;
	answer(line, rte_vfio_user_client_set_irqs(client, set));
	free(set);
}

/* irq_disable INDEX */
static void
cmd_irq_disable(const struct wire_line *line)
{
	answer(line, rte_vfio_user_client_irq_disable(client,
						      wire_num(line, ARG(1))));
}

/* irq_unmask INDEX VECTOR */
static void
cmd_irq_unmask(const struct wire_line *line)
{
	answer(line, rte_vfio_user_client_irq_unmask(client,
	       wire_num(line, ARG(1)), wire_num(line, ARG(2))));
}

/* irq_wait EFD MS: the value of the eventfd */
static void
cmd_irq_wait(const struct wire_line *line)
{
	struct pollfd pfd = { .events = POLLIN };
	uint64_t value;

	pfd.fd = efds[wire_num(line, ARG(1)) % MAX_EFDS];
	poll(&pfd, 1, wire_num(line, ARG(2)));
	if (read(pfd.fd, &value, sizeof(value)) != sizeof(value))
		answer(line, -errno);
	else
		answer(line, value);
}

/* --------------------------------------------------------------- regions */

/** An asynchronous access. */
struct access {
	unsigned int tag;
	bool is_write;
	uint8_t *buf;
};

/* read INDEX OFFSET LEN */
static void
cmd_read(const struct wire_line *line)
{
	size_t len = wire_num(line, ARG(3));
	uint8_t *buf = calloc(1, len + 1);
	ssize_t ret;

	if (buf == NULL)
		abort();
	ret = rte_vfio_user_client_region_read(client, wire_num(line, ARG(1)),
			wire_num(line, ARG(2)), buf, len);
	wire_answer_data(line->tag, ret, buf, ret > 0 ? ret : 0);
	free(buf);
}

/* write INDEX OFFSET DATA */
static void
cmd_write(const struct wire_line *line)
{
	size_t len;
	uint8_t *data = wire_data(wire_arg(line, ARG(3)), &len);

	answer(line, rte_vfio_user_client_region_write(client,
	       wire_num(line, ARG(1)), wire_num(line, ARG(2)), data, len));
	free(data);
}

static void
access_done(struct rte_vfio_user_client *c, ssize_t result, void *arg)
{
	struct access *acc = arg;

	(void)c;
	wire_answer_data(acc->tag, result, acc->buf,
			 result > 0 && !acc->is_write ? result : 0);
	free(acc->buf);
	free(acc);
}

/* read_async INDEX OFFSET LEN | write_async INDEX OFFSET DATA */
static void
cmd_access_async(const struct wire_line *line)
{
	struct access *acc = calloc(1, sizeof(*acc));
	uint32_t index = wire_num(line, ARG(1));
	uint64_t offset = wire_num(line, ARG(2));
	size_t len = wire_num(line, ARG(3));
	int ret;

	if (acc == NULL)
		abort();
	acc->tag = line->tag;
	acc->is_write = strcmp(wire_arg(line, ARG(0)), "write_async") == 0;
	if (acc->is_write)
		acc->buf = wire_data(wire_arg(line, ARG(3)), &len);
	else
		acc->buf = calloc(1, len + 1);
	if (acc->is_write)
		ret = rte_vfio_user_client_region_write_async(client, index,
				offset, acc->buf, len, access_done, acc);
	else
		ret = rte_vfio_user_client_region_read_async(client, index,
				offset, acc->buf, len, access_done, acc);
	if (ret != 0)
		access_done(client, ret, acc);
}

/* posted INDEX OFFSET DATA */
static void
cmd_posted(const struct wire_line *line)
{
	size_t len;
	uint8_t *data = wire_data(wire_arg(line, ARG(3)), &len);

	answer(line, rte_vfio_user_client_region_write_posted(client,
	       wire_num(line, ARG(1)), wire_num(line, ARG(2)), data, len));
	free(data);
}

/* flush */
static void
cmd_flush(const struct wire_line *line)
{
	answer(line, rte_vfio_user_client_flush(client));
}

/* multi COUNT INDEX OFFSET DATA: COUNT writes, the offset growing by LEN */
static void
cmd_multi(const struct wire_line *line)
{
	uint32_t i, n = wire_num(line, ARG(1));
	struct rte_vfio_user_write *writes = calloc(n + 1, sizeof(*writes));
	size_t len;
	uint8_t *data = wire_data(wire_arg(line, ARG(4)), &len);

	if (writes == NULL || data == NULL)
		abort();
	for (i = 0; i < n; i++) {
		writes[i].region = wire_num(line, ARG(2));
		writes[i].offset = wire_num(line, ARG(3)) + i * len;
		writes[i].len = len;
		memcpy(writes[i].data, data, RTE_MIN(len, sizeof(writes[i].data)));
	}
	answer(line, rte_vfio_user_client_region_write_multi(client, writes, n));
	free(data);
	free(writes);
}

/* mmap INDEX */
static void
cmd_mmap(const struct wire_line *line)
{
	void *base = NULL;
	int ret;

	ret = rte_vfio_user_client_region_mmap(client, wire_num(line, ARG(1)), &base);
	wire_answer(line->tag, ret, "%d", base != NULL);
}

/* va INDEX OFFSET LEN [DATA]: read, or store, through the mapping */
static void
cmd_va(const struct wire_line *line)
{
	size_t len = wire_num(line, ARG(3)), data_len;
	uint8_t *data;
	void *va;

	va = rte_vfio_user_client_region_va(client, wire_num(line, ARG(1)),
					    wire_num(line, ARG(2)), len);
	if (va == NULL) {
		answer(line, -EFAULT);
		return;
	}
	if (line->argc > ARG(4)) {
		data = wire_data(wire_arg(line, ARG(4)), &data_len);
		memcpy(va, data, RTE_MIN(len, data_len));
		free(data);
	}
	wire_answer_data(line->tag, 0, va, len);
}

/* reset */
static void
cmd_reset(const struct wire_line *line)
{
	answer(line, rte_vfio_user_client_reset(client));
}

/* ------------------------------------------------------------------- DMA */

static struct mem *
mem_find(uint64_t iova)
{
	unsigned int i;

	for (i = 0; i < nb_mems; i++) {
		if (mems[i].va != NULL && iova - mems[i].iova < mems[i].size)
			return &mems[i];
	}
	return NULL;
}

/** Serves requests for mappings of kind "cb": the address is the data. */
static int
dma_cb(struct rte_vfio_user_client *c, bool is_write, uint64_t iova, void *buf,
       uint32_t len, void *priv)
{
	(void)c;
	(void)priv;
	if (is_write)
		return -EROFS;
	wire_pattern(buf, len, (uint8_t)iova);
	return 0;
}

/** Kinds: mem (no fd), memfd, file (memfd by file I/O), none (no memory). */
static void
mem_create(struct rte_vfio_user_dma_map *map, const char *kind)
{
	struct mem *mem = &mems[nb_mems++ % MAX_MEMS];

	mem->iova = map->iova;
	mem->size = map->size;
	mem->fd = -1;
	mem->va = NULL;
	map->fd = -1;
	if (strcmp(kind, "none") == 0)
		return;
	mem->fd = memfd_create("wire", MFD_CLOEXEC);
	if (mem->fd < 0 || ftruncate(mem->fd, map->size) != 0)
		abort();
	mem->va = mmap(NULL, map->size, PROT_READ | PROT_WRITE, MAP_SHARED,
		       mem->fd, 0);
	if (mem->va == MAP_FAILED)
		abort();
	map->vaddr = mem->va;
	if (strcmp(kind, "mem") != 0)
		map->fd = mem->fd;
	if (strcmp(kind, "file") == 0)
		map->flags |= RTE_VFIO_USER_DMA_F_FILE_IO;
}

/* dma_map [IOVA SIZE PROT KIND]... */
static void
cmd_dma_map(const struct wire_line *line)
{
	struct rte_vfio_user_dma_map maps[WIRE_MAX_ARGS / 4] = { 0 };
	uint32_t n = 0;
	int i;

	for (i = ARG(1); i + 3 < line->argc; i += 4, n++) {
		maps[n].iova = wire_num(line, i);
		maps[n].size = wire_num(line, i + 1);
		maps[n].prot = wire_num(line, i + 2);
		mem_create(&maps[n], wire_arg(line, i + 3));
	}
	answer(line, rte_vfio_user_client_dma_map(client, maps, n));
}

/* dma_unmap [IOVA SIZE]... */
static void
cmd_dma_unmap(const struct wire_line *line)
{
	struct rte_vfio_user_dma_range ranges[WIRE_MAX_ARGS / 2] = { 0 };
	uint32_t n = 0;
	int i;

	for (i = ARG(1); i + 1 < line->argc; i += 2, n++) {
		ranges[n].iova = wire_num(line, i);
		ranges[n].size = wire_num(line, i + 1);
	}
	answer(line, rte_vfio_user_client_dma_unmap(client, ranges, n));
}

/* dma_unmap_all */
static void
cmd_dma_unmap_all(const struct wire_line *line)
{
	answer(line, rte_vfio_user_client_dma_unmap_all(client));
}

/* mem IOVA LEN [DATA]: read, or store, local memory of a mapping */
static void
cmd_mem(const struct wire_line *line)
{
	uint64_t iova = wire_num(line, ARG(1)), len = wire_num(line, ARG(2));
	struct mem *mem = mem_find(iova);
	size_t data_len;
	uint8_t *data;

	if (mem == NULL || len > mem->size - (iova - mem->iova)) {
		answer(line, -EFAULT);
		return;
	}
	if (line->argc > ARG(3)) {
		data = wire_data(wire_arg(line, ARG(3)), &data_len);
		memcpy(mem->va + (iova - mem->iova), data, RTE_MIN(len, data_len));
		free(data);
	}
	wire_answer_data(line->tag, 0, mem->va + (iova - mem->iova), len);
}

/* ------------------------------------------------------------------ main */

static const struct {
	const char *name;
	command_t run;
} commands[] = {
	{ "connect", cmd_connect },
	{ "destroy", cmd_destroy },
	{ "dma_map", cmd_dma_map },
	{ "dma_unmap", cmd_dma_unmap },
	{ "dma_unmap_all", cmd_dma_unmap_all },
	{ "fds", cmd_fds },
	{ "flush", cmd_flush },
	{ "info", cmd_info },
	{ "io_fds", cmd_io_fds },
	{ "irq_assign", cmd_irq_assign },
	{ "irq_disable", cmd_irq_disable },
	{ "irq_info", cmd_irq_info },
	{ "irq_unmask", cmd_irq_unmask },
	{ "irq_wait", cmd_irq_wait },
	{ "mem", cmd_mem },
	{ "mmap", cmd_mmap },
	{ "multi", cmd_multi },
	{ "negotiated", cmd_negotiated },
	{ "poll", cmd_poll },
	{ "posted", cmd_posted },
	{ "quit", cmd_quit },
	{ "read", cmd_read },
	{ "read_async", cmd_access_async },
	{ "region_info", cmd_region_info },
	{ "reset", cmd_reset },
	{ "set_irqs", cmd_set_irqs },
	{ "states", cmd_states },
	{ "va", cmd_va },
	{ "work", cmd_work },
	{ "write", cmd_write },
	{ "write_async", cmd_access_async },
};

static void
run_line(const struct wire_line *line)
{
	unsigned int i;

	for (i = 0; i < RTE_DIM(commands); i++) {
		if (strcmp(line->argv[0], commands[i].name) == 0) {
			commands[i].run(line);
			return;
		}
	}
	wire_answer(line->tag, -ENOSYS, "unknown command");
}

static void *
line_thread(void *arg)
{
	struct wire_line line;

	if (wire_parse(arg, &line))
		run_line(&line);
	free(arg);
	__atomic_sub_fetch(&threads, 1, __ATOMIC_RELEASE);
	return NULL;
}

/* "TAG & COMMAND..." runs beside the lines that follow it. */
static void
dispatch(char *text)
{
	char *amp = strstr(text, " & ");
	struct wire_line line;
	pthread_t thread;

	if (amp == NULL) {
		if (wire_parse(text, &line))
			run_line(&line);
		return;
	}
	amp[1] = ' ';
	__atomic_add_fetch(&threads, 1, __ATOMIC_RELAXED);
	if (pthread_create(&thread, NULL, line_thread, strdup(text)) != 0)
		abort();
	pthread_detach(thread);
}

static int
parse_options(int argc, char **argv)
{
	static const struct option longopts[] = {
		{ "request-timeout", required_argument, NULL, 'r' },
		{ "connect-timeout", required_argument, NULL, 'c' },
		{ "max-msg-fds", required_argument, NULL, 'f' },
		{ "xfer", required_argument, NULL, 'x' },
		{ "max-dma-maps", required_argument, NULL, 'm' },
		{ "conn-fd", required_argument, NULL, 'o' },
		{ "reconnect", required_argument, NULL, 'R' },
		{ "retry-reads", no_argument, NULL, 'Y' },
		{ "no-twin", no_argument, NULL, 'T' },
		{ "dma-cb", no_argument, NULL, 'C' },
		{ "require-seals", no_argument, NULL, 'S' },
		{ "sigbus", no_argument, NULL, 's' },
		{ NULL, 0, NULL, 0 },
	};
	int opt;

	rte_vfio_user_client_conf_init(&conf);
	while ((opt = getopt_long(argc, argv, "", longopts, NULL)) != -1) {
		uint32_t val = optarg != NULL ? strtoul(optarg, NULL, 0) : 0;

		switch (opt) {
		case 'r': conf.request_timeout_ms = val; break;
		case 'c': conf.connect_timeout_ms = val; break;
		case 'f': conf.max_msg_fds = val; break;
		case 'x': conf.max_data_xfer_size = val; break;
		case 'm': conf.max_dma_maps = val; break;
		case 'R':
			conf.reconnect_timeout_ms = val;
			conf.state_cb = client_state_cb;
			break;
		case 'Y': conf.flags |= RTE_VFIO_USER_CLIENT_F_RETRY_READS; break;
		case 'o': conf.conn_fd = val; break;
		case 'T': conf.flags |= RTE_VFIO_USER_CLIENT_F_NO_TWIN_SOCKET; break;
		case 'C': conf.dma_cb = dma_cb; break;
		case 'S': conf.flags |= RTE_VFIO_USER_CLIENT_F_REQUIRE_SEALS; break;
		case 's':
			if (rte_vfio_user_sigbus_enable() < 0)
				return -1;
			break;
		default: return -1;
		}
	}
	if (optind < argc)
		conf.sock_path = argv[optind];
	return 0;
}

int
main(int argc, char **argv)
{
	struct wire_input in = { 0 };
	char *text;

	signal(SIGPIPE, SIG_DFL); /* the library must not depend on it */
	if (parse_options(argc, argv) != 0)
		return 2;
	puts("ready");
	fflush(stdout);
	while (running && wire_input_fill(&in) == 0) {
		while (running && (text = wire_input_line(&in)) != NULL)
			dispatch(text);
	}
	while (__atomic_load_n(&threads, __ATOMIC_ACQUIRE) > 0)
		usleep(1000);
	rte_vfio_user_client_destroy(client);
	free(in.buf);
	return 0;
}
