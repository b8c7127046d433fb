/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <rte_common.h>
#include <rte_kvargs.h>

#include "vnic_conf.h"
#include "vnic_log.h"

/** How an argument is read. */
struct arg {
	const char *key;
	/** 0 or a negative errno. */
	int (*read)(const struct arg *arg, const char *value, void *to);
	size_t offset; /**< in struct vnic_conf */
	uint32_t min, max; /**< of numbers */
	const char *accepts; /**< for messages */
};

/** Handed through rte_kvargs_process(). */
struct parse {
	struct vnic_conf *conf;
	const struct arg *arg;
	const char *name; /**< of the device */
};

/* -------------------------------------------------------------- values */

static int
number(const char *value, uint32_t min, uint32_t max, uint32_t *num)
{
	unsigned long long parsed;
	char *end;

	/* strtoull() takes blanks and signs */
	if (!isdigit((unsigned char)value[0]))
		return -EINVAL;
	errno = 0;
	parsed = strtoull(value, &end, 10);
	if (errno != 0 || *end != '\0')
		return -EINVAL;
	if (parsed < min || parsed > max)
		return -ERANGE;
	*num = (uint32_t)parsed;
	return 0;
}

static int
read_u32(const struct arg *arg, const char *value, void *to)
{
	return number(value, arg->min, arg->max, to);
}

static int
read_u16(const struct arg *arg, const char *value, void *to)
{
	uint32_t num;
	int ret = number(value, arg->min, arg->max, &num);

	if (ret == 0)
		*(uint16_t *)to = (uint16_t)num;
	return ret;
}

static int
read_bool(const struct arg *arg, const char *value, void *to)
{
	uint32_t num;
	int ret = number(value, arg->min, arg->max, &num);

	if (ret == 0)
		*(bool *)to = num != 0;
	return ret;
}

static int
read_size(const struct arg *arg, const char *value, void *to)
{
	uint32_t num;
	int ret = number(value, arg->min, arg->max, &num);

	if (ret == 0 && !rte_is_power_of_2(num))
		return -EINVAL;
	if (ret == 0)
		*(uint16_t *)to = (uint16_t)num;
	return ret;
}

static int
read_forever(const struct arg *arg, const char *value, void *to)
{
	if (strcmp(value, "forever") != 0)
		return read_u32(arg, value, to);
	*(uint32_t *)to = UINT32_MAX;
	return 0;
}

static int
read_path(const struct arg *arg, const char *value, void *to)
{
	size_t len = strlen(value);

	RTE_SET_USED(arg);
	if (len == 0)
		return -EINVAL;
	if (len >= sizeof(((struct vnic_conf *)NULL)->path))
		return -ENAMETOOLONG;
	memcpy(to, value, len + 1);
	return 0;
}

static int
read_mac(const struct arg *arg, const char *value, void *to)
{
	struct rte_ether_addr mac;

	RTE_SET_USED(arg);
	if (rte_ether_unformat_addr(value, &mac) < 0 || !rte_is_valid_assigned_ether_addr(&mac))
		return -EINVAL;
	*(struct rte_ether_addr *)to = mac;
	return 0;
}

/* ---------------------------------------------------------------- table */

#define AT(field) offsetof(struct vnic_conf, field)
#define SWITCH(key, field) { key, read_bool, AT(field), 0, 1, "0 or 1" }

static const struct arg args[] = {
	{ "path", read_path, AT(path), 0, 0, "the path of a socket, shorter than 108 bytes" },
	{ "queues", read_u16, AT(queues), 1, VNIC_MAX_PAIRS, "1 to 128" },
	{ "queue_size", read_size, AT(queue_size), VNIC_MIN_QUEUE_SIZE, VNIC_MAX_QUEUE_SIZE,
	  "a power of 2 from 64 to 32768" },
	{ "mac", read_mac, AT(mac), 0, 0, "a unicast address, xx:xx:xx:xx:xx:xx" },
	{ "connect", read_u32, AT(connect_ms), 0, VNIC_MAX_MS, "0 to 3600000 milliseconds" },
	{ "reconnect", read_forever, AT(reconnect_ms), 0, VNIC_MAX_MS,
	  "0 to 3600000 milliseconds, or forever" },
	{ "timeout", read_u32, AT(timeout_ms), 1, VNIC_MAX_MS, "1 to 3600000 milliseconds" },
	SWITCH("packed_vq", packed_vq),
	SWITCH("in_order", in_order),
	SWITCH("mrg_rxbuf", mrg_rxbuf),
	SWITCH("indirect", indirect),
	SWITCH("event_idx", event_idx),
	SWITCH("notify_data", notify_data),
};

static int
take(const char *key, const char *value, void *opaque)
{
	const struct parse *parse = opaque;
	const struct arg *arg = parse->arg;
	int ret = -EINVAL;

	if (value != NULL)
		ret = arg->read(arg, value, (uint8_t *)parse->conf + arg->offset);
	if (ret < 0)
		VNIC_LOG(ERR, "%s: %s=%s: not %s", parse->name, key, value == NULL ? "" : value,
			 arg->accepts);
	return ret;
}

static void
defaults(struct vnic_conf *conf)
{
	memset(conf, 0, sizeof(*conf));
	conf->queues = 1;
	conf->connect_ms = 5000;
	conf->reconnect_ms = UINT32_MAX;
	conf->timeout_ms = 5000;
	conf->packed_vq = conf->in_order = conf->mrg_rxbuf = conf->indirect = true;
}

static int
parse_all(struct vnic_conf *conf, const char *name, struct rte_kvargs *kv)
{
	struct parse parse = { .conf = conf, .name = name };
	unsigned int i;

	for (i = 0; i < RTE_DIM(args); i++) {
		parse.arg = &args[i];
		if (rte_kvargs_count(kv, args[i].key) > 1) {
			VNIC_LOG(ERR, "%s: %s is given twice", name, args[i].key);
			return -EINVAL;
		}
		/* it does not pass our value on */
		if (rte_kvargs_process(kv, args[i].key, take, &parse) < 0)
			return -EINVAL;
	}
	if (conf->path[0] == '\0') {
		VNIC_LOG(ERR, "%s: path is missing: %s", name, args[0].accepts);
		return -EINVAL;
	}
	return 0;
}

int
vnic_conf_parse(struct vnic_conf *conf, const char *name, const char *text)
{
	const char *keys[RTE_DIM(args) + 1] = { NULL };
	struct rte_kvargs *kv;
	unsigned int i;
	int ret;

	defaults(conf);
	for (i = 0; i < RTE_DIM(args); i++)
		keys[i] = args[i].key;
	kv = rte_kvargs_parse(text == NULL ? "" : text, keys);
	if (kv == NULL) {
		VNIC_LOG(ERR, "%s: '%s' has unknown arguments; known: " VNIC_CONF_HELP, name,
			 text == NULL ? "" : text);
		return -EINVAL;
	}
	ret = parse_all(conf, name, kv);
	rte_kvargs_free(kv);
	return ret;
}
