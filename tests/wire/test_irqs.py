# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-user contributors
"""Interrupts: information, SET_IRQS by the kernel's rules, delivery."""

import errno
import os
import time

import pytest

import harness
import vfio_user_wire as vu
from vfio_user_wire import (BOOL, ERR, EVENTFD, INTX, MASK, MSI, MSIX, NONE,
                            REQ, TRIGGER, UNMASK)

OTHER = 5  # an index without eventfds

ENABLED, MASKED, PENDING, ASSERTED = 1, 2, 4, 8

COUNTS = {INTX: 1, MSI: 8, MSIX: 64, ERR: 1, REQ: 0, OTHER: 2}
FLAGS = {
    INTX: vu.IRQ_EVENTFD | vu.IRQ_MASKABLE | vu.IRQ_AUTOMASKED,
    MSI: vu.IRQ_EVENTFD | vu.IRQ_MASKABLE | vu.IRQ_NORESIZE,
    MSIX: vu.IRQ_EVENTFD | vu.IRQ_MASKABLE,
    ERR: vu.IRQ_EVENTFD, REQ: 0, OTHER: vu.IRQ_MASKABLE,
}


@pytest.fixture
def assigned(client, event):
    """assigned(index, vector): an eventfd for its trigger."""
    def assign(index, vector=0):
        ev = event()
        client.set_irqs(index, vector, 1, EVENTFD | TRIGGER, fds=[ev.fd])
        return ev
    return assign


def trigger(server, index, vector=0):
    return server.ctl("trigger", index, vector).rc


def state(server, index, vector=0):
    return server.ctl("irq_state", index, vector).rc


def fires(server, index, vector, ev):
    """A trigger reaches the eventfd, once."""
    assert ev.count() == 0
    assert trigger(server, index, vector) == 0
    assert ev.count() == 1


# -- information ----------------------------------------------------------

@pytest.mark.parametrize("index", COUNTS)
def test_info(client, index):
    assert client.irq_info(index) == (16, FLAGS[index], index, COUNTS[index])


@pytest.mark.parametrize("index", [6, 7, 1 << 31, 0xffffffff])
def test_info_no_such_index(client, index):
    client.fails(errno.EINVAL, vu.IRQ_INFO, vu.p_irq_info(index))
    client.fails(errno.EINVAL, vu.SET_IRQS,
                 vu.p_set_irqs(index, 0, 0, NONE | TRIGGER))


# -- assign, trigger, de-assign -------------------------------------------

@pytest.mark.parametrize("index, vector", [
    (INTX, 0), (MSI, 0), (MSI, 7), (MSIX, 0), (MSIX, 63), (ERR, 0)])
def test_trigger(server, client, event, assigned, index, vector):
    assert trigger(server, index, vector) == -errno.ENOENT
    ev = assigned(index, vector)
    assert state(server, index, vector) == ENABLED
    fires(server, index, vector, ev)
    client.set_irqs(index, 0, 0, NONE | TRIGGER)
    assert trigger(server, index, vector) == -errno.ENOENT
    assert state(server, index, vector) & ENABLED == 0
    assert ev.count() == 0


@pytest.mark.parametrize("index, vector", [
    (INTX, 1), (MSI, 8), (MSIX, 64), (ERR, 1), (REQ, 0), (6, 0),
    (0xffffffff, 0), (MSIX, 0xffffffff)])
def test_trigger_no_such_interrupt(server, index, vector):
    assert trigger(server, index, vector) == -errno.EINVAL
    assert state(server, index, vector) == -errno.EINVAL


def test_ranges(server, client, event):
    """16 at a time, de-assigned in another grouping."""
    events = [event() for _ in range(64)]
    for start in range(0, 64, 16):
        client.set_irqs(MSIX, start, 16, EVENTFD | TRIGGER,
                        fds=[ev.fd for ev in events[start:start + 16]])
    for vector in 0, 15, 16, 31, 63:
        fires(server, MSIX, vector, events[vector])
    client.set_irqs(MSIX, 10, 20, EVENTFD | TRIGGER)  # no fd: de-assign
    on = [trigger(server, MSIX, v) == 0 for v in range(64)]
    assert on == [not 10 <= v < 30 for v in range(64)]
    assert [ev.count() for ev in events] == [int(o) for o in on]


