/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

/*
 * What an application does with a port of either driver, with each allocation and
 * system call in it failing once: it works nevertheless, or an error comes back; then
 * all is as before, and it works the second time.
 */

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pmd_pair.h"
#include "pmd_usage.h"
#include "test_fault.h"

/* A run that takes longer hangs. */
#define WATCHDOG_S 120
#define QUEUES 2u
/* In the short form so many calls of a kind fail, spread evenly. */
#define SHORT_CALLS FEWER_WITH_TSAN(3u, 3)
#define SHORT_ALLOCS FEWER_WITH_TSAN(8u, 4)
/* In the long form, too. */
#define LONG_CALLS 500u

/* A step of a port's life, and what comes before it. */
struct scenario {
	const char *name;
	int (*prepare)(void);
	int (*run)(void);
};

static struct pmd_pair pair;
static bool device_started, driver_started;
static struct pmd_usage usage;
static unsigned int made[TEST_FAULT_NB]; /* calls, of all scenarios */
static unsigned int nb_runs;
static char what[160]; /* is going on */

static const struct rte_eth_conf conf = { .intr_conf = { .lsc = 1, .rxq = 1 } };
static const struct pmd_traffic frames = { 71000, 1514, FRAME_MAX };

static void
on_alarm(int sig)
{
	static const char text[] = ": hangs\n";

	RTE_SET_USED(sig);
	if (write(STDOUT_FILENO, what, strlen(what)) < 0 ||
	    write(STDOUT_FILENO, text, sizeof(text) - 1) < 0)
		_exit(EXIT_FAILURE);
	abort();
}

static int
setup(void)
{
	pair_init(&pair);
	device_started = driver_started = false;
	signal(SIGALRM, on_alarm);
	return test_fault_linked() ? TEST_SUCCESS : TEST_SKIPPED;
}

static void
teardown(void)
{
	alarm(0);
	signal(SIGALRM, SIG_DFL);
	test_fault_off();
	test_fault_stop();
	pair_remove(&pair);
}

/* ---------------------------------------------------------------- steps */

static int
device_probe(void)
{
	return port_probe(&pair.device, 0, ",queues=2,mode=interrupt,rx_usecs=50,tx_usecs=50");
}

static int
device_start(void)
{
	int ret = port_start(&pair.device, QUEUES, &conf);

	device_started = ret == 0;
	return ret;
}

static int
driver_probe(void)
{
	return port_probe_driver(&pair.driver, 0, ",queues=2,queue_size=64,event_idx=1");
}

static int
driver_start(void)
{
	int ret = port_start(&pair.driver, QUEUES, &conf);

	driver_started = ret == 0;
	return ret;
}

/* The end has to come, whatever fails. */
static int
device_end(void)
{
	device_started = false;
	return port_remove(&pair.device);
}

static int
driver_end(void)
{
	driver_started = false;
	return port_remove(&pair.driver);
}

static int
driver_restart(void)
{
	driver_started = false;
	DO(rte_eth_dev_stop(pair.driver.id));
	return driver_start();
}

/* What is not there yet up to a step, in its order. */
static int
up_to_device_probe(void)
{
	return pair.device.id != RTE_MAX_ETHPORTS ? 0 : device_probe();
}

static int
up_to_device_start(void)
{
	int ret = up_to_device_probe();

	return ret != 0 || device_started ? ret : device_start();
}

static int
up_to_driver_probe(void)
{
	int ret = up_to_device_start();

	return ret != 0 || pair.driver.id != RTE_MAX_ETHPORTS ? ret : driver_probe();
}

static int
up_to_driver_start(void)
{
	int ret = up_to_driver_probe();

	return ret != 0 || driver_started ? ret : driver_start();
}

static int
nothing(void)
{
	return 0;
}

static const struct scenario scenarios[] = {
	{ "net_vfio_user: probe", nothing, device_probe },
	{ "net_vfio_user: start", up_to_device_probe, device_start },
	{ "net_vfio_user: end", up_to_driver_start, device_end },
	{ "net_virtio_vfio_user: probe", up_to_device_start, driver_probe },
	{ "net_virtio_vfio_user: start", up_to_driver_probe, driver_start },
	{ "net_virtio_vfio_user: restart", up_to_driver_start, driver_restart },
	{ "net_virtio_vfio_user: end", up_to_driver_start, driver_end },
};

/* ---------------------------------------------------------- one run of it */

/* A frame comes, by a connection that may be on its way back. */
static int
wait_frame(const struct pmd_port *from, const struct pmd_port *to)
{
	const uint64_t end = pmd_now_ms() + 10000;

	do {
		pmd_send(from, 0, &frames, 1);
		if (pmd_drain(to) != 0)
			return 0;
		usleep(200);
	} while (pmd_now_ms() < end);
	return -ETIMEDOUT;
}

