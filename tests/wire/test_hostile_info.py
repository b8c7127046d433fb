# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-user contributors
"""The client under test against a server that lies: information."""

import errno
import os
import struct

import pytest

import vfio_user_wire as vu
from lying_server import (CAPPED, CAPS, EPROTO, MMAP, RW, Session, cap,
                          p_region, sparse, sparse_fds)


# -- device, region, interrupt information --------------------------------

@pytest.mark.parametrize("fields, want", [
    ((16, 3, 9, 5), 0), ((15, 3, 9, 5), EPROTO), ((0, 3, 9, 5), EPROTO),
    ((24, 3, 9, 5), 0), ((0xffffffff, 3, 9, 5), None),
    ((16, 3, 0xffffffff, 0xffffffff), None)])
def test_info_fields(session, fields, want):
    rc = session.call(["info"], vu.GET_INFO, struct.pack("=IIII", *fields)).rc
    assert rc in (0, EPROTO) if want is None else rc == want
    session.alive()


SPARSE2 = sparse([(0x1000, 0x1000), (0x3000, 0x1000)])
TYPE = cap(vu.CAP_TYPE, struct.pack("=II", 0x80001b36, 7))


def region_info(sess, index, *replies):
    """region_info with these (payload, fds), one for each request."""
    tag = sess.start("region_info", index)
    for payload, fds in replies:
        msg = sess.conn.recv_command(vu.REGION_INFO)
        sess.conn.reply(msg, payload, fds=fds)
    return sess.result(tag)


@pytest.mark.parametrize("caps, offset", [
    (SPARSE2, 32), (TYPE, 32), (cap(vu.CAP_TYPE, bytes(8), 48) + SPARSE2, 32),
    (bytes(8) + TYPE, 40), (bytes(3) + SPARSE2, 35),
    (cap(0x1234, bytes(4), 44) + TYPE, 32), (cap(0x1234), 32)],
    ids=["sparse", "type", "both", "gap", "unaligned", "unknown", "bare"])
def test_caps_good(session, memory, caps, offset):
    """Two steps: the size needed, then all of it with the fd."""
    fd = memory(0x4000).fd
    need = 32 + len(caps)
    flags = MMAP | vu.REGION_CAPS
    first = p_region(2, MMAP, argsz=need)
    full = p_region(2, flags, cap_offset=offset, caps=caps)
    res = region_info(session, 2, (first, []), (full, [fd]))
    assert res.rc == 0
    words = res.text.split()
    assert words[:7] == [str(need), str(flags), "2", str(offset),
                         str(0x4000), "0", "1"]
    assert words[7] == caps.hex()
    session.alive()


@pytest.mark.parametrize("change", [
    dict(argsz=0), dict(argsz=31), dict(index=3), dict(index=0xffffffff)])
def test_region_info_bad_fields(session, change):
    fields = dict(index=2, **change) if "index" not in change else change
    rc = region_info(session, 2, (p_region(**fields), [])).rc
    assert rc == EPROTO
    session.alive()


@pytest.mark.parametrize("argsz", [0x10001, 1 << 20, 1 << 31, 0xffffffff])
def test_argsz_too_large(session, argsz):
    """No server may make the client ask for that much."""
    assert region_info(session, 2, (p_region(2, CAPPED, argsz=argsz,
                                             cap_offset=32), [])).rc == EPROTO
    session.alive()


def test_argsz_grows(session):
    """Always a little more: it ends at some point."""
    tag = session.start("region_info", 2)
    asked = 0
    while not session.drv.done(tag):
        try:
            msg = session.conn.recv_command(vu.REGION_INFO, 0.05)
        except vu.Silence:
            continue
        asked += 1
        assert asked < 20, "does not give up"
        argsz = struct.unpack_from("=I", msg.payload)[0]
        session.conn.reply(msg, p_region(2, CAPPED, argsz=argsz + 16,
                                         cap_offset=32,
                                         caps=bytes(argsz - 32)))
    assert session.result(tag).rc == EPROTO
    session.alive()


def test_argsz_shrinks(session, memory):
    """The second reply needs less than the first had said."""
    full = p_region(2, CAPPED, cap_offset=32, caps=TYPE)
    res = region_info(session, 2, (p_region(2, RW, argsz=500), []),
                      (full, []))
    assert res.rc == 0 and res.text.split()[0] == str(len(full))


