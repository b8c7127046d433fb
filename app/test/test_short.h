/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#ifndef TEST_SHORT_H
#define TEST_SHORT_H

/**
 * @file
 * Short forms of what many tests say
 */

#include <stdbool.h>
#include <stdint.h>
#include <unistd.h>

#include "test.h"

/** A call that returns 0. */
#define DO(call) TEST_ASSERT_SUCCESS(call, #call)

/** Wait for something that another thread does. */
#define WAIT_UP_TO(ms, cond) do { \
	uint32_t left_ms = ms; \
	bool happened; \
	while (!(happened = (cond)) && left_ms-- != 0) \
		usleep(1000); \
	TEST_ASSERT(happened, "did not happen: %s", #cond); \
} while (0)

/** The same, up to ten seconds. */
#define WAIT_FOR(cond) WAIT_UP_TO(10000, cond)

/*
 * How often the short form repeats what is random, or many, and not about threads:
 * ThreadSanitizer makes it slow and has little to say about it.
 */
#ifdef __SANITIZE_THREAD__
#define FEWER_WITH_TSAN(count, by) ((count) / (by))
#else
#define FEWER_WITH_TSAN(count, by) (count)
#endif

/* What several threads look at. */
#define GET(var) __atomic_load_n(&(var), __ATOMIC_ACQUIRE)
#define SET(var, val) __atomic_store_n(&(var), val, __ATOMIC_RELEASE)
#define COUNT(var) __atomic_fetch_add(&(var), 1, __ATOMIC_ACQ_REL)

#endif /* TEST_SHORT_H */
