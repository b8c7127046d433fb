/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_common.h>

#include "vfio_user_server.h"

/* requests that may wait; then nothing more is taken from the client */
#define BACKLOG_MAX 1024
/* but while it owes us a reply we have to go on reading: a hard limit */
#define BACKLOG_HARD_MAX 4096
#define BACKLOG_HARD_BYTES(xfer) (4 * (uint64_t)(xfer) + (8u << 20))

/* --------------------------------------------------------- deferred work */

void
vfio_user_server_wake(struct rte_vfio_user_server *srv)
{
	const uint64_t one = 1;

	if (__atomic_exchange_n(&srv->wake, 1, __ATOMIC_SEQ_CST) != 0)
		return;
	if (write(srv->wake_fd, &one, sizeof(one)) < 0)
		VFIO_USER_LOG(ERR, "%s: cannot wake the poller: %s",
			      vfio_user_server_name(srv), strerror(errno));
}

uint64_t
vfio_user_server_arm(struct rte_vfio_user_server *srv, bool quiesce, bool is_read,
		     uint32_t count)
{
	struct vfio_user_deferred *def = &srv->deferred;
	uint64_t token = ++srv->next_token;

	__atomic_store_n(&def->quiesce, quiesce, __ATOMIC_RELAXED);
	__atomic_store_n(&def->is_read, is_read, __ATOMIC_RELAXED);
	__atomic_store_n(&def->count, count, __ATOMIC_RELAXED);
	__atomic_store_n(&def->armed, token, __ATOMIC_RELEASE);
	return token;
}

void
vfio_user_server_disarm(struct rte_vfio_user_server *srv)
{
	struct vfio_user_deferred *def = &srv->deferred;

	if (__atomic_exchange_n(&def->armed, 0, __ATOMIC_ACQ_REL) != 0)
		return;
	/* it was completed all the same, or its client left in the meantime */
	pthread_mutex_lock(&def->lock);
	def->completed = 0;
	free(def->data);
	def->data = NULL;
	pthread_mutex_unlock(&def->lock);
}

int
vfio_user_server_park(struct rte_vfio_user_server *srv, enum vfio_user_parked why,
		      struct vfio_user_msg *msg, uint64_t token)
{
	struct vfio_user_msg *copy = msg;

	if (msg != srv->parked_msg) { /* else it has been parked before */
		copy = vfio_user_msg_dup(msg);
		vfio_user_stats_inc(&srv->stats.parked);
	}
	if (copy == NULL) {
		vfio_user_server_disarm(srv);
		return -ENOMEM;
	}
	srv->parked = why;
	srv->parked_msg = copy;
	srv->parked_token = token;
	return RTE_VFIO_USER_PENDING;
}

