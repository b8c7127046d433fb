# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-user contributors
"""Device and region information, region accesses, reset."""

import errno
import mmap
import os
import struct

import pytest

import vfio_user_wire as vu

RW = vu.REGION_READABLE | vu.REGION_WRITABLE
MAPPABLE = RW | vu.REGION_MMAP
PENDING, SHORT, EIO, DMA, EARLY, NOTHING = (
    0x100, 0x108, 0x110, 0x118, 0x120, 0x128)
SIZES = [0x1000, 0x10000, 0x4000, 0x1000, 0x4000, 0, 0x2000, 0x1000, 0x1000,
         0x2000]


# -- device information ---------------------------------------------------

def test_info(client):
    reply = client.ok(vu.GET_INFO, vu.p_info())
    assert struct.unpack("=IIII", reply.payload) == (16, 3, 10, 6)


@pytest.mark.server("--no-reset")
def test_info_no_reset(client):
    reply = client.ok(vu.GET_INFO, vu.p_info())
    assert struct.unpack("=IIII", reply.payload) == (16, 2, 10, 6)


def test_reset(server, client):
    server.ctl("log")
    client.ok(vu.RESET)
    assert "reset:device" in server.ctl("log").text


@pytest.mark.server("--no-reset")
def test_reset_not_offered(server, client):
    client.fails(errno.EINVAL, vu.RESET)
    assert "reset" not in server.ctl("log").text


def test_reset_fails(server, client):
    server.ctl("reset_status", -errno.EBUSY)
    client.fails(errno.EBUSY, vu.RESET)
    server.ctl("reset_status", 0)
    client.ok(vu.RESET)


def test_reset_keeps_maps_and_irqs(server, client, memory, event):
    """D10: QEMU maps its memory before it resets."""
    mem, ev = memory(4096, 1), event()
    client.dma_map(0, 4096, fd=mem.fd)
    client.set_irqs(vu.MSIX, 5, 1, vu.EVENTFD | vu.TRIGGER, fds=[ev.fd])
    client.ok(vu.RESET)
    assert server.ctl("dma_read", "poll", 0, 8) == (0, mem.read(8).hex())
    assert server.ctl("trigger", vu.MSIX, 5).rc == 0
    assert ev.count() == 1


# -- region information ---------------------------------------------------

@pytest.mark.parametrize("index, flags", [
    (0, RW), (1, RW), (3, vu.REGION_READABLE), (7, RW),
    (8, vu.REGION_WRITABLE)])
@pytest.mark.parametrize("argsz", [32, 33, 4096])
def test_plain_region(client, index, flags, argsz):
    info, caps, fds = client.region_info(index, argsz)
    assert info[:5] == (32, flags, index, 0, SIZES[index])
    assert (caps, fds) == ({}, [])


def test_absent_region(client):
    info, caps, fds = client.region_info(5)
    assert info[:5] == (32, 0, 5, 0, 0)
    assert (caps, fds) == ({}, [])


@pytest.mark.parametrize("index", [10, 11, 255, 1 << 31, 0xffffffff])
def test_no_such_region(client, index):
    for argsz in 32, 4096:
        client.fails(errno.EINVAL, vu.REGION_INFO,
                     vu.p_region_info(index, argsz))
    client.fails(errno.EINVAL, vu.REGION_IO_FDS, vu.p_io_fds(index))
    client.fails(errno.EINVAL, vu.REGION_READ, vu.p_access(index, 0, 4))
    client.fails(errno.EINVAL, vu.REGION_WRITE,
                 vu.p_access(index, 0, 4, bytes(4)))


def test_sparse_region(client):
    info, caps, fds = client.region_info(2)
    assert info.flags == MAPPABLE | vu.REGION_CAPS
    assert info.offset == 0x8000
    assert len(fds) == 1
    assert list(caps) == [vu.CAP_SPARSE]
    version, body = caps[vu.CAP_SPARSE]
    assert version == 1
    assert vu.parse_sparse(body) == [(0x1000, 0x1000), (0x3000, 0x1000)]
    assert info.argsz == 32 + 16 + 2 * 16


