/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

/*
 * One interrupt: a write to an eventfd alone, the same by the server, and by the
 * PCI device kit, which looks for MSI-X or MSI first. Nobody waits for it.
 */

#include <errno.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <linux/vfio.h>

#include <rte_errno.h>

#include <rte_vfio_user_pci.h>

#include "bench.h"
#include "device.h"

#define SLICES 20u
#define ROUNDS 20000u
#define BAR_SIZE 4096u

static struct rte_vfio_user_server *srv;
static struct rte_vfio_user_pci *pci;
static int event; /* the client's */

static double
run_bare(uint32_t rounds, void *arg)
{
	const eventfd_t one = 1;
	uint64_t start = bench_ns();
	uint32_t i;

	RTE_SET_USED(arg);
	for (i = 0; i < rounds; i++)
		if (write(event, &one, sizeof(one)) != sizeof(one))
			bench_die("cannot write to an eventfd");
	return (double)(bench_ns() - start) / rounds;
}

static double
run_server(uint32_t rounds, void *arg)
{
	uint64_t start = bench_ns();
	uint32_t i;

	RTE_SET_USED(arg);
	for (i = 0; i < rounds; i++)
		if (rte_vfio_user_server_irq_trigger(srv, VFIO_PCI_MSIX_IRQ_INDEX, 0) != 0)
			bench_die("not triggered by the server");
	return (double)(bench_ns() - start) / rounds;
}

static double
run_kit(uint32_t rounds, void *arg)
{
	uint64_t start = bench_ns();
	uint32_t i;

	RTE_SET_USED(arg);
	for (i = 0; i < rounds; i++)
		if (rte_vfio_user_pci_irq_trigger(pci, 0) != 0)
			bench_die("not triggered by the kit");
	return (double)(bench_ns() - start) / rounds;
}

static void
describe(void)
{
	const struct rte_vfio_user_pci_id id = { .vendor_id = 0x1234 };
	const struct rte_vfio_user_region_conf bar = {
		.size = BAR_SIZE, .flags = RTE_VFIO_USER_REGION_F_RW, .fd = -1,
	};
	const struct rte_vfio_user_pci_msix msix = {
		.vectors = 1, .pba_offset = BAR_SIZE / 2,
	};

	pci = rte_vfio_user_pci_create(srv, &id);
	if (pci == NULL ||
	    rte_vfio_user_pci_bar_add(pci, 0, RTE_VFIO_USER_PCI_BAR_MEM32, &bar) < 0 ||
	    rte_vfio_user_pci_cap_msix_add(pci, 0, &msix) < 0 ||
	    rte_vfio_user_server_start(srv) < 0)
		bench_die("cannot describe a device");
}

struct attaching {
	int fd;
	struct rte_vfio_user_client *client; /* atomic */
};

static void *
attach_thread(void *arg)
{
	struct attaching *a = arg;
	struct rte_vfio_user_client *client = device_client(a->fd);

	errno = -rte_vfio_user_client_irq_assign(client, VFIO_PCI_MSIX_IRQ_INDEX, 0, 1,
						 &event);
	if (errno != 0)
		bench_die("cannot assign an eventfd");
	__atomic_store_n(&a->client, client, __ATOMIC_RELEASE);
	return NULL;
}

static struct rte_vfio_user_client *
attach(int fd)
{
	struct attaching a = { .fd = fd };
	pthread_t thread;

	errno = pthread_create(&thread, NULL, attach_thread, &a);
	if (errno != 0)
		bench_die("cannot create a thread");
	while (__atomic_load_n(&a.client, __ATOMIC_ACQUIRE) == NULL)
		rte_vfio_user_server_poll(srv);
	pthread_join(thread, NULL);
	return a.client;
}

int
main(int argc, char **argv)
{
	struct bench_way bare = { .run = run_bare }, server = { .run = run_server };
	struct bench_way kit = { .run = run_kit };
	struct bench_way *const ways[] = { &bare, &server, &kit };
	struct rte_vfio_user_server_conf conf;
	struct rte_vfio_user_client *client;
	int pair[2];

	bench_init(argc, argv);
	bench_socketpair(pair);
	event = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	rte_vfio_user_server_conf_init(&conf);
	conf.conn_fd = pair[0];
	srv = rte_vfio_user_server_create(&conf);
	if (event < 0 || srv == NULL)
		bench_die("cannot create a device");
	close(pair[0]);
	describe();
	client = attach(pair[1]);

	bench_interleave(ways, RTE_DIM(ways), bench_scale(ROUNDS), SLICES);
	bench_report_ways("interrupt by the server", "ns", &server, &bare, NULL);
	bench_report_ways("interrupt by the device kit", "ns", &kit, &server, NULL);
	rte_vfio_user_client_destroy(client);
	rte_vfio_user_server_destroy(srv);
	rte_vfio_user_pci_destroy(pci);
	close(event);
	return 0;
}
