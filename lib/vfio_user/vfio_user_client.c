/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include <rte_common.h>
#include <rte_errno.h>

#include "vfio_user_caps.h"
#include "vfio_user_client.h"

#define DEFAULT_TIMEOUT_MS 10000u

/* sleeps between attempts to connect */
#define RETRY_MIN_MS 1u
#define RETRY_MAX_MS 50u

/* a request that finds too many pending looks again that often */
#define ROOM_MS 10

/* the server's requests that may wait for room in the send queue */
#define MAX_BACKLOG 1024u

/* requests served inside of one another: dma_cb may wait for the server */
#define MAX_NESTED 8
#define MAX_BACKLOG_BYTES (UINT64_C(64) << 20)

/* data of the events in the epoll set */
enum { TAG_MAIN, TAG_TWIN, TAG_TIMER, NB_TAGS };

/* ------------------------------------------------- requests of the server */

static void
defer_request(struct rte_vfio_user_client *client, struct vfio_user_conn *conn,
	      struct vfio_user_client_backlog *backlog, struct vfio_user_msg *msg)
{
	struct vfio_user_client_deferred *entry;

	if (backlog->nb == MAX_BACKLOG || backlog->bytes > MAX_BACKLOG_BYTES) {
		VFIO_USER_LOG_PEER(&conn->limit,
				   "the server sends requests and takes no replies");
		vfio_user_client_lose(client);
		return;
	}
	entry = malloc(sizeof(*entry));
	if (entry == NULL)
		goto refuse;
	entry->msg = vfio_user_msg_dup(msg);
	if (entry->msg == NULL)
		goto free_entry;
	STAILQ_INSERT_TAIL(&backlog->list, entry, next);
	backlog->nb++;
	backlog->bytes += entry->msg->len;
	return;

free_entry:
	free(entry);
refuse:
	vfio_user_conn_reply_error(conn, &msg->hdr, -ENOMEM, false);
}

static struct vfio_user_client_deferred *
take_deferred(struct vfio_user_client_backlog *backlog)
{
	struct vfio_user_client_deferred *entry = STAILQ_FIRST(&backlog->list);

	STAILQ_REMOVE_HEAD(&backlog->list, next);
	backlog->nb--;
	backlog->bytes -= entry->msg->len;
	return entry;
}

static void
free_deferred(struct vfio_user_client_deferred *entry)
{
	vfio_user_msg_release(entry->msg);
	free(entry->msg);
	free(entry);
}

static void
drop_backlog(struct vfio_user_client_backlog *backlog)
{
	while (backlog->nb != 0)
		free_deferred(take_deferred(backlog));
}

static struct vfio_user_client_backlog *
backlog_of(struct rte_vfio_user_client *client, const struct vfio_user_conn *conn)
{
	return &client->backlog[conn == &client->twin ? TAG_TWIN : TAG_MAIN];
}

/*
 * Whether a request can be served now: its reply has room, and requests that
 * came while dma_cb waits for a reply of its own are not piled up for ever.
 */
static bool
may_serve(const struct rte_vfio_user_client *client, struct vfio_user_conn *conn)
{
	return client->serving < MAX_NESTED &&
		vfio_user_conn_queued(conn) < VFIO_USER_CLIENT_MAX_QUEUED;
}

/*
 * Receiving never stops for a full send queue: the server may be waiting for
 * us to take its data before it takes ours. Its requests wait instead.
 */
static void
on_request(struct vfio_user_conn *conn, struct vfio_user_msg *msg, void *arg)
{
	struct rte_vfio_user_client *client = arg;
	struct vfio_user_client_backlog *backlog = backlog_of(client, conn);

	if (msg->fds.nb != 0) { /* no request has any: it will be refused */
		vfio_user_msg_release(msg);
		msg->fds_lost = true;
	}
	if (backlog->nb == 0 && may_serve(client, conn))
		vfio_user_client_serve(client, conn, msg);
	else
		defer_request(client, conn, backlog, msg);
	vfio_user_msg_release(msg);
}

static void
run_backlog(struct rte_vfio_user_client *client, struct vfio_user_conn *conn)
{
	struct vfio_user_client_backlog *backlog = backlog_of(client, conn);
	struct vfio_user_client_deferred *entry;

	while (backlog->nb != 0 && may_serve(client, conn)) {
		/* out of the list first: serving may come here again */
		entry = take_deferred(backlog);
		vfio_user_client_serve(client, conn, entry->msg);
		free_deferred(entry);
	}
}

