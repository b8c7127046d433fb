# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-user contributors
"""The client under test against a server that lies."""

import errno
import json
import os
import random
import socket
import struct
import time

import pytest

import harness
import vfio_user_wire as vu

RW = vu.REGION_READABLE | vu.REGION_WRITABLE
MMAP = RW | vu.REGION_MMAP
CAPPED = RW | vu.REGION_CAPS

EPROTO, ENOTCONN, ETIMEDOUT = -errno.EPROTO, -errno.ENOTCONN, -errno.ETIMEDOUT

CAPS = {"max_msg_fds": 16, "max_data_xfer_size": vu.XFER,
        "max_dma_maps": 65535, "pgsizes": 4096, "write_multiple": True}


def p_region(index, flags=RW, size=0x4000, cap_offset=0, argsz=None, caps=b"",
             offset=0):
    if argsz is None:
        argsz = 32 + len(caps)
    return struct.pack("=IIIIQQ", argsz, flags, index, cap_offset, size,
                       offset) + caps


def cap(kind, body=b"", nxt=0, version=1):
    return struct.pack("=HHI", kind, version, nxt) + body


def sparse(areas, nr=None, nxt=0):
    body = struct.pack("=II", len(areas) if nr is None else nr, 0)
    return cap(vu.CAP_SPARSE,
               body + b"".join(struct.pack("=QQ", *a) for a in areas), nxt)


def sparse_fds(areas, nr=None, nxt=0):
    """areas: (offset, fd_offset, size, fd_index)."""
    body = struct.pack("=II", len(areas) if nr is None else nr, 0)
    return cap(vu.CAP_SPARSE_FDS, body + b"".join(
        struct.pack("=QQQII", *a, 0) for a in areas), nxt)


class Session:
    """A negotiated connection of the client under test."""

    def __init__(self, fake, driver, caps=None, twin=False):
        self.drv = driver
        self.regions = {}  # index: reply payload, for requests in passing
        self.twin = None
        caps, fds = dict(CAPS if caps is None else caps), []
        if twin:
            ours, theirs = socket.socketpair()
            self.twin = vu.Conn(ours)
            fake.conns.append(self.twin)
            caps["twin_socket"] = {"supported": True, "fd_index": 0}
            fds = [theirs.fileno()]
        tag = driver.start("connect")
        self.conn = fake.accept()
        self.proposed = vu.serve_version(self.conn, caps, fds)
        if twin:
            theirs.close()
        res = driver.result(tag)
        assert res.rc == 0, errno.errorcode.get(-res.rc)

    def start(self, *words):
        return self.drv.start(*words)

    def result(self, tag):
        return self.drv.result(tag)

    def expect(self, cmd):
        """The next command; region information in passing is given."""
        while True:
            msg = self.conn.recv_command()
            if msg.cmd == cmd:
                return msg
            assert msg.cmd == vu.REGION_INFO, msg
            index = struct.unpack_from("=I", msg.payload, 8)[0]
            self.conn.reply(msg, self.regions.get(index, p_region(index)))

    def call(self, words, cmd, payload=b"", **kw):
        """Run a command of the client, answer its request; the result."""
        tag = self.start(*words)
        self.conn.reply(self.expect(cmd), payload, **kw)
        return self.result(tag)

    def alive(self):
        """The connection still works."""
        res = self.call(["info"], vu.GET_INFO,
                        struct.pack("=IIII", 16, 3, 9, 5))
        assert res == (0, "16 3 9 5")

    def broken(self):
        """The client has given the connection up."""
        assert self.drv.cmd("info").rc == ENOTCONN


@pytest.fixture
def session(fake, driver):
    return Session(fake, driver)


# -- VERSION --------------------------------------------------------------

def connect(fake, driver, payload=b"", fds=(), **kw):
    """What connect returns for this VERSION reply."""
    tag = driver.start("connect")
    conn = fake.accept()
    conn.reply(conn.recv_command(vu.VERSION), payload, fds=fds, **kw)
    return driver.result(tag).rc


