/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

/*
 * The kernel tells about all UNIX sockets of the network namespace by sock_diag(7):
 * a socket that a server accepted has the file of the listening one, and names
 * its peer by inode. Who has that inode open is in /proc/PID/fd of the processes
 * that we may look at.
 */

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/time.h>
#include <unistd.h>

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>

#include <rte_common.h>

#include "holder.h"
#include "tool.h"

#define PEERS_MAX 64
#define STATE_ESTABLISHED 1 /* TCP_ESTABLISHED, which UNIX sockets borrow */

/** Inodes of the sockets that are connected to the file. */
struct peers {
	const char *path;
	struct stat file;
	uint32_t nb;
	uint32_t inode[PEERS_MAX];
};

/* ---------------------------------------------------------------- kernel */

static int
diag_ask(void)
{
	const struct {
		struct nlmsghdr nlh;
		struct unix_diag_req req;
	} request = {
		.nlh = {
			.nlmsg_len = sizeof(request),
			.nlmsg_type = SOCK_DIAG_BY_FAMILY,
			.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP,
		},
		.req = {
			.sdiag_family = AF_UNIX,
			.udiag_states = 1u << STATE_ESTABLISHED,
			.udiag_show = UDIAG_SHOW_NAME | UDIAG_SHOW_VFS | UDIAG_SHOW_PEER,
		},
	};
	const struct timeval timeout = { .tv_sec = 2 };
	int fd;

	fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
	if (send(fd, &request, sizeof(request), 0) != (ssize_t)sizeof(request)) {
		close(fd);
		return -EIO;
	}
	return fd;
}

/*
 * The device is in the kernel's own form. Some file systems show programs another
 * one than the kernel has: there the name must be the same.
 */
static bool
is_file(const struct peers *peers, const struct unix_diag_vfs *vfs, struct rtattr *name)
{
	const dev_t dev = peers->file.st_dev;

	if (vfs->udiag_vfs_ino != (uint32_t)peers->file.st_ino)
		return false;
	return vfs->udiag_vfs_dev == (major(dev) << 20 | minor(dev)) ||
		(name != NULL && RTA_PAYLOAD(name) > strlen(peers->path) &&
		 strcmp(peers->path, RTA_DATA(name)) == 0);
}

static void
take_socket(struct peers *peers, struct nlmsghdr *nlh)
{
	struct unix_diag_msg *msg = NLMSG_DATA(nlh);
	const struct unix_diag_vfs *vfs = NULL;
	const uint32_t *peer = NULL;
	struct rtattr *attr, *name = NULL;
	unsigned int len;

	if (nlh->nlmsg_len < NLMSG_LENGTH(sizeof(*msg)))
		return;
	len = nlh->nlmsg_len - NLMSG_LENGTH(sizeof(*msg));
	for (attr = (struct rtattr *)(msg + 1); RTA_OK(attr, len);
	     attr = RTA_NEXT(attr, len)) {
		if (attr->rta_type == UNIX_DIAG_VFS && RTA_PAYLOAD(attr) >= sizeof(*vfs))
			vfs = RTA_DATA(attr);
		else if (attr->rta_type == UNIX_DIAG_NAME)
			name = attr;
		else if (attr->rta_type == UNIX_DIAG_PEER && RTA_PAYLOAD(attr) >= sizeof(*peer))
			peer = RTA_DATA(attr);
	}
	if (vfs != NULL && peer != NULL && *peer != 0 && peers->nb < PEERS_MAX &&
	    is_file(peers, vfs, name))
		peers->inode[peers->nb++] = *peer;
}

static int
peers_find(struct peers *peers)
{
	uint32_t buf[8192];
	struct nlmsghdr *nlh;
	int fd, ret = 1;
	unsigned int len;
	ssize_t got;

	fd = diag_ask();
	if (fd < 0)
		return fd;
	while (ret > 0) {
		got = recv(fd, buf, sizeof(buf), 0);
		len = got <= 0 ? 0 : (unsigned int)got;
		if (len == 0)
			ret = -EIO;
		for (nlh = (struct nlmsghdr *)buf; ret > 0 && NLMSG_OK(nlh, len);
		     nlh = NLMSG_NEXT(nlh, len)) {
			if (nlh->nlmsg_type == NLMSG_DONE)
				ret = 0;
			else if (nlh->nlmsg_type == NLMSG_ERROR)
				ret = -EIO;
			else
				take_socket(peers, nlh);
		}
	}
	close(fd);
	return ret;
}

/* -------------------------------------------------------------- processes */

static bool
is_peer(const struct peers *peers, const char *link)
{
	unsigned int inode;
	uint32_t i;

	if (sscanf(link, "socket:[%u]", &inode) != 1)
		return false;
	for (i = 0; i < peers->nb; i++)
		if (peers->inode[i] == inode)
			return true;
	return false;
}

static bool
process_has_peer(const struct peers *peers, const char *pid)
{
	char path[288], link[64];
	struct dirent *entry;
	bool found = false;
	ssize_t len;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%s/fd", pid);
	dir = opendir(path);
	if (dir == NULL)
		return false;
	while (!found && (entry = readdir(dir)) != NULL) {
		len = readlinkat(dirfd(dir), entry->d_name, link, sizeof(link) - 1);
		if (len <= 0)
			continue;
		link[len] = '\0';
		found = is_peer(peers, link);
	}
	closedir(dir);
	return found;
}

/* A process can choose its name. */
static void
process_name(const char *pid, char *name, size_t size)
{
	char path[288], comm[32];
	size_t len = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%s/comm", pid);
	f = fopen(path, "r");
	if (f != NULL) {
		len = fread(comm, 1, sizeof(comm), f);
		fclose(f);
	}
	if (len > 0 && comm[len - 1] == '\n')
		len--;
	text_clean(name, size, comm, len);
}

static uint32_t
processes_find(const struct peers *peers, char *text, size_t size)
{
	struct dirent *entry;
	size_t len = 0;
	uint32_t nb = 0;
	char name[32];
	DIR *proc;

	proc = opendir("/proc");
	if (proc == NULL)
		return 0;
	while ((entry = readdir(proc)) != NULL && len + 1 < size) {
		if (!isdigit((unsigned char)entry->d_name[0]) ||
		    atoi(entry->d_name) == getpid() || !process_has_peer(peers, entry->d_name))
			continue;
		process_name(entry->d_name, name, sizeof(name));
		len += (size_t)snprintf(text + len, size - len, "%sprocess %s (%s)",
					nb++ == 0 ? "" : ", ", entry->d_name, name);
	}
	closedir(proc);
	return nb;
}

void
holder_find(const char *path, char *text, size_t size)
{
	struct peers peers = { .path = path };

	if (stat(path, &peers.file) < 0 || peers_find(&peers) < 0)
		snprintf(text, size, "a process that the kernel does not tell");
	else if (peers.nb == 0)
		snprintf(text, size, "a process that has left meanwhile, or is in another "
			 "network namespace");
	else if (processes_find(&peers, text, size) == 0)
		snprintf(text, size, "a process of another user%s",
			 geteuid() != 0 ? " (root can see which)" : "");
}
