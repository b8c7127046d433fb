/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

/* top: the devices of all DPDK processes, by their telemetry. */

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "tool.h"
#include "top.h"

#define MAX_DEVICES 65536u

/** Counters of which rates are shown, of one look. */
struct counts {
	double at_us;
	uint64_t messages, bytes, irqs;
};

/** A device at one look. */
struct dev {
	pid_t pid, peer;
	uint64_t id;
	char process[TOP_TEXT], peer_name[TOP_TEXT];
	char role[TOP_TEXT], socket[TOP_TEXT], state[TOP_TEXT];
	struct counts counts;
	uint64_t maps, errors, reconnects, lost_writes;
	bool has_rates;
	double messages_s, bytes_s, irqs_s;
};

/** One look at everything. */
struct look {
	struct dev *dev;
	uint32_t nb;
	json_t *failed; /* telemetry sockets that did not answer: {path: reason} */
	pid_t *pid; /* processes that were asked */
	uint32_t nb_pid;
	struct top_users users;
};

struct top {
	const char *dir;
	bool json, once;
	uint32_t interval_ms;
};

static void *
resize(void *items, size_t nb, size_t size)
{
	items = realloc(items, nb * size);
	if (items == NULL)
		die(STATUS_FAILED, "out of memory");
	return items;
}

/* Signals that end it; they are blocked, and taken between two looks. */
static sigset_t
end_signals(void)
{
	sigset_t signals;

	sigemptyset(&signals);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	return signals;
}

/* Processes that take their time for each answer must not keep us from it. */
static bool
shall_end(void)
{
	sigset_t pending;

	return sigpending(&pending) == 0 &&
		(sigismember(&pending, SIGINT) == 1 || sigismember(&pending, SIGTERM) == 1);
}

/* ------------------------------------------------------------------------ asking */

static uint64_t
sum_of(const json_t *object, const char *key)
{
	const char *name;
	json_t *value;
	uint64_t sum = 0;

	json_object_foreach(json_object_get(object, key), name, value)
		sum += top_value(value);
	return sum;
}

static void
take_stats(struct dev *dev, const json_t *stats)
{
	dev->counts.at_us = now_us();
	dev->counts.messages = top_number(stats, "messages_in") +
		top_number(stats, "messages_out");
	dev->counts.bytes = top_number(stats, "bytes_in") + top_number(stats, "bytes_out");
	dev->counts.irqs = top_number(stats, "irqs_delivered");
	dev->maps = top_number(stats, "dma_maps");
	dev->reconnects = top_number(stats, "reconnects");
	dev->lost_writes = top_number(stats, "lost_writes");
	dev->errors = sum_of(stats, "errors_in") + sum_of(stats, "errors_out") +
		top_number(stats, "timeouts") + top_number(stats, "peer_timeouts") +
		top_number(stats, "violations") + dev->lost_writes;
}

static void
take_device(struct look *look, struct top_ask *ask, uint64_t id)
{
	json_t *info, *stats;
	char command[64];
	struct dev *dev;

	snprintf(command, sizeof(command), "/vfio_user/dev,%" PRIu64, id);
	info = top_ask(ask, command);
	snprintf(command, sizeof(command), "/vfio_user/stats,%" PRIu64, id);
	stats = top_ask(ask, command);
	if (info != NULL && stats != NULL && look->nb < MAX_DEVICES) { /* else it has gone */
		look->dev = resize(look->dev, look->nb + 1, sizeof(*dev));
		dev = memset(&look->dev[look->nb++], 0, sizeof(*dev));
		dev->id = id;
		dev->pid = ask->pid;
		dev->peer = (pid_t)top_number(info, "peer_pid");
		top_process_name(dev->process, dev->pid);
		if (dev->peer != 0)
			top_process_name(dev->peer_name, dev->peer);
		top_text(dev->role, info, "role");
		top_text(dev->socket, info, "socket");
		top_text(dev->state, info, "state");
		take_stats(dev, stats);
	}
	json_decref(info);
	json_decref(stats);
}

