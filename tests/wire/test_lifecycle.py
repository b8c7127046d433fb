# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-user contributors
"""Connections: death at each step, and what may not be left by it."""

import errno
import os
import resource
import socket
import time

import pytest

import harness
import vfio_user_wire as vu


# -- the client dies at each step -----------------------------------------

def step_connect(server, conn, mem, ev):
    pass


def step_half_header(server, conn, mem, ev):
    conn.send_raw(harness.version()[:9])


def step_half_version(server, conn, mem, ev):
    conn.send_raw(harness.version()[:40])


def step_version_sent(server, conn, mem, ev):
    conn.send_raw(harness.version())


def step_negotiated(server, conn, mem, ev):
    conn.negotiate()


def step_twin(server, conn, mem, ev):
    conn.negotiate(dict(vu.CAPS, twin_socket={"supported": True}))


def step_mapped(server, conn, mem, ev):
    conn.negotiate()
    conn.dma_map(0, 4096, fd=mem.fd)
    conn.dma_map(4096, 4096, vu.MAP_RW | vu.MAP_FILE, fd=mem.fd)
    conn.dma_map(8192, 4096)


def step_map_in_flight(server, conn, mem, ev):
    conn.negotiate()
    conn.send(vu.DMA_MAP, vu.p_dma_map(0, 4096), fds=[mem.fd])


def step_half_map(server, conn, mem, ev):
    conn.negotiate()
    conn.send_raw(vu.message(vu.DMA_MAP, vu.p_dma_map(0, 4096))[:30], [mem.fd])


def step_irqs(server, conn, mem, ev):
    conn.negotiate()
    conn.set_irqs(vu.MSIX, 0, 16, vu.EVENTFD | vu.TRIGGER, fds=[ev.fd] * 16)
    conn.set_irqs(vu.INTX, 0, 1, vu.EVENTFD | vu.UNMASK, fds=[ev.fd])


def step_region_fd(server, conn, mem, ev):
    conn.negotiate()
    conn.send(vu.REGION_INFO, vu.p_region_info(2, 4096))


def step_pending_access(server, conn, mem, ev):
    conn.negotiate()
    conn.send(vu.REGION_READ, vu.p_access(0, harness.PENDING, 4))
    conn.send(vu.DMA_MAP, vu.p_dma_map(0, 4096), fds=[mem.fd])
    server.wait_log("pending:4")


def step_quiescing(server, conn, mem, ev):
    conn.negotiate()
    server.ctl("log")
    server.ctl("quiesce", "pending")
    conn.send(vu.DMA_MAP, vu.p_dma_map(0, 4096), fds=[mem.fd])
    conn.send(vu.DMA_MAP, vu.p_dma_map(4096, 4096), fds=[mem.fd])
    server.wait_log("quiesce")


def step_reader(server, conn, mem, ev):
    conn.negotiate()
    conn.dma_map(0, 4096, fd=mem.fd)
    assert server.ctl("reader", "hold", 0).rc == 1
    conn.send(vu.DMA_UNMAP, vu.p_dma_unmap(0, 4096))
    conn.send(vu.DMA_MAP, vu.p_dma_map(0, 4096), fds=[mem.fd])


def step_dma_request(server, conn, mem, ev):
    conn.negotiate()
    conn.dma_map(0, 4096)
    server.ctl_start("dma_read", "thread", 0, 16)
    conn.recv_command(vu.DMA_READ)


def step_half_dma_reply(server, conn, mem, ev):
    conn.negotiate()
    conn.dma_map(0, 4096)
    server.ctl_start("dma_read", "thread", 0, 16)
    msg = conn.recv_command(vu.DMA_READ)
    conn.send_raw(vu.message(vu.DMA_READ, vu.p_dma(0, 16, bytes(16)),
                             mid=msg.id, flags=vu.REPLY)[:-1])


def step_unread_replies(server, conn, mem, ev):
    conn.negotiate()
    conn.send_raw(vu.message(vu.REGION_READ, vu.p_access(1, 0, 0x10000)) * 50)


STEPS = {name[5:]: step for name, step in list(globals().items())
         if name.startswith("step_")}


@pytest.mark.parametrize("step", STEPS.values(), ids=STEPS)
@pytest.mark.parametrize("how", ["close", "shutdown", "reset"])
def test_death(server, memory, event, step, how):
    """Nothing is left behind, and the next client is served."""
    mem, ev = memory(8192), event()
    conn = server.connect()
    step(server, conn, mem, ev)
    if how == "shutdown":
        conn.sock.shutdown(socket.SHUT_WR)
    elif how == "reset":  # unread data make the kernel say ECONNRESET
        server.ctl("fds")
    if how != "shutdown":
        conn.close()
    if step is step_reader:
        server.ctl("reader", "release")
    server.wait_idle()
    server.ctl("quiesce", 0)
    if how == "shutdown":
        conn.close()
    server.wait_fds(server.baseline)
    assert server.ctl("dma_count").rc == 0


def test_lost_connection_callback(server, memory):
    """Once per client that had negotiated; memory is there meanwhile."""
    server.ctl("log")
    conn = server.client()
    conn.dma_map(0x1000, 4096, fd=memory(4096).fd)
    conn.close()
    server.wait_idle()
    words = server.ctl("log").text.split()
    assert words.count("connected") == 1
    assert words.count("reset:lost") == 1
    assert words.index("connected") < words.index("reset:lost")
    if "unmap:1000:1000" in words:
        assert words.index("reset:lost") < words.index("unmap:1000:1000")


