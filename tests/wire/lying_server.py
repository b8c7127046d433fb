# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-user contributors
"""A server that lies, and what a client can be asked to call on it."""

import errno
import socket
import struct

import pytest

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
