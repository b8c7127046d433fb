/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#ifndef ACCESS_H
#define ACCESS_H

/**
 * @file
 * Accesses to registers, as the command line names them
 */

#include "session.h"

/** Accesses that one option --poke can be given. */
#define POKES_MAX 64

/** One write to a register: "REGION:OFFSET=VALUE[/WIDTH]". */
struct poke {
	uint32_t region;
	uint32_t width;
	uint64_t offset;
	uint64_t value;
};

/** Writes, in their order. */
struct pokes {
	uint32_t nb;
	struct poke poke[POKES_MAX];
};

/** Take one more; ends with STATUS_USAGE if it is malformed, or one too many. */
void poke_parse(struct pokes *pokes, const char *text, const char *option);

/** Do the writes; ends the program if one fails. */
void pokes_write(struct session *s, const struct pokes *pokes);

/** Parse a width: 1, 2, 4 or 8; ends with STATUS_USAGE. */
uint32_t width_parse(const char *text, const char *what);

/** Write one value of 1, 2, 4 or 8 bytes; ends the program if that fails. */
void register_write(struct session *s, uint32_t region, uint64_t offset, uint64_t value,
		    uint32_t width);

/** Read one value of 1, 2, 4 or 8 bytes; ends the program if that fails. */
uint64_t register_read(struct session *s, uint32_t region, uint64_t offset, uint32_t width);

#endif /* ACCESS_H */
