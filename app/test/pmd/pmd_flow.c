/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#include <errno.h>
#include <inttypes.h>
#include <sched.h>
#include <string.h>

#include "pmd_flow.h"

/* Longest time that nothing moves, on a machine that has much else to do. */
#define STALL_MS 60000u
/* Bytes of most frames, at most. */
#define SHORT 128u
#define MIN_LEN 60u
/* Where the number is: behind the type of Ethernet. */
#define NUMBER_AT 14u
/* Segments into which a frame is cut, if each has the room. */
#define CUTS 6u

/* Of this end alone: the two threads share nothing. */
static uint32_t
below(struct flow_end *end, uint32_t limit)
{
	return (uint32_t)((frame_hash(end->rand++) >> 32) * limit >> 32);
}

/* ---------------------------------------------------------------- frames */

static uint32_t
len_of(const struct flow_conf *conf, uint64_t number)
{
	const uint64_t x = frame_hash(~number);
	uint32_t top = SHORT;

	if ((x & 0xffff) % conf->longer == 0)
		top = (x >> 16 & 7) == 0 ? conf->max_len : 1514;
	return MIN_LEN + (uint32_t)(x >> 32) % (RTE_MIN(top, conf->max_len) - MIN_LEN + 1);
}

static uint32_t
fill(const struct flow_conf *conf, uint64_t number, uint8_t *frame)
{
	const uint32_t len = len_of(conf, number);

	frame_fill(number, frame, len);
	memcpy(frame + NUMBER_AT, &number, sizeof(number));
	return len;
}

/* As many segments as it takes, of random lengths. */
static struct rte_mbuf *
cut(struct flow_end *end, const uint8_t *frame, uint32_t len)
{
	uint32_t left = CUTS, done, part;
	struct rte_mbuf *head = NULL, *m;

	for (done = 0; done < len; done += part) {
		m = rte_pktmbuf_alloc(end->pool);
		if (m == NULL) {
			rte_pktmbuf_free(head);
			return NULL;
		}
		part = len - done;
		if (left > 1)
			part = 1 + below(end, RTE_MIN(part, 2 * part / left--));
		part = RTE_MIN(part, (uint32_t)rte_pktmbuf_tailroom(m));
		memcpy(rte_pktmbuf_append(m, (uint16_t)part), frame + done, part);
		if (head == NULL)
			head = m;
		else
			rte_pktmbuf_chain(head, m);
	}
	return head;
}

static struct rte_mbuf *
make(struct flow_end *end, uint64_t number)
{
	const uint32_t len = len_of(end->conf, number);
	static __thread uint8_t frame[FLOW_MAX_LEN];
	struct rte_mbuf *m;

	if (below(end, end->conf->cut) != 0) {
		m = rte_pktmbuf_alloc(end->pool);
		if (m == NULL)
			return NULL;
		if (len <= rte_pktmbuf_tailroom(m)) {
			fill(end->conf, number, (uint8_t *)rte_pktmbuf_append(m, (uint16_t)len));
			return m;
		}
		rte_pktmbuf_free(m);
	}
	fill(end->conf, number, frame);
	return cut(end, frame, len);
}

/* The number of a frame that has come, which its first segment has. */
static int
number_of(const struct flow_end *end, const struct flow *rx, const struct rte_mbuf *m,
	  uint64_t *number)
{
	const uint64_t due = rx->base + rx->nb;

	TEST_ASSERT(m->data_len >= NUMBER_AT + sizeof(*number), "%u bytes", m->data_len);
	memcpy(number, rte_pktmbuf_mtod_offset(m, const void *, NUMBER_AT), sizeof(*number));
	TEST_ASSERT(*number == due || (end->conf->lossy && *number > due &&
				       *number - rx->base < UINT64_C(1) << 48),
		    "%s: frame 0x%" PRIx64 " instead of 0x%" PRIx64, end->port->name, *number,
		    due);
	return TEST_SUCCESS;
}

static int
check(struct flow_end *end, struct flow *rx, const struct rte_mbuf *m)
{
	static __thread uint8_t frame[FLOW_MAX_LEN];
	uint64_t number;
	uint32_t len;

	if (number_of(end, rx, m, &number) != TEST_SUCCESS)
		return TEST_FAILED;
	len = fill(end->conf, number, frame);
	TEST_ASSERT(frame_check(m, frame, len) == TEST_SUCCESS, "%s: frame 0x%" PRIx64,
		    end->port->name, number);
	TEST_ASSERT_EQUAL(m->port, end->port->id, "port");
	TEST_ASSERT_EQUAL(m->ol_flags, 0u, "flags");
	SET(rx->nb, number - rx->base + 1);
	return TEST_SUCCESS;
}

/* --------------------------------------------------------------- bursts */

