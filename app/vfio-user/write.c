/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

/* write: values to registers, or a file to memory of a region. */

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_byteorder.h>

#include "access.h"
#include "names.h"
#include "tool.h"

#define CHUNK (64u << 10) /* bytes of a message */

enum { OPTION_POSTED = CMD_OPTION_LONG, OPTION_MULTI };

struct write_job {
	struct session s;
	uint32_t region;
	uint32_t width;
	uint64_t offset;
	uint64_t done; /* bytes */
	const char *path; /* of the file to read, or NULL */
	bool posted;
	bool multi;
	struct rte_vfio_user_write *writes;
	uint32_t nb_writes;
};

static void
parse_values(struct write_job *job, char **words)
{
	struct rte_vfio_user_write *w;
	rte_le64_t wire;
	uint32_t nb;

	for (nb = 0; words[nb] != NULL; nb++)
		;
	if (nb == 0 && job->path == NULL)
		usage(&cmd_write, "no value given");
	if (nb != 0 && job->path != NULL)
		usage(&cmd_write, "values and --input cannot both be given");
	if (job->offset > UINT64_MAX - (uint64_t)nb * job->width)
		usage(&cmd_write, "the offset is too large");
	job->writes = xcalloc(nb, sizeof(*job->writes));
	for (; job->nb_writes < nb; job->nb_writes++) {
		w = &job->writes[job->nb_writes];
		w->region = job->region;
		w->offset = job->offset + (uint64_t)job->nb_writes * job->width;
		w->len = job->width;
		wire = rte_cpu_to_le_64(parse_number(words[job->nb_writes], "VALUE",
						     UINT64_MAX >> (64 - 8 * job->width)));
		memcpy(w->data, &wire, sizeof(w->data));
	}
}

static void __rte_noreturn
write_failed(struct write_job *job, ssize_t ret, uint64_t offset)
{
	char name[NAME_SIZE];

	region_name(name, job->region);
	if (ret < 0)
		fail((int)ret, "%s: writing at %s 0x%" PRIx64 ", after %" PRIu64 " bytes",
		     job->s.path, name, offset, job->done);
	die(STATUS_FAILED, "%s: the device took only %" PRIu64 " bytes at %s 0x%" PRIx64,
	    job->s.path, job->done, name, job->offset);
}

static void
write_multi(struct write_job *job)
{
	int ret = rte_vfio_user_client_region_write_multi(job->s.client, job->writes,
							  job->nb_writes);

	if (ret > 0)
		job->done = (uint64_t)ret * job->width;
	if (ret != (int)job->nb_writes)
		write_failed(job, ret, job->offset + job->done);
}

static void
write_posted(struct write_job *job, const struct rte_vfio_user_write *w)
{
	int ret;

	do {
		ret = rte_vfio_user_client_region_write_posted(job->s.client, w->region,
				w->offset, w->data, w->len);
		if (ret == -EAGAIN && rte_vfio_user_client_poll(job->s.client) < 0)
			ret = -ENOTCONN;
	} while (ret == -EAGAIN);
	if (ret < 0)
		write_failed(job, ret, w->offset);
}

/* Posted writes have no reply: an answer to another request proves their arrival. */
static void
posted_end(struct write_job *job)
{
	struct vfio_device_info info;
	int ret;

	ret = rte_vfio_user_client_device_info(job->s.client, &info);
	if (ret < 0)
		fail(ret, "%s: after the posted writes", job->s.path);
}

static void
write_values(struct write_job *job)
{
	const struct rte_vfio_user_write *w;
	ssize_t ret;
	uint32_t i;

	for (i = 0; i < job->nb_writes; i++) {
		w = &job->writes[i];
		if (job->posted) {
			write_posted(job, w);
		} else {
			ret = rte_vfio_user_client_region_write(job->s.client, w->region,
					w->offset, w->data, w->len);
			if (ret != (ssize_t)w->len)
				write_failed(job, ret, w->offset);
		}
		job->done += w->len;
	}
	if (job->posted)
		posted_end(job);
}