def test_proposal(fake, driver):
    """What our client proposes: small enough for anybody."""
    tag = driver.start("connect")
    conn = fake.accept()
    msg = conn.recv_command(vu.VERSION)
    assert (msg.flags, msg.error, msg.fds) == (0, 0, [])
    major, minor = struct.unpack_from("=HH", msg.payload)
    assert (major, minor) == (0, 2)
    assert msg.payload.endswith(b"}\0")
    caps = json.loads(msg.payload[4:-1])["capabilities"]
    assert caps["max_msg_fds"] == 16
    assert caps["max_data_xfer_size"] == vu.XFER
    assert caps["twin_socket"] == {"supported": True}
    conn.reply(msg, vu.p_version(vu.caps_json({})))
    assert driver.result(tag).rc == 0


@pytest.mark.driver("--no-twin", "--max-msg-fds", 3, "--xfer", 8192,
                    "--max-dma-maps", 9)
def test_proposal_configured(fake, driver):
    sess = Session(fake, driver)
    assert "twin_socket" not in sess.proposed or \
        not sess.proposed["twin_socket"]["supported"]
    assert sess.proposed["max_msg_fds"] == 3
    assert sess.proposed["max_data_xfer_size"] == 8192
    got = driver.ok("negotiated").split()
    assert got[:6] == ["0", "2", "16", "8192", "9", "0x1000"]


@pytest.mark.parametrize("data", [
    b"", b"{}\0", vu.caps_json({}), vu.caps_json({"unknown": [1, {"a": 2}]})])
def test_defaults(fake, driver, data):
    assert connect(fake, driver, vu.p_version(data, minor=0)) == 0
    assert driver.ok("negotiated") == "0 0 1 1048576 65535 0x1000 0 0 0"


def test_libvfio_user_reply(fake, driver):
    caps = {"max_msg_fds": 8, "max_data_xfer_size": 1048576,
            "migration": {"pgsize": 4096}}
    reply = vu.p_version(vu.caps_json(caps), minor=1)
    assert connect(fake, driver, reply) == 0
    assert driver.ok("negotiated").split()[:4] == ["0", "1", "8", "1048576"]


BAD_VERSIONS = {
    "empty": b"",
    "short": b"\0\0\2",
    "major": vu.p_version(vu.caps_json({}), major=1),
    "minor": vu.p_version(vu.caps_json({}), minor=3),
    "no-nul": vu.p_version(b'{"capabilities":{}}'),
    "nul-inside": vu.p_version(b'{"capabilities"\0:{}}\0'),
    "garbage": vu.p_version(b"\xff\x00garbage\x80"),
    "not-json": vu.p_version(b"hello\0"),
    "array": vu.p_version(b"[]\0"),
    "caps-array": vu.p_version(b'{"capabilities":[]}\0'),
    "deep": vu.p_version(b"[" * 2000 + b"\0"),
    "long": vu.p_version(b" " * 8000 + b"{}\0"),
    "huge": vu.p_version(b" " * 900000 + b"{}\0"),
    "xfer-0": vu.p_version(vu.caps_json({"max_data_xfer_size": 0})),
    "xfer-negative": vu.p_version(vu.caps_json({"max_data_xfer_size": -5})),
    "xfer-string": vu.p_version(vu.caps_json({"max_data_xfer_size": "1"})),
    "fds-negative": vu.p_version(vu.caps_json({"max_msg_fds": -1})),
    "fds-real": vu.p_version(vu.caps_json({"max_msg_fds": 1.5})),
    "maps-0": vu.p_version(vu.caps_json({"max_dma_maps": 0})),
    "pgsizes-0": vu.p_version(vu.caps_json({"pgsizes": 0})),
    "pgsizes-small": vu.p_version(vu.caps_json({"pgsizes": 512})),
    "multi-number": vu.p_version(vu.caps_json({"write_multiple": 1})),
    "duplicate": vu.p_version(
        b'{"capabilities":{"max_msg_fds":1,"max_msg_fds":2}}\0'),
}


