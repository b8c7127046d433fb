/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

/* Checksums, segmentation and VLAN tags between the two drivers. */

#include <errno.h>
#include <pthread.h>
#include <string.h>

#include <rte_errno.h>
#include <rte_ip.h>
#include <rte_tcp.h>
#include <rte_udp.h>

#include "pmd_pair.h"

#define L4_OFFSET (sizeof(struct rte_ether_hdr) + sizeof(struct rte_ipv4_hdr))

/* Of packets that get one. */
#define TAG 0x2123u

static struct pmd_pair pair;

/* A packet: what it is of, and what is to be done with it. */
struct packet {
	uint8_t proto;
	uint32_t payload;
	uint64_t flags; /* of the mbuf */
	uint16_t segsz;
};

static int
setup(void)
{
	pair_init(&pair);
	return TEST_SUCCESS;
}

static void
teardown(void)
{
	pair_remove(&pair);
}

/* Headers; the checksum of the payload's protocol is left out. */
static void
fill_headers(uint8_t *buf, const struct packet *p, uint32_t l4_len)
{
	struct rte_ether_hdr *eth = (struct rte_ether_hdr *)buf;
	struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)(eth + 1);
	struct rte_tcp_hdr *tcp = (struct rte_tcp_hdr *)(ip + 1);
	struct rte_udp_hdr *udp = (struct rte_udp_hdr *)(ip + 1);

	memset(buf, 0, L4_OFFSET + l4_len);
	memset(&eth->dst_addr, 0xff, sizeof(eth->dst_addr));
	eth->ether_type = rte_cpu_to_be_16(RTE_ETHER_TYPE_IPV4);
	ip->version_ihl = RTE_IPV4_VHL_DEF;
	ip->total_length = rte_cpu_to_be_16(sizeof(*ip) + l4_len + p->payload);
	ip->time_to_live = 64;
	ip->next_proto_id = p->proto;
	ip->src_addr = rte_cpu_to_be_32(RTE_IPV4(10, 0, 0, 1));
	ip->dst_addr = rte_cpu_to_be_32(RTE_IPV4(10, 0, 0, 2));
	ip->hdr_checksum = rte_ipv4_cksum(ip);
	if (p->proto == IPPROTO_TCP) {
		tcp->data_off = sizeof(*tcp) / 4 << 4;
		tcp->src_port = 1;
	} else {
		udp->src_port = 1;
		udp->dgram_len = rte_cpu_to_be_16(l4_len + p->payload);
	}
}

/* In segments of which the first one has all headers, as ethdev demands. */
static struct rte_mbuf *
to_mbufs(const uint8_t *buf, uint32_t len)
{
	struct rte_mbuf *head = NULL, *m;
	uint32_t part, done;

	for (done = 0; done < len; done += part) {
		m = rte_pktmbuf_alloc(pmd_pool);
		if (m == NULL) {
			rte_pktmbuf_free(head);
			return NULL;
		}
		part = RTE_MIN(len - done, (uint32_t)rte_pktmbuf_tailroom(m));
		memcpy(rte_pktmbuf_append(m, (uint16_t)part), buf + done, part);
		if (head == NULL)
			head = m;
		else
			rte_pktmbuf_chain(head, m);
	}
	return head;
}

static struct rte_mbuf *
make(const struct packet *p)
{
	const uint32_t l4_len = p->proto == IPPROTO_TCP ? sizeof(struct rte_tcp_hdr) :
							  sizeof(struct rte_udp_hdr);
	uint8_t buf[UINT16_MAX];
	struct rte_mbuf *m;
	uint32_t i;

	fill_headers(buf, p, l4_len);
	for (i = 0; i < p->payload; i++)
		buf[L4_OFFSET + l4_len + i] = i * 7 + i / 256;
	m = to_mbufs(buf, L4_OFFSET + l4_len + p->payload);
	if (m == NULL)
		return NULL;
	m->l2_len = sizeof(struct rte_ether_hdr);
	m->l3_len = sizeof(struct rte_ipv4_hdr);
	m->l4_len = l4_len;
	m->tso_segsz = p->segsz;
	m->ol_flags |= p->flags | RTE_MBUF_F_TX_IPV4;
	return m;
}

