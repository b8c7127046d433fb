/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <rte_common.h>
#include <rte_errno.h>

#include "vfio_user_server.h"
#include "vfio_user_trace.h"

#define DEFAULT_TIMEOUT_MS 10000u
#define MAX_REGIONS 1024u
#define MAX_IRQ_INDEXES 64u
#define SETTLE_US 50

/* ---------------------------------------------------------- configuration */

void
rte_vfio_user_server_conf_init(struct rte_vfio_user_server_conf *conf)
{
	memset(conf, 0, sizeof(*conf));
	conf->size = sizeof(*conf);
	conf->listen_fd = -1;
	conf->conn_fd = -1;
	conf->sock_mode = 0600;
	conf->num_regions = VFIO_PCI_NUM_REGIONS;
	conf->num_irqs = VFIO_PCI_NUM_IRQS;
	conf->max_data_xfer_size = RTE_VFIO_USER_DEFAULT_XFER_SIZE;
	conf->max_msg_fds = RTE_VFIO_USER_DEFAULT_MSG_FDS;
	conf->max_dma_maps = RTE_VFIO_USER_DEFAULT_DMA_MAPS;
	conf->max_dma_files = RTE_VFIO_USER_DEFAULT_DMA_FILES;
	conf->max_dma_bytes = RTE_VFIO_USER_DEFAULT_DMA_BYTES;
	conf->msg_timeout_ms = DEFAULT_TIMEOUT_MS;
	conf->dma_timeout_ms = DEFAULT_TIMEOUT_MS;
}

static void
default_u32(uint32_t *val, uint32_t dflt)
{
	if (*val == 0)
		*val = dflt;
}

static void
apply_defaults(struct rte_vfio_user_server_conf *conf)
{
	if (conf->sock_mode == 0)
		conf->sock_mode = 0600;
	default_u32(&conf->num_regions, VFIO_PCI_NUM_REGIONS);
	default_u32(&conf->num_irqs, VFIO_PCI_NUM_IRQS);
	default_u32(&conf->max_data_xfer_size, RTE_VFIO_USER_DEFAULT_XFER_SIZE);
	default_u32(&conf->max_msg_fds, RTE_VFIO_USER_DEFAULT_MSG_FDS);
	default_u32(&conf->max_dma_maps, RTE_VFIO_USER_DEFAULT_DMA_MAPS);
	default_u32(&conf->max_dma_files, RTE_VFIO_USER_DEFAULT_DMA_FILES);
	if (conf->max_dma_bytes == 0)
		conf->max_dma_bytes = RTE_VFIO_USER_DEFAULT_DMA_BYTES;
	default_u32(&conf->msg_timeout_ms, DEFAULT_TIMEOUT_MS);
	default_u32(&conf->dma_timeout_ms, DEFAULT_TIMEOUT_MS);
}

static int
check_conf(const struct rte_vfio_user_server_conf *conf)
{
	const uint32_t flags = RTE_VFIO_USER_SERVER_F_NO_RESET |
		RTE_VFIO_USER_SERVER_F_NO_TWIN_SOCKET |
		RTE_VFIO_USER_SERVER_F_NO_WRITE_MULTI |
		RTE_VFIO_USER_SERVER_F_REQUIRE_SEALS;
	int sources;

	if (conf == NULL || conf->size != sizeof(*conf))
		return -EINVAL;
	sources = (conf->sock_path != NULL) + (conf->listen_fd >= 0) +
		(conf->conn_fd >= 0);
	if (sources != 1 || (conf->flags & ~flags) != 0 ||
	    (conf->sock_mode & ~(mode_t)0777) != 0 ||
	    conf->num_regions > MAX_REGIONS || conf->num_irqs > MAX_IRQ_INDEXES ||
	    conf->max_data_xfer_size > RTE_VFIO_USER_MAX_XFER_SIZE ||
	    conf->max_msg_fds > RTE_VFIO_USER_MAX_MSG_FDS)
		return -EINVAL;
	return conf->sock_path == NULL ? 0 : vfio_user_sock_check_path(conf->sock_path);
}