@pytest.mark.parametrize("payload", BAD_VERSIONS.values(), ids=BAD_VERSIONS)
def test_bad_version(fake, driver, payload):
    assert connect(fake, driver, payload) == EPROTO
    driver.wait_fds(driver.baseline)


@pytest.mark.parametrize("err, want", [
    (errno.EBUSY, [-errno.EBUSY]), (errno.EINVAL, [-errno.EINVAL, EPROTO]),
    (0, [-errno.EIO, EPROTO]), (99999, None)])
@pytest.mark.parametrize("payload", [b"", vu.p_version(vu.caps_json({}))])
def test_version_error(fake, driver, err, want, payload):
    rc = connect(fake, driver, payload, err=err)
    assert rc in want if want else -4095 <= rc < 0
    driver.wait_fds(driver.baseline)


@pytest.mark.parametrize("raw", [
    vu.message(vu.VERSION, vu.p_version(), flags=vu.REPLY, size=3),
    vu.message(vu.VERSION, vu.p_version(), flags=vu.REPLY, size=1 << 30),
    vu.message(vu.VERSION, vu.p_version(), flags=5),
    os.urandom(16) + b"\xff" * 40])
def test_version_framing(fake, driver, raw):
    tag = driver.start("connect")
    conn = fake.accept()
    conn.recv_command(vu.VERSION)
    conn.send_raw(raw)
    conn.sock.shutdown(socket.SHUT_WR)
    assert driver.result(tag).rc in (EPROTO, ENOTCONN)
    driver.wait_fds(driver.baseline)


def test_version_other_replies_first(fake, driver):
    tag = driver.start("connect")
    conn = fake.accept()
    msg = conn.recv_command(vu.VERSION)
    for other in 1, 2, 0x7fff:
        conn.reply(msg, b"other", mid=(msg.id + other) & 0xffff)
    conn.reply(msg, vu.p_version(vu.caps_json({})))
    assert driver.result(tag).rc == 0


@pytest.mark.driver("--request-timeout", 150)
@pytest.mark.parametrize("length", [0, 1, 15, 16, 20, 40])
def test_version_silence(fake, driver, length):
    tag = driver.start("connect")
    conn = fake.accept()
    msg = conn.recv_command(vu.VERSION)
    conn.send_raw(vu.message(vu.VERSION, vu.p_version(vu.caps_json({})),
                             mid=msg.id, flags=vu.REPLY)[:length])
    assert driver.result(tag).rc == ETIMEDOUT
    driver.wait_fds(driver.baseline)


@pytest.mark.driver("--request-timeout", 150)
def test_never_accepted(fake, driver):
    assert driver.cmd("connect").rc == ETIMEDOUT


@pytest.mark.parametrize("length", [0, 1, 15, 16, 20, 40])
def test_version_closed(fake, driver, length):
    tag = driver.start("connect")
    conn = fake.accept()
    msg = conn.recv_command(vu.VERSION)
    conn.send_raw(vu.message(vu.VERSION, vu.p_version(vu.caps_json({})),
                             mid=msg.id, flags=vu.REPLY)[:length])
    conn.close()
    assert driver.result(tag).rc in (ENOTCONN, EPROTO, -errno.ECONNRESET)
    driver.wait_fds(driver.baseline)


def test_closed_at_once(fake, driver):
    tag = driver.start("connect")
    fake.accept().close()
    assert driver.result(tag).rc in (ENOTCONN, EPROTO, -errno.ECONNRESET)


def test_nobody_listens(make_driver, tmp_path):
    drv = make_driver(tmp_path / "nothing")
    assert drv.cmd("connect").rc == -errno.ENOENT
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(tmp_path / "nothing"))
    assert drv.cmd("connect").rc == -errno.ECONNREFUSED


