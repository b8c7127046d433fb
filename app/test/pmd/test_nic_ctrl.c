/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

/* The control queue: what each command does, and what is refused. */

#include <inttypes.h>
#include <string.h>

#include <rte_byteorder.h>

#include "pmd_guest.h"
#include "pmd_port.h"

#define ALL (BIT(VIRTIO_NET_F_CTRL_VQ) | BIT(VIRTIO_NET_F_CTRL_RX) | \
	BIT(VIRTIO_NET_F_CTRL_RX_EXTRA) | BIT(VIRTIO_NET_F_CTRL_VLAN) | \
	BIT(VIRTIO_NET_F_CTRL_MAC_ADDR) | BIT(VIRTIO_NET_F_GUEST_ANNOUNCE) | \
	BIT(VIRTIO_NET_F_MQ) | BIT(VIRTIO_NET_F_STATUS) | BIT(VIRTIO_NET_F_CTRL_GUEST_OFFLOADS) | \
	BIT(VIRTIO_NET_F_GUEST_CSUM) | BIT(VIRTIO_NET_F_GUEST_TSO4) | BIT(VIRTIO_NET_F_CSUM) | \
	BIT(VIRTIO_NET_F_NOTF_COAL) | BIT(VIRTIO_NET_F_VQ_NOTF_COAL))
#define PAIRS 4

/** The acknowledgements. */
#define GOOD VIRTIO_NET_OK
#define BAD VIRTIO_NET_ERR

static struct pmd_port port;
static struct guest guest;

static int
setup(void)
{
	port.id = RTE_MAX_ETHPORTS;
	DO(port_up(&port, ",queues=4,tso=1", PAIRS));
	return guest_connect(&guest, port.path);
}

static void
teardown(void)
{
	guest_disconnect(&guest);
	port_remove(&port);
}

#define COMMAND(class, cmd, data, len, ack) \
	TEST_ASSERT_EQUAL(guest_ctrl(&guest, class, cmd, data, len, NULL), ack, \
			  "class %u command %u length %u", class, cmd, (unsigned int)(len))

/* ------------------------------------------------------------------ all of them */

/* A command that is good, and the feature that it needs. */
static const struct command {
	uint8_t class, cmd, len;
	uint8_t feature;
	uint8_t data[24];
} commands[] = {
	{ VIRTIO_NET_CTRL_RX, VIRTIO_NET_CTRL_RX_PROMISC, 1, VIRTIO_NET_F_CTRL_RX, { 1 } },
	{ VIRTIO_NET_CTRL_RX, VIRTIO_NET_CTRL_RX_ALLMULTI, 1, VIRTIO_NET_F_CTRL_RX, { 1 } },
	{ VIRTIO_NET_CTRL_RX, VIRTIO_NET_CTRL_RX_ALLUNI, 1, VIRTIO_NET_F_CTRL_RX_EXTRA, { 1 } },
	{ VIRTIO_NET_CTRL_RX, VIRTIO_NET_CTRL_RX_NOMULTI, 1, VIRTIO_NET_F_CTRL_RX_EXTRA, { 1 } },
	{ VIRTIO_NET_CTRL_RX, VIRTIO_NET_CTRL_RX_NOUNI, 1, VIRTIO_NET_F_CTRL_RX_EXTRA, { 1 } },
	{ VIRTIO_NET_CTRL_RX, VIRTIO_NET_CTRL_RX_NOBCAST, 1, VIRTIO_NET_F_CTRL_RX_EXTRA, { 1 } },
	{ VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_TABLE_SET, 8, VIRTIO_NET_F_CTRL_RX, { 0 } },
	{ VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_TABLE_SET, 20, VIRTIO_NET_F_CTRL_RX,
	  { 1, 0, 0, 0, 2, 0, 0, 0, 0, 1, 1, 0, 0, 0, 1, 0, 0, 0, 0, 1 } },
	{ VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_ADDR_SET, 6, VIRTIO_NET_F_CTRL_MAC_ADDR,
	  { 2, 0, 0, 0, 0, 7 } },
	{ VIRTIO_NET_CTRL_VLAN, VIRTIO_NET_CTRL_VLAN_ADD, 2, VIRTIO_NET_F_CTRL_VLAN,
	  { 0xff, 0x0f } },
	{ VIRTIO_NET_CTRL_VLAN, VIRTIO_NET_CTRL_VLAN_DEL, 2, VIRTIO_NET_F_CTRL_VLAN, { 0 } },
	{ VIRTIO_NET_CTRL_ANNOUNCE, VIRTIO_NET_CTRL_ANNOUNCE_ACK, 0,
	  VIRTIO_NET_F_GUEST_ANNOUNCE, { 0 } },
	{ VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET, 2, VIRTIO_NET_F_MQ, { PAIRS } },
	{ VIRTIO_NET_CTRL_GUEST_OFFLOADS, VIRTIO_NET_CTRL_GUEST_OFFLOADS_SET, 8,
	  VIRTIO_NET_F_CTRL_GUEST_OFFLOADS, { 0x82 } },
	{ VIRTIO_NET_CTRL_NOTF_COAL, VIRTIO_NET_CTRL_NOTF_COAL_TX_SET, 8, VIRTIO_NET_F_NOTF_COAL,
	  { 8, 0, 0, 0, 0x10, 0x27 } },
	{ VIRTIO_NET_CTRL_NOTF_COAL, VIRTIO_NET_CTRL_NOTF_COAL_RX_SET, 8, VIRTIO_NET_F_NOTF_COAL,
	  { 0 } },
	{ VIRTIO_NET_CTRL_NOTF_COAL, VIRTIO_NET_CTRL_NOTF_COAL_VQ_SET, 12,
	  VIRTIO_NET_F_VQ_NOTF_COAL, { 7, 0, 0, 0, 1, 0, 0, 0, 2 } },
	{ VIRTIO_NET_CTRL_NOTF_COAL, VIRTIO_NET_CTRL_NOTF_COAL_VQ_GET, 2,
	  VIRTIO_NET_F_VQ_NOTF_COAL, { 7 } },
};

