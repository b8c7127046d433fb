/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

/**
 * @file
 * Server under test: "wire_server [options] SOCK..." provides one device per
 * socket, prints "ready" and takes control lines "TAG DEVICE COMMAND..." on
 * stdin (wire_common.h). Public server API only.
 */

#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <rte_errno.h>
#include <rte_vfio_user_sigbus.h>

#include "wire_common.h"
#include "wire_device.h"

#define MAX_DEVS 8

struct options {
	struct rte_vfio_user_server_conf conf;
	uint32_t config_size;
	uint32_t extra_ioeventfds;
	bool sigbus;
};

static struct wire_dev devs[MAX_DEVS];
static unsigned int nb_devs;
static bool running = true;

typedef void (*command_t)(struct wire_dev *dev, const struct wire_line *line);

/* Control lines are parsed with the device as argument 0, the name as 1. */
#define ARG(n) ((n) + 1)

/* ------------------------------------------------------------------ DMA */

static bool
dma_mode(const char *name, enum wire_dma_mode *mode)
{
	static const char * const names[] = {
		[WIRE_DMA_POLL] = "poll",
		[WIRE_DMA_THREAD] = "thread",
		[WIRE_DMA_ASYNC] = "async",
		[WIRE_DMA_CALLBACK] = "callback",
		[WIRE_DMA_CALLBACK_ASYNC] = "cbasync",
	};
	unsigned int i;

	for (i = 0; i < RTE_DIM(names); i++) {
		*mode = i;
		if (strcmp(name, names[i]) == 0)
			return true;
	}
	return false;
}

/* dma_read|dma_write MODE IOVA LEN [IOVA LEN]... (write: seed is 0x5a) */
static void
cmd_dma(struct wire_dev *dev, const struct wire_line *line)
{
	struct wire_dma_job *job = calloc(1, sizeof(*job));
	uint64_t off = 0;
	size_t room;
	uint32_t i;

	if (job == NULL || !dma_mode(wire_arg(line, ARG(1)), &job->mode)) {
		free(job);
		wire_answer(line->tag, -EINVAL, "usage");
		return;
	}
	job->dev = dev;
	job->tag = line->tag;
	job->is_write = strcmp(wire_arg(line, ARG(0)), "dma_write") == 0;
	for (i = 0; i < WIRE_MAX_SG && ARG(2 + 2 * i) < (uint32_t)line->argc; i++) {
		job->sg[i].iova = wire_num(line, ARG(2 + 2 * i));
		job->sg[i].len = wire_num(line, ARG(3 + 2 * i));
		job->len += job->sg[i].len;
	}
	job->nb_sg = i;
	/* huge: such a range is never mapped, nothing of it may be copied */
	room = job->len > (1u << 28) ? 4096 : job->len + 1;
	job->buf = calloc(1, room);
	if (job->buf == NULL)
		abort();
	if (job->is_write)
		wire_pattern(job->buf, room, 0x5a);
	for (i = 0; i < job->nb_sg; i++) {
		job->sg[i].buf = job->buf + off;
		off += job->sg[i].len;
	}
	wire_dma_start(job);
}

/* lookup IOVA */
static void
cmd_lookup(struct wire_dev *dev, const struct wire_line *line)
{
	struct rte_vfio_user_dma_info info;
	int ret;

	ret = rte_vfio_user_server_dma_lookup(dev->srv, wire_num(line, ARG(1)),
					      &info);
	if (ret != 0) {
		wire_answer(line->tag, ret, "%s", "");
		return;
	}
	wire_answer(line->tag, 0, "0x%llx 0x%llx %u %d %d %d 0x%llx",
		    (unsigned long long)info.iova, (unsigned long long)info.size,
		    info.prot, info.mode, info.va != NULL, info.fd >= 0,
		    (unsigned long long)info.fd_offset);
}

/* dma_count */
static void
cmd_dma_count(struct wire_dev *dev, const struct wire_line *line)
{
	wire_answer(line->tag, rte_vfio_user_server_dma_count(dev->srv), "%s", "");
}

