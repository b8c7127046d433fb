/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#include <ctype.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>

#include "cmd.h"
#include "names.h"
#include "tool.h"
#include "trace_names.h"
#include "trace_proxy.h"
#include "trace_socket.h"

#define DEFAULT_DATA 64u

enum {
	OPT_COMMAND = CMD_OPTION_LONG,
	OPT_REGION,
	OPT_NO_DATA,
	OPT_HEXDUMP,
	OPT_ONCE,
	OPT_SPIN,
};

static const struct cmd_option options[] = {
	{ 'l', "listen", "PATH", "socket for the clients" },
	{ 'c', "connect", "PATH", "socket of the server" },
	{ 'f', "format", "FORMAT", "text (default), json, or pcapng" },
	{ 'o', "output", "FILE", "write there instead of to stdout" },
	{ 'q', "quiet", NULL, "show no messages, only the summary" },
	{ OPT_COMMAND, "command", "NAME", "show these only: name or number; may be repeated" },
	{ OPT_REGION, "region", "N", "show what is about it only: number, BAR0..5, ROM, CONFIG" },
	{ OPT_HEXDUMP, "hexdump", "BYTES", "show so much of data (default 64)" },
	{ OPT_NO_DATA, "no-data", NULL, "show no data: --hexdump 0" },
	{ OPT_ONCE, "once", NULL, "serve one connection, then end" },
	{ OPT_SPIN, "spin", NULL, "never sleep: faster, takes a cpu" },
	{ 0, NULL, NULL, NULL },
};

struct options {
	struct trace_sink_conf sink;
	struct trace_proxy_conf proxy;
	struct trace_listener listener;
	const char *listen;
	const char *output;
};

static volatile sig_atomic_t stop;
static int stop_fd; /* wakes up who waits when stop is set */

static void
on_signal(int sig)
{
	int error = errno;

	RTE_SET_USED(sig);
	stop = 1;
	eventfd_write(stop_fd, 1);
	errno = error;
}

static void
set_format(struct options *opts, const char *word)
{
	static const char *const names[] = {
		[TRACE_TEXT] = "text",
		[TRACE_JSON] = "json",
		[TRACE_PCAPNG] = "pcapng",
	};
	unsigned int i;

	for (i = 0; i < RTE_DIM(names); i++) {
		if (strcmp(word, names[i]) == 0) {
			opts->sink.format = (enum trace_format)i;
			return;
		}
	}
	usage(&cmd_trace, "unknown format '%s'", word);
}

static void
add_command(struct trace_sink_conf *conf, const char *word)
{
	int command = trace_command_of(word);

	if (command < 0 && isdigit((unsigned char)word[0]))
		command = (int)parse_number(word, "--command", UINT16_MAX);
	if (command < 0)
		usage(&cmd_trace, "unknown command of the protocol '%s'", word);
	conf->by_command = true;
	conf->commands[command / 64] |= UINT64_C(1) << command % 64;
}

static void
add_region(struct trace_sink_conf *conf, const char *word)
{
	uint32_t region = region_parse(word);

	if (region == UINT32_MAX)
		usage(&cmd_trace, "there is no region %s", word);
	if (conf->nb_regions == TRACE_MAX_REGIONS)
		usage(&cmd_trace, "more than %d regions", TRACE_MAX_REGIONS);
	conf->regions[conf->nb_regions++] = region;
}

static void
take_option(struct options *opts, int option)
{
	switch (option) {
	case 'l':
		opts->listen = optarg;
		break;
	case 'c':
		opts->proxy.connect = optarg;
		break;
	case 'f':
		set_format(opts, optarg);
		break;
	case 'o':
		opts->output = optarg;
		break;
	case 'q':
		opts->sink.quiet = true;
		break;
	case OPT_COMMAND:
		add_command(&opts->sink, optarg);
		break;
	case OPT_REGION:
		add_region(&opts->sink, optarg);
		break;
	case OPT_HEXDUMP:
		opts->sink.max_data = (uint32_t)parse_number(optarg, "--hexdump", UINT32_MAX);
		break;
	case OPT_NO_DATA:
		opts->sink.max_data = 0;
		break;
	case OPT_ONCE:
		opts->proxy.once = true;
		break;
	case OPT_SPIN:
		opts->proxy.spin = true;
		break;
	}
}