static void
take_process(struct look *look, struct top_ask *ask)
{
	uint64_t from = 0, next;
	char command[64];
	json_t *page, *id;
	size_t i;

	do {
		snprintf(command, sizeof(command), "/vfio_user/list,%" PRIu64, from);
		page = top_ask(ask, command);
		json_array_foreach(json_object_get(page, "devices"), i, id) {
			if (ask->silent || shall_end())
				break;
			take_device(look, ask, top_value(id));
		}
		next = top_number(page, "next");
		json_decref(page);
		if (next <= from)
			break; /* the end, or nonsense */
		from = next;
	} while (look->nb < MAX_DEVICES && !shall_end());
}

static int
by_identity(const void *a, const void *b)
{
	const struct dev *x = a, *y = b;

	if (x->pid != y->pid)
		return x->pid < y->pid ? -1 : 1;
	return x->id < y->id ? -1 : x->id > y->id;
}

static int
busiest_first(const void *a, const void *b)
{
	const struct dev *x = a, *y = b;

	if (x->messages_s != y->messages_s)
		return x->messages_s < y->messages_s ? 1 : -1;
	return by_identity(a, b);
}

static void
set_rates_since(struct dev *dev, const struct counts *old)
{
	const struct counts *new = &dev->counts;
	double s = (new->at_us - old->at_us) / 1e6;

	/* counters only grow: else it is another process with that number */
	if (s <= 0 || new->messages < old->messages || new->irqs < old->irqs ||
	    new->bytes < old->bytes)
		return;
	dev->has_rates = true;
	dev->messages_s = (double)(new->messages - old->messages) / s;
	dev->bytes_s = (double)(new->bytes - old->bytes) / s;
	dev->irqs_s = (double)(new->irqs - old->irqs) / s;
}

static void
set_rates(struct look *look, const struct look *before)
{
	const struct dev *old;
	uint32_t i;

	if (look->nb == 0)
		return;
	if (before->nb != 0)
		qsort(before->dev, before->nb, sizeof(*before->dev), by_identity);
	for (i = 0; i < look->nb && before->nb != 0; i++) {
		old = bsearch(&look->dev[i], before->dev, before->nb, sizeof(*old), by_identity);
		if (old != NULL)
			set_rates_since(&look->dev[i], &old->counts);
	}
	qsort(look->dev, look->nb, sizeof(*look->dev), busiest_first);
}

static void
look_free(struct look *look)
{
	free(look->dev);
	free(look->pid);
	json_decref(look->failed);
	top_users_free(&look->users);
	memset(look, 0, sizeof(*look));
}

static void
look_at(struct look *look, const char *dir)
{
	struct top_list sockets = { 0 };
	struct top_ask ask;
	const char *why;
	size_t i;

	memset(look, 0, sizeof(*look));
	look->failed = json_object();
	top_find_sockets(&sockets, dir);
	for (i = 0; i < sockets.nb && !shall_end(); i++) {
		why = top_ask_open(&ask, sockets.name[i]);
		/* one that nobody listens on was left behind by a process that ended */
		if (why != NULL && strcmp(why, strerror(ECONNREFUSED)) != 0)
			json_object_set_new(look->failed, sockets.name[i], json_string(why));
		if (why != NULL)
			continue;
		look->pid = resize(look->pid, look->nb_pid + 1, sizeof(*look->pid));
		look->pid[look->nb_pid++] = ask.pid;
		take_process(look, &ask);
		if (ask.silent)
			json_object_set_new(look->failed, sockets.name[i],
					    json_string("it stopped answering"));
		top_ask_close(&ask);
	}
	top_list_free(&sockets);
	top_find_users(&look->users);
}

/* Whether a process has told of its devices. */
static bool
was_asked(const struct look *look, pid_t pid)
{
	uint32_t i;

	for (i = 0; i < look->nb_pid; i++)
		if (look->pid[i] == pid)
			return true;
	return false;
}

/* -------------------------------------------------------------------------- JSON */

static json_t *
rate_json(const struct dev *dev, double value)
{
	return dev->has_rates ? json_real(value) : json_null();
}

