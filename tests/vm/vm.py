# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-user contributors
"""A QEMU guest to drive, and the device servers it uses.

    images = vm.Images.get()                # QEMU, kernel, initramfs
    with vm.Lab() as lab:                   # a folder and the processes in it
        server = lab.server(binary, "dev0")
        guest = lab.guest(images, [vm.device(server, id="dev0")])
        print(guest.run("uname -a"))

Everything that was started is stopped, by its process id, when the lab ends.
"""

import ctypes
import errno
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
SCRIPTS = os.path.join(HERE, "..", "..", "scripts")

BOOT_TIMEOUT = 60
FETCH_TIMEOUT = 900
MEMORY = "512M"
# 24 huge pages: source and destination of a 16 MiB copy lie in one piece each.
CMDLINE = "console=ttyS0 quiet panic=-1 hugepages=24"
PR_SET_PDEATHSIG = 1


class Missing(Exception):
    """Something that the machine must have, and has not."""


class Failure(Exception):
    """What was asked of the guest, QEMU or a server did not happen."""


class Closed(Failure):
    """The other side of a connection has closed it."""


def wait_for(what, attempt, timeout, good=bool):
    """Repeat attempt() until what it returns is good; return that."""
    deadline = time.monotonic() + timeout
    while True:
        result = attempt()
        if good(result):
            return result
        if time.monotonic() > deadline:
            raise Failure("no %s within %g s" % (what, timeout))
        time.sleep(0.01)


def tail(path, lines=30):
    """Return the last lines of a text file, or nothing."""
    try:
        with open(path, errors="replace", encoding="utf-8") as file:
            return "".join(file.readlines()[-lines:])
    except OSError:
        return ""


def run_script(name, *args):
    """Run one of the project's scripts; return the line that it prints."""
    try:
        done = subprocess.run([os.path.join(SCRIPTS, name), *args], check=False,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, timeout=FETCH_TIMEOUT)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Missing("%s: %s" % (name, error)) from error
    if done.returncode != 0:
        reason = done.stderr.strip().splitlines() or ["failed"]
        raise Missing("%s: %s" % (name, reason[-1]))
    return done.stdout.strip()


class Images:
    """What a guest is made of: paths of QEMU, the kernel and the initramfs."""

    def __init__(self, qemu, kernel, initrd):
        self.qemu = qemu
        self.kernel = kernel
        self.initrd = initrd

    @classmethod
    def get(cls, folder, modules=(), flavour="cloud", programs=()):
        """Fetch or build them; the initramfs goes into folder."""
        qemu = run_script("fetch-qemu.sh")
        kernel = run_script("fetch-kernel.sh", flavour)
        initrd = os.path.join(folder, "initrd")
        options = ["--module=" + name for name in modules]
        options += ["--program=" + name for name in programs]
        run_script("mkinitramfs.py", initrd, "--kernel", kernel, *options)
        return cls(qemu, os.path.join(kernel, "vmlinuz"), initrd)


def die_with_parent():
    """Let not even a test run that is killed leave a child behind; for preexec_fn."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Child:
    """A child process, which popen is."""

    def alive(self):
        """Tell whether the process still runs."""
        return self.popen.poll() is None

    def stop(self, sig=signal.SIGTERM, timeout=5):
        """End the process with a signal; return its exit status."""
        if self.alive():
            self.popen.send_signal(sig)
            try:
                self.popen.wait(timeout)
            except subprocess.TimeoutExpired:
                self.popen.kill()
        return self.popen.wait()


class Process(Child):
    """A child process whose output goes to a file."""

    def __init__(self, args, log, stdin=subprocess.DEVNULL):
        self.log = log
        with open(log, "ab") as out:
            self.popen = subprocess.Popen(args, stdin=stdin, stdout=out, stderr=out,
                                          preexec_fn=die_with_parent)


class Server(Process):
    """A device server: "BINARY [OPTION]... SOCKET"."""

    def __init__(self, binary, path, log, options):
        self.path = path
        super().__init__([binary, *options, path], log)

    def wait(self):
        """Wait until clients can connect."""
        wait_for("listening server", self._listening, 10)

    def _listening(self):
        if not self.alive():
            raise Failure("the server ended: " + tail(self.log))
        return "listening on" in tail(self.log)


class Lines:
    """A UNIX socket of text lines, with a time limit for each line."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        # Between bind() and listen() of the other side its socket is there, but refuses.
        error = wait_for("listening " + path, lambda: self.socket.connect_ex(path), 10,
                         lambda code: code != errno.ECONNREFUSED)
        if error:
            raise Failure("%s: %s" % (path, os.strerror(error)))
        self.pending = b""

    def send(self, text):
        """Send one line."""
        self.socket.sendall(text.encode() + b"\n")

    def receive(self, deadline):
        """Return the next line, or None when it is too late."""
        while b"\n" not in self.pending:
            left = deadline - time.monotonic()
            if left <= 0:
                return None
            self.socket.settimeout(left)
            try:
                data = self.socket.recv(65536)
            except socket.timeout:
                return None
            except ConnectionError:
                data = b""
            if not data:
                raise Closed("QEMU closed the connection")
            self.pending += data
        line, self.pending = self.pending.split(b"\n", 1)
        return line.decode(errors="replace").rstrip("\r")

    def close(self):
        """Close the socket."""
        self.socket.close()


