/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

/*
 * Life of the connection after create.
 *
 *	UP --lost--> DOWN --connected--> HANDSHAKE --last step--> UP
 *	              ^ `--timeout--.        |`--other shape--.
 *	              '-------------+-failed-'                |
 *	                            '-------> GONE <----------'
 *
 * All transitions are made by vfio_user_client_drive(), in a thread that owns
 * the main connection and is not nested in a callback: it may close sockets,
 * and nobody else receives. It never waits: requests of the handshake are
 * asynchronous, what their completions find is taken up by the next drive.
 */

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <rte_common.h>

#include "vfio_user_client.h"

/*
 * Pauses between attempts; a connection that lasted is the start of a new row. A server
 * whose start took its time is used long before a second has passed.
 */
#define BACKOFF_MIN_NS (10 * VFIO_USER_NS_PER_MS)
#define BACKOFF_MAX_NS (250 * VFIO_USER_NS_PER_MS)
#define LASTED_NS (1000 * VFIO_USER_NS_PER_MS)
/* after connections that were up only briefly; failed attempts wait longer */
#define BACKOFF_BRIEF_NS (50 * VFIO_USER_NS_PER_MS)

/* parked reads that found too many requests pending are tried again */
#define ROOM_NS (10 * VFIO_USER_NS_PER_MS)

/* a waiting thread looks that often whether it may, and should, drive */
#define AWAIT_MS 100
#define FOLLOW_NS VFIO_USER_NS_PER_MS

/* ------------------------------------------------ requests of the handshake */

struct asked {
	struct vfio_user_req req;
	struct rte_vfio_user_client *client;
	vfio_user_client_take_t take;
	uint64_t index;
};

static int
asked_done(struct vfio_user_req *req, int status, struct vfio_user_msg *reply)
{
	struct asked *asked = container_of(req, struct asked, req);
	struct vfio_user_client_link *link = &asked->client->link;

	/* without a reply it may be any thread */
	if (reply != NULL && asked->take != NULL)
		status = asked->take(asked->client, asked->index, status, reply);
	pthread_mutex_lock(&link->lock);
	if (req->generation == link->generation) {
		link->nb_asked--;
		if (link->error == 0)
			link->error = status;
	}
	pthread_mutex_unlock(&link->lock);
	__atomic_store_n(&link->todo, true, __ATOMIC_RELEASE);
	free(asked);
	return 0;
}

int
vfio_user_client_ask(struct rte_vfio_user_client *client, uint16_t command,
		     const struct vfio_user_out *out, vfio_user_client_take_t take,
		     uint64_t index)
{
	struct vfio_user_client_link *link = &client->link;
	struct asked *asked = calloc(1, sizeof(*asked));
	int ret;

	if (asked == NULL)
		return -ENOMEM;
	asked->req.command = command;
	asked->req.generation = link->generation; /* written by this thread */
	asked->req.async = true;
	asked->req.done = asked_done;
	asked->client = client;
	asked->take = take;
	asked->index = index;
	pthread_mutex_lock(&link->lock);
	link->nb_asked++; /* first: it may fail at once, in another thread */
	pthread_mutex_unlock(&link->lock);
	ret = vfio_user_conn_request(&client->main, &asked->req, out,
				     client->timeout_ns);
	if (ret == 0)
		return 0;
	pthread_mutex_lock(&link->lock);
	link->nb_asked--;
	pthread_mutex_unlock(&link->lock);
	free(asked);
	return ret;
}

static uint32_t
nb_asked(struct rte_vfio_user_client *client, int *error)
{
	struct vfio_user_client_link *link = &client->link;
	uint32_t nb;

	pthread_mutex_lock(&link->lock);
	nb = link->nb_asked;
	*error = link->error;
	pthread_mutex_unlock(&link->lock);
	return nb;
}

uint32_t
vfio_user_client_may_ask(struct rte_vfio_user_client *client)
{
	int error;
	uint32_t nb = nb_asked(client, &error);

	return nb < VFIO_USER_CLIENT_WINDOW ? VFIO_USER_CLIENT_WINDOW - nb : 0;
}

int
vfio_user_client_answered(struct rte_vfio_user_client *client)
{
	int error;

	return nb_asked(client, &error) == 0;
}

int
vfio_user_client_changed(struct rte_vfio_user_client *client, const char *format, ...)
{
	char what[128];
	va_list args;

	va_start(args, format);
	vsnprintf(what, sizeof(what), format, args);
	va_end(args);
	VFIO_USER_LOG(ERR, "client: the device of %s has changed: %s",
		      client->link.path, what);
	client->link.changed = true;
	return -ESTALE;
}

