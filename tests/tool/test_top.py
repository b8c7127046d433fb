# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-user contributors
"""dpdk-vfio-user top: devices by the telemetry of their processes."""

import fcntl
import json
import os
import pathlib
import pty
import signal
import socket
import struct
import subprocess
import termios
import threading
import time

import pytest

import telemetry
import tool as helpers
import vfio_user_wire as vu


@pytest.fixture
def demo(build, tmp_path):
    """A demo device with telemetry."""
    process = telemetry.demo(build, tmp_path / "demo.sock")
    yield process
    process.end()


def devices_of(look, pid):
    return [dev for dev in look["devices"] if dev["pid"] == pid]


class FakeProcess:
    """Something that answers on a telemetry socket, or does not."""

    def __init__(self, folder, answer):
        folder.mkdir(parents=True)
        self.answer = answer
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.sock.bind(str(folder / "dpdk_telemetry.v2"))
        self.sock.listen(8)
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        while True:
            try:
                conn, _ = self.sock.accept()
            except OSError:
                return
            with conn:
                conn.settimeout(helpers.LIMIT)
                command = "hello"
                while command:
                    answer = self.answer(command)
                    if answer is not None:
                        conn.send(answer if isinstance(answer, bytes)
                                  else json.dumps(answer).encode())
                    try:
                        command = conn.recv(4096).decode()
                    except OSError:
                        break

    def close(self):
        self.sock.shutdown(socket.SHUT_RDWR)
        self.sock.close()
        self.thread.join(helpers.LIMIT)


@pytest.fixture
def fake_process(tmp_path):
    """Starts fake processes below a folder, which it returns."""
    fakes = []

    def start(answer):
        fakes.append(FakeProcess(tmp_path / "dpdk" / ("p%d" % len(fakes)), answer))
        return tmp_path / "dpdk"

    yield start
    for fake in fakes:
        fake.close()


def test_nothing(tool, tmp_path):
    look = tool.json("top", "--once", "-i", "0", "--dir", tmp_path)
    assert look["devices"] == [] and look["failed"] == {}
    out = tool.ok("top", "--once", "-i", "0", "--dir", tmp_path).splitlines()
    assert out[0].split()[:4] == ["PID", "PROCESS", "ID", "ROLE"] and out[1] == "no devices"


def test_a_device(tool, demo):
    """What the wire did is what is shown; rates come with the second look."""
    peer = vu.Client.connect(demo.path)
    peer.negotiate()
    peer.dma_map(0x1000, 0x1000)
    peer.fails(22, vu.REGION_READ, vu.p_access(7, 1 << 40, 4))
    look = tool.json("top", "--once", "--interval", "0")
    (dev,) = devices_of(look, demo.proc.pid)
    assert dev["process"] == "vfio_user_demo" and dev["socket"] == str(demo.path)
    assert (dev["id"], dev["role"], dev["state"]) == (1, "server", "connected")
    assert dev["peer_pid"] == os.getpid() and dev["peer"]
    assert (dev["messages"], dev["dma_maps"], dev["errors"]) == (6, 1, 1)
    assert dev["messages_per_second"] is None and dev["irqs_per_second"] is None
    assert demo.proc.pid not in [user["pid"] for user in look["without_telemetry"]]
    # the same as text
    row = [line.split() for line in tool.ok("top", "--once", "-i", "0").splitlines()
           if line.split()[0] == str(demo.proc.pid)][0]
    assert row[1:5] == ["vfio_user_demo", "1", "server", "connected"]
    assert row[-5:] == ["-", "-", "1", "1", str(demo.path)]
    peer.close()


def test_keys_are_in_the_guide(tool, demo):
    guide = pathlib.Path(__file__).resolve().parents[2] / "doc" / "guides" / "tools"
    text = (guide / "vfio_user.rst").read_text(encoding="utf-8")
    text = text.split("\n``top``\n")[1].split("\n\n")[0]
    look = tool.json("top", "--once", "-i", "0")
    (dev,) = devices_of(look, demo.proc.pid)
    assert [key for key in (*look, *dev) if "``%s``" % key not in text] == []


