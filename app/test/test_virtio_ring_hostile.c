/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 dpdk-vfio-user contributors
 */

/*
 * Random rings, of which many were damaged by a hostile driver: what a device
 * gets out of them is compared with what a second implementation makes of them.
 * Then the same while another thread damages them.
 *
 * VFIO_USER_TEST_SEED: the seed of the first ring; each next one has the next
 * number, so the number that a failure names repeats it at once.
 */

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>

#include <rte_vect.h>

#include "test.h"
#include "test_short.h"
#include "test_virtio_ring_gen.h"
#include "test_virtio_ring_mem.h"
#include "test_virtio_ring_ref.h"

#define MAX_SEGS 400u
#define MAX_BURST 64u

/* A buffer that the device holds. */
struct held {
	uint16_t id, slots;
	bool plain; /* of a burst */
};

static struct {
	struct gen gen;
	struct ref_ring ref;
	struct rte_virtio_ring ring;
	struct rte_virtio_chain chain;
	struct rte_virtio_seg segs[MAX_SEGS];
	struct ref_buffer expected;
	struct held held[GEN_MAX_SIZE];
	uint32_t nb_held;
	uint32_t used; /* entries, counted from the first turn on */
	uint32_t unsignalled;
	/* what happened */
	uint64_t buffers, bursts, broken, errors[6], nospc;
} t;

static bool
has(unsigned int feature)
{
	return ref_has(&t.ref, feature);
}

/* -------------------------------------------------------------------- pop */

/* What the device shall get next; it may have seen an index of the driver before. */
static void
expect(uint16_t max_segs, uint16_t seen)
{
	t.ref.seen = seen;
	ref_pop(&t.ref, max_segs, &t.expected);
}

static int
compare_chain(void)
{
	const struct ref_buffer *e = &t.expected;
	const struct rte_virtio_chain *c = &t.chain;
	uint32_t i;

	TEST_ASSERT(c->id == e->id && c->slots == e->slots, "id %u, %u slots", c->id, c->slots);
	TEST_ASSERT(c->nb_read == e->nb_read && c->nb_write == e->nb_write,
		    "%u and %u segments", c->nb_read, c->nb_write);
	TEST_ASSERT(c->read_len == e->read_len && c->write_len == e->write_len,
		    "%u and %u bytes", c->read_len, c->write_len);
	for (i = 0; i < e->nb_read + e->nb_write; i++)
		TEST_ASSERT(c->segs[i].va == e->segs[i].va &&
			    c->segs[i].iova == e->segs[i].iova &&
			    c->segs[i].len == e->segs[i].len, "segment %u", i);
	return 0;
}

static void
hold(uint16_t id, uint16_t slots, bool plain)
{
	t.held[t.nb_held++] = (struct held){ id, slots, plain };
	ref_taken(&t.ref, slots);
	t.buffers++;
}

/* What the following return besides 1, 0 and TEST_FAILED. */
#define BROKEN -2

static int
pop_one(void)
{
	const uint16_t max_segs = gen_one_in(&t.gen, 64) ? gen_below(&t.gen, 6) : MAX_SEGS;
	int ret;

	expect(max_segs, t.ring.avail_end);
	ret = rte_virtio_ring_pop(&t.ring, &t.chain, t.segs, max_segs);
	if (t.expected.none || ret == 0) {
		TEST_ASSERT(t.expected.none && ret == 0, "%d, available %d", ret,
			    !t.expected.none);
		return 0;
	}
	if (t.expected.errors != 0 || ret < 0) {
		TEST_ASSERT((t.expected.errors & ref_error(ret)) != 0,
			    "%d, expected 0x%x", ret, t.expected.errors);
		if (ret == -ENOSPC) {
			t.nospc++;
			rte_virtio_ring_break(&t.ring, ret);
		}
		TEST_ASSERT(rte_virtio_ring_broken(&t.ring) == ret &&
			    rte_virtio_ring_pop(&t.ring, &t.chain, t.segs, MAX_SEGS) == ret,
			    "mended");
		return BROKEN;
	}
	if (compare_chain() < 0)
		return TEST_FAILED;
	hold(t.chain.id, t.chain.slots, false);
	return 1;
}

