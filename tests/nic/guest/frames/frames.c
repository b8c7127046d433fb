/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 *
 * frames INTERFACE send|receive SEED COUNT MAX
 *
 * The guest's end of tests/nic/frame_gen.c, on a packet socket: sends made-up frames of
 * up to MAX bytes, or receives them and compares each byte. A frame that does not come,
 * comes twice or out of turn is an error.
 */
#include <arpa/inet.h>
#include <net/if.h>
#include <netpacket/packet.h>
#include <unistd.h>

#include "../common.h"
#include "../frame.h"

#define BUFFER (1 << 20)

static int
open_interface(const char *name)
{
	struct sockaddr_ll address = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(FRAME_ETHERTYPE),
		.sll_ifindex = if_nametoindex(name),
	};
	int size = BUFFER, fd = socket(AF_PACKET, SOCK_RAW, 0);

	if (fd < 0 || address.sll_ifindex == 0)
		fail("%s: %s", name, strerror(errno));
	limit_time(fd);
	/* Room for a whole window of the largest frames. */
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) != 0 ||
	    bind(fd, (struct sockaddr *)&address, sizeof(address)) != 0)
		fail("%s: %s", name, strerror(errno));
	return fd;
}

/* The next frame that came in; what the guest itself sends is not among them. */
static uint32_t
receive(int fd, void *buffer, uint64_t wanted)
{
	struct sockaddr_ll from;
	socklen_t len;
	ssize_t n;

	do {
		len = sizeof(from);
		n = recvfrom(fd, buffer, FRAME_MAX + 1, 0, (struct sockaddr *)&from, &len);
		if (n < 0)
			fail("frame %llu did not come: %s", (unsigned long long)wanted,
			     strerror(errno));
	} while (from.sll_pkttype == PACKET_OUTGOING);
	return n;
}

static void
send_frame(int fd, const void *buffer, uint32_t length)
{
	/* ENOBUFS: the queue of the interface is full for the moment. */
	while (send(fd, buffer, length, 0) != (ssize_t)length) {
		if (errno != ENOBUFS)
			fail("send: %s", strerror(errno));
		usleep(1000);
	}
}

static void
do_send(int fd, uint64_t seed, uint64_t count, uint32_t max)
{
	static uint8_t buffer[FRAME_MAX + 1];
	uint64_t next = 0, acked = 0;

	while (acked < count) {
		for (; next < count && next < acked + FRAME_WINDOW; next++)
			send_frame(fd, buffer, frame_make(buffer, seed, next, max));
		if (frame_is(buffer, receive(fd, buffer, acked), FRAME_ACK, seed) &&
		    frame_number(buffer) > acked)
			acked = frame_number(buffer);
		if (acked > next)
			fail("frame %llu was acknowledged before it was sent",
			     (unsigned long long)acked);
	}
}

static void
do_receive(int fd, uint64_t seed, uint64_t count, uint32_t max)
{
	static uint8_t buffer[FRAME_MAX + 1], expected[FRAME_MAX], ack[FRAME_MIN];
	uint64_t wanted = 0;
	uint32_t length, right;
	size_t same;

	while (wanted < count) {
		length = receive(fd, buffer, wanted);
		if (!frame_is(buffer, length, FRAME_DATA, seed))
			fail("a frame of %u bytes that nobody sent", length);
		if (frame_number(buffer) != wanted)
			fail("frame %llu instead of %llu", (unsigned long long)frame_number(buffer),
			     (unsigned long long)wanted);
		right = frame_make(expected, seed, wanted, max);
		if (length != right)
			fail("frame %llu has %u bytes instead of %u", (unsigned long long)wanted,
			     length, right);
		same = pattern_differs(buffer, expected, length);
		if (same != length)
			fail("frame %llu of %u bytes: byte %zu differs",
			     (unsigned long long)wanted, length, same);
		wanted++;
		if (wanted % FRAME_ACK_EVERY == 0 || wanted == count)
			send_frame(fd, ack, frame_make_ack(ack, seed, wanted));
	}
}

int
main(int argc, char **argv)
{
	uint64_t seed, count, max;
	int fd;

	if (argc != 6)
		fail("usage: frames INTERFACE send|receive SEED COUNT MAX");
	seed = number(argv[3]);
	count = number(argv[4]);
	max = number(argv[5]);
	if (max < FRAME_MIN || max > FRAME_MAX)
		fail("no length of frames: %s", argv[5]);
	fd = open_interface(argv[1]);
	if (strcmp(argv[2], "receive") == 0) {
		say_listening();
		do_receive(fd, seed, count, max);
	} else if (strcmp(argv[2], "send") == 0) {
		do_send(fd, seed, count, max);
	} else {
		fail("neither send nor receive: %s", argv[2]);
	}
	printf("%llu frames right\n", (unsigned long long)count);
	return 0;
}
