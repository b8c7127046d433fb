# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-user contributors
"""Connecting: each way in which it fails has its exit status and its words."""

import os
import pathlib
import socket
import threading
import time

import pytest
import tool as t
import vfio_user_wire as vu


def test_no_such_socket(tool, tmp_path):
    assert "no such socket" in tool.fails(t.CONNECT, "info", tmp_path / "none")


def test_not_a_socket(tool, tmp_path):
    path = tmp_path / "file"
    path.write_text("")
    assert "not a socket" in tool.fails(t.CONNECT, "info", path)


def test_nobody_listens(tool, tmp_path):
    path = tmp_path / "sock"
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(path))
    assert "nobody listens" in tool.fails(t.CONNECT, "info", path)


def test_path_too_long(tool, tmp_path):
    line = tool.fails(t.CONNECT, "info", tmp_path / ("x" * 200))
    assert line.endswith("File name too long")


@pytest.mark.parametrize("words", (("info",), ("lspci",), ("reset",), ("irq",), ("bench",),
                                   ("dma-test",)))
def test_every_command_connects_alike(tool, tmp_path, words):
    tool.fails(t.CONNECT, *words, tmp_path / "none")


def test_busy_names_the_holder(tool, demo):
    with vu.Client.connect(demo.path) as client:
        client.negotiate()
        line = tool.fails(t.BUSY, "info", demo.path)
    comm = pathlib.Path("/proc/self/comm").read_text(encoding="utf-8").strip()
    assert "busy" in line and "process %d (%s)" % (os.getpid(), comm) in line


def test_holder_by_a_relative_path(tool, demo):
    with vu.Client.connect(demo.path) as client:
        client.negotiate()
        line = tool.fails(t.BUSY, "info", demo.path.name, cwd=demo.path.parent)
    assert "process %d (" % os.getpid() in line


def test_holder_with_escapes_in_its_name(tool, demo):
    """A process chooses its name: it must not reach the terminal as it is."""
    comm = pathlib.Path("/proc/self/comm")
    before = comm.read_text(encoding="utf-8")
    comm.write_text("\x1b[31mred", encoding="utf-8")
    try:
        with vu.Client.connect(demo.path) as client:
            client.negotiate()
            line = tool.fails(t.BUSY, "info", demo.path)
    finally:
        comm.write_text(before, encoding="utf-8")
    assert "(?[31mred)" in line


def test_wait_until_the_device_is_free(tool, demo):
    with vu.Client.connect(demo.path) as client:
        client.negotiate()
        run = tool.start("info", "--wait", 30, demo.path)
        time.sleep(0.2)
        assert run.proc.poll() is None
    assert run.end().status == t.OK


def test_wait_for_a_server(tool, tmp_path):
    path = tmp_path / "late"
    run = tool.start("reset", "--wait", 30, path)
    time.sleep(0.2)
    server = vu.FakeServer(path)
    try:
        conn = server.accept()
        vu.serve_version(conn)
        conn.reply(conn.recv_command(vu.GET_INFO), bytes((16, 0, 0, 0, 3)) + bytes(11))
        conn.reply(conn.recv_command(vu.RESET))
        assert run.end().status == t.OK
    finally:
        server.close()


def test_wait_ends(tool, tmp_path):
    tool.fails(t.CONNECT, "info", "--wait", 0.2, tmp_path / "none")


def test_silent_server(tool, fake):
    line = tool.fails(t.TIMEOUT, "info", "--timeout", 0.2, fake.path)
    assert "did not answer in time" in line


def version_answer(fake, answer):
    """Answer the VERSION of the next connection."""
    def run():
        conn = fake.accept(30)
        answer(conn, conn.recv_command(vu.VERSION))
        try:
            conn.recv(30)
        except (vu.Closed, vu.Silence, OSError):
            pass
    threading.Thread(target=run, daemon=True).start()


@pytest.mark.parametrize("answer", (
    lambda conn, msg: conn.reply(msg, vu.p_version(vu.caps_json({}), major=1)),
    lambda conn, msg: conn.reply(msg, b""),
    lambda conn, msg: conn.reply(msg, vu.p_version(b"{nonsense\0")),
    lambda conn, msg: conn.send_raw(b"HTTP/1.1 400 Bad Request\r\n\r\n" * 10),
    lambda conn, msg: conn.sock.shutdown(socket.SHUT_RDWR),
), ids=("major", "empty", "json", "other", "closed"))
def test_another_protocol(tool, fake, answer):
    version_answer(fake, answer)
    tool.fails(t.PROTOCOL, "info", fake.path)


def test_version_refused(tool, fake):
    version_answer(fake, lambda conn, msg: conn.reply(msg, err=13))
    tool.fails(t.PROTOCOL, "info", fake.path)
