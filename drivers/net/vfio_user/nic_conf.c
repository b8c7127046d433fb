/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <rte_bitops.h>
#include <rte_common.h>
#include <rte_jhash.h>
#include <rte_kvargs.h>
#include <rte_memory.h>

#include "nic.h"

/** One argument: where its value goes, and what it may be. */
struct arg {
	const char *key;
	size_t offset;
	int (*parse)(const struct arg *arg, const char *value, void *field);
	uint32_t min, max;
	const char *accepts;
};

static int
refuse(const struct arg *arg, const char *value)
{
	NIC_LOG(ERR, "argument %s=%s: not %s", arg->key, value, arg->accepts);
	return -EINVAL;
}

static int
number(const struct arg *arg, const char *value, int base, unsigned long *out)
{
	char *end;

	errno = 0;
	*out = strtoul(value, &end, base);
	if (errno != 0 || end == value || *end != '\0' || *value < '0' || *value > '9' ||
	    *out < arg->min || *out > arg->max)
		return refuse(arg, value);
	return 0;
}

static int
parse_path(const struct arg *arg, const char *value, void *field)
{
	if (*value == '\0' || strlen(value) >= sizeof(((struct nic_conf *)NULL)->iface))
		return refuse(arg, value);
	strcpy(field, value);
	return 0;
}

static int
parse_u16(const struct arg *arg, const char *value, void *field)
{
	unsigned long n;
	int ret = number(arg, value, 10, &n);

	if (ret == 0)
		*(uint16_t *)field = (uint16_t)n;
	return ret;
}

static int
parse_u32(const struct arg *arg, const char *value, void *field)
{
	unsigned long n;
	int ret = number(arg, value, 10, &n);

	if (ret == 0)
		*(uint32_t *)field = (uint32_t)n;
	return ret;
}

static int
parse_power(const struct arg *arg, const char *value, void *field)
{
	unsigned long n;
	int ret = number(arg, value, 10, &n);

	if (ret == 0 && !rte_is_power_of_2(n))
		return refuse(arg, value);
	if (ret == 0)
		*(uint16_t *)field = (uint16_t)n;
	return ret;
}

static int
parse_bool(const struct arg *arg, const char *value, void *field)
{
	unsigned long n;
	int ret = number(arg, value, 10, &n);

	if (ret == 0)
		*(bool *)field = n != 0;
	return ret;
}

static int
parse_octal(const struct arg *arg, const char *value, void *field)
{
	unsigned long n;
	int ret = number(arg, value, 8, &n);

	if (ret == 0)
		*(uint32_t *)field = (uint32_t)n;
	return ret;
}

static int
parse_numa(const struct arg *arg, const char *value, void *field)
{
	unsigned long n;
	int ret = number(arg, value, 10, &n);

	if (ret == 0)
		*(int *)field = (int)n;
	return ret;
}

static int
parse_mac(const struct arg *arg, const char *value, void *field)
{
	if (rte_ether_unformat_addr(value, field) < 0 || !rte_is_valid_assigned_ether_addr(field))
		return refuse(arg, value);
	return 0;
}

static int
parse_mode(const struct arg *arg, const char *value, void *field)
{
	if (strcmp(value, "poll") != 0 && strcmp(value, "interrupt") != 0)
		return refuse(arg, value);
	*(bool *)field = value[0] == 'i';
	return 0;
}

