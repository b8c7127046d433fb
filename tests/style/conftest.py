# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-user contributors
"""Style tests: what can be said about the tree without running the library.

    pytest tests/style [--build-dir DIR]

The build is looked at, not made: the layer and symbol tests read its objects.
"""

import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))

import tree  # noqa: E402 pylint: disable=wrong-import-position

NOTES = []


def pytest_addoption(parser):
    parser.addoption("--build-dir", default=str(tree.ROOT / "build"),
                     help="a finished build of the tree")


def pytest_terminal_summary(terminalreporter):
    for line in NOTES:
        terminalreporter.write_line("note: " + line)


@pytest.fixture(scope="session")
def build_dir(request):
    """The folder of a finished build."""
    path = pathlib.Path(request.config.getoption("--build-dir")).resolve()
    if not (path / "build.ninja").exists():
        pytest.fail("no build in %s: run 'make build' first" % path)
    return path


@pytest.fixture(scope="session")
def note():
    """Say something in the summary that is neither a pass nor a failure."""
    return NOTES.append
