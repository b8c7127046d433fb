/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#include <string.h>
#include <strings.h>

#include <rte_vfio_user_common.h>

#include <vfio_user_proto.h>

#include "trace_names.h"

/* Removed from the protocol; old programs still send it. */
#define COMMAND_DIRTY_PAGES 14

/* Flag of DMA_UNMAP in early versions of the protocol; the kernel's value. */
#define UNMAP_GET_DIRTY_BITMAP (1u << 0)

/* Features and states, by number: Debian 12's header lacks the newer ones. */
#define FEATURE_MIGRATION 1
#define FEATURE_MIG_DEVICE_STATE 2
#define FEATURE_DMA_LOGGING_START 6
#define FEATURE_DMA_LOGGING_STOP 7
#define FEATURE_DMA_LOGGING_REPORT 8
#define FEATURE_MIG_DATA_SIZE 9

static const struct trace_name commands[] = {
	{ VFIO_USER_VERSION, "VERSION" },
	{ VFIO_USER_DMA_MAP, "DMA_MAP" },
	{ VFIO_USER_DMA_UNMAP, "DMA_UNMAP" },
	{ VFIO_USER_DEVICE_GET_INFO, "DEVICE_GET_INFO" },
	{ VFIO_USER_DEVICE_GET_REGION_INFO, "DEVICE_GET_REGION_INFO" },
	{ VFIO_USER_DEVICE_GET_REGION_IO_FDS, "DEVICE_GET_REGION_IO_FDS" },
	{ VFIO_USER_DEVICE_GET_IRQ_INFO, "DEVICE_GET_IRQ_INFO" },
	{ VFIO_USER_DEVICE_SET_IRQS, "DEVICE_SET_IRQS" },
	{ VFIO_USER_REGION_READ, "REGION_READ" },
	{ VFIO_USER_REGION_WRITE, "REGION_WRITE" },
	{ VFIO_USER_DMA_READ, "DMA_READ" },
	{ VFIO_USER_DMA_WRITE, "DMA_WRITE" },
	{ VFIO_USER_DEVICE_RESET, "DEVICE_RESET" },
	{ COMMAND_DIRTY_PAGES, "DIRTY_PAGES" },
	{ VFIO_USER_REGION_WRITE_MULTI, "REGION_WRITE_MULTI" },
	{ VFIO_USER_DEVICE_FEATURE, "DEVICE_FEATURE" },
	{ VFIO_USER_MIG_DATA_READ, "MIG_DATA_READ" },
	{ VFIO_USER_MIG_DATA_WRITE, "MIG_DATA_WRITE" },
	{ 0, NULL },
};

static const struct trace_name regions[] = {
	{ VFIO_PCI_BAR0_REGION_INDEX, "BAR0" },
	{ VFIO_PCI_BAR1_REGION_INDEX, "BAR1" },
	{ VFIO_PCI_BAR2_REGION_INDEX, "BAR2" },
	{ VFIO_PCI_BAR3_REGION_INDEX, "BAR3" },
	{ VFIO_PCI_BAR4_REGION_INDEX, "BAR4" },
	{ VFIO_PCI_BAR5_REGION_INDEX, "BAR5" },
	{ VFIO_PCI_ROM_REGION_INDEX, "ROM" },
	{ VFIO_PCI_CONFIG_REGION_INDEX, "CONFIG" },
	{ VFIO_PCI_VGA_REGION_INDEX, "VGA" },
	{ 0, NULL },
};

const struct trace_name trace_dma_map_flags[] = {
	{ VFIO_USER_DMA_MAP_F_READ, "READ" },
	{ VFIO_USER_DMA_MAP_F_WRITE, "WRITE" },
	{ VFIO_USER_DMA_MAP_F_MMAP, "MMAP" },
	{ VFIO_USER_DMA_MAP_F_FILE_IO, "FILE_IO" },
	{ 0, NULL },
};

const struct trace_name trace_dma_unmap_flags[] = {
	{ UNMAP_GET_DIRTY_BITMAP, "GET_DIRTY_BITMAP" },
	{ VFIO_DMA_UNMAP_FLAG_ALL, "ALL" },
	{ 0, NULL },
};

const struct trace_name trace_device_flags[] = {
	{ VFIO_DEVICE_FLAGS_RESET, "RESET" },
	{ VFIO_DEVICE_FLAGS_PCI, "PCI" },
	{ 0, NULL },
};

const struct trace_name trace_region_flags[] = {
	{ VFIO_REGION_INFO_FLAG_READ, "READ" },
	{ VFIO_REGION_INFO_FLAG_WRITE, "WRITE" },
	{ VFIO_REGION_INFO_FLAG_MMAP, "MMAP" },
	{ VFIO_REGION_INFO_FLAG_CAPS, "CAPS" },
	{ 0, NULL },
};

const struct trace_name trace_irq_flags[] = {
	{ VFIO_IRQ_INFO_EVENTFD, "EVENTFD" },
	{ VFIO_IRQ_INFO_MASKABLE, "MASKABLE" },
	{ VFIO_IRQ_INFO_AUTOMASKED, "AUTOMASKED" },
	{ VFIO_IRQ_INFO_NORESIZE, "NORESIZE" },
	{ 0, NULL },
};