/* ------------------------------------------------------------ receiving */

void
vfio_user_client_lose(struct rte_vfio_user_client *client)
{
	if (!__atomic_exchange_n(&client->lost, true, __ATOMIC_ACQ_REL) &&
	    client->ready)
		VFIO_USER_LOG(INFO, "client: connection lost");
	vfio_user_conn_abort(&client->main);
	vfio_user_conn_abort(&client->twin);
}

/* Lock held. */
static void
set_timer(struct rte_vfio_user_client *client, uint64_t deadline)
{
	struct itimerspec its = {
		.it_value.tv_sec = (time_t)(deadline / UINT64_C(1000000000)),
		.it_value.tv_nsec = (long)(deadline % UINT64_C(1000000000)),
	};

	client->timer_at = deadline;
	timerfd_settime(client->timerfd, TFD_TIMER_ABSTIME, &its, NULL);
}

void
vfio_user_client_arm(struct rte_vfio_user_client *client, uint64_t deadline)
{
	pthread_mutex_lock(&client->timer_lock);
	if (client->timer_at == 0 || deadline < client->timer_at)
		set_timer(client, deadline);
	pthread_mutex_unlock(&client->timer_lock);
}

static void
timer_fired(struct rte_vfio_user_client *client)
{
	uint64_t deadline, stalled;

	vfio_user_conn_expire(&client->main, vfio_user_now());
	pthread_mutex_lock(&client->timer_lock);
	/* also ends the readiness; 0 disarms */
	vfio_user_conn_times(&client->main, &deadline, &stalled);
	set_timer(client, deadline);
	pthread_mutex_unlock(&client->timer_lock);
}

/* Messages received, or negative: the connection must end. */
static int
handle_event(struct rte_vfio_user_client *client, const struct epoll_event *ev)
{
	struct vfio_user_conn *conn;
	int ret = 0;

	if (ev->data.u32 == TAG_TIMER) {
		timer_fired(client);
		return 0;
	}
	conn = ev->data.u32 == TAG_TWIN ? &client->twin : &client->main;
	if ((ev->events & EPOLLOUT) != 0)
		vfio_user_conn_flush(conn); /* an error shows in receiving, too */
	if ((ev->events & ~(uint32_t)EPOLLOUT) != 0)
		ret = vfio_user_conn_pump(conn);
	run_backlog(client, conn);
	return ret == -EAGAIN ? 0 : ret;
}

/* Wait for input and handle it. The caller owns the main connection. */
static int
receive(struct rte_vfio_user_client *client, int timeout_ms)
{
	struct epoll_event ev[NB_TAGS];
	int i, n, nb = 0, ret = 0;

	if (__atomic_load_n(&client->lost, __ATOMIC_ACQUIRE))
		return -ENOTCONN;
	/* succeeds: only the owner of the main connection takes it */
	vfio_user_conn_own(&client->twin);
	/* another thread may have sent what they waited for */
	run_backlog(client, &client->main);
	run_backlog(client, &client->twin);
	vfio_user_conn_disown(&client->twin);
	n = epoll_wait(client->epfd, ev, NB_TAGS, timeout_ms);
	if (n <= 0)
		return 0;
	vfio_user_conn_own(&client->twin);
	for (i = 0; i < n && ret >= 0; i++) {
		ret = handle_event(client, &ev[i]);
		nb += RTE_MAX(ret, 0);
	}
	vfio_user_conn_disown(&client->twin);
	if (ret < 0) {
		vfio_user_client_lose(client);
		return -ENOTCONN;
	}
	return nb;
}

static void
wait_input(struct vfio_user_conn *conn, int timeout_ms, void *arg)
{
	RTE_SET_USED(conn);
	receive(arg, timeout_ms);
}

int
rte_vfio_user_client_poll(struct rte_vfio_user_client *client)
{
	int ret;

	if (client == NULL)
		return vfio_user_misuse(__func__);
	/* else its owner is receiving */
	if (!vfio_user_conn_own(&client->main))
		return __atomic_load_n(&client->lost, __ATOMIC_ACQUIRE) ?
			-ENOTCONN : 0;
	ret = receive(client, 0);
	vfio_user_conn_disown(&client->main);
	return ret;
}