/* peek IOVA LEN PROT: through a read section */
static void
cmd_peek(struct wire_dev *dev, const struct wire_line *line)
{
	uint64_t len = wire_num(line, ARG(2));
	struct rte_vfio_user_dma_reader *reader;
	void *va;

	reader = rte_vfio_user_server_dma_reader_create(dev->srv);
	if (reader == NULL) {
		wire_answer(line->tag, -rte_errno, "%s", "");
		return;
	}
	rte_vfio_user_dma_begin(reader);
	va = rte_vfio_user_dma_va(reader, wire_num(line, ARG(1)), len,
				  wire_num(line, ARG(3)));
	if (va != NULL)
		wire_answer_data(line->tag, 0, va, len);
	else
		wire_answer(line->tag, -EFAULT, "%s", "");
	rte_vfio_user_dma_end(reader);
	rte_vfio_user_server_dma_reader_destroy(reader);
}

static void *
reader_thread(void *arg)
{
	struct wire_reader *rd = arg;
	volatile uint8_t *va;

	rte_vfio_user_dma_begin(rd->reader);
	va = rte_vfio_user_dma_va(rd->reader, rd->iova, 1, PROT_READ);
	__atomic_store_n(&rd->found, va != NULL ? 1 : -1, __ATOMIC_RELEASE);
	while (!__atomic_load_n(&rd->release, __ATOMIC_ACQUIRE)) {
		if (va != NULL)
			(void)*va; /* must stay mapped until the section ends */
		usleep(100);
	}
	rte_vfio_user_dma_end(rd->reader);
	return NULL;
}

/* Hold a read section at iova; 1: it is mapped, -1: not, or -errno. */
static int
reader_hold(struct wire_dev *dev, uint64_t iova)
{
	struct wire_reader *rd = &dev->reader;
	int found;

	if (rd->reader != NULL)
		return -EBUSY;
	memset(rd, 0, sizeof(*rd));
	rd->dev = dev;
	rd->iova = iova;
	rd->reader = rte_vfio_user_server_dma_reader_create(dev->srv);
	if (rd->reader == NULL)
		return -rte_errno;
	if (pthread_create(&rd->thread, NULL, reader_thread, rd) != 0)
		abort();
	do {
		found = __atomic_load_n(&rd->found, __ATOMIC_ACQUIRE);
	} while (found == 0);
	return found;
}

static int
reader_release(struct wire_dev *dev)
{
	struct wire_reader *rd = &dev->reader;

	if (rd->reader == NULL)
		return -ENOENT;
	__atomic_store_n(&rd->release, true, __ATOMIC_RELEASE);
	pthread_join(rd->thread, NULL);
	rte_vfio_user_server_dma_reader_destroy(rd->reader);
	rd->reader = NULL;
	return 0;
}

/* reader hold IOVA | reader release */
static void
cmd_reader(struct wire_dev *dev, const struct wire_line *line)
{
	bool hold = strcmp(wire_arg(line, ARG(1)), "hold") == 0;

	wire_answer(line->tag, hold ? reader_hold(dev, wire_num(line, ARG(2))) :
		    reader_release(dev), "%s", "");
}

/* ----------------------------------------------------------- interrupts */

/* trigger INDEX VECTOR */
static void
cmd_trigger(struct wire_dev *dev, const struct wire_line *line)
{
	wire_answer(line->tag, rte_vfio_user_server_irq_trigger(dev->srv,
		    wire_num(line, ARG(1)), wire_num(line, ARG(2))), "%s", "");
}

struct storm {
	struct wire_dev *dev;
	unsigned int tag;
	uint32_t index, vector;
	uint64_t end_ms;
};

static void *
storm_thread(void *arg)
{
	struct storm *storm = arg;
	int64_t count = 0;

	while (wire_now_ms() < storm->end_ms) {
		if (rte_vfio_user_server_irq_trigger(storm->dev->srv,
				storm->index, storm->vector) == 0)
			count++;
	}
	wire_answer(storm->tag, count, "%s", "");
	free(storm);
	return NULL;
}