def test_connect_retries(make_driver, tmp_path):
    """The server comes up a little later."""
    drv = make_driver(tmp_path / "later", "--connect-timeout", 3000)
    tag = drv.start("connect")
    time.sleep(0.1)
    server = vu.FakeServer(tmp_path / "later")
    conn = server.accept()
    vu.serve_version(conn)
    assert drv.result(tag).rc == 0
    server.close()


@pytest.mark.driver("--connect-timeout", 3000)
def test_connect_retries_busy(fake, driver):
    tag = driver.start("connect")
    for _ in range(3):
        conn = fake.accept()
        conn.reply(conn.recv_command(vu.VERSION), err=errno.EBUSY)
        conn.close()
    vu.serve_version(fake.accept())
    assert driver.result(tag).rc == 0


def test_connect_fd(make_driver):
    ours, theirs = socket.socketpair()
    drv = make_driver(None, "--conn-fd", theirs.fileno(),
                      pass_fds=[theirs.fileno()])
    theirs.close()
    with vu.Conn(ours) as conn:
        tag = drv.start("connect")
        vu.serve_version(conn)
        assert drv.result(tag).rc == 0


# -- twin socket ----------------------------------------------------------

@pytest.mark.parametrize("twin", [
    {"supported": True}, {"supported": True, "fd_index": 1},
    {"supported": True, "fd_index": -1},
    {"supported": True, "fd_index": 1 << 40},
    {"supported": True, "fd_index": "0"}, {"supported": True, "fd_index": 0.5},
    {"supported": 1, "fd_index": 0}, True, []])
@pytest.mark.parametrize("nb_fds", [0, 1])
def test_twin_bad_index(fake, driver, twin, nb_fds):
    """Inconsistent: the client must give up."""
    a, b = socket.socketpair()
    with a, b:
        rc = connect(fake, driver,
                     vu.p_version(vu.caps_json({"twin_socket": twin})),
                     [b.fileno()] * nb_fds)
    assert rc == EPROTO
    driver.wait_fds(driver.baseline)


def test_twin_without_fd(fake, driver):
    twin = {"supported": True, "fd_index": 0}
    assert connect(fake, driver,
                   vu.p_version(vu.caps_json({"twin_socket": twin}))) == EPROTO


def test_twin_not_a_socket(fake, driver, memory):
    twin = {"supported": True, "fd_index": 0}
    rc = connect(fake, driver,
                 vu.p_version(vu.caps_json({"twin_socket": twin})),
                 [memory(4096).fd])
    assert rc in (0, EPROTO)
    driver.cmd("poll", 20)
    driver.cmd("destroy")
    driver.wait_fds(driver.baseline)


@pytest.mark.driver("--no-twin")
def test_twin_not_proposed(fake, driver):
    a, b = socket.socketpair()
    twin = {"supported": True, "fd_index": 0}
    with a, b:
        rc = connect(fake, driver,
                     vu.p_version(vu.caps_json({"twin_socket": twin})),
                     [b.fileno()])
    assert rc in (0, EPROTO)
    driver.cmd("destroy")
    driver.wait_fds(driver.baseline)


@pytest.mark.parametrize("count", [1, 5, 16, 253])
def test_version_extra_fds(fake, driver, event, count):
    rc = connect(fake, driver, vu.p_version(vu.caps_json({})),
                 [event().fd] * count)
    assert rc in (0, EPROTO)
    driver.cmd("destroy")
    driver.wait_fds(driver.baseline)


# -- what holds for every call --------------------------------------------

class Call:
    def __init__(self, words, cmd, reply=b"", rc=0, minimum=None):
        self.words = words.split()
        self.cmd = cmd
        self.reply = reply
        self.rc = rc
        self.minimum = len(reply) if minimum is None else minimum