/* ------------------------------------------------------------- requests */

static int
sync_done(struct vfio_user_req *req, int status, struct vfio_user_msg *reply)
{
	struct vfio_user_client_req *creq =
		container_of(req, struct vfio_user_client_req, req);
	uint32_t rest;

	if (reply == NULL)
		return status;
	if (status < 0) {
		creq->refused = true;
		return status;
	}
	if (reply->len < creq->head_len)
		return -EPROTO;
	rest = reply->len - creq->head_len;
	if (creq->data != NULL && rest > creq->data_cap)
		return -EPROTO;
	if (creq->head_len != 0)
		memcpy(creq->head, reply->payload, creq->head_len);
	if (creq->data != NULL && rest != 0) {
		memcpy(creq->data, reply->payload + creq->head_len, rest);
		creq->data_len = rest;
	}
	if (creq->fds != NULL)
		vfio_user_fds_move(creq->fds, &reply->fds);
	return 0;
}

/* Too many requests are pending: let some finish. */
static void
wait_room(struct rte_vfio_user_client *client)
{
	const struct timespec ts = { .tv_nsec = VFIO_USER_NS_PER_MS };

	vfio_user_conn_flush(&client->main);
	if (vfio_user_conn_own(&client->main)) {
		receive(client, ROOM_MS);
		vfio_user_conn_disown(&client->main);
	} else {
		nanosleep(&ts, NULL);
	}
	vfio_user_conn_expire(&client->main, vfio_user_now());
}

void
vfio_user_client_start(struct rte_vfio_user_client *client,
		       struct vfio_user_client_req *creq, uint16_t command,
		       const struct vfio_user_out *out)
{
	uint64_t give_up = vfio_user_now() + client->timeout_ns;
	int ret;

	creq->req.command = command;
	creq->req.async = false;
	creq->req.done = sync_done;
	creq->data_len = 0;
	creq->refused = false;
	for (;;) {
		ret = -EAGAIN;
		if (vfio_user_conn_queued(&client->main) < VFIO_USER_CLIENT_MAX_QUEUED)
			ret = vfio_user_conn_request(&client->main, &creq->req, out,
						     client->timeout_ns);
		if (ret != -EAGAIN)
			break;
		if (vfio_user_now() >= give_up) {
			ret = -ETIMEDOUT;
			break;
		}
		wait_room(client);
	}
	if (ret < 0)
		creq->req.status = ret;
	else if (!out->more) /* took the posted writes along */
		__atomic_store_n(&client->posted, 0, __ATOMIC_RELAXED);
}

int
vfio_user_client_finish(struct rte_vfio_user_client *client,
			struct vfio_user_client_req *creq)
{
	return vfio_user_conn_wait(&client->main, &creq->req, wait_input, client);
}

int
vfio_user_client_call(struct rte_vfio_user_client *client,
		      struct vfio_user_client_req *creq, uint16_t command,
		      const struct vfio_user_out *out)
{
	vfio_user_client_start(client, creq, command, out);
	return vfio_user_client_finish(client, creq);
}

/* ---------------------------------------------------------- negotiation */

static int
format_version(const struct rte_vfio_user_client *client, char *text, uint32_t size)
{
	struct vfio_user_caps caps = {
		.present = VFIO_USER_CAP_MAX_MSG_FDS | VFIO_USER_CAP_MAX_XFER |
			VFIO_USER_CAP_MAX_DMA_MAPS | VFIO_USER_CAP_PGSIZES |
			VFIO_USER_CAP_WRITE_MULTIPLE | VFIO_USER_CAP_SPARSE_FDS,
		.max_msg_fds = client->max_msg_fds,
		.max_data_xfer_size = client->max_data_xfer_size,
		.max_dma_maps = client->max_dma_maps,
		.pgsizes = (uint64_t)sysconf(_SC_PAGESIZE),
		.write_multiple = true,
		.twin_socket = true,
		.sparse_mmap_fds = true,
	};

	if ((client->flags & RTE_VFIO_USER_CLIENT_F_NO_TWIN_SOCKET) == 0)
		caps.present |= VFIO_USER_CAP_TWIN_SOCKET;
	return vfio_user_caps_format(&caps, text, size);
}

