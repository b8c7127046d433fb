# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-user contributors
"""Rules that hold for the text of every file."""

import re

import pytest
import tree

LICENSE_LINES = (re.compile(r"SPDX-License-Identifier: BSD-3-Clause\b"),
                 re.compile(r"Copyright\(c\) 2026 dpdk-vfio-user contributors"))
NO_LICENSE_LINES = {"LICENSE", ".gitignore"}

C_LINE = 100
C_TAB = 8

#: Hosts that may be named; package mirrors and registries are the machine's.
HOSTS = {"www.w3.org"}
URL = re.compile(r"\b(?:https?|ftp|git|ssh)://([\w.-]+)")
MIRROR = re.compile(r"\b[\w.-]+\.debian\.(?:org|net)\b|\bregistry\.[\w.-]+\.(?:org|com)\b")
#: Folders in which somebody's work tree or home lies.
MACHINE_PATH = re.compile(r"(?<![\w.$})/-])(?<!\w\")/(?:work|root|home|Users)/[\w.]")


def text_files():
    """Every file that is text, with its lines."""
    for path in tree.all_files():
        data = path.read_bytes()
        if b"\0" not in data:
            yield path, data.decode("utf-8")


def offences(check, suffixes=None):
    """Lines for which check(line) is true, as PATH:LINE: text."""
    found = []
    for path, text in text_files():
        if suffixes is None or path.suffix in suffixes:
            for number, line in enumerate(text.split("\n"), 1):
                if check(line):
                    found.append("%s:%d: %s" % (tree.short(path), number, line.strip()[:80]))
    return found


@pytest.mark.parametrize("pattern", LICENSE_LINES, ids=("spdx", "copyright"))
def test_licence_lines(pattern):
    lacking = [tree.short(path) for path, text in text_files()
               if path.name not in NO_LICENSE_LINES
               and not pattern.search("\n".join(text.split("\n", 6)[:6]))]
    tree.nothing(lacking, "no such line at the top")


def test_no_trailing_whitespace():
    tree.nothing(offences(lambda line: line != line.rstrip()), "blanks at the end")


def test_final_newline():
    lacking = [tree.short(path) for path, text in text_files()
               if text and (not text.endswith("\n") or text.endswith("\n\n"))]
    tree.nothing(lacking, "not exactly one newline at the end")


def test_indentation_is_not_mixed():
    tree.nothing(offences(re.compile(r"^ +\t").match), "blanks before a tab")


def test_c_is_indented_by_tabs():
    tree.nothing(offences(re.compile(r"^ {8}").match, {".c", ".h"}), "indented by blanks")


def test_others_are_indented_by_blanks():
    tree.nothing(offences(re.compile(r"^ *\t").match, {".py", ".rst", ".build"}),
                 "indented by tabs")


def test_c_line_length():
    tree.nothing(offences(lambda line: len(line.expandtabs(C_TAB)) > C_LINE, {".c", ".h"}),
                 "over %d columns" % C_LINE)


def test_no_hosts():
    def foreign(line):
        return MIRROR.search(line) or any(h not in HOSTS for h in URL.findall(line))

    tree.nothing(offences(foreign), "a host that must not be named")


def test_no_paths_of_a_machine():
    tree.nothing(offences(MACHINE_PATH.search), "a path of one machine")


def scripts(interpreter):
    """The executable files of an interpreter, and the files meant for it."""
    return [path for path, text in text_files()
            if re.match(r"#!.*\b%s\b" % interpreter, text)
            or re.match(r"# shellcheck shell=%s\b" % interpreter, text)]


def test_shell_scripts_pass_shellcheck():
    tree.run("shellcheck", *scripts("bash"), cwd=tree.ROOT)


def test_shell_scripts_stop_at_errors():
    texts = {tree.short(p): p.read_text(encoding="utf-8") for p in scripts("bash")}
    lacking = [path for path, text in texts.items()
               if text.startswith("#!") and "\nset -euo pipefail\n" not in text]
    tree.nothing(lacking, "no set -euo pipefail")


def header_of(source):
    """Names that the header of a source file may have: its own, or that of the
    role or module it is a part of."""
    part = re.match(r"(vfio_user_(?:server|client|lookup|pci|series)|virtio_(?:dev|ring))_", source.stem)
    names = {source.stem} | ({part[1]} if part else set())
    return names | {"rte_" + name for name in names}


def test_each_source_has_its_header():
    lacking = [tree.short(c) for lib in tree.LIBS for c in lib.glob("*.c")
               if not {h.stem for h in lib.glob("*.h")} & header_of(c)]
    tree.nothing(lacking, "no header of that name")


def test_guides_name_tests_that_exist():
    there = {path.stem for path in tree.files(".py", under=tree.ROOT / "tests")}
    named = {"%s: %s" % (tree.short(path), name)
             for path in tree.files(".rst") for name in
             re.findall(r"``(test_[a-z_]+)``", path.read_text(encoding="utf-8"))
             if name not in there}
    tree.nothing(sorted(named), "no such test file")


def test_guides_name_functions_that_exist():
    """A test is named ``test_FILE::test_FUNCTION`` in the guides."""
    defined = {"%s::%s" % (path.stem, name)
               for path in tree.files(".py", under=tree.ROOT / "tests")
               for name in re.findall(r"^def (test_\w+)\(", path.read_text(encoding="utf-8"), re.M)}
    named = {name for path in tree.files(".rst") for name in
             re.findall(r"\btest_\w+::\w+", path.read_text(encoding="utf-8"))}
    assert named, "no test is named: the pattern is wrong"
    tree.nothing(sorted(named - defined), "no such test")
