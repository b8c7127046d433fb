/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#ifndef TEST_VFIO_USER_PCI_H
#define TEST_VFIO_USER_PCI_H

/**
 * @file
 * A configuration space on a server that nobody is connected to: accesses go to
 * it directly. One at a time, in globals.
 */

#include <stdbool.h>
#include <stdint.h>

#include <linux/pci_regs.h>

#include <rte_vfio_user_pci.h>
#include <rte_vfio_user_server.h>

#include "vfio_user_pci.h"

#define CONFIG_SIZE PCI_CFG_SPACE_EXP_SIZE
#define BAR_REG(bar) VFIO_USER_PCI_BAR_REG(bar)

extern const struct rte_vfio_user_pci_id pci_test_id; /* with INTA */
extern struct rte_vfio_user_server *srv; /* not started */
extern struct rte_vfio_user_pci *pci;

int pci_setup(void);
void pci_teardown(void);

/** Declare a BAR without anything behind it. */
int bar_add(uint32_t bar, uint64_t size, uint32_t flags);

/** Access of the client to configuration space. */
void cfg_access(bool is_write, uint32_t off, void *data, uint32_t count);

/** The same with a value of up to 4 bytes. */
uint32_t cfg_read(uint32_t off, uint32_t len);
void cfg_write(uint32_t off, uint32_t len, uint32_t val);

#define ASSERT_CFG(off, len, expected) do { \
	uint32_t got_ = cfg_read(off, len), expected_ = (expected); \
	TEST_ASSERT(got_ == expected_, "config 0x%x is 0x%x instead of 0x%x", \
		    (uint32_t)(off), got_, expected_); \
} while (0)

#endif /* TEST_VFIO_USER_PCI_H */
