/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#ifndef PMD_FRAME_H
#define PMD_FRAME_H

/**
 * @file
 * Numbered frames of random length and content, which both ends can make: what
 * arrives is compared with what has to arrive next.
 */

#include <stdint.h>

#include <rte_mbuf.h>

/** Longest frame: 64 KiB of IP behind Ethernet and two VLAN tags. */
#define FRAME_MAX (65535u + 14 + 8)
/** Shortest one. */
#define FRAME_MIN 14u

/** Random numbers of a test: the same ones in each run. */
uint32_t pmd_rand(void);
void pmd_rand_seed(uint64_t seed);
/** From 0 to below. */
uint32_t pmd_rand_below(uint32_t below);

/** 64 bits that look random, of a number. */
uint64_t frame_hash(uint64_t number);

/** Length of a frame, up to max. */
uint32_t frame_len(uint64_t number, uint32_t max);

/** Content of a frame of that length; FRAME_MAX bytes are there. */
void frame_fill(uint64_t number, uint8_t *frame, uint32_t len);

/** An mbuf with these bytes, in segments of a random length up to seg_max. */
struct rte_mbuf *frame_to_mbuf(const uint8_t *frame, uint32_t len, uint32_t seg_max);

/** Whether an mbuf holds exactly that, and is consistent; prints what differs. */
int frame_check(const struct rte_mbuf *m, const uint8_t *frame, uint32_t len);

#endif /* PMD_FRAME_H */
