# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-user contributors
"""DMA_MAP and DMA_UNMAP."""

import errno
import fcntl
import os
import socket
import struct
import tempfile

import pytest

import harness
import vfio_user_wire as vu

PAGE = 4096


def refused(server, client, err, payload, fds=(), cmd=vu.DMA_MAP):
    """The errno, no mapping more than before, no fd left."""
    before = server.fds()
    count = server.ctl("dma_count").rc
    client.fails(err, cmd, payload, fds=fds)
    assert server.ctl("dma_count").rc == count
    server.wait_fds(before)


def lookup(server, iova):
    """(iova, size, prot, mode, mapped, fd, offset) or None."""
    res = server.ctl("lookup", iova)
    if res.rc == -errno.ENOENT:
        return None
    return tuple(int(w, 0) for w in res.text.split())


# -- good ones ------------------------------------------------------------

@pytest.mark.parametrize("flags, prot", [(1, 1), (2, 2), (3, 3)])
@pytest.mark.parametrize("mode", [0, vu.MAP_MMAP, vu.MAP_FILE,
                                  vu.MAP_MMAP | vu.MAP_FILE])
def test_map_fd(server, client, memory, flags, prot, mode):
    mem = memory(0x10000, 1)
    client.dma_map(0x100000, 0x4000, flags | mode, 0x2000, mem.fd)
    is_file = mode == vu.MAP_FILE
    got = lookup(server, 0x101234)
    assert got == (0x100000, 0x4000, prot, 1 if is_file else 0,
                   0 if is_file else 1, 1, 0x2000)
    if prot & 1:
        assert server.ctl("dma_read", "poll", 0x100010, 64) == \
            (0, mem.read(64, 0x2010).hex())
    if prot & 2:
        assert server.ctl("dma_write", "poll", 0x100100, 300).rc == 0
        assert mem.read(300, 0x2100) == vu.pattern(300, 0x5a)
    client.dma_unmap(0x100000, 0x4000)
    assert lookup(server, 0x101234) is None


@pytest.mark.parametrize("flags, op", [(2, "dma_read"), (1, "dma_write")])
@pytest.mark.parametrize("mode", [0, vu.MAP_FILE])
def test_access_not_allowed(server, client, memory, flags, op, mode):
    client.dma_map(0, PAGE, flags | mode, fd=memory(PAGE).fd)
    assert server.ctl(op, "poll", 0, 4).rc == -errno.EPERM


def test_map_without_fd(server, client):
    """QEMU maps ROMs and BARs of other devices like this."""
    client.dma_map(0xe0000, 0x20000, vu.MAP_READ)
    assert lookup(server, 0xe0000) == (0xe0000, 0x20000, 1, 2, 0, 0, 0)


@pytest.mark.parametrize("addr, size", [
    (0, 1), (1, 1), (vu.U64, 1), (vu.U64 - PAGE + 1, PAGE), (0, vu.U64),
    (1, vu.U64), (1 << 63, 1 << 63), (0x1003, 0x777), (0, 1 << 63)])
def test_extreme_ranges(server, client, addr, size):
    client.dma_map(addr, size)
    for iova in addr, addr + size // 2, addr + size - 1:
        assert lookup(server, iova)[:2] == (addr, size)
    client.dma_unmap(addr, size)
    assert server.ctl("dma_count").rc == 0


def test_last_page_mapped(server, client, memory):
    """A mapping that ends at 2^64 is usable to its last byte."""
    mem = memory(PAGE, 3)
    base = (1 << 64) - PAGE
    client.dma_map(base, PAGE, fd=mem.fd)
    assert server.ctl("dma_read", "poll", base + PAGE - 16, 16) == \
        (0, mem.read(16, PAGE - 16).hex())
    assert server.ctl("dma_read", "poll", base + PAGE - 16, 17).rc == \
        -errno.EFAULT
    assert server.ctl("peek", base + PAGE - 16, 16, 1).rc == 0
    assert server.ctl("peek", base + PAGE - 16, 17, 1).rc == -errno.EFAULT


@pytest.mark.parametrize("offset, size", [
    (1, 100), (0x800, PAGE), (0x1fff, 2), (0x1001, 0x2fff), (0x3fff, 1)])
