# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-user contributors
"""What the style tests look at: the files of the tree, and tools run on them."""

import functools
import os
import pathlib
import re
import shlex
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]

#: Folder of each library; it is installed as librte_FOLDER.
LIBS = (ROOT / "lib" / "vfio_user", ROOT / "lib" / "virtio_dev")

_NOT_OURS = re.compile(r"^(\.git|\.pytest_cache|__pycache__|build|build-.*)$")

#: What the top-level meson.build compiles the libraries with.
DEFINES = ("-D_GNU_SOURCE", "-DALLOW_EXPERIMENTAL_API", "-DRTE_LOG_DEFAULT_LOGTYPE=lib.vfio_user")


@functools.lru_cache
def all_files():
    """Every file of the tree that is not a product of a build."""
    found = []
    for folder, subs, names in os.walk(ROOT):
        subs[:] = sorted(s for s in subs if not _NOT_OURS.match(s))
        found += [pathlib.Path(folder, n) for n in sorted(names) if not n.endswith(".pyc")]
    return found


def files(*suffixes, under=ROOT):
    """The files with one of the suffixes, below a folder."""
    return [f for f in all_files() if f.suffix in suffixes and under in f.parents]


def short(path):
    """A path as it is written in messages."""
    return str(pathlib.Path(path).relative_to(ROOT))


def public_headers(*libs):
    """The headers that are installed, of all libraries or of some."""
    return sorted(header for lib in libs or LIBS for header in lib.glob("rte_*.h"))


def private_headers():
    """The headers that are not."""
    return sorted({header for lib in LIBS for header in lib.glob("*.h")} - set(public_headers()))


def includes():
    """What makes a compiler find the headers of the libraries."""
    return [word for lib in LIBS for word in ("-I", lib)]


def without_comments(text):
    """C text with its comments replaced by nothing; line numbers change."""
    return re.sub(r"/\*.*?\*/|//[^\n]*", "", text, flags=re.S)


def run(*command, text=None, **options):
    """Run a tool; fail with its output if it fails, else return its output."""
    done = subprocess.run([str(c) for c in command], input=text, check=False, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **options)
    assert done.returncode == 0, "%s\n%s" % (shlex.join(map(str, command)), done.stdout)
    return done.stdout


def nothing(found, what):
    """Fail with the list of what was found, one a line."""
    if found:
        pytest.fail("\n  ".join([what + ":", *map(str, found)]), pytrace=False)


@functools.lru_cache
def pkg_config(*args):
    """The words that pkg-config answers."""
    return shlex.split(run("pkg-config", *args))
