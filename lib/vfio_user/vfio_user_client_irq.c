/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_common.h>

#include "vfio_user_client.h"

#define IRQ_SET_MINSZ offsetof(struct vfio_irq_set, data)

/* kinds of what is replayed: the eventfds of three actions, then the masks */
enum { KIND_TRIGGER, KIND_MASK, KIND_UNMASK, KIND_MASKED, NB_KINDS };

static const uint32_t kind_actions[NB_KINDS] = {
	[KIND_TRIGGER] = VFIO_IRQ_SET_ACTION_TRIGGER,
	[KIND_MASK] = VFIO_IRQ_SET_ACTION_MASK,
	[KIND_UNMASK] = VFIO_IRQ_SET_ACTION_UNMASK,
	[KIND_MASKED] = VFIO_IRQ_SET_ACTION_MASK,
};

/* --------------------------------------------------------------- recording */

static uint32_t
kind_of(const struct vfio_irq_set *set)
{
	switch (set->flags & VFIO_IRQ_SET_ACTION_TYPE_MASK) {
	case VFIO_IRQ_SET_ACTION_TRIGGER:
		return KIND_TRIGGER;
	case VFIO_IRQ_SET_ACTION_MASK:
		return KIND_MASK;
	default:
		return KIND_UNMASK;
	}
}

static uint32_t
type_of(const struct vfio_irq_set *set)
{
	return set->flags & VFIO_IRQ_SET_DATA_TYPE_MASK;
}

/* Whether a request changes what the device is set to; else it just acts. */
static bool
is_setup(const struct vfio_irq_set *set)
{
	return type_of(set) == VFIO_IRQ_SET_DATA_EVENTFD ||
		kind_of(set) != KIND_TRIGGER || set->count == 0;
}

/* What was never set has no record. Lock held. */
static int
make_room(struct vfio_user_client_vectors *index, uint32_t nb)
{
	struct vfio_user_client_vector *vector;
	uint32_t i;

	if (nb <= index->nb)
		return 0;
	vector = realloc(index->vector, nb * sizeof(*vector));
	if (vector == NULL)
		return -ENOMEM;
	for (i = index->nb; i < nb; i++) {
		memset(&vector[i], 0, sizeof(vector[i]));
		vector[i].fd[0] = vector[i].fd[1] = vector[i].fd[2] = -1;
	}
	index->vector = vector;
	index->nb = nb;
	return 0;
}

/* The room stays: another thread may be about to use it. Lock held. */
static void
clear_vectors(struct vfio_user_client_vectors *index)
{
	uint32_t i, kind;

	for (i = 0; i < index->nb; i++) {
		for (kind = KIND_TRIGGER; kind <= KIND_UNMASK; kind++) {
			vfio_user_fd_close(index->vector[i].fd[kind]);
			index->vector[i].fd[kind] = -1;
		}
		index->vector[i].masked = false;
	}
}

/* A piece of DEVICE_SET_IRQS: all have file descriptors, or none. */
struct irq_piece {
	const struct vfio_irq_set *set;
	uint32_t start;
	uint32_t count;
	const uint8_t *bools; /* one per interrupt, or NULL */
	const int *fds; /* of type EVENTFD, NULL: de-assign */
};

static void
record_one(struct vfio_user_client_vector *vector, const struct irq_piece *piece,
	   uint32_t i, int *dups)
{
	uint32_t kind = kind_of(piece->set);

	if (type_of(piece->set) == VFIO_IRQ_SET_DATA_EVENTFD) {
		vfio_user_fd_close(vector->fd[kind]);
		vector->fd[kind] = piece->fds != NULL ? dups[i] : -1;
		if (piece->fds != NULL)
			dups[i] = -1;
	} else if (piece->bools == NULL || piece->bools[i] != 0) {
		vector->masked = kind == KIND_MASK;
	}
}

