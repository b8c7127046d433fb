/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

/* read: registers, or memory of a region as a hex dump or into a file. */

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_byteorder.h>

#include "access.h"
#include "device.h"
#include "names.h"
#include "tool.h"

#define PER_LINE 16
#define CHUNK (64u << 10) /* bytes of a message */
#define JSON_MAX (16u << 20) /* bytes */

struct read_job {
	struct session s;
	uint32_t region;
	uint32_t width; /* of an access; 0: as much as possible */
	uint64_t offset;
	uint64_t count; /* bytes */
	uint64_t done;
	const char *path; /* of the file to write, or NULL */
	FILE *out;
	json_t *values; /* of JSON */
	char *hex;
	struct pokes pokes;
	bool stopped; /* the device gave less than it was asked for */
};

static void
show_line(const uint8_t *data, uint32_t len, uint64_t offset)
{
	uint32_t i;

	printf("%08" PRIx64 " ", offset);
	for (i = 0; i < PER_LINE; i++) {
		if (i < len)
			printf("%s %02x", i == PER_LINE / 2 ? " " : "", data[i]);
		else
			printf("%s   ", i == PER_LINE / 2 ? " " : "");
	}
	printf("  |");
	for (i = 0; i < len; i++)
		putchar(data[i] >= ' ' && data[i] <= '~' ? data[i] : '.');
	printf("|\n");
}

/* What was read as a block; all but the last call are whole lines. */
static void
take_block(struct read_job *job, const uint8_t *data, uint32_t len)
{
	uint32_t i;

	if (job->out != NULL) {
		if (fwrite(data, 1, len, job->out) != len)
			die(STATUS_FAILED, "%s: %s", job->path, strerror(errno));
	} else if (job->s.json) {
		for (i = 0; i < len; i++)
			sprintf(job->hex + 2 * (job->done + i), "%02x", data[i]);
	} else {
		for (i = 0; i < len; i += PER_LINE)
			show_line(data + i, RTE_MIN(len - i, (uint32_t)PER_LINE),
				  job->offset + job->done + i);
	}
}

static void
read_blocks(struct read_job *job)
{
	static uint8_t data[CHUNK];
	char name[NAME_SIZE];
	uint32_t len;
	ssize_t ret;

	for (; job->done < job->count; job->done += (uint64_t)ret) {
		len = (uint32_t)RTE_MIN(job->count - job->done, (uint64_t)CHUNK);
		ret = rte_vfio_user_client_region_read(job->s.client, job->region,
				job->offset + job->done, data, len);
		if (ret < 0)
			fail((int)ret, "%s: reading %u bytes at %s 0x%" PRIx64, job->s.path,
			     len, region_name(name, job->region), job->offset + job->done);
		take_block(job, data, (uint32_t)ret);
		if (ret < (ssize_t)len) {
			job->done += (uint64_t)ret;
			job->stopped = true;
			return;
		}
	}
}

static void
show_value(struct read_job *job, uint64_t value)
{
	const int digits = 2 * (int)job->width;
	uint64_t place = job->done % PER_LINE;

	if (job->count == job->width) {
		printf("0x%0*" PRIx64 "\n", digits, value);
		return;
	}
	if (place == 0)
		printf("%08" PRIx64 ":", job->offset + job->done);
	printf(" %0*" PRIx64, digits, value);
	if (place + job->width == PER_LINE || job->done + job->width == job->count)
		putchar('\n');
}

static void
read_values(struct read_job *job)
{
	rte_le64_t wire;
	uint64_t value;

	for (; job->done < job->count; job->done += job->width) {
		value = register_read(&job->s, job->region, job->offset + job->done,
				      job->width);
		wire = rte_cpu_to_le_64(value);
		if (job->out != NULL)
			take_block(job, (const uint8_t *)&wire, job->width);
		else if (job->s.json)
			json_array_append_new(job->values,
					      json_hex(value, 2 * (int)job->width));
		else
			show_value(job, value);
	}
}

static void
show_json(struct read_job *job)
{
	char name[NAME_SIZE];
	json_t *o;

	o = json_pack("{s:I, s:s, s:o, s:o}", "region", (json_int_t)job->region,
		      "name", region_name(name, job->region),
		      "offset", json_u64(job->offset), "count", json_u64(job->done));
	if (job->width != 0)
		json_object_set_new(o, "width", json_integer(job->width));
	if (job->values != NULL)
		json_object_set_new(o, "values", job->values);
	if (job->hex != NULL)
		json_object_set_new(o, "data", json_string(job->hex));
	if (job->path != NULL)
		json_object_set_new(o, "file", json_path(job->path));
	json_print(o);
}

