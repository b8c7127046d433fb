/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#ifndef TEST_VFIO_USER_CLIENT_H
#define TEST_VFIO_USER_CLIENT_H

/**
 * @file
 * A scripted server in a thread for the tests of the client: raw bytes on a
 * socket pair, no code of the library's server. It answers sensibly unless
 * the hook of a test handles a message. One at a time.
 */

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "vfio_user_client.h"

#define MAX_DATA ((1u << 20) + 4096)
#define MAX_LOG 512
#define F_REPLY 1u
#define F_NO_REPLY 0x10u
#define F_ERROR 0x20u

enum {
	VERSION = 1, DMA_MAP, DMA_UNMAP, GET_INFO, REGION_INFO, IO_FDS, IRQ_INFO,
	SET_IRQS, REGION_READ, REGION_WRITE, DMA_READ, DMA_WRITE, RESET,
	WRITE_MULTI = 15,
};

struct header {
	uint16_t id;
	uint16_t command;
	uint32_t size;
	uint32_t flags;
	uint32_t error;
};

struct message {
	struct header hdr;
	uint32_t len; /* of data */
	uint8_t data[MAX_DATA];
	int fds[16];
	uint32_t nb_fds;
};

/** What the server was asked, for commands that matter. */
struct entry {
	uint16_t command;
	uint32_t nb_fds;
	uint64_t a, b, c;
};

/** The server; see fake_pause() for changes while it runs. */
struct fake {
	int fd;
	int twin; /* its end, or -1 */
	int client_fd;
	pthread_t thread;
	/* script */
	uint16_t major, minor;
	const char *json; /* answered to VERSION */
	uint32_t json_len; /* 0: with its NUL */
	int send_fd; /* goes with the answer to VERSION and region info */
	uint32_t version_error;
	bool (*hook)(void); /* true: it handled the message */
	uint32_t nb_reads; /* hooks' */
	bool once; /* leave the socket to the test after VERSION */
	uint32_t fail_map; /* this DMA_MAP is refused, 1 is the first */
	uint8_t info[512]; /* answer to GET_REGION_INFO */
	uint32_t info_len;
	/* record */
	uint32_t nb_maps;
	int failed; /* a line */
	struct entry log[MAX_LOG];
	uint32_t nb_log;
	struct message msg; /* received last */
};

extern struct fake fake;
extern struct rte_vfio_user_client *client;
extern struct rte_vfio_user_client_conf conf;

/** A region info with one capability of up to two areas. */
struct sparse_info {
	struct vfio_region_info info;
	struct vfio_info_cap_header cap;
	uint32_t nr_areas;
	uint32_t reserved;
	struct vfio_region_sparse_mmap_area areas[2];
};

/** Of the server's thread; stop() tells. */
#define CHECK(cond) do { \
	if (!(cond)) \
		__atomic_store_n(&fake.failed, __LINE__, __ATOMIC_RELAXED); \
} while (0)

/** Send a message; pass_fd may be -1. */
bool fake_send(int fd, const struct header *hdr, const void *data, uint32_t len,
	       int pass_fd);

/** Receive a message. */
bool fake_receive(int fd, struct message *msg);

/** Reply to a message on the main socket. */
void fake_reply(const struct header *to, uint32_t error, const void *data,
		uint32_t len, int pass_fd);

/** The first 8 bytes that a read at an offset returns. */
uint64_t fake_pattern(uint64_t offset);

/** Note a message in the log. */
void fake_record(uint64_t a, uint64_t b, uint64_t c);

void fake_answer_version(void);
void fake_answer_read(const struct message *msg);

/** Serve until the socket ends: the thread. */
void *fake_run(void *arg);

/** Reset fake and conf. */
int fake_setup(void);

/** Start the server and connect. 0, or -rte_errno with client NULL. */
int fake_start(void);

/** Around the use of fake while the server runs: it is between messages. */
void fake_pause(void);
void fake_resume(void);

/** Disconnect, end the server; TEST_FAILED if it had found something. */
int fake_stop(void);

/** Let the server offer a twin socket and other capabilities. */
int fake_offer_twin(void);


/** A memfd. */
int make_file(off_t size);

/** Completion that stores the result at arg. */
void note_result(struct rte_vfio_user_client *c, ssize_t result, void *arg);

#endif /* TEST_VFIO_USER_CLIENT_H */
