/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

/* Checksums and segmentation that the guest leaves to the port. */

#include <inttypes.h>
#include <string.h>

#include <rte_byteorder.h>

#include "pmd_guest.h"
#include "pmd_packet.h"
#include "pmd_port.h"

#define FEATURES (BIT(VIRTIO_NET_F_CSUM) | BIT(VIRTIO_NET_F_HOST_TSO4) | \
	BIT(VIRTIO_NET_F_HOST_TSO6) | BIT(VIRTIO_NET_F_HOST_USO) | BIT(VIRTIO_NET_F_HOST_ECN) | \
	BIT(VIRTIO_RING_F_INDIRECT_DESC))
/** Room of the small mbufs, an odd number. */
#define SMALL_ROOM 129u

static struct pmd_port port;
static struct guest guest;
static struct packet packet;
static uint8_t got[66000];
static struct rte_mempool *small;

static int
start(uint64_t offloads, struct rte_mempool *pool)
{
	const struct rte_eth_conf conf = { .rxmode.offloads = offloads };

	DO(port_probe(&port, 0, ",tso=1"));
	DO(rte_eth_dev_configure(port.id, 1, 1, &conf));
	DO(rte_eth_rx_queue_setup(port.id, 0, 0, SOCKET_ID_ANY, NULL, pool));
	DO(rte_eth_tx_queue_setup(port.id, 0, 0, SOCKET_ID_ANY, NULL));
	DO(rte_eth_dev_start(port.id));
	DO(guest_connect(&guest, port.path));
	return guest_up(&guest, FEATURES, 1, 64);
}

static int
setup(void)
{
	port.id = RTE_MAX_ETHPORTS;
	small = rte_pktmbuf_pool_create("small", 1023, 0, 0, RTE_PKTMBUF_HEADROOM + SMALL_ROOM,
					SOCKET_ID_ANY);
	TEST_ASSERT_NOT_NULL(small, "mbufs");
	return TEST_SUCCESS;
}

static void
teardown(void)
{
	guest_disconnect(&guest);
	port_remove(&port);
	if (rte_mempool_in_use_count(small) != 0)
		printf("note: %u mbufs leaked\n", rte_mempool_in_use_count(small));
	rte_mempool_free(small);
}

/* The packet with this header: the mbuf it becomes, or NULL. */
static struct rte_mbuf *
through(const struct virtio_net_hdr_v1 *hdr, const uint8_t *bytes, uint32_t len)
{
	struct rte_mbuf *m = NULL;
	enum guest_form form;
	bool indirect;

	form = guest_form(&guest, &indirect);
	if (guest_send(&guest, 0, hdr, bytes, len, form, indirect) != 1)
		return NULL;
	rte_eth_rx_burst(port.id, 0, &m, 1);
	return guest_reap(&guest, 0) == 1 ? m : NULL;
}

static struct virtio_net_hdr_v1
needs_csum(uint32_t start_at, uint32_t offset)
{
	return (struct virtio_net_hdr_v1){ .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.csum_start = rte_cpu_to_le_16((uint16_t)start_at),
		.csum_offset = rte_cpu_to_le_16((uint16_t)offset) };
}

/* Copy an mbuf's bytes and free it. */
static uint32_t
take(struct rte_mbuf *m)
{
	const uint32_t len = m->pkt_len;
	const void *bytes = rte_pktmbuf_read(m, 0, len, got);

	if (bytes != got)
		memcpy(got, bytes, len);
	rte_pktmbuf_free(m);
	return len;
}

/* Call for packets of all kinds and many lengths. */
static int
for_all(int (*check)(void))
{
	static const uint32_t payloads[] = { 0, 1, 2, 3, 75, 76, 77, 1000, 1459, 1460, 9001 };
	uint32_t i, kind;

	for (kind = 0; kind < 16; kind++) {
		for (i = 0; i < RTE_DIM(payloads); i++) {
			packet.v6 = kind & 1;
			packet.udp = kind & 2;
			packet.vlan = kind & 4;
			packet.options = kind & 8 && !packet.v6 ? 40 : 0;
			packet.payload = payloads[i];
			TEST_ASSERT(check() == TEST_SUCCESS, "%s %s%s%s, %u bytes",
				    packet.v6 ? "IPv6" : "IPv4", packet.udp ? "UDP" : "TCP",
				    packet.vlan ? ", VLAN" : "",
				    packet.options != 0 ? ", options" : "", packet.payload);
		}
	}
	return TEST_SUCCESS;
}

