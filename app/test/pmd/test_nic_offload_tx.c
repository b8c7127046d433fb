/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

/* Checksums, segmentation and tags that the application leaves to the port. */

#include <inttypes.h>
#include <string.h>

#include <rte_byteorder.h>

#include "pmd_guest.h"
#include "pmd_packet.h"
#include "pmd_port.h"

#define OFFLOADS (BIT(VIRTIO_NET_F_GUEST_CSUM) | BIT(VIRTIO_NET_F_GUEST_TSO4) | \
	BIT(VIRTIO_NET_F_GUEST_TSO6) | BIT(VIRTIO_NET_F_GUEST_USO4) | \
	BIT(VIRTIO_NET_F_GUEST_USO6))
#define FEATURES (OFFLOADS | BIT(VIRTIO_NET_F_MRG_RXBUF) | BIT(VIRTIO_NET_F_CTRL_VQ) | \
	BIT(VIRTIO_NET_F_CTRL_GUEST_OFFLOADS))
#define SEGMENT 1000

static struct pmd_port port;
static struct guest guest;
static struct packet packet;
static uint8_t got[FRAME_MAX];
static struct virtio_net_hdr_v1 hdr;
static uint32_t seg_max;

static int
setup(void)
{
	port.id = RTE_MAX_ETHPORTS;
	seg_max = UINT32_MAX;
	TEST_ASSERT_EQUAL(pmd_mbufs_used(), 0u, "mbufs leaked before");
	DO(port_up(&port, ",tso=1", 1));
	DO(guest_connect(&guest, port.path));
	return guest_up(&guest, FEATURES, 1, 256);
}

static void
teardown(void)
{
	guest_disconnect(&guest);
	port_remove(&port);
}

static uint64_t
l4_flag(void)
{
	return (packet.v6 ? RTE_MBUF_F_TX_IPV6 : RTE_MBUF_F_TX_IPV4) |
		(packet.udp ? RTE_MBUF_F_TX_UDP_CKSUM : RTE_MBUF_F_TX_TCP_CKSUM);
}

static uint64_t
gso_flag(void)
{
	return (packet.v6 ? RTE_MBUF_F_TX_IPV6 : RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_IP_CKSUM) |
		(packet.udp ? RTE_MBUF_F_TX_UDP_SEG : RTE_MBUF_F_TX_TCP_SEG);
}

/* The packet as an mbuf with these flags and the lengths of its headers. */
static struct rte_mbuf *
to_mbuf(uint64_t flags)
{
	struct rte_mbuf *m = frame_to_mbuf(packet.bytes, packet.len, seg_max);

	if (m == NULL)
		return NULL;
	m->ol_flags = flags;
	m->l2_len = packet.l2_len;
	m->l3_len = packet.l3_len & 0x1ff;
	m->l4_len = packet.l4_len & 0xff;
	m->tso_segsz = SEGMENT;
	return m;
}

/* Send it: its length at the guest, 0: it was dropped, or < 0. */
static int
through(struct rte_mbuf *m)
{
	while (guest_rx(&guest, 0)->pending < 40)
		if (guest_post(&guest, 0, guest_has(&guest, VIRTIO_NET_F_MRG_RXBUF) ? 2048 :
			       GUEST_BUF, guest_form(&guest, &(bool){ false }), false) != 1)
			break;
	if (m == NULL || rte_eth_tx_burst(port.id, 0, &m, 1) != 1)
		return -1;
	return guest_recv(&guest, 0, &hdr, got);
}

static int
for_all(int (*check)(void))
{
	static const uint32_t payloads[] = { 1, 2, 3, 75, 1000, 1001, 1460, 9001, 40000 };
	static const uint32_t segments[] = { UINT32_MAX, 200, 40 };
	uint32_t i, kind, k;

	for (kind = 0; kind < 16; kind++) {
		for (i = 0; i < RTE_DIM(payloads) * RTE_DIM(segments); i++) {
			k = i / RTE_DIM(payloads);
			packet.v6 = kind & 1;
			packet.udp = kind & 2;
			packet.vlan = kind & 4;
			packet.options = kind & 8 && !packet.v6 ? 20 : 0;
			packet.payload = payloads[i % RTE_DIM(payloads)];
			seg_max = segments[k];
			TEST_ASSERT(check() == TEST_SUCCESS, "%s %s%s%s, %u bytes, segments of %u",
				    packet.v6 ? "IPv6" : "IPv4", packet.udp ? "UDP" : "TCP",
				    packet.vlan ? ", VLAN" : "",
				    packet.options != 0 ? ", options" : "", packet.payload,
				    seg_max);
		}
	}
	return TEST_SUCCESS;
}

