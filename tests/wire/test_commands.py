# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-user contributors
"""What holds for every command: sizes, flags, fds, state, splitting."""

import errno

import pytest

import vfio_user_wire as vu


class Case:
    """A good request: its payload, the length of its structure and reply."""

    def __init__(self, cmd, payload=b"", reply=0, fds=0, prepare=None,
                 minimum=None):
        self.cmd = cmd
        self.payload = payload
        self.minimum = len(payload) if minimum is None else minimum
        self.reply = reply
        self.fds = fds  # that are tolerated
        self.prepare = prepare  # makes the request good (again)


def mapped(client):
    client.call(vu.DMA_UNMAP, vu.p_dma_unmap(0, 0, vu.UNMAP_ALL))
    client.dma_map(0x1000, 0x1000)


def unmapped(client):
    client.call(vu.DMA_UNMAP, vu.p_dma_unmap(0, 0, vu.UNMAP_ALL))


CASES = {
    "dma_map": Case(vu.DMA_MAP, vu.p_dma_map(0x1000, 0x1000), 0, 1,
                    unmapped),
    "dma_unmap": Case(vu.DMA_UNMAP, vu.p_dma_unmap(0x1000, 0x1000), 24, 1,
                      mapped),
    "info": Case(vu.GET_INFO, vu.p_info(), 16),
    "region_info": Case(vu.REGION_INFO, vu.p_region_info(0), 32),
    "io_fds": Case(vu.REGION_IO_FDS, vu.p_io_fds(1), 16),
    "irq_info": Case(vu.IRQ_INFO, vu.p_irq_info(0), 16),
    "set_irqs": Case(vu.SET_IRQS,
                     vu.p_set_irqs(0, 0, 0, vu.NONE | vu.TRIGGER)),
    "read": Case(vu.REGION_READ, vu.p_access(1, 0, 4), 20),
    "write": Case(vu.REGION_WRITE, vu.p_access(1, 0, 4, b"abcd"), 16),
    "write_multi": Case(vu.WRITE_MULTI, vu.p_multi([(1, 0, b"abcd")]), 8),
    "reset": Case(vu.RESET),
}

every = pytest.mark.parametrize("case", CASES.values(), ids=CASES)


def prepared(client, case):
    if case.prepare:
        case.prepare(client)
    return case


def good(client, case, **kw):
    prepared(client, case)
    reply = client.ok(case.cmd, case.payload, **kw)
    assert len(reply.payload) == case.reply
    assert reply.fds == []


@every
def test_good(client, case):
    good(client, case)


@every
def test_short_payload(client, case):
    """Every length below the structure."""
    prepared(client, case)
    for length in range(case.minimum):
        client.fails(errno.EINVAL, case.cmd, case.payload[:length])
    good(client, case)


@every
@pytest.mark.parametrize("extra", [1, 3, 8, 1000, 4000])
def test_long_payload(client, case, extra):
    """SPDK sends whole buffers: what is behind the structure is ignored."""
    prepared(client, case)
    reply = client.ok(case.cmd, case.payload + b"\xff" * extra)
    assert len(reply.payload) == case.reply
    client.sync()


@every
@pytest.mark.parametrize("flags", [1 << 6, 1 << 31, 0xffffff00, vu.ERROR,
                                   vu.ERROR | 1 << 8])
def test_bad_flags(client, case, flags):
    prepared(client, case)
    mid = client.send(case.cmd, case.payload, flags=flags & ~vu.NO_REPLY)
    reply = client.recv_reply()
    assert (reply.id, reply.cmd) == (mid, case.cmd)
    vu.check_error(reply, errno.EINVAL)
    good(client, case)


@every
def test_error_field_ignored(client, case):
    """The field has a meaning in replies only."""
    good(client, case, error=5)
    good(client, case, error=0xffffffff)


@every
@pytest.mark.parametrize("count", [1, 2, 8, 16, 17, 253])
def test_fds(server, client, memory, case, count):
    """fds that a command does not take: EINVAL, and none stays open."""
    mem = memory(0x10000)
    prepared(client, case)
    before = server.fds()
    reply = client.call(case.cmd, case.payload, fds=[mem.fd] * count)
    assert reply.error == (0 if count <= case.fds else errno.EINVAL)
    if reply.error:
        server.wait_fds(before)
        good(client, case)
    unmapped(client)
    server.wait_fds(before)