/* ------------------------------------------------------------- life cycle */

static int
open_events(struct rte_vfio_user_server *srv)
{
	struct epoll_event ev = { .events = EPOLLIN };

	srv->epfd = epoll_create1(EPOLL_CLOEXEC);
	srv->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	srv->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (srv->epfd < 0 || srv->wake_fd < 0 || srv->timer_fd < 0)
		return -errno;
	ev.data.u64 = VFIO_USER_TAG_WAKE;
	if (epoll_ctl(srv->epfd, EPOLL_CTL_ADD, srv->wake_fd, &ev) < 0)
		return -errno;
	ev.data.u64 = VFIO_USER_TAG_TIMER;
	if (epoll_ctl(srv->epfd, EPOLL_CTL_ADD, srv->timer_fd, &ev) < 0)
		return -errno;
	return 0;
}

static void
close_events(struct rte_vfio_user_server *srv)
{
	vfio_user_fd_close(srv->timer_fd);
	vfio_user_fd_close(srv->wake_fd);
	vfio_user_fd_close(srv->epfd);
}

static int
init_dma(struct rte_vfio_user_server *srv)
{
	const struct vfio_user_dma_conf conf = {
		.max_maps = srv->conf.max_dma_maps,
		.max_files = srv->conf.max_dma_files,
		.max_bytes = srv->conf.max_dma_bytes,
		.require_seals =
			(srv->conf.flags & RTE_VFIO_USER_SERVER_F_REQUIRE_SEALS) != 0,
		.wake_fd = srv->wake_fd,
	};

	return vfio_user_dma_init(&srv->dma, &conf);
}

/* The parts of a server, in order; undone in reverse by the labels. */
static int
init_parts(struct rte_vfio_user_server *srv)
{
	int ret;

	ret = open_events(srv);
	if (ret < 0)
		goto close_fds;
	ret = vfio_user_regions_init(&srv->regions, srv->conf.num_regions);
	if (ret < 0)
		goto close_fds;
	ret = vfio_user_irqs_init(&srv->irqs, srv->conf.num_irqs, srv->epfd,
				  VFIO_USER_TAG_RESAMPLE);
	if (ret < 0)
		goto free_regions;
	ret = init_dma(srv);
	if (ret < 0)
		goto free_irqs;
	ret = vfio_user_conn_init(&srv->main, srv->epfd, VFIO_USER_TAG_MAIN,
				  vfio_user_server_on_request, srv, true);
	if (ret < 0)
		goto free_dma;
	ret = vfio_user_conn_init(&srv->twin, srv->epfd, VFIO_USER_TAG_TWIN,
				  vfio_user_server_on_twin_request, srv, true);
	if (ret < 0)
		goto free_main;
	ret = -pthread_mutex_init(&srv->deferred.lock, NULL);
	if (ret < 0)
		goto free_twin;
	return 0;

free_twin:
	vfio_user_conn_fini(&srv->twin);
free_main:
	vfio_user_conn_fini(&srv->main);
free_dma:
	vfio_user_dma_fini(&srv->dma);
free_irqs:
	vfio_user_irqs_fini(&srv->irqs);
free_regions:
	vfio_user_regions_fini(&srv->regions);
close_fds:
	close_events(srv);
	return ret;
}

static void
fini_parts(struct rte_vfio_user_server *srv)
{
	pthread_mutex_destroy(&srv->deferred.lock);
	vfio_user_conn_fini(&srv->twin);
	vfio_user_conn_fini(&srv->main);
	vfio_user_dma_fini(&srv->dma);
	vfio_user_irqs_fini(&srv->irqs);
	vfio_user_regions_fini(&srv->regions);
	close_events(srv);
}