/* ------------------------------------------------------------------ checksums */

static int
check_left(void)
{
	struct virtio_net_hdr_v1 hdr;
	struct rte_mbuf *m;

	packet_make(&packet, PACKET_PSEUDO);
	hdr = needs_csum(packet.l2_len + packet.l3_len, packet.csum_offset);
	m = through(&hdr, packet.bytes, packet.len);
	TEST_ASSERT_NOT_NULL(m, "dropped");
	TEST_ASSERT_EQUAL(m->ol_flags, RTE_MBUF_F_RX_L4_CKSUM_NONE, "flags 0x%" PRIx64,
			  m->ol_flags);
	TEST_ASSERT_EQUAL(m->packet_type & RTE_PTYPE_L4_MASK, packet.udp ? (uint32_t)
			  RTE_PTYPE_L4_UDP : (uint32_t)RTE_PTYPE_L4_TCP, "type");
	TEST_ASSERT(m->l2_len == packet.l2_len && m->l3_len == packet.l3_len &&
		    m->l4_len == packet.l4_len, "lengths");
	TEST_ASSERT_EQUAL(take(m), packet.len, "length");
	TEST_ASSERT(memcmp(got, packet.bytes, packet.len) == 0, "changed");
	return TEST_SUCCESS;
}

static int
test_left_to_application(void)
{
	DO(start(RTE_ETH_RX_OFFLOAD_TCP_CKSUM | RTE_ETH_RX_OFFLOAD_UDP_CKSUM, pmd_pool));
	DO(for_all(check_left));
	TEST_ASSERT_EQUAL(port_xstat(&port, "rx_q0_software_checksums"), 0u, "counted");
	return TEST_SUCCESS;
}

static int
check_computed(void)
{
	struct virtio_net_hdr_v1 hdr;
	struct rte_mbuf *m;

	packet_make(&packet, PACKET_PSEUDO);
	hdr = needs_csum(packet.l2_len + packet.l3_len, packet.csum_offset);
	m = through(&hdr, packet.bytes, packet.len);
	TEST_ASSERT_NOT_NULL(m, "dropped");
	TEST_ASSERT_EQUAL(m->ol_flags, RTE_MBUF_F_RX_L4_CKSUM_GOOD, "flags 0x%" PRIx64,
			  m->ol_flags);
	TEST_ASSERT_EQUAL(take(m), packet.len, "length");
	packet_make(&packet, PACKET_WHOLE);
	TEST_ASSERT(memcmp(got, packet.bytes, packet.len) == 0, "bytes");
	TEST_ASSERT(packet_l4_good(&packet, got, packet.len), "test");
	return TEST_SUCCESS;
}

static int
test_computed_here(void)
{
	DO(start(0, pmd_pool));
	DO(for_all(check_computed));
	TEST_ASSERT_EQUAL(port_xstat(&port, "rx_q0_software_checksums"), 16u * 11, "counted");
	return TEST_SUCCESS;
}

static int
test_computed_in_segments(void)
{
	DO(start(RTE_ETH_RX_OFFLOAD_SCATTER, small));
	return for_all(check_computed);
}

/* A checksum anywhere in the packet: what the headers are does not matter. */
static int
check_anywhere(uint32_t from, uint32_t offset, uint32_t len)
{
	static uint8_t frame[1024];
	const struct virtio_net_hdr_v1 hdr = needs_csum(from, offset);
	struct rte_mbuf *m;
	uint32_t sum;

	frame_fill(len, frame, len);
	m = through(&hdr, frame, len);
	TEST_ASSERT_NOT_NULL(m, "dropped");
	TEST_ASSERT_EQUAL(m->ol_flags, 0, "flags 0x%" PRIx64, m->ol_flags);
	TEST_ASSERT_EQUAL(take(m), len, "length");
	sum = ~packet_sum(frame + from, len - from, 0) & 0xffff;
	if (sum == 0 && offset == 6)
		sum = 0xffff;
	TEST_ASSERT(got[from + offset] == sum >> 8 && got[from + offset + 1] == (sum & 0xff),
		    "not 0x%04x", sum);
	got[from + offset] = frame[from + offset];
	got[from + offset + 1] = frame[from + offset + 1];
	TEST_ASSERT(memcmp(got, frame, len) == 0, "other bytes");
	return TEST_SUCCESS;
}