static bool
is_unix_stream(int fd)
{
	int domain, type;
	socklen_t len = sizeof(domain);

	if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) < 0)
		return false;
	len = sizeof(type);
	if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) < 0)
		return false;
	return domain == AF_UNIX && type == SOCK_STREAM;
}

static int
open_twin(struct rte_vfio_user_client *client, const struct vfio_user_caps *caps,
	  struct vfio_user_fds *fds)
{
	int fd;

	if ((client->flags & RTE_VFIO_USER_CLIENT_F_NO_TWIN_SOCKET) != 0 ||
	    (caps->present & VFIO_USER_CAP_TWIN_FD_INDEX) == 0)
		return -EPROTO;
	fd = vfio_user_fds_take(fds, caps->twin_fd_index);
	if (fd < 0)
		return -EPROTO;
	if (!is_unix_stream(fd)) {
		close(fd);
		return -EPROTO;
	}
	return vfio_user_conn_open(&client->twin, fd,
			VFIO_USER_MAX_MSG_SIZE(client->max_data_xfer_size));
}

/* Take what the server answered to VERSION. */
static int
accept_version(struct rte_vfio_user_client *client,
	       const struct vfio_user_version *version, const char *text,
	       uint32_t len, struct vfio_user_fds *fds)
{
	struct rte_vfio_user_negotiated *neg = &client->neg;
	struct vfio_user_caps caps;
	int ret;

	if (version->major != RTE_VFIO_USER_PROTO_MAJOR ||
	    version->minor > RTE_VFIO_USER_PROTO_MINOR) {
		VFIO_USER_LOG(ERR, "the server speaks version %u.%u",
			      version->major, version->minor);
		return -EPROTO;
	}
	if (vfio_user_caps_parse(text, len, &caps) < 0) {
		VFIO_USER_LOG(ERR, "the server's capabilities are malformed");
		return -EPROTO;
	}
	if (caps.twin_socket) {
		ret = open_twin(client, &caps, fds);
		if (ret < 0) {
			VFIO_USER_LOG(ERR, "the server's twin socket is unusable");
			return ret;
		}
	}
	neg->major = version->major;
	neg->minor = version->minor;
	neg->max_msg_fds = RTE_MIN(caps.max_msg_fds,
				   (uint32_t)RTE_VFIO_USER_MAX_MSG_FDS);
	neg->max_data_xfer_size = RTE_MIN(caps.max_data_xfer_size,
					  client->max_data_xfer_size);
	neg->max_dma_maps = RTE_MIN(caps.max_dma_maps, client->max_dma_maps);
	neg->pgsizes = caps.pgsizes;
	neg->write_multiple = caps.write_multiple;
	neg->twin_socket = caps.twin_socket;
	neg->sparse_mmap_fds = caps.sparse_mmap_fds;
	return 0;
}

static int
negotiate(struct rte_vfio_user_client *client)
{
	char text[512], reply_text[VFIO_USER_MAX_VERSION_DATA];
	struct vfio_user_version version = {
		.major = RTE_VFIO_USER_PROTO_MAJOR,
		.minor = RTE_VFIO_USER_PROTO_MINOR,
	}, reply;
	struct vfio_user_fds fds;
	struct vfio_user_client_req creq = {
		.head = &reply,
		.head_len = sizeof(reply),
		.data = reply_text,
		.data_cap = sizeof(reply_text),
		.fds = &fds,
	};
	struct vfio_user_out out = { .head = &version, .head_len = sizeof(version),
				     .data = text };
	int ret;

	ret = format_version(client, text, sizeof(text));
	if (ret < 0)
		return ret;
	out.data_len = (uint32_t)ret;
	vfio_user_fds_init(&fds);
	ret = vfio_user_client_call(client, &creq, VFIO_USER_VERSION, &out);
	if (ret == 0) {
		ret = accept_version(client, &reply, reply_text, creq.data_len, &fds);
	} else if (creq.refused && ret != -EBUSY) {
		VFIO_USER_LOG(ERR, "the server refused VERSION: %s", strerror(-ret));
		ret = -EPROTO;
	}
	vfio_user_fds_close(&fds);
	return ret;
}

/* ----------------------------------------------------------- life cycle */

void
rte_vfio_user_client_conf_init(struct rte_vfio_user_client_conf *conf)
{
	if (conf == NULL)
		return;
	memset(conf, 0, sizeof(*conf));
	conf->size = sizeof(*conf);
	conf->conn_fd = -1;
}

