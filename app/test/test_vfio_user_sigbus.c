/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

/* The SIGBUS handler: memory that breaks, and signals that are not ours. */

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <rte_common.h>

#include "test.h"
#include "test_short.h"
#include "test_vfio_user_fds.h"
#include "vfio_user_sigbus.h"

#define PAGE 4096u
#define SIZE (8 * PAGE)

static struct vfio_user_sigbus_owner owner;
static struct sigaction original;

static int
setup(void)
{
	static int first;

	TEST_ASSERT_SUCCESS(check_fds(&first), "fds");
	owner.broken = 0;
	owner.wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	DO(sigaction(SIGBUS, NULL, &original));
	return TEST_SUCCESS;
}

static void
teardown(void)
{
	while (rte_vfio_user_sigbus_disable() == 0)
		;
	sigaction(SIGBUS, &original, NULL);
	close(owner.wake_fd);
}

/* Memory of a file, and the file. */
struct shared {
	int fd;
	uint8_t *mem;
	struct vfio_user_sigbus_slot *slot;
};

static int
share(struct shared *shared, int prot)
{
	shared->fd = memfd_create("shared", MFD_CLOEXEC);
	DO(ftruncate(shared->fd, SIZE));
	shared->mem = mmap(NULL, SIZE, prot, MAP_SHARED, shared->fd, 0);
	TEST_ASSERT(shared->mem != MAP_FAILED, "mmap");
	shared->slot = vfio_user_sigbus_register(&owner, shared->mem, SIZE, (uint32_t)prot);
	TEST_ASSERT_NOT_NULL(shared->slot, "slot");
	return TEST_SUCCESS;
}

static void
unshare_it(struct shared *shared)
{
	vfio_user_sigbus_unregister(shared->slot);
	munmap(shared->mem, SIZE);
	close(shared->fd);
}

static int
nb_wakes(void)
{
	uint64_t count = 0;

	return read(owner.wake_fd, &count, sizeof(count)) < 0 ? 0 : (int)count;
}

static uint8_t
touch(const uint8_t *at)
{
	return *(const volatile uint8_t *)at;
}

/* --------------------------------------------------------- memory that breaks */

static int
test_read(void)
{
	struct shared shared;
	uint32_t i;

	DO(rte_vfio_user_sigbus_enable());
	DO(share(&shared, PROT_READ | PROT_WRITE));
	memset(shared.mem, 0x5a, SIZE);
	TEST_ASSERT_EQUAL(touch(shared.mem + SIZE - 1), 0x5a, "content");
	TEST_ASSERT(!vfio_user_sigbus_broken(&owner) && nb_wakes() == 0, "too early");
	DO(ftruncate(shared.fd, PAGE));
	TEST_ASSERT_EQUAL(touch(shared.mem), 0x5a, "not cut");
	TEST_ASSERT(!vfio_user_sigbus_broken(&owner), "not touched");
	errno = EDOM;
	TEST_ASSERT_EQUAL(touch(shared.mem + PAGE), 0, "zeroes");
	TEST_ASSERT_EQUAL(errno, EDOM, "errno");
	TEST_ASSERT(vfio_user_sigbus_broken(&owner), "owner");
	TEST_ASSERT_EQUAL(nb_wakes(), 1, "wakes");
	/* all of it is ours now, and no fault any more */
	for (i = 0; i < SIZE; i++)
		TEST_ASSERT_EQUAL(touch(shared.mem + i), 0, "zeroes");
	memset(shared.mem, 0x33, SIZE);
	TEST_ASSERT_EQUAL(touch(shared.mem + SIZE - 1), 0x33, "writable");
	TEST_ASSERT_EQUAL(nb_wakes(), 0, "wakes");
	vfio_user_sigbus_mend(&owner);
	TEST_ASSERT(!vfio_user_sigbus_broken(&owner), "mended");
	unshare_it(&shared);
	return TEST_SUCCESS;
}

