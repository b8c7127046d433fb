# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-user contributors
"""DMA_READ and DMA_WRITE: the server asks, the client (this file) answers."""

import errno
import socket
import struct
import time

import pytest

import vfio_user_wire as vu
from harness import data_text

BASE = 0x100000
SIZE = 0x1000000

MODES = ["poll", "thread", "async", "cbasync", "callback"]


class Link:
    """A client with mapped memory without fd, and where requests arrive."""

    def __init__(self, server, twin, caps=None):
        caps = dict(vu.CAPS, **(caps or {}))
        if twin:
            caps["twin_socket"] = {"supported": True}
        self.server = server
        self.main = server.client(caps)
        self.requests = self.main
        if twin:
            self.requests = self.twin_socket()
            server.conns.append(self.requests)
        self.main.dma_map(BASE, SIZE)
        self.access = None  # the region read that runs an armed job

    def twin_socket(self):
        reply_fds = self.main.received
        assert len(reply_fds) == 1
        return vu.Conn(socket.socket(fileno=reply_fds.pop()))

    def start(self, op, mode, *pieces):
        """Make the server access our memory; the tag of the command."""
        tag = self.server.ctl_start(op, mode, *pieces)
        if mode in ("callback", "cbasync"):
            self.server.ctl("fds")  # it is armed
            self.access = self.main.send(vu.REGION_READ,
                                         vu.p_access(0, 0x118, 4))
        return tag

    def result(self, tag):
        res = self.server.result(tag)
        if self.access is not None:
            reply = self.main.recv_reply()
            assert (reply.id, reply.flags) == (self.access, vu.REPLY)
            self.access = None
        return res

    def request(self, cmd, addr=None, count=None):
        """The next request, its address and count."""
        msg = self.requests.recv_command(cmd)
        assert msg.flags == 0 and msg.error == 0 and msg.fds == []
        got = struct.unpack_from("=QQ", msg.payload)
        if addr is not None:
            assert got == (addr, count)
        data = len(msg.payload) - 16
        assert data == (got[1] if cmd == vu.DMA_WRITE else 0)
        return msg, got[0], got[1]

    def answer_read(self, data, addr):
        msg, addr, count = self.request(vu.DMA_READ, addr, len(data))
        self.requests.reply(msg, vu.p_dma(addr, count, data))

    def answer_write(self, addr, count):
        msg, addr, count = self.request(vu.DMA_WRITE, addr, count)
        self.requests.reply(msg, vu.p_dma(addr, count))
        return msg.payload[16:]


@pytest.fixture(params=["main", "twin"])
def link(request, server):
    return Link(server, request.param == "twin")


def working(link):
    """The connection still does both directions."""
    link.main.sync()
    tag = link.start("dma_read", "thread", BASE, 4)
    link.answer_read(b"good", BASE)
    assert link.result(tag) == (0, b"good".hex())


# -- good answers ---------------------------------------------------------

@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("count", [1, 8, 4096])
def test_read(link, mode, count):
    data = vu.pattern(count, 7)
    tag = link.start("dma_read", mode, BASE + 3, count)
    link.answer_read(data, BASE + 3)
    assert link.result(tag) == (0, data_text(data))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("count", [1, 8, 4096])
def test_write(link, mode, count):
    tag = link.start("dma_write", mode, BASE + 5, count)
    assert link.answer_write(BASE + 5, count) == vu.pattern(count, 0x5a)
    assert link.result(tag).rc == 0


def serve(link, cmd, base, total, limit, data):
    """Answer the pieces of one access; their sizes, and what was written."""
    sizes, written = [], b""
    while sum(sizes) < total:
        off = sum(sizes)
        msg, addr, count = link.request(cmd)
        assert addr == base + off and 0 < count <= min(limit, total - off)
        sizes.append(count)
        written += msg.payload[16:]
        link.requests.reply(msg, vu.p_dma(
            addr, count, data[off:off + count] if cmd == vu.DMA_READ else b""))
    return sizes, written