static int
test_good_and_short(void)
{
	uint32_t i, len;
	uint64_t sent = 0, refused = 0;

	DO(guest_up(&guest, ALL, PAIRS, 64));
	for (i = 0; i < RTE_DIM(commands); i++) {
		const struct command *c = &commands[i];

		COMMAND(c->class, c->cmd, c->data, c->len, GOOD);
		TEST_ASSERT_EQUAL(guest.ctrl_written, 1u, "%u", guest.ctrl_written);
		/* what is behind it is not looked at */
		COMMAND(c->class, c->cmd, c->data, sizeof(c->data), GOOD);
		sent += 2;
		for (len = 0; len < c->len; len++, sent++, refused++) {
			COMMAND(c->class, c->cmd, c->data, len, BAD);
			TEST_ASSERT_EQUAL(guest.ctrl_written, 1u, "%u", guest.ctrl_written);
		}
	}
	TEST_ASSERT_EQUAL(port_xstat(&port, "guest_commands"), sent, "counted");
	TEST_ASSERT_EQUAL(port_xstat(&port, "guest_commands_refused"), refused, "counted");
	return TEST_SUCCESS;
}

/* Without its feature a command is refused, whatever else there is. */
static int
test_without_feature(void)
{
	uint64_t needs;
	uint32_t i, k;

	for (i = 0; i < RTE_DIM(commands); i++) {
		/* nothing may be left that needs what is missing */
		needs = BIT(commands[i].feature);
		DO(guest_up(&guest, ALL & ~needs, 1, 64));
		for (k = 0; k < RTE_DIM(commands); k++) {
			const struct command *c = &commands[k];
			/* queues that are not set up cannot be moderated */
			const bool other = c->feature != VIRTIO_NET_F_VQ_NOTF_COAL;

			if (c->feature == commands[i].feature)
				COMMAND(c->class, c->cmd, c->data, c->len, BAD);
			else if (other)
				COMMAND(c->class, c->cmd, c->data, c->len, GOOD);
		}
	}
	return TEST_SUCCESS;
}

/* Every class and command that is not one of those. */
static int
test_unknown(void)
{
	static const uint8_t data[24];
	uint32_t class, cmd, i;

	DO(guest_up(&guest, ALL, PAIRS, 64));
	for (class = 0; class < 256; class += class < 10 ? 1 : 49) {
		for (cmd = 0; cmd < 256; cmd += cmd < 8 ? 1 : 31) {
			for (i = 0; i < RTE_DIM(commands); i++)
				if (commands[i].class == class && commands[i].cmd == cmd)
					break;
			if (i == RTE_DIM(commands))
				COMMAND((uint8_t)class, (uint8_t)cmd, data, sizeof(data), BAD);
		}
	}
	return TEST_SUCCESS;
}

