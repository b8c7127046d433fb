/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

/*
 * Devices by path and id over the handles of the server.
 *
 * Not over a runner: a device that is unregistered by a callback has to be
 * destroyed by the thread that runs the callback, once it is out of it; and
 * when it was the last one, that thread ends itself.
 */

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/queue.h>
#include <sys/un.h>
#include <unistd.h>

#include <rte_common.h>
#include <rte_errno.h>

#include "rte_vfio_user.h"
#include "rte_vfio_user_server.h"
#include "vfio_user_log.h"
#include "vfio_user_thread.h"
#include "vfio_user_series.h"

#define MAX_IDS VFIO_USER_SERIES_MAX_IDS
#define MAX_EVENTS 64

/** An unregister call that waits for the control thread. */
struct waiter {
	bool done;
	bool last; /* the thread ends; join it */
	pthread_t thread;
};

/** A registered device. */
struct device {
	struct vfio_user_series_slot slot; /* first; getters enter it */
	int id;
	/* under the lock */
	bool used;
	bool leaving;
	struct vfio_user_series_info info;
	struct control *control;
	struct waiter *waiter;
	STAILQ_ENTRY(device) next_leaving;
	/* fixed while the slot is live */
	char *path;
	struct rte_vfio_user_notify_ops ops;
	/* for getters; atomic */
	struct rte_vfio_user_server *srv; /* NULL until started */
	bool connected; /* a client has mappings that may be shown */
	struct vfio_user_series_mem mem;
	/* control thread only */
	bool ready; /* between new_device and destroy_device */
	bool dma_changed; /* by the request in hand */
	bool irq_changed;
	bool ending; /* it is being destroyed */
};

/** The control thread. */
struct control {
	pthread_t thread;
	int epfd;
	int wake_fd;
	uint32_t work; /* atomic: devices are leaving */
	/* under the lock */
	uint32_t nb_devices;
	STAILQ_HEAD(, device) leaving;
};

/* Never held across a callback, nor while somebody waits. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t left = PTHREAD_COND_INITIALIZER; /* a waiter is done */
static struct control *control; /* the present one */

/* Made when their number is first needed, then used again; never freed. */
static struct device *devices[MAX_IDS];

static __thread bool in_control_thread;

/* The result of a server function. */
static int
result(int ret)
{
	if (ret >= 0)
		return ret;
	rte_errno = -ret;
	return -1;
}

/* ----------------------------------------------- callbacks of the server */

/* All tables there are show what is no more. */
static void
forget_tables(struct device *dev)
{
	vfio_user_series_mem_free(&dev->slot, vfio_user_series_mem_change(&dev->mem));
}

static int
on_quiesce(struct rte_vfio_user_server *srv, void *priv)
{
	struct device *dev = priv;

	RTE_SET_USED(srv);
	dev->dma_changed = dev->irq_changed = false;
	if (dev->ops.lock_dp != NULL && dev->ops.lock_dp(dev->id, 1) < 0)
		return -EBUSY;
	return 0;
}

static void
on_resume(struct rte_vfio_user_server *srv, void *priv)
{
	struct vfio_user_series_table *stale = NULL;
	struct device *dev = priv;

	if (dev->dma_changed)
		stale = vfio_user_series_mem_change(&dev->mem);
	if (dev->ready) {
		if ((dev->dma_changed || dev->irq_changed) && dev->ops.update_status != NULL)
			dev->ops.update_status(dev->id);
	} else if (rte_vfio_user_server_dma_count(srv) != 0) {
		dev->ready = dev->ops.new_device == NULL || dev->ops.new_device(dev->id) == 0;
	}
	if (dev->ops.lock_dp != NULL)
		dev->ops.lock_dp(dev->id, 0);
	vfio_user_series_mem_free(&dev->slot, stale);
}

static void
on_connected(struct rte_vfio_user_server *srv, void *priv)
{
	struct device *dev = priv;

	RTE_SET_USED(srv);
	forget_tables(dev);
	__atomic_store_n(&dev->connected, true, __ATOMIC_SEQ_CST);
}