static void
output_open(struct read_job *job)
{
	if (job->path != NULL) {
		if (strcmp(job->path, "-") == 0 && job->s.json)
			usage(&cmd_read, "--json and the data cannot both go to stdout");
		job->out = strcmp(job->path, "-") == 0 ? stdout : fopen(job->path, "wb");
		if (job->out == NULL)
			die(STATUS_FAILED, "%s: %s", job->path, strerror(errno));
	} else if (job->s.json) {
		if (job->count > JSON_MAX)
			usage(&cmd_read, "--json takes %u MiB at most; use --output",
			      JSON_MAX >> 20);
		if (job->width != 0)
			job->values = json_array();
		else
			job->hex = xcalloc(job->count + 1, 2);
	}
}

static void
output_close(struct read_job *job)
{
	if (job->s.json)
		show_json(job);
	free(job->hex);
	if (job->out != NULL && job->out != stdout && fclose(job->out) != 0)
		die(STATUS_FAILED, "%s: %s", job->path, strerror(errno));
}

/* "all" is what is left of the region. */
static void
parse_count(struct read_job *job, const char *word)
{
	struct device_region region;

	if (word == NULL) {
		if (job->width == 0)
			job->width = 4;
		job->count = job->width;
	} else if (strcmp(word, "all") == 0) {
		device_region_load(&region, &job->s, job->region);
		job->count = region.size > job->offset ? region.size - job->offset : 0;
		device_region_free(&region);
	} else {
		job->count = parse_number(word, "COUNT", INT64_MAX);
	}
	if (job->width != 0 && job->count % job->width != 0)
		usage(&cmd_read, "the count %" PRIu64 " is no multiple of the width %u",
		      job->count, job->width);
	if (job->count > UINT64_MAX - job->offset)
		usage(&cmd_read, "offset and count are too large");
}

static int
read_run(int argc, char **argv)
{
	struct read_job job = { 0 };
	char **words;
	int id;

	session_init(&job.s);
	while ((id = cmd_getopt(&cmd_read, argc, argv)) >= 0) {
		if (id == 'W')
			job.width = width_parse(optarg, "--width");
		else if (id == 'o')
			job.path = optarg;
		else if (id == 'p')
			poke_parse(&job.pokes, optarg, "--poke");
		else
			session_option(&job.s, id);
	}
	words = cmd_words(&cmd_read, argc, argv, 3, 4);
	job.region = region_parse(words[1]);
	job.offset = parse_number(words[2], "OFFSET", UINT64_MAX);
	if (words[3] != NULL && strcmp(words[3], "all") != 0)
		parse_count(&job, words[3]); /* find mistakes before connecting */
	session_open(&job.s, words[0]);
	parse_count(&job, words[3]);
	output_open(&job);
	pokes_write(&job.s, &job.pokes);
	if (job.width != 0)
		read_values(&job);
	else
		read_blocks(&job);
	output_close(&job);
	session_close(&job.s);
	if (job.stopped)
		die(STATUS_FAILED, "%s: the device gave only %" PRIu64 " of %" PRIu64 " bytes",
		    words[0], job.done, job.count);
	return STATUS_OK;
}

static const struct cmd_option read_options[] = {
	SESSION_OPTIONS,
	SESSION_OPTION_JSON,
	{ 'W', "width", "N", "read N bytes at a time: 1, 2, 4 or 8" },
	{ 'p', "poke", "POKE", "first write a register: REGION:OFFSET=VALUE[/WIDTH]" },
	{ 'o', "output", "FILE", "write the bytes to FILE, '-' is stdout" },
	{ 0 },
};

const struct cmd cmd_read = {
	.name = "read",
	.args = "SOCK REGION OFFSET [COUNT]",
	.summary = "Read registers or memory of a region",
	.help = "REGION is bar0 to bar5, rom, config, vga, or a number. COUNT are bytes, or\n"
		"\"all\" up to the end of the region. Numbers are decimal or 0x hexadecimal, with\n"
		"K, M, G or T for powers of 1024.\n\n"
		"With --width each value is an access of its own, and is printed as a number\n"
		"(little-endian). Else COUNT bytes are read by as few accesses as possible and\n"
		"printed as a hex dump. Without COUNT one value of 4 bytes is read.\n\n"
		"A device may reset itself when its client leaves, as this command does in the\n"
		"end: use --poke, once or several times, to write and read in one connection.\n",
	.examples = "  " TOOL " read /run/dev.sock bar0 0x10\n"
		"  " TOOL " read --width 2 /run/dev.sock config 0 64\n"
		"  " TOOL " read -o bar2.bin /run/dev.sock bar2 0 all\n",
	.options = read_options,
	.run = read_run,
};