static int
check_conf(const struct rte_vfio_user_client_conf *conf)
{
	if (conf == NULL || conf->size != sizeof(*conf))
		return -EINVAL;
	if ((conf->sock_path == NULL) == (conf->conn_fd < 0))
		return -EINVAL;
	if ((conf->flags & ~RTE_VFIO_USER_CLIENT_F_NO_TWIN_SOCKET) != 0)
		return -EINVAL;
	if (conf->max_data_xfer_size > RTE_VFIO_USER_MAX_XFER_SIZE ||
	    conf->max_msg_fds > RTE_VFIO_USER_MAX_MSG_FDS)
		return -EINVAL;
	return conf->sock_path == NULL ? 0 :
		vfio_user_sock_check_path(conf->sock_path);
}

static void
apply_conf(struct rte_vfio_user_client *client,
	   const struct rte_vfio_user_client_conf *conf)
{
	uint32_t ms = conf->request_timeout_ms;

	client->flags = conf->flags;
	client->max_msg_fds = conf->max_msg_fds != 0 ?
		conf->max_msg_fds : RTE_VFIO_USER_DEFAULT_MSG_FDS;
	client->max_data_xfer_size = conf->max_data_xfer_size != 0 ?
		conf->max_data_xfer_size : RTE_VFIO_USER_DEFAULT_XFER_SIZE;
	client->max_dma_maps = conf->max_dma_maps != 0 ?
		conf->max_dma_maps : RTE_VFIO_USER_DEFAULT_DMA_MAPS;
	client->timeout_ns = (ms != 0 ? ms : DEFAULT_TIMEOUT_MS) *
		VFIO_USER_NS_PER_MS;
	client->dma_cb = conf->dma_cb;
	client->priv = conf->priv;
}

static int
init_conns(struct rte_vfio_user_client *client)
{
	int ret;

	ret = vfio_user_conn_init(&client->main, client->epfd, TAG_MAIN,
				  on_request, client);
	if (ret < 0)
		return ret;
	ret = vfio_user_conn_init(&client->twin, client->epfd, TAG_TWIN,
				  on_request, client);
	if (ret < 0) {
		vfio_user_conn_fini(&client->main);
		return ret;
	}
	client->main.pause_at = UINT32_MAX;
	client->twin.pause_at = UINT32_MAX;
	return 0;
}

/* The epoll set and the timer in it. */
static int
init_events(struct rte_vfio_user_client *client)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.u32 = TAG_TIMER };
	int ret;

	client->epfd = epoll_create1(EPOLL_CLOEXEC);
	if (client->epfd < 0)
		return -errno;
	client->timerfd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (client->timerfd < 0) {
		ret = -errno;
		goto close_epfd;
	}
	if (epoll_ctl(client->epfd, EPOLL_CTL_ADD, client->timerfd, &ev) < 0) {
		ret = -errno;
		goto close_timer;
	}
	return 0;

close_timer:
	close(client->timerfd);
close_epfd:
	close(client->epfd);
	return ret;
}

static void
fini_events(struct rte_vfio_user_client *client)
{
	close(client->timerfd);
	close(client->epfd);
}

static int
alloc_client(const struct rte_vfio_user_client_conf *conf,
	     struct rte_vfio_user_client **clientp)
{
	struct rte_vfio_user_client *client = calloc(1, sizeof(*client));
	int ret;

	if (client == NULL)
		return -ENOMEM;
	apply_conf(client, conf);
	STAILQ_INIT(&client->backlog[TAG_MAIN].list);
	STAILQ_INIT(&client->backlog[TAG_TWIN].list);
	ret = init_events(client);
	if (ret < 0)
		goto free_client;
	ret = init_conns(client);
	if (ret < 0)
		goto close_events;
	client->maps = vfio_user_iova_create();
	if (client->maps == NULL) {
		ret = -ENOMEM;
		goto free_conns;
	}
	pthread_mutex_init(&client->timer_lock, NULL);
	pthread_mutex_init(&client->region_lock, NULL);
	pthread_rwlock_init(&client->ops_lock, NULL);
	pthread_rwlock_init(&client->map_lock, NULL);
	vfio_user_client_eal_init(client);
	*clientp = client;
	return 0;

free_conns:
	vfio_user_conn_fini(&client->twin);
	vfio_user_conn_fini(&client->main);
close_events:
	fini_events(client);
free_client:
	free(client);
	return ret;
}

