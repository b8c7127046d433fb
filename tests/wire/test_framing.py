# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-user contributors
"""Headers, message boundaries, stray messages, fds and their message."""

import errno
import random
import struct

import pytest

import vfio_user_wire as vu

MAX_MSG = vu.XFER + 4096


# -- stream errors: closed without a reply --------------------------------

@pytest.mark.parametrize("size", [0, 1, 15, MAX_MSG + 1, 1 << 31,
                                  (1 << 32) - 1])
@pytest.mark.parametrize("cmd", [vu.GET_INFO, vu.REGION_WRITE, 999])
def test_bad_size(client, size, cmd):
    client.send_raw(vu.message(cmd, vu.p_info(), size=size))
    client.assert_closed()


@pytest.mark.parametrize("size", [0, 15, MAX_MSG + 1, (1 << 32) - 1])
def test_bad_size_before_version(server, size):
    conn = server.connect()
    conn.send_raw(vu.message(vu.VERSION, vu.p_version(), size=size))
    conn.assert_closed()


@pytest.mark.parametrize("kind", range(2, 16))
def test_bad_type(client, kind):
    client.send_raw(vu.message(vu.GET_INFO, vu.p_info(), flags=kind))
    client.assert_closed()


@pytest.mark.parametrize("flags", [2, 2 | vu.NO_REPLY, 3 | vu.ERROR])
def test_bad_type_before_version(server, flags):
    conn = server.connect()
    conn.send_raw(vu.message(vu.VERSION, vu.p_version(), flags=flags))
    conn.assert_closed()


def test_replies_before_bad_header_arrive(client):
    """A stream error does not take the answers to what came before."""
    client.send_raw(vu.message(vu.GET_INFO, vu.p_info(), mid=7) +
                    vu.message(vu.GET_INFO, vu.p_info(), size=3))
    assert client.recv_reply().id == 7
    client.assert_closed()


def test_bad_header_with_fds(server, client, event):
    client.send_raw(vu.message(vu.GET_INFO, vu.p_info(), size=3),
                    [event().fd] * 5)
    client.assert_closed()
    server.wait_fds(server.baseline)


@pytest.mark.server("--xfer", 65536)
@pytest.mark.parametrize("size, good", [(65536 + 4096, True),
                                        (65536 + 4097, False)])
def test_largest_message(server, size, good):
    """The limit is the server's transfer size and 4096 bytes."""
    conn = server.client()
    conn.send_raw(vu.message(vu.GET_INFO, vu.p_info(), mid=3, size=size))
    if good:
        conn.send_raw(bytes(size - 32))
        assert conn.recv_reply().id == 3
        conn.sync()
    else:
        conn.assert_closed()


# -- message errors: answered, and on -------------------------------------

@pytest.mark.parametrize("bit", range(6, 32))
def test_reserved_flag(client, bit):
    mid = client.send(vu.GET_INFO, vu.p_info(), flags=1 << bit)
    reply = client.recv_reply()
    assert (reply.id, reply.cmd) == (mid, vu.GET_INFO)
    vu.check_error(reply, errno.EINVAL)
    client.sync()


UNKNOWN = [0, vu.DIRTY_PAGES, 19, 20, 255, 999, 0xffff]
FROM_SERVER = [vu.DMA_READ, vu.DMA_WRITE]
NOT_YET = [vu.FEATURE, vu.MIG_DATA_READ, vu.MIG_DATA_WRITE]


@pytest.mark.parametrize("length", [0, 1, 16, 64, 70000])
@pytest.mark.parametrize("cmd", UNKNOWN + FROM_SERVER + NOT_YET)
def test_refused_command(client, cmd, length):
    """With a body of any size, which must be skipped."""
    client.fails(errno.EINVAL, cmd, bytes(length))
    client.sync()


@pytest.mark.parametrize("cmd", UNKNOWN + FROM_SERVER + NOT_YET)
def test_refused_command_with_fds(server, client, event, cmd):
    before = server.fds()
    client.fails(errno.EINVAL, cmd, bytes(24), fds=[event().fd] * 3)
    server.wait_fds(before)
    client.sync()


