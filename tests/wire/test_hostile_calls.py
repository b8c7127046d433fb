# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-user contributors
"""The client under test against a server that lies: every call."""

import errno
import random
import struct

import pytest

import vfio_user_wire as vu
from lying_server import (CALLS, ENOTCONN, EPROTO, ETIMEDOUT, Session, every,
                          run)


@every
def test_good(session, call):
    assert run(session, call) == call.rc
    session.alive()


@every
def test_request_wellformed(session, call):
    """Flags, id and argsz of what our client sends."""
    tag = session.start(*call.words)
    msg = session.expect(call.cmd)
    assert msg.flags == 0 and msg.error == 0
    if call.cmd in (vu.GET_INFO, vu.REGION_INFO, vu.REGION_IO_FDS,
                    vu.IRQ_INFO, vu.SET_IRQS, vu.DMA_MAP, vu.DMA_UNMAP):
        argsz = struct.unpack_from("=I", msg.payload)[0]
        assert argsz >= len(msg.payload) - 4 and argsz >= 16
    assert len(msg.fds) == (call.cmd == vu.DMA_MAP or
                            call.words[0] == "irq_assign")
    session.conn.reply(msg, call.reply)
    assert session.result(tag).rc == call.rc


@every
@pytest.mark.parametrize("err, want", [
    (errno.EPERM, -errno.EPERM), (errno.ENOSPC, -errno.ENOSPC),
    (4095, -4095), (0, -errno.EIO)])
@pytest.mark.parametrize("payload", [b"", b"x", bytes(16), bytes(500)],
                         ids=[0, 1, 16, 500])
def test_error_reply(session, call, err, want, payload):
    """Its errno, whatever payload comes along."""
    assert run(session, call, payload, err=err) == want
    session.alive()


@every
@pytest.mark.parametrize("err", [4096, 1 << 31, 0xffffffff])
def test_error_reply_out_of_range(session, call, err):
    assert -4095 <= run(session, call, b"", err=err) < 0
    session.alive()


@every
def test_short_reply(session, call):
    """Any length below the reply's structure: malformed."""
    for length in range(0, call.minimum, 5):
        assert run(session, call, call.reply[:length]) == EPROTO
    session.alive()


@every
def test_long_reply(session, call):
    """More than asked for: tolerated or malformed, but read to its end."""
    assert run(session, call, call.reply + bytes(3000)) in (call.rc, EPROTO)
    session.alive()


@every
@pytest.mark.parametrize("count", [1, 16, 17, 253])
def test_reply_with_fds(session, event, call, count):
    """fds nobody asked for are closed."""
    before = session.drv.fds()
    rc = run(session, call, fds=[event().fd] * count)
    assert rc in (call.rc, EPROTO, -errno.ENOSPC)
    session.alive()
    local = {"irq_assign": 1, "dma_map": 1}.get(call.words[0], 0)
    session.drv.wait_fds(before + local)


@every
def test_reply_wrong_command(session, call):
    """The id of one command, the number of another."""
    tag = session.start(*call.words)
    msg = session.expect(call.cmd)
    session.conn.reply(msg, bytes(64), cmd=vu.VERSION)
    session.conn.reply(msg, call.reply)  # at latest
    assert session.result(tag).rc in (EPROTO, call.rc)
    session.alive()


@every
def test_stray_replies(session, call):
    """Unknown ids, before and after."""
    tag = session.start(*call.words)
    msg = session.expect(call.cmd)
    for other in range(1, 300, 7):
        session.conn.reply(msg, b"?" * other, mid=(msg.id + other) & 0xffff)
    session.conn.reply(msg, call.reply)
    session.conn.reply(msg, call.reply)
    assert session.result(tag).rc == call.rc
    session.alive()


@every
def test_reply_in_pieces(session, call):
    tag = session.start(*call.words)
    msg = session.expect(call.cmd)
    for byte in vu.message(call.cmd, call.reply, mid=msg.id, flags=vu.REPLY):
        session.conn.send_raw(bytes([byte]))
    assert session.result(tag).rc == call.rc