@pytest.mark.parametrize("client_xfer", [1000, 4096, 65536, 1 << 20, 1 << 40])
def test_split(server, client_xfer):
    """Pieces of at most the lower transfer size, in order."""
    link = Link(server, False, {"max_data_xfer_size": client_xfer})
    limit = min(client_xfer, vu.XFER)
    total = 2 * limit + 123
    data = vu.pattern(total, 1)
    tag = link.start("dma_read", "thread", BASE, total)
    sizes, _ = serve(link, vu.DMA_READ, BASE, total, limit, data)
    assert len(sizes) >= 3
    assert link.result(tag) == (0, data_text(data))
    tag = link.start("dma_write", "thread", BASE, total)
    _, got = serve(link, vu.DMA_WRITE, BASE, total, limit, None)
    assert got == vu.pattern(total, 0x5a)
    assert link.result(tag).rc == 0


@pytest.mark.server("--xfer", 4096)
@pytest.mark.parametrize("mode", ["thread", "async"])
def test_split_by_server_limit(server, mode):
    link = Link(server, True)
    data = vu.pattern(10000, 2)
    tag = link.start("dma_read", mode, BASE, 10000)
    serve(link, vu.DMA_READ, BASE, 10000, 4096, data)
    assert link.result(tag) == (0, data_text(data))


def test_several_pieces(link):
    """A vector: each piece asked for, in order."""
    tag = link.start("dma_read", "thread", BASE, 4, BASE + 100, 3, BASE + 7, 1)
    link.answer_read(b"abcd", BASE)
    link.answer_read(b"efg", BASE + 100)
    link.answer_read(b"h", BASE + 7)
    assert link.result(tag) == (0, b"abcdefgh".hex())


def test_adjacent_mappings(link):
    """Two mappings without fd: two requests or one, together all bytes."""
    link.main.dma_map(BASE + SIZE, 4096)
    tag = link.start("dma_read", "thread", BASE + SIZE - 4, 8)
    want, got = b"12345678", 0
    while got < 8:
        msg, addr, count = link.request(vu.DMA_READ)
        assert addr == BASE + SIZE - 4 + got and got + count <= 8
        link.requests.reply(msg, vu.p_dma(addr, count, want[got:got + count]))
        got += count
    assert link.result(tag) == (0, want.hex())


def test_nothing_to_copy(link):
    assert link.server.ctl("dma_read", "poll", BASE, 0).rc == 0
    assert link.server.ctl("dma_read", "poll").rc == 0
    link.requests.assert_silent(0.02)


@pytest.mark.parametrize("iova, length, rc", [
    (0, 4, -errno.EFAULT), (BASE - 1, 2, -errno.EFAULT),
    (BASE + SIZE, 1, -errno.EFAULT), (vu.U64, 1, -errno.EFAULT),
    (vu.U64 - 3, 8, -errno.EFAULT), (BASE, vu.U64, -errno.EFAULT)])
@pytest.mark.parametrize("op", ["dma_read", "dma_write"])
def test_not_mapped(link, op, iova, length, rc):
    """Nothing leaves for a range that is not mapped."""
    for mode in "poll", "async":
        if mode == "async" and length > vu.XFER:
            continue  # no buffer is that large, and it would be copied
        assert link.server.ctl(op, mode, iova, length).rc == rc
    link.main.sync()
    assert not link.main.commands


@pytest.mark.parametrize("flags, op", [(1, "dma_write"), (2, "dma_read")])
def test_no_permission(link, flags, op):
    link.main.dma_map(0x1000, 4096, flags)
    assert link.server.ctl(op, "poll", 0x1000, 4).rc == -errno.EPERM
    link.main.sync()
    assert not link.main.commands


def test_replies_out_of_order(link):
    """Requests of several threads; answered in the other order."""
    tags = {i: link.start("dma_read", "thread", BASE + i * 16, 1)
            for i in range(8)}
    msgs = [link.request(vu.DMA_READ) for _ in range(8)]
    for msg, addr, count in reversed(msgs):
        link.requests.reply(msg, vu.p_dma(addr, count, bytes([addr >> 4 & 7])))
    for i, tag in tags.items():
        assert link.result(tag) == (0, f"{i:02x}")
    assert len({m[0].id for m in msgs}) == 8


# -- both directions on one socket ----------------------------------------