/* ------------------------------------------------------ the first step */

static int
take_version(struct rte_vfio_user_client *client, uint64_t index, int status,
	     struct vfio_user_msg *reply)
{
	struct rte_vfio_user_negotiated neg;
	struct vfio_user_version version;

	RTE_SET_USED(index);
	if (status < 0)
		return status;
	if (reply->len < sizeof(version) ||
	    reply->len - sizeof(version) > VFIO_USER_MAX_VERSION_DATA)
		return -EPROTO;
	memcpy(&version, reply->payload, sizeof(version));
	status = vfio_user_client_accept(client, &version,
			(const char *)reply->payload + sizeof(version),
			reply->len - (uint32_t)sizeof(version), &reply->fds, &neg);
	if (status == 0)
		status = vfio_user_client_check_negotiated(client, &neg);
	client->ready = status == 0;
	return status;
}

static int
ask_version(struct rte_vfio_user_client *client)
{
	const struct vfio_user_version version = {
		.major = RTE_VFIO_USER_PROTO_MAJOR,
		.minor = RTE_VFIO_USER_PROTO_MINOR,
	};
	char text[512];
	struct vfio_user_out out = { .head = &version, .head_len = sizeof(version),
				     .data = text };
	int ret;

	if (client->link.cursor++ != 0)
		return vfio_user_client_answered(client);
	ret = vfio_user_client_offer(client, text, sizeof(text));
	if (ret < 0)
		return ret;
	out.data_len = (uint32_t)ret;
	return vfio_user_client_ask(client, VFIO_USER_VERSION, &out, take_version, 0);
}

/*
 * Each is called until it returns 1: done, the next one may begin. 0: it waits
 * for answers; negative: the attempt fails. link.cursor is 0 at first.
 */
static int (*const steps[])(struct rte_vfio_user_client *client) = {
	ask_version,
	vfio_user_client_check_device,
	vfio_user_client_check_regions,
	vfio_user_client_check_irqs,
	vfio_user_client_replay_maps,
	vfio_user_client_replay_irqs,
	vfio_user_client_shape_restore,
};

/* ---------------------------------------------------------- parked reads */

int
vfio_user_client_park(struct rte_vfio_user_client *client,
		      struct vfio_user_client_parked *parked)
{
	struct vfio_user_client_link *link = &client->link;
	uint64_t now = vfio_user_now();
	int ret = 0;

	if (!link->on || (client->flags & RTE_VFIO_USER_CLIENT_F_RETRY_READS) == 0)
		return -ENOTCONN;
	pthread_mutex_lock(&link->lock);
	if (parked->give_up == 0 && link->timeout_ns != UINT64_MAX)
		parked->give_up = now + link->timeout_ns;
	/* GONE is set under the lock, and fails what is parked then */
	if (vfio_user_client_state(client) == VFIO_USER_CLIENT_GONE ||
	    (parked->give_up != 0 && now >= parked->give_up))
		ret = -ENOTCONN;
	else if (link->nb_parked >= VFIO_USER_MAX_PENDING)
		ret = -EAGAIN;
	if (ret == 0) {
		STAILQ_INSERT_TAIL(&link->parked, parked, next);
		link->nb_parked++;
		if (!parked->counted)
			vfio_user_stats_inc(&client->stats.parked);
		parked->counted = true;
	}
	pthread_mutex_unlock(&link->lock);
	if (ret == 0)
		vfio_user_client_wake(client);
	return ret;
}

static struct vfio_user_client_parked *
take_parked(struct vfio_user_client_link *link)
{
	struct vfio_user_client_parked *parked;

	pthread_mutex_lock(&link->lock);
	parked = STAILQ_FIRST(&link->parked);
	if (parked != NULL) {
		STAILQ_REMOVE_HEAD(&link->parked, next);
		link->nb_parked--;
	}
	pthread_mutex_unlock(&link->lock);
	return parked;
}

static uint32_t
nb_parked(struct vfio_user_client_link *link)
{
	uint32_t nb;

	pthread_mutex_lock(&link->lock);
	nb = link->nb_parked;
	pthread_mutex_unlock(&link->lock);
	return nb;
}

/*
 * Send those that are there, or fail them: false: some are left. One that is
 * parked anew, as the connection is lost again, has its turn the next time.
 */
