/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 *
 * stream listen|connect ADDRESS PORT send|receive SEED BYTES
 *
 * One end of a TCP connection over which made-up data goes, in the guest or on the
 * host. The receiver compares each byte with what it must be and answers with the
 * number of those that were right; the sender fails if that is not all.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <time.h>
#include <unistd.h>

#include "../common.h"
#include "../pattern.h"

#define CHUNK (64 << 10)
#define CHUNK_WORDS (CHUNK / sizeof(uint64_t))

struct address {
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	};
	socklen_t len;
};

static struct address
parse_address(const char *text, uint64_t port)
{
	struct address a;

	if (port > UINT16_MAX)
		fail("no port: %llu", (unsigned long long)port);
	memset(&a, 0, sizeof(a));
	if (inet_pton(AF_INET, text, &a.v4.sin_addr) == 1) {
		a.v4.sin_family = AF_INET;
		a.v4.sin_port = htons(port);
		a.len = sizeof(a.v4);
	} else if (inet_pton(AF_INET6, text, &a.v6.sin6_addr) == 1) {
		a.v6.sin6_family = AF_INET6;
		a.v6.sin6_port = htons(port);
		a.len = sizeof(a.v6);
	} else {
		fail("no address: %s", text);
	}
	return a;
}

static int
open_listening(const struct address *a)
{
	int one = 1, fd, listening = socket(a->any.sa_family, SOCK_STREAM, 0);

	if (listening < 0)
		fail("socket: %s", strerror(errno));
	setsockopt(listening, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	limit_time(listening);
	if (bind(listening, &a->any, a->len) != 0 || listen(listening, 1) != 0)
		fail("listen: %s", strerror(errno));
	say_listening();
	fd = accept(listening, NULL, NULL);
	if (fd < 0)
		fail("accept: %s", strerror(errno));
	close(listening);
	return fd;
}

static int
open_connected(const struct address *a)
{
	int fd = socket(a->any.sa_family, SOCK_STREAM, 0);

	if (fd < 0)
		fail("socket: %s", strerror(errno));
	limit_time(fd);
	if (connect(fd, &a->any, a->len) != 0)
		fail("connect: %s", strerror(errno));
	return fd;
}

static void
send_all(int fd, const void *data, size_t len)
{
	const uint8_t *p = data;

	while (len > 0) {
		ssize_t n = send(fd, p, len, MSG_NOSIGNAL);

		if (n < 0)
			fail("send: %s", strerror(errno));
		p += n;
		len -= n;
	}
}

/* Less than the length only at the end of the stream. */
static size_t
receive_all(int fd, void *data, size_t len)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = recv(fd, (uint8_t *)data + done, len - done, 0);

		if (n < 0)
			fail("recv: %s", strerror(errno));
		if (n == 0)
			break;
		done += n;
	}
	return done;
}

static void
do_send(int fd, uint64_t seed, uint64_t bytes)
{
	static uint64_t data[CHUNK_WORDS];
	uint64_t i, right = 0;

	for (i = 0; i * CHUNK < bytes; i++) {
		uint64_t left = bytes - i * CHUNK;

		pattern_fill(data, CHUNK, seed, i * CHUNK_WORDS);
		send_all(fd, data, left < CHUNK ? left : CHUNK);
	}
	if (shutdown(fd, SHUT_WR) != 0)
		fail("shutdown: %s", strerror(errno));
	if (receive_all(fd, &right, sizeof(right)) != sizeof(right) || right != bytes)
		fail("%llu of %llu bytes arrived right", (unsigned long long)right,
		     (unsigned long long)bytes);
}

static void
do_receive(int fd, uint64_t seed, uint64_t bytes)
{
	static uint64_t data[CHUNK_WORDS], expected[CHUNK_WORDS];
	uint64_t right = 0;
	bool good = true;
	size_t n, same;

	while (good && (n = receive_all(fd, data, CHUNK)) > 0) {
		pattern_fill(expected, CHUNK, seed, right / sizeof(uint64_t));
		same = pattern_differs(data, expected, n);
		right += same;
		good = same == n;
	}
	send_all(fd, &right, sizeof(right));
	if (!good)
		fail("byte %llu differs", (unsigned long long)right);
	if (right != bytes)
		fail("%llu bytes instead of %llu", (unsigned long long)right,
		     (unsigned long long)bytes);
}

int
main(int argc, char **argv)
{
	struct timespec begin, end;
	struct address address;
	uint64_t seed, bytes;
	bool listens, sends;
	double seconds;
	int fd;

	if (argc != 7)
		fail("usage: stream listen|connect ADDRESS PORT send|receive SEED BYTES");
	listens = strcmp(argv[1], "listen") == 0;
	address = parse_address(argv[2], number(argv[3]));
	sends = strcmp(argv[4], "send") == 0;
	seed = number(argv[5]);
	bytes = number(argv[6]);
	fd = listens ? open_listening(&address) : open_connected(&address);
	clock_gettime(CLOCK_MONOTONIC, &begin);
	(sends ? do_send : do_receive)(fd, seed, bytes);
	clock_gettime(CLOCK_MONOTONIC, &end);
	seconds = (end.tv_sec - begin.tv_sec) + (end.tv_nsec - begin.tv_nsec) * 1e-9;
	printf("%llu bytes right, %.1f MB/s\n", (unsigned long long)bytes, bytes / seconds / 1e6);
	return 0;
}
