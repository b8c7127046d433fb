# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-user contributors
"""The manual page and the guide say what the program says of itself."""

import pathlib
import re
import subprocess

import pytest
import tool as t

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGE = ROOT / "app" / "vfio-user" / "dpdk-vfio-user.1"
GUIDE = ROOT / "doc" / "guides" / "tools" / "vfio_user.rst"
#: A short one has the beginning of its text behind it.
OPTION = re.compile(r"^ +(?:-(\w), )?--([\w-]+)(?: ([^a-z\s]+))?(?= |$)", re.M)


def render():
    """The page as plain text, with lines that are never broken."""
    done = subprocess.run(["groff", "-man", "-Tascii", "-P-cbou", "-rLL=1000n", "-ww", PAGE],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=True,
                          timeout=t.LIMIT)
    assert done.stderr == b"", done.stderr.decode()
    return done.stdout.decode()


def split(text, title):
    """Title -> text of the parts of a text."""
    parts = re.split(title, text, flags=re.M)
    return dict(zip(parts[1::2], parts[2::2]))


@pytest.fixture(scope="module")
def page():
    return split(render(), r"^([A-Z][A-Z ]+)$")


@pytest.fixture(scope="module")
def commands(page):
    """Synopsis of each command -> its text."""
    return split(page["COMMANDS"], r"^   ([a-z].*)$")


def options(text):
    """--option and -o -> argument or "-", as Tool.table() has them."""
    found = {}
    for letter, name, arg in OPTION.findall(text.split("Examples:")[0]):
        found["--" + name] = arg or "-"
        if letter:
            found["-" + letter] = arg or "-"
    return found


def test_commands_and_arguments(tool, commands):
    synopses = [re.match(r"Usage: dpdk-vfio-user (.*)\n", tool.ok(name, "--help"))[1]
                .replace("[OPTION...]", "").replace("  ", " ").strip() for name in tool.table()]
    assert list(commands) == synopses


def test_options(tool, page, commands):
    common = options(page["COMMON OPTIONS"])
    for synopsis, text in commands.items():
        name = synopsis.split()[0]
        table = {w: arg for w, arg in tool.table()[name].items() if w.startswith("-")}
        own = options(text)
        assert {**common, **own}.items() >= table.items(), name
        assert own.items() <= table.items(), name


def test_options_of_all(tool, page):
    common = options(page["COMMON OPTIONS"])
    for name, table in tool.table().items():
        if table.get("1") == "SOCK":
            assert set(table) >= set(common) - {"--json", "-j", "--version", "-V", "--list"}, name
    text = tool.ok("--help")
    for word in ("--help", "--version", "--list"):
        assert word in text and word in common


def test_exit_status(tool, page):
    numbers = re.findall(r"^ +(\d) ", page["EXIT STATUS"], re.M)
    assert numbers == ["0", "1", "2", "3", "4", "5", "6"]
    assert all(re.search(r"\b%s\b" % n, tool.ok("--help").split("Exit status:")[1])
               for n in numbers)


def keys(value):
    """All keys of a JSON value."""
    if isinstance(value, dict):
        return set(value).union(*map(keys, value.values()))
    return set().union(*map(keys, value)) if isinstance(value, list) else set()


@pytest.mark.parametrize("words", (
    ("info",), ("read", "bar0", 0), ("read", "bar0", 0, 8), ("write", "bar0", 8, 1), ("irq",),
    ("irq", "msix", "--trigger", "-n4"), ("reset",),
    ("dma-test", "-p", "bar0:0x18=0x100000000/8", "-p", "bar0:0x10=0x100001000/8",
     "-p", "bar0:0x20=64", "-p", "bar0:0x24=1", "--until", "bar0:0x28=2"),
    ("bench", "-d", 0.01, "--write", "bar0:8=1")), ids=lambda words: words[0])
def test_keys_are_in_the_guide(tool, demo, words):
    text = GUIDE.read_text(encoding="utf-8").split("\nJSON\n")[1]
    found = keys(tool.json(words[0], demo.path, *words[1:]))
    assert found and {key for key in found if "``%s``" % key not in text} <= {
        "read", "read_pipelined", "write", "write_posted", "map", "unmap"}