def test_request_before_reply(link):
    """The client's own requests are answered while the server waits."""
    tag = link.start("dma_read", "thread", BASE, 4)
    msg, addr, count = link.request(vu.DMA_READ)
    for _ in range(20):
        link.main.sync()
    link.main.write(1, 0, b"more")
    link.requests.reply(msg, vu.p_dma(addr, count, b"late"))
    assert link.result(tag) == (0, b"late".hex())


def test_requests_queued_behind_blocking_dma(link):
    """The poller waits in a callback: requests are kept, then answered."""
    tag = link.start("dma_read", "callback", BASE, 4)
    msg, addr, count = link.request(vu.DMA_READ)
    for i in range(50):
        link.main.send(vu.GET_INFO, vu.p_info(), mid=1000 + i)
    link.requests.reply(msg, vu.p_dma(addr, count, b"wait"))
    assert link.server.result(tag) == (0, b"wait".hex())
    link.access = None
    assert link.main.recv_reply().cmd == vu.REGION_READ
    assert [link.main.recv_reply().id for _ in range(50)] == \
        list(range(1000, 1050))


def test_queued_requests_with_fds(link, memory):
    """What is kept meanwhile keeps its own fds."""
    mems = [memory(4096, i) for i in range(5)]
    tag = link.start("dma_read", "callback", BASE, 4)
    msg, addr, count = link.request(vu.DMA_READ)
    for i, mem in enumerate(mems):
        link.main.send(vu.DMA_MAP, vu.p_dma_map(i << 12, 4096), fds=[mem.fd])
        link.main.send(vu.GET_INFO, vu.p_info())
    link.requests.reply(msg, vu.p_dma(addr, count, b"wait"))
    assert link.server.result(tag).rc == 0
    for _ in range(11):
        assert link.main.recv_reply().flags == vu.REPLY
    link.access = None
    for i, mem in enumerate(mems):
        assert link.server.ctl("dma_read", "poll", i << 12, 8) == \
            (0, mem.read(8).hex())


@pytest.mark.server("--dma-timeout", 500)
def test_unmap_while_outstanding(server):
    """The memory of an outstanding request goes away."""
    link = Link(server, False)
    tag = link.start("dma_read", "thread", BASE, 4)
    msg, addr, count = link.request(vu.DMA_READ)
    link.main.send(vu.DMA_UNMAP, vu.p_dma_unmap(BASE, SIZE))
    link.requests.reply(msg, vu.p_dma(addr, count, b"data"))
    assert link.main.recv_reply().cmd == vu.DMA_UNMAP
    assert link.result(tag).rc in (0, -errno.EFAULT)
    link.main.sync()


@pytest.mark.server("--dma-timeout", 500)
def test_reset_while_outstanding(server):
    link = Link(server, False)
    tag = link.start("dma_read", "thread", BASE, 4)
    msg, addr, count = link.request(vu.DMA_READ)
    link.main.send(vu.RESET)
    link.requests.reply(msg, vu.p_dma(addr, count, b"data"))
    assert link.main.recv_reply().cmd == vu.RESET
    assert link.result(tag) == (0, b"data".hex())


# -- error replies --------------------------------------------------------

@pytest.mark.parametrize("op", ["dma_read", "dma_write"])
@pytest.mark.parametrize("err, rc", [
    (errno.EFAULT, -errno.EFAULT), (errno.EPERM, -errno.EPERM), (1, -1),
    (4095, -4095), (0, -errno.EIO)])
@pytest.mark.parametrize("payload", [b"", bytes(16), bytes(100)],
                         ids=[0, 16, 100])
def test_error_reply(link, op, err, rc, payload):
    tag = link.start(op, "thread", BASE, 64)
    msg, _, _ = link.request(vu.DMA_READ if op == "dma_read" else vu.DMA_WRITE)
    link.requests.reply(msg, payload, err=err)
    assert link.result(tag).rc == rc
    working(link)


@pytest.mark.parametrize("err", [4096, 1 << 31, 0xffffffff])
def test_error_reply_out_of_range(link, err):
    tag = link.start("dma_read", "thread", BASE, 64)
    msg, _, _ = link.request(vu.DMA_READ)
    link.requests.reply(msg, err=err)
    assert -4095 <= link.result(tag).rc <= -1
    working(link)