/* A write, and a system call that copies, which is an error and no signal. */
static int
test_write(void)
{
	struct shared shared;

	DO(rte_vfio_user_sigbus_enable());
	DO(share(&shared, PROT_READ | PROT_WRITE));
	DO(ftruncate(shared.fd, 0));
	TEST_ASSERT(write(shared.fd, shared.mem, 1) < 0 && errno == EFAULT, "system call");
	TEST_ASSERT(!vfio_user_sigbus_broken(&owner), "no signal");
	*(volatile uint8_t *)(shared.mem + 5) = 7;
	TEST_ASSERT(vfio_user_sigbus_broken(&owner), "owner");
	TEST_ASSERT_EQUAL(touch(shared.mem + 5), 7, "written");
	unshare_it(&shared);
	return TEST_SUCCESS;
}

/* Others stay as they are, of the same owner or not, wherever their slots are. */
static int
test_neighbours(void)
{
	struct vfio_user_sigbus_owner other = { .wake_fd = -1 };
	struct vfio_user_sigbus_slot *slots[3000];
	struct shared a, b, c;
	uint32_t i;

	DO(rte_vfio_user_sigbus_enable());
	DO(share(&a, PROT_READ | PROT_WRITE));
	/* nothing is ever there; more than one chunk of them */
	for (i = 0; i < RTE_DIM(slots); i++) {
		slots[i] = vfio_user_sigbus_register(&other, (void *)(uintptr_t)(i * SIZE),
						     SIZE, PROT_READ);
		TEST_ASSERT_NOT_NULL(slots[i], "slot %u", i);
	}
	DO(share(&b, PROT_READ));
	DO(share(&c, PROT_READ | PROT_WRITE));
	memset(a.mem, 1, SIZE);
	memset(c.mem, 3, SIZE);
	DO(ftruncate(b.fd, 0));
	TEST_ASSERT_EQUAL(touch(b.mem + SIZE - 1), 0, "b");
	TEST_ASSERT(touch(a.mem) == 1 && touch(c.mem + 7) == 3, "neighbours");
	TEST_ASSERT(!vfio_user_sigbus_broken(&other), "another owner");
	for (i = 0; i < RTE_DIM(slots); i++)
		vfio_user_sigbus_unregister(slots[i]);
	unshare_it(&a);
	unshare_it(&b);
	unshare_it(&c);
	return TEST_SUCCESS;
}

/* A new file over the same addresses, as a client that connects again does. */
static int
test_same_range(void)
{
	struct shared shared;
	uint32_t round;
	int fd;

	DO(rte_vfio_user_sigbus_enable());
	DO(share(&shared, PROT_READ | PROT_WRITE));
	for (round = 0; round < 3; round++) {
		DO(ftruncate(shared.fd, 0));
		TEST_ASSERT_EQUAL(touch(shared.mem), 0, "round %u", round);
		TEST_ASSERT(vfio_user_sigbus_broken(&owner), "round %u", round);
		vfio_user_sigbus_mend(&owner);
		fd = memfd_create("again", MFD_CLOEXEC);
		DO(ftruncate(fd, SIZE));
		TEST_ASSERT(pwrite(fd, "x", 1, 0) == 1, "write");
		vfio_user_sigbus_unregister(shared.slot);
		TEST_ASSERT(mmap(shared.mem, SIZE, PROT_READ | PROT_WRITE,
				 MAP_SHARED | MAP_FIXED, fd, 0) == shared.mem, "mmap");
		shared.slot = vfio_user_sigbus_register(&owner, shared.mem, SIZE,
							PROT_READ | PROT_WRITE);
		close(shared.fd);
		shared.fd = fd;
		TEST_ASSERT_EQUAL(touch(shared.mem), 'x', "round %u", round);
	}
	unshare_it(&shared);
	return TEST_SUCCESS;
}

/* --------------------------------------------------- signals that are not ours */

static volatile sig_atomic_t handled;

static void
finish(int sig)
{
	_exit(sig == SIGBUS ? 41 : 40);
}

static void
count(int sig)
{
	handled += sig == SIGBUS;
}

static void
finish_info(int sig, siginfo_t *info, void *context)
{
	sigset_t set;

	pthread_sigmask(SIG_BLOCK, NULL, &set);
	if (sig != SIGBUS || context == NULL || sigismember(&set, SIGUSR1) != 1)
		_exit(40);
	_exit(info->si_code == BUS_ADRERR ? 42 : info->si_code == SI_USER ? 43 : 44);
}

/* What the child process does once its handlers are there. */
enum cause {
	FOREIGN, /* breaks memory that is not registered */
	FORGOTTEN, /* breaks memory that is not registered any more */
	KILL, /* sends itself a signal */
	KILL_TWICE,
	DISABLED, /* breaks memory while the handler is not installed */
	BLOCKED, /* breaks memory with the signal blocked */
};

