/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#ifndef VIRTIO_COMPAT_H
#define VIRTIO_COMPAT_H

/**
 * @file
 * What <linux/virtio_*.h> of Linux 6.1 lacks, from the virtio specification 1.2.
 */

#include <linux/virtio_config.h>
#include <linux/virtio_pci.h>
#include <linux/virtio_ring.h>

#ifndef VIRTIO_F_NOTIFICATION_DATA
#define VIRTIO_F_NOTIFICATION_DATA 38
#endif
#ifndef VIRTIO_F_NOTIF_CONFIG_DATA
#define VIRTIO_F_NOTIF_CONFIG_DATA 39
#endif
#ifndef VIRTIO_F_RING_RESET
#define VIRTIO_F_RING_RESET 40
#endif

/** Device types and the PCI device ids they give (4.1.2.1). */
#define VIRTIO_PCI_VENDOR 0x1af4
#define VIRTIO_PCI_DEVICE_BASE 0x1040
#define VIRTIO_PCI_SUBSYSTEM_BASE 0x40
#define VIRTIO_MAX_DEVICE_TYPE 63

/** Queue Interrupt, the bit of the ISR besides VIRTIO_PCI_ISR_CONFIG (4.1.4.5). */
#define VIRTIO_ISR_QUEUE 0x1

#endif /* VIRTIO_COMPAT_H */