static void
on_disconnected(struct device *dev)
{
	if (dev->ready && dev->ops.destroy_device != NULL)
		dev->ops.destroy_device(dev->id);
	dev->ready = false;
	__atomic_store_n(&dev->connected, false, __ATOMIC_SEQ_CST);
	if (dev->ending)
		vfio_user_series_close(&dev->slot);
	else
		forget_tables(dev);
}

static int
on_reset(struct rte_vfio_user_server *srv, enum rte_vfio_user_reset reason, void *priv)
{
	struct device *dev = priv;
	int ret = 0;

	RTE_SET_USED(srv);
	if (reason == RTE_VFIO_USER_RESET_LOST_CONN)
		on_disconnected(dev);
	else if (dev->ops.reset_device != NULL)
		ret = dev->ops.reset_device(dev->id);
	return ret < 0 ? vfio_user_series_errno(ret) : 0;
}

static void
on_irq_changed(struct rte_vfio_user_server *srv, uint32_t index, uint32_t start,
	       uint32_t count, void *priv)
{
	struct device *dev = priv;

	RTE_SET_USED(srv);
	RTE_SET_USED(index);
	RTE_SET_USED(start);
	RTE_SET_USED(count);
	dev->irq_changed = true;
}

static int
on_map(struct rte_vfio_user_server *srv, const struct rte_vfio_user_dma_info *info,
       void *priv)
{
	struct device *dev = priv;

	RTE_SET_USED(srv);
	RTE_SET_USED(info);
	dev->dma_changed = true;
	return 0;
}

static void
on_unmap(struct rte_vfio_user_server *srv, const struct rte_vfio_user_dma_info *info,
	 void *priv)
{
	on_map(srv, info, priv);
}

/* --------------------------------------------------------- control thread */

static void
wake_control(struct control *ctl)
{
	const uint64_t one = 1;

	__atomic_store_n(&ctl->work, 1, __ATOMIC_RELEASE);
	if (write(ctl->wake_fd, &one, sizeof(one)) < 0)
		VFIO_USER_LOG(ERR, "cannot wake the control thread: %s", strerror(errno));
}

/* Undo start and register, but for what is under the lock. */
static void
end_device(struct device *dev)
{
	dev->ending = true;
	if (!dev->ready) /* else destroy_device() may still use the getters */
		vfio_user_series_close(&dev->slot);
	rte_vfio_user_server_destroy(dev->srv);
	dev->srv = NULL;
	forget_tables(dev);
}

/* A device has ended: tell who waits, and whether it was the last. Locked. */
static bool
device_ended(struct control *ctl, struct device *dev)
{
	struct waiter *waiter = dev->waiter;
	bool last = --ctl->nb_devices == 0;

	if (last && control == ctl)
		control = NULL;
	dev->used = false;
	free(dev->path);
	dev->path = NULL;
	if (waiter != NULL) {
		waiter->last = last;
		waiter->thread = ctl->thread;
		waiter->done = true;
		pthread_cond_broadcast(&left);
	} else if (last) {
		pthread_detach(ctl->thread);
	}
	return last;
}

/* End the devices that were unregistered; true: none is left. */
static bool
end_leaving(struct control *ctl)
{
	struct device *dev;
	bool last = false;

	__atomic_store_n(&ctl->work, 0, __ATOMIC_SEQ_CST);
	pthread_mutex_lock(&lock);
	while ((dev = STAILQ_FIRST(&ctl->leaving)) != NULL) {
		STAILQ_REMOVE_HEAD(&ctl->leaving, next_leaving);
		pthread_mutex_unlock(&lock);
		end_device(dev);
		pthread_mutex_lock(&lock);
		last = device_ended(ctl, dev);
	}
	pthread_mutex_unlock(&lock);
	return last;
}

static void
close_control(struct control *ctl)
{
	close(ctl->wake_fd);
	close(ctl->epfd);
	free(ctl);
}