static int
compare_buf(const struct rte_virtio_buf *buf)
{
	const struct ref_buffer *e = &t.expected;

	TEST_ASSERT(!e->none && e->plain, "not plain, 0x%x", e->errors);
	TEST_ASSERT(buf->va == e->segs[0].va && buf->len == e->segs[0].len &&
		    buf->id == e->id &&
		    buf->flags == (e->nb_write != 0 ? RTE_VIRTIO_BUF_F_WRITE : 0), "buffer");
	return 0;
}

static int
pop_many(void)
{
	struct rte_virtio_buf bufs[MAX_BURST];
	const uint16_t want = 1 + gen_below(&t.gen, MAX_BURST);
	int i, nb = rte_virtio_ring_pop_burst(&t.ring, bufs, want);

	expect(1, nb < 0 ? (uint16_t)t.ref.avail : t.ring.avail_end);
	if (nb < 0) {
		TEST_ASSERT(!has(VIRTIO_F_RING_PACKED) && nb == -EPROTO &&
			    t.expected.errors == REF_PROTO, "%d", nb);
		return BROKEN;
	}
	for (i = 0; i < nb; i++) {
		if (compare_buf(&bufs[i]) < 0)
			return TEST_FAILED;
		hold(bufs[i].id, 1, true);
		expect(1, t.ring.avail_end);
	}
	TEST_ASSERT(nb == want || t.expected.none || !t.expected.plain, "ended early");
	TEST_ASSERT(rte_virtio_ring_is_odd(&t.ring) == (nb < want && !t.expected.none), "odd");
	t.bursts += nb > 1;
	return nb > 0 ? 1 : rte_virtio_ring_is_odd(&t.ring) ? pop_one() : 0;
}

/* ------------------------------------------------------------------- push */

/* The entry at which the driver looks next. */
static int
check_used(uint32_t at, uint16_t id, uint32_t written)
{
	const uint32_t size = t.gen.conf.size, pos = at % size;
	const struct vring_packed_desc *desc;
	const struct vring_used_elem *elem;
	uint16_t flags;

	if (!has(VIRTIO_F_RING_PACKED)) {
		elem = (const struct vring_used_elem *)mem_at(t.gen.conf.device + 4) + pos;
		TEST_ASSERT(elem->id == id && elem->len == written, "used entry");
		return 0;
	}
	desc = (const struct vring_packed_desc *)mem_at(t.gen.conf.desc) + pos;
	flags = at / size % 2 == 0 ? 1 << 7 | 1 << 15 : 0;
	if (written != 0)
		flags |= VRING_DESC_F_WRITE;
	TEST_ASSERT(desc->flags == flags && desc->id == id, "used descriptor, flags 0x%x",
		    desc->flags);
	TEST_ASSERT(written == 0 || desc->len == written, "length");
	return 0;
}

/* Take held buffers away, in their order or at random. */
static struct held
take_held(void)
{
	const uint32_t i = has(VIRTIO_F_IN_ORDER) ? 0 : gen_below(&t.gen, t.nb_held);
	const struct held held = t.held[i];

	memmove(&t.held[i], &t.held[i + 1], (--t.nb_held - i) * sizeof(held));
	return held;
}

static int
push_some(void)
{
	const uint32_t nb = gen_below(&t.gen, t.nb_held + 1), first = t.used;
	struct held held[GEN_MAX_SIZE];
	uint32_t written[GEN_MAX_SIZE], i, at;

	for (i = 0; i < nb; i++) {
		held[i] = take_held();
		written[i] = gen_one_in(&t.gen, 3) ? 0 : gen_below(&t.gen, 5000);
		rte_virtio_ring_push(&t.ring, held[i].id, held[i].slots, written[i]);
		t.used += held[i].slots;
		t.ref.in_flight -= held[i].slots;
	}
	rte_virtio_ring_publish(&t.ring);
	for (i = 0, at = first; i < nb; at += held[i].slots, i++)
		if (check_used(at, held[i].id, written[i]) < 0)
			return TEST_FAILED;
	for (i = 0; i < nb; i++)
		gen_again(&t.gen, held[i].id, held[i].slots);
	t.unsignalled += t.used - first;
	return 0;
}