/* Also if the application computes those of TCP and UDP: these are none of its. */
static int
test_anywhere(void)
{
	const uint64_t offloads[] = { 0, RTE_ETH_RX_OFFLOAD_TCP_CKSUM |
		RTE_ETH_RX_OFFLOAD_UDP_CKSUM };
	uint32_t i, from, offset, len;

	for (i = 0; i < RTE_DIM(offloads); i++) {
		DO(start(offloads[i] | RTE_ETH_RX_OFFLOAD_SCATTER, small));
		for (from = 0; from < 270; from += 13)
			for (offset = 0; offset < 20; offset += 3)
				for (len = 290; len < 295; len++)
					TEST_ASSERT(check_anywhere(from, offset, len) ==
						    TEST_SUCCESS, "start %u offset %u of %u",
						    from, offset, len);
		guest_disconnect(&guest);
		DO(port_remove(&port));
	}
	return TEST_SUCCESS;
}

/* ----------------------------------------------------------------- segmentation */

static uint8_t
gso_type(void)
{
	return packet.udp ? VIRTIO_NET_HDR_GSO_UDP_L4 :
		packet.v6 ? VIRTIO_NET_HDR_GSO_TCPV6 : VIRTIO_NET_HDR_GSO_TCPV4;
}

static int
check_gso(void)
{
	struct virtio_net_hdr_v1 hdr;
	struct rte_mbuf *m;

	if (packet.payload == 0)
		return TEST_SUCCESS;
	packet_make(&packet, PACKET_PSEUDO);
	hdr = needs_csum(packet.l2_len + packet.l3_len, packet.csum_offset);
	hdr.gso_type = gso_type();
	hdr.gso_size = rte_cpu_to_le_16(1234);
	hdr.hdr_len = 0xffff; /* a hint, and a wrong one */
	m = through(&hdr, packet.bytes, packet.len);
	TEST_ASSERT_NOT_NULL(m, "dropped");
	TEST_ASSERT_EQUAL(m->ol_flags, RTE_MBUF_F_RX_LRO | RTE_MBUF_F_RX_L4_CKSUM_NONE,
			  "flags 0x%" PRIx64, m->ol_flags);
	TEST_ASSERT_EQUAL(m->tso_segsz, 1234, "size");
	TEST_ASSERT(m->l2_len == packet.l2_len && m->l3_len == packet.l3_len &&
		    m->l4_len == packet.l4_len, "lengths");
	TEST_ASSERT_EQUAL(take(m), packet.len, "length");
	TEST_ASSERT(memcmp(got, packet.bytes, packet.len) == 0, "changed");
	return TEST_SUCCESS;
}

static int
test_gso(void)
{
	DO(start(RTE_ETH_RX_OFFLOAD_TCP_CKSUM | RTE_ETH_RX_OFFLOAD_UDP_CKSUM |
		 RTE_ETH_RX_OFFLOAD_TCP_LRO | RTE_ETH_RX_OFFLOAD_SCATTER, pmd_pool));
	DO(for_all(check_gso));
	/* 64 KiB of IP */
	packet = (struct packet){ .payload = 65535 - 40 };
	DO(check_gso());
	packet = (struct packet){ .payload = 65535 - 60, .v6 = true, .vlan = true };
	return check_gso();
}

/* ------------------------------------------------------------------- bad ones */

