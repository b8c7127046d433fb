/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#ifndef VNIC_PCI_H
#define VNIC_PCI_H

/**
 * @file
 * Transport of virtio 1.x over PCI, driver side, through a vfio-user client:
 * capabilities, registers, doorbells
 *
 * Nothing that the device answers is believed: structures lie inside of their
 * BARs, doorbells inside of the notification structure, waiting ends.
 *
 * Threads. One thread at a time, but for vnic_pci_ring(), which any thread that
 * owns a queue may call.
 */

#include <stdbool.h>
#include <stdint.h>

#include <rte_vfio_user_client.h>

/** Where a structure of the device is. */
struct vnic_pci_cap {
	bool found;
	uint8_t bar;
	uint32_t offset, len;
};

/** Where MSI-X is. */
struct vnic_pci_msix {
	uint8_t at; /**< of the capability in the configuration space; 0: there is none */
	uint8_t bar; /**< of the table */
	uint32_t offset; /**< of the table */
	uint16_t nb; /**< entries of the table */
};

/** How the device is told of buffers. */
enum vnic_pci_bell_type {
	VNIC_PCI_BELL_NONE, /**< not at all: the queue is not set up */
	VNIC_PCI_BELL_MAPPED, /**< a store to memory, which the device polls */
	VNIC_PCI_BELL_EVENTFD, /**< a write to an eventfd of the device */
	VNIC_PCI_BELL_MESSAGE, /**< a message */
};

/** The doorbell of a queue. */
struct vnic_pci_bell {
	enum vnic_pci_bell_type type;
	uint8_t size; /**< 2, or 4 with NOTIFICATION_DATA */
	uint8_t bar; /**< of messages */
	int fd; /**< of an eventfd: the transport's */
	uint64_t offset; /**< of messages, in the BAR */
	void *va; /**< of a mapped one */
};

/** A device. */
struct vnic_pci {
	const char *name; /**< of the port, for messages */
	struct rte_vfio_user_client *client;
	struct vnic_pci_cap common, notify, isr, device;
	uint32_t notify_multiplier;
	uint32_t timeout_ms; /**< for the device to reset itself */
	uint16_t nb_vectors; /**< of MSI-X */
	struct vnic_pci_msix msix;
	struct rte_vfio_user_region_io_fd *ios; /**< eventfds for doorbells */
	uint32_t nb_ios;
	int *io_fds;
	uint32_t nb_io_fds;
};

/** A queue as it is written to the device. */
struct vnic_pci_queue {
	uint16_t index, size, vector;
	uint64_t desc, driver, device; /**< areas */
};

/** Find out about a device. client, name and timeout_ms are set. */
int vnic_pci_init(struct vnic_pci *pci);
void vnic_pci_fini(struct vnic_pci *pci);

/**
 * Give BARs addresses, and enable memory access and bus mastering: a device that was
 * restarted has lost it.
 */
int vnic_pci_enable(struct vnic_pci *pci);

/** Ask again for what a device that was restarted does not keep: eventfds. */
void vnic_pci_renew(struct vnic_pci *pci);

int vnic_pci_reset(struct vnic_pci *pci);
int vnic_pci_status(struct vnic_pci *pci, uint8_t *status);
/** Add bits to the status. */
int vnic_pci_status_add(struct vnic_pci *pci, uint8_t bits);

/** Reset, and say what is offered. */
int vnic_pci_begin(struct vnic_pci *pci, uint64_t *offered);
/** Accept features; -ENOTSUP: the device does not want them. */
int vnic_pci_negotiate(struct vnic_pci *pci, uint64_t features);

/** Number of queues that the device has. */
int vnic_pci_nb_queues(struct vnic_pci *pci, uint16_t *nb);
/** Largest size of a queue; 0: there is none. */
int vnic_pci_queue_max(struct vnic_pci *pci, uint16_t index, uint16_t *size);
/**
 * Set a queue up and enable it.
 *
 * @param notify_data
 *   The doorbell takes 32 bits.
 */
int vnic_pci_queue_set(struct vnic_pci *pci, const struct vnic_pci_queue *queue,
		       bool notify_data, struct vnic_pci_bell *bell);
/** Vector of configuration changes. */
int vnic_pci_config_vector(struct vnic_pci *pci, uint16_t vector);

/**
 * Enable MSI-X, with the first nb vectors unmasked. Whether their eventfds are signalled
 * is a matter of SET_IRQS with most devices; but one that emulates all of a PCI device,
 * as QEMU's, looks at its own registers.
 */
int vnic_pci_msix_enable(struct vnic_pci *pci, uint16_t nb);

/** Read the device configuration, all of one generation. */
int vnic_pci_config_read(struct vnic_pci *pci, uint32_t offset, void *buf, uint32_t len);
/** Write to it, byte by byte. */
int vnic_pci_config_write(struct vnic_pci *pci, uint32_t offset, const uint8_t *buf,
			  uint32_t len);

/** Ring a doorbell. Does not block. */
void vnic_pci_ring(struct rte_vfio_user_client *client, const struct vnic_pci_bell *bell,
		   uint32_t value);

/** Signal an eventfd that the device shares. Does not block. */
void vnic_pci_signal(int fd);

#endif /* VNIC_PCI_H */