def test_rates(tool, demo):
    peer = vu.Client.connect(demo.path)
    peer.negotiate()
    run = tool.start("top", "--json", "--interval", "0.3")
    first = json.loads(run.proc.stdout.readline())
    for _ in range(50):
        peer.read(7, 0, 4)
    looks = [first] + [json.loads(run.proc.stdout.readline()) for _ in range(3)]
    run.proc.send_signal(signal.SIGINT)
    assert run.end().status == helpers.OK
    devs = [devices_of(look, demo.proc.pid)[0] for look in looks]
    assert devs[0]["messages_per_second"] is None
    assert all(dev["messages_per_second"] is not None for dev in devs[1:])
    assert devs[-1]["messages"] == 2 + 100
    # what was between two looks, whenever it happened
    assert any(dev["messages_per_second"] > 0 for dev in devs[1:])
    assert all(dev["irqs_per_second"] == 0 for dev in devs[1:])
    peer.close()


def test_without_telemetry(tool, build, tmp_path):
    """No EAL, an EAL without telemetry, a stripped program that has the library in it."""
    static = tmp_path / "stripped"
    subprocess.run(["strip", "-o", static, build("tests", "tool", "many_devices_static")],
                   check=True)
    plain = helpers.Server(build("examples", "vfio_user_demo"), tmp_path / "plain.sock")
    quiet = []
    try:
        for program in build("tests", "tool", "many_devices"), static:
            folder = tmp_path / str(len(quiet))
            folder.mkdir()
            quiet.append(telemetry.Process(program, "--no-telemetry", "--", folder, 1))
            quiet[-1].wait_line("ready")
        pids = {plain.proc.pid} | {process.proc.pid for process in quiet}
        look = tool.json("top", "--once", "-i", "0")
        assert pids <= {user["pid"] for user in look["without_telemetry"]}
        out = tool.ok("top", "--once", "-i", "0")
        assert "no telemetry: %d vfio_user_demo\n" % plain.proc.pid in out
        assert "no telemetry: %d stripped\n" % quiet[1].proc.pid in out
        # this one does not
        assert not [user for user in look["without_telemetry"] if user["pid"] == os.getpid()]
    finally:
        plain.end()
        for process in quiet:
            process.end()


def test_many(tool, build, tmp_path):
    process = telemetry.Process(build("tests", "tool", "many_devices"), "--", tmp_path, 700)
    try:
        process.wait_line("ready")
        process.connect()
        devices = devices_of(tool.json("top", "--once", "-i", "0"), process.proc.pid)
        assert [dev["id"] for dev in devices] == list(range(1, 701))
    finally:
        process.end()


# ------------------------------------------------------------------ odd processes

def test_left_behind(tool, fake_process, tmp_path):
    """A socket that nobody listens on is of a process that has ended."""
    folder = fake_process(lambda command: None)
    gone = tmp_path / "dpdk" / "gone"
    gone.mkdir()
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as sock:
        sock.bind(str(gone / "dpdk_telemetry.v2"))
    look = tool.json("top", "--once", "-i", "0", "--dir", folder)
    # the other one listens and says nothing
    assert list(look["failed"]) == [str(folder / "p0" / "dpdk_telemetry.v2")]
    assert "cannot ask" in tool.ok("top", "--once", "-i", "0", "--dir", folder)


@pytest.mark.parametrize("hello", (b"", b"{", b"[]", b'{"pid":"x"}', b'{"pid":-1}', b"\xff" * 99,
                                   b"[" * 60000))
def test_wrong_greetings(tool, fake_process, hello):
    folder = fake_process(lambda command: hello if command == "hello" else None)
    look = tool.json("top", "--once", "-i", "0", "--dir", folder)
    assert look["devices"] == [] and len(look["failed"]) == 1


def hostile(answers):
    def answer(command):
        if command == "hello":
            return {"version": "DPDK", "pid": 4000000, "max_output_len": 16384}
        name = command.split(",", maxsplit=1)[0]
        return {name: answers.get(name)}
    return answer