const struct trace_name trace_irq_set_flags[] = {
	{ VFIO_IRQ_SET_DATA_NONE, "DATA_NONE" },
	{ VFIO_IRQ_SET_DATA_BOOL, "DATA_BOOL" },
	{ VFIO_IRQ_SET_DATA_EVENTFD, "DATA_EVENTFD" },
	{ VFIO_IRQ_SET_ACTION_MASK, "ACTION_MASK" },
	{ VFIO_IRQ_SET_ACTION_UNMASK, "ACTION_UNMASK" },
	{ VFIO_IRQ_SET_ACTION_TRIGGER, "ACTION_TRIGGER" },
	{ 0, NULL },
};

const struct trace_name trace_irq_indexes[] = {
	{ VFIO_PCI_INTX_IRQ_INDEX, "INTX" },
	{ VFIO_PCI_MSI_IRQ_INDEX, "MSI" },
	{ VFIO_PCI_MSIX_IRQ_INDEX, "MSIX" },
	{ VFIO_PCI_ERR_IRQ_INDEX, "ERR" },
	{ VFIO_PCI_REQ_IRQ_INDEX, "REQ" },
	{ 0, NULL },
};

const struct trace_name trace_region_caps[] = {
	{ VFIO_REGION_INFO_CAP_SPARSE_MMAP, "SPARSE_MMAP" },
	{ VFIO_REGION_INFO_CAP_TYPE, "TYPE" },
	{ VFIO_REGION_INFO_CAP_MSIX_MAPPABLE, "MSIX_MAPPABLE" },
	{ RTE_VFIO_USER_REGION_INFO_CAP_SPARSE_MMAP_FDS, "SPARSE_MMAP_FDS" },
	{ 0, NULL },
};

const struct trace_name trace_io_fd_types[] = {
	{ VFIO_USER_IO_FD_TYPE_IOEVENTFD, "IOEVENTFD" },
	{ VFIO_USER_IO_FD_TYPE_IOREGIONFD, "IOREGIONFD" },
	{ 0, NULL },
};

/* As KVM_IOEVENTFD_FLAG_* of <linux/kvm.h>. */
const struct trace_name trace_ioeventfd_flags[] = {
	{ 1u << 0, "DATAMATCH" },
	{ 1u << 1, "PIO" },
	{ 1u << 2, "DEASSIGN" },
	{ 1u << 3, "VIRTIO_CCW_NOTIFY" },
	{ 0, NULL },
};

/* As KVM_IOREGION_* of the patches that the specification refers to. */
const struct trace_name trace_ioregionfd_flags[] = {
	{ 1u << 0, "PIO" },
	{ 1u << 1, "POSTED_WRITES" },
	{ 0, NULL },
};

const struct trace_name trace_features[] = {
	{ FEATURE_MIGRATION, "MIGRATION" },
	{ FEATURE_MIG_DEVICE_STATE, "MIG_DEVICE_STATE" },
	{ FEATURE_DMA_LOGGING_START, "DMA_LOGGING_START" },
	{ FEATURE_DMA_LOGGING_STOP, "DMA_LOGGING_STOP" },
	{ FEATURE_DMA_LOGGING_REPORT, "DMA_LOGGING_REPORT" },
	{ FEATURE_MIG_DATA_SIZE, "MIG_DATA_SIZE" },
	{ 0, NULL },
};

const struct trace_name trace_feature_ops[] = {
	{ VFIO_DEVICE_FEATURE_GET, "GET" },
	{ VFIO_DEVICE_FEATURE_SET, "SET" },
	{ VFIO_DEVICE_FEATURE_PROBE, "PROBE" },
	{ 0, NULL },
};

const struct trace_name trace_migration_flags[] = {
	{ 1u << 0, "STOP_COPY" },
	{ 1u << 1, "P2P" },
	{ 1u << 2, "PRE_COPY" },
	{ 0, NULL },
};

const struct trace_name trace_device_states[] = {
	{ 0, "ERROR" },
	{ 1, "STOP" },
	{ 2, "RUNNING" },
	{ 3, "STOP_COPY" },
	{ 4, "RESUMING" },
	{ 5, "RUNNING_P2P" },
	{ 6, "PRE_COPY" },
	{ 7, "PRE_COPY_P2P" },
	{ 0, NULL },
};

const char *
trace_command_name(uint16_t command)
{
	return trace_name_of(commands, command);
}

int
trace_command_of(const char *name)
{
	const struct trace_name *command;

	for (command = commands; command->name != NULL; command++)
		if (strcasecmp(command->name, name) == 0)
			return (int)command->value;
	return -1;
}

const char *
trace_errno_name(uint32_t error)
{
	return error > 0 && error < 4096 ? strerrorname_np((int)error) : NULL;
}

const char *
trace_region_name(uint32_t index)
{
	return trace_name_of(regions, index);
}