/* Send it, tagged by the port if its flags say so, and receive it at the other end. */
static int
pass(const struct pmd_port *from, const struct pmd_port *to, const struct packet *p,
     struct rte_mbuf **got)
{
	struct rte_mbuf *m = make(p);
	uint16_t nb = 0;

	TEST_ASSERT_NOT_NULL(m, "");
	m->vlan_tci = TAG;
	TEST_ASSERT_EQUAL(rte_eth_tx_prepare(from->id, 0, &m, 1), 1, "");
	TEST_ASSERT_EQUAL(rte_eth_tx_burst(from->id, 0, &m, 1), 1, "");
	WAIT_FOR((nb = rte_eth_rx_burst(to->id, 0, got, 1)) != 0);
	return TEST_SUCCESS;
}

/* Whether its checksum is right, in the frame as it is or if it is completed. */
static bool
is_right(struct rte_mbuf *m, const struct packet *p, bool complete)
{
	const uint32_t at = L4_OFFSET + (p->proto == IPPROTO_TCP ?
			offsetof(struct rte_tcp_hdr, cksum) :
			offsetof(struct rte_udp_hdr, dgram_cksum));
	uint16_t *field = rte_pktmbuf_mtod_offset(m, uint16_t *, at);
	uint16_t raw;

	if (complete) {
		rte_raw_cksum_mbuf(m, L4_OFFSET, m->pkt_len - L4_OFFSET, &raw);
		*field = ~raw;
	}
	return rte_ipv4_udptcp_cksum_mbuf_verify(m, rte_pktmbuf_mtod_offset(m,
			const struct rte_ipv4_hdr *, sizeof(struct rte_ether_hdr)), L4_OFFSET) == 0;
}

static int
check_csum(const struct pmd_port *from, const struct pmd_port *to, bool offload)
{
	const struct packet packets[] = {
		{ IPPROTO_TCP, 777, RTE_MBUF_F_TX_TCP_CKSUM, 0 },
		{ IPPROTO_UDP, 778, RTE_MBUF_F_TX_UDP_CKSUM, 0 },
	};
	struct rte_mbuf *m;
	uint64_t flags;
	uint32_t i;

	for (i = 0; i < RTE_DIM(packets); i++) {
		DO(pass(from, to, &packets[i], &m));
		flags = m->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK;
		if (offload)
			TEST_ASSERT_EQUAL(flags, RTE_MBUF_F_RX_L4_CKSUM_NONE, "packet %u", i);
		TEST_ASSERT(is_right(m, &packets[i], flags == RTE_MBUF_F_RX_L4_CKSUM_NONE),
			    "packet %u", i);
		rte_pktmbuf_free(m);
	}
	return TEST_SUCCESS;
}

/* Whoever receives may leave checksums to the one who sends, or not. */
static int
test_checksums(void)
{
	const uint64_t tx = RTE_ETH_TX_OFFLOAD_TCP_CKSUM | RTE_ETH_TX_OFFLOAD_UDP_CKSUM;
	const uint64_t rx = RTE_ETH_RX_OFFLOAD_TCP_CKSUM | RTE_ETH_RX_OFFLOAD_UDP_CKSUM;
	const char *const args[] = { ",packed=0", ",packed=1" };
	struct rte_eth_conf conf = { .txmode.offloads = tx };
	bool offload;
	uint32_t i;

	for (i = 0; i < 2 * RTE_DIM(args); i++) {
		offload = i % 2 != 0;
		conf.rxmode.offloads = offload ? rx : 0;
		DO(pair_start(&pair, args[i / 2], "", 1, &conf));
		DO(check_csum(&pair.driver, &pair.device, offload));
		DO(check_csum(&pair.device, &pair.driver, offload));
		pair_remove(&pair);
		TEST_ASSERT_EQUAL(pmd_mbufs_used(), 0, "");
	}
	return TEST_SUCCESS;
}

