# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-user contributors
"""The client under test against a server that lies: region accesses."""

import errno
import struct

import pytest

import harness
import vfio_user_wire as vu
from lying_server import CAPS, ENOTCONN, EPROTO, ETIMEDOUT, Session


# -- region accesses ------------------------------------------------------

@pytest.mark.parametrize("count", [0, 1, 3])
def test_short_read(session, count):
    """The device did less: that many bytes."""
    data = b"abc"[:count]
    res = session.call(["read", 1, 8, 4], vu.REGION_READ,
                       vu.p_access(1, 8, count, data))
    assert res == (count, data.hex())


BAD_READS = {
    "count-more": vu.p_access(1, 8, 5, b"12345"),
    "count-huge": vu.p_access(1, 8, 0xffffffff, b"1234"),
    "data-less": vu.p_access(1, 8, 4, b"123"),
    "data-none": vu.p_access(1, 8, 4),
    "offset": vu.p_access(1, 9, 4, b"1234"),
    "region": vu.p_access(2, 8, 4, b"1234"),
}


@pytest.mark.parametrize("payload", BAD_READS.values(), ids=BAD_READS)
@pytest.mark.parametrize("how", ["read", "read_async"])
def test_bad_read_reply(session, payload, how):
    tag = session.start(how, 1, 8, 4)
    if how == "read_async":
        poll = session.start("poll", 30000, 1)
    session.conn.reply(session.expect(vu.REGION_READ), payload)
    assert session.result(tag).rc == EPROTO
    if how == "read_async":
        session.result(poll)
    session.alive()


@pytest.mark.parametrize("payload, rc", [
    (vu.p_access(1, 8, 2), 2), (vu.p_access(1, 8, 0), 0),
    (vu.p_access(1, 8, 5), EPROTO), (vu.p_access(1, 8, 0xffffffff), EPROTO),
    (vu.p_access(1, 0, 4), EPROTO), (vu.p_access(0, 8, 4), EPROTO)])
def test_write_reply(session, payload, rc):
    assert session.call(["write", 1, 8, "31323334"], vu.REGION_WRITE,
                        payload).rc == rc
    session.alive()


@pytest.mark.parametrize("server_xfer, pieces", [
    (4096, [4096, 4096, 1808]), (10000, [10000]), (9999, [9999, 1])])
def test_split(fake, driver, server_xfer, pieces):
    """Large accesses in pieces of the negotiated size."""
    sess = Session(fake, driver, dict(CAPS, max_data_xfer_size=server_xfer))
    data = vu.pattern(10000, 4)
    for op, cmd in ("read", vu.REGION_READ), ("write", vu.REGION_WRITE):
        arg = 10000 if op == "read" else "@10000:4"
        tag, off = sess.start(op, 1, 0x100, arg), 0
        for count in pieces:
            msg = sess.expect(cmd)
            assert msg.payload[:16] == vu.p_access(1, 0x100 + off, count)
            if op == "write":
                assert msg.payload[16:] == data[off:off + count]
            sess.conn.reply(msg, vu.p_access(
                1, 0x100 + off, count,
                data[off:off + count] if op == "read" else b""))
            off += count
        res = sess.result(tag)
        assert res.rc == 10000
        if op == "read":
            assert res.text == harness.data_text(data)


def test_split_stops_short(fake, driver):
    """A short piece ends the access."""
    sess = Session(fake, driver, dict(CAPS, max_data_xfer_size=4096))
    tag = sess.start("read", 1, 0, 8192)
    msg = sess.expect(vu.REGION_READ)
    sess.conn.reply(msg, vu.p_access(1, 0, 100, bytes(100)))
    try:  # pieces may be pipelined
        msg = sess.conn.recv_command(vu.REGION_READ, 0.05)
        sess.conn.reply(msg, vu.p_access(1, 4096, 4096, bytes(4096)))
    except vu.Silence:
        pass
    assert sess.result(tag).rc == 100
    sess.alive()