/* Takes the duplicates it keeps out of dups. Lock held; there is room. */
static void
record_once(struct rte_vfio_user_client *client, const struct irq_piece *piece,
	    int *dups, bool *recorded)
{
	struct vfio_user_client_vectors *index = &client->irqs.index[piece->set->index];
	uint32_t i;

	if (*recorded)
		return;
	*recorded = true;
	/* no interrupt is all of them */
	if (piece->count == 0 && kind_of(piece->set) == KIND_TRIGGER) {
		clear_vectors(index);
		return;
	}
	for (i = 0; i < piece->count; i++)
		record_one(&index->vector[piece->start + i], piece, i, dups);
}

/* ----------------------------------------------------------------- sending */

static int
send_piece(struct rte_vfio_user_client *client, const struct irq_piece *piece,
	   uint32_t peer, bool *lost)
{
	uint32_t data_len = piece->bools != NULL ? piece->count : 0;
	struct vfio_irq_set wire = {
		.argsz = IRQ_SET_MINSZ + data_len,
		.flags = piece->set->flags,
		.index = piece->set->index,
		.start = piece->start,
		.count = piece->count,
	};
	struct vfio_user_client_req creq = { .head = NULL };
	const struct vfio_user_out out = {
		.head = &wire,
		.head_len = IRQ_SET_MINSZ,
		.data = piece->bools,
		.data_len = data_len,
		.fds = piece->fds,
		.nb_fds = piece->fds != NULL ? piece->count : 0,
	};
	int ret;

	vfio_user_client_start_to(client, &creq, peer, VFIO_USER_DEVICE_SET_IRQS, &out);
	ret = vfio_user_client_finish(client, &creq);
	*lost = ret == -ENOTCONN && !creq.refused;
	return ret;
}

/* What a server would refuse must not be left to the replay. */
static int
check_flags(const struct rte_vfio_user_client *client, const struct irq_piece *piece)
{
	uint32_t flags = client->link.shape.irqs[piece->set->index].flags;
	uint32_t i;

	if (kind_of(piece->set) != KIND_TRIGGER && (flags & VFIO_IRQ_INFO_MASKABLE) == 0)
		return -ENOTTY;
	if (type_of(piece->set) != VFIO_IRQ_SET_DATA_EVENTFD)
		return 0;
	if ((flags & VFIO_IRQ_INFO_EVENTFD) == 0)
		return -ENOTTY;
	for (i = 0; piece->fds != NULL && i < piece->count; i++)
		if (!vfio_user_fd_is_eventfd(piece->fds[i]))
			return -EINVAL;
	return 0;
}

/*
 * Send set-up to the server that is there, or leave it to the replay. What is
 * recorded before the replay has come by is sent by it, too: the later of the
 * two is this one, so the order does not matter.
 */
static int
send_recorded(struct rte_vfio_user_client *client, const struct irq_piece *piece,
	      int *dups)
{
	struct vfio_user_client_irqs *irqs = &client->irqs;
	bool lost, recorded = false;
	uint32_t peer;
	int ret;

	for (;;) {
		pthread_mutex_lock(&irqs->lock);
		peer = irqs->peer;
		ret = 0;
		if (peer == VFIO_USER_CLIENT_NOBODY && !vfio_user_client_is_alive(client))
			ret = -ENOTCONN;
		else if (peer == VFIO_USER_CLIENT_NOBODY || irqs->replaying)
			ret = check_flags(client, piece);
		if (ret == 0 && (peer == VFIO_USER_CLIENT_NOBODY || irqs->replaying))
			record_once(client, piece, dups, &recorded);
		pthread_mutex_unlock(&irqs->lock);
		if (ret < 0 || peer == VFIO_USER_CLIENT_NOBODY)
			return ret;

		ret = send_piece(client, piece, peer, &lost);
		if (ret < 0 && !lost)
			return ret;
		pthread_mutex_lock(&irqs->lock);
		/* unless another one has been told the old state */
		if (irqs->peer == peer) {
			record_once(client, piece, dups, &recorded);
			peer = VFIO_USER_CLIENT_NOBODY;
		}
		pthread_mutex_unlock(&irqs->lock);
		if (peer == VFIO_USER_CLIENT_NOBODY)
			return 0;
	}
}