def test_error_in_the_middle(server):
    """The second of three pieces fails: the whole access does."""
    link = Link(server, True, {"max_data_xfer_size": 4096})
    tag = link.start("dma_read", "async", BASE, 3 * 4096)
    for i in range(3):
        try:
            msg, addr, count = link.request(vu.DMA_READ)
        except vu.Silence:
            break
        if i == 1:
            link.requests.reply(msg, err=errno.EFAULT)
            link.requests.timeout = 0.1
        else:
            link.requests.reply(msg, vu.p_dma(addr, count, bytes(count)))
    link.requests.timeout = 5
    assert link.result(tag).rc == -errno.EFAULT
    working(link)


# -- malformed replies: -EPROTO, the connection stays ---------------------

@pytest.mark.parametrize("short", [0, 1, 4095])
def test_short_read(link, short):
    """Fewer bytes than asked for: an I/O error."""
    tag = link.start("dma_read", "thread", BASE, 4096)
    msg, addr, count = link.request(vu.DMA_READ)
    link.requests.reply(msg, vu.p_dma(addr, short, bytes(short)))
    assert link.result(tag).rc == -errno.EIO
    working(link)


@pytest.mark.parametrize("short", [0, 1, 4095])
def test_short_write(link, short):
    tag = link.start("dma_write", "thread", BASE, 4096)
    msg, addr, count = link.request(vu.DMA_WRITE)
    link.requests.reply(msg, vu.p_dma(addr, short))
    assert link.result(tag).rc == -errno.EIO
    working(link)


BAD_READ_REPLIES = {
    "empty": b"",
    "address-only": struct.pack("=Q", BASE),
    "header-15": vu.p_dma(BASE, 64)[:15],
    "no-data": vu.p_dma(BASE, 64),
    "less-data": vu.p_dma(BASE, 64, bytes(63)),
    "more-data": vu.p_dma(BASE, 64, bytes(65)),
    "more-count": vu.p_dma(BASE, 65, bytes(65)),
    "huge-count": vu.p_dma(BASE, 1 << 63, bytes(64)),
    "max-count": vu.p_dma(BASE, vu.U64, bytes(64)),
    "short-count-all-data": vu.p_dma(BASE, 32, bytes(64)),
    "address": vu.p_dma(BASE + 1, 64, bytes(64)),
    "address-0": vu.p_dma(0, 64, bytes(64)),
    "large": vu.p_dma(BASE, 64, bytes(100000)),
}


@pytest.mark.parametrize("payload", BAD_READ_REPLIES.values(),
                         ids=BAD_READ_REPLIES)
def test_bad_read_reply(link, payload):
    tag = link.start("dma_read", "thread", BASE, 64)
    msg, _, _ = link.request(vu.DMA_READ)
    link.requests.reply(msg, payload)
    want = (-errno.EIO, -errno.EPROTO) if payload[8:9] == b"\x20" else \
        (-errno.EPROTO,)
    assert link.result(tag).rc in want
    working(link)


BAD_WRITE_REPLIES = {
    "address-only": struct.pack("=Q", BASE),
    "header-15": vu.p_dma(BASE, 64)[:15],
    "more-count": vu.p_dma(BASE, 65),
    "max-count": vu.p_dma(BASE, vu.U64),
    "address": vu.p_dma(BASE - 1, 64),
}


@pytest.mark.parametrize("payload", BAD_WRITE_REPLIES.values(),
                         ids=BAD_WRITE_REPLIES)
def test_bad_write_reply(link, payload):
    tag = link.start("dma_write", "thread", BASE, 64)
    msg, _, _ = link.request(vu.DMA_WRITE)
    link.requests.reply(msg, payload)
    assert link.result(tag).rc == -errno.EPROTO
    working(link)