/* ---------------------------------------------------------------- odd buffers */

/* A command in these pieces: what was written, or -1. */
static int
odd(const struct virtio_driver_buf *bufs, uint32_t nb_read, uint32_t nb_write)
{
	struct virtio_driver_queue *q = &guest.drv.queues[guest.ctrl];
	uint32_t written;
	uint16_t id;

	if (virtio_driver_add(q, bufs, nb_read, nb_write, false) < 0 ||
	    virtio_driver_kick(q) < 0 || virtio_driver_wait(q, &id, &written) != 1)
		return -1;
	return (int)written;
}

static int
test_odd_buffers(void)
{
	const uint8_t promisc[] = { VIRTIO_NET_CTRL_RX, VIRTIO_NET_CTRL_RX_PROMISC, 1 };
	uint8_t *mem;
	uint64_t at;

	DO(guest_up(&guest, ALL, 1, 64));
	at = guest.ctrl_mem;
	mem = virtio_driver_va(&guest.drv, at);
	memcpy(mem, promisc, sizeof(promisc));
	/* header, data and answer in pieces of one byte */
	mem[64] = 0xee;
	TEST_ASSERT_EQUAL(odd((struct virtio_driver_buf[]){ { at, 1 }, { at + 1, 1 }, { at + 2, 1 },
		{ at + 64, 1 } }, 3, 1), 1, "bytes");
	TEST_ASSERT_EQUAL(mem[64], GOOD, "bytes");
	/* all that is read in one piece */
	mem[64] = 0xee;
	TEST_ASSERT_EQUAL(odd((struct virtio_driver_buf[]){ { at, 3 }, { at + 64, 1 } }, 1, 1), 1,
			  "one");
	TEST_ASSERT_EQUAL(mem[64], GOOD, "one");
	/* half a header, nothing to read, no room for an answer */
	mem[64] = 0xee;
	TEST_ASSERT_EQUAL(odd((struct virtio_driver_buf[]){ { at, 1 }, { at + 64, 1 } }, 1, 1), 1,
			  "short");
	TEST_ASSERT_EQUAL(mem[64], BAD, "short");
	mem[64] = 0xee;
	TEST_ASSERT_EQUAL(odd((struct virtio_driver_buf[]){ { at + 64, 1 } }, 0, 1), 1, "empty");
	TEST_ASSERT_EQUAL(mem[64], BAD, "empty");
	TEST_ASSERT_EQUAL(odd((struct virtio_driver_buf[]){ { at, 3 } }, 1, 0), 0, "no answer");
	/* the others are as before */
	COMMAND(commands[0].class, commands[0].cmd, commands[0].data, 1, GOOD);
	return TEST_SUCCESS;
}

/* Several commands at a time are done in their order. */
static int
test_pipelined(void)
{
	struct virtio_driver_queue *q;
	uint32_t i, written;
	uint16_t id;

	DO(guest_up(&guest, ALL, PAIRS, 64));
	q = &guest.drv.queues[guest.ctrl];
	for (i = 0; i < 16; i++) {
		uint8_t *mem = virtio_driver_va(&guest.drv, guest.ctrl_mem + i * 64);
		const struct virtio_driver_buf bufs[] = {
			{ guest.ctrl_mem + i * 64, 4 }, { guest.ctrl_mem + i * 64 + 32, 1 },
		};

		memcpy(mem, (uint8_t[]){ VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET,
			(uint8_t)(i % 6), 0 }, 4);
		mem[32] = 0xee;
		TEST_ASSERT(virtio_driver_add(q, bufs, 1, 1, false) >= 0, "add");
	}
	DO(virtio_driver_kick(q));
	for (i = 0; i < 16; i++) {
		TEST_ASSERT(virtio_driver_wait(q, &id, &written) == 1, "command %u", i);
		TEST_ASSERT_EQUAL(*(uint8_t *)virtio_driver_va(&guest.drv,
			guest.ctrl_mem + i * 64 + 32), i % 6 == 0 || i % 6 > PAIRS ? BAD : GOOD,
			"command %u", i);
	}
	return TEST_SUCCESS;
}

/* ---------------------------------------------------------------- multi-queue */