static int
check_gso(const struct pmd_port *from, const struct pmd_port *to)
{
	const struct packet packets[] = {
		{ IPPROTO_TCP, 20000, RTE_MBUF_F_TX_TCP_SEG, 1448 },
		{ IPPROTO_UDP, 20000, RTE_MBUF_F_TX_UDP_SEG, 1400 },
	};
	struct rte_mbuf *m;
	uint32_t i;

	for (i = 0; i < RTE_DIM(packets); i++) {
		DO(pass(from, to, &packets[i], &m));
		TEST_ASSERT((m->ol_flags & RTE_MBUF_F_RX_LRO) != 0, "packet %u", i);
		TEST_ASSERT_EQUAL(m->tso_segsz, packets[i].segsz, "packet %u", i);
		TEST_ASSERT(m->nb_segs > 1, "packet %u", i);
		TEST_ASSERT(is_right(m, &packets[i], true), "packet %u", i);
		rte_pktmbuf_free(m);
	}
	return TEST_SUCCESS;
}

/* Packets that are to be segmented, longer than any buffer. */
static int
test_segmentation(void)
{
	const struct rte_eth_conf conf = {
		.rxmode.offloads = RTE_ETH_RX_OFFLOAD_TCP_LRO | RTE_ETH_RX_OFFLOAD_SCATTER |
			RTE_ETH_RX_OFFLOAD_TCP_CKSUM | RTE_ETH_RX_OFFLOAD_UDP_CKSUM,
		.txmode.offloads = RTE_ETH_TX_OFFLOAD_TCP_TSO | RTE_ETH_TX_OFFLOAD_UDP_TSO |
			RTE_ETH_TX_OFFLOAD_TCP_CKSUM | RTE_ETH_TX_OFFLOAD_UDP_CKSUM |
			RTE_ETH_TX_OFFLOAD_MULTI_SEGS,
	};
	const char *const args[] = { ",packed=0,tso=1", ",packed=1,tso=1" };
	uint32_t i;

	for (i = 0; i < RTE_DIM(args); i++) {
		DO(pair_start(&pair, args[i], "", 1, &conf));
		DO(check_gso(&pair.driver, &pair.device));
		DO(check_gso(&pair.device, &pair.driver));
		pair_remove(&pair);
		TEST_ASSERT_EQUAL(pmd_mbufs_used(), 0, "");
	}
	return TEST_SUCCESS;
}

/* -------------------------------------------------------------- VLAN tags */

static const uint64_t stripped = RTE_MBUF_F_RX_VLAN | RTE_MBUF_F_RX_VLAN_STRIPPED;

/* Whether a packet of p came with the tag in its mbuf, or with that in the frame. */
static int
check_tag(struct rte_mbuf *m, const struct packet *p, bool strip)
{
	const struct rte_ether_hdr *eth = rte_pktmbuf_mtod(m, const struct rte_ether_hdr *);
	const struct rte_vlan_hdr *vlan = (const struct rte_vlan_hdr *)(eth + 1);
	uint16_t type = eth->ether_type;

	TEST_ASSERT_EQUAL(m->ol_flags & stripped, strip ? stripped : 0, "");
	if (!strip) {
		TEST_ASSERT_EQUAL(type, RTE_BE16(RTE_ETHER_TYPE_VLAN), "");
		TEST_ASSERT_EQUAL(vlan->vlan_tci, rte_cpu_to_be_16(TAG), "");
		TEST_ASSERT_EQUAL(rte_vlan_strip(m), 0, "");
		type = rte_pktmbuf_mtod(m, const struct rte_ether_hdr *)->ether_type;
	}
	TEST_ASSERT_EQUAL(m->vlan_tci, TAG, "");
	TEST_ASSERT_EQUAL(type, RTE_BE16(RTE_ETHER_TYPE_IPV4), "");
	TEST_ASSERT(is_right(m, p, (m->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK) ==
			     RTE_MBUF_F_RX_L4_CKSUM_NONE), "checksum");
	if (strip)
		TEST_ASSERT((m->packet_type & RTE_PTYPE_L2_MASK) != RTE_PTYPE_L2_ETHER_VLAN, "");
	return TEST_SUCCESS;
}