def test_wrong_command_in_reply(link):
    """The id is right, the command is not."""
    tag = link.start("dma_read", "thread", BASE, 4)
    msg, addr, count = link.request(vu.DMA_READ)
    link.requests.reply(msg, vu.p_dma(addr, count, b"data"),
                        cmd=vu.DMA_WRITE)
    link.requests.reply(msg, vu.p_dma(addr, count, b"data"))
    assert link.result(tag).rc in (0, -errno.EPROTO)
    working(link)


@pytest.mark.server("--dma-timeout", 300)
def test_wrong_id(server):
    """A reply to something else is ignored."""
    link = Link(server, False)
    tag = link.start("dma_read", "thread", BASE, 4)
    msg, addr, count = link.request(vu.DMA_READ)
    for other in msg.id + 1, msg.id - 1, msg.id ^ 0x8000:
        link.requests.reply(msg, vu.p_dma(addr, count, b"evil"),
                            mid=other & 0xffff)
    link.requests.reply(msg, vu.p_dma(addr, count, b"good"))
    assert link.result(tag) == (0, b"good".hex())


def test_reply_twice(link):
    tag = link.start("dma_read", "thread", BASE, 4)
    msg, addr, count = link.request(vu.DMA_READ)
    for _ in range(3):
        link.requests.reply(msg, vu.p_dma(addr, count, b"once"))
    assert link.result(tag) == (0, b"once".hex())
    working(link)


def test_reply_with_fds(link, event):
    """fds do not belong there; whatever happens, they are closed."""
    link.main.sync()
    before = link.server.fds()
    tag = link.start("dma_read", "thread", BASE, 4)
    msg, addr, count = link.request(vu.DMA_READ)
    link.requests.reply(msg, vu.p_dma(addr, count, b"data"),
                        fds=[event().fd] * 3)
    assert link.result(tag).rc in (0, -errno.EPROTO)
    link.server.wait_fds(before)
    working(link)


# -- QEMU 10.1 ------------------------------------------------------------

@pytest.mark.parametrize("count", [1, 64, 4096])
def test_qemu_write_reply(link, count):
    """The reply to DMA_WRITE is the header only."""
    tag = link.start("dma_write", "thread", BASE, count)
    msg, _, _ = link.request(vu.DMA_WRITE, BASE, count)
    link.requests.reply(msg)
    assert link.result(tag).rc == 0
    working(link)


@pytest.mark.parametrize("count", [4, 5, 64, 4096])
def test_qemu_read_reply(link, count):
    """32-bit count, data at offset 28 of the message."""
    data = vu.pattern(count, 0x81)
    tag = link.start("dma_read", "thread", BASE, count)
    msg, _, _ = link.request(vu.DMA_READ, BASE, count)
    link.requests.reply(msg, struct.pack("=QI", BASE, count) + data)
    assert link.result(tag) == (0, data_text(data))
    working(link)


def test_qemu_read_reply_zero_data(link):
    """Data that make the 64-bit count look right."""
    tag = link.start("dma_read", "thread", BASE, 64)
    msg, _, _ = link.request(vu.DMA_READ)
    link.requests.reply(msg, struct.pack("=QI", BASE, 64) + bytes(64))
    assert link.result(tag) == (0, "00" * 64)
    working(link)


# -- framing of what the client sends -------------------------------------

def test_reply_byte_by_byte(link):
    tag = link.start("dma_read", "thread", BASE, 32)
    msg, addr, count = link.request(vu.DMA_READ)
    raw = vu.message(vu.DMA_READ, vu.p_dma(addr, count, vu.pattern(32, 3)),
                     mid=msg.id, flags=vu.REPLY)
    for byte in raw:
        link.requests.send_raw(bytes([byte]))
    assert link.result(tag) == (0, vu.pattern(32, 3).hex())


def test_command_on_twin_socket(server):
    """Only replies may come there."""
    link = Link(server, True)
    link.requests.send(vu.GET_INFO, vu.p_info())
    try:
        reply = link.requests.recv(0.1)
        vu.check_error(reply, errno.EINVAL)
    except (vu.Silence, vu.Closed):
        pass


def test_garbage_on_twin_socket(server):
    """A stream error there ends the connection as a whole."""
    link = Link(server, True)
    tag = link.start("dma_read", "thread", BASE, 4)
    link.request(vu.DMA_READ)
    link.requests.send_raw(vu.message(vu.DMA_READ, b"", flags=vu.REPLY,
                                      size=3))
    assert link.result(tag).rc in (-errno.ENOTCONN, -errno.EPROTO)
    link.main.assert_closed()