static int
break_memory(enum cause cause)
{
	struct shared shared;
	sigset_t set;

	DO(share(&shared, PROT_READ | PROT_WRITE));
	if (cause == FOREIGN || cause == FORGOTTEN)
		vfio_user_sigbus_unregister(shared.slot);
	if (cause == DISABLED)
		rte_vfio_user_sigbus_disable();
	sigemptyset(&set);
	sigaddset(&set, SIGBUS);
	if (cause == BLOCKED)
		sigprocmask(SIG_BLOCK, &set, NULL);
	DO(ftruncate(shared.fd, 0));
	return touch(shared.mem);
}

/* Status of a child that had a handler, then ours, then a SIGBUS. */
static int
run_child(const struct sigaction *before, enum cause cause)
{
	int status = 0;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		sigaction(SIGBUS, before, NULL);
		rte_vfio_user_sigbus_enable();
		if (cause == KILL || cause == KILL_TWICE)
			kill(getpid(), SIGBUS);
		if (cause == KILL_TWICE)
			kill(getpid(), SIGBUS);
		if (cause != KILL && cause != KILL_TWICE)
			break_memory(cause);
		_exit(10 + (int)handled);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return -1;
	return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

static int
test_chain(void)
{
	const struct sigaction dfl = { .sa_handler = SIG_DFL };
	const struct sigaction ign = { .sa_handler = SIG_IGN };
	const struct sigaction plain = { .sa_handler = finish };
	const struct sigaction counting = { .sa_handler = count };
	const struct sigaction once = { .sa_handler = count, .sa_flags = (int)SA_RESETHAND };
	struct sigaction info = { .sa_sigaction = finish_info, .sa_flags = SA_SIGINFO };

	sigaddset(&info.sa_mask, SIGUSR1);
	TEST_ASSERT_EQUAL(run_child(&dfl, FOREIGN), -SIGBUS, "default");
	TEST_ASSERT_EQUAL(run_child(&dfl, FORGOTTEN), -SIGBUS, "default, forgotten");
	TEST_ASSERT_EQUAL(run_child(&dfl, KILL), -SIGBUS, "default, sent");
	TEST_ASSERT_EQUAL(run_child(&dfl, DISABLED), -SIGBUS, "disabled");
	TEST_ASSERT_EQUAL(run_child(&dfl, BLOCKED), -SIGBUS, "blocked");
	TEST_ASSERT_EQUAL(run_child(&ign, FOREIGN), -SIGBUS, "a fault cannot be ignored");
	TEST_ASSERT_EQUAL(run_child(&ign, KILL_TWICE), 10, "ignored, sent");
	TEST_ASSERT_EQUAL(run_child(&plain, FOREIGN), 41, "sa_handler");
	TEST_ASSERT_EQUAL(run_child(&plain, KILL), 41, "sa_handler, sent");
	TEST_ASSERT_EQUAL(run_child(&counting, KILL_TWICE), 12, "sa_handler returns");
	TEST_ASSERT_EQUAL(run_child(&once, KILL), 11, "SA_RESETHAND");
	TEST_ASSERT_EQUAL(run_child(&once, KILL_TWICE), -SIGBUS, "SA_RESETHAND, again");
	TEST_ASSERT_EQUAL(run_child(&info, FOREIGN), 42, "sa_sigaction");
	TEST_ASSERT_EQUAL(run_child(&info, KILL), 43, "sa_sigaction, sent");
	TEST_ASSERT_EQUAL(run_child(&info, DISABLED), 42, "disabled: the old one is back");
	return TEST_SUCCESS;
}

static bool
is_installed(const struct sigaction *want)
{
	struct sigaction now;

	return sigaction(SIGBUS, NULL, &now) == 0 && now.sa_handler == want->sa_handler &&
		now.sa_flags == want->sa_flags;
}

static int
test_counted(void)
{
	const struct sigaction old = { .sa_handler = count, .sa_flags = SA_RESTART };
	const struct sigaction later = { .sa_handler = finish };
	struct sigaction before, ours;

	TEST_ASSERT_EQUAL(rte_vfio_user_sigbus_disable(), -EALREADY, "not enabled");
	DO(sigaction(SIGBUS, &old, NULL));
	DO(sigaction(SIGBUS, NULL, &before));
	DO(rte_vfio_user_sigbus_enable());
	DO(sigaction(SIGBUS, NULL, &ours));
	TEST_ASSERT(ours.sa_handler != count, "not installed");
	DO(rte_vfio_user_sigbus_enable());
	DO(rte_vfio_user_sigbus_disable());
	TEST_ASSERT(is_installed(&ours), "still wanted");
	/* over ours: it may call ours, which must not go */
	DO(sigaction(SIGBUS, &later, NULL));
	TEST_ASSERT_EQUAL(rte_vfio_user_sigbus_disable(), -EBUSY, "another one");
	DO(rte_vfio_user_sigbus_enable());
	DO(rte_vfio_user_sigbus_disable());
	DO(sigaction(SIGBUS, &ours, NULL));
	DO(rte_vfio_user_sigbus_disable());
	TEST_ASSERT(is_installed(&before), "not put back");
	TEST_ASSERT_EQUAL(rte_vfio_user_sigbus_disable(), -EALREADY, "disabled");
	DO(rte_vfio_user_sigbus_enable());
	DO(rte_vfio_user_sigbus_disable());
	TEST_ASSERT(is_installed(&before), "second time");
	return TEST_SUCCESS;
}

/* ------------------------------------------------------------------ threads */

static bool stop;

/* Slots that come and go while others break. */
static void *
churn(void *arg)
{
	struct vfio_user_sigbus_owner other = { .wake_fd = -1 };
	struct vfio_user_sigbus_slot *slots[64];
	uint32_t i;

	while (!__atomic_load_n(&stop, __ATOMIC_ACQUIRE)) {
		for (i = 0; i < RTE_DIM(slots); i++)
			slots[i] = vfio_user_sigbus_register(&other, arg, PAGE, PROT_READ);
		for (i = 0; i < RTE_DIM(slots); i++)
			vfio_user_sigbus_unregister(slots[i]);
	}
	return vfio_user_sigbus_broken(&other) ? arg : NULL;
}

static void *
touch_all(void *arg)
{
	const struct shared *shared = arg;
	uintptr_t sum = 0;
	uint32_t i;

	for (i = 0; i < SIZE; i += PAGE)
		sum += touch(shared->mem + i);
	return (void *)sum;
}

/* Several threads in the same fault, while slots change. */
static int
test_threads(void)
{
	static uint8_t elsewhere[PAGE];
	pthread_t churner, threads[3];
	struct shared shared;
	uint32_t round, i;
	void *ret;

	stop = false;
	DO(rte_vfio_user_sigbus_enable());
	DO(pthread_create(&churner, NULL, churn, elsewhere));
	for (round = 0; round < 200; round++) {
		DO(share(&shared, PROT_READ));
		DO(ftruncate(shared.fd, 0));
		for (i = 0; i < RTE_DIM(threads); i++)
			DO(pthread_create(&threads[i], NULL, touch_all, &shared));
		for (i = 0; i < RTE_DIM(threads); i++) {
			pthread_join(threads[i], &ret);
			TEST_ASSERT_NULL(ret, "zeroes");
		}
		TEST_ASSERT(vfio_user_sigbus_broken(&owner), "round %u", round);
		vfio_user_sigbus_mend(&owner);
		unshare_it(&shared);
	}
	__atomic_store_n(&stop, true, __ATOMIC_RELEASE);
	pthread_join(churner, &ret);
	TEST_ASSERT_NULL(ret, "the owner of something else was told");
	return TEST_SUCCESS;
}

#define CASE(fn) TEST_CASE_ST(setup, teardown, fn)

static struct unit_test_suite sigbus_suite = {
	.suite_name = "vfio-user SIGBUS handler",
	.unit_test_cases = {
		CASE(test_read),
		CASE(test_write),
		CASE(test_neighbours),
		CASE(test_same_range),
		CASE(test_chain),
		CASE(test_counted),
		CASE(test_threads),
		TEST_CASES_END()
	},
};

static int
test_vfio_user_sigbus(void)
{
	return unit_test_suite_runner(&sigbus_suite);
}

REGISTER_TEST_COMMAND(vfio_user_sigbus_autotest, test_vfio_user_sigbus);