def truncated(caps, cut):
    return caps[:len(caps) - cut]


BAD_CAPS = {
    "offset-31": (TYPE, 31),
    "offset-1": (TYPE, 1),
    "offset-end": (TYPE, 48),
    "offset-last": (TYPE, 41),
    "offset-outside": (TYPE, 4096),
    "offset-max": (TYPE, 0xffffffff),
    "offset-wrap": (TYPE, 0xfffffff8),
    "self-loop": (cap(vu.CAP_TYPE, bytes(8), 32), 32),
    "loop": (cap(vu.CAP_TYPE, bytes(8), 48) + cap(9, bytes(8), 32), 32),
    "next-1": (cap(vu.CAP_TYPE, bytes(8), 1), 32),
    "next-outside": (cap(vu.CAP_TYPE, bytes(8), 4000), 32),
    "next-max": (cap(vu.CAP_TYPE, bytes(8), 0xffffffff), 32),
    "next-end": (cap(vu.CAP_TYPE, bytes(8), 48), 32),
    "next-inside-header": (cap(vu.CAP_TYPE, bytes(8), 44), 32),
    "type-short": (cap(vu.CAP_TYPE, bytes(4)), 32),
    "type-empty": (cap(vu.CAP_TYPE), 32),
    "sparse-no-count": (cap(vu.CAP_SPARSE), 32),
    "sparse-half": (truncated(SPARSE2, 1), 32),
    "sparse-area-missing": (truncated(SPARSE2, 16), 32),
    "sparse-nr": (sparse([(0, 0x1000)], nr=2), 32),
    "sparse-nr-huge": (sparse([(0, 0x1000)], nr=0xffffffff), 32),
    "sparse-nr-wrap": (sparse([(0, 0x1000)], nr=1 << 28), 32),
    "sparse-nr-wrap-1": (sparse([(0, 0x1000)], nr=(1 << 28) + 1), 32),
    "area-outside": (sparse([(0x4000, 0x1000)]), 32),
    "area-across": (sparse([(0x3000, 0x2000)]), 32),
    "area-wrap": (sparse([(vu.U64 - 0xfff, 0x2000)]), 32),
    "area-max": (sparse([(0, vu.U64)]), 32),
    "areas-overlap": (sparse([(0, 0x2000), (0x1000, 0x1000)]), 32),
    "areas-same": (sparse([(0, 0x1000), (0, 0x1000)]), 32),
    "fds-short": (truncated(sparse_fds([(0, 0, 0x1000, 0)]), 4), 32),
    "fds-nr": (sparse_fds([(0, 0, 0x1000, 0)], nr=3), 32),
    "fds-nr-huge": (sparse_fds([(0, 0, 0x1000, 0)], nr=0xffffffff), 32),
    "fds-index": (sparse_fds([(0, 0, 0x1000, 1)]), 32),
    "fds-index-max": (sparse_fds([(0, 0, 0x1000, 0xffffffff)]), 32),
    "fds-empty-area": (sparse_fds([(0, 0, 0, 0)]), 32),
    "fds-outside": (sparse_fds([(0x4000, 0, 0x1000, 0)]), 32),
    "fds-overlap": (sparse_fds([(0, 0, 0x2000, 0), (0x1000, 0, 0x1000, 0)]),
                    32),
    "fds-offset-wrap": (sparse_fds([(0, vu.U64 - 0xfff, 0x2000, 0)]), 32),
}


def capped_replies(caps, offset, fd):
    need = 32 + len(caps)
    flags = MMAP | vu.REGION_CAPS
    return ((p_region(2, MMAP, argsz=need), []),
            (p_region(2, flags, cap_offset=offset, caps=caps), [fd]))


@pytest.mark.parametrize("caps, offset", BAD_CAPS.values(), ids=BAD_CAPS)
@pytest.mark.parametrize("what", ["region_info", "mmap"])
def test_bad_caps(fake, driver, memory, caps, offset, what):
    """Every kind of malformed chain and area."""
    sess = Session(fake, driver, dict(CAPS, sparse_mmap_fds=True))
    fd = memory(0x4000).fd
    before = driver.fds()
    tag = sess.start(what, 2)
    for payload, fds in capped_replies(caps, offset, fd):
        sess.conn.reply(sess.conn.recv_command(vu.REGION_INFO), payload,
                        fds=fds)
    assert sess.result(tag).rc == EPROTO
    driver.wait_fds(before)
    sess.alive()