def test_sparse_region_memory(client):
    """The fd is the region: offset and area offset, one memory."""
    info, caps, fds = client.region_info(2)
    for start, size in vu.parse_sparse(caps[vu.CAP_SPARSE][1]):
        with mmap.mmap(fds[0], size, offset=info.offset + start) as mem:
            assert mem[:100] == client.read(2, start, 100)
            mem[10:14] = b"mmap"
            assert client.read(2, start + 10, 4) == b"mmap"
            client.write(2, start + 20, b"sock")
            assert mem[20:24] == b"sock"


@pytest.mark.parametrize("index, need", [(2, 80), (4, 64), (9, 80)])
def test_truncated(client, index, need):
    """Room for the structure only: no capability, no fd, the size needed."""
    for argsz in 32, 33, need - 1:
        reply = client.ok(vu.REGION_INFO, vu.p_region_info(index, argsz))
        assert len(reply.payload) == 32 and reply.fds == []
        info, _ = vu.parse_region_info(reply.payload)
        assert info[:5] == (need, MAPPABLE, index, 0, SIZES[index])
    for argsz in need, need + 1, 4064, 1 << 20, 0xffffffff:
        reply = client.ok(vu.REGION_INFO, vu.p_region_info(index, argsz))
        assert len(reply.payload) == need and len(reply.fds) == 1
        info, caps = vu.parse_region_info(reply.payload)
        assert info.flags == MAPPABLE | vu.REGION_CAPS
        assert info.argsz == need and caps


@pytest.mark.parametrize("argsz", [32, 80, 4096])
def test_wholly_mappable(client, argsz):
    """The fd comes at once, there is no capability."""
    info, caps, fds = client.region_info(6, argsz)
    assert info.argsz == 32
    assert info.flags == vu.REGION_READABLE | vu.REGION_MMAP
    assert caps == {} and len(fds) == 1
    with mmap.mmap(fds[0], 0x2000, prot=mmap.PROT_READ) as mem:
        assert mem[0x1ff0:] == client.read(6, 0x1ff0, 16)


def test_type_capability(client):
    info, caps, fds = client.region_info(9)
    assert info.flags == MAPPABLE | vu.REGION_CAPS
    assert set(caps) == {vu.CAP_SPARSE, vu.CAP_TYPE} and len(fds) == 1
    version, body = caps[vu.CAP_TYPE]
    assert version == 1
    assert struct.unpack("=II", body) == (0x80001b36, 7)
    assert vu.parse_sparse(caps[vu.CAP_SPARSE][1]) == [(0, 0x1000)]


def test_areas_with_own_fds_left_out(client):
    """A client without sparse_mmap_fds gets the areas of the region's fd."""
    info, caps, fds = client.region_info(4)
    assert list(caps) == [vu.CAP_SPARSE] and len(fds) == 1
    assert vu.parse_sparse(caps[vu.CAP_SPARSE][1]) == [(0x1000, 0x1000)]
    with mmap.mmap(fds[0], 0x1000, offset=info.offset + 0x1000) as mem:
        client.write(4, 0x1000, b"area")
        assert mem[:4] == b"area"


def fds_client(server, max_fds=16):
    return server.client(dict(vu.CAPS, max_msg_fds=max_fds,
                              sparse_mmap_fds=True))


def test_areas_with_own_fds(server):
    conn = fds_client(server)
    info, caps, fds = conn.region_info(4)
    assert info.flags == MAPPABLE | vu.REGION_CAPS
    assert list(caps) == [vu.CAP_SPARSE_FDS]
    version, body = caps[vu.CAP_SPARSE_FDS]
    assert version == 1
    areas = vu.parse_sparse_fds(body)
    assert [(a[0], a[2]) for a in areas] == [
        (0, 0x1000), (0x1000, 0x1000), (0x3000, 0x1000)]
    assert len(fds) == 3 and sorted(a[3] for a in areas) == [0, 1, 2]
    starts = []
    for _, fd_offset, size, index in areas:
        with mmap.mmap(fds[index], size, offset=fd_offset) as mem:
            starts.append(mem[:16])
    assert starts[0] == vu.pattern(16, 0xa0)
    assert starts[1] == conn.read(4, 0x1000, 16)
    assert starts[2] == vu.pattern(0x2010, 0xb0)[0x2000:]


