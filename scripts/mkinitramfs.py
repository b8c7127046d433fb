#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-user contributors
"""Build the initramfs of the test guest.

It holds a static busybox, our init script (tests/vm/guest/init), our programs
(compiled here, static) and the kernel modules asked for with their
dependencies. No root rights, mounts or further tools are needed: the archive is
written here in cpio's "newc" form.
"""

import argparse
import lzma
import os
import re
import shutil
import stat
import subprocess
import sys
import tempfile

TESTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tests")
GUEST = os.path.join(TESTS, "vm", "guest")
NIC = os.path.join(TESTS, "nic", "guest")
#: Programs, and the folders of their sources.
PROGRAMS = {"vmdev": GUEST, "skcipher": os.path.join(GUEST, "skcipher"),
            "stream": os.path.join(NIC, "stream"), "frames": os.path.join(NIC, "frames")}
DIRS = ("bin", "dev", "etc", "lib", "lib/modules", "mnt", "proc", "run", "sys", "tmp")
MODULES = ("uio_pci_generic", "vfio-pci", "vfio_iommu_type1")
CFLAGS = ("-static", "-O2", "-Wall", "-Wextra", "-Werror")


class Cpio:
    """A writer of the "newc" format: what the kernel unpacks at boot."""

    def __init__(self, out):
        self.out = out
        self.inode = 0
        self.dirs = set()

    def _entry(self, name, mode, data):
        # Inode numbers only tell hard links apart; there are none.
        fields = (self.inode, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name) + 1, 0)
        self.inode += 1
        head = b"070701" + b"".join(b"%08X" % f for f in fields) + name.encode() + b"\0"
        for part in (head, data):
            self.out.write(part + b"\0" * (-len(part) % 4))

    def add_dir(self, name):
        """Add a folder and those above it, once each."""
        if name and name not in self.dirs:
            self.add_dir(os.path.dirname(name))
            self.dirs.add(name)
            self._entry(name, stat.S_IFDIR | 0o755, b"")

    def add_file(self, name, data, mode=0o644):
        """Add a file with the given content, and its folder."""
        self.add_dir(os.path.dirname(name))
        self._entry(name, stat.S_IFREG | mode, data)

    def close(self):
        """Write the mark that ends the archive."""
        self._entry("TRAILER!!!", 0, b"")


def read(path):
    """Return a file's content."""
    with open(path, "rb") as file:
        return file.read()


def module_name(path):
    """Return a module's name from its file's: "-" and "_" are the same."""
    return re.sub(r"\.ko(\.xz)?$", "", os.path.basename(path)).replace("-", "_")


def find_modules(kernel):
    """Return {name: path} of all modules, paths below the modules folder."""
    top = os.path.join(kernel, "modules")
    return {module_name(file): os.path.relpath(os.path.join(folder, file), top)
            for folder, _, files in os.walk(top) for file in files
            if re.search(r"\.ko(\.xz)?$", file)}


def load_module(kernel, path):
    """Return a module's object code, uncompressed, and what it depends on."""
    data = read(os.path.join(kernel, "modules", path))
    if path.endswith(".xz"):
        data = lzma.decompress(data)
    depends = re.search(rb"\0depends=([^\0]*)\0", data)
    names = depends.group(1).decode().split(",") if depends else []
    return data, [name.replace("-", "_") for name in names if name]


def add_modules(cpio, kernel, wanted):
    """Add modules, what they depend on, and modules.dep for modprobe.

    The kernel package has no modules.dep (depmod writes it at installation),
    but each module says by itself what it depends on.
    """
    release = read(os.path.join(kernel, "release")).decode().strip()
    top = "lib/modules/" + release
    paths = find_modules(kernel)
    deps = {}
    todo = [name.replace("-", "_") for name in wanted]
    while todo:
        name = todo.pop()
        if name in deps or name not in paths:
            continue  # seen, or built into this kernel
        data, deps[name] = load_module(kernel, paths[name])
        cpio.add_file(top + "/" + re.sub(r"\.xz$", "", paths[name]), data)
        todo += deps[name]
    lines = [dep_line(name, deps, paths) for name in deps]
    cpio.add_file(top + "/modules.dep", "".join(lines).encode())


