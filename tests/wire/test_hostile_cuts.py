# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-user contributors
"""The client under test while its server ends at any byte of any reply."""

import os
import socket
import struct

import pytest

import vfio_user_wire as vu
from lying_server import (CALLS, CAPPED, CAPS, ENOTCONN, EPROTO, MMAP, Session,
                          p_region, sparse)

LONG = bool(os.environ.get("WIRE_LONG"))
XFER = 4096


class Script:
    """A call of the client, and a good server's replies to its requests."""

    def __init__(self, words, before=(), caps=None):
        self.words = words.split()
        self.before = [b.split() for b in before]
        self.caps = dict(CAPS, **(caps or {}))

    def reply(self, msg, mem):
        """Payload and fds."""
        if msg.cmd in (vu.REGION_READ, vu.REGION_WRITE):
            count = struct.unpack_from("=I", msg.payload, 12)[0]
            data = bytes(count if msg.cmd == vu.REGION_READ else 0)
            return msg.payload[:16] + data, []
        if msg.cmd == vu.REGION_INFO:
            argsz, _, index = struct.unpack_from("=III", msg.payload)
            caps = sparse([(0x1000, 0x1000), (0x3000, 0x1000)])
            if index != 2:
                return p_region(index), []
            if argsz < 32 + len(caps):
                return p_region(2, MMAP, argsz=32 + len(caps)), []
            return p_region(2, MMAP | CAPPED, cap_offset=32, caps=caps), \
                [mem.fd]
        if msg.cmd == vu.WRITE_MULTI:
            return msg.payload[:8], []
        if msg.cmd == vu.DMA_UNMAP:
            return msg.payload, []
        for call in CALLS.values():
            if call.cmd == msg.cmd:
                return call.reply, []
        raise AssertionError(msg)


SCRIPTS = {name: Script(" ".join(call.words)) for name, call in CALLS.items()}
SCRIPTS.update({
    "map_region": Script("mmap 2"),
    "map_3": Script("dma_map 0x1000 4096 3 memfd 0x2000 4096 3 mem "
                    "0x3000 4096 3 file"),
    "unmap_2": Script("dma_unmap 0x1000 4096 0x2000 4096",
                      ["dma_map 0x1000 4096 3 memfd 0x2000 4096 3 mem"]),
    "assign_40": Script("irq_assign 2 0 e40"),
    "read_split": Script("read 1 0 10000", caps={"max_data_xfer_size": XFER}),
    "write_split": Script("write 1 0 @10000:3",
                          caps={"max_data_xfer_size": XFER}),
    "multi_single": Script("multi 5 1 0 61", caps={"write_multiple": False}),
})


def close(conn, rest):
    conn.close()


def stop_sending(conn, rest):
    conn.sock.shutdown(socket.SHUT_WR)


def stop_taking(conn, rest):
    """The reply still comes, then all of it is over."""
    conn.sock.shutdown(socket.SHUT_RD)
    conn.send_raw(rest)
    conn.close()


WAYS = {"close": close, "write": stop_sending, "read": stop_taking}


def serve(sess, tag, script, mem, cut=None):
    """Answer until the call ends, or up to a cut: reply number and bytes.

    The lengths of the replies sent whole, and what the last one lacks."""
    lengths = []
    while not sess.drv.done(tag):
        try:
            msg = sess.conn.recv_command(timeout=0.01)
        except vu.Silence:
            continue
        payload, fds = script.reply(msg, mem)
        raw = vu.message(msg.cmd, payload, mid=msg.id, flags=vu.REPLY)
        if cut is not None and len(lengths) == cut[0]:
            part = raw[:cut[1]]
            if part:
                sess.conn.send_raw(part, fds)
            return lengths, raw[cut[1]:]
        sess.conn.send_raw(raw, fds)
        lengths.append(len(raw))
    return lengths, b""


def begin(fake, driver, script, mem):
    sess = Session(fake, driver, script.caps, twin=True)
    for words in script.before:
        tag = sess.start(*words)
        serve(sess, tag, script, mem)
        assert sess.result(tag).rc == 0
    return sess


