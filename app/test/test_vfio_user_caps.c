/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

/* The JSON of VERSION. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <rte_common.h>

#include "rte_vfio_user_common.h"
#include "test.h"
#include "vfio_user_caps.h"
#include "vfio_user_proto.h"

#define ALL_CAPS 0xffu
#define CAPS(body) "{\"capabilities\":{" body "}}"

static struct vfio_user_caps caps;

/* Parse from a heap buffer of the exact size. */
static int
parse_bytes(const char *text, uint32_t len)
{
	char *copy = malloc(len + 1);
	int ret;

	if (copy == NULL)
		return -ENOMEM;
	memcpy(copy, text, len);
	copy = realloc(copy, len == 0 ? 1 : len);
	memset(&caps, 0x5a, sizeof(caps));
	ret = vfio_user_caps_parse(copy, len, &caps);
	free(copy);
	return ret;
}

static int
parse(const char *text)
{
	return parse_bytes(text, (uint32_t)strlen(text) + 1);
}

static bool
is_default(void)
{
	return caps.present == 0 && caps.max_msg_fds == 1 &&
		caps.max_data_xfer_size == 1 << 20 && caps.max_dma_maps == 65535 &&
		caps.pgsizes == 4096 && !caps.write_multiple && !caps.twin_socket &&
		!caps.sparse_mmap_fds;
}

static int
test_defaults(void)
{
	static const char * const texts[] = {
		"{}", "{\"capabilities\":{}}", " { \"capabilities\" : { } } ",
		"{\"other\":1,\"capabilities\":{}}",
		"{\"capabilities\":{\"migration\":{\"pgsize\":4096}}}",
		CAPS("\"unknown\":[1,2,{\"a\":null}],\"more\":\"text\""),
		CAPS("\"\\u006dax\":1"), CAPS("\"MAX_MSG_FDS\":7"),
	};
	uint32_t i;

	memset(&caps, 0x5a, sizeof(caps));
	vfio_user_caps_default(&caps);
	TEST_ASSERT(is_default(), "defaults");
	TEST_ASSERT_SUCCESS(parse_bytes("", 0), "no data");
	TEST_ASSERT(is_default(), "no data");
	for (i = 0; i < RTE_DIM(texts); i++) {
		TEST_ASSERT_SUCCESS(parse(texts[i]), "%s", texts[i]);
		TEST_ASSERT(is_default(), "%s", texts[i]);
	}
	return TEST_SUCCESS;
}

static int
test_values(void)
{
	TEST_ASSERT_SUCCESS(parse(CAPS("\"max_msg_fds\":8,\"max_data_xfer_size\":4096,"
		"\"max_dma_maps\":1,\"pgsizes\":2101248,\"write_multiple\":true,"
		"\"sparse_mmap_fds\":true,\"twin_socket\":{\"supported\":true,"
		"\"fd_index\":3}")), "all");
	TEST_ASSERT_EQUAL(caps.present, ALL_CAPS, "present %x", caps.present);
	TEST_ASSERT(caps.max_msg_fds == 8 && caps.max_data_xfer_size == 4096 &&
		    caps.max_dma_maps == 1 && caps.pgsizes == 0x201000 &&
		    caps.write_multiple && caps.sparse_mmap_fds && caps.twin_socket &&
		    caps.twin_fd_index == 3, "values");
	TEST_ASSERT_SUCCESS(parse(CAPS("\"max_msg_fds\":0,\"write_multiple\":false")), "zero");
	TEST_ASSERT(caps.max_msg_fds == 0 && !caps.write_multiple, "zero");
	TEST_ASSERT_EQUAL(caps.present, VFIO_USER_CAP_MAX_MSG_FDS |
			  VFIO_USER_CAP_WRITE_MULTIPLE, "present");
	/* as good as no limit */
	TEST_ASSERT_SUCCESS(parse(CAPS("\"max_msg_fds\":4294967296,"
		"\"max_data_xfer_size\":9223372036854775807,\"max_dma_maps\":4294967295")),
		"large");
	TEST_ASSERT(caps.max_msg_fds == UINT32_MAX && caps.max_dma_maps == UINT32_MAX &&
		    caps.max_data_xfer_size == UINT32_MAX, "clamped");
	TEST_ASSERT_SUCCESS(parse(CAPS("\"twin_socket\":{}")), "twin empty");
	TEST_ASSERT(!caps.twin_socket, "twin empty");
	TEST_ASSERT_EQUAL(caps.present, VFIO_USER_CAP_TWIN_SOCKET, "twin empty");
	TEST_ASSERT_SUCCESS(parse(CAPS("\"twin_socket\":{\"supported\":false,\"x\":1}")), "twin");
	TEST_ASSERT(!caps.twin_socket, "twin not supported");
	return TEST_SUCCESS;
}