/* Whether a packet that the port sends on a queue arrives at the guest. */
static bool
arrives(uint16_t queue)
{
	static uint8_t frame[FRAME_MAX];
	struct virtio_net_hdr_v1 hdr;
	struct rte_mbuf *m;

	frame_fill(1, frame, 60);
	m = frame_to_mbuf(frame, 60, UINT32_MAX);
	if (m == NULL || guest_post(&guest, queue, 2048, GUEST_ONE, false) != 1)
		return false;
	if (rte_eth_tx_burst(port.id, queue, &m, 1) == 1)
		return guest_recv(&guest, queue, &hdr, frame) == 60;
	rte_pktmbuf_free(m);
	return false;
}

static int
test_pairs(void)
{
	static const uint16_t refused[] = { 0, PAIRS + 1, 0x100, 0x8000, UINT16_MAX };
	static const uint16_t good[] = { PAIRS, 2, 3, 1, PAIRS };
	struct rte_mbuf *m;
	uint32_t i, before;
	uint16_t le, q, now = 1;

	DO(guest_up(&guest, ALL, PAIRS, 64));
	for (i = 0; i < RTE_DIM(good); i++) {
		for (q = 0; q < PAIRS; q++)
			TEST_ASSERT_EQUAL(arrives(q), q < now, "queue %u of %u", q, now);
		before = GET(port.queue_state);
		le = rte_cpu_to_le_16(good[i]);
		COMMAND(VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET, &le, 2, GOOD);
		TEST_ASSERT(GET(port.queue_state) > before, "no event for %u", good[i]);
		now = good[i];
	}
	for (i = 0; i < RTE_DIM(refused); i++) {
		le = rte_cpu_to_le_16(refused[i]);
		COMMAND(VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET, &le, 2, BAD);
	}
	/* what the guest transmits is taken from every queue */
	for (q = 0; q < PAIRS; q++) {
		TEST_ASSERT_EQUAL(guest_send(&guest, q, NULL, commands, 60, GUEST_ONE, false), 1,
				  "send");
		TEST_ASSERT_EQUAL(rte_eth_rx_burst(port.id, q, &m, 1), 1, "queue %u", q);
		rte_pktmbuf_free(m);
	}
	/* a reset leaves one pair */
	DO(guest_up(&guest, ALL, PAIRS, 64));
	TEST_ASSERT(arrives(0) && !arrives(1), "after the reset");
	return TEST_SUCCESS;
}

/* Without MQ the control queue is the third one. */
static int
test_without_mq(void)
{
	DO(guest_up(&guest, ALL & ~BIT(VIRTIO_NET_F_MQ), 1, 64));
	TEST_ASSERT_EQUAL(guest.ctrl, 2, "test");
	COMMAND(commands[0].class, commands[0].cmd, commands[0].data, 1, GOOD);
	TEST_ASSERT(arrives(0), "a packet");
	return TEST_SUCCESS;
}

/* ------------------------------------------------------------------ addresses */

static uint64_t
config_mac(void)
{
	return guest_config(&guest, 0, 4) | guest_config(&guest, 4, 2) << 32;
}

static int
test_mac_address(void)
{
	static const uint8_t bad[][6] = { { 1, 0, 0, 0, 0, 1 }, { 0 },
		{ 0xff, 0xff, 0xff, 0xff, 0xff, 0xff } };
	static const uint8_t mine[6] = { 2, 0xaa, 0, 0, 0, 1 };
	struct rte_ether_addr addr, old;
	uint64_t config;
	uint32_t i;

	DO(guest_up(&guest, ALL, PAIRS, 64));
	DO(rte_eth_macaddr_get(port.id, &old));
	config = config_mac();
	for (i = 0; i < RTE_DIM(bad); i++)
		COMMAND(VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_ADDR_SET, bad[i], 6, BAD);
	DO(rte_eth_macaddr_get(port.id, &addr));
	TEST_ASSERT(rte_is_same_ether_addr(&addr, &old), "changed");
	TEST_ASSERT_EQUAL(GET(port.mbox), 0u, "an event");
	COMMAND(VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_ADDR_SET, mine, 6, GOOD);
	TEST_ASSERT_EQUAL(GET(port.mbox), 1u, "no event");
	DO(rte_eth_macaddr_get(port.id, &addr));
	TEST_ASSERT(memcmp(&addr, mine, 6) == 0, "of the port");
	TEST_ASSERT_NOT_EQUAL(config_mac(), config, "in the configuration");
	/* it is the guest's until it starts anew, also if the port does */
	DO(rte_eth_dev_stop(port.id));
	DO(rte_eth_dev_start(port.id));
	DO(rte_eth_macaddr_get(port.id, &addr));
	TEST_ASSERT(memcmp(&addr, mine, 6) == 0, "after the port's restart");
	TEST_ASSERT_EQUAL(guest_config(&guest, 6, 2), VIRTIO_NET_S_LINK_UP, "an announcement");
	DO(virtio_driver_reset(&guest.drv));
	DO(rte_eth_macaddr_get(port.id, &addr));
	TEST_ASSERT(rte_is_same_ether_addr(&addr, &old), "after the reset");
	TEST_ASSERT_EQUAL(config_mac(), config, "after the reset");
	return TEST_SUCCESS;
}

