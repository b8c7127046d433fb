/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include <rte_vfio_user_common.h>

#include "trace_decode.h"
#include "trace_names.h"

/* What is left of a payload: len bytes are at hand, total were sent. */
struct rest {
	const uint8_t *data;
	uint64_t len;
	uint64_t total;
};

enum kind {
	DEC,
	HEX,
	REGION, /* index of a region */
	NAME, /* a number with a table of names */
	BITS,
};

/* A member of a structure. */
struct member {
	const char *name;
	uint8_t offset;
	uint8_t size;
	enum kind kind;
	const struct trace_name *names;
};

static uint64_t
number_at(const uint8_t *data, uint32_t size)
{
	uint16_t u16;
	uint32_t u32;
	uint64_t u64;

	switch (size) {
	case 2:
		memcpy(&u16, data, size);
		return u16;
	case 4:
		memcpy(&u32, data, size);
		return u32;
	default:
		memcpy(&u64, data, size);
		return u64;
	}
}

static void
skip(struct rest *rest, uint64_t size)
{
	uint64_t there = RTE_MIN(size, rest->len);

	rest->data += there;
	rest->len -= there;
	rest->total -= RTE_MIN(size, rest->total);
}

/* What does not belong to the message as we know it. */
static void
show_rest(struct fields *f, const char *name, struct rest *rest)
{
	fields_data(f, name, rest->data, rest->len, rest->total);
	skip(rest, rest->total);
}

static void
show_member(struct fields *f, const struct member *m, uint64_t value)
{
	switch (m->kind) {
	case DEC:
		fields_num(f, m->name, value);
		break;
	case HEX:
		fields_hex(f, m->name, value);
		break;
	case REGION:
		fields_named(f, m->name, value, trace_region_name((uint32_t)value));
		break;
	case NAME:
		fields_named(f, m->name, value, trace_name_of(m->names, (uint32_t)value));
		break;
	case BITS:
		fields_bits(f, m->name, (uint32_t)value, m->names);
		break;
	}
}

/*
 * Show the members that are there and skip the structure; false if it is not
 * whole. Members are in the order of their offsets.
 */
static bool
show_struct(struct fields *f, struct rest *rest, const struct member *members,
	    uint32_t nb, uint32_t size)
{
	bool whole = rest->len >= size;
	uint32_t i, end = 0;

	for (i = 0; i < nb; i++) {
		if (members[i].offset + members[i].size > rest->len)
			break;
		show_member(f, &members[i],
			    number_at(rest->data + members[i].offset, members[i].size));
		end = members[i].offset + members[i].size;
	}
	skip(rest, whole ? size : end);
	if (whole)
		return true;
	fields_note(f, "payload too short");
	show_rest(f, "extra", rest);
	return false;
}

#define SHOW(f, rest, members, size) \
	show_struct(f, rest, members, RTE_DIM(members), size)

/* ------------------------------------------------------------- VERSION */

static const struct member version_members[] = {
	{ "major", 0, 2, DEC, NULL },
	{ "minor", 2, 2, DEC, NULL },
};

/* The peer's JSON, written anew so that it is plain ASCII on one line. */
static void
show_version(struct fields *f, struct rest *rest)
{
	const char *text;
	json_t *root;
	char *clean;
	size_t len;

	if (!SHOW(f, rest, version_members, sizeof(struct vfio_user_version)) ||
	    rest->len == 0)
		return;
	text = (const char *)rest->data;
	len = strnlen(text, rest->len);
	root = json_loadb(text, len, 0, NULL);
	clean = json_dumps(root, JSON_COMPACT | JSON_ENSURE_ASCII);
	json_decref(root);
	if (clean != NULL) {
		fields_json(f, "data", clean);
		free(clean);
	} else {
		fields_string(f, "data_string", text,
			      RTE_MIN(len, (size_t)VFIO_USER_MAX_VERSION_DATA));
		fields_note(f, "not a JSON text");
	}
	if (len == rest->total)
		fields_note(f, "no NUL at the end");
	skip(rest, len == rest->len ? rest->total : len + 1);
}

/* ----------------------------------------------------------------- DMA */

static const struct member dma_map_members[] = {
	{ "argsz", 0, 4, DEC, NULL },
	{ "flags", 4, 4, BITS, trace_dma_map_flags },
	{ "offset", 8, 8, HEX, NULL },
	{ "addr", 16, 8, HEX, NULL },
	{ "size", 24, 8, HEX, NULL },
};

