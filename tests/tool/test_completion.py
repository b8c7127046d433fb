# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-user contributors
"""What bash offers to complete a command line with."""

import pathlib
import re
import socket
import subprocess

import pytest
import tool as t

SOURCES = pathlib.Path(__file__).resolve().parents[2] / "app/vfio-user"
SCRIPT = SOURCES / "dpdk-vfio-user.bash"


@pytest.fixture
def complete(tool, tmp_path):
    """Completes words in an empty folder: complete(words...) -> the offers."""
    def run(*words):
        ask = ("source %s; COMP_WORDS=(dpdk-vfio-user \"$@\"); COMP_CWORD=$#; "
               "_dpdk_vfio_user %s; printf '%%s\\n' \"${COMPREPLY[@]}\"" % (SCRIPT, tool.path))
        done = subprocess.run(["bash", "--norc", "-euo", "pipefail", "-c", ask, "bash", *words],
                              cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              check=False, timeout=t.LIMIT)
        assert done.stderr == b"", done.stderr.decode()
        return set(done.stdout.decode().split())

    return run


def test_commands(tool, complete):
    assert complete("") == set(tool.table()) | {"--help", "--version", "--list"}
    assert complete("rea") == {"read"}


def test_options(tool, complete):
    """All of the table, and none besides."""
    for name, words in tool.table().items():
        assert complete(name, "--") == {w for w in words if w.startswith("--")}
    assert complete("info", "--js") == {"--json"}
    assert complete("nonsense", "--") == set()


def test_sockets_and_folders(complete, tmp_path):
    (tmp_path / "file").write_text("")
    (tmp_path / "folder").mkdir()
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(tmp_path / "sock"))
    for words in (("info", ""), ("info", "--json", ""), ("info", "--wait", "1", ""),
                  ("read", "-W", "4", "")):
        assert complete(*words) == {"sock", "folder/"}
    assert complete("info", "s") == {"sock"}
    assert complete("read", "--output", "f") == {"file", "folder"}


def test_names(tool, complete, demo):
    regions, indexes = complete("read", "sock", ""), complete("irq", "--wait", "1", "sock", "")
    assert complete("write", "sock", "b") == {"bar%d" % i for i in range(6)}
    assert complete("bench", "--region", "c") == {"config"}
    assert complete("info", "--wait", "") == set() == complete("info", "sock", "")
    info = tool.json("info", demo.path)
    assert regions == {row["name"] for row in info["regions"]}
    assert indexes == {row["name"] for row in info["irqs"]}


def table(name, start):
    """The strings of a table of the sources."""
    text = (SOURCES / name).read_text(encoding="utf-8").split(start)[1]
    return set(re.findall(r'"(\w+)"', text.split("};")[0]))


def test_values_of_trace(tool, complete):
    """Those that the program knows, and no others."""
    messages = table("trace_names.c", "trace_name commands[] = {")
    formats = table("trace.c", "names[] = {")
    assert complete("trace", "--command", "") == messages >= {"VERSION", "MIG_DATA_WRITE"}
    assert complete("trace", "--format", "") == complete("trace", "-f", "") == formats
    assert complete("trace", "--command", "MIG") == {"MIG_DATA_READ", "MIG_DATA_WRITE"}
    assert complete("trace", "--format", "p") == {"pcapng"}
    for option, values in (("--command", messages), ("--format", formats)):
        for value in values:  # an error that is found behind the values
            line = tool.fails(t.USAGE, "trace", option, value)
            assert "--listen and --connect are needed" in line