/* storm INDEX VECTOR MS: trigger from another thread without a pause */
static void
cmd_storm(struct wire_dev *dev, const struct wire_line *line)
{
	struct storm *storm = calloc(1, sizeof(*storm));
	pthread_t thread;

	if (storm == NULL)
		abort();
	storm->dev = dev;
	storm->tag = line->tag;
	storm->index = wire_num(line, ARG(1));
	storm->vector = wire_num(line, ARG(2));
	storm->end_ms = wire_now_ms() + wire_num(line, ARG(3));
	if (pthread_create(&thread, NULL, storm_thread, storm) != 0)
		abort();
	pthread_detach(thread);
}

/* level INDEX VECTOR 0|1 */
static void
cmd_level(struct wire_dev *dev, const struct wire_line *line)
{
	wire_answer(line->tag, rte_vfio_user_server_irq_set_level(dev->srv,
		    wire_num(line, ARG(1)), wire_num(line, ARG(2)),
		    wire_num(line, ARG(3)) != 0), "%s", "");
}

/* irq_state INDEX VECTOR */
static void
cmd_irq_state(struct wire_dev *dev, const struct wire_line *line)
{
	wire_answer(line->tag, rte_vfio_user_server_irq_state(dev->srv,
		    wire_num(line, ARG(1)), wire_num(line, ARG(2))), "%s", "");
}

/* ------------------------------------------------- completion, life cycle */

/* complete RESULT [DATA]: the pending region access */
static void
cmd_complete(struct wire_dev *dev, const struct wire_line *line)
{
	size_t len;
	uint8_t *data = wire_data(wire_arg(line, ARG(2)), &len);
	int ret;

	ret = rte_vfio_user_server_region_complete(dev->srv, dev->pending.token,
			(int64_t)wire_num(line, ARG(1)), len > 0 ? data : NULL);
	wire_answer(line->tag, ret, "%s", "");
	free(data);
}

/* quiesce ok|pending|early|-ERRNO */
static void
cmd_quiesce(struct wire_dev *dev, const struct wire_line *line)
{
	const char *mode = wire_arg(line, ARG(1));

	if (strcmp(mode, "pending") == 0)
		dev->quiesce_ret = RTE_VFIO_USER_PENDING;
	else if (strcmp(mode, "early") == 0)
		dev->quiesce_ret = -EALREADY;
	else
		dev->quiesce_ret = (int)wire_num(line, ARG(1));
	wire_answer(line->tag, 0, "%s", "");
}

/* quiesce_done STATUS */
static void
cmd_quiesce_done(struct wire_dev *dev, const struct wire_line *line)
{
	wire_answer(line->tag, rte_vfio_user_server_quiesce_complete(dev->srv,
		    (int)wire_num(line, ARG(1))), "%s", "");
}

/* reset_status STATUS */
static void
cmd_reset_status(struct wire_dev *dev, const struct wire_line *line)
{
	dev->reset_ret = (int)wire_num(line, ARG(1));
	wire_answer(line->tag, 0, "%s", "");
}

/* map_status STATUS */
static void
cmd_map_status(struct wire_dev *dev, const struct wire_line *line)
{
	dev->map_ret = (int)wire_num(line, ARG(1));
	wire_answer(line->tag, 0, "%s", "");
}

/* negotiated */
static void
cmd_negotiated(struct wire_dev *dev, const struct wire_line *line)
{
	struct rte_vfio_user_negotiated neg;
	int ret = rte_vfio_user_server_negotiated(dev->srv, &neg);

	if (ret != 0) {
		wire_answer(line->tag, ret, "%s", "");
		return;
	}
	wire_answer(line->tag, 0, "%u %u %u %u %u 0x%llx %d %d %d", neg.major,
		    neg.minor, neg.max_msg_fds, neg.max_data_xfer_size,
		    neg.max_dma_maps, (unsigned long long)neg.pgsizes,
		    neg.write_multiple, neg.twin_socket, neg.sparse_mmap_fds);
}

/* log: callbacks since the last time */
static void
cmd_log(struct wire_dev *dev, const struct wire_line *line)
{
	wire_answer(line->tag, 0, "%.*s", (int)dev->log_len, dev->log);
	dev->log_len = 0;
}

/* fds */
static void
cmd_fds(struct wire_dev *dev, const struct wire_line *line)
{
	(void)dev;
	wire_answer(line->tag, wire_count_fds(), "%s", "");
}

