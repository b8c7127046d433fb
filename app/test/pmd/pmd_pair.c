/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#include <errno.h>
#include <string.h>
#include <time.h>

#include "pmd_pair.h"

#define BURST 32u
/* Of the frame that a flush sends. */
#define FLUSH_LEN 64u
/* Longest time that nothing comes. */
#define WAIT_MS 10000u

uint64_t
pmd_now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* ----------------------------------------------------------------- ports */

void
pair_init(struct pmd_pair *pair)
{
	memset(pair, 0, sizeof(*pair));
	pair->device.id = pair->driver.id = RTE_MAX_ETHPORTS;
}

void
pair_remove(struct pmd_pair *pair)
{
	port_remove(&pair->driver);
	port_remove(&pair->device);
}

int
pair_wait_links(const struct pmd_pair *pair, bool up)
{
	int ret = port_wait_link(&pair->device, up);

	return ret == 0 ? port_wait_link(&pair->driver, up) : ret;
}

int
pair_start(struct pmd_pair *pair, const char *device, const char *driver, uint16_t queues,
	   const struct rte_eth_conf *conf)
{
	DO(port_probe(&pair->device, pair->number, device));
	if (pair->device_pool != NULL)
		pair->device.pool = pair->device_pool;
	DO(port_start(&pair->device, queues, conf));
	/* it listens from its start on */
	DO(port_probe_driver(&pair->driver, pair->number, driver));
	if (pair->driver_pool != NULL)
		pair->driver.pool = pair->driver_pool;
	DO(rte_eth_promiscuous_enable(pair->driver.id)); /* frames are to anybody */
	DO(port_start(&pair->driver, queues, conf));
	return pair_wait_links(pair, true);
}

/* --------------------------------------------------------------- traffic */

static struct rte_mbuf *
make(const struct pmd_traffic *traffic, uint64_t number)
{
	static __thread uint8_t frame[FRAME_MAX];
	uint32_t len = frame_len(traffic->first + number, traffic->max_len);

	frame_fill(traffic->first + number, frame, len);
	return frame_to_mbuf(frame, len, traffic->seg_max);
}

static int
check(const struct pmd_traffic *traffic, uint64_t number, const struct rte_mbuf *m)
{
	static __thread uint8_t frame[FRAME_MAX];
	uint32_t len = frame_len(traffic->first + number, traffic->max_len);

	frame_fill(traffic->first + number, frame, len);
	return frame_check(m, frame, len);
}

static uint16_t
send_burst(const struct pmd_port *from, uint16_t queue, const struct pmd_traffic *traffic,
	   uint64_t number, uint32_t nb)
{
	struct rte_mbuf *pkts[BURST];
	uint16_t made, sent;

	for (made = 0; made < BURST && made < nb; made++) {
		pkts[made] = make(traffic, number + made);
		if (pkts[made] == NULL)
			break;
	}
	sent = rte_eth_tx_burst(from->id, queue, pkts, made);
	rte_pktmbuf_free_bulk(pkts + sent, made - sent);
	return sent;
}

/* Frames that arrived and are right; -EBADMSG: one is not. */
static int
receive_burst(const struct pmd_port *to, uint16_t queue, const struct pmd_traffic *traffic,
	      uint64_t number)
{
	struct rte_mbuf *pkts[BURST];
	uint16_t nb = rte_eth_rx_burst(to->id, queue, pkts, BURST), i;
	int ret = nb;

	for (i = 0; i < nb && ret >= 0; i++)
		if (check(traffic, number + i, pkts[i]) != TEST_SUCCESS)
			ret = -EBADMSG;
	rte_pktmbuf_free_bulk(pkts, nb);
	return ret;
}

int
pmd_transfer(const struct pmd_port *from, const struct pmd_port *to, uint16_t queue,
	     const struct pmd_traffic *traffic, uint32_t nb)
{
	uint64_t end = pmd_now_ms() + WAIT_MS;
	uint32_t sent = 0, received = 0;
	int ret;

	while (received < nb) {
		/* no more on the way than the smallest ring takes: none is dropped */
		if (sent < nb && sent - received < BURST)
			sent += send_burst(from, queue, traffic, sent, nb - sent);
		ret = receive_burst(to, queue, traffic, received);
		if (ret < 0)
			return ret;
		if (ret > 0)
			end = pmd_now_ms() + WAIT_MS;
		received += ret;
		if (pmd_now_ms() > end) {
			printf("%u of %u frames arrived, %u were sent\n", received, nb, sent);
			return -ETIMEDOUT;
		}
	}
	return 0;
}

void
pmd_send(const struct pmd_port *from, uint16_t queue, const struct pmd_traffic *traffic,
	 uint32_t nb)
{
	uint32_t done;

	for (done = 0; done < nb; done += BURST)
		send_burst(from, queue, traffic, done, nb - done);
}

/* Whether one of these is the frame; they are freed. */
static bool
is_among(struct rte_mbuf **pkts, uint16_t nb, const uint8_t *frame, uint32_t len)
{
	bool found = false;
	uint16_t i;

	for (i = 0; i < nb; i++)
		if (pkts[i]->pkt_len == len && pkts[i]->data_len == len &&
		    memcmp(rte_pktmbuf_mtod(pkts[i], const void *), frame, len) == 0)
			found = true;
	rte_pktmbuf_free_bulk(pkts, nb);
	return found;
}

int
pmd_flush(const struct pmd_port *from, const struct pmd_port *to, uint16_t queue)
{
	const uint64_t end = pmd_now_ms() + WAIT_MS;
	static uint64_t number = UINT64_MAX; /* of the frame behind all others */
	uint8_t frame[FLUSH_LEN];
	struct rte_mbuf *pkts[BURST], *last;
	bool sent = false, came = false;

	frame_fill(number--, frame, sizeof(frame));
	last = frame_to_mbuf(frame, sizeof(frame), sizeof(frame));
	if (last == NULL)
		return -ENOMEM;
	while (!came && pmd_now_ms() < end) {
		sent = sent || rte_eth_tx_burst(from->id, queue, &last, 1) == 1;
		came = is_among(pkts, rte_eth_rx_burst(to->id, queue, pkts, BURST), frame,
				sizeof(frame));
	}
	if (!sent)
		rte_pktmbuf_free(last);
	return came ? 0 : -ETIMEDOUT;
}

uint32_t
pmd_drain(const struct pmd_port *port)
{
	struct rte_mbuf *pkts[BURST];
	uint32_t total = 0;
	uint16_t queue, nb;

	for (queue = 0; queue < port->queues; queue++) {
		nb = rte_eth_rx_burst(port->id, queue, pkts, BURST);
		rte_pktmbuf_free_bulk(pkts, nb);
		total += nb;
	}
	return total;
}
