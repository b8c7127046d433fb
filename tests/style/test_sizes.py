# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-user contributors
"""Sizes of files and functions, with a list of exceptions and their reasons."""

import json
import statistics

import tree

FILE_LINES = 800
FUNCTION_LINES = 60
WAIVERS = tree.ROOT / "tests" / "style" / "size_waivers.txt"


def waivers():
    """Read the list: "PATH" or "PATH:FUNCTION", blanks, the reason."""
    found = {}
    for line in WAIVERS.read_text(encoding="utf-8").splitlines():
        if line.strip() and not line.startswith("#"):
            what, _, reason = line.partition(" ")
            assert reason.strip(), "%s: no reason given" % line
            found[what] = reason.strip()
    return found


def too_big(sizes, limit):
    """The entries over the limit that nobody waived, as text."""
    waived = waivers()
    return ["%s: %d lines" % (what, lines) for what, lines in sorted(sizes.items())
            if lines > limit and what not in waived]


def file_sizes():
    """Lines of every C source and shell script."""
    return {tree.short(f): len(f.read_text(encoding="utf-8").splitlines())
            for f in tree.files(".c", ".sh")}


def function_sizes():
    """Lines of every C function, its signature included."""
    sources = tree.files(".c", ".h")
    out = tree.run("ctags", "--output-format=json", "--fields=+neS", "--kinds-c=f",
                   "--language-force=C", "-f", "-", *sources)
    sizes = {}
    for line in out.splitlines():
        tag = json.loads(line)
        if tag.get("_type") == "tag" and "end" in tag:
            name = "%s:%s" % (tree.short(tag["path"]), tag["name"])
            sizes[name] = tag["end"] - tag["line"] + 1
    return sizes


def test_files_are_short():
    tree.nothing(too_big(file_sizes(), FILE_LINES), "over %d lines" % FILE_LINES)


def test_functions_are_short(note):
    sizes = function_sizes()
    assert sizes, "ctags found no function"
    lines = sorted(sizes.values())
    longest = max(sizes, key=sizes.get)
    p90 = lines[min(len(lines) - 1, len(lines) * 9 // 10)]
    note("%d C functions: median %d, p90 %d, longest %d lines (%s)"
         % (len(lines), statistics.median(lines), p90, sizes[longest], longest))
    tree.nothing(too_big(sizes, FUNCTION_LINES), "over %d lines" % FUNCTION_LINES)


def test_waivers_are_needed():
    sizes = {**function_sizes(), **file_sizes()}
    stale = [what for what in waivers()
             if sizes.get(what, 0) <= (FUNCTION_LINES if ".c:" in what or ".h:" in what
                                       else FILE_LINES)]
    tree.nothing(stale, "waivers for what is gone or short enough")
