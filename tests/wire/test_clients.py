# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-user contributors
"""Connections: a second client, silent, half and slow ones."""

import errno
import socket
import time

import pytest

import harness
import vfio_user_wire as vu

TIMEOUT = 150  # of the servers with a short one, ms
short = pytest.mark.server("--msg-timeout", TIMEOUT, "--dma-timeout", TIMEOUT)


# -- a second client ------------------------------------------------------

def test_second_client(server, client):
    """EBUSY in reply to its VERSION, then the end; the first goes on."""
    client.dma_map(0x1000, 4096)
    for _ in range(20):
        second = server.connect()
        second.fails(errno.EBUSY, vu.VERSION,
                     vu.p_version(vu.caps_json({})))
        second.assert_closed()
        client.sync()
    assert server.ctl("dma_count").rc == 1


def test_second_client_qemu(server, client):
    second = server.connect()
    second.fails(errno.EBUSY, vu.VERSION, vu.p_version(vu.QEMU_JSON, minor=0),
                 mid=0x1234)
    second.assert_closed()


def test_second_client_bad_version(server, client):
    """Whatever it says: an error, and the end."""
    for data in b"", b"garbage", vu.caps_json({}):
        second = server.connect()
        reply = second.call(vu.VERSION, vu.p_version(data))
        assert reply.error in (errno.EBUSY, errno.EINVAL)
        second.assert_closed()
    client.sync()


def test_second_client_other_command(server, client):
    """It never gets through to the device."""
    second = server.connect()
    try:
        reply = second.call(vu.GET_INFO, vu.p_info())
        assert reply.error in (errno.EBUSY, errno.EINVAL)
    except vu.Closed:
        pass
    client.sync()


@pytest.mark.parametrize("cut", [1, 15, 16, 20])
def test_second_client_split_version(server, client, cut):
    """Rust's client writes header and data separately."""
    second = server.connect()
    second.send_raw(harness.version()[:cut])
    for _ in range(5):
        client.sync()
        server.ctl("fds")
    second.send_raw(harness.version()[cut:])
    vu.check_error(second.recv_reply(), errno.EBUSY)
    second.assert_closed()


def test_second_client_with_fds(server, client, event):
    before = server.fds()
    second = server.connect()
    reply = second.call(vu.VERSION, vu.p_version(vu.caps_json({})),
                        fds=[event().fd] * 16)
    assert reply.error in (errno.EBUSY, errno.EINVAL)
    second.assert_closed()
    server.wait_fds(before)


def test_second_client_just_closes(server, client):
    for _ in range(50):
        server.connect().close()
    client.sync()


@short
def test_second_client_silent(server):
    """Connected and mute beside a good one: dropped, nobody disturbed."""
    client = server.client()
    before = server.fds()
    mute = [server.connect() for _ in range(5)]
    for conn in mute:
        conn.assert_closed()
    client.sync()
    server.wait_fds(before)


def test_many_waiting(server, client):
    """A crowd at the door."""
    crowd = [server.connect() for _ in range(30)]
    client.sync()
    for conn in crowd:
        conn.close()
    client.sync()


def test_next_client(server):
    """Free again as soon as the first has closed."""
    busy = 0
    for _ in range(100):
        conn = server.connect()
        while conn.call(vu.VERSION, vu.p_version(vu.caps_json({}))).error:
            conn.close()
            conn = server.connect()
            busy += 1
        conn.close()
    assert busy == 0, f"{busy} of 100 got EBUSY after the first had closed"


# -- silent, half and slow clients ----------------------------------------

def dropped(conn):
    """Closed after the timeout, not at once and not after the default one."""
    start = time.monotonic()
    conn.assert_closed()
    assert 0.05 < time.monotonic() - start < 5


@short
def test_silent(server):
    """A client that never negotiates."""
    dropped(server.connect())
    server.client().sync()


@short
@pytest.mark.parametrize("length", [1, 15, 16, 17, 30])
def test_half_version(server, length):
    conn = server.connect()
    conn.send_raw(harness.version()[:length])
    dropped(conn)
    server.client().sync()


@short
@pytest.mark.parametrize("length", [1, 8, 15, 16, 17, 31])
def test_half_message(server, length):
    """A header, or a part of one, then silence."""
    conn = server.client()
    conn.sync()
    conn.send_raw(vu.message(vu.GET_INFO, vu.p_info())[:length])
    dropped(conn)
    server.client().sync()


@short
def test_half_message_with_fds(server, event):
    conn = server.client()
    conn.send_raw(vu.message(vu.GET_INFO, vu.p_info())[:20], [event().fd] * 9)
    dropped(conn)
    server.wait_fds(server.baseline)


@short
def test_half_large_message(server):
    """Most of a large write, then silence."""
    conn = server.client()
    conn.send_raw(vu.message(vu.REGION_WRITE,
                             vu.p_access(1, 0, 0x10000, bytes(0x10000)))[:-1])
    dropped(conn)
    server.client().sync()


@short
def test_idle_client_stays(server):
    """Nothing to say is no fault."""
    conn = server.client()
    time.sleep(3 * TIMEOUT / 1000)
    conn.sync()