@every
@pytest.mark.parametrize("raw", [
    vu.header(0, 4, 15, vu.REPLY), vu.header(0, 4, 0, vu.REPLY),
    vu.header(0, 4, vu.XFER + 4097, vu.REPLY),
    vu.header(0, 4, 0xffffffff, vu.REPLY), vu.header(0, 4, 16, 2)],
    ids=["size-15", "size-0", "size-large", "size-max", "type"])
def test_broken_framing(session, call, raw):
    """The stream cannot be trusted any more."""
    tag = session.start(*call.words)
    session.expect(call.cmd)
    session.conn.send_raw(raw)
    assert session.result(tag).rc in (EPROTO, ENOTCONN)
    session.broken()


@every
def test_closed_while_waiting(session, call):
    tag = session.start(*call.words)
    session.expect(call.cmd)
    session.conn.close()
    assert session.result(tag).rc == ENOTCONN
    session.broken()


@every
def test_closed_before(session, call):
    session.conn.close()
    assert session.drv.cmd(*call.words).rc == ENOTCONN
    session.broken()


@every
def test_half_reply_then_closed(session, call):
    tag = session.start(*call.words)
    msg = session.expect(call.cmd)
    session.conn.send_raw(vu.message(call.cmd, call.reply + b"x", mid=msg.id,
                                     flags=vu.REPLY)[:-1])
    session.conn.close()
    assert session.result(tag).rc in (ENOTCONN, EPROTO)
    session.broken()


@every
@pytest.mark.driver("--request-timeout", 300)
def test_silence(fake, driver, call):
    """-ETIMEDOUT; the late reply is ignored, the connection goes on."""
    sess = Session(fake, driver)
    tag = sess.start(*call.words)
    msg = sess.expect(call.cmd)
    assert sess.result(tag).rc == ETIMEDOUT
    sess.conn.reply(msg, call.reply)
    while call.words[0] == "dma_map":  # it may be undone
        try:
            undo = sess.conn.recv_command(vu.DMA_UNMAP, 0.05)
        except vu.Silence:
            break
        sess.conn.reply(undo, undo.payload)
    sess.alive()


def test_threads(session):
    """Several threads wait at the same time; replies in any order."""
    tags = [session.start("&", "read", 1, i, 1) for i in range(6)]
    msgs = [session.expect(vu.REGION_READ) for _ in range(6)]
    for msg in msgs[::-1]:
        offset = struct.unpack_from("=Q", msg.payload)[0]
        session.conn.reply(msg, vu.p_access(1, offset, 1, bytes([offset])))
    assert [session.result(t).text for t in tags] == \
        [f"{i:02x}" for i in range(6)]
    session.alive()


def test_threads_all_fail_on_close(session):
    tags = [session.start("&", "read", 1, i, 1) for i in range(6)]
    for _ in range(6):
        session.expect(vu.REGION_READ)
    session.conn.close()
    assert [session.result(t).rc for t in tags] == [ENOTCONN] * 6


def test_random_replies(fake, make_driver):
    """Noise as reply to each call; no crash, no hang, no leak."""
    rnd = random.Random(7)
    drv = make_driver(fake.path, "--request-timeout", 50)
    for _ in range(15):
        sess = Session(fake, drv)
        for call in CALLS.values():
            tag = sess.start(*call.words)
            while not drv.done(tag):
                try:
                    msg = sess.conn.recv_command(timeout=0.005)
                except vu.Silence:
                    continue
                except vu.Closed:
                    break
                body = bytearray(rnd.randbytes(rnd.randrange(0, 120)))
                if rnd.random() < 0.7:
                    good = call.reply + bytes(64)
                    body = bytearray(good[:rnd.randrange(0, len(good))])
                    for _ in range(rnd.randrange(4)):
                        if body:
                            body[rnd.randrange(len(body))] = rnd.randrange(256)
                sess.conn.reply(msg, bytes(body),
                                err=rnd.choice([None] * 5 + [0, 22, 1 << 20]))
            drv.result(tag)
        drv.cmd("destroy")
        sess.conn.close()
        drv.wait_fds(drv.baseline)