static int
test_refused(void)
{
	static const char * const texts[] = {
		" ", "x", "{", "}", "[]", "1", "null", "true", "\"capabilities\"",
		"{\"capabilities\":[]}", "{\"capabilities\":null}", "{\"capabilities\":1}",
		"{\"capabilities\":{}", "{\"capabilities\":{}}}", "{\"capabilities\":{}} x",
		"{'capabilities':{}}", "{capabilities:{}}", "{\"capabilities\":{},}",
		CAPS("\"max_msg_fds\":-1"), CAPS("\"max_msg_fds\":\"8\""),
		CAPS("\"max_msg_fds\":8.0"), CAPS("\"max_msg_fds\":null"),
		CAPS("\"max_msg_fds\":true"), CAPS("\"max_msg_fds\":[8]"),
		CAPS("\"max_msg_fds\":9223372036854775808"), CAPS("\"max_msg_fds\":1e400"),
		CAPS("\"max_msg_fds\":0x10"), CAPS("\"max_msg_fds\":01"),
		CAPS("\"max_data_xfer_size\":0"), CAPS("\"max_data_xfer_size\":-4096"),
		CAPS("\"max_data_xfer_size\":{}"), CAPS("\"max_dma_maps\":0"),
		CAPS("\"max_dma_maps\":-1"), CAPS("\"pgsizes\":0"), CAPS("\"pgsizes\":1024"),
		CAPS("\"pgsizes\":-4096"), CAPS("\"pgsizes\":\"4096\""),
		CAPS("\"write_multiple\":1"), CAPS("\"write_multiple\":\"true\""),
		CAPS("\"write_multiple\":null"), CAPS("\"sparse_mmap_fds\":0"),
		CAPS("\"twin_socket\":true"), CAPS("\"twin_socket\":[]"),
		CAPS("\"twin_socket\":{\"supported\":1}"),
		CAPS("\"twin_socket\":{\"supported\":true,\"fd_index\":-1}"),
		CAPS("\"twin_socket\":{\"supported\":true,\"fd_index\":\"0\"}"),
		/* duplicate keys, at any depth */
		CAPS("\"max_msg_fds\":8,\"max_msg_fds\":9"), CAPS("\"x\":1,\"x\":1"),
		"{\"capabilities\":{},\"capabilities\":{}}",
		CAPS("\"twin_socket\":{\"supported\":true,\"supported\":false}"),
		/* not UTF-8, escaped NUL */
		CAPS("\"\xff\":1"), CAPS("\"a\xc0\x80\":1"), CAPS("\"a\\u0000b\":1"),
	};
	uint32_t i;

	for (i = 0; i < RTE_DIM(texts); i++)
		TEST_ASSERT_EQUAL(parse(texts[i]), -EINVAL, "%s", texts[i]);
	return TEST_SUCCESS;
}

static int
test_termination(void)
{
	static const char good[] = "{\"capabilities\":{}}";
	char text[64] = { 0 };
	uint32_t i, len = sizeof(good);

	TEST_ASSERT_SUCCESS(parse_bytes(good, len), "good");
	TEST_ASSERT_EQUAL(parse_bytes(good, len - 1), -EINVAL, "no NUL");
	TEST_ASSERT_EQUAL(parse_bytes("", 1), -EINVAL, "only a NUL");
	TEST_ASSERT_EQUAL(parse_bytes("\0", 2), -EINVAL, "two NULs");
	memcpy(text, good, len);
	TEST_ASSERT_EQUAL(parse_bytes(text, len + 1), -EINVAL, "NUL behind the NUL");
	for (i = 0; i < len - 1; i++) {
		memcpy(text, good, len);
		text[i] = '\0';
		TEST_ASSERT_EQUAL(parse_bytes(text, len), -EINVAL, "NUL at %u", i);
	}
	return TEST_SUCCESS;
}