@every
def test_before_version(server, case):
    """EINVAL, and VERSION may still come."""
    conn = server.connect()
    conn.fails(errno.EINVAL, case.cmd, case.payload)
    conn.fails(errno.EINVAL, case.cmd, case.payload + bytes(100))
    conn.fails(errno.EINVAL, case.cmd)
    conn.negotiate()
    good(conn, case)


@every
def test_before_version_with_fds(server, event, case):
    conn = server.connect()
    conn.fails(errno.EINVAL, 999)  # the server knows the connection
    before = server.fds()
    conn.fails(errno.EINVAL, case.cmd, case.payload, fds=[event().fd] * 2)
    server.wait_fds(before)
    conn.send(case.cmd, case.payload, flags=vu.NO_REPLY)
    conn.negotiate()
    good(conn, case)


@every
def test_split(client, case):
    """Byte by byte."""
    prepared(client, case)
    for byte in vu.message(case.cmd, case.payload, mid=77):
        client.send_raw(bytes([byte]))
    reply = client.recv_reply()
    assert (reply.id, reply.flags) == (77, vu.REPLY)
    assert len(reply.payload) == case.reply


@every
def test_pipelined(client, case):
    """Between others, in one write."""
    prepared(client, case)
    info = vu.message(vu.GET_INFO, vu.p_info(), mid=1)
    client.send_raw(info + vu.message(case.cmd, case.payload, mid=2) + info)
    replies = [client.recv_reply() for _ in range(3)]
    assert [(m.id, m.error) for m in replies] == [(1, 0), (2, 0), (1, 0)]


@every
def test_no_reply(client, case):
    """No answer, neither to a good one nor to a bad one."""
    prepared(client, case)
    client.send(case.cmd, case.payload, flags=vu.NO_REPLY)
    client.sync()
    client.send(case.cmd, b"" if case.minimum else b"x",
                flags=vu.NO_REPLY)
    client.send(case.cmd, case.payload, flags=vu.NO_REPLY | 1 << 9)
    client.sync()


@every
def test_no_reply_fds_closed(server, client, event, case):
    """A refused message without reply does not keep its fds either."""
    before = server.fds()
    client.send(case.cmd, case.payload, flags=vu.NO_REPLY,
                fds=[event().fd] * 16)
    client.sync()
    server.wait_fds(before)


@every
def test_close_after_request(server, case):
    """The client is gone before it could be answered."""
    conn = prepared_conn = server.client()
    prepared(prepared_conn, case)
    for _ in range(50):
        conn.send(case.cmd, case.payload)
    conn.close()
    server.wait_idle()


ARGSZ = {
    "dma_map": (vu.DMA_MAP, lambda n: vu.p_dma_map(0x5000, 4096, argsz=n), 32),
    "dma_unmap": (vu.DMA_UNMAP,
                  lambda n: vu.p_dma_unmap(0x5000, 4096, argsz=n), 24),
    "info": (vu.GET_INFO, vu.p_info, 16),
    "region_info": (vu.REGION_INFO, lambda n: vu.p_region_info(2, n), 32),
    "io_fds": (vu.REGION_IO_FDS, lambda n: vu.p_io_fds(0, n), 16),
    "irq_info": (vu.IRQ_INFO, lambda n: vu.p_irq_info(2, n), 16),
    "set_irqs": (vu.SET_IRQS, lambda n: vu.p_set_irqs(
        0, 0, 0, vu.NONE | vu.TRIGGER, argsz=n), 20),
}
argsz = pytest.mark.parametrize("cmd, build, need", ARGSZ.values(), ids=ARGSZ)


@argsz
def test_argsz_too_small(client, cmd, build, need):
    for size in (0, 1, need // 2, need - 1):
        client.fails(errno.EINVAL, cmd, build(size))


@argsz
@pytest.mark.parametrize("more", [1, 100, 4096, 1 << 24, 0xffffffff])
def test_argsz_large(client, cmd, build, need, more):
    """A large argsz is room, not a demand."""
    client.dma_map(0x5000, 4096)
    if cmd == vu.DMA_MAP:
        client.dma_unmap(0x5000, 4096)
    size = min(need + more, 0xffffffff)
    reply = client.ok(cmd, build(size))
    assert len(reply.payload) < 4096
    client.sync()