def test_caps_flag_without_caps(session):
    """FLAG_CAPS, but no room for any."""
    rc = region_info(session, 2, (p_region(2, CAPPED, cap_offset=32), [])).rc
    assert rc == EPROTO
    session.alive()


def test_caps_flag_with_empty_chain(session):
    """An offset of 0 ends the chain, also at its start."""
    rc = region_info(session, 2, (p_region(2, CAPPED), [])).rc
    assert rc in (0, EPROTO)
    session.alive()


def test_payload_less_than_argsz(session):
    """The reply says it is complete, and is not."""
    full = p_region(2, CAPPED, cap_offset=32, caps=TYPE + SPARSE2)
    rc = region_info(session, 2, (p_region(2, RW, argsz=len(full)), []),
                     (full[:40], [])).rc
    assert rc == EPROTO
    session.alive()


# -- mmap of regions ------------------------------------------------------

def mmap_region(sess, index, *replies):
    tag = sess.start("mmap", index)
    for payload, fds in replies:
        msg = sess.conn.recv_command(vu.REGION_INFO)
        sess.conn.reply(msg, payload, fds=fds)
    return sess.result(tag).rc


def test_mmap_whole(session, memory):
    mem = memory(0x4000, 3)
    assert mmap_region(session, 2, (p_region(2, MMAP), [mem.fd])) == 0
    assert session.drv.cmd("va", 2, 0x3ff0, 16).text == \
        mem.read(16, 0x3ff0).hex()
    assert session.drv.cmd("va", 2, 0x3ff0, 17).rc == -errno.EFAULT
    assert session.drv.cmd("mmap", 2).rc == 0  # again: the same
    session.alive()


def test_mmap_areas(session, memory):
    mem = memory(0x8000, 3)
    need = 32 + len(SPARSE2)
    assert mmap_region(
        session, 2, (p_region(2, MMAP, argsz=need, offset=0x4000), []),
        (p_region(2, MMAP | vu.REGION_CAPS, cap_offset=32, caps=SPARSE2,
                  offset=0x4000), [mem.fd])) == 0
    va = lambda *args: session.drv.cmd("va", 2, *args)
    assert va(0x1000, 16).text == mem.read(16, 0x5000).hex()
    assert va(0x3fff, 1).text == mem.read(1, 0x7fff).hex()
    for offset, length in ((0, 1), (0xfff, 2), (0x1fff, 2), (0x2000, 1),
                           (0x1000, 0x3000), (0x4000, 1), (vu.U64, 1),
                           (0x1000, vu.U64)):
        assert va(offset, length).rc == -errno.EFAULT


def test_mmap_several_files(fake, driver, memory):
    sess = Session(fake, driver, dict(CAPS, sparse_mmap_fds=True))
    a, b = memory(0x2000, 1), memory(0x3000, 2)
    caps = sparse_fds([(0, 0x1000, 0x1000, 0), (0x1000, 0, 0x1000, 1),
                       (0x3000, 0x2000, 0x1000, 1)])
    assert mmap_region(
        sess, 4, (p_region(4, MMAP, argsz=32 + len(caps)), []),
        (p_region(4, MMAP | vu.REGION_CAPS, cap_offset=32, caps=caps),
         [a.fd, b.fd])) == 0
    for offset, mem, start in (0, a, 0x1000), (0x1000, b, 0), (0x3000, b,
                                                               0x2000):
        assert driver.cmd("va", 4, offset, 8).text == \
            mem.read(8, start).hex()


@pytest.mark.driver("--sigbus")
@pytest.mark.parametrize("write", [[], ["ff"]], ids=["read", "write"])
def test_mmap_truncated(session, memory, write):
    """The access goes on, the connection is lost, the process lives."""
    mem = memory(0x4000, 3)
    assert mmap_region(session, 2, (p_region(2, MMAP), [mem.fd])) == 0
    os.truncate(mem.fd, 0x1000)
    assert session.drv.cmd("va", 2, 0xff0, 16).text == \
        mem.read(16, 0xff0).hex()
    session.alive()
    assert session.drv.cmd("va", 2, 0x3000, 1, *write).text == \
        (write or ["00"])[0]
    session.broken()
    session.conn.recv_command(vu.GET_INFO)  # sent before it was noticed
    session.conn.assert_closed()
    assert "truncated" in session.drv.log()
    assert session.drv.cmd("va", 2, 0, 1).text == "00"


