# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 dpdk-vfio-user contributors
"""Options and fixtures of all tests with guests, and what was logged when one fails."""

import os

import pytest

import vm

# Set to 1 where everything must be there: what is missing fails then.
REQUIRED = os.environ.get("VFIO_USER_VM_REQUIRED") == "1"
LABS = []
#: Lines for who reads the report.
NOTES = []


def pytest_addoption(parser):
    """Add --build-dir, unless another folder's tests did."""
    try:
        parser.addoption("--build-dir", default=os.environ.get("VFIO_USER_BUILD_DIR", "build"),
                         help="meson's build folder (default: build)")
    except ValueError:
        pass


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport():
    """Add the logs' last lines to the report of a failed test."""
    outcome = yield
    report = outcome.get_result()
    if report.failed:
        for lab in LABS:
            report.sections += lab.report().items()


def pytest_terminal_summary(terminalreporter):
    """Print the notes; run_tests.py shows these lines."""
    while NOTES:
        terminalreporter.write_line("note: " + NOTES.pop(0))


def missing(reason):
    """Skip for a reason, or fail where nothing may be skipped."""
    if REQUIRED:
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


def built(request, *names):
    """Return the path of a program in the build folder."""
    folder = os.path.abspath(request.config.getoption("--build-dir"))
    path = os.path.join(folder, *names)
    if not (os.path.isfile(path) and os.access(path, os.X_OK)):
        missing("no program %s" % path)
    return path


def run_lab():
    """Provide a place for processes, known to the reports meanwhile."""
    with vm.Lab() as place:
        LABS.append(place)
        yield place
        LABS.remove(place)


@pytest.fixture(scope="module")
def module_lab():
    """A place for the processes of a module's tests."""
    yield from run_lab()


@pytest.fixture
def lab():
    """A place for the processes of one test."""
    yield from run_lab()