/* Nesting of the given depth as the value of an unknown key. */
static int
parse_nested(char open, char close, uint32_t depth)
{
	static char text[2 * VFIO_USER_MAX_VERSION_DATA];
	uint32_t len = 0;

	len += (uint32_t)sprintf(text, "{\"capabilities\":{\"x\":");
	memset(text + len, open, depth);
	len += depth;
	memset(text + len, close, depth);
	len += depth;
	len += (uint32_t)sprintf(text + len, "}}");
	return parse_bytes(text, len + 1);
}

static int
test_nesting(void)
{
	char text[8 * 1000 + 64];
	uint32_t i, len = 0;
	int ret;

	ret = parse_nested('[', ']', 1000);
	TEST_ASSERT(ret == 0 || ret == -EINVAL, "1000 arrays: %d", ret);
	ret = parse_nested('[', ']', 2030);
	TEST_ASSERT(ret == 0 || ret == -EINVAL, "2030 arrays: %d", ret);
	TEST_ASSERT_EQUAL(parse_nested('[', '}', 1000), -EINVAL, "wrong brackets");
	/* never closed */
	TEST_ASSERT_EQUAL(parse_nested('[', ' ', 3000), -EINVAL, "open arrays");
	TEST_ASSERT_EQUAL(parse_nested('{', ' ', 3000), -EINVAL, "open objects");
	for (i = 0; i < 1000; i++)
		len += (uint32_t)sprintf(text + len, "{\"a\":");
	text[len++] = '1';
	for (i = 0; i < 1000; i++)
		text[len++] = '}';
	text[len++] = '\0';
	ret = parse_bytes(text, len);
	TEST_ASSERT(ret == 0 || ret == -EINVAL, "1000 objects: %d", ret);
	return TEST_SUCCESS;
}

/* Whatever is cut off or changed: an error or a sane result, never worse. */
static int
test_mutations(void)
{
	static const char good[] = CAPS("\"max_msg_fds\":16,\"max_data_xfer_size\":1048576,"
		"\"pgsizes\":4096,\"max_dma_maps\":65535,\"write_multiple\":true,"
		"\"twin_socket\":{\"supported\":true,\"fd_index\":0}");
	uint32_t len = sizeof(good), i, c;
	char text[sizeof(good)];
	int ret;

	for (i = 1; i < len - 1; i++) {
		memcpy(text, good, i);
		text[i] = '\0';
		TEST_ASSERT_EQUAL(parse_bytes(text, i + 1), -EINVAL, "cut at %u", i);
	}
	for (i = 0; i < len - 1; i++) {
		for (c = 0; c < 256; c++) {
			memcpy(text, good, len);
			text[i] = (char)c;
			ret = parse_bytes(text, len);
			TEST_ASSERT(ret == -EINVAL || (ret == 0 &&
				caps.max_data_xfer_size != 0 && caps.max_dma_maps != 0 &&
				caps.pgsizes != 0), "byte %u = %u: %d", i, c, ret);
		}
	}
	return TEST_SUCCESS;
}