@pytest.mark.parametrize("mode", [0, vu.MAP_FILE])
def test_unaligned_offset(server, client, memory, offset, size, mode):
    """The whole range is reachable, to its last byte."""
    mem = memory(0x4000, 9)
    client.dma_map(0x10000, size, vu.MAP_RW | mode, offset, mem.fd)
    first = min(size, 50)
    assert server.ctl("dma_read", "poll", 0x10000, first) == \
        (0, mem.read(first, offset).hex())
    assert server.ctl("dma_read", "poll", 0x10000 + size - 1, 1) == \
        (0, mem.read(1, offset + size - 1).hex())
    assert server.ctl("dma_write", "poll", 0x10000 + size - 1, 1).rc == 0
    assert mem.read(1, offset + size - 1) == b"\x5a"


def test_across_mappings(server, client, memory):
    """One access over adjacent mappings of different kinds."""
    a, b = memory(PAGE, 1), memory(PAGE, 0x80)
    client.dma_map(0, PAGE, fd=a.fd)
    client.dma_map(PAGE, PAGE, vu.MAP_RW | vu.MAP_FILE, fd=b.fd)
    want = a.read(16, PAGE - 16) + b.read(16)
    assert server.ctl("dma_read", "poll", PAGE - 16, 32) == (0, want.hex())
    assert server.ctl("dma_read", "poll", PAGE, PAGE + 1).rc == -errno.EFAULT
    assert server.ctl("peek", PAGE - 16, 32, 1).rc == -errno.EFAULT
    assert server.ctl("dma_write", "poll", PAGE - 100, 200).rc == 0
    assert a.read(100, PAGE - 100) + b.read(100) == vu.pattern(200, 0x5a)


def test_holes(server, client, memory):
    """An access that touches a hole fails."""
    mem = memory(PAGE)
    client.dma_map(0x1000, PAGE, fd=mem.fd)
    client.dma_map(0x3000, PAGE, fd=mem.fd)
    for iova, length in ((0, 1), (0xfff, 2), (0x1ff0, 0x20), (0x1000, 0x3000),
                         (0x4000, 1), (vu.U64, 1), (vu.U64, 2),
                         (0x1000, 1 << 40), (0x1000, vu.U64),
                         (0x1800, vu.U64 - 0x1000)):
        for op in "dma_read", "dma_write":
            assert server.ctl(op, "poll", iova, length).rc == -errno.EFAULT
        assert server.ctl("peek", iova, length, 1).rc == -errno.EFAULT


def test_read_only_fd(server, client, memory):
    mem = memory(PAGE, 4)
    fd = os.open(f"/proc/self/fd/{mem.fd}", os.O_RDONLY)
    try:
        client.dma_map(0, PAGE, vu.MAP_READ, fd=fd)
        refused(server, client, errno.EACCES,
                vu.p_dma_map(PAGE, PAGE, vu.MAP_RW), [fd])
        refused(server, client, errno.EACCES,
                vu.p_dma_map(PAGE, PAGE, vu.MAP_WRITE | vu.MAP_MMAP), [fd])
    finally:
        os.close(fd)
    assert server.ctl("dma_read", "poll", 0, 8) == (0, mem.read(8).hex())


def test_fd_is_ours(server, client, memory):
    """The mapping outlives the client's own fd."""
    mem = vu.Memory(PAGE, 8)
    client.dma_map(0, PAGE, fd=mem.fd)
    want = mem.read(8)
    mem.close()
    assert server.ctl("dma_read", "poll", 0, 8) == (0, want.hex())


F_SEAL_FUTURE_WRITE = 0x10


@pytest.mark.parametrize("seals, err", [
    (fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW, 0),
    (F_SEAL_FUTURE_WRITE, errno.EPERM)])