static bool
resume_parked(struct rte_vfio_user_client *client, int status)
{
	struct vfio_user_client_link *link = &client->link;
	struct vfio_user_client_parked *parked;
	uint32_t nb = nb_parked(link);

	for (; nb != 0; nb--) {
		parked = take_parked(link);
		if (parked == NULL || parked->resume(parked, status) != -EAGAIN)
			continue;
		pthread_mutex_lock(&link->lock);
		STAILQ_INSERT_HEAD(&link->parked, parked, next);
		link->nb_parked++;
		pthread_mutex_unlock(&link->lock);
		break;
	}
	return nb_parked(link) == 0;
}

/* ------------------------------------------------------------ transitions */

static void
set_state(struct rte_vfio_user_client *client, enum vfio_user_client_state state)
{
	pthread_mutex_lock(&client->link.lock);
	__atomic_store_n(&client->link.state, state, __ATOMIC_RELEASE);
	pthread_mutex_unlock(&client->link.lock);
}

static void
notify(struct rte_vfio_user_client *client, enum rte_vfio_user_client_state state,
       int reason)
{
	if (client->link.cb != NULL)
		client->link.cb(client, state, reason, client->priv);
}

/* Part from the server. Completions run here. */
static void
close_peer(struct rte_vfio_user_client *client)
{
	__atomic_store_n(&client->lost, true, __ATOMIC_RELEASE);
	client->ready = false;
	vfio_user_client_maps_lost(client);
	vfio_user_client_irqs_lost(client);
	vfio_user_conn_close(&client->main);
	vfio_user_conn_close(&client->twin);
	vfio_user_client_drop_backlogs(client);
	vfio_user_client_shape_forget(client);
}

static void
give_up(struct rte_vfio_user_client *client, int reason)
{
	VFIO_USER_LOG(ERR, "client: gave up to reconnect to %s: %s", client->link.path,
		      reason == -ESTALE ? "it is another device" : "time is over");
	set_state(client, VFIO_USER_CLIENT_GONE);
	vfio_user_telemetry_state(&client->telemetry, "gave up");
	notify(client, RTE_VFIO_USER_CLIENT_GAVE_UP, reason);
	resume_parked(client, -ENOTCONN);
}

static void
go_down(struct rte_vfio_user_client *client)
{
	struct vfio_user_client_link *link = &client->link;
	uint32_t posted = vfio_user_client_count_loss(client);
	uint64_t now = vfio_user_now();

	/* a server that is up and goes at once is not met any more often */
	if (now - link->up_since >= LASTED_NS)
		link->backoff_ns = BACKOFF_MIN_NS;
	else if (link->backoff_ns < BACKOFF_BRIEF_NS)
		link->backoff_ns = RTE_MIN(link->backoff_ns * 2, BACKOFF_BRIEF_NS);
	link->retry_at = now + link->backoff_ns;
	link->give_up_at = link->timeout_ns > UINT64_MAX - now ? UINT64_MAX :
		now + link->timeout_ns;
	link->last_error = 0;
	VFIO_USER_LOG(WARNING, "client: lost the connection to %s, with %u posted"
		      " writes; trying again", link->path, posted);
	set_state(client, VFIO_USER_CLIENT_DOWN);
	vfio_user_telemetry_state(&client->telemetry, "reconnecting");
	close_peer(client);
	notify(client, RTE_VFIO_USER_CLIENT_LOST, -ENOTCONN);
	vfio_user_client_regions_hide(client);
}

static void
attempt_failed(struct rte_vfio_user_client *client, int error)
{
	struct vfio_user_client_link *link = &client->link;

	close_peer(client);
	vfio_user_client_regions_hide(client);
	if (link->changed) {
		give_up(client, -ESTALE);
		return;
	}
	if (error != link->last_error)
		VFIO_USER_LOG(WARNING, "client: cannot reconnect to %s yet: %s (step %u)",
			      link->path, strerror(-error), link->step);
	link->last_error = error;
	link->backoff_ns = RTE_MIN(link->backoff_ns * 2, BACKOFF_MAX_NS);
	link->retry_at = vfio_user_now() + link->backoff_ns;
	set_state(client, VFIO_USER_CLIENT_DOWN);
}

static void
attempt(struct rte_vfio_user_client *client)
{
	struct vfio_user_client_link *link = &client->link;
	int fd, ret;

	link->step = 0;
	link->cursor = 0;
	fd = vfio_user_sock_connect(link->path);
	if (fd < 0) {
		attempt_failed(client, fd);
		return;
	}
	pthread_mutex_lock(&link->lock);
	link->generation++;
	link->nb_asked = 0;
	link->error = 0;
	pthread_mutex_unlock(&link->lock);
	vfio_user_conn_set_generation(&client->main, link->generation);
	__atomic_store_n(&client->lost, false, __ATOMIC_RELEASE);
	ret = vfio_user_conn_open(&client->main, fd,
			VFIO_USER_MAX_MSG_SIZE(client->max_data_xfer_size));
	if (ret < 0)
		attempt_failed(client, ret);
	else
		set_state(client, VFIO_USER_CLIENT_HANDSHAKE);
}