@pytest.mark.parametrize("payload", [
    struct.pack("=II", 8, 1 << 18 | 1),  # probe MIGRATION
    struct.pack("=IIQ", 16, 1 << 16 | 1, 0),  # get MIGRATION
    struct.pack("=IIII", 16, 1 << 17 | 2, 8, 0),  # set state out of range
    struct.pack("=II", 8, 1 << 17 | 6),  # start logging, no body
    struct.pack("=IIQQQ", 1 << 20, 1 << 16 | 8, 0, 1 << 40, 1),  # report
    struct.pack("=IIQQQ", 32, 1 << 16 | 8, 0, 4096, 0),
    struct.pack("=IIQQQ", 32, 1 << 16 | 8, 0, 4096, 3),
    struct.pack("=II", 0xffffffff, 0xffffffff),
    b"\0", b"",
], ids=range(10))
def test_device_feature(client, payload):
    """Migration is not there yet: QEMU takes EINVAL for "not supported"."""
    client.fails(errno.EINVAL, vu.FEATURE, payload)
    client.sync()


def test_many_errors_leave_no_fds(server, client, event):
    """A thousand bad messages with fds."""
    before, fd = server.fds(), event().fd
    for i in range(1000):
        client.send(vu.GET_INFO if i % 2 else 999, vu.p_info(),
                    fds=[fd] * (i % 20 + 1))
        vu.check_error(client.recv_reply(), errno.EINVAL)
    server.wait_fds(before)
    client.sync()


# -- replies nobody asked for ---------------------------------------------

@pytest.mark.parametrize("flags", [vu.REPLY, vu.REPLY | vu.ERROR,
                                   vu.REPLY | vu.NO_REPLY])
@pytest.mark.parametrize("cmd", [vu.DMA_READ, vu.DMA_WRITE, vu.GET_INFO, 999])
@pytest.mark.parametrize("length", [0, 16, 5000])
def test_stray_reply(client, flags, cmd, length):
    for mid in 0, 1, 0xffff:
        client.send_raw(vu.message(cmd, bytes(length), mid=mid, flags=flags))
    client.sync()


def test_stray_reply_with_fds(server, client, event):
    before = server.fds()
    client.send_raw(vu.message(vu.DMA_READ, bytes(16), flags=vu.REPLY),
                    [event().fd] * 4)
    client.sync()
    server.wait_fds(before)


# -- message ids ----------------------------------------------------------

def test_same_id(client):
    """SPDK uses id 0 for all; QEMU does not start at 0."""
    for mid in 0, 0, 0, 0xffff, 0xffff, 5, 5:
        assert client.ok(vu.GET_INFO, vu.p_info(), mid=mid).id == mid
    client.send_raw(vu.message(vu.GET_INFO, vu.p_info(), mid=9) * 10)
    for _ in range(10):
        assert client.recv_reply().id == 9


# -- split and pipelined --------------------------------------------------

def three_messages():
    return [vu.message(vu.GET_INFO, vu.p_info(), mid=1),
            vu.message(vu.REGION_WRITE, vu.p_access(1, 0, 5, b"abcde"), mid=2),
            vu.message(vu.RESET, mid=3)]


@pytest.mark.parametrize("step", [1, 2, 3, 7, 15, 16, 17, 31, 33, 50])
def test_split(client, step):
    """Any split of the byte stream, header or body."""
    data = b"".join(three_messages())
    for i in range(0, len(data), step):
        client.send_raw(data[i:i + step])
    assert [client.recv_reply().id for _ in range(3)] == [1, 2, 3]


@pytest.mark.parametrize("cut", range(1, 32))
def test_split_once(server, client, cut):
    """The server saw the first part before the second is sent."""
    data = vu.message(vu.GET_INFO, vu.p_info(), mid=4)
    client.send_raw(data[:cut])
    server.ctl("fds")
    client.send_raw(data[cut:])
    assert client.recv_reply().id == 4


