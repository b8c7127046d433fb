/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#ifndef TEST_FAULT_WRAP_H
#define TEST_FAULT_WRAP_H

/**
 * @file
 * For the files that define what the linker calls instead of a function
 */

#include <stdbool.h>

#include "test_fault.h"

/** What this call has to fail with, in errno, too; 0: it is made. */
int test_fault_hit(enum test_fault_call call);

/** Whether calls of this thread count. */
bool test_fault_is_on(void);

/*
 * __real_NAME and __wrap_NAME are made by the linker's --wrap; weak, since a
 * program that was linked without it has no __real_NAME.
 */
#define WRAP(type, name, ...) \
	type __real_##name(__VA_ARGS__) __attribute__((weak)); \
	type __wrap_##name(__VA_ARGS__); \
	type __wrap_##name(__VA_ARGS__)

#endif /* TEST_FAULT_WRAP_H */