#define IS_HEADER(flags_, start_, offset_, type_, size_) \
	TEST_ASSERT(hdr.flags == (flags_) && rte_le_to_cpu_16(hdr.csum_start) == (start_) && \
		    rte_le_to_cpu_16(hdr.csum_offset) == (offset_) && hdr.gso_type == (type_) && \
		    rte_le_to_cpu_16(hdr.gso_size) == (size_), \
		    "flags %u start %u offset %u type %u size %u", hdr.flags, hdr.csum_start, \
		    hdr.csum_offset, hdr.gso_type, hdr.gso_size)

/* ------------------------------------------------------------------ checksums */

static int
check_passed_on(void)
{
	packet_make(&packet, PACKET_PSEUDO);
	TEST_ASSERT_EQUAL(through(to_mbuf(l4_flag())), (int)packet.len, "length");
	IS_HEADER(VIRTIO_NET_HDR_F_NEEDS_CSUM, packet.l2_len + packet.l3_len, packet.csum_offset,
		  0, 0);
	TEST_ASSERT(memcmp(got, packet.bytes, packet.len) == 0, "changed");
	return TEST_SUCCESS;
}

static int
test_passed_on(void)
{
	DO(for_all(check_passed_on));
	TEST_ASSERT_EQUAL(port_xstat(&port, "tx_q0_software_checksums"), 0u, "counted");
	return TEST_SUCCESS;
}

/* The packet of the application is not changed: it may have sent it elsewhere, too. */
static int
check_computed(void)
{
	struct rte_mbuf *m;
	uint8_t *ip;

	packet_make(&packet, PACKET_PSEUDO);
	if (!packet.v6) {
		ip = packet.bytes + packet.l2_len;
		ip[10] = 0xba; /* to be computed, too */
	}
	m = to_mbuf(l4_flag() | (packet.v6 ? 0 : RTE_MBUF_F_TX_IP_CKSUM));
	TEST_ASSERT_NOT_NULL(m, "no mbuf");
	rte_pktmbuf_refcnt_update(m, 1);
	TEST_ASSERT_EQUAL(through(m), (int)packet.len, "length");
	TEST_ASSERT(frame_check(m, packet.bytes, packet.len) == TEST_SUCCESS, "mbuf changed");
	rte_pktmbuf_free(m);
	IS_HEADER(0, 0u, 0u, 0, 0);
	packet_make(&packet, PACKET_WHOLE);
	TEST_ASSERT(memcmp(got, packet.bytes, packet.len) == 0, "bytes");
	TEST_ASSERT(packet_l4_good(&packet, got, packet.len), "checksum");
	TEST_ASSERT(packet.v6 || packet_ip_good(&packet, got), "of IPv4");
	return TEST_SUCCESS;
}

static int
test_computed_here(void)
{
	DO(guest_up(&guest, FEATURES & ~OFFLOADS, 1, 256));
	DO(for_all(check_computed));
	TEST_ASSERT_EQUAL(port_xstat(&port, "tx_q0_software_checksums"), 16u * 27, "counted");
	return TEST_SUCCESS;
}