class Qmp:
    """QEMU's monitor."""

    def __init__(self, path):
        self.lines = Lines(path)
        self.events = []
        self._next(time.monotonic() + 10)  # the greeting
        self.run("qmp_capabilities")

    def _next(self, deadline):
        line = self.lines.receive(deadline)
        if line is None:
            raise Failure("QEMU's monitor does not answer")
        return json.loads(line)

    def run(self, command, **arguments):
        """Execute a command; return what it returns."""
        self.lines.send(json.dumps({"execute": command, "arguments": arguments}))
        deadline = time.monotonic() + 20
        while True:
            message = self._next(deadline)
            if "return" in message:
                return message["return"]
            if "error" in message:
                raise Failure("%s: %s" % (command, message["error"]["desc"]))
            self.events.append(message)

    def wait_event(self, name, timeout=20, **data):
        """Wait for an event with the given data, and forget the earlier ones."""
        deadline = time.monotonic() + timeout
        while True:
            event = self.events.pop(0) if self.events else self._next(deadline)
            found = event.get("data", {})
            if event.get("event") == name and all(found.get(k) == data[k] for k in data):
                return found


def device(server, **properties):
    """Return a vfio-user-pci device, as -device and device_add take it."""
    return {"driver": "vfio-user-pci", "socket": {"type": "unix", "path": server.path},
            **properties}


def root_port(name, slot):
    """Return a PCIe root port in a slot of the root bus."""
    return {"driver": "pcie-root-port", "id": name, "chassis": slot, "slot": slot,
            "addr": "0x%x" % slot}


class Guest(Process):
    """A running guest. Its command channel is the second serial port."""

    def __init__(self, images, folder, devices, shared, cmdline, extra):
        self.folder = folder
        self.console = os.path.join(folder, "console")
        self.count = 0
        self.channel = None
        self.qmp = None
        args = self._base_args(images, CMDLINE + " " + cmdline)
        args += self._memory_args(shared) + list(extra)
        for properties in devices:
            args += ["-device", json.dumps(properties)]
        super().__init__(args, os.path.join(folder, "qemu.log"))

    def _path(self, name):
        return os.path.join(self.folder, name)

    def _base_args(self, images, cmdline):
        return [images.qemu, "-accel", "tcg", "-M", "q35", "-m", MEMORY, "-nodefaults",
                "-display", "none", "-no-reboot", "-serial", "file:" + self.console,
                "-chardev", "socket,id=cmd,server=on,wait=off,path=" + self._path("cmd"),
                "-serial", "chardev:cmd", "-qmp",
                "unix:" + self._path("qmp") + ",server=on,wait=off", "-kernel",
                images.kernel, "-initrd", images.initrd, "-append", cmdline]

    @staticmethod
    def _memory_args(shared):
        # Without a shared memfd QEMU has no fd to send: all DMA is by message.
        if not shared:
            return []
        return ["-object", "memory-backend-memfd,id=mem,share=on,size=" + MEMORY,
                "-numa", "node,memdev=mem"]

    def connect(self):
        """Connect to QEMU and wait until the guest takes commands."""
        wait_for("QEMU monitor", self._monitor_there, 20)
        self.channel = Lines(self._path("cmd"))
        try:
            self.qmp = Qmp(self._path("qmp"))
            self._wait_ready()
        except Closed as error:
            # With a device that it cannot use QEMU ends here, and tells why.
            raise Failure("QEMU ended, status %s: %s"
                          % (self.popen.wait(5), tail(self.log))) from error

    def _monitor_there(self):
        if not self.alive():
            raise Failure("QEMU ended: " + tail(self.log))
        return os.path.exists(self._path("qmp"))

    def _wait_ready(self):
        deadline = time.monotonic() + BOOT_TIMEOUT
        while True:
            line = self.channel.receive(deadline)
            if line is None:
                raise Failure("the guest did not boot within %d s" % BOOT_TIMEOUT)
            if line.endswith("@@ready"):
                return

    def execute(self, command, timeout=20):
        """Run a shell command line; return its exit status and its output."""
        self.count += 1
        self.channel.send("%d %d %s" % (self.count, timeout, command))
        # The guest ends the command itself when its time is over.
        deadline = time.monotonic() + timeout + 10
        mark = "@@%d " % self.count
        lines = []
        while True:
            line = self.channel.receive(deadline)
            if line is None:
                raise Failure("the guest does not answer to: " + command)
            if line.startswith(mark):
                return int(line[len(mark):]), "\n".join(lines)
            lines.append(line)

    def run(self, command, timeout=20):
        """Run a command that must succeed; return its output."""
        status, output = self.execute(command, timeout)
        if status != 0:
            raise Failure("%s: exit status %d: %s" % (command, status, output))
        return output

    def wait_run(self, command, timeout=20):
        """Run a command until it succeeds; return its output."""
        return wait_for("success of " + command,
                        lambda: self.execute(command), timeout, lambda r: r[0] == 0)[1]

    def start(self, command):
        """Run a command in the background."""
        self.count += 1
        return Job(self, "/run/job%d" % self.count, command)

    def reset(self):
        """Reset the machine as its button does, and wait until it is up."""
        self.qmp.run("set-action", reboot="reset")
        self.qmp.run("system_reset")
        self._wait_ready()
        self.qmp.run("set-action", reboot="shutdown")

    def stop(self, sig=signal.SIGTERM, timeout=5):
        """End the guest without asking it."""
        for connection in (self.channel, self.qmp and self.qmp.lines):
            if connection is not None:
                connection.close()
        return super().stop(sig, timeout)