static const struct member dma_unmap_members[] = {
	{ "argsz", 0, 4, DEC, NULL },
	{ "flags", 4, 4, BITS, trace_dma_unmap_flags },
	{ "addr", 8, 8, HEX, NULL },
	{ "size", 16, 8, HEX, NULL },
};

static const struct member bitmap_members[] = {
	{ "bitmap_pgsize", 0, 8, HEX, NULL },
	{ "bitmap_size", 8, 8, DEC, NULL },
};

/* A dirty bitmap, one bit a page. */
static void
show_bitmap(struct fields *f, struct rest *rest)
{
	uint64_t i, dirty = 0;

	if (rest->total == 0)
		return;
	for (i = 0; i < rest->len; i++)
		dirty += (uint64_t)__builtin_popcount(rest->data[i]);
	fields_num(f, "bitmap_bytes", rest->total);
	if (rest->len == rest->total)
		fields_num(f, "dirty_pages", dirty);
	else
		fields_note(f, "the bitmap is too long to be counted");
	show_rest(f, "bitmap", rest);
}

/* The early versions of the protocol return a bitmap. */
static void
show_dma_unmap(struct fields *f, struct rest *rest)
{
	uint32_t flags = rest->len >= 8 ? (uint32_t)number_at(rest->data + 4, 4) : 0;

	if (!SHOW(f, rest, dma_unmap_members, sizeof(struct vfio_user_dma_unmap)))
		return;
	if ((flags & trace_dma_unmap_flags[0].value) == 0 || rest->len == 0)
		return;
	if (SHOW(f, rest, bitmap_members, 16))
		show_bitmap(f, rest);
}

static const struct member dma_access_members[] = {
	{ "addr", 0, 8, HEX, NULL },
	{ "count", 8, 8, DEC, NULL },
};

static const struct member dma_access32_members[] = {
	{ "addr", 0, 8, HEX, NULL },
	{ "count", 8, 4, DEC, NULL },
};

/*
 * In the specification the reply to a DMA_WRITE has a count of 32 bits, in others
 * one of 64 bits, or is the header alone. Clients of QEMU 10.x reply to a DMA_READ
 * with a count of 32 bits and the data behind it; their errors are the header alone.
 */
static void
show_dma_access(struct fields *f, const struct trace_msg *msg, struct rest *rest)
{
	const uint32_t short_size = 12;
	bool reply = trace_is_reply(msg);
	bool read = msg->hdr.command == VFIO_USER_DMA_READ;
	uint64_t count;

	if (reply && rest->total == 0)
		return;
	if (reply && rest->len >= short_size) {
		count = read ? number_at(rest->data + 8, 4) : 0;
		if (rest->total == short_size + count) {
			SHOW(f, rest, dma_access32_members, short_size);
			if (read)
				fields_note(f, "the count has 32 bits");
			show_rest(f, "data", rest);
			return;
		}
	}
	if (!SHOW(f, rest, dma_access_members, sizeof(struct vfio_user_dma_access)))
		return;
	if (read == reply) {
		count = number_at(rest->data - 8, 8);
		if (count != rest->total)
			fields_note(f, "count and data differ");
		show_rest(f, "data", rest);
	}
}

/* -------------------------------------------------------------- device */

static const struct member device_info_members[] = {
	{ "argsz", 0, 4, DEC, NULL },
	{ "flags", 4, 4, BITS, trace_device_flags },
	{ "num_regions", 8, 4, DEC, NULL },
	{ "num_irqs", 12, 4, DEC, NULL },
};

static const struct member region_info_members[] = {
	{ "argsz", 0, 4, DEC, NULL },
	{ "flags", 4, 4, BITS, trace_region_flags },
	{ "index", 8, 4, REGION, NULL },
	{ "cap_offset", 12, 4, DEC, NULL },
	{ "size", 16, 8, HEX, NULL },
	{ "offset", 24, 8, HEX, NULL },
};

static const struct member area_members[] = {
	{ "offset", 0, 8, HEX, NULL },
	{ "size", 8, 8, HEX, NULL },
};

static const struct member fds_area_members[] = {
	{ "offset", 0, 8, HEX, NULL },
	{ "fd_offset", 8, 8, HEX, NULL },
	{ "size", 16, 8, HEX, NULL },
	{ "fd_index", 24, 4, DEC, NULL },
};

