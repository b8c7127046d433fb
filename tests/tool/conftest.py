# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-user contributors
"""Fixtures of the tests of dpdk-vfio-user: the program, and peers for it."""

import os
import pathlib
import sys

import pytest

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "wire"))

# pylint: disable=wrong-import-position
import liar
import tool as helpers
import vfio_user_wire as vu


def pytest_addoption(parser):
    """Add --build-dir, unless another folder's tests did."""
    root = pathlib.Path(__file__).resolve().parents[2]
    try:
        parser.addoption("--build-dir", default=str(root / "build"),
                         help="meson's build folder")
    except ValueError:
        pass


@pytest.fixture(scope="session")
def build(request):
    """Finds a program below the build folder."""
    folder = pathlib.Path(request.config.getoption("--build-dir")).resolve()

    def find(*names):
        program = folder.joinpath(*names)
        if not os.access(program, os.X_OK):
            pytest.fail("no program %s: build first" % program, pytrace=False)
        return program

    return find


@pytest.fixture(scope="session")
def tool(build):
    """The program: tool(words...) runs it to its end."""
    return helpers.Tool(build("app", "vfio-user", "dpdk-vfio-user"))


@pytest.fixture
def demo(build, tmp_path):
    """A demo device, which must outlive the test and end in good order."""
    server = helpers.Server(build("examples", "vfio_user_demo"), tmp_path / "demo.sock")
    yield server
    server.end()


@pytest.fixture
def fake(tmp_path):
    """A server played by the test."""
    server = vu.FakeServer(tmp_path / "fake.sock")
    yield server
    server.close()


@pytest.fixture
def device(fake):
    """A device played by the test: device({command: answer})."""
    made = []

    def make(answers=None, caps=None):
        made.append(liar.Liar(fake, answers, caps))
        return made[-1]

    yield make
    for server in made:
        assert server.problem is None, server.problem