def test_reassign(server, client, event):
    """A new eventfd takes over; the old one is closed."""
    first, second = event(), event()
    client.set_irqs(MSIX, 3, 1, EVENTFD | TRIGGER, fds=[first.fd])
    before = server.fds()
    for _ in range(10):
        client.set_irqs(MSIX, 3, 1, EVENTFD | TRIGGER, fds=[second.fd])
        client.set_irqs(MSIX, 3, 1, EVENTFD | TRIGGER, fds=[first.fd])
    client.set_irqs(MSIX, 3, 1, EVENTFD | TRIGGER, fds=[second.fd])
    server.wait_fds(before)
    fires(server, MSIX, 3, second)
    assert first.count() == 0


def test_deassign_start_not_0(server, client, event):
    """libvfio-user's loop bug: de-assign [4, 8) of MSI."""
    events = [event() for _ in range(8)]
    client.set_irqs(MSI, 0, 8, EVENTFD | TRIGGER, fds=[e.fd for e in events])
    client.set_irqs(MSI, 4, 4, EVENTFD | TRIGGER)
    assert [trigger(server, MSI, v) for v in range(8)] == \
        [0] * 4 + [-errno.ENOENT] * 4


def test_qemu_enable_sequence(server, client, event):
    """QEMU enables MSI-X with no fd at vector 0, then one at a time."""
    client.set_irqs(MSIX, 0, 1, EVENTFD | TRIGGER)
    for vector in range(5):
        ev = event()
        client.set_irqs(MSIX, vector, 1, EVENTFD | TRIGGER, fds=[ev.fd])
        fires(server, MSIX, vector, ev)
    client.set_irqs(MSIX, 0, 0, NONE | TRIGGER)
    assert trigger(server, MSIX, 2) == -errno.ENOENT


def test_disable_is_per_index(server, client, assigned):
    assigned(MSI, 1)
    msix = assigned(MSIX, 1)
    client.set_irqs(MSI, 0, 0, NONE | TRIGGER)
    fires(server, MSIX, 1, msix)
    assert trigger(server, MSI, 1) == -errno.ENOENT


def test_released_on_disconnect(server, event):
    conn, ev = server.client(), event()
    conn.set_irqs(MSIX, 0, 1, EVENTFD | TRIGGER, fds=[ev.fd])
    conn.set_irqs(MSIX, 0, 1, NONE | MASK)
    conn.close()
    server.wait_idle()
    assert trigger(server, MSIX, 0) == -errno.ENOENT
    assert ev.count() == 0
    server.client()
    assert state(server, MSIX, 0) == 0, "masks do not outlive a client"


def test_callback(server, client, event):
    server.ctl("log")
    client.set_irqs(MSIX, 4, 2, EVENTFD | TRIGGER, fds=[event().fd] * 2)
    assert "irq:2:4:2" in server.ctl("log").text


def test_full_eventfd(server, client, assigned):
    """A counter at its maximum must not block the server."""
    ev = assigned(MSIX, 0)
    os.eventfd_write(ev.fd, (1 << 64) - 2)
    assert trigger(server, MSIX, 0) == 0
    client.sync()
    assert ev.count() == (1 << 64) - 2
    fires(server, MSIX, 0, ev)


# -- bad requests: refused, and nothing changes ---------------------------

def bad_irqs(client, err, *args, fds=(), **kw):
    client.fails(err, vu.SET_IRQS, vu.p_set_irqs(*args, **kw), fds=fds)


@pytest.mark.parametrize("flags", [
    0, NONE, EVENTFD, TRIGGER, MASK | TRIGGER, NONE | BOOL | TRIGGER,
    NONE | EVENTFD | TRIGGER, BOOL | EVENTFD | TRIGGER,
    NONE | MASK | UNMASK, NONE | MASK | UNMASK | TRIGGER, 0x3f,
    NONE | TRIGGER | 0x40, NONE | TRIGGER | 1 << 31, 0xffffffff])
def test_bad_flags(client, flags):
    """Exactly one kind of data, exactly one action, nothing else."""
    bad_irqs(client, errno.EINVAL, MSIX, 0, 1, flags, b"\1")
    bad_irqs(client, errno.EINVAL, MSIX, 0, 0, flags)


RANGES = [
    (MSIX, 64, 1), (MSIX, 63, 2), (MSIX, 0, 65), (MSIX, 0xffffffff, 1),
    (MSIX, 0xffffffff, 2), (MSIX, 1, 0xffffffff), (MSIX, 0xfffffff0, 0x20),
    (MSIX, 0x80000000, 0x80000000), (MSIX, 0, 0xffffffff), (MSI, 8, 1),
    (INTX, 1, 1), (INTX, 0, 2), (ERR, 1, 1), (REQ, 0, 1), (OTHER, 2, 1)]