def test_async_any_order(session):
    """Replies may come in any order."""
    tags = [session.start("read_async", 1, i, 1) for i in range(8)]
    msgs = [session.expect(vu.REGION_READ) for _ in range(8)]
    assert len({m.id for m in msgs}) == 8
    for msg in reversed(msgs):
        offset = struct.unpack_from("=Q", msg.payload)[0]
        session.conn.reply(msg, vu.p_access(1, offset, 1,
                                            bytes([0x40 + offset])))
    assert session.drv.cmd("poll", 30000, 8).rc == 8
    assert [session.result(t).text for t in tags] == \
        [f"{0x40 + i:02x}" for i in range(8)]


def test_async_error_and_close(session):
    """Each completion is called once, at the latest by the end."""
    tags = [session.start("write_async", 1, i, "55") for i in range(4)]
    msgs = [session.expect(vu.REGION_WRITE) for _ in range(4)]
    session.conn.reply(msgs[1], err=errno.EIO)
    session.conn.close()
    session.drv.cmd("poll", 30000)
    assert [session.result(t).rc for t in tags] == \
        [ENOTCONN, -errno.EIO, ENOTCONN, ENOTCONN]


def test_async_destroyed(session):
    tags = [session.start("read_async", 1, i, 1) for i in range(3)]
    for _ in range(3):
        session.expect(vu.REGION_READ)
    assert session.drv.cmd("destroy").rc == 0
    assert [session.result(t).rc for t in tags] == [ENOTCONN] * 3


@pytest.mark.driver("--request-timeout", 300)
def test_async_timeout(fake, driver):
    """The poll fd wakes by itself for it."""
    sess = Session(fake, driver)
    tag = sess.start("read_async", 1, 0, 4)
    msg = sess.expect(vu.REGION_READ)
    driver.cmd("poll", 1000)
    assert sess.result(tag).rc == ETIMEDOUT
    sess.conn.reply(msg, vu.p_access(1, 0, 4, b"late"))
    sess.alive()


def test_posted(session):
    """Collected, sent together, without reply."""
    for i in range(5):
        assert session.drv.cmd("posted", 1, i, f"{i:02x}").rc == 0
    assert session.drv.cmd("flush").rc == 0
    for i in range(5):
        msg = session.conn.recv(1)
        assert msg.flags == vu.NO_REPLY and msg.cmd == vu.REGION_WRITE
        assert msg.payload == vu.p_access(1, i, 1, bytes([i]))
    assert session.drv.cmd("posted", 1, 9, "09").rc == 0
    tag = session.start("reset")  # the next request takes it along, before
    assert session.conn.recv(1).cmd == vu.REGION_WRITE
    session.conn.reply(session.expect(vu.RESET))
    assert session.result(tag).rc == 0


def test_posted_to_closed(session):
    session.conn.close()

    def flush():
        for _ in range(100):
            session.drv.cmd("posted", 1, 0, "00")
        return session.drv.cmd("flush").rc

    # a proxy may take some before it knows
    harness.wait_for(lambda: flush() == ENOTCONN, what="it fails")
    session.broken()


@pytest.mark.parametrize("done, rc", [(3, 3), (2, 2), (0, 0), (4, EPROTO),
                                      (vu.U64, EPROTO)])
def test_multi_reply(session, done, rc):
    assert session.call(["multi", 3, 1, 0, "6162"], vu.WRITE_MULTI,
                        struct.pack("=Q", done)).rc == rc
    session.alive()


def test_multi_request(session):
    tag = session.start("multi", 2, 1, 0x10, "616263")
    msg = session.expect(vu.WRITE_MULTI)
    assert msg.payload == vu.p_multi([(1, 0x10, b"abc"), (1, 0x13, b"abc")])
    session.conn.reply(msg, struct.pack("=Q", 2))
    assert session.result(tag).rc == 2


def test_multi_not_offered(fake, driver):
    """Single writes instead."""
    sess = Session(fake, driver, {"max_msg_fds": 8})
    tag = sess.start("multi", 3, 1, 0, "61")
    for i in range(3):
        msg = sess.expect(vu.REGION_WRITE)
        assert msg.payload == vu.p_access(1, i, 1, b"a")
        sess.conn.reply(msg, vu.p_access(1, i, 1))
    assert sess.result(tag).rc == 3