static int
check_burst(const struct rte_virtio_buf *bufs, const uint32_t *written, uint32_t nb)
{
	uint32_t i;

	if (written == NULL && has(VIRTIO_F_IN_ORDER))
		return check_used(t.used, bufs[nb - 1].id, 0) < 0 ? TEST_FAILED : 0;
	for (i = 0; i < nb; i++)
		if (check_used(t.used + i, bufs[i].id, written != NULL ? written[i] : 0) < 0)
			return TEST_FAILED;
	return 0;
}

/* As many as a device with bursts would have. */
static int
push_many(void)
{
	const bool none_written = gen_one_in(&t.gen, 2);
	struct rte_virtio_buf bufs[MAX_BURST];
	uint32_t written[MAX_BURST], nb = 0, i;
	int ret;

	while (nb < MAX_BURST && nb < t.nb_held && t.held[nb].plain) {
		bufs[nb].id = t.held[nb].id;
		written[nb++] = gen_below(&t.gen, 3);
	}
	if (nb == 0)
		return 0;
	rte_virtio_ring_push_burst(&t.ring, bufs, none_written ? NULL : written, (uint16_t)nb);
	rte_virtio_ring_publish(&t.ring);
	ret = check_burst(bufs, none_written ? NULL : written, nb);
	t.nb_held -= nb;
	memmove(t.held, &t.held[nb], t.nb_held * sizeof(t.held[0]));
	t.ref.in_flight -= nb;
	t.used += nb;
	t.unsignalled += nb;
	for (i = 0; i < nb; i++)
		gen_again(&t.gen, bufs[i].id, 1);
	return ret;
}

/* ---------------------------------------------------------- notifications */

/* Whether one of the entries that were published is the one that is waited for. */
static bool
event_passed(uint16_t event)
{
	const uint32_t size = t.gen.conf.size;
	uint32_t at;

	if (has(VIRTIO_F_RING_PACKED) && t.unsignalled > size)
		return true; /* it may mean an entry of another turn */
	for (at = t.used - t.unsignalled; at != t.used; at++) {
		if (!has(VIRTIO_F_RING_PACKED)) {
			if ((uint16_t)at == event)
				return true;
		} else if (at % size == (event & 0x7fff) &&
			   event >> 15 == (at / size + 1) % 2) {
			return true;
		}
	}
	return false;
}

static bool
interrupt_expected(void)
{
	const uint16_t *driver = mem_at(t.gen.conf.driver);
	const bool event_idx = has(VIRTIO_RING_F_EVENT_IDX);

	if (t.unsignalled == 0)
		return false;
	if (has(VIRTIO_F_RING_PACKED)) {
		if (driver[1] == VRING_PACKED_EVENT_FLAG_DESC && event_idx)
			return event_passed(driver[0]);
		return driver[1] != VRING_PACKED_EVENT_FLAG_DISABLE;
	}
	if (event_idx)
		return event_passed(driver[2 + t.gen.conf.size]);
	return (driver[0] & VRING_AVAIL_F_NO_INTERRUPT) == 0;
}

static int
check_interrupt(void)
{
	bool expected;

	gen_event(&t.gen);
	expected = interrupt_expected();
	TEST_ASSERT(rte_virtio_ring_wants_interrupt(&t.ring) == expected,
		    "expected %d for %u entries", expected, t.unsignalled);
	t.unsignalled = 0;
	return 0;
}

/* What the driver is told. */
static int
check_notify(void)
{
	const uint16_t *device = mem_at(t.gen.conf.device);
	const bool event_idx = has(VIRTIO_RING_F_EVENT_IDX);
	const uint32_t size = t.gen.conf.size, next = t.ref.avail;

	t.ref.seen = (uint16_t)next; /* what it reads now counts */
	TEST_ASSERT_EQUAL(rte_virtio_ring_notify_enable(&t.ring), ref_is_available(&t.ref),
			  "at entry %u", next);
	if (has(VIRTIO_F_RING_PACKED)) {
		TEST_ASSERT(device[1] == (event_idx ? 2 : 0), "flags %u", device[1]);
		TEST_ASSERT(!event_idx || device[0] ==
			    (next % size | (next / size + 1) % 2 << 15), "event");
	} else {
		TEST_ASSERT(device[0] == 0, "flags %u", device[0]);
		TEST_ASSERT(!event_idx || device[2 + 4 * size] == (uint16_t)next, "event");
	}
	rte_virtio_ring_notify_disable(&t.ring);
	if (has(VIRTIO_F_RING_PACKED))
		TEST_ASSERT(device[1] == 1, "flags %u", device[1]);
	else
		TEST_ASSERT(device[0] == !event_idx, "flags %u", device[0]);
	return 0;
}