/* defaults: undo what a test has set */
static void
cmd_defaults(struct wire_dev *dev, const struct wire_line *line)
{
	if (dev->quiesce_ret == RTE_VFIO_USER_PENDING)
		rte_vfio_user_server_quiesce_complete(dev->srv, 0);
	dev->quiesce_ret = 0;
	dev->reset_ret = 0;
	dev->map_ret = 0;
	dev->log_len = 0;
	reader_release(dev);
	if (dev->pending.token != 0)
		rte_vfio_user_server_region_complete(dev->srv,
				dev->pending.token, -EIO, NULL);
	dev->pending.token = 0;
	rte_vfio_user_server_irq_set_level(dev->srv, 0, 0, false);
	wire_answer(line->tag, 0, "%s", "");
}

/* destroy: the device; only quit may follow */
static void
cmd_destroy(struct wire_dev *dev, const struct wire_line *line)
{
	wire_answer(line->tag, rte_vfio_user_server_destroy(dev->srv), "%s", "");
	dev->srv = NULL;
}

/* quit */
static void
cmd_quit(struct wire_dev *dev, const struct wire_line *line)
{
	(void)dev;
	running = false;
	wire_answer(line->tag, 0, "%s", "");
}

/* ----------------------------------------------------------------- main */

static const struct {
	const char *name;
	command_t run;
} commands[] = {
	{ "complete", cmd_complete },
	{ "defaults", cmd_defaults },
	{ "destroy", cmd_destroy },
	{ "dma_count", cmd_dma_count },
	{ "dma_read", cmd_dma },
	{ "dma_write", cmd_dma },
	{ "fds", cmd_fds },
	{ "irq_state", cmd_irq_state },
	{ "level", cmd_level },
	{ "log", cmd_log },
	{ "lookup", cmd_lookup },
	{ "map_status", cmd_map_status },
	{ "negotiated", cmd_negotiated },
	{ "peek", cmd_peek },
	{ "quiesce", cmd_quiesce },
	{ "quiesce_done", cmd_quiesce_done },
	{ "quit", cmd_quit },
	{ "reader", cmd_reader },
	{ "reset_status", cmd_reset_status },
	{ "storm", cmd_storm },
	{ "trigger", cmd_trigger },
};

static void
run_line(const struct wire_line *line)
{
	uint64_t index = wire_num(line, 0);
	unsigned int i;

	for (i = 0; index < nb_devs && i < RTE_DIM(commands); i++) {
		if (strcmp(wire_arg(line, ARG(0)), commands[i].name) == 0) {
			commands[i].run(&devs[index], line);
			return;
		}
	}
	wire_answer(line->tag, -ENOSYS, "unknown command");
}

/* stdin, and the file descriptor of each device: no other reason to wake up */
static void
loop(void)
{
	struct wire_input in = { 0 };
	struct pollfd pfd[MAX_DEVS + 1];
	struct wire_line line;
	unsigned int i;
	char *text;

	pfd[0].fd = STDIN_FILENO;
	pfd[0].events = POLLIN;
	while (running) {
		for (i = 0; i < nb_devs; i++) {
			pfd[i + 1].fd = devs[i].srv == NULL ? -1 :
				rte_vfio_user_server_fd(devs[i].srv);
			pfd[i + 1].events = POLLIN;
		}
		if (poll(pfd, nb_devs + 1, -1) < 0)
			continue;
		for (i = 0; i < nb_devs; i++) {
			if (pfd[i + 1].revents != 0 && devs[i].srv != NULL)
				rte_vfio_user_server_poll(devs[i].srv);
		}
		if (pfd[0].revents == 0)
			continue;
		if (wire_input_fill(&in) != 0)
			break;
		while ((text = wire_input_line(&in)) != NULL) {
			if (wire_parse(text, &line))
				run_line(&line);
		}
	}
	free(in.buf);
}