/* Headers that do not fit a TCP packet of 60 bytes of payload with IPv4. */
static const struct {
	uint64_t without; /* features */
	struct virtio_net_hdr_v1 hdr;
} bad[] = {
#define CSUM(start, offset) .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, \
	.csum_start = RTE_LE16(start), .csum_offset = RTE_LE16(offset)
	{ 0, { CSUM(114, 0) } },
	{ 0, { CSUM(113, 0) } },
	{ 0, { CSUM(0, 113) } },
	{ 0, { CSUM(34, 0xffff) } },
	{ 0, { CSUM(0xffff, 0xffff) } },
	{ 0, { CSUM(0xffff, 1) } },
	{ 0, { CSUM(34, 16), .gso_type = VIRTIO_NET_HDR_GSO_TCPV4 } },
	{ 0, { .gso_type = VIRTIO_NET_HDR_GSO_TCPV4, .gso_size = RTE_LE16(100) } },
	{ 0, { CSUM(34, 16), .gso_type = 2, .gso_size = RTE_LE16(100) } },
	{ 0, { CSUM(34, 16), .gso_type = VIRTIO_NET_HDR_GSO_UDP, .gso_size = RTE_LE16(100) } },
	{ 0, { CSUM(34, 16), .gso_type = 6, .gso_size = RTE_LE16(100) } },
	{ 0, { CSUM(34, 16), .gso_type = 0x7f, .gso_size = RTE_LE16(100) } },
	{ 0, { CSUM(34, 16), .gso_type = VIRTIO_NET_HDR_GSO_ECN, .gso_size = RTE_LE16(100) } },
	/* of another protocol than the packet */
	{ 0, { CSUM(34, 16), .gso_type = VIRTIO_NET_HDR_GSO_TCPV6, .gso_size = RTE_LE16(100) } },
	{ 0, { CSUM(34, 16), .gso_type = VIRTIO_NET_HDR_GSO_UDP_L4, .gso_size = RTE_LE16(100) } },
	{ BIT(VIRTIO_NET_F_HOST_TSO4), { CSUM(34, 16), .gso_type = VIRTIO_NET_HDR_GSO_TCPV4,
		.gso_size = RTE_LE16(100) } },
	{ BIT(VIRTIO_NET_F_HOST_ECN), { CSUM(34, 16), .gso_type = VIRTIO_NET_HDR_GSO_TCPV4 |
		VIRTIO_NET_HDR_GSO_ECN, .gso_size = RTE_LE16(100) } },
#undef CSUM
};

static int
test_bad_headers(void)
{
	struct rte_eth_stats stats;
	uint64_t features = FEATURES;
	uint32_t i;

	DO(start(0, pmd_pool));
	packet = (struct packet){ .payload = 60 };
	packet_make(&packet, PACKET_PSEUDO);
	TEST_ASSERT_EQUAL(packet.len, 114, "test");
	for (i = 0; i < RTE_DIM(bad); i++) {
		if (features != (FEATURES & ~bad[i].without)) {
			features = FEATURES & ~bad[i].without;
			DO(guest_up(&guest, features, 1, 64));
		}
		TEST_ASSERT_NULL(through(&bad[i].hdr, packet.bytes, packet.len), "header %u", i);
		TEST_ASSERT_EQUAL(guest_tx(&guest, 0)->pending, 0, "header %u", i);
		TEST_ASSERT_EQUAL(port_xstat(&port, "rx_q0_bad_header_drops"), i + 1, "header %u",
				  i);
	}
	DO(rte_eth_stats_get(port.id, &stats));
	TEST_ASSERT_EQUAL(stats.ierrors, RTE_DIM(bad), "errors");
	TEST_ASSERT_EQUAL(stats.ipackets, 0, "packets");
	TEST_ASSERT(rte_mempool_in_use_count(pmd_pool) <= 32, "mbufs leaked");
	return TEST_SUCCESS;
}

