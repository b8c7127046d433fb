# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-user contributors
"""A driver of a virtio device (virtio_shell.c) and the server it talks to."""

import os
import re
import signal
import subprocess
import time

TIMEOUT = 20


class Failure(Exception):
    """What was asked of a program did not happen."""


class Server:
    """An example that serves a device, with its output in a file."""

    def __init__(self, program, folder, options=()):
        self.path = os.path.join(folder, "sock")
        self.log = os.path.join(folder, "log")
        with open(self.log, "wb") as out:
            self.process = subprocess.Popen([program, *options, self.path],
                                            stdin=subprocess.DEVNULL, stdout=out, stderr=out)
        self.wait_log("listening on")

    def read_log(self):
        """What the server has printed."""
        with open(self.log, errors="replace", encoding="utf-8") as log:
            return log.read()

    def wait_log(self, text, count=1):
        """Wait until the server has printed a text so many times."""
        deadline = time.monotonic() + TIMEOUT
        while self.read_log().count(text) < count:
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise Failure("no '%s': %s" % (text, self.read_log()))
            time.sleep(0.01)

    def counters(self):
        """The counters of the crypto device, by name."""
        count = self.read_log().count("buffers in use")
        self.process.send_signal(signal.SIGUSR1)
        self.wait_log("buffers in use", count + 1)
        line = self.read_log().splitlines()[-1]
        return {name: int(number) for number, name in re.findall(r"(\d+) (\w+)", line)}

    def stop(self):
        """End the server; return its exit status."""
        self.process.terminate()
        try:
            return self.process.wait(TIMEOUT)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise


class Driver:
    """A process that drives a device as it is told."""

    def __init__(self, program, server, *options):
        self.process = subprocess.Popen([program, *options, server.path], text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.expect("ready")

    def expect(self, word):
        """The words after the first one of the next answer."""
        line = self.process.stdout.readline().split()
        if not line or line[0] != word:
            raise Failure("%s instead of %s" % (line, word))
        return line[1:]

    def command(self, word, *args, answer=None):
        """Send a command; return the words of its answer."""
        self.process.stdin.write(" ".join([word, *map(str, args)]) + "\n")
        self.process.stdin.flush()
        return self.expect(answer or word)

    def submit(self, queue, *parts):
        """
        Put a buffer into a queue and wait for it: bytes are read by the device, a
        number is room for so many bytes, None lies in no memory. Return what the
        device says it wrote, and the room's content.
        """
        used, *content = self.command("submit", queue, *map(descriptor, parts))
        return int(used), bytes.fromhex(content[0]) if content else b""

    def post(self, queue, *parts, count=1):
        """Put a buffer into a queue so many times and then notify the device; do not wait."""
        self.add(queue, *parts, count=count)
        self.command("kick", queue)

    def add(self, queue, *parts, count=1):
        """Put a buffer into a queue so many times."""
        words = list(map(descriptor, parts))
        for _ in range(count):
            self.command("add", queue, *words)

    def truncate(self, queue):
        """Take the memory away by truncating its file, notify the device, and end."""
        self.command("truncate", queue)
        self.kill()

    def collect(self, queue, count):
        """Wait until so many posted buffers are back."""
        self.command("collect", queue, count)

    def reset(self):
        """Reset the device and set it up again."""
        self.command("reset")

    def restart(self, queue):
        """Reset one queue, of which all buffers are that are posted, and set it up again."""
        self.command("restart", queue)

    def status(self):
        """The device status."""
        return int(self.command("status")[0], 16)

    def wait_status(self, bits):
        """Wait until bits are set in the device status."""
        deadline = time.monotonic() + TIMEOUT
        while self.status() & bits != bits:
            if time.monotonic() > deadline:
                raise Failure("status 0x%x" % self.status())
            time.sleep(0.01)

    def config(self, offset, length):
        """Bytes of the device configuration."""
        return bytes.fromhex(self.command("config", offset, length)[0])

    def kill(self):
        """End at once, whatever goes on."""
        self.process.kill()
        self.process.wait()
        self.close_pipes()

    def close(self):
        """End in good order."""
        self.process.stdin.close()
        status = self.process.wait(TIMEOUT)
        self.close_pipes()
        if status != 0:
            raise Failure("exit status %d" % status)

    def close_pipes(self):
        """Close what the process left."""
        self.process.stdin.close()
        self.process.stdout.close()


def descriptor(part):
    """A descriptor as virtio_shell takes it."""
    if part is None:
        return "b:16"
    if isinstance(part, int):
        return "w:%d" % part
    return "r:" + part.hex() if any(part) else "z:%d" % len(part)