/* What is not there is made, without failures; then all works. */
static int
check_works(void)
{
	uint16_t i;

	DO(up_to_driver_start());
	DO(rte_eth_promiscuous_enable(pair.driver.id)); /* frames are to anybody */
	DO(wait_frame(&pair.driver, &pair.device));
	DO(wait_frame(&pair.device, &pair.driver));
	for (i = 0; i < QUEUES; i++) {
		DO(pmd_flush(&pair.driver, &pair.device, i));
		DO(pmd_flush(&pair.device, &pair.driver, i));
		DO(pmd_transfer(&pair.driver, &pair.device, i, &frames, 40));
		DO(pmd_transfer(&pair.device, &pair.driver, i, &frames, 40));
	}
	return TEST_SUCCESS;
}

/* 0 or an error is fine, silence is not. */
static int
check_result(int ret, const struct test_fault *fault, bool failed)
{
	TEST_ASSERT(ret <= 0, "%s: %d", what, ret);
	TEST_ASSERT(ret != -ETIMEDOUT, "%s: timed out", what);
	TEST_ASSERT(ret == 0 || failed, "%s: %s", what, strerror(-ret));
	/* an interrupted call is made again, a part of a transfer continued */
	if (ret != 0)
		TEST_ASSERT(fault->err != EINTR && fault->err != TEST_FAULT_SHORT,
			    "%s: not continued: %s", what, strerror(-ret));
	return TEST_SUCCESS;
}

static int
run_once(const struct scenario *sc, const struct test_fault *fault)
{
	bool failed;
	int ret;

	snprintf(what, sizeof(what), "%s: %s %u: %s", sc->name,
		 fault == NULL ? "no call" : test_fault_name(fault->call),
		 fault == NULL ? 0 : fault->nth, fault == NULL ? "" :
		 fault->err == TEST_FAULT_SHORT ? "short" : strerror(fault->err));
	nb_runs++;
	alarm(WATCHDOG_S);
	TEST_ASSERT_SUCCESS(sc->prepare(), "%s: before", what);
	test_fault_start(fault);
	test_fault_on();
	ret = sc->run();
	test_fault_off();
	failed = test_fault_stop();
	DO(check_result(ret, fault, failed));
	TEST_ASSERT_SUCCESS(check_works(), "%s: afterwards", what);
	DO(driver_end());
	DO(device_end());
	TEST_ASSERT_EQUAL(pmd_mbufs_used(), 0u, "%s: leaked", what);
	return TEST_SUCCESS;
}

/* ---------------------------------------------------------- all runs of it */

static int
run_checked(const struct scenario *sc, const struct test_fault *fault)
{
	int ret = run_once(sc, fault);

	if (ret == TEST_SUCCESS)
		ret = usage_check(&usage);
	if (ret != TEST_SUCCESS)
		printf("%s\n", what);
	return ret;
}

/* Each call of a kind, with each errno or, in the short form, some with one of them. */
static int
run_calls(const struct scenario *sc, enum test_fault_call call, unsigned int count)
{
	const int *errs = test_fault_errs(call);
	struct test_fault fault = { .call = call };
	unsigned int i, nb_errs = 0, calls = count, runs;

	while (errs[nb_errs] != 0)
		nb_errs++;
	if (pmd_long())
		calls = RTE_MIN(count, LONG_CALLS);
	else
		calls = RTE_MIN(count, call == TEST_FAULT_ALLOC ? SHORT_ALLOCS : SHORT_CALLS);
	runs = pmd_long() ? calls * nb_errs : calls;
	for (i = 0; i < runs; i++) {
		fault.nth = (pmd_long() ? i / nb_errs : i) * count / calls + 1;
		fault.err = errs[i % nb_errs];
		DO(run_checked(sc, &fault));
	}
	return TEST_SUCCESS;
}

static int
run_scenario(const struct scenario *sc)
{
	unsigned int counts[TEST_FAULT_NB], call;

	DO(run_once(sc, NULL));
	for (call = 0; call < TEST_FAULT_NB; call++) {
		counts[call] = test_fault_count(call);
		made[call] += counts[call];
	}
	/* what is there for good is there now */
	usage_get(&usage);
	DO(run_checked(sc, NULL));
	for (call = 0; call < TEST_FAULT_NB; call++)
		if (counts[call] != 0)
			DO(run_calls(sc, call, counts[call]));
	return TEST_SUCCESS;
}

static int
test_each_call(void)
{
	unsigned int i, call;

	for (i = 0; i < RTE_DIM(scenarios); i++)
		DO(run_scenario(&scenarios[i]));
	printf("%u runs\n", nb_runs);
	/* else a driver calls it no more, or no scenario reaches it */
	for (call = TEST_FAULT_LIBS; call < TEST_FAULT_NB; call++)
		TEST_ASSERT(made[call] != 0, "%s: never called", test_fault_name(call));
	return TEST_SUCCESS;
}

static struct unit_test_suite suite = {
	.suite_name = "the two drivers with failing calls",
	.setup = pmd_setup,
	.unit_test_cases = {
		TEST_CASE_ST(setup, teardown, test_each_call),
		TEST_CASES_END()
	},
};

static int
test_pair_fault(void)
{
	return unit_test_suite_runner(&suite);
}

REGISTER_TEST_COMMAND(pair_fault_autotest, test_pair_fault);
