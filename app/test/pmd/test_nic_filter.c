/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

/* Which packets of the port the guest receives. */

#include <inttypes.h>
#include <string.h>

#include <rte_byteorder.h>

#include "pmd_guest.h"
#include "pmd_port.h"

#define FEATURES (BIT(VIRTIO_NET_F_CTRL_VQ) | BIT(VIRTIO_NET_F_CTRL_RX) | \
	BIT(VIRTIO_NET_F_CTRL_RX_EXTRA) | BIT(VIRTIO_NET_F_CTRL_VLAN) | \
	BIT(VIRTIO_NET_F_CTRL_MAC_ADDR))
#define MAX_TABLE 64u
#define ANY_VLAN (-1)

static const uint8_t mine[6] = { 2, 0, 0, 0, 0, 1 }, other[6] = { 2, 0, 0, 0, 0, 2 };
static const uint8_t multi[6] = { 1, 0, 0x5e, 0, 0, 1 }, multi2[6] = { 1, 0, 0x5e, 0, 0, 2 };
static const uint8_t all[6] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };

static struct pmd_port port;
static struct guest guest;

static int
setup(void)
{
	port.id = RTE_MAX_ETHPORTS;
	DO(port_up(&port, ",mac=02:00:00:00:00:01", 1));
	DO(guest_connect(&guest, port.path));
	return guest_up(&guest, FEATURES, 1, 64);
}

static void
teardown(void)
{
	guest_disconnect(&guest);
	port_remove(&port);
}

static int
mode(uint8_t cmd, bool on)
{
	const uint8_t data = on;

	return guest_ctrl(&guest, VIRTIO_NET_CTRL_RX, cmd, &data, 1, NULL);
}

static int
vlan_set(uint8_t cmd, uint16_t id)
{
	const uint16_t le = rte_cpu_to_le_16(id);

	return guest_ctrl(&guest, VIRTIO_NET_CTRL_VLAN, cmd, &le, sizeof(le), NULL);
}

/* A frame of len bytes to an address, with a tag of that VLAN or without. */
static struct rte_mbuf *
make(const uint8_t *dst, int vlan, uint32_t len, bool insert)
{
	uint8_t frame[64] = { 0 };
	struct rte_mbuf *m;

	memcpy(frame, dst, 6);
	memcpy(frame + 12, "\x88\xb5", 2);
	if (vlan != ANY_VLAN && !insert) {
		memcpy(frame + 12, "\x81\0", 2);
		frame[14] = (uint8_t)(0xe0 | vlan >> 8); /* with a priority */
		frame[15] = (uint8_t)vlan;
	}
	m = frame_to_mbuf(frame, len, UINT32_MAX);
	if (m != NULL && insert) {
		m->ol_flags |= RTE_MBUF_F_TX_VLAN;
		m->vlan_tci = (uint16_t)vlan;
	}
	return m;
}

/* Whether the guest gets it: 1 or 0; -1: it is not counted so. */
static int
passes(struct rte_mbuf *m)
{
	const uint64_t filtered = port_xstat(&port, "tx_q0_filtered");
	static uint8_t frame[FRAME_MAX];
	struct virtio_net_hdr_v1 hdr;
	bool got;

	if (guest_rx(&guest, 0)->pending == 0)
		guest_post(&guest, 0, 2048, GUEST_ONE, false);
	if (m == NULL || rte_eth_tx_burst(port.id, 0, &m, 1) != 1)
		return -1;
	got = guest_recv(&guest, 0, &hdr, frame) > 0;
	return port_xstat(&port, "tx_q0_filtered") == filtered + !got ? got : -1;
}