/* ------------------------------------------------------------------- rings */

/* As if so many entries had been used before. */
static void
begin_at(uint32_t count)
{
	const uint32_t turns = count / t.gen.conf.size;

	gen_begin_at(&t.gen, count);
	t.ref.avail = count;
	t.used = count;
	t.ring.avail = has(VIRTIO_F_RING_PACKED) ? count % t.gen.conf.size : count;
	t.ring.avail_end = t.ring.avail;
	t.ring.used = t.ring.avail;
	t.ring.published = t.ring.avail;
	if (turns % 2 != 0) {
		t.ring.avail_flags ^= 1 << 7 | 1 << 15;
		t.ring.used_flags ^= 1 << 7 | 1 << 15;
	}
}

static int
step(void)
{
	int ret;

	do {
		ret = gen_one_in(&t.gen, 2) ? pop_one() : pop_many();
		if (ret == TEST_FAILED)
			return TEST_FAILED;
		/* a device that goes by the burst gives back before it goes on */
	} while (ret > 0 && t.nb_held < t.gen.conf.size && !gen_one_in(&t.gen, 64));
	if (gen_one_in(&t.gen, 4) && check_notify() < 0)
		return TEST_FAILED;
	if ((gen_one_in(&t.gen, 2) ? push_some() : push_many()) < 0)
		return TEST_FAILED;
	if (gen_one_in(&t.gen, 2) && check_interrupt() < 0)
		return TEST_FAILED;
	return ret;
}

/* With what the library has for this cpu, or for any. */
static int
init_ring(const struct gen *gen)
{
	rte_vect_set_max_simd_bitwidth(gen->any_cpu ? RTE_VECT_SIMD_128 : RTE_VECT_SIMD_MAX);
	return rte_virtio_ring_init(&t.ring, &gen->conf);
}

static int
start_ring(uint64_t seed)
{
	gen_start(&t.gen, seed);
	t.ref = (struct ref_ring){ .conf = t.gen.conf };
	t.nb_held = 0;
	t.used = 0;
	t.unsignalled = 0;
	DO(init_ring(&t.gen));
	if (gen_one_in(&t.gen, 2))
		begin_at(gen_one_in(&t.gen, 2) ? 65536 - gen_below(&t.gen, 4) :
			 gen_below(&t.gen, 1 << 20));
	return rte_virtio_ring_map(&t.ring, mem_reader);
}

static int
run_ring(uint64_t seed)
{
	uint32_t steps, damages;
	int ret = 0;

	rte_vfio_user_dma_begin(mem_reader);
	DO(start_ring(seed));
	damages = gen_one_in(&t.gen, 3) ? 0 : 1 + gen_below(&t.gen, gen_one_in(&t.gen, 4) ? 8 : 1);
	for (steps = 1 + gen_below(&t.gen, 4); steps != 0 && ret >= 0; steps--) {
		if (steps != 0 && (t.gen.packed || t.ref.avail == t.gen.next))
			if (t.gen.packed || t.ref.in_flight == 0)
				gen_fill(&t.gen);
		for (; damages != 0 && gen_one_in(&t.gen, steps); damages--)
			gen_damage(&t.gen);
		ret = step();
	}
	rte_vfio_user_dma_end(mem_reader);
	TEST_ASSERT(ret != TEST_FAILED, "ring %" PRIu64 ": size %u, features 0x%" PRIx64, seed,
		    t.gen.conf.size, t.gen.conf.features);
	TEST_ASSERT(ret >= 0 || t.gen.hostile || t.expected.errors == REF_NOSPC,
		    "ring %" PRIu64 " is good", seed);
	if (ret < 0) {
		t.broken++;
		t.errors[__builtin_ctz(ref_error(rte_virtio_ring_broken(&t.ring)))]++;
	}
	return 0;
}

