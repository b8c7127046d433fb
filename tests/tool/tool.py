# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-user contributors
"""Runs dpdk-vfio-user, and the servers it talks to."""

import json
import re
import socket
import subprocess
import time

OK, FAILED, USAGE, CONNECT, BUSY, TIMEOUT, PROTOCOL = range(7)

LIMIT = 60  # seconds after which something hangs
SANITIZER = re.compile(r"ERROR: \w+Sanitizer|WARNING: \w+Sanitizer|: runtime error: ")


class Done:
    """How a run ended."""

    def __init__(self, status, out, err):
        self.status = status
        self.out = out
        self.err = err

    def __repr__(self):
        return "status %d\n%s\n%s" % (self.status, self.out, self.err)

    @property
    def json(self):
        return json.loads(self.out)


class Run:
    """A run that goes on."""

    def __init__(self, program, words, **options):
        # pylint: disable=consider-using-with
        self.proc = subprocess.Popen([str(program), *map(str, words)], stdin=subprocess.DEVNULL,
                                     stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)

    def end(self, timeout=LIMIT):
        """Wait for its end; it must not be one by a signal or a sanitizer."""
        try:
            out, err = self.proc.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            self.proc.kill()
            out, err = self.proc.communicate()
            raise AssertionError("it hangs:\n%r\n%r" % (out, err)) from None
        done = Done(self.proc.returncode, out.decode(), err.decode())
        assert done.status in range(7), done
        assert not SANITIZER.search(done.err), done
        return done


def reason(done, status):
    """The only line that a run which failed has said."""
    assert done.status == status, done
    lines = done.err.splitlines()
    assert len(lines) == 1 and lines[0].startswith("dpdk-vfio-user: "), done
    return lines[0]


class Tool:
    """The program."""

    def __init__(self, path):
        self.path = path

    def start(self, *words, **options):
        return Run(self.path, words, **options)

    def __call__(self, *words, **options):
        return self.start(*words, **options).end()

    def ok(self, *words, **options):
        """A run that must succeed and complain of nothing; its output."""
        done = self(*words, **options)
        assert done.status == OK and done.err == "", done
        return done.out

    def json(self, *words, **options):
        """The same, of a command that is asked for JSON."""
        return json.loads(self.ok(*words, "--json", **options))

    def table(self):
        """Command -> its options and places of arguments -> names of arguments."""
        found = {}
        for line in self.ok("--list").splitlines():
            name, word, arg = line.split(" ")
            found.setdefault(name, {})[word] = arg
        return found

    def fails(self, status, *words, **options):
        """A run that must fail, with one line of reason; that line."""
        return reason(self(*words, **options), status)


class Server:
    """A process that listens on a socket."""

    def __init__(self, program, path, *options):
        self.path = path
        # pylint: disable=consider-using-with
        self.proc = subprocess.Popen([str(program), *map(str, options), str(path)],
                                     stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        deadline = time.monotonic() + LIMIT
        while not self.listens():
            assert self.proc.poll() is None, self.proc.stderr.read().decode()
            assert time.monotonic() < deadline, "%s does not listen" % program
            time.sleep(0.01)

    def listens(self):
        with socket.socket(socket.AF_UNIX) as sock:
            return sock.connect_ex(str(self.path)) == 0

    def kill(self):
        self.proc.kill()
        self.proc.wait(LIMIT)

    def end(self):
        """Unless it was killed by the test it still runs, and ends well."""
        if self.proc.returncode is not None:
            self.proc.stderr.close()
            return
        assert self.proc.poll() is None, "the server died: " + self.proc.stderr.read().decode()
        self.proc.terminate()
        _, err = self.proc.communicate(timeout=LIMIT)
        assert self.proc.returncode == 0 and not SANITIZER.search(err.decode()), err.decode()