static void
write_file(struct write_job *job)
{
	static uint8_t data[CHUNK];
	FILE *in;
	ssize_t ret;
	size_t len;

	in = strcmp(job->path, "-") == 0 ? stdin : fopen(job->path, "rb");
	if (in == NULL)
		die(STATUS_FAILED, "%s: %s", job->path, strerror(errno));
	while ((len = fread(data, 1, sizeof(data), in)) > 0) {
		if (job->done + len > UINT64_MAX - job->offset)
			die(STATUS_FAILED, "%s: larger than any region", job->path);
		ret = rte_vfio_user_client_region_write(job->s.client, job->region,
				job->offset + job->done, data, len);
		job->done += ret > 0 ? (uint64_t)ret : 0;
		if (ret != (ssize_t)len)
			write_failed(job, ret, job->offset + job->done);
	}
	if (ferror(in))
		die(STATUS_FAILED, "%s: %s", job->path, strerror(errno));
	if (in != stdin)
		fclose(in);
}

static void
parse_options(struct write_job *job, int argc, char **argv)
{
	int id;

	session_init(&job->s);
	job->width = 4;
	while ((id = cmd_getopt(&cmd_write, argc, argv)) >= 0) {
		if (id == 'W')
			job->width = width_parse(optarg, "--width");
		else if (id == 'i')
			job->path = optarg;
		else if (id == OPTION_POSTED)
			job->posted = true;
		else if (id == OPTION_MULTI)
			job->multi = true;
		else
			session_option(&job->s, id);
	}
	if (job->posted + job->multi + (job->path != NULL) > 1)
		usage(&cmd_write, "--posted, --multi and --input exclude each other");
}

static int
write_run(int argc, char **argv)
{
	struct write_job job = { 0 };
	char name[NAME_SIZE], **words;

	parse_options(&job, argc, argv);
	words = cmd_words(&cmd_write, argc, argv, 3, argc);
	job.region = region_parse(words[1]);
	job.offset = parse_number(words[2], "OFFSET", UINT64_MAX);
	parse_values(&job, words + 3);
	session_open(&job.s, words[0]);
	if (job.path != NULL)
		write_file(&job);
	else if (job.multi)
		write_multi(&job);
	else
		write_values(&job);
	if (job.s.json)
		json_print(json_pack("{s:I, s:s, s:o, s:o}", "region", (json_int_t)job.region,
				     "name", region_name(name, job.region),
				     "offset", json_u64(job.offset),
				     "written", json_u64(job.done)));
	free(job.writes);
	session_close(&job.s);
	return STATUS_OK;
}

static const struct cmd_option write_options[] = {
	SESSION_OPTIONS,
	SESSION_OPTION_JSON,
	{ 'W', "width", "N", "bytes of each value: 1, 2, 4 or 8 [4]" },
	{ 'i', "input", "FILE", "write the bytes of FILE, '-' is stdin" },
	{ OPTION_POSTED, "posted", NULL, "ask for no reply: errors are not seen" },
	{ OPTION_MULTI, "multi", NULL, "send all values in REGION_WRITE_MULTI messages" },
	{ 0 },
};

const struct cmd cmd_write = {
	.name = "write",
	.args = "SOCK REGION OFFSET [VALUE...]",
	.summary = "Write registers or memory of a region",
	.help = "Each VALUE is an access of its own, little-endian; the second one goes to the\n"
		"offset behind the first one, and so on. REGION and numbers as in '" TOOL
		" read'.\n",
	.examples = "  " TOOL " write /run/dev.sock bar0 0x30 4\n"
		"  " TOOL " write --width 8 /run/dev.sock bar0 0x10 0x100000000\n"
		"  " TOOL " write -i bar2.bin /run/dev.sock bar2 0\n",
	.options = write_options,
	.run = write_run,
};