static json_t *
dev_json(const struct dev *dev)
{
	return json_pack("{s:i, s:s, s:I, s:s, s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o,"
			 " s:o, s:o}",
			 "pid", (int)dev->pid, "process", dev->process,
			 "id", (json_int_t)dev->id, "role", dev->role,
			 "socket", dev->socket, "state", dev->state,
			 "peer_pid", dev->peer != 0 ? json_integer(dev->peer) : json_null(),
			 "peer", dev->peer != 0 ? json_string(dev->peer_name) : json_null(),
			 "messages", json_u64(dev->counts.messages),
			 "messages_per_second", rate_json(dev, dev->messages_s),
			 "bytes_per_second", rate_json(dev, dev->bytes_s),
			 "irqs", json_u64(dev->counts.irqs),
			 "irqs_per_second", rate_json(dev, dev->irqs_s),
			 "dma_maps", json_u64(dev->maps),
			 "errors", json_u64(dev->errors),
			 "reconnects", json_u64(dev->reconnects));
}

static void
print_json(const struct look *look)
{
	json_t *devices = json_array(), *unseen = json_array();
	char name[TOP_TEXT];
	json_t *all;
	size_t i;

	for (i = 0; i < look->nb; i++)
		json_array_append_new(devices, dev_json(&look->dev[i]));
	for (i = 0; i < look->users.nb; i++)
		if (!was_asked(look, look->users.pid[i]))
			json_array_append_new(unseen, json_pack("{s:i, s:s}",
				"pid", (int)look->users.pid[i], "process",
				top_process_name(name, look->users.pid[i])));
	all = json_pack("{s:o, s:o, s:O, s:I}", "devices", devices,
			"without_telemetry", unseen, "failed", look->failed,
			"not_examined", (json_int_t)look->users.unknown);
	/* a line for each look: a program reads them as they come */
	if (all == NULL || json_dumpf(all, stdout, JSON_COMPACT | JSON_ENSURE_ASCII) < 0)
		die(STATUS_FAILED, "cannot write JSON");
	putchar('\n');
	json_decref(all);
}

/* ------------------------------------------------------------------------- table */

/** A terminal, or as much room as it takes. */
struct screen {
	int rows, columns;
	bool tty;
};

static void __rte_format_printf(2, 3)
line(struct screen *screen, const char *format, ...)
{
	char text[1024];
	va_list args;

	if (screen->rows <= 0)
		return;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	printf("%.*s\n", screen->columns, text);
	screen->rows--;
}

static struct screen
get_screen(const struct top *top)
{
	struct screen screen = { .rows = INT32_MAX, .columns = 1023 };
	struct winsize size;

	screen.tty = !top->once && isatty(STDOUT_FILENO);
	if (screen.tty && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 &&
	    size.ws_row > 4 && size.ws_col > 20) {
		screen.rows = size.ws_row - 1;
		screen.columns = size.ws_col;
	}
	return screen;
}

static const char *
rate_text(char *buf, size_t size, const struct dev *dev, double value)
{
	if (!dev->has_rates)
		return "-";
	if (value >= 999.5e6)
		snprintf(buf, size, "%.1fG", value / 1e9);
	else if (value >= 999.5e3)
		snprintf(buf, size, "%.1fM", value / 1e6);
	else if (value >= 9999.5)
		snprintf(buf, size, "%.0fk", value / 1e3);
	else
		snprintf(buf, size, "%.0f", value);
	return buf;
}

static void
print_dev(struct screen *screen, const struct dev *dev)
{
	char messages[16], irqs[16], peer[TOP_TEXT + 16] = "-";

	if (dev->peer != 0)
		snprintf(peer, sizeof(peer), "%d %s", (int)dev->peer, dev->peer_name);
	line(screen, "%7d %-15.15s %5" PRIu64 " %-6s %-14s %-20.20s %7s %7s %6" PRIu64
	     " %7" PRIu64 " %s", (int)dev->pid, dev->process, dev->id, dev->role, dev->state,
	     peer, rate_text(messages, sizeof(messages), dev, dev->messages_s),
	     rate_text(irqs, sizeof(irqs), dev, dev->irqs_s), dev->maps, dev->errors,
	     dev->socket);
}