static void
come_up(struct rte_vfio_user_client *client)
{
	struct vfio_user_client_link *link = &client->link;

	vfio_user_client_regions_restored(client, link->generation);
	vfio_user_client_shape_forget(client);
	link->up_since = vfio_user_now();
	vfio_user_stats_inc(&client->stats.connections);
	vfio_user_client_show_connected(client);
	VFIO_USER_LOG(INFO, "client: reconnected to %s", link->path);
	__atomic_store_n(&link->notifying, true, __ATOMIC_RELEASE);
	__atomic_store_n(&client->generation, link->generation, __ATOMIC_RELEASE);
	set_state(client, VFIO_USER_CLIENT_UP);
	notify(client, RTE_VFIO_USER_CLIENT_RECONNECTED, 0);
	vfio_user_client_irqs_signal(client);
	__atomic_store_n(&link->notifying, false, __ATOMIC_RELEASE);
}

/* Take as many steps of the handshake as there are answers for. */
static void
advance(struct rte_vfio_user_client *client)
{
	struct vfio_user_client_link *link = &client->link;
	int error, ret;

	do {
		nb_asked(client, &error);
		if (error == 0 && __atomic_load_n(&client->lost, __ATOMIC_ACQUIRE))
			error = -ENOTCONN;
		if (error == 0 && vfio_user_now() >= link->give_up_at)
			error = -ETIMEDOUT;
		ret = error < 0 ? error : steps[link->step](client);
		if (ret == 1) {
			link->step++;
			link->cursor = 0;
		}
	} while (ret == 1 && link->step < RTE_DIM(steps));
	if (ret < 0)
		attempt_failed(client, ret);
	else if (ret == 1)
		come_up(client);
	else
		vfio_user_conn_flush(&client->main);
}

/* When to drive next, if nothing happens before. */
static uint64_t
next_wake(struct rte_vfio_user_client *client, bool parked)
{
	const struct vfio_user_client_link *link = &client->link;

	switch (vfio_user_client_state(client)) {
	case VFIO_USER_CLIENT_UP:
		return parked ? vfio_user_now() + ROOM_NS : 0;
	case VFIO_USER_CLIENT_DOWN:
		return RTE_MIN(link->retry_at, link->give_up_at);
	case VFIO_USER_CLIENT_HANDSHAKE:
		return link->give_up_at == UINT64_MAX ? 0 : link->give_up_at;
	default:
		return 0;
	}
}

static void
change_state(struct rte_vfio_user_client *client)
{
	struct vfio_user_client_link *link = &client->link;
	uint64_t now = vfio_user_now();

	if (vfio_user_client_state(client) == VFIO_USER_CLIENT_UP &&
	    __atomic_load_n(&client->lost, __ATOMIC_ACQUIRE))
		go_down(client);
	if (vfio_user_client_state(client) == VFIO_USER_CLIENT_DOWN) {
		if (now >= link->give_up_at)
			give_up(client, -ETIMEDOUT);
		else if (now >= link->retry_at)
			attempt(client);
	}
	if (vfio_user_client_state(client) == VFIO_USER_CLIENT_HANDSHAKE)
		advance(client);
}

void
vfio_user_client_drive(struct rte_vfio_user_client *client)
{
	struct vfio_user_client_link *link = &client->link;
	bool parked = false;

	if (!link->on || vfio_user_conn_is_nested(&client->main))
		return;
	if (!__atomic_load_n(&link->todo, __ATOMIC_ACQUIRE) &&
	    !__atomic_load_n(&client->lost, __ATOMIC_ACQUIRE))
		return;
	__atomic_store_n(&link->todo, false, __ATOMIC_RELEASE);
	change_state(client);
	if (vfio_user_client_state(client) == VFIO_USER_CLIENT_UP)
		parked = !resume_parked(client, 0);
	link->wake_at = next_wake(client, parked);
	vfio_user_client_rearm(client);
	/* a wake-up that came meanwhile may have been disarmed */
	if (__atomic_load_n(&link->todo, __ATOMIC_ACQUIRE))
		vfio_user_client_arm(client, vfio_user_now());
}

