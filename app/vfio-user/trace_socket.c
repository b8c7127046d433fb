/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "tool.h"
#include "trace_socket.h"

#define BACKLOG 16

static int
address(const char *path, struct sockaddr_un *addr)
{
	memset(addr, 0, sizeof(*addr));
	addr->sun_family = AF_UNIX;
	if (path[0] == '\0' || strlen(path) >= sizeof(addr->sun_path))
		return -ENAMETOOLONG;
	strcpy(addr->sun_path, path);
	return 0;
}

static int
new_socket(void)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	return fd < 0 ? -errno : fd;
}

int
trace_connect(const char *path)
{
	struct sockaddr_un addr;
	int fd, ret = address(path, &addr);

	if (ret < 0)
		return ret;
	fd = new_socket();
	if (fd < 0)
		return fd;
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0)
		return fd;
	ret = -errno;
	close(fd);
	return ret;
}

/* Nobody but us may connect: the file is made with mode 0600. */
static int
bind_private(int fd, const struct sockaddr_un *addr)
{
	mode_t old = umask(0177);
	int ret = bind(fd, (const struct sockaddr *)addr, sizeof(*addr));

	ret = ret < 0 ? -errno : 0;
	umask(old);
	return ret;
}

/* A socket whose server has ended: everything else is left alone. */
static bool
is_stale(const char *path)
{
	struct stat st;
	int fd;

	if (lstat(path, &st) < 0 || !S_ISSOCK(st.st_mode))
		return false;
	fd = trace_connect(path);
	if (fd >= 0)
		close(fd);
	return fd == -ECONNREFUSED;
}

void
trace_listen(struct trace_listener *listener, const char *path)
{
	struct sockaddr_un addr;
	struct stat st;
	int fd, ret = address(path, &addr);

	if (ret < 0)
		die(STATUS_USAGE, "%s: a socket path has 1 to %zu bytes", path,
		    sizeof(addr.sun_path) - 1);
	fd = new_socket();
	if (fd < 0)
		die(STATUS_FAILED, "cannot make a socket: %s", strerror(-fd));
	ret = bind_private(fd, &addr);
	if (ret == -EADDRINUSE && is_stale(path) && unlink(path) == 0)
		ret = bind_private(fd, &addr);
	if (ret == 0 && (lstat(path, &st) < 0 || listen(fd, BACKLOG) < 0))
		ret = -errno;
	if (ret == -EADDRINUSE)
		die(STATUS_FAILED, "cannot listen at %s: it exists already", path);
	if (ret < 0)
		die(STATUS_FAILED, "cannot listen at %s: %s", path, strerror(-ret));
	*listener = (struct trace_listener){
		.path = path, .fd = fd, .dev = st.st_dev, .ino = st.st_ino,
	};
}

void
trace_unlisten(struct trace_listener *listener)
{
	struct stat st;

	if (listener->fd < 0)
		return;
	/* before the close: until then no other file gets the number of ours */
	if (lstat(listener->path, &st) == 0 && st.st_dev == listener->dev &&
	    st.st_ino == listener->ino)
		unlink(listener->path);
	close(listener->fd);
	listener->fd = -1;
}
