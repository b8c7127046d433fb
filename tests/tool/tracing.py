# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-user contributors
"""The tracing proxy as a process, and what it wrote."""

import json
import os
import pathlib
import shutil
import signal
import subprocess
import time

import pytest

import vfio_user_wire as vu

LUA = pathlib.Path(__file__).resolve().parents[2] / "app" / "vfio-user" / "wireshark" \
    / "vfio_user.lua"
SANITIZER = ("ERROR: AddressSanitizer", "ERROR: LeakSanitizer", "runtime error:")


class Trace:
    """A running "dpdk-vfio-user trace" between clients and the path of a server."""

    def __init__(self, program, folder, server, *options, output="out"):
        self.path = str(folder / "trace.sock")
        self.output = folder / output
        self.proc = subprocess.Popen(
            [str(program), "trace", "--listen", self.path, "--connect", str(server),
             "--output", str(self.output), *map(str, options)],
            stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        line = self.proc.stderr.readline()
        assert "listening on" in line, line + self.proc.stderr.read()
        self.baseline = self.fds()
        self.log = None

    def connect(self):
        """A client, that has not negotiated."""
        return vu.Client.connect(self.path)

    def fds(self):
        """Number of open file descriptors."""
        return len(os.listdir("/proc/%d/fd" % self.proc.pid))

    def wait_fds(self, count):
        """It comes to have so many open."""
        deadline = time.monotonic() + vu.LIMIT
        while self.fds() != count:
            assert time.monotonic() < deadline, "%d fds, not %d" % (self.fds(), count)
            time.sleep(0.005)

    def wait(self, timeout=vu.LIMIT):
        """Wait until it ends by itself; its exit status."""
        self.log = self.proc.communicate(timeout=timeout)[1]
        assert not any(text in self.log for text in SANITIZER), self.log
        return self.proc.returncode

    def end(self, sig=signal.SIGINT, status=0):
        """End it; its summary."""
        if self.log is None:
            self.proc.send_signal(sig)
            assert self.wait() == status, self.log
        return self.log

    def kill(self):
        """End it whatever it does."""
        self.proc.kill()
        self.proc.wait()

    def text(self):
        """What it has written, after its end."""
        self.end()
        return self.output.read_text(encoding="ascii")

    def events(self):
        """The lines of a JSON trace, after its end."""
        return [json.loads(line) for line in self.text().splitlines()]

    def messages(self):
        """The messages of a JSON trace, after its end."""
        return [e for e in self.events() if e["event"] == "message"]


def tshark(path, *options):
    """What tshark prints about a file with our dissector, which must not fail."""
    if shutil.which("tshark") is None:
        pytest.fail("no tshark: scripts/install-deps.sh test", pytrace=False)
    done = subprocess.run(["tshark", "-X", "lua_script:%s" % LUA, "-r", str(path), *options],
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
                          timeout=300)
    assert done.returncode == 0, done.stderr
    assert "lua" not in done.stderr.lower(), done.stderr
    assert "Lua Error" not in done.stdout
    return done.stdout