def test_areas_with_own_fds_truncated(server):
    conn = fds_client(server)
    reply = conn.ok(vu.REGION_INFO, vu.p_region_info(4, 32))
    assert len(reply.payload) == 32 and reply.fds == []
    info, _ = vu.parse_region_info(reply.payload)
    assert info.argsz == 32 + 16 + 3 * 32
    assert info.flags == MAPPABLE and info.cap_offset == 0


@pytest.mark.parametrize("max_fds", [1, 2])
def test_more_own_fds_than_client_takes(server, max_fds):
    conn = fds_client(server, max_fds)
    info, caps, fds = conn.region_info(4)
    assert 1 <= len(fds) <= max_fds
    if vu.CAP_SPARSE_FDS in caps:
        areas = vu.parse_sparse_fds(caps[vu.CAP_SPARSE_FDS][1])
        assert all(a[3] < len(fds) for a in areas)
    else:
        assert vu.parse_sparse(caps[vu.CAP_SPARSE][1]) == [(0x1000, 0x1000)]


def test_other_regions_with_sparse_fds(server):
    """One fd for all areas: the old capability."""
    conn = fds_client(server)
    for index in 2, 9:
        _, caps, fds = conn.region_info(index)
        assert vu.CAP_SPARSE in caps and vu.CAP_SPARSE_FDS not in caps
        assert len(fds) == 1


@pytest.mark.parametrize("index", [2, 4, 6, 9])
def test_client_takes_no_fds(server, index):
    """Nothing can be mapped then."""
    conn = server.client({"max_msg_fds": 0})
    info, caps, fds = conn.region_info(index)
    assert fds == [] and not info.flags & vu.REGION_MMAP
    assert vu.CAP_SPARSE not in caps and vu.CAP_SPARSE_FDS not in caps
    assert (vu.CAP_TYPE in caps) == (index == 9)


@pytest.mark.parametrize("fields", range(1, 6))
def test_region_info_other_fields(client, fields):
    """"All other fields must be zero": they are not looked at."""
    raw = bytearray(vu.p_region_info(1))
    offset, size = ((4, 4), (12, 4), (16, 8), (24, 8), (12, 20))[fields - 1]
    raw[offset:offset + size] = b"\xff" * size
    reply = client.ok(vu.REGION_INFO, bytes(raw))
    assert vu.parse_region_info(reply.payload)[0][:5] == \
        (32, RW, 1, 0, 0x10000)


def test_region_info_fds_not_leaked(server, client):
    before = server.fds()
    for _ in range(100):
        _, _, fds = client.region_info(2)
        os.close(fds[0])
        client.received.remove(fds[0])
    server.wait_fds(before)


# -- ioeventfds -----------------------------------------------------------

def sub_regions(payload):
    argsz, flags, index, count = struct.unpack_from("=IIII", payload)
    assert (flags, argsz) == (0, 16 + 40 * count) and len(payload) == argsz
    return [struct.unpack_from("=QQIIIIQ", payload, 16 + 40 * i)
            for i in range(count)]


WANT = [(0x10, 4, 0, 0, 0, 0, 0), (0x20, 8, 0, 0, 1, 0, 0x1234),
        (0x30, 2, 1, 0, 0, 0, 0)]


@pytest.mark.parametrize("argsz", [16 + 3 * 40, 4096, 0xffffffff])
def test_io_fds(client, argsz):
    """Two share an eventfd, it is sent once."""
    reply = client.ok(vu.REGION_IO_FDS, vu.p_io_fds(0, argsz))
    assert sub_regions(reply.payload) == WANT
    assert len(reply.fds) == 2
    for fd in reply.fds:
        os.eventfd_write(fd, 1)
        assert os.eventfd_read(fd) == 1


