/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "tool.h"
#include "trace_out.h"

/* One of two buffers is filled while the other one is written. */
#define BUFFER_SIZE (8u << 20)

/* More than that is written without being asked. */
#define FLUSH_SIZE (64u << 10)

/* For a reader who does not read, at the end. */
#define CLOSE_SECONDS 3

#define NS_PER_SEC UINT64_C(1000000000)

/* How often a thread that waits for room looks whether it shall end. */
#define LOOK_NS (NS_PER_SEC / 10)

struct buffer {
	char *data;
	size_t len;
};

struct trace_out {
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t work; /* for the thread */
	pthread_cond_t room; /* for the others */
	struct buffer fill;
	struct buffer busy; /* of the thread */
	bool wanted; /* fill is to be written */
	bool writing;
	bool end;
	bool ended;
	int error;
	int fd;
	uint64_t waited;
	const volatile sig_atomic_t *stop;
};

static uint64_t
now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * NS_PER_SEC + (uint64_t)ts.tv_nsec;
}

/* 0 or the errno. */
static int
write_all(int fd, const struct buffer *buffer)
{
	size_t done = 0;
	ssize_t n;

	while (done < buffer->len) {
		n = write(fd, buffer->data + done, buffer->len - done);
		if (n > 0)
			done += (size_t)n;
		else if (n < 0 && errno != EINTR)
			return errno;
	}
	return 0;
}

static void *
writer(void *arg)
{
	struct trace_out *out = arg;
	struct buffer full;
	int error;

	pthread_mutex_lock(&out->lock);
	for (;;) {
		while (!out->end && !(out->wanted && out->fill.len != 0))
			pthread_cond_wait(&out->work, &out->lock);
		if (out->fill.len == 0)
			break;
		full = out->fill;
		out->fill = out->busy;
		out->fill.len = 0;
		out->busy = full;
		out->wanted = false;
		out->writing = true;
		pthread_cond_broadcast(&out->room);
		error = out->error;
		pthread_mutex_unlock(&out->lock);
		if (error == 0) {
			error = write_all(out->fd, &full);
			if (error != 0)
				fprintf(stderr, TOOL ": cannot write the trace: %s; messages "
					"are still passed on\n", strerror(error));
		}
		pthread_mutex_lock(&out->lock);
		out->error = error;
		out->writing = false;
		pthread_cond_broadcast(&out->room);
	}
	out->ended = true;
	pthread_cond_broadcast(&out->room);
	pthread_mutex_unlock(&out->lock);
	return NULL;
}

/* Untouched pages of the buffers cost nothing. */
static char *
map_buffer(void)
{
	void *mem = mmap(NULL, BUFFER_SIZE, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return mem == MAP_FAILED ? NULL : mem;
}

static void
free_out(struct trace_out *out)
{
	if (out->fill.data != NULL)
		munmap(out->fill.data, BUFFER_SIZE);
	if (out->busy.data != NULL)
		munmap(out->busy.data, BUFFER_SIZE);
	if (out->fd > STDOUT_FILENO)
		close(out->fd);
	free(out);
}

/* The thread takes no signals: they are for the main thread. */
static int
start_thread(struct trace_out *out)
{
	pthread_condattr_t attr;
	sigset_t all, old;
	int ret;

	pthread_mutex_init(&out->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&out->work, &attr);
	pthread_cond_init(&out->room, &attr);
	pthread_condattr_destroy(&attr);
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &old);
	ret = pthread_create(&out->thread, NULL, writer, out);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return ret;
}

struct trace_out *
trace_out_open(const char *path, const volatile sig_atomic_t *stop)
{
	struct trace_out *out = calloc(1, sizeof(*out));
	int error = ENOMEM;

	if (out == NULL)
		return NULL;
	out->fd = STDOUT_FILENO;
	out->stop = stop;
	out->fill.data = map_buffer();
	out->busy.data = map_buffer();
	if (out->fill.data == NULL || out->busy.data == NULL)
		goto fail;
	if (strcmp(path, "-") != 0)
		out->fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	error = errno;
	if (out->fd < 0)
		goto fail;
	error = start_thread(out);
	if (error == 0)
		return out;
fail:
	free_out(out);
	errno = error;
	return NULL;
}

/* Have the thread write; the lock is held. */
static void
kick(struct trace_out *out)
{
	out->wanted = true;
	if (!out->writing)
		pthread_cond_signal(&out->work);
}

/* Wait until so much fits, the output fails, or the program shall end. */
static void
wait_room(struct trace_out *out, size_t len)
{
	uint64_t start = now_ns(), until;
	struct timespec ts;

	while (len > BUFFER_SIZE - out->fill.len && out->error == 0 && *out->stop == 0) {
		kick(out);
		until = now_ns() + LOOK_NS;
		ts.tv_sec = (time_t)(until / NS_PER_SEC);
		ts.tv_nsec = (long)(until % NS_PER_SEC);
		pthread_cond_timedwait(&out->room, &out->lock, &ts);
	}
	out->waited += now_ns() - start;
}

void
trace_out_write(struct trace_out *out, const void *data, size_t len)
{
	pthread_mutex_lock(&out->lock);
	if (len > BUFFER_SIZE - out->fill.len)
		wait_room(out, len);
	if (out->error == 0 && len <= BUFFER_SIZE - out->fill.len) {
		memcpy(out->fill.data + out->fill.len, data, len);
		out->fill.len += len;
	}
	if (out->fill.len >= FLUSH_SIZE && !out->wanted)
		kick(out);
	pthread_mutex_unlock(&out->lock);
}

void
trace_out_flush(struct trace_out *out)
{
	pthread_mutex_lock(&out->lock);
	if (out->fill.len != 0)
		kick(out);
	pthread_mutex_unlock(&out->lock);
}

bool
trace_out_pending(struct trace_out *out)
{
	bool pending;

	pthread_mutex_lock(&out->lock);
	pending = out->fill.len != 0 && !out->wanted;
	pthread_mutex_unlock(&out->lock);
	return pending;
}

uint64_t
trace_out_waited(const struct trace_out *out)
{
	return out->waited;
}

int
trace_out_close(struct trace_out *out)
{
	struct timespec until;
	int ret = 0;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += CLOSE_SECONDS;
	pthread_mutex_lock(&out->lock);
	out->end = true;
	pthread_cond_signal(&out->work);
	while (!out->ended && ret == 0)
		ret = pthread_cond_timedwait(&out->room, &out->lock, &until);
	ret = out->ended ? out->error : ETIMEDOUT;
	pthread_mutex_unlock(&out->lock);
	if (ret == ETIMEDOUT) /* it hangs in a write, and ends with the program */
		return ret;
	pthread_join(out->thread, NULL);
	pthread_mutex_destroy(&out->lock);
	pthread_cond_destroy(&out->work);
	pthread_cond_destroy(&out->room);
	free_out(out);
	return ret;
}