static void *
run_control(void *arg)
{
	struct control *ctl = arg;
	struct epoll_event ev[MAX_EVENTS];
	struct device *dev;
	uint64_t count;
	int i, nb;

	in_control_thread = true;
	do {
		nb = epoll_wait(ctl->epfd, ev, MAX_EVENTS, -1);
		for (i = 0; i < nb; i++) {
			dev = ev[i].data.ptr;
			if (dev != NULL)
				rte_vfio_user_server_poll(dev->srv);
			else if (read(ctl->wake_fd, &count, sizeof(count)) < 0)
				VFIO_USER_LOG(DEBUG, "wake-up: %s", strerror(errno));
		}
		/* after the last event, which may be of a device that leaves */
	} while (__atomic_load_n(&ctl->work, __ATOMIC_ACQUIRE) == 0 || !end_leaving(ctl));
	close_control(ctl);
	return NULL;
}

static int
start_control(struct control *ctl)
{
	struct epoll_event ev = { .events = EPOLLIN };

	if (epoll_ctl(ctl->epfd, EPOLL_CTL_ADD, ctl->wake_fd, &ev) < 0)
		return -errno;
	return vfio_user_thread_start(&ctl->thread, "vfio-user", run_control, ctl);
}

/* Have a control thread: 0 or -errno. Locked. */
static int
need_control(void)
{
	struct control *ctl;
	int ret;

	if (control != NULL)
		return 0;
	ctl = calloc(1, sizeof(*ctl));
	if (ctl == NULL)
		return -ENOMEM;
	STAILQ_INIT(&ctl->leaving);
	ctl->epfd = epoll_create1(EPOLL_CLOEXEC);
	ctl->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	ret = ctl->epfd < 0 || ctl->wake_fd < 0 ? -errno : start_control(ctl);
	if (ret < 0)
		close_control(ctl);
	else
		control = ctl;
	return ret;
}

/* ------------------------------------------------------------ registration */

/* The device of a path, or NULL. Locked. */
static struct device *
find_device(const char *path, bool also_leaving)
{
	struct device *dev;
	uint32_t id;

	for (id = 0; id < MAX_IDS && devices[id] != NULL; id++) {
		dev = devices[id];
		if (dev->used && (also_leaving || !dev->leaving) &&
		    strcmp(dev->path, path) == 0)
			return dev;
	}
	return NULL;
}

/* A device with the lowest free id: 0 or -errno. Locked. */
static int
alloc_device(const char *path, struct device **new)
{
	struct device *dev;
	int id;

	for (id = 0; id < MAX_IDS; id++)
		if (devices[id] == NULL || !devices[id]->used)
			break;
	if (id == MAX_IDS)
		return -ENOSPC;
	dev = devices[id];
	if (dev == NULL) {
		dev = calloc(1, sizeof(*dev));
		if (dev == NULL)
			return -ENOMEM;
		dev->id = id;
		__atomic_store_n(&devices[id], dev, __ATOMIC_RELEASE);
	}
	dev->path = strdup(path);
	if (dev->path == NULL)
		return -ENOMEM;
	memset(&dev->info, 0, sizeof(dev->info));
	dev->waiter = NULL;
	dev->leaving = dev->ending = dev->ready = false;
	*new = dev;
	return 0;
}

static int
register_device(const char *path, const struct rte_vfio_user_notify_ops *ops)
{
	struct device *dev;
	int ret;

	if (path == NULL || path[0] == '\0' || ops == NULL)
		return vfio_user_misuse("rte_vfio_user_register");
	if (strlen(path) >= sizeof(((struct sockaddr_un *)NULL)->sun_path))
		return -ENAMETOOLONG;
	if (find_device(path, true) != NULL)
		return -EEXIST;
	ret = alloc_device(path, &dev);
	if (ret < 0)
		return ret;
	ret = need_control();
	if (ret < 0) {
		free(dev->path);
		dev->path = NULL;
		return ret;
	}
	dev->ops = *ops;
	dev->control = control;
	dev->control->nb_devices++;
	dev->used = true;
	__atomic_store_n(&dev->slot.live, true, __ATOMIC_SEQ_CST);
	return 0;
}

