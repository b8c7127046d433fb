# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-user contributors
"""What all commands have in common: help, wrong arguments, connecting."""

import pytest
import tool as t


def commands(tool):
    """Command -> its options, as --list prints them."""
    return {name: {word: arg for word, arg in words.items() if word.startswith("-")}
            for name, words in tool.table().items()}


def test_help_lists_the_commands(tool):
    text = tool.ok("--help")
    for name in commands(tool):
        assert "\n  %s " % name in text


def test_each_command_has_help(tool):
    for name, options in commands(tool).items():
        text = tool.ok(name, "--help")
        assert text.startswith("Usage: dpdk-vfio-user %s " % name)
        assert "\nExamples:\n  dpdk-vfio-user %s" % name in text
        for option in options:
            assert option in text


def test_version(tool):
    assert tool.ok("--version").startswith("dpdk-vfio-user 26.11.0")


@pytest.mark.parametrize("words, said", (
    ((), "no command given"),
    (("nonsense",), "unknown command 'nonsense'"),
    (("--nonsense",), "unknown option '--nonsense'"),
    (("--version", "a"), "unexpected argument 'a'"),
    (("-V", "--help"), "unexpected argument '--help'"),
    (("--help", "info"), "unexpected argument 'info'"),
    (("--list", "info"), "unexpected argument 'info'"),
    (("info",), "too few arguments"),
    (("info", "a", "b"), "unexpected argument 'b'"),
    (("info", "a", "--nonsense"), "unknown option '--nonsense'"),
    (("info", "a", "-Z"), "unknown option '-Z'"),
    (("info", "a", "--wait"), "option '--wait' needs an argument"),
    (("info", "a", "--wait", "x"), "--wait: 'x' is not a number of seconds"),
    (("info", "a", "--wait", "-1"), "--wait: '-1' is not a number of seconds"),
    (("info", "a", "--wait", "1e9"), "--wait: 1e9 seconds are too many"),
))
def test_wrong_arguments(tool, words, said):
    line = tool.fails(t.USAGE, *words)
    of = " info" if words[:1] == ("info",) else ""
    assert said in line and line.endswith("; try 'dpdk-vfio-user%s --help'" % of)


@pytest.mark.parametrize("words", (
    ("read", "a", "bar0", "x"), ("read", "a", "bar9", 0), ("read", "a", "bar0", 0, "-W3"),
    ("write", "a", "bar0", 0, 1, "-W3"), ("irq", "a", "nmi"), ("irq", "a", "msix", "-n", "x"),
    ("bench", "a", "--write", "bar0"), ("dma-test", "a", "--maps", "x"),
    ("top", "--interval", "x"), ("trace", "--hexdump", "x")), ids=lambda words: words[0])
def test_wrong_values(tool, words):
    """What is parsed for all commands refers to the help of the one that runs."""
    line = tool.fails(t.USAGE, *words)
    assert line.endswith("; try 'dpdk-vfio-user %s --help'" % words[0])