@pytest.mark.parametrize("argsz", [16, 17, 56, 16 + 3 * 40 - 1])
def test_io_fds_truncated(client, argsz):
    reply = client.ok(vu.REGION_IO_FDS, vu.p_io_fds(0, argsz))
    assert reply.payload == struct.pack("=IIII", 16 + 3 * 40, 0, 0, 0)
    assert reply.fds == []


@pytest.mark.parametrize("index", [1, 2, 5, 7, 9])
def test_io_fds_none(client, index):
    reply = client.ok(vu.REGION_IO_FDS, vu.p_io_fds(index, 4096))
    assert reply.payload == struct.pack("=IIII", 16, 0, index, 0)
    assert reply.fds == []


@pytest.mark.parametrize("payload", [
    vu.p_io_fds(0, 15), vu.p_io_fds(0, 0), vu.p_io_fds(0, 4096, flags=1),
    vu.p_io_fds(0, 4096, count=1), vu.p_io_fds(0, 4096, flags=1 << 31),
    vu.p_io_fds(10, 4096), vu.p_io_fds(0xffffffff, 4096)])
def test_io_fds_bad(client, payload):
    client.fails(errno.EINVAL, vu.REGION_IO_FDS, payload)


@pytest.mark.server("--ioeventfds", 30)
@pytest.mark.parametrize("max_fds, subs, fds", [
    (0, 0, 0), (1, 2, 1), (2, 3, 2), (16, 17, 16), (64, 33, 32)])
def test_io_fds_limit(server, max_fds, subs, fds):
    """As many as distinct fds fit into what the client takes."""
    conn = server.client({"max_msg_fds": max_fds})
    reply = conn.ok(vu.REGION_IO_FDS, vu.p_io_fds(0, 8192))
    got = sub_regions(reply.payload)
    assert (len(got), len(reply.fds)) == (subs, fds)
    assert all(s[2] < fds for s in got)
    if subs:
        need = 16 + 40 * subs
        reply = conn.ok(vu.REGION_IO_FDS, vu.p_io_fds(0, need))
        assert len(reply.fds) == fds
        reply = conn.ok(vu.REGION_IO_FDS, vu.p_io_fds(0, need - 1))
        assert reply.payload == struct.pack("=IIII", need, 0, 0, 0)
        assert reply.fds == []


# -- accesses -------------------------------------------------------------

@pytest.mark.parametrize("region", [0, 1, 2, 4, 7, 9])
@pytest.mark.parametrize("count", [1, 2, 3, 4, 7, 8, 200])
def test_read_write(client, region, count):
    data = vu.pattern(count, count + region)
    for offset in 0x200, 0x201, SIZES[region] - count:
        assert client.write(region, offset, data) == count
        assert client.read(region, offset, count) == data


def test_whole_region(client):
    data = vu.pattern(0x10000, 1)
    assert client.write(1, 0, data) == 0x10000
    assert client.read(1, 0, 0x10000) == data


@pytest.mark.server("--config-size", 256)
@pytest.mark.parametrize("count, err", [(256, 0), (257, errno.EINVAL),
                                        (4096, errno.EINVAL)])
def test_config_256(client, count, err):
    assert client.region_info(7)[0].size == 256
    reply = client.call(vu.REGION_READ, vu.p_access(7, 0, count))
    assert reply.error == err


def test_config_4096(client):
    """QEMU reads all of it in one message."""
    assert len(client.read(7, 0, 4096)) == 4096


OUTSIDE = [
    (0x1000, 1), (0xfff, 2), (0xffc, 8), (0, 0x1001), (1 << 32, 4),
    (vu.U64, 1), (vu.U64, 2), (vu.U64 - 3, 8), (0x800, 0xffffffff),
    (vu.U64 - 0xfff, 0x1000), (1 << 63, 8), (0, 0xffffffff)]


@pytest.mark.parametrize("offset, count", OUTSIDE)
@pytest.mark.parametrize("region", [0, 7])
def test_outside(client, region, offset, count):
    """Beyond the end, and the sum wraps."""
    client.fails(errno.EINVAL, vu.REGION_READ,
                 vu.p_access(region, offset, count))
    data = bytes(min(count, 8192))
    client.fails(errno.EINVAL, vu.REGION_WRITE,
                 vu.p_access(region, offset, count, data))
    client.sync()


