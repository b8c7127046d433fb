# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-user contributors
"""Programs outside of the tree build against the installed libraries.

The libraries are built and installed below a temporary prefix, and found there
through PKG_CONFIG_PATH only, as on a user's machine.
"""

import os
import pathlib
import re
import shutil
import socket
import subprocess
import time

import pytest
import tree

CFLAGS = ("-O1", "-Wall", "-Wextra", "-Werror", "-DALLOW_EXPERIMENTAL_API")
#: A program for each library, by its name for pkg-config.
PROGRAMS = {
    "librte_vfio_user": pathlib.Path(__file__).parent / "use_installed.c",
    "librte_virtio_dev": pathlib.Path(__file__).parent / "use_virtio_dev.c",
}
#: Written for the patch series of 2020: it must compile as it is.
SERIES = pathlib.Path(__file__).parent / "series_program.c"

ARCHIVE = {"-lrte_%s" % lib.name: "-l:librte_%s.a" % lib.name for lib in tree.LIBS}

#: How a program is linked: name, pkg-config words, packages besides that of the
#: library, replacements in the answer.
#: The archive with a shared DPDK is not a case that pkg-config knows: --static
#: goes for everything, and without it the archive's own library is left out.
LINKS = (
    ("shared", ("--libs",), (), {}),
    ("static", ("--libs",), ("jansson",), ARCHIVE),
    ("all-static", ("--static", "--libs"), (), ARCHIVE),
)


class Installed:
    """The libraries below their prefix."""

    def __init__(self, folder):
        self.prefix = folder / "prefix"
        build = folder / "build"
        tree.run("meson", "setup", "--prefix", self.prefix, "--libdir", "lib",
                 "-Dtests=false", "-Dexamples=false", "-Dbenchmarks=false", build, tree.ROOT)
        tree.run("meson", "install", "-C", build)
        self.env = {**os.environ,
                    "PKG_CONFIG_PATH": str(self.prefix / "lib" / "pkgconfig"),
                    "LD_LIBRARY_PATH": str(self.prefix / "lib")}

    def pkg_config(self, *words):
        """What pkg-config says about an installed library."""
        return tree.run("pkg-config", *words, env=self.env).split()

    def compile(self, source, program, link=LINKS[0], package="librte_vfio_user"):
        """Compile and link one source file."""
        _, words, others, replace = link
        libs = [replace.get(word, word) for word in self.pkg_config(*words, package, *others)]
        tree.run("gcc", *CFLAGS, "-o", program, source,
                 *self.pkg_config("--cflags", package), *libs, env=self.env)


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    return Installed(tmp_path_factory.mktemp("installed"))


def test_headers_are_installed(installed):
    there = {p.name for p in (installed.prefix / "include").rglob("*.h")}
    assert there == {h.name for h in tree.public_headers()}


def test_tool_is_installed(installed):
    said = tree.run(installed.prefix / "bin" / "dpdk-vfio-user", "--version", env=installed.env)
    assert said.startswith("dpdk-vfio-user ")
    for path in ("share/man/man1/dpdk-vfio-user.1",
                 "share/bash-completion/completions/dpdk-vfio-user"):
        assert (installed.prefix / path).is_file(), path


@pytest.mark.parametrize("link", LINKS, ids=[link[0] for link in LINKS])
@pytest.mark.parametrize("package", PROGRAMS)
def test_program_links_and_runs(installed, tmp_path, package, link):
    program = tmp_path / "program"
    installed.compile(PROGRAMS[package], program, link, package)
    tree.run(program, env=installed.env)
    needed = tree.run("readelf", "-d", program)
    assert (package + ".so" in needed) == (link[0] == "shared")
    assert ("librte_eal.so" in needed) == (link[0] != "all-static")


@pytest.mark.parametrize("link", LINKS, ids=[link[0] for link in LINKS])
def test_series_program_links_and_runs(installed, tmp_path, link):
    program = tmp_path / "program"
    installed.compile(SERIES, program, link)
    said = tree.run(program, tmp_path / "sock", env=installed.env, timeout=60)
    assert "1 device, 2 updates, 1 memory regions" in said


def test_series_program_knows_no_other_header():
    text = SERIES.read_text(encoding="utf-8")
    assert re.findall(r"^#include <(rte_\w+\.h)>", text, re.M) == ["rte_vfio_user.h"]


def examples():
    """Names of the folders with an example."""
    return sorted({path.parent.name for path in (tree.ROOT / "examples").glob("*/*.c")})


@pytest.mark.parametrize("name", examples())
def test_example_builds_by_pkg_config(installed, tmp_path, name):
    folder = tmp_path / name
    shutil.copytree(tree.ROOT / "examples" / name, folder,
                    ignore=shutil.ignore_patterns("build"))
    tree.run("make", "-C", folder, "shared", "static", env=installed.env)
    for kind in ("shared", "static"):
        program = folder / "build" / ("%s-%s" % (name, kind))
        assert os.access(program, os.X_OK), "no program %s" % program


def readme_example():
    """The C program of the README."""
    text = (tree.ROOT / "README.md").read_text(encoding="utf-8")
    programs = re.findall(r"^```c\n(.*?)^```$", text, re.M | re.S)
    assert len(programs) == 1
    return programs[0]


def listens(path):
    """Whether somebody accepts connections on a socket."""
    with socket.socket(socket.AF_UNIX) as sock:
        return sock.connect_ex(str(path)) == 0


def test_readme_example_builds_and_listens(installed, tmp_path):
    source = tmp_path / "device.c"
    source.write_text(readme_example(), encoding="utf-8")
    installed.compile(source, tmp_path / "device")
    path = tmp_path / "sock"
    with subprocess.Popen([tmp_path / "device", path], env=installed.env) as device:
        try:
            deadline = time.monotonic() + 10
            while not listens(path):
                assert device.poll() is None, "the device ended"
                assert time.monotonic() < deadline, "the device does not listen"
                time.sleep(0.02)
        finally:
            device.kill()
