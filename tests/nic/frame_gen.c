/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 *
 * frame_gen EAL-OPTION...
 *
 * Sends made-up frames from ethdev port 0 or receives them and compares each byte; at the
 * other end is tests/nic/guest/frames. Commands are lines of the standard input:
 *
 *     send SEED COUNT MAX SEGMENTS    at most SEGMENTS mbufs for a frame, cut anywhere
 *     receive SEED COUNT MAX
 *
 * and are answered by a line that begins with "right" or "wrong".
 */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include "guest/frame.h"

#define PORT 0
#define BURST 32
#define MBUFS 4096
#define TIMEOUT 20 /* seconds without progress */
#define MTU (FRAME_MAX - RTE_ETHER_HDR_LEN)
/* Smaller than most frames, so that what is received has several segments, too. */
#define RX_ROOM (1024 + RTE_PKTMBUF_HEADROOM)
#define TX_ROOM (FRAME_MAX + RTE_PKTMBUF_HEADROOM)

struct job {
	uint64_t seed;
	uint64_t count;
	uint32_t max;
	uint32_t segments;
	uint64_t mbufs; /**< that the frames had */
	uint64_t deadline;
	char problem[160];
};

static struct rte_mempool *rx_pool, *tx_pool;

static int __rte_format_printf(2, 3)
wrong(struct job *job, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(job->problem, sizeof(job->problem), format, ap);
	va_end(ap);
	return -1;
}

static void
progress(struct job *job)
{
	job->deadline = rte_get_timer_cycles() + TIMEOUT * rte_get_timer_hz();
}

static int
in_time(struct job *job, uint64_t number)
{
	if (rte_get_timer_cycles() < job->deadline)
		return 0;
	return wrong(job, "frame %" PRIu64 ": no progress for %d s", number, TIMEOUT);
}

/* Split a frame over mbufs at places that its number decides. */
static struct rte_mbuf *
to_mbufs(struct job *job, const uint8_t *frame, uint32_t length, uint64_t number)
{
	struct rte_mbuf *head = NULL, *m;
	uint32_t done = 0, n, i;

	for (i = 1; done < length; i++) {
		n = length - done;
		if (i < job->segments)
			n = 1 + pattern_word(job->seed + i, number) % n;
		m = rte_pktmbuf_alloc(tx_pool);
		if (m == NULL) {
			rte_pktmbuf_free(head);
			return NULL;
		}
		memcpy(rte_pktmbuf_append(m, n), frame + done, n);
		done += n;
		job->mbufs++;
		if (head == NULL)
			head = m;
		else if (rte_pktmbuf_chain(head, m) != 0)
			rte_panic("a chain of %u segments is too long\n", i);
	}
	return head;
}

static int
transmit(struct job *job, struct rte_mbuf *m, uint64_t number)
{
	if (m == NULL)
		return wrong(job, "frame %" PRIu64 ": no mbuf", number);
	while (rte_eth_tx_burst(PORT, 0, &m, 1) == 0) {
		if (in_time(job, number) != 0) {
			rte_pktmbuf_free(m);
			return -1;
		}
	}
	return 0;
}

static int
send_next(struct job *job, uint64_t number)
{
	static uint8_t frame[FRAME_MAX];
	uint32_t length = frame_make(frame, job->seed, number, job->max);

	return transmit(job, to_mbufs(job, frame, length, number), number);
}

/* Return the frame that an acknowledgement says is wanted, or 0. */
static uint64_t
take_ack(struct job *job, struct rte_mbuf *m)
{
	uint8_t frame[FRAME_MIN];
	const void *data = rte_pktmbuf_read(m, 0, sizeof(frame), frame);

	if (data == NULL || !frame_is(data, m->pkt_len, FRAME_ACK, job->seed))
		return 0; /* something else that the guest's system sends */
	return frame_number(data);
}

static int
do_send(struct job *job)
{
	struct rte_mbuf *came[BURST];
	uint64_t next = 0, acked = 0, wanted;
	uint16_t n, i;

	while (acked < job->count) {
		for (; next < job->count && next < acked + FRAME_WINDOW; next++)
			if (send_next(job, next) != 0)
				return -1;
		n = rte_eth_rx_burst(PORT, 0, came, BURST);
		for (i = 0; i < n; i++) {
			wanted = take_ack(job, came[i]);
			if (wanted > acked) {
				acked = wanted;
				progress(job);
			}
		}
		rte_pktmbuf_free_bulk(came, n);
		if (acked > next)
			return wrong(job, "frame %" PRIu64 " was acknowledged before it was sent",
				     acked);
		if (in_time(job, acked) != 0)
			return -1;
	}
	return 0;
}