/* Own copies of what the configuration points to. */
static int
copy_conf(struct rte_vfio_user_server *srv, const struct rte_vfio_user_server_conf *conf)
{
	srv->conf = *conf;
	apply_defaults(&srv->conf);
	srv->conf.sock_path = NULL;
	srv->conf.listen_fd = srv->conf.conn_fd = -1;
	if (conf->sock_path != NULL) {
		srv->sock_path = strdup(conf->sock_path);
		if (srv->sock_path == NULL)
			return -ENOMEM;
		return 0;
	}
	if (conf->listen_fd >= 0)
		return srv->conf.listen_fd = vfio_user_fd_dup(conf->listen_fd);
	return srv->conf.conn_fd = vfio_user_fd_dup(conf->conn_fd);
}

struct rte_vfio_user_server *
rte_vfio_user_server_create(const struct rte_vfio_user_server_conf *conf)
{
	struct rte_vfio_user_server *srv;
	uint32_t i;
	int ret;

	ret = check_conf(conf);
	if (ret < 0) {
		VFIO_USER_LOG(ERR, "%s: bad configuration: %s", __func__, strerror(-ret));
		goto fail;
	}
	ret = -ENOMEM;
	srv = calloc(1, sizeof(*srv));
	if (srv == NULL)
		goto fail;
	srv->listen_fd = srv->epfd = srv->wake_fd = srv->timer_fd = -1;
	STAILQ_INIT(&srv->backlog);
	STAILQ_INIT(&srv->held);
	for (i = 0; i < VFIO_USER_MAX_VISITORS; i++)
		srv->visitors[i].fd = -1;
	ret = copy_conf(srv, conf);
	if (ret >= 0)
		ret = init_parts(srv);
	if (ret < 0)
		goto free_srv;
	return srv;

free_srv:
	vfio_user_fd_close(srv->conf.listen_fd);
	vfio_user_fd_close(srv->conf.conn_fd);
	free(srv->sock_path);
	free(srv);
fail:
	rte_errno = -ret;
	return NULL;
}

static int
start_listening(struct rte_vfio_user_server *srv)
{
	struct epoll_event ev = { .events = EPOLLIN };
	int fd = srv->conf.listen_fd, ret;

	if (srv->sock_path != NULL)
		fd = vfio_user_sock_listen(srv->sock_path, srv->conf.sock_mode);
	else if (fcntl(fd, F_SETFL, O_NONBLOCK) < 0) /* accept must not block */
		return -errno;
	if (fd < 0)
		return fd;
	ev.data.u64 = VFIO_USER_TAG_LISTEN;
	if (epoll_ctl(srv->epfd, EPOLL_CTL_ADD, fd, &ev) < 0) {
		ret = -errno;
		goto close_fd;
	}
	srv->listen_fd = fd;
	srv->conf.listen_fd = -1;
	return 0;

close_fd:
	if (srv->sock_path != NULL) {
		unlink(srv->sock_path);
		close(fd);
	}
	return ret;
}

int
rte_vfio_user_server_start(struct rte_vfio_user_server *srv)
{
	int ret;

	if (srv == NULL)
		return vfio_user_misuse(__func__);
	if (srv->started)
		return -EBUSY;
	if (srv->conf.conn_fd >= 0) {
		ret = vfio_user_server_attach(srv, srv->conf.conn_fd);
		srv->conf.conn_fd = -1;
	} else {
		ret = start_listening(srv);
	}
	if (ret < 0) {
		VFIO_USER_LOG(ERR, "%s: cannot start: %s", vfio_user_server_name(srv),
			      strerror(-ret));
		return ret;
	}
	__atomic_store_n(&srv->started, true, __ATOMIC_RELEASE);
	vfio_user_server_show(srv);
	return 0;
}