def test_large_body_in_pieces(client):
    body = vu.pattern(0x10000, 9)
    data = vu.message(vu.REGION_WRITE, vu.p_access(1, 0, len(body), body))
    for i in range(0, len(data), 1000):
        client.send_raw(data[i:i + 1000])
    assert client.recv_reply().flags == vu.REPLY
    assert client.read(1, 0, len(body)) == body


@pytest.mark.parametrize("count", [2, 3, 50, 1000])
def test_pipelined(server, client, count):
    """Many messages at once: all answered, in order."""
    server.pause()
    data = b"".join(vu.message(vu.REGION_READ, vu.p_access(1, i, 1), mid=i)
                    for i in range(count))
    client.send_raw(data)
    server.resume()
    for i in range(count):
        reply = client.recv_reply()
        assert (reply.id, reply.flags) == (i, vu.REPLY)


def test_pipelined_errors(client):
    """Good and bad ones mixed; each has its own answer."""
    wanted = []
    data = b""
    for i in range(200):
        cmd = (vu.GET_INFO, 999, vu.RESET, vu.IRQ_INFO)[i % 4]
        payload = vu.p_info() if cmd == vu.GET_INFO else b""
        wanted.append((i, 0 if cmd in (vu.GET_INFO, vu.RESET)
                       else errno.EINVAL))
        data += vu.message(cmd, payload, mid=i)
    client.send_raw(data)
    got = [client.recv_reply() for _ in range(200)]
    assert [(m.id, m.error) for m in got] == wanted


def test_order_of_no_reply(client):
    """What was sent without reply is done before the next reply."""
    data = b"".join(
        vu.message(vu.REGION_WRITE, vu.p_access(1, 0, 2, struct.pack("=H", i)),
                   flags=vu.NO_REPLY) for i in range(500))
    client.send_raw(data)
    assert client.read(1, 0, 2) == struct.pack("=H", 499)


# -- fds and the message they belong to -----------------------------------

def test_fds_of_later_message(server, client, memory):
    """Linux glues a message without fds to the next one that has some."""
    mem = memory(8192, 1)
    server.pause()
    client.send(vu.GET_INFO, vu.p_info(), mid=1)
    client.send(vu.DMA_MAP, vu.p_dma_map(0, 4096), fds=[mem.fd], mid=2)
    client.send(vu.GET_INFO, vu.p_info(), mid=3)
    client.send(vu.DMA_MAP, vu.p_dma_map(8192, 4096, offset=4096),
                fds=[mem.fd], mid=4)
    client.send(vu.DMA_MAP, vu.p_dma_map(16384, 4096), mid=5)
    server.resume()
    got = [client.recv_reply() for _ in range(5)]
    assert [(m.id, m.error) for m in got] == [(i, 0) for i in range(1, 6)]
    for iova, has_fd in (0, "1"), (8192, "1"), (16384, "0"):
        words = server.ctl("lookup", iova).text.split()
        assert words[4] == has_fd, f"mapped {iova:#x}"
    for iova, offset in (0, 0), (8192, 4096):
        assert server.ctl("dma_read", "poll", iova, 16) == \
            (0, mem.read(16, offset).hex())


def test_each_has_its_own_fd(server, client, memory):
    """Several messages with fds, queued before the server looks."""
    mems = [memory(4096, seed) for seed in range(20)]
    server.pause()
    for i, mem in enumerate(mems):
        client.send(vu.DMA_MAP, vu.p_dma_map(i << 12, 4096), fds=[mem.fd])
    server.resume()
    for _ in mems:
        assert client.recv_reply().flags == vu.REPLY
    for i, mem in enumerate(mems):
        assert server.ctl("dma_read", "poll", i << 12, 16) == \
            (0, mem.read(16).hex())


def test_fd_with_split_message(server, client, memory):
    """The fd comes with the first byte, the rest one by one."""
    mem = memory(4096, 5)
    data = vu.message(vu.DMA_MAP, vu.p_dma_map(0, 4096), mid=8)
    client.send_raw(data[:1], [mem.fd])
    for i in range(1, len(data)):
        client.send_raw(data[i:i + 1])
    assert client.recv_reply().flags == vu.REPLY
    assert server.ctl("dma_read", "poll", 0, 8) == (0, mem.read(8).hex())