/* Compare a frame, segment by segment, with what it must be. */
static int
check(struct job *job, struct rte_mbuf *m, uint64_t wanted)
{
	static uint8_t expected[FRAME_MAX];
	struct frame_header copy;
	const void *header = rte_pktmbuf_read(m, 0, sizeof(copy), &copy);
	uint32_t length, done = 0;
	size_t same;

	if (header == NULL || !frame_is(header, m->pkt_len, FRAME_DATA, job->seed))
		return 0; /* something else that the guest's system sends */
	if (frame_number(header) != wanted)
		return wrong(job, "frame %" PRIu64 " instead of %" PRIu64, frame_number(header),
			     wanted);
	length = frame_make(expected, job->seed, wanted, job->max);
	if (m->pkt_len != length)
		return wrong(job, "frame %" PRIu64 " has %u bytes instead of %u", wanted,
			     m->pkt_len, length);
	for (; m != NULL; m = m->next) {
		if (m->data_len > length - done)
			return wrong(job, "frame %" PRIu64 ": segments of more than %u bytes",
				     wanted, length);
		same = pattern_differs(rte_pktmbuf_mtod(m, uint8_t *), expected + done,
				       m->data_len);
		if (same != m->data_len)
			return wrong(job, "frame %" PRIu64 " of %u bytes: byte %zu differs",
				     wanted, length, done + same);
		done += m->data_len;
		job->mbufs++;
	}
	if (done != length)
		return wrong(job, "frame %" PRIu64 ": segments of %u bytes instead of %u",
			     wanted, done, length);
	progress(job);
	return 1;
}

static int
send_ack(struct job *job, uint64_t wanted)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(tx_pool);

	if (m != NULL && rte_pktmbuf_append(m, FRAME_MIN) != NULL)
		frame_make_ack(rte_pktmbuf_mtod(m, uint8_t *), job->seed, wanted);
	return transmit(job, m, wanted);
}

static int
take(struct job *job, struct rte_mbuf *m, uint64_t *wanted)
{
	int ret = check(job, m, *wanted);

	if (ret <= 0)
		return ret;
	++*wanted;
	if (*wanted % FRAME_ACK_EVERY == 0 || *wanted == job->count)
		return send_ack(job, *wanted);
	return 0;
}

static int
do_receive(struct job *job)
{
	struct rte_mbuf *came[BURST];
	uint64_t wanted = 0;
	uint16_t n, i;
	int ret = 0;

	while (ret == 0 && wanted < job->count) {
		n = rte_eth_rx_burst(PORT, 0, came, BURST);
		for (i = 0; i < n && ret == 0; i++)
			ret = take(job, came[i], &wanted);
		rte_pktmbuf_free_bulk(came, n);
		if (ret == 0)
			ret = in_time(job, wanted);
	}
	return ret;
}

static int
obey(struct job *job, const char *line)
{
	memset(job, 0, sizeof(*job));
	progress(job);
	if (sscanf(line, "send %" SCNu64 " %" SCNu64 " %" SCNu32 " %" SCNu32, &job->seed,
		   &job->count, &job->max, &job->segments) == 4)
		return do_send(job);
	if (sscanf(line, "receive %" SCNu64 " %" SCNu64 " %" SCNu32, &job->seed, &job->count,
		   &job->max) == 3)
		return do_receive(job);
	return wrong(job, "no such command");
}

static void
start_port(void)
{
	struct rte_eth_conf conf = { .rxmode.mtu = MTU };
	struct rte_eth_dev_info info;

	rx_pool = rte_pktmbuf_pool_create("rx", MBUFS, 0, 0, RX_ROOM, SOCKET_ID_ANY);
	tx_pool = rte_pktmbuf_pool_create("tx", MBUFS, 0, 0, TX_ROOM, SOCKET_ID_ANY);
	if (rx_pool == NULL || tx_pool == NULL)
		rte_exit(EXIT_FAILURE, "frame_gen: no memory for mbufs\n");
	if (rte_eth_dev_info_get(PORT, &info) != 0)
		rte_exit(EXIT_FAILURE, "frame_gen: no port\n");
	conf.rxmode.offloads = info.rx_offload_capa & RTE_ETH_RX_OFFLOAD_SCATTER;
	conf.txmode.offloads = info.tx_offload_capa & RTE_ETH_TX_OFFLOAD_MULTI_SEGS;
	if (rte_eth_dev_configure(PORT, 1, 1, &conf) != 0 ||
	    rte_eth_rx_queue_setup(PORT, 0, 256, SOCKET_ID_ANY, NULL, rx_pool) != 0 ||
	    rte_eth_tx_queue_setup(PORT, 0, 256, SOCKET_ID_ANY, NULL) != 0 ||
	    rte_eth_dev_start(PORT) != 0)
		rte_exit(EXIT_FAILURE, "frame_gen: cannot start the port\n");
}

int
main(int argc, char **argv)
{
	struct job job;
	char line[128];

	if (rte_eal_init(argc, argv) < 0)
		rte_exit(EXIT_FAILURE, "frame_gen: wrong EAL options\n");
	start_port();
	puts("frame_gen: listening");
	fflush(stdout);
	while (fgets(line, sizeof(line), stdin) != NULL) {
		if (obey(&job, line) == 0)
			printf("right: %" PRIu64 " frames in %" PRIu64 " mbufs\n", job.count,
			       job.mbufs);
		else
			printf("wrong: %s\n", job.problem);
		fflush(stdout);
	}
	rte_eth_dev_stop(PORT);
	rte_eth_dev_close(PORT);
	rte_eal_cleanup();
	return 0;
}