static const struct member cap_type_members[] = {
	{ "type", 0, 4, HEX, NULL },
	{ "subtype", 4, 4, HEX, NULL },
};

/* Entries that are not shown, by what the peer says. */
static void
end_list(struct fields *f, struct rest *rest, uint64_t more, uint32_t size)
{
	if (more == 0)
		return;
	if (more > rest->total / size)
		fields_note(f, "the list is longer than the message");
	else
		fields_num(f, "more", more);
	skip(rest, rest->total);
}

/* A list of structures; nb is what the peer says. */
static void
show_list(struct fields *f, const char *name, struct rest *rest, uint64_t nb,
	  const struct member *members, uint32_t nb_members, uint32_t size)
{
	uint64_t i;

	fields_open(f, name, '[');
	for (i = 0; i < nb && i < TRACE_MAX_LIST && rest->len >= size; i++) {
		fields_open(f, NULL, '{');
		show_struct(f, rest, members, nb_members, size);
		fields_close(f, '}');
	}
	fields_close(f, ']');
	end_list(f, rest, nb - i, size);
}

#define SHOW_LIST(f, name, rest, nb, members, size) \
	show_list(f, name, rest, nb, members, RTE_DIM(members), size)

/* The body of a capability of a region. */
static void
show_cap(struct fields *f, uint16_t id, struct rest rest)
{
	uint32_t nr_areas;

	switch (id) {
	case VFIO_REGION_INFO_CAP_SPARSE_MMAP:
	case RTE_VFIO_USER_REGION_INFO_CAP_SPARSE_MMAP_FDS:
		if (rest.len < 8)
			break;
		nr_areas = (uint32_t)number_at(rest.data, 4);
		fields_num(f, "nr_areas", nr_areas);
		skip(&rest, 8);
		if (id == VFIO_REGION_INFO_CAP_SPARSE_MMAP)
			SHOW_LIST(f, "areas", &rest, nr_areas, area_members,
				  sizeof(struct vfio_region_sparse_mmap_area));
		else
			SHOW_LIST(f, "areas", &rest, nr_areas, fds_area_members,
				  sizeof(struct rte_vfio_user_sparse_fds_area));
		return;
	case VFIO_REGION_INFO_CAP_TYPE:
		SHOW(f, &rest, cap_type_members, 8);
		return;
	default:
		fields_data(f, "data", rest.data, rest.len, rest.total);
		return;
	}
	fields_note(f, "capability too short");
}

/* The chain of capabilities in a region info; offsets must go up. */
static void
show_caps(struct fields *f, struct rest info, uint32_t offset)
{
	struct vfio_info_cap_header cap;
	const char *note = NULL;
	struct rest body;

	fields_open(f, "caps", '[');
	while (offset != 0 && note == NULL) {
		if (offset < sizeof(struct vfio_region_info) ||
		    offset > info.len || info.len - offset < sizeof(cap)) {
			note = "a capability lies outside of the message";
			break;
		}
		memcpy(&cap, info.data + offset, sizeof(cap));
		body = info;
		if (cap.next > offset && cap.next <= info.len)
			body.len = body.total = cap.next;
		else if (cap.next != 0)
			note = "the capabilities are no chain";
		skip(&body, offset + sizeof(cap));
		fields_open(f, NULL, '{');
		fields_named(f, "id", cap.id, trace_name_of(trace_region_caps, cap.id));
		fields_num(f, "version", cap.version);
		fields_num(f, "next", cap.next);
		show_cap(f, cap.id, body);
		fields_close(f, '}');
		offset = cap.next;
	}
	fields_close(f, ']');
	if (note != NULL)
		fields_note(f, note);
}

static void
show_region_info(struct fields *f, const struct trace_msg *msg, struct rest *rest)
{
	struct rest info = *rest;
	uint32_t flags, offset;

	if (!SHOW(f, rest, region_info_members, sizeof(struct vfio_region_info)) ||
	    !trace_is_reply(msg))
		return;
	flags = (uint32_t)number_at(info.data + 4, 4);
	offset = (uint32_t)number_at(info.data + 12, 4);
	if ((flags & VFIO_REGION_INFO_FLAG_CAPS) == 0)
		return;
	show_caps(f, info, offset);
	skip(rest, rest->total);
}