@pytest.mark.parametrize("region, read, write", [
    (3, 0, errno.EINVAL), (6, 0, errno.EINVAL), (8, errno.EINVAL, 0),
    (5, errno.EINVAL, errno.EINVAL)])
def test_direction(client, region, read, write):
    """Read-only, write-only and absent regions."""
    reply = client.call(vu.REGION_READ, vu.p_access(region, 0, 4))
    assert reply.error == read
    reply = client.call(vu.REGION_WRITE, vu.p_access(region, 0, 4, bytes(4)))
    assert reply.error == write


@pytest.mark.parametrize("region, offset", [(0, 0), (0, 0x1000), (1, 5),
                                            (7, 0), (1, 0x10000)])
def test_count_0(client, region, offset):
    for cmd in vu.REGION_READ, vu.REGION_WRITE:
        request = vu.p_access(region, offset, 0)
        assert client.ok(cmd, request).payload == request


@pytest.mark.parametrize("offset", [0x10001, 1 << 40, vu.U64])
def test_count_0_outside(client, offset):
    for cmd in vu.REGION_READ, vu.REGION_WRITE:
        client.fails(errno.EINVAL, cmd, vu.p_access(1, offset, 0))


@pytest.mark.server("--xfer", 4096)
def test_count_over_server_limit(client):
    assert len(client.read(1, 0, 4096)) == 4096
    client.fails(errno.EINVAL, vu.REGION_READ, vu.p_access(1, 0, 4097))
    client.write(1, 0, bytes(4096))
    client.fails(errno.EINVAL, vu.REGION_WRITE,
                 vu.p_access(1, 0, 4097, bytes(4097)))
    client.sync()


@pytest.mark.parametrize("present", [0, 1, 99])
def test_write_payload_short(client, present):
    """Less data than count says: nothing is written."""
    client.write(1, 0, b"\x11" * 100)
    client.fails(errno.EINVAL, vu.REGION_WRITE,
                 vu.p_access(1, 0, 100, b"\x22" * present))
    assert client.read(1, 0, 100) == b"\x11" * 100


def test_write_payload_long(client):
    client.write(1, 0, b"\x33" * 16)
    reply = client.ok(vu.REGION_WRITE, vu.p_access(1, 0, 4, b"\x44" * 16))
    assert reply.payload == vu.p_access(1, 0, 4)
    assert client.read(1, 0, 8) == b"\x44" * 4 + b"\x33" * 4


# -- what callbacks answer ------------------------------------------------

def test_callback_error(client):
    client.fails(errno.EIO, vu.REGION_READ, vu.p_access(0, EIO, 4))
    client.fails(errno.EIO, vu.REGION_WRITE, vu.p_access(0, EIO, 4, bytes(4)))
    client.sync()


@pytest.mark.parametrize("count, done", [(8, 4), (5, 2), (1, 0)])
def test_callback_short(client, count, done):
    assert len(client.read(0, SHORT, count)) == done
    assert client.write(0, SHORT, bytes(count)) == done


def test_callback_does_nothing(client):
    assert client.read(0, NOTHING, 4) == b""
    assert client.write(0, NOTHING, bytes(4)) == 0


def test_pending_read(server, client):
    """Later requests wait; the reply comes with the completion."""
    client.send(vu.REGION_READ, vu.p_access(0, PENDING, 4), mid=1)
    client.send(vu.GET_INFO, vu.p_info(), mid=2)
    server.wait_log("pending:4")
    client.assert_silent(0.05)
    assert server.ctl("complete", 4, "01020304").rc == 0
    first, second = client.recv_reply(), client.recv_reply()
    assert (first.id, second.id) == (1, 2)
    assert first.payload == vu.p_access(0, PENDING, 4, b"\1\2\3\4")
    assert server.ctl("complete", 4, "01020304").rc == -errno.ESTALE


