/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

/* net_virtio_vfio_user with a card that uses several buffers in order by one element. */

#include <string.h>

#include <linux/virtio_config.h>

#include "pmd_device.h"
#include "pmd_pair.h"

#define PACKED (UINT64_C(1) << VIRTIO_F_RING_PACKED)
/* Bytes of a frame, and the buffers that it takes. */
#define LONG 8000u
#define BUFFERS 4

static struct pmd_device device;
static struct pmd_device_conf device_conf;
static struct pmd_port port;
static char path[128];

static int
setup(void)
{
	port.id = RTE_MAX_ETHPORTS;
	snprintf(path, sizeof(path), "%s/0", pmd_folder);
	pmd_device_conf_init(&device_conf, path);
	device_conf.batch = true;
	return TEST_SUCCESS;
}

static void
teardown(void)
{
	port_remove(&port);
	pmd_device_stop(&device);
}

/* What is in the ring: all buffers of a frame, though one element stands for them. */
static int
count_buffers(void)
{
	static const uint8_t frame[LONG];
	struct rte_mbuf *m = frame_to_mbuf(frame, LONG, FRAME_MAX);

	TEST_ASSERT_NOT_NULL(m, "mbufs");
	TEST_ASSERT_EQUAL(rte_eth_tx_burst(port.id, 0, &m, 1), 1, "");
	WAIT_FOR(rte_eth_rx_queue_count(port.id, 0) != 0);
	TEST_ASSERT_EQUAL(rte_eth_rx_queue_count(port.id, 0), BUFFERS, "");
	TEST_ASSERT_EQUAL(rte_eth_rx_descriptor_status(port.id, 0, BUFFERS - 1),
			  RTE_ETH_RX_DESC_DONE, "");
	TEST_ASSERT_EQUAL(rte_eth_rx_descriptor_status(port.id, 0, BUFFERS),
			  RTE_ETH_RX_DESC_AVAIL, "");
	TEST_ASSERT_EQUAL(pmd_drain(&port), 1, "");
	TEST_ASSERT_EQUAL(rte_eth_rx_queue_count(port.id, 0), 0, "");
	return TEST_SUCCESS;
}

/* Frames in one to five buffers, whose batches reach over the end of the ring. */
static int
echo_frames(void)
{
	static const struct pmd_traffic frames = { 15000, 9000, FRAME_MAX };
	const struct rte_eth_conf conf = {
		.rxmode.mtu = 9000,
		.rxmode.offloads = RTE_ETH_RX_OFFLOAD_SCATTER,
	};
	uint32_t i;

	device_conf.mtu = 9000;
	DO(pmd_device_start(&device, &device_conf));
	DO(port_probe_driver(&port, 0, ",queue_size=64"));
	DO(port_start(&port, 1, &conf));
	DO(port_wait_link(&port, true));
	TEST_ASSERT_EQUAL(__atomic_load_n(&device.features, __ATOMIC_RELAXED) >>
			  VIRTIO_F_IN_ORDER & 1, 1, "features");
	for (i = 0; i < 100; i++)
		DO(count_buffers());
	DO(pmd_transfer(&port, &port, 0, &frames, 3000));
	TEST_ASSERT(port_xstat(&port, "rx_q0_merged") > 500, "merged %" PRIu64,
		    port_xstat(&port, "rx_q0_merged"));
	DO(port_remove(&port));
	TEST_ASSERT_EQUAL(pmd_mbufs_used(), 0, "mbufs");
	return TEST_SUCCESS;
}

static int
test_split(void)
{
	device_conf.features_off |= PACKED;
	return echo_frames();
}

static int
test_packed(void)
{
	return echo_frames();
}

static struct unit_test_suite suite = {
	.suite_name = "net_virtio_vfio_user with batches of buffers",
	.setup = pmd_setup,
	.unit_test_cases = {
		TEST_CASE_ST(setup, teardown, test_split),
		TEST_CASE_ST(setup, teardown, test_packed),
		TEST_CASES_END()
	},
};

static int
test_vnic_batch(void)
{
	return unit_test_suite_runner(&suite);
}

REGISTER_TEST_COMMAND(vnic_batch_autotest, test_vnic_batch);
