/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */
#ifndef NIC_PATTERN_H
#define NIC_PATTERN_H

/**
 * @file
 * Data that both ends of a transfer can make up: 64-bit words, each a function of
 * a seed and its own number. What is lost, repeated, moved or taken from another
 * stream differs.
 */

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/** A word: a counter through the finaliser of splitmix64. */
static inline uint64_t
pattern_word(uint64_t seed, uint64_t number)
{
	uint64_t z = seed * UINT64_C(0xd1342543de82ef95) + number * UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

/** Fill a buffer with the words from a number on; the last one may be cut. */
static inline void
pattern_fill(void *buffer, size_t len, uint64_t seed, uint64_t number)
{
	uint8_t *out = buffer;

	for (; len > 0; number++) {
		uint64_t word = pattern_word(seed, number);
		size_t n = len < sizeof(word) ? len : sizeof(word);

		memcpy(out, &word, n);
		out += n;
		len -= n;
	}
}

/** Return the place of the first byte that differs, or the length. */
static inline size_t
pattern_differs(const void *a, const void *b, size_t len)
{
	const uint8_t *x = a, *y = b;
	size_t i = 0;

	if (memcmp(a, b, len) == 0)
		return len;
	while (x[i] == y[i])
		i++;
	return i;
}

#endif