/* One that is 0 is sent as 0xffff by UDP, which has 0 for none. */
static int
test_zero(void)
{
	uint32_t sum, start;

	DO(guest_up(&guest, FEATURES & ~OFFLOADS, 1, 256));
	packet = (struct packet){ .udp = true, .payload = 2 };
	packet_make(&packet, PACKET_PSEUDO);
	start = packet.l2_len + packet.l3_len;
	memset(packet.bytes + packet.len - 2, 0, 2);
	sum = ~packet_sum(packet.bytes + start, packet.len - start, 0) & 0xffff;
	packet.bytes[packet.len - 2] = (uint8_t)(sum >> 8);
	packet.bytes[packet.len - 1] = (uint8_t)sum;
	TEST_ASSERT_EQUAL(through(to_mbuf(l4_flag())), (int)packet.len, "length");
	TEST_ASSERT(got[start + 6] == 0xff && got[start + 7] == 0xff, "0x%02x%02x",
		    got[start + 6], got[start + 7]);
	return TEST_SUCCESS;
}

/* Switched at run time. */
static int
test_switched(void)
{
	const uint64_t none = 0, csum = rte_cpu_to_le_64(BIT(VIRTIO_NET_F_GUEST_CSUM)),
		no_csum = rte_cpu_to_le_64(BIT(VIRTIO_NET_F_GUEST_TSO4));

	packet = (struct packet){ .payload = 5000 };
	DO(check_passed_on());
	DO(guest_ctrl(&guest, VIRTIO_NET_CTRL_GUEST_OFFLOADS,
		      VIRTIO_NET_CTRL_GUEST_OFFLOADS_SET, &none, 8, NULL));
	DO(check_computed());
	packet_make(&packet, PACKET_PSEUDO_NO_LEN);
	TEST_ASSERT_EQUAL(through(to_mbuf(gso_flag())), 0, "segmentation");
	/* segments without checksums make no sense, and write no more than there is room for */
	DO(guest_ctrl(&guest, VIRTIO_NET_CTRL_GUEST_OFFLOADS,
		      VIRTIO_NET_CTRL_GUEST_OFFLOADS_SET, &no_csum, 8, NULL));
	packet_make(&packet, PACKET_PSEUDO_NO_LEN);
	TEST_ASSERT_EQUAL(through(to_mbuf(gso_flag())), 0, "segmentation");
	DO(guest_ctrl(&guest, VIRTIO_NET_CTRL_GUEST_OFFLOADS,
		      VIRTIO_NET_CTRL_GUEST_OFFLOADS_SET, &csum, 8, NULL));
	return check_passed_on();
}

/* --------------------------------------------------------------- segmentation */

static int
check_gso(void)
{
	const uint8_t type = packet.udp ? VIRTIO_NET_HDR_GSO_UDP_L4 :
		packet.v6 ? VIRTIO_NET_HDR_GSO_TCPV6 : VIRTIO_NET_HDR_GSO_TCPV4;

	packet_make(&packet, PACKET_PSEUDO_NO_LEN);
	if (!packet.v6)
		packet.bytes[packet.l2_len + 10] = 0xba;
	TEST_ASSERT_EQUAL(through(to_mbuf(gso_flag())), (int)packet.len, "length");
	IS_HEADER(VIRTIO_NET_HDR_F_NEEDS_CSUM, packet.l2_len + packet.l3_len, packet.csum_offset,
		  type, SEGMENT);
	TEST_ASSERT_EQUAL(rte_le_to_cpu_16(hdr.hdr_len),
			  packet.l2_len + packet.l3_len + packet.l4_len, "headers");
	packet_make(&packet, PACKET_PSEUDO);
	TEST_ASSERT(memcmp(got, packet.bytes, packet.len) == 0, "bytes");
	return TEST_SUCCESS;
}

static int
test_gso(void)
{
	return for_all(check_gso);
}

/* rte_eth_tx_prepare() does the application's part. */
static int
check_prepared(void)
{
	struct rte_mbuf *m;

	packet_make(&packet, PACKET_NONE);
	m = to_mbuf(l4_flag() | (packet.v6 ? 0 : RTE_MBUF_F_TX_IP_CKSUM));
	TEST_ASSERT_NOT_NULL(m, "no mbuf");
	TEST_ASSERT_EQUAL(rte_eth_tx_prepare(port.id, 0, &m, 1), 1, "prepare");
	TEST_ASSERT_EQUAL(through(m), (int)packet.len, "length");
	packet_make(&packet, PACKET_PSEUDO);
	TEST_ASSERT(memcmp(got, packet.bytes, packet.len) == 0, "bytes");
	packet_make(&packet, PACKET_NONE);
	m = to_mbuf(gso_flag());
	TEST_ASSERT_EQUAL(rte_eth_tx_prepare(port.id, 0, &m, 1), 1, "prepare");
	TEST_ASSERT_EQUAL(through(m), (int)packet.len, "length");
	packet_make(&packet, PACKET_PSEUDO);
	TEST_ASSERT(memcmp(got, packet.bytes, packet.len) == 0, "bytes");
	return TEST_SUCCESS;
}