static int
test_round_trip(void)
{
	const struct vfio_user_caps in = {
		.max_msg_fds = 253, .max_data_xfer_size = UINT32_MAX, .max_dma_maps = 1,
		.pgsizes = UINT64_C(0x7ffffffffffff000), .twin_fd_index = 5,
		.write_multiple = true, .twin_socket = true, .sparse_mmap_fds = true,
	};
	struct vfio_user_caps some = in;
	char text[512];
	int len, i;

	for (some.present = 0; some.present <= ALL_CAPS; some.present++) {
		len = vfio_user_caps_format(&some, text, sizeof(text));
		TEST_ASSERT(len > 0, "format: %d", len);
		TEST_ASSERT_EQUAL(strlen(text) + 1, (size_t)len, "length");
		TEST_ASSERT_SUCCESS(parse_bytes(text, (uint32_t)len), "%s", text);
		if ((some.present & VFIO_USER_CAP_TWIN_SOCKET) == 0)
			caps.present |= some.present & VFIO_USER_CAP_TWIN_FD_INDEX;
		TEST_ASSERT_EQUAL(caps.present, some.present, "%s", text);
	}
	some.present = ALL_CAPS;
	len = vfio_user_caps_format(&some, text, sizeof(text));
	TEST_ASSERT_SUCCESS(parse_bytes(text, (uint32_t)len), "%s", text);
	TEST_ASSERT(caps.max_msg_fds == in.max_msg_fds && caps.pgsizes == in.pgsizes &&
		    caps.max_data_xfer_size == in.max_data_xfer_size &&
		    caps.max_dma_maps == in.max_dma_maps && caps.twin_socket &&
		    caps.twin_fd_index == 5 && caps.write_multiple &&
		    caps.sparse_mmap_fds, "values of %s", text);
	for (i = 0; i < len; i++) {
		char *small = malloc(i == 0 ? 1 : i);

		TEST_ASSERT_EQUAL(vfio_user_caps_format(&some, small, (uint32_t)i),
				  -ENOSPC, "size %d", i);
		free(small);
	}
	TEST_ASSERT_EQUAL(vfio_user_caps_format(&some, text, (uint32_t)len), len, "exact");
	return TEST_SUCCESS;
}

/* QEMU's proposal; a reply longer than its request makes it give up. */
static int
test_qemu(void)
{
	static const char qemu[] = "{\"capabilities\": {\"migration\": {\"pgsize\": 4096, "
		"\"max_bitmap_size\": 268435456}, \"max_msg_fds\": 16, "
		"\"max_data_xfer_size\": 1048576, \"pgsizes\": 4096, "
		"\"max_dma_maps\": 65535, \"write_multiple\": true}}";
	const uint32_t head = sizeof(struct vfio_user_hdr) + sizeof(struct vfio_user_version);
	struct vfio_user_caps answer;
	char text[512];
	int len;

	TEST_ASSERT_EQUAL(head + sizeof(qemu), 214u, "%zu bytes", head + sizeof(qemu));
	TEST_ASSERT_SUCCESS(parse_bytes(qemu, sizeof(qemu)), "parse");
	TEST_ASSERT(caps.max_msg_fds == 16 && caps.max_data_xfer_size == 1 << 20 &&
		    caps.max_dma_maps == 65535 && caps.pgsizes == 4096 &&
		    caps.write_multiple, "values");
	/* the server's answer, see answer_caps(): its limits, and what was named */
	vfio_user_caps_default(&answer);
	answer.present = (caps.present | VFIO_USER_CAP_MAX_MSG_FDS | VFIO_USER_CAP_MAX_XFER) &
		~(VFIO_USER_CAP_TWIN_SOCKET | VFIO_USER_CAP_TWIN_FD_INDEX);
	answer.max_msg_fds = RTE_VFIO_USER_MAX_MSG_FDS;
	answer.max_data_xfer_size = RTE_VFIO_USER_MAX_XFER_SIZE;
	answer.max_dma_maps = UINT32_MAX;
	answer.write_multiple = false;
	len = vfio_user_caps_format(&answer, text, sizeof(text));
	TEST_ASSERT(len > 0 && head + (uint32_t)len <= 214, "%u bytes", head + len);
	return TEST_SUCCESS;
}

static struct unit_test_suite caps_suite = {
	.suite_name = "vfio-user capabilities",
	.unit_test_cases = {
		TEST_CASE(test_defaults),
		TEST_CASE(test_values),
		TEST_CASE(test_refused),
		TEST_CASE(test_termination),
		TEST_CASE(test_nesting),
		TEST_CASE(test_mutations),
		TEST_CASE(test_round_trip),
		TEST_CASE(test_qemu),
		TEST_CASES_END()
	},
};

static int
test_vfio_user_caps(void)
{
	return unit_test_suite_runner(&caps_suite);
}

REGISTER_TEST_COMMAND(vfio_user_caps_autotest, test_vfio_user_caps);