@pytest.mark.parametrize("index, start, count", RANGES)
@pytest.mark.parametrize("flags", [NONE | TRIGGER, BOOL | TRIGGER,
                                   EVENTFD | TRIGGER])
def test_bad_range(client, index, start, count, flags):
    data = b"\1" * min(count, 100) if flags & BOOL else b""
    bad_irqs(client, errno.EINVAL, index, start, count, flags, data)


@pytest.mark.parametrize("start, flags", [
    (0, BOOL | TRIGGER), (0, EVENTFD | TRIGGER), (0, NONE | MASK),
    (0, NONE | UNMASK), (1, NONE | TRIGGER), (64, NONE | TRIGGER),
    (0xffffffff, NONE | TRIGGER), (0, BOOL | MASK)])
def test_count_0(server, client, assigned, start, flags):
    """Only "disable all" has no range."""
    ev = assigned(MSIX, 0)
    bad_irqs(client, errno.EINVAL, MSIX, start, 0, flags)
    fires(server, MSIX, 0, ev)


@pytest.mark.parametrize("present, argsz", [
    (0, 20), (0, 24), (3, 23), (3, 24), (4, 20), (4, 23)])
@pytest.mark.parametrize("action", [TRIGGER, MASK, UNMASK])
def test_bool_data_missing(client, present, argsz, action):
    """count bytes must be there, and argsz must say so."""
    client.fails(errno.EINVAL, vu.SET_IRQS, vu.p_set_irqs(
        MSIX, 0, 4, BOOL | action, b"\1" * present, argsz=argsz))


@pytest.mark.parametrize("count, fds", [(2, 1), (1, 2), (16, 15), (4, 16)])
@pytest.mark.parametrize("action", [TRIGGER, MASK, UNMASK])
def test_fd_count(server, client, event, assigned, count, fds, action):
    """All or none."""
    ev = assigned(MSIX, 0)
    before = server.fds()
    bad_irqs(client, errno.EINVAL, MSIX, 0, count, EVENTFD | action,
             fds=[event().fd] * fds)
    server.wait_fds(before)
    fires(server, MSIX, 0, ev)


@pytest.mark.parametrize("where", [0, 1, 3])
@pytest.mark.parametrize("action", [TRIGGER, MASK, UNMASK])
def test_not_an_eventfd(server, client, event, memory, assigned, where,
                        action):
    """One of four is not: nothing is changed."""
    ev = assigned(MSIX, 0)
    fds = [event().fd for _ in range(4)]
    fds[where] = memory(4096).fd
    before = server.fds()
    bad_irqs(client, errno.EINVAL, MSIX, 0, 4, EVENTFD | action, fds=fds)
    server.wait_fds(before)
    fires(server, MSIX, 0, ev)
    assert trigger(server, MSIX, 1) == -errno.ENOENT


@pytest.mark.parametrize("index, flags, data, fds", [
    (ERR, NONE | MASK, b"", 0), (ERR, NONE | UNMASK, b"", 0),
    (ERR, BOOL | MASK, b"\1", 0), (ERR, EVENTFD | MASK, b"", 1),
    (OTHER, EVENTFD | TRIGGER, b"", 1), (OTHER, EVENTFD | TRIGGER, b"", 0)])
def test_not_supported(server, client, event, index, flags, data, fds):
    before = server.fds()
    bad_irqs(client, errno.ENOTTY, index, 0, 1, flags, data,
             fds=[event().fd] * fds)
    server.wait_fds(before)


def test_fds_without_eventfd_data(server, client, event):
    before = server.fds()
    for flags in NONE | TRIGGER, BOOL | TRIGGER:
        bad_irqs(client, errno.EINVAL, MSIX, 0, 1, flags, b"\1",
                 fds=[event().fd])
    server.wait_fds(before)


# -- triggered by the client ----------------------------------------------

def test_loopback_none(client, assigned):
    evs = [assigned(MSIX, v) for v in range(4)]
    client.set_irqs(MSIX, 1, 2, NONE | TRIGGER)
    assert [ev.count() for ev in evs] == [0, 1, 1, 0]


def test_loopback_bool(client, assigned):
    evs = [assigned(MSIX, v) for v in range(4)]
    client.set_irqs(MSIX, 0, 4, BOOL | TRIGGER, b"\1\0\0\xff")
    assert [ev.count() for ev in evs] == [1, 0, 0, 1]


def test_loopback_unassigned(client):
    client.set_irqs(MSIX, 0, 64, NONE | TRIGGER)
    client.set_irqs(ERR, 0, 1, NONE | TRIGGER)
    client.sync()


