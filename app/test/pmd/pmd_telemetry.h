/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#ifndef PMD_TELEMETRY_H
#define PMD_TELEMETRY_H

/**
 * @file
 * What this process' telemetry answers
 */

#include <string.h>

#include "test.h"

/** The last answer. */
extern char pmd_answer[];

/** Ask, and keep the answer. */
int pmd_ask(const char *what);

/** The answer has, or the last one had, a text in it. */
#define ANSWER_HAS(text) \
	TEST_ASSERT(strstr(pmd_answer, text) != NULL, "no %s in %s", text, pmd_answer)
#define ANSWERS(what, text) do { \
	TEST_ASSERT_SUCCESS(pmd_ask(what), "%s", what); \
	ANSWER_HAS(text); \
} while (0)

#endif /* PMD_TELEMETRY_H */
