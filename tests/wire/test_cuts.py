# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-user contributors
"""The server under test while its client ends at any byte of a session.

Session plays all that a client does, a message for each step. A cut is a step
and the number of bytes of its message that still leave.
"""

import os
import signal
import socket

import pytest

import harness
import vfio_user_wire as vu

LONG = bool(os.environ.get("WIRE_LONG"))
PENDING = 0x100
MAPPED, BY_MSG = 0x10000, 0x20000


class Cut(Exception):
    """The session has come to its end."""


class Session:
    """A client's session, step by step, up to a cut."""

    def __init__(self, server, mem, ev, twin):
        self.server, self.mem, self.ev = server, mem, ev
        self.with_twin, self.twin = twin, None
        self.conn = server.connect()
        self.negotiated = False
        self.left = None  # bytes of the next message that leave
        self.rest = b""  # and those that do not
        self.tags = []  # DMA accesses of the device

    def out(self, conn, raw, fds=()):
        if self.left is None:
            conn.send_raw(raw, fds)
            return
        part, self.rest = raw[:self.left], raw[self.left:]
        if part:
            conn.send_raw(part, fds)
        raise Cut

    def ask(self, cmd, payload=b"", fds=()):
        mid = self.conn.next_id
        self.conn.next_id += 1
        self.out(self.conn, vu.message(cmd, payload, mid=mid), fds)
        reply = self.conn.recv_reply()
        assert (reply.id, reply.flags, reply.error) == (mid, vu.REPLY, 0)
        return reply

    def serve(self, command, cmd, data=b""):
        """Answer a request of the device."""
        tag = self.server.ctl_start(command, "thread", BY_MSG, 16)
        self.tags.append(tag)
        conn = self.twin or self.conn
        msg = conn.recv_command(cmd)
        self.out(conn, vu.message(cmd, vu.p_dma(BY_MSG, 16, data), mid=msg.id,
                                  flags=vu.REPLY))
        assert self.server.result(tag).rc >= 0
        self.tags.remove(tag)

    def step_version(self):
        caps = dict(vu.CAPS)
        if self.with_twin:
            caps["twin_socket"] = {"supported": True}
        reply = self.ask(vu.VERSION, vu.p_version(vu.caps_json(caps)))
        self.negotiated = True
        if self.with_twin:
            fd, = reply.fds
            self.conn.received.remove(fd)
            self.twin = vu.Conn(socket.socket(fileno=fd))
            self.server.conns.append(self.twin)

    def step_info(self):
        self.ask(vu.GET_INFO, vu.p_info())

    def step_region(self):
        self.ask(vu.REGION_INFO, vu.p_region_info(0))

    def step_region_fds(self):
        self.ask(vu.REGION_INFO, vu.p_region_info(2, 4096))

    def step_io_fds(self):
        self.ask(vu.REGION_IO_FDS, vu.p_io_fds(0, 4096))

    def step_irq_info(self):
        self.ask(vu.IRQ_INFO, vu.p_irq_info(vu.MSIX))

    def step_map_file(self):
        self.ask(vu.DMA_MAP, vu.p_dma_map(MAPPED, 4096), [self.mem.fd])

    def step_map_messages(self):
        self.ask(vu.DMA_MAP, vu.p_dma_map(BY_MSG, 4096))

    def step_irqs(self):
        self.ask(vu.SET_IRQS, vu.p_set_irqs(vu.MSIX, 0, 3, vu.EVENTFD |
                                            vu.TRIGGER), [self.ev.fd] * 3)

    def step_resample(self):
        self.ask(vu.SET_IRQS, vu.p_set_irqs(vu.INTX, 0, 1, vu.EVENTFD |
                                            vu.UNMASK), [self.ev.fd])

    def step_read(self):
        self.ask(vu.REGION_READ, vu.p_access(1, 0, 64))

    def step_write(self):
        self.ask(vu.REGION_WRITE, vu.p_access(1, 0, 64, bytes(64)))

    def step_multi(self):
        self.ask(vu.WRITE_MULTI, vu.p_multi([(1, 0, b"abc"), (1, 8, b"d")]))

    def step_dma_read(self):
        self.serve("dma_read", vu.DMA_READ, bytes(16))

    def step_dma_write(self):
        self.serve("dma_write", vu.DMA_WRITE)

    def step_unmap(self):
        self.ask(vu.DMA_UNMAP, vu.p_dma_unmap(MAPPED, 4096))

    def step_reset(self):
        self.ask(vu.RESET)

    def step_unmap_all(self):
        self.ask(vu.DMA_UNMAP, vu.p_dma_unmap(0, 0, vu.UNMAP_ALL))

    def play(self, last, left):
        """All steps to this one; its message is cut. Whether it was cut."""
        for name in STEPS:
            if name == last:
                self.left = left
            try:
                getattr(self, "step_" + name)()
            except Cut:
                return True
        return False


