/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <rte_errno.h>

#include "test.h"
#include "test_vfio_user_client.h"

struct fake fake;
struct rte_vfio_user_client *client;
struct rte_vfio_user_client_conf conf;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* -------------------------------------------------------------- raw bytes */

bool
fake_send(int fd, const struct header *hdr, const void *data, uint32_t len,
	 int pass_fd)
{
	struct iovec iov[2] = {
		{ (void *)(uintptr_t)hdr, sizeof(*hdr) },
		{ (void *)(uintptr_t)data, len },
	};
	union {
		char buf[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} ctl = { { 0 } };
	struct msghdr mh = { .msg_iov = iov, .msg_iovlen = len != 0 ? 2 : 1 };
	struct cmsghdr *cmsg;
	ssize_t sent, more;

	if (pass_fd >= 0) {
		mh.msg_control = ctl.buf;
		mh.msg_controllen = sizeof(ctl.buf);
		cmsg = CMSG_FIRSTHDR(&mh);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(cmsg), &pass_fd, sizeof(int));
	}
	for (sent = sendmsg(fd, &mh, MSG_NOSIGNAL);
	     sent > 0 && sent < (ssize_t)(sizeof(*hdr) + len); sent += more) {
		more = send(fd, (const uint8_t *)data + (sent - sizeof(*hdr)),
			    len - (sent - sizeof(*hdr)), MSG_NOSIGNAL);
		if (more <= 0)
			return false;
	}
	return sent > 0;
}

bool
fake_receive(int fd, struct message *msg)
{
	union {
		char buf[CMSG_SPACE(sizeof(msg->fds))];
		struct cmsghdr align;
	} ctl;
	struct iovec iov = { &msg->hdr, sizeof(msg->hdr) };
	struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1,
			     .msg_control = ctl.buf,
			     .msg_controllen = sizeof(ctl.buf) };
	struct cmsghdr *cmsg;

	msg->nb_fds = 0;
	if (recvmsg(fd, &mh, MSG_WAITALL | MSG_CMSG_CLOEXEC) !=
	    (ssize_t)sizeof(msg->hdr))
		return false;
	cmsg = CMSG_FIRSTHDR(&mh);
	if (cmsg != NULL) {
		msg->nb_fds = (cmsg->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		memcpy(msg->fds, CMSG_DATA(cmsg), msg->nb_fds * sizeof(int));
	}
	msg->len = msg->hdr.size - sizeof(msg->hdr);
	return msg->len <= MAX_DATA && (msg->len == 0 ||
		recv(fd, msg->data, msg->len, MSG_WAITALL) == (ssize_t)msg->len);
}

void
fake_reply(const struct header *to, uint32_t error, const void *data, uint32_t len,
      int pass_fd)
{
	const struct header hdr = {
		.id = to->id,
		.command = to->command,
		.size = sizeof(hdr) + len,
		.flags = F_REPLY | (error != 0 ? F_ERROR : 0),
		.error = error,
	};

	if ((to->flags & F_NO_REPLY) == 0)
		fake_send(fake.fd, &hdr, data, len, pass_fd);
}

/* --------------------------------------------------------- default answers */

uint64_t
fake_pattern(uint64_t offset)
{
	return offset * UINT64_C(0x9e3779b97f4a7c15) + 1;
}

void
fake_record(uint64_t a, uint64_t b, uint64_t c)
{
	struct entry *entry = &fake.log[fake.nb_log];

	if (fake.nb_log == MAX_LOG)
		return;
	entry->command = fake.msg.hdr.command;
	entry->nb_fds = fake.msg.nb_fds;
	entry->a = a;
	entry->b = b;
	entry->c = c;
	fake.nb_log++;
}

void
fake_answer_version(void)
{
	uint8_t buf[4096];
	uint32_t len = 4;

	memcpy(buf, &fake.major, 2);
	memcpy(buf + 2, &fake.minor, 2);
	if (fake.json != NULL) {
		len += fake.json_len != 0 ? fake.json_len :
			(uint32_t)strlen(fake.json) + 1;
		memcpy(buf + 4, fake.json, len - 4);
	}
	if (fake.version_error != 0)
		len = 0;
	fake_reply(&fake.msg.hdr, fake.version_error, buf, len, fake.send_fd);
}

void
fake_answer_read(const struct message *msg)
{
	uint8_t buf[16 + 4096] = { 0 };
	uint64_t offset, value;
	uint32_t count;

	memcpy(buf, msg->data, 16);
	memcpy(&offset, buf, 8);
	memcpy(&count, buf + 12, 4);
	value = fake_pattern(offset);
	memcpy(buf + 16, &value, 8);
	fake_reply(&msg->hdr, 0, buf, 16 + RTE_MIN(count, 4096u), -1);
}