static int
parse_options(int argc, char **argv, struct options *opts)
{
	static const struct option longopts[] = {
		{ "max-msg-fds", required_argument, NULL, 'f' },
		{ "xfer", required_argument, NULL, 'x' },
		{ "max-dma-maps", required_argument, NULL, 'm' },
		{ "max-dma-files", required_argument, NULL, 'F' },
		{ "max-dma-bytes", required_argument, NULL, 'B' },
		{ "msg-timeout", required_argument, NULL, 't' },
		{ "dma-timeout", required_argument, NULL, 'd' },
		{ "config-size", required_argument, NULL, 'c' },
		{ "ioeventfds", required_argument, NULL, 'e' },
		{ "listen-fd", required_argument, NULL, 'l' },
		{ "conn-fd", required_argument, NULL, 'o' },
		{ "no-reset", no_argument, NULL, 'R' },
		{ "no-twin", no_argument, NULL, 'T' },
		{ "no-write-multi", no_argument, NULL, 'W' },
		{ "require-seals", no_argument, NULL, 'S' },
		{ "sigbus", no_argument, NULL, 's' },
		{ NULL, 0, NULL, 0 },
	};
	struct rte_vfio_user_server_conf *conf = &opts->conf;
	int opt;

	rte_vfio_user_server_conf_init(conf);
	conf->num_regions = WIRE_NUM_REGIONS;
	conf->num_irqs = WIRE_NUM_IRQS;
	opts->config_size = 4096;
	while ((opt = getopt_long(argc, argv, "", longopts, NULL)) != -1) {
		uint64_t val = optarg != NULL ? strtoull(optarg, NULL, 0) : 0;

		switch (opt) {
		case 'f': conf->max_msg_fds = val; break;
		case 'x': conf->max_data_xfer_size = val; break;
		case 'm': conf->max_dma_maps = val; break;
		case 'F': conf->max_dma_files = val; break;
		case 'B': conf->max_dma_bytes = val; break;
		case 't': conf->msg_timeout_ms = val; break;
		case 'd': conf->dma_timeout_ms = val; break;
		case 'c': opts->config_size = val; break;
		case 'e': opts->extra_ioeventfds = val; break;
		case 'l': conf->listen_fd = val; break;
		case 'o': conf->conn_fd = val; break;
		case 'R': conf->flags |= RTE_VFIO_USER_SERVER_F_NO_RESET; break;
		case 'T': conf->flags |= RTE_VFIO_USER_SERVER_F_NO_TWIN_SOCKET; break;
		case 'W': conf->flags |= RTE_VFIO_USER_SERVER_F_NO_WRITE_MULTI; break;
		case 'S': conf->flags |= RTE_VFIO_USER_SERVER_F_REQUIRE_SEALS; break;
		case 's': opts->sigbus = true; break;
		default: return -1;
		}
	}
	return 0;
}

/* Create, describe and start the next device. */
static int
dev_start(struct options *opts, const char *path)
{
	struct wire_dev *dev = &devs[nb_devs];
	int ret;

	opts->conf.sock_path = path;
	opts->conf.priv = dev;
	dev->srv = rte_vfio_user_server_create(&opts->conf);
	if (dev->srv == NULL) {
		fprintf(stderr, "create: %d\n", rte_errno);
		return -1;
	}
	nb_devs++;
	ret = wire_dev_setup(dev, opts->config_size, opts->extra_ioeventfds);
	if (ret == 0)
		ret = rte_vfio_user_server_start(dev->srv);
	if (ret != 0)
		fprintf(stderr, "setup: %d\n", ret);
	return ret;
}

int
main(int argc, char **argv)
{
	struct options opts = { 0 };
	int ret = 0;
	unsigned int i;

	signal(SIGPIPE, SIG_DFL); /* the library must not depend on it */
	if (parse_options(argc, argv, &opts) != 0)
		return 2;
	if (opts.sigbus)
		ret = rte_vfio_user_sigbus_enable();
	if (ret == 0 && (opts.conf.listen_fd >= 0 || opts.conf.conn_fd >= 0))
		ret = dev_start(&opts, NULL);
	for (; ret == 0 && optind < argc && nb_devs < MAX_DEVS; optind++)
		ret = dev_start(&opts, argv[optind]);
	if (ret == 0) {
		puts("ready");
		fflush(stdout);
		loop();
	}
	for (i = 0; i < nb_devs; i++) {
		if (devs[i].srv == NULL)
			continue;
		reader_release(&devs[i]);
		rte_vfio_user_server_destroy(devs[i].srv);
	}
	while (wire_dma_threads() > 0)
		usleep(1000);
	return ret != 0;
}