/* Take the armed token and leave the completion for the poller: 0 or -ESTALE. */
static int
hand_over(struct vfio_user_deferred *def, uint64_t token, ssize_t result, void *data)
{
	uint64_t armed = token;
	int ret = -ESTALE;

	pthread_mutex_lock(&def->lock);
	if (__atomic_compare_exchange_n(&def->armed, &armed, 0, false,
					__ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
		def->completed = token;
		def->result = result;
		def->data = data;
		ret = 0;
	}
	pthread_mutex_unlock(&def->lock);
	return ret;
}

static int
complete_access(struct vfio_user_deferred *def, uint64_t token, ssize_t result,
		const void *data)
{
	void *copy = NULL;
	int ret;

	if (token == 0 || __atomic_load_n(&def->armed, __ATOMIC_ACQUIRE) != token ||
	    __atomic_load_n(&def->quiesce, __ATOMIC_RELAXED))
		return -ESTALE;
	if (result > (ssize_t)__atomic_load_n(&def->count, __ATOMIC_RELAXED))
		return -EINVAL;
	if (result > 0 && __atomic_load_n(&def->is_read, __ATOMIC_RELAXED)) {
		if (data == NULL)
			return -EINVAL;
		copy = malloc((size_t)result);
		if (copy == NULL)
			return -ENOMEM;
		memcpy(copy, data, (size_t)result);
	}
	ret = hand_over(def, token, result, copy);
	if (ret < 0)
		free(copy);
	return ret;
}

static int
complete_quiesce(struct vfio_user_deferred *def, int status)
{
	uint64_t token = __atomic_load_n(&def->armed, __ATOMIC_ACQUIRE);

	if (token == 0 || !__atomic_load_n(&def->quiesce, __ATOMIC_RELAXED))
		return -ESTALE;
	return hand_over(def, token, status, NULL);
}

int
rte_vfio_user_server_region_complete(struct rte_vfio_user_server *srv,
				     uint64_t token, ssize_t result, const void *data)
{
	int ret;

	if (srv == NULL)
		return vfio_user_misuse(__func__);
	ret = complete_access(&srv->deferred, token, result, data);
	if (ret == 0)
		vfio_user_server_wake(srv);
	return ret;
}

int
rte_vfio_user_server_quiesce_complete(struct rte_vfio_user_server *srv, int status)
{
	int ret;

	if (srv == NULL || status > 0)
		return vfio_user_misuse(__func__);
	ret = complete_quiesce(&srv->deferred, status);
	if (ret == 0)
		vfio_user_server_wake(srv);
	return ret;
}

int
vfio_user_server_run_deferred(struct rte_vfio_user_server *srv)
{
	struct vfio_user_deferred *def = &srv->deferred;
	ssize_t result;
	void *data;
	bool done;

	if (srv->parked == VFIO_USER_NOT_PARKED)
		return 0;
	pthread_mutex_lock(&def->lock);
	done = def->completed == srv->parked_token;
	result = def->result;
	data = def->data;
	if (done) {
		def->completed = 0;
		def->data = NULL;
	}
	pthread_mutex_unlock(&def->lock);
	if (!done)
		return 0;
	vfio_user_server_unpark(srv, result, data);
	free(data);
	return 1;
}

/* ------------------------------------------------------- requested resets */

int
rte_vfio_user_server_reset_request(struct rte_vfio_user_server *srv,
				   enum rte_vfio_user_reset reason)
{
	if (srv == NULL || (reason != RTE_VFIO_USER_RESET_DEVICE &&
			    reason != RTE_VFIO_USER_RESET_PCI_FLR))
		return vfio_user_misuse(__func__);
	/* closed first when a client goes: there is nobody left who asks */
	if (srv->state != VFIO_USER_RUNNING || !vfio_user_conn_is_open(&srv->main))
		return -ENOTCONN;
	srv->reset_wanted = true;
	srv->reset_reason = reason;
	vfio_user_server_wake(srv); /* in case no message is being handled */
	return 0;
}

void
vfio_user_server_unpark_reset(struct rte_vfio_user_server *srv, ssize_t result)
{
	int ret = (int)RTE_MAX(result, -4095);

	if (ret >= 0) {
		ret = srv->ops.reset == NULL ? 0 :
			srv->ops.reset(srv, srv->reset_reason, srv->ops_priv);
		if (srv->ops.resume != NULL)
			srv->ops.resume(srv, srv->ops_priv);
	}
	if (ret < 0)
		VFIO_USER_LOG_PEER(&srv->main.limit, "%s: reset failed: %s",
				   vfio_user_server_name(srv), strerror(-ret));
}

int
vfio_user_server_run_reset(struct rte_vfio_user_server *srv)
{
	uint64_t token;
	int ret = 0;

	if (!srv->reset_wanted || srv->parked != VFIO_USER_NOT_PARKED)
		return 0;
	srv->reset_wanted = false;
	/* a data path that stops slowly may need the client, who waits for this */
	vfio_user_conn_flush(&srv->main);
	if (srv->ops.quiesce != NULL) {
		token = vfio_user_server_arm(srv, true, false, 0);
		ret = srv->ops.quiesce(srv, srv->ops_priv);
		if (ret == RTE_VFIO_USER_PENDING) {
			srv->parked = VFIO_USER_PARKED_RESET;
			srv->parked_token = token;
			return 1;
		}
		vfio_user_server_disarm(srv);
	}
	vfio_user_server_unpark_reset(srv, ret);
	return 1;
}

/* ----------------------------------------------------------- the backlog */

static void
add_backlog(struct rte_vfio_user_server *srv, struct vfio_user_msg *msg)
{
	struct vfio_user_backlog_entry *entry = malloc(sizeof(*entry));

	if (srv->nb_backlog >= BACKLOG_HARD_MAX || srv->backlog_bytes + msg->len >
	    BACKLOG_HARD_BYTES(srv->conf.max_data_xfer_size) || entry == NULL)
		goto drop_client;
	entry->msg = vfio_user_msg_dup(msg);
	if (entry->msg == NULL)
		goto drop_client;
	STAILQ_INSERT_TAIL(&srv->backlog, entry, next);
	srv->nb_backlog++;
	vfio_user_stats_inc(&srv->stats.queued);
	srv->backlog_bytes += msg->len;
	return;

drop_client:
	vfio_user_stats_inc(&srv->stats.violations);
	VFIO_USER_LOG_PEER(&srv->main.limit, "%s: client dropped: it sent too many"
			   " requests ahead of its replies",
			   vfio_user_server_name(srv));
	free(entry);
	vfio_user_msg_release(msg);
	vfio_user_conn_abort(&srv->main);
}

static struct vfio_user_msg *
pop_backlog(struct rte_vfio_user_server *srv)
{
	struct vfio_user_backlog_entry *entry = STAILQ_FIRST(&srv->backlog);
	struct vfio_user_msg *msg = entry->msg;

	STAILQ_REMOVE_HEAD(&srv->backlog, next);
	srv->nb_backlog--;
	srv->backlog_bytes -= msg->len;
	free(entry);
	return msg;
}

int
vfio_user_server_run_backlog(struct rte_vfio_user_server *srv)
{
	struct vfio_user_msg *msg;
	int nb = 0;

	while (!STAILQ_EMPTY(&srv->backlog) && srv->parked == VFIO_USER_NOT_PARKED &&
	       !srv->closing && !vfio_user_conn_full(&srv->main)) {
		msg = STAILQ_FIRST(&srv->backlog)->msg;
		if (!vfio_user_server_handle(srv, msg))
			break;
		pop_backlog(srv);
		free(msg);
		nb++;
	}
	return nb;
}

void
vfio_user_server_on_request(struct vfio_user_conn *conn, struct vfio_user_msg *msg, void *arg)
{
	struct rte_vfio_user_server *srv = arg;

	if (srv->closing) {
		vfio_user_msg_release(msg);
		return;
	}
	/* a thread that waits for a reply, or a callback that does, receives */
	if (!srv->polling || conn->depth > 1 || srv->parked != VFIO_USER_NOT_PARKED ||
	    !STAILQ_EMPTY(&srv->backlog) || vfio_user_conn_full(conn)) {
		add_backlog(srv, msg);
		if (!srv->polling)
			vfio_user_server_wake(srv);
		return;
	}
	if (!vfio_user_server_handle(srv, msg))
		add_backlog(srv, msg);
}

void
vfio_user_server_drop_requests(struct rte_vfio_user_server *srv)
{
	struct vfio_user_held_reply *held;
	struct vfio_user_msg *msg;

	vfio_user_server_disarm(srv);
	srv->quiescing = srv->parked == VFIO_USER_PARKED_QUIESCE ||
		srv->parked == VFIO_USER_PARKED_RESET;
	srv->parked = VFIO_USER_NOT_PARKED;
	srv->reset_wanted = false;
	if (srv->parked_msg != NULL) {
		vfio_user_msg_release(srv->parked_msg);
		free(srv->parked_msg);
		srv->parked_msg = NULL;
	}
	while (!STAILQ_EMPTY(&srv->backlog)) {
		msg = pop_backlog(srv);
		vfio_user_msg_release(msg);
		free(msg);
	}
	while ((held = STAILQ_FIRST(&srv->held)) != NULL) {
		STAILQ_REMOVE_HEAD(&srv->held, next);
		free(held);
	}
}

bool
vfio_user_server_backlog_full(const struct rte_vfio_user_server *srv)
{
	return srv->nb_backlog >= BACKLOG_MAX ||
		srv->backlog_bytes >= BACKLOG_HARD_BYTES(srv->conf.max_data_xfer_size) / 2;
}