class Job:
    """A command that runs in the background of a guest."""

    def __init__(self, guest, path, command):
        self.guest = guest
        self.path = path
        self.command = command
        # All that writes to the channel must have ended before the guest's agent goes on.
        guest.run("(sh -c '%s' >%s.log 2>&1; echo $? >%s.status) >/dev/null 2>&1 &"
                  % (command, path, path))

    def wait_text(self, text, timeout=20):
        """Wait until the command has printed a text."""
        self.guest.wait_run("grep -q \"%s\" %s.log" % (text, self.path), timeout)

    def ended(self):
        """Tell whether the command has ended."""
        return self.guest.execute("test -e %s.status" % self.path)[0] == 0

    def finish(self, timeout=20):
        """Wait for the command, which must succeed; return its output."""
        wait_for("end of " + self.command, self.ended, timeout)
        output = self.guest.run("cat %s.log" % self.path)
        status = self.guest.run("cat %s.status; rm %s.*" % (self.path, self.path))
        if status != "0":
            raise Failure("%s: exit status %s: %s" % (self.command, status, output))
        return output


class Lab:
    """A temporary folder and the processes that live in it."""

    def __init__(self):
        # Not below pytest's long folder names: a socket path has 107 bytes.
        self.folder = tempfile.mkdtemp(prefix="vfio-user-vm-")
        self.processes = []
        self.logs = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def _sub(self, name):
        return os.path.join(self.folder, name)

    def add(self, process, log=None):
        """Take something else that is to be stopped, and its log."""
        self.processes.append(process)
        if log:
            self.logs.append(log)

    def server(self, binary, name, options=()):
        """Start a device server with a socket of the given name."""
        log = self._sub(name + ".log")
        self.logs.append(log)
        server = Server(binary, self._sub(name + ".sock"), log, options)
        self.processes.append(server)
        server.wait()
        return server

    def guest(self, images, devices, shared=True, cmdline="", extra=()):
        """Boot a guest and wait until it takes commands."""
        folder = tempfile.mkdtemp(prefix="guest-", dir=self.folder)
        self.logs += [os.path.join(folder, name) for name in ("console", "qemu.log")]
        guest = Guest(images, folder, devices, shared, cmdline, extra)
        self.processes.append(guest)
        guest.connect()
        return guest

    def report(self):
        """Return {file name: its last lines} of all that was logged."""
        logs = {os.path.relpath(log, self.folder): tail(log) for log in self.logs}
        return {name: text for name, text in logs.items() if text.strip()}

    def close(self):
        """Stop every process, the last one first, and remove the folder."""
        for process in reversed(self.processes):
            process.stop()
        self.processes = []
        shutil.rmtree(self.folder, ignore_errors=True)