@pytest.mark.parametrize("cut", [8, 16, 20])
def test_fd_late_in_message(server, client, memory, cut):
    """The fd comes in the middle: taken or refused, never leaked."""
    mem = memory(4096, 6)
    before = server.fds()
    data = vu.message(vu.DMA_MAP, vu.p_dma_map(0, 4096), mid=8)
    client.send_raw(data[:cut])
    server.ctl("fds")
    client.send_raw(data[cut:], [mem.fd])
    reply = client.recv_reply()
    assert reply.error in (0, errno.EINVAL)
    client.sync()
    if not reply.error:
        assert server.ctl("dma_read", "poll", 0, 8)[0] == 0
        client.dma_unmap(0, 4096)
    server.wait_fds(before)


def test_one_fd_for_two_messages(server, client, memory):
    """Two maps in one sendmsg() with one fd: it cannot be for both."""
    mem = memory(4096, 7)
    client.send_raw(vu.message(vu.DMA_MAP, vu.p_dma_map(0, 4096), mid=1) +
                    vu.message(vu.DMA_MAP, vu.p_dma_map(4096, 4096), mid=2),
                    [mem.fd])
    got = [client.recv_reply() for _ in range(2)]
    assert [m.error for m in got] == [0, 0]
    has_fd = [server.ctl("lookup", i << 12).text.split()[5] for i in range(2)]
    assert sorted(has_fd) == ["0", "1"]


def test_reply_fds_with_header(client):
    """Replies with fds between replies without, read in any grouping."""
    data = b""
    for i in range(20):
        data += vu.message(vu.REGION_INFO, vu.p_region_info(i % 2 * 2, 4096),
                           mid=i)
    client.send_raw(data)
    for i in range(20):  # Conn.recv() checks that fds come with the header
        reply = client.recv_reply()
        assert (reply.id, len(reply.fds)) == (i, i % 2)


@pytest.mark.server("--max-msg-fds", 4)
@pytest.mark.parametrize("count, err", [(4, 0), (5, errno.EINVAL),
                                        (253, errno.EINVAL)])
def test_max_msg_fds(server, event, count, err):
    """The server takes as many fds as it said."""
    conn, fd = server.client(), event().fd
    reply = conn.call(vu.SET_IRQS, vu.p_set_irqs(
        vu.MSIX, 0, min(count, 64), vu.EVENTFD | vu.TRIGGER),
        fds=[fd] * count)
    assert reply.error == err
    conn.sync()


# -- one byte of nonsense -------------------------------------------------

def test_random_bytes(server):
    """Noise on a fresh connection; the server must survive."""
    rnd = random.Random(2026)
    for _ in range(50):
        conn = server.connect()
        try:
            conn.send_raw(rnd.randbytes(rnd.randrange(1, 3000)))
        except OSError:
            pass
        conn.close()


def test_random_payloads(server, client):
    """Every command with random payloads; message errors only."""
    rnd = random.Random(42)
    for i in range(2000):
        cmd = rnd.choice([2, 3, 4, 5, 6, 7, 8, 9, 10, 13, 15, 16, 17, 18])
        body = bytearray(rnd.randbytes(rnd.choice([0, 4, 8, 16, 20, 24, 32,
                                                   48, 100])))
        for j in range(0, len(body), 4):  # small numbers reach deeper
            if rnd.random() < 0.7:
                body[j:j + 4] = struct.pack("=I", rnd.choice(
                    [0, 1, 2, 3, 7, 8, 16, 32, 33, 36, 255, 4096]))[
                        :len(body) - j]
        if cmd in (vu.REGION_READ, vu.REGION_WRITE) and len(body) >= 12:
            if body[8:12] == bytes(4):
                body[8] = 1  # not BAR0, with its pending register
        reply = client.call(cmd, bytes(body), mid=i)
        assert reply.error < 4096
    client.sync()