static const struct member io_fds_members[] = {
	{ "argsz", 0, 4, DEC, NULL },
	{ "flags", 4, 4, HEX, NULL },
	{ "index", 8, 4, REGION, NULL },
	{ "count", 12, 4, DEC, NULL },
};

static const struct member sub_region_members[] = {
	{ "offset", 0, 8, HEX, NULL },
	{ "size", 8, 8, HEX, NULL },
	{ "fd_index", 16, 4, DEC, NULL },
	{ "type", 20, 4, NAME, trace_io_fd_types },
	{ "flags", 24, 4, BITS, trace_ioeventfd_flags },
	{ "datamatch", 32, 8, HEX, NULL },
};

static const struct member ioregionfd_members[] = {
	{ "offset", 0, 8, HEX, NULL },
	{ "size", 8, 8, HEX, NULL },
	{ "fd_index", 16, 4, DEC, NULL },
	{ "type", 20, 4, NAME, trace_io_fd_types },
	{ "flags", 24, 4, BITS, trace_ioregionfd_flags },
	{ "user_data", 32, 8, HEX, NULL },
};

static void
show_io_fds(struct fields *f, const struct trace_msg *msg, struct rest *rest)
{
	const uint32_t size = sizeof(struct vfio_user_sub_region);
	uint32_t i, count;

	if (!SHOW(f, rest, io_fds_members, sizeof(struct vfio_user_region_io_fds)) ||
	    !trace_is_reply(msg))
		return;
	count = (uint32_t)number_at(rest->data - 4, 4);
	fields_open(f, "sub_regions", '[');
	for (i = 0; i < count && i < TRACE_MAX_LIST && rest->len >= size; i++) {
		fields_open(f, NULL, '{');
		if (number_at(rest->data + 20, 4) == VFIO_USER_IO_FD_TYPE_IOREGIONFD)
			SHOW(f, rest, ioregionfd_members, size);
		else
			SHOW(f, rest, sub_region_members, size);
		fields_close(f, '}');
	}
	fields_close(f, ']');
	end_list(f, rest, count - i, size);
}

/* ---------------------------------------------------------- interrupts */

static const struct member irq_info_members[] = {
	{ "argsz", 0, 4, DEC, NULL },
	{ "flags", 4, 4, BITS, trace_irq_flags },
	{ "index", 8, 4, NAME, trace_irq_indexes },
	{ "count", 12, 4, DEC, NULL },
};

static const struct member irq_set_members[] = {
	{ "argsz", 0, 4, DEC, NULL },
	{ "flags", 4, 4, BITS, trace_irq_set_flags },
	{ "index", 8, 4, NAME, trace_irq_indexes },
	{ "start", 12, 4, DEC, NULL },
	{ "count", 16, 4, DEC, NULL },
};

static void
show_set_irqs(struct fields *f, const struct trace_msg *msg, struct rest *rest)
{
	uint32_t flags, count, i;

	if (!SHOW(f, rest, irq_set_members, offsetof(struct vfio_irq_set, data)))
		return;
	flags = (uint32_t)number_at(rest->data - 16, 4);
	count = (uint32_t)number_at(rest->data - 4, 4);
	if ((flags & VFIO_IRQ_SET_DATA_EVENTFD) != 0 && msg->nb_fds != 0 &&
	    msg->nb_fds != count)
		fields_note(f, "count and file descriptors differ");
	if ((flags & VFIO_IRQ_SET_DATA_BOOL) == 0)
		return;
	fields_open(f, "bools", '[');
	for (i = 0; i < count && i < TRACE_MAX_LIST && i < rest->len; i++)
		fields_num(f, NULL, rest->data[i]);
	fields_close(f, ']');
	if (count > rest->total)
		fields_note(f, "the list is longer than the message");
	else if (count > i)
		fields_num(f, "more", count - i);
	skip(rest, count);
}

/* ------------------------------------------------------------- regions */

static const struct member access_members[] = {
	{ "region", 8, 4, REGION, NULL },
	{ "offset", 0, 8, HEX, NULL },
	{ "count", 12, 4, DEC, NULL },
};