int
rte_vfio_user_register(const char *sock_addr, const struct rte_vfio_user_notify_ops *ops)
{
	int ret;

	pthread_mutex_lock(&lock);
	ret = register_device(sock_addr, ops);
	pthread_mutex_unlock(&lock);
	return result(ret);
}

/* The control thread does it, when it is out of all callbacks. */
int
rte_vfio_user_unregister(const char *sock_addr)
{
	struct waiter waiter = { .done = in_control_thread };
	struct device *dev;

	if (sock_addr == NULL)
		return result(vfio_user_misuse(__func__));
	pthread_mutex_lock(&lock);
	dev = find_device(sock_addr, false);
	if (dev != NULL) {
		dev->leaving = true;
		dev->waiter = in_control_thread ? NULL : &waiter;
		STAILQ_INSERT_TAIL(&dev->control->leaving, dev, next_leaving);
		wake_control(dev->control);
		while (!waiter.done)
			pthread_cond_wait(&left, &lock);
	}
	pthread_mutex_unlock(&lock);
	if (waiter.last)
		pthread_join(waiter.thread, NULL);
	return result(dev == NULL ? -ENOENT : 0);
}

static int
start_server(struct device *dev, struct rte_vfio_user_server *srv)
{
	static const struct rte_vfio_user_server_ops ops = {
		.connected = on_connected,
		.reset = on_reset,
		.quiesce = on_quiesce,
		.resume = on_resume,
		.irq_changed = on_irq_changed,
	};
	static const struct rte_vfio_user_dma_ops dma_ops = {
		.map = on_map,
		.unmap = on_unmap,
	};
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = dev };
	int ret;

	rte_vfio_user_server_ops_set(srv, &ops, dev);
	rte_vfio_user_server_dma_ops_set(srv, &dma_ops, dev);
	ret = rte_vfio_user_server_start(srv);
	if (ret < 0)
		return ret;
	/* before a callback can run */
	__atomic_store_n(&dev->srv, srv, __ATOMIC_RELEASE);
	if (epoll_ctl(dev->control->epfd, EPOLL_CTL_ADD, rte_vfio_user_server_fd(srv),
		      &ev) == 0)
		return 0;
	ret = -errno;
	__atomic_store_n(&dev->srv, NULL, __ATOMIC_RELEASE);
	vfio_user_series_wait(&dev->slot); /* for getters that saw it */
	return ret;
}

/* Locked. */
static int
start_device(struct device *dev)
{
	struct rte_vfio_user_server *srv;
	int ret;

	if (dev->srv != NULL)
		return 0;
	if (dev->info.device == NULL || dev->info.regions == NULL || dev->info.irqs == NULL) {
		VFIO_USER_LOG(ERR, "%s: device, region and interrupt information must be "
			      "set before start", dev->path);
		return -EINVAL;
	}
	srv = vfio_user_series_server(dev->path, &dev->info);
	if (srv == NULL)
		return -rte_errno;
	ret = start_server(dev, srv);
	if (ret < 0)
		rte_vfio_user_server_destroy(srv);
	return ret;
}

int
rte_vfio_user_start(const char *sock_addr)
{
	struct device *dev;
	int ret;

	if (sock_addr == NULL)
		return result(vfio_user_misuse(__func__));
	pthread_mutex_lock(&lock);
	dev = find_device(sock_addr, false);
	ret = dev == NULL ? -ENOENT : start_device(dev);
	pthread_mutex_unlock(&lock);
	return result(ret);
}

/* The device of a path while it may be described; locked unless an error. */
static int
begin_set(const char *func, const char *path, const void *info, struct device **dev)
{
	int ret;

	if (path == NULL || info == NULL)
		return vfio_user_misuse(func);
	pthread_mutex_lock(&lock);
	*dev = find_device(path, false);
	if (*dev != NULL && (*dev)->srv == NULL)
		return 0;
	ret = *dev == NULL ? -ENOENT : -EBUSY;
	pthread_mutex_unlock(&lock);
	return ret;
}

