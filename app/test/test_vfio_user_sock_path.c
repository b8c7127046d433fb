/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

/* Listening on a path, and connecting to it. */

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "test.h"
#include "test_vfio_user_fds.h"
#include "vfio_user_sock.h"

static char dir[] = "/tmp/vfio-user-test-XXXXXX";
static char path[sizeof(dir) + 8];

static int nb_fds; /* at the first setup */

static int
setup(void)
{
	TEST_ASSERT_SUCCESS(check_fds(&nb_fds), "fds");
	memcpy(dir + sizeof(dir) - 7, "XXXXXX", 6);
	TEST_ASSERT_NOT_NULL(mkdtemp(dir), "mkdtemp: %s", strerror(errno));
	snprintf(path, sizeof(path), "%s/sock", dir);
	return TEST_SUCCESS;
}

static void
teardown(void)
{
	unlink(path);
	rmdir(dir);
}

static int
test_listen(void)
{
	struct stat st;
	mode_t mask = umask(0);
	int fd, peer, conn;

	fd = vfio_user_sock_listen(path, 0600);
	TEST_ASSERT(fd >= 0, "listen: %d", fd);
	TEST_ASSERT_SUCCESS(stat(path, &st), "stat");
	TEST_ASSERT(S_ISSOCK(st.st_mode) && (st.st_mode & 07777) == 0600, "mode %o",
		    st.st_mode);
	TEST_ASSERT_EQUAL(vfio_user_sock_accept(fd), -EAGAIN, "nobody");
	peer = vfio_user_sock_connect(path);
	TEST_ASSERT(peer >= 0, "connect: %d", peer);
	conn = vfio_user_sock_accept(fd);
	TEST_ASSERT(conn >= 0, "accept: %d", conn);
	TEST_ASSERT((fcntl(fd, F_GETFD) & fcntl(peer, F_GETFD) & fcntl(conn, F_GETFD) &
		     FD_CLOEXEC) != 0, "not close-on-exec");
	TEST_ASSERT((fcntl(fd, F_GETFL) & fcntl(conn, F_GETFL) & O_NONBLOCK) != 0,
		    "blocking");
	TEST_ASSERT_EQUAL(vfio_user_sock_listen(path, 0600), -EADDRINUSE, "live one");
	TEST_ASSERT_SUCCESS(stat(path, &st), "live one removed");
	close(conn);
	close(peer);
	close(fd);
	/* stale now; the mode is as asked for whatever the umask */
	umask(0777);
	fd = vfio_user_sock_listen(path, 0660);
	umask(mask);
	TEST_ASSERT(fd >= 0, "stale one: %d", fd);
	TEST_ASSERT_SUCCESS(stat(path, &st), "stat");
	TEST_ASSERT_EQUAL(st.st_mode & 07777, 0660u, "mode %o", st.st_mode);
	close(fd);
	return TEST_SUCCESS;
}

/* A busy one whose backlog is full is not stale, nor is one of another type. */
static int
test_listen_busy(void)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd, peers[64], nb = 0;

	fd = vfio_user_sock_listen(path, 0600);
	TEST_ASSERT(fd >= 0, "listen: %d", fd);
	while (nb < 64) {
		peers[nb] = vfio_user_sock_connect(path);
		if (peers[nb] < 0)
			break;
		nb++;
	}
	TEST_ASSERT(nb < 64, "the backlog has no end");
	TEST_ASSERT_EQUAL(vfio_user_sock_listen(path, 0600), -EADDRINUSE, "full");
	while (nb != 0)
		close(peers[--nb]);
	close(fd);
	unlink(path);
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	memcpy(addr.sun_path, path, strlen(path));
	TEST_ASSERT_SUCCESS(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), "bind");
	TEST_ASSERT_SUCCESS(listen(fd, 1), "listen");
	TEST_ASSERT_EQUAL(vfio_user_sock_listen(path, 0600), -EADDRINUSE, "other type");
	close(fd);
	return TEST_SUCCESS;
}

static int
test_paths(void)
{
	char other[sizeof(path) + 8], longest[200];
	struct sockaddr_un addr;
	struct stat st;
	int fd;

	/* a file, a directory, a link: not ours to remove */
	fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	TEST_ASSERT(fd >= 0 && write(fd, "x", 1) == 1, "file");
	close(fd);
	TEST_ASSERT(vfio_user_sock_listen(path, 0600) < 0, "regular file");
	TEST_ASSERT(stat(path, &st) == 0 && S_ISREG(st.st_mode) && st.st_size == 1,
		    "file touched");
	snprintf(other, sizeof(other), "%s.link", path);
	TEST_ASSERT_SUCCESS(symlink(path, other), "symlink");
	TEST_ASSERT(vfio_user_sock_listen(other, 0600) < 0, "symbolic link");
	TEST_ASSERT(lstat(other, &st) == 0 && S_ISLNK(st.st_mode), "link touched");
	unlink(other);
	unlink(path);
	TEST_ASSERT(vfio_user_sock_listen(dir, 0600) < 0, "directory");
	TEST_ASSERT_EQUAL(vfio_user_sock_connect(path), -ENOENT, "nobody");
	snprintf(other, sizeof(other), "%s/a/b", dir);
	TEST_ASSERT_EQUAL(vfio_user_sock_listen(other, 0600), -ENOENT, "no directory");

	memset(longest, 'x', sizeof(longest));
	longest[sizeof(addr.sun_path) - 1] = '\0';
	TEST_ASSERT_SUCCESS(vfio_user_sock_check_path(longest), "107 bytes");
	longest[sizeof(addr.sun_path) - 1] = 'x';
	longest[sizeof(addr.sun_path)] = '\0';
	TEST_ASSERT_EQUAL(vfio_user_sock_check_path(longest), -ENAMETOOLONG, "108 bytes");
	TEST_ASSERT_EQUAL(vfio_user_sock_listen(longest, 0600), -ENAMETOOLONG, "108 bytes");
	TEST_ASSERT_EQUAL(vfio_user_sock_connect(longest), -ENAMETOOLONG, "108 bytes");
	TEST_ASSERT_EQUAL(vfio_user_sock_check_path(""), -EINVAL, "empty");
	TEST_ASSERT_EQUAL(vfio_user_sock_check_path(NULL), -EINVAL, "NULL");
	TEST_ASSERT_EQUAL(vfio_user_sock_listen("", 0600), -EINVAL, "empty");
	return TEST_SUCCESS;
}

static struct unit_test_suite sock_path_suite = {
	.suite_name = "vfio-user paths of sockets",
	.unit_test_cases = {
		TEST_CASE_ST(setup, teardown, test_listen),
		TEST_CASE_ST(setup, teardown, test_listen_busy),
		TEST_CASE_ST(setup, teardown, test_paths),
		TEST_CASES_END()
	},
};

static int
test_vfio_user_sock_path(void)
{
	return unit_test_suite_runner(&sock_path_suite);
}

REGISTER_TEST_COMMAND(vfio_user_sock_path_autotest, test_vfio_user_sock_path);
