/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

/*
 * Sockets are where the EAL puts them. Processes that use the library are known
 * by the ELF note which the library carries, in the program or in any object
 * that is mapped to be executed: linked statically or not, stripped or not.
 */

#include <elf.h>
#include <errno.h>
#include <dirent.h>
#include <fcntl.h>
#include <glob.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <rte_common.h>
#include <rte_vfio_user_common.h>

#include "tool.h"
#include "top.h"

#define NOTES_MAX 65536 /* bytes of a file's notes that are looked at */
#define SEGMENTS_MAX 128
#define PATH_LEN 4200

/* ------------------------------------------------------------------------ lists */

static void *
grow(void *items, size_t nb, size_t size)
{
	/* at 0, 1, 2, 4, 8 ... items */
	if ((nb & (nb - 1)) != 0)
		return items;
	items = realloc(items, (nb == 0 ? 1 : 2 * nb) * size);
	if (items == NULL)
		die(STATUS_FAILED, "out of memory");
	return items;
}

static void
list_add(struct top_list *list, const char *name)
{
	list->name = grow(list->name, list->nb, sizeof(*list->name));
	list->name[list->nb] = strdup(name);
	if (list->name[list->nb++] == NULL)
		die(STATUS_FAILED, "out of memory");
}

void
top_list_free(struct top_list *list)
{
	while (list->nb != 0)
		free(list->name[--list->nb]);
	free(list->name);
	list->name = NULL;
}

/* ---------------------------------------------------------------------- sockets */

static bool
same_file(const char *a, const char *b)
{
	struct stat x, y;

	return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev &&
		x.st_ino == y.st_ino;
}

/* The sockets of the processes that have a folder in dir. */
static void
find_below(struct top_list *sockets, const char *dir)
{
	char pattern[PATH_LEN];
	size_t i, k;
	glob_t found;

	/* a second process with the same files has a number behind: v2:1 */
	snprintf(pattern, sizeof(pattern), "%s/*/dpdk_telemetry.v2*", dir);
	if (glob(pattern, 0, NULL, &found) != 0)
		return;
	for (i = 0; i < found.gl_pathc; i++) {
		for (k = 0; k < sockets->nb; k++)
			if (same_file(sockets->name[k], found.gl_pathv[i]))
				break;
		if (k == sockets->nb)
			list_add(sockets, found.gl_pathv[i]);
	}
	globfree(&found);
}

void
top_find_sockets(struct top_list *sockets, const char *dir)
{
	static const char *const variables[] = { "RUNTIME_DIRECTORY", "XDG_RUNTIME_DIR" };
	char path[PATH_LEN];
	const char *value;
	size_t i;

	if (dir != NULL) {
		find_below(sockets, dir);
		return;
	}
	find_below(sockets, "/var/run/dpdk");
	for (i = 0; i < RTE_DIM(variables); i++) {
		value = getenv(variables[i]);
		if (value == NULL || value[0] != '/')
			continue;
		snprintf(path, sizeof(path), "%s/dpdk", value);
		find_below(sockets, path);
	}
	find_below(sockets, "/run/user/*/dpdk"); /* of other users, for root */
	find_below(sockets, "/tmp/dpdk"); /* where the EAL has no other place */
}

/* ------------------------------------------------------------------------ notes */

static size_t
aligned(size_t len)
{
	return (len + 3) & ~(size_t)3;
}

static bool
in_notes(const uint8_t *notes, size_t len)
{
	ElfW(Nhdr) note;
	size_t size;

	while (len >= sizeof(note)) {
		memcpy(&note, notes, sizeof(note));
		if (note.n_namesz > len || note.n_descsz > len)
			return false;
		size = sizeof(note) + aligned(note.n_namesz) + aligned(note.n_descsz);
		if (size > len)
			return false;
		if (note.n_namesz == sizeof(RTE_VFIO_USER_ELF_NOTE) &&
		    memcmp(notes + sizeof(note), RTE_VFIO_USER_ELF_NOTE, note.n_namesz) == 0)
			return true;
		notes += size;
		len -= size;
	}
	return false;
}