int
rte_vfio_user_set_dev_info(const char *sock_addr, struct vfio_device_info *dev_info)
{
	struct device *dev;
	int ret = begin_set(__func__, sock_addr, dev_info, &dev);

	if (ret < 0)
		return result(ret);
	dev->info.device = dev_info;
	pthread_mutex_unlock(&lock);
	return 0;
}

int
rte_vfio_user_set_reg_info(const char *sock_addr, struct rte_vfio_user_regions *reg)
{
	struct device *dev;
	int ret = begin_set(__func__, sock_addr, reg, &dev);

	if (ret < 0)
		return result(ret);
	dev->info.regions = reg;
	pthread_mutex_unlock(&lock);
	return 0;
}

int
rte_vfio_user_set_irq_info(const char *sock_addr, struct rte_vfio_user_irq_info *irq)
{
	struct device *dev;
	int ret = begin_set(__func__, sock_addr, irq, &dev);

	if (ret < 0)
		return result(ret);
	dev->info.irqs = irq;
	pthread_mutex_unlock(&lock);
	return 0;
}

/* ---------------------------------------------------------------- getters */

/* Begin to use a device; *side is for leave. NULL with rte_errno ENOENT. */
static struct device *
enter_device(int dev_id, int *side)
{
	struct device *dev = NULL;

	if (dev_id >= 0 && dev_id < MAX_IDS)
		dev = __atomic_load_n(&devices[dev_id], __ATOMIC_ACQUIRE);
	*side = dev == NULL ? -1 : vfio_user_series_enter(&dev->slot);
	if (*side >= 0)
		return dev;
	rte_errno = ENOENT;
	return NULL;
}

const struct rte_vfio_user_mem *
rte_vfio_user_get_mem_table(int dev_id)
{
	const struct rte_vfio_user_mem *mem;
	struct rte_vfio_user_server *srv;
	struct device *dev;
	int side;

	dev = enter_device(dev_id, &side);
	if (dev == NULL)
		return NULL;
	srv = __atomic_load_n(&dev->srv, __ATOMIC_ACQUIRE);
	if (!__atomic_load_n(&dev->connected, __ATOMIC_SEQ_CST))
		srv = NULL;
	mem = vfio_user_series_mem_get(&dev->mem, srv);
	vfio_user_series_leave(&dev->slot, side);
	return mem;
}

static int
get_fds(const struct rte_vfio_user_server *srv, uint32_t index, uint32_t count, int *fds)
{
	uint32_t i;
	int fd;

	if (srv == NULL || rte_vfio_user_server_irq_state(srv, index, count - 1) < 0)
		return -EINVAL;
	for (i = 0; i < count; i++) {
		fd = rte_vfio_user_server_irq_fd(srv, index, i);
		fds[i] = fd < 0 ? -1 : fd;
	}
	return 0;
}

int
rte_vfio_user_get_irq(int dev_id, uint32_t index, uint32_t count, int *fds)
{
	struct device *dev;
	int side, ret = 0;

	if (fds == NULL)
		return result(vfio_user_misuse(__func__));
	dev = enter_device(dev_id, &side);
	if (dev == NULL)
		return -1;
	if (count != 0)
		ret = get_fds(__atomic_load_n(&dev->srv, __ATOMIC_ACQUIRE), index, count, fds);
	vfio_user_series_leave(&dev->slot, side);
	return result(ret);
}

int
rte_vfio_get_sock_addr(int dev_id, char *buf, size_t len)
{
	struct device *dev;
	int side, ret = 0;

	if (buf == NULL)
		return result(vfio_user_misuse(__func__));
	dev = enter_device(dev_id, &side);
	if (dev == NULL)
		return -1;
	if (strlen(dev->path) < len)
		strcpy(buf, dev->path);
	else
		ret = -ERANGE;
	vfio_user_series_leave(&dev->slot, side);
	return result(ret);
}