/* What cannot be shown, and why. */
static void
print_unseen(struct screen *screen, const struct look *look)
{
	char name[TOP_TEXT];
	const char *path;
	json_t *why;
	size_t i;

	for (i = 0; i < look->users.nb; i++)
		if (!was_asked(look, look->users.pid[i]))
			line(screen, "no telemetry: %d %s", (int)look->users.pid[i],
			     top_process_name(name, look->users.pid[i]));
	json_object_foreach(look->failed, path, why)
		line(screen, "cannot ask %s: %s", text_clean(name, sizeof(name), path, SIZE_MAX),
		     json_string_value(why));
	if (look->users.unknown != 0)
		line(screen, "not examined: %zu process%s of other users",
		     look->users.unknown, look->users.unknown == 1 ? "" : "es");
}

static void
print_table(const struct look *look, const struct top *top)
{
	struct screen screen = get_screen(top);
	uint32_t i, shown;

	if (screen.tty)
		printf("\033[H\033[J");
	line(&screen, "%7s %-15s %5s %-6s %-14s %-20s %7s %7s %6s %7s %s", "PID", "PROCESS", "ID",
	     "ROLE", "STATE", "PEER", "MSG/s", "IRQ/s", "MAPS", "ERRORS", "SOCKET");
	/* two lines for what is not shown */
	shown = (uint32_t)RTE_MAX(screen.rows - 2, 1);
	shown = RTE_MIN(look->nb, shown);
	for (i = 0; i < shown; i++)
		print_dev(&screen, &look->dev[i]);
	if (shown < look->nb)
		line(&screen, "and %" PRIu32 " more", look->nb - shown);
	if (look->nb == 0)
		line(&screen, "no devices");
	print_unseen(&screen, look);
	if (!top->once && !screen.tty)
		putchar('\n');
}

/* ----------------------------------------------------------------------- command */

/* Wait; false: a signal says that it is enough. */
static bool
wait_interval(uint32_t ms)
{
	const struct timespec ts = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L };
	const sigset_t signals = end_signals();

	return sigtimedwait(&signals, NULL, &ts) < 0;
}

static enum status
run(const struct top *top)
{
	struct look look, before = { 0 };
	enum status status = STATUS_OK;
	const sigset_t signals = end_signals();
	bool first = true;

	sigprocmask(SIG_BLOCK, &signals, NULL);
	do {
		look_at(&look, top->dir);
		set_rates(&look, &before);
		/* rates need two looks */
		if (!top->once || !first || top->interval_ms == 0) {
			if (top->json)
				print_json(&look);
			else
				print_table(&look, top);
			status = stdout_end();
		}
		look_free(&before);
		before = look;
		if (top->once && (!first || top->interval_ms == 0))
			break;
		first = false;
	} while (status == STATUS_OK && wait_interval(top->interval_ms));
	look_free(&before);
	return status;
}

enum { OPT_ONCE = CMD_OPTION_LONG };

static const struct cmd_option top_options[] = {
	{ 'i', "interval", "SEC", "time between two looks [1]" },
	{ OPT_ONCE, "once", NULL, "print one table, with the rates of one interval, and end" },
	{ 'd', "dir", "DIR", "look for DPDK processes below this folder only" },
	{ 'j', "json", NULL, "print a line of JSON for each look" },
	{ 0 },
};

static int
top_run(int argc, char **argv)
{
	struct top top = { .interval_ms = 1000 };
	int id;

	while ((id = cmd_getopt(&cmd_top, argc, argv)) >= 0) {
		if (id == 'i')
			top.interval_ms = parse_seconds(optarg, "--interval");
		else if (id == OPT_ONCE)
			top.once = true;
		else if (id == 'd')
			top.dir = optarg;
		else
			top.json = true;
	}
	cmd_words(&cmd_top, argc, argv, 0, 0);
	if (top.interval_ms == 0 && !top.once)
		usage(&cmd_top, "an interval of 0 is for --once only");
	return run(&top);
}

const struct cmd cmd_top = {
	.name = "top",
	.args = "",
	.summary = "Show the devices of all DPDK processes and what they do",
	.help = "Asks the telemetry of each process that has called rte_eal_init(). Processes\n"
		"that use the library without telemetry are named below the table. ERRORS are\n"
		"refused requests of either side, timeouts, protocol violations and lost posted\n"
		"writes. Ends by an interrupt (Ctrl-C).\n",
	.examples = "  " TOOL " top\n"
		"  " TOOL " top --once --interval 0\n"
		"  " TOOL " top --json --interval 10 >> log\n",
	.options = top_options,
	.run = top_run,
};