/* Both ways: each end inserts, and the driver strips or does not. */
static int
check_tags(bool strip)
{
	const struct packet plain = { IPPROTO_TCP, 777, RTE_MBUF_F_TX_TCP_CKSUM, 0 };
	const struct packet tagged = { IPPROTO_TCP, 778,
				       RTE_MBUF_F_TX_TCP_CKSUM | RTE_MBUF_F_TX_VLAN, 0 };
	struct rte_mbuf *m;

	DO(pass(&pair.device, &pair.driver, &tagged, &m));
	DO(check_tag(m, &tagged, strip));
	rte_pktmbuf_free(m);
	DO(pass(&pair.device, &pair.driver, &plain, &m));
	TEST_ASSERT_EQUAL(m->ol_flags & stripped, 0, "");
	rte_pktmbuf_free(m);
	DO(pass(&pair.driver, &pair.device, &tagged, &m));
	DO(check_tag(m, &tagged, false));
	rte_pktmbuf_free(m);
	return TEST_SUCCESS;
}

static int
test_vlan_tags(void)
{
	const uint64_t cksum = RTE_ETH_RX_OFFLOAD_TCP_CKSUM;
	const char *const args[] = { ",packed=0", ",packed=1" };
	struct rte_eth_conf conf = {
		.txmode.offloads = RTE_ETH_TX_OFFLOAD_VLAN_INSERT | RTE_ETH_TX_OFFLOAD_TCP_CKSUM,
	};
	uint32_t i;

	for (i = 0; i < 2 * RTE_DIM(args); i++) {
		/* alone, and together with what looks at headers anyway */
		conf.rxmode.offloads = i % 2 != 0 ? cksum : 0;
		DO(pair_start(&pair, args[i / 2], "", 1, &conf));
		DO(check_tags(false));
		DO(rte_eth_dev_set_vlan_offload(pair.driver.id, RTE_ETH_VLAN_STRIP_OFFLOAD));
		DO(check_tags(true));
		/* also behind a restart */
		DO(rte_eth_dev_stop(pair.driver.id));
		DO(rte_eth_dev_start(pair.driver.id));
		DO(pair_wait_links(&pair, true));
		DO(check_tags(true));
		DO(rte_eth_dev_set_vlan_offload(pair.driver.id, 0));
		DO(check_tags(false));
		pair_remove(&pair);
		TEST_ASSERT_EQUAL(pmd_mbufs_used(), 0, "");
	}
	return TEST_SUCCESS;
}

/* A tag cannot be inserted into what others hold, too, nor where there is no room. */
static int
test_vlan_refused(void)
{
	const struct packet p = { IPPROTO_UDP, 100, 0, 0 };
	struct rte_mbuf *m;

	DO(pair_start(&pair, "", "", 1, NULL));
	m = make(&p);
	TEST_ASSERT_NOT_NULL(m, "");
	m->ol_flags |= RTE_MBUF_F_TX_VLAN;
	rte_mbuf_refcnt_update(m, 1);
	TEST_ASSERT_EQUAL(rte_eth_tx_prepare(pair.driver.id, 0, &m, 1), 0, "shared");
	TEST_ASSERT_EQUAL(rte_errno, EINVAL, "");
	rte_mbuf_refcnt_update(m, -1);
	TEST_ASSERT_NOT_NULL(rte_pktmbuf_prepend(m, rte_pktmbuf_headroom(m)), "");
	TEST_ASSERT_EQUAL(rte_eth_tx_prepare(pair.driver.id, 0, &m, 1), 0, "no room");
	TEST_ASSERT_EQUAL(rte_errno, ENOSPC, "");
	rte_pktmbuf_free(m);
	return TEST_SUCCESS;
}