static void
answer_map(void)
{
	struct vfio_user_dma_map map;

	memcpy(&map, fake.msg.data, sizeof(map));
	fake_record(map.addr, map.size, map.offset);
	fake.nb_maps++;
	fake_reply(&fake.msg.hdr, fake.nb_maps == fake.fail_map ? EINVAL : 0, NULL, 0, -1);
}

static void
answer_info(void)
{
	uint32_t argsz, needed = 0;

	memcpy(&argsz, fake.msg.data, 4);
	memcpy(&needed, fake.info, 4);
	fake_record(argsz, 0, 0);
	fake_reply(&fake.msg.hdr, 0, fake.info, RTE_MIN(fake.info_len, argsz),
	      fake.send_fd);
	CHECK(fake.msg.len == 32);
}

static void
answer(void)
{
	struct vfio_user_dma_unmap unmap;
	struct message *msg = &fake.msg;
	struct vfio_irq_set set;

	switch (msg->hdr.command) {
	case VERSION:
		fake_answer_version();
		break;
	case DMA_MAP:
		answer_map();
		break;
	case DMA_UNMAP:
		memcpy(&unmap, msg->data, sizeof(unmap));
		fake_record(unmap.addr, unmap.size, unmap.flags);
		fake_reply(&msg->hdr, 0, &unmap, sizeof(unmap), -1);
		break;
	case SET_IRQS:
		memcpy(&set, msg->data, 20);
		fake_record(set.start, set.count, msg->len);
		fake_reply(&msg->hdr, 0, NULL, 0, -1);
		break;
	case REGION_INFO:
		answer_info();
		break;
	case REGION_READ:
		fake_answer_read(msg);
		break;
	case REGION_WRITE:
		fake_record(0, 0, 0);
		fake_reply(&msg->hdr, 0, msg->data, 16, -1);
		break;
	default: /* echo */
		fake_reply(&msg->hdr, 0, msg->data, msg->len, -1);
	}
}

void *
fake_run(void *arg)
{
	bool once = fake.once;
	uint32_t i;

	RTE_SET_USED(arg);
	while (fake_receive(fake.fd, &fake.msg)) {
		pthread_mutex_lock(&lock);
		if (fake.hook == NULL || !fake.hook())
			answer();
		for (i = 0; i < fake.msg.nb_fds; i++)
			close(fake.msg.fds[i]);
		pthread_mutex_unlock(&lock);
		if (once)
			break;
	}
	return NULL;
}

/* ------------------------------------------------------------- fixture */

int
fake_setup(void)
{
	memset(&fake, 0, sizeof(fake));
	fake.twin = fake.send_fd = -1;
	rte_vfio_user_client_conf_init(&conf);
	client = NULL;
	return TEST_SUCCESS;
}

/* Start the server and connect; the result of create is left in client. */
int
fake_start(void)
{
	int sv[2];

	TEST_ASSERT_SUCCESS(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv),
			    "socketpair");
	fake.fd = sv[1];
	TEST_ASSERT_SUCCESS(pthread_create(&fake.thread, NULL, fake_run, NULL),
			    "thread");
	conf.conn_fd = sv[0];
	client = rte_vfio_user_client_create(&conf);
	close(sv[0]);
	return client != NULL ? 0 : -rte_errno;
}

void
fake_pause(void)
{
	pthread_mutex_lock(&lock);
}

void
fake_resume(void)
{
	pthread_mutex_unlock(&lock);
}

int
fake_stop(void)
{
	rte_vfio_user_client_destroy(client);
	client = NULL;
	shutdown(fake.fd, SHUT_RDWR);
	pthread_join(fake.thread, NULL);
	close(fake.fd);
	if (fake.twin >= 0)
		close(fake.twin);
	if (fake.send_fd >= 0)
		close(fake.send_fd);
	fake.twin = fake.send_fd = -1;
	TEST_ASSERT_EQUAL(fake.failed, 0, "server's check in line %d", fake.failed);
	return TEST_SUCCESS;
}

int
make_file(off_t size)
{
	int fd = memfd_create("test", MFD_CLOEXEC);

	return fd >= 0 && ftruncate(fd, size) == 0 ? fd : -1;
}

/* The server offers a twin socket. */
int
fake_offer_twin(void)
{
	int sv[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv) < 0)
		return TEST_FAILED;
	fake.twin = sv[0];
	fake.send_fd = sv[1];
	fake.json = "{\"capabilities\":{\"max_msg_fds\":8,\"max_dma_maps\":70000,"
		"\"max_data_xfer_size\":4096,\"write_multiple\":true,"
		"\"twin_socket\":{\"supported\":true,\"fd_index\":0}}}";
	return 0;
}

void
note_result(struct rte_vfio_user_client *c, ssize_t result, void *arg)
{
	RTE_SET_USED(c);
	*(ssize_t *)arg = result;
}