static void
free_client(struct rte_vfio_user_client *client)
{
	vfio_user_client_eal_fini(client);
	/* completions run here and may look at anything else */
	vfio_user_conn_close(&client->main);
	vfio_user_conn_close(&client->twin);
	drop_backlog(&client->backlog[TAG_MAIN]);
	drop_backlog(&client->backlog[TAG_TWIN]);
	vfio_user_client_regions_fini(client);
	vfio_user_iova_destroy(client->maps);
	pthread_rwlock_destroy(&client->map_lock);
	pthread_rwlock_destroy(&client->ops_lock);
	pthread_mutex_destroy(&client->region_lock);
	pthread_mutex_destroy(&client->timer_lock);
	vfio_user_conn_fini(&client->twin);
	vfio_user_conn_fini(&client->main);
	fini_events(client);
	free(client);
}

/* Connect and negotiate once. */
static int
attempt(struct rte_vfio_user_client *client,
	const struct rte_vfio_user_client_conf *conf)
{
	int fd, ret;

	fd = conf->sock_path != NULL ? vfio_user_sock_connect(conf->sock_path) :
		vfio_user_fd_dup(conf->conn_fd);
	if (fd < 0)
		return fd;
	client->lost = false;
	ret = vfio_user_conn_open(&client->main, fd,
			VFIO_USER_MAX_MSG_SIZE(client->max_data_xfer_size));
	if (ret < 0)
		return ret;
	ret = negotiate(client);
	if (ret < 0) {
		vfio_user_conn_close(&client->main);
		drop_backlog(&client->backlog[TAG_MAIN]);
	}
	return ret;
}

/* Nobody listens (any more), or the device is held by another client. */
static bool
worth_retrying(int error)
{
	return error == -ENOENT || error == -ECONNREFUSED || error == -EAGAIN ||
		error == -EBUSY || error == -ENOTCONN;
}

static int
connect_client(struct rte_vfio_user_client *client,
	       const struct rte_vfio_user_client_conf *conf)
{
	uint64_t until = vfio_user_now() +
		conf->connect_timeout_ms * VFIO_USER_NS_PER_MS;
	uint64_t now, sleep_ns = RETRY_MIN_MS * VFIO_USER_NS_PER_MS;
	struct timespec ts = { 0 };
	int ret;

	for (;;) {
		ret = attempt(client, conf);
		now = vfio_user_now();
		if (ret == 0 || conf->sock_path == NULL ||
		    !worth_retrying(ret) || now >= until)
			return ret;
		ts.tv_nsec = (long)RTE_MIN(sleep_ns, until - now);
		nanosleep(&ts, NULL);
		sleep_ns = RTE_MIN(sleep_ns * 2, RETRY_MAX_MS * VFIO_USER_NS_PER_MS);
	}
}

struct rte_vfio_user_client *
rte_vfio_user_client_create(const struct rte_vfio_user_client_conf *conf)
{
	struct rte_vfio_user_client *client = NULL;
	int ret;

	ret = check_conf(conf);
	if (ret < 0)
		VFIO_USER_LOG(ERR, "%s: bad configuration: %s", __func__, strerror(-ret));
	else
		ret = alloc_client(conf, &client);
	if (ret < 0)
		goto fail;
	ret = connect_client(client, conf);
	if (ret < 0)
		goto discard;
	client->ready = true;
	VFIO_USER_LOG(DEBUG, "client: connected, protocol %u.%u",
		      client->neg.major, client->neg.minor);
	return client;

discard:
	free_client(client);
fail:
	rte_errno = -ret;
	return NULL;
}

void
rte_vfio_user_client_destroy(struct rte_vfio_user_client *client)
{
	if (client == NULL)
		return;
	vfio_user_conn_flush(&client->main); /* posted writes */
	free_client(client);
}

int
rte_vfio_user_client_fd(const struct rte_vfio_user_client *client)
{
	return client == NULL ? vfio_user_misuse(__func__) : client->epfd;
}

int
rte_vfio_user_client_negotiated(const struct rte_vfio_user_client *client,
				struct rte_vfio_user_negotiated *neg)
{
	if (client == NULL || neg == NULL)
		return vfio_user_misuse(__func__);
	*neg = client->neg;
	return 0;
}