def dep_line(name, deps, paths):
    """Return a module's line in modules.dep: all below it, nearest first."""
    below = []
    todo = list(deps[name])
    while todo:
        dep = todo.pop(0)
        if dep in below:
            below.remove(dep)  # others need it too: it must be loaded earlier
        if dep in deps:
            below.append(dep)
            todo += deps[dep]
    files = [re.sub(r"\.xz$", "", paths[n]) for n in [name] + below]
    return "%s: %s\n" % (files[0], " ".join(files[1:]))


def compile_program(cc, source):
    """Return a program of the guest, compiled static from a folder's C files."""
    sources = [os.path.join(source, f) for f in sorted(os.listdir(source)) if f.endswith(".c")]
    with tempfile.TemporaryDirectory() as folder:
        out = os.path.join(folder, "program")
        subprocess.run([cc, *CFLAGS, "-o", out, *sources], check=True)
        return read(out)


def static_busybox():
    """Return the content of a busybox that needs no libraries."""
    path = shutil.which("busybox", path=os.environ.get("PATH", "") + ":/bin:/usr/bin")
    if path is None:
        sys.exit("mkinitramfs: no busybox (package busybox-static)")
    data = read(path)
    if b"/ld-linux" in data[:4096]:
        sys.exit("mkinitramfs: %s is not static (package busybox-static)" % path)
    return data


def add_program(cpio, name, there):
    """Add a program of this machine and the shared libraries that are not there yet."""
    path = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/bin:/usr/sbin:/sbin")
    if path is None:
        sys.exit("mkinitramfs: no program %s" % name)
    out = subprocess.run(["ldd", path], check=True, stdout=subprocess.PIPE, text=True).stdout
    cpio.add_file("bin/" + name, read(path), 0o755)
    for library in set(re.findall(r"(/\S+) \(0x", out)) - there:
        cpio.add_file(library.lstrip("/"), read(library), 0o755)
        there.add(library)


def parse_args():
    """Return the command line's arguments."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("output", help="the initramfs to write")
    parser.add_argument("--kernel", required=True, help="folder that fetch-kernel.sh printed")
    parser.add_argument("--module", action="append", default=[], help="a further module")
    parser.add_argument("--file", action="append", default=[], metavar="HOST:GUEST",
                        help="a further file, executable in the guest if it is here")
    parser.add_argument("--program", action="append", default=[],
                        help="a program of this machine, with its libraries")
    parser.add_argument("--cc", default=os.environ.get("CC", "gcc"), help="compiler of the programs")
    return parser.parse_args()


def build(args, out):
    """Write the archive."""
    cpio = Cpio(out)
    for name in DIRS:
        cpio.add_dir(name)
    cpio.add_file("init", read(os.path.join(GUEST, "init")), 0o755)
    cpio.add_file("bin/busybox", static_busybox(), 0o755)
    for name, source in PROGRAMS.items():
        cpio.add_file("bin/" + name, compile_program(args.cc, source), 0o755)
    add_modules(cpio, args.kernel, list(MODULES) + args.module)
    libraries = set()
    for name in args.program:
        add_program(cpio, name, libraries)
    for spec in args.file:
        host, guest = spec.split(":", 1)
        cpio.add_file(guest.lstrip("/"), read(host), stat.S_IMODE(os.stat(host).st_mode))
    cpio.close()


def main():
    """Build to a temporary name, so that the output is whole or absent."""
    args = parse_args()
    temporary = "%s.%d" % (args.output, os.getpid())
    try:
        with open(temporary, "wb") as out:
            build(args, out)
        os.rename(temporary, args.output)
    finally:
        if os.path.exists(temporary):
            os.unlink(temporary)


if __name__ == "__main__":
    main()
