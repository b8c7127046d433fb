/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

/* Each scenario with each allocation and system call of it failing once. */

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_common.h>

#include "test.h"
#include "test_short.h"
#include "test_fault.h"
#include "test_vfio_user_fault.h"
#include "test_vfio_user_fds.h"

/* in the names of the memory that tests and library share */
#define SHARED "/memfd:fault"

/* In the short form so many calls of a kind fail, spread evenly. */
#define SHORT_CALLS FEWER_WITH_TSAN(6u, 2)
#define SHORT_ALLOCS FEWER_WITH_TSAN(16u, 2)

static char dir[] = "/tmp/vfio-user-fault-XXXXXX";
static struct fault_dev bystander;
static bool long_form;
static const char *filter; /* runs whose description has this only */
static unsigned int nb_runs;

/* Calls made in all scenarios together. */
static unsigned int made[TEST_FAULT_NB];

/* What is going on, for messages and the watchdog. */
static char what[256];

static const char *
who_name(uint32_t who)
{
	return who == FAULT_CALLER ? "caller" : who == FAULT_RUNNER ? "runner" : "poller";
}

static void
on_alarm(int sig)
{
	static const char text[] = "hangs: ";

	RTE_SET_USED(sig);
	if (write(STDOUT_FILENO, text, sizeof(text) - 1) < 0 ||
	    write(STDOUT_FILENO, what, strlen(what)) < 0 ||
	    write(STDOUT_FILENO, "\n", 1) < 0)
		_exit(EXIT_FAILURE);
	abort();
}

static int
setup(void)
{
	if (!test_fault_linked())
		return TEST_SKIPPED;
	long_form = getenv("VFIO_USER_TEST_LONG") != NULL;
	filter = getenv("VFIO_USER_TEST_FAULT");
	signal(SIGALRM, on_alarm);
	TEST_ASSERT_NOT_NULL(mkdtemp(dir), "mkdtemp: %s", strerror(errno));
	DO(fault_init(&bystander, dir, "bystander"));
	DO(fault_create(&bystander));
	DO(fault_attach(&bystander, 0, 0));
	return fault_use(&bystander);
}

static void
teardown(void)
{
	alarm(0);
	fault_detach(&bystander);
	fault_destroy(&bystander);
	fault_fini(&bystander);
	rmdir(dir);
}

/* --------------------------------------------------------- one run of it */

/* 0 or an error is fine, silence and wrong data are not. */
static int
check_result(int ret, const struct test_fault *fault, bool failed)
{
	TEST_ASSERT(ret <= 0, "%s: wrong data", what);
	TEST_ASSERT(ret != -ETIMEDOUT, "%s: timed out", what);
	TEST_ASSERT(ret == 0 || failed, "%s: %s", what, strerror(-ret));
	/* an interrupted call is made again, a part of a transfer continued */
	if (ret != 0)
		TEST_ASSERT(fault->err != EINTR && fault->err != TEST_FAULT_SHORT,
			    "%s: not continued: %s", what, strerror(-ret));
	return TEST_SUCCESS;
}

static int
run_prepared(const struct fault_scenario *sc, uint32_t who,
	     const struct test_fault *fault, struct fault_dev *dev)
{
	bool failed;
	int ret;

	dev->lasting = fault != NULL && fault->always;
	dev->runner_on = who == FAULT_RUNNER;
	dev->poller_on = who == FAULT_POLLER;
	if (sc->prepare != NULL)
		TEST_ASSERT_SUCCESS(sc->prepare(dev), "%s: preparation", what);
	test_fault_start(fault);
	dev->caller_on = who == FAULT_CALLER;
	if (dev->caller_on)
		test_fault_on();
	ret = sc->run(dev);
	dev->caller_on = false;
	test_fault_off();
	failed = test_fault_stop();
	DO(check_result(ret, fault, failed));
	if (sc->again && failed && !fault->always)
		TEST_ASSERT_SUCCESS(ret, "%s: not even again", what);
	ret = dev->check != NULL ? dev->check(dev) : fault_check(dev);
	TEST_ASSERT_SUCCESS(ret, "%s: afterwards", what);
	return TEST_SUCCESS;
}

static int
run_once(const struct fault_scenario *sc, uint32_t who, const struct test_fault *fault)
{
	int fds = count_fds(), mappings = count_mappings(SHARED), ret;
	struct fault_dev dev;

	snprintf(what, sizeof(what), "%s, %s, %s %u%s, %s", sc->name, who_name(who),
		 fault == NULL ? "no call" : test_fault_name(fault->call),
		 fault == NULL ? 0 : fault->nth,
		 fault != NULL && fault->always ? " and later" : "", fault == NULL ? "" :
		 fault->err == TEST_FAULT_SHORT ? "short" : strerror(fault->err));
	if (fault != NULL && filter != NULL && strstr(what, filter) == NULL)
		return TEST_SUCCESS;
	nb_runs++;
	alarm(FAULT_WATCHDOG_S);
	DO(fault_init(&dev, dir, "device"));
	ret = run_prepared(sc, who, fault, &dev);
	test_fault_off();
	test_fault_stop();
	fault_stop_poller(&dev);
	if (dev.clean != NULL)
		dev.clean(&dev);
	fault_detach(&dev);
	fault_destroy(&dev);
	fault_fini(&dev);
	if (ret != TEST_SUCCESS)
		return ret;
	TEST_ASSERT_EQUAL(count_fds(), fds, "%s", what);
	TEST_ASSERT_EQUAL(count_mappings(SHARED), mappings, "%s", what);
	TEST_ASSERT_SUCCESS(fault_use(&bystander), "%s: other device", what);
	return TEST_SUCCESS;
}

