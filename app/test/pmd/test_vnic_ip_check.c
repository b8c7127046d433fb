/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

/* Both drivers look at the checksum of IPv4 headers, if an application wants that. */

#include <string.h>

#include <rte_ethdev.h>
#include <rte_ether.h>
#include <rte_mbuf.h>

#include "pmd_packet.h"
#include "pmd_pair.h"
#include "pmd_test.h"

#define GOOD RTE_MBUF_F_RX_IP_CKSUM_GOOD
#define BAD RTE_MBUF_F_RX_IP_CKSUM_BAD
#define PAYLOAD 50u

static struct pmd_pair pair;

/* A packet, and what its receiver has to say. */
struct sample {
	bool v6, vlan;
	uint8_t options;
	uint8_t ihl; /* in words, instead of the right one */
	uint8_t broken; /* a bit of the header is flipped */
	uint32_t len; /* of the frame, instead of all of it */
	uint64_t flag;
};

static const struct sample samples[] = {
	{ .flag = GOOD },
	{ .broken = 1, .flag = BAD },
	{ .options = 40, .flag = GOOD },
	{ .options = 40, .broken = 1, .flag = BAD },
	{ .vlan = true, .flag = GOOD },
	{ .vlan = true, .options = 4, .broken = 1, .flag = BAD },
	{ .v6 = true },
	{ .v6 = true, .vlan = true },
	/* no such header, or not all of it */
	{ .ihl = 4 },
	{ .options = 40, .len = RTE_ETHER_HDR_LEN + 59 },
	{ .len = RTE_ETHER_HDR_LEN + 19 },
	{ .len = RTE_ETHER_HDR_LEN },
	{ .vlan = true, .len = RTE_ETHER_HDR_LEN + 2 },
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

static struct rte_mbuf *
make(const struct sample *s)
{
	static struct packet p;
	struct rte_mbuf *m = rte_pktmbuf_alloc(pmd_pool);
	uint8_t *ip;

	p = (struct packet){ .v6 = s->v6, .vlan = s->vlan, .options = s->options, .udp = true,
			     .payload = PAYLOAD };
	packet_make(&p, PACKET_WHOLE);
	ip = p.bytes + p.l2_len;
	memset(p.bytes, 0xff, RTE_ETHER_ADDR_LEN); /* for everybody */
	ip[8] ^= s->broken;
	if (s->ihl != 0)
		ip[0] = 4 << 4 | s->ihl;
	if (m != NULL)
		memcpy(rte_pktmbuf_append(m, s->len != 0 ? s->len : p.len), p.bytes,
		       s->len != 0 ? s->len : p.len);
	return m;
}

static int
check(const struct pmd_port *from, const struct pmd_port *to, bool wanted)
{
	struct rte_mbuf *m;
	uint16_t nb = 0;
	uint64_t flags;
	uint32_t i;

	for (i = 0; i < RTE_DIM(samples); i++) {
		m = make(&samples[i]);
		TEST_ASSERT_NOT_NULL(m, "");
		TEST_ASSERT_EQUAL(rte_eth_tx_burst(from->id, 0, &m, 1), 1, "sample %u", i);
		WAIT_FOR((nb = rte_eth_rx_burst(to->id, 0, &m, 1)) != 0);
		flags = m->ol_flags & RTE_MBUF_F_RX_IP_CKSUM_MASK;
		rte_pktmbuf_free(m);
		TEST_ASSERT_EQUAL(flags, wanted ? samples[i].flag : 0, "sample %u", i);
	}
	return TEST_SUCCESS;
}

static int
test_flags(void)
{
	const char *const args[] = { ",packed=0", ",packed=1" };
	struct rte_eth_conf conf = { 0 };
	uint32_t i;
	bool wanted;

	for (i = 0; i < 2 * RTE_DIM(args); i++) {
		wanted = i % 2 != 0;
		conf.rxmode.offloads = wanted ? RTE_ETH_RX_OFFLOAD_IPV4_CKSUM : 0;
		DO(pair_start(&pair, args[i / 2], "", 1, &conf));
		DO(check(&pair.driver, &pair.device, wanted));
		DO(check(&pair.device, &pair.driver, wanted));
		pair_remove(&pair);
		TEST_ASSERT_EQUAL(pmd_mbufs_used(), 0, "");
	}
	return TEST_SUCCESS;
}

/* What applications ask of a queue is told by both: testpmd sends to none that is stopped. */
static int
check_queues(const struct pmd_port *port, uint16_t size)
{
	struct rte_eth_rxq_info rx;
	struct rte_eth_txq_info tx;

	DO(rte_eth_rx_queue_info_get(port->id, 0, &rx));
	DO(rte_eth_tx_queue_info_get(port->id, 0, &tx));
	TEST_ASSERT_EQUAL(rx.queue_state, RTE_ETH_QUEUE_STATE_STARTED, "");
	TEST_ASSERT_EQUAL(tx.queue_state, RTE_ETH_QUEUE_STATE_STARTED, "");
	TEST_ASSERT(rx.mp == pmd_pool, "");
	TEST_ASSERT_EQUAL(rx.nb_desc, size, "");
	TEST_ASSERT_EQUAL(tx.nb_desc, size, "");
	DO(rte_eth_dev_stop(port->id));
	DO(rte_eth_rx_queue_info_get(port->id, 0, &rx));
	DO(rte_eth_tx_queue_info_get(port->id, 0, &tx));
	TEST_ASSERT_EQUAL(rx.queue_state, RTE_ETH_QUEUE_STATE_STOPPED, "");
	TEST_ASSERT_EQUAL(tx.queue_state, RTE_ETH_QUEUE_STATE_STOPPED, "");
	return TEST_SUCCESS;
}

static int
test_queue_infos(void)
{
	DO(pair_start(&pair, ",queue_size=128", "", 1, NULL));
	DO(check_queues(&pair.driver, 128));
	DO(check_queues(&pair.device, 128));
	return TEST_SUCCESS;
}

static struct unit_test_suite suite = {
	.suite_name = "IPv4 checksums and queue information of both drivers",
	.setup = pmd_setup,
	.unit_test_cases = {
		TEST_CASE_ST(setup, teardown, test_flags),
		TEST_CASE_ST(setup, teardown, test_queue_infos),
		TEST_CASES_END()
	},
};

static int
test_vnic_ip_check(void)
{
	return unit_test_suite_runner(&suite);
}

REGISTER_TEST_COMMAND(vnic_ip_check_autotest, test_vnic_ip_check);