def test_sealed_memory(server, client, seals, err):
    fd = os.memfd_create("sealed", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        os.ftruncate(fd, PAGE)
        fcntl.fcntl(fd, fcntl.F_ADD_SEALS, seals)
        if err:
            refused(server, client, err, vu.p_dma_map(0, PAGE), [fd])
        else:
            client.dma_map(0, PAGE, fd=fd)
        client.dma_map(PAGE, PAGE, vu.MAP_READ, fd=fd)
    finally:
        os.close(fd)


# -- bad arguments --------------------------------------------------------

@pytest.mark.parametrize("payload", [
    vu.p_dma_map(0x1000, 0),
    vu.p_dma_map(vu.U64, 2),
    vu.p_dma_map(0x1000, vu.U64),
    vu.p_dma_map(1 << 63, (1 << 63) + 1),
    vu.p_dma_map(vu.U64 - PAGE + 2, PAGE),
    vu.p_dma_map(0, PAGE, offset=vu.U64),
    vu.p_dma_map(0, 1 << 63, offset=(1 << 63) + 1),
    vu.p_dma_map(0, PAGE, 0),
    vu.p_dma_map(0, PAGE, 0x10 | 3),
    vu.p_dma_map(0, PAGE, 1 << 31 | 3),
    vu.p_dma_map(0, PAGE, 0xffffffff),
], ids=["zero", "wrap", "wrap-max", "wrap-half", "wrap-one", "offset-wrap",
        "offset-wrap-half", "no-access", "flag-4", "flag-31", "all-flags"])
@pytest.mark.parametrize("with_fd", [False, True])
def test_bad_map(server, client, memory, payload, with_fd):
    fds = [memory(PAGE).fd] if with_fd else []
    refused(server, client, errno.EINVAL, payload, fds)


@pytest.mark.parametrize("mode", [vu.MAP_MMAP, vu.MAP_FILE,
                                  vu.MAP_MMAP | vu.MAP_FILE])
def test_mode_without_fd(server, client, mode):
    refused(server, client, errno.EINVAL, vu.p_dma_map(0, PAGE, 3 | mode))


def test_mode_without_access(server, client, memory):
    refused(server, client, errno.EINVAL,
            vu.p_dma_map(0, PAGE, vu.MAP_MMAP), [memory(PAGE).fd])


def test_two_fds(server, client, memory):
    refused(server, client, errno.EINVAL, vu.p_dma_map(0, PAGE),
            [memory(PAGE).fd] * 2)


@pytest.mark.parametrize("offset, size", [
    (0, 0x2001), (0x1000, 0x1001), (0x2000, 1), (0, 1 << 40),
    (1 << 40, 1), ((1 << 63) - PAGE, PAGE), (0x2001, 1)])
@pytest.mark.parametrize("mode", [0, vu.MAP_FILE])
@pytest.mark.parametrize("kind", ["memfd", "file"])
def test_file_too_small(server, client, memory, offset, size, mode, kind):
    payload = vu.p_dma_map(0, size, 3 | mode, offset)
    if kind == "memfd":
        refused(server, client, errno.EINVAL, payload, [memory(0x2000).fd])
        return
    with tempfile.TemporaryFile() as f:
        f.truncate(0x2000)
        refused(server, client, errno.EINVAL, payload, [f.fileno()])


def open_fd(kind, stack):
    if kind == "eventfd":
        fd = os.eventfd(0)
    elif kind == "pipe":
        fd, other = os.pipe()
        stack.append(other)
    elif kind == "socket":
        fd = socket.socket(socket.AF_UNIX).detach()
    elif kind == "null":
        fd = os.open("/dev/null", os.O_RDWR)
    elif kind == "directory":
        fd = os.open("/tmp", os.O_RDONLY)
    else:
        fd = os.open("/dev/null", os.O_PATH)
    stack.append(fd)
    return fd


@pytest.mark.parametrize("kind, err", [
    ("eventfd", errno.ENODEV), ("pipe", errno.EACCES),
    ("socket", errno.ENODEV), ("null", errno.ENODEV),
    ("directory", errno.EACCES), ("path", errno.EBADF)])
def test_fd_that_cannot_be_mapped(server, client, kind, err):
    stack = []
    try:
        fd = open_fd(kind, stack)
        refused(server, client, err, vu.p_dma_map(0, PAGE), [fd])
    finally:
        for fd in stack:
            os.close(fd)


@pytest.mark.parametrize("addr, size", [
    (0x10000, 0x4000), (0x10000, 0x1000), (0x13000, 0x1000), (0x11000, 1),
    (0xf000, 0x1001), (0x13fff, 0x1000), (0x8000, 0x10000), (0, vu.U64),
    (0x13fff, vu.U64 - 0x13fff)])
@pytest.mark.parametrize("with_fd", [False, True])
def test_overlap(server, client, memory, addr, size, with_fd):
    """Any overlap, the identical range too."""
    mem = memory(0x20000)
    client.dma_map(0x10000, 0x4000, fd=mem.fd if with_fd else None)
    fits = with_fd and size <= 0x20000
    refused(server, client, errno.EEXIST, vu.p_dma_map(addr, size),
            [mem.fd] if fits else [])
    client.dma_map(0xf000, 0x1000)
    client.dma_map(0x14000, 0x1000)
    client.dma_unmap(0x10000, 0x4000)


def test_map_refused_by_device(server, client, memory):
    """The map callback fails: undone, and its errno is answered."""
    mem = memory(PAGE)
    server.ctl("map_status", -errno.EPERM)
    refused(server, client, errno.EPERM, vu.p_dma_map(0, PAGE), [mem.fd])
    refused(server, client, errno.EPERM, vu.p_dma_map(0, PAGE))
    server.ctl("map_status", 0)
    client.dma_map(0, PAGE, fd=mem.fd)


# -- unmap ----------------------------------------------------------------

@pytest.mark.parametrize("addr, size", [
    (0x10000, 0x1000), (0x10000, 0x3fff), (0x10000, 0x4001), (0x11000, 0x1000),
    (0xf000, 0x4fff), (0xf000, 0x5001), (0x20000, 0x1000), (0x10001, 0x4000),
    (0x10001, vu.U64 - 0x10001), (0, 0x17fff), (0, 0x10000), (0x18000, vu.U64 - 0x18000)])
def test_unmap_not_exact(server, client, addr, size):
    """A range without a mapping, or with a part of one."""
    client.dma_map(0x10000, 0x4000)
    client.dma_map(0x14000, 0x4000)
    refused(server, client, errno.ENOENT, vu.p_dma_unmap(addr, size),
            cmd=vu.DMA_UNMAP)


@pytest.mark.parametrize("addr, size, left", [
    (0xf000, 0x5000, 1), (0x10000, 0x8000, 0), (0, vu.U64, 0), (0x14000, vu.U64 - 0x14000, 1),
    (0, 0x14000, 1), (0x14000, 0x4000, 1)])
def test_unmap_range(server, client, addr, size, left):
    """Several mappings as a whole, as QEMU unmaps when a guest's IOMMU is reset."""
    client.dma_map(0x10000, 0x4000)
    client.dma_map(0x14000, 0x4000)
    payload = vu.p_dma_unmap(addr, size)
    assert client.ok(vu.DMA_UNMAP, payload).payload == payload
    assert server.ctl("dma_count").rc == left
    for at in (0x10000, 0x14000):  # what was unmapped can be mapped anew
        if addr <= at and at + 0x4000 <= addr + size:
            client.dma_map(at, 0x4000)


@pytest.mark.parametrize("payload", [
    vu.p_dma_unmap(0x10000, 0),
    vu.p_dma_unmap(vu.U64, 2),
    vu.p_dma_unmap(0x10000, vu.U64),
    vu.p_dma_unmap(0x10000, 0x4000, 1),
    vu.p_dma_unmap(0x10000, 0x4000, 4),
    vu.p_dma_unmap(0x10000, 0x4000, 1 << 31),
    vu.p_dma_unmap(0x10000, 0x4000, vu.UNMAP_ALL),
    vu.p_dma_unmap(0x10000, 0, vu.UNMAP_ALL),
    vu.p_dma_unmap(0, 0x4000, vu.UNMAP_ALL),
    vu.p_dma_unmap(0, vu.U64, vu.UNMAP_ALL),
    vu.p_dma_unmap(0, 0, vu.UNMAP_ALL | 1),
    vu.p_dma_unmap(0, 0),
], ids=["zero", "wrap", "wrap-max", "dirty-bitmap", "flag-2", "flag-31",
        "all-range", "all-addr", "all-size", "all-max", "all-dirty", "zeros"])
def test_bad_unmap(server, client, payload):
    client.dma_map(0x10000, 0x4000)
    refused(server, client, errno.EINVAL, payload, cmd=vu.DMA_UNMAP)


def test_unmap_with_bitmap_struct(client):
    """The old dirty bitmap: flags 1 and a struct behind, never read."""
    client.dma_map(0x10000, 0x4000)
    for pgsize in 0, 1, 2048, 4096, 1 << 20, 1 << 63, 3:
        client.fails(errno.EINVAL, vu.DMA_UNMAP,
                     vu.p_dma_unmap(0x10000, 0x4000, 1) +
                     struct.pack("=QQ", pgsize, 1 << 40))
    client.dma_unmap(0x10000, 0x4000)


@pytest.mark.parametrize("fds, err", [(0, 0), (1, 0), (2, errno.EINVAL)])
def test_unmap_with_fd(server, client, memory, fds, err):
    """SPDK sends the fd of the map; it is closed."""
    mem = memory(PAGE)
    before = server.fds()
    client.dma_map(0, PAGE, fd=mem.fd)
    reply = client.call(vu.DMA_UNMAP, vu.p_dma_unmap(0, PAGE),
                        fds=[mem.fd] * fds)
    assert reply.error == err
    if err:
        client.dma_unmap(0, PAGE)
    server.wait_fds(before)


@pytest.mark.parametrize("argsz", [24, 25, 4096, 0xffffffff])
def test_unmap_reply(client, argsz):
    """The request is echoed, with the size of the reply."""
    client.dma_map(0x7000, PAGE)
    reply = client.ok(vu.DMA_UNMAP, vu.p_dma_unmap(0x7000, PAGE, argsz=argsz))
    assert reply.payload == vu.p_dma_unmap(0x7000, PAGE)


def test_unmap_all(server, client, memory):
    mem = memory(64 * PAGE)
    before = server.fds()
    for i in range(64):
        client.dma_map(i << 20, PAGE, offset=i * PAGE, fd=mem.fd)
    client.dma_map(1 << 40, PAGE)
    server.ctl("log")
    payload = vu.p_dma_unmap(0, 0, vu.UNMAP_ALL)
    assert client.ok(vu.DMA_UNMAP, payload).payload == payload
    assert server.ctl("dma_count").rc == 0
    assert server.ctl("log").text.count("unmap:") == 65
    server.wait_fds(before)
    client.ok(vu.DMA_UNMAP, payload)  # nothing there is no error


def test_map_again_after_unmap(server, client, memory):
    """The same address, other memory."""
    for seed in range(20):
        mem = memory(PAGE, seed)
        client.dma_map(0x1000, PAGE, fd=mem.fd)
        assert server.ctl("peek", 0x1000, 8, 3) == (0, mem.read(8).hex())
        client.dma_unmap(0x1000, PAGE)
        assert server.ctl("peek", 0x1000, 8, 3).rc == -errno.EFAULT


# -- limits ---------------------------------------------------------------

@pytest.mark.server("--max-dma-maps", 3)
@pytest.mark.parametrize("with_fd", [False, True])
def test_max_maps(server, client, memory, with_fd):
    mem = memory(PAGE)
    fds = [mem.fd] if with_fd else []
    for i in range(3):
        client.ok(vu.DMA_MAP, vu.p_dma_map(i << 12, PAGE), fds=fds)
    refused(server, client, errno.ENOSPC, vu.p_dma_map(1 << 20, PAGE), fds)
    client.dma_unmap(0x1000, PAGE)
    client.ok(vu.DMA_MAP, vu.p_dma_map(1 << 20, PAGE), fds=fds)


def test_max_maps_negotiated(server):
    """The client's number binds the client; the server has its own."""
    conn = server.client({"max_dma_maps": 2})
    conn.dma_map(0, PAGE)
    conn.dma_map(PAGE, PAGE)
    reply = conn.call(vu.DMA_MAP, vu.p_dma_map(2 * PAGE, PAGE))
    assert reply.error in (0, errno.ENOSPC)


def map_burst(conn, start, count, flags=vu.NO_REPLY):
    """Many maps without waiting, as QEMU does."""
    conn.send_raw(b"".join(
        vu.message(vu.DMA_MAP, vu.p_dma_map(i << 13, PAGE), flags=flags)
        for i in range(start, start + count)))


def test_65535_maps(server, client):
    """The default limit, exactly."""
    for start in range(0, 65535, 4369):
        map_burst(client, start, 4369)
    client.sync()
    assert server.ctl("dma_count").rc == 65535
    client.fails(errno.ENOSPC, vu.DMA_MAP, vu.p_dma_map(1 << 40, PAGE))
    for iova in 0, 12345 << 13, 65534 << 13:
        assert lookup(server, iova + 5)[:2] == (iova, PAGE)
        assert lookup(server, iova + PAGE) is None
    client.dma_unmap(777 << 13, PAGE)
    client.dma_map(777 << 13, PAGE)
    client.ok(vu.DMA_UNMAP, vu.p_dma_unmap(0, 0, vu.UNMAP_ALL))
    assert server.ctl("dma_count").rc == 0


@pytest.mark.long
@pytest.mark.server("--max-dma-maps", 1000000, "--msg-timeout", 60000)
def test_million_maps(server):
    conn = server.client({"max_dma_maps": 1000000})
    conn.timeout = 60
    for start in range(0, 1000000, 10000):
        map_burst(conn, start, 10000)
    conn.sync()
    assert server.ctl("dma_count").rc == 1000000
    conn.fails(errno.ENOSPC, vu.DMA_MAP, vu.p_dma_map(1 << 40, PAGE))
    conn.close()
    server.wait_idle()


def test_pipelined_maps_before_info(server):
    """QEMU: all sections in a row, the last reply awaited, then GET_INFO."""
    conn = server.client()
    for i in range(300):
        conn.send(vu.DMA_MAP, vu.p_dma_map(i << 21, 1 << 20), mid=i)
    assert [conn.recv_reply().id for _ in range(300)] == list(range(300))
    conn.sync()


def test_maps_of_one_file(server, client, memory):
    """Each map comes with an fd of its own; one is kept per access mode."""
    mem = memory(256 * PAGE, 1)
    fd = os.open(f"/proc/self/fd/{mem.fd}", os.O_RDONLY)
    before, maps_before = server.fds(), server.mappings()
    try:
        for i in range(256):
            flags = vu.MAP_READ if i % 3 == 0 else vu.MAP_RW
            client.dma_map(i << 20, PAGE, flags, i * PAGE,
                           fd if i % 6 == 0 else mem.fd)
        assert server.fds() <= before + 4
        assert server.mappings() <= maps_before + 4
        for i in range(256):
            assert server.ctl("dma_read", "poll", i << 20, 16) == \
                (0, mem.read(16, i * PAGE).hex())
        for i in range(255):
            client.dma_unmap(i << 20, PAGE)
        assert server.ctl("dma_read", "poll", 255 << 20, 16) == \
            (0, mem.read(16, 255 * PAGE).hex())
        client.dma_unmap(255 << 20, PAGE)
    finally:
        os.close(fd)
    server.wait_fds(before)
    assert server.mappings() == maps_before


def test_65535_maps_of_one_file(server, client, memory):
    mem = memory(PAGE, 1)
    before, maps_before = server.fds(), server.mappings()
    for i in range(65535):
        client.send(vu.DMA_MAP, vu.p_dma_map(i << 13, PAGE), mid=i % 65536,
                    flags=vu.NO_REPLY, fds=[mem.fd])
    client.sync()
    assert server.ctl("dma_count").rc == 65535
    assert server.fds() == before + 1
    assert server.mappings() == maps_before + 1
    client.ok(vu.DMA_UNMAP, vu.p_dma_unmap(0, 0, vu.UNMAP_ALL))
    server.wait_fds(before)


@pytest.mark.server("--max-dma-files", 3)
def test_max_files(server, client, memory):
    mems = [memory(PAGE, i) for i in range(4)]
    for i in range(3):
        client.dma_map(i << 12, PAGE, fd=mems[i].fd)
    refused(server, client, errno.EMFILE, vu.p_dma_map(1 << 20, PAGE),
            [mems[3].fd])
    client.dma_map(1 << 20, PAGE, fd=mems[0].fd)
    client.dma_unmap(0x1000, PAGE)
    client.dma_map(0x1000, PAGE, fd=mems[3].fd)


@pytest.mark.server("--max-dma-bytes", 3 * PAGE)
@pytest.mark.parametrize("mode, err", [(0, errno.ENOSPC), (vu.MAP_FILE, 0)])
def test_max_bytes(server, client, memory, mode, err):
    mem = memory(PAGE)
    client.dma_map(0, 2 * PAGE, fd=memory(2 * PAGE).fd)
    client.dma_map(0x10000, PAGE, fd=mem.fd)
    client.dma_map(0x20000, PAGE, fd=mem.fd)
    reply = client.call(vu.DMA_MAP, vu.p_dma_map(0x30000, PAGE, vu.MAP_RW | mode),
                        fds=[memory(PAGE).fd])
    assert reply.error == err
    client.dma_unmap(0, 2 * PAGE)
    client.dma_map(0x40000, PAGE, fd=memory(PAGE).fd)


# -- files that can be truncated (D17) -------------------------------------

@pytest.mark.server("--require-seals")
@pytest.mark.parametrize("mode", [0, vu.MAP_FILE])
def test_seals(server, client, memory, mode):
    mem = memory(PAGE)
    payload = vu.p_dma_map(0, PAGE, vu.MAP_RW | mode)
    refused(server, client, errno.EPERM, payload, [mem.fd])
    mem.seal()
    client.ok(vu.DMA_MAP, payload, fds=[mem.fd])
    client.dma_map(PAGE, PAGE)  # no file, no danger


@pytest.fixture(scope="module")
def surviving(pool):
    """A server of two devices that survives SIGBUS."""
    return lambda: pool.get("--sigbus", devices=2)


@pytest.mark.parametrize("op", ["dma_read", "dma_write", "peek"])
def test_truncated(surviving, pool, memory, op):
    """Only the client that did it is dropped; the next one is served."""
    server = surviving()
    maps_before = server.mappings()
    mems = [memory(16 * PAGE, 1), memory(16 * PAGE, 2)]
    bad, good = server.client(device=0), server.client(device=1)
    for conn, mem in zip((bad, good), mems):
        conn.dma_map(0, 16 * PAGE, fd=mem.fd)
    os.truncate(mems[0].fd, PAGE)
    bad.sync()  # nobody has touched it
    if op == "peek":
        assert server.ctl("peek", 15 * PAGE, 8, 3) == (0, bytes(8).hex())
    else:
        assert server.ctl(op, "thread", 8 * PAGE, 8 * PAGE).rc == -errno.EIO
    bad.assert_closed()
    server.wait_idle(0)
    assert "truncated" in server.log()
    good.sync()
    assert server.ctl("dma_read", "poll", 15 * PAGE, 8, device=1) == \
        (0, mems[1].read(8, 15 * PAGE).hex())
    assert server.mappings() == maps_before + 1
    pool.check(server)


# -- quiescence and the data path (D7) ------------------------------------

def test_unmap_waits_for_reader(server, client, memory):
    """The reply comes when the reader has left its section, not before."""
    mem = memory(PAGE, 1)
    client.dma_map(0x1000, PAGE, fd=mem.fd)
    assert server.ctl("reader", "hold", 0x1000).rc == 1
    client.send(vu.DMA_UNMAP, vu.p_dma_unmap(0x1000, PAGE), mid=1)
    client.send(vu.GET_INFO, vu.p_info(), mid=2)
    harness.wait_for(lambda: lookup(server, 0x1000) is None, what="unreachable at once")
    client.assert_silent(0.15)
    assert server.ctl("peek", 0x1000, 1, 1).rc == -errno.EFAULT
    assert server.ctl("reader", "release").rc == 0
    assert [client.recv_reply().id for _ in range(2)] == [1, 2]


def test_idle_reader_does_not_delay(server, client):
    """Only readers inside a section are waited for."""
    client.dma_map(0x1000, PAGE)
    assert server.ctl("reader", "hold", 0).rc == -1
    server.ctl("reader", "release")
    client.dma_unmap(0x1000, PAGE)


def test_pipelined_unmaps_wait_together(server, client, memory):
    """One grace period for all that came meanwhile."""
    mem = memory(64 * PAGE)
    for i in range(64):
        client.dma_map(i << 20, PAGE, offset=i * PAGE, fd=mem.fd)
    assert server.ctl("reader", "hold", 0).rc == 1
    for i in range(64):
        client.send(vu.DMA_UNMAP, vu.p_dma_unmap(i << 20, PAGE), mid=i)
    harness.wait_for(lambda: lookup(server, 0) is None, what="unmapped")
    client.assert_silent(0.1)
    server.ctl("reader", "release")
    assert [client.recv_reply().id for _ in range(64)] == list(range(64))
    assert server.ctl("dma_count").rc == 0


def test_replies_in_order_while_held(server, client, memory):
    """What follows a waiting DMA_UNMAP is not answered before it."""
    client.dma_map(0x1000, PAGE, fd=memory(PAGE).fd)
    before = lookup(server, 0x1000)
    assert server.ctl("reader", "hold", 0x1000).rc == 1
    client.send(vu.DMA_UNMAP, vu.p_dma_unmap(0x1000, PAGE), mid=1)
    client.send(vu.DMA_MAP, vu.p_dma_map(0x1000, PAGE), mid=2)
    client.send(vu.DMA_MAP, vu.p_dma_map(0x1000, PAGE), mid=3)  # EEXIST
    client.send(vu.DMA_UNMAP, vu.p_dma_unmap(0x9000, PAGE), mid=4)  # ENOENT
    client.send(vu.GET_INFO, vu.p_info(), mid=5)
    harness.wait_for(lambda: lookup(server, 0x1000) != before, what="unmapped")
    client.assert_silent(0.05)
    server.ctl("reader", "release")
    got = [client.recv_reply() for _ in range(5)]
    assert sorted((m.id, m.error) for m in got) == [
        (1, 0), (2, 0), (3, errno.EEXIST), (4, errno.ENOENT), (5, 0)]
    assert [m.id for m in got] == [1, 2, 3, 4, 5]


def test_disconnect_while_reader_inside(server, memory):
    """The client dies: its memory stays until the reader has left."""
    conn = server.client()
    conn.dma_map(0x1000, PAGE, fd=memory(PAGE).fd)
    assert server.ctl("reader", "hold", 0x1000).rc == 1
    conn.send(vu.DMA_UNMAP, vu.p_dma_unmap(0x1000, PAGE))
    conn.close()
    server.ctl("fds")  # the poller still works
    server.ctl("reader", "release")
    server.wait_idle()


def test_disconnect_mapped_while_reader_inside(server, memory):
    conn = server.client()
    conn.dma_map(0x1000, PAGE, fd=memory(PAGE).fd)
    assert server.ctl("reader", "hold", 0x1000).rc == 1
    conn.close()
    for _ in range(20):
        server.ctl("fds")
    server.ctl("reader", "release")
    server.wait_idle()


COMMANDS = {
    "map": (vu.DMA_MAP, vu.p_dma_map(0x2000, PAGE)),
    "unmap": (vu.DMA_UNMAP, vu.p_dma_unmap(0x1000, PAGE)),
    "set_irqs": (vu.SET_IRQS, vu.p_set_irqs(0, 0, 0, vu.NONE | vu.TRIGGER)),
    "reset": (vu.RESET, b""),
}
quiescing = pytest.mark.parametrize("cmd, payload", COMMANDS.values(),
                                    ids=COMMANDS)


@quiescing
def test_quiesce(server, client, cmd, payload):
    """quiesce() and resume() around each command that needs it."""
    client.dma_map(0x1000, PAGE)
    server.ctl("log")
    client.ok(cmd, payload)
    words = server.ctl("log").text.split()
    assert words[0] == "quiesce" and words[-1] == "resume"
    assert len(words) >= 2


@quiescing
def test_quiesce_fails(server, client, cmd, payload):
    """The command is not carried out, and fails with that errno."""
    client.dma_map(0x1000, PAGE)
    server.ctl("quiesce", -errno.EAGAIN)
    server.ctl("log")
    client.fails(errno.EAGAIN, cmd, payload)
    assert server.ctl("log").text.split()[0] == "quiesce"
    assert server.ctl("dma_count").rc == 1
    server.ctl("quiesce", 0)
    client.ok(cmd, payload)


@quiescing
@pytest.mark.parametrize("status", [0, -errno.EIO])
def test_quiesce_pending(server, client, cmd, payload, status):
    """Later requests wait until it is complete."""
    client.dma_map(0x1000, PAGE)
    server.ctl("log")
    server.ctl("quiesce", "pending")
    client.send(cmd, payload, mid=1)
    client.send(vu.GET_INFO, vu.p_info(), mid=2)
    server.wait_log("quiesce")
    client.assert_silent(0.05)
    server.ctl("quiesce", 0)
    assert server.ctl("quiesce_done", status).rc == 0
    first, second = client.recv_reply(), client.recv_reply()
    assert (first.id, first.error) == (1, -status)
    assert (second.id, second.error) == (2, 0)
    assert server.ctl("quiesce_done", 0).rc == -errno.ESTALE


@quiescing
def test_quiesce_completed_early(server, client, cmd, payload):
    """Completed before the callback has returned."""
    client.dma_map(0x1000, PAGE)
    server.ctl("quiesce", "early")
    client.ok(cmd, payload)


@quiescing
def test_disconnect_while_quiescing(server, cmd, payload):
    conn = server.client()
    conn.dma_map(0x1000, PAGE)
    server.ctl("log")
    server.ctl("quiesce", "pending")
    conn.send(cmd, payload)
    server.wait_log("quiesce")
    conn.assert_silent(0.02)
    conn.close()
    server.wait_idle()
    server.ctl("quiesce", 0)
    assert server.ctl("quiesce_done", 0).rc == -errno.ESTALE


# -- hostile memory -------------------------------------------------------

def test_truncated_file_io(server, client, memory):
    """File I/O on a file that has shrunk fails, it does not crash."""
    mem = memory(4 * PAGE, 1)
    client.dma_map(0, 4 * PAGE, vu.MAP_RW | vu.MAP_FILE, fd=mem.fd)
    os.ftruncate(mem.fd, PAGE)
    assert server.ctl("dma_read", "poll", 2 * PAGE, 16).rc < 0
    assert server.ctl("dma_read", "poll", PAGE - 8, 16).rc < 0
    assert server.ctl("dma_read", "poll", 0, 16).rc == 0