/* Room in the record, and duplicates of the file descriptors. */
static int
prepare(struct rte_vfio_user_client *client, const struct irq_piece *piece, int *dups)
{
	uint32_t i, nb = piece->fds != NULL ? piece->count : 0;
	int ret;

	pthread_mutex_lock(&client->irqs.lock);
	ret = make_room(&client->irqs.index[piece->set->index],
			piece->start + piece->count);
	pthread_mutex_unlock(&client->irqs.lock);
	for (i = 0; i < nb && ret == 0; i++) {
		dups[i] = vfio_user_fd_dup(piece->fds[i]);
		ret = RTE_MIN(dups[i], 0);
	}
	return ret;
}

static int
check_piece(const struct rte_vfio_user_client *client, const struct irq_piece *piece)
{
	const struct vfio_user_client_shape *shape = &client->link.shape;
	uint32_t index = piece->set->index;

	/* as the server would: it may be asked much later */
	if (index >= shape->nb_irqs || shape->irqs[index].error < 0 ||
	    !vfio_user_range_inside(piece->start, piece->count,
				    shape->irqs[index].count))
		return -EINVAL;
	return 0;
}

static int
set_piece(struct rte_vfio_user_client *client, const struct irq_piece *piece)
{
	int dups[RTE_VFIO_USER_MAX_MSG_FDS];
	uint64_t give_up = 0;
	uint32_t i, peer;
	bool lost;
	int ret;

	if (!client->link.on || !is_setup(piece->set)) {
		peer = __atomic_load_n(&client->generation, __ATOMIC_ACQUIRE);
		ret = send_piece(client, piece, peer, &lost);
		if (lost)
			vfio_user_client_recover(client, peer,
						 VFIO_USER_DEVICE_SET_IRQS, &give_up);
		return ret;
	}
	ret = check_piece(client, piece);
	if (ret < 0)
		return ret;
	memset(dups, 0xff, sizeof(dups));
	ret = prepare(client, piece, dups);
	if (ret == 0)
		ret = send_recorded(client, piece, dups);
	for (i = 0; i < RTE_DIM(dups); i++)
		vfio_user_fd_close(dups[i]);
	return ret;
}

/* ------------------------------------------------------------------ public */

static int
irq_fd(const struct vfio_irq_set *set, uint32_t i)
{
	int32_t fd;

	memcpy(&fd, set->data + i * sizeof(fd), sizeof(fd));
	return fd;
}

/* Interrupts from i on for one message: all with a file descriptor, or none. */
static uint32_t
irq_run(const struct vfio_irq_set *set, uint32_t i, uint32_t max_fds, int *fds)
{
	uint32_t n = 0;

	if (irq_fd(set, i) < 0) {
		while (i + n < set->count && irq_fd(set, i + n) < 0)
			n++;
	} else {
		while (n < max_fds && i + n < set->count &&
		       irq_fd(set, i + n) >= 0) {
			fds[n] = irq_fd(set, i + n);
			n++;
		}
	}
	return n;
}

static int
set_eventfds(struct rte_vfio_user_client *client, const struct vfio_irq_set *set)
{
	uint32_t max_fds = client->neg.max_msg_fds;
	int fds[RTE_VFIO_USER_MAX_MSG_FDS];
	struct irq_piece piece = { .set = set };
	uint32_t i;
	int ret;

	for (i = 0; i < set->count; i++)
		if (irq_fd(set, i) < -1 || (irq_fd(set, i) >= 0 && max_fds == 0))
			return -EINVAL;
	for (i = 0; i < set->count; i += piece.count) {
		piece.start = set->start + i;
		piece.fds = irq_fd(set, i) >= 0 ? fds : NULL;
		piece.count = irq_run(set, i, max_fds, fds);
		ret = set_piece(client, &piece);
		if (ret < 0)
			return ret;
	}
	return 0;
}