def test_no_callback_without_negotiation(server):
    server.ctl("log")
    for data in b"", harness.version()[:20]:
        conn = server.connect()
        conn.send_raw(data)
        conn.close()
    conn = server.connect()
    conn.call(vu.VERSION, vu.p_version(b"garbage"))
    conn.close()
    server.client().close()  # it has seen the others by now
    server.wait_idle()
    words = server.ctl("log").text.split()
    assert words.count("connected") == words.count("reset:lost") == 1


def test_device_state_is_kept(server):
    """D10: disconnecting does not clear the device."""
    conn = server.client()
    conn.write(1, 0x40, b"kept")
    conn.close()
    server.wait_idle()
    assert server.client().read(1, 0x40, 4) == b"kept"


def test_many_connections(server, memory):
    """Two hundred clients in a row."""
    mem = memory(4096)
    for _ in range(200):
        conn = server.client()
        conn.dma_map(0, 4096, fd=mem.fd)
        conn.close()
        server.conns.remove(conn)
    server.wait_idle()
    server.wait_fds(server.baseline)


# -- no busy loops, no file descriptors left ------------------------------

def cpu_ms(pid):
    """CPU time of a process."""
    fields = open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()
    return sum(map(int, fields[11:13])) * 1000 // os.sysconf("SC_CLK_TCK")


def waits(server, seconds=0.2):
    """The server sleeps meanwhile."""
    before = cpu_ms(server.pid)
    time.sleep(seconds)
    used = cpu_ms(server.pid) - before
    assert used <= seconds * 1000 / 2, f"{used} ms of CPU while waiting"


def idle_nobody(server, event):
    server.wait_idle()


def idle_client(server, event):
    server.client().sync()


def idle_mute(server, event):
    server.connect()


def idle_half_message(server, event):
    server.client().send_raw(vu.message(vu.GET_INFO, vu.p_info())[:20])


def idle_visitors(server, event):
    server.client()
    for _ in range(40):
        server.connect()


def idle_visitor_half_header(server, event):
    server.client()
    server.connect().send_raw(harness.version()[:7])


def idle_pending(server, event):
    conn = server.client()
    conn.send(vu.REGION_READ, vu.p_access(0, harness.PENDING, 4))
    for _ in range(20):
        conn.send(vu.GET_INFO, vu.p_info())


def idle_pending_backlog(server, event):
    """More requests than are kept: the rest stays in the socket."""
    conn = server.client()
    conn.send(vu.REGION_READ, vu.p_access(0, harness.PENDING, 4))
    for _ in range(100):
        conn.sock.setblocking(False)
        try:
            conn.sock.send(vu.message(vu.GET_INFO, vu.p_info()) * 50)
        except BlockingIOError:
            break


def idle_quiescing(server, event):
    server.ctl("quiesce", "pending")
    server.client().send(vu.RESET)


def idle_dma_request(server, event):
    conn = server.client()
    conn.dma_map(0, 4096)
    server.ctl_start("dma_read", "async", 0, 16)


def idle_unread(server, event):
    conn = server.client()
    conn.sock.setblocking(False)
    try:
        for _ in range(200):
            conn.sock.send(vu.message(vu.REGION_READ,
                                      vu.p_access(1, 0, 0x10000)))
    except BlockingIOError:
        pass


def idle_resample(server, event):
    """A resample eventfd that was signalled and whose client is gone."""
    conn, ev = server.client(), event()
    conn.set_irqs(vu.INTX, 0, 1, vu.EVENTFD | vu.UNMASK, fds=[ev.fd])
    ev.signal()
    conn.close()


IDLE = {name[5:]: step for name, step in list(globals().items())
        if name.startswith("idle_")}


@pytest.mark.parametrize("state", IDLE.values(), ids=IDLE)
def test_waits_without_spinning(server, event, state):
    state(server, event)
    server.ctl("fds")
    time.sleep(0.02)
    waits(server)


def limit_fds(server, room=None):
    """Leave room for that many more fds; without it, for plenty."""
    limit = 1024
    if room is not None:
        used = {int(fd) for fd in os.listdir(f"/proc/{server.pid}/fd")}
        limit = 0
        while limit in used or room:
            room -= limit not in used
            limit += 1
    hard = resource.prlimit(server.pid, resource.RLIMIT_NOFILE)[1]
    resource.prlimit(server.pid, resource.RLIMIT_NOFILE, (limit, hard))


def test_out_of_fds(own_server, memory, event):
    """fds that do not fit are lost (CTRUNC): an error, and nothing leaks."""
    server = own_server()
    conn = server.client()
    conn.sync()
    before = server.fds()
    limit_fds(server, 3)
    for count in 4, 16:
        for cmd, payload in (
                (vu.SET_IRQS, vu.p_set_irqs(vu.MSIX, 0, count,
                                            vu.EVENTFD | vu.TRIGGER)),
                (vu.GET_INFO, vu.p_info())):
            reply = conn.call(cmd, payload, fds=[event().fd] * count)
            assert reply.error in (errno.EMFILE, errno.EINVAL)
            server.wait_fds(before)
    limit_fds(server)
    conn.dma_map(0, 4096, fd=memory(4096).fd)
    conn.close()
    server.wait_idle()


def test_no_fd_for_next_client(own_server):
    """accept() fails: no busy loop, and it works again later."""
    server = own_server()
    conn = server.client()
    limit_fds(server, 2)
    conns = [server.connect() for _ in range(7)]
    time.sleep(0.02)
    waits(server)
    conn.sync()
    for other in conns:
        other.close()
    limit_fds(server)
    conn.close()
    server.client().sync()
