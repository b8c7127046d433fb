/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#include <errno.h>
#include <inttypes.h>
#include <link.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <rte_common.h>

#include "vfio_user_compat.h"
#include "vfio_user_telemetry.h"

/* Here, as a program with a device cannot be linked without this file. */
static const struct {
	ElfW(Nhdr) head;
	char name[RTE_ALIGN_CEIL(sizeof(RTE_VFIO_USER_ELF_NOTE), 4)];
	uint32_t version;
} note __rte_used __attribute__((section(".note.dpdk_vfio_user"), aligned(4))) = {
	.head = { sizeof(RTE_VFIO_USER_ELF_NOTE), sizeof(uint32_t), 1 },
	.name = RTE_VFIO_USER_ELF_NOTE,
	.version = RTE_VFIO_USER_PROTO_MAJOR << 16 | RTE_VFIO_USER_PROTO_MINOR,
};

static TAILQ_HEAD(, vfio_user_telemetry) devices = TAILQ_HEAD_INITIALIZER(devices);
static uint64_t next_id = 1;
/* the list, and what its members are told of; held while an answer is made */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* ------------------------------------------------------------- what devices say */

void
vfio_user_telemetry_add(struct vfio_user_telemetry *node, const char *path,
			const struct vfio_user_telemetry_ops *ops, const void *dev)
{
	pthread_mutex_lock(&lock);
	node->ops = ops;
	node->dev = dev;
	if (path != NULL)
		snprintf(node->path, sizeof(node->path), "%s", path);
	node->id = next_id++;
	TAILQ_INSERT_TAIL(&devices, node, next);
	pthread_mutex_unlock(&lock);
}

void
vfio_user_telemetry_remove(struct vfio_user_telemetry *node)
{
	pthread_mutex_lock(&lock);
	if (node->id != 0)
		TAILQ_REMOVE(&devices, node, next);
	node->id = 0;
	pthread_mutex_unlock(&lock);
}

void
vfio_user_telemetry_state(struct vfio_user_telemetry *node, const char *state)
{
	pthread_mutex_lock(&lock);
	node->state = state;
	node->peer_pid = 0;
	node->negotiated = false;
	pthread_mutex_unlock(&lock);
}

void
vfio_user_telemetry_peer(struct vfio_user_telemetry *node, int fd)
{
	struct ucred cred = { 0 };
	socklen_t len = sizeof(cred);

	/* not to know it is no reason to refuse it */
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0)
		cred.pid = 0;
	pthread_mutex_lock(&lock);
	node->peer_pid = cred.pid;
	node->peer_uid = cred.uid;
	pthread_mutex_unlock(&lock);
}

void
vfio_user_telemetry_connected(struct vfio_user_telemetry *node, const char *state,
			      const struct rte_vfio_user_negotiated *neg)
{
	pthread_mutex_lock(&lock);
	node->state = state;
	node->negotiated = true;
	node->neg = *neg;
	pthread_mutex_unlock(&lock);
}

/* ---------------------------------------------------------------------- answers */

/*
 * Values that do not fit are left out: telemetry's limits are far above what is
 * put in here, and there is nobody to be told.
 */

/* Parse a number that is all of a parameter: 0 or -EINVAL. */
static int
parse_id(const char *params, uint64_t *id)
{
	char *end;

	if (params == NULL || params[0] < '0' || params[0] > '9')
		return -EINVAL;
	errno = 0;
	*id = strtoull(params, &end, 10);
	return errno != 0 || *end != '\0' ? -EINVAL : 0;
}

/* Add an array or a dictionary that was filled, and hand it over. */
static void
add_container(struct rte_tel_data *d, const char *name, struct rte_tel_data *val)
{
	if (rte_tel_data_add_dict_container(d, name, val, 0) < 0)
		rte_tel_data_free(val);
}

static int
on_list(const char *cmd, const char *params, struct rte_tel_data *d)
{
	struct rte_tel_data *ids = rte_tel_data_alloc();
	const struct vfio_user_telemetry *node;
	uint64_t from = 0, next = 0, nb = 0;
	int left = RTE_TEL_MAX_ARRAY_ENTRIES;

	RTE_SET_USED(cmd);
	if (ids == NULL || (params != NULL && parse_id(params, &from) < 0)) {
		rte_tel_data_free(ids);
		return -EINVAL;
	}
	rte_tel_data_start_dict(d);
	rte_tel_data_start_array(ids, VFIO_USER_TEL_UINT);
	pthread_mutex_lock(&lock);
	TAILQ_FOREACH(node, &devices, next) { /* by id */
		nb++;
		if (node->id < from || next != 0)
			continue;
		if (left-- != 0)
			vfio_user_tel_add_array_uint(ids, node->id);
		else
			next = node->id;
	}
	pthread_mutex_unlock(&lock);
	add_container(d, "devices", ids);
	vfio_user_tel_add_dict_uint(d, "total", nb);
	vfio_user_tel_add_dict_uint(d, "next", next);
	return 0;
}