static void
show_access(struct fields *f, const struct trace_msg *msg, struct rest *rest)
{
	bool read = msg->hdr.command == VFIO_USER_REGION_READ;
	uint32_t count;

	if (rest->len < sizeof(struct vfio_user_region_access)) {
		if (rest->total != 0 || !trace_is_reply(msg))
			fields_note(f, "payload too short");
		return;
	}
	SHOW(f, rest, access_members, sizeof(struct vfio_user_region_access));
	count = (uint32_t)number_at(rest->data - 4, 4);
	if (read != trace_is_reply(msg))
		return;
	if (count != rest->total)
		fields_note(f, "count and data differ");
	show_rest(f, "data", rest);
}

static const struct member multi_members[] = {
	{ "wr_cnt", 0, 8, DEC, NULL },
};

static void
show_multi(struct fields *f, const struct trace_msg *msg, struct rest *rest)
{
	struct vfio_user_single_write wr;
	uint64_t i, count;

	if (!SHOW(f, rest, multi_members, sizeof(count)) || trace_is_reply(msg))
		return;
	count = number_at(rest->data - 8, 8);
	fields_open(f, "writes", '[');
	for (i = 0; i < count && i < TRACE_MAX_LIST && rest->len >= sizeof(wr); i++) {
		memcpy(&wr, rest->data, sizeof(wr));
		fields_open(f, NULL, '{');
		fields_named(f, "region", wr.region, trace_region_name(wr.region));
		fields_hex(f, "offset", wr.offset);
		fields_num(f, "count", wr.count);
		fields_data(f, "data", rest->data + offsetof(struct vfio_user_single_write, data),
			    RTE_MIN(wr.count, sizeof(wr.data)),
			    RTE_MIN(wr.count, sizeof(wr.data)));
		fields_close(f, '}');
		skip(rest, sizeof(wr));
	}
	fields_close(f, ']');
	end_list(f, rest, count - i, sizeof(wr));
}

/* ----------------------------------------------------------- migration */

static const struct member migration_members[] = {
	{ "migration_flags", 0, 4, BITS, trace_migration_flags },
};

static const struct member mig_state_members[] = {
	{ "device_state", 0, 4, NAME, trace_device_states },
	{ "data_fd", 4, 4, HEX, NULL },
};

static const struct member logging_members[] = {
	{ "page_size", 0, 8, HEX, NULL },
	{ "num_ranges", 8, 4, DEC, NULL },
};

static const struct member range_members[] = {
	{ "iova", 0, 8, HEX, NULL },
	{ "length", 8, 8, HEX, NULL },
};

static const struct member report_members[] = {
	{ "iova", 0, 8, HEX, NULL },
	{ "length", 8, 8, HEX, NULL },
	{ "page_size", 16, 8, HEX, NULL },
};

static const struct member mig_size_members[] = {
	{ "stop_copy_length", 0, 8, DEC, NULL },
};

static void
show_feature_data(struct fields *f, const char *feature, struct rest *rest)
{
	if (strcmp(feature, "MIGRATION") == 0) {
		SHOW(f, rest, migration_members, 8);
	} else if (strcmp(feature, "MIG_DEVICE_STATE") == 0) {
		SHOW(f, rest, mig_state_members, 8);
	} else if (strcmp(feature, "DMA_LOGGING_START") == 0) {
		if (SHOW(f, rest, logging_members, 16))
			SHOW_LIST(f, "ranges", rest, number_at(rest->data - 8, 4),
				  range_members, 16);
	} else if (strcmp(feature, "DMA_LOGGING_REPORT") == 0) {
		if (SHOW(f, rest, report_members, 24))
			show_bitmap(f, rest);
	} else if (strcmp(feature, "MIG_DATA_SIZE") == 0) {
		SHOW(f, rest, mig_size_members, 8);
	}
}

static void
show_feature(struct fields *f, struct rest *rest)
{
	const char *feature;
	uint32_t flags;

	if (rest->len < sizeof(struct vfio_user_device_feature)) {
		fields_note(f, "payload too short");
		return;
	}
	flags = (uint32_t)number_at(rest->data + 4, 4);
	feature = trace_name_of(trace_features, flags & VFIO_DEVICE_FEATURE_MASK);
	fields_num(f, "argsz", number_at(rest->data, 4));
	fields_named(f, "feature", flags & VFIO_DEVICE_FEATURE_MASK, feature);
	fields_bits(f, "ops", flags & ~(uint32_t)VFIO_DEVICE_FEATURE_MASK,
		    trace_feature_ops);
	skip(rest, sizeof(struct vfio_user_device_feature));
	if (feature != NULL && rest->total != 0)
		show_feature_data(f, feature, rest);
}