#define EXPECT(dst, vlan, wanted) \
	TEST_ASSERT_EQUAL(passes(make(dst, vlan, 64, false)), wanted, #dst ", VLAN %d", vlan)

/* What passes: to the guest's address, to others, to a group, to all. */
static int
check(int to_mine, int to_other, int to_multi, int to_all)
{
	EXPECT(mine, ANY_VLAN, to_mine);
	EXPECT(other, ANY_VLAN, to_other);
	EXPECT(multi, ANY_VLAN, to_multi);
	EXPECT(all, ANY_VLAN, to_all);
	return TEST_SUCCESS;
}

static int
test_modes(void)
{
	static const struct {
		uint8_t cmd;
		int mine, other, multi, all;
	} modes[] = {
		{ VIRTIO_NET_CTRL_RX_ALLMULTI, 1, 0, 1, 1 },
		{ VIRTIO_NET_CTRL_RX_ALLUNI, 1, 1, 0, 1 },
		{ VIRTIO_NET_CTRL_RX_NOMULTI, 1, 0, 0, 1 },
		{ VIRTIO_NET_CTRL_RX_NOUNI, 0, 0, 0, 1 },
		{ VIRTIO_NET_CTRL_RX_NOBCAST, 1, 0, 0, 0 },
	};
	uint32_t i;

	DO(check(1, 1, 1, 1));
	DO(mode(VIRTIO_NET_CTRL_RX_PROMISC, false));
	for (i = 0; i < RTE_DIM(modes); i++) {
		DO(check(1, 0, 0, 1));
		DO(mode(modes[i].cmd, true));
		TEST_ASSERT(check(modes[i].mine, modes[i].other, modes[i].multi, modes[i].all) ==
			    TEST_SUCCESS, "mode %u", modes[i].cmd);
		DO(mode(VIRTIO_NET_CTRL_RX_PROMISC, true));
		DO(check(1, 1, 1, 1));
		DO(mode(VIRTIO_NET_CTRL_RX_PROMISC, false));
		DO(mode(modes[i].cmd, false));
	}
	DO(check(1, 0, 0, 1));
	DO(guest_up(&guest, FEATURES, 1, 64));
	return check(1, 1, 1, 1);
}

/* -------------------------------------------------------------------- tables */

/* Set the tables to nb addresses each: 02:01::i and 03:01::i. */
static int
tables(uint32_t nb_uni, uint32_t nb_multi)
{
	uint8_t data[2 * (4 + 6 * (MAX_TABLE + 2))], *at = data;
	uint32_t nb[] = { nb_uni, nb_multi }, kind, i, le;

	for (kind = 0; kind < 2; kind++) {
		le = rte_cpu_to_le_32(nb[kind]);
		memcpy(at, &le, 4);
		at += 4;
		for (i = 0; i < nb[kind]; i++, at += 6)
			memcpy(at, (uint8_t[]){ (uint8_t)(2 + kind), 1, 0, 0, 0, (uint8_t)i }, 6);
	}
	return guest_ctrl(&guest, VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_TABLE_SET, data,
			  (uint32_t)(at - data), NULL);
}

/* The first nb addresses of a kind pass, and none else. */
static int
check_table(uint8_t kind, uint32_t nb)
{
	uint32_t i;

	for (i = 0; i < MAX_TABLE + 2; i++) {
		const uint8_t addr[6] = { kind, 1, 0, 0, 0, (uint8_t)i };

		TEST_ASSERT_EQUAL(passes(make(addr, ANY_VLAN, 64, false)), i < nb,
				  "address %u of %u", i, nb);
	}
	return TEST_SUCCESS;
}

static int
test_tables(void)
{
	static const uint32_t sizes[] = { 0, 1, 2, 63, MAX_TABLE };
	uint32_t i, k;

	DO(mode(VIRTIO_NET_CTRL_RX_PROMISC, false));
	for (i = 0; i < RTE_DIM(sizes); i++) {
		for (k = 0; k < RTE_DIM(sizes); k++) {
			DO(tables(sizes[i], sizes[k]));
			DO(check_table(2, sizes[i]));
			DO(check_table(3, sizes[k]));
		}
	}
	DO(check(1, 0, 0, 1));
	/* more than there is room for: all of the kind */
	DO(tables(MAX_TABLE + 1, 0));
	DO(check(1, 1, 0, 1));
	DO(tables(0, MAX_TABLE + 1));
	DO(check(1, 0, 1, 1));
	DO(tables(1, 1));
	DO(check_table(2, 1));
	return check_table(3, 1);
}

/* Numbers of addresses that are not there: nothing is changed. */
static int
test_bad_tables(void)
{
	static const uint32_t lies[] = { 2, 1000, 0x2aaaaaab, 0x80000000, UINT32_MAX };
	uint8_t data[20] = { 0 };
	uint32_t i, le;

	DO(mode(VIRTIO_NET_CTRL_RX_PROMISC, false));
	DO(tables(2, 2));
	for (i = 0; i < RTE_DIM(lies); i++) {
		memset(data, 0, sizeof(data));
		le = rte_cpu_to_le_32(lies[i]);
		memcpy(data, &le, 4);
		TEST_ASSERT_EQUAL(guest_ctrl(&guest, VIRTIO_NET_CTRL_MAC,
			VIRTIO_NET_CTRL_MAC_TABLE_SET, data, 15, NULL), VIRTIO_NET_ERR, "uni");
		data[0] = 1;
		data[1] = data[2] = data[3] = 0;
		memcpy(data + 10, &le, 4);
		TEST_ASSERT_EQUAL(guest_ctrl(&guest, VIRTIO_NET_CTRL_MAC,
			VIRTIO_NET_CTRL_MAC_TABLE_SET, data, 20, NULL), VIRTIO_NET_ERR, "multi");
	}
	DO(check_table(2, 2));
	return check_table(3, 2);
}

static int
test_address(void)
{
	DO(mode(VIRTIO_NET_CTRL_RX_PROMISC, false));
	DO(guest_ctrl(&guest, VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_ADDR_SET, other, 6, NULL));
	DO(check(0, 1, 0, 1));
	DO(rte_eth_dev_default_mac_addr_set(port.id, (struct rte_ether_addr *)(uintptr_t)mine));
	DO(check(1, 0, 0, 1));
	EXPECT(multi2, ANY_VLAN, 0);
	return TEST_SUCCESS;
}

/* --------------------------------------------------------------------- VLANs */

static int
test_vlans(void)
{
	static const uint16_t ids[] = { 0, 1, 63, 64, 100, 4094, 4095 };
	uint32_t i, k;

	EXPECT(mine, 100, 1); /* promiscuous: not judged */
	DO(mode(VIRTIO_NET_CTRL_RX_PROMISC, false));
	for (i = 0; i < RTE_DIM(ids); i++) {
		DO(vlan_set(VIRTIO_NET_CTRL_VLAN_ADD, ids[i]));
		for (k = 0; k < RTE_DIM(ids); k++) {
			EXPECT(mine, ids[k], ids[k] == ids[i]);
			TEST_ASSERT_EQUAL(passes(make(mine, ids[k], 64, true)), ids[k] == ids[i],
					  "inserted, VLAN %u", ids[k]);
		}
		EXPECT(mine, ANY_VLAN, 1);
		EXPECT(other, ids[i], 0);
		DO(vlan_set(VIRTIO_NET_CTRL_VLAN_DEL, ids[i]));
	}
	TEST_ASSERT_EQUAL(vlan_set(VIRTIO_NET_CTRL_VLAN_ADD, 4096), VIRTIO_NET_ERR, "id 4096");
	TEST_ASSERT_EQUAL(vlan_set(VIRTIO_NET_CTRL_VLAN_ADD, 65535), VIRTIO_NET_ERR, "id 65535");
	/* half a tag */
	TEST_ASSERT_EQUAL(passes(make(mine, 1, 17, false)), 0, "17 bytes");
	/* a driver that does not filter VLANs gets all */
	DO(guest_up(&guest, FEATURES & ~BIT(VIRTIO_NET_F_CTRL_VLAN), 1, 64));
	DO(mode(VIRTIO_NET_CTRL_RX_PROMISC, false));
	EXPECT(mine, 100, 1);
	EXPECT(other, 100, 0);
	return TEST_SUCCESS;
}

/* Wanted and unwanted ones in one burst, more than the guest has room for. */
static int
test_mixture(void)
{
	struct rte_mbuf *pkts[96];
	static uint8_t frame[FRAME_MAX];
	struct virtio_net_hdr_v1 hdr;
	uint16_t sent, i;
	int got = 0;

	DO(mode(VIRTIO_NET_CTRL_RX_PROMISC, false));
	guest_post_plain(&guest, 0, 2048, 30);
	for (i = 0; i < 96; i++)
		pkts[i] = make(i % 3 == 0 ? mine : i % 3 == 1 ? other : multi, ANY_VLAN, 64, false);
	/* number 90 is the 31st that is wanted */
	sent = rte_eth_tx_burst(port.id, 0, pkts, 96);
	TEST_ASSERT_EQUAL(sent, 90, "%u", sent);
	while (guest_recv(&guest, 0, &hdr, frame) > 0) {
		TEST_ASSERT(memcmp(frame, mine, 6) == 0, "not wanted");
		got++;
	}
	TEST_ASSERT_EQUAL(got, 30, "%d", got);
	TEST_ASSERT_EQUAL(port_xstat(&port, "tx_q0_filtered"), 60u, "filtered");
	rte_pktmbuf_free_bulk(pkts + sent, 96 - sent);
	return TEST_SUCCESS;
}

static struct unit_test_suite suite = {
	.suite_name = "filters of net_vfio_user",
	.setup = pmd_setup,
	.unit_test_cases = {
		TEST_CASE_ST(setup, teardown, test_modes),
		TEST_CASE_ST(setup, teardown, test_tables),
		TEST_CASE_ST(setup, teardown, test_bad_tables),
		TEST_CASE_ST(setup, teardown, test_address),
		TEST_CASE_ST(setup, teardown, test_vlans),
		TEST_CASE_ST(setup, teardown, test_mixture),
		TEST_CASES_END()
	}
};

static int
test_nic_filter(void)
{
	return unit_test_suite_runner(&suite);
}

REGISTER_TEST_COMMAND(nic_filter_autotest, test_nic_filter);
