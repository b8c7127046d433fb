# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-user contributors
"""The processes under test: control lines, fd counts, sanity checks."""

import collections
import errno
import os
import select
import signal
import subprocess
import time
import zlib

import vfio_user_wire as vu

Result = collections.namedtuple("Result", "rc text")

LIMIT = vu.LIMIT

#: Where the server's region has accesses that are answered later.
PENDING = 0x100

#: Any of these on stderr fails the test.
SANITIZER = ("ERROR: AddressSanitizer", "ERROR: LeakSanitizer",
             "WARNING: ThreadSanitizer", "runtime error:")


def data_text(data):
    """What the programs print for data."""
    if len(data) > 64:
        return f"crc32:{len(data)}:{zlib.crc32(data):08x}"
    return data.hex()


def version():
    """The first message of a client."""
    return vu.message(vu.VERSION, vu.p_version(vu.caps_json(vu.CAPS)), mid=1)


def wait_for(condition, timeout=LIMIT, what="condition"):
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, f"timeout: {what}"
        time.sleep(0.001)


class Program:
    """A program that takes "TAG WORDS" lines and answers "TAG RESULT TEXT"."""

    def __init__(self, argv, log_path, pass_fds=()):
        self.log_path = log_path
        with open(log_path, "wb") as log:
            self.proc = subprocess.Popen(
                [str(a) for a in argv], stdin=subprocess.PIPE,
                stdout=subprocess.PIPE, stderr=log, pass_fds=pass_fds)
        self.pid = self.proc.pid
        self.buf = b""
        self.results = {}
        self.tag = 0
        assert self._line(LIMIT) == "ready"

    def _line(self, timeout):
        deadline = time.monotonic() + timeout
        out = self.proc.stdout
        while b"\n" not in self.buf:
            left = max(deadline - time.monotonic(), 0)
            assert select.select([out], [], [], left)[0], "no answer in time"
            part = os.read(out.fileno(), 65536)
            assert part, f"the program ended:\n{self.log()}"
            self.buf += part
        line, self.buf = self.buf.split(b"\n", 1)
        return line.decode()

    def start(self, *words):
        """Begin a command; its tag."""
        self.tag += 1
        line = " ".join(str(w) for w in (self.tag, *words)) + "\n"
        self.proc.stdin.write(line.encode())
        self.proc.stdin.flush()
        return self.tag

    def result(self, tag, timeout=LIMIT):
        """Result(rc, text) of a command."""
        while tag not in self.results:
            number, rc, text = self._line(timeout).split(" ", 2)
            self.results[int(number)] = Result(int(rc), text)
        return self.results.pop(tag)

    def done(self, tag, timeout=0.0):
        """Whether a command has answered, waiting for it a while."""
        try:
            self.results[tag] = self.result(tag, timeout)
        except AssertionError:
            assert self.alive(), self.log()
            return False
        return True

    def cmd(self, *words):
        return self.result(self.start(*words))

    def ok(self, *words):
        """A command that must not fail; its text."""
        res = self.cmd(*words)
        assert res.rc >= 0, f"{words}: {errno.errorcode.get(-res.rc, res.rc)}"
        return res.text

    def fds(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def mappings(self):
        """Number of mappings of memory that processes share."""
        with open(f"/proc/{self.pid}/maps", encoding="utf-8") as maps:
            return sum("/memfd:" in line for line in maps)

    def wait_fds(self, want):
        """The number of open fds becomes this, and soon."""
        try:
            wait_for(lambda: self.fds() == want)
        except AssertionError:
            raise AssertionError(f"{self.fds()} fds open, expected {want}:\n"
                                 + self.fd_list()) from None

    def fd_list(self):
        lines = []
        for fd in sorted(os.listdir(f"/proc/{self.pid}/fd"), key=int):
            try:
                link = os.readlink(f"/proc/{self.pid}/fd/{fd}")
                lines.append(f"{fd} {link}")
            except OSError:
                pass
        return "\n".join(lines)

    def alive(self):
        return self.proc.poll() is None

    def log(self):
        with open(self.log_path, errors="replace") as log:
            return log.read()

    def check_log(self):
        log = self.log()
        assert not any(s in log for s in SANITIZER), log

    def pause(self):
        """Stop the process, so that what is sent arrives at once."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self):
        os.kill(self.pid, signal.SIGCONT)

    def quit(self):
        """End in good order: exit code 0, nothing from a sanitizer."""
        if self.alive():
            self.cmd("0", "quit") if self.quit_has_device else self.cmd("quit")
        rc = self.proc.wait(LIMIT)
        self.close()
        self.check_log()
        assert rc == 0, f"exit code {rc}:\n{self.log()}"

    quit_has_device = False

    def kill(self):
        """End at once, whatever it does."""
        if self.alive():
            self.proc.kill()
        self.proc.wait(LIMIT)
        self.close()

    def close(self):
        self.proc.stdin.close()
        self.proc.stdout.close()


class Proxy:
    """A tracing proxy in front of a server: clients connect to its path."""

    def __init__(self, program, server_path):
        self.path = f"{server_path}.p"
        self.proc = subprocess.Popen(
            [str(program), "trace", "--listen", self.path, "--connect",
             str(server_path), "--format", "json", "--output",
             f"{server_path}.json"], stderr=subprocess.PIPE)
        assert b"listening" in self.proc.stderr.readline()

    def quit(self):
        """End in good order, and with nothing from a sanitizer."""
        self.proc.send_signal(signal.SIGTERM)
        log = self.proc.communicate(timeout=LIMIT)[1].decode()
        assert self.proc.returncode == 0, log
        assert not any(s in log for s in SANITIZER), log


class Server(Program):
    """wire_server: the server under test; clients may have a proxy before it."""

    quit_has_device = True

    def __init__(self, program, options, paths, log_path, pass_fds=(), proxy=None):
        self.paths = [str(p) for p in paths]
        self.conns = []
        self.proxies = []
        super().__init__([program, *options, *self.paths], log_path, pass_fds)
        self.baseline = None
        if proxy:
            self.proxies = [Proxy(proxy, path) for path in self.paths]
        if self.paths:
            self.warm(options)

    def warm(self, options):
        """Use each interrupt once: their slots stay for the device's life."""
        chunk = 16
        if "--max-msg-fds" in options:
            chunk = min(16, int(options[options.index("--max-msg-fds") + 1]))
        for device in range(len(self.paths)):
            event = vu.Event()
            client = self.client(device=device)
            for index, count, actions in (
                    (vu.INTX, 1, (vu.TRIGGER, vu.MASK, vu.UNMASK)),
                    (vu.MSI, 8, (vu.TRIGGER, vu.MASK, vu.UNMASK)),
                    (vu.MSIX, 64, (vu.TRIGGER, vu.MASK, vu.UNMASK)),
                    (vu.ERR, 1, (vu.TRIGGER,))):
                for action in actions:
                    for start in range(0, count, chunk):
                        n = min(chunk, count - start)
                        client.set_irqs(index, start, n, vu.EVENTFD | action,
                                        fds=[event.fd] * n)
            client.close()
            event.close()
            self.wait_idle(device)
        time.sleep(0.02)
        self.baseline = self.fds()
        self.ctl("log")

    def ctl(self, *words, device=0):
        return self.cmd(device, *words)

    def ctl_start(self, *words, device=0):
        return self.start(device, *words)

    def connect(self, device=0):
        """A connection that has not negotiated; closed after the test."""
        path = self.paths[device]
        if self.proxies:
            path = self.proxies[device].path
        conn = vu.Client.connect(path)
        self.conns.append(conn)
        return conn

    def client(self, caps=None, device=0):
        """A negotiated client, as soon as the device is free."""
        deadline = time.monotonic() + LIMIT
        data = vu.p_version(vu.caps_json(vu.CAPS if caps is None else caps))
        while True:
            conn = self.connect(device)
            reply = conn.call(vu.VERSION, data)
            if reply.error != errno.EBUSY:
                assert reply.flags == vu.REPLY, reply
                return conn
            conn.close()
            self.conns.remove(conn)
            assert time.monotonic() < deadline, "the device stays busy"
            time.sleep(0.002)

    def wait_idle(self, device=0):
        """The last client is gone, for the server too."""
        wait_for(lambda: self.ctl("negotiated", device=device).rc
                 == -errno.ENOTCONN, what="client still there")

    def wait_log(self, word, device=0):
        """The device's callbacks come to this; the log up to there is taken."""
        words = []

        def seen():
            words.extend(self.ctl("log", device=device).text.split())
            return word in words

        wait_for(seen, what=f"{word} in the log")

    def quit(self):
        super().quit()
        for proxy in self.proxies:
            proxy.quit()

    def kill(self):
        super().kill()
        for proxy in self.proxies:
            proxy.proc.kill()
            proxy.proc.wait()

    def check(self):
        """After a test: sane, serves a good client, has no fd too many."""
        for conn in self.conns:
            conn.close()
        self.conns.clear()
        assert self.alive(), f"server died:\n{self.log()}"
        self.check_log()
        for device in range(len(self.paths)):
            self.ctl("defaults", device=device)
            self.good_client(device)
        self.wait_fds(self.baseline)
        for device in range(len(self.paths)):
            self.ctl("log", device=device)

    def good_client(self, device=0):
        """The device serves a client that behaves."""
        mem = vu.Memory(4096, 3)
        mem.seal()  # for servers that take no other
        client = self.client(device=device)
        client.sync()
        client.write(1, 0x100, b"good")
        assert client.read(1, 0x100, 4) == b"good"
        client.dma_map(0x10000, 4096, fd=mem.fd)
        res = self.ctl("dma_read", "poll", 0x10000, 16, device=device)
        assert res == (0, mem.read(16).hex())
        client.dma_unmap(0x10000, 4096)
        client.close()
        self.conns.remove(client)
        mem.close()
        self.wait_idle(device)


class Driver(Program):
    """client_driver: the client under test."""

    def __init__(self, program, options, path, log_path, pass_fds=()):
        argv = [program, *options] + ([path] if path else [])
        super().__init__(argv, log_path, pass_fds)
        self.baseline = self.fds()

    def check(self):
        """After a test: alive, all fds closed, nobody complained."""
        assert self.alive(), f"client died:\n{self.log()}"
        self.cmd("destroy")
        self.results.clear()
        self.wait_fds(self.baseline)
        self.check_log()