/* The second one of a kind ends the program at once. */
static void
catch_signals(void)
{
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP };
	struct sigaction action = {
		.sa_handler = on_signal,
		.sa_flags = (int)SA_RESETHAND,
	};
	unsigned int i;

	stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (stop_fd < 0)
		die(STATUS_FAILED, "cannot make an eventfd: %s", strerror(errno));
	for (i = 0; i < RTE_DIM(signals); i++)
		sigaction(signals[i], &action, NULL);
	signal(SIGPIPE, SIG_IGN);
}

/* File descriptors in flight are ours for a moment. */
static void
allow_files(void)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) < 0)
		return;
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
}

/* The output is closed by then: its errors count if nothing else went wrong. */
static int
serve(struct options *opts, struct trace_out *out)
{
	struct trace_stats *stats = trace_stats_create();
	struct trace_sink *sink = trace_sink_create(&opts->sink, out, trace_now());
	int status, error;

	if (stats == NULL || sink == NULL) {
		trace_unlisten(&opts->listener);
		die(STATUS_FAILED, "no memory");
	}
	status = trace_proxy_run(&opts->proxy, sink, out, stats);
	trace_sink_summary(sink, stats, trace_now());
	error = trace_out_close(out);
	trace_sink_free(sink);
	trace_stats_free(stats);
	if (error == 0)
		return status;
	fprintf(stderr, TOOL ": the trace is not complete: %s\n", strerror(error));
	return status == STATUS_OK ? STATUS_FAILED : status;
}

static int
run(int argc, char **argv)
{
	static struct options opts = {
		.sink.max_data = DEFAULT_DATA,
		.output = "-",
		.proxy.stop = &stop,
		.proxy.listener = &opts.listener,
	};
	struct trace_out *out;
	int option, error;

	while ((option = cmd_getopt(&cmd_trace, argc, argv)) != -1)
		take_option(&opts, option);
	cmd_words(&cmd_trace, argc, argv, 0, 0);
	if (opts.listen == NULL || opts.proxy.connect == NULL)
		usage(&cmd_trace, "--listen and --connect are needed");
	if (strcmp(opts.listen, opts.proxy.connect) == 0)
		usage(&cmd_trace, "--listen and --connect are the same");
	allow_files();
	catch_signals();
	opts.proxy.stop_fd = stop_fd;
	/* first: where this fails, an older trace in the output stays */
	trace_listen(&opts.listener, opts.listen);
	out = trace_out_open(opts.output, &stop);
	if (out == NULL) {
		error = errno;
		trace_unlisten(&opts.listener);
		die(STATUS_FAILED, "cannot write %s: %s", opts.output, strerror(error));
	}
	return serve(&opts, out);
}

const struct cmd cmd_trace = {
	.name = "trace",
	.args = "",
	.summary = "Show the messages between a client and a server",
	.help =
"A proxy: clients connect to the socket --listen instead of the server's, which\n"
"is --connect. Messages and file descriptors are passed on unchanged, and shown\n"
"with all their fields. A signal (Ctrl-C) ends the connections and shows how many\n"
"messages there were of each command, and how long replies took.\n",
	.examples =
"  dpdk-vfio-user trace -l /tmp/trace.sock -c /tmp/dev.sock\n"
"  dpdk-vfio-user trace -l /tmp/trace.sock -c /tmp/dev.sock --region CONFIG\n"
"  dpdk-vfio-user trace -l /tmp/trace.sock -c /tmp/dev.sock -f json -o trace.json\n"
"  dpdk-vfio-user trace -l /tmp/trace.sock -c /tmp/dev.sock -f pcapng -o - |\n"
"      wireshark -k -i -\n",
	.options = options,
	.run = run,
};