int
rte_vfio_user_client_set_irqs(struct rte_vfio_user_client *client,
			      const struct vfio_irq_set *set)
{
	struct irq_piece piece = { .set = set };
	struct vfio_irq_set checked;
	uint32_t type;

	if (client == NULL || set == NULL || set->argsz < IRQ_SET_MINSZ)
		return vfio_user_misuse(__func__);
	if (vfio_user_decode_set_irqs(set, set->argsz, 0, &checked) < 0 ||
	    !vfio_user_range_inside(set->start, set->count, UINT32_MAX))
		return vfio_user_misuse(__func__);
	type = set->flags & VFIO_IRQ_SET_DATA_TYPE_MASK;
	piece.start = set->start;
	piece.count = set->count;
	if (type == VFIO_IRQ_SET_DATA_NONE)
		return set_piece(client, &piece);
	if (type == VFIO_IRQ_SET_DATA_BOOL) {
		if (set->count == 0 || set->count > client->neg.max_data_xfer_size)
			return vfio_user_misuse(__func__);
		piece.bools = set->data;
		return set_piece(client, &piece);
	}
	if (set->count == 0 ||
	    set->count > (set->argsz - IRQ_SET_MINSZ) / sizeof(int32_t))
		return vfio_user_misuse(__func__);
	return set_eventfds(client, set);
}

int
rte_vfio_user_client_irq_assign(struct rte_vfio_user_client *client,
				uint32_t index, uint32_t start, uint32_t count,
				const int *fds)
{
	struct vfio_irq_set *set;
	int ret;

	if (client == NULL || fds == NULL || count == 0 ||
	    count > RTE_VFIO_USER_MAX_VECTORS)
		return vfio_user_misuse(__func__);
	set = malloc(IRQ_SET_MINSZ + count * sizeof(*fds));
	if (set == NULL)
		return -ENOMEM;
	set->argsz = (uint32_t)(IRQ_SET_MINSZ + count * sizeof(*fds));
	set->flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER;
	set->index = index;
	set->start = start;
	set->count = count;
	memcpy(set->data, fds, count * sizeof(*fds));
	ret = rte_vfio_user_client_set_irqs(client, set);
	free(set);
	return ret;
}

int
rte_vfio_user_client_irq_disable(struct rte_vfio_user_client *client,
				 uint32_t index)
{
	const struct vfio_irq_set set = {
		.argsz = IRQ_SET_MINSZ,
		.flags = VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_TRIGGER,
		.index = index,
	};

	return rte_vfio_user_client_set_irqs(client, &set);
}

int
rte_vfio_user_client_irq_unmask(struct rte_vfio_user_client *client,
				uint32_t index, uint32_t vector)
{
	const struct vfio_irq_set set = {
		.argsz = IRQ_SET_MINSZ,
		.flags = VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_UNMASK,
		.index = index,
		.start = vector,
		.count = 1,
	};

	return rte_vfio_user_client_set_irqs(client, &set);
}

/* --------------------------------------------------------- reconnection */

int
vfio_user_client_irqs_init(struct rte_vfio_user_client *client)
{
	struct vfio_user_client_irqs *irqs = &client->irqs;

	irqs->nb_indexes = client->link.shape.nb_irqs;
	irqs->index = calloc(irqs->nb_indexes + 1, sizeof(irqs->index[0]));
	return irqs->index == NULL ? -ENOMEM : 0;
}

void
vfio_user_client_irqs_fini(struct rte_vfio_user_client *client)
{
	struct vfio_user_client_irqs *irqs = &client->irqs;
	uint32_t i;

	for (i = 0; irqs->index != NULL && i < irqs->nb_indexes; i++) {
		clear_vectors(&irqs->index[i]);
		free(irqs->index[i].vector);
	}
	free(irqs->index);
	pthread_mutex_destroy(&irqs->lock);
}

void
vfio_user_client_irqs_lost(struct rte_vfio_user_client *client)
{
	pthread_mutex_lock(&client->irqs.lock);
	client->irqs.peer = VFIO_USER_CLIENT_NOBODY;
	pthread_mutex_unlock(&client->irqs.lock);
}

static bool
has(const struct vfio_user_client_vector *vector, uint32_t kind)
{
	return kind == KIND_MASKED ? vector->masked : vector->fd[kind] >= 0;
}