@pytest.mark.driver("--require-seals")
def test_mmap_seals(session, memory):
    mem = memory(0x4000, 3)
    before = session.drv.fds()
    for _ in range(2):
        assert mmap_region(session, 2, (p_region(2, MMAP), [mem.fd])) == \
            -errno.EPERM
    session.drv.wait_fds(before)
    mem.seal()
    assert mmap_region(session, 2, (p_region(2, MMAP), [mem.fd])) == 0
    session.alive()


@pytest.mark.parametrize("flags", [RW, 0])
def test_mmap_not_mappable(session, flags):
    assert mmap_region(session, 2, (p_region(2, flags), [])) == -errno.ENOTSUP
    session.alive()


def test_mmap_without_fd(session):
    """FLAG_MMAP, and no fd with it."""
    assert mmap_region(session, 2, (p_region(2, MMAP), [])) == EPROTO
    session.alive()


@pytest.mark.parametrize("size", [0, 1, vu.U64, 1 << 63, 1 << 62])
def test_mmap_size(session, memory, size):
    """Sizes that no mapping can have."""
    before = session.drv.fds()
    rc = mmap_region(session, 2, (p_region(2, MMAP, size=size),
                                  [memory(0x4000).fd]))
    assert rc < 0 or size == 1
    session.alive()
    if rc < 0:
        session.drv.wait_fds(before)


@pytest.mark.parametrize("offset", [1, 0x800, vu.U64, 1 << 63])
def test_mmap_offset(session, memory, offset):
    before = session.drv.fds()
    rc = mmap_region(session, 2, (p_region(2, MMAP, offset=offset),
                                  [memory(0x4000).fd]))
    assert rc < 0
    session.alive()
    session.drv.wait_fds(before)


def test_mmap_not_mappable_fd(session, event):
    before = session.drv.fds()
    rc = mmap_region(session, 2, (p_region(2, MMAP), [event().fd]))
    assert rc == -errno.ENODEV
    session.alive()
    session.drv.wait_fds(before)


def test_mmap_file_too_small(session, memory):
    """Touching it would be a SIGBUS: refused, or not touched here."""
    before = session.drv.fds()
    rc = mmap_region(session, 2, (p_region(2, MMAP), [memory(0x1000).fd]))
    assert rc in (0, EPROTO, -errno.EINVAL)
    session.alive()
    if rc:
        session.drv.wait_fds(before)


def test_mmap_too_many_fds(session, event, memory):
    """fds beyond what the capability uses are closed."""
    fds = [memory(0x4000).fd] + [event().fd] * 15
    before = session.drv.fds()
    rc = mmap_region(session, 2, (p_region(2, MMAP), fds))
    assert rc in (0, EPROTO)
    assert session.drv.fds() <= before + 1
    session.alive()


# -- interrupts -----------------------------------------------------------

@pytest.mark.parametrize("fields", [
    (15, 7, 2, 64), (0, 7, 2, 64), (16, 7, 3, 64), (16, 7, 0xffffffff, 64)])
def test_irq_info_bad(session, fields):
    assert session.call(["irq_info", 2], vu.IRQ_INFO,
                        struct.pack("=IIII", *fields)).rc == EPROTO
    session.alive()


@pytest.mark.parametrize("server_fds, chunks", [
    (16, [16, 16, 8]), (1, [1] * 40), (64, [40]), (7, [7] * 5 + [5])])
def test_assign_in_chunks(fake, driver, server_fds, chunks):
    """No more fds in a message than the server takes."""
    sess = Session(fake, driver, dict(CAPS, max_msg_fds=server_fds))
    tag = sess.start("irq_assign", 2, 0, "e40")
    start = 0
    for count in chunks:
        msg = sess.expect(vu.SET_IRQS)
        got = struct.unpack_from("=IIIII", msg.payload)
        assert got == (20, vu.EVENTFD | vu.TRIGGER, 2, start, count)
        assert len(msg.fds) == count
        start += count
        sess.conn.reply(msg)
    assert sess.result(tag).rc == 0