/* The application gives another address: the guest is asked to announce it. */
static int
test_announce(void)
{
	struct rte_ether_addr addr = { { 2, 0xbb, 0, 0, 0, 1 } }, now;

	DO(guest_up(&guest, ALL, 1, 64));
	TEST_ASSERT_EQUAL(guest_config(&guest, 6, 2), VIRTIO_NET_S_LINK_UP, "status");
	virtio_driver_irq_wait(guest.drv.config_fd, 0);
	DO(rte_eth_dev_default_mac_addr_set(port.id, &addr));
	TEST_ASSERT(virtio_driver_irq_wait(guest.drv.config_fd, 1000) != 0, "no interrupt");
	TEST_ASSERT_EQUAL(guest_config(&guest, 6, 2),
			  VIRTIO_NET_S_LINK_UP | VIRTIO_NET_S_ANNOUNCE, "status");
	TEST_ASSERT_EQUAL(guest_config(&guest, 5, 1), 1, "address");
	COMMAND(VIRTIO_NET_CTRL_ANNOUNCE, VIRTIO_NET_CTRL_ANNOUNCE_ACK, "", 0, GOOD);
	TEST_ASSERT_EQUAL(guest_config(&guest, 6, 2), VIRTIO_NET_S_LINK_UP, "status");
	/* a driver that did not acknowledge is gone: the next one is not asked */
	addr.addr_bytes[5] = 2;
	DO(rte_eth_dev_default_mac_addr_set(port.id, &addr));
	DO(guest_up(&guest, ALL, 1, 64));
	TEST_ASSERT_EQUAL(guest_config(&guest, 6, 2), VIRTIO_NET_S_LINK_UP, "status");
	DO(rte_eth_macaddr_get(port.id, &now));
	TEST_ASSERT(rte_is_same_ether_addr(&addr, &now), "the address is lost");
	/* one that cannot is not either */
	DO(guest_up(&guest, ALL & ~BIT(VIRTIO_NET_F_GUEST_ANNOUNCE), 1, 64));
	addr.addr_bytes[5] = 3;
	DO(rte_eth_dev_default_mac_addr_set(port.id, &addr));
	TEST_ASSERT_EQUAL(guest_config(&guest, 6, 2), VIRTIO_NET_S_LINK_UP, "status");
	return TEST_SUCCESS;
}

/* ----------------------------------------------------------------- moderation */

/* The parameters of a virtqueue are these. */
static int
moderated(uint16_t vq, uint32_t packets, uint32_t usecs)
{
	const uint16_t le = rte_cpu_to_le_16(vq);
	uint8_t result[GUEST_RESULT];
	uint32_t values[2];

	TEST_ASSERT_EQUAL(guest_ctrl(&guest, VIRTIO_NET_CTRL_NOTF_COAL,
				     VIRTIO_NET_CTRL_NOTF_COAL_VQ_GET, &le, 2, result), GOOD,
			  "get");
	/* the acknowledgement, and a struct virtio_net_ctrl_coal */
	TEST_ASSERT_EQUAL(guest.ctrl_written, 1 + sizeof(values), "%u", guest.ctrl_written);
	memcpy(values, result, sizeof(values));
	TEST_ASSERT_EQUAL(rte_le_to_cpu_32(values[0]), packets, "queue %u", vq);
	TEST_ASSERT_EQUAL(rte_le_to_cpu_32(values[1]), usecs, "queue %u", vq);
	TEST_ASSERT_EQUAL(result[sizeof(values)], 0xee, "more");
	return TEST_SUCCESS;
}

