# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-user contributors
"""The client under test against a server that lies: DMA."""

import errno
import socket
import struct
import time

import pytest

import harness
import vfio_user_wire as vu
from lying_server import CAPS, ENOTCONN, EPROTO, Session


# -- DMA map and unmap ----------------------------------------------------

def dma_map(sess, *words):
    """Map, all answered well; the requests."""
    tag = sess.start("dma_map", *words)
    msgs = []
    for _ in range(len(words) // 4):
        msgs.append(sess.expect(vu.DMA_MAP))
        sess.conn.reply(msgs[-1])
    assert sess.result(tag).rc == 0
    return msgs


def test_map_requests(session):
    msgs = dma_map(session, 0x1000, 4096, 3, "memfd", 0x8000, 8192, 1, "mem",
                   0x10000, 4096, 2, "file", 0x20000, 4096, 3, "none")
    want = [(0x1000, 4096, 3, 1), (0x8000, 8192, 1, 0),
            (0x10000, 4096, 2 | vu.MAP_FILE, 1), (0x20000, 4096, 3, 0)]
    for msg, (addr, size, flags, fds) in zip(msgs, want):
        argsz, got, offset, iova, length = struct.unpack("=IIQQQ", msg.payload)
        assert (argsz, got & ~vu.MAP_MMAP, offset) == (32, flags, 0)
        assert (iova, length, len(msg.fds)) == (addr, size, fds)


def test_map_all_or_none(session):
    """The second fails: the others are taken back."""
    tag = session.start("dma_map", 0x1000, 4096, 3, "mem", 0x2000, 4096, 3,
                        "mem", 0x3000, 4096, 3, "mem")
    mapped, undone = set(), set()
    while not session.drv.done(tag):
        try:
            msg = session.conn.recv_command(timeout=0.02)
        except vu.Silence:
            continue
        if msg.cmd == vu.DMA_MAP:
            addr = struct.unpack_from("=Q", msg.payload, 16)[0]
            bad = addr == 0x2000
            session.conn.reply(msg, err=errno.ENOSPC if bad else None)
            if not bad:
                mapped.add(addr)
        else:
            assert msg.cmd == vu.DMA_UNMAP
            undone.add(struct.unpack_from("=Q", msg.payload, 8)[0])
            session.conn.reply(msg, msg.payload)
    assert session.result(tag).rc == -errno.ENOSPC
    assert undone == mapped
    session.alive()


@pytest.mark.parametrize("words", [
    (0x1000, 0, 3, "none"), (vu.U64, 2, 3, "none"), (0x1000, 4096, 0, "none")])
def test_map_refused_locally(session, words):
    assert session.drv.cmd("dma_map", *words).rc == -errno.EINVAL
    session.alive()


def test_map_overlap_refused(session):
    dma_map(session, 0x1000, 4096, 3, "mem")
    tag = session.start("dma_map", 0x1800, 4096, 3, "none")
    if not session.drv.done(tag, 0.05):  # or left to the server
        session.conn.reply(session.expect(vu.DMA_MAP), err=errno.EEXIST)
    assert session.result(tag).rc == -errno.EEXIST


def test_map_limit(fake, driver):
    sess = Session(fake, driver, dict(CAPS, max_dma_maps=1))
    dma_map(sess, 0x1000, 4096, 3, "mem")
    tag = sess.start("dma_map", 0x8000, 4096, 3, "none")
    if not driver.done(tag, 0.05):
        sess.conn.reply(sess.expect(vu.DMA_MAP), err=errno.ENOSPC)
    assert sess.result(tag).rc == -errno.ENOSPC


@pytest.mark.parametrize("payload, rcs", [
    (vu.p_dma_unmap(0x1000, 4096), (0,)), (b"", (0, EPROTO)),
    (bytes(24), (0, EPROTO)), (vu.p_dma_unmap(0x1000, 8192), (0, EPROTO))])
def test_unmap_reply(session, payload, rcs):
    dma_map(session, 0x1000, 4096, 3, "mem")
    assert session.call(["dma_unmap", 0x1000, 4096], vu.DMA_UNMAP,
                        payload).rc in rcs
    session.alive()


# -- requests of the server -----------------------------------------------

@pytest.fixture(params=["main", "twin"])
def link(request, fake, driver):
    """A session with memory mapped; .ask() sends a request."""
    sess = Session(fake, driver, twin=request.param == "twin")
    sess.link = sess.twin or sess.conn
    dma_map(sess, 0x1000, 0x1000, 3, "mem", 0x2000, 0x1000, 3, "mem",
            0x4000, 0x1000, 1, "mem", 0x5000, 0x1000, 2, "mem",
            0x6000, 0x1000, 3, "none", 0x100000, 0x200000, 3, "mem")
    assert driver.cmd("mem", 0x1000, 0x1000, "@4096:7").rc == 0
    return sess


def ask(sess, cmd, payload, poll=(30000, 1), **kw):
    """A request of the server, served by poll(); the reply."""
    tag = sess.start("poll", *poll)
    reply = sess.link.call(cmd, payload, **kw)
    sess.result(tag)
    return reply


@pytest.mark.parametrize("addr, count", [
    (0x1000, 1), (0x1000, 16), (0x1fff, 1), (0x1001, 4095), (0x1000, 4096)])
def test_dma_read(link, addr, count):
    reply = ask(link, vu.DMA_READ, vu.p_dma(addr, count))
    data = vu.pattern(4096, 7)[addr - 0x1000:addr - 0x1000 + count]
    assert (reply.flags, reply.payload) == \
        (vu.REPLY, vu.p_dma(addr, count, data))


@pytest.mark.parametrize("count", [1, 16, 4096])
def test_dma_write(link, count):
    data = vu.pattern(count, 0x33)
    reply = ask(link, vu.DMA_WRITE, vu.p_dma(0x2000, count, data))
    assert (reply.flags, reply.payload) == (vu.REPLY, vu.p_dma(0x2000, count))
    assert link.drv.cmd("mem", 0x2000, count).text == harness.data_text(data)


def test_dma_across_mappings(link):
    reply = ask(link, vu.DMA_READ, vu.p_dma(0x1ff0, 32))
    assert reply.flags == vu.REPLY
    assert reply.payload[16:32] == vu.pattern(4096, 7)[-16:]


def test_dma_largest(link):
    reply = ask(link, vu.DMA_READ, vu.p_dma(0x100000, vu.XFER), (200,))
    assert reply.flags == vu.REPLY and len(reply.payload) == 16 + vu.XFER
    reply = ask(link, vu.DMA_WRITE,
                vu.p_dma(0x100000, vu.XFER, bytes(vu.XFER)))
    assert reply.flags == vu.REPLY


BAD_DMA = {
    "unmapped": (0, 4, errno.EFAULT),
    "gap": (0x3000, 4, errno.EFAULT),
    "before": (0xfff, 4, errno.EFAULT),
    "into-gap": (0x2ffe, 4, errno.EFAULT),
    "last": (vu.U64, 1, errno.EFAULT),
    "no-memory": (0x6000, 4, errno.EFAULT),
    "over-limit": (0x100000, vu.XFER + 1, errno.EINVAL),
    "huge": (0x1000, 1 << 32, errno.EINVAL),
    "max": (0x1000, vu.U64, errno.EINVAL),
}


@pytest.mark.parametrize("addr, count, err", BAD_DMA.values(), ids=BAD_DMA)
@pytest.mark.parametrize("cmd", [vu.DMA_READ, vu.DMA_WRITE])
def test_dma_bad(link, cmd, addr, count, err):
    room = min(count, vu.XFER + 1) if cmd == vu.DMA_WRITE else 0
    vu.check_error(ask(link, cmd, vu.p_dma(addr, count, bytes(room))), err)
    link.alive()


@pytest.mark.parametrize("cmd", [vu.DMA_READ, vu.DMA_WRITE])
def test_dma_wrap(link, cmd):
    reply = ask(link, cmd, vu.p_dma(vu.U64, 2, b"xx"))
    assert reply.error in (errno.EFAULT, errno.EINVAL)
    link.alive()


@pytest.mark.parametrize("cmd, addr", [(vu.DMA_WRITE, 0x4000),
                                       (vu.DMA_READ, 0x5000)])
def test_dma_no_permission(link, cmd, addr):
    vu.check_error(ask(link, cmd, vu.p_dma(addr, 4, b"data")), errno.EPERM)
    link.alive()


@pytest.mark.parametrize("cmd", [vu.DMA_READ, vu.DMA_WRITE])
def test_dma_count_0(link, cmd):
    reply = ask(link, cmd, vu.p_dma(0x1000, 0))
    assert reply.error in (0, errno.EINVAL)
    link.alive()


@pytest.mark.parametrize("cmd, payload", [
    (vu.DMA_READ, b""), (vu.DMA_READ, bytes(15)), (vu.DMA_WRITE, b""),
    (vu.DMA_WRITE, vu.p_dma(0x2000, 4)[:15]),
    (vu.DMA_WRITE, vu.p_dma(0x2000, 4)),
    (vu.DMA_WRITE, vu.p_dma(0x2000, 4, b"123"))])
def test_dma_short_request(link, cmd, payload):
    vu.check_error(ask(link, cmd, payload), errno.EINVAL)
    assert link.drv.cmd("mem", 0x2000, 4).text == "00000000"
    link.alive()


@pytest.mark.parametrize("flags", [1 << 6, 1 << 31, vu.ERROR])
def test_dma_bad_flags(link, flags):
    tag = link.start("poll", 30000, 1)
    link.link.send(vu.DMA_READ, vu.p_dma(0x1000, 4), flags=flags)
    vu.check_error(link.link.recv_reply(), errno.EINVAL)
    link.result(tag)
    link.alive()


@pytest.mark.parametrize("cmd", [0, vu.VERSION, vu.DMA_MAP, vu.GET_INFO,
                                 vu.REGION_READ, vu.RESET, vu.DIRTY_PAGES,
                                 vu.WRITE_MULTI, 19, 999, 0xffff])
@pytest.mark.parametrize("length", [0, 16, 5000])
def test_other_command(link, cmd, length):
    """The server may ask for memory only."""
    vu.check_error(ask(link, cmd, bytes(length)), errno.EINVAL)
    link.alive()


@pytest.mark.parametrize("count", [1, 16, 17, 253])
def test_request_with_fds(link, event, count):
    before = link.drv.fds()
    vu.check_error(ask(link, vu.DMA_READ, vu.p_dma(0x1000, 4),
                       fds=[event().fd] * count), errno.EINVAL)
    link.drv.wait_fds(before)
    link.alive()


def test_dma_without_reply(link):
    """NO_REPLY: done, not answered, not even an error."""
    for addr in 0x2000, 0x7000:
        link.link.send(vu.DMA_WRITE, vu.p_dma(addr, 4, b"post"),
                       flags=vu.NO_REPLY)
    reply = ask(link, vu.DMA_READ, vu.p_dma(0x2000, 4), (30000, 3))
    assert reply.payload[16:] == b"post"


def test_dma_while_waiting(link):
    """Served while the client waits for its own reply, on either socket."""
    tag = link.start("read", 1, 0, 4)
    msg = link.expect(vu.REGION_READ)
    for i in range(20):
        reply = link.link.ok(vu.DMA_READ, vu.p_dma(0x1000 + i, 8))
        assert reply.payload[16:] == vu.pattern(100, 7)[i:i + 8]
        vu.check_error(link.link.call(vu.DMA_READ, vu.p_dma(0, 8)),
                       errno.EFAULT)
    link.conn.reply(msg, vu.p_access(1, 0, 4, b"done"))
    assert link.result(tag) == (4, b"done".hex())


def test_dma_split_bytewise(link):
    tag = link.start("poll", 30000, 1)
    for byte in vu.message(vu.DMA_WRITE, vu.p_dma(0x2000, 4, b"slow"), mid=5):
        link.link.send_raw(bytes([byte]))
    assert link.link.recv_reply().flags == vu.REPLY
    link.result(tag)
    assert link.drv.cmd("mem", 0x2000, 4).text == b"slow".hex()


def test_dma_pipelined(link):
    tag = link.start("poll", 30000, 100)
    link.link.send_raw(b"".join(
        vu.message(vu.DMA_READ, vu.p_dma(0x1000 + i, 1), mid=i)
        for i in range(100)))
    want = vu.pattern(4096, 7)
    for i in range(100):
        reply = link.link.recv_reply()
        assert reply.id == i and reply.payload[16:] == want[i:i + 1]
    link.result(tag)


def test_dma_after_unmap(link):
    """A mapping that is gone is gone for messages, too."""
    payload = vu.p_dma_unmap(0x1000, 0x1000)
    tag = link.start("dma_unmap", 0x1000, 0x1000)
    link.conn.reply(link.expect(vu.DMA_UNMAP), payload)
    assert link.result(tag).rc == 0
    vu.check_error(ask(link, vu.DMA_READ, vu.p_dma(0x1000, 4)), errno.EFAULT)


@pytest.mark.driver("--dma-cb")
def test_dma_callback(fake, driver):
    """Mappings without local memory are served by code."""
    sess = Session(fake, driver)
    sess.link = sess.conn
    dma_map(sess, 0x1000, 0x1000, 3, "none")
    reply = ask(sess, vu.DMA_READ, vu.p_dma(0x1005, 8))
    assert reply.payload[16:] == vu.pattern(8, 5)
    vu.check_error(ask(sess, vu.DMA_WRITE, vu.p_dma(0x1000, 4, b"data")),
                   errno.EROFS)
    vu.check_error(ask(sess, vu.DMA_READ, vu.p_dma(0x1ffd, 8)), errno.EFAULT)


def test_twin_broken(fake, driver):
    """A stream error on the twin socket ends the connection."""
    sess = Session(fake, driver, twin=True)
    sess.twin.send_raw(vu.message(vu.DMA_READ, vu.p_dma(0, 4), size=3))
    driver.cmd("poll", 30000, 1)
    sess.broken()


def test_twin_closed(fake, driver):
    """The server closes the twin socket: no busy loop, no crash."""
    sess = Session(fake, driver, twin=True)
    sess.twin.close()
    driver.cmd("poll", 50)
    tag = sess.start("info")
    try:
        msg = sess.conn.recv_command(vu.GET_INFO, 0.2)
        sess.conn.reply(msg, struct.pack("=IIII", 16, 3, 9, 5))
    except (vu.Silence, vu.Closed):
        pass
    assert sess.result(tag).rc in (0, ENOTCONN)


def test_requests_flood(fake, driver):
    """A server that asks and does not read the answers: bounded."""
    sess = Session(fake, driver, twin=False)
    dma_map(sess, 0x100000, 0x100000, 3, "mem")
    tag = sess.start("poll", 30000)
    sess.conn.sock.setblocking(False)
    data = vu.message(vu.DMA_READ, vu.p_dma(0x100000, 0x100000))
    end, part = time.monotonic() + 0.7, data
    while time.monotonic() < end:
        try:
            part = part[sess.conn.sock.send(part):] or data
        except BlockingIOError:
            time.sleep(0.005)
        except OSError:
            break
    rss = int(open(f"/proc/{driver.pid}/statm").read().split()[1]) * 4096
    assert rss < 400 << 20
    sess.conn.close()
    driver.result(tag)
