/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

/* info: what a device is made of, and what was negotiated with its server. */

#include <inttypes.h>
#include <stdio.h>

#include "session.h"
#include "tool.h"

static json_t *
negotiated_json(const struct rte_vfio_user_negotiated *neg)
{
	return json_pack("{s:[i,i], s:I, s:I, s:I, s:o, s:b, s:b, s:b}",
			 "version", neg->major, neg->minor,
			 "max_msg_fds", (json_int_t)neg->max_msg_fds,
			 "max_data_xfer_size", (json_int_t)neg->max_data_xfer_size,
			 "max_dma_maps", (json_int_t)neg->max_dma_maps,
			 "pgsizes", json_u64(neg->pgsizes),
			 "twin_socket", neg->twin_socket,
			 "write_multiple", neg->write_multiple,
			 "sparse_mmap_fds", neg->sparse_mmap_fds);
}

static int
info_run(int argc, char **argv)
{
	struct rte_vfio_user_negotiated neg;
	struct session s;
	int id, ret;

	session_init(&s);
	while ((id = cmd_getopt(&cmd_info, argc, argv)) >= 0)
		session_option(&s, id);
	session_open(&s, cmd_words(&cmd_info, argc, argv, 1, 1)[0]);
	ret = rte_vfio_user_client_negotiated(s.client, &neg);
	if (ret < 0)
		fail(ret, "%s", s.path);
	if (s.json)
		json_print(json_pack("{s:o}", "negotiated", negotiated_json(&neg)));
	else
		printf("protocol %u.%u\n", neg.major, neg.minor);
	session_close(&s);
	return STATUS_OK;
}

static const struct cmd_option info_options[] = {
	SESSION_OPTIONS,
	SESSION_OPTION_JSON,
	{ 0 },
};

const struct cmd cmd_info = {
	.name = "info",
	.args = "SOCK",
	.summary = "Show regions, interrupts, PCI capabilities and negotiated limits",
	.examples = "  " TOOL " info /run/dev.sock\n",
	.options = info_options,
	.run = info_run,
};
