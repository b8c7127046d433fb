# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-user contributors
"""The device and the driver of the guide's first chapter."""

import pathlib
import re

import pytest

import tool as helpers

ROOT = pathlib.Path(__file__).resolve().parents[2]
GUIDE = ROOT / "doc" / "guides" / "prog_guide" / "first_device.rst"


@pytest.fixture
def shouter(build, tmp_path):
    """The device, which must outlive the test."""
    server = helpers.Server(build("examples", "first_device"), tmp_path / "first.sock")
    yield server.path
    assert server.proc.poll() is None, "the device died"
    server.kill()


def shout(build, path, text):
    """Run the driver to its end."""
    return helpers.Run(build("examples", "first_driver"), [path, text]).end()


def test_as_the_guide_says(build, shouter):
    """The guide's command prints what the guide shows."""
    said = re.search(r'first_driver first.sock "(.*)"\n +(.*)\n', GUIDE.read_text(encoding="utf-8"))
    done = shout(build, shouter, said[1])
    assert (done.status, done.out, done.err) == (helpers.OK, said[2] + "\n", "")


def test_one_driver_after_the_other(build, shouter):
    """A device that a driver has left serves the next one."""
    for length in (0, 1, 4095):
        assert shout(build, shouter, "x" * length).out == "X" * length + "\n"
