/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

/*
 * skcipher DRIVER encrypt|decrypt KEY IV PIECE: encipher the standard input to
 * the standard output with a cipher of the kernel (AF_ALG).
 *
 * DRIVER names one implementation, e.g. "virtio_crypto_aes_cbc", not merely an
 * algorithm: another one may have a higher priority. KEY and IV are in
 * hexadecimal. The kernel is given PIECE bytes at a time, as parts of one
 * message, so that the chaining from piece to piece is the driver's. At the
 * end the rate is printed on the standard error.
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <linux/if_alg.h>

#define IV_MAX 16
#define KEY_MAX 64
#define PIECE_MAX (128u << 10)

static void __attribute__((noreturn))
fail(const char *what)
{
	fprintf(stderr, "skcipher: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void __attribute__((noreturn))
usage(void)
{
	fprintf(stderr, "usage: skcipher DRIVER encrypt|decrypt KEY IV PIECE\n");
	exit(2);
}

/* Hexadecimal digits as bytes; their number. */
static size_t
hex(const char *text, unsigned char *out, size_t max)
{
	size_t len = strlen(text) / 2, i;

	if (strlen(text) % 2 != 0 || len > max)
		usage();
	for (i = 0; i < len; i++)
		if (sscanf(text + 2 * i, "%2hhx", &out[i]) != 1)
			usage();
	return len;
}

/* The socket of one message with this key. */
static int
cipher_open(const char *driver, const unsigned char *key, size_t key_len)
{
	struct sockaddr_alg sa = { .salg_family = AF_ALG, .salg_type = "skcipher" };
	int fd = socket(AF_ALG, SOCK_SEQPACKET | SOCK_CLOEXEC, 0), op;

	if (fd < 0)
		fail("AF_ALG");
	snprintf((char *)sa.salg_name, sizeof(sa.salg_name), "%s", driver);
	if (bind(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0)
		fail(driver);
	if (setsockopt(fd, SOL_ALG, ALG_SET_KEY, key, key_len) < 0)
		fail("key");
	op = accept(fd, NULL, 0);
	if (op < 0)
		fail("accept");
	return op;
}

static struct cmsghdr *
option_set(struct cmsghdr *cmsg, int type, size_t len)
{
	cmsg->cmsg_level = SOL_ALG;
	cmsg->cmsg_type = type;
	cmsg->cmsg_len = CMSG_LEN(len);
	return cmsg;
}

/* Direction and IV; they hold for the whole message. */
static void
message_begin(int fd, unsigned int op, const unsigned char *iv, size_t iv_len)
{
	char control[CMSG_SPACE(sizeof(op)) + CMSG_SPACE(sizeof(struct af_alg_iv) + IV_MAX)];
	struct msghdr msg = { .msg_control = control, .msg_controllen = sizeof(control) };
	struct cmsghdr *cmsg;
	struct af_alg_iv *alg_iv;

	memset(control, 0, sizeof(control));
	cmsg = option_set(CMSG_FIRSTHDR(&msg), ALG_SET_OP, sizeof(op));
	memcpy(CMSG_DATA(cmsg), &op, sizeof(op));
	cmsg = option_set(CMSG_NXTHDR(&msg, cmsg), ALG_SET_IV, sizeof(*alg_iv) + iv_len);
	alg_iv = (struct af_alg_iv *)CMSG_DATA(cmsg);
	alg_iv->ivlen = iv_len;
	memcpy(alg_iv->iv, iv, iv_len);
	msg.msg_controllen = CMSG_SPACE(sizeof(op)) + CMSG_SPACE(sizeof(*alg_iv) + iv_len);
	if (sendmsg(fd, &msg, MSG_MORE) < 0)
		fail("sendmsg");
}

/* One piece: in, and out again. */
static void
piece_do(int fd, char *data, size_t len)
{
	size_t done = 0;
	ssize_t n;

	if (send(fd, data, len, MSG_MORE) != (ssize_t)len)
		fail("send");
	while (done < len) {
		n = read(fd, data + done, len - done);
		if (n <= 0)
			fail("read");
		done += n;
	}
}

static double
now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

int
main(int argc, char **argv)
{
	static char data[PIECE_MAX];
	unsigned char key[KEY_MAX], iv[IV_MAX];
	size_t piece, iv_len, len, total = 0;
	double seconds = 0;
	int fd;

	if (argc != 6)
		usage();
	piece = strtoul(argv[5], NULL, 0);
	if (piece == 0 || piece > PIECE_MAX)
		usage();
	iv_len = hex(argv[4], iv, sizeof(iv));
	fd = cipher_open(argv[1], key, hex(argv[3], key, sizeof(key)));
	message_begin(fd, strcmp(argv[2], "encrypt") == 0 ? ALG_OP_ENCRYPT : ALG_OP_DECRYPT,
		      iv, iv_len);
	while ((len = fread(data, 1, piece, stdin)) > 0) {
		seconds -= now();
		piece_do(fd, data, len);
		seconds += now();
		total += len;
		if (fwrite(data, 1, len, stdout) != len)
			fail("output");
	}
	fprintf(stderr, "skcipher: %zu bytes, %.2f MB/s\n", total, total / (seconds + 1e-9) / 1e6);
	return 0;
}