void
vfio_user_client_wake(struct rte_vfio_user_client *client)
{
	__atomic_store_n(&client->link.todo, true, __ATOMIC_RELEASE);
	vfio_user_client_arm(client, vfio_user_now());
}

/* ------------------------------------------------------- threads that wait */

static bool
may_repeat(uint16_t command)
{
	switch (command) {
	case VFIO_USER_DEVICE_GET_INFO:
	case VFIO_USER_DEVICE_GET_REGION_INFO:
	case VFIO_USER_DEVICE_GET_REGION_IO_FDS:
	case VFIO_USER_DEVICE_GET_IRQ_INFO:
	case VFIO_USER_REGION_READ:
		return true;
	default:
		return false;
	}
}

/* Whether there is a server after the one that was lost. */
static bool
is_back(const struct rte_vfio_user_client *client, uint32_t lost)
{
	return vfio_user_client_state(client) == VFIO_USER_CLIENT_UP &&
		__atomic_load_n(&client->generation, __ATOMIC_ACQUIRE) != lost &&
		!__atomic_load_n(&client->link.notifying, __ATOMIC_ACQUIRE);
}

/* Do what there is to do, waiting up to a while. False: nested. */
static bool
help(struct rte_vfio_user_client *client, uint32_t lost, int timeout_ms)
{
	const struct timespec ts = { .tv_nsec = FOLLOW_NS };
	bool nested;

	if (!vfio_user_conn_own(&client->main)) {
		if (timeout_ms != 0)
			nanosleep(&ts, NULL);
		return true;
	}
	nested = vfio_user_conn_is_nested(&client->main);
	if (!nested) {
		vfio_user_client_drive(client);
		if (!is_back(client, lost))
			vfio_user_client_receive(client, timeout_ms);
		vfio_user_client_drive(client);
	}
	vfio_user_conn_disown(&client->main);
	return !nested;
}

int
vfio_user_client_recover(struct rte_vfio_user_client *client, uint32_t lost,
			 uint16_t command, uint64_t *give_up_at)
{
	const struct vfio_user_client_link *link = &client->link;

	if (!link->on)
		return -ENOTCONN;
	if ((client->flags & RTE_VFIO_USER_CLIENT_F_RETRY_READS) == 0 ||
	    !may_repeat(command)) {
		help(client, lost, 0);
		return -ENOTCONN;
	}
	if (*give_up_at == 0)
		*give_up_at = link->timeout_ns == UINT64_MAX ? UINT64_MAX :
			vfio_user_now() + link->timeout_ns;
	while (vfio_user_now() < *give_up_at && vfio_user_client_is_alive(client)) {
		if (is_back(client, lost))
			return 0;
		if (!help(client, lost, AWAIT_MS))
			break; /* the frame we are nested in has to return first */
	}
	return -ENOTCONN;
}

/* ------------------------------------------------------------ life cycle */

int
vfio_user_client_link_init(struct rte_vfio_user_client *client,
			   const struct rte_vfio_user_client_conf *conf)
{
	struct vfio_user_client_link *link = &client->link;

	STAILQ_INIT(&link->parked);
	link->state = VFIO_USER_CLIENT_UP;
	link->backoff_ns = BACKOFF_MIN_NS;
	link->cb = conf->state_cb;
	link->timeout_ns = conf->reconnect_timeout_ms == UINT32_MAX ? UINT64_MAX :
		conf->reconnect_timeout_ms * VFIO_USER_NS_PER_MS;
	if (conf->reconnect_timeout_ms != 0) {
		link->path = strdup(conf->sock_path);
		if (link->path == NULL)
			return -ENOMEM;
	}
	pthread_mutex_init(&link->lock, NULL);
	return 0;
}

int
vfio_user_client_link_start(struct rte_vfio_user_client *client)
{
	int ret;

	if (client->link.path == NULL)
		return 0;
	ret = vfio_user_client_shape_record(client);
	if (ret == 0)
		ret = vfio_user_client_irqs_init(client);
	if (ret < 0)
		return ret;
	client->link.up_since = vfio_user_now();
	client->link.on = true;
	return 0;
}

void
vfio_user_client_link_stop(struct rte_vfio_user_client *client)
{
	set_state(client, VFIO_USER_CLIENT_GONE);
	resume_parked(client, -ENOTCONN);
}

void
vfio_user_client_link_fini(struct rte_vfio_user_client *client)
{
	vfio_user_client_shape_fini(client);
	pthread_mutex_destroy(&client->link.lock);
	free(client->link.path);
}
