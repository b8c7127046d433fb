/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "vfio_user_log.h"
#include "vfio_user_sigbus.h"

#define CHUNK_SLOTS 1024u
#define MAX_CHUNKS 1024u /* more slots than mappings fit in a process */

/*
 * Not by mmap(3): it need not be async-signal-safe, and ThreadSanitizer takes
 * it for a write, which would race with accesses of other threads.
 */
#ifdef SYS_mmap2 /* 32 bits; takes pages for the offset, which is 0 */
#define SYS_MMAP SYS_mmap2
#else
#define SYS_MMAP SYS_mmap
#endif

/* A mapping. Written under the lock; atomic, for the handler. */
struct vfio_user_sigbus_slot {
	uint32_t seq; /* odd while the fields below change */
	uint32_t prot;
	uintptr_t base;
	size_t len; /* 0: free */
	struct vfio_user_sigbus_owner *owner;
	struct vfio_user_sigbus_slot *next_free; /* not for the handler */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct vfio_user_sigbus_slot *chunks[MAX_CHUNKS]; /* never freed */
static uint32_t nb_chunks; /* atomic */
static struct vfio_user_sigbus_slot *free_slots;

/* ---------------------------------------------------------------- registry */

static int
add_chunk(void)
{
	struct vfio_user_sigbus_slot *chunk;
	uint32_t i;

	if (nb_chunks == MAX_CHUNKS)
		return -ENOMEM;
	chunk = calloc(CHUNK_SLOTS, sizeof(*chunk));
	if (chunk == NULL)
		return -ENOMEM;
	for (i = 0; i < CHUNK_SLOTS; i++) {
		chunk[i].next_free = free_slots;
		free_slots = &chunk[i];
	}
	chunks[nb_chunks] = chunk;
	__atomic_store_n(&nb_chunks, nb_chunks + 1, __ATOMIC_RELEASE);
	return 0;
}

static void
set_slot(struct vfio_user_sigbus_slot *slot, struct vfio_user_sigbus_owner *owner,
	 void *base, size_t len, uint32_t prot)
{
	uint32_t seq = slot->seq;

	__atomic_store_n(&slot->seq, seq + 1, __ATOMIC_RELAXED);
	/* release: what is stored below is not seen before the odd number */
	__atomic_store_n(&slot->base, (uintptr_t)base, __ATOMIC_RELEASE);
	__atomic_store_n(&slot->len, len, __ATOMIC_RELEASE);
	__atomic_store_n(&slot->prot, prot, __ATOMIC_RELEASE);
	__atomic_store_n(&slot->owner, owner, __ATOMIC_RELEASE);
	__atomic_store_n(&slot->seq, seq + 2, __ATOMIC_RELEASE);
}

struct vfio_user_sigbus_slot *
vfio_user_sigbus_register(struct vfio_user_sigbus_owner *owner, void *base,
			  size_t len, uint32_t prot)
{
	struct vfio_user_sigbus_slot *slot = NULL;

	pthread_mutex_lock(&lock);
	if (free_slots != NULL || add_chunk() == 0) {
		slot = free_slots;
		free_slots = slot->next_free;
		set_slot(slot, owner, base, len, prot);
	}
	pthread_mutex_unlock(&lock);
	return slot;
}

void
vfio_user_sigbus_unregister(struct vfio_user_sigbus_slot *slot)
{
	if (slot == NULL)
		return;
	pthread_mutex_lock(&lock);
	set_slot(slot, NULL, NULL, 0, 0);
	slot->next_free = free_slots;
	free_slots = slot;
	pthread_mutex_unlock(&lock);
}

/* ------------------------------------------------------------- the handler */

/*
 * Everything below, as far as the handler calls it, is async-signal-safe:
 * atomic loads and stores, and system calls.
 */

/* A consistent copy of a slot, unless it changes. */
static bool
read_slot(const struct vfio_user_sigbus_slot *slot, struct vfio_user_sigbus_slot *copy)
{
	uint32_t seq = __atomic_load_n(&slot->seq, __ATOMIC_ACQUIRE);

	/* acquire: the number is not read again before what is loaded here */
	copy->base = __atomic_load_n(&slot->base, __ATOMIC_ACQUIRE);
	copy->len = __atomic_load_n(&slot->len, __ATOMIC_ACQUIRE);
	copy->prot = __atomic_load_n(&slot->prot, __ATOMIC_ACQUIRE);
	copy->owner = __atomic_load_n(&slot->owner, __ATOMIC_ACQUIRE);
	return seq % 2 == 0 && __atomic_load_n(&slot->seq, __ATOMIC_RELAXED) == seq;
}

static bool
find_mapping(uintptr_t addr, struct vfio_user_sigbus_slot *found)
{
	uint32_t nb = __atomic_load_n(&nb_chunks, __ATOMIC_ACQUIRE), i, j;

	for (i = 0; i < nb; i++)
		for (j = 0; j < CHUNK_SLOTS; j++)
			if (read_slot(&chunks[i][j], found) &&
			    addr - found->base < found->len)
				return true;
	return false;
}

/* Make a broken mapping accessible. */
static bool
replace(uintptr_t addr)
{
	const uint64_t one = 1;
	struct vfio_user_sigbus_slot map;

	if (!find_mapping(addr, &map))
		return false;
	/* before the memory: who sees that it was replaced has to see this */
	__atomic_store_n(&map.owner->broken, 1, __ATOMIC_SEQ_CST);
	if (syscall(SYS_MMAP, map.base, map.len, (long)map.prot,
		    (long)(MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE),
		    -1L, 0L) < 0)
		return false;
	/* and after it: who mended meanwhile has to look at the memory again */
	__atomic_store_n(&map.owner->broken, 1, __ATOMIC_SEQ_CST);
	/* it fails only when full, and is readable then */
	if (map.owner->wake_fd >= 0)
		syscall(SYS_write, (long)map.owner->wake_fd, &one, sizeof(one));
	return true;
}

/* --------------------------------------------------- the previous handler */

static struct sigaction previous; /* changes only while ours is not installed */
static uint32_t previous_reset; /* atomic: it had SA_RESETHAND and has run */

/* Sent by the kernel for what the thread just did: cannot be ignored. */
static bool
is_fault(const siginfo_t *info)
{
	return info->si_code > 0 && info->si_code != BUS_MCEERR_AO;
}

/* Die of the signal as without any handler. */
static void
die(int sig, siginfo_t *info)
{
	const struct sigaction dfl = { .sa_handler = SIG_DFL };
	sigset_t set;

	sigaction(sig, &dfl, NULL);
	/* with what is known of the fault, for the core file */
	if (syscall(SYS_rt_tgsigqueueinfo, getpid(), (pid_t)syscall(SYS_gettid), sig,
		    info) < 0)
		raise(sig);
	sigemptyset(&set);
	sigaddset(&set, sig);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

static void
chain(int sig, siginfo_t *info, void *context)
{
	bool gone = (previous.sa_flags & SA_RESETHAND) != 0 &&
		__atomic_exchange_n(&previous_reset, 1, __ATOMIC_ACQ_REL) != 0;

	if (previous.sa_handler == SIG_IGN && !is_fault(info))
		return;
	if (gone || previous.sa_handler == SIG_DFL || previous.sa_handler == SIG_IGN)
		die(sig, info);
	else if ((previous.sa_flags & SA_SIGINFO) != 0)
		previous.sa_sigaction(sig, info, context);
	else
		previous.sa_handler(sig);
}

static void
on_sigbus(int sig, siginfo_t *info, void *context)
{
	int saved_errno = errno;
	bool done;

	done = (info->si_code == BUS_ADRERR || info->si_code == BUS_OBJERR) &&
		replace((uintptr_t)info->si_addr);
	errno = saved_errno;
	if (!done)
		chain(sig, info, context);
}

/* ----------------------------------------------------------------- install */

static pthread_mutex_t install_lock = PTHREAD_MUTEX_INITIALIZER;
static uint32_t enabled; /* calls of enable without disable */

static int
install(void)
{
	struct sigaction ours;

	if (sigaction(SIGBUS, NULL, &previous) < 0)
		return -errno;
	previous_reset = 0;
	/* what is blocked while the previous handler runs is what it asked for */
	ours = previous;
	ours.sa_flags &= ~(int)SA_RESETHAND;
	ours.sa_flags |= SA_SIGINFO;
	if (previous.sa_handler == SIG_IGN) /* which interrupts no system call */
		ours.sa_flags |= SA_RESTART;
	ours.sa_sigaction = on_sigbus;
	if (sigaction(SIGBUS, &ours, NULL) < 0)
		return -errno;
	return 0;
}

static int
uninstall(void)
{
	struct sigaction now;

	if (sigaction(SIGBUS, NULL, &now) < 0)
		return -errno;
	if ((now.sa_flags & SA_SIGINFO) == 0 || now.sa_sigaction != on_sigbus)
		return -EBUSY;
	now = previous;
	if (__atomic_load_n(&previous_reset, __ATOMIC_ACQUIRE) != 0)
		now.sa_handler = SIG_DFL;
	return sigaction(SIGBUS, &now, NULL) < 0 ? -errno : 0;
}

int
rte_vfio_user_sigbus_enable(void)
{
	int ret = 0;

	pthread_mutex_lock(&install_lock);
	if (enabled == 0)
		ret = install();
	if (ret == 0)
		enabled++;
	pthread_mutex_unlock(&install_lock);
	if (ret < 0)
		VFIO_USER_LOG(ERR, "%s: %s", __func__, strerror(-ret));
	return ret;
}

int
rte_vfio_user_sigbus_disable(void)
{
	int ret = 0;

	pthread_mutex_lock(&install_lock);
	if (enabled == 0)
		ret = -EALREADY;
	else if (enabled == 1)
		ret = uninstall();
	if (ret == 0)
		enabled--;
	pthread_mutex_unlock(&install_lock);
	if (ret < 0)
		VFIO_USER_LOG(ERR, "%s: %s", __func__, strerror(-ret));
	return ret;
}