/* Lock held. */
static const struct vfio_user_telemetry *
find(const char *params)
{
	const struct vfio_user_telemetry *node;
	uint64_t id;

	if (parse_id(params, &id) < 0)
		return NULL;
	TAILQ_FOREACH(node, &devices, next)
		if (node->id == id)
			return node;
	return NULL;
}

static void
add_negotiated(struct rte_tel_data *d, const struct rte_vfio_user_negotiated *neg)
{
	char version[32];

	snprintf(version, sizeof(version), "%u.%u", neg->major, neg->minor);
	rte_tel_data_add_dict_string(d, "version", version);
	vfio_user_tel_add_dict_uint(d, "max_msg_fds", neg->max_msg_fds);
	vfio_user_tel_add_dict_uint(d, "max_data_xfer_size", neg->max_data_xfer_size);
	vfio_user_tel_add_dict_uint(d, "max_dma_maps", neg->max_dma_maps);
	vfio_user_tel_add_dict_uint(d, "pgsizes", neg->pgsizes);
	vfio_user_tel_add_dict_uint(d, "write_multiple", neg->write_multiple);
	vfio_user_tel_add_dict_uint(d, "twin_socket", neg->twin_socket);
	vfio_user_tel_add_dict_uint(d, "sparse_mmap_fds", neg->sparse_mmap_fds);
}

static void
add_array(struct rte_tel_data *d, const char *name, const uint64_t *values, uint32_t nb)
{
	struct rte_tel_data *array = rte_tel_data_alloc();
	uint32_t i;

	if (array == NULL)
		return;
	rte_tel_data_start_array(array, VFIO_USER_TEL_UINT);
	for (i = 0; i < RTE_MIN(nb, (uint32_t)VFIO_USER_TELEMETRY_SHAPE); i++)
		vfio_user_tel_add_array_uint(array, values[i]);
	add_container(d, name, array);
}

static void
add_shape(struct rte_tel_data *d, const struct vfio_user_telemetry *node)
{
	struct vfio_user_telemetry_shape shape = { 0 };

	if (node->ops->shape == NULL)
		return;
	node->ops->shape(node->dev, &shape);
	vfio_user_tel_add_dict_uint(d, "regions", shape.nb_regions);
	vfio_user_tel_add_dict_uint(d, "irqs", shape.nb_irqs);
	add_array(d, "region_sizes", shape.region_sizes, shape.nb_regions);
	add_array(d, "region_flags", shape.region_flags, shape.nb_regions);
	add_array(d, "irq_counts", shape.irq_counts, shape.nb_irqs);
	add_array(d, "irqs_assigned", shape.irqs_assigned, shape.nb_irqs);
}

static void
add_identity(struct rte_tel_data *d, const struct vfio_user_telemetry *node)
{
	vfio_user_tel_add_dict_uint(d, "id", node->id);
	rte_tel_data_add_dict_string(d, "role", node->ops->role);
	rte_tel_data_add_dict_string(d, "socket", node->path);
	rte_tel_data_add_dict_string(d, "state", node->state);
	if (node->peer_pid == 0)
		return;
	vfio_user_tel_add_dict_uint(d, "peer_pid", (uint64_t)node->peer_pid);
	vfio_user_tel_add_dict_uint(d, "peer_uid", node->peer_uid);
}

static int
on_dev(const char *cmd, const char *params, struct rte_tel_data *d)
{
	const struct vfio_user_telemetry *node;
	struct rte_vfio_user_stats stats;

	RTE_SET_USED(cmd);
	pthread_mutex_lock(&lock);
	node = find(params);
	if (node != NULL) {
		rte_tel_data_start_dict(d);
		add_identity(d, node);
		if (node->negotiated)
			add_negotiated(d, &node->neg);
		add_shape(d, node);
		node->ops->stats(node->dev, &stats);
		vfio_user_tel_add_dict_uint(d, "dma_maps", stats.dma_maps);
		vfio_user_tel_add_dict_uint(d, "dma_bytes", stats.dma_bytes);
	}
	pthread_mutex_unlock(&lock);
	return node == NULL ? -ENOENT : 0;
}

/* ------------------------------------------------------------------- counters */

/* A counter of all commands by name, those that are 0 left out. */
static void
add_commands(struct rte_tel_data *d, const char *name,
	     const struct rte_vfio_user_message_stats *st, size_t offset)
{
	struct rte_tel_data *dict = rte_tel_data_alloc();
	const char *command;
	uint64_t value;
	uint32_t i;

	if (dict == NULL)
		return;
	rte_tel_data_start_dict(dict);
	for (i = 0; i < RTE_VFIO_USER_STATS_COMMANDS; i++) {
		memcpy(&value, (const uint8_t *)&st->commands[i] + offset, sizeof(value));
		command = rte_vfio_user_stats_command_name(i);
		if (value != 0)
			vfio_user_tel_add_dict_uint(dict, command != NULL ? command : "other",
						    value);
	}
	add_container(d, name, dict);
}