# -- mask and unmask ------------------------------------------------------

@pytest.mark.parametrize("index, vector", [(INTX, 0), (MSI, 3), (MSIX, 9)])
@pytest.mark.parametrize("data", [b"", b"\1"])
def test_mask(server, client, assigned, index, vector, data):
    """Held back while masked, delivered once at the unmask."""
    ev = assigned(index, vector)
    kind = BOOL if data else NONE
    client.set_irqs(index, vector, 1, kind | MASK, data)
    assert state(server, index, vector) == ENABLED | MASKED
    for _ in range(3):
        assert trigger(server, index, vector) == 0
    assert state(server, index, vector) == ENABLED | MASKED | PENDING
    assert ev.count() == 0
    client.set_irqs(index, vector, 1, kind | UNMASK, data)
    assert ev.count() == 1
    assert state(server, index, vector) & PENDING == 0


def test_mask_bool_selects(server, client, assigned):
    evs = [assigned(MSIX, v) for v in range(3)]
    client.set_irqs(MSIX, 0, 3, BOOL | MASK, b"\0\1\0")
    for v in range(3):
        trigger(server, MSIX, v)
    assert [ev.count() for ev in evs] == [1, 0, 1]
    client.set_irqs(MSIX, 0, 3, BOOL | UNMASK, b"\1\0\1")
    assert evs[1].count() == 0
    client.set_irqs(MSIX, 0, 3, BOOL | UNMASK, b"\0\1\0")
    assert evs[1].count() == 1


def test_unmask_without_pending(server, client, assigned):
    ev = assigned(MSIX, 0)
    client.set_irqs(MSIX, 0, 1, NONE | UNMASK)
    client.set_irqs(MSIX, 0, 1, NONE | MASK)
    client.set_irqs(MSIX, 0, 1, NONE | UNMASK)
    assert ev.count() == 0
    fires(server, MSIX, 0, ev)


def test_loopback_while_masked(client, assigned):
    ev = assigned(MSIX, 0)
    client.set_irqs(MSIX, 0, 1, NONE | MASK)
    client.set_irqs(MSIX, 0, 1, NONE | TRIGGER)
    assert ev.count() == 0
    client.set_irqs(MSIX, 0, 1, NONE | UNMASK)
    assert ev.count() == 1


@pytest.mark.parametrize("index", [MSI, MSIX])
def test_mask_event(client, event, assigned, index):
    """The client is told when the interrupt is masked, and unmasked."""
    assigned(index)
    masked, unmasked = event(), event()
    client.set_irqs(index, 0, 1, EVENTFD | MASK, fds=[masked.fd])
    client.set_irqs(index, 0, 1, EVENTFD | UNMASK, fds=[unmasked.fd])
    assert (masked.count(), unmasked.count()) == (0, 0)
    client.set_irqs(index, 0, 1, NONE | MASK)
    assert (masked.count(), unmasked.count()) == (1, 0)
    client.set_irqs(index, 0, 1, NONE | UNMASK)
    assert (masked.count(), unmasked.count()) == (0, 1)
    client.set_irqs(index, 0, 1, EVENTFD | MASK)  # de-assign
    client.set_irqs(index, 0, 1, EVENTFD | UNMASK)
    client.set_irqs(index, 0, 1, NONE | MASK)
    client.set_irqs(index, 0, 1, NONE | UNMASK)
    assert (masked.count(), unmasked.count()) == (0, 0)


def test_mask_event_of_intx(client, event, assigned):
    assigned(INTX)
    masked = event()
    client.set_irqs(INTX, 0, 1, EVENTFD | MASK, fds=[masked.fd])
    client.set_irqs(INTX, 0, 1, NONE | MASK)
    assert masked.count() == 1


# -- level-triggered INTx -------------------------------------------------

def level(server, asserted):
    assert server.ctl("level", INTX, 0, asserted).rc == 0


def test_intx_automask(server, client, assigned):
    """Asserted: delivered once and masked; again at unmask while asserted."""
    ev = assigned(INTX)
    level(server, 1)
    assert ev.count() == 1
    assert state(server, INTX) & (MASKED | ASSERTED) == MASKED | ASSERTED
    level(server, 1)
    assert ev.count() == 0
    client.set_irqs(INTX, 0, 1, NONE | UNMASK)
    assert ev.count() == 1
    level(server, 0)
    client.set_irqs(INTX, 0, 1, NONE | UNMASK)
    assert ev.count() == 0
    assert state(server, INTX) == ENABLED
    level(server, 1)
    assert ev.count() == 1