CALLS = {
    "info": Call("info", vu.GET_INFO, struct.pack("=IIII", 16, 3, 9, 5)),
    "region_info": Call("region_info 1", vu.REGION_INFO, p_region(1)),
    "io_fds": Call("io_fds 0", vu.REGION_IO_FDS,
                   struct.pack("=IIII", 16, 0, 0, 0)),
    "irq_info": Call("irq_info 2", vu.IRQ_INFO,
                     struct.pack("=IIII", 16, 7, 2, 64)),
    "set_irqs": Call("set_irqs 2 0 1 0x21", vu.SET_IRQS),
    "irq_assign": Call("irq_assign 2 0 e", vu.SET_IRQS),
    "irq_disable": Call("irq_disable 2", vu.SET_IRQS),
    "irq_unmask": Call("irq_unmask 0 0", vu.SET_IRQS),
    "read": Call("read 1 0 4", vu.REGION_READ,
                 vu.p_access(1, 0, 4, b"data"), 4),
    "write": Call("write 1 0 61626364", vu.REGION_WRITE,
                  vu.p_access(1, 0, 4), 4),
    "multi": Call("multi 3 1 0 6162", vu.WRITE_MULTI, struct.pack("=Q", 3), 3),
    "dma_map": Call("dma_map 0x1000 4096 3 memfd", vu.DMA_MAP),
    "dma_unmap_all": Call("dma_unmap_all", vu.DMA_UNMAP,
                          vu.p_dma_unmap(0, 0, vu.UNMAP_ALL), minimum=0),
    "reset": Call("reset", vu.RESET),
}
every = pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)


def run(sess, call, payload=None, **kw):
    return sess.call(call.words, call.cmd,
                     call.reply if payload is None else payload, **kw).rc


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
@pytest.mark.driver("--request-timeout", 100)
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
        poll = session.start("poll", 2000, 1)
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
    assert session.drv.cmd("poll", 2000, 8).rc == 8
    assert [session.result(t).text for t in tags] == \
        [f"{0x40 + i:02x}" for i in range(8)]


def test_async_error_and_close(session):
    """Each completion is called once, at the latest by the end."""
    tags = [session.start("write_async", 1, i, "55") for i in range(4)]
    msgs = [session.expect(vu.REGION_WRITE) for _ in range(4)]
    session.conn.reply(msgs[1], err=errno.EIO)
    session.conn.close()
    session.drv.cmd("poll", 1000)
    assert [session.result(t).rc for t in tags] == \
        [ENOTCONN, -errno.EIO, ENOTCONN, ENOTCONN]


def test_async_destroyed(session):
    tags = [session.start("read_async", 1, i, 1) for i in range(3)]
    for _ in range(3):
        session.expect(vu.REGION_READ)
    assert session.drv.cmd("destroy").rc == 0
    assert [session.result(t).rc for t in tags] == [ENOTCONN] * 3


@pytest.mark.driver("--request-timeout", 100)
def test_async_timeout(fake, driver):
    """The poll fd wakes by itself for it."""
    sess = Session(fake, driver)
    tag = sess.start("read_async", 1, 0, 4)
    msg = sess.expect(vu.REGION_READ)
    driver.cmd("poll", 400)
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
    for _ in range(100):
        session.drv.cmd("posted", 1, 0, "00")
    assert session.drv.cmd("flush").rc == ENOTCONN
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


def ask(sess, cmd, payload, poll=(3000, 1), **kw):
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
    tag = link.start("poll", 3000, 1)
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
    reply = ask(link, vu.DMA_READ, vu.p_dma(0x2000, 4), (3000, 3))
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
    tag = link.start("poll", 3000, 1)
    for byte in vu.message(vu.DMA_WRITE, vu.p_dma(0x2000, 4, b"slow"), mid=5):
        link.link.send_raw(bytes([byte]))
    assert link.link.recv_reply().flags == vu.REPLY
    link.result(tag)
    assert link.drv.cmd("mem", 0x2000, 4).text == b"slow".hex()


def test_dma_pipelined(link):
    tag = link.start("poll", 3000, 100)
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
    driver.cmd("poll", 200, 1)
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
    tag = sess.start("poll", 1000)
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