def test_hostile_text(tool, fake_process):
    """Nothing of another process steers the terminal."""
    folder = fake_process(hostile({
        "/vfio_user/list": {"devices": [1], "next": 0},
        "/vfio_user/dev": {"role": "\x1b[2J" * 100, "socket": "\x9b\u202e\n" * 500,
                           "state": "\r\x07", "peer_pid": -5},
        "/vfio_user/stats": {"messages_in": 2**64 - 1, "errors_in": {"\x1b": -1, "b": "c"}},
    }))
    out = tool.ok("top", "--once", "-i", "0", "--dir", folder)
    assert all(char == "\n" or " " <= char <= "~" for char in out)
    assert len([line for line in out.splitlines() if line.split()[0] == "4000000"]) == 1
    dev, = tool.json("top", "--once", "-i", "0", "--dir", folder)["devices"]
    assert dev["errors"] == 0 and dev["peer_pid"] is None


@pytest.mark.parametrize("page", (
    {"devices": [1] * 3, "next": 1}, {"devices": "x", "next": 2}, {"devices": [None], "next": 1.5},
    {"devices": [], "next": 2**64 - 1}, [], None, 7,
))
def test_hostile_pages(tool, fake_process, page):
    """Pages without an end do not keep it."""
    folder = fake_process(hostile({"/vfio_user/list": page}))
    look = tool.json("top", "--once", "-i", "0", "--dir", folder)
    assert look["devices"] == []


def test_silent(tool, fake_process):
    """A process that stops to answer is waited for once, not for each device."""
    known = hostile({"/vfio_user/list": {"devices": list(range(1, 200)), "next": 0}})
    folder = fake_process(lambda command: None if "/dev" in command else known(command))
    look = tool.json("top", "--once", "-i", "0", "--dir", folder)
    assert look["devices"] == []
    assert list(look["failed"].values()) == ["it stopped answering"]


def test_interrupted_while_asking(tool, fake_process):
    """Nor does one that is slow keep it from its end."""
    asked = threading.Event()

    def answer(command):
        if "/dev" in command:
            asked.set()
            time.sleep(0.4)
        return known(command)

    known = hostile({"/vfio_user/list": {"devices": list(range(1, 1000)), "next": 0}})
    run = tool.start("top", "--dir", fake_process(answer))
    assert asked.wait(helpers.LIMIT)
    run.proc.send_signal(signal.SIGINT)
    assert run.end().status == helpers.OK


# ------------------------------------------------------------------------ terminal

def read_terminal(fd, until, seconds=helpers.LIMIT):
    """What is written to a terminal, up to so many screens."""
    text, deadline = b"", time.monotonic() + seconds
    while text.count(b"\x1b[H\x1b[J") < until and time.monotonic() < deadline:
        text += os.read(fd, 65536)
    return text.decode().replace("\r\n", "\n")


def test_terminal(tool, demo, tmp_path):
    """Each table takes the place of the one before, and no more than there is."""
    folder = tmp_path / "dpdk"  # other processes would take the few lines
    folder.mkdir()
    (folder / "demo").symlink_to(demo.folder)
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 6, 60, 0, 0))
    # pylint: disable=consider-using-with
    proc = subprocess.Popen([str(tool.path), "top", "-i", "0.1", "--dir", str(folder)],
                            stdin=slave, stdout=slave, stderr=slave)
    os.close(slave)
    text = read_terminal(master, 3)
    proc.send_signal(signal.SIGTERM)
    assert proc.wait(helpers.LIMIT) == 0
    os.close(master)
    screens = text.split("\x1b[H\x1b[J")[1:-1]
    assert len(screens) >= 2
    for screen in screens:
        lines = screen.splitlines()
        assert lines[0].split()[:2] == ["PID", "PROCESS"] and len(lines) <= 5
        assert all(len(line) <= 60 for line in lines)
    assert str(demo.proc.pid) in text


def test_arguments(tool):
    tool.fails(helpers.USAGE, "top", "x")
    tool.fails(helpers.USAGE, "top", "--interval", "0")
    tool.fails(helpers.USAGE, "top", "--interval", "soon")
    assert "--once" in tool.ok("top", "--help")


def test_nobody_reads(tool, tmp_path):
    """A full disk is an error, once."""
    with open("/dev/full", "w", encoding="ascii") as full:
        done = subprocess.run([str(tool.path), "top", "--dir", str(tmp_path), "-i", "0.1"],
                              stdout=full, stderr=subprocess.PIPE, timeout=helpers.LIMIT,
                              check=False)
    assert done.returncode == helpers.FAILED and done.stderr.count(b"\n") == 1
