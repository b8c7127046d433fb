/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#ifndef TEST_H
#define TEST_H

/**
 * @file
 * What the tests use of DPDK's app/test/test.h, so that they move into the
 * DPDK tree unchanged. Runner and main() are in test.c.
 */

#include <stdbool.h>
#include <stdio.h>

#include <sys/queue.h>

#include <rte_common.h>

#define TEST_SUCCESS 0
#define TEST_FAILED -1
#define TEST_SKIPPED 77

/* The function returns TEST_FAILED unless cond holds. */
#define TEST_ASSERT(cond, msg, ...) do { \
	if (!(cond)) { \
		printf("%s:%d: %s(): " msg "\n", __FILE__, __LINE__, \
		       __func__, ##__VA_ARGS__); \
		return TEST_FAILED; \
	} \
} while (0)

#define TEST_ASSERT_EQUAL(a, b, msg, ...) \
	TEST_ASSERT((a) == (b), "not %s == %s: " msg, #a, #b, ##__VA_ARGS__)

#define TEST_ASSERT_NOT_EQUAL(a, b, msg, ...) \
	TEST_ASSERT((a) != (b), "not %s != %s: " msg, #a, #b, ##__VA_ARGS__)

#define TEST_ASSERT_SUCCESS(val, msg, ...) \
	TEST_ASSERT((val) == 0, "%s failed: " msg, #val, ##__VA_ARGS__)

#define TEST_ASSERT_FAIL(val, msg, ...) \
	TEST_ASSERT((val) != 0, "%s succeeded: " msg, #val, ##__VA_ARGS__)

#define TEST_ASSERT_NULL(val, msg, ...) \
	TEST_ASSERT((val) == NULL, "%s is not NULL: " msg, #val, ##__VA_ARGS__)

#define TEST_ASSERT_NOT_NULL(val, msg, ...) \
	TEST_ASSERT((val) != NULL, "%s is NULL: " msg, #val, ##__VA_ARGS__)

struct unit_test_case {
	int (*setup)(void);
	void (*teardown)(void);
	int (*testcase)(void);
	const char *name;
};

#define TEST_CASE(fn) { NULL, NULL, fn, #fn }
#define TEST_CASE_ST(setup, teardown, fn) { setup, teardown, fn, #fn }
#define TEST_CASES_END() { NULL, NULL, NULL, NULL }

/* Setup functions may return TEST_SKIPPED. */
struct unit_test_suite {
	const char *suite_name;
	int (*setup)(void);
	void (*teardown)(void);
	struct unit_test_case unit_test_cases[];
};

/** Run all cases; TEST_FAILED, TEST_SKIPPED (all were) or TEST_SUCCESS. */
int unit_test_suite_runner(struct unit_test_suite *suite);

struct test_command {
	TAILQ_ENTRY(test_command) next;
	const char *command;
	int (*callback)(void);
	bool needs_peer;
};

void add_test_command(struct test_command *command);

#define TEST_COMMAND(cmd, func, peer) \
	static struct test_command test_struct_##cmd = { \
		.command = RTE_STR(cmd), \
		.callback = func, \
		.needs_peer = peer, \
	}; \
	RTE_INIT(test_register_##cmd) \
	{ \
		add_test_command(&test_struct_##cmd); \
	}

#define REGISTER_TEST_COMMAND(cmd, func) TEST_COMMAND(cmd, func, false)

/*
 * Not in DPDK, which runs no test unasked: a test whose other half runs in
 * another process. It is run by name only.
 */
#define REGISTER_PEER_TEST(cmd, func) TEST_COMMAND(cmd, func, true)

#endif /* TEST_H */