def test_assign_with_holes(session):
    """-1 de-assigns: each message has all fds or none."""
    tag = session.start("irq_assign", 2, 4, "e", "e", "-", "-", "-", "e")
    wanted = [(4, 2, 2), (6, 3, 0), (9, 1, 1)]
    for start, count, fds in wanted:
        msg = session.expect(vu.SET_IRQS)
        got = struct.unpack_from("=IIIII", msg.payload)
        assert got[2:] == (2, start, count) and len(msg.fds) == fds
        session.conn.reply(msg)
    assert session.result(tag).rc == 0


# -- io fds ---------------------------------------------------------------

def p_io(entries, index=0, count=None, argsz=None, flags=0):
    """entries: (offset, size, fd_index, type, flags, datamatch)."""
    body = b"".join(struct.pack("=QQIIIIQ", *e[:5], 0, e[5]) for e in entries)
    count = len(entries) if count is None else count
    argsz = 16 + 40 * count if argsz is None else argsz
    return struct.pack("=IIII", argsz & 0xffffffff, flags, index, count) + body


ONE = (0x10, 4, 0, 0, 0, 0)


def io_fds(sess, payload, fds, room=None):
    """io_fds, answering every request of it the same way."""
    tag = sess.start("io_fds", 0, *([] if room is None else [room]))
    asked = 0
    while not sess.drv.done(tag):
        try:
            msg = sess.conn.recv_command(timeout=0.02)
        except vu.Silence:
            continue
        asked += 1
        assert asked < 20, "does not give up"
        if msg.cmd == vu.REGION_INFO:
            sess.conn.reply(msg, p_region(0))
            continue
        assert msg.cmd == vu.REGION_IO_FDS
        argsz = struct.unpack_from("=I", msg.payload)[0]
        if argsz < len(payload):
            sess.conn.reply(msg, struct.pack("=IIII", len(payload), 0, 0, 0))
        else:
            sess.conn.reply(msg, payload, fds=fds)
    return sess.result(tag)


def test_io_fds_good(session, event):
    entries = [ONE, (0x20, 8, 0, 0, 1, 0x99), (0x30, 0, 1, 0, 0, 0)]
    res = io_fds(session, p_io(entries), [event().fd, event().fd])
    assert res == (0, "3 2 16:4:0:0:0:0 32:8:0:0:1:153 48:0:1:0:0:0")
    session.alive()


BAD_IO = {
    "count": p_io([ONE], count=2, argsz=56),
    "count-argsz": p_io([ONE], count=2),
    "count-huge": p_io([ONE], count=0xffffffff, argsz=56),
    "count-wrap": p_io([ONE], count=0x66666667, argsz=56),
    "argsz-small": p_io([ONE], argsz=15),
    "argsz-0": p_io([ONE], argsz=0),
    "index": p_io([ONE], index=1),
    "fd-index": p_io([(0x10, 4, 1, 0, 0, 0)]),
    "fd-index-max": p_io([(0x10, 4, 0xffffffff, 0, 0, 0)]),
    "type": p_io([(0x10, 4, 0, 2, 0, 0)]),
    "offset": p_io([(0x4000, 4, 0, 0, 0, 0)]),
    "across": p_io([(0x3ffe, 4, 0, 0, 0, 0)]),
    "wrap": p_io([(vu.U64, 4, 0, 0, 0, 0)]),
    "size": p_io([(0, vu.U64, 0, 0, 0, 0)]),
    "half": p_io([ONE, ONE])[:-1],
}


@pytest.mark.parametrize("payload", BAD_IO.values(), ids=BAD_IO)
def test_io_fds_bad(session, event, payload):
    before = session.drv.fds()
    assert io_fds(session, payload, [event().fd]).rc == EPROTO
    session.drv.wait_fds(before)
    session.alive()


def test_io_fds_without_fds(session):
    assert io_fds(session, p_io([ONE]), []).rc == EPROTO
    session.alive()


def test_io_fds_no_room(session, event):
    """More fds than the caller's array takes: all closed."""
    before = session.drv.fds()
    entries = [(0x10 * i, 4, i, 0, 0, 0) for i in range(4)]
    fds = [event().fd for _ in range(4)]
    assert io_fds(session, p_io(entries), fds, 3).rc == -errno.ENOSPC
    session.drv.wait_fds(before)
    assert io_fds(session, p_io(entries), fds, 4).rc == 0