@short
def test_idle_while_pending(server):
    """Nor is it the client's fault when the device takes its time."""
    conn = server.client()
    conn.send(vu.REGION_READ, vu.p_access(0, harness.PENDING, 4))
    server.wait_log("pending:4")
    time.sleep(3 * TIMEOUT / 1000)
    assert server.ctl("complete", 4, "01020304").rc == 0
    assert conn.recv_reply().payload[16:] == b"\1\2\3\4"


@short
def test_idle_while_quiescing(server):
    conn = server.client()
    server.ctl("log")
    server.ctl("quiesce", "pending")
    conn.send(vu.RESET)
    conn.send(vu.GET_INFO, vu.p_info())
    server.wait_log("quiesce")
    time.sleep(3 * TIMEOUT / 1000)
    server.ctl("quiesce", 0)
    assert server.ctl("quiesce_done", 0).rc == 0
    assert [conn.recv_reply().cmd for _ in range(2)] == [vu.RESET, vu.GET_INFO]


def flood(conn, seconds=1.0):
    """Ask for megabytes without reading until the server takes no more."""
    conn.sock.setblocking(False)
    data = vu.message(vu.REGION_READ, vu.p_access(1, 0, 0x10000))
    end = time.monotonic() + seconds
    sent, part, last = 0, data, time.monotonic()
    while time.monotonic() < end and time.monotonic() - last < 0.1:
        try:
            n = conn.sock.send(part)
            part = part[n:] or data
            sent += n
            last = time.monotonic()
        except BlockingIOError:
            time.sleep(0.002)
        except OSError:
            break  # dropped already
    conn.sock.setblocking(True)
    return sent


@short
def test_client_that_does_not_read(server):
    """Its replies pile up, bounded; it is dropped after the timeout."""
    conn = server.client()
    flood(conn)
    server.wait_idle()
    rss = int(open(f"/proc/{server.pid}/statm").read().split()[1]) * 4096
    assert rss < 512 << 20
    server.client().sync()


def take(conn):
    """Number of the bytes that are there."""
    total = 0
    while True:
        try:
            part = conn.sock.recv(1 << 20, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return total
        if not part:
            return total
        total += len(part)


@pytest.mark.server("--msg-timeout", 3000)
def test_client_that_reads_slowly(server):
    """Replies wait for it at any time, but it takes some: it stays."""
    conn = server.client()
    size = 32 + 0x10000  # of a reply
    sent = got = 0
    end = time.monotonic() + 4
    while time.monotonic() < end or got < sent * size:
        server.pause()  # it finds room and the next requests together
        got += take(conn)
        while time.monotonic() < end and sent < got // size + 32:
            conn.send(vu.REGION_READ, vu.p_access(1, 0, 0x10000))
            sent += 1
        server.resume()
        time.sleep(0.01)
        assert server.ctl("negotiated").rc == 0, "dropped"
    conn.sync()


def test_flood_is_bounded(own_server):
    """What a client may have in flight has a limit in bytes."""
    server = own_server()
    conn = server.client()
    before = int(open(f"/proc/{server.pid}/statm").read().split()[1]) * 4096
    flood(conn, 1.5)
    after = int(open(f"/proc/{server.pid}/statm").read().split()[1]) * 4096
    assert after - before < 64 << 20
    conn.close()
    server.wait_idle()
    server.client().sync()


def test_slow_reader(server, client):
    """A client that reads slowly gets everything, in order."""
    count = 40
    data = vu.pattern(0x10000, 3)
    client.write(1, 0, data)
    client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.send_raw(b"".join(
        vu.message(vu.REGION_READ, vu.p_access(1, 0, 0x10000), mid=i)
        for i in range(count)))
    for i in range(count):
        if i % 10 == 0:
            time.sleep(0.02)
        reply = client.recv_reply()
        assert reply.id == i and reply.payload[16:] == data


@pytest.mark.server(devices=3)
def test_other_devices_undisturbed(server):
    """Bad clients of one device cost the clients of the others nothing."""
    good = [server.client(device=i) for i in (1, 2)]
    bad = server.client()
    flood(bad, 0.3)
    worst = 0
    conns = [server.connect() for _ in range(3)]
    conns[0].send_raw(harness.version()[:17])
    end = time.monotonic() + 0.4
    while time.monotonic() < end:
        for conn in good:
            start = time.monotonic()
            conn.sync()
            conn.write(1, 0, b"fine")
            worst = max(worst, time.monotonic() - start)
    # who waits for a bad one waits until it is dropped, after ten seconds
    assert worst < 5, f"a good client waited {worst:.3f} s"


@pytest.mark.server(devices=3)
def test_pending_does_not_stop_others(server):
    waiting = server.client()
    waiting.send(vu.REGION_READ, vu.p_access(0, harness.PENDING, 4))
    server.wait_log("pending:4")
    for i in 1, 2:
        server.client(device=i).sync()
    assert server.ctl("complete", 4, "00000000").rc == 0
    waiting.recv_reply()
