# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-user contributors
"""Connections: the sockets of a server, and our two ends together."""

import errno
import os
import signal
import socket
import stat
import subprocess

import harness
import vfio_user_wire as vu


# -- sockets --------------------------------------------------------------

def test_socket_mode(own_server):
    server = own_server()
    mode = os.stat(server.paths[0]).st_mode
    assert stat.S_ISSOCK(mode) and stat.S_IMODE(mode) == 0o600
    server.quit()
    assert not os.path.exists(server.paths[0])


def test_stale_socket_replaced(own_server, tmp_path):
    """A socket file that nobody listens on."""
    path = tmp_path / "stale"
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(path))
    own_server(paths=[path]).client().sync()


def test_live_socket_not_replaced(server, programs):
    """Somebody listens there: the second server gives up, the first lives."""
    proc = subprocess.run([programs / "wire_server", server.paths[0]],
                          stdin=subprocess.DEVNULL, capture_output=True,
                          timeout=10)
    assert proc.returncode == 1
    assert b"setup: -98" in proc.stderr  # EADDRINUSE
    server.client().sync()


def test_other_file_not_replaced(programs, tmp_path):
    """A file that is no socket is left alone."""
    path = tmp_path / "precious"
    path.write_text("data")
    proc = subprocess.run([programs / "wire_server", path],
                          stdin=subprocess.DEVNULL, capture_output=True,
                          timeout=10)
    assert proc.returncode == 1
    assert path.read_text() == "data"


def test_long_path_refused(programs, tmp_path):
    """Not truncated."""
    path = tmp_path / ("x" * 120)
    proc = subprocess.run([programs / "wire_server", path],
                          stdin=subprocess.DEVNULL, capture_output=True,
                          timeout=10)
    assert proc.returncode == 1 and b"create: 36" in proc.stderr
    assert not list(tmp_path.iterdir())


def test_inherited_listening_socket(own_server, tmp_path):
    """As by socket activation."""
    path = tmp_path / "inherited"
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(path))
        sock.listen(4)
        server = own_server("--listen-fd", sock.fileno(), paths=[],
                            pass_fds=[sock.fileno()])
    server.paths = [str(path)]
    for _ in range(3):
        conn = server.client()
        conn.sync()
        conn.close()
        server.wait_idle()
    server.quit()
    assert path.exists(), "the file is not the server's"


def test_inherited_connection(own_server):
    ours, theirs = socket.socketpair()
    with theirs:
        server = own_server("--conn-fd", theirs.fileno(), paths=[],
                            pass_fds=[theirs.fileno()])
    conn = vu.Client(ours)
    conn.negotiate()
    conn.sync()
    assert server.ctl("negotiated").rc == 0
    conn.close()
    server.wait_idle()


def test_destroy_with_client(own_server, memory, event):
    """All is released while a client is connected."""
    server = own_server()
    conn = server.client()
    conn.dma_map(0, 4096, fd=memory(4096).fd)
    conn.set_irqs(vu.MSIX, 0, 1, vu.EVENTFD | vu.TRIGGER, fds=[event().fd])
    conn.send(vu.REGION_READ, vu.p_access(0, harness.PENDING, 4))
    server.wait_log("pending:4")
    server.ctl("log")
    assert server.ctl("destroy").rc == 0
    conn.assert_closed()
    left = server.fds()
    assert left <= 4, server.fd_list()
    assert not os.path.exists(server.paths[0])


def test_killed_server(own_server):
    """The client of a killed server sees the end at once."""
    server = own_server()
    conn = server.client()
    os.kill(server.pid, signal.SIGKILL)
    conn.assert_closed()
    server.proc.wait(5)


# -- two implementations of ours together ---------------------------------

def test_driver_against_server(server, make_driver):
    """The client under test with the server under test."""
    drv = make_driver(server.paths[0])
    assert drv.cmd("connect").rc == 0
    assert drv.ok("info") == "16 3 10 6"
    assert drv.cmd("write", 1, 0, "@65536:5").rc == 65536
    want = harness.data_text(vu.pattern(65536, 5))
    assert drv.cmd("read", 1, 0, 65536) == (65536, want)
    assert drv.cmd("mmap", 2) == (0, "1")
    assert drv.cmd("va", 2, 0x1000, 4, "01020304") == (0, "01020304")
    assert drv.cmd("read", 2, 0x1000, 4) == (4, "01020304")
    assert drv.cmd("mmap", 4) == (0, "1")
    assert drv.cmd("va", 4, 0, 4).text == vu.pattern(4, 0xa0).hex()
    assert drv.cmd("dma_map", 0x1000, 4096, 3, "mem",
                   0x100000, 8192, 3, "memfd").rc == 0
    assert drv.cmd("mem", 0x1000, 16, "@16:9").rc == 0
    tag = server.ctl_start("dma_read", "thread", 0x1000, 16)
    drv.cmd("poll", 30000, 1)
    assert server.result(tag) == (0, vu.pattern(16, 9).hex())
    assert drv.cmd("multi", 100, 1, 0, "0102030405060708").rc == 100
    assert drv.cmd("irq_assign", vu.MSIX, 0, "e64").rc == 0
    assert server.ctl("trigger", vu.MSIX, 33).rc == 0
    assert drv.cmd("irq_wait", 33, 30000).rc == 1
    assert drv.cmd("reset").rc == 0
    assert drv.cmd("dma_unmap_all").rc == 0


def test_driver_dma_while_waiting(server, make_driver):
    """Our client serves requests while it waits for its reply."""
    drv = make_driver(server.paths[0], "--no-twin")
    assert drv.cmd("connect").rc == 0
    assert drv.cmd("dma_map", 0x1000, 4096, 3, "mem").rc == 0
    assert drv.cmd("mem", 0x1000, 4, "aabbccdd").rc == 0
    tag = server.ctl_start("dma_read", "callback", 0x1000, 4)
    server.ctl("fds")
    assert drv.cmd("read", 0, 0x118, 4).rc == 4
    assert server.result(tag) == (0, "aabbccdd")


def test_driver_waits_for_busy_device(server, make_driver):
    """connect_timeout_ms goes on while another client holds the device."""
    holder = server.client()
    drv = make_driver(server.paths[0], "--connect-timeout", 30000)
    tag = drv.start("connect")
    assert not drv.done(tag, 0.1)
    holder.close()
    assert drv.result(tag).rc == 0


def test_driver_busy(server, client, make_driver):
    drv = make_driver(server.paths[0])
    assert drv.cmd("connect").rc == -errno.EBUSY
