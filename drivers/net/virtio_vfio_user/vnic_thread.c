/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <virtio_net_dpdk.h>

#include "vnic.h"
#include "vnic_reconnect.h"
#include "vnic_thread.h"

/* Milliseconds between looks at ports that wait for a time. */
#define TICK_MS 50
#define MAX_EVENTS 16
/* What an event is of, beside the id of its port. */
#define OF_CLIENT 0u
#define OF_CONFIG 1u
#define OF_THREAD UINT64_MAX

static struct {
	/* Of those who start and end it; not taken by the thread. */
	pthread_mutex_t life;
	uint32_t nb_ports;
	virtio_net_thread thread;
	/* Held while the thread works: a port is not taken away meanwhile. */
	pthread_mutex_t work;
	struct vnic_port *ports[RTE_MAX_ETHPORTS];
	int epoll_fd;
	int wake_fd; /* for good once it is made: state callbacks use it */
	bool end;
} ctl = {
	.life = PTHREAD_MUTEX_INITIALIZER,
	.work = PTHREAD_MUTEX_INITIALIZER,
	.epoll_fd = -1,
	.wake_fd = -1,
};

static uint64_t
tag(const struct vnic_port *port, uint32_t of)
{
	return (uint64_t)port->eth->data->port_id << 1 | of;
}

void
vnic_thread_kick(void)
{
	if (ctl.wake_fd >= 0)
		eventfd_write(ctl.wake_fd, 1);
}

/* ----------------------------------------------------------- the thread */

/* ctl.work held. An event may be of a port that has gone. */
static void
handle(const struct epoll_event *event)
{
	struct vnic_port *port;
	eventfd_t count;

	if (event->data.u64 == OF_THREAD) {
		eventfd_read(ctl.wake_fd, &count);
		return;
	}
	port = ctl.ports[event->data.u64 >> 1];
	if (port == NULL)
		return;
	if ((event->data.u64 & 1) == OF_CLIENT)
		rte_vfio_user_client_poll(port->pci.client);
	else
		vnic_reconnect_config(port);
}

/* ctl.work held. Whether a port waits for a time. */
static bool
look_at_ports(void)
{
	bool waits = false;
	uint32_t i;

	for (i = 0; i < RTE_DIM(ctl.ports); i++)
		if (ctl.ports[i] != NULL && vnic_reconnect_look(ctl.ports[i]))
			waits = true;
	return waits;
}

static virtio_net_thread_ret
run(void *arg)
{
	struct epoll_event events[MAX_EVENTS];
	bool end = false, waits = false;
	int i, nb;

	while (!end) {
		nb = epoll_wait(ctl.epoll_fd, events, MAX_EVENTS, waits ? TICK_MS : -1);
		pthread_mutex_lock(&ctl.work);
		for (i = 0; i < nb; i++)
			handle(&events[i]);
		waits = look_at_ports();
		end = ctl.end;
		pthread_mutex_unlock(&ctl.work);
	}
	RTE_SET_USED(arg);
	return 0;
}

/* ---------------------------------------------------------------- life */

static int
watch(int fd, uint64_t data)
{
	struct epoll_event event = { .events = EPOLLIN, .data.u64 = data };

	return epoll_ctl(ctl.epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

static int
start_thread(void)
{
	sigset_t all, old;
	int ret = 0;

	if (ctl.wake_fd < 0)
		ctl.wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	ctl.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (ctl.wake_fd < 0 || ctl.epoll_fd < 0)
		ret = -errno;
	if (ret == 0)
		ret = watch(ctl.wake_fd, OF_THREAD);
	if (ret == 0) {
		ctl.end = false;
		/* signals are the application's, but for those that a fault raises */
		sigfillset(&all);
		sigdelset(&all, SIGBUS);
		sigdelset(&all, SIGSEGV);
		pthread_sigmask(SIG_SETMASK, &all, &old);
		ret = virtio_net_thread_start(&ctl.thread, "virtio-vfiou", run, NULL);
		pthread_sigmask(SIG_SETMASK, &old, NULL);
	}
	if (ret != 0 && ctl.epoll_fd >= 0) {
		close(ctl.epoll_fd);
		ctl.epoll_fd = -1;
	}
	return ret;
}

static void
end_thread(void)
{
	pthread_mutex_lock(&ctl.work);
	ctl.end = true;
	pthread_mutex_unlock(&ctl.work);
	vnic_thread_kick();
	virtio_net_thread_join(ctl.thread);
	close(ctl.epoll_fd);
	ctl.epoll_fd = -1;
}

int
vnic_thread_add(struct vnic_port *port)
{
	int ret = 0;

	pthread_mutex_lock(&ctl.life);
	if (ctl.nb_ports == 0)
		ret = start_thread();
	if (ret < 0)
		goto unlock;
	ctl.nb_ports++;
	pthread_mutex_lock(&ctl.work);
	ctl.ports[port->eth->data->port_id] = port;
	pthread_mutex_unlock(&ctl.work);
	ret = watch(rte_vfio_user_client_fd(port->pci.client), tag(port, OF_CLIENT));
	if (ret == 0)
		ret = watch(port->config_fd, tag(port, OF_CONFIG));
unlock:
	pthread_mutex_unlock(&ctl.life);
	if (ret < 0)
		vnic_thread_remove(port);
	return ret;
}

void
vnic_thread_remove(struct vnic_port *port)
{
	const uint16_t id = port->eth->data->port_id;

	pthread_mutex_lock(&ctl.life);
	if (ctl.ports[id] != port)
		goto unlock;
	epoll_ctl(ctl.epoll_fd, EPOLL_CTL_DEL, rte_vfio_user_client_fd(port->pci.client), NULL);
	epoll_ctl(ctl.epoll_fd, EPOLL_CTL_DEL, port->config_fd, NULL);
	pthread_mutex_lock(&ctl.work);
	ctl.ports[id] = NULL;
	pthread_mutex_unlock(&ctl.work);
	if (--ctl.nb_ports == 0)
		end_thread();
unlock:
	pthread_mutex_unlock(&ctl.life);
}