int
rte_vfio_user_server_destroy(struct rte_vfio_user_server *srv)
{
	uint32_t i;

	if (srv == NULL)
		return 0;
	if (vfio_user_conn_is_owner(&srv->main) || vfio_user_conn_is_owner(&srv->twin)) {
		VFIO_USER_LOG(ERR, "%s: %s called from a callback",
			      vfio_user_server_name(srv), __func__);
		return -EDEADLK;
	}
	vfio_user_telemetry_remove(&srv->telemetry);
	vfio_user_conn_own_first(&srv->main);
	vfio_user_server_drop(srv, "the device is destroyed");
	while (!vfio_user_dma_settle(&srv->dma))
		usleep(SETTLE_US);
	vfio_user_conn_disown(&srv->main);
	while (__atomic_load_n(&srv->users, __ATOMIC_ACQUIRE) != 0)
		usleep(SETTLE_US);

	for (i = 0; i < VFIO_USER_MAX_VISITORS; i++)
		vfio_user_server_free_visitor(srv, &srv->visitors[i]);
	if (srv->listen_fd >= 0 && srv->sock_path != NULL)
		unlink(srv->sock_path);
	vfio_user_fd_close(srv->listen_fd);
	vfio_user_fd_close(srv->conf.listen_fd);
	vfio_user_fd_close(srv->conf.conn_fd);
	vfio_user_server_drop_requests(srv);
	fini_parts(srv);
	free(srv->scratch);
	free(srv->sock_path);
	free(srv);
	return 0;
}

int
rte_vfio_user_server_fd(const struct rte_vfio_user_server *srv)
{
	return srv == NULL ? vfio_user_misuse(__func__) : srv->epfd;
}

void *
rte_vfio_user_server_priv(const struct rte_vfio_user_server *srv)
{
	return srv == NULL ? NULL : srv->conf.priv;
}

int
rte_vfio_user_server_negotiated(const struct rte_vfio_user_server *srv,
				struct rte_vfio_user_negotiated *neg)
{
	if (srv == NULL || neg == NULL)
		return vfio_user_misuse(__func__);
	if (srv->state != VFIO_USER_RUNNING)
		return -ENOTCONN;
	*neg = srv->neg;
	return 0;
}

/* ----------------------------------------------------------------- set-up */

/* Whether the description may still change: 0, -EINVAL, -EBUSY. */
static int
check_setup(const struct rte_vfio_user_server *srv, const char *func)
{
	int ret = srv == NULL ? -EINVAL : srv->started ? -EBUSY : 0;

	if (ret < 0)
		VFIO_USER_LOG(ERR, "%s: %s", func,
			      ret == -EINVAL ? "no server" : "the server is started");
	return ret;
}

/* Log a refused set-up call. */
static int
setup_result(const char *func, uint32_t index, int ret)
{
	if (ret < 0)
		VFIO_USER_LOG(ERR, "%s: index %u: %s", func, index, strerror(-ret));
	return ret;
}

int
rte_vfio_user_server_region_set(struct rte_vfio_user_server *srv, uint32_t index,
				const struct rte_vfio_user_region_conf *conf)
{
	int ret = check_setup(srv, __func__);

	if (ret < 0)
		return ret;
	return setup_result(__func__, index,
			    vfio_user_regions_set(&srv->regions, index, conf));
}

int
rte_vfio_user_server_region_ioeventfd_add(struct rte_vfio_user_server *srv,
		uint32_t index, const struct rte_vfio_user_ioeventfd *io)
{
	int ret = check_setup(srv, __func__);

	if (ret < 0)
		return ret;
	return setup_result(__func__, index,
			    vfio_user_regions_add_io(&srv->regions, index, io));
}

int
rte_vfio_user_server_irq_set(struct rte_vfio_user_server *srv, uint32_t index,
			     uint32_t count, uint32_t flags)
{
	int ret = check_setup(srv, __func__);

	if (ret < 0)
		return ret;
	return setup_result(__func__, index,
			    vfio_user_irqs_describe(&srv->irqs, index, count, flags));
}

