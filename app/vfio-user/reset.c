/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

/* reset: DEVICE_RESET. */

#include <stdio.h>

#include "session.h"
#include "tool.h"

static int
reset_run(int argc, char **argv)
{
	struct vfio_device_info info;
	struct session s;
	double start;
	int id, ret;

	session_init(&s);
	while ((id = cmd_getopt(&cmd_reset, argc, argv)) >= 0)
		session_option(&s, id);
	session_open(&s, cmd_words(&cmd_reset, argc, argv, 1, 1)[0]);
	ret = rte_vfio_user_client_device_info(s.client, &info);
	if (ret < 0)
		fail(ret, "%s: device information", s.path);
	start = now_us();
	ret = rte_vfio_user_client_reset(s.client);
	if (ret < 0 && (info.flags & VFIO_DEVICE_FLAGS_RESET) == 0)
		die(STATUS_FAILED, "%s: the device cannot be reset", s.path);
	if (ret < 0)
		fail(ret, "%s: reset", s.path);
	if (s.json)
		json_print(json_pack("{s:b, s:f}", "reset", true, "us", now_us() - start));
	session_close(&s);
	return STATUS_OK;
}

static const struct cmd_option reset_options[] = {
	SESSION_OPTIONS,
	SESSION_OPTION_JSON,
	{ 0 },
};

const struct cmd cmd_reset = {
	.name = "reset",
	.args = "SOCK",
	.summary = "Reset the device",
	.help = "Prints nothing but with --json, which has the time that the reset took.\n",
	.examples = "  " TOOL " reset /run/dev.sock\n",
	.options = reset_options,
	.run = reset_run,
};