def test_pending_write(server, client):
    client.send(vu.REGION_WRITE, vu.p_access(0, PENDING, 4, b"wxyz"))
    server.wait_log("pending:4")
    client.assert_silent(0.03)
    assert server.ctl("complete", 4).rc == 0
    assert client.recv_reply().payload == vu.p_access(0, PENDING, 4)
    # the data had been copied
    client.send(vu.REGION_READ, vu.p_access(0, PENDING, 4))
    server.wait_log("pending:4")
    client.assert_silent(0.03)
    server.ctl("complete", -errno.EPERM)
    vu.check_error(client.recv_reply(), errno.EPERM)


@pytest.mark.parametrize("result, data, count", [(2, "0102", 2), (0, "", 0)])
def test_pending_short(server, client, result, data, count):
    client.send(vu.REGION_READ, vu.p_access(0, PENDING, 4))
    server.wait_log("pending:4")
    client.assert_silent(0.03)
    assert server.ctl("complete", result, data).rc == 0
    reply = client.recv_reply()
    assert reply.payload == vu.p_access(0, PENDING, count, b"\1\2"[:count])


def test_pending_bad_completion(server, client):
    """More than was asked for, or no data: refused, still pending."""
    client.send(vu.REGION_READ, vu.p_access(0, PENDING, 4))
    server.wait_log("pending:4")
    client.assert_silent(0.03)
    assert server.ctl("complete", 5, "0102030405").rc == -errno.EINVAL
    assert server.ctl("complete", 4).rc == -errno.EINVAL
    assert server.ctl("complete", 4, "01020304").rc == 0
    assert client.recv_reply().flags == vu.REPLY


def test_completed_early(client):
    """Completed inside the callback."""
    assert client.read(0, EARLY, 8) == vu.pattern(8, 0xe0)
    assert client.write(0, EARLY, bytes(8)) == 8
    client.send_raw(vu.message(vu.REGION_READ, vu.p_access(0, EARLY, 4)) * 20)
    for _ in range(20):
        assert client.recv_reply().payload[16:] == vu.pattern(4, 0xe0)


def test_disconnect_while_pending(server):
    conn = server.client()
    conn.send(vu.REGION_READ, vu.p_access(0, PENDING, 4))
    server.wait_log("pending:4")
    conn.assert_silent(0.03)
    conn.close()
    server.wait_idle()
    assert server.ctl("complete", 4, "01020304").rc == -errno.ESTALE


def test_stale_completion_after_reconnect(server):
    """A completion for the last client does not answer the next one."""
    conn = server.client()
    conn.send(vu.REGION_READ, vu.p_access(0, PENDING, 4))
    server.wait_log("pending:4")
    conn.assert_silent(0.03)
    conn.close()
    server.wait_idle()
    conn = server.client()
    conn.sync()
    assert server.ctl("complete", 4, "01020304").rc == -errno.ESTALE
    conn.assert_silent(0.02)


def test_pending_posted_write(server, client):
    """A NO_REPLY write that completes later: no reply, order kept."""
    client.send(vu.REGION_WRITE, vu.p_access(0, PENDING, 4, b"post"),
                flags=vu.NO_REPLY)
    client.send(vu.GET_INFO, vu.p_info(), mid=2)
    server.wait_log("pending:4")
    client.assert_silent(0.05)
    assert server.ctl("complete", 4).rc == 0
    assert client.recv_reply().id == 2


# -- REGION_WRITE_MULTI ---------------------------------------------------

def multi(client, writes, **kw):
    reply = client.ok(vu.WRITE_MULTI, vu.p_multi(writes, **kw))
    assert len(reply.payload) == 8
    return struct.unpack("=Q", reply.payload)[0]


@pytest.mark.parametrize("count", [1, 2, 8, 200, 5000])
def test_multi(client, count):
    writes = [(1, 8 * (i % 8000), struct.pack("=Q", i)) for i in range(count)]
    assert multi(client, writes) == count
    for i in 0, count - 1:
        assert client.read(1, 8 * i, 8) == struct.pack("=Q", i)