/* ------------------------------------------------------ all runs of it */

/* Each call of a kind, with each errno or, in the short form, one of them. */
static int
run_calls(const struct fault_scenario *sc, uint32_t who, enum test_fault_call call,
	  unsigned int count)
{
	const int *errs = test_fault_errs(call);
	struct test_fault fault = { .call = call };
	unsigned int i, nb_errs = 0, calls = count, runs, failed = 0;

	while (errs[nb_errs] != 0)
		nb_errs++;
	if (!long_form)
		calls = RTE_MIN(count, call == TEST_FAULT_ALLOC ? SHORT_ALLOCS : SHORT_CALLS);
	runs = long_form ? calls * nb_errs : RTE_MAX(calls, nb_errs);
	for (i = 0; i < runs; i++) {
		fault.nth = long_form ? i / nb_errs + 1 : i % calls * count / calls + 1;
		fault.err = errs[i % nb_errs];
		failed += run_once(sc, who, &fault) != TEST_SUCCESS;
	}
	return failed == 0 ? TEST_SUCCESS : TEST_FAILED;
}

/* What does not pass at once must not be tried without end. */
static int
run_lasting(const struct fault_scenario *sc, uint32_t who, enum test_fault_call call)
{
	static const bool lasting[TEST_FAULT_NB] = {
		[TEST_FAULT_ALLOC] = true, [TEST_FAULT_CONNECT] = true, [TEST_FAULT_DUP] = true,
		[TEST_FAULT_EPOLL_ADD] = true, [TEST_FAULT_MMAP] = true,
		[TEST_FAULT_SENDMSG_FDS] = true, [TEST_FAULT_SOCKET] = true,
	};
	const struct test_fault fault = {
		.call = call, .nth = 1, .err = test_fault_errs(call)[0], .always = true,
	};

	return lasting[call] ? run_once(sc, who, &fault) : TEST_SUCCESS;
}

static int
run_scenario(const struct fault_scenario *sc, uint32_t who)
{
	unsigned int counts[TEST_FAULT_NB], call, failed = 0;

	DO(run_once(sc, who, NULL));
	for (call = 0; call < TEST_FAULT_NB; call++) {
		counts[call] = test_fault_count(call);
		made[call] += counts[call];
	}
	for (call = 0; call < TEST_FAULT_NB; call++)
		failed += counts[call] != 0 &&
			(run_calls(sc, who, call, counts[call]) != TEST_SUCCESS ||
			 run_lasting(sc, who, call) != TEST_SUCCESS);
	return failed == 0 ? TEST_SUCCESS : TEST_FAILED;
}

static int
test_each_call(void)
{
	static const struct fault_scenario *const tables[] = {
		fault_scenarios, fault_memory_scenarios, fault_reconnect_scenarios,
		fault_group_scenarios, fault_series_scenarios, fault_virtio_scenarios,
	};
	const struct fault_scenario *sc;
	unsigned int failed = 0, call, i;
	uint32_t who;

	for (i = 0; i < RTE_DIM(tables); i++)
		for (sc = tables[i]; sc->name != NULL; sc++)
			for (who = FAULT_CALLER; who <= FAULT_POLLER; who <<= 1)
				if ((sc->who & who) != 0)
					failed += run_scenario(sc, who) != TEST_SUCCESS;
	TEST_ASSERT_EQUAL(failed, 0u, "%u scenarios", failed);
	printf("%u runs\n", nb_runs);
	/* else the program is not linked for it, or no scenario reaches it */
	for (call = 0; call < TEST_FAULT_LIBS; call++)
		TEST_ASSERT(made[call] != 0 || call == TEST_FAULT_PREADV2, "%s: never called",
			    test_fault_name(call));
	return TEST_SUCCESS;
}

static struct unit_test_suite fault_suite = {
	.suite_name = "vfio-user with failing calls",
	.setup = setup,
	.teardown = teardown,
	.unit_test_cases = {
		TEST_CASE(test_each_call),
		TEST_CASES_END()
	},
};

static int
test_vfio_user_fault(void)
{
	return unit_test_suite_runner(&fault_suite);
}

REGISTER_TEST_COMMAND(vfio_user_fault_autotest, test_vfio_user_fault);