static int
test_prepared(void)
{
	static const uint32_t payloads[] = { 1, 1000, 1900 }; /* one segment, as DPDK wants */
	uint32_t i, kind;

	for (kind = 0; kind < 8; kind++) {
		for (i = 0; i < RTE_DIM(payloads); i++) {
			packet = (struct packet){ .v6 = kind & 1, .udp = kind & 2,
				.vlan = kind & 4, .payload = payloads[i] };
			TEST_ASSERT(check_prepared() == TEST_SUCCESS, "kind %u, %u bytes", kind,
				    payloads[i]);
		}
	}
	return TEST_SUCCESS;
}

/* -------------------------------------------------------------------- bad ones */

static void
no_segment_size(struct rte_mbuf *m)
{
	m->tso_segsz = 0;
}

static void
headers_only(struct rte_mbuf *m)
{
	m->l4_len = 255;
	m->l3_len = 511;
}

static void
long_l2(struct rte_mbuf *m)
{
	m->ol_flags = RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_TCP_CKSUM;
	m->l2_len = 110;
}

static void
short_ip(struct rte_mbuf *m)
{
	m->ol_flags = RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_IP_CKSUM;
	m->l3_len = 19;
}

static void
long_ip(struct rte_mbuf *m)
{
	m->ol_flags = RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_IP_CKSUM;
	m->l3_len = 64;
}

static void
ip_behind_end(struct rte_mbuf *m)
{
	m->ol_flags = RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_IP_CKSUM;
	m->l2_len = 100;
}

static void
sctp(struct rte_mbuf *m)
{
	m->ol_flags = RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_SCTP_CKSUM;
}

static void
tunnel(struct rte_mbuf *m)
{
	m->ol_flags |= RTE_MBUF_F_TX_TUNNEL_VXLAN;
}

static void
outer(struct rte_mbuf *m)
{
	m->ol_flags |= RTE_MBUF_F_TX_OUTER_IP_CKSUM;
}

static void
qinq(struct rte_mbuf *m)
{
	m->ol_flags = RTE_MBUF_F_TX_QINQ;
}

static int
test_bad_offloads(void)
{
	static void (*const spoil[])(struct rte_mbuf *m) = {
		no_segment_size, headers_only, long_l2, short_ip, long_ip, ip_behind_end, sctp,
		tunnel, outer, qinq,
	};
	struct rte_eth_stats stats;
	struct rte_mbuf *m;
	uint32_t i;

	packet = (struct packet){ .payload = 60 };
	for (i = 0; i < RTE_DIM(spoil); i++) {
		packet_make(&packet, PACKET_PSEUDO_NO_LEN);
		m = to_mbuf(gso_flag());
		spoil[i](m);
		TEST_ASSERT_EQUAL(through(m), 0, "number %u", i);
		TEST_ASSERT_EQUAL(port_xstat(&port, "tx_q0_bad_offload_drops"), i + 1,
				  "number %u", i);
	}
	DO(rte_eth_stats_get(port.id, &stats));
	TEST_ASSERT_EQUAL(stats.oerrors, RTE_DIM(spoil), "errors");
	TEST_ASSERT_EQUAL(stats.opackets, 0, "packets");
	TEST_ASSERT_EQUAL(pmd_mbufs_used(), 0u, "mbufs leaked");
	return check_gso();
}