@pytest.mark.parametrize("length", range(1, 9))
def test_multi_lengths(client, length):
    client.write(1, 0, bytes(16))
    assert multi(client, [(1, 3, b"\xff" * length)]) == 1
    assert client.read(1, 0, 16) == \
        bytes(3) + b"\xff" * length + bytes(13 - length)


def test_multi_none(client):
    assert multi(client, []) == 0
    reply = client.ok(vu.WRITE_MULTI, vu.p_multi([], 0) + bytes(24))
    assert reply.payload == bytes(8)


@pytest.mark.parametrize("cnt", [2, 3, 1 << 31, 1 << 32, 1 << 60,
                                 (1 << 64) // 24 + 1, vu.U64])
def test_multi_count_too_large(client, cnt):
    client.write(1, 0, bytes(8))
    client.fails(errno.EINVAL, vu.WRITE_MULTI,
                 vu.p_multi([(1, 0, b"\xff")], cnt=cnt))
    assert client.read(1, 0, 8) == bytes(8)


BAD_WRITES = {
    "region": ((10, 0, b"x"), errno.EINVAL),
    "absent": ((5, 0, b"x"), errno.EINVAL),
    "read-only": ((3, 0, b"x"), errno.EINVAL),
    "outside": ((1, 0x10000, b"x"), errno.EINVAL),
    "across": ((1, 0xffff, b"xy"), errno.EINVAL),
    "wrap": ((1, vu.U64, b"xy"), errno.EINVAL),
    "empty": ((1, 0, b"", 0), errno.EINVAL),
    "nine": ((1, 0, b"12345678", 9), errno.EINVAL),
    "huge": ((1, 0, b"12345678", 0xffffffff), errno.EINVAL),
    "callback": ((0, EIO, b"x"), errno.EIO),
}


@pytest.mark.parametrize("bad, err", BAD_WRITES.values(), ids=BAD_WRITES)
def test_multi_bad_write(client, bad, err):
    """The first fails: its errno. A later one: the number done before it."""
    client.write(1, 0x500, bytes(4))
    client.fails(err, vu.WRITE_MULTI, vu.p_multi([bad, (1, 0x500, b"a")]))
    assert client.read(1, 0x500, 4) == bytes(4)
    assert multi(client, [(1, 0x500, b"a"), (1, 0x501, b"b"), bad,
                          (1, 0x502, b"c")]) == 2
    assert client.read(1, 0x500, 4) == b"ab\0\0"


def test_multi_short_write(client):
    """A callback that takes less of one write is no error."""
    assert multi(client, [(1, 0x600, b"a"), (0, SHORT, b"1234"),
                          (1, 0x601, b"b")]) == 3
    assert client.read(1, 0x600, 2) == b"ab"


def test_multi_pending(server, client):
    """One of the writes completes later."""
    client.write(1, 0x700, bytes(4))
    client.send(vu.WRITE_MULTI, vu.p_multi(
        [(1, 0x700, b"a"), (0, PENDING, b"1234"), (1, 0x701, b"b")]), mid=1)
    client.send(vu.GET_INFO, vu.p_info(), mid=2)
    server.wait_log("pending:4")
    client.assert_silent(0.05)
    assert server.ctl("complete", 4).rc == 0
    reply = client.recv_reply()
    assert (reply.id, reply.payload) == (1, struct.pack("=Q", 3))
    assert client.recv_reply().id == 2
    assert client.read(1, 0x700, 4) == b"ab\0\0"


def test_multi_without_negotiation(server):
    """QEMU 10.1 may send it unasked; it works or is refused, in step."""
    conn = server.client({})
    reply = conn.call(vu.WRITE_MULTI, vu.p_multi([(1, 0, b"x")]))
    assert reply.error in (0, errno.EINVAL)
    conn.sync()


def test_multi_posted(client):
    """As QEMU sends it."""
    for i in range(100):
        client.send(vu.WRITE_MULTI, vu.p_multi(
            [(1, 4 * j, struct.pack("=I", i + j)) for j in range(200)]),
            flags=vu.NO_REPLY)
    assert client.read(1, 4 * 199, 4) == struct.pack("=I", 99 + 199)
