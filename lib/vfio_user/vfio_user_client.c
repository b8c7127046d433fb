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
#define MAX_BUSY_POLL_US 1000000u

/* sleeps between attempts to connect */
#define RETRY_MIN_MS 1u
#define RETRY_MAX_MS 50u

/* ---------------------------------------------------------- negotiation */

int
vfio_user_client_offer(const struct rte_vfio_user_client *client, char *text,
		       uint32_t size)
{
	struct vfio_user_caps caps = {
		.present = VFIO_USER_CAP_MAX_MSG_FDS | VFIO_USER_CAP_MAX_XFER |
			VFIO_USER_CAP_MAX_DMA_MAPS | VFIO_USER_CAP_PGSIZES |
			VFIO_USER_CAP_WRITE_MULTIPLE,
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
	if ((client->flags & RTE_VFIO_USER_CLIENT_F_NO_SPARSE_FDS) == 0)
		caps.present |= VFIO_USER_CAP_SPARSE_FDS;
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

int
vfio_user_client_accept(struct rte_vfio_user_client *client,
			const struct vfio_user_version *version, const char *text,
			uint32_t len, struct vfio_user_fds *fds,
			struct rte_vfio_user_negotiated *neg)
{
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

	ret = vfio_user_client_offer(client, text, sizeof(text));
	if (ret < 0)
		return ret;
	out.data_len = (uint32_t)ret;
	vfio_user_fds_init(&fds);
	ret = vfio_user_client_call(client, &creq, VFIO_USER_VERSION, &out);
	if (ret == 0) {
		ret = vfio_user_client_accept(client, &reply, reply_text,
					      creq.data_len, &fds, &client->neg);
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
	const uint32_t flags = RTE_VFIO_USER_CLIENT_F_NO_TWIN_SOCKET |
		RTE_VFIO_USER_CLIENT_F_REQUIRE_SEALS |
		RTE_VFIO_USER_CLIENT_F_NO_SPARSE_FDS |
		RTE_VFIO_USER_CLIENT_F_RETRY_READS;

	if (conf == NULL || conf->size != sizeof(*conf))
		return -EINVAL;
	if ((conf->sock_path == NULL) == (conf->conn_fd < 0))
		return -EINVAL;
	if ((conf->flags & ~flags) != 0)
		return -EINVAL;
	if (conf->reconnect_timeout_ms != 0 ? conf->sock_path == NULL :
	    conf->state_cb != NULL ||
	    (conf->flags & RTE_VFIO_USER_CLIENT_F_RETRY_READS) != 0)
		return -EINVAL;
	if (conf->busy_poll_us > MAX_BUSY_POLL_US ||
	    conf->max_data_xfer_size > RTE_VFIO_USER_MAX_XFER_SIZE ||
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
	client->busy_poll_ns = conf->busy_poll_us * UINT64_C(1000);
	client->dma_cb = conf->dma_cb;
	client->priv = conf->priv;
}

static int
init_conns(struct rte_vfio_user_client *client)
{
	int ret;

	ret = vfio_user_conn_init(&client->main, client->epfd, VFIO_USER_CLIENT_TAG_MAIN,
				  vfio_user_client_on_request, client, false);
	if (ret < 0)
		return ret;
	ret = vfio_user_conn_init(&client->twin, client->epfd, VFIO_USER_CLIENT_TAG_TWIN,
				  vfio_user_client_on_request, client, false);
	if (ret < 0) {
		vfio_user_conn_fini(&client->main);
		return ret;
	}
	client->main.pause_at = UINT32_MAX;
	client->twin.pause_at = UINT32_MAX;
	return 0;
}

int
vfio_user_client_watch(struct rte_vfio_user_client *client, int fd,
		       enum vfio_user_client_tag tag)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.u32 = tag };

	return fd < 0 || epoll_ctl(client->epfd, EPOLL_CTL_ADD, fd, &ev) < 0 ? -errno : 0;
}

static void
fini_events(struct rte_vfio_user_client *client)
{
	vfio_user_fd_close(client->sigbus.wake_fd);
	vfio_user_fd_close(client->timerfd);
	close(client->epfd);
}

/* The epoll set and what is in it for good. */
static int
init_events(struct rte_vfio_user_client *client)
{
	int ret;

	client->epfd = epoll_create1(EPOLL_CLOEXEC);
	if (client->epfd < 0)
		return -errno;
	client->sigbus.wake_fd = -1;
	client->timerfd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	ret = vfio_user_client_watch(client, client->timerfd, VFIO_USER_CLIENT_TAG_TIMER);
	if (ret < 0)
		fini_events(client);
	return ret;
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
	STAILQ_INIT(&client->backlog[VFIO_USER_CLIENT_TAG_MAIN].list);
	STAILQ_INIT(&client->backlog[VFIO_USER_CLIENT_TAG_TWIN].list);
	ret = init_events(client);
	if (ret < 0)
		goto free_client;
	ret = init_conns(client);
	if (ret < 0)
		goto close_events;
	ret = vfio_user_client_maps_init(client);
	if (ret < 0)
		goto free_conns;
	ret = vfio_user_client_link_init(client, conf);
	if (ret < 0)
		goto free_maps;
	pthread_mutex_init(&client->timer_lock, NULL);
	pthread_mutex_init(&client->region_lock, NULL);
	pthread_mutex_init(&client->irqs.lock, NULL);
	pthread_rwlock_init(&client->ops_lock, NULL);
	vfio_user_client_eal_init(client);
	*clientp = client;
	return 0;

free_maps:
	vfio_user_client_maps_fini(client);
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
	vfio_user_telemetry_remove(&client->telemetry);
	vfio_user_client_eal_fini(client);
	/* completions run here and may look at anything else */
	vfio_user_client_link_stop(client);
	vfio_user_conn_close(&client->main);
	vfio_user_conn_close(&client->twin);
	vfio_user_client_drop_backlogs(client);
	vfio_user_client_regions_fini(client);
	vfio_user_client_irqs_fini(client);
	vfio_user_client_link_fini(client);
	vfio_user_client_maps_fini(client);
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
		vfio_user_client_drop_backlogs(client);
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
	vfio_user_stats_inc(&client->stats.connections);
	ret = vfio_user_client_link_start(client);
	if (ret < 0)
		goto discard;
	vfio_user_client_show(client, conf->sock_path);
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