/* Interrupts from irqs.replay_start on for one message. Lock held. */
static uint32_t
replay_run(struct rte_vfio_user_client *client, int *fds)
{
	struct vfio_user_client_irqs *irqs = &client->irqs;
	const struct vfio_user_client_vectors *index = &irqs->index[irqs->replay_index];
	uint32_t kind = irqs->replay_kind, at = irqs->replay_start, n = 0;
	uint32_t max = kind == KIND_MASKED ? UINT32_MAX : client->neg.max_msg_fds;

	while (at < index->nb && !has(&index->vector[at], kind))
		at++;
	irqs->replay_start = at;
	for (; at < index->nb && n < max && has(&index->vector[at], kind); at++, n++)
		if (kind != KIND_MASKED)
			fds[n] = index->vector[at].fd[kind];
	return n;
}

static int
replay_message(struct rte_vfio_user_client *client, uint32_t count, const int *fds)
{
	struct vfio_user_client_irqs *irqs = &client->irqs;
	const bool with_fds = irqs->replay_kind != KIND_MASKED;
	const struct vfio_irq_set wire = {
		.argsz = IRQ_SET_MINSZ,
		.flags = kind_actions[irqs->replay_kind] |
			(with_fds ? VFIO_IRQ_SET_DATA_EVENTFD : VFIO_IRQ_SET_DATA_NONE),
		.index = irqs->replay_index,
		.start = irqs->replay_start,
		.count = count,
	};
	const struct vfio_user_out out = {
		.head = &wire,
		.head_len = IRQ_SET_MINSZ,
		.fds = fds,
		.nb_fds = with_fds ? count : 0,
		.more = true,
	};

	irqs->replay_start += count;
	return vfio_user_client_ask(client, VFIO_USER_DEVICE_SET_IRQS, &out, NULL, 0);
}

/* Send a message and move on. 1: there is none left. Lock held. */
static int
replay_next(struct rte_vfio_user_client *client)
{
	struct vfio_user_client_irqs *irqs = &client->irqs;
	int fds[RTE_VFIO_USER_MAX_MSG_FDS];
	uint32_t count;

	while (irqs->replay_index < irqs->nb_indexes) {
		count = replay_run(client, fds);
		if (count != 0)
			return replay_message(client, count, fds);
		irqs->replay_start = 0;
		if (++irqs->replay_kind == NB_KINDS) {
			irqs->replay_kind = 0;
			irqs->replay_index++;
		}
	}
	return 1;
}

int
vfio_user_client_replay_irqs(struct rte_vfio_user_client *client)
{
	struct vfio_user_client_irqs *irqs = &client->irqs;
	uint32_t room = vfio_user_client_may_ask(client);
	int ret = 0;

	pthread_mutex_lock(&irqs->lock);
	if (client->link.cursor++ == 0) {
		irqs->peer = client->link.generation;
		irqs->replaying = true;
		irqs->replay_index = irqs->replay_kind = irqs->replay_start = 0;
	}
	for (; room != 0 && ret == 0; room--)
		ret = replay_next(client);
	if (ret == 1) {
		irqs->replaying = false;
		ret = vfio_user_client_answered(client);
	}
	pthread_mutex_unlock(&irqs->lock);
	return ret;
}

/* Who drives must not block: a counter that is full was signalled anyway. */
static void
signal_fd(int fd)
{
	struct pollfd pfd = { .fd = fd, .events = POLLOUT };
	const uint64_t one = 1;

	/* the application's own: if that cannot be found out, it is as it should be */
	if (vfio_user_fd_is_eventfd(fd) == 0 ||
	    (poll(&pfd, 1, 0) >= 0 && (pfd.revents & POLLOUT) == 0))
		return;
	if (write(fd, &one, sizeof(one)) < 0)
		VFIO_USER_LOG(WARNING, "client: eventfd: %s", strerror(errno));
}

void
vfio_user_client_irqs_signal(struct rte_vfio_user_client *client)
{
	struct vfio_user_client_irqs *irqs = &client->irqs;
	const struct vfio_user_client_vector *vector;
	uint32_t i, j;

	pthread_mutex_lock(&irqs->lock);
	for (i = 0; i < irqs->nb_indexes; i++) {
		for (j = 0; j < irqs->index[i].nb; j++) {
			vector = &irqs->index[i].vector[j];
			if (vector->fd[KIND_TRIGGER] >= 0 && !vector->masked)
				signal_fd(vector->fd[KIND_TRIGGER]);
		}
	}
	pthread_mutex_unlock(&irqs->lock);
}