/* A driver that did not choose CSUM has no header that says anything. */
static int
test_no_offloads(void)
{
	const struct virtio_net_hdr_v1 hdr = { .flags = 0xff, .gso_type = 0xff,
		.csum_start = 0xffff, .gso_size = 1 };
	struct rte_mbuf *m;
	enum guest_form form;

	DO(start(0, pmd_pool));
	DO(guest_up(&guest, 0, 1, 64));
	packet = (struct packet){ .payload = 60 };
	packet_make(&packet, PACKET_WHOLE);
	for (form = GUEST_ONE; form < GUEST_FORMS; form++) {
		TEST_ASSERT_EQUAL(guest_send(&guest, 0, &hdr, packet.bytes, packet.len, form,
					     false), 1, "send");
		TEST_ASSERT_EQUAL(rte_eth_rx_burst(port.id, 0, &m, 1), 1, "form %u", form);
		TEST_ASSERT_EQUAL(m->ol_flags, 0, "form %u", form);
		TEST_ASSERT_EQUAL(take(m), packet.len, "form %u", form);
		TEST_ASSERT_EQUAL(guest_reap(&guest, 0), 1, "form %u", form);
	}
	return TEST_SUCCESS;
}

/* ------------------------------------------------------------------------ VLANs */

static int
test_vlan_strip(void)
{
	uint8_t frame[64] = "\2\0\0\0\0\1\2\0\0\0\0\2\x81\0\x20\x64\x88\xb5";
	const struct virtio_net_hdr_v1 *none = NULL;
	struct virtio_net_hdr_v1 hdr;
	struct rte_mbuf *m;
	uint32_t len;

	DO(start(RTE_ETH_RX_OFFLOAD_VLAN_STRIP | RTE_ETH_RX_OFFLOAD_TCP_CKSUM, pmd_pool));
	m = through(none, frame, sizeof(frame));
	TEST_ASSERT_NOT_NULL(m, "dropped");
	TEST_ASSERT_EQUAL(m->ol_flags, RTE_MBUF_F_RX_VLAN | RTE_MBUF_F_RX_VLAN_STRIPPED, "flags");
	TEST_ASSERT_EQUAL(m->vlan_tci, 0x2064, "tag");
	TEST_ASSERT_EQUAL(take(m), sizeof(frame) - 4, "length");
	TEST_ASSERT(memcmp(got, frame, 12) == 0 && memcmp(got + 12, frame + 16, 48) == 0, "bytes");
	/* half a tag is none */
	for (len = 14; len < 18; len++) {
		m = through(none, frame, len);
		TEST_ASSERT_NOT_NULL(m, "dropped: %u bytes", len);
		TEST_ASSERT_EQUAL(m->ol_flags, 0, "%u bytes", len);
		TEST_ASSERT_EQUAL(take(m), len, "%u bytes", len);
	}
	/* lengths of headers are those of what is left */
	packet = (struct packet){ .payload = 60, .vlan = true };
	packet_make(&packet, PACKET_PSEUDO);
	hdr = needs_csum(packet.l2_len + packet.l3_len, packet.csum_offset);
	m = through(&hdr, packet.bytes, packet.len);
	TEST_ASSERT_NOT_NULL(m, "dropped");
	TEST_ASSERT(m->l2_len == 14 && m->l3_len == 20, "l2_len %u", m->l2_len);
	take(m);
	/* switched off at run time */
	DO(rte_eth_dev_set_vlan_offload(port.id, 0));
	m = through(none, frame, sizeof(frame));
	TEST_ASSERT_EQUAL(take(m), sizeof(frame), "length");
	return rte_eth_dev_set_vlan_offload(port.id, RTE_ETH_VLAN_STRIP_OFFLOAD);
}

static struct unit_test_suite suite = {
	.suite_name = "offloads of what the guest sends",
	.setup = pmd_setup,
	.unit_test_cases = {
		TEST_CASE_ST(setup, teardown, test_left_to_application),
		TEST_CASE_ST(setup, teardown, test_computed_here),
		TEST_CASE_ST(setup, teardown, test_computed_in_segments),
		TEST_CASE_ST(setup, teardown, test_anywhere),
		TEST_CASE_ST(setup, teardown, test_gso),
		TEST_CASE_ST(setup, teardown, test_bad_headers),
		TEST_CASE_ST(setup, teardown, test_no_offloads),
		TEST_CASE_ST(setup, teardown, test_vlan_strip),
		TEST_CASES_END()
	}
};

static int
test_nic_offload_rx(void)
{
	return unit_test_suite_runner(&suite);
}

REGISTER_TEST_COMMAND(nic_offload_rx_autotest, test_nic_offload_rx);