static bool
segment_has_note(int fd, const ElfW(Phdr) *segment)
{
	static uint8_t notes[NOTES_MAX];
	ssize_t len;

	if (segment->p_type != PT_NOTE)
		return false;
	len = pread(fd, notes, RTE_MIN(segment->p_filesz, sizeof(notes)),
		    (off_t)segment->p_offset);
	return len > 0 && in_notes(notes, (size_t)len);
}

/* Whether an ELF file has the library in it. */
static bool
file_has_note(int fd)
{
	ElfW(Phdr) segment;
	ElfW(Ehdr) head;
	off_t at;
	int i;

	if (pread(fd, &head, sizeof(head), 0) != (ssize_t)sizeof(head) ||
	    memcmp(head.e_ident, ELFMAG, SELFMAG) != 0 ||
	    head.e_phentsize != sizeof(segment) || head.e_phnum > SEGMENTS_MAX)
		return false;
	for (i = 0; i < head.e_phnum; i++) {
		at = (off_t)(head.e_phoff + (size_t)i * sizeof(segment));
		if (pread(fd, &segment, sizeof(segment), at) != (ssize_t)sizeof(segment))
			return false;
		if (segment_has_note(fd, &segment))
			return true;
	}
	return false;
}

/* -------------------------------------------------------------------- processes */

/* What is known of a file; most are mapped by many processes. */
struct known {
	dev_t dev;
	ino_t ino;
	bool has_note;
};

static struct known *known;
static size_t nb_known;

static bool
path_has_note(const char *path)
{
	struct stat st;
	size_t i;
	int fd;

	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return false;
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		close(fd);
		return false;
	}
	for (i = 0; i < nb_known; i++)
		if (known[i].dev == st.st_dev && known[i].ino == st.st_ino)
			break;
	if (i == nb_known) {
		known = grow(known, nb_known, sizeof(*known));
		known[nb_known++] = (struct known){ st.st_dev, st.st_ino, file_has_note(fd) };
	}
	close(fd);
	return known[i].has_note;
}

/* 1: it uses the library, 0: it does not, -1: it may not be looked at. */
static int
uses_library(const char *pid)
{
	char path[PATH_LEN], line[PATH_LEN], perms[5];
	int name, found = 0;
	FILE *maps;

	snprintf(path, sizeof(path), "/proc/%s/exe", pid);
	if (path_has_note(path))
		return 1;
	snprintf(path, sizeof(path), "/proc/%s/maps", pid);
	maps = fopen(path, "re");
	if (maps == NULL)
		return errno == EACCES || errno == EPERM ? -1 : 0;
	while (found == 0 && fgets(line, sizeof(line), maps) != NULL) {
		name = 0;
		line[strcspn(line, "\n")] = '\0';
		if (sscanf(line, "%*s %4s %*s %*s %*s %n", perms, &name) != 1 ||
		    perms[2] != 'x' || name == 0 || line[name] != '/')
			continue;
		/* as the process names it, which may live in a container */
		snprintf(path, sizeof(path), "/proc/%s/root%.*s", pid, PATH_LEN - 40,
			 line + name);
		found = path_has_note(path);
	}
	if (ferror(maps))
		found = -1;
	fclose(maps);
	return found;
}

void
top_find_users(struct top_users *users)
{
	const struct dirent *entry;
	DIR *proc = opendir("/proc");
	pid_t pid;
	int uses;

	memset(users, 0, sizeof(*users));
	while (proc != NULL && (entry = readdir(proc)) != NULL) {
		pid = (pid_t)atoi(entry->d_name);
		if (pid <= 0 || pid == getpid())
			continue;
		uses = uses_library(entry->d_name);
		users->unknown += uses < 0;
		if (uses <= 0)
			continue;
		users->pid = grow(users->pid, users->nb, sizeof(*users->pid));
		users->pid[users->nb++] = pid;
	}
	if (proc != NULL)
		closedir(proc);
}

void
top_users_free(struct top_users *users)
{
	free(users->pid);
	users->pid = NULL;
}

const char *
top_process_name(char *buf, pid_t pid)
{
	char path[64], name[32];
	ssize_t len;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/comm", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	len = fd < 0 ? -1 : read(fd, name, sizeof(name));
	if (fd >= 0)
		close(fd);
	if (len > 0 && name[len - 1] == '\n')
		len--;
	return len <= 0 ? strcpy(buf, "?") : text_clean(buf, TOP_TEXT, name, (size_t)len);
}
