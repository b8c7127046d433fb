/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "test.h"
#include "test_fault.h"

static TAILQ_HEAD(, test_command) commands = TAILQ_HEAD_INITIALIZER(commands);

static struct {
	unsigned int passed;
	unsigned int failed;
	unsigned int skipped;
} total;

void
add_test_command(struct test_command *command)
{
	struct test_command *at;

	TAILQ_FOREACH(at, &commands, next) {
		if (strcmp(at->command, command->command) > 0) {
			TAILQ_INSERT_BEFORE(at, command, next);
			return;
		}
	}
	TAILQ_INSERT_TAIL(&commands, command, next);
}

static void
report(const char *name, int ret)
{
	const char *result = "FAILED";

	if (ret == TEST_SUCCESS) {
		result = "passed";
		total.passed++;
	} else if (ret == TEST_SKIPPED) {
		result = "skipped";
		total.skipped++;
	} else {
		total.failed++;
	}
	printf(" + %-60s %s\n", name, result);
}

static int
run_case(const struct unit_test_case *test)
{
	int ret = TEST_SUCCESS;

	if (test->setup != NULL)
		ret = test->setup();
	if (ret == TEST_SUCCESS)
		ret = test->testcase();
	test_alloc_fail(0);
	if (test->teardown != NULL)
		test->teardown();
	return ret;
}

int
unit_test_suite_runner(struct unit_test_suite *suite)
{
	const struct unit_test_case *test;
	unsigned int passed = total.passed, failed = total.failed;
	int ret = TEST_SUCCESS;

	printf("%s\n", suite->suite_name);
	if (suite->setup != NULL)
		ret = suite->setup();
	for (test = suite->unit_test_cases; test->testcase != NULL; test++)
		report(test->name, ret != TEST_SUCCESS ? ret : run_case(test));
	if (suite->teardown != NULL)
		suite->teardown();
	if (total.failed != failed)
		return TEST_FAILED;
	return total.passed != passed ? TEST_SUCCESS : TEST_SKIPPED;
}

static void
run_command(const struct test_command *command)
{
	unsigned int cases = total.passed + total.failed + total.skipped;
	unsigned int failed = total.failed;
	int ret;

	printf("%s\n", command->command);
	ret = command->callback();
	/* It need not be a suite, and may fail outside of its cases. */
	if (cases == total.passed + total.failed + total.skipped ||
			(ret != TEST_SUCCESS && ret != TEST_SKIPPED &&
			 failed == total.failed))
		report(command->command, ret);
}

static int
run_named(const char *name)
{
	struct test_command *command;

	TAILQ_FOREACH(command, &commands, next) {
		if (strcmp(command->command, name) == 0) {
			run_command(command);
			return 0;
		}
	}
	fprintf(stderr, "no test named %s\n", name);
	return -ENOENT;
}

int
main(int argc, char **argv)
{
	struct test_command *command;
	int i;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc == 2 && strcmp(argv[1], "--list") == 0) {
		TAILQ_FOREACH(command, &commands, next)
			printf("%s\n", command->command);
		return EXIT_SUCCESS;
	}
	for (i = 1; i < argc; i++) {
		if (run_named(argv[i]) < 0)
			return EXIT_FAILURE;
	}
	if (argc == 1) {
		TAILQ_FOREACH(command, &commands, next)
			if (!command->needs_peer)
				run_command(command);
	}
	printf("%u passed, %u failed, %u skipped\n",
	       total.passed, total.failed, total.skipped);
	if (total.failed != 0)
		return EXIT_FAILURE;
	return total.passed == 0 && total.skipped != 0 ?
		TEST_SKIPPED : EXIT_SUCCESS;
}