/* Stripping is switched on and off between frames: none is lost, each is whole. */
static int
test_vlan_switch(void)
{
	const struct pmd_traffic traffic = { 41000, 1514, FRAME_MAX };
	const struct rte_eth_conf plain = { 0 };
	int mask = 0;
	uint32_t i;

	DO(pair_start(&pair, "", "", 1, &plain));
	for (i = 0; i < 200; i++) {
		mask ^= RTE_ETH_VLAN_STRIP_OFFLOAD;
		DO(rte_eth_dev_set_vlan_offload(pair.driver.id, mask));
		DO(pmd_transfer(&pair.device, &pair.driver, 0, &traffic, 40));
	}
	return TEST_SUCCESS;
}

/* What switches stripping as fast as may be. */
struct switcher {
	uint32_t times; /* atomic */
	bool stop; /* atomic */
	int ret;
};

static void *
switch_strip(void *arg)
{
	struct switcher *s = arg;
	int mask = 0;

	while (s->ret == 0 && !GET(s->stop)) {
		mask ^= RTE_ETH_VLAN_STRIP_OFFLOAD;
		s->ret = rte_eth_dev_set_vlan_offload(pair.driver.id, mask);
		SET(s->times, s->times + 1);
	}
	return NULL;
}

static int
transfer_meanwhile(const struct pmd_traffic *traffic, uint32_t times)
{
	struct switcher s = { 0 };
	uint32_t rounds = 0;
	pthread_t thread;
	int ret;

	TEST_ASSERT_EQUAL(pthread_create(&thread, NULL, switch_strip, &s), 0, "");
	do
		ret = pmd_transfer(&pair.device, &pair.driver, 0, traffic, 100);
	while (ret == 0 && (++rounds < times / 100 || GET(s.times) < times));
	SET(s.stop, true);
	pthread_join(thread, NULL);
	return ret == 0 ? s.ret : ret;
}

/* The same within bursts, and within frames of several buffers; none of them has a tag. */
static int
test_vlan_race(void)
{
	const uint32_t times = pmd_long() ? 1000000 : FEWER_WITH_TSAN(10000, 20);
	const struct pmd_traffic traffic = { 42000, 9000, FRAME_MAX };
	const struct rte_eth_conf conf = {
		.rxmode.mtu = 9000,
		.rxmode.offloads = RTE_ETH_RX_OFFLOAD_SCATTER,
	};
	static const char *const args[] = { ",packed_vq=0", ",packed_vq=1" };
	uint32_t i;

	for (i = 0; i < RTE_DIM(args); i++) {
		DO(pair_start(&pair, ",mtu=9000", args[i], 1, &conf));
		TEST_ASSERT_SUCCESS(transfer_meanwhile(&traffic, times), "%s", args[i]);
		TEST_ASSERT_EQUAL(port_xstat(&pair.driver, "rx_q0_broken"), 0, "%s", args[i]);
		teardown();
		TEST_ASSERT_EQUAL(pmd_mbufs_used(), 0, "%s", args[i]);
	}
	return TEST_SUCCESS;
}

static struct unit_test_suite suite = {
	.suite_name = "offloads of net_virtio_vfio_user with net_vfio_user",
	.setup = pmd_setup,
	.unit_test_cases = {
		TEST_CASE_ST(setup, teardown, test_checksums),
		TEST_CASE_ST(setup, teardown, test_segmentation),
		TEST_CASE_ST(setup, teardown, test_vlan_tags),
		TEST_CASE_ST(setup, teardown, test_vlan_refused),
		TEST_CASE_ST(setup, teardown, test_vlan_switch),
		TEST_CASE_ST(setup, teardown, test_vlan_race),
		TEST_CASES_END()
	},
};

static int
test_vnic_offload(void)
{
	return unit_test_suite_runner(&suite);
}

REGISTER_TEST_COMMAND(vnic_offload_autotest, test_vnic_offload);