def test_twin_closed(server):
    """The client closes the twin socket only."""
    link = Link(server, True)
    link.requests.close()
    tag = link.start("dma_read", "thread", BASE, 4)
    assert link.result(tag).rc in (-errno.ENOTCONN, -errno.EFAULT)


def test_main_closed(server):
    """The client closes the main socket, the twin stays open."""
    link = Link(server, True)
    tag = link.start("dma_read", "thread", BASE, 4)
    link.request(vu.DMA_READ)
    link.main.close()
    assert link.result(tag).rc == -errno.ENOTCONN
    server.wait_idle()
    link.requests.assert_closed()


# -- nobody answers -------------------------------------------------------

@pytest.mark.parametrize("mode", ["poll", "thread", "async", "callback"])
@pytest.mark.parametrize("op", ["dma_read", "dma_write"])
@pytest.mark.parametrize("twin", [False, True])
@pytest.mark.server("--dma-timeout", 150)
def test_timeout(server, mode, op, twin):
    """-ETIMEDOUT after the configured time; a late reply is ignored."""
    link = Link(server, twin)
    start = time.monotonic()
    tag = link.start(op, mode, BASE, 4)
    cmd = vu.DMA_READ if op == "dma_read" else vu.DMA_WRITE
    msg, addr, count = link.request(cmd)
    assert server.result(tag).rc == -errno.ETIMEDOUT
    assert 0.1 < time.monotonic() - start < 5
    if mode == "callback":
        assert link.main.recv_reply().cmd == vu.REGION_READ
        link.access = None
    link.requests.reply(msg, vu.p_dma(
        addr, count, b"late" if cmd == vu.DMA_READ else b""))
    working(link)


@pytest.mark.server("--dma-timeout", 1000)
def test_timeout_of_one(server):
    """Each request has its own time."""
    link = Link(server, False)
    first = link.start("dma_read", "thread", BASE, 4)
    link.request(vu.DMA_READ)
    second = link.start("dma_read", "thread", BASE + 4, 4)
    msg, addr, count = link.request(vu.DMA_READ)
    link.requests.reply(msg, vu.p_dma(addr, count, b"fast"))
    assert link.result(second) == (0, b"fast".hex())
    assert link.result(first).rc == -errno.ETIMEDOUT


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("op", ["dma_read", "dma_write"])
def test_disconnect_meanwhile(link, mode, op):
    tag = link.start(op, mode, BASE, 4)
    link.request(vu.DMA_READ if op == "dma_read" else vu.DMA_WRITE)
    link.main.close()
    if link.requests is not link.main:
        link.requests.close()
    assert link.server.result(tag).rc == -errno.ENOTCONN
    link.server.wait_idle()


def test_no_client(server):
    server.wait_idle()
    for op in "dma_read", "dma_write":
        for mode in "poll", "thread", "async":
            assert server.ctl(op, mode, BASE, 4).rc in (-errno.EFAULT,
                                                        -errno.ENOTCONN)


def test_destroy_meanwhile(own_server):
    """Destroying the device ends waiting threads with ENOTCONN."""
    server = own_server()
    link = Link(server, False)
    tags = [link.start("dma_read", "thread", BASE + i, 1) for i in range(4)]
    for _ in range(4):
        link.request(vu.DMA_READ)
    assert server.ctl("destroy").rc == 0
    for tag in tags:
        assert server.result(tag).rc == -errno.ENOTCONN
    link.main.assert_closed()


def test_many_threads(server):
    """Thirty threads, answered as they come."""
    link = Link(server, True)
    tags = [link.start("dma_read", "thread", BASE + i, 1) for i in range(30)]
    for _ in range(30):
        msg, addr, count = link.request(vu.DMA_READ)
        link.requests.reply(msg, vu.p_dma(addr, count, bytes([addr & 0xff])))
    for i, tag in enumerate(tags):
        assert link.result(tag) == (0, f"{i:02x}")