def cuts(length):
    if LONG:
        return [*range(min(length, 64)), *range(64, length, 97), length - 1]
    return sorted({0, 8, 16, length - 1} & set(range(length)))


def replies(count):
    """Which of the replies are cut."""
    return range(count) if LONG else sorted({0, count // 2, count - 1})


@pytest.mark.parametrize("how", WAYS.values(), ids=WAYS)
@pytest.mark.parametrize("script", SCRIPTS.values(), ids=SCRIPTS)
def test_cut(fake, driver, memory, script, how):
    """The call ends at once, so do later ones, and no fd is left."""
    mem = memory(0x4000)
    sess = begin(fake, driver, script, mem)
    tag = sess.start(*script.words)
    lengths, _ = serve(sess, tag, script, mem)
    full = sess.result(tag).rc
    assert full >= 0 and lengths
    end(driver, sess)
    for number in replies(len(lengths)):
        for left in cuts(lengths[number]):
            sess = begin(fake, driver, script, mem)
            tag = sess.start(*script.words)
            how(sess.conn, serve(sess, tag, script, mem, (number, left))[1])
            rc = driver.result(tag, 2).rc  # the request timeout is 3 s
            # an access tells what was done before
            part = 0 < rc < full and script.words[0] in ("read", "write",
                                                         "multi")
            assert rc in (ENOTCONN, EPROTO) or part or (
                how is stop_taking and rc == full), (number, left, rc)
            sess.broken()
            assert driver.cmd("read", 1, 0, 4).rc == ENOTCONN
            end(driver, sess)


def end(driver, sess):
    driver.cmd("destroy")
    sess.conn.close()
    sess.twin.close()
    driver.wait_fds(driver.baseline)


@pytest.mark.parametrize("how", WAYS.values(), ids=WAYS)
@pytest.mark.parametrize("twin", [True, False], ids=["twin", "main"])
def test_cut_version(fake, driver, how, twin):
    """At each byte of the reply to VERSION."""
    caps = dict(CAPS)
    if twin:
        caps["twin_socket"] = {"supported": True, "fd_index": 0}
    payload = vu.p_version(vu.caps_json(caps))
    # the twin socket leaves with the first byte
    for left in range(1, len(payload) + 16) if LONG else (1, 16, 17, 99):
        a, b = socket.socketpair()
        with a, b:
            tag = driver.start("connect")
            conn = fake.accept()
            msg = conn.recv_command(vu.VERSION)
            raw = vu.message(msg.cmd, payload, mid=msg.id, flags=vu.REPLY)
            conn.send_raw(raw[:left], [b.fileno()] if twin else [])
            how(conn, raw[left:])
            rc = driver.result(tag, 2).rc
            assert rc in (ENOTCONN, EPROTO) or (how is stop_taking and rc == 0)
            if rc == 0:
                assert driver.cmd("info").rc == ENOTCONN
            driver.cmd("destroy")
            conn.close()
            driver.wait_fds(driver.baseline)


@pytest.mark.parametrize("cmd", [vu.DMA_READ, vu.DMA_WRITE])
@pytest.mark.parametrize("twin", [True, False], ids=["twin", "main"])
def test_cut_request(fake, driver, cmd, twin):
    """In the middle of a request of the server's, and before its reply."""
    raw = vu.message(cmd, vu.p_dma(0x1000, 16, bytes(
        16 if cmd == vu.DMA_WRITE else 0)), mid=3)
    script = Script("info", ["dma_map 0x1000 4096 3 mem"])
    for left in range(1, len(raw) + 1) if LONG else (1, 8, 16, 20, len(raw)):
        sess = Session(fake, driver, script.caps, twin=twin)
        tag = sess.start(*script.before[0])
        serve(sess, tag, script, None)
        assert sess.result(tag).rc == 0
        link = sess.twin if twin else sess.conn
        link.send_raw(raw[:left])
        link.close()
        driver.cmd("poll", 30000, 1 if left == len(raw) else 0)
        if not twin:
            sess.broken()
        driver.cmd("destroy")
        sess.conn.close()
        driver.wait_fds(driver.baseline)
