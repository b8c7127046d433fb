# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-user contributors
"""The client under test against a server that lies: VERSION."""

import errno
import json
import os
import socket
import struct
import time

import pytest

import vfio_user_wire as vu
from lying_server import ENOTCONN, EPROTO, ETIMEDOUT, Session


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
    drv = make_driver(tmp_path / "later", "--connect-timeout", 30000)
    tag = drv.start("connect")
    time.sleep(0.1)
    server = vu.FakeServer(tmp_path / "later")
    conn = server.accept()
    vu.serve_version(conn)
    assert drv.result(tag).rc == 0
    server.close()


@pytest.mark.driver("--connect-timeout", 30000)
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