static int
send_some(struct flow_end *end, uint16_t queue)
{
	const uint32_t want = 1 + below(end, FLOW_BURST);
	struct flow *tx = &end->tx[queue];
	struct rte_mbuf *m;
	uint16_t sent;

	while (tx->nb_waiting < want && tx->nb + tx->nb_waiting < end->conf->nb) {
		m = make(end, tx->base + tx->nb + tx->nb_waiting);
		if (m == NULL)
			break; /* those that are on the way come back */
		tx->waiting[tx->nb_waiting++] = m;
	}
	sent = rte_eth_tx_burst(end->port->id, queue, tx->waiting,
				(uint16_t)RTE_MIN(want, tx->nb_waiting));
	tx->nb_waiting -= sent;
	memmove(tx->waiting, tx->waiting + sent, tx->nb_waiting * sizeof(tx->waiting[0]));
	SET(tx->nb, tx->nb + sent);
	return sent;
}

static int
receive_some(struct flow_end *end, uint16_t queue)
{
	struct rte_mbuf *pkts[FLOW_BURST];
	const uint16_t nb = rte_eth_rx_burst(end->port->id, queue, pkts,
					     (uint16_t)(1 + below(end, FLOW_BURST)));
	int ret = nb;
	uint16_t i;

	for (i = 0; i < nb && ret >= 0; i++)
		if (check(end, &end->rx[queue], pkts[i]) != TEST_SUCCESS)
			ret = -EBADMSG;
	rte_pktmbuf_free_bulk(pkts, nb);
	return ret;
}

int
flow_step(struct flow_end *end)
{
	int moved = 0, ret;
	uint16_t i;

	for (i = 0; i < end->queues; i++) {
		moved += send_some(end, i);
		ret = receive_some(end, i);
		if (ret < 0)
			return ret;
		moved += ret;
	}
	return moved;
}

uint64_t
flow_sent(struct flow_end *end)
{
	uint64_t nb = 0;
	uint16_t i;

	for (i = 0; i < end->queues; i++)
		nb += GET(end->tx[i].nb);
	return nb;
}

uint64_t
flow_received(struct flow_end *end)
{
	uint64_t nb = 0;
	uint16_t i;

	for (i = 0; i < end->queues; i++)
		nb += GET(end->rx[i].nb);
	return nb;
}

/* ------------------------------------------------------------------ life */

static bool
is_done(const struct flow_end *end)
{
	uint16_t i;

	for (i = 0; i < end->queues; i++)
		if (end->tx[i].nb < end->conf->nb || end->rx[i].nb < end->conf->nb)
			return false;
	return true;
}

int
flow_run(struct flow_end *end)
{
	uint64_t last = pmd_now_ms();
	uint32_t idle = 0;
	int ret;

	while (!GET(end->stop) && !is_done(end)) {
		ret = flow_step(end);
		if (ret < 0)
			return ret;
		idle = ret == 0 ? idle + 1 : 0;
		if (idle % 16 == 1) {
			sched_yield();
			if (idle == 1)
				last = pmd_now_ms();
			if (!end->conf->lossy && pmd_now_ms() - last > STALL_MS) {
				printf("%s: nothing moves: %" PRIu64 " frames sent, %" PRIu64
				       " have come\n", end->port->name, flow_sent(end),
				       flow_received(end));
				return -ETIMEDOUT;
			}
		}
	}
	return 0;
}

static void *
run(void *arg)
{
	struct flow_end *end = arg;

	end->result = flow_run(end);
	return NULL;
}

int
flow_start(struct flow_end *end)
{
	int ret = -pthread_create(&end->thread, NULL, run, end);

	end->running = ret == 0;
	return ret;
}

int
flow_join(struct flow_end *end)
{
	if (end->running)
		pthread_join(end->thread, NULL);
	end->running = false;
	return end->result;
}

int
flow_stop(struct flow_end *end)
{
	SET(end->stop, true);
	return flow_join(end);
}

void
flow_init(struct flow_end *end, struct pmd_port *port, const struct flow_conf *conf,
	  unsigned int side)
{
	uint16_t i;

	memset(end, 0, sizeof(*end));
	end->port = port;
	end->pool = port->pool;
	end->conf = conf;
	end->queues = port->queues;
	end->rand = (uint64_t)side << 32;
	for (i = 0; i < end->queues; i++) {
		end->tx[i].base = (uint64_t)(1 + side) << 56 | (uint64_t)i << 48;
		end->rx[i].base = (uint64_t)(2 - side) << 56 | (uint64_t)i << 48;
	}
}

void
flow_fini(struct flow_end *end)
{
	uint16_t i;

	for (i = 0; i < end->queues; i++) {
		rte_pktmbuf_free_bulk(end->tx[i].waiting, end->tx[i].nb_waiting);
		end->tx[i].nb_waiting = 0;
	}
}

struct rte_mempool *
flow_pool(const char *name, uint32_t nb, uint32_t room)
{
	return rte_pktmbuf_pool_create(name, nb, 0, 0, (uint16_t)(RTE_PKTMBUF_HEADROOM + room),
				       SOCKET_ID_ANY);
}