STEPS = [name[5:] for name in vars(Session) if name.startswith("step_")]


def cuts(length):
    """Where a message of a length is cut."""
    if LONG:
        return [*range(min(length, 64)), *range(64, length, 37), length - 1]
    return sorted({0, 9, 16, length - 1} & set(range(length)))


def cut_close(sess):
    sess.conn.close()
    if sess.twin:
        sess.twin.close()


def cut_write(sess):
    """No more is sent; the server closes."""
    sess.conn.sock.shutdown(socket.SHUT_WR)
    sess.conn.sock.settimeout(vu.LIMIT)
    while sess.conn.sock.recv(65536):
        pass


def cut_read(sess):
    """Nothing more is taken, then all of it is over."""
    sess.conn.sock.shutdown(socket.SHUT_RD)
    try:
        sess.conn.send_raw(sess.rest)
    except OSError:
        pass  # it has noticed
    cut_close(sess)


def cut_twin(sess):
    """Only the twin socket ends: the server gives the client up."""
    if sess.twin is None:  # not yet
        cut_close(sess)
        return
    sess.twin.close()
    sess.conn.assert_closed()


#: Ways to end, with the twin socket and without.
WAYS = {f"{how.__name__[4:]}-{'twin' if twin else 'main'}": (how, twin)
        for how in (cut_close, cut_write, cut_read, cut_twin)
        for twin in (True, False) if twin or how != cut_twin}


def check_after(server, mappings, losses, tags=()):
    """Nothing is left of the client, and the device heard of it once."""
    for tag in tags:
        server.result(tag)  # it ends
    server.wait_idle()
    server.wait_fds(server.baseline)
    assert server.ctl("dma_count").rc == 0
    harness.wait_for(lambda: server.mappings() == mappings,
                     what=f"{server.mappings()} mappings, not {mappings}")
    assert server.ctl("log").text.split().count("reset:lost") == losses
    server.client().sync()
    for conn in server.conns:
        conn.close()
    server.conns.clear()
    server.wait_idle()
    server.ctl("log")


@pytest.mark.parametrize("how, twin", WAYS.values(), ids=WAYS)
@pytest.mark.parametrize("step", STEPS)
def test_cut(server, memory, event, step, how, twin):
    mem, ev = memory(8192), event()
    server.wait_idle()
    server.ctl("log")
    mappings = server.mappings()
    todo = [0]
    while todo:
        sess = Session(server, mem, ev, twin)
        left = todo.pop()
        assert sess.play(step, left)
        if left == 0:  # now the length is known
            todo = [c for c in cuts(len(sess.rest)) if c != 0]
        how(sess)
        check_after(server, mappings, int(sess.negotiated), sess.tags)


@pytest.mark.parametrize("twin", [True, False], ids=["twin", "main"])
def test_whole_session(server, memory, event, twin):
    """Uncut, it works; ended behind its last message."""
    server.wait_idle()
    server.ctl("log")
    mappings = server.mappings()
    sess = Session(server, memory(8192), event(), twin)
    assert not sess.play(None, None)
    cut_close(sess)
    check_after(server, mappings, 1)


# -- a client process is killed -------------------------------------------

#: Lines for client_driver; what is after "!" is only begun, and the last.
KILLED = [
    "connect", "info", "region_info 2", "mmap 2", "mmap 4", "io_fds 0",
    "irq_info 2", "irq_assign 2 0 e64", f"dma_map {MAPPED} 4096 3 memfd",
    f"dma_map {BY_MSG} 4096 3 mem", "write 1 0 @65536:5", "read 1 0 65536",
    "multi 20 1 0 0102", "posted 1 0 01", "flush", "reset",
    f"! read 0 {PENDING} 4", "! write 1 0 @65536:5", "dma",
    f"dma_unmap {MAPPED} 4096", "dma_unmap_all"]


@pytest.mark.parametrize("last", range(len(KILLED)),
                         ids=[w.replace(" ", "_") for w in KILLED])
@pytest.mark.parametrize("options", [(), ("--no-twin",)],
                         ids=["twin", "main"])
def test_killed(server, drivers, options, last):
    """SIGKILL behind, or in the middle of, a call of our client."""
    server.wait_idle()
    server.ctl("log")
    mappings, tags = server.mappings(), []
    drv = drivers.create(server.paths[0], *options)
    try:
        for number, words in enumerate(KILLED[:last + 1]):
            if words == "dma":  # nobody polls the client: it waits
                if number == last:
                    tags.append(server.ctl_start("dma_read", "thread", BY_MSG,
                                                 16))
                    server.ctl("fds")
            elif words[0] != "!":
                assert drv.cmd(*words.split()).rc >= 0, words
            elif number == last:
                drv.start(*words[2:].split())
                if str(PENDING) in words:
                    server.wait_log("pending:4")
        os.kill(drv.pid, signal.SIGKILL)
        check_after(server, mappings, 1, tags)
    finally:
        drv.kill()