/* What the guest cannot hold. */
static int
test_too_long(void)
{
	static uint8_t frame[FRAME_MAX];
	uint32_t used;

	DO(guest_up(&guest, 0, 1, 256));
	guest_post_plain(&guest, 0, 1526, 4);
	used = guest_rx(&guest, 0)->pending;
	packet = (struct packet){ .payload = 1514 - 54 };
	packet_make(&packet, PACKET_WHOLE);
	for (; packet.len <= 1516; packet.len++) {
		struct rte_mbuf *m = frame_to_mbuf(packet.bytes, packet.len,
						   packet.len % 2 ? 700 : UINT32_MAX);

		TEST_ASSERT_EQUAL(rte_eth_tx_burst(port.id, 0, &m, 1), 1, "refused");
		TEST_ASSERT_EQUAL(guest_recv(&guest, 0, &hdr, frame),
				  packet.len <= 1514 ? (int)packet.len : 0, "length %u",
				  packet.len);
	}
	TEST_ASSERT_EQUAL(guest_rx(&guest, 0)->pending, used - 1, "buffers are lost");
	TEST_ASSERT_EQUAL(port_xstat(&port, "tx_q0_too_long_drops"), 2u, "counted");
	TEST_ASSERT_EQUAL(pmd_mbufs_used(), 0u, "mbufs leaked");
	return TEST_SUCCESS;
}

/* ------------------------------------------------------------------------ VLANs */

/* The packet, which a tag can be inserted into: its first segment has both addresses. */
static struct rte_mbuf *
to_be_tagged(void)
{
	struct rte_mbuf *m = to_mbuf(l4_flag() | RTE_MBUF_F_TX_VLAN);

	while (m != NULL && m->data_len < 2 * RTE_ETHER_ADDR_LEN) {
		rte_pktmbuf_free(m);
		m = to_mbuf(l4_flag() | RTE_MBUF_F_TX_VLAN);
	}
	if (m != NULL)
		m->vlan_tci = 0x2064;
	return m;
}

static int
test_vlan_insert(void)
{
	struct rte_mbuf *m;
	uint32_t i;

	for (i = 0; i < 4; i++) {
		seg_max = i & 1 ? 40 : UINT32_MAX;
		packet = (struct packet){ .payload = 1000, .v6 = i & 2 };
		packet_make(&packet, PACKET_PSEUDO);
		m = to_be_tagged();
		TEST_ASSERT_EQUAL(through(m), (int)packet.len + 4, "length");
		packet.vlan = true;
		packet_make(&packet, PACKET_PSEUDO);
		TEST_ASSERT(memcmp(got, packet.bytes, packet.len) == 0, "bytes");
		IS_HEADER(VIRTIO_NET_HDR_F_NEEDS_CSUM, packet.l2_len + packet.l3_len,
			  packet.csum_offset, 0, 0);
	}
	/* the application has it elsewhere, too: it cannot be changed */
	packet.vlan = false;
	packet_make(&packet, PACKET_PSEUDO);
	m = to_mbuf(RTE_MBUF_F_TX_VLAN);
	rte_pktmbuf_refcnt_update(m, 1);
	TEST_ASSERT_EQUAL(through(m), 0, "shared");
	TEST_ASSERT(frame_check(m, packet.bytes, packet.len) == TEST_SUCCESS, "changed");
	rte_pktmbuf_free(m);
	return TEST_SUCCESS;
}

static struct unit_test_suite suite = {
	.suite_name = "offloads of what the port sends",
	.setup = pmd_setup,
	.unit_test_cases = {
		TEST_CASE_ST(setup, teardown, test_passed_on),
		TEST_CASE_ST(setup, teardown, test_computed_here),
		TEST_CASE_ST(setup, teardown, test_zero),
		TEST_CASE_ST(setup, teardown, test_switched),
		TEST_CASE_ST(setup, teardown, test_gso),
		TEST_CASE_ST(setup, teardown, test_prepared),
		TEST_CASE_ST(setup, teardown, test_bad_offloads),
		TEST_CASE_ST(setup, teardown, test_too_long),
		TEST_CASE_ST(setup, teardown, test_vlan_insert),
		TEST_CASES_END()
	}
};

static int
test_nic_offload_tx(void)
{
	return unit_test_suite_runner(&suite);
}

REGISTER_TEST_COMMAND(nic_offload_tx_autotest, test_nic_offload_tx);
