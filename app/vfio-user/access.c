/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <rte_byteorder.h>

#include "access.h"
#include "names.h"
#include "tool.h"

uint32_t
width_parse(const char *text, const char *what)
{
	uint64_t width = parse_number(text, what, UINT32_MAX);

	if (width != 1 && width != 2 && width != 4 && width != 8)
		usage(NULL, "%s: the width must be 1, 2, 4 or 8", what);
	return (uint32_t)width;
}

void
poke_parse(struct pokes *pokes, const char *text, const char *option)
{
	char word[128], *offset, *value, *width;
	struct poke *poke;

	if (pokes->nb == RTE_DIM(pokes->poke))
		usage(NULL, "%s: given more than %u times", option, POKES_MAX);
	if (strlen(text) >= sizeof(word))
		usage(NULL, "%s: '%s' is too long", option, text);
	strcpy(word, text);
	offset = strchr(word, ':');
	value = offset == NULL ? NULL : strchr(offset, '=');
	if (value == NULL)
		usage(NULL, "%s: '%s' is not REGION:OFFSET=VALUE[/WIDTH]", option, text);
	*offset++ = '\0';
	*value++ = '\0';
	width = strchr(value, '/');
	if (width != NULL)
		*width++ = '\0';
	poke = &pokes->poke[pokes->nb++];
	poke->region = region_parse(word);
	poke->offset = parse_number(offset, option, UINT64_MAX);
	poke->width = width == NULL ? 4 : width_parse(width, option);
	poke->value = parse_number(value, option, UINT64_MAX >> (64 - 8 * poke->width));
}

/* One access that must be done as a whole. */
static void
check(struct session *s, ssize_t ret, uint32_t width, const char *what, uint32_t region,
      uint64_t offset)
{
	char name[NAME_SIZE];

	region_name(name, region);
	if (ret < 0)
		fail((int)ret, "%s: %s %u bytes at %s 0x%" PRIx64, s->path, what, width, name,
		     offset);
	if (ret != (ssize_t)width)
		die(STATUS_FAILED, "%s: %s %u bytes at %s 0x%" PRIx64 ": the device did only "
		    "%zd", s->path, what, width, name, offset, ret);
}

void
register_write(struct session *s, uint32_t region, uint64_t offset, uint64_t value,
	       uint32_t width)
{
	rte_le64_t wire = rte_cpu_to_le_64(value);

	check(s, rte_vfio_user_client_region_write(s->client, region, offset, &wire, width),
	      width, "writing", region, offset);
}

uint64_t
register_read(struct session *s, uint32_t region, uint64_t offset, uint32_t width)
{
	rte_le64_t wire = 0;

	check(s, rte_vfio_user_client_region_read(s->client, region, offset, &wire, width),
	      width, "reading", region, offset);
	return rte_le_to_cpu_64(wire);
}

void
pokes_write(struct session *s, const struct pokes *pokes)
{
	const struct poke *poke;
	uint32_t i;

	for (i = 0; i < pokes->nb; i++) {
		poke = &pokes->poke[i];
		register_write(s, poke->region, poke->offset, poke->value, poke->width);
	}
}
