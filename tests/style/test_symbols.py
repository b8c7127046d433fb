# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-user contributors
"""Headers, version.map and the shared object name the same functions."""

import re

import pytest
import tree


def functions(header, kind):
    """Names of the functions declared ("p") or defined ("f") in a header, with
    whether they are marked experimental."""
    out = tree.run("ctags", "-x", "--_xformat=%N %n", "--language-force=C", "--kinds-c=" + kind,
                   "-I", "__rte_experimental", header)
    lines = header.read_text(encoding="utf-8").splitlines()
    return {name: is_marked(lines, int(number) - 1)
            for name, number in map(str.split, out.splitlines())}


def is_marked(lines, index):
    """Whether __rte_experimental stands among the lines right above a name."""
    while index > 0 and not lines[index - 1].rstrip().endswith(("*/", ";", "}", "{")):
        index -= 1
        if lines[index] == "__rte_experimental":
            return True
    return False


def exported_by(header):
    """Names of the functions that the library must export for a header."""
    return set(functions(header, "p"))


def map_groups(lib):
    """A map's names below each "# header" comment, in order."""
    text = (lib / "version.map").read_text(encoding="utf-8")
    body = re.search(r"EXPERIMENTAL \{\s*global:(.*?)local: \*;\s*\};", text, re.S)[1]
    groups = {}
    for line in filter(None, map(str.strip, body.splitlines())):
        if line.startswith("#"):
            names = groups.setdefault(line[1:].strip(), [])
        else:
            names.append(line.rstrip(";"))
    return groups


@pytest.mark.parametrize("header", tree.public_headers(), ids=lambda h: h.name)
def test_every_function_is_marked(header):
    marked = {**functions(header, "p"), **functions(header, "f")}
    tree.nothing([n for n in marked if not marked[n]], "not marked __rte_experimental")


@pytest.mark.parametrize("header", tree.public_headers(), ids=lambda h: h.name)
def test_map_lists_the_header(header):
    listed = map_groups(header.parent).get(header.name, [])
    assert listed == sorted(exported_by(header))


@pytest.mark.parametrize("lib", tree.LIBS, ids=lambda p: p.name)
def test_map_lists_nothing_else(lib):
    assert set(map_groups(lib)) <= {h.name for h in tree.public_headers(lib)}


@pytest.mark.parametrize("lib", tree.LIBS, ids=lambda p: p.name)
def test_shared_object_exports_the_map(build_dir, lib):
    objects = [p for p in build_dir.glob("lib/librte_%s.so*" % lib.name) if p.is_file()]
    assert objects, "no shared object in %s/lib" % build_dir
    exported = set()
    for line in tree.run("nm", "-D", "--defined-only", objects[0]).splitlines():
        symbol = line.split()[-1]
        name, _, version = symbol.partition("@@")
        if name != "EXPERIMENTAL":
            assert version == "EXPERIMENTAL", "%s has version '%s'" % (name, version)
            exported.add(name)
    assert exported == {n for names in map_groups(lib).values() for n in names}