static const struct member mig_data_members[] = {
	{ "argsz", 0, 4, DEC, NULL },
	{ "size", 4, 4, DEC, NULL },
};

static void
show_mig_data(struct fields *f, const struct trace_msg *msg, struct rest *rest)
{
	bool read = msg->hdr.command == VFIO_USER_MIG_DATA_READ;

	/* the reply to a write has a payload in some versions */
	if ((!read && trace_is_reply(msg) && rest->total == 0) ||
	    !SHOW(f, rest, mig_data_members, 8) || read != trace_is_reply(msg))
		return;
	if (number_at(rest->data - 4, 4) != rest->total)
		fields_note(f, "size and data differ");
	show_rest(f, "data", rest);
}

/* ------------------------------------------------------------ dispatch */

static void
show_payload(struct fields *f, const struct trace_msg *msg, struct rest *rest)
{
	switch (msg->hdr.command) {
	case VFIO_USER_VERSION:
		show_version(f, rest);
		break;
	case VFIO_USER_DMA_MAP:
		if (!trace_is_reply(msg))
			SHOW(f, rest, dma_map_members, sizeof(struct vfio_user_dma_map));
		break;
	case VFIO_USER_DMA_UNMAP:
		show_dma_unmap(f, rest);
		break;
	case VFIO_USER_DEVICE_GET_INFO:
		SHOW(f, rest, device_info_members, VFIO_USER_DEVICE_INFO_SIZE);
		break;
	case VFIO_USER_DEVICE_GET_REGION_INFO:
		show_region_info(f, msg, rest);
		break;
	case VFIO_USER_DEVICE_GET_REGION_IO_FDS:
		show_io_fds(f, msg, rest);
		break;
	case VFIO_USER_DEVICE_GET_IRQ_INFO:
		SHOW(f, rest, irq_info_members, sizeof(struct vfio_irq_info));
		break;
	case VFIO_USER_DEVICE_SET_IRQS:
		if (!trace_is_reply(msg))
			show_set_irqs(f, msg, rest);
		break;
	case VFIO_USER_REGION_READ:
	case VFIO_USER_REGION_WRITE:
		show_access(f, msg, rest);
		break;
	case VFIO_USER_DMA_READ:
	case VFIO_USER_DMA_WRITE:
		show_dma_access(f, msg, rest);
		break;
	case VFIO_USER_REGION_WRITE_MULTI:
		show_multi(f, msg, rest);
		break;
	case VFIO_USER_DEVICE_FEATURE:
		show_feature(f, rest);
		break;
	case VFIO_USER_MIG_DATA_READ:
	case VFIO_USER_MIG_DATA_WRITE:
		show_mig_data(f, msg, rest);
		break;
	default: /* no payload, or not known */
		break;
	}
}

void
trace_decode(struct fields *f, const struct trace_msg *msg)
{
	const uint32_t head = sizeof(struct vfio_user_hdr);
	struct rest rest = {
		.data = msg->data + head,
		.len = msg->len - head,
		.total = msg->size - head,
	};
	bool error = trace_is_reply(msg) && (msg->hdr.flags & VFIO_USER_F_ERROR) != 0;

	/* an error is the header alone, whatever some servers append */
	if (rest.total != 0 || !error)
		show_payload(f, msg, &rest);
	if (rest.total == 0)
		return;
	if (trace_command_name(msg->hdr.command) == NULL)
		show_rest(f, "payload", &rest);
	else
		show_rest(f, "extra", &rest);
}

uint32_t
trace_region_in(const struct trace_msg *msg)
{
	const uint8_t *payload = msg->data + sizeof(struct vfio_user_hdr);
	uint32_t len = msg->len - (uint32_t)sizeof(struct vfio_user_hdr);

	switch (msg->hdr.command) {
	case VFIO_USER_DEVICE_GET_REGION_INFO:
	case VFIO_USER_DEVICE_GET_REGION_IO_FDS:
	case VFIO_USER_REGION_READ:
	case VFIO_USER_REGION_WRITE:
		return len >= 12 ? (uint32_t)number_at(payload + 8, 4) : UINT32_MAX;
	case VFIO_USER_REGION_WRITE_MULTI: /* the first write's */
		return len >= 20 && !trace_is_reply(msg) ?
			(uint32_t)number_at(payload + 16, 4) : UINT32_MAX;
	default:
		return UINT32_MAX;
	}
}