static void
add_errnos(struct rte_tel_data *d, const char *name, const uint64_t *errors)
{
	struct rte_tel_data *dict = rte_tel_data_alloc();
	const char *error;
	char number[16];
	int i;

	if (dict == NULL)
		return;
	rte_tel_data_start_dict(dict);
	for (i = 0; i < RTE_VFIO_USER_STATS_ERRNOS; i++) {
		if (errors[i] == 0)
			continue;
		snprintf(number, sizeof(number), "errno_%d", i);
		error = i == 0 ? "other" : vfio_user_errno_name(i);
		vfio_user_tel_add_dict_uint(dict, error != NULL ? error : number, errors[i]);
	}
	add_container(d, name, dict);
}

static const struct {
	const char *name;
	size_t offset;
} scalars[] = {
#define SCALAR(field) { #field, offsetof(struct rte_vfio_user_stats, field) }
	{ "messages_in", offsetof(struct rte_vfio_user_stats, in.messages) },
	{ "messages_out", offsetof(struct rte_vfio_user_stats, out.messages) },
	{ "bytes_in", offsetof(struct rte_vfio_user_stats, in.bytes) },
	{ "bytes_out", offsetof(struct rte_vfio_user_stats, out.bytes) },
	{ "fds_in", offsetof(struct rte_vfio_user_stats, in.fds) },
	{ "fds_out", offsetof(struct rte_vfio_user_stats, out.fds) },
	SCALAR(connections), SCALAR(disconnections), SCALAR(reconnects), SCALAR(refused),
	SCALAR(timeouts), SCALAR(peer_timeouts), SCALAR(violations), SCALAR(parked),
	SCALAR(queued), SCALAR(lost_writes), SCALAR(dma_maps), SCALAR(dma_bytes),
	SCALAR(dma_mapped), SCALAR(dma_unmapped), SCALAR(irqs_delivered),
	SCALAR(irqs_held), SCALAR(irqs_unassigned),
#undef SCALAR
};

static void
add_stats(struct rte_tel_data *d, const struct rte_vfio_user_stats *stats)
{
	const size_t requests = offsetof(struct rte_vfio_user_command_stats, requests);
	const size_t replies = offsetof(struct rte_vfio_user_command_stats, replies);
	const size_t errors = offsetof(struct rte_vfio_user_command_stats, errors);
	const size_t bytes = offsetof(struct rte_vfio_user_command_stats, bytes);
	uint64_t value;
	size_t i;

	for (i = 0; i < RTE_DIM(scalars); i++) {
		memcpy(&value, (const uint8_t *)stats + scalars[i].offset, sizeof(value));
		vfio_user_tel_add_dict_uint(d, scalars[i].name, value);
	}
	add_commands(d, "requests_in", &stats->in, requests);
	add_commands(d, "requests_out", &stats->out, requests);
	add_commands(d, "replies_in", &stats->in, replies);
	add_commands(d, "replies_out", &stats->out, replies);
	add_commands(d, "errors_in", &stats->in, errors);
	add_commands(d, "errors_out", &stats->out, errors);
	add_commands(d, "command_bytes_in", &stats->in, bytes);
	add_commands(d, "command_bytes_out", &stats->out, bytes);
	add_errnos(d, "errnos_in", stats->in.errors);
	add_errnos(d, "errnos_out", stats->out.errors);
}

static int
on_stats(const char *cmd, const char *params, struct rte_tel_data *d)
{
	const struct vfio_user_telemetry *node;
	struct rte_vfio_user_stats stats;

	RTE_SET_USED(cmd);
	pthread_mutex_lock(&lock);
	node = find(params);
	if (node != NULL)
		node->ops->stats(node->dev, &stats);
	pthread_mutex_unlock(&lock);
	if (node == NULL)
		return -ENOENT;
	rte_tel_data_start_dict(d);
	add_stats(d, &stats);
	return 0;
}

RTE_INIT(vfio_user_telemetry_init)
{
	rte_telemetry_register_cmd("/vfio_user/list", on_list,
			"Ids of the devices, up to 512 from FROM on; next: the FROM to go on"
			" with, 0 at the end. Parameters: [FROM]");
	rte_telemetry_register_cmd("/vfio_user/dev", on_dev,
			"Role, socket, state, peer and description of a device. Parameters: ID");
	rte_telemetry_register_cmd("/vfio_user/stats", on_stats,
			"Counters of a device. Parameters: ID");
}