static int
test_moderation(void)
{
	static const uint8_t rx[] = { 3, 0, 0, 0, 0xe8, 3, 0, 0 };
	static const uint8_t tx[] = { 9, 0, 0, 0, 50, 0, 0, 0 };
	static const uint8_t long_time[] = { 1, 0, 0, 0, 0x11, 0x27, 0, 0 };
	static const uint8_t vq3[] = { 3, 0, 0xff, 0xff, 7, 0, 0, 0, 0x10, 0x27, 0, 0 };
	uint16_t vq;

	DO(guest_up(&guest, ALL, 2, 64));
	for (vq = 0; vq < 4; vq++)
		DO(moderated(vq, 0, 0));
	COMMAND(VIRTIO_NET_CTRL_NOTF_COAL, VIRTIO_NET_CTRL_NOTF_COAL_RX_SET, rx, 8, GOOD);
	COMMAND(VIRTIO_NET_CTRL_NOTF_COAL, VIRTIO_NET_CTRL_NOTF_COAL_TX_SET, tx, 8, GOOD);
	COMMAND(VIRTIO_NET_CTRL_NOTF_COAL, VIRTIO_NET_CTRL_NOTF_COAL_RX_SET, long_time, 8, BAD);
	COMMAND(VIRTIO_NET_CTRL_NOTF_COAL, VIRTIO_NET_CTRL_NOTF_COAL_VQ_SET, vq3, 12, GOOD);
	DO(moderated(0, 3, 1000));
	DO(moderated(1, 9, 50));
	DO(moderated(2, 3, 1000));
	DO(moderated(3, 7, 10000));
	/* queues that are not set up, the control queue, and none */
	for (vq = 4; vq < 20; vq++) {
		const uint8_t set[12] = { (uint8_t)vq };

		COMMAND(VIRTIO_NET_CTRL_NOTF_COAL, VIRTIO_NET_CTRL_NOTF_COAL_VQ_SET, set, 12, BAD);
		COMMAND(VIRTIO_NET_CTRL_NOTF_COAL, VIRTIO_NET_CTRL_NOTF_COAL_VQ_GET, set, 4, BAD);
	}
	DO(guest_up(&guest, ALL, 2, 64));
	for (vq = 0; vq < 4; vq++)
		DO(moderated(vq, 0, 0));
	return TEST_SUCCESS;
}

/* ------------------------------------------------------------------- offloads */

static int
test_guest_offloads(void)
{
	static const struct {
		uint64_t offloads;
		uint8_t ack;
	} cases[] = {
		{ 0, GOOD }, { BIT(VIRTIO_NET_F_GUEST_CSUM), GOOD },
		{ BIT(VIRTIO_NET_F_GUEST_CSUM) | BIT(VIRTIO_NET_F_GUEST_TSO4), GOOD },
		{ BIT(VIRTIO_NET_F_GUEST_TSO6), BAD }, /* not negotiated */
		{ BIT(VIRTIO_NET_F_CSUM), BAD }, { BIT(VIRTIO_F_VERSION_1), BAD },
		{ UINT64_MAX, BAD },
	};
	uint32_t i;

	DO(guest_up(&guest, ALL, 1, 64));
	for (i = 0; i < RTE_DIM(cases); i++) {
		const uint64_t le = rte_cpu_to_le_64(cases[i].offloads);

		COMMAND(VIRTIO_NET_CTRL_GUEST_OFFLOADS, VIRTIO_NET_CTRL_GUEST_OFFLOADS_SET, &le, 8,
			cases[i].ack);
	}
	return TEST_SUCCESS;
}

static struct unit_test_suite suite = {
	.suite_name = "the control queue of net_vfio_user",
	.setup = pmd_setup,
	.unit_test_cases = {
		TEST_CASE_ST(setup, teardown, test_good_and_short),
		TEST_CASE_ST(setup, teardown, test_without_feature),
		TEST_CASE_ST(setup, teardown, test_unknown),
		TEST_CASE_ST(setup, teardown, test_odd_buffers),
		TEST_CASE_ST(setup, teardown, test_pipelined),
		TEST_CASE_ST(setup, teardown, test_pairs),
		TEST_CASE_ST(setup, teardown, test_without_mq),
		TEST_CASE_ST(setup, teardown, test_mac_address),
		TEST_CASE_ST(setup, teardown, test_announce),
		TEST_CASE_ST(setup, teardown, test_moderation),
		TEST_CASE_ST(setup, teardown, test_guest_offloads),
		TEST_CASES_END()
	}
};

static int
test_nic_ctrl(void)
{
	return unit_test_suite_runner(&suite);
}

REGISTER_TEST_COMMAND(nic_ctrl_autotest, test_nic_ctrl);
