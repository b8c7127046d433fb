# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-user contributors
"""A device whose server does what a test wants of it.

It is played by a thread over the peer of tests/wire, which checks nothing and so
can answer anything. What a test does not say is answered as by a small PCI device:
BAR0 of 4 KiB, which is memory, configuration space, and four MSI-X vectors.
"""

import errno
import struct
import threading

import lying_server
import vfio_user_wire as vu

REGIONS, IRQS = 9, 5
PCI, RESETS = 2, 1


def config_space():
    """A header with one capability (MSI-X), which ends its list."""
    config = bytearray(4096)
    struct.pack_into("<HHHH", config, 0, 0x1234, 0xabcd, 0, 0x10)
    config[0x34] = 0x40
    config[0x40:0x44] = b"\x11\x00\x03\x00"
    return config


class Liar:
    """Serves the connections to a FakeServer, one after another."""

    def __init__(self, fake, answers=None, caps=None):
        self.path = fake.path
        self.fake = fake
        self.answers = {
            vu.GET_INFO: self.info, vu.REGION_INFO: self.region_info,
            vu.IRQ_INFO: self.irq_info, vu.REGION_IO_FDS: None, vu.SET_IRQS: self.done,
            vu.REGION_READ: self.read, vu.REGION_WRITE: self.write, vu.RESET: self.done,
            vu.DMA_MAP: self.dma_map, vu.DMA_UNMAP: self.dma_unmap, **(answers or {})}
        self.caps = caps
        self.sizes = {0: 4096, 7: 4096}
        self.memory = {0: bytearray(4096), 7: config_space()}
        self.seen = []
        self.problem = None
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        try:
            while True:
                with self.fake.accept(60) as conn:
                    self.serve(conn)
        except OSError:
            pass  # the FakeServer was closed
        except Exception as error:  # pylint: disable=broad-except
            self.problem = error

    def serve(self, conn):
        try:
            vu.serve_version(conn, self.caps)
            while True:
                msg = conn.recv_command(timeout=60)
                self.seen.append(msg)
                answer = self.answers.get(msg.cmd)
                if answer is not None:
                    answer(conn, msg)
                else:
                    conn.reply(msg, err=errno.ENOTSUP)
        except (vu.Closed, OSError):
            pass

    def count(self, cmd):
        """How many requests of a kind came."""
        return sum(msg.cmd == cmd for msg in self.seen)

    # -- how a good device answers

    def info(self, conn, msg):
        conn.reply(msg, struct.pack("=IIII", 16, PCI | RESETS, REGIONS, IRQS))

    def region_info(self, conn, msg):
        index = struct.unpack_from("=I", msg.payload, 8)[0]
        conn.reply(msg, lying_server.p_region(index, size=self.sizes.get(index, 0)))

    def irq_info(self, conn, msg):
        index = struct.unpack_from("=I", msg.payload, 8)[0]
        conn.reply(msg, struct.pack("=IIII", 16, 1, index, 4 if index == vu.MSIX else 0))

    def read(self, conn, msg):
        offset, region, count = struct.unpack_from("=QII", msg.payload)
        conn.reply(msg, vu.p_access(region, offset, count,
                                    bytes(self.memory[region][offset:offset + count])))

    def write(self, conn, msg):
        offset, region, count = struct.unpack_from("=QII", msg.payload)
        self.memory[region][offset:offset + count] = msg.payload[16:]
        if not msg.flags & vu.NO_REPLY:
            conn.reply(msg, vu.p_access(region, offset, count))

    def done(self, conn, msg):
        conn.reply(msg)

    def dma_map(self, conn, msg):
        conn.reply(msg)

    def dma_unmap(self, conn, msg):
        conn.reply(msg, msg.payload)


def die(conn, _msg):
    """Close the connection instead of an answer."""
    conn.sock.close()


def never(_conn, _msg):
    """Do not answer."""


def garbage(conn, msg):
    """An answer too short for anything."""
    conn.reply(msg, b"\xff")


def refuse(err):
    """An answer with an errno."""
    return lambda conn, msg: conn.reply(msg, err=err)


def sized(conn, msg, payload, head, fds=()):
    """An answer of which only the head is sent if the client has no room for all."""
    room = struct.unpack_from("=I", msg.payload)[0]
    if room < len(payload):
        conn.reply(msg, payload[:head])
    else:
        conn.reply(msg, payload, fds=fds)