int
rte_vfio_user_server_ops_set(struct rte_vfio_user_server *srv,
			     const struct rte_vfio_user_server_ops *ops, void *priv)
{
	int ret = check_setup(srv, __func__);

	if (ret < 0)
		return ret;
	if (ops == NULL)
		return setup_result(__func__, 0, -EINVAL);
	srv->ops = *ops;
	srv->ops_priv = priv;
	return 0;
}

int
rte_vfio_user_server_dma_ops_set(struct rte_vfio_user_server *srv,
				 const struct rte_vfio_user_dma_ops *ops, void *priv)
{
	int ret = check_setup(srv, __func__);

	if (ret < 0)
		return ret;
	if (ops == NULL)
		return setup_result(__func__, 0, -EINVAL);
	srv->dma_ops = *ops;
	srv->dma_priv = priv;
	return 0;
}

/* ------------------------------------------------------------- interrupts */

int
rte_vfio_user_server_irq_trigger(struct rte_vfio_user_server *srv, uint32_t index,
				 uint32_t vector)
{
	int ret = srv == NULL ? -EINVAL :
		vfio_user_irqs_trigger(&srv->irqs, index, vector);

	vfio_user_trace_irq_trigger(srv, index, vector, ret);
	return ret == -EINVAL ? vfio_user_misuse(__func__) : ret;
}

int
rte_vfio_user_server_irq_hold(struct rte_vfio_user_server *srv, uint32_t index,
			      uint32_t vector, bool hold)
{
	int ret = srv == NULL ? -EINVAL :
		vfio_user_irqs_hold(&srv->irqs, index, vector, hold);

	return ret == -EINVAL ? vfio_user_misuse(__func__) : ret;
}

int
rte_vfio_user_server_irq_clear(struct rte_vfio_user_server *srv, uint32_t index,
			       uint32_t vector)
{
	int ret = srv == NULL ? -EINVAL :
		vfio_user_irqs_clear(&srv->irqs, index, vector);

	return ret == -EINVAL ? vfio_user_misuse(__func__) : ret;
}

int
rte_vfio_user_server_irq_set_level(struct rte_vfio_user_server *srv, uint32_t index,
				   uint32_t vector, bool asserted)
{
	int ret = srv == NULL ? -EINVAL :
		vfio_user_irqs_set_level(&srv->irqs, index, vector, asserted);

	return ret == -EINVAL ? vfio_user_misuse(__func__) : ret;
}

int
rte_vfio_user_server_irq_state(const struct rte_vfio_user_server *srv,
			       uint32_t index, uint32_t vector)
{
	/* asking for one that is not there is no misuse */
	return srv == NULL ? vfio_user_misuse(__func__) :
		vfio_user_irqs_state(&srv->irqs, index, vector);
}

int
rte_vfio_user_server_irq_count(const struct rte_vfio_user_server *srv, uint32_t index)
{
	/* as with the state */
	return srv == NULL ? vfio_user_misuse(__func__) :
		vfio_user_irqs_count(&srv->irqs, index);
}

int
rte_vfio_user_server_irq_fd(const struct rte_vfio_user_server *srv, uint32_t index,
			    uint32_t vector)
{
	return srv == NULL ? vfio_user_misuse(__func__) :
		vfio_user_irqs_fd(&srv->irqs, index, vector);
}

/* -------------------------------------------------------------------- DMA */

int
rte_vfio_user_server_dma_lookup(const struct rte_vfio_user_server *srv, uint64_t iova,
				struct rte_vfio_user_dma_info *info)
{
	const struct vfio_user_dma_region *region;

	if (srv == NULL || info == NULL)
		return vfio_user_misuse(__func__);
	region = vfio_user_dma_find(&srv->dma, iova);
	if (region == NULL)
		return -ENOENT;
	*info = region->info;
	return 0;
}

uint32_t
rte_vfio_user_server_dma_count(const struct rte_vfio_user_server *srv)
{
	return srv == NULL ? 0 : vfio_user_iova_count(srv->dma.map);
}