static uint64_t
first_seed(void)
{
	const char *seed = getenv("VFIO_USER_TEST_SEED");

	return seed != NULL ? strtoull(seed, NULL, 0) : 1;
}

static bool
is_long(void)
{
	return getenv("VFIO_USER_TEST_LONG") != NULL;
}

static int
test_random_rings(void)
{
	const uint64_t nb = is_long() ? 10000000 : FEWER_WITH_TSAN(100000, 10);
	const uint64_t first = first_seed();
	uint64_t i;

	for (i = 0; i < nb; i++)
		if (run_ring(first + i) != 0)
			return TEST_FAILED;
	printf("%" PRIu64 " rings from seed %" PRIu64 ": %" PRIu64 " buffers, %" PRIu64
	       " bursts, %" PRIu64 " rings broken (%" PRIu64 " EPROTO, %" PRIu64 " E2BIG, %"
	       PRIu64 " EOVERFLOW, %" PRIu64 " EFAULT, %" PRIu64 " ENOSPC)\n", nb, first,
	       t.buffers, t.bursts, t.broken, t.errors[0], t.errors[1], t.errors[2],
	       t.errors[3], t.errors[4]);
	for (i = 0; i < 5; i++)
		TEST_ASSERT(t.errors[i] != 0, "error %" PRIu64 " did not happen at all", i);
	TEST_ASSERT(t.buffers > nb && t.bursts > nb / 8 && t.broken > nb / 8 &&
		    t.broken < nb * 3 / 4, "not what it should look like");
	return TEST_SUCCESS;
}

/* ------------------------------------------------------------------ the guards */

/* What is behind the areas of a ring cannot be read unnoticed. */
static int
test_guards(void)
{
	unsigned int i;
	int status;
	pid_t pid;

	for (i = MEM_DESC; i <= MEM_DEVICE; i++) {
		fflush(stdout);
		pid = fork();
		if (pid == 0) {
			signal(SIGSEGV, SIG_DFL);
			signal(SIGBUS, SIG_DFL);
			_exit(*(volatile uint8_t *)(mem_zones[i].device +
						    mem_zones[i].size) & 0);
		}
		TEST_ASSERT(pid > 0 && waitpid(pid, &status, 0) == pid, "fork");
		TEST_ASSERT(WIFSIGNALED(status), "zone %u: read", i);
	}
	return TEST_SUCCESS;
}

/* ---------------------------------------------------- changed while being read */

static bool stop; /* atomic */

static void *
damage_on(void *arg)
{
	struct gen *gen = arg;
	uint32_t i;

	while (!__atomic_load_n(&stop, __ATOMIC_ACQUIRE)) {
		for (i = 0; i < 64; i++)
			gen_damage(gen);
		if (gen->packed)
			gen->free = gen->conf.size;
		gen->next += gen_below(gen, 2);
		gen_fill(gen);
	}
	return NULL;
}

/* All of it is memory that may be accessed as it says. */
static int
check_memory(const void *va, uint64_t len, uint32_t prot)
{
	uint64_t off;
	unsigned int i;

	for (i = 0; i < MEM_NB_ZONES; i++) {
		off = (uintptr_t)va - (uintptr_t)mem_zones[i].device;
		if (mem_zones[i].mmap && off < mem_zones[i].size &&
		    len <= mem_zones[i].size - off && (mem_zones[i].prot & prot) != 0)
			return 0;
	}
	TEST_ASSERT(false, "%p, %" PRIu64 " bytes", va, len);
}

static int
check_any_chain(void)
{
	const struct rte_virtio_chain *c = &t.chain;
	uint64_t read_len = 0, write_len = 0;
	uint32_t i;

	TEST_ASSERT(c->id < t.ring.size && c->slots != 0 && c->slots <= t.ring.size, "id");
	TEST_ASSERT(c->nb_read + c->nb_write <= MAX_SEGS, "segments");
	for (i = 0; i < (uint32_t)c->nb_read + c->nb_write; i++) {
		*(i < c->nb_read ? &read_len : &write_len) += c->segs[i].len;
		DO(check_memory(c->segs[i].va, c->segs[i].len,
				i < c->nb_read ? PROT_READ : PROT_WRITE));
	}
	TEST_ASSERT(c->read_len == read_len && c->write_len == write_len &&
		    read_len + write_len < UINT64_C(1) << 32, "lengths");
	return 0;
}