def test_intx_asserted_before_assign(server, client, event):
    """The eventfd comes while the level is already asserted."""
    level(server, 1)
    ev = event()
    client.set_irqs(INTX, 0, 1, EVENTFD | TRIGGER, fds=[ev.fd])
    client.set_irqs(INTX, 0, 1, NONE | UNMASK)
    harness.wait_for(lambda: ev.count() >= 1, what="level delivered")


def test_intx_masked(server, client, assigned):
    ev = assigned(INTX)
    client.set_irqs(INTX, 0, 1, NONE | MASK)
    level(server, 1)
    assert ev.count() == 0
    level(server, 0)
    client.set_irqs(INTX, 0, 1, NONE | UNMASK)
    assert ev.count() == 0, "no level, no interrupt"


def resample_client(client, event):
    """As QEMU with KVM resampling: mask, resample fd, unmask."""
    ev, resample = event(), event()
    client.set_irqs(INTX, 0, 1, EVENTFD | TRIGGER, fds=[ev.fd])
    client.set_irqs(INTX, 0, 1, NONE | MASK)
    client.set_irqs(INTX, 0, 1, EVENTFD | UNMASK, fds=[resample.fd])
    client.set_irqs(INTX, 0, 1, NONE | UNMASK)
    assert resample.count() == 0, "it is an input of the server"
    return ev, resample


def test_intx_resample(server, client, event):
    """The client signals the end of interrupt; still asserted: again."""
    ev, resample = resample_client(client, event)
    level(server, 1)
    assert ev.count() == 1
    for _ in range(3):
        resample.signal()
        harness.wait_for(lambda: ev.count() == 1, what="delivered again")
        assert state(server, INTX) & MASKED
    level(server, 0)
    resample.signal()
    harness.wait_for(lambda: state(server, INTX) == ENABLED, what="unmasked")
    assert ev.count() == 0
    level(server, 1)
    assert ev.count() == 1


def test_intx_resample_removed(server, client, event):
    ev, resample = resample_client(client, event)
    client.set_irqs(INTX, 0, 1, EVENTFD | UNMASK)
    level(server, 1)
    assert ev.count() == 1
    resample.signal()
    client.sync()
    time.sleep(0.02)
    client.sync()
    assert ev.count() == 0
    client.set_irqs(INTX, 0, 1, NONE | UNMASK)
    assert ev.count() == 1


def test_intx_resample_replaced(server, client, event):
    ev, first = resample_client(client, event)
    second = event()
    before = server.fds()
    client.set_irqs(INTX, 0, 1, EVENTFD | UNMASK, fds=[second.fd])
    server.wait_fds(before)
    level(server, 1)
    assert ev.count() == 1
    first.signal()
    client.sync()
    assert ev.count() == 0
    second.signal()
    harness.wait_for(lambda: ev.count() == 1, what="by the second")


def test_resample_gone_with_client(server, event):
    """A resample fd signalled after the client has left does no harm."""
    conn = server.client()
    _, resample = resample_client(conn, event)
    conn.close()
    server.wait_idle()
    resample.signal()
    server.client().sync()


# -- triggers from other threads (D16) ------------------------------------

def test_storm_while_changing(server, client, event, memory):
    """Assign and de-assign under fire; no stranger's file is written."""
    tag = server.ctl_start("storm", MSIX, 0, 300)
    mem = memory(4096)
    total = 0
    while not server.done(tag):
        ev = event()
        client.set_irqs(MSIX, 0, 1, EVENTFD | TRIGGER, fds=[ev.fd])
        client.dma_map(0, 4096, fd=mem.fd)  # fd numbers are reused
        client.set_irqs(MSIX, 0, 1, EVENTFD | TRIGGER)
        total += ev.count()
        # one write may have been under way when the eventfd was replaced
        assert ev.count() <= 1, "written after de-assign was answered"
        client.dma_unmap(0, 4096)
        client.set_irqs(MSIX, 0, 0, NONE | TRIGGER)
    assert server.result(tag).rc >= total > 0
    assert mem.read(4096) == vu.pattern(4096, 0)


def test_storm_while_masking(server, client, assigned):
    ev = assigned(MSIX, 0)
    tag = server.ctl_start("storm", MSIX, 0, 150)
    for _ in range(50):
        client.set_irqs(MSIX, 0, 1, NONE | MASK)
        client.set_irqs(MSIX, 0, 1, NONE | UNMASK)
    server.result(tag)
    ev.count()
    fires(server, MSIX, 0, ev)
