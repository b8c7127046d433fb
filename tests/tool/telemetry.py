# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-user contributors
"""Processes with telemetry, and questions to it."""

import json
import os
import pathlib
import shutil
import socket
import subprocess
import uuid

import tool as helpers


class Telemetry:
    """A connection to the telemetry socket of a process."""

    def __init__(self, path):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.sock.settimeout(helpers.LIMIT)
        self.sock.connect(str(path))
        self.info = json.loads(self.sock.recv(4096))

    def ask(self, command):
        """The answer to a command; None if it was refused."""
        self.sock.send(command.encode())
        answer = json.loads(self.sock.recv(self.info["max_output_len"]))
        (name, value), = answer.items()
        assert name == command.split(",")[0]
        return value

    def close(self):
        self.sock.close()


class Process:
    """A program that is started with options for the EAL."""

    def __init__(self, program, *words, environ=None):
        self.prefix = "vu-test-" + uuid.uuid4().hex[:12]
        # pylint: disable=consider-using-with
        self.proc = subprocess.Popen(
            [str(program), "--no-huge", "--no-pci", "-m", "64", "-l", "0", "--file-prefix",
             self.prefix, *map(str, words)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env={**os.environ, **(environ or {})})
        self.telemetry = None
        runtime = pathlib.Path("/var/run" if os.getuid() == 0
                               else os.environ.get("XDG_RUNTIME_DIR", "/tmp"))
        self.folder = runtime / "dpdk" / self.prefix

    def wait_line(self, text):
        """Wait until it prints a line with the text."""
        for line in self.proc.stdout:
            if text in line.decode():
                return
        raise AssertionError("it ended: " + self.proc.stderr.read().decode())

    def connect(self):
        """Connect to its telemetry."""
        self.telemetry = Telemetry(self.folder / "dpdk_telemetry.v2")
        return self.telemetry

    def ask(self, command):
        return self.telemetry.ask(command)

    def end(self):
        """It must end in good order."""
        if self.telemetry is not None:
            self.telemetry.close()
        alive = self.proc.poll() is None
        self.proc.stdin.close()
        self.proc.terminate()
        self.proc.stdout.read()
        err = self.proc.stderr.read().decode()
        self.proc.wait(helpers.LIMIT)
        self.proc.stdout.close()
        self.proc.stderr.close()
        shutil.rmtree(self.folder, ignore_errors=True)
        assert alive and not helpers.SANITIZER.search(err), err


def demo(build, path):
    """A demo device with telemetry, to which the test is connected."""
    process = Process(build("examples", "vfio_user_demo"), "--", path)
    process.path = path
    process.wait_line("listening")
    process.connect()
    return process