static int
race_step(struct gen *gen)
{
	struct rte_virtio_buf bufs[MAX_BURST];
	int i, ret;

	ret = rte_virtio_ring_pop_burst(&t.ring, bufs, MAX_BURST);
	for (i = 0; i < ret; i++) {
		TEST_ASSERT(bufs[i].id < t.ring.size, "id");
		DO(check_memory(bufs[i].va, bufs[i].len,
				bufs[i].flags != 0 ? PROT_WRITE : PROT_READ));
	}
	if (ret > 0)
		rte_virtio_ring_push_burst(&t.ring, bufs, NULL, (uint16_t)ret);
	t.buffers += ret > 0 ? (uint32_t)ret : 0;
	ret = rte_virtio_ring_pop(&t.ring, &t.chain, t.segs, MAX_SEGS);
	if (ret > 0) {
		DO(check_any_chain());
		t.buffers++;
		rte_virtio_ring_push(&t.ring, t.chain.id, t.chain.slots, gen_below(gen, 2));
	}
	TEST_ASSERT(ret >= 0 || ref_error(ret) != 0, "%d", ret);
	if (gen_one_in(gen, 2))
		rte_virtio_ring_publish(&t.ring);
	rte_virtio_ring_wants_interrupt(&t.ring);
	rte_virtio_ring_notify_enable(&t.ring);
	return ret < 0 ? ret : 0;
}

/* One ring, begun anew each time it breaks, for some milliseconds. */
static int
race(uint64_t seed, uint32_t ms)
{
	struct timespec start, now;
	struct gen gen, mine;
	pthread_t thread;
	int ret = 0;

	gen_start(&gen, seed);
	mine = gen;
	mine.state = ~gen.state;
	DO(init_ring(&gen));
	gen_fill(&gen);
	__atomic_store_n(&stop, false, __ATOMIC_RELEASE);
	DO(pthread_create(&thread, NULL, damage_on, &gen));
	clock_gettime(CLOCK_MONOTONIC, &start);
	do {
		rte_vfio_user_dma_begin(mem_reader);
		if (t.ring.broken != 0)
			init_ring(&mine);
		ret = rte_virtio_ring_map(&t.ring, mem_reader);
		if (ret == 0)
			ret = race_step(&mine);
		rte_vfio_user_dma_end(mem_reader);
		t.broken += ret < 0;
		clock_gettime(CLOCK_MONOTONIC, &now);
	} while (ret != TEST_FAILED && (now.tv_sec - start.tv_sec) * 1000 +
		 (now.tv_nsec - start.tv_nsec) / 1000000 < ms);
	__atomic_store_n(&stop, true, __ATOMIC_RELEASE);
	pthread_join(thread, NULL);
	TEST_ASSERT(ret != TEST_FAILED, "ring %" PRIu64, seed);
	return 0;
}

static int
test_changed_while_read(void)
{
	const uint64_t nb = is_long() ? 2000 : 40, first = first_seed();
	uint64_t i;

	t.buffers = 0;
	t.broken = 0;
	for (i = 0; i < nb; i++)
		DO(race(first + i, 25));
	printf("%" PRIu64 " rings from seed %" PRIu64 ": %" PRIu64 " buffers, broken %" PRIu64
	       " times\n", nb, first, t.buffers, t.broken);
	TEST_ASSERT(t.buffers != 0 && t.broken != 0, "nothing happened");
	return TEST_SUCCESS;
}

#define CASE(fn) TEST_CASE_ST(mem_setup, mem_teardown, fn)

static struct unit_test_suite hostile_suite = {
	.suite_name = "rings of hostile drivers",
	.unit_test_cases = {
		CASE(test_guards),
		CASE(test_random_rings),
		CASE(test_changed_while_read),
		TEST_CASES_END()
	},
};

static int
test_virtio_ring_hostile(void)
{
	return unit_test_suite_runner(&hostile_suite);
}

REGISTER_TEST_COMMAND(virtio_ring_hostile_autotest, test_virtio_ring_hostile);
