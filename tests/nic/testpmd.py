# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-user contributors
"""Applications of DPDK that have a terminal; testpmd, driven by what is typed at its prompt.

    pmd = Testpmd(lab, "switch", ["--vdev", "net_null0"], ["--forward-mode=io"])
    pmd.run("start")
    print(pmd.stats(0)["RX-packets"])
    pmd.stop()
"""

import os
import pty
import re
import shutil
import signal
import subprocess
import threading
import time

import vm

PROMPT = "testpmd> "
START_TIMEOUT = 60
#: What its line editor sends to the terminal.
ESCAPES = re.compile(r"\x1b\[[0-9;]*[A-Za-z]|\r")


def program():
    """The testpmd that DPDK installed."""
    found = shutil.which("dpdk-testpmd", path=os.environ.get("PATH", "") + ":/usr/bin")
    if found is None:
        raise vm.Missing("no dpdk-testpmd (package dpdk-dev)")
    return found


class Runtime:
    """What EAL keeps in the file system while an application runs, and leaves there."""

    def __init__(self, prefix):
        parent = "/var/run" if os.geteuid() == 0 else os.environ.get("XDG_RUNTIME_DIR", "/tmp")
        self.folder = os.path.join(parent, "dpdk", prefix)

    def stop(self):
        """Remove it: the application has ended before, for what began later is stopped first."""
        shutil.rmtree(self.folder, ignore_errors=True)


def eal(lab, name, memory=256):
    """The EAL options of any application in a lab, which is to be added next."""
    prefix = "%s-%d-%s" % (os.path.basename(lab.folder), len(lab.processes), name)
    lab.add(Runtime(prefix))
    return ["--no-huge", "-m", str(memory), "--no-pci", "--no-telemetry", "--file-prefix", prefix]


class Application(vm.Child):
    """A process that has a terminal: in a pipe or file its output would be held back."""

    def __init__(self, lab, name, args):
        self.name = name
        self.log = os.path.join(lab.folder, name + ".log")
        self.text = ""
        self.changed = threading.Condition()
        self.master, slave = pty.openpty()
        # A server that closes the terminal would be told so by a signal.
        self.popen = subprocess.Popen(args, stdin=slave, stdout=slave, stderr=slave,
                                      preexec_fn=vm.die_with_parent, start_new_session=True)
        os.close(slave)
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()
        lab.add(self, self.log)

    def _read(self):
        """Keep what the process writes, until it has ended."""
        with open(self.log, "w", encoding="utf-8") as log:
            while True:
                try:
                    data = os.read(self.master, 65536)
                except OSError:
                    data = b""
                with self.changed:
                    if not data:
                        self.text += "\n<end>\n"
                        self.changed.notify_all()
                        return
                    text = ESCAPES.sub("", data.decode(errors="replace"))
                    log.write(text)
                    log.flush()
                    self.text += text
                    self.changed.notify_all()

    def _wait(self, what, find, timeout):
        """Wait until find(text so far) returns something; return it."""
        deadline = time.monotonic() + timeout
        with self.changed:
            while True:
                found = find(self.text)
                if found:
                    return found
                left = deadline - time.monotonic()
                if left <= 0 or not self.alive() and self.text.endswith("<end>\n"):
                    raise vm.Failure("%s: no %s: %s" % (self.name, what, self.text[-2000:]))
                self.changed.wait(left)

    def wait_text(self, pattern, timeout=20, start=0):
        """Wait until something matched a pattern; return the match."""
        return self._wait("text " + pattern, lambda text: re.compile(pattern).search(text, start),
                          timeout)

    def stop(self, sig=signal.SIGTERM, timeout=10):
        """End the process with a signal; return its exit status."""
        status = super().stop(sig, timeout)
        if self.master >= 0:
            self.reader.join()
            os.close(self.master)
            self.master = -1
        return status


class Testpmd(Application):
    """One running testpmd, which forwards on one core of its own."""

    def __init__(self, lab, name, options_of_eal, options, prefix=(), memory=256, mbufs=32768,
                 cpus="0,1"):
        super().__init__(lab, name, [*prefix, program(), "-l", cpus, *eal(lab, name, memory),
                                     *options_of_eal, "--", "-i",
                                     "--total-num-mbufs=%d" % mbufs, *options])
        self._wait_prompt(0, START_TIMEOUT)

    def _wait_prompt(self, start, timeout):
        """Wait for a prompt behind a position; return what was written before it."""
        end = self._wait("prompt", lambda text: text.find(PROMPT, start) + 1, timeout) - 1
        return self.text[start:end]

    def run(self, command, timeout=30):
        """Execute a command; return what it printed."""
        start = len(self.text)
        os.write(self.master, command.encode() + b"\n")
        begin = self._wait("echo", lambda text: text.find("\n", start) + 1, timeout)
        return self._wait_prompt(begin, timeout)

    def stats(self, port):
        """A port's basic counters, by name."""
        return {name: int(value) for name, value in
                re.findall(r"([A-Za-z-]+): +(\d+)", self.run("show port stats %d" % port))}

    def xstats(self, port):
        """A port's extended counters, by name."""
        return {name: int(value) for name, value in
                re.findall(r"^(\w+): (\d+)$", self.run("show port xstats %d" % port), re.M)}

    def link_up(self, port):
        """Tell whether a port's link is up."""
        return "Link status: up" in self.run("show port info %d" % port)