#define ARG(field_, parse_, min_, max_, accepts_) \
	{ #field_, offsetof(struct nic_conf, field_), parse_, min_, max_, accepts_ }
#define BOOL(field_) ARG(field_, parse_bool, 0, 1, "0 or 1")

static const struct arg args_known[] = {
	ARG(iface, parse_path, 0, 0, "a path of 1 to 107 bytes"),
	ARG(queues, parse_u16, 1, NIC_MAX_PAIRS, "a number of queue pairs, 1 to 128"),
	ARG(queue_size, parse_power, 64, RTE_VIRTIO_DEV_MAX_QUEUE_SIZE,
	    "a power of 2, 64 to 32768"),
	ARG(mac, parse_mac, 0, 0, "a unicast address, xx:xx:xx:xx:xx:xx"),
	ARG(mtu, parse_u16, NIC_MIN_MTU, NIC_MAX_MTU, "a number of bytes, 68 to 65535"),
	ARG(speed, parse_u32, 1, INT32_MAX, "a number of Mbit/s, 1 to 2147483647"),
	ARG(rx_usecs, parse_u32, 0, NIC_MAX_USECS, "a number of microseconds, 0 to 10000"),
	ARG(tx_usecs, parse_u32, 0, NIC_MAX_USECS, "a number of microseconds, 0 to 10000"),
	ARG(sock_mode, parse_octal, 1, 0777, "an octal file mode, 1 to 777"),
	ARG(numa, parse_numa, 0, RTE_MAX_NUMA_NODES - 1, "the number of a NUMA node"),
	BOOL(packed),
	BOOL(mergeable),
	BOOL(in_order),
	BOOL(indirect),
	BOOL(event_idx),
	BOOL(csum),
	BOOL(tso),
	BOOL(platform),
	BOOL(msix),
	{ "mode", offsetof(struct nic_conf, interrupt), parse_mode, 0, 0, "poll or interrupt" },
};

/* A locally administered address; the same name gets the same one. */
static void
default_mac(struct rte_ether_addr *mac, const char *name)
{
	const uint32_t hash = rte_jhash(name, (uint32_t)strlen(name), 0);

	mac->addr_bytes[0] = 0x56;
	mac->addr_bytes[1] = 0x46;
	memcpy(&mac->addr_bytes[2], &hash, sizeof(hash));
}

static void
defaults(struct nic_conf *conf, const char *name)
{
	*conf = (struct nic_conf){
		.queues = 1,
		.queue_size = 256,
		.speed = 10000,
		.sock_mode = 0600,
		.numa = SOCKET_ID_ANY,
		.packed = true,
		.mergeable = true,
		.in_order = true,
		.indirect = true,
		.event_idx = true,
		.csum = true,
		.platform = true,
		.msix = true,
	};
	default_mac(&conf->mac, name);
}

static int
set_field(const char *key, const char *value, void *opaque)
{
	struct nic_conf *conf = opaque;
	size_t i;

	for (i = 0; i < RTE_DIM(args_known); i++)
		if (strcmp(args_known[i].key, key) == 0)
			return args_known[i].parse(&args_known[i], value != NULL ? value : "",
						   (uint8_t *)conf + args_known[i].offset);
	return -EINVAL; /* rte_kvargs_parse() has refused it */
}

static int
consistent(const struct nic_conf *conf)
{
	if (conf->iface[0] == '\0') {
		NIC_LOG(ERR, "argument iface is missing: the path of the socket");
		return -EINVAL;
	}
	if (conf->tso && !conf->csum) {
		NIC_LOG(ERR, "argument tso=1 needs csum=1");
		return -EINVAL;
	}
	return 0;
}

/* rte_kvargs_parse() says only that something is wrong. */
static struct rte_kvargs *
split(const char *args)
{
	const char *keys[RTE_DIM(args_known) + 1];
	struct rte_kvargs *pairs;
	size_t i;

	for (i = 0; i < RTE_DIM(args_known); i++)
		keys[i] = args_known[i].key;
	keys[i] = NULL;
	pairs = rte_kvargs_parse(args, keys);
	if (pairs == NULL)
		NIC_LOG(ERR, "arguments \"%s\": not KEY=VALUE,... of: %s", args, NIC_CONF_HELP);
	return pairs;
}

int
nic_conf_parse(struct nic_conf *conf, const char *name, const char *args)
{
	struct rte_kvargs *pairs;
	size_t i;
	int ret;

	defaults(conf, name);
	pairs = split(args != NULL ? args : "");
	if (pairs == NULL)
		return -EINVAL;
	for (i = 0, ret = 0; i < pairs->count && ret == 0; i++)
		ret = set_field(pairs->pairs[i].key, pairs->pairs[i].value, conf);
	rte_kvargs_free(pairs);
	return ret == 0 ? consistent(conf) : ret;
}
